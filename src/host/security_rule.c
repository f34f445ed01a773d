#include "host/security_rule.h"

#include "host/security_sddl.h"

#define FULL "FA"
#define MODIFY "0x1301bf"

/* Whether the account has full rights already. */
static bool
is_full(const struct po_sid *account)
{
    static const char *const full[] = { "S-1-5-32-544", "S-1-5-18" };

    for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
        struct po_sid sid;

        if (po_sid_parse(&sid, full[i]) && po_sid_is_equal(&sid, account))
            return true;
    }
    return false;
}

static void
put_modify(struct po_buf *out, const char *flags, const struct po_sid *account)
{
    po_buf_printf(out, "(A;%s;" MODIFY ";;;", flags);
    po_sid_put(out, account);
    po_buf_put_text(out, ")");
}

void
po_rule_put_sddl(struct po_buf *out, enum po_rule_node node, const struct po_sid *account,
                 const struct po_sid *group)
{
    static const char *const flags[] = {
        [PO_RULE_ROOT] = "OICI", [PO_RULE_DIRECTORY] = "OICIID", [PO_RULE_FILE] = "ID"
    };

    po_buf_printf(out, "O:BAD:%sAI(A;%s;" FULL ";;;BA)(A;%s;" FULL ";;;SY)",
                  node == PO_RULE_ROOT ? "P" : "", flags[node], flags[node]);
    if (!is_full(account))
        put_modify(out, flags[node], account);
    if (group != NULL && !is_full(group) && !po_sid_is_equal(group, account))
        put_modify(out, flags[node], group);
}

enum po_status
po_rule_put(struct po_buf *out, enum po_rule_node node, const struct po_sid *account,
            const struct po_sid *group, struct po_err *err)
{
    struct po_buf sddl = { 0 };
    enum po_status st;

    po_rule_put_sddl(&sddl, node, account, group);
    st = po_buf_check(&sddl, err);
    if (st == PO_OK)
        st = po_sddl_parse(out, po_buf_text(&sddl), err);
    po_buf_deinit(&sddl);
    return st;
}
