#include "archive/entry.h"
#include "archive/frame.h"
#include "archive/frame_probe.h"
#include "archive/manifest.h"
#include "archive_help.h"
#include "base/mem.h"
#include "engine/salvage_parts.h"
#include "os_help.h"

/* ---- frames ---- */

static struct po_frame_encoder *encoder;

static void
setup(void)
{
    struct po_err err;

    ck_assert_int_eq(po_frame_encoder_new(&encoder, 3, 65536, true, &err), PO_OK);
}

static void
teardown(void)
{
    po_frame_encoder_free(encoder);
}

/* A frame of `size` random bytes; *info tells its sizes. Freed by po_buf_deinit. */
static struct po_buf
make_frame(struct help_random *random, size_t size, struct po_frame_info *info)
{
    struct po_buf content = { 0 };
    struct po_buf out = { 0 };
    struct po_err err;

    po_buf_put_zeros(&content, size);
    help_random_fill(random, content.bytes, size / 2); /* half of it packs well */
    ck_assert(po_buf_reserve(&out, po_frame_encoded_bound(size)));
    ck_assert_int_eq(
        po_frame_encode(encoder, content.bytes, size, out.bytes, out.capacity, info, &err), PO_OK);
    out.size = info->compressed_size;
    po_buf_deinit(&content);
    return out;
}

struct bytes {
    const uint8_t *bytes;
    size_t size;
};

static const uint8_t *
peek(void *ctx, uint64_t offset, size_t size)
{
    const struct bytes *bytes = ctx;

    return offset <= bytes->size && size <= bytes->size - offset ? bytes->bytes + offset : NULL;
}

START_TEST(a_frame_is_probed_with_its_sizes_at_any_place)
{
    static const size_t sizes[] = { 1, 255, 256, 300, 65791, 65792, 70000, 300000 };
    struct help_random random = help_random_begin("probe", 1);

    for (size_t i = 0; i < HELP_COUNT(sizes); i++) {
        struct po_frame_info info;
        struct po_buf frame = make_frame(&random, sizes[i], &info);
        struct po_buf file = { 0 };
        struct bytes bytes;
        struct po_probe probe;

        po_buf_put_zeros(&file, 7);
        po_buf_put(&file, frame.bytes, frame.size);
        po_buf_put_zeros(&file, 3);
        bytes = (struct bytes){ file.bytes, file.size };
        ck_assert(po_probe_frame(&probe, 7, peek, &bytes));
        ck_assert_uint_eq(probe.compressed_size, info.compressed_size);
        ck_assert_uint_eq(probe.content_size, sizes[i]);
        ck_assert(!po_probe_frame(&probe, 6, peek, &bytes));
        bytes.size = 7 + frame.size - 1; /* cut */
        ck_assert(!po_probe_frame(&probe, 7, peek, &bytes));
        po_buf_deinit(&frame);
        po_buf_deinit(&file);
    }
}
END_TEST

