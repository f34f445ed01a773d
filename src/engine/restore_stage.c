/* The new files, whole and checked, on the volumes where they will be needed. */
#include "base/mem.h"
#include "base/text.h"
#include "engine/extract.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"
#include "target/names.h"

#include <stdio.h>
#include <string.h>

#define FOLDER_MODE 0700u
#define FOLDER_TRIES 100
#define PROBE PO_NAME_NEW "probe"

/* ---- paths ---- */

void
po_restore_put(struct po_buf *path, const char *name, size_t size)
{
    if (size == 0)
        return;
    if (path->size > 0)
        po_buf_put_u8(path, '/');
    po_buf_put(path, name, size);
}

void
po_restore_live_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                     struct po_buf *path)
{
    po_buf_clear(path);
    po_restore_put(path, tree->rel, tree->rel_size);
    po_restore_put(path, sub, size);
}

static void
folder_path(const struct po_restore_tree *tree, const char *folder, const char *sub, size_t size,
            struct po_buf *path)
{
    po_buf_clear(path);
    po_restore_put(path, folder, strlen(folder));
    po_restore_put(path, tree->member, tree->member_size);
    po_restore_put(path, sub, size);
}

void
po_restore_stage_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                      struct po_buf *path)
{
    folder_path(tree, tree->base->stage, sub, size, path);
}

void
po_restore_aside_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                      struct po_buf *path)
{
    folder_path(tree, tree->base->aside, sub, size, path);
}

/* ---- folders ---- */

enum po_status
po_restore_make_folder(const struct po_restore *r, struct po_restore_base *base,
                       const char *prefix, char name[80], struct po_err *err)
{
    struct po_buf text = {0};
    struct po_node_info info;
    bool exists = true;
    char found[80] = "";
    enum po_status st = PO_OK;

    po_text_put_time_compact(&text, r->time);
    for (int i = 1; i <= FOLDER_TRIES && st == PO_OK && exists; i++) {
        (void)snprintf(found, sizeof found, i == 1 ? "%s%s" : "%s%s-%d", prefix,
                       po_buf_text(&text), i);
        st = po_dir_stat(base->dir, found, strlen(found), &info, &exists, err);
    }
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_IO, "%s is there already", found);
    /* Nobody else may look in: it holds what the modes of the directories above kept from them. */
    if (st == PO_OK)
        st = po_dir_make(base->dir, found, strlen(found), FOLDER_MODE, err);
    if (st == PO_OK)
        memcpy(name, found, sizeof found);
    else
        (void)po_err_prefix(err, "folder in %s", base->os_path);
    po_buf_deinit(&text);
    return st;
}

static enum po_status
ensure_stage(struct po_restore *r, struct po_restore_base *base, struct po_err *err)
{
    if (base->stage[0] != '\0')
        return PO_OK;
    return po_restore_make_folder(r, base, PO_NAME_STAGE, base->stage, err);
}

/* Whether a rename leads from the stage into the tree. */
static enum po_status
probe(struct po_restore *r, const struct po_restore_tree *tree, struct po_err *err)
{
    struct po_dir *dir = tree->base->dir;
    struct po_buf from = {0};
    struct po_buf to = {0};
    struct po_node_info info = {0};
    struct po_file *file = NULL;
    struct po_err ignored;
    bool exists = false;
    enum po_status st = po_dir_stat(dir, tree->rel, tree->rel_size, &info, &exists, err);

    (void)r;
    po_restore_put(&from, tree->base->stage, strlen(tree->base->stage));
    po_restore_put(&from, PROBE, strlen(PROBE));
    po_restore_live_path(tree, PROBE, strlen(PROBE), &to);
    if (st == PO_OK && (from.failed || to.failed))
        st = po_fail_nomem(err, from.size + to.size);
    if (st == PO_OK)
        st = po_file_open(&file, dir, po_buf_text(&from), from.size, PO_FILE_REPLACE, 0600, err);
    po_file_free(file);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&from), from.size, dir, po_buf_text(&to), to.size,
                           false, err);
    if (st == PO_OK)
        st = po_dir_remove(dir, po_buf_text(&to), to.size, err);
    /* As if nobody had been there. */
    if (st == PO_OK && exists)
        (void)!po_dir_set_write_time(dir, tree->rel, tree->rel_size, info.write_time, &ignored);
    po_buf_deinit(&from);
    po_buf_deinit(&to);
    return st;
}

/*
 * A tree can be a mount of the very volume that its parent is on (a bind mount): the same device,
 * but no rename leads into it. Then the stage must be within it.
 */
static enum po_status
make_stage(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err)
{
    struct po_err failure;
    enum po_status st = ensure_stage(r, tree->base, err);

    if (st != PO_OK || !tree->exists || tree->rel_size == 0 ||
        probe(r, tree, &failure) == PO_OK)
        return st;
    st = po_restore_move_inside(r, tree, err);
    if (st == PO_OK) {
        tree->base->is_used = true;
        st = ensure_stage(r, tree->base, err);
    }
    if (st == PO_OK)
        st = probe(r, tree, err);
    return st == PO_OK ? st : po_err_prefix(err, "%s", tree->path);
}

/* ---- files ---- */

/* In the stage, an entry has its path in the archive. */
static bool
place_in_stage(void *ctx, uint32_t number, struct po_dir **dir, const char **path,
               size_t *path_size)
{
    struct po_dir *const *stages = ctx;
    const char *archive_path;
    size_t size;
    const struct po_restore *r = *(const struct po_restore *const *)(const void *)ctx;

    (void)stages;
    archive_path = po_index_path(r->reader->index, number, &size);
    *path = archive_path;
    *path_size = size;
    *dir = NULL;
    return *dir != NULL;
}
