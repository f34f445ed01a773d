/*
 * recovery.h - the recovery sidecar's parts as bytes: header, table, and where each block is
 * (format-spec/recovery.md). What is computed from them is reed_solomon.h's; who reads and writes
 * files is engine/protect.h and engine/repair.h.
 */
#ifndef PO_ARCHIVE_RECOVERY_H
#define PO_ARCHIVE_RECOVERY_H

#include "archive/format.h"
#include "base/err.h"

#define PO_REC_SUFFIX ".rec"
#define PO_REC_HEADER_SIZE 256u
#define PO_REC_PAGE_SIZE 4096u
#define PO_REC_PAGE_ENTRIES 202u
#define PO_REC_ENTRY_SIZE 20u
#define PO_REC_PERCENT_DEFAULT 5u

/* How an archive is cut into blocks. Blocks are numbered 0 to `blocks` - 1; behind them, as entries of
 * the table, the parity blocks, first those with number 0 of all groups. */
struct po_rec_layout {
    uint64_t archive_size; /* bytes */
    uint32_t block_size;   /* bytes */
    uint32_t blocks;       /* of the archive */
    uint32_t groups;
    unsigned rows;     /* data blocks of a group, at most */
    unsigned parities; /* parity blocks of a group */
};

struct po_rec_header {
    struct po_rec_layout layout;
    uint8_t id[PO_HASH_SIZE];
    uint8_t digest[PO_DIGEST_SIZE]; /* of the archive; zeros: not known */
};

/* For `percent` (1 to 100) of recovery data. PO_E_USAGE: an empty archive, or one too large. */
PO_NODISCARD enum po_status po_rec_layout_choose(struct po_rec_layout *layout,
                                                 uint64_t archive_size, unsigned percent,
                                                 struct po_err *err);

/* Data and parity blocks. */
uint32_t po_rec_entry_count(const struct po_rec_layout *layout);
uint32_t po_rec_page_count(const struct po_rec_layout *layout);
/* Blocks that so many bytes take. */
uint64_t po_rec_blocks_of(const struct po_rec_layout *layout, uint64_t bytes);
/* Bytes that block has: less than block_size in the last one. */
uint32_t po_rec_block_bytes(const struct po_rec_layout *layout, uint32_t block);
/* Places in the sidecar; `copy` is 0 or 1. */
uint64_t po_rec_header_at(const struct po_rec_layout *layout, unsigned copy);
uint64_t po_rec_page_at(const struct po_rec_layout *layout, unsigned copy, uint32_t page);
uint64_t po_rec_parity_at(const struct po_rec_layout *layout, unsigned parity, uint32_t group);
uint64_t po_rec_size(const struct po_rec_layout *layout);

void po_rec_entry_put(uint8_t entry[PO_REC_ENTRY_SIZE], const uint8_t *bytes, size_t size);
bool po_rec_entry_is_of(const uint8_t entry[PO_REC_ENTRY_SIZE], const uint8_t *bytes, size_t size);
/* A block's first four bytes, as a number. */
uint32_t po_rec_entry_key(const uint8_t entry[PO_REC_ENTRY_SIZE]);

/* The id: over all entries. */
void po_rec_id(uint8_t id[PO_HASH_SIZE], const uint8_t *entries, uint32_t count);
/* `entries`: those of this page, at most PO_REC_PAGE_ENTRIES. */
void po_rec_page_put(uint8_t bytes[PO_REC_PAGE_SIZE], const uint8_t id[PO_HASH_SIZE],
                     uint32_t number, const uint8_t *entries, uint32_t count);
/* Its entries, or NULL when it is not this page, whole. */
const uint8_t *po_rec_page_entries(const uint8_t bytes[PO_REC_PAGE_SIZE],
                                   const uint8_t id[PO_HASH_SIZE], uint32_t number);

void po_rec_header_put(uint8_t bytes[PO_REC_HEADER_SIZE], const struct po_rec_header *header);
bool po_rec_header_is_equal(const struct po_rec_header *a, const struct po_rec_header *b);
/* PO_E_FORMAT: damaged, or no header at all; PO_E_UNSUPPORTED: of a newer version. */
PO_NODISCARD enum po_status po_rec_header_parse(struct po_rec_header *header,
                                                const uint8_t bytes[PO_REC_HEADER_SIZE],
                                                struct po_err *err);

#endif
