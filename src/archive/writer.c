#include "archive/writer.h"

#include "archive/hash.h"
#include "archive/index.h"
#include "archive/manifest.h"
#include "archive/seek_table.h"
#include "archive/trailer.h"
#include "base/mem.h"

#include <string.h>

void
po_writer_init(struct po_writer *writer, const struct pobackup_sink *sink,
               const uint8_t archive_id[PO_ID_SIZE], int64_t created)
{
    *writer = (struct po_writer){ .sink = *sink, .created = created };
    memcpy(writer->archive_id, archive_id, PO_ID_SIZE);
}

void
po_writer_deinit(struct po_writer *writer)
{
    po_mem_free(writer->frames);
    writer->frames = NULL;
}

void
po_writer_set_digest(struct po_writer *writer, uint32_t frame, const uint8_t digest[PO_DIGEST_SIZE])
{
    memcpy(writer->frames[frame].blake2b, digest, PO_DIGEST_SIZE);
}

enum po_status
po_writer_put_frame(struct po_writer *writer, const uint8_t *bytes,
                    const struct po_frame_info *info, struct po_err *err)
{
    enum po_status st;

    if (writer->frame_count >= PO_FRAMES_MAX) /* spec: FRAME-7 */
        return po_fail(err, PO_E_USAGE, "more than %u frames", PO_FRAMES_MAX);
    if (writer->frame_count == 0 &&
        !po_is_whole_size_possible(info->content_size, info->compressed_size)) /* spec: FRAME-8 */
        return po_fail(err, PO_E_USAGE, "a manifest that is too large and empty");
    if (writer->frame_count == writer->frame_capacity) {
        uint32_t capacity = writer->frame_capacity + writer->frame_capacity / 2 + 64;
        struct po_frame_info *frames = po_mem_resize(writer->frames, capacity, sizeof *frames);

        if (frames == NULL)
            return po_fail_nomem(err, capacity * sizeof *frames);
        writer->frames = frames;
        writer->frame_capacity = capacity;
    }
    st = writer->sink.write(writer->sink.ctx, bytes, info->compressed_size, err);
    if (st != PO_OK)
        return st;
    writer->frames[writer->frame_count++] = *info;
    writer->offset += info->compressed_size;
    return PO_OK;
}

/* A document of ours: an entry and a member in a frame of its own. spec: FRAME-6 */
static enum po_status
pack_document(struct po_writer *writer, struct po_packer *packer, struct po_entry_list *list,
              const char *path, const struct po_buf *json, struct po_err *err)
{
    struct po_entry *entry;
    enum po_status st = po_packer_cut(packer, err);

    if (st == PO_OK && (!po_json_is_small(json->bytes, json->size) ||
                        json->size + 4 * PO_TAR_BLOCK > packer->frame.capacity))
        st = po_fail(err, PO_E_USAGE, "%s: %zu bytes do not fit in a frame", path, json->size);
    if (st == PO_OK)
        st = po_entry_list_add(list, path, strlen(path), &entry, err);
    if (st != PO_OK)
        return st;
    entry->type = POBACKUP_FILE;
    entry->size = json->size;
    /* In whole seconds: no extended header is needed, and a file begins with the name of its
     * manifest. */
    entry->write_time = writer->created - writer->created % PO_TICKS_PER_SECOND;
    entry->state = PO_ENTRY_SAVED;
    po_xxh3(json->bytes, json->size, entry->hash);
    st = po_packer_add(packer, list, entry, json->bytes, err);
    return st == PO_OK ? po_packer_cut(packer, err) : st;
}

enum po_status
po_writer_pack_manifest(struct po_writer *writer, struct po_packer *packer,
                        struct po_entry_list *list, const struct po_buf *json, struct po_err *err)
{
    po_blake2b(json->bytes, json->size, writer->manifest_digest);
    return pack_document(writer, packer, list, PO_MANIFEST_PATH, json, err);
}

/* ---- the end ---- */

/* The least that is stored at once: more than the headers of the index. spec: TRAILER-3 */
#define STORED_MIN 4096u

