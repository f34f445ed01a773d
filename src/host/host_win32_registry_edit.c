/*
 * Changing the registry, difference by difference. Keys are opened one component at a time, each
 * without following a link, so that nothing outside the key is ever reached; the keys on the way
 * stay open for the next difference, which mostly lies beside.
 */
#include "host/host_win32_regapi.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <string.h>

/* The keys on the way to the one that is being written, each open. */
struct walk {
    HKEY key[PO_REG_DEPTH_MAX];
    size_t end[PO_REG_DEPTH_MAX]; /* where its path ends in `path` */
    size_t depth;
    struct po_buf path;
};

struct po_win32_registry_editor {
    const struct po_win32_regapi *api;
    const struct po_win32_registry_key *key;
    wchar_t *below;  /* a copy of the key's, which is cut off now and then */
    size_t key_size; /* of its path */
    bool is_changed;
    size_t first_made; /* in `below`: where the topmost key ends that was made for it; 0: none */
    struct walk walk;
    struct po_err *err;  /* of the call at hand */
    struct po_err later; /* failures behind the one that is told */
};

/* ---- differences ---- */

static bool
is_key(const struct po_reg_difference *difference)
{
    return difference->before == NULL && difference->after == NULL;
}

static enum po_status
add_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    struct po_win32_registry_changes *changes = ctx;
    const struct po_reg_difference *last =
        changes->count > 0 ? &changes->items[changes->count - 1] : NULL;

    /* Values go with their key. */
    if (difference->change == PO_REG_REMOVED && last != NULL && last->change == PO_REG_REMOVED &&
        is_key(last) && last->key == difference->key)
        return PO_OK;
    if (changes->items == NULL || changes->count == changes->capacity) {
        size_t more = changes->capacity == 0 ? 64 : changes->capacity * 2;
        struct po_reg_difference *items = po_mem_resize(changes->items, more, sizeof(*items));

        if (items == NULL)
            return po_fail_nomem(err, more * sizeof(*items));
        changes->items = items;
        changes->capacity = more;
    }
    changes->items[changes->count++] = *difference;
    return PO_OK;
}

enum po_status
po_win32_registry_changes_find(struct po_win32_registry_changes *changes, const struct po_reg *from,
                               const struct po_reg *to, struct po_err *err)
{
    return po_reg_compare(from, to, 0, add_difference, changes, err);
}

void
po_win32_registry_changes_deinit(struct po_win32_registry_changes *changes)
{
    po_mem_free(changes->items);
    *changes = (struct po_win32_registry_changes){ 0 };
}

/* ---- the way to a key ---- */

static void
walk_up(struct po_win32_registry_editor *editor, size_t depth)
{
    struct walk *walk = &editor->walk;

    while (walk->depth > depth)
        (void)editor->api->close_key(walk->key[--walk->depth]);
    walk->path.size = depth > 0 ? walk->end[depth - 1] : 0;
}

/* How many of the open keys are on the way to this path. */
static size_t
common_depth(const struct walk *walk, const char *path, size_t path_size)
{
    size_t depth = 0;

    while (depth < walk->depth && walk->end[depth] <= path_size &&
           memcmp(walk->path.bytes, path, walk->end[depth]) == 0 &&
           (walk->end[depth] == path_size || path[walk->end[depth]] == '\\'))
        depth++;
    return depth;
}

/* As much as this account may, so that what it may not fails where it matters. */
static LSTATUS
open_at(const struct po_win32_registry_editor *editor, HKEY parent, const wchar_t *name,
        REGSAM access, HKEY *out)
{
    return editor->api->open_key(parent, name, REG_OPTION_OPEN_LINK, access | editor->key->view,
                                 out);
}

static LSTATUS
make_at(const struct po_win32_registry_editor *editor, HKEY parent, const wchar_t *name, HKEY *out)
{
    const REGSAM access = KEY_READ | KEY_WRITE | editor->key->view;
    LSTATUS code = editor->api->create_key(parent, name, 0, NULL, REG_OPTION_NON_VOLATILE, access,
                                           NULL, out, NULL);

    /* Below a key that the next restart forgets there is nothing else. */
    if (code == ERROR_CHILD_MUST_BE_VOLATILE)
        code = editor->api->create_key(parent, name, 0, NULL, REG_OPTION_VOLATILE, access, NULL,
                                       out, NULL);
    return code;
}

