/* What of port/ POSIX alone has: links, modes, owners, FIFOs and sockets, its shell, signals. */
#include "port_help.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- links: nothing outside ---- */

START_TEST(real_paths_have_no_links)
{
    char *path = po_os_path_join(base, "link");
    char *expected = po_os_path_join(base, "dir");
    char *real = NULL;

    OK(po_dir_make(root, S("dir"), 0700, &err));
    OK(po_dir_make_symlink(root, S("link"), S("dir"), false, &err));
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
    OK(po_dir_make_symlink(root, S("link"), S("real"), false, &err));
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
    FAILS(ELOOP, po_dir_make_symlink(root, S("link/s"), S("t"), false, &err));
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
    OK(po_dir_make_symlink(root, S("link"), S("file"), false, &err));
    OK(po_dir_make_symlink(root, S("dangling"), S("new"), false, &err));
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
    OK(po_dir_make_symlink(root, S("tree/a/out"), S("../../keep"), false, &err));
    OK(po_dir_make_symlink(root, S("link"), S("keep"), false, &err));
    OK(po_dir_remove_all(root, S("tree"), &err));
    OK(po_dir_remove_all(root, S("link"), &err));
    check_content(S("keep/sub/file"), "x");
    ck_assert(!is_there(S("tree")));
    ck_assert(!is_there(S("link")));
}
END_TEST

