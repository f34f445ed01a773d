/*
 * Alternate streams, onto the staged files: before anything is stopped, and after all of the
 * staging, as a stream needs its owner. What the target cannot hold stays in the archive and is
 * told.
 */
#include "archive/hash.h"
#include "archive/stream_path.h"
#include "base/mem.h"
#include "engine/contents.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"
#include "port/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct putting {
    struct po_restore *r;
    const struct po_stream_ops *ops;
    uint8_t *wanted;  /* a byte an entry: streams that are to be put */
    uint32_t *owners; /* of the entries from `first` on; PO_NONE = not wanted */
    uint32_t first;
    uint32_t end;
    struct po_mutex *lock;       /* around what follows, and each stream that comes whole */
    struct po_problems problems; /* told when the threads have ended */
    struct po_stream_path parts;
    /* The one that comes in pieces, on the calling thread. */
    struct po_file *file;
    struct po_hasher *hasher;
};

/* Of the tree that the owner lies in. */
static const struct po_restore_tree *
tree_of(const struct po_restore *r, const char *path, size_t size)
{
    for (size_t i = 0; i < r->tree_count; i++) {
        const struct po_restore_tree *tree = &r->trees[i];

        if (size >= tree->member_size && memcmp(path, tree->member, tree->member_size) == 0 &&
            (size == tree->member_size || path[tree->member_size] == '/'))
            return tree;
    }
    return NULL;
}

static enum po_status
note(struct putting *p, uint32_t owner, const char *reason, struct po_err *err)
{
    struct po_buf text = { 0 };
    size_t size;
    const char *path = po_index_path(p->r->reader->index, owner, &size);
    enum po_status st;

    po_buf_printf(&text, "its alternate stream %s is not restored: %s", po_buf_text(&p->parts.name),
                  reason);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = po_problems_add(&p->problems, path, size, po_buf_text(&text), err);
    po_buf_deinit(&text);
    return st;
}

/* ---- which ---- */

/*
 * A directory that is there is not replaced by the staged one, but filled: its streams would be
 * lost with the stage.
 */
static enum po_status
is_merged(const struct po_restore *r, const struct po_restore_tree *tree, uint32_t owner,
          bool *is_it, struct po_err *err)
{
    struct po_node_info info;
    struct po_buf live = { 0 };
    size_t size;
    const char *path = po_index_path(r->reader->index, owner, &size);
    enum po_status st;

    *is_it = false;
    if (po_index_type(r->reader->index, owner) != POBACKUP_DIRECTORY)
        return PO_OK;
    path += size == tree->member_size ? size : tree->member_size + 1;
    size -= size == tree->member_size ? size : tree->member_size + 1;
    po_restore_live_path(tree, path, size, &live);
    st = po_buf_check(&live, err);
    if (st == PO_OK)
        st = po_dir_stat(tree->base->dir, po_buf_text(&live), live.size, &info, is_it, err);
    *is_it = *is_it && info.type == PO_NODE_DIRECTORY;
    po_buf_deinit(&live);
    return st;
}

/* What speaks against one stream, or NULL. */
static enum po_status
why_not(const struct putting *p, uint32_t entry, uint32_t owner, const char **reason,
        struct po_err *err)
{
    const struct po_index *index = p->r->reader->index;
    bool is_it = false;
    size_t size;
    const char *path = po_index_path(index, owner, &size);
    enum po_status st = is_merged(p->r, tree_of(p->r, path, size), owner, &is_it, err);

    *reason = NULL;
    if (is_it)
        *reason = "its directory is there already and keeps what it has";
    else if (po_index_source(index, entry) != 0)
        *reason = "its content lies in a parent archive";
    return st;
}

static void
tell_left(const struct po_restore *r, const struct po_stream_path *first)
{
    char text[512];

    (void)snprintf(text, sizeof text,
                   "%llu alternate streams are not restored, as the file system has none: they "
                   "are in the archive as pobackup/streams/..., the first: %.100s of %.250s",
                   (unsigned long long)r->result->streams_left, (const char *)first->name.bytes,
                   (const char *)first->owner.bytes);
    po_watch_warning(r->plan_watch, text);
}

