/* Threads and buffers within the memory that is promised. */
#include "engine/budget.h"

#include <check.h>
#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)

/* As a backup asks. */
static struct po_budget
fit(uint64_t used_mib, unsigned threads)
{
    struct po_budget budget = { .used = used_mib * MIB,
                                .per_thread = 2,
                                .fixed = 2,
                                .threads = threads,
                                .buffer = 8 * MIB,
                                .buffer_min = 4 * MIB };

    po_budget_fit(&budget);
    return budget;
}

static uint64_t
sum(const struct po_budget *budget)
{
    return budget->used + (budget->per_thread * budget->threads + budget->fixed) * budget->buffer;
}

START_TEST(little_is_given_what_it_wishes_for)
{
    struct po_budget budget = fit(4, 2);

    ck_assert_uint_eq(budget.threads, 2);
    ck_assert_uint_eq(budget.buffer, 8 * MIB);
}
END_TEST

START_TEST(much_gets_smaller_buffers_then_fewer_threads)
{
    struct po_budget budget = fit(4, 4);

    ck_assert_uint_eq(budget.threads, 4);
    ck_assert_uint_lt(budget.buffer, 8 * MIB);
    ck_assert_uint_ge(budget.buffer, 7 * MIB);
    budget = fit(55, 4);
    ck_assert_uint_eq(budget.threads, 2);
    ck_assert_uint_ge(budget.buffer, 4 * MIB);
    budget = fit(500, 4);
    ck_assert_uint_eq(budget.threads, 1);
    ck_assert_uint_eq(budget.buffer, 1 * MIB);
}
END_TEST

START_TEST(whatever_it_has_to_hold_the_sum_stays_below)
{
    for (uint64_t used = 0; used < 70; used++) {
        for (unsigned threads = 1; threads <= 64; threads++) {
            struct po_budget budget = fit(used, threads);

            ck_assert_uint_le(sum(&budget), PO_BUDGET_BYTES);
            ck_assert_uint_ge(budget.threads, 1);
        }
    }
}
END_TEST

START_TEST(buffers_of_a_fixed_size_are_left_and_threads_go)
{
    struct po_budget budget = { .used = 10 * MIB,
                                .per_thread = 1,
                                .fixed = 1,
                                .threads = 16,
                                .buffer = 16 * MIB,
                                .buffer_min = 16 * MIB };

    po_budget_fit(&budget);
    ck_assert_uint_eq(budget.buffer, 16 * MIB);
    ck_assert_uint_eq(budget.threads, 3);
    budget.used = 200 * MIB;
    po_budget_fit(&budget);
    ck_assert_uint_eq(budget.threads, 1);
    ck_assert_uint_eq(budget.buffer, 16 * MIB);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("budget");
    TCase *tc = tcase_create("budget");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, little_is_given_what_it_wishes_for);
    tcase_add_test(tc, much_gets_smaller_buffers_then_fewer_threads);
    tcase_add_test(tc, whatever_it_has_to_hold_the_sum_stays_below);
    tcase_add_test(tc, buffers_of_a_fixed_size_are_left_and_threads_go);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
