/* The option tables, the parser that reads them, and the configuration file. */
#include "base/buf.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cli_site.h"
#include "os_help.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16

/* ---- helpers ---- */

static struct po_cli_values values;
static struct po_err err;

static void
setup(void)
{
    values = (struct po_cli_values){ 0 };
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    po_cli_values_deinit(&values);
}

static const struct po_cli_verb *
verb(const char *name)
{
    const struct po_cli_verb *found = po_cli_verb_find(name);

    ck_assert_ptr_nonnull(found);
    return found;
}

/* Words up to NULL. */
static enum po_status
parse(const char *name, const char *const *words)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    enum po_status st;

    /* The values point into what was parsed: it must live on. */
    static char kept[4096];
    size_t used = 0;

    po_cli_values_deinit(&values);
    for (; words[argc] != NULL; argc++) {
        argv[argc] = kept + used;
        used += (size_t)snprintf(kept + used, sizeof(kept) - used, "%s", words[argc]) + 1;
    }
    st = po_cli_parse(&values, verb(name), argc, argv, &err);
    return st;
}

#define PARSE(name, ...) parse(name, (const char *const[]){ __VA_ARGS__, NULL })

static void
assert_says(const char *text)
{
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" is not in \"%s\"", text, err.text);
}

#define assert_refused(says, name, ...)                                                            \
    do {                                                                                           \
        ck_assert_int_eq(PARSE(name, __VA_ARGS__), PO_E_USAGE);                                    \
        assert_says(says);                                                                         \
    } while (0)

/* ---- the tables ---- */

START_TEST(tables_have_no_name_or_letter_twice)
{
    for (const struct po_cli_verb *v = po_cli_verbs; v->name != NULL; v++) {
        for (const struct po_cli_option *a = v->options; a->name != NULL; a++) {
            for (const struct po_cli_option *b = a + 1; b->name != NULL; b++) {
                ck_assert_str_ne(a->name, b->name);
                ck_assert(a->letter == 0 || a->letter != b->letter);
                ck_assert_int_ne(a->id, b->id);
            }
            for (const struct po_cli_option *c = po_cli_common; c->name != NULL; c++) {
                ck_assert_str_ne(a->name, c->name);
                ck_assert(a->letter == 0 || a->letter != c->letter);
            }
            ck_assert((a->kind == PO_CLI_FLAG) == (a->argument == NULL));
            ck_assert(a->kind != PO_CLI_NUMBER || a->min < a->max);
        }
    }
}
END_TEST

START_TEST(help_names_every_option_within_80_columns)
{
    for (const struct po_cli_verb *v = po_cli_verbs; v->name != NULL; v++) {
        struct po_buf text = { 0 };

        if (v->run == NULL)
            continue;
        po_cli_help_verb(&text, v);
        for (const struct po_cli_option *o = v->options; o->name != NULL; o++) {
            char name[64];

            (void)snprintf(name, sizeof(name), "--%s", o->name);
            ck_assert_ptr_nonnull(strstr(po_buf_text(&text), name));
        }
        for (const char *line = po_buf_text(&text); *line != '\0';) {
            size_t size = strcspn(line, "\n");

            ck_assert_msg(size < 80, "%s: %.*s", v->name, (int)size, line);
            ck_assert(size == 0 || line[size - 1] != ' ');
            line += size + (line[size] == '\n');
        }
        po_buf_deinit(&text);
    }
}
END_TEST

/* ---- parsing ---- */

START_TEST(a_value_follows_after_a_space_or_an_equals_sign)
{
    ck_assert_int_eq(PARSE("backup", "--level=5", "--threads", "2", "--output=", "x"), PO_E_USAGE);
    assert_says("--output: the value is empty");
    ck_assert_int_eq(PARSE("backup", "--level=5", "--threads", "2", "--site=folder:a=b"), PO_OK);
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, 5);
    ck_assert_int_eq(values.value[PO_CLI_THREADS].number, 2);
    ck_assert_str_eq(values.value[PO_CLI_SITE].text, "folder:a=b");
    ck_assert(!values.value[PO_CLI_COLD].is_set);
}
END_TEST

