/*
 * req: B3, R3: the registry of this machine, read and written, against Windows' own calls.
 *
 * regedit and we write the same file for what regedit keeps, to the byte. The rest, by the numbers
 * of `kinds` below (Wine 8's regedit; what is the same in Windows' is said by tests/windows/
 * regedit-differences.md):
 *
 *   value                          regedit /E                  we                regedit imports ours
 *   03 string without any data     "", which is one NUL        hex(1):           as it is
 *   04 string without its NUL      loses its last character    hex(1): all       with a NUL more
 *   05 string of odd length        loses its last bytes        hex(1): all       with NULs more
 *   06 string with a NUL inside    loses what is behind it     hex(1): all       as it is
 *   07 string with a line break    "\n", not in Windows' own   hex(1): all       as it is
 *   13 dword of two bytes          four, two of another value  hex(4): all       as it is
 *   14 dword of five bytes         four of them                hex(4): all       as it is
 *   volatile key                   as any other                the same; told    as any other
 *   link                           what it leads to            left out; told
 *   key with a line break          a file nobody can read      left out; told
 */
#include "host/host_win32_regapi.h"
#include "reg_help.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a table whose calls fail ---- */

static struct {
    int calls;
    int fail_at; /* this call, counted from 1 */
    bool fails_on;
    LSTATUS code;
    bool is_32; /* a system without views */
    ULONG flags;
    /* What happens on the way. */
    int values_told;  /* by enum_value */
    int change_after; /* so many of them, somebody changes the key */
    bool changes_always;
    bool drops_values; /* set_value does nothing, and says that all is well */
    const wchar_t *unreadable_once;
} fake;

static bool
fails(void)
{
    fake.calls++;
    return fake.calls == fake.fail_at || (fake.fails_on && fake.calls > fake.fail_at);
}

static LSTATUS WINAPI
fake_open_key(HKEY parent, LPCWSTR name, DWORD options, REGSAM access, PHKEY out)
{
    if (fake.unreadable_once != NULL && wcscmp(name, fake.unreadable_once) == 0) {
        fake.unreadable_once = NULL;
        return ERROR_ACCESS_DENIED;
    }
    return fails() ? fake.code : RegOpenKeyExW(parent, name, options, access, out);
}

static LSTATUS WINAPI
fake_create_key(HKEY parent, LPCWSTR name, DWORD reserved, LPWSTR class_name, DWORD options,
                REGSAM access, LPSECURITY_ATTRIBUTES security, PHKEY out, LPDWORD disposition)
{
    return fails() ? fake.code
                   : RegCreateKeyExW(parent, name, reserved, class_name, options, access, security,
                                     out, disposition);
}

static LSTATUS WINAPI
fake_close_key(HKEY key)
{
    LSTATUS code = RegCloseKey(key);

    return fails() ? fake.code : code;
}

static LSTATUS WINAPI
fake_query_info(HKEY key, LPWSTR class_name, LPDWORD class_length, LPDWORD reserved,
                LPDWORD subkeys, LPDWORD subkey_length_max, LPDWORD class_length_max,
                LPDWORD values, LPDWORD name_length_max, LPDWORD data_size_max,
                LPDWORD security_size, PFILETIME write_time)
{
    return fails() ? fake.code
                   : RegQueryInfoKeyW(key, class_name, class_length, reserved, subkeys,
                                      subkey_length_max, class_length_max, values, name_length_max,
                                      data_size_max, security_size, write_time);
}

static LSTATUS WINAPI
fake_enum_key(HKEY key, DWORD index, LPWSTR name, LPDWORD length, LPDWORD reserved,
              LPWSTR class_name, LPDWORD class_length, PFILETIME write_time)
{
    return fails() ? fake.code
                   : RegEnumKeyExW(key, index, name, length, reserved, class_name, class_length,
                                   write_time);
}

/* Somebody else takes the first value away, so that the rest move up, and puts another in. */
static void
change_meanwhile(void)
{
    HKEY key = reg_open(L"busy");

    (void)RegDeleteValueW(key, L"a");
    ck_assert_int_eq(RegSetValueExW(key, L"new", 0, REG_DWORD, (const void *)&fake.values_told, 4),
                     0);
    RegCloseKey(key);
}

static LSTATUS WINAPI
fake_enum_value(HKEY key, DWORD index, LPWSTR name, LPDWORD length, LPDWORD reserved, LPDWORD type,
                LPBYTE data, LPDWORD size)
{
    LSTATUS code =
        fails() ? fake.code : RegEnumValueW(key, index, name, length, reserved, type, data, size);

    fake.values_told++;
    if (fake.change_after != 0 && (fake.values_told == fake.change_after ||
                                   (fake.changes_always && fake.values_told > fake.change_after)))
        change_meanwhile();
    return code;
}

static LSTATUS WINAPI
fake_query_value(HKEY key, LPCWSTR name, LPDWORD reserved, LPDWORD type, LPBYTE data, LPDWORD size)
{
    return fails() ? fake.code : RegQueryValueExW(key, name, reserved, type, data, size);
}

static LSTATUS WINAPI
fake_delete_value(HKEY key, LPCWSTR name)
{
    return fails() ? fake.code : RegDeleteValueW(key, name);
}

static LSTATUS WINAPI
fake_flush_key(HKEY key)
{
    return fails() ? fake.code : RegFlushKey(key);
}

static LSTATUS
fake_set_value(HKEY key, LPCWSTR name, DWORD type, const void *data, DWORD size)
{
    if (fails())
        return fake.code;
    return fake.drops_values ? ERROR_SUCCESS
                             : po_win32_regapi.set_value(key, name, type, data, size);
}

static LSTATUS
fake_delete_key(HKEY key)
{
    return fails() ? fake.code : po_win32_regapi.delete_key(key);
}

static ULONG
fake_key_flags(HKEY key)
{
    (void)key;
    return fake.flags;
}

static bool
fake_has_views(void)
{
    return !fake.is_32;
}

static const struct po_win32_regapi fake_api = {
    .open_key = fake_open_key,
    .create_key = fake_create_key,
    .close_key = fake_close_key,
    .query_info = fake_query_info,
    .enum_key = fake_enum_key,
    .enum_value = fake_enum_value,
    .query_value = fake_query_value,
    .delete_value = fake_delete_value,
    .flush_key = fake_flush_key,
    .set_value = fake_set_value,
    .delete_key = fake_delete_key,
    .key_flags = fake_key_flags,
    .has_views = fake_has_views,
};

/* ---- helpers ---- */

static void
set_up(void)
{
    memset(&fake, 0, sizeof(fake));
    reg_clear();
}

/* Told problems, "path: reason" a line, with paths below the site's. */
static enum po_status
note_problem(void *ctx, const char *key, const char *reason, struct po_err *err)
{
    struct po_buf *out = ctx;

    (void)err;
    ck_assert_msg(strncmp(key, REG_SHOWN, strlen(REG_SHOWN)) == 0, "%s", key);
    po_buf_printf(out, "%s: %s\n", key + strlen(REG_SHOWN), reason);
    return PO_OK;
}

