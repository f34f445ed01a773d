/*
 * guardian.h - a second process that outlives this one, however this one ends. It reads what it is
 * sent; when the other end is gone without a last word, we are dead. It is in no process group, and
 * (where that can be) in no job, of ours.
 */
#ifndef PO_PORT_GUARDIAN_H
#define PO_PORT_GUARDIAN_H

#include "base/err.h"

#include <stddef.h>

struct po_guardian;

/*
 * Starts a program (absolute path) with these arguments, NULL behind the last. Its standard input is
 * what it is sent; what it prints is appended to log_path (made if missing, mode 0600; NULL:
 * nowhere).
 */
PO_NODISCARD enum po_status po_guardian_start(struct po_guardian **out, const char *program,
                                              const char *const *arguments, const char *log_path,
                                              struct po_err *err);
/* PO_E_IO when it is gone. */
PO_NODISCARD enum po_status po_guardian_send(struct po_guardian *guardian, const void *bytes,
                                             size_t size, struct po_err *err);
/* Closes our end, and waits until it has ended. NULL is fine. */
void po_guardian_free(struct po_guardian *guardian);

#endif
