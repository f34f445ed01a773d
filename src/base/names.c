#include "base/names.h"

#include "base/utf16.h"

#include <string.h>

#define STREAM_UNITS_MAX 255u

/* ---- what an archive may bring ---- */

static bool
is_equal_nocase(const char *name, size_t size, const char *upper)
{
    if (strlen(upper) != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (c != upper[i])
            return false;
    }
    return true;
}

/* COM1 to COM9, and the superscripts that Windows takes for 1 to 3 (U+00B9, U+00B2, U+00B3). */
static bool
is_port(const char *base, size_t size)
{
    const char *digit = base + 3;

    if (size < 4 || !(is_equal_nocase(base, 3, "COM") || is_equal_nocase(base, 3, "LPT")))
        return false;
    if (size == 4)
        return *digit >= '1' && *digit <= '9';
    return size == 5 && digit[0] == '\xC2' &&
           (digit[1] == '\xB9' || digit[1] == '\xB2' || digit[1] == '\xB3');
}

/* Windows looks at what stands before the first dot, less the spaces at its end. */
static bool
is_device(const char *name, size_t size)
{
    static const char *const devices[] = { "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$" };
    const char *dot = memchr(name, '.', size);
    size_t base = dot == NULL ? size : (size_t)(dot - name);

    while (base > 0 && name[base - 1] == ' ')
        base--;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (is_equal_nocase(name, base, devices[i]))
            return true;
    return is_port(name, base);
}

static enum po_status
check_windows(const char *name, size_t size, struct po_err *err)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x20 || c == 0x7F)
            return po_fail(err, PO_E_USAGE, "a name with a control character");
        if (c == ':' || c == '\\') /* a drive letter too */
            return po_fail(err, PO_E_USAGE, "a name with '%c'", c);
    }
    if (name[size - 1] == '.' || name[size - 1] == ' ')
        return po_fail(err, PO_E_USAGE, "a name that ends with a dot or space");
    if (is_device(name, size))
        return po_fail(err, PO_E_USAGE, "the name of a device");
    return PO_OK;
}

/* spec: NAME-1 */
enum po_status
po_name_check(const char *path, size_t path_size, bool windows, struct po_err *err)
{
    size_t start = 0;

    if (path_size > 0 && path[0] == '/')
        return po_fail(err, PO_E_USAGE, "an absolute path");
    for (size_t i = 0; i <= path_size; i++) {
        const char *name = path + start;
        size_t size = i - start;

        if (i < path_size && path[i] == '\0')
            return po_fail(err, PO_E_USAGE, "a name with a NUL");
        if (i < path_size && path[i] != '/')
            continue;
        if (size == 0)
            return po_fail(err, PO_E_USAGE, "an empty component");
        if (size <= 2 && memcmp(name, "..", size) == 0)
            return po_fail(err, PO_E_USAGE, "a \"%s\" component", size == 1 ? "." : "..");
        if (windows && check_windows(name, size, err) != PO_OK)
            return err->status;
        start = i + 1;
    }
    return PO_OK;
}

bool
po_name_is_stream(const char *name, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)name;
    size_t units = 0;
    size_t at = 0;

    if (size == 0 || !po_wtf8_is_valid(name, size))
        return false;
    while (at < size) {
        uint32_t code = 0;

        at += po_wtf8_step(bytes + at, size - at, &code);
        if (code == 0 || code == '/' || code == '\\' || code == ':')
            return false;
        units += code > 0xFFFF ? 2 : 1;
    }
    return units <= STREAM_UNITS_MAX;
}

/* ---- our own ---- */

/* "20261124T020000Z", and "-2" for the second of that second. */
static bool
is_time(const char *text, size_t size)
{
    static const char form[] = "00000000T000000Z";
    const size_t length = sizeof form - 1;

    for (size_t i = 0; i < length; i++)
        if (i >= size || (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]))
            return false;
    if (size > length && (text[length] != '-' || size == length + 1 || size > length + 4))
        return false;
    for (size_t i = length + 1; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static bool
is_new(const char *text, size_t size)
{
    static const char probe[] = "probe";

    if (size == 4 && memcmp(text, "file", 4) == 0)
        return true;
    if (size >= sizeof probe - 1 && memcmp(text, probe, sizeof probe - 1) == 0)
        return true;
    for (size_t i = 0; i < size; i++)
        if ((text[i] < '0' || text[i] > '9') && (text[i] < 'a' || text[i] > 'f'))
            return false;
    return size == 8;
}

bool
po_name_is_ours(const char *name, size_t size)
{
    static const struct {
        const char *prefix;
        bool (*is_rest)(const char *text, size_t size);
    } own[] = { { PO_NAME_SET_ASIDE, is_time },
                { PO_NAME_STAGE, is_time },
                { PO_NAME_NEW, is_new } };

    if (size == 0 || name[0] != '.')
        return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        size_t length = strlen(own[i].prefix);

        if (size > length && memcmp(name, own[i].prefix, length) == 0)
            return own[i].is_rest(name + length, size - length);
    }
    return false;
}

bool
po_name_has_ours(const char *path, size_t path_size)
{
    size_t start = 0;

    for (size_t i = 0; i <= path_size; i++) {
        if (i < path_size && path[i] != '/')
            continue;
        if (po_name_is_ours(path + start, i - start))
            return true;
        start = i + 1;
    }
    return false;
}
