/* index_format.h - sizes and magic shared by index.c (decoding) and index_write.c (encoding). */
#ifndef PO_ARCHIVE_INDEX_FORMAT_H
#define PO_ARCHIVE_INDEX_FORMAT_H

#include <stdint.h>

#define PO_INDEX_MAGIC "pobindex"
#define PO_INDEX_HEADER_SIZE 128u
#define PO_INDEX_RESERVED_SIZE 32u
#define PO_INDEX_ENTRY_SIZE 79u /* all columns together */
#define PO_INDEX_FRAME_SIZE 56u
#define PO_INDEX_PARENT_SIZE 60u
#define PO_INDEX_UNLISTED_TAG 1u

/*
 * The most bytes of extensions, by the content before the index: an unlisted member takes 8 of them
 * and a header block there. spec: INDEX-2
 */
static inline uint64_t
po_index_extensions_max(uint64_t content_size)
{
    return (64u << 20) + content_size / 64;
}

#endif
