/* The index of an archive, kept beside: what comes back is that index, or nothing. */
#include "engine/catalog.h"

#include "base/mem.h"
#include "engine/backup.h"
#include "os_help.h"
#include "port/sys.h"
#include "site_help.h"

#define PLACE "catalogs"

static struct help_host host;
static struct help_sink sink;
static struct help_archive archive;
static struct po_err err;

/* A backup, and its catalog. */
static void
make(void)
{
    struct po_catalog *catalog = NULL;
    struct pobackup_sink copy;
    struct po_backup_options options = { .threads = 1, .frame_size = FRAME_SIZE };
    struct po_backup_result result = { 0 };

    help_sink_init(&sink);
    help_must(po_catalog_create(&catalog, PLACE, &err), &err);
    copy = po_catalog_sink(catalog);
    options.index_copy = &copy;
    help_must(po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err), &err);
    help_must(po_catalog_commit(catalog, result.digest, &err), &err);
    po_catalog_free(catalog);
    po_backup_result_deinit(&result);
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
}

static void
drop(void)
{
    help_close(&archive);
    help_sink_deinit(&sink);
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_make_site();
    err = (struct po_err){ 0 };
    make();
}

static void
teardown(void)
{
    drop();
    help_leave();
}

static enum po_status
load(struct po_index **index)
{
    *index = NULL;
    return po_catalog_load(index, PLACE, archive.reader->digest, &err);
}

/* The one file in the directory. */
static char *
name_of_file(void)
{
    static char path[300];
    DIR *dir = opendir(PLACE);
    struct dirent *entry;

    path[0] = '\0';
    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void)snprintf(path, sizeof path, PLACE "/%s", entry->d_name);
    ck_assert_int_eq(closedir(dir), 0);
    ck_assert_str_ne(path, "");
    return path;
}

static uint8_t *
read_it(size_t *size)
{
    FILE *file = fopen(name_of_file(), "rb");
    uint8_t *bytes = malloc(1u << 20);

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(bytes);
    *size = fread(bytes, 1, 1u << 20, file);
    ck_assert_int_eq(fclose(file), 0);
    return bytes;
}

START_TEST(it_is_the_index_of_the_archive)
{
    struct po_index *index = NULL;

    help_must(load(&index), &err);
    ck_assert_uint_eq(index->size, archive.reader->index->size);
    ck_assert_mem_eq(index->bytes, archive.reader->index->bytes, index->size);
    po_index_free(index);
    ck_assert_uint_eq(os_count(PLACE), 1);
    os_assert_mode(name_of_file(), 0600);
}
END_TEST

START_TEST(one_that_is_not_there_is_told_apart)
{
    struct po_index *index;

    ck_assert_int_eq(unlink(name_of_file()), 0);
    ck_assert_int_eq(load(&index), PO_E_IO);
    ck_assert_int_eq(err.os_code, OS_CASE(ENOENT, err.os_code));
    ck_assert_int_eq(rmdir(PLACE), 0);
    ck_assert_int_eq(load(&index), PO_E_IO);
}
END_TEST

START_TEST(no_flipped_bit_and_no_cut_passes)
{
    size_t size;
    uint8_t *bytes = read_it(&size);
    const char *path = name_of_file();
    struct po_index *index;

    for (size_t at = 0; at < size; at += at + 200 < size ? 37 : 1) {
        bytes[at] ^= (uint8_t)(1u << (at % 8));
        os_write(path, bytes, size);
        ck_assert_msg(load(&index) == PO_E_FORMAT, "byte %zu: %s", at, err.text);
        bytes[at] ^= (uint8_t)(1u << (at % 8));
    }
    for (size_t cut = 1; cut < size; cut = cut * 2 + 1) {
        os_write(path, bytes, size - cut);
        ck_assert_msg(load(&index) == PO_E_FORMAT, "cut %zu: %s", cut, err.text);
    }
    os_write(path, bytes, 0);
    ck_assert_int_eq(load(&index), PO_E_FORMAT);
    free(bytes);
}
END_TEST

START_TEST(that_of_another_archive_under_the_name_is_refused)
{
    size_t size;
    uint8_t *bytes = read_it(&size);
    struct po_index *index;

    ck_assert_int_eq(unlink(name_of_file()), 0);
    drop();
    help_write_text(BOX "/more", "more");
    make();
    os_write(name_of_file(), bytes, size);
    ck_assert_int_eq(load(&index), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "another archive"));
    free(bytes);
}
END_TEST

START_TEST(what_is_not_committed_leaves_nothing_and_what_a_dead_run_left_is_no_matter)
{
    struct po_catalog *catalog = NULL;

    help_must(po_catalog_create(&catalog, PLACE, &err), &err);
    po_catalog_free(catalog);
    ck_assert_uint_eq(os_count(PLACE), 1);
    os_write(PLACE "/new.partial", "left", 4);
    help_must(po_catalog_create(&catalog, PLACE, &err), &err);
    po_catalog_free(catalog);
    ck_assert_uint_eq(os_count(PLACE), 1);
}
END_TEST

