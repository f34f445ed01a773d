/*
 * Reading and packing, on a thread of its own. Small files come read already, by the readahead's
 * threads; larger ones are read here, straight into the frame. A file that changes while it is read
 * is read again: one that lies in the current frame is taken back and packed anew, one that spans
 * frames gets a second member at the end (the later one wins, TAR-7). The tar is valid whatever
 * happens to a file.
 */
#include "engine/backup_run.h"

#include "archive/stream_path.h"
#include "base/mem.h"
#include "engine/watch.h"
#include "source/readahead.h"

#include <stdio.h>
#include <string.h>

#define READERS 16 /* on a cold disk each waits for it most of the time */
#define TRIES 3

/* Files that span frames and changed: packed again at the end. */
struct retries {
    uint32_t *entries;
    size_t count;
    size_t capacity;
};

enum outcome {
    READ_STABLE,
    READ_CHANGED, /* packed, but something moved */
    READ_BROKEN,  /* packed up to a read error, then zeros */
};

static bool
is_same(const struct po_node_info *a, const struct po_node_info *b)
{
    return a->size == b->size && a->write_time == b->write_time &&
           a->change_time == b->change_time && a->file_id == b->file_id;
}

static void
update_entry(struct po_entry *entry, const struct po_node_info *info, uint64_t size)
{
    entry->size = size;
    entry->write_time = info->write_time;
    entry->change_time = info->change_time;
    entry->file_id = info->file_id;
}

/* While the services run nothing is a problem: the cold pass looks again. */
static enum po_status
note_changed(struct po_backup_run *run, const struct po_entry *entry, const char *reason,
             struct po_err *err)
{
    if (run->is_hot)
        return PO_OK;
    return po_problems_add(&run->result->changed, po_entry_path(&run->list, entry),
                           entry->path_size, reason, err);
}

static enum po_status
note_skipped(struct po_backup_run *run, const struct po_entry *entry, const char *reason,
             struct po_err *err)
{
    if (run->is_hot)
        return PO_OK;
    return po_problems_add(&run->result->skipped, po_entry_path(&run->list, entry),
                           entry->path_size, reason, err);
}

/* Of this entry nothing is in the tar. */
static enum po_status
skip(struct po_backup_run *run, struct po_entry *entry, const char *reason, struct po_err *err)
{
    char text[512];

    entry->state = PO_ENTRY_SKIPPED;
    if (!po_backup_seen_keep(run, entry))
        return note_skipped(run, entry, reason, err);
    (void)snprintf(text, sizeof text, "saved as it was before the services stopped; then: %.400s",
                   reason);
    return note_changed(run, entry, text, err);
}

static void
set_saved(struct po_backup_run *run, struct po_entry *entry)
{
    entry->state = PO_ENTRY_SAVED;
    run->bytes_packed += entry->size;
    run->files_packed++;
}

/* ---- larger files ---- */

/* Fills the open member from the file. A short or unreadable file is filled up with zeros: its size
 * stands in the header already. */
static enum po_status
pack_content(struct po_backup_run *run, struct po_file *file, uint64_t size, enum outcome *outcome,
             struct po_err *cause, struct po_err *err)
{
    uint64_t at = 0;

    *outcome = READ_STABLE;
    po_hasher_reset(run->hasher);
    while (at < size) {
        uint8_t *to;
        size_t room;
        size_t got = 0;
        enum po_status st = po_packer_room(&run->packing.packer, &to, &room, err);

        if (st != PO_OK)
            return st;
        if (room > (1u << 20))
            room = 1u << 20; /* hashed while it is still in the cache */
        if (*outcome == READ_STABLE && po_file_read_at(file, at, to, room, &got, cause) != PO_OK) {
            *outcome = READ_BROKEN;
            if (po_packer_can_rewind(&run->packing.packer))
                return PO_OK; /* the member will be taken back: no need to fill it up */
            got = 0;
        }
        if (got < room) {
            if (*outcome == READ_STABLE)
                *outcome = READ_CHANGED;
            memset(to + got, 0, room - got);
        }
        po_hasher_add_xxh3(run->hasher, to, room);
        po_packer_advance(&run->packing.packer, room);
        at += room;
    }
    return PO_OK;
}

