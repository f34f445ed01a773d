#include "base/buf.h"

#include "base/cursor.h"
#include "base/pages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)64)

void
po_buf_deinit(struct po_buf *buf)
{
    po_pages_free(buf->bytes, buf->capacity);
    *buf = (struct po_buf){ 0 };
}

void
po_buf_clear(struct po_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

/* Apart from po_buf_reserve, so that the usual way of it fits into each put. */
static bool
grow(struct po_buf *buf, size_t more)
{
    size_t capacity;
    uint8_t *bytes;

    if (more > (size_t)PTRDIFF_MAX - buf->size) {
        buf->failed = true;
        return false;
    }
    /* Doubling keeps the cost of appending byte by byte linear. */
    capacity = buf->capacity > CAPACITY_MIN ? buf->capacity : CAPACITY_MIN;
    while (capacity < buf->size + more)
        capacity = capacity <= (size_t)PTRDIFF_MAX / 2 ? capacity * 2 : (size_t)PTRDIFF_MAX;
    bytes = po_pages_resize(buf->bytes, buf->capacity, capacity);
    if (bytes == NULL) {
        buf->failed = true;
        return false;
    }
    buf->bytes = bytes;
    buf->capacity = capacity;
    return true;
}

bool
po_buf_reserve(struct po_buf *buf, size_t more)
{
    if (buf->failed)
        return false;
    return more <= buf->capacity - buf->size || grow(buf, more);
}

void
po_buf_put(struct po_buf *buf, const void *bytes, size_t size)
{
    if (size == 0 || !po_buf_reserve(buf, size))
        return;
    memcpy(buf->bytes + buf->size, bytes, size);
    buf->size += size;
}

void
po_buf_put_zeros(struct po_buf *buf, size_t count)
{
    if (count == 0 || !po_buf_reserve(buf, count))
        return;
    memset(buf->bytes + buf->size, 0, count);
    buf->size += count;
}

void
po_buf_put_u8(struct po_buf *buf, uint8_t value)
{
    if (po_buf_reserve(buf, 1))
        buf->bytes[buf->size++] = value;
}

void
po_buf_put_u16le(struct po_buf *buf, uint16_t value)
{
    if (!po_buf_reserve(buf, sizeof value))
        return;
    po_store_u16le(buf->bytes + buf->size, value);
    buf->size += sizeof value;
}

void
po_buf_put_u32le(struct po_buf *buf, uint32_t value)
{
    if (!po_buf_reserve(buf, sizeof value))
        return;
    po_store_u32le(buf->bytes + buf->size, value);
    buf->size += sizeof value;
}

void
po_buf_put_u64le(struct po_buf *buf, uint64_t value)
{
    if (!po_buf_reserve(buf, sizeof value))
        return;
    po_store_u64le(buf->bytes + buf->size, value);
    buf->size += sizeof value;
}

void
po_buf_put_text(struct po_buf *buf, const char *text)
{
    po_buf_put(buf, text, strlen(text));
}

void
po_buf_printf(struct po_buf *buf, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buf->failed = true;
        return;
    }
    if (!po_buf_reserve(buf, (size_t)length + 1))
        return;
    va_start(args, format);
    (void)vsnprintf((char *)buf->bytes + buf->size, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
}

const char *
po_buf_text(struct po_buf *buf)
{
    if (!po_buf_reserve(buf, 1))
        return "";
    buf->bytes[buf->size] = '\0';
    return (const char *)buf->bytes;
}

enum po_status
po_buf_check(const struct po_buf *buf, struct po_err *err)
{
    if (buf->failed)
        return po_fail(err, PO_E_NOMEM, "out of memory for a buffer of more than %zu bytes",
                       buf->size);
    return PO_OK;
}
