#include "port/thread.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>

struct po_thread {
    pthread_t id;
    void (*run)(void *ctx);
    void *ctx;
};

struct po_mutex {
    pthread_mutex_t mutex;
};

struct po_cond {
    pthread_cond_t cond;
};

static void *
thread_main(void *arg)
{
    struct po_thread *thread = arg;

    thread->run(thread->ctx);
    return NULL;
}

enum po_status
po_thread_start(struct po_thread **out, void (*run)(void *ctx), void *ctx, struct po_err *err)
{
    static const int faults[] = {
        SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF
    };
    struct po_thread *thread;
    sigset_t blocked;
    sigset_t old;
    int code;

    thread = po_mem_new(1, sizeof(*thread));
    if (thread == NULL)
        return po_fail_nomem(err, sizeof(*thread));
    thread->run = run;
    thread->ctx = ctx;
    /*
     * Signals for the process go to the first thread, which looks at the flag they set: were one to
     * arrive in a worker, no call of the first thread would be woken by it. Signals that a thread
     * brings upon itself stay.
     */
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        (void)sigdelset(&blocked, faults[i]);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &old);
    code = pthread_create(&thread->id, NULL, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code != 0) {
        po_mem_free(thread);
        return po_fail_errno(err, code, "start a thread");
    }
    *out = thread;
    return PO_OK;
}

void
po_thread_join(struct po_thread *thread)
{
    if (thread == NULL)
        return;
    (void)pthread_join(thread->id, NULL);
    po_mem_free(thread);
}

enum po_status
po_mutex_new(struct po_mutex **out, struct po_err *err)
{
    struct po_mutex *mutex = po_mem_new(1, sizeof(*mutex));
    int code;

    if (mutex == NULL)
        return po_fail_nomem(err, sizeof(*mutex));
    code = pthread_mutex_init(&mutex->mutex, NULL);
    if (code != 0) {
        po_mem_free(mutex);
        return po_fail_errno(err, code, "make a lock");
    }
    *out = mutex;
    return PO_OK;
}

void
po_mutex_free(struct po_mutex *mutex)
{
    if (mutex == NULL)
        return;
    (void)pthread_mutex_destroy(&mutex->mutex);
    po_mem_free(mutex);
}

/* A default mutex that was initialised and is used as it should be cannot fail to lock. */
void
po_mutex_lock(struct po_mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->mutex);
}

void
po_mutex_unlock(struct po_mutex *mutex)
{
    (void)pthread_mutex_unlock(&mutex->mutex);
}

enum po_status
po_cond_new(struct po_cond **out, struct po_err *err)
{
    struct po_cond *cond = po_mem_new(1, sizeof(*cond));
    int code;

    if (cond == NULL)
        return po_fail_nomem(err, sizeof(*cond));
    code = pthread_cond_init(&cond->cond, NULL);
    if (code != 0) {
        po_mem_free(cond);
        return po_fail_errno(err, code, "make a condition");
    }
    *out = cond;
    return PO_OK;
}

void
po_cond_free(struct po_cond *cond)
{
    if (cond == NULL)
        return;
    (void)pthread_cond_destroy(&cond->cond);
    po_mem_free(cond);
}

void
po_cond_wait(struct po_cond *cond, struct po_mutex *mutex)
{
    (void)pthread_cond_wait(&cond->cond, &mutex->mutex);
}

void
po_cond_signal_all(struct po_cond *cond)
{
    (void)pthread_cond_broadcast(&cond->cond);
}