/* One try at a file, and what came of it. */
struct attempt {
    enum outcome outcome;
    bool is_packed;      /* a member stands in the tar; else it was taken back, or never begun */
    bool is_split;       /* it spans frames */
    bool has_links;      /* the file has more names than one */
    struct po_err cause; /* of READ_BROKEN */
};

/* `may_rewind`: another try follows, so a changed member that can be taken back is. */
static enum po_status
try_file(struct po_backup_run *run, uint32_t number, struct po_file *file, bool may_rewind,
         struct attempt *attempt, struct po_err *err)
{
    struct po_entry *entry = &run->list.entries[number];
    struct po_node_info before;
    struct po_node_info after;
    enum po_status st;

    attempt->is_packed = false;
    attempt->outcome = READ_BROKEN;
    if (po_file_info(file, &before, &attempt->cause) != PO_OK)
        return PO_OK;
    attempt->has_links = before.link_count > 1;
    update_entry(entry, &before, before.size);
    st = po_packer_begin(&run->packing.packer, &run->list, entry, err);
    if (st == PO_OK)
        st = pack_content(run, file, before.size, &attempt->outcome, &attempt->cause, err);
    if (st != PO_OK)
        return st;
    if (attempt->outcome == READ_STABLE &&
        (po_file_info(file, &after, &attempt->cause) != PO_OK || !is_same(&before, &after)))
        attempt->outcome = READ_CHANGED;
    attempt->is_split = !po_packer_can_rewind(&run->packing.packer);
    /* What broke can go at once; what changed is kept if this was the last try. */
    if (!attempt->is_split &&
        (attempt->outcome == READ_BROKEN || (attempt->outcome == READ_CHANGED && may_rewind))) {
        po_packer_rewind(&run->packing.packer);
        return PO_OK;
    }
    attempt->is_packed = true;
    po_hasher_xxh3(run->hasher, entry->hash);
    return po_packer_end(&run->packing.packer, err);
}

/* Tries until something is packed, or it cannot be read. */
static enum po_status
try_often(struct po_backup_run *run, uint32_t number, struct po_file *file, struct attempt *attempt,
          struct po_err *err)
{
    enum po_status st = PO_OK;

    po_file_hint_sequential(file);
    for (int i = 0; i < TRIES && st == PO_OK && !attempt->is_packed &&
                    (i == 0 || attempt->outcome == READ_CHANGED);
         i++)
        st = try_file(run, number, file, i + 1 < TRIES, attempt, err);
    return st;
}

/* Opens the file and tries. */
static enum po_status
try_file_often(struct po_backup_run *run, uint32_t number, struct attempt *attempt,
               struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_dir *root;
    const char *path;
    size_t path_size;
    enum po_status st = PO_OK;

    *attempt = (struct attempt){ .outcome = READ_BROKEN };
    if (!po_backup_locate(run, &run->list.entries[number], &root, &path, &path_size))
        return po_fail(err, PO_E_USAGE, "an entry that lies nowhere");
    st = po_file_open(&file, root, path, path_size, PO_FILE_READ, 0, &attempt->cause);
    if (st == PO_E_NOMEM)
        *err = attempt->cause;
    if (st != PO_OK)
        return st == PO_E_NOMEM ? st : PO_OK;
    st = try_often(run, number, file, attempt, err);
    po_file_free(file);
    return st;
}

static enum po_status
add_retry(struct retries *retries, uint32_t number, struct po_err *err)
{
    if (retries->count == retries->capacity) {
        size_t capacity = retries->capacity == 0 ? 16 : retries->capacity * 2;
        uint32_t *entries = po_mem_resize(retries->entries, capacity, sizeof *entries);

        if (entries == NULL)
            return po_fail_nomem(err, capacity * sizeof *entries);
        retries->entries = entries;
        retries->capacity = capacity;
    }
    retries->entries[retries->count++] = number;
    return PO_OK;
}

/* A member that could not be read to its end stands in the tar, or nothing does. */
static enum po_status
give_up(struct po_backup_run *run, struct po_entry *entry, const struct attempt *attempt,
        struct po_err *err)
{
    if (!attempt->is_packed)
        return skip(run, entry, attempt->cause.text, err);
    entry->state = PO_ENTRY_UNLISTED; /* spec: INDEX-11 */
    return note_skipped(run, entry, attempt->cause.text, err);
}

