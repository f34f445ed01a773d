/*
 * Differentials: what is as the base has it is not read, and found there; together they are the
 * whole site, whatever was done to it between.
 */
#include "archive/joined.h"
#include "engine/backup.h"
#include "os_help.h"
#include "port/sys.h"
#include "site_help.h"

#define MARGIN_MS 50u
#define LARGE BOX "/large"
#define LARGE_SIZE ((size_t)700000) /* 11 frames */
#define CHAIN 6
#define FILES 80
#define ROUNDS 20

static struct help_host host;
static struct po_backup_options options;
static struct po_backup_result result;
static struct po_err err;

/* The archives of a test, one on top of the other. */
static struct help_sink sinks[CHAIN];
static struct help_archive archives[CHAIN];
static unsigned archive_count;

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    options = (struct po_backup_options){ .threads = 2,
                                          .frame_size = FRAME_SIZE,
                                          .hot_margin_ms = MARGIN_MS };
    result = (struct po_backup_result){ 0 };
    err = (struct po_err){ 0 };
    archive_count = 0;
}

static void
drop_archives(void)
{
    while (archive_count > 0) {
        archive_count--;
        help_close(&archives[archive_count]);
        help_sink_deinit(&sinks[archive_count]);
    }
}

static void
teardown(void)
{
    po_backup_result_deinit(&result);
    drop_archives();
    help_leave();
}

static void
settle(void)
{
    po_sys_sleep_ms(MARGIN_MS + 30);
}

/* One archive more, on `base` (an archive's number, or -1: a full). */
static struct help_archive *
save(int base)
{
    struct help_archive *archive = &archives[archive_count];
    struct help_sink *sink = &sinks[archive_count];
    struct po_backup_base on = { .share = 1000000, .margin_ms = MARGIN_MS };
    char name[16];

    settle();
    if (base >= 0) {
        const struct po_reader *reader = archives[base].reader;

        (void)snprintf(name, sizeof name, "%d.tar.zst", base);
        on.index = reader->index;
        memcpy(on.digest, reader->digest, PO_DIGEST_SIZE);
        on.created = reader->trailer.created;
        on.name = name;
        on.share = options.base == NULL ? on.share : options.base->share;
    }
    po_backup_result_deinit(&result);
    result = (struct po_backup_result){ 0 };
    help_sink_init(sink);
    {
        struct po_backup_options with_base = options;

        with_base.base = base >= 0 ? &on : NULL;
        host.calls = 0;
        host.log[0] = '\0';
        help_must(po_backup_run(&host.host, &sink->sink, &with_base, NULL, &result, &err), &err);
    }
    ck_assert(sink->is_committed);
    help_open(archive, sink->bytes.bytes, sink->bytes.size);
    help_assert_whole(archive);
    archive_count++;
    settle(); /* so that what is done next is later than what was read */
    return archive;
}

/* ---- reading it ---- */

/* The number of the archive with this digest. */
static unsigned
find_archive(const uint8_t digest[PO_DIGEST_SIZE])
{
    for (unsigned i = 0; i < archive_count; i++)
        if (memcmp(archives[i].reader->digest, digest, PO_DIGEST_SIZE) == 0)
            return i;
    ck_abort_msg("a parent that there is not");
    return 0;
}

static struct po_joined *
join(const struct help_archive *archive)
{
    const struct po_index *index = archive->reader->index;
    struct po_reader *parents[CHAIN] = { NULL };
    struct po_joined *joined = NULL;

    ck_assert_uint_le(index->parent_count, CHAIN);
    for (uint32_t i = 0; i < index->parent_count; i++) {
        struct po_parent parent;
        const char *name;
        size_t size;

        po_index_parent(index, i, &parent, &name, &size);
        parents[i] = archives[find_archive(parent.digest)].reader;
    }
    help_must(po_joined_new(&joined, archive->reader, parents, &err), &err);
    return joined;
}

/* Names, kinds, times and contents are those of the site now. */
static void
assert_site(const struct help_archive *archive)
{
    struct po_joined *joined = join(archive);
    struct help_archive view = *archive;

    view.joined = po_joined_reader(joined);
    help_assert_site(&view, &host);
    po_joined_free(joined);
}

static uint16_t
source_of(const struct help_archive *archive, const char *path)
{
    const struct po_index *index = archive->reader->index;
    uint32_t number = po_index_find(index, path, strlen(path));

    ck_assert_msg(number != PO_NONE, "%s is not in the archive", path);
    return po_index_source(index, number);
}

/* ---- tests ---- */

