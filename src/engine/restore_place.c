/* Where the parts go here: the tree's real path, and the directory beside it on its volume. */
#include "base/mem.h"
#include "engine/restore_parts.h"
#include "port/sys.h"

#include <string.h>

/* The base with this path, opened. */
static enum po_status
find_base(struct po_restore *r, const char *os_path, struct po_restore_base **out,
          struct po_err *err)
{
    struct po_restore_base *base;
    enum po_status st;

    for (size_t i = 0; i < r->base_count; i++) {
        if (strcmp(r->bases[i].os_path, os_path) == 0) {
            *out = &r->bases[i];
            return PO_OK;
        }
    }
    base = &r->bases[r->base_count];
    base->os_path = po_mem_strdup(os_path);
    if (base->os_path == NULL)
        return po_fail_nomem(err, strlen(os_path));
    st = po_dir_open(&base->dir, os_path, err);
    if (st != PO_OK) {
        po_mem_free(base->os_path);
        base->os_path = NULL;
        return st;
    }
    r->base_count++;
    *out = base;
    return PO_OK;
}

static enum po_status
set_rel(struct po_restore_tree *tree, const char *rel, size_t size, struct po_err *err)
{
    po_mem_free(tree->rel);
    tree->rel = po_mem_copy(rel, size);
    tree->rel_size = size;
    return tree->rel == NULL ? po_fail_nomem(err, size) : PO_OK;
}

enum po_status
po_restore_move_inside(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err)
{
    enum po_status st = find_base(r, tree->path, &tree->base, err);

    return st == PO_OK ? set_rel(tree, "", 0, err) : st;
}

/* The directory part of an absolute path, as text of its own. */
static char *
directory_of(const char *path, size_t *name_start)
{
    size_t dir_size;

    po_path_split(path, strlen(path), &dir_size, name_start);
    return po_mem_copy(path, dir_size);
}

/* A tree that is there. */
static enum po_status
place_existing(struct po_restore *r, struct po_restore_tree *tree, const char *place,
               const struct po_node_info *info, struct po_err *err)
{
    struct po_node_info above = { 0 };
    bool exists = false;
    char *parent = NULL;
    size_t name_start = 0;
    enum po_status st = po_os_path_real(&tree->path, place, err);

    if (st != PO_OK)
        return st;
    tree->exists = true;
    parent = directory_of(tree->path, &name_start);
    st = parent == NULL ? po_fail_nomem(err, strlen(tree->path)) : PO_OK;
    if (st == PO_OK)
        st = po_os_stat(parent, &above, &exists, err);
    if (st != PO_OK)
        goto done;
    /* A rename cannot leave a volume, so a mount point keeps stage and set-aside within. */
    if (!exists || above.device != info->device || tree->path[name_start] == '\0') {
        st = po_restore_move_inside(r, tree, err);
        goto done;
    }
    st = find_base(r, parent, &tree->base, err);
    if (st == PO_OK)
        st = set_rel(tree, tree->path + name_start, strlen(tree->path) - name_start, err);
done:
    po_mem_free(parent);
    return st;
}

/* The components of a path that does not exist, tidied; PO_E_USAGE for "..". */
static enum po_status
tidy(const char *path, struct po_buf *out, struct po_err *err)
{
    const char *separators = po_sys_has_windows_names() ? "/\\" : "/";

    while (*path != '\0') {
        size_t size = strcspn(path, separators);

        if (size == 2 && memcmp(path, "..", 2) == 0)
            return po_fail(err, PO_E_USAGE, "\"..\" in the path of something that does not exist");
        if (size > 0 && !(size == 1 && *path == '.'))
            po_restore_put(out, path, size);
        path += size + (path[size] != '\0');
    }
    return po_buf_check(out, err);
}

/* The longest part of `place` that exists; *rest is what lies behind it. */
static enum po_status
find_ancestor(const char *place, char **ancestor, const char **rest, struct po_node_info *info,
              struct po_err *err)
{
    char *path = po_mem_strdup(place);
    size_t size = strlen(place);
    bool exists = false;
    enum po_status st = path == NULL ? po_fail_nomem(err, size) : PO_OK;

