#include "archive/recovery.h"

#include "archive/hash.h"
#include "base/buf.h"
#include "base/cursor.h"

#define VERSION 1u
#define HASHED_SIZE 240u /* of the header */
#define HEADER_RESERVED 152u
#define PAGE_HASHED_SIZE 4080u
#define PAGE_ENTRIES_AT 24u
#define KEY_SIZE 4u

#define BLOCK_MIN 512u
#define BLOCK_MAX (1u << 20)
#define CODE_MAX 256u /* blocks of a group: so many elements has the field */

/* What this writer chooses. */
#define ROWS_WANTED 240u
#define BLOCKS_WANTED (1u << 18)
#define SMALL_ARCHIVE (1u << 20)
#define PERCENT_FOR_LARGE_BLOCKS                                                                   \
    20u /* above, the parity of one column of large blocks is too much */

static const char magic[8] = { 'p', 'o', 'b', 'r', 'e', 'c', 'o', 'v' };

/* ---- layout ---- */

static uint64_t
divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

/* spec: REC-1 */
static bool
is_possible(const struct po_rec_layout *layout)
{
    uint32_t size = layout->block_size;

    return layout->archive_size > 0 && size >= BLOCK_MIN && size <= BLOCK_MAX &&
           (size & (size - 1)) == 0 && layout->groups > 0 && layout->parities > 0 &&
           layout->blocks == divide_up(layout->archive_size, size) &&
           layout->rows == divide_up(layout->blocks, layout->groups) &&
           layout->rows + layout->parities <= CODE_MAX &&
           layout->blocks + (uint64_t)layout->parities * layout->groups <= UINT32_MAX;
}

static uint32_t
choose_block_size(uint64_t archive_size, unsigned percent)
{
    uint32_t size = archive_size < SMALL_ARCHIVE ? 1024 : 4096;
    uint32_t max = percent > PERCENT_FOR_LARGE_BLOCKS ? BLOCK_MAX / 4 : BLOCK_MAX;

    while (size < max && divide_up(archive_size, size) > BLOCKS_WANTED)
        size *= 2;
    return size;
}

/* So many that they make up for the share, and for a burst of nine tenths of it that begins
 * anywhere. */
static unsigned
choose_parities(const struct po_rec_layout *layout, unsigned percent)
{
    uint64_t burst = layout->archive_size / 1000 * 9 * percent +
                     layout->archive_size % 1000 * 9 * percent / 1000;
    uint64_t hit = burst == 0 ? 1 : divide_up(burst - 1, layout->block_size) + 1;
    uint64_t for_burst;
    uint64_t for_share = divide_up((uint64_t)layout->rows * percent, 100);

    if (hit > layout->blocks)
        hit = layout->blocks;
    for_burst = divide_up(hit, layout->groups);
    return (unsigned)(for_burst > for_share ? for_burst : for_share);
}

enum po_status
po_rec_layout_choose(struct po_rec_layout *layout, uint64_t archive_size, unsigned percent,
                     struct po_err *err)
{
    struct po_rec_layout l = { .archive_size = archive_size };
    unsigned rows = (CODE_MAX - 1) * 100 / (100 + percent);
    uint64_t blocks;

    if (rows > ROWS_WANTED)
        rows = ROWS_WANTED;
    l.block_size = choose_block_size(archive_size, percent);
    blocks = divide_up(archive_size, l.block_size);
    if (archive_size == 0 || percent < 1 || percent > 100 || blocks > UINT32_MAX / 2)
        return po_fail(err, PO_E_USAGE,
                       archive_size == 0 ? "an empty file cannot be protected"
                                         : "too large, or no share from 1 to 100 percent");
    l.blocks = (uint32_t)blocks;
    l.groups = (uint32_t)divide_up(blocks, rows);
    l.rows = (unsigned)divide_up(blocks, l.groups);
    l.parities = choose_parities(&l, percent);
    *layout = l;
    return PO_OK;
}

