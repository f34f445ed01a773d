#include "archive/audit.h"

#include "archive/tar.h"
#include "archive/witness.h"

#include <string.h>

enum po_status
po_audit_init(struct po_audit *verify, const struct po_reader *reader, struct po_err *err)
{
    enum po_status st;

    *verify = (struct po_audit){ .reader = reader, .continued = PO_NONE };
    st = po_layout_init(&verify->layout, reader->index, err);
    if (st == PO_OK)
        st = po_hasher_new(&verify->hasher, err);
    if (st != PO_OK)
        po_audit_deinit(verify);
    return st;
}

void
po_audit_deinit(struct po_audit *verify)
{
    po_layout_deinit(&verify->layout);
    po_hasher_free(verify->hasher);
    verify->hasher = NULL;
}

/* A member that is no entry: it lost against a later one of its name, or is unlisted. spec: TAR-7,
 * INDEX-11 */
static enum po_status
check_loser(const struct po_audit *verify, const struct po_tar_member *member,
            struct po_audit_part *part, uint32_t offset, struct po_err *err)
{
    const struct po_index *index = verify->reader->index;
    uint32_t winner = po_index_find(index, member->path, member->path_size);
    uint32_t frame = part->frame;

    if (po_index_is_unlisted(index, frame, offset))
        part->unlisted++;
    else if (winner == PO_NONE || po_index_source(index, winner) != 0)
        return po_fail(err, PO_E_FORMAT,
                       "the tar has a member that the index does not" PO_RULE("INDEX-7"));
    if (winner == PO_NONE || po_index_source(index, winner) != 0)
        return PO_OK;
    if (po_index_frame(index, winner) < frame ||
        (po_index_frame(index, winner) == frame && po_index_offset(index, winner) < offset))
        return po_fail(
            err, PO_E_FORMAT,
            "the index names an earlier member than the last of its name" PO_RULE("INDEX-7"));
    return PO_OK;
}

static bool
is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* The format's own members have their places: none of their names is among the members of the set. */
static bool
is_misplaced(const struct po_reader *reader, const struct po_tar_member *member, uint32_t frame)
{
    if (po_is_path(member->path, member->path_size, PO_MANIFEST_PATH))
        return frame != 0;
    if (po_is_path(member->path, member->path_size, PO_SUMMARY_PATH))
        return frame != reader->trailer.index_frame - 1;
    return po_is_path(member->path, member->path_size, PO_INDEX_PATH) ||
           po_is_path(member->path, member->path_size, PO_TRAILER_PATH);
}

/* One member that begins at `offset`. *next is where the next one begins, or the frame's end. */
static enum po_status
check_member(const struct po_audit *verify, const uint8_t *content, size_t size, size_t offset,
             struct po_audit_part *part, size_t *next, struct po_err *err)
{
    const struct po_index *index = verify->reader->index;
    uint32_t entry = po_layout_at(&verify->layout, part->frame, (uint32_t)offset);
    struct po_tar_member member = { 0 };
    uint8_t hash[PO_HASH_SIZE];
    size_t at;
    enum po_status st = po_tar_parse_header(&member, &at, content + offset, size - offset, err);

    if (st != PO_OK)
        return st;
    if (is_misplaced(verify->reader, &member, part->frame))
        return po_fail(err, PO_E_FORMAT,
                       "one of the format's own names among the members" PO_RULE("FILE-1"));
    at += offset;
    if (entry == PO_NONE)
        st = check_loser(verify, &member, part, (uint32_t)offset, err);
    else
        st = po_reader_member(verify->reader, entry, content, size, &at, err);
    if (st != PO_OK)
        return st;
    part->matched += entry != PO_NONE ? 1 : 0;
    if (po_tar_padded(member.size) > size - at) {
        part->is_open = true;
        part->open_entry = entry;
        part->open_size = member.size;
        part->open_at = at;
        *next = size;
        return PO_OK;
    }
    *next = at + (size_t)po_tar_padded(member.size);
    if (!is_zero(content + at + member.size, *next - at - (size_t)member.size))
        return po_fail(err, PO_E_FORMAT, "padding that is not zero" PO_RULE("TAR-9"));
    if (entry == PO_NONE || member.type != POBACKUP_FILE)
        return PO_OK;
    po_xxh3(content + at, (size_t)member.size, hash);
    if (memcmp(hash, po_index_hash(index, entry), sizeof hash) != 0)
        return po_fail(err, PO_E_FORMAT, "the content's hash does not match" PO_RULE("INDEX-7"));
    return PO_OK;
}

