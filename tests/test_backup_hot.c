/*
 * Backups that read most of the site while its services run: what is in the archive is the site as
 * it was when they had stopped, whatever was done to it before.
 */
#include "engine/backup.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"
#include "port/thread.h"
#include "site_help.h"

#define SEEDS OS_CASE(50, 10) /* under Wine each takes ten seconds */
#define BULK 120              /* files that nobody touches */
#define FILES 60              /* files that are worked on */
#define DIRECTORIES 6
#define MARGIN_MS 150u
#define STEPS_MIN 20u               /* of the server, a backup */
#define LARGE_SIZE ((size_t)700000) /* 11 frames */

static struct help_host host;
static struct help_sink sink;
static struct po_backup_options options;
static struct po_backup_result result;
static struct po_err err;

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_sink_init(&sink);
    options = (struct po_backup_options){
        .threads = 2, .frame_size = FRAME_SIZE, .is_hot = true, .hot_margin_ms = MARGIN_MS
    };
    result = (struct po_backup_result){ 0 };
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    help_leave();
}

static enum po_status
run_again(void)
{
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    sink.size = 0;
    sink.writes = 0;
    sink.is_committed = false;
    host.calls = 0;
    host.log[0] = '\0';
    return po_backup_run(&host.host, &sink.sink, &options, NULL, &result, &err);
}

