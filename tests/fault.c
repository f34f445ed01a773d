#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const char *const kind_names[FAULT_KIND_COUNT] = { "memory", "read", "write", "rename",
                                                          "sync",   "open", "other" };

struct plan {
    atomic_ulong calls;
    atomic_ulong nth; /* 0 = disarmed */
    atomic_int error_code;
    atomic_bool for_ever;
    atomic_bool has_struck;
};

static struct plan plans[FAULT_KIND_COUNT];

void
fault_arm(enum fault_kind kind, unsigned long nth, int error_code, bool for_ever)
{
    struct plan *plan = &plans[kind];

    atomic_store(&plan->nth, 0);
    atomic_store(&plan->error_code, error_code);
    atomic_store(&plan->for_ever, for_ever);
    atomic_store(&plan->has_struck, false);
    atomic_store(&plan->calls, 0);
    atomic_store(&plan->nth, nth);
}

void
fault_disarm(void)
{
    for (int i = 0; i < FAULT_KIND_COUNT; i++)
        atomic_store(&plans[i].nth, 0);
}

unsigned long
fault_calls(enum fault_kind kind)
{
    return atomic_load(&plans[kind].calls);
}

bool
fault_has_struck(enum fault_kind kind)
{
    return atomic_load(&plans[kind].has_struck);
}

/* Counts a call; whether the fault strikes it. */
static bool
strikes(enum fault_kind kind)
{
    struct plan *plan = &plans[kind];
    unsigned long number = atomic_fetch_add(&plan->calls, 1) + 1;
    unsigned long nth = atomic_load(&plan->nth);

    if (nth == 0 || number < nth || (number > nth && !atomic_load(&plan->for_ever)))
        return false;
    atomic_store(&plan->has_struck, true);
    return true;
}

/* Counts a call; whether it is to fail, with errno set. */
static bool
fails(enum fault_kind kind)
{
    if (!strikes(kind) || atomic_load(&plans[kind].error_code) == 0)
        return false;
    errno = atomic_load(&plans[kind].error_code);
    return true;
}

/* As fails, for calls that may also move fewer bytes. */
static bool
fails_or_cuts(enum fault_kind kind, size_t *size)
{
    if (!strikes(kind))
        return false;
    errno = atomic_load(&plans[kind].error_code);
    if (errno == 0)
        *size = (*size + 1) / 2;
    return errno != 0;
}

/* ---- from outside ---- */

static void
arm_from_text(char *text)
{
    char *fields[4] = { NULL };
    char *rest = text;
    int kind = 0;

    for (int i = 0; i < 4 && rest != NULL; i++)
        fields[i] = strsep(&rest, ":");
    while (kind < FAULT_KIND_COUNT && strcmp(kind_names[kind], fields[0]) != 0)
        kind++;
    if (kind == FAULT_KIND_COUNT || fields[2] == NULL || rest != NULL ||
        (fields[3] != NULL && strcmp(fields[3], "ever") != 0)) {
        (void)dprintf(2, "POBACKUP_FAULT: not KIND:NTH:ERRNO[:ever]\n");
        _exit(125);
    }
    fault_arm((enum fault_kind)kind, strtoul(fields[1], NULL, 10), (int)strtol(fields[2], NULL, 10),
              fields[3] != NULL);
}

__attribute__((constructor)) static void
arm_from_environment(void)
{
    const char *value = getenv("POBACKUP_FAULT");
    char text[256];
    char *rest = text;

    if (value == NULL || strlen(value) >= sizeof(text))
        return;
    memcpy(text, value, strlen(value) + 1);
    while (rest != NULL)
        arm_from_text(strsep(&rest, ","));
}

__attribute__((destructor)) static void
report(void)
{
    const char *path = getenv("POBACKUP_FAULT_REPORT");
    int fd;

    fault_disarm();
    if (path == NULL)
        return;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    for (int i = 0; i < FAULT_KIND_COUNT; i++)
        (void)dprintf(fd, "%s %lu %d\n", kind_names[i], fault_calls((enum fault_kind)i),
                      fault_has_struck((enum fault_kind)i));
    (void)close(fd);
}

/* ---- the calls ---- */

/* One that returns `failed` and sets errno. */
#define WRAP(kind, type, failed, name, parameters, arguments)                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(kind) ? (failed) : __real_##name arguments;                                   \
    }

/* One that moves bytes. */
#define WRAP_MOVE(kind, name, parameters, arguments)                                               \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        return fails_or_cuts(kind, &size) ? -1 : __real_##name arguments;                          \
    }

/* One that returns the code. */
#define WRAP_CODE(name, parameters, arguments)                                                     \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        return fails(FAULT_OTHER) ? errno : __real_##name arguments;                               \
    }

WRAP(FAULT_MEMORY, void *, NULL, malloc, (size_t size), (size))
WRAP(FAULT_MEMORY, void *, NULL, calloc, (size_t count, size_t size), (count, size))
WRAP(FAULT_MEMORY, void *, NULL, realloc, (void *old, size_t size), (old, size))
WRAP(FAULT_MEMORY, void *, MAP_FAILED, mmap,
     (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))
