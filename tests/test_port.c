#include "base/mem.h"
#include "base/text.h"
#include "port/file.h"
#include "port/file_posix.h"
#include "port/sys.h"
#include "port/thread.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static char base[64]; /* a new directory of the system, as a path */
static struct po_dir *root;
static struct po_err err;

/* Test number 0 runs with openat2 where the system has it, 1 with the walk. */
static void
set_up(void)
{
    const char *parent = getenv("TMPDIR");

    ck_assert_int_lt(snprintf(base, sizeof(base), "%s/po-test-XXXXXX",
                              parent != NULL && strlen(parent) < 40 ? parent : "/tmp"),
                     (int)sizeof(base));
    ck_assert_ptr_nonnull(mkdtemp(base));
    OK(po_dir_open(&root, base, &err));
}

static void
tear_down(void)
{
    OK(po_dir_remove_all(root, "", 0, &err));
    po_dir_free(root);
    ck_assert_int_eq(rmdir(base), 0);
}

static void
use_way(int way)
{
    if (way == 1)
        po_beneath_force_walk(root);
}

static void
write_file(const char *path, size_t size, const char *content)
{
    struct po_file *file;

    OK(po_file_open(&file, root, path, size, PO_FILE_CREATE, 0600, &err));
    OK(po_file_write(file, content, strlen(content), &err));
    OK(po_file_close(file, &err));
}

static void
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

static bool
is_there(const char *path, size_t size)
{
    struct po_node_info info;
    bool exists = false;

    OK(po_dir_stat(root, path, size, &info, &exists, &err));
    return exists;
}

/* ---- paths ---- */

