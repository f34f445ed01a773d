/* What the schedulers are given: units, lines of a crontab, definitions of tasks. */
#include "base/text.h"
#include "cli/cli_schedule.h"
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

/* Whatever may be in a path: spaces, percent and dollar signs, quotes, backslashes, other letters. */
#define ODD "/a b/100%/$HOME/it's/\"q\"\\n;&<|>/J\xC3\xBCrgen"

static const char *const words[] = { "/usr/bin/po $backup%", "backup", "--site=folder:" ODD, NULL };
static const struct po_cli_job nightly = {
    .name = "nightly", .hour = 2, .minute = 5, .date = "2026-11-28", .words = words
};
static const struct po_cli_job weekly = {
    .name = "w.1", .hour = 23, .minute = 59, .is_weekly = true, .date = "2026-11-28", .words = words
};

static bool
has(const char *text)
{
    return strstr(po_buf_text(&out), text) != NULL;
}

/* ---- names and times ---- */

START_TEST(names_are_plain)
{
    static const char *const bad[] = { "",    "a b",
                                       ".a",  "-a",
                                       "a/b", "J\xC3\xBC",
                                       "a\n", "12345678901234567890123456789012345678901" };

    ck_assert(po_cli_job_is_name("nightly-2_x.Y"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!po_cli_job_is_name(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(times_are_of_a_day)
{
    static const char *const bad[] = { "",         "2:00",  "24:00", "23:60",
                                       "02:00:00", "0x:00", "02-00", "-1:00" };
    unsigned hour = 99;
    unsigned minute = 99;

    ck_assert(po_cli_job_parse_time("23:59", &hour, &minute));
    ck_assert_uint_eq(hour * 100 + minute, 2359);
    ck_assert(po_cli_job_parse_time("00:00", &hour, &minute));
    ck_assert_uint_eq(hour * 100 + minute, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!po_cli_job_parse_time(bad[i], &hour, &minute), "%s", bad[i]);
}
END_TEST

/* ---- systemd ---- */

START_TEST(a_service_quotes_its_words)
{
    po_cli_job_put_service(&out, &nightly);
    ck_assert(strncmp(po_buf_text(&out), PO_CLI_UNIT_MARK, strlen(PO_CLI_UNIT_MARK)) == 0);
    ck_assert(has("\nType=oneshot\nKillMode=process\n"));
    ck_assert(has("\nExecStart=\"/usr/bin/po $backup%%\" \"backup\" "
                  "\"--site=folder:/a b/100%%/$$HOME/it's/\\\"q\\\"\\\\n;&<|>/J\xC3\xBCrgen\"\n"));
}
END_TEST

START_TEST(a_timer_makes_up_what_was_missed)
{
    po_cli_job_put_timer(&out, &nightly);
    ck_assert(has("\nOnCalendar=*-*-* 02:05:00\nPersistent=true\n"));
    ck_assert(has("\nWantedBy=timers.target\n"));
    po_buf_clear(&out);
    po_cli_job_put_timer(&out, &weekly);
    ck_assert(has("\nOnCalendar=Sun *-*-* 23:59:00\n"));
}
END_TEST

START_TEST(a_units_value_is_found)
{
    ck_assert(po_cli_unit_put_value(&out, "a=1\nOnCalendar=x y\nb=2\n", "OnCalendar="));
    ck_assert_str_eq(po_buf_text(&out), "x y");
    ck_assert(!po_cli_unit_put_value(&out, "xOnCalendar=1\n", "OnCalendar="));
}
END_TEST

/* ---- cron ---- */

START_TEST(a_line_of_a_crontab_quotes_for_cron_and_for_the_shell)
{
    po_cli_job_put_cron(&out, &nightly);
    ck_assert_str_eq(po_buf_text(&out),
                     "5 2 * * * '/usr/bin/po $backup\\%' 'backup' '--site=folder:/a b/100\\%/$HOME/"
                     "it'\\''s/\"q\"\\n;&<|>/J\xC3\xBCrgen' # pobackup nightly\n");
    po_buf_clear(&out);
    po_cli_job_put_cron(&out, &weekly);
    ck_assert(strncmp(po_buf_text(&out), "59 23 * * 0 '", 13) == 0);
}
END_TEST

static const char crontab[] = "MAILTO=root\n"
                              "\n"
                              "  0 1 * * *   other  # pobackup-like \n"
                              "5 2 * * * 'a' 'backup' 'it'\\''s \\%' # pobackup nightly\n"
                              "#5 2 * * * 'a' 'backup' # pobackup nightly\n"
                              "6 3 * * * 'b' 'backup' # pobackup nightly2\n"
                              "5 2 * * * a # pobackup nightly\n"
                              "5 2 * * * 'a' 'verify' # pobackup nightly\n"
                              "5 2 * * * 'a' 'backup'; 'b' # pobackup nightly\n"
                              "5 2 * * * 'a' 'backup' '%' # pobackup nightly\n"
                              "5 2 * * * 'a' # pobackup nightly\n"
                              "5 2 * * x 'a' 'backup' # pobackup nightly\n"
                              "7 4 * * * \xFF\t# pobackup nightly \n"
                              "no end";

START_TEST(other_lines_stay_byte_for_byte)
{
    static const char removed[] = "5 2 * * * 'a' 'backup' 'it'\\''s \\%' # pobackup nightly\n";
    const char *at = strstr(crontab, removed);
    size_t before = (size_t)(at - crontab);
    size_t all = strlen(crontab);
    bool was_there = false;

    po_cli_crontab_put_others(&out, crontab, all, "nightly", &was_there);
    ck_assert(was_there);
    ck_assert_uint_eq(out.size, all - strlen(removed));
    ck_assert_mem_eq(out.bytes, crontab, before);
    ck_assert_mem_eq(out.bytes + before, at + strlen(removed), all - before - strlen(removed));
    po_buf_clear(&out);
    po_cli_crontab_put_others(&out, crontab, all, "none", &was_there);
    ck_assert(!was_there);
    ck_assert_uint_eq(out.size, all);
    ck_assert_mem_eq(out.bytes, crontab, all);
}
END_TEST

static void
note(void *ctx, const struct po_cli_scheduled *job)
{
    po_buf_printf(ctx, "[%s|%s|%s]", job->name, job->when, job->command);
}

static void
note_command(void *ctx, const struct po_cli_scheduled *job)
{
    po_buf_put_text(ctx, job->command);
}

START_TEST(jobs_in_a_crontab_are_listed)
{
    po_cli_crontab_list(crontab, strlen(crontab), note, &out);
    ck_assert_str_eq(po_buf_text(&out), "[nightly|5 2 * * *|'a' 'backup' 'it'\\''s \\%']"
                                        "[nightly2|6 3 * * *|'b' 'backup']");
}
END_TEST

/* Both ways of writing the words, back. */
START_TEST(the_words_of_a_job_are_had_back)
{
    static const char *const odd[] = { "/usr/bin/po $backup%",
                                       "backup",
                                       "--site=folder:/a \\%\\ $HOME",
                                       "it's \"q\" 100%%$$ \x7F J\xC3\xBC",
                                       "",
                                       NULL };
    const struct po_cli_job job = { .name = "n", .words = odd };

    for (int is_cron = 0; is_cron < 2; is_cron++) {
        struct po_buf text = { 0 };
        struct po_buf got = { 0 };
        size_t at = 0;

        if (is_cron) {
            struct po_buf line = { 0 };

            po_cli_job_put_cron(&line, &job);
            po_cli_crontab_list(line.bytes, line.size, note_command, &text);
            po_buf_deinit(&line);
            ck_assert(po_cli_cron_put_words(&got, po_buf_text(&text)));
        } else {
            struct po_buf unit = { 0 };

            po_cli_job_put_service(&unit, &job);
            ck_assert(po_cli_unit_put_value(&text, po_buf_text(&unit), "ExecStart="));
            po_buf_deinit(&unit);
            ck_assert(po_cli_unit_put_words(&got, po_buf_text(&text)));
        }
        for (size_t i = 0; odd[i] != NULL; i++) {
            ck_assert_uint_lt(at, got.size);
            ck_assert_str_eq((const char *)got.bytes + at, odd[i]);
            at += strlen(odd[i]) + 1;
        }
        ck_assert_uint_eq(at, got.size);
        po_buf_deinit(&text);
        po_buf_deinit(&got);
    }
    po_buf_clear(&out);
    ck_assert(!po_cli_unit_put_words(&out, "/usr/bin/x backup"));
    ck_assert(!po_cli_unit_put_words(&out, "\"x"));
    ck_assert(!po_cli_cron_put_words(&out, "'x' y"));
}
END_TEST

/* ---- Task Scheduler ---- */

/* UTF-16 of ASCII and Latin 1, as these. */
static void
to_bytes(struct po_buf *to, const struct po_buf *from)
{
    ck_assert_uint_ge(from->size, 2);
    ck_assert_uint_eq(from->bytes[0], 0xFF);
    ck_assert_uint_eq(from->bytes[1], 0xFE);
    for (size_t i = 2; i + 1 < from->size; i += 2) {
        ck_assert_uint_eq(from->bytes[i + 1], 0);
        po_buf_put_u8(to, from->bytes[i]);
    }
}

START_TEST(a_definition_of_a_task_is_xml_in_utf16)
{
    static const char *const own[] = { "C:\\Program Files\\a&b\\pobackup.exe", "backup",
                                       "--output=D:\\x \xC3\xBC<\\", "a\"b%PATH%", NULL };
    struct po_cli_job job = nightly;
    struct po_buf xml = { 0 };

    job.words = own;
    ck_assert_int_eq(po_cli_job_put_task(&xml, &job, &err), PO_OK);
    to_bytes(&out, &xml);
    ck_assert(has("<Command>C:\\Program Files\\a&amp;b\\pobackup.exe</Command>\r\n"));
    ck_assert(
        has("<Arguments>\"backup\" \"--output=D:\\x \xFC&lt;\\\\\" \"a\\\"b%PATH%\"</Arguments>"));
    ck_assert(has("<StartBoundary>2026-11-28T02:05:00</StartBoundary>"));
    ck_assert(has("<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"));
    ck_assert(has("<StartWhenAvailable>true</StartWhenAvailable>"));
    ck_assert(has("<UserId>S-1-5-18</UserId>"));
    po_buf_clear(&out);
    po_buf_clear(&xml);
    job = weekly;
    job.words = own;
    ck_assert_int_eq(po_cli_job_put_task(&xml, &job, &err), PO_OK);
    to_bytes(&out, &xml);
    ck_assert(has("<DaysOfWeek><Sunday /></DaysOfWeek>"));
    po_buf_deinit(&xml);
}
END_TEST

START_TEST(characters_beyond_16_bits_are_pairs)
{
    static const char *const own[] = { "C:\\p.exe", "\xF0\x9F\x93\xAE\xE9\x83\xB5", NULL };
    static const uint8_t pair[] = { 0x3D, 0xD8, 0xEE, 0xDC, 0xF5, 0x90 };
    struct po_cli_job job = nightly;
    bool is_found = false;

    job.words = own;
    ck_assert_int_eq(po_cli_job_put_task(&out, &job, &err), PO_OK);
    for (size_t i = 0; i + sizeof(pair) <= out.size; i++)
        is_found = is_found || memcmp(out.bytes + i, pair, sizeof(pair)) == 0;
    ck_assert(is_found);
}
END_TEST

START_TEST(what_a_task_cannot_say_is_refused)
{
    static const char *const control[] = { "C:\\p.exe", "a\x01", NULL };
    static const char *const bytes[] = { "C:\\p.exe", "\xFF", NULL };
    static const char *const percent[] = { "C:\\p.exe", "a%b", NULL };
    static const char *const long_word[] = { "C:\\p.exe",
                                             "01234567890123456789012345678901234567890123456789012"
                                             "34567890123456789012345678901234567890"
                                             "01234567890123456789012345678901234567890123456789012"
                                             "34567890123456789012345678901234567890"
                                             "01234567890123456789012345678901234567890123456789012"
                                             "34567890123456789012345678901234567890",
                                             NULL };
    struct po_cli_job job = nightly;

    job.words = control;
    ck_assert_int_eq(po_cli_job_put_task(&out, &job, &err), PO_E_USAGE);
    job.words = bytes;
    ck_assert_int_eq(po_cli_job_put_task(&out, &job, &err), PO_E_USAGE);
    job.words = percent;
    ck_assert_int_eq(po_cli_job_put_task(&out, &job, &err), PO_OK);
    ck_assert_int_eq(po_cli_job_put_schtasks(&out, &job, &err), PO_E_USAGE);
    job.words = long_word;
    ck_assert_int_eq(po_cli_job_put_schtasks(&out, &job, &err), PO_E_USAGE);
}
END_TEST

START_TEST(older_systems_are_given_a_command)
{
    static const char *const own[] = { "C:\\Program Files\\p.exe", "backup", "--config=C:\\a b.ini",
                                       NULL };
    struct po_cli_job job = nightly;

    job.words = own;
    ck_assert_int_eq(po_cli_job_put_schtasks(&out, &job, &err), PO_OK);
    ck_assert_str_eq(
        po_buf_text(&out),
        "schtasks /Create /F /RU SYSTEM /TN \"pobackup nightly\" /SC DAILY /ST 02:05:00 "
        "/TR \"\\\"C:\\Program Files\\p.exe\\\" \\\"backup\\\" "
        "\\\"--config=C:\\a b.ini\\\"\"");
    po_buf_clear(&out);
    job.is_weekly = true;
    ck_assert_int_eq(po_cli_job_put_schtasks(&out, &job, &err), PO_OK);
    ck_assert(has(" /SC WEEKLY /D SUN /ST "));
}
END_TEST

START_TEST(tasks_are_listed_from_both_kinds_of_tables)
{
    static const char csv[] = "\"\\pobackup nightly\",\"11/29/2026 2:05:00 AM\",\"Ready\"\r\n"
                              "\"\\Other\\pobackup x\",\"1\",\"Ready\"\r\n"
                              "\"TaskName\",\"Next Run Time\",\"Status\"\r\n"
                              "\"pobackup old.one\",\"02:05:00, 11/29/2026\",\"\"\r\n"
                              "\"pobackup a b\",\"1\",\"\"\r\n"
                              "\"pobackup cut";

    po_cli_tasks_list(csv, strlen(csv), note, &out);
    ck_assert_str_eq(po_buf_text(&out), "[nightly|11/29/2026 2:05:00 AM|][old.one|02:05:00, "
                                        "11/29/2026|]");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli_schedule");
    TCase *tc = tcase_create("schedule");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_are_plain);
    tcase_add_test(tc, times_are_of_a_day);
    tcase_add_test(tc, a_service_quotes_its_words);
    tcase_add_test(tc, a_timer_makes_up_what_was_missed);
    tcase_add_test(tc, a_units_value_is_found);
    tcase_add_test(tc, a_line_of_a_crontab_quotes_for_cron_and_for_the_shell);
    tcase_add_test(tc, other_lines_stay_byte_for_byte);
    tcase_add_test(tc, jobs_in_a_crontab_are_listed);
    tcase_add_test(tc, the_words_of_a_job_are_had_back);
    tcase_add_test(tc, a_definition_of_a_task_is_xml_in_utf16);
    tcase_add_test(tc, characters_beyond_16_bits_are_pairs);
    tcase_add_test(tc, what_a_task_cannot_say_is_refused);
    tcase_add_test(tc, older_systems_are_given_a_command);
    tcase_add_test(tc, tasks_are_listed_from_both_kinds_of_tables);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
