/* req: B3: the .reg document. */
#include "base/mem.h"
#include "base/utf16.h"
#include "os_help.h"
#include "registry/reg.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V5 "Windows Registry Editor Version 5.00\r\n\r\n"
#define V4 "REGEDIT4\r\n\r\n"
#define KEY "[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\r\n"

/* ---- helpers ---- */

static struct po_reg *
parse_as(const void *bytes, size_t size, enum po_reg_code_page code_page)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    if (po_reg_parse(&reg, bytes, size, code_page, &err) != PO_OK)
        ck_abort_msg("refused: %s", err.text);
    return reg;
}

static struct po_reg *
parse(const char *text)
{
    return parse_as(text, strlen(text), PO_REG_CODE_PAGE_AUTO);
}

/* The only value of the only key of a document that has this line. */
static struct po_reg *
parse_line(const char *header, const char *line, const struct po_reg_value **value)
{
    struct po_buf text = { 0 };
    struct po_reg *reg;

    po_buf_printf(&text, "%s" KEY "%s\r\n", header, line);
    reg = parse(po_buf_text(&text));
    po_buf_deinit(&text);
    ck_assert_uint_eq(reg->key_count, 1);
    ck_assert_uint_eq(reg->keys[0].value_count, 1);
    *value = &reg->keys[0].values[0];
    return reg;
}

static void
assert_refused(const void *bytes, size_t size, enum po_reg_code_page code_page,
               enum po_status status, const char *text)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_parse(&reg, bytes, size, code_page, &err), status);
    ck_assert_ptr_null(reg);
    ck_assert_msg(strstr(err.text, text) == err.text, "\"%s\" does not begin with \"%s\"", err.text,
                  text);
}

static bool
is_same_value(const struct po_reg_value *a, const struct po_reg_value *b)
{
    return a->name_size == b->name_size && memcmp(a->name, b->name, a->name_size) == 0 &&
           a->is_delete == b->is_delete && a->type == b->type && a->data_size == b->data_size &&
           (a->data_size == 0 || memcmp(a->data, b->data, a->data_size) == 0);
}

/* Line for line, not as po_reg_compare, which knows what lines mean. */
static bool
is_same(const struct po_reg *a, const struct po_reg *b)
{
    if (a->key_count != b->key_count || a->value_count != b->value_count)
        return false;
    for (size_t i = 0; i < a->key_count; i++) {
        const struct po_reg_key *left = &a->keys[i];
        const struct po_reg_key *right = &b->keys[i];

        if (left->path_size != right->path_size || left->is_delete != right->is_delete ||
            memcmp(left->path, right->path, left->path_size) != 0 ||
            left->value_count != right->value_count)
            return false;
        for (size_t j = 0; j < left->value_count; j++) {
            if (!is_same_value(&left->values[j], &right->values[j]))
                return false;
        }
    }
    return true;
}

static void
print(const struct po_reg *reg, struct po_buf *out)
{
    struct po_err err = { 0 };

    if (po_reg_print(reg, out, &err) != PO_OK)
        ck_abort_msg("not printed: %s", err.text);
}

static void
assert_prints_and_parses_again(const struct po_reg *reg)
{
    struct po_buf printed = { 0 };
    struct po_reg *again;

    print(reg, &printed);
    again = parse_as(printed.bytes, printed.size, PO_REG_CODE_PAGE_AUTO);
    ck_assert(is_same(reg, again));
    po_reg_free(again);
    po_buf_deinit(&printed);
}

/* The printed form, as UTF-8 and without its byte order mark. */
static void
assert_prints(const struct po_reg *reg, const char *expected)
{
    struct po_buf printed = { 0 };
    struct po_buf text = { 0 };

    print(reg, &printed);
    ck_assert_uint_ge(printed.size, 2);
    ck_assert_mem_eq(printed.bytes, "\xFF\xFE", 2);
    po_wtf8_put_utf16(&text, printed.bytes + 2, printed.size - 2, false);
    ck_assert_str_eq(po_buf_text(&text), expected);
    po_buf_deinit(&text);
    po_buf_deinit(&printed);
}

static void
put_utf16be(struct po_buf *out, const char *text)
{
    size_t start = out->size;

    po_utf16_put(out, text, strlen(text));
    for (size_t i = start; i + 1 < out->size; i += 2) {
        uint8_t low = out->bytes[i];

        out->bytes[i] = out->bytes[i + 1];
        out->bytes[i + 1] = low;
    }
}

/* A document of every form there is. */
static const char everything[] =
    V5 "; a comment\r\n"
       "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\Old]\r\n\r\n"
       "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n"
       "@=\"default\"\r\n"
       "\"Quote \\\" and \\\\\"=\"C:\\\\Post.Office\\\\spool \\\"x\\\"\"\r\n"
       "\"Empty\"=\"\"\r\n"
       "\"Number\"=dword:0000001f\r\n"
       "\"Short\"=hex(4):01,02\r\n"
       "\"Bytes\"=hex:00,FF,7\r\n"
       "\"None\"=hex(0):\r\n"
       "\"Expand\"=hex(2):25,00,00,00\r\n"
       "\"Multi\"=hex(7):61,00,00,00,62,00,\\\r\n"
       "  00,00,00,00\r\n"
       "\"Qword\"=hex(b):01,00,00,00,00,00,00,00\r\n"
       "\"Strange\"=hex(80001234):01\r\n"
       "\"Gone\"=-\r\n"
       "\"\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB\"=\"\xF0\x9F\x93\xA7\"\r\n"
       "\"Lines\"=\"one\r\ntwo\"\r\n\r\n"
       "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office\\a]b]\r\n\r\n";