/*
 * As which entry a stream's owner is restored: itself, or a hard link to it that is wanted when it is
 * not, and is written as the file then; PO_NONE: not at all. Streams are few, so that all entries may
 * be asked.
 */
static uint32_t
restored_as(const struct po_restore *r, const char *path, size_t path_size)
{
    const struct po_index *index = r->reader->index;
    uint32_t owner = po_index_find(index, path, path_size);

    if (owner == PO_NONE || r->wanted[owner] != 0)
        return owner;
    for (uint32_t i = 0; i < index->count; i++) {
        size_t size;
        const char *link = po_index_link(index, i, &size);

        if (r->wanted[i] != 0 && po_index_type(index, i) == POBACKUP_HARDLINK &&
            size == path_size && memcmp(link, path, size) == 0)
            return i;
    }
    return PO_NONE;
}

static const struct po_restore_tree *
tree_of_entry(const struct po_restore *r, uint32_t entry)
{
    size_t size;
    const char *path = po_index_path(r->reader->index, entry, &size);

    return tree_of(r, path, size);
}

enum po_status
po_restore_plan_streams(struct po_restore *r, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    const struct po_stream_ops *ops =
        r->options->stream_ops == NULL ? &po_stream_system : r->options->stream_ops;
    struct po_stream_path parts = { 0 };
    struct po_stream_path left = { 0 };
    uint32_t entry;
    uint32_t end;
    enum po_status st = PO_OK;

    for (po_stream_entries(index, &entry, &end); entry < end && st == PO_OK; entry++) {
        size_t size;
        const char *path = po_index_path(index, entry, &size);
        const struct po_restore_tree *tree;
        uint32_t owner;

        st = po_stream_parse_path(&parts, path, size, err);
        if (st != PO_OK)
            break;
        owner = restored_as(r, po_buf_text(&parts.owner), parts.owner.size);
        tree = owner == PO_NONE ? NULL : tree_of_entry(r, owner);
        if (tree == NULL || tree->base == NULL)
            continue;
        if (ops->are_known(tree->base->dir)) {
            r->stream_bytes += po_index_size(index, entry);
        } else if (r->result->streams_left++ == 0) {
            st = po_stream_parse_path(&left, path, size, err);
        }
    }
    if (st == PO_OK && r->result->streams_left > 0) {
        (void)po_buf_text(&left.owner);
        (void)po_buf_text(&left.name);
        tell_left(r, &left);
    }
    po_stream_path_deinit(&parts);
    po_stream_path_deinit(&left);
    return st;
}

static enum po_status
choose(struct putting *p, struct po_err *err)
{
    struct po_restore *r = p->r;
    const struct po_index *index = r->reader->index;
    enum po_status st = PO_OK;

    for (uint32_t entry = p->first; entry < p->end && st == PO_OK; entry++) {
        size_t size;
        const char *path = po_index_path(index, entry, &size);
        const char *reason = NULL;
        const struct po_restore_tree *tree;
        uint32_t owner;

        p->owners[entry - p->first] = PO_NONE;
        st = po_stream_parse_path(&p->parts, path, size, err);
        if (st != PO_OK)
            break;
        owner = restored_as(r, po_buf_text(&p->parts.owner), p->parts.owner.size);
        tree = owner == PO_NONE ? NULL : tree_of_entry(r, owner);
        if (tree == NULL || !p->ops->are_known(tree->base->stage_dir))
            continue;
        st = why_not(p, entry, owner, &reason, err);
        if (st == PO_OK && reason != NULL)
            st = note(p, owner, reason, err);
        if (st == PO_OK && reason == NULL) {
            p->owners[entry - p->first] = owner;
            p->wanted[entry] = po_index_size(index, entry) > 0; /* empty ones have no content */
        }
    }
    return st;
}

