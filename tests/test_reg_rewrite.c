/* req: R4: what a document says of places, on a machine that has others. */
#include "base/utf16.h"
#include "registry/reg.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define KEY "HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct po_reg_move places[] = {
    { "C:/Post.Office/bin", "D:/Programs/Post.Office" },
    { "C:/Post.Office/spool", "E:/Spool" },
    { "C:/Post.Office/spool/mailbox", "F:\\" },
    { "C:/Post.Office", NULL },
};

struct told {
    size_t rewritten;
    size_t left;
    const struct po_reg_move *move;
    struct po_buf before;
};

static enum po_status
tell(void *ctx, const struct po_reg_rewrite *rewrite, struct po_err *err)
{
    struct told *told = ctx;

    told->rewritten += rewrite->before != NULL;
    told->left += rewrite->before == NULL;
    told->move = rewrite->move;
    po_buf_clear(&told->before);
    po_buf_put(&told->before, rewrite->before, rewrite->before_size);
    return po_buf_check(&told->before, err);
}

/* One value, rewritten; its data as bytes into `out`. */
static void
rewrite(const struct po_reg_move *moves, size_t count, uint32_t type, const void *data, size_t size,
        struct told *told, struct po_buf *out)
{
    struct po_reg *reg = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_key(reg, KEY, strlen(KEY), false, NULL, &err), PO_OK);
    ck_assert_int_eq(po_reg_add_value(reg, "v", 1, type, data, size, &err), PO_OK);
    ck_assert_int_eq(po_reg_rewrite(reg, moves, count, tell, told, &err), PO_OK);
    ck_assert_uint_eq(reg->keys[0].values[0].type, type);
    po_buf_clear(out);
    po_buf_put(out, reg->keys[0].values[0].data, reg->keys[0].values[0].data_size);
    po_reg_free(reg);
}

/* A string with its NUL; `from` becomes `to`, and is told. NULL: it stays, and `left` says how. */
static void
assert_string(const struct po_reg_move *moves, size_t count, const char *from, const char *to,
              size_t left)
{
    struct po_buf data = { 0 };
    struct po_buf out = { 0 };
    struct po_buf expected = { 0 };
    struct told told = { 0 };

    po_utf16_put(&data, from, strlen(from) + 1);
    po_utf16_put(&expected, to == NULL ? from : to, strlen(to == NULL ? from : to) + 1);
    rewrite(moves, count, PO_REG_SZ, data.bytes, data.size, &told, &out);
    if (out.size != expected.size || memcmp(out.bytes, expected.bytes, out.size) != 0) {
        struct po_buf text = { 0 };

        po_wtf8_put_utf16(&text, out.bytes, out.size, false);
        ck_abort_msg("%s became %s", from, po_buf_text(&text));
    }
    ck_assert_msg(told.rewritten == (to != NULL), "%s: told %zu times", from, told.rewritten);
    ck_assert_msg(told.left == left, "%s: %zu left", from, told.left);
    if (to != NULL) {
        ck_assert_uint_eq(told.before.size, data.size);
        ck_assert_mem_eq(told.before.bytes, data.bytes, data.size);
    }
    po_buf_deinit(&told.before);
    po_buf_deinit(&data);
    po_buf_deinit(&out);
    po_buf_deinit(&expected);
}

