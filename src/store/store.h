/*
 * store.h - where archives are kept. A sink is an archive being written: bytes in order, then
 * commit, or free, which abandons it and leaves nothing at the final name. A blob is an archive
 * being read at any offset.
 */
#ifndef PO_STORE_STORE_H
#define PO_STORE_STORE_H

#include "base/err.h"

struct po_store_sink {
    const struct po_store_sink_ops *ops;
};

struct po_store_sink_ops {
    PO_NODISCARD enum po_status (*write)(struct po_store_sink *sink, const void *bytes, size_t size,
                                         struct po_err *err);
    /*
     * For what is not made in order: at any offset, what lies between is zeros; `write` goes on at
     * the end. From any one thread at a time. NULL: such a sink takes bytes in order alone.
     */
    PO_NODISCARD enum po_status (*write_at)(struct po_store_sink *sink, uint64_t offset,
                                            const void *bytes, size_t size, struct po_err *err);
    /*
     * All that was written until now is on disk, and *blob reads it: to look at it before it is
     * committed. Lent by the sink, until commit or free. NULL: such a sink has none.
     */
    PO_NODISCARD enum po_status (*read_back)(struct po_store_sink *sink, struct pobackup_blob *blob,
                                             struct po_err *err);
    /* Makes it durable and gives it its name. PO_E_IO when a write has failed before. */
    PO_NODISCARD enum po_status (*commit)(struct po_store_sink *sink, struct po_err *err);
    /* Abandons unless committed. NULL is fine. */
    void (*free)(struct po_store_sink *sink);
};

/*
 * FILE: written as FILE.partial (mode 0600: it holds mail and password hashes), fsync, rename (an
 * existing FILE is PO_E_USAGE), fsync of the directory. FILE.partial is locked while it is written:
 * one that nobody holds is what a dead run left and is taken over, one that is held is PO_E_USAGE.
 */
PO_NODISCARD enum po_status po_store_file_create(struct po_store_sink **out, const char *os_path,
                                                 struct po_err *err);
/*
 * The same for a secret: nobody but the owner can read FILE, or has FILE.partial open, on Windows too,
 * where others have the rights of their directory (po_lock_take_private).
 */
PO_NODISCARD enum po_status po_store_file_create_private(struct po_store_sink **out,
                                                         const char *os_path, struct po_err *err);
/* The same, but FILE may exist: it stays as it is until the commit puts the new one in its place. */
PO_NODISCARD enum po_status po_store_file_replace(struct po_store_sink **out, const char *os_path,
                                                  struct po_err *err);
/*
 * Standard output; commit flushes. What was written cannot be taken back by free. When `cancel` is
 * not NULL, a write that waits for its reader ends as PO_E_CANCELLED once *cancel is not 0.
 */
PO_NODISCARD enum po_status po_store_stdout_create(struct po_store_sink **out,
                                                   const volatile int *cancel, struct po_err *err);

/* Is told of bytes that were written, in order. */
typedef void (*po_store_tap_fn)(void *ctx, const void *bytes, size_t size);
/*
 * A sink that hands all on to `sink`, which it takes over even when this fails, and tells `tap` of what
 * was written.
 */
PO_NODISCARD enum po_status po_store_tap_create(struct po_store_sink **out,
                                                struct po_store_sink *sink, po_store_tap_fn tap,
                                                void *ctx, struct po_err *err);

/*
 * Opens an archive, a regular file, for reading: blob->read_at may be called from several threads.
 * Freed by po_store_blob_free ({ 0 } is fine), which empties *blob.
 */
PO_NODISCARD enum po_status po_store_file_open(struct pobackup_blob *blob, const char *os_path,
                                               struct po_err *err);
void po_store_blob_free(struct pobackup_blob *blob);

#endif
