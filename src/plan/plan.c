#include "plan/plan.h"

#include "base/mem.h"
#include "base/pages.h"
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

enum group { GROUP_DIRECTORIES, GROUP_BY_PATH, GROUP_BY_DELIVERY, GROUP_COUNT };

static enum group
group_of(const struct context *ctx, const struct po_entry *entry)
{
    if (entry->type == POBACKUP_DIRECTORY)
        return GROUP_DIRECTORIES;
    return is_below(ctx, entry) ? GROUP_BY_DELIVERY : GROUP_BY_PATH;
}

/* Of one write time. */
static int
compare_deliveries(const void *context, uint32_t a, uint32_t b)
{
    const struct context *ctx = context;
    const struct po_entry *x = &ctx->list->entries[a];
    const struct po_entry *y = &ctx->list->entries[b];

    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return po_text_compare(po_entry_path(ctx->list, x), x->path_size, po_entry_path(ctx->list, y),
                           y->path_size);
}

/* Negative ones first. */
static uint64_t
time_key(int64_t time)
{
    return (uint64_t)time ^ UINT64_C(1) << 63;
}

/* `rows` has room for all, twice. */
static void
sort(const struct context *ctx, uint32_t *order, uint32_t count, struct po_sort_row *rows)
{
    struct po_sort_row *spare = rows + count;
    uint32_t ends[GROUP_COUNT] = { 0 };
    uint32_t at = 0;

    for (int group = 0; group < GROUP_COUNT; group++) {
        for (uint32_t i = 0; i < count; i++) {
            const struct po_entry *entry = &ctx->list->entries[order[i]];

            if ((int)group_of(ctx, entry) == group)
                rows[at++] =
                    (struct po_sort_row){ .key = time_key(entry->write_time), .number = order[i] };
        }
        ends[group] = at;
    }
    po_sort_texts(rows, spare, ends[GROUP_DIRECTORIES], po_entry_list_path, ctx->list);
    po_sort_texts(rows + ends[GROUP_DIRECTORIES], spare,
                  ends[GROUP_BY_PATH] - ends[GROUP_DIRECTORIES], po_entry_list_path, ctx->list);
    po_sort_rows(rows + ends[GROUP_BY_PATH], spare, count - ends[GROUP_BY_PATH], compare_deliveries,
                 ctx);
    for (uint32_t i = 0; i < count; i++)
        order[i] = rows[i].number;
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
    struct po_sort_row *rows;
    size_t size;
    enum po_status st = PO_OK;

    *plan = (struct po_plan){ .order = po_mem_new(list->count, sizeof *plan->order) };
    if (plan->order == NULL)
        return po_fail_nomem(err, list->count * sizeof *plan->order);
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == PO_ENTRY_PLANNED)
            plan->order[plan->count++] = (uint32_t)i;
    size = plan->count * 2 * sizeof *rows;
    rows = po_pages_new(size);
    if (rows == NULL) {
        st = po_fail_nomem(err, size);
        po_plan_deinit(plan);
        return st;
    }
    sort(&ctx, plan->order, plan->count, rows);
    po_pages_free(rows, size);
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
