/* One file to a callback: no threads, as the callback wants its bytes in order anyway. */
#include "archive/hash.h"
#include "base/pages.h"
#include "engine/extract.h"

#include <string.h>

struct cat {
    const struct po_reader *reader;
    const struct pobackup_sink *sink;
    struct po_frame_decoder *decoder;
    struct po_hasher *hasher;
    uint8_t *bytes;
    uint8_t *content;
};

/* The entry that holds the content. */
static enum po_status
find_file(const struct po_index *index, uint32_t *entry, struct po_err *err)
{
    size_t size;
    const char *link;

    if (*entry >= index->count)
        return po_fail(err, PO_E_USAGE, "no such entry");
    if (po_index_type(index, *entry) == POBACKUP_HARDLINK) {
        link = po_index_link(index, *entry, &size);
        *entry = po_index_find(index, link, size); /* of type file: spec: INDEX-10 */
    }
    if (*entry == PO_NONE || po_index_type(index, *entry) != POBACKUP_FILE)
        return po_fail(err, PO_E_USAGE, "it is no file");
    if (po_index_source(index, *entry) != 0)
        return po_fail(err, PO_E_USAGE, "its content lies in a parent archive");
    return PO_OK;
}

static enum po_status
give_content(struct cat *cat, uint32_t entry, struct po_err *err)
{
    const struct po_index *index = cat->reader->index;
    uint64_t left = po_index_size(index, entry);
    uint32_t frame = po_index_frame(index, entry);
    uint8_t hash[PO_HASH_SIZE];
    size_t at = 0;
    enum po_status st =
        po_reader_decode(cat->reader, cat->decoder, frame, cat->bytes, cat->content, err);

    if (st == PO_OK)
        st = po_reader_member(cat->reader, entry, cat->content,
                              cat->reader->seeks[frame].content_size, &at, err);
    while (st == PO_OK && left > 0) {
        size_t size = cat->reader->seeks[frame].content_size - at;

        size = left < size ? (size_t)left : size;
        po_hasher_add_xxh3(cat->hasher, cat->content + at, size);
        st = cat->sink->write(cat->sink->ctx, cat->content + at, size, err);
        left -= size;
        at = 0;
        if (st != PO_OK || left == 0)
            break;
        if (++frame >= index->frame_count)
            return po_fail(err, PO_E_FORMAT, "its content ends before its size");
        st = po_reader_decode(cat->reader, cat->decoder, frame, cat->bytes, cat->content, err);
    }
    if (st != PO_OK)
        return st;
    po_hasher_xxh3(cat->hasher, hash);
    if (memcmp(hash, po_index_hash(index, entry), sizeof hash) != 0) /* spec: READ-3 */
        return po_fail(err, PO_E_FORMAT,
                       "its content does not have the hash that the index says" PO_RULE("READ-3"));
    return PO_OK;
}

enum po_status
po_cat_run(const struct po_reader *reader, uint32_t entry, const struct pobackup_sink *sink,
           struct po_err *err)
{
    struct cat cat = { .reader = reader, .sink = sink };
    enum po_status st = find_file(reader->index, &entry, err);

    if (st != PO_OK)
        return st;
    cat.bytes = po_pages_new(reader->compressed_max);
    cat.content = po_pages_new(reader->content_max);
    st = cat.bytes == NULL || cat.content == NULL ? po_fail_nomem(err, reader->content_max) : PO_OK;
    if (st == PO_OK)
        st = po_frame_decoder_new(&cat.decoder, err);
    if (st == PO_OK)
        st = po_hasher_new(&cat.hasher, err);
    if (st == PO_OK)
        st = give_content(&cat, entry, err);
    po_hasher_free(cat.hasher);
    po_frame_decoder_free(cat.decoder);
    po_pages_free(cat.content, reader->content_max);
    po_pages_free(cat.bytes, reader->compressed_max);
    return st;
}

static enum po_status
put_to_buf(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *buf = ctx;

    po_buf_put(buf, bytes, size);
    return po_buf_check(buf, err);
}

enum po_status
po_cat_to_buf(const struct po_reader *reader, uint32_t entry, struct po_buf *out,
              struct po_err *err)
{
    const struct pobackup_sink sink = { .ctx = out, .write = put_to_buf };

    return po_cat_run(reader, entry, &sink, err);
}
