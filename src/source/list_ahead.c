#include "source/list_ahead.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/pages.h"
#include "port/sys.h"
#include "port/thread.h"

#include <string.h>

/* More than any child takes. */
#define CHUNK_SIZE ((size_t)32 << 10)
/* In one piece, for all that can be handed in: what grew by itself would be touched anew each time. */
#define CHUNKS_SIZE (2 * PO_LIST_AHEAD_MAX * CHUNK_SIZE)

/* From the cache a child takes some 3 us, twice that while all begins; at this pace a disk is waited for. */
#define SLOW_SECONDS_PER_CHILD 8e-6
/* Where no disk is waited for, so many more than there are cores: with less the cores wait, with more starting
 * them costs. */
#define FAST_THREADS_SPARE 2u

/* A child in a chunk; behind it the failure, if there is one, and the name with a NUL. */
struct row {
    struct po_node_info info;
    size_t name_size;
    bool is_failed;
};

struct chunk {
    uint8_t *bytes; /* CHUNK_SIZE of them */
    size_t size;
};

/*
 * One directory. The lister fills `filling`; when that is full and the former chunk is used up, the
 * two change places. So there is never a lock held while a directory is read or a child is used.
 */
struct listing {
    struct po_list_ahead *ahead;
    struct po_buf path;   /* does not change while it is handed in */
    struct chunk filling; /* the lister's; when it is done, the taker's */
    struct chunk full;    /* the taker's while is_full, else the lister's */
    bool is_full;         /* lock: mutex */
    bool is_done;         /* lock: mutex; filling, status and failure are the taker's then */
    int is_given_up;      /* atomic: nobody wants the rest */
    enum po_status status;
    struct po_err failure;
};

/*
 * The ring has three ends, numbers that only grow: from `first` to `taken` the directories are being
 * listed or done, from there to `submitted` they wait. They are begun in the order in which they are
 * taken out, so the one that is taken out never waits for a thread that waits for room.
 */
struct po_list_ahead {
    struct po_dir *root;
    struct listing ring[PO_LIST_AHEAD_MAX];
    size_t first;     /* of the taker alone */
    size_t taken;     /* lock: mutex */
    size_t submitted; /* lock: mutex */
    struct po_thread *threads[PO_LIST_AHEAD_THREADS];
    unsigned thread_count;
    double began;
    bool is_alone; /* no thread can be started any more */
    /* Made before the first thread: a small tree has none. */
    uint8_t *chunks;
    struct po_mutex *mutex;
    struct po_cond *has_work;
    struct po_cond *has_room;
    struct po_cond *has_rows;
    bool is_idle;            /* lock: mutex; a lister waits for work */
    bool is_short;           /* lock: mutex; a lister waits for room */
    struct listing *awaited; /* lock: mutex; the taker waits for its rows */
    bool is_over;            /* lock: mutex */
};

static void
lock(struct po_list_ahead *ahead)
{
    if (ahead->mutex != NULL)
        po_mutex_lock(ahead->mutex);
}

static void
unlock(struct po_list_ahead *ahead)
{
    if (ahead->mutex != NULL)
        po_mutex_unlock(ahead->mutex);
}

/* ---- listing ---- */

/* Waits until the former chunk is used up; false when the rest is not wanted. */
static bool
hand_over(struct listing *listing)
{
    struct po_list_ahead *ahead = listing->ahead;
    struct chunk used;
    bool is_wanted;

    po_mutex_lock(ahead->mutex);
    while (listing->is_full && !__atomic_load_n(&listing->is_given_up, __ATOMIC_RELAXED)) {
        ahead->is_short = true;
        po_cond_wait(ahead->has_room, ahead->mutex);
    }
    is_wanted = !listing->is_full;
    if (is_wanted) {
        used = listing->full;
        listing->full = listing->filling;
        listing->filling = used;
        listing->is_full = true;
        if (ahead->awaited == listing)
            po_cond_signal_all(ahead->has_rows);
    }
    po_mutex_unlock(ahead->mutex);
    listing->filling.size = 0;
    return is_wanted;
}

static void
put(struct chunk *chunk, const void *bytes, size_t size)
{
    memcpy(chunk->bytes + chunk->size, bytes, size);
    chunk->size += size;
}

static enum po_status
keep_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    const struct row row = { .info = *info, .name_size = name_size, .is_failed = failure != NULL };
    struct listing *listing = ctx;
    struct chunk *rows = &listing->filling;
    size_t size = sizeof row + (failure == NULL ? 0 : sizeof *failure) + name_size + 1;

    if (__atomic_load_n(&listing->is_given_up, __ATOMIC_RELAXED) ||
        (rows->size > 0 && rows->size + size > CHUNK_SIZE && !hand_over(listing)))
        return po_fail(err, PO_E_CANCELLED, "interrupted");
    if (size > CHUNK_SIZE)
        return po_fail(err, PO_E_IO, "a name of %zu bytes", name_size);
    put(rows, &row, sizeof row);
    if (failure != NULL)
        put(rows, failure, sizeof *failure);
    put(rows, name, name_size);
    put(rows, "", 1);
    return PO_OK;
}

