/*
 * accounts.h - whose rights are in an archive: the accounts that its security descriptors name
 * (req: R7). A backup asks the host for their names once the services run again: a domain controller
 * may take its time. A restore reads them, with the machine's name and the services' account.
 */
#ifndef PO_ENGINE_ACCOUNTS_H
#define PO_ENGINE_ACCOUNTS_H

#include "archive/manifest.h"
#include "archive/reader.h"
#include "host/host.h"

struct po_accounts {
    struct po_summary_account *items; /* with texts of their own */
    size_t count;
    size_t capacity;
};
void po_accounts_deinit(struct po_accounts *accounts);

/* The descriptors of a list of entries, or of an index, as a host takes them: from number 0. */
struct po_host_descriptors po_accounts_of_list(const struct po_entry_list *list);
struct po_host_descriptors po_accounts_of_index(const struct po_index *index);

/* Asks the host; none when it has no such rights. */
PO_NODISCARD enum po_status po_accounts_gather(struct po_accounts *accounts, struct po_host *host,
                                               const struct po_entry_list *list,
                                               struct po_err *err);

/* What an archive says of where it was made. */
struct po_origin {
    struct po_host_origin origin;      /* texts are in the two documents */
    const char *places[PO_PART_COUNT]; /* of trees, as they were known then; NULL: not told */
    struct po_buf addresses;           /* of that machine, a NUL behind each */
    int64_t created;                   /* POBACKUP_TIME_UNKNOWN: not told */
    struct po_host_account *accounts;
    void *manifest;
    void *summary;
};
PO_NODISCARD enum po_status po_origin_load(struct po_origin *out, const struct po_reader *reader,
                                           struct po_err *err);
void po_origin_deinit(struct po_origin *origin);

#endif
