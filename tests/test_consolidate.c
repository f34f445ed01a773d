/* One full archive out of a differential and its parents: it is the snapshot of the differential, in all
 * that is known of it, whatever was done to the site between. */
#include "archive/layout.h"
#include "chain_help.h"
#include "engine/consolidate.h"
#include "os_help.h"
#include "stream_help.h"

#define LARGE BOX "/large"
#define LARGE_SIZE ((size_t)700000) /* 11 frames */
#define ROUNDS 8

static struct po_err err;
static struct po_consolidate_options options;
static struct po_consolidate_result result;
static struct help_sink sink;
static struct help_archive made; /* what came out */

static void
setup(void)
{
    help_chain_begin();
    err = (struct po_err){ 0 };
    options = (struct po_consolidate_options){ .threads = 2, .frame_size = FRAME_SIZE };
    result = (struct po_consolidate_result){ 0 };
    made = (struct help_archive){ 0 };
    help_sink_init(&sink);
}

static void
forget(void)
{
    help_close(&made);
    made = (struct help_archive){ 0 };
    po_consolidate_result_deinit(&result);
    help_sink_deinit(&sink);
    help_sink_init(&sink);
}

static void
teardown(void)
{
    forget();
    help_chain_end();
}

static enum po_status
try_consolidate(const struct help_archive *of)
{
    struct po_joined *joined = help_chain_join(of);
    enum po_status st;

    forget();
    st = po_consolidate_write(of->reader, joined, &sink.sink, &options, NULL, &result, &err);
    po_joined_free(joined);
    return st == PO_OK ? po_consolidate_commit(&sink.sink, 1, NULL, &result, &err) : st;
}

static void
assert_same_bytes(const void *a, size_t a_size, const void *b, size_t b_size, const char *path)
{
    ck_assert_msg(a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0), "%s", path);
}

static void
assert_same_content(const struct po_reader *a, const struct po_reader *b, uint32_t number,
                    const char *path)
{
    struct po_buf x = { 0 };
    struct po_buf y = { 0 };
    size_t at;

    help_must(po_reader_content(a, number, 1u << 20, &x, &at, &err), &err);
    help_must(po_reader_content(b, number, 1u << 20, &y, &at, &err), &err);
    assert_same_bytes(x.bytes, x.size, y.bytes, y.size, path);
    po_buf_deinit(&x);
    po_buf_deinit(&y);
}

static void
assert_same_security(const struct po_index *a, const struct po_index *b, uint32_t i,
                     const char *path)
{
    uint32_t x = po_index_security(a, i);
    uint32_t y = po_index_security(b, i);
    size_t x_size = 0;
    size_t y_size = 0;
    const uint8_t *x_bytes = x == 0 ? NULL : po_index_security_bytes(a, x, &x_size);
    const uint8_t *y_bytes = y == 0 ? NULL : po_index_security_bytes(b, y, &y_size);

    assert_same_bytes(x_bytes, x_size, y_bytes, y_size, path);
}

/* Every column of an entry, but where it lies. */
static void
assert_same_entry(const struct po_reader *from, const struct po_reader *to, uint32_t i)
{
    const struct po_index *a = from->index;
    const struct po_index *b = to->index;
    char path[256];
    size_t a_size;
    size_t b_size;
    const char *text = po_index_path(a, i, &a_size);
    const char *other = po_index_path(b, i, &b_size);

    (void)snprintf(path, sizeof path, "%.*s", (int)a_size, text);
    assert_same_bytes(text, a_size, other, b_size, path);
    ck_assert_uint_eq(po_index_source(b, i), 0);
    if (po_is_path(text, a_size, PO_MANIFEST_PATH) || po_is_path(text, a_size, PO_SUMMARY_PATH))
        return;
    ck_assert_msg(po_index_type(a, i) == po_index_type(b, i), "%s", path);
    ck_assert_msg(po_index_size(a, i) == po_index_size(b, i), "%s", path);
    ck_assert_msg(po_index_write_time(a, i) == po_index_write_time(b, i), "%s", path);
    ck_assert_msg(po_index_create_time(a, i) == po_index_create_time(b, i), "%s", path);
    ck_assert_msg(po_index_change_time(a, i) == po_index_change_time(b, i), "%s", path);
    ck_assert_msg(po_index_file_id(a, i) == po_index_file_id(b, i), "%s", path);
    ck_assert_msg(po_index_attributes(a, i) == po_index_attributes(b, i), "%s", path);
    assert_same_bytes(po_index_hash(a, i), PO_HASH_SIZE, po_index_hash(b, i), PO_HASH_SIZE, path);
    assert_same_security(a, b, i, path);
    a_size = b_size = 0;
    text = po_index_link(a, i, &a_size);
    other = po_index_link(b, i, &b_size);
    assert_same_bytes(text, a_size, other, b_size, path);
    if (po_index_type(a, i) == POBACKUP_FILE)
        assert_same_content(from, to, i, path);
}

