/*
 * What is remembered of a vault's shares when the system or the heap fails: each call in turn, once or
 * for ever. What was noted before is there afterwards, or what is new; never anything else.
 */
#include "fault.h"
#include "os_help.h"

#include "engine/scrub.h"

#define DAY 20000
#define PERIOD 3

static char top[OS_PATH_SIZE];
static const uint8_t digest[PO_DIGEST_SIZE] = { 1 };
static const uint8_t id[PO_ID_SIZE] = { 1 };

static void
setup(void)
{
    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-scrub");
}

static void
teardown(void)
{
    os_temp_remove(top);
}

static enum po_status
run(int32_t day, struct po_err *err)
{
    const bool is_bad[PERIOD] = { false };
    struct po_scrub *scrub = NULL;
    struct po_err anew;
    uint32_t number;
    enum po_status st = po_scrub_open(&scrub, top, "/vault", PERIOD, day, &anew, err);

    if (st == PO_OK)
        st = po_scrub_add(scrub, digest, id, true, &number, err);
    if (st == PO_OK) {
        po_scrub_note(scrub, number, is_bad);
        st = po_scrub_save(scrub, err);
    }
    po_scrub_free(scrub);
    return st;
}

static enum po_status
look(int32_t day, bool *is_known, int32_t *last, struct po_err *err)
{
    struct po_scrub *scrub = NULL;
    struct po_err anew;
    enum po_status st = po_scrub_open(&scrub, top, "/vault", 0, day, &anew, err);

    *is_known = st == PO_OK && po_scrub_last(scrub, digest, last);
    po_scrub_free(scrub);
    return st;
}

static void
make_state(void)
{
    struct po_err err;

    for (int32_t day = DAY; day < DAY + PERIOD; day++)
        if (run(day, &err) != PO_OK)
            ck_abort_msg("%s", err.text);
}

/* false when nothing failed any more. */
static bool
try_one(enum fault_kind kind, unsigned long nth, bool for_ever)
{
    struct po_err err = { 0 };
    bool is_known;
    int32_t last = 0;
    enum po_status st;

    os_temp_remove(top);
    setup();
    make_state();
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = run(DAY + PERIOD, &err);
    fault_disarm();
    ck_assert_msg(st == PO_OK || (err.status == st && err.text[0] != '\0'), "kind %d, call %lu",
                  (int)kind, nth);
    ck_assert_int_eq(look(DAY + PERIOD, &is_known, &last, &err), PO_OK);
    /* What cannot be read counts as none: nothing is known then. */
    ck_assert(!is_known || last == DAY || last == DAY + 1);
    ck_assert(st != PO_OK || !is_known || last == DAY + 1);
    ck_assert(is_known || st == PO_OK || kind == FAULT_SYNC || kind == FAULT_READ ||
              kind == FAULT_OPEN || kind == FAULT_OTHER || kind == FAULT_MEMORY);
    return fault_has_struck(kind);
}

START_TEST(each_call_that_fails_leaves_what_was_noted_before)
{
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            unsigned long nth = 1;

            while (try_one((enum fault_kind)kind, nth, for_ever != 0))
                nth++;
            ck_assert_msg(nth > 1, "kind %d was never called", kind);
        }
}
END_TEST

START_TEST(whoever_looks_is_told_nothing_that_is_not_so)
{
    make_state();
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++)
        for (unsigned long nth = 1;; nth++) {
            struct po_err err = { 0 };
            bool is_known;
            int32_t last = 0;
            enum po_status st;

            fault_arm((enum fault_kind)kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, true);
            st = look(DAY + PERIOD - 1, &is_known, &last, &err);
            fault_disarm();
            ck_assert(st == PO_OK || err.status == st);
            ck_assert(!is_known || last == DAY);
            if (!fault_has_struck((enum fault_kind)kind)) {
                ck_assert(is_known);
                break;
            }
        }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_scrub");
    TCase *tc = tcase_create("scrub");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_call_that_fails_leaves_what_was_noted_before);
    tcase_add_test(tc, whoever_looks_is_told_nothing_that_is_not_so);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
