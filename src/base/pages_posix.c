#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define SMALL_PAGE ((size_t)4096)
/* Of x86-64, and of other machines whose small pages have 4 KiB. */
#define LARGE_PAGE ((size_t)2 << 20)
/* From here on one large page is cheaper than so many small ones. */
#define LARGE_FROM ((size_t)256 << 10)

#if defined(__SANITIZE_ADDRESS__)
#define IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_CHECKED 1
#endif
#endif

#if defined(IS_CHECKED)

#include <stdlib.h>
#include <string.h>

/* From the heap, which the sanitizer guards to the byte. */
void *
po_pages_new(size_t size)
{
    void *block = NULL;

    if (size > (size_t)PTRDIFF_MAX || posix_memalign(&block, SMALL_PAGE, size + (size == 0)) != 0)
        return NULL;
    memset(block, 0, size);
    return block;
}

void
po_pages_free(void *block, size_t size)
{
    (void)size;
    free(block);
}

#else

static size_t
page_of(size_t size)
{
    return size < LARGE_FROM ? SMALL_PAGE : LARGE_PAGE;
}

/* What is mapped for so many bytes: a large page only as a whole where there is but one. */
static size_t
mapped(size_t size)
{
    size_t page = size < LARGE_PAGE ? page_of(size) : SMALL_PAGE;

    return size == 0 ? page : (size + page - 1) / page * page;
}

void *
po_pages_new(size_t size)
{
    const size_t page = page_of(size);
    size_t wanted;
    size_t before;
    unsigned char *raw;
    unsigned char *block;

    if (size > (size_t)PTRDIFF_MAX - 2 * LARGE_PAGE)
        return NULL;
    /* More than is needed, so that a large page begins in it; what is around the block goes back at once. */
    wanted = mapped(size) + page - SMALL_PAGE;
    raw = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    before = (page - (uintptr_t)raw % page) % page;
    block = raw + before;
    if (before > 0)
        (void)munmap(raw, before);
    if (wanted - before > mapped(size))
        (void)munmap(block + mapped(size), wanted - before - mapped(size));
#if defined(MADV_HUGEPAGE)
    if (page == LARGE_PAGE)
        (void)madvise(block, mapped(size), MADV_HUGEPAGE);
#endif
    return block;
}

void
po_pages_free(void *block, size_t size)
{
    if (block != NULL)
        (void)munmap(block, mapped(size));
}

#endif
