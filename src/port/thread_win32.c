/*
 * Threads on what Server 2003 has: critical sections and events. (Condition variables came with
 * Vista.)
 */
#include "port/thread.h"

#include "base/mem.h"
#include "port/err_win32.h"

#include <process.h>

/* Short waits for a lock spin: they are shorter than a switch to another thread. */
#define SPIN_COUNT 1000u

struct po_thread {
    HANDLE handle;
    void (*run)(void *ctx);
    void *ctx;
};

struct po_mutex {
    CRITICAL_SECTION section;
};

/* One thread that waits has one event: a signal can so be taken by nobody else. */
struct waiter {
    struct waiter *next;
    HANDLE event;
};

struct po_cond {
    CRITICAL_SECTION section; /* guards the lists; held for a few instructions */
    struct waiter *waiting;
    struct waiter *spare; /* made once, used again */
};

static unsigned __stdcall thread_main(void *arg)
{
    struct po_thread *thread = arg;

    thread->run(thread->ctx);
    return 0;
}

enum po_status
po_thread_start(struct po_thread **out, void (*run)(void *ctx), void *ctx, struct po_err *err)
{
    struct po_thread *thread = po_mem_new(1, sizeof(*thread));

    if (thread == NULL)
        return po_fail_nomem(err, sizeof(*thread));
    thread->run = run;
    thread->ctx = ctx;
    /* _beginthreadex and not CreateThread: the C library has state of its own for each thread. */
    thread->handle = (HANDLE)_beginthreadex(NULL, 0, thread_main, thread, 0, NULL);
    if (thread->handle == NULL) {
        enum po_status st = po_fail_errno(err, errno, "start a thread");

        po_mem_free(thread);
        return st;
    }
    *out = thread;
    return PO_OK;
}

void
po_thread_join(struct po_thread *thread)
{
    if (thread == NULL)
        return;
    (void)WaitForSingleObject(thread->handle, INFINITE);
    (void)CloseHandle(thread->handle);
    po_mem_free(thread);
}

enum po_status
po_mutex_new(struct po_mutex **out, struct po_err *err)
{
    struct po_mutex *mutex = po_mem_new(1, sizeof(*mutex));

    if (mutex == NULL)
        return po_fail_nomem(err, sizeof(*mutex));
    if (!InitializeCriticalSectionAndSpinCount(&mutex->section, SPIN_COUNT)) {
        enum po_status st = po_fail_win32(err, GetLastError(), "make a lock");

        po_mem_free(mutex);
        return st;
    }
    *out = mutex;
    return PO_OK;
}

void
po_mutex_free(struct po_mutex *mutex)
{
    if (mutex == NULL)
        return;
    DeleteCriticalSection(&mutex->section);
    po_mem_free(mutex);
}

void
po_mutex_lock(struct po_mutex *mutex)
{
    EnterCriticalSection(&mutex->section);
}

void
po_mutex_unlock(struct po_mutex *mutex)
{
    LeaveCriticalSection(&mutex->section);
}

enum po_status
po_cond_new(struct po_cond **out, struct po_err *err)
{
    struct po_cond *cond = po_mem_new(1, sizeof(*cond));

    if (cond == NULL)
        return po_fail_nomem(err, sizeof(*cond));
    if (!InitializeCriticalSectionAndSpinCount(&cond->section, SPIN_COUNT)) {
        enum po_status st = po_fail_win32(err, GetLastError(), "make a condition");

        po_mem_free(cond);
        return st;
    }
    *out = cond;
    return PO_OK;
}

void
po_cond_free(struct po_cond *cond)
{
    if (cond == NULL)
        return;
    /* Nobody waits any more: the caller frees it. */
    while (cond->spare != NULL) {
        struct waiter *waiter = cond->spare;

        cond->spare = waiter->next;
        (void)CloseHandle(waiter->event);
        po_mem_free(waiter);
    }
    DeleteCriticalSection(&cond->section);
    po_mem_free(cond);
}

/* NULL when the system has no more. */
static struct waiter *
new_waiter(void)
{
    struct waiter *waiter = po_mem_new(1, sizeof(*waiter));

    if (waiter == NULL)
        return NULL;
    waiter->event = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (waiter->event != NULL)
        return waiter;
    po_mem_free(waiter);
    return NULL;
}

void
po_cond_wait(struct po_cond *cond, struct po_mutex *mutex)
{
    struct waiter *waiter;

    EnterCriticalSection(&cond->section);
    waiter = cond->spare;
    if (waiter != NULL)
        cond->spare = waiter->next;
    else
        waiter = new_waiter();
    if (waiter != NULL) {
        waiter->next = cond->waiting;
        cond->waiting = waiter;
    }
    LeaveCriticalSection(&cond->section);
    LeaveCriticalSection(&mutex->section);
    if (waiter == NULL) {
        /* Without memory there is no event: waking without a signal is allowed. */
        Sleep(1);
    } else {
        (void)WaitForSingleObject(waiter->event, INFINITE);
        EnterCriticalSection(&cond->section);
        waiter->next = cond->spare;
        cond->spare = waiter;
        LeaveCriticalSection(&cond->section);
    }
    EnterCriticalSection(&mutex->section);
}

void
po_cond_signal_all(struct po_cond *cond)
{
    EnterCriticalSection(&cond->section);
    while (cond->waiting != NULL) {
        struct waiter *waiter = cond->waiting;

        cond->waiting = waiter->next;
        (void)SetEvent(waiter->event);
    }
    LeaveCriticalSection(&cond->section);
}
