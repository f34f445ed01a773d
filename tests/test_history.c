/* The history of runs: what is written is read again, whatever a crash left, and it stays small. */
#include "base/text.h"
#include "engine/history.h"
#include "os_help.h"
#include "port/file.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SITE "folder:/srv/mail"
#define HOUR (INT64_C(36000000000))
#define NOON INT64_C(17640000000000000) /* in 2025 */

static char top[OS_PATH_SIZE];
static struct po_history *history;

static void
setup(void)
{
    os_temp_make(top, "history");
}

static void
teardown(void)
{
    po_history_free(history);
    history = NULL;
    os_temp_remove(top);
}

static const char *
file_path(const char *name)
{
    static char path[OS_PATH_SIZE + 32];

    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static void
load(void)
{
    struct po_err err;

    po_history_free(history);
    history = NULL;
    if (po_history_load(&history, top, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
append_max(const struct po_history_run *run, uint64_t size_max)
{
    struct po_err err;

    if (po_history_append(top, run, size_max, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
append(const struct po_history_run *run)
{
    append_max(run, PO_HISTORY_SIZE_MAX);
}

/* A complete backup of the site, whose archive has this number. */
static struct po_history_run
backup(const char *site, uint8_t number)
{
    struct po_history_run run = { .time = NOON + number * HOUR,
                                  .verb = "backup",
                                  .site = site,
                                  .outage_seconds = -1,
                                  .archive = "/backup/a.tar.zst",
                                  .has_archive_id = true,
                                  .created = NOON + number * HOUR,
                                  .archive_site = site,
                                  .is_complete = true,
                                  .check = PO_HISTORY_FRAMES,
                                  .is_whole = true };

    run.archive_id[0] = number;
    return run;
}

static struct po_history_run
verify(uint8_t number, enum po_history_check check, bool is_whole)
{
    struct po_history_run run = { .time = NOON + number * HOUR,
                                  .verb = "verify",
                                  .exit_code = is_whole ? 0 : 4,
                                  .outage_seconds = -1,
                                  .archive = "/elsewhere/a.tar.zst",
                                  .has_archive_id = true,
                                  .created = POBACKUP_TIME_UNKNOWN,
                                  .check = check,
                                  .is_whole = is_whole };

    run.archive_id[0] = number;
    return run;
}

static const struct po_history_run *
at(size_t number)
{
    ck_assert_uint_lt(number, po_history_count(history));
    return po_history_at(history, number);
}

static void
write_file(const char *text)
{
    os_write(file_path(PO_HISTORY_NAME), text, strlen(text));
}

/* ---- lines ---- */

START_TEST(without_a_file_or_a_directory_there_are_no_runs)
{
    struct po_err err;

    load();
    ck_assert_uint_eq(po_history_count(history), 0);
    ck_assert_ptr_null(po_history_last_backup(history, SITE));
    ck_assert_ptr_null(po_history_last_verified(history, SITE));
    po_history_free(history);
    history = NULL;
    ck_assert_int_eq(po_history_load(&history, file_path("none"), &err), PO_OK);
    ck_assert_uint_eq(po_history_count(history), 0);
}
END_TEST

START_TEST(a_run_is_read_as_it_was_written)
{
    struct po_history_run run = backup("folder:/srv/\xFF\"\\\n", 7);
    const struct po_history_run *got;

    run.exit_code = 5;
    run.seconds = 12.345;
    run.outage_seconds = 0;
    run.files = 123456;
    run.part_files[PO_PART_SPOOL] = 3;
    run.excluded = 17;
    run.part_files[PO_PART_MAILBOX] = 123000;
    run.bytes = UINT64_C(5000000000000);
    run.archive = "C:\\Backup\\\xE9\x83\xB5\x1B.tar.zst";
    run.archive_bytes = 999;
    run.digest[31] = 0xAB;
    run.has_free = true;
    run.free_bytes = 0;
    run.untold = "\"mail\": J\xC3\xBCrgen";
    append(&run);
    load();
    ck_assert_uint_eq(po_history_count(history), 1);
    got = at(0);
    ck_assert_int_eq(got->time, run.time);
    ck_assert_str_eq(got->verb, "backup");
    ck_assert_str_eq(got->site, run.site);
    ck_assert_str_eq(got->archive_site, run.site);
    ck_assert_str_eq(got->archive, run.archive);
    ck_assert_int_eq(got->exit_code, 5);
    ck_assert_double_eq_tol(got->seconds, 12.345, 0.001);
    ck_assert_double_eq(got->outage_seconds, 0);
    ck_assert_uint_eq(got->files, run.files);
    ck_assert_uint_eq(got->excluded, 17);
    ck_assert_mem_eq(got->part_files, run.part_files, sizeof run.part_files);
    ck_assert_uint_eq(got->bytes, run.bytes);
    ck_assert_uint_eq(got->archive_bytes, 999);
    ck_assert(got->has_archive_id);
    ck_assert_mem_eq(got->archive_id, run.archive_id, PO_ID_SIZE);
    ck_assert_mem_eq(got->digest, run.digest, PO_DIGEST_SIZE);
    ck_assert_int_eq(got->created, run.created);
    ck_assert(got->is_complete && got->is_whole);
    ck_assert_int_eq(got->check, PO_HISTORY_FRAMES);
    ck_assert_str_eq(got->untold, "\"mail\": J\xC3\xBCrgen");
    ck_assert(got->has_free);
    ck_assert_uint_eq(got->free_bytes, 0);
}
END_TEST

START_TEST(what_is_not_known_stays_unknown)
{
    struct po_history_run run = {
        .time = NOON, .verb = "undo", .created = POBACKUP_TIME_UNKNOWN, .outage_seconds = -1
    };

    append(&run);
    load();
    ck_assert_ptr_null(at(0)->site);
    ck_assert_ptr_null(at(0)->archive);
    ck_assert_ptr_null(at(0)->archive_site);
    ck_assert(!at(0)->has_archive_id && !at(0)->has_free && !at(0)->is_complete);
    ck_assert_int_eq(at(0)->created, POBACKUP_TIME_UNKNOWN);
    ck_assert_double_lt(at(0)->outage_seconds, 0);
    ck_assert_int_eq(at(0)->check, PO_HISTORY_UNCHECKED);
}
END_TEST

/* A newer version may write more, and say what is there already in another way. */
START_TEST(unknown_fields_and_values_are_passed_over)
{
    write_file(
        "{\"time\":\"2026-11-24T02:00:00.0000000Z\",\"verb\":\"drill\",\"moon\":{\"full\":[1]},"
        "\"check\":\"thorough\",\"whole\":true,\"exit_code\":\"none\",\"bytes\":-1,"
        "\"files\":1e3,\"archive_id\":\"12\",\"site\":7}\n");
    load();
    ck_assert_uint_eq(po_history_count(history), 1);
    ck_assert_str_eq(at(0)->verb, "drill");
    ck_assert_int_eq(at(0)->check, PO_HISTORY_UNCHECKED);
    ck_assert(!at(0)->is_whole && !at(0)->has_archive_id);
    ck_assert_int_eq(at(0)->exit_code, -1);
    ck_assert_uint_eq(at(0)->bytes, 0);
    ck_assert_uint_eq(at(0)->files, 0);
    ck_assert_ptr_null(at(0)->site);
}
END_TEST

START_TEST(a_time_is_utc_to_100_ns)
{
    int64_t time = 0;

    write_file("{\"time\":\"2026-11-24T02:00:00.1234567Z\",\"verb\":\"verify\"}\n"
               "{\"time\":\"2026-11-24 02:00\",\"verb\":\"verify\"}\n{\"verb\":\"verify\"}\n"
               "{\"time\":\"2026-11-24T02:00:00.1234567Z\"}\n");
    load();
    ck_assert_uint_eq(po_history_count(history), 1);
    ck_assert(po_text_parse_time("2026-11-24T02:00:00.1234567Z", &time));
    ck_assert_int_eq(at(0)->time, time);
}
END_TEST

START_TEST(lines_that_are_no_records_are_passed_over)
{
    static const char text[] = "\n{}\nnonsense\n[1]\n{\"time\":\"2026-11-24T02:00:00.0000000Z\",\n"
                               "{\"time\":\"2026-11-24T02:00:00.0000000Z\",\"verb\":\"a\"}\n"
                               "\0\0\0\n{\"verb\":\"\0\"}\n"
                               "{\"time\":\"2026-11-24T02:00:00.0000000Z\",\"verb\":\"b\"}\n";

    os_write(file_path(PO_HISTORY_NAME), text, sizeof text - 1);
    load();
    ck_assert_uint_eq(po_history_count(history), 2);
    ck_assert_str_eq(at(0)->verb, "a");
    ck_assert_str_eq(at(1)->verb, "b");
}
END_TEST

/* ---- a crash ---- */

START_TEST(a_line_cut_off_anywhere_is_no_run_and_hurts_none)
{
    struct po_history_run first = backup(SITE, 1);
    struct po_history_run second = backup(SITE, 2);
    struct po_history_run third = backup(SITE, 3);
    uint64_t one;
    uint64_t two;

    append(&first);
    one = os_stat(file_path(PO_HISTORY_NAME)).size;
    append(&second);
    two = os_stat(file_path(PO_HISTORY_NAME)).size;
    for (uint64_t size = two - 1; size >= one; size--) {
        ck_assert(os_set_size(file_path(PO_HISTORY_NAME), size));
        load();
        ck_assert_uint_eq(po_history_count(history), 1);
    }
    for (uint64_t size = one; size < two; size += 37) {
        append(&second);
        ck_assert(os_set_size(file_path(PO_HISTORY_NAME), size));
        append(&third);
        load();
        ck_assert_uint_eq(po_history_count(history), 2);
        ck_assert_uint_eq(at(0)->archive_id[0], 1);
        ck_assert_uint_eq(at(1)->archive_id[0], 3);
        ck_assert(os_set_size(file_path(PO_HISTORY_NAME), one));
    }
}
END_TEST

/* What some file systems leave after a power cut. */
START_TEST(zeros_at_the_end_are_no_run_and_hurt_none)
{
    struct po_history_run run = backup(SITE, 1);

    append(&run);
    ck_assert(
        os_set_size(file_path(PO_HISTORY_NAME), os_stat(file_path(PO_HISTORY_NAME)).size + 500));
    append(&run);
    load();
    ck_assert_uint_eq(po_history_count(history), 2);
}
END_TEST

START_TEST(a_rewriting_that_was_cut_off_is_done_again)
{
    struct po_history_run run = backup(SITE, 1);

    os_write(file_path(PO_HISTORY_NAME ".new"), "{\"ti", 5);
    append(&run);
    append_max(&run, 1);
    load();
    ck_assert_uint_eq(po_history_count(history), 2);
    ck_assert(!os_exists(file_path(PO_HISTORY_NAME ".new")));
}
END_TEST

/* ---- size ---- */

START_TEST(the_older_half_goes_when_the_file_has_grown)
{
    struct po_history_run run = {
        .verb = "after-reboot", .site = SITE, .created = POBACKUP_TIME_UNKNOWN, .outage_seconds = -1
    };
    size_t least = 1000;

    for (int i = 0; i < 200; i++) {
        run.time = NOON + i * HOUR;
        append_max(&run, 4000);
        ck_assert_uint_le(os_stat(file_path(PO_HISTORY_NAME)).size, 4000);
        load();
        ck_assert_int_eq(at(po_history_count(history) - 1)->time, run.time);
        if (i > 100 && po_history_count(history) < least)
            least = po_history_count(history);
    }
    ck_assert_uint_ge(least, 10);
    for (size_t i = 1; i < po_history_count(history); i++)
        ck_assert_int_eq(at(i)->time, at(i - 1)->time + HOUR);
}
END_TEST

START_TEST(the_last_backup_and_the_last_verified_one_of_each_site_stay)
{
    struct po_history_run first = backup(SITE, 1);
    struct po_history_run checked = verify(1, PO_HISTORY_DEEP, true);
    struct po_history_run second = backup(SITE, 2);
    struct po_history_run other = backup("windows:key", 3);
    struct po_history_run noise = verify(9, PO_HISTORY_QUICK, true);

    append(&first);
    append(&checked);
    append(&second);
    append(&other);
    for (int i = 0; i < 100; i++)
        append_max(&noise, 4000);
    load();
    ck_assert_uint_lt(po_history_count(history), 30);
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 2);
    ck_assert_uint_eq(po_history_last_verified(history, SITE)->archive_id[0], 1);
    ck_assert_uint_eq(po_history_last_backup(history, "windows:key")->archive_id[0], 3);
}
END_TEST

/* ---- questions ---- */

START_TEST(the_last_good_backup_has_all_and_is_of_the_site)
{
    struct po_history_run good = backup(SITE, 1);
    struct po_history_run partly = backup(SITE, 2);
    struct po_history_run failed = { .time = NOON,
                                     .verb = "backup",
                                     .site = SITE,
                                     .exit_code = 2,
                                     .created = POBACKUP_TIME_UNKNOWN,
                                     .outage_seconds = -1 };
    struct po_history_run other = backup("folder:/srv/other", 3);

    partly.is_complete = false;
    append(&good);
    append(&partly);
    append(&failed);
    append(&other);
    load();
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 1);
    ck_assert_ptr_null(po_history_last_backup(history, "folder:/srv"));
    ck_assert(po_history_is_of(at(2), SITE));
    ck_assert(!po_history_is_of(at(3), SITE));
}
END_TEST

START_TEST(what_was_made_before_an_upgrade_is_a_backup)
{
    struct po_history_run one = backup(SITE, 1);
    struct po_history_run two = backup(SITE, 2);
    struct po_history_run deep = verify(2, PO_HISTORY_DEEP, true);
    struct po_history_run made_of = backup(NULL, 3);

    two.verb = "pre-upgrade";
    append(&one);
    append(&two);
    append(&deep);
    made_of.verb = "consolidate";
    made_of.archive_site = SITE;
    append(&made_of); /* of a backup that is known itself */
    load();
    ck_assert_ptr_eq(po_history_last_backup(history, SITE), at(1));
    ck_assert_str_eq(at(2)->archive_site, SITE);
    ck_assert_ptr_eq(po_history_last_verified(history, SITE), at(2));
}
END_TEST

START_TEST(good_backups_are_told_from_the_newest_on_and_what_was_made_of_them)
{
    struct po_history_run one = backup(SITE, 1);
    struct po_history_run two = backup(SITE, 2);
    struct po_history_run damage = verify(2, PO_HISTORY_DEEP, false);
    struct po_history_run made = backup(NULL, 3);
    struct po_history_run three = backup(SITE, 4);
    size_t before;

    append(&one);
    append(&two);
    append(&damage);
    made.verb = "consolidate";
    made.archive_site = SITE;
    made.created = one.created;
    append(&made);
    append(&three);
    load();
    before = po_history_count(history);
    ck_assert_ptr_eq(po_history_backup_before(history, SITE, &before), at(4));
    ck_assert_ptr_eq(po_history_backup_before(history, SITE, &before), at(0));
    ck_assert_ptr_null(po_history_backup_before(history, SITE, &before));
    ck_assert(po_history_is_made_of(history, at(3), at(0)));
    ck_assert(!po_history_is_made_of(history, at(3), at(1)));
    ck_assert(!po_history_is_made_of(history, at(1), at(1)));
}
END_TEST

START_TEST(a_verification_is_of_the_site_whose_backup_it_looked_at)
{
    struct po_history_run one = backup(SITE, 1);
    struct po_history_run two = backup(SITE, 2);
    struct po_history_run quick = verify(2, PO_HISTORY_QUICK, true);
    struct po_history_run deep = verify(1, PO_HISTORY_DEEP, true);
    struct po_history_run foreign = verify(9, PO_HISTORY_DEEP, true);

    append(&one);
    append(&two);
    append(&quick);
    load();
    ck_assert_ptr_null(po_history_last_verified(history, SITE)); /* nobody looked deeply */
    append(&deep);
    append(&foreign);
    load();
    ck_assert_ptr_eq(po_history_last_verified(history, SITE), at(3));
    ck_assert_str_eq(at(2)->archive_site, SITE);
    ck_assert_ptr_null(at(4)->archive_site);
    ck_assert(po_history_is_of(at(3), SITE) && !po_history_is_of(at(4), SITE));
}
END_TEST

START_TEST(a_backup_found_damaged_is_not_good_until_it_is_found_whole_again)
{
    struct po_history_run one = backup(SITE, 1);
    struct po_history_run two = backup(SITE, 2);
    struct po_history_run run;

    append(&one);
    append(&two);
    for (uint8_t i = 1; i <= 2; i++) {
        run = verify(i, PO_HISTORY_DEEP, true);
        append(&run);
    }
    run = verify(2, PO_HISTORY_QUICK, false);
    append(&run);
    load();
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 1);
    ck_assert_uint_eq(po_history_last_verified(history, SITE)->archive_id[0], 1);
    run = verify(2, PO_HISTORY_DEEP, true);
    append(&run);
    load();
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 2);
    ck_assert_uint_eq(po_history_last_verified(history, SITE)->archive_id[0], 2);
}
END_TEST

/* Its trailer is gone, and the id with it. */
START_TEST(a_backup_that_cannot_be_opened_any_more_is_known_by_its_place)
{
    struct po_history_run one = backup(SITE, 1);
    struct po_history_run bad = verify(0, PO_HISTORY_DEEP, false);

    bad.has_archive_id = false;
    append(&one);
    append(&bad);
    load();
    ck_assert_ptr_nonnull(po_history_last_backup(history, SITE)); /* another file */
    bad.archive = one.archive;
    append(&bad);
    load();
    ck_assert_ptr_null(po_history_last_backup(history, SITE));
    ck_assert(po_history_is_of(at(2), SITE));
    one = backup(SITE, 2); /* at the same place */
    one.check = PO_HISTORY_UNCHECKED;
    append(&one);
    load();
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 2);
    append(&bad);
    one.verb = "pre-upgrade";
    one.archive_id[0] = 3;
    append(&one);
    load();
    ck_assert_uint_eq(po_history_last_backup(history, SITE)->archive_id[0], 3);
}
END_TEST

START_TEST(an_age_is_told_in_seconds_to_days)
{
    static const struct {
        int64_t age;
        const char *text;
    } ages[] = { { 90 * INT64_C(10000000), "1 min 30 s ago" },
                 { 5 * HOUR, "5 h 00 min ago" },
                 { 47 * HOUR, "47 h 00 min ago" },
                 { 84 * HOUR, "3.5 days ago" },
                 { -1, "in the future" } };
    struct po_buf text = { 0 };

    for (size_t i = 0; i < COUNT(ages); i++) {
        po_buf_clear(&text);
        po_history_put_age(&text, NOON - ages[i].age, NOON);
        ck_assert_str_eq(po_buf_text(&text), ages[i].text);
    }
    po_buf_deinit(&text);
}
END_TEST

/* ---- failures ---- */

START_TEST(without_the_directory_nothing_is_written)
{
    struct po_history_run run = backup(SITE, 1);
    struct po_err err;

    ck_assert_int_eq(po_history_append(file_path("none"), &run, PO_HISTORY_SIZE_MAX, &err),
                     PO_E_IO);
    ck_assert_int_eq(strncmp(err.text, "history: ", 9), 0);
    ck_assert(!os_exists(file_path("none")));
}
END_TEST

START_TEST(what_is_no_file_is_told)
{
    struct po_history_run run = backup(SITE, 1);
    struct po_err err;

    ck_assert_int_eq(mkdir(file_path(PO_HISTORY_NAME), 0755), 0);
    ck_assert_int_eq(po_history_append(top, &run, PO_HISTORY_SIZE_MAX, &err), PO_E_IO);
    ck_assert_int_eq(po_history_load(&history, top, &err), PO_E_IO);
    ck_assert_ptr_null(history);
}
END_TEST

static Suite *
history_suite(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_a_file_or_a_directory_there_are_no_runs);
    tcase_add_test(tc, a_run_is_read_as_it_was_written);
    tcase_add_test(tc, what_is_not_known_stays_unknown);
    tcase_add_test(tc, unknown_fields_and_values_are_passed_over);
    tcase_add_test(tc, a_time_is_utc_to_100_ns);
    tcase_add_test(tc, lines_that_are_no_records_are_passed_over);
    tcase_add_test(tc, a_line_cut_off_anywhere_is_no_run_and_hurts_none);
    tcase_add_test(tc, zeros_at_the_end_are_no_run_and_hurt_none);
    tcase_add_test(tc, a_rewriting_that_was_cut_off_is_done_again);
    tcase_add_test(tc, the_older_half_goes_when_the_file_has_grown);
    tcase_add_test(tc, the_last_backup_and_the_last_verified_one_of_each_site_stay);
    tcase_add_test(tc, the_last_good_backup_has_all_and_is_of_the_site);
    tcase_add_test(tc, a_verification_is_of_the_site_whose_backup_it_looked_at);
    tcase_add_test(tc, what_was_made_before_an_upgrade_is_a_backup);
    tcase_add_test(tc, good_backups_are_told_from_the_newest_on_and_what_was_made_of_them);
    tcase_add_test(tc, a_backup_found_damaged_is_not_good_until_it_is_found_whole_again);
    tcase_add_test(tc, a_backup_that_cannot_be_opened_any_more_is_known_by_its_place);
    tcase_add_test(tc, an_age_is_told_in_seconds_to_days);
    tcase_add_test(tc, without_the_directory_nothing_is_written);
    tcase_add_test(tc, what_is_no_file_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(history_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
