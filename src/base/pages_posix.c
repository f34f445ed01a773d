#include "base/pages_system.h"

#include <stdint.h>
#include <sys/mman.h>

#define SMALL_PAGE ((size_t)4096)
/* Of x86-64, and of other machines whose small pages have 4 KiB. */
#define LARGE_PAGE ((size_t)2 << 20)

/* Whole large pages: what begins with small ones stays small when the block grows. */
static size_t
mapped(size_t size)
{
    return (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

/* Address space that begins where a large page does. */
static unsigned char *
reserve(size_t size, int protection)
{
    const size_t wanted = size + LARGE_PAGE - SMALL_PAGE;
    unsigned char *raw = mmap(NULL, wanted, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *block;
    size_t before;

    if (raw == MAP_FAILED)
        return NULL;
    before = (LARGE_PAGE - (uintptr_t)raw % LARGE_PAGE) % LARGE_PAGE;
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
    unsigned char *block = reserve(mapped(size), PROT_READ | PROT_WRITE);

    /* What has a size for good takes no more than that: small pages at its end. */
    if (block != NULL)
        advise(block, size < LARGE_PAGE ? LARGE_PAGE : size / LARGE_PAGE * LARGE_PAGE);
    return block;
}

void *
po_pages_remap(void *block, size_t old_size, size_t size)
{
#if defined(MREMAP_FIXED)
    unsigned char *target;

    if (mapped(old_size) == mapped(size))
        return block;
    target = reserve(mapped(size), PROT_NONE);
    if (target == NULL)
        return NULL;
    advise(block,
           mapped(old_size)); /* what grows goes on growing; mremap wants one kind of pages */
    if (mremap(block, mapped(old_size), mapped(size), MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
        MAP_FAILED)
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
    (void)munmap(block, mapped(size));
}
