/*
 * req: R1, K1: what doctor tells of backups that were made, of the room that is left for more and
 * for a restore, and of others at work.
 */
#include "base/buf.h"
#include "engine/doctor.h"
#include "host/host.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"

#define REG "Post.OfficeRegKeyBackup.reg"
#define REG_TEXT                                                                                   \
    "Windows Registry Editor Version 5.00\r\n\r\n"                                                 \
    "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"A\"=\"1\"\r\n"
#define BIN "Post.OfficeexeBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"
#define HOUR (INT64_C(36000000000))
#define GIB (UINT64_C(1) << 30)

static char top[OS_PATH_SIZE]; /* holds "site", "state" and "target" */
static struct po_host *host;
static struct po_history *history;
static struct po_buf texts; /* "STATE id: text" of what has one of the ids asked for */
static int64_t now;

static const char *
at(const char *path)
{
    static char names[8][512];
    static unsigned next;
    char *name = names[next++ % 8];

    ck_assert_int_lt(snprintf(name, sizeof names[0], "%s/%s", top, path), (int)sizeof names[0]);
    return name;
}

static void
put_file(const char *path, const char *content)
{
    os_write(at(path), content, strlen(content));
}

static void
setup(void)
{
    static const char *const directories[] = { "site",
                                               "state",
                                               "target",
                                               "site/" BIN,
                                               "site/" SPOOL,
                                               "site/" BOX,
                                               "site/" SPOOL "/control",
                                               "site/" SPOOL "/messages" };
    struct po_err err;

    os_temp_make(top, "doctor-history");
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        ck_assert_int_eq(mkdir(at(directories[i]), 0755), 0);
    put_file("site/" REG, REG_TEXT);
    put_file("site/" BOX "/mail", "From:");
    if (po_host_folder_open(&host, at("site"), &err) != PO_OK)
        ck_abort_msg("%s", err.text);
    now = po_sys_now();
}

static void
teardown(void)
{
    po_history_free(history);
    history = NULL;
    host->ops->free(host);
    host = NULL;
    os_temp_remove(top);
    po_buf_deinit(&texts);
}

/* ---- the past ---- */