/*
 * Makes the top key and those above it that are missing, and notes the topmost of them, which is
 * the first that has to go again.
 */
static LSTATUS
make_top(struct po_win32_registry_editor *editor, HKEY *out)
{
    wchar_t *below = editor->below;
    size_t length = wcslen(below);
    LSTATUS code = ERROR_SUCCESS;

    for (size_t i = 1; code == ERROR_SUCCESS && i <= length; i++) {
        wchar_t end = below[i];
        HKEY key = NULL;

        if (end != L'\\' && end != L'\0')
            continue;
        below[i] = L'\0';
        code = open_at(editor, HKEY_LOCAL_MACHINE, below, MAXIMUM_ALLOWED, &key);
        if (code == ERROR_FILE_NOT_FOUND) {
            code = make_at(editor, HKEY_LOCAL_MACHINE, below, &key);
            if (code == ERROR_SUCCESS && editor->first_made == 0)
                editor->first_made = i;
        }
        below[i] = end;
        if (code == ERROR_SUCCESS && i == length)
            *out = key;
        else if (code == ERROR_SUCCESS)
            (void)editor->api->close_key(key);
    }
    return code;
}

/* One more key on the way; it is made when it is not there and `is_made`. */
static LSTATUS
step(struct po_win32_registry_editor *editor, const wchar_t *name, bool is_made, bool *is_link)
{
    struct walk *walk = &editor->walk;
    bool is_top = walk->depth == 0;
    HKEY parent = is_top ? HKEY_LOCAL_MACHINE : walk->key[walk->depth - 1];
    HKEY key = NULL;
    LSTATUS code = open_at(editor, parent, is_top ? editor->below : name, MAXIMUM_ALLOWED, &key);

    if (code == ERROR_PATH_NOT_FOUND)
        code = ERROR_FILE_NOT_FOUND;
    if (code == ERROR_FILE_NOT_FOUND && is_made) {
        editor->is_changed = true;
        code = is_top ? make_top(editor, &key) : make_at(editor, parent, name, &key);
    }
    if (code != ERROR_SUCCESS)
        return code;
    walk->key[walk->depth++] = key;
    return po_win32_registry_is_link(editor->api, key, is_link);
}

/* The component of a path behind `start`, the top key's path as a whole; where it ends. */
static enum po_status
next_name(const struct po_win32_registry_editor *editor, const char *path, size_t path_size,
          size_t start, size_t *end, struct po_wide *name)
{
    const char *stop;

    *end = editor->key_size;
    if (start == 0)
        return PO_OK;
    stop = memchr(path + start + 1, '\\', path_size - start - 1);
    *end = stop != NULL ? (size_t)(stop - path) : path_size;
    return po_wide_from_text(name, path + start + 1, *end - start - 1, editor->err);
}

/* Opens a key and all on the way to it. *out stays NULL when it is not there and not to be made. */
static enum po_status
walk_to(struct po_win32_registry_editor *editor, const char *path, size_t path_size, bool is_made,
        HKEY *out)
{
    struct walk *walk = &editor->walk;

    walk_up(editor, common_depth(walk, path, path_size));
    while (walk->path.size < path_size) {
        size_t depth = walk->depth;
        size_t start = walk->path.size;
        size_t end = 0;
        struct po_wide name = { 0 };
        bool is_link = false;
        LSTATUS code;
        enum po_status st = next_name(editor, path, path_size, start, &end, &name);

        if (st != PO_OK)
            return st;
        po_buf_put(&walk->path, path + start, end - start);
        walk->end[depth] = end;
        code = walk->path.failed ? ERROR_NOT_ENOUGH_MEMORY
                                 : step(editor, name.text, is_made, &is_link);
        po_wide_free(&name);
        if (code == ERROR_SUCCESS && !is_link)
            continue;
        walk_up(editor, depth);
        if (is_link)
            return po_fail(editor->err, PO_E_IO, "%s: a link to another key, which is not followed",
                           path);
        if (code == ERROR_FILE_NOT_FOUND && !is_made)
            return PO_OK;
        return po_win32_registry_fail(editor->err, code, path, end, NULL);
    }
    *out = walk->key[walk->depth - 1];
    return PO_OK;
}

