/*
 * ordered.h - work on many things at once, get the results in order.
 *
 *     free -> fill -> work x N -> drain in order -> free
 *
 * A ring of `slots` caller-owned items. One producer thread takes the next free slot (acquire),
 * fills it and submits it; N worker threads call `work` on submitted slots; one consumer thread
 * takes finished slots in the order of submission (next) and gives them back (release). Producer
 * and consumer may be the same thread. The number of slots is the only bound on memory. The first
 * failure wins, is stored once and aborts everybody: every blocked call returns it.
 */
#ifndef PO_PIPELINE_ORDERED_H
#define PO_PIPELINE_ORDERED_H

#include "base/err.h"

#include <stdbool.h>

struct po_ordered;

struct po_ordered_options {
    unsigned workers; /* at least 1 */
    size_t slots;     /* at least 1; workers + 2 is a good number */
    /* Called on a worker thread; `worker` is 0 to workers - 1. A failure aborts all. */
    enum po_status (*work)(void *ctx, void *item, unsigned worker, struct po_err *err);
    void *ctx;
};

/* `items`: options->slots pointers, copied. Starts the threads. */
PO_NODISCARD enum po_status po_ordered_new(struct po_ordered **out,
                                           const struct po_ordered_options *options,
                                           void *const *items, struct po_err *err);
/* Aborts, joins the threads, frees. NULL is fine. */
void po_ordered_free(struct po_ordered *ordered);

/*
 * Producer: the next free slot, waiting for one. Again before submit: the same one. Who is consumer
 * too must not wait here when all slots are taken: nobody would give one back.
 */
PO_NODISCARD enum po_status po_ordered_acquire(struct po_ordered *ordered, void **item,
                                               struct po_err *err);
/* As acquire without waiting: *item = NULL when none is free. */
PO_NODISCARD enum po_status po_ordered_try_acquire(struct po_ordered *ordered, void **item,
                                                   struct po_err *err);
/* Producer: hands over the slot acquired last. */
void po_ordered_submit(struct po_ordered *ordered);
/* Producer: nothing more will come. */
void po_ordered_close(struct po_ordered *ordered);

/* Consumer: the next finished slot in order; *item = NULL after the last one when closed. */
PO_NODISCARD enum po_status po_ordered_next(struct po_ordered *ordered, void **item,
                                            struct po_err *err);
/* Consumer: gives back the slot taken last. */
void po_ordered_release(struct po_ordered *ordered);

/*
 * Both in one, for whoever is producer and consumer on one thread: fills slots as long as there are free
 * ones, takes what is finished, and again, until nothing is left. The first failure ends it.
 */
struct po_ordered_steps {
    /* Fills a slot; *is_filled stays false when nothing is left. */
    enum po_status (*fill)(void *ctx, void *item, bool *is_filled, struct po_err *err);
    /* Takes a finished one, in order. */
    enum po_status (*join)(void *ctx, void *item, struct po_err *err);
    void *ctx;
};
PO_NODISCARD enum po_status po_ordered_loop(struct po_ordered *ordered,
                                            const struct po_ordered_steps *steps,
                                            struct po_err *err);

/* Anybody: ends everything with this failure, unless one is stored already. */
void po_ordered_abort(struct po_ordered *ordered, const struct po_err *cause);
/*
 * Seconds that (0) the producer, (1) all workers together, (2) the consumer spent waiting: for
 * finding the bottleneck.
 */
double po_ordered_waited(struct po_ordered *ordered, int who);

#endif
