#include "archive/packer.h"

#include "archive/hash.h"
#include "archive/layout.h"
#include "archive/tar.h"
#include "archive_help.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY 65536u

/* ---- frames as the packer gave them ---- */

struct frames {
    uint8_t **contents;
    size_t *sizes;
    uint32_t count;
    bool is_failing;
};

static enum po_status
take_frame(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct frames *frames = ctx;
    uint8_t *copy;

    if (frames->is_failing) {
        err->status = PO_E_IO;
        return PO_E_IO;
    }
    ck_assert(frame->used > 0 && frame->used <= frame->capacity);
    copy = malloc(frame->used);
    frames->contents = realloc(frames->contents, (frames->count + 1) * sizeof *frames->contents);
    frames->sizes = realloc(frames->sizes, (frames->count + 1) * sizeof *frames->sizes);
    ck_assert(copy != NULL && frames->contents != NULL && frames->sizes != NULL);
    memcpy(copy, frame->bytes, frame->used);
    frames->contents[frames->count] = copy;
    frames->sizes[frames->count++] = frame->used;
    frame->used = 0;
    return PO_OK;
}

static void
free_frames(struct frames *frames)
{
    for (uint32_t i = 0; i < frames->count; i++)
        free(frames->contents[i]);
    free(frames->contents);
    free(frames->sizes);
    *frames = (struct frames){ 0 };
}

/* ---- a packer and what went into it ---- */

struct run {
    struct po_packer packer;
    struct po_entry_list list;
    struct frames frames;
    uint8_t **contents; /* of the entries */
};

static void
init_run(struct run *run)
{
    uint8_t *bytes = malloc(CAPACITY);

    *run = (struct run){ 0 };
    ck_assert_ptr_nonnull(bytes);
    po_packer_init(&run->packer, (struct po_frame_buf){ .bytes = bytes, .capacity = CAPACITY },
                   take_frame, &run->frames);
}

static void
free_run(struct run *run)
{
    free(run->packer.frame.bytes);
    po_packer_deinit(&run->packer);
    free_frames(&run->frames);
    for (size_t i = 0; i < run->list.count; i++)
        free(run->contents[i]);
    free(run->contents);
    po_entry_list_deinit(&run->list);
}

/* A new entry with noise for content. */
static struct po_entry *
new_entry(struct run *run, struct help_random *random, const char *path, size_t path_size,
          size_t size)
{
    struct po_entry *entry = NULL;
    struct po_err err;

    ck_assert_int_eq(po_entry_list_add(&run->list, path, path_size, &entry, &err), PO_OK);
    entry->type = POBACKUP_FILE;
    entry->size = size;
    entry->write_time = 10000000;
    entry->state = PO_ENTRY_SAVED;
    run->contents = realloc(run->contents, run->list.count * sizeof *run->contents);
    ck_assert_ptr_nonnull(run->contents);
    run->contents[run->list.count - 1] = malloc(size + 1);
    ck_assert_ptr_nonnull(run->contents[run->list.count - 1]);
    help_random_fill(random, run->contents[run->list.count - 1], size);
    po_xxh3(run->contents[run->list.count - 1], size, entry->hash);
    return entry;
}

static void
add(struct run *run, struct help_random *random, const char *path, size_t size)
{
    struct po_entry *entry = new_entry(run, random, path, strlen(path), size);
    struct po_err err;

    ck_assert_int_eq(
        po_packer_add(&run->packer, &run->list, entry, run->contents[run->list.count - 1], &err),
        PO_OK);
}

static void
cut(struct run *run)
{
    struct po_err err;

    ck_assert_int_eq(po_packer_cut(&run->packer, &err), PO_OK);
}

