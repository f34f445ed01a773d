#include "cli/cli_parents.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cli_trust.h"
#include "engine/vault.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

/* Where an archive lies; as po_parents_place wants it. */
struct beside {
    char *dir;
    const struct po_watch *watch;
    const struct po_cli *cli; /* whose trusted keys must have signed them; NULL: whoever did */
    struct po_vault *vault;   /* once something was not found by its name */
    bool is_looked_at;
};

static enum po_status
beside_init(struct beside *beside, const char *path, const struct po_watch *watch,
            struct po_err *err)
{
    size_t dir_size = 0;
    size_t name_start = 0;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    *beside = (struct beside){ .watch = watch };
    beside->dir = name_start > 0 ? po_mem_copy(path, name_start) : po_mem_strdup(".");
    return beside->dir != NULL ? PO_OK : po_fail_nomem(err, name_start);
}

static void
beside_deinit(struct beside *beside)
{
    po_vault_free(beside->vault);
    po_mem_free(beside->dir);
}

/* The name is one component. */
static enum po_status
open_beside(void *ctx, const char *name, struct pobackup_blob *blob, bool *is_found,
            struct po_err *err)
{
    const struct beside *beside = ctx;
    struct po_node_info info = { 0 };
    char *path = po_os_path_join(beside->dir, name);
    enum po_status st =
        path == NULL ? po_fail_nomem(err, strlen(name)) : po_os_stat(path, &info, is_found, err);

    if (st == PO_OK && *is_found)
        st = po_store_file_open(blob, path, err);
    if (st == PO_OK && *is_found && beside->cli != NULL) {
        st = po_cli_trust_require(beside->cli, path, blob, NULL, err);
        if (st != PO_OK)
            po_store_blob_free(blob);
    }
    po_mem_free(path);
    return st;
}

/* A directory that cannot be listed tells of none. */
static enum po_status
look(struct beside *beside, struct po_err *err)
{
    enum po_status st;

    if (beside->is_looked_at)
        return PO_OK;
    beside->is_looked_at = true;
    st = po_vault_open(&beside->vault, beside->dir, NULL, beside->watch, err);
    return st == PO_E_NOMEM || st == PO_E_CANCELLED ? st : PO_OK;
}

static enum po_status
find_beside(void *ctx, const uint8_t digest[PO_DIGEST_SIZE], struct po_buf *name,
            struct pobackup_blob *blob, bool *is_found, struct po_err *err)
{
    struct beside *beside = ctx;
    uint32_t row = PO_RETENTION_NONE;
    enum po_status st = look(beside, err);

    *is_found = false;
    if (st == PO_OK && beside->vault != NULL)
        row = po_vault_find_digest(beside->vault, digest);
    if (st != PO_OK || row == PO_RETENTION_NONE)
        return st;
    po_buf_put_text(name, beside->vault->rows[row].name);
    st = po_buf_check(name, err);
    return st == PO_OK ? open_beside(ctx, po_buf_text(name), blob, is_found, err) : st;
}

static void
close_beside(void *ctx, struct pobackup_blob *blob)
{
    (void)ctx;
    po_store_blob_free(blob);
}

/* Nothing of where they lie is needed once they are open. */
static enum po_status
open_all(const struct po_cli *cli, const struct po_cli_archive *archive, struct po_parents *parents,
         const struct po_watch *watch, struct po_problems *missing, struct po_err *err)
{
    struct beside beside;
    const struct po_parents_place place = {
        .ctx = &beside, .open = open_beside, .find = find_beside, .close = close_beside
    };
    enum po_status st = beside_init(&beside, archive->path, watch, err);

    beside.cli = cli;
    if (st == PO_OK)
        st = po_parents_open(parents, archive->reader, &place, missing, err);
    parents->place.ctx = NULL;
    beside_deinit(&beside);
    return st;
}

enum po_status
po_cli_parents_check(const struct po_cli_archive *archive, const struct po_watch *watch,
                     struct po_problems *missing, struct po_err *err)
{
    struct po_parents parents = { 0 };
    enum po_status st = open_all(NULL, archive, &parents, watch, missing, err);

    po_parents_close(&parents);
    return st;
}

static void
tell_missing(struct po_cli *cli, const struct po_cli_archive *archive,
             const struct po_problems *missing)
{
    for (size_t i = 0; i < missing->count; i++)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s builds on %.*s, which is not beside it: what lies in that one cannot "
                        "be had",
                        archive->path, (int)missing->items[i].path_size, missing->items[i].path);
}

bool
po_cli_parents_join(struct po_cli *cli, struct po_cli_archive *archive, int *code)
{
    struct po_problems missing = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    if (archive->reader->index->parent_count == 0)
        return true;
    st = open_all(cli, archive, &archive->parents, &cli->watch, &missing, &err);
    if (st == PO_OK)
        st = po_joined_new(&archive->joined, archive->reader, archive->parents.readers, &err);
    /* Their indexes are not needed any more. */
    po_parents_drop_readers(&archive->parents);
    if (st == PO_OK) {
        archive->reader = po_joined_reader(archive->joined);
        tell_missing(cli, archive, &missing);
    } else {
        *code = po_cli_archive_failed(cli, archive->path, &err);
    }
    po_problems_deinit(&missing);
    return st == PO_OK;
}
