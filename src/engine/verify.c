#include "engine/verify.h"

#include "archive/audit.h"
#include "base/mem.h"
#include "engine/frames.h"
#include "engine/watch.h"
#include "host/host.h"
#include "port/sys.h"
#include "registry/reg.h"

#include <string.h>

/* More than any registry key exports to. */
#define REGISTRY_SIZE_MAX (256u << 20)

struct run {
    const struct po_reader *reader;
    const struct po_watch *watch;
    struct po_verify_result *result;
    struct po_audit verify;
    bool is_deep;
    uint8_t *frames; /* enum po_verify_frame, one a frame; NULL: all are wanted */
    uint64_t wanted_bytes;
    uint8_t *is_told;    /* one an entry */
    enum po_status told; /* of naming hits: out of memory */
    const char *reason;
    struct po_err *err;
};

void
po_verify_result_deinit(struct po_verify_result *result)
{
    po_problems_deinit(&result->hits);
}

static void
work(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    struct run *run = ctx;

    if (run->is_deep)
        job->status = po_audit_frame(&run->verify, decoder, job->frame, job->bytes, job->digest,
                                     job->content, job->user, &job->err);
    else
        job->status = po_reader_check_frame(run->reader, job->frame, job->bytes, false, &job->err);
}

static void
tell_hit(void *ctx, uint32_t entry)
{
    struct run *run = ctx;
    size_t path_size;
    const char *path = po_index_path(run->reader->index, entry, &path_size);

    if (run->is_told[entry] || run->told != PO_OK)
        return;
    run->is_told[entry] = 1;
    po_watch_item(run->watch, path, path_size, run->reason);
    run->told = po_problems_add(&run->result->hits, path, path_size, run->reason, run->err);
}

/* What is damaged weighs more than what cannot be read. */
static void
note_first(struct run *run, const struct po_err *damage)
{
    struct po_err *first = &run->result->first;

    if (first->status == PO_OK || (first->status == PO_E_IO && damage->status != PO_E_IO))
        *first = *damage;
}

/* Every entry that the frame has a part of is named; in a deep run it is joined before. spec: READ-2 */
static enum po_status
note_damage(struct run *run, uint32_t frame, const struct po_err *damage, struct po_err *err)
{
    note_first(run, damage);
    if (run->frames != NULL)
        run->frames[frame] = PO_VERIFY_BAD;
    run->reason = damage->text;
    run->told = PO_OK;
    run->err = err;
    po_audit_hits(&run->verify.layout, frame,
                  run->is_deep ? run->verify.continued
                               : po_layout_continued(&run->verify.layout, frame),
                  tell_hit, run);
    return run->told;
}

static enum po_status
join(void *ctx, struct po_frame_job *job, struct po_err *err)
{
    struct run *run = ctx;
    struct po_verify_result *result = run->result;
    struct po_err damage;
    struct po_err join_damage = { 0 };
    enum po_status joined = PO_OK;
    enum po_status st = PO_OK;

    result->frames++;
    result->unread += job->is_unread;
    result->bytes += run->reader->seeks[job->frame].compressed_size;
    if (run->is_deep) {
        struct po_audit_part *part = job->user;

        if (job->is_unread)
            po_audit_lose(part, job->frame);
        result->content_bytes += run->reader->seeks[job->frame].content_size;
        result->files += part->matched;
        joined = po_audit_join(&run->verify, part, job->content, &join_damage);
    }
    if (job->status != PO_OK)
        st = note_damage(run, job->frame, &job->err, err);
    else if (po_reader_check_seek(run->reader, job->frame, job->bytes, &damage) != PO_OK) {
        note_first(run, &damage);
        if (run->frames != NULL)
            run->frames[job->frame] = PO_VERIFY_BAD;
    }
    if (st == PO_OK && (joined == PO_E_FORMAT || joined == PO_E_UNSUPPORTED)) {
        st = note_damage(run, job->frame, &join_damage, err);
    } else if (st == PO_OK && joined != PO_OK) {
        *err = join_damage;
        st = joined;
    }
    po_watch_progress(run->watch, result->bytes, run->wanted_bytes, result->files,
                      run->reader->index->count);
    return st;
}