START_TEST(letters_join_and_take_values)
{
    ck_assert_int_eq(PARSE("list", "-l0", "A"), PO_OK);
    ck_assert(values.value[PO_CLI_LONG].is_set && values.value[PO_CLI_NULL].is_set);
    ck_assert_int_eq(PARSE("extract", "A", "-Cdir"), PO_OK);
    ck_assert_str_eq(values.value[PO_CLI_DIRECTORY].text, "dir");
    ck_assert_int_eq(PARSE("extract", "A", "-qC", "-l"), PO_OK);
    ck_assert_str_eq(values.value[PO_CLI_DIRECTORY].text, "-l");
}
END_TEST

START_TEST(a_dash_is_an_argument_and_two_end_the_options)
{
    ck_assert_int_eq(PARSE("backup", "-o", "-"), PO_OK);
    ck_assert_str_eq(values.value[PO_CLI_OUTPUT].text, "-");
    ck_assert_int_eq(PARSE("cat", "-", "--", "--json"), PO_OK);
    ck_assert_uint_eq(values.arg_count, 2);
    ck_assert_str_eq(values.args[0], "-");
    ck_assert_str_eq(values.args[1], "--json");
    ck_assert(!values.value[PO_CLI_JSON].is_set);
}
END_TEST

START_TEST(options_and_arguments_mix)
{
    ck_assert_int_eq(PARSE("verify", "a", "--quick", "b", "--json", "c"), PO_OK);
    ck_assert_uint_eq(values.arg_count, 3);
    ck_assert_str_eq(values.args[2], "c");
}
END_TEST

START_TEST(a_list_collects_and_others_take_the_last)
{
    ck_assert_int_eq(PARSE("backup", "--exclude", "a", "--level=1", "--exclude=b", "--level", "2"),
                     PO_OK);
    ck_assert_uint_eq(values.value[PO_CLI_EXCLUDE].count, 2);
    ck_assert_str_eq(values.value[PO_CLI_EXCLUDE].list[1], "b");
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, 2);
}
END_TEST

START_TEST(numbers_and_sizes_have_bounds)
{
    assert_refused("--level: 20 is not a number from -7 to 19", "backup", "--level", "20");
    assert_refused("--level: -8", "backup", "--level=-8");
    assert_refused("--level: x", "backup", "--level=x");
    assert_refused("--level: 3 ", "backup", "--level=3 ");
    assert_refused("--level: ", "backup", "--level=");
    assert_refused("--threads: -1", "backup", "--threads", "-1");
    assert_refused("--threads: 0", "backup", "--threads", "0");
    assert_refused("--threads: 99999999999999999999", "backup", "--threads=99999999999999999999");
    assert_refused("--frame-size: 63K is not a size", "backup", "--frame-size=63K");
    assert_refused("--frame-size: 33M", "backup", "--frame-size=33M");
    assert_refused("--frame-size: 99999999T", "backup", "--frame-size=99999999T");
    ck_assert_int_eq(PARSE("backup", "--level=-7", "--frame-size=32M"), PO_OK);
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, -7);
    ck_assert_int_eq(values.value[PO_CLI_FRAME_SIZE].number, 32 << 20);
}
END_TEST

START_TEST(choices_are_numbered)
{
    ck_assert_int_eq(PARSE("backup", "--order=path", "--progress=json"), PO_OK);
    ck_assert_int_eq(values.value[PO_CLI_ORDER].number, 1);
    ck_assert_int_eq(values.value[PO_CLI_PROGRESS].number, 0);
    assert_refused("--order: pat is none of delivery|path", "backup", "--order=pat");
    assert_refused("--order: delivery|path is none of", "backup", "--order", "delivery|path");
}
END_TEST

START_TEST(unknown_options_name_the_nearest)
{
    assert_refused("is --level meant?", "backup", "--levle=3");
    assert_refused("is --threads meant?", "backup", "--thread", "3");
    assert_refused("is --exclude meant?", "backup", "--excl=a");
    assert_refused("is --json meant?", "verify", "--jsno", "A");
    assert_refused("--zzzzzz: verify has no such option", "verify", "--zzzzzz", "A");
    ck_assert_ptr_null(strstr(err.text, "meant"));
    assert_refused("-Z: verify has no such option", "verify", "-Z", "A");
    assert_refused("-\xC3: verify has no such option" + 3, "verify", "-\xC3\xA4", "A");
}
END_TEST