START_TEST(unclean_paths_are_refused_everywhere)
{
    static const struct {
        const char *path;
        size_t size;
    } bad[] = {
        { S("/") },     { S("/a") },     { S("a/") },   { S("a//b") }, { S(".") },
        { S("..") },    { S("./a") },    { S("../a") }, { S("a/.") },  { S("a/..") },
        { S("a/./b") }, { S("a/../b") }, { S("a\0b") }, { S("\0") },   { S("a/b\0/c") },
    };
    struct po_file *file;
    struct po_dir *dir;
    struct po_node_info info;
    bool exists;
    char *target;
    size_t size;

    use_way(_i);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *p = bad[i].path;
        size_t n = bad[i].size;

        ck_assert_int_eq(po_file_open(&file, root, p, n, PO_FILE_CREATE, 0600, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_open_below(&dir, root, p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_stat(root, p, n, &info, &exists, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_list(root, p, n, NULL, NULL, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_read_link(root, p, n, &target, &size, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_make(root, p, n, 0700, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_make_all(root, p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_remove(root, p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_remove_all(root, p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_rename(root, p, n, root, S("x"), true, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_make_symlink(root, p, n, S("x"), &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_make_hardlink(root, S("x"), p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_write_time(root, p, n, 0, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_owner(root, p, n, 0, 0, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_mode(root, p, n, 0700, &err), PO_E_USAGE);
    }
    ck_assert_int_eq(po_dir_remove(root, "", 0, &err), PO_E_USAGE);
    ck_assert_int_eq(po_dir_rename(root, "", 0, root, S("x"), true, &err), PO_E_USAGE);
}
END_TEST

START_TEST(names_that_only_look_like_dots_are_fine)
{
    static const char *const names[] = { "...", ".a", "..a", "a.", "a..", " ", "\\", "*", "-" };

    use_way(_i);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        write_file(names[i], strlen(names[i]), "x");
        check_content(names[i], strlen(names[i]), "x");
    }
}
END_TEST

START_TEST(odd_names_come_through_unchanged)
{
    static const char *const names[] = { "line\nbreak", "\xE4\xF6\xFC", "\xFF\xFE",
                                         "tab\t",       "\x01",         "\xC3\xA4" };

    use_way(_i);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        write_file(names[i], strlen(names[i]), names[i]);
        check_content(names[i], strlen(names[i]), names[i]);
        FAILS(EEXIST, po_dir_make(root, names[i], strlen(names[i]), 0700, &err));
        ck_assert_ptr_null(strchr(err.text, '\n'));
        ck_assert(po_text_is_utf8(err.text, strlen(err.text)));
    }
}
END_TEST

START_TEST(components_of_255_bytes_work_and_256_do_not)
{
    char path[255 + 1 + 256];
    struct po_file *file;

    use_way(_i);
    memset(path, 'n', sizeof(path));
    path[255] = '/';
    OK(po_dir_make(root, path, 255, 0700, &err));
    write_file(path, 255 + 1 + 255, "x");
    check_content(path, 255 + 1 + 255, "x");
    FAILS(ENAMETOOLONG, po_file_open(&file, root, path, 255 + 1 + 256, PO_FILE_CREATE, 0600, &err));
    FAILS(ENAMETOOLONG, po_dir_make(root, path, 255 + 1 + 256, 0700, &err));
}
END_TEST

/* A path of exactly `size` bytes of 200-byte components. */
static char *
long_path(size_t size)
{
    char *path = po_mem_new(size + 1, 1);

    ck_assert_ptr_nonnull(path);
    memset(path, 'p', size);
    for (size_t at = 200; at + 1 < size; at += 201)
        path[at] = '/';
    return path;
}

static enum po_status
count_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
            const struct po_err *failure, struct po_err *unused)
{
    (void)unused;
    ck_assert_ptr_null(failure);
    ck_assert_uint_eq(strlen(name), name_size);
    ck_assert_int_eq(info->type, PO_NODE_FILE);
    ++*(int *)ctx;
    return PO_OK;
}

START_TEST(paths_of_any_length_work_in_every_call)
{
    static const size_t sizes[] = { 4094, 4095, 4096, 4097, 20000 };

    use_way(_i);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i];
        char *path = long_path(size);
        size_t dir_size;
        size_t name_start;
        struct po_dir *below;
        struct po_node_info info;
        bool exists = false;
        int count = 0;

        po_path_split(path, size, &dir_size, &name_start);
        OK(po_dir_make_all(root, path, dir_size, &err));
        OK(po_dir_make_all(root, path, dir_size, &err));
        write_file(path, size, "deep");
        check_content(path, size, "deep");
        OK(po_dir_set_write_time(root, path, size, 12345, &err));
        OK(po_dir_set_mode(root, path, size, 0640, &err));
        OK(po_dir_stat(root, path, size, &info, &exists, &err));
        ck_assert(exists);
        ck_assert_int_eq(info.write_time, 12345);
        ck_assert_uint_eq(info.mode, 0640);
        OK(po_dir_list(root, path, dir_size, count_child, &count, &err));
        ck_assert_int_eq(count, 1);
        OK(po_dir_open_below(&below, root, path, dir_size, &err));
        OK(po_dir_rename(root, path, size, below, S("other"), false, &err));
        OK(po_dir_make_symlink(root, path, size, S("other"), &err));
        OK(po_dir_remove(root, path, size, &err));
        OK(po_dir_remove(below, S("other"), &err));
        po_dir_free(below);
        OK(po_dir_remove_all(root, path, 200, &err));
        ck_assert(!is_there(path, 200));
        po_mem_free(path);
    }
}
END_TEST

START_TEST(messages_of_long_paths_keep_both_ends)
{
    char *path = long_path(20000);
    struct po_file *file;

    memcpy(path, "front", 5);
    memcpy(path + 19996, "back", 4);
    FAILS(ENOENT, po_file_open(&file, root, path, 20000, PO_FILE_READ, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "open front"));
    ck_assert_ptr_nonnull(strstr(err.text, "[...]"));
    ck_assert_ptr_nonnull(strstr(err.text, "back: No such file"));
    po_mem_free(path);
}
END_TEST

START_TEST(path_text_is_split_and_joined)
{
    size_t dir_size;
    size_t name_start;
    char *path;

    po_path_split(S("a/b/c"), &dir_size, &name_start);
    ck_assert_uint_eq(dir_size, 3);
    ck_assert_uint_eq(name_start, 4);
    po_path_split(S("a"), &dir_size, &name_start);
    ck_assert_uint_eq(dir_size, 0);
    ck_assert_uint_eq(name_start, 0);
    po_path_split(S("/a"), &dir_size, &name_start);
    ck_assert_uint_eq(dir_size, 1);
    ck_assert_uint_eq(name_start, 1);
    po_path_split(S(""), &dir_size, &name_start);
    ck_assert_uint_eq(dir_size, 0);
    ck_assert_uint_eq(name_start, 0);
    path = po_os_path_join("a", "b");
    ck_assert_str_eq(path, "a/b");
    po_mem_free(path);
    path = po_os_path_join("a/", "b");
    ck_assert_str_eq(path, "a/b");
    po_mem_free(path);
    path = po_os_path_join("", "b");
    ck_assert_str_eq(path, "b");
    po_mem_free(path);
    path = po_os_path_join("a", "/b");
    ck_assert_str_eq(path, "/b");
    po_mem_free(path);
}
END_TEST

START_TEST(real_paths_have_no_links)
{
    char *path = po_os_path_join(base, "link");
    char *expected = po_os_path_join(base, "dir");
    char *real = NULL;

    OK(po_dir_make(root, S("dir"), 0700, &err));
    OK(po_dir_make_symlink(root, S("link"), S("dir"), &err));
    OK(po_os_path_real(&real, path, &err));
    ck_assert_uint_ge(strlen(real), strlen(expected));
    ck_assert_str_eq(real + strlen(real) - 4, "/dir");
    po_mem_free(real);
    OK(po_dir_remove(root, S("dir"), &err));
    FAILS(ENOENT, po_os_path_real(&real, path, &err));
    po_mem_free(path);
    po_mem_free(expected);
}
END_TEST

/* ---- no links, nothing outside ---- */

START_TEST(a_symlink_on_the_way_is_refused)
{
    struct po_file *file;
    struct po_dir *dir;
    struct po_node_info info;
    bool exists;
    char *target;
    size_t size;

    use_way(_i);
    OK(po_dir_make_all(root, S("real/sub"), &err));
    write_file(S("real/file"), "x");
    OK(po_dir_make_symlink(root, S("link"), S("real"), &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link/file"), PO_FILE_READ, 0, &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link/new"), PO_FILE_CREATE, 0600, &err));
    FAILS(ELOOP, po_dir_open_below(&dir, root, S("link"), &err));
    FAILS(ELOOP, po_dir_open_below(&dir, root, S("link/sub"), &err));
    FAILS(ELOOP, po_dir_list(root, S("link"), NULL, NULL, &err));
    FAILS(ELOOP, po_dir_stat(root, S("link/file"), &info, &exists, &err));
    FAILS(ELOOP, po_dir_read_link(root, S("link/x"), &target, &size, &err));
    FAILS(ELOOP, po_dir_make(root, S("link/new"), 0700, &err));
    FAILS(ELOOP, po_dir_make_all(root, S("link/new"), &err));
    FAILS(ELOOP, po_dir_make_all(root, S("link"), &err));
    FAILS(ELOOP, po_dir_remove(root, S("link/file"), &err));
    FAILS(ELOOP, po_dir_remove_all(root, S("link/sub"), &err));
    FAILS(ELOOP, po_dir_rename(root, S("link/file"), root, S("y"), true, &err));
    FAILS(ELOOP, po_dir_rename(root, S("real/file"), root, S("link/y"), true, &err));
    FAILS(ELOOP, po_dir_make_symlink(root, S("link/s"), S("t"), &err));
    FAILS(ELOOP, po_dir_make_hardlink(root, S("link/h"), S("real/file"), &err));
    FAILS(ELOOP, po_dir_make_hardlink(root, S("h"), S("link/file"), &err));
    FAILS(ELOOP, po_dir_set_write_time(root, S("link/file"), 0, &err));
    FAILS(ELOOP, po_dir_set_owner(root, S("link/file"), 0, 0, &err));
    FAILS(ELOOP, po_dir_set_mode(root, S("link/file"), 0600, &err));
    check_content(S("real/file"), "x");
    ck_assert(!is_there(S("real/new")));
    ck_assert(is_there(S("real/sub")));
}
END_TEST

START_TEST(a_symlink_at_the_end_is_never_followed)
{
    struct po_file *file;
    struct po_node_info info = { 0 };
    bool exists = false;

    use_way(_i);
    write_file(S("file"), "x");
    OK(po_dir_make_symlink(root, S("link"), S("file"), &err));
    OK(po_dir_make_symlink(root, S("dangling"), S("new"), &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link"), PO_FILE_READ, 0, &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link"), PO_FILE_UPDATE, 0, &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link"), PO_FILE_REPLACE, 0600, &err));
    FAILS(EEXIST, po_file_open(&file, root, S("dangling"), PO_FILE_CREATE, 0600, &err));
    FAILS(ELOOP, po_file_open(&file, root, S("dangling"), PO_FILE_REPLACE, 0600, &err));
    FAILS(ELOOP, po_dir_set_mode(root, S("link"), 0777, &err));
    FAILS(EEXIST, po_dir_make(root, S("link"), 0700, &err));
    ck_assert(!is_there(S("new")));
    OK(po_dir_set_write_time(root, S("link"), 777, &err));
    OK(po_dir_stat(root, S("link"), &info, &exists, &err));
    ck_assert_int_eq(info.type, PO_NODE_SYMLINK);
    ck_assert_uint_eq(info.size, 4);
    ck_assert_int_eq(info.write_time, 777);
    OK(po_dir_stat(root, S("file"), &info, &exists, &err));
    ck_assert_int_ne(info.write_time, 777);
    ck_assert_uint_eq(info.mode, 0600);
    OK(po_dir_make_hardlink(root, S("hard"), S("link"), &err));
    OK(po_dir_stat(root, S("hard"), &info, &exists, &err));
    ck_assert_int_eq(info.type, PO_NODE_SYMLINK);
}
END_TEST

START_TEST(a_link_to_a_directory_is_removed_and_not_what_it_points_to)
{
    use_way(_i);
    OK(po_dir_make_all(root, S("keep/sub"), &err));
    write_file(S("keep/sub/file"), "x");
    OK(po_dir_make_all(root, S("tree/a"), &err));
    OK(po_dir_make_symlink(root, S("tree/a/out"), S("../../keep"), &err));
    OK(po_dir_make_symlink(root, S("link"), S("keep"), &err));
    OK(po_dir_remove_all(root, S("tree"), &err));
    OK(po_dir_remove_all(root, S("link"), &err));
    check_content(S("keep/sub/file"), "x");
    ck_assert(!is_there(S("tree")));
    ck_assert(!is_there(S("link")));
}
END_TEST

/* ---- files ---- */

START_TEST(a_fifo_is_refused_without_blocking)
{
    char *path = po_os_path_join(base, "fifo");
    struct po_file *file;
    double start = po_sys_monotonic();

    use_way(_i);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_ne(po_file_open(&file, root, S("fifo"), PO_FILE_READ, 0, &err), PO_OK);
    ck_assert_int_ne(po_file_open(&file, root, S("fifo"), PO_FILE_UPDATE, 0, &err), PO_OK);
    ck_assert_int_ne(po_file_open(&file, root, S("fifo"), PO_FILE_REPLACE, 0, &err), PO_OK);
    ck_assert_int_lt((int)(po_sys_monotonic() - start), 2);
    po_mem_free(path);
}
END_TEST

START_TEST(only_regular_files_are_opened)
{
    char *path = po_os_path_join(base, "socket");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct po_file *file;

    use_way(_i);
    memcpy(address.sun_path, path, strlen(path) + 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    FAILS(ENXIO, po_file_open(&file, root, S("socket"), PO_FILE_READ, 0, &err));
    OK(po_dir_make(root, S("dir"), 0700, &err));
    FAILS(EISDIR, po_file_open(&file, root, S("dir"), PO_FILE_READ, 0, &err));
    FAILS(EISDIR, po_file_open(&file, root, "", 0, PO_FILE_READ, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none"), PO_FILE_READ, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none"), PO_FILE_UPDATE, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none/new"), PO_FILE_CREATE, 0, &err));
    write_file(S("file"), "x");
    FAILS(ENOTDIR, po_file_open(&file, root, S("file/x"), PO_FILE_READ, 0, &err));
    FAILS(EEXIST, po_file_open(&file, root, S("file"), PO_FILE_CREATE, 0600, &err));
    close(fd);
    po_mem_free(path);
}
END_TEST

START_TEST(files_are_written_and_read_at_offsets)
{
    struct po_file *file;
    struct po_node_info info;
    char bytes[20] = "";
    size_t got = 99;

    use_way(_i);
    OK(po_file_open(&file, root, S("f"), PO_FILE_CREATE, 0600, &err));
    OK(po_file_write(file, "abc", 3, &err));
    OK(po_file_write_at(file, 5, "fg", 2, &err));
    OK(po_file_write(file, "h", 1, &err)); /* at the end, which is 7 by now */
    OK(po_file_write_at(file, 0, "A", 1, &err));
    OK(po_file_write(file, "i", 1, &err));
    OK(po_file_info(file, &info, &err));
    ck_assert_uint_eq(info.size, 9);
    ck_assert_int_eq(info.type, PO_NODE_FILE);
    OK(po_file_set_size(file, 8, &err));
    OK(po_file_write(file, "I", 1, &err));
    OK(po_file_sync(file, &err));
    OK(po_file_close(file, &err));
    OK(po_file_open(&file, root, S("f"), PO_FILE_READ, 0, &err));
    po_file_hint_sequential(file);
    OK(po_file_read_at(file, 0, bytes, sizeof(bytes), &got, &err));
    ck_assert_uint_eq(got, 9);
    ck_assert_mem_eq(bytes, "Abc\0\0fghI", 9);
    OK(po_file_read_at(file, 7, bytes, 1, &got, &err));
    ck_assert_uint_eq(got, 1);
    ck_assert_int_eq(bytes[0], 'h');
    OK(po_file_read_at(file, 9, bytes, 5, &got, &err));
    ck_assert_uint_eq(got, 0);
    OK(po_file_read_at(file, UINT64_C(1) << 40, bytes, 5, &got, &err));
    ck_assert_uint_eq(got, 0);
    FAILS(EOVERFLOW, po_file_read_at(file, UINT64_MAX, bytes, 5, &got, &err));
    FAILS(EOVERFLOW, po_file_write_at(file, UINT64_C(1) << 63, bytes, 1, &err));
    FAILS(EOVERFLOW, po_file_set_size(file, UINT64_MAX, &err));
    FAILS(EBADF, po_file_write(file, "x", 1, &err));
    OK(po_file_close(file, &err));
}
END_TEST

START_TEST(opening_to_replace_empties_and_to_update_does_not)
{
    struct po_file *file;

    use_way(_i);
    write_file(S("f"), "old text");
    OK(po_file_open(&file, root, S("f"), PO_FILE_UPDATE, 0, &err));
    OK(po_file_write_at(file, 0, "OLD", 3, &err));
    OK(po_file_write(file, "!", 1, &err));
    OK(po_file_close(file, &err));
    check_content(S("f"), "OLD text!");
    OK(po_file_open(&file, root, S("f"), PO_FILE_REPLACE, 0600, &err));
    OK(po_file_write(file, "new", 3, &err));
    OK(po_file_close(file, &err));
    check_content(S("f"), "new");
    OK(po_file_open(&file, root, S("g"), PO_FILE_REPLACE, 0600, &err));
    OK(po_file_close(file, &err));
    check_content(S("g"), "");
}
END_TEST

START_TEST(the_facts_of_an_open_file_can_be_set)
{
    struct po_file *file;
    struct po_node_info info;
    int64_t time = INT64_C(-116444736000000001); /* before 1601 */

    OK(po_file_open(&file, root, S("f"), PO_FILE_CREATE, 0600, &err));
    OK(po_file_set_mode(file, 04751, &err));
    OK(po_file_set_owner(file, (uint32_t)getuid(), (uint32_t)getgid(), &err));
    OK(po_file_set_mode(file, 0751, &err));
    OK(po_file_info(file, &info, &err));
    ck_assert_uint_eq(info.mode, 0751);
    ck_assert_uint_eq(info.uid, getuid());
    ck_assert_uint_eq(info.link_count, 1);
    ck_assert_uint_eq(info.device, po_dir_device(root));
    ck_assert_uint_ne(info.file_id, 0);
    OK(po_file_set_write_time(file, -12345678901, &err));
    OK(po_file_info(file, &info, &err));
    ck_assert_int_eq(info.write_time, -12345678901);
    /* Not every file system goes back this far; it must not wrap around to the future. */
    OK(po_file_set_write_time(file, time, &err));
    OK(po_file_info(file, &info, &err));
    ck_assert_int_le(info.write_time, 0);
    OK(po_file_close(file, &err));
}
END_TEST

START_TEST(system_paths_follow_links_and_read_devices)
{
    struct po_file *file;
    char *path = po_os_path_join(base, "link");
    char bytes[5000] = "x";
    size_t got = 0;

    write_file(S("file"), "x");
    OK(po_dir_make_symlink(root, S("link"), S("file"), &err));
    OK(po_os_file_open(&file, path, PO_FILE_READ, &err));
    OK(po_file_read_at(file, 0, bytes, 10, &got, &err));
    ck_assert_uint_eq(got, 1);
    po_file_free(file);
    OK(po_os_file_open(&file, "/dev/zero", PO_FILE_READ, &err));
    OK(po_file_read_at(file, 0, bytes, 5000, &got, &err));
    ck_assert_uint_eq(got, 5000);
    ck_assert_int_eq(bytes[0], 0);
    OK(po_file_read_at(file, 5000, bytes, 1, &got, &err));
    FAILS(ESPIPE, po_file_read_at(file, 0, bytes, 1, &got, &err));
    po_file_free(file);
    FAILS(EISDIR, po_os_file_open(&file, base, PO_FILE_READ, &err));
    FAILS(EEXIST, po_os_file_open(&file, path, PO_FILE_CREATE, &err));
    OK(po_os_file_open(&file, "/dev/full", PO_FILE_UPDATE, &err));
    FAILS(ENOSPC, po_file_write(file, "x", 1, &err));
    po_file_free(file);
    po_file_free(NULL);
    po_mem_free(path);
}
END_TEST

START_TEST(a_pipe_is_read_whole_although_it_comes_in_pieces)
{
    struct po_file *file;
    char bytes[20];
    size_t got = 0;
    int ends[2];
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            if (write(ends[1], "abc", 3) != 3)
                _exit(1);
            po_sys_sleep_ms(10);
        }
        _exit(0);
    }
    close(ends[1]);
    OK(po_file_standard(&file, ends[0], &err));
    OK(po_file_read_at(file, 0, bytes, 10, &got, &err));
    ck_assert_uint_eq(got, 10);
    OK(po_file_read_at(file, 10, bytes + 10, 10, &got, &err));
    ck_assert_uint_eq(got, 5);
    ck_assert_mem_eq(bytes, "abcabcabcabcabc", 15);
    OK(po_file_close(file, &err));
    ck_assert_int_eq(close(ends[0]), 0); /* standard files stay open */
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* ---- directories ---- */

struct listing {
    unsigned seen;
    int count;
    int stop_at;
};

static enum po_status
note_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *own)
{
    static const struct {
        const char *name;
        enum po_node_type type;
    } expected[] = {
        { "dir", PO_NODE_DIRECTORY },        { "file", PO_NODE_FILE },
        { "link", PO_NODE_SYMLINK },         { "fifo", PO_NODE_FIFO },
        { "line\nbreak\xFF", PO_NODE_FILE },
    };
    struct listing *listing = ctx;

    ck_assert_ptr_null(failure);
    if (++listing->count == listing->stop_at)
        return po_fail(own, PO_E_CANCELLED, "stop");
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (name_size == strlen(expected[i].name) &&
            memcmp(name, expected[i].name, name_size) == 0) {
            ck_assert_int_eq(info->type, expected[i].type);
            ck_assert_uint_ne(info->file_id, 0);
            listing->seen |= 1u << i;
        }
    }
    return PO_OK;
}

START_TEST(a_listing_tells_each_child_once_with_its_type)
{
    struct listing listing = { 0 };
    char *path = po_os_path_join(base, "d/fifo");

    use_way(_i);
    OK(po_dir_make_all(root, S("d/dir"), &err));
    write_file(S("d/file"), "x");
    write_file(S("d/line\nbreak\xFF"), "x");
    OK(po_dir_make_symlink(root, S("d/link"), S("nowhere"), &err));
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    OK(po_dir_list(root, S("d"), note_child, &listing, &err));
    ck_assert_int_eq(listing.count, 5);
    ck_assert_uint_eq(listing.seen, 31);
    listing = (struct listing){ .stop_at = 2 };
    ck_assert_int_eq(po_dir_list(root, S("d"), note_child, &listing, &err), PO_E_CANCELLED);
    ck_assert_int_eq(listing.count, 2);
    listing = (struct listing){ 0 };
    OK(po_dir_list(root, "", 0, note_child, &listing, &err));
    ck_assert_int_eq(listing.count, 1);
    OK(po_dir_list(root, S("d/dir"), note_child, &listing, &err));
    ck_assert_int_eq(listing.count, 1);
    FAILS(ENOTDIR, po_dir_list(root, S("d/file"), note_child, &listing, &err));
    FAILS(ENOENT, po_dir_list(root, S("none"), note_child, &listing, &err));
    po_mem_free(path);
}
END_TEST

START_TEST(what_is_not_there_does_not_exist)
{
    struct po_node_info info = { .size = 77 };
    bool exists = true;

    use_way(_i);
    OK(po_dir_stat(root, S("none"), &info, &exists, &err));
    ck_assert(!exists);
    exists = true;
    OK(po_dir_stat(root, S("none/none"), &info, &exists, &err));
    ck_assert(!exists);
    write_file(S("file"), "x");
    exists = true;
    OK(po_dir_stat(root, S("file/none"), &info, &exists, &err));
    ck_assert(!exists);
    exists = true;
    OK(po_dir_stat(root, S("file/none/none"), &info, &exists, &err));
    ck_assert(!exists);
    ck_assert_uint_eq(info.size, 77);
    OK(po_dir_stat(root, "", 0, &info, &exists, &err));
    ck_assert(exists);
    ck_assert_int_eq(info.type, PO_NODE_DIRECTORY);
    OK(po_os_stat(base, &info, &exists, &err));
    ck_assert(exists);
    ck_assert_int_eq(info.type, PO_NODE_DIRECTORY);
    OK(po_os_stat("/none/none", &info, &exists, &err));
    ck_assert(!exists);
    exists = true;
    OK(po_os_stat("", &info, &exists, &err));
    ck_assert(!exists);
}
END_TEST

START_TEST(stat_gives_size_times_owner_and_mode)
{
    struct po_node_info info;
    bool exists = false;
    int64_t before = po_sys_now() - 20000000; /* file systems use a coarser clock */

    use_way(_i);
    OK(po_dir_make(root, S("d"), 0700, &err));
    write_file(S("d/f"), "12345");
    OK(po_dir_make_hardlink(root, S("d/g"), S("d/f"), &err));
    OK(po_dir_set_mode(root, S("d/f"), 01640, &err));
    OK(po_dir_stat(root, S("d/f"), &info, &exists, &err));
    ck_assert(exists);
    ck_assert_int_eq(info.type, PO_NODE_FILE);
    ck_assert_uint_eq(info.size, 5);
    ck_assert_uint_eq(info.mode, 01640);
    ck_assert_uint_eq(info.uid, geteuid());
    ck_assert_uint_eq(info.link_count, 2);
    ck_assert_uint_eq(info.attributes, 0);
    ck_assert_uint_eq(info.device, po_dir_device(root));
    ck_assert_int_ge(info.write_time, before);
    ck_assert_int_le(info.write_time, po_sys_now());
    ck_assert_int_ge(info.change_time, before);
    if (info.create_time != POBACKUP_TIME_UNKNOWN)
        ck_assert_int_ge(info.create_time, before);
}
END_TEST

START_TEST(times_keep_100_ns_before_and_after_1970)
{
    static const int64_t times[] = { 0,        1,         -1,        9999999,
                                     -9999999, -10000000, -10000001, INT64_C(17954856001234567) };
    struct po_node_info info;
    bool exists;

    use_way(_i);
    write_file(S("f"), "x");
    OK(po_dir_make(root, S("d"), 0700, &err));
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        OK(po_dir_set_write_time(root, S("f"), times[i], &err));
        OK(po_dir_stat(root, S("f"), &info, &exists, &err));
        ck_assert_int_eq(info.write_time, times[i]);
        OK(po_dir_set_write_time(root, S("d"), times[i], &err));
        OK(po_dir_stat(root, S("d"), &info, &exists, &err));
        ck_assert_int_eq(info.write_time, times[i]);
        OK(po_dir_set_write_time(root, "", 0, times[i], &err));
        OK(po_dir_stat(root, "", 0, &info, &exists, &err));
        ck_assert_int_eq(info.write_time, times[i]);
    }
}
END_TEST

START_TEST(times_are_rounded_down_and_not_towards_1970)
{
    char *path = po_os_path_join(base, "f");
    struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = -1, .tv_nsec = 999999950 } };
    struct po_node_info info;
    bool exists;

    write_file(S("f"), "x");
    ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, 0), 0);
    OK(po_dir_stat(root, S("f"), &info, &exists, &err));
    ck_assert_int_eq(info.write_time, -1);
    ts[1].tv_nsec = 999999850;
    ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, 0), 0);
    OK(po_dir_stat(root, S("f"), &info, &exists, &err));
    ck_assert_int_eq(info.write_time, -2);
    po_mem_free(path);
}
END_TEST