    while (st == PO_OK && !exists) {
        size_t dir_size;
        size_t name_start;

        po_path_split(path, size, &dir_size, &name_start);
        if (po_os_path_is_root(path, size) || dir_size == 0)
            st = po_fail(err, PO_E_USAGE, "%s: nothing of this path exists", place);
        size = dir_size;
        path[size] = '\0';
        if (st == PO_OK)
            st = po_os_stat(path, info, &exists, err);
    }
    if (st != PO_OK) {
        po_mem_free(path);
        return st;
    }
    *ancestor = path;
    *rest = place + size;
    return PO_OK;
}

/* A tree that is to be made: its base is what exists of its path. */
static enum po_status
place_missing(struct po_restore *r, struct po_restore_tree *tree, const char *place,
              struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_buf rel = { 0 };
    char *ancestor = NULL;
    char *real = NULL;
    const char *rest = NULL;
    bool exists = false;
    enum po_status st = find_ancestor(place, &ancestor, &rest, &info, err);

    if (st == PO_OK && info.type != PO_NODE_DIRECTORY)
        st = po_fail(err, PO_E_USAGE, "%s is no directory", ancestor);
    if (st == PO_OK)
        st = tidy(rest, &rel, err);
    if (st == PO_OK)
        st = po_os_path_real(&real, ancestor, err);
    if (st == PO_OK)
        st = find_base(r, real, &tree->base, err);
    if (st == PO_OK)
        st = set_rel(tree, po_buf_text(&rel), rel.size, err);
    if (st != PO_OK)
        goto done;
    tree->path = po_os_path_join(real, tree->rel);
    if (tree->path == NULL)
        st = po_fail_nomem(err, rel.size);
    if (st == PO_OK)
        st = po_dir_stat(tree->base->dir, tree->rel, tree->rel_size, &info, &exists, err);
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_USAGE, "a link that leads nowhere stands there");
done:
    po_mem_free(real);
    po_mem_free(ancestor);
    po_buf_deinit(&rel);
    return st;
}

enum po_status
po_restore_place(struct po_restore *r, struct po_restore_tree *tree, const char *place,
                 struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_err failure;
    bool exists = false;
    enum po_status st = po_os_stat(place, &info, &exists, &failure);

    if (st == PO_OK && exists && info.type != PO_NODE_DIRECTORY)
        st = po_fail(&failure, PO_E_USAGE, "it is no directory");
    else if (st == PO_OK && exists)
        st = place_existing(r, tree, place, &info, &failure);
    else if (st == PO_OK)
        st = place_missing(r, tree, place, &failure);
    if (st == PO_OK) {
        return PO_OK;
    }
    tree->base = NULL;
    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    return po_restore_reason(r, err, st, "%s at %s: %s", po_part_name(tree->part), place,
                             failure.text);
}

/*
 * The former registry is kept with the first tree's files, so that all of one restore lies
 * together; without a tree, beside the registry's own file or (a key has none) beside the spool.
 */
enum po_status
po_restore_registry_place(struct po_restore *r, const char *place, struct po_err *err)
{
    static const enum po_part others[] = { PO_PART_SPOOL, PO_PART_MAILBOX, PO_PART_BIN };
    const char *beside = place;

    if (r->options->no_safety_copy)
        return PO_OK;
    for (size_t i = 0; i < r->tree_count; i++) {
        if (r->trees[i].base != NULL) {
            r->registry_base = r->trees[i].base;
            return PO_OK;
        }
    }
    for (size_t i = 0; i <= sizeof others / sizeof *others; i++) {
        struct po_node_info info = { 0 };
        struct po_err failure;
        bool exists = false;
        size_t name_start;
        char *dir = beside == NULL ? NULL : directory_of(beside, &name_start);
        char *real = NULL;

        if (dir != NULL && po_os_stat(dir, &info, &exists, &failure) == PO_OK && exists &&
            info.type == PO_NODE_DIRECTORY && po_os_path_real(&real, dir, &failure) == PO_OK)
            (void)!find_base(r, real, &r->registry_base, &failure);
        po_mem_free(real);
        po_mem_free(dir);
        if (r->registry_base != NULL)
            return PO_OK;
        if (i < sizeof others / sizeof *others)
            beside = r->host->ops->place(r->host, others[i]);
    }
    return po_restore_reason(r, err, PO_E_IO, "registry: no directory to keep the former one in");
}