START_TEST(links_give_their_target_as_it_is)
{
    char *target = NULL;
    size_t size = 0;
    char *long_target = po_mem_new(4095 + 1, 1);

    use_way(_i);
    memset(long_target, 't', 4095);
    OK(po_dir_make_symlink(root, S("a"), S("/abs/../x\xFF\n"), false, &err));
    OK(po_dir_read_link(root, S("a"), &target, &size, &err));
    ck_assert_uint_eq(size, 11);
    ck_assert_str_eq(target, "/abs/../x\xFF\n");
    po_mem_free(target);
    OK(po_dir_make_symlink(root, S("b"), long_target, 4095, false, &err));
    OK(po_dir_read_link(root, S("b"), &target, &size, &err));
    ck_assert_uint_eq(size, 4095);
    ck_assert_str_eq(target, long_target);
    po_mem_free(target);
    po_mem_free(long_target);
    target = NULL;
    write_file(S("f"), "x");
    FAILS(EINVAL, po_dir_read_link(root, S("f"), &target, &size, &err));
    FAILS(EEXIST, po_dir_make_symlink(root, S("a"), S("x"), false, &err));
    ck_assert_int_eq(po_dir_make_symlink(root, S("c"), "x\0y", 3, false, &err), PO_E_USAGE);
    ck_assert_ptr_null(target);
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

START_TEST(a_socket_is_refused)
{
    char *path = po_os_path_join(base, "socket");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct po_file *file;

    use_way(_i);
    ck_assert_uint_lt(strlen(path), sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    FAILS(ENXIO, po_file_open(&file, root, S("socket"), PO_FILE_READ, 0, &err));
    close(fd);
    po_mem_free(path);
}
END_TEST

START_TEST(system_paths_follow_links_and_read_devices)
{
    struct po_file *file;
    char *path = po_os_path_join(base, "link");
    char bytes[5000] = "x";
    size_t got = 0;

    write_file(S("file"), "x");
    OK(po_dir_make_symlink(root, S("link"), S("file"), false, &err));
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

static enum po_status
check_kind(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *own)
{
    (void)own;
    ck_assert_ptr_null(failure);
    ck_assert_uint_eq(name_size, 4);
    ck_assert_int_eq(info->type, name[0] == 'l' ? PO_NODE_SYMLINK : PO_NODE_FIFO);
    ck_assert_uint_ne(info->file_id, 0);
    ++*(int *)ctx;
    return PO_OK;
}

START_TEST(a_listing_tells_links_and_fifos)
{
    char *path = po_os_path_join(base, "fifo");
    int count = 0;

    use_way(_i);
    OK(po_dir_make_symlink(root, S("link"), S("nowhere"), false, &err));
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    OK(po_dir_list(root, "", 0, check_kind, &count, &err));
    ck_assert_int_eq(count, 2);
    po_mem_free(path);
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
    OK(po_dir_make_symlink(root, S("l"), S("nowhere"), false, &err));
    OK(po_dir_set_owner(root, S("l"), uid, (uint32_t)getgid(), &err));
    OK(po_dir_stat(root, S("l"), &info, &exists, &err));
    ck_assert_uint_eq(info.uid, uid);
    FAILS(ENOENT, po_dir_set_owner(root, S("none"), uid, 0, &err));
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

START_TEST(a_process_is_known_by_its_start)
{
    struct po_buf ours = { 0 };
    struct po_buf again = { 0 };
    struct po_buf parents = { 0 };
    struct po_buf none = { 0 };

    if (!po_sys_put_process_start(&ours, po_sys_process_id()))
        return; /* not told on this system */
    ck_assert_uint_gt(ours.size, 0);
    ck_assert(po_sys_put_process_start(&again, po_sys_process_id()));
    ck_assert_str_eq(po_buf_text(&again), po_buf_text(&ours));
    ck_assert(po_sys_put_process_start(&parents, 1));
    ck_assert(parents.size != ours.size || memcmp(parents.bytes, ours.bytes, ours.size) != 0);
    ck_assert(po_sys_put_process_start(&none, UINT32_MAX));
    ck_assert_uint_eq(none.size, 0);
    po_buf_deinit(&ours);
    po_buf_deinit(&again);
    po_buf_deinit(&parents);
}
END_TEST

START_TEST(the_date_is_that_of_local_time)
{
    int date[3];

    ck_assert_int_eq(setenv("TZ", "XXX-1", 1), 0);
    po_sys_local_date(INT64_C(17954856000000000) + INT64_C(21) * 36000000000, &date[0], &date[1],
                      &date[2]); /* midnight there */
    ck_assert_int_eq(date[0] * 10000 + date[1] * 100 + date[2], 20261125);
    po_sys_local_date(INT64_C(17954856000000000) + INT64_C(21) * 36000000000 - 1, &date[0],
                      &date[1], &date[2]);
    ck_assert_int_eq(date[0] * 10000 + date[1] * 100 + date[2], 20261124);
    po_sys_local_date(-INT64_C(36000000000) - 1, &date[0], &date[1], &date[2]);
    ck_assert_int_eq(date[0] * 10000 + date[1] * 100 + date[2], 19691231);
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
    struct po_command_result result =
        run("(trap 'exit 0' TERM; while :; do echo more; sleep 0.05; done) & echo \"pid $!\"",
            10000, &output);
    /* It may have said something before. */
    const char *said = strstr(po_buf_text(&output), "pid ");
    pid_t daemon = said == NULL ? 0 : (pid_t)strtol(said + 4, NULL, 10);

    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_int_gt(daemon, 1); /* 0 would be all of us */
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
    int before = dup(1);

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], 1), 1);
    OK(po_file_standard(&file, 1, &err));
    po_file_set_cancel(file, &asked);
    ck_assert_int_eq(po_file_write(file, bytes, sizeof(bytes), &err), PO_E_CANCELLED);
    po_file_free(file);
    /* Where tests run in one process, Check has something to say yet. */
    ck_assert_int_eq(dup2(before, 1), 1);
    ck_assert_int_eq(close(before), 0);
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

/* A megabyte, which no pipe holds. */
static char *
large_input(size_t size)
{
    char *text = po_mem_new(size + 1, 1);

    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i % 23);
    return text;
}

static struct po_command_result
run_with(const char *line, const char *input, size_t size, struct po_buf *output)
{
    static const char *const variables[] = { "PO_ONE=1 and more", "PO_TWO=", NULL };
    struct po_command command = { .line = line,
                                  .variables = variables,
                                  .input = input,
                                  .input_size = size,
                                  .timeout_ms = 20000 };
    struct po_command_result result = { .exit_code = -77 };

    OK(po_sys_run_command(&command, &result, output, &err));
    ck_assert_int_eq(po_buf_check(output, &err), PO_OK);
    return result;
}

START_TEST(a_command_is_given_its_input_whole)
{
    size_t size = (size_t)1 << 20;
    char *input = large_input(size);
    struct po_buf output = { 0 };
    struct po_command_result result = run_with("cat | tail -c 50000", input, size, &output);

    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_uint_eq(result.input_taken, size);
    ck_assert_uint_eq(output.size, 50000);
    ck_assert_mem_eq(output.bytes, input + size - 50000, 50000);
    po_buf_clear(&output);
    /* One that speaks as much as it hears, and listens late. */
    result = run_with("head -c 300000 /dev/zero; wc -c >/dev/null", input, size, &output);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_uint_eq(result.input_taken, size);
    po_mem_free(input);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_that_reads_no_input_ends_all_the_same_and_is_told)
{
    size_t size = (size_t)1 << 20;
    char *input = large_input(size);
    struct po_buf output = { 0 };
    struct po_command_result result = run_with("exit 3", input, size, &output);

    ck_assert_int_eq(result.exit_code, 3);
    ck_assert_uint_eq(result.input_taken, 0);
    result = run_with("dd bs=1000 count=1 >/dev/null 2>&1", input, size, &output);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_uint_eq(result.input_taken, 1000);
    po_mem_free(input);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_has_the_variables_that_it_is_given_and_ours)
{
    struct po_buf output = { 0 };

    ck_assert_int_eq(setenv("PO_ONE", "mine", 1), 0);
    ck_assert_int_eq(setenv("PO_ONE_MORE", "stays", 1), 0);
    (void)run_with("echo \"$PO_ONE,${PO_TWO-unset},$PO_ONE_MORE\"; env | grep -c ^PO_ONE=", NULL, 0,
                   &output);
    ck_assert_str_eq(po_buf_text(&output), "1 and more,,stays\n1\n");
    ck_assert_str_eq(getenv("PO_ONE"), "mine");
    po_buf_deinit(&output);
}
END_TEST

/* ---- thread ---- */

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

static void
add_file(Suite *suite)
{
    TCase *tc = tcase_create("file");
    TCase *protected = tcase_create("protected");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, real_paths_have_no_links);
    BOTH(tc, a_symlink_on_the_way_is_refused);
    BOTH(tc, a_symlink_at_the_end_is_never_followed);
    BOTH(tc, a_link_to_a_directory_is_removed_and_not_what_it_points_to);
    BOTH(tc, links_give_their_target_as_it_is);
    BOTH(tc, a_fifo_is_refused_without_blocking);
    BOTH(tc, a_socket_is_refused);
    tcase_add_test(tc, system_paths_follow_links_and_read_devices);
    tcase_add_test(tc, a_pipe_is_read_whole_although_it_comes_in_pieces);
    BOTH(tc, a_listing_tells_links_and_fifos);
    tcase_add_test(tc, times_are_rounded_down_and_not_towards_1970);
    BOTH(tc, modes_are_set_on_files_and_directories_that_cannot_be_read);
    BOTH(tc, owners_are_set_on_the_link_itself);
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
    tcase_add_test(tc, local_time_has_its_offset);
    tcase_add_test(tc, the_date_is_that_of_local_time);
    tcase_add_test(tc, a_process_is_known_by_its_start);
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
    tcase_add_test(tc, a_command_is_given_its_input_whole);
    tcase_add_test(tc, a_command_that_reads_no_input_ends_all_the_same_and_is_told);
    tcase_add_test(tc, a_command_has_the_variables_that_it_is_given_and_ours);
    tcase_add_test(tc, interrupts_do_not_go_to_other_threads);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("port of POSIX");

    add_file(suite);
    add_sys_and_thread(suite);
    return port_run(suite);
}
