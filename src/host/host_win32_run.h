/*
 * host_win32_run.h - running a program of Windows or of the product, by its path and without a
 * shell: poperms.exe, schtasks.exe. Unlike po_sys_run it can wait for ever, tells that it still
 * waits, and can be called off.
 */
#ifndef PO_HOST_HOST_WIN32_RUN_H
#define PO_HOST_HOST_WIN32_RUN_H

#include "base/buf.h"

struct po_win32_run {
    const char *program;        /* absolute path */
    const char *arguments;      /* as on a command line; "" = none */
    const char *directory;      /* NULL = ours */
    unsigned timeout_s;         /* 0 = as long as it takes */
    size_t output_max;          /* of what it prints, the last so many bytes are kept */
    const volatile int *cancel; /* not 0 = end it; may be NULL */
    void (*waiting)(void *ctx, double seconds); /* several times a second; may be NULL */
    void *ctx;
};

struct po_win32_run_result {
    uint32_t exit_code;
    bool timed_out; /* it was ended, and what it had started too */
};

/*
 * Runs it without a window and with no input; what it prints is appended as UTF-8, also when it was
 * ended. PO_E_IO when it could not be started, PO_E_CANCELLED when it was called off.
 */
typedef enum po_status (*po_win32_run_fn)(const struct po_win32_run *run,
                                          struct po_win32_run_result *result, struct po_buf *output,
                                          struct po_err *err);
PO_NODISCARD enum po_status po_win32_run(const struct po_win32_run *run,
                                         struct po_win32_run_result *result, struct po_buf *output,
                                         struct po_err *err);

/* Appends the last lines of what a program printed, as one, behind ": "; nothing if there are none. */
void po_win32_run_put_tail(struct po_buf *out, const struct po_buf *output);

#endif