/* What the frames of summary and index pass through: packer -> encoder -> here. */
struct tail {
    struct po_writer *writer;
    const struct po_writer_end *end;
    struct po_packer packer;
    struct po_hasher *content_hash;    /* BLAKE2b of the index */
    struct po_hasher *compressed_hash; /* XXH3 of its frames */
    bool is_index;                     /* the summary is written */
    uint64_t content_size;             /* of what was put: the summary, then the index */
    uint64_t compressed_size;
};

/* Puts a frame of summary or index. */
static enum po_status
put_tail(struct tail *tail, const struct po_frame_info *info, struct po_err *err)
{
    po_hasher_add_xxh3(tail->compressed_hash, tail->end->compressed, info->compressed_size);
    tail->content_size += info->content_size;
    tail->compressed_size += info->compressed_size;
    return po_writer_put_frame(tail->writer, tail->end->compressed, info, err);
}

/*
 * How much of the content to store as it is, when all of it, compressed, would come out of fewer
 * bytes than FRAME-8 allows: 0 when it does not. The summary's frame cannot be divided.
 */
static size_t
stored_size(const struct tail *tail, size_t content_size, const struct po_frame_info *info)
{
    uint64_t content = tail->content_size + content_size;
    uint64_t least;

    if (po_is_whole_size_possible(content, tail->compressed_size + info->compressed_size))
        return 0;
    least = (content - PO_WHOLE_FREE) / PO_WHOLE_RATIO_MAX + 1 - tail->compressed_size;
    if (!tail->is_index || least >= content_size)
        return content_size;
    return least < STORED_MIN ? STORED_MIN : (size_t)least;
}

static enum po_status
flush_tail(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct tail *tail = ctx;
    uint8_t *out = tail->end->compressed;
    size_t capacity = tail->end->compressed_capacity;
    size_t size = frame->used;
    struct po_frame_info info;
    size_t stored;
    enum po_status st =
        po_frame_encode(tail->end->encoder, frame->bytes, size, out, capacity, &info, err);

    frame->used = 0;
    if (st != PO_OK)
        return st;
    stored = stored_size(tail, size, &info);
    if (stored == 0)
        return put_tail(tail, &info, err);
    po_frame_store(frame->bytes, stored, out, &info);
    st = put_tail(tail, &info, err);
    if (st != PO_OK || stored == size)
        return st;
    st = po_frame_encode(tail->end->encoder, frame->bytes + stored, size - stored, out, capacity,
                         &info, err);
    tail->packer.frame_number++;
    return st == PO_OK ? put_tail(tail, &info, err) : st;
}

static enum po_status
put_index_bytes(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct tail *tail = ctx;

    const struct pobackup_sink *copy = tail->end->index_copy;
    enum po_status st = copy == NULL ? PO_OK : copy->write(copy->ctx, bytes, size, err);

    po_hasher_add_blake2b(tail->content_hash, bytes, size);
    return st == PO_OK ? po_packer_put(&tail->packer, bytes, size, err) : st;
}

static enum po_status
write_index(struct tail *tail, const struct po_index_source *source, struct po_trailer *trailer,
            struct po_err *err)
{
    struct po_writer *writer = tail->writer;
    enum po_status st;

    trailer->index_frame = writer->frame_count;
    trailer->index_offset = writer->offset;
    st = po_index_encoded_size(source, &trailer->index_size, err);
    if (st == PO_OK)
        st = po_packer_begin_plain(&tail->packer, PO_INDEX_PATH, trailer->index_size, err);
    if (st == PO_OK)
        st = po_index_put(source, put_index_bytes, tail, err);
    if (st == PO_OK)
        st = po_packer_end(&tail->packer, err);
    if (st == PO_OK)
        st = po_packer_cut(&tail->packer, err);
    if (st != PO_OK)
        return st;
    trailer->index_frame_count = writer->frame_count - trailer->index_frame;
    trailer->index_compressed_size = writer->offset - trailer->index_offset;
    po_hasher_xxh3(tail->compressed_hash, trailer->index_xxh3);
    po_hasher_blake2b(tail->content_hash, trailer->index_blake2b);
    return PO_OK;
}

