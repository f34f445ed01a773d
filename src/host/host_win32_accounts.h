/*
 * host_win32_accounts.h - the accounts of this machine and of the domains it can ask: names of SIDs,
 * SIDs of names. security_accounts.h has the rules that use them.
 */
#ifndef PO_HOST_HOST_WIN32_ACCOUNTS_H
#define PO_HOST_HOST_WIN32_ACCOUNTS_H

#include "host/security_accounts.h"
#include "port/err_win32.h"

/* The group that the product's installer makes for the services' account (guide). */
#define PO_WIN32_GROUP "MailServer-group"

#define PO_WIN32_ACCOUNT_NAME_MAX 512

/* The calls below it, so that they can fail. Each returns 0 or a code of GetLastError(). */
struct po_win32_account_calls {
    /* As LookupAccountSidW and LookupAccountNameW; lengths are in and out. */
    DWORD(*lookup_sid)
    (const void *sid, wchar_t *name, DWORD *name_length, wchar_t *domain, DWORD *domain_length,
     SID_NAME_USE *use);
    DWORD(*lookup_name)
    (const wchar_t *name, void *sid, DWORD *sid_size, wchar_t *domain, DWORD *domain_length,
     SID_NAME_USE *use);
    /*
     * What this machine's own accounts have before their names, and what their SIDs begin with: the
     * machine's, or on a domain controller the domain's.
     */
    DWORD (*machine)(wchar_t *name, DWORD *length, void *sid, DWORD *sid_size);
};
extern const struct po_win32_account_calls po_win32_account_calls;

/*
 * This machine as security_accounts.h asks it; `calls` must outlive it. A domain that cannot be
 * reached counts as one that does not know the account.
 */
struct po_account_system po_win32_accounts(const struct po_win32_account_calls *calls);

/* Appends what this machine's own accounts have before their names: po_account_question.new_host. */
PO_NODISCARD enum po_status po_win32_machine_name(const struct po_win32_account_calls *calls,
                                                  struct po_buf *out, struct po_err *err);

/*
 * The account a service logs on as, as the service manager writes it: "LocalSystem",
 * ".\\MailServer-user", "DOMAIN\\user", "user@domain". PO_E_USAGE when it is not known.
 */
PO_NODISCARD enum po_status po_win32_service_account(const struct po_win32_account_calls *calls,
                                                     const char *name, struct po_sid *out,
                                                     struct po_err *err);
/*
 * The group of this name (NULL = PO_WIN32_GROUP) on this machine. *is_found false when there is none,
 * which is an error (PO_E_USAGE) only when a name was given.
 */
PO_NODISCARD enum po_status po_win32_service_group(const struct po_win32_account_calls *calls,
                                                   const char *name, struct po_sid *out,
                                                   bool *is_found, struct po_err *err);

#endif
