/* security_private.h - whether a descriptor keeps a file to its owner. */
#ifndef PO_HOST_SECURITY_PRIVATE_H
#define PO_HOST_SECURITY_PRIVATE_H

#include "host/security_descriptor.h"

/*
 * Whether anybody may read the file, or give himself that right, beside its owner, SYSTEM and the
 * Administrators, who may read every file; *who is then the first one (Everyone, where there is no
 * list at all). Entries that deny are not weighed against those that allow: what is private needs
 * none.
 */
bool po_security_is_open(const struct po_security *security, struct po_sid *who);

#endif
