/*
 * A folder site's registry is a file, so importing is joining two files. Where nothing of the former
 * one survives, the new one is written as it is, byte for byte: a copy should be a copy.
 */
#include "host/host_folder_registry.h"

#include "registry/reg.h"

#include <string.h>

/* Whether some key changes when it is brought into the view. */
static bool
is_in_view(const struct po_reg *reg, enum po_reg_view view, bool *is_in, struct po_err *err)
{
    struct po_buf path = { 0 };
    enum po_status st = PO_OK;

    *is_in = true;
    for (size_t i = 0; i < reg->key_count && *is_in && st == PO_OK; i++) {
        const struct po_reg_key *key = &reg->keys[i];

        po_buf_clear(&path);
        po_reg_put_path_in_view(&path, key->path, key->path_size, view);
        st = po_buf_check(&path, err);
        *is_in = st != PO_OK ||
                 (path.size == key->path_size && memcmp(path.bytes, key->path, path.size) == 0);
    }
    po_buf_deinit(&path);
    return st == PO_OK;
}

/* The new one in the former one's view; *is_moved: that is not how it was written. */
static enum po_status
align(struct po_reg **reg, const struct po_reg *former, bool *is_moved, struct po_err *err)
{
    enum po_reg_view view = PO_REG_VIEW_PLAIN;
    struct po_reg *moved = NULL;
    bool is_in = true;
    enum po_status st;

    if (!is_in_view(former, PO_REG_VIEW_PLAIN, &is_in, err))
        return err->status;
    if (!is_in)
        view = PO_REG_VIEW_32;
    if (!is_in_view(*reg, view, &is_in, err))
        return err->status;
    *is_moved = !is_in;
    if (is_in)
        return PO_OK;
    st = po_reg_in_view(&moved, *reg, view, err);
    if (st == PO_OK) {
        po_reg_free(*reg);
        *reg = moved;
    }
    return st;
}

/* A po_reg_difference_fn: one that the import leaves. */
static enum po_status
note_survivor(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    (void)err;
    if (difference->change == PO_REG_REMOVED)
        *(bool *)ctx = true;
    return PO_OK;
}

/* Lines that delete are for an import, not for a file that is a registry. */
static bool
has_deletions(const struct po_reg *reg)
{
    for (size_t i = 0; i < reg->key_count; i++) {
        if (reg->keys[i].is_delete)
            return true;
        for (size_t j = 0; j < reg->keys[i].value_count; j++)
            if (reg->keys[i].values[j].is_delete)
                return true;
    }
    return false;
}

static enum po_status
join(struct po_buf *out, const struct po_reg *former, struct po_reg **reg, enum po_registry_how how,
     struct po_err *err)
{
    struct po_reg *merged = NULL;
    bool is_moved = false;
    bool is_merged = false;
    enum po_status st = align(reg, former, &is_moved, err);

    if (st == PO_OK && how == PO_REGISTRY_MERGED) {
        is_merged = has_deletions(*reg);
        st = po_reg_compare(former, *reg, 0, note_survivor, &is_merged, err);
    }
    if (st == PO_OK && is_merged)
        st = po_reg_merge(&merged, former, *reg, err);
    if (st == PO_OK && (is_merged || is_moved))
        st = po_reg_print(is_merged ? merged : *reg, out, err);
    po_reg_free(merged);
    return st;
}

enum po_status
po_host_folder_registry_join(struct po_buf *out, const struct po_buf *former, const void *bytes,
                             size_t size, enum po_registry_how how, struct po_err *err)
{
    struct po_reg *old = NULL;
    struct po_reg *reg = NULL;
    struct po_err why = { 0 };
    enum po_status st;

    st = po_reg_parse(&reg, bytes, size, PO_REG_CODE_PAGE_AUTO, &why);
    if (st == PO_OK && former->size > 0) {
        st = po_reg_parse(&old, former->bytes, former->size, PO_REG_CODE_PAGE_AUTO, &why);
        if (st != PO_OK)
            (void)po_err_prefix(&why, "the one that is there");
    }
    if (st == PO_OK && former->size > 0)
        st = join(out, old, &reg, how, &why);
    /* What replaces need not be understood, nor what is replaced. */
    if (how == PO_REGISTRY_EXACT && (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED))
        st = PO_OK;
    if (st != PO_OK)
        *err = why;
    po_reg_free(old);
    po_reg_free(reg);
    return st;
}
