#include "base/pages.h"

#include <stdint.h>
#include <windows.h>

/* Large pages would need a right that no service has (SeLockMemoryPrivilege). */
void *
po_pages_new(size_t size)
{
    if (size > (size_t)PTRDIFF_MAX)
        return NULL;
    return VirtualAlloc(NULL, size + (size == 0), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void
po_pages_free(void *block, size_t size)
{
    (void)size;
    if (block != NULL)
        (void)VirtualFree(block, 0, MEM_RELEASE);
}
