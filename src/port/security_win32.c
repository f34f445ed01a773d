/* What a node of Windows has that others do not: its descriptor, its attributes, its birth. */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"

#include <errno.h>
#include <sddl.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTOR_SIZE_FIRST ((DWORD)512)

/* What a program may set; the rest (compressed, encrypted, sparse, reparse) are other calls' matter. */
#define SETTABLE_ATTRIBUTES                                                                        \
    ((uint32_t)(FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |          \
                FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED))

/* Appends what the handle's descriptor says of `parts`. */
static DWORD
put_parts(HANDLE handle, SECURITY_INFORMATION parts, struct po_buf *out)
{
    DWORD size = DESCRIPTOR_SIZE_FIRST;

    for (;;) {
        DWORD needed = 0;
        DWORD code;

        if (!po_buf_reserve(out, size))
            return ERROR_NOT_ENOUGH_MEMORY;
        if (GetKernelObjectSecurity(handle, parts, out->bytes + out->size, size, &needed)) {
            out->size += GetSecurityDescriptorLength(out->bytes + out->size);
            return 0;
        }
        code = GetLastError();
        if (code != ERROR_INSUFFICIENT_BUFFER || needed <= size)
            return code;
        size = needed;
    }
}

LONG
po_place_open_security(const struct po_place *place, HANDLE *out, bool *has_system_part)
{
    struct po_nt_open how = { .access = READ_CONTROL | ACCESS_SYSTEM_SECURITY,
                              .disposition = FILE_OPEN };
    LONG status = po_place_open_node(place, out, &how);

    *has_system_part = status >= 0;
    if (status >= 0)
        return status;
    /* Without the privilege the system's own part stays unknown. */
    how.access = READ_CONTROL;
    return po_place_open_node(place, out, &how);
}

DWORD
po_nt_put_security(HANDLE handle, bool has_system_part, struct po_buf *out)
{
    static const SECURITY_INFORMATION usual =
        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    DWORD code = ERROR_ACCESS_DENIED;

    if (has_system_part)
        code = put_parts(handle, usual | SACL_SECURITY_INFORMATION, out);
    if (code != 0)
        code = put_parts(handle, usual, out);
    /* FAT and some network file systems have none. */
    return code == ERROR_NOT_SUPPORTED || code == ERROR_INVALID_FUNCTION ? 0 : code;
}

enum po_status
po_dir_put_security(struct po_dir *dir, const char *path, size_t path_size, struct po_buf *out,
                    struct po_err *err)
{
    bool has_system_part = false;
    struct po_place place;
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_security(&place, &handle, &has_system_part);
        DWORD code = status < 0 ? 0 : po_nt_put_security(handle, has_system_part, out);

        if (status < 0)
            st = po_beneath_fail(err, status, "read the rights of", path, path_size);
        else if (code != 0)
            st = po_beneath_fail_win32(err, code, "read the rights of", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

LONG
po_nt_set_facts(HANDLE handle, int64_t create_time, uint32_t attributes)
{
    FILE_BASIC_INFORMATION basic = { 0 };

    if (create_time != POBACKUP_TIME_UNKNOWN)
        basic.CreationTime.QuadPart = po_time_to_filetime(create_time);
    if (attributes != 0) {
        basic.FileAttributes = attributes & SETTABLE_ATTRIBUTES;
        if (basic.FileAttributes == 0)
            basic.FileAttributes = FILE_ATTRIBUTE_NORMAL;
    }
    return po_nt_set_basic(handle, &basic);
}

enum po_status
po_dir_set_windows_facts(struct po_dir *dir, const char *path, size_t path_size,
                         int64_t create_time, uint32_t attributes, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_WRITE_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_place place;
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_node(&place, &handle, &how);

        if (status >= 0)
            status = po_nt_set_facts(handle, create_time, attributes);
        if (status < 0)
            st = po_beneath_fail(err, status, "set the attributes of", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

/* ---- rights of our own ---- */

/* The user of this process, as in a descriptor's text; freed by LocalFree. NULL = not known. */
static char *
user_sid(void)
{
    union {
        TOKEN_USER user;
        BYTE bytes[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
    } buffer;
    HANDLE token = NULL;
    DWORD size = 0;
    char *text = NULL;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return NULL;
    if (!GetTokenInformation(token, TokenUser, &buffer, sizeof(buffer), &size) ||
        !ConvertSidToStringSidA(buffer.user.User.Sid, &text))
        text = NULL;
    (void)CloseHandle(token);
    return text;
}

/*
 * A file's owner is the user, by name: what an administrator makes would be the Administrators' by
 * default, and the entry of the user then that of somebody else.
 */
DWORD
po_nt_private_rights(PSECURITY_DESCRIPTOR *out, bool is_directory)
{
    const char *flags = is_directory ? "OICI" : "";
    char *user = user_sid();
    char text[500] = "";
    size_t size = 0;
    DWORD code = 0;

    if (user != NULL && !is_directory)
        size = (size_t)snprintf(text, sizeof(text), "O:%s", user);
    (void)snprintf(text + size, sizeof(text) - size,
                   "D:P(A;%s;FA;;;SY)(A;%s;FA;;;BA)(A;%s;FA;;;%s)", flags, flags, flags,
                   user == NULL ? "BA" : user);
    (void)LocalFree(user);
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(text, SDDL_REVISION_1, out, NULL))
        code = GetLastError();
    return code;
}
