/*
 * security_rule.h - our own rule for the rights of a site's trees (req: R7).
 *
 * The rule "default" knows nothing of what was recorded. Each of the trees gets, at its root,
 *
 *   owner    Administrators
 *   DACL     protected from what is above:
 *            Administrators        full          \
 *            SYSTEM                full           | inherited by all below
 *            the services' account modify         |
 *            the account's group   modify        /
 *
 * and everything below only inherits it: whatever entries of its own it had are gone. As SDDL, with
 * "modify" 0x1301bf (read, write, execute, delete, but change no rights):
 *
 *   root       O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1301bf;;;ACCOUNT)(A;OICI;0x1301bf;;;GROUP)
 *   directory  O:BAD:AI(A;OICIID;FA;;;BA)...
 *   file       O:BAD:AI(A;ID;FA;;;BA)...
 *
 * An account that is SYSTEM or Administrators, or no group: no entry of its own.
 */
#ifndef PO_HOST_SECURITY_RULE_H
#define PO_HOST_SECURITY_RULE_H

#include "host/security_descriptor.h"

enum po_rule_node { PO_RULE_ROOT, PO_RULE_DIRECTORY, PO_RULE_FILE };

/* Appends the rule's SDDL; group may be NULL. */
void po_rule_put_sddl(struct po_buf *out, enum po_rule_node node, const struct po_sid *account,
                      const struct po_sid *group);
/* Appends it as a descriptor. */
PO_NODISCARD enum po_status po_rule_put(struct po_buf *out, enum po_rule_node node,
                                        const struct po_sid *account, const struct po_sid *group,
                                        struct po_err *err);

#endif