/* ---- changing ---- */

/* A key or a value that is to be there. */
static enum po_status
put(struct po_win32_registry_editor *editor, const struct po_reg_difference *difference)
{
    const struct po_reg_key *key = difference->key;
    const struct po_reg_value *value = difference->after;
    struct po_wide name = { 0 };
    HKEY handle = NULL;
    LSTATUS code;
    enum po_status st = walk_to(editor, key->path, key->path_size, true, &handle);

    if (st != PO_OK || value == NULL)
        return st;
    st = po_wide_from_text(&name, value->name, value->name_size, editor->err);
    if (st != PO_OK)
        return st;
    editor->is_changed = true;
    code = editor->api->set_value(handle, name.text, value->type, value->data,
                                  (DWORD)value->data_size);
    po_wide_free(&name);
    return code == ERROR_SUCCESS
               ? PO_OK
               : po_win32_registry_fail(editor->err, code, key->path, key->path_size, value);
}

static enum po_status
remove_value(struct po_win32_registry_editor *editor, const struct po_reg_difference *difference)
{
    const struct po_reg_key *key = difference->key;
    const struct po_reg_value *value = difference->before;
    struct po_wide name = { 0 };
    HKEY handle = NULL;
    LSTATUS code;
    enum po_status st = walk_to(editor, key->path, key->path_size, false, &handle);

    if (st == PO_OK && handle != NULL)
        st = po_wide_from_text(&name, value->name, value->name_size, editor->err);
    if (st != PO_OK || handle == NULL)
        return st;
    editor->is_changed = true;
    code = editor->api->delete_value(handle, name.text);
    po_wide_free(&name);
    return code == ERROR_SUCCESS || code == ERROR_FILE_NOT_FOUND
               ? PO_OK
               : po_win32_registry_fail(editor->err, code, key->path, key->path_size, value);
}

/* Deletes a key without subkeys; that it is not there is fine. */
static LSTATUS
delete_at(struct po_win32_registry_editor *editor, HKEY parent, const wchar_t *name)
{
    HKEY key = NULL;
    LSTATUS code = open_at(editor, parent, name, DELETE, &key);

    if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND)
        return ERROR_SUCCESS;
    if (code != ERROR_SUCCESS)
        return code;
    editor->is_changed = true;
    code = editor->api->delete_key(key);
    (void)editor->api->close_key(key);
    return code;
}

static enum po_status
remove_key(struct po_win32_registry_editor *editor, const struct po_reg_key *key)
{
    size_t parent_size = key->path_size;
    struct po_wide name = { 0 };
    HKEY parent = NULL;
    LSTATUS code;
    enum po_status st = PO_OK;

    if (key->path_size == editor->key_size) {
        walk_up(editor, 0);
        code = delete_at(editor, HKEY_LOCAL_MACHINE, editor->below);
    } else {
        while (key->path[--parent_size] != '\\')
            continue;
        st = walk_to(editor, key->path, parent_size, false, &parent);
        if (st == PO_OK && parent != NULL)
            st = po_wide_from_text(&name, key->path + parent_size + 1,
                                   key->path_size - parent_size - 1, editor->err);
        if (st != PO_OK || parent == NULL)
            return st;
        code = delete_at(editor, parent, name.text);
        po_wide_free(&name);
    }
    return code == ERROR_SUCCESS
               ? PO_OK
               : po_win32_registry_fail(editor->err, code, key->path, key->path_size, NULL);
}

static enum po_status
change(struct po_win32_registry_editor *editor, const struct po_reg_difference *difference)
{
    if (difference->change != PO_REG_REMOVED)
        return put(editor, difference);
    return is_key(difference) ? remove_key(editor, difference->key)
                              : remove_value(editor, difference);
}

