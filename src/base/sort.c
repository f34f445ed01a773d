#include "base/sort.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

static void
merge(uint32_t *numbers, uint32_t *spare, uint64_t start, uint64_t middle, uint64_t end,
      po_compare_fn compare, const void *ctx)
{
    uint64_t a = start;
    uint64_t b = middle;

    for (uint64_t i = start; i < end; i++) {
        bool takes_a = a < middle && (b >= end || compare(ctx, numbers[a], numbers[b]) <= 0);

        spare[i] = takes_a ? numbers[a++] : numbers[b++];
    }
    memcpy(numbers + start, spare + start, (size_t)(end - start) * sizeof *numbers);
}

void
po_sort_numbers(uint32_t *numbers, uint32_t *spare, uint32_t count, po_compare_fn compare,
                const void *ctx)
{
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t start = 0; start + width < count; start += 2 * width) {
            uint64_t middle = start + width;
            uint64_t end = middle + width < count ? middle + width : count;

            if (compare(ctx, numbers[middle - 1], numbers[middle]) > 0)
                merge(numbers, spare, start, middle, end, compare, ctx);
        }
    }
}

/* ---- rows ---- */

struct order {
    po_compare_fn tie;
    const void *ctx;
};

static bool
comes_first(const struct order *order, const struct po_sort_row *a, const struct po_sort_row *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return order->tie == NULL || order->tie(order->ctx, a->number, b->number) <= 0;
}

static void
merge_rows(struct po_sort_row *rows, struct po_sort_row *spare, size_t middle, size_t end,
           const struct order *order)
{
    size_t a = 0;
    size_t b = middle;

    for (size_t i = 0; i < end; i++) {
        bool takes_a = a < middle && (b >= end || comes_first(order, &rows[a], &rows[b]));

        spare[i] = takes_a ? rows[a++] : rows[b++];
    }
    memcpy(rows, spare, end * sizeof *rows);
}

void
po_sort_rows(struct po_sort_row *rows, struct po_sort_row *spare, uint32_t count, po_compare_fn tie,
             const void *ctx)
{
    const struct order order = { .tie = tie, .ctx = ctx };

    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start + width < count; start += 2 * width) {
            size_t end = start + 2 * width < count ? 2 * width : count - start;

            if (!comes_first(&order, &rows[start + width - 1], &rows[start + width]))
                merge_rows(rows + start, spare, width, end, &order);
        }
    }
}

/* ---- texts ---- */

/* Texts that have so many times eight bytes in common with some others, and not with the rest, are compared
 * one by one: so much goes no deeper. */
#define LEVELS_MAX 64u

struct texts {
    struct po_sort_row *rows;
    struct po_sort_row *spare;
    po_sort_text_fn text;
    const void *ctx;
};

static int
compare_texts(const void *ctx, uint32_t a, uint32_t b)
{
    const struct texts *texts = ctx;
    size_t a_size;
    size_t b_size;
    const char *a_text = texts->text(texts->ctx, a, &a_size);
    const char *b_text = texts->text(texts->ctx, b, &b_size);

    return po_text_compare(a_text, a_size, b_text, b_size);
}

/* Eight bytes from `depth` on, the first one the highest; zeros behind the end. */
static uint64_t
key_at(const struct texts *texts, uint32_t number, size_t depth)
{
    size_t size;
    const char *text = texts->text(texts->ctx, number, &size);
    uint64_t key = 0;

    for (size_t i = depth; i < depth + 8; i++)
        key = key << 8 | (i < size ? (uint8_t)text[i] : 0);
    return key;
}

/* Whether a text may have ended within its key. */
static bool
may_have_ended(uint64_t key)
{
    return (key & 0xff) == 0;
}

/* Those that have the bytes before `depth` in common. */
static void
sort_from(const struct texts *texts, size_t start, uint32_t count, size_t depth, unsigned level)
{
    struct po_sort_row *rows = texts->rows + start;
    bool is_one_key = true;
    uint32_t end;

    for (; is_one_key; depth += 8) {
        for (uint32_t i = 0; i < count; i++) {
            rows[i].key = key_at(texts, rows[i].number, depth);
            is_one_key = is_one_key && rows[i].key == rows[0].key;
        }
        if (is_one_key && may_have_ended(rows[0].key))
            break;
    }
    if (is_one_key || level == LEVELS_MAX) {
        po_sort_rows(rows, texts->spare, count, compare_texts, texts);
        return;
    }
    po_sort_rows(rows, texts->spare, count, NULL, NULL);
    for (uint32_t i = 0; i < count; i = end) {
        end = i + 1;
        while (end < count && rows[end].key == rows[i].key)
            end++;
        if (end - i > 1)
            sort_from(texts, start + i, end - i, depth, level + 1);
    }
}

void
po_sort_texts(struct po_sort_row *rows, struct po_sort_row *spare, uint32_t count,
              po_sort_text_fn text, const void *ctx)
{
    const struct texts texts = { .rows = rows, .spare = spare, .text = text, .ctx = ctx };

    if (count > 1)
        sort_from(&texts, 0, count, 0, 0);
}
