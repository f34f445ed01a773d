/* The metrics file: values, labels, and what stays of the old one. */
#include "cli/cli_metrics.h"

#include "archive/entry.h"
#include "os_help.h"

static struct po_buf out;
static struct po_err err;

static void
setup(void)
{
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    po_buf_deinit(&out);
}

static struct po_cli_metrics_run
run_of(const char *verb, const char *site, int64_t seconds, int exit_code)
{
    return (struct po_cli_metrics_run){ .verb = verb,
                                        .site = site,
                                        .time = seconds * 10000000,
                                        .exit_code = exit_code,
                                        .seconds = 1.5 };
}

/* The file after the run becomes `out`. */
static void
merge(const struct po_cli_metrics_run *run)
{
    struct po_buf new = { 0 };

    ck_assert_int_eq(po_cli_metrics_merge(&new, out.bytes, out.size, run, &err), PO_OK);
    po_buf_deinit(&out);
    out = new;
}

static bool
has(const char *line)
{
    const char *found = strstr(po_buf_text(&out), line);

    return found != NULL && (found == po_buf_text(&out) || found[-1] == '\n') &&
           found[strlen(line)] == '\n';
}

static unsigned
count(const char *text)
{
    unsigned found = 0;

    for (const char *at = po_buf_text(&out); (at = strstr(at, text)) != NULL; at++)
        found++;
    return found;
}

START_TEST(a_run_has_its_values_each_with_help_and_type)
{
    struct po_cli_metrics_run run = run_of("backup", "folder:/srv", 1800000000, 0);
    json_t *document =
        json_pack("{s:i, s:I, s:i, s:f}", "files", 36, "bytes", (json_int_t)5000000000,
                  "archive_bytes", 7, "outage_seconds", 0.2504);

    run.document = document;
    merge(&run);
    json_decref(document);
    ck_assert(has("# HELP pobackup_last_run_success 1 when its exit code was 0, else 0."));
    ck_assert(has("# TYPE pobackup_last_run_success gauge"));
    ck_assert(has("pobackup_last_run_timestamp_seconds{verb=\"backup\",site=\"folder:/srv\"} "
                  "1800000000"));
    ck_assert(has("pobackup_last_run_success{verb=\"backup\",site=\"folder:/srv\"} 1"));
    ck_assert(has("pobackup_last_run_exit_code{verb=\"backup\",site=\"folder:/srv\"} 0"));
    ck_assert(has("pobackup_last_run_duration_seconds{verb=\"backup\",site=\"folder:/srv\"} "
                  "1.500"));
    ck_assert(has("pobackup_last_run_outage_seconds{verb=\"backup\",site=\"folder:/srv\"} 0.250"));
    ck_assert(has("pobackup_last_run_files{verb=\"backup\",site=\"folder:/srv\"} 36"));
    ck_assert(has("pobackup_last_run_bytes{verb=\"backup\",site=\"folder:/srv\"} 5000000000"));
    ck_assert(has("pobackup_last_run_archive_bytes{verb=\"backup\",site=\"folder:/srv\"} 7"));
    ck_assert(has("pobackup_last_success_timestamp_seconds{verb=\"backup\",site=\"folder:/srv\"} "
                  "1800000000"));
    ck_assert_uint_eq(count("last_verified"), 0);
    ck_assert_uint_eq(count("# TYPE "), 9);
}
END_TEST

START_TEST(a_failed_run_replaces_all_but_the_last_success)
{
    struct po_cli_metrics_run good = run_of("backup", "a", 100, 0);
    struct po_cli_metrics_run bad = run_of("backup", "a", 200, 2);
    json_t *document = json_pack("{s:i, s:n}", "files", 36, "outage_seconds");

    good.document = document;
    merge(&good);
    ck_assert(has("pobackup_last_run_outage_seconds{verb=\"backup\",site=\"a\"} 0.000"));
    merge(&bad);
    json_decref(document);
    ck_assert(has("pobackup_last_run_timestamp_seconds{verb=\"backup\",site=\"a\"} 200"));
    ck_assert(has("pobackup_last_run_success{verb=\"backup\",site=\"a\"} 0"));
    ck_assert(has("pobackup_last_run_exit_code{verb=\"backup\",site=\"a\"} 2"));
    ck_assert(has("pobackup_last_success_timestamp_seconds{verb=\"backup\",site=\"a\"} 100"));
    ck_assert_uint_eq(count("last_run_files"), 0);
    merge(&good);
    ck_assert_uint_eq(count("\npobackup_last_success_timestamp_seconds{"), 1);
}
END_TEST

START_TEST(other_verbs_and_sites_stay_as_they_are)
{
    struct po_cli_metrics_run runs[] = { run_of("backup", "a", 100, 0),
                                         run_of("backup", "b", 200, 1),
                                         run_of("verify", "", 300, 4),
                                         run_of("backup", "a", 400, 0) };

    for (size_t i = 0; i < 4; i++)
        merge(&runs[i]);
    ck_assert(has("pobackup_last_run_timestamp_seconds{verb=\"backup\",site=\"b\"} 200"));
    ck_assert(has("pobackup_last_run_timestamp_seconds{verb=\"verify\",site=\"\"} 300"));
    ck_assert(has("pobackup_last_run_timestamp_seconds{verb=\"backup\",site=\"a\"} 400"));
    ck_assert_uint_eq(count("\npobackup_last_run_timestamp_seconds{"), 3);
    ck_assert_uint_eq(count("# HELP pobackup_last_run_timestamp_seconds "), 1);
}
END_TEST