static void
run_lister(void *ctx)
{
    struct po_list_ahead *ahead = ctx;

    po_mutex_lock(ahead->mutex);
    while (!ahead->is_over) {
        struct listing *listing;

        if (ahead->taken == ahead->submitted) {
            ahead->is_idle = true;
            po_cond_wait(ahead->has_work, ahead->mutex);
            continue;
        }
        listing = &ahead->ring[ahead->taken++ % PO_LIST_AHEAD_MAX];
        po_mutex_unlock(ahead->mutex);
        listing->status = po_dir_list(ahead->root, po_buf_text(&listing->path), listing->path.size,
                                      keep_child, listing, &listing->failure);
        po_mutex_lock(ahead->mutex);
        listing->is_done = true;
        if (ahead->awaited == listing)
            po_cond_signal_all(ahead->has_rows);
    }
    po_mutex_unlock(ahead->mutex);
}

/* ---- handing in ---- */

enum po_status
po_list_ahead_new(struct po_list_ahead **out, struct po_dir *root, struct po_err *err)
{
    struct po_list_ahead *ahead = po_mem_new(1, sizeof *ahead);

    if (ahead == NULL)
        return po_fail_nomem(err, sizeof *ahead);
    ahead->root = root;
    ahead->began = po_sys_monotonic();
    for (size_t i = 0; i < PO_LIST_AHEAD_MAX; i++)
        ahead->ring[i].ahead = ahead;
    *out = ahead;
    return PO_OK;
}

void
po_list_ahead_free(struct po_list_ahead *ahead)
{
    if (ahead == NULL)
        return;
    lock(ahead);
    ahead->is_over = true;
    for (size_t i = 0; i < PO_LIST_AHEAD_MAX; i++)
        __atomic_store_n(&ahead->ring[i].is_given_up, 1, __ATOMIC_RELAXED);
    if (ahead->thread_count > 0) {
        po_cond_signal_all(ahead->has_work);
        po_cond_signal_all(ahead->has_room);
    }
    unlock(ahead);
    for (unsigned i = 0; i < ahead->thread_count; i++)
        po_thread_join(ahead->threads[i]);
    for (size_t i = 0; i < PO_LIST_AHEAD_MAX; i++)
        po_buf_deinit(&ahead->ring[i].path);
    po_pages_free(ahead->chunks, CHUNKS_SIZE);
    po_cond_free(ahead->has_rows);
    po_cond_free(ahead->has_room);
    po_cond_free(ahead->has_work);
    po_mutex_free(ahead->mutex);
    po_mem_free(ahead);
}

size_t
po_list_ahead_count(const struct po_list_ahead *ahead)
{
    return ahead->submitted - ahead->first; /* nobody else changes these two */
}

enum po_status
po_list_ahead_submit(struct po_list_ahead *ahead, const char *path, size_t path_size,
                     struct po_err *err)
{
    struct listing *listing = &ahead->ring[ahead->submitted % PO_LIST_AHEAD_MAX];
    enum po_status st;

    po_buf_clear(&listing->path);
    listing->filling.size = 0;
    po_buf_put(&listing->path, path, path_size);
    (void)po_buf_text(&listing->path);
    st = po_buf_check(&listing->path, err);
    if (st != PO_OK)
        return st;
    listing->is_full = listing->is_done = false;
    __atomic_store_n(&listing->is_given_up, 0, __ATOMIC_RELAXED);
    lock(ahead);
    ahead->submitted++;
    if (ahead->is_idle)
        po_cond_signal_all(ahead->has_work);
    ahead->is_idle = false;
    unlock(ahead);
    return PO_OK;
}

static enum po_status
make_chunks(struct po_list_ahead *ahead, struct po_err *err)
{
    if (ahead->chunks != NULL)
        return PO_OK;
    ahead->chunks = po_pages_new(CHUNKS_SIZE);
    if (ahead->chunks == NULL)
        return po_fail_nomem(err, CHUNKS_SIZE);
    for (size_t i = 0; i < PO_LIST_AHEAD_MAX; i++) {
        ahead->ring[i].filling.bytes = ahead->chunks + 2 * i * CHUNK_SIZE;
        ahead->ring[i].full.bytes = ahead->chunks + (2 * i + 1) * CHUNK_SIZE;
    }
    return PO_OK;
}

