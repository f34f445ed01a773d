/*
 * sample_help.h - a small archive for tests that break each of its bits, and a model of it: which
 * entry has a part in which frame, worked out from the places of the entries alone (a member reaches
 * to where the next one begins).
 */
#ifndef PO_TESTS_SAMPLE_HELP_H
#define PO_TESTS_SAMPLE_HELP_H

#include "archive_help.h"

#define HELP_FRAMES_MAX 32
#define HELP_ENTRIES_MAX 256
#define HELP_SEEK_ENTRY 12u
#define HELP_FILES_SMALL 12
#define HELP_FILES_LARGE 200

/* An archive and what its seek table says, read by hand. */
struct help_sample {
    struct help_set set;
    struct help_memory memory;
    struct pobackup_archive *archive;      /* its tables are in memory: they stay as they are */
    uint32_t count;                        /* of data frames, the last one included */
    size_t offsets[HELP_FRAMES_MAX + 1];   /* in the file */
    uint64_t content[HELP_FRAMES_MAX + 1]; /* where each begins in all frames' content together */
    uint32_t summary;                      /* the frame before the index */
    uint32_t entry_count;
    uint64_t starts[HELP_ENTRIES_MAX + 1]; /* of the members in all content, and where the index
                                              begins */
    uint32_t order[HELP_ENTRIES_MAX];      /* of the members: entry numbers */
};

/* So many files and five other entries, in frames of 64 KiB; `salt` makes archives that differ. */
void help_sample_make(struct help_sample *s, uint8_t salt, size_t files);
void help_sample_free(struct help_sample *s);
/* Whether member `i`, in the order of the members, has a part in the frame. */
bool help_sample_has_part(const struct help_sample *s, uint32_t i, uint32_t frame);

/* ---- files of its frames ---- */

/* Each from one of two archives. */
struct help_shuffle {
    const struct help_sample *from[HELP_FRAMES_MAX + 2];
    uint32_t frame[HELP_FRAMES_MAX + 2];
    uint32_t count;
};

/* All frames of one, in their order; to be changed. */
void help_shuffle_init(struct help_shuffle *shuffle, const struct help_sample *s);
void help_shuffle_drop(struct help_shuffle *shuffle, uint32_t f);
void help_shuffle_double(struct help_shuffle *shuffle, uint32_t f);
void help_shuffle_swap(struct help_shuffle *shuffle, uint32_t f, uint32_t g);
/* By frame `g` of another; false when that is the same to the byte, as summaries may be. */
bool help_shuffle_replace(struct help_shuffle *shuffle, uint32_t f, const struct help_sample *other,
                          uint32_t g);
/* The frames, then the seek table of `s` as it was, or with NULL one that fits. */
void help_shuffle_put(struct help_memory *memory, const struct help_shuffle *shuffle,
                      const struct help_sample *s);

#endif