/* Whether the index has members that begin in a frame, and none at its beginning. */
static bool
begins_later(const struct po_layout *layout, uint32_t frame)
{
    uint32_t first;
    uint32_t count;

    po_layout_frame(layout, frame, &first, &count);
    return count > 0 && po_index_offset(layout->index, layout->entries[first]) > 0;
}

static enum po_status
check_members(const struct po_audit *verify, const uint8_t *content, size_t size,
              struct po_audit_part *part, struct po_err *err)
{
    size_t at = 0;
    size_t last = 0;

    while (at < size) {
        size_t next = size;
        enum po_status st = check_member(verify, content, size, at, part, &next, err);

        if (st == PO_E_FORMAT && at == 0 && begins_later(&verify->layout, part->frame))
            st = po_fail(
                err, PO_E_FORMAT,
                "it does not begin with a member, though one begins in it" PO_RULE("FRAME-4"));
        if (st != PO_OK)
            return po_err_prefix(err, "frame %u, offset %zu", part->frame, at);
        last = at;
        at = next;
    }
    return po_witness_frame(content, size, part->is_open ? last : SIZE_MAX, verify->reader->index,
                            &verify->layout, part->frame, err);
}

enum po_status
po_audit_frame(const struct po_audit *verify, struct po_frame_decoder *decoder, uint32_t frame,
               const uint8_t *bytes, const uint8_t *digest, uint8_t *content,
               struct po_audit_part *part, struct po_err *err)
{
    const struct po_seek_entry *seek = &verify->reader->seeks[frame];
    uint32_t first;
    uint32_t count;
    enum po_status st = digest != NULL
                            ? po_reader_check_hashes(verify->reader, frame, bytes, digest, err)
                            : po_reader_check_frame(verify->reader, frame, bytes, true, err);

    *part = (struct po_audit_part){ .frame = frame, .open_entry = PO_NONE };
    if (st == PO_OK) {
        st = po_frame_decode(decoder, bytes, seek->compressed_size, content, seek->content_size,
                             NULL, err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "frame %u", frame);
    }
    if (st == PO_OK) {
        po_layout_frame(&verify->layout, frame, &first, &count);
        if (count == 0)
            part->is_continued = true; /* only po_audit_join knows whether it really is */
        else
            st = check_members(verify, content, seek->content_size, part, err);
    }
    part->is_damaged = st == PO_E_FORMAT || st == PO_E_UNSUPPORTED;
    return st;
}

void
po_audit_lose(struct po_audit_part *part, uint32_t frame)
{
    *part = (struct po_audit_part){ .frame = frame, .is_damaged = true };
}

/* ---- joining ---- */

static void
lose_open_member(struct po_audit *verify)
{
    verify->is_damaged = true;
    verify->is_lost = true;
    verify->is_open = false;
}

/* Takes the open member's share of a frame: content, then padding. */
static enum po_status
take_continued(struct po_audit *verify, uint32_t frame, const uint8_t *content, size_t size,
               struct po_err *err)
{
    size_t part = verify->open_content_left < size ? (size_t)verify->open_content_left : size;
    size_t padding;
    uint8_t hash[PO_HASH_SIZE];

