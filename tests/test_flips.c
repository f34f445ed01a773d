/*
 * Every bit of a small archive turned, every cut, every frame dropped, doubled, exchanged: nothing
 * may pass. What a turned bit in a data frame hits is worked out here from the places of the
 * entries alone: a member reaches to where the next one begins.
 */
#include "archive/hash.h"
#include "archive_help.h"
#include "base/cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(literal) (literal), (sizeof(literal) - 1)
#define FRAMES_MAX 32
#define ENTRIES_MAX 256
#define FILES_SMALL 9
#define FILES_LARGE 190 /* and ten other entries */
#define SEEK_ENTRY 12u
#define SEEK_REST 17u /* of the table, but for the entries */

/* An archive and what its seek table says, read by hand. */
struct sample {
    struct help_memory memory;
    uint32_t count;                   /* of data frames, the last one included */
    size_t offsets[FRAMES_MAX + 1];   /* in the file */
    uint64_t content[FRAMES_MAX + 1]; /* where each begins in all frames' content together */
    uint32_t summary;                 /* the frame before the index */
    uint32_t entry_count;
    uint64_t
        starts[ENTRIES_MAX + 1]; /* of the members in all content, and where the index begins */
    uint32_t order[ENTRIES_MAX]; /* of the members: entry numbers */
};

static void
read_seek_table(struct sample *s)
{
    const uint8_t *end = s->memory.bytes + s->memory.size;
    const uint8_t *row;

    s->count = po_load_u32le(end - 9);
    ck_assert_uint_le(s->count, FRAMES_MAX);
    row = end - 9 - (size_t)s->count * SEEK_ENTRY;
    for (uint32_t i = 0; i < s->count; i++, row += SEEK_ENTRY) {
        s->offsets[i + 1] = s->offsets[i] + po_load_u32le(row);
        s->content[i + 1] = s->content[i] + po_load_u32le(row + 4);
    }
    ck_assert_uint_eq(s->offsets[s->count] + (size_t)s->count * SEEK_ENTRY + SEEK_REST,
                      s->memory.size);
}

static void
read_places(struct sample *s)
{
    struct pobackup_blob blob = help_blob(&s->memory);
    struct pobackup_archive *archive = NULL;
    struct po_err err;

    ck_assert_msg(pobackup_open(&archive, &blob, &err) == PO_OK, "%s", err.text);
    s->entry_count = (uint32_t)pobackup_entry_count(archive);
    ck_assert_uint_le(s->entry_count, ENTRIES_MAX);
    for (uint32_t i = 0; i < s->entry_count; i++) {
        struct pobackup_entry entry;
        uint64_t start;
        uint32_t at = i;

        ck_assert_int_eq(pobackup_entry_at(archive, i, &entry, &err), PO_OK);
        start = s->content[entry.frame] + entry.offset;
        if (entry.path_size == 21 && memcmp(entry.path, "pobackup/summary.json", 21) == 0)
            s->summary = entry.frame;
        for (; at > 0 && s->starts[at - 1] > start; at--) {
            s->starts[at] = s->starts[at - 1];
            s->order[at] = s->order[at - 1];
        }
        s->starts[at] = start;
        s->order[at] = i;
    }
    ck_assert_uint_gt(s->summary, 0);
    s->starts[s->entry_count] = s->content[s->summary + 1];
    pobackup_close(archive);
}

static size_t files = FILES_SMALL;

/* Fifteen entries, or with "large" two hundred, in frames of 64 KiB; `salt` makes archives that differ. */
static void
make_sample(struct sample *s, uint8_t salt)
{
    const struct pobackup_writer_options options = {
        .frame_size = 65536, .level = 19, .created = 17639784001234567, .archive_id = { salt }
    };
    struct help_random random = { .state = salt };
    struct help_set set = { 0 };
    uint8_t *content = malloc(200000);
    struct po_err err;
    char path[40];

    *s = (struct sample){ 0 };
    ck_assert_ptr_nonnull(content);
    memset(content, salt, 200000);
    help_random_fill(&random, content, 60);
    help_set_add(&set, &random, POBACKUP_DIRECTORY, S("d"), NULL, NULL, 0);
    for (size_t i = 0; i < files; i++) {
        (void)snprintf(path, sizeof path, "d/%zu", i);
        help_set_add(&set, &random, POBACKUP_FILE, path, strlen(path), NULL, content,
                     i % FILES_SMALL * 300);
    }
    help_set_add(&set, &random, POBACKUP_FILE, S("d/large"), NULL, content, 150000);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/\xC3\xA4"), NULL, content, 100);
    help_set_add(&set, &random, POBACKUP_SYMLINK, S("d/link"), "1", NULL, 0);
    help_set_add(&set, &random, POBACKUP_HARDLINK, S("d/hard"), "d/1", NULL, 0);
    help_set_add(&set, &random, POBACKUP_FILE, S("d/empty"), NULL, NULL, 0);
    ck_assert_msg(help_set_write(&set, &s->memory, &options, NULL, &err) == PO_OK, "%s", err.text);
    help_set_free(&set);
    free(content);
    read_seek_table(s);
    read_places(s);
}