static enum po_status
pack_file(struct po_backup_run *run, uint32_t number, struct retries *retries, struct po_err *err)
{
    struct po_entry *entry = &run->list.entries[number];
    struct attempt attempt;
    enum po_status st = try_file_often(run, number, &attempt, err);

    if (st != PO_OK)
        return st;
    if (attempt.outcome == READ_BROKEN)
        return give_up(run, entry, &attempt, err);
    set_saved(run, entry);
    if (attempt.outcome == READ_STABLE || run->is_hot)
        return PO_OK;
    /* Stock tools would give the file's other names the first member's content: then better none.
     */
    if (attempt.is_split && !attempt.has_links)
        return add_retry(retries, number, err);
    return note_changed(run, entry, "it was written to while being read", err);
}

/* Stock tools would take the second, broken member: so the file is not part of the snapshot at all.
 * spec: INDEX-11 */
static enum po_status
drop_both(struct po_backup_run *run, uint32_t first, uint32_t second, const struct po_err *cause,
          struct po_err *err)
{
    run->bytes_packed -= run->list.entries[first].size;
    run->list.entries[first].state =
        run->list.entries[first].source == 0 ? PO_ENTRY_UNLISTED : PO_ENTRY_SKIPPED;
    run->list.entries[second].state = PO_ENTRY_UNLISTED;
    return note_skipped(run, &run->list.entries[second], cause->text, err);
}

enum po_status
po_backup_pack_again(struct po_backup_run *run, uint32_t number, struct po_err *err)
{
    struct po_entry first = run->list.entries[number];
    char *path = po_mem_copy(po_entry_path(&run->list, &first),
                             first.path_size); /* the list's paths may move */
    struct po_entry *entry = NULL;
    uint32_t again = (uint32_t)run->list.count;
    struct attempt attempt;
    enum po_status st = path == NULL
                            ? po_fail_nomem(err, first.path_size)
                            : po_entry_list_add(&run->list, path, first.path_size, &entry, err);

    po_mem_free(path);
    if (st != PO_OK)
        return st;
    entry->type = first.type;
    entry->create_time = first.create_time;
    entry->attributes = first.attributes;
    entry->security = first.security;
    st = try_file_often(run, again, &attempt, err);
    if (st != PO_OK)
        return st;
    entry->state = PO_ENTRY_SKIPPED;
    if (attempt.outcome == READ_BROKEN && !attempt.is_packed)
        return note_changed(run, entry,
                            "it was written to while being read, and could not be read again", err);
    if (attempt.outcome == READ_BROKEN)
        return drop_both(run, number, again, &attempt.cause, err);
    /* In place of the first. spec: TAR-7, INDEX-11 */
    entry->state = PO_ENTRY_SAVED;
    run->list.entries[number].state = first.source == 0 ? PO_ENTRY_UNLISTED : PO_ENTRY_SKIPPED;
    run->bytes_packed += entry->size - first.size;
    return attempt.outcome == READ_STABLE
               ? PO_OK
               : note_changed(run, entry, "it was written to while being read, twice", err);
}

/* ---- alternate streams ---- */

bool
po_backup_has_stream(const struct po_backup_run *run, const struct po_walk_stream *stream)
{
    uint8_t type = run->list.entries[stream->owner].type;

    return type == POBACKUP_FILE || type == POBACKUP_DIRECTORY;
}

static const char *
stream_name(const struct po_backup_run *run, const struct po_walk_stream *stream)
{
    return (const char *)run->walk.stream_names.bytes + stream->name_start;
}

enum po_status
po_backup_note_stream(struct po_backup_run *run, const struct po_walk_stream *stream,
                      uint64_t bytes, struct po_err *err)
{
    const struct po_entry *owner = &run->list.entries[stream->owner];
    char *path = po_mem_copy(po_entry_path(&run->list, owner), owner->path_size);
    char *name = po_mem_copy(stream_name(run, stream), stream->name_size);
    const struct po_summary_stream saved = { .path = path,
                                             .path_size = owner->path_size,
                                             .name = name,
                                             .name_size = stream->name_size,
                                             .bytes = bytes };
    enum po_status st = path == NULL || name == NULL
                            ? po_fail_nomem(err, owner->path_size)
                            : po_saved_streams_add(&run->result->streams, &saved, err);

    po_mem_free(path);
    po_mem_free(name);
    return st;
}