START_TEST(all_others_are_removed_and_nothing_else)
{
    uint8_t first[PO_DIGEST_SIZE];
    struct po_index *index;

    memcpy(first, archive.reader->digest, PO_DIGEST_SIZE);
    drop();
    help_write_text(BOX "/more", "more");
    make();
    os_write(PLACE "/somebody's", "x", 1);
    ck_assert_uint_eq(os_count(PLACE), 3);
    po_catalog_keep(PLACE, archive.reader->digest, 1);
    ck_assert_uint_eq(os_count(PLACE), 2);
    help_must(load(&index), &err);
    po_index_free(index);
    ck_assert_int_eq(po_catalog_load(&index, PLACE, first, &err), PO_E_IO);
}
END_TEST

/* ---- with the argument "big": how long a large one takes to load, and what it takes ---- */

#define BIG 1000000u
#define LOADS 5

static enum po_status
put_to_sink(void *ctx, const void *bytes, size_t size, struct po_err *failure)
{
    const struct pobackup_sink *to = ctx;

    return to->write(to->ctx, bytes, size, failure);
}

/* A mailbox of a million messages. */
static void
make_big(const uint8_t digest[PO_DIGEST_SIZE])
{
    static const uint8_t id[PO_ID_SIZE] = { 1 };
    struct po_frame_info frame = { .content_size = 1u << 20, .compressed_size = 1u << 20 };
    struct po_entry_list list = { 0 };
    struct po_index_source source = {
        .list = &list, .frames = &frame, .frame_count = 1, .archive_id = id
    };
    struct po_catalog *catalog = NULL;
    struct pobackup_sink copy;
    uint32_t *order = NULL;
    uint64_t state = 1;

    for (uint32_t i = 0; i < BIG; i++) {
        struct po_entry *entry;
        char path[64];

        (void)snprintf(path, sizeof path, BOX "/%02u/user%04u/%06u.MSG", i % 40, i % 4000, i);
        help_must(po_entry_list_add(&list, path, strlen(path), &entry, &err), &err);
        entry->type = POBACKUP_FILE;
        entry->state = PO_ENTRY_SAVED;
        entry->size = help_random(&state) % 100000;
        entry->write_time = entry->change_time = (int64_t)help_random(&state) << 20;
        entry->file_id = i + 12;
        entry->offset = i % 2048 * 512;
        for (unsigned b = 0; b < PO_HASH_SIZE; b++)
            entry->hash[b] = (uint8_t)help_random(&state);
    }
    help_must(po_index_sort(&list, &order, &source.count, &err), &err);
    source.order = order;
    help_must(po_catalog_create(&catalog, PLACE, &err), &err);
    copy = po_catalog_sink(catalog);
    help_must(po_index_put(&source, put_to_sink, &copy, &err), &err);
    help_must(po_catalog_commit(catalog, digest, &err), &err);
    po_catalog_free(catalog);
    po_entry_list_deinit(&list);
    po_mem_free(order);
}

START_TEST(a_million_entries_are_loaded_quickly)
{
    static const uint8_t digest[PO_DIGEST_SIZE] = { 7 };
    double best = 1e9;
    size_t bytes = 0;

    make_big(digest);
    for (int i = 0; i < LOADS; i++) {
        struct po_index *index = NULL;
        double start = po_sys_monotonic();

        help_must(po_catalog_load(&index, PLACE, digest, &err), &err);
        start = po_sys_monotonic() - start;
        best = start < best ? start : best;
        bytes = index->size;
        ck_assert_uint_eq(index->count, BIG);
        po_index_free(index);
    }
    printf("%u entries: loaded in %.3f s (the best of %d), %.1f bytes an entry\n", BIG, best, LOADS,
           (double)bytes / BIG);
    (void)fflush(stdout);
    ck_assert_uint_le(bytes / BIG, 128);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tc = tcase_create("catalog");
    SRunner *runner;
    int failed;

    suite = suite_create("catalog");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    if (argc > 1 && strcmp(argv[1], "big") == 0)
        tcase_add_test(tc, a_million_entries_are_loaded_quickly);
    tcase_add_test(tc, it_is_the_index_of_the_archive);
    tcase_add_test(tc, one_that_is_not_there_is_told_apart);
    tcase_add_test(tc, no_flipped_bit_and_no_cut_passes);
    tcase_add_test(tc, that_of_another_archive_under_the_name_is_refused);
    tcase_add_test(tc, what_is_not_committed_leaves_nothing_and_what_a_dead_run_left_is_no_matter);
    tcase_add_test(tc, all_others_are_removed_and_nothing_else);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
