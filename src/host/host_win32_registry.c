/* Reading the registry. */
#include "host/host_win32_regapi.h"

#include "base/mem.h"
#include "port/file_win32.h"
#include "port/sys.h"

#include <string.h>

/* The registry has 255 characters for a key's name and 16383 for a value's. */
#define NAME_LENGTH 32768u
#define DATA_SIZE_MIN 4096u
/* How often a key is read that changes meanwhile, and how long it is left alone in between. */
#define READ_TRIES 20
#define READ_PAUSE_MS 10u

/* A key whose subkeys are being read. */
struct level {
    HKEY key;
    size_t path_size;    /* of its path */
    struct po_buf names; /* of its subkeys, UTF-16, each with a NUL behind */
    size_t next;         /* the one to come */
};

struct reader {
    const struct po_win32_regapi *api;
    REGSAM view;
    struct po_reg *reg;
    struct po_buf path;   /* of the key at hand */
    struct level *levels; /* PO_REG_DEPTH_MAX of them: no recursion, however deep the keys are */
    size_t depth;
    wchar_t *name; /* NAME_LENGTH */
    struct po_buf data;
    struct po_buf text;
    struct po_buf left_out; /* what is told of the values that are */
    po_win32_problem_fn problem;
    void *ctx;
    struct po_buf *gaps;
    struct po_err *err;
};

/* Tells of the key at hand. */
static enum po_status
tell(struct reader *reader, const char *reason, bool is_gap)
{
    if (reader->gaps != NULL && is_gap) {
        po_buf_put(reader->gaps, reader->path.bytes, reader->path.size);
        po_buf_put_u8(reader->gaps, 0);
        if (reader->gaps->failed)
            return po_fail_nomem(reader->err, reader->path.size);
    }
    if (reader->problem == NULL)
        return PO_OK;
    return reader->problem(reader->ctx, po_buf_text(&reader->path), reason, reader->err);
}

static enum po_status
tell_code(struct reader *reader, LSTATUS code)
{
    struct po_err why;

    if (code == ERROR_RETRY)
        return tell(reader, "it changes all the time", true);
    if (po_fail_win32(&why, (DWORD)code, "not read") == PO_E_NOMEM) {
        *reader->err = why;
        return po_err_prefix(reader->err, "%s", po_buf_text(&reader->path));
    }
    return tell(reader, why.text, true);
}

/* What of the key at hand no document holds. */
static void
leave_out(struct reader *reader, const char *what, const char *reason)
{
    po_buf_printf(&reader->left_out, "%s%s is left out: %s", reader->left_out.size > 0 ? "; " : "",
                  what, reason);
}

static enum po_status
take_value(struct reader *reader, DWORD length, DWORD type, DWORD size)
{
    struct po_err why = { 0 };
    enum po_status st;

    po_buf_clear(&reader->text);
    po_wide_put(&reader->text, reader->name, length);
    if (reader->text.failed)
        return po_fail_nomem(reader->err, length);
    st = po_reg_add_value(reader->reg, (const char *)reader->text.bytes, reader->text.size, type,
                          reader->data.bytes, size, &why);
    if (st == PO_OK)
        return PO_OK;
    if (st != PO_E_FORMAT || reader->reg->value_count == PO_REG_VALUES_MAX) {
        *reader->err = why;
        return st;
    }
    leave_out(reader, "a value", why.text);
    return PO_OK;
}

/* The value's name and data; with more room for as long as that is wanted. */
static LSTATUS
enum_value(struct reader *reader, HKEY key, DWORD index, DWORD *length, DWORD *type, DWORD *size)
{
    LSTATUS code;

    do {
        *length = NAME_LENGTH;
        *size = (DWORD)reader->data.capacity;
        code = reader->api->enum_value(key, index, reader->name, length, NULL, type,
                                       reader->data.bytes, size);
        if (code != ERROR_MORE_DATA || *size > PO_REG_VALUE_MAX)
            return code;
        /* It may say what it likes: it gets more each time, so that it ends. */
        if (*size <= reader->data.capacity)
            *size = (DWORD)reader->data.capacity + 1;
        if (!po_buf_reserve(&reader->data, *size))
            return ERROR_NOT_ENOUGH_MEMORY;
    } while (reader->data.capacity <= 2 * PO_REG_VALUE_MAX);
    return code;
}

