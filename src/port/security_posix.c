/* What only Windows has (security_win32.c), here: nothing. */
#include "port/file.h"

enum po_status
po_dir_put_security(struct po_dir *dir, const char *path, size_t path_size, struct po_buf *out,
                    struct po_err *err)
{
    (void)dir;
    (void)path;
    (void)path_size;
    (void)out;
    (void)err;
    return PO_OK;
}

enum po_status
po_dir_set_windows_facts(struct po_dir *dir, const char *path, size_t path_size,
                         int64_t create_time, uint32_t attributes, struct po_err *err)
{
    (void)create_time;
    (void)attributes;
    return po_dir_put_security(dir, path, path_size, NULL, err);
}
