#include "engine/omissions.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "base/sort.h"
#include "base/text.h"

#include <jansson.h>
#include <string.h>

#define SIZE_BYTES 4u

void
po_omissions_deinit(struct po_omissions *omissions)
{
    for (size_t i = 0; i < omissions->pattern_count; i++)
        po_mem_free(omissions->patterns[i]);
    po_mem_free(omissions->patterns);
    po_mem_free(omissions->starts);
    po_buf_deinit(&omissions->paths);
    *omissions = (struct po_omissions){ 0 };
}

bool
po_omissions_are_cut(const struct po_omissions *omissions)
{
    return omissions->item_count > omissions->path_count;
}

/* ---- loading ---- */

static const char *
path_at(const struct po_omissions *omissions, uint32_t number, size_t *size)
{
    const uint8_t *at = omissions->paths.bytes + omissions->starts[number];

    *size = po_load_u32le(at);
    return (const char *)at + SIZE_BYTES;
}

/* One item's "path", or "path_hex" where the name is not UTF-8. */
static enum po_status
add_path(struct po_omissions *omissions, const json_t *item, struct po_err *err)
{
    const char *text = json_string_value(json_object_get(item, "path"));
    const char *hex = json_string_value(json_object_get(item, "path_hex"));
    struct po_buf *paths = &omissions->paths;
    size_t size = text != NULL ? strlen(text) : hex != NULL ? strlen(hex) / 2 : 0;

    /* "..." stands for names that were too long for the list: then it is cut. */
    if (size == 0 || size > UINT32_MAX || (text != NULL && strcmp(text, "...") == 0))
        return PO_OK;
    omissions->starts[omissions->path_count] = (uint32_t)paths->size; /* of a summary: < 16 MiB */
    po_buf_put_u32le(paths, (uint32_t)size);
    if (text != NULL)
        po_buf_put(paths, text, size);
    else if (po_buf_reserve(paths, size) &&
             po_text_parse_hex(hex, paths->bytes + paths->size, size))
        paths->size += size;
    else if (!paths->failed)
        return po_fail(err, PO_E_FORMAT, "summary: a path_hex that is no hexadecimal number");
    omissions->path_count += !paths->failed;
    return po_buf_check(paths, err);
}

static enum po_status
add_patterns(struct po_omissions *omissions, const json_t *list, struct po_err *err)
{
    size_t count = json_array_size(list);

    omissions->patterns = po_mem_new(count, sizeof(*omissions->patterns));
    if (omissions->patterns == NULL)
        return po_fail_nomem(err, count * sizeof(*omissions->patterns));
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        char *copy = text == NULL ? NULL : po_mem_strdup(text);

        if (text == NULL)
            continue;
        if (copy == NULL)
            return po_fail_nomem(err, strlen(text));
        omissions->patterns[omissions->pattern_count++] = copy;
    }
    return PO_OK;
}

static int
compare_paths(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_omissions *omissions = ctx;
    const uint8_t *bytes = omissions->paths.bytes;

    return po_text_compare(bytes + a + SIZE_BYTES, po_load_u32le(bytes + a), bytes + b + SIZE_BYTES,
                           po_load_u32le(bytes + b));
}

static enum po_status
sort_paths(struct po_omissions *omissions, struct po_err *err)
{
    uint32_t *spare = po_mem_new(omissions->path_count, sizeof(*spare));

    if (spare == NULL)
        return po_fail_nomem(err, omissions->path_count * sizeof(*spare));
    po_sort_numbers(omissions->starts, spare, omissions->path_count, compare_paths, omissions);
    po_mem_free(spare);
    return PO_OK;
}

static enum po_status
load(struct po_omissions *omissions, const json_t *root, struct po_err *err)
{
    const json_t *skipped = json_object_get(root, "skipped");
    const json_t *count = json_object_get(json_object_get(root, "counts"), "skipped");
    size_t listed = json_array_size(skipped);
    enum po_status st = add_patterns(omissions, json_object_get(root, "excludes"), err);

    omissions->item_count = listed;
    if (json_is_integer(count) && (uint64_t)json_integer_value(count) > listed)
        omissions->item_count = (uint64_t)json_integer_value(count);
    omissions->starts = po_mem_new(listed, sizeof(*omissions->starts));
    if (omissions->starts == NULL)
        return po_fail_nomem(err, listed * sizeof(*omissions->starts));
    for (size_t i = 0; i < listed && st == PO_OK; i++)
        st = add_path(omissions, json_array_get(skipped, i), err);
    return st == PO_OK ? sort_paths(omissions, err) : st;
}

enum po_status
po_omissions_load(struct po_omissions *omissions, const struct po_reader *reader,
                  struct po_err *err)
{
    struct po_buf text = { 0 };
    json_t *root = NULL;
    enum po_status st = po_reader_summary(reader, &text, err);

    *omissions = (struct po_omissions){ 0 };
    if (st == PO_OK) {
        root = json_loadb((const char *)text.bytes, text.size, 0, NULL);
        /* The reader has checked that it is one. */
        st = root == NULL ? po_fail_nomem(err, text.size) : load(omissions, root, err);
    }
    json_decref(root);
    po_buf_deinit(&text);
    return st;
}

/* ---- asking ---- */

static bool
has_path(const struct po_omissions *omissions, const char *path, size_t size)
{
    uint32_t first = 0;
    uint32_t count = omissions->path_count;

    while (count > 0) {
        uint32_t half = count / 2;
        size_t found_size;
        const char *found = path_at(omissions, first + half, &found_size);
        int order = po_text_compare(found, found_size, path, size);

        if (order == 0)
            return true;
        if (order < 0) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return false;
}

bool
po_omissions_cover(const struct po_omissions *omissions, const char *path, size_t size)
{
    if (po_omissions_are_cut(omissions))
        return true;
    for (size_t i = 0; i < omissions->pattern_count; i++)
        if (po_text_glob(omissions->patterns[i], path, size))
            return true;
    for (size_t end = 1; end <= size && omissions->path_count > 0; end++)
        if ((end == size || path[end] == '/') && has_path(omissions, path, end))
            return true;
    return false;
}