uint32_t
po_rec_entry_count(const struct po_rec_layout *layout)
{
    return layout->blocks + layout->parities * layout->groups;
}

uint32_t
po_rec_page_count(const struct po_rec_layout *layout)
{
    return (uint32_t)divide_up(po_rec_entry_count(layout), PO_REC_PAGE_ENTRIES);
}

uint64_t
po_rec_blocks_of(const struct po_rec_layout *layout, uint64_t bytes)
{
    return divide_up(bytes, layout->block_size);
}

uint32_t
po_rec_block_bytes(const struct po_rec_layout *layout, uint32_t block)
{
    uint64_t left = layout->archive_size - (uint64_t)block * layout->block_size;

    return left < layout->block_size ? (uint32_t)left : layout->block_size;
}

/* ---- places ---- */

static uint64_t
table_size(const struct po_rec_layout *layout)
{
    return (uint64_t)po_rec_page_count(layout) * PO_REC_PAGE_SIZE;
}

uint64_t
po_rec_parity_at(const struct po_rec_layout *layout, unsigned parity, uint32_t group)
{
    return PO_REC_HEADER_SIZE + table_size(layout) +
           ((uint64_t)parity * layout->groups + group) * layout->block_size;
}

uint64_t
po_rec_page_at(const struct po_rec_layout *layout, unsigned copy, uint32_t page)
{
    uint64_t table = copy == 0 ? PO_REC_HEADER_SIZE : po_rec_parity_at(layout, layout->parities, 0);

    return table + (uint64_t)page * PO_REC_PAGE_SIZE;
}

uint64_t
po_rec_header_at(const struct po_rec_layout *layout, unsigned copy)
{
    return copy == 0 ? 0 : po_rec_page_at(layout, 1, po_rec_page_count(layout));
}

uint64_t
po_rec_size(const struct po_rec_layout *layout)
{
    return po_rec_header_at(layout, 1) + PO_REC_HEADER_SIZE;
}

/* ---- table ---- */

void
po_rec_entry_put(uint8_t entry[PO_REC_ENTRY_SIZE], const uint8_t *bytes, size_t size)
{
    po_xxh3(bytes, size, entry);
    memset(entry + PO_HASH_SIZE, 0, KEY_SIZE);
    memcpy(entry + PO_HASH_SIZE, bytes, size < KEY_SIZE ? size : KEY_SIZE);
}

/* spec: REC-7 */
bool
po_rec_entry_is_of(const uint8_t entry[PO_REC_ENTRY_SIZE], const uint8_t *bytes, size_t size)
{
    uint8_t own[PO_REC_ENTRY_SIZE];

    po_rec_entry_put(own, bytes, size);
    return memcmp(own, entry, PO_REC_ENTRY_SIZE) == 0;
}

uint32_t
po_rec_entry_key(const uint8_t entry[PO_REC_ENTRY_SIZE])
{
    return po_load_u32le(entry + PO_HASH_SIZE);
}

void
po_rec_id(uint8_t id[PO_HASH_SIZE], const uint8_t *entries, uint32_t count)
{
    po_xxh3(entries, (size_t)count * PO_REC_ENTRY_SIZE, id);
}

void
po_rec_page_put(uint8_t bytes[PO_REC_PAGE_SIZE], const uint8_t id[PO_HASH_SIZE], uint32_t number,
                const uint8_t *entries, uint32_t count)
{
    memset(bytes, 0, PO_REC_PAGE_SIZE);
    memcpy(bytes, id, PO_HASH_SIZE);
    po_store_u32le(bytes + PO_HASH_SIZE, number);
    memcpy(bytes + PAGE_ENTRIES_AT, entries, (size_t)count * PO_REC_ENTRY_SIZE);
    po_xxh3(bytes, PAGE_HASHED_SIZE, bytes + PAGE_HASHED_SIZE);
}

