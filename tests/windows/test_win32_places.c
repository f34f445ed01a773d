/* req: N5: where bin, spool and mailbox are, from the values of the key and the services' programs. */
#include "base/mem.h"
#include "host/host_win32.h"
#include "reg_help.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a machine's directories ---- */

static char top[MAX_PATH]; /* with '/' */

static void
make(const char *below, bool is_file)
{
    struct po_buf path = { 0 };
    wchar_t wide[MAX_PATH];

    po_buf_printf(&path, "%s", top);
    for (const char *at = below; *at != '\0'; at++) {
        const char *end = at + strcspn(at, "/");

        po_buf_printf(&path, "/%.*s", (int)(end - at), at);
        ck_assert_int_gt(MultiByteToWideChar(CP_UTF8, 0, po_buf_text(&path), -1, wide, MAX_PATH),
                         0);
        if (*end == '\0' && is_file) {
            HANDLE file = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);

            ck_assert_ptr_ne(file, INVALID_HANDLE_VALUE);
            CloseHandle(file);
        } else if (!CreateDirectoryW(wide, NULL)) {
            ck_assert_uint_eq(GetLastError(), ERROR_ALREADY_EXISTS);
        }
        at = *end != '\0' ? end : end - 1;
    }
    po_buf_deinit(&path);
}

static void
remove_tree(const wchar_t *path)
{
    wchar_t pattern[MAX_PATH];
    WIN32_FIND_DATAW found;
    HANDLE find;

    (void)swprintf(pattern, MAX_PATH, L"%ls\\*", path);
    find = FindFirstFileW(pattern, &found);
    if (find == INVALID_HANDLE_VALUE)
        return;
    do {
        if (wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0)
            continue;
        (void)swprintf(pattern, MAX_PATH, L"%ls\\%ls", path, found.cFileName);
        if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
            remove_tree(pattern);
        else
            ck_assert(DeleteFileW(pattern));
    } while (FindNextFileW(find, &found));
    FindClose(find);
    ck_assert(RemoveDirectoryW(path));
}

static void
tear_down(void)
{
    wchar_t path[MAX_PATH];

    reg_temp(path, L"pobackup-places");
    remove_tree(path);
    (void)SetEnvironmentVariableW(L"POBACKUP_TEST_PLACE", NULL);
}

/* The guide's own directories, and others that values may name. */
static void
set_up(void)
{
    wchar_t path[MAX_PATH];

    tear_down();
    reg_temp(path, L"pobackup-places");
    ck_assert(CreateDirectoryW(path, NULL));
    ck_assert_int_gt(WideCharToMultiByte(CP_UTF8, 0, path, -1, top, sizeof(top), NULL, NULL), 0);
    for (char *c = top; *c != '\0'; c++)
        if (*c == '\\')
            *c = '/';
    (void)SetEnvironmentVariableW(L"POBACKUP_TEST_PLACE", path);
    make("PO/bin/Post.Office.exe", true);
    make("PO/bin/others/poperms.exe", true);
    make("PO/spool/control", false);
    make("PO/spool/messages", false);
    make("PO/spool/log", false);
    make("PO/spool/accounts.db", true);
    make("PO/mailbox", false);
    make("\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB", false);
    make("other", false);
}

/* ---- finding ---- */

static char found[PO_PART_COUNT][MAX_PATH];

/*
 * Values, one a line; "$" is the directory of the tests, "|" a '\' (twice in the file). Gives the
 * status; places are in `found`, without the directory of the tests.
 */
static enum po_status
find_with(const char *values, const struct po_win32_service *services, size_t service_count,
          const char *const given[PO_PART_COUNT], struct po_err *err)
{
    struct po_buf lines = { 0 };
    char *place[PO_PART_COUNT] = { 0 };
    struct po_reg *reg;
    enum po_status st;

    po_buf_put_text(&lines, "[" REG_PLAIN "]\n");
    for (const char *at = values; *at != '\0'; at++) {
        if (*at == '|') {
            po_buf_put_text(&lines, "\\\\");
        } else if (*at == '$') {
            for (const char *c = top; *c != '\0'; c++)
                po_buf_printf(&lines, "%s", *c == '/' ? "\\\\" : (char[]){ *c, '\0' });
        } else {
            po_buf_put_u8(&lines, (uint8_t)*at);
        }
    }
    reg = reg_parse(po_buf_text(&lines));
    for (int part = 0; given != NULL && part < PO_PART_COUNT; part++)
        place[part] = given[part] != NULL ? po_mem_strdup(given[part]) : NULL;
    st = po_win32_places_find(place, reg, services, service_count, err);
    ck_assert_ptr_null(place[PO_PART_REGISTRY]);
    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++) {
        const char *text = place[part] != NULL ? place[part] : "";

        if (_strnicmp(text, top, strlen(top)) == 0)
            text += strlen(top);
        (void)snprintf(found[part], sizeof(found[part]), "%s", text);
        po_mem_free(place[part]);
    }
    po_reg_free(reg);
    po_buf_deinit(&lines);
    return st;
}

