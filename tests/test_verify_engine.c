/*
 * Verification over several threads: damage in archives in memory is named exactly, and just as the
 * library names it.
 */
#include "engine/scrub.h"
#include "engine/verify.h"
#include "os_help.h"
#include "site_help.h"

static struct help_host host;
static struct help_sink sink;
static struct po_backup_result backup;
static struct po_err err;

static void
make_archive(void)
{
    const struct po_backup_options options = { .threads = 2, .frame_size = FRAME_SIZE };

    help_must(po_backup_run(&host.host, &sink.sink, &options, NULL, &backup, &err), &err);
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_sink_init(&sink);
    help_make_site();
}

static void
teardown(void)
{
    po_backup_result_deinit(&backup);
    help_sink_deinit(&sink);
    help_leave();
}

/* ---- two judges ---- */

/* The names of what is hit, one a line, sorted by path as the entries are. */
struct hits {
    const struct po_index *index;
    uint8_t *is_hit; /* one an entry */
    unsigned count;
};

static struct hits
new_hits(const struct help_archive *archive)
{
    struct hits hits = { .index = archive->reader->index };

    hits.is_hit = calloc(hits.index->count, 1);
    ck_assert_ptr_nonnull(hits.is_hit);
    return hits;
}

static void
add_hit(struct hits *hits, const char *path, size_t path_size)
{
    uint32_t entry = po_index_find(hits->index, path, path_size);

    ck_assert_uint_ne(entry, PO_NONE);
    ck_assert_msg(!hits->is_hit[entry], "%.*s: named twice", (int)path_size, path);
    hits->is_hit[entry] = 1;
    hits->count++;
}

static void
hit(void *ctx, const struct pobackup_entry *entry)
{
    add_hit(ctx, entry->path, entry->path_size);
}

struct judgement {
    enum po_status status;
    struct po_err err;
    struct hits hits;
};

static struct judgement
judge_by_library(const struct help_archive *archive, bool is_deep)
{
    struct judgement judgement = { .hits = new_hits(archive) };

    judgement.status =
        pobackup_verify(archive->archive, is_deep ? 1 : 0, hit, &judgement.hits, &judgement.err);
    return judgement;
}

static void
count_items(void *ctx, const struct po_event *event)
{
    if (event->kind == PO_EVENT_ITEM)
        ++*(size_t *)ctx;
}

static struct judgement
judge_by_engine(const struct help_archive *archive, bool is_deep, unsigned threads)
{
    struct judgement judgement = { .hits = new_hits(archive) };
    size_t told = 0;
    const struct po_watch watch = { .event = count_items, .ctx = &told };
    struct po_verify_result result;

    judgement.status =
        po_engine_verify(archive->reader, is_deep, threads, &watch, &result, &judgement.err);
    for (size_t i = 0; i < result.hits.count; i++) {
        add_hit(&judgement.hits, result.hits.items[i].path, result.hits.items[i].path_size);
        ck_assert_str_ne(result.hits.items[i].reason, "");
    }
    ck_assert_uint_eq(told, result.hits.count);
    ck_assert_int_eq(result.first.status, judgement.status);
    ck_assert_uint_eq(result.frames, archive->reader->index->frame_count);
    po_verify_result_deinit(&result);
    return judgement;
}

static void
assert_same(const struct judgement *a, const struct judgement *b)
{
    ck_assert_int_eq(a->status, b->status);
    if (a->status != PO_OK)
        ck_assert_str_eq(a->err.text, b->err.text);
    ck_assert_uint_eq(a->hits.count, b->hits.count);
    ck_assert_mem_eq(a->hits.is_hit, b->hits.is_hit, a->hits.index->count);
}

/* Both judges, and any number of threads, agree; what they say. */
static struct judgement
judge(const struct help_archive *archive, bool is_deep)
{
    struct judgement first = judge_by_library(archive, is_deep);

    for (unsigned threads = 1; threads <= 4; threads++) {
        struct judgement other = judge_by_engine(archive, is_deep, threads);

        assert_same(&first, &other);
        free(other.hits.is_hit);
    }
    return first;
}

