/* Reading by pobackup.h: thin over reader and audit. Serial: the caller's thread does everything.
 */
#include "archive/audit.h"
#include "archive/hash.h"
#include "archive/layout.h"
#include "archive/reader.h"
#include "base/mem.h"
#include "base/pages.h"

#include <string.h>

struct pobackup_archive {
    struct po_reader *reader;
    struct po_buf manifest;
    struct po_frame_decoder *decoder;
    struct po_hasher *hasher;
    uint8_t *bytes;
    uint8_t *content;
    uint32_t loaded; /* the frame whose content is there, or PO_NONE */
};

enum po_status
pobackup_open(struct pobackup_archive **out, const struct pobackup_blob *blob, struct po_err *err)
{
    struct pobackup_archive *archive = po_mem_new(1, sizeof *archive);
    enum po_status st;

    if (archive == NULL)
        return po_fail_nomem(err, sizeof *archive);
    archive->loaded = PO_NONE;
    st = po_reader_open(&archive->reader, blob, err);
    if (st == PO_OK)
        st = po_reader_manifest(archive->reader, &archive->manifest, err);
    if (st == PO_OK)
        st = po_frame_decoder_new(&archive->decoder, err);
    if (st == PO_OK)
        st = po_hasher_new(&archive->hasher, err);
    if (st == PO_OK) {
        archive->bytes = po_pages_new(archive->reader->compressed_max);
        archive->content = po_pages_new(archive->reader->content_max);
        if (archive->bytes == NULL || archive->content == NULL)
            st = po_fail_nomem(err, archive->reader->content_max);
    }
    if (st == PO_OK) {
        *out = archive;
        archive = NULL;
    }
    pobackup_close(archive);
    return st;
}

void
pobackup_close(struct pobackup_archive *archive)
{
    if (archive == NULL)
        return;
    if (archive->reader != NULL) {
        po_pages_free(archive->bytes, archive->reader->compressed_max);
        po_pages_free(archive->content, archive->reader->content_max);
    }
    po_reader_free(archive->reader);
    po_buf_deinit(&archive->manifest);
    po_frame_decoder_free(archive->decoder);
    po_hasher_free(archive->hasher);
    po_mem_free(archive);
}

uint64_t
pobackup_entry_count(const struct pobackup_archive *archive)
{
    return archive->reader->index->count;
}

static void
fill_entry(const struct po_index *index, uint32_t number, struct pobackup_entry *entry)
{
    struct po_posix_owner owner = { 0 };

    *entry = (struct pobackup_entry){ 0 };
    entry->path = po_index_path(index, number, &entry->path_size);
    entry->type = (enum pobackup_type)po_index_type(index, number);
    entry->size = po_index_size(index, number);
    entry->write_time = po_index_write_time(index, number);
    entry->create_time = po_index_create_time(index, number);
    entry->change_time = po_index_change_time(index, number);
    entry->file_id = po_index_file_id(index, number);
    entry->attributes = po_index_attributes(index, number);
    if (po_index_owner(index, number, &owner)) {
        entry->mode = owner.mode;
        entry->uid = owner.uid;
        entry->gid = owner.gid;
    }
    entry->link = po_index_link(index, number, &entry->link_size);
    entry->source = po_index_source(index, number);
    entry->frame = po_index_frame(index, number);
    entry->offset = po_index_offset(index, number);
    memcpy(entry->hash, po_index_hash(index, number), PO_HASH_SIZE);
}

enum po_status
pobackup_entry_at(const struct pobackup_archive *archive, uint64_t number,
                  struct pobackup_entry *entry, struct po_err *err)
{
    if (number >= archive->reader->index->count)
        return po_fail(err, PO_E_USAGE, "there is no entry %llu", (unsigned long long)number);
    fill_entry(archive->reader->index, (uint32_t)number, entry);
    return PO_OK;
}

int64_t
pobackup_entry_find(const struct pobackup_archive *archive, const char *path, size_t path_size)
{
    uint32_t entry = po_index_find(archive->reader->index, path, path_size);

    return entry == PO_NONE ? -1 : (int64_t)entry;
}

const char *
pobackup_manifest(const struct pobackup_archive *archive, size_t *size)
{
    *size = archive->manifest.size;
    return (const char *)archive->manifest.bytes;
}

void
pobackup_digest(const struct pobackup_archive *archive, uint8_t digest[POBACKUP_DIGEST_SIZE])
{
    memcpy(digest, archive->reader->digest, PO_DIGEST_SIZE);
}

static enum po_status
load_frame(struct pobackup_archive *archive, uint32_t frame, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (frame >= archive->reader->index->frame_count)
        return po_fail(err, PO_E_FORMAT,
                       "a member that goes on behind the last frame" PO_RULE("FRAME-4"));
    if (archive->loaded == frame)
        return PO_OK;
    archive->loaded = PO_NONE;
    st = po_reader_decode(archive->reader, archive->decoder, frame, archive->bytes,
                          archive->content, err);
    if (st == PO_OK)
        archive->loaded = frame;
    return st;
}

/* Where `offset` of the content lies: *frame, and *at in its content. Frames before it are passed
 * over by their sizes. */
static enum po_status
seek_content(struct pobackup_archive *archive, uint32_t entry, uint64_t offset, uint32_t *frame,
             size_t *at, struct po_err *err)
{
    const struct po_reader *reader = archive->reader;
    uint64_t position;
    enum po_status st;

    *frame = po_index_frame(reader->index, entry);
    st = load_frame(archive, *frame, err);
    if (st == PO_OK)
        st = po_reader_member(reader, entry, archive->content, reader->seeks[*frame].content_size,
                              at, err);
    if (st != PO_OK)
        return st;
    position = *at + offset;
    while (*frame < reader->index->frame_count && position >= reader->seeks[*frame].content_size) {
        position -= reader->seeks[*frame].content_size;
        (*frame)++;
    }
    *at = (size_t)position;
    return PO_OK;
}

