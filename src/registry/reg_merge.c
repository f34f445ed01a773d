/*
 * All lines of both documents, in the order of what they are about: so a key stands before its
 * subkeys, and the distinct keys, those that only lie on the way to others too, become a list of
 * nodes in that same order. A node knows when it was deleted for the last time and which line made
 * it first after that; what was made before is gone. The work is linear in the documents' text but
 * for the sorting.
 */
#include "registry/reg_list.h"

#include "base/mem.h"

#include <string.h>

/* A key, whether a line names it or only a path leads over it. */
struct node {
    size_t parent;     /* node number; of a root key itself */
    size_t dead_until; /* number of the last line that deletes it or a key around it, or 0 */
    size_t first;      /* of the first line behind that one that makes it, or 0: there is none */
    const char *name;  /* as that line spells it */
    size_t name_size;
    bool is_named; /* it, or a key around it, stands in the document as itself */
};

/* A value that is left. */
struct found {
    size_t node;
    const struct po_reg_value *name; /* the line that made it */
    const struct po_reg_value *data; /* the last one */
};

struct merge {
    struct po_reg_list list;
    struct node *nodes;
    size_t node_count;
    size_t node_capacity;
    struct found *found;
    size_t found_count;
    /* The nodes of the path at hand, and where their components end in it. */
    size_t chain[PO_REG_DEPTH_MAX];
    size_t ends[PO_REG_DEPTH_MAX];
    size_t depth;
    const uint8_t *path; /* the path at hand */
};

static enum po_status
add_node(struct merge *merge, struct po_err *err)
{
    struct node *node;

    if (merge->node_count == merge->node_capacity) {
        size_t more = merge->node_capacity == 0 ? 64 : merge->node_capacity * 2;
        struct node *nodes = po_mem_resize(merge->nodes, more, sizeof(*nodes));

        if (nodes == NULL)
            return po_fail_nomem(err, more * sizeof(*nodes));
        merge->nodes = nodes;
        merge->node_capacity = more;
    }
    node = &merge->nodes[merge->node_count];
    *node = (struct node){ .parent = merge->node_count };
    if (merge->depth > 0) {
        node->parent = merge->chain[merge->depth - 1];
        node->dead_until = merge->nodes[node->parent].dead_until;
    }
    merge->chain[merge->depth] = merge->node_count++;
    return PO_OK;
}

/* How many components of the path at hand are also those of the item's. */
static size_t
common_depth(const struct merge *merge, const struct po_reg_item *item)
{
    size_t depth = 0;

    while (depth < merge->depth) {
        size_t end = merge->ends[depth];

        if (end > item->path_size || memcmp(merge->path, item->path, end) != 0 ||
            (end < item->path_size && item->path[end] != 0))
            break;
        depth++;
    }
    return depth;
}

/* Makes the item's path the one at hand, with nodes for what is new on it. */
static enum po_status
enter(struct merge *merge, const struct po_reg_item *item, struct po_err *err)
{
    size_t at;

    merge->depth = common_depth(merge, item);
    merge->path = item->path;
    at = merge->depth > 0 ? merge->ends[merge->depth - 1] : 0;
    while (at < item->path_size) {
        size_t start = at == 0 ? 0 : at + 1;
        const uint8_t *stop = memchr(item->path + start, 0, item->path_size - start);
        enum po_status st = add_node(merge, err);

        if (st != PO_OK)
            return st;
        at = stop != NULL ? (size_t)(stop - item->path) : item->path_size;
        merge->ends[merge->depth++] = at;
    }
    return PO_OK;
}

/* A line that names a key makes all keys on the way to it. */
static void
make_path(struct merge *merge, const struct po_reg_item *item)
{
    const char *path = item->key->path;
    size_t from = 0;

    for (size_t i = 0; i < merge->depth; i++) {
        struct node *node = &merge->nodes[merge->chain[i]];
        size_t end = po_reg_path_step(path, item->key->path_size, from);

        if (item->number > node->dead_until && (node->first == 0 || item->number < node->first)) {
            node->first = item->number;
            node->name = path + from;
            node->name_size = end - from;
        }
        from = end + 1;
    }
    merge->nodes[merge->chain[merge->depth - 1]].is_named = true;
}

/* The lines about one value, from the nth on; returns where they end. */
static size_t
take_value(struct merge *merge, size_t n)
{
    const struct po_reg_item *first = po_reg_list_at(&merge->list, n);
    struct found found = { .node = merge->chain[merge->depth - 1] };

    for (; n < merge->list.count; n++) {
        const struct po_reg_item *item = po_reg_list_at(&merge->list, n);

        if (item != first && po_reg_item_compare(item, first) != 0)
            break;
        if (item->number < merge->nodes[found.node].dead_until)
            continue;
        found.data = item->value->is_delete ? NULL : item->value;
        if (found.data == NULL || found.name == NULL)
            found.name = found.data;
    }
    if (found.data != NULL)
        merge->found[merge->found_count++] = found;
    return n;
}

