/* A journal gives back what was put, and after a crash all but what was being written. */
#include "engine/journal.h"
#include "os_help.h"

static char top[OS_PATH_SIZE];
static struct po_dir *dir;
static struct po_err err;

static void
setup(void)
{
    os_temp_make(top, "journal");
    ck_assert_int_eq(po_dir_open(&dir, top, &err), PO_OK);
}

static void
teardown(void)
{
    po_dir_free(dir);
    os_temp_remove(top);
}

struct seen {
    unsigned count;
    uint32_t sum;
    unsigned fail_at;
};

/* Record n is n bytes of value n, kind n. */
static enum po_status
look(void *ctx, uint8_t kind, struct po_cursor *record, struct po_err *error)
{
    struct seen *seen = ctx;

    ck_assert_uint_eq(kind, seen->count % 256);
    ck_assert_uint_eq(po_cursor_left(record), seen->count);
    while (po_cursor_left(record) > 0)
        ck_assert_uint_eq(po_cursor_u8(record), kind);
    seen->sum += kind;
    return ++seen->count == seen->fail_at ? po_fail(error, PO_E_FORMAT, "enough") : PO_OK;
}

static void
put(struct po_journal *journal, unsigned number)
{
    uint8_t bytes[4096];

    memset(bytes, (int)(number % 256), sizeof bytes);
    ck_assert_int_eq(po_journal_put(journal, (uint8_t)number, bytes, number, &err), PO_OK);
}

static void
make(unsigned count)
{
    struct po_journal *journal = NULL;

    ck_assert_msg(po_journal_create(&journal, dir, "j", &err) == PO_OK, "%s", err.text);
    for (unsigned i = 0; i < count; i++)
        put(journal, i);
    ck_assert_int_eq(po_journal_sync(journal, &err), PO_OK);
    po_journal_free(journal);
}

static unsigned
count_records(void)
{
    struct seen seen = { 0 };

    ck_assert_msg(po_journal_read(dir, "j", look, &seen, &err) == PO_OK, "%s", err.text);
    return seen.count;
}

START_TEST(what_was_put_comes_back_in_order)
{
    make(3000); /* several flushes */
    ck_assert_uint_eq(count_records(), 3000);
}
END_TEST

START_TEST(a_journal_is_not_made_over_another)
{
    struct po_journal *journal = NULL;

    make(1);
    ck_assert_int_eq(po_journal_create(&journal, dir, "j", &err), PO_E_IO);
    ck_assert_uint_eq(count_records(), 1);
}
END_TEST

START_TEST(a_callback_can_end_the_reading)
{
    struct seen seen = { .fail_at = 2 };

    make(5);
    ck_assert_int_eq(po_journal_read(dir, "j", look, &seen, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "enough");
    ck_assert_uint_eq(seen.count, 2);
}
END_TEST

START_TEST(a_file_that_is_none_is_refused)
{
    struct seen seen = { 0 };
    char path[OS_PATH_SIZE + 8];

    ck_assert_int_eq(po_journal_read(dir, "j", look, &seen, &err), PO_E_IO);
    ck_assert_int_eq(err.os_code, ENOENT);
    (void)snprintf(path, sizeof path, "%s/j", top);
    os_write(path, "pobackup journal 2\n", 19);
    ck_assert_int_eq(po_journal_read(dir, "j", look, &seen, &err), PO_E_FORMAT);
    os_write(path, "pobackup jour", 13); /* the crash came while it was made */
    ck_assert_int_eq(po_journal_read(dir, "j", look, &seen, &err), PO_OK);
    os_write(path, "", 0);
    ck_assert_int_eq(po_journal_read(dir, "j", look, &seen, &err), PO_OK);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

static uint8_t whole[4096];
static size_t whole_size;

static void
read_whole(void)
{
    char path[OS_PATH_SIZE + 8];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/j", top);
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    whole_size = fread(whole, 1, sizeof whole, file);
    (void)fclose(file);
}

static void
write_part(size_t size)
{
    char path[OS_PATH_SIZE + 8];

    (void)snprintf(path, sizeof path, "%s/j", top);
    os_write(path, whole, size);
}

/* Records 0 to 9 end where this says. */
static unsigned
whole_records(size_t size)
{
    size_t end = 19;
    unsigned count = 0;

    while (count < 10 && end + 5 + count + 8 <= size)
        end += 5 + count++ + 8;
    return count;
}

START_TEST(wherever_it_is_cut_the_whole_records_are_there)
{
    struct po_journal *journal = NULL;

    make(10);
    read_whole();
    for (size_t size = 19; size <= whole_size; size++) {
        write_part(size);
        ck_assert_uint_eq(count_records(), whole_records(size));
        /* And it can be gone on with. */
        ck_assert_int_eq(po_journal_open(&journal, dir, "j", &err), PO_OK);
        put(journal, whole_records(size));
        ck_assert_int_eq(po_journal_sync(journal, &err), PO_OK);
        po_journal_free(journal);
        ck_assert_uint_eq(count_records(), whole_records(size) + 1);
    }
}
END_TEST

START_TEST(a_flipped_bit_ends_it_there)
{
    make(10);
    read_whole();
    for (size_t at = 19; at < whole_size; at++) {
        whole[at] ^= 1u << (at % 8);
        write_part(whole_size);
        ck_assert_uint_eq(count_records(), whole_records(at));
        whole[at] ^= 1u << (at % 8);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_was_put_comes_back_in_order);
    tcase_add_test(tests, a_journal_is_not_made_over_another);
    tcase_add_test(tests, a_callback_can_end_the_reading);
    tcase_add_test(tests, a_file_that_is_none_is_refused);
    tcase_add_test(tests, wherever_it_is_cut_the_whole_records_are_there);
    tcase_add_test(tests, a_flipped_bit_ends_it_there);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
