#include "port/file.h"

#include "base/mem.h"
#include "port/file_posix.h"
#include "port/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Linux moves at most 2 GiB less a page in one call, and some systems refuse more than that. */
#define CALL_SIZE_MAX ((size_t)1 << 30)

#define CANCEL_POLL_MS 200
/* A pipe that is ready takes so much without blocking: POSIX promises it. */
#define PIPE_PART ((size_t)PIPE_BUF)

struct po_file {
    int fd;
    struct po_node_info opened; /* as it was when it was opened; of a standard one not set */
    bool is_standard;           /* not ours to close */
    bool is_stream;             /* no offsets: a pipe, a device, standard input or output */
    uint64_t position;          /* of a stream: bytes read or written so far */
    uint64_t end;               /* of a regular file: where po_file_write goes on */
    const volatile int *cancel; /* of a stream, or NULL */
};

/* ---- opening ---- */

/*
 * Reading too where it costs nothing: a new file is ours, and who updates looks first. To replace,
 * the right to write must do.
 */
static int
flags_of(enum po_file_how how)
{
    switch (how) {
    case PO_FILE_CREATE:
        return O_RDWR | O_CREAT | O_EXCL;
    case PO_FILE_REPLACE:
        return O_WRONLY | O_CREAT | O_TRUNC;
    case PO_FILE_UPDATE:
        return O_RDWR;
    case PO_FILE_READ:
    default:
        return O_RDONLY;
    }
}

/* Wraps the descriptor, which is closed on failure. */
static enum po_status
wrap_fd(struct po_file **out, int fd, bool is_regular_only, const char *path, size_t path_size,
        struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info;
    enum po_status st = PO_OK;

    if (po_beneath_stat(fd, "", true, &info) != 0) {
        st = po_beneath_fail(err, errno, "examine", path, path_size);
        goto done;
    }
    if (info.type == PO_NODE_DIRECTORY) {
        st = po_beneath_fail(err, EISDIR, "open", path, path_size);
        goto done;
    }
    if (is_regular_only && info.type != PO_NODE_FILE) {
        (void)po_beneath_fail(err, EINVAL, "open", path, path_size);
        st = po_err_prefix(err, "not a regular file");
        goto done;
    }
    file = po_mem_new(1, sizeof(*file));
    if (file == NULL) {
        st = po_fail_nomem(err, sizeof(*file));
        goto done;
    }
    file->fd = fd;
    file->opened = info;
    file->is_stream = info.type != PO_NODE_FILE;
    file->end = file->is_stream ? 0 : info.size;
    *out = file;
done:
    if (st != PO_OK)
        (void)close(fd);
    return st;
}

enum po_status
po_file_open(struct po_file **out, struct po_dir *dir, const char *path, size_t path_size,
             enum po_file_how how, uint32_t mode, struct po_err *err)
{
    enum po_status st = po_path_check(path, path_size, err);
    int fd;

    if (st != PO_OK)
        return st;
    /*
     * O_NONBLOCK: else a FIFO would hold us until somebody opens its other end. Regular files do
     * not care.
     */
    fd = po_beneath_open(dir, path, path_size, flags_of(how) | O_NONBLOCK | O_NOCTTY,
                         (mode_t)(mode & 07777));
    if (fd < 0)
        return po_beneath_fail(err, errno, "open", path, path_size);
    return wrap_fd(out, fd, true, path, path_size, err);
}