static void
must_run(struct help_archive *archive)
{
    help_must(run_again(), &err);
    ck_assert(sink.is_committed);
    ck_assert_uint_eq(result.archive_bytes, sink.size);
    help_open(archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(archive);
}

/* What was written until now is old enough to be trusted. */
static void
settle(void)
{
    po_sys_sleep_ms(MARGIN_MS + 50);
}

/* Does something at the first call of this name: "stop" comes after the hot pass, "export" when all
 * have stopped. */
struct meddler {
    const char *call;
    void (*meddle)(void);
    unsigned skip; /* so many calls of the name before it */
};

static void
meddle_at_call(void *ctx, const char *call)
{
    struct meddler *meddler = ctx;

    if (meddler->call == NULL || strcmp(call, meddler->call) != 0 || meddler->skip-- > 0)
        return;
    meddler->call = NULL;
    meddler->meddle();
}

static void
run_meddled(void (*meddle)(void), struct help_archive *archive)
{
    struct meddler meddler = { .call = "stop", .meddle = meddle };

    settle();
    host.hook = meddle_at_call;
    host.ctx = &meddler;
    must_run(archive);
    ck_assert_ptr_null(meddler.call);
    help_assert_services(&host);
    host.hook = NULL;
}

static void
nothing(void)
{
}

static bool
is_hot(const struct help_archive *archive, const char *path)
{
    struct pobackup_entry registry;
    struct pobackup_entry entry;

    (void)help_entry(archive, REG, &registry);
    (void)help_entry(archive, path, &entry);
    return entry.frame < registry.frame; /* which is read first when all have stopped */
}

/* Of the names of one file, whichever tree they are in, one is the file, and the others are links. */
static void
assert_groups(const struct help_archive *archive)
{
    uint64_t count = pobackup_entry_count(archive->archive);
    uint64_t *ids = calloc(count + 1, sizeof *ids);
    size_t files = 0;

    ck_assert_ptr_nonnull(ids);
    for (uint64_t i = 0; i < count; i++) {
        struct pobackup_entry entry;
        struct po_node_info info;
        char path[200];

        help_must(pobackup_entry_at(archive->archive, i, &entry, &err), &err);
        (void)snprintf(path, sizeof path, "%.*s", (int)entry.path_size, entry.path);
        if (entry.type != POBACKUP_FILE || !os_exists(path))
            continue;
        info = os_stat(path);
        for (size_t k = 0; info.link_count > 1 && k < files; k++)
            ck_assert_msg(ids[k] != info.file_id, "%s: the same file is there twice", path);
        if (info.link_count > 1)
            ids[files++] = info.file_id;
    }
    free(ids);
}

/* ---- what is read when ---- */

START_TEST(what_nobody_touches_is_read_before_the_services_stop)
{
    struct help_archive archive;

    help_make_site();
    help_write_random(BOX "/large", LARGE_SIZE, 1);
    run_meddled(nothing, &archive);
    help_assert_site(&archive, &host);
    ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
    ck_assert(is_hot(&archive, BOX "/large"));
    ck_assert_uint_eq(result.skipped.count, 0);
    ck_assert_uint_eq(result.changed.count, 0);
    ck_assert_uint_eq(result.vanished.count, 0);
    /* All but the registry and the spool's three. */
    ck_assert_uint_eq(result.files_hot, result.files - 4);
    ck_assert(result.outage_seconds >= 0);
    ck_assert(result.walk_seconds >= 0 && result.read_seconds >= 0);
    help_close(&archive);
}
END_TEST

START_TEST(what_had_just_been_written_is_read_again)
{
    struct help_archive archive;

    help_make_site();
    options.hot_margin_ms = 0;
    must_run(&archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.files_hot, 0);
    help_close(&archive);
}
END_TEST

START_TEST(without_running_services_there_is_one_pass)
{
    struct help_archive archive;

    help_make_site();
    settle();
    host.states[HELP_MTA] = host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    must_run(&archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.files_hot, 0);
    ck_assert(result.outage_seconds < 0);
    help_close(&archive);
}
END_TEST

/* ---- what changes between ---- */

static void
change_everything(void)
{
    help_write_random(BOX "/grown", 900, 11);
    help_write_text(BOX "/same-size", "BBBB");
    ck_assert_int_eq(unlink(BOX "/gone"), 0);
    help_write_text(BOX "/new/one", "new");
    ck_assert_int_eq(rename(BOX "/before", BOX "/after"), 0);
    help_write_text(BIN "/tool", "another version");
    help_write_random(BOX "/large", LARGE_SIZE, 8);
    ck_assert_int_eq(unlink(BOX "/file"), 0);
    help_write_text(BOX "/file/now", "in a directory");
    os_remove(BOX "/directory");
    help_write_text(BOX "/directory", "a file now");
}

START_TEST(what_changes_before_the_stop_is_as_it_was_at_the_stop)
{
    struct help_archive archive;

    help_make_site();
    help_write_random(BOX "/grown", 500, 10);
    help_write_text(BOX "/same-size", "AAAA");
    help_write_text(BOX "/gone", "gone");
    help_write_text(BOX "/before", "renamed");
    help_write_text(BOX "/stays", "stays");
    help_write_text(BIN "/tool", "a version");
    help_write_random(BOX "/large", LARGE_SIZE, 7);
    help_write_text(BOX "/file", "a file");
    help_write_text(BOX "/directory/child", "child");
    run_meddled(change_everything, &archive);
    help_assert_site(&archive, &host);
    ck_assert(is_hot(&archive, BOX "/stays"));
    ck_assert(!is_hot(&archive, BOX "/same-size"));
    ck_assert(!help_has(&archive, BOX "/gone"));
    ck_assert_uint_eq(result.changed.count, 0);
    ck_assert(help_problems_have(&result.vanished, BOX "/gone", "gone"));
    ck_assert(help_problems_have(&result.vanished, BOX "/before", "gone"));
    ck_assert(help_problems_have(&result.vanished, BOX "/directory/child", "gone"));
    ck_assert_uint_eq(result.vanished.count, 3);
    help_close(&archive);
}
END_TEST

static void
rewrite_and_put_the_time_back(void)
{
    int64_t time = os_stat(BOX "/stealthy").write_time;
    FILE *file = fopen(BOX "/stealthy", "r+b");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite("BBBB", 1, 4, file), 4);
    ck_assert_int_eq(fclose(file), 0);
    os_set_time(BOX "/stealthy", time);
}

