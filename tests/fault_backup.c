/*
 * Each call to the system and the heap that a backup into a file makes is made to fail, one after
 * the other, once or for ever. After each either an error was told and nothing is at the final
 * name, or the archive is whole and what it lacks is named; and services are as before.
 */
#include "archive/joined.h"
#include "fault.h"
#include "port/sys.h"
#include "site_help.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARCHIVE "out.tar.zst"
#define LARGE BOX "/large"
#define HOT_MARGIN_MS 20u
#define LARGE_SIZE ((size_t)300000) /* five frames */

static struct help_host host;
static struct po_err err;
static bool is_hot;

/* The archive that a differential is built on. */
static bool is_diff;
static struct help_sink base_sink;
static struct help_archive base;

static void
setup(void)
{
    help_enter();
    is_hot = is_diff = false;
    help_host_init(&host);
    help_write_text(BIN "/program", "x");
    help_write_text(SPOOL "/a/b/control", "control");
    help_write_text(BOX "/mail", "a mail");
    help_write_random(LARGE, LARGE_SIZE, 1);
    ck_assert_int_eq(link(BOX "/mail", BOX "/other"), 0);
    ck_assert_int_eq(symlink("nowhere", SPOOL "/link"), 0);
}

static void
teardown(void)
{
    fault_disarm();
    if (is_diff) {
        help_close(&base);
        help_sink_deinit(&base_sink);
    }
    help_leave();
}

static void
make_base(void)
{
    const struct po_backup_options options = { .threads = 1, .frame_size = FRAME_SIZE, .level = 1 };
    struct po_backup_result result = { 0 };

    help_sink_init(&base_sink);
    help_must(po_backup_run(&host.host, &base_sink.sink, &options, NULL, &result, &err), &err);
    po_backup_result_deinit(&result);
    help_open(&base, base_sink.bytes.bytes, base_sink.bytes.size);
    is_diff = true;
    /* What has changed since is read, and all else is read again for the share. */
    help_write_text(BOX "/new", "new");
    help_write_text(SPOOL "/a/b/control", "another");
    po_sys_sleep_ms(2 * HOT_MARGIN_MS);
}

static enum po_status
back_up(struct po_backup_result *result)
{
    const struct po_backup_base on = { .index = is_diff ? base.reader->index : NULL,
                                       .created = is_diff ? base.reader->trailer.created : 0,
                                       .name = "base",
                                       .share = 1,
                                       .margin_ms = HOT_MARGIN_MS };
    const struct po_backup_options options = { .threads = 1,
                                               .frame_size = FRAME_SIZE,
                                               .level = 1,
                                               .is_hot = is_hot,
                                               .base = is_diff ? &on : NULL,
                                               .hot_margin_ms = HOT_MARGIN_MS };
    struct po_store_sink *sink = NULL;
    enum po_status st = po_store_file_create(&sink, ARCHIVE, &err);

    if (st != PO_OK)
        return st;
    st = po_backup_run(&host.host, sink, &options, NULL, result, &err);
    sink->ops->free(sink);
    return st;
}

static uint8_t *
read_archive(size_t *size)
{
    FILE *file = fopen(ARCHIVE, "rb");
    uint8_t *bytes = malloc(1u << 20);

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(bytes);
    *size = fread(bytes, 1, 1u << 20, file);
    ck_assert_uint_lt(*size, 1u << 20);
    ck_assert_int_eq(fclose(file), 0);
    return bytes;
}

/* Whole; and if nothing is named as skipped or changed, the whole site. */
static void
assert_archive(const struct po_backup_result *result)
{
    struct help_archive archive;
    struct po_joined *joined = NULL;
    size_t size;
    uint8_t *bytes = read_archive(&size);

    help_open(&archive, bytes, size);
    help_assert_whole(&archive);
    if (is_diff) {
        help_must(po_joined_new(&joined, archive.reader, &base.reader, &err), &err);
        archive.joined = po_joined_reader(joined);
    }
    if (result->skipped.count == 0 && result->changed.count == 0) {
        help_assert_site(&archive, &host);
    } else {
        (void)help_assert_entries(&archive, BIN, BIN, NULL);
        (void)help_assert_entries(&archive, SPOOL, SPOOL, NULL);
        (void)help_assert_entries(&archive, BOX, BOX, NULL);
    }
    po_joined_free(joined);
    help_close(&archive);
    free(bytes);
}