static void
add_random(struct run *run, struct help_random *random)
{
    size_t path_size = help_random_below(random, 10) == 0 ? 1 + help_random_size(random, 3000)
                                                          : 1 + help_random_size(random, 60);
    char *path = help_path(random, (enum help_alphabet)help_random_below(random, 3), path_size + 4);
    size_t left = CAPACITY - run->packer.frame.used;
    struct po_entry *entry;
    struct po_err err;
    size_t size = 0;

    switch (help_random_below(random, 6)) {
    case 0: /* as much as is left in the frame, or a block less or more */
        size = left > 1024 ? left - 1024 + 512 * help_random_size(random, 3) : 0;
        break;
    case 1: /* larger than a frame */
        size = help_random_size(random, (size_t)4 * CAPACITY);
        break;
    case 2: /* whole frames */
        size = CAPACITY * help_random_size(random, 3) + 512 * help_random_size(random, 3);
        size = size >= 512 ? size - 512 : 0;
        break;
    default:
        size = help_random_size(random, 3000);
        break;
    }
    (void)snprintf(path, 4, "%03zu", run->list.count); /* each once */
    path[3] = '-';
    entry = new_entry(run, random, path, path_size + 4, size);
    if (help_random_below(random, 5) == 0)
        entry->state = PO_ENTRY_UNLISTED;
    ck_assert_int_eq(
        po_packer_add(&run->packer, &run->list, entry, run->contents[run->list.count - 1], &err),
        PO_OK);
    free(path);
}

/* ---- an independent look at the frames ---- */

/*
 * Walks through all frames as one tar: entry after entry, where it must be. What crosses the end of
 * a frame is content or padding; a frame that begins inside a member holds nothing else.
 */
static void
check_frames(const struct run *run)
{
    static const uint8_t zeros[512];
    uint32_t frame = 0;
    size_t at = 0;

    for (size_t i = 0; i < run->list.count; i++) {
        const struct po_entry *entry = &run->list.entries[i];
        struct po_tar_member member = { 0 };
        struct po_err err;
        uint64_t done = 0;
        uint64_t total = po_tar_padded(entry->size);
        size_t header_size = 0;
        uint32_t first;

        if (at == run->frames.sizes[frame]) {
            frame++;
            at = 0;
        }
        first = frame;
        ck_assert_uint_eq(entry->frame, frame);
        ck_assert_uint_eq(entry->offset, at);
        /* spec-test: FRAME-5 */
        ck_assert_msg(po_tar_parse_header(&member, &header_size, run->frames.contents[frame] + at,
                                          run->frames.sizes[frame] - at, &err) == PO_OK,
                      "entry %zu: %s", i, err.text);
        ck_assert_uint_eq(member.path_size, entry->path_size);
        ck_assert_mem_eq(member.path, po_entry_path(&run->list, entry), member.path_size);
        ck_assert_uint_eq(member.size, entry->size);
        at += header_size;
        while (done < total) {
            size_t part;

            if (at == run->frames.sizes[frame]) {
                frame++;
                at = 0;
            }
            part = run->frames.sizes[frame] - at;
            if (done < entry->size) {
                part = entry->size - done < part ? (size_t)(entry->size - done) : part;
                ck_assert_mem_eq(run->frames.contents[frame] + at, run->contents[i] + done, part);
            } else { /* spec-test: TAR-9 */
                part = total - done < part ? (size_t)(total - done) : part;
                ck_assert_mem_eq(run->frames.contents[frame] + at, zeros, part);
            }
            done += part;
            at += part;
        }
        /* What fits in a frame is not split; what does not begins one of its own. */
        if (header_size + total <= CAPACITY)
            ck_assert_uint_eq(frame, first);
        else
            ck_assert_uint_eq(entry->offset, 0);
        if (frame != first) /* spec-test: FRAME-4 */
            ck_assert_uint_eq(at, run->frames.sizes[frame]);
    }
    ck_assert_uint_eq(frame + 1, run->frames.count);
    ck_assert_uint_eq(at, run->frames.sizes[frame]);
}

