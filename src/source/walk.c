#include "source/walk.h"

#include "archive/stream_path.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "source/list_ahead.h"

#include <stdio.h>
#include <string.h>

#define ATTRIBUTE_REPARSE_POINT 0x400u /* of Windows */
/*
 * A tree of fewer nodes is listed before threads are started. And a large directory's own
 * directories are handed to the threads after that many children, not all at its end.
 */
#define SMALL_TREE 64u

/* One directory being listed. */
struct listing {
    struct po_walk *walk;
    struct po_dir *root;
    const char *member; /* the archive path of the root */
    size_t member_size;
    struct po_buf path; /* archive path of the directory, then of a child */
    size_t dir_size;
    struct po_list_ahead *ahead;
    size_t next;     /* the first entry that was not handed out, if it is a directory */
    size_t children; /* seen in this tree */
};

void
po_walk_deinit(struct po_walk *walk)
{
    po_buf_deinit(&walk->extras.security);
    po_stream_list_deinit(&walk->extras.streams);
    po_mem_free(walk->streams);
    po_buf_deinit(&walk->stream_names);
    walk->streams = NULL;
    walk->stream_count = 0;
    walk->stream_capacity = 0;
    po_mem_free(walk->without_rights);
    walk->without_rights = NULL;
    walk->without_rights_count = 0;
    walk->without_rights_capacity = 0;
    po_mem_free(walk->links);
    walk->links = NULL;
    walk->link_count = 0;
    walk->link_capacity = 0;
}

static enum po_status
note_link(struct po_walk *walk, const struct po_node_info *info, uint32_t entry, struct po_err *err)
{
    if (walk->link_count == walk->link_capacity) {
        size_t capacity = walk->link_capacity == 0 ? 64 : walk->link_capacity * 2;
        struct po_plan_link *links = po_mem_resize(walk->links, capacity, sizeof *links);

        if (links == NULL)
            return po_fail_nomem(err, capacity * sizeof *links);
        walk->links = links;
        walk->link_capacity = capacity;
    }
    walk->links[walk->link_count++] = (struct po_plan_link){ .device = info->device,
                                                             .file_id = info->file_id,
                                                             .entry = entry,
                                                             .link_count = info->link_count };
    return PO_OK;
}

static uint8_t
entry_type(enum po_node_type type)
{
    switch (type) {
    case PO_NODE_FILE:
        return POBACKUP_FILE;
    case PO_NODE_DIRECTORY:
        return POBACKUP_DIRECTORY;
    case PO_NODE_SYMLINK:
        return POBACKUP_SYMLINK;
    case PO_NODE_FIFO:
    case PO_NODE_DEVICE:
    case PO_NODE_SOCKET:
    case PO_NODE_OTHER:
        break;
    }
    return 0;
}

static const char *
why_not(const struct po_node_info *info, char text[80])
{
    switch (info->type) {
    case PO_NODE_FIFO:
        return "a FIFO: it has no content to save";
    case PO_NODE_DEVICE:
        return "a device: not saved";
    case PO_NODE_SOCKET:
        return "a socket: it has no content to save";
    case PO_NODE_FILE:
    case PO_NODE_DIRECTORY:
    case PO_NODE_SYMLINK:
    case PO_NODE_OTHER:
        break;
    }
    if (info->tag == 0 && (info->attributes & ATTRIBUTE_REPARSE_POINT) == 0)
        return "of an unknown type: not saved";
    (void)snprintf(text, 80, "a reparse point of kind %08x: not followed, not saved",
                   (unsigned)info->tag);
    return text;
}

/* Adds one entry with all that the system says of it. */
static enum po_status
add_entry(struct po_walk *walk, const void *path, size_t path_size, const struct po_node_info *info,
          struct po_err *err)
{
    struct po_entry *entry;
    enum po_status st = po_entry_list_add(walk->list, path, path_size, &entry, err);

    if (st != PO_OK)
        return st;
    entry->type = entry_type(info->type);
    entry->size = info->type == PO_NODE_FILE ? info->size : 0;
    entry->write_time = info->write_time;
    entry->create_time = info->create_time;
    entry->change_time = info->change_time;
    entry->file_id = info->file_id;
    entry->attributes = info->attributes;
    if (info->has_owner) {
        const struct po_posix_owner owner = { .mode = info->mode,
                                              .uid = info->uid,
                                              .gid = info->gid };

        st = po_entry_list_owner(walk->list, &owner, &entry->security, err);
    }
    /* A count that is not known (0) may be any; the plan finds those that are one file. */
    if (st == PO_OK && info->type == PO_NODE_FILE && info->link_count != 1 && info->file_id != 0)
        st = note_link(walk, info, (uint32_t)(walk->list->count - 1), err);
    return st;
}

