#include "engine/salvage.h"

#include "base/mem.h"
#include "engine/extract.h"
#include "engine/salvage_parts.h"
#include "engine/watch.h"
#include "port/sys.h"

/* Beside an index of this size there is no room for many threads' buffers (engine/budget.h). */
#define INDEX_LARGE ((size_t)16 << 20)

/* ---- writing what is whole ---- */

static void
count_written(struct po_salvage_result *result, uint32_t entry)
{
    if (po_index_type(result->reader->index, entry) != POBACKUP_FILE)
        return;
    result->files++;
    result->bytes += po_index_size(result->reader->index, entry);
}

/* The verdict of each entry that was wanted. */
static void
take_verdicts(struct po_salvage_result *result, const uint8_t *wanted, const uint8_t *written)
{
    for (uint32_t i = 0; i < result->reader->index->count; i++) {
        if (wanted[i] != 0 && written[i] == 0)
            result->verdicts[i] = PO_SALVAGE_UNWRITTEN;
        else if (wanted[i] != 0)
            result->verdicts[i] =
                result->doubts[i] == NULL ? PO_SALVAGE_CERTAIN : PO_SALVAGE_DOUBTFUL;
        if (wanted[i] != 0 && written[i] != 0)
            count_written(result, i);
        result->counts[result->verdicts[i]]++;
    }
}

static enum po_status
write_whole(struct po_salvage_result *result, const struct po_salvage_options *options,
            const uint8_t *wanted, const struct po_watch *watch, struct po_err *err)
{
    struct po_extract_place place = { .dir = options->dir, .index = result->reader->index };
    struct po_target_options target = { .place = po_extract_place_entry,
                                        .place_ctx = &place,
                                        .is_overwriting = options->is_overwriting,
                                        .sets_owner = options->sets_owner };
    struct po_extract_result extracted = { 0 };
    unsigned threads = options->threads;
    enum po_status st;

    /* What the steps before have taken, the heap need not have given back. */
    if (threads == 0 && result->reader->index->size > INDEX_LARGE)
        threads = 1;
    po_watch_phase(watch, "writing what is whole");
    /* An index that was made here has no BLAKE2b: its frames were proven by the same program. */
    st = po_extract_run(result->reader, wanted, &target,
                        result->has_index ? PO_EXTRACT_DEEP : PO_EXTRACT_FAST, threads, watch,
                        &extracted, err);
    if (st == PO_OK)
        take_verdicts(result, wanted, extracted.written);
    result->problems = extracted.problems;
    extracted.problems = (struct po_problems){ 0 };
    po_extract_result_deinit(&extracted);
    return st;
}

/* ---- the run ---- */

static enum po_status
find_reader(const struct pobackup_blob *blob, const struct po_salvage_options *options,
            const struct po_watch *watch, struct po_salvage_result *result,
            struct po_salvage_broken_list *broken, struct po_err *err)
{
    enum po_status st;

    po_watch_phase(watch, "looking for frames");
    st = po_salvage_scan_run(&result->scan, blob, options->threads, watch, err);
    if (st != PO_OK)
        return st;
    result->sources = po_mem_new(result->scan.count, 1);
    if (result->sources == NULL)
        return po_fail_nomem(err, result->scan.count);
    st = po_salvage_index_find(&result->reader, &result->scan, blob, result, err);
    if (st == PO_OK && result->reader == NULL) {
        po_watch_phase(watch, "reading without the index");
        st = po_salvage_members_find(&result->reader, &result->scan, blob, options->threads, watch,
                                     result, broken, err);
    }
    return st;
}

/* Nothing of ours: whether that is for want of an archive, or of what it had. */
static enum po_status
judge_nothing(const struct po_salvage_result *result, const struct pobackup_blob *blob,
              struct po_err *err)
{
    struct po_reader *reader = NULL;
    enum po_status st;

