/*
 * journal.h - a file of records that is only ever appended to, so that what was planned and how far
 * it came can be told after a crash. A record has a checksum: what was being written at the crash is
 * not one, and ends the journal.
 *
 *   file     "pobackup journal 1\n", records
 *   record   payload size (u32), kind (u8), payload, XXH3-128 of all three (its first 8 bytes)
 */
#ifndef PO_ENGINE_JOURNAL_H
#define PO_ENGINE_JOURNAL_H

#include "base/buf.h"
#include "base/cursor.h"
#include "port/file.h"

/* More than any path; a size beyond it is no record's. */
#define PO_JOURNAL_RECORD_MAX (UINT32_C(1) << 20)

struct po_journal;

/* Makes the file, which must not be there, in the directory; durable when this returns. */
PO_NODISCARD enum po_status po_journal_create(struct po_journal **out, struct po_dir *dir,
                                              const char *name, struct po_err *err);
/* Goes on with one: what stands behind its last whole record is cut off. */
PO_NODISCARD enum po_status po_journal_open(struct po_journal **out, struct po_dir *dir,
                                            const char *name, struct po_err *err);
/* NULL is fine. What was not synced may be lost. */
void po_journal_free(struct po_journal *journal);

/* Appends one; in memory until the next sync, or until there is much of it. */
PO_NODISCARD enum po_status po_journal_put(struct po_journal *journal, uint8_t kind,
                                           const void *bytes, size_t size, struct po_err *err);
/* All that was put is on the disk afterwards. */
PO_NODISCARD enum po_status po_journal_sync(struct po_journal *journal, struct po_err *err);

/* Strings in records: size (u32) and bytes. */
void po_journal_put_text(struct po_buf *record, const char *text, size_t size);
/* Lent from the record; size 0 and "" after an overrun. */
const char *po_journal_text(struct po_cursor *record, size_t *size);

typedef enum po_status (*po_journal_fn)(void *ctx, uint8_t kind, struct po_cursor *record,
                                        struct po_err *err);
/*
 * Reads all whole records; there is none when it was not made to its end. PO_E_IO when there is no such file (os_code ENOENT), PO_E_FORMAT when it
 * is no journal; what `each` returns ends the reading.
 */
PO_NODISCARD enum po_status po_journal_read(struct po_dir *dir, const char *name,
                                            po_journal_fn each, void *ctx, struct po_err *err);
/* The same; *left is how many bytes stand behind the last whole record. */
PO_NODISCARD enum po_status po_journal_read_left(struct po_dir *dir, const char *name,
                                                 po_journal_fn each, void *ctx, uint64_t *left,
                                                 struct po_err *err);

#endif