/* ERROR_RETRY when there are more items than there were, or less. */
static LSTATUS
judge(LSTATUS code, bool is_end)
{
    if (code == ERROR_NO_MORE_ITEMS)
        return is_end ? ERROR_SUCCESS : ERROR_RETRY;
    return is_end && (code == ERROR_SUCCESS || code == ERROR_MORE_DATA) ? ERROR_RETRY : code;
}

static enum po_status
read_values(struct reader *reader, HKEY key, DWORD count, LSTATUS *code)
{
    for (DWORD i = 0; i <= count; i++) {
        DWORD length = 0;
        DWORD type = REG_NONE;
        DWORD size = 0;
        enum po_status st = PO_OK;

        *code = enum_value(reader, key, i, &length, &type, &size);
        if (*code == ERROR_MORE_DATA && i < count) {
            leave_out(reader, "a value", "more than 64 MiB");
            continue;
        }
        *code = judge(*code, i == count);
        if (*code == ERROR_SUCCESS && i < count)
            st = take_value(reader, length, type, size);
        if (st != PO_OK || *code != ERROR_SUCCESS)
            return st;
    }
    return PO_OK;
}

static enum po_status
take_name(struct reader *reader, DWORD length, struct po_buf *names)
{
    if (wcsnlen(reader->name, length) < length) {
        leave_out(reader, "a subkey", "a NUL in its name");
        return PO_OK;
    }
    po_buf_put(names, reader->name, length * sizeof(wchar_t));
    po_buf_put_u16le(names, 0);
    return po_buf_check(names, reader->err);
}

static enum po_status
read_names(struct reader *reader, HKEY key, DWORD count, struct po_buf *names, LSTATUS *code)
{
    for (DWORD i = 0; i <= count; i++) {
        DWORD length = NAME_LENGTH;
        enum po_status st = PO_OK;

        *code = reader->api->enum_key(key, i, reader->name, &length, NULL, NULL, NULL, NULL);
        *code = judge(*code, i == count);
        if (*code == ERROR_SUCCESS && i < count)
            st = take_name(reader, length, names);
        if (st != PO_OK || *code != ERROR_SUCCESS)
            return st;
    }
    return PO_OK;
}

/* The key at hand as it is at one moment: *code = ERROR_RETRY when it was not still. */
static enum po_status
read_once(struct reader *reader, HKEY key, struct po_buf *names, LSTATUS *code)
{
    const struct po_win32_regapi *api = reader->api;
    DWORD subkeys[2] = { 0 };
    DWORD values[2] = { 0 };
    FILETIME times[2] = { { 0 }, { 0 } };
    enum po_status st;

    *code = api->query_info(key, NULL, NULL, NULL, &subkeys[0], NULL, NULL, &values[0], NULL, NULL,
                            NULL, &times[0]);
    if (*code != ERROR_SUCCESS)
        return PO_OK;
    st = read_values(reader, key, values[0], code);
    if (st == PO_OK && *code == ERROR_SUCCESS)
        st = read_names(reader, key, subkeys[0], names, code);
    if (st != PO_OK || *code != ERROR_SUCCESS)
        return st;
    *code = api->query_info(key, NULL, NULL, NULL, &subkeys[1], NULL, NULL, &values[1], NULL, NULL,
                            NULL, &times[1]);
    if (*code == ERROR_SUCCESS && (subkeys[0] != subkeys[1] || values[0] != values[1] ||
                                   CompareFileTime(&times[0], &times[1]) != 0))
        *code = ERROR_RETRY;
    return PO_OK;
}

