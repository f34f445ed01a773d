/* verify.h - checking an archive, quick or deep, over all processors. */
#ifndef PO_ENGINE_VERIFY_H
#define PO_ENGINE_VERIFY_H

#include "archive/reader.h"
#include "base/event.h"
#include "engine/problems.h"

struct po_verify_result {
    uint64_t frames;
    uint64_t unread;         /* of these, not given back by the disk */
    uint64_t bytes;          /* of the archive, read */
    uint64_t content_bytes;  /* decoded (deep) */
    uint64_t files;          /* hashed (deep) */
    struct po_problems hits; /* entries that damage hits, each with what is wrong with its frame */
    struct po_err first;     /* the first damage; status PO_OK if none */
    bool is_registry_bad; /* the .reg member does not parse (deep): a warning, it is what the site
                             had */
    double seconds;
};

/*
 * PO_OK: whole. PO_E_FORMAT: damaged, *err and result->hits say where. PO_E_IO: what could be read is
 * whole, the rest may be. Neither ends the run: every hit is named; of both, damage is the verdict.
 * Parents (`source` > 0) are not looked at here.
 */
PO_NODISCARD enum po_status po_engine_verify(const struct po_reader *reader, bool is_deep,
                                             unsigned threads, const struct po_watch *watch,
                                             struct po_verify_result *result, struct po_err *err);
/*
 * Quick, of some frames alone: those that frames[i] wants, one byte a frame before the index. That of
 * a frame that is damaged or cannot be read becomes PO_VERIFY_BAD. Manifest and summary are looked at
 * whatever is wanted.
 */
enum po_verify_frame { PO_VERIFY_UNWANTED, PO_VERIFY_WANTED, PO_VERIFY_BAD };
PO_NODISCARD enum po_status po_engine_verify_frames(const struct po_reader *reader, uint8_t *frames,
                                                    unsigned threads, const struct po_watch *watch,
                                                    struct po_verify_result *result,
                                                    struct po_err *err);
void po_verify_result_deinit(struct po_verify_result *result);

#endif