/* The frames one after the other, with a tar's end, as libarchive reads them. */
static void
check_by_libarchive(const struct run *run)
{
    struct archive *reader = archive_read_new();
    struct archive_entry *seen;
    struct po_buf tar = { 0 };

    for (uint32_t i = 0; i < run->frames.count; i++)
        po_buf_put(&tar, run->frames.contents[i], run->frames.sizes[i]);
    po_buf_put_zeros(&tar, 1024);
    ck_assert(reader != NULL && !tar.failed);
    (void)archive_read_support_format_tar(reader);
    ck_assert_int_eq(archive_read_open_memory(reader, tar.bytes, tar.size), ARCHIVE_OK);
    for (size_t i = 0; i < run->list.count; i++) {
        const struct po_entry *entry = &run->list.entries[i];
        size_t size = (size_t)entry->size;
        uint8_t *content = malloc(size + 1);

        ck_assert_ptr_nonnull(content);
        ck_assert_int_ge(archive_read_next_header(reader, &seen), ARCHIVE_WARN);
        ck_assert_int_eq(archive_entry_size(seen), (int64_t)entry->size);
        ck_assert_int_eq(archive_read_data(reader, content, size), (la_ssize_t)size);
        ck_assert_mem_eq(content, run->contents[i], size);
        free(content);
    }
    ck_assert_int_eq(archive_read_next_header(reader, &seen), ARCHIVE_EOF);
    archive_read_free(reader);
    po_buf_deinit(&tar);
}

/* ---- layout: which entry continues into which frame ---- */

static enum po_status
put_bytes(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_buf *out = ctx;

    po_buf_put(out, bytes, size);
    return po_buf_check(out, err);
}

static struct po_index *
make_index(const struct run *run)
{
    static const uint8_t id[PO_ID_SIZE];
    struct po_frame_info *infos = calloc(run->frames.count + 1, sizeof *infos);
    struct po_index_source source = {
        .list = &run->list, .frames = infos, .frame_count = run->frames.count, .archive_id = id
    };
    struct po_index *index = NULL;
    struct po_buf bytes = { 0 };
    uint32_t *order = NULL;
    struct po_err err;

    ck_assert_ptr_nonnull(infos);
    for (uint32_t i = 0; i < run->frames.count; i++)
        infos[i].content_size = infos[i].compressed_size = (uint32_t)run->frames.sizes[i];
    ck_assert_int_eq(po_index_sort(&run->list, &order, &source.count, &err), PO_OK);
    source.order = order;
    ck_assert_int_eq(po_index_put(&source, put_bytes, &bytes, &err), PO_OK);
    ck_assert_msg(po_index_load_take(&index, bytes.bytes, bytes.size, bytes.capacity, &err) ==
                      PO_OK,
                  "%s", err.text);
    po_mem_free(order);
    free(infos);
    return index;
}

/* spec-test: READ-2, INDEX-11 */
static void
check_layout(const struct run *run)
{
    struct po_index *index = make_index(run);
    struct po_layout layout;
    struct po_err err;
    size_t last = 0; /* the entry that begins last before the frame */

    ck_assert_int_eq(po_layout_init(&layout, index, &err), PO_OK);
    for (uint32_t frame = 0; frame < run->frames.count; frame++) {
        uint32_t continued = po_layout_continued(&layout, frame);
        bool begins = false;
        uint32_t expected = PO_NONE;

        for (size_t i = 0; i < run->list.count; i++) {
            begins |= run->list.entries[i].frame == frame;
            if (run->list.entries[i].frame < frame)
                last = i;
        }
        /* All that the packer splits has frames of its own. */
        if (!begins && run->list.entries[last].state == PO_ENTRY_SAVED) {
            const struct po_entry *entry = &run->list.entries[last];

            expected = po_index_find(index, po_entry_path(&run->list, entry), entry->path_size);
        }
        ck_assert_uint_eq(continued, expected);
    }
    po_layout_deinit(&layout);
    po_index_free(index);
}

/* ---- the tests ---- */

