/* Directories by the paths that users type, made where missing. */
#include "port/file.h"

#include "port/file_win32.h"

#include <string.h>

/* Makes the directory, and those above it, where missing; `rights` are for the directory itself. */
static enum po_status
make_os_directory(wchar_t *path, size_t length, SECURITY_ATTRIBUTES *rights, const char *os_path,
                  struct po_err *err)
{
    DWORD code = CreateDirectoryW(path, rights) ? 0 : GetLastError();
    size_t above = length;
    enum po_status st;

    if (code == ERROR_ALREADY_EXISTS && (GetFileAttributesW(path) & FILE_ATTRIBUTE_DIRECTORY) == 0)
        return po_beneath_fail_win32(err, ERROR_DIRECTORY, "make", os_path, strlen(os_path));
    if (code == 0 || code == ERROR_ALREADY_EXISTS)
        return PO_OK;
    while (above > 0 && path[above - 1] != L'\\')
        above--;
    /* "\\?\C:" and its like are not made. */
    if (code != ERROR_PATH_NOT_FOUND || above < 8)
        return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES
                   ? PO_OK
                   : po_beneath_fail_win32(err, code, "make", os_path, strlen(os_path));
    path[above - 1] = L'\0';
    st = make_os_directory(path, above - 1, NULL, os_path, err);
    path[above - 1] = L'\\';
    if (st != PO_OK || CreateDirectoryW(path, rights) || GetLastError() == ERROR_ALREADY_EXISTS)
        return st;
    return po_beneath_fail_win32(err, GetLastError(), "make", os_path, strlen(os_path));
}

static enum po_status
open_make(struct po_dir **out, const char *os_path, SECURITY_ATTRIBUTES *rights, struct po_err *err)
{
    struct po_wide path = { 0 };
    enum po_status st = po_wide_from_os_path(&path, os_path, err);

    if (st != PO_OK)
        return st;
    while (path.length > 0 && path.text[path.length - 1] == L'\\')
        path.text[--path.length] = L'\0';
    st = make_os_directory(path.text, path.length, rights, os_path, err);
    po_wide_free(&path);
    return st == PO_OK ? po_dir_open(out, os_path, err) : st;
}

enum po_status
po_dir_open_make(struct po_dir **out, const char *os_path, struct po_err *err)
{
    return open_make(out, os_path, NULL, err);
}

/* Nothing is inherited from above: users may read what lies in the system's own data directory. */
enum po_status
po_dir_open_make_private(struct po_dir **out, const char *os_path, struct po_err *err)
{
    SECURITY_ATTRIBUTES rights = { .nLength = sizeof(rights) };
    DWORD code = po_nt_private_rights(&rights.lpSecurityDescriptor, true);
    enum po_status st;

    if (code == 0)
        st = open_make(out, os_path, &rights, err);
    else
        st = po_beneath_fail_win32(err, code, "make rights for", os_path, strlen(os_path));
    (void)LocalFree(rights.lpSecurityDescriptor);
    return st;
}
