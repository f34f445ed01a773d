/*
 * A damaged archive is salvaged. The first byte: 0 = the rest is the file; else the rest is a list of
 * pieces, each a byte (what), two bytes (size) and the bytes: a frame's content, which is packed, or, when
 * bit 0 of the byte is set, bytes as they are. So what lies behind the checksums is tried too.
 */
#include "archive/frame.h"
#include "base/cursor.h"
#include "engine/salvage.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
put_frame(struct po_buf *file, const uint8_t *content, size_t size)
{
    struct po_frame_info info;
    size_t bound = po_frame_encoded_bound(size);
    uint8_t *bytes = malloc(bound);

    FUZZ_CHECK(bytes != NULL);
    po_frame_store(content, size, bytes, &info);
    po_buf_put(file, bytes, info.compressed_size);
    free(bytes);
}

static void
put_pieces(struct po_buf *file, const uint8_t *bytes, size_t size)
{
    struct po_cursor cursor = po_cursor_over(bytes, size);

    while (po_cursor_left(&cursor) > 3) {
        uint8_t what = po_cursor_u8(&cursor);
        size_t wanted = po_cursor_u16(&cursor);
        size_t left = po_cursor_left(&cursor);
        size_t taken = wanted < left ? wanted : left;
        const uint8_t *piece = po_cursor_bytes(&cursor, taken);

        if ((what & 1) != 0)
            po_buf_put(file, piece, taken);
        else if (taken > 0)
            put_frame(file, piece, taken);
    }
}

static enum po_status
read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct po_buf *file = ctx;

    (void)err;
    FUZZ_CHECK(offset <= file->size && size <= file->size - offset);
    if (size > 0)
        memcpy(bytes, file->bytes + offset, size);
    return PO_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char top[] = "/tmp/pobackup-fuzz-salvage-XXXXXX";
    struct po_salvage_result result = { 0 };
    struct po_salvage_options options = { .directory = top, .threads = 1 };
    struct po_dir *dir = NULL;
    struct po_buf file = { 0 };
    struct pobackup_blob blob = { .ctx = &file, .read_at = read_at };
    struct po_err err = { 0 };
    enum po_status st;

    if (size == 0)
        return 0;
    FUZZ_CHECK(mkdtemp(top) != NULL);
    if (bytes[0] == 0)
        po_buf_put(&file, bytes + 1, size - 1);
    else
        put_pieces(&file, bytes + 1, size - 1);
    FUZZ_CHECK(!file.failed && po_dir_open(&dir, top, &err) == PO_OK);
    blob.size = file.size;
    st = po_salvage_run(&blob, &options, NULL, &result, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    FUZZ_CHECK(st == PO_OK || err.text[0] != 0);
    FUZZ_CHECK(st != PO_OK || !po_salvage_is_complete(&result) || result.has_index);
    po_salvage_result_deinit(&result);
    FUZZ_CHECK(po_dir_remove_all(dir, "", 0, &err) == PO_OK);
    po_dir_free(dir);
    FUZZ_CHECK(rmdir(top) == 0);
    po_buf_deinit(&file);
    return 0;
}
