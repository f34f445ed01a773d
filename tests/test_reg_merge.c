/* req: R3: what importing a document leaves, and documents in the views of 64-bit Windows. */
#include "base/text.h"
#include "base/utf16.h"
#include "registry/reg.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SITE "HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office"
#define SITE_32 "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\Software.com\\Post.Office"

/* ---- helpers ---- */

static struct po_reg *
parse(const char *lines)
{
    struct po_buf text = { 0 };
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    po_buf_printf(&text, "REGEDIT4\n%s", lines);
    if (po_reg_parse(&reg, text.bytes, text.size, PO_REG_CODE_PAGE_UTF8, &err) != PO_OK)
        ck_abort_msg("refused: %s", err.text);
    po_buf_deinit(&text);
    return reg;
}

/* A document as text: without its header, empty lines and carriage returns. */
static void
put_lines(struct po_buf *out, const struct po_reg *reg)
{
    struct po_buf printed = { 0 };
    struct po_buf text = { 0 };
    struct po_err err = { 0 };
    const char *at;

    ck_assert_int_eq(po_reg_print(reg, &printed, &err), PO_OK);
    po_wtf8_put_utf16(&text, printed.bytes + 2, printed.size - 2, false);
    at = strchr(po_buf_text(&text), '\n');
    for (; *at != '\0'; at++)
        if (*at != '\r' && !(*at == '\n' && (out->size == 0 || out->bytes[out->size - 1] == '\n')))
            po_buf_put_u8(out, (uint8_t)*at);
    po_buf_deinit(&printed);
    po_buf_deinit(&text);
}

static void
assert_lines(const struct po_reg *reg, const char *expected)
{
    struct po_buf lines = { 0 };

    put_lines(&lines, reg);
    ck_assert_str_eq(po_buf_text(&lines), expected);
    po_buf_deinit(&lines);
}

static struct po_reg *
merge(const char *base_lines, const char *over_lines)
{
    struct po_reg *base = parse(base_lines);
    struct po_reg *over = parse(over_lines);
    struct po_reg *merged = NULL;
    struct po_err err = { 0 };

    if (po_reg_merge(&merged, base, over, &err) != PO_OK)
        ck_abort_msg("not merged: %s", err.text);
    po_reg_free(base);
    po_reg_free(over);
    return merged;
}

/* ---- merging ---- */

START_TEST(importing_leaves_what_regedit_would_leave)
{
    static const struct {
        const char *base;
        const char *over;
        const char *left;
    } cases[] = {
        { "", "", "" },
        /* What only one of them has stays; what both have is the later one's. */
        { "[HKLM\\a]\n\"x\"=\"1\"", "[HKLM\\a]\n\"y\"=\"2\"",
          "[HKEY_LOCAL_MACHINE\\a]\n\"x\"=\"1\"\n\"y\"=\"2\"\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"", "[HKLM\\a]\n\"x\"=dword:2",
          "[HKEY_LOCAL_MACHINE\\a]\n\"x\"=dword:00000002\n" },
        { "[HKLM\\a]\n@=\"1\"", "[HKLM\\b]\n@=\"2\"",
          "[HKEY_LOCAL_MACHINE\\a]\n@=\"1\"\n[HKEY_LOCAL_MACHINE\\b]\n@=\"2\"\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"", "", "[HKEY_LOCAL_MACHINE\\a]\n\"x\"=\"1\"\n" },
        { "", "[HKLM\\a]\n\"x\"=\"1\"", "[HKEY_LOCAL_MACHINE\\a]\n\"x\"=\"1\"\n" },
        /* In the order of names; keys before their subkeys, subkeys before siblings. */
        { "[HKLM\\b]\n[HKLM\\a!]\n", "[HKLM\\A\\c]\n[HKLM\\a]\n\"z\"=\"\"\n\"Y\"=\"\"",
          "[HKEY_LOCAL_MACHINE\\A]\n\"Y\"=\"\"\n\"z\"=\"\"\n[HKEY_LOCAL_MACHINE\\A\\c]\n"
          "[HKEY_LOCAL_MACHINE\\a!]\n[HKEY_LOCAL_MACHINE\\b]\n" },
        /* Deletions. */
        { "[HKLM\\a]\n\"x\"=\"1\"\n\"y\"=\"1\"", "[HKLM\\a]\n\"X\"=-\n\"z\"=-",
          "[HKEY_LOCAL_MACHINE\\a]\n\"y\"=\"1\"\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"\n[HKLM\\a\\b]\n[HKLM\\ab]", "[-HKLM\\A]",
          "[HKEY_LOCAL_MACHINE\\ab]\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"\n[HKLM\\a\\b]\n\"y\"=\"1\"", "[-HKLM\\A]\n[HKLM\\a]\n\"z\"=\"2\"",
          "[HKEY_LOCAL_MACHINE\\a]\n\"z\"=\"2\"\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"", "[HKLM\\a]\n\"x\"=\"2\"\n\"x\"=-\n\"x\"=\"3\"",
          "[HKEY_LOCAL_MACHINE\\a]\n\"x\"=\"3\"\n" },
        { "[HKLM\\a\\b\\c]\n\"x\"=\"1\"", "[-HKLM\\a\\b]\n[-HKLM\\a]\n[HKLM\\a\\b\\d]",
          "[HKEY_LOCAL_MACHINE\\a\\b\\d]\n" },
        /* A deletion that comes before. */
        { "[-HKLM\\a]\n[HKLM\\a\\b]", "[HKLM\\a\\c]",
          "[HKEY_LOCAL_MACHINE\\a\\b]\n"
          "[HKEY_LOCAL_MACHINE\\a\\c]\n" },
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct po_reg *merged = merge(cases[i].base, cases[i].over);

        assert_lines(merged, cases[i].left);
        po_reg_free(merged);
    }
}
END_TEST