/* req: R4 */
START_TEST(a_place_at_the_front_of_a_string_is_rewritten)
{
    static const char *const cases[][2] = {
        { "C:\\Post.Office\\spool", "E:\\Spool" },
        { "c:\\post.office\\SPOOL\\Control", "E:\\Spool\\Control" },
        { "C:/Post.Office/spool/x", "E:/Spool/x" },
        { "C:\\\\Post.Office\\\\bin\\\\a.exe", "D:\\\\Programs\\\\Post.Office\\\\a.exe" },
        { "C:\\Post.Office\\spool\\", "E:\\Spool\\" },
        { "\"C:\\Post.Office\\bin\\Post.Office.exe\" -x",
          "\"D:\\Programs\\Post.Office\\Post.Office.exe\" -x" },
        { "-d C:\\Post.Office\\spool;C:\\Post.Office\\bin",
          "-d E:\\Spool;D:\\Programs\\Post.Office" },
        { "\\\\?\\C:\\Post.Office\\bin\\a", "\\\\?\\D:\\Programs\\Post.Office\\a" },
        { "log=C:\\Post.Office\\spool\\log", "log=E:\\Spool\\log" },
        { "C:\\Post.Office\\spool:stream", "E:\\Spool:stream" },
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string(places, COUNT(places), cases[i][0], cases[i][1], 0);
}
END_TEST

START_TEST(the_longest_place_counts_and_a_drive_keeps_its_slash)
{
    assert_string(places, COUNT(places), "C:\\Post.Office\\spool\\mailbox\\u", "F:\\u", 0);
    assert_string(places, COUNT(places), "C:\\Post.Office\\spool\\mailbox", "F:\\", 0);
    assert_string(places, COUNT(places), "C:/Post.Office/spool/mailbox;x", "F:/;x", 0);
    /* Longer, and not this one: the shorter one holds. */
    assert_string(places, COUNT(places), "C:\\Post.Office\\spool\\mailbox2", "E:\\Spool\\mailbox2",
                  0);
}
END_TEST

START_TEST(what_only_looks_like_a_place_is_left)
{
    static const char *const silent[] = {
        "C:\\Post.Offices", "D:\\Post.Office\\spool", "XC:\\Post.Office2\\spool", "", "C:", "\\",
        "postmaster@C",     "C:\\Post.Offic",
    };
    /* A space may be in a name, and the root that all lay in is only looked for. */
    static const char *const told[] = {
        "C:\\Post.Office\\spool old", "C:\\Post.Office",         "C:\\Post.Office\\log",
        "file:///C:/Post.Office/bin", "C:\\Post.Office\\spool2", "XC:\\Post.Office\\spool",
    };

    for (size_t i = 0; i < COUNT(silent); i++)
        assert_string(places, COUNT(places), silent[i], NULL, 0);
    for (size_t i = 0; i < COUNT(told); i++)
        assert_string(places, COUNT(places), told[i], NULL, 1);
}
END_TEST

START_TEST(what_was_written_is_not_rewritten_again)
{
    static const struct po_reg_move moves[] = { { "C:\\a", "C:\\b" },
                                                { "C:\\b", "C:\\a" },
                                                { "C:\\c", "C:\\c\\new" } };

    assert_string(moves, COUNT(moves), "C:\\a;C:\\b;C:\\c\\x", "C:\\b;C:\\a;C:\\c\\new\\x", 0);
}
END_TEST

START_TEST(shares_keep_their_slashes)
{
    static const struct po_reg_move moves[] = { { "\\\\old\\mail\\", "\\\\new\\mail\\" },
                                                { "D:\\x", "\\\\new\\x" },
                                                { "\\\\old\\y", "D:\\y" } };

    assert_string(moves, COUNT(moves), "\\\\OLD\\mail\\u", "\\\\new\\mail\\u", 0);
    assert_string(moves, COUNT(moves), "D:\\x\\u", "\\\\new\\x\\u", 0);
    assert_string(moves, COUNT(moves), "\\\\old\\y\\u", "D:\\y\\u", 0);
}
END_TEST

START_TEST(names_that_are_not_ascii_are_found_in_either_case)
{
    static const struct po_reg_move moves[] = { { "C:\\Stra\xc3\x9f"
                                                  "e\\\xc3\xa9",
                                                  "D:\\\xe9\x83\xb5" } };

    assert_string(moves, COUNT(moves),
                  "c:\\stra\xc3\x9f"
                  "e\\\xc3\x89\\u",
                  "D:\\\xe9\x83\xb5\\u", 0);
}
END_TEST

/* req: R4 */
START_TEST(each_string_of_a_list_is_rewritten)
{
    static const char before[] = "C:\\Post.Office\\bin\0x\0C:\\Post.Office\\spool\\a\0";
    static const char after[] = "D:\\Programs\\Post.Office\0x\0E:\\Spool\\a\0";
    struct po_buf data = { 0 };
    struct po_buf expected = { 0 };
    struct po_buf out = { 0 };
    struct told told = { 0 };

    po_utf16_put(&data, before, sizeof before);
    po_utf16_put(&expected, after, sizeof after);
    rewrite(places, COUNT(places), PO_REG_MULTI_SZ, data.bytes, data.size, &told, &out);
    ck_assert_uint_eq(out.size, expected.size);
    ck_assert_mem_eq(out.bytes, expected.bytes, out.size);
    ck_assert_uint_eq(told.rewritten, 1);
    /* Half a unit at the end is kept, whatever it is. */
    po_buf_put_u8(&data, 7);
    po_buf_put_u8(&expected, 7);
    rewrite(places, COUNT(places), PO_REG_EXPAND_SZ, data.bytes, data.size, &told, &out);
    ck_assert_uint_eq(out.size, expected.size);
    ck_assert_mem_eq(out.bytes, expected.bytes, out.size);
    po_buf_deinit(&told.before);
    po_buf_deinit(&data);
    po_buf_deinit(&expected);
    po_buf_deinit(&out);
}
END_TEST

/* req: R4 */
START_TEST(other_data_that_holds_a_place_is_told_and_left)
{
    static const char ascii[] = "\1\2\3c:\\post.office\\SPOOL\\x\xFF";
    static const uint32_t types[] = { PO_REG_BINARY, PO_REG_NONE, 0x1234 };
    struct po_buf data = { 0 };
    struct po_buf out = { 0 };

    for (size_t i = 0; i < COUNT(types); i++) {
        for (int form = 0; form < 3; form++) {
            struct told told = { 0 };

            po_buf_clear(&data);
            if (form == 2) {
                po_buf_put(&data, ascii, sizeof ascii);
            } else {
                po_buf_put(&data, "\1\2\3\4", form == 0 ? 4 : 3);
                po_utf16_put(&data, "C:\\Post.Office\\spool", 21);
            }
            rewrite(places, COUNT(places), types[i], data.bytes, data.size, &told, &out);
            ck_assert_uint_eq(out.size, data.size);
            ck_assert_mem_eq(out.bytes, data.bytes, data.size);
            ck_assert_uint_eq(told.rewritten, 0);
            ck_assert_uint_eq(told.left, 1);
            ck_assert_ptr_eq(told.move, &places[1]);
            po_buf_deinit(&told.before);
        }
    }
    po_buf_deinit(&data);
    po_buf_deinit(&out);
}
END_TEST

START_TEST(nothing_to_look_for_changes_nothing)
{
    assert_string(NULL, 0, "C:\\Post.Office\\spool", NULL, 0);
}
END_TEST

static enum po_status
note_word(void *ctx, const struct po_reg_key *key, const struct po_reg_value *value, size_t word,
          struct po_err *err)
{
    struct po_buf *out = ctx;

    (void)key;
    po_buf_printf(out, "%s=%zu ", value->name, word);
    return po_buf_check(out, err);
}

/* req: W2 */
START_TEST(values_that_hold_a_name_or_an_address_are_found)
{
    static const char text[] =
        "REGEDIT4\n["
        "HKEY_LOCAL_MACHINE\\SOFTWARE\\x]\n"
        "\"a\"=\"mail01\"\n\"b\"=\"smtp:MAIL01.example.jp\"\n"
        "\"c\"=\"mail012\"\n\"d\"=\"old-mail01\"\n\"e\"=hex:6d,61,69,6c,30,31,00\n"
        "\"f\"=\"192.0.2.7:25\"\n\"g\"=\"192.0.2.70\"\n\"h\"=\"root@mail01 at 192.0.2.7\"\n";
    static const char *const words[] = { "Mail01", "192.0.2.7" };
    struct po_reg *reg = NULL;
    struct po_buf found = { 0 };
    struct po_err err = { 0 };

    ck_assert_msg(po_reg_parse(&reg, text, sizeof(text) - 1, PO_REG_CODE_PAGE_UTF8, &err) == PO_OK,
                  "%s", err.text);
    ck_assert_int_eq(po_reg_find_words(reg, words, 2, note_word, &found, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&found), "a=0 b=0 e=0 f=1 h=0 ");
    po_buf_clear(&found);
    ck_assert_int_eq(po_reg_find_words(reg, NULL, 0, note_word, &found, &err), PO_OK);
    ck_assert_uint_eq(found.size, 0);
    po_buf_deinit(&found);
    po_reg_free(reg);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reg_rewrite");
    TCase *rewriting = tcase_create("rewriting");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(rewriting, a_place_at_the_front_of_a_string_is_rewritten);
    tcase_add_test(rewriting, the_longest_place_counts_and_a_drive_keeps_its_slash);
    tcase_add_test(rewriting, what_only_looks_like_a_place_is_left);
    tcase_add_test(rewriting, what_was_written_is_not_rewritten_again);
    tcase_add_test(rewriting, shares_keep_their_slashes);
    tcase_add_test(rewriting, names_that_are_not_ascii_are_found_in_either_case);
    tcase_add_test(rewriting, each_string_of_a_list_is_rewritten);
    tcase_add_test(rewriting, other_data_that_holds_a_place_is_told_and_left);
    tcase_add_test(rewriting, nothing_to_look_for_changes_nothing);
    tcase_add_test(rewriting, values_that_hold_a_name_or_an_address_are_found);
    suite_add_tcase(suite, rewriting);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
