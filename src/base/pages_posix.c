#include "base/pages.h"
#include "base/pages_system.h"

#include <stdint.h>
#include <sys/mman.h>

#define SMALL_PAGE ((size_t)4096)

/* Address space that begins where a large page does. */
static unsigned char *
reserve(size_t size, int protection)
{
    const size_t wanted = size + PO_PAGES_LARGE - SMALL_PAGE;
    unsigned char *raw = mmap(NULL, wanted, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *block;
    size_t before;

    if (raw == MAP_FAILED)
        return NULL;
    before = (PO_PAGES_LARGE - (uintptr_t)raw % PO_PAGES_LARGE) % PO_PAGES_LARGE;
    block = raw + before;
    if (before > 0)
        (void)munmap(raw, before);
    if (wanted - before > size)
        (void)munmap(block + size, wanted - before - size);
    return block;
}

/* Where it is not advised, a page is taken only when it is written to. */
static void
advise(void *block, size_t size)
{
#if defined(MADV_HUGEPAGE)
    (void)madvise(block, size, MADV_HUGEPAGE);
#else
    (void)block;
    (void)size;
#endif
}

void *
po_pages_map(size_t size)
{
    unsigned char *block = reserve(po_pages_whole(size), PROT_READ | PROT_WRITE);

    /* What has a size for good takes no more than that: small pages at its end. */
    if (block != NULL)
        advise(block,
               size < PO_PAGES_LARGE ? PO_PAGES_LARGE : size / PO_PAGES_LARGE * PO_PAGES_LARGE);
    return block;
}

void *
po_pages_remap(void *block, size_t old_size, size_t size)
{
#if defined(MREMAP_FIXED)
    unsigned char *target;

    if (po_pages_whole(old_size) == po_pages_whole(size))
        return block;
    target = reserve(po_pages_whole(size), PROT_NONE);
    if (target == NULL)
        return NULL;
    /* What grows goes on growing; and mremap wants one kind of pages. */
    advise(block, po_pages_whole(old_size));
    if (mremap(block, po_pages_whole(old_size), po_pages_whole(size), MREMAP_MAYMOVE | MREMAP_FIXED,
               target) == MAP_FAILED)
        return NULL; /* The target may be another thread's by now: what is left of it, which is no memory, stays. */
    return target;
#else
    (void)block;
    (void)old_size;
    (void)size;
    return NULL;
#endif
}

void
po_pages_unmap(void *block, size_t size)
{
    (void)munmap(block, po_pages_whole(size));
}