START_TEST(keys_on_the_way_are_made)
{
    static const struct {
        const char *base;
        const char *over;
        const char *left;
    } cases[] = {
        /* From the topmost one that is named on. */
        { "[HKLM\\a]", "[HKLM\\a\\b\\c]",
          "[HKEY_LOCAL_MACHINE\\a]\n[HKEY_LOCAL_MACHINE\\a\\b]\n[HKEY_LOCAL_MACHINE\\a\\b\\c]\n" },
        { "", "[HKLM\\a\\b\\c]", "[HKEY_LOCAL_MACHINE\\a\\b\\c]\n" },
        { "[HKLM\\a]\n\"x\"=\"1\"", "[-HKLM\\a]\n[HKLM\\a\\b\\c]",
          "[HKEY_LOCAL_MACHINE\\a]\n[HKEY_LOCAL_MACHINE\\a\\b]\n[HKEY_LOCAL_MACHINE\\a\\b\\c]\n" },
        /* They stay when that key goes again. */
        { "[HKLM\\a]", "[HKLM\\a\\b\\c]\n[-HKLM\\a\\b\\c]",
          "[HKEY_LOCAL_MACHINE\\a]\n[HKEY_LOCAL_MACHINE\\a\\b]\n" },
        { "[HKLM\\a]", "[HKLM\\a\\b\\c]\n[-HKLM\\a\\b]", "[HKEY_LOCAL_MACHINE\\a]\n" },
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct po_reg *merged = merge(cases[i].base, cases[i].over);

        assert_lines(merged, cases[i].left);
        po_reg_free(merged);
    }
}
END_TEST

START_TEST(what_is_there_keeps_its_spelling)
{
    struct po_reg *merged = merge(
        "[hklm\\Software\\Post.Office]\n\"Spool\"=\"1\"",
        "[HKLM\\SOFTWARE\\post.office\\Sub]\n\"x\"=\"1\"\n[HKLM\\SOFTWARE\\POST.OFFICE\\sub]\n"
        "\"X\"=\"2\"\n[HKLM\\software\\POST.OFFICE]\n\"SPOOL\"=\"2\"");

    assert_lines(merged, "[HKEY_LOCAL_MACHINE\\Software\\Post.Office]\n\"Spool\"=\"2\"\n"
                         "[HKEY_LOCAL_MACHINE\\Software\\Post.Office\\Sub]\n\"x\"=\"2\"\n");
    po_reg_free(merged);
    /* Unless it went in between. */
    merged =
        merge("[HKLM\\a\\Sub]\n\"Spool\"=\"1\"", "[HKLM\\a\\Sub]\n\"SPOOL\"=-\n\"spool\"=\"2\"\n"
                                                 "[-HKLM\\a\\SUB]\n[HKLM\\a\\sub]\n");
    assert_lines(merged, "[HKEY_LOCAL_MACHINE\\a\\sub]\n");
    po_reg_free(merged);
    merged = merge("[HKLM\\a]\n\"Spool\"=\"1\"", "[HKLM\\a]\n\"SPOOL\"=-\n\"spool\"=\"2\"\n");
    assert_lines(merged, "[HKEY_LOCAL_MACHINE\\a]\n\"spool\"=\"2\"\n");
    po_reg_free(merged);
}
END_TEST

