#include "archive/entry.h"

#include "archive/hash.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/pages.h"

#include <string.h>

static void
rows_deinit(struct po_rows *rows)
{
    po_buf_deinit(&rows->heap);
    po_mem_free(rows->ends);
    *rows = (struct po_rows){ 0 };
}

void
po_entry_list_deinit(struct po_entry_list *list)
{
    po_pages_free(list->entries, list->capacity * sizeof *list->entries);
    po_buf_deinit(&list->paths);
    rows_deinit(&list->links);
    rows_deinit(&list->securities);
    po_mem_free(list->security_slots);
    *list = (struct po_entry_list){ 0 };
}

static enum po_status
rows_add(struct po_rows *rows, const void *bytes, size_t size, struct po_err *err)
{
    if (rows->heap.size + size > UINT32_MAX)
        return po_fail(err, PO_E_USAGE, "more than 4 GiB of links or security descriptors");
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
        uint32_t *ends = po_mem_resize(rows->ends, capacity, sizeof *ends);

        if (ends == NULL)
            return po_fail_nomem(err, capacity * sizeof *ends);
        rows->ends = ends;
        rows->capacity = capacity;
    }
    po_buf_put(&rows->heap, bytes, size);
    if (rows->heap.failed)
        return po_buf_check(&rows->heap, err);
    rows->ends[rows->count++] = (uint32_t)rows->heap.size;
    return PO_OK;
}

const uint8_t *
po_rows_at(const struct po_rows *rows, uint32_t number, size_t *size)
{
    uint32_t start = number == 0 ? 0 : rows->ends[number - 1];

    *size = rows->ends[number] - start;
    return rows->heap.bytes + start;
}

static enum po_status
set_capacity(struct po_entry_list *list, size_t capacity, struct po_err *err)
{
    struct po_entry *entries = NULL;

    if (capacity <= (size_t)PTRDIFF_MAX / sizeof *entries)
        entries = po_pages_resize(list->entries, list->capacity * sizeof *entries,
                                  capacity * sizeof *entries);
    if (entries == NULL)
        return po_fail_nomem(err, capacity * sizeof *entries);
    list->entries = entries;
    list->capacity = capacity;
    return PO_OK;
}

enum po_status
po_entry_list_reserve(struct po_entry_list *list, size_t count, size_t path_bytes,
                      struct po_err *err)
{
    if (!po_buf_reserve(&list->paths, path_bytes))
        return po_buf_check(&list->paths, err);
    return count > list->capacity - list->count ? set_capacity(list, list->count + count, err)
                                                : PO_OK;
}

enum po_status
po_entry_list_add(struct po_entry_list *list, const void *path, size_t path_size,
                  struct po_entry **out, struct po_err *err)
{
    struct po_entry *entry;

    if (path_size == 0 || path_size > PO_PATH_MAX_SIZE || memchr(path, 0, path_size) != NULL)
        return po_fail(err, PO_E_USAGE,
                       "a path of %zu bytes; the format allows 1 to %u without NUL", path_size,
                       PO_PATH_MAX_SIZE); /* spec: TAR-8 */
    if (list->count == PO_ENTRIES_MAX || list->paths.size + path_size > UINT32_MAX)
        return po_fail(err, PO_E_USAGE, "more entries than the format allows (%u, 4 GiB of paths)",
                       PO_ENTRIES_MAX);
    if (list->count == list->capacity) {
        /* By half: doubling would hold twice the memory at the worst moment. */
        enum po_status st = set_capacity(list, list->capacity + list->capacity / 2 + 256, err);

        if (st != PO_OK)
            return st;
    }
    entry = &list->entries[list->count];
    *entry = (struct po_entry){ .path_start = (uint32_t)list->paths.size,
                                .path_size = (uint32_t)path_size,
                                .write_time = POBACKUP_TIME_UNKNOWN,
                                .create_time = POBACKUP_TIME_UNKNOWN,
                                .change_time = POBACKUP_TIME_UNKNOWN,
                                .link = PO_NONE };
    po_buf_put(&list->paths, path, path_size);
    if (list->paths.failed)
        return po_buf_check(&list->paths, err);
    list->count++;
    *out = entry;
    return PO_OK;
}

enum po_status
po_entry_list_set_link(struct po_entry_list *list, struct po_entry *entry, const void *target,
                       size_t size, struct po_err *err)
{
    enum po_status st = rows_add(&list->links, target, size, err);

    if (st == PO_OK)
        entry->link = (uint32_t)(list->links.count - 1);
    return st;
}

