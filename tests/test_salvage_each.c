/*
 * What salvage gets out of an archive with any one bit turned, cut at any length, with a frame
 * dropped, doubled, exchanged: each file whose frames are all there, to the byte.
 *
 *   test_salvage_each [large [EVERY]]
 *
 * large: of an archive of 200 files; with EVERY each so many bits and lengths alone, and a part of
 * the pairs of frames.
 */
#include "engine/salvage.h"
#include "os_help.h"
#include "sample_help.h"

static size_t files = HELP_FILES_SMALL;
static size_t every = 61;
static char top[OS_PATH_SIZE];
static struct help_sample sample;
static struct help_sample other;

static void
setup(void)
{
    os_temp_make(top, "salvage-each");
    help_sample_make(&sample, 1, files);
    help_sample_make(&other, 2, files);
}

static void
teardown(void)
{
    help_sample_free(&sample);
    help_sample_free(&other);
    os_temp_remove(top);
}

/* What is left of the sample in a file. */
struct left {
    bool is_there[HELP_FRAMES_MAX]; /* of its frames */
    bool has_foreign;               /* and frames of the other archive, which has the same names */
};

static bool
has_index(const struct left *left)
{
    for (uint32_t f = sample.summary + 1; f + 1 < sample.count; f++)
        if (!left->is_there[f])
            return false;
    return true;
}

static bool
is_whole(const struct left *left, uint32_t i)
{
    for (uint32_t f = 0; f <= sample.summary; f++)
        if (!left->is_there[f] && help_sample_has_part(&sample, i, f))
            return false;
    return true;
}

static void
assert_content(const struct pobackup_entry *entry, const char *what)
{
    int number = help_set_find(&sample.set, entry->path, entry->path_size);
    static uint8_t bytes[200000];
    char path[OS_PATH_SIZE + 64];
    struct po_file *file = NULL;
    struct po_err err;
    size_t got = 0;

    ck_assert_int_ge(number, 0);
    (void)snprintf(path, sizeof path, "%s/out/%.*s", top, (int)entry->path_size, entry->path);
    ck_assert_msg(po_os_file_open(&file, path, PO_FILE_READ, &err) == PO_OK, "%s: %s", what,
                  err.text);
    ck_assert_int_eq(po_file_read_at(file, 0, bytes, sizeof bytes, &got, &err), PO_OK);
    ck_assert_uint_eq(got, entry->size);
    ck_assert_msg(memcmp(bytes, sample.set.contents[number], got) == 0, "%s: %s", what, path);
    po_file_free(file);
}

static enum po_salvage_verdict
verdict_of(const struct po_salvage_result *result, const struct pobackup_entry *entry)
{
    uint32_t number;

    if (result->reader == NULL)
        return PO_SALVAGE_LOST;
    number = po_index_find(result->reader->index, entry->path, entry->path_size);
    return number == PO_NONE ? PO_SALVAGE_LOST : (enum po_salvage_verdict)result->verdicts[number];
}

/* Salvages, and looks at each file of the set; how many came out whole. */
static unsigned
check(struct help_memory *memory, const struct left *left, const char *what)
{
    struct pobackup_blob blob = help_shared_blob(memory);
    struct po_salvage_result result = { 0 };
    char path[OS_PATH_SIZE + 8];
    struct po_salvage_options options = { .directory = path, .threads = 1 };
    struct pobackup_entry entry;
    struct po_err err;
    enum po_status st;
    unsigned count = 0;

    (void)snprintf(path, sizeof path, "%s/out", top);
    st = po_salvage_run(&blob, &options, NULL, &result, &err);
    ck_assert_msg(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED, "%s: %s", what,
                  err.text);
    for (uint32_t i = 0; i < sample.entry_count; i++) {
        enum po_salvage_verdict verdict;
        bool is_written;

        ck_assert_int_eq(pobackup_entry_at(sample.archive, sample.order[i], &entry, &err), PO_OK);
        if (entry.type != POBACKUP_FILE ||
            help_set_find(&sample.set, entry.path, entry.path_size) < 0)
            continue;
        verdict = verdict_of(&result, &entry);
        is_written =
            st == PO_OK && (verdict == PO_SALVAGE_CERTAIN || verdict == PO_SALVAGE_DOUBTFUL);
        if (left->has_foreign && !has_index(left)) {
            /* Of two archives without an index it cannot be told which is looked for. */
            if (verdict == PO_SALVAGE_CERTAIN)
                assert_content(&entry, what);
            continue;
        }
        ck_assert_msg(is_written == is_whole(left, i), "%s: %.*s is%s written", what,
                      (int)entry.path_size, entry.path, is_written ? "" : " not");
        ck_assert_msg(!is_written || !has_index(left) || verdict == PO_SALVAGE_CERTAIN,
                      "%s: %.*s is not certain", what, (int)entry.path_size, entry.path);
        if (is_written) {
            assert_content(&entry, what);
            count++;
        }
    }
    po_salvage_result_deinit(&result);
    if (os_exists(path))
        os_remove(path);
    return count;
}