static enum po_status
note_stream_problem(struct po_problems *problems, const struct po_backup_run *run,
                    const struct po_walk_stream *stream, const char *reason, struct po_err *err)
{
    const struct po_entry *owner = &run->list.entries[stream->owner];
    struct po_buf text = { 0 };
    enum po_status st;

    if (run->is_hot)
        return PO_OK;
    po_buf_put_text(&text, "its alternate stream ");
    po_buf_put(&text, stream_name(run, stream), stream->name_size);
    po_buf_printf(&text, ": %s", reason);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = po_problems_add(problems, po_entry_path(&run->list, owner), owner->path_size,
                             po_buf_text(&text), err);
    po_buf_deinit(&text);
    return st;
}

/* Adds the stream's entry. Its owner's times are its own. */
static enum po_status
add_stream_entry(struct po_backup_run *run, const struct po_walk_stream *stream, struct po_err *err)
{
    const struct po_entry *owner = &run->list.entries[stream->owner];
    struct po_buf path = { 0 };
    struct po_entry *entry = NULL;
    enum po_status st;

    po_stream_put_path(&path, po_entry_path(&run->list, owner), owner->path_size,
                       stream_name(run, stream), stream->name_size);
    st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_entry_list_add(&run->list, path.bytes, path.size, &entry, err);
    po_buf_deinit(&path);
    if (st != PO_OK)
        return st;
    entry->type = POBACKUP_FILE;
    entry->state = PO_ENTRY_SKIPPED; /* until it is packed */
    return PO_OK;
}

static enum po_status
open_stream(struct po_backup_run *run, const struct po_walk_stream *stream, struct po_file **file,
            struct po_err *err)
{
    const struct po_stream_ops *ops =
        run->options->stream_ops == NULL ? &po_stream_system : run->options->stream_ops;
    const struct po_entry *owner = &run->list.entries[stream->owner];
    struct po_dir *root = NULL;
    const char *path = "";
    size_t path_size = 0;

    if (!po_backup_locate(run, owner, &root, &path, &path_size)) {
        for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++)
            if (po_is_path(po_entry_path(&run->list, owner), owner->path_size,
                           po_part_member((enum po_part)part)))
                root = run->roots[part]; /* a tree's own */
        path_size = 0;
    }
    if (root == NULL)
        return po_fail(err, PO_E_USAGE, "an entry that lies nowhere");
    return ops->open(file, root, path, path_size, stream_name(run, stream), stream->name_size,
                     PO_FILE_READ, err);
}

/* A stream of what is in the snapshot; so its owner is, too. spec: STREAM-3 */
static enum po_status
pack_stream(struct po_backup_run *run, struct po_walk_stream *stream, struct po_err *err)
{
    struct attempt attempt = { .outcome = READ_BROKEN };
    struct po_file *file = NULL;
    uint32_t number = (uint32_t)run->list.count;
    struct po_entry *entry;
    enum po_status st;

    if (!po_backup_has_stream(run, stream) ||
        run->list.entries[stream->owner].state != PO_ENTRY_SAVED)
        return PO_OK;
    st = add_stream_entry(run, stream, err);
    if (st != PO_OK)
        return st;
    if (po_backup_base_stream(run, &run->list.entries[stream->owner], &run->list.entries[number],
                              stream->size)) {
        stream->entry = number;
        return PO_OK;
    }
    st = open_stream(run, stream, &file, &attempt.cause);
    if (st == PO_E_NOMEM) {
        *err = attempt.cause;
        return st;
    }
    st = file == NULL ? PO_OK : try_often(run, number, file, &attempt, err);
    po_file_free(file);
    if (st != PO_OK)
        return st;
    entry = &run->list.entries[number];
    entry->change_time = POBACKUP_TIME_UNKNOWN;
    entry->file_id = 0; /* its owner's */
    if (attempt.outcome == READ_BROKEN) {
        entry->state = attempt.is_packed ? PO_ENTRY_UNLISTED : PO_ENTRY_SKIPPED;
        return note_stream_problem(&run->result->skipped, run, stream, attempt.cause.text, err);
    }
    entry->state = PO_ENTRY_SAVED;
    stream->entry = number;
    run->bytes_packed += entry->size;
    return attempt.outcome == READ_CHANGED
               ? note_stream_problem(&run->result->changed, run, stream,
                                     "it was written to while being read", err)
               : PO_OK;
}