/* The key at hand. When *code is not ERROR_SUCCESS, nothing of it is in the document. */
static enum po_status
read_key(struct reader *reader, HKEY key, struct po_buf *names, LSTATUS *code)
{
    struct po_err why = { 0 };
    enum po_status st = PO_OK;

    *code = ERROR_RETRY;
    for (int i = 0; st == PO_OK && *code == ERROR_RETRY && i < READ_TRIES; i++) {
        if (i > 1)
            po_sys_sleep_ms(READ_PAUSE_MS);
        po_buf_clear(names);
        po_buf_clear(&reader->left_out);
        st = po_reg_add_key(reader->reg, (const char *)reader->path.bytes, reader->path.size, false,
                            NULL, &why);
        /* Too deep: a key at the registry's own limit has one component more in the other view. */
        if (st == PO_E_FORMAT && reader->reg->key_count < PO_REG_KEYS_MAX) {
            *code = ERROR_SUCCESS;
            return tell(reader, why.text, true);
        }
        if (st != PO_OK) {
            *reader->err = why;
            return st;
        }
        st = read_once(reader, key, names, code);
        if (*code != ERROR_SUCCESS)
            po_reg_remove_last_key(reader->reg);
    }
    if (st == PO_OK && *code == ERROR_SUCCESS && reader->left_out.size > 0)
        st = tell(reader, po_buf_text(&reader->left_out), true);
    return st;
}

/* Why a key that is open is not to be read, or is to be told; NULL: nothing is the matter. */
static const char *
find_oddity(struct reader *reader, HKEY key, LSTATUS *code, bool *is_gap)
{
    bool is_link = false;

    *is_gap = true;
    *code = po_win32_registry_is_link(reader->api, key, &is_link);
    if (is_link)
        return "a link to another key, which is not followed";
    if (memchr(reader->path.bytes, '\n', reader->path.size) != NULL ||
        memchr(reader->path.bytes, '\r', reader->path.size) != NULL)
        return "a line break in its name, which no .reg file can hold";
    *is_gap = false;
    if (*code == ERROR_SUCCESS && (reader->api->key_flags(key) & PO_WIN32_KEY_VOLATILE) != 0)
        return "a volatile key, which Windows forgets when it restarts; saved as any other";
    return NULL;
}

/* Reads the key at hand, which is open, and makes it the lowest level. Takes `key` over. */
static enum po_status
enter(struct reader *reader, HKEY key)
{
    struct level *level = &reader->levels[reader->depth];
    bool is_top = reader->depth == 0;
    bool is_gap = false;
    LSTATUS code = ERROR_SUCCESS;
    const char *oddity = find_oddity(reader, key, &code, &is_gap);
    enum po_status st = PO_OK;

    *level = (struct level){ .key = key, .path_size = reader->path.size };
    reader->depth++;
    if (oddity != NULL && is_gap && is_top)
        return po_fail(reader->err, PO_E_IO, "%s: %s", po_buf_text(&reader->path), oddity);
    if (oddity != NULL)
        st = tell(reader, oddity, is_gap);
    if (st != PO_OK || is_gap)
        return st;
    if (code == ERROR_SUCCESS)
        st = read_key(reader, key, &level->names, &code);
    if (st != PO_OK || code == ERROR_SUCCESS)
        return st;
    po_buf_clear(&level->names);
    if (is_top && code == ERROR_RETRY)
        return po_fail(reader->err, PO_E_IO, "%s: it changes all the time",
                       po_buf_text(&reader->path));
    if (is_top)
        return po_win32_registry_fail(reader->err, code, po_buf_text(&reader->path),
                                      reader->path.size, NULL);
    return tell_code(reader, code);
}

static void
leave(struct reader *reader)
{
    struct level *level = &reader->levels[--reader->depth];

    (void)reader->api->close_key(level->key);
    po_buf_deinit(&level->names);
}