START_TEST(modes_are_set_on_files_and_directories_that_cannot_be_read)
{
    struct po_node_info info;
    bool exists;

    use_way(_i);
    write_file(S("f"), "x");
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_set_mode(root, S("f"), 0, &err));
    OK(po_dir_set_mode(root, S("d"), 0, &err));
    OK(po_dir_set_mode(root, S("f"), 0604, &err));
    OK(po_dir_set_mode(root, S("d"), 02755, &err));
    OK(po_dir_stat(root, S("f"), &info, &exists, &err));
    ck_assert_uint_eq(info.mode, 0604);
    OK(po_dir_stat(root, S("d"), &info, &exists, &err));
    ck_assert_uint_eq(info.mode, 02755);
    OK(po_dir_set_mode(root, "", 0, 0711, &err));
    OK(po_dir_stat(root, "", 0, &info, &exists, &err));
    ck_assert_uint_eq(info.mode, 0711);
    FAILS(ENOENT, po_dir_set_mode(root, S("none"), 0700, &err));
}
END_TEST

START_TEST(owners_are_set_on_the_link_itself)
{
    struct po_node_info info;
    bool exists;
    uint32_t uid = geteuid() == 0 ? 12345 : (uint32_t)getuid();

    use_way(_i);
    OK(po_dir_make_symlink(root, S("l"), S("nowhere"), &err));
    OK(po_dir_set_owner(root, S("l"), uid, (uint32_t)getgid(), &err));
    OK(po_dir_stat(root, S("l"), &info, &exists, &err));
    ck_assert_uint_eq(info.uid, uid);
    FAILS(ENOENT, po_dir_set_owner(root, S("none"), uid, 0, &err));
}
END_TEST

