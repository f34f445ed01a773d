#include "base/buf.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/text.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- err ---- */

START_TEST(every_status_has_a_name)
{
    for (int i = PO_OK; i <= PO_E_USAGE; i++) {
        const char *name = po_status_name((enum po_status)i);

        ck_assert_ptr_nonnull(name);
        ck_assert_str_ne(name, "unknown status");
        for (int j = PO_OK; j < i; j++)
            ck_assert_str_ne(name, po_status_name((enum po_status)j));
    }
    ck_assert_str_eq(po_status_name((enum po_status)99), "unknown status");
    ck_assert_str_eq(po_status_name((enum po_status) - 1), "unknown status");
}
END_TEST

START_TEST(the_version_has_three_numbers)
{
    int dots = 0;

    for (const char *p = pobackup_version(); *p != '\0'; p++)
        dots += *p == '.';
    ck_assert_int_eq(dots, 2);
}
END_TEST

START_TEST(a_failure_holds_status_and_text)
{
    struct po_err err = { .os_code = 7 };

    ck_assert_int_eq(po_fail(&err, PO_E_FORMAT, "%d entries", 9), PO_E_FORMAT);
    ck_assert_int_eq(err.status, PO_E_FORMAT);
    ck_assert_uint_eq(err.os_code, 0);
    ck_assert_str_eq(err.text, "9 entries");
    ck_assert_int_eq(po_fail_nomem(&err, 5), PO_E_NOMEM);
    ck_assert_str_eq(err.text, "out of memory for 5 bytes");
}
END_TEST

START_TEST(a_failure_of_the_system_holds_its_code_and_words)
{
    struct po_err err;

    ck_assert_int_eq(po_fail_errno(&err, ENOENT, "open %s", "a"), PO_E_IO);
    ck_assert_uint_eq(err.os_code, ENOENT);
    ck_assert_str_eq(err.text, "open a: No such file or directory");
}
END_TEST

START_TEST(prefixes_pile_up_in_front)
{
    struct po_err err;

    (void)po_fail(&err, PO_E_AUTH, "cause");
    ck_assert_int_eq(po_err_prefix(&err, "inner %d", 1), PO_E_AUTH);
    ck_assert_int_eq(po_err_prefix(&err, "outer"), PO_E_AUTH);
    ck_assert_str_eq(err.text, "outer: inner 1: cause");
}
END_TEST

START_TEST(the_text_may_be_its_own_argument)
{
    struct po_err err;

    (void)po_fail(&err, PO_E_IO, "cause");
    (void)po_fail(&err, PO_E_USAGE, "[%s]", err.text);
    ck_assert_str_eq(err.text, "[cause]");
    (void)po_err_prefix(&err, "%s", err.text);
    ck_assert_str_eq(err.text, "[cause]: [cause]");
}
END_TEST

START_TEST(a_text_that_does_not_fit_is_cut_at_a_character)
{
    struct po_err err;
    char text[2000];

    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'x', lead);
        for (size_t i = lead; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        (void)po_fail(&err, PO_E_IO, "%s", text);
        ck_assert_uint_lt(strlen(err.text), sizeof(err.text));
        ck_assert_uint_ge(strlen(err.text), sizeof(err.text) - 5);
        ck_assert(po_text_is_utf8(err.text, strlen(err.text)));
        ck_assert_ptr_null(strchr(err.text, '?'));
    }
}
END_TEST

