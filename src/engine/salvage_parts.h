/* salvage_parts.h - what the files salvage*.c share. */
#ifndef PO_ENGINE_SALVAGE_PARTS_H
#define PO_ENGINE_SALVAGE_PARTS_H

#include "engine/salvage.h"

/* A part of a file's content: `size` bytes at `at` of a frame's content. */
struct po_salvage_piece {
    uint32_t frame; /* as the reader numbers them */
    uint32_t at;
    uint32_t size;
    uint64_t position; /* in the file's content */
};

/*
 * A file of which not all is there, or nothing (no pieces); or, path NULL, a frame that belongs to
 * nothing known.
 */
struct po_salvage_broken {
    char *path; /* in the archive, owned */
    size_t path_size;
    uint32_t entry;     /* of the reader's index, or PO_NONE */
    uint64_t size;      /* that the whole has */
    uint64_t there;     /* of it */
    size_t first_piece; /* in the list's pieces */
    size_t piece_count;
    const char *reason;
};

struct po_salvage_broken_list {
    struct po_salvage_broken *items;
    size_t count;
    size_t capacity;
    struct po_salvage_piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
};

/* Copies the path (NULL: none); *item lives until the next add. */
PO_NODISCARD enum po_status po_salvage_broken_add(struct po_salvage_broken_list *list,
                                                  const char *path, size_t path_size, uint64_t size,
                                                  const char *reason,
                                                  struct po_salvage_broken **item,
                                                  struct po_err *err);
/* To the item that was added last. */
PO_NODISCARD enum po_status po_salvage_piece_add(struct po_salvage_broken_list *list,
                                                 const struct po_salvage_piece *piece,
                                                 struct po_err *err);
void po_salvage_broken_deinit(struct po_salvage_broken_list *list);

/* ---- with an index (salvage_index.c) ---- */

/*
 * The index that most of the frames found belong to, proven by a trailer or at least by itself:
 * *reader finds each of its frames where it lies now; one that is not there has a compressed size of
 * 0. *reader stays NULL when there is no whole index. result->sources says of each frame found whose
 * it is.
 */
PO_NODISCARD enum po_status po_salvage_index_find(struct po_reader **reader,
                                                  const struct po_salvage_scan *scan,
                                                  const struct pobackup_blob *blob,
                                                  struct po_salvage_result *result,
                                                  struct po_err *err);
/*
 * What can be had of the entries, judged by the frames alone: wanted[] (zeroed) and result->verdicts;
 * files of which a part is there go to `broken`.
 */
PO_NODISCARD enum po_status
po_salvage_index_judge(const struct po_reader *reader, struct po_salvage_result *result,
                       uint8_t *wanted, struct po_salvage_broken_list *broken, struct po_err *err);

/* ---- without (salvage_members.c) ---- */

/*
 * Reads the members of all frames and joins what spans them. *reader has an index that was made of
 * them; the rest is in `broken`. *reader stays NULL when there is nothing of ours.
 */
PO_NODISCARD enum po_status
po_salvage_members_find(struct po_reader **reader, const struct po_salvage_scan *scan,
                        const struct pobackup_blob *blob, unsigned threads,
                        const struct po_watch *watch, struct po_salvage_result *result,
                        struct po_salvage_broken_list *broken, struct po_err *err);

/* A member that goes on behind the frame that it begins in. */
struct po_salvage_open {
    uint32_t frame; /* of the scan */
    uint32_t entry; /* of the list of entries */
    uint32_t content_at;
    uint64_t size;
    uint64_t left;    /* content and padding behind the frame */
    uint32_t *frames; /* those that it goes on in, owned */
    uint32_t frame_count;
    bool is_whole;
    bool is_pieced; /* not all of them lie directly behind each other */
};

/*
 * Finds the frames that each open member goes on in: those directly behind, when they come out at
 * exactly its size; else, behind a gap, the only place at which the rest does. claimed[] (one byte a
 * frame of the scan, zeroed) gets 1 for frames that are some member's.
 *
 * Frames up to `proven` are known to be in order and without a gap (PO_NONE: none are): there a member
 * goes on in what lies behind it, whatever that looks like.
 */
PO_NODISCARD enum po_status po_salvage_join(const struct po_salvage_scan *scan, uint32_t proven,
                                            struct po_salvage_open *opens, size_t open_count,
                                            uint8_t *claimed, struct po_err *err);

/* ---- writing (salvage_partial.c) ---- */

/*
 * Writes what is there of broken files below PO_SALVAGE_PARTIAL, and the note; what could not be
 * written is a problem.
 */
PO_NODISCARD enum po_status po_salvage_partial_write(const struct po_reader *reader,
                                                     const struct po_salvage_options *options,
                                                     const struct po_salvage_broken_list *broken,
                                                     struct po_salvage_result *result,
                                                     struct po_err *err);

#endif
