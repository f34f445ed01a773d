#include "archive/joined.h"

#include "archive/index_format.h"
#include "base/cursor.h"
#include "base/mem.h"

#include <string.h>

/* One of the archives: the first is the archive itself. */
struct part {
    struct pobackup_blob blob;
    uint64_t start;       /* of its bytes among all */
    uint32_t first_frame; /* among all */
};

struct po_joined {
    struct po_reader reader;
    struct po_index index; /* the archive's, with columns of our own where they differ */
    struct part *parts;
    uint32_t part_count;
    uint8_t *frames;  /* column */
    uint8_t *sources; /* column */
    uint8_t *frame_table;
};

struct po_reader *
po_joined_reader(struct po_joined *joined)
{
    return &joined->reader;
}

uint32_t
po_joined_part_count(const struct po_joined *joined)
{
    return joined->part_count;
}

void
po_joined_part(const struct po_joined *joined, uint32_t part, uint32_t *first_frame,
               uint32_t *frame_count)
{
    uint32_t end = part + 1 < joined->part_count ? joined->parts[part + 1].first_frame
                                                 : joined->index.frame_count;

    *first_frame = joined->parts[part].first_frame;
    *frame_count = end - *first_frame;
}

void
po_joined_free(struct po_joined *joined)
{
    if (joined == NULL)
        return;
    po_mem_free(joined->reader.seeks);
    po_mem_free(joined->reader.offsets);
    po_mem_free(joined->frame_table);
    po_mem_free(joined->sources);
    po_mem_free(joined->frames);
    po_mem_free(joined->parts);
    po_mem_free(joined);
}

/* A read never crosses from one archive into another: frames do not. */
static enum po_status
read_part(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct po_joined *joined = ctx;
    uint32_t i = joined->part_count;

    while (i > 1 && offset < joined->parts[i - 1].start)
        i--;
    return joined->parts[i - 1].blob.read_at(joined->parts[i - 1].blob.ctx,
                                             offset - joined->parts[i - 1].start, bytes, size, err);
}

/* The frames that an index describes, behind those that are there. */
static void
add_part(struct po_joined *joined, uint32_t number, const struct po_reader *part, uint64_t start)
{
    struct po_reader *all = &joined->reader;
    uint32_t first = joined->index.frame_count;
    uint32_t count = part->index->frame_count;

    joined->parts[number] =
        (struct part){ .blob = part->blob, .start = start, .first_frame = first };
    memcpy(all->seeks + first, part->seeks, count * sizeof *all->seeks);
    for (uint32_t i = 0; i < count; i++)
        all->offsets[first + i] = start + part->offsets[i];
    memcpy(joined->frame_table + (size_t)first * PO_INDEX_FRAME_SIZE, part->index->frame_table,
           (size_t)count * PO_INDEX_FRAME_SIZE);
    joined->index.frame_count += count;
    all->content_max = part->content_max > all->content_max ? part->content_max : all->content_max;
    all->compressed_max =
        part->compressed_max > all->compressed_max ? part->compressed_max : all->compressed_max;
}

static enum po_status
allocate(struct po_joined *joined, const struct po_reader *reader, struct po_reader *const *parents,
         struct po_err *err)
{
    size_t entries = reader->index->count;
    size_t frames = reader->index->frame_count;

    for (uint32_t i = 0; i < reader->index->parent_count; i++)
        frames += parents[i] == NULL ? 0 : parents[i]->index->frame_count;
    if (frames > UINT32_MAX)
        return po_fail(err, PO_E_IO, "more frames in an archive and its parents than %u",
                       UINT32_MAX);
    joined->parts = po_mem_new((size_t)reader->index->parent_count + 1, sizeof *joined->parts);
    joined->frames = po_mem_new(entries, 4);
    joined->sources = po_mem_new(entries, 2);
    joined->frame_table = po_mem_new(frames, PO_INDEX_FRAME_SIZE);
    joined->reader.seeks = po_mem_new(frames, sizeof *joined->reader.seeks);
    joined->reader.offsets = po_mem_new(frames + 1, sizeof *joined->reader.offsets);
    return joined->parts == NULL || joined->frames == NULL || joined->sources == NULL ||
                   joined->frame_table == NULL || joined->reader.seeks == NULL ||
                   joined->reader.offsets == NULL
               ? po_fail_nomem(err, entries * 6 + frames * PO_INDEX_FRAME_SIZE)
               : PO_OK;
}

/* Entries of parents that are at hand become entries of source 0. */
static void
move_entries(struct po_joined *joined, const struct po_reader *reader,
             struct po_reader *const *parents)
{
    for (uint32_t i = 0; i < reader->index->count; i++) {
        uint16_t source = po_index_source(reader->index, i);
        bool is_here = source > 0 && parents[source - 1] != NULL;
        uint32_t frame = po_index_frame(reader->index, i);

        po_store_u32le(joined->frames + (size_t)i * 4,
                       is_here ? frame + joined->parts[source].first_frame : frame);
        if (!is_here)
            memcpy(joined->sources + (size_t)i * 2, reader->index->sources + (size_t)i * 2, 2);
    }
}

enum po_status
po_joined_new(struct po_joined **out, const struct po_reader *reader,
              struct po_reader *const *parents, struct po_err *err)
{
    struct po_joined *joined = po_mem_new(1, sizeof *joined);
    uint64_t start = 0;
    enum po_status st;

    if (joined == NULL)
        return po_fail_nomem(err, sizeof *joined);
    st = allocate(joined, reader, parents, err);
    if (st != PO_OK) {
        po_joined_free(joined);
        return st;
    }
    joined->index = *reader->index;
    joined->index.bytes = NULL; /* the archive's */
    joined->index.frame_count = 0;
    joined->part_count = reader->index->parent_count + 1;
    joined->reader.trailer = reader->trailer;
    memcpy(joined->reader.digest, reader->digest, PO_DIGEST_SIZE);
    add_part(joined, 0, reader, 0);
    start = reader->blob.size;
    for (uint32_t i = 0; i < reader->index->parent_count; i++) {
        /* One that is not here takes no room, and is never asked. */
        joined->parts[i + 1] =
            (struct part){ .start = start, .first_frame = joined->index.frame_count };
        if (parents[i] == NULL)
            continue;
        add_part(joined, i + 1, parents[i], start);
        start += parents[i]->blob.size;
    }
    move_entries(joined, reader, parents);
    joined->index.frames = joined->frames;
    joined->index.sources = joined->sources;
    joined->index.frame_table = joined->frame_table;
    joined->reader.index = &joined->index;
    joined->reader.frame_count = joined->index.frame_count;
    joined->reader.blob =
        (struct pobackup_blob){ .ctx = joined, .size = start, .read_at = read_part };
    *out = joined;
    return PO_OK;
}