START_TEST(paths_that_grow_beyond_a_document_are_refused)
{
    struct po_buf name = { 0 };
    struct po_reg *base = parse("");
    struct po_reg *over = parse("");
    struct po_reg *merged = NULL;
    struct po_err err = { 0 };

    po_buf_put_text(&name, "HKLM\\");
    po_buf_put_zeros(&name, 16u << 20);
    memset(name.bytes + 5, 'a', name.size - 5);
    ck_assert_int_eq(po_reg_add_key(base, (const char *)name.bytes, name.size, false, NULL, &err),
                     PO_OK);
    for (int i = 0; i < 20; i++)
        po_buf_put_text(&name, "\\b");
    ck_assert_int_eq(po_reg_add_key(over, (const char *)name.bytes, name.size, false, NULL, &err),
                     PO_OK);
    ck_assert_int_eq(po_reg_merge(&merged, base, over, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "keys with more than 268435456 bytes of paths");
    ck_assert_ptr_null(merged);
    po_reg_free(base);
    po_reg_free(over);
    po_buf_deinit(&name);
}
END_TEST

/* ---- merging, against a registry that is as simple as can be ---- */

#define ROWS_MAX 4096

/* A key (name NULL) or a value, of a registry whose names are ASCII. */
struct row {
    char key[128];
    char name[16];
    bool is_key;
    uint8_t data;
};

struct rows {
    struct row row[ROWS_MAX];
    size_t count;
};

static bool
is_at_or_below(const char *key, const char *top)
{
    size_t size = strlen(top);
    char start[128];

    if (strlen(key) < size || (key[size] != '\0' && key[size] != '\\'))
        return false;
    (void)snprintf(start, sizeof(start), "%.*s", (int)size, key);
    return po_text_is_equal_nocase(start, top);
}

static struct row *
find_row(struct rows *rows, const char *key, const char *name)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->row[i];

        if (po_text_is_equal_nocase(row->key, key) && row->is_key == (name == NULL) &&
            (name == NULL || po_text_is_equal_nocase(row->name, name)))
            return row;
    }
    return NULL;
}

static struct row *
get_row(struct rows *rows, const char *key, const char *name)
{
    struct row *row = find_row(rows, key, name);

    if (row != NULL)
        return row;
    ck_assert_uint_lt(rows->count, ROWS_MAX);
    row = &rows->row[rows->count++];
    *row = (struct row){ .is_key = name == NULL };
    (void)snprintf(row->key, sizeof(row->key), "%s", key);
    (void)snprintf(row->name, sizeof(row->name), "%s", name != NULL ? name : "");
    return row;
}

/* Makes a key and those on its way, and gives the spelling that they have. */
static void
make_key(struct rows *rows, const char *path, char spelled[128])
{
    size_t size = 0;

    for (const char *at = path;; at++) {
        if (*at == '\\' || *at == '\0') {
            char so_far[128];
            const struct row *row;

            (void)snprintf(so_far, sizeof(so_far), "%.*s%.*s", (int)size, spelled,
                           (int)(at - path - (ptrdiff_t)size), path + size);
            row = get_row(rows, so_far, NULL);
            (void)snprintf(spelled, 128, "%s", row->key);
            size = strlen(spelled);
        }
        if (*at == '\0')
            break;
    }
}