START_TEST(an_absurdly_long_option_is_refused)
{
    char word[600];

    memset(word, '-', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    ck_assert_int_eq(PARSE("verify", word, "A"), PO_E_USAGE);
}
END_TEST

START_TEST(values_that_are_missing_or_too_many_are_named)
{
    assert_refused("--level needs a value: --level N", "backup", "--level");
    assert_refused("--output needs a value: --output DEST", "backup", "-o");
    assert_refused("--json takes no value", "backup", "--json=yes");
    assert_refused("--site: the value is empty", "backup", "--site=");
}
END_TEST

START_TEST(arguments_are_counted)
{
    assert_refused("something is missing: pobackup cat ARCHIVE PATH", "cat", "A");
    assert_refused("C: one argument too many", "cat", "A", "B", "C");
    assert_refused("something is missing", "verify", "--quick");
    assert_refused("x: one argument too many", "backup", "x");
    ck_assert_int_eq(PARSE("cat", "--help"), PO_OK);
}
END_TEST

START_TEST(verbs_are_found_and_guessed)
{
    ck_assert_ptr_null(po_cli_verb_find("bakcup"));
    ck_assert_str_eq(po_cli_nearest_verb("bakcup"), "backup");
    ck_assert_str_eq(po_cli_nearest_verb("verfy"), "verify");
    ck_assert_str_eq(po_cli_nearest_verb("rest"), "restore");
    ck_assert_ptr_null(po_cli_nearest_verb("frobnicate"));
    ck_assert_ptr_null(po_cli_nearest_verb(""));
}
END_TEST

/* ---- the configuration file ---- */

static enum po_status
load(const char *name, const char *text)
{
    char top[OS_PATH_SIZE];
    char path[OS_PATH_SIZE + 10];
    enum po_status st;

    os_temp_make(top, "config");
    (void)snprintf(path, sizeof path, "%s/config", top);
    os_write(path, text, strlen(text));
    st = po_cli_config_load(&values, verb(name), path, &err);
    if (st != PO_OK)
        assert_says(path);
    os_temp_remove(top);
    return st;
}

#define assert_not_loaded(says, name, text)                                                        \
    do {                                                                                           \
        ck_assert_int_eq(load(name, text), PO_E_USAGE);                                            \
        assert_says(says);                                                                         \
    } while (0)

START_TEST(a_configuration_file_sets_what_is_not_typed)
{
    ck_assert_int_eq(PARSE("backup", "--level=9"), PO_OK);
    ck_assert_int_eq(load("backup", "\xEF\xBB\xBFsite = folder:/x ; a comment\r\n"
                                    "# another\n"
                                    "level = 3\njson = yes\nquiet=no\n"
                                    "exclude = a\nexclude = b\n"),
                     PO_OK);
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, 9);
    ck_assert(!values.value[PO_CLI_LEVEL].is_from_config);
    ck_assert_str_eq(values.value[PO_CLI_SITE].text, "folder:/x");
    ck_assert(values.value[PO_CLI_SITE].is_from_config);
    ck_assert(values.value[PO_CLI_JSON].is_set);
    ck_assert(!values.value[PO_CLI_QUIET].is_set);
    ck_assert_uint_eq(values.value[PO_CLI_EXCLUDE].count, 2);
}
END_TEST

START_TEST(a_list_on_the_command_line_replaces_the_file)
{
    ck_assert_int_eq(PARSE("backup", "--exclude=mine"), PO_OK);
    ck_assert_int_eq(load("backup", "exclude = theirs\n"), PO_OK);
    ck_assert_uint_eq(values.value[PO_CLI_EXCLUDE].count, 1);
    ck_assert_str_eq(values.value[PO_CLI_EXCLUDE].list[0], "mine");
}
END_TEST

START_TEST(a_section_is_for_its_verb_and_wins)
{
    ck_assert_int_eq(load("backup", "threads = 1\nlevel = 1\n[backup]\nlevel = 2\n"
                                    "[verify]\nquick = yes\nthreads = 5\n"),
                     PO_OK);
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, 2);
    ck_assert_int_eq(values.value[PO_CLI_THREADS].number, 1);
    ck_assert(!values.value[PO_CLI_QUICK].is_set);
}
END_TEST

