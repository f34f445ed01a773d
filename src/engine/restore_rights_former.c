/*
 * The rights that whole trees have before a rule is set on them (default, poperms): files that the
 * restore does not replace get others too, and undo gives each its own back. They are written down
 * when all is in place and nothing is set yet, a record a node: part, path, file id, descriptor.
 */
#include "base/cursor.h"
#include "engine/restore_journal.h"
#include "engine/watch.h"

#include <errno.h>
#include <string.h>

#define RECORD_NODE 1u

bool
po_restore_rights_are_rule(const struct po_restore *r)
{
    const struct po_restore_rights *rights = &r->result->rights;

    return rights->is_wanted &&
           (rights->rights == PO_RIGHTS_DEFAULT || rights->rights == PO_RIGHTS_POPERMS);
}

/* poperms.exe does all of them, whatever was restored. */
static bool
is_touched(const struct po_restore *r, enum po_part part)
{
    return r->result->rights.rights == PO_RIGHTS_POPERMS || r->options->parts[part];
}

/* ---- writing them down ---- */

struct walk {
    struct po_restore *r;
    struct po_journal *journal;
    enum po_part part;
    struct po_dir *dir;
    uint64_t device;
    struct po_buf todo; /* directories still to be listed: path and its size */
    struct po_buf sub;  /* the one being listed */
    struct po_buf path;
    struct po_buf security;
    struct po_buf record;
};

/* By its path in an archive, as all items are told. */
static void
put_name(struct po_buf *out, enum po_part part, const char *path, size_t size)
{
    po_buf_clear(out);
    po_restore_put(out, po_part_member(part), strlen(po_part_member(part)));
    po_restore_put(out, path, size);
}

/* One that cannot be read is told: it is the one thing that undo will not give back. */
static enum po_status
note_node(struct walk *w, const char *path, size_t size, uint64_t file_id, struct po_err *err)
{
    struct po_err failure;
    enum po_status st;

    po_buf_clear(&w->security);
    st = po_dir_put_security(w->dir, path, size, &w->security, &failure);
    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    if (st != PO_OK) {
        (void)po_err_prefix(&failure, "its rights cannot be read, so undo will not give them back");
        put_name(&w->record, w->part, path, size);
        st = po_buf_check(&w->record, err);
        return st == PO_OK ? po_restore_problem(w->r, po_buf_text(&w->record), w->record.size,
                                                failure.text, err)
                           : st;
    }
    if (w->security.size == 0)
        return PO_OK;
    po_buf_clear(&w->record);
    po_buf_put_u8(&w->record, (uint8_t)w->part);
    po_journal_put_text(&w->record, path, size);
    po_buf_put_u64le(&w->record, file_id);
    po_journal_put_text(&w->record, (const char *)w->security.bytes, w->security.size);
    st = po_buf_check(&w->record, err);
    return st == PO_OK
               ? po_journal_put(w->journal, RECORD_NODE, w->record.bytes, w->record.size, err)
               : st;
}

static void
push(struct walk *w, const char *path, size_t size)
{
    po_buf_put(&w->todo, path, size);
    po_buf_put_u32le(&w->todo, (uint32_t)size);
}

static void
pop(struct walk *w)
{
    size_t end = w->todo.size - 4;
    uint32_t size = po_load_u32le(w->todo.bytes + end);

    po_buf_clear(&w->sub);
    po_buf_put(&w->sub, w->todo.bytes + end - size, size);
    w->todo.size = end - size;
}

static enum po_status
note_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct walk *w = ctx;
    enum po_status st;

    if (failure != NULL)
        return PO_OK;
    po_buf_clear(&w->path);
    po_restore_put(&w->path, (const char *)w->sub.bytes, w->sub.size);
    po_restore_put(&w->path, name, name_size);
    if (w->path.failed)
        return po_buf_check(&w->path, err);
    st = note_node(w, po_buf_text(&w->path), w->path.size, info->file_id, err);
    if (st == PO_OK && info->type == PO_NODE_DIRECTORY && info->device == w->device)
        push(w, po_buf_text(&w->path), w->path.size);
    return st == PO_OK ? po_buf_check(&w->todo, err) : st;
}

static enum po_status
walk_tree(struct walk *w, struct po_err *err)
{
    struct po_node_info top = { 0 };
    bool exists;
    enum po_status st = po_dir_stat(w->dir, "", 0, &top, &exists, err);

    if (st == PO_OK)
        st = note_node(w, "", 0, top.file_id, err);
    push(w, "", 0);
    while (st == PO_OK && w->todo.size > 0) {
        pop(w);
        st = w->todo.failed || w->sub.failed ? po_fail_nomem(err, w->todo.size)
                                             : po_watch_check(w->r->watch, err);
        if (st == PO_OK)
            st = po_dir_list(w->dir, po_buf_text(&w->sub), w->sub.size, note_child, w, err);
    }
    return st;
}