/* spec: REC-5 */
const uint8_t *
po_rec_page_entries(const uint8_t bytes[PO_REC_PAGE_SIZE], const uint8_t id[PO_HASH_SIZE],
                    uint32_t number)
{
    uint8_t hash[PO_HASH_SIZE];

    po_xxh3(bytes, PAGE_HASHED_SIZE, hash);
    if (memcmp(hash, bytes + PAGE_HASHED_SIZE, sizeof(hash)) != 0 ||
        memcmp(bytes, id, PO_HASH_SIZE) != 0 || po_load_u32le(bytes + PO_HASH_SIZE) != number)
        return NULL;
    return bytes + PAGE_ENTRIES_AT;
}

/* ---- header ---- */

void
po_rec_header_put(uint8_t bytes[PO_REC_HEADER_SIZE], const struct po_rec_header *header)
{
    const struct po_rec_layout *layout = &header->layout;
    struct po_buf out = { .bytes = bytes, .capacity = PO_REC_HEADER_SIZE };

    po_buf_put(&out, magic, sizeof(magic));
    po_buf_put_u32le(&out, VERSION);
    po_buf_put_u32le(&out, 0);
    po_buf_put(&out, header->id, PO_HASH_SIZE);
    po_buf_put_u64le(&out, layout->archive_size);
    po_buf_put_u32le(&out, layout->block_size);
    po_buf_put_u32le(&out, layout->blocks);
    po_buf_put_u32le(&out, layout->groups);
    po_buf_put_u32le(&out, layout->rows | layout->parities << 16);
    po_buf_put(&out, header->digest, PO_DIGEST_SIZE);
    po_buf_put_zeros(&out, HEADER_RESERVED);
    po_xxh3(bytes, HASHED_SIZE, bytes + HASHED_SIZE);
}

bool
po_rec_header_is_equal(const struct po_rec_header *a, const struct po_rec_header *b)
{
    uint8_t bytes[2][PO_REC_HEADER_SIZE];

    po_rec_header_put(bytes[0], a);
    po_rec_header_put(bytes[1], b);
    return memcmp(bytes[0], bytes[1], PO_REC_HEADER_SIZE) == 0;
}

enum po_status
po_rec_header_parse(struct po_rec_header *header, const uint8_t bytes[PO_REC_HEADER_SIZE],
                    struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(bytes, HASHED_SIZE);
    struct po_rec_header h = { 0 };
    uint8_t hash[PO_HASH_SIZE];
    uint32_t version;
    uint32_t critical;

    po_xxh3(bytes, HASHED_SIZE, hash);
    if (memcmp(hash, bytes + HASHED_SIZE, sizeof(hash)) != 0 ||
        memcmp(po_cursor_bytes(&cur, sizeof(magic)), magic, sizeof(magic)) != 0)
        return po_fail(err, PO_E_FORMAT,
                       "not the header of recovery data, or damaged" PO_RULE("REC-3"));
    version = po_cursor_u32(&cur);
    critical = po_cursor_u32(&cur);
    if (version != VERSION || critical != 0)
        return po_fail(err, PO_E_UNSUPPORTED, "recovery data of a newer program" PO_RULE("REC-3"));
    po_cursor_copy(&cur, h.id, sizeof(h.id));
    h.layout.archive_size = po_cursor_u64(&cur);
    h.layout.block_size = po_cursor_u32(&cur);
    h.layout.blocks = po_cursor_u32(&cur);
    h.layout.groups = po_cursor_u32(&cur);
    h.layout.rows = po_cursor_u16(&cur);
    h.layout.parities = po_cursor_u16(&cur);
    po_cursor_copy(&cur, h.digest, sizeof(h.digest));
    if (!po_cursor_zeros(&cur, HEADER_RESERVED) || !is_possible(&h.layout))
        return po_fail(err, PO_E_FORMAT,
                       "recovery data: its header makes no sense" PO_RULE("REC-3"));
    *header = h;
    return PO_OK;
}
