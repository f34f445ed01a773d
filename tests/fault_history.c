/*
 * The history when the system or the heap fails: each call in turn, once or for ever. A run that
 * could not be noted is told, and what was noted before is there as it was.
 */
#include "fault.h"
#include "os_help.h"

#include "engine/history.h"

#define SITE "folder:/srv/mail"
#define BEFORE 6
#define SMALL 1200u /* fewer bytes than there are: it is written anew */

static char top[OS_PATH_SIZE];

static const struct po_history_run run = { .time = INT64_C(17640000000000000),
                                           .verb = "verify",
                                           .site = SITE,
                                           .outage_seconds = -1,
                                           .archive = "/backup/a.tar.zst",
                                           .has_archive_id = true,
                                           .created = POBACKUP_TIME_UNKNOWN };

static void
setup(void)
{
    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-history");
}

static void
teardown(void)
{
    fault_disarm();
    os_temp_remove(top);
}

/* So many runs, and a line that was cut off. */
static void
make_history(void)
{
    char path[OS_PATH_SIZE + 16];
    struct po_err err;

    (void)snprintf(path, sizeof path, "%s/" PO_HISTORY_NAME, top);
    if (os_exists(path))
        os_remove(path);
    for (int i = 0; i < BEFORE; i++)
        ck_assert_int_eq(po_history_append(top, &run, PO_HISTORY_SIZE_MAX, &err), PO_OK);
    ck_assert(os_set_size(path, os_stat(path).size - 3));
}

static size_t
count_runs(void)
{
    struct po_history *history = NULL;
    struct po_err err;
    size_t count;

    ck_assert_int_eq(po_history_load(&history, top, &err), PO_OK);
    count = po_history_count(history);
    po_history_free(history);
    return count;
}

/* false: nothing struck any more. */
static bool
try_one(enum fault_kind kind, unsigned long nth, bool for_ever, uint64_t size_max, size_t after)
{
    struct po_err err = { 0 };
    enum po_status st;
    size_t count;

    make_history();
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = po_history_append(top, &run, size_max, &err);
    fault_disarm();
    count = count_runs();
    if (st == PO_OK) {
        ck_assert_uint_eq(count, after);
    } else {
        ck_assert_int_eq(err.status, st);
        ck_assert_msg(st == (kind == FAULT_MEMORY ? PO_E_NOMEM : PO_E_IO), "%d, call %lu: %s",
                      (int)kind, nth, err.text);
        /* It may have been noted all the same: what failed was a sync. */
        ck_assert_msg(count == BEFORE - 1 || count == after, "%d, call %lu: %zu runs: %s",
                      (int)kind, nth, count, err.text);
    }
    return fault_has_struck(kind);
}

START_TEST(each_call_that_fails_leaves_what_was_noted_before)
{
    uint64_t size_max = _i == 0 ? PO_HISTORY_SIZE_MAX : SMALL;
    size_t after = _i == 0 ? BEFORE : (BEFORE - 1) - (BEFORE - 1) / 2 + 1;

    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            unsigned long nth = 1;

            while (try_one((enum fault_kind)kind, nth, for_ever != 0, size_max, after))
                nth++;
            ck_assert(nth > 1 || (kind == FAULT_RENAME && _i == 0));
        }
    }
}
END_TEST

START_TEST(a_history_that_cannot_be_read_is_told)
{
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        for (unsigned long nth = 1;; nth++) {
            struct po_history *history = NULL;
            struct po_err err = { 0 };
            enum po_status st;

            make_history();
            fault_arm((enum fault_kind)kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, true);
            st = po_history_load(&history, top, &err);
            fault_disarm();
            ck_assert(st == PO_OK || history == NULL);
            ck_assert(st == PO_OK || err.status == st);
            if (st == PO_OK)
                ck_assert_uint_eq(po_history_count(history), BEFORE - 1);
            po_history_free(history);
            if (!fault_has_struck((enum fault_kind)kind))
                break;
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_history");
    TCase *tc = tcase_create("history");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_call_that_fails_leaves_what_was_noted_before, 0, 2);
    tcase_add_test(tc, a_history_that_cannot_be_read_is_told);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
