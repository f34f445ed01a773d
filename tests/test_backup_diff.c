/*
 * Differentials: what is as the base has it is not read, and found there; together they are the
 * whole site, whatever was done to it between.
 */
#include "chain_help.h"
#include "os_help.h"
#include "port/sys.h"

#define LARGE BOX "/large"
#define LARGE_SIZE ((size_t)700000) /* 11 frames */
#define ROUNDS 20

static struct po_err err;

/* Names, kinds, times and contents are those of the site now. */
static void
assert_site(const struct help_archive *archive)
{
    struct po_joined *joined = help_chain_join(archive);
    struct help_archive view = *archive;

    view.joined = po_joined_reader(joined);
    help_assert_site(&view, &help_chain.host);
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
    (void)help_chain_save(-1);
    help_write_text(BOX "/new", "new");
    archive = help_chain_save(0);
    assert_site(archive);
    ck_assert_uint_eq(source_of(archive, LARGE), 1);
    ck_assert_uint_eq(source_of(archive, BOX "/new"), 0);
    ck_assert_uint_eq(source_of(archive, REG), 0); /* always */
    ck_assert_uint_eq(help_chain.result.files_new, 2);
    ck_assert_uint_lt(help_chain.sinks[1].size, help_chain.sinks[0].size / 20);
    ck_assert_uint_eq(help_chain.result.silent.count, 0);
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
    (void)help_chain_save(-1);
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
    archive = help_chain_save(0);
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
    help_chain_settle();
    help_write_text(BOX "/fresh", "fresh");
    (void)help_chain_save(-1);
    help_chain.archives[0].reader->trailer.created = os_stat(BOX "/fresh").change_time;
    archive = help_chain_save(0);
    ck_assert_uint_eq(source_of(archive, BOX "/fresh"), 0);
    assert_site(archive);
}
END_TEST

START_TEST(a_chain_leads_through_all_its_links)
{
    struct help_archive *archive = NULL;
    char path[64];

    help_make_site();
    (void)help_chain_save(-1);
    for (int i = 1; i < HELP_CHAIN; i++) {
        (void)snprintf(path, sizeof path, BOX "/day%d", i);
        help_write_random(path, 1000, (uint64_t)i);
        archive = help_chain_save(i - 1);
        assert_site(archive);
        ck_assert_uint_eq(archive->reader->index->parent_count, (uint32_t)i);
    }
    ck_assert_uint_eq(source_of(archive, BOX "/day5"), 0);
    ck_assert_uint_eq(source_of(archive, BOX "/day1"), 4);
    ck_assert_uint_eq(help_chain.result.files_new, 2);
}
END_TEST

/* What only a disk does: the content is another, and nothing else. */
static void
rot(const char *path)
{
    struct po_node_info before = os_stat(path);
    struct po_index *index = help_chain.archives[0].reader->index;
    uint32_t number = po_index_find(index, path, strlen(path));
    uint8_t stamp[8];

    /* The stamps of the file are made those of the base by changing the base's index. */
    help_write_text(path, "rotten");
    os_set_time(path, before.write_time);
    for (int i = 0; i < 8; i++)
        stamp[i] = (uint8_t)((uint64_t)os_stat(path).change_time >> (8 * i));
    memcpy(index->bytes + (index->change_times - index->bytes) + (size_t)number * 8, stamp, 8);
    help_chain.archives[0].reader->trailer.created = po_sys_now() + INT64_C(10000000);
}

START_TEST(a_content_that_changed_without_a_trace_is_named_and_saved)
{
    static const struct po_backup_base all = { .share = 1 };
    struct help_archive *archive;

    help_make_site();
    help_write_text(BOX "/victim", "health");
    help_write_text(BOX "/other", "other");
    (void)help_chain_save(-1);
    rot(BOX "/victim");
    help_chain.options.base = &all; /* all of them are read */
    archive = help_chain_save(0);
    ck_assert_uint_eq(help_chain.result.silent.count, 1);
    ck_assert(help_problems_have(&help_chain.result.silent, BOX "/victim", "saved anew"));
    ck_assert_uint_gt(help_chain.result.rechecked, 10);
    ck_assert_uint_eq(source_of(archive, BOX "/victim"), 0);
    ck_assert_uint_eq(source_of(archive, BOX "/other"), 1);
    assert_site(archive);
}
END_TEST

