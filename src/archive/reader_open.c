/*
 * Opening an archive: tail first (seek table, trailer, index), each proven by the one before it. All
 * sizes are the file's claims until they are compared: nothing is allocated that the file's own size
 * does not vouch for. spec: READ-1
 */
#include "archive/hash.h"
#include "archive/index_format.h"
#include "archive/reader.h"
#include "archive/stream_path.h"
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
                po_is_path(member.path, member.path_size, PO_MANIFEST_PATH);
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
                       size == 0 ? "the file is empty" PO_RULE("FILE-3")
                                 : "not a pobackup archive" PO_RULE("FILE-3"));
    bytes = po_mem_new(1, size);
    if (bytes == NULL)
        return po_fail_nomem(err, size);
    st = read_at(reader, 0, bytes, size, err);
    if (st != PO_OK)
        goto done;
    if (memcmp(bytes, magic, sizeof magic) != 0) {
        st = po_fail(err, PO_E_UNSUPPORTED,
                     "not a pobackup archive (not a Zstandard file)" PO_RULE("FILE-3"));
        goto done;
    }
    st = glance_at_manifest(bytes, size, size == reader->blob.size, &is_ours, &ignored);
    if (st == PO_OK && !is_ours)
        st = po_fail(err, PO_E_UNSUPPORTED,
                     "a Zstandard file, but not a pobackup archive" PO_RULE("FILE-4"));
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
        return broken(err, "the file is cut off" PO_RULE("FILE-2"));
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

static enum po_status
load_trailer(struct po_reader *reader, struct po_err *err)
{
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint32_t last = reader->frame_count - 1;
    struct po_frame_info info;
    enum po_status st;

    /* The smallest archive: manifest, summary, index, trailer. */
    if (reader->frame_count < 4)
        return broken(err, "too few frames" PO_RULE("FILE-1"));
    if (reader->seeks[last].compressed_size != sizeof frame ||
        reader->seeks[last].content_size != PO_LAST_FRAME_CONTENT_SIZE)
        return broken(err, "the last frame is not a trailer's" PO_RULE("TRAILER-1"));
    st = read_at(reader, reader->offsets[last], frame, sizeof frame, err);
    if (st == PO_OK)
        st = po_last_frame_parse(&reader->trailer, reader->digest, frame, err);
    if (st != PO_OK)
        return st;
    po_frame_describe(&info, frame, sizeof frame, PO_LAST_FRAME_CONTENT_SIZE);
    if (info.checksum != reader->seeks[last].checksum)
        return broken(err, "seek table: the trailer's checksum differs" PO_RULE("SEEK-3"));
    return PO_OK;
}

/* Frames that a reader takes in whole: neither their content nor their compression is without bounds.
 * spec: FRAME-8 */
static enum po_status
check_documents(const struct po_reader *reader, struct po_err *err)
{
    const uint32_t frames[] = { 0, reader->trailer.index_frame - 1 };

    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        const struct po_seek_entry *seek = &reader->seeks[frames[i]];

        if (!po_is_whole_size_possible(seek->content_size, seek->compressed_size))
            return po_fail(err, PO_E_FORMAT,
                           "frame %u: %u bytes of content in %u" PO_RULE("FRAME-8"), frames[i],
                           seek->content_size, seek->compressed_size);
    }
    return PO_OK;
}

/* Where the trailer and the seek table put the index. *total becomes the content size of its frames.
 */
static enum po_status
check_trailer(const struct po_reader *reader, uint64_t *total, struct po_err *err)
{
    const struct po_trailer *t = &reader->trailer;
    uint64_t end = (uint64_t)t->index_frame + t->index_frame_count;

    if (t->index_frame_count == 0 || end != reader->frame_count - 1)
        return broken(err,
                      "trailer: the index is not where the seek table has it" PO_RULE("TRAILER-3"));
    if (t->index_frame < 2)
        return broken(err, "trailer: no frames for manifest and summary" PO_RULE("FILE-1"));
    if (t->index_offset != reader->offsets[t->index_frame] ||
        t->index_compressed_size != reader->offsets[end] - reader->offsets[t->index_frame])
        return broken(
            err, "trailer: another place of the index than the seek table's" PO_RULE("TRAILER-3"));
    *total = 0;
    for (uint32_t i = 0; i < end; i++) {
        const struct po_seek_entry *seek = &reader->seeks[i];

        if (po_frame_check_sizes(seek->content_size, seek->compressed_size, err) != PO_OK)
            return po_err_prefix(err, "seek table: frame %u", i);
        *total += i >= t->index_frame ? seek->content_size : 0;
    }
    if (!po_is_whole_size_possible(*total, t->index_compressed_size))
        return po_fail(err, PO_E_FORMAT, "index: %llu bytes of content in %llu" PO_RULE("FRAME-8"),
                       (unsigned long long)*total, (unsigned long long)t->index_compressed_size);
    return check_documents(reader, err);
}

