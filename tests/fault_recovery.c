/*
 * Each call to the system and the heap that protecting and mending make is made to fail, one after the
 * other, once or for ever. After each either an error was told and nothing is at the final name, or what
 * is there is right. A block that cannot be read is a lost block: it is mended like one.
 */
#include "archive/recovery.h"
#include "engine/protect.h"
#include "engine/repair.h"
#include "fault.h"
#include "os_help.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARCHIVE "archive"
#define SIDECAR "archive.rec"
#define GOOD "good.rec"
#define MENDED "mended"
#define SIZE 300000

static struct po_err err;
static uint8_t original[SIZE];
static uint8_t damaged[SIZE];
static uint8_t sidecar[SIZE];
static size_t sidecar_size;

static enum po_status protect_with(enum po_status (*open)(struct po_store_sink **, const char *,
                                                          struct po_err *))
{
    const struct po_protect_options options = { .percent = 5, .threads = 1 };
    struct pobackup_blob blob = { 0 };
    struct po_store_sink *sink = NULL;
    enum po_status st = po_store_file_open(&blob, ARCHIVE, &err);

    if (st == PO_OK)
        st = open(&sink, SIDECAR, &err);
    if (st == PO_OK)
        st = po_engine_protect(&blob, sink, &options, NULL, &err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, &err);
    if (sink != NULL)
        sink->ops->free(sink);
    po_store_blob_free(&blob);
    return st;
}

static enum po_status
protect(void)
{
    return protect_with(po_store_file_create);
}

static enum po_status
protect_again(void)
{
    return protect_with(po_store_file_replace);
}

static enum po_status
repair_to(const char *target)
{
    struct pobackup_blob blob = { 0 };
    struct pobackup_blob recovery = { 0 };
    struct po_rec_state state = { 0 };
    struct po_store_sink *sink = NULL;
    enum po_status st = po_store_file_open(&blob, ARCHIVE, &err);

    if (st == PO_OK)
        st = po_store_file_open(&recovery, GOOD, &err);
    if (st == PO_OK)
        st = po_rec_state_open(&state, &recovery, 1, NULL, &err);
    if (st == PO_OK)
        st = po_rec_state_locate(&state, &blob, 1, NULL, &err);
    if (st == PO_OK)
        st = po_store_file_replace(&sink, target, &err);
    if (st == PO_OK)
        st = po_engine_repair(&state, &blob, sink, 1, NULL, &err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, &err);
    if (sink != NULL)
        sink->ops->free(sink);
    po_rec_state_deinit(&state);
    po_store_blob_free(&recovery);
    po_store_blob_free(&blob);
    return st;
}

static enum po_status
repair(void)
{
    return repair_to(MENDED);
}

static enum po_status
repair_in_place(void)
{
    return repair_to(ARCHIVE);
}

/* ---- files ---- */

static char top[OS_PATH_SIZE];

static size_t
read_file(const char *path, uint8_t *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, room, file);
    ck_assert_int_eq(fclose(file), 0);
    return size;
}

static void
setup(void)
{
    uint32_t number = 1;

    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    os_temp_make(top, "fault-recovery");
    ck_assert_int_eq(chdir(top), 0);
    for (size_t i = 0; i < SIZE; i++) {
        number = number * 1664525u + 1013904223u;
        original[i] = (uint8_t)(number >> 24);
    }
    os_write(ARCHIVE, original, SIZE);
    ck_assert_msg(protect() == PO_OK, "%s", err.text);
    sidecar_size = read_file(SIDECAR, sidecar, sizeof(sidecar));
    ck_assert_int_eq(rename(SIDECAR, GOOD), 0);
    memcpy(damaged, original, SIZE);
    memset(damaged + SIZE / 3, 0, 5000);
}

static void
teardown(void)
{
    fault_disarm();
    os_temp_remove(top);
}

/* ---- the tests ---- */

struct job {
    enum po_status (*run)(void);
    const uint8_t *input;
    const char *output;
    const uint8_t *wanted;
    size_t *wanted_size;
    bool bears_reads; /* what cannot be read is mended */
    bool replaces;
    const uint8_t *former; /* SIZE bytes that stand at the output before; NULL: nothing */
};

static size_t original_size = SIZE;
static const struct job jobs[] = {
    { protect, original, SIDECAR, sidecar, &sidecar_size, false, false, NULL },
    { protect_again, original, SIDECAR, sidecar, &sidecar_size, false, true, damaged },
    { repair, damaged, MENDED, original, &original_size, true, true, NULL },
    { repair_in_place, damaged, ARCHIVE, original, &original_size, true, true, damaged },
};
#define JOBS ((int)(sizeof(jobs) / sizeof(jobs[0])))

