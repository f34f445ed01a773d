/*
 * buf.h - a growable byte buffer with a sticky failure. po_buf_put_* never fail at once: they set
 * `failed`, and the caller checks once at the end with po_buf_check. { 0 } is an empty buffer.
 */
#ifndef PO_BASE_BUF_H
#define PO_BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>

struct po_buf {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    bool failed;
};

void po_buf_deinit(struct po_buf *buf);
/* Size 0, memory kept, failure cleared. */
void po_buf_clear(struct po_buf *buf);
/* Room for `more` bytes behind the end; false (and failed) when memory runs out. */
bool po_buf_reserve(struct po_buf *buf, size_t more);
void po_buf_put(struct po_buf *buf, const void *bytes, size_t size);
void po_buf_put_zeros(struct po_buf *buf, size_t count);
void po_buf_put_u8(struct po_buf *buf, uint8_t value);
void po_buf_put_u16le(struct po_buf *buf, uint16_t value);
void po_buf_put_u32le(struct po_buf *buf, uint32_t value);
void po_buf_put_u64le(struct po_buf *buf, uint64_t value);
void po_buf_put_text(struct po_buf *buf, const char *text);
PO_PRINTF(2, 3) void po_buf_printf(struct po_buf *buf, const char *format, ...);
/* The bytes as a NUL-terminated string (the NUL is not counted); "" when empty or failed. */
const char *po_buf_text(struct po_buf *buf);
/* PO_OK, or PO_E_NOMEM when any put failed. */
PO_NODISCARD enum po_status po_buf_check(const struct po_buf *buf, struct po_err *err);

#endif
