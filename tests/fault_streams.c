/*
 * Alternate streams, with each call to the system and the heap made to fail, one after the other: a
 * backup saves a stream, names it, or fails; a restore puts it back, names it, or changes nothing.
 */
#include "engine/restore.h"
#include "fault.h"
#include "os_help.h"
#include "site_help.h"
#include "stream_help.h"

#define OWNER BOX "/new/f"
#define STREAMS 3 /* of the file: one spans frames, one is empty; and one of its directory */

static struct help_host host;
static struct help_sink sink;
static struct po_err err;

static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO,    [FAULT_WRITE] = EACCES, [FAULT_RENAME] = EIO,
    [FAULT_SYNC] = EIO,      [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

static int
open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

static void
write_streams(void)
{
    help_make_directory("ads");
    help_write_random("ads/new%f@large", 2 * FRAME_SIZE, 1);
    help_write_text("ads/new%f@empty", "");
    help_write_text("ads/new@of a directory", "x");
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_sink_init(&sink);
    help_make_directory(BIN);
    help_make_directory(SPOOL);
    help_write_text(OWNER, "file");
    help_streams_state = (struct help_streams_state){ 0 };
    write_streams();
}

static void
teardown(void)
{
    fault_disarm();
    help_sink_deinit(&sink);
    help_leave();
}

static enum po_status
back_up(struct po_backup_result *result)
{
    const struct po_backup_options options = {
        .threads = 1, .frame_size = FRAME_SIZE, .level = 1, .stream_ops = &help_streams
    };

    help_sink_deinit(&sink);
    help_sink_init(&sink);
    help_host_init(&host);
    return po_backup_run(&host.host, &sink.sink, &options, NULL, result, &err);
}

/* req: B8 */
START_TEST(each_failing_call_of_a_backup_is_told_or_the_stream_is_named)
{
    enum fault_kind kind = (enum fault_kind)_i;
    bool has_struck = true;

    for (unsigned long nth = 1; has_struck; nth++) {
        struct po_backup_result result = { 0 };
        struct help_archive archive;
        int open_before = open_descriptors();
        enum po_status st;

        fault_arm(kind, nth, codes[kind], false);
        st = back_up(&result);
        fault_disarm();
        ck_assert_int_eq(open_before, open_descriptors());
        has_struck = fault_has_struck(kind);
        if (st == PO_OK) {
            help_open(&archive, sink.bytes.bytes, sink.bytes.size);
            help_assert_whole(&archive);
            help_close(&archive);
            ck_assert(has_struck || result.streams.count == STREAMS);
            ck_assert_msg(result.streams.count == STREAMS || result.skipped.count > 0,
                          "kind %d, call %lu: %u streams", (int)kind, nth,
                          (unsigned)result.streams.count);
            ck_assert(kind != FAULT_MEMORY || result.skipped.count == 0);
        } else {
            ck_assert_msg(has_struck, "kind %d, call %lu: %s", (int)kind, nth, err.text);
        }
        po_backup_result_deinit(&result);
    }
}
END_TEST

/* site_help.h's asserts, which needs memory. */
static enum po_status
read_blob(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *failure)
{
    const struct po_buf *from = ctx;

    if (offset > from->size || size > from->size - offset)
        return po_fail(failure, PO_E_IO, "behind the end");
    memcpy(bytes, from->bytes + offset, size);
    return PO_OK;
}

static enum po_status
restore(struct po_reader *reader, struct po_restore_result *result)
{
    const struct po_restore_options options = { .parts[PO_PART_MAILBOX] = true,
                                                .no_services = true,
                                                .threads = 1,
                                                .stream_ops = &help_streams };
    struct po_host *dest = NULL;
    enum po_status st = po_host_folder_open(&dest, "dest", &err);

    if (st != PO_OK)
        return st;
    st = po_restore_run(reader, dest, &options, NULL, result, &err);
    dest->ops->free(dest);
    return st;
}

/* req: B8 */
START_TEST(each_failing_call_of_a_restore_is_told_or_the_stream_is_named)
{
    enum fault_kind kind = (enum fault_kind)_i;
    struct po_backup_result saved = { 0 };
    struct pobackup_blob blob = { .ctx = &sink.bytes, .read_at = read_blob };
    struct po_reader *reader = NULL;
    bool has_struck = true;
    unsigned failed = 0;

    help_must(back_up(&saved), &err);
    ck_assert_uint_eq(saved.streams.count, STREAMS);
    blob.size = sink.bytes.size;
    help_must(po_reader_open(&reader, &blob, &err), &err);
    for (unsigned long nth = 1; has_struck; nth++) {
        struct po_restore_result result = { 0 };
        int open_before = open_descriptors();
        enum po_status st;

        if (help_is_there("dest"))
            os_remove("dest");
        os_remove("ads");
        help_make_directory("ads");
        help_make_directory("dest/" BOX);
        fault_arm(kind, nth, codes[kind], false);
        st = restore(reader, &result);
        fault_disarm();
        ck_assert_int_eq(open_before, open_descriptors());
        has_struck = fault_has_struck(kind);
        if (st == PO_OK) {
            ck_assert(help_is_there("dest/" OWNER));
            ck_assert(has_struck || result.streams == STREAMS);
            ck_assert_msg(result.streams == STREAMS || result.problems.count > 0,
                          "kind %d, call %lu: %u streams", (int)kind, nth,
                          (unsigned)result.streams);
            if (result.streams == STREAMS)
                ck_assert_uint_eq(os_count("ads"), STREAMS);
        } else {
            failed++;
            ck_assert_msg(has_struck, "kind %d, call %lu: %s", (int)kind, nth, err.text);
            ck_assert(result.is_changed || !help_is_there("dest/" OWNER));
        }
        po_restore_result_deinit(&result);
    }
    ck_assert_uint_gt(failed, 0);
    po_reader_free(reader);
    po_backup_result_deinit(&saved);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("faults of streams");
    TCase *tc = tcase_create("faults");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 500);
    tcase_add_loop_test(tc, each_failing_call_of_a_backup_is_told_or_the_stream_is_named, 0,
                        FAULT_KIND_COUNT);
    tcase_add_loop_test(tc, each_failing_call_of_a_restore_is_told_or_the_stream_is_named, 0,
                        FAULT_KIND_COUNT);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
