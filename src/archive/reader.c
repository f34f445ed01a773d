#include "archive/reader.h"

#include "archive/hash.h"
#include "archive/tar.h"
#include "base/cursor.h"
#include "base/mem.h"

#include <string.h>

/* How much of a file is looked at to tell whether it is one of ours. */
#define GLANCE_SIZE (1u << 20)
#define GLANCE_CONTENT_SIZE (8u * PO_TAR_BLOCK) /* holds a member's header blocks */

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "%s", what);
}

static enum po_status
read_at(const struct po_reader *reader, uint64_t offset, void *bytes, size_t size,
        struct po_err *err)
{
    return reader->blob.read_at(reader->blob.ctx, offset, bytes, size, err);
}

/* ---- is it one of ours? ---- */

/* Whether the file ends with a trailer's frame and something like a seek table: then it is ours,
 * whatever stands before. spec: FILE-3 */
static bool
ends_like_ours(const struct po_reader *reader)
{
    uint8_t footer[PO_SEEK_FOOTER_SIZE];
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    struct po_trailer trailer;
    struct po_err ignored;
    uint64_t table_size;
    uint32_t count;
    unsigned entry_size;

    return reader->blob.size > sizeof footer &&
           read_at(reader, reader->blob.size - sizeof footer, footer, sizeof footer, &ignored) ==
               PO_OK &&
           po_seek_footer_parse(footer, reader->blob.size, false, &table_size, &count, &entry_size,
                                &ignored) == PO_OK &&
           reader->blob.size - table_size >= sizeof frame &&
           read_at(reader, reader->blob.size - table_size - sizeof frame, frame, sizeof frame,
                   &ignored) == PO_OK &&
           po_last_frame_parse(&trailer, digest, frame, &ignored) == PO_OK;
}

/* Whether a file that begins with these bytes begins with the manifest. PO_E_FORMAT when its first
 * frame does not decode. */
static enum po_status
glance_at_manifest(const uint8_t *bytes, size_t size, bool is_whole, bool *is_there,
                   struct po_err *err)
{
    uint8_t content[GLANCE_CONTENT_SIZE];
    struct po_tar_member member = { 0 };
    struct po_err ignored;
    size_t header_size;
    size_t got;
    enum po_status st = po_frame_glance(bytes, size, is_whole, content, sizeof content, &got, err);

    *is_there = st == PO_OK &&
                po_tar_parse_header(&member, &header_size, content, got, &ignored) == PO_OK &&
                member.path_size == sizeof PO_MANIFEST_PATH - 1 &&
                memcmp(member.path, PO_MANIFEST_PATH, member.path_size) == 0;
    return st;
}

/*
 * The tail is not ours: *err says why. If the first frame decodes and holds no manifest, the file
 * is somebody else's. spec: FILE-3, FILE-4
 */
static enum po_status
judge_start(const struct po_reader *reader, struct po_err *err)
{
    static const uint8_t magic[4] = { 0x28, 0xB5, 0x2F, 0xFD };
    size_t size = reader->blob.size < GLANCE_SIZE ? (size_t)reader->blob.size : GLANCE_SIZE;
    uint8_t *bytes;
    struct po_err ignored;
    enum po_status st;
    bool is_ours;

    if (ends_like_ours(reader))
        return PO_E_FORMAT;
    if (size < sizeof magic)
        return po_fail(err, PO_E_UNSUPPORTED,
                       size == 0 ? "the file is empty" : "not a pobackup archive");
    bytes = po_mem_new(1, size);
    if (bytes == NULL)
        return po_fail_nomem(err, size);
    st = read_at(reader, 0, bytes, size, err);
    if (st != PO_OK)
        goto done;
    if (memcmp(bytes, magic, sizeof magic) != 0) {
        st = po_fail(err, PO_E_UNSUPPORTED, "not a pobackup archive (not a Zstandard file)");
        goto done;
    }
    st = glance_at_manifest(bytes, size, size == reader->blob.size, &is_ours, &ignored);
    if (st == PO_OK && !is_ours)
        st = po_fail(err, PO_E_UNSUPPORTED, "a Zstandard file, but not a pobackup archive");
    else if (st == PO_E_NOMEM)
        *err = ignored;
    else
        st = PO_E_FORMAT; /* *err as it was: what is wrong with the tail */
done:
    po_mem_free(bytes);
    return st;
}