START_TEST(a_key_of_another_verb_is_passed_over_outside_of_sections)
{
    ck_assert_int_eq(load("verify", "level = 3\nquick = on\n"), PO_OK);
    ck_assert(values.value[PO_CLI_QUICK].is_set);
    assert_not_loaded("line 2: unknown key \"level\"", "verify", "[verify]\nlevel = 3\n");
}
END_TEST

START_TEST(errors_in_the_file_name_their_line)
{
    assert_not_loaded("line 2: unknown key \"levle\"; is \"level\" meant?", "backup",
                      "cold = yes\nlevle = 3\n");
    assert_not_loaded("line 1: --level: 77", "backup", "level = 77\n");
    assert_not_loaded("line 3: \"level\" is there already", "backup", "\nlevel=3\nlevel=4\n");
    assert_not_loaded("line 1: \"json\" is yes or no, not \"maybe\"", "backup", "json = maybe\n");
    assert_not_loaded("line 1: [bakcup] is no verb", "backup", "[bakcup]\nlevel = 3\n");
    assert_not_loaded("line 1: a section is [VERB]", "backup", "[backup\n");
    assert_not_loaded("line 2: neither [VERB] nor key = value", "backup", "\nhello\n");
    assert_not_loaded("line 1: --recovery: 101", "backup", "recovery = 101\n");
    assert_not_loaded("line 1: \"config\" belongs on the command line", "backup", "config = x\n");
    assert_not_loaded("line 1: --site: the value is empty", "backup", "site =\n");
    assert_not_loaded("line 2: unknown key \"x\"", "backup", "[verify]\nx = 1\n");
}
END_TEST

START_TEST(what_stands_before_a_mistake_is_set)
{
    ck_assert_int_eq(
        load("backup", "on-failure = tell\n[backup]\nlevel = 5\nlevle = 3\ncold = yes\n"),
        PO_E_USAGE);
    ck_assert_str_eq(values.value[PO_CLI_ON_FAILURE].text, "tell");
    ck_assert_int_eq(values.value[PO_CLI_LEVEL].number, 5);
    ck_assert(!values.value[PO_CLI_COLD].is_set);
}
END_TEST

START_TEST(long_lines_and_missing_files_are_refused)
{
    char text[2000];

    memset(text, 'a', sizeof(text));
    memcpy(text, "site=", 5);
    text[sizeof(text) - 1] = '\0';
    assert_not_loaded("line 1: longer than", "backup", text);
    ck_assert_int_eq(po_cli_config_load(&values, verb("backup"), "/nonexistent/x", &err), PO_E_IO);
    assert_says("/nonexistent/x");
    ck_assert_int_ne(po_cli_config_load(&values, verb("backup"), "/dev/zero", &err), PO_OK);
}
END_TEST

/* ---- text ---- */

START_TEST(a_form_is_asked_for_before_the_end_of_the_options)
{
    char words[][16] = { "--nosuch", "x--json", "--json", "--", "--progress=json" };
    char *argv[] = { words[0], words[1], words[2], words[3], words[4] };

    ck_assert(po_cli_is_asked(5, argv, "--json"));
    ck_assert(!po_cli_is_asked(2, argv, "--json"));
    ck_assert(!po_cli_is_asked(5, argv, "--progress=json"));
    ck_assert(!po_cli_is_asked(0, NULL, "--json"));
}
END_TEST

START_TEST(a_failure_tells_what_became_of_the_services) /* req: B7 */
{
    struct po_err told;

    (void)po_fail(&told, PO_E_FORMAT, "why");
    po_cli_err_add_services(&told, -1, false);
    ck_assert_str_eq(told.text, "why; no service was stopped");
    ck_assert_int_eq(told.status, PO_E_FORMAT);
    (void)po_fail(&told, PO_E_IO, "why");
    po_cli_err_add_services(&told, 0, false);
    ck_assert_str_eq(told.text, "why; services are running again");
    (void)po_fail(&told, PO_E_IO, "why");
    po_cli_err_add_services(&told, 2.5, true);
    ck_assert_str_eq(told.text, "why; services are missing");
    (void)po_fail(&told, PO_E_IO, "why; nothing was stopped");
    po_cli_err_add_services(&told, -1, false);
    ck_assert_str_eq(told.text, "why; nothing was stopped");
}
END_TEST

