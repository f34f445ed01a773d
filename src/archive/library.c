/* The public functions of pobackup.h: thin over writer, reader and verify. Serial: the caller's thread does everything. */
#include "archive/audit.h"
#include "archive/hash.h"
#include "archive/layout.h"
#include "archive/reader.h"
#include "archive/writer.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* ---- writing ---- */

struct pobackup_writer {
    struct po_writer writer;
    struct po_packer packer;
    struct po_entry_list list;
    struct po_frame_encoder *encoder;
    struct po_hasher *hasher;
    uint8_t *content;
    uint8_t *compressed;
    uint32_t frame_size;
    bool is_failed; /* after a failure only free is allowed */
    bool is_committed;
};

static enum po_status
flush_writer(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct pobackup_writer *w = ctx;
    struct po_frame_info info;
    enum po_status st = po_frame_encode(w->encoder, frame->bytes, frame->used, w->compressed,
                                        po_frame_encoded_bound(w->frame_size), &info, err);

    if (st == PO_OK)
        st = po_writer_put_frame(&w->writer, w->compressed, &info, err);
    frame->used = 0;
    return st;
}

static enum po_status
write_manifest(struct pobackup_writer *w, const struct pobackup_writer_options *options,
               struct po_err *err)
{
    struct po_manifest manifest = {.created = options->created,
                                   .host_name = options->host == NULL ? "" : options->host,
                                   .host_system = "",
                                   .host_kind = "folder"};
    struct po_buf json = {0};
    enum po_status st;

    memcpy(manifest.archive_id, options->archive_id, PO_ID_SIZE);
    st = po_manifest_put(&json, &manifest, err);
    if (st == PO_OK)
        st = po_writer_pack_manifest(&w->writer, &w->packer, &w->list, &json, err);
    po_buf_deinit(&json);
    return st;
}

enum po_status
pobackup_writer_open(struct pobackup_writer **out, const struct pobackup_sink *sink,
                     const struct pobackup_writer_options *options, struct po_err *err)
{
    struct pobackup_writer *w = NULL;
    uint32_t frame_size = options->frame_size == 0 ? PO_FRAME_CONTENT_DEFAULT : options->frame_size;
    enum po_status st;

    if (frame_size < PO_FRAME_CONTENT_MIN || frame_size > PO_FRAME_CONTENT_MAX ||
        frame_size % PO_TAR_BLOCK != 0)
        return po_fail(err, PO_E_USAGE, "frame size %u: %u to %u, a multiple of 512", frame_size,
                       PO_FRAME_CONTENT_MIN, PO_FRAME_CONTENT_MAX);
    w = po_mem_new(1, sizeof *w);
    if (w == NULL)
        return po_fail_nomem(err, sizeof *w);
    w->frame_size = frame_size;
    po_writer_init(&w->writer, sink, options->archive_id, options->created);
    w->content = po_mem_new(1, frame_size);
    w->compressed = po_mem_new(1, po_frame_encoded_bound(frame_size));
    po_packer_init(&w->packer, (struct po_frame_buf){.bytes = w->content, .capacity = frame_size},
                   flush_writer, w);
    st = w->content == NULL || w->compressed == NULL ? po_fail_nomem(err, frame_size) : PO_OK;
    if (st == PO_OK)
        st = po_hasher_new(&w->hasher, err);
    if (st == PO_OK)
        st = po_frame_encoder_new(&w->encoder, options->level == 0 ? 3 : options->level, frame_size,
                                  options->no_frame_check == 0, err);
    if (st == PO_OK)
        st = write_manifest(w, options, err);
    if (st == PO_OK) {
        *out = w;
        w = NULL;
    }
    pobackup_writer_free(w);
    return st;
}

/* Asks for the content piece by piece, straight into the frames. */
static enum po_status
copy_content(struct pobackup_writer *w, struct po_entry *entry, pobackup_read_fn read, void *ctx,
             struct po_err *err)
{
    uint64_t left = entry->size;

    po_hasher_reset(w->hasher);
    while (left > 0) {
        uint8_t *at;
        size_t room;
        size_t got = 0;
        enum po_status st = po_packer_room(&w->packer, &at, &room, err);

        if (st == PO_OK)
            st = read(ctx, at, room, &got, err);
        if (st != PO_OK)
            return st;
        if (got == 0 || got > room)
            return po_fail(err, PO_E_IO, "the content ended before its size");
        po_hasher_add_xxh3(w->hasher, at, got);
        po_packer_advance(&w->packer, got);
        left -= got;
    }
    po_hasher_xxh3(w->hasher, entry->hash);
    return PO_OK;
}

