/* A message about a run: headers, encodings, the table. What Python's email module makes of it: test_mail.py. */
#include "cli/cli_mail.h"
#include "os_help.h"

static struct po_buf out;

static void
teardown(void)
{
    po_buf_deinit(&out);
}

static const char *
put(const char *subject, const char *body)
{
    static const char *const to[] = { "a@example.org", "b@example.org" };
    struct po_cli_mail mail = { .from = "pobackup@host",
                                .to = to,
                                .to_count = 2,
                                .subject = subject,
                                .body = body,
                                .date = INT64_C(17643997710000000),
                                .id = "0123@host" };

    po_buf_clear(&out);
    po_cli_mail_put(&out, &mail);
    ck_assert(!out.failed);
    return po_buf_text(&out);
}

static const char *
body_of(const char *message)
{
    const char *body = strstr(message, "\r\n\r\n");

    ck_assert_ptr_nonnull(body);
    return body + 4;
}

/* Every line ends in CR LF, is ASCII, and has at most 76 bytes. */
static void
assert_lines(const char *text)
{
    while (*text != '\0') {
        const char *end = strstr(text, "\r\n");

        ck_assert_ptr_nonnull(end);
        ck_assert_int_le(end - text, 76);
        for (; text < end; text++)
            ck_assert(*text >= ' ' && *text <= '~');
        text += 2;
    }
}

START_TEST(headers_stand_as_they_should)
{
    const char *text = put("backup done", "x\n");

    ck_assert_str_eq(text, "Date: Sat, 29 Nov 2025 07:02:51 +0000\r\n"
                           "From: pobackup@host\r\n"
                           "To: a@example.org,\r\n"
                           " b@example.org\r\n"
                           "Subject: backup done\r\n"
                           "Message-ID: <0123@host>\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: text/plain; charset=UTF-8\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n"
                           "Auto-Submitted: auto-generated\r\n"
                           "\r\n"
                           "x\r\n");
}
END_TEST

START_TEST(a_subject_of_other_letters_is_encoded_in_words_of_whole_characters)
{
    char text[4 * 120 + 1] = "";

    ck_assert_ptr_nonnull(
        strstr(put("J\xC3\xBCrgen", ""), "\r\nSubject: =?UTF-8?B?SsO8cmdlbg==?=\r\n"));
    ck_assert_ptr_nonnull(strstr(put("=?odd?=", ""), "\r\nSubject: =?UTF-8?B?PT9vZGQ/PQ==?=\r\n"));
    for (size_t i = 0; i < 120; i++)
        memcpy(text + i * 4, i % 2 == 0 ? "\xE9\x83\xB5z" : "\xF0\x9F\x93\xAE", 4);
    assert_lines(put(text, ""));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&out), "?=\r\n =?UTF-8?B?"));
}
END_TEST

START_TEST(no_subject_makes_a_line_of_its_own_headers)
{
    const char *text = put("a\r\nBcc: evil@example.org", "");

    ck_assert_ptr_null(strstr(text, "Bcc"));
    assert_lines(text);
}
END_TEST

START_TEST(the_body_is_quoted_printable)
{
    ck_assert_str_eq(body_of(put("x", "a=b J\xC3\xBC\n\n  end \nlast")),
                     "a=3Db J=C3=BC\r\n\r\n  end=20\r\nlast\r\n");
    ck_assert_str_eq(body_of(put("x", "")), "");
}
END_TEST

START_TEST(long_lines_go_on_where_no_character_is_torn)
{
    char line[301];

    for (size_t size = 1; size <= 300; size++) {
        size_t found = 0;

        memset(line, 'x', size);
        for (size_t i = size % 7; i < size; i += 7)
            line[i] = '=';
        line[size] = '\0';
        assert_lines(put("x", line));
        for (const char *at = body_of(po_buf_text(&out)); *at != '\0'; found++) {
            if (strncmp(at, "=\r\n", 3) == 0) {
                at += 3;
                found--;
            } else if (strncmp(at, "=3D", 3) == 0) {
                ck_assert_int_eq(line[found], '=');
                at += 3;
            } else if (strcmp(at, "\r\n") == 0) {
                at += 2;
                found--;
            } else {
                ck_assert_int_eq(*at, line[found]);
                at++;
            }
        }
        ck_assert_uint_eq(found, size);
    }
}
END_TEST

START_TEST(the_table_has_every_value)
{
    json_t *document = json_pack("{s:s, s:{s:f, s:[i,i]}, s:[{s:s, s:n}], s:[], s:b}", "verb",
                                 "backup", "outage", "stop", 0.25, "list", 1, 2, "skipped", "path",
                                 "a\x1b[2J/J\xC3\xBC", "why", "none", "last", 1);

    po_cli_mail_put_table(&out, document);
    json_decref(document);
    ck_assert_str_eq(po_buf_text(&out), "verb: backup\n"
                                        "outage.stop: 0.25\n"
                                        "outage.list[1]: 1\n"
                                        "outage.list[2]: 2\n"
                                        "skipped[1].path: a\\x1B[2J/J\xC3\xBC\n"
                                        "skipped[1].why: null\n"
                                        "none: none\n"
                                        "last: true\n");
}
END_TEST

START_TEST(a_long_list_is_cut_and_counted)
{
    json_t *list = json_array();

    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(json_array_append_new(list, json_integer(i)), 0);
    list = json_pack("{s:o}", "hit", list);
    po_cli_mail_put_table(&out, list);
    json_decref(list);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&out), "\nhit[200]: 199\nhit: and 100 more\n"));
}
END_TEST

START_TEST(addresses_are_looked_at)
{
    static const char *const good[] = { "a@b", "first.last+tag@mail.example.org", "a'b@x-y" };
    static const char *const bad[] = {
        "", "a", "@b", "a@", "a b@c", "a@b,c@d", "<a@b>", "a@b\r\nRCPT TO:", "J\xC3\xBC@b", "-a@b"
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(po_cli_mail_is_address(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!po_cli_mail_is_address(bad[i]), "%s", bad[i]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli_mail");
    TCase *tc = tcase_create("mail");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, headers_stand_as_they_should);
    tcase_add_test(tc, a_subject_of_other_letters_is_encoded_in_words_of_whole_characters);
    tcase_add_test(tc, no_subject_makes_a_line_of_its_own_headers);
    tcase_add_test(tc, the_body_is_quoted_printable);
    tcase_add_test(tc, long_lines_go_on_where_no_character_is_torn);
    tcase_add_test(tc, the_table_has_every_value);
    tcase_add_test(tc, a_long_list_is_cut_and_counted);
    tcase_add_test(tc, addresses_are_looked_at);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
