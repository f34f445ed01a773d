/*
 * What the hot pass read, and what of it is still so when the services have stopped.
 *
 * A file or link is as it was when size, write time, change time and file id are, and when it had
 * been left alone for a while before it was read: a write within one tick of the clock leaves no
 * trace in the stamps. (What has just changed is not even read by the hot pass.) Such an entry is
 * confirmed; what is not goes out of the snapshot at the end, and its member stays in the tar as one
 * that is not listed (spec: INDEX-11).
 */
#include "engine/backup_run.h"

#include "base/cursor.h"
#include "base/mem.h"

#include <string.h>

#define FLAG_GROUPED 1u   /* one of several names of a file */
#define FLAG_THERE 2u     /* the cold walk found something at its path */
#define FLAG_CONFIRMED 4u /* it is as it was; or the best that can be had */

#define PREFIX_SIZE 4u /* of a path in `unread` */

void
po_backup_seen_deinit(struct po_backup_seen *seen)
{
    po_mem_free(seen->slots);
    po_mem_free(seen->flags);
    po_buf_deinit(&seen->unread);
    *seen = (struct po_backup_seen){ 0 };
}

/* ---- by path ---- */

static size_t
slot_of(const struct po_backup_seen *seen, const void *path, size_t size)
{
    uint8_t hash[PO_HASH_SIZE];
    uint64_t number = 0;

    po_xxh3(path, size, hash);
    memcpy(&number, hash, sizeof number);
    return (size_t)number & (seen->slot_count - 1);
}

/* The slot that has the path, or the free one where it would go. */
static uint32_t *
find_slot(const struct po_backup_run *run, const char *path, size_t size)
{
    const struct po_backup_seen *seen = &run->seen;
    size_t at = slot_of(seen, path, size);

    for (;; at = (at + 1) & (seen->slot_count - 1)) {
        const struct po_entry *entry;

        if (seen->slots[at] == 0)
            return &seen->slots[at];
        entry = &run->list.entries[seen->slots[at] - 1];
        if (entry->path_size == size && memcmp(po_entry_path(&run->list, entry), path, size) == 0)
            return &seen->slots[at];
    }
}

/* The number of the entry that was saved for this path, or PO_NONE. */
static uint32_t
find(const struct po_backup_run *run, const char *path, size_t size)
{
    return run->seen.slot_count == 0 ? PO_NONE : *find_slot(run, path, size) - 1;
}

/*
 * A po_plan_group_fn. The names of a file that has several are marked, also where some of them are not
 * among these: the cold walk may find those in a tree that the hot one does not see.
 */
static enum po_status
mark_group(void *ctx, const uint32_t *numbers, uint32_t count, struct po_err *err)
{
    struct po_backup_run *run = ctx;

    (void)err;
    for (uint32_t i = 0; i < count; i++)
        if (count > 1 || run->walk.links[numbers[i]].link_count > 1)
            run->seen.flags[run->walk.links[numbers[i]].entry] |= FLAG_GROUPED;
    return PO_OK;
}

enum po_status
po_backup_seen_note_links(struct po_backup_run *run, struct po_err *err)
{
    run->seen.flags = po_mem_new(run->seen.count, 1);
    if (run->seen.flags == NULL)
        return po_fail_nomem(err, run->seen.count);
    return run->walk.link_count == 0
               ? PO_OK
               : po_plan_each_group(run->walk.links, run->walk.link_count, mark_group, run, err);
}

enum po_status
po_backup_seen_make(struct po_backup_run *run, struct po_err *err)
{
    struct po_backup_seen *seen = &run->seen;
    size_t count = 16;

    while (count < (size_t)seen->count * 2)
        count *= 2;
    seen->slots = po_mem_new(count, sizeof *seen->slots);
    if (seen->slots == NULL)
        return po_fail_nomem(err, count * sizeof *seen->slots);
    seen->slot_count = count;
    seen->stream_count = run->walk.stream_count;
    for (uint32_t i = 0; i < seen->count; i++) {
        const struct po_entry *entry = &run->list.entries[i];

        if (entry->state == PO_ENTRY_SAVED)
            *find_slot(run, po_entry_path(&run->list, entry), entry->path_size) = i + 1;
    }
    return PO_OK;
}

