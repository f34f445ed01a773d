#include "base/buf.h"
#include "os_help.h"
#include "port/thread.h"
#include "store/store.h"

#include <signal.h>
#if OS_HAS_POSIX
#include <sys/resource.h>
#include <sys/wait.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- helpers: each test has a directory of its own and works in it ---- */

static char directory[OS_PATH_SIZE];

static void
enter_directory(void)
{
    os_temp_make(directory, "store");
    ck_assert_int_eq(chdir(directory), 0);
}

static void
remove_directory(void)
{
    os_temp_remove(directory);
}

static void
write_file(const char *path, const char *text)
{
    os_write(path, text, strlen(text));
}

static void
assert_file(const char *path, const char *text)
{
    char bytes[256] = { 0 };
    FILE *file = fopen(path, "rb");

    ck_assert_msg(file != NULL, "%s is missing", path);
    ck_assert_uint_lt(fread(bytes, 1, sizeof(bytes) - 1, file), sizeof(bytes) - 1);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_str_eq(bytes, text);
}

static struct po_store_sink *
create(const char *path)
{
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };

    if (po_store_file_create(&sink, path, &err) != PO_OK)
        ck_abort_msg("%s: not created: %s", path, err.text);
    return sink;
}

static void
assert_not_created(const char *path, enum po_status status, const char *text)
{
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_store_file_create(&sink, path, &err), status);
    ck_assert_ptr_null(sink);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" has no \"%s\"", err.text, text);
}

static void
put(struct po_store_sink *sink, const char *text)
{
    struct po_err err = { 0 };

    if (sink->ops->write(sink, text, strlen(text), &err) != PO_OK)
        ck_abort_msg("not written: %s", err.text);
}

static void
commit(struct po_store_sink *sink)
{
    struct po_err err = { 0 };

    if (sink->ops->commit(sink, &err) != PO_OK)
        ck_abort_msg("not committed: %s", err.text);
}

/* ---- file sink ---- */

START_TEST(commit_gives_the_archive_its_name)
{
    struct po_store_sink *sink = create("a.tar.zst");

    put(sink, "one");
    put(sink, " two");
    ck_assert(!os_exists("a.tar.zst"));
    assert_file("a.tar.zst.partial", "one two");
    commit(sink);
    sink->ops->free(sink);
    assert_file("a.tar.zst", "one two");
    os_assert_mode("a.tar.zst", 0600);
    ck_assert_uint_eq(os_count("."), 1);
}
END_TEST

START_TEST(what_was_written_can_be_read_before_it_has_its_name)
{
    struct po_store_sink *sink = create("a");
    struct pobackup_blob blob = { 0 };
    struct po_err err = { 0 };
    char got[8] = "";

    put(sink, "one ");
    put(sink, "two");
    ck_assert_int_eq(sink->ops->read_back(sink, &blob, &err), PO_OK);
    ck_assert_uint_eq(blob.size, 7);
    ck_assert_int_eq(blob.read_at(blob.ctx, 2, got, 4, &err), PO_OK);
    ck_assert_str_eq(got, "e tw");
    ck_assert_int_eq(blob.read_at(blob.ctx, 4, got, 4, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "ended at 7"));
    ck_assert(!os_exists("a"));
    commit(sink);
    ck_assert_int_eq(sink->ops->read_back(sink, &blob, &err), PO_E_USAGE);
    sink->ops->free(sink);
    assert_file("a", "one two");
}
END_TEST

START_TEST(an_absolute_path_works_too)
{
    struct po_buf path = { 0 };
    struct po_store_sink *sink;

    po_buf_printf(&path, "%s/a", directory);
    sink = create(po_buf_text(&path));
    put(sink, "x");
    commit(sink);
    sink->ops->free(sink);
    po_buf_deinit(&path);
    assert_file("a", "x");
}
END_TEST

START_TEST(an_archive_may_be_empty)
{
    struct po_store_sink *sink = create("a");

    commit(sink);
    sink->ops->free(sink);
    assert_file("a", "");
}
END_TEST

START_TEST(abandoning_leaves_nothing)
{
    struct po_store_sink *sink = create("a");
    const struct po_store_sink_ops *ops;

    put(sink, "one");
    ck_assert_uint_eq(os_count("."), 1);
    sink->ops->free(sink);
    ck_assert_uint_eq(os_count("."), 0);
    sink = create("a");
    ops = sink->ops;
    ops->free(sink);
    ops->free(NULL);
    ck_assert_uint_eq(os_count("."), 0);
}
END_TEST

START_TEST(an_existing_file_is_refused)
{
    write_file("a", "old");
    assert_not_created("a", PO_E_USAGE, "a: exists already");
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    assert_not_created("dir", PO_E_USAGE, "dir: exists already");
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(symlink("nowhere", "link"), 0);
        assert_not_created("link", PO_E_USAGE, "link: exists already");
    }
    assert_file("a", "old");
    ck_assert_uint_eq(os_count("."), OS_CASE(3, 2));
}
END_TEST