/* A hard link names what stands before it. spec-test: TAR-2 */
static void
assert_links_lead_back(const struct po_index *index)
{
    for (uint32_t i = 0; i < index->count; i++) {
        size_t size;
        const char *path = po_index_link(index, i, &size);
        uint32_t target;

        if (po_index_type(index, i) != POBACKUP_HARDLINK)
            continue;
        target = po_index_find(index, path, size);
        ck_assert_uint_ne(target, PO_NONE);
        ck_assert(((uint64_t)po_index_frame(index, target) << 32 | po_index_offset(index, target)) <
                  ((uint64_t)po_index_frame(index, i) << 32 | po_index_offset(index, i)));
    }
}

static void
assert_same_snapshot(const struct help_archive *of)
{
    struct po_joined *joined = help_chain_join(of);
    const struct po_reader *from = po_joined_reader(joined);
    const struct po_reader *to = made.reader;

    ck_assert_uint_eq(to->index->parent_count, 0);
    ck_assert_uint_eq(to->index->unlisted_count, 0);
    ck_assert_uint_eq(from->index->count, to->index->count);
    for (uint32_t i = 0; i < from->index->count; i++)
        assert_same_entry(from, to, i);
    assert_links_lead_back(to->index);
    ck_assert_int_eq(to->trailer.created, from->trailer.created);
    po_joined_free(joined);
}

/* It becomes `made`, and is what it ought to be. */
static void
consolidate(const struct help_archive *of)
{
    help_must(try_consolidate(of), &err);
    ck_assert(sink.is_committed);
    help_open(&made, sink.bytes.bytes, sink.bytes.size);
    ck_assert_uint_eq(sink.bytes.size, result.archive_bytes);
    ck_assert_int_eq(memcmp(made.reader->digest, result.digest, PO_DIGEST_SIZE), 0);
    help_assert_whole(&made);
    assert_same_snapshot(of);
}

static uint32_t
entry_of(const struct help_archive *archive, const char *path)
{
    uint32_t number = po_index_find(archive->reader->index, path, strlen(path));

    ck_assert_msg(number != PO_NONE, "%s is not there", path);
    return number;
}

/* ---- tests ---- */

START_TEST(what_is_unchanged_is_copied_and_the_rest_packed_anew)
{
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/00/user/message-5"), 0);
    help_write_text(BOX "/new", "new");
    archive = help_chain_save(0);
    consolidate(archive);
    help_assert_site(&made, &help_chain.host);
    ck_assert_uint_ge(result.frames_copied, LARGE_SIZE / FRAME_SIZE);
    ck_assert_uint_ge(result.frames_remade, 1);
    ck_assert_uint_ge(result.bytes_copied, LARGE_SIZE);
    ck_assert(!help_has(&made, BOX "/00/user/message-5"));
}
END_TEST

/* The frames of a content that spans them stay those that they were. */
START_TEST(a_file_of_many_frames_is_copied_as_it_stands)
{
    struct help_archive *archive;
    struct po_frame_info before;
    struct po_frame_info after;
    uint32_t from;
    uint32_t to;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    help_write_text(BOX "/new", "new");
    archive = help_chain_save(0);
    consolidate(archive);
    from = po_index_frame(help_chain.archives[0].reader->index,
                          entry_of(&help_chain.archives[0], LARGE));
    to = po_index_frame(made.reader->index, entry_of(&made, LARGE));
    for (uint32_t i = 0; i <= LARGE_SIZE / FRAME_SIZE; i++) {
        po_index_frame_info(help_chain.archives[0].reader->index, from + i, &before);
        po_index_frame_info(made.reader->index, to + i, &after);
        ck_assert_int_eq(memcmp(before.blake2b, after.blake2b, PO_DIGEST_SIZE), 0);
    }
}
END_TEST

