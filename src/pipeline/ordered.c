#include "pipeline/ordered.h"

#include "base/mem.h"
#include "port/sys.h"
#include "port/thread.h"

enum who { PRODUCER, WORKERS, CONSUMER, WHO_COUNT };

struct worker {
    struct po_ordered *ordered;
    struct po_thread *thread;
    unsigned number;
};

/*
 * Four counters only ever grow: released <= taken <= started <= submitted, where "taken" is by the
 * consumer, who never gets a slot that is not finished. Number n lies in slot n modulo their count.
 * The numbers from released to submitted, and the one that the producer holds, never need more than
 * there are.
 */
struct po_ordered {
    struct po_ordered_options options; /* never changed */
    void **items;                      /* never changed */
    struct worker *workers;            /* never changed after po_ordered_new */
    unsigned worker_count;             /* threads that run */
    struct po_mutex *mutex;            /* guards all below */
    struct po_cond *conds[WHO_COUNT];  /* what each of them waits on */
    bool *is_finished;                 /* of each slot between released and submitted */
    uint64_t submitted;                /* slots handed over by the producer */
    uint64_t started;                  /* of these, taken by a worker */
    uint64_t taken;                    /* of these, given to the consumer */
    uint64_t released;                 /* of these, given back */
    bool is_acquired;                  /* the producer holds slot `submitted` */
    bool is_closed;
    bool is_aborted;
    struct po_err cause; /* of the abort */
    double waited[WHO_COUNT];
};

static size_t
slot_of(const struct po_ordered *ordered, uint64_t number)
{
    return (size_t)(number % ordered->options.slots);
}

/* The lock is held. */
static void
wait_on(struct po_ordered *ordered, enum who who)
{
    double start = po_sys_monotonic();

    po_cond_wait(ordered->conds[who], ordered->mutex);
    ordered->waited[who] += po_sys_monotonic() - start;
}

/* The lock is held. Only the first failure is kept. */
static void
abort_locked(struct po_ordered *ordered, const struct po_err *cause)
{
    if (ordered->is_aborted)
        return;
    ordered->is_aborted = true;
    ordered->cause = *cause;
    for (int i = 0; i < WHO_COUNT; i++)
        po_cond_signal_all(ordered->conds[i]);
}

/* The lock is held. */
static enum po_status
tell_cause(const struct po_ordered *ordered, struct po_err *err)
{
    *err = ordered->cause;
    return err->status;
}

/* One slot's work; the lock is held on entry and return, but not meanwhile. */
static void
work_on(struct worker *worker, uint64_t number)
{
    struct po_ordered *ordered = worker->ordered;
    void *item = ordered->items[slot_of(ordered, number)];
    struct po_err err = { 0 };
    enum po_status st;

    po_mutex_unlock(ordered->mutex);
    st = ordered->options.work(ordered->options.ctx, item, worker->number, &err);
    po_mutex_lock(ordered->mutex);
    if (st != PO_OK) {
        err.status = st; /* in case that it only returned it */
        abort_locked(ordered, &err);
        return;
    }
    ordered->is_finished[slot_of(ordered, number)] = true;
    if (number == ordered->taken)
        po_cond_signal_all(ordered->conds[CONSUMER]);
}

static void
worker_main(void *ctx)
{
    struct worker *worker = ctx;
    struct po_ordered *ordered = worker->ordered;

    po_mutex_lock(ordered->mutex);
    for (;;) {
        while (!ordered->is_aborted && !ordered->is_closed &&
               ordered->started == ordered->submitted)
            wait_on(ordered, WORKERS);
        if (ordered->is_aborted || ordered->started == ordered->submitted)
            break;
        work_on(worker, ordered->started++);
    }
    po_mutex_unlock(ordered->mutex);
}