START_TEST(a_file_that_appears_meanwhile_is_not_replaced)
{
    struct po_store_sink *sink = create("a");
    struct po_err err = { 0 };

    put(sink, "new");
    write_file("a", "old");
    ck_assert_int_eq(sink->ops->commit(sink, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "a: exists already");
    sink->ops->free(sink);
    assert_file("a", "old");
    ck_assert_uint_eq(os_count("."), 1);
}
END_TEST

/* The partial file of `path` as it is when its run was killed. */
static void
leave_partial(const char *path, const char *text)
{
    char partial[32];

    (void)snprintf(partial, sizeof partial, "%s.partial", path);
#if OS_HAS_POSIX
    {
        pid_t child = fork();
        int status = 0;

        ck_assert_int_ge(child, 0);
        if (child == 0) {
            put(create(path), text);
            (void)raise(SIGKILL);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status));
    }
#else
    write_file(partial, text);
#endif
    assert_file(partial, text);
    ck_assert_int_eq(chmod(partial, 0644), 0);
}

START_TEST(the_partial_file_of_a_dead_run_is_taken_over)
{
    struct po_store_sink *sink;

    leave_partial("a", "from a run that was killed");
    sink = create("a");
    put(sink, "new");
    commit(sink);
    sink->ops->free(sink);
    assert_file("a", "new");
    os_assert_mode("a", 0600);
    ck_assert_uint_eq(os_count("."), 1);
}
END_TEST

/* Not taken over: whoever has it open could read on. */
START_TEST(a_secret_is_written_into_a_file_that_nobody_else_has_had)
{
    struct po_store_sink *sink = NULL;
    struct po_store_sink *other = NULL;
    struct po_err err = { 0 };

    leave_partial("a", "from a run that was killed");
#if OS_HAS_POSIX /* Windows: test_port_win32.c */
    ck_assert_int_eq(link("a.partial", "held"), 0);
#else
    write_file("held", "from a run that was killed");
#endif
    ck_assert_int_eq(po_store_file_create_private(&sink, "a", &err), PO_OK);
    os_assert_mode("a.partial", 0600);
    ck_assert_int_eq(po_store_file_create_private(&other, "a", &err), PO_E_USAGE);
    ck_assert_msg(strstr(err.text, "another backup is writing it") != NULL, "%s", err.text);
    put(sink, "secret");
    commit(sink);
    sink->ops->free(sink);
    assert_file("a", "secret");
    os_assert_mode("a", 0600);
    assert_file("held", "from a run that was killed");
    ck_assert_int_eq(po_store_file_create_private(&other, "a", &err), PO_E_USAGE);
    ck_assert_msg(strstr(err.text, "a: exists already") != NULL, "%s", err.text);
    assert_file("a", "secret");
    ck_assert_uint_eq(os_count("."), 2);
#if OS_HAS_POSIX
    ck_assert_int_eq(symlink("held", "b.partial"), 0);
    ck_assert_int_eq(po_store_file_create_private(&other, "b", &err), PO_E_IO);
    assert_file("b.partial", "from a run that was killed");
#endif
}
END_TEST