/* ---- putting ---- */

/* In the stage, an owner has its path in the archive. Under the lock: p->parts is set. */
static enum po_status
open_one(struct putting *p, uint32_t entry, struct po_file **file, struct po_err *err)
{
    const struct po_index *index = p->r->reader->index;
    uint32_t owner = p->owners[entry - p->first];
    size_t size;
    const char *path = po_index_path(index, entry, &size);
    enum po_status st = po_stream_parse_path(&p->parts, path, size, err);

    if (st != PO_OK)
        return st;
    path = po_index_path(index, owner, &size);
    return p->ops->open(file, tree_of(p->r, path, size)->base->stage_dir, path, size,
                        po_buf_text(&p->parts.name), p->parts.name.size, PO_FILE_REPLACE, err);
}

/* One stream that cannot be put is named; what all the others would meet too ends the restore. */
static enum po_status
fail_one(struct putting *p, uint32_t entry, const struct po_err *cause, struct po_err *err)
{
    if (cause->status != PO_E_IO || cause->os_code == ENOSPC || cause->os_code == EIO ||
        cause->os_code == EROFS) {
        *err = *cause;
        return err->status;
    }
    p->wanted[entry] = 0;
    return note(p, p->owners[entry - p->first], cause->text, err);
}

static enum po_status
put_whole(struct putting *p, uint32_t entry, const uint8_t *bytes, size_t size, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_err cause;
    enum po_status st;

    po_mutex_lock(p->lock);
    st = open_one(p, entry, &file, &cause);
    if (st == PO_OK && size > 0)
        st = po_file_write_at(file, 0, bytes, size, &cause);
    if (st == PO_OK) {
        st = po_file_close(file, &cause);
        file = NULL;
    }
    po_file_free(file);
    if (st == PO_OK)
        p->r->result->streams++;
    else
        st = fail_one(p, entry, &cause, err);
    po_mutex_unlock(p->lock);
    return st;
}

/* spec: READ-3 */
static enum po_status
check_hash(const struct putting *p, uint32_t entry, const uint8_t hash[PO_HASH_SIZE],
           struct po_err *err)
{
    if (memcmp(hash, po_index_hash(p->r->reader->index, entry), PO_HASH_SIZE) == 0)
        return PO_OK;
    return po_fail(err, PO_E_FORMAT,
                   "the content of an alternate stream does not have the hash that the index "
                   "says" PO_RULE("READ-3"));
}

static enum po_status
put_piece(struct putting *p, uint32_t entry, uint64_t offset, const uint8_t *bytes, size_t size,
          struct po_err *err)
{
    bool is_last = offset + size == po_index_size(p->r->reader->index, entry);
    uint8_t hash[PO_HASH_SIZE];
    struct po_err cause;
    enum po_status st = PO_OK;

    if (p->wanted[entry] == 0)
        return PO_OK; /* named already */
    po_mutex_lock(p->lock);
    if (offset == 0) {
        po_hasher_reset(p->hasher);
        st = open_one(p, entry, &p->file, &cause);
    }
    po_hasher_add_xxh3(p->hasher, bytes, size);
    if (st == PO_OK)
        st = po_file_write_at(p->file, offset, bytes, size, &cause);
    if (st == PO_OK && is_last) {
        po_hasher_xxh3(p->hasher, hash);
        st = check_hash(p, entry, hash, &cause);
    }
    if (st == PO_OK && is_last) {
        st = po_file_close(p->file, &cause);
        p->file = NULL;
        p->r->result->streams += st == PO_OK ? 1 : 0;
    }
    if (st != PO_OK) {
        po_file_free(p->file);
        p->file = NULL;
        st = fail_one(p, entry, &cause, err);
    }
    po_mutex_unlock(p->lock);
    return st;
}