static struct po_reg *
read_with(const struct po_win32_regapi *api, struct po_buf *problems)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    if (po_win32_registry_read_with(api, &reg, REG_NAME, problems != NULL ? note_problem : NULL,
                                    problems, &err) != PO_OK)
        ck_abort_msg("not read: %s", err.text);
    return reg;
}

static void
assert_lines(const struct po_reg *reg, const char *expected)
{
    struct po_buf lines = { 0 };

    reg_put_lines(&lines, reg);
    ck_assert_str_eq(po_buf_text(&lines), expected);
    po_buf_deinit(&lines);
}

static void
assert_reads(const char *expected)
{
    struct po_reg *reg = read_with(&po_win32_regapi, NULL);

    assert_lines(reg, expected);
    po_reg_free(reg);
}

static void
write_lines(const char *lines, bool is_exact)
{
    struct po_reg *reg = reg_parse(lines);
    struct po_err err = { 0 };

    if (po_win32_registry_write(reg, REG_NAME, is_exact, &err) != PO_OK)
        ck_abort_msg("not written: %s", err.text);
    po_reg_free(reg);
}

static void
assert_not_written(const char *lines, bool is_exact, enum po_status status, const char *text)
{
    struct po_reg *reg = reg_parse(lines);
    struct po_err err = { 0 };

    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, is_exact, &err), status);
    ck_assert_str_eq(err.text, text);
    po_reg_free(reg);
}

/* ---- reading ---- */

/* What a value of each kind is in the document. */
static const struct {
    const wchar_t *name;
    DWORD type;
    const char *data;
    size_t size;
    const char *line;
    const char *exported; /* by regedit; NULL: the same line, "": what nobody can foretell */
    const char
        *imported; /* the line of a dump after regedit has imported `line`; NULL: as before */
} kinds[] = {
    { L"01 text", REG_SZ, "a\0b\0\0\0", 6, "\"ab\"", NULL, NULL },
    { L"02 empty", REG_SZ, "\0\0", 2, "\"\"", NULL, NULL },
    { L"03 nothing", REG_SZ, "", 0, "hex(1):", "\"\"", NULL },
    { L"04 no nul", REG_SZ, "a\0b\0", 4, "hex(1):61,00,62,00", "\"a\"", "1 610062000000" },
    { L"05 odd", REG_SZ, "a\0b", 3, "hex(1):61,00,62", "\"\"", "1 6100000000" },
    { L"06 nul inside", REG_SZ, "a\0\0\0b\0\0\0", 8, "hex(1):61,00,00,00,62,00,00,00", "\"a\"",
      NULL },
    { L"07 line", REG_SZ, "a\0\n\0\0\0", 6, "hex(1):61,00,0a,00,00,00", "\"a\\n\"", NULL },
    { L"08 escapes", REG_SZ, "\\\0\"\0\0\0", 6, "\"\\\\\\\"\"", NULL, NULL },
    { L"09 expand", REG_EXPAND_SZ, "%\0a\0%\0\0\0", 8, "hex(2):25,00,61,00,25,00,00,00", NULL,
      NULL },
    { L"10 binary", REG_BINARY, "\0\xFF\1", 3, "hex:00,ff,01", NULL, NULL },
    { L"11 no bytes", REG_BINARY, "", 0, "hex:", NULL, NULL },
    { L"12 dword", REG_DWORD, "\x78\x56\x34\x12", 4, "dword:12345678", NULL, NULL },
    { L"13 short dword", REG_DWORD, "\1\2", 2, "hex(4):01,02", "", NULL },
    { L"14 long dword", REG_DWORD, "\1\2\3\4\5", 5, "hex(4):01,02,03,04,05", "dword:04030201",
      NULL },
    { L"15 no dword", REG_DWORD, "", 0, "hex(4):", NULL, NULL },
    { L"16 big-endian", REG_DWORD_BIG_ENDIAN, "\1\2\3\4", 4, "hex(5):01,02,03,04", NULL, NULL },
    { L"17 multi", REG_MULTI_SZ, "a\0\0\0b\0\0\0\0\0", 10, "hex(7):61,00,00,00,62,00,00,00,00,00",
      NULL, NULL },
    { L"18 no multi", REG_MULTI_SZ, "", 0, "hex(7):", NULL, NULL },
    { L"19 qword", REG_QWORD, "\1\2\3\4\5\6\7\10", 8, "hex(b):01,02,03,04,05,06,07,08", NULL,
      NULL },
    { L"20 none", REG_NONE, "\1", 1, "hex(0):01", NULL, NULL },
    { L"21 no none", REG_NONE, "", 0, "hex(0):", NULL, NULL },
    { L"22 resources", REG_RESOURCE_LIST, "\1\2", 2, "hex(8):01,02", NULL, NULL },
    { L"23 unknown", 0x1234, "\1\2", 2, "hex(1234):01,02", NULL, NULL },
    { L"24 far", 0xFFFFFFFE, "\1", 1, "hex(fffffffe):01", NULL, NULL },
};

static void
set_kinds(const wchar_t *below)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        reg_set(below, kinds[i].name, kinds[i].type, kinds[i].data, kinds[i].size);
}

START_TEST(every_kind_of_value_is_read_as_it_is)
{
    struct po_buf expected = { 0 };

    set_kinds(L"");
    po_buf_put_text(&expected, "[" REG_SHOWN "]\n");
    for (size_t i = 0; i < COUNT(kinds); i++)
        po_buf_printf(&expected, "\"%ls\"=%s\n", kinds[i].name, kinds[i].line);
    assert_reads(po_buf_text(&expected));
    po_buf_deinit(&expected);
}
END_TEST

START_TEST(the_32_bit_view_is_read_on_64_bit_systems)
{
    HKEY key = NULL;

    reg_set_text(L"", L"x", L"32");
    ck_assert_int_eq(RegCreateKeyExW(HKEY_LOCAL_MACHINE, REG_KEY, 0, NULL, 0,
                                     KEY_ALL_ACCESS | KEY_WOW64_64KEY, NULL, &key, NULL),
                     0);
    ck_assert_int_eq(RegSetValueExW(key, L"x", 0, REG_SZ, (const void *)L"64", 6), 0);
    RegCloseKey(key);
    assert_reads("[" REG_SHOWN "]\n\"x\"=\"32\"\n");
}
END_TEST

