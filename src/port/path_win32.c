/* Paths as Windows takes them, and as text. */
#include "port/file_win32.h"

#include "base/mem.h"
#include "base/utf16.h"
#include "port/path.h"

#include <errno.h>
#include <string.h>

/* ---- UTF-16 ---- */

void
po_wide_free(struct po_wide *wide)
{
    po_mem_free(wide->text);
    *wide = (struct po_wide){ 0 };
}

void
po_wide_put(struct po_buf *out, const wchar_t *text, size_t length)
{
    po_wtf8_put_utf16(out, text, length * sizeof(wchar_t), false);
}

enum po_status
po_wide_from_text(struct po_wide *out, const char *text, size_t size, struct po_err *err)
{
    struct po_buf utf16 = { 0 };
    enum po_status st;

    if (!po_wtf8_is_valid(text, size)) {
        struct po_buf name = { 0 };

        po_path_put_for_message(&name, text, size);
        st = po_fail(err, PO_E_IO, "%s: no UTF-8, which a name on Windows has to be",
                     po_buf_text(&name));
        err->os_code = EILSEQ;
        po_buf_deinit(&name);
        return st;
    }
    po_utf16_put(&utf16, text, size);
    po_buf_put_u16le(&utf16, 0);
    st = po_buf_check(&utf16, err);
    if (st != PO_OK) {
        po_buf_deinit(&utf16);
        return st;
    }
    out->text = (wchar_t *)(void *)utf16.bytes; /* from the heap: aligned for anything */
    out->length = utf16.size / sizeof(wchar_t) - 1;
    return PO_OK;
}

static enum po_status
from_path(struct po_wide *out, const char *path, size_t size, struct po_err *err)
{
    enum po_status st = po_wide_from_text(out, path, size, err);

    for (size_t i = 0; i < out->length; i++)
        if (out->text[i] == L'/')
            out->text[i] = L'\\';
    return st;
}

enum po_status
po_wide_from_name(struct po_wide *out, const char *name, size_t size, struct po_err *err)
{
    /* What would be taken for something else: a separator, a stream, a wildcard. */
    if (memchr(name, '\\', size) != NULL || memchr(name, ':', size) != NULL) {
        struct po_buf text = { 0 };
        enum po_status st;

        po_path_put_for_message(&text, name, size);
        st = po_fail(err, PO_E_IO, "%s: Windows has no such name", po_buf_text(&text));
        err->os_code = EINVAL;
        po_buf_deinit(&text);
        return st;
    }
    return from_path(out, name, size, err);
}

/* Prepends to an absolute path what lifts the limit of 260 characters. */
static enum po_status
extend(struct po_wide *wide, struct po_err *err)
{
    static const wchar_t plain[] = L"\\\\?\\";
    static const wchar_t unc[] = L"\\\\?\\UNC\\";
    bool is_unc = wide->length > 2 && wide->text[0] == L'\\' && wide->text[1] == L'\\';
    const wchar_t *prefix = is_unc ? unc : plain;
    size_t prefix_length = wcslen(prefix);
    size_t skip = is_unc ? 2 : 0;
    size_t length = prefix_length + wide->length - skip;
    wchar_t *text = po_mem_new(length + 1, sizeof(*text));

    if (text == NULL)
        return po_fail_nomem(err, length * sizeof(*text));
    memcpy(text, prefix, prefix_length * sizeof(*text));
    memcpy(text + prefix_length, wide->text + skip, (wide->length - skip) * sizeof(*text));
    po_wide_free(wide);
    wide->text = text;
    wide->length = length;
    return PO_OK;
}

/* The names of devices are the system's to read: "\\?\" would make files of them. */
static bool
is_extendable(const wchar_t *text)
{
    if (wcsncmp(text, L"\\\\?\\", 4) == 0 || wcsncmp(text, L"\\\\.\\", 4) == 0)
        return false;
    return (text[0] != L'\0' && text[1] == L':' && text[2] == L'\\') ||
           (text[0] == L'\\' && text[1] == L'\\');
}

