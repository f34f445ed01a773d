/*
 * Archive against archive. The indexes are merged twice: first to find the files whose contents
 * must be proven the same, then, when that is done, to tell everything in the order of the paths.
 * Between the two lie one pass over the needed frames of each archive, which leaves a digest of
 * each content in question: contents need not be held, nor both archives be read at once.
 */
#include "engine/diff.h"

#include "archive/hash.h"
#include "archive/layout.h"
#include "base/mem.h"
#include "engine/contents.h"
#include "engine/diff_sides.h"
#include "engine/watch.h"

#include <string.h>

enum verdict {
    VERDICT_SAME,     /* proven */
    VERDICT_CHANGED,  /* seen without looking at contents */
    VERDICT_TO_PROVE, /* only BLAKE2b can tell */
    VERDICT_UNPROVEN, /* nothing differs, but a parent would have to be read */
};

/* What the passes leave of one archive: the digests of the contents in question. */
struct digests {
    const struct po_index *index;
    uint8_t *wanted; /* one byte an entry */
    uint32_t *slots; /* an entry's row in `values` */
    uint8_t (*values)[PO_DIGEST_SIZE];
    uint32_t count;
    struct po_hasher *hasher; /* for contents that span frames: the calling thread's */
};

struct diff {
    struct po_diff_teller teller;
    struct po_diff_side sides[2];
    struct po_layout layouts[2];
    struct digests digests[2];
    bool has_registry_apart;
};

/* ---- what can be told without contents ---- */

/* Archive, frame and offset where a content lies: where these are equal the content is. */
static bool
is_same_member(const struct diff *diff, const uint32_t content[2])
{
    const uint8_t *digests[2];
    struct po_parent parents[2];

    for (int i = 0; i < 2; i++) {
        const struct po_index *index = diff->sides[i].reader->index;
        uint16_t source = po_index_source(index, content[i]);
        const char *name;
        size_t name_size;

        digests[i] = diff->sides[i].reader->digest;
        if (source == 0)
            continue;
        po_index_parent(index, source - 1u, &parents[i], &name, &name_size);
        digests[i] = parents[i].digest; /* spec: INDEX-9: a parent is its digest */
    }
    return memcmp(digests[0], digests[1], PO_DIGEST_SIZE) == 0 &&
           po_index_frame(diff->sides[0].reader->index, content[0]) ==
               po_index_frame(diff->sides[1].reader->index, content[1]) &&
           po_index_offset(diff->sides[0].reader->index, content[0]) ==
               po_index_offset(diff->sides[1].reader->index, content[1]);
}

/* The frame tables are under BLAKE2b: equal rows mean equal bytes. XXH3 is not asked. */
static bool
is_same_frame(const struct diff *diff, const uint32_t frames[2])
{
    struct po_frame_info infos[2];

    for (int i = 0; i < 2; i++) {
        if (frames[i] >= diff->sides[i].reader->index->frame_count)
            return false;
        po_index_frame_info(diff->sides[i].reader->index, frames[i], &infos[i]);
    }
    return infos[0].content_size == infos[1].content_size &&
           infos[0].compressed_size == infos[1].compressed_size &&
           memcmp(infos[0].blake2b, infos[1].blake2b, PO_DIGEST_SIZE) == 0;
}

/*
 * The frames that hold the member are the same on both sides, and it begins at the same place: so
 * the header is the same, and with it where the content begins. More frames may be compared than
 * the member has; that can only lead to looking at contents in vain.
 */
static bool
lies_in_same_frames(const struct diff *diff, const uint32_t content[2])
{
    const struct po_reader *reader = diff->sides[0].reader;
    uint64_t bound = po_index_size(reader->index, content[0]) + PO_PAX_MAX_SIZE + 3 * PO_TAR_BLOCK;
    uint32_t offset = po_index_offset(reader->index, content[0]);
    uint32_t frames[2] = { po_index_frame(reader->index, content[0]),
                           po_index_frame(diff->sides[1].reader->index, content[1]) };
    uint64_t covered = 0;

    if (offset != po_index_offset(diff->sides[1].reader->index, content[1]))
        return false;
    while (is_same_frame(diff, frames)) {
        uint32_t first;
        uint32_t count = 1;

        covered += reader->seeks[frames[0]].content_size;
        frames[0]++;
        frames[1]++;
        if (frames[0] < reader->index->frame_count)
            po_layout_frame(&diff->layouts[0], frames[0], &first, &count);
        if (count > 0 || covered >= bound + offset)
            return true;
    }
    return false;
}

