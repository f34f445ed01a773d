#include "engine/product.h"

#include "base/cursor.h"

#include <stdio.h>
#include <string.h>

/*
 * VS_FIXEDFILEINFO (verrsrc.h): signature, version of the structure (1.0), file version and product
 * version, two words each, high word first. It is aligned to four bytes; a linker does not cut it.
 */
#define SIGNATURE UINT32_C(0xFEEF04BD)
#define STRUCTURE UINT32_C(0x00010000)
#define INFO_SIZE 52u

bool
po_product_version(char version[PO_PRODUCT_VERSION_SIZE], const void *program, size_t size)
{
    const uint8_t *bytes = program;

    for (size_t at = 0; size >= INFO_SIZE && at <= size - INFO_SIZE; at += 4) {
        uint32_t high;
        uint32_t low;

        if (po_load_u32le(bytes + at) != SIGNATURE || po_load_u32le(bytes + at + 4) != STRUCTURE)
            continue;
        high = po_load_u32le(bytes + at + 16);
        low = po_load_u32le(bytes + at + 20);
        (void)snprintf(version, PO_PRODUCT_VERSION_SIZE, "%u.%u.%u.%u", high >> 16, high & 0xFFFF,
                       low >> 16, low & 0xFFFF);
        return true;
    }
    return false;
}
