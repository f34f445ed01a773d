/*
 * host_win32_admin.h - may this process do its work? Privileges by name, and the guide's rule that a
 * local administrator does it (req: B1).
 */
#ifndef PO_HOST_HOST_WIN32_ADMIN_H
#define PO_HOST_HOST_WIN32_ADMIN_H

#include "host/security_descriptor.h"
#include "port/err_win32.h"

/* What an account is for the token of this process. */
enum po_win32_membership {
    PO_WIN32_NO_MEMBER,
    PO_WIN32_MEMBER,
    PO_WIN32_DENY_ONLY /* it counts only against it: filtered by UAC, or a restricted token */
};

/* The calls below it, so that they can fail. Each returns 0 or a code of GetLastError(). */
struct po_win32_admin_calls {
    /* ERROR_NOT_ALL_ASSIGNED when the token does not have it. */
    DWORD (*enable)(const wchar_t *privilege);
    DWORD (*membership)(const struct po_sid *group, enum po_win32_membership *out);
    DWORD (*user)(struct po_sid *out);
    /* *is_limited: of the two tokens that UAC makes, the lesser one. Never before Vista. */
    DWORD (*elevation)(bool *is_limited);
    /* What SIDs of this machine's own accounts begin with. */
    DWORD (*machine)(struct po_sid *out);
    bool (*is_domain_controller)(void);
    /* Appends "DOMAIN\\name" of the user; may append nothing. */
    void (*put_user_name)(struct po_buf *out);
};
extern const struct po_win32_admin_calls po_win32_admin_calls;

/* ---- privileges ---- */

#define PO_WIN32_BACKUP 1u         /* read everything */
#define PO_WIN32_RESTORE 2u        /* write everything, set any owner */
#define PO_WIN32_SECURITY 4u       /* SACLs */
#define PO_WIN32_TAKE_OWNERSHIP 8u /* of what one has no rights to */
#define PO_WIN32_SHUTDOWN 16u
#define PO_WIN32_FOR_FILES 15u /* the first four */

/*
 * Enables privileges in the process's token: having them is not enough. *missing has those that it
 * does not have (and PO_OK): what they are for will fail, or be left out. PO_E_IO when the system
 * refuses otherwise; the rest was tried then, too.
 */
PO_NODISCARD enum po_status po_win32_privileges_enable(const struct po_win32_admin_calls *calls,
                                                       unsigned wanted, unsigned *missing,
                                                       struct po_err *err);
/* Appends "SeBackupPrivilege, SeSecurityPrivilege". */
void po_win32_privileges_put(struct po_buf *out, unsigned privileges);

/* ---- the administrator ---- */

/*
 * PO_OK when the process has the rights of the local Administrators (SYSTEM has them, too). On a
 * domain controller, where there are no local accounts, the domain's administrators are enough.
 * Else PO_E_IO with os_code EACCES, and the text says what to do. Something that is good to know is
 * appended to `note` (may be NULL): that the account is the domain's, and the guide wants a local one.
 */
PO_NODISCARD enum po_status po_win32_admin_check(const struct po_win32_admin_calls *calls,
                                                 struct po_buf *note, struct po_err *err);

#endif
