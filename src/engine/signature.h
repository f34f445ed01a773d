/*
 * signature.h - the signature of an archive: ARCHIVE.minisig beside it, in minisign's format
 * (archive/minisign.h), over all bytes of the file. What is checked is the opened archive, and that its
 * tables, which are in memory by then, are those of the bytes that were signed: frames that are checked
 * by their BLAKE2b afterwards are then the signed ones, whoever changes the file meanwhile.
 */
#ifndef PO_ENGINE_SIGNATURE_H
#define PO_ENGINE_SIGNATURE_H

#include "archive/minisign.h"
#include "archive/reader.h"
#include "base/event.h"

#define PO_SIGNATURE_ENDING ".minisig"
/* Legacy signatures, which are over the bytes themselves, are checked in memory: up to this size. */
#define PO_SIGNATURE_WHOLE_MAX (16u << 20)

enum po_signature_state {
    PO_SIGNATURE_UNCHECKED, /* there is one; no key was given to check it */
    PO_SIGNATURE_GOOD,
    PO_SIGNATURE_MISSING,
    PO_SIGNATURE_FOREIGN, /* by a key that was not given */
    PO_SIGNATURE_BAD      /* not of these bytes, or no signature at all */
};
/* "unchecked", "good", "missing", "foreign", "bad". */
const char *po_signature_state_name(enum po_signature_state state);

struct po_signature {
    enum po_signature_state state;
    bool has_key_id;
    uint8_t key_id[PO_MINISIGN_ID_SIZE];
    char comment[PO_MINISIGN_COMMENT_MAX + 1]; /* the trusted one; "" unless good */
    struct po_err why;                         /* missing, foreign, bad: what to say */
};

/*
 * The BLAKE2b-512 of an archive's bytes. `reader` is the opened archive, or NULL: PO_E_FORMAT when it
 * is not of the bytes that were hashed.
 */
PO_NODISCARD enum po_status po_signature_hash(uint8_t hash[PO_MINISIGN_HASH_SIZE],
                                              const struct pobackup_blob *blob,
                                              const struct po_reader *reader,
                                              const struct po_watch *watch, struct po_err *err);

/*
 * What is known of the signature of the archive `os_path`, which was opened as `blob` (and `reader`, or
 * NULL). Without keys the archive is not read. That the signature is not good is no failure.
 */
PO_NODISCARD enum po_status po_signature_check(struct po_signature *signature, const char *os_path,
                                               const struct pobackup_blob *blob,
                                               const struct po_reader *reader,
                                               const struct po_minisign_public *keys,
                                               size_t key_count, const struct po_watch *watch,
                                               struct po_err *err);
/* PO_OK when it is good; PO_E_AUTH: missing or foreign; PO_E_FORMAT: bad. */
PO_NODISCARD enum po_status po_signature_require(const struct po_signature *signature,
                                                 struct po_err *err);

/* Appends the sidecar's text. The trusted comment tells time, file name and archive id. */
PO_NODISCARD enum po_status
po_signature_put(struct po_buf *out, const struct po_minisign_secret *secret,
                 const uint8_t hash[PO_MINISIGN_HASH_SIZE], const char *os_path,
                 const uint8_t archive_id[PO_ID_SIZE], int64_t time, struct po_err *err);

#endif
