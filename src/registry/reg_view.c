/* Keys in the two views of 64-bit Windows, and which keys lie within another. */
#include "registry/reg.h"

#include "base/utf16.h"
#include "registry/reg_list.h"

#include <string.h>

#define NODE "Wow6432Node"

static bool
is_component(const char *path, size_t from, size_t end, const char *name)
{
    const uint8_t *text = (const uint8_t *)path;
    size_t size = strlen(name);

    if (end - from != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (po_reg_capital(text[from + i]) != po_reg_capital((uint8_t)name[i]))
            return false;
    return true;
}

/*
 * Where HKLM\SOFTWARE ends in a path that begins with it, else 0; and behind the node, if that is
 * next (else the same place).
 */
static size_t
find_node(const char *path, size_t path_size, size_t *behind)
{
    size_t root = po_reg_path_step(path, path_size, 0);
    size_t software;
    size_t node;

    *behind = 0;
    if (root == path_size ||
        !(is_component(path, 0, root, "HKEY_LOCAL_MACHINE") || is_component(path, 0, root, "HKLM")))
        return 0;
    software = po_reg_path_step(path, path_size, root + 1);
    if (!is_component(path, root + 1, software, "SOFTWARE"))
        return 0;
    *behind = software;
    if (software == path_size)
        return software;
    node = po_reg_path_step(path, path_size, software + 1);
    if (is_component(path, software + 1, node, NODE))
        *behind = node;
    return software;
}

void
po_reg_put_path_in_view(struct po_buf *out, const char *path, size_t path_size,
                        enum po_reg_view view)
{
    size_t behind;
    size_t software = find_node(path, path_size, &behind);

    if (view == PO_REG_VIEW_32 && software > 0 && behind == software) {
        po_buf_put(out, path, software);
        po_buf_put_text(out, "\\" NODE);
    } else {
        po_buf_put(out, path, view == PO_REG_VIEW_32 ? behind : software);
    }
    po_buf_put(out, path + behind, path_size - behind);
}

static enum po_status
copy_values(struct po_reg *reg, const struct po_reg_key *key, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; st == PO_OK && i < key->value_count; i++) {
        const struct po_reg_value *value = &key->values[i];

        if (value->is_delete)
            st = po_reg_add_delete(reg, value->name, value->name_size, err);
        else
            st = po_reg_add_value(reg, value->name, value->name_size, value->type, value->data,
                                  value->data_size, err);
    }
    return st;
}

enum po_status
po_reg_in_view(struct po_reg **out, const struct po_reg *reg, enum po_reg_view view,
               struct po_err *err)
{
    struct po_reg *copy = NULL;
    struct po_buf path = { 0 };
    enum po_status st = po_reg_new(&copy, err);

    for (size_t i = 0; st == PO_OK && i < reg->key_count; i++) {
        const struct po_reg_key *key = &reg->keys[i];

        po_buf_clear(&path);
        po_reg_put_path_in_view(&path, key->path, key->path_size, view);
        st = po_buf_check(&path, err);
        if (st == PO_OK)
            st = po_reg_add_key(copy, (const char *)path.bytes, path.size, key->is_delete, NULL,
                                err);
        if (st == PO_OK)
            st = copy_values(copy, key, err);
    }
    po_buf_deinit(&path);
    if (st == PO_OK)
        *out = copy;
    else
        po_reg_free(copy);
    return st;
}

/* ---- within ---- */

/* Whether two components are the same to the registry. */
static bool
is_same(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t i = 0;
    size_t j = 0;

    while (i < a_size && j < b_size) {
        uint32_t left = 0;
        uint32_t right = 0;

        i += po_wtf8_step((const uint8_t *)a + i, a_size - i, &left);
        j += po_wtf8_step((const uint8_t *)b + j, b_size - j, &right);
        if (po_reg_capital(left) != po_reg_capital(right))
            return false;
    }
    return i == a_size && j == b_size;
}

/* `at`, the end of a component, or behind the node if that comes next. */
static size_t
step_over_node(const char *path, size_t path_size, size_t at)
{
    size_t behind;

    return find_node(path, path_size, &behind) == at ? behind : at;
}

bool
po_reg_path_is_within(const char *path, size_t path_size, const char *key, size_t key_size)
{
    size_t path_at = po_reg_path_step(path, path_size, 0);
    size_t key_at = po_reg_path_step(key, key_size, 0);
    size_t path_root = path_at;
    size_t key_root = key_at;
    const char *left = po_reg_long_root(path, &path_root);
    const char *right = po_reg_long_root(key, &key_root);

    if (!is_same(left, path_root, right, key_root))
        return false;
    while (key_at < key_size) {
        size_t path_end;
        size_t key_end;

        if (path_at == path_size)
            return false;
        path_end = po_reg_path_step(path, path_size, path_at + 1);
        key_end = po_reg_path_step(key, key_size, key_at + 1);
        if (!is_same(path + path_at + 1, path_end - path_at - 1, key + key_at + 1,
                     key_end - key_at - 1))
            return false;
        path_at = step_over_node(path, path_size, path_end);
        key_at = step_over_node(key, key_size, key_end);
    }
    return true;
}

bool
po_reg_is_within(const struct po_reg *reg, const char *key, size_t key_size,
                 const struct po_reg_key **outside)
{
    for (size_t i = 0; i < reg->key_count; i++) {
        if (po_reg_path_is_within(reg->keys[i].path, reg->keys[i].path_size, key, key_size))
            continue;
        if (outside != NULL)
            *outside = &reg->keys[i];
        return false;
    }
    return true;
}
