#include "reg_help.h"

#include "base/utf16.h"

#include <check.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winternl.h>

LONG NTAPI NtDeleteKey(HANDLE key);
LONG NTAPI NtSetValueKey(HANDLE key, PUNICODE_STRING name, ULONG title, ULONG type,
                         const void *data, ULONG size);

/* ---- making ---- */

void
reg_set_access(HKEY parent, const wchar_t *name, REGSAM view, const wchar_t *sddl)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    HKEY key = NULL;

    ck_assert(ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1,
                                                                   &descriptor, NULL));
    ck_assert_int_eq(RegOpenKeyExW(parent, name, REG_OPTION_OPEN_LINK, WRITE_DAC | view, &key), 0);
    ck_assert_int_eq(RegSetKeySecurity(key, DACL_SECURITY_INFORMATION, descriptor), 0);
    RegCloseKey(key);
    LocalFree(descriptor);
}

void
reg_delete_tree(HKEY parent, const wchar_t *name, REGSAM view)
{
    const REGSAM access = KEY_READ | DELETE | view;
    HKEY key = NULL;
    wchar_t child[300];
    DWORD length = 300;
    LSTATUS code = RegOpenKeyExW(parent, name, REG_OPTION_OPEN_LINK, access, &key);

    if (code == ERROR_FILE_NOT_FOUND)
        return;
    if (code == ERROR_ACCESS_DENIED) {
        reg_set_access(parent, name, view, L"D:(A;;KA;;;WD)");
        code = RegOpenKeyExW(parent, name, REG_OPTION_OPEN_LINK, access, &key);
    }
    ck_assert_int_eq(code, 0);
    while (RegEnumKeyExW(key, 0, child, &length, NULL, NULL, NULL, NULL) == 0) {
        /* Without a view: Wine looks for a Wow6432Node at every step, behind links too. */
        reg_delete_tree(key, child, 0);
        length = 300;
    }
    ck_assert_int_ge(NtDeleteKey(key), 0);
    RegCloseKey(key);
}

void
reg_clear(void)
{
    reg_delete_tree(HKEY_LOCAL_MACHINE, REG_ABOVE, KEY_WOW64_32KEY);
    reg_delete_tree(HKEY_LOCAL_MACHINE, REG_ABOVE, KEY_WOW64_64KEY);
}

HKEY
reg_open(const wchar_t *below)
{
    HKEY top = NULL;
    HKEY key = NULL;

    ck_assert_int_eq(RegCreateKeyExW(HKEY_LOCAL_MACHINE, REG_KEY, 0, NULL, 0,
                                     KEY_ALL_ACCESS | KEY_WOW64_32KEY, NULL, &top, NULL),
                     0);
    if (below[0] == L'\0')
        return top;
    ck_assert_int_eq(
        RegCreateKeyExW(top, below, 0, NULL, 0, KEY_ALL_ACCESS | KEY_WOW64_32KEY, NULL, &key, NULL),
        0);
    RegCloseKey(top);
    return key;
}

void
reg_set(const wchar_t *below, const wchar_t *name, DWORD type, const void *data, size_t size)
{
    HKEY key = reg_open(below);
    UNICODE_STRING text;

    /* Not RegSetValueEx: it adds to strings that have no NUL at the end. */
    RtlInitUnicodeString(&text, name);
    ck_assert_int_ge(NtSetValueKey(key, &text, 0, type, data, (ULONG)size), 0);
    RegCloseKey(key);
}

void
reg_set_text(const wchar_t *below, const wchar_t *name, const wchar_t *text)
{
    reg_set(below, name, REG_SZ, text, (wcslen(text) + 1) * sizeof(*text));
}

void
reg_make(const wchar_t *below)
{
    RegCloseKey(reg_open(below));
}