START_TEST(a_file_of_many_frames_that_is_gone_is_left_out)
{
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(LARGE), 0);
    archive = help_chain_save(0);
    consolidate(archive);
    ck_assert_uint_ge(result.frames_dropped, LARGE_SIZE / FRAME_SIZE);
    ck_assert_uint_lt(made.size, help_chain.sinks[0].size - LARGE_SIZE);
}
END_TEST

/* The new frames may be of another size than those of the sources. */
START_TEST(what_spans_frames_may_be_packed_into_others)
{
    struct help_archive *archive;

    options.frame_size = 4 * FRAME_SIZE;
    help_make_site();
    help_write_random(BOX "/a-middle", FRAME_SIZE / 2, 1);
    help_write_random(BOX "/b-middle", FRAME_SIZE / 4, 2);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/a-middle"), 0);
    archive = help_chain_save(0);
    consolidate(archive);
    ck_assert_uint_gt(result.frames_remade, 0);
}
END_TEST

START_TEST(hard_links_and_their_files_stay_together)
{
    struct help_archive *archive;

    help_make_site();
    help_write_text(BOX "/one", "two names");
    ck_assert_int_eq(link(BOX "/one", BOX "/two"), 0);
    help_write_text(BOX "/apart", "two names, soon one");
    ck_assert_int_eq(link(BOX "/apart", BOX "/apart-2"), 0);
    help_write_text(BOX "/later", "one name, soon two");
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/apart"), 0);
    ck_assert_int_eq(link(BOX "/later", BOX "/a-later"), 0);
    (void)help_chain_save(0);
    help_write_text(BOX "/day", "another");
    archive = help_chain_save(1);
    consolidate(archive);
    help_assert_site(&made, &help_chain.host);
    ck_assert_uint_eq(po_index_type(made.reader->index, entry_of(&made, BOX "/two")),
                      POBACKUP_HARDLINK);
}
END_TEST

/* Its own frame could be copied, but then it would stand before the file, whose frame cannot. */
START_TEST(a_hard_link_is_not_copied_without_its_file)
{
    const struct po_index *full;
    struct help_archive *archive;
    char path[64];

    help_write_text(BIN "/a-changes", "before");
    help_write_text(BIN "/a-one", "two names");
    ck_assert_int_eq(link(BIN "/a-one", BIN "/z-two"), 0);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(path, sizeof path, BIN "/x-%u", i);
        help_write_random(path, 4000, i);
    }
    help_make_directory(BOX);
    help_make_directory(SPOOL);
    (void)help_chain_save(-1);
    full = help_chain.archives[0].reader->index;
    ck_assert_uint_lt(po_index_frame(full, entry_of(&help_chain.archives[0], BIN "/a-one")),
                      po_index_frame(full, entry_of(&help_chain.archives[0], BIN "/z-two")));
    help_write_text(BIN "/a-changes", "after");
    archive = help_chain_save(0);
    consolidate(archive);
    ck_assert_uint_ge(result.frames_copied, 2);
    help_assert_site(&made, &help_chain.host);
}
END_TEST

START_TEST(alternate_streams_are_carried_over)
{
    static const char stream[] = "pobackup/streams/" BOX "/f/%/Zone.Identifier";
    struct help_archive *archive;
    uint32_t number;

    help_streams_state = (struct help_streams_state){ 0 };
    help_chain.options.stream_ops = &help_streams;
    help_make_site();
    help_write_text(BOX "/f", "owner");
    help_make_directory("ads");
    help_write_text("ads/f@Zone.Identifier", "ZoneId=3");
    (void)help_chain_save(-1);
    help_write_text(BOX "/new", "new");
    archive = help_chain_save(0);
    consolidate(archive);
    number = entry_of(&made, stream);
    ck_assert_uint_eq(po_index_size(made.reader->index, number), 8);
}
END_TEST

