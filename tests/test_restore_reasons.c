/* req: R1. Why a restore of the registry is refused; nothing has changed then. */
#include "restore_help.h"

#include "engine/restore.h"
#include "engine/verify.h"

#define REG "Post.OfficeRegKeyBackup.reg"
#define BOX "Post.OfficemailboxBackup"

static const struct rig_item whole[] = { { .path = REG, .text = RIG_NEW_REGISTRY },
                                         { .path = BOX, .type = POBACKUP_DIRECTORY },
                                         { .path = BOX "/1.MSG", .text = "new" } };
static const struct rig_item folder[] = { { .path = REG, .type = POBACKUP_DIRECTORY },
                                          { .path = BOX, .type = POBACKUP_DIRECTORY },
                                          { .path = BOX "/1.MSG", .text = "new" } };

static struct rig_archive archive;
static struct po_restore_options options;
static struct po_err err;

static void
setup(void)
{
    rig_enter();
    archive = (struct rig_archive){ 0 };
    options = (struct po_restore_options){ .threads = 1 };
    options.parts[PO_PART_REGISTRY] = true;
    options.parts[PO_PART_MAILBOX] = true;
    rig_write("site/" BOX "/1.MSG", "old");
}

static void
teardown(void)
{
    rig_close(&archive);
    rig_leave();
}

/* Refused for this reason, and the site is as it was. */
static void
assert_refused(const struct rig_item *items, size_t count, const char *reason)
{
    struct po_restore_result result = { 0 };
    struct po_host *host = NULL;
    char *before = rig_picture("site", NULL, true);
    char *after;
    enum po_status st;

    rig_make(&archive, items, count);
    ck_assert_msg(po_host_folder_open(&host, rig_at("site"), &err) == PO_OK, "%s", err.text);
    st = po_restore_run(archive.reader, host, &options, NULL, &result, &err);
    ck_assert_int_eq(st, PO_E_USAGE);
    ck_assert_msg(strstr(err.text, reason) != NULL, "%s", err.text);
    host->ops->free(host);
    after = rig_picture("site", NULL, true);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    po_restore_result_deinit(&result);
}

START_TEST(a_directory_in_the_archive_is_no_registry)
{
    rig_write("site/" REG, RIG_OLD_REGISTRY);
    assert_refused(folder, RIG_COUNT(folder), "registry: it is no file in the archive");
}
END_TEST

/* It is what the site had. */
START_TEST(a_directory_in_the_archive_is_no_damage_of_it)
{
    struct po_verify_result verified;

    rig_make(&archive, folder, RIG_COUNT(folder));
    ck_assert_msg(po_engine_verify(archive.reader, true, 1, NULL, &verified, &err) == PO_OK, "%s",
                  err.text);
    ck_assert(verified.is_registry_bad);
    po_verify_result_deinit(&verified);
}
END_TEST

START_TEST(a_directory_in_the_registrys_place_is_in_the_way)
{
    rig_write("site/" REG "/file", "x");
    assert_refused(whole, RIG_COUNT(whole), REG ": it is no file");
}
END_TEST

START_TEST(a_site_without_a_registry_has_no_place_for_it)
{
    rig_write("site/pobackup-site.ini", "[trees]\nregistry = none\n");
    assert_refused(whole, RIG_COUNT(whole), "registry: the site has no place for it");
}
END_TEST

START_TEST(patterns_that_match_nothing_are_refused)
{
    static const char *const patterns[] = { BOX "/none", "*.txt" };

    options.patterns = patterns;
    options.pattern_count = RIG_COUNT(patterns);
    rig_write("site/" REG, RIG_OLD_REGISTRY);
    assert_refused(whole, RIG_COUNT(whole), "nothing in the archive is to be restored");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("restore_reasons");
    TCase *tests = tcase_create("registry");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_directory_in_the_archive_is_no_registry);
    tcase_add_test(tests, a_directory_in_the_archive_is_no_damage_of_it);
    tcase_add_test(tests, a_directory_in_the_registrys_place_is_in_the_way);
    tcase_add_test(tests, a_site_without_a_registry_has_no_place_for_it);
    tcase_add_test(tests, patterns_that_match_nothing_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