static void
assert_found(const char *values, const char *bin, const char *spool, const char *mailbox)
{
    struct po_err err = { 0 };

    if (find_with(values, NULL, 0, NULL, &err) != PO_OK)
        ck_abort_msg("%s: %s", values, err.text);
    ck_assert_str_eq(found[PO_PART_BIN], bin);
    ck_assert_str_eq(found[PO_PART_SPOOL], spool);
    ck_assert_str_eq(found[PO_PART_MAILBOX], mailbox);
}

/* The message, without the directory of the tests. */
static void
assert_not_found(const char *values, const char *message)
{
    struct po_err err = { 0 };
    struct po_buf text = { 0 };

    ck_assert_int_eq(find_with(values, NULL, 0, NULL, &err), PO_E_USAGE);
    for (const char *at = err.text; *at != '\0';) {
        if (_strnicmp(at, top, strlen(top)) == 0) {
            po_buf_put_text(&text, "$");
            at += strlen(top);
        } else {
            po_buf_put_u8(&text, (uint8_t)*at++);
        }
    }
    ck_assert_str_eq(po_buf_text(&text), message);
    po_buf_deinit(&text);
}

#define BIN "\"A\"=\"$|PO|bin\"\n"
#define SPOOL "\"B\"=\"$|PO|spool\"\n"
#define MAILBOX "\"C\"=\"$|PO|mailbox\"\n"

START_TEST(places_are_found_by_what_lies_in_them)
{
    assert_found(BIN SPOOL MAILBOX, "/PO/bin", "/PO/spool", "/PO/mailbox");
    /* Whatever the names say. */
    assert_found("\"spool\"=\"$|PO|bin\"\n\"mail\"=\"$|PO|spool\"\n\"bin\"=\"$|PO|mailbox\"\n",
                 "/PO/bin", "/PO/spool", "/PO/mailbox");
    /* In all forms of text; with what people put around it; more than once. */
    assert_found(
        "\"A\"=\"$|PO|BIN|\"\n\"a\\\"\"=\"\\\"$|po|bin\\\"\"\n"
        "\"B\"=hex(2):25,00,50,00,4f,00,42,00,41,00,43,00,4b,00,55,00,50,00,5f,00,54,00,45,"
        "00,53,00,54,00,5f,00,50,00,4c,00,41,00,43,00,45,00,25,00,5c,00,50,00,4f,00,2f,00,"
        "73,00,70,00,6f,00,6f,00,6c,00,00,00\n"
        "\"C\"=\"$/PO/mailbox/\"\n",
        "/PO/BIN", "/PO/spool", "/PO/mailbox");
    assert_found(BIN SPOOL "\"C\"=\"$|\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB\"\n", "/PO/bin",
                 "/PO/spool", "/\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB");
}
END_TEST

START_TEST(what_is_no_directory_does_not_matter)
{
    assert_found(BIN SPOOL MAILBOX
                 "@=\"C:\"\n\"1\"=\"log\"\n\"2\"=\"|Windows\"\n\"3\"=dword:1\n"
                 "\"4\"=hex(1):\n\"5\"=hex(7):41\n\"6\"=\"\"\n\"7\"=\"C:relative\"\n"
                 "\"8\"=\"||.|pipe|x\"\n\"9\"=\"$|PO|spool|accounts.db\"\n"
                 "\"a\"=\"https://example.com/\"\n\"b\"=\"$|*\"\n\"d\"=\"C:|\"\n"
                 "\"e\"=-\n\"f\"=\"$|PO|bin|others|poperms.exe\"\n",
                 "/PO/bin", "/PO/spool", "/PO/mailbox");
}
END_TEST

