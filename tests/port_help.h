/* port_help.h - what the tests of port/ share: a directory for each test, as a root. */
#ifndef PO_TESTS_PORT_HELP_H
#define PO_TESTS_PORT_HELP_H

#include "base/mem.h"
#include "base/text.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"
#include "port/thread.h"

#if OS_HAS_POSIX
#include "port/file_posix.h"
#endif

/* A path or name as a string literal, with its size. */
#define S(literal) (literal), (sizeof(literal) - 1)
#define OK(call)                                                                                   \
    do {                                                                                           \
        enum po_status ok_st = (call);                                                             \
        ck_assert_msg(ok_st == PO_OK, "%s: %s", #call, err.text);                                  \
    } while (0)
/* The call fails with this errno. */
#define FAILS(code, call)                                                                          \
    do {                                                                                           \
        enum po_status fails_st = (call);                                                          \
        ck_assert_msg(fails_st == PO_E_IO && err.os_code == (uint32_t)(code), "%s: %d, %u", #call, \
                      (int)fails_st, err.os_code);                                                 \
    } while (0)

static char base[OS_PATH_SIZE]; /* a new directory of the system, as a path */
static struct po_dir *root;
static struct po_err err;

static inline void
set_up(void)
{
    os_temp_make(base, "port");
    OK(po_dir_open(&root, base, &err));
}

static inline void
tear_down(void)
{
    po_dir_free(root);
    os_temp_remove(base);
}

/* Test number 0 runs with openat2 where the system has it, 1 with the walk. */
#define BOTH(tc, test) tcase_add_loop_test(tc, test, 0, OS_CASE(2, 1))

static inline void
use_way(int way)
{
#if OS_HAS_POSIX
    if (way == 1)
        po_beneath_force_walk(root);
#else
    (void)way;
#endif
}

static inline void
write_file(const char *path, size_t size, const char *content)
{
    struct po_file *file;

    OK(po_file_open(&file, root, path, size, PO_FILE_CREATE, 0600, &err));
    OK(po_file_write(file, content, strlen(content), &err));
    OK(po_file_close(file, &err));
}

static inline void
check_content(const char *path, size_t size, const char *content)
{
    char bytes[100];
    size_t got = 0;
    struct po_file *file;

    OK(po_file_open(&file, root, path, size, PO_FILE_READ, 0, &err));
    OK(po_file_read_at(file, 0, bytes, sizeof(bytes), &got, &err));
    ck_assert_uint_eq(got, strlen(content));
    ck_assert_mem_eq(bytes, content, got);
    po_file_free(file);
}

static inline bool
is_there(const char *path, size_t size)
{
    struct po_node_info info;
    bool exists = false;

    OK(po_dir_stat(root, path, size, &info, &exists, &err));
    return exists;
}

/* A path of exactly `size` bytes of 200-byte components. */
static inline char *
long_path(size_t size)
{
    char *path = po_mem_new(size + 1, 1);

    ck_assert_ptr_nonnull(path);
    memset(path, 'p', size);
    for (size_t at = 200; at + 1 < size; at += 201)
        path[at] = '/';
    return path;
}

static inline struct po_command_result
run(const char *command, unsigned timeout_ms, struct po_buf *output)
{
    struct po_command_result result = { .exit_code = -77 };

    OK(po_sys_run(command, NULL, timeout_ms, &result, output, &err));
    ck_assert_int_eq(po_buf_check(output, &err), PO_OK);
    return result;
}

static inline int
port_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

#endif