/* Here a system without views is what the 64-bit view is. */
START_TEST(on_32_bit_systems_there_is_one_view)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    fake.is_32 = true;
    reg_set_text(L"", L"x", L"32");
    ck_assert_int_eq(po_win32_registry_read_with(&fake_api, &reg, REG_NAME, NULL, NULL, &err),
                     PO_E_IO);
    ck_assert_str_eq(err.text, "HKEY_LOCAL_MACHINE\\Software\\pobackup-test\\Post.Office: no such "
                               "registry key");
    reg = reg_parse("[" REG_SHOWN "]\n\"x\"=\"64\"\n");
    ck_assert_int_eq(po_win32_registry_write_with(&fake_api, reg, REG_NAME, false, &err), PO_OK);
    po_reg_free(reg);
    reg_assert_dump("\n: x 1 330032000000\n");
    ck_assert_int_eq(po_win32_registry_read_with(&fake_api, &reg, REG_NAME, NULL, NULL, &err),
                     PO_OK);
    assert_lines(reg, "[HKEY_LOCAL_MACHINE\\Software\\pobackup-test\\Post.Office]\n\"x\"=\"64\"\n");
    po_reg_free(reg);
}
END_TEST

START_TEST(the_key_may_be_named_as_regedit_shows_it)
{
    static const char *const names[] = {
        REG_NAME,
        REG_PLAIN,
        REG_SHOWN,
        "HKLM\\SOFTWARE\\pobackup-test\\POST.OFFICE\\",
        "software\\WOW6432NODE\\pobackup-test\\Post.Office",
    };
    static const char *const others[] = {
        "", "\\", "HKLM", "HKEY_LOCAL_MACHINE\\", "a\\\\b", "\\a"
    };

    reg_make(L"");
    for (size_t i = 0; i < COUNT(names); i++) {
        struct po_reg *reg = NULL;
        struct po_err err = { 0 };

        if (po_win32_registry_read(&reg, names[i], NULL, NULL, &err) != PO_OK)
            ck_abort_msg("%s: %s", names[i], err.text);
        assert_lines(reg, "[" REG_SHOWN "]\n");
        po_reg_free(reg);
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        struct po_reg *reg = NULL;
        struct po_err err = { 0 };

        ck_assert_int_eq(po_win32_registry_read(&reg, others[i], NULL, NULL, &err), PO_E_USAGE);
        ck_assert_ptr_null(reg);
    }
}
END_TEST

START_TEST(a_key_that_is_not_there_is_told)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_win32_registry_read(&reg, REG_NAME, NULL, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "HKEY_LOCAL_MACHINE\\Software\\Wow6432Node\\pobackup-test\\"
                               "Post.Office: no such registry key");
    ck_assert_ptr_null(reg);
}
END_TEST

START_TEST(default_values_and_keys_without_values_are_read)
{
    reg_set_text(L"given", L"", L"x");
    reg_set_text(L"empty", L"", L"");
    reg_set(L"other", L"", REG_BINARY, "\1", 1);
    reg_make(L"none\\below");
    assert_reads("[" REG_SHOWN "]\n"
                 "[" REG_SHOWN "\\empty]\n@=\"\"\n"
                 "[" REG_SHOWN "\\given]\n@=\"x\"\n"
                 "[" REG_SHOWN "\\none]\n"
                 "[" REG_SHOWN "\\none\\below]\n"
                 "[" REG_SHOWN "\\other]\n@=hex:01\n");
}
END_TEST

START_TEST(names_may_have_any_character)
{
    static const wchar_t lone[] = { 'l', 0xD83D, 'x', 0 };
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    reg_set_text(L"\x30E1\x30FC\x30EB", L"\x30DD\x30B9\x30C8", L"\xD83D\xDCE7");
    reg_set_text(L"a]b [c", L"with \" and \\ and = and ;", L"1");
    reg_set_text(L" x ", L"line\nbreak", L"2");
    reg_set_text(L"-", lone, L"3");
    assert_reads("[" REG_SHOWN "]\n"
                 "[" REG_SHOWN "\\ x ]\n\"line\nbreak\"=\"2\"\n"
                 "[" REG_SHOWN "\\-]\n\"l\xED\xA0\xBDx\"=\"3\"\n"
                 "[" REG_SHOWN "\\a]b [c]\n\"with \\\" and \\\\ and = and ;\"=\"1\"\n"
                 "[" REG_SHOWN "\\\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB]\n"
                 "\"\xE3\x83\x9D\xE3\x82\xB9\xE3\x83\x88\"=\"\xF0\x9F\x93\xA7\"\n");
    /* No .reg file can hold this one, so it is told. */
    reg_set_text(L"a\nb\\below", L"x", L"1");
    reg = read_with(&po_win32_regapi, &problems);
    ck_assert_str_eq(po_buf_text(&problems),
                     "\\a\nb: a line break in its name, which no .reg file can hold\n");
    ck_assert_uint_eq(reg->key_count, 5);
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

START_TEST(names_may_be_as_long_as_the_registry_has_them)
{
    wchar_t key_name[256];
    wchar_t *value_name = calloc(16384, sizeof(*value_name));
    struct po_reg *reg;

    ck_assert_ptr_nonnull(value_name);
    for (int i = 0; i < 16383; i++)
        value_name[i] = L'v';
    for (int i = 0; i < 255; i++)
        key_name[i] = L'k';
    key_name[255] = L'\0';
    reg_set_text(key_name, value_name, L"x");
    reg = read_with(&po_win32_regapi, NULL);
    ck_assert_uint_eq(reg->key_count, 2);
    ck_assert_uint_eq(reg->keys[1].path_size, strlen(REG_SHOWN) + 1 + 255);
    ck_assert_uint_eq(reg->keys[1].values[0].name_size, 16383);
    po_reg_free(reg);
    free(value_name);
}
END_TEST

START_TEST(values_may_be_large)
{
    static const size_t sizes[] = { 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 6 << 20 };
    uint8_t *data = malloc(6 << 20);
    struct po_reg *reg;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < 6 << 20; i++)
        data[i] = (uint8_t)(i * 7 >> 3);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        wchar_t name[16];

        (void)swprintf(name, COUNT(name), L"%08zu", sizes[i]);
        reg_set(L"", name, REG_BINARY, data, sizes[i]);
    }
    reg = read_with(&po_win32_regapi, NULL);
    ck_assert_uint_eq(reg->value_count, COUNT(sizes));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        ck_assert_uint_eq(reg->keys[0].values[i].data_size, sizes[i]);
        ck_assert(memcmp(reg->keys[0].values[i].data, data, sizes[i]) == 0);
    }
    po_reg_free(reg);
    free(data);
}
END_TEST

/* One below the other, to the given number of components of the whole path as regedit shows it. */
static void
make_deep(int components)
{
    HKEY key = reg_open(L"");

    for (int i = 5; i < components; i++) {
        HKEY next = NULL;

        ck_assert_int_eq(RegCreateKeyExW(key, L"d", 0, NULL, 0, KEY_ALL_ACCESS, NULL, &next, NULL),
                         0);
        RegCloseKey(key);
        key = next;
    }
    ck_assert_int_eq(RegSetValueExW(key, L"x", 0, REG_SZ, (const void *)L"1", 4), 0);
    RegCloseKey(key);
}

