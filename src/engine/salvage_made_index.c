/* Without an index: one is made of the members, so that all that reads archives can read these. */
#include "archive/frame.h"
#include "base/mem.h"
#include "engine/salvage_members.h"

#include <string.h>

static const char doubt_state[] =
    "whole, but without the index it is not known whether it is the last state";
static const char doubt_twice[] =
    "whole; it is there more than once: the last in the file was taken";
static const char doubt_before[] = "whole, but a later one of this name is not";
static const char doubt_pieced[] = "pieced together over a gap: its size fits, its content may not";
static const char doubt_inside[] =
    "whole, but in the place of a frame that is damaged: perhaps of an archive in a file";
static const char doubt_left_out[] =
    "whole, but the summary says that it could not be read well, or was gone";
static const char doubt_mixed[] = "whole, but pieces of more than one archive are in the file";

struct made {
    struct po_salvage_members *m;
    uint32_t *places; /* of each frame of the scan: its number from now on */
    uint32_t *frames; /* the other way round */
    uint32_t *order;  /* numbers of the list's entries, as the index has them */
    uint32_t count;
    struct po_buf bytes;
};

/* ---- the order of frames ---- */

static void
put_frame(struct made *made, uint32_t *place, uint32_t frame)
{
    made->places[frame] = *place;
    made->frames[(*place)++] = frame;
}

/* As in the file, but that a member's frames follow each other. */
static enum po_status
order_frames(struct made *made, struct po_err *err)
{
    struct po_salvage_members *m = made->m;
    const uint32_t count = m->scan->count;
    uint32_t place = 0;
    size_t open = 0;

    made->places = po_mem_new(count, sizeof *made->places);
    made->frames = po_mem_new(count, sizeof *made->frames);
    if (made->places == NULL || made->frames == NULL)
        return po_fail_nomem(err, count * sizeof *made->frames);
    for (uint32_t i = 0; i < count; i++) {
        while (open < m->open_count && m->opens[open].frame < i)
            open++;
        if (m->claimed[i] != 0)
            continue;
        put_frame(made, &place, i);
        if (open < m->open_count && m->opens[open].frame == i)
            for (uint32_t k = 0; k < m->opens[open].frame_count; k++)
                put_frame(made, &place, m->opens[open].frames[k]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct po_salvage_frame *frame = &m->scan->frames[made->frames[i]];

        m->reader->offsets[i] = frame->offset;
        m->reader->seeks[i] =
            (struct po_seek_entry){ frame->compressed_size, frame->content_size, frame->checksum };
    }
    for (size_t i = 0; i < m->list.count; i++)
        m->list.entries[i].frame = made->places[m->list.entries[i].frame];
    return PO_OK;
}

/* ---- the entries ---- */

static int
compare_path(const struct po_entry_list *list, uint32_t number, const char *path, size_t size)
{
    const struct po_entry *entry = &list->entries[number];
    size_t common = entry->path_size < size ? entry->path_size : size;
    int order = memcmp(po_entry_path(list, entry), path, common);

    if (order != 0)
        return order;
    return entry->path_size < size ? -1 : entry->path_size > size;
}

/* The place in the order of the entry with this path, or PO_NONE. */
static uint32_t
find_path(const struct made *made, const char *path, size_t size)
{
    uint32_t low = 0;
    uint32_t high = made->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_path(&made->m->list, made->order[middle], path, size);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return PO_NONE;
}

static uint64_t
place_of(const struct po_entry *entry)
{
    return (uint64_t)entry->frame << 32 | entry->offset;
}

/* A hard link to what is not there, or comes later, is no name of anything. */
static enum po_status
drop_links(struct made *made, struct po_err *err)
{
    struct po_entry_list *list = &made->m->list;
    uint32_t kept = 0;
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < made->count && st == PO_OK; i++) {
        struct po_entry *entry = &list->entries[made->order[i]];
        struct po_salvage_broken *item;
        uint32_t at;
        size_t size = 0;
        const uint8_t *link;

        if (entry->type != POBACKUP_HARDLINK)
            continue;
        link = po_rows_at(&list->links, entry->link, &size);
        at = find_path(made, (const char *)link, size);
        if (at != PO_NONE && list->entries[made->order[at]].type == POBACKUP_FILE &&
            place_of(&list->entries[made->order[at]]) < place_of(entry))
            continue;
        entry->state = PO_ENTRY_SKIPPED;
        st = po_salvage_broken_add(made->m->broken, po_entry_path(list, entry), entry->path_size, 0,
                                   "a hard link to a file that is not there", &item, err);
    }
    for (uint32_t i = 0; i < made->count; i++)
        if (list->entries[made->order[i]].state == PO_ENTRY_SAVED)
            made->order[kept++] = made->order[i];
    made->count = kept;
    return st;
}

