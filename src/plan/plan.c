#include "plan/plan.h"

#include "base/mem.h"
#include "base/sort.h"
#include "base/text.h"

#include <string.h>

/* What decides an entry's place, gathered once. */
struct context {
    const struct po_entry_list *list;
    const char *by_delivery;
    size_t by_delivery_size;
};

static bool
is_below(const struct context *ctx, const struct po_entry *entry)
{
    const char *path = po_entry_path(ctx->list, entry);

    return ctx->by_delivery != NULL && entry->path_size > ctx->by_delivery_size &&
           path[ctx->by_delivery_size] == '/' &&
           memcmp(path, ctx->by_delivery, ctx->by_delivery_size) == 0;
}

/* 0 directories, 1 by path, 2 by delivery. */
static int
group_of(const struct context *ctx, const struct po_entry *entry)
{
    if (entry->type == POBACKUP_DIRECTORY)
        return 0;
    return is_below(ctx, entry) ? 2 : 1;
}

static int
compare(const void *context, uint32_t a, uint32_t b)
{
    const struct context *ctx = context;
    const struct po_entry *x = &ctx->list->entries[a];
    const struct po_entry *y = &ctx->list->entries[b];
    int group = group_of(ctx, x);
    int order = group - group_of(ctx, y);

    if (order != 0)
        return order;
    if (group == 2) {
        if (x->write_time != y->write_time)
            return x->write_time < y->write_time ? -1 : 1;
        if (x->size != y->size)
            return x->size < y->size ? -1 : 1;
    }
    return po_text_compare(po_entry_path(ctx->list, x), x->path_size, po_entry_path(ctx->list, y),
                           y->path_size);
}

static int
compare_files(const struct po_plan_link *x, const struct po_plan_link *y)
{
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->file_id != y->file_id)
        return x->file_id < y->file_id ? -1 : 1;
    return 0;
}

static int
compare_numbers(const void *context, uint32_t a, uint32_t b)
{
    const struct po_plan_link *links = context;
    int order = compare_files(&links[a], &links[b]);

    return order != 0 ? order : a < b ? -1 : 1;
}

enum po_status
po_plan_each_group(const struct po_plan_link *links, size_t count, po_plan_group_fn each, void *ctx,
                   struct po_err *err)
{
    uint32_t all = (uint32_t)count;
    uint32_t *numbers = po_mem_new(all, 2 * sizeof *numbers);
    uint32_t end = 0;
    enum po_status st = PO_OK;

    if (numbers == NULL)
        return po_fail_nomem(err, all * sizeof *numbers);
    for (uint32_t i = 0; i < all; i++)
        numbers[i] = i;
    po_sort_numbers(numbers, numbers + all, all, compare_numbers, links);
    for (uint32_t i = 0; i < all && st == PO_OK; i = end) {
        end = i + 1;
        while (end < all && compare_files(&links[numbers[end]], &links[numbers[i]]) == 0)
            end++;
        st = each(ctx, numbers + i, end - i, err);
    }
    po_mem_free(numbers);
    return st;
}

/* Names of one file stand together, the first in the archive's order first. */
struct link_context {
    const struct po_plan_link *links;
    const uint32_t *rank; /* of each entry in the order */
};

static int
compare_links(const void *context, uint32_t a, uint32_t b)
{
    const struct link_context *ctx = context;
    const struct po_plan_link *x = &ctx->links[a];
    const struct po_plan_link *y = &ctx->links[b];

    int order = compare_files(x, y);

    return order != 0 ? order : ctx->rank[x->entry] < ctx->rank[y->entry] ? -1 : 1;
}

static enum po_status
settle_links(const struct po_plan *plan, struct po_entry_list *list,
             const struct po_plan_link *links, uint32_t count, struct po_err *err)
{
    uint32_t *rank = po_mem_new(list->count, sizeof *rank);
    uint32_t *numbers = po_mem_new(count, 2 * sizeof *numbers);
    struct link_context ctx = { .links = links, .rank = rank };
    const struct po_plan_link *first = NULL;
    enum po_status st = PO_OK;

    if (rank == NULL || numbers == NULL) {
        st = po_fail_nomem(err, list->count * sizeof *rank);
        goto done;
    }
    for (uint32_t i = 0; i < plan->count; i++)
        rank[plan->order[i]] = i;
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    po_sort_numbers(numbers, numbers + count, count, compare_links, &ctx);
    for (uint32_t i = 0; i < count && st == PO_OK; i++) {
        const struct po_plan_link *link = &links[numbers[i]];
        struct po_entry *entry = &list->entries[link->entry];
        const struct po_entry *file;

        if (first == NULL || link->device != first->device || link->file_id != first->file_id) {
            first = link;
            continue;
        }
        file = &list->entries[first->entry];
        entry->type = POBACKUP_HARDLINK;
        entry->size = 0;
        entry->frame = first->entry;
        st = po_entry_list_set_link(list, entry, po_entry_path(list, file), file->path_size, err);
    }
done:
    po_mem_free(numbers);
    po_mem_free(rank);
    return st;
}

enum po_status
po_plan_make(struct po_plan *plan, struct po_entry_list *list, const char *by_delivery,
             const struct po_plan_link *links, size_t link_count, struct po_err *err)
{
    const struct context ctx = { .list = list,
                                 .by_delivery = by_delivery,
                                 .by_delivery_size =
                                     by_delivery == NULL ? 0 : strlen(by_delivery) };
    uint32_t *spare = po_mem_new(list->count, sizeof *spare);
    enum po_status st = PO_OK;

    *plan = (struct po_plan){ .order = po_mem_new(list->count, sizeof *plan->order) };
    if (spare == NULL || plan->order == NULL) {
        po_mem_free(spare);
        po_plan_deinit(plan);
        return po_fail_nomem(err, list->count * sizeof *spare);
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == PO_ENTRY_PLANNED)
            plan->order[plan->count++] = (uint32_t)i;
    po_sort_numbers(plan->order, spare, plan->count, compare, &ctx);
    po_mem_free(spare);
    if (link_count > 0)
        st = settle_links(plan, list, links, (uint32_t)link_count, err);
    for (uint32_t i = 0; i < plan->count; i++)
        plan->bytes += list->entries[plan->order[i]].size;
    if (st != PO_OK)
        po_plan_deinit(plan);
    return st;
}

void
po_plan_deinit(struct po_plan *plan)
{
    po_mem_free(plan->order);
    *plan = (struct po_plan){ 0 };
}