START_TEST(keys_are_read_to_512_levels)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    make_deep(512);
    reg = read_with(&po_win32_regapi, &problems);
    ck_assert_uint_eq(reg->key_count, 512 - 4);
    ck_assert_uint_eq(reg->keys[507].value_count, 1);
    ck_assert_uint_eq(problems.size, 0);
    po_reg_free(reg);
    /* The registry of Wine is deeper than that of Windows. */
    make_deep(515);
    reg = read_with(&po_win32_regapi, &problems);
    ck_assert_uint_eq(reg->key_count, 512 - 4);
    ck_assert_ptr_nonnull(
        strstr(po_buf_text(&problems), "\\d: a key 513 levels deep; 512 are allowed\n"));
    ck_assert_ptr_eq(strchr(po_buf_text(&problems), '\n'),
                     po_buf_text(&problems) + problems.size - 1);
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

START_TEST(keys_that_may_not_be_read_are_told_and_passed_over)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;
    HKEY top;

    reg_set_text(L"a", L"x", L"1");
    reg_set_text(L"b", L"x", L"2");
    reg_set_text(L"b\\below", L"x", L"2");
    reg_set_text(L"c", L"x", L"3");
    top = reg_open(L"");
    reg_set_access(top, L"b", 0, L"D:(D;;KR;;;WD)(A;;KA;;;WD)");
    reg = read_with(&po_win32_regapi, &problems);
    assert_lines(reg, "[" REG_SHOWN "]\n"
                      "[" REG_SHOWN "\\a]\n\"x\"=\"1\"\n"
                      "[" REG_SHOWN "\\c]\n\"x\"=\"3\"\n");
    ck_assert_str_eq(po_buf_text(&problems), "\\b: not read: Access denied (error 5)\n");
    po_reg_free(reg);
    assert_reads("[" REG_SHOWN "]\n"
                 "[" REG_SHOWN "\\a]\n\"x\"=\"1\"\n"
                 "[" REG_SHOWN "\\c]\n\"x\"=\"3\"\n");
    RegCloseKey(top);
    po_buf_deinit(&problems);
}
END_TEST

START_TEST(a_top_key_that_may_not_be_read_is_a_failure)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    reg_set_text(L"a", L"x", L"1");
    reg_set_access(HKEY_LOCAL_MACHINE, REG_KEY, KEY_WOW64_32KEY, L"D:(D;;KR;;;WD)(A;;KA;;;WD)");
    ck_assert_int_eq(po_win32_registry_read(&reg, REG_NAME, NULL, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, REG_SHOWN ": Access denied (error 5)");
    ck_assert_uint_eq(err.os_code, EACCES);
}
END_TEST

START_TEST(links_are_told_and_not_followed)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    reg_set_text(L"a", L"x", L"1");
    reg_make_link(L"a\\link", L"\\Registry\\Machine\\Hardware");
    reg_make_link(L"dead", L"\\Registry\\Machine\\no such key");
    reg = read_with(&po_win32_regapi, &problems);
    assert_lines(reg, "[" REG_SHOWN "]\n[" REG_SHOWN "\\a]\n\"x\"=\"1\"\n");
    ck_assert_str_eq(po_buf_text(&problems),
                     "\\a\\link: a link to another key, which is not followed\n"
                     "\\dead: a link to another key, which is not followed\n");
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

START_TEST(a_top_key_that_is_a_link_is_a_failure)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };
    HKEY above = NULL;
    HKEY key = NULL;

    ck_assert_int_eq(RegCreateKeyExW(HKEY_LOCAL_MACHINE, REG_ABOVE, 0, NULL, 0,
                                     KEY_ALL_ACCESS | KEY_WOW64_32KEY, NULL, &above, NULL),
                     0);
    ck_assert_int_eq(RegCreateKeyExW(above, L"post.office", 0, NULL, REG_OPTION_CREATE_LINK,
                                     KEY_ALL_ACCESS, NULL, &key, NULL),
                     0);
    ck_assert_int_eq(RegSetValueExW(key, L"SymbolicLinkValue", 0, REG_LINK,
                                    (const void *)L"\\Registry\\Machine\\Hardware", 50),
                     0);
    RegCloseKey(key);
    RegCloseKey(above);
    ck_assert_int_eq(po_win32_registry_read(&reg, REG_NAME, NULL, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, REG_SHOWN ": a link to another key, which is not followed");
    assert_not_written("[" REG_PLAIN "]\n\"x\"=\"1\"\n", false, PO_E_IO,
                       REG_SHOWN ": a link to another key, which is not followed");
}
END_TEST

START_TEST(volatile_keys_are_read_and_told)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    reg_set_text(L"", L"x", L"1");
    fake.flags = PO_WIN32_KEY_VOLATILE;
    reg = read_with(&fake_api, &problems);
    assert_lines(reg, "[" REG_SHOWN "]\n\"x\"=\"1\"\n");
    ck_assert_str_eq(
        po_buf_text(&problems),
        ": a volatile key, which Windows forgets when it restarts; saved as any other\n");
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

static enum po_status
stop_reading(void *ctx, const char *key, const char *reason, struct po_err *err)
{
    int *calls = ctx;

    (void)key;
    (void)reason;
    ++*calls;
    return po_fail(err, PO_E_CANCELLED, "enough");
}

START_TEST(a_failing_callback_ends_the_reading)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };
    int calls = 0;

    reg_make_link(L"a", L"\\Registry\\Machine\\Hardware");
    reg_make_link(L"b", L"\\Registry\\Machine\\Hardware");
    ck_assert_int_eq(po_win32_registry_read(&reg, REG_NAME, stop_reading, &calls, &err),
                     PO_E_CANCELLED);
    ck_assert_int_eq(calls, 1);
    ck_assert_ptr_null(reg);
}
END_TEST

START_TEST(a_key_that_changes_while_it_is_read_is_read_again)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    reg_set_text(L"busy", L"a", L"1");
    reg_set_text(L"busy", L"b", L"2");
    reg_set_text(L"busy", L"c", L"3");
    /* 1: of the top key, which has none. */
    fake.change_after = 3;
    reg = read_with(&fake_api, &problems);
    assert_lines(reg, "[" REG_SHOWN "]\n"
                      "[" REG_SHOWN "\\busy]\n\"b\"=\"2\"\n\"c\"=\"3\"\n\"new\"=dword:00000003\n");
    ck_assert_uint_eq(problems.size, 0);
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

START_TEST(a_key_that_never_is_still_is_told)
{
    struct po_buf problems = { 0 };
    struct po_reg *reg;

    reg_set_text(L"busy", L"a", L"1");
    reg_make(L"quiet");
    fake.change_after = 1;
    fake.changes_always = true;
    reg = read_with(&fake_api, &problems);
    assert_lines(reg, "[" REG_SHOWN "]\n[" REG_SHOWN "\\quiet]\n");
    ck_assert_str_eq(po_buf_text(&problems), "\\busy: it changes all the time\n");
    po_reg_free(reg);
    po_buf_deinit(&problems);
}
END_TEST

