/* Frames that a thread fetches ahead: whole, in order, whatever their sizes and however many the caller holds. */
#include "engine/frames_ahead.h"

#include "archive/hash.h"
#include "archive_help.h"

#include <string.h>

#define FRAMES 300u
#define SIZE_MAX_OF_ONE 5000u
#define NONE UINT32_MAX

struct source {
    struct po_reader reader;
    struct po_index index;
    struct po_seek_entry seeks[FRAMES];
    uint64_t offsets[FRAMES];
    uint8_t bytes[FRAMES * SIZE_MAX_OF_ONE];
    uint8_t wanted[FRAMES];
    uint32_t bad; /* this frame cannot be read */
};

static struct source source;
static struct po_err err;

static enum po_status
read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *failure)
{
    const struct source *from = ctx;

    if (from->bad != NONE && offset == from->offsets[from->bad])
        return po_fail(failure, PO_E_IO, "a bad sector");
    memcpy(bytes, from->bytes + offset, size);
    return PO_OK;
}

static void
make(struct help_random *random, bool is_even)
{
    uint64_t at = 0;

    source.bad = NONE;
    source.index.frame_count = FRAMES;
    source.reader = (struct po_reader){ .blob = { .ctx = &source, .read_at = read_at },
                                        .seeks = source.seeks,
                                        .offsets = source.offsets,
                                        .frame_count = FRAMES,
                                        .compressed_max = SIZE_MAX_OF_ONE,
                                        .index = &source.index };
    for (uint32_t i = 0; i < FRAMES; i++) {
        /* Most are small, some as large as can be. */
        size_t size = is_even || help_random_below(random, 4) == 0
                          ? SIZE_MAX_OF_ONE
                          : 1 + help_random_size(random, SIZE_MAX_OF_ONE);

        source.seeks[i].compressed_size = (uint32_t)size;
        source.offsets[i] = at;
        source.wanted[i] = help_random_below(random, 5) != 0;
        help_random_fill(random, source.bytes + at, size);
        at += size;
    }
}

static void
assert_frame(const struct po_frame_ahead *item, uint32_t frame)
{
    uint8_t digest[PO_DIGEST_SIZE];
    size_t size = source.seeks[frame].compressed_size;

    ck_assert_uint_eq(item->frame, frame);
    ck_assert_int_eq(item->is_unread, frame == source.bad);
    if (item->is_unread) {
        ck_assert_int_eq(item->err.status, PO_E_IO);
        ck_assert_ptr_nonnull(strstr(item->err.text, "cannot be read"));
        return;
    }
    ck_assert_int_eq(memcmp(item->bytes, source.bytes + source.offsets[frame], size), 0);
    po_blake2b(item->bytes, size, digest);
    ck_assert_int_eq(memcmp(digest, item->digest, sizeof digest), 0);
}

/* Takes frames until `limit` or the end; holds up to held_max of them, and looks at each again before it is
 * given back: nobody has written over it. */
static uint32_t
take(const struct po_frames_ahead_options *options, struct help_random *random, uint32_t limit)
{
    const struct po_frame_ahead *held[8];
    struct po_frames_ahead *ahead = NULL;
    uint32_t expected = 0;
    uint32_t got = 0;
    size_t count = 0;

    ck_assert_int_eq(po_frames_ahead_new(&ahead, options, &err), PO_OK);
    while (got < limit) {
        const struct po_frame_ahead *item = NULL;

        ck_assert_int_eq(po_frames_ahead_next(ahead, &item, &err), PO_OK);
        if (item == NULL)
            break;
        ck_assert(po_frames_next_wanted(options->reader, options->wanted, &expected));
        assert_frame(item, expected++);
        held[count++] = item;
        got++;
        while (count > options->held_max || (count > 0 && help_random_below(random, 3) == 0)) {
            assert_frame(held[0], held[0]->frame);
            po_frames_ahead_release(ahead);
            memmove(held, held + 1, --count * sizeof *held);
        }
    }
    po_frames_ahead_free(ahead);
    return got;
}

START_TEST(each_comes_whole_and_in_order)
{
    struct help_random random = help_random_begin("order", (uint64_t)_i);
    struct po_frames_ahead_options options = { .reader = &source.reader,
                                               .held_max = (size_t)_i % 5,
                                               .spare = (size_t)_i / 5 % 3 };

    make(&random, _i % 3 == 0);
    ck_assert_uint_eq(take(&options, &random, NONE), FRAMES);
    options.wanted = source.wanted;
    ck_assert_uint_lt(take(&options, &random, NONE), FRAMES);
    memset(source.wanted, 0, sizeof source.wanted);
    ck_assert_uint_eq(take(&options, &random, NONE), 0);
    source.wanted[FRAMES - 1] = 1;
    ck_assert_uint_eq(take(&options, &random, NONE), 1);
}
END_TEST

START_TEST(the_caller_may_stop_at_any_frame)
{
    struct help_random random = help_random_begin("stop", 0);
    struct po_frames_ahead_options options = { .reader = &source.reader, .held_max = 2 };

    make(&random, false);
    for (uint32_t limit = 0; limit < 60; limit++)
        ck_assert_uint_eq(take(&options, &random, limit), limit);
}
END_TEST

START_TEST(what_cannot_be_read_ends_it_or_is_a_frame_as_others_are)
{
    struct help_random random = help_random_begin("unread", 0);
    struct po_frames_ahead_options options = { .reader = &source.reader, .held_max = 2 };

    make(&random, false);
    for (source.bad = 0; source.bad < 9; source.bad++) {
        const struct po_frame_ahead *item = NULL;
        struct po_frames_ahead *ahead = NULL;

        options.goes_on_unread = true;
        ck_assert_uint_eq(take(&options, &random, NONE), FRAMES);
        options.goes_on_unread = false;
        ck_assert_uint_eq(take(&options, &random, source.bad), source.bad);
        ck_assert_int_eq(po_frames_ahead_new(&ahead, &options, &err), PO_OK);
        for (uint32_t i = 0; i < source.bad; i++) {
            ck_assert_int_eq(po_frames_ahead_next(ahead, &item, &err), PO_OK);
            assert_frame(item, i);
            po_frames_ahead_release(ahead);
        }
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(po_frames_ahead_next(ahead, &item, &err), PO_E_IO);
            ck_assert_ptr_nonnull(strstr(err.text, "a bad sector"));
        }
        po_frames_ahead_free(ahead);
    }
}
END_TEST

START_TEST(its_memory_is_that_of_what_may_be_held)
{
    struct po_frames_ahead_options options = { .reader = &source.reader, .held_max = 3 };

    make(&(struct help_random){ .state = 1 }, false);
    ck_assert_uint_eq(po_frames_ahead_size(&options), 5 * SIZE_MAX_OF_ONE);
    options.spare = 2;
    ck_assert_uint_eq(po_frames_ahead_size(&options), 7 * SIZE_MAX_OF_ONE);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("frames_ahead");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, each_comes_whole_and_in_order, 0, 20);
    tcase_add_test(all, the_caller_may_stop_at_any_frame);
    tcase_add_test(all, what_cannot_be_read_ends_it_or_is_a_frame_as_others_are);
    tcase_add_test(all, its_memory_is_that_of_what_may_be_held);
    suite_add_tcase(suite, all);
    return help_run(suite);
}