/* ---- encodings ---- */

START_TEST(a_document_is_the_same_in_every_encoding)
{
    struct po_reg *reg = parse(everything);
    const char *marks[] = { "", "\xFF\xFE", "\xFE\xFF", "\xEF\xBB\xBF", "big", "little" };

    for (size_t i = 0; i < COUNT(marks); i++) {
        struct po_buf text = { 0 };
        struct po_reg *other;

        if (i < 4)
            po_buf_put_text(&text, marks[i]);
        if (i == 1 || i == 5)
            po_utf16_put(&text, everything, strlen(everything));
        else if (i == 2 || i == 4)
            put_utf16be(&text, everything);
        else
            po_buf_put_text(&text, everything);
        other = parse_as(text.bytes, text.size, PO_REG_CODE_PAGE_AUTO);
        ck_assert_msg(is_same(reg, other), "encoding %zu", i);
        po_reg_free(other);
        po_buf_deinit(&text);
    }
    ck_assert_uint_eq(reg->key_count, 3);
    ck_assert_uint_eq(reg->value_count, 14);
    po_reg_free(reg);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_latin1)
{
    const char *text = V5 KEY "\"\xE9\"=\"\xFF\"\r\n";
    struct po_reg *reg = parse(text);

    ck_assert_str_eq(reg->keys[0].values[0].name, "\xC3\xA9");
    ck_assert_mem_eq(reg->keys[0].values[0].data, "\xFF\0\0\0", 4);
    po_reg_free(reg);
    assert_refused(text, strlen(text), PO_REG_CODE_PAGE_UTF8, PO_E_FORMAT, "line 4: not UTF-8");
}
END_TEST

START_TEST(the_code_page_can_be_given)
{
    const char *text = V5 KEY "\"\xC3\xA9\"=-\r\n";
    struct po_reg *reg = parse_as(text, strlen(text), PO_REG_CODE_PAGE_LATIN1);

    ck_assert_str_eq(reg->keys[0].values[0].name, "\xC3\x83\xC2\xA9");
    po_reg_free(reg);
    reg = parse_as(text, strlen(text), PO_REG_CODE_PAGE_UTF8);
    ck_assert_str_eq(reg->keys[0].values[0].name, "\xC3\xA9");
    po_reg_free(reg);
}
END_TEST

