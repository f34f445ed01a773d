/*
 * The tail of an archive: seek table and trailer, and whether the file is one of ours at all. All sizes
 * are the file's claims until they are compared: nothing is allocated that the file's own size does not
 * vouch for. spec: READ-1
 */
#include "archive/reader_tail.h"

#include "archive/frame.h"
#include "archive/tar.h"
#include "base/mem.h"

#include <string.h>

/* How much of a file is looked at to tell whether it is one of ours. */
#define GLANCE_SIZE (1u << 20)
#define GLANCE_CONTENT_SIZE (8u * PO_TAR_BLOCK) /* holds a member's header blocks */

static enum po_status
broken(struct po_err *err, const char *what)
{
    return po_fail(err, PO_E_FORMAT, "%s", what);
}

static enum po_status
read_at(const struct po_reader *reader, uint64_t offset, void *bytes, size_t size,
        struct po_err *err)
{
    return reader->blob.read_at(reader->blob.ctx, offset, bytes, size, err);
}

/* ---- is it one of ours? ---- */

/* Whether the file ends with a trailer's frame and something like a seek table: then it is ours,
 * whatever stands before. spec: FILE-3 */
static bool
ends_like_ours(const struct po_reader *reader)
{
    uint8_t footer[PO_SEEK_FOOTER_SIZE];
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    struct po_trailer trailer;
    struct po_err ignored;
    uint64_t table_size;
    uint32_t count;
    unsigned entry_size;

    return reader->blob.size > sizeof footer &&
           read_at(reader, reader->blob.size - sizeof footer, footer, sizeof footer, &ignored) ==
               PO_OK &&
           po_seek_footer_parse(footer, reader->blob.size, false, &table_size, &count, &entry_size,
                                &ignored) == PO_OK &&
           reader->blob.size - table_size >= sizeof frame &&
           read_at(reader, reader->blob.size - table_size - sizeof frame, frame, sizeof frame,
                   &ignored) == PO_OK &&
           po_last_frame_parse(&trailer, digest, frame, &ignored) == PO_OK;
}

/* Whether a file that begins with these bytes begins with the manifest. PO_E_FORMAT when its first
 * frame does not decode. */
static enum po_status
glance_at_manifest(const uint8_t *bytes, size_t size, bool is_whole, bool *is_there,
                   struct po_err *err)
{
    uint8_t content[GLANCE_CONTENT_SIZE];
    struct po_tar_member member = { 0 };
    struct po_err ignored;
    size_t header_size;
    size_t got;
    enum po_status st = po_frame_glance(bytes, size, is_whole, content, sizeof content, &got, err);

    *is_there = st == PO_OK &&
                po_tar_parse_header(&member, &header_size, content, got, &ignored) == PO_OK &&
                po_is_path(member.path, member.path_size, PO_MANIFEST_PATH);
    return st;
}

/*
 * The tail is not ours: *err says why. If the first frame decodes and holds no manifest, the file
 * is somebody else's. spec: FILE-3, FILE-4
 */
static enum po_status
judge_start(const struct po_reader *reader, struct po_err *err)
{
    static const uint8_t magic[4] = { 0x28, 0xB5, 0x2F, 0xFD };
    size_t size = reader->blob.size < GLANCE_SIZE ? (size_t)reader->blob.size : GLANCE_SIZE;
    uint8_t *bytes;
    struct po_err ignored;
    enum po_status st;
    bool is_ours;

    if (ends_like_ours(reader))
        return PO_E_FORMAT;
    if (size < sizeof magic)
        return po_fail(err, PO_E_UNSUPPORTED,
                       size == 0 ? "the file is empty" PO_RULE("FILE-3")
                                 : "not a pobackup archive" PO_RULE("FILE-3"));
    bytes = po_mem_new(1, size);
    if (bytes == NULL)
        return po_fail_nomem(err, size);
    st = read_at(reader, 0, bytes, size, err);
    if (st != PO_OK)
        goto done;
    if (memcmp(bytes, magic, sizeof magic) != 0) {
        st = po_fail(err, PO_E_UNSUPPORTED,
                     "not a pobackup archive (not a Zstandard file)" PO_RULE("FILE-3"));
        goto done;
    }
    st = glance_at_manifest(bytes, size, size == reader->blob.size, &is_ours, &ignored);
    if (st == PO_OK && !is_ours)
        st = po_fail(err, PO_E_UNSUPPORTED,
                     "a Zstandard file, but not a pobackup archive" PO_RULE("FILE-4"));
    else if (st == PO_E_NOMEM)
        *err = ignored;
    else
        st = PO_E_FORMAT; /* *err as it was: what is wrong with the tail */
done:
    po_mem_free(bytes);
    return st;
}

/* ---- seek table and trailer ---- */

