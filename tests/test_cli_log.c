/* The log file: lines, rotation, several programs at once. */
#include "base/buf.h"
#include "cli/cli_log.h"
#include "os_help.h"

#if OS_HAS_POSIX
#include <sys/wait.h>
#endif

#define WRITERS 3
#define LINES 1000

static char top[OS_PATH_SIZE];
static char path[OS_PATH_SIZE + 32];
static struct po_err err;

static void
setup(void)
{
    os_temp_make(top, "log");
    (void)snprintf(path, sizeof(path), "%s/run.log", top);
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    os_temp_remove(top);
}

static const char *
numbered(unsigned number)
{
    static char text[OS_PATH_SIZE + 64];

    if (number == 0)
        return path;
    (void)snprintf(text, sizeof(text), "%s.%u", path, number);
    return text;
}

static void
assert_content(unsigned number, const char *expected)
{
    char text[4096] = "";
    FILE *file = fopen(numbered(number), "rb");

    ck_assert_ptr_nonnull(file);
    (void)!fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    ck_assert_str_eq(text, expected);
}

static void
append(const struct po_cli_log *log, const char *text)
{
    ck_assert_int_eq(po_cli_log_append(log, text, strlen(text), &err), PO_OK);
}

START_TEST(lines_are_added_and_have_time_process_verb_and_tone)
{
    struct po_cli_log log = { .path = path, .verb = "backup", .size_max = 1 << 20, .count = 5 };
    char text[1024] = "";
    FILE *file;

    po_cli_log_line(&log, "warning: ", "the first\nand \x1b[2J");
    po_cli_log_line(&log, "", "the second");
    ck_assert_int_eq(log.err.status, PO_OK);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    ck_assert_int_eq(text[4], '-');
    ck_assert_ptr_nonnull(strstr(text, "] backup: warning: the first\\nand \\x1B[2J"));
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    ck_assert_ptr_nonnull(strstr(text, "] backup: the second"));
    ck_assert_ptr_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    os_assert_mode(path, 0600);
}
END_TEST

START_TEST(it_is_rotated_before_it_is_too_large_and_so_many_old_ones_stay)
{
    struct po_cli_log log = { .path = path, .size_max = 20, .count = 2 };

    append(&log, "123456789\n");
    append(&log, "223456789\n");
    ck_assert(!os_exists(numbered(1)));
    append(&log, "3\n");
    assert_content(0, "3\n");
    assert_content(1, "123456789\n223456789\n");
    append(&log, "longer than twenty bytes\n");
    assert_content(0, "longer than twenty bytes\n");
    assert_content(1, "3\n");
    assert_content(2, "123456789\n223456789\n");
    append(&log, "5\n");
    assert_content(0, "5\n");
    assert_content(1, "longer than twenty bytes\n");
    assert_content(2, "3\n");
    ck_assert(!os_exists(numbered(3)));
}
END_TEST

START_TEST(fewer_old_ones_than_before_take_the_others_away)
{
    struct po_cli_log log = { .path = path, .size_max = 4, .count = 4 };

    for (char c = '1'; c <= '6'; c++) {
        char line[] = { c, c, '\n', '\0' };

        append(&log, line);
    }
    assert_content(4, "22\n");
    log.count = 1;
    append(&log, "77\n");
    assert_content(0, "77\n");
    assert_content(1, "66\n");
    for (unsigned i = 2; i <= 4; i++)
        ck_assert(!os_exists(numbered(i)));
    log.count = 0;
    append(&log, "88\n");
    assert_content(0, "88\n");
    ck_assert(!os_exists(numbered(1)));
}
END_TEST

START_TEST(what_cannot_be_rotated_is_told_and_grows)
{
    struct po_cli_log log = { .path = path, .size_max = 4, .count = 1 };

    append(&log, "11\n");
    ck_assert_int_eq(mkdir(numbered(1), 0700), 0);
    ck_assert_int_eq(po_cli_log_append(&log, "22\n", 3, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "rotate"));
    assert_content(0, "11\n22\n");
}
END_TEST

START_TEST(a_log_that_cannot_be_written_is_told_once)
{
    char missing[OS_PATH_SIZE + 32];
    struct po_cli_log log = { .path = missing, .verb = "backup", .size_max = 100, .count = 1 };

    (void)snprintf(missing, sizeof(missing), "%s/none/run.log", top);
    po_cli_log_line(&log, "", "lost");
    ck_assert_int_eq(log.err.status, PO_E_IO);
    ck_assert_ptr_nonnull(strstr(log.err.text, missing));
    /* It is not tried again, though it could be written now. */
    (void)snprintf(missing, sizeof(missing), "%s/none", top);
    ck_assert_int_eq(mkdir(missing, 0700), 0);
    (void)snprintf(missing, sizeof(missing), "%s/none/run.log", top);
    po_cli_log_line(&log, "", "lost");
    ck_assert(!os_exists(missing));
    ck_assert_int_eq(
        po_cli_log_append(&(struct po_cli_log){ .path = top, .size_max = 100 }, "1\n", 2, &err),
        PO_E_IO);
}
END_TEST

#if OS_HAS_POSIX

static void
write_lines(unsigned writer)
{
    struct po_cli_log log = { .path = path, .size_max = 700, .count = 500 };

    for (unsigned i = 0; i < LINES; i++) {
        char line[64];

        (void)snprintf(line, sizeof(line), "writer %u line %u\n", writer, i);
        if (po_cli_log_append(&log, line, strlen(line), &err) != PO_OK)
            _exit(1);
    }
    _exit(0);
}

START_TEST(programs_that_write_at_once_lose_no_line)
{
    unsigned next[WRITERS] = { 0 };
    unsigned files = 0;
    char line[64];

    for (unsigned i = 0; i < WRITERS; i++) {
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0)
            write_lines(i);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        int status = -1;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    while (os_exists(numbered(files)))
        files++;
    ck_assert_uint_gt(files, 8);
    /* From the oldest on, each writer's lines are all there, in their order. */
    for (unsigned i = files; i > 0; i--) {
        FILE *file = fopen(numbered(i - 1), "r");

        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file) != NULL) {
            unsigned writer = WRITERS;
            unsigned number = LINES;

            ck_assert_int_eq(sscanf(line, "writer %u line %u", &writer, &number), 2);
            ck_assert_uint_lt(writer, WRITERS);
            ck_assert_uint_eq(number, next[writer]++);
        }
        (void)fclose(file);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_uint_eq(next[i], LINES);
}
END_TEST

#endif

int
main(void)
{
    Suite *suite = suite_create("cli_log");
    TCase *tc = tcase_create("log");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, lines_are_added_and_have_time_process_verb_and_tone);
    tcase_add_test(tc, it_is_rotated_before_it_is_too_large_and_so_many_old_ones_stay);
    tcase_add_test(tc, fewer_old_ones_than_before_take_the_others_away);
    tcase_add_test(tc, what_cannot_be_rotated_is_told_and_grows);
    tcase_add_test(tc, a_log_that_cannot_be_written_is_told_once);
    os_add_posix_test(tc, programs_that_write_at_once_lose_no_line);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