/* The slot of this descriptor, or the free one where it belongs. */
static size_t
security_slot(const struct po_entry_list *list, const uint8_t *bytes, size_t size)
{
    size_t mask = list->security_slot_count - 1;
    size_t slot = po_xxh64_low(bytes, size) & mask;

    for (; list->security_slots[slot] != 0; slot = (slot + 1) & mask) {
        size_t have_size;
        const uint8_t *have =
            po_rows_at(&list->securities, list->security_slots[slot] - 1, &have_size);

        if (have_size == size && (size == 0 || memcmp(have, bytes, size) == 0))
            break;
    }
    return slot;
}

static enum po_status
grow_security_slots(struct po_entry_list *list, struct po_err *err)
{
    size_t count = list->security_slot_count == 0 ? 64 : list->security_slot_count * 2;
    uint32_t *slots = po_mem_new(count, sizeof *slots);

    if (slots == NULL)
        return po_fail_nomem(err, count * sizeof *slots);
    po_mem_free(list->security_slots);
    list->security_slots = slots;
    list->security_slot_count = count;
    for (uint32_t i = 0; i < list->securities.count; i++) {
        size_t size;
        const uint8_t *bytes = po_rows_at(&list->securities, i, &size);

        slots[security_slot(list, bytes, size)] = i + 1;
    }
    return PO_OK;
}

enum po_status
po_entry_list_security(struct po_entry_list *list, const void *bytes, size_t size, uint32_t *number,
                       struct po_err *err)
{
    enum po_status st;
    size_t slot;

    if (list->securities.count * 2 >= list->security_slot_count) {
        st = grow_security_slots(list, err);
        if (st != PO_OK)
            return st;
    }
    slot = security_slot(list, bytes, size);
    if (list->security_slots[slot] == 0) {
        st = rows_add(&list->securities, bytes, size, err);
        if (st != PO_OK)
            return st;
        list->security_slots[slot] = (uint32_t)list->securities.count;
    }
    *number = list->security_slots[slot];
    return PO_OK;
}

enum po_status
po_entry_list_owner(struct po_entry_list *list, const struct po_posix_owner *owner,
                    uint32_t *number, struct po_err *err)
{
    uint8_t bytes[1 + 12 + 2 + 255 + 255];
    size_t user_size = owner->user_size > 255 ? 0 : owner->user_size;
    size_t group_size = owner->group_size > 255 ? 0 : owner->group_size;
    uint8_t *at = bytes + 13;

    bytes[0] = PO_SECURITY_KIND_POSIX;
    po_store_u32le(bytes + 1, owner->mode);
    po_store_u32le(bytes + 5, owner->uid);
    po_store_u32le(bytes + 9, owner->gid);
    *at++ = (uint8_t)user_size;
    if (user_size > 0)
        memcpy(at, owner->user, user_size);
    at += user_size;
    *at++ = (uint8_t)group_size;
    if (group_size > 0)
        memcpy(at, owner->group, group_size);
    at += group_size;
    return po_entry_list_security(list, bytes, (size_t)(at - bytes), number, err);
}

const char *
po_entry_path(const struct po_entry_list *list, const struct po_entry *entry)
{
    return (const char *)list->paths.bytes + entry->path_start;
}

const char *
po_entry_list_path(const void *list, uint32_t number, size_t *size)
{
    const struct po_entry_list *entries = list;
    const struct po_entry *entry = &entries->entries[number];

    *size = entry->path_size;
    return po_entry_path(entries, entry);
}

bool
po_posix_owner_parse(struct po_posix_owner *owner, const uint8_t *bytes, size_t size)
{
    struct po_cursor cur = po_cursor_over(bytes, size);

    if (po_cursor_u8(&cur) != PO_SECURITY_KIND_POSIX)
        return false;
    owner->mode = po_cursor_u32(&cur);
    owner->uid = po_cursor_u32(&cur);
    owner->gid = po_cursor_u32(&cur);
    owner->user_size = po_cursor_u8(&cur);
    owner->user = (const char *)po_cursor_bytes(&cur, owner->user_size);
    owner->group_size = po_cursor_u8(&cur);
    owner->group = (const char *)po_cursor_bytes(&cur, owner->group_size);
    return !cur.overrun;
}