START_TEST(links_give_their_target_as_it_is)
{
    char *target = NULL;
    size_t size = 0;
    char *long_target = po_mem_new(4095 + 1, 1);

    use_way(_i);
    memset(long_target, 't', 4095);
    OK(po_dir_make_symlink(root, S("a"), S("/abs/../x\xFF\n"), &err));
    OK(po_dir_read_link(root, S("a"), &target, &size, &err));
    ck_assert_uint_eq(size, 11);
    ck_assert_str_eq(target, "/abs/../x\xFF\n");
    po_mem_free(target);
    OK(po_dir_make_symlink(root, S("b"), long_target, 4095, &err));
    OK(po_dir_read_link(root, S("b"), &target, &size, &err));
    ck_assert_uint_eq(size, 4095);
    ck_assert_str_eq(target, long_target);
    po_mem_free(target);
    po_mem_free(long_target);
    target = NULL;
    write_file(S("f"), "x");
    FAILS(EINVAL, po_dir_read_link(root, S("f"), &target, &size, &err));
    FAILS(EEXIST, po_dir_make_symlink(root, S("a"), S("x"), &err));
    ck_assert_int_eq(po_dir_make_symlink(root, S("c"), "x\0y", 3, &err), PO_E_USAGE);
    ck_assert_ptr_null(target);
}
END_TEST

