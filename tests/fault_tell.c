/*
 * How the end of a run is told when the system or the heap fails: each call in turn, once or for
 * ever. What was in a log before stays, and texts are whole or said to have failed.
 */
#include "fault.h"
#include "os_help.h"

#include "cli/cli_log.h"
#include "cli/cli_mail.h"
#include "cli/cli_metrics.h"
#include "cli/cli_schedule.h"

#define OLD_LINES "1 old\n2 old\n3 old\n"
#define NEW_LINE "4 new\n"

static char top[OS_PATH_SIZE];
static char path[OS_PATH_SIZE + 16];

static void
setup(void)
{
    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-tell");
    (void)snprintf(path, sizeof(path), "%s/run.log", top);
}

static void
teardown(void)
{
    fault_disarm();
    os_temp_remove(top);
}

/* ---- the log ---- */

/* Appends what stands in it and its old ones, from the oldest on. */
static void
read_all(struct po_buf *out)
{
    for (int i = 3; i >= 0; i--) {
        char name[sizeof(path) + 8];
        char text[256] = "";
        FILE *file;

        (void)snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", path, i);
        file = fopen(name, "r");
        if (file == NULL)
            continue;
        po_buf_put(out, text, fread(text, 1, sizeof(text), file));
        (void)fclose(file);
    }
}

static void
write_old(void)
{
    for (int i = 3; i >= 0; i--) {
        char name[sizeof(path) + 8];

        (void)snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", path, i);
        if (os_exists(name))
            os_remove(name);
    }
    os_write(path, OLD_LINES, strlen(OLD_LINES));
}

/* false: nothing struck any more. */
static bool
try_log(enum fault_kind kind, unsigned long nth, bool for_ever, uint64_t size_max)
{
    struct po_cli_log log = { .path = path, .size_max = size_max, .count = 3 };
    struct po_err err = { 0 };
    struct po_buf all = { 0 };
    enum po_status st;
    const char *text;

    write_old();
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = po_cli_log_append(&log, NEW_LINE, strlen(NEW_LINE), &err);
    fault_disarm();
    read_all(&all);
    text = po_buf_text(&all);
    ck_assert_msg(strncmp(text, OLD_LINES, strlen(OLD_LINES)) == 0, "%s", text);
    text += strlen(OLD_LINES);
    if (st == PO_OK)
        ck_assert_str_eq(text, NEW_LINE);
    else
        ck_assert_int_ne(err.text[0], '\0');
    po_buf_deinit(&all);
    return fault_has_struck(kind);
}

START_TEST(a_log_loses_no_line_that_was_in_it)
{
    bool for_ever = _i % 2 == 1;
    uint64_t size_max = _i / 2 % 2 == 1 ? 10 : 1000; /* rotated, or not */
    enum fault_kind kind = (enum fault_kind)(_i / 4);
    unsigned long nth = 1;

    while (try_log(kind, nth, for_ever, size_max))
        nth++;
    /* A log is not synced; all else is called at least once. */
    ck_assert_msg(kind == FAULT_SYNC || kind == FAULT_READ || nth > 1 ||
                      (kind == FAULT_RENAME && size_max > 100),
                  "kind %d", (int)kind);
}
END_TEST

/* ---- texts: the heap alone ---- */

struct texts {
    json_t *document;
    struct po_buf out;
};

static enum po_status
put_metrics(struct texts *texts, struct po_err *err)
{
    static const char old[] = "# HELP pobackup_last_run_success x\n"
                              "# TYPE pobackup_last_run_success gauge\n"
                              "pobackup_last_run_success{verb=\"backup\",site=\"b\"} 1\n";
    const struct po_cli_metrics_verified verified = { "folder:/srv", 1 };
    struct po_cli_metrics_run run = { .verb = "backup",
                                      .site = "folder:/srv",
                                      .document = texts->document,
                                      .verified = &verified,
                                      .verified_count = 1 };

    return po_cli_metrics_merge(&texts->out, old, strlen(old), &run, err);
}

static enum po_status
put_mail(struct texts *texts, struct po_err *err)
{
    const char *const to[] = { "a@example.org" };
    struct po_buf body = { 0 };
    struct po_cli_mail mail = {
        .from = "b@example.org", .to = to, .to_count = 1, .subject = "J\xC3\xBCrgen", .id = "1@b"
    };

    po_cli_mail_put_table(&body, texts->document);
    mail.body = po_buf_text(&body);
    po_cli_mail_put(&texts->out, &mail);
    if (body.failed)
        texts->out.failed = true;
    po_buf_deinit(&body);
    return po_buf_check(&texts->out, err);
}

static enum po_status
put_task(struct texts *texts, struct po_err *err)
{
    static const char *const words[] = { "C:\\p.exe", "backup", "a b", NULL };
    const struct po_cli_job job = { .name = "x", .date = "2026-11-28", .words = words };

    return po_cli_job_put_task(&texts->out, &job, err);
}

START_TEST(a_text_is_whole_or_said_to_have_failed)
{
    static enum po_status (*const puts[])(
        struct texts * texts, struct po_err * err) = { put_metrics, put_mail, put_task };
    struct texts whole = { .document =
                               json_pack("{s:i, s:[{s:s}]}", "files", 3, "list", "a", "b") };
    struct po_err err = { 0 };
    unsigned long nth = 1;
    bool has_struck = true;

    ck_assert_int_eq(puts[_i](&whole, &err), PO_OK);
    for (; has_struck; nth++) {
        struct texts texts = { .document = whole.document };
        enum po_status st;

        fault_arm(FAULT_MEMORY, nth, ENOMEM, false);
        st = puts[_i](&texts, &err);
        has_struck = fault_has_struck(FAULT_MEMORY);
        fault_disarm();
        ck_assert(st == PO_OK || st == PO_E_NOMEM);
        /* The name of a site in labels that are only compared may be out of memory: then one more. */
        if (st == PO_OK) {
            ck_assert_uint_eq(texts.out.size, whole.out.size);
            ck_assert_mem_eq(texts.out.bytes, whole.out.bytes, whole.out.size);
        }
        po_buf_deinit(&texts.out);
    }
    ck_assert_uint_gt(nth, 3);
    po_buf_deinit(&whole.out);
    json_decref(whole.document);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("faults of telling");
    TCase *tc = tcase_create("tell");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_log_loses_no_line_that_was_in_it, 0, FAULT_KIND_COUNT * 4);
    tcase_add_loop_test(tc, a_text_is_whole_or_said_to_have_failed, 0, 3);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
