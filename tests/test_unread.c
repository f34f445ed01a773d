/* A disk with bad sectors: what is zeros then, what is noted, and that salvage gives as much as of an archive with zeros there. */
#include "engine/unread.h"

#include "archive_help.h"
#include "engine/salvage.h"
#include "os_help.h"

#define S(literal) (literal), (sizeof(literal) - 1)
#define SECTOR 512u
#define BAD_MAX 4u

struct disk {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t bad[BAD_MAX]; /* sectors */
    size_t bad_count;
    enum po_status status; /* what they end in */
    unsigned failed;       /* reads */
};

static enum po_status
disk_read(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    struct disk *disk = ctx;

    for (size_t i = 0; i < disk->bad_count; i++)
        if (offset < (disk->bad[i] + 1) * SECTOR && offset + size > disk->bad[i] * SECTOR) {
            __atomic_add_fetch(&disk->failed, 1, __ATOMIC_RELAXED);
            return po_fail(err, disk->status, "sector %u", (unsigned)disk->bad[i]);
        }
    memcpy(bytes, disk->bytes + offset, size);
    return PO_OK;
}

static struct pobackup_blob
disk_blob(struct disk *disk)
{
    return (struct pobackup_blob){ .ctx = disk, .size = disk->size, .read_at = disk_read };
}

static uint8_t content[10 * PO_UNREAD_BLOCK + 100];
static uint8_t got[sizeof content];
static struct po_err err;

static void
fill(struct disk *disk)
{
    struct help_random random = { .state = 3 };

    help_random_fill(&random, content, sizeof content);
    *disk = (struct disk){ .bytes = content, .size = sizeof content, .status = PO_E_IO };
}

/* All bytes but those of these blocks, which are zeros, or may be as long as nobody knows that they are bad. */
static void
assert_read(const struct po_unread *unread, const uint64_t *blocks, size_t count, size_t step,
            bool is_known)
{
    for (size_t at = 0; at < sizeof content; at += step) {
        size_t size = sizeof content - at < step ? sizeof content - at : step;

        ck_assert_int_eq(unread->blob.read_at(unread->blob.ctx, at, got + at, size, &err), PO_OK);
    }
    for (size_t at = 0; at < sizeof content; at++) {
        bool is_zero = false;

        for (size_t i = 0; i < count; i++)
            is_zero |= at / PO_UNREAD_BLOCK == blocks[i];
        if (got[at] != (is_zero ? 0 : content[at]) && (is_known || got[at] != content[at]))
            ck_abort_msg("byte %zu in pieces of %zu", at, step);
    }
}

START_TEST(a_bad_sector_is_a_block_of_zeros_and_is_asked_for_once)
{
    static const size_t steps[] = { 1000, PO_UNREAD_BLOCK, 3 * PO_UNREAD_BLOCK, sizeof content };
    static const uint64_t bad_blocks[] = { 1, 3, 10 };

    for (size_t i = 0; i < HELP_COUNT(steps); i++) {
        struct po_unread unread;
        struct disk disk;
        struct pobackup_blob below;
        unsigned failed;

        fill(&disk);
        disk.bad[0] = 8 + 7; /* of block 1, and so on */
        disk.bad[1] = 3 * 8;
        disk.bad[2] = 10 * 8;
        disk.bad_count = 3;
        below = disk_blob(&disk);
        ck_assert_int_eq(po_unread_init(&unread, &below, &err), PO_OK);
        ck_assert_uint_eq(unread.blob.size, sizeof content);
        assert_read(&unread, bad_blocks, 3, steps[i], steps[i] >= PO_UNREAD_BLOCK);
        ck_assert_uint_eq(unread.count, 3);
        ck_assert_uint_eq(unread.ranges[0].offset, PO_UNREAD_BLOCK);
        ck_assert_uint_eq(unread.ranges[0].size, PO_UNREAD_BLOCK);
        ck_assert_uint_eq(unread.ranges[2].offset, 10 * PO_UNREAD_BLOCK);
        ck_assert_uint_eq(unread.ranges[2].size, 100);
        ck_assert_int_eq(unread.first.status, PO_E_IO);
        ck_assert_str_eq(unread.first.text, "sector 15");
        failed = disk.failed;
        disk.bad_count = 0; /* also when it would be readable now */
        assert_read(&unread, bad_blocks, 3, 777, true);
        ck_assert_uint_eq(disk.failed, failed);
        po_unread_deinit(&unread);
    }
}
END_TEST

