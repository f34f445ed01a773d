/* An index among the frames that were found, and what it says of them. */
#include "archive/frame.h"
#include "archive/hash.h"
#include "archive/layout.h"
#include "archive/tar.h"
#include "base/mem.h"
#include "base/sort.h"
#include "engine/salvage_parts.h"

#include <string.h>

/* Where an index is torn apart, the rest is looked for behind so many places, in all. */
#define TORN_TRIES_MAX 256u
#define INDEXES_MAX 256u /* that are looked at */
#define INDEX_PIECES_MAX 65536u

struct finder {
    const struct po_salvage_scan *scan;
    const struct pobackup_blob *blob;
    struct po_frame_decoder *decoder;
    uint32_t *pieces; /* frames of the index that is tried */
    uint32_t piece_count;
    uint32_t *by_hash; /* frames sorted by XXH3 */
    unsigned tries;    /* of torn ones */
};

/* ---- one index ---- */

/* Decodes a frame of the scan behind what is in `out`. */
static enum po_status
decode_frame(const struct finder *f, uint32_t number, struct po_buf *out, struct po_err *err)
{
    const struct po_salvage_frame *frame = &f->scan->frames[number];
    uint8_t *bytes = po_mem_new(1, frame->compressed_size);
    enum po_status st = PO_OK;

    if (bytes == NULL)
        return po_fail_nomem(err, frame->compressed_size);
    if (!po_buf_reserve(out, frame->content_size))
        st = po_buf_check(out, err);
    if (st == PO_OK)
        st = f->blob->read_at(f->blob->ctx, frame->offset, bytes, frame->compressed_size, err);
    if (st == PO_OK)
        st = po_frame_decode(f->decoder, bytes, frame->compressed_size, out->bytes + out->size,
                             frame->content_size, NULL, err);
    if (st == PO_OK)
        out->size += frame->content_size;
    po_mem_free(bytes);
    return st;
}

/* Whether a frame begins that no other lies directly before. */
static bool
is_torn(const struct po_salvage_scan *scan, uint32_t frame)
{
    return scan->frames[frame].kind == PO_SALVAGE_CONTINUED &&
           (frame == 0 || po_salvage_scan_next(scan, frame - 1) == PO_NONE);
}

/*
 * Takes frames from `from` on, each directly behind the one before, until `left` bytes of content are
 * there; true when exactly. *taken gets the number of pieces.
 */
static bool
take_run(struct finder *f, uint32_t from, uint64_t *left)
{
    for (uint32_t at = from; at != PO_NONE && *left > 0; at = po_salvage_scan_next(f->scan, at)) {
        const struct po_salvage_frame *frame = &f->scan->frames[at];

        if (at != f->pieces[0] && frame->kind >= PO_SALVAGE_MANIFEST)
            break;
        if (frame->content_size > *left || f->piece_count == INDEX_PIECES_MAX)
            return false;
        f->pieces[f->piece_count++] = at;
        *left -= frame->content_size;
    }
    return *left == 0;
}

/* All pieces, decoded and proven as an index: *index, or NULL when they are none. */
static enum po_status
load_pieces(struct finder *f, size_t start, uint64_t size, struct po_index **index,
            struct po_err *err)
{
    struct po_buf content = { 0 };
    struct po_err broken = { 0 };
    uint64_t compressed = 0;
    uint64_t total = 0;
    enum po_status st = PO_OK;

    *index = NULL;
    for (uint32_t i = 0; i < f->piece_count; i++) {
        compressed += f->scan->frames[f->pieces[i]].compressed_size;
        total += f->scan->frames[f->pieces[i]].content_size;
    }
    if (!po_is_whole_size_possible(total, compressed)) /* spec: FRAME-8 */
        return PO_OK;
    if (total > SIZE_MAX || !po_buf_reserve(&content, (size_t)total))
        return po_fail_nomem(err, SIZE_MAX);
    for (uint32_t i = 0; i < f->piece_count && st == PO_OK; i++)
        st = decode_frame(f, f->pieces[i], &content, err);
    if (st == PO_OK &&
        po_index_check_header(content.bytes + start, size, UINT64_MAX / 2, &broken) == PO_OK) {
        memmove(content.bytes, content.bytes + start, (size_t)size);
        if (po_index_load_take(index, content.bytes, (size_t)size, content.capacity, &broken) ==
            PO_E_NOMEM) {
            *err = broken;
            st = PO_E_NOMEM;
        }
        content = (struct po_buf){ 0 };
    }
    po_buf_deinit(&content);
    for (uint32_t i = 0; *index != NULL && i < (*index)->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(*index, i, &info);
        if (!po_frame_sizes_are_possible(info.content_size, info.compressed_size)) {
            po_index_free(*index);
            *index = NULL;
        }
    }
    return st;
}

