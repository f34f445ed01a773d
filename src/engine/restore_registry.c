/* The registry in a commit: the former key is kept before the new one is imported. */
#include "engine/restore_journal.h"

#include <errno.h>
#include <string.h>

/* Durably, as the import was. */
static enum po_status
keep_former(struct po_restore *r, const struct po_buf *former, struct po_err *err)
{
    struct po_restore_base *base = r->registry_base;
    const char *member = po_part_member(PO_PART_REGISTRY);
    struct po_file *file = NULL;
    struct po_dir *folder = NULL;
    struct po_buf path = { 0 };
    enum po_status st = po_restore_make_aside(r, base, err);

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
    bool is_told = r->host->ops->registry_export(r->host, &now, &write_time, loss) == PO_OK ||
                   loss->os_code == ENOENT;
    bool is_same = is_told && now.size == former->size &&
                   (now.size == 0 || memcmp(now.bytes, former->bytes, now.size) == 0);

    *loss = (struct po_err){ 0 };
    if (!is_same && r->host->ops->registry_import(r->host, former->bytes, former->size, former_time,
                                                  PO_REGISTRY_EXACT, &ignored, loss) != PO_OK)
        (void)po_err_prefix(loss, "registry");
    po_buf_deinit(&now);
    po_buf_deinit(&ignored);
}

/* The former key is on the disk before anything is changed: a crash loses neither. */
enum po_status
po_restore_note_registry(struct po_restore *r, struct po_err *err)
{
    struct po_err failure = { 0 };
    enum po_status st;

    if (r->registry_entry == PO_NONE)
        return PO_OK;
    r->former_time = POBACKUP_TIME_UNKNOWN;
    st = r->host->ops->registry_export(r->host, &r->former, &r->former_time, &failure);
    /* Only what is not there needs not be kept. One that cannot be read could not be put back. */
    if (st == PO_E_IO && failure.os_code == ENOENT) {
        po_buf_clear(&r->former);
    } else if (st != PO_OK) {
        *err = failure;
        return po_err_prefix(err, "registry");
    }
    return po_restore_journal_registry(r, &r->former, r->former_time, err);
}

/* A po_reg_difference_fn: between what was imported and what is there. */
static enum po_status
refuse_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    const enum po_registry_how *how = ctx;
    const struct po_reg_value *value =
        difference->after != NULL ? difference->after : difference->before;

    /* What is there besides is what survives an import; a key that is on the way to one is made. */
    if (difference->change == PO_REG_ADDED && (*how == PO_REGISTRY_MERGED || value == NULL))
        return PO_OK;
    return po_fail(err, PO_E_IO, "read back, it is not what was imported: %s %s",
                   difference->key->path, value == NULL ? "" : value->name);
}

/* A success that is not one is the worst bug there is. */
static enum po_status
read_back(struct po_restore *r, enum po_registry_how how, struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_reg *is = NULL;
    struct po_reg *should_be = NULL;
    int64_t write_time;
    enum po_status st = r->host->ops->registry_export(r->host, &bytes, &write_time, err);

    if (st == PO_OK)
        st = po_reg_parse(&is, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, err);
    if (st == PO_OK)
        st = po_reg_parse(&should_be, r->registry.bytes, r->registry.size, PO_REG_CODE_PAGE_AUTO,
                          err);
    if (st == PO_OK)
        st = po_reg_compare(should_be, is, PO_REG_IGNORE_WOW64, refuse_difference, &how, err);
    po_reg_free(is);
    po_reg_free(should_be);
    po_buf_deinit(&bytes);
    return st;
}

enum po_status
po_restore_import(struct po_restore *r, struct po_err *err)
{
    struct po_restore_part *part = &r->result->parts[PO_PART_REGISTRY];
    int64_t write_time = po_index_write_time(r->reader->index, r->registry_entry);
    enum po_registry_how how =
        r->options->is_registry_exact ? PO_REGISTRY_EXACT : PO_REGISTRY_MERGED;
    struct po_buf again = { 0 };
    enum po_status st = po_restore_journal_phase(r, PO_RESTORE_REGISTRY, err);

    if (st == PO_OK && r->former.size > 0 && r->registry_base != NULL)
        st = keep_former(r, &r->former, err);
    if (st == PO_OK)
        st = r->host->ops->registry_import(r->host, po_buf_text(&r->registry), r->registry.size,
                                           write_time, how, &again, err);
    if (st == PO_OK && r->result->registry.is_compared)
        st = read_back(r, how, err);
    if (st == PO_OK && r->former.size == 0 && again.size > 0 && r->registry_base != NULL)
        st = keep_former(r, &again, err);
    if (st != PO_OK) {
        put_former_back(r, r->former.size > 0 ? &r->former : &again, r->former_time);
        st = po_err_prefix(err, "registry");
    } else {
        part->replaced = again.size > 0;
        part->added = again.size == 0;
    }
    po_buf_deinit(&again);
    return st;
}
