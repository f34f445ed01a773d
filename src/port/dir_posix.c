#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_posix.h"
#include "port/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#define LINK_SIZE_MIN ((size_t)4096)

/* ---- roots ---- */

/* Wraps the descriptor, which is closed on failure. */
static enum po_status
wrap_fd(struct po_dir **out, int fd, const char *path, size_t path_size, struct po_err *err)
{
    struct po_dir *dir;
    struct stat info;

    if (fstat(fd, &info) != 0) {
        enum po_status st = po_beneath_fail(err, errno, "examine", path, path_size);

        (void)close(fd);
        return st;
    }
    dir = po_mem_new(1, sizeof(*dir));
    if (dir == NULL) {
        (void)close(fd);
        return po_fail_nomem(err, sizeof(*dir));
    }
    dir->fd = fd;
    dir->device = (uint64_t)info.st_dev;
    dir->has_openat2 = po_beneath_has_openat2(fd);
    *out = dir;
    return PO_OK;
}

enum po_status
po_dir_open(struct po_dir **out, const char *os_path, struct po_err *err)
{
    int fd;

    do
        fd = open(os_path, PO_READ_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return po_beneath_fail(err, errno, "open", os_path, strlen(os_path));
    return wrap_fd(out, fd, os_path, strlen(os_path), err);
}

enum po_status
po_dir_open_below(struct po_dir **out, struct po_dir *dir, const char *path, size_t path_size,
                  struct po_err *err)
{
    enum po_status st = po_path_check(path, path_size, err);
    int fd;

    if (st != PO_OK)
        return st;
    fd = po_beneath_open(dir, path, path_size, PO_READ_DIRECTORY, 0);
    if (fd < 0)
        return po_beneath_fail(err, errno, "open", path, path_size);
    return wrap_fd(out, fd, path, path_size, err);
}

void
po_dir_free(struct po_dir *dir)
{
    if (dir == NULL)
        return;
    (void)close(dir->fd);
    po_mem_free(dir);
}

uint64_t
po_dir_device(const struct po_dir *dir)
{
    return dir->device;
}

/* ---- looking ---- */

enum po_status
po_dir_stat(struct po_dir *dir, const char *path, size_t path_size, struct po_node_info *info,
            bool *exists, struct po_err *err)
{
    struct po_place place;
    struct po_node_info found;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK && !(err->os_code == ENOENT || err->os_code == ENOTDIR))
        return st;
    if (st == PO_OK && po_beneath_stat(place.fd, place.name, false, &found) == 0) {
        *info = found;
        *exists = true;
    } else if (st != PO_OK || errno == ENOENT || errno == ENOTDIR) {
        /* ENOTDIR: a component on the way is a file, so there is nothing below it. */
        *exists = false;
        st = PO_OK;
    } else {
        st = po_beneath_fail(err, errno, "examine", path, path_size);
    }
    po_place_close(&place);
    return st;
}

enum po_status
po_os_stat(const char *os_path, struct po_node_info *info, bool *exists, struct po_err *err)
{
    struct po_node_info found;

    /* "" would mean the descriptor itself to po_beneath_stat; as a path it names nothing. */
    if (*os_path != '\0' && po_beneath_stat(AT_FDCWD, os_path, true, &found) == 0) {
        *info = found;
        *exists = true;
        return PO_OK;
    }
    if (*os_path != '\0' && errno != ENOENT && errno != ENOTDIR)
        return po_beneath_fail(err, errno, "examine", os_path, strlen(os_path));
    *exists = false;
    return PO_OK;
}