enum po_status
po_wide_from_os_path(struct po_wide *out, const char *os_path, struct po_err *err)
{
    struct po_wide given = { 0 };
    struct po_wide full = { 0 };
    enum po_status st = from_path(&given, os_path, strlen(os_path), err);
    DWORD length;
    DWORD got;

    if (st != PO_OK)
        return st;
    if (given.length == 0 || wcsncmp(given.text, L"\\\\?\\", 4) == 0) {
        *out = given;
        return PO_OK;
    }
    length = GetFullPathNameW(given.text, 0, NULL, NULL);
    full.text = length == 0 ? NULL : po_mem_new((size_t)length + 1, sizeof(*full.text));
    got = full.text == NULL ? 0 : GetFullPathNameW(given.text, length + 1, full.text, NULL);
    if (got == 0) {
        st = length == 0 ? po_fail_win32(err, GetLastError(), "%s", os_path)
                         : po_fail_nomem(err, length * sizeof(*full.text));
        goto done;
    }
    full.length = got;
    if (is_extendable(full.text))
        st = extend(&full, err);
    if (st != PO_OK)
        goto done;
    *out = full;
    full = (struct po_wide){ 0 };
done:
    po_wide_free(&given);
    po_wide_free(&full);
    return st;
}

/* ---- paths as text ---- */

static bool
is_separator(char c)
{
    return c == '/' || c == '\\';
}

/* The bytes of what stays when one goes up as far as possible: "C:/", "//server/share/", "/". */
static size_t
root_size(const char *path, size_t size)
{
    if (size >= 2 && path[1] == ':')
        return size >= 3 && is_separator(path[2]) ? 3 : 2;
    if (size >= 2 && is_separator(path[0]) && is_separator(path[1])) {
        size_t parts = 0;

        for (size_t i = 2; i < size; i++)
            if (is_separator(path[i]) && ++parts == 2)
                return i + 1;
        return size;
    }
    return size > 0 && is_separator(path[0]) ? 1 : 0;
}

bool
po_os_path_is_root(const char *path, size_t path_size)
{
    return path_size > 0 && root_size(path, path_size) == path_size;
}

void
po_path_split(const char *path, size_t path_size, size_t *dir_size, size_t *name_start)
{
    size_t root = root_size(path, path_size);
    size_t start = path_size;

    while (start > root && !is_separator(path[start - 1]))
        start--;
    *name_start = start;
    *dir_size = start > root ? start - 1 : start;
}

/* In every ntdll.dll, but not in every winternl.h. */
BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b,
                                    BOOLEAN is_case_insensitive);

/* As file systems compare names. No path is longer than these strings can be. */
static bool
is_equal_nocase(wchar_t *a, wchar_t *b, size_t length)
{
    USHORT size = (USHORT)(length * sizeof(wchar_t));
    UNICODE_STRING a_text = { .Length = size, .MaximumLength = size, .Buffer = a };
    UNICODE_STRING b_text = { .Length = size, .MaximumLength = size, .Buffer = b };

    return length <= UNICODE_STRING_MAX_CHARS && RtlEqualUnicodeString(&a_text, &b_text, TRUE);
}

/* With '\\' alone, and none at the end. */
static enum po_status
tidy_path(struct po_wide *out, const char *path, struct po_err *err)
{
    enum po_status st = from_path(out, path, strlen(path), err);

    if (st != PO_OK)
        return st;
    while (out->length > 0 && out->text[out->length - 1] == L'\\')
        out->text[--out->length] = L'\0';
    return PO_OK;
}

enum po_status
po_os_path_is_inside(bool *is_inside, const char *path, const char *directory, struct po_err *err)
{
    struct po_wide inner = { 0 };
    struct po_wide outer = { 0 };
    enum po_status st = tidy_path(&inner, path, err);

    if (st == PO_OK)
        st = tidy_path(&outer, directory, err);
    if (st == PO_OK)
        *is_inside = inner.length >= outer.length &&
                     (inner.text[outer.length] == L'\\' || inner.text[outer.length] == L'\0') &&
                     is_equal_nocase(inner.text, outer.text, outer.length);
    po_wide_free(&inner);
    po_wide_free(&outer);
    return st;
}