START_TEST(what_is_unchanged_is_found_in_the_base)
{
    struct help_archive *archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 1);
    (void)save(-1);
    help_write_text(BOX "/new", "new");
    archive = save(0);
    assert_site(archive);
    ck_assert_uint_eq(source_of(archive, LARGE), 1);
    ck_assert_uint_eq(source_of(archive, BOX "/new"), 0);
    ck_assert_uint_eq(source_of(archive, REG), 0); /* always */
    ck_assert_uint_eq(result.files_new, 2);
    ck_assert_uint_lt(sinks[1].size, sinks[0].size / 20);
    ck_assert_uint_eq(result.silent.count, 0);
}
END_TEST

START_TEST(each_kind_of_change_is_saved)
{
    struct help_archive *archive;

    help_make_site();
    help_write_text(BOX "/a", "same size");
    help_write_text(BOX "/stealthy", "AAAA");
    help_write_text(BOX "/gone", "gone");
    help_write_text(BOX "/name-1", "two names");
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-2"), 0);
    help_write_text(BOX "/apart-1", "two names, soon one");
    ck_assert_int_eq(link(BOX "/apart-1", BOX "/apart-2"), 0);
    help_write_text(BOX "/file", "a file");
    (void)save(-1);
    {
        int64_t time = os_stat(BOX "/stealthy").write_time;

        help_write_text(BOX "/stealthy", "BBBB");
        os_set_time(BOX "/stealthy", time);
    }
    help_write_text(BOX "/a", "another!!");
    ck_assert_int_eq(unlink(BOX "/gone"), 0);
    ck_assert_int_eq(unlink(BOX "/apart-1"), 0);
    ck_assert_int_eq(unlink(BOX "/file"), 0);
    help_write_text(BOX "/file/now", "in a directory");
    archive = save(0);
    assert_site(archive);
    ck_assert(!help_has(archive, BOX "/gone"));
    ck_assert_uint_eq(source_of(archive, BOX "/stealthy"), 0);
    ck_assert_uint_eq(source_of(archive, BOX "/name-1"), 1);
    ck_assert_uint_eq(source_of(archive, BOX "/name-2"), 1);
    ck_assert_uint_eq(source_of(archive, BOX "/apart-2"), 0);
}
END_TEST

START_TEST(what_changed_shortly_before_the_base_is_read_again)
{
    struct help_archive *archive;

    help_make_site();
    settle();
    help_write_text(BOX "/fresh", "fresh");
    (void)save(-1);
    archives[0].reader->trailer.created = os_stat(BOX "/fresh").change_time;
    archive = save(0);
    ck_assert_uint_eq(source_of(archive, BOX "/fresh"), 0);
    assert_site(archive);
}
END_TEST

START_TEST(a_chain_leads_through_all_its_links)
{
    struct help_archive *archive = NULL;
    char path[64];

    help_make_site();
    (void)save(-1);
    for (int i = 1; i < CHAIN; i++) {
        (void)snprintf(path, sizeof path, BOX "/day%d", i);
        help_write_random(path, 1000, (uint64_t)i);
        archive = save(i - 1);
        assert_site(archive);
        ck_assert_uint_eq(archive->reader->index->parent_count, (uint32_t)i);
    }
    ck_assert_uint_eq(source_of(archive, BOX "/day5"), 0);
    ck_assert_uint_eq(source_of(archive, BOX "/day1"), 4);
    ck_assert_uint_eq(result.files_new, 2);
}
END_TEST

/* What only a disk does: the content is another, and nothing else. */
static void
rot(const char *path)
{
    struct po_node_info before = os_stat(path);
    struct po_index *index = archives[0].reader->index;
    uint32_t number = po_index_find(index, path, strlen(path));
    uint8_t stamp[8];

    /* The stamps of the file are made those of the base by changing the base's index. */
    help_write_text(path, "rotten");
    os_set_time(path, before.write_time);
    for (int i = 0; i < 8; i++)
        stamp[i] = (uint8_t)((uint64_t)os_stat(path).change_time >> (8 * i));
    memcpy(index->bytes + (index->change_times - index->bytes) + (size_t)number * 8, stamp, 8);
    archives[0].reader->trailer.created = po_sys_now() + INT64_C(10000000);
}

