/*
 * diff_sides.h - what diff.c and diff_site.c share: two sorted lists of entries side by side, and
 * how a difference is told.
 */
#ifndef PO_ENGINE_DIFF_SIDES_H
#define PO_ENGINE_DIFF_SIDES_H

#include "archive/entry.h"
#include "engine/diff.h"

/* One side: the index of an archive, or (reader NULL) a walked list and its order by path. */
struct po_diff_side {
    const struct po_reader *reader;
    const struct po_entry_list *list;
    const uint32_t *order;
    uint32_t count;
};

/* What a side says of one entry; hard links are resolved. */
struct po_diff_item {
    const char *path;
    size_t path_size;
    uint8_t type; /* enum pobackup_type, never POBACKUP_HARDLINK */
    uint64_t size;
    int64_t write_time;
    const char *link; /* NULL if none */
    size_t link_size;
    const uint8_t *hash; /* XXH3 of a file's content; NULL: not known */
    uint32_t content;    /* the entry that has the content of a file; PO_NONE if none */
};

struct po_diff_teller {
    po_diff_fn each;
    void *ctx;
    const struct po_watch *watch;
    struct po_diff_result *result;
};

void po_diff_side_item(const struct po_diff_side *side, uint32_t number, struct po_diff_item *item);

/*
 * Calls `each` for every path of both sides in their order; PO_NONE for the side that lacks it.
 * What is ours is passed over, and so is the registry's member when has_registry_apart.
 */
PO_NODISCARD enum po_status
po_diff_merge(const struct po_diff_side *a, const struct po_diff_side *b, bool has_registry_apart,
              enum po_status (*each)(void *ctx, uint32_t a, uint32_t b, struct po_err *err),
              void *ctx, struct po_err *err);

/*
 * What two items differ in as far as can be told without their contents, or NULL. Write times are
 * not looked at.
 */
const char *po_diff_at_once(const struct po_diff_item *a, const struct po_diff_item *b);
/* Files whose contents must be looked at, when nothing differs at once. */
bool po_diff_has_content(const struct po_diff_item *a, const struct po_diff_item *b);
/* Both known and not the same; of files alone. */
bool po_diff_write_time(const struct po_diff_item *a, const struct po_diff_item *b);

/* "file", "directory", ... */
const char *po_diff_type_name(uint8_t type);
/* Counts and tells one difference. */
PO_NODISCARD enum po_status po_diff_tell(const struct po_diff_teller *teller,
                                         enum po_diff_kind kind, const char *path, size_t path_size,
                                         const char *what, struct po_err *err);
/* The one warning for all that could not be proven, if anything. */
void po_diff_warn_unproven(const struct po_diff_teller *teller);

/* ---- the registry (diff_registry.c) ---- */

/* The number of the registry's member, if it is a file that can be read from here; else PO_NONE. */
uint32_t po_diff_registry_find(const struct po_reader *reader);
/* Appends its bytes. */
PO_NODISCARD enum po_status po_diff_registry_read(const struct po_reader *reader, uint32_t entry,
                                                  const struct po_watch *watch, struct po_buf *out,
                                                  struct po_err *err);
/* Compares two documents and tells. */
PO_NODISCARD enum po_status po_diff_registry(const struct po_diff_teller *teller,
                                             const struct po_buf *a, const struct po_buf *b,
                                             struct po_err *err);

#endif