START_TEST(a_rewrite_that_puts_the_write_time_back_is_seen)
{
    struct help_archive archive;

    help_make_site();
    help_write_text(BOX "/stealthy", "AAAA");
    run_meddled(rewrite_and_put_the_time_back, &archive);
    help_assert_content(&archive, BOX "/stealthy", "BBBB", 4);
    help_assert_site(&archive, &host);
    help_close(&archive);
}
END_TEST

static void
change_the_second_name(void)
{
    /* Where nothing takes the place of what is there, it goes first. */
    help_write_text("fresh", "another file");
    ck_assert_int_eq(unlink(BOX "/name-2"), 0);
    ck_assert_int_eq(rename("fresh", BOX "/name-2"), 0);
}

static void
remove_the_first_name(void)
{
    ck_assert_int_eq(unlink(BOX "/name-1"), 0);
}

static void
add_a_name(void)
{
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-0"), 0);
}

static void
write_through_a_name(void)
{
    FILE *file = fopen(BOX "/name-2", "r+b");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite("X", 1, 1, file), 1);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(names_of_one_file_stay_names_of_one_file)
{
    static void (*const ways[])(void) = { nothing, remove_the_first_name, add_a_name,
                                          write_through_a_name, change_the_second_name };
    struct help_archive archive;

    help_make_site();
    help_write_text(BOX "/name-1", "one file, three names");
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-2"), 0);
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-3"), 0);
    run_meddled(ways[_i], &archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.changed.count, 0);
    if (_i == 0)
        ck_assert(is_hot(&archive, BOX "/name-3"));
    help_close(&archive);
}
END_TEST

static void
link_into_the_spool(void)
{
    ck_assert_int_eq(link(BOX "/name-1", SPOOL "/queued"), 0);
}

static void
move_into_the_spool(void)
{
    ck_assert_int_eq(rename(BOX "/name-2", SPOOL "/queued"), 0);
}

static void
move_into_the_other_tree(void)
{
    ck_assert_int_eq(rename(BOX "/name-2", BIN "/name-2"), 0);
}

START_TEST(names_in_several_trees_stay_names_of_one_file)
{
    static void (*const ways[])(void) = { nothing, link_into_the_spool, move_into_the_spool,
                                          move_into_the_other_tree };
    struct help_archive archive;

    help_make_site();
    help_write_text(BOX "/name-1", "one file in several trees");
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-2"), 0);
    ck_assert_int_eq(link(BOX "/name-1", SPOOL "/control"), 0);
    help_write_text(BOX "/alone", "and one with a name there and one in the mailbox");
    ck_assert_int_eq(link(BOX "/alone", SPOOL "/alone"), 0);
    run_meddled(ways[_i], &archive);
    help_assert_site(&archive, &host);
    assert_groups(&archive);
    ck_assert_uint_eq(result.changed.count, 0);
    ck_assert_uint_eq(result.vanished.count, _i < 2 ? 0 : 1);
    help_close(&archive);
}
END_TEST

START_TEST(a_name_outside_the_site_is_no_reason_to_read_again)
{
    struct help_archive archive;

    help_make_site();
    help_write_text(BOX "/name-1", "one file");
    ck_assert_int_eq(link(BOX "/name-1", BOX "/name-2"), 0);
    ck_assert_int_eq(link(BOX "/name-1", "outside"), 0);
    help_write_text(BOX "/alone", "another");
    ck_assert_int_eq(link(BOX "/alone", "outside-too"), 0);
    run_meddled(nothing, &archive);
    help_assert_site(&archive, &host);
    assert_groups(&archive);
    ck_assert(is_hot(&archive, BOX "/name-2"));
    ck_assert(is_hot(&archive, BOX "/alone"));
    help_close(&archive);
}
END_TEST

