/*
 * req: B3, B8. The registry in a backup when it is not quite as it should be; and what is left out of
 * a tree because it is our own.
 */
#include "site_help.h"

#include "engine/backup.h"
#include "os_help.h"

static struct help_host host;
static struct po_host_ops ops; /* the host's, but for what a test puts there */
static struct help_sink sink;
static struct po_backup_options options;
static struct po_backup_result result;
static struct po_buf events; /* "note TEXT" and "warning TEXT", one a line */
static const char *omissions;
static struct po_err err;

static const char *
registry_omissions(struct po_host *unused)
{
    (void)unused;
    return omissions;
}

static void
on_event(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_NOTE || event->kind == PO_EVENT_WARNING)
        po_buf_printf(&events, "%s %s\n", event->kind == PO_EVENT_NOTE ? "note" : "warning",
                      event->text);
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_sink_init(&sink);
    ops = *host.host.ops;
    ops.registry_omissions = registry_omissions;
    host.host.ops = &ops;
    omissions = "";
    options = (struct po_backup_options){ .threads = 1, .frame_size = FRAME_SIZE };
    help_make_directory(BIN);
    help_make_directory(SPOOL);
    help_make_directory(BOX);
}

static void
teardown(void)
{
    po_backup_result_deinit(&result);
    po_buf_deinit(&events);
    help_sink_deinit(&sink);
    help_leave();
}

static void
run(struct help_archive *archive)
{
    const struct po_watch watch = { .event = on_event };

    help_must(po_backup_run(&host.host, &sink.sink, &options, &watch, &result, &err), &err);
    help_open(archive, sink.bytes.bytes, sink.bytes.size);
}

static bool
was_told(const char *line)
{
    return events.size > 0 && strstr(po_buf_text(&events), line) != NULL;
}

START_TEST(a_whole_registry_is_no_problem)
{
    struct help_archive archive;

    run(&archive);
    help_assert_whole(&archive);
    help_assert_content(&archive, REG, host.registry, strlen(host.registry));
    ck_assert_str_eq(result.registry_problem, "");
    ck_assert(po_backup_is_complete(&result));
    ck_assert(!was_told("warning "));
    help_close(&archive);
}
END_TEST

START_TEST(a_registry_that_lacks_something_is_saved_and_told)
{
    struct help_archive archive;

    omissions = "a value of HKEY_LOCAL_MACHINE\\A: more than 64 MiB";
    run(&archive);
    help_assert_content(&archive, REG, host.registry, strlen(host.registry));
    ck_assert_str_eq(result.registry_problem,
                     "not whole: a value of HKEY_LOCAL_MACHINE\\A: more than 64 MiB");
    ck_assert(was_told("warning the registry is not whole: a value of HKEY_LOCAL_MACHINE\\A"));
    ck_assert(!po_backup_is_complete(&result));
    help_close(&archive);
}
END_TEST

START_TEST(a_registry_that_is_no_export_is_saved_and_told)
{
    struct help_archive archive;

    host.registry = "no such document";
    run(&archive);
    help_assert_content(&archive, REG, host.registry, strlen(host.registry));
    ck_assert_ptr_nonnull(strstr(result.registry_problem, "line 1: "));
    ck_assert(was_told("warning the registry is saved, but it is no export of a key: line 1: "));
    ck_assert(!po_backup_is_complete(&result));
    help_close(&archive);
}
END_TEST

START_TEST(an_excluded_registry_is_not_even_exported)
{
    static const char *const globs[] = { "*.reg" };
    struct help_archive archive;

    options.excludes = globs;
    options.exclude_count = 1;
    host.registry = NULL; /* it would fail */
    run(&archive);
    ck_assert(!help_has(&archive, REG));
    ck_assert(help_has(&archive, BOX));
    ck_assert_uint_eq(result.excluded, 1);
    ck_assert(po_backup_is_complete(&result));
    help_close(&archive);
}
END_TEST

START_TEST(an_export_that_fails_ends_the_backup)
{
    host.registry = NULL;
    ck_assert_int_eq(po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "registry: no such key");
    ck_assert(!sink.is_committed);
    help_assert_services(&host);
}
END_TEST

START_TEST(what_a_former_restore_left_is_told_and_not_saved)
{
    struct help_archive archive;

    help_write_text(BOX "/.pobackup-stage-20200101T000000Z/1.MSG", "old");
    help_write_text(BOX "/1.MSG", "new");
    run(&archive);
    ck_assert(help_has(&archive, BOX "/1.MSG"));
    ck_assert(!help_has(&archive, BOX "/.pobackup-stage-20200101T000000Z"));
    ck_assert(!help_has(&archive, BOX "/.pobackup-stage-20200101T000000Z/1.MSG"));
    ck_assert(was_told("note 1 files or folders of a former restore (.pobackup-...)"));
    ck_assert(po_backup_is_complete(&result));
    help_close(&archive);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("backup_registry");
    TCase *tests = tcase_create("registry");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_whole_registry_is_no_problem);
    tcase_add_test(tests, a_registry_that_lacks_something_is_saved_and_told);
    tcase_add_test(tests, a_registry_that_is_no_export_is_saved_and_told);
    tcase_add_test(tests, an_excluded_registry_is_not_even_exported);
    tcase_add_test(tests, an_export_that_fails_ends_the_backup);
    tcase_add_test(tests, what_a_former_restore_left_is_told_and_not_saved);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
