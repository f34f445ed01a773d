#include "archive/trailer.h"

#include "archive/hash.h"
#include "archive/tar.h"
#include "base/cursor.h"

#include <string.h>

#define CONTENT_AT 10u /* behind zstd's magic, descriptor, content size and block header */
#define HASHED_SIZE 496u
#define RESERVED_SIZE 328u

static const char magic[8] = { 'p', 'o', 'b', 't', 'r', 'a', 'i', 'l' };

/*
 * spec: TRAILER-1. A Zstandard frame with one stored block: magic; descriptor 0x64 (single segment,
 * two bytes of content size, checksum); 2048 - 256; block header: last, raw, 2048 bytes.
 */
static const uint8_t frame_start[CONTENT_AT] = { 0x28, 0xB5, 0x2F, 0xFD, 0x64,
                                                 0x00, 0x07, 0x01, 0x40, 0x00 };

static void
put_trailer(struct po_buf *out, const struct po_trailer *trailer)
{
    po_buf_put(out, magic, sizeof magic);
    po_buf_put_u32le(out, PO_FORMAT_VERSION);
    po_buf_put_u32le(out, 0);
    po_buf_put(out, trailer->archive_id, PO_ID_SIZE);
    po_buf_put_u64le(out, (uint64_t)trailer->created);
    po_buf_put_u32le(out, trailer->index_frame);
    po_buf_put_u32le(out, trailer->index_frame_count);
    po_buf_put_u64le(out, trailer->index_offset);
    po_buf_put_u64le(out, trailer->index_compressed_size);
    po_buf_put_u64le(out, trailer->index_size);
    po_buf_put(out, trailer->index_xxh3, PO_HASH_SIZE);
    po_buf_put(out, trailer->index_blake2b, PO_DIGEST_SIZE);
    po_buf_put(out, trailer->manifest_blake2b, PO_DIGEST_SIZE);
    po_buf_put_u64le(out, trailer->entry_count);
    po_buf_put_u64le(out, trailer->content_bytes);
    po_buf_put_zeros(out, RESERVED_SIZE);
}

/* spec: TRAILER-5 */
static void
put_member_header(struct po_buf *out)
{
    const struct po_tar_member member = { .path = PO_TRAILER_PATH,
                                          .path_size = sizeof PO_TRAILER_PATH - 1,
                                          .type = POBACKUP_FILE,
                                          .size = PO_TRAILER_SIZE,
                                          .mode = 0644 };

    po_tar_put_header(out, &member);
}

void
po_last_frame_put(uint8_t frame[PO_LAST_FRAME_SIZE], const struct po_trailer *trailer,
                  uint8_t digest[PO_DIGEST_SIZE])
{
    /* A buffer over the frame itself: it never has to grow. */
    struct po_buf out = { .bytes = frame, .capacity = PO_LAST_FRAME_SIZE };

    po_buf_put(&out, frame_start, sizeof frame_start);
    put_member_header(&out);
    put_trailer(&out, trailer);
    po_xxh3(frame + PO_TRAILER_AT, HASHED_SIZE, frame + PO_TRAILER_AT + HASHED_SIZE);
    memset(frame + PO_TRAILER_AT + PO_TRAILER_SIZE, 0, (size_t)2 * PO_TAR_BLOCK);
    po_store_u32le(frame + PO_LAST_FRAME_SIZE - 4,
                   po_xxh64_low(frame + CONTENT_AT, PO_LAST_FRAME_CONTENT_SIZE));
    if (digest != NULL)
        po_blake2b(frame + PO_TRAILER_AT, PO_TRAILER_SIZE, digest);
}

/* Everything in the frame but the trailer itself. */
static enum po_status
check_frame(const uint8_t frame[PO_LAST_FRAME_SIZE], struct po_err *err)
{
    uint8_t header[PO_TAR_BLOCK] = { 0 };
    struct po_buf out = { .bytes = header, .capacity = sizeof header };

    put_member_header(&out);
    if (memcmp(frame, frame_start, sizeof frame_start) != 0)
        return po_fail(err, PO_E_FORMAT, "the last frame is not a trailer's" PO_RULE("TRAILER-1"));
    if (po_load_u32le(frame + PO_LAST_FRAME_SIZE - 4) !=
        po_xxh64_low(frame + CONTENT_AT, PO_LAST_FRAME_CONTENT_SIZE))
        return po_fail(err, PO_E_FORMAT,
                       "trailer: the frame's checksum does not match" PO_RULE("TRAILER-1"));
    if (memcmp(frame + CONTENT_AT, header, sizeof header) != 0)
        return po_fail(err, PO_E_FORMAT, "trailer: another tar header" PO_RULE("TRAILER-5"));
    for (size_t i = PO_TRAILER_AT + PO_TRAILER_SIZE; i < PO_LAST_FRAME_SIZE - 4; i++)
        if (frame[i] != 0)
            return po_fail(err, PO_E_FORMAT,
                           "trailer: the tar's end is not two zero blocks" PO_RULE("TRAILER-1"));
    return PO_OK;
}

enum po_status
po_last_frame_parse(struct po_trailer *trailer, uint8_t digest[PO_DIGEST_SIZE],
                    const uint8_t frame[PO_LAST_FRAME_SIZE], struct po_err *err)
{
    const uint8_t *bytes = frame + PO_TRAILER_AT;
    struct po_cursor cur = po_cursor_over(bytes, PO_TRAILER_SIZE);
    struct po_trailer t = { 0 };
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st = check_frame(frame, err);
    uint32_t version;
    uint32_t critical;

    if (st != PO_OK)
        return st;
    po_xxh3(bytes, HASHED_SIZE, hash);
    if (memcmp(hash, bytes + HASHED_SIZE, sizeof hash) != 0)
        return po_fail(err, PO_E_FORMAT, "trailer: its hash does not match" PO_RULE("TRAILER-2"));
    if (memcmp(po_cursor_bytes(&cur, sizeof magic), magic, sizeof magic) != 0)
        return po_fail(err, PO_E_FORMAT, "trailer: wrong magic" PO_RULE("TRAILER-2"));
    version = po_cursor_u32(&cur);
    critical = po_cursor_u32(&cur);
    if (version != PO_FORMAT_VERSION || critical != 0)
        return po_fail(
            err, PO_E_UNSUPPORTED,
            "trailer: format version %u, critical features 0x%x; this program reads version "
            "%u" PO_RULE("TRAILER-2"),
            version, critical, PO_FORMAT_VERSION);
    po_cursor_copy(&cur, t.archive_id, PO_ID_SIZE);
    t.created = (int64_t)po_cursor_u64(&cur);
    t.index_frame = po_cursor_u32(&cur);
    t.index_frame_count = po_cursor_u32(&cur);
    t.index_offset = po_cursor_u64(&cur);
    t.index_compressed_size = po_cursor_u64(&cur);
    t.index_size = po_cursor_u64(&cur);
    po_cursor_copy(&cur, t.index_xxh3, PO_HASH_SIZE);
    po_cursor_copy(&cur, t.index_blake2b, PO_DIGEST_SIZE);
    po_cursor_copy(&cur, t.manifest_blake2b, PO_DIGEST_SIZE);
    t.entry_count = po_cursor_u64(&cur);
    t.content_bytes = po_cursor_u64(&cur);
    if (!po_cursor_zeros(&cur, RESERVED_SIZE))
        return po_fail(err, PO_E_FORMAT,
                       "trailer: reserved bytes are not zero" PO_RULE("TRAILER-2"));
    *trailer = t;
    po_blake2b(bytes, PO_TRAILER_SIZE, digest);
    return PO_OK;
}