/* Just the entries that have a part in the frame, found by their contents' places. */
static void
assert_hits_of_frame(const struct help_archive *archive, const struct hits *hits, uint32_t frame)
{
    const struct po_index *index = archive->reader->index;

    for (uint32_t e = 0; e < index->count; e++) {
        uint32_t first = po_index_frame(index, e);
        uint32_t last = first;
        uint64_t room = archive->reader->seeks[first].content_size - po_index_offset(index, e);
        uint64_t header = 512; /* with an extended one: three blocks, for such names */
        size_t path_size;
        const char *path = po_index_path(index, e, &path_size);

        if (po_index_write_time(index, e) % 10000000 != 0)
            header = 1536;
        for (uint64_t need = header + po_index_size(index, e); need > room; last++) {
            need -= room;
            room = archive->reader->seeks[last + 1].content_size;
        }
        ck_assert_msg((hits->is_hit[e] != 0) == (first <= frame && frame <= last),
                      "frame %u: %.*s (frames %u to %u)", frame, (int)path_size, path, first, last);
    }
}

START_TEST(a_whole_archive_is_whole_quick_and_deep)
{
    struct help_archive archive;
    struct judgement judgement;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    for (int is_deep = 0; is_deep < 2; is_deep++) {
        judgement = judge(&archive, is_deep == 1);
        ck_assert_int_eq(judgement.status, PO_OK);
        ck_assert_uint_eq(judgement.hits.count, 0);
        free(judgement.hits.is_hit);
    }
    help_close(&archive);
}
END_TEST

START_TEST(the_counters_are_those_of_the_archive)
{
    struct help_archive archive;
    struct po_verify_result result;
    uint64_t content = 0;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    for (uint32_t f = 0; f < archive.reader->index->frame_count; f++)
        content += archive.reader->seeks[f].content_size;
    help_must(po_engine_verify(archive.reader, true, 3, NULL, &result, &err), &err);
    ck_assert_uint_eq(result.bytes, archive.reader->offsets[archive.reader->index->frame_count]);
    ck_assert_uint_eq(result.content_bytes, content);
    ck_assert_uint_eq(result.files, archive.reader->index->count);
    ck_assert(!result.is_registry_bad);
    po_verify_result_deinit(&result);
    help_close(&archive);
}
END_TEST

/* spec-test: READ-2, INDEX-8 */
START_TEST(damage_in_each_frame_names_exactly_what_has_a_part_in_it)
{
    struct help_archive archive;
    uint32_t frames;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    frames = archive.reader->index->frame_count;
    ck_assert_uint_gt(frames, 6);
    for (uint32_t f = 0; f < frames; f++) {
        uint8_t *at = sink.bytes.bytes + archive.reader->offsets[f] +
                      archive.reader->seeks[f].compressed_size / 2;

        *at ^= 0x10;
        for (int is_deep = 0; is_deep < 2; is_deep++) {
            struct judgement judgement = judge(&archive, is_deep == 1);
            char place[32];

            ck_assert_int_eq(judgement.status, PO_E_FORMAT);
            (void)snprintf(place, sizeof place, "frame %u:", f);
            ck_assert_msg(strncmp(judgement.err.text, place, strlen(place)) == 0, "%s",
                          judgement.err.text);
            assert_hits_of_frame(&archive, &judgement.hits, f);
            free(judgement.hits.is_hit);
        }
        *at ^= 0x10;
    }
    help_close(&archive);
}
END_TEST

/* ---- shares ---- */

