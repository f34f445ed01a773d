#include "engine/extract.h"

#include "archive/audit.h"
#include "archive/hash.h"
#include "archive/layout.h"
#include "base/mem.h"
#include "engine/frames.h"
#include "engine/watch.h"
#include "port/sys.h"
#include "port/thread.h"

#include <string.h>

struct extract {
    const struct po_reader *reader;
    const struct po_index *index;
    const uint8_t *wanted;
    uint32_t *stand_ins; /* as the target's; NULL = none */
    const struct po_watch *watch;
    struct po_layout layout;
    bool is_deep;
    bool is_audited;
    struct po_audit audit;
    struct po_target *target;
    struct po_extract_result *result;
    struct po_mutex *lock; /* around result->problems, is_damaged and broken */
    struct po_err broken;  /* a problem that could not even be noted */
    size_t told;           /* problems that the watcher knows of */
    uint64_t bytes_done;   /* of wanted files, written or not */
    uint64_t bytes_total;
    uint64_t files_done;
    uint64_t files_total;
    /* The file that goes on in the next frame; all of it on the calling thread. */
    struct po_hasher *hasher;
    uint32_t open_entry; /* the one whose content it is; PO_NONE = none */
    uint32_t open_frame; /* where its next piece lies */
    uint64_t open_left;
};

/* What a worker found in its frame. */
struct found {
    uint64_t bytes;
    uint64_t files;
    uint32_t
        long_entry; /* a wanted file that begins here and goes on in the next frame, or PO_NONE */
    size_t long_at; /* where its content begins */
    struct po_audit_part part; /* of an audited run */
};

/* ---- what is written, and as what ---- */

/*
 * As which entry the file's content is written: itself, or the hard link that stands in for it;
 * PO_NONE when it is not wanted at all.
 */
static uint32_t
written_as(const struct extract *x, uint32_t entry)
{
    if (po_index_type(x->index, entry) != POBACKUP_FILE)
        return PO_NONE;
    if (x->wanted[entry] != 0)
        return entry;
    return x->stand_ins == NULL ? PO_NONE : x->stand_ins[entry];
}

/*
 * Somebody who wants one of a file's names wants its content, whichever name the archive has it
 * under.
 */
static enum po_status
choose_stand_ins(struct extract *x, struct po_err *err)
{
    for (uint32_t i = 0; i < x->index->count; i++) {
        size_t size;
        const char *link = po_index_link(x->index, i, &size);
        uint32_t original;

        if (x->wanted[i] == 0 || po_index_type(x->index, i) != POBACKUP_HARDLINK)
            continue;
        original = po_index_find(x->index, link, size);
        if (original == PO_NONE || x->wanted[original] != 0)
            continue;
        if (x->stand_ins == NULL) {
            x->stand_ins = po_mem_new(x->index->count, sizeof *x->stand_ins);
            if (x->stand_ins == NULL)
                return po_fail_nomem(err, x->index->count * sizeof *x->stand_ins);
            memset(x->stand_ins, 0xFF, x->index->count * sizeof *x->stand_ins); /* PO_NONE */
        }
        if (x->stand_ins[original] == PO_NONE)
            x->stand_ins[original] = i;
    }
    return PO_OK;
}

/*
 * Marks the frames that hold any of the file. How long its header is, is only seen in the frame:
 * as much is added as a header can have, so a frame too many may be decoded, never one too few. By
 * FRAME-4 nothing else begins in a frame that it continues into.
 */
static void
mark_frames(const struct extract *x, uint32_t entry, uint8_t *frames)
{
    uint32_t frame = po_index_frame(x->index, entry);
    uint64_t end = (uint64_t)po_index_offset(x->index, entry) + po_index_size(x->index, entry) +
                   PO_PAX_MAX_SIZE + 3 * PO_TAR_BLOCK;
    uint64_t reached = x->reader->seeks[frame].content_size;

    frames[frame] = 1;
    while (reached < end && ++frame < x->index->frame_count) {
        uint32_t first;
        uint32_t count;

        po_layout_frame(&x->layout, frame, &first, &count);
        if (count > 0)
            return;
        frames[frame] = 1;
        reached += x->reader->seeks[frame].content_size;
    }
}

/* ---- problems ---- */

/* On any thread. */
static void
note_problem(void *ctx, uint32_t entry, const char *reason)
{
    struct extract *x = ctx;
    size_t size;
    const char *path = po_index_path(x->index, entry, &size);
    struct po_err failure;

    po_mutex_lock(x->lock);
    if (po_problems_add(&x->result->problems, path, size, reason, &failure) != PO_OK)
        x->broken = failure;
    po_mutex_unlock(x->lock);
}