/* ---- what only Windows has ---- */

static bool
is_excluded(const struct po_walk *walk, const char *path, size_t path_size)
{
    for (size_t i = 0; i < walk->exclude_count; i++)
        if (po_text_glob(walk->excludes[i], path, path_size))
            return true;
    return false;
}

/* A node whose owner and mode are known has no descriptor; streams it may have in a test alone. */
static bool
has_extras(const struct po_walk *walk, const struct po_node_info *info)
{
    return !info->has_owner || walk->stream_ops != NULL;
}

/* Many nodes have the same descriptor, which is kept once. */
static enum po_status
add_security(struct po_walk *walk, struct po_err *err)
{
    struct po_entry *entry = &walk->list->entries[walk->list->count - 1];
    const struct po_buf *bytes = &walk->extras.security;
    enum po_status st = po_buf_check(bytes, err);

    if (st != PO_OK || bytes->size == 1)
        return st;
    return po_entry_list_security(walk->list, bytes->bytes, bytes->size, &entry->security, err);
}

static enum po_status
stream_problem(struct po_walk *walk, const char *name, size_t name_size, const char *reason,
               struct po_err *err)
{
    const struct po_entry *entry = &walk->list->entries[walk->list->count - 1];
    struct po_buf text = { 0 };
    enum po_status st;

    po_buf_put_text(&text, "its alternate stream ");
    po_buf_put(&text, name, name_size);
    po_buf_put_text(&text, reason);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = walk->problem(walk->ctx, po_entry_path(walk->list, entry), entry->path_size,
                           po_buf_text(&text), err);
    po_buf_deinit(&text);
    return st;
}

static enum po_status
keep_stream(struct po_walk *walk, const struct po_stream *stream, struct po_err *err)
{
    if (walk->stream_count == walk->stream_capacity) {
        size_t capacity = walk->stream_capacity == 0 ? 16 : walk->stream_capacity * 2;
        struct po_walk_stream *streams = po_mem_resize(walk->streams, capacity, sizeof *streams);

        if (streams == NULL)
            return po_fail_nomem(err, capacity * sizeof *streams);
        walk->streams = streams;
        walk->stream_capacity = capacity;
    }
    if (walk->stream_names.size > UINT32_MAX - stream->name_size)
        return po_fail(err, PO_E_IO, "more names of alternate streams than can be kept");
    walk->streams[walk->stream_count++] =
        (struct po_walk_stream){ .owner = (uint32_t)(walk->list->count - 1),
                                 .name_start = (uint32_t)walk->stream_names.size,
                                 .name_size = (uint32_t)stream->name_size,
                                 .entry = PO_NONE,
                                 .size = stream->size };
    po_buf_put(&walk->stream_names, stream->name, stream->name_size);
    return po_buf_check(&walk->stream_names, err);
}

/* One stream of the last entry. */
static enum po_status
add_stream(struct po_walk *walk, const struct po_stream *stream, struct po_err *err)
{
    const struct po_entry *entry = &walk->list->entries[walk->list->count - 1];
    struct po_buf path = { 0 };
    enum po_status st;

    if (entry->type != POBACKUP_FILE && entry->type != POBACKUP_DIRECTORY)
        return stream_problem(walk, stream->name, stream->name_size, ": a link's is not saved",
                              err);
    po_stream_put_path(&path, po_entry_path(walk->list, entry), entry->path_size, stream->name,
                       stream->name_size);
    st = po_buf_check(&path, err);
    if (st == PO_OK && path.size > PO_PATH_MAX_SIZE)
        st = stream_problem(walk, stream->name, stream->name_size,
                            ": its path is longer than an archive can hold", err);
    else if (st == PO_OK && is_excluded(walk, po_buf_text(&path), path.size))
        walk->excluded++;
    else if (st == PO_OK)
        st = keep_stream(walk, stream, err);
    po_buf_deinit(&path);
    return st;
}

static enum po_status
add_streams(struct po_walk *walk, struct po_err *err)
{
    const struct po_node_extras *extras = &walk->extras;
    const struct po_entry *entry = &walk->list->entries[walk->list->count - 1];
    struct po_stream stream;
    size_t at = 0;
    enum po_status st = po_buf_check(&extras->streams.rows, err);

    while (st == PO_OK && po_stream_list_next(&extras->streams, &at, &stream))
        st = add_stream(walk, &stream, err);
    if (st == PO_OK && extras->streams_failure.status != PO_OK) {
        char text[sizeof extras->streams_failure.text + 64];

        (void)snprintf(text, sizeof text, "its alternate streams are not known: %s",
                       extras->streams_failure.text);
        st =
            walk->problem(walk->ctx, po_entry_path(walk->list, entry), entry->path_size, text, err);
    }
    return st;
}

