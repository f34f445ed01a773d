/*
 * scrub.h - reading all of a vault within a period of P days, a share a day. Frame f of an archive
 * belongs to one of P slots, (f + the archive id's first bytes) modulo P, so that the shares of many
 * archives are not all large on one day. On day D slot D modulo P is due, and so is each slot that was
 * not checked for P days: missed runs are made up by the next one. Run daily, each slot is due once
 * in P days.
 *
 * What is remembered is a file a vault in the state directory: for each archive, by a digest of what it
 * is and of which file it is (a mirror on another disk is another), the day
 * on which each slot was last found good, or that on which the archive was first seen, as a negative
 * number. It is only believed as far as it can be true: a day that is still to come (the clock was set
 * back) counts as never, and a file that is damaged or of another period as none. So no slot looks
 * checked that was not; at worst one is checked too often.
 *
 *   {"period": 30, "archives": {"<digest>": {"days": [20785, -20780, ...], "recovery": 20786}},
 *    "check": "<XXH3-128 of all before this member's comma>"}
 *
 * Nothing here reads an archive or asks the clock.
 */
#ifndef PO_ENGINE_SCRUB_H
#define PO_ENGINE_SCRUB_H

#include "archive/format.h"
#include "base/buf.h"

#include <stdbool.h>

#define PO_SCRUB_PERIOD_MAX 366u

/* Days since 1 January 1970 of a date, at least 1. */
int32_t po_scrub_day(int year, int month, int day);

struct po_scrub;

/*
 * What is remembered of the vault with this absolute path. A period of 0 is to look only, whatever
 * period is remembered. Otherwise the vault's scrub is locked until po_scrub_free, and the directory
 * is made where missing; PO_E_IO when another process holds it. Where what is there cannot be used,
 * *anew says why (PO_OK: it can, or there is nothing), and all begins anew.
 */
PO_NODISCARD enum po_status po_scrub_open(struct po_scrub **out, const char *dir_path,
                                          const char *vault_path, unsigned period, int32_t day,
                                          struct po_err *anew, struct po_err *err);
/* NULL is fine. Saves nothing. */
void po_scrub_free(struct po_scrub *scrub);

/*
 * A file of the vault; each once, before any is checked. *number is its archive's: copies of one have
 * the same number, and each is to be checked. What was not added for three periods is forgotten by po_scrub_save.
 */
PO_NODISCARD enum po_status po_scrub_add(struct po_scrub *scrub,
                                         const uint8_t digest[PO_DIGEST_SIZE],
                                         const uint8_t archive_id[PO_ID_SIZE], bool has_recovery,
                                         uint32_t *number, struct po_err *err);
/* 0 to period - 1. */
unsigned po_scrub_slot(const struct po_scrub *scrub, uint32_t number, uint32_t frame);
/* Whether it is due; does not change but by po_scrub_save and the day. */
bool po_scrub_is_due(const struct po_scrub *scrub, uint32_t number, unsigned slot);
bool po_scrub_is_recovery_due(const struct po_scrub *scrub, uint32_t number);

/* A file was checked: each due slot's frames, if any, were good but for those with is_bad[slot], which
 * are due again on each day until they are good. */
void po_scrub_note(struct po_scrub *scrub, uint32_t number, const bool *is_bad);
void po_scrub_note_recovery(struct po_scrub *scrub, uint32_t number);

/* Days go into what is remembered where every copy was good, and that to disk, as a whole or not at
 * all. */
PO_NODISCARD enum po_status po_scrub_save(struct po_scrub *scrub, struct po_err *err);

struct po_scrub_age {
    uint32_t oldest_days; /* how long some frame may not have been read */
    bool is_all_read;     /* each slot was found good once, since it was first seen */
    uint32_t rest_days;   /* if not: in how many days all will have been, run daily */
};
/* Of all that was added; after po_scrub_save. */
struct po_scrub_age po_scrub_age(const struct po_scrub *scrub);
/* The oldest day of an archive's slots; false when one is not known to have been checked. */
bool po_scrub_last(const struct po_scrub *scrub, const uint8_t digest[PO_DIGEST_SIZE],
                   int32_t *day);

#endif