/* Whether a trailer among the frames vouches for this index. spec: TRAILER-4 */
static enum po_status
find_trailer(struct finder *f, const struct po_index *index, bool *is_there, struct po_err *err)
{
    uint8_t digest[PO_DIGEST_SIZE];
    struct po_err ignored;

    *is_there = false;
    po_blake2b(index->bytes, index->size, digest);
    for (uint32_t i = 0; i < f->scan->count && !*is_there; i++) {
        const struct po_salvage_frame *frame = &f->scan->frames[i];
        uint8_t bytes[PO_LAST_FRAME_SIZE];
        uint8_t own[PO_DIGEST_SIZE];
        struct po_trailer trailer;
        enum po_status st;

        if (frame->kind != PO_SALVAGE_TRAILER || frame->compressed_size != sizeof bytes)
            continue;
        st = f->blob->read_at(f->blob->ctx, frame->offset, bytes, sizeof bytes, err);
        if (st != PO_OK)
            return st;
        if (po_last_frame_parse(&trailer, own, bytes, &ignored) == PO_OK &&
            memcmp(trailer.index_blake2b, digest, sizeof digest) == 0 &&
            memcmp(trailer.archive_id, index->archive_id, PO_ID_SIZE) == 0)
            *is_there = true;
    }
    return PO_OK;
}

/* The index that begins in this frame; NULL when it is not whole. */
static enum po_status
load_index(struct finder *f, uint32_t first, struct po_index **index, struct po_err *err)
{
    struct po_tar_member member = { 0 };
    struct po_buf content = { 0 };
    struct po_err ignored;
    uint64_t left;
    uint64_t rest;
    uint32_t known;
    size_t start = 0;
    enum po_status st = decode_frame(f, first, &content, err);

    *index = NULL;
    if (st == PO_OK &&
        po_tar_parse_header(&member, &start, content.bytes, content.size, &ignored) != PO_OK)
        start = 0;
    po_buf_deinit(&content);
    /* Its header lies in the first frame: TRAILER-3. */
    if (st != PO_OK || start == 0 || member.type != POBACKUP_FILE ||
        member.size < PO_INDEX_HEADER_SIZE || member.size > UINT64_MAX / 4 ||
        start + PO_INDEX_HEADER_SIZE > f->scan->frames[first].content_size)
        return st;
    left = start + po_tar_padded(member.size);
    f->pieces[0] = first;
    f->piece_count = 0;
    if (take_run(f, first, &left))
        return load_pieces(f, start, member.size, index, err);
    known = f->piece_count;
    rest = left;
    for (uint32_t i = 0; i < f->scan->count && *index == NULL && f->tries < TORN_TRIES_MAX; i++) {
        if (!is_torn(f->scan, i) || known == 0)
            continue;
        f->piece_count = known;
        left = rest;
        f->tries++;
        if (take_run(f, i, &left))
            st = load_pieces(f, start, member.size, index, err);
        if (st != PO_OK)
            return st;
    }
    return st;
}

/* ---- which frames are its own ---- */

static int
compare_hashes(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_salvage_frame *frames = ctx;

    return memcmp(frames[a].xxh3, frames[b].xxh3, PO_HASH_SIZE);
}

static enum po_status
sort_by_hash(struct finder *f, struct po_err *err)
{
    uint32_t *spare = po_mem_new(f->scan->count, sizeof *spare);

    f->by_hash = po_mem_new(f->scan->count, sizeof *f->by_hash);
    if (spare == NULL || f->by_hash == NULL) {
        po_mem_free(spare);
        return po_fail_nomem(err, f->scan->count * sizeof *spare);
    }
    for (uint32_t i = 0; i < f->scan->count; i++)
        f->by_hash[i] = i;
    po_sort_numbers(f->by_hash, spare, f->scan->count, compare_hashes, f->scan->frames);
    po_mem_free(spare);
    return PO_OK;
}