START_TEST(the_partial_file_of_a_live_run_is_left_alone)
{
    struct po_store_sink *sink = create("a");

    put(sink, "one");
    assert_not_created("a", PO_E_USAGE, "a: another backup is writing it");
#if OS_HAS_POSIX /* the lock is also tested by test_port_win32.c */
    {
        pid_t child = fork();
        int status = 0;

        ck_assert_int_ge(child, 0);
        if (child == 0) {
            struct po_store_sink *other = NULL;
            struct po_err err = { 0 };

            _exit(po_store_file_create(&other, "a", &err) == PO_E_USAGE ? 0 : 1);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
#endif
    put(sink, " two");
    commit(sink);
    assert_not_created("a", PO_E_USAGE, "a: exists already");
    sink->ops->free(sink);
    assert_file("a", "one two");
    ck_assert_uint_eq(os_count("."), 1);
}
END_TEST

START_TEST(a_partial_name_that_is_no_file_is_refused_and_left)
{
    write_file("precious", "mine");
    ck_assert_int_eq(mkdir("c.partial", 0700), 0);
    assert_not_created("c", PO_E_IO, "c.partial");
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(symlink("precious", "a.partial"), 0);
        assert_not_created("a", PO_E_IO, "a.partial");
        ck_assert_int_eq(mkfifo("b.partial", 0600), 0);
        assert_not_created("b", PO_E_IO, "b.partial: not a regular file");
    }
    assert_file("precious", "mine");
    ck_assert_uint_eq(os_count("."), OS_CASE(4, 2));
}
END_TEST

START_TEST(a_path_that_names_no_file_is_refused)
{
    static const char *const paths[] = { "", ".", "..", "/", "./", "x/.", "x/.." };

    ck_assert_int_eq(mkdir("x", 0700), 0);
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_not_created(paths[i], PO_E_USAGE, "names no file");
    assert_not_created("missing/a", PO_E_IO, "missing");
    ck_assert_uint_eq(os_count("."), 1);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_failed_write_cannot_be_committed)
{
    struct po_store_sink *sink = create("a");
    struct rlimit old = { 0 };
    struct rlimit limit = { 0 };
    struct po_err err = { 0 };
    enum po_status st[2];

    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 4;
    /* No assertion while the limit stands: Check writes each into a file of its own. */
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    st[0] = sink->ops->write(sink, "1234", 4, &err);
    st[1] = sink->ops->write(sink, "5", 1, &err);
    (void)setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(st[0], PO_OK);
    ck_assert_int_eq(st[1], PO_E_IO);
    ck_assert_msg(strstr(err.text, "a.partial") != NULL, "%s", err.text);
    ck_assert_int_eq(sink->ops->write(sink, "", 0, &err), PO_E_IO);
    ck_assert_int_eq(sink->ops->commit(sink, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "a: an earlier write failed");
    sink->ops->free(sink);
    ck_assert_uint_eq(os_count("."), 0);
}
END_TEST
#endif

START_TEST(a_committed_sink_takes_no_more)
{
    struct po_store_sink *sink = create("a");
    struct po_err err = { 0 };

    commit(sink);
    ck_assert_int_eq(sink->ops->write(sink, "x", 1, &err), PO_E_USAGE);
    ck_assert_int_eq(sink->ops->commit(sink, &err), PO_E_USAGE);
    /* Its free must not take what a later run has under the same partial name. */
    write_file("a.partial", "later");
    sink->ops->free(sink);
    assert_file("a", "");
    assert_file("a.partial", "later");
}
END_TEST

/* ---- standard output ---- */

/* Puts `fd` in the place of standard output; returns what was there. */
static int
redirect(int fd)
{
    int saved;

    (void)fflush(stdout);
    saved = dup(1);
    ck_assert_int_ge(saved, 0);
    ck_assert_int_ge(dup2(fd, 1), 0);
    ck_assert_int_eq(close(fd), 0);
    return saved;
}

START_TEST(standard_output_gets_the_bytes_and_stays_open)
{
    const struct po_store_sink_ops *ops;
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };
    int saved = redirect(open("out", O_WRONLY | O_CREAT, 0600));
    bool is_good = po_store_stdout_create(&sink, NULL, &err) == PO_OK &&
                   sink->ops->write(sink, "one", 3, &err) == PO_OK &&
                   sink->ops->write(sink, "", 0, &err) == PO_OK &&
                   sink->ops->commit(sink, &err) == PO_OK &&
                   sink->ops->commit(sink, &err) == PO_E_USAGE && write(1, "!", 1) == 1;

    ck_assert_int_ge(dup2(saved, 1), 0);
    ck_assert_msg(is_good, "%s", err.text);
    ops = sink->ops;
    ops->free(sink);
    ops->free(NULL);
    assert_file("out", "one!");
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_broken_pipe_is_an_error)
{
    struct po_store_sink *sink = NULL;
    struct po_err err = { 0 };
    enum po_status st[3] = { PO_OK, PO_OK, PO_OK };
    int ends[2];
    int saved;

    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(ends), 0);
    saved = redirect(ends[1]);
    st[0] = po_store_stdout_create(&sink, NULL, &err);
    (void)close(ends[0]);
    if (sink != NULL) {
        st[1] = sink->ops->write(sink, "one", 3, &err);
        st[2] = sink->ops->commit(sink, &err);
        sink->ops->free(sink);
    }
    ck_assert_int_ge(dup2(saved, 1), 0);
    ck_assert_int_eq(st[0], PO_OK);
    ck_assert_int_eq(st[1], PO_E_IO);
    ck_assert_int_eq(st[2], PO_E_IO);
}
END_TEST
#endif

/* ---- blobs ---- */

