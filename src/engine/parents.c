#include "engine/parents.h"

#include "archive/layout.h"
#include "base/mem.h"

#include <string.h>

/* A hint is a file's name, never a path. spec: INDEX-9 */
static bool
is_name_usable(const char *name, size_t size)
{
    return size > 0 && memchr(name, '/', size) == NULL && memchr(name, '\\', size) == NULL &&
           memchr(name, 0, size) == NULL && !(size == 1 && name[0] == '.') &&
           !(size == 2 && name[0] == '.' && name[1] == '.');
}

static bool
is_link_same(const struct po_index *a, uint32_t x, const struct po_index *b, uint32_t y)
{
    size_t x_size;
    size_t y_size;
    const char *x_link = po_index_link(a, x, &x_size);
    const char *y_link = po_index_link(b, y, &y_size);

    return x_size == y_size && (x_size == 0 || memcmp(x_link, y_link, x_size) == 0);
}

static bool
is_path_same(const struct po_index *a, uint32_t x, const struct po_index *b, uint32_t y)
{
    size_t x_size;
    size_t y_size;
    const char *x_path = po_index_path(a, x, &x_size);
    const char *y_path = po_index_path(b, y, &y_size);

    return x_size == y_size && memcmp(x_path, y_path, x_size) == 0;
}

/* The parent's index speaks for its members: both hang on the digest that was compared. */
static enum po_status
check_entries(const struct po_index *index, uint32_t number, const struct po_layout *layout,
              struct po_err *err)
{
    const struct po_index *parent = layout->index;

    for (uint32_t i = 0; i < index->count; i++) {
        uint32_t there;

        if (po_index_source(index, i) != number)
            continue;
        there = po_index_frame(index, i) < parent->frame_count
                    ? po_layout_at(layout, po_index_frame(index, i), po_index_offset(index, i))
                    : PO_NONE;
        if (there == PO_NONE || po_index_type(parent, there) != po_index_type(index, i) ||
            po_index_size(parent, there) != po_index_size(index, i) ||
            po_index_write_time(parent, there) != po_index_write_time(index, i) ||
            memcmp(po_index_hash(parent, there), po_index_hash(index, i), PO_HASH_SIZE) != 0 ||
            !is_path_same(index, i, parent, there) || !is_link_same(index, i, parent, there)) {
            size_t size;
            const char *path = po_index_path(index, i, &size);

            return po_fail(err, PO_E_FORMAT,
                           "parent %u has no such content as the index says of "
                           "%.*s" PO_RULE("INDEX-9"),
                           number, (int)size, path);
        }
    }
    return PO_OK;
}

/* ---- opening ---- */

struct po_parent_file {
    struct pobackup_blob blob;
    bool is_open;
};

static enum po_status
check_parent(const struct po_reader *reader, uint32_t number, const struct pobackup_blob *blob,
             const struct po_parent *expected, struct po_reader **out, struct po_err *err)
{
    struct po_layout layout = { 0 };
    enum po_status st = po_reader_open(out, blob, err);

    if (st == PO_E_UNSUPPORTED)
        st = err->status = PO_E_FORMAT;
    if (st == PO_OK && memcmp((*out)->digest, expected->digest, PO_DIGEST_SIZE) != 0)
        st = po_fail(err, PO_E_FORMAT,
                     "it is not the parent: its digest is another" PO_RULE("INDEX-9"));
    if (st == PO_OK)
        st = po_layout_init(&layout, (*out)->index, err);
    if (st == PO_OK)
        st = check_entries(reader->index, number, &layout, err);
    po_layout_deinit(&layout);
    return st;
}

/* The file that has the parent's name is damaged: a mended copy may lie beside it. *st and *err stay when
 * there is none, and where the file is another archive (INDEX-9). */
static void
open_other(struct po_parents *parents, const struct po_reader *reader, uint32_t number,
           const struct po_parent *expected, enum po_status *st, struct po_err *err)
{
    const struct po_parents_place *place = &parents->place;
    struct po_parent_file other = { .is_open = false };
    struct po_reader *opened = NULL;
    struct po_buf name = { 0 };
    struct po_err ignored;

    if (*st != PO_E_FORMAT || parents->readers[number] != NULL || place->find == NULL ||
        place->find(place->ctx, expected->digest, &name, &other.blob, &other.is_open, &ignored) !=
            PO_OK)
        goto done;
    if (!other.is_open ||
        check_parent(reader, number + 1, &other.blob, expected, &opened, &ignored) != PO_OK) {
        po_reader_free(opened);
        if (other.is_open)
            place->close(place->ctx, &other.blob);
        goto done;
    }
    place->close(place->ctx, &parents->files[number].blob);
    parents->readers[number] = opened;
    parents->files[number] = other;
    *err = (struct po_err){ .status = PO_OK };
    *st = PO_OK;
done:
    po_buf_deinit(&name);
}

static enum po_status
open_parent(struct po_parents *parents, const struct po_reader *reader, uint32_t number,
            struct po_problems *missing, struct po_err *err)
{
    struct po_parent_file *file = &parents->files[number];
    const struct po_parents_place *place = &parents->place;
    struct po_parent expected;
    struct po_buf name = { 0 };
    const char *hint;
    size_t size;
    enum po_status st = PO_OK;

    po_index_parent(reader->index, number, &expected, &hint, &size);
    po_buf_put(&name, hint, size);
    st = po_buf_check(&name, err);
    if (st == PO_OK && is_name_usable(hint, size))
        st = place->open(place->ctx, po_buf_text(&name), &file->blob, &file->is_open, err);
    if (st == PO_OK && !file->is_open && place->find != NULL) {
        po_buf_clear(&name);
        st = place->find(place->ctx, expected.digest, &name, &file->blob, &file->is_open, err);
    }
    if (st == PO_OK && !file->is_open)
        st = po_problems_add(missing, hint, size, "this parent is not there", err);
    else if (st == PO_OK) {
        st = check_parent(reader, number + 1, &file->blob, &expected, &parents->readers[number],
                          err);
        open_other(parents, reader, number, &expected, &st, err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "parent %s", po_buf_text(&name));
    }
    po_buf_deinit(&name);
    return st;
}

enum po_status
po_parents_open(struct po_parents *parents, const struct po_reader *reader,
                const struct po_parents_place *place, struct po_problems *missing,
                struct po_err *err)
{
    uint32_t count = reader->index->parent_count;
    enum po_status st = PO_OK;

    *parents = (struct po_parents){ .place = *place };
    parents->files = po_mem_new(count, sizeof *parents->files);
    parents->readers = po_mem_new(count, sizeof(struct po_reader *));
    if (parents->files == NULL || parents->readers == NULL)
        return po_fail_nomem(err, count * sizeof *parents->files);
    parents->count = count;
    for (uint32_t i = 0; i < count && st == PO_OK; i++)
        st = open_parent(parents, reader, i, missing, err);
    return st;
}

void
po_parents_drop_readers(struct po_parents *parents)
{
    for (uint32_t i = 0; i < parents->count; i++) {
        po_reader_free(parents->readers[i]);
        parents->readers[i] = NULL;
    }
}

void
po_parents_close(struct po_parents *parents)
{
    po_parents_drop_readers(parents);
    for (uint32_t i = 0; i < parents->count; i++)
        if (parents->files[i].is_open)
            parents->place.close(parents->place.ctx, &parents->files[i].blob);
    po_mem_free(parents->files);
    po_mem_free(parents->readers);
    *parents = (struct po_parents){ 0 };
}