static enum po_status
start_workers(struct po_ordered *ordered, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (unsigned i = 0; i < ordered->options.workers; i++) {
        struct worker *worker = &ordered->workers[i];

        worker->ordered = ordered;
        worker->number = i;
        st = po_thread_start(&worker->thread, worker_main, worker, err);
        if (st != PO_OK)
            break;
        ordered->worker_count++;
    }
    return st;
}

enum po_status
po_ordered_new(struct po_ordered **out, const struct po_ordered_options *options,
               void *const *items, struct po_err *err)
{
    struct po_ordered *ordered = NULL;
    enum po_status st;

    if (options->workers == 0 || options->slots == 0)
        return po_fail(err, PO_E_USAGE, "a pipeline without workers or slots");
    ordered = po_mem_new(1, sizeof(*ordered));
    if (ordered == NULL)
        return po_fail_nomem(err, sizeof(*ordered));
    ordered->options = *options;
    ordered->items = po_mem_new(options->slots, sizeof(*ordered->items));
    ordered->is_finished = po_mem_new(options->slots, sizeof(*ordered->is_finished));
    ordered->workers = po_mem_new(options->workers, sizeof(*ordered->workers));
    if (ordered->items == NULL || ordered->is_finished == NULL || ordered->workers == NULL) {
        st = po_fail_nomem(err, options->slots);
        goto done;
    }
    for (size_t i = 0; i < options->slots; i++)
        ordered->items[i] = items[i];
    st = po_mutex_new(&ordered->mutex, err);
    for (int i = 0; i < WHO_COUNT && st == PO_OK; i++)
        st = po_cond_new(&ordered->conds[i], err);
    if (st == PO_OK)
        st = start_workers(ordered, err);
    if (st != PO_OK)
        goto done;
    *out = ordered;
    ordered = NULL;
done:
    po_ordered_free(ordered);
    return st;
}

void
po_ordered_free(struct po_ordered *ordered)
{
    struct po_err cause;

    if (ordered == NULL)
        return;
    /*
     * Without threads there may be no lock and no conditions either: po_ordered_new failed
     * half-way.
     */
    if (ordered->worker_count > 0) {
        (void)po_fail(&cause, PO_E_CANCELLED, "given up");
        po_ordered_abort(ordered, &cause);
    }
    for (unsigned i = 0; ordered->workers != NULL && i < ordered->worker_count; i++)
        po_thread_join(ordered->workers[i].thread);
    for (int i = 0; i < WHO_COUNT; i++)
        po_cond_free(ordered->conds[i]);
    po_mutex_free(ordered->mutex);
    po_mem_free(ordered->workers);
    po_mem_free(ordered->is_finished);
    po_mem_free(ordered->items);
    po_mem_free(ordered);
}

/* ---- the producer ---- */

static enum po_status
acquire(struct po_ordered *ordered, bool may_wait, void **item, struct po_err *err)
{
    enum po_status st = PO_OK;

    po_mutex_lock(ordered->mutex);
    while (may_wait && !ordered->is_aborted && !ordered->is_closed &&
           ordered->submitted - ordered->released == ordered->options.slots)
        wait_on(ordered, PRODUCER);
    if (ordered->is_aborted) {
        st = tell_cause(ordered, err);
    } else if (ordered->is_closed) {
        st = po_fail(err, PO_E_USAGE, "a slot was asked for after the end");
    } else if (ordered->submitted - ordered->released == ordered->options.slots) {
        *item = NULL;
    } else {
        ordered->is_acquired = true;
        *item = ordered->items[slot_of(ordered, ordered->submitted)];
    }
    po_mutex_unlock(ordered->mutex);
    return st;
}

enum po_status
po_ordered_acquire(struct po_ordered *ordered, void **item, struct po_err *err)
{
    return acquire(ordered, true, item, err);
}

enum po_status
po_ordered_try_acquire(struct po_ordered *ordered, void **item, struct po_err *err)
{
    return acquire(ordered, false, item, err);
}