/* A failing call is told, or ends it; what is read is never less without a word. */
START_TEST(no_failure_while_reading_is_silent)
{
    int total;
    struct po_reg *whole;
    struct po_buf lines = { 0 };

    reg_set_text(L"", L"x", L"1");
    reg_set_text(L"a", L"x", L"1");
    reg_set_text(L"a\\b", L"y", L"2");
    reg_make(L"c");
    whole = read_with(&fake_api, NULL);
    reg_put_lines(&lines, whole);
    po_reg_free(whole);
    total = fake.calls;
    for (int i = 1; i <= total; i++) {
        struct po_reg *reg = NULL;
        struct po_err err = { 0 };
        struct po_buf problems = { 0 };
        struct po_buf found = { 0 };
        enum po_status st;

        memset(&fake, 0, sizeof(fake));
        fake.fail_at = i;
        fake.code = i % 2 == 0 ? ERROR_GEN_FAILURE : ERROR_ACCESS_DENIED;
        st = po_win32_registry_read_with(&fake_api, &reg, REG_NAME, note_problem, &problems, &err);
        if (st == PO_OK)
            reg_put_lines(&found, reg);
        /* Closing, and how the key is spelled, fail without harm. */
        ck_assert_msg(st != PO_OK || problems.size > 0 ||
                          _stricmp(po_buf_text(&found), po_buf_text(&lines)) == 0,
                      "call %d of %d", i, total);
        po_reg_free(reg);
        po_buf_deinit(&problems);
        po_buf_deinit(&found);
    }
    po_buf_deinit(&lines);
}
END_TEST

/* ---- writing ---- */

START_TEST(importing_merges)
{
    reg_set_text(L"", L"Spool", L"C:\\old");
    reg_set_text(L"", L"Kept", L"1");
    reg_set_text(L"sub", L"x", L"1");
    reg_set_text(L"other\\below", L"x", L"1");
    write_lines("[" REG_PLAIN "]\n\"SPOOL\"=\"D:\\\\new\"\n\"Added\"=dword:1\n@=\"d\"\n"
                "[" REG_PLAIN "\\Sub]\n\"x\"=-\n\"y\"=hex:01\n"
                "[" REG_PLAIN "\\more\\and more]\n"
                "[-" REG_PLAIN "\\other]\n",
                false);
    reg_assert_dump("\n:  1 64000000\n: Added 4 01000000\n: Kept 1 31000000\n"
                    ": Spool 1 44003a005c006e00650077000000\n\\more\n\\more\\and more\n"
                    "\\sub\n\\sub: y 3 01\n");
}
END_TEST

START_TEST(an_exact_import_leaves_nothing_else)
{
    reg_set_text(L"", L"Spool", L"C:\\old");
    reg_set_text(L"", L"Gone", L"1");
    reg_set_text(L"sub", L"x", L"1");
    reg_set_text(L"sub\\deep", L"x", L"1");
    reg_set_text(L"kept", L"x", L"1");
    reg_set_text(L"kept", L"z", L"1");
    write_lines("[" REG_PLAIN "]\n\"Spool\"=\"D:\\\\new\"\n"
                "[" REG_PLAIN "\\kept]\n\"x\"=\"1\"\n\"y\"=\"2\"\n",
                true);
    reg_assert_dump("\n: Spool 1 44003a005c006e00650077000000\n"
                    "\\kept\n\\kept: x 1 31000000\n\\kept: y 1 32000000\n");
    assert_not_written("", true, PO_E_USAGE,
                       REG_SHOWN ": the document has no key, so that nothing would be left");
    assert_not_written("[-" REG_PLAIN "]\n", true, PO_E_USAGE,
                       REG_SHOWN ": the document has no key, so that nothing would be left");
}
END_TEST

START_TEST(a_key_that_is_not_there_is_made)
{
    write_lines("", false);
    write_lines("[-" REG_PLAIN "]\n", false);
    reg_assert_dump("");
    write_lines("[" REG_PLAIN "\\a\\b]\n\"x\"=\"1\"\n", false);
    reg_assert_dump("\n\\a\n\\a\\b\n\\a\\b: x 1 31000000\n");
    reg_clear();
    write_lines("[" REG_PLAIN "]\n", true);
    reg_assert_dump("\n");
    /* And goes, when the document says so. */
    reg_set_text(L"a\\b", L"x", L"1");
    write_lines("[-" REG_PLAIN "]\n", false);
    reg_assert_dump("");
}
END_TEST

START_TEST(every_kind_of_value_is_written_as_it_is)
{
    struct po_buf expected = { 0 };
    struct po_reg *reg;
    struct po_err err = { 0 };

    set_kinds(L"a");
    reg_set_text(L"\x30E1", L"", L"default");
    reg = read_with(&po_win32_regapi, NULL);
    reg_dump_site(&expected);
    reg_clear();
    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, true, &err), PO_OK);
    reg_assert_dump(po_buf_text(&expected));
    po_reg_free(reg);
    po_buf_deinit(&expected);
}
END_TEST

/* From a machine without views, to one with them, and back. */
START_TEST(a_document_of_either_view_goes_where_this_system_has_the_key)
{
    static const char *const views[] = { REG_PLAIN, REG_SHOWN };
    HKEY key = NULL;

    for (size_t i = 0; i < COUNT(views); i++) {
        struct po_buf lines = { 0 };
        struct po_reg *reg;
        struct po_err err = { 0 };

        reg_clear();
        fake.is_32 = false;
        po_buf_printf(&lines, "[%s]\n\"x\"=\"1\"\n[%s\\a]\n", views[i], views[i]);
        write_lines(po_buf_text(&lines), false);
        reg_assert_dump("\n: x 1 31000000\n\\a\n");
        ck_assert_int_eq(
            RegOpenKeyExW(HKEY_LOCAL_MACHINE, REG_KEY, 0, KEY_READ | KEY_WOW64_64KEY, &key),
            ERROR_FILE_NOT_FOUND);
        /* What is read here, written there. */
        reg = read_with(&fake_api, NULL);
        reg_clear();
        fake.is_32 = true;
        ck_assert_int_eq(po_win32_registry_write_with(&fake_api, reg, REG_NAME, true, &err), PO_OK);
        po_reg_free(reg);
        ck_assert_int_eq(po_win32_registry_read_with(&fake_api, &reg, REG_NAME, NULL, NULL, &err),
                         PO_OK);
        assert_lines(reg,
                     "[HKEY_LOCAL_MACHINE\\Software\\pobackup-test\\Post.Office]\n\"x\"=\"1\"\n"
                     "[HKEY_LOCAL_MACHINE\\Software\\pobackup-test\\Post.Office\\a]\n");
        ck_assert_int_eq(
            RegOpenKeyExW(HKEY_LOCAL_MACHINE, REG_KEY, 0, KEY_READ | KEY_WOW64_32KEY, &key),
            ERROR_FILE_NOT_FOUND);
        po_reg_free(reg);
        po_buf_deinit(&lines);
    }
}
END_TEST

