#include "engine/frames_ahead.h"

#include "archive/blake2b4.h"
#include "base/mem.h"
#include "base/pages.h"
#include "port/thread.h"

/* Hashed together at first, when the caller waits; then twice as many, and so on. */
#define BATCH_FIRST 2u

/* A frame in the ring. */
struct place {
    struct po_frame_ahead item;
    size_t start;
    size_t size;
};

/*
 * Four counters only ever grow: released <= taken <= ready <= fetched. Number n lies in place n modulo
 * their count. The thread alone fetches, so it alone gives out room, and what it has not made ready is
 * its own.
 */
struct po_frames_ahead {
    struct po_frames_ahead_options options;
    enum po_blake2b4_way way;
    uint8_t *ring;
    size_t capacity;
    struct place *places;
    size_t place_count;
    struct po_thread *thread;
    struct po_mutex *mutex; /* guards all below */
    struct po_cond *cond;
    uint64_t fetched;
    uint64_t ready;
    uint64_t taken;
    uint64_t released;
    bool is_over;  /* nothing more will be ready */
    bool is_ended; /* the caller wants no more */
    enum po_status status;
    struct po_err err; /* of status */
};

bool
po_frames_next_wanted(const struct po_reader *reader, const uint8_t *wanted, uint32_t *frame)
{
    while (*frame < reader->index->frame_count && wanted != NULL && wanted[*frame] == 0)
        (*frame)++;
    return *frame < reader->index->frame_count;
}

enum po_status
po_frames_fetch(const struct po_reader *reader, uint32_t frame, uint8_t *bytes, bool goes_on_unread,
                bool *is_unread, struct po_err *why, struct po_err *err)
{
    enum po_status st = po_reader_fetch(reader, frame, bytes, why);

    *is_unread = st == PO_E_IO && goes_on_unread;
    if (*is_unread) {
        (void)po_err_prefix(why, "frame %u cannot be read", frame);
        return PO_OK;
    }
    if (st != PO_OK)
        *err = *why;
    return st;
}

static struct place *
place_of(struct po_frames_ahead *ahead, uint64_t number)
{
    return &ahead->places[number % ahead->place_count];
}

/* ---- the ring ---- */

/*
 * Whether there is room for a frame behind the last one; if so, where. With as many frames as the caller may
 * have, each of the largest size, there is room for one more of that size: their bytes lie in at most two
 * runs, and what is left over at the end is less than one frame.
 */
static bool
find_room(struct po_frames_ahead *ahead, size_t size, size_t *start)
{
    const struct place *first = place_of(ahead, ahead->released);
    const struct place *last;
    size_t end;

    if (ahead->released == ahead->fetched) {
        *start = 0;
        return true;
    }
    if (ahead->fetched - ahead->released == ahead->place_count)
        return false;
    last = place_of(ahead, ahead->fetched - 1);
    end = last->start + last->size;
    if (last->start < first->start) {
        *start = end;
        return first->start - end >= size;
    }
    *start = ahead->capacity - end >= size ? end : 0;
    return *start == end || first->start >= size;
}

/*
 * A place with room for the frame; NULL: nobody wants it, or it has to come later. As long as the caller has
 * frames to take, those that are fetched can wait for others that are hashed with them.
 */
static struct place *
take_place(struct po_frames_ahead *ahead, uint32_t frame, bool is_first)
{
    struct place *place = NULL;
    size_t size = ahead->options.reader->seeks[frame].compressed_size;
    size_t start = 0;

    po_mutex_lock(ahead->mutex);
    while (!ahead->is_ended && !find_room(ahead, size, &start) &&
           (is_first || ahead->taken < ahead->ready))
        po_cond_wait(ahead->cond, ahead->mutex);
    if (!ahead->is_ended && find_room(ahead, size, &start)) {
        place = place_of(ahead, ahead->fetched++);
        place->start = start;
        place->size = size;
    }
    po_mutex_unlock(ahead->mutex);
    return place;
}

/* ---- the thread ---- */

/* Fetches `most`, or as many as there is room for; at least one. *count = 0: that was all. */
static enum po_status
fetch_some(struct po_frames_ahead *ahead, uint32_t *next, unsigned most,
           struct place *some[PO_BLAKE2B_JOBS], unsigned *count, struct po_err *err)
{
    const struct po_frames_ahead_options *options = &ahead->options;
    enum po_status st = PO_OK;

    *count = 0;
    while (*count < most && st == PO_OK &&
           po_frames_next_wanted(options->reader, options->wanted, next)) {
        struct place *place = take_place(ahead, *next, *count == 0);
        struct po_frame_ahead *item;

        if (place == NULL)
            break;
        item = &place->item;
        item->frame = (*next)++;
        item->bytes = ahead->ring + place->start;
        st = po_frames_fetch(options->reader, item->frame, item->bytes, options->goes_on_unread,
                             &item->is_unread, &item->err, err);
        if (st == PO_OK)
            some[(*count)++] = place;
    }
    return st;
}

