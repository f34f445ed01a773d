/*
 * The mail queue in a restore (req: R11, W1). Messages that waited when the archive was made may
 * have been delivered since: put back, they are sent again. To be held, their files are staged where
 * they belong, moved within the stage, and come into the spool with the folder that they are in,
 * PostOfficeBackup/held-queue-TIME, by one rename.
 */
#include "base/mem.h"
#include "base/text.h"
#include "engine/queue.h"
#include "engine/restore_parts.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "PostOfficeBackup"
#define FOLDER_SIZE (sizeof(FOLDER) - 1)
#define NAMED_MAX 20u

/* The spool's path of an entry, or NULL when it is of no queue or not wanted. */
static const char *
queue_path(const struct po_restore *r, uint32_t entry, size_t *size)
{
    const size_t above = strlen(po_part_member(PO_PART_SPOOL)) + 1;
    const char *path = po_index_path(r->reader->index, entry, size);

    if (r->wanted[entry] == 0 || *size <= above ||
        po_index_type(r->reader->index, entry) == POBACKUP_DIRECTORY ||
        memcmp(path, po_part_member(PO_PART_SPOOL), above - 1) != 0 || path[above - 1] != '/')
        return NULL;
    *size -= above;
    return po_queue_is_part(path + above, *size) ? path + above : NULL;
}

static enum po_status
take_result(struct po_restore *r, const struct po_queue *queue, struct po_err *err)
{
    struct po_restore_queue *told = &r->result->queue;
    struct po_buf texts = { 0 };
    enum po_status st;

    told->whole = po_queue_whole(queue);
    told->broken = po_queue_broken_count(queue);
    for (size_t i = 0; i < told->broken && i < NAMED_MAX; i++) {
        if (i > 0)
            po_buf_put_u8(&texts, '\n');
        po_queue_put_broken(queue, i, &texts);
    }
    st = po_buf_check(&texts, err);
    if (st == PO_OK && texts.size > 0) {
        told->texts = po_mem_strdup(po_buf_text(&texts));
        st = told->texts == NULL ? po_fail_nomem(err, texts.size) : PO_OK;
    }
    po_buf_deinit(&texts);
    return st;
}

enum po_status
po_restore_queue_plan(struct po_restore *r, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    struct po_queue *queue = NULL;
    enum po_status st = po_queue_new(&queue, err);

    for (uint32_t i = 0; st == PO_OK && i < index->count; i++) {
        size_t size;
        const char *path = queue_path(r, i, &size);

        if (path == NULL)
            continue;
        st = po_queue_add(queue, path, size, err);
        if (!r->options->holds_queue)
            continue;
        r->wanted[i] = 2;
        r->held_count++;
        r->held_bytes += po_restore_space(po_index_size(index, i));
    }
    if (st == PO_OK)
        st = po_queue_finish(queue, err);
    if (st == PO_OK)
        st = take_result(r, queue, err);
    po_queue_free(queue);
    if (st == PO_OK && r->held_count > 0) {
        struct po_buf name = { 0 };

        po_text_put_time_compact(&name, r->time);
        (void)snprintf(r->result->queue.held, sizeof r->result->queue.held, "held-queue-%s",
                       po_buf_text(&name));
        st = po_buf_check(&name, err);
        po_buf_deinit(&name);
    }
    return st;
}

/* ---- in the stage ---- */

/* The folder as the set spells it. */
static void
put_folder(const struct po_restore *r, struct po_buf *out)
{
    const struct po_index *index = r->reader->index;
    const size_t above = strlen(po_part_member(PO_PART_SPOOL)) + 1;
    char name[FOLDER_SIZE + 1];

    for (uint32_t i = 0; i < r->order_count; i++) {
        size_t size;
        const char *path = po_index_path(index, r->order[i], &size);

        if (size < above + FOLDER_SIZE ||
            (size > above + FOLDER_SIZE && path[above + FOLDER_SIZE] != '/') ||
            memcmp(path, po_part_member(PO_PART_SPOOL), above - 1) != 0)
            continue;
        memcpy(name, path + above, FOLDER_SIZE);
        name[FOLDER_SIZE] = '\0';
        if (po_text_is_equal_nocase(name, FOLDER)) {
            po_restore_put(out, name, FOLDER_SIZE);
            return;
        }
    }
    po_restore_put(out, FOLDER, FOLDER_SIZE);
}

static const struct po_restore_tree *
spool_tree(const struct po_restore *r)
{
    for (size_t i = 0; i < r->tree_count; i++)
        if (r->trees[i].part == PO_PART_SPOOL)
            return &r->trees[i];
    return NULL;
}

