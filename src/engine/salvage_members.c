/*
 * Without an index: the members' own headers say what there is. The frames are read twice: first for the
 * headers and for what lies in one frame whole, then, of files that span frames, for their contents.
 */
#include "engine/salvage_members.h"
#include "archive/frame.h"
#include "archive/hash.h"
#include "archive/tar.h"
#include "base/mem.h"
#include "engine/frames.h"

#include <string.h>

#define OPENS_FIRST 16u

/* ---- the headers ---- */

static enum po_status
add_open(struct po_salvage_members *m, const struct po_salvage_open *open, struct po_err *err)
{
    if (m->open_count == m->open_capacity) {
        size_t capacity = m->open_capacity == 0 ? OPENS_FIRST : m->open_capacity * 2;
        struct po_salvage_open *opens = po_mem_resize(m->opens, capacity, sizeof *opens);

        if (opens == NULL)
            return po_fail_nomem(err, capacity * sizeof *opens);
        m->opens = opens;
        m->open_capacity = capacity;
    }
    m->opens[m->open_count++] = *open;
    return PO_OK;
}

static enum po_status
add_entry(struct po_salvage_members *m, const struct po_tar_member *member, uint32_t frame,
          uint32_t offset, struct po_entry **entry, struct po_err *err)
{
    struct po_posix_owner owner = { .mode = member->mode,
                                    .uid = member->uid,
                                    .gid = member->gid,
                                    .user = member->user,
                                    .user_size = member->user_size,
                                    .group = member->group,
                                    .group_size = member->group_size };
    enum po_status st = po_entry_list_add(&m->list, member->path, member->path_size, entry, err);

    if (st == PO_OK)
        st = po_entry_list_owner(&m->list, &owner, &(*entry)->security, err);
    if (st == PO_OK && member->link_size > 0 && member->type != POBACKUP_FILE &&
        member->type != POBACKUP_DIRECTORY)
        st = po_entry_list_set_link(&m->list, *entry, member->link, member->link_size, err);
    if (st != PO_OK)
        return st;
    (*entry)->type = member->type;
    (*entry)->size = member->size;
    (*entry)->write_time = member->write_time;
    (*entry)->frame = frame;
    (*entry)->offset = offset;
    (*entry)->state = PO_ENTRY_SAVED;
    return PO_OK;
}

/* What stands at `at` of a frame's content; *size is how far it goes, 0 = nothing more of ours. */
static enum po_status
take_member(struct po_salvage_members *m, const struct po_frame_job *job, size_t at, uint64_t *size,
            struct po_err *err)
{
    size_t left = m->scan->frames[job->frame].content_size - at;
    struct po_tar_member member = { 0 };
    struct po_entry *entry = NULL;
    struct po_err broken;
    size_t header_size;
    enum po_status st;

    *size = 0;
    if (po_tar_parse_header(&member, &header_size, job->content + at, left, &broken) != PO_OK ||
        member.path[member.path_size - 1] == '/' ||
        po_is_path(member.path, member.path_size, PO_TRAILER_PATH))
        return PO_OK;
    *size = header_size + po_tar_padded(member.size);
    st = add_entry(m, &member, job->frame, (uint32_t)at, &entry, err);
    if (st != PO_OK)
        return st;
    if (*size <= left) {
        if (member.type == POBACKUP_FILE)
            po_xxh3(job->content + at + header_size, (size_t)member.size, entry->hash);
        return PO_OK;
    }
    entry->state = PO_ENTRY_UNLISTED;
    return add_open(m,
                    &(struct po_salvage_open){ .frame = job->frame,
                                               .entry = (uint32_t)(m->list.count - 1),
                                               .content_at = (uint32_t)(at + header_size),
                                               .size = member.size,
                                               .left = *size - left },
                    err);
}

