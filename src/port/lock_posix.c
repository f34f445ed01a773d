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

/* *fd = -1 when somebody else holds it. */
static enum po_status
open_locked(int *fd, const char *os_path, struct po_err *err)
{
    /* Not blocking: the name may be a FIFO, which is refused below. */
    int opened = open(os_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
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

enum po_status
po_lock_take(struct po_lock **out, const char *os_path, struct po_err *err)
{
    struct po_lock *lock = po_mem_new(1, sizeof(*lock));
    int fd = -1;
    enum po_status st = PO_OK;

    if (lock == NULL)
        return po_fail_nomem(err, sizeof(*lock));
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        st = open_locked(&fd, os_path, err);
        if (st != PO_OK)
            goto done;
        if (fd < 0) {
            *out = NULL;
            goto done;
        }
        /* Between the opening and the locking the former holder may have renamed or removed it. */
        if (is_named(fd, os_path)) {
            lock->fd = fd;
            *out = lock;
            lock = NULL;
            goto done;
        }
        (void)close(fd);
    }
    st = po_fail(err, PO_E_IO, "%s: renamed or removed whenever it was locked", os_path);
done:
    po_mem_free(lock);
    return st;
}

void
po_lock_free(struct po_lock *lock)
{
    if (lock == NULL)
        return;
    (void)close(lock->fd);
    po_mem_free(lock);
}