static void
set_damaged(struct extract *x)
{
    po_mutex_lock(x->lock);
    x->result->is_damaged = true;
    po_mutex_unlock(x->lock);
}

/* Of the entry that has the content. */
static void
note_damage(struct extract *x, uint32_t entry, const char *reason)
{
    po_target_reject(x->target, written_as(x, entry), reason);
    set_damaged(x);
}

/* Events reach the thread that called us, and no callback is made under the lock. */
static enum po_status
tell_problems(struct extract *x, struct po_err *err)
{
    for (;;) {
        struct po_problem problem = { 0 };
        bool is_one = false;
        bool is_broken;

        po_mutex_lock(x->lock);
        is_broken = x->broken.status != PO_OK;
        if (x->told < x->result->problems.count) {
            problem = x->result->problems.items[x->told++];
            is_one = true;
        }
        po_mutex_unlock(x->lock);
        if (is_broken) {
            *err = x->broken;
            return err->status;
        }
        if (!is_one)
            return PO_OK;
        po_watch_item(x->watch, problem.path, problem.path_size, problem.reason);
    }
}

/* ---- on a worker: all files that lie in one frame whole ---- */

static enum po_status
take_file(struct extract *x, uint32_t entry, const struct po_frame_job *job, struct found *found,
          struct po_err *err)
{
    size_t content_size = x->reader->seeks[job->frame].content_size;
    uint64_t size = po_index_size(x->index, entry);
    uint8_t hash[PO_HASH_SIZE];
    size_t at = 0;

    if (po_reader_member(x->reader, entry, job->content, content_size, &at, err) != PO_OK)
        return err->status;
    if (size > content_size - at) {
        found->long_entry = entry;
        found->long_at = at;
        return PO_OK;
    }
    /* An audit has compared it. */
    if (!x->is_audited)
        po_xxh3(job->content + at, (size_t)size, hash);
    if (!x->is_audited &&
        memcmp(hash, po_index_hash(x->index, entry), sizeof hash) != 0) /* spec: READ-3 */
        return po_fail(err, PO_E_FORMAT,
                       "its content does not have the hash that the index says" PO_RULE("READ-3"));
    return po_target_file(x->target, written_as(x, entry), job->content + at, (size_t)size, err);
}

static enum po_status
decode(const struct extract *x, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    const struct po_seek_entry *seek = &x->reader->seeks[job->frame];
    enum po_status st;

    if (x->is_audited)
        return po_audit_frame(&x->audit, decoder, job->frame, job->bytes, job->digest, job->content,
                              &((struct found *)job->user)->part, &job->err);
    st = po_reader_check_hashes(x->reader, job->frame, job->bytes, x->is_deep ? job->digest : NULL,
                                &job->err);
    if (st != PO_OK)
        return st;
    st = po_frame_decode(decoder, job->bytes, seek->compressed_size, job->content,
                         seek->content_size, NULL, &job->err);
    return st == PO_OK ? st : po_err_prefix(&job->err, "frame %u", job->frame);
}

static void
work_on_frame(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    struct extract *x = ctx;
    struct found *found = job->user;
    uint32_t first;
    uint32_t count;

    *found = (struct found){ .long_entry = PO_NONE };
    job->status = decode(x, job, decoder);
    if (job->status != PO_OK)
        return;
    po_layout_frame(&x->layout, job->frame, &first, &count);
    for (uint32_t i = 0; i < count && job->status == PO_OK; i++) {
        uint32_t entry = x->layout.entries[first + i];

        if (written_as(x, entry) == PO_NONE)
            continue;
        job->status = take_file(x, entry, job, found, &job->err);
        if (job->status == PO_E_FORMAT || job->status == PO_E_UNSUPPORTED) {
            /* Damage of this file alone. */
            note_damage(x, entry, job->err.text);
            job->status = PO_OK;
        }
        if (found->long_entry != entry) {
            found->files++;
            found->bytes += po_index_size(x->index, entry);
        }
    }
}

/* ---- on the calling thread, in order: what crosses the frames' borders ---- */

static void
close_open(struct extract *x)
{
    x->bytes_done += po_index_size(x->index, x->open_entry);
    x->files_done++;
    x->open_entry = PO_NONE;
}

static void
lose_open(struct extract *x, const char *reason)
{
    po_target_abandon(x->target, reason);
    po_target_reject(x->target, written_as(x, x->open_entry), reason);
    close_open(x);
}

/* A file that is still open where another begins. */
static void
cut_open(struct extract *x)
{
    if (x->open_entry == PO_NONE)
        return;
    lose_open(x, "its content ends before its size");
    set_damaged(x);
}

