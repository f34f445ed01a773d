#include "base/pages_system.h"

#include <windows.h>

/* Large pages would need a right that no service has (SeLockMemoryPrivilege). */
void *
po_pages_map(size_t size)
{
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void *
po_pages_remap(void *block, size_t old_size, size_t size)
{
    (void)block;
    (void)old_size;
    (void)size;
    return NULL;
}

void
po_pages_unmap(void *block, size_t size)
{
    (void)size;
    (void)VirtualFree(block, 0, MEM_RELEASE);
}