START_TEST(making_a_directory_that_is_there_is_fine)
{
    use_way(_i);
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_make(root, "", 0, 0700, &err));
    OK(po_dir_make_all(root, "", 0, &err));
    OK(po_dir_make_all(root, S("d/e/f"), &err));
    OK(po_dir_make_all(root, S("d/e/f"), &err));
    ck_assert(is_there(S("d/e/f")));
    write_file(S("file"), "x");
    FAILS(EEXIST, po_dir_make(root, S("file"), 0700, &err));
    FAILS(ENOTDIR, po_dir_make_all(root, S("file/x"), &err));
    FAILS(ENOTDIR, po_dir_make_all(root, S("file"), &err));
    FAILS(ENOENT, po_dir_make(root, S("x/y"), 0700, &err));
}
END_TEST

START_TEST(system_directories_are_made_with_their_parents)
{
    char *path = po_os_path_join(base, "a//b/c/");
    struct po_dir *dir;

    OK(po_dir_open_make(&dir, path, &err));
    po_dir_free(dir);
    OK(po_dir_open_make(&dir, path, &err));
    po_dir_free(dir);
    OK(po_dir_open_make(&dir, "/", &err));
    po_dir_free(dir);
    po_dir_free(NULL);
    ck_assert(is_there(S("a/b/c")));
    po_mem_free(path);
    path = po_os_path_join(base, "file/x");
    write_file(S("file"), "x");
    FAILS(ENOTDIR, po_dir_open_make(&dir, path, &err));
    FAILS(ENOTDIR, po_dir_open(&dir, path, &err));
    FAILS(ENOENT, po_dir_open_make(&dir, "", &err));
    po_mem_free(path);
}
END_TEST

