/*
 * The outage: renames alone. Each tree is merged with its stage directory by directory; where the
 * site lacks a directory, the stage's moves as a whole. What is in the way is moved to the
 * set-aside folder first, so that at no moment anything exists less than once.
 */
#include "base/mem.h"
#include "base/names.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"

#include <string.h>

#define DIRECTORY_MODE 0755u

/* A directory that is in the site and in the set. */
struct work {
    const char *path; /* in the archive */
    size_t size;
    uint32_t entry; /* its own, if wanted */
    uint32_t first; /* what lies in it: order[first] to order[end - 1] */
    uint32_t end;
};

struct commit {
    struct po_restore *r;
    struct po_restore_tree *tree;
    uint8_t tree_number;
    struct work *todo;
    size_t todo_count;
    size_t todo_capacity;
    /* The directory being merged; every rename is from handle to handle, by one component. */
    const char *sub; /* its path below the tree */
    size_t sub_size;
    struct po_dir *live;
    struct po_dir *stage;
    struct po_dir *aside; /* NULL until needed */
    struct po_buf path;
    struct po_buf extras; /* names to set aside, each a type byte, the name and a NUL */
    const struct work *work;
};

static enum po_status
push_work(struct commit *c, struct work work, struct po_err *err)
{
    if (c->todo_count == c->todo_capacity) {
        size_t capacity = c->todo_capacity == 0 ? 64 : c->todo_capacity * 2;
        struct work *todo = po_mem_resize(c->todo, capacity, sizeof *todo);

        if (todo == NULL)
            return po_fail_nomem(err, capacity * sizeof *todo);
        c->todo = todo;
        c->todo_capacity = capacity;
    }
    c->todo[c->todo_count++] = work;
    return PO_OK;
}

static void
close_directory(struct commit *c)
{
    po_dir_free(c->live);
    po_dir_free(c->stage);
    po_dir_free(c->aside);
    c->live = NULL;
    c->stage = NULL;
    c->aside = NULL;
}

/* ---- steps ---- */

/* `name` of a child of the set (is_lent) points into the index: its whole path stands before it. */
static enum po_status
note_child(struct commit *c, struct po_restore_step step, const char *name, size_t size,
           struct po_err *err)
{
    size_t above = c->sub_size + (c->sub_size > 0);

    step.tree = c->tree_number;
    if (step.is_lent)
        return po_restore_note(c->r, step, name - above, above + size, err);
    po_buf_clear(&c->path);
    po_restore_put(&c->path, c->sub, c->sub_size);
    po_restore_put(&c->path, name, size);
    if (c->path.failed)
        return po_buf_check(&c->path, err);
    return po_restore_note(c->r, step, po_buf_text(&c->path), c->path.size, err);
}

/* The set-aside directory that mirrors the one being merged. */
static enum po_status
open_aside(struct commit *c, struct po_err *err)
{
    struct po_restore_base *base = c->tree->base;
    enum po_status st = PO_OK;

    if (c->aside != NULL)
        return PO_OK;
    if (base->aside[0] == '\0')
        st = po_restore_make_folder(c->r, base, PO_NAME_SET_ASIDE, base->aside, err);
    if (st != PO_OK)
        return st;
    po_restore_aside_path(c->tree, c->sub, c->sub_size, &c->path);
    st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_make_all(base->dir, po_buf_text(&c->path), c->path.size, err);
    if (st == PO_OK)
        st = po_dir_open_below(&c->aside, base->dir, po_buf_text(&c->path), c->path.size, err);
    return st;
}

static enum po_status
put_aside(struct commit *c, const char *name, size_t size, bool is_directory, bool is_removed,
          struct po_err *err)
{
    struct po_restore_step step = { .kind = PO_RESTORE_ASIDE,
                                    .is_removed = is_removed,
                                    .is_lent = !is_removed,
                                    .is_directory = is_directory };
    enum po_status st = open_aside(c, err);

    if (st == PO_OK)
        st = note_child(c, step, name, size, err);
    if (st != PO_OK)
        return st;
    c->tree->has_aside = true;
    st = po_dir_rename(c->live, name, size, c->aside, name, size, false, err);
    if (st != PO_OK)
        po_restore_unlog(c->r);
    return st;
}

static enum po_status
put_new(struct commit *c, const char *name, size_t size, struct po_err *err)
{
    struct po_restore_step step = { .kind = PO_RESTORE_NEW, .is_lent = true };
    enum po_status st = note_child(c, step, name, size, err);

    if (st != PO_OK)
        return st;
    st = po_dir_rename(c->stage, name, size, c->live, name, size, false, err);
    if (st != PO_OK)
        po_restore_unlog(c->r);
    return st;
}