START_TEST(a_content_that_changed_without_a_trace_is_named_and_saved)
{
    static const struct po_backup_base all = { .share = 1 };
    struct help_archive *archive;

    help_make_site();
    help_write_text(BOX "/victim", "health");
    help_write_text(BOX "/other", "other");
    (void)save(-1);
    rot(BOX "/victim");
    options.base = &all; /* all of them are read */
    archive = save(0);
    ck_assert_uint_eq(result.silent.count, 1);
    ck_assert(help_problems_have(&result.silent, BOX "/victim", "saved anew"));
    ck_assert_uint_gt(result.rechecked, 10);
    ck_assert_uint_eq(source_of(archive, BOX "/victim"), 0);
    ck_assert_uint_eq(source_of(archive, BOX "/other"), 1);
    assert_site(archive);
}
END_TEST

/* Another share each day, and in as many days as the share says all of them. */
START_TEST(in_a_round_of_days_every_file_is_read_once)
{
    static const struct po_backup_base share = { .share = 4 };
    uint64_t rechecked = 0;
    uint64_t files = 0;

    help_make_site();
    for (unsigned i = 0; i < FILES; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, BOX "/many/%u", i);
        help_write_random(path, 10, i);
    }
    (void)save(-1);
    options.base = &share;
    for (int day = 0; day < 4; day++) {
        options.created = po_sys_now() + day * INT64_C(864000000000);
        (void)save(0);
        ck_assert_uint_gt(result.rechecked, 0);
        rechecked += result.rechecked;
        files = result.files - result.files_new;
        archive_count--;
        help_close(&archives[archive_count]);
        help_sink_deinit(&sinks[archive_count]);
    }
    ck_assert_uint_eq(rechecked, files);
}
END_TEST

START_TEST(the_manifest_names_base_kind_and_purpose)
{
    struct po_buf json = { 0 };
    struct help_archive *archive;

    help_make_site();
    (void)save(-1);
    options.purpose = "pre-upgrade";
    archive = save(0);
    help_must(po_reader_manifest(archive->reader, &json, &err), &err);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "\"diff\""));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "pre-upgrade"));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "0.tar.zst"));
    po_buf_deinit(&json);
}
END_TEST

/* ---- beside a server ---- */

static uint64_t chance;

static void
work(unsigned steps)
{
    char path[64];
    char other[64];

    while (steps-- > 0) {
        (void)snprintf(path, sizeof path, BOX "/work/%u", help_random(&chance) % FILES);
        (void)snprintf(other, sizeof other, BOX "/work/%u", help_random(&chance) % FILES);
        switch (help_random(&chance) % 6) {
        case 0:
            help_write_random(path, help_random(&chance) % 3000, chance);
            break;
        case 1:
            (void)unlink(path);
            break;
        case 2:
            (void)rename(path, other);
            break;
        case 3:
            (void)!link(path, other);
            break;
        case 4:
            if (os_exists(path))
                (void)os_set_size(path, help_random(&chance) % 100);
            break;
        default:
            if (os_exists(path))
                os_set_time(path, INT64_C(12345678900000000));
            break;
        }
    }
}

static void
work_at_stop(void *ctx, const char *call)
{
    bool *is_done = ctx;

    if (strcmp(call, "stop") != 0 || *is_done)
        return;
    *is_done = true;
    work(10);
}

/* Each archive builds on any earlier one; hot or cold; things happen between the passes too. */
START_TEST(any_differential_of_any_history_is_the_site_at_the_stop)
{
    chance = help_seed();
    for (int round = 0; round < ROUNDS; round++) {
        help_make_site();
        work(100);
        help_write_random(LARGE, LARGE_SIZE, chance);
        (void)save(-1);
        for (int i = 1; i < CHAIN; i++) {
            bool is_done = false;

            work(15);
            options.is_hot = help_random(&chance) % 2 == 0;
            host.hook = work_at_stop;
            host.ctx = &is_done;
            assert_site(save((int)(help_random(&chance) % (uint32_t)i)));
            help_assert_services(&host);
            ck_assert_uint_eq(result.skipped.count + result.changed.count, 0);
            host.hook = NULL;
        }
        drop_archives();
        os_remove(BIN);
        os_remove(SPOOL);
        os_remove(BOX);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("backup, differentials");
    TCase *tc = tcase_create("diff");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, what_is_unchanged_is_found_in_the_base);
    tcase_add_test(tc, each_kind_of_change_is_saved);
    tcase_add_test(tc, what_changed_shortly_before_the_base_is_read_again);
    tcase_add_test(tc, a_chain_leads_through_all_its_links);
    tcase_add_test(tc, a_content_that_changed_without_a_trace_is_named_and_saved);
    tcase_add_test(tc, in_a_round_of_days_every_file_is_read_once);
    tcase_add_test(tc, the_manifest_names_base_kind_and_purpose);
    tcase_add_test(tc, any_differential_of_any_history_is_the_site_at_the_stop);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
