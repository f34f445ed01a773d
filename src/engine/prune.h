/*
 * prune.h - removes from a vault (vault.h) what its rules (retention.h) let go. First a plan, which
 * somebody may look at, then the removal.
 *
 * Whoever removes holds the vault's lock, so that no backup comes in between; who does not know of
 * locks may all the same have changed what lies there. So each file is looked at again before it
 * goes, and so is each parent that what stays needs, before anything goes.
 */
#ifndef PO_ENGINE_PRUNE_H
#define PO_ENGINE_PRUNE_H

#include "engine/vault.h"

/* What a file that cannot be read may need is kept: it may be a differential. */
struct po_prune_plan {
    const struct po_vault *vault;
    struct po_retention_row *rows; /* one a row of the vault, as the verdicts */
    struct po_retention_verdict *verdicts;
    uint32_t *order; /* what goes, in this order */
    uint32_t removed;
    bool *is_forgotten; /* named by the user */
};

struct po_prune_options {
    struct po_retention_rules rules;
    const char *const *forget; /* file names */
    size_t forget_count;
    int64_t now;
    po_local_day_fn local_day;
    void *local_day_ctx;
};

/*
 * PO_E_USAGE: a name that is no archive of the vault. PO_E_IO: a file of the vault cannot be read just
 * now, so that it is not known whom it needs. The vault must outlive the plan.
 */
PO_NODISCARD enum po_status po_prune_plan_new(struct po_prune_plan **out,
                                              const struct po_vault *vault,
                                              const struct po_prune_options *options,
                                              struct po_err *err);
void po_prune_plan_free(struct po_prune_plan *plan);

/*
 * Told of each file: the archive, or one that goes with it (NAME.rec, NAME.minisig), and why it could
 * not be removed (NULL = it is gone).
 */
typedef void (*po_prune_fn)(void *ctx, uint32_t row, const char *name,
                            const struct po_err *failure);

struct po_prune_result {
    uint32_t removed; /* archives */
    uint32_t failed;  /* files, archives that must stay because of another's failure included */
    uint64_t bytes;   /* of the archives that are gone */
};

/*
 * Removes what the plan lets go, each archive before what goes with it. PO_OK also when files could
 * not be removed: they are told, and what they need stays. PO_E_FORMAT, PO_E_IO: a parent that is
 * needed is not there any more: nothing was removed. PO_E_CANCELLED: some were, perhaps.
 */
PO_NODISCARD enum po_status po_prune_run(const struct po_prune_plan *plan, po_prune_fn each,
                                         void *ctx, const struct po_watch *watch,
                                         struct po_prune_result *result, struct po_err *err);

#endif
