/*
 * Every bit of a small archive turned, every cut, every frame dropped, doubled, exchanged: nothing
 * may pass, and what a turned bit in a data frame hits is named.
 *
 *   test_flips [large [EVERY]]
 *
 * large: of an archive of 200 files; with EVERY each so many bits, cuts and bytes alone.
 */
#include "sample_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t files = HELP_FILES_SMALL;
static size_t every = 1; /* each so many bits and lengths alone */

/* ---- hits ---- */

struct hits {
    unsigned told[HELP_ENTRIES_MAX]; /* by number in the index */
    const struct help_sample *sample;
    unsigned count;
};

static void
note_hit(void *ctx, const struct pobackup_entry *entry)
{
    struct hits *hits = ctx;
    int64_t number = pobackup_entry_find(hits->sample->archive, entry->path, entry->path_size);

    ck_assert(number >= 0 && number < HELP_ENTRIES_MAX);
    hits->told[number]++;
    hits->count++;
}

/* Exactly the entries that have a part in the frame, each once. spec-test: READ-2 */
static void
check_hits(const struct help_sample *s, const struct hits *hits, uint32_t frame, size_t bit)
{
    for (uint32_t i = 0; i < s->entry_count; i++) {
        bool is_hit = help_sample_has_part(s, i, frame);

        ck_assert_msg(hits->told[s->order[i]] == (is_hit ? 1 : 0),
                      "bit %zu, frame %u: entry %u is told %u times", bit, frame, s->order[i],
                      hits->told[s->order[i]]);
    }
}

/* ---- bits ---- */

static void
check_flip(struct help_sample *s, size_t bit, int deep, unsigned *hit_count)
{
    struct hits hits = { .sample = s };
    struct po_err err = { 0 };
    uint32_t frame = 0;
    enum po_status st;

    s->memory.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    st = help_check(&s->memory, deep, note_hit, &hits, &err);
    s->memory.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    ck_assert_msg(st == PO_E_FORMAT, "bit %zu, %s: %s: %s", bit, deep != 0 ? "deep" : "quick",
                  po_status_name(st), err.text);
    ck_assert_int_eq(err.status, st);
    while (frame < s->count && bit / 8 >= s->offsets[frame + 1])
        frame++;
    /* Without a manifest the archive does not open; index, trailer and seek table hit no entry. */
    if (frame > 0 && frame <= s->summary) {
        check_hits(s, &hits, frame, bit);
        ck_assert_uint_gt(hits.count, 0);
    } else {
        ck_assert_msg(hits.count == 0, "bit %zu: %u hits", bit, hits.count);
    }
    *hit_count += hits.count;
}

/*
 * spec-test: FRAME-1, FRAME-3, INDEX-8, SEEK-1, SEEK-2, SEEK-3, TRAILER-1, TRAILER-2, TRAILER-3,
 * TRAILER-4, TRAILER-5
 */
START_TEST(no_flipped_bit_passes_and_each_names_what_it_hits)
{
    struct help_sample s;
    struct po_err err;
    unsigned hit_count = 0;
    size_t count = 0;

    help_sample_make(&s, 1, files);
    for (int deep = 0; deep < 2; deep++)
        ck_assert_msg(help_check(&s.memory, deep, NULL, NULL, &err) == PO_OK, "%s", err.text);
    for (size_t bit = 0; bit < s.memory.size * 8; bit += every, count++)
        for (int deep = 0; deep < 2; deep++)
            check_flip(&s, bit, deep, &hit_count);
    printf("flips: %zu bytes, %u frames, %zu files: %zu bits, each quick and deep; %u hits told\n",
           s.memory.size, s.count, files, count, hit_count);
    ck_assert_uint_gt(s.summary, 3); /* the large file has frames of its own */
    help_sample_free(&s);
}
END_TEST

/* ---- cuts ---- */

/* Of a buffer of exactly this size. */
static enum po_status
check_bytes(const uint8_t *bytes, size_t size, int deep)
{
    struct help_memory memory = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    help_memory_put(&memory, bytes, size);
    st = help_check(&memory, deep, NULL, NULL, &err);
    ck_assert_int_eq(err.status, st);
    help_memory_free(&memory);
    return st;
}

/* spec-test: FILE-2, FILE-3, FILE-4 */
START_TEST(no_cut_passes_and_no_byte_more)
{
    struct help_sample s;
    size_t count = 0;

    help_sample_make(&s, 1, files);
    for (size_t size = 0; size < s.memory.size; size += every, count++)
        ck_assert_msg(check_bytes(s.memory.bytes, size, 1) ==
                          (size < 4 ? PO_E_UNSUPPORTED : PO_E_FORMAT),
                      "cut to %zu bytes", size);
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;

        help_memory_put(&s.memory, &byte, 1);
        ck_assert_int_eq(check_bytes(s.memory.bytes, s.memory.size, 1), PO_E_FORMAT);
        s.memory.size--;
    }
    /* From the front, too: then it may be anyone's. */
    for (size_t size = 1; size < s.memory.size; size += every, count++) {
        enum po_status st = check_bytes(s.memory.bytes + size, s.memory.size - size, 1);

        ck_assert_msg(st == PO_E_FORMAT || st == PO_E_UNSUPPORTED, "cut by %zu bytes", size);
    }
    printf("flips: %zu cuts at the end and the front, 256 bytes more\n", count);
    help_sample_free(&s);
}
END_TEST

