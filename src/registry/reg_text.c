#include "registry/reg_text.h"

#include "base/text.h"

#include <string.h>

#define SURROGATE_HIGH 0xD800u
#define SURROGATE_LOW 0xDC00u
#define SURROGATE_END 0xE000u
#define PLANE_1 0x10000u

size_t
po_reg_text_step(const uint8_t *text, size_t size, uint32_t *code)
{
    size_t length = po_text_utf8_step(text, size);
    uint32_t value;

    /* What WTF-8 adds to UTF-8: surrogates in three bytes. */
    if (length == 0 && size >= 3 && text[0] == 0xED && text[1] >= 0xA0 && text[1] <= 0xBF &&
        (text[2] & 0xC0) == 0x80)
        length = 3;
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

void
po_reg_text_put_code(struct po_buf *out, uint32_t code)
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
po_reg_put_utf16(struct po_buf *out, const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;

    while (at < size) {
        uint32_t code = 0;

        at += po_reg_text_step(bytes + at, size - at, &code);
        if (code < PLANE_1) {
            po_buf_put_u16le(out, (uint16_t)code);
        } else {
            po_buf_put_u16le(out, (uint16_t)(SURROGATE_HIGH + ((code - PLANE_1) >> 10)));
            po_buf_put_u16le(out, (uint16_t)(SURROGATE_LOW + ((code - PLANE_1) & 0x3FF)));
        }
    }
}

/* UTF-16 of either byte order, of even size. */
static void
put_wtf8(struct po_buf *out, const uint8_t *utf16, size_t size, bool is_big_endian)
{
    const size_t low = is_big_endian ? 1 : 0;

    for (size_t i = 0; i + 1 < size; i += 2) {
        uint32_t code = (uint32_t)utf16[i + low] | (uint32_t)utf16[i + 1 - low] << 8;

        if (code >= SURROGATE_HIGH && code < SURROGATE_LOW && i + 3 < size) {
            uint32_t next = (uint32_t)utf16[i + 2 + low] | (uint32_t)utf16[i + 3 - low] << 8;

            if (next >= SURROGATE_LOW && next < SURROGATE_END) {
                code = PLANE_1 + ((code - SURROGATE_HIGH) << 10) + (next - SURROGATE_LOW);
                i += 2;
            }
        }
        po_reg_text_put_code(out, code);
    }
}

void
po_reg_put_wtf8(struct po_buf *out, const uint8_t *utf16, size_t size)
{
    put_wtf8(out, utf16, size, false);
}

bool
po_reg_text_put_code_page(struct po_buf *out, const uint8_t *bytes, size_t size,
                          enum po_reg_code_page code_page)
{
    bool is_utf8 = code_page != PO_REG_CODE_PAGE_LATIN1 && po_text_is_utf8(bytes, size);

    if (code_page == PO_REG_CODE_PAGE_UTF8 && !is_utf8)
        return false;
    if (is_utf8) {
        po_reg_put_utf16(out, (const char *)bytes, size);
        return true;
    }
    for (size_t i = 0; i < size; i++)
        po_buf_put_u16le(out, bytes[i]);
    return true;
}

/* Fails with the line of the first byte that is not UTF-8. */
static enum po_status
fail_utf8(const uint8_t *bytes, size_t size, struct po_err *err)
{
    size_t line = 1;
    size_t at = 0;

    while (at < size) {
        size_t step = po_text_utf8_step(bytes + at, size - at);

        if (step == 0)
            break;
        line += bytes[at] == '\n';
        at += step;
    }
    return po_fail(err, PO_E_FORMAT, "line %zu: not UTF-8", line);
}

static enum po_status
decode_utf16(struct po_buf *out, const uint8_t *bytes, size_t size, bool is_big_endian,
             struct po_err *err)
{
    size_t start = out->size;
    size_t line = 1;

    put_wtf8(out, bytes, size, is_big_endian);
    if (size % 2 == 0)
        return PO_OK;
    for (size_t i = start; i < out->size; i++)
        line += out->bytes[i] == '\n';
    return po_fail(err, PO_E_FORMAT, "line %zu: the file ends in half a UTF-16 character", line);
}

enum po_status
po_reg_text_decode(struct po_buf *out, const uint8_t *bytes, size_t size,
                   enum po_reg_code_page code_page, struct po_err *err)
{
    if (size >= 2 && bytes[0] == 0xFF && bytes[1] == 0xFE)
        return decode_utf16(out, bytes + 2, size - 2, false, err);
    if (size >= 2 && bytes[0] == 0xFE && bytes[1] == 0xFF)
        return decode_utf16(out, bytes + 2, size - 2, true, err);
    /*
     * Without a mark: the document begins with a letter or a space, of which UTF-16 has one half
     * zero.
     */
    if (size >= 2 && bytes[0] != 0 && bytes[1] == 0)
        return decode_utf16(out, bytes, size, false, err);
    if (size >= 2 && bytes[0] == 0 && bytes[1] != 0)
        return decode_utf16(out, bytes, size, true, err);
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        code_page = PO_REG_CODE_PAGE_UTF8;
        bytes += 3;
        size -= 3;
    }
    if (code_page != PO_REG_CODE_PAGE_LATIN1 && po_text_is_utf8(bytes, size)) {
        po_buf_put(out, bytes, size);
        return PO_OK;
    }
    if (code_page == PO_REG_CODE_PAGE_UTF8)
        return fail_utf8(bytes, size, err);
    for (size_t i = 0; i < size; i++)
        po_reg_text_put_code(out, bytes[i]);
    return PO_OK;
}
