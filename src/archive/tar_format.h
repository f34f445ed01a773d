/*
 * tar_format.h - what tar_write.c (encoding) and tar_read.c (decoding) share: where a header block
 * has its fields.
 */
#ifndef PO_ARCHIVE_TAR_FORMAT_H
#define PO_ARCHIVE_TAR_FORMAT_H

#include "archive/format.h"

#include <stddef.h>
#include <string.h>

/* ustar header fields: offset and size. POSIX.1-2008, pax, "ustar Interchange Format". */
#define PO_TAR_NAME_AT 0
#define PO_TAR_NAME_SIZE 100
#define PO_TAR_MODE_AT 100
#define PO_TAR_UID_AT 108
#define PO_TAR_GID_AT 116
#define PO_TAR_SIZE_AT 124
#define PO_TAR_MTIME_AT 136
#define PO_TAR_CHECKSUM_AT 148
#define PO_TAR_TYPE_AT 156
#define PO_TAR_LINK_AT 157
#define PO_TAR_LINK_SIZE 100
#define PO_TAR_MAGIC_AT 257
#define PO_TAR_MAGIC "ustar\00000" /* and the version: 8 bytes. spec: TAR-1 */
#define PO_TAR_USER_AT 265
#define PO_TAR_GROUP_AT 297
#define PO_TAR_OWNER_NAME_SIZE 32
#define PO_TAR_PREFIX_AT 345
#define PO_TAR_PREFIX_SIZE 155

#define PO_TAR_ID_OCTAL_MAX 07777777u
#define PO_TAR_SIZE_OCTAL_MAX 077777777777u /* 8 GiB - 1 */
#define PO_TAR_MTIME_OCTAL_MAX 077777777777 /* 2^33 - 1 */

/* Eight bytes as they lie in memory: for what asks no order of them. */
static inline uint64_t
po_tar_eight(const void *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/*
 * The sum that a header block states: its own field counts as spaces. Eight bytes at a time, each
 * pair of neighbours added to one of four sums of 16 bits: 64 words of 2 * 255 do not overflow it.
 */
static inline unsigned
po_tar_header_sum(const uint8_t *header)
{
    const uint64_t even = UINT64_C(0x00FF00FF00FF00FF);
    uint64_t sums = 0;
    unsigned sum = 8 * ' ';

    for (size_t i = 0; i < PO_TAR_BLOCK; i += 8) {
        uint64_t word = po_tar_eight(header + i);

        sums += (word & even) + (word >> 8 & even);
    }
    for (; sums != 0; sums >>= 16)
        sum += (unsigned)(sums & 0xFFFF);
    for (size_t i = 0; i < 8; i++)
        sum -= header[PO_TAR_CHECKSUM_AT + i];
    return sum;
}

/*
 * Only bytes that every tar reads alike, 0x20 to 0x7E. spec: TAR-4
 * Eight at a time: one with bit 7 is none, 0x7F gets bit 7 by adding 1, and one below 0x20 loses
 * the bit 7 that it was given when 0x20 is taken away. A byte carries into the next one only
 * where it is bad itself.
 */
static inline bool
po_tar_is_portable(const char *name, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = 0;

    for (; size - i >= 8; i += 8) {
        uint64_t word = po_tar_eight(name + i);

        if (((word | (word + ones) | ~((word | ones << 7) - (ones << 5))) & ones << 7) != 0)
            return false;
    }
    for (; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || (unsigned char)name[i] > 0x7E)
            return false;
    return true;
}

#endif