START_TEST(renaming_replaces_only_when_it_may)
{
    struct po_dir *other;

    use_way(_i);
    OK(po_dir_make(root, S("o"), 0700, &err));
    OK(po_dir_open_below(&other, root, S("o"), &err));
    write_file(S("a"), "A");
    write_file(S("b"), "B");
    FAILS(EEXIST, po_dir_rename(root, S("a"), root, S("b"), false, &err));
    check_content(S("a"), "A");
    check_content(S("b"), "B");
    OK(po_dir_rename(root, S("a"), root, S("b"), true, &err));
    check_content(S("b"), "A");
    ck_assert(!is_there(S("a")));
    OK(po_dir_rename(root, S("b"), other, S("c"), false, &err));
    check_content(S("o/c"), "A");
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_rename(root, S("d"), root, S("e"), false, &err));
    ck_assert(is_there(S("e")));
    FAILS(ENOENT, po_dir_rename(root, S("none"), root, S("x"), true, &err));
    FAILS(ENOENT, po_dir_rename(root, S("none"), root, S("x"), false, &err));
    po_dir_free(other);
}
END_TEST

START_TEST(removing_takes_files_links_and_empty_directories)
{
    use_way(_i);
    OK(po_dir_make_all(root, S("d/e"), &err));
    write_file(S("f"), "x");
    OK(po_dir_make_symlink(root, S("l"), S("f"), &err));
    FAILS(ENOTEMPTY, po_dir_remove(root, S("d"), &err));
    OK(po_dir_remove(root, S("l"), &err));
    OK(po_dir_remove(root, S("f"), &err));
    OK(po_dir_remove(root, S("d/e"), &err));
    OK(po_dir_remove(root, S("d"), &err));
    FAILS(ENOENT, po_dir_remove(root, S("d"), &err));
    FAILS(ENOENT, po_dir_remove_all(root, S("d"), &err));
}
END_TEST

START_TEST(deep_and_wide_trees_are_removed_whole)
{
    enum { DEPTH = 3000 };
    char *path = po_mem_new(DEPTH, 2);

    for (size_t i = 0; i < DEPTH; i++)
        memcpy(path + 2 * i, "d/", 2);
    OK(po_dir_make_all(root, path, 2 * DEPTH - 1, &err));
    for (int i = 0; i < 300; i++) {
        char name[40];
        int size = snprintf(name, sizeof(name), "d/d/d/w%d", i);

        if (i % 3 == 0) {
            OK(po_dir_make(root, name, (size_t)size, 0700, &err));
            memcpy(name + size, "/x", 2);
            size += 2;
        }
        write_file(name, (size_t)size, "x");
    }
    OK(po_dir_make(root, S("keep"), 0700, &err));
    OK(po_dir_remove_all(root, S("d"), &err));
    ck_assert(!is_there(S("d")));
    ck_assert(is_there(S("keep")));
    po_mem_free(path);
}
END_TEST

START_TEST(a_tree_in_which_something_cannot_be_removed_is_an_error)
{
    if (geteuid() == 0)
        ck_assert_int_eq(setegid(65534) + seteuid(65534), 0);
    FAILS(EACCES, po_dir_remove_all(root, S("p"), &err));
    ck_assert_ptr_nonnull(strstr(err.text, "remove"));
    ck_assert_int_eq(seteuid(getuid()) + setegid(getgid()), 0);
}
END_TEST

static void
set_up_protected(void)
{
    set_up();
    OK(po_dir_make_all(root, S("p/q"), &err));
    write_file(S("p/q/f"), "x");
    OK(po_dir_set_mode(root, "", 0, 0777, &err));
    OK(po_dir_set_mode(root, S("p"), 0777, &err));
    OK(po_dir_set_mode(root, S("p/q"), 0555, &err));
}

static void
tear_down_protected(void)
{
    OK(po_dir_set_mode(root, S("p/q"), 0755, &err));
    tear_down();
}

START_TEST(the_volume_can_be_synced_and_asked_for_space)
{
    uint64_t free_bytes = 1;
    uint64_t total_bytes = 0;

    OK(po_dir_sync(root, &err));
    OK(po_dir_sync_volume(root, &err));
    OK(po_dir_space(root, &free_bytes, &total_bytes, &err));
    ck_assert_uint_le(free_bytes, total_bytes);
    ck_assert_uint_gt(total_bytes, 0);
}
END_TEST

START_TEST(no_call_leaves_a_descriptor_open)
{
    int first = dup(0);
    struct po_command_result result;
    struct po_buf output = { 0 };
    struct po_file *file;

    ck_assert_int_eq(close(first), 0);
    use_way(_i);
    OK(po_dir_make_all(root, S("a/b/c"), &err));
    write_file(S("a/b/c/f"), "x");
    ck_assert_int_eq(po_file_open(&file, root, S("a/b"), PO_FILE_READ, 0, &err), PO_E_IO);
    ck_assert(is_there(S("a/b/c/f")));
    OK(po_dir_rename(root, S("a/b/c/f"), root, S("a/g"), false, &err));
    OK(po_dir_remove_all(root, S("a"), &err));
    OK(po_sys_run("true", NULL, 10000, &result, &output, &err));
    ck_assert_int_eq(po_sys_run("true", "/none", 10000, &result, &output, &err), PO_E_IO);
    po_buf_deinit(&output);
    ck_assert_int_eq(dup(0), first);
    ck_assert_int_eq(close(first), 0);
}
END_TEST

/* ---- sys ---- */

START_TEST(the_clocks_go_forward)
{
    int64_t now = po_sys_now();
    double start = po_sys_monotonic();

    ck_assert_int_eq(now / 10000000 / 100, (int64_t)time(NULL) / 100);
    po_sys_sleep_ms(30);
    ck_assert(po_sys_monotonic() - start >= 0.03);
    ck_assert(po_sys_monotonic() - start < 5);
}
END_TEST