/* The next name but "." and ".."; NULL at the end (errno 0) or on failure. */
static const char *
next_name(DIR *stream)
{
    struct dirent *entry;

    do {
        errno = 0;
        /* The stream is ours alone; readdir_r is deprecated for good reasons. */
        entry = readdir(stream); /* NOLINT(concurrency-mt-unsafe) */
    } while (entry != NULL &&
             (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry != NULL ? entry->d_name : NULL;
}

static enum po_status
list_child(DIR *stream, const char *name, po_dir_list_fn each, void *ctx, struct po_err *err)
{
    struct po_node_info info;
    struct po_err failure;
    size_t size = strlen(name);

    /* Relative to the listed directory's own handle: no path is looked up again. */
    if (po_beneath_stat(dirfd(stream), name, false, &info) == 0)
        return each(ctx, name, size, &info, NULL, err);
    (void)po_beneath_fail(&failure, errno, "examine", name, size);
    info = (struct po_node_info){ .type = PO_NODE_OTHER };
    return each(ctx, name, size, &info, &failure, err);
}

enum po_status
po_dir_list(struct po_dir *dir, const char *path, size_t path_size, po_dir_list_fn each, void *ctx,
            struct po_err *err)
{
    DIR *stream = NULL;
    int fd = -1;
    const char *name;
    enum po_status st = po_path_check(path, path_size, err);

    if (st != PO_OK)
        goto done;
    fd = po_beneath_open(dir, path, path_size, PO_READ_DIRECTORY, 0);
    if (fd >= 0)
        stream = fdopendir(fd);
    if (stream == NULL) {
        st = po_beneath_fail(err, errno, "list", path, path_size);
        goto done;
    }
    fd = -1; /* the stream's now */
    while (st == PO_OK && (name = next_name(stream)) != NULL)
        st = list_child(stream, name, each, ctx, err);
    if (st == PO_OK && errno != 0)
        st = po_beneath_fail(err, errno, "list", path, path_size);
done:
    if (stream != NULL)
        (void)closedir(stream);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

enum po_status
po_dir_read_link(struct po_dir *dir, const char *path, size_t path_size, char **target,
                 size_t *target_size, struct po_err *err)
{
    struct po_place place;
    char *bytes = NULL;
    size_t capacity = LINK_SIZE_MIN;
    ssize_t got = -1;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK)
        goto done;
    /* A target that fills the room may have been cut. */
    for (;;) {
        char *larger = po_mem_resize(bytes, capacity, 1);

        if (larger == NULL) {
            st = po_fail_nomem(err, capacity);
            goto done;
        }
        bytes = larger;
        got = readlinkat(place.fd, place.name, bytes, capacity);
        if (got < 0) {
            st = po_beneath_fail(err, errno, "read the link", path, path_size);
            goto done;
        }
        if ((size_t)got < capacity)
            break;
        capacity *= 2;
    }
    bytes[got] = '\0';
    *target = bytes;
    *target_size = (size_t)got;
    bytes = NULL;
done:
    po_mem_free(bytes);
    po_place_close(&place);
    return st;
}

/* ---- making ---- */

/* As mkdirat, but a directory that is there is fine. */
static int
make_child(int fd, const char *name, mode_t mode)
{
    struct stat info;

    if (mkdirat(fd, name, mode) == 0)
        return 0;
    if (errno == EEXIST && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(info.st_mode))
            return 0;
        errno = EEXIST;
    }
    return -1;
}

enum po_status
po_dir_make(struct po_dir *dir, const char *path, size_t path_size, uint32_t mode,
            struct po_err *err)
{
    struct po_place place;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK)
        return st;
    if (make_child(place.fd, place.name, (mode_t)(mode & 07777)) != 0)
        st = po_beneath_fail(err, errno, "make", path, path_size);
    po_place_close(&place);
    return st;
}

/* Opens the component in `fd`, made where missing; -1 with errno. */
static int
open_or_make_child(int fd, const char *name)
{
    int child = po_beneath_open_child(fd, name, PO_LEAD_ON, 0);

    if (child >= 0 || errno != ENOENT || make_child(fd, name, 0777) != 0)
        return child;
    return po_beneath_open_child(fd, name, PO_LEAD_ON, 0);
}

