#include "base/text.h"

#include <string.h>

/* ---- UTF-8 ---- */

/*
 * Decodes the character at the front of `size` > 0 bytes; returns its length, 0 if it is not strict
 * UTF-8.
 */
static size_t
decode_utf8(const uint8_t *p, size_t size, uint32_t *code)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length;
    uint32_t value;

    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (length > size)
        return 0;
    value = p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (p[i] & 0x3Fu);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

size_t
po_text_utf8_step(const void *bytes, size_t size)
{
    uint32_t code;

    return size > 0 ? decode_utf8(bytes, size, &code) : 0;
}

bool
po_text_is_utf8(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    size_t at = 0;

    while (at < size) {
        uint32_t code;
        size_t step = decode_utf8(p + at, size - at, &code);

        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

int
po_text_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common > 0 ? memcmp(a, b, common) : 0;

    if (order != 0)
        return order;
    return (a_size > b_size) - (a_size < b_size);
}

/* ---- numbers ---- */

/* Digits at *at, which moves behind them; false when there is none or the value is above `max`. */
static bool
parse_digits(const char **at, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = *at;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *at = p;
    *out = value;
    return true;
}

bool
po_text_parse_u64(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value;

    if (!parse_digits(&text, max, &value) || *text != '\0')
        return false;
    *out = value;
    return true;
}

/* tolower, isalpha and friends ask the locale. */
static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
po_text_parse_size(const char *text, uint64_t *out)
{
    static const char suffixes[] = "kmgt";
    uint64_t value;
    unsigned shift = 0;

    if (!parse_digits(&text, UINT64_MAX, &value))
        return false;
    for (unsigned i = 0; i < 4; i++)
        if (lower(*text) == suffixes[i])
            shift = 10 * (i + 1);
    if (shift > 0) {
        text++;
        if (lower(text[0]) == 'i' && lower(text[1]) == 'b')
            text++;
    }
    if (lower(*text) == 'b')
        text++;
    if (*text != '\0' || value > UINT64_MAX >> shift)
        return false;
    *out = value << shift;
    return true;
}

/* ---- hexadecimal ---- */

static const char hex_digits[] = "0123456789abcdef";

void
po_text_put_hex(struct po_buf *out, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < size; i++) {
        char pair[2] = { hex_digits[p[i] >> 4], hex_digits[p[i] & 15] };

        po_buf_put(out, pair, sizeof(pair));
    }
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
po_text_parse_hex(const char *text, uint8_t *out, size_t size)
{
    /*
     * Checked as a whole first: `out` is touched only on success. The NUL is no digit, so this
     * never reads beyond it.
     */
    for (size_t i = 0; i < size; i++)
        if (hex_value(text[2 * i]) < 0 || hex_value(text[2 * i + 1]) < 0)
            return false;
    if (text[2 * size] != '\0')
        return false;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    return true;
}

/* ---- for people ---- */

void
po_text_put_size(struct po_buf *out, uint64_t size)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    uint64_t fixed; /* in units, with 20 bits behind the point */
    unsigned scale; /* three significant digits */
    uint64_t scaled;

    while (size >> (10 * unit) >= 1024)
        unit++;
    fixed = unit < 2 ? size << (20 - 10 * unit) : size >> (10 * unit - 20);
    scale = fixed < 10 << 20 ? 100 : fixed < 100 << 20 ? 10 : 1;
    scaled = (fixed * scale + (1 << 19)) >> 20;
    if (scaled == 1024 && scale == 1 && unit < 6) {
        scaled = 1;
        unit++;
    }
    while (scale > 1 && scaled % 10 == 0) {
        scaled /= 10;
        scale /= 10;
    }
    /* Integers, for printf asks the locale which point to use. */
    po_buf_printf(out, "%u", (unsigned)(scaled / scale));
    if (scale > 1)
        po_buf_printf(out, ".%0*u", scale == 100 ? 2 : 1, (unsigned)(scaled % scale));
    po_buf_printf(out, " %s", units[unit]);
}

void
po_text_put_seconds(struct po_buf *out, double seconds)
{
    uint64_t hundredths = 0;
    uint64_t whole;

    if (seconds > 1e12)
        seconds = 1e12;
    if (seconds > 0) /* false for "not a number" too */
        hundredths = (uint64_t)(seconds * 100 + 0.5);
    whole = (hundredths + 50) / 100;
    if (hundredths < 1000)
        po_buf_printf(out, "%u.%02u s", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100));
    else if (hundredths < 5995)
        po_buf_printf(out, "%u.%u s", (unsigned)((hundredths + 5) / 100),
                      (unsigned)((hundredths + 5) % 100 / 10));
    else if (whole < 3600)
        po_buf_printf(out, "%u min %02u s", (unsigned)(whole / 60), (unsigned)(whole % 60));
    else
        po_buf_printf(out, "%llu h %02u min", (unsigned long long)(whole / 3600),
                      (unsigned)(whole / 60 % 60));
}

/*
 * Characters that change how the rest of the line looks, or cannot be seen, first to last. Sorted.
 */
static const uint32_t hidden[][2] = {
    { 0x00, 0x1F },       { 0x7F, 0x9F },     { 0xAD, 0xAD },     { 0x34F, 0x34F },
    { 0x61C, 0x61C },     { 0x115F, 0x1160 }, { 0x17B4, 0x17B5 }, { 0x180B, 0x180F },
    { 0x200B, 0x200F },   { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0x3164, 0x3164 },
    { 0xFEFF, 0xFEFF },   { 0xFFA0, 0xFFA0 }, { 0xFFF0, 0xFFFB }, { 0x1D173, 0x1D17A },
    { 0xE0000, 0xE0FFF },
};

static bool
is_hidden(uint32_t code)
{
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (code >= hidden[i][0] && code <= hidden[i][1])
            return true;
    return false;
}

static void
put_escaped(struct po_buf *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            po_buf_put_text(out, "\\n");
        else if (bytes[i] == '\t')
            po_buf_put_text(out, "\\t");
        else if (bytes[i] == '\\')
            po_buf_put_text(out, "\\\\");
        else
            po_buf_printf(out, "\\x%02X", bytes[i]);
    }
}

void
po_text_put_name(struct po_buf *out, const void *name, size_t size)
{
    const uint8_t *p = name;
    size_t at = 0;

    while (at < size) {
        uint32_t code = 0;
        size_t step = decode_utf8(p + at, size - at, &code);

        if (step == 0)
            put_escaped(out, p + at, 1);
        else if (code == '\\' || is_hidden(code))
            put_escaped(out, p + at, step);
        else
            po_buf_put(out, p + at, step);
        at += step > 0 ? step : 1;
    }
}

bool
po_text_is_equal_nocase(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}