START_TEST(neighbours_are_one_range_in_whatever_order)
{
    static const uint64_t orders[][3] = { { 2, 3, 4 }, { 4, 3, 2 }, { 2, 4, 3 }, { 4, 2, 3 } };

    for (size_t i = 0; i < HELP_COUNT(orders); i++) {
        struct po_unread unread;
        struct disk disk;
        struct pobackup_blob below;

        fill(&disk);
        for (; disk.bad_count < 3; disk.bad_count++)
            disk.bad[disk.bad_count] = (2 + disk.bad_count) * 8 + 1;
        below = disk_blob(&disk);
        ck_assert_int_eq(po_unread_init(&unread, &below, &err), PO_OK);
        for (size_t k = 0; k < 3; k++)
            ck_assert_int_eq(unread.blob.read_at(unread.blob.ctx,
                                                 orders[i][k] * PO_UNREAD_BLOCK + SECTOR + 3, got,
                                                 5, &err),
                             PO_OK);
        ck_assert_uint_eq(unread.count, 1);
        ck_assert_uint_eq(unread.ranges[0].offset, 2 * PO_UNREAD_BLOCK);
        ck_assert_uint_eq(unread.ranges[0].size, 3 * PO_UNREAD_BLOCK);
        assert_read(&unread, orders[i], 3, sizeof content, true);
        po_unread_deinit(&unread);
    }
}
END_TEST

START_TEST(what_is_no_failing_disk_ends_the_read)
{
    struct po_unread unread;
    struct disk disk;
    struct pobackup_blob below;

    fill(&disk);
    disk.bad[0] = 3;
    disk.bad_count = 1;
    disk.status = PO_E_CANCELLED;
    below = disk_blob(&disk);
    ck_assert_int_eq(po_unread_init(&unread, &below, &err), PO_OK);
    ck_assert_int_eq(unread.blob.read_at(unread.blob.ctx, 0, got, sizeof got, &err),
                     PO_E_CANCELLED);
    ck_assert_str_eq(err.text, "sector 3");
    ck_assert_uint_eq(unread.count, 0);
    po_unread_deinit(&unread);
}
END_TEST

/* ---- salvage ---- */

static char top[OS_PATH_SIZE];

static struct help_memory
make_archive(struct help_random *random)
{
    static const struct pobackup_writer_options options = {
        .frame_size = 65536, .level = 1, .host = "h", .created = 17639784001234567
    };
    static uint8_t bytes[30000];
    struct help_memory memory = { 0 };
    struct help_set set = { 0 };
    uint8_t digest[POBACKUP_DIGEST_SIZE];
    char name[20];

    for (unsigned i = 0; i < 200; i++) {
        help_random_fill(random, bytes, sizeof bytes);
        (void)snprintf(name, sizeof name, "d/%03u", i);
        help_set_add(&set, random, POBACKUP_FILE, name, strlen(name), NULL, bytes,
                     i % 9 == 0 ? sizeof bytes : 200 + 30 * i);
    }
    ck_assert_msg(help_set_write(&set, &memory, &options, digest, &err) == PO_OK, "%s", err.text);
    help_set_free(&set);
    return memory;
}

static enum po_status
salvage(const struct pobackup_blob *blob, const char *name, struct po_salvage_result *result)
{
    char directory[OS_PATH_SIZE + 8];
    struct po_salvage_options options = { .directory = directory, .threads = 2 };

    (void)snprintf(directory, sizeof directory, "%s/%s", top, name);
    if (os_exists(directory))
        os_remove(directory);
    return po_salvage_run(blob, &options, NULL, result, &err);
}