/* Those of the last entry. */
static enum po_status
note_without_rights(struct po_walk *walk, const struct po_err *failure, struct po_err *err)
{
    if (walk->without_rights_count == walk->without_rights_capacity) {
        size_t capacity =
            walk->without_rights_capacity == 0 ? 16 : walk->without_rights_capacity * 2;
        uint32_t *entries = po_mem_resize(walk->without_rights, capacity, sizeof *entries);

        if (entries == NULL)
            return po_fail_nomem(err, capacity * sizeof *entries);
        walk->without_rights = entries;
        walk->without_rights_capacity = capacity;
    }
    if (walk->without_rights_count == 0)
        (void)snprintf(walk->rights_reason, sizeof walk->rights_reason, "%.255s", failure->text);
    walk->without_rights[walk->without_rights_count++] = (uint32_t)(walk->list->count - 1);
    return PO_OK;
}

/* Of the last entry. */
static enum po_status
add_extras(struct po_walk *walk, struct po_dir *root, const char *relative, size_t size,
           struct po_err *err)
{
    const struct po_stream_ops *ops =
        walk->stream_ops == NULL ? &po_stream_system : walk->stream_ops;
    struct po_node_extras *extras = &walk->extras;
    struct po_err failure;
    enum po_status st;

    po_buf_clear(&extras->security);
    po_buf_put_u8(&extras->security, PO_SECURITY_KIND_WINDOWS);
    po_stream_list_clear(&extras->streams);
    extras->streams_failure = (struct po_err){ 0 };
    extras->link_count = 0;
    st = ops->read_extras(root, relative, size, extras, &failure);
    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    if (st == PO_OK)
        st = add_security(walk, err);
    else
        st = note_without_rights(walk, &failure, err);
    if (extras->link_count != 0 && walk->link_count > 0 &&
        walk->links[walk->link_count - 1].entry == walk->list->count - 1)
        walk->links[walk->link_count - 1].link_count = extras->link_count;
    return st == PO_OK ? add_streams(walk, err) : st;
}

/* What is there, or below it, is not known. */
static enum po_status
tell_unread(struct po_walk *walk, const struct po_buf *path, const struct po_err *failure,
            struct po_err *err)
{
    enum po_status st;

    walk->is_unread = true;
    st = walk->problem(walk->ctx, (const char *)path->bytes, path->size, failure->text, err);
    walk->is_unread = false;
    return st;
}

static enum po_status
add_symlink_target(struct listing *listing, struct po_err *err)
{
    struct po_walk *walk = listing->walk;
    const char *relative = (const char *)listing->path.bytes + listing->member_size + 1;
    size_t relative_size = listing->path.size - listing->member_size - 1;
    struct po_entry *entry = &walk->list->entries[walk->list->count - 1];
    char *target = NULL;
    size_t size = 0;
    struct po_err failure;
    enum po_status st =
        po_dir_read_link(listing->root, relative, relative_size, &target, &size, &failure);

    if (st == PO_OK)
        st = po_entry_list_set_link(walk->list, entry, target, size, err);
    else if (st == PO_E_NOMEM)
        *err = failure;
    else {
        entry->state = PO_ENTRY_SKIPPED;
        st = tell_unread(walk, &listing->path, &failure, err);
    }
    po_mem_free(target);
    return st;
}

static enum po_status
add_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    struct listing *listing = ctx;
    struct po_walk *walk = listing->walk;
    struct po_buf *path = &listing->path;
    char text[80];
    enum po_status st;

    /* What a restore leaves inside a tree (on a mount point) is not part of the site. */
    if (po_name_is_ours(name, name_size)) {
        walk->own++;
        return PO_OK;
    }
    path->size = listing->dir_size;
    po_buf_put_u8(path, '/');
    po_buf_put(path, name, name_size);
    if (path->failed)
        return po_buf_check(path, err);
    if (is_excluded(walk, (const char *)path->bytes, path->size)) {
        walk->excluded++;
        return PO_OK;
    }
    if (failure != NULL && failure->status == PO_E_NOMEM) {
        *err = *failure;
        return err->status;
    }
    if (failure != NULL)
        return tell_unread(walk, path, failure, err);
    if (walk->output_id != 0 && info->file_id == walk->output_id &&
        info->device == walk->output_device)
        return walk->problem(walk->ctx, (const char *)path->bytes, path->size,
                             "the file that this backup is written to: not saved", err);
    if (entry_type(info->type) == 0)
        return walk->problem(walk->ctx, (const char *)path->bytes, path->size, why_not(info, text),
                             err);
    if (path->size > PO_PATH_MAX_SIZE)
        return walk->problem(walk->ctx, (const char *)path->bytes, path->size,
                             "its path is longer than an archive can hold", err); /* spec: TAR-8 */
    if (walk->is_known != NULL &&
        walk->is_known(walk->ctx, (const char *)path->bytes, path->size, info))
        return PO_OK;
    st = add_entry(walk, path->bytes, path->size, info, err);
    if (st == PO_OK && has_extras(walk, info))
        st = add_extras(walk, listing->root, (const char *)path->bytes + listing->member_size + 1,
                        path->size - listing->member_size - 1, err);
    if (st == PO_OK && info->type == PO_NODE_SYMLINK)
        st = add_symlink_target(listing, err);
    return st;
}

