/* Taking what was written to the disk. */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"

#include <errno.h>
#include <string.h>

struct sync {
    struct po_dir *dir;
    struct po_buf todo; /* directories, each with a NUL behind */
    struct po_buf path;
    size_t dir_size;
};

static enum po_status
sync_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct sync *sync = ctx;
    struct po_file *file = NULL;
    enum po_status st = PO_OK;

    (void)failure;
    sync->path.size = sync->dir_size;
    if (sync->dir_size > 0)
        po_buf_put_u8(&sync->path, '/');
    po_buf_put(&sync->path, name, name_size);
    st = po_buf_check(&sync->path, err);
    if (st == PO_OK && info->type == PO_NODE_DIRECTORY) {
        po_buf_put(&sync->todo, sync->path.bytes, sync->path.size);
        po_buf_put_u8(&sync->todo, '\0');
        return po_buf_check(&sync->todo, err);
    }
    if (st != PO_OK || info->type != PO_NODE_FILE)
        return st;
    st = po_file_open(&file, sync->dir, (const char *)sync->path.bytes, sync->path.size,
                      PO_FILE_UPDATE, 0, err);
    /* Nothing of ours is read-only before it is synced, and others' files need no sync. */
    if (st != PO_OK && (err->os_code == EACCES || err->os_code == EBUSY))
        return PO_OK;
    if (st == PO_OK)
        st = po_file_sync(file, err);
    po_file_free(file);
    return st;
}

/* File by file: where the volume cannot be flushed as a whole (on the network, without rights). */
static enum po_status
sync_tree(struct po_dir *dir, struct po_err *err)
{
    struct sync sync = { .dir = dir };
    enum po_status st = po_dir_list(dir, "", 0, sync_child, &sync, err);

    while (st == PO_OK && sync.todo.size > 0) {
        size_t start = sync.todo.size - 1;

        while (start > 0 && sync.todo.bytes[start - 1] != '\0')
            start--;
        po_buf_clear(&sync.path);
        po_buf_put(&sync.path, sync.todo.bytes + start, sync.todo.size - 1 - start);
        sync.dir_size = sync.path.size;
        sync.todo.size = start;
        st = po_buf_check(&sync.path, err);
        if (st == PO_OK) {
            /* The callback changes sync.path: the listed directory needs a name of its own. */
            char *path = po_mem_copy(sync.path.bytes, sync.dir_size);

            st = path == NULL ? po_fail_nomem(err, sync.dir_size)
                              : po_dir_list(dir, path, sync.dir_size, sync_child, &sync, err);
            po_mem_free(path);
        }
    }
    po_buf_deinit(&sync.path);
    po_buf_deinit(&sync.todo);
    return st;
}

enum po_status
po_dir_sync_volume(struct po_dir *dir, struct po_err *err)
{
    HANDLE volume = dir->volume == NULL ? INVALID_HANDLE_VALUE
                                        : CreateFileW(dir->volume, GENERIC_READ | GENERIC_WRITE,
                                                      FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                                      OPEN_EXISTING, 0, NULL);
    bool is_flushed = volume != INVALID_HANDLE_VALUE && FlushFileBuffers(volume);

    if (volume != INVALID_HANDLE_VALUE)
        (void)CloseHandle(volume);
    return is_flushed ? PO_OK : sync_tree(dir, err);
}

enum po_status
po_dir_sync(struct po_dir *dir, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_ADD_FILE | FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN,
                                           .options = FILE_DIRECTORY_FILE };
    HANDLE handle = NULL;

    (void)err;
    /*
     * Directories are written through the file system's journal. Where flushing one is allowed it
     * makes that sure; FAT, the network and older systems refuse, and have nothing better.
     */
    if (po_nt_open_child(&handle, dir->handle, L"", 0, &how) >= 0)
        (void)FlushFileBuffers(handle);
    po_nt_close(&handle);
    return PO_OK;
}