static enum po_status
load_seek_table(struct po_reader *reader, struct po_err *err)
{
    uint8_t footer[PO_SEEK_FOOTER_SIZE];
    uint64_t table_size;
    uint64_t offset = 0;
    uint8_t *table = NULL;
    unsigned entry_size;
    enum po_status st;

    if (reader->blob.size < PO_SEEK_FOOTER_SIZE)
        return broken(err, "the file is cut off" PO_RULE("FILE-2"));
    st = read_at(reader, reader->blob.size - sizeof footer, footer, sizeof footer, err);
    if (st == PO_OK)
        st = po_seek_footer_parse(footer, reader->blob.size, false, &table_size,
                                  &reader->frame_count, &entry_size, err);
    if (st != PO_OK)
        return st;
    table = po_mem_new(1, (size_t)table_size);
    reader->seeks = po_mem_new(reader->frame_count, sizeof *reader->seeks);
    reader->offsets = po_mem_new((size_t)reader->frame_count + 1, sizeof *reader->offsets);
    if (table == NULL || reader->seeks == NULL || reader->offsets == NULL)
        st = po_fail_nomem(err, (size_t)table_size);
    if (st == PO_OK)
        st = read_at(reader, reader->blob.size - table_size, table, (size_t)table_size, err);
    if (st == PO_OK)
        st = po_seek_table_parse(reader->seeks, reader->frame_count, entry_size, table,
                                 (size_t)table_size, reader->blob.size - table_size, err);
    po_mem_free(table);
    if (st != PO_OK)
        return st;
    for (uint32_t i = 0; i < reader->frame_count; i++) {
        reader->offsets[i] = offset;
        offset += reader->seeks[i].compressed_size;
    }
    reader->offsets[reader->frame_count] = offset;
    return PO_OK;
}

static enum po_status
load_trailer(struct po_reader *reader, struct po_err *err)
{
    uint8_t frame[PO_LAST_FRAME_SIZE];
    uint32_t last = reader->frame_count - 1;
    struct po_frame_info info;
    enum po_status st;

    /* The smallest archive: manifest, summary, index, trailer. */
    if (reader->frame_count < 4)
        return broken(err, "too few frames" PO_RULE("FILE-1"));
    if (reader->seeks[last].compressed_size != sizeof frame ||
        reader->seeks[last].content_size != PO_LAST_FRAME_CONTENT_SIZE)
        return broken(err, "the last frame is not a trailer's" PO_RULE("TRAILER-1"));
    st = read_at(reader, reader->offsets[last], frame, sizeof frame, err);
    if (st == PO_OK)
        st = po_last_frame_parse(&reader->trailer, reader->digest, frame, err);
    if (st != PO_OK)
        return st;
    po_frame_describe(&info, frame, sizeof frame, PO_LAST_FRAME_CONTENT_SIZE);
    if (info.checksum != reader->seeks[last].checksum)
        return broken(err, "seek table: the trailer's checksum differs" PO_RULE("SEEK-3"));
    return PO_OK;
}

/* Frames that a reader takes in whole: neither their content nor their compression is without bounds.
 * spec: FRAME-8 */
static enum po_status
check_documents(const struct po_reader *reader, struct po_err *err)
{
    const uint32_t frames[] = { 0, reader->trailer.index_frame - 1 };

    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        const struct po_seek_entry *seek = &reader->seeks[frames[i]];

        if (!po_is_whole_size_possible(seek->content_size, seek->compressed_size))
            return po_fail(err, PO_E_FORMAT,
                           "frame %u: %u bytes of content in %u" PO_RULE("FRAME-8"), frames[i],
                           seek->content_size, seek->compressed_size);
    }
    return PO_OK;
}

/* Where the trailer and the seek table put the index. *total becomes the content size of its frames.
 */
static enum po_status
check_trailer(const struct po_reader *reader, uint64_t *total, struct po_err *err)
{
    const struct po_trailer *t = &reader->trailer;
    uint64_t end = (uint64_t)t->index_frame + t->index_frame_count;

    if (t->index_frame_count == 0 || end != reader->frame_count - 1)
        return broken(err,
                      "trailer: the index is not where the seek table has it" PO_RULE("TRAILER-3"));
    if (t->index_frame < 2)
        return broken(err, "trailer: no frames for manifest and summary" PO_RULE("FILE-1"));
    if (t->index_offset != reader->offsets[t->index_frame] ||
        t->index_compressed_size != reader->offsets[end] - reader->offsets[t->index_frame])
        return broken(
            err, "trailer: another place of the index than the seek table's" PO_RULE("TRAILER-3"));
    *total = 0;
    for (uint32_t i = 0; i < end; i++) {
        const struct po_seek_entry *seek = &reader->seeks[i];

        if (po_frame_check_sizes(seek->content_size, seek->compressed_size, err) != PO_OK)
            return po_err_prefix(err, "seek table: frame %u", i);
        *total += i >= t->index_frame ? seek->content_size : 0;
    }
    if (!po_is_whole_size_possible(*total, t->index_compressed_size))
        return po_fail(err, PO_E_FORMAT, "index: %llu bytes of content in %llu" PO_RULE("FRAME-8"),
                       (unsigned long long)*total, (unsigned long long)t->index_compressed_size);
    return check_documents(reader, err);
}

enum po_status
po_reader_open_tail(struct po_reader **out, const struct pobackup_blob *blob, uint64_t *index_total,
                    struct po_err *err)
{
    struct po_reader *reader = po_mem_new(1, sizeof *reader);
    enum po_status st;

    if (reader == NULL)
        return po_fail_nomem(err, sizeof *reader);
    reader->blob = *blob;
    st = load_seek_table(reader, err);
    if (st == PO_OK)
        st = load_trailer(reader, err);
    if (st == PO_E_FORMAT)
        st = judge_start(reader, err);
    if (st == PO_OK)
        st = check_trailer(reader, index_total, err);
    if (st == PO_OK) {
        *out = reader;
        reader = NULL;
    }
    po_reader_free(reader);
    return st;
}

void
po_reader_free(struct po_reader *reader)
{
    if (reader == NULL)
        return;
    po_mem_free(reader->seeks);
    po_mem_free(reader->offsets);
    po_index_free(reader->index);
    po_mem_free(reader);
}