/* What loading the index works with. */
struct load {
    const struct po_reader *reader;
    struct po_frame_decoder *decoder;
    uint8_t *bytes;   /* one compressed frame */
    uint8_t *content; /* of the frames, one after the other */
    uint64_t total;   /* of content, when all are decoded */
    size_t start;     /* of the index in the content */
};

/* Before any of it is decoded. */
static enum po_status
check_index_hash(const struct load *load, struct po_err *err)
{
    const struct po_reader *reader = load->reader;
    struct po_hasher *hasher = NULL;
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st = po_hasher_new(&hasher, err);

    for (uint32_t i = reader->trailer.index_frame; i < reader->frame_count - 1 && st == PO_OK;
         i++) {
        st = po_reader_fetch(reader, i, load->bytes, err);
        if (st == PO_OK)
            po_hasher_add_xxh3(hasher, load->bytes, reader->seeks[i].compressed_size);
    }
    if (st == PO_OK) {
        po_hasher_xxh3(hasher, hash);
        if (memcmp(hash, reader->trailer.index_xxh3, sizeof hash) != 0)
            st = broken(err, "index: its hash does not match" PO_RULE("TRAILER-4"));
    }
    po_hasher_free(hasher);
    return st;
}

/* Frame `frame` into the content at *at, which goes behind it. */
static enum po_status
decode_index_frame(const struct load *load, uint32_t frame, size_t *at, struct po_err *err)
{
    const struct po_seek_entry *seek = &load->reader->seeks[frame];
    uint32_t checksum;
    enum po_status st = po_reader_fetch(load->reader, frame, load->bytes, err);

    if (st != PO_OK)
        return st;
    st = po_frame_decode(load->decoder, load->bytes, seek->compressed_size, load->content + *at,
                         seek->content_size, &checksum, err);
    if (st != PO_OK)
        return po_err_prefix(err, "index");
    if (checksum != seek->checksum)
        st = broken(err, "index: the seek table has another checksum" PO_RULE("SEEK-3"));
    *at += seek->content_size;
    return st;
}

/*
 * The first index frame tells by itself how large the index must be: only then is memory taken for
 * all of it.
 */
static enum po_status
check_index_start(struct load *load, struct po_err *err)
{
    const struct po_reader *reader = load->reader;
    const struct po_trailer *t = &reader->trailer;
    const size_t size = reader->seeks[t->index_frame].content_size;
    struct po_tar_member member = { 0 };
    uint64_t before = 0;
    enum po_status st = po_tar_parse_header(&member, &load->start, load->content, size, err);

    if (st != PO_OK)
        return po_err_prefix(err, "index");
    if (!po_is_path(member.path, member.path_size, PO_INDEX_PATH) || member.type != POBACKUP_FILE ||
        member.size != t->index_size || member.size > load->total ||
        load->start + po_tar_padded(member.size) != load->total)
        return broken(err, "index: not the member that the trailer describes" PO_RULE("TRAILER-3"));
    if (member.size < PO_INDEX_HEADER_SIZE)
        return broken(err, "index: shorter than its header" PO_RULE("INDEX-2"));
    if (size - load->start < PO_INDEX_HEADER_SIZE)
        return broken(err, "index: its header goes on in a second frame" PO_RULE("TRAILER-3"));
    for (uint32_t i = 0; i < t->index_frame; i++)
        before += reader->seeks[i].content_size;
    return po_index_check_header(load->content + load->start, member.size, before, err);
}