/* What was left for the end: entries that no member came for, manifest and summary. */
static enum po_status
check_rest(struct run *run, struct po_err *err)
{
    struct po_err damage;
    enum po_status st = run->is_deep ? po_audit_end(&run->verify, &damage) : PO_OK;

    if (st == PO_OK)
        st = po_audit_documents(run->reader, &damage);
    if (st == PO_OK)
        return PO_OK;
    if (st != PO_E_FORMAT && st != PO_E_UNSUPPORTED) {
        *err = damage;
        return st;
    }
    note_first(run, &damage);
    return PO_OK;
}

/* Whether the registry's export can be imported again. It is what the site had, so a bad one is no
 * damage. */
static enum po_status
parse_registry(const struct run *run, uint32_t entry, struct po_err *bad, struct po_err *err)
{
    const struct po_index *index = run->reader->index;
    struct po_buf bytes = { 0 };
    struct po_reg *document = NULL;
    size_t content_at;
    enum po_status st;

    if (po_index_type(index, entry) != POBACKUP_FILE ||
        po_index_size(index, entry) > REGISTRY_SIZE_MAX) {
        (void)po_fail(bad, PO_E_FORMAT, "no file, or larger than any registry");
        return PO_OK;
    }
    st = po_reader_content(run->reader, entry, REGISTRY_SIZE_MAX, &bytes, &content_at, err);
    if (st == PO_OK) {
        st = po_reg_parse(&document, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, bad);
        if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)
            st = PO_OK;
        else if (st != PO_OK)
            *err = *bad;
    }
    po_reg_free(document);
    po_buf_deinit(&bytes);
    return st;
}

static enum po_status
check_registry(struct run *run, struct po_err *err)
{
    const char *member = po_part_member(PO_PART_REGISTRY);
    uint32_t entry = po_index_find(run->reader->index, member, strlen(member));
    struct po_err bad = { 0 };
    enum po_status st;

    if (entry == PO_NONE || po_index_source(run->reader->index, entry) != 0)
        return PO_OK;
    st = parse_registry(run, entry, &bad, err);
    if (st == PO_OK && bad.status != PO_OK) {
        run->result->is_registry_bad = true;
        po_watch_item(run->watch, member, strlen(member), bad.text);
    }
    return st;
}

static uint64_t
count_wanted(const struct po_reader *reader, const uint8_t *frames)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < reader->index->frame_count; i++)
        if (frames == NULL || frames[i] != PO_VERIFY_UNWANTED)
            bytes += reader->seeks[i].compressed_size;
    return bytes;
}

static enum po_status
verify(struct run *run, unsigned threads, struct po_err *err)
{
    const struct po_reader *reader = run->reader;
    struct po_verify_result *result = run->result;
    const struct po_frames_run frames = { .reader = reader,
                                          .wanted = run->frames,
                                          .threads = threads,
                                          .is_raw = !run->is_deep,
                                          .wants_digests = run->is_deep,
                                          .goes_on_unread = true,
                                          .watch = run->watch,
                                          .ctx = run,
                                          .user_size = sizeof(struct po_audit_part),
                                          .work = work,
                                          .join = join };
    double start = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_verify_result){ 0 };
    run->wanted_bytes = count_wanted(reader, run->frames);
    run->is_told = po_mem_new(reader->index->count, 1);
    if (run->is_told == NULL)
        return po_fail_nomem(err, reader->index->count);
    po_watch_phase(run->watch, run->is_deep ? "verifying every file" : "verifying frames");
    st = po_audit_init(&run->verify, reader, err);
    if (st == PO_OK)
        st = po_frames_run(&frames, err);
    if (st == PO_OK)
        st = check_rest(run, err);
    if (st == PO_OK && result->first.status == PO_OK && run->is_deep)
        st = check_registry(run, err);
    if (st == PO_OK && result->first.status != PO_OK) {
        *err = result->first;
        st = err->status;
    }
    po_audit_deinit(&run->verify);
    po_mem_free(run->is_told);
    result->seconds = po_sys_monotonic() - start;
    return st;
}

enum po_status
po_engine_verify(const struct po_reader *reader, bool is_deep, unsigned threads,
                 const struct po_watch *watch, struct po_verify_result *result, struct po_err *err)
{
    struct run run = { .reader = reader, .watch = watch, .result = result, .is_deep = is_deep };

    return verify(&run, threads, err);
}

enum po_status
po_engine_verify_frames(const struct po_reader *reader, uint8_t *frames, unsigned threads,
                        const struct po_watch *watch, struct po_verify_result *result,
                        struct po_err *err)
{
    struct run run = { .reader = reader, .watch = watch, .result = result, .frames = frames };

    return verify(&run, threads, err);
}