START_TEST(a_surrogate_without_partner_survives)
{
    struct po_buf text = { 0 };
    struct po_reg *reg;

    po_buf_put_u16le(&text, 0xFEFF);
    po_utf16_put(&text, V5 KEY "\"", strlen(V5 KEY "\""));
    po_buf_put_u16le(&text, 0xD83D);
    po_utf16_put(&text, "\"=\"", 3);
    po_buf_put_u16le(&text, 0xDCE7);
    po_buf_put_u16le(&text, 0xD83D);
    po_utf16_put(&text, "\"\r\n\r\n", 5);
    reg = parse_as(text.bytes, text.size, PO_REG_CODE_PAGE_AUTO);
    ck_assert_str_eq(reg->keys[0].values[0].name, "\xED\xA0\xBD");
    ck_assert_uint_eq(reg->keys[0].values[0].data_size, 6);
    ck_assert_mem_eq(reg->keys[0].values[0].data, "\xE7\xDC\x3D\xD8\0\0", 6);
    assert_prints_and_parses_again(reg);
    po_reg_free(reg);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(line_ends_may_be_newlines_alone)
{
    struct po_buf text = { 0 };
    struct po_reg *reg = parse(V5 KEY "\"a\"=hex:01,\\\r\n  02\r\n\r\n");
    struct po_reg *other;

    po_buf_put_text(&text, "Windows Registry Editor Version 5.00\n[HKEY_LOCAL_MACHINE\\SOFTWARE"
                           "\\A]\n\"a\"=hex:01,\\\n\n;x\n02");
    other = parse(po_buf_text(&text));
    ck_assert(is_same(reg, other));
    po_reg_free(other);
    po_reg_free(reg);
    po_buf_deinit(&text);
}
END_TEST

/* ---- values ---- */

START_TEST(each_form_of_value_gives_its_bytes)
{
    static const struct {
        const char *header;
        const char *line;
        const char *name;
        uint32_t type;
        size_t size;
        const char *data;
    } cases[] = {
        { V5, "@=\"ab\"", "", PO_REG_SZ, 6, "a\0b\0\0\0" },
        { V5, "\"\"=\"ab\"", "", PO_REG_SZ, 6, "a\0b\0\0\0" },
        { V4, "\"x\"=\"\"", "x", PO_REG_SZ, 2, "\0\0" },
        { V5, "\"a\\\\b\\\"\"=\"\\\\\\\"\\n\\r\"", "a\\b\"", PO_REG_SZ, 10,
          "\\\0\"\0\n\0\r\0\0\0" },
        { V5, "\"x\"=\"a\r\nb\"", "x", PO_REG_SZ, 10, "a\0\r\0\n\0b\0\0\0" },
        { V5, "\"x\"=\"a;b\" ;c", "x", PO_REG_SZ, 8, "a\0;\0b\0\0\0" },
        { V5, "  \"x\" \t= \t\"a\"  ", "x", PO_REG_SZ, 4, "a\0\0\0" },
        { V5, "\"x\"=dword:12345678", "x", PO_REG_DWORD, 4, "\x78\x56\x34\x12" },
        { V5, "\"x\"=dword: fF ;c", "x", PO_REG_DWORD, 4, "\xFF\0\0\0" },
        { V5, "\"x\"=hex:", "x", PO_REG_BINARY, 0, "" },
        { V5, "\"x\"=hex:0,1,fF", "x", PO_REG_BINARY, 3, "\0\1\xFF" },
        { V5, "\"x\"=hex(3): 01 , 02", "x", PO_REG_BINARY, 2, "\1\2" },
        { V5, "\"x\"=hex:01\\\r\n,02,\\ ; c\r\n\r\n ;c\r\n03;c", "x", PO_REG_BINARY, 3, "\1\2\3" },
        { V5, "\"x\"=hex(7):\\\r\n  00,00", "x", PO_REG_MULTI_SZ, 2, "\0\0" },
        { V5, "\"x\"=hex(2):61,00", "x", PO_REG_EXPAND_SZ, 2, "a\0" },
        { V5, "\"x\"=hex(1):61", "x", PO_REG_SZ, 1, "a" },
        { V5, "\"x\"=hex(ffffffff):61", "x", 0xFFFFFFFF, 1, "a" },
        { V4, "\"x\"=hex(2):61,00", "x", PO_REG_EXPAND_SZ, 4, "a\0\0\0" },
        { V4, "\"x\"=hex(7):c3,a9,00,00", "x", PO_REG_MULTI_SZ, 6, "\xE9\0\0\0\0\0" },
        { V4, "\"x\"=hex(7):e9,00,00", "x", PO_REG_MULTI_SZ, 6, "\xE9\0\0\0\0\0" },
        { V4, "\"x\"=hex(0):61", "x", PO_REG_NONE, 1, "a" },
        { V4, "\"x\"=hex:61,00", "x", PO_REG_BINARY, 2, "a\0" },
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct po_reg_value *value = NULL;
        struct po_reg *reg = parse_line(cases[i].header, cases[i].line, &value);

        ck_assert_str_eq(value->name, cases[i].name);
        ck_assert_uint_eq(value->type, cases[i].type);
        ck_assert_msg(value->data_size == cases[i].size, "%s: %zu bytes", cases[i].line,
                      value->data_size);
        ck_assert(!value->is_delete);
        ck_assert_mem_eq(value->data, cases[i].data, cases[i].size);
        assert_prints_and_parses_again(reg);
        po_reg_free(reg);
    }
}
END_TEST

START_TEST(deletions_are_marks)
{
    struct po_reg *reg = parse(V5 "[-HKLM\\A]\r\n\r\n" KEY "\"x\"=-\r\n@= - ;c\r\n\"y\"=\"1\"\r\n");

    ck_assert_uint_eq(reg->key_count, 2);
    ck_assert(reg->keys[0].is_delete);
    ck_assert_str_eq(reg->keys[0].path, "HKLM\\A");
    ck_assert(reg->keys[1].values[0].is_delete);
    ck_assert_str_eq(reg->keys[1].values[0].name, "x");
    ck_assert(reg->keys[1].values[1].is_delete);
    ck_assert_str_eq(reg->keys[1].values[1].name, "");
    ck_assert(!reg->keys[1].values[2].is_delete);
    assert_prints_and_parses_again(reg);
    po_reg_free(reg);
}
END_TEST

START_TEST(a_key_may_hold_brackets_and_end_in_backslashes)
{
    struct po_reg *reg = parse(V5 "[HKCU\\a[b]c\"\\\\]\r\n\t[hkey_users\\-x ] ;c\r\n");

    ck_assert_str_eq(reg->keys[0].path, "HKCU\\a[b]c\"");
    ck_assert_str_eq(reg->keys[1].path, "hkey_users\\-x ");
    po_reg_free(reg);
}
END_TEST

START_TEST(a_document_without_keys_is_one)
{
    struct po_reg *reg = parse("REGEDIT4");

    ck_assert_uint_eq(reg->key_count, 0);
    assert_prints(reg, V5);
    po_reg_free(reg);
    reg = parse(" \tWindows Registry Editor Version 5.00 \n\n;x\n#x\n");
    ck_assert_uint_eq(reg->key_count, 0);
    po_reg_free(reg);
}
END_TEST

/* ---- refusals ---- */

START_TEST(what_is_malformed_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        const char *begins;
    } cases[] = {
        { V5 "\"x\"=\"1\"\r\n", "line 3: a value before any key" },
        { V5 "x\r\n", "line 3: neither" },
        { V5 "HKLM\\A]\r\n", "line 3: neither" },
        { V5 "\r\n[HKLM\\A\r\n", "line 4: a key" },
        { V5 "[", "line 3: a key without" },
        { V5 "[]", "line 3: a key without" },
        { V5 "[-]", "line 3: a key without" },
        { V5 "[ HKLM\\A]", "line 3: a key that begins" },
        { V5 "[- HKLM\\A]", "line 3: a key that begins" },
        { V5 "[HK\rLM\\A]", "line 3: a key that" },
        { V5 "[HKEY_LOCAL_MACHINES\\A]", "line 3: unknown root" },
        { V5 "[\\]", "line 3: unknown root" },
        { V5 "[\\\\server\\HKLM\\A]", "line 3: unknown root" },
        { V5 "[HKLM\\\\A]", "line 3: a key with an empty name" },
        { V5 "[HKLM\\A] x", "line 3: text behind" },
        { V5 "[-HKLM\\A]\r\n\"x\"=\"1\"\r\n", "line 4: a value of a key that is deleted" },
        { V5 KEY "\"x\"", "line 4: a value's name without" },
        { V5 KEY "\"x\" \"1\"", "line 4: a value's name without" },
        { V5 KEY "\"x=1\r\n\r\n", "line 4: a quote without" },
        { V5 KEY "\"x\"=\"1\r\n\r\n", "line 4: a quote without" },
        { V5 KEY "\"x\"=\"\\", "line 4: a \\ in quotes" },
        { V5 KEY "\"x\"=\"a\\0\"", "line 4: a \\ in quotes" },
        { V5 KEY "\"x\"=\"C:\\Post.Office\"", "line 4: a \\ in quotes" },
        { V5 KEY "\"x\"=\"a\"b\"", "line 4: text behind" },
        { V5 KEY "\"x\"=\"a\" #c", "line 4: text behind" },
        { V5 KEY "\"x\"=", "line 4: a value that is no" },
        { V5 KEY "\"x\"=a", "line 4: a value that is no" },
        { V5 KEY "\"x\"=DWORD:1", "line 4: a value that is no" },
        { V5 KEY "\"x\"=-\"a\"", "line 4: text behind" },
        { V5 KEY "\"x\"=dword:", "line 4: a dword" },
        { V5 KEY "\"x\"=dword:0x1", "line 4: text behind" },
        { V5 KEY "\"x\"=dword:000000001", "line 4: a dword" },
        { V5 KEY "\"x\"=dword:1234 5678", "line 4: text behind" },
        { V5 KEY "\"x\"=hex", "line 4: \"hex\" without" },
        { V5 KEY "\"x\"=hex(", "line 4: a type" },
        { V5 KEY "\"x\"=hex():", "line 4: a type" },
        { V5 KEY "\"x\"=hex(0x2):", "line 4: a type" },
        { V5 KEY "\"x\"=hex(100000000):", "line 4: a type" },
        { V5 KEY "\"x\"=hex:100", "line 4: hex data" },
        { V5 KEY "\"x\"=hex:1,,2", "line 4: hex data" },
        { V5 KEY "\"x\"=hex:1,", "line 4: hex data" },
        { V5 KEY "\"x\"=hex:1,\r\n2", "line 4: hex data" },
        { V5 KEY "\"x\"=hex:1 2", "line 4: text behind" },
        { V5 KEY "\"x\"=hex:1,\\ 2", "line 4: text behind the \\" },
        { V5 KEY "\"x\"=hex:1,\\", "line 4: the file ends inside" },
        { V5 KEY "\"x\"=hex:1,\\\r\n\r\n", "line 6: the file ends inside" },
        { V5 KEY "\"x\"=hex:1,\\\r\n\"y\"=\"\"\r\n", "line 5: hex data" },
        { V5 KEY "\"x\"=hex:1,\\\r\n#\r\n2\r\n", "line 5: hex data" },
        { V5 KEY "\"x\"=hex:1,\\\r\n2,3\r\n4\r\n", "line 6: neither" },
        { V5 KEY "@\"x\"=\"\"", "line 4: a value's name without" },
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].text, strlen(cases[i].text), PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT,
                       cases[i].begins);
}
END_TEST