static enum po_status
take_piece(struct extract *x, const uint8_t *bytes, size_t size, struct po_err *err)
{
    size_t piece = x->open_left < size ? (size_t)x->open_left : size;
    uint8_t hash[PO_HASH_SIZE];
    enum po_status st;

    po_hasher_add_xxh3(x->hasher, bytes, piece);
    st = po_target_put(x->target, bytes, piece, err);
    x->open_left -= piece;
    x->open_frame++;
    if (st != PO_OK || x->open_left > 0)
        return st;
    po_hasher_xxh3(x->hasher, hash);
    if (memcmp(hash, po_index_hash(x->index, x->open_entry), sizeof hash) != 0) { /* spec: READ-3 */
        lose_open(x, "its content does not have the hash that the index says");
        set_damaged(x);
        return PO_OK;
    }
    st = po_target_end(x->target, err);
    close_open(x);
    return st;
}

static enum po_status
begin_long(struct extract *x, const struct po_frame_job *job, const struct found *found,
           struct po_err *err)
{
    enum po_status st = po_target_begin(x->target, written_as(x, found->long_entry), err);

    x->open_entry = found->long_entry;
    x->open_frame = job->frame;
    x->open_left = po_index_size(x->index, found->long_entry);
    po_hasher_reset(x->hasher);
    if (st != PO_OK)
        return st;
    return take_piece(x, job->content + found->long_at,
                      x->reader->seeks[job->frame].content_size - found->long_at, err);
}

/* spec: READ-2 */
static void
lose_frame(struct extract *x, const struct po_frame_job *job)
{
    uint32_t first;
    uint32_t count;

    if (job->is_unread && x->result->unread.status == PO_OK)
        x->result->unread = job->err;
    if (!job->is_unread)
        set_damaged(x);
    if (x->open_entry != PO_NONE)
        lose_open(x, job->err.text);
    po_layout_frame(&x->layout, job->frame, &first, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t entry = x->layout.entries[first + i];

        if (written_as(x, entry) == PO_NONE)
            continue;
        po_target_reject(x->target, written_as(x, entry), job->err.text);
        x->files_done++;
        x->bytes_done += po_index_size(x->index, entry);
    }
}

static void
note_first_damage(struct extract *x, const struct po_err *damage)
{
    if (x->result->damage.status == PO_OK)
        x->result->damage = *damage;
    set_damaged(x);
}

/* What crosses the frames' borders, and what no file is: as a verification has it. */
static enum po_status
audit_frame(struct extract *x, const struct po_frame_job *job, struct po_err *err)
{
    struct found *found = job->user;
    struct po_err damage;
    enum po_status st;

    if (job->is_unread)
        po_audit_lose(&found->part, job->frame);
    else if (job->status != PO_OK)
        note_first_damage(x, &job->err);
    else if (po_reader_check_seek(x->reader, job->frame, job->bytes, &damage) != PO_OK)
        note_first_damage(x, &damage);
    st = po_audit_join(&x->audit, &found->part, job->content, &damage);
    if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED) {
        note_first_damage(x, &damage);
        return PO_OK;
    }
    if (st != PO_OK)
        *err = damage;
    return st;
}

static enum po_status
end_audit(struct extract *x, struct po_err *err)
{
    struct po_err damage;
    enum po_status st = po_audit_end(&x->audit, &damage);

    if (st == PO_OK)
        st = po_audit_documents(x->reader, &damage);
    if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED) {
        note_first_damage(x, &damage);
        return PO_OK;
    }
    if (st != PO_OK)
        *err = damage;
    return st;
}

static enum po_status
join_frame(void *ctx, struct po_frame_job *job, struct po_err *err)
{
    struct extract *x = ctx;
    const struct found *found = job->user;
    uint32_t first;
    uint32_t count;
    enum po_status st = x->is_audited ? audit_frame(x, job, err) : PO_OK;

    if (st != PO_OK)
        return st;
    po_layout_frame(&x->layout, job->frame, &first, &count);
    if (job->frame != x->open_frame || count > 0)
        cut_open(x);
    if (job->status != PO_OK) {
        lose_frame(x, job);
    } else {
        if (x->open_entry != PO_NONE)
            st = take_piece(x, job->content, x->reader->seeks[job->frame].content_size, err);
        x->files_done += found->files;
        x->bytes_done += found->bytes;
        if (st == PO_OK && found->long_entry != PO_NONE)
            st = begin_long(x, job, found, err);
    }
    if (st == PO_OK)
        st = tell_problems(x, err);
    po_watch_progress(x->watch, x->bytes_done, x->bytes_total, x->files_done, x->files_total);
    return st;
}

/* ---- the run ---- */

