/*
 * Finding a path below a root without ever following a link, whoever changes the tree meanwhile.
 * Linux 5.6 and later do it in one call, openat2; elsewhere, and for paths longer than one call
 * takes, one component after the other is opened relative to the one before, each without following
 * links.
 */
#include "port/file_posix.h"

#include "base/buf.h"
#include "port/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#endif

/* What one call takes at most, with the NUL: PATH_MAX of Linux. */
#define CALL_PATH_MAX ((size_t)4096)

/* ---- messages ---- */

enum po_status
po_beneath_fail(struct po_err *err, int code, const char *doing, const char *path, size_t path_size)
{
    struct po_buf name = { 0 };
    enum po_status st;

    po_path_put_for_message(&name, path, path_size);
    st = po_fail_errno(err, code, "%s %s", doing, po_buf_text(&name));
    po_buf_deinit(&name);
    return st;
}

/* ---- the one call ---- */

#if defined(SYS_openat2)

/* As in <linux/openat2.h>, which older systems lack. */
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
#define RESOLVE_NO_MAGICLINKS UINT64_C(0x02)
#define RESOLVE_NO_SYMLINKS UINT64_C(0x04)
#define RESOLVE_BENEATH UINT64_C(0x08)

static int
open_in_one(int fd, const char *path, int flags, mode_t mode)
{
    /*
     * Without O_NOFOLLOW, which RESOLVE_NO_SYMLINKS covers: with it and O_DIRECTORY a link is
     * ENOTDIR.
     */
    struct how how = {
        .flags = (uint64_t)(unsigned)(flags & ~O_NOFOLLOW),
        .mode = (flags & O_CREAT) != 0 ? mode : 0, /* EINVAL otherwise */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int tries = 0;
    long got;

    do
        got = syscall(SYS_openat2, fd, path, &how, sizeof(how));
    while (got < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));
    return (int)got;
}

bool
po_beneath_has_openat2(int fd)
{
    int got = open_in_one(fd, ".", PO_LEAD_ON | O_CLOEXEC, 0);

    /* ENOSYS: an older system. EPERM: a container whose filter does not know the call. */
    if (got < 0)
        return false;
    (void)close(got);
    return true;
}

#else

static int
open_in_one(int fd, const char *path, int flags, mode_t mode)
{
    (void)fd;
    (void)path;
    (void)flags;
    (void)mode;
    errno = ENOSYS;
    return -1;
}

bool
po_beneath_has_openat2(int fd)
{
    (void)fd;
    return false;
}

#endif

void
po_beneath_force_walk(struct po_dir *dir)
{
    dir->has_openat2 = false;
}

/* ---- the walk ---- */

