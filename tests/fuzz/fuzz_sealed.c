/*
 * A whole archive of which the contents are given and all hashes, sizes and tables that follow from
 * them are made right: so that what lies behind the hashes is tried too. The input: the number of
 * frames, one byte; each frame's content behind its size, two bytes; the rest is the index.
 */
#include "archive/frame.h"
#include "archive/hash.h"
#include "archive/index_format.h"
#include "archive/manifest.h"
#include "archive/seek_table.h"
#include "archive/tar.h"
#include "archive/trailer.h"
#include "base/cursor.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 256

struct seal {
    struct po_buf file;
    struct po_frame_info infos[FRAMES_MAX + 2];
    uint32_t count;
    struct po_trailer trailer;
};

static struct po_frame_encoder *encoder;

/* False when there is no content: no frame then. */
static bool
put_frame(struct seal *seal, const uint8_t *content, size_t size)
{
    size_t bound = po_frame_encoded_bound(size);
    uint8_t *copy = malloc(size + 1);
    uint8_t *out = malloc(bound);
    struct po_err err;
    enum po_status st;

    FUZZ_CHECK(copy != NULL && out != NULL);
    memcpy(copy, content, size);
    st = po_frame_encode(encoder, copy, size, out, bound, &seal->infos[seal->count], &err);
    FUZZ_CHECK((st == PO_OK) == (size > 0));
    if (st == PO_OK)
        po_buf_put(&seal->file, out, seal->infos[seal->count++].compressed_size);
    free(copy);
    free(out);
    return st == PO_OK;
}

/* What the trailer takes from the manifest, if there is one. */
static void
take_manifest(struct seal *seal, const uint8_t *content, size_t size)
{
    struct po_tar_member member = { 0 };
    struct po_manifest_core core;
    struct po_err err;
    size_t at = 0;

    if (po_tar_parse_header(&member, &at, content, size, &err) != PO_OK || member.size > size - at)
        return;
    po_blake2b(content + at, (size_t)member.size, seal->trailer.manifest_blake2b);
    if (po_manifest_parse(&core, content + at, (size_t)member.size, &err) != PO_OK)
        return;
    seal->trailer.created = core.created;
    memcpy(seal->trailer.archive_id, core.archive_id, PO_ID_SIZE);
    po_manifest_core_deinit(&core);
}

/* Sets id and frame table right where the counts allow it, and takes the sums. */
static void
mend_index(struct seal *seal, uint8_t *index, size_t size)
{
    uint64_t n;
    uint64_t at;

    if (size < PO_INDEX_HEADER_SIZE)
        return;
    memcpy(index + 16, seal->trailer.archive_id, PO_ID_SIZE);
    n = po_load_u64le(index + 32);
    seal->trailer.entry_count = n;
    if (n > size / PO_INDEX_ENTRY_SIZE || po_load_u64le(index + 40) > size ||
        po_load_u64le(index + 56) > size || po_load_u64le(index + 64) > size)
        return;
    at = PO_INDEX_HEADER_SIZE + n * PO_INDEX_ENTRY_SIZE + po_load_u64le(index + 40) +
         (uint64_t)po_load_u32le(index + 48) * 8 + po_load_u64le(index + 56) +
         (uint64_t)po_load_u32le(index + 52) * 4 + po_load_u64le(index + 64);
    for (uint64_t i = 0; i < n && PO_INDEX_HEADER_SIZE + (i + 1) * 8 <= size; i++)
        seal->trailer.content_bytes += po_load_u64le(index + PO_INDEX_HEADER_SIZE + i * 8);
    if (po_load_u32le(index + 72) != seal->count || at > size ||
        (uint64_t)seal->count * PO_INDEX_FRAME_SIZE > size - at)
        return;
    for (uint32_t i = 0; i < seal->count; i++, at += PO_INDEX_FRAME_SIZE) {
        po_store_u32le(index + at, seal->infos[i].content_size);
        po_store_u32le(index + at + 4, seal->infos[i].compressed_size);
        memcpy(index + at + 8, seal->infos[i].xxh3, PO_HASH_SIZE);
        memcpy(index + at + 24, seal->infos[i].blake2b, PO_DIGEST_SIZE);
    }
}

static void
put_index(struct seal *seal, uint8_t *index, size_t size)
{
    const struct po_tar_member member = { .path = PO_INDEX_PATH,
                                          .path_size = sizeof PO_INDEX_PATH - 1,
                                          .type = POBACKUP_FILE,
                                          .size = size,
                                          .mode = 0644 };
    struct po_buf content = { 0 };
    size_t start = seal->file.size;

    mend_index(seal, index, size);
    po_tar_put_header(&content, &member);
    po_buf_put(&content, index, size);
    po_buf_put_zeros(&content, (size_t)(po_tar_padded(size) - size));
    FUZZ_CHECK(!content.failed);
    seal->trailer.index_frame = seal->count;
    seal->trailer.index_frame_count = 1;
    seal->trailer.index_offset = start;
    seal->trailer.index_size = size;
    po_blake2b(index, size, seal->trailer.index_blake2b);
    FUZZ_CHECK(put_frame(seal, content.bytes, content.size));
    seal->trailer.index_compressed_size = seal->file.size - start;
    po_xxh3(seal->file.bytes + start, seal->file.size - start, seal->trailer.index_xxh3);
    po_buf_deinit(&content);
}

static void
put_end(struct seal *seal)
{
    struct po_seek_entry entries[FRAMES_MAX + 2];
    uint8_t frame[PO_LAST_FRAME_SIZE];

    po_last_frame_put(frame, &seal->trailer, NULL);
    po_frame_describe(&seal->infos[seal->count++], frame, sizeof frame, PO_LAST_FRAME_CONTENT_SIZE);
    po_buf_put(&seal->file, frame, sizeof frame);
    for (uint32_t i = 0; i < seal->count; i++)
        entries[i] = (struct po_seek_entry){ .compressed_size = seal->infos[i].compressed_size,
                                             .content_size = seal->infos[i].content_size,
                                             .checksum = seal->infos[i].checksum };
    po_seek_table_put(&seal->file, entries, seal->count);
    FUZZ_CHECK(!seal->file.failed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_cursor cur = po_cursor_over(bytes, size);
    uint8_t count = po_cursor_u8(&cur);
    struct seal seal = { 0 };
    struct po_err err;
    uint8_t *index;
    size_t left;

    if (encoder == NULL)
        FUZZ_CHECK(po_frame_encoder_new(&encoder, 1, 65536, false, &err) == PO_OK);
    for (uint8_t i = 0; i < count && !cur.overrun; i++) {
        size_t part = po_cursor_u16(&cur);
        const uint8_t *content = po_cursor_bytes(&cur, part);

        if (content == NULL)
            break;
        if (i == 0)
            take_manifest(&seal, content, part);
        (void)put_frame(&seal, content, part);
    }
    left = po_cursor_left(&cur);
    index = malloc(left + 1);
    FUZZ_CHECK(index != NULL);
    if (left > 0)
        memcpy(index, cur.at, left);
    put_index(&seal, index, left);
    put_end(&seal);
    fuzz_read_archive(seal.file.bytes, seal.file.size);
    free(index);
    po_buf_deinit(&seal.file);
    return 0;
}