START_TEST(each_file_without_the_turned_bit_comes_out)
{
    size_t count = 0;
    unsigned long written = 0;
    char what[40];

    for (size_t bit = 0; bit < sample.memory.size * 8; bit += every, count++) {
        struct left left = { .has_foreign = false };

        for (uint32_t f = 0; f < sample.count; f++)
            left.is_there[f] = bit / 8 < sample.offsets[f] || bit / 8 >= sample.offsets[f + 1];
        (void)snprintf(what, sizeof what, "bit %zu", bit);
        sample.memory.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        written += check(&sample.memory, &left, what);
        sample.memory.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    printf("salvage: %zu bytes, %u frames, %zu files: %zu bits, %lu files written\n",
           sample.memory.size, sample.count, files, count, written);
}
END_TEST

START_TEST(each_file_before_the_cut_comes_out)
{
    size_t whole = sample.memory.size;
    size_t count = 0;
    unsigned long written = 0;
    char what[40];

    for (size_t size = 0; size < whole; size += every, count++) {
        struct left left = { .has_foreign = false };

        for (uint32_t f = 0; f < sample.count; f++)
            left.is_there[f] = sample.offsets[f + 1] <= size;
        (void)snprintf(what, sizeof what, "cut to %zu", size);
        sample.memory.size = size;
        written += check(&sample.memory, &left, what);
    }
    sample.memory.size = whole;
    printf("salvage: %zu cuts, %lu files written\n", count, written);
}
END_TEST

/* With the seek table as it was, and with one that fits. */
static unsigned
check_shuffle(const struct help_shuffle *shuffle, const char *verb, uint32_t f, uint32_t g)
{
    struct left left = { .has_foreign = false };
    char what[60];

    for (uint32_t i = 0; i < shuffle->count; i++)
        if (shuffle->from[i] == &sample)
            left.is_there[shuffle->frame[i]] = true;
        else
            left.has_foreign = true;
    for (int is_matching = 0; is_matching < 2; is_matching++) {
        struct help_memory memory = { 0 };

        (void)snprintf(what, sizeof what, "frame %u %s (%u), %s table", f, verb, g,
                       is_matching != 0 ? "matching" : "old");
        help_shuffle_put(&memory, shuffle, is_matching != 0 ? NULL : &sample);
        (void)check(&memory, &left, what);
        help_memory_free(&memory);
    }
    return 2;
}

static bool
is_left_out(uint32_t f, uint32_t g)
{
    return files == HELP_FILES_LARGE && every > 1 && (f + g) % 7 != 0;
}

START_TEST(each_file_comes_out_whatever_becomes_of_other_frames)
{
    struct help_shuffle shuffle;
    unsigned cases = 0;

    for (uint32_t f = 0; f < sample.count; f++) {
        help_shuffle_init(&shuffle, &sample);
        help_shuffle_drop(&shuffle, f);
        cases += check_shuffle(&shuffle, "dropped", f, 0);
        help_shuffle_init(&shuffle, &sample);
        help_shuffle_double(&shuffle, f);
        cases += check_shuffle(&shuffle, "doubled", f, 0);
        for (uint32_t g = f + 1; g < sample.count; g++) {
            if (is_left_out(f, g))
                continue;
            help_shuffle_init(&shuffle, &sample);
            help_shuffle_swap(&shuffle, f, g);
            cases += check_shuffle(&shuffle, "swapped", f, g);
        }
        for (uint32_t g = 0; g < other.count; g++) {
            help_shuffle_init(&shuffle, &sample);
            if (!is_left_out(f, g) && help_shuffle_replace(&shuffle, f, &other, g))
                cases += check_shuffle(&shuffle, "replaced", f, g);
        }
    }
    printf("salvage: %u files of shuffled frames\n", cases);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("salvage_each");
    TCase *tc = tcase_create("each");

    if (argc > 1 && strcmp(argv[1], "large") == 0) {
        files = HELP_FILES_LARGE;
        every = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    }
    if (every == 0)
        return 3;
    tcase_set_timeout(tc, files == HELP_FILES_SMALL ? 500 : 36000);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_file_without_the_turned_bit_comes_out);
    tcase_add_test(tc, each_file_before_the_cut_comes_out);
    tcase_add_test(tc, each_file_comes_out_whatever_becomes_of_other_frames);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