#if OS_HAS_POSIX
static void
make_unreadable(void)
{
    help_write_text(BOX "/kept", "changed since");
    ck_assert_int_eq(chmod(BOX "/kept", 0), 0);
    ck_assert_int_eq(chmod(BOX "/shut", 0), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

/* Better the message of a minute ago than none; but it is named. */
START_TEST(what_cannot_be_read_any_more_is_saved_as_it_was_and_named) /* req: B8 */
{
    struct help_archive archive;
    struct pobackup_entry entry;

    help_make_site();
    help_write_text(BOX "/kept", "read while they ran");
    help_write_text(BOX "/shut/child", "likewise");
    run_meddled(make_unreadable, &archive);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    help_assert_content(&archive, BOX "/kept", "read while they ran", 19);
    help_assert_content(&archive, BOX "/shut/child", "likewise", 8);
    ck_assert(help_problems_have(&result.changed, BOX "/kept", "before the services stopped"));
    ck_assert(help_problems_have(&result.skipped, BOX "/shut", "ermission"));
    ck_assert_uint_eq(result.vanished.count, 0);
    (void)help_entry(&archive, BOX "/shut", &entry);
    ck_assert_int_eq(entry.type, POBACKUP_DIRECTORY);
    help_close(&archive);
}
END_TEST
#endif

/* ---- a server that works ---- */

/* Its own state of chance, and how far it came. */
struct server {
    uint64_t state;
    struct po_mutex *lock;
    struct po_thread *thread;
    bool is_to_end;
    unsigned steps;
    unsigned steps_wanted; /* before it may end */
    unsigned names;        /* of new files, so far */
};

/* Another step; false when it is to end. */
static bool
begin_step(struct server *server)
{
    bool goes_on;

    po_mutex_lock(server->lock);
    server->steps++;
    goes_on = !server->is_to_end;
    po_mutex_unlock(server->lock);
    return goes_on;
}

static unsigned
steps_of(struct server *server)
{
    unsigned steps;

    po_mutex_lock(server->lock);
    steps = server->steps;
    po_mutex_unlock(server->lock);
    return steps;
}

static const char *
any_path(struct server *server, char path[64])
{
    unsigned directory = help_random(&server->state) % DIRECTORIES;
    unsigned number = help_random(&server->state) % FILES;

    (void)snprintf(path, 64, "%s/d%u/m%u",
                   directory == 0   ? BIN
                   : directory == 1 ? SPOOL
                                    : BOX,
                   directory, number);
    return path;
}

static void
append(const char *path, struct server *server)
{
    FILE *file = fopen(path, "ab");

    if (file == NULL)
        return;
    fprintf(file, "line %u\n", help_random(&server->state));
    fclose(file);
}

static void
rewrite_in_place(const char *path, struct server *server)
{
    FILE *file = fopen(path, "r+b");

    if (file == NULL)
        return;
    fprintf(file, "%08x", help_random(&server->state));
    fclose(file);
    if (help_random(&server->state) % 2 == 0)
        os_set_time(path, INT64_C(12345678900000000)); /* as if nothing had happened */
}

static void
replace(const char *path, struct server *server)
{
    char fresh[64];
    FILE *file;

    (void)snprintf(fresh, sizeof fresh, BOX "/tmp%u", server->names++);
    file = fopen(fresh, "wb");
    if (file == NULL)
        return;
    for (uint32_t i = help_random(&server->state) % 3000; i > 0; i--)
        fputc((int)(help_random(&server->state) & 0xFF), file);
    fclose(file);
    (void)rename(fresh, path);
}

static void
work_once(struct server *server)
{
    char path[64];
    char other[64];

    any_path(server, path);
    switch (help_random(&server->state) % 10) {
    case 0:
    case 1:
        append(path, server);
        break;
    case 2:
    case 3:
        rewrite_in_place(path, server);
        break;
    case 4:
    case 5:
        replace(path, server);
        break;
    case 6:
        (void)unlink(path);
        break;
    case 7:
        (void)any_path(server, other);
        (void)rename(path, other);
        break;
    case 8:
        (void)any_path(server, other);
        (void)!link(path, other);
        break;
    default:
        if (os_exists(path))
            (void)os_set_size(path, help_random(&server->state) % 100);
        break;
    }
}

static void
server_main(void *ctx)
{
    struct server *server = ctx;

    while (begin_step(server))
        work_once(server);
}

/* The last service has been asked to stop: nothing is written any more. */
static void
stop_server(void *ctx, const char *call)
{
    struct server *server = ctx;

    if (server->thread == NULL || strcmp(call, "stop") != 0 || strstr(host.log, "puf") == NULL)
        return;
    /* On a busy machine it may not have had its turn yet. */
    while (steps_of(server) < server->steps_wanted)
        po_sys_sleep_ms(1);
    po_mutex_lock(server->lock);
    server->is_to_end = true;
    po_mutex_unlock(server->lock);
    po_thread_join(server->thread);
    server->thread = NULL;
}

static void
make_server_site(struct server *server)
{
    char path[64];

    help_make_site();
    for (unsigned i = 0; i < BULK; i++) {
        (void)snprintf(path, sizeof path, BOX "/bulk/%u", i);
        help_write_random(path, 200 + i * 50, i);
    }
    for (unsigned d = 0; d < DIRECTORIES; d++)
        for (unsigned i = 0; i < FILES; i++) {
            (void)snprintf(path, sizeof path, "%s/d%u/m%u",
                           d == 0   ? BIN
                           : d == 1 ? SPOOL
                                    : BOX,
                           d, i);
            help_write_random(path, help_random(&server->state) % 2000, i);
        }
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, BOX "/d%u/m%u", i + 2, i);
        help_write_random(path, LARGE_SIZE, i);
    }
}