static void
hash_some(const struct po_frames_ahead *ahead, struct place *some[PO_BLAKE2B_JOBS], unsigned count)
{
    struct po_blake2b_job jobs[PO_BLAKE2B_JOBS] = { 0 };

    for (unsigned i = 0; i < count; i++) {
        jobs[i].bytes = some[i]->item.is_unread ? NULL : some[i]->item.bytes;
        jobs[i].size = some[i]->size;
    }
    if (count == 1 && jobs[0].bytes != NULL)
        po_blake2b(jobs[0].bytes, jobs[0].size, jobs[0].digest);
    else
        po_blake2b4(ahead->way, jobs, count);
    for (unsigned i = 0; i < count; i++)
        for (size_t b = 0; b < PO_DIGEST_SIZE; b++)
            some[i]->item.digest[b] = jobs[i].digest[b];
}

static void
fetch_main(void *ctx)
{
    struct po_frames_ahead *ahead = ctx;
    uint32_t next = 0;
    unsigned most = BATCH_FIRST;
    bool is_over = false;

    while (!is_over) {
        struct place *some[PO_BLAKE2B_JOBS] = { 0 };
        struct po_err err = { 0 };
        unsigned count = 0;
        enum po_status st = fetch_some(ahead, &next, most, some, &count, &err);

        hash_some(ahead, some, count);
        is_over = count == 0 || st != PO_OK;
        most = most < PO_BLAKE2B_JOBS / 2 ? most * 2 : PO_BLAKE2B_JOBS;
        po_mutex_lock(ahead->mutex);
        ahead->ready += count;
        ahead->is_over = is_over;
        ahead->status = st;
        ahead->err = err;
        po_cond_signal_all(ahead->cond);
        po_mutex_unlock(ahead->mutex);
    }
}

/* ---- for the caller ---- */

uint64_t
po_frames_ahead_size(const struct po_frames_ahead_options *options)
{
    return ((uint64_t)options->held_max + 2 + options->spare) * options->reader->compressed_max;
}

enum po_status
po_frames_ahead_new(struct po_frames_ahead **out, const struct po_frames_ahead_options *options,
                    struct po_err *err)
{
    struct po_frames_ahead *ahead = po_mem_new(1, sizeof *ahead);
    enum po_status st;

    if (ahead == NULL)
        return po_fail_nomem(err, sizeof *ahead);
    ahead->options = *options;
    ahead->way = po_blake2b4_best();
    ahead->capacity = (size_t)po_frames_ahead_size(options);
    ahead->place_count = options->held_max + 2 * (size_t)PO_BLAKE2B_JOBS;
    ahead->ring = po_pages_new(ahead->capacity);
    ahead->places = po_mem_new(ahead->place_count, sizeof *ahead->places);
    st = ahead->ring == NULL || ahead->places == NULL ? po_fail_nomem(err, ahead->capacity)
                                                      : po_mutex_new(&ahead->mutex, err);
    if (st == PO_OK)
        st = po_cond_new(&ahead->cond, err);
    if (st == PO_OK)
        st = po_thread_start(&ahead->thread, fetch_main, ahead, err);
    if (st != PO_OK) {
        po_frames_ahead_free(ahead);
        return st;
    }
    *out = ahead;
    return PO_OK;
}

enum po_status
po_frames_ahead_next(struct po_frames_ahead *ahead, const struct po_frame_ahead **item,
                     struct po_err *err)
{
    enum po_status st = PO_OK;

    *item = NULL;
    po_mutex_lock(ahead->mutex);
    while (ahead->taken == ahead->ready && !ahead->is_over)
        po_cond_wait(ahead->cond, ahead->mutex);
    if (ahead->taken < ahead->ready) {
        *item = &place_of(ahead, ahead->taken++)->item;
        po_cond_signal_all(ahead->cond);
    } else if (ahead->status != PO_OK) {
        *err = ahead->err;
        st = ahead->status;
    }
    po_mutex_unlock(ahead->mutex);
    return st;
}

void
po_frames_ahead_release(struct po_frames_ahead *ahead)
{
    po_mutex_lock(ahead->mutex);
    ahead->released++;
    po_cond_signal_all(ahead->cond);
    po_mutex_unlock(ahead->mutex);
}

void
po_frames_ahead_free(struct po_frames_ahead *ahead)
{
    if (ahead == NULL)
        return;
    if (ahead->thread != NULL) {
        po_mutex_lock(ahead->mutex);
        ahead->is_ended = true;
        po_cond_signal_all(ahead->cond);
        po_mutex_unlock(ahead->mutex);
    }
    po_thread_join(ahead->thread);
    po_cond_free(ahead->cond);
    po_mutex_free(ahead->mutex);
    po_pages_free(ahead->ring, ahead->capacity);
    po_mem_free(ahead->places);
    po_mem_free(ahead);
}