/*
 * First all that is to be there, so that as little as possible has to come back when that fails.
 * Then what is to go: backwards, so that subkeys go before their keys.
 */
enum po_status
po_win32_registry_apply(struct po_win32_registry_editor *editor,
                        const struct po_win32_registry_changes *changes, bool goes_on,
                        struct po_err *err)
{
    enum po_status first = PO_OK;

    for (size_t i = 0; i < 2 * changes->count && (first == PO_OK || goes_on); i++) {
        bool is_second = i >= changes->count;
        const struct po_reg_difference *difference =
            &changes->items[is_second ? 2 * changes->count - 1 - i : i];
        enum po_status st;

        if ((difference->change == PO_REG_REMOVED) != is_second)
            continue;
        editor->err = first == PO_OK ? err : &editor->later;
        st = change(editor, difference);
        if (first == PO_OK)
            first = st;
    }
    walk_up(editor, 0);
    return first;
}

/* ---- the whole ---- */

enum po_status
po_win32_registry_remove_made(struct po_win32_registry_editor *editor, struct po_err *err)
{
    wchar_t *below = editor->below;
    size_t end = wcslen(below);
    LSTATUS code = ERROR_SUCCESS;

    editor->err = err;
    if (editor->first_made == 0)
        return PO_OK;
    while (code == ERROR_SUCCESS && --end >= editor->first_made) {
        if (below[end] != L'\\')
            continue;
        below[end] = L'\0';
        code = delete_at(editor, HKEY_LOCAL_MACHINE, below);
        below[end] = L'\\';
    }
    return code == ERROR_SUCCESS ? PO_OK
                                 : po_win32_registry_fail(editor->err, code, editor->key->path,
                                                          editor->key_size, NULL);
}

enum po_status
po_win32_registry_flush(struct po_win32_registry_editor *editor, struct po_err *err)
{
    wchar_t *below = editor->below;
    size_t end = wcslen(below);
    HKEY key = NULL;
    LSTATUS code = ERROR_FILE_NOT_FOUND;

    editor->err = err;
    while (code == ERROR_FILE_NOT_FOUND && end > 0) {
        wchar_t behind = below[end];

        below[end] = L'\0';
        code = open_at(editor, HKEY_LOCAL_MACHINE, below, KEY_QUERY_VALUE, &key);
        below[end] = behind;
        while (--end > 0 && below[end] != L'\\')
            continue;
    }
    if (code == ERROR_SUCCESS) {
        code = editor->api->flush_key(key);
        (void)editor->api->close_key(key);
    }
    return code == ERROR_SUCCESS ? PO_OK
                                 : po_win32_registry_fail(editor->err, code, editor->key->path,
                                                          editor->key_size, NULL);
}

enum po_status
po_win32_registry_editor_new(struct po_win32_registry_editor **out,
                             const struct po_win32_regapi *api,
                             const struct po_win32_registry_key *key, struct po_err *err)
{
    size_t size = (wcslen(key->below) + 1) * sizeof(wchar_t);
    struct po_win32_registry_editor *editor = po_mem_new(1, sizeof(*editor));

    if (editor == NULL)
        return po_fail_nomem(err, sizeof(*editor));
    *editor = (struct po_win32_registry_editor){ .api = api, .key = key };
    editor->key_size = strlen(key->path);
    editor->below = (wchar_t *)(void *)po_mem_copy(key->below, size);
    if (editor->below == NULL) {
        po_mem_free(editor);
        return po_fail_nomem(err, size);
    }
    *out = editor;
    return PO_OK;
}

void
po_win32_registry_editor_free(struct po_win32_registry_editor *editor)
{
    if (editor == NULL)
        return;
    walk_up(editor, 0);
    po_buf_deinit(&editor->walk.path);
    po_mem_free(editor->below);
    po_mem_free(editor);
}

bool
po_win32_registry_is_changed(const struct po_win32_registry_editor *editor)
{
    return editor->is_changed;
}