START_TEST(parts_and_archives_are_summed)
{
    struct po_cli_metrics_run run = run_of("restore", "a", 100, 0);
    json_t *document = json_pack("{s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}]}", "parts", "part", "bin",
                                 "files", 1, "bytes", 10, "part", "spool", "files", 2, "bytes", 20);

    run.document = document;
    merge(&run);
    json_decref(document);
    ck_assert(has("pobackup_last_run_files{verb=\"restore\",site=\"a\"} 3"));
    ck_assert(has("pobackup_last_run_bytes{verb=\"restore\",site=\"a\"} 30"));
    /* The last one was only listed, as prune does. */
    document = json_pack("{s:[{s:s, s:i, s:i, s:i}, {s:s, s:i, s:i, s:i}, {s:i}]}", "archives",
                         "verdict", "ok", "files", 1, "content_bytes", 10, "bytes", 5, "verdict",
                         "ok", "files", 2, "content_bytes", 20, "bytes", 6, "files", 100);
    run = run_of("verify", "", 100, 0);
    run.document = document;
    merge(&run);
    json_decref(document);
    ck_assert(has("pobackup_last_run_files{verb=\"verify\",site=\"\"} 3"));
    ck_assert(has("pobackup_last_run_bytes{verb=\"verify\",site=\"\"} 30"));
    ck_assert(has("pobackup_last_run_archive_bytes{verb=\"verify\",site=\"\"} 11"));
}
END_TEST

START_TEST(verified_backups_have_a_value_a_site)
{
    const struct po_cli_metrics_verified first[] = { { "a", 1000000000 }, { "b", 2000000000 } };
    const struct po_cli_metrics_verified second[] = { { "a", 3000000000 } };
    struct po_cli_metrics_run run = run_of("verify", "", 100, 0);

    run.verified = first;
    run.verified_count = 2;
    merge(&run);
    run.verified = second;
    run.verified_count = 1;
    merge(&run);
    ck_assert(has("pobackup_last_verified_timestamp_seconds{verb=\"verify\",site=\"a\"} 300"));
    ck_assert(has("pobackup_last_verified_timestamp_seconds{verb=\"verify\",site=\"b\"} 200"));
    ck_assert_uint_eq(count("\npobackup_last_verified_timestamp_seconds{"), 2);
}
END_TEST

START_TEST(a_site_without_a_verified_backup_has_no_value)
{
    const struct po_cli_metrics_verified first[] = { { "a", 1000000000 }, { "b", 2000000000 } };
    const struct po_cli_metrics_verified second[] = { { "a", POBACKUP_TIME_UNKNOWN } };
    struct po_cli_metrics_run run = run_of("verify", "", 100, 4);

    run.verified = first;
    run.verified_count = 2;
    merge(&run);
    run.verified = second;
    run.verified_count = 1;
    merge(&run);
    ck_assert(has("pobackup_last_verified_timestamp_seconds{verb=\"verify\",site=\"b\"} 200"));
    ck_assert_uint_eq(count("\npobackup_last_verified_timestamp_seconds{"), 1);
}
END_TEST

START_TEST(labels_are_escaped_and_found_again)
{
    struct po_cli_metrics_run run =
        run_of("backup", "folder:C:\\\"a}\n\xFF J\xC3\xBCrgen\xE9\x83\xB5", 100, 0);

    merge(&run);
    merge(&run);
    ck_assert(has("pobackup_last_run_success{verb=\"backup\",site=\"folder:C:\\\\\\\"a}\\n? "
                  "J\xC3\xBCrgen\xE9\x83\xB5\"} 1"));
    ck_assert_uint_eq(count("\npobackup_last_run_success{"), 1);
}
END_TEST

START_TEST(a_file_of_another_program_is_refused)
{
    static const char *const texts[] = { "root:x:0:0:root:/root:/bin/sh\n",
                                         "# HELP node_load1 One.\n",
                                         "pobackup_last_run_success 1\n",
                                         "pobackup_x{site=\"a\"}\n",
                                         "pobackup_x}{ 1\n",
                                         "# TYPE pobackup_x gauge\nup{a=\"b\"} 1\n" };
    struct po_cli_metrics_run run = run_of("backup", "a", 100, 0);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_int_eq(po_cli_metrics_merge(&out, texts[i], strlen(texts[i]), &run, &err),
                         PO_E_FORMAT);
        ck_assert_uint_eq(out.size, 0);
    }
    ck_assert_ptr_nonnull(strstr(err.text, "line 2: "));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli_metrics");
    TCase *tc = tcase_create("metrics");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_run_has_its_values_each_with_help_and_type);
    tcase_add_test(tc, a_failed_run_replaces_all_but_the_last_success);
    tcase_add_test(tc, other_verbs_and_sites_stay_as_they_are);
    tcase_add_test(tc, parts_and_archives_are_summed);
    tcase_add_test(tc, verified_backups_have_a_value_a_site);
    tcase_add_test(tc, a_site_without_a_verified_backup_has_no_value);
    tcase_add_test(tc, labels_are_escaped_and_found_again);
    tcase_add_test(tc, a_file_of_another_program_is_refused);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