/* Adds the entry to the list, as far as it is known before its content. */
static enum po_status
add_entry(struct pobackup_writer *w, const struct pobackup_entry *from, struct po_entry **out,
          struct po_err *err)
{
    const struct po_posix_owner owner = {.mode = from->mode, .uid = from->uid, .gid = from->gid};
    struct po_entry *entry;
    enum po_status st = po_entry_list_add(&w->list, from->path, from->path_size, &entry, err);

    if (st != PO_OK)
        return st;
    entry->type = (uint8_t)from->type;
    entry->size = from->size;
    entry->write_time = from->write_time == POBACKUP_TIME_UNKNOWN ? 0 : from->write_time;
    entry->create_time = from->create_time;
    entry->change_time = from->change_time;
    entry->file_id = from->file_id;
    entry->attributes = from->attributes;
    if (from->mode != 0)
        st = po_entry_list_owner(&w->list, &owner, &entry->security, err);
    if (st == PO_OK && from->link != NULL)
        st = po_entry_list_set_link(&w->list, entry, from->link, from->link_size, err);
    *out = entry;
    return st;
}

static bool
is_reserved(const char *path, size_t size)
{
    static const char *const names[] = {PO_MANIFEST_PATH, PO_SUMMARY_PATH, PO_INDEX_PATH,
                                        PO_TRAILER_PATH};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (size == strlen(names[i]) && memcmp(path, names[i], size) == 0)
            return true;
    return false;
}

static enum po_status
check_entry(const struct pobackup_entry *entry, pobackup_read_fn read, struct po_err *err)
{
    bool is_link = entry->type == POBACKUP_SYMLINK || entry->type == POBACKUP_HARDLINK;

    if (entry->type < POBACKUP_FILE || entry->type > POBACKUP_HARDLINK)
        return po_fail(err, PO_E_USAGE, "entry of type %d cannot be added", (int)entry->type);
    if (is_link != (entry->link != NULL) || (entry->type != POBACKUP_FILE && entry->size != 0))
        return po_fail(err, PO_E_USAGE, "an entry whose type does not go with its size or link");
    if (entry->path_size > 0 && entry->path[entry->path_size - 1] == '/')
        return po_fail(err, PO_E_USAGE, "a path that ends with '/'");
    if (is_reserved(entry->path, entry->path_size))
        return po_fail(err, PO_E_USAGE, "a path that is the format's own"); /* spec: FILE-1 */
    if (is_link && (entry->link_size == 0 || entry->link_size > PO_PATH_MAX_SIZE ||
                    memchr(entry->link, 0, entry->link_size) != NULL))
        return po_fail(err, PO_E_USAGE, "a link target that is not allowed"); /* spec: TAR-8 */
    if (entry->size > 0 && read == NULL)
        return po_fail(err, PO_E_USAGE, "a file with content, but no way to read it");
    return PO_OK;
}

enum po_status
pobackup_writer_add(struct pobackup_writer *w, const struct pobackup_entry *from,
                    pobackup_read_fn read, void *ctx, struct po_err *err)
{
    struct po_entry *entry = NULL;
    enum po_status st = check_entry(from, read, err);

    if (st != PO_OK)
        return st;
    if (w->is_failed || w->is_committed)
        return po_fail(err, PO_E_USAGE, "the writer has ended");
    st = add_entry(w, from, &entry, err);
    if (st == PO_OK)
        st = po_packer_begin(&w->packer, &w->list, entry, err);
    if (st == PO_OK && entry->type == POBACKUP_FILE)
        st = copy_content(w, entry, read, ctx, err);
    if (st == PO_OK)
        st = po_packer_end(&w->packer, err);
    if (st == PO_OK)
        entry->state = PO_ENTRY_SAVED;
    else
        w->is_failed = true;
    return st;
}

