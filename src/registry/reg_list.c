#include "registry/reg_list.h"

#include "base/mem.h"
#include "base/sort.h"

#include <string.h>

static int
compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common > 0 ? memcmp(a, b, common) : 0;

    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

int
po_reg_item_compare(const struct po_reg_item *a, const struct po_reg_item *b)
{
    int order = compare_bytes(a->path, a->path_size, b->path, b->path_size);

    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    if (order == 0)
        order = compare_bytes(a->name, a->name_size, b->name, b->name_size);
    return order;
}

/* Of numbers of items; the sort is stable, so that those of equals stay in order. */
static int
compare_numbers(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_reg_list *list = ctx;

    return po_reg_item_compare(&list->items[a], &list->items[b]);
}

static void
add_item(struct po_reg_list *list, struct po_reg_item *item)
{
    list->order[list->count] = list->count;
    item->number = (size_t)list->count + 1;
    list->items[list->count++] = *item;
}

static void
add_key(struct po_reg_list *list, const struct po_reg_key *key, unsigned flags)
{
    struct po_reg_item item = { .key = key, .path_at = list->text.size };

    po_reg_put_path_key(&list->text, key->path, key->path_size, flags);
    item.path_size = list->text.size - item.path_at;
    item.kind = key->is_delete ? PO_REG_ITEM_DELETE : PO_REG_ITEM_KEY;
    add_item(list, &item);
    item.kind = PO_REG_ITEM_VALUE;
    for (size_t i = 0; i < key->value_count; i++) {
        item.value = &key->values[i];
        item.name_at = list->text.size;
        po_reg_put_name_key(&list->text, item.value->name, item.value->name_size);
        item.name_size = list->text.size - item.name_at;
        add_item(list, &item);
    }
}

static enum po_status
sort(struct po_reg_list *list, struct po_err *err)
{
    uint32_t *spare = po_mem_new(list->count, sizeof(*spare));

    if (spare == NULL)
        return po_fail_nomem(err, sizeof(*spare));
    po_sort_numbers(list->order, spare, list->count, compare_numbers, list);
    po_mem_free(spare);
    return PO_OK;
}

enum po_status
po_reg_list_init(struct po_reg_list *list, const struct po_reg *const *regs, size_t reg_count,
                 unsigned flags, struct po_err *err)
{
    size_t count = 0;

    for (size_t i = 0; i < reg_count; i++)
        count += regs[i]->key_count + regs[i]->value_count;
    *list = (struct po_reg_list){ .items = po_mem_new(count, sizeof(*list->items)),
                                  .order = po_mem_new(count, sizeof(*list->order)) };
    if (list->items == NULL || list->order == NULL)
        return po_fail_nomem(err, sizeof(*list->items));
    for (size_t i = 0; i < reg_count; i++)
        for (size_t j = 0; j < regs[i]->key_count; j++)
            add_key(list, &regs[i]->keys[j], flags);
    if (list->text.failed)
        return po_fail_nomem(err, list->text.size);
    for (uint32_t i = 0; i < list->count; i++) {
        struct po_reg_item *item = &list->items[i];

        item->path = list->text.bytes + item->path_at;
        item->name = list->text.bytes + item->name_at;
    }
    return sort(list, err);
}

void
po_reg_list_deinit(struct po_reg_list *list)
{
    po_mem_free(list->items);
    po_mem_free(list->order);
    po_buf_deinit(&list->text);
    *list = (struct po_reg_list){ 0 };
}
