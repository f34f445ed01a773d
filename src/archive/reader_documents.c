/* The two JSON members, read through the reader: each alone in its frame, each checked against what trailer and index say. */
#include "archive/hash.h"
#include "archive/reader.h"

#include <string.h>

/* A document of ours, alone in its frame. */
static enum po_status
read_document(const struct po_reader *reader, const char *path, uint32_t frame, struct po_buf *json,
              struct po_err *err)
{
    uint32_t entry = po_index_find(reader->index, path, strlen(path));
    size_t start = json->size;
    size_t header_size = 0;
    enum po_status st;

    if (entry == PO_NONE || po_index_source(reader->index, entry) != 0 ||
        po_index_type(reader->index, entry) != POBACKUP_FILE ||
        po_index_frame(reader->index, entry) != frame || po_index_offset(reader->index, entry) != 0)
        return po_fail(err, PO_E_FORMAT, "%s is not where it must be" PO_RULE("FRAME-6"), path);
    if (po_index_size(reader->index, entry) > PO_JSON_MAX_SIZE)
        return po_fail(err, PO_E_FORMAT,
                       frame == 0 ? "%s: more than 16 MiB" PO_RULE("MANIFEST-1")
                                  : "%s: more than 16 MiB" PO_RULE("SUMMARY-1"),
                       path);
    st = po_reader_content(reader, entry, PO_JSON_MAX_SIZE, json, &header_size, err);
    if (st != PO_OK)
        return po_err_prefix(err, "%s", path);
    /* Quick verification decodes no more than this, so the frame's size must tell that nothing else
     * is in it. */
    if (reader->seeks[frame].content_size != header_size + po_tar_padded(json->size - start))
        return po_fail(err, PO_E_FORMAT,
                       "%s: its frame holds something else too" PO_RULE("FRAME-6"), path);
    return PO_OK;
}

static enum po_status
check_manifest(const struct po_reader *reader, const struct po_manifest_core *core,
               struct po_err *err)
{
    if (memcmp(core->archive_id, reader->trailer.archive_id, PO_ID_SIZE) != 0 ||
        core->created != reader->trailer.created ||
        core->parent_count != reader->index->parent_count)
        return po_fail(err, PO_E_FORMAT,
                       "manifest: it is not the trailer's and index's" PO_RULE("MANIFEST-3"));
    for (uint32_t i = 0; i < core->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t name_size;

        po_index_parent(reader->index, i, &parent, &name, &name_size);
        if (memcmp(parent.archive_id, core->parents[i].archive_id, PO_ID_SIZE) != 0 ||
            memcmp(parent.digest, core->parents[i].digest, PO_DIGEST_SIZE) != 0)
            return po_fail(err, PO_E_FORMAT,
                           "manifest: parent %u is not the index's" PO_RULE("MANIFEST-3"), i + 1);
    }
    return PO_OK;
}

enum po_status
po_reader_manifest(const struct po_reader *reader, struct po_buf *json, struct po_err *err)
{
    struct po_manifest_core core = { 0 };
    uint8_t digest[PO_DIGEST_SIZE];
    size_t start = json->size;
    enum po_status st = read_document(reader, PO_MANIFEST_PATH, 0, json, err);

    if (st != PO_OK)
        return st;
    po_blake2b(json->bytes + start, json->size - start, digest);
    if (memcmp(digest, reader->trailer.manifest_blake2b, sizeof digest) != 0)
        return po_fail(err, PO_E_FORMAT,
                       "manifest: its digest does not match" PO_RULE("TRAILER-4"));
    st = po_manifest_parse(&core, json->bytes + start, json->size - start, err);
    if (st == PO_OK)
        st = check_manifest(reader, &core, err);
    po_manifest_core_deinit(&core);
    return st;
}

enum po_status
po_reader_summary(const struct po_reader *reader, struct po_buf *json, struct po_err *err)
{
    size_t start = json->size;
    enum po_status st =
        read_document(reader, PO_SUMMARY_PATH, reader->trailer.index_frame - 1, json, err);

    return st == PO_OK ? po_summary_check(json->bytes + start, json->size - start, err) : st;
}
