#include "cli/cli_parents.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cli_trust.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

struct beside {
    const struct po_cli *cli; /* NULL: whoever signed them */
    const char *of;           /* the archive's path */
};

/* As po_parents_place wants it. The name is one component. */
static enum po_status
open_beside(void *ctx, const char *name, struct pobackup_blob *blob, bool *is_found,
            struct po_err *err)
{
    const struct beside *beside = ctx;
    const char *of = beside->of;
    struct po_node_info info = { 0 };
    size_t dir_size = 0;
    size_t name_start = 0;
    char *dir = NULL;
    char *path = NULL;
    enum po_status st;

    po_path_split(of, strlen(of), &dir_size, &name_start);
    dir = name_start > 0 ? po_mem_copy(of, name_start) : po_mem_strdup(".");
    path = dir != NULL ? po_os_path_join(dir, name) : NULL;
    if (path == NULL) {
        st = po_fail_nomem(err, strlen(name));
        goto done;
    }
    st = po_os_stat(path, &info, is_found, err);
    if (st == PO_OK && *is_found)
        st = po_store_file_open(blob, path, err);
    if (st == PO_OK && *is_found && beside->cli != NULL) {
        st = po_cli_trust_require(beside->cli, path, blob, NULL, err);
        if (st != PO_OK)
            po_store_blob_free(blob);
    }
done:
    po_mem_free(path);
    po_mem_free(dir);
    return st;
}

static void
close_beside(void *ctx, struct pobackup_blob *blob)
{
    (void)ctx;
    po_store_blob_free(blob);
}

static enum po_status
open_all(struct beside *beside, const struct po_cli_archive *archive, struct po_parents *parents,
         struct po_problems *missing, struct po_err *err)
{
    const struct po_parents_place place = { .ctx = beside,
                                            .open = open_beside,
                                            .close = close_beside };

    enum po_status st = po_parents_open(parents, archive->reader, &place, missing, err);

    parents->place.ctx = NULL; /* closing needs none, and this one does not live as long */
    return st;
}

enum po_status
po_cli_parents_check(const struct po_cli_archive *archive, struct po_problems *missing,
                     struct po_err *err)
{
    struct beside beside = { .cli = NULL, .of = archive->path };
    struct po_parents parents = { 0 };
    enum po_status st = open_all(&beside, archive, &parents, missing, err);

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
    struct beside beside = { .cli = cli, .of = archive->path };
    struct po_problems missing = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    if (archive->reader->index->parent_count == 0)
        return true;
    st = open_all(&beside, archive, &archive->parents, &missing, &err);
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