/* ---- everything ---- */

static enum po_status
pack_small(struct po_backup_run *run, const struct po_read_item *item, struct po_err *err)
{
    struct po_entry *entry = &run->list.entries[item->entry];
    enum po_status st;

    update_entry(entry, &item->info, item->size);
    memcpy(entry->hash, item->hash, PO_HASH_SIZE);
    st = po_packer_add(&run->packing.packer, &run->list, entry, item->content, err);
    if (st != PO_OK)
        return st;
    set_saved(run, entry);
    return item->is_changed ? note_changed(run, entry, "it was written to while being read", err)
                            : PO_OK;
}

static enum po_status
pack_plain(struct po_backup_run *run, struct po_entry *entry, const void *content,
           struct po_err *err)
{
    enum po_status st = po_packer_add(&run->packing.packer, &run->list, entry, content, err);

    if (st == PO_OK)
        set_saved(run, entry);
    return st;
}

/* Until it is packed, a hard link's `frame` is the number of its file's entry (plan.h). Links to a
 * file that could not be read would point to nothing: they are named too. */
static enum po_status
pack_hardlink(struct po_backup_run *run, struct po_entry *entry, struct po_err *err)
{
    if (run->list.entries[entry->frame].state != PO_ENTRY_SAVED)
        return skip(run, entry, "another name of a file that could not be read", err);
    return pack_plain(run, entry, NULL, err);
}

static enum po_status
pack_registry(struct po_backup_run *run, struct po_entry *entry, struct po_err *err)
{
    po_xxh3(run->registry.bytes, run->registry.size, entry->hash);
    return pack_plain(run, entry, run->registry.bytes, err);
}

static enum po_status
pack_item(struct po_backup_run *run, const struct po_read_item *item, struct retries *retries,
          struct po_err *err)
{
    struct po_entry *entry = &run->list.entries[item->entry];

    if (item->is_failed)
        return skip(run, entry, item->reason, err);
    if (item->is_read)
        return pack_small(run, item, err);
    switch (entry->type) {
    case POBACKUP_HARDLINK:
        return pack_hardlink(run, entry, err);
    case POBACKUP_FILE:
        /* The registry's export is the one file that lies in no tree. */
        if (item->entry == run->registry_entry)
            return pack_registry(run, entry, err);
        return pack_file(run, item->entry, retries, err);
    default:
        return pack_plain(run, entry, NULL, err);
    }
}

/* No list changes while the readahead's threads look at it; so the second members come when they
 * have ended. */
enum po_status
po_backup_pack(struct po_backup_run *run, struct po_err *err)
{
    struct po_readahead *ahead = NULL;
    struct retries retries = { 0 };
    enum po_status st = po_readahead_new(&ahead, &run->list, run->plan.order, run->plan.count,
                                         po_backup_locate, run, READERS, err);

    while (st == PO_OK) {
        const struct po_read_item *item = NULL;

        st = po_watch_check(run->watch, err);
        if (st == PO_OK)
            st = po_readahead_next(ahead, &item, err);
        if (st != PO_OK || item == NULL)
            break;
        st = pack_item(run, item, &retries, err);
    }
    po_readahead_free(ahead);
    for (size_t i = 0; i < retries.count && st == PO_OK; i++)
        st = po_backup_pack_again(run, retries.entries[i], err);
    po_mem_free(retries.entries);
    /* Last, when it is known which owners are in the snapshot. */
    for (size_t i = run->stream_first; i < run->walk.stream_count && st == PO_OK; i++) {
        st = po_watch_check(run->watch, err);
        if (st == PO_OK)
            st = pack_stream(run, &run->walk.streams[i], err);
    }
    return st;
}
