/* sort.h - a stable sort with a context, which qsort lacks in C17. */
#ifndef PO_BASE_SORT_H
#define PO_BASE_SORT_H

#include <stdint.h>

/* <0, 0, >0 */
typedef int (*po_compare_fn)(const void *ctx, uint32_t a, uint32_t b);

/* Merge sort of `count` numbers (of rows in some table); `spare` has room for as many. Runs that
 * are in order already cost one comparison each. */
void po_sort_numbers(uint32_t *numbers, uint32_t *spare, uint32_t count, po_compare_fn compare,
                     const void *ctx);

#endif