/* The place in by_hash of the first frame that is the one described, or PO_NONE. */
static uint32_t
find_frame(const struct finder *f, const struct po_frame_info *info)
{
    uint32_t low = 0;
    uint32_t high = f->scan->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (memcmp(f->scan->frames[f->by_hash[middle]].xxh3, info->xxh3, PO_HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < f->scan->count) {
        const struct po_salvage_frame *frame = &f->scan->frames[f->by_hash[low]];

        if (memcmp(frame->xxh3, info->xxh3, PO_HASH_SIZE) == 0 &&
            frame->content_size == info->content_size &&
            frame->compressed_size == info->compressed_size)
            return low;
    }
    return PO_NONE;
}

static uint32_t
count_own(const struct finder *f, const struct po_index *index)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(index, i, &info);
        count += find_frame(f, &info) != PO_NONE;
    }
    return count;
}

/* All frames that are byte for byte this one. */
static void
mark_own(const struct finder *f, uint32_t at, struct po_salvage_result *result)
{
    const struct po_salvage_frame *frames = f->scan->frames;
    uint32_t first = f->by_hash[at];

    if (result->sources[first] == PO_SALVAGE_OURS)
        return;
    result->sources[first] = PO_SALVAGE_OURS;
    for (uint32_t i = at + 1; i < f->scan->count; i++) {
        uint32_t other = f->by_hash[i];

        if (memcmp(frames[other].xxh3, frames[first].xxh3, PO_HASH_SIZE) != 0)
            return;
        result->sources[other] = PO_SALVAGE_AGAIN;
    }
}

static enum po_status
new_reader(const struct finder *f, struct po_index *index, struct po_reader **out,
           struct po_salvage_result *result, struct po_err *err)
{
    struct po_reader *reader = po_mem_new(1, sizeof *reader);

    if (reader == NULL)
        return po_fail_nomem(err, sizeof *reader);
    reader->blob = *f->blob;
    reader->frame_count = index->frame_count;
    reader->seeks = po_mem_new(index->frame_count, sizeof *reader->seeks);
    reader->offsets = po_mem_new((size_t)index->frame_count + 1, sizeof *reader->offsets);
    if (reader->seeks == NULL || reader->offsets == NULL) {
        po_reader_free(reader);
        return po_fail_nomem(err, index->frame_count * sizeof *reader->offsets);
    }
    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct po_frame_info info;
        uint32_t at;

        po_index_frame_info(index, i, &info);
        at = find_frame(f, &info);
        reader->seeks[i].content_size = info.content_size;
        if (at == PO_NONE) {
            result->frames_lost++;
            continue;
        }
        mark_own(f, at, result);
        reader->offsets[i] = f->scan->frames[f->by_hash[at]].offset;
        reader->seeks[i].compressed_size = info.compressed_size;
        if (info.content_size > reader->content_max)
            reader->content_max = info.content_size;
        if (info.compressed_size > reader->compressed_max)
            reader->compressed_max = info.compressed_size;
    }
    result->frames_expected = index->frame_count;
    reader->index = index;
    *out = reader;
    return PO_OK;
}

/* ---- the best ---- */

/* Frames of the index itself, and the trailers of this archive, are its own too. */
static enum po_status
mark_tail(struct finder *f, const struct po_index *index, struct po_salvage_result *result,
          struct po_err *err)
{
    struct po_err ignored;

    for (uint32_t i = 0; i < f->scan->count; i++) {
        const struct po_salvage_frame *frame = &f->scan->frames[i];
        uint8_t bytes[PO_LAST_FRAME_SIZE];
        uint8_t digest[PO_DIGEST_SIZE];
        struct po_trailer trailer;
        enum po_status st;

        if (result->sources[i] == PO_SALVAGE_UNKNOWN)
            result->sources[i] = PO_SALVAGE_FOREIGN;
        if (frame->kind != PO_SALVAGE_TRAILER || frame->compressed_size != sizeof bytes)
            continue;
        st = f->blob->read_at(f->blob->ctx, frame->offset, bytes, sizeof bytes, err);
        if (st != PO_OK)
            return st;
        if (po_last_frame_parse(&trailer, digest, bytes, &ignored) == PO_OK &&
            memcmp(trailer.archive_id, index->archive_id, PO_ID_SIZE) == 0)
            result->sources[i] = PO_SALVAGE_OURS;
    }
    return PO_OK;
}

