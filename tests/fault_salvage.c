/*
 * Salvage when the system or the heap fails: each call in turn, once or for ever, with an index and
 * without. What is told as written is there to the byte; what could not be done is told.
 */
#include "archive/index.h"
#include "archive_help.h"
#include "engine/salvage.h"
#include "fault.h"
#include "os_help.h"
#include "store/store.h"

#define S(literal) (literal), (sizeof(literal) - 1)

static char top[OS_PATH_SIZE];
static char damaged[OS_PATH_SIZE + 8];
static char out[OS_PATH_SIZE + 8];
static struct help_set set;
static uint8_t content[150001];

static const struct pobackup_writer_options options = {
    .frame_size = 65536, .level = 1, .host = "h", .created = 17639784001234567
};

static void
setup(void)
{
    struct help_random random = { .state = 1 };

    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-salvage");
    (void)snprintf(damaged, sizeof damaged, "%s/a", top);
    (void)snprintf(out, sizeof out, "%s/out", top);
    help_random_fill(&random, content, sizeof content);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/first"), NULL, content, 100);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/long"), NULL, content, 140000);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/second"), NULL, content, 3000);
    help_set_add(&set, &random, POBACKUP_HARDLINK, S("d/third"), "d/second", NULL, 0);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/torn"), NULL, content + 1, 150000);
    help_set_add(&set, &random, POBACKUP_FILE, S("e"), NULL, content, 2000);
}

static void
teardown(void)
{
    fault_disarm();
    help_set_free(&set);
    os_temp_remove(top);
}

/* A hole in what d/torn goes on with; without the index also no tail. */
static void
make_damaged(bool with_index)
{
    struct help_memory memory = { 0 };
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    struct po_err err;

    ck_assert_int_eq(help_set_write(&set, &memory, &options, digest, &err), PO_OK);
    memset(memory.bytes + memory.size * 3 / 4, 0, 50);
    if (!with_index)
        memory.size -= 3200;
    os_write(damaged, memory.bytes, memory.size);
    help_memory_free(&memory);
}

static bool
is_right(const struct po_index *index, uint32_t entry)
{
    static uint8_t bytes[sizeof content + 1];
    char full[OS_PATH_SIZE + 100];
    size_t size;
    const char *path = po_index_path(index, entry, &size);
    int number = help_set_find(&set, path, size);
    struct po_file *file = NULL;
    struct po_err err;
    size_t got = 0;

    if (number < 0 || po_index_type(index, entry) != POBACKUP_FILE)
        return true;
    (void)snprintf(full, sizeof full, "%s/%.*s", out, (int)size, path);
    if (po_os_file_open(&file, full, PO_FILE_READ, &err) != PO_OK ||
        po_file_read_at(file, 0, bytes, sizeof bytes, &got, &err) != PO_OK)
        got = SIZE_MAX;
    po_file_free(file);
    return got == set.entries[number].size && memcmp(bytes, set.contents[number], got) == 0;
}

static unsigned good; /* entries that the last run told as written */

static bool
try_salvage(enum fault_kind kind, unsigned long nth, bool for_ever)
{
    struct pobackup_blob blob = { 0 };
    struct po_salvage_options choice = { .directory = out, .threads = 2 };
    struct po_salvage_result result = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    if (os_exists(out))
        os_remove(out);
    fault_arm(kind, nth, kind == FAULT_MEMORY ? ENOMEM : EIO, for_ever);
    st = po_store_file_open(&blob, damaged, &err);
    if (st == PO_OK)
        st = po_salvage_run(&blob, &choice, NULL, &result, &err);
    fault_disarm();
    if (st != PO_OK && (err.status != st || err.text[0] == 0))
        ck_abort_msg("%d, call %lu: status %d without a word", (int)kind, nth, (int)st);
    good = 0;
    for (uint32_t i = 0; st == PO_OK && i < result.reader->index->count; i++) {
        bool is_written =
            result.verdicts[i] == PO_SALVAGE_CERTAIN || result.verdicts[i] == PO_SALVAGE_DOUBTFUL;

        good += is_written;
        if (is_written && !is_right(result.reader->index, i))
            ck_abort_msg("%d, call %lu: entry %u is not what is told", (int)kind, nth, i);
        if (result.verdicts[i] == PO_SALVAGE_UNWRITTEN && result.problems.count == 0)
            ck_abort_msg("%d, call %lu: entry %u, and nobody says why", (int)kind, nth, i);
    }
    if (st == PO_OK && po_salvage_is_complete(&result))
        ck_abort_msg("%d, call %lu: complete, with a hole", (int)kind, nth);
    po_salvage_result_deinit(&result);
    po_store_blob_free(&blob);
    return fault_has_struck(kind);
}

static void
fail_each(enum fault_kind kind, bool with_index)
{
    unsigned whole;

    make_damaged(with_index);
    ck_assert(!try_salvage(kind, 0, false));
    whole = good;
    ck_assert_uint_ge(whole, 5);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        unsigned long nth = 1;

        while (try_salvage(kind, nth, for_ever != 0))
            nth++;
        ck_assert(nth > 1 || kind == FAULT_SYNC || kind == FAULT_RENAME);
        ck_assert_uint_eq(good, whole);
    }
}

START_TEST(each_call_that_fails_is_told_with_an_index)
{
    fail_each((enum fault_kind)_i, true);
}
END_TEST

START_TEST(each_call_that_fails_is_told_without_an_index)
{
    fail_each((enum fault_kind)_i, false);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_salvage");
    TCase *tc = tcase_create("salvage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_call_that_fails_is_told_with_an_index, 0, FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, each_call_that_fails_is_told_without_an_index, 0, FAULT_KIND_COUNT);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
