/*
 * pages_system.h - what pages.c has of the system. Sizes are those of the blocks; what is mapped for them may be more.
 */
#ifndef PO_BASE_PAGES_SYSTEM_H
#define PO_BASE_PAGES_SYSTEM_H

#include <stddef.h>

/* Of x86-64, and of other machines whose small pages have 4 KiB. */
#define PO_PAGES_LARGE ((size_t)2 << 20)

/* Zeros; NULL when out of memory. */
void *po_pages_map(size_t size);
/* NULL: it cannot be moved without a copy, or memory ran out; the old block is as it was. */
void *po_pages_remap(void *block, size_t old_size, size_t size);
void po_pages_unmap(void *block, size_t size);

#endif
