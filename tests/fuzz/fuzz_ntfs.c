/*
 * What NTFS says in bytes: alternate streams and reparse points. And the paths of streams in an
 * archive, which others may have written.
 */
#include "archive/stream_path.h"
#include "base/names.h"
#include "base/text.h"
#include "fuzz.h"
#include "port/ntfs.h"

#include <string.h>

static void
check_path_of(const struct po_stream *stream)
{
    static const char owner[] = "T/50%/%";
    struct po_stream_path parts = { 0 };
    struct po_buf path = { 0 };
    struct po_err err;

    po_stream_put_path(&path, owner, sizeof owner - 1, stream->name, stream->name_size);
    FUZZ_CHECK(po_stream_parse_path(&parts, po_buf_text(&path), path.size, &err) == PO_OK);
    FUZZ_CHECK(strcmp(po_buf_text(&parts.owner), owner) == 0);
    FUZZ_CHECK(
        po_text_compare(parts.name.bytes, parts.name.size, stream->name, stream->name_size) == 0);
    po_stream_path_deinit(&parts);
    po_buf_deinit(&path);
}

static void
check_streams(const uint8_t *bytes, size_t size)
{
    struct po_stream_list list = { 0 };
    struct po_stream stream;
    struct po_err err;
    uint32_t count = 0;
    size_t at = 0;
    enum po_status st = po_ntfs_put_streams(&list, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_IO);
    for (; po_stream_list_next(&list, &at, &stream); count++) {
        FUZZ_CHECK(po_name_is_stream(stream.name, stream.name_size));
        FUZZ_CHECK(stream.size <= INT64_MAX);
        check_path_of(&stream);
    }
    FUZZ_CHECK(count == list.count && at == list.rows.size);
    po_stream_list_deinit(&list);
}

/* What was read is read again from what it is made into. */
static void
check_link(const uint8_t *bytes, size_t size)
{
    struct po_buf target = { 0 };
    struct po_buf again = { 0 };
    struct po_buf made = { 0 };
    struct po_err err;
    enum po_status st = po_ntfs_put_link_target(&target, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || st == PO_E_IO);
    if (st == PO_OK && target.size > 0 && target.size < PO_NTFS_LINK_SIZE_MAX / 2) {
        po_ntfs_put_reparse(&made, po_buf_text(&target), target.size);
        FUZZ_CHECK(po_ntfs_put_link_target(&again, made.bytes, made.size, &err) == PO_OK);
        if (po_ntfs_is_junction(po_buf_text(&target), target.size))
            FUZZ_CHECK(po_text_compare(again.bytes, again.size, target.bytes, target.size) == 0);
    }
    po_buf_deinit(&made);
    po_buf_deinit(&again);
    po_buf_deinit(&target);
}

static void
check_path(const char *path, size_t size)
{
    struct po_stream_path parts = { 0 };
    struct po_buf again = { 0 };
    struct po_err err;

    if (po_stream_is_path(path, size) && po_stream_parse_path(&parts, path, size, &err) == PO_OK) {
        po_stream_put_path(&again, po_buf_text(&parts.owner), parts.owner.size,
                           po_buf_text(&parts.name), parts.name.size);
        FUZZ_CHECK(po_text_compare(again.bytes, again.size, path, size) == 0);
    }
    po_buf_deinit(&again);
    po_stream_path_deinit(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    check_streams(bytes, size);
    check_link(bytes, size);
    check_path((const char *)bytes, size);
    return 0;
}