/* ---- one directory ---- */

/* How many files and links are among these entries. */
static uint64_t
count_files(const struct commit *c, uint32_t first, uint32_t end)
{
    uint64_t count = 0;

    for (uint32_t i = first; i < end; i++)
        count += po_index_type(c->r->reader->index, c->r->order[i]) != POBACKUP_DIRECTORY;
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
child_at(const struct commit *c, uint32_t start)
{
    const struct work *work = c->work;
    size_t prefix = work->size + 1;
    size_t size;
    const char *path = po_index_path(c->r->reader->index, c->r->order[start], &size);
    const char *slash = memchr(path + prefix, '/', size - prefix);
    struct child child = {
        .name = path + prefix, .start = start, .end = start + 1, .entry = PO_NONE
    };

    child.size = slash == NULL ? size - prefix : (size_t)(slash - child.name);
    if (slash == NULL)
        child.entry = c->r->order[start];
    for (; child.end < work->end; child.end++) {
        const char *next = po_index_path(c->r->reader->index, c->r->order[child.end], &size);

        if (size <= prefix + child.size || next[prefix + child.size] != '/' ||
            memcmp(next + prefix, child.name, child.size) != 0)
            break;
    }
    return child;
}

static enum po_status
merge_child(struct commit *c, const struct child *child, struct po_err *err)
{
    struct po_restore_part *part = &c->r->result->parts[c->tree->part];
    bool is_directory = child->entry == PO_NONE ||
                        po_index_type(c->r->reader->index, child->entry) == POBACKUP_DIRECTORY;
    struct po_node_info info;
    bool exists = false;
    enum po_status st = po_dir_stat(c->live, child->name, child->size, &info, &exists, err);

    if (st == PO_OK && exists && is_directory && info.type == PO_NODE_DIRECTORY) {
        struct work work = { .path = child->name - (c->work->size + 1),
                             .size = c->work->size + 1 + child->size,
                             .entry = child->entry,
                             .first = child->start + (child->entry != PO_NONE),
                             .end = child->end };

        return push_work(c, work, err);
    }
    if (st == PO_OK && exists)
        st = put_aside(c, child->name, child->size, info.type == PO_NODE_DIRECTORY, false, err);
    if (st == PO_OK)
        st = put_new(c, child->name, child->size, err);
    if (st != PO_OK)
        return st;
    part->added += count_files(c, child->start, child->end);
    if (exists) {
        part->replaced++;
        part->added -= !is_directory;
    }
    return PO_OK;
}

/* Whether the set has something of this name in the directory: its children are sorted by name. */
static bool
has_child(const struct commit *c, const char *name, size_t name_size)
{
    uint32_t first = c->work->first;
    uint32_t count = c->work->end - first;
    size_t prefix = c->work->size + 1;

    while (count > 0) {
        uint32_t half = count / 2;
        size_t size;
        const char *path =
            po_index_path(c->r->reader->index, c->r->order[first + half], &size) + prefix;
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
    struct commit *c = ctx;

    (void)failure;
    if (po_name_is_ours(name, size) || has_child(c, name, size))
        return PO_OK;
    po_buf_clear(&c->path);
    po_buf_put(&c->path, c->work->path, c->work->size);
    po_restore_put(&c->path, name, size);
    if (c->path.failed)
        return po_buf_check(&c->path, err);
    if (!po_restore_removes(c->r, po_buf_text(&c->path), c->path.size))
        return PO_OK;
    po_buf_put_u8(&c->extras, info->type == PO_NODE_DIRECTORY ? 'd' : 'f');
    po_buf_put(&c->extras, name, size);
    po_buf_put_u8(&c->extras, '\0');
    return po_buf_check(&c->extras, err);
}

/* What the set does not have goes. Names are listed first: a listing that is changed may skip. */
static enum po_status
remove_extras(struct commit *c, struct po_err *err)
{
    enum po_status st;

    po_buf_clear(&c->extras);
    st = po_dir_list(c->live, "", 0, find_extra, c, err);
    for (size_t at = 0; st == PO_OK && at < c->extras.size;) {
        const char *name = (const char *)c->extras.bytes + at + 1;
        size_t size = strlen(name);

        st = put_aside(c, name, size, c->extras.bytes[at] == 'd', true, err);
        at += size + 2;
    }
    return st;
}

static enum po_status
open_directory(struct commit *c, struct po_err *err)
{
    struct po_restore_step step = { .kind = PO_RESTORE_ENTERED,
                                    .tree = c->tree_number,
                                    .entry = c->work->entry };
    struct po_dir *dir = c->tree->base->dir;
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st;

    po_restore_live_path(c->tree, c->sub, c->sub_size, &c->path);
    st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_open_below(&c->live, dir, po_buf_text(&c->path), c->path.size, err);
    if (st == PO_OK)
        st = po_dir_stat(c->live, "", 0, &info, &exists, err);
    if (st == PO_OK)
        po_restore_stage_path(c->tree, c->sub, c->sub_size, &c->path);
    if (st == PO_OK)
        st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_open_below(&c->stage, dir, po_buf_text(&c->path), c->path.size, err);
    if (st == PO_OK)
        st = po_restore_note_entered(c->r, step, &info, c->sub, c->sub_size, err);
    return st;
}

static enum po_status
merge_directory(struct commit *c, const struct work *work, struct po_err *err)
{
    enum po_status st = po_watch_check(c->r->watch, err);
    size_t skip = c->tree->member_size + 1;

    c->work = work;
    c->sub = work->size > skip ? work->path + skip : "";
    c->sub_size = work->size > skip ? work->size - skip : 0;
    if (st == PO_OK)
        st = open_directory(c, err);
    if (st == PO_OK && c->r->options->is_exact)
        st = remove_extras(c, err);
    for (uint32_t i = work->first; i < work->end && st == PO_OK;) {
        struct child child = child_at(c, i);

        st = merge_child(c, &child, err);
        i = child.end;
    }
    close_directory(c);
    return st;
}

/* ---- one tree ---- */

/* The directories above a tree that is not there, as far as they are missing. */
static enum po_status
make_parents(struct commit *c, struct po_err *err)
{
    const struct po_restore_step step = { .kind = PO_RESTORE_MADE, .tree = c->tree_number };
    struct po_dir *dir = c->tree->base->dir;
    const char *rel = c->tree->rel;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < c->tree->rel_size && st == PO_OK; i++) {
        struct po_node_info info;
        bool exists = false;

        if (rel[i] != '/')
            continue;
        st = po_dir_stat(dir, rel, i, &info, &exists, err);
        if (st != PO_OK || exists)
            continue;
        st = po_restore_note(c->r, step, rel, i, err);
        if (st != PO_OK)
            return st;
        st = po_dir_make(dir, rel, i, DIRECTORY_MODE, err);
        if (st != PO_OK)
            po_restore_unlog(c->r);
    }
    return st;
}

static enum po_status
move_tree(struct commit *c, struct po_err *err)
{
    const struct po_restore_step step = { .kind = PO_RESTORE_NEW, .tree = c->tree_number };
    struct po_dir *dir = c->tree->base->dir;
    enum po_status st = make_parents(c, err);

    if (st == PO_OK)
        st = po_restore_note(c->r, step, "", 0, err);
    if (st != PO_OK)
        return st;
    po_restore_stage_path(c->tree, "", 0, &c->path);
    st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&c->path), c->path.size, dir, c->tree->rel,
                           c->tree->rel_size, false, err);
    if (st != PO_OK)
        po_restore_unlog(c->r);
    else
        c->r->result->parts[c->tree->part].added += count_files(c, c->tree->first, c->tree->end);
    return st;
}

