#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* count * size, or false when it overflows or is larger than any object may be. */
static bool
multiply(size_t count, size_t size, size_t *out)
{
    if (size != 0 && count > (size_t)PTRDIFF_MAX / size)
        return false;
    *out = count * size;
    return true;
}

void *
po_mem_new(size_t count, size_t size)
{
    size_t bytes;

    if (!multiply(count, size, &bytes))
        return NULL;
    return calloc(1, bytes > 0 ? bytes : 1);
}

void *
po_mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (!multiply(count, size, &bytes))
        return NULL;
    return realloc(old, bytes > 0 ? bytes : 1);
}

char *
po_mem_copy(const void *bytes, size_t size)
{
    char *copy;

    if (size >= (size_t)PTRDIFF_MAX)
        return NULL;
    copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

char *
po_mem_strdup(const char *text)
{
    return po_mem_copy(text, strlen(text));
}

void
po_mem_free(void *block)
{
    free(block);
}

/*
 * Over-allocates and keeps the true address in the word before the block: aligned_alloc is missing
 * on Windows, and what replaces it there needs another way to free.
 */
void *
po_mem_new_pages(size_t size, size_t page_size)
{
    const size_t extra = page_size + sizeof(void *);
    unsigned char *raw;
    unsigned char *block;

    if (size > (size_t)PTRDIFF_MAX - extra)
        return NULL;
    /* Zeroed, so that no stale heap bytes can reach an archive. A block of this size comes from the system as zeros,
     * and whichever thread writes to a page first has its fault: several at once, and none for what stays
     * unused. */
    raw = calloc(1, size + extra);
    if (raw == NULL)
        return NULL;
    block = raw + sizeof(void *);
    block += (page_size - (uintptr_t)block % page_size) % page_size;
    memcpy(block - sizeof(void *), &raw, sizeof(raw));
    return block;
}

void
po_mem_free_pages(void *block, size_t size)
{
    void *raw;

    (void)size;
    if (block == NULL)
        return;
    memcpy(&raw, (unsigned char *)block - sizeof(void *), sizeof(raw));
    free(raw);
}