static enum po_status
put(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *out = ctx;

    po_buf_put(out, bytes, size);
    return po_buf_check(out, err);
}

static enum po_status
make_index(struct made *made, struct po_err *err)
{
    static const uint8_t no_id[PO_ID_SIZE];
    struct po_salvage_members *m = made->m;
    struct po_frame_info *infos = po_mem_new(m->scan->count, sizeof *infos);
    struct po_index_source source = { .list = &m->list,
                                      .order = made->order,
                                      .count = made->count,
                                      .frames = infos,
                                      .frame_count = m->scan->count,
                                      .archive_id = no_id };
    uint64_t size = 0;
    enum po_status st = po_index_encoded_size(&source, &size, err);

    if (st == PO_OK &&
        (infos == NULL || size > SIZE_MAX || !po_buf_reserve(&made->bytes, (size_t)size)))
        st = po_fail_nomem(err, m->scan->count * sizeof *infos);
    if (st != PO_OK) {
        po_mem_free(infos);
        return st;
    }
    for (uint32_t i = 0; i < m->scan->count; i++) {
        const struct po_salvage_frame *frame = &m->scan->frames[made->frames[i]];

        infos[i].content_size = frame->content_size;
        infos[i].compressed_size = frame->compressed_size;
        memcpy(infos[i].xxh3, frame->xxh3, PO_HASH_SIZE);
    }
    st = po_index_put(&source, put, &made->bytes, err);
    po_mem_free(infos);
    po_index_free(m->reader->index);
    m->reader->index = NULL;
    if (st == PO_OK) {
        struct po_buf taken = made->bytes;

        po_entry_list_deinit(&m->list); /* as large as the index itself, and not needed any more */
        made->bytes = (struct po_buf){ 0 };
        st = po_index_load_take(&m->reader->index, taken.bytes, taken.size, taken.capacity, err);
    }
    return st;
}

/* ---- what is not whole ---- */

static bool
is_manifest(const struct po_salvage_scan *scan, uint32_t frame)
{
    return scan->frames[frame].kind == PO_SALVAGE_MANIFEST;
}

/* Manifests that are not the same: archives. */
static void
count_archives(struct made *made)
{
    const struct po_salvage_scan *scan = made->m->scan;
    uint32_t first = PO_NONE;
    uint32_t count = 0;

    for (uint32_t i = 0; i < scan->count; i++) {
        if (!is_manifest(scan, i))
            continue;
        if (first == PO_NONE ||
            memcmp(scan->frames[i].xxh3, scan->frames[first].xxh3, PO_HASH_SIZE) != 0)
            count++;
        if (first == PO_NONE)
            first = i;
    }
    if (made->m->result->archive_count < count)
        made->m->result->archive_count = count;
}

