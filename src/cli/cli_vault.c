#include "cli/cli_vault.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_history.h"

#include <string.h>

enum po_status
po_cli_vault_check(const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(path, &info, &exists, err);

    if (st == PO_OK && !exists)
        st = po_fail(err, PO_E_IO, "%s: there is no such directory", path);
    else if (st == PO_OK && info.type != PO_NODE_DIRECTORY)
        st = po_fail(err, PO_E_USAGE,
                     "%s: not a directory; a vault is the directory that archives lie in", path);
    return st;
}

bool
po_cli_vault_open(struct po_cli *cli, const char *path, bool is_to_remove, struct po_vault **out,
                  int *code)
{
    struct po_history *history = NULL;
    struct po_err err = { 0 };
    enum po_status st = po_cli_vault_check(path, &err);

    *code = PO_EXIT_DONE;
    if (st == PO_OK && !po_cli_history_load(cli, &history) && is_to_remove)
        st = po_fail(&err, PO_E_IO,
                     "it is not known what was verified last, which must stay: nothing is removed");
    if (st == PO_OK)
        st = po_vault_open(out, path, history, &cli->watch, &err);
    po_history_free(history);
    if (st != PO_OK)
        *code = po_cli_failed(cli, &err);
    return st == PO_OK;
}

bool
po_cli_vault_look(struct po_cli *cli, const char *path, struct po_vault **out, struct po_err *err)
{
    return po_vault_open(out, path, po_cli_history_before(cli), &cli->watch, err) == PO_OK;
}

bool
po_cli_vault_lock(struct po_cli *cli, const char *path, struct po_vault_lock **lock, int *code)
{
    struct po_buf holder = { 0 };
    struct po_err err = { 0 };
    bool goes_on = true;

    *lock = NULL;
    if (po_vault_lock_take(lock, path, cli->verb->name, &holder, &err) != PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "no lock on the vault, so see to it that no other pobackup writes into it "
                        "meanwhile: %s",
                        err.text);
    } else if (*lock == NULL) {
        goes_on = false;
        (void)po_fail(&err, PO_E_IO,
                      "another pobackup is working on this vault (%s); wait until it has ended",
                      holder.size > 0 ? po_buf_text(&holder) : "it does not say which");
        (void)po_err_prefix(&err, "%s", path);
        *code = po_cli_failed(cli, &err);
    }
    po_buf_deinit(&holder);
    return goes_on;
}

/* ---- problems ---- */

static enum po_cli_tone
tone_of(enum po_vault_fault fault)
{
    switch (fault) {
    case PO_VAULT_DAMAGED:
    case PO_VAULT_UNREADABLE:
    case PO_VAULT_NEWER:
        return PO_CLI_WARNING;
    case PO_VAULT_FOREIGN:
    case PO_VAULT_PARTIAL:
        break;
    }
    return PO_CLI_NOTE;
}

int
po_cli_vault_name_problems(struct po_cli *cli, const char *path, const struct po_vault *vault)
{
    struct po_buf name = { 0 };
    int code = PO_EXIT_DONE;

    for (uint32_t i = 0; i < vault->problem_count; i++) {
        const struct po_vault_problem *problem = &vault->problems[i];
        const char *fault = po_vault_fault_name(problem->fault);
        json_t *item;

        po_buf_clear(&name);
        po_text_put_name(&name, problem->name, strlen(problem->name));
        po_cli_out_tell(&cli->out, tone_of(problem->fault), "%s: %s: %s", po_buf_text(&name), fault,
                        problem->reason);
        if (tone_of(problem->fault) == PO_CLI_WARNING)
            code = PO_EXIT_PARTLY;
        if (!po_cli_out_has_document(&cli->out))
            continue;
        item =
            json_pack("{s:o, s:s, s:o, s:o}", "path", po_cli_vault_path_json(path, problem->name),
                      "fault", fault, "reason", po_cli_json_text(problem->reason), "file_bytes",
                      po_cli_json_u64(problem->file_bytes));
        po_cli_json_item(&cli->out, item);
    }
    po_buf_deinit(&name);
    return code;
}

