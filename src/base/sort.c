#include "base/sort.h"

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
