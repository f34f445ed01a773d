#include "cli/cli_parents.h"

#include "base/mem.h"
#include "port/file.h"
#include "store/store.h"

#include <string.h>

/* As po_parents_place wants it; ctx is the archive. The name is one component. */
static enum po_status
open_beside(void *ctx, const char *name, struct pobackup_blob *blob, bool *is_found,
            struct po_err *err)
{
    const struct po_cli_archive *archive = ctx;
    struct po_node_info info = { 0 };
    size_t dir_size = 0;
    size_t name_start = 0;
    char *dir = NULL;
    char *path = NULL;
    enum po_status st;

    po_path_split(archive->path, strlen(archive->path), &dir_size, &name_start);
    dir = name_start > 0 ? po_mem_copy(archive->path, name_start) : po_mem_strdup(".");
    path = dir != NULL ? po_os_path_join(dir, name) : NULL;
    if (path == NULL) {
        st = po_fail_nomem(err, strlen(name));
        goto done;
    }
    st = po_os_stat(path, &info, is_found, err);
    if (st == PO_OK && *is_found)
        st = po_store_file_open(blob, path, err);
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

enum po_status
po_cli_parents_check(const struct po_cli_archive *archive, struct po_problems *missing,
                     struct po_err *err)
{
    struct po_cli_archive copy = *archive; /* ctx is not const */
    const struct po_parents_place place = { .ctx = &copy,
                                            .open = open_beside,
                                            .close = close_beside };

    return po_parents_check(archive->reader, &place, missing, err);
}
