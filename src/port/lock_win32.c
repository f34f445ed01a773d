#include "port/file.h"

#include "base/mem.h"
#include "port/file_win32.h"

struct po_lock {
    HANDLE handle;
};

/* Each turn needs another process that renames or removes the file in that very moment. */
#define TRIES_MAX 100
/* A byte that no file has: a lock hinders reading and writing what it covers. */
#define LOCKED_AT_HIGH 0x7FFFFFFFu

/* Whether the open file is what has the name now. */
static bool
is_named(HANDLE handle, const wchar_t *path)
{
    struct po_node_info ours;
    struct po_node_info named = { 0 };
    HANDLE other = CreateFileW(path, FILE_READ_ATTRIBUTES, PO_SHARE_ALL, NULL, OPEN_EXISTING,
                               FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    bool is_same = other != INVALID_HANDLE_VALUE && po_nt_info(other, &named) >= 0 &&
                   po_nt_info(handle, &ours) >= 0 && ours.file_id == named.file_id;

    if (other != INVALID_HANDLE_VALUE)
        (void)CloseHandle(other);
    return is_same;
}

static HANDLE
open_it(const wchar_t *path, DWORD disposition, ACCESS_MASK more, SECURITY_ATTRIBUTES *rights)
{
    return CreateFileW(path, GENERIC_READ | GENERIC_WRITE | more, PO_SHARE_ALL, rights, disposition,
                       FILE_FLAG_OPEN_REPARSE_POINT, NULL);
}

/* `rights`: of a new file, which then nobody but us has made; NULL: those that it inherits. */
static HANDLE
open_or_make(const wchar_t *path, SECURITY_ATTRIBUTES *rights, bool *is_made)
{
    HANDLE opened;

    *is_made = false;
    if (rights == NULL)
        return open_it(path, OPEN_ALWAYS, 0, NULL);
    opened = open_it(path, CREATE_NEW, 0, rights);
    *is_made = opened != INVALID_HANDLE_VALUE;
    if (*is_made || GetLastError() != ERROR_FILE_EXISTS)
        return opened;
    return open_it(path, OPEN_EXISTING, DELETE, NULL);
}

/* *handle = NULL when somebody else holds it. */
static enum po_status
open_locked(HANDLE *handle, bool *is_made, const wchar_t *path, SECURITY_ATTRIBUTES *rights,
            const char *os_path, struct po_err *err)
{
    OVERLAPPED where = { .OffsetHigh = LOCKED_AT_HIGH };
    struct po_node_info info = { 0 };
    HANDLE opened = open_or_make(path, rights, is_made);
    DWORD code;

    *handle = NULL;
    if (opened == INVALID_HANDLE_VALUE)
        return po_fail_win32(err, GetLastError(), "%s", os_path);
    if (po_nt_info(opened, &info) < 0 || info.type != PO_NODE_FILE) {
        (void)CloseHandle(opened);
        return po_fail(err, PO_E_IO, "%s: not a regular file", os_path);
    }
    if (LockFileEx(opened, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where)) {
        *handle = opened;
        return PO_OK;
    }
    code = GetLastError();
    (void)CloseHandle(opened);
    return code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING
               ? PO_OK
               : po_fail_win32(err, code, "%s: lock", os_path);
}

/*
 * As with flock: the lock belongs to this opening, and the end of the process lets go of it. With
 * `rights` the file is made here, and what had its name before goes.
 */
static enum po_status
take(struct po_lock **out, const char *os_path, SECURITY_ATTRIBUTES *rights, struct po_err *err)
{
    struct po_lock *lock = po_mem_new(1, sizeof(*lock));
    struct po_wide path = { 0 };
    bool is_made = false;
    enum po_status st;

    if (lock == NULL)
        return po_fail_nomem(err, sizeof(*lock));
    st = po_wide_from_os_path(&path, os_path, err);
    for (int tries = 0; tries < TRIES_MAX && st == PO_OK; tries++) {
        st = open_locked(&lock->handle, &is_made, path.text, rights, os_path, err);
        if (st != PO_OK)
            break;
        if (lock->handle == NULL) {
            *out = NULL;
            goto done;
        }
        /* Between the opening and the locking the former holder may have renamed or removed it. */
        if (is_named(lock->handle, path.text)) {
            LONG status;

            if (is_made || rights == NULL) {
                *out = lock;
                lock = NULL;
                goto done;
            }
            status = po_nt_remove(lock->handle);
            if (status < 0)
                st = po_fail_nt(err, status, "%s: remove what was there", os_path);
        }
        po_nt_close(&lock->handle);
    }
    if (st == PO_OK)
        st = po_fail(err, PO_E_IO, "%s: renamed or removed whenever it was locked", os_path);
done:
    po_wide_free(&path);
    po_mem_free(lock);
    return st;
}

enum po_status
po_lock_take(struct po_lock **out, const char *os_path, struct po_err *err)
{
    return take(out, os_path, NULL, err);
}

enum po_status
po_lock_take_private(struct po_lock **out, const char *os_path, struct po_err *err)
{
    SECURITY_ATTRIBUTES rights = { .nLength = sizeof(rights) };
    DWORD code = po_nt_private_rights(&rights.lpSecurityDescriptor, false);
    enum po_status st = code == 0 ? take(out, os_path, &rights, err)
                                  : po_fail_win32(err, code, "%s: make rights", os_path);

    (void)LocalFree(rights.lpSecurityDescriptor);
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