/* Reads what is due on a day; the verdict. */
static enum po_status
read_share(const struct help_archive *archive, unsigned period, int32_t day, bool *is_found,
           uint32_t damaged)
{
    struct po_scrub *scrub = NULL;
    struct po_err anew;
    uint32_t count = archive->reader->index->frame_count;
    uint8_t *frames = calloc(count, 1);
    bool is_bad[PO_SCRUB_PERIOD_MAX] = { false };
    struct po_verify_result result;
    uint32_t number;
    uint64_t wanted = 0;
    enum po_status st;

    help_must(po_scrub_open(&scrub, "state", "/vault", period, day, &anew, &err), &err);
    help_must(po_scrub_add(scrub, archive->reader->digest, archive->reader->trailer.archive_id,
                           false, &number, &err),
              &err);
    for (uint32_t f = 0; f < count; f++) {
        frames[f] = po_scrub_is_due(scrub, number, po_scrub_slot(scrub, number, f));
        wanted += frames[f];
    }
    st = po_engine_verify_frames(archive->reader, frames, 1 + (unsigned)day % 3, NULL, &result,
                                 &err);
    ck_assert_uint_eq(result.frames, wanted);
    *is_found = false;
    for (uint32_t f = 0; f < count; f++) {
        ck_assert(frames[f] != PO_VERIFY_BAD || f == damaged);
        is_bad[po_scrub_slot(scrub, number, f)] |= frames[f] == PO_VERIFY_BAD;
        *is_found = *is_found || frames[f] == PO_VERIFY_BAD;
    }
    ck_assert(*is_found == (result.hits.count > 0));
    po_scrub_note(scrub, number, is_bad);
    help_must(po_scrub_save(scrub, &err), &err);
    po_scrub_free(scrub);
    po_verify_result_deinit(&result);
    free(frames);
    return st;
}

START_TEST(a_flipped_byte_in_any_frame_is_found_within_the_period_and_told_until_it_is_mended)
{
    const unsigned period = 4;
    struct help_archive archive;
    int32_t day = 20000;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    for (uint32_t f = 0; f < archive.reader->index->frame_count; f++) {
        uint8_t *at = sink.bytes.bytes + archive.reader->offsets[f] +
                      archive.reader->seeks[f].compressed_size / 2;
        bool is_found = false;
        bool was_found = false;

        *at ^= 0x10;
        for (unsigned i = 0; i < period; i++) {
            enum po_status st = read_share(&archive, period, day++, &is_found, f);

            /* The documents' own frames are read each time. */
            ck_assert(!is_found || st == PO_E_FORMAT);
            ck_assert(is_found || !was_found);
            was_found = is_found;
        }
        ck_assert_msg(is_found, "frame %u", f);
        *at ^= 0x10;
        ck_assert_int_eq(read_share(&archive, period, day++, &is_found, f), PO_OK);
    }
    help_close(&archive);
}
END_TEST

START_TEST(damage_in_several_frames_names_all_and_the_first_is_told)
{
    struct help_archive archive;
    struct judgement one;
    struct judgement two;
    uint64_t seed = help_seed();
    uint32_t frames;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    frames = archive.reader->index->frame_count;
    for (int round = 0; round < 60; round++) {
        uint64_t damaged[3];
        size_t count = 1 + help_random(&seed) % 3;

        for (size_t i = 0; i < count; i++) {
            uint64_t size = archive.reader->offsets[frames];

            damaged[i] = help_random(&seed) % size;
            sink.bytes.bytes[damaged[i]] ^= (uint8_t)(1u << help_random(&seed) % 8);
        }
        one = judge(&archive, true);
        two = judge(&archive, false);
        /* Two flips may meet and undo each other; else it is damage, quick or deep. */
        ck_assert_int_eq(one.status, two.status);
        ck_assert(one.status == PO_E_FORMAT || count > 1);
        ck_assert_mem_eq(one.hits.is_hit, two.hits.is_hit, one.hits.index->count);
        free(one.hits.is_hit);
        free(two.hits.is_hit);
        help_close(&archive);
        help_sink_deinit(&sink);
        po_backup_result_deinit(&backup);
        help_sink_init(&sink);
        make_archive();
        help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    }
    help_close(&archive);
}
END_TEST

