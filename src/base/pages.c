#include "base/pages.h"

#include "base/mem.h"
#include "base/pages_system.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* From here on a large page, of 2 MiB, is cheaper than so many small ones. */
#define LARGE_FROM ((size_t)256 << 10)
/* So that what is mapped for a block, and to align it, is no object too large. */
#define LARGEST ((size_t)PTRDIFF_MAX - ((size_t)4 << 20))

#if defined(__SANITIZE_ADDRESS__)
#define IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_CHECKED 1
#endif
#endif

size_t
po_pages_whole(size_t size)
{
    return (size + PO_PAGES_LARGE - 1) / PO_PAGES_LARGE * PO_PAGES_LARGE;
}

/* The address sanitizer guards the heap to the byte, and nothing else. */
static bool
is_of_system(size_t size)
{
#if defined(IS_CHECKED)
    (void)size;
    return false;
#else
    return size >= LARGE_FROM;
#endif
}

void *
po_pages_new(size_t size)
{
    if (size > LARGEST)
        return NULL;
    return is_of_system(size) ? po_pages_map(size) : po_mem_new(1, size);
}

void *
po_pages_resize(void *block, size_t old_size, size_t size)
{
    void *moved = NULL;

    if (size > LARGEST)
        return NULL;
    if (!is_of_system(old_size) && !is_of_system(size))
        return po_mem_resize(block, size, 1);
    if (is_of_system(old_size) && is_of_system(size))
        moved = po_pages_remap(block, old_size, size);
    if (moved != NULL)
        return moved;
    moved = po_pages_new(size);
    if (moved == NULL)
        return NULL;
    if (block != NULL)
        memcpy(moved, block, old_size < size ? old_size : size);
    po_pages_free(block, old_size);
    return moved;
}

void
po_pages_free(void *block, size_t size)
{
    if (block == NULL)
        return;
    if (is_of_system(size))
        po_pages_unmap(block, size);
    else
        po_mem_free(block);
}
