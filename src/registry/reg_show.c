#include "registry/reg_show.h"

#include "base/text.h"
#include "base/utf16.h"

#define BYTES_SHOWN 16u

bool
po_reg_show_text(struct po_buf *out, uint32_t type, const void *data, size_t size)
{
    struct po_buf utf8 = { 0 };

    if (!po_reg_is_text(type))
        return false;
    po_wtf8_put_utf16(&utf8, data, size, false);
    while (utf8.size > 0 && utf8.bytes[utf8.size - 1] == 0)
        utf8.size--;
    for (size_t i = 0; i < utf8.size; i++) {
        if (utf8.bytes[i] == 0)
            po_buf_put_text(out, " | ");
        else
            po_buf_put_u8(out, utf8.bytes[i]);
    }
    out->failed = out->failed || utf8.failed;
    po_buf_deinit(&utf8);
    return true;
}

void
po_reg_show_data(struct po_buf *out, uint32_t type, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t width = type == PO_REG_DWORD ? 4 : type == PO_REG_QWORD ? 8 : 0;
    uint64_t number = 0;

    if (po_reg_show_text(out, type, data, size))
        return;
    if (width == 0 || size != width) {
        po_text_put_hex(out, bytes, size < BYTES_SHOWN ? size : BYTES_SHOWN);
        po_buf_put_text(out, size > BYTES_SHOWN ? "..." : "");
        return;
    }
    for (size_t i = 0; i < width; i++)
        number |= (uint64_t)bytes[i] << (8 * i);
    po_buf_printf(out, "%llu", (unsigned long long)number);
}
