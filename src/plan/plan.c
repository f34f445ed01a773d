#include "plan/plan.h"

#include "base/mem.h"
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
compare(const struct context *ctx, uint32_t a, uint32_t b)
{
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

/* Stable merge sort: C17's qsort takes no context. */
static void
merge_sort(const struct context *ctx, uint32_t *order, uint32_t *spare, uint32_t count)
{
    for (uint64_t width = 1; width < count; width *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * width) {
            uint64_t middle = start + width < count ? start + width : count;
            uint64_t end = start + 2 * width < count ? start + 2 * width : count;
            uint64_t a = start;
            uint64_t b = middle;

            for (uint64_t i = start; i < end; i++) {
                bool takes_a = a < middle && (b >= end || compare(ctx, order[a], order[b]) <= 0);

                spare[i] = takes_a ? order[a++] : order[b++];
            }
        }
        memcpy(order, spare, count * sizeof *order);
    }
}

/* Links by file, then by place in the order. Insertion sort would be quadratic on mail stores that link every message: heap sort. */
static bool
is_link_before(const struct po_plan_link *a, const struct po_plan_link *b, const uint32_t *rank)
{
    if (a->device != b->device)
        return a->device < b->device;
    if (a->file_id != b->file_id)
        return a->file_id < b->file_id;
    return rank[a->entry] < rank[b->entry];
}

static void
sift_down(struct po_plan_link *links, size_t root, size_t count, const uint32_t *rank)
{
    for (;;) {
        size_t child = 2 * root + 1;
        struct po_plan_link swap;

        if (child >= count)
            return;
        if (child + 1 < count && is_link_before(&links[child], &links[child + 1], rank))
            child++;
        if (!is_link_before(&links[root], &links[child], rank))
            return;
        swap = links[root];
        links[root] = links[child];
        links[child] = swap;
        root = child;
    }
}

static void
sort_links(struct po_plan_link *links, size_t count, const uint32_t *rank)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(links, i, count, rank);
    for (size_t end = count; end > 1; end--) {
        struct po_plan_link swap = links[0];

        links[0] = links[end - 1];
        links[end - 1] = swap;
        sift_down(links, 0, end - 1, rank);
    }
}

static enum po_status
settle_links(const struct po_plan *plan, struct po_entry_list *list, struct po_plan_link *links,
             size_t count, struct po_err *err)
{
    uint32_t *rank = po_mem_new(list->count, sizeof *rank);
    uint32_t first = PO_NONE;
    enum po_status st = PO_OK;

    if (rank == NULL)
        return po_fail_nomem(err, list->count * sizeof *rank);
    for (uint32_t i = 0; i < plan->count; i++)
        rank[plan->order[i]] = i;
    sort_links(links, count, rank);
    for (size_t i = 0; i < count && st == PO_OK; i++) {
        struct po_entry *entry = &list->entries[links[i].entry];
        const struct po_entry *file;

        if (i == 0 || links[i].device != links[i - 1].device ||
            links[i].file_id != links[i - 1].file_id) {
            first = links[i].entry;
            continue;
        }
        file = &list->entries[first];
        entry->type = POBACKUP_HARDLINK;
        entry->size = 0;
        st = po_entry_list_set_link(list, entry, po_entry_path(list, file), file->path_size, err);
    }
    po_mem_free(rank);
    return st;
}

enum po_status
po_plan_make(struct po_plan *plan, struct po_entry_list *list, const char *by_delivery,
             struct po_plan_link *links, size_t link_count, struct po_err *err)
{
    const struct context ctx = {.list = list,
                                .by_delivery = by_delivery,
                                .by_delivery_size = by_delivery == NULL ? 0 : strlen(by_delivery)};
    uint32_t *spare = po_mem_new(list->count, sizeof *spare);
    enum po_status st = PO_OK;

    *plan = (struct po_plan){.order = po_mem_new(list->count, sizeof *plan->order)};
    if (spare == NULL || plan->order == NULL) {
        po_mem_free(spare);
        po_plan_deinit(plan);
        return po_fail_nomem(err, list->count * sizeof *spare);
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == PO_ENTRY_PLANNED)
            plan->order[plan->count++] = (uint32_t)i;
    merge_sort(&ctx, plan->order, spare, plan->count);
    po_mem_free(spare);
    if (link_count > 0)
        st = settle_links(plan, list, links, link_count, err);
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
    *plan = (struct po_plan){0};
}
