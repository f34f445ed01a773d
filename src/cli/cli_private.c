#include "cli/cli_private.h"

#include "base/buf.h"
#include "cli/cli_lock.h"
#include "host/security_private.h"

#include <string.h>

/* Empty where the system, or the file system, has no such thing. */
static enum po_status
put_security(struct po_buf *out, const char *path, struct po_err *err)
{
    struct po_dir *dir = NULL;
    const char *name = NULL;
    enum po_status st = po_cli_open_parent(&dir, &name, path, err);

    if (st == PO_OK)
        st = po_dir_put_security(dir, name, strlen(name), out, err);
    if (st == PO_OK)
        st = po_buf_check(out, err);
    po_dir_free(dir);
    return st;
}

/* What cannot be told to be private is not taken for it. */
static enum po_status
check_security(const char *path, const char *what, struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_buf name = { 0 };
    struct po_security security;
    struct po_sid who;
    enum po_status st = put_security(&bytes, path, err);

    if (st == PO_OK && bytes.size > 0)
        st = po_security_parse(&security, bytes.bytes, bytes.size, err);
    if (st == PO_OK && bytes.size > 0 && po_security_is_open(&security, &who)) {
        po_sid_put(&name, &who);
        st = po_fail(err, PO_E_USAGE,
                     "%s: others (%s) can read %s; leave it to yourself, SYSTEM and "
                     "Administrators: icacls FILE /inheritance:r /grant *S-1-5-18:F "
                     "*S-1-5-32-544:F",
                     path, po_buf_text(&name), what);
    }
    po_buf_deinit(&name);
    po_buf_deinit(&bytes);
    return st;
}

enum po_status
po_cli_private_check(struct po_file *file, const char *path, const char *what, struct po_err *err)
{
    struct po_node_info info = { 0 };
    enum po_status st = po_file_info(file, &info, err);

    if (st != PO_OK)
        return st;
    if (!info.has_owner)
        return check_security(path, what, err);
    if ((info.mode & 0077) != 0)
        return po_fail(err, PO_E_USAGE, "%s: others can read %s (mode %03o); make it 0600", path,
                       what, info.mode);
    return PO_OK;
}
