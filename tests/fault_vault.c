/*
 * A vault when the system or the heap fails: each call in turn, once or for ever, while it is listed,
 * pruned and locked. What must stay is there afterwards, whole, and what could not be done is told.
 */
#include "fault.h"
#include "vault_help.h"

#include "engine/prune.h"
#include "engine/vault_lock.h"

#include <stdlib.h>

#define FILES 7

static char top[OS_PATH_SIZE];

/* 0 full, 1 on it, 2 on 1, 3 on it; 4 full, 5 on it; 6 full: of another host. Of 0 to 3 nothing must
 * stay, of the others all. */
static struct po_buf bytes[FILES];
static const int parents[FILES] = { -1, 0, 1, 0, -1, 4, -1 };

static const char *
path_of(int number, const char *ending)
{
    static char path[OS_PATH_SIZE + 64];

    (void)snprintf(path, sizeof path, "%s/%d.tar.zst%s", top, number, ending);
    return path;
}

static void
setup(void)
{
    static struct po_parent made[FILES];
    static char name[] = "hint";

    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-vault");
    for (int i = 0; i < FILES; i++) {
        struct po_parent parent = parents[i] < 0 ? (struct po_parent){ 0 } : made[parents[i]];
        struct help_snapshot snapshot = { .created = HELP_NOON + i * HELP_DAY,
                                          .host = i == 6 ? "other" : NULL,
                                          .bytes = 100,
                                          .entries = 3,
                                          .parents = &parent,
                                          .parent_count = parents[i] >= 0 };

        parent.name = name;
        help_snapshot_put(&bytes[i], &snapshot, &made[i]);
    }
}

static void
teardown(void)
{
    fault_disarm();
    for (int i = 0; i < FILES; i++)
        po_buf_deinit(&bytes[i]);
    os_temp_remove(top);
}

static void
fill(void)
{
    for (int i = 0; i < FILES; i++)
        os_write(path_of(i, ""), bytes[i].bytes, bytes[i].size);
    os_write(path_of(0, ".rec"), "x", 1);
    os_write(path_of(4, ".rec"), "x", 1);
}

static struct po_local_day
one_day(void *ctx, int64_t time)
{
    (void)ctx;
    (void)time;
    return (struct po_local_day){ 2025, 1, 1 };
}

static void
each(void *ctx, uint32_t row, const char *name, const struct po_err *failure)
{
    unsigned *told = ctx;

    (void)row;
    (void)name;
    *told += failure != NULL;
}

/* As the program does it; *told: files that could not be removed. */
static enum po_status
prune(unsigned *told, struct po_err *err)
{
    struct po_prune_options options = { .rules = { .last = 1 },
                                        .now = HELP_NOON + 50 * HELP_DAY,
                                        .local_day = one_day };
    struct po_vault *vault = NULL;
    struct po_prune_plan *plan = NULL;
    struct po_prune_result result = { 0 };
    enum po_status st = po_vault_open(&vault, top, NULL, NULL, err);

    if (st == PO_OK)
        st = po_prune_plan_new(&plan, vault, &options, err);
    if (st == PO_OK)
        st = po_prune_run(plan, each, told, NULL, &result, err);
    po_prune_plan_free(plan);
    po_vault_free(vault);
    return st;
}

static bool
is_there(int number)
{
    return os_exists(path_of(number, ""));
}

static bool
try_prune(enum fault_kind kind, unsigned long nth, bool for_ever)
{
    struct po_err err = { 0 };
    unsigned told = 0;
    unsigned left = 0;
    enum po_status st;

    fill();
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = prune(&told, &err);
    fault_disarm();
    for (int i = 0; i < FILES; i++) {
        if (i >= 4 && (!is_there(i) || os_stat(path_of(i, "")).size != bytes[i].size))
            ck_abort_msg("%d, call %lu: %d is gone: %s", (int)kind, nth, i, err.text);
        if (is_there(i) && parents[i] >= 0 && !is_there(parents[i]))
            ck_abort_msg("%d, call %lu: %d is gone before %d", (int)kind, nth, parents[i], i);
        left += i < 4 && is_there(i);
    }
    if (!os_exists(path_of(4, ".rec")))
        ck_abort_msg("%d, call %lu: the sidecar of what stays", (int)kind, nth);
    if (st == PO_OK && told == 0 && left > 0)
        ck_abort_msg("%d, call %lu: %u are left, and nobody says so", (int)kind, nth, left);
    if (st != PO_OK && (err.status != st || err.text[0] == 0))
        ck_abort_msg("%d, call %lu: status %d without a word", (int)kind, nth, (int)st);
    return fault_has_struck(kind);
}

START_TEST(each_call_that_fails_leaves_what_must_stay)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long nth = 1;

        while (try_prune((enum fault_kind)_i, nth, for_ever != 0))
            nth++;
        ck_assert(nth > 1 || _i == FAULT_WRITE || _i == FAULT_RENAME);
    }
}
END_TEST

START_TEST(a_lock_is_had_or_not_whatever_fails)
{
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        bool has_struck = true;

        for (unsigned long nth = 1; has_struck; nth++) {
            struct po_vault_lock *lock = NULL;
            struct po_vault_lock *second = NULL;
            struct po_buf holder = { 0 };
            struct po_err err = { 0 };
            enum po_status st;

            fault_arm((enum fault_kind)_i, nth, _i == FAULT_MEMORY ? ENOMEM : EIO, for_ever != 0);
            st = po_vault_lock_take(&lock, top, "prune", &holder, &err);
            fault_disarm();
            has_struck = fault_has_struck((enum fault_kind)_i);
            if ((st == PO_OK) != (lock != NULL))
                ck_abort_msg("%d, call %lu: %d, %s", _i, nth, (int)st, err.text);
            /* Had is had: nobody else gets it. */
            if (lock != NULL &&
                (po_vault_lock_take(&second, top, "x", &holder, &err) != PO_OK || second != NULL))
                ck_abort_msg("%d, call %lu: two have it", _i, nth);
            po_vault_lock_free(lock);
            po_buf_deinit(&holder);
        }
    }
}
END_TEST

/* Who asks while somebody holds it gets no lock, whatever fails. */
START_TEST(a_lock_that_is_held_stays_held)
{
    struct po_vault_lock *held = NULL;
    struct po_buf holder = { 0 };
    struct po_err err;
    bool has_struck = true;

    ck_assert_int_eq(po_vault_lock_take(&held, top, "backup", &holder, &err), PO_OK);
    for (unsigned long nth = 1; has_struck; nth++) {
        struct po_vault_lock *lock = NULL;

        fault_arm((enum fault_kind)_i, nth, _i == FAULT_MEMORY ? ENOMEM : EIO, true);
        (void)!po_vault_lock_take(&lock, top, "prune", &holder, &err);
        fault_disarm();
        has_struck = fault_has_struck((enum fault_kind)_i);
        if (lock != NULL)
            ck_abort_msg("%d, call %lu", _i, nth);
        po_buf_clear(&holder);
    }
    po_vault_lock_free(held);
    po_buf_deinit(&holder);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_vault");
    TCase *tc = tcase_create("vault");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_call_that_fails_leaves_what_must_stay, 0, FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, a_lock_is_had_or_not_whatever_fails, 0, FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, a_lock_that_is_held_stays_held, 0, FAULT_KIND_COUNT);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