START_TEST(the_machine_tells_about_itself)
{
    struct po_buf buf = { 0 };
    uint8_t a[100] = { 0 };
    uint8_t b[100] = { 0 };

    ck_assert_uint_ge(po_sys_cpu_count(), 1);
    ck_assert_uint_eq(po_sys_process_id(), (uint32_t)getpid());
    ck_assert_uint_gt(po_sys_peak_memory(), 100000);
    ck_assert_int_eq(po_sys_is_admin(), geteuid() == 0);
    OK(po_sys_random(a, sizeof(a), &err));
    OK(po_sys_random(b, sizeof(b), &err));
    ck_assert_mem_ne(a, b, sizeof(a));
    OK(po_sys_random(a, 0, &err));
    po_sys_put_host(&buf);
    ck_assert_uint_gt(buf.size, 0);
    po_buf_clear(&buf);
    po_sys_put_system(&buf);
    ck_assert_ptr_nonnull(strchr(po_buf_text(&buf), ' '));
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(local_time_has_its_offset)
{
    struct po_buf buf = { 0 };

    ck_assert_int_eq(setenv("TZ", "XXX-1", 1), 0);
    po_sys_put_local_time(&buf, INT64_C(17954856000000000));
    ck_assert_str_eq(po_buf_text(&buf), "2026-11-24 03:00:00 +0100");
    po_buf_clear(&buf);
    po_sys_put_local_time(&buf, -1);
    ck_assert_str_eq(po_buf_text(&buf), "1970-01-01 00:59:59 +0100");
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(interrupts_only_set_the_flag_however_often)
{
    const volatile int *interrupt;

    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_IGN);
    interrupt = po_sys_catch_interrupts();
    ck_assert_int_eq(*interrupt, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(raise(SIGINT), 0);
        ck_assert_int_eq(*interrupt, SIGINT);
        ck_assert_int_eq(raise(SIGTERM), 0);
        ck_assert_int_eq(*interrupt, SIGTERM);
    }
    /* It was ignored before, as under nohup. */
    ck_assert_int_eq(raise(SIGHUP), 0);
    ck_assert_int_eq(*interrupt, SIGTERM);
    ck_assert_int_eq(raise(SIGPIPE), 0);
}
END_TEST

static struct po_command_result
run(const char *command, unsigned timeout_ms, struct po_buf *output)
{
    struct po_command_result result = { .exit_code = -77 };

    OK(po_sys_run(command, NULL, timeout_ms, &result, output, &err));
    ck_assert_int_eq(po_buf_check(output, &err), PO_OK);
    return result;
}

START_TEST(a_command_gives_its_output_and_exit_code)
{
    struct po_buf output = { 0 };
    struct po_command_result result;

    po_buf_put_text(&output, "before;");
    result = run("echo out; echo err >&2; cat; exit 7", 10000, &output);
    ck_assert_int_eq(result.exit_code, 7);
    ck_assert(!result.timed_out);
    ck_assert_str_eq(po_buf_text(&output), "before;out\nerr\n");
    po_buf_clear(&output);
    result = run("kill -9 $$", 10000, &output);
    ck_assert_int_eq(result.exit_code, -1);
    ck_assert(!result.timed_out);
    result = run("/none/such 2>/dev/null", 10000, &output);
    ck_assert_int_eq(result.exit_code, 127);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_runs_in_the_directory_asked_for)
{
    struct po_buf output = { 0 };
    struct po_command_result result;

    OK(po_sys_run("pwd", "/", 10000, &result, &output, &err));
    ck_assert_str_eq(po_buf_text(&output), "/\n");
    FAILS(ENOENT, po_sys_run("pwd", "/none/such", 10000, &result, &output, &err));
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_is_in_a_session_of_its_own_with_signals_as_usual)
{
    struct po_buf output = { 0 };
    char own[40];

    (void)po_sys_catch_interrupts(); /* ignores SIGPIPE here, but not there */
    (void)snprintf(own, sizeof(own), "%d ", (int)getsid(0));
    (void)run("ps -o sid= -p $$ 2>/dev/null || echo skip", 10000, &output);
    ck_assert_ptr_null(strstr(po_buf_text(&output), own));
    po_buf_clear(&output);
    (void)run("trap - PIPE; sh -c 'kill -PIPE $$'; echo $?", 10000, &output);
    ck_assert_str_eq(po_buf_text(&output), "141\n");
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_that_takes_too_long_is_ended_with_its_children)
{
    struct po_buf output = { 0 };
    struct po_command_result result;
    double start = po_sys_monotonic();
    pid_t child;

    result = run("sleep 60 & echo $!; sleep 60; echo never", 300, &output);
    ck_assert(result.timed_out);
    ck_assert_int_eq(result.exit_code, -1);
    ck_assert(po_sys_monotonic() - start < 10);
    ck_assert_ptr_null(strstr(po_buf_text(&output), "never"));
    child = (pid_t)strtol(po_buf_text(&output), NULL, 10);
    ck_assert_int_gt(child, 1);
    /* The orphan is somebody else's to wait for, which may take a moment. */
    for (int i = 0; i < 200 && kill(child, 0) == 0; i++) {
        char path[40];
        char state[300] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
        file = fopen(path, "r");
        if (file != NULL && fgets(state, sizeof(state), file) != NULL &&
            strstr(state, ") Z") != NULL) {
            (void)fclose(file);
            break;
        }
        if (file != NULL)
            (void)fclose(file);
        ck_assert_int_lt(i, 199);
        po_sys_sleep_ms(20);
    }
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_background_child_that_holds_the_output_does_not_hold_us)
{
    struct po_buf output = { 0 };
    struct po_command_result result;
    double start = po_sys_monotonic();

    result = run("sleep 20 & echo $!; echo started", 15000, &output);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert(!result.timed_out);
    ck_assert(po_sys_monotonic() - start < 5);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&output), "started\n"));
    (void)kill((pid_t)strtol(po_buf_text(&output), NULL, 10), SIGKILL);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(of_much_output_the_last_64_kib_are_kept)
{
    struct po_buf output = { 0 };
    struct po_command_result result =
        run("i=0; while [ $i -lt 3000 ]; do echo "
            "0123456789012345678901234567890123456789012345678; i=$((i+1)); done; echo end; exit 3",
            60000, &output);

    ck_assert_int_eq(result.exit_code, 3);
    ck_assert_uint_eq(output.size, 65536);
    ck_assert_int_eq(memcmp(output.bytes + output.size - 5, "\nend\n", 5), 0);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_that_says_too_much_fills_no_disk)
{
    struct po_buf output = { 0 };
    struct po_command_result result =
        run("head -c 50000000 /dev/zero; sleep 0.2; echo end", 60000, &output);

    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_uint_le(output.size, 65536);
    ck_assert_int_eq(memcmp(output.bytes + output.size - 4, "end\n", 4), 0);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_daemon_that_a_command_leaves_can_write_on) /* req: B7 */
{
    struct po_buf output = { 0 };
    struct po_command_result result = run(
        "(trap 'exit 0' TERM; while :; do echo more; sleep 0.05; done) & echo $!", 10000, &output);
    pid_t daemon = (pid_t)strtol(po_buf_text(&output), NULL, 10);

    ck_assert_int_eq(result.exit_code, 0);
    po_sys_sleep_ms(300);
    ck_assert_int_eq(kill(daemon, 0), 0);
    ck_assert_int_eq(kill(daemon, SIGKILL), 0);
    po_buf_deinit(&output);
}
END_TEST

static const volatile int asked = SIGTERM;

START_TEST(a_write_that_nobody_reads_can_be_cancelled)
{
    static const char bytes[1 << 20];
    struct po_file *file = NULL;
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], 1), 1);
    OK(po_file_standard(&file, 1, &err));
    po_file_set_cancel(file, &asked);
    ck_assert_int_eq(po_file_write(file, bytes, sizeof(bytes), &err), PO_E_CANCELLED);
    po_file_free(file);
}
END_TEST

