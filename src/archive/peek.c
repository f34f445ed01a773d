#include "archive/peek.h"

#include "archive/hash.h"
#include "archive/reader_tail.h"
#include "archive/tar.h"
#include "base/mem.h"

#include <string.h>

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "%s", what);
}

/*
 * Frame 0 holds the whole member and nothing else, so that no index is needed to find it; what it
 * holds is vouched for by the trailer. spec: FRAME-6, TRAILER-4
 */
static enum po_status
parse_frame(struct po_peek *peek, const struct po_reader *reader, const uint8_t *content,
            struct po_err *err)
{
    const size_t size = reader->seeks[0].content_size;
    struct po_tar_member member = { 0 };
    uint8_t digest[PO_DIGEST_SIZE];
    size_t start;
    enum po_status st = po_tar_parse_header(&member, &start, content, size, err);

    if (st != PO_OK)
        return st;
    if (!po_is_path(member.path, member.path_size, PO_MANIFEST_PATH) ||
        member.type != POBACKUP_FILE || member.size > size ||
        start + po_tar_padded(member.size) != size)
        return broken(err, "its frame does not hold it alone" PO_RULE("FRAME-6"));
    po_blake2b(content + start, (size_t)member.size, digest);
    if (memcmp(digest, reader->trailer.manifest_blake2b, sizeof digest) != 0)
        return broken(err, "its digest does not match" PO_RULE("TRAILER-4"));
    return po_manifest_parse(&peek->manifest, content + start, (size_t)member.size, err);
}

static enum po_status
read_manifest(struct po_peek *peek, const struct po_reader *reader, struct po_err *err)
{
    const struct po_seek_entry *seek = &reader->seeks[0];
    struct po_frame_decoder *decoder = NULL;
    uint8_t *bytes = po_mem_new(1, seek->compressed_size);
    uint8_t *content = po_mem_new(1, seek->content_size);
    uint32_t checksum;
    enum po_status st = bytes == NULL || content == NULL ? po_fail_nomem(err, seek->content_size)
                                                         : po_frame_decoder_new(&decoder, err);

    if (st == PO_OK)
        st = reader->blob.read_at(reader->blob.ctx, 0, bytes, seek->compressed_size, err);
    if (st == PO_OK)
        st = po_frame_decode(decoder, bytes, seek->compressed_size, content, seek->content_size,
                             &checksum, err);
    if (st == PO_OK && checksum != seek->checksum)
        st = broken(err, "the seek table has another checksum" PO_RULE("SEEK-3"));
    if (st == PO_OK)
        st = parse_frame(peek, reader, content, err);
    po_frame_decoder_free(decoder);
    po_mem_free(content);
    po_mem_free(bytes);
    return st == PO_OK || st == PO_E_NOMEM ? st : po_err_prefix(err, "%s", PO_MANIFEST_PATH);
}

enum po_status
po_peek_read(struct po_peek *peek, const struct pobackup_blob *blob, struct po_err *err)
{
    struct po_reader *reader = NULL;
    uint64_t index_total;
    enum po_status st = po_reader_open_tail(&reader, blob, &index_total, err);

    *peek = (struct po_peek){ 0 };
    if (st == PO_OK)
        st = read_manifest(peek, reader, err);
    if (st == PO_OK) {
        memcpy(peek->digest, reader->digest, sizeof peek->digest);
        peek->trailer = reader->trailer;
        peek->frame_count = reader->frame_count;
        if (memcmp(peek->manifest.archive_id, peek->trailer.archive_id, PO_ID_SIZE) != 0 ||
            peek->manifest.created != peek->trailer.created)
            st = broken(err, "manifest: it is not the trailer's" PO_RULE("MANIFEST-3"));
    }
    po_reader_free(reader);
    if (st != PO_OK)
        po_peek_deinit(peek);
    return st;
}

enum po_status
po_peek_digest(uint8_t digest[PO_DIGEST_SIZE], const struct pobackup_blob *blob, struct po_err *err)
{
    struct po_reader *reader = NULL;
    uint64_t index_total;
    enum po_status st = po_reader_open_tail(&reader, blob, &index_total, err);

    if (st == PO_OK)
        memcpy(digest, reader->digest, PO_DIGEST_SIZE);
    po_reader_free(reader);
    return st;
}

void
po_peek_deinit(struct po_peek *peek)
{
    po_manifest_core_deinit(&peek->manifest);
    *peek = (struct po_peek){ 0 };
}