START_TEST(frames_in_each_others_place_are_damage)
{
    struct help_archive archive;
    struct judgement judgement;
    const struct po_seek_entry *seeks;
    uint32_t f = 0;
    uint8_t *spare;

    help_write_random(BOX "/large", 500000, 9);
    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    seeks = archive.reader->seeks;
    /* Random bytes: full frames of one size. */
    while (seeks[f].compressed_size != seeks[f + 1].compressed_size ||
           seeks[f].content_size != FRAME_SIZE)
        ck_assert_uint_lt(++f, archive.reader->index->frame_count - 1);
    spare = malloc(seeks[f].compressed_size);
    ck_assert_ptr_nonnull(spare);
    memcpy(spare, sink.bytes.bytes + archive.reader->offsets[f], seeks[f].compressed_size);
    memcpy(sink.bytes.bytes + archive.reader->offsets[f],
           sink.bytes.bytes + archive.reader->offsets[f + 1], seeks[f].compressed_size);
    memcpy(sink.bytes.bytes + archive.reader->offsets[f + 1], spare, seeks[f].compressed_size);
    free(spare);
    for (int is_deep = 0; is_deep < 2; is_deep++) {
        judgement = judge(&archive, is_deep == 1);
        ck_assert_int_eq(judgement.status, PO_E_FORMAT);
        ck_assert_uint_ge(judgement.hits.count, 1);
        free(judgement.hits.is_hit);
    }
    help_close(&archive);
}
END_TEST

/* ---- vectors ---- */

struct vector {
    struct po_buf bytes;
    char expect[16];
    bool has_parents; /* files beside it, which are not looked at here */
    bool is_quick_ok;
    struct po_buf hits; /* each ended by a line feed */
};

/* One token of the text form (format-spec/vectors/README.md); where it ends. */
static const char *
take_token(struct vector *vector, const char *at)
{
    if (*at == '\'' || *at == '"') {
        const char *end = strchr(at + 1, *at);

        ck_assert_ptr_nonnull(end);
        po_buf_put(&vector->bytes, at + 1, (size_t)(end - at - 1));
        return end + 1;
    }
    {
        char *end;
        unsigned long value = strtoul(at, &end, 16);
        unsigned long count = 1;

        ck_assert_int_eq(end - at, 2);
        if (*end == '*')
            count = strtoul(end + 1, &end, 10);
        while (count-- > 0)
            po_buf_put_u8(&vector->bytes, (uint8_t)value);
        return end;
    }
}

static void
take_line(struct vector *vector, const char *line)
{
    if (strncmp(line, "#! expect: ", 11) == 0)
        (void)snprintf(vector->expect, sizeof vector->expect, "%s", line + 11);
    else if (strncmp(line, "#! with: ", 9) == 0)
        vector->has_parents = true;
    else if (strcmp(line, "#! quick: ok") == 0)
        vector->is_quick_ok = true;
    else if (strncmp(line, "#! hit: ", 8) == 0)
        po_buf_printf(&vector->hits, "%s\n", line + 8);
    for (const char *at = line; *at != '\0' && *at != '#';)
        at = *at == ' ' ? at + 1 : take_token(vector, at);
}

static void
read_vector(struct vector *vector, const char *name)
{
    char path[512];
    struct po_buf text = { 0 };
    char bytes[4096];
    size_t got;
    FILE *file;

    *vector = (struct vector){ 0 };
    (void)snprintf(path, sizeof path, POBACKUP_SOURCE_DIR "/format-spec/vectors/%s", name);
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0)
        po_buf_put(&text, bytes, got);
    ck_assert_int_eq(fclose(file), 0);
    po_buf_put_u8(&text, '\n');
    help_must(po_buf_check(&text, &err), &err);
    for (char *line = (char *)text.bytes, *end; line < (char *)text.bytes + text.size; line = end) {
        end = line + strcspn(line, "\n");
        *end++ = '\0';
        take_line(vector, line);
    }
    po_buf_deinit(&text);
    help_must(po_buf_check(&vector->bytes, &err), &err);
}

static const char *
verdict_of(enum po_status status)
{
    return status == PO_OK              ? "ok"
           : status == PO_E_FORMAT      ? "damaged"
           : status == PO_E_UNSUPPORTED ? "unsupported"
                                        : po_status_name(status);
}