/* One backup while the server works until it is stopped. */
static void
run_beside(struct server *server)
{
    struct help_archive archive;

    settle();
    server->steps_wanted = server->steps + STEPS_MIN;
    server->is_to_end = false;
    help_must(po_thread_start(&server->thread, server_main, server, &err), &err);
    host.hook = stop_server;
    host.ctx = server;
    must_run(&archive);
    ck_assert_ptr_null(server->thread);
    help_assert_services(&host);
    help_assert_site(&archive, &host);
    assert_groups(&archive);
    ck_assert_uint_eq(result.skipped.count, 0);
    ck_assert_uint_eq(result.changed.count, 0);
    ck_assert_uint_ge(result.files_hot, BULK);
    help_close(&archive);
}

/* Appended to, replaced, removed, renamed, linked, cut, rewritten in place with the time put back. */
START_TEST(beside_a_server_that_works_the_snapshot_is_the_state_at_the_stop)
{
    struct server server = { .state = help_seed() };

    help_must(po_mutex_new(&server.lock, &err), &err);
    make_server_site(&server);
    for (int i = 0; i < SEEDS; i++)
        run_beside(&server);
    po_mutex_free(server.lock);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("backup, hot");
    TCase *tc = tcase_create("hot");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, what_nobody_touches_is_read_before_the_services_stop);
    tcase_add_test(tc, what_had_just_been_written_is_read_again);
    tcase_add_test(tc, without_running_services_there_is_one_pass);
    tcase_add_test(tc, what_changes_before_the_stop_is_as_it_was_at_the_stop);
    tcase_add_test(tc, a_rewrite_that_puts_the_write_time_back_is_seen);
    tcase_add_loop_test(tc, names_of_one_file_stay_names_of_one_file, 0, 5);
    tcase_add_loop_test(tc, names_in_several_trees_stay_names_of_one_file, 0, 4);
    tcase_add_test(tc, a_name_outside_the_site_is_no_reason_to_read_again);
    os_add_posix_test(tc, what_cannot_be_read_any_more_is_saved_as_it_was_and_named);
    tcase_add_test(tc, beside_a_server_that_works_the_snapshot_is_the_state_at_the_stop);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
