#include "port/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each turn needs another process that renames or removes the file in that very moment. */
#define TRIES_MAX 100

struct po_lock {
    int fd;
};

/* Whether `fd` is what has the name `os_path` now. */
static bool
is_named(int fd, const char *os_path)
{
    struct stat ours;
    struct stat named;

    return fstat(fd, &ours) == 0 && lstat(os_path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

/* *is_made: it was not there. Not blocking: the name may be a FIFO, which is refused later. */
static int
open_or_make(const char *os_path, bool *is_made)
{
    static const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int opened = open(os_path, flags | O_EXCL, 0600);

    *is_made = opened >= 0;
    return opened < 0 && errno == EEXIST ? open(os_path, flags, 0600) : opened;
}

/* *fd = -1 when somebody else holds it. */
static enum po_status
open_locked(int *fd, bool *is_made, const char *os_path, struct po_err *err)
{
    int opened = open_or_make(os_path, is_made);
    int code = errno;
    struct stat info;
    enum po_status st = PO_OK;

    if (opened < 0)
        return po_fail_errno(err, code, "%s", os_path);
    if (fstat(opened, &info) != 0 || !S_ISREG(info.st_mode)) {
        st = po_fail(err, PO_E_IO, "%s: not a regular file", os_path);
        goto done;
    }
    /*
     * flock and not fcntl: its lock belongs to this opening, so that closing the file elsewhere in
     * this process does not drop it, and two openings in one process exclude each other.
     */
    while (flock(opened, LOCK_EX | LOCK_NB) != 0) {
        code = errno;
        if (code == EINTR)
            continue;
        if (code != EWOULDBLOCK)
            st = po_fail_errno(err, code, "%s: lock", os_path);
        *fd = -1;
        goto done;
    }
    *fd = opened;
    opened = -1;
done:
    if (opened >= 0)
        (void)close(opened);
    return st;
}

static enum po_status
take(struct po_lock **out, const char *os_path, bool is_private, struct po_err *err)
{
    struct po_lock *lock = po_mem_new(1, sizeof(*lock));
    bool is_made = false;
    int fd = -1;
    enum po_status st = PO_OK;

    if (lock == NULL)
        return po_fail_nomem(err, sizeof(*lock));
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        st = open_locked(&fd, &is_made, os_path, err);
        if (st != PO_OK)
            goto done;
        if (fd < 0) {
            *out = NULL;
            goto done;
        }
        /* Between the opening and the locking the former holder may have renamed or removed it. */
        if (is_named(fd, os_path)) {
            if (is_made || !is_private) {
                lock->fd = fd;
                *out = lock;
                lock = NULL;
                goto done;
            }
            if (unlink(os_path) != 0)
                st = po_fail_errno(err, errno, "%s: remove what was there", os_path);
        }
        (void)close(fd);
        if (st != PO_OK)
            goto done;
    }
    st = po_fail(err, PO_E_IO, "%s: renamed or removed whenever it was locked", os_path);
done:
    po_mem_free(lock);
    return st;
}

enum po_status
po_lock_take(struct po_lock **out, const char *os_path, struct po_err *err)
{
    return take(out, os_path, false, err);
}

enum po_status
po_lock_take_private(struct po_lock **out, const char *os_path, struct po_err *err)
{
    return take(out, os_path, true, err);
}

void
po_lock_free(struct po_lock *lock)
{
    if (lock == NULL)
        return;
    (void)close(lock->fd);
    po_mem_free(lock);
}
