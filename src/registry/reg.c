#include "registry/reg.h"

#include "base/mem.h"

#include <string.h>

bool
po_reg_is_text(uint32_t type)
{
    return type == PO_REG_SZ || type == PO_REG_EXPAND_SZ || type == PO_REG_MULTI_SZ;
}

enum po_status
po_reg_new(struct po_reg **out, struct po_err *err)
{
    struct po_reg *reg = po_mem_new(1, sizeof(*reg));

    if (reg == NULL)
        return po_fail_nomem(err, sizeof(*reg));
    *out = reg;
    return PO_OK;
}

static void
key_deinit(struct po_reg_key *key)
{
    for (size_t i = 0; i < key->value_count; i++) {
        po_mem_free(key->values[i].name);
        po_mem_free(key->values[i].data);
    }
    po_mem_free(key->values);
    po_mem_free(key->path);
}

void
po_reg_free(struct po_reg *reg)
{
    if (reg == NULL)
        return;
    for (size_t i = 0; i < reg->key_count; i++)
        key_deinit(&reg->keys[i]);
    po_mem_free(reg->keys);
    po_mem_free(reg);
}

void
po_reg_remove_last_key(struct po_reg *reg)
{
    if (reg->key_count == 0)
        return;
    reg->key_count--;
    reg->value_count -= reg->keys[reg->key_count].value_count;
    key_deinit(&reg->keys[reg->key_count]);
}

/* Room for one more of `item_size` bytes at the end of an array; it doubles, from one on. */
static enum po_status
grow(void *array, size_t count, size_t *capacity, size_t item_size, struct po_err *err)
{
    size_t more = *capacity > 0 ? *capacity * 2 : 1;
    void *old;
    void *items;

    if (count < *capacity)
        return PO_OK;
    memcpy(&old, array, sizeof(old));
    items = po_mem_resize(old, more, item_size);
    if (items == NULL)
        return po_fail_nomem(err, item_size);
    memcpy(array, &items, sizeof(items));
    *capacity = more;
    return PO_OK;
}

static enum po_status
check_path(const char *path, size_t size, struct po_err *err)
{
    size_t depth = 1;

    if (size == 0 || path[0] == '\\' || path[size - 1] == '\\')
        return po_fail(err, PO_E_FORMAT, "a key with an empty name");
    if (size > PO_REG_VALUE_MAX)
        return po_fail(err, PO_E_FORMAT, "a key's path of %zu bytes", size);
    if (memchr(path, '\0', size) != NULL)
        return po_fail(err, PO_E_FORMAT, "a NUL in the path of a key");
    for (size_t i = 1; i < size; i++) {
        if (path[i] != '\\')
            continue;
        if (path[i - 1] == '\\')
            return po_fail(err, PO_E_FORMAT, "a key with an empty name");
        depth++;
    }
    if (depth > PO_REG_DEPTH_MAX)
        return po_fail(err, PO_E_FORMAT, "a key %zu levels deep; %d are allowed", depth,
                       PO_REG_DEPTH_MAX);
    return PO_OK;
}

enum po_status
po_reg_add_key(struct po_reg *reg, const char *path, size_t path_size, bool is_delete,
               struct po_reg_key **key, struct po_err *err)
{
    struct po_reg_key added = { .path_size = path_size, .is_delete = is_delete };
    enum po_status st = check_path(path, path_size, err);

    if (st != PO_OK)
        return st;
    if (reg->key_count == PO_REG_KEYS_MAX)
        return po_fail(err, PO_E_FORMAT, "more than %zu keys", PO_REG_KEYS_MAX);
    st = grow(&reg->keys, reg->key_count, &reg->key_capacity, sizeof(*reg->keys), err);
    if (st != PO_OK)
        return st;
    added.path = po_mem_copy(path, path_size);
    if (added.path == NULL)
        return po_fail_nomem(err, path_size);
    reg->keys[reg->key_count++] = added;
    if (key != NULL)
        *key = &reg->keys[reg->key_count - 1];
    return PO_OK;
}

static enum po_status
check_value(const struct po_reg *reg, const char *name, size_t name_size, size_t data_size,
            struct po_err *err)
{
    if (reg->key_count == 0)
        return po_fail(err, PO_E_FORMAT, "a value before any key");
    if (reg->keys[reg->key_count - 1].is_delete)
        return po_fail(err, PO_E_FORMAT, "a value of a key that is deleted");
    if (reg->value_count == PO_REG_VALUES_MAX)
        return po_fail(err, PO_E_FORMAT, "more than %zu values", PO_REG_VALUES_MAX);
    if (name_size > PO_REG_VALUE_MAX)
        return po_fail(err, PO_E_FORMAT, "a value's name of %zu bytes", name_size);
    if (name_size > 0 && memchr(name, '\0', name_size) != NULL)
        return po_fail(err, PO_E_FORMAT, "a NUL in the name of a value");
    if (data_size > PO_REG_VALUE_MAX)
        return po_fail(err, PO_E_FORMAT, "a value of %zu bytes; %zu are allowed", data_size,
                       PO_REG_VALUE_MAX);
    return PO_OK;
}

/* Takes a value over into the last key; frees what it holds when that fails. */
static enum po_status
take_value(struct po_reg *reg, struct po_reg_value *value, struct po_err *err)
{
    struct po_reg_key *key = &reg->keys[reg->key_count - 1];
    enum po_status st =
        grow(&key->values, key->value_count, &key->value_capacity, sizeof(*key->values), err);

    if (st != PO_OK) {
        po_mem_free(value->name);
        po_mem_free(value->data);
        return st;
    }
    key->values[key->value_count++] = *value;
    reg->value_count++;
    return PO_OK;
}

enum po_status
po_reg_add_value(struct po_reg *reg, const char *name, size_t name_size, uint32_t type,
                 const void *data, size_t data_size, struct po_err *err)
{
    struct po_reg_value value = { .name_size = name_size, .data_size = data_size, .type = type };
    enum po_status st = check_value(reg, name, name_size, data_size, err);

    if (st != PO_OK)
        return st;
    value.name = po_mem_copy(name, name_size);
    value.data = (uint8_t *)po_mem_copy(data, data_size);
    if (value.name == NULL || value.data == NULL) {
        po_mem_free(value.name);
        po_mem_free(value.data);
        return po_fail_nomem(err, name_size + data_size);
    }
    return take_value(reg, &value, err);
}

enum po_status
po_reg_add_delete(struct po_reg *reg, const char *name, size_t name_size, struct po_err *err)
{
    struct po_reg_value value = { .name_size = name_size, .is_delete = true };
    enum po_status st = check_value(reg, name, name_size, 0, err);

    if (st != PO_OK)
        return st;
    value.name = po_mem_copy(name, name_size);
    if (value.name == NULL)
        return po_fail_nomem(err, name_size);
    return take_value(reg, &value, err);
}

enum po_status
po_reg_value_set(struct po_reg_value *value, uint32_t type, const void *data, size_t data_size,
                 struct po_err *err)
{
    uint8_t *copy = NULL;

    if (data_size > PO_REG_VALUE_MAX)
        return po_fail(err, PO_E_FORMAT, "a value of %zu bytes; %zu are allowed", data_size,
                       PO_REG_VALUE_MAX);
    copy = (uint8_t *)po_mem_copy(data, data_size);
    if (copy == NULL)
        return po_fail_nomem(err, data_size);
    po_mem_free(value->data);
    value->data = copy;
    value->data_size = data_size;
    value->type = type;
    value->is_delete = false;
    return PO_OK;
}