START_TEST(a_blob_is_read_at_any_offset)
{
    struct pobackup_blob blob = { 0 };
    struct po_err err = { 0 };
    char bytes[8] = { 0 };

    write_file("a", "0123456789");
    ck_assert_int_eq(po_store_file_open(&blob, "a", &err), PO_OK);
    ck_assert_uint_eq(blob.size, 10);
    ck_assert_int_eq(blob.read_at(blob.ctx, 7, bytes, 3, &err), PO_OK);
    ck_assert_str_eq(bytes, "789");
    ck_assert_int_eq(blob.read_at(blob.ctx, 0, bytes, 3, &err), PO_OK);
    ck_assert_str_eq(bytes, "012");
    ck_assert_int_eq(blob.read_at(blob.ctx, 10, bytes, 0, &err), PO_OK);
    ck_assert_int_eq(truncate("a", 5), 0);
    ck_assert_int_eq(blob.read_at(blob.ctx, 4, bytes, 3, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "a: ended at 5; it was longer when it was opened");
    po_store_blob_free(&blob);
    ck_assert_ptr_null(blob.ctx);
    po_store_blob_free(&blob);
}
END_TEST

START_TEST(what_cannot_be_a_blob_is_refused)
{
    struct pobackup_blob blob = { 0 };
    struct po_err err = { 0 };

    ck_assert_int_eq(po_store_file_open(&blob, "missing", &err), PO_E_IO);
    ck_assert_msg(strstr(err.text, "missing") != NULL, "%s", err.text);
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    ck_assert_int_eq(po_store_file_open(&blob, "dir", &err), PO_E_USAGE);
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(mkfifo("fifo", 0600), 0);
        ck_assert_int_eq(po_store_file_open(&blob, "fifo", &err), PO_E_IO);
        ck_assert_str_eq(err.text, "fifo: not an archive: not a regular file");
    }
    ck_assert_int_eq(po_store_file_open(&blob, OS_CASE("/dev/zero", "NUL"), &err), PO_E_IO);
    ck_assert_ptr_null(blob.ctx);
}
END_TEST

#define THREADS 4
#define BLOB_SIZE 4096u

struct reader {
    const struct pobackup_blob *blob;
    bool is_good;
};

static void
read_often(void *ctx)
{
    struct reader *reader = ctx;
    struct po_err err = { 0 };

    reader->is_good = true;
    for (unsigned i = 0; i < 2000 && reader->is_good; i++) {
        uint64_t offset = (uint64_t)i * 37 % BLOB_SIZE;
        uint8_t byte = 0;

        reader->is_good =
            reader->blob->read_at(reader->blob->ctx, offset, &byte, 1, &err) == PO_OK &&
            byte == (uint8_t)(offset % 251);
    }
}

START_TEST(several_threads_may_read_a_blob)
{
    struct pobackup_blob blob = { 0 };
    struct po_err err = { 0 };
    struct po_thread *threads[THREADS];
    struct reader readers[THREADS];
    FILE *file = fopen("a", "wb");

    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < BLOB_SIZE; i++)
        ck_assert_int_ne(fputc((int)(i % 251), file), EOF);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(po_store_file_open(&blob, "a", &err), PO_OK);
    for (size_t i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){ .blob = &blob };
        ck_assert_int_eq(po_thread_start(&threads[i], read_often, &readers[i], &err), PO_OK);
    }
    for (size_t i = 0; i < THREADS; i++) {
        po_thread_join(threads[i]);
        ck_assert(readers[i].is_good);
    }
    po_store_blob_free(&blob);
}
END_TEST

static Suite *
store_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *sink = tcase_create("sink");
    TCase *blob = tcase_create("blob");

    tcase_add_checked_fixture(sink, enter_directory, remove_directory);
    tcase_add_test(sink, commit_gives_the_archive_its_name);
    tcase_add_test(sink, what_was_written_can_be_read_before_it_has_its_name);
    tcase_add_test(sink, an_absolute_path_works_too);
    tcase_add_test(sink, an_archive_may_be_empty);
    tcase_add_test(sink, abandoning_leaves_nothing);
    tcase_add_test(sink, an_existing_file_is_refused);
    tcase_add_test(sink, a_file_that_appears_meanwhile_is_not_replaced);
    tcase_add_test(sink, the_partial_file_of_a_dead_run_is_taken_over);
    tcase_add_test(sink, a_secret_is_written_into_a_file_that_nobody_else_has_had);
    tcase_add_test(sink, the_partial_file_of_a_live_run_is_left_alone);
    tcase_add_test(sink, a_partial_name_that_is_no_file_is_refused_and_left);
    tcase_add_test(sink, a_path_that_names_no_file_is_refused);
    os_add_posix_test(sink, a_failed_write_cannot_be_committed);
    tcase_add_test(sink, a_committed_sink_takes_no_more);
    tcase_add_test(sink, standard_output_gets_the_bytes_and_stays_open);
    os_add_posix_test(sink, a_broken_pipe_is_an_error);
    suite_add_tcase(suite, sink);
    tcase_add_checked_fixture(blob, enter_directory, remove_directory);
    tcase_add_test(blob, a_blob_is_read_at_any_offset);
    tcase_add_test(blob, what_cannot_be_a_blob_is_refused);
    tcase_add_test(blob, several_threads_may_read_a_blob);
    suite_add_tcase(suite, blob);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(store_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
