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

#endif
