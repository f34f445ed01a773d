/*
 * cursor.h - reading bytes that may be hostile. A read beyond the end gives 0 and sets `overrun`,
 * checked once at the end. Also the little-endian loads and stores, which do not care for
 * alignment.
 */
#ifndef PO_BASE_CURSOR_H
#define PO_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct po_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool overrun;
};

static inline uint16_t
po_load_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline uint32_t
po_load_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
po_load_u64le(const uint8_t *p)
{
    return (uint64_t)po_load_u32le(p) | (uint64_t)po_load_u32le(p + 4) << 32;
}

/* Byte by byte and without a loop: compilers make one store of it. */
static inline void
po_store_u16le(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void
po_store_u32le(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static inline void
po_store_u64le(uint8_t *p, uint64_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
    p[4] = (uint8_t)(value >> 32);
    p[5] = (uint8_t)(value >> 40);
    p[6] = (uint8_t)(value >> 48);
    p[7] = (uint8_t)(value >> 56);
}

struct po_cursor po_cursor_over(const void *bytes, size_t size);
size_t po_cursor_left(const struct po_cursor *cursor);
uint8_t po_cursor_u8(struct po_cursor *cursor);
uint16_t po_cursor_u16(struct po_cursor *cursor);
uint32_t po_cursor_u32(struct po_cursor *cursor);
uint64_t po_cursor_u64(struct po_cursor *cursor);
/* `size` bytes in place, or NULL and overrun. */
const uint8_t *po_cursor_bytes(struct po_cursor *cursor, size_t size);
/* Copies `size` bytes, zeros on overrun. */
void po_cursor_copy(struct po_cursor *cursor, void *to, size_t size);
/* Takes `size` bytes; false if one is not zero or missing. */
bool po_cursor_zeros(struct po_cursor *cursor, size_t size);
/* No overrun and nothing left. */
bool po_cursor_ended_well(const struct po_cursor *cursor);

#endif