static enum po_status
take(void *ctx, uint32_t entry, uint64_t offset, const uint8_t *bytes, size_t size,
     uint8_t *scratch, struct po_err *err)
{
    struct putting *p = ctx;
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st;

    (void)scratch;
    if (offset != 0 || size != po_index_size(p->r->reader->index, entry))
        return put_piece(p, entry, offset, bytes, size, err);
    po_xxh3(bytes, size, hash);
    st = check_hash(p, entry, hash, err);
    return st == PO_OK ? put_whole(p, entry, bytes, size, err) : st;
}

/* Writing a stream is writing to its owner, as its times have it; one that was read-only is again. */
static enum po_status
reset_owner(struct putting *p, uint32_t owner, struct po_err *err)
{
    const struct po_index *index = p->r->reader->index;
    int64_t write_time = po_index_write_time(index, owner);
    size_t size;
    const char *path = po_index_path(index, owner, &size);
    struct po_dir *dir = tree_of(p->r, path, size)->base->stage_dir;
    struct po_err failure;
    enum po_status st = PO_OK;

    if (write_time != POBACKUP_TIME_UNKNOWN)
        st = po_dir_set_write_time(dir, path, size, write_time, &failure);
    if (st == PO_OK)
        st = po_dir_set_windows_facts(dir, path, size, po_index_create_time(index, owner),
                                      po_index_attributes(index, owner), &failure);
    return st == PO_OK ? PO_OK : po_problems_add(&p->problems, path, size, failure.text, err);
}

static enum po_status
put_all(struct putting *p, struct po_err *err)
{
    const struct po_index *index = p->r->reader->index;
    const struct po_contents_run run = {
        .reader = p->r->reader, .wanted = p->wanted, .watch = p->r->watch, .ctx = p, .piece = take
    };
    enum po_status st = choose(p, err);

    if (st == PO_OK)
        st = po_contents_run(&run, err);
    for (uint32_t entry = p->first; entry < p->end && st == PO_OK; entry++)
        if (p->owners[entry - p->first] != PO_NONE && po_index_size(index, entry) == 0)
            st = put_whole(p, entry, NULL, 0, err);
    for (uint32_t entry = p->first; entry < p->end && st == PO_OK; entry++)
        if (p->owners[entry - p->first] != PO_NONE)
            st = reset_owner(p, p->owners[entry - p->first], err);
    for (size_t i = 0; i < p->problems.count && st == PO_OK; i++) {
        const struct po_problem *problem = &p->problems.items[i];

        st = po_restore_problem(p->r, problem->path, problem->path_size, problem->reason, err);
    }
    return st;
}

static void
tell_put(const struct po_restore *r)
{
    char text[96];

    if (r->result->streams == 0)
        return;
    (void)snprintf(text, sizeof text, "%llu alternate streams are put back with their files",
                   (unsigned long long)r->result->streams);
    po_watch_note(r->watch, text);
}

enum po_status
po_restore_put_streams(struct po_restore *r, struct po_err *err)
{
    struct putting p = { .r = r,
                         .ops = r->options->stream_ops == NULL ? &po_stream_system
                                                               : r->options->stream_ops };
    enum po_status st = PO_OK;

    po_stream_entries(r->reader->index, &p.first, &p.end);
    if (p.first == p.end)
        return PO_OK;
    p.wanted = po_mem_new(r->reader->index->count, 1);
    p.owners = po_mem_new(p.end - p.first, sizeof *p.owners);
    if (p.wanted == NULL || p.owners == NULL)
        st = po_fail_nomem(err, r->reader->index->count);
    if (st == PO_OK)
        st = po_mutex_new(&p.lock, err);
    if (st == PO_OK)
        st = po_hasher_new(&p.hasher, err);
    if (st == PO_OK)
        st = put_all(&p, err);
    if (st == PO_OK)
        tell_put(r);
    po_file_free(p.file);
    po_hasher_free(p.hasher);
    po_mutex_free(p.lock);
    po_problems_deinit(&p.problems);
    po_stream_path_deinit(&p.parts);
    po_mem_free(p.owners);
    po_mem_free(p.wanted);
    return st;
}
