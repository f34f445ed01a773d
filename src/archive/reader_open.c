/*
 * Opening an archive: tail first (reader_tail.c), then the index, each proven by the one before it. As
 * there, nothing is allocated that the file's own size does not vouch for. spec: READ-1
 */
#include "archive/hash.h"
#include "archive/index_format.h"
#include "archive/reader_tail.h"
#include "archive/stream_path.h"
#include "archive/tar.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/pages.h"

#include <string.h>

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "%s", what);
}

/* What loading the index works with. */
struct load {
    const struct po_reader *reader;
    struct po_frame_decoder *decoder;
    uint8_t *bytes;   /* one compressed frame */
    uint8_t *content; /* of the frames, one after the other */
    size_t pages;     /* what content was made with by po_pages_new */
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

/* For all of it, of which so many bytes are there. */
static enum po_status
make_room(struct load *load, size_t size, struct po_err *err)
{
    uint8_t *content;

    if (load->total == load->pages)
        return PO_OK;
    if ((size_t)load->total != load->total) /* where addresses have 32 bits */
        return po_fail_nomem(err, SIZE_MAX);
    content = po_pages_new((size_t)load->total);
    if (content == NULL)
        return po_fail_nomem(err, (size_t)load->total);
    memcpy(content, load->content, size);
    po_pages_free(load->content, load->pages);
    load->content = content;
    load->pages = (size_t)load->total;
    return PO_OK;
}

/* The content of the index frames, checked against the trailer. */
static enum po_status
decode_index(struct load *load, struct po_err *err)
{
    const struct po_reader *reader = load->reader;
    uint32_t frame = reader->trailer.index_frame;
    size_t at = 0;
    enum po_status st;

    load->pages = reader->seeks[frame].content_size;
    load->content = po_pages_new(load->pages);
    if (load->content == NULL)
        return po_fail_nomem(err, load->pages);
    st = decode_index_frame(load, frame++, &at, err);
    if (st == PO_OK)
        st = check_index_start(load, err);
    if (st == PO_OK)
        st = make_room(load, at, err);
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
load_index(struct po_reader *reader, uint64_t total, struct po_err *err)
{
    struct load load = { .reader = reader, .total = total };
    size_t size = (size_t)reader->trailer.index_size;
    uint32_t largest = 0;
    enum po_status st;

    for (uint32_t i = reader->trailer.index_frame; i < reader->frame_count - 1; i++)
        if (reader->seeks[i].compressed_size > largest)
            largest = reader->seeks[i].compressed_size;
    st = po_frame_decoder_new(&load.decoder, err);
    if (st == PO_OK && (load.bytes = po_pages_new(largest)) == NULL)
        st = po_fail_nomem(err, largest);
    if (st == PO_OK)
        st = check_index_hash(&load, err);
    if (st == PO_OK)
        st = decode_index(&load, err);
    po_frame_decoder_free(load.decoder);
    po_pages_free(load.bytes, largest);
    if (st == PO_OK) {
        memmove(load.content, load.content + load.start, size);
        st = po_index_load_take(&reader->index, load.content, size, load.pages, err);
        load.content = NULL;
        if (st == PO_OK)
            st = check_index(reader, err);
    }
    po_pages_free(load.content, load.pages);
    return st;
}

enum po_status
po_reader_open(struct po_reader **out, const struct pobackup_blob *blob, struct po_err *err)
{
    struct po_reader *reader = NULL;
    uint64_t total;
    enum po_status st = po_reader_open_tail(&reader, blob, &total, err);

    if (st == PO_OK)
        st = load_index(reader, total, err);
    if (st == PO_OK) {
        *out = reader;
        reader = NULL;
    }
    po_reader_free(reader);
    return st;
}