enum po_status
po_os_file_open(struct po_file **out, const char *os_path, enum po_file_how how, struct po_err *err)
{
    int fd;

    do
        fd = open(os_path, flags_of(how) | O_CLOEXEC | O_NOCTTY, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return po_beneath_fail(err, errno, "open", os_path, strlen(os_path));
    return wrap_fd(out, fd, false, os_path, strlen(os_path), err);
}

enum po_status
po_file_standard(struct po_file **out, int number, struct po_err *err)
{
    struct po_file *file = po_mem_new(1, sizeof(*file));

    if (file == NULL)
        return po_fail_nomem(err, sizeof(*file));
    file->fd = number;
    file->is_standard = true;
    /* Even when it is a file: it may be open for appending, or not begin at 0. */
    file->is_stream = true;
    *out = file;
    return PO_OK;
}

/* ---- bytes ---- */

enum po_status
po_file_info(struct po_file *file, struct po_node_info *info, struct po_err *err)
{
    struct po_node_info found;

    if (po_beneath_stat(file->fd, "", true, &found) != 0)
        return po_fail_errno(err, errno, "examine an open file");
    *info = found;
    return PO_OK;
}

enum po_status
po_file_info_opened(struct po_file *file, struct po_node_info *info, struct po_err *err)
{
    if (file->is_standard)
        return po_file_info(file, info, err);
    *info = file->opened;
    return PO_OK;
}

/* off_t is signed: what lies beyond is refused and not wrapped around. */
static bool
is_in_range(uint64_t offset, size_t size)
{
    return offset <= (uint64_t)INT64_MAX && size <= (uint64_t)INT64_MAX - offset;
}

enum po_status
po_file_read_at(struct po_file *file, uint64_t offset, void *bytes, size_t size, size_t *got,
                struct po_err *err)
{
    unsigned char *to = bytes;
    size_t sum = 0;

    if (!is_in_range(offset, size))
        return po_fail_errno(err, EOVERFLOW, "read at %llu", (unsigned long long)offset);
    if (file->is_stream && offset != file->position)
        return po_fail_errno(err, ESPIPE, "read a stream at %llu", (unsigned long long)offset);
    while (sum < size) {
        size_t part = size - sum < CALL_SIZE_MAX ? size - sum : CALL_SIZE_MAX;
        ssize_t n;

        if (file->is_stream)
            n = read(file->fd, to + sum, part);
        else
            n = pread(file->fd, to + sum, part, (off_t)(offset + sum));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return po_fail_errno(err, errno, "read at %llu", (unsigned long long)(offset + sum));
        if (n == 0)
            break;
        sum += (size_t)n;
        if (file->is_stream)
            file->position += (uint64_t)n;
        else if ((size_t)n < part && offset + sum == file->end)
            break; /* less than asked for, and up to where it is known to end: asking again would tell nothing new */
    }
    *got = sum;
    return PO_OK;
}

void
po_file_set_cancel(struct po_file *file, const volatile int *cancel)
{
    if (file->is_stream)
        file->cancel = cancel;
}

/* Until the stream takes something; a signal between the look and the call cannot be missed. */
static enum po_status
wait_for_reader(const struct po_file *file, struct po_err *err)
{
    struct pollfd ready = { .fd = file->fd, .events = POLLOUT };

    do
        if (__atomic_load_n(file->cancel, __ATOMIC_RELAXED) != 0)
            return po_fail(err, PO_E_CANCELLED, "interrupted");
    while (poll(&ready, 1, CANCEL_POLL_MS) <= 0);
    return PO_OK;
}

enum po_status
po_file_write_at(struct po_file *file, uint64_t offset, const void *bytes, size_t size,
                 struct po_err *err)
{
    const unsigned char *from = bytes;
    size_t sum = 0;

    if (!is_in_range(offset, size))
        return po_fail_errno(err, EOVERFLOW, "write at %llu", (unsigned long long)offset);
    if (file->is_stream && offset != file->position)
        return po_fail_errno(err, ESPIPE, "write a stream at %llu", (unsigned long long)offset);
    while (sum < size) {
        size_t limit = file->cancel != NULL ? PIPE_PART : CALL_SIZE_MAX;
        size_t part = size - sum < limit ? size - sum : limit;
        ssize_t n;

        if (file->cancel != NULL && wait_for_reader(file, err) != PO_OK)
            return err->status;
        if (file->is_stream)
            n = write(file->fd, from + sum, part);
        else
            n = pwrite(file->fd, from + sum, part, (off_t)(offset + sum));
        if (n < 0 && errno == EINTR)
            continue;
        /* 0 bytes of a positive number is nothing POSIX knows, but would be an endless loop. */
        if (n <= 0)
            return po_fail_errno(err, n < 0 ? errno : EIO, "write at %llu",
                                 (unsigned long long)(offset + sum));
        sum += (size_t)n;
        if (file->is_stream)
            file->position += (uint64_t)n;
        else if (offset + sum > file->end)
            file->end = offset + sum;
    }
    return PO_OK;
}

enum po_status
po_file_write(struct po_file *file, const void *bytes, size_t size, struct po_err *err)
{
    return po_file_write_at(file, file->is_stream ? file->position : file->end, bytes, size, err);
}

enum po_status
po_file_set_size(struct po_file *file, uint64_t size, struct po_err *err)
{
    int got;

    if (!is_in_range(size, 0))
        return po_fail_errno(err, EOVERFLOW, "set the size to %llu", (unsigned long long)size);
    do
        got = ftruncate(file->fd, (off_t)size);
    while (got != 0 && errno == EINTR);
    if (got != 0)
        return po_fail_errno(err, errno, "set the size to %llu", (unsigned long long)size);
    file->end = size;
    return PO_OK;
}

/* ---- facts and closing ---- */

enum po_status
po_file_set_owner(struct po_file *file, uint32_t uid, uint32_t gid, struct po_err *err)
{
    if (uid == file->opened.uid && gid == file->opened.gid)
        return PO_OK;
    if (fchown(file->fd, (uid_t)uid, (gid_t)gid) != 0)
        return po_fail_errno(err, errno, "set the owner %u:%u", uid, gid);
    return PO_OK;
}

enum po_status
po_file_set_mode(struct po_file *file, uint32_t mode, struct po_err *err)
{
    if (fchmod(file->fd, (mode_t)(mode & 07777)) != 0)
        return po_fail_errno(err, errno, "set the mode %o", mode);
    return PO_OK;
}

enum po_status
po_file_set_write_time(struct po_file *file, int64_t time, struct po_err *err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, po_beneath_timespec(time) };

    if (futimens(file->fd, times) != 0)
        return po_fail_errno(err, errno, "set the time");
    return PO_OK;
}