static void
take_away_at_start(void *ctx, const char *call)
{
    bool *is_done = ctx;

    if (*is_done || strcmp(call, "start") != 0)
        return;
    *is_done = true;
    ck_assert_int_eq(unlink(BOX "/small"), 0);
    ck_assert_int_eq(unlink(LARGE), 0);
    ck_assert_int_eq(unlink(BOX "/directory/small"), 0);
    ck_assert_int_eq(unlink(BOX "/directory/large"), 0);
    ck_assert_int_eq(rmdir(BOX "/directory"), 0);
    help_write_text(BOX "/directory", "a file now");
}

/* The share is read when the services run again, and work. */
START_TEST(what_is_deleted_after_the_outage_is_no_problem)
{
    static const struct po_backup_base all = { .share = 1 };
    struct help_archive *archive;
    bool is_done = false;

    help_make_site();
    help_write_text(BOX "/small", "small");
    help_write_text(BOX "/directory/small", "small, too");
    help_write_random(LARGE, LARGE_SIZE, 1);
    help_write_random(BOX "/directory/large", LARGE_SIZE, 2);
    (void)help_chain_save(-1);
    help_chain.options.base = &all;
    help_chain.host.hook = take_away_at_start;
    help_chain.host.ctx = &is_done;
    archive = help_chain_save(0);
    help_chain.host.hook = NULL;
    ck_assert(is_done);
    ck_assert_uint_eq(help_chain.result.silent.count, 0);
    ck_assert_uint_gt(help_chain.result.rechecked, 4);
    ck_assert_uint_eq(source_of(archive, BOX "/small"), 1);
    ck_assert_uint_eq(source_of(archive, BOX "/directory/large"), 1);
}
END_TEST

/* Another share each day, and in as many days as the share says all of them. */
START_TEST(in_a_round_of_days_every_file_is_read_once)
{
    static const struct po_backup_base share = { .share = 4 };
    uint64_t rechecked = 0;
    uint64_t files = 0;

    help_make_site();
    for (unsigned i = 0; i < HELP_CHAIN_FILES; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, BOX "/many/%u", i);
        help_write_random(path, 10, i);
    }
    (void)help_chain_save(-1);
    help_chain.options.base = &share;
    for (int day = 0; day < 4; day++) {
        help_chain.options.created = po_sys_now() + day * INT64_C(864000000000);
        (void)help_chain_save(0);
        ck_assert_uint_gt(help_chain.result.rechecked, 0);
        rechecked += help_chain.result.rechecked;
        files = help_chain.result.files - help_chain.result.files_new;
        help_chain.count--;
        help_close(&help_chain.archives[help_chain.count]);
        help_sink_deinit(&help_chain.sinks[help_chain.count]);
    }
    ck_assert_uint_eq(rechecked, files);
}
END_TEST

START_TEST(the_manifest_names_base_kind_and_purpose)
{
    struct po_buf json = { 0 };
    struct help_archive *archive;

    help_make_site();
    (void)help_chain_save(-1);
    help_chain.options.purpose = "pre-upgrade";
    archive = help_chain_save(0);
    help_must(po_reader_manifest(archive->reader, &json, &err), &err);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "\"diff\""));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "pre-upgrade"));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "0.tar.zst"));
    po_buf_deinit(&json);
}
END_TEST

/* ---- beside a server ---- */

static uint64_t chance;

/* Each archive builds on any earlier one; hot or cold; things happen between the passes too. */
START_TEST(any_differential_of_any_history_is_the_site_at_the_stop)
{
    chance = help_seed();
    for (int round = 0; round < ROUNDS; round++) {
        help_make_site();
        help_chain_work(&chance, 100);
        help_write_random(LARGE, LARGE_SIZE, chance);
        (void)help_chain_save(-1);
        for (int i = 1; i < HELP_CHAIN; i++) {
            help_chain_work(&chance, 15);
            assert_site(help_chain_save_busy((int)(help_random(&chance) % (uint32_t)i), &chance));
            help_assert_services(&help_chain.host);
            ck_assert_uint_eq(help_chain.result.skipped.count + help_chain.result.changed.count, 0);
        }
        help_chain_drop();
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

    tcase_add_checked_fixture(tc, help_chain_begin, help_chain_end);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, what_is_unchanged_is_found_in_the_base);
    tcase_add_test(tc, each_kind_of_change_is_saved);
    tcase_add_test(tc, what_changed_shortly_before_the_base_is_read_again);
    tcase_add_test(tc, a_chain_leads_through_all_its_links);
    tcase_add_test(tc, a_content_that_changed_without_a_trace_is_named_and_saved);
    tcase_add_test(tc, what_is_deleted_after_the_outage_is_no_problem);
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