void
reg_make_link(const wchar_t *below, const wchar_t *target)
{
    HKEY top = reg_open(L"");
    HKEY key = NULL;

    ck_assert_int_eq(RegCreateKeyExW(top, below, 0, NULL, REG_OPTION_CREATE_LINK, KEY_ALL_ACCESS,
                                     NULL, &key, NULL),
                     0);
    ck_assert_int_eq(RegSetValueExW(key, L"SymbolicLinkValue", 0, REG_LINK, (const void *)target,
                                    (DWORD)(wcslen(target) * sizeof(*target))),
                     0);
    RegCloseKey(key);
    RegCloseKey(top);
}

/* ---- looking ---- */

/* Lines, each by its offset in one text. */
struct lines {
    struct po_buf text;
    size_t *start;
    size_t count;
};

static void
put_escaped(struct po_buf *out, const wchar_t *text, size_t length)
{
    struct po_buf utf8 = { 0 };

    po_wtf8_put_utf16(&utf8, text, length * sizeof(*text), false);
    for (size_t i = 0; i < utf8.size; i++) {
        if (utf8.bytes[i] < ' ')
            po_buf_printf(out, "\\x%02x", utf8.bytes[i]);
        else
            po_buf_put_u8(out, utf8.bytes[i]);
    }
    po_buf_deinit(&utf8);
}

static void
begin_line(struct lines *lines)
{
    size_t *start = realloc(lines->start, (lines->count + 1) * sizeof(*start));

    ck_assert_ptr_nonnull(start);
    lines->start = start;
    start[lines->count++] = lines->text.size;
}

static void
dump_values(struct lines *lines, HKEY key, const struct po_buf *path)
{
    static wchar_t name[32768];
    static BYTE data[8 << 20];

    for (DWORD i = 0;; i++) {
        DWORD length = 32768;
        DWORD size = sizeof(data);
        DWORD type = 0;
        LSTATUS code = RegEnumValueW(key, i, name, &length, NULL, &type, data, &size);

        if (code == ERROR_NO_MORE_ITEMS)
            return;
        ck_assert_int_eq(code, 0);
        begin_line(lines);
        po_buf_put(&lines->text, path->bytes, path->size);
        po_buf_put_text(&lines->text, ": ");
        put_escaped(&lines->text, name, length);
        po_buf_printf(&lines->text, " %lx", (unsigned long)type);
        for (DWORD j = 0; j < size; j++)
            po_buf_printf(&lines->text, "%s%02x", j == 0 ? " " : "", data[j]);
        po_buf_put_u8(&lines->text, 0);
    }
}

static void
dump_key(struct lines *lines, HKEY parent, const wchar_t *name, REGSAM view, struct po_buf *path)
{
    HKEY key = NULL;
    wchar_t child[300];
    DWORD length = 300;
    size_t path_size = path->size;
    LSTATUS code = RegOpenKeyExW(parent, name, REG_OPTION_OPEN_LINK, KEY_READ | view, &key);

    if (code == ERROR_FILE_NOT_FOUND)
        return;
    begin_line(lines);
    po_buf_put(&lines->text, path->bytes, path->size);
    if (code != 0)
        po_buf_printf(&lines->text, " error %ld", (long)code);
    po_buf_put_u8(&lines->text, 0);
    if (code != 0)
        return;
    dump_values(lines, key, path);
    for (DWORD i = 0; RegEnumKeyExW(key, i, child, &length, NULL, NULL, NULL, NULL) == 0; i++) {
        po_buf_put_text(path, "\\");
        put_escaped(path, child, length);
        dump_key(lines, key, child, 0, path);
        path->size = path_size;
        length = 300;
    }
    RegCloseKey(key);
}

static const uint8_t *sorted_text;

static int
compare_lines(const void *a, const void *b)
{
    return strcmp((const char *)sorted_text + *(const size_t *)a,
                  (const char *)sorted_text + *(const size_t *)b);
}