/* Which frames are needed; and who lies elsewhere. */
static void
survey(struct extract *x, uint8_t *frames)
{
    for (uint32_t i = 0; i < x->index->count; i++) {
        uint32_t as = written_as(x, i);

        if (as == PO_NONE)
            continue;
        if (po_index_source(x->index, i) != 0) {
            po_target_reject(x->target, as, "its content lies in a parent archive");
            continue;
        }
        mark_frames(x, i, frames);
        x->files_total++;
        x->bytes_total += po_index_size(x->index, i);
    }
}

static void
count_result(struct extract *x)
{
    struct po_extract_result *result = x->result;

    for (uint32_t i = 0; i < x->index->count; i++) {
        uint8_t type = po_index_type(x->index, i);

        if (x->wanted[i] == 0)
            continue;
        result->written[i] = po_target_is_written(x->target, i);
        if (result->written[i] == 0)
            result->failed++;
        else if (type == POBACKUP_DIRECTORY)
            result->directories++;
        else if (type == POBACKUP_FILE)
            result->files++;
        else
            result->links++;
        if (type == POBACKUP_FILE && result->written[i] != 0)
            result->bytes += po_index_size(x->index, i);
    }
}

static enum po_status
write_files(struct extract *x, uint8_t *frames, unsigned threads, struct po_err *err)
{
    struct po_frames_run run = { .reader = x->reader,
                                 .wanted = x->is_audited ? NULL : frames,
                                 .threads = threads,
                                 .watch = x->watch,
                                 .ctx = x,
                                 .user_size = sizeof(struct found),
                                 .goes_on_unread = true,
                                 .wants_digests = x->is_deep || x->is_audited,
                                 .work = work_on_frame,
                                 .join = join_frame };
    enum po_status st = po_target_directories(x->target, err);

    if (st != PO_OK)
        return st;
    survey(x, frames);
    st = po_frames_run(&run, err);
    if (st != PO_OK)
        return st;
    cut_open(x);
    if (x->is_audited)
        st = end_audit(x, err);
    return st == PO_OK ? po_target_finish(x->target, err) : st;
}

static enum po_status
init_extract(struct extract *x, const struct po_target_options *options, struct po_err *err)
{
    struct po_target_options own = *options;
    enum po_status st = choose_stand_ins(x, err);

    own.index = x->index;
    own.windows_names = own.windows_names || po_sys_has_windows_names();
    own.wanted = x->wanted;
    own.stand_ins = x->stand_ins;
    own.problem = note_problem;
    own.problem_ctx = x;
    if (st == PO_OK)
        st = po_mutex_new(&x->lock, err);
    if (st == PO_OK)
        st = po_layout_init(&x->layout, x->index, err);
    if (st == PO_OK && x->is_audited)
        st = po_audit_init(&x->audit, x->reader, err);
    if (st == PO_OK)
        st = po_hasher_new(&x->hasher, err);
    if (st == PO_OK)
        st = po_target_new(&x->target, &own, err);
    return st;
}

enum po_status
po_extract_run(const struct po_reader *reader, const uint8_t *wanted,
               const struct po_target_options *options, enum po_extract_checks checks,
               unsigned threads, const struct po_watch *watch, struct po_extract_result *result,
               struct po_err *err)
{
    struct extract x = { .reader = reader,
                         .index = reader->index,
                         .wanted = wanted,
                         .is_deep = checks == PO_EXTRACT_DEEP,
                         .is_audited = checks == PO_EXTRACT_AUDITED,
                         .watch = watch,
                         .result = result,
                         .open_entry = PO_NONE };
    double started = po_sys_monotonic();
    uint8_t *frames = NULL;
    enum po_status st;

    *result = (struct po_extract_result){ 0 };
    st = init_extract(&x, options, err);
    if (st != PO_OK)
        goto done;
    frames = po_mem_new(reader->index->frame_count, 1);
    result->written = po_mem_new(reader->index->count, 1);
    if (frames == NULL || result->written == NULL) {
        st = po_fail_nomem(err, (size_t)reader->index->frame_count + reader->index->count);
        goto done;
    }
    st = write_files(&x, frames, threads, err);
    if (st == PO_OK)
        st = tell_problems(&x, err);
    if (st == PO_OK)
        count_result(&x);
done:
    result->seconds = po_sys_monotonic() - started;
    po_target_free(x.target);
    po_hasher_free(x.hasher);
    po_audit_deinit(&x.audit);
    po_layout_deinit(&x.layout);
    po_mutex_free(x.lock);
    po_mem_free(x.stand_ins);
    po_mem_free(frames);
    return st;
}

void
po_extract_result_deinit(struct po_extract_result *result)
{
    po_problems_deinit(&result->problems);
    po_mem_free(result->written);
    result->written = NULL;
}