static enum po_status
write_last_frame(struct po_writer *writer, const struct po_trailer *trailer,
                 uint8_t digest[PO_DIGEST_SIZE], struct po_err *err)
{
    uint8_t frame[PO_LAST_FRAME_SIZE];
    struct po_frame_info info;

    po_last_frame_put(frame, trailer, digest);
    po_frame_describe(&info, frame, sizeof frame, PO_LAST_FRAME_CONTENT_SIZE);
    return po_writer_put_frame(writer, frame, &info, err);
}

static enum po_status
write_seek_table(struct po_writer *writer, struct po_err *err)
{
    struct po_seek_entry *entries = po_mem_new(writer->frame_count, sizeof *entries);
    struct po_buf table = { 0 };
    enum po_status st;

    if (entries == NULL)
        return po_fail_nomem(err, writer->frame_count * sizeof *entries);
    for (uint32_t i = 0; i < writer->frame_count; i++)
        entries[i] = (struct po_seek_entry){ .compressed_size = writer->frames[i].compressed_size,
                                             .content_size = writer->frames[i].content_size,
                                             .checksum = writer->frames[i].checksum };
    po_seek_table_put(&table, entries, writer->frame_count);
    st = po_buf_check(&table, err);
    if (st == PO_OK)
        st = writer->sink.write(writer->sink.ctx, table.bytes, table.size, err);
    writer->offset += table.size;
    po_buf_deinit(&table);
    po_mem_free(entries);
    return st;
}

static void
sum_up(const struct po_index_source *source, struct po_trailer *trailer)
{
    trailer->entry_count = source->count;
    for (uint32_t i = 0; i < source->count; i++)
        trailer->content_bytes += source->list->entries[source->order[i]].size;
}

enum po_status
po_writer_finish(struct po_writer *writer, const struct po_writer_end *end,
                 uint8_t digest[PO_DIGEST_SIZE], struct po_err *err)
{
    struct po_trailer trailer = { .created = writer->created };
    struct tail tail = { .writer = writer, .end = end };
    struct po_index_source source = { .list = end->list,
                                      .frames = writer->frames,
                                      .frame_count = writer->frame_count,
                                      .parents = end->parents,
                                      .parent_count = end->parent_count,
                                      .archive_id = writer->archive_id };
    struct po_frame_info *frames = NULL;
    uint32_t *order = NULL;
    enum po_status st;

    po_packer_init(&tail.packer, end->content, flush_tail, &tail);
    tail.packer.frame_number = writer->frame_count;
    memcpy(trailer.archive_id, writer->archive_id, PO_ID_SIZE);
    memcpy(trailer.manifest_blake2b, writer->manifest_digest, PO_DIGEST_SIZE);
    st = po_hasher_new(&tail.content_hash, err);
    if (st == PO_OK)
        st = po_hasher_new(&tail.compressed_hash, err);
    if (st == PO_OK)
        st = pack_document(writer, &tail.packer, end->list, PO_SUMMARY_PATH, end->summary, err);
    if (st == PO_OK)
        st = po_index_sort(end->list, &order, &source.count, err);
    if (st != PO_OK)
        goto done;
    po_hasher_reset(tail.compressed_hash); /* of the index frames alone */
    tail.content_size = tail.compressed_size = 0;
    tail.is_index = true;
    source.order = order;
    /* The writer's own table grows while the index, which describes it, is written: a copy stays
     * still. */
    frames = (struct po_frame_info *)(void *)po_mem_copy(writer->frames,
                                                         writer->frame_count * sizeof *frames);
    if (frames == NULL) {
        st = po_fail_nomem(err, writer->frame_count * sizeof *frames);
        goto done;
    }
    source.frames = frames;
    source.frame_count = writer->frame_count;
    sum_up(&source, &trailer);
    st = write_index(&tail, &source, &trailer, err);
    if (st == PO_OK)
        st = write_last_frame(writer, &trailer, digest, err);
    if (st == PO_OK)
        st = write_seek_table(writer, err);
done:
    po_mem_free(frames);
    po_mem_free(order);
    po_hasher_free(tail.content_hash);
    po_hasher_free(tail.compressed_hash);
    po_packer_deinit(&tail.packer);
    return st;
}
