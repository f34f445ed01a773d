/*
 * pages.h - memory straight from the system, for what is large and will be filled: buffers of frames, an index. The heap would
 * give it used memory, which must be cleared whether or not it is needed, and small pages: each costs a fault when it
 * is written to first.
 */
#ifndef PO_BASE_PAGES_H
#define PO_BASE_PAGES_H

#include <stddef.h>

/*
 * `size` bytes of zeros, aligned to a page; NULL when out of memory. Of large pages where the system has them and gives them
 * to everybody. A page that is never written to takes no memory.
 */
void *po_pages_new(size_t size);
/* With the same size. NULL is fine. */
void po_pages_free(void *block, size_t size);

#endif
