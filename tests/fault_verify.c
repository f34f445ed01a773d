/*
 * Each call to the system and the heap that verifying an archive makes is made to fail, one after the
 * other, once or for ever: quick, deep, of frames that are wanted, and with recovery data; of an archive
 * that is whole and of one that is damaged. A disk or a machine in trouble says nothing about the
 * archive: the one is never called damaged, the other is never called whole, and whole is called only
 * what was all read.
 */
#include "engine/protect.h"
#include "engine/rec_state.h"
#include "engine/verify.h"
#include "fault.h"
#include "site_help.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARCHIVE "out.tar.zst"
#define SIDECAR ARCHIVE ".rec"

struct job {
    const char *name;
    bool is_deep;
    bool is_by_frames;
    bool has_recovery;
};

static const struct job jobs[] = { { "quick", false, false, false },
                                   { "deep", true, false, false },
                                   { "frames", false, true, false },
                                   { "recovery", false, false, true } };
#define JOBS ((int)(sizeof(jobs) / sizeof(jobs[0])))

static const enum fault_kind kinds[] = { FAULT_MEMORY, FAULT_READ, FAULT_OPEN, FAULT_OTHER };
static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO, [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

/* What was found. */
struct outcome {
    enum po_status st;
    struct po_err err;
    bool has_struck; /* until then */
    uint64_t frames;
    uint64_t unread_frames;
    bool is_unread_taken_for_good;
    uint64_t files;
    size_t hits;
    bool is_registry_bad;

    enum po_status rec_st;
    struct po_err rec_err;
    bool has_rec_struck; /* from then on */
    bool is_sidecar_whole;
    bool is_archive_whole;
    uint32_t lost;
    uint32_t unread;
};

static struct help_host host;
static struct po_err err;

static void
make_archive(void)
{
    const struct po_backup_options options = { .threads = 1, .frame_size = FRAME_SIZE, .level = 1 };
    struct po_backup_result result = { 0 };
    struct po_store_sink *sink = NULL;

    help_must(po_store_file_create(&sink, ARCHIVE, &err), &err);
    help_must(po_backup_run(&host.host, sink, &options, NULL, &result, &err), &err);
    sink->ops->free(sink);
    po_backup_result_deinit(&result);
}

static void
make_sidecar(void)
{
    const struct po_protect_options options = { .percent = 5, .threads = 1 };
    struct pobackup_blob blob = { 0 };
    struct po_store_sink *sink = NULL;

    help_must(po_store_file_open(&blob, ARCHIVE, &err), &err);
    help_must(po_store_file_create(&sink, SIDECAR, &err), &err);
    help_must(po_engine_protect(&blob, sink, &options, NULL, &err), &err);
    help_must(sink->ops->commit(sink, &err), &err);
    sink->ops->free(sink);
    po_store_blob_free(&blob);
}

/* In the middle: in what a large file goes on with. */
static void
damage_archive(void)
{
    FILE *file = fopen(ARCHIVE, "r+b");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    ck_assert_int_eq(fseek(file, ftell(file) / 2, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite("damage", 1, 6, file), 6);
    ck_assert_int_eq(fclose(file), 0);
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_write_text(BIN "/program", "x");
    help_write_text(SPOOL "/a/control", "control");
    help_write_random(BOX "/large", 300000, 1); /* five frames */
    make_archive();
    make_sidecar();
}

static void
teardown(void)
{
    fault_disarm();
    help_leave();
}

static enum po_status
verify_archive(const struct job *job, const struct po_reader *reader, struct outcome *outcome,
               struct po_verify_result *result, struct po_err *failure)
{
    uint8_t wanted[64];
    uint64_t bad = 0;
    enum po_status st;

    if (!job->is_by_frames)
        return po_engine_verify(reader, job->is_deep, 2, NULL, result, failure);
    memset(wanted, PO_VERIFY_WANTED, sizeof wanted);
    st = po_engine_verify_frames(reader, wanted, 2, NULL, result, failure);
    for (uint32_t i = 0; i < reader->index->frame_count; i++)
        bad += wanted[i] == PO_VERIFY_BAD;
    outcome->is_unread_taken_for_good = bad < result->unread + (st == PO_E_FORMAT ? 1 : 0);
    return st;
}

static void
look_at_recovery(const struct pobackup_blob *archive, struct outcome *outcome)
{
    struct pobackup_blob sidecar = { 0 };
    struct po_rec_state state = { 0 };

    outcome->rec_st = po_store_file_open(&sidecar, SIDECAR, &outcome->rec_err);
    if (outcome->rec_st == PO_OK)
        outcome->rec_st = po_rec_state_open(&state, &sidecar, 1, NULL, &outcome->rec_err);
    if (outcome->rec_st == PO_OK)
        outcome->rec_st = po_rec_state_locate(&state, archive, 1, NULL, &outcome->rec_err);
    outcome->is_sidecar_whole = po_rec_state_is_whole(&state);
    outcome->is_archive_whole = po_rec_state_is_archive_whole(&state);
    outcome->lost = state.lost;
    outcome->unread = state.unread.count;
    po_rec_state_deinit(&state);
    po_store_blob_free(&sidecar);
}

static void
run(const struct job *job, enum fault_kind kind, unsigned long nth, bool for_ever,
    struct outcome *outcome)
{
    struct pobackup_blob blob = { 0 };
    struct po_reader *reader = NULL;
    struct po_verify_result result = { 0 };
    bool is_open;

    *outcome =
        (struct outcome){ .err.text = "nothing was said", .rec_err.text = "nothing was said" };
    fault_arm(kind, nth, codes[kind], for_ever);
    outcome->st = po_store_file_open(&blob, ARCHIVE, &outcome->err);
    is_open = outcome->st == PO_OK;
    if (outcome->st == PO_OK)
        outcome->st = po_reader_open(&reader, &blob, &outcome->err);
    if (outcome->st == PO_OK)
        outcome->st = verify_archive(job, reader, outcome, &result, &outcome->err);
    outcome->has_struck = fault_has_struck(kind);
    if (job->has_recovery && is_open && !outcome->has_struck)
        look_at_recovery(&blob, outcome);
    outcome->has_rec_struck = !outcome->has_struck && fault_has_struck(kind);
    outcome->frames = result.frames;
    outcome->unread_frames = result.unread;
    outcome->files = result.files;
    outcome->hits = result.hits.count;
    outcome->is_registry_bad = result.is_registry_bad;
    po_verify_result_deinit(&result);
    po_reader_free(reader);
    po_store_blob_free(&blob);
    fault_disarm();
}

/* A failure that is told as what it is. */
static void
assert_told(enum po_status st, const struct po_err *told, enum fault_kind kind, unsigned long nth)
{
    ck_assert_msg(told->status == st && strcmp(told->text, "nothing was said") != 0 &&
                      st == (kind == FAULT_MEMORY ? PO_E_NOMEM : PO_E_IO),
                  "kind %d, call %lu: %s: %s", (int)kind, nth, po_status_name(st), told->text);
}

/* `clean` is what is found without a fault. */
static void
assert_verdict(const struct outcome *outcome, const struct outcome *clean, enum fault_kind kind,
               unsigned long nth)
{
    ck_assert(!outcome->is_unread_taken_for_good);
    if (outcome->st != clean->st) {
        ck_assert(outcome->has_struck);
        assert_told(outcome->st, &outcome->err, kind, nth);
        return;
    }
    ck_assert_msg(!outcome->has_struck || (kind != FAULT_MEMORY && kind != FAULT_READ) ||
                      outcome->unread_frames > 0,
                  "kind %d, call %lu: failed, and nobody said so", (int)kind, nth);
    ck_assert_msg(outcome->frames == clean->frames && outcome->files <= clean->files &&
                      outcome->hits >= clean->hits && !outcome->is_registry_bad,
                  "kind %d, call %lu: not all was looked at", (int)kind, nth);
    ck_assert(outcome->unread_frames > 0 ||
              (outcome->files == clean->files && outcome->hits == clean->hits));
}

/* What cannot be read is lost, and counted as unread too; but a second look at it may do. */
static void
assert_recovery(const struct outcome *outcome, const struct outcome *clean, enum fault_kind kind,
                unsigned long nth, bool for_ever)
{
    if (outcome->rec_st != PO_OK) {
        ck_assert(outcome->has_rec_struck);
        assert_told(outcome->rec_st, &outcome->rec_err, kind, nth);
        return;
    }
    ck_assert_msg(!outcome->has_rec_struck || kind != FAULT_MEMORY,
                  "memory, call %lu: failed, and nobody said so", nth);
    ck_assert(!outcome->is_archive_whole || clean->is_archive_whole);
    if (kind != FAULT_READ || !outcome->has_rec_struck) {
        ck_assert(outcome->is_sidecar_whole && outcome->unread == 0);
        ck_assert_uint_eq(outcome->lost, clean->lost);
        return;
    }
    ck_assert_uint_ge(outcome->lost, clean->lost);
    ck_assert(outcome->lost == clean->lost || outcome->unread > 0);
    /* Where all has been read once, lost blocks are looked for elsewhere: of that nothing is told. */
    ck_assert_msg(!for_ever || outcome->unread > 0 || clean->lost > 0,
                  "read, call %lu on: nothing is unread", nth);
}

static void
fail_each(int number, enum po_status wanted)
{
    const struct job *job = &jobs[number % JOBS];
    enum fault_kind kind = kinds[number / JOBS / 2];
    bool for_ever = number / JOBS % 2 == 1;
    int free_before = fault_free_descriptor();
    struct outcome clean;
    struct outcome outcome = { 0 };
    unsigned long nth = 0;
    unsigned failed = 0;

    run(job, kind, 0, false, &clean);
    ck_assert_int_eq(clean.st, wanted);
    ck_assert((clean.hits > 0) == (wanted == PO_E_FORMAT));
    ck_assert(!job->has_recovery ||
              (clean.is_sidecar_whole && clean.is_archive_whole == (wanted == PO_OK)));
    do {
        run(job, kind, ++nth, for_ever, &outcome);
        assert_verdict(&outcome, &clean, kind, nth);
        if (job->has_recovery && !outcome.has_struck)
            assert_recovery(&outcome, &clean, kind, nth, for_ever);
        ck_assert_int_eq(free_before, fault_free_descriptor());
        failed += outcome.st != clean.st || outcome.rec_st != PO_OK;
    } while (outcome.has_struck || outcome.has_rec_struck);
    printf("%s, kind %d%s: %lu calls: %u failed\n", job->name, (int)kind,
           for_ever ? ", for ever" : "", nth - 1, failed);
    (void)fflush(stdout);
    ck_assert_uint_gt(failed, 0);
}

START_TEST(each_failing_call_is_told_and_what_is_whole_is_never_called_damaged)
{
    fail_each(_i, PO_OK);
}
END_TEST

START_TEST(each_failing_call_is_told_and_what_is_damaged_is_never_called_whole)
{
    damage_archive();
    fail_each(_i, PO_E_FORMAT);
}
END_TEST

START_TEST(reads_that_move_half_change_nothing)
{
    struct outcome clean;
    struct outcome outcome;

    run(&jobs[_i], FAULT_READ, 0, false, &clean);
    ck_assert_int_eq(clean.st, PO_OK);
    fault_arm(FAULT_READ, 1, 0, true);
    run(&jobs[_i], FAULT_MEMORY, 0, false, &outcome); /* disarms all when done */
    ck_assert(fault_has_struck(FAULT_READ));
    assert_verdict(&outcome, &clean, FAULT_MEMORY, 0);
    if (jobs[_i].has_recovery)
        assert_recovery(&outcome, &clean, FAULT_MEMORY, 0, false);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("faults of a verification");
    TCase *tc = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, each_failing_call_is_told_and_what_is_whole_is_never_called_damaged, 0,
                        JOBS * 8);
    tcase_add_loop_test(tc, each_failing_call_is_told_and_what_is_damaged_is_never_called_whole, 0,
                        JOBS * 8);
    tcase_add_loop_test(tc, reads_that_move_half_change_nothing, 0, JOBS);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
