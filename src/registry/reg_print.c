#include "registry/reg.h"

#include "base/cursor.h"
#include "base/utf16.h"
#include "registry/reg_text.h"

#include <string.h>

/* Where regedit breaks hex data: after the first comma at this column or behind it. */
#define HEX_COLUMN 76
#define HEX_INDENT "  "

/* Appends ASCII; returns how many columns it takes. */
static size_t
put_ascii(struct po_buf *out, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        po_buf_put_u16le(out, (uint8_t)text[i]);
    return size;
}

/*
 * A name in quotes with '\' and '"' escaped; returns its columns, which regedit counts in UTF-16
 * units.
 */
static size_t
put_quoted(struct po_buf *out, const char *text, size_t size)
{
    size_t before = out->size;
    size_t from = 0;

    put_ascii(out, "\"");
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\\' && text[i] != '"')
            continue;
        po_utf16_put(out, text + from, i - from);
        put_ascii(out, "\\");
        from = i;
    }
    po_utf16_put(out, text + from, size - from);
    put_ascii(out, "\"");
    return (out->size - before) / 2;
}

/* The same for the data of a string, which may hold what is no UTF-16. */
static void
put_quoted_utf16(struct po_buf *out, const uint8_t *data, size_t size)
{
    put_ascii(out, "\"");
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint16_t unit = po_load_u16le(data + i);

        if (unit == '\\' || unit == '"')
            put_ascii(out, "\\");
        po_buf_put_u16le(out, unit);
    }
    put_ascii(out, "\"");
}

/*
 * Whether a REG_SZ can stand in quotes: one NUL, at the end, and no line break. regedit writes line
 * breaks as they are, but not every regedit reads them again.
 */
static bool
is_quotable(const struct po_reg_value *value)
{
    if (value->type != PO_REG_SZ || value->data_size < 2 || value->data_size % 2 != 0)
        return false;
    for (size_t i = 0; i < value->data_size; i += 2) {
        uint16_t unit = po_load_u16le(value->data + i);
        bool is_last = i + 2 == value->data_size;

        if (unit == '\r' || unit == '\n' || (unit == 0) != is_last)
            return false;
    }
    return true;
}

static void
put_hex(struct po_buf *out, const struct po_reg_value *value, size_t column)
{
    static const char digits[] = "0123456789abcdef";
    char text[4] = { 0, 0, ',', 0 };

    if (value->type == PO_REG_BINARY) {
        column += put_ascii(out, "hex:");
    } else {
        struct po_buf head = { 0 };

        po_buf_printf(&head, "hex(%x):", value->type);
        out->failed = out->failed || head.failed;
        column += put_ascii(out, po_buf_text(&head));
        po_buf_deinit(&head);
    }
    for (size_t i = 0; i < value->data_size; i++) {
        text[0] = digits[value->data[i] >> 4];
        text[1] = digits[value->data[i] & 15];
        if (i + 1 == value->data_size)
            text[2] = '\0';
        column += put_ascii(out, text);
        if (i + 1 < value->data_size && column >= HEX_COLUMN) {
            put_ascii(out, "\\\r\n");
            column = put_ascii(out, HEX_INDENT);
        }
    }
}

static void
put_value(struct po_buf *out, const struct po_reg_value *value)
{
    size_t column =
        value->name_size > 0 ? put_quoted(out, value->name, value->name_size) : put_ascii(out, "@");

    column += put_ascii(out, "=");
    if (value->is_delete) {
        put_ascii(out, "-");
    } else if (is_quotable(value)) {
        put_quoted_utf16(out, value->data, value->data_size - 2);
    } else if (value->type == PO_REG_DWORD && value->data_size == 4) {
        struct po_buf text = { 0 };

        po_buf_printf(&text, "dword:%08x", po_load_u32le(value->data));
        out->failed = out->failed || text.failed;
        put_ascii(out, po_buf_text(&text));
        po_buf_deinit(&text);
    } else {
        put_hex(out, value, column);
    }
    put_ascii(out, "\r\n");
}

static enum po_status
put_key(struct po_buf *out, const struct po_reg_key *key, struct po_err *err)
{
    if (memchr(key->path, '\n', key->path_size) != NULL ||
        memchr(key->path, '\r', key->path_size) != NULL)
        return po_fail(err, PO_E_UNSUPPORTED, "key %s: a line break in its name", key->path);
    put_ascii(out, key->is_delete ? "[-" : "[");
    po_utf16_put(out, key->path, key->path_size);
    put_ascii(out, "]\r\n");
    for (size_t i = 0; i < key->value_count; i++)
        put_value(out, &key->values[i]);
    put_ascii(out, "\r\n");
    return PO_OK;
}

enum po_status
po_reg_print(const struct po_reg *reg, struct po_buf *out, struct po_err *err)
{
    po_buf_put_u16le(out, 0xFEFF);
    put_ascii(out, "Windows Registry Editor Version 5.00\r\n\r\n");
    for (size_t i = 0; i < reg->key_count; i++) {
        enum po_status st = put_key(out, &reg->keys[i], err);

        if (st != PO_OK)
            return st;
    }
    return po_buf_check(out, err);
}
