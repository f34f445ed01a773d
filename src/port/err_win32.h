/*
 * err_win32.h - what Windows says, as a struct po_err. For port/ and host/.
 *
 * os_code is always an errno, also where the system gave a code of its own: who asks for ENOSPC
 * need not know the system. The text has the system's code, by which it is found in its
 * documentation.
 */
#ifndef PO_PORT_ERR_WIN32_H
#define PO_PORT_ERR_WIN32_H

#include "base/err.h"

#include <windows.h>

/*
 * A function of a DLL of the system that is not in all of its versions since Server 2003 SP1, to be
 * cast to its type; NULL where there is none.
 */
typedef void (*po_win32_fn)(void);
po_win32_fn po_win32_find(const wchar_t *dll, const char *name);

/* An errno for a code of GetLastError(); EIO where there is none like it. */
int po_win32_errno(DWORD code);

/* As po_fail with PO_E_IO (PO_E_NOMEM when it says so), and ": what the system says (error N)". */
PO_PRINTF(3, 4)
enum po_status po_fail_win32(struct po_err *err, DWORD code, const char *format, ...);

/* The same for an NTSTATUS. */
PO_PRINTF(3, 4) enum po_status po_fail_nt(struct po_err *err, LONG status, const char *format, ...);

#endif
