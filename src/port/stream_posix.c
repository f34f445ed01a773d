/* Alternate streams, which only Windows has (stream_win32.c), here: none. */
#include "port/stream.h"

#include <errno.h>

static bool
are_known(struct po_dir *dir)
{
    (void)dir;
    return false;
}

static enum po_status
read_extras(struct po_dir *dir, const char *path, size_t path_size, struct po_node_extras *extras,
            struct po_err *err)
{
    return po_dir_put_security(dir, path, path_size, &extras->security, err);
}

static enum po_status
open_stream(struct po_file **out, struct po_dir *dir, const char *path, size_t path_size,
            const char *name, size_t name_size, enum po_file_how how, struct po_err *err)
{
    (void)out;
    (void)dir;
    (void)path;
    (void)path_size;
    (void)name;
    (void)name_size;
    (void)how;
    return po_fail_errno(err, ENOTSUP, "open an alternate stream");
}

const struct po_stream_ops po_stream_system = { .are_known = are_known,
                                                .read_extras = read_extras,
                                                .open = open_stream };