static void
assert_same(const struct po_salvage_result *a, const struct po_salvage_result *b)
{
    ck_assert_uint_eq(a->reader->index->count, b->reader->index->count);
    ck_assert_uint_eq(a->files, b->files);
    ck_assert_uint_eq(a->bytes, b->bytes);
    ck_assert_uint_eq(a->scan.count, b->scan.count);
    ck_assert_uint_eq(a->partial_count, b->partial_count);
    ck_assert_uint_eq(a->problems.count, b->problems.count);
    ck_assert_mem_eq(a->verdicts, b->verdicts, a->reader->index->count);
    ck_assert_int_eq(po_salvage_is_complete(a), po_salvage_is_complete(b));
}

START_TEST(salvage_gives_as_much_as_with_zeros_there)
{
    struct help_random random = help_random_begin("bad sectors", (uint64_t)_i);
    struct help_memory memory = make_archive(&random);
    struct disk disk = { .bytes = memory.bytes, .size = memory.size, .status = PO_E_IO };
    uint8_t *zeroed = malloc(memory.size);
    struct disk other = { .bytes = zeroed, .size = memory.size };
    struct pobackup_blob bad;
    struct pobackup_blob holes = disk_blob(&other);
    struct po_salvage_result a = { 0 };
    struct po_salvage_result b = { 0 };
    uint64_t unread = 0;

    ck_assert_ptr_nonnull(zeroed);
    memcpy(zeroed, memory.bytes, memory.size);
    disk.bad_count = 1 + (size_t)help_random_below(&random, BAD_MAX);
    for (size_t i = 0; i < disk.bad_count; i++) {
        uint64_t block;

        disk.bad[i] = help_random_below(&random, memory.size / SECTOR);
        block = disk.bad[i] * SECTOR / PO_UNREAD_BLOCK * PO_UNREAD_BLOCK;
        memset(zeroed + block, 0,
               memory.size - block < PO_UNREAD_BLOCK ? memory.size - block : PO_UNREAD_BLOCK);
    }
    bad = disk_blob(&disk);
    ck_assert_msg(salvage(&bad, "bad", &a) == PO_OK, "%s", err.text);
    ck_assert_int_eq(salvage(&holes, "holes", &b), PO_OK);
    assert_same(&a, &b);
    ck_assert_uint_eq(b.unread.count, 0);
    for (size_t i = 0; i < a.unread.count; i++)
        unread += a.unread.ranges[i].size;
    ck_assert_uint_gt(unread, 0);
    ck_assert_uint_le(unread, disk.bad_count * PO_UNREAD_BLOCK);
    po_salvage_result_deinit(&a);
    po_salvage_result_deinit(&b);
    free(zeroed);
    help_memory_free(&memory);
}
END_TEST

START_TEST(a_disk_that_gives_nothing_is_no_damage)
{
    static const uint8_t nothing[SECTOR];
    struct disk disk = { .bytes = nothing, .size = SECTOR, .bad_count = 1, .status = PO_E_IO };
    struct pobackup_blob blob = disk_blob(&disk);
    struct po_salvage_result result = { 0 };

    ck_assert_int_eq(salvage(&blob, "out", &result), PO_E_IO);
    ck_assert_str_eq(err.text, "sector 0");
    po_salvage_result_deinit(&result);
}
END_TEST

static void
setup(void)
{
    os_temp_make(top, "unread");
}

static void
teardown(void)
{
    os_temp_remove(top);
}

int
main(void)
{
    Suite *suite = suite_create("unread");
    TCase *blob = tcase_create("blob");
    TCase *whole = tcase_create("salvage");

    tcase_add_test(blob, a_bad_sector_is_a_block_of_zeros_and_is_asked_for_once);
    tcase_add_test(blob, neighbours_are_one_range_in_whatever_order);
    tcase_add_test(blob, what_is_no_failing_disk_ends_the_read);
    suite_add_tcase(suite, blob);
    tcase_set_timeout(whole, 120);
    tcase_add_checked_fixture(whole, setup, teardown);
    tcase_add_loop_test(whole, salvage_gives_as_much_as_with_zeros_there, 0, 40);
    tcase_add_test(whole, a_disk_that_gives_nothing_is_no_damage);
    suite_add_tcase(suite, whole);
    return help_run(suite);
}