/* spec-test: FRAME-1, FRAME-2 */
START_TEST(what_no_frame_of_an_archive_is_is_not_probed)
{
    static const uint8_t bad[][18] = {
        { 0x28, 0xB5, 0x2F, 0xFD, 0x20, 1, 9, 0, 0, 'x' },       /* no checksum */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x04, 0, 9, 0, 0, 'x' },       /* no content size */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x2C, 1, 9, 0, 0, 'x' },       /* the reserved bit */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x34, 1, 9, 0, 0, 'x' },       /* the unused bit */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x25, 0, 1, 9, 0, 0, 'x' },    /* a dictionary */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x24, 0, 1, 0, 0 },            /* no content */
        { 0x28, 0xB5, 0x2F, 0xFD, 0xA4, 1, 0, 0, 2, 1, 0, 0 },   /* more than 32 MiB */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x44, 0x80, 0, 0, 9, 0, 0 },   /* a window of 64 MiB */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x24, 1, 7, 0, 0, 'x' },       /* a block of the reserved type */
        { 0x28, 0xB5, 0x2F, 0xFD, 0x24, 1, 0x11, 0, 0, 'x', 0 }, /* a block beyond the content */
        { 0x28, 0xB5, 0x2F, 0xFE, 0x24, 1, 9, 0, 0, 'x' },       /* another magic number */
    };
    static const uint8_t good[18] = { 0x28, 0xB5, 0x2F, 0xFD, 0x24, 1, 9, 0, 0, 'x' };
    static const uint8_t wide[24] = { 0x28, 0xB5, 0x2F, 0xFD, 0xE4, 1, 0, 0,  0,
                                      0,    0,    0,    0,    9,    0, 0, 'x' };
    static const uint8_t wider[24] = { 0x28, 0xB5, 0x2F, 0xFD, 0xE4, 1, 0, 0,  0,
                                       1,    0,    0,    0,    9,    0, 0, 'x' };
    struct bytes bytes = { good, sizeof good };
    struct po_probe probe;

    ck_assert(po_probe_frame(&probe, 0, peek, &bytes));
    ck_assert_uint_eq(probe.compressed_size, 14);
    /* The content's size in eight bytes. */
    bytes = (struct bytes){ wide, sizeof wide };
    ck_assert(po_probe_frame(&probe, 0, peek, &bytes));
    ck_assert_uint_eq(probe.content_size, 1);
    ck_assert_uint_eq(probe.compressed_size, 21);
    bytes.bytes = wider;
    ck_assert(!po_probe_frame(&probe, 0, peek, &bytes));
    bytes.size = sizeof bad[0];
    for (size_t i = 0; i < HELP_COUNT(bad); i++) {
        bytes.bytes = bad[i];
        if (po_probe_frame(&probe, 0, peek, &bytes))
            ck_abort_msg("%zu", i);
    }
}
END_TEST

/* ---- the scan ---- */

struct piece {
    uint64_t offset;
    uint32_t size;
};

static void
assert_found(struct help_memory *memory, const struct piece *pieces, uint32_t count)
{
    struct pobackup_blob blob = help_shared_blob(memory);
    struct po_err err;

    for (unsigned threads = 1; threads <= 4; threads += 3) {
        struct po_salvage_scan scan = { 0 };

        ck_assert_int_eq(po_salvage_scan_run(&scan, &blob, threads, NULL, &err), PO_OK);
        ck_assert_uint_eq(scan.count, count);
        ck_assert(!scan.is_cut_short);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_uint_eq(scan.frames[i].offset, pieces[i].offset);
            ck_assert_uint_eq(scan.frames[i].compressed_size, pieces[i].size);
        }
        po_salvage_scan_deinit(&scan);
    }
}

START_TEST(frames_are_found_between_anything)
{
    struct help_random random = help_random_begin("scan", (uint64_t)_i);
    struct help_memory memory = { 0 };
    struct piece pieces[64];
    uint32_t count = 0;

    for (unsigned i = 0; i < 64; i++) {
        struct po_frame_info info;
        struct po_buf frame = make_frame(&random, 1 + help_random_size(&random, 90000), &info);
        uint8_t junk[3000];
        size_t junk_size = help_random_size(&random, sizeof junk);

        switch (help_random_below(&random, 5)) {
        case 0: /* cut; what follows goes through its end */
            help_memory_put(&memory, frame.bytes, help_random_size(&random, frame.size));
            break;
        case 1: /* a bit of its checksum */
            frame.bytes[frame.size - 1] ^= 1;
            help_memory_put(&memory, frame.bytes, frame.size);
            break;
        case 2:
            help_random_fill(&random, junk, junk_size);
            help_memory_put(&memory, junk, junk_size);
            break;
        default:
            pieces[count++] = (struct piece){ memory.size, (uint32_t)frame.size };
            help_memory_put(&memory, frame.bytes, frame.size);
            break;
        }
        po_buf_deinit(&frame);
    }
    assert_found(&memory, pieces, count);
    help_memory_free(&memory);
}
END_TEST

