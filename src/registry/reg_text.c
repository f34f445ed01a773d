#include "registry/reg_text.h"

#include "base/text.h"
#include "base/utf16.h"

#include <string.h>

bool
po_reg_text_put_code_page(struct po_buf *out, const uint8_t *bytes, size_t size,
                          enum po_reg_code_page code_page)
{
    bool is_utf8 = code_page != PO_REG_CODE_PAGE_LATIN1 && po_text_is_utf8(bytes, size);

    if (code_page == PO_REG_CODE_PAGE_UTF8 && !is_utf8)
        return false;
    if (is_utf8) {
        po_utf16_put(out, (const char *)bytes, size);
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

    po_wtf8_put_utf16(out, bytes, size, is_big_endian);
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
        po_wtf8_put_code(out, bytes[i]);
    return PO_OK;
}
