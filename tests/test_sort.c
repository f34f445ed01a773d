#include "base/sort.h"

#include "archive_help.h"

#include <stdlib.h>
#include <string.h>

/* Rows to be sorted by their keys; the number of comparisons is counted. */
struct rows {
    const uint32_t *keys;
    unsigned long *compared;
};

static int
compare_keys(const void *ctx, uint32_t a, uint32_t b)
{
    const struct rows *rows = ctx;

    (*rows->compared)++;
    return rows->keys[a] < rows->keys[b] ? -1 : rows->keys[a] > rows->keys[b];
}

struct pair {
    uint32_t key;
    uint32_t number;
};

/* By key, then by place: what a stable sort gives. */
static int
compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void
check_against_qsort(const uint32_t *keys, uint32_t count)
{
    uint32_t *numbers = malloc((count + 1) * sizeof *numbers);
    uint32_t *spare = malloc((count + 1) * sizeof *spare);
    struct pair *pairs = malloc((count + 1) * sizeof *pairs);
    unsigned long compared = 0;
    const struct rows rows = { .keys = keys, .compared = &compared };

    ck_assert(numbers != NULL && spare != NULL && pairs != NULL);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = i;
        pairs[i] = (struct pair){ .key = keys[i], .number = i };
    }
    numbers[count] = spare[count] = 12345;
    po_sort_numbers(numbers, spare, count, compare_keys, &rows);
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_msg(numbers[i] == pairs[i].number, "%u rows: row %u at place %u, expected %u",
                      count, numbers[i], i, pairs[i].number);
    ck_assert_uint_eq(numbers[count], 12345);
    ck_assert_uint_eq(spare[count], 12345);
    free(numbers);
    free(spare);
    free(pairs);
}

START_TEST(random_rows_come_out_as_from_qsort_and_equal_ones_keep_their_order)
{
    struct help_random random = help_random_begin("sort", 0);
    uint32_t *keys = malloc(5000 * sizeof *keys);

    ck_assert_ptr_nonnull(keys);
    for (int round = 0; round < 1500; round++) {
        uint32_t count = round < 200 ? (uint32_t)round : (uint32_t)help_random_below(&random, 500);
        uint64_t span = 1 + help_random_below(&random, 1 + help_random_below(&random, 1000));

        for (uint32_t i = 0; i < count; i++)
            keys[i] = (uint32_t)help_random_below(&random, span);
        check_against_qsort(keys, count);
    }
    for (uint32_t i = 0; i < 5000; i++)
        keys[i] = (uint32_t)help_random_next(&random);
    check_against_qsort(keys, 5000);
    free(keys);
}
END_TEST

START_TEST(rows_in_order_reversed_and_all_alike_are_sorted)
{
    uint32_t keys[1000] = { 0 };

    for (uint32_t count = 0; count < 1000; count += 37) {
        for (uint32_t i = 0; i < count; i++)
            keys[i] = i;
        check_against_qsort(keys, count);
        for (uint32_t i = 0; i < count; i++)
            keys[i] = count - i;
        check_against_qsort(keys, count);
        memset(keys, 0, sizeof keys);
        check_against_qsort(keys, count);
    }
}
END_TEST

START_TEST(rows_that_are_in_order_cost_one_comparison_each)
{
    uint32_t keys[1024];
    uint32_t numbers[1024];
    uint32_t spare[1024];
    unsigned long compared = 0;
    const struct rows rows = { .keys = keys, .compared = &compared };

    for (uint32_t i = 0; i < 1024; i++)
        keys[i] = numbers[i] = i;
    po_sort_numbers(numbers, spare, 1024, compare_keys, &rows);
    ck_assert_uint_eq(compared, 1023);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sort");
    TCase *tc = tcase_create("sort");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, random_rows_come_out_as_from_qsort_and_equal_ones_keep_their_order);
    tcase_add_test(tc, rows_in_order_reversed_and_all_alike_are_sorted);
    tcase_add_test(tc, rows_that_are_in_order_cost_one_comparison_each);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
