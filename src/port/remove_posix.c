/*
 * Removing, whole trees too. A tree may be deeper than the stack or the number of open files
 * allows, so there is no recursion and one descriptor: down by name without following links, up by
 * "..", where it is checked that this is the directory that we came from. If somebody moves a
 * directory of the tree meanwhile, the check fails and nothing outside is touched.
 */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct level {
    dev_t device;
    ino_t inode;
    size_t names_start; /* where this directory's names begin in removal.names */
};

struct removal {
    int fd;              /* the directory of the last level */
    bool has_named;      /* the first name is the caller's */
    struct po_buf names; /* still to be removed, each with a NUL; the last one is in work */
    struct level *levels;
    size_t count;
    size_t capacity;
};

static enum po_status
push_level(struct removal *removal, int fd, struct po_err *err)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return po_fail_errno(err, errno, "examine a directory");
    if (removal->count == removal->capacity) {
        size_t capacity = removal->capacity > 0 ? removal->capacity * 2 : 16;
        struct level *levels = po_mem_resize(removal->levels, capacity, sizeof(*levels));

        if (levels == NULL)
            return po_fail_nomem(err, capacity * sizeof(*levels));
        removal->levels = levels;
        removal->capacity = capacity;
    }
    removal->levels[removal->count++] =
        (struct level){ info.st_dev, info.st_ino, removal->names.size };
    return PO_OK;
}

/*
 * Appends the names of all that lies in `fd`. All at once: a listing that is changed while it is
 * read may leave some out.
 */
static enum po_status
put_names(struct removal *removal, int fd, struct po_err *err)
{
    struct dirent *entry;
    DIR *stream = NULL;
    enum po_status st = PO_OK;
    int own = po_beneath_open_child(fd, ".", PO_READ_DIRECTORY, 0);

    if (own >= 0)
        stream = fdopendir(own);
    if (stream == NULL) {
        st = po_fail_errno(err, errno, "list a directory");
        if (own >= 0)
            (void)close(own);
        return st;
    }
    for (;;) {
        errno = 0;
        entry = readdir(stream); /* NOLINT(concurrency-mt-unsafe): the stream is ours alone */
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            po_buf_put(&removal->names, entry->d_name, strlen(entry->d_name) + 1);
    }
    st = errno != 0 ? po_fail_errno(err, errno, "list a directory")
                    : po_buf_check(&removal->names, err);
    (void)closedir(stream);
    return st;
}

/* The name in work. */
static const char *
last_name(const struct removal *removal)
{
    size_t start = removal->names.size - 1; /* at its NUL */

    while (start > 0 && removal->names.bytes[start - 1] != '\0')
        start--;
    return (const char *)removal->names.bytes + start;
}

static void
drop_last_name(struct removal *removal)
{
    removal->names.size = (size_t)((const uint8_t *)last_name(removal) - removal->names.bytes);
}

/* Makes the directory `fd` the last level; takes the descriptor. */
static enum po_status
go_down(struct removal *removal, int fd, struct po_err *err)
{
    enum po_status st = push_level(removal, fd, err);

    if (removal->fd >= 0)
        (void)close(removal->fd);
    removal->fd = fd;
    return st == PO_OK ? put_names(removal, fd, err) : st;
}

/*
 * Back to the directory above, which no longer has anything in the one that is left: that is
 * removed.
 */
static enum po_status
go_up(struct removal *removal, struct po_err *err)
{
    const struct level *level;
    struct stat info;
    int fd = po_beneath_open_child(removal->fd, "..", PO_LEAD_ON, 0);

    if (fd < 0)
        return po_fail_errno(err, errno, "go back to the directory above");
    (void)close(removal->fd);
    removal->fd = fd;
    removal->count--;
    level = &removal->levels[removal->count - 1];
    if (fstat(fd, &info) != 0)
        return po_fail_errno(err, errno, "examine a directory");
    if (info.st_dev != level->device || info.st_ino != level->inode)
        return po_fail(err, PO_E_IO, "a directory was moved while it was removed");
    if (unlinkat(fd, last_name(removal), AT_REMOVEDIR) != 0 && errno != ENOENT)
        return po_beneath_fail(err, errno, "remove", last_name(removal),
                               strlen(last_name(removal)));
    drop_last_name(removal);
    return PO_OK;
}

/* As unlinkat for files; *is_directory and 0 when it is one. */
static int
remove_file(int fd, const char *name, bool *is_directory)
{
    struct stat info;
    int code;

    *is_directory = false;
    if (unlinkat(fd, name, 0) == 0)
        return 0;
    code = errno;
    /* Linux says EISDIR, POSIX EPERM, which can mean other things too. */
    if ((code == EISDIR || code == EPERM) && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode)) {
        *is_directory = true;
        return 0;
    }
    errno = code;
    return -1;
}

/* One step: removes the name in work, or goes down into it. */
static enum po_status
remove_last_name(struct removal *removal, struct po_err *err)
{
    const char *name = last_name(removal);
    bool is_directory;
    int fd;

    if (remove_file(removal->fd, name, &is_directory) != 0) {
        /*
         * Somebody was faster: what we want is done. But the caller may have mistyped the first
         * name.
         */
        if (errno != ENOENT || (removal->has_named && removal->count == 1))
            return po_beneath_fail(err, errno, "remove", name, strlen(name));
    }
    if (!is_directory) {
        drop_last_name(removal);
        return PO_OK;
    }
    fd = po_beneath_open_child(removal->fd, name, PO_LEAD_ON, 0);
    if (fd < 0)
        return po_beneath_fail(err, errno, "open", name, strlen(name));
    return go_down(removal, fd, err);
}

enum po_status
po_dir_remove_all(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    struct removal removal = { .fd = -1 };
    struct po_place place;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);
    int fd = -1;

    if (st != PO_OK)
        goto done;
    fd = po_beneath_open_child(place.fd, ".", PO_LEAD_ON, 0);
    if (fd < 0) {
        st = po_beneath_fail(err, errno, "open", path, path_size);
        goto done;
    }
    if (path_size == 0) {
        st = go_down(&removal, fd, err);
    } else {
        removal.fd = fd;
        removal.has_named = true;
        st = push_level(&removal, fd, err);
        po_buf_put(&removal.names, place.name, strlen(place.name) + 1);
        if (st == PO_OK)
            st = po_buf_check(&removal.names, err);
    }
    while (st == PO_OK && removal.count > 0) {
        if (removal.names.size > removal.levels[removal.count - 1].names_start)
            st = remove_last_name(&removal, err);
        else if (removal.count == 1)
            break;
        else
            st = go_up(&removal, err);
    }
    if (st != PO_OK)
        (void)po_err_prefix(err, "remove the tree");
done:
    if (removal.fd >= 0)
        (void)close(removal.fd);
    po_buf_deinit(&removal.names);
    po_mem_free(removal.levels);
    po_place_close(&place);
    return st;
}

enum po_status
po_dir_remove(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    struct po_place place;
    bool is_directory;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK)
        return st;
    if (path_size == 0)
        return po_fail(err, PO_E_USAGE, "the root itself cannot be removed");
    if (remove_file(place.fd, place.name, &is_directory) != 0 ||
        (is_directory && unlinkat(place.fd, place.name, AT_REMOVEDIR) != 0))
        st = po_beneath_fail(err, errno, "remove", path, path_size);
    po_place_close(&place);
    return st;
}