    if (result->unread.count > 0 && result->scan.count == 0) {
        *err = result->unread.first;
        return PO_E_IO;
    }
    if (result->scan.count > 0)
        return po_fail(err, PO_E_UNSUPPORTED,
                       "a Zstandard file, but nothing in it is of pobackup" PO_RULE("FILE-4"));
    /* Its first bytes and its last ones tell whose it was. spec: FILE-3, FILE-4 */
    st = po_reader_open(&reader, blob, err);
    po_reader_free(reader);
    if (st == PO_E_FORMAT || st == PO_OK)
        st = po_fail(err, PO_E_FORMAT,
                     "not one frame of it is whole: nothing can be salvaged" PO_RULE("FRAME-3"));
    return st;
}

static enum po_status
salvage(const struct pobackup_blob *blob, struct po_salvage_options *options,
        const struct po_watch *watch, struct po_salvage_result *result,
        struct po_salvage_broken_list *broken, struct po_err *err)
{
    uint8_t *wanted = NULL;
    uint32_t count;
    enum po_status st = find_reader(blob, options, watch, result, broken, err);

    if (st == PO_OK && result->reader == NULL)
        st = judge_nothing(result, blob, err);
    if (st == PO_OK)
        st = po_dir_open_make(&options->dir, options->directory, err);
    if (st != PO_OK)
        return st;
    count = result->reader->index->count;
    wanted = po_mem_new(count, 1);
    result->verdicts = po_mem_new(count, 1);
    if (result->doubts == NULL)
        result->doubts = po_mem_new(count, sizeof(const char *));
    if (wanted == NULL || result->verdicts == NULL || result->doubts == NULL)
        st = po_fail_nomem(err, count * sizeof(const char *));
    if (st == PO_OK)
        (void)po_extract_select(result->reader->index, options->patterns, options->pattern_count,
                                wanted);
    if (st == PO_OK && result->has_index)
        st = po_salvage_index_judge(result->reader, result, wanted, broken, err);
    if (st == PO_OK)
        st = write_whole(result, options, wanted, watch, err);
    if (st == PO_OK)
        st = po_salvage_partial_write(result->reader, options, broken, result, err);
    po_mem_free(wanted);
    return st;
}

enum po_status
po_salvage_run(const struct pobackup_blob *blob, const struct po_salvage_options *options,
               const struct po_watch *watch, struct po_salvage_result *result, struct po_err *err)
{
    struct po_salvage_broken_list broken = { 0 };
    struct po_salvage_options own = *options;
    double started = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_salvage_result){ 0 };
    own.dir = NULL;
    st = po_unread_init(&result->unread, blob, err);
    if (st == PO_OK)
        st = salvage(&result->unread.blob, &own, watch, result, &broken, err);
    po_dir_free(own.dir);
    result->seconds = po_sys_monotonic() - started;
    po_salvage_broken_deinit(&broken);
    return st;
}

bool
po_salvage_is_complete(const struct po_salvage_result *result)
{
    for (uint32_t i = 0; result->sources != NULL && i < result->scan.count; i++)
        if (result->sources[i] == PO_SALVAGE_FOREIGN)
            return false;
    return result->has_index && result->counts[PO_SALVAGE_DOUBTFUL] == 0 &&
           result->counts[PO_SALVAGE_PARTLY] == 0 && result->counts[PO_SALVAGE_LOST] == 0 &&
           result->counts[PO_SALVAGE_UNWRITTEN] == 0 && result->problems.count == 0;
}

void
po_salvage_result_deinit(struct po_salvage_result *result)
{
    po_salvage_scan_deinit(&result->scan);
    po_mem_free(result->sources);
    po_reader_free(result->reader);
    po_mem_free(result->verdicts);
    po_mem_free(result->doubts);
    for (size_t i = 0; i < result->partial_count; i++)
        po_mem_free(result->partial[i].path);
    po_mem_free(result->partial);
    po_problems_deinit(&result->problems);
    po_unread_deinit(&result->unread);
    *result = (struct po_salvage_result){ 0 };
}