START_TEST(a_long_text_leaves_room_for_the_cause)
{
    struct po_err err;
    char text[3000];

    memset(text, 'y', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    (void)po_fail_errno(&err, EACCES, "open %s", text);
    ck_assert_ptr_nonnull(strstr(err.text, "yyy: Permission denied"));
    (void)po_err_prefix(&err, "%s", text);
    ck_assert_ptr_nonnull(strstr(err.text, "yyy: open yyy"));
    (void)po_fail(&err, PO_E_IO, "short cause");
    (void)po_err_prefix(&err, "%s", text);
    ck_assert_ptr_nonnull(strstr(err.text, "yyy: short cause"));
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

START_TEST(a_failure_is_always_one_line_of_utf8)
{
    struct po_err err;

    (void)po_fail(&err, PO_E_IO, "a\nb\x1b[2J\xffz\xC3\xA4\x7f");
    ck_assert_str_eq(err.text, "a?b?[2J?z\xC3\xA4?");
}
END_TEST

/* ---- mem ---- */

START_TEST(sizes_that_overflow_get_no_memory)
{
    size_t half = SIZE_MAX / 2;
    void *block = po_mem_new(2, 8);

    ck_assert_ptr_nonnull(block);
    ck_assert_ptr_null(po_mem_new(SIZE_MAX, 2));
    ck_assert_ptr_null(po_mem_new(2, SIZE_MAX));
    ck_assert_ptr_null(po_mem_new(half + 2, 2)); /* wraps to 2 */
    ck_assert_ptr_null(po_mem_new(1, half + 1)); /* more than PTRDIFF_MAX */
    ck_assert_ptr_null(po_mem_resize(block, half + 2, 2));
    ck_assert_ptr_null(po_mem_resize(block, SIZE_MAX, SIZE_MAX));
    ck_assert_ptr_null(po_mem_copy("", SIZE_MAX));
    ck_assert_ptr_null(po_mem_copy("", half));
    ck_assert_ptr_null(po_pages_new(SIZE_MAX));
    ck_assert_ptr_null(po_pages_new(half));
    po_mem_free(block);
}
END_TEST

START_TEST(new_memory_is_zero_and_size_0_is_a_block)
{
    uint8_t *block = po_mem_new(100, 10);

    ck_assert_ptr_nonnull(block);
    for (size_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(block[i], 0);
    block = po_mem_resize(block, 0, 10);
    ck_assert_ptr_nonnull(block);
    po_mem_free(block);
    block = po_mem_new(0, 10);
    ck_assert_ptr_nonnull(block);
    po_mem_free(block);
    po_mem_free(NULL);
}
END_TEST

START_TEST(copies_end_with_a_nul)
{
    char *copy = po_mem_copy("ab\0cd", 5);

    ck_assert_mem_eq(copy, "ab\0cd\0", 6);
    po_mem_free(copy);
    copy = po_mem_copy(NULL, 0);
    ck_assert_str_eq(copy, "");
    po_mem_free(copy);
    copy = po_mem_strdup("text");
    ck_assert_str_eq(copy, "text");
    po_mem_free(copy);
}
END_TEST

START_TEST(pages_are_zeros_and_usable_to_the_end)
{
    static const size_t sizes[] = { 0,       1,          4095,     4096,           4097,
                                    1000000, 256u << 10, 2u << 20, (2u << 20) + 1, (8u << 20) + 1 };

    /* Twice: what was given back is not what comes. */
    for (size_t i = 0; i < COUNT(sizes) * 2; i++) {
        size_t size = sizes[i % COUNT(sizes)];
        uint8_t *block = po_pages_new(size);
        size_t zeros = 0;

        ck_assert_ptr_nonnull(block);
        while (zeros < size && block[zeros] == 0)
            zeros++;
        ck_assert_uint_eq(zeros, size);
        memset(block, 0xAB, size);
        po_pages_free(block, size);
    }
    po_pages_free(NULL, 5);
}
END_TEST

/* From any of these sizes to any: each byte that both have stays. */
START_TEST(pages_keep_their_bytes_when_they_are_resized)
{
    static const size_t sizes[] = { 0,          100,      (256u << 10) - 1,
                                    256u << 10, 2u << 20, (2u << 20) + 1,
                                    5000000 };

    for (size_t i = 0; i < COUNT(sizes) * COUNT(sizes); i++) {
        size_t old_size = sizes[i / COUNT(sizes)], size = sizes[i % COUNT(sizes)];
        uint8_t *block = po_pages_resize(NULL, 0, old_size);
        size_t same = 0;

        ck_assert_ptr_nonnull(block);
        for (size_t k = 0; k < old_size; k++)
            block[k] = (uint8_t)(k * 7 + k / 4096);
        block = po_pages_resize(block, old_size, size);
        ck_assert_ptr_nonnull(block);
        while (same < size && same < old_size && block[same] == (uint8_t)(same * 7 + same / 4096))
            same++;
        ck_assert_uint_eq(same, size < old_size ? size : old_size);
        memset(block, 0xAB, size);
        po_pages_free(block, size);
    }
}
END_TEST

/* What there is no room for leaves the old block. */
START_TEST(pages_stay_when_there_is_no_room)
{
    static const size_t sizes[] = { 100, 3u << 20 };

    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t *block = po_pages_new(sizes[i]);

        ck_assert_ptr_nonnull(block);
        block[99] = 5;
        ck_assert_ptr_null(po_pages_resize(block, sizes[i], SIZE_MAX));
        ck_assert_ptr_null(po_pages_resize(block, sizes[i], (size_t)PTRDIFF_MAX - 5000));
        ck_assert_uint_eq(block[99], 5);
        po_pages_free(block, sizes[i]);
    }
}
END_TEST

/* ---- buf ---- */

START_TEST(a_buffer_grows_as_bytes_come)
{
    struct po_buf buf = { 0 };
    struct po_err err;

    for (unsigned i = 0; i < 100000; i++)
        po_buf_put_u8(&buf, (uint8_t)i);
    ck_assert_int_eq(po_buf_check(&buf, &err), PO_OK);
    ck_assert_uint_eq(buf.size, 100000);
    for (unsigned i = 0; i < 100000; i++)
        if (buf.bytes[i] != (uint8_t)i)
            ck_abort_msg("byte %u", i);
    po_buf_deinit(&buf);
    ck_assert_ptr_null(buf.bytes);
}
END_TEST

START_TEST(numbers_are_little_endian)
{
    struct po_buf buf = { 0 };
    struct po_cursor cur;

    po_buf_put_u8(&buf, 0x01);
    po_buf_put_u16le(&buf, 0x0203);
    po_buf_put_u32le(&buf, 0x04050607);
    po_buf_put_u64le(&buf, UINT64_C(0x08090A0B0C0D0E0F));
    po_buf_put_zeros(&buf, 3);
    ck_assert_uint_eq(buf.size, 18);
    ck_assert_mem_eq(buf.bytes,
                     "\x01\x03\x02\x07\x06\x05\x04\x0F\x0E\x0D\x0C\x0B\x0A\x09\x08\0\0\0", 18);
    cur = po_cursor_over(buf.bytes, buf.size);
    ck_assert_uint_eq(po_cursor_u8(&cur), 0x01);
    ck_assert_uint_eq(po_cursor_u16(&cur), 0x0203);
    ck_assert_uint_eq(po_cursor_u32(&cur), 0x04050607);
    ck_assert_uint_eq(po_cursor_u64(&cur), UINT64_C(0x08090A0B0C0D0E0F));
    ck_assert(po_cursor_zeros(&cur, 3));
    ck_assert(po_cursor_ended_well(&cur));
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(loads_and_stores_agree_at_any_alignment)
{
    uint8_t bytes[16];

    for (size_t at = 0; at < 8; at++) {
        po_store_u32le(bytes + at, UINT32_C(0xFEDCBA98));
        ck_assert_uint_eq(po_load_u32le(bytes + at), UINT32_C(0xFEDCBA98));
        ck_assert_uint_eq(po_load_u16le(bytes + at), 0xBA98);
        po_store_u64le(bytes + at, UINT64_C(0xFEDCBA9876543210));
        ck_assert_uint_eq(po_load_u64le(bytes + at), UINT64_C(0xFEDCBA9876543210));
    }
}
END_TEST

START_TEST(a_failed_buffer_stays_failed_until_cleared)
{
    struct po_buf buf = { 0 };
    struct po_err err;

    po_buf_put_text(&buf, "abc");
    ck_assert(!po_buf_reserve(&buf, SIZE_MAX));
    ck_assert(buf.failed);
    po_buf_put_text(&buf, "def");
    ck_assert_uint_eq(buf.size, 3);
    ck_assert_int_eq(po_buf_check(&buf, &err), PO_E_NOMEM);
    ck_assert_str_eq(po_buf_text(&buf), "");
    po_buf_clear(&buf);
    po_buf_put_text(&buf, "def");
    ck_assert_int_eq(po_buf_check(&buf, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&buf), "def");
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(printing_into_a_buffer_appends)
{
    struct po_buf buf = { 0 };

    ck_assert_str_eq(po_buf_text(&buf), "");
    po_buf_printf(&buf, "%s-%d", "a", 5);
    po_buf_printf(&buf, "%0200d", 1);
    ck_assert_uint_eq(buf.size, 203);
    ck_assert_uint_eq(strlen(po_buf_text(&buf)), 203);
    ck_assert(strncmp(po_buf_text(&buf), "a-50000", 7) == 0);
    po_buf_deinit(&buf);
}
END_TEST

/* ---- cursor ---- */

START_TEST(a_read_beyond_the_end_gives_0_and_is_remembered)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    struct po_cursor cur = po_cursor_over(bytes, sizeof(bytes));
    uint8_t copy[4] = { 9, 9, 9, 9 };

    ck_assert_uint_eq(po_cursor_u32(&cur), 0);
    ck_assert(cur.overrun);
    ck_assert_uint_eq(po_cursor_left(&cur), 0);
    /* Three bytes would be there, but they are not for this read. */
    ck_assert_uint_eq(po_cursor_u8(&cur), 0);
    ck_assert_ptr_null(po_cursor_bytes(&cur, 0));
    po_cursor_copy(&cur, copy, sizeof(copy));
    ck_assert_mem_eq(copy, "\0\0\0\0", 4);
    ck_assert(!po_cursor_ended_well(&cur));
}
END_TEST

START_TEST(each_width_overruns_exactly_at_the_end)
{
    static const uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

    for (size_t size = 0; size <= 8; size++) {
        struct po_cursor a = po_cursor_over(bytes, size);
        struct po_cursor b = po_cursor_over(bytes, size);
        struct po_cursor c = po_cursor_over(bytes, size);
        struct po_cursor d = po_cursor_over(bytes, size);

        ck_assert_int_eq(po_cursor_u8(&a) != 0, size >= 1);
        ck_assert_int_eq(po_cursor_u16(&b) != 0, size >= 2);
        ck_assert_int_eq(po_cursor_u32(&c) != 0, size >= 4);
        ck_assert_int_eq(po_cursor_u64(&d) != 0, size >= 8);
        ck_assert_int_eq(a.overrun, size < 1);
        ck_assert_int_eq(d.overrun, size < 8);
        ck_assert_int_eq(po_cursor_ended_well(&c), size == 4);
    }
}
END_TEST

START_TEST(huge_sizes_do_not_wrap_the_cursor)
{
    static const uint8_t bytes[] = { 0, 0 };
    struct po_cursor cur = po_cursor_over(bytes, 2);

    ck_assert_ptr_null(po_cursor_bytes(&cur, SIZE_MAX));
    cur = po_cursor_over(bytes, 2);
    ck_assert(!po_cursor_zeros(&cur, SIZE_MAX - 1));
    ck_assert(cur.overrun);
}
END_TEST

START_TEST(an_empty_cursor_has_ended_well)
{
    struct po_cursor cur = po_cursor_over(NULL, 0);
    uint8_t none;

    ck_assert(po_cursor_ended_well(&cur));
    ck_assert(po_cursor_zeros(&cur, 0));
    po_cursor_copy(&cur, &none, 0);
    ck_assert(po_cursor_ended_well(&cur));
}
END_TEST

START_TEST(zeros_must_be_zero)
{
    struct po_cursor cur = po_cursor_over("\0\0\1\0", 4);

    ck_assert(po_cursor_zeros(&cur, 2));
    ck_assert(!po_cursor_zeros(&cur, 2));
    ck_assert(!cur.overrun);
    ck_assert(po_cursor_ended_well(&cur));
}
END_TEST

/* ---- text ---- */

START_TEST(only_strict_utf8_is_utf8)
{
    static const char *const good[] = {
        "",
        "a",
        "\x7F",
        "\xC2\x80",
        "\xDF\xBF",
        "\xE0\xA0\x80",
        "\xED\x9F\xBF",
        "\xEE\x80\x80",
        "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80",
        "\xF4\x8F\xBF\xBF",
        "x\xC3\xA4y",
    };
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC2",
        "\xC2x",
        "\xC2\xC2",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xE2\x82",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF0\x9F\x98",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "good\xE4",
        "\xC3\xA4\xA4",
    };

    for (size_t i = 0; i < COUNT(good); i++)
        ck_assert_msg(po_text_is_utf8(good[i], strlen(good[i])), "good %zu", i);
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(!po_text_is_utf8(bad[i], strlen(bad[i])), "bad %zu", i);
    ck_assert(po_text_is_utf8("a\0b", 3));
    ck_assert(!po_text_is_utf8("\xC3\xA4", 1));
    ck_assert_uint_eq(po_text_utf8_step("\xF0\x9F\x98\x80", 4), 4);
    ck_assert_uint_eq(po_text_utf8_step("\xF0\x9F\x98\x80", 3), 0);
    ck_assert_uint_eq(po_text_utf8_step("", 0), 0);
}
END_TEST

START_TEST(names_are_compared_byte_by_byte)
{
    ck_assert_int_eq(po_text_compare("a", 1, "a", 1), 0);
    ck_assert_int_lt(po_text_compare("a", 1, "ab", 2), 0);
    ck_assert_int_gt(po_text_compare("ab", 2, "a", 1), 0);
    ck_assert_int_lt(po_text_compare("a", 1, "\xFF", 1), 0);
    ck_assert_int_lt(po_text_compare("a\0a", 3, "a\0b", 3), 0);
    ck_assert_int_eq(po_text_compare(NULL, 0, NULL, 0), 0);
    ck_assert_int_lt(po_text_compare("a-b", 3, "a/b", 3), 0);
}
END_TEST

struct glob_case {
    const char *pattern;
    const char *path;
    bool is_match;
};

static const struct glob_case glob_cases[] = {
    { "a", "a", true },
    { "a", "b", false },
    { "a", "ab", false },
    { "ab", "a", false },
    { "", "", true },
    { "", "a", false },
    { "?", "a", true },
    { "?", "", false },
    { "?", "/", false },
    { "?", "\xC3\xA4", true },
    { "??", "\xC3\xA4", false },
    { "?", "\xE4", true },
    { "*", "abc", true },
    { "*", "", true },
    { "a*", "a", true },
    { "*.log", "x.log", true },
    { "*.log", "d/x.log", false },
    { "*/x", "d/x", true },
    { "*/x", "d/e/x", false },
    { "a*b*c", "aXbYbZc", true },
    { "a*b*c", "aXbYbZ", false },
    { "a*b", "a/b", false },
    { "**", "a/b/c", true },
    { "**", "", true },
    { "a/**", "a/b/c", true },
    { "a/**", "a", false },
    { "**/x", "x", true },
    { "**/x", "a/x", true },
    { "**/x", "a/b/x", true },
    { "**/x", "ax", false },
    { "**/x", "a/bx", false },
    { "a/**/z", "a/z", true },
    { "a/**/z", "a/b/z", true },
    { "a/**/z", "a/b/c/z", true },
    { "a/**/z", "a/b/cz", false },
    { "a/**/z", "az", false },
    { "a**z", "a/b/z", true },
    { "a**z", "az", true },
    { "a**/z", "ab/c/z", true },
    { "***/z", "a/b/z", true },
    { "**/*.c", "src/a/b.c", true },
    { "**/a*b/c", "x/ab/aXb/c", true },
    { "**/a*b/c", "x/ab/aX/b/c", false },
    { "[abc]", "b", true },
    { "[abc]", "d", false },
    { "[a-c]x", "bx", true },
    { "[a-c]x", "dx", false },
    { "[!a]", "b", true },
    { "[!a]", "a", false },
    { "[!a]", "/", false },
    { "[]]", "]", true },
    { "[]a]", "a", true },
    { "[!]]", "]", false },
    { "[a-]", "-", true },
    { "[-a]", "-", true },
    { "[\\]]", "]", true },
    { "[a\\-z]", "-", true },
    { "[a\\-z]", "m", false },
    { "[\xE0-\xFF]", "\xE4", true },
    { "[abc", "[abc", true },
    { "[abc", "a", false },
    { "[", "[", true },
    { "a[", "a[", true },
    { "\\*", "*", true },
    { "\\*", "a", false },
    { "\\\\", "\\", true },
    { "a\\", "a\\", true },
    { "Post.OfficeConfigBackup", "Post.OfficeConfigBackup/a/b", true },
    { "Post.OfficeConfigBackup", "Post.OfficeConfigBackup2", false },
    { "Post.OfficeConfigBackup/", "Post.OfficeConfigBackup/a", true },
    { "Post.OfficeConfigBackup/", "Post.OfficeConfigBackup", true },
    { "*", "a/b/c", true },
    { "a/*", "a/b/c", true },
    { "a?", "ab/c", true },
    { "a*c", "abc/d", true },
    { "*c", "ab/c", false },
    { "**c", "ab/c/d", true },
    { "A", "a", false },
};

START_TEST(globs_match_as_the_header_says)
{
    const struct glob_case *c = &glob_cases[_i];

    ck_assert_msg(po_text_glob(c->pattern, c->path, strlen(c->path)) == c->is_match, "%s on %s",
                  c->pattern, c->path);
}
END_TEST

START_TEST(a_path_need_not_end_with_a_nul)
{
    ck_assert(po_text_glob("ab", "abc", 2));
    ck_assert(po_text_glob("a[!x]c", "a\nc", 3));
}
END_TEST

/* `part` 60 times and then "b". */
static void
repeat(struct po_buf *pattern, const char *part)
{
    po_buf_clear(pattern);
    for (int i = 0; i < 60; i++)
        po_buf_put_text(pattern, part);
    po_buf_put_text(pattern, "b");
}

START_TEST(pathological_globs_end_soon)
{
    static char path[20001];
    struct po_buf pattern = { 0 };

    memset(path, 'a', 20000);
    repeat(&pattern, "a*");
    ck_assert(!po_text_glob(po_buf_text(&pattern), path, 20000));
    repeat(&pattern, "**a");
    ck_assert(!po_text_glob(po_buf_text(&pattern), path, 20000));
    for (int i = 1; i < 20000; i += 2)
        path[i] = '/';
    repeat(&pattern, "**/*a/");
    ck_assert(!po_text_glob(po_buf_text(&pattern), path, 20000));
    po_buf_deinit(&pattern);
}
END_TEST

/*
 * The plain definition, exponential: what the fast one is compared with. `at_start`: at the start
 * of a component.
 */
static bool
slow_glob(const char *pattern, bool at_start, const char *path)
{
    if (*pattern == '\0')
        return *path == '\0' || *path == '/';
    if (strncmp(pattern, "**", 2) == 0) {
        const char *rest = pattern + 2;

        while (*rest == '*')
            rest++;
        if (at_start && *rest == '/') {
            if (slow_glob(rest + 1, true, path))
                return true;
            for (const char *p = path; *p != '\0'; p++)
                if (*p == '/' && slow_glob(rest + 1, true, p + 1))
                    return true;
            return false;
        }
        for (const char *p = path;; p++) {
            if (slow_glob(rest, false, p))
                return true;
            if (*p == '\0')
                return false;
        }
    }
    if (*pattern == '*') {
        for (const char *p = path;; p++) {
            if (slow_glob(pattern + 1, false, p))
                return true;
            if (*p == '\0' || *p == '/')
                return false;
        }
    }
    if (*path == '\0' || (*pattern == '?' ? *path == '/' : *pattern != *path))
        return false;
    return slow_glob(pattern + 1, *pattern == '/', path + 1);
}

START_TEST(random_globs_match_as_by_the_plain_definition)
{
    static const char pattern_letters[] = "aab/?***";
    static const char path_letters[] = "aabb/";
    uint32_t seed = 12345;
    int matches = 0;

    for (int round = 0; round < 200000; round++) {
        char pattern[10];
        char path[12];
        size_t pattern_size;
        size_t path_size;
        bool is_match;

        seed = seed * 1664525 + 1013904223;
        pattern_size = 1 + (seed >> 24) % 8;
        seed = seed * 1664525 + 1013904223;
        path_size = (seed >> 24) % 11;
        for (size_t i = 0; i < pattern_size; i++) {
            seed = seed * 1664525 + 1013904223;
            pattern[i] = pattern_letters[(seed >> 24) % 8];
        }
        for (size_t i = 0; i < path_size; i++) {
            seed = seed * 1664525 + 1013904223;
            path[i] = path_letters[(seed >> 24) % 5];
        }
        pattern[pattern_size] = '\0';
        path[path_size] = '\0';
        is_match = po_text_glob(pattern, path, path_size);
        matches += is_match;
        if (pattern_size > 1 && pattern[pattern_size - 1] == '/')
            pattern[pattern_size - 1] = '\0';
        if (is_match != slow_glob(pattern, true, path))
            ck_abort_msg("%s on %s: %d", pattern, path, is_match);
    }
    ck_assert_int_gt(matches, 10000);
}
END_TEST

START_TEST(sizes_are_parsed_with_their_suffix)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        { "0", 0 },
        { "1", 1 },
        { "512B", 512 },
        { "8M", 8388608 },
        { "8m", 8388608 },
        { "8MiB", 8388608 },
        { "8MB", 8388608 },
        { "8mib", 8388608 },
        { "1K", 1024 },
        { "3g", UINT64_C(3221225472) },
        { "2T", UINT64_C(2199023255552) },
        { "18446744073709551615", UINT64_MAX },
        { "16777215T", UINT64_C(16777215) << 40 },
    };
    static const char *const bad[] = {
        "",
        "M",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 M",
        "1.5M",
        "8MM",
        "8iB",
        "8Mi",
        "8MiBx",
        "8P",
        "0x10",
        "18446744073709551616",
        "16777216T",
        "99999999999999999999999",
    };
    uint64_t value;

    for (size_t i = 0; i < COUNT(good); i++) {
        value = 77;
        ck_assert_msg(po_text_parse_size(good[i].text, &value), "%s", good[i].text);
        ck_assert_uint_eq(value, good[i].value);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        value = 77;
        ck_assert_msg(!po_text_parse_size(bad[i], &value), "%s", bad[i]);
        ck_assert_uint_eq(value, 77);
    }
}
END_TEST