enum po_status
pobackup_read(struct pobackup_archive *archive, uint64_t number, uint64_t offset, void *bytes,
              size_t size, size_t *got, struct po_err *err)
{
    const struct po_reader *reader = archive->reader;
    const struct po_index *index = reader->index;
    uint8_t hash[PO_HASH_SIZE];
    uint8_t *to = bytes;
    uint64_t content_size;
    uint32_t entry = (uint32_t)number;
    uint32_t frame;
    size_t wanted;
    size_t left;
    size_t at;
    enum po_status st;

    if (number >= index->count || po_index_type(index, entry) != POBACKUP_FILE ||
        po_index_source(index, entry) != 0)
        return po_fail(err, PO_E_USAGE, "no file of this archive");
    content_size = po_index_size(index, entry);
    left = offset >= content_size         ? 0
           : content_size - offset < size ? (size_t)(content_size - offset)
                                          : size;
    wanted = left;
    if (wanted == 0) {
        *got = 0;
        return PO_OK;
    }
    st = seek_content(archive, entry, offset, &frame, &at, err);
    for (; st == PO_OK && left > 0; frame++, at = 0) {
        size_t part;

        st = load_frame(archive, frame, err);
        if (st != PO_OK)
            break;
        part = reader->seeks[frame].content_size - at < left
                   ? reader->seeks[frame].content_size - at
                   : left;
        memcpy(to, archive->content + at, part);
        to += part;
        left -= part;
    }
    if (st != PO_OK)
        return st;
    if (wanted == content_size) {
        po_xxh3(bytes, wanted, hash);
        if (memcmp(hash, po_index_hash(index, entry), sizeof hash) != 0)
            return po_fail(err, PO_E_FORMAT, "the content's hash does not match" PO_RULE("READ-3"));
    }
    *got = wanted;
    return PO_OK;
}

/* ---- verifying ---- */

struct hits {
    const struct po_index *index;
    pobackup_hit_fn fn;
    void *ctx;
    uint8_t *is_told; /* one a entry */
};

static void
tell_hit(void *ctx, uint32_t entry)
{
    struct hits *hits = ctx;
    struct pobackup_entry public_entry;

    if (hits->is_told[entry])
        return;
    hits->is_told[entry] = 1;
    fill_entry(hits->index, entry, &public_entry);
    hits->fn(hits->ctx, &public_entry);
}

/* One frame; damage goes to *first if it is the first, and is no failure here. */
static enum po_status
verify_frame(struct pobackup_archive *archive, struct po_audit *verify, uint32_t frame, int deep,
             struct hits *hits, struct po_err *first)
{
    struct po_audit_part part;
    struct po_err err;
    enum po_status st = po_reader_fetch(archive->reader, frame, archive->bytes, &err);
    enum po_status joined = PO_OK;

    if (st == PO_OK && deep == 0)
        st = po_reader_check_frame(archive->reader, frame, archive->bytes, false, &err);
    else if (st == PO_OK) {
        struct po_err join_err = { .status = PO_OK };

        st = po_audit_frame(verify, archive->decoder, frame, archive->bytes, NULL, archive->content,
                            &part, &err);
        if (st == PO_OK || part.is_damaged)
            joined = po_audit_join(verify, &part, archive->content, &join_err);
        if (joined != PO_OK) {
            st = joined;
            err = join_err;
        }
    }
    if ((st == PO_E_FORMAT || st == PO_E_UNSUPPORTED) && hits->fn != NULL)
        po_audit_hits(&verify->layout, frame,
                      deep != 0 ? verify->continued : po_layout_continued(&verify->layout, frame),
                      tell_hit, hits);
    if (st == PO_OK)
        st = po_reader_check_seek(archive->reader, frame, archive->bytes, &err); /* hits nothing */
    if (st == PO_OK)
        return PO_OK;
    if (st != PO_E_FORMAT && st != PO_E_UNSUPPORTED) {
        *first = err;
        return st;
    }
    if (first->status == PO_OK)
        *first = err;
    return PO_OK;
}

enum po_status
pobackup_verify(struct pobackup_archive *archive, int deep, pobackup_hit_fn hit, void *ctx,
                struct po_err *err)
{
    struct hits hits = { .index = archive->reader->index, .fn = hit, .ctx = ctx };
    struct po_audit verify = { 0 };
    struct po_err first = { 0 };
    enum po_status st = po_audit_init(&verify, archive->reader, err);

    if (st != PO_OK)
        return st;
    hits.is_told = po_mem_new(archive->reader->index->count, 1);
    if (hits.is_told == NULL)
        st = po_fail_nomem(err, archive->reader->index->count);
    archive->loaded = PO_NONE;
    for (uint32_t i = 0; i < archive->reader->index->frame_count && st == PO_OK; i++) {
        st = verify_frame(archive, &verify, i, deep, &hits, &first);
        if (st != PO_OK)
            *err = first;
    }
    if (st == PO_OK && first.status != PO_OK) {
        *err = first;
        st = first.status;
    } else if (st == PO_OK) {
        st = deep != 0 ? po_audit_end(&verify, err) : PO_OK;
        if (st == PO_OK)
            st = po_audit_documents(archive->reader, err);
    }
    po_mem_free(hits.is_told);
    po_audit_deinit(&verify);
    return st;
}
