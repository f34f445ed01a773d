#include "base/sort.h"

#include "archive_help.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 20 /* in each test of its own process, of which each costs */

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
    uint32_t same = 0;
    const struct rows rows = { .keys = keys, .compared = &compared };

    ck_assert(numbers != NULL && spare != NULL && pairs != NULL);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = i;
        pairs[i] = (struct pair){ .key = keys[i], .number = i };
    }
    numbers[count] = spare[count] = 12345;
    po_sort_numbers(numbers, spare, count, compare_keys, &rows);
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    while (same < count && numbers[same] == pairs[same].number)
        same++;
    if (same < count)
        ck_abort_msg("%u rows: row %u at place %u, expected %u", count, numbers[same], same,
                     pairs[same].number);
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

/* ---- rows ---- */

static int
compare_second(const void *ctx, uint32_t a, uint32_t b)
{
    const uint32_t *second = ctx;

    return second[a] < second[b] ? -1 : second[a] > second[b];
}

static void
check_rows(struct help_random *random, bool has_tie)
{
    static uint32_t second[700];
    uint32_t count = (uint32_t)help_random_below(random, HELP_COUNT(second) + 1);
    struct po_sort_row rows[HELP_COUNT(second)];
    struct po_sort_row spare[HELP_COUNT(second)];

    for (uint32_t i = 0; i < count; i++) {
        second[i] = (uint32_t)help_random_below(random, 5);
        rows[i] =
            (struct po_sort_row){ .key = help_random_below(random, 20) << 60 | 7, .number = i };
    }
    po_sort_rows(rows, spare, count, has_tie ? compare_second : NULL, second);
    for (uint32_t i = 1; i < count; i++) {
        const struct po_sort_row *a = &rows[i - 1];
        const struct po_sort_row *b = &rows[i];
        uint32_t x = has_tie ? second[a->number] : 0;
        uint32_t y = has_tie ? second[b->number] : 0;

        ck_assert(a->key < b->key ||
                  (a->key == b->key && (x < y || (x == y && a->number < b->number))));
    }
}

START_TEST(rows_go_by_key_then_as_is_said_then_as_they_stood)
{
    struct help_random random = help_random_begin("rows", (uint64_t)_i);

    for (int round = 0; round < ROUNDS; round++)
        check_rows(&random, _i % 2 == 0);
}
END_TEST

/* ---- texts ---- */

#define TEXTS 400u
#define TEXT_MAX 700u

struct text_table {
    char bytes[TEXTS][TEXT_MAX];
    size_t sizes[TEXTS];
};

static struct text_table table;

static const char *
text_of(const void *ctx, uint32_t number, size_t *size)
{
    const struct text_table *from = ctx;

    *size = from->sizes[number];
    return from->bytes[number];
}

static int
compare_numbers_of_texts(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    size_t common = table.sizes[x] < table.sizes[y] ? table.sizes[x] : table.sizes[y];
    int order = memcmp(table.bytes[x], table.bytes[y], common);

    if (order == 0 && table.sizes[x] != table.sizes[y])
        order = table.sizes[x] < table.sizes[y] ? -1 : 1;
    return order != 0 ? order : x < y ? -1 : 1;
}

static void
check_texts(uint32_t count)
{
    static struct po_sort_row rows[TEXTS];
    static struct po_sort_row spare[TEXTS];
    static uint32_t wanted[TEXTS];
    uint32_t same = 0;

    for (uint32_t i = 0; i < count; i++)
        rows[i].number = wanted[i] = i;
    po_sort_texts(rows, spare, count, text_of, &table);
    qsort(wanted, count, sizeof *wanted, compare_numbers_of_texts);
    while (same < count && rows[same].number == wanted[same])
        same++;
    if (same < count)
        ck_abort_msg("%u texts: text %u at place %u, expected %u", count, rows[same].number, same,
                     wanted[same]);
}

/* Of few letters, some of them NUL or above 127, with long beginnings in common, and some twice. */
static void
check_random_texts(struct help_random *random)
{
    static const char letters[] = { 'a', 'b', '/', '.', '\0', (char)0xe4 };
    uint32_t count = (uint32_t)help_random_below(random, TEXTS + 1);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = i > 0 ? (uint32_t)help_random_below(random, i) : 0;
        size_t size = i == 0 ? 0 : help_random_size(random, table.sizes[from] + 1);

        memcpy(table.bytes[i], table.bytes[from], size);
        while (size < TEXT_MAX && help_random_below(random, 12) != 0)
            table.bytes[i][size++] = letters[help_random_below(random, sizeof letters)];
        table.sizes[i] = size;
    }
    check_texts(count);
}

START_TEST(texts_go_as_bytes_do)
{
    struct help_random random = help_random_begin("texts", (uint64_t)_i);

    for (int round = 0; round < ROUNDS; round++)
        check_random_texts(&random);
}
END_TEST

/* Each is the beginning of the next, eight bytes a step, beyond what is sorted by keys; and only the last byte differs. */
START_TEST(texts_that_share_nearly_all_are_sorted)
{
    for (uint32_t i = 0; i < 80; i++) {
        memset(table.bytes[i], 'x', TEXT_MAX);
        table.sizes[i] = (size_t)(i * 37 % 80) * 8;
    }
    check_texts(80);
    for (uint32_t i = 0; i < 80; i++) {
        table.sizes[i] = 600 + i % 2;
        table.bytes[i][599] = (char)(200 - i % 3);
    }
    check_texts(80);
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
    tcase_add_loop_test(tc, rows_go_by_key_then_as_is_said_then_as_they_stood, 0, 10);
    tcase_add_loop_test(tc, texts_go_as_bytes_do, 0, 15);
    tcase_add_test(tc, texts_that_share_nearly_all_are_sorted);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
