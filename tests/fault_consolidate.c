/*
 * Each call to the system and the heap that consolidating makes is made to fail, one after the other, once
 * or for ever. After each either an error was told and nothing is at the final name, or the archive is
 * there, whole and the snapshot.
 */
#include "chain_help.h"
#include "engine/consolidate.h"
#include "engine/parents.h"
#include "fault.h"
#include "os_help.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL "0.tar.zst" /* as the chain calls it */
#define DIFF "diff.tar.zst"
#define OUT "out.tar.zst"
#define LARGE BOX "/large"
#define LARGE_SIZE ((size_t)200000) /* four frames */

static struct po_err err;

static void
setup(void)
{
    if (access("/dev/shm", W_OK) == 0)
        ck_assert_int_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
    help_chain_begin();
    help_write_text(BIN "/program", "x");
    help_write_text(SPOOL "/a/b/control", "control");
    help_write_text(BOX "/mail", "a mail");
    help_write_text(BOX "/gone", "one that goes");
    help_write_random(LARGE, LARGE_SIZE, 1);
    ck_assert_int_eq(link(BOX "/mail", BOX "/other"), 0);
    ck_assert_int_eq(symlink("nowhere", SPOOL "/link"), 0);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/gone"), 0);
    help_write_text(BOX "/new", "new");
    (void)help_chain_save(0);
    help_write(FULL, help_chain.sinks[0].bytes.bytes, help_chain.sinks[0].bytes.size);
    help_write(DIFF, help_chain.sinks[1].bytes.bytes, help_chain.sinks[1].bytes.size);
}

static void
teardown(void)
{
    fault_disarm();
    help_chain_end();
}

static enum po_status
open_here(void *ctx, const char *name, struct pobackup_blob *blob, bool *is_found,
          struct po_err *failure)
{
    (void)ctx;
    *is_found = true;
    return po_store_file_open(blob, name, failure);
}

static void
close_here(void *ctx, struct pobackup_blob *blob)
{
    (void)ctx;
    po_store_blob_free(blob);
}

/* The differential and its parents, opened. */
struct sources {
    struct pobackup_blob blob;
    struct po_reader *own;
    struct po_parents parents;
    struct po_problems missing;
    struct po_joined *joined;
};

static enum po_status
open_sources(struct sources *sources)
{
    const struct po_parents_place place = { .open = open_here, .close = close_here };
    enum po_status st = po_store_file_open(&sources->blob, DIFF, &err);

    if (st == PO_OK)
        st = po_reader_open(&sources->own, &sources->blob, &err);
    if (st == PO_OK)
        st = po_parents_open(&sources->parents, sources->own, &place, &sources->missing, &err);
    if (st == PO_OK)
        st = po_joined_new(&sources->joined, sources->own, sources->parents.readers, &err);
    return st;
}

static void
close_sources(struct sources *sources)
{
    po_joined_free(sources->joined);
    po_parents_close(&sources->parents);
    po_problems_deinit(&sources->missing);
    po_reader_free(sources->own);
    po_store_blob_free(&sources->blob);
}

/* As the program does it. */
static enum po_status
consolidate(void)
{
    const struct po_consolidate_options options = { .threads = 1,
                                                    .frame_size = FRAME_SIZE,
                                                    .level = 1 };
    struct po_consolidate_result result = { 0 };
    struct sources sources = { 0 };
    struct po_store_sink *sink = NULL;
    enum po_status st = open_sources(&sources);

    if (st == PO_OK)
        st = po_store_file_create(&sink, OUT, &err);
    if (st == PO_OK)
        st = po_consolidate_write(sources.own, sources.joined, sink, &options, NULL, &result, &err);
    close_sources(&sources);
    if (st == PO_OK)
        st = po_consolidate_commit(sink, 1, NULL, &result, &err);
    if (sink != NULL)
        sink->ops->free(sink);
    po_consolidate_result_deinit(&result);
    return st;
}

static void
assert_out(void)
{
    static uint8_t bytes[1u << 20];
    struct help_archive archive;
    FILE *file = fopen(OUT, "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof bytes, file);
    ck_assert_uint_lt(size, sizeof bytes);
    ck_assert_int_eq(fclose(file), 0);
    help_open(&archive, bytes, size);
    help_assert_whole(&archive);
    help_assert_site(&archive, &help_chain.host);
    help_close(&archive);
}

static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO,    [FAULT_WRITE] = ENOSPC, [FAULT_RENAME] = EIO,
    [FAULT_SYNC] = EIO,      [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

/* With the nth call of the kind failing; false when there are fewer calls. */
static bool
check_one(enum fault_kind kind, unsigned long nth, bool for_ever, unsigned *failed)
{
    int free_before = fault_free_descriptor();
    bool has_struck;
    enum po_status st;

    err = (struct po_err){ .text = "nothing was said" };
    fault_arm(kind, nth, codes[kind], for_ever);
    st = consolidate();
    fault_disarm();
    has_struck = fault_has_struck(kind);
    ck_assert_msg(free_before == fault_free_descriptor(), "kind %d, call %lu: a descriptor stays",
                  (int)kind, nth);
    if (st == PO_OK) {
        assert_out();
        ck_assert_int_eq(unlink(OUT), 0);
    } else {
        ck_assert_msg(has_struck && err.status == st && strcmp(err.text, "nothing was said") != 0,
                      "kind %d, call %lu: %s", (int)kind, nth, err.text);
        /* What failed is not taken for damage. */
        ck_assert_msg(st == (kind == FAULT_MEMORY ? PO_E_NOMEM : PO_E_IO),
                      "kind %d, call %lu: status %d: %s", (int)kind, nth, (int)st, err.text);
        ck_assert_msg(!help_is_there(OUT), "kind %d, call %lu: %s, but an archive is there",
                      (int)kind, nth, err.text);
        (*failed)++;
    }
    /* Where no file can be removed any more it stays, and the next run takes it over; as it does one
     * that could not be locked. */
    if (help_is_there(OUT ".partial"))
        ck_assert_msg(kind == FAULT_OTHER && (for_ever || os_stat(OUT ".partial").size == 0),
                      "kind %d, call %lu: a partial file stays: %s", (int)kind, nth, err.text);
    (void)unlink(OUT ".partial");
    return has_struck;
}

START_TEST(each_failing_call_is_told_and_leaves_nothing)
{
    enum fault_kind kind = (enum fault_kind)(_i / 2);
    bool for_ever = _i % 2 == 1;
    unsigned failed = 0;
    unsigned long nth = 1;

    while (check_one(kind, nth, for_ever, &failed))
        nth++;
    printf("kind %d%s: %lu calls: %u failed\n", (int)kind, for_ever ? ", for ever" : "", nth - 1,
           failed);
    (void)fflush(stdout);
    ck_assert_uint_gt(nth, 1);
    ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(calls_that_move_half_change_nothing)
{
    fault_arm(FAULT_READ, 1, 0, true);
    fault_arm(FAULT_WRITE, 1, 0, true);
    help_must(consolidate(), &err);
    fault_disarm();
    ck_assert(fault_has_struck(FAULT_READ) && fault_has_struck(FAULT_WRITE));
    assert_out();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("consolidate, faults");
    TCase *tc = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, each_failing_call_is_told_and_leaves_nothing, 0, 2 * FAULT_KIND_COUNT);
    tcase_add_test(tc, calls_that_move_half_change_nothing);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