/* A frame that is another's content is found when that one does not decode, and only then. */
START_TEST(a_frame_in_a_frame_is_its_content_while_that_is_whole)
{
    struct help_random random = help_random_begin("nested", 1);
    struct help_memory memory = { 0 };
    struct po_frame_info info;
    struct po_buf inner = make_frame(&random, 1000, &info);
    struct po_buf outer = { 0 };

    ck_assert(po_buf_reserve(&outer, po_frame_encoded_bound(inner.size)));
    po_frame_store(inner.bytes, inner.size, outer.bytes, &info);
    outer.size = info.compressed_size;
    help_memory_put(&memory, outer.bytes, outer.size);
    assert_found(&memory, &(struct piece){ 0, (uint32_t)outer.size }, 1);
    memory.bytes[memory.size - 1] ^= 1;
    assert_found(&memory, &(struct piece){ 4 + 1 + 4 + 3, (uint32_t)inner.size }, 1);
    help_memory_free(&memory);
    po_buf_deinit(&inner);
    po_buf_deinit(&outer);
}
END_TEST

START_TEST(a_failing_read_ends_the_scan)
{
    struct help_random random = help_random_begin("read", 1);
    struct help_memory memory = { 0 };
    struct po_frame_info info;
    struct po_buf frame = make_frame(&random, 5000, &info);
    struct pobackup_blob blob;
    struct po_salvage_scan scan = { 0 };
    struct po_err err;
    enum po_status st = PO_E_IO;
    unsigned long failures = 0;

    help_memory_put(&memory, frame.bytes, frame.size);
    help_memory_put(&memory, "some bytes behind it", 20);
    blob = help_blob(&memory);
    for (memory.fail_at = 1; st != PO_OK; memory.fail_at++) {
        memory.calls = 0;
        st = po_salvage_scan_run(&scan, &blob, 1, NULL, &err);
        failures += st == PO_E_IO;
        ck_assert(st == PO_OK || st == PO_E_IO);
    }
    ck_assert_uint_ge(failures, 2);
    ck_assert_uint_eq(scan.count, 1);
    po_salvage_scan_deinit(&scan);
    po_buf_deinit(&frame);
    help_memory_free(&memory);
}
END_TEST

/* ---- joining ---- */

#define C PO_SALVAGE_CONTINUED
#define M PO_SALVAGE_MEMBER

/* Frames of `text`: a digit is one that goes on, with so much content; 'M' begins with a member of a
 * backup, 'm' with one of another name (both have 5); '-' is a gap. */
static uint32_t
make_scan(struct po_salvage_scan *scan, struct po_salvage_frame *frames, const char *text)
{
    uint64_t offset = 0;

    *scan = (struct po_salvage_scan){ .frames = frames };
    for (; *text != 0; text++) {
        bool is_member = *text == 'M' || *text == 'm';

        if (*text == '-') {
            offset += 10;
            continue;
        }
        frames[scan->count++] = (struct po_salvage_frame){
            .offset = offset,
            .content_size = is_member ? 5 : (uint32_t)(*text - '0'),
            .compressed_size = 100,
            .kind = is_member ? M : C,
            .is_usual = *text == 'M',
        };
        offset += 100;
    }
    return scan->count;
}