/* All below the level that is there. */
static enum po_status
read_below(struct reader *reader)
{
    enum po_status st = PO_OK;

    while (st == PO_OK && reader->depth > 0) {
        struct level *level = &reader->levels[reader->depth - 1];
        const wchar_t *name;
        HKEY key = NULL;
        LSTATUS code;

        if (level->next == level->names.size) {
            leave(reader);
            continue;
        }
        name = (const wchar_t *)(const void *)(level->names.bytes + level->next);
        level->next += (wcslen(name) + 1) * sizeof(wchar_t);
        reader->path.size = level->path_size;
        po_buf_put_u8(&reader->path, '\\');
        po_wide_put(&reader->path, name, wcslen(name));
        if (reader->path.failed)
            return po_fail_nomem(reader->err, level->path_size);
        code = reader->api->open_key(level->key, name, REG_OPTION_OPEN_LINK,
                                     KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | reader->view, &key);
        if (code != ERROR_SUCCESS)
            st = tell_code(reader, code);
        else
            st = enter(reader, key);
    }
    return st;
}

static enum po_status
reader_init(struct reader *reader, const struct po_win32_registry_key *key, struct po_err *err)
{
    reader->levels = po_mem_new(PO_REG_DEPTH_MAX, sizeof(*reader->levels));
    reader->name = po_mem_new(NAME_LENGTH, sizeof(*reader->name));
    if (reader->levels == NULL || reader->name == NULL ||
        !po_buf_reserve(&reader->data, DATA_SIZE_MIN))
        return po_fail_nomem(err, NAME_LENGTH * sizeof(*reader->name));
    po_buf_put_text(&reader->path, key->path);
    return po_buf_check(&reader->path, err);
}

static void
reader_deinit(struct reader *reader)
{
    while (reader->depth > 0)
        leave(reader);
    po_mem_free(reader->levels);
    po_mem_free(reader->name);
    po_buf_deinit(&reader->path);
    po_buf_deinit(&reader->data);
    po_buf_deinit(&reader->text);
    po_buf_deinit(&reader->left_out);
    po_reg_free(reader->reg);
}

enum po_status
po_win32_registry_load(const struct po_win32_regapi *api, const struct po_win32_registry_key *key,
                       po_win32_problem_fn problem, void *ctx, struct po_reg **out, bool *exists,
                       struct po_buf *gaps, struct po_err *err)
{
    struct reader reader = {
        .api = api, .view = key->view, .problem = problem, .ctx = ctx, .gaps = gaps, .err = err
    };
    HKEY top = NULL;
    LSTATUS code;
    enum po_status st = reader_init(&reader, key, err);

    if (st == PO_OK)
        st = po_reg_new(&reader.reg, err);
    if (st != PO_OK)
        goto done;
    code = api->open_key(HKEY_LOCAL_MACHINE, key->below, REG_OPTION_OPEN_LINK,
                         KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | key->view, &top);
    *exists = code == ERROR_SUCCESS;
    if (code == ERROR_SUCCESS) {
        st = enter(&reader, top);
        if (st == PO_OK)
            st = read_below(&reader);
    } else if (code != ERROR_FILE_NOT_FOUND && code != ERROR_PATH_NOT_FOUND) {
        st = po_win32_registry_fail(err, code, po_buf_text(&reader.path), reader.path.size, NULL);
    }
    if (st != PO_OK)
        goto done;
    *out = reader.reg;
    reader.reg = NULL;
done:
    reader_deinit(&reader);
    return st;
}

enum po_status
po_win32_registry_read_with(const struct po_win32_regapi *api, struct po_reg **out,
                            const char *key_name, po_win32_problem_fn problem, void *ctx,
                            struct po_err *err)
{
    struct po_win32_registry_key key = { 0 };
    struct po_reg *reg = NULL;
    bool exists = false;
    enum po_status st = po_win32_registry_key_init(&key, api, key_name, err);

    if (st != PO_OK)
        return st;
    st = po_win32_registry_load(api, &key, problem, ctx, &reg, &exists, NULL, err);
    if (st == PO_OK && !exists)
        st = po_fail(err, PO_E_IO, "%s: no such registry key", key.path);
    if (st == PO_OK)
        *out = reg;
    else
        po_reg_free(reg);
    po_win32_registry_key_deinit(&key);
    return st;
}

enum po_status
po_win32_registry_read(struct po_reg **out, const char *key, po_win32_problem_fn problem, void *ctx,
                       struct po_err *err)
{
    return po_win32_registry_read_with(&po_win32_regapi, out, key, problem, ctx, err);
}
