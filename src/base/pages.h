/*
 * pages.h - memory for what may be large: buffers of frames, an index, a list that grows. What is small is of the heap, what is
 * large of the system, in large pages where it has them and gives them to everybody: small ones cost a fault each when they
 * are written to first, and growing moves them without a copy. Who frees or resizes a block says its size.
 */
#ifndef PO_BASE_PAGES_H
#define PO_BASE_PAGES_H

#include <stddef.h>

/* `size` zeroed bytes; NULL when out of memory. Of a large block, a page that is never written to takes no memory. */
void *po_pages_new(size_t size);
/*
 * As realloc: NULL leaves the old block (or NULL, of old_size 0) as it was. What is new in it may hold anything.
 */
void *po_pages_resize(void *block, size_t old_size, size_t size);
/* The size in whole large pages: for a block that is used to its end, where it has small ones otherwise. */
size_t po_pages_whole(size_t size);
/* NULL is fine. */
void po_pages_free(void *block, size_t size);

#endif