static bool
is_empty(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && info.st_size == 0;
}

static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO,    [FAULT_WRITE] = ENOSPC, [FAULT_RENAME] = EIO,
    [FAULT_SYNC] = EIO,      [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

/* How runs with a fault came out: so that a test can tell whether it saw what it is there for. */
struct outcomes {
    unsigned failed;
    unsigned with_skipped;
    unsigned whole;
};

/* The backup with the nth call of the kind failing; false when there are fewer calls. */
static bool
check_one(enum fault_kind kind, unsigned long nth, bool for_ever, struct outcomes *outcomes)
{
    struct po_backup_result result = { 0 };
    int free_before = fault_free_descriptor();
    bool has_struck;
    enum po_status st;

    help_host_init(&host);
    err = (struct po_err){ .text = "nothing was said" };
    fault_arm(kind, nth, codes[kind], for_ever);
    st = back_up(&result);
    fault_disarm();
    has_struck = fault_has_struck(kind);
    ck_assert_msg(free_before == fault_free_descriptor(), "kind %d, call %lu: a descriptor stays",
                  (int)kind, nth);
    help_assert_services(&host);
    ck_assert(!result.are_services_lost);
    if (st == PO_OK) {
        ck_assert_msg(has_struck ||
                          result.skipped.count + result.changed.count + result.silent.count == 0,
                      "kind %d, call %lu: skipped without a fault", (int)kind, nth);
        assert_archive(&result);
        ck_assert_int_eq(unlink(ARCHIVE), 0);
        outcomes->whole += has_struck && result.skipped.count + result.changed.count == 0 ? 1 : 0;
        outcomes->with_skipped += result.skipped.count + result.changed.count > 0 ? 1 : 0;
    } else {
        ck_assert_msg(has_struck && err.status == st && strcmp(err.text, "nothing was said") != 0,
                      "kind %d, call %lu: %s", (int)kind, nth, err.text);
        ck_assert_msg(!help_is_there(ARCHIVE), "kind %d, call %lu: %s, but an archive is there",
                      (int)kind, nth, err.text);
        outcomes->failed++;
    }
    /*
     * One that could not be locked may be somebody else's; and where no file can be removed any
     * more, it stays too: the next run takes it over.
     */
    if (help_is_there(ARCHIVE ".partial"))
        ck_assert_msg(kind == FAULT_OTHER && (for_ever || is_empty(ARCHIVE ".partial")),
                      "kind %d, call %lu: a partial file stays: %s", (int)kind, nth, err.text);
    (void)unlink(ARCHIVE ".partial");
    po_backup_result_deinit(&result);
    return has_struck;
}

/* req: B7, B8 */
START_TEST(each_failing_call_is_told_or_its_item_is_named_and_services_are_back)
{
    enum fault_kind kind = (enum fault_kind)(_i / 6);
    bool for_ever = _i % 2 == 1;
    struct outcomes outcomes = { 0 };
    unsigned long nth = 1;

    is_hot = _i / 2 % 3 == 1;
    if (_i / 2 % 3 == 2)
        make_base();
    po_sys_sleep_ms(2 * HOT_MARGIN_MS); /* the hot pass trusts what it reads */
    while (check_one(kind, nth, for_ever, &outcomes))
        nth++;
    printf("kind %d%s%s: %lu calls: %u failed, %u with skipped items, %u whole\n", (int)kind,
           for_ever ? ", for ever" : "",
           is_hot    ? ", hot"
           : is_diff ? ", on a base"
                     : "",
           nth - 1, outcomes.failed, outcomes.with_skipped, outcomes.whole);
    (void)fflush(stdout);
    ck_assert_uint_gt(nth, 1);
    /* Reading and opening fail for one item, mostly; the run goes on. */
    if (kind == FAULT_READ || kind == FAULT_OPEN)
        ck_assert_uint_gt(outcomes.with_skipped, 0);
    else
        ck_assert_uint_gt(outcomes.failed, 0);
    /* Memory that ran out is never an item's fault. */
    if (kind == FAULT_MEMORY)
        ck_assert_uint_eq(outcomes.with_skipped, 0);
}
END_TEST

START_TEST(calls_that_move_half_or_are_interrupted_change_nothing)
{
    struct po_backup_result result = { 0 };

    fault_arm(FAULT_READ, 1, 0, true);
    fault_arm(FAULT_WRITE, 1, 0, true);
    help_must(back_up(&result), &err);
    fault_disarm();
    ck_assert(fault_has_struck(FAULT_READ) && fault_has_struck(FAULT_WRITE));
    ck_assert_uint_eq(result.skipped.count + result.changed.count, 0);
    assert_archive(&result);
    po_backup_result_deinit(&result);
    ck_assert_int_eq(unlink(ARCHIVE), 0);
    fault_arm(FAULT_READ, 30, EINTR, false); /* of a file, not a directory */
    fault_arm(FAULT_WRITE, 1, EINTR, false);
    fault_arm(FAULT_OPEN, 5, EINTR, false);
    help_must(back_up(&result), &err);
    fault_disarm();
    ck_assert_uint_eq(result.skipped.count + result.changed.count, 0);
    assert_archive(&result);
    po_backup_result_deinit(&result);
}
END_TEST

/* ---- a read error in the middle of a large file ---- */

/* The independent reader agrees. */
static void
assert_reader_agrees(const void *bytes, size_t size)
{
    help_write("for-reader.tar.zst", bytes, size);
    ck_assert_msg(system("python3 " POBACKUP_SOURCE_DIR
                         "/format-spec/reader.py verify for-reader.tar.zst >verdict") == 0,
                  "the independent reader disagrees");
}

/* spec-test: INDEX-11 */
START_TEST(a_large_file_with_a_read_error_is_skipped_and_its_member_unlisted) /* req: B8 */
{
    const struct po_backup_options options = { .threads = 1, .frame_size = FRAME_SIZE, .level = 1 };
    unsigned unlisted = 0;
    unsigned unlistable = 0;

    for (unsigned long nth = 1;; nth++) {
        struct po_backup_result result;
        struct help_archive archive;
        struct help_sink sink;
        enum po_status st;
        bool has_struck;

        help_host_init(&host);
        help_sink_init(&sink);
        fault_arm(FAULT_READ, nth, EIO, false);
        st = po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err);
        fault_disarm();
        has_struck = fault_has_struck(FAULT_READ);
        if (st != PO_OK) {
            /* Without the list of its root a whole tree would be missing: that ends the run. */
            ck_assert_int_eq(st, PO_E_IO);
            ck_assert_msg(strstr(err.text, "Backup: list .:") != NULL, "%s", err.text);
            unlistable++;
            help_sink_deinit(&sink);
            po_backup_result_deinit(&result);
            continue;
        }
        help_open(&archive, sink.bytes.bytes, sink.bytes.size);
        help_assert_whole(&archive);
        if (archive.reader->index->unlisted_count > 0) {
            unlisted++;
            ck_assert_uint_eq(archive.reader->index->unlisted_count, 1);
            ck_assert_uint_eq(result.skipped.count, 1);
            ck_assert(help_problems_have(&result.skipped, LARGE, "Input/output error"));
            ck_assert(!help_has(&archive, LARGE));
            assert_reader_agrees(sink.bytes.bytes, sink.bytes.size);
        }
        if (result.skipped.count == 0)
            help_assert_site(&archive, &host);
        help_close(&archive);
        help_sink_deinit(&sink);
        po_backup_result_deinit(&result);
        if (!has_struck)
            break;
    }
    /* Not where the first frame's part fails: then the member can be taken back. */
    ck_assert_uint_eq(unlisted, LARGE_SIZE / FRAME_SIZE);
    ck_assert_uint_gt(unlistable, 0);
}
END_TEST