void
po_ordered_submit(struct po_ordered *ordered)
{
    po_mutex_lock(ordered->mutex);
    /*
     * Without a slot in hand there is nothing to submit: counting it would let two threads at one
     * item.
     */
    if (ordered->is_acquired && !ordered->is_closed) {
        ordered->is_acquired = false;
        ordered->is_finished[slot_of(ordered, ordered->submitted)] = false;
        ordered->submitted++;
        po_cond_signal_all(ordered->conds[WORKERS]);
    }
    po_mutex_unlock(ordered->mutex);
}

void
po_ordered_close(struct po_ordered *ordered)
{
    po_mutex_lock(ordered->mutex);
    ordered->is_closed = true;
    for (int i = 0; i < WHO_COUNT; i++)
        po_cond_signal_all(ordered->conds[i]);
    po_mutex_unlock(ordered->mutex);
}

/* ---- the consumer ---- */

/* The lock is held. */
static bool
is_next_finished(const struct po_ordered *ordered)
{
    return ordered->taken < ordered->submitted &&
           ordered->is_finished[slot_of(ordered, ordered->taken)];
}

enum po_status
po_ordered_next(struct po_ordered *ordered, void **item, struct po_err *err)
{
    enum po_status st = PO_OK;

    po_mutex_lock(ordered->mutex);
    while (!ordered->is_aborted && ordered->taken == ordered->released &&
           !is_next_finished(ordered) &&
           !(ordered->is_closed && ordered->taken == ordered->submitted))
        wait_on(ordered, CONSUMER);
    if (ordered->is_aborted)
        st = tell_cause(ordered, err);
    else if (ordered->taken != ordered->released)
        st = po_fail(err, PO_E_USAGE, "a slot was asked for before the last one was given back");
    else if (is_next_finished(ordered))
        *item = ordered->items[slot_of(ordered, ordered->taken++)];
    else
        *item = NULL;
    po_mutex_unlock(ordered->mutex);
    return st;
}

void
po_ordered_release(struct po_ordered *ordered)
{
    po_mutex_lock(ordered->mutex);
    if (ordered->released < ordered->taken) {
        ordered->released++;
        po_cond_signal_all(ordered->conds[PRODUCER]);
    }
    po_mutex_unlock(ordered->mutex);
}

/* ---- anybody ---- */

static enum po_status
fill_slots(struct po_ordered *ordered, const struct po_ordered_steps *steps, bool *is_closed,
           struct po_err *err)
{
    while (!*is_closed) {
        void *item = NULL;
        bool is_filled = false;
        enum po_status st = po_ordered_try_acquire(ordered, &item, err);

        if (st != PO_OK || item == NULL)
            return st;
        st = steps->fill(steps->ctx, item, &is_filled, err);
        if (st != PO_OK)
            return st;
        *is_closed = !is_filled;
        if (is_filled)
            po_ordered_submit(ordered);
        else
            po_ordered_close(ordered);
    }
    return PO_OK;
}

enum po_status
po_ordered_loop(struct po_ordered *ordered, const struct po_ordered_steps *steps,
                struct po_err *err)
{
    bool is_closed = false;

    for (;;) {
        void *item = NULL;
        enum po_status st = fill_slots(ordered, steps, &is_closed, err);

        if (st == PO_OK)
            st = po_ordered_next(ordered, &item, err);
        if (st == PO_OK && item != NULL)
            st = steps->join(steps->ctx, item, err);
        if (st != PO_OK || item == NULL)
            return st;
        po_ordered_release(ordered);
    }
}

void
po_ordered_abort(struct po_ordered *ordered, const struct po_err *cause)
{
    po_mutex_lock(ordered->mutex);
    abort_locked(ordered, cause);
    po_mutex_unlock(ordered->mutex);
}

double
po_ordered_waited(struct po_ordered *ordered, int who)
{
    double waited = 0;

    po_mutex_lock(ordered->mutex);
    if (who >= 0 && who < WHO_COUNT)
        waited = ordered->waited[who];
    po_mutex_unlock(ordered->mutex);
    return waited;
}