/* The number of the entry with this path, or PO_NONE. */
static uint32_t
find_in_order(const struct po_entry_list *list, const uint32_t *order, uint32_t count,
              const uint8_t *path, size_t size)
{
    uint32_t low = 0;

    while (count > 0) {
        const struct po_entry *entry = &list->entries[order[low + count / 2]];
        int sign = po_text_compare(po_entry_path(list, entry), entry->path_size, path, size);

        if (sign == 0)
            return order[low + count / 2];
        if (sign < 0) {
            low += count / 2 + 1;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return PO_NONE;
}

/* Each path once, and hard links to files before them: what the index demands. spec: TAR-2, INDEX-3, INDEX-10 */
static enum po_status
check_list(const struct po_entry_list *list, struct po_err *err)
{
    uint32_t *order = NULL;
    uint32_t count = 0;
    enum po_status st = po_index_sort(list, &order, &count, err);

    if (st == PO_OK && count != list->count)
        st = po_fail(err, PO_E_USAGE, "a path was added twice");
    for (uint32_t i = 0; i < count && st == PO_OK; i++) {
        const uint8_t *target;
        size_t size;
        uint32_t to;

        if (list->entries[i].type != POBACKUP_HARDLINK)
            continue;
        target = po_rows_at(&list->links, list->entries[i].link, &size);
        to = find_in_order(list, order, count, target, size);
        if (to == PO_NONE || to > i || list->entries[to].type != POBACKUP_FILE)
            st = po_fail(err, PO_E_USAGE, "a hard link to what was not added before as a file");
    }
    po_mem_free(order);
    return st;
}

enum po_status
pobackup_writer_commit(struct pobackup_writer *w, uint8_t digest[POBACKUP_DIGEST_SIZE],
                       struct po_err *err)
{
    struct po_summary summary = {.finished = w->writer.created, .outage_seconds = -1};
    struct po_buf json = {0};
    struct po_writer_end end = {.list = &w->list,
                                .summary = &json,
                                .encoder = w->encoder,
                                .content = {.bytes = w->content, .capacity = w->frame_size},
                                .compressed = w->compressed,
                                .compressed_capacity = po_frame_encoded_bound(w->frame_size)};
    enum po_status st;

    if (w->is_failed || w->is_committed)
        return po_fail(err, PO_E_USAGE, "the writer has ended");
    w->is_failed = true;
    for (size_t i = 0; i < w->list.count; i++) {
        uint8_t type = w->list.entries[i].type;

        summary.files += type == POBACKUP_FILE ? 1 : 0;
        summary.directories += type == POBACKUP_DIRECTORY ? 1 : 0;
        summary.links += type == POBACKUP_SYMLINK || type == POBACKUP_HARDLINK ? 1 : 0;
        summary.bytes += w->list.entries[i].size;
    }
    st = check_list(&w->list, err);
    if (st == PO_OK)
        st = po_summary_put(&json, &summary, err);
    if (st == PO_OK)
        st = po_packer_cut(&w->packer, err);
    if (st == PO_OK)
        st = po_writer_finish(&w->writer, &end, digest, err);
    if (st == PO_OK) {
        w->is_failed = false;
        w->is_committed = true;
    }
    po_buf_deinit(&json);
    return st;
}

void
pobackup_writer_free(struct pobackup_writer *w)
{
    if (w == NULL)
        return;
    po_writer_deinit(&w->writer);
    po_packer_deinit(&w->packer);
    po_entry_list_deinit(&w->list);
    po_frame_encoder_free(w->encoder);
    po_hasher_free(w->hasher);
    po_mem_free(w->content);
    po_mem_free(w->compressed);
    po_mem_free(w);
}

/* ---- reading ---- */

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
        archive->bytes = po_mem_new(1, archive->reader->compressed_max);
        archive->content = po_mem_new(1, archive->reader->content_max);
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
    po_reader_free(archive->reader);
    po_buf_deinit(&archive->manifest);
    po_frame_decoder_free(archive->decoder);
    po_hasher_free(archive->hasher);
    po_mem_free(archive->bytes);
    po_mem_free(archive->content);
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
    struct po_posix_owner owner = {0};

    *entry = (struct pobackup_entry){0};
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
                       "a member that goes on behind the last frame"); /* spec: FRAME-4 */
    if (archive->loaded == frame)
        return PO_OK;
    archive->loaded = PO_NONE;
    st = po_reader_decode(archive->reader, archive->decoder, frame, archive->bytes,
                          archive->content, err);
    if (st == PO_OK)
        archive->loaded = frame;
    return st;
}

/* Where `offset` of the content lies: *frame, and *at in its content. Frames before it are passed over by their sizes. */
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
        if (memcmp(hash, po_index_hash(index, entry), sizeof hash) != 0) /* spec: READ-3 */
            return po_fail(err, PO_E_FORMAT, "the content's hash does not match");
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
        struct po_err join_err;

        st = po_audit_frame(verify, archive->decoder, frame, archive->bytes, archive->content,
                            &part, &err);
        if (st == PO_OK || part.is_damaged)
            joined = po_audit_join(verify, &part, archive->content, &join_err);
        if (joined != PO_OK) {
            st = joined;
            err = join_err;
        }
    }
    if ((st == PO_E_FORMAT || st == PO_E_UNSUPPORTED) && hits->fn != NULL)
        po_audit_hits(&verify->layout, frame, tell_hit, hits);
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
    struct hits hits = {.index = archive->reader->index, .fn = hit, .ctx = ctx};
    struct po_audit verify = {0};
    struct po_err first = {0};
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