/* `sub`, PostOfficeBackup/held-queue-TIME: the file goes there with the folder that it was in. */
static enum po_status
hold_file(const struct po_restore_tree *tree, const struct po_buf *sub, const char *path,
          size_t size, struct po_buf *from, struct po_buf *to, struct po_err *err)
{
    struct po_dir *dir = tree->base->dir;
    const char *name = memchr(path, '/', size);
    enum po_status st;

    po_restore_stage_path(tree, path, size, from);
    po_restore_stage_path(tree, (const char *)sub->bytes, sub->size, to);
    po_restore_put(to, path, (size_t)(name - path));
    st = from->failed || to->failed ? po_fail_nomem(err, size)
                                    : po_dir_make_all(dir, po_buf_text(to), to->size, err);
    po_restore_put(to, name + 1, size - (size_t)(name + 1 - path));
    if (st == PO_OK)
        st = po_buf_check(to, err);
    return st != PO_OK ? st
                       : po_dir_rename(dir, po_buf_text(from), from->size, dir, po_buf_text(to),
                                       to->size, false, err);
}

enum po_status
po_restore_queue_hold(struct po_restore *r, struct po_err *err)
{
    const struct po_restore_tree *tree = spool_tree(r);
    struct po_buf sub = { 0 };
    struct po_buf from = { 0 };
    struct po_buf to = { 0 };
    enum po_status st;

    put_folder(r, &sub);
    po_restore_put(&sub, r->result->queue.held, strlen(r->result->queue.held));
    st = po_buf_check(&sub, err);
    for (uint32_t i = 0; st == PO_OK && tree != NULL && i < r->reader->index->count; i++) {
        size_t size;
        const char *path = r->wanted[i] == 2 ? queue_path(r, i, &size) : NULL;

        if (path != NULL)
            st = hold_file(tree, &sub, path, size, &from, &to, err);
    }
    po_buf_deinit(&sub);
    po_buf_deinit(&from);
    po_buf_deinit(&to);
    return st == PO_OK ? st : po_err_prefix(err, "--queue=hold");
}

/* ---- into place ---- */

/* The last thing that the tree's steps do with a path below it; NULL: nothing. */
static const struct po_restore_step *
find_step(const struct po_restore *r, uint8_t tree, const char *path, size_t size)
{
    for (size_t i = r->log.count; i-- > 0;) {
        const struct po_restore_step *step = &r->log.steps[i];

        if (step->tree == tree && step->path_size == size && step->kind != PO_RESTORE_MADE &&
            memcmp(po_restore_step_path(r, step), path, size) == 0)
            return step;
    }
    return NULL;
}

/* The set does not go into it: it is entered for what is held alone. */
static enum po_status
enter(struct po_restore *r, uint8_t tree, const struct po_node_info *info, const char *path,
      size_t size, struct po_err *err)
{
    const struct po_restore_step step = { .kind = PO_RESTORE_ENTERED,
                                          .tree = tree,
                                          .entry = PO_NONE };

    return po_restore_note_entered(r, step, info, path, size, err);
}

enum po_status
po_restore_queue_merge(struct po_restore *r, uint8_t tree_number, struct po_err *err)
{
    const struct po_restore_tree *tree = &r->trees[tree_number];
    struct po_restore_step step = { .kind = PO_RESTORE_NEW, .tree = tree_number };
    const struct po_restore_step *last;
    struct po_node_info info = { 0 };
    struct po_buf sub = { 0 };
    struct po_buf live = { 0 };
    size_t folder_size;
    bool exists = false;
    enum po_status st;

    put_folder(r, &sub);
    folder_size = sub.size;
    po_restore_live_path(tree, (const char *)sub.bytes, sub.size, &live);
    po_restore_put(&sub, r->result->queue.held, strlen(r->result->queue.held));
    st = sub.failed || live.failed ? po_fail_nomem(err, folder_size) : PO_OK;
    if (st != PO_OK)
        goto done;
    last = find_step(r, tree_number, po_buf_text(&sub), folder_size);
    if (last != NULL && last->kind == PO_RESTORE_NEW)
        goto done; /* it comes with the folder */
    if (last == NULL || last->kind == PO_RESTORE_ENTERED)
        st = po_dir_stat(tree->base->dir, po_buf_text(&live), live.size, &info, &exists, err);
    if (st == PO_OK && exists && info.type != PO_NODE_DIRECTORY) {
        step.kind = PO_RESTORE_ASIDE;
        st = po_restore_note(r, step, po_buf_text(&sub), folder_size, err);
        step.kind = PO_RESTORE_NEW;
        exists = false;
    }
    if (st == PO_OK && exists && last == NULL)
        st = enter(r, tree_number, &info, po_buf_text(&sub), folder_size, err);
    if (st == PO_OK)
        st = po_restore_note(r, step, po_buf_text(&sub), exists ? sub.size : folder_size, err);
done:
    po_buf_deinit(&sub);
    po_buf_deinit(&live);
    return st;
}