/* The log directory in the spool, the directory that all of it was installed in. */
START_TEST(what_lies_in_or_around_another_place_is_no_mailbox)
{
    assert_found(BIN SPOOL MAILBOX "\"D\"=\"$|PO|spool|log\"\n\"E\"=\"$|PO\"\n"
                                   "\"F\"=\"$|PO|bin|others\"\n\"G\"=\"$|PO|spool|new\"\n",
                 "/PO/bin", "/PO/spool", "/PO/mailbox");
    /* A copy of a spool in the spool. */
    make("PO/spool/old/control", false);
    make("PO/spool/old/messages", false);
    assert_found(BIN SPOOL MAILBOX "\"D\"=\"$|PO|spool|old\"\n", "/PO/bin", "/PO/spool",
                 "/PO/mailbox");
}
END_TEST

START_TEST(a_name_decides_between_equals)
{
    make("old/control", false);
    make("old/messages", false);
    make("old bin/pufService.exe", true);
    assert_found("\"ExeBin\"=\"$|PO|bin\"\n\"Exe\"=\"$|old bin\"\n"
                 "\"SpoolDir\"=\"$|PO|spool\"\n\"Dir\"=\"$|old\"\n"
                 "\"TheMailDir\"=\"$|PO|mailbox\"\n\"OtherDir\"=\"$|other\"\n",
                 "/PO/bin", "/PO/spool", "/PO/mailbox");
}
END_TEST

START_TEST(no_guess_is_made_between_equals)
{
    make("old/control", false);
    make("old/messages", false);
    assert_not_found(BIN SPOOL MAILBOX "\"D\"=\"$|old\"\n",
                     "spool: it is not clear which directory it is; give it with --spool; "
                     "candidates: $/PO/spool (value \"B\"), "
                     "$/old (value \"D\")");
    assert_not_found(BIN SPOOL MAILBOX "\"D\"=\"$|other\"\n",
                     "mailbox: it is not clear which directory it is; give it with --mailbox; "
                     "candidates: $/PO/mailbox (value \"C\"), "
                     "$/other (value \"D\")");
    assert_not_found(BIN SPOOL "\"MailA\"=\"$|PO|mailbox\"\n\"MailB\"=\"$|other\"\n",
                     "mailbox: it is not clear which directory it is; give it with --mailbox; "
                     "candidates: $/PO/mailbox (value "
                     "\"MailA\"), $/other (value \"MailB\")");
}
END_TEST

/* The mailbox's disk is not there: what is left must not be taken for it. */
START_TEST(what_does_not_exist_may_have_been_the_mailbox)
{
    assert_not_found(BIN SPOOL "\"C\"=\"$|gone\"\n\"D\"=\"$|other\"\n",
                     "mailbox: it is not clear which directory it is; give it with --mailbox; "
                     "candidates: $/gone (value \"C\", does not "
                     "exist), $/other (value \"D\")");
    assert_not_found(BIN SPOOL "\"Mail\"=\"$|gone\"\n\"D\"=\"$|other\"\n",
                     "mailbox: it is not clear which directory it is; give it with --mailbox; "
                     "candidates: $/gone (value \"Mail\", does "
                     "not exist), $/other (value \"D\")");
    assert_found(BIN SPOOL "\"C\"=\"$|gone\"\n\"Mail\"=\"$|other\"\n", "/PO/bin", "/PO/spool",
                 "/other");
}
END_TEST

START_TEST(what_is_absent_is_told_with_what_there_is)
{
    assert_not_found(BIN "\"C\"=\"$|PO|mailbox\"\n",
                     "spool: no directory that the registry names has the folders control and "
                     "messages in it; give it with --spool; directories: $/PO/bin (value \"A\"), "
                     "$/PO/mailbox (value \"C\")");
    assert_not_found("", "bin: no directory that the registry names has the guide's programs in "
                         "it; give it with --bin; directories: none; "
                         "spool: no directory that the registry names has the folders control and "
                         "messages in it; give it with --spool; directories: none; "
                         "mailbox: the registry names no directory beside bin and spool; give it "
                         "with --mailbox; directories: none");
}
END_TEST

