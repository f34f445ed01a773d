/* A registry document that is built value by value, its limits, and how its data are shown. */
#include "base/buf.h"
#include "base/mem.h"
#include "registry/reg.h"
#include "registry/reg_show.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY "HKEY_LOCAL_MACHINE\\A"

static struct po_reg *reg;
static struct po_err err;

static void
setup(void)
{
    ck_assert_int_eq(po_reg_new(&reg, &err), PO_OK);
}

static void
teardown(void)
{
    po_reg_free(reg);
}

static void
add_key(const char *path)
{
    ck_assert_msg(po_reg_add_key(reg, path, strlen(path), false, NULL, &err) == PO_OK, "%s",
                  err.text);
}

static void
add_value(const char *name)
{
    ck_assert_msg(po_reg_add_value(reg, name, strlen(name), PO_REG_BINARY, "x", 1, &err) == PO_OK,
                  "%s", err.text);
}

START_TEST(the_last_key_goes_with_its_values)
{
    add_key(KEY);
    add_value("first");
    add_key(KEY "\\B");
    add_value("second");
    add_value("third");
    ck_assert_uint_eq(reg->value_count, 3);
    po_reg_remove_last_key(reg);
    ck_assert_uint_eq(reg->key_count, 1);
    ck_assert_uint_eq(reg->value_count, 1);
    ck_assert_str_eq(reg->keys[0].path, KEY);
    /* What is added then goes to the key that is the last one now. */
    add_value("fourth");
    ck_assert_uint_eq(reg->keys[0].value_count, 2);
    ck_assert_str_eq(reg->keys[0].values[1].name, "fourth");
    po_reg_remove_last_key(reg);
    po_reg_remove_last_key(reg);
    ck_assert_uint_eq(reg->key_count, 0);
    ck_assert_uint_eq(reg->value_count, 0);
}
END_TEST

START_TEST(names_beyond_the_limits_are_refused)
{
    size_t size = PO_REG_VALUE_MAX + 1;
    char *name = po_mem_new(size, 1);

    ck_assert_ptr_nonnull(name);
    ck_assert_int_eq(po_reg_add_key(reg, name, size, false, NULL, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "a key's path of 67108865 bytes");
    ck_assert_uint_eq(reg->key_count, 0);
    add_key(KEY);
    ck_assert_int_eq(po_reg_add_value(reg, name, size, PO_REG_BINARY, "x", 1, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "a value's name of 67108865 bytes");
    ck_assert_int_eq(po_reg_add_delete(reg, name, size, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "a value's name of 67108865 bytes");
    ck_assert_uint_eq(reg->value_count, 0);
    po_mem_free(name);
}
END_TEST

static const struct {
    const char *shown;
    const char *data;
    size_t size;
    uint32_t type;
} shows[] = {
    { "abc", "a\0b\0c\0\0", 8, PO_REG_SZ },
    { "ab", "a\0b", 4, PO_REG_EXPAND_SZ },
    { "a | b", "a\0\0\0b\0\0\0\0\0", 10, PO_REG_MULTI_SZ },
    { "", "\0\0\0", 4, PO_REG_MULTI_SZ },
    { "258", "\2\1\0\0", 4, PO_REG_DWORD },
    { "4294967295", "\377\377\377\377", 4, PO_REG_DWORD },
    { "72057594037927937", "\1\0\0\0\0\0\0\1", 8, PO_REG_QWORD },
    /* Numbers of another length are bytes. */
    { "020100", "\2\1\0", 3, PO_REG_DWORD },
    { "0201000000", "\2\1\0\0", 5, PO_REG_DWORD },
    { "02010000", "\2\1\0\0", 4, PO_REG_QWORD },
    { "", "", 0, PO_REG_BINARY },
    { "00ff", "\0\377", 2, PO_REG_BINARY },
    { "30313233343536373839414243444546", "0123456789ABCDEF", 16, PO_REG_BINARY },
    { "30313233343536373839414243444546...", "0123456789ABCDEFG", 17, PO_REG_BINARY },
    { "61", "a", 1, 99 },
};

START_TEST(data_are_shown_by_their_type)
{
    struct po_buf out = { 0 };

    po_buf_put_text(&out, "=");
    po_reg_show_data(&out, shows[_i].type, shows[_i].data, shows[_i].size);
    ck_assert_str_eq(po_buf_text(&out) + 1, shows[_i].shown);
    po_buf_deinit(&out);
}
END_TEST

START_TEST(what_is_no_text_is_not_shown_as_one)
{
    struct po_buf out = { 0 };

    ck_assert(!po_reg_show_text(&out, PO_REG_BINARY, "a\0b\0", 4));
    ck_assert(!po_reg_show_text(&out, PO_REG_DWORD, "a\0b\0", 4));
    ck_assert_uint_eq(out.size, 0);
    ck_assert(po_reg_show_text(&out, PO_REG_SZ, "a\0b\0", 4));
    ck_assert_str_eq(po_buf_text(&out), "ab");
    po_buf_deinit(&out);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reg_document");
    TCase *build = tcase_create("build");
    TCase *show = tcase_create("show");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(build, setup, teardown);
    tcase_add_test(build, the_last_key_goes_with_its_values);
    tcase_add_test(build, names_beyond_the_limits_are_refused);
    suite_add_tcase(suite, build);
    tcase_add_loop_test(show, data_are_shown_by_their_type, 0, (int)COUNT(shows));
    tcase_add_test(show, what_is_no_text_is_not_shown_as_one);
    suite_add_tcase(suite, show);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