static void
free_sample(struct sample *s)
{
    help_memory_free(&s->memory);
}

/* ---- hits ---- */

struct hits {
    unsigned told[ENTRIES_MAX]; /* by number in the index */
    struct sample *sample;
    unsigned count;
};

static struct pobackup_archive *whole; /* to find an entry's number by its path */

static void
note_hit(void *ctx, const struct pobackup_entry *entry)
{
    struct hits *hits = ctx;
    int64_t number = pobackup_entry_find(whole, entry->path, entry->path_size);

    ck_assert(number >= 0 && number < ENTRIES_MAX);
    hits->told[number]++;
    hits->count++;
}

/* Exactly the entries that have a part in the frame, each once. spec-test: READ-2 */
static void
check_hits(const struct sample *s, const struct hits *hits, uint32_t frame, size_t bit)
{
    for (uint32_t i = 0; i < s->entry_count; i++) {
        bool is_hit = s->starts[i] < s->content[frame + 1] && s->starts[i + 1] > s->content[frame];

        ck_assert_msg(hits->told[s->order[i]] == (is_hit ? 1 : 0),
                      "bit %zu, frame %u: entry %u is told %u times", bit, frame, s->order[i],
                      hits->told[s->order[i]]);
    }
}

/* ---- bits ---- */

static void
check_flip(struct sample *s, size_t bit, int deep, unsigned *hit_count)
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
    }
    *hit_count += hits.count;
}

/*
 * spec-test: FRAME-1, FRAME-3, INDEX-8, SEEK-1, SEEK-2, SEEK-3, TRAILER-1, TRAILER-2, TRAILER-3,
 * TRAILER-4, TRAILER-5
 */
START_TEST(no_flipped_bit_passes_and_each_names_what_it_hits)
{
    struct sample s;
    struct pobackup_blob blob;
    struct po_err err;
    unsigned hit_count = 0;

    make_sample(&s, 1);
    blob = help_blob(&s.memory);
    ck_assert_int_eq(pobackup_open(&whole, &blob, &err), PO_OK);
    for (int deep = 0; deep < 2; deep++)
        ck_assert_msg(help_check(&s.memory, deep, NULL, NULL, &err) == PO_OK, "%s", err.text);
    for (size_t bit = 0; bit < s.memory.size * 8; bit++)
        for (int deep = 0; deep < 2; deep++)
            check_flip(&s, bit, deep, &hit_count);
    printf("flips: %zu bytes, %u frames, %u entries: %zu bits, each quick and deep; %u hits told\n",
           s.memory.size, s.count, s.entry_count, s.memory.size * 8, hit_count);
    ck_assert_uint_gt(s.summary, 3); /* the large file has frames of its own */
    pobackup_close(whole);
    free_sample(&s);
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
    struct sample s;

    make_sample(&s, 1);
    for (size_t size = 0; size < s.memory.size; size++)
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
    for (size_t size = 1; size < s.memory.size; size++) {
        enum po_status st = check_bytes(s.memory.bytes + size, s.memory.size - size, 1);

        ck_assert_msg(st == PO_E_FORMAT || st == PO_E_UNSUPPORTED, "cut by %zu bytes", size);
    }
    printf("flips: %zu cuts at the end, %zu at the front, 256 bytes more\n", s.memory.size,
           s.memory.size - 1);
    free_sample(&s);
}
END_TEST

/* ---- frames ---- */

/* A file of frames, each from one of two archives, with a seek table of them or another's. */
struct shuffle {
    const struct sample *from[FRAMES_MAX + 2];
    uint32_t frame[FRAMES_MAX + 2];
    uint32_t count;
};

static void
init_shuffle(struct shuffle *shuffle, const struct sample *s)
{
    *shuffle = (struct shuffle){ .count = s->count };
    for (uint32_t i = 0; i < s->count; i++) {
        shuffle->from[i] = s;
        shuffle->frame[i] = i;
    }
}

static void
put_u32(struct help_memory *memory, uint32_t value)
{
    uint8_t bytes[4];

    po_store_u32le(bytes, value);
    help_memory_put(memory, bytes, sizeof bytes);
}

static void
put_frames(struct help_memory *memory, const struct shuffle *shuffle)
{
    for (uint32_t i = 0; i < shuffle->count; i++) {
        const struct sample *s = shuffle->from[i];
        uint32_t f = shuffle->frame[i];

        help_memory_put(memory, s->memory.bytes + s->offsets[f], s->offsets[f + 1] - s->offsets[f]);
    }
}

static void
put_matching_table(struct help_memory *memory, const struct shuffle *shuffle)
{
    put_u32(memory, 0x184D2A5E);
    put_u32(memory, shuffle->count * SEEK_ENTRY + 9);
    for (uint32_t i = 0; i < shuffle->count; i++) {
        const struct sample *s = shuffle->from[i];
        uint32_t f = shuffle->frame[i];

        put_u32(memory, (uint32_t)(s->offsets[f + 1] - s->offsets[f]));
        put_u32(memory, (uint32_t)(s->content[f + 1] - s->content[f]));
        put_u32(memory, po_load_u32le(s->memory.bytes + s->offsets[f + 1] - 4));
    }
    put_u32(memory, shuffle->count);
    help_memory_put(memory, "\x80", 1);
    put_u32(memory, 0x8F92EAB1);
}

