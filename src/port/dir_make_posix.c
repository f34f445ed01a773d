/* Directories by the paths that users type, made where missing. */
#include "port/file.h"

#include "base/mem.h"
#include "port/file_posix.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* `mode` is that of the last one. */
static enum po_status
open_make(struct po_dir **out, const char *os_path, mode_t mode, struct po_err *err)
{
    enum po_status st = PO_OK;
    char *path;
    size_t size = strlen(os_path);

    path = po_mem_copy(os_path, size);
    if (path == NULL)
        return po_fail_nomem(err, size + 1);
    /*
     * Each prefix that ends before a '/' or at the end. What is there already, a link to a
     * directory too, is found by the open.
     */
    for (size_t i = 1; i <= size; i++) {
        if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
            continue;
        path[i] = '\0';
        if (mkdir(path, os_path[i + strspn(os_path + i, "/")] == '\0' ? mode : 0777) != 0 &&
            errno != EEXIST) {
            int code = errno;
            struct stat info;

            /* On read-only volumes some systems say so before they see that it exists. */
            if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
                st = po_beneath_fail(err, code, "make", path, i);
                goto done;
            }
        }
        path[i] = os_path[i];
    }
    st = po_dir_open(out, os_path, err);
done:
    po_mem_free(path);
    return st;
}

enum po_status
po_dir_open_make(struct po_dir **out, const char *os_path, struct po_err *err)
{
    return open_make(out, os_path, 0777, err);
}

enum po_status
po_dir_open_make_private(struct po_dir **out, const char *os_path, struct po_err *err)
{
    return open_make(out, os_path, 0700, err);
}