static void
decode(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    const struct po_salvage_members *m = ctx;
    const struct po_salvage_frame *frame = &m->scan->frames[job->frame];

    job->status = po_frame_decode(decoder, job->bytes, frame->compressed_size, job->content,
                                  frame->content_size, NULL, &job->err);
}

static enum po_status
read_headers(void *ctx, struct po_frame_job *job, struct po_err *err)
{
    struct po_salvage_members *m = ctx;
    const struct po_salvage_frame *frame = &m->scan->frames[job->frame];
    uint64_t at = 0;
    uint64_t size = 1;
    enum po_status st = PO_OK;

    if (job->status != PO_OK) {
        *err = job->err;
        return job->status;
    }
    while (st == PO_OK && size > 0 && at < frame->content_size) {
        st = take_member(m, job, (size_t)at, &size, err);
        at += size;
    }
    return st;
}

/* A reader of the frames in the file's order. */
static enum po_status
new_reader(struct po_salvage_members *m, const struct pobackup_blob *blob, struct po_err *err)
{
    struct po_reader *reader = po_mem_new(1, sizeof *reader);
    const uint32_t count = m->scan->count;

    m->reader = reader;
    if (reader == NULL)
        return po_fail_nomem(err, sizeof *reader);
    reader->blob = *blob;
    reader->frame_count = count;
    reader->seeks = po_mem_new(count, sizeof *reader->seeks);
    reader->offsets = po_mem_new((size_t)count + 1, sizeof *reader->offsets);
    reader->index = po_mem_new(1, sizeof *reader->index);
    if (reader->seeks == NULL || reader->offsets == NULL || reader->index == NULL)
        return po_fail_nomem(err, count * sizeof *reader->offsets);
    reader->index->frame_count = count; /* as yet it has nothing else */
    for (uint32_t i = 0; i < count; i++) {
        const struct po_salvage_frame *frame = &m->scan->frames[i];

        reader->offsets[i] = frame->offset;
        reader->seeks[i] =
            (struct po_seek_entry){ frame->compressed_size, frame->content_size, frame->checksum };
        if (frame->content_size > reader->content_max)
            reader->content_max = frame->content_size;
        if (frame->compressed_size > reader->compressed_max)
            reader->compressed_max = frame->compressed_size;
    }
    return PO_OK;
}

static enum po_status
collect(struct po_salvage_members *m, const struct pobackup_blob *blob, unsigned threads,
        const struct po_watch *watch, struct po_err *err)
{
    /* Narrow: the list of entries grows beside the buffers. */
    struct po_frames_run run = { .threads = threads,
                                 .is_narrow = true,
                                 .watch = watch,
                                 .ctx = m,
                                 .work = decode,
                                 .join = read_headers };
    enum po_status st = new_reader(m, blob, err);

    run.reader = m->reader;
    return st == PO_OK ? po_frames_run(&run, err) : st;
}

/* ---- contents that span frames ---- */

/* The content's hash, if what the frames hold is content and then padding with zeros. */
static enum po_status
hash_open(struct po_salvage_members *m, struct po_salvage_open *open, struct po_hasher *hasher,
          struct po_err *err)
{
    struct po_reader *reader = m->reader;
    uint64_t left = open->size;
    enum po_status st = PO_OK;

    po_hasher_reset(hasher);
    for (uint32_t i = 0; i <= open->frame_count && st == PO_OK; i++) {
        uint32_t frame = i == 0 ? open->frame : open->frames[i - 1];
        size_t at = i == 0 ? open->content_at : 0;
        size_t size = reader->seeks[frame].content_size;
        size_t piece = size - at < left ? size - at : (size_t)left;

        st = reader->blob.read_at(reader->blob.ctx, reader->offsets[frame], m->bytes,
                                  reader->seeks[frame].compressed_size, err);
        if (st == PO_OK)
            st = po_frame_decode(m->decoder, m->bytes, reader->seeks[frame].compressed_size,
                                 m->content, size, NULL, err);
        if (st != PO_OK)
            return st;
        po_hasher_add_xxh3(hasher, m->content + at, piece);
        left -= piece;
        for (at += piece; at < size; at++)
            if (m->content[at] != 0) /* spec: TAR-9 */
                open->is_whole = false;
    }
    if (open->is_whole) {
        po_hasher_xxh3(hasher, m->list.entries[open->entry].hash);
        m->list.entries[open->entry].state = PO_ENTRY_SAVED;
    }
    return st;
}