/* spec-test: FRAME-4, FRAME-5, TAR-9 */
START_TEST(members_of_any_size_lie_as_the_format_demands)
{
    struct help_random random = help_random_begin("packer", (uint64_t)_i);

    for (int round = 0; round < 12; round++) {
        struct run run;

        init_run(&run);
        for (uint64_t left = 1 + help_random_below(&random, 60); left > 0; left--)
            add_random(&run, &random);
        cut(&run);
        check_frames(&run);
        check_by_libarchive(&run);
        check_layout(&run);
        free_run(&run);
    }
}
END_TEST

START_TEST(a_member_that_fills_a_frame_to_the_last_byte_has_it_alone)
{
    struct help_random random = help_random_begin("packer full", 0);
    struct run run;

    init_run(&run);
    add(&run, &random, "a", CAPACITY - 512);
    add(&run, &random, "b", CAPACITY - 512 - 511);
    add(&run, &random, "c", 0);
    cut(&run);
    ck_assert_uint_eq(run.frames.count, 3);
    ck_assert_uint_eq(run.frames.sizes[0], CAPACITY);
    ck_assert_uint_eq(run.frames.sizes[1], CAPACITY);
    ck_assert_uint_eq(run.frames.sizes[2], 512);
    check_frames(&run);
    free_run(&run);
}
END_TEST

START_TEST(a_member_one_byte_too_large_is_split_and_ends_its_frame)
{
    struct help_random random = help_random_begin("packer split", 0);
    struct run run;

    init_run(&run);
    add(&run, &random, "first", 10);
    add(&run, &random, "large", CAPACITY - 511);
    add(&run, &random, "last", 10);
    cut(&run);
    ck_assert_uint_eq(run.frames.count, 4);
    ck_assert_uint_eq(run.frames.sizes[1], CAPACITY);
    ck_assert_uint_eq(run.frames.sizes[2], 512);
    check_frames(&run);
    check_layout(&run);
    free_run(&run);
}
END_TEST

START_TEST(padding_alone_never_begins_a_frame)
{
    struct help_random random = help_random_begin("packer padding", 0);

    for (size_t size = 2 * CAPACITY - 1536; size < 2 * CAPACITY + 600; size += 37) {
        struct run run;

        init_run(&run);
        add(&run, &random, "a", size);
        cut(&run);
        check_frames(&run);
        ck_assert_uint_gt(size + 512, (run.frames.count - 1) * (uint64_t)CAPACITY);
        free_run(&run);
    }
}
END_TEST

START_TEST(a_member_that_was_begun_can_be_forgotten)
{
    struct help_random random = help_random_begin("packer rewind", 0);
    struct po_err err;
    struct run run;
    struct po_entry *entry;
    uint32_t offset;

    init_run(&run);
    add(&run, &random, "a", 700);
    entry = new_entry(&run, &random, "b", 1, 5000);
    ck_assert_int_eq(po_packer_begin(&run.packer, &run.list, entry, &err), PO_OK);
    offset = entry->offset;
    ck_assert_int_eq(po_packer_put(&run.packer, run.contents[1], 3000, &err), PO_OK);
    ck_assert(po_packer_can_rewind(&run.packer));
    po_packer_rewind(&run.packer);
    ck_assert_uint_eq(run.packer.frame.used, offset);
    /* Its place is another's. */
    free(run.contents[1]);
    run.list.count--;
    add(&run, &random, "c", 100);
    ck_assert_uint_eq(run.list.entries[1].offset, offset);
    cut(&run);
    check_frames(&run);
    check_by_libarchive(&run);
    free_run(&run);
}
END_TEST