START_TEST(what_is_no_document_is_unsupported)
{
    static const char *const cases[] = { "",
                                         "R",
                                         "REGEDIT",
                                         "regedit4",
                                         "REGEDIT44",
                                         "REGEDIT4 x",
                                         "\r\nREGEDIT4",
                                         "Windows Registry Editor Version 4.00\r\n",
                                         "WINE REGISTRY Version 2\r\n",
                                         "\xEF\xBB\xBF",
                                         "\xFF\xFE" };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i], strlen(cases[i]), PO_REG_CODE_PAGE_AUTO, PO_E_UNSUPPORTED,
                       "line 1: ");
}
END_TEST

START_TEST(bytes_that_cannot_be_read_are_refused_with_their_line)
{
    static const char nul[] = V5 KEY "\"a\0b\"=-";
    static const char mark[] = "\xEF\xBB\xBF" V5 "\xFF";
    static const char half[] = "R\0E\0G\0E\0D\0I\0T\0004\0\n\0;";

    assert_refused(nul, sizeof(nul) - 1, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT, "line 4: a NUL");
    assert_refused(mark, sizeof(mark) - 1, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT, "line 3: not UTF-8");
    assert_refused(half, sizeof(half) - 1, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT,
                   "line 2: the file ends in half");
    assert_refused(NULL, (size_t)PO_REG_SIZE_MAX + 1, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT,
                   "line 1: a document of 268435457 bytes");
}
END_TEST

START_TEST(keys_are_512_levels_deep_at_most)
{
    for (int depth = PO_REG_DEPTH_MAX; depth <= PO_REG_DEPTH_MAX + 1; depth++) {
        struct po_buf text = { 0 };

        po_buf_put_text(&text, V5 "[HKLM");
        for (int i = 1; i < depth; i++)
            po_buf_put_text(&text, "\\k");
        po_buf_put_text(&text, "]");
        if (depth <= PO_REG_DEPTH_MAX)
            po_reg_free(parse(po_buf_text(&text)));
        else
            assert_refused(text.bytes, text.size, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT,
                           "line 3: a key 513 levels deep; 512 are allowed");
        po_buf_deinit(&text);
    }
}
END_TEST

START_TEST(values_have_64_mib_at_most)
{
    /* In UTF-16 with its NUL. */
    const size_t longest = PO_REG_VALUE_MAX / 2 - 1;

    for (size_t length = longest; length <= longest + 1; length++) {
        struct po_buf text = { 0 };
        struct po_reg *reg;

        po_buf_put_text(&text, V5 KEY "\"x\"=\"");
        po_buf_put_zeros(&text, length);
        memset(text.bytes + text.size - length, 'a', length);
        po_buf_put_text(&text, "\"");
        ck_assert(!text.failed);
        if (length == longest) {
            reg = parse_as(text.bytes, text.size, PO_REG_CODE_PAGE_AUTO);
            ck_assert_uint_eq(reg->keys[0].values[0].data_size, PO_REG_VALUE_MAX);
            po_reg_free(reg);
        } else {
            assert_refused(text.bytes, text.size, PO_REG_CODE_PAGE_AUTO, PO_E_FORMAT,
                           "line 4: a value of 67108866 bytes; 67108864 are allowed");
        }
        po_buf_deinit(&text);
    }
}
END_TEST