/* ---- frames ---- */

/* With the table of `s` as it was, and with one that fits. */
static unsigned
check_shuffle(const struct help_shuffle *shuffle, const struct help_sample *s, const char *what,
              uint32_t f)
{
    for (int is_matching = 0; is_matching < 2; is_matching++)
        for (int deep = 0; deep < 2; deep++) {
            struct help_memory memory = { 0 };
            struct po_err err = { 0 };
            enum po_status st;

            help_shuffle_put(&memory, shuffle, is_matching != 0 ? NULL : s);
            st = help_check(&memory, deep, NULL, NULL, &err);
            ck_assert_msg(st == PO_E_FORMAT || (st == PO_E_UNSUPPORTED && f == 0),
                          "frame %u %s, %s table: %s", f, what,
                          is_matching != 0 ? "matching" : "old", po_status_name(st));
            help_memory_free(&memory);
        }
    return 4;
}

static unsigned
check_dropped_and_doubled(const struct help_sample *s, uint32_t f)
{
    struct help_shuffle shuffle;
    unsigned cases = 0;

    help_shuffle_init(&shuffle, s);
    help_shuffle_drop(&shuffle, f);
    cases += check_shuffle(&shuffle, s, "dropped", f);
    help_shuffle_init(&shuffle, s);
    help_shuffle_double(&shuffle, f);
    return cases + check_shuffle(&shuffle, s, "doubled", f);
}

/* spec-test: FILE-1, FRAME-4, INDEX-6, INDEX-8, SEEK-2, SEEK-3 */
START_TEST(no_frame_can_be_dropped_doubled_or_exchanged)
{
    struct help_sample s;
    struct help_sample other;
    struct help_shuffle shuffle;
    unsigned cases = 0;

    help_sample_make(&s, 1, files);
    help_sample_make(&other, 2, files);
    /* The way the files are put together is right. */
    help_shuffle_init(&shuffle, &s);
    {
        struct help_memory memory = { 0 };
        struct po_err err;

        help_shuffle_put(&memory, &shuffle, NULL);
        ck_assert_uint_eq(memory.size, s.memory.size);
        ck_assert_mem_eq(memory.bytes, s.memory.bytes, memory.size);
        ck_assert_int_eq(help_check(&memory, 1, NULL, NULL, &err), PO_OK);
        help_memory_free(&memory);
    }
    for (uint32_t f = 0; f < s.count; f++) {
        cases += check_dropped_and_doubled(&s, f);
        for (uint32_t g = f + 1; g < s.count; g++) {
            help_shuffle_init(&shuffle, &s);
            help_shuffle_swap(&shuffle, f, g);
            cases += check_shuffle(&shuffle, &s, "exchanged", f);
        }
        for (uint32_t g = 0; g < other.count; g++) {
            help_shuffle_init(&shuffle, &s);
            if (help_shuffle_replace(&shuffle, f, &other, g))
                cases += check_shuffle(&shuffle, &s, "replaced", f);
        }
    }
    printf("flips: %u files of shuffled frames\n", cases);
    ck_assert_uint_gt(cases, 100);
    help_sample_free(&s);
    help_sample_free(&other);
}
END_TEST

/* Every third byte set to 0, to 0xFF, and exchanged with its neighbour. */
START_TEST(no_changed_byte_passes)
{
    struct help_sample s;
    unsigned cases = 0;

    help_sample_make(&s, 3, files);
    for (size_t at = 0; at < s.memory.size; at += 3 * every) {
        static const uint8_t values[] = { 0, 0xFF };
        uint8_t old = s.memory.bytes[at];
        struct po_err err;

        for (size_t i = 0; i < HELP_COUNT(values); i++) {
            if (old == values[i])
                continue;
            s.memory.bytes[at] = values[i];
            ck_assert_msg(help_check(&s.memory, 1, NULL, NULL, &err) == PO_E_FORMAT, "byte %zu",
                          at);
            cases++;
        }
        s.memory.bytes[at] = old;
        if (at == 0 || old == s.memory.bytes[at - 1])
            continue;
        s.memory.bytes[at] = s.memory.bytes[at - 1];
        s.memory.bytes[at - 1] = old;
        ck_assert_msg(help_check(&s.memory, 1, NULL, NULL, &err) == PO_E_FORMAT,
                      "bytes %zu and before", at);
        s.memory.bytes[at - 1] = s.memory.bytes[at];
        s.memory.bytes[at] = old;
        cases++;
    }
    printf("flips: %u changed bytes\n", cases);
    ck_assert_uint_gt(cases, s.memory.size / 3 / every);
    help_sample_free(&s);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("flips");
    TCase *tc = tcase_create("flips");

    if (argc > 1 && strcmp(argv[1], "large") == 0)
        files = HELP_FILES_LARGE;
    if (argc > 2)
        every = strtoul(argv[2], NULL, 10);
    if (every == 0)
        return 3;
    tcase_set_timeout(tc, files == HELP_FILES_SMALL ? 500 : 36000);
    tcase_add_test(tc, no_flipped_bit_passes_and_each_names_what_it_hits);
    tcase_add_test(tc, no_cut_passes_and_no_byte_more);
    tcase_add_test(tc, no_frame_can_be_dropped_doubled_or_exchanged);
    tcase_add_test(tc, no_changed_byte_passes);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
