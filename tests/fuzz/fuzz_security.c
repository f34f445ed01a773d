/* A security descriptor: what is accepted is built again, printed, and given other accounts. */
#include "fuzz.h"
#include "host/security_accounts.h"
#include "host/security_sddl.h"

#include <string.h>

/* Every SID becomes the longest one there can be. */
static const struct po_sid *
lengthen(const void *ctx, const struct po_sid *sid)
{
    (void)sid;
    return ctx;
}

static void
check_again(const struct po_security *security, const struct po_buf *built)
{
    struct po_security again;
    struct po_buf twice = { 0 };
    struct po_err err;

    FUZZ_CHECK(po_security_parse(&again, built->bytes, built->size, &err) == PO_OK);
    FUZZ_CHECK(again.dacl.count == security->dacl.count);
    FUZZ_CHECK(again.sacl.count == security->sacl.count);
    FUZZ_CHECK(po_security_build(&twice, &again, NULL, NULL, &err) == PO_OK);
    FUZZ_CHECK(twice.size == built->size && memcmp(twice.bytes, built->bytes, twice.size) == 0);
    po_buf_deinit(&twice);
}

static void
check_text(const struct po_security *security)
{
    struct po_buf text = { 0 };
    struct po_buf bytes = { 0 };
    struct po_err err;

    po_sddl_put(&text, security);
    FUZZ_CHECK(po_buf_check(&text, &err) == PO_OK);
    /* Not all that can be shown can be read back. */
    if (po_sddl_parse(&bytes, po_buf_text(&text), &err) == PO_OK) {
        struct po_security again;
        struct po_buf second = { 0 };

        FUZZ_CHECK(po_security_parse(&again, bytes.bytes, bytes.size, &err) == PO_OK);
        po_sddl_put(&second, &again);
        FUZZ_CHECK(strcmp(po_buf_text(&text), po_buf_text(&second)) == 0);
        po_buf_deinit(&second);
    }
    po_buf_deinit(&bytes);
    po_buf_deinit(&text);
}

static void
check_mapping(const uint8_t *bytes, size_t size, const struct po_security *security)
{
    struct po_account_list list = { 0 };
    struct po_buf out = { 0 };
    struct po_sid longest;
    struct po_err err;
    enum po_status st;

    FUZZ_CHECK(po_account_list_add_security(&list, bytes, size, &err) == PO_OK);
    FUZZ_CHECK(po_sid_parse(&longest, "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"));
    st = po_security_build(&out, security, lengthen, &longest, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st == PO_OK)
        check_again(security, &out);
    po_buf_deinit(&out);
    po_account_list_deinit(&list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_security security;
    struct po_buf built = { 0 };
    struct po_buf ignored = { 0 };
    struct po_buf text = { 0 };
    struct po_err err;
    enum po_status st = po_security_parse(&security, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT);
    if (st == PO_OK) {
        FUZZ_CHECK(po_security_build(&built, &security, NULL, NULL, &err) == PO_OK);
        FUZZ_CHECK(built.size <= size + 2 * PO_SID_SIZE_MAX + 2 * PO_ACL_SIZE_MAX);
        check_again(&security, &built);
        check_text(&security);
        check_mapping(bytes, size, &security);
    }
    /* The same bytes as SDDL. */
    po_buf_put(&text, bytes, size);
    if (po_sddl_parse(&ignored, po_buf_text(&text), &err) == PO_OK)
        FUZZ_CHECK(po_security_parse(&security, ignored.bytes, ignored.size, &err) == PO_OK);
    po_buf_deinit(&text);
    po_buf_deinit(&ignored);
    po_buf_deinit(&built);
    return 0;
}
