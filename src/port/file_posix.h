/*
 * file_posix.h - what beneath_posix.c, dir_posix.c and file_posix.c share. Nothing else includes
 * it, but for the tests.
 *
 * These functions give a descriptor or 0, or -1 with errno, as the system calls do that they stand
 * for; po_beneath_fail makes the message.
 */
#ifndef PO_PORT_FILE_POSIX_H
#define PO_PORT_FILE_POSIX_H

#include "port/file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifndef NAME_MAX
#define NAME_MAX 255
#endif

/*
 * A handle that only leads on needs no right to read the directory, and opening it has no side
 * effect.
 */
#if defined(O_PATH)
#define PO_LEAD_ON (O_PATH | O_DIRECTORY)
#elif defined(O_SEARCH)
#define PO_LEAD_ON (O_SEARCH | O_DIRECTORY)
#else
#define PO_LEAD_ON (O_RDONLY | O_DIRECTORY)
#endif
/* A handle for listing. */
#define PO_READ_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NONBLOCK)

struct po_dir {
    int fd;           /* open for reading, so that it can be synced */
    bool has_openat2; /* found out once, when it was opened */
    uint64_t device;
};

/*
 * The directory that holds the last component of a path, and that component: what the *at calls
 * take.
 */
struct po_place {
    int fd;
    bool is_own;             /* fd is to be closed; else it is the root's */
    char name[NAME_MAX + 1]; /* "." for the root itself */
};

/*
 * From now on this root resolves paths component by component, as on systems without openat2. For
 * the tests.
 */
void po_beneath_force_walk(struct po_dir *dir);
/* Finds out whether openat2 works here. */
bool po_beneath_has_openat2(int fd);

/*
 * Opens a checked path below the root without following any link, with O_CLOEXEC. A link on the way
 * or at the end is ELOOP.
 */
int po_beneath_open(const struct po_dir *dir, const char *path, size_t path_size, int flags,
                    mode_t mode);
/* Opens one component in a directory, in the same way. */
int po_beneath_open_child(int fd, const char *name, int flags, mode_t mode);
/*
 * Copies the component that begins at *at to `name`, moves *at behind its '/'; false (ENAMETOOLONG)
 * when it is too long.
 */
bool po_beneath_next(const char *path, size_t path_size, size_t *at, char name[NAME_MAX + 1]);
/*
 * Checks the path and opens the directory of its last component; po_place_close is always allowed
 * after it.
 */
PO_NODISCARD enum po_status po_place_open(struct po_place *place, const struct po_dir *dir,
                                          const char *path, size_t path_size, struct po_err *err);
void po_place_close(struct po_place *place);

/* "doing path: what the system says". */
enum po_status po_beneath_fail(struct po_err *err, int code, const char *doing, const char *path,
                               size_t path_size);

/*
 * The facts of `name` in `fd`, or of `fd` itself when name is ""; links are followed only if
 * `follows`.
 */
int po_beneath_stat(int fd, const char *name, bool follows, struct po_node_info *info);
/* 100 ns steps as a timespec. */
struct timespec po_beneath_timespec(int64_t time);

#endif
