#include "port/path.h"

#include "base/text.h"

#define PATH_IN_MESSAGE_MAX ((size_t)400)

enum po_status
po_path_check(const char *path, size_t path_size, struct po_err *err)
{
    size_t start = 0;

    if (path_size == 0)
        return PO_OK;
    for (size_t i = 0; i <= path_size; i++) {
        size_t length = i - start;

        if (i < path_size && path[i] == '\0')
            return po_fail(err, PO_E_USAGE, "a path with a NUL in it");
        if (i < path_size && path[i] != '/')
            continue;
        if (length == 0 || (length == 1 && path[start] == '.') ||
            (length == 2 && path[start] == '.' && path[start + 1] == '.'))
            return po_fail(err, PO_E_USAGE,
                           "a path that is absolute or has an empty, \".\" or \"..\" component");
        start = i + 1;
    }
    return PO_OK;
}

void
po_path_put_for_message(struct po_buf *out, const char *path, size_t path_size)
{
    if (path_size == 0) {
        po_buf_put_text(out, ".");
    } else if (path_size <= PATH_IN_MESSAGE_MAX) {
        po_text_put_name(out, path, path_size);
    } else {
        /* Both ends say more than the beginning alone. Characters cut here come out escaped. */
        po_text_put_name(out, path, PATH_IN_MESSAGE_MAX / 2);
        po_buf_put_text(out, "[...]");
        po_text_put_name(out, path + path_size - PATH_IN_MESSAGE_MAX / 2, PATH_IN_MESSAGE_MAX / 2);
    }
}
