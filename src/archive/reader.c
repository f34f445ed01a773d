/* Frames and members of an archive that reader_open.c has opened. */
#include "archive/reader.h"

#include "archive/hash.h"
#include "archive/tar.h"
#include "base/cursor.h"
#include "base/mem.h"

#include <string.h>

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "%s", what);
}

enum po_status
po_reader_fetch(const struct po_reader *reader, uint32_t frame, uint8_t *bytes, struct po_err *err)
{
    return reader->blob.read_at(reader->blob.ctx, reader->offsets[frame], bytes,
                                reader->seeks[frame].compressed_size, err);
}

enum po_status
po_reader_check_hashes(const struct po_reader *reader, uint32_t frame, const uint8_t *bytes,
                       const uint8_t *digest, struct po_err *err)
{
    struct po_frame_info expected;
    uint8_t hash[PO_HASH_SIZE];
    size_t size = reader->seeks[frame].compressed_size;

    po_index_frame_info(reader->index, frame, &expected);
    po_xxh3(bytes, size, hash);
    if (memcmp(hash, expected.xxh3, sizeof hash) != 0)
        return po_fail(err, PO_E_FORMAT, "frame %u: its hash does not match" PO_RULE("INDEX-8"),
                       frame);
    if (digest != NULL && memcmp(digest, expected.blake2b, sizeof expected.blake2b) != 0)
        return po_fail(err, PO_E_FORMAT, "frame %u: its digest does not match" PO_RULE("INDEX-8"),
                       frame);
    return PO_OK;
}

enum po_status
po_reader_check_frame(const struct po_reader *reader, uint32_t frame, const uint8_t *bytes,
                      bool deep, struct po_err *err)
{
    uint8_t digest[PO_DIGEST_SIZE];

    if (deep)
        po_blake2b(bytes, reader->seeks[frame].compressed_size, digest);
    return po_reader_check_hashes(reader, frame, bytes, deep ? digest : NULL, err);
}

enum po_status
po_reader_check_seek(const struct po_reader *reader, uint32_t frame, const uint8_t *bytes,
                     struct po_err *err)
{
    size_t size = reader->seeks[frame].compressed_size;

    if (size < 4 || po_load_u32le(bytes + size - 4) != reader->seeks[frame].checksum)
        return po_fail(err, PO_E_FORMAT,
                       "frame %u: the seek table has another checksum" PO_RULE("SEEK-3"), frame);
    return PO_OK;
}

enum po_status
po_reader_decode(const struct po_reader *reader, struct po_frame_decoder *decoder, uint32_t frame,
                 uint8_t *bytes, uint8_t *content, struct po_err *err)
{
    enum po_status st = po_reader_fetch(reader, frame, bytes, err);

    if (st == PO_OK)
        st = po_reader_check_frame(reader, frame, bytes, true, err);
    if (st != PO_OK)
        return st;
    st = po_frame_decode(decoder, bytes, reader->seeks[frame].compressed_size, content,
                         reader->seeks[frame].content_size, NULL, err);
    return st == PO_OK ? st : po_err_prefix(err, "frame %u", frame);
}

enum po_status
po_reader_member(const struct po_reader *reader, uint32_t entry, const uint8_t *content,
                 size_t content_size, size_t *content_at, struct po_err *err)
{
    const struct po_index *index = reader->index;
    struct po_tar_member member = { 0 };
    uint32_t offset = po_index_offset(index, entry);
    size_t path_size;
    size_t link_size;
    const char *path = po_index_path(index, entry, &path_size);
    const char *link = po_index_link(index, entry, &link_size);
    size_t header_size;
    enum po_status st;

    st = po_tar_parse_header(&member, &header_size, content + offset, content_size - offset, err);
    if (st != PO_OK)
        return st;
    if (member.path_size != path_size || memcmp(member.path, path, path_size) != 0)
        return broken(err, "the tar has another name there than the index" PO_RULE("INDEX-7"));
    if (member.type != po_index_type(index, entry) || member.size != po_index_size(index, entry) ||
        member.write_time != po_index_write_time(index, entry) || member.link_size != link_size ||
        (link_size > 0 && memcmp(member.link, link, link_size) != 0))
        return broken(err,
                      "tar and index differ in type, size, time or link target" PO_RULE("INDEX-7"));
    *content_at = offset + header_size;
    return PO_OK;
}