/* ---- what is as it was ---- */

/* Since when it has been as it is, as far as anybody can tell. */
static bool
is_settled(const struct po_backup_run *run, int64_t write_time, int64_t change_time)
{
    int64_t last = change_time == POBACKUP_TIME_UNKNOWN ? write_time : change_time;

    return last != POBACKUP_TIME_UNKNOWN && last < run->seen.trusted_time;
}

bool
po_backup_seen_is_fresh(void *ctx, const char *path, size_t path_size,
                        const struct po_node_info *info)
{
    struct po_backup_run *run = ctx;

    (void)path;
    if (info->type == PO_NODE_DIRECTORY || is_settled(run, info->write_time, info->change_time))
        return false;
    run->seen.fresh_bytes += sizeof(struct po_entry) + path_size;
    return true;
}

void
po_backup_seen_leave_fresh(struct po_backup_run *run)
{
    for (uint32_t i = 0; i < run->seen.count; i++) {
        struct po_entry *entry = &run->list.entries[i];

        if (!is_settled(run, entry->write_time, entry->change_time))
            entry->state = PO_ENTRY_SKIPPED;
    }
}

bool
po_backup_seen_known(void *ctx, const char *path, size_t path_size, const struct po_node_info *info)
{
    struct po_backup_run *run = ctx;
    uint32_t number = find(run, path, path_size);
    const struct po_entry *entry;
    bool is_same;

    if (number == PO_NONE)
        return false;
    run->seen.flags[number] |= FLAG_THERE;
    entry = &run->list.entries[number];
    is_same =
        (info->type == PO_NODE_FILE && entry->type == POBACKUP_FILE && info->size == entry->size) ||
        (info->type == PO_NODE_SYMLINK && entry->type == POBACKUP_SYMLINK);
    /* Names of one file are looked at together (match_group), when all are known. */
    if (!is_same || (run->seen.flags[number] & FLAG_GROUPED) != 0 ||
        (info->type == PO_NODE_FILE && info->link_count > 1) ||
        info->write_time != entry->write_time || info->change_time != entry->change_time ||
        info->file_id != entry->file_id || info->attributes != entry->attributes ||
        !is_settled(run, info->write_time, info->change_time))
        return false;
    run->seen.flags[number] |= FLAG_CONFIRMED;
    return true;
}

/* An entry of the cold walk whose former one has the same stamps; PO_NONE when there is none. */
static uint32_t
find_same(const struct po_backup_run *run, const struct po_entry *entry)
{
    uint32_t number = find(run, po_entry_path(&run->list, entry), entry->path_size);
    const struct po_entry *former;

    if (number == PO_NONE)
        return PO_NONE;
    former = &run->list.entries[number];
    return former->write_time == entry->write_time && former->change_time == entry->change_time &&
                   former->create_time == entry->create_time && former->file_id == entry->file_id &&
                   former->attributes == entry->attributes && former->security == entry->security &&
                   is_settled(run, entry->write_time, entry->change_time)
               ? number
               : PO_NONE;
}

static void
confirm(struct po_backup_run *run, uint32_t former, struct po_entry *entry)
{
    run->seen.flags[former] |= FLAG_CONFIRMED;
    entry->state = PO_ENTRY_SKIPPED;
}

/*
 * A file with several names is one thing: it is as it was when each name of it that is there now
 * was one of it then, and one of them is the file itself. `numbers` are links of the walk.
 */
static bool
is_group_same(const struct po_backup_run *run, const uint32_t *numbers, uint32_t count)
{
    uint32_t files = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct po_entry *entry = &run->list.entries[run->walk.links[numbers[i]].entry];
        uint32_t former = find_same(run, entry);

        if (former == PO_NONE)
            return false;
        if (run->list.entries[former].type == POBACKUP_FILE) {
            files++;
            if (run->list.entries[former].size != entry->size)
                return false;
        } else if (run->list.entries[former].type != POBACKUP_HARDLINK) {
            return false;
        }
    }
    return files == 1;
}