/* ---- the model ---- */

START_TEST(the_model_refuses_what_the_registry_cannot_hold)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_value(reg, "x", 1, PO_REG_SZ, "", 0, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "", 0, false, NULL, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "a\\", 2, false, NULL, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "\\a", 2, false, NULL, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "a\0b", 3, false, NULL, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "HKLM", 4, true, NULL, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_delete(reg, "x", 1, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_key(reg, "HKLM\\a", 6, false, NULL, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_delete(reg, "x\0", 2, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_reg_add_value(reg, "x", 1, 3, "", PO_REG_VALUE_MAX + 1, &err), PO_E_FORMAT);
    ck_assert_uint_eq(reg->value_count, 0);
    po_reg_free(reg);
    po_reg_free(NULL);
}
END_TEST

START_TEST(a_value_can_be_given_other_data)
{
    struct po_reg *reg = NULL;
    struct po_reg_key *key = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_key(reg, "HKLM\\a", 6, false, &key, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_delete(reg, "x", 1, &err), PO_OK);
    ck_assert_int_eq(po_reg_value_set(&key->values[0], PO_REG_SZ, "b\0\0\0", 4, &err), PO_OK);
    assert_prints(reg, V5 "[HKLM\\a]\r\n\"x\"=\"b\"\r\n\r\n");
    ck_assert_int_eq(
        po_reg_value_set(&key->values[0], PO_REG_BINARY, "", PO_REG_VALUE_MAX + 1, &err),
        PO_E_FORMAT);
    ck_assert_uint_eq(key->values[0].data_size, 4);
    po_reg_free(reg);
}
END_TEST

/* ---- printing ---- */

START_TEST(everything_prints_as_regedit_writes_it)
{
    struct po_reg *reg = parse(everything);

    assert_prints(reg, V5
                  "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\Old]\r\n\r\n"
                  "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n"
                  "@=\"default\"\r\n"
                  "\"Quote \\\" and \\\\\"=\"C:\\\\Post.Office\\\\spool \\\"x\\\"\"\r\n"
                  "\"Empty\"=\"\"\r\n"
                  "\"Number\"=dword:0000001f\r\n"
                  "\"Short\"=hex(4):01,02\r\n"
                  "\"Bytes\"=hex:00,ff,07\r\n"
                  "\"None\"=hex(0):\r\n"
                  "\"Expand\"=hex(2):25,00,00,00\r\n"
                  "\"Multi\"=hex(7):61,00,00,00,62,00,00,00,00,00\r\n"
                  "\"Qword\"=hex(b):01,00,00,00,00,00,00,00\r\n"
                  "\"Strange\"=hex(80001234):01\r\n"
                  "\"Gone\"=-\r\n"
                  "\"\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB\"=\"\xF0\x9F\x93\xA7\"\r\n"
                  "\"Lines\"=hex(1):6f,00,6e,00,65,00,0d,00,0a,00,74,00,77,00,6f,00,00,00\r\n\r\n"
                  "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office\\a]b]\r\n\r\n");
    assert_prints_and_parses_again(reg);
    po_reg_free(reg);
}
END_TEST

/* The line breaks are those of exports by regedit of Windows XP and 10. */
START_TEST(long_data_break_where_regedit_breaks_them)
{
    static const char text[] = V5 KEY
        "@=hex(2):22,00,25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,00,74,\\\r\n"
        "  00,25,00,00,00\r\n"
        "\"ServiceDll\"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,\\\r\n"
        "  00,74,00,25,00,5c,00,53,00,79,00,73,00,74,00,65,00,6d,00,33,00,32,00,5c,00,\\\r\n"
        "  77,00,6b,00,73,00,73,00,76,00,63,00,2e,00,64,00,6c,00,6c,00,00,00\r\n\r\n";
    struct po_reg *reg = parse(text);

    assert_prints(reg, text);
    po_reg_free(reg);
}
END_TEST

START_TEST(a_long_name_breaks_after_the_first_byte)
{
    static const char text[] =
        V5 KEY "\"0123456789012345678901234567890123456789012345678901234567890123456789\"=hex:01,"
               "\\\r\n  02,03\r\n\r\n";
    struct po_reg *reg = parse(text);

    assert_prints(reg, text);
    po_reg_free(reg);
}
END_TEST

START_TEST(what_a_string_would_lose_is_printed_as_hex)
{
    static const struct {
        uint32_t type;
        size_t size;
        const char *data;
        const char *printed;
    } cases[] = {
        { PO_REG_SZ, 0, "", "hex(1):" },
        { PO_REG_SZ, 1, "a", "hex(1):61" },
        { PO_REG_SZ, 2, "a\0", "hex(1):61,00" },
        { PO_REG_SZ, 3, "a\0\0", "hex(1):61,00,00" },
        { PO_REG_SZ, 4, "\0\0\0\0", "hex(1):00,00,00,00" },
        { PO_REG_SZ, 6, "\0\0a\0\0\0", "hex(1):00,00,61,00,00,00" },
        { PO_REG_SZ, 4, "\n\0\0\0", "hex(1):0a,00,00,00" },
        { PO_REG_SZ, 2, "\0\0", "\"\"" },
        { PO_REG_DWORD, 0, "", "hex(4):" },
        { PO_REG_DWORD, 3, "\1\2\3", "hex(4):01,02,03" },
        { PO_REG_DWORD, 4, "\1\2\3\0", "dword:00030201" },
        { PO_REG_DWORD, 5, "\1\2\3\0\0", "hex(4):01,02,03,00,00" },
        { 5, 4, "\1\2\3\4", "hex(5):01,02,03,04" },
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct po_reg *reg = NULL;
        struct po_buf text = { 0 };
        struct po_err err = { 0 };

        ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
        ck_assert_int_eq(po_reg_add_key(reg, "HKCU", 4, false, NULL, &err), PO_OK);
        ck_assert_int_eq(
            po_reg_add_value(reg, "x", 1, cases[i].type, cases[i].data, cases[i].size, &err),
            PO_OK);
        po_buf_printf(&text, V5 "[HKCU]\r\n\"x\"=%s\r\n\r\n", cases[i].printed);
        assert_prints(reg, po_buf_text(&text));
        assert_prints_and_parses_again(reg);
        po_buf_deinit(&text);
        po_reg_free(reg);
    }
}
END_TEST

START_TEST(a_key_that_no_file_can_hold_is_not_printed)
{
    struct po_reg *reg = NULL;
    struct po_buf out = { 0 };
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_key(reg, "HKCU\\a\nb", 8, false, NULL, &err), PO_OK);
    ck_assert_int_eq(po_reg_print(reg, &out, &err), PO_E_UNSUPPORTED);
    po_buf_deinit(&out);
    po_reg_free(reg);
}
END_TEST

/* ---- comparing ---- */

static enum po_status
note_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    static const char signs[] = { '+', '-', '*' };
    const struct po_reg_value *value =
        difference->after != NULL ? difference->after : difference->before;
    struct po_buf *out = ctx;

    (void)err;
    po_buf_printf(out, "%c%s", signs[difference->change], difference->key->path);
    if (value != NULL)
        po_buf_printf(out, ":%s", value->name);
    po_buf_put_text(out, " ");
    return PO_OK;
}

