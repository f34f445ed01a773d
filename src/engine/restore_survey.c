/* The trees of the site as they are now, held against what is wanted. */
#include "base/cursor.h"
#include "base/names.h"
#include "base/text.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"

#include <string.h>

/* How a directory of the site fares. */
enum fate {
    FATE_MERGED,  /* something wanted is in it */
    FATE_LEFT,    /* not in the set, stays */
    FATE_REMOVED, /* set aside as a whole */
};

struct survey {
    struct po_restore *r;
    struct po_restore_tree *tree;
    uint64_t device;
    uint64_t replaced; /* wanted files and links that something has the name of */
    struct po_buf
        todo;          /* directories still to be listed: path below the tree, its size, its fate */
    struct po_buf sub; /* the one being listed */
    uint8_t fate;
    struct po_buf path; /* of a child in the archive */
};

bool
po_restore_removes(const struct po_restore *r, const char *path, size_t size)
{
    if (!r->options->is_exact || po_omissions_cover(&r->omissions, path, size))
        return false;
    if (r->options->pattern_count == 0)
        return true;
    for (size_t i = 0; i < r->options->pattern_count; i++)
        if (po_text_glob(r->options->patterns[i], path, size))
            return po_index_find(r->reader->index, path, size) == PO_NONE;
    return false;
}

