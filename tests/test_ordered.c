#include "pipeline/ordered.h"

#include "base/mem.h"
#include "port/sys.h"
#include "port/thread.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 16

struct item {
    unsigned number; /* written by the producer */
    unsigned result; /* written by a worker */
    unsigned delay;  /* microseconds' worth of work */
};

struct fixture {
    struct po_ordered *ordered;
    struct item items[SLOTS_MAX];
    void *pointers[SLOTS_MAX];
    unsigned fail_at; /* the number whose work fails; 0 = none */
    unsigned total;
    atomic_uint worked;
    atomic_uint worker_numbers; /* a bit for each that worked */
};

static struct po_err err;

static void
burn(unsigned loops)
{
    volatile unsigned sum = 0;

    for (unsigned i = 0; i < loops * 50; i++)
        sum = sum + i;
}

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *own)
{
    struct fixture *f = ctx;
    struct item *it = item;

    burn(it->delay);
    if (f->fail_at != 0 && it->number == f->fail_at)
        return po_fail(own, PO_E_FORMAT, "item %u", it->number);
    it->result = it->number * 3 + 1;
    atomic_fetch_add(&f->worked, 1);
    atomic_fetch_or(&f->worker_numbers, 1u << worker);
    return PO_OK;
}

static void
start(struct fixture *f, unsigned workers, size_t slots)
{
    struct po_ordered_options options = {
        .workers = workers, .slots = slots, .work = work, .ctx = f
    };

    /* Without a process for each test (CK_FORK=no) the last one's counts are still there. */
    memset(f->items, 0, sizeof(f->items));
    atomic_store(&f->worked, 0);
    atomic_store(&f->worker_numbers, 0);
    for (size_t i = 0; i < slots; i++)
        f->pointers[i] = &f->items[i];
    ck_assert_int_eq(po_ordered_new(&f->ordered, &options, f->pointers, &err), PO_OK);
    /* They were copied. */
    memset(f->pointers, 0, sizeof(f->pointers));
}

static unsigned
next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* The producer as a thread of its own: numbers 1 to f->total. */
static void
produce(void *ctx)
{
    struct fixture *f = ctx;
    struct po_err own;
    unsigned seed = 1;

    for (unsigned i = 1; i <= f->total; i++) {
        void *got = NULL;
        struct item *item;

        if (po_ordered_acquire(f->ordered, &got, &own) != PO_OK)
            return;
        item = got;
        item->number = i;
        item->result = 0;
        item->delay = next_random(&seed) % 200;
        po_ordered_submit(f->ordered);
    }
    po_ordered_close(f->ordered);
}

/* Takes all results and checks their order; returns how it ended, *count = how many came. */
static enum po_status
consume(struct fixture *f, unsigned *count)
{
    void *got = NULL;

    *count = 0;
    for (;;) {
        enum po_status st = po_ordered_next(f->ordered, &got, &err);
        struct item *item = got;

        if (st != PO_OK || item == NULL)
            return st;
        ++*count;
        if (item->number != *count || item->result != *count * 3 + 1)
            ck_abort_msg("number %u, result %u in place %u", item->number, item->result, *count);
        po_ordered_release(f->ordered);
    }
}

static const struct {
    unsigned workers;
    size_t slots;
} shapes[] = { { 1, 1 }, { 1, 2 }, { 2, 1 }, { 4, 1 }, { 2, 4 }, { 4, 6 }, { 8, 3 }, { 3, 16 } };

START_TEST(results_come_in_the_order_of_submission)
{
    static struct fixture f;
    struct po_thread *producer;
    unsigned count;

    f.total = 2000;
    start(&f, shapes[_i].workers, shapes[_i].slots);
    ck_assert_int_eq(po_thread_start(&producer, produce, &f, &err), PO_OK);
    ck_assert_int_eq(consume(&f, &count), PO_OK);
    po_thread_join(producer);
    ck_assert_uint_eq(count, 2000);
    ck_assert_uint_eq(atomic_load(&f.worked), 2000);
    ck_assert_uint_lt(atomic_load(&f.worker_numbers), 1u << shapes[_i].workers);
    for (int who = 0; who < 3; who++)
        ck_assert(po_ordered_waited(f.ordered, who) >= 0);
    ck_assert(po_ordered_waited(f.ordered, 3) <= 0);
    po_ordered_free(f.ordered);
}
END_TEST