/* The file changes while it is read, and the second time it cannot be read to its end. */
static void
change_once(void *ctx, unsigned number)
{
    bool *is_done = ctx;
    int fd;

    if (number < 6 || *is_done)
        return;
    *is_done = true;
    fd = open(LARGE, O_WRONLY | O_APPEND);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "more", 4), 4);
    ck_assert_int_eq(close(fd), 0);
}

/* spec-test: INDEX-7, INDEX-11, TAR-7 */
START_TEST(a_file_that_changes_and_then_cannot_be_read_again_leaves_a_valid_archive)
{
    const struct po_backup_options options = {
        .threads = 1, .frame_size = FRAME_SIZE, .level = 1, .is_by_path = true
    };
    unsigned both_unlisted = 0;
    unsigned first_stays = 0;
    bool has_struck = true;

    for (unsigned long nth = 1; has_struck; nth++) {
        struct po_backup_result result;
        struct help_archive archive;
        struct help_sink sink;
        bool is_done = false;
        enum po_status st;

        help_write_random(LARGE, 1000000, 1);
        help_host_init(&host);
        help_sink_init(&sink);
        sink.hook = change_once;
        sink.ctx = &is_done;
        fault_arm(FAULT_READ, nth, EIO, false);
        st = po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err);
        fault_disarm();
        has_struck = fault_has_struck(FAULT_READ);
        /* What is read before the second time is another test's matter. */
        if (st != PO_OK || !is_done) {
            ck_assert(has_struck);
            help_sink_deinit(&sink);
            po_backup_result_deinit(&result);
            continue;
        }
        help_open(&archive, sink.bytes.bytes, sink.bytes.size);
        help_assert_whole(&archive);
        if (archive.reader->index->unlisted_count == 2)
            assert_reader_agrees(sink.bytes.bytes, sink.bytes.size);
        if (archive.reader->index->unlisted_count == 2) {
            both_unlisted++;
            ck_assert(help_problems_have(&result.skipped, LARGE, "Input/output error"));
            ck_assert_uint_eq(result.changed.count, 0);
            /* program, control, mail, the registry */
            ck_assert_uint_eq(result.files, 4);
        } else if (help_has(&archive, LARGE) && result.changed.count > 0) {
            first_stays++;
            ck_assert(help_problems_have(&result.changed, LARGE, "could not be read again"));
            ck_assert_uint_eq(result.files, 5);
        }
        ck_assert(help_has(&archive, LARGE) ==
                  !help_problems_have(&result.skipped, LARGE, "Input/output error"));
        (void)help_assert_entries(&archive, BIN, BIN, NULL);
        help_close(&archive);
        help_sink_deinit(&sink);
        po_backup_result_deinit(&result);
    }
    /* The first part of the second reading fails: its member can be taken back, the first stays. */
    ck_assert_uint_ge(first_stays, 1);
    ck_assert_uint_gt(both_unlisted, 10);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("faults of a backup");
    TCase *tc = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 500);
    tcase_add_loop_test(tc, each_failing_call_is_told_or_its_item_is_named_and_services_are_back, 0,
                        6 * FAULT_KIND_COUNT);
    tcase_add_test(tc, calls_that_move_half_or_are_interrupted_change_nothing);
    tcase_add_test(tc, a_large_file_with_a_read_error_is_skipped_and_its_member_unlisted);
    tcase_add_test(tc, a_file_that_changes_and_then_cannot_be_read_again_leaves_a_valid_archive);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