START_TEST(a_document_that_reaches_outside_is_refused)
{
    struct po_buf before = { 0 };

    reg_set_text(L"", L"x", L"1");
    reg_dump_site(&before);
    assert_not_written("[" REG_PLAIN "]\n\"x\"=\"2\"\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Other]\n",
                       false, PO_E_USAGE,
                       "the document has the key HKEY_LOCAL_MACHINE\\SOFTWARE\\Other, which lies "
                       "outside " REG_SHOWN);
    assert_not_written(
        "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\pobackup-test]\n", false, PO_E_USAGE,
        "the document has the key HKEY_LOCAL_MACHINE\\SOFTWARE\\pobackup-test, which "
        "lies outside " REG_SHOWN);
    assert_not_written("[HKEY_CURRENT_USER\\SOFTWARE\\pobackup-test\\Post.Office]\n", true,
                       PO_E_USAGE,
                       "the document has the key HKEY_CURRENT_USER\\SOFTWARE\\pobackup-test\\"
                       "Post.Office, which lies outside " REG_SHOWN);
    reg_assert_dump(po_buf_text(&before));
    po_buf_deinit(&before);
}
END_TEST

START_TEST(a_key_that_is_not_of_one_program_is_refused)
{
    struct po_reg *reg = reg_parse("[HKEY_LOCAL_MACHINE\\SOFTWARE\\x]\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(po_win32_registry_write(reg, "SOFTWARE", false, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "HKEY_LOCAL_MACHINE\\Software\\Wow6432Node: not the key of one "
                               "program");
    po_reg_free(reg);
}
END_TEST

START_TEST(keys_are_written_to_512_levels)
{
    struct po_buf expected = { 0 };
    struct po_reg *reg;
    struct po_err err = { 0 };

    make_deep(512);
    reg = read_with(&po_win32_regapi, NULL);
    reg_dump_site(&expected);
    reg_clear();
    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, false, &err), PO_OK);
    reg_assert_dump(po_buf_text(&expected));
    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, true, &err), PO_OK);
    po_reg_free(reg);
    write_lines("[" REG_PLAIN "]\n", true);
    reg_assert_dump("\n");
    po_buf_deinit(&expected);
}
END_TEST

START_TEST(large_values_are_written)
{
    struct po_buf data = { 0 };
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };
    DWORD size = 0;
    HKEY key;

    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_key(reg, REG_PLAIN, strlen(REG_PLAIN), false, NULL, &err), PO_OK);
    po_buf_put_zeros(&data, 6 << 20);
    ck_assert_int_eq(po_reg_add_value(reg, "x", 1, REG_BINARY, data.bytes, data.size, &err), PO_OK);
    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, false, &err), PO_OK);
    key = reg_open(L"");
    ck_assert_int_eq(RegQueryValueExW(key, L"x", NULL, NULL, NULL, &size), 0);
    ck_assert_uint_eq(size, 6 << 20);
    RegCloseKey(key);
    po_reg_free(reg);
    po_buf_deinit(&data);
}
END_TEST

START_TEST(what_lies_below_a_volatile_key_is_volatile)
{
    HKEY top = reg_open(L"");
    HKEY key = NULL;

    ck_assert_int_eq(RegCreateKeyExW(top, L"run", 0, NULL, REG_OPTION_VOLATILE, KEY_ALL_ACCESS,
                                     NULL, &key, NULL),
                     0);
    RegCloseKey(key);
    RegCloseKey(top);
    write_lines("[" REG_PLAIN "\\run\\now]\n\"x\"=\"1\"\n", false);
    reg_assert_dump("\n\\run\n\\run\\now\n\\run\\now: x 1 31000000\n");
}
END_TEST

static void
put_former(void)
{
    reg_clear();
    reg_set_text(L"", L"Spool", L"C:\\old");
    reg_set_text(L"", L"Gone", L"1");
    reg_set(L"", L"Odd", REG_SZ, "a\0b", 3);
    reg_set_text(L"sub", L"", L"default");
    reg_set_text(L"sub\\deep", L"x", L"1");
    reg_make(L"empty");
}

/* ---- what cannot be put back is not touched ---- */

START_TEST(what_cannot_be_read_is_not_written_to)
{
    struct po_buf before = { 0 };
    HKEY top;

    reg_set_text(L"", L"x", L"1");
    reg_set_text(L"a\\secret", L"x", L"1");
    reg_make_link(L"link", L"\\Registry\\Machine\\Hardware");
    top = reg_open(L"a");
    reg_set_access(top, L"secret", 0, L"D:(D;;KR;;;WD)(A;;KA;;;WD)");
    RegCloseKey(top);
    reg_dump_site(&before);
#define CANNOT                                                                                     \
    "cannot be read as a whole, so what is there could not be put back; nothing was changed"
    assert_not_written("[" REG_PLAIN "]\n\"y\"=\"1\"\n[" REG_PLAIN "\\a\\secret]\n\"x\"=\"2\"\n",
                       false, PO_E_IO, REG_SHOWN "\\a\\secret: " CANNOT);
    assert_not_written("[-" REG_PLAIN "\\a]\n", false, PO_E_IO, REG_SHOWN "\\a\\secret: " CANNOT);
    assert_not_written("[" REG_PLAIN "\\LINK\\x]\n", false, PO_E_IO, REG_SHOWN "\\link: " CANNOT);
    assert_not_written("[" REG_PLAIN "]\n", true, PO_E_IO, REG_SHOWN "\\a\\secret: " CANNOT);
    reg_assert_dump(po_buf_text(&before));
    /* All else is. */
    write_lines("[" REG_PLAIN "\\a]\n\"y\"=\"2\"\n[" REG_PLAIN "\\a\\b]\n", false);
    po_buf_deinit(&before);
    reg_dump_site(&before);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&before), "\\a: y 1 32000000\n\\a\\b\n"));
    po_buf_deinit(&before);
}
END_TEST

/* It comes to light when it is read back, and nothing of it goes. */
START_TEST(what_could_not_be_read_for_a_moment_survives)
{
    struct po_reg *reg = reg_parse("[" REG_PLAIN "]\n\"x\"=\"2\"\n");
    struct po_err err = { 0 };

    reg_set_text(L"", L"x", L"1");
    reg_set_text(L"a", L"y", L"1");
    fake.unreadable_once = L"a";
    ck_assert_int_eq(po_win32_registry_write_with(&fake_api, reg, REG_NAME, false, &err), PO_OK);
    ck_assert_ptr_null(fake.unreadable_once);
    reg_assert_dump("\n: x 1 32000000\n\\a\n\\a: y 1 31000000\n");
    po_reg_free(reg);
}
END_TEST

START_TEST(what_is_read_back_different_is_a_failure)
{
    struct po_reg *reg = reg_parse("[" REG_PLAIN "\\a]\n\"x\"=\"2\"\n[" REG_PLAIN "\\b]\n");
    struct po_err err = { 0 };

    reg_set_text(L"a", L"x", L"1");
    fake.drops_values = true;
    ck_assert_int_eq(po_win32_registry_write_with(&fake_api, reg, REG_NAME, false, &err), PO_E_IO);
    ck_assert_str_eq(err.text, REG_SHOWN "\\a: value \"x\": different when read back");
    reg_assert_dump("\n\\a\n\\a: x 1 31000000\n");
    po_reg_free(reg);
}
END_TEST

