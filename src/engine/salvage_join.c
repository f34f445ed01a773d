/* Without an index: which frames a member goes on in, told by how frames lie and what they hold. */
#include "base/mem.h"
#include "engine/salvage_parts.h"

#include <string.h>

/* How many frames are looked at in all, by those who would look far: so many, and so many a frame. */
#define STEPS_FREE 1000000u
#define STEPS_SHARE 64u

struct join {
    const struct po_salvage_scan *scan;
    uint8_t *claimed;
    uint32_t proven; /* frames up to this are in order; PO_NONE = none are */
    uint64_t steps;  /* until now */
    uint64_t steps_max;
    uint32_t *frames; /* of the open member that is looked at; room for all */
    uint32_t count;
    bool is_exact; /* they are what it lacks, to the byte */
};

/* By FRAME-4 such a frame may go on with a member. One that begins with a header may do so too, when it
 * is a tar that was saved: then its name is hardly one of a backup's. */
static bool
may_continue(const struct join *j, uint32_t frame, bool with_headers)
{
    const struct po_salvage_frame *f = &j->scan->frames[frame];

    return j->claimed[frame] == 0 &&
           (f->kind == PO_SALVAGE_CONTINUED ||
            (with_headers && f->kind == PO_SALVAGE_MEMBER && !f->is_usual));
}

/* Takes frames from `from` on while they lie directly behind each other; *left is what then lacks. */
static void
take_run(struct join *j, uint32_t from, bool with_headers, uint64_t *left)
{
    uint32_t at = from;

    while (at != PO_NONE && *left > 0 && may_continue(j, at, with_headers) &&
           j->scan->frames[at].content_size <= *left) {
        j->frames[j->count++] = at;
        *left -= j->scan->frames[at].content_size;
        at = po_salvage_scan_next(j->scan, at);
        j->steps++;
    }
    /* What goes on behind the end shows that a frame too many, or too few, was taken. */
    j->is_exact = *left == 0 && (at == PO_NONE || !may_continue(j, at, false));
}

static bool
begins_behind_a_gap(const struct join *j, uint32_t frame)
{
    return may_continue(j, frame, false) &&
           (frame == 0 || po_salvage_scan_next(j->scan, frame - 1) == PO_NONE);
}

/* The only place behind a gap at which exactly `left` bytes stand; false when none or several. */
static bool
find_rest(struct join *j, uint64_t left)
{
    const uint32_t known = j->count;
    uint32_t place = PO_NONE;

    for (uint32_t i = 0; i < j->scan->count; i++) {
        uint64_t rest = left;

        j->steps++;
        if (!begins_behind_a_gap(j, i))
            continue;
        j->count = known;
        take_run(j, i, false, &rest);
        if (!j->is_exact)
            continue;
        if (place != PO_NONE) {
            j->count = known;
            return false;
        }
        place = i;
    }
    j->count = known;
    if (place == PO_NONE)
        return false;
    take_run(j, place, false, &left);
    return true;
}

/* Of what is in order: simply the next ones. */
static void
take_proven(struct join *j, struct po_salvage_open *open)
{
    uint64_t left = open->left;

    j->count = 0;
    for (uint32_t i = open->frame + 1;
         i <= j->proven && left > 0 && j->scan->frames[i].content_size <= left; i++) {
        j->frames[j->count++] = i;
        left -= j->scan->frames[i].content_size;
    }
    open->is_whole = left == 0;
}

static void
find_frames(struct join *j, struct po_salvage_open *open)
{
    uint32_t next = po_salvage_scan_next(j->scan, open->frame);
    uint64_t left = open->left;

    j->count = 0;
    if (j->proven != PO_NONE && open->frame <= j->proven) {
        take_proven(j, open);
        return;
    }
    take_run(j, next, false, &left);
    if (!j->is_exact && j->steps < j->steps_max) {
        j->count = 0;
        left = open->left;
        take_run(j, next, true, &left);
    }
    open->is_whole = j->is_exact;
    if (open->is_whole)
        return;
    j->count = 0;
    left = open->left;
    take_run(j, next, false, &left);
    /* Over a gap only: what lies directly behind and does not fit is somebody else's. */
    next = j->count > 0 ? po_salvage_scan_next(j->scan, j->frames[j->count - 1]) : next;
    if (next == PO_NONE && left > 0 && j->steps < j->steps_max) {
        open->is_whole = find_rest(j, left);
        open->is_pieced = open->is_whole;
    }
}

enum po_status
po_salvage_join(const struct po_salvage_scan *scan, uint32_t proven, struct po_salvage_open *opens,
                size_t open_count, uint8_t *claimed, struct po_err *err)
{
    struct join j = { .scan = scan,
                      .claimed = claimed,
                      .proven = proven,
                      .steps_max = STEPS_FREE + STEPS_SHARE * (uint64_t)scan->count };
    enum po_status st = PO_OK;

    j.frames = po_mem_new((size_t)scan->count + 1, sizeof *j.frames);
    if (j.frames == NULL)
        return po_fail_nomem(err, scan->count * sizeof *j.frames);
    for (size_t i = 0; i < open_count && st == PO_OK; i++) {
        struct po_salvage_open *open = &opens[i];

        if (claimed[open->frame] != 0)
            continue;
        find_frames(&j, open);
        open->frames = po_mem_new(j.count, sizeof *open->frames);
        if (open->frames == NULL) {
            st = po_fail_nomem(err, j.count * sizeof *open->frames);
            break;
        }
        open->frame_count = j.count;
        for (uint32_t k = 0; k < j.count; k++) {
            open->frames[k] = j.frames[k];
            claimed[j.frames[k]] = 1;
        }
    }
    po_mem_free(j.frames);
    return st;
}
