/* sort.h - stable sorts with a context, which qsort lacks in C17. */
#ifndef PO_BASE_SORT_H
#define PO_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* <0, 0, >0 */
typedef int (*po_compare_fn)(const void *ctx, uint32_t a, uint32_t b);

/* Merge sort of `count` numbers (of rows in some table); `spare` has room for as many. Runs that
 * are in order already cost one comparison each. */
void po_sort_numbers(uint32_t *numbers, uint32_t *spare, uint32_t count, po_compare_fn compare,
                     const void *ctx);

/* A number with what decides most comparisons: several times as fast, as the table is hardly looked at. */
struct po_sort_row {
    uint64_t key;
    uint32_t number;
};

/* By key; rows of one key as `tie` says, or where that is NULL in the order that they had. */
void po_sort_rows(struct po_sort_row *rows, struct po_sort_row *spare, uint32_t count,
                  po_compare_fn tie, const void *ctx);

/* The text of a number. */
typedef const char *(*po_sort_text_fn)(const void *ctx, uint32_t number, size_t *size);
/* By text, as bytes; the keys are its own. */
void po_sort_texts(struct po_sort_row *rows, struct po_sort_row *spare, uint32_t count,
                   po_sort_text_fn text, const void *ctx);

#endif
