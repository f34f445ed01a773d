/*
 * A drill tells what a restore did otherwise than the archive says. Here the scratch site does so
 * itself: its import of the registry, the last step of a restore, spoils what was restored before.
 */
#include "restore_help.h"

#include "engine/drill.h"

#define REG "Post.OfficeRegKeyBackup.reg"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"

static const struct rig_item set[] = {
    { .path = REG, .text = RIG_NEW_REGISTRY },     { .path = SPOOL, .type = POBACKUP_DIRECTORY },
    { .path = SPOOL "/config", .text = "config" }, { .path = BOX, .type = POBACKUP_DIRECTORY },
    { .path = BOX "/1.MSG", .text = "the first" }, { .path = BOX "/2.MSG", .text = "the second" },
};

static struct rig_archive archive;
static struct po_host *host;
static struct po_host_ops ops; /* the folder's, but for an import */
static const struct po_host_ops *folder_ops;
static void (*spoil)(void);
static struct po_drill_result result;
static struct po_err err;

static enum po_status
import(struct po_host *site, const void *bytes, size_t size, int64_t write_time,
       enum po_registry_how how, struct po_buf *former, struct po_err *failure)
{
    enum po_status st =
        folder_ops->registry_import(site, bytes, size, write_time, how, former, failure);

    if (spoil != NULL)
        spoil();
    return st;
}

static void
setup(void)
{
    rig_enter();
    spoil = NULL;
    rig_directory("scratch");
    rig_write("scratch/pobackup-site.ini", "[trees]\nbin = none\n");
    ck_assert_msg(po_host_folder_open(&host, rig_at("scratch"), &err) == PO_OK, "%s", err.text);
    folder_ops = host->ops;
    ops = *folder_ops;
    ops.registry_import = import;
    host->ops = &ops;
}

static void
teardown(void)
{
    host->ops->free(host);
    po_drill_result_deinit(&result);
    rig_close(&archive);
    rig_leave();
}

static void
drill(const struct rig_item *items, size_t count)
{
    const struct po_drill_options options = { .threads = 1 };

    rig_make(&archive, items, count);
    ck_assert_msg(po_drill_run(archive.reader, host, &options, NULL, &result, &err) == PO_OK, "%s",
                  err.text);
}

static void
assert_fault(const char *path, const char *reason)
{
    for (size_t i = 0; i < result.faults.count; i++)
        if (strcmp(result.faults.items[i].path, path) == 0 &&
            strstr(result.faults.items[i].reason, reason) != NULL)
            return;
    ck_abort_msg("no fault \"%s\" of %s among %zu", reason, path, result.faults.count);
}

START_TEST(a_good_archive_has_no_faults)
{
    drill(set, RIG_COUNT(set));
    ck_assert_uint_eq(result.faults.count, 0);
    ck_assert(result.has_registry);
    ck_assert_uint_eq(result.files, 4);
    ck_assert_uint_eq(result.same, RIG_COUNT(set));
    ck_assert_str_eq(rig_read("scratch/" BOX "/2.MSG"), "the second");
}
END_TEST

static void
spoil_files(void)
{
    int64_t time = rig_time("scratch/" BOX);

    rig_write("scratch/" BOX "/1.MSG", "the worst");
    rig_set_time("scratch/" BOX "/1.MSG", RIG_TIME);
    os_remove(rig_at("scratch/" BOX "/2.MSG"));
    rig_write("scratch/" BOX "/3.MSG", "one too many");
    rig_set_time("scratch/" BOX, time);
}

START_TEST(each_difference_is_a_fault)
{
    spoil = spoil_files;
    drill(set, RIG_COUNT(set));
    assert_fault(BOX "/1.MSG", "restored, its content is another");
    assert_fault(BOX "/2.MSG", "restored, its file is missing");
    assert_fault(BOX "/3.MSG", "restored, its file is there, and not in the archive");
    ck_assert_uint_eq(result.faults.count, 3);
    ck_assert_uint_eq(result.same, RIG_COUNT(set) - 2);
}
END_TEST

/* A registry that did not take: the restore itself sees that, and takes all back. */
static void
spoil_registry(void)
{
    rig_write("scratch/" REG, "Windows Registry Editor Version 5.00\r\n\r\n[unclosed\r\n");
}

START_TEST(a_registry_that_does_not_take_ends_it)
{
    const struct po_drill_options options = { .threads = 1 };

    spoil = spoil_registry;
    rig_make(&archive, set, RIG_COUNT(set));
    ck_assert_int_eq(po_drill_run(archive.reader, host, &options, NULL, &result, &err),
                     PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "registry: line 3: "));
    ck_assert_ptr_nonnull(strstr(err.text, "all is as it was before"));
    ck_assert(!rig_exists("scratch/" BOX));
}
END_TEST

START_TEST(what_cannot_be_restored_is_a_fault)
{
    static const struct rig_item items[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/../../up", .text = "x" },
        { .path = BOX "/good", .text = "good" },
    };

    drill(items, RIG_COUNT(items));
    ck_assert(!rig_exists("up"));
    ck_assert(!result.has_registry);
    ck_assert_uint_eq(result.files, 1);
    assert_fault(BOX "/../../up", "a \"..\" component");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("drill");
    TCase *tests = tcase_create("drill");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_good_archive_has_no_faults);
    tcase_add_test(tests, each_difference_is_a_fault);
    tcase_add_test(tests, a_registry_that_does_not_take_ends_it);
    tcase_add_test(tests, what_cannot_be_restored_is_a_fault);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