static void
append(const struct po_history_run *run)
{
    struct po_err err;

    if (po_history_append(at("state"), run, PO_HISTORY_SIZE_MAX, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

/* A complete backup so many hours ago, whose archive is target/NUMBER. */
static struct po_history_run
backup(int hours_ago, uint8_t number, uint64_t free_bytes)
{
    static char path[OS_PATH_SIZE + 64];
    struct po_history_run run = { .time = now - hours_ago * HOUR + HOUR / 60,
                                  .verb = "backup",
                                  .site = host->ops->identity(host),
                                  .archive_site = host->ops->identity(host),
                                  .outage_seconds = -1,
                                  .archive = path,
                                  .has_archive_id = true,
                                  .archive_bytes = 1000,
                                  .created = now - hours_ago * HOUR,
                                  .is_complete = true,
                                  .check = PO_HISTORY_FRAMES,
                                  .is_whole = true,
                                  .has_free = true,
                                  .free_bytes = free_bytes };

    (void)snprintf(path, sizeof path, "%s/target/%u", top, number);
    run.archive_id[0] = number;
    return run;
}

static void
add_backup(int hours_ago, uint8_t number, uint64_t free_bytes)
{
    struct po_history_run run = backup(hours_ago, number, free_bytes);

    append(&run);
}

/* Of one that was made 5 hours ago. */
static void
add_verification(int hours_ago, uint8_t number, bool is_whole)
{
    struct po_history_run run = backup(5, number, 0);

    run.verb = "verify";
    run.site = NULL;
    run.archive_site = NULL;
    run.time = now - hours_ago * HOUR;
    run.check = PO_HISTORY_DEEP;
    run.is_whole = is_whole;
    run.has_free = false;
    append(&run);
}

/* ---- the check ---- */

static void
on_check(void *ctx, enum po_check_state state, const char *id, const char *text)
{
    static const char *const names[] = { "GOOD", "NOTE", "WARNING", "BAD" };

    if (strstr(ctx, id) != NULL)
        po_buf_printf(&texts, "%s %s: %s\n", names[state], id, text);
}

static void
run_with(const struct po_doctor_options *options, const char *ids)
{
    char wanted[64];
    enum po_check_state worst;
    struct po_err err;

    (void)snprintf(wanted, sizeof wanted, "%s", ids);
    po_buf_clear(&texts);
    if (po_doctor_run(host, options, on_check, wanted, &worst, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
run(const char *ids)
{
    struct po_doctor_options options = { .now = now };
    struct po_err err;

    po_history_free(history);
    history = NULL;
    ck_assert_int_eq(po_history_load(&history, at("state"), &err), PO_OK);
    options.history = history;
    run_with(&options, ids);
}

static void
assert_text(const char *part)
{
    if (strstr(po_buf_text(&texts), part) == NULL)
        ck_abort_msg("not told: %s\nbut:\n%s", part, po_buf_text(&texts));
}

/* ---- backup, verified, uninstall ---- */

START_TEST(without_a_history_nothing_is_said_of_backups)
{
    run_with(&(struct po_doctor_options){ 0 }, "backup verified uninstall trend lock pending");
    ck_assert_str_eq(po_buf_text(&texts), "");
}
END_TEST

START_TEST(no_backup_is_warned_of_once)
{
    run("backup verified uninstall trend");
    ck_assert_str_eq(po_buf_text(&texts),
                     "WARNING backup: none of this site is known on this machine\n"
                     "NOTE uninstall: it would delete all accounts; spool and mailbox stay, but "
                     "are no backup without the registry: verify a backup before it\n");
}
END_TEST

START_TEST(a_fresh_backup_is_good_and_one_that_nobody_read_is_warned_of)
{
    add_backup(5, 1, GIB);
    run("backup verified");
    assert_text("GOOD backup: ");
    assert_text("/target/1, made 5 h 00 min ago\n");
    assert_text("WARNING verified: no backup of this site was ever read back here");
}
END_TEST

START_TEST(a_backup_is_old_after_25_hours)
{
    add_backup(25, 1, GIB);
    run("backup");
    assert_text("GOOD backup: ");
    now += HOUR / 60;
    run("backup");
    assert_text("WARNING backup: the last good one is older than 25 hours: ");
    now += 72 * HOUR;
    run("backup");
    assert_text("made 4.0 days ago\n");
}
END_TEST

START_TEST(a_backup_of_the_future_is_warned_of)
{
    add_backup(-30, 1, GIB);
    run("backup");
    assert_text("WARNING backup: the clock has been set back, or was wrong then: ");
}
END_TEST

START_TEST(a_failure_after_the_last_good_backup_is_warned_of)
{
    struct po_history_run failed = { .time = now,
                                     .verb = "backup",
                                     .site = host->ops->identity(host),
                                     .exit_code = 2,
                                     .created = POBACKUP_TIME_UNKNOWN,
                                     .outage_seconds = -1 };

    add_backup(5, 1, GIB);
    append(&failed);
    run("backup");
    assert_text("WARNING backup: the last run ended with exit code 2; the last good one is ");
    add_backup(1, 2, GIB);
    run("backup");
    assert_text("GOOD backup: ");
}
END_TEST

START_TEST(only_failures_are_not_the_same_as_nothing)
{
    struct po_history_run partly = backup(3, 1, GIB);

    partly.is_complete = false;
    partly.exit_code = 1;
    append(&partly);
    run("backup");
    assert_text("WARNING backup: none of this site that is known here is whole");
}
END_TEST

/* req: K1 */
START_TEST(a_verified_backup_is_good_for_an_uninstall_until_it_is_damaged)
{
    add_backup(5, 1, GIB);
    add_verification(2, 1, true);
    run("verified uninstall");
    assert_text("GOOD verified: ");
    assert_text("made 5 h 00 min ago, verified 2 h 00 min ago\n");
    assert_text("GOOD uninstall: it would delete all accounts;");
    add_verification(1, 1, false);
    run("backup verified uninstall");
    assert_text("WARNING backup: none of this site that is known here is whole");
    assert_text("NOTE uninstall: ");
}
END_TEST

START_TEST(a_site_without_a_registry_has_no_product_to_uninstall)
{
    struct po_err err;

    put_file("site/pobackup-site.ini", "[trees]\nregistry = none\n");
    host->ops->free(host);
    ck_assert_int_eq(po_host_folder_open(&host, at("site"), &err), PO_OK);
    run("uninstall");
    ck_assert_str_eq(po_buf_text(&texts), "");
}
END_TEST

/* ---- trend ---- */

START_TEST(two_backups_are_no_trend)
{
    add_backup(48, 1, 4 * GIB);
    add_backup(24, 2, GIB);
    run("trend");
    ck_assert_str_eq(po_buf_text(&texts), "");
}
END_TEST

START_TEST(room_that_shrinks_is_told_and_warned_of_when_there_is_little)
{
    for (uint8_t i = 0; i < 10; i++)
        add_backup(24 * (10 - i), i, (40 - i) * GIB);
    run("trend");
    assert_text("GOOD trend: 31 GiB free in ");
    assert_text("/target, 1 GiB less with each of the last 10 backups: full after about 31 "
                "more\n");
    for (uint8_t i = 10; i < 30; i++)
        add_backup(0, i, (40 - i) * GIB);
    run("trend");
    assert_text("WARNING trend: 11 GiB free in ");
    assert_text("full after about 11 more\n");
}
END_TEST

/* Old archives are removed, now and then. */
START_TEST(room_that_comes_back_is_no_loss)
{
    static const uint64_t gib[] = { 20, 19, 18, 20, 19, 18, 20, 20 };

    for (uint8_t i = 0; i < 8; i++)
        add_backup(24 * (8 - i), i, gib[i] * GIB);
    run("trend");
    assert_text("GOOD trend: 20 GiB free in ");
    assert_text("and no less than 7 backups ago\n");
}
END_TEST

START_TEST(only_backups_into_the_same_directory_are_a_trend)
{
    for (uint8_t i = 0; i < 6; i++) {
        struct po_history_run run = backup(24, i, (i % 2 == 0 ? 100 - i : 9 - i) * GIB);

        if (i % 2 == 0)
            run.archive = "/elsewhere/a.tar.zst";
        append(&run);
    }
    run("trend");
    assert_text("WARNING trend: 4 GiB free in ");
    assert_text("2 GiB less with each of the last 3 backups: full after about 2 more\n");
}
END_TEST

START_TEST(less_room_than_the_last_backup_took_is_warned_of)
{
    for (uint8_t i = 0; i < 3; i++)
        add_backup(24, i, 999);
    run("trend");
    assert_text("WARNING trend: 999 B free in ");
    assert_text("the next may not fit\n");
}
END_TEST

/* ---- target, disk, product, lock ---- */

START_TEST(the_place_of_the_last_good_backup_is_checked_when_none_is_named)
{
    add_backup(5, 1, GIB);
    run("target");
    assert_text("GOOD target: ");
    assert_text("/target can be written to\n");
    ck_assert_uint_eq(os_count(at("target")), 0);
    os_remove(at("target"));
    run("target space volume");
    assert_text("WARNING target: ");
    assert_text("/target, where the last good backup went, is not there\n");
    ck_assert(strstr(po_buf_text(&texts), "space") == NULL);
}
END_TEST

START_TEST(a_backup_to_standard_output_has_no_place)
{
    struct po_history_run run_of = backup(5, 1, GIB);

    run_of.archive = "-";
    append(&run_of);
    run("target backup");
    assert_text("GOOD backup: written to standard output, made 5 h 00 min ago\n");
    ck_assert(strstr(po_buf_text(&texts), "target: ") == NULL);
}
END_TEST

START_TEST(space_for_a_restore_is_told_once_a_volume)
{
    run_with(&(struct po_doctor_options){ 0 }, "disk");
    assert_text("GOOD disk: spool and mailbox: ");
    assert_text("a restore of as much as is there now needs 5 B beside it\n");
}
END_TEST

START_TEST(the_program_is_looked_for_in_bin)
{
    struct po_host_ops windows = *host->ops;
    const struct po_host_ops *folder = host->ops;

    run_with(&(struct po_doctor_options){ 0 }, "product");
    ck_assert_str_eq(po_buf_text(&texts), ""); /* a folder site may be of another product */
    windows.kind = "windows";
    host->ops = &windows;
    run_with(&(struct po_doctor_options){ 0 }, "product");
    host->ops = folder;
    assert_text("WARNING product: no Post.Office.exe in ");
    put_file("site/" BIN "/post.office.EXE", "MZ");
    run_with(&(struct po_doctor_options){ 0 }, "product");
    assert_text("GOOD product: Post.Office.exe is in ");
}
END_TEST

START_TEST(another_job_is_told_and_no_lock_is_made)
{
    struct po_doctor_options options = { .lock_path = at("state/lock") };
    struct po_lock *lock = NULL;
    struct po_err err;

    run_with(&options, "lock");
    assert_text("GOOD lock: ");
    ck_assert(!os_exists(at("state/lock")));
    ck_assert_int_eq(po_lock_take(&lock, at("state/lock"), &err), PO_OK);
    run_with(&options, "lock");
    assert_text("NOTE lock: another pobackup is working on this site just now\n");
    po_lock_free(lock);
    lock = NULL;
    run_with(&options, "lock");
    assert_text("GOOD lock: ");
    ck_assert_int_eq(po_lock_take(&lock, at("state/lock"), &err), PO_OK);
    ck_assert_ptr_nonnull(lock); /* it was let go */
    po_lock_free(lock);
}
END_TEST

START_TEST(journals_that_cannot_be_read_are_bad_and_none_are_good)
{
    run_with(&(struct po_doctor_options){ .journal_dir = at("state/none") }, "pending");
    assert_text("GOOD pending: no restore was interrupted\n");
    ck_assert_int_eq(mkdir(at("state/j"), 0755), 0);
    ck_assert_int_eq(mkdir(at("state/j/20261124T020000Z"), 0755), 0);
    put_file("state/j/20261124T020000Z/journal", "of another kind");
    run_with(&(struct po_doctor_options){ .journal_dir = at("state/j") }, "pending");
    assert_text("BAD pending: whether a restore was interrupted cannot be told: ");
}
END_TEST

static Suite *
doctor_suite(void)
{
    Suite *suite = suite_create("doctor_history");
    TCase *tc = tcase_create("history");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_a_history_nothing_is_said_of_backups);
    tcase_add_test(tc, no_backup_is_warned_of_once);
    tcase_add_test(tc, a_fresh_backup_is_good_and_one_that_nobody_read_is_warned_of);
    tcase_add_test(tc, a_backup_is_old_after_25_hours);
    tcase_add_test(tc, a_backup_of_the_future_is_warned_of);
    tcase_add_test(tc, a_failure_after_the_last_good_backup_is_warned_of);
    tcase_add_test(tc, only_failures_are_not_the_same_as_nothing);
    tcase_add_test(tc, a_verified_backup_is_good_for_an_uninstall_until_it_is_damaged);
    tcase_add_test(tc, a_site_without_a_registry_has_no_product_to_uninstall);
    tcase_add_test(tc, two_backups_are_no_trend);
    tcase_add_test(tc, room_that_shrinks_is_told_and_warned_of_when_there_is_little);
    tcase_add_test(tc, room_that_comes_back_is_no_loss);
    tcase_add_test(tc, only_backups_into_the_same_directory_are_a_trend);
    tcase_add_test(tc, less_room_than_the_last_backup_took_is_warned_of);
    tcase_add_test(tc, the_place_of_the_last_good_backup_is_checked_when_none_is_named);
    tcase_add_test(tc, a_backup_to_standard_output_has_no_place);
    tcase_add_test(tc, space_for_a_restore_is_told_once_a_volume);
    tcase_add_test(tc, the_program_is_looked_for_in_bin);
    tcase_add_test(tc, another_job_is_told_and_no_lock_is_made);
    tcase_add_test(tc, journals_that_cannot_be_read_are_bad_and_none_are_good);
    suite_add_tcase(suite, tc);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(doctor_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
