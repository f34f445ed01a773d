/* The rights of this machine (req: R7): joins accounts, descriptors, our rule and poperms. */
#include "base/mem.h"
#include "host/host_win32.h"
#include "host/host_win32_accounts.h"
#include "host/host_win32_poperms.h"
#include "host/host_win32_rights.h"

#include <string.h>

/* What of a machine's name stands before its accounts' names. */
#define NETBIOS_NAME_MAX 15u

struct po_win32_restore {
    struct po_account_list list; /* the archive's */
    struct po_account_map *map;
    struct po_win32_rights *rights; /* one a descriptor; those of another kind are empty */
    uint32_t count;
};

void
po_win32_restore_free(struct po_win32_restore *restore)
{
    if (restore == NULL)
        return;
    for (uint32_t i = 0; restore->rights != NULL && i < restore->count; i++)
        po_win32_rights_deinit(&restore->rights[i]);
    po_mem_free(restore->rights);
    po_account_map_free(restore->map);
    po_account_list_deinit(&restore->list);
    po_mem_free(restore);
}

/* ---- accounts, for a backup ---- */

static const char *
kind_name(enum po_account_kind kind)
{
    switch (kind) {
    case PO_ACCOUNT_USER:
        return "user";
    case PO_ACCOUNT_GROUP:
        return "group";
    case PO_ACCOUNT_UNKNOWN:
        break;
    }
    return "unknown";
}

static enum po_account_kind
kind_of(const char *name)
{
    if (name != NULL && strcmp(name, "user") == 0)
        return PO_ACCOUNT_USER;
    if (name != NULL && strcmp(name, "group") == 0)
        return PO_ACCOUNT_GROUP;
    return PO_ACCOUNT_UNKNOWN;
}

static enum po_status
list_accounts(struct po_account_list *list, const struct po_host_descriptors *descriptors,
              struct po_err *err)
{
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < descriptors->count && st == PO_OK; i++) {
        const uint8_t *bytes = NULL;
        size_t size = 0;

        if (descriptors->at(descriptors->ctx, i, &bytes, &size))
            st = po_account_list_add_security(list, bytes, size, err);
    }
    return st;
}

static enum po_status
windows_accounts(struct po_host *host, const struct po_host_descriptors *descriptors,
                 po_host_account_fn each, void *ctx, struct po_err *err)
{
    const struct po_account_system system = po_win32_accounts(&po_win32_account_calls);
    struct po_account_list list = { 0 };
    struct po_buf sid = { 0 };
    enum po_status st = list_accounts(&list, descriptors, err);

    (void)host;
    if (st == PO_OK)
        st = po_account_list_look_up(&list, &system, err);
    for (size_t i = 0; i < list.count && st == PO_OK; i++) {
        struct po_host_account account = { .name = list.items[i].name,
                                           .kind = kind_name(list.items[i].kind) };

        po_buf_clear(&sid);
        po_sid_put(&sid, &list.items[i].sid);
        st = po_buf_check(&sid, err);
        account.sid = po_buf_text(&sid);
        if (st == PO_OK)
            st = each(ctx, &account, err);
    }
    po_buf_deinit(&sid);
    po_account_list_deinit(&list);
    return st;
}

/* ---- preparing a restore ---- */

/* The names that the archive recorded; a SID that no descriptor has does not matter. */
static enum po_status
take_names(struct po_account_list *list, const struct po_host_origin *origin, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < origin->account_count && st == PO_OK; i++) {
        const struct po_host_account *account = &origin->accounts[i];
        struct po_sid sid;
        size_t number = 0;

        if (account->name != NULL && po_sid_parse(&sid, account->sid) &&
            po_account_list_find(list, &sid, &number))
            st = po_account_list_set_name(list, number, account->name, kind_of(account->kind), err);
    }
    return st;
}

/*
 * The account by which the services of the archive ran becomes that of the services here, whatever
 * either is called; both as SIDs or "DOMAIN\name" in the two buffers. Left empty where one of them
 * is not an account of its own (LocalSystem), or is not known.
 */
static enum po_status
pair_service_accounts(const struct po_win32_host *windows, const struct po_host_origin *origin,
                      struct po_buf *from, struct po_buf *to, struct po_err *err)
{
    const char *then = origin->service_account;
    const char *now = windows->found[PO_WIN32_SERVICE_MTA].account;
    struct po_sid sid;
    struct po_err ignored;

