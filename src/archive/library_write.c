/* Writing by pobackup.h: thin over packer, encoder and writer. Serial: the caller's thread does
 * everything. */
#include "archive/hash.h"
#include "archive/index.h"
#include "archive/manifest.h"
#include "archive/stream_path.h"
#include "archive/writer.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/text.h"

#include <string.h>

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
    struct po_manifest manifest = { .created = options->created,
                                    .host_name = options->host == NULL ? "" : options->host,
                                    .host_system = "",
                                    .host_kind = "folder" };
    struct po_buf json = { 0 };
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
    w->content = po_pages_new(frame_size);
    w->compressed = po_pages_new(po_frame_encoded_bound(frame_size));
    po_packer_init(&w->packer, (struct po_frame_buf){ .bytes = w->content, .capacity = frame_size },
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
    const struct po_posix_owner owner = { .mode = from->mode, .uid = from->uid, .gid = from->gid };
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
    static const char *const names[] = { PO_MANIFEST_PATH, PO_SUMMARY_PATH, PO_INDEX_PATH,
                                         PO_TRAILER_PATH };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (po_is_path(path, size, names[i]))
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
    if (po_stream_is_path(entry->path, entry->path_size))
        return po_fail(err, PO_E_USAGE, "a path of an alternate stream"); /* spec: STREAM-1 */
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

/* Each path once, and hard links to files before them: what the index demands. spec: TAR-2,
 * INDEX-3, INDEX-10 */
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
    struct po_summary summary = { .finished = w->writer.created, .outage_seconds = -1 };
    struct po_buf json = { 0 };
    struct po_writer_end end = { .list = &w->list,
                                 .summary = &json,
                                 .encoder = w->encoder,
                                 .content = { .bytes = w->content, .capacity = w->frame_size },
                                 .compressed = w->compressed,
                                 .compressed_capacity = po_frame_encoded_bound(w->frame_size) };
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
    po_pages_free(w->content, w->frame_size);
    po_pages_free(w->compressed, po_frame_encoded_bound(w->frame_size));
    po_mem_free(w);
}
