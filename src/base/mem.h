/*
 * mem.h - the only way to the heap. Sizes go through an overflow-checked multiply. Out of memory is
 * a result, never an exit.
 */
#ifndef PO_BASE_MEM_H
#define PO_BASE_MEM_H

#include <stddef.h>

/*
 * count * size zeroed bytes; NULL when out of memory or on overflow. A size of 0 gives a pointer
 * that can be freed.
 */
void *po_mem_new(size_t count, size_t size);

/*
 * As realloc for count * size bytes: NULL leaves the old block as it was. New bytes are not zeroed.
 */
void *po_mem_resize(void *old, size_t count, size_t size);

/* A copy of `size` bytes with a NUL behind. */
char *po_mem_copy(const void *bytes, size_t size);

/* A copy of a NUL-terminated string. */
char *po_mem_strdup(const char *text);

/* NULL is fine. */
void po_mem_free(void *block);

#endif