START_TEST(a_long_message_gives_way_to_what_is_added)
{
    struct po_err told = { .status = PO_E_IO };

    memset(told.text, 'x', sizeof(told.text) - 1);
    po_cli_err_add_services(&told, 1, false);
    ck_assert_uint_eq(strlen(told.text), sizeof(told.text) - 1);
    ck_assert_str_eq(strchr(told.text, ';'), "; services are running again");
}
END_TEST

START_TEST(messages_are_made_safe_and_keep_backslashes)
{
    struct po_buf text = { 0 };

    po_cli_put_message(&text, "C:\\x\033[2J\n\xE2\x80\xAE\xFF");
    ck_assert_str_eq(po_buf_text(&text), "C:\\x\\x1B[2J\\n\\xE2\\x80\\xAE\\xFF");
    po_buf_deinit(&text);
}
END_TEST

START_TEST(words_are_quoted_for_a_shell)
{
    struct po_buf text = { 0 };

    po_cli_put_word(&text, "/a/b-1.tar.zst");
    po_buf_put_u8(&text, ' ');
    po_cli_put_word(&text, "it's $HOME\\");
    po_buf_put_u8(&text, ' ');
    po_cli_put_word(&text, "-x");
    po_buf_put_u8(&text, ' ');
    po_cli_put_word(&text, "");
    ck_assert_str_eq(po_buf_text(&text), "/a/b-1.tar.zst 'it'\\''s $HOME\\' ./'-x' ''");
    po_buf_deinit(&text);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("cli_options");
    TCase *tables = tcase_create("tables");
    TCase *parsing = tcase_create("parsing");
    TCase *config = tcase_create("config");
    TCase *text = tcase_create("text");

    tcase_add_test(tables, tables_have_no_name_or_letter_twice);
    tcase_add_test(tables, help_names_every_option_within_80_columns);
    tcase_add_test(tables, verbs_are_found_and_guessed);
    tcase_add_checked_fixture(parsing, setup, teardown);
    tcase_add_test(parsing, a_value_follows_after_a_space_or_an_equals_sign);
    tcase_add_test(parsing, letters_join_and_take_values);
    tcase_add_test(parsing, a_dash_is_an_argument_and_two_end_the_options);
    tcase_add_test(parsing, options_and_arguments_mix);
    tcase_add_test(parsing, a_list_collects_and_others_take_the_last);
    tcase_add_test(parsing, numbers_and_sizes_have_bounds);
    tcase_add_test(parsing, choices_are_numbered);
    tcase_add_test(parsing, unknown_options_name_the_nearest);
    tcase_add_test(parsing, an_absurdly_long_option_is_refused);
    tcase_add_test(parsing, values_that_are_missing_or_too_many_are_named);
    tcase_add_test(parsing, arguments_are_counted);
    tcase_add_test(parsing, a_form_is_asked_for_before_the_end_of_the_options);
    tcase_add_checked_fixture(config, setup, teardown);
    tcase_add_test(config, a_configuration_file_sets_what_is_not_typed);
    tcase_add_test(config, a_list_on_the_command_line_replaces_the_file);
    tcase_add_test(config, a_section_is_for_its_verb_and_wins);
    tcase_add_test(config, a_key_of_another_verb_is_passed_over_outside_of_sections);
    tcase_add_test(config, errors_in_the_file_name_their_line);
    tcase_add_test(config, what_stands_before_a_mistake_is_set);
    tcase_add_test(config, long_lines_and_missing_files_are_refused);
    tcase_add_test(text, a_failure_tells_what_became_of_the_services);
    tcase_add_test(text, a_long_message_gives_way_to_what_is_added);
    tcase_add_test(text, messages_are_made_safe_and_keep_backslashes);
    tcase_add_test(text, words_are_quoted_for_a_shell);
    suite_add_tcase(s, tables);
    suite_add_tcase(s, parsing);
    suite_add_tcase(s, config);
    suite_add_tcase(s, text);
    return s;
}

int
main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