static enum po_status
take_lines(struct merge *merge, struct po_err *err)
{
    size_t n = 0;

    while (n < merge->list.count) {
        const struct po_reg_item *item = po_reg_list_at(&merge->list, n);
        struct node *node;
        enum po_status st;

        if (item->kind == PO_REG_ITEM_VALUE) {
            n = take_value(merge, n);
            continue;
        }
        st = enter(merge, item, err);
        if (st != PO_OK)
            return st;
        /* Deletions of a key come before all that is made of it and below it. */
        node = &merge->nodes[merge->chain[merge->depth - 1]];
        if (item->kind == PO_REG_ITEM_KEY)
            make_path(merge, item);
        else if (item->number > node->dead_until)
            node->dead_until = item->number;
        n++;
    }
    return PO_OK;
}

/* Root keys by their long names. */
static void
put_component(struct po_buf *path, const struct node *node, bool is_root)
{
    if (is_root) {
        po_reg_put_path_key(path, node->name, node->name_size, 0);
        return;
    }
    po_buf_put_u8(path, '\\');
    po_buf_put(path, node->name, node->name_size);
}

static enum po_status
emit_values(const struct merge *merge, struct po_reg *reg, size_t node, size_t *next,
            struct po_err *err)
{
    enum po_status st = PO_OK;

    for (; st == PO_OK && *next < merge->found_count && merge->found[*next].node == node; ++*next) {
        const struct found *found = &merge->found[*next];

        st = po_reg_add_value(reg, found->name->name, found->name->name_size, found->data->type,
                              found->data->data, found->data->data_size, err);
    }
    return st;
}

/*
 * Each node that is there and not above all keys that the documents name. `ends` has where the path
 * of each level ends, by which a node finds its parent's.
 */
static enum po_status
emit(struct merge *merge, struct po_reg *reg, struct po_err *err)
{
    struct po_buf path = { 0 };
    size_t depth = 0;
    size_t next = 0;
    uint64_t total = 0;
    enum po_status st = PO_OK;

    for (size_t i = 0; st == PO_OK && i < merge->node_count; i++) {
        struct node *node = &merge->nodes[i];

        if (node->first == 0)
            continue;
        while (depth > 0 && merge->chain[depth - 1] != node->parent)
            depth--;
        path.size = depth > 0 ? merge->ends[depth - 1] : 0;
        put_component(&path, node, depth == 0);
        if (path.failed) {
            st = po_fail_nomem(err, path.size);
            break;
        }
        merge->chain[depth] = i;
        merge->ends[depth++] = path.size;
        node->is_named = node->is_named || merge->nodes[node->parent].is_named;
        if (!node->is_named)
            continue;
        total += path.size;
        if (total > PO_REG_SIZE_MAX)
            st = po_fail(err, PO_E_FORMAT, "keys with more than %llu bytes of paths",
                         (unsigned long long)PO_REG_SIZE_MAX);
        if (st == PO_OK)
            st = po_reg_add_key(reg, (const char *)path.bytes, path.size, false, NULL, err);
        if (st == PO_OK)
            st = emit_values(merge, reg, i, &next, err);
    }
    po_buf_deinit(&path);
    return st;
}

enum po_status
po_reg_merge(struct po_reg **out, const struct po_reg *base, const struct po_reg *over,
             struct po_err *err)
{
    const struct po_reg *regs[] = { base, over };
    struct merge *merge = po_mem_new(1, sizeof(*merge));
    struct po_reg *reg = NULL;
    enum po_status st;

    if (merge == NULL)
        return po_fail_nomem(err, sizeof(*merge));
    st = po_reg_list_init(&merge->list, regs, 2, 0, err);
    if (st != PO_OK)
        goto done;
    merge->found = po_mem_new(base->value_count + over->value_count, sizeof(*merge->found));
    if (merge->found == NULL) {
        st = po_fail_nomem(err, sizeof(*merge->found));
        goto done;
    }
    st = take_lines(merge, err);
    if (st != PO_OK)
        goto done;
    st = po_reg_new(&reg, err);
    if (st != PO_OK)
        goto done;
    st = emit(merge, reg, err);
    if (st != PO_OK)
        goto done;
    *out = reg;
    reg = NULL;
done:
    po_reg_free(reg);
    po_reg_list_deinit(&merge->list);
    po_mem_free(merge->nodes);
    po_mem_free(merge->found);
    po_mem_free(merge);
    return st;
}
