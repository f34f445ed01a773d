/*
 * security_sddl.h - security descriptors as text in Windows' own language (SDDL), as icacls and
 * regedit's users know it: "O:BAG:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;S-1-5-21-1-2-3-1005)".
 */
#ifndef PO_HOST_SECURITY_SDDL_H
#define PO_HOST_SECURITY_SDDL_H

#include "host/security_descriptor.h"

/*
 * Appends it. What SDDL of Server 2003 has comes out so that Windows reads the same descriptor back;
 * an entry of another type is shown with its number ("(0x12;;0x0;;;WD)"), for people.
 */
void po_sddl_put(struct po_buf *out, const struct po_security *security);

/*
 * Appends the descriptor that the text stands for, self-relative. Entries "A", "D" and "AU", rights
 * as names or 0x...; accounts as S-1-... or by the two letters of those that are the same on every
 * machine. PO_E_USAGE says where it is wrong.
 */
PO_NODISCARD enum po_status po_sddl_parse(struct po_buf *out, const char *text, struct po_err *err);

#endif