START_TEST(a_long_list_is_cut)
{
    struct po_buf values = { 0 };
    struct po_err err = { 0 };

    for (int i = 0; i < 9; i++)
        po_buf_printf(&values, "\"%d\"=\"C:|nowhere %d\"\n", i, i);
    po_buf_put_text(&values, BIN SPOOL);
    ck_assert_int_eq(find_with(po_buf_text(&values), NULL, 0, NULL, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text,
                     "mailbox: it is not clear which directory it is; give it with --mailbox; "
                     "candidates: C:/nowhere 0 (value \"0\", does not exist), "
                     "C:/nowhere 1 (value \"1\", does not exist), "
                     "C:/nowhere 2 (value \"2\", does not exist), "
                     "C:/nowhere 3 (value \"3\", does not exist) and 5 more");
    po_buf_deinit(&values);
}
END_TEST

START_TEST(a_service_tells_where_bin_is)
{
    char mta[] = "post.office MTA";
    char puf[] = "post.office pufService";
    struct po_win32_service services[2] = { { .display_name = mta }, { .display_name = puf } };
    struct po_err err = { 0 };
    char program[MAX_PATH + 32];

    make("renamed/mta.exe", true);
    (void)snprintf(program, sizeof(program), "%s/renamed/mta.exe", top);
    services[0].program = program;
    ck_assert_int_eq(find_with(SPOOL MAILBOX, services, 2, NULL, &err), PO_OK);
    ck_assert_str_eq(found[PO_PART_BIN], "/renamed");
    /* The one that runs, and not one that lies about. */
    ck_assert_int_eq(find_with(BIN SPOOL MAILBOX, services, 2, NULL, &err), PO_OK);
    ck_assert_str_eq(found[PO_PART_BIN], "/renamed");
    /* Unless the registry says so. */
    ck_assert_int_eq(find_with("\"BinDir\"=\"$|PO|bin\"\n" SPOOL MAILBOX, services, 2, NULL, &err),
                     PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "(program of the service post.office MTA), "));
    ck_assert_ptr_nonnull(strstr(err.text, "(value \"BinDir\")"));
}
END_TEST

START_TEST(what_is_given_stays)
{
    const char *given[PO_PART_COUNT] = { NULL, "D:/my bin", "D:/my spool", "D:/my mailbox" };
    struct po_err err = { 0 };

    ck_assert_int_eq(find_with("", NULL, 0, given, &err), PO_OK);
    ck_assert_str_eq(found[PO_PART_BIN], "D:/my bin");
    ck_assert_str_eq(found[PO_PART_SPOOL], "D:/my spool");
    ck_assert_str_eq(found[PO_PART_MAILBOX], "D:/my mailbox");
    /* What lies in a place that is given is no mailbox. */
    given[PO_PART_SPOOL] = NULL;
    given[PO_PART_MAILBOX] = NULL;
    given[PO_PART_BIN] = top;
    ck_assert_int_eq(find_with(SPOOL MAILBOX, NULL, 0, given, &err), PO_E_USAGE);
    ck_assert_str_eq(found[PO_PART_SPOOL], "/PO/spool");
    ck_assert_ptr_nonnull(strstr(err.text, "mailbox: the registry names no directory"));
}
END_TEST

START_TEST(the_installer_s_folder_makes_a_spool_too)
{
    make("spool/control", false);
    make("spool/PostOfficeBackup", false);
    assert_found(BIN "\"B\"=\"$|spool\"\n" MAILBOX, "/PO/bin", "/spool", "/PO/mailbox");
}
END_TEST

static Suite *
places_suite(void)
{
    Suite *suite = suite_create("win32_places");
    TCase *places = tcase_create("places");

    tcase_add_checked_fixture(places, set_up, tear_down);
    tcase_add_test(places, places_are_found_by_what_lies_in_them);
    tcase_add_test(places, what_is_no_directory_does_not_matter);
    tcase_add_test(places, what_lies_in_or_around_another_place_is_no_mailbox);
    tcase_add_test(places, a_name_decides_between_equals);
    tcase_add_test(places, no_guess_is_made_between_equals);
    tcase_add_test(places, what_does_not_exist_may_have_been_the_mailbox);
    tcase_add_test(places, what_is_absent_is_told_with_what_there_is);
    tcase_add_test(places, a_long_list_is_cut);
    tcase_add_test(places, a_service_tells_where_bin_is);
    tcase_add_test(places, what_is_given_stays);
    tcase_add_test(places, the_installer_s_folder_makes_a_spool_too);
    suite_add_tcase(suite, places);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(places_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
