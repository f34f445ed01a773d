/*
 * fault.h - makes the program's calls to the system and the heap fail, one after the other.
 *
 * tests/fault_*.c and pobackup-faults are linked so that the calls of all objects that are linked
 * in (ours, and those of static libraries: Check too) come to fault.c first. Counting begins at
 * each fault_arm. The usual way: arm with nth = 0, which never strikes; do it; take fault_calls;
 * then arm with 1, 2, 3, ... and see that each failure is told and leaves nothing behind. Disarm
 * before asserting, for Check allocates and writes too.
 *
 * Any thread may make calls meanwhile; only one arms and disarms. In a debug build, that is: with
 * _FORTIFY_SOURCE some calls have other names.
 *
 * From outside: POBACKUP_FAULT="write:17:28" lets the 17th write fail with errno 28,
 * "write:17:28:ever" all from there on; more than one with ',' between. The names are those of the
 * kinds in lower case. POBACKUP_FAULT_REPORT=FILE: a line for each kind, "write 17 1", is written
 * to FILE at the end: how many calls there were, and whether the fault struck.
 */
#ifndef PO_TESTS_FAULT_H
#define PO_TESTS_FAULT_H

#include <stdbool.h>

enum fault_kind {
    FAULT_MEMORY, /* malloc, calloc, realloc, mmap, mremap */
    FAULT_READ,   /* read, pread, readdir, readlinkat */
    FAULT_WRITE,  /* write, pwrite, ftruncate */
    FAULT_RENAME, /* renameat, renameat2, linkat */
    FAULT_SYNC,   /* fsync, fdatasync, syncfs */
    FAULT_OPEN,   /* open, openat, openat2, fdopendir */
    FAULT_OTHER,  /* stat and its like, mkdir, unlink, close, times, modes, owners, threads, ... */
    FAULT_KIND_COUNT,
};

/*
 * From now on the nth call of this kind (1 = the next one; 0 = none, only count) fails with errno
 * `error_code`; all after it too if `for_ever`. error_code 0: no failure, but read, pread, write
 * and pwrite move just half of the bytes asked for. Closing really closes before it fails.
 */
void fault_arm(enum fault_kind kind, unsigned long nth, int error_code, bool for_ever);
/* Nothing fails any more, of any kind. The counts stay. */
void fault_disarm(void);
/* Calls of this kind since the last fault_arm for it. */
unsigned long fault_calls(enum fault_kind kind);
/* Whether a fault of this kind has struck since the last fault_arm for it. */
bool fault_has_struck(enum fault_kind kind);
/* The lowest file descriptor that is free: another one afterwards, and something stayed open. */
int fault_free_descriptor(void);

#endif