static enum po_status
commit_tree(struct po_restore *r, size_t number, struct po_err *err)
{
    struct commit c = { .r = r, .tree = &r->trees[number], .tree_number = (uint8_t)number };
    struct work root = { .path = c.tree->member,
                         .size = c.tree->member_size,
                         .entry = PO_NONE,
                         .first = c.tree->first,
                         .end = c.tree->end };
    size_t size;
    enum po_status st = PO_OK;

    (void)po_index_path(r->reader->index, r->order[root.first], &size);
    if (size == c.tree->member_size)
        root.entry = r->order[root.first++];
    if (c.tree->exists)
        st = push_work(&c, root, err);
    else
        st = move_tree(&c, err);
    while (st == PO_OK && c.todo_count > 0) {
        struct work work = c.todo[--c.todo_count];

        st = merge_directory(&c, &work, err);
    }
    po_mem_free(c.todo);
    po_buf_deinit(&c.path);
    po_buf_deinit(&c.extras);
    return st == PO_OK ? st
                       : po_err_prefix(err, "%s at %s", po_part_name(c.tree->part), c.tree->path);
}

/* ---- the registry ---- */

/* Durably, as the import was. */
static enum po_status
keep_former(struct po_restore *r, const struct po_buf *former, struct po_err *err)
{
    struct po_restore_base *base = r->registry_base;
    const char *member = po_part_member(PO_PART_REGISTRY);
    struct po_file *file = NULL;
    struct po_dir *folder = NULL;
    struct po_buf path = { 0 };
    enum po_status st = PO_OK;

    if (base->aside[0] == '\0')
        st = po_restore_make_folder(r, base, PO_NAME_SET_ASIDE, base->aside, err);
    po_restore_put(&path, base->aside, strlen(base->aside));
    po_restore_put(&path, member, strlen(member));
    if (st == PO_OK)
        st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_file_open(&file, base->dir, po_buf_text(&path), path.size, PO_FILE_CREATE, 0600,
                          err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, former->bytes, former->size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    if (st == PO_OK)
        st = po_file_close(file, err);
    else
        po_file_free(file);
    /* The file's own name, and the folder's: a crash between this and the import loses neither. */
    if (st == PO_OK)
        st = po_dir_open_below(&folder, base->dir, base->aside, strlen(base->aside), err);
    if (st == PO_OK)
        st = po_dir_sync(folder, err);
    if (st == PO_OK)
        st = po_dir_sync(base->dir, err);
    po_dir_free(folder);
    r->has_registry_aside = st == PO_OK;
    po_buf_deinit(&path);
    return st;
}

/*
 * After a failure the key may be the old one or the new one (an import whose last sync failed), so
 * it is looked at first.
 */
static void
put_former_back(struct po_restore *r, const struct po_buf *former, int64_t former_time)
{
    struct po_buf now = { 0 };
    struct po_buf ignored = { 0 };
    struct po_err *loss = &r->registry_loss;
    int64_t write_time;
    bool is_same = r->host->ops->registry_export(r->host, &now, &write_time, loss) == PO_OK &&
                   now.size == former->size &&
                   (now.size == 0 || memcmp(now.bytes, former->bytes, now.size) == 0);

    *loss = (struct po_err){ 0 };
    if (!is_same && former->size > 0 &&
        r->host->ops->registry_import(r->host, former->bytes, former->size, former_time, &ignored,
                                      loss) != PO_OK)
        (void)po_err_prefix(loss, "registry");
    po_buf_deinit(&now);
    po_buf_deinit(&ignored);
}

/* The former key is on the disk before the new one is imported: a crash between loses neither. */
enum po_status
po_restore_import(struct po_restore *r, struct po_err *err)
{
    struct po_restore_part *part = &r->result->parts[PO_PART_REGISTRY];
    int64_t write_time = po_index_write_time(r->reader->index, r->registry_entry);
    int64_t former_time = POBACKUP_TIME_UNKNOWN;
    struct po_buf former = { 0 };
    struct po_buf again = { 0 };
    struct po_err none;
    enum po_status st = PO_OK;

    /* A site without a registry has nothing to export: then the import says whether that was so. */
    if (r->host->ops->registry_export(r->host, &former, &former_time, &none) != PO_OK)
        po_buf_clear(&former);
    if (former.size > 0 && r->registry_base != NULL)
        st = keep_former(r, &former, err);
    if (st == PO_OK)
        st = r->host->ops->registry_import(r->host, po_buf_text(&r->registry), r->registry.size,
                                           write_time, &again, err);
    if (st == PO_OK && former.size == 0 && again.size > 0 && r->registry_base != NULL)
        st = keep_former(r, &again, err);
    if (st != PO_OK) {
        put_former_back(r, former.size > 0 ? &former : &again, former_time);
        st = po_err_prefix(err, "registry");
    } else {
        part->replaced = again.size > 0;
        part->added = again.size == 0;
    }
    po_buf_deinit(&again);
    po_buf_deinit(&former);
    return st;
}

/* ---- all of it ---- */

enum po_status
po_restore_commit(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    po_watch_phase(r->watch, "putting files into place");
    for (size_t i = 0; i < r->tree_count; i++) {
        struct po_restore_part *part = &r->result->parts[r->trees[i].part];

        /* The plan's numbers; mail has come in since. */
        part->added = 0;
        part->replaced = 0;
        part->removed = 0;
    }
    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++)
        st = commit_tree(r, i, err);
    if (st == PO_OK)
        st = po_restore_directory_facts(r, err);
    /* Last, as it is the one step that is not a rename: whole or not done at all. */
    if (st == PO_OK && r->registry_entry != PO_NONE)
        st = po_restore_import(r, err);
    if (st != PO_OK)
        po_restore_take_back(r, err);
    return st;
}
