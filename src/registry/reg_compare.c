/*
 * Each document becomes a list of what import into an empty registry would leave: its lines in
 * order, and all but the last of equals dropped. Two such lists are merged. All linear but the
 * sorting.
 */
#include "registry/reg_list.h"

#include "base/mem.h"

#include <string.h>

/* A deleted key, and the latest number of its own and of all deletions around it. */
struct deletion {
    const uint8_t *path;
    size_t path_size;
    size_t number;
};

static bool
is_below(const struct po_reg_item *item, const struct deletion *deletion)
{
    if (item->path_size < deletion->path_size ||
        memcmp(item->path, deletion->path, deletion->path_size) != 0)
        return false;
    return item->path_size == deletion->path_size || item->path[deletion->path_size] == 0;
}

/*
 * Drops from the order what later lines undo. The items of a deleted key and of all below it follow
 * its deletion, so that a stack of the deletions around the place at hand is enough.
 */
static enum po_status
drop_undone(struct po_reg_list *list, struct po_err *err)
{
    struct deletion *around = po_mem_new(list->count, sizeof(*around));
    size_t depth = 0;
    uint32_t kept = 0;

    if (around == NULL)
        return po_fail_nomem(err, sizeof(*around));
    for (uint32_t i = 0; i < list->count; i++) {
        const struct po_reg_item *item = po_reg_list_at(list, i);

        while (depth > 0 && !is_below(item, &around[depth - 1]))
            depth--;
        if (item->kind == PO_REG_ITEM_DELETE) {
            around[depth] = (struct deletion){ item->path, item->path_size, item->number };
            if (depth > 0 && around[depth - 1].number > item->number)
                around[depth].number = around[depth - 1].number;
            depth++;
            continue;
        }
        if (depth > 0 && around[depth - 1].number > item->number)
            continue;
        if (i + 1 < list->count && po_reg_item_compare(item, po_reg_list_at(list, i + 1)) == 0)
            continue;
        if (item->kind == PO_REG_ITEM_VALUE && item->value->is_delete)
            continue;
        list->order[kept++] = list->order[i];
    }
    list->count = kept;
    po_mem_free(around);
    return PO_OK;
}

static enum po_status
list_init(struct po_reg_list *list, const struct po_reg *reg, unsigned flags, struct po_err *err)
{
    enum po_status st = po_reg_list_init(list, &reg, 1, flags, err);

    return st == PO_OK ? drop_undone(list, err) : st;
}

static bool
has_same_data(const struct po_reg_value *a, const struct po_reg_value *b)
{
    return a->type == b->type && a->data_size == b->data_size &&
           memcmp(a->data, b->data, a->data_size) == 0;
}

/* Tells of one subject: an item of either list, or both. */
static enum po_status
tell(const struct po_reg_item *before, const struct po_reg_item *after, po_reg_difference_fn each,
     void *ctx, struct po_err *err)
{
    struct po_reg_difference difference = { .change = PO_REG_CHANGED };

    if (before == NULL)
        difference.change = PO_REG_ADDED;
    else if (after == NULL)
        difference.change = PO_REG_REMOVED;
    else if (before->kind == PO_REG_ITEM_KEY || has_same_data(before->value, after->value))
        return PO_OK;
    if (before != NULL) {
        difference.key = before->key;
        difference.before = before->value;
    }
    if (after != NULL) {
        difference.key = after->key;
        difference.after = after->value;
    }
    return each(ctx, &difference, err);
}

enum po_status
po_reg_compare(const struct po_reg *before, const struct po_reg *after, unsigned flags,
               po_reg_difference_fn each, void *ctx, struct po_err *err)
{
    struct po_reg_list old_list = { 0 };
    struct po_reg_list new_list = { 0 };
    size_t i = 0;
    size_t j = 0;
    enum po_status st = list_init(&old_list, before, flags, err);

    if (st != PO_OK)
        goto done;
    st = list_init(&new_list, after, flags, err);
    while (st == PO_OK && (i < old_list.count || j < new_list.count)) {
        const struct po_reg_item *a = i < old_list.count ? po_reg_list_at(&old_list, i) : NULL;
        const struct po_reg_item *b = j < new_list.count ? po_reg_list_at(&new_list, j) : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : po_reg_item_compare(a, b);

        st = tell(order <= 0 ? a : NULL, order >= 0 ? b : NULL, each, ctx, err);
        i += order <= 0;
        j += order >= 0;
    }
done:
    po_reg_list_deinit(&new_list);
    po_reg_list_deinit(&old_list);
    return st;
}