static void
assert_differences(const char *before, const char *after, unsigned flags, const char *expected)
{
    struct po_buf text = { 0 };
    struct po_buf found = { 0 };
    struct po_err err = { 0 };
    struct po_reg *reg[2];

    po_buf_printf(&text, "REGEDIT4\n%s", before);
    reg[0] = parse(po_buf_text(&text));
    po_buf_clear(&text);
    po_buf_printf(&text, "REGEDIT4\n%s", after);
    reg[1] = parse(po_buf_text(&text));
    ck_assert_int_eq(po_reg_compare(reg[0], reg[1], flags, note_difference, &found, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&found), expected);
    po_reg_free(reg[0]);
    po_reg_free(reg[1]);
    po_buf_deinit(&text);
    po_buf_deinit(&found);
}

START_TEST(differences_are_told_by_key_and_value)
{
    static const struct {
        const char *before;
        const char *after;
        const char *expected;
    } cases[] = {
        { "", "", "" },
        { "[HKLM\\a]\n@=\"1\"\n\"x\"=dword:1", "[HKLM\\a]\n\"x\"=dword:1\n@=\"1\"", "" },
        { "", "[HKLM\\a]\n\"x\"=\"1\"", "+HKLM\\a +HKLM\\a:x " },
        { "[HKLM\\a]\n\"x\"=\"1\"", "", "-HKLM\\a -HKLM\\a:x " },
        { "[HKLM\\a]\n\"x\"=\"1\"", "[HKLM\\a]\n\"x\"=\"2\"", "*HKLM\\a:x " },
        { "[HKLM\\a]\n\"x\"=hex(2):00", "[HKLM\\a]\n\"x\"=hex(7):00", "*HKLM\\a:x " },
        { "[HKLM\\a]\n\"x\"=\"1\"", "[HKLM\\a]\n\"y\"=\"1\"", "-HKLM\\a:x +HKLM\\a:y " },
        /* Letters of either case, and the root by either name. */
        { "[HKLM\\Post.Office]\n\"Spool\"=\"1\"",
          "[hkey_local_machine\\POST.OFFICE]\n\"sPOOL\"=\"1\"", "" },
        { "[HKLM\\\xC3\xA9\xD0\xB6\xEF\xBD\x81]", "[HKLM\\\xC3\x89\xD0\x96\xEF\xBC\xA1]", "" },
        { "[HKLM\\\xC3\xB7]", "[HKLM\\\xC3\x97]", "+HKLM\\\xC3\x97 -HKLM\\\xC3\xB7 " },
        /* Subkeys before siblings, whatever the next letter is. */
        { "", "[HKLM\\a!]\n[HKLM\\a\\b]\n[HKLM\\a]", "+HKLM\\a +HKLM\\a\\b +HKLM\\a! " },
        /* The last line counts; deletions leave nothing. */
        { "[HKLM\\a]\n\"x\"=\"1\"\n\"x\"=\"2\"", "[HKLM\\a]\n\"x\"=\"2\"", "" },
        { "[HKLM\\a]\n\"x\"=\"1\"\n\"x\"=-", "[HKLM\\a]\n\"y\"=-", "" },
        { "[HKLM\\a]\n\"x\"=-\n\"x\"=\"1\"", "[HKLM\\a]\n\"x\"=\"1\"", "" },
        { "[HKLM\\a]\n\"x\"=\"1\"\n[HKLM\\a\\b]\n[-HKLM\\A]", "", "" },
        { "[HKLM\\a]\n\"x\"=\"1\"\n[-HKLM\\A]\n[HKLM\\a]\n\"y\"=\"1\"", "[HKLM\\a]\n\"y\"=\"1\"",
          "" },
        { "[HKLM\\ab]\n[HKLM\\a\\b]\n[HKLM\\a\\b\\c]\n[-HKLM\\a\\b]\n[-HKLM\\a]\n[HKLM\\a\\b\\d]",
          "[HKLM\\ab]\n[HKLM\\a\\b\\d]", "" },
        { "[-HKLM\\a]\n[HKLM\\a\\b]\n[-HKLM\\a\\b]\n[HKLM\\a\\c]", "[HKLM\\a\\c]", "" },
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_differences(cases[i].before, cases[i].after, 0, cases[i].expected);
}
END_TEST

START_TEST(the_32_bit_view_can_be_the_same_key)
{
    const char *x86 = "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\n\"x\"=\"1\"";
    const char *x64 = "[HKLM\\Software\\WOW6432node\\Software.com\\post.office]\n\"x\"=\"1\"";

    assert_differences(x86, x64, PO_REG_IGNORE_WOW64, "");
    assert_differences(x86, x64, 0,
                       "-HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office "
                       "-HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office:x "
                       "+HKLM\\Software\\WOW6432node\\Software.com\\post.office "
                       "+HKLM\\Software\\WOW6432node\\Software.com\\post.office:x ");
    assert_differences("[HKLM\\a\\Wow6432Node\\b]", "[HKLM\\a\\b]", PO_REG_IGNORE_WOW64,
                       "+HKLM\\a\\b -HKLM\\a\\Wow6432Node\\b ");
}
END_TEST

static enum po_status
stop_comparing(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    int *calls = ctx;

    (void)difference;
    ++*calls;
    return po_fail(err, PO_E_CANCELLED, "enough");
}

START_TEST(a_failing_callback_ends_the_comparing)
{
    struct po_reg *reg = parse(everything);
    struct po_reg *empty = parse("REGEDIT4");
    struct po_err err = { 0 };
    int calls = 0;

    ck_assert_int_eq(po_reg_compare(reg, empty, 0, stop_comparing, &calls, &err), PO_E_CANCELLED);
    ck_assert_int_eq(calls, 1);
    po_reg_free(empty);
    po_reg_free(reg);
}
END_TEST

/* ---- many ---- */

static uint32_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

START_TEST(damaged_documents_are_read_or_refused_and_never_crash)
{
    static const char spice[] = "\\\"[]-=@;#:,()\r\n\0 0afhexdword";
    uint64_t state = 20110401;
    int parsed = 0;
    int refused = 0;

    printf("seed %llu\n", (unsigned long long)state);
    for (int round = 0; round < 20000; round++) {
        struct po_buf text = { 0 };
        struct po_reg *reg = NULL;
        struct po_err err = { 0 };

        if (round % 2 == 0)
            po_buf_put_text(&text, everything);
        else
            po_utf16_put(&text, everything, strlen(everything));
        for (uint32_t i = next_random(&state) % 3; i < 3; i++) {
            size_t at = next_random(&state) % text.size;

            text.bytes[at] =
                (uint8_t)(round % 3 == 0 ? next_random(&state)
                                         : (uint8_t)spice[next_random(&state) % sizeof(spice)]);
        }
        if (next_random(&state) % 4 == 0)
            text.size = next_random(&state) % text.size;
        /* Exactly as large as it is, so that a step beyond the end is seen. */
        {
            uint8_t *exact = (uint8_t *)malloc(text.size > 0 ? text.size : 1);

            ck_assert_ptr_nonnull(exact);
            memcpy(exact, text.bytes, text.size);
            if (po_reg_parse(&reg, exact, text.size, PO_REG_CODE_PAGE_AUTO, &err) == PO_OK) {
                assert_prints_and_parses_again(reg);
                po_reg_free(reg);
                parsed++;
            } else {
                ck_assert_msg(strncmp(err.text, "line ", 5) == 0, "%s", err.text);
                refused++;
            }
            free(exact);
        }
        po_buf_deinit(&text);
    }
    printf("damaged documents: %d parsed, %d refused\n", parsed, refused);
    ck_assert_int_gt(parsed, 0);
    ck_assert_int_gt(refused, 0);
}
END_TEST

#if OS_HAS_POSIX

/* The whole file, appended. */
static void
read_file(const char *path, struct po_buf *out)
{
    FILE *file = fopen(path, "rb");
    uint8_t bytes[4096];
    size_t got;

    ck_assert_ptr_nonnull(file);
    while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
        po_buf_put(out, bytes, got);
    fclose(file);
}

struct tally {
    int parsed;
    int refused;
    int identical;
};

/* What importing a document leaves is told as the same; but for keys that are made on the way. */
static enum po_status
expect_key_on_the_way(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    const char *path = ctx;

    (void)err;
    ck_assert_msg(difference->change == PO_REG_ADDED && difference->after == NULL, "%s: %s", path,
                  difference->key->path);
    return PO_OK;
}

static void
assert_merges(const struct po_reg *reg, char *path)
{
    struct po_reg *empty = parse("REGEDIT4");
    struct po_reg *merged = NULL;
    struct po_reg *again = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_merge(&merged, empty, reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_compare(reg, merged, 0, expect_key_on_the_way, path, &err), PO_OK);
    ck_assert_int_eq(po_reg_merge(&again, merged, merged, &err), PO_OK);
    ck_assert_msg(is_same(merged, again), "%s", path);
    assert_prints_and_parses_again(merged);
    po_reg_free(empty);
    po_reg_free(merged);
    po_reg_free(again);
}

static void
try_file(char *path, struct tally *tally)
{
    struct po_buf text = { 0 };
    struct po_buf printed = { 0 };
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    read_file(path, &text);
    if (po_reg_parse(&reg, text.bytes, text.size, PO_REG_CODE_PAGE_AUTO, &err) == PO_OK) {
        tally->parsed++;
        assert_prints_and_parses_again(reg);
        assert_merges(reg, path);
        print(reg, &printed);
        tally->identical +=
            printed.size == text.size && memcmp(printed.bytes, text.bytes, text.size) == 0;
        po_reg_free(reg);
    } else {
        size_t line = 0;

        tally->refused++;
        ck_assert(err.status == PO_E_FORMAT || err.status == PO_E_UNSUPPORTED);
        ck_assert_msg(sscanf(err.text, "line %zu: ", &line) == 1 && line > 0, "%s: %s", path,
                      err.text);
        if (getenv("POBACKUP_TEST_VERBOSE") != NULL)
            printf("%s: %s\n", path, err.text);
    }
    po_buf_deinit(&printed);
    po_buf_deinit(&text);
}

static void
try_tree(const char *path, struct tally *tally)
{
    DIR *dir = opendir(path);
    const struct dirent *item;

    ck_assert_ptr_nonnull(dir);
    while ((item = readdir(dir)) != NULL) {
        struct po_buf child = { 0 };
        struct stat info;
        size_t size = strlen(item->d_name);

        if (item->d_name[0] == '.')
            continue;
        po_buf_printf(&child, "%s/%s", path, item->d_name);
        ck_assert_int_eq(stat(po_buf_text(&child), &info), 0);
        if (S_ISDIR(info.st_mode))
            try_tree(po_buf_text(&child), tally);
        else if (size > 4 && strcmp(item->d_name + size - 4, ".reg") == 0)
            try_file((char *)child.bytes, tally);
        po_buf_deinit(&child);
    }
    closedir(dir);
}

START_TEST(files_written_by_others_are_read_or_refused_with_a_line)
{
    const char *pack = POBACKUP_SOURCE_DIR "/../shared/testdata/reg.tar.zst";
    char dir[] = "/tmp/pobackup-test-reg-XXXXXX";
    struct po_buf command = { 0 };
    struct tally tally = { 0 };

    if (access(pack, R_OK) != 0) {
        printf("skipped: no pack of .reg files at %s\n", pack);
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(dir));
    po_buf_printf(&command, "tar --zstd -xf '%s' -C %s", pack, dir);
    ck_assert_int_eq(system(po_buf_text(&command)), 0);
    try_tree(dir, &tally);
    po_buf_clear(&command);
    po_buf_printf(&command, "rm -rf %s", dir);
    ck_assert_int_eq(system(po_buf_text(&command)), 0);
    po_buf_deinit(&command);
    printf(".reg files of others: %d parsed (%d printed byte for byte as they were), %d refused\n",
           tally.parsed, tally.identical, tally.refused);
    /* All that its README promises. */
    ck_assert_int_ge(tally.parsed + tally.refused, 680);
    ck_assert_int_gt(tally.parsed, 0);
    ck_assert_int_gt(tally.refused, 0);
}
END_TEST

#endif

static Suite *
reg_suite(void)
{
    Suite *suite = suite_create("reg");
    TCase *text = tcase_create("text");
    TCase *model = tcase_create("model");
    TCase *many = tcase_create("many");

    tcase_set_timeout(text, 60);
    tcase_add_test(text, a_document_is_the_same_in_every_encoding);
    tcase_add_test(text, bytes_that_are_not_utf8_are_latin1);
    tcase_add_test(text, the_code_page_can_be_given);
    tcase_add_test(text, a_surrogate_without_partner_survives);
    tcase_add_test(text, line_ends_may_be_newlines_alone);
    tcase_add_test(text, each_form_of_value_gives_its_bytes);
    tcase_add_test(text, deletions_are_marks);
    tcase_add_test(text, a_key_may_hold_brackets_and_end_in_backslashes);
    tcase_add_test(text, a_document_without_keys_is_one);
    tcase_add_test(text, what_is_malformed_is_refused_with_its_line);
    tcase_add_test(text, what_is_no_document_is_unsupported);
    tcase_add_test(text, bytes_that_cannot_be_read_are_refused_with_their_line);
    tcase_add_test(text, keys_are_512_levels_deep_at_most);
    tcase_add_test(text, values_have_64_mib_at_most);
    suite_add_tcase(suite, text);
    tcase_add_test(model, the_model_refuses_what_the_registry_cannot_hold);
    tcase_add_test(model, a_value_can_be_given_other_data);
    tcase_add_test(model, everything_prints_as_regedit_writes_it);
    tcase_add_test(model, long_data_break_where_regedit_breaks_them);
    tcase_add_test(model, a_long_name_breaks_after_the_first_byte);
    tcase_add_test(model, what_a_string_would_lose_is_printed_as_hex);
    tcase_add_test(model, a_key_that_no_file_can_hold_is_not_printed);
    tcase_add_test(model, differences_are_told_by_key_and_value);
    tcase_add_test(model, the_32_bit_view_can_be_the_same_key);
    tcase_add_test(model, a_failing_callback_ends_the_comparing);
    suite_add_tcase(suite, model);
    tcase_set_timeout(many, 300);
    tcase_add_test(many, damaged_documents_are_read_or_refused_and_never_crash);
    os_add_posix_test(many, files_written_by_others_are_read_or_refused_with_a_line);
    suite_add_tcase(suite, many);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(reg_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