START_TEST(commands_run_even_when_the_standard_descriptors_are_closed)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct po_buf output = { 0 };
        struct po_command_result result;

        close(0);
        close(1);
        close(2);
        if (po_sys_run("cat; echo out; echo err >&2", NULL, 10000, &result, &output, &err) != PO_OK)
            _exit(1);
        if (result.exit_code != 0 || strcmp(po_buf_text(&output), "out\nerr\n") != 0)
            _exit(2);
        po_buf_deinit(&output);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert(WIFEXITED(status));
}
END_TEST

/* ---- thread ---- */

struct counter {
    struct po_mutex *mutex;
    struct po_cond *cond;
    long value;
};

static void
count_up(void *ctx)
{
    struct counter *counter = ctx;

    for (int i = 0; i < 10000; i++) {
        po_mutex_lock(counter->mutex);
        counter->value++;
        po_mutex_unlock(counter->mutex);
    }
    po_mutex_lock(counter->mutex);
    po_cond_signal_all(counter->cond);
    po_mutex_unlock(counter->mutex);
}

START_TEST(threads_count_together_under_a_lock)
{
    struct counter counter = { 0 };
    struct po_thread *threads[4];

    OK(po_mutex_new(&counter.mutex, &err));
    OK(po_cond_new(&counter.cond, &err));
    for (int i = 0; i < 4; i++)
        OK(po_thread_start(&threads[i], count_up, &counter, &err));
    po_mutex_lock(counter.mutex);
    while (counter.value < 40000)
        po_cond_wait(counter.cond, counter.mutex);
    po_mutex_unlock(counter.mutex);
    for (int i = 0; i < 4; i++)
        po_thread_join(threads[i]);
    ck_assert_int_eq(counter.value, 40000);
    po_thread_join(NULL);
    po_cond_free(counter.cond);
    po_cond_free(NULL);
    po_mutex_free(counter.mutex);
    po_mutex_free(NULL);
}
END_TEST

static void
note_mask(void *ctx)
{
    (void)pthread_sigmask(SIG_BLOCK, NULL, ctx);
}

START_TEST(interrupts_do_not_go_to_other_threads)
{
    struct po_thread *thread;
    sigset_t mask;

    (void)sigemptyset(&mask);
    OK(po_thread_start(&thread, note_mask, &mask, &err));
    po_thread_join(thread);
    ck_assert_int_eq(sigismember(&mask, SIGINT), 1);
    ck_assert_int_eq(sigismember(&mask, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&mask, SIGSEGV), 0);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGINT), 0);
}
END_TEST

/* Each test twice: in one call and by the walk. */
#define BOTH(tc, test) tcase_add_loop_test(tc, test, 0, 2)

static void
add_file(Suite *suite)
{
    TCase *tc = tcase_create("file");
    TCase *protected = tcase_create("protected");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    BOTH(tc, unclean_paths_are_refused_everywhere);
    BOTH(tc, names_that_only_look_like_dots_are_fine);
    BOTH(tc, odd_names_come_through_unchanged);
    BOTH(tc, components_of_255_bytes_work_and_256_do_not);
    BOTH(tc, paths_of_any_length_work_in_every_call);
    tcase_add_test(tc, messages_of_long_paths_keep_both_ends);
    tcase_add_test(tc, path_text_is_split_and_joined);
    tcase_add_test(tc, real_paths_have_no_links);
    BOTH(tc, a_symlink_on_the_way_is_refused);
    BOTH(tc, a_symlink_at_the_end_is_never_followed);
    BOTH(tc, a_link_to_a_directory_is_removed_and_not_what_it_points_to);
    BOTH(tc, a_fifo_is_refused_without_blocking);
    BOTH(tc, only_regular_files_are_opened);
    BOTH(tc, files_are_written_and_read_at_offsets);
    BOTH(tc, opening_to_replace_empties_and_to_update_does_not);
    tcase_add_test(tc, the_facts_of_an_open_file_can_be_set);
    tcase_add_test(tc, system_paths_follow_links_and_read_devices);
    tcase_add_test(tc, a_pipe_is_read_whole_although_it_comes_in_pieces);
    BOTH(tc, a_listing_tells_each_child_once_with_its_type);
    BOTH(tc, what_is_not_there_does_not_exist);
    BOTH(tc, stat_gives_size_times_owner_and_mode);
    BOTH(tc, times_keep_100_ns_before_and_after_1970);
    tcase_add_test(tc, times_are_rounded_down_and_not_towards_1970);
    BOTH(tc, modes_are_set_on_files_and_directories_that_cannot_be_read);
    BOTH(tc, owners_are_set_on_the_link_itself);
    BOTH(tc, links_give_their_target_as_it_is);
    BOTH(tc, making_a_directory_that_is_there_is_fine);
    tcase_add_test(tc, system_directories_are_made_with_their_parents);
    BOTH(tc, renaming_replaces_only_when_it_may);
    BOTH(tc, removing_takes_files_links_and_empty_directories);
    tcase_add_test(tc, deep_and_wide_trees_are_removed_whole);
    tcase_add_test(tc, the_volume_can_be_synced_and_asked_for_space);
    BOTH(tc, no_call_leaves_a_descriptor_open);
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(protected, set_up_protected, tear_down_protected);
    tcase_add_test(protected, a_tree_in_which_something_cannot_be_removed_is_an_error);
    suite_add_tcase(suite, protected);
}

static void
add_sys_and_thread(Suite *suite)
{
    TCase *tc = tcase_create("sys and thread");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_clocks_go_forward);
    tcase_add_test(tc, the_machine_tells_about_itself);
    tcase_add_test(tc, local_time_has_its_offset);
    tcase_add_test(tc, interrupts_only_set_the_flag_however_often);
    tcase_add_test(tc, a_command_gives_its_output_and_exit_code);
    tcase_add_test(tc, a_command_runs_in_the_directory_asked_for);
    tcase_add_test(tc, a_command_is_in_a_session_of_its_own_with_signals_as_usual);
    tcase_add_test(tc, a_command_that_takes_too_long_is_ended_with_its_children);
    tcase_add_test(tc, a_background_child_that_holds_the_output_does_not_hold_us);
    tcase_add_test(tc, of_much_output_the_last_64_kib_are_kept);
    tcase_add_test(tc, a_command_that_says_too_much_fills_no_disk);
    tcase_add_test(tc, a_daemon_that_a_command_leaves_can_write_on);
    tcase_add_test(tc, a_write_that_nobody_reads_can_be_cancelled);
    tcase_add_test(tc, commands_run_even_when_the_standard_descriptors_are_closed);
    tcase_add_test(tc, threads_count_together_under_a_lock);
    tcase_add_test(tc, interrupts_do_not_go_to_other_threads);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("port");
    SRunner *runner;
    int failed;

    add_file(suite);
    add_sys_and_thread(suite);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
