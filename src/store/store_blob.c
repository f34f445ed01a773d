#include "store/store.h"

#include "base/mem.h"
#include "port/file.h"

struct file_blob {
    struct po_file *file;
    char *path; /* as given, for messages */
};

static void
file_blob_free(struct file_blob *file_blob)
{
    if (file_blob == NULL)
        return;
    po_file_free(file_blob->file);
    po_mem_free(file_blob->path);
    po_mem_free(file_blob);
}

/* Keeps no position: that is what makes it safe for several threads. */
static enum po_status
file_blob_read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct file_blob *file_blob = ctx;
    size_t got = 0;
    enum po_status st = po_file_read_at(file_blob->file, offset, bytes, size, &got, err);

    if (st != PO_OK)
        return po_err_prefix(err, "%s", file_blob->path);
    if (got < size)
        return po_fail(err, PO_E_IO, "%s: ended at %llu; it was longer when it was opened",
                       file_blob->path, (unsigned long long)offset + got);
    return PO_OK;
}

/*
 * A blob has a size and any offset: a pipe has neither, and the opening of one may wait for ever.
 */
static enum po_status
check_regular(const char *os_path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(os_path, &info, &exists, err);

    if (st == PO_OK && exists && info.type != PO_NODE_FILE)
        st = po_fail(err, info.type == PO_NODE_DIRECTORY ? PO_E_USAGE : PO_E_IO,
                     "%s: not an archive: not a regular file", os_path);
    return st;
}

enum po_status
po_store_file_open(struct pobackup_blob *blob, const char *os_path, struct po_err *err)
{
    struct file_blob *file_blob = NULL;
    struct po_node_info info = { 0 };
    enum po_status st = check_regular(os_path, err);

    if (st != PO_OK)
        goto done;
    file_blob = po_mem_new(1, sizeof(*file_blob));
    if (file_blob == NULL) {
        st = po_fail_nomem(err, sizeof(*file_blob));
        goto done;
    }
    file_blob->path = po_mem_strdup(os_path);
    if (file_blob->path == NULL) {
        st = po_fail_nomem(err, sizeof(*file_blob));
        goto done;
    }
    st = po_os_file_open(&file_blob->file, os_path, PO_FILE_READ, err);
    if (st != PO_OK)
        goto done;
    st = po_file_info(file_blob->file, &info, err);
    if (st != PO_OK) {
        st = po_err_prefix(err, "%s", os_path);
        goto done;
    }
    blob->ctx = file_blob;
    blob->size = info.size;
    blob->read_at = file_blob_read_at;
    file_blob = NULL;
done:
    file_blob_free(file_blob);
    return st;
}

void
po_store_blob_free(struct pobackup_blob *blob)
{
    file_blob_free(blob->ctx);
    *blob = (struct pobackup_blob){ 0 };
}