static enum po_status
walk_part(struct walk *w, enum po_part part, struct po_err *err)
{
    const char *place = w->r->host->ops->place(w->r->host, part);
    enum po_status st;

    if (place == NULL || !is_touched(w->r, part))
        return PO_OK;
    st = po_dir_open(&w->dir, place, err);
    if (st != PO_OK) /* poperms.exe: a part that is not there */
        return err->os_code == ENOENT ? PO_OK : st;
    w->part = part;
    w->device = po_dir_device(w->dir);
    st = walk_tree(w, err);
    po_dir_free(w->dir);
    w->dir = NULL;
    return st == PO_OK ? st : po_err_prefix(err, "%s at %s", po_part_name(part), place);
}

enum po_status
po_restore_rights_save(struct po_restore *r, struct po_err *err)
{
    struct walk w = { .r = r };
    struct po_err ignored;
    enum po_status st;

    if (!po_restore_rights_are_rule(r) || r->journal == NULL || r->options->no_safety_copy)
        return PO_OK;
    po_watch_phase(r->watch, "noting rights");
    /* What a crash has left of it; nothing had been set then. */
    (void)!po_dir_remove(r->journal_dir, PO_RESTORE_RIGHTS_LOG, strlen(PO_RESTORE_RIGHTS_LOG),
                         &ignored);
    st = po_journal_create(&w.journal, r->journal_dir, PO_RESTORE_RIGHTS_LOG, err);
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        st = walk_part(&w, (enum po_part)part, err);
    if (st == PO_OK)
        st = po_journal_sync(w.journal, err);
    po_journal_free(w.journal);
    po_buf_deinit(&w.todo);
    po_buf_deinit(&w.sub);
    po_buf_deinit(&w.path);
    po_buf_deinit(&w.security);
    po_buf_deinit(&w.record);
    return st == PO_OK ? st : po_err_prefix(err, "rights of before");
}

/* ---- giving them back ---- */

struct giver {
    struct po_restore *r;
    struct po_problems *problems;
    struct po_dir *dirs[PO_PART_COUNT];
    struct po_buf name;
};

/* Has another one been put in its place? The former one, when it was taken back before, has its own
 * rights. */
static enum po_status
is_another(struct po_dir *dir, const char *path, size_t path_size, uint64_t file_id, bool *another,
           struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_dir_stat(dir, path, path_size, &info, &exists, err);

    *another = st == PO_OK && (!exists || (file_id != 0 && info.file_id != file_id));
    return st;
}

static enum po_status
give_back(void *ctx, uint8_t kind, struct po_cursor *record, struct po_err *err)
{
    struct giver *g = ctx;
    uint8_t part = po_cursor_u8(record);
    size_t path_size;
    size_t size;
    const char *path = po_journal_text(record, &path_size);
    uint64_t file_id = po_cursor_u64(record);
    const char *security = po_journal_text(record, &size);
    const char *place;
    bool another = false;
    struct po_err failure = { 0 };
    enum po_status st = PO_OK;

    if (kind != RECORD_NODE || part >= PO_PART_COUNT || size == 0)
        return PO_OK;
    place = g->r->host->ops->place(g->r->host, (enum po_part)part);
    if (place == NULL)
        return PO_OK;
    if (g->dirs[part] == NULL)
        st = po_dir_open(&g->dirs[part], place, &failure);
    if (st == PO_OK)
        st = is_another(g->dirs[part], path, path_size, file_id, &another, &failure);
    if (st == PO_OK && !another)
        st = g->r->host->ops->rights->set_former(g->r->host, security, size, g->dirs[part], path,
                                                 path_size, &failure);
    /* What has gone since needs none. */
    if (st == PO_OK || failure.os_code == ENOENT || failure.os_code == ENOTDIR)
        return PO_OK;
    (void)po_err_prefix(&failure, "rights");
    put_name(&g->name, (enum po_part)part, path, path_size);
    st = po_buf_check(&g->name, err);
    return st == PO_OK ? po_problems_add(g->problems, po_buf_text(&g->name), g->name.size,
                                         failure.text, err)
                       : st;
}

enum po_status
po_restore_rights_put_back(struct po_restore *r, struct po_problems *problems, struct po_err *err)
{
    struct giver g = { .r = r, .problems = problems };
    enum po_status st;

    if (r->host->ops->rights == NULL)
        return PO_OK;
    st = po_journal_read(r->journal_dir, PO_RESTORE_RIGHTS_LOG, give_back, &g, err);
    for (size_t i = 0; i < PO_PART_COUNT; i++)
        po_dir_free(g.dirs[i]);
    po_buf_deinit(&g.name);
    return st == PO_E_IO && err->os_code == ENOENT ? PO_OK : st;
}
