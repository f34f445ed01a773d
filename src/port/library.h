/*
 * library.h - a shared library that is loaded when it is needed, and not with the program. POSIX
 * alone: on Windows all libraries are part of the program.
 */
#ifndef PO_PORT_LIBRARY_H
#define PO_PORT_LIBRARY_H

#include "base/err.h"

struct po_library;
typedef void (*po_library_fn)(void);

/* By the name that the system looks for. PO_E_UNSUPPORTED: it is not on this machine. */
PO_NODISCARD enum po_status po_library_open(struct po_library **out, const char *name,
                                            struct po_err *err);
/* NULL is fine. */
void po_library_free(struct po_library *library);
/* A function of it, to be cast to what it is; NULL when it has none of that name. */
po_library_fn po_library_find(const struct po_library *library, const char *name);

#endif
