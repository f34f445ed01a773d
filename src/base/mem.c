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
