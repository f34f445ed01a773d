/*
 * Each document becomes a list of what import into an empty registry would leave: its lines as
 * items, sorted by key and name and then by their place in the file, and all but the last of equals
 * dropped. Two such lists are merged. All linear but the sorting.
 */
#include "registry/reg.h"

#include "base/mem.h"
#include "base/utf16.h"
#include "registry/reg_text.h"

#include <stdlib.h>
#include <string.h>

/* In the order in which they stand for one key. */
enum kind { KIND_KEY_DELETE, KIND_KEY, KIND_VALUE };

/* One line of a document. Offsets into list.text while it grows, and then pointers to it. */
struct item {
    const uint8_t *path;
    const uint8_t *name;
    size_t path_at;
    size_t path_size;
    size_t name_at;
    size_t name_size;
    size_t number; /* place in the file */
    enum kind kind;
    const struct po_reg_key *key;
    const struct po_reg_value *value; /* NULL for keys */
};

struct list {
    struct item *items;
    size_t count;
    struct po_buf text; /* of path and name keys */
};

/*
 * Letters whose capital is `delta` away, each `step`th of the range, in ascending order: what
 * Windows' own table has for the scripts in use.
 */
static const struct {
    uint16_t first;
    uint16_t last;
    uint16_t step;
    int16_t delta;
} letters[] = {
    { 'a', 'z', 1, -32 },       { 0xE0, 0xF6, 1, -32 },     { 0xF8, 0xFE, 1, -32 },
    { 0xFF, 0xFF, 1, 121 },     { 0x101, 0x12F, 2, -1 },    { 0x133, 0x137, 2, -1 },
    { 0x13A, 0x148, 2, -1 },    { 0x14B, 0x177, 2, -1 },    { 0x17A, 0x17E, 2, -1 },
    { 0x3AC, 0x3AC, 1, -38 },   { 0x3AD, 0x3AF, 1, -37 },   { 0x3B1, 0x3C1, 1, -32 },
    { 0x3C3, 0x3CB, 1, -32 },   { 0x3CC, 0x3CC, 1, -64 },   { 0x3CD, 0x3CE, 1, -63 },
    { 0x430, 0x44F, 1, -32 },   { 0x450, 0x45F, 1, -80 },   { 0x461, 0x481, 2, -1 },
    { 0x48B, 0x4BF, 2, -1 },    { 0x4D1, 0x4F9, 2, -1 },    { 0x561, 0x586, 1, -48 },
    { 0x1E01, 0x1E95, 2, -1 },  { 0x1EA1, 0x1EF9, 2, -1 },  { 0x2170, 0x217F, 1, -16 },
    { 0x24D0, 0x24E9, 1, -26 }, { 0xFF41, 0xFF5A, 1, -32 },
};

static uint32_t
capital(uint32_t code)
{
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (code < letters[i].first)
            return code;
        if (code <= letters[i].last && (code - letters[i].first) % letters[i].step == 0)
            return (uint32_t)((int32_t)code + letters[i].delta);
    }
    return code;
}

void
po_reg_put_name_key(struct po_buf *out, const char *name, size_t name_size)
{
    const uint8_t *bytes = (const uint8_t *)name;
    size_t at = 0;

    while (at < name_size) {
        uint32_t code = 0;

        at += po_wtf8_step(bytes + at, name_size - at, &code);
        po_wtf8_put_code(out, capital(code));
    }
}

static bool
is_text(const struct po_buf *buf, size_t from, const char *text)
{
    size_t size = strlen(text);

    return buf->size - from == size && memcmp(buf->bytes + from, text, size) == 0;
}

/* Puts the long name of a root key, which begins at `from`, in the place of a short one. */
static void
expand_root(struct po_buf *out, size_t from)
{
    static const struct {
        const char *name;
        const char *full;
    } roots[] = {
        { "HKLM", "HKEY_LOCAL_MACHINE" },  { "HKCU", "HKEY_CURRENT_USER" },
        { "HKCR", "HKEY_CLASSES_ROOT" },   { "HKU", "HKEY_USERS" },
        { "HKCC", "HKEY_CURRENT_CONFIG" },
    };

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (!is_text(out, from, roots[i].name))
            continue;
        out->size = from;
        po_buf_put_text(out, roots[i].full);
        return;
    }
}

void
po_reg_put_path_key(struct po_buf *out, const char *path, size_t path_size, unsigned flags)
{
    const char *end = path + path_size;
    bool is_redirected = false; /* the component before is one below which WOW64 puts its node */
    bool is_root = true;

    while (path < end && !out->failed) {
        const char *stop = memchr(path, '\\', (size_t)(end - path));
        size_t before = out->size;
        size_t from;

        if (stop == NULL)
            stop = end;
        /* Lower than any character: subkeys come before siblings whose names go on. */
        if (!is_root)
            po_buf_put_u8(out, 0);
        from = out->size;
        po_reg_put_name_key(out, path, (size_t)(stop - path));
        if (out->failed)
            return;
        if (is_root)
            expand_root(out, from);
        if ((flags & PO_REG_IGNORE_WOW64) != 0 && is_redirected &&
            is_text(out, from, "WOW6432NODE"))
            out->size = before;
        else
            is_redirected = is_text(out, from, "SOFTWARE") || is_text(out, from, "CLASSES");
        is_root = false;
        path = stop < end ? stop + 1 : end;
    }
}