int
po_beneath_open_child(int fd, const char *name, int flags, mode_t mode)
{
    struct stat st;
    int code;
    int got;

    do
        got = openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got;
    code = errno;
    /*
     * O_DIRECTORY finds fault with a link for not being a directory (and some systems say EMLINK):
     * tell what it is.
     */
    if ((code == ENOTDIR || code == EMLINK) && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        code = ELOOP;
    errno = code;
    return -1;
}

bool
po_beneath_next(const char *path, size_t path_size, size_t *at, char name[NAME_MAX + 1])
{
    const char *slash = memchr(path + *at, '/', path_size - *at);
    size_t length = slash != NULL ? (size_t)(slash - path) - *at : path_size - *at;

    if (length > NAME_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(name, path + *at, length);
    name[length] = '\0';
    *at += length + 1;
    return true;
}

static void
close_keeping_errno(int fd)
{
    int code = errno;

    (void)close(fd);
    errno = code;
}

static int
open_by_walk(int root, const char *path, size_t path_size, int flags, mode_t mode)
{
    char name[NAME_MAX + 1];
    size_t at = 0;
    int fd = root;

    for (;;) {
        int next = -1;

        if (po_beneath_next(path, path_size, &at, name)) {
            if (at > path_size)
                next = po_beneath_open_child(fd, name, flags, mode);
            else
                next = po_beneath_open_child(fd, name, PO_LEAD_ON, 0);
        }
        if (fd != root)
            close_keeping_errno(fd);
        if (next < 0 || at > path_size)
            return next;
        fd = next;
    }
}

int
po_beneath_open(const struct po_dir *dir, const char *path, size_t path_size, int flags,
                mode_t mode)
{
    char text[CALL_PATH_MAX];

    flags |= O_CLOEXEC;
    if (path_size == 0)
        return po_beneath_open_child(dir->fd, ".", flags, mode);
    if (!dir->has_openat2 || path_size >= CALL_PATH_MAX)
        return open_by_walk(dir->fd, path, path_size, flags, mode);
    memcpy(text, path, path_size);
    text[path_size] = '\0';
    return open_in_one(dir->fd, text, flags, mode);
}

enum po_status
po_place_open(struct po_place *place, const struct po_dir *dir, const char *path, size_t path_size,
              struct po_err *err)
{
    size_t dir_size;
    size_t at;
    enum po_status st;

    place->fd = dir->fd;
    place->is_own = false;
    memcpy(place->name, ".", 2);
    st = po_path_check(path, path_size, err);
    if (st != PO_OK || path_size == 0)
        return st;
    po_path_split(path, path_size, &dir_size, &at);
    if (!po_beneath_next(path, path_size, &at, place->name))
        return po_beneath_fail(err, ENAMETOOLONG, "find", path, path_size);
    if (dir_size == 0)
        return PO_OK;
    place->fd = po_beneath_open(dir, path, dir_size, PO_LEAD_ON, 0);
    if (place->fd < 0)
        return po_beneath_fail(err, errno, "find", path, path_size);
    place->is_own = true;
    return PO_OK;
}

void
po_place_close(struct po_place *place)
{
    if (place->is_own)
        close_keeping_errno(place->fd);
    place->is_own = false;
}

/* ---- facts ---- */

static enum po_node_type
type_of_mode(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return PO_NODE_FILE;
    case S_IFDIR:
        return PO_NODE_DIRECTORY;
    case S_IFLNK:
        return PO_NODE_SYMLINK;
    case S_IFIFO:
        return PO_NODE_FIFO;
    case S_IFCHR:
    case S_IFBLK:
        return PO_NODE_DEVICE;
    case S_IFSOCK:
        return PO_NODE_SOCKET;
    default:
        return PO_NODE_OTHER;
    }
}

/* Rounded down: the nanoseconds count upwards before 1970 too, so the sum needs no case for it. */
static int64_t
steps_from(int64_t seconds, uint32_t nanoseconds)
{
    const int64_t limit = INT64_MAX / 10000000 - 1;

    if (seconds > limit)
        seconds = limit;
    if (seconds < -limit)
        seconds = -limit;
    return seconds * 10000000 + nanoseconds / 100;
}

struct timespec
po_beneath_timespec(int64_t time)
{
    struct timespec ts;
    int64_t seconds = time / 10000000;
    int64_t steps = time % 10000000;

    if (steps < 0) {
        steps += 10000000;
        seconds--;
    }
    ts.tv_sec = (time_t)seconds;
    ts.tv_nsec = (long)steps * 100;
    return ts;
}

static void
set_type_and_size(struct po_node_info *info, uint32_t mode, uint64_t size)
{
    info->type = type_of_mode(mode);
    info->has_owner = true;
    info->mode = mode & 07777;
    /* What a directory says here is a matter of the file system alone. */
    info->size = info->type == PO_NODE_FILE || info->type == PO_NODE_SYMLINK ? size : 0;
}

/* Everywhere, but without the time of creation. */
static int
stat_plain(int fd, const char *name, bool follows, struct po_node_info *info)
{
    struct stat st;
    int got =
        *name == '\0' ? fstat(fd, &st) : fstatat(fd, name, &st, follows ? 0 : AT_SYMLINK_NOFOLLOW);

    if (got != 0)
        return -1;
    *info = (struct po_node_info){ 0 };
    set_type_and_size(info, (uint32_t)st.st_mode, (uint64_t)st.st_size);
    info->write_time = steps_from(st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec);
    info->change_time = steps_from(st.st_ctim.tv_sec, (uint32_t)st.st_ctim.tv_nsec);
    info->create_time = POBACKUP_TIME_UNKNOWN;
    info->file_id = (uint64_t)st.st_ino;
    info->device = (uint64_t)st.st_dev;
    info->link_count = (uint32_t)st.st_nlink;
    info->uid = (uint32_t)st.st_uid;
    info->gid = (uint32_t)st.st_gid;
    return 0;
}

#if defined(STATX_BTIME)

/* What is used, and no more: on a network the rest (time of access, blocks) may have to be asked for. */
#define WANTED                                                                                     \
    (STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_MTIME | STATX_CTIME |   \
     STATX_INO | STATX_SIZE | STATX_BTIME)

int
po_beneath_stat(int fd, const char *name, bool follows, struct po_node_info *info)
{
    struct statx stx;
    int flags =
        AT_NO_AUTOMOUNT | (follows ? 0 : AT_SYMLINK_NOFOLLOW) | (*name == '\0' ? AT_EMPTY_PATH : 0);

    if (statx(fd, name, flags, WANTED, &stx) != 0) {
        /* As with openat2: an older system or a filter. */
        if (errno == ENOSYS || errno == EPERM)
            return stat_plain(fd, name, follows, info);
        return -1;
    }
    *info = (struct po_node_info){ 0 };
    set_type_and_size(info, stx.stx_mode, stx.stx_size);
    info->write_time = steps_from(stx.stx_mtime.tv_sec, stx.stx_mtime.tv_nsec);
    info->change_time = steps_from(stx.stx_ctime.tv_sec, stx.stx_ctime.tv_nsec);
    info->create_time = POBACKUP_TIME_UNKNOWN;
    if ((stx.stx_mask & STATX_BTIME) != 0)
        info->create_time = steps_from(stx.stx_btime.tv_sec, stx.stx_btime.tv_nsec);
    info->file_id = stx.stx_ino;
    info->device = (uint64_t)makedev(stx.stx_dev_major, stx.stx_dev_minor);
    info->link_count = stx.stx_nlink;
    info->uid = stx.stx_uid;
    info->gid = stx.stx_gid;
    return 0;
}

#else

int
po_beneath_stat(int fd, const char *name, bool follows, struct po_node_info *info)
{
    return stat_plain(fd, name, follows, info);
}

#endif