    if (then == NULL || now == NULL || strchr(then, '\\') == NULL)
        return PO_OK;
    if (po_win32_service_account(&po_win32_account_calls, now, &sid, &ignored) != PO_OK ||
        !po_sid_is_local(&sid))
        return PO_OK;
    if (then[0] == '.' && then[1] == '\\') {
        size_t size = origin->host == NULL ? 0 : strcspn(origin->host, ".");

        if (size == 0)
            return PO_OK;
        po_buf_put(from, origin->host, size < NETBIOS_NAME_MAX ? size : NETBIOS_NAME_MAX);
        then++;
    }
    po_buf_put_text(from, then);
    po_sid_put(to, &sid);
    return from->failed || to->failed ? po_fail_nomem(err, 0) : PO_OK;
}

static enum po_status
make_map(const struct po_win32_host *windows, struct po_win32_restore *restore,
         const struct po_host_origin *origin, struct po_err *err)
{
    const struct po_account_system system = po_win32_accounts(&po_win32_account_calls);
    struct po_buf from = { 0 };
    struct po_buf to = { 0 };
    struct po_buf name = { 0 };
    struct po_account_pair pair;
    struct po_account_question question = { .list = &restore->list, .old_host = origin->host };
    enum po_status st = po_win32_machine_name(&po_win32_account_calls, &name, err);

    if (st == PO_OK)
        st = pair_service_accounts(windows, origin, &from, &to, err);
    if (st == PO_OK) {
        pair = (struct po_account_pair){ .from = po_buf_text(&from), .to = po_buf_text(&to) };
        question.new_host = po_buf_text(&name);
        question.pairs = &pair;
        question.pair_count = from.size > 0;
        st = po_account_map_make(&restore->map, &question, &system, err);
    }
    po_buf_deinit(&from);
    po_buf_deinit(&to);
    po_buf_deinit(&name);
    return st;
}

static enum po_status
make_rights(struct po_win32_restore *restore, const struct po_host_descriptors *descriptors,
            struct po_err *err)
{
    struct po_buf mapped = { 0 };
    enum po_status st = PO_OK;

    restore->rights = po_mem_new(descriptors->count, sizeof(*restore->rights));
    if (restore->rights == NULL)
        return po_fail_nomem(err, descriptors->count * sizeof(*restore->rights));
    restore->count = descriptors->count;
    for (uint32_t i = 0; i < restore->count && st == PO_OK; i++) {
        const uint8_t *bytes = NULL;
        size_t size = 0;

        if (!descriptors->at(descriptors->ctx, i, &bytes, &size))
            continue;
        po_buf_clear(&mapped);
        st = po_account_map_security(restore->map, bytes, size, &mapped, err);
        if (st == PO_OK)
            st = po_win32_rights_prepare(&restore->rights[i], mapped.bytes, mapped.size, err);
    }
    po_buf_deinit(&mapped);
    return st;
}

static enum po_status
windows_prepare(struct po_host *host, const struct po_host_origin *origin,
                const struct po_host_descriptors *descriptors, struct po_buf *choices,
                size_t *unknown_count, struct po_err *err)
{
    struct po_win32_host *windows = po_win32_host_of(host);
    struct po_win32_restore *restore = po_mem_new(1, sizeof(*restore));
    enum po_status st;

    if (restore == NULL)
        return po_fail_nomem(err, sizeof(*restore));
    st = list_accounts(&restore->list, descriptors, err);
    if (st == PO_OK)
        st = take_names(&restore->list, origin, err);
    if (st == PO_OK)
        st = make_map(windows, restore, origin, err);
    if (st == PO_OK)
        st = make_rights(restore, descriptors, err);
    for (size_t i = 0; i < restore->list.count && st == PO_OK; i++) {
        if (restore->map->choices[i].reason == PO_ACCOUNT_EVERYWHERE)
            continue; /* nothing was chosen */
        po_account_map_put(restore->map, i, choices);
        po_buf_put_u8(choices, '\n');
    }
    if (st == PO_OK)
        st = po_buf_check(choices, err);
    if (st != PO_OK) {
        po_win32_restore_free(restore);
        return st;
    }
    *unknown_count = restore->map->kept_count;
    po_win32_restore_free(windows->restore);
    windows->restore = restore;
    return PO_OK;
}

/* ---- setting ---- */

static enum po_status
windows_set(struct po_host *host, uint32_t number, struct po_dir *dir, const char *path,
            size_t path_size, struct po_err *err)
{
    const struct po_win32_restore *restore = po_win32_host_of(host)->restore;
    bool sacl_left_out = false; /* the missing privilege was told at the start */

    if (restore == NULL || number >= restore->count)
        return po_fail(err, PO_E_USAGE, "descriptor %lu was not prepared", (unsigned long)number);
    if (restore->rights[number].parts == 0)
        return PO_OK;
    return po_win32_rights_set(&po_win32_rights_calls, dir, path, path_size,
                               &restore->rights[number], &sacl_left_out, err);
}