/* ---- opening ---- */

static enum po_status
load_seek_table(struct po_reader *reader, struct po_err *err)
{
    uint8_t footer[PO_SEEK_FOOTER_SIZE];
    uint64_t table_size;
    uint64_t offset = 0;
    uint8_t *table = NULL;
    unsigned entry_size;
    enum po_status st;

    if (reader->blob.size < PO_SEEK_FOOTER_SIZE)
        return broken(err, "the file is cut off"); /* spec: FILE-2 */
    st = read_at(reader, reader->blob.size - sizeof footer, footer, sizeof footer, err);
    if (st == PO_OK)
        st = po_seek_footer_parse(footer, reader->blob.size, false, &table_size,
                                  &reader->frame_count, &entry_size, err);
    if (st != PO_OK)
        return st;
    table = po_mem_new(1, (size_t)table_size);
    reader->seeks = po_mem_new(reader->frame_count, sizeof *reader->seeks);
    reader->offsets = po_mem_new((size_t)reader->frame_count + 1, sizeof *reader->offsets);
    if (table == NULL || reader->seeks == NULL || reader->offsets == NULL)
        st = po_fail_nomem(err, (size_t)table_size);
    if (st == PO_OK)
        st = read_at(reader, reader->blob.size - table_size, table, (size_t)table_size, err);
    if (st == PO_OK)
        st = po_seek_table_parse(reader->seeks, reader->frame_count, entry_size, table,
                                 (size_t)table_size, reader->blob.size - table_size, err);
    po_mem_free(table);
    if (st != PO_OK)
        return st;
    for (uint32_t i = 0; i < reader->frame_count; i++) {
        reader->offsets[i] = offset;
        offset += reader->seeks[i].compressed_size;
    }
    reader->offsets[reader->frame_count] = offset;
    return PO_OK;
}

/* spec: TRAILER-1, SEEK-2, SEEK-3 */
static enum po_status
load_trailer(struct po_reader *reader, struct po_err *err)
{
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint32_t last = reader->frame_count - 1;
    struct po_frame_info info;
    enum po_status st;

    /* The smallest archive: manifest, summary, index, trailer. spec: FILE-1 */
    if (reader->frame_count < 4)
        return broken(err, "too few frames");
    if (reader->seeks[last].compressed_size != sizeof frame ||
        reader->seeks[last].content_size != PO_LAST_FRAME_CONTENT_SIZE)
        return broken(err, "the last frame is not a trailer's");
    st = read_at(reader, reader->offsets[last], frame, sizeof frame, err);
    if (st == PO_OK)
        st = po_last_frame_parse(&reader->trailer, reader->digest, frame, err);
    if (st != PO_OK)
        return st;
    po_frame_describe(&info, frame, sizeof frame, PO_LAST_FRAME_CONTENT_SIZE);
    if (info.checksum != reader->seeks[last].checksum)
        return broken(err, "seek table: the trailer's checksum differs");
    return PO_OK;
}

/* spec: TRAILER-3. *total becomes the content size of the index frames. */
static enum po_status
check_trailer(const struct po_reader *reader, uint64_t *total, struct po_err *err)
{
    const struct po_trailer *t = &reader->trailer;
    uint64_t end = (uint64_t)t->index_frame + t->index_frame_count;

    if (t->index_frame < 2 || t->index_frame_count == 0 || end != reader->frame_count - 1)
        return broken(err, "trailer: the index is not where the seek table has it");
    if (t->index_offset != reader->offsets[t->index_frame] ||
        t->index_compressed_size != reader->offsets[end] - reader->offsets[t->index_frame])
        return broken(err, "trailer: the index's offset or size differs from the seek table's");
    *total = 0;
    for (uint32_t i = t->index_frame; i < end; i++) {
        uint32_t size = reader->seeks[i].content_size;

        /* spec: FRAME-2, READ-1 */
        if (!po_frame_sizes_are_possible(size, reader->seeks[i].compressed_size))
            return broken(err, "an index frame beyond the format's limits");
        *total += size;
    }
    return t->index_size < *total ? PO_OK
                                  : broken(err, "trailer: the index is larger than its frames");
}

