#include "engine/diff_sides.h"

#include "base/names.h"
#include "base/text.h"
#include "engine/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OUR_FOLDER "pobackup"

static const char *
side_path(const struct po_diff_side *side, uint32_t number, size_t *size)
{
    const struct po_entry *entry;

    if (side->reader != NULL)
        return po_index_path(side->reader->index, number, size);
    entry = &side->list->entries[side->order[number]];
    *size = entry->path_size;
    return po_entry_path(side->list, entry);
}

/* A walked list knows no hard links: all names of a file are files there. */
static void
list_item(const struct po_diff_side *side, uint32_t number, struct po_diff_item *item)
{
    const struct po_entry *entry = &side->list->entries[side->order[number]];

    item->path = po_entry_path(side->list, entry);
    item->path_size = entry->path_size;
    item->type = entry->type;
    item->size = entry->size;
    item->write_time = entry->write_time;
    if (entry->link != PO_NONE)
        item->link = (const char *)po_rows_at(&side->list->links, entry->link, &item->link_size);
    if (entry->type == POBACKUP_FILE)
        item->content = number;
}

void
po_diff_side_item(const struct po_diff_side *side, uint32_t number, struct po_diff_item *item)
{
    const struct po_index *index;

    *item = (struct po_diff_item){ .content = PO_NONE };
    if (side->reader == NULL) {
        list_item(side, number, item);
        return;
    }
    index = side->reader->index;
    item->path = po_index_path(index, number, &item->path_size);
    item->type = po_index_type(index, number);
    item->write_time = po_index_write_time(index, number);
    item->link = po_index_link(index, number, &item->link_size);
    if (item->type == POBACKUP_FILE) {
        item->content = number;
    } else if (item->type == POBACKUP_HARDLINK) {
        /* spec: INDEX-10: the target is an entry of type file. */
        item->content = po_index_find(index, item->link, item->link_size);
        item->type = POBACKUP_FILE;
        item->link = NULL;
        item->link_size = 0;
    }
    if (item->content != PO_NONE) {
        item->size = po_index_size(index, item->content);
        item->hash = po_index_hash(index, item->content);
    }
}

static bool
is_registry(const char *path, size_t size)
{
    const char *member = po_part_member(PO_PART_REGISTRY);

    return size == strlen(member) && memcmp(path, member, size) == 0;
}

/* The folder of ours in an archive, and what a restore puts into a tree. */
static bool
is_ours(const char *path, size_t size)
{
    size_t folder_size = sizeof OUR_FOLDER - 1;

    if (size >= folder_size && memcmp(path, OUR_FOLDER, folder_size) == 0 &&
        (size == folder_size || path[folder_size] == '/'))
        return true;
    return po_name_has_ours(path, size);
}

/* The first number from `number` on that takes part. */
static uint32_t
skip(const struct po_diff_side *side, uint32_t number, bool has_registry_apart)
{
    for (; number < side->count; number++) {
        size_t size = 0;
        const char *path = side_path(side, number, &size);

        if (!is_ours(path, size) && !(has_registry_apart && is_registry(path, size)))
            break;
    }
    return number;
}

enum po_status
po_diff_merge(const struct po_diff_side *a, const struct po_diff_side *b, bool has_registry_apart,
              enum po_status (*each)(void *ctx, uint32_t a, uint32_t b, struct po_err *err),
              void *ctx, struct po_err *err)
{
    uint32_t i = skip(a, 0, has_registry_apart);
    uint32_t j = skip(b, 0, has_registry_apart);
    enum po_status st = PO_OK;

    while (st == PO_OK && (i < a->count || j < b->count)) {
        size_t a_size = 0;
        size_t b_size = 0;
        const char *a_path = i < a->count ? side_path(a, i, &a_size) : NULL;
        const char *b_path = j < b->count ? side_path(b, j, &b_size) : NULL;
        int order = a_path == NULL   ? 1
                    : b_path == NULL ? -1
                                     : po_text_compare(a_path, a_size, b_path, b_size);

        st = each(ctx, order <= 0 ? i : PO_NONE, order >= 0 ? j : PO_NONE, err);
        if (order <= 0)
            i = skip(a, i + 1, has_registry_apart);
        if (order >= 0)
            j = skip(b, j + 1, has_registry_apart);
    }
    return st;
}

const char *
po_diff_at_once(const struct po_diff_item *a, const struct po_diff_item *b)
{
    if (a->type != b->type)
        return "type";
    if (a->link_size != b->link_size ||
        (a->link_size > 0 && memcmp(a->link, b->link, a->link_size) != 0))
        return "link target";
    if (a->size != b->size)
        return "content";
    if (a->hash != NULL && b->hash != NULL && memcmp(a->hash, b->hash, PO_HASH_SIZE) != 0)
        return "content";
    return NULL;
}

bool
po_diff_has_content(const struct po_diff_item *a, const struct po_diff_item *b)
{
    return a->content != PO_NONE && b->content != PO_NONE && a->size > 0;
}

bool
po_diff_write_time(const struct po_diff_item *a, const struct po_diff_item *b)
{
    return a->type == POBACKUP_FILE && a->write_time != POBACKUP_TIME_UNKNOWN &&
           b->write_time != POBACKUP_TIME_UNKNOWN && a->write_time != b->write_time;
}

const char *
po_diff_type_name(uint8_t type)
{
    switch (type) {
    case POBACKUP_DIRECTORY:
        return "directory";
    case POBACKUP_SYMLINK:
        return "symbolic link";
    default:
        return "file";
    }
}

enum po_status
po_diff_tell(const struct po_diff_teller *teller, enum po_diff_kind kind, const char *path,
             size_t path_size, const char *what, struct po_err *err)
{
    switch (kind) {
    case PO_DIFF_ADDED:
        teller->result->added++;
        break;
    case PO_DIFF_REMOVED:
        teller->result->removed++;
        break;
    case PO_DIFF_CHANGED:
        teller->result->changed++;
        break;
    }
    return teller->each != NULL ? teller->each(teller->ctx, kind, path, path_size, what, err)
                                : PO_OK;
}

void
po_diff_warn_unproven(const struct po_diff_teller *teller)
{
    char text[200];

    if (teller->result->unproven == 0)
        return;
    (void)snprintf(text, sizeof text,
                   "the contents of %" PRIu64 " files lie in parent archives, which were not read: "
                   "compared by size, write time and XXH3 alone",
                   teller->result->unproven);
    po_watch_warning(teller->watch, text);
}
