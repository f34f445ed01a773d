/*
 * tar_format.h - what tar_write.c (encoding) and tar_read.c (decoding) share: where a header block
 * has its fields.
 */
#ifndef PO_ARCHIVE_TAR_FORMAT_H
#define PO_ARCHIVE_TAR_FORMAT_H

#include "archive/format.h"

#include <stddef.h>

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

/* The sum that a header block states: its own field counts as spaces. */
static inline unsigned
po_tar_header_sum(const uint8_t *header)
{
    unsigned sum = 0;

    for (size_t i = 0; i < PO_TAR_BLOCK; i++)
        sum += i >= PO_TAR_CHECKSUM_AT && i < PO_TAR_CHECKSUM_AT + 8 ? ' ' : header[i];
    return sum;
}

/* Only bytes that every tar reads alike. spec: TAR-4 */
static inline bool
po_tar_is_portable(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || (unsigned char)name[i] > 0x7E)
            return false;
    return true;
}

#endif