START_TEST(a_key_that_may_not_be_written_puts_all_back)
{
    struct po_buf before = { 0 };
    HKEY top;

    put_former();
    top = reg_open(L"");
    reg_set_access(top, L"sub", 0, L"D:(A;;KR;;;WD)");
    RegCloseKey(top);
    reg_dump_site(&before);
    assert_not_written("[" REG_PLAIN "]\n\"Spool\"=\"D:\\\\new\"\n[" REG_PLAIN "\\a\\b]\n"
                       "[" REG_PLAIN "\\sub]\n\"x\"=\"1\"\n",
                       false, PO_E_IO, REG_SHOWN "\\sub: value \"x\": Access denied (error 5)");
    reg_assert_dump(po_buf_text(&before));
    /* (Wine lets everybody delete a key: so it is the value that fails here too.) */
    assert_not_written("[" REG_PLAIN "\\a\\b]\n[" REG_PLAIN "\\sub]\n@=\"other\"\n", true, PO_E_IO,
                       REG_SHOWN "\\sub: value \"\": Access denied (error 5)");
    reg_assert_dump(po_buf_text(&before));
    po_buf_deinit(&before);
}
END_TEST

/*
 * Of the letters that Windows takes for one, we know those of the scripts in use (reg_names.c). With
 * others an import may fail, but it loses nothing.
 */
START_TEST(letters_that_are_one_to_windows_alone_lose_nothing)
{
    struct po_reg *reg = reg_parse("[" REG_PLAIN "]\n\"\xC7\x86\"=\"2\"\n");
    struct po_err err = { 0 };

    reg_set_text(L"", L"\x01C4", L"1");
    ck_assert_int_eq(po_win32_registry_write(reg, REG_NAME, false, &err), PO_E_IO);
    ck_assert_str_eq(err.text, REG_SHOWN ": value \"\xC7\x84\": different when read back");
    reg_assert_dump("\n: \xC7\x84 1 31000000\n");
    po_reg_free(reg);
}
END_TEST

/* ---- each call failing ---- */

static const char imported[] =
    "[" REG_PLAIN "]\n\"Spool\"=\"D:\\\\new\"\n\"Gone\"=-\n\"New\"=hex:01\n"
    "[" REG_PLAIN "\\new\\newer]\n\"x\"=\"1\"\n"
    "[-" REG_PLAIN "\\sub]\n"
    "[" REG_PLAIN "\\empty]\n@=\"not any more\"\n";

/* What a failing import leaves: the former, or all of the new, or a message that says so. */
static void
fail_each(bool existed, bool is_exact, bool fails_on, LSTATUS code)
{
    struct po_reg *reg = reg_parse(imported);
    struct po_buf former = { 0 };
    struct po_buf wanted = { 0 };
    struct po_err err = { 0 };
    int failures = 0;
    int stuck = 0;
    int total;

    set_up();
    if (existed)
        put_former();
    reg_dump(&former, HKEY_LOCAL_MACHINE, REG_ABOVE, KEY_WOW64_32KEY);
    ck_assert_int_eq(po_win32_registry_write_with(&fake_api, reg, REG_NAME, is_exact, &err), PO_OK);
    reg_dump(&wanted, HKEY_LOCAL_MACHINE, REG_ABOVE, KEY_WOW64_32KEY);
    total = fake.calls;
    ck_assert_str_ne(po_buf_text(&former), po_buf_text(&wanted));
    for (int i = 1; i <= total; i++) {
        struct po_buf left = { 0 };
        enum po_status st;

        set_up();
        if (existed)
            put_former();
        memset(&err, 0, sizeof(err));
        fake.fail_at = i;
        fake.fails_on = fails_on;
        fake.code = code;
        st = po_win32_registry_write_with(&fake_api, reg, REG_NAME, is_exact, &err);
        reg_dump(&left, HKEY_LOCAL_MACHINE, REG_ABOVE, KEY_WOW64_32KEY);
        if (st == PO_OK) {
            ck_assert_str_eq(po_buf_text(&left), po_buf_text(&wanted));
        } else if (strstr(err.text, "; and the former content could not be put back: ") != NULL) {
            ck_assert_msg(fails_on, "call %d of %d: %s", i, total, err.text);
            stuck++;
        } else {
            ck_assert_msg(strcmp(po_buf_text(&left), po_buf_text(&former)) == 0,
                          "call %d of %d: %s:\n%s", i, total, err.text, po_buf_text(&left));
        }
        failures += st != PO_OK;
        po_buf_deinit(&left);
    }
    printf("%s, %s, %s %ld: %d calls, %d failures, %d not put back\n",
           existed ? "into a key" : "into none", is_exact ? "exact" : "merged",
           fails_on ? "failing on" : "failing once", (long)code, total, failures, stuck);
    ck_assert_int_gt(failures, total / 2);
    ck_assert((stuck > 0) == fails_on);
    po_reg_free(reg);
    po_buf_deinit(&former);
    po_buf_deinit(&wanted);
}

START_TEST(whatever_call_fails_the_former_content_is_put_back)
{
    static const LSTATUS codes[] = { ERROR_GEN_FAILURE, ERROR_ACCESS_DENIED,
                                     ERROR_NOT_ENOUGH_MEMORY };

    for (size_t i = 0; i < COUNT(codes); i++) {
        fail_each(true, false, false, codes[i]);
        fail_each(true, true, false, codes[i]);
        fail_each(false, false, false, codes[i]);
        fail_each(false, true, false, codes[i]);
    }
}
END_TEST

START_TEST(that_it_could_not_be_put_back_is_told)
{
    fail_each(true, false, true, ERROR_GEN_FAILURE);
    fail_each(true, true, true, ERROR_GEN_FAILURE);
    fail_each(false, false, true, ERROR_GEN_FAILURE);
}
END_TEST

/* ---- regedit ---- */

static void
print_to(const wchar_t *path, const struct po_reg *reg)
{
    struct po_buf bytes = { 0 };
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_print(reg, &bytes, &err), PO_OK);
    reg_write_file(path, &bytes);
    po_buf_deinit(&bytes);
}

static void
run_regedit(const wchar_t *format, const wchar_t *path)
{
    wchar_t command[1024];

    (void)swprintf(command, COUNT(command), format, path);
    reg_run(command);
}

/* The rest of the line that begins with `start`, wherever that is, becomes another ("" = goes). */
static void
change_lines(struct po_buf *text, const char *start, const char *rest)
{
    struct po_buf out = { 0 };

    for (const char *at = po_buf_text(text); *at != '\0';) {
        const char *end = strchr(at, '\n') + 1;
        const char *found = strstr(at, start);

        if (found == NULL || found >= end)
            po_buf_put(&out, at, (size_t)(end - at));
        else if (rest[0] != '\0')
            po_buf_printf(&out, "%.*s%s%s\n", (int)(found - at), at, start, rest);
        at = end;
    }
    po_buf_deinit(text);
    *text = out;
}