static void
assert_output(const struct job *job)
{
    static uint8_t bytes[SIZE + 1];

    ck_assert_uint_eq(read_file(job->output, bytes, sizeof(bytes)), *job->wanted_size);
    ck_assert_mem_eq(bytes, job->wanted, *job->wanted_size);
    ck_assert_int_eq(unlink(job->output), 0);
}

static bool
is_former_there(const struct job *job)
{
    static uint8_t bytes[SIZE + 1];

    return job->former != NULL && read_file(job->output, bytes, sizeof(bytes)) == SIZE &&
           memcmp(bytes, job->former, SIZE) == 0;
}

static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO,    [FAULT_WRITE] = ENOSPC, [FAULT_RENAME] = EIO,
    [FAULT_SYNC] = EIO,      [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

/* With the nth call of the kind failing; false when there are fewer calls. */
static bool
check_one(const struct job *job, enum fault_kind kind, unsigned long nth, bool for_ever,
          unsigned *failed)
{
    char partial[64];
    int free_before = fault_free_descriptor();
    bool has_struck;
    enum po_status st;

    if (job->former != NULL)
        os_write(job->output, job->former, SIZE);
    err = (struct po_err){ .text = "nothing was said" };
    fault_arm(kind, nth, codes[kind], for_ever);
    st = job->run();
    fault_disarm();
    has_struck = fault_has_struck(kind);
    ck_assert_msg(free_before == fault_free_descriptor(), "kind %d, call %lu: a descriptor stays",
                  (int)kind, nth);
    if (st == PO_OK) {
        assert_output(job);
    } else {
        ck_assert_msg(has_struck && err.status == st && strcmp(err.text, "nothing was said") != 0,
                      "kind %d, call %lu: %s", (int)kind, nth, err.text);
        ck_assert_msg(st == (kind == FAULT_MEMORY ? PO_E_NOMEM : PO_E_IO) ||
                          (kind == FAULT_READ && job->bears_reads && st == PO_E_FORMAT),
                      "kind %d, call %lu: status %d: %s", (int)kind, nth, (int)st, err.text);
        ck_assert_msg(job->former == NULL || os_exists(job->output),
                      "kind %d, call %lu: what was there is lost", (int)kind, nth);
        /* What takes a name that another file had stays there, durable or not. */
        if (os_exists(job->output) && !is_former_there(job)) {
            ck_assert_msg(kind == FAULT_SYNC && job->replaces &&
                              strstr(err.text, "perhaps not durable") != NULL,
                          "kind %d, call %lu: %s, but a file is there", (int)kind, nth, err.text);
            assert_output(job);
        }
        (*failed)++;
    }
    (void)snprintf(partial, sizeof(partial), "%s.partial", job->output);
    if (os_exists(partial))
        ck_assert_msg(kind == FAULT_OTHER && (for_ever || os_stat(partial).size == 0),
                      "kind %d, call %lu: a partial file stays: %s", (int)kind, nth, err.text);
    (void)unlink(partial);
    return has_struck;
}

START_TEST(each_failing_call_is_told_and_leaves_nothing)
{
    const struct job *job = &jobs[_i / (2 * FAULT_KIND_COUNT)];
    enum fault_kind kind = (enum fault_kind)(_i / 2 % FAULT_KIND_COUNT);
    bool for_ever = _i % 2 == 1;
    unsigned failed = 0;
    unsigned long nth = 1;

    os_write(ARCHIVE, job->input, SIZE);
    while (check_one(job, kind, nth, for_ever, &failed))
        nth++;
    printf("%s%s, kind %d%s: %lu calls: %u failed\n", job->output,
           job->former != NULL ? ", replaced" : "", (int)kind, for_ever ? ", for ever" : "",
           nth - 1, failed);
    (void)fflush(stdout);
    ck_assert_uint_gt(nth, 1);
    ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(calls_that_move_half_change_nothing)
{
    const struct job *job = &jobs[_i];

    os_write(ARCHIVE, job->input, SIZE);
    if (job->former != NULL)
        os_write(job->output, job->former, SIZE);
    fault_arm(FAULT_READ, 1, 0, true);
    fault_arm(FAULT_WRITE, 1, 0, true);
    if (job->run() != PO_OK)
        ck_abort_msg("%s", err.text);
    fault_disarm();
    ck_assert(fault_has_struck(FAULT_READ) && fault_has_struck(FAULT_WRITE));
    assert_output(job);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("recovery, faults");
    TCase *tc = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, each_failing_call_is_told_and_leaves_nothing, 0,
                        2 * JOBS * FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, calls_that_move_half_change_nothing, 0, JOBS);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