/* Appends the part of the content that lies in this frame, from *at on; *left counts down. */
static void
take_part(struct po_buf *out, const uint8_t *content, size_t content_size, size_t at,
          uint64_t *left)
{
    size_t part = content_size - at < *left ? content_size - at : (size_t)*left;

    po_buf_put(out, content + at, part);
    *left -= part;
}

/* Where a frame is decoded, with room for the largest of those that were asked for: mostly one, and small. */
struct frame_room {
    struct po_frame_decoder *decoder;
    struct po_buf bytes;
    struct po_buf content;
};

static enum po_status
decode(const struct po_reader *reader, uint32_t frame, struct frame_room *room, struct po_err *err)
{
    const struct po_seek_entry *seek = &reader->seeks[frame];

    if (!po_buf_reserve(&room->bytes, seek->compressed_size) ||
        !po_buf_reserve(&room->content, seek->content_size))
        return po_fail_nomem(err, seek->content_size);
    return po_reader_decode(reader, room->decoder, frame, room->bytes.bytes, room->content.bytes,
                            err);
}

static enum po_status
read_content(const struct po_reader *reader, uint32_t entry, struct frame_room *room,
             struct po_buf *out, size_t *content_at, struct po_err *err)
{
    uint32_t frame = po_index_frame(reader->index, entry);
    uint64_t left = po_index_size(reader->index, entry);
    size_t start = out->size;
    size_t at = 0;
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st = decode(reader, frame, room, err);

    if (st == PO_OK)
        st = po_reader_member(reader, entry, room->content.bytes, reader->seeks[frame].content_size,
                              &at, err);
    if (st == PO_OK)
        take_part(out, room->content.bytes, reader->seeks[frame].content_size, at, &left);
    *content_at = at;
    while (st == PO_OK && left > 0 && !out->failed) {
        if (++frame >= reader->index->frame_count)
            return broken(err, "a member that goes on behind the last frame" PO_RULE("FRAME-4"));
        st = decode(reader, frame, room, err);
        if (st == PO_OK)
            take_part(out, room->content.bytes, reader->seeks[frame].content_size, 0, &left);
    }
    if (st == PO_OK)
        st = po_buf_check(out, err);
    if (st != PO_OK)
        return st;
    po_xxh3(out->bytes + start, out->size - start, hash);
    if (memcmp(hash, po_index_hash(reader->index, entry), sizeof hash) != 0)
        return broken(err, "the content's hash does not match" PO_RULE("READ-3"));
    return PO_OK;
}

enum po_status
po_reader_content(const struct po_reader *reader, uint32_t entry, uint64_t size_max,
                  struct po_buf *out, size_t *content_at, struct po_err *err)
{
    struct frame_room room = { 0 };
    enum po_status st;

    if (po_index_type(reader->index, entry) != POBACKUP_FILE ||
        po_index_source(reader->index, entry) != 0 ||
        po_index_size(reader->index, entry) > size_max)
        return broken(err, "no file of this archive, or too large");
    st = po_frame_decoder_new(&room.decoder, err);
    /* Also for an empty content there is then a place where it begins. */
    if (st == PO_OK && !po_buf_reserve(out, 1))
        st = po_buf_check(out, err);
    if (st == PO_OK)
        st = read_content(reader, entry, &room, out, content_at, err);
    po_buf_deinit(&room.content);
    po_buf_deinit(&room.bytes);
    po_frame_decoder_free(room.decoder);
    return st;
}