/* req: B3: what we print is imported by regedit, and gives the same. */
START_TEST(regedit_imports_what_is_printed)
{
    struct po_buf expected = { 0 };
    struct po_reg *reg;
    wchar_t path[MAX_PATH];

    set_kinds(L"");
    set_kinds(L"a\\\x30E1\x30FC\x30EB");
    reg_set_text(L"b]c", L"", L"default");
    reg_set_text(L"b]c", L"\x30DD\x30B9\x30C8 \"q\" \\", L"C:\\Post.Office\\\x30E1");
    reg_make(L"none");
    reg = read_with(&po_win32_regapi, NULL);
    reg_dump_site(&expected);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), ": %ls ", kinds[i].name);
        if (kinds[i].imported != NULL)
            change_lines(&expected, name, kinds[i].imported);
    }
    reg_temp(path, L"pobackup-import.reg");
    print_to(path, reg);
    po_reg_free(reg);
    reg_clear();
    run_regedit(L"regedit /S %ls", path);
    reg_assert_dump(po_buf_text(&expected));
    ck_assert(DeleteFileW(path));
    po_buf_deinit(&expected);
}
END_TEST

/* req: B3: the same file as regedit's, but for what that does not keep. */
START_TEST(regedit_exports_what_we_print)
{
    struct po_buf expected = { 0 };
    struct po_buf file = { 0 };
    struct po_buf theirs = { 0 };
    struct po_reg *reg;
    wchar_t path[MAX_PATH];

    set_kinds(L"kinds");
    reg_set_text(L"", L"", L"default");
    reg_set_text(L"\x30E1\x30FC\x30EB", L"\x30DD\x30B9\x30C8 \"q\" \\", L"C:\\Post.Office\\\x30E1");
    reg_set(L"long", L"x", REG_BINARY, kinds, 300);
    reg_set(L"long", L"a name that is as long as a line is before it is broken, or longer, as this",
            REG_EXPAND_SZ, kinds, 302);
    reg = read_with(&po_win32_regapi, NULL);
    reg_put_lines(&expected, reg);
    po_reg_free(reg);
    reg_temp(path, L"pobackup-export.reg");
    run_regedit(L"regedit /E %ls "
                L"HKEY_LOCAL_MACHINE\\Software\\Wow6432Node\\pobackup-test\\post.office",
                path);
    reg_read_file(path, &file);
    ck_assert(DeleteFileW(path));
    ck_assert_uint_gt(file.size, 2);
    ck_assert_mem_eq(file.bytes, "\xFF\xFE", 2);
    reg_put_text_lines(&theirs, &file);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "\"%ls\"=", kinds[i].name);
        if (kinds[i].exported != NULL)
            change_lines(&expected, name, kinds[i].exported);
        if (kinds[i].exported != NULL && kinds[i].exported[0] == '\0')
            change_lines(&theirs, name, "");
    }
    ck_assert_str_eq(po_buf_text(&theirs), po_buf_text(&expected));
    po_buf_deinit(&expected);
    po_buf_deinit(&theirs);
    po_buf_deinit(&file);
}
END_TEST

static Suite *
registry_suite(void)
{
    Suite *suite = suite_create("win32_registry");
    TCase *reading = tcase_create("reading");
    TCase *writing = tcase_create("writing");
    TCase *regedit = tcase_create("regedit");

    tcase_add_checked_fixture(reading, set_up, reg_clear);
    tcase_add_test(reading, every_kind_of_value_is_read_as_it_is);
    tcase_add_test(reading, the_32_bit_view_is_read_on_64_bit_systems);
    tcase_add_test(reading, on_32_bit_systems_there_is_one_view);
    tcase_add_test(reading, the_key_may_be_named_as_regedit_shows_it);
    tcase_add_test(reading, a_key_that_is_not_there_is_told);
    tcase_add_test(reading, default_values_and_keys_without_values_are_read);
    tcase_add_test(reading, names_may_have_any_character);
    tcase_add_test(reading, names_may_be_as_long_as_the_registry_has_them);
    tcase_add_test(reading, values_may_be_large);
    tcase_add_test(reading, keys_are_read_to_512_levels);
    tcase_add_test(reading, keys_that_may_not_be_read_are_told_and_passed_over);
    tcase_add_test(reading, a_top_key_that_may_not_be_read_is_a_failure);
    tcase_add_test(reading, links_are_told_and_not_followed);
    tcase_add_test(reading, a_top_key_that_is_a_link_is_a_failure);
    tcase_add_test(reading, volatile_keys_are_read_and_told);
    tcase_add_test(reading, a_failing_callback_ends_the_reading);
    tcase_add_test(reading, a_key_that_changes_while_it_is_read_is_read_again);
    tcase_add_test(reading, a_key_that_never_is_still_is_told);
    tcase_add_test(reading, no_failure_while_reading_is_silent);
    suite_add_tcase(suite, reading);
    tcase_add_checked_fixture(writing, set_up, reg_clear);
    tcase_add_test(writing, importing_merges);
    tcase_add_test(writing, an_exact_import_leaves_nothing_else);
    tcase_add_test(writing, a_key_that_is_not_there_is_made);
    tcase_add_test(writing, every_kind_of_value_is_written_as_it_is);
    tcase_add_test(writing, a_document_of_either_view_goes_where_this_system_has_the_key);
    tcase_add_test(writing, a_document_that_reaches_outside_is_refused);
    tcase_add_test(writing, a_key_that_is_not_of_one_program_is_refused);
    tcase_add_test(writing, keys_are_written_to_512_levels);
    tcase_add_test(writing, large_values_are_written);
    tcase_add_test(writing, what_lies_below_a_volatile_key_is_volatile);
    tcase_add_test(writing, what_cannot_be_read_is_not_written_to);
    tcase_add_test(writing, what_could_not_be_read_for_a_moment_survives);
    tcase_add_test(writing, what_is_read_back_different_is_a_failure);
    tcase_add_test(writing, a_key_that_may_not_be_written_puts_all_back);
    tcase_add_test(writing, letters_that_are_one_to_windows_alone_lose_nothing);
    tcase_add_test(writing, whatever_call_fails_the_former_content_is_put_back);
    tcase_add_test(writing, that_it_could_not_be_put_back_is_told);
    suite_add_tcase(suite, writing);
    tcase_add_checked_fixture(regedit, set_up, reg_clear);
    tcase_add_test(regedit, regedit_imports_what_is_printed);
    tcase_add_test(regedit, regedit_exports_what_we_print);
    suite_add_tcase(suite, regedit);
    return suite;
}

/* No fork here: one program for all, and no time limit but that of ctest. */
int
main(void)
{
    SRunner *runner = srunner_create(registry_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
