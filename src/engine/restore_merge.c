/*
 * Which renames put the set into place, as steps of the log; nothing is changed yet. Each tree is
 * merged with what is wanted directory by directory; where the site lacks a directory, the stage's
 * moves as a whole. What is in the way is moved to the set-aside folder first, so that at no moment
 * anything exists less than once. The services are stopped: what is found here stays.
 */
#include "base/mem.h"
#include "base/names.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"

#include <string.h>

/* A directory that is in the site and in the set. */
struct work {
    const char *path; /* in the archive */
    size_t size;
    uint32_t entry; /* its own, if wanted */
    uint32_t first; /* what lies in it: order[first] to order[end - 1] */
    uint32_t end;
};

struct merge {
    struct po_restore *r;
    struct po_restore_tree *tree;
    uint8_t tree_number;
    struct work *todo;
    size_t todo_count;
    size_t todo_capacity;
    /* The directory being merged. */
    const struct work *work;
    const char *sub; /* its path below the tree */
    size_t sub_size;
    struct po_dir *live;
    struct po_buf path;
    struct po_buf extras; /* names to set aside, each a type byte, the name and a NUL */
};

static enum po_status
push_work(struct merge *m, struct work work, struct po_err *err)
{
    if (m->todo_count == m->todo_capacity) {
        size_t capacity = m->todo_capacity == 0 ? 64 : m->todo_capacity * 2;
        struct work *todo = po_mem_resize(m->todo, capacity, sizeof *todo);

        if (todo == NULL)
            return po_fail_nomem(err, capacity * sizeof *todo);
        m->todo = todo;
        m->todo_capacity = capacity;
    }
    m->todo[m->todo_count++] = work;
    return PO_OK;
}

/* ---- steps ---- */

/* `name` of a child of the set (is_lent) points into the index: its whole path stands before it. */
static enum po_status
note_child(struct merge *m, struct po_restore_step step, const char *name, size_t size,
           struct po_err *err)
{
    size_t above = m->sub_size + (m->sub_size > 0);

    step.tree = m->tree_number;
    if (step.is_lent)
        return po_restore_note(m->r, step, name - above, above + size, err);
    po_buf_clear(&m->path);
    po_restore_put(&m->path, m->sub, m->sub_size);
    po_restore_put(&m->path, name, size);
    if (m->path.failed)
        return po_buf_check(&m->path, err);
    return po_restore_note(m->r, step, po_buf_text(&m->path), m->path.size, err);
}

static enum po_status
note_aside(struct merge *m, const char *name, size_t size, bool is_directory, bool is_removed,
           struct po_err *err)
{
    struct po_restore_step step = { .kind = PO_RESTORE_ASIDE,
                                    .is_removed = is_removed,
                                    .is_lent = !is_removed,
                                    .is_directory = is_directory };
    return note_child(m, step, name, size, err);
}

static enum po_status
note_new(struct merge *m, const char *name, size_t size, struct po_err *err)
{
    return note_child(m, (struct po_restore_step){ .kind = PO_RESTORE_NEW, .is_lent = true }, name,
                      size, err);
}

/* ---- one directory ---- */

/* How many files and links are among these entries. */
static uint64_t
count_files(const struct merge *m, uint32_t first, uint32_t end)
{
    uint64_t count = 0;

    for (uint32_t i = first; i < end; i++)
        count += po_index_type(m->r->reader->index, m->r->order[i]) != POBACKUP_DIRECTORY;
    return count;
}

/* A name in the directory being merged; all its entries are order[start] to order[end - 1]. */
struct child {
    const char *name;
    size_t size;
    uint32_t start;
    uint32_t end;
    uint32_t entry; /* its own, or PO_NONE for a directory that is none */
};

/* The child that begins at `start`. */
static struct child
child_at(const struct merge *m, uint32_t start)
{
    const struct work *work = m->work;
    size_t prefix = work->size + 1;
    size_t size;
    const char *path = po_index_path(m->r->reader->index, m->r->order[start], &size);
    const char *slash = memchr(path + prefix, '/', size - prefix);
    struct child child = {
        .name = path + prefix, .start = start, .end = start + 1, .entry = PO_NONE
    };

    child.size = slash == NULL ? size - prefix : (size_t)(slash - child.name);
    if (slash == NULL)
        child.entry = m->r->order[start];
    for (; child.end < work->end; child.end++) {
        const char *next = po_index_path(m->r->reader->index, m->r->order[child.end], &size);

        if (size <= prefix + child.size || next[prefix + child.size] != '/' ||
            memcmp(next + prefix, child.name, child.size) != 0)
            break;
    }
    return child;
}

