/*
 * chain_help.h - archives one on top of the other, of a site to which things happen: for tests of
 * differentials and of what is made of them.
 */
#ifndef PO_TESTS_CHAIN_HELP_H
#define PO_TESTS_CHAIN_HELP_H

#include "archive/joined.h"
#include "site_help.h"

#define HELP_CHAIN 6
#define HELP_CHAIN_FILES 80
#define HELP_CHAIN_MARGIN_MS 50u

struct help_chain {
    struct help_host host;
    struct po_backup_options options;
    struct po_backup_result result; /* of the last save */
    struct help_sink sinks[HELP_CHAIN];
    struct help_archive archives[HELP_CHAIN];
    unsigned count;
};
extern struct help_chain help_chain;

/* Enters the test's directory; leaves it. */
void help_chain_begin(void);
void help_chain_end(void);
/* Forgets the archives. */
void help_chain_drop(void);
/* Until what was written is old enough to be taken for unchanged. */
void help_chain_settle(void);
/* One archive more, on `base` (an archive's number, or -1: a full). */
struct help_archive *help_chain_save(int base);
/* Hot or cold, with work being done when the services are asked to stop. */
struct help_archive *help_chain_save_busy(int base, uint64_t *chance);
struct po_joined *help_chain_join(const struct help_archive *archive);
/* Files of the mailbox are written, removed, renamed, linked, cut and dated back. */
void help_chain_work(uint64_t *chance, unsigned steps);

#endif
