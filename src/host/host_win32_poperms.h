/*
 * host_win32_poperms.h - the product's own program that sets rights to their defaults (guide
 * §1.4.2: "poperms.exe -a -u", run in its folder; some 4,000 files a minute).
 */
#ifndef PO_HOST_HOST_WIN32_POPERMS_H
#define PO_HOST_HOST_WIN32_POPERMS_H

#include "host/host_win32_run.h"

/* What it does in a minute, for an estimate. */
#define PO_WIN32_POPERMS_FILES_A_MINUTE 4000u

struct po_win32_poperms {
    const char *bin;                            /* the product's bin directory */
    const volatile int *cancel;                 /* may be NULL */
    void (*waiting)(void *ctx, double seconds); /* several times a second; may be NULL */
    void *ctx;
};

/* Whether it is there: BIN\others\poperms.exe, a file. */
bool po_win32_poperms_exists(const char *bin);
/*
 * Runs it and waits as long as it takes. What it printed is appended, as UTF-8. PO_E_IO when it
 * cannot be started or its exit code is not 0 (which is then in *exit_code), PO_E_CANCELLED when it
 * was called off: rights are then set for a part of the files. `run` is po_win32_run.
 */
PO_NODISCARD enum po_status po_win32_poperms(const struct po_win32_poperms *what,
                                             po_win32_run_fn run, struct po_buf *output,
                                             uint32_t *exit_code, struct po_err *err);

#endif