START_TEST(a_member_that_reached_into_another_frame_cannot_be_forgotten)
{
    struct help_random random = help_random_begin("packer no rewind", 0);
    struct po_err err;
    struct run run;
    struct po_entry *entry;

    init_run(&run);
    ck_assert(!po_packer_can_rewind(&run.packer));
    entry = new_entry(&run, &random, "a", 1, 3 * CAPACITY);
    ck_assert_int_eq(po_packer_begin(&run.packer, &run.list, entry, &err), PO_OK);
    ck_assert(po_packer_can_rewind(&run.packer));
    ck_assert_int_eq(po_packer_put(&run.packer, run.contents[0], CAPACITY - 512, &err), PO_OK);
    ck_assert(po_packer_can_rewind(&run.packer));
    ck_assert_int_eq(po_packer_put(&run.packer, run.contents[0] + CAPACITY - 512, 1, &err), PO_OK);
    ck_assert(!po_packer_can_rewind(&run.packer));
    ck_assert_int_eq(
        po_packer_put(&run.packer, run.contents[0] + CAPACITY - 511, 2 * CAPACITY + 511, &err),
        PO_OK);
    ck_assert_int_eq(po_packer_end(&run.packer, &err), PO_OK);
    ck_assert(!po_packer_can_rewind(&run.packer));
    cut(&run);
    check_frames(&run);
    free_run(&run);
}
END_TEST

START_TEST(a_header_that_no_frame_can_hold_is_refused)
{
    struct help_random random = help_random_begin("packer header", 0);
    struct run run;
    struct po_entry *entry;
    struct po_err err;
    char *path = malloc(CAPACITY);

    ck_assert_ptr_nonnull(path);
    memset(path, 'p', CAPACITY);
    init_run(&run);
    entry = new_entry(&run, &random, path, CAPACITY - 1024, 5000);
    ck_assert_int_eq(po_packer_begin(&run.packer, &run.list, entry, &err), PO_E_USAGE);
    /* One that fills the frame alone: its content follows in the next one. */
    run.list.count--;
    free(run.contents[0]);
    entry = new_entry(&run, &random, path, CAPACITY - 1536, 5000);
    ck_assert_int_eq(po_packer_add(&run.packer, &run.list, entry, run.contents[0], &err), PO_OK);
    cut(&run);
    ck_assert_uint_eq(run.frames.count, 2);
    check_frames(&run);
    free(path);
    free_run(&run);
}
END_TEST

START_TEST(a_frame_that_cannot_be_taken_is_a_failure_of_the_member)
{
    struct help_random random = help_random_begin("packer failing", 0);
    struct run run;
    struct po_entry *entry;
    struct po_err err = { 0 };

    init_run(&run);
    run.frames.is_failing = true;
    entry = new_entry(&run, &random, "a", 1, 3 * CAPACITY);
    ck_assert_int_eq(po_packer_add(&run.packer, &run.list, entry, run.contents[0], &err), PO_E_IO);
    ck_assert_int_eq(po_packer_cut(&run.packer, &err), PO_E_IO);
    ck_assert_uint_eq(run.packer.frame_number, 0);
    free_run(&run);
}
END_TEST

/* spec-test: FRAME-7 */
START_TEST(there_are_at_most_4194304_frames)
{
    struct help_random random = help_random_begin("packer frames", 0);
    struct run run;
    struct po_err err;

    init_run(&run);
    run.packer.frame_number = PO_FRAMES_MAX - 2;
    add(&run, &random, "a", 1);
    ck_assert_int_eq(po_packer_cut(&run.packer, &err), PO_OK);
    add(&run, &random, "b", 1);
    ck_assert_int_eq(po_packer_cut(&run.packer, &err), PO_E_USAGE);
    free_run(&run);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("packer");
    TCase *tc = tcase_create("packer");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, members_of_any_size_lie_as_the_format_demands, 0, 4);
    tcase_add_test(tc, a_member_that_fills_a_frame_to_the_last_byte_has_it_alone);
    tcase_add_test(tc, a_member_one_byte_too_large_is_split_and_ends_its_frame);
    tcase_add_test(tc, padding_alone_never_begins_a_frame);
    tcase_add_test(tc, a_member_that_was_begun_can_be_forgotten);
    tcase_add_test(tc, a_member_that_reached_into_another_frame_cannot_be_forgotten);
    tcase_add_test(tc, a_header_that_no_frame_can_hold_is_refused);
    tcase_add_test(tc, a_frame_that_cannot_be_taken_is_a_failure_of_the_member);
    tcase_add_test(tc, there_are_at_most_4194304_frames);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