char *
po_os_path_join(const char *dir, const char *name)
{
    size_t dir_size = strlen(dir);
    size_t name_size = strlen(name);
    char *path;

    if (dir_size == 0 || name[0] == '/' || name[0] == '\\' || (name_size >= 2 && name[1] == ':'))
        return po_mem_strdup(name);
    path = po_mem_new(dir_size + name_size + 2, 1);
    if (path == NULL)
        return NULL;
    memcpy(path, dir, dir_size);
    if (!is_separator(dir[dir_size - 1]))
        path[dir_size++] = '/';
    memcpy(path + dir_size, name, name_size + 1);
    return path;
}

typedef DWORD(WINAPI *final_path_fn)(HANDLE handle, wchar_t *path, DWORD size, DWORD flags);

/* Appends the path of an open node with all links gone, or nothing: Vista and later. */
static void
put_final_path(struct po_buf *out, HANDLE handle)
{
    final_path_fn final_path =
        (final_path_fn)po_win32_find(L"kernel32.dll", "GetFinalPathNameByHandleW");
    DWORD size = final_path == NULL ? 0 : final_path(handle, NULL, 0, 0);
    wchar_t *text = size == 0 ? NULL : po_mem_new((size_t)size + 1, sizeof(*text));
    DWORD got = text == NULL ? 0 : final_path(handle, text, size + 1, 0);

    if (got > 0 && got <= size)
        po_wide_put(out, text, got);
    po_mem_free(text);
}

/* The path with every component as the directory has it, for older systems. */
static void
put_long_path(struct po_buf *out, const wchar_t *path)
{
    DWORD size = GetLongPathNameW(path, NULL, 0);
    wchar_t *text = size == 0 ? NULL : po_mem_new((size_t)size + 1, sizeof(*text));
    DWORD got = text == NULL ? 0 : GetLongPathNameW(path, text, size + 1);

    if (got > 0 && got <= size)
        po_wide_put(out, text, got);
    po_mem_free(text);
}

/* "C:/x" from "\\?\C:\x", "//server/share" from "\\?\UNC\server\share". */
static char *
plain_path(const char *path)
{
    const char *from = path;
    char *copy;
    size_t size;

    if (strncmp(from, "\\\\?\\UNC\\", 8) == 0)
        from += 6;
    else if (strncmp(from, "\\\\?\\", 4) == 0)
        from += 4;
    copy = po_mem_strdup(from);
    if (copy == NULL)
        return NULL;
    if (from == path + 6)
        copy[0] = '/';
    for (size_t i = 0; copy[i] != '\0'; i++)
        if (copy[i] == '\\')
            copy[i] = '/';
    size = strlen(copy);
    while (size > root_size(copy, size) && copy[size - 1] == '/')
        copy[--size] = '\0';
    return copy;
}

enum po_status
po_os_path_real(char **out, const char *os_path, struct po_err *err)
{
    struct po_wide path = { 0 };
    struct po_buf real = { 0 };
    HANDLE handle;
    char *plain;
    enum po_status st = po_wide_from_os_path(&path, os_path, err);

    if (st != PO_OK)
        return st;
    handle = CreateFileW(path.text, 0, PO_SHARE_ALL, NULL, OPEN_EXISTING,
                         FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (handle == INVALID_HANDLE_VALUE) {
        st = po_beneath_fail_win32(err, GetLastError(), "find", os_path, strlen(os_path));
        goto done;
    }
    put_final_path(&real, handle);
    if (real.size == 0)
        put_long_path(&real, path.text);
    if (real.size == 0)
        po_wide_put(&real, path.text, path.length);
    (void)CloseHandle(handle);
    plain = real.failed ? NULL : plain_path(po_buf_text(&real));
    if (plain == NULL) {
        st = po_fail_nomem(err, real.size);
        goto done;
    }
    *out = plain;
done:
    po_buf_deinit(&real);
    po_wide_free(&path);
    return st;
}