START_TEST(one_thread_may_be_producer_and_consumer)
{
    static struct fixture f;
    unsigned sent = 0;
    unsigned taken = 0;
    unsigned seed = 7;

    start(&f, shapes[_i].workers, shapes[_i].slots);
    while (taken < 1000) {
        void *got = NULL;

        if (sent < 1000) {
            ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_OK);
            if (got != NULL) {
                struct item *item = got;

                item->number = ++sent;
                item->delay = next_random(&seed) % 100;
                po_ordered_submit(f.ordered);
                if (sent == 1000)
                    po_ordered_close(f.ordered);
                continue;
            }
        }
        ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
        ck_assert_ptr_nonnull(got);
        ck_assert_uint_eq(((struct item *)got)->number, ++taken);
        po_ordered_release(f.ordered);
    }
    {
        void *got = &f;

        ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
        ck_assert_ptr_null(got);
    }
    po_ordered_free(f.ordered);
}
END_TEST

/* ---- the loop ---- */

struct loop {
    unsigned total;
    unsigned filled;
    unsigned joined;
    unsigned fill_fails_at; /* 0 = never */
    unsigned join_fails_at;
};

static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *own)
{
    struct loop *loop = ctx;

    if (loop->filled == loop->total)
        return PO_OK;
    if (++loop->filled == loop->fill_fails_at)
        return po_fail(own, PO_E_IO, "nothing to read");
    ((struct item *)item)->number = loop->filled;
    ((struct item *)item)->delay = loop->filled % 7 * 10;
    *is_filled = true;
    return PO_OK;
}

static enum po_status
join(void *ctx, void *item, struct po_err *own)
{
    struct loop *loop = ctx;
    const struct item *it = item;

    ck_assert_uint_eq(it->number, ++loop->joined);
    ck_assert_uint_eq(it->result, it->number * 3 + 1);
    return it->number == loop->join_fails_at ? po_fail(own, PO_E_CANCELLED, "enough") : PO_OK;
}

static enum po_status
run_loop(struct fixture *f, struct loop *loop, int shape)
{
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = loop };
    enum po_status st;

    start(f, shapes[shape].workers, shapes[shape].slots);
    st = po_ordered_loop(f->ordered, &steps, &err);
    po_ordered_free(f->ordered);
    return st;
}

START_TEST(a_loop_takes_all_in_order)
{
    static const unsigned totals[] = { 0, 1, 2, 3, 500 };
    static struct fixture f;

    f.fail_at = 0;
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct loop loop = { .total = totals[i] };

        ck_assert_int_eq(run_loop(&f, &loop, _i), PO_OK);
        ck_assert_uint_eq(loop.filled, totals[i]);
        ck_assert_uint_eq(loop.joined, totals[i]);
    }
}
END_TEST

START_TEST(a_loop_ends_with_the_first_failure)
{
    static struct fixture f;
    struct loop fills = { .total = 500, .fill_fails_at = 300 };
    struct loop joins = { .total = 500, .join_fails_at = 300 };
    struct loop works = { .total = 500 };

    f.fail_at = 0;
    ck_assert_int_eq(run_loop(&f, &fills, _i), PO_E_IO);
    ck_assert_str_eq(err.text, "nothing to read");
    ck_assert_uint_lt(fills.joined, 300);
    ck_assert_int_eq(run_loop(&f, &joins, _i), PO_E_CANCELLED);
    ck_assert_str_eq(err.text, "enough");
    ck_assert_uint_eq(joins.joined, 300);
    f.fail_at = 300;
    ck_assert_int_eq(run_loop(&f, &works, _i), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "item 300");
    ck_assert_uint_lt(works.joined, 300);
}
END_TEST

START_TEST(closing_with_nothing_submitted_ends_at_once)
{
    static struct fixture f;
    void *got = &f;

    start(&f, 3, 2);
    po_ordered_close(f.ordered);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_null(got);
    got = &f;
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_null(got);
    po_ordered_free(f.ordered);
    ck_assert_uint_eq(atomic_load(&f.worked), 0);
}
END_TEST