/* The first wanted entry of the tree that is not before the path. */
static uint32_t
lower_bound(const struct survey *s, const char *path, size_t size)
{
    uint32_t first = s->tree->first;
    uint32_t count = s->tree->end - s->tree->first;

    while (count > 0) {
        uint32_t half = count / 2;
        size_t at_size;
        const char *at = po_index_path(s->r->reader->index, s->r->order[first + half], &at_size);

        if (po_restore_compare(at, at_size, path, size) < 0) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

/* Whether order[at] is the path itself (*entry), or lies in it. */
static bool
is_wanted(const struct survey *s, uint32_t at, const char *path, size_t size, uint32_t *entry)
{
    size_t at_size;
    const char *found;

    *entry = PO_NONE;
    if (at >= s->tree->end)
        return false;
    found = po_index_path(s->r->reader->index, s->r->order[at], &at_size);
    if (at_size < size || memcmp(found, path, size) != 0)
        return false;
    if (at_size == size)
        *entry = s->r->order[at];
    return at_size == size || found[size] == '/';
}

static void
push(struct survey *s, const char *name, size_t name_size, enum fate fate)
{
    size_t start = s->todo.size;

    if (s->sub.size > 0) {
        po_buf_put(&s->todo, s->sub.bytes, s->sub.size);
        po_buf_put_u8(&s->todo, '/');
    }
    po_buf_put(&s->todo, name, name_size);
    po_buf_put_u32le(&s->todo, (uint32_t)(s->todo.size - start));
    po_buf_put_u8(&s->todo, (uint8_t)fate);
}

/* The last one, to s->sub and s->fate. */
static void
pop(struct survey *s)
{
    size_t end = s->todo.size - 5;
    uint32_t size = po_load_u32le(s->todo.bytes + end);

    s->fate = s->todo.bytes[end + 4];
    po_buf_clear(&s->sub);
    po_buf_put(&s->sub, s->todo.bytes + end - size, size);
    s->todo.size = end - size;
}

/* Another name of a file keeps its content. */
static void
count_freed(struct survey *s, const struct po_node_info *info)
{
    if (info->type == PO_NODE_FILE && info->link_count <= 1)
        s->tree->freed += info->size;
}

static void
count_stranger(struct survey *s, enum fate fate, const struct po_node_info *info)
{
    struct po_restore_part *part = &s->r->result->parts[s->tree->part];

    if (fate == FATE_REMOVED) {
        part->removed++;
        count_freed(s, info);
    } else {
        part->left++;
    }
}

/* A child of a directory that is merged. */
static enum po_status
look_at(struct survey *s, const char *name, size_t name_size, const struct po_node_info *info,
        struct po_err *err)
{
    struct po_restore_part *part = &s->r->result->parts[s->tree->part];
    bool is_directory = info->type == PO_NODE_DIRECTORY;
    enum fate fate = FATE_MERGED;
    uint32_t entry;
    const char *path;

    po_buf_clear(&s->path);
    po_buf_put(&s->path, s->tree->member, s->tree->member_size);
    if (s->sub.size > 0)
        po_restore_put(&s->path, (const char *)s->sub.bytes, s->sub.size);
    po_restore_put(&s->path, name, name_size);
    path = po_buf_text(&s->path);
    if (s->path.failed)
        return po_buf_check(&s->path, err);
    if (is_directory && info->device != s->device)
        return po_restore_reason(s->r, err, PO_E_IO, "%s at %s: another volume is mounted at %s",
                                 po_part_name(s->tree->part), s->tree->path, path);
    if (is_wanted(s, lower_bound(s, path, s->path.size), path, s->path.size, &entry)) {
        bool wants_directory =
            entry == PO_NONE || po_index_type(s->r->reader->index, entry) == POBACKUP_DIRECTORY;

        if (is_directory && wants_directory) {
            push(s, name, name_size, FATE_MERGED);
            return PO_OK;
        }
        part->replaced++;
        count_freed(s, info);
        s->replaced += !wants_directory;
        return PO_OK;
    }
    fate = po_restore_removes(s->r, path, s->path.size) ? FATE_REMOVED : FATE_LEFT;
    if (is_directory)
        push(s, name, name_size, fate);
    else
        count_stranger(s, fate, info);
    return PO_OK;
}

static enum po_status
each_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct survey *s = ctx;

    if (failure != NULL || po_name_is_ours(name, name_size))
        return PO_OK;
    if (s->fate == FATE_MERGED)
        return look_at(s, name, name_size, info, err);
    if (info->type == PO_NODE_DIRECTORY && info->device == s->device)
        push(s, name, name_size, (enum fate)s->fate);
    else
        count_stranger(s, (enum fate)s->fate, info);
    return PO_OK;
}

static enum po_status
list_all(struct survey *s, struct po_err *err)
{
    struct po_buf live = { 0 };
    enum po_status st = PO_OK;

    push(s, "", 0, FATE_MERGED);
    while (st == PO_OK && s->todo.size > 0) {
        struct po_err failure;

        pop(s);
        po_buf_clear(&live);
        po_restore_live_path(s->tree, (const char *)s->sub.bytes, s->sub.size, &live);
        st = s->todo.failed || s->sub.failed || live.failed ? po_fail_nomem(err, s->todo.size)
                                                            : po_watch_check(s->r->watch, err);
        if (st != PO_OK)
            break;
        st =
            po_dir_list(s->tree->base->dir, po_buf_text(&live), live.size, each_child, s, &failure);
        if (st == PO_E_NOMEM)
            *err = failure;
        /* What is not in the set need not be readable. */
        else if (st != PO_OK && s->fate != FATE_MERGED)
            st = PO_OK;
        else if (st != PO_OK)
            st = po_restore_reason(s->r, err, st, "%s at %s: %s", po_part_name(s->tree->part),
                                   s->tree->path, failure.text);
    }
    po_buf_deinit(&live);
    return st;
}

enum po_status
po_restore_survey(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err)
{
    struct po_restore_part *part = &r->result->parts[tree->part];
    struct survey s = { .r = r, .tree = tree };
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = PO_OK;

    if (tree->exists) {
        st = po_dir_stat(tree->base->dir, tree->rel, tree->rel_size, &info, &exists, err);
        s.device = info.device;
        if (st == PO_OK)
            st = list_all(&s, err);
    }
    part->added = part->files - s.replaced;
    po_buf_deinit(&s.path);
    po_buf_deinit(&s.sub);
    po_buf_deinit(&s.todo);
    return st;
}