static void
import(struct rows *rows, const struct po_reg *reg)
{
    for (size_t i = 0; i < reg->key_count; i++) {
        const struct po_reg_key *key = &reg->keys[i];
        char path[128];
        size_t kept = 0;

        if (key->is_delete) {
            for (size_t j = 0; j < rows->count; j++)
                if (!is_at_or_below(rows->row[j].key, key->path))
                    rows->row[kept++] = rows->row[j];
            rows->count = kept;
            continue;
        }
        make_key(rows, key->path, path);
        for (size_t j = 0; j < key->value_count; j++) {
            const struct po_reg_value *value = &key->values[j];
            struct row *row;

            if (!value->is_delete) {
                get_row(rows, path, value->name)->data = value->data[0];
                continue;
            }
            row = find_row(rows, path, value->name);
            if (row != NULL)
                *row = rows->row[--rows->count];
        }
    }
}

/* The same rows, of which some are above what the documents name. */
static void
assert_same_rows(struct rows *rows, const struct po_reg *merged)
{
    size_t seen = 0;

    for (size_t i = 0; i < merged->key_count; i++) {
        const struct po_reg_key *key = &merged->keys[i];
        const struct row *row = find_row(rows, key->path, NULL);

        ck_assert_msg(row != NULL, "%s: not there", key->path);
        ck_assert_str_eq(row->key, key->path);
        ck_assert(!key->is_delete);
        seen++;
        for (size_t j = 0; j < key->value_count; j++) {
            row = find_row(rows, key->path, key->values[j].name);
            ck_assert_msg(row != NULL, "%s: %s: not there", key->path, key->values[j].name);
            ck_assert_str_eq(row->name, key->values[j].name);
            ck_assert_uint_eq(row->data, key->values[j].data[0]);
            ck_assert(!key->values[j].is_delete);
            seen++;
        }
    }
    for (size_t i = 0; i < rows->count; i++)
        if (is_at_or_below(rows->row[i].key, "HKEY_LOCAL_MACHINE\\top"))
            seen--;
    ck_assert_uint_eq(seen, 0);
}

static uint32_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static struct po_reg *
random_document(uint64_t *state)
{
    static const char *const names[] = { "a", "A", "b", "a!", "ab", "B" };
    struct po_buf lines = { 0 };
    uint32_t keys = 1 + next_random(state) % 12;
    struct po_reg *reg;

    po_buf_put_text(&lines, "[HKEY_LOCAL_MACHINE\\top]\n");
    for (uint32_t i = 0; i < keys; i++) {
        bool is_delete = next_random(state) % 3 == 0;
        uint32_t depth = next_random(state) % 4;

        po_buf_printf(&lines, "[%sHKEY_LOCAL_MACHINE\\%s", is_delete ? "-" : "",
                      next_random(state) % 2 == 0 ? "top" : "TOP");
        for (uint32_t j = 0; j < depth; j++)
            po_buf_printf(&lines, "\\%s", names[next_random(state) % COUNT(names)]);
        po_buf_put_text(&lines, "]\n");
        for (uint32_t j = is_delete ? 0 : next_random(state) % 4; j > 0; j--) {
            const char *name = names[next_random(state) % COUNT(names)];

            if (next_random(state) % 3 == 0)
                po_buf_printf(&lines, "\"%s\"=-\n", name);
            else
                po_buf_printf(&lines, "\"%s\"=hex:%02x\n", name, next_random(state) % 256);
        }
    }
    reg = parse(po_buf_text(&lines));
    po_buf_deinit(&lines);
    return reg;
}

START_TEST(random_documents_leave_what_line_by_line_import_leaves)
{
    uint64_t state = 20110427;
    struct rows *rows = malloc(sizeof(*rows));

    ck_assert_ptr_nonnull(rows);
    printf("seed %llu\n", (unsigned long long)state);
    for (int round = 0; round < 4000; round++) {
        struct po_reg *base = random_document(&state);
        struct po_reg *over = random_document(&state);
        struct po_reg *merged = NULL;
        struct po_err err = { 0 };

        ck_assert_int_eq(po_reg_merge(&merged, base, over, &err), PO_OK);
        rows->count = 0;
        import(rows, base);
        import(rows, over);
        assert_same_rows(rows, merged);
        po_reg_free(base);
        po_reg_free(over);
        po_reg_free(merged);
    }
    free(rows);
}
END_TEST

