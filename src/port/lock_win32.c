#include "port/file.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <string.h>

struct po_lock {
    HANDLE handle;
};

/*
 * Opened without sharing: nobody else can open it, in this process or another, nor rename or remove
 * it, until the handle is closed, which the end of the process does too.
 */
enum po_status
po_lock_take(struct po_lock **out, const char *os_path, struct po_err *err)
{
    struct po_lock *lock = po_mem_new(1, sizeof(*lock));
    struct po_wide path = { 0 };
    struct po_node_info info = { 0 };
    enum po_status st;

    if (lock == NULL)
        return po_fail_nomem(err, sizeof(*lock));
    st = po_wide_from_os_path(&path, os_path, err);
    if (st != PO_OK)
        goto done;
    lock->handle = CreateFileW(path.text, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_ALWAYS,
                               FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (lock->handle == INVALID_HANDLE_VALUE) {
        DWORD code = GetLastError();

        if (code == ERROR_SHARING_VIOLATION)
            *out = NULL;
        else
            st = po_fail_win32(err, code, "%s", os_path);
        goto done;
    }
    if (po_nt_info(lock->handle, &info) < 0 || info.type != PO_NODE_FILE) {
        (void)CloseHandle(lock->handle);
        st = po_fail(err, PO_E_IO, "%s: not a regular file", os_path);
        goto done;
    }
    *out = lock;
    lock = NULL;
done:
    po_wide_free(&path);
    po_mem_free(lock);
    return st;
}

void
po_lock_free(struct po_lock *lock)
{
    if (lock == NULL)
        return;
    (void)CloseHandle(lock->handle);
    po_mem_free(lock);
}