/* With the table of `s` as it was, and with one that fits. */
static unsigned
check_shuffle(const struct shuffle *shuffle, const struct sample *s, const char *what, uint32_t f)
{
    for (int is_matching = 0; is_matching < 2; is_matching++)
        for (int deep = 0; deep < 2; deep++) {
            struct help_memory memory = { 0 };
            struct po_err err = { 0 };
            enum po_status st;

            put_frames(&memory, shuffle);
            if (is_matching != 0)
                put_matching_table(&memory, shuffle);
            else
                help_memory_put(&memory, s->memory.bytes + s->offsets[s->count],
                                s->memory.size - s->offsets[s->count]);
            st = help_check(&memory, deep, NULL, NULL, &err);
            ck_assert_msg(st == PO_E_FORMAT || (st == PO_E_UNSUPPORTED && f == 0),
                          "frame %u %s, %s table: %s", f, what,
                          is_matching != 0 ? "matching" : "old", po_status_name(st));
            help_memory_free(&memory);
        }
    return 4;
}

static bool
is_same_frame(const struct sample *a, uint32_t f, const struct sample *b, uint32_t g)
{
    size_t size = a->offsets[f + 1] - a->offsets[f];

    return size == b->offsets[g + 1] - b->offsets[g] &&
           memcmp(a->memory.bytes + a->offsets[f], b->memory.bytes + b->offsets[g], size) == 0;
}

static unsigned
check_dropped_and_doubled(const struct sample *s, uint32_t f)
{
    struct shuffle shuffle;
    unsigned cases = 0;

    init_shuffle(&shuffle, s);
    for (uint32_t i = f; i + 1 < s->count; i++)
        shuffle.frame[i]++;
    shuffle.count--;
    cases += check_shuffle(&shuffle, s, "dropped", f);
    init_shuffle(&shuffle, s);
    for (uint32_t i = s->count; i > f; i--) {
        shuffle.from[i] = s;
        shuffle.frame[i] = i - 1;
    }
    shuffle.count++;
    return cases + check_shuffle(&shuffle, s, "doubled", f);
}

/* spec-test: FILE-1, FRAME-4, INDEX-6, INDEX-8, SEEK-2, SEEK-3 */
START_TEST(no_frame_can_be_dropped_doubled_or_exchanged)
{
    struct sample s;
    struct sample other;
    struct shuffle shuffle;
    unsigned cases = 0;

    make_sample(&s, 1);
    make_sample(&other, 2);
    ck_assert_uint_eq(s.count, other.count);
    /* The way the files are put together is right. */
    init_shuffle(&shuffle, &s);
    {
        struct help_memory memory = { 0 };
        struct po_err err;

        put_frames(&memory, &shuffle);
        put_matching_table(&memory, &shuffle);
        ck_assert_uint_eq(memory.size, s.memory.size);
        ck_assert_mem_eq(memory.bytes, s.memory.bytes, memory.size);
        ck_assert_int_eq(help_check(&memory, 1, NULL, NULL, &err), PO_OK);
        help_memory_free(&memory);
    }
    for (uint32_t f = 0; f < s.count; f++) {
        cases += check_dropped_and_doubled(&s, f);
        for (uint32_t g = f + 1; g < s.count; g++) {
            init_shuffle(&shuffle, &s);
            shuffle.frame[f] = g;
            shuffle.frame[g] = f;
            cases += check_shuffle(&shuffle, &s, "exchanged", f);
        }
        for (uint32_t g = 0; g < other.count; g++) {
            if (is_same_frame(&s, f, &other, g)) /* the summaries may be alike */
                continue;
            init_shuffle(&shuffle, &s);
            shuffle.from[f] = &other;
            shuffle.frame[f] = g;
            cases += check_shuffle(&shuffle, &s, "replaced", f);
        }
    }
    printf("flips: %u files of shuffled frames\n", cases);
    ck_assert_uint_gt(cases, 100);
    free_sample(&s);
    free_sample(&other);
}
END_TEST

/* Every third byte set to 0, to 0xFF, and exchanged with its neighbour. */
START_TEST(no_changed_byte_passes)
{
    struct sample s;
    unsigned cases = 0;

    make_sample(&s, 3);
    for (size_t at = 0; at < s.memory.size; at += 3) {
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
    ck_assert_uint_gt(cases, s.memory.size / 3);
    free_sample(&s);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("flips");
    TCase *tc = tcase_create("flips");

    if (argc > 1 && strcmp(argv[1], "large") == 0)
        files = FILES_LARGE;
    tcase_set_timeout(tc, files == FILES_SMALL ? 500 : 36000);
    tcase_add_test(tc, no_flipped_bit_passes_and_each_names_what_it_hits);
    tcase_add_test(tc, no_cut_passes_and_no_byte_more);
    tcase_add_test(tc, no_frame_can_be_dropped_doubled_or_exchanged);
    tcase_add_test(tc, no_changed_byte_passes);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
