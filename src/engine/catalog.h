/*
 * catalog.h - the index of an archive, kept on this machine: what the next differential builds on, so
 * that the archive itself need not be read. It can always be had from the archive again; so nothing
 * is lost when it is, and it is not made durable.
 *
 *   file     the index (format.md, section 5), then 64 bytes: magic "pobcatlg", size of the index
 *            (u64), XXH3 of the index (16), digest of the archive (32)
 *
 * It is called by the digest: what has another name is of another archive.
 */
#ifndef PO_ENGINE_CATALOG_H
#define PO_ENGINE_CATALOG_H

#include "archive/index.h"
#include "port/file.h"

struct po_catalog;

/* Begins one in the directory, which is made if missing. */
PO_NODISCARD enum po_status po_catalog_create(struct po_catalog **out, const char *dir_path,
                                              struct po_err *err);
/* Takes the index's bytes, in order (po_backup_options.index_copy). A failure to write is kept for
 * po_catalog_commit: the backup goes on. */
struct pobackup_sink po_catalog_sink(struct po_catalog *catalog);
/* It gets its name. PO_E_IO: it could not be written. */
PO_NODISCARD enum po_status po_catalog_commit(struct po_catalog *catalog,
                                              const uint8_t digest[PO_DIGEST_SIZE],
                                              struct po_err *err);
/* What was not committed goes. NULL is fine. */
void po_catalog_free(struct po_catalog *catalog);

/*
 * Loads that of an archive. PO_E_IO with os_code ENOENT when there is none; PO_E_FORMAT when it is
 * damaged or of another archive.
 */
PO_NODISCARD enum po_status po_catalog_load(struct po_index **out, const char *dir_path,
                                            const uint8_t digest[PO_DIGEST_SIZE],
                                            struct po_err *err);
/* Removes all but those of these archives: their digests, one behind the other. */
void po_catalog_keep(const char *dir_path, const uint8_t *digests, size_t count);

#endif