/* Decodes the index frames, one after the other, into `content`. */
static enum po_status
decode_index(const struct po_reader *reader, uint8_t *content, struct po_err *err)
{
    const struct po_trailer *t = &reader->trailer;
    struct po_frame_decoder *decoder = NULL;
    struct po_hasher *hasher = NULL;
    uint8_t hash[PO_HASH_SIZE];
    uint8_t *bytes = NULL;
    uint32_t checksum;
    uint32_t largest = 0;
    enum po_status st = po_frame_decoder_new(&decoder, err);

    for (uint32_t i = t->index_frame; i < reader->frame_count - 1; i++)
        if (reader->seeks[i].compressed_size > largest)
            largest = reader->seeks[i].compressed_size;
    if (st == PO_OK)
        st = po_hasher_new(&hasher, err);
    if (st == PO_OK && (bytes = po_mem_new(1, largest)) == NULL)
        st = po_fail_nomem(err, largest);
    for (uint32_t i = t->index_frame; i < reader->frame_count - 1 && st == PO_OK; i++) {
        uint32_t size = reader->seeks[i].compressed_size;

        st = read_at(reader, reader->offsets[i], bytes, size, err);
        if (st != PO_OK)
            break;
        po_hasher_add_xxh3(hasher, bytes, size);
        st = po_frame_decode(decoder, bytes, size, content, reader->seeks[i].content_size,
                             &checksum, err);
        if (st == PO_OK && checksum != reader->seeks[i].checksum)
            st = broken(err, "the seek table's checksum differs"); /* spec: SEEK-3 */
        content += reader->seeks[i].content_size;
    }
    if (st == PO_OK) {
        po_hasher_xxh3(hasher, hash);
        if (memcmp(hash, t->index_xxh3, sizeof hash) != 0)
            st = broken(err, "its hash does not match"); /* spec: TRAILER-4 */
    }
    po_mem_free(bytes);
    po_hasher_free(hasher);
    po_frame_decoder_free(decoder);
    return st;
}

/* The member around the index: *start is where its content begins. spec: TRAILER-3, TRAILER-4 */
static enum po_status
check_index_member(const struct po_reader *reader, const uint8_t *content, uint64_t total,
                   size_t *start, struct po_err *err)
{
    struct po_tar_member member = { 0 };
    uint8_t digest[PO_DIGEST_SIZE];
    enum po_status st = po_tar_parse_header(&member, start, content, (size_t)total, err);

    if (st != PO_OK)
        return st;
    if (member.path_size != sizeof PO_INDEX_PATH - 1 ||
        memcmp(member.path, PO_INDEX_PATH, member.path_size) != 0 || member.type != POBACKUP_FILE ||
        member.size != reader->trailer.index_size || *start + po_tar_padded(member.size) != total)
        return broken(err, "not the member that the trailer describes");
    for (uint64_t i = *start + member.size; i < total; i++)
        if (content[i] != 0)
            return broken(err, "padding that is not zero");
    po_blake2b(content + *start, (size_t)member.size, digest);
    if (memcmp(digest, reader->trailer.index_blake2b, sizeof digest) != 0)
        return broken(err, "its digest does not match");
    return PO_OK;
}