enum po_status
po_dir_make_all(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    char name[NAME_MAX + 1];
    size_t at = 0;
    enum po_status st = po_path_check(path, path_size, err);
    int fd;

    if (st != PO_OK || path_size == 0)
        return st;
    /* Nearly always it is there. */
    fd = po_beneath_open(dir, path, path_size, PO_LEAD_ON, 0);
    if (fd >= 0) {
        (void)close(fd);
        return PO_OK;
    }
    fd = dir->fd;
    while (at < path_size && st == PO_OK) {
        int child = po_beneath_next(path, path_size, &at, name) ? open_or_make_child(fd, name) : -1;

        if (child < 0)
            st = po_beneath_fail(err, errno, "make", path, path_size);
        if (fd != dir->fd)
            (void)close(fd);
        fd = child;
    }
    if (fd >= 0 && fd != dir->fd)
        (void)close(fd);
    return st;
}

enum po_status
po_dir_make_symlink(struct po_dir *dir, const char *path, size_t path_size, const char *target,
                    size_t target_size, bool is_directory, struct po_err *err)
{
    struct po_place place;
    char *text = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    (void)is_directory;
    if (st != PO_OK)
        goto done;
    if (target_size > 0 && memchr(target, '\0', target_size) != NULL) {
        st = po_fail(err, PO_E_USAGE, "a link target with a NUL in it");
        goto done;
    }
    text = po_mem_copy(target, target_size);
    if (text == NULL) {
        st = po_fail_nomem(err, target_size + 1);
        goto done;
    }
    if (symlinkat(text, place.fd, place.name) != 0)
        st = po_beneath_fail(err, errno, "make the link", path, path_size);
done:
    po_mem_free(text);
    po_place_close(&place);
    return st;
}

/* Opens the places of two paths; both are to be closed whatever it returns. */
static enum po_status
open_two(struct po_place places[2], struct po_dir *from, const char *from_path, size_t from_size,
         struct po_dir *to, const char *to_path, size_t to_size, struct po_err *err)
{
    enum po_status st;

    places[0].is_own = false;
    places[1].is_own = false;
    if (from_size == 0 || to_size == 0)
        return po_fail(err, PO_E_USAGE, "the root itself cannot be renamed or linked");
    st = po_place_open(&places[0], from, from_path, from_size, err);
    if (st == PO_OK)
        st = po_place_open(&places[1], to, to_path, to_size, err);
    return st;
}

enum po_status
po_dir_make_hardlink(struct po_dir *dir, const char *path, size_t path_size, const char *existing,
                     size_t existing_size, struct po_err *err)
{
    struct po_place places[2] = { 0 };
    enum po_status st = open_two(places, dir, existing, existing_size, dir, path, path_size, err);

    /* Without AT_SYMLINK_FOLLOW: a link at the end is linked itself. */
    if (st == PO_OK && linkat(places[0].fd, places[0].name, places[1].fd, places[1].name, 0) != 0)
        st = po_beneath_fail(err, errno, "make the hard link", path, path_size);
    po_place_close(&places[0]);
    po_place_close(&places[1]);
    return st;
}

/* For file systems that cannot do it in one call. */
static int
rename_in_two(const struct po_place *from, const struct po_place *to)
{
    struct stat info;

    /*
     * A second name and then the old one away: no replacing, whoever is faster. Directories cannot,
     * nor can FAT.
     */
    if (linkat(from->fd, from->name, to->fd, to->name, 0) == 0) {
        int code;

        if (unlinkat(from->fd, from->name, 0) == 0)
            return 0;
        code = errno;
        (void)unlinkat(to->fd, to->name, 0);
        errno = code;
        return -1;
    }
    if (errno == EEXIST)
        return -1;
    if (fstatat(to->fd, to->name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    if (errno != ENOENT)
        return -1;
    return renameat(from->fd, from->name, to->fd, to->name);
}

static int
rename_keeping(const struct po_place *from, const struct po_place *to)
{
#if defined(SYS_renameat2)
    const unsigned no_replace = 1; /* RENAME_NOREPLACE, which some headers lack */

    if (syscall(SYS_renameat2, from->fd, from->name, to->fd, to->name, no_replace) == 0)
        return 0;
    /*
     * EINVAL: the file system does not know the flag (or a directory was to go into itself, which
     * fails again).
     */
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return -1;
#endif
    return rename_in_two(from, to);
}

enum po_status
po_dir_rename(struct po_dir *from, const char *from_path, size_t from_size, struct po_dir *to,
              const char *to_path, size_t to_size, bool replace, struct po_err *err)
{
    struct po_place places[2] = { 0 };
    enum po_status st = open_two(places, from, from_path, from_size, to, to_path, to_size, err);
    int got = 0;

    if (st == PO_OK && replace)
        got = renameat(places[0].fd, places[0].name, places[1].fd, places[1].name);
    else if (st == PO_OK)
        got = rename_keeping(&places[0], &places[1]);
    if (got != 0)
        st = po_beneath_fail(err, errno, "rename to", to_path, to_size);
    po_place_close(&places[0]);
    po_place_close(&places[1]);
    return st;
}

/* ---- facts ---- */

enum po_status
po_dir_set_write_time(struct po_dir *dir, const char *path, size_t path_size, int64_t time,
                      struct po_err *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, po_beneath_timespec(time) };
    struct po_place place;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK && utimensat(place.fd, place.name, times, AT_SYMLINK_NOFOLLOW) != 0)
        st = po_beneath_fail(err, errno, "set the time of", path, path_size);
    po_place_close(&place);
    return st;
}

