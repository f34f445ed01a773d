#include "engine/unread.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>

/* The first range that ends behind `offset`. */
static size_t
find(const struct po_unread *unread, uint64_t offset)
{
    size_t low = 0;
    size_t high = unread->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (unread->ranges[middle].offset + unread->ranges[middle].size > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool
touches(struct po_unread *unread, uint64_t offset, size_t size)
{
    size_t at;
    bool is_so;

    po_mutex_lock(unread->lock);
    at = find(unread, offset);
    is_so = at < unread->count && unread->ranges[at].offset < offset + size;
    po_mutex_unlock(unread->lock);
    return is_so;
}

static enum po_status
reserve(struct po_unread *unread, struct po_err *err)
{
    size_t capacity = unread->capacity == 0 ? 16 : unread->capacity * 2;
    struct po_unread_range *ranges;

    if (unread->count < unread->capacity)
        return PO_OK;
    ranges = po_mem_resize(unread->ranges, capacity, sizeof *ranges);
    if (ranges == NULL)
        return po_fail_nomem(err, capacity * sizeof *ranges);
    unread->ranges = ranges;
    unread->capacity = capacity;
    return PO_OK;
}

/* A block, which no range has yet: grows the one before it, the one behind it, or is one. */
static enum po_status
insert(struct po_unread *unread, uint64_t offset, uint64_t size, struct po_err *err)
{
    struct po_unread_range *ranges = unread->ranges;
    size_t at = find(unread, offset);
    bool joins_before = at > 0 && ranges[at - 1].offset + ranges[at - 1].size == offset;
    bool joins_behind = at < unread->count && ranges[at].offset == offset + size;
    enum po_status st;

    if (joins_before) {
        ranges[at - 1].size += size;
        if (joins_behind) {
            ranges[at - 1].size += ranges[at].size;
            unread->count--;
            memmove(ranges + at, ranges + at + 1, (unread->count - at) * sizeof *ranges);
        }
        return PO_OK;
    }
    if (joins_behind) {
        ranges[at].offset = offset;
        ranges[at].size += size;
        return PO_OK;
    }
    st = reserve(unread, err);
    if (st != PO_OK)
        return st;
    ranges = unread->ranges;
    memmove(ranges + at + 1, ranges + at, (unread->count - at) * sizeof *ranges);
    ranges[at] = (struct po_unread_range){ offset, size };
    unread->count++;
    return PO_OK;
}

/* Another thread may have noted the block meanwhile. */
static enum po_status
note(struct po_unread *unread, uint64_t offset, const struct po_err *failure, struct po_err *err)
{
    uint64_t left = unread->below.size - offset;
    uint64_t size = left < PO_UNREAD_BLOCK ? left : PO_UNREAD_BLOCK;
    enum po_status st = PO_OK;
    size_t at;

    po_mutex_lock(unread->lock);
    at = find(unread, offset);
    if (at == unread->count || unread->ranges[at].offset > offset) {
        if (unread->first.status == PO_OK)
            unread->first = *failure;
        st = insert(unread, offset, size, err);
    }
    po_mutex_unlock(unread->lock);
    return st;
}

/* A part of one block. */
static enum po_status
read_part(struct po_unread *unread, uint64_t offset, uint8_t *bytes, size_t size,
          struct po_err *err)
{
    struct po_err failure = { 0 };
    enum po_status st = PO_E_IO;

    if (!touches(unread, offset, size)) {
        st = unread->below.read_at(unread->below.ctx, offset, bytes, size, &failure);
        if (st == PO_OK)
            return PO_OK;
        if (st != PO_E_IO) {
            *err = failure;
            return st;
        }
        st = note(unread, offset - offset % PO_UNREAD_BLOCK, &failure, err);
        if (st != PO_OK)
            return st;
    }
    memset(bytes, 0, size);
    return PO_OK;
}

static enum po_status
read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    struct po_unread *unread = ctx;
    uint8_t *to = bytes;
    enum po_status st = PO_OK;

    if (!touches(unread, offset, size)) {
        struct po_err failure = { 0 };

        st = unread->below.read_at(unread->below.ctx, offset, bytes, size, &failure);
        if (st != PO_OK && st != PO_E_IO)
            *err = failure;
        if (st != PO_E_IO)
            return st;
        st = PO_OK;
    }
    while (size > 0 && st == PO_OK) {
        size_t part = PO_UNREAD_BLOCK - (size_t)(offset % PO_UNREAD_BLOCK);

        if (part > size)
            part = size;
        st = read_part(unread, offset, to, part, err);
        offset += part;
        to += part;
        size -= part;
    }
    return st;
}

enum po_status
po_unread_init(struct po_unread *unread, const struct pobackup_blob *below, struct po_err *err)
{
    *unread = (struct po_unread){ .below = *below };
    unread->blob = (struct pobackup_blob){ .ctx = unread, .size = below->size, .read_at = read_at };
    return po_mutex_new(&unread->lock, err);
}

void
po_unread_deinit(struct po_unread *unread)
{
    po_mutex_free(unread->lock);
    po_mem_free(unread->ranges);
    *unread = (struct po_unread){ 0 };
}