static enum po_status
add_broken(struct made *made, const struct po_salvage_open *open, struct po_err *err)
{
    struct po_salvage_members *m = made->m;
    const struct po_entry *entry = &m->list.entries[open->entry];
    struct po_salvage_broken *item;
    uint64_t position = 0;
    enum po_status st =
        po_salvage_broken_add(m->broken, po_entry_path(&m->list, entry), entry->path_size,
                              open->size, "the rest of it was not found", &item, err);

    for (uint32_t i = 0; i <= open->frame_count && st == PO_OK; i++) {
        uint32_t frame = i == 0 ? open->frame : open->frames[i - 1];
        uint32_t at = i == 0 ? open->content_at : 0;
        uint64_t size = m->scan->frames[frame].content_size - at;

        if (size > open->size - position)
            size = open->size - position;
        if (size > 0)
            st = po_salvage_piece_add(
                m->broken,
                &(struct po_salvage_piece){ made->places[frame], at, (uint32_t)size, position },
                err);
        position += size;
        m->broken->items[m->broken->count - 1].there = position;
    }
    return st;
}

static enum po_status
name_broken(struct made *made, struct po_err *err)
{
    struct po_salvage_members *m = made->m;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < m->open_count && st == PO_OK; i++) {
        const struct po_entry *entry = &m->list.entries[m->opens[i].entry];
        const char *path = po_entry_path(&m->list, entry);

        /* The index' own rest is nobody's file. */
        if (m->claimed[m->opens[i].frame] == 0 && !m->opens[i].is_whole &&
            m->opens[i].frame <= m->summary && !po_is_path(path, entry->path_size, PO_INDEX_PATH))
            st = add_broken(made, &m->opens[i], err);
    }
    for (uint32_t i = 0; i < m->scan->count && st == PO_OK; i++) {
        const struct po_salvage_frame *frame = &m->scan->frames[i];
        struct po_salvage_broken *item;

        if (frame->kind != PO_SALVAGE_CONTINUED || m->claimed[i] != 0 || i > m->summary)
            continue;
        st = po_salvage_broken_add(m->broken, NULL, 0, frame->content_size,
                                   "content of a file whose beginning was not found", &item, err);
        if (st != PO_OK)
            return st;
        item->there = frame->content_size;
        st = po_salvage_piece_add(
            m->broken, &(struct po_salvage_piece){ made->places[i], 0, frame->content_size, 0 },
            err);
    }
    return st;
}

/* ---- what is not known ---- */

static bool
is_inside(const struct made *made, const struct po_entry *entry)
{
    return made->m->scan->frames[made->frames[entry->frame]].is_inside;
}

/* Of the entry that the index has under the path of this one, which it need not be. */
static void
doubt_path(struct made *made, const struct po_entry *entry, const char *doubt)
{
    uint32_t at = find_path(made, po_entry_path(&made->m->list, entry), entry->path_size);

    if (at != PO_NONE)
        made->m->result->doubts[at] = doubt;
}

static bool
is_same(const struct made *made, const struct po_entry *a)
{
    uint32_t at = find_path(made, po_entry_path(&made->m->list, a), a->path_size);
    const struct po_entry *b = at == PO_NONE ? a : &made->m->list.entries[made->order[at]];

    return a->type == b->type && a->size == b->size && a->write_time == b->write_time &&
           memcmp(a->hash, b->hash, PO_HASH_SIZE) == 0;
}

/* With all members there, in their order, the only question is which of them count. */
static void
leave_out(void *ctx, const char *path, size_t size)
{
    struct made *made = ctx;
    uint32_t at = find_path(made, path, size);

    if (at != PO_NONE)
        made->m->result->doubts[at] = doubt_left_out;
}

static enum po_status
trust(struct made *made, bool *is_trusted, struct po_err *err)
{
    struct po_salvage_result *result = made->m->result;

    *is_trusted = false;
    if (made->m->summary == PO_NONE)
        return PO_OK;
    memset(result->doubts, 0, made->count * sizeof(const char *));
    return po_salvage_left_out(made->m, made->m->summary, leave_out, made, is_trusted, err);
}