enum po_status
po_dir_set_owner(struct po_dir *dir, const char *path, size_t path_size, uint32_t uid, uint32_t gid,
                 struct po_err *err)
{
    struct po_place place;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK &&
        fchownat(place.fd, place.name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) != 0)
        st = po_beneath_fail(err, errno, "set the owner of", path, path_size);
    po_place_close(&place);
    return st;
}

/*
 * Where the C library cannot change the mode without following links: files and directories that
 * can be opened.
 */
static int
set_mode_by_open(int fd, const char *name, mode_t mode)
{
    struct stat info;
    int node = po_beneath_open_child(fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    int got = -1;
    int code;

    if (node < 0)
        return -1;
    if (fstat(node, &info) == 0) {
        errno = EOPNOTSUPP;
        if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
            got = fchmod(node, mode);
    }
    code = errno;
    (void)close(node);
    errno = code;
    return got;
}

enum po_status
po_dir_set_mode(struct po_dir *dir, const char *path, size_t path_size, uint32_t mode,
                struct po_err *err)
{
    mode_t bits = (mode_t)(mode & 07777);
    struct po_place place;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);
    int got = 0;

    if (st == PO_OK) {
        /*
         * glibc since 2.32 and musl get around the kernel's lack of it by /proc/self/fd; EOPNOTSUPP
         * where that is not mounted.
         */
        got = fchmodat(place.fd, place.name, bits, AT_SYMLINK_NOFOLLOW);
        if (got != 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
            got = set_mode_by_open(place.fd, place.name, bits);
    }
    if (got != 0)
        st = po_beneath_fail(err, errno, "set the mode of", path, path_size);
    po_place_close(&place);
    return st;
}

/* ---- the volume ---- */

enum po_status
po_dir_sync_volume(struct po_dir *dir, struct po_err *err)
{
#if defined(__linux__)
    if (syncfs(dir->fd) != 0)
        return po_fail_errno(err, errno, "sync the volume");
#else
    (void)dir;
    (void)err;
    sync();
#endif
    return PO_OK;
}

enum po_status
po_dir_sync(struct po_dir *dir, struct po_err *err)
{
    int got;

    do
        got = fsync(dir->fd);
    while (got != 0 && errno == EINTR);
    /* EINVAL: a file system whose directories need no sync, or cannot. */
    if (got != 0 && errno != EINVAL)
        return po_fail_errno(err, errno, "sync a directory");
    return PO_OK;
}

enum po_status
po_dir_space(struct po_dir *dir, uint64_t *free_bytes, uint64_t *total_bytes, struct po_err *err)
{
    struct statvfs info;
    int got;

    do
        got = fstatvfs(dir->fd, &info);
    while (got != 0 && errno == EINTR);
    if (got != 0)
        return po_fail_errno(err, errno, "ask for the free space");
    *free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    *total_bytes = (uint64_t)info.f_blocks * info.f_frsize;
    return PO_OK;
}