START_TEST(the_documents_are_those_of_a_full)
{
    struct po_manifest_core core = { 0 };
    struct po_buf json = { 0 };
    struct po_buf digest = { 0 };
    struct help_archive *archive;
    static const char *const excludes[] = { BOX "/skipped*" };

    help_make_site();
    help_chain.options.purpose = "pre-upgrade";
    help_chain.options.excludes = excludes;
    help_chain.options.exclude_count = 1;
    (void)help_chain_save(-1);
    archive = help_chain_save(0);
    consolidate(archive);
    help_must(po_reader_manifest(made.reader, &json, &err), &err);
    help_must(po_manifest_parse(&core, json.bytes, json.size, &err), &err);
    ck_assert(!core.is_diff);
    ck_assert_str_eq(core.purpose, "pre-upgrade");
    ck_assert_int_eq(core.created, archive->reader->trailer.created);
    ck_assert_int_ne(memcmp(core.archive_id, archive->reader->trailer.archive_id, PO_ID_SIZE), 0);
    ck_assert_ptr_nonnull(core.host_name);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "\"services\""));
    po_manifest_core_deinit(&core);
    po_buf_clear(&json);
    help_must(po_reader_summary(made.reader, &json, &err), &err);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), BOX "/skipped*"));
    for (unsigned i = 0; i < 2; i++) {
        const struct po_reader *source = help_chain.archives[i].reader;

        po_buf_clear(&digest);
        for (unsigned k = 0; k < PO_DIGEST_SIZE; k++)
            po_buf_printf(&digest, "%02x", source->digest[k]);
        ck_assert_ptr_nonnull(strstr(po_buf_text(&json), po_buf_text(&digest)));
    }
    po_buf_deinit(&digest);
    po_buf_deinit(&json);
}
END_TEST

START_TEST(a_full_is_refused)
{
    help_make_site();
    ck_assert_int_eq(try_consolidate(help_chain_save(-1)), PO_E_USAGE);
    ck_assert_uint_eq(sink.size, 0);
}
END_TEST

START_TEST(a_parent_that_is_not_there_is_named)
{
    struct po_reader *none[1] = { NULL };
    struct po_joined *joined = NULL;
    struct help_archive *archive;

    help_make_site();
    (void)help_chain_save(-1);
    archive = help_chain_save(0);
    help_must(po_joined_new(&joined, archive->reader, none, &err), &err);
    ck_assert_int_eq(
        po_consolidate_write(archive->reader, joined, &sink.sink, &options, NULL, &result, &err),
        PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "0.tar.zst"));
    po_joined_free(joined);
}
END_TEST

/* The last byte of the frame in which this file of the full begins. */
static uint8_t *
last_byte_of(const char *path)
{
    const struct po_reader *reader = help_chain.archives[0].reader;
    uint32_t frame = po_index_frame(reader->index, entry_of(&help_chain.archives[0], path));

    return &help_chain.sinks[0].bytes.bytes[reader->offsets[frame + 1] - 1];
}

START_TEST(a_damaged_frame_that_is_needed_is_an_error_that_names_its_files)
{
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/00/user/message-5"), 0);
    archive = help_chain_save(0);
    /* One that is copied, and one that is packed anew. */
    *last_byte_of(LARGE) ^= 1;
    ck_assert_int_eq(try_consolidate(archive), PO_E_FORMAT);
    ck_assert(!sink.is_committed);
    ck_assert_uint_eq(result.hits.count, 1);
    ck_assert(help_problems_have(&result.hits, LARGE, "parent 0.tar.zst: frame"));
    ck_assert_ptr_nonnull(strstr(err.text, "parent 0.tar.zst: frame"));
    *last_byte_of(LARGE) ^= 1;
    *last_byte_of(BOX "/00/user/message-5") ^= 1;
    ck_assert_int_eq(try_consolidate(archive), PO_E_FORMAT);
    ck_assert(!sink.is_committed);
    ck_assert(help_problems_have(&result.hits, BOX "/00/user/message-10", "frame"));
    ck_assert(!help_problems_have(&result.hits, BOX "/00/user/message-5", "frame"));
}
END_TEST

START_TEST(a_damaged_frame_that_is_not_needed_does_not_matter)
{
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(LARGE), 0);
    archive = help_chain_save(0);
    *last_byte_of(LARGE) ^= 1;
    consolidate(archive);
}
END_TEST

static void
spoil(void *ctx, unsigned write)
{
    (void)ctx;
    if (write == 4)
        sink.bytes.bytes[sink.bytes.size / 2] ^= 1;
}

START_TEST(what_is_not_as_it_was_written_is_not_committed)
{
    struct po_joined *joined;
    struct help_archive *archive;

    help_make_site();
    (void)help_chain_save(-1);
    archive = help_chain_save(0);
    joined = help_chain_join(archive);
    sink.hook = spoil;
    help_must(
        po_consolidate_write(archive->reader, joined, &sink.sink, &options, NULL, &result, &err),
        &err);
    ck_assert_int_eq(po_consolidate_commit(&sink.sink, 1, NULL, &result, &err), PO_E_IO);
    ck_assert(!sink.is_committed);
    po_joined_free(joined);
}
END_TEST

