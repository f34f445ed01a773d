/* parents.h - the archives that a differential builds on: are they there, are they the right ones,
 * do they have what the index says? */
#ifndef PO_ENGINE_PARENTS_H
#define PO_ENGINE_PARENTS_H

#include "archive/reader.h"
#include "base/buf.h"
#include "base/event.h"
#include "engine/problems.h"

/* Where parents are kept: beside the archive. */
struct po_parents_place {
    void *ctx;
    /* Opens the file of this name; *is_found = false when there is none. Closing is `close`'s. */
    enum po_status (*open)(void *ctx, const char *name, struct pobackup_blob *blob, bool *is_found,
                           struct po_err *err);
    /* Likewise the archive with this digest, whatever its name, which is appended to `name`. NULL: no
     * one is looked for. */
    enum po_status (*find)(void *ctx, const uint8_t digest[PO_DIGEST_SIZE], struct po_buf *name,
                           struct pobackup_blob *blob, bool *is_found, struct po_err *err);
    void (*close)(void *ctx, struct pobackup_blob *blob);
};

struct po_parent_file;

/* The parents of one archive, opened. */
struct po_parents {
    struct po_parents_place place;
    struct po_parent_file *files; /* one a parent */
    struct po_reader **readers;   /* likewise; NULL: it is not at hand */
    uint32_t count;
};

/*
 * Opens every parent that is at hand and checks INDEX-9: the file of the recorded name, and only where
 * there is none, by the digest. Parents that are not become problems in *missing (path = the name
 * hint). PO_E_FORMAT: the file of that name is not the parent, or has something else where the index
 * points. To be closed in any case.
 */
PO_NODISCARD enum po_status po_parents_open(struct po_parents *parents,
                                            const struct po_reader *reader,
                                            const struct po_parents_place *place,
                                            struct po_problems *missing, struct po_err *err);
/* The readers alone; the files stay open until po_parents_close. */
void po_parents_drop_readers(struct po_parents *parents);
/* { 0 } is fine. */
void po_parents_close(struct po_parents *parents);

#endif
