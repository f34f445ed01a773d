/*
 * reed_solomon.h - the erasure code of recovery.md, section 1: parity of rows, and lost rows out of
 * parity. By ISA-L, whose fastest code for this processor is taken at run time.
 */
#ifndef PO_ARCHIVE_REED_SOLOMON_H
#define PO_ARCHIVE_REED_SOLOMON_H

#include "base/err.h"

/* Never changes: may be shared by threads. */
struct po_rs;

/* rows + parities at most 256, each at least 1. */
PO_NODISCARD enum po_status po_rs_new(struct po_rs **out, unsigned rows, unsigned parities,
                                      struct po_err *err);
void po_rs_free(struct po_rs *rs);

/* Adds what the rows from `first` on give to each parity: `size` bytes to each of sums[0 .. parities - 1]. */
void po_rs_add(const struct po_rs *rs, unsigned first, unsigned count, uint8_t *const *rows,
               size_t size, uint8_t *const *sums);

/*
 * Lost rows: sums[i] is parity number parities[i] with all rows but the lost ones added to it; found[i]
 * becomes row lost[i]. `count` of each; of all, `size` bytes. sums and found do not overlap.
 */
PO_NODISCARD enum po_status po_rs_solve(const struct po_rs *rs, const unsigned *lost,
                                        const unsigned *parities, unsigned count,
                                        uint8_t *const *sums, uint8_t *const *found, size_t size,
                                        struct po_err *err);

#endif