static enum po_status
init_finder(struct finder *f, struct po_err *err)
{
    enum po_status st = po_frame_decoder_new(&f->decoder, err);

    f->pieces =
        po_mem_new(f->scan->count < INDEX_PIECES_MAX ? f->scan->count + 1u : INDEX_PIECES_MAX,
                   sizeof *f->pieces);
    if (st == PO_OK && f->pieces == NULL)
        st = po_fail_nomem(err, f->scan->count * sizeof *f->pieces);
    return st == PO_OK ? sort_by_hash(f, err) : st;
}

/*
 * Whether most of what was found is of the archive that the index describes. Else it is the index of
 * something else, an archive that was saved in a file, say, and what it says is complete is not what is
 * looked for.
 */
static bool
owns_most(const struct po_salvage_result *result)
{
    uint64_t own = 0;
    uint64_t foreign = 0;

    for (uint32_t i = 0; i < result->scan.count; i++) {
        if (result->sources[i] == PO_SALVAGE_OURS)
            own += result->scan.frames[i].compressed_size;
        if (result->sources[i] == PO_SALVAGE_FOREIGN)
            foreign += result->scan.frames[i].compressed_size;
    }
    return own >= foreign;
}

static void
disown(struct po_reader **reader, struct po_salvage_result *result)
{
    po_reader_free(*reader);
    *reader = NULL;
    memset(result->sources, PO_SALVAGE_UNKNOWN, result->scan.count);
    result->has_index = false;
    result->has_trailer = false;
    result->frames_expected = 0;
    result->frames_lost = 0;
    result->archive_count = 2; /* at least */
}

struct best {
    struct po_index *index;
    uint32_t own;
    bool has_trailer;
    uint32_t *pieces; /* owned */
    uint32_t piece_count;
};

/* Of two the one that more frames are of; then one with a trailer; then the later. */
static enum po_status
take_if_better(struct finder *f, struct best *best, struct po_index *index,
               struct po_salvage_result *result, struct po_err *err)
{
    bool has_trailer;
    uint32_t own = count_own(f, index);
    enum po_status st = find_trailer(f, index, &has_trailer, err);
    uint32_t *pieces;

    if (best->index == NULL || memcmp(best->index->archive_id, index->archive_id, PO_ID_SIZE) != 0)
        result->archive_count++;
    if (st != PO_OK ||
        (best->index != NULL &&
         (own < best->own || (own == best->own && has_trailer < best->has_trailer)))) {
        po_index_free(index);
        return st;
    }
    pieces = po_mem_new(f->piece_count, sizeof *pieces);
    if (pieces == NULL) {
        po_index_free(index);
        return po_fail_nomem(err, f->piece_count * sizeof *pieces);
    }
    memcpy(pieces, f->pieces, f->piece_count * sizeof *pieces);
    po_index_free(best->index);
    po_mem_free(best->pieces);
    *best = (struct best){ index, own, has_trailer, pieces, f->piece_count };
    return PO_OK;
}

enum po_status
po_salvage_index_find(struct po_reader **reader, const struct po_salvage_scan *scan,
                      const struct pobackup_blob *blob, struct po_salvage_result *result,
                      struct po_err *err)
{
    struct finder f = { .scan = scan, .blob = blob };
    struct best best = { 0 };
    unsigned count = 0;
    enum po_status st = init_finder(&f, err);

    for (uint32_t i = 0; i < scan->count && st == PO_OK; i++) {
        struct po_index *index;

        if (scan->frames[i].kind != PO_SALVAGE_INDEX || count++ >= INDEXES_MAX)
            continue;
        st = load_index(&f, i, &index, err);
        if (st == PO_OK && index != NULL)
            st = take_if_better(&f, &best, index, result, err);
    }
    if (st == PO_OK && best.index != NULL) {
        result->has_index = true;
        result->has_trailer = best.has_trailer;
        st = mark_tail(&f, best.index, result, err);
        if (st == PO_OK)
            st = new_reader(&f, best.index, reader, result, err);
        if (st == PO_OK)
            best.index = NULL;
        for (uint32_t i = 0; i < best.piece_count && st == PO_OK; i++)
            result->sources[best.pieces[i]] = PO_SALVAGE_OURS;
        if (st == PO_OK && !owns_most(result))
            disown(reader, result);
    }
    po_index_free(best.index);
    po_mem_free(best.pieces);
    po_mem_free(f.pieces);
    po_mem_free(f.by_hash);
    po_frame_decoder_free(f.decoder);
    return st;
}