static enum po_status
merge_child(struct merge *m, const struct child *child, struct po_err *err)
{
    struct po_restore_part *part = &m->r->result->parts[m->tree->part];
    bool is_directory = child->entry == PO_NONE ||
                        po_index_type(m->r->reader->index, child->entry) == POBACKUP_DIRECTORY;
    struct po_node_info info;
    bool exists = false;
    enum po_status st = po_dir_stat(m->live, child->name, child->size, &info, &exists, err);

    if (st == PO_OK && exists && is_directory && info.type == PO_NODE_DIRECTORY) {
        struct work work = { .path = child->name - (m->work->size + 1),
                             .size = m->work->size + 1 + child->size,
                             .entry = child->entry,
                             .first = child->start + (child->entry != PO_NONE),
                             .end = child->end };

        return push_work(m, work, err);
    }
    if (st == PO_OK && exists && m->r->options->is_live)
        return po_fail(err, PO_E_IO, "%.*s has come in the meantime", (int)child->size,
                       child->name);
    if (st == PO_OK && exists)
        st = note_aside(m, child->name, child->size, info.type == PO_NODE_DIRECTORY, false, err);
    if (st == PO_OK)
        st = note_new(m, child->name, child->size, err);
    if (st != PO_OK)
        return st;
    part->added += count_files(m, child->start, child->end);
    if (exists) {
        part->replaced++;
        part->added -= !is_directory;
    }
    return PO_OK;
}

