#include "base/cursor.h"

#include <string.h>

struct po_cursor
po_cursor_over(const void *bytes, size_t size)
{
    static const uint8_t nothing[1];
    struct po_cursor cursor = { nothing, nothing, false };

    /* NULL plus 0 is undefined in C, hence `nothing`. */
    if (size > 0) {
        cursor.at = bytes;
        cursor.end = cursor.at + size;
    }
    return cursor;
}

size_t
po_cursor_left(const struct po_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

const uint8_t *
po_cursor_bytes(struct po_cursor *cursor, size_t size)
{
    const uint8_t *at = cursor->at;

    if (cursor->overrun || size > po_cursor_left(cursor)) {
        /* To the end, so that no later and smaller read finds bytes meant for something else. */
        cursor->overrun = true;
        cursor->at = cursor->end;
        return NULL;
    }
    cursor->at += size;
    return at;
}

uint8_t
po_cursor_u8(struct po_cursor *cursor)
{
    const uint8_t *at = po_cursor_bytes(cursor, 1);

    return at != NULL ? at[0] : 0;
}

uint16_t
po_cursor_u16(struct po_cursor *cursor)
{
    const uint8_t *at = po_cursor_bytes(cursor, 2);

    return at != NULL ? po_load_u16le(at) : 0;
}

uint32_t
po_cursor_u32(struct po_cursor *cursor)
{
    const uint8_t *at = po_cursor_bytes(cursor, 4);

    return at != NULL ? po_load_u32le(at) : 0;
}

uint64_t
po_cursor_u64(struct po_cursor *cursor)
{
    const uint8_t *at = po_cursor_bytes(cursor, 8);

    return at != NULL ? po_load_u64le(at) : 0;
}

void
po_cursor_copy(struct po_cursor *cursor, void *to, size_t size)
{
    const uint8_t *at = po_cursor_bytes(cursor, size);

    if (size == 0)
        return;
    if (at != NULL)
        memcpy(to, at, size);
    else
        memset(to, 0, size);
}

bool
po_cursor_zeros(struct po_cursor *cursor, size_t size)
{
    const uint8_t *at = po_cursor_bytes(cursor, size);

    if (at == NULL)
        return false;
    for (size_t i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

bool
po_cursor_ended_well(const struct po_cursor *cursor)
{
    return !cursor->overrun && cursor->at == cursor->end;
}