/* ---- views ---- */

START_TEST(paths_change_between_the_views)
{
    static const struct {
        const char *plain;
        const char *in_32;
    } pairs[] = {
        { SITE, SITE_32 },
        { "HKLM\\Software\\x", "HKLM\\Software\\Wow6432Node\\x" },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE", "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node" },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\x\\Wow6432Node\\y",
          "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\x\\Wow6432Node\\y" },
    };
    static const char *const others[] = {
        "HKEY_LOCAL_MACHINE",
        "HKEY_LOCAL_MACHINE\\SYSTEM\\Wow6432Node\\x",
        "HKCU\\SOFTWARE\\x",
        "HKCU\\SOFTWARE\\Wow6432Node\\x",
        "HKLM\\SOFTWARES\\x",
        "HKEY_USERS\\HKLM\\SOFTWARE\\x",
        "HKEY_CLASSES_ROOT\\Wow6432Node",
    };
    struct po_buf path = { 0 };

    for (size_t i = 0; i < COUNT(pairs); i++) {
        const char *ways[][2] = { { pairs[i].plain, pairs[i].in_32 },
                                  { pairs[i].in_32, pairs[i].in_32 } };

        for (size_t j = 0; j < 2; j++) {
            po_buf_clear(&path);
            po_reg_put_path_in_view(&path, ways[j][0], strlen(ways[j][0]), PO_REG_VIEW_32);
            ck_assert_str_eq(po_buf_text(&path), ways[j][1]);
            po_buf_clear(&path);
            po_reg_put_path_in_view(&path, ways[j][0], strlen(ways[j][0]), PO_REG_VIEW_PLAIN);
            ck_assert_str_eq(po_buf_text(&path), pairs[i].plain);
        }
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        for (enum po_reg_view view = PO_REG_VIEW_PLAIN; view <= PO_REG_VIEW_32; view++) {
            po_buf_clear(&path);
            po_reg_put_path_in_view(&path, others[i], strlen(others[i]), view);
            ck_assert_str_eq(po_buf_text(&path), others[i]);
        }
    }
    /* As written, but for the node. */
    po_buf_clear(&path);
    po_reg_put_path_in_view(&path, "hklm\\SoftWare\\WOW6432node\\X", 27, PO_REG_VIEW_PLAIN);
    ck_assert_str_eq(po_buf_text(&path), "hklm\\SoftWare\\X");
    po_buf_clear(&path);
    po_reg_put_path_in_view(&path, "hklm\\SoftWare\\WOW6432node\\X", 27, PO_REG_VIEW_32);
    ck_assert_str_eq(po_buf_text(&path), "hklm\\SoftWare\\WOW6432node\\X");
    po_buf_deinit(&path);
}
END_TEST

START_TEST(a_document_is_copied_into_a_view)
{
    struct po_reg *reg =
        parse("[-" SITE "\\old]\n[" SITE_32 "]\n@=\"1\"\n\"x\"=-\n[" SITE "\\a]\n");
    struct po_reg *copy = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_in_view(&copy, reg, PO_REG_VIEW_32, &err), PO_OK);
    assert_lines(copy, "[-" SITE_32 "\\old]\n[" SITE_32 "]\n@=\"1\"\n\"x\"=-\n[" SITE_32 "\\a]\n");
    po_reg_free(copy);
    ck_assert_int_eq(po_reg_in_view(&copy, reg, PO_REG_VIEW_PLAIN, &err), PO_OK);
    assert_lines(copy, "[-" SITE "\\old]\n[" SITE "]\n@=\"1\"\n\"x\"=-\n[" SITE "\\a]\n");
    po_reg_free(copy);
    po_reg_free(reg);
}
END_TEST

