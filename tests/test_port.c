#include "port_help.h"

#include <time.h>

/* ---- paths ---- */

/* req: W2 */
START_TEST(addresses_of_this_machine_are_told_without_those_all_have)
{
    struct po_buf out = { 0 };

    po_sys_put_addresses(&out);
    ck_assert(!out.failed);
    for (size_t at = 0; at < out.size; at += strlen((const char *)out.bytes + at) + 1) {
        const char *address = (const char *)out.bytes + at;

        ck_assert_uint_eq(strspn(address, "0123456789."), strlen(address));
        ck_assert_int_ne(strncmp(address, "127.", 4), 0);
        ck_assert_int_ne(strncmp(address, "169.254.", 8), 0);
    }
    po_buf_deinit(&out);
}
END_TEST

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
        ck_assert_int_eq(po_dir_make_symlink(root, p, n, S("x"), false, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_make_hardlink(root, S("x"), p, n, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_write_time(root, p, n, 0, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_owner(root, p, n, 0, 0, &err), PO_E_USAGE);
        ck_assert_int_eq(po_dir_set_mode(root, p, n, 0700, &err), PO_E_USAGE);
    }
    ck_assert_int_eq(po_dir_remove(root, "", 0, &err), PO_E_USAGE);
    ck_assert_int_eq(po_dir_rename(root, "", 0, root, S("x"), true, &err), PO_E_USAGE);
}
END_TEST

START_TEST(names_come_through_unchanged_or_are_refused)
{
    static const struct {
        const char *name;
        int windows; /* the error there, or 0 */
    } names[] = {
        { ".a", 0 },
        { "..a", 0 },
        { "-", 0 },
        { " a", 0 },
        { "\xC3\xA4", 0 },
        { "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 0 },
        { "\xF0\x9F\x93\xA7", 0 },
        { "...", 0 },
        { "a.", 0 },
        { "a..", 0 },
        { " ", 0 },
        { "\\", EINVAL },
        { "c:d", EINVAL },
        { "*", EINVAL },
        { "line\nbreak", EINVAL },
        { "tab\t", EINVAL },
        { "\x01", EINVAL },
        { "\xE4\xF6\xFC", EILSEQ },
        { "\xFF\xFE", EILSEQ },
    };
    struct po_file *file;

    use_way(_i);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *name = names[i].name;

        if (OS_CASE(0, names[i].windows) != 0) {
            FAILS(names[i].windows,
                  po_file_open(&file, root, name, strlen(name), PO_FILE_CREATE, 0600, &err));
            FAILS(names[i].windows, po_dir_make(root, name, strlen(name), 0700, &err));
        } else {
            write_file(name, strlen(name), name);
            check_content(name, strlen(name), name);
            FAILS(EEXIST, po_dir_make(root, name, strlen(name), 0700, &err));
        }
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
    /* Wine cannot rename or remove what has more than PATH_MAX bytes above it. */
    static const size_t sizes[] = { 255, 259, 260, 261, 3800, 4094, 4095, 4096, 4097, 20000 };

    use_way(_i);
    for (size_t i = 0; i < OS_CASE(sizeof(sizes) / sizeof(sizes[0]), 5); i++) {
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
        ck_assert(!info.has_owner || info.mode == 0640);
        OK(po_dir_list(root, path, dir_size, count_child, &count, &err));
        ck_assert_int_eq(count, 1);
        OK(po_dir_open_below(&below, root, path, dir_size, &err));
        OK(po_dir_rename(root, path, size, below, S("other"), false, &err));
        if (OS_HAS_POSIX) {
            OK(po_dir_make_symlink(root, path, size, S("other"), false, &err));
            OK(po_dir_remove(root, path, size, &err));
        }
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
    ck_assert_ptr_nonnull(strstr(err.text, OS_CASE("open front", "find front")));
    ck_assert_ptr_nonnull(strstr(err.text, "[...]"));
    ck_assert_ptr_nonnull(strstr(err.text, OS_CASE("back: No such file", "back: ")));
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

START_TEST(a_path_is_inside_a_directory_by_whole_components)
{
    static const struct {
        const char *path;
        const char *directory;
        bool is_inside;
    } cases[] = {
        { "/a/b", "/a/b", true },
        { "/a/b/c", "/a/b", true },
        { "/a/b/c", "/a/b/", true },
        { "/a/b", "/a/b/", true },
        { "/a/bc", "/a/b", false },
        { "/a", "/a/b", false },
        { "/a", "/", true },
        { "/", "/", true },
        { "/A/b", "/a", OS_CASE(false, true) },
        { "C:\\A\\b", "c:/a/", OS_CASE(false, true) },
        { "c:/a", "C:/", OS_CASE(false, true) },
        /* a and o with dots */
        { "/\xC3\xA4\xC3\xB6/x", "/\xC3\x84\xC3\x96", OS_CASE(false, true) },
        { "/\xC3\xA4"
          "b",
          "/\xC3\xA4", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool is_inside = !cases[i].is_inside;

        OK(po_os_path_is_inside(&is_inside, cases[i].path, cases[i].directory, &err));
        ck_assert_msg(is_inside == cases[i].is_inside, "%s in %s", cases[i].path,
                      cases[i].directory);
    }
}
END_TEST

START_TEST(real_paths_are_absolute_and_have_no_dots)
{
    char *path = po_os_path_join(base, "d/./e/..");
    char *expected = po_os_path_join(base, "d");
    char *real = NULL;

    OK(po_dir_make_all(root, S("d/e"), &err));
    OK(po_os_path_real(&real, path, &err));
    ck_assert_str_eq(real, expected);
    po_mem_free(real);
    OK(po_dir_remove_all(root, S("d"), &err));
    FAILS(ENOENT, po_os_path_real(&real, path, &err));
    po_mem_free(path);
    po_mem_free(expected);
}
END_TEST

/* ---- files ---- */

START_TEST(only_regular_files_are_opened)
{
    struct po_file *file;

    use_way(_i);
    OK(po_dir_make(root, S("dir"), 0700, &err));
    FAILS(EISDIR, po_file_open(&file, root, S("dir"), PO_FILE_READ, 0, &err));
    FAILS(EISDIR, po_file_open(&file, root, "", 0, PO_FILE_READ, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none"), PO_FILE_READ, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none"), PO_FILE_UPDATE, 0, &err));
    FAILS(ENOENT, po_file_open(&file, root, S("none/new"), PO_FILE_CREATE, 0, &err));
    write_file(S("file"), "x");
    FAILS(ENOTDIR, po_file_open(&file, root, S("file/x"), PO_FILE_READ, 0, &err));
    FAILS(EEXIST, po_file_open(&file, root, S("file"), PO_FILE_CREATE, 0600, &err));
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
    FAILS(OS_CASE(EBADF, EACCES), po_file_write(file, "x", 1, &err));
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
    OK(po_file_info(file, &info, &err));
    OK(po_file_set_owner(file, info.uid, info.gid, &err));
    OK(po_file_set_mode(file, 0751, &err));
    OK(po_file_info(file, &info, &err));
    ck_assert_int_eq(info.has_owner, OS_HAS_POSIX);
    ck_assert(!info.has_owner || info.mode == 0751);
    ck_assert(!info.has_owner || info.uid == geteuid());
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
        { "dir", PO_NODE_DIRECTORY },
        { "file", PO_NODE_FILE },
        { "\xE6\x97\xA5\xF0\x9F\x93\xA7", PO_NODE_FILE },
        { OS_CASE("line\nbreak\xFF", "other"), PO_NODE_FILE },
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

    use_way(_i);
    OK(po_dir_make_all(root, S("d/dir"), &err));
    write_file(S("d/file"), "x");
    write_file(S("d/\xE6\x97\xA5\xF0\x9F\x93\xA7"), "x");
    if (OS_HAS_POSIX)
        write_file(S("d/line\nbreak\xFF"), "x");
    else
        write_file(S("d/other"), "x");
    OK(po_dir_list(root, S("d"), note_child, &listing, &err));
    ck_assert_int_eq(listing.count, 4);
    ck_assert_uint_eq(listing.seen, 15);
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
    ck_assert_int_eq(info.has_owner, OS_HAS_POSIX);
    ck_assert(!info.has_owner || info.mode == 01640);
    ck_assert(!info.has_owner || info.uid == geteuid());
    ck_assert_uint_eq(info.link_count, 2);
    ck_assert_int_eq(info.attributes != 0, !OS_HAS_POSIX);
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
    FAILS(OS_CASE(ENOTDIR, ENOENT), po_dir_open(&dir, path, &err));
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
    if (OS_HAS_POSIX)
        OK(po_dir_make_symlink(root, S("l"), S("f"), false, &err));
    FAILS(ENOTEMPTY, po_dir_remove(root, S("d"), &err));
    if (OS_HAS_POSIX)
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
    enum { DEPTH = OS_CASE(3000, 300) }; /* Wine is slow at this */
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
    ck_assert(!OS_HAS_POSIX || po_sys_is_admin() == (geteuid() == 0));
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
add_file(Suite *suite)
{
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    BOTH(tc, unclean_paths_are_refused_everywhere);
    BOTH(tc, names_come_through_unchanged_or_are_refused);
    BOTH(tc, components_of_255_bytes_work_and_256_do_not);
    BOTH(tc, paths_of_any_length_work_in_every_call);
    tcase_add_test(tc, addresses_of_this_machine_are_told_without_those_all_have);
    tcase_add_test(tc, messages_of_long_paths_keep_both_ends);
    tcase_add_test(tc, path_text_is_split_and_joined);
    tcase_add_test(tc, a_path_is_inside_a_directory_by_whole_components);
    tcase_add_test(tc, real_paths_are_absolute_and_have_no_dots);
    BOTH(tc, only_regular_files_are_opened);
    BOTH(tc, files_are_written_and_read_at_offsets);
    BOTH(tc, opening_to_replace_empties_and_to_update_does_not);
    tcase_add_test(tc, the_facts_of_an_open_file_can_be_set);
    BOTH(tc, a_listing_tells_each_child_once_with_its_type);
    BOTH(tc, what_is_not_there_does_not_exist);
    BOTH(tc, stat_gives_size_times_owner_and_mode);
    BOTH(tc, times_keep_100_ns_before_and_after_1970);
    BOTH(tc, making_a_directory_that_is_there_is_fine);
    tcase_add_test(tc, system_directories_are_made_with_their_parents);
    BOTH(tc, renaming_replaces_only_when_it_may);
    BOTH(tc, removing_takes_files_links_and_empty_directories);
    tcase_add_test(tc, deep_and_wide_trees_are_removed_whole);
    tcase_add_test(tc, the_volume_can_be_synced_and_asked_for_space);
    suite_add_tcase(suite, tc);
}

static void
add_sys_and_thread(Suite *suite)
{
    TCase *tc = tcase_create("sys and thread");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_clocks_go_forward);
    tcase_add_test(tc, the_machine_tells_about_itself);
    tcase_add_test(tc, threads_count_together_under_a_lock);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("port");

    add_file(suite);
    add_sys_and_thread(suite);
    return port_run(suite);
}