static const struct {
    const char *frames;
    uint64_t left; /* what the member that begins in frame `from` lacks */
    uint32_t from;
    uint32_t proven;
    bool is_whole;
    bool is_pieced;
    uint32_t taken[4]; /* frames and a 0 */
} joins[] = {
    { "M34M", 7, 0, PO_NONE, true, false, { 1, 2 } },
    { "M34", 7, 0, PO_NONE, true, false, { 1, 2 } },
    { "M3", 7, 0, PO_NONE, false, false, { 1 } },
    { "M35M", 7, 0, PO_NONE, false, false, { 1 } },     /* too much: a frame is missing */
    { "M344M", 7, 0, PO_NONE, false, false, { 1, 2 } }, /* one too many, and nobody knows which */
    { "M3-4M", 7, 0, PO_NONE, true, true, { 1, 2 } },   /* over a gap */
    { "4M-M3", 7, 1, PO_NONE, false, false, { 0 } },    /* a member stands between */
    { "4-M3", 7, 1, PO_NONE, true, true, { 2, 0 } },    /* in the wrong order; frame 0 comes last */
    { "M3-4M-4M", 7, 0, PO_NONE, false, false, { 1 } }, /* two places would do */
    { "M3-4M-5M", 7, 0, PO_NONE, true, true, { 1, 2 } }, /* one does */
    { "Mm3M", 8, 0, PO_NONE, true, false, { 1, 2 } },    /* a tar in a file */
    { "MM3M", 8, 0, PO_NONE, false, false, { 0 } },      /* or the next member */
    { "MM3M", 8, 0, 3, true, false, { 1, 2 } },          /* but not where the order is proven */
    { "M344M", 7, 0, 4, true, false, { 1, 2 } },
};

START_TEST(a_member_goes_on_where_it_fits_to_the_byte)
{
    struct po_salvage_frame frames[8];
    struct po_salvage_scan scan;
    struct po_salvage_open open = { .frame = joins[_i].from, .left = joins[_i].left };
    uint8_t claimed[8] = { 0 };
    struct po_err err;
    uint32_t count = make_scan(&scan, frames, joins[_i].frames);

    ck_assert_int_eq(po_salvage_join(&scan, joins[_i].proven, &open, 1, claimed, &err), PO_OK);
    ck_assert_int_eq(open.is_whole, joins[_i].is_whole);
    ck_assert_int_eq(open.is_pieced, joins[_i].is_pieced);
    for (uint32_t i = 0; i < open.frame_count; i++) {
        ck_assert_uint_lt(open.frames[i], count);
        ck_assert_uint_eq(open.frames[i], joins[_i].taken[i]);
        ck_assert_uint_eq(claimed[open.frames[i]], 1);
    }
    ck_assert_uint_eq(joins[_i].taken[open.frame_count], 0);
    po_mem_free(open.frames);
}
END_TEST

/* ---- the whole ---- */

static const struct pobackup_writer_options writer_options = {
    .frame_size = 65536, .level = 1, .host = "h", .created = 17639784001234567
};

/* Salvages the memory into `top`/out; the result is the caller's. */
static enum po_status
salvage(struct help_memory *memory, const char *top, unsigned threads,
        struct po_salvage_result *result, struct po_err *err)
{
    char path[OS_PATH_SIZE + 8];
    struct pobackup_blob blob = help_shared_blob(memory);
    struct po_salvage_options options = { .directory = path, .threads = threads };

    (void)snprintf(path, sizeof path, "%s/out", top);
    return po_salvage_run(&blob, &options, NULL, result, err);
}

static void
assert_content(const char *top, const struct help_set *set, const char *path, size_t size)
{
    char full[OS_PATH_SIZE + 300];
    int number = help_set_find(set, path, size);
    struct po_file *file = NULL;
    struct po_err err;
    uint8_t *bytes;
    size_t got = 0;

    ck_assert_int_ge(number, 0);
    (void)snprintf(full, sizeof full, "%s/out/%.*s", top, (int)size, path);
    bytes = po_mem_new(1, (size_t)set->entries[number].size + 1);
    ck_assert_int_eq(po_os_file_open(&file, full, PO_FILE_READ, &err), PO_OK);
    ck_assert_int_eq(
        po_file_read_at(file, 0, bytes, (size_t)set->entries[number].size + 1, &got, &err), PO_OK);
    ck_assert_uint_eq(got, set->entries[number].size);
    ck_assert_mem_eq(bytes, set->contents[number], got);
    po_file_free(file);
    po_mem_free(bytes);
}

