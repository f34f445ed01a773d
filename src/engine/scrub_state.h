/* scrub_state.h - what scrub.h remembers: in memory, as text, as a file. */
#ifndef PO_ENGINE_SCRUB_STATE_H
#define PO_ENGINE_SCRUB_STATE_H

#include "engine/scrub.h"
#include "port/file.h"

#define PO_SCRUB_BAD UINT32_MAX

struct po_scrub_archive {
    uint8_t digest[PO_DIGEST_SIZE];
    int32_t *days;    /* one a slot: the last day; -N = first seen on day N, not checked yet */
    int32_t recovery; /* likewise; 0 = there are no recovery data */
    /* Of this run. */
    uint32_t files; /* copies in the vault; 0 = not added */
    uint32_t *good; /* one a slot: files in which its frames were good, or PO_SCRUB_BAD */
    unsigned offset;
    unsigned recovery_slot;
    uint32_t recovery_files;
    uint32_t recovery_good;
};

struct po_scrub_state {
    unsigned period;
    int32_t day; /* today, for what is kept */
    struct po_scrub_archive *archives;
    uint32_t count;
    size_t capacity;
};

/* A new one behind the others, with no day set: all zeros, which a text never has. */
PO_NODISCARD enum po_status po_scrub_state_add(struct po_scrub_state *state,
                                               const uint8_t digest[PO_DIGEST_SIZE],
                                               struct po_err *err);
/* NULL = none. */
struct po_scrub_archive *po_scrub_state_find(const struct po_scrub_state *state,
                                             const uint8_t digest[PO_DIGEST_SIZE]);
void po_scrub_state_deinit(struct po_scrub_state *state);

/* Appends those archives that were added in this run, or were not long ago. */
PO_NODISCARD enum po_status po_scrub_state_put(const struct po_scrub_state *state,
                                               struct po_buf *out, struct po_err *err);
/* PO_E_FORMAT: damaged. *state must be empty, and is to be deinited whatever comes. */
PO_NODISCARD enum po_status po_scrub_state_parse(struct po_scrub_state *state, const void *text,
                                                 size_t size, struct po_err *err);

/* No file of this name: PO_OK, and *state stays empty. */
PO_NODISCARD enum po_status po_scrub_state_read(struct po_scrub_state *state, struct po_dir *dir,
                                                const char *name, struct po_err *err);
/* By a new file and a rename; on disk when this returns. */
PO_NODISCARD enum po_status po_scrub_state_write(const struct po_scrub_state *state,
                                                 struct po_dir *dir, const char *name,
                                                 struct po_err *err);

#endif
