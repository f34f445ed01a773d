/* Names and paths without their case: what is the same key or value to the registry. */
#include "registry/reg_list.h"

#include "base/utf16.h"

#include <string.h>

/*
 * Letters whose capital is `delta` away, each `step`th of the range, in ascending order: what
 * Windows' own table has for the scripts in use.
 */
static const struct {
    uint16_t first;
    uint16_t last;
    uint16_t step;
    int16_t delta;
} letters[] = {
    { 'a', 'z', 1, -32 },       { 0xE0, 0xF6, 1, -32 },     { 0xF8, 0xFE, 1, -32 },
    { 0xFF, 0xFF, 1, 121 },     { 0x101, 0x12F, 2, -1 },    { 0x133, 0x137, 2, -1 },
    { 0x13A, 0x148, 2, -1 },    { 0x14B, 0x177, 2, -1 },    { 0x17A, 0x17E, 2, -1 },
    { 0x3AC, 0x3AC, 1, -38 },   { 0x3AD, 0x3AF, 1, -37 },   { 0x3B1, 0x3C1, 1, -32 },
    { 0x3C3, 0x3CB, 1, -32 },   { 0x3CC, 0x3CC, 1, -64 },   { 0x3CD, 0x3CE, 1, -63 },
    { 0x430, 0x44F, 1, -32 },   { 0x450, 0x45F, 1, -80 },   { 0x461, 0x481, 2, -1 },
    { 0x48B, 0x4BF, 2, -1 },    { 0x4D1, 0x4F9, 2, -1 },    { 0x561, 0x586, 1, -48 },
    { 0x1E01, 0x1E95, 2, -1 },  { 0x1EA1, 0x1EF9, 2, -1 },  { 0x2170, 0x217F, 1, -16 },
    { 0x24D0, 0x24E9, 1, -26 }, { 0xFF41, 0xFF5A, 1, -32 },
};

uint32_t
po_reg_capital(uint32_t code)
{
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (code < letters[i].first)
            return code;
        if (code <= letters[i].last && (code - letters[i].first) % letters[i].step == 0)
            return (uint32_t)((int32_t)code + letters[i].delta);
    }
    return code;
}

void
po_reg_put_name_key(struct po_buf *out, const char *name, size_t name_size)
{
    const uint8_t *bytes = (const uint8_t *)name;
    size_t at = 0;

    while (at < name_size) {
        uint32_t code = 0;

        at += po_wtf8_step(bytes + at, name_size - at, &code);
        po_wtf8_put_code(out, po_reg_capital(code));
    }
}

static bool
is_text(const struct po_buf *buf, size_t from, const char *text)
{
    size_t size = strlen(text);

    return buf->size - from == size && memcmp(buf->bytes + from, text, size) == 0;
}

const char *
po_reg_long_root(const char *root, size_t *size)
{
    static const struct {
        const char *name;
        const char *full;
    } roots[] = {
        { "HKLM", "HKEY_LOCAL_MACHINE" },  { "HKCU", "HKEY_CURRENT_USER" },
        { "HKCR", "HKEY_CLASSES_ROOT" },   { "HKU", "HKEY_USERS" },
        { "HKCC", "HKEY_CURRENT_CONFIG" },
    };

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        size_t at = 0;

        while (at < *size && roots[i].name[at] != '\0' &&
               po_reg_capital((uint8_t)root[at]) == (uint8_t)roots[i].name[at])
            at++;
        if (at < *size || roots[i].name[at] != '\0')
            continue;
        *size = strlen(roots[i].full);
        return roots[i].full;
    }
    return root;
}

void
po_reg_put_path_key(struct po_buf *out, const char *path, size_t path_size, unsigned flags)
{
    bool is_redirected = false; /* the component before is one below which WOW64 puts its node */
    size_t at = 0;

    while (at < path_size && !out->failed) {
        size_t end = po_reg_path_step(path, path_size, at);
        const char *name = path + at;
        size_t name_size = end - at;
        size_t before = out->size;
        size_t from;

        /* Lower than any character: subkeys come before siblings whose names go on. */
        if (at == 0)
            name = po_reg_long_root(name, &name_size);
        else
            po_buf_put_u8(out, 0);
        from = out->size;
        po_reg_put_name_key(out, name, name_size);
        if (out->failed)
            return;
        if ((flags & PO_REG_IGNORE_WOW64) != 0 && is_redirected &&
            is_text(out, from, "WOW6432NODE"))
            out->size = before;
        else
            is_redirected = is_text(out, from, "SOFTWARE") || is_text(out, from, "CLASSES");
        at = end + 1;
    }
}

size_t
po_reg_path_step(const char *path, size_t path_size, size_t from)
{
    const char *stop = memchr(path + from, '\\', path_size - from);

    return stop != NULL ? (size_t)(stop - path) : path_size;
}