/* As pages_posix.c calls it: with the place to go to. */
WRAP(FAULT_MEMORY, void *, MAP_FAILED, mremap,
     (void *old, size_t old_size, size_t size, int flags, void *to),
     (old, old_size, size, flags, to))

WRAP_MOVE(FAULT_READ, read, (int fd, void *to, size_t size), (fd, to, size))
WRAP_MOVE(FAULT_READ, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
WRAP(FAULT_READ, struct dirent *, NULL, readdir, (DIR * stream), (stream))
WRAP(FAULT_READ, ssize_t, -1, readlinkat, (int fd, const char *name, char *to, size_t size),
     (fd, name, to, size))

WRAP_MOVE(FAULT_WRITE, write, (int fd, const void *from, size_t size), (fd, from, size))
WRAP_MOVE(FAULT_WRITE, pwrite, (int fd, const void *from, size_t size, off_t at),
          (fd, from, size, at))
WRAP(FAULT_WRITE, int, -1, ftruncate, (int fd, off_t size), (fd, size))

WRAP(FAULT_RENAME, int, -1, renameat, (int a, const char *from, int b, const char *to),
     (a, from, b, to))
WRAP(FAULT_RENAME, int, -1, linkat, (int a, const char *from, int b, const char *to, int flags),
     (a, from, b, to, flags))

WRAP(FAULT_SYNC, int, -1, fsync, (int fd), (fd))
WRAP(FAULT_SYNC, int, -1, fdatasync, (int fd), (fd))
WRAP(FAULT_SYNC, int, -1, syncfs, (int fd), (fd))

WRAP(FAULT_OPEN, DIR *, NULL, fdopendir, (int fd), (fd))

WRAP(FAULT_OTHER, int, -1, symlinkat, (const char *target, int fd, const char *name),
     (target, fd, name))
WRAP(FAULT_OTHER, int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(FAULT_OTHER, int, -1, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAP(FAULT_OTHER, int, -1, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(FAULT_OTHER, int, -1, utimensat,
     (int fd, const char *name, const struct timespec times[2], int flags),
     (fd, name, times, flags))
WRAP(FAULT_OTHER, int, -1, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP(FAULT_OTHER, int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(FAULT_OTHER, int, -1, fchmodat, (int fd, const char *name, mode_t mode, int flags),
     (fd, name, mode, flags))
WRAP(FAULT_OTHER, int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(FAULT_OTHER, int, -1, fchownat, (int fd, const char *name, uid_t uid, gid_t gid, int flags),
     (fd, name, uid, gid, flags))
WRAP(FAULT_OTHER, int, -1, statx,
     (int fd, const char *name, int flags, unsigned mask, struct statx *info),
     (fd, name, flags, mask, info))
WRAP(FAULT_OTHER, int, -1, stat, (const char *path, struct stat *info), (path, info))
WRAP(FAULT_OTHER, int, -1, lstat, (const char *path, struct stat *info), (path, info))
WRAP(FAULT_OTHER, int, -1, fstat, (int fd, struct stat *info), (fd, info))
WRAP(FAULT_OTHER, int, -1, fstatat, (int fd, const char *name, struct stat *info, int flags),
     (fd, name, info, flags))
WRAP(FAULT_OTHER, int, -1, fstatvfs, (int fd, struct statvfs *info), (fd, info))
WRAP(FAULT_OTHER, int, -1, flock, (int fd, int operation), (fd, operation))
WRAP(FAULT_OTHER, pid_t, -1, fork, (void), ())
WRAP(FAULT_OTHER, ssize_t, -1, getrandom, (void *to, size_t size, unsigned flags),
     (to, size, flags))
WRAP_CODE(posix_spawn,
          (pid_t * child, const char *path, const posix_spawn_file_actions_t *actions,
           const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]),
          (child, path, actions, attributes, arguments, environment))
WRAP_CODE(pthread_create,
          (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *ctx),
          (thread, attributes, run, ctx))
WRAP_CODE(pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
          (mutex, attributes))
WRAP_CODE(pthread_cond_init, (pthread_cond_t * cond, const pthread_condattr_t *attributes),
          (cond, attributes))

int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    bool is_to_fail = fails(FAULT_OTHER);
    int code = errno;

    if (!is_to_fail)
        return __real_close(fd);
    (void)__real_close(fd);
    errno = code;
    return -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    return fails(FAULT_OPEN) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int fd, const char *name, int flags, ...);
int __wrap_openat(int fd, const char *name, int flags, ...);
int
__wrap_openat(int fd, const char *name, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    return fails(FAULT_OPEN) ? -1 : __real_openat(fd, name, flags, mode);
}

/* For what the C library has no function for, or not everywhere. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long
__wrap_syscall(long number, ...)
{
    long arg[6];
    va_list args;

    /*
     * As the C library itself: takes six, whatever was given, and the system looks at what it
     * needs.
     */
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        arg[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_openat2 && fails(FAULT_OPEN))
        return -1;
    if (number == SYS_renameat2 && fails(FAULT_RENAME))
        return -1;
    return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int
fault_free_descriptor(void)
{
    int fd = dup(0);

    if (fd < 0 || close(fd) != 0)
        abort(); /* standard input is there */
    return fd;
}
