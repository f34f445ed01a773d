/*
 * os_help.h - what the tests need of the system: files of their own, looked at and changed from
 * outside; and the calls of POSIX that they use, which Windows has under another name or not at all.
 * The one place of the tests that knows which system it is.
 *
 * A test about what POSIX alone has (FIFOs, symbolic links, modes, owners, signals, fork) is added by
 * os_add_posix_test: on Windows it is left out, by name, and counted. What does not even compile
 * there stands in #if OS_HAS_POSIX.
 */
#ifndef PO_TESTS_OS_HELP_H
#define PO_TESTS_OS_HELP_H

#include "port/file.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* OS_CASE: what is so with POSIX, and what on Windows; literals stay literals. */
#ifdef _WIN32
#define OS_HAS_POSIX 0
#define OS_CASE(posix, windows) windows
#else
#define OS_HAS_POSIX 1
#define OS_CASE(posix, windows) posix
#endif
/* What a message has when a file is not there; Windows' words are those of its language. */
#define OS_NOT_THERE OS_CASE("No such file", "(error 2)")

/* ---- files; these assert that it works. Paths are UTF-8, relative ones too ---- */

#define OS_PATH_SIZE 128

/* Makes a directory that nobody else has, and gives its absolute path: with '/', without links. */
void os_temp_make(char path[OS_PATH_SIZE], const char *name);
/* Removes it and all below; the working directory is then above it. */
void os_temp_remove(const char *path);
/* Removes a node, and of a directory all that lies below. */
void os_remove(const char *path);
void os_write(const char *path, const void *bytes, size_t size);
/* The node itself, not what a link leads to. */
bool os_exists(const char *path);
struct po_node_info os_stat(const char *path);
/* In 100 ns, as in struct po_node_info. */
void os_set_time(const char *path, int64_t write_time);
/* Cuts or lengthens a file; false when that cannot be done. */
bool os_set_size(const char *path, uint64_t size);
/* What lies in a directory. */
unsigned os_count(const char *path);
/* Its permission bits, where there are such. */
void os_assert_mode(const char *path, uint32_t mode);

/* ---- leaving out ---- */

#if OS_HAS_POSIX

#define os_add_posix_test(tc, test) tcase_add_test(tc, test)
#define os_add_posix_loop_test(tc, test, from, to) tcase_add_loop_test(tc, test, from, to)

#else

#define os_add_posix_test(tc, test) ((void)(tc), os_leave_out(#test))
#define os_add_posix_loop_test(tc, test, from, to) ((void)(tc), os_leave_out(#test))
/* Says so, and at the end of the program how many there were. */
void os_leave_out(const char *test);

/* ---- what Windows has under another name, or for other names than UTF-8 ---- */

#include <direct.h>

#define mkdir(path, mode) os_mkdir(path)
int os_mkdir(const char *path);
#define fopen os_fopen
FILE *os_fopen(const char *path, const char *mode);
int link(const char *existing, const char *path);
int setenv(const char *name, const char *value, int is_replacing);
int unsetenv(const char *name);
char *strndup(const char *text, size_t size);

/* Opens a file for itself alone, and closes it. */
void *os_hold(const char *path);
void os_let_go(void *held);

/* ---- what it has not, for tests that are left out ---- */

int symlink(const char *target, const char *path);
int mkfifo(const char *path, unsigned mode);
unsigned geteuid(void);
int seteuid(unsigned uid);

#endif
#endif
