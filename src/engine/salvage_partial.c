/* What is there of files that are not whole, below PO_SALVAGE_PARTIAL, and a note that names the gaps. */
#include "archive/frame.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "engine/salvage_parts.h"
#include "port/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FILE_MODE_NEW 0600u

/* ---- the list ---- */

enum po_status
po_salvage_broken_add(struct po_salvage_broken_list *list, const char *path, size_t path_size,
                      uint64_t size, const char *reason, struct po_salvage_broken **item,
                      struct po_err *err)
{
    struct po_salvage_broken *added;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct po_salvage_broken *items = po_mem_resize(list->items, capacity, sizeof *items);

        if (items == NULL)
            return po_fail_nomem(err, capacity * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    added = &list->items[list->count];
    *added = (struct po_salvage_broken){ .path_size = path_size,
                                         .entry = PO_NONE,
                                         .size = size,
                                         .first_piece = list->piece_count,
                                         .reason = reason };
    if (path != NULL && (added->path = po_mem_copy(path, path_size)) == NULL)
        return po_fail_nomem(err, path_size);
    list->count++;
    *item = added;
    return PO_OK;
}

enum po_status
po_salvage_piece_add(struct po_salvage_broken_list *list, const struct po_salvage_piece *piece,
                     struct po_err *err)
{
    if (list->piece_count == list->piece_capacity) {
        size_t capacity = list->piece_capacity == 0 ? 64 : list->piece_capacity * 2;
        struct po_salvage_piece *pieces = po_mem_resize(list->pieces, capacity, sizeof *pieces);

        if (pieces == NULL)
            return po_fail_nomem(err, capacity * sizeof *pieces);
        list->pieces = pieces;
        list->piece_capacity = capacity;
    }
    list->pieces[list->piece_count++] = *piece;
    list->items[list->count - 1].piece_count++;
    return PO_OK;
}

void
po_salvage_broken_deinit(struct po_salvage_broken_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        po_mem_free(list->items[i].path);
    po_mem_free(list->items);
    po_mem_free(list->pieces);
    *list = (struct po_salvage_broken_list){ 0 };
}

/* ---- writing ---- */

struct writing {
    const struct po_reader *reader;
    const struct po_salvage_options *options;
    const struct po_salvage_broken_list *broken;
    struct po_salvage_result *result;
    struct po_frame_decoder *decoder;
    uint8_t *bytes;
    uint8_t *content;
    struct po_buf path; /* of what is being written, below the directory */
    struct po_buf notes;
};

/* What goes wrong with one file is its own; no memory and no room are everybody's. */
static enum po_status
fail_one(struct writing *w, const struct po_salvage_broken *item, const struct po_err *failure,
         struct po_err *err)
{
    const char *path = item->path != NULL ? item->path : po_buf_text(&w->path);
    size_t size = item->path != NULL ? item->path_size : strlen(path);

    if (failure->status == PO_E_NOMEM || failure->status == PO_E_CANCELLED ||
        failure->os_code == ENOSPC || failure->os_code == EIO) {
        *err = *failure;
        return err->status;
    }
    return po_problems_add(&w->result->problems, path, size, failure->text, err);
}

static enum po_status
open_place(struct writing *w, struct po_file **file, struct po_err *err)
{
    const char *path = po_buf_text(&w->path);
    size_t dir_size;
    size_t name_start;
    enum po_status st = po_buf_check(&w->path, err);

    if (st != PO_OK)
        return st;
    po_path_split(path, w->path.size, &dir_size, &name_start);
    st = po_dir_make_all(w->options->dir, path, dir_size, err);
    if (st != PO_OK)
        return st;
    return po_file_open(file, w->options->dir, path, w->path.size,
                        w->options->is_overwriting ? PO_FILE_REPLACE : PO_FILE_CREATE,
                        FILE_MODE_NEW, err);
}

static enum po_status
write_pieces(struct writing *w, const struct po_salvage_broken *item, struct po_file *file,
             struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < item->piece_count && st == PO_OK; i++) {
        const struct po_salvage_piece *piece = &w->broken->pieces[item->first_piece + i];

        st = po_reader_decode(w->reader, w->decoder, piece->frame, w->bytes, w->content, err);
        if (st == PO_OK)
            st = po_file_write_at(file, piece->position, w->content + piece->at, piece->size, err);
    }
    return st;
}

static void
put_notes(struct writing *w, const struct po_salvage_broken *item)
{
    struct po_buf *notes = &w->notes;
    uint64_t end = 0;

    po_text_put_name(notes, po_buf_text(&w->path) + strlen(PO_SALVAGE_PARTIAL "/"),
                     w->path.size - strlen(PO_SALVAGE_PARTIAL "/"));
    if (item->path == NULL) {
        po_buf_printf(notes, "\n  %s\n", item->reason);
        return;
    }
    po_buf_printf(notes, "\n  %s: %" PRIu64 " of %" PRIu64 " bytes are there\n", item->reason,
                  item->there, item->size);
    for (size_t i = 0; i < item->piece_count; i++) {
        const struct po_salvage_piece *piece = &w->broken->pieces[item->first_piece + i];

        if (piece->position > end)
            po_buf_printf(notes, "  missing, zeros in the file: %" PRIu64 " to %" PRIu64 "\n", end,
                          piece->position - 1);
        end = piece->position + piece->size;
    }
    if (end < item->size)
        po_buf_printf(notes, "  missing, the file ends before: %" PRIu64 " to %" PRIu64 "\n", end,
                      item->size - 1);
}