static void
assert_vector_hits(const struct vector *vector, const struct hits *hits, const char *name)
{
    struct po_buf got = { 0 };

    if (vector->hits.size == 0)
        return;
    for (uint32_t e = 0; e < hits->index->count; e++) {
        size_t size;
        const char *path = po_index_path(hits->index, e, &size);

        if (hits->is_hit[e] != 0)
            po_buf_printf(&got, "%.*s\n", (int)size, path);
    }
    ck_assert_msg(got.size == vector->hits.size &&
                      memcmp(got.bytes, vector->hits.bytes, got.size) == 0,
                  "%s: hits %s", name, po_buf_text(&got));
    po_buf_deinit(&got);
}

static void
check_vector(const struct vector *vector, const char *name)
{
    struct help_archive archive = { .bytes = vector->bytes.bytes, .size = vector->bytes.size };
    struct judgement deep;
    struct judgement quick;

    if (help_try_open(&archive, vector->bytes.bytes, vector->bytes.size, &err) != PO_OK) {
        ck_assert_msg(strcmp(verdict_of(err.status), vector->expect) == 0, "%s: %s", name,
                      err.text);
        return;
    }
    deep = judge(&archive, true);
    quick = judge(&archive, false);
    if (!vector->has_parents)
        ck_assert_msg(strcmp(verdict_of(deep.status), vector->expect) == 0, "%s: %s", name,
                      deep.status == PO_OK ? "whole" : deep.err.text);
    ck_assert_msg(quick.status == deep.status || (quick.status == PO_OK && vector->is_quick_ok),
                  "%s: quick verification says %s", name, verdict_of(quick.status));
    if (deep.status == PO_E_FORMAT)
        assert_vector_hits(vector, &deep.hits, name);
    free(deep.hits.is_hit);
    free(quick.hits.is_hit);
    help_close(&archive);
}

START_TEST(every_vector_is_judged_as_it_says_by_the_library_and_by_any_number_of_threads)
{
    DIR *dir = opendir(POBACKUP_SOURCE_DIR "/format-spec/vectors");
    const struct dirent *child;
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((child = readdir(dir)) != NULL) {
        struct vector vector;

        if (strstr(child->d_name, ".hex") == NULL)
            continue;
        count++;
        read_vector(&vector, child->d_name);
        ck_assert_str_ne(vector.expect, "");
        check_vector(&vector, child->d_name);
        po_buf_deinit(&vector.bytes);
        po_buf_deinit(&vector.hits);
    }
    ck_assert_int_eq(closedir(dir), 0);
    ck_assert_uint_ge(count, 260);
}
END_TEST

/* ---- what is no damage ---- */

START_TEST(a_registry_that_does_not_parse_is_a_warning_of_deep_verification)
{
    struct help_archive archive;
    struct po_verify_result result;
    size_t told = 0;
    const struct po_watch watch = { .event = count_items, .ctx = &told };

    host.registry = "no registry document at all";
    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_must(po_engine_verify(archive.reader, true, 2, &watch, &result, &err), &err);
    ck_assert(result.is_registry_bad);
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(result.hits.count, 0);
    po_verify_result_deinit(&result);
    help_must(po_engine_verify(archive.reader, false, 2, NULL, &result, &err), &err);
    ck_assert(!result.is_registry_bad);
    po_verify_result_deinit(&result);
    help_close(&archive);
}
END_TEST

START_TEST(without_a_registry_there_is_nothing_to_parse)
{
    struct help_archive archive;
    struct po_verify_result result;

    host.place[PO_PART_REGISTRY][0] = '\0';
    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_must(po_engine_verify(archive.reader, true, 1, NULL, &result, &err), &err);
    ck_assert(!result.is_registry_bad);
    po_verify_result_deinit(&result);
    help_close(&archive);
}
END_TEST

/* ---- what ends it ---- */

struct failing_blob {
    const uint8_t *bytes;
    unsigned reads;
    unsigned fail_read; /* 0 = none */
};

static enum po_status
failing_read(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *failure)
{
    struct failing_blob *blob = ctx;

    if (++blob->reads == blob->fail_read)
        return po_fail(failure, PO_E_IO, "made to fail");
    memcpy(bytes, blob->bytes + offset, size);
    return PO_OK;
}

