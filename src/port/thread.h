/*
 * thread.h - threads, locks and conditions, as Windows Server 2003 has them too. Locks are never
 * copied or moved once in use.
 */
#ifndef PO_PORT_THREAD_H
#define PO_PORT_THREAD_H

#include "base/err.h"

struct po_thread;
struct po_mutex;
struct po_cond;

PO_NODISCARD enum po_status po_thread_start(struct po_thread **out, void (*run)(void *ctx),
                                            void *ctx, struct po_err *err);
/* Waits for the end and frees. NULL is fine. */
void po_thread_join(struct po_thread *thread);

PO_NODISCARD enum po_status po_mutex_new(struct po_mutex **out, struct po_err *err);
void po_mutex_free(struct po_mutex *mutex);
void po_mutex_lock(struct po_mutex *mutex);
void po_mutex_unlock(struct po_mutex *mutex);

PO_NODISCARD enum po_status po_cond_new(struct po_cond **out, struct po_err *err);
void po_cond_free(struct po_cond *cond);
/* The mutex is held on entry and return. May wake without a signal. */
void po_cond_wait(struct po_cond *cond, struct po_mutex *mutex);
void po_cond_signal_all(struct po_cond *cond);

#endif
