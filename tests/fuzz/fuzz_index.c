#include "archive/index.h"

#include "archive/layout.h"
#include "base/mem.h"
#include "fuzz.h"

static volatile uint64_t sum; /* so that what is read is read */

static void
touch_entry(const struct po_index *index, uint32_t i)
{
    struct po_posix_owner owner = { 0 };
    size_t size = 0;
    const char *path = po_index_path(index, i, &size);
    const char *link;

    FUZZ_CHECK(size > 0 && size <= PO_PATH_MAX_SIZE);
    FUZZ_CHECK(po_index_find(index, path, size) == i);
    link = po_index_link(index, i, &size);
    FUZZ_CHECK((link != NULL) == (po_index_type(index, i) == POBACKUP_SYMLINK ||
                                  po_index_type(index, i) == POBACKUP_HARDLINK));
    sum += link != NULL && size > 0 ? (uint8_t)link[size - 1] : 0;
    if (po_index_owner(index, i, &owner) && owner.group_size > 0)
        sum += (uint8_t)owner.group[owner.group_size - 1];
    if (po_index_security(index, i) != 0)
        (void)po_index_security_bytes(index, po_index_security(index, i), &size);
    sum += po_index_hash(index, i)[15] + po_index_size(index, i) + po_index_file_id(index, i) +
           po_index_attributes(index, i) + (uint64_t)po_index_write_time(index, i) +
           (uint64_t)po_index_create_time(index, i) + (uint64_t)po_index_change_time(index, i);
    FUZZ_CHECK(po_index_source(index, i) != 0 || po_index_frame(index, i) < index->frame_count);
}

static void
touch_layout(const struct po_index *index)
{
    struct po_layout layout;
    struct po_err err;

    FUZZ_CHECK(po_layout_init(&layout, index, &err) == PO_OK);
    for (uint32_t i = 0; i < index->count; i++)
        if (po_index_source(index, i) == 0)
            FUZZ_CHECK(po_layout_at(&layout, po_index_frame(index, i), po_index_offset(index, i)) !=
                       PO_NONE);
    for (uint32_t f = 0; f < index->frame_count; f++) {
        uint32_t entry = po_layout_continued(&layout, f);

        FUZZ_CHECK(entry == PO_NONE || entry < index->count);
    }
    po_layout_deinit(&layout);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct po_index *index = NULL;
    uint8_t *copy = po_mem_new(size, 1);
    struct po_err err;
    enum po_status st;

    FUZZ_CHECK(copy != NULL);
    for (size_t i = 0; i < size; i++)
        copy[i] = bytes[i];
    st = po_index_load_take(&index, copy, size, 0, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    FUZZ_CHECK((st == PO_OK) == (index != NULL));
    if (st != PO_OK)
        return 0;
    for (uint32_t i = 0; i < index->count; i++)
        touch_entry(index, i);
    for (uint32_t i = 0; i < index->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t name_size;

        po_index_parent(index, i, &parent, &name, &name_size);
        sum += name_size > 0 ? (uint8_t)name[name_size - 1] : 0;
    }
    for (uint32_t i = 0; i < index->unlisted_count; i++) {
        uint64_t place = po_index_unlisted(index, i);

        FUZZ_CHECK(po_index_is_unlisted(index, (uint32_t)(place >> 32), (uint32_t)place));
    }
    touch_layout(index);
    po_index_free(index);
    return 0;
}