static enum po_status
add_item(struct writing *w, const struct po_salvage_broken *item, struct po_err *err)
{
    struct po_salvage_result *result = w->result;
    struct po_salvage_item *added;

    if (result->partial_count == result->partial_capacity) {
        size_t capacity = result->partial_capacity == 0 ? 16 : result->partial_capacity * 2;
        struct po_salvage_item *items = po_mem_resize(result->partial, capacity, sizeof *items);

        if (items == NULL)
            return po_fail_nomem(err, capacity * sizeof *items);
        result->partial = items;
        result->partial_capacity = capacity;
    }
    added = &result->partial[result->partial_count];
    *added = (struct po_salvage_item){ .path_size = item->path_size,
                                       .size = item->size,
                                       .there = item->there,
                                       .reason = item->reason };
    if (item->path == NULL)
        added->offset = w->reader->offsets[w->broken->pieces[item->first_piece].frame];
    else if ((added->path = po_mem_copy(item->path, item->path_size)) == NULL)
        return po_fail_nomem(err, item->path_size);
    result->partial_count++;
    return PO_OK;
}

static void
put_place(struct writing *w, const struct po_salvage_broken *item)
{
    po_buf_clear(&w->path);
    po_buf_put_text(&w->path, PO_SALVAGE_PARTIAL "/");
    if (item->path != NULL)
        po_buf_put(&w->path, item->path, item->path_size);
    else
        po_buf_printf(&w->path, "frame-%" PRIu64 ".bin",
                      w->reader->offsets[w->broken->pieces[item->first_piece].frame]);
}

static bool
is_selected(const struct po_salvage_options *options, const struct po_salvage_broken *item)
{
    for (size_t i = 0; i < options->pattern_count; i++)
        if (item->path != NULL && po_text_glob(options->patterns[i], item->path, item->path_size))
            return true;
    return options->pattern_count == 0;
}

static enum po_status
write_one(struct writing *w, const struct po_salvage_broken *item, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_err failure;
    struct po_err ignored;
    bool is_made = false;
    enum po_status st = PO_OK;

    if (!is_selected(w->options, item))
        return PO_OK;
    if (item->piece_count == 0)
        return add_item(w, item, err);
    put_place(w, item);
    if (item->path != NULL)
        st = po_name_check(item->path, item->path_size, po_sys_has_windows_names(), &failure);
    if (st == PO_OK)
        st = open_place(w, &file, &failure);
    is_made = st == PO_OK;
    if (st == PO_OK)
        st = write_pieces(w, item, file, &failure);
    if (st == PO_OK)
        st = po_file_close(file, &failure);
    else
        po_file_free(file);
    if (st != PO_OK && is_made)
        (void)!po_dir_remove(w->options->dir, po_buf_text(&w->path), w->path.size, &ignored);
    if (st != PO_OK)
        return fail_one(w, item, &failure, err);
    put_notes(w, item);
    return add_item(w, item, err);
}

/* Beside what it tells of; before the rest, so that no file of the archive can take its name. */
static enum po_status
write_notes(struct writing *w, struct po_file *file, struct po_err *err)
{
    static const char head[] =
        "Files of the archive that are not whole: what is there of each, under its own name.\n\n";
    enum po_status st = po_buf_check(&w->notes, err);

    if (st == PO_OK)
        st = po_file_write_at(file, 0, head, sizeof head - 1, err);
    if (st == PO_OK && w->notes.size > 0)
        st = po_file_write_at(file, sizeof head - 1, w->notes.bytes, w->notes.size, err);
    return st;
}

static enum po_status
write_all(struct writing *w, struct po_err *err)
{
    struct po_file *notes = NULL;
    struct po_err failure;
    bool has_notes;
    enum po_status st = PO_OK;

    po_buf_put_text(&w->path, PO_SALVAGE_NOTES);
    has_notes = open_place(w, &notes, &failure) == PO_OK;
    if (!has_notes)
        st = fail_one(w, &(struct po_salvage_broken){ .path = NULL }, &failure, err);
    for (size_t i = 0; i < w->broken->count && st == PO_OK; i++)
        st = write_one(w, &w->broken->items[i], err);
    if (st == PO_OK && has_notes)
        st = write_notes(w, notes, err);
    if (st == PO_OK && has_notes)
        return po_file_close(notes, err);
    po_file_free(notes);
    return st;
}

enum po_status
po_salvage_partial_write(const struct po_reader *reader, const struct po_salvage_options *options,
                         const struct po_salvage_broken_list *broken,
                         struct po_salvage_result *result, struct po_err *err)
{
    struct writing w = { .reader = reader, .options = options, .broken = broken, .result = result };
    enum po_status st;

    if (broken->count == 0)
        return PO_OK;
    st = po_frame_decoder_new(&w.decoder, err);
    w.bytes = po_mem_new(1, reader->compressed_max);
    w.content = po_mem_new(1, reader->content_max);
    if (st == PO_OK && (w.bytes == NULL || w.content == NULL))
        st = po_fail_nomem(err, reader->content_max);
    if (st == PO_OK)
        st = write_all(&w, err);
    po_frame_decoder_free(w.decoder);
    po_mem_free(w.bytes);
    po_mem_free(w.content);
    po_buf_deinit(&w.path);
    po_buf_deinit(&w.notes);
    return st;
}