enum po_status
po_file_set_windows_facts(struct po_file *file, int64_t create_time, uint32_t attributes,
                          struct po_err *err)
{
    (void)file;
    (void)create_time;
    (void)attributes;
    (void)err;
    return PO_OK;
}

enum po_status
po_file_sync(struct po_file *file, struct po_err *err)
{
    int got;

    do
        got = fsync(file->fd);
    while (got != 0 && errno == EINTR);
    /* Pipes and terminals have nothing to sync. */
    if (got != 0 && !(file->is_stream && (errno == EINVAL || errno == ENOTSUP)))
        return po_fail_errno(err, errno, "sync a file");
    return PO_OK;
}

bool
po_file_syncs_beside_writes(void)
{
    return true;
}

void
po_file_hint_sequential(struct po_file *file)
{
#if defined(POSIX_FADV_SEQUENTIAL)
    if (!file->is_stream)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#else
    (void)file;
#endif
}

void
po_file_hint_write(struct po_file *file)
{
#if defined(SYNC_FILE_RANGE_WRITE)
    if (!file->is_stream)
        (void)sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)file;
#endif
}

enum po_status
po_file_close(struct po_file *file, struct po_err *err)
{
    enum po_status st = PO_OK;

    /*
     * Never again after EINTR: on Linux the descriptor is gone, and may be another thread's by now.
     */
    if (!file->is_standard && close(file->fd) != 0 && errno != EINTR)
        st = po_fail_errno(err, errno, "close a file");
    po_mem_free(file);
    return st;
}

void
po_file_free(struct po_file *file)
{
    if (file == NULL)
        return;
    if (!file->is_standard)
        (void)close(file->fd);
    po_mem_free(file);
}

/* ---- paths as text ---- */

void
po_path_split(const char *path, size_t path_size, size_t *dir_size, size_t *name_start)
{
    size_t start = path_size;

    while (start > 0 && path[start - 1] != '/')
        start--;
    *name_start = start;
    /* The '/' at the very front is the directory of what lies right behind it. */
    *dir_size = start > 1 ? start - 1 : start;
}

enum po_status
po_os_path_is_inside(bool *is_inside, const char *path, const char *directory, struct po_err *err)
{
    size_t size = strlen(directory);

    (void)err;
    while (size > 0 && directory[size - 1] == '/')
        size--;
    *is_inside = strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
    return PO_OK;
}

bool
po_os_path_is_root(const char *path, size_t path_size)
{
    for (size_t i = 0; i < path_size; i++)
        if (path[i] != '/')
            return false;
    return path_size > 0;
}

char *
po_os_path_join(const char *dir, const char *name)
{
    size_t dir_size = strlen(dir);
    size_t name_size = strlen(name);
    char *path;

    if (dir_size == 0 || name[0] == '/')
        return po_mem_strdup(name);
    path = po_mem_new(dir_size + name_size + 2, 1);
    if (path == NULL)
        return NULL;
    memcpy(path, dir, dir_size);
    if (dir[dir_size - 1] != '/')
        path[dir_size++] = '/';
    memcpy(path + dir_size, name, name_size + 1);
    return path;
}

enum po_status
po_os_path_real(char **out, const char *os_path, struct po_err *err)
{
    char *real = realpath(os_path, NULL);
    char *copy;

    if (real == NULL)
        return po_beneath_fail(err, errno, "find", os_path, strlen(os_path));
    /* The system took it from the C heap, so it goes back there and not through po_mem. */
    copy = po_mem_strdup(real);
    free(real);
    if (copy == NULL)
        return po_fail_nomem(err, strlen(os_path));
    *out = copy;
    return PO_OK;
}
