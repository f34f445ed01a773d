/* recover_find.h - which journal a site has, and a restore as it says; for recover*.c alone. */
#ifndef PO_ENGINE_RECOVER_FIND_H
#define PO_ENGINE_RECOVER_FIND_H

#include "engine/restore_journal.h"

struct po_recover_finder {
    struct po_dir *site;
    char unfinished[80]; /* names sort by time */
    char done[80];
};

/* Nothing is left to be done about it. */
bool po_recover_is_done(enum po_restore_phase phase);
/* How far the restore of a journal folder came; one that was only made is staging. */
PO_NODISCARD enum po_status po_recover_phase_of(struct po_dir *site, const char *name,
                                                enum po_restore_phase *phase, struct po_err *err);
/* finder->site stays NULL, and PO_OK, when the site has no journals; to be freed. */
PO_NODISCARD enum po_status po_recover_find_journal(struct po_recover_finder *finder,
                                                    const char *journal_dir, struct po_err *err);
/* The one that counts: not finished, else done; NULL: none. */
const char *po_recover_found_name(const struct po_recover_finder *finder);
/* Whether the folders of the bases are there now. */
PO_NODISCARD enum po_status po_recover_look_at_folders(struct po_restore *r, struct po_err *err);
/* Fills in a restore (po_restore_init without an archive) from its journal folder. */
PO_NODISCARD enum po_status po_recover_load(struct po_restore *r, struct po_dir *site,
                                            const char *name, struct po_err *err);

#endif