/* What the reader was opened with is at hand; what is fetched fails, once each. */
START_TEST(what_cannot_be_read_is_no_damage_and_the_rest_is_checked)
{
    struct failing_blob failing = { 0 };
    struct pobackup_blob blob = { .ctx = &failing, .read_at = failing_read };
    struct po_reader *reader = NULL;
    struct po_verify_result result;
    unsigned opening;
    unsigned all;
    unsigned frames_hit = 0;
    uint64_t frames;

    make_archive();
    failing.bytes = sink.bytes.bytes;
    blob.size = sink.bytes.size;
    help_must(po_reader_open(&reader, &blob, &err), &err);
    opening = failing.reads;
    help_must(po_engine_verify(reader, true, 2, NULL, &result, &err), &err);
    frames = result.frames;
    po_verify_result_deinit(&result);
    all = failing.reads - opening;
    ck_assert_uint_gt(all, 6);
    for (unsigned i = 1; i <= all; i++) {
        failing.reads = 0;
        failing.fail_read = i;
        ck_assert_int_eq(po_engine_verify(reader, true, 1 + i % 3, NULL, &result, &err), PO_E_IO);
        ck_assert_ptr_nonnull(strstr(err.text, "made to fail"));
        ck_assert_uint_eq(result.frames, frames);
        if (result.first.status == PO_E_IO) {
            frames_hit++;
            ck_assert_ptr_nonnull(strstr(err.text, "cannot be read"));
            ck_assert_uint_gt(result.hits.count, 0);
            ck_assert_ptr_nonnull(strstr(result.hits.items[0].reason, "made to fail"));
        }
        po_verify_result_deinit(&result);
    }
    ck_assert_uint_eq(frames_hit, frames);
    po_reader_free(reader);
}
END_TEST

struct canceller {
    volatile int cancel;
    unsigned at;
    unsigned events;
};

static void
cancel_at_event(void *ctx, const struct po_event *event)
{
    struct canceller *canceller = ctx;

    (void)event;
    if (++canceller->events == canceller->at)
        canceller->cancel = 2;
}

START_TEST(verification_can_be_cancelled_at_any_event)
{
    struct canceller canceller = { 0 };
    const struct po_watch watch = { .event = cancel_at_event,
                                    .ctx = &canceller,
                                    .cancel = &canceller.cancel };
    struct help_archive archive;
    struct po_verify_result result;
    unsigned events;

    make_archive();
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_must(po_engine_verify(archive.reader, true, 2, &watch, &result, &err), &err);
    po_verify_result_deinit(&result);
    events = canceller.events;
    ck_assert_uint_gt(events, 6);
    /* After the last one there is nothing left to be cancelled. */
    for (unsigned i = 1; i < events; i++) {
        canceller = (struct canceller){ .at = i };
        ck_assert_int_eq(po_engine_verify(archive.reader, true, 2, &watch, &result, &err),
                         PO_E_CANCELLED);
        po_verify_result_deinit(&result);
    }
    help_close(&archive);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verify");
    TCase *tc = tcase_create("verify");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_whole_archive_is_whole_quick_and_deep);
    tcase_add_test(tc, the_counters_are_those_of_the_archive);
    tcase_add_test(tc, damage_in_each_frame_names_exactly_what_has_a_part_in_it);
    tcase_add_test(
        tc, a_flipped_byte_in_any_frame_is_found_within_the_period_and_told_until_it_is_mended);
    tcase_add_test(tc, damage_in_several_frames_names_all_and_the_first_is_told);
    tcase_add_test(tc, frames_in_each_others_place_are_damage);
    tcase_add_test(tc,
                   every_vector_is_judged_as_it_says_by_the_library_and_by_any_number_of_threads);
    tcase_add_test(tc, a_registry_that_does_not_parse_is_a_warning_of_deep_verification);
    tcase_add_test(tc, without_a_registry_there_is_nothing_to_parse);
    tcase_add_test(tc, what_cannot_be_read_is_no_damage_and_the_rest_is_checked);
    tcase_add_test(tc, verification_can_be_cancelled_at_any_event);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