int
po_cli_vault_problems(struct po_cli *cli, const char *path, const struct po_vault *vault)
{
    int code;

    po_cli_json_array_begin(&cli->out, "problems");
    code = po_cli_vault_name_problems(cli, path, vault);
    po_cli_json_array_end(&cli->out);
    return code;
}

/* ---- JSON ---- */

void
po_cli_json_add(json_t **object, const char *key, json_t *value)
{
    if (*object != NULL && json_object_set_new(*object, key, value) == 0)
        return;
    if (*object == NULL)
        json_decref(value);
    json_decref(*object);
    *object = NULL;
}

json_t *
po_cli_vault_path_json(const char *path, const char *name)
{
    char *joined = po_os_path_join(path, name);
    json_t *value = joined == NULL ? NULL : po_cli_json_plain_path(joined, strlen(joined));

    po_mem_free(joined);
    return value;
}

static json_t *
row_path_json(const char *path, const struct po_vault *vault, uint32_t row)
{
    return row == PO_RETENTION_NONE ? json_null()
                                    : po_cli_vault_path_json(path, vault->rows[row].name);
}

static json_t *
parents_json(const char *path, const struct po_vault *vault, const struct po_vault_row *row)
{
    json_t *parents = json_array();

    for (size_t i = 0; i < row->peek.manifest.parent_count; i++) {
        const struct po_parent *parent = &row->peek.manifest.parents[i];
        json_t *item = json_pack("{s:o, s:o, s:o}", "archive_id",
                                 po_cli_json_hex(parent->archive_id, PO_ID_SIZE), "digest",
                                 po_cli_json_hex(parent->digest, PO_DIGEST_SIZE), "path",
                                 row_path_json(path, vault, row->parents[i]));

        if (json_array_append_new(parents, item) != 0) {
            json_decref(parents);
            return NULL;
        }
    }
    return parents;
}

/* NULL (not known) is null. */
static json_t *
known_json(const char *text)
{
    return text == NULL ? json_null() : po_cli_json_text(text);
}

static json_t *
site_json(const struct po_manifest_core *manifest)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "registry", known_json(manifest->registry), "bin",
                     known_json(manifest->bin), "spool", known_json(manifest->spool), "mailbox",
                     known_json(manifest->mailbox));
}

static json_t *
verified_json(const struct po_vault_row *row)
{
    return row->check == PO_HISTORY_UNCHECKED
               ? json_null()
               : json_pack("{s:o, s:s}", "time", po_cli_json_time(row->checked_at), "how",
                           po_history_check_name(row->check));
}

json_t *
po_cli_vault_row_json(const char *path, const struct po_vault *vault, uint32_t number)
{
    const struct po_vault_row *row = &vault->rows[number];
    const struct po_manifest_core *manifest = &row->peek.manifest;
    json_t *object = json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "path",
        po_cli_vault_path_json(path, row->name), "archive_id",
        po_cli_json_hex(manifest->archive_id, PO_ID_SIZE), "digest",
        po_cli_json_hex(row->peek.digest, PO_DIGEST_SIZE), "created",
        po_cli_json_time(manifest->created), "kind", manifest->is_diff ? "diff" : "full", "parents",
        parents_json(path, vault, row), "file_bytes", po_cli_json_u64(row->file_bytes),
        "content_bytes", po_cli_json_u64(row->peek.trailer.content_bytes), "entries",
        po_cli_json_u64(row->peek.trailer.entry_count));

    po_cli_json_add(&object, "host", known_json(manifest->host_name));
    po_cli_json_add(&object, "host_kind", known_json(manifest->host_kind));
    po_cli_json_add(&object, "site", site_json(manifest));
    po_cli_json_add(&object, "group", po_cli_json_u64(row->group));
    po_cli_json_add(&object, "purpose", known_json(manifest->purpose));
    po_cli_json_add(&object, "complete",
                    row->is_known_complete     ? json_true()
                    : row->is_known_incomplete ? json_false()
                                               : json_null());
    po_cli_json_add(&object, "damaged", json_boolean(row->is_damaged));
    po_cli_json_add(&object, "verified", verified_json(row));
    po_cli_json_add(&object, "copy_of", row_path_json(path, vault, row->copy_of));
    return object;
}