START_TEST(a_pipeline_can_be_freed_unused_and_half_used)
{
    static struct fixture f;
    void *got = NULL;

    start(&f, 4, 4);
    po_ordered_free(f.ordered);
    start(&f, 4, 4);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_OK);
    po_ordered_free(f.ordered);
    start(&f, 4, 4);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_OK);
        ((struct item *)got)->delay = 1000;
        po_ordered_submit(f.ordered);
    }
    po_ordered_free(f.ordered);
    po_ordered_free(NULL);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    static struct fixture f;
    struct po_ordered_options options = { .workers = 0, .slots = 1, .work = work };
    struct po_ordered *out = (struct po_ordered *)&f;
    void *got = NULL;
    void *again = NULL;

    ck_assert_int_eq(po_ordered_new(&out, &options, f.pointers, &err), PO_E_USAGE);
    options = (struct po_ordered_options){ .workers = 1, .slots = 0, .work = work };
    ck_assert_int_eq(po_ordered_new(&out, &options, f.pointers, &err), PO_E_USAGE);
    options.slots = SIZE_MAX;
    ck_assert_int_eq(po_ordered_new(&out, &options, f.pointers, &err), PO_E_NOMEM);
    ck_assert_ptr_eq(out, &f);
    start(&f, 1, 2);
    po_ordered_submit(f.ordered); /* without a slot: nothing */
    po_ordered_release(f.ordered);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_OK);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &again, &err), PO_OK);
    ck_assert_ptr_eq(got, again);
    po_ordered_submit(f.ordered);
    po_ordered_submit(f.ordered);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_OK);
    po_ordered_submit(f.ordered);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_E_USAGE);
    po_ordered_release(f.ordered);
    po_ordered_close(f.ordered);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_E_USAGE);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_nonnull(got);
    po_ordered_free(f.ordered);
}
END_TEST

START_TEST(a_full_ring_has_no_slot_to_try)
{
    static struct fixture f;
    void *got = NULL;

    start(&f, 2, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_OK);
        ck_assert_ptr_nonnull(got);
        po_ordered_submit(f.ordered);
    }
    ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_null(got);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_nonnull(got);
    ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_null(got); /* taken, but not yet given back */
    po_ordered_release(f.ordered);
    ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_OK);
    ck_assert_ptr_eq(got, &f.items[0]);
    po_ordered_free(f.ordered);
}
END_TEST

START_TEST(a_failing_worker_aborts_everybody)
{
    static struct fixture f;
    struct po_thread *producer;
    unsigned count;
    void *got;

    f.total = 100000000; /* without the abort it would never end */
    f.fail_at = 500;
    start(&f, shapes[_i].workers, shapes[_i].slots);
    ck_assert_int_eq(po_thread_start(&producer, produce, &f, &err), PO_OK);
    ck_assert_int_eq(consume(&f, &count), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "item 500");
    ck_assert_uint_lt(count, 500);
    po_thread_join(producer);
    memset(&err, 0, sizeof(err));
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_E_FORMAT);
    ck_assert_str_eq(err.text, "item 500");
    ck_assert_int_eq(po_ordered_try_acquire(f.ordered, &got, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_E_FORMAT);
    po_ordered_free(f.ordered);
}
END_TEST

START_TEST(a_failing_consumer_aborts_everybody)
{
    static struct fixture f;
    struct po_thread *producer;
    struct po_err cause;
    void *got = NULL;

    f.total = 100000000;
    start(&f, shapes[_i].workers, shapes[_i].slots);
    ck_assert_int_eq(po_thread_start(&producer, produce, &f, &err), PO_OK);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_OK);
        po_ordered_release(f.ordered);
    }
    (void)po_fail(&cause, PO_E_IO, "disk full");
    po_ordered_abort(f.ordered, &cause);
    po_thread_join(producer);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "disk full");
    po_ordered_free(f.ordered);
}
END_TEST

static void
produce_and_fail(void *ctx)
{
    struct fixture *f = ctx;
    struct po_err cause;

    for (unsigned i = 1; i <= 100; i++) {
        void *got = NULL;

        if (po_ordered_acquire(f->ordered, &got, &cause) != PO_OK)
            return;
        ((struct item *)got)->number = i;
        po_ordered_submit(f->ordered);
    }
    (void)po_fail(&cause, PO_E_CANCELLED, "stopped by the user");
    po_ordered_abort(f->ordered, &cause);
}

START_TEST(a_failing_producer_aborts_everybody)
{
    static struct fixture f;
    struct po_thread *producer;
    unsigned count;

    start(&f, shapes[_i].workers, shapes[_i].slots);
    ck_assert_int_eq(po_thread_start(&producer, produce_and_fail, &f, &err), PO_OK);
    ck_assert_int_eq(consume(&f, &count), PO_E_CANCELLED);
    ck_assert_str_eq(err.text, "stopped by the user");
    ck_assert_uint_le(count, 100);
    po_thread_join(producer);
    po_ordered_free(f.ordered);
}
END_TEST