/* Files that span frames, and so on, cut at random places: each file that is told as written is right. */
START_TEST(what_is_told_as_written_is_right_wherever_it_is_cut)
{
    struct help_random random = help_random_begin("cut", (uint64_t)_i);
    struct help_set set = { 0 };
    struct help_memory memory = { 0 };
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    struct po_salvage_result result = { 0 };
    char top[OS_PATH_SIZE];
    static uint8_t content[200000];
    struct po_err err;
    uint64_t written = 0;

    for (unsigned i = 0; i < 40; i++) {
        char path[32];
        int size = snprintf(path, sizeof path, "d%u/f%u", i % 3, i);

        help_random_fill(&random, content, sizeof content);
        help_set_add(&set, &random, POBACKUP_FILE, path, (size_t)size, NULL, content,
                     i % 5 == 0 ? help_random_size(&random, sizeof content)
                                : help_random_size(&random, 3000));
    }
    ck_assert_int_eq(help_set_write(&set, &memory, &writer_options, digest, &err), PO_OK);
    if (_i > 0)
        memory.size = memory.size / 4 + help_random_size(&random, memory.size * 3 / 4);
    os_temp_make(top, "salvage");
    ck_assert_int_eq(salvage(&memory, top, 1 + (unsigned)_i % 3, &result, &err), PO_OK);
    ck_assert_int_eq(po_salvage_is_complete(&result), result.has_index);
    ck_assert(_i > 0 || result.has_trailer);
    for (uint32_t i = 0; i < result.reader->index->count; i++) {
        size_t size;
        const char *path = po_index_path(result.reader->index, i, &size);

        ck_assert(result.verdicts[i] != PO_SALVAGE_CERTAIN || result.has_index);
        if ((result.verdicts[i] != PO_SALVAGE_CERTAIN &&
             result.verdicts[i] != PO_SALVAGE_DOUBTFUL) ||
            po_index_type(result.reader->index, i) != POBACKUP_FILE)
            continue;
        written++;
        if (memcmp(path, "pobackup/", size < 9 ? size : 9) != 0)
            assert_content(top, &set, path, size);
    }
    ck_assert_uint_eq(written, result.files);
    ck_assert(_i > 0 || written == 42);
    po_salvage_result_deinit(&result);
    os_temp_remove(top);
    help_set_free(&set);
    help_memory_free(&memory);
}
END_TEST

/* ---- what a summary says ---- */

/* No text, where a name need not be one. */
#define ODD OS_CASE("d/\xED\xA0\x80", "d/\xE6\x97\xA5")
static const struct po_problem left_out[] = { { (char *)(uintptr_t) "d/changed", 9,
                                                (char *)(uintptr_t) "x" } };
static const struct po_problem gone[] = { { (char *)(uintptr_t)ODD, 5, NULL },
                                          { (char *)(uintptr_t) "d/gone", 6, NULL },
                                          { (char *)(uintptr_t) "d/never", 7, NULL } };
static bool says_more; /* summaries that are written now list these */
static size_t listed_max;

enum po_status __real_po_summary_put(struct po_buf *out, const struct po_summary *summary,
                                     struct po_err *err);
enum po_status __wrap_po_summary_put(struct po_buf *out, const struct po_summary *summary,
                                     struct po_err *err);

enum po_status
__wrap_po_summary_put(struct po_buf *out, const struct po_summary *summary, struct po_err *err)
{
    struct po_summary more = *summary;

    if (says_more) {
        more.skipped = left_out;
        more.skipped_count = HELP_COUNT(left_out);
        more.vanished = gone;
        more.vanished_count = HELP_COUNT(gone);
        more.listed_max = listed_max;
    }
    return __real_po_summary_put(out, &more, err);
}