START_TEST(plain_numbers_have_a_limit)
{
    uint64_t value = 77;

    ck_assert(po_text_parse_u64("255", 255, &value));
    ck_assert_uint_eq(value, 255);
    ck_assert(!po_text_parse_u64("256", 255, &value));
    ck_assert(!po_text_parse_u64("9", 5, &value));
    ck_assert(!po_text_parse_u64("", 255, &value));
    ck_assert(!po_text_parse_u64("1x", 255, &value));
    ck_assert(!po_text_parse_u64("-1", 255, &value));
    ck_assert_uint_eq(value, 255);
    ck_assert(po_text_parse_u64("0018", 18, &value));
    ck_assert_uint_eq(value, 18);
    ck_assert(po_text_parse_u64("0", 0, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(po_text_parse_u64("18446744073709551615", UINT64_MAX, &value));
    ck_assert(!po_text_parse_u64("18446744073709551616", UINT64_MAX, &value));
}
END_TEST

static const struct {
    const char *text;
    int64_t time;
} times[] = {
    { "1970-01-01T00:00:00.0000000Z", 0 },
    { "1970-01-01T00:00:00.0000001Z", 1 },
    { "1969-12-31T23:59:59.9999999Z", -1 },
    { "1969-12-31T23:59:59.0000000Z", -10000000 },
    { "2026-11-24T02:00:00.1234567Z", INT64_C(17954856001234567) },
    { "2000-02-29T12:34:56.7890000Z", INT64_C(9518276967890000) },
    { "1900-02-28T23:59:59.9999999Z", INT64_C(-22038912000000001) },
    { "1900-03-01T00:00:00.0000000Z", INT64_C(-22038912000000000) },
    { "1601-01-01T00:00:00.0000000Z", INT64_C(-116444736000000000) },
    { "0001-01-01T00:00:00.0000000Z", INT64_C(-621355968000000000) },
    { "9999-12-31T23:59:59.9999999Z", INT64_C(2534023007999999999) },
    { "2038-01-19T03:14:08.0000000Z", INT64_C(21474836480000000) },
};

START_TEST(times_become_text_and_back)
{
    struct po_buf buf = { 0 };
    int64_t time = 0;

    po_text_put_time(&buf, times[_i].time);
    ck_assert_str_eq(po_buf_text(&buf), times[_i].text);
    ck_assert(po_text_parse_time(times[_i].text, &time));
    ck_assert_int_eq(time, times[_i].time);
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(every_day_of_ten_thousand_years_survives_the_round_trip)
{
    const int64_t day = INT64_C(864000000000);
    struct po_buf buf = { 0 };

    for (int64_t time = INT64_C(-621355968000000000); time < INT64_C(2534023008000000000);
         time += day * 3 + 12345678901) {
        int64_t back = 0;

        po_buf_clear(&buf);
        po_text_put_time(&buf, time);
        /* Check writes to a pipe for every assertion that holds: too slow for a million. */
        if (buf.size != 28 || !po_text_parse_time(po_buf_text(&buf), &back) || back != time)
            ck_abort_msg("%s", po_buf_text(&buf));
    }
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(times_out_of_range_are_clamped)
{
    struct po_buf buf = { 0 };

    po_text_put_time(&buf, POBACKUP_TIME_UNKNOWN);
    ck_assert_str_eq(po_buf_text(&buf), "0001-01-01T00:00:00.0000000Z");
    po_buf_clear(&buf);
    po_text_put_time(&buf, INT64_MAX);
    ck_assert_str_eq(po_buf_text(&buf), "9999-12-31T23:59:59.9999999Z");
    po_buf_clear(&buf);
    po_text_put_time_compact(&buf, INT64_C(17954856001234567));
    ck_assert_str_eq(po_buf_text(&buf), "20261124T020000Z");
    po_buf_deinit(&buf);
}
END_TEST

START_TEST(malformed_times_are_refused)
{
    static const char *const bad[] = {
        "",
        "2026-11-24",
        "2026-11-24T02:00:00Z",
        "2026-11-24T02:00:00.123456Z",
        "2026-11-24T02:00:00.12345678Z",
        "2026-11-24T02:00:00.1234567",
        "2026-11-24T02:00:00.1234567z",
        "2026-11-24T02:00:00.1234567Z ",
        " 2026-11-24T02:00:00.1234567Z",
        "2026-11-24 02:00:00.1234567Z",
        "2026-13-24T02:00:00.1234567Z",
        "2026-00-24T02:00:00.1234567Z",
        "2026-11-31T02:00:00.1234567Z",
        "2026-11-00T02:00:00.1234567Z",
        "2026-02-29T02:00:00.1234567Z",
        "1900-02-29T02:00:00.1234567Z",
        "2026-11-24T24:00:00.1234567Z",
        "2026-11-24T02:60:00.1234567Z",
        "2026-11-24T02:00:60.1234567Z",
        "0000-11-24T02:00:00.1234567Z",
        "-026-11-24T02:00:00.1234567Z",
        "2026-11-24T02:00:00,1234567Z",
        "2026-11-24T02:00:00.1234567+00:00",
    };
    int64_t time = 5;

    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_msg(!po_text_parse_time(bad[i], &time), "%s", bad[i]);
    ck_assert_int_eq(time, 5);
}
END_TEST

START_TEST(bytes_become_hexadecimal_and_back)
{
    static const uint8_t bytes[] = { 0x00, 0x0F, 0xA5, 0xFF };
    uint8_t back[4] = { 1, 2, 3, 4 };
    struct po_buf buf = { 0 };

    po_text_put_hex(&buf, bytes, sizeof(bytes));
    ck_assert_str_eq(po_buf_text(&buf), "000fa5ff");
    ck_assert(po_text_parse_hex("000fA5Ff", back, 4));
    ck_assert_mem_eq(back, bytes, 4);
    back[0] = 9;
    ck_assert(!po_text_parse_hex("000fa5f", back, 4));
    ck_assert(!po_text_parse_hex("000fa5ff0", back, 4));
    ck_assert(!po_text_parse_hex("000fa5fg", back, 4));
    ck_assert(!po_text_parse_hex("", back, 4));
    ck_assert_uint_eq(back[0], 9);
    ck_assert(po_text_parse_hex("", back, 0));
    po_buf_deinit(&buf);
}
END_TEST

static void
check_size(uint64_t size, const char *expected)
{
    struct po_buf buf = { 0 };

    po_text_put_size(&buf, size);
    ck_assert_str_eq(po_buf_text(&buf), expected);
    po_buf_deinit(&buf);
}

START_TEST(sizes_are_readable)
{
    check_size(0, "0 B");
    check_size(512, "512 B");
    check_size(1023, "1023 B");
    check_size(1024, "1 KiB");
    check_size(7578, "7.4 KiB");
    check_size(1034, "1.01 KiB");
    check_size(1299227607, "1.21 GiB");
    check_size(1048575, "1 MiB");
    check_size(1047000, "1022 KiB");
    check_size(10235, "10 KiB");
    check_size(12 * 1024 + 300, "12.3 KiB");
    check_size(UINT64_C(5) << 40, "5 TiB");
    check_size(UINT64_MAX, "16 EiB");
}
END_TEST

static void
check_seconds(double seconds, const char *expected)
{
    struct po_buf buf = { 0 };

    po_text_put_seconds(&buf, seconds);
    ck_assert_str_eq(po_buf_text(&buf), expected);
    po_buf_deinit(&buf);
}

START_TEST(durations_are_readable)
{
    check_seconds(0, "0.00 s");
    check_seconds(-5, "0.00 s");
    check_seconds(0.42, "0.42 s");
    check_seconds(9.994, "9.99 s");
    check_seconds(9.996, "10.0 s");
    check_seconds(12.34, "12.3 s");
    check_seconds(59.94, "59.9 s");
    check_seconds(59.96, "1 min 00 s");
    check_seconds(200, "3 min 20 s");
    check_seconds(3599.4, "59 min 59 s");
    check_seconds(3599.6, "1 h 00 min");
    check_seconds(7530, "2 h 05 min");
    check_seconds(1e300, "277777777 h 46 min");
    check_seconds((double)strtof("nan", NULL), "0.00 s");
}
END_TEST

static void
check_name(const char *name, size_t size, const char *expected)
{
    struct po_buf buf = { 0 };

    po_text_put_name(&buf, name, size);
    ck_assert_str_eq(po_buf_text(&buf), expected);
    po_buf_deinit(&buf);
}

/* What the C library of Windows makes of it is the text again. */
START_TEST(an_argument_of_windows_is_quoted)
{
    static const char *const pairs[][2] = {
        { "", "\"\"" },
        { "a b", "\"a b\"" },
        { "C:\\dir\\", "\"C:\\dir\\\\\"" },
        { "a\\b", "\"a\\b\"" },
        { "say \"x\"", "\"say \\\"x\\\"\"" },
        { "\\\"", "\"\\\\\\\"\"" },
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct po_buf out = { 0 };

        po_text_put_argument(&out, pairs[i][0]);
        ck_assert_str_eq(po_buf_text(&out), pairs[i][1]);
        po_buf_deinit(&out);
    }
}
END_TEST

START_TEST(names_are_safe_to_print)
{
    check_name("plain name.txt", 14, "plain name.txt");
    check_name("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    check_name("a\nb\tc\\d\r\x1b[0m\x7F", 13, "a\\nb\\tc\\\\d\\x0D\\x1B[0m\\x7F");
    check_name("\0", 1, "\\x00");
    check_name("\xE4z\xC3", 3, "\\xE4z\\xC3");
    check_name("\xE2\x80\xAE", 3, "\\xE2\\x80\\xAE"); /* right-to-left override */
    check_name("\xE2\x81\xA6", 3, "\\xE2\\x81\\xA6"); /* isolate */
    check_name("\xE2\x80\x8B", 3, "\\xE2\\x80\\x8B"); /* zero width space */
    check_name("\xEF\xBB\xBF", 3, "\\xEF\\xBB\\xBF"); /* byte order mark */
    check_name("\xC2\x9B", 2, "\\xC2\\x9B");          /* a C1 control: CSI */
    check_name("", 0, "");
}
END_TEST

START_TEST(ascii_case_is_ignored_and_no_other)
{
    ck_assert(po_text_is_equal_nocase("AbC", "aBc"));
    ck_assert(po_text_is_equal_nocase("", ""));
    ck_assert(!po_text_is_equal_nocase("a", "ab"));
    ck_assert(!po_text_is_equal_nocase("ab", "a"));
    ck_assert(!po_text_is_equal_nocase("[", "{"));
    ck_assert(!po_text_is_equal_nocase("\xC4", "\xE4"));
}
END_TEST

static void
add_err_mem_buf(Suite *suite)
{
    TCase *tc = tcase_create("err, mem, buf, cursor");

    tcase_add_test(tc, every_status_has_a_name);
    tcase_add_test(tc, the_version_has_three_numbers);
    tcase_add_test(tc, a_failure_holds_status_and_text);
    tcase_add_test(tc, a_failure_of_the_system_holds_its_code_and_words);
    tcase_add_test(tc, prefixes_pile_up_in_front);
    tcase_add_test(tc, the_text_may_be_its_own_argument);
    tcase_add_test(tc, a_text_that_does_not_fit_is_cut_at_a_character);
    tcase_add_test(tc, a_long_text_leaves_room_for_the_cause);
    tcase_add_test(tc, a_failure_is_always_one_line_of_utf8);
    tcase_add_test(tc, sizes_that_overflow_get_no_memory);
    tcase_add_test(tc, new_memory_is_zero_and_size_0_is_a_block);
    tcase_add_test(tc, copies_end_with_a_nul);
    tcase_add_test(tc, pages_are_zeros_and_usable_to_the_end);
    tcase_add_test(tc, pages_keep_their_bytes_when_they_are_resized);
    tcase_add_test(tc, pages_stay_when_there_is_no_room);
    tcase_add_test(tc, a_buffer_grows_as_bytes_come);
    tcase_add_test(tc, numbers_are_little_endian);
    tcase_add_test(tc, loads_and_stores_agree_at_any_alignment);
    tcase_add_test(tc, a_failed_buffer_stays_failed_until_cleared);
    tcase_add_test(tc, printing_into_a_buffer_appends);
    tcase_add_test(tc, a_read_beyond_the_end_gives_0_and_is_remembered);
    tcase_add_test(tc, each_width_overruns_exactly_at_the_end);
    tcase_add_test(tc, huge_sizes_do_not_wrap_the_cursor);
    tcase_add_test(tc, an_empty_cursor_has_ended_well);
    tcase_add_test(tc, zeros_must_be_zero);
    suite_add_tcase(suite, tc);
}

static void
add_text(Suite *suite)
{
    TCase *tc = tcase_create("text");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, only_strict_utf8_is_utf8);
    tcase_add_test(tc, names_are_compared_byte_by_byte);
    tcase_add_loop_test(tc, globs_match_as_the_header_says, 0, (int)COUNT(glob_cases));
    tcase_add_test(tc, a_path_need_not_end_with_a_nul);
    tcase_add_test(tc, pathological_globs_end_soon);
    tcase_add_test(tc, random_globs_match_as_by_the_plain_definition);
    tcase_add_test(tc, sizes_are_parsed_with_their_suffix);
    tcase_add_test(tc, plain_numbers_have_a_limit);
    tcase_add_loop_test(tc, times_become_text_and_back, 0, (int)COUNT(times));
    tcase_add_test(tc, every_day_of_ten_thousand_years_survives_the_round_trip);
    tcase_add_test(tc, times_out_of_range_are_clamped);
    tcase_add_test(tc, malformed_times_are_refused);
    tcase_add_test(tc, bytes_become_hexadecimal_and_back);
    tcase_add_test(tc, sizes_are_readable);
    tcase_add_test(tc, durations_are_readable);
    tcase_add_test(tc, an_argument_of_windows_is_quoted);
    tcase_add_test(tc, names_are_safe_to_print);
    tcase_add_test(tc, ascii_case_is_ignored_and_no_other);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("base");
    SRunner *runner;
    int failed;

    add_err_mem_buf(suite);
    add_text(suite);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