static enum po_status
windows_set_former(struct po_host *host, const void *bytes, size_t size, struct po_dir *dir,
                   const char *path, size_t path_size, struct po_err *err)
{
    struct po_win32_rights rights = { 0 };
    bool sacl_left_out = false;
    enum po_status st = po_win32_rights_prepare(&rights, bytes, size, err);

    (void)host;
    if (st == PO_OK)
        st = po_win32_rights_set(&po_win32_rights_calls, dir, path, path_size, &rights,
                                 &sacl_left_out, err);
    po_win32_rights_deinit(&rights);
    return st;
}

/* ---- whole trees ---- */

static bool
windows_has_poperms(struct po_host *host)
{
    const char *bin = po_win32_host_of(host)->place[PO_PART_BIN];

    return bin != NULL && po_win32_poperms_exists(bin);
}

/* A problem of po_win32_rights_default, which knows numbers of roots, as one of a part. */
struct numbered {
    const struct po_host_rights_watch *watch;
    enum po_part part[PO_PART_COUNT];
};

static enum po_status
pass_problem(void *ctx, size_t root, const char *path, size_t path_size,
             const struct po_err *failure, struct po_err *err)
{
    const struct numbered *numbered = ctx;
    const struct po_host_rights_watch *watch = numbered->watch;

    return watch->problem == NULL
               ? PO_OK
               : watch->problem(watch->ctx, numbered->part[root], path, path_size, failure, err);
}

static void
pass_progress(void *ctx, uint64_t done)
{
    const struct po_host_rights_watch *watch = ((const struct numbered *)ctx)->watch;

    if (watch->progress != NULL)
        watch->progress(watch->ctx, done);
}

static enum po_status
apply_default(const struct po_win32_host *windows, const bool *parts,
              const struct po_host_rights_watch *watch, uint64_t *done, struct po_err *err)
{
    struct numbered numbered = { .watch = watch };
    struct po_win32_rights_watch below = { .problem = pass_problem,
                                           .progress = pass_progress,
                                           .ctx = &numbered,
                                           .cancel = watch->cancel };
    struct po_dir *roots[PO_PART_COUNT] = { NULL };
    struct po_win32_rights_count count = { 0 };
    struct po_sid account;
    struct po_sid group;
    bool has_group = false;
    size_t root_count = 0;
    enum po_status st = po_win32_service_account(
        &po_win32_account_calls, windows->found[PO_WIN32_SERVICE_MTA].account, &account, err);

    if (st == PO_OK)
        st = po_win32_service_group(&po_win32_account_calls, NULL, &group, &has_group, err);
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++) {
        if (!parts[part] || windows->place[part] == NULL)
            continue;
        numbered.part[root_count] = (enum po_part)part;
        st = po_dir_open(&roots[root_count], windows->place[part], err);
        root_count += st == PO_OK;
    }
    if (st == PO_OK && root_count > 0)
        st = po_win32_rights_default(&po_win32_rights_calls, roots, root_count, &account,
                                     has_group ? &group : NULL, &below, &count, err);
    *done = count.done;
    for (size_t i = 0; i < root_count; i++)
        po_dir_free(roots[i]);
    return st;
}

static enum po_status
apply_poperms(const struct po_win32_host *windows, const struct po_host_rights_watch *watch,
              struct po_err *err)
{
    const struct po_win32_poperms what = { .bin = windows->place[PO_PART_BIN],
                                           .cancel = watch->cancel,
                                           .waiting = watch->waiting,
                                           .ctx = watch->ctx };
    struct po_buf output = { 0 };
    uint32_t exit_code = 0;
    enum po_status st = po_win32_poperms(&what, po_win32_run, &output, &exit_code, err);

    po_buf_deinit(&output);
    return st;
}

static enum po_status
windows_apply(struct po_host *host, enum po_rights rights, const bool parts[PO_PART_COUNT],
              const struct po_host_rights_watch *watch, uint64_t *done, struct po_err *err)
{
    const struct po_win32_host *windows = po_win32_host_of(host);

    *done = 0;
    if (rights == PO_RIGHTS_DEFAULT)
        return apply_default(windows, parts, watch, done, err);
    if (rights == PO_RIGHTS_POPERMS)
        return apply_poperms(windows, watch, err);
    return po_fail(err, PO_E_USAGE, "%s is nothing that is set for whole trees",
                   po_rights_name(rights));
}

const struct po_host_rights_ops po_win32_rights_ops = {
    .accounts = windows_accounts,
    .has_poperms = windows_has_poperms,
    .prepare = windows_prepare,
    .set = windows_set,
    .set_former = windows_set_former,
    .apply = windows_apply,
};