/* A po_plan_group_fn. */
static enum po_status
match_group(void *ctx, const uint32_t *numbers, uint32_t count, struct po_err *err)
{
    struct po_backup_run *run = ctx;

    (void)err;
    if (!is_group_same(run, numbers, count))
        return PO_OK;
    for (uint32_t i = 0; i < count; i++) {
        struct po_entry *entry = &run->list.entries[run->walk.links[numbers[i]].entry];

        confirm(run, find_same(run, entry), entry);
    }
    return PO_OK;
}

enum po_status
po_backup_seen_match(struct po_backup_run *run, size_t first, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = first; i < run->list.count; i++) {
        struct po_entry *entry = &run->list.entries[i];
        uint32_t there;
        uint32_t same;

        if (entry->type != POBACKUP_DIRECTORY)
            continue;
        there = find(run, po_entry_path(&run->list, entry), entry->path_size);
        same = find_same(run, entry);
        if (there != PO_NONE)
            run->seen.flags[there] |= FLAG_THERE;
        if (same != PO_NONE && run->list.entries[same].type == POBACKUP_DIRECTORY)
            confirm(run, same, entry);
    }
    if (run->walk.link_count > 0)
        st = po_plan_each_group(run->walk.links, run->walk.link_count, match_group, run, err);
    return st;
}

/* ---- what cannot be looked at now ---- */

bool
po_backup_seen_keep(struct po_backup_run *run, const struct po_entry *entry)
{
    uint32_t number = find(run, po_entry_path(&run->list, entry), entry->path_size);

    if (run->is_hot || number == PO_NONE || run->list.entries[number].type != POBACKUP_FILE)
        return false;
    run->seen.flags[number] |= FLAG_CONFIRMED;
    return true;
}

enum po_status
po_backup_seen_unread(struct po_backup_run *run, const char *path, size_t path_size,
                      struct po_err *err)
{
    po_buf_put_u32le(&run->seen.unread, (uint32_t)path_size);
    po_buf_put(&run->seen.unread, path, path_size);
    return po_buf_check(&run->seen.unread, err);
}

static bool
is_unread(const struct po_backup_seen *seen, const char *path, size_t size)
{
    const uint8_t *bytes = seen->unread.bytes;

    for (size_t at = 0; at < seen->unread.size;) {
        uint32_t length = po_load_u32le(bytes + at);

        at += PREFIX_SIZE;
        if (size >= length && memcmp(bytes + at, path, length) == 0 &&
            (size == length || path[length] == '/'))
            return true;
        at += length;
    }
    return false;
}

/* ---- the end ---- */

/* A member of this archive stays in the tar, and is told to be none of the snapshot. */
static void
drop(struct po_entry *entry)
{
    if (entry->state == PO_ENTRY_SAVED)
        entry->state = entry->source == 0 ? PO_ENTRY_UNLISTED : PO_ENTRY_SKIPPED;
}

enum po_status
po_backup_seen_settle(struct po_backup_run *run, struct po_err *err)
{
    struct po_backup_seen *seen = &run->seen;
    enum po_status st = PO_OK;

    for (uint32_t i = 0; i < seen->count && st == PO_OK; i++) {
        struct po_entry *entry = &run->list.entries[i];
        const char *path = po_entry_path(&run->list, entry);

        if (entry->state != PO_ENTRY_SAVED || (seen->flags[i] & FLAG_CONFIRMED) != 0)
            continue;
        if ((seen->flags[i] & FLAG_THERE) == 0 && entry->type != POBACKUP_HARDLINK &&
            is_unread(seen, path, entry->path_size)) {
            seen->flags[i] |= FLAG_CONFIRMED;
            continue;
        }
        drop(entry);
        if ((seen->flags[i] & FLAG_THERE) == 0)
            st = po_problems_add(&run->result->vanished, path, entry->path_size,
                                 "gone when the services had stopped", err);
    }
    for (size_t i = 0; i < seen->stream_count && st == PO_OK; i++) {
        const struct po_walk_stream *stream = &run->walk.streams[i];

        if (stream->entry != PO_NONE && (seen->flags[stream->owner] & FLAG_CONFIRMED) == 0)
            drop(&run->list.entries[stream->entry]);
    }
    return st;
}