START_TEST(the_first_failure_wins)
{
    static struct fixture f;
    struct po_err first;
    struct po_err second;
    void *got;

    start(&f, 2, 2);
    (void)po_fail(&first, PO_E_AUTH, "first");
    (void)po_fail(&second, PO_E_IO, "second");
    po_ordered_abort(f.ordered, &first);
    po_ordered_abort(f.ordered, &second);
    po_ordered_close(f.ordered);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_E_AUTH);
    ck_assert_str_eq(err.text, "first");
    po_ordered_free(f.ordered);
}
END_TEST

static void
abort_later(void *ctx)
{
    struct fixture *f = ctx;
    struct po_err cause;

    po_sys_sleep_ms(50);
    (void)po_fail(&cause, PO_E_CANCELLED, "enough");
    po_ordered_abort(f->ordered, &cause);
}

START_TEST(a_blocked_producer_and_a_blocked_consumer_are_woken)
{
    static struct fixture f;
    struct po_thread *other;
    void *got = NULL;

    start(&f, 2, 1);
    ck_assert_int_eq(po_thread_start(&other, abort_later, &f, &err), PO_OK);
    ck_assert_int_eq(po_ordered_next(f.ordered, &got, &err), PO_E_CANCELLED);
    ck_assert(po_ordered_waited(f.ordered, 2) > 0.01);
    po_thread_join(other);
    po_ordered_free(f.ordered);
    start(&f, 2, 1);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_OK);
    po_ordered_submit(f.ordered);
    ck_assert_int_eq(po_thread_start(&other, abort_later, &f, &err), PO_OK);
    ck_assert_int_eq(po_ordered_acquire(f.ordered, &got, &err), PO_E_CANCELLED);
    ck_assert_str_eq(err.text, "enough");
    ck_assert(po_ordered_waited(f.ordered, 0) > 0.01);
    po_thread_join(other);
    po_ordered_free(f.ordered);
}
END_TEST

static enum po_status
fail_silently(void *ctx, void *item, unsigned worker, struct po_err *own)
{
    (void)ctx;
    (void)item;
    (void)worker;
    (void)own;
    return PO_E_IO;
}

START_TEST(a_failure_without_words_is_still_a_failure)
{
    struct item item = { 0 };
    void *items[1] = { &item };
    struct po_ordered_options options = { .workers = 1, .slots = 1, .work = fail_silently };
    struct po_ordered *ordered = NULL;
    void *got = NULL;

    ck_assert_int_eq(po_ordered_new(&ordered, &options, items, &err), PO_OK);
    ck_assert_int_eq(po_ordered_acquire(ordered, &got, &err), PO_OK);
    po_ordered_submit(ordered);
    ck_assert_int_eq(po_ordered_next(ordered, &got, &err), PO_E_IO);
    po_ordered_free(ordered);
}
END_TEST

int
main(void)
{
    const int shape_count = (int)(sizeof(shapes) / sizeof(shapes[0]));
    Suite *suite = suite_create("ordered");
    TCase *tc = tcase_create("ordered");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, results_come_in_the_order_of_submission, 0, shape_count);
    tcase_add_loop_test(tc, one_thread_may_be_producer_and_consumer, 0, shape_count);
    tcase_add_loop_test(tc, a_loop_takes_all_in_order, 0, shape_count);
    tcase_add_loop_test(tc, a_loop_ends_with_the_first_failure, 0, shape_count);
    tcase_add_test(tc, closing_with_nothing_submitted_ends_at_once);
    tcase_add_test(tc, a_pipeline_can_be_freed_unused_and_half_used);
    tcase_add_test(tc, nonsense_is_refused);
    tcase_add_test(tc, a_full_ring_has_no_slot_to_try);
    tcase_add_loop_test(tc, a_failing_worker_aborts_everybody, 0, shape_count);
    tcase_add_loop_test(tc, a_failing_consumer_aborts_everybody, 0, shape_count);
    tcase_add_loop_test(tc, a_failing_producer_aborts_everybody, 0, shape_count);
    tcase_add_test(tc, the_first_failure_wins);
    tcase_add_test(tc, a_blocked_producer_and_a_blocked_consumer_are_woken);
    tcase_add_test(tc, a_failure_without_words_is_still_a_failure);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
