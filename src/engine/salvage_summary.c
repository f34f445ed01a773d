/*
 * Without an index, a seek table and a summary may still prove what the snapshot is: the table that all
 * frames of the set are there, in their order; the summary which members are not part of it.
 */
#include "archive/frame.h"
#include "archive/tar.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/salvage_members.h"

#include <jansson.h>
#include <string.h>

/* Whether members, or another archive's beginning, stand behind the summary: which one is looked for is
 * not known then. */
static bool
has_more(const struct po_salvage_scan *scan, uint32_t summary)
{
    for (uint32_t i = summary + 1; i < scan->count; i++)
        if (scan->frames[i].kind == PO_SALVAGE_MEMBER ||
            scan->frames[i].kind == PO_SALVAGE_MANIFEST)
            return true;
    return false;
}

uint32_t
po_salvage_table_reach(const struct po_salvage_scan *scan)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < scan->seek_count && i < scan->count; i++) {
        const struct po_salvage_frame *frame = &scan->frames[i];
        const struct po_seek_entry *seek = &scan->seeks[i];

        if (frame->offset != end || frame->content_size != seek->content_size ||
            frame->compressed_size != seek->compressed_size || frame->checksum != seek->checksum ||
            (i == 0) != (frame->kind == PO_SALVAGE_MANIFEST))
            return PO_NONE;
        if (frame->kind == PO_SALVAGE_SUMMARY)
            return has_more(scan, i) ? PO_NONE : i;
        end += frame->compressed_size;
    }
    return PO_NONE;
}

/* ---- the summary ---- */

/* *content is the caller's. */
static enum po_status
decode(const struct po_salvage_members *m, uint32_t number, uint8_t **content, struct po_err *err)
{
    const struct po_salvage_frame *frame = &m->scan->frames[number];
    uint8_t *bytes = po_mem_new(1, frame->compressed_size);
    struct po_frame_decoder *decoder = NULL;
    enum po_status st = po_frame_decoder_new(&decoder, err);

    *content = po_mem_new(1, frame->content_size);
    if (st == PO_OK && (bytes == NULL || *content == NULL))
        st = po_fail_nomem(err, frame->content_size);
    if (st == PO_OK)
        st = m->reader->blob.read_at(m->reader->blob.ctx, frame->offset, bytes,
                                     frame->compressed_size, err);
    if (st == PO_OK)
        st = po_frame_decode(decoder, bytes, frame->compressed_size, *content, frame->content_size,
                             NULL, err);
    po_frame_decoder_free(decoder);
    po_mem_free(bytes);
    return st;
}

/* The document in the frame's content; NULL when it is none. */
static json_t *
parse(const uint8_t *content, size_t size)
{
    struct po_tar_member member = { 0 };
    struct po_err ignored;
    size_t at;

    if (po_tar_parse_header(&member, &at, content, size, &ignored) != PO_OK ||
        member.size > size - at || !po_json_is_small(content + at, (size_t)member.size))
        return NULL;
    return json_loadb((const char *)content + at, (size_t)member.size, JSON_REJECT_DUPLICATES,
                      NULL);
}

/* Whether the list names as many as there were: a writer may shorten it. spec: SUMMARY-1 */
static bool
is_full(const json_t *root, const char *key)
{
    const json_t *count = json_object_get(json_object_get(root, "counts"), key);
    const json_t *list = json_object_get(root, key);

    return json_is_integer(count) && json_is_array(list) &&
           json_integer_value(count) == (json_int_t)json_array_size(list);
}

static enum po_status
leave_out(const json_t *list, void (*each)(void *ctx, const char *path, size_t size), void *ctx,
          struct po_err *err)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const json_t *path = json_object_get(item, "path");
        const char *digits = json_string_value(json_object_get(item, "path_hex"));
        size_t size = digits == NULL ? 0 : strlen(digits) / 2;
        uint8_t *bytes;

        if (json_is_string(path))
            each(ctx, json_string_value(path), json_string_length(path));
        if (digits == NULL)
            continue;
        bytes = po_mem_new(1, size);
        if (bytes == NULL)
            return po_fail_nomem(err, size);
        if (po_text_parse_hex(digits, bytes, size))
            each(ctx, (const char *)bytes, size);
        po_mem_free(bytes);
    }
    return PO_OK;
}

enum po_status
po_salvage_left_out(struct po_salvage_members *m, uint32_t summary,
                    void (*each)(void *ctx, const char *path, size_t size), void *ctx,
                    bool *is_known, struct po_err *err)
{
    json_t *root = NULL;
    uint8_t *content = NULL;
    enum po_status st = decode(m, summary, &content, err);

    *is_known = false;
    if (st == PO_OK)
        root = parse(content, m->scan->frames[summary].content_size);
    po_mem_free(content);
    if (st != PO_OK)
        return st;
    *is_known = is_full(root, "vanished") && is_full(root, "skipped");
    if (*is_known)
        st = leave_out(json_object_get(root, "vanished"), each, ctx, err);
    if (*is_known && st == PO_OK)
        st = leave_out(json_object_get(root, "skipped"), each, ctx, err);
    json_decref(root);
    return st;
}
