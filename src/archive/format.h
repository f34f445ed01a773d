/*
 * The archive module: the format of format-spec/format.md, encoded and decoded. No input or output
 * of its own, no threads.
 *
 *   writing:  entry list -> packer (tar members into frame contents) -> frame encoder
 *             -> writer (frames in order, index, trailer, seek table)
 *   reading:  reader (seek table, trailer, index, manifest) -> frame decoder -> tar member -> content
 *
 * format.h is the one home of the format's constants. Names and numbers are those of format.md.
 */
#ifndef PO_ARCHIVE_FORMAT_H
#define PO_ARCHIVE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PO_FORMAT_VERSION 1u

/* The end of a message about bytes that break a rule of format.md: which one. It stands last, also
 * when places are put before the message. */
#define PO_RULE(id) " (" id ")"

#define PO_TICKS_PER_SECOND 10000000 /* times count in steps of 100 ns */
#define PO_TAR_BLOCK 512u
#define PO_FRAME_CONTENT_MAX (32u << 20) /* spec: FRAME-2 */
#define PO_FRAME_CONTENT_DEFAULT (8u << 20)
#define PO_FRAME_CONTENT_MIN (64u << 10)
#define PO_FRAMES_MAX 4194304u       /* spec: FRAME-7 */
#define PO_PATH_MAX_SIZE 131072u     /* spec: TAR-8 */
#define PO_PAX_MAX_SIZE (1u << 20)   /* spec: TAR-9 */
#define PO_JSON_MAX_SIZE (16u << 20) /* spec: MANIFEST-1, SUMMARY-1 */
#define PO_JSON_MARKS_MAX 400000u    /* spec: MANIFEST-1, SUMMARY-1 */
#define PO_JSON_DEPTH_MAX 100u       /* spec: MANIFEST-1, SUMMARY-1 */
#define PO_ENTRIES_MAX 134217728u    /* spec: INDEX-2 */
#define PO_PARENTS_MAX 65535u        /* spec: INDEX-2 */

#define PO_MANIFEST_PATH "pobackup/manifest.json"
#define PO_SUMMARY_PATH "pobackup/summary.json"
#define PO_INDEX_PATH "pobackup/index"
#define PO_TRAILER_PATH "pobackup/trailer"

#define PO_HASH_SIZE 16u
#define PO_DIGEST_SIZE 32u
#define PO_ID_SIZE 16u

/* Whether a frame may have these sizes: checked before anything of that size is allocated. spec:
 * FRAME-2, READ-1 */
static inline bool
po_frame_sizes_are_possible(uint64_t content_size, uint64_t compressed_size)
{
    return content_size > 0 && content_size <= PO_FRAME_CONTENT_MAX &&
           compressed_size <= content_size + content_size / 128 + 512 &&
           compressed_size >= content_size / 32768;
}

/*
 * Whether content that is taken in whole (manifest, summary, all of the index) may come out of so few
 * bytes: a file's size bounds the memory for opening it. spec: FRAME-8, READ-1
 */
#define PO_WHOLE_FREE (1u << 20)
#define PO_WHOLE_RATIO_MAX 1024u
static inline bool
po_is_whole_size_possible(uint64_t content_size, uint64_t compressed_size)
{
    return content_size <= PO_WHOLE_FREE ||
           (content_size - PO_WHOLE_FREE - 1) / PO_WHOLE_RATIO_MAX < compressed_size;
}

/* Whether a path is this one of the format's own. */
static inline bool
po_is_path(const char *path, size_t size, const char *own)
{
    return size == strlen(own) && memcmp(path, own, size) == 0;
}

/* Rounded up to a tar block. */
static inline uint64_t
po_tar_padded(uint64_t size)
{
    return (size + PO_TAR_BLOCK - 1) / PO_TAR_BLOCK * PO_TAR_BLOCK;
}

#endif