/* An archive whose index alone is damaged. */
static void
make_without_index(struct help_memory *memory)
{
    static const char *const paths[] = { "d/changed", "d/gone", "d/good", ODD, "other" };
    struct help_random random = help_random_begin("summary", 1);
    struct help_set set = { 0 };
    struct pobackup_blob blob;
    struct po_reader *reader = NULL;
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    struct po_err err;

    for (size_t i = 0; i < HELP_COUNT(paths); i++)
        help_set_add(&set, &random, POBACKUP_FILE, paths[i], strlen(paths[i]), NULL, "content", 7);
    says_more = true;
    ck_assert_int_eq(help_set_write(&set, memory, &writer_options, digest, &err), PO_OK);
    says_more = false;
    blob = help_blob(memory);
    ck_assert_int_eq(po_reader_open(&reader, &blob, &err), PO_OK);
    memory->bytes[reader->offsets[reader->trailer.index_frame] + 20] ^= 0x55;
    po_reader_free(reader);
    help_set_free(&set);
}

/* Why a file is doubted; NULL: it is not. */
static const char *
doubt_of(const struct po_salvage_result *result, const char *path)
{
    uint32_t entry = po_index_find(result->reader->index, path, strlen(path));

    ck_assert_msg(entry != PO_NONE, "%s was not found", path);
    ck_assert_int_eq(result->verdicts[entry],
                     result->doubts[entry] == NULL ? PO_SALVAGE_CERTAIN : PO_SALVAGE_DOUBTFUL);
    return result->doubts[entry];
}

/* With all frames there in their order the summary is believed: what it lists is doubted, and no
 * other; unless it does not list all. */
START_TEST(the_summary_says_which_members_do_not_count)
{
    static const char *const listed[] = { "d/changed", "d/gone", ODD };
    static const char *const others[] = { "d/good", "other" };
    static const char reason[] =
        "whole, but the summary says that it could not be read well, or was gone";
    struct help_memory memory = { 0 };
    struct po_salvage_result result = { 0 };
    char top[OS_PATH_SIZE];
    struct po_err err;

    listed_max = _i == 0 ? 0 : 2;
    make_without_index(&memory);
    os_temp_make(top, "salvage");
    ck_assert_int_eq(salvage(&memory, top, 1, &result, &err), PO_OK);
    ck_assert(!result.has_index);
    ck_assert(!po_salvage_is_complete(&result));
    for (size_t i = 0; i < HELP_COUNT(others); i++)
        ck_assert_int_eq(doubt_of(&result, others[i]) == NULL, _i == 0);
    for (size_t i = 0; i < HELP_COUNT(listed); i++) {
        ck_assert_ptr_nonnull(doubt_of(&result, listed[i]));
        ck_assert_int_eq(strcmp(doubt_of(&result, listed[i]), reason) == 0, _i == 0);
    }
    po_salvage_result_deinit(&result);
    os_temp_remove(top);
    help_memory_free(&memory);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("salvage");
    TCase *tc = tcase_create("salvage");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_frame_is_probed_with_its_sizes_at_any_place);
    tcase_add_test(tc, what_no_frame_of_an_archive_is_is_not_probed);
    tcase_add_loop_test(tc, frames_are_found_between_anything, 0, 20);
    tcase_add_test(tc, a_frame_in_a_frame_is_its_content_while_that_is_whole);
    tcase_add_test(tc, a_failing_read_ends_the_scan);
    tcase_add_loop_test(tc, a_member_goes_on_where_it_fits_to_the_byte, 0, (int)HELP_COUNT(joins));
    tcase_add_loop_test(tc, the_summary_says_which_members_do_not_count, 0, 2);
    tcase_add_loop_test(tc, what_is_told_as_written_is_right_wherever_it_is_cut, 0, 20);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