static enum po_status
check_index_end(const struct load *load, struct po_err *err)
{
    const struct po_trailer *t = &load->reader->trailer;
    uint8_t digest[PO_DIGEST_SIZE];

    for (uint64_t i = load->start + t->index_size; i < load->total; i++)
        if (load->content[i] != 0)
            return broken(err, "index: padding that is not zero" PO_RULE("TAR-9"));
    po_blake2b(load->content + load->start, (size_t)t->index_size, digest);
    if (memcmp(digest, t->index_blake2b, sizeof digest) != 0)
        return broken(err, "index: its digest does not match" PO_RULE("TRAILER-4"));
    return PO_OK;
}

/* The content of the index frames, checked against the trailer. */
static enum po_status
decode_index(struct load *load, struct po_err *err)
{
    const struct po_reader *reader = load->reader;
    uint32_t frame = reader->trailer.index_frame;
    size_t at = 0;
    uint8_t *content;
    enum po_status st;

    load->content = po_mem_new(1, reader->seeks[frame].content_size);
    if (load->content == NULL)
        return po_fail_nomem(err, reader->seeks[frame].content_size);
    st = decode_index_frame(load, frame++, &at, err);
    if (st == PO_OK)
        st = check_index_start(load, err);
    if (st != PO_OK)
        return st;
    if ((size_t)load->total != load->total) /* where addresses have 32 bits */
        return po_fail_nomem(err, SIZE_MAX);
    content = po_mem_resize(load->content, 1, (size_t)load->total);
    if (content == NULL)
        return po_fail_nomem(err, (size_t)load->total);
    load->content = content;
    for (; frame < reader->frame_count - 1 && st == PO_OK; frame++)
        st = decode_index_frame(load, frame, &at, err);
    return st == PO_OK ? check_index_end(load, err) : st;
}

/* The index against trailer and seek table. */
static enum po_status
check_index(struct po_reader *reader, struct po_err *err)
{
    const struct po_index *index = reader->index;
    uint64_t sum = 0;

    if (memcmp(index->archive_id, reader->trailer.archive_id, PO_ID_SIZE) != 0)
        return broken(err, "index: another archive's id than the trailer's" PO_RULE("INDEX-10"));
    if (index->frame_count != reader->trailer.index_frame)
        return broken(err, "index: it describes another number of frames" PO_RULE("INDEX-6"));
    for (uint32_t i = 0; i < index->count; i++)
        sum += po_index_size(index, i);
    if (index->count != reader->trailer.entry_count || sum != reader->trailer.content_bytes)
        return broken(
            err, "index: entries or sizes do not add up to the trailer's" PO_RULE("TRAILER-4"));
    for (uint32_t i = 0; i < index->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(index, i, &info);
        if (info.content_size != reader->seeks[i].content_size ||
            info.compressed_size != reader->seeks[i].compressed_size)
            return po_fail(err, PO_E_FORMAT,
                           "index: frame %u has other sizes in the seek table" PO_RULE("INDEX-6"),
                           i);
        if (info.content_size > reader->content_max)
            reader->content_max = info.content_size;
        if (info.compressed_size > reader->compressed_max)
            reader->compressed_max = info.compressed_size;
    }
    return po_stream_check(index, err);
}

static enum po_status
load_index(struct po_reader *reader, struct po_err *err)
{
    struct load load = { .reader = reader };
    size_t size = (size_t)reader->trailer.index_size;
    uint32_t largest = 0;
    enum po_status st = check_trailer(reader, &load.total, err);

    if (st != PO_OK)
        return st;
    for (uint32_t i = reader->trailer.index_frame; i < reader->frame_count - 1; i++)
        if (reader->seeks[i].compressed_size > largest)
            largest = reader->seeks[i].compressed_size;
    st = po_frame_decoder_new(&load.decoder, err);
    if (st == PO_OK && (load.bytes = po_mem_new(1, largest)) == NULL)
        st = po_fail_nomem(err, largest);
    if (st == PO_OK)
        st = check_index_hash(&load, err);
    if (st == PO_OK)
        st = decode_index(&load, err);
    po_frame_decoder_free(load.decoder);
    po_mem_free(load.bytes);
    if (st == PO_OK) {
        memmove(load.content, load.content + load.start, size);
        st = po_index_load_take(&reader->index, load.content, size, err);
        load.content = NULL;
        if (st == PO_OK)
            st = check_index(reader, err);
    }
    po_mem_free(load.content);
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