START_TEST(a_key_that_the_node_makes_too_deep_is_refused)
{
    struct po_buf path = { 0 };
    struct po_reg *reg = parse("");
    struct po_reg *copy = NULL;
    struct po_err err = { 0 };

    po_buf_put_text(&path, "HKLM\\SOFTWARE");
    for (int i = 2; i < PO_REG_DEPTH_MAX; i++)
        po_buf_put_text(&path, "\\k");
    ck_assert_int_eq(po_reg_add_key(reg, (const char *)path.bytes, path.size, false, NULL, &err),
                     PO_OK);
    ck_assert_int_eq(po_reg_in_view(&copy, reg, PO_REG_VIEW_32, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "a key 513 levels deep; 512 are allowed");
    ck_assert_ptr_null(copy);
    po_reg_free(reg);
    po_buf_deinit(&path);
}
END_TEST

START_TEST(what_lies_within_a_key_is_known_in_either_view)
{
    static const struct {
        const char *path;
        const char *key;
        bool is_within;
    } cases[] = {
        { SITE, SITE, true },
        { SITE_32, SITE, true },
        { SITE, SITE_32, true },
        { SITE "\\a\\b", SITE_32, true },
        { SITE_32 "\\a", SITE, true },
        { "hklm\\software\\wow6432NODE\\software.COM\\post.office\\x", SITE, true },
        { SITE "s", SITE, false },
        { SITE_32 "s", SITE, false },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com", SITE, false },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node", SITE, false },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node", SITE_32, false },
        { "HKEY_LOCAL_MACHINE", SITE, false },
        { "HKEY_CURRENT_USER\\SOFTWARE\\Software.com\\Post.Office", SITE, false },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\Wow6432Node\\Software.com\\Post.Office", SITE,
          false },
        { "HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Wow6432Node\\Post.Office", SITE, false },
        { "HKEY_LOCAL_MACHINE\\SYSTEM", SITE, false },
        { "HKLM", "HKEY_LOCAL_MACHINE", true },
        { "HKLM\\x", "HKEY_LOCAL_MACHINE", true },
        { "HKU\\\xC3\xA9\xD0\xB6", "HKEY_USERS\\\xC3\x89\xD0\x96", true },
        { "HKU\\\xC3\xA9", "HKEY_USERS\\\xC3\x89\xD0\x96", false },
    };
    struct po_reg *reg;
    const struct po_reg_key *outside = NULL;

    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_msg(po_reg_path_is_within(cases[i].path, strlen(cases[i].path), cases[i].key,
                                            strlen(cases[i].key)) == cases[i].is_within,
                      "%s and %s", cases[i].path, cases[i].key);
    reg = parse("[" SITE "]\n[" SITE_32 "\\a]\n");
    ck_assert(po_reg_is_within(reg, SITE, strlen(SITE), &outside));
    ck_assert_ptr_null(outside);
    ck_assert(!po_reg_is_within(reg, SITE "\\a", strlen(SITE "\\a"), &outside));
    ck_assert_str_eq(outside->path, SITE);
    po_reg_free(reg);
    /* What is deleted counts too. */
    reg = parse("[" SITE "]\n[-HKLM\\SOFTWARE]\n");
    ck_assert(!po_reg_is_within(reg, SITE, strlen(SITE), &outside));
    ck_assert_str_eq(outside->path, "HKLM\\SOFTWARE");
    ck_assert(!po_reg_is_within(reg, SITE, strlen(SITE), NULL));
    po_reg_free(reg);
    reg = parse("");
    ck_assert(po_reg_is_within(reg, SITE, strlen(SITE), NULL));
    po_reg_free(reg);
}
END_TEST

static Suite *
merge_suite(void)
{
    Suite *suite = suite_create("reg_merge");
    TCase *merging = tcase_create("merging");
    TCase *views = tcase_create("views");

    tcase_set_timeout(merging, 120);
    tcase_add_test(merging, importing_leaves_what_regedit_would_leave);
    tcase_add_test(merging, keys_on_the_way_are_made);
    tcase_add_test(merging, what_is_there_keeps_its_spelling);
    tcase_add_test(merging, paths_that_grow_beyond_a_document_are_refused);
    tcase_add_test(merging, random_documents_leave_what_line_by_line_import_leaves);
    suite_add_tcase(suite, merging);
    tcase_add_test(views, paths_change_between_the_views);
    tcase_add_test(views, a_document_is_copied_into_a_view);
    tcase_add_test(views, a_key_that_the_node_makes_too_deep_is_refused);
    tcase_add_test(views, what_lies_within_a_key_is_known_in_either_view);
    suite_add_tcase(suite, views);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(merge_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