static enum verdict
judge(const struct diff *diff, const struct po_diff_item *a, const struct po_diff_item *b,
      const char **what)
{
    const uint32_t content[2] = { a->content, b->content };

    *what = po_diff_at_once(a, b);
    if (*what != NULL)
        return VERDICT_CHANGED;
    if (!po_diff_has_content(a, b) || is_same_member(diff, content))
        return VERDICT_SAME;
    if (po_index_source(diff->sides[0].reader->index, content[0]) != 0 ||
        po_index_source(diff->sides[1].reader->index, content[1]) != 0)
        return VERDICT_UNPROVEN;
    return lies_in_same_frames(diff, content) ? VERDICT_SAME : VERDICT_TO_PROVE;
}

/* ---- digests ---- */

static enum po_status
digest_piece(void *ctx, uint32_t entry, uint64_t offset, const uint8_t *bytes, size_t size,
             uint8_t *scratch, struct po_err *err)
{
    struct digests *digests = ctx;
    uint64_t whole = po_index_size(digests->index, entry);
    uint8_t *value = digests->values[digests->slots[entry]];

    (void)scratch;
    (void)err;
    if (size == whole) {
        po_blake2b(bytes, size, value);
        return PO_OK;
    }
    if (offset == 0)
        po_hasher_reset(digests->hasher);
    po_hasher_add_blake2b(digests->hasher, bytes, size);
    if (offset + size == whole)
        po_hasher_blake2b(digests->hasher, value);
    return PO_OK;
}

static enum po_status
init_digests(struct digests *digests, const struct po_index *index, struct po_err *err)
{
    digests->index = index;
    digests->wanted = po_mem_new(index->count, 1);
    digests->slots = po_mem_new(index->count, sizeof *digests->slots);
    if (digests->wanted == NULL || digests->slots == NULL)
        return po_fail_nomem(err, index->count * sizeof *digests->slots);
    return po_hasher_new(&digests->hasher, err);
}

static void
deinit_digests(struct digests *digests)
{
    po_hasher_free(digests->hasher);
    po_mem_free(digests->values);
    po_mem_free(digests->slots);
    po_mem_free(digests->wanted);
}

/* Two names of one file ask for it once. */
static void
want(struct digests *digests, uint32_t content)
{
    if (digests->wanted[content] != 0)
        return;
    digests->wanted[content] = 1;
    digests->slots[content] = digests->count++;
}

static enum po_status
collect(void *ctx, uint32_t a, uint32_t b, struct po_err *err)
{
    struct diff *diff = ctx;
    struct po_diff_item items[2];
    const char *what;

    (void)err;
    if (a == PO_NONE || b == PO_NONE)
        return PO_OK;
    po_diff_side_item(&diff->sides[0], a, &items[0]);
    po_diff_side_item(&diff->sides[1], b, &items[1]);
    if (judge(diff, &items[0], &items[1], &what) == VERDICT_TO_PROVE) {
        want(&diff->digests[0], items[0].content);
        want(&diff->digests[1], items[1].content);
    }
    return PO_OK;
}

static enum po_status
run_digests(struct diff *diff, int side, struct po_err *err)
{
    struct digests *digests = &diff->digests[side];
    struct po_contents_run run = { .reader = diff->sides[side].reader,
                                   .wanted = digests->wanted,
                                   .watch = diff->teller.watch,
                                   .ctx = digests,
                                   .piece = digest_piece };

    if (digests->count == 0)
        return PO_OK;
    digests->values = po_mem_new(digests->count, sizeof *digests->values);
    if (digests->values == NULL)
        return po_fail_nomem(err, (size_t)digests->count * sizeof *digests->values);
    po_watch_phase(diff->teller.watch, side == 0 ? "reading the contents of the first archive"
                                                 : "reading the contents of the second archive");
    return po_contents_run(&run, err);
}

/* ---- telling ---- */

static bool
is_proven(const struct diff *diff, const struct po_diff_item *a, const struct po_diff_item *b)
{
    const struct digests *digests = diff->digests;

    return memcmp(digests[0].values[digests[0].slots[a->content]],
                  digests[1].values[digests[1].slots[b->content]], PO_DIGEST_SIZE) == 0;
}