START_TEST(a_plan_says_what_a_run_does)
{
    struct po_consolidate_result plan;
    struct po_joined *joined;
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)help_chain_save(-1);
    ck_assert_int_eq(unlink(BOX "/00/user/message-5"), 0);
    archive = help_chain_save(0);
    joined = help_chain_join(archive);
    help_must(po_consolidate_plan(archive->reader, joined, &options, &plan, &err), &err);
    po_joined_free(joined);
    consolidate(archive);
    ck_assert_uint_eq(plan.frames_copied, result.frames_copied);
    ck_assert_uint_eq(plan.frames_remade, result.frames_remade);
    ck_assert_uint_eq(plan.frames_dropped, result.frames_dropped);
    ck_assert_uint_eq(plan.files, result.files);
    ck_assert_uint_eq(plan.bytes, result.bytes);
    ck_assert_uint_lt(plan.archive_bytes, result.archive_bytes * 11 / 10);
    ck_assert_uint_gt(plan.archive_bytes, result.archive_bytes * 9 / 10);
}
END_TEST

/* The new full can be the base of what comes. */
START_TEST(a_differential_can_stand_on_it)
{
    struct help_archive *archive;

    help_make_site();
    (void)help_chain_save(-1);
    help_write_text(BOX "/new", "new");
    archive = help_chain_save(0);
    consolidate(archive);
    help_close(&help_chain.archives[0]);
    help_sink_deinit(&help_chain.sinks[0]);
    help_chain.sinks[0] = sink;
    help_open(&help_chain.archives[0], help_chain.sinks[0].bytes.bytes,
              help_chain.sinks[0].bytes.size);
    help_sink_init(&sink);
    help_close(&made);
    made = (struct help_archive){ 0 };
    help_write_text(BOX "/newer", "newer");
    archive = help_chain_save(0);
    ck_assert_uint_eq(help_chain.result.files_new, 2);
    consolidate(archive);
    help_assert_site(&made, &help_chain.host);
}
END_TEST

START_TEST(any_archive_of_any_history_becomes_a_full_of_the_same)
{
    uint64_t chance = help_seed();
    uint64_t copied = 0;
    uint64_t unlisted = 0;

    for (int round = 0; round < ROUNDS; round++) {
        help_make_site();
        help_chain_work(&chance, 100);
        help_write_random(LARGE, LARGE_SIZE, chance);
        (void)help_chain_save_busy(-1, &chance);
        for (int i = 1; i < HELP_CHAIN; i++) {
            struct help_archive *archive;

            help_chain_work(&chance, 10);
            archive = help_chain_save_busy((int)(help_random(&chance) % (uint32_t)i), &chance);
            unlisted += archive->reader->index->unlisted_count;
            options.frame_size = FRAME_SIZE << help_random(&chance) % 3;
            consolidate(archive);
            help_assert_site(&made, &help_chain.host);
            copied += result.frames_copied;
        }
        help_chain_drop();
        os_remove(BIN);
        os_remove(SPOOL);
        os_remove(BOX);
    }
    ck_assert_uint_gt(copied, ROUNDS);
    ck_assert_uint_gt(unlisted, 0); /* that is met too: members that are not of the snapshot */
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("consolidate");
    TCase *tc = tcase_create("consolidate");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, what_is_unchanged_is_copied_and_the_rest_packed_anew);
    tcase_add_test(tc, a_file_of_many_frames_is_copied_as_it_stands);
    tcase_add_test(tc, a_file_of_many_frames_that_is_gone_is_left_out);
    tcase_add_test(tc, what_spans_frames_may_be_packed_into_others);
    tcase_add_test(tc, hard_links_and_their_files_stay_together);
    tcase_add_test(tc, a_hard_link_is_not_copied_without_its_file);
    tcase_add_test(tc, alternate_streams_are_carried_over);
    tcase_add_test(tc, the_documents_are_those_of_a_full);
    tcase_add_test(tc, a_full_is_refused);
    tcase_add_test(tc, a_parent_that_is_not_there_is_named);
    tcase_add_test(tc, a_damaged_frame_that_is_needed_is_an_error_that_names_its_files);
    tcase_add_test(tc, a_damaged_frame_that_is_not_needed_does_not_matter);
    tcase_add_test(tc, what_is_not_as_it_was_written_is_not_committed);
    tcase_add_test(tc, a_plan_says_what_a_run_does);
    tcase_add_test(tc, a_differential_can_stand_on_it);
    tcase_add_test(tc, any_archive_of_any_history_becomes_a_full_of_the_same);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
