/* index_format.h - sizes and magic shared by index.c (decoding) and index_write.c (encoding). */
#ifndef PO_ARCHIVE_INDEX_FORMAT_H
#define PO_ARCHIVE_INDEX_FORMAT_H

#define PO_INDEX_MAGIC "pobindex"
#define PO_INDEX_HEADER_SIZE 128u
#define PO_INDEX_RESERVED_SIZE 32u
#define PO_INDEX_ENTRY_SIZE 79u /* all columns together */
#define PO_INDEX_FRAME_SIZE 56u
#define PO_INDEX_PARENT_SIZE 60u
#define PO_INDEX_UNLISTED_TAG 1u
/*
 * Extensions are at most so many bytes, and one more for each so many bytes of content before the
 * index: an unlisted member takes 8 bytes here and a header block there. spec: INDEX-2
 */
#define PO_INDEX_EXTENSIONS_MAX (64u << 20)
#define PO_CONTENT_AN_EXTENSION_BYTE 64u

#endif
