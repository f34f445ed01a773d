#include "port/err_win32.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <winternl.h>

#define MESSAGE_SIZE 256

/* Of Windows Vista; the headers for older systems lack it. */
#define DISK_QUOTA_EXCEEDED 1295u

po_win32_fn
po_win32_find(const wchar_t *dll, const char *name)
{
    HMODULE module = GetModuleHandleW(dll);

    return module == NULL ? NULL : (po_win32_fn)GetProcAddress(module, name);
}

int
po_win32_errno(DWORD code)
{
    static const struct {
        DWORD code;
        int number;
    } known[] = {
        { ERROR_FILE_NOT_FOUND, ENOENT },
        { ERROR_PATH_NOT_FOUND, ENOENT },
        { ERROR_INVALID_DRIVE, ENOENT },
        { ERROR_BAD_NETPATH, ENOENT },
        { ERROR_BAD_NET_NAME, ENOENT },
        { ERROR_INVALID_NAME, EINVAL },
        { ERROR_BAD_PATHNAME, EINVAL },
        { ERROR_INVALID_PARAMETER, EINVAL },
        { ERROR_DIRECTORY, ENOTDIR },
        { ERROR_TOO_MANY_OPEN_FILES, EMFILE },
        { ERROR_ACCESS_DENIED, EACCES },
        { ERROR_PRIVILEGE_NOT_HELD, EPERM },
        { ERROR_SHARING_VIOLATION, EBUSY },
        { ERROR_LOCK_VIOLATION, EBUSY },
        { ERROR_USER_MAPPED_FILE, EBUSY },
        { ERROR_DELETE_PENDING, EBUSY },
        { ERROR_BUSY, EBUSY },
        { ERROR_NOT_ENOUGH_MEMORY, ENOMEM },
        { ERROR_OUTOFMEMORY, ENOMEM },
        { ERROR_NO_SYSTEM_RESOURCES, ENOMEM },
        { ERROR_COMMITMENT_LIMIT, ENOMEM },
        { ERROR_NOT_SAME_DEVICE, EXDEV },
        { ERROR_WRITE_PROTECT, EROFS },
        { ERROR_HANDLE_DISK_FULL, ENOSPC },
        { ERROR_DISK_FULL, ENOSPC },
        { DISK_QUOTA_EXCEEDED, ENOSPC },
        { ERROR_FILE_EXISTS, EEXIST },
        { ERROR_ALREADY_EXISTS, EEXIST },
        { ERROR_DIR_NOT_EMPTY, ENOTEMPTY },
        { ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG },
        { ERROR_BUFFER_OVERFLOW, ENAMETOOLONG },
        { ERROR_BROKEN_PIPE, EPIPE },
        { ERROR_NO_DATA, EPIPE },
        { ERROR_NOT_SUPPORTED, ENOTSUP },
        { ERROR_INVALID_FUNCTION, ENOTSUP },
        { ERROR_CANT_ACCESS_FILE, ELOOP },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].code == code)
            return known[i].number;
    return EIO;
}

/* The system's own words, one line without a full stop; "" when it has none. */
static void
describe(DWORD code, char text[MESSAGE_SIZE])
{
    wchar_t wide[MESSAGE_SIZE / 4] = L"";
    DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  code, 0, wide, sizeof(wide) / sizeof(wide[0]), NULL);
    int size;

    while (length > 0 && (wide[length - 1] <= L' ' || wide[length - 1] == L'.'))
        length--;
    for (DWORD i = 0; i < length; i++)
        if (wide[i] < L' ')
            wide[i] = L' ';
    size = WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, text, MESSAGE_SIZE - 1, NULL, NULL);
    text[size > 0 ? size : 0] = '\0';
}

static enum po_status
fail(struct po_err *err, DWORD code, const char *format, va_list args)
{
    char place[sizeof(err->text)];
    char what[MESSAGE_SIZE];
    int number = po_win32_errno(code);
    enum po_status st = number == ENOMEM ? PO_E_NOMEM : PO_E_IO;

    (void)vsnprintf(place, sizeof(place), format, args);
    describe(code, what);
    if (what[0] != '\0')
        (void)po_fail(err, st, "%s: %s (error %lu)", place, what, (unsigned long)code);
    else
        (void)po_fail(err, st, "%s: error %lu", place, (unsigned long)code);
    err->os_code = (uint32_t)number;
    return st;
}

enum po_status
po_fail_win32(struct po_err *err, DWORD code, const char *format, ...)
{
    va_list args;
    enum po_status st;

    va_start(args, format);
    st = fail(err, code, format, args);
    va_end(args);
    return st;
}

enum po_status
po_fail_nt(struct po_err *err, LONG status, const char *format, ...)
{
    va_list args;
    enum po_status st;

    va_start(args, format);
    st = fail(err, RtlNtStatusToDosError(status), format, args);
    va_end(args);
    return st;
}