static enum po_status
hash_opens(struct po_salvage_members *m, struct po_err *err)
{
    struct po_hasher *hasher = NULL;
    enum po_status st;

    if (m->open_count == 0)
        return PO_OK;
    st = po_hasher_new(&hasher, err);
    if (st == PO_OK)
        st = po_frame_decoder_new(&m->decoder, err);
    m->bytes = po_mem_new(1, m->reader->compressed_max);
    m->content = po_mem_new(1, m->reader->content_max);
    if (st == PO_OK && (m->bytes == NULL || m->content == NULL))
        st = po_fail_nomem(err, m->reader->content_max);
    for (size_t i = 0; i < m->open_count && st == PO_OK; i++)
        if (m->opens[i].is_whole && m->claimed[m->opens[i].frame] == 0)
            st = hash_open(m, &m->opens[i], hasher, err);
    po_hasher_free(hasher);
    po_frame_decoder_free(m->decoder);
    po_mem_free(m->bytes);
    po_mem_free(m->content);
    m->decoder = NULL;
    m->bytes = NULL;
    m->content = NULL;
    return st;
}

/* Entries in frames that turned out to be the content of another, or not of this archive. */
static void
drop_claimed(struct po_salvage_members *m)
{
    for (size_t i = 0; i < m->list.count; i++)
        if (m->claimed[m->list.entries[i].frame] != 0 || m->list.entries[i].frame > m->summary)
            m->list.entries[i].state = PO_ENTRY_SKIPPED;
}

/* ---- the run ---- */

static bool
is_anything_ours(const struct po_salvage_members *m)
{
    if (m->list.count > 0)
        return true;
    for (uint32_t i = 0; i < m->scan->count; i++)
        if (m->scan->frames[i].kind >= PO_SALVAGE_MANIFEST)
            return true;
    return false;
}

static void
free_members(struct po_salvage_members *m)
{
    for (size_t i = 0; i < m->open_count; i++)
        po_mem_free(m->opens[i].frames);
    po_mem_free(m->opens);
    po_mem_free(m->claimed);
    po_entry_list_deinit(&m->list);
    po_reader_free(m->reader);
}

enum po_status
po_salvage_members_find(struct po_reader **reader, const struct po_salvage_scan *scan,
                        const struct pobackup_blob *blob, unsigned threads,
                        const struct po_watch *watch, struct po_salvage_result *result,
                        struct po_salvage_broken_list *broken, struct po_err *err)
{
    struct po_salvage_members m = {
        .scan = scan, .result = result, .broken = broken, .summary = po_salvage_table_reach(scan)
    };
    enum po_status st = PO_OK;

    if (scan->count == 0)
        return PO_OK;
    m.claimed = po_mem_new(scan->count, 1);
    if (m.claimed == NULL)
        st = po_fail_nomem(err, scan->count);
    if (st == PO_OK)
        st = collect(&m, blob, threads, watch, err);
    if (st == PO_OK && is_anything_ours(&m)) {
        st = po_salvage_join(scan, m.summary, m.opens, m.open_count, m.claimed, err);
        if (st == PO_OK)
            st = hash_opens(&m, err);
        drop_claimed(&m);
        if (st == PO_OK)
            st = po_salvage_members_index(&m, err);
        if (st == PO_OK) {
            *reader = m.reader;
            m.reader = NULL;
        }
    }
    free_members(&m);
    return st;
}