static enum po_status
make_shared(struct po_list_ahead *ahead, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (ahead->mutex != NULL)
        return PO_OK;
    st = make_chunks(ahead, err);
    if (st == PO_OK)
        st = po_cond_new(&ahead->has_work, err);
    if (st == PO_OK)
        st = po_cond_new(&ahead->has_room, err);
    if (st == PO_OK)
        st = po_cond_new(&ahead->has_rows, err);
    return st == PO_OK ? po_mutex_new(&ahead->mutex, err) : st;
}

/* How many are of use, as it went until now. */
static unsigned
useful_threads(const struct po_list_ahead *ahead, uint64_t children)
{
    unsigned fast = po_sys_cpu_count() + FAST_THREADS_SPARE;

    if (po_sys_monotonic() - ahead->began > (double)children * SLOW_SECONDS_PER_CHILD)
        return PO_LIST_AHEAD_THREADS;
    return fast < PO_LIST_AHEAD_THREADS ? fast : PO_LIST_AHEAD_THREADS;
}

void
po_list_ahead_start(struct po_list_ahead *ahead, uint64_t children)
{
    struct po_err ignored;
    size_t waiting;
    unsigned wished;

    if (ahead->is_alone || ahead->thread_count == PO_LIST_AHEAD_THREADS)
        return;
    wished = useful_threads(ahead, children);
    lock(ahead);
    waiting = ahead->submitted - ahead->taken;
    unlock(ahead);
    while (ahead->thread_count < wished && ahead->thread_count + 1 < waiting) {
        if (make_shared(ahead, &ignored) != PO_OK ||
            po_thread_start(&ahead->threads[ahead->thread_count], run_lister, ahead, &ignored) !=
                PO_OK) {
            ahead->is_alone = true;
            return;
        }
        ahead->thread_count++;
    }
}

/* ---- taking out ---- */

static enum po_status
give_rows(const struct chunk *rows, po_dir_list_fn each, void *ctx, struct po_err *err)
{
    enum po_status st = PO_OK;
    size_t at = 0;

    while (st == PO_OK && at < rows->size) {
        struct po_err failure;
        struct row row;
        const char *name;

        memcpy(&row, rows->bytes + at, sizeof row);
        at += sizeof row;
        if (row.is_failed) {
            memcpy(&failure, rows->bytes + at, sizeof failure);
            at += sizeof failure;
        }
        name = (const char *)rows->bytes + at;
        at += row.name_size + 1;
        st = each(ctx, name, row.name_size, &row.info, row.is_failed ? &failure : NULL, err);
    }
    return st;
}

/* What a lister has or will have; whether more comes behind it. */
static bool
await_rows(struct listing *listing)
{
    struct po_list_ahead *ahead = listing->ahead;
    bool has_more;

    po_mutex_lock(ahead->mutex);
    ahead->awaited = listing;
    while (!listing->is_full && !listing->is_done)
        po_cond_wait(ahead->has_rows, ahead->mutex);
    ahead->awaited = NULL;
    has_more = listing->is_full;
    po_mutex_unlock(ahead->mutex);
    return has_more;
}

static void
give_room(struct listing *listing)
{
    struct po_list_ahead *ahead = listing->ahead;

    po_mutex_lock(ahead->mutex);
    listing->is_full = false;
    if (ahead->is_short)
        po_cond_signal_all(ahead->has_room);
    ahead->is_short = false;
    po_mutex_unlock(ahead->mutex);
}

/* After a failure of `each` the rest is thrown away: the place in the ring is the lister's till its end. */
static enum po_status
take_rows(struct listing *listing, po_dir_list_fn each, void *ctx, struct po_err *err)
{
    enum po_status st = PO_OK;

    while (await_rows(listing)) {
        if (st == PO_OK)
            st = give_rows(&listing->full, each, ctx, err);
        if (st != PO_OK)
            __atomic_store_n(&listing->is_given_up, 1, __ATOMIC_RELAXED);
        give_room(listing);
    }
    if (st == PO_OK)
        st = give_rows(&listing->filling, each, ctx, err);
    if (st == PO_OK && listing->status != PO_OK) {
        *err = listing->failure;
        st = listing->status;
    }
    return st;
}

enum po_status
po_list_ahead_next(struct po_list_ahead *ahead, po_dir_list_fn each, void *ctx, struct po_err *err)
{
    struct listing *listing = &ahead->ring[ahead->first % PO_LIST_AHEAD_MAX];
    bool is_begun;
    enum po_status st;

    lock(ahead);
    is_begun = ahead->taken > ahead->first;
    if (!is_begun)
        ahead->taken++;
    unlock(ahead);
    /* To hand it to a thread now and wait for that would only cost time. */
    st = is_begun ? take_rows(listing, each, ctx, err)
                  : po_dir_list(ahead->root, po_buf_text(&listing->path), listing->path.size, each,
                                ctx, err);
    ahead->first++;
    return st;
}
