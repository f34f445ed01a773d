#include "archive/seek_table.h"

#include "base/cursor.h"

#define SKIPPABLE_MAGIC 0x184D2A5Eu
#define SEEKABLE_MAGIC 0x8F92EAB1u
#define DESCRIPTOR_CHECKSUM 0x80u
#define DESCRIPTOR_RESERVED 0x7Fu
#define HEADER_SIZE 8u

void
po_seek_table_put(struct po_buf *out, const struct po_seek_entry *entries, uint32_t count)
{
    po_buf_put_u32le(out, SKIPPABLE_MAGIC);
    po_buf_put_u32le(out, count * 12 + PO_SEEK_FOOTER_SIZE);
    for (uint32_t i = 0; i < count; i++) {
        po_buf_put_u32le(out, entries[i].compressed_size);
        po_buf_put_u32le(out, entries[i].content_size);
        po_buf_put_u32le(out, entries[i].checksum);
    }
    po_buf_put_u32le(out, count);
    po_buf_put_u8(out, DESCRIPTOR_CHECKSUM);
    po_buf_put_u32le(out, SEEKABLE_MAGIC);
}

/* spec: READ-1 */
enum po_status
po_seek_footer_parse(const uint8_t footer[PO_SEEK_FOOTER_SIZE], uint64_t file_size, bool foreign,
                     uint64_t *table_size, uint32_t *count, unsigned *entry_size,
                     struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(footer, PO_SEEK_FOOTER_SIZE);
    uint32_t frames = po_cursor_u32(&cur);
    uint8_t descriptor = po_cursor_u8(&cur);

    if (po_cursor_u32(&cur) != SEEKABLE_MAGIC)
        return po_fail(err, PO_E_FORMAT,
                       "no seek table at the end: the file is cut off, or has bytes behind its "
                       "end" PO_RULE("FILE-2"));
    if (foreign ? (descriptor & DESCRIPTOR_RESERVED & 0x7C) != 0
                : descriptor != DESCRIPTOR_CHECKSUM)
        return po_fail(err, PO_E_FORMAT, "seek table: descriptor 0x%02x" PO_RULE("SEEK-1"),
                       descriptor);
    *entry_size = (descriptor & DESCRIPTOR_CHECKSUM) != 0 ? 12 : 8;
    if (frames > PO_FRAMES_MAX)
        return po_fail(err, PO_E_FORMAT,
                       "seek table: %u frames; the format allows %u" PO_RULE("FRAME-7"), frames,
                       PO_FRAMES_MAX);
    *table_size = (uint64_t)frames * *entry_size + HEADER_SIZE + PO_SEEK_FOOTER_SIZE;
    if (*table_size > file_size)
        return po_fail(
            err, PO_E_FORMAT,
            "seek table: %u frames cannot stand in a file of this size" PO_RULE("SEEK-1"), frames);
    *count = frames;
    return PO_OK;
}

enum po_status
po_seek_table_parse(struct po_seek_entry *entries, uint32_t count, unsigned entry_size,
                    const uint8_t *bytes, size_t size, uint64_t table_offset, struct po_err *err)
{
    struct po_cursor cur = po_cursor_over(bytes, size);
    uint64_t sum = 0;

    if (po_cursor_u32(&cur) != SKIPPABLE_MAGIC)
        return po_fail(err, PO_E_FORMAT, "seek table: wrong magic number" PO_RULE("SEEK-1"));
    if (po_cursor_u32(&cur) != size - HEADER_SIZE ||
        (uint64_t)count * entry_size + HEADER_SIZE + PO_SEEK_FOOTER_SIZE != size)
        return po_fail(err, PO_E_FORMAT, "seek table: wrong size" PO_RULE("SEEK-1"));
    for (uint32_t i = 0; i < count; i++) {
        entries[i].compressed_size = po_cursor_u32(&cur);
        entries[i].content_size = po_cursor_u32(&cur);
        entries[i].checksum = entry_size == 12 ? po_cursor_u32(&cur) : 0;
        sum += entries[i].compressed_size;
    }
    if (sum != table_offset)
        return po_fail(
            err, PO_E_FORMAT,
            "seek table: the frames' sizes do not add up to the file's" PO_RULE("SEEK-2"));
    return PO_OK;
}
