/*
 * What is written is made durable meanwhile, on a thread: a disk that fails there is told by the write
 * that comes next, by the commit, and by each one after it, though the system tells it once; without a
 * thread all is left for the end.
 */
#include "base/pages.h"
#include "fault.h"
#include "os_help.h"
#include "port/sys.h"
#include "site_help.h"
#include "store/store.h"
#include "store/store_flush.h"

#define STEP ((uint64_t)4096)

static struct po_dir *dir;
static struct po_store_flush flush;
static struct po_err err;
static uint8_t bytes[STEP];
static uint64_t written;

static void
setup(void)
{
    help_enter();
    help_must(po_dir_open(&dir, ".", &err), &err);
    flush = (struct po_store_flush){ .step = STEP };
    help_must(po_file_open(&flush.file, dir, "a", 1, PO_FILE_CREATE, 0600, &err), &err);
    written = 0;
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    fault_disarm();
    po_store_flush_end(&flush);
    po_file_free(flush.file);
    po_dir_free(dir);
    dir = NULL;
    help_leave();
}

static enum po_status
put(size_t size)
{
    enum po_status st = po_file_write_at(flush.file, written, bytes, size, &err);

    written += size;
    return st == PO_OK ? po_store_flush_wrote(&flush, size, &err) : st;
}

static void
await_flush(void)
{
    while (flush.thread != NULL && !atomic_load(&flush.is_done))
        po_sys_sleep_ms(1);
}

START_TEST(each_step_is_made_durable_while_more_is_written)
{
    fault_arm(FAULT_SYNC, 0, 0, false);
    ck_assert_int_eq(put(STEP - 1), PO_OK);
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 0);
    for (unsigned i = 1; i <= 5; i++) {
        ck_assert_int_eq(put(STEP), PO_OK);
        await_flush();
        ck_assert_uint_eq(fault_calls(FAULT_SYNC), i);
    }
    ck_assert_int_eq(po_store_flush_all(&flush, &err), PO_OK);
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 6);
    ck_assert_ptr_null(flush.thread);
}
END_TEST

START_TEST(a_flush_that_fails_is_told_by_the_next_write_and_each_after_it)
{
    fault_arm(FAULT_SYNC, 2, EIO, false);
    ck_assert_int_eq(put(STEP), PO_OK);
    await_flush();
    ck_assert_int_eq(put(STEP), PO_OK);
    await_flush();
    for (int i = 0; i < 3; i++) {
        err = (struct po_err){ 0 };
        ck_assert_int_eq(put(STEP), PO_E_IO);
        ck_assert_int_eq(err.os_code, EIO);
    }
    /* The system would say now that all is well. */
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 2);
    ck_assert_int_eq(po_store_flush_all(&flush, &err), PO_E_IO);
}
END_TEST

START_TEST(a_flush_that_fails_when_all_is_written_is_told_at_the_end)
{
    fault_arm(FAULT_SYNC, 1, EIO, false);
    ck_assert_int_eq(put(STEP), PO_OK);
    ck_assert_int_eq(po_store_flush_all(&flush, &err), PO_E_IO);
    ck_assert_int_eq(err.os_code, EIO);
    ck_assert_int_eq(po_store_flush_all(&flush, &err), PO_E_IO);
}
END_TEST

START_TEST(without_a_thread_all_is_left_for_the_end)
{
    fault_arm(FAULT_SYNC, 0, 0, false);
    fault_arm(FAULT_OTHER, 1, EAGAIN, true);
    ck_assert_int_eq(po_store_flush_wrote(&flush, STEP, &err), PO_OK);
    ck_assert(fault_has_struck(FAULT_OTHER));
    fault_disarm();
    ck_assert_ptr_null(flush.thread);
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 0);
    ck_assert_int_eq(po_store_flush_all(&flush, &err), PO_OK);
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 1);
}
END_TEST

/* Of the default step, through the sink: what it flushed in vain does not get its name. */
START_TEST(a_sink_whose_disk_failed_meanwhile_has_no_archive)
{
    const size_t size = (size_t)PO_STORE_FLUSH_STEP / 4;
    uint8_t *piece = po_pages_new(size);
    struct po_store_sink *sink = NULL;
    enum po_status st = PO_OK;

    ck_assert_ptr_nonnull(piece);
    help_must(po_store_file_create(&sink, "b", &err), &err);
    fault_arm(FAULT_SYNC, 1, EIO, false);
    for (int i = 0; i < 5 && st == PO_OK; i++)
        st = sink->ops->write(sink, piece, size, &err);
    /* The last write tells it if the flush has ended by then; else the commit does. */
    if (st == PO_OK)
        st = sink->ops->commit(sink, &err);
    fault_disarm();
    ck_assert(fault_has_struck(FAULT_SYNC));
    ck_assert_int_eq(st, PO_E_IO);
    ck_assert_int_eq(err.os_code, EIO);
    ck_assert_int_ne(sink->ops->commit(sink, &err), PO_OK);
    sink->ops->free(sink);
    ck_assert(!os_exists("b"));
    ck_assert(!os_exists("b.partial"));
    po_pages_free(piece, size);
}
END_TEST

/* Given up while a flush may run: it is waited for before the file is closed. */
START_TEST(a_sink_is_given_up_while_its_bytes_are_flushed)
{
    const size_t size = (size_t)PO_STORE_FLUSH_STEP;
    uint8_t *piece = po_pages_new(size);
    struct po_store_sink *sink = NULL;

    ck_assert_ptr_nonnull(piece);
    help_must(po_store_file_create(&sink, "b", &err), &err);
    fault_arm(FAULT_SYNC, 0, 0, false);
    help_must(sink->ops->write(sink, piece, size, &err), &err);
    sink->ops->free(sink);
    ck_assert_uint_eq(fault_calls(FAULT_SYNC), 1);
    ck_assert(!os_exists("b.partial"));
    po_pages_free(piece, size);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_store");
    TCase *tc = tcase_create("fault_store");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_step_is_made_durable_while_more_is_written);
    tcase_add_test(tc, a_flush_that_fails_is_told_by_the_next_write_and_each_after_it);
    tcase_add_test(tc, a_flush_that_fails_when_all_is_written_is_told_at_the_end);
    tcase_add_test(tc, without_a_thread_all_is_left_for_the_end);
    tcase_add_test(tc, a_sink_whose_disk_failed_meanwhile_has_no_archive);
    tcase_add_test(tc, a_sink_is_given_up_while_its_bytes_are_flushed);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