/* spec: INDEX-6, INDEX-10, TRAILER-4 */
static enum po_status
check_index(struct po_reader *reader, struct po_err *err)
{
    const struct po_index *index = reader->index;
    uint64_t sum = 0;

    if (memcmp(index->archive_id, reader->trailer.archive_id, PO_ID_SIZE) != 0 ||
        index->count != reader->trailer.entry_count ||
        index->frame_count != reader->trailer.index_frame)
        return broken(err, "it is not the trailer's");
    for (uint32_t i = 0; i < index->count; i++)
        sum += po_index_size(index, i);
    if (sum != reader->trailer.content_bytes)
        return broken(err, "its sizes do not add up to the trailer's");
    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(index, i, &info);
        if (info.content_size != reader->seeks[i].content_size ||
            info.compressed_size != reader->seeks[i].compressed_size)
            return po_fail(err, PO_E_FORMAT, "frame %u has other sizes in the seek table", i);
        if (info.content_size > reader->content_max)
            reader->content_max = info.content_size;
        if (info.compressed_size > reader->compressed_max)
            reader->compressed_max = info.compressed_size;
    }
    return PO_OK;
}

static enum po_status
load_index(struct po_reader *reader, struct po_err *err)
{
    uint64_t total = 0;
    uint8_t *content = NULL;
    size_t start;
    enum po_status st = check_trailer(reader, &total, err);

    if (st != PO_OK)
        return st;
    content = po_mem_new(1, (size_t)total);
    if (content == NULL)
        return po_fail_nomem(err, (size_t)total);
    st = decode_index(reader, content, err);
    if (st == PO_OK)
        st = check_index_member(reader, content, total, &start, err);
    if (st == PO_OK) {
        memmove(content, content + start, (size_t)reader->trailer.index_size);
        st = po_index_load_take(&reader->index, content, (size_t)reader->trailer.index_size, err);
        content = NULL;
        if (st == PO_OK)
            st = check_index(reader, err);
    } else {
        (void)po_err_prefix(err, "index");
    }
    po_mem_free(content);
    return st;
}

enum po_status
po_reader_open(struct po_reader **out, const struct pobackup_blob *blob, struct po_err *err)
{
    struct po_reader *reader = po_mem_new(1, sizeof *reader);
    enum po_status st;

    if (reader == NULL)
        return po_fail_nomem(err, sizeof *reader);
    reader->blob = *blob;
    st = load_seek_table(reader, err);
    if (st == PO_OK)
        st = load_trailer(reader, err);
    if (st == PO_E_FORMAT)
        st = judge_start(reader, err);
    if (st == PO_OK)
        st = load_index(reader, err);
    if (st == PO_OK) {
        *out = reader;
        reader = NULL;
    }
    po_reader_free(reader);
    return st;
}

void
po_reader_free(struct po_reader *reader)
{
    if (reader == NULL)
        return;
    po_mem_free(reader->seeks);
    po_mem_free(reader->offsets);
    po_index_free(reader->index);
    po_mem_free(reader);
}

/* ---- frames and members ---- */

enum po_status
po_reader_fetch(const struct po_reader *reader, uint32_t frame, uint8_t *bytes, struct po_err *err)
{
    return read_at(reader, reader->offsets[frame], bytes, reader->seeks[frame].compressed_size,
                   err);
}