void
reg_dump(struct po_buf *out, HKEY root, const wchar_t *key, REGSAM view)
{
    struct lines lines = { 0 };
    struct po_buf path = { 0 };

    dump_key(&lines, root, key, view, &path);
    ck_assert(!lines.text.failed);
    sorted_text = lines.text.bytes;
    if (lines.count > 0)
        qsort(lines.start, lines.count, sizeof(*lines.start), compare_lines);
    for (size_t i = 0; i < lines.count; i++) {
        po_buf_put_text(out, (const char *)lines.text.bytes + lines.start[i]);
        po_buf_put_text(out, "\n");
    }
    free(lines.start);
    po_buf_deinit(&lines.text);
    po_buf_deinit(&path);
    ck_assert(!out->failed);
}

void
reg_dump_site(struct po_buf *out)
{
    reg_dump(out, HKEY_LOCAL_MACHINE, REG_KEY, KEY_WOW64_32KEY);
}

void
reg_assert_dump(const char *expected)
{
    struct po_buf dump = { 0 };

    reg_dump_site(&dump);
    ck_assert_str_eq(po_buf_text(&dump), expected);
    po_buf_deinit(&dump);
}

/* ---- documents ---- */

struct po_reg *
reg_parse(const char *lines)
{
    struct po_buf text = { 0 };
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    po_buf_printf(&text, "Windows Registry Editor Version 5.00\n%s", lines);
    if (po_reg_parse(&reg, text.bytes, text.size, PO_REG_CODE_PAGE_UTF8, &err) != PO_OK)
        ck_abort_msg("refused: %s", err.text);
    po_buf_deinit(&text);
    return reg;
}

void
reg_put_text_lines(struct po_buf *out, const struct po_buf *file)
{
    struct po_buf text = { 0 };

    po_wtf8_put_utf16(&text, file->bytes + 2, file->size - 2, false);
    for (const char *at = strchr(po_buf_text(&text), '\n'); *at != '\0'; at++)
        if (*at != '\r' && !(*at == '\n' && (out->size == 0 || out->bytes[out->size - 1] == '\n')))
            po_buf_put_u8(out, (uint8_t)*at);
    po_buf_deinit(&text);
}

void
reg_put_lines(struct po_buf *out, const struct po_reg *reg)
{
    struct po_buf printed = { 0 };
    struct po_err err = { 0 };

    if (po_reg_print(reg, &printed, &err) != PO_OK)
        ck_abort_msg("not printed: %s", err.text);
    reg_put_text_lines(out, &printed);
    po_buf_deinit(&printed);
}

/* ---- files and programs ---- */

void
reg_run(const wchar_t *command)
{
    STARTUPINFOW start = { .cb = sizeof(start) };
    PROCESS_INFORMATION process;
    wchar_t line[1024];
    DWORD code = 0;

    ck_assert_uint_lt(wcslen(command), sizeof(line) / sizeof(line[0]));
    wcscpy(line, command);
    ck_assert(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process));
    ck_assert_uint_eq(WaitForSingleObject(process.hProcess, 120000), WAIT_OBJECT_0);
    ck_assert(GetExitCodeProcess(process.hProcess, &code));
    ck_assert_uint_eq(code, 0);
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);
}

void
reg_temp(wchar_t path[MAX_PATH], const wchar_t *name)
{
    DWORD length = GetTempPathW(MAX_PATH, path);

    ck_assert_uint_lt(length + wcslen(name), MAX_PATH);
    wcscat(path, name);
}

void
reg_write_file(const wchar_t *path, const struct po_buf *bytes)
{
    FILE *file = _wfopen(path, L"wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes->bytes, 1, bytes->size, file), bytes->size);
    ck_assert_int_eq(fclose(file), 0);
}

void
reg_read_file(const wchar_t *path, struct po_buf *out)
{
    FILE *file = _wfopen(path, L"rb");
    uint8_t bytes[4096];
    size_t got;

    ck_assert_ptr_nonnull(file);
    while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
        po_buf_put(out, bytes, got);
    fclose(file);
}