/* Where the path of an entry goes on below the root. */
static size_t
relative_at(const struct listing *listing, const struct po_entry *entry)
{
    return entry->path_size == listing->member_size ? entry->path_size : listing->member_size + 1;
}

/*
 * Hands the directories that are known to those who list ahead, in the list's order; many at a time,
 * for it may wake threads.
 */
static enum po_status
hand_out(struct listing *listing, struct po_err *err)
{
    const struct po_entry_list *list = listing->walk->list;
    enum po_status st = PO_OK;

    if (po_list_ahead_count(listing->ahead) > PO_LIST_AHEAD_MAX / 2)
        return PO_OK;
    for (; listing->next < list->count && st == PO_OK; listing->next++) {
        const struct po_entry *entry = &list->entries[listing->next];
        size_t at = relative_at(listing, entry);

        if (entry->type != POBACKUP_DIRECTORY)
            continue;
        if (po_list_ahead_count(listing->ahead) == PO_LIST_AHEAD_MAX)
            break;
        st = po_list_ahead_submit(listing->ahead, po_entry_path(list, entry) + at,
                                  entry->path_size - at, err);
    }
    if (st == PO_OK && listing->children >= SMALL_TREE)
        po_list_ahead_start(listing->ahead, listing->children);
    return st;
}

static enum po_status
see_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    struct listing *listing = ctx;
    enum po_status st = PO_OK;

    if (++listing->children % SMALL_TREE == 0)
        st = hand_out(listing, err);
    return st == PO_OK ? add_child(ctx, name, name_size, info, failure, err) : st;
}

/* Lists the directory of entry `number`, the first that was handed out and not listed. */
static enum po_status
list_directory(struct listing *listing, size_t number, struct po_err *err)
{
    struct po_walk *walk = listing->walk;
    const struct po_entry *entry = &walk->list->entries[number];
    bool is_root = entry->path_size == listing->member_size;
    struct po_err failure = { .status = PO_OK };
    enum po_status st;

    if (walk->cancel != NULL && __atomic_load_n(walk->cancel, __ATOMIC_RELAXED) != 0)
        return po_fail(err, PO_E_CANCELLED, "interrupted");
    po_buf_clear(&listing->path);
    po_buf_put(&listing->path, po_entry_path(walk->list, entry), entry->path_size);
    if (listing->path.failed)
        return po_buf_check(&listing->path, err);
    listing->dir_size = listing->path.size;
    st = hand_out(listing, err);
    if (st != PO_OK)
        return st;
    st = po_list_ahead_next(listing->ahead, see_child, listing, &failure);
    if (st == PO_E_IO && !is_root) {
        /* Unreadable, or gone since: named; the directory itself is saved, with what was seen. */
        listing->path.size = listing->dir_size;
        return tell_unread(walk, &listing->path, &failure, err);
    }
    if (st != PO_OK)
        *err = failure;
    /* Without its root a whole part of the site would be missing: that is no backup of it. */
    return st == PO_E_IO ? po_err_prefix(err, "%s", listing->member) : st;
}

enum po_status
po_walk_tree(struct po_walk *walk, struct po_dir *root, const char *member, struct po_err *err)
{
    struct listing listing = {
        .walk = walk, .root = root, .member = member, .member_size = strlen(member)
    };
    struct po_node_info info;
    bool exists = false;
    size_t at = walk->list->count;
    enum po_status st = po_dir_stat(root, "", 0, &info, &exists, err);

    listing.next = at;
    if (st == PO_OK)
        st = add_entry(walk, member, listing.member_size, &info, err);
    if (st == PO_OK && has_extras(walk, &info))
        st = add_extras(walk, root, "", 0, err);
    if (st == PO_OK)
        st = po_list_ahead_new(&listing.ahead, root, err);
    /* The list is its own queue: directories found are listed in their turn. No recursion, whatever
     * the depth. */
    for (; st == PO_OK && at < walk->list->count; at++)
        if (walk->list->entries[at].type == POBACKUP_DIRECTORY)
            st = list_directory(&listing, at, err);
    po_list_ahead_free(listing.ahead);
    po_buf_deinit(&listing.path);
    return st;
}
