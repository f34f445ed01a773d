#include "base/utf16.h"

#include "base/text.h"

#define SURROGATE_HIGH 0xD800u
#define SURROGATE_LOW 0xDC00u
#define SURROGATE_END 0xE000u
#define PLANE_1 0x10000u

/* The length of the character at the front; 0 when it is none. */
static size_t
length_of(const uint8_t *text, size_t size)
{
    size_t length = po_text_utf8_step(text, size);

    /* What WTF-8 adds to UTF-8: surrogates in three bytes. */
    if (length == 0 && size >= 3 && text[0] == 0xED && text[1] >= 0xA0 && text[1] <= 0xBF &&
        (text[2] & 0xC0) == 0x80)
        length = 3;
    return length;
}

size_t
po_wtf8_step(const uint8_t *text, size_t size, uint32_t *code)
{
    size_t length = length_of(text, size);
    uint32_t value;

    if (length <= 1) {
        *code = text[0];
        return 1;
    }
    value = text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (text[i] & 0x3Fu);
    *code = value;
    return length;
}

bool
po_wtf8_is_valid(const void *text, size_t size)
{
    const uint8_t *bytes = text;
    size_t at = 0;

    while (at < size) {
        size_t length = length_of(bytes + at, size - at);

        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

void
po_wtf8_put_code(struct po_buf *out, uint32_t code)
{
    uint8_t bytes[4];
    size_t length = 0;

    if (code < 0x80) {
        bytes[length++] = (uint8_t)code;
    } else if (code < 0x800) {
        bytes[length++] = (uint8_t)(0xC0 | code >> 6);
        bytes[length++] = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < PLANE_1) {
        bytes[length++] = (uint8_t)(0xE0 | code >> 12);
        bytes[length++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        bytes[length++] = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        bytes[length++] = (uint8_t)(0xF0 | code >> 18);
        bytes[length++] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        bytes[length++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        bytes[length++] = (uint8_t)(0x80 | (code & 0x3F));
    }
    po_buf_put(out, bytes, length);
}

void
po_wtf8_put_utf16(struct po_buf *out, const void *utf16, size_t size, bool is_big_endian)
{
    const uint8_t *bytes = utf16;
    const size_t low = is_big_endian ? 1 : 0;

    for (size_t i = 0; i + 1 < size; i += 2) {
        uint32_t code = (uint32_t)bytes[i + low] | (uint32_t)bytes[i + 1 - low] << 8;

        if (code >= SURROGATE_HIGH && code < SURROGATE_LOW && i + 3 < size) {
            uint32_t next = (uint32_t)bytes[i + 2 + low] | (uint32_t)bytes[i + 3 - low] << 8;

            if (next >= SURROGATE_LOW && next < SURROGATE_END) {
                code = PLANE_1 + ((code - SURROGATE_HIGH) << 10) + (next - SURROGATE_LOW);
                i += 2;
            }
        }
        po_wtf8_put_code(out, code);
    }
}

void
po_utf16_put(struct po_buf *out, const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;

    while (at < size) {
        uint32_t code = 0;

        at += po_wtf8_step(bytes + at, size - at, &code);
        if (code < PLANE_1) {
            po_buf_put_u16le(out, (uint16_t)code);
        } else {
            po_buf_put_u16le(out, (uint16_t)(SURROGATE_HIGH + ((code - PLANE_1) >> 10)));
            po_buf_put_u16le(out, (uint16_t)(SURROGATE_LOW + ((code - PLANE_1) & 0x3FF)));
        }
    }
}