/* Whether the set has something of this name in the directory: its children are sorted by name. */
static bool
has_child(const struct merge *m, const char *name, size_t name_size)
{
    uint32_t first = m->work->first;
    uint32_t count = m->work->end - first;
    size_t prefix = m->work->size + 1;

    while (count > 0) {
        uint32_t half = count / 2;
        size_t size;
        const char *path =
            po_index_path(m->r->reader->index, m->r->order[first + half], &size) + prefix;
        const char *slash = memchr(path, '/', size - prefix);
        int order = po_restore_compare(path, slash == NULL ? size - prefix : (size_t)(slash - path),
                                       name, name_size);

        if (order == 0)
            return true;
        if (order < 0) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

static enum po_status
find_extra(void *ctx, const char *name, size_t size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct merge *m = ctx;

    (void)failure;
    if (po_name_is_ours(name, size) || has_child(m, name, size))
        return PO_OK;
    po_buf_clear(&m->path);
    po_buf_put(&m->path, m->work->path, m->work->size);
    po_restore_put(&m->path, name, size);
    if (m->path.failed)
        return po_buf_check(&m->path, err);
    if (!po_restore_removes(m->r, po_buf_text(&m->path), m->path.size))
        return PO_OK;
    po_buf_put_u8(&m->extras, info->type == PO_NODE_DIRECTORY ? 'd' : 'f');
    po_buf_put(&m->extras, name, size);
    po_buf_put_u8(&m->extras, '\0');
    return po_buf_check(&m->extras, err);
}

/* What the set does not have goes. Names are listed first: a listing that is changed may skip. */
static enum po_status
note_extras(struct merge *m, struct po_err *err)
{
    enum po_status st;

    po_buf_clear(&m->extras);
    st = po_dir_list(m->live, "", 0, find_extra, m, err);
    for (size_t at = 0; st == PO_OK && at < m->extras.size;) {
        const char *name = (const char *)m->extras.bytes + at + 1;
        size_t size = strlen(name);

        st = note_aside(m, name, size, m->extras.bytes[at] == 'd', true, err);
        at += size + 2;
    }
    return st;
}

static enum po_status
enter(struct merge *m, struct po_err *err)
{
    struct po_restore_step step = { .kind = PO_RESTORE_ENTERED,
                                    .tree = m->tree_number,
                                    /* What is in use stays as it is. */
                                    .entry = m->r->options->is_live ? PO_NONE : m->work->entry };
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st;

    po_restore_live_path(m->tree, m->sub, m->sub_size, &m->path);
    st = po_buf_check(&m->path, err);
    if (st == PO_OK)
        st = po_dir_open_below(&m->live, m->tree->base->dir, po_buf_text(&m->path), m->path.size,
                               err);
    if (st == PO_OK)
        st = po_dir_stat(m->live, "", 0, &info, &exists, err);
    if (st == PO_OK)
        st = po_restore_note_entered(m->r, step, &info, m->sub, m->sub_size, err);
    if (st == PO_OK)
        st = po_restore_rights_note(m->r, step.entry, m->live,
                                    &m->r->log.infos[m->r->log.info_count - 1], err);
    return st;
}

static enum po_status
merge_directory(struct merge *m, const struct work *work, struct po_err *err)
{
    enum po_status st = po_watch_check(m->r->watch, err);
    size_t skip = m->tree->member_size + 1;

    m->work = work;
    m->sub = work->size > skip ? work->path + skip : "";
    m->sub_size = work->size > skip ? work->size - skip : 0;
    if (st == PO_OK)
        st = enter(m, err);
    if (st == PO_OK && m->r->options->is_exact)
        st = note_extras(m, err);
    for (uint32_t i = work->first; i < work->end && st == PO_OK;) {
        struct child child = child_at(m, i);

        st = merge_child(m, &child, err);
        i = child.end;
    }
    po_dir_free(m->live);
    m->live = NULL;
    return st;
}

/* ---- one tree ---- */

/* Another tree may be missing below the same directory. */
static bool
is_noted(const struct po_restore *r, const struct po_restore_base *base, const char *path,
         size_t size)
{
    for (size_t i = 0; i < r->log.count; i++) {
        const struct po_restore_step *step = &r->log.steps[i];

        if (step->kind == PO_RESTORE_MADE && r->trees[step->tree].base == base &&
            step->path_size == size && memcmp(po_restore_step_path(r, step), path, size) == 0)
            return true;
    }
    return false;
}

/* The directories above a tree that is not there, as far as they are missing. */
static enum po_status
note_parents(struct merge *m, struct po_err *err)
{
    const struct po_restore_step step = { .kind = PO_RESTORE_MADE, .tree = m->tree_number };
    const char *rel = m->tree->rel;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < m->tree->rel_size && st == PO_OK; i++) {
        struct po_node_info info;
        bool exists = false;

        if (rel[i] != '/')
            continue;
        st = po_dir_stat(m->tree->base->dir, rel, i, &info, &exists, err);
        if (st == PO_OK && !exists && !is_noted(m->r, m->tree->base, rel, i))
            st = po_restore_note(m->r, step, rel, i, err);
    }
    return st;
}

static enum po_status
note_tree(struct merge *m, struct po_err *err)
{
    const struct po_restore_step step = { .kind = PO_RESTORE_NEW, .tree = m->tree_number };
    enum po_status st = note_parents(m, err);

    if (st == PO_OK)
        st = po_restore_note(m->r, step, "", 0, err);
    if (st == PO_OK)
        m->r->result->parts[m->tree->part].added += count_files(m, m->tree->first, m->tree->end);
    return st;
}

static enum po_status
merge_tree(struct po_restore *r, size_t number, struct po_err *err)
{
    struct merge m = { .r = r, .tree = &r->trees[number], .tree_number = (uint8_t)number };
    struct work root = { .path = m.tree->member,
                         .size = m.tree->member_size,
                         .entry = PO_NONE,
                         .first = m.tree->first,
                         .end = m.tree->end };
    size_t size;
    enum po_status st = PO_OK;

    (void)po_index_path(r->reader->index, r->order[root.first], &size);
    if (size == m.tree->member_size)
        root.entry = r->order[root.first++];
    if (m.tree->exists)
        st = push_work(&m, root, err);
    else
        st = note_tree(&m, err);
    while (st == PO_OK && m.todo_count > 0) {
        struct work work = m.todo[--m.todo_count];

        st = merge_directory(&m, &work, err);
    }
    if (st == PO_OK && m.tree->exists && m.tree->part == PO_PART_SPOOL && r->held_count > 0)
        st = po_restore_queue_merge(r, m.tree_number, err);
    po_mem_free(m.todo);
    po_buf_deinit(&m.path);
    po_buf_deinit(&m.extras);
    return st == PO_OK ? st
                       : po_err_prefix(err, "%s at %s", po_part_name(m.tree->part), m.tree->path);
}

/* ---- all trees ---- */

enum po_status
po_restore_merge(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->tree_count; i++) {
        struct po_restore_part *part = &r->result->parts[r->trees[i].part];

        /* The plan's numbers; mail has come in since. */
        part->added = 0;
        part->replaced = 0;
        part->removed = 0;
    }
    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++)
        st = merge_tree(r, i, err);
    return st;
}