static int
compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common > 0 ? memcmp(a, b, common) : 0;

    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

/* By what an item is about; 0: the later one is in the place of the other. */
static int
compare_subjects(const struct item *a, const struct item *b)
{
    int order = compare_bytes(a->path, a->path_size, b->path, b->path_size);

    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    if (order == 0)
        order = compare_bytes(a->name, a->name_size, b->name, b->name_size);
    return order;
}

static int
compare_items(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    int order = compare_subjects(a, b);

    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static void
add_items(struct list *list, const struct po_reg_key *key, unsigned flags)
{
    struct item item = { .key = key, .path_at = list->text.size };

    po_reg_put_path_key(&list->text, key->path, key->path_size, flags);
    item.path_size = list->text.size - item.path_at;
    item.kind = key->is_delete ? KIND_KEY_DELETE : KIND_KEY;
    item.number = list->count;
    list->items[list->count++] = item;
    item.kind = KIND_VALUE;
    for (size_t i = 0; i < key->value_count; i++) {
        item.value = &key->values[i];
        item.name_at = list->text.size;
        po_reg_put_name_key(&list->text, item.value->name, item.value->name_size);
        item.name_size = list->text.size - item.name_at;
        item.number = list->count;
        list->items[list->count++] = item;
    }
}

/* A deleted key, and the latest number of its own and of all deletions around it. */
struct deletion {
    const uint8_t *path;
    size_t path_size;
    size_t number;
};

static bool
is_below(const struct item *item, const struct deletion *deletion)
{
    if (item->path_size < deletion->path_size ||
        memcmp(item->path, deletion->path, deletion->path_size) != 0)
        return false;
    return item->path_size == deletion->path_size || item->path[deletion->path_size] == 0;
}

/*
 * Drops what later lines undo. The items of a deleted key and of all below it follow its deletion
 * in the order of the list, so that a stack of the deletions around the place at hand is enough.
 */
static enum po_status
drop_undone(struct list *list, struct po_err *err)
{
    struct deletion *around = po_mem_new(list->count, sizeof(*around));
    size_t depth = 0;
    size_t kept = 0;

    if (around == NULL)
        return po_fail_nomem(err, sizeof(*around));
    for (size_t i = 0; i < list->count; i++) {
        const struct item *item = &list->items[i];

        while (depth > 0 && !is_below(item, &around[depth - 1]))
            depth--;
        if (item->kind == KIND_KEY_DELETE) {
            around[depth] = (struct deletion){ item->path, item->path_size, item->number };
            if (depth > 0 && around[depth - 1].number > item->number)
                around[depth].number = around[depth - 1].number;
            depth++;
            continue;
        }
        if (depth > 0 && around[depth - 1].number > item->number)
            continue;
        if (i + 1 < list->count && compare_subjects(item, &list->items[i + 1]) == 0)
            continue;
        if (item->kind == KIND_VALUE && item->value->is_delete)
            continue;
        list->items[kept++] = *item;
    }
    list->count = kept;
    po_mem_free(around);
    return PO_OK;
}

static enum po_status
list_init(struct list *list, const struct po_reg *reg, unsigned flags, struct po_err *err)
{
    list->items = po_mem_new(reg->key_count + reg->value_count, sizeof(*list->items));
    if (list->items == NULL)
        return po_fail_nomem(err, sizeof(*list->items));
    for (size_t i = 0; i < reg->key_count; i++)
        add_items(list, &reg->keys[i], flags);
    if (list->text.failed)
        return po_fail_nomem(err, list->text.size);
    for (size_t i = 0; i < list->count; i++) {
        struct item *item = &list->items[i];

        item->path = list->text.bytes + item->path_at;
        item->name = list->text.bytes + item->name_at;
    }
    qsort(list->items, list->count, sizeof(*list->items), compare_items);
    return drop_undone(list, err);
}

static void
list_deinit(struct list *list)
{
    po_mem_free(list->items);
    po_buf_deinit(&list->text);
}

static bool
has_same_data(const struct po_reg_value *a, const struct po_reg_value *b)
{
    return a->type == b->type && a->data_size == b->data_size &&
           memcmp(a->data, b->data, a->data_size) == 0;
}

/* Tells of one subject: an item of either list, or both. */
static enum po_status
tell(const struct item *before, const struct item *after, po_reg_difference_fn each, void *ctx,
     struct po_err *err)
{
    struct po_reg_difference difference = { .change = PO_REG_CHANGED };

    if (before == NULL)
        difference.change = PO_REG_ADDED;
    else if (after == NULL)
        difference.change = PO_REG_REMOVED;
    else if (before->kind == KIND_KEY || has_same_data(before->value, after->value))
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
    struct list old_list = { 0 };
    struct list new_list = { 0 };
    size_t i = 0;
    size_t j = 0;
    enum po_status st = list_init(&old_list, before, flags, err);

    if (st != PO_OK)
        goto done;
    st = list_init(&new_list, after, flags, err);
    while (st == PO_OK && (i < old_list.count || j < new_list.count)) {
        const struct item *a = i < old_list.count ? &old_list.items[i] : NULL;
        const struct item *b = j < new_list.count ? &new_list.items[j] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : compare_subjects(a, b);

        st = tell(order <= 0 ? a : NULL, order >= 0 ? b : NULL, each, ctx, err);
        i += order <= 0;
        j += order >= 0;
    }
done:
    list_deinit(&new_list);
    list_deinit(&old_list);
    return st;
}