enum po_status
po_reader_check_frame(const struct po_reader *reader, uint32_t frame, const uint8_t *bytes,
                      bool deep, struct po_err *err)
{
    struct po_frame_info expected;
    uint8_t hash[PO_HASH_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    size_t size = reader->seeks[frame].compressed_size;

    po_index_frame_info(reader->index, frame, &expected);
    po_xxh3(bytes, size, hash);
    if (memcmp(hash, expected.xxh3, sizeof hash) != 0) /* spec: INDEX-8 */
        return po_fail(err, PO_E_FORMAT, "frame %u: its hash does not match", frame);
    if (deep) {
        po_blake2b(bytes, size, digest);
        if (memcmp(digest, expected.blake2b, sizeof digest) != 0) /* spec: INDEX-8 */
            return po_fail(err, PO_E_FORMAT, "frame %u: its digest does not match", frame);
    }
    return PO_OK;
}

enum po_status
po_reader_check_seek(const struct po_reader *reader, uint32_t frame, const uint8_t *bytes,
                     struct po_err *err)
{
    size_t size = reader->seeks[frame].compressed_size;

    if (size < 4 || po_load_u32le(bytes + size - 4) != reader->seeks[frame].checksum)
        return po_fail(err, PO_E_FORMAT, "frame %u: the seek table has another checksum", frame);
    return PO_OK;
}

enum po_status
po_reader_decode(const struct po_reader *reader, struct po_frame_decoder *decoder, uint32_t frame,
                 uint8_t *bytes, uint8_t *content, struct po_err *err)
{
    enum po_status st = po_reader_fetch(reader, frame, bytes, err);

    if (st == PO_OK)
        st = po_reader_check_frame(reader, frame, bytes, false, err);
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
    /* spec: INDEX-7 */
    if (member.path_size != path_size || memcmp(member.path, path, path_size) != 0)
        return broken(err, "the tar has another name there than the index");
    if (member.type != po_index_type(index, entry) || member.size != po_index_size(index, entry) ||
        member.write_time != po_index_write_time(index, entry) || member.link_size != link_size ||
        (link_size > 0 && memcmp(member.link, link, link_size) != 0))
        return broken(err, "tar and index differ in type, size, time or link target");
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

static enum po_status
read_content(const struct po_reader *reader, uint32_t entry, struct po_frame_decoder *decoder,
             uint8_t *bytes, uint8_t *content, struct po_buf *out, size_t *content_at,
             struct po_err *err)
{
    uint32_t frame = po_index_frame(reader->index, entry);
    uint64_t left = po_index_size(reader->index, entry);
    size_t start = out->size;
    size_t at = 0;
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st = po_reader_decode(reader, decoder, frame, bytes, content, err);

    if (st == PO_OK)
        st = po_reader_member(reader, entry, content, reader->seeks[frame].content_size, &at, err);
    if (st == PO_OK)
        take_part(out, content, reader->seeks[frame].content_size, at, &left);
    *content_at = at;
    while (st == PO_OK && left > 0 && !out->failed) {
        if (++frame >= reader->index->frame_count)
            return broken(err, "a member that goes on behind the last frame"); /* spec: FRAME-4 */
        st = po_reader_decode(reader, decoder, frame, bytes, content, err);
        if (st == PO_OK)
            take_part(out, content, reader->seeks[frame].content_size, 0, &left);
    }
    if (st == PO_OK)
        st = po_buf_check(out, err);
    if (st != PO_OK)
        return st;
    po_xxh3(out->bytes + start, out->size - start, hash);
    if (memcmp(hash, po_index_hash(reader->index, entry), sizeof hash) != 0)
        return broken(err, "the content's hash does not match"); /* spec: INDEX-7, READ-3 */
    return PO_OK;
}

enum po_status
po_reader_content(const struct po_reader *reader, uint32_t entry, uint64_t size_max,
                  struct po_buf *out, size_t *content_at, struct po_err *err)
{
    struct po_frame_decoder *decoder = NULL;
    uint8_t *bytes = NULL;
    uint8_t *content = NULL;
    enum po_status st;

    if (po_index_type(reader->index, entry) != POBACKUP_FILE ||
        po_index_source(reader->index, entry) != 0 ||
        po_index_size(reader->index, entry) > size_max)
        return broken(err, "no file of this archive, or too large");
    st = po_frame_decoder_new(&decoder, err);
    bytes = po_mem_new(1, reader->compressed_max);
    content = po_mem_new(1, reader->content_max);
    if (st == PO_OK && (bytes == NULL || content == NULL))
        st = po_fail_nomem(err, reader->content_max);
    /* Also for an empty content there is then a place where it begins. */
    if (st == PO_OK && !po_buf_reserve(out, 1))
        st = po_buf_check(out, err);
    if (st == PO_OK)
        st = read_content(reader, entry, decoder, bytes, content, out, content_at, err);
    po_mem_free(content);
    po_mem_free(bytes);
    po_frame_decoder_free(decoder);
    return st;
}