static enum po_status
doubt(struct made *made, struct po_err *err)
{
    struct po_salvage_members *m = made->m;
    struct po_salvage_result *result = m->result;
    uint8_t *is_in = po_mem_new(m->list.count, 1);
    bool is_trusted = false;
    enum po_status st = PO_OK;

    result->doubts = po_mem_new(made->count, sizeof(const char *));
    if (is_in == NULL || result->doubts == NULL) {
        po_mem_free(is_in);
        return po_fail_nomem(err, made->count * sizeof(const char *));
    }
    st = trust(made, &is_trusted, err);
    for (uint32_t i = 0; i < made->count; i++) {
        is_in[made->order[i]] = 1;
        if (!is_trusted)
            result->doubts[i] = is_inside(made, &m->list.entries[made->order[i]]) ? doubt_inside
                                : result->archive_count > 1                       ? doubt_mixed
                                                                                  : doubt_state;
    }
    for (size_t i = 0; i < m->list.count && !is_trusted; i++)
        if (is_in[i] == 0 && m->list.entries[i].state == PO_ENTRY_SAVED &&
            !is_same(made, &m->list.entries[i]))
            doubt_path(made, &m->list.entries[i], doubt_twice);
    for (size_t i = 0; i < m->open_count; i++) {
        const struct po_entry *entry = &m->list.entries[m->opens[i].entry];

        if (m->opens[i].frame > m->summary)
            continue;
        if (m->claimed[m->opens[i].frame] == 0 && !m->opens[i].is_whole)
            doubt_path(made, entry, doubt_before);
        else if (m->opens[i].is_pieced)
            doubt_path(made, entry, doubt_pieced);
    }
    po_mem_free(is_in);
    return st;
}

/* The index is no entry. */
static void
drop_own(struct po_entry_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (po_is_path(po_entry_path(list, &list->entries[i]), list->entries[i].path_size,
                       PO_INDEX_PATH))
            list->entries[i].state = PO_ENTRY_SKIPPED;
}

/*
 * The entries by path, each once: the last in the file. What may be a file's content, an archive in it,
 * takes no place of what is not.
 */
static enum po_status
sort_entries(struct made *made, struct po_err *err)
{
    struct po_entry_list *list = &made->m->list;
    bool has_more = false;
    enum po_status st;

    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == PO_ENTRY_SAVED && is_inside(made, &list->entries[i]))
            list->entries[i].state = PO_ENTRY_PLANNED;
    st = po_index_sort(list, &made->order, &made->count, err);
    for (size_t i = 0; i < list->count && st == PO_OK; i++) {
        struct po_entry *entry = &list->entries[i];

        if (entry->state != PO_ENTRY_PLANNED)
            continue;
        entry->state = PO_ENTRY_SKIPPED;
        if (find_path(made, po_entry_path(list, entry), entry->path_size) == PO_NONE) {
            entry->state = PO_ENTRY_SAVED;
            has_more = true;
        }
    }
    if (st != PO_OK || !has_more)
        return st;
    po_mem_free(made->order);
    made->order = NULL;
    return po_index_sort(list, &made->order, &made->count, err);
}

enum po_status
po_salvage_members_index(struct po_salvage_members *m, struct po_err *err)
{
    struct made made = { .m = m };
    enum po_status st = order_frames(&made, err);

    drop_own(&m->list);
    if (st == PO_OK)
        st = sort_entries(&made, err);
    if (st == PO_OK)
        st = drop_links(&made, err);
    count_archives(&made);
    if (st == PO_OK)
        st = name_broken(&made, err);
    if (st == PO_OK)
        st = doubt(&made, err);
    if (st == PO_OK)
        st = make_index(&made, err);
    po_mem_free(made.places);
    po_mem_free(made.frames);
    po_mem_free(made.order);
    po_buf_deinit(&made.bytes);
    return st;
}