static enum po_status
tell_pair(struct diff *diff, const struct po_diff_item *a, const struct po_diff_item *b,
          struct po_err *err)
{
    const char *what = NULL;
    enum verdict verdict = judge(diff, a, b, &what);

    if (verdict == VERDICT_TO_PROVE && !is_proven(diff, a, b))
        what = "content";
    if (what == NULL && (po_diff_write_time(a, b) ||
                         (verdict == VERDICT_UNPROVEN && a->write_time != b->write_time)))
        what = "write time";
    if (what != NULL)
        return po_diff_tell(&diff->teller, PO_DIFF_CHANGED, a->path, a->path_size, what, err);
    diff->teller.result->same++;
    diff->teller.result->unproven += verdict == VERDICT_UNPROVEN ? 1 : 0;
    return PO_OK;
}

static enum po_status
tell(void *ctx, uint32_t a, uint32_t b, struct po_err *err)
{
    struct diff *diff = ctx;
    struct po_diff_item items[2] = { { 0 } };

    if (a != PO_NONE)
        po_diff_side_item(&diff->sides[0], a, &items[0]);
    if (b != PO_NONE)
        po_diff_side_item(&diff->sides[1], b, &items[1]);
    if (a == PO_NONE)
        return po_diff_tell(&diff->teller, PO_DIFF_ADDED, items[1].path, items[1].path_size,
                            po_diff_type_name(items[1].type), err);
    if (b == PO_NONE)
        return po_diff_tell(&diff->teller, PO_DIFF_REMOVED, items[0].path, items[0].path_size,
                            po_diff_type_name(items[0].type), err);
    return tell_pair(diff, &items[0], &items[1], err);
}

/* Only where both can be read here; else the member is an entry as any other. */
static enum po_status
compare_registry(struct diff *diff, struct po_err *err)
{
    const struct po_reader *a = diff->sides[0].reader;
    const struct po_reader *b = diff->sides[1].reader;
    uint32_t a_entry = po_diff_registry_find(a);
    uint32_t b_entry = po_diff_registry_find(b);
    struct po_buf a_bytes = { 0 };
    struct po_buf b_bytes = { 0 };
    enum po_status st;

    if (a_entry == PO_NONE || b_entry == PO_NONE)
        return PO_OK;
    diff->has_registry_apart = true;
    st = po_diff_registry_read(a, a_entry, diff->teller.watch, &a_bytes, err);
    if (st == PO_OK)
        st = po_diff_registry_read(b, b_entry, diff->teller.watch, &b_bytes, err);
    if (st == PO_OK)
        st = po_diff_registry(&diff->teller, &a_bytes, &b_bytes, err);
    po_buf_deinit(&b_bytes);
    po_buf_deinit(&a_bytes);
    return st;
}

static enum po_status
compare(struct diff *diff, struct po_err *err)
{
    const struct po_diff_side *sides = diff->sides;
    enum po_status st = PO_OK;

    for (int i = 0; i < 2 && st == PO_OK; i++) {
        st = po_layout_init(&diff->layouts[i], sides[i].reader->index, err);
        if (st == PO_OK)
            st = init_digests(&diff->digests[i], sides[i].reader->index, err);
    }
    if (st == PO_OK)
        st = compare_registry(diff, err);
    if (st == PO_OK)
        st = po_diff_merge(&sides[0], &sides[1], diff->has_registry_apart, collect, diff, err);
    for (int i = 0; i < 2 && st == PO_OK; i++)
        st = run_digests(diff, i, err);
    if (st == PO_OK)
        st = po_diff_merge(&sides[0], &sides[1], diff->has_registry_apart, tell, diff, err);
    if (st == PO_OK)
        po_diff_warn_unproven(&diff->teller);
    return st;
}

enum po_status
po_diff_archives(const struct po_reader *a, const struct po_reader *b, po_diff_fn each, void *ctx,
                 const struct po_watch *watch, struct po_diff_result *result, struct po_err *err)
{
    struct diff diff = {
        .teller = { .each = each, .ctx = ctx, .watch = watch, .result = result },
        .sides = { { .reader = a, .count = a->index->count },
                   { .reader = b, .count = b->index->count } },
    };
    enum po_status st;

    *result = (struct po_diff_result){ 0 };
    st = compare(&diff, err);
    for (int i = 0; i < 2; i++) {
        po_layout_deinit(&diff.layouts[i]);
        deinit_digests(&diff.digests[i]);
    }
    return st;
}