    po_hasher_add_xxh3(verify->hasher, content, part);
    verify->open_content_left -= part;
    padding =
        verify->open_padding_left < size - part ? (size_t)verify->open_padding_left : size - part;
    verify->open_padding_left -= padding;
    if (!is_zero(content + part, padding))
        return po_fail(err, PO_E_FORMAT, "frame %u: padding that is not zero" PO_RULE("TAR-9"),
                       frame);
    if (part + padding != size)
        return po_fail(
            err, PO_E_FORMAT,
            "frame %u: it goes on behind the member that it continues" PO_RULE("FRAME-4"), frame);
    if (verify->open_content_left + verify->open_padding_left > 0)
        return PO_OK;
    verify->is_open = false;
    if (verify->open_entry == PO_NONE)
        return PO_OK;
    po_hasher_xxh3(verify->hasher, hash);
    if (memcmp(hash, po_index_hash(verify->reader->index, verify->open_entry), sizeof hash) != 0)
        return po_fail(err, PO_E_FORMAT,
                       "frame %u: the content's hash does not match" PO_RULE("INDEX-7"), frame);
    return PO_OK;
}

static enum po_status
open_member(struct po_audit *verify, const struct po_audit_part *part, const uint8_t *content,
            struct po_err *err)
{
    size_t size = verify->reader->seeks[part->frame].content_size;

    verify->is_open = true;
    verify->is_lost = false;
    verify->open_entry = part->open_entry;
    verify->open_content_left = part->open_size;
    verify->open_padding_left = po_tar_padded(part->open_size) - part->open_size;
    po_hasher_reset(verify->hasher);
    return take_continued(verify, part->frame, content + part->open_at, size - part->open_at, err);
}

enum po_status
po_audit_join(struct po_audit *verify, const struct po_audit_part *part, const uint8_t *content,
              struct po_err *err)
{
    size_t size = verify->reader->seeks[part->frame].content_size;
    struct po_audit_part again = *part;
    enum po_status st;

    verify->continued = verify->is_open ? verify->open_entry : PO_NONE;
    if (part->is_damaged) {
        lose_open_member(verify);
        return PO_OK; /* told by po_audit_frame */
    }
    if (part->is_continued && verify->is_open)
        return take_continued(verify, part->frame, content, size, err);
    if (verify->is_open) {
        lose_open_member(verify);
        return po_fail(err, PO_E_FORMAT,
                       "frame %u: the member before it is not finished" PO_RULE("FRAME-4"),
                       part->frame);
    }
    if (part->is_continued) {
        if (verify->is_lost)
            return PO_OK; /* what the lost member left */
        /* Only members that are no entries begin here. */
        st = check_members(verify, content, size, &again, err);
        if (st != PO_OK)
            return st;
    }
    verify->is_lost = false;
    verify->matched += again.matched;
    verify->unlisted += again.unlisted;
    return again.is_open ? open_member(verify, &again, content, err) : PO_OK;
}

enum po_status
po_audit_end(struct po_audit *verify, struct po_err *err)
{
    if (verify->is_open)
        return po_fail(err, PO_E_FORMAT,
                       "the last member before the index is not finished" PO_RULE("FRAME-4"));
    if (!verify->is_damaged && verify->matched != verify->layout.count)
        return po_fail(err, PO_E_FORMAT,
                       "the index has entries that the tar does not" PO_RULE("INDEX-7"));
    if (!verify->is_damaged && verify->unlisted != verify->reader->index->unlisted_count)
        return po_fail(err, PO_E_FORMAT,
                       "the index names members that the tar does not have" PO_RULE("INDEX-11"));
    return PO_OK;
}

enum po_status
po_audit_documents(const struct po_reader *reader, struct po_err *err)
{
    struct po_buf json = { 0 };
    enum po_status st = po_reader_manifest(reader, &json, err);

    po_buf_clear(&json);
    if (st == PO_OK)
        st = po_reader_summary(reader, &json, err);
    po_buf_deinit(&json);
    return st;
}

void
po_audit_hits(const struct po_layout *layout, uint32_t frame, uint32_t continued,
              void (*hit)(void *ctx, uint32_t entry), void *ctx)
{
    uint32_t first;
    uint32_t count;

    if (continued != PO_NONE)
        hit(ctx, continued);
    po_layout_frame(layout, frame, &first, &count);
    for (uint32_t i = 0; i < count; i++)
        hit(ctx, layout->entries[first + i]);
}
