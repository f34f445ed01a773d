/*
 * security_accounts.h - whose SID of the old machine is whose here. A SID names an account only on
 * the machine or in the domain that made it; what stays is the account's name. So a backup records
 * the names of all SIDs in its descriptors, and a restore looks for accounts of these names.
 *
 * For each SID one choice is made, in this order, and can be shown before anything is changed:
 *
 *   as asked      the user or the caller said so (the services' account, which may have a new name)
 *   everywhere    it is the same on every machine: Everyone, SYSTEM, BUILTIN\Administrators
 *   built in      an account of the old machine with a RID below 1000 (Administrator, Guest, also
 *                 when renamed): the one of this machine with that RID
 *   by name       an account of the old machine: this machine's account of that name; one of a
 *                 domain: that domain's. A user is never taken for a group, nor the other way round
 *   by SID        no account of that name, but the SID itself is known here: renamed, same domain
 *   unknown       none of these: the SID is kept as it is, so nobody gets rights by mistake, and
 *                 it is told
 *
 * Pure: the system is asked through a table (host_win32_accounts.h has the real one).
 */
#ifndef PO_HOST_SECURITY_ACCOUNTS_H
#define PO_HOST_SECURITY_ACCOUNTS_H

#include "host/security_descriptor.h"

/* More different accounts are not looked up: they come from archives. */
#define PO_ACCOUNTS_MAX 65536u

enum po_account_kind { PO_ACCOUNT_UNKNOWN, PO_ACCOUNT_USER, PO_ACCOUNT_GROUP };

struct po_account {
    struct po_sid sid;
    char *name; /* "DOMAIN\\name", or NULL: it has none that is known */
    enum po_account_kind kind;
};

/* Accounts, each SID once, in the order in which they came. { 0 } is an empty list. */
struct po_account_list {
    struct po_account *items;
    size_t count;
    size_t capacity;
    uint32_t *slots; /* hash table: number of an item + 1, or 0 */
    size_t slot_count;
};
void po_account_list_deinit(struct po_account_list *list);
/* *number is the account's, old or new. PO_E_FORMAT beyond PO_ACCOUNTS_MAX. */
PO_NODISCARD enum po_status po_account_list_add(struct po_account_list *list,
                                                const struct po_sid *sid, size_t *number,
                                                struct po_err *err);
/* All that are in a descriptor; PO_E_FORMAT when that is damaged. */
PO_NODISCARD enum po_status po_account_list_add_security(struct po_account_list *list,
                                                         const void *bytes, size_t size,
                                                         struct po_err *err);
/* Records the name; a NULL name stays NULL. */
PO_NODISCARD enum po_status po_account_list_set_name(struct po_account_list *list, size_t number,
                                                     const char *name, enum po_account_kind kind,
                                                     struct po_err *err);
/* false: not in the list. */
bool po_account_list_find(const struct po_account_list *list, const struct po_sid *sid,
                          size_t *number);

/* ---- the system ---- */

/*
 * What this machine says. *is_found false (and PO_OK) when it does not know; names are appended as
 * "DOMAIN\\name". PO_E_IO only when it could not be asked.
 */
struct po_account_system {
    const void *ctx;
    PO_NODISCARD enum po_status (*name_of)(const void *ctx, const struct po_sid *sid,
                                           struct po_buf *name, enum po_account_kind *kind,
                                           bool *is_found, struct po_err *err);
    PO_NODISCARD enum po_status (*sid_of)(const void *ctx, const char *name, struct po_sid *sid,
                                          enum po_account_kind *kind, bool *is_found,
                                          struct po_err *err);
    /* What its own accounts' SIDs begin with. */
    PO_NODISCARD enum po_status (*machine)(const void *ctx, struct po_sid *sid, bool *is_found,
                                           struct po_err *err);
};

/* Fills in the names of all accounts that have none yet: for a backup. */
PO_NODISCARD enum po_status po_account_list_look_up(struct po_account_list *list,
                                                    const struct po_account_system *system,
                                                    struct po_err *err);

/* ---- the choice ---- */

enum po_account_reason {
    PO_ACCOUNT_AS_ASKED,
    PO_ACCOUNT_EVERYWHERE,
    PO_ACCOUNT_BUILT_IN,
    PO_ACCOUNT_BY_NAME,
    PO_ACCOUNT_BY_SID,
    PO_ACCOUNT_KEPT
};
/* "as asked", "the same on every machine", ..., "unknown here: kept as it is". */
const char *po_account_reason_text(enum po_account_reason reason);

struct po_account_choice {
    struct po_sid to;
    char *to_name; /* or NULL */
    enum po_account_reason reason;
};

/* An account of then and the one of now: names ("DOMAIN\\name", or "name" of this machine) or SIDs. */
struct po_account_pair {
    const char *from;
    const char *to;
};

struct po_account_question {
    const struct po_account_list *list; /* of the archive */
    const char *old_host;               /* its machine's name, or NULL */
    const char *new_host;               /* this machine's */
    const struct po_account_pair *pairs;
    size_t pair_count;
};

/* The choices for a list's accounts. */
struct po_account_map {
    const struct po_account_list *list; /* lent; as it was when the choices were made */
    struct po_account_choice *choices;  /* one for each */
    size_t kept_count;                  /* unknown accounts: to be told */
};

/* PO_E_USAGE when an account that was asked for is not known here. */
PO_NODISCARD enum po_status po_account_map_make(struct po_account_map **out,
                                                const struct po_account_question *question,
                                                const struct po_account_system *system,
                                                struct po_err *err);
void po_account_map_free(struct po_account_map *map);
/* A po_sid_map_fn; ctx is a struct po_account_map. SIDs that are not in the list stay. */
const struct po_sid *po_account_map_sid(const void *ctx, const struct po_sid *sid);
/* Appends the descriptor with the accounts of this machine. PO_E_FORMAT when it is damaged. */
PO_NODISCARD enum po_status po_account_map_security(const struct po_account_map *map,
                                                    const void *bytes, size_t size,
                                                    struct po_buf *out, struct po_err *err);
/* One choice for people: "OLD\mail (S-1-...-1005) -> NEW\mail: by name". */
void po_account_map_put(const struct po_account_map *map, size_t number, struct po_buf *out);

#endif
