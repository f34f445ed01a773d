/*
 * Whole backups of generated sites: contents, services, and files that change while they are read.
 * With the argument "long": what takes too long for every day.
 */
#include "engine/backup.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"
#include "port/thread.h"
#include "site_help.h"

#define LARGE BOX "/large"
#define LARGE_SIZE ((size_t)3000000) /* 46 frames */
/* What help_make_site makes: two names are no names on Windows, and there are no symbolic links. */
#define SITE_FILES OS_CASE(29u, 27u)
#define SITE_LINKS OS_CASE(3u, 1u)

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
    options = (struct po_backup_options){ .threads = 2, .frame_size = FRAME_SIZE };
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

/* One more backup of the same site. */
static enum po_status
run_again(const struct po_watch *watch)
{
    po_backup_result_deinit(&result);
    help_sink_deinit(&sink);
    sink.size = 0;
    sink.writes = 0;
    sink.is_committed = false;
    host.calls = 0;
    host.log[0] = '\0';
    return po_backup_run(&host.host, &sink.sink, &options, watch, &result, &err);
}

static void
must_run(struct help_archive *archive)
{
    help_must(run_again(NULL), &err);
    ck_assert(sink.is_committed);
    ck_assert_uint_eq(result.archive_bytes, sink.size);
    help_open(archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(archive);
}

static void
make_empty_trees(void)
{
    help_make_directory(BIN);
    help_make_directory(SPOOL);
    help_make_directory(BOX);
}

static struct po_buf
summary_of(const struct help_archive *archive)
{
    struct po_buf json = { 0 };

    help_must(po_reader_summary(archive->reader, &json, &err), &err);
    return json;
}

static void
assert_summary_has(const struct help_archive *archive, const char *text)
{
    struct po_buf json = summary_of(archive);

    ck_assert_msg(strstr(po_buf_text(&json), text) != NULL, "%s is not in %s", text,
                  po_buf_text(&json));
    po_buf_deinit(&json);
}

/* ---- contents ---- */

START_TEST(the_archive_holds_the_whole_site) /* req: B3, B4, B5, B6, N1 */
{
    struct help_archive archive;
    uint8_t digest[POBACKUP_DIGEST_SIZE];

    help_make_site();
    must_run(&archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.skipped.count, 0);
    ck_assert_uint_eq(result.changed.count, 0);
    /* bin 2, spool 3, mailbox 23, the registry; the other name and two symbolic links. */
    ck_assert_uint_eq(result.files, SITE_FILES);
    ck_assert_uint_eq(result.links, SITE_LINKS);
    ck_assert_uint_eq(result.directories, 3 + 2 + 10);
    ck_assert_uint_eq(result.frames, archive.reader->frame_count);
    /* And manifest and summary, which are no part of the site. */
    ck_assert_uint_eq(pobackup_entry_count(archive.archive), SITE_FILES + SITE_LINKS + 15 + 2);
    pobackup_digest(archive.archive, digest);
    ck_assert_mem_eq(result.digest, digest, sizeof digest);
    ck_assert_mem_eq(result.archive_id, archive.reader->trailer.archive_id, POBACKUP_ID_SIZE);
    help_close(&archive);
}
END_TEST

/* Whatever the way there, the same is in it. */
START_TEST(any_frame_size_thread_count_level_and_order_give_the_same_contents)
{
    static const struct po_backup_options variants[] = {
        { .threads = 1, .frame_size = 64u << 10, .level = 1 },
        { .threads = 4, .frame_size = 64u << 10, .level = 3, .is_by_path = true },
        { .threads = 3, .frame_size = 65536 + 512, .level = -5, .is_unchecked = true },
        { .threads = 2, .frame_size = 1u << 20, .level = 9 },
        { .threads = 0, .frame_size = 0, .level = 0 },
        { .threads = 1, .frame_size = 32u << 20, .level = 1 },
    };
    struct help_archive archive;

    help_make_site();
    help_write_random(LARGE, 700001, 4);
    options = variants[_i];
    must_run(&archive);
    help_assert_site(&archive, &host);
    help_close(&archive);
}
END_TEST

START_TEST(the_order_in_the_archive_is_by_delivery_or_by_path)
{
    struct help_archive archive;
    struct pobackup_entry a;
    struct pobackup_entry b;

    make_empty_trees();
    help_write_text(BOX "/a", "younger");
    help_write_text(BOX "/b", "older");
    os_set_time(BOX "/b", INT64_C(10000000000));
    options.is_by_path = _i == 1;
    must_run(&archive);
    (void)help_entry(&archive, BOX "/a", &a);
    (void)help_entry(&archive, BOX "/b", &b);
    ck_assert_uint_eq(a.frame, b.frame);
    ck_assert((a.offset < b.offset) == options.is_by_path);
    help_close(&archive);
}
END_TEST

START_TEST(an_empty_site_and_empty_files_are_saved)
{
    struct help_archive archive;

    make_empty_trees();
    help_write_text(SPOOL "/a", "");
    help_write_text(BOX "/a", "");
    host.registry = "Windows Registry Editor Version 5.00\r\n\r\n";
    must_run(&archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.files, 3);
    ck_assert_uint_eq(result.bytes, strlen(host.registry));
    help_close(&archive);
}
END_TEST

START_TEST(names_of_any_bytes_and_paths_of_any_length_are_saved)
{
    struct help_archive archive;
    char longest[5100] = BOX "/";
    char name[256];

    make_empty_trees();
    memset(name, 'n', 255);
    name[255] = '\0';
    /* Under Wine 4096 bytes are the end of all. */
    for (int i = 0; i < OS_CASE(18, 14); i++) {
        strcat(longest, name);
        strcat(longest, "/");
    }
    ck_assert_uint_gt(strlen(longest), OS_CASE(4500, 3500));
    strcat(longest, OS_CASE("\xFF\n \\.", "\xE5\x8F\x97 ."));
    help_write_text(longest, "deep");
    must_run(&archive);
    help_assert_site(&archive, &host);
    help_assert_content(&archive, longest, "deep", 4);
    help_close(&archive);
}
END_TEST

START_TEST(what_was_before_is_in_the_manifest) /* req: B7 */
{
    struct help_archive archive;
    const char *json;
    size_t size;
    char *text;

    help_make_site();
    must_run(&archive);
    json = pobackup_manifest(archive.archive, &size);
    text = strndup(json, size);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "\"mta\""));
    ck_assert_ptr_nonnull(strstr(text, "\"running\""));
    ck_assert_ptr_nonnull(strstr(text, "\"stopped\""));
    ck_assert_ptr_nonnull(strstr(text, host.place[PO_PART_MAILBOX]));
    free(text);
    help_close(&archive);
}
END_TEST

/* req: N5 */
START_TEST(the_parts_may_lie_anywhere_and_be_fewer)
{
    struct help_archive archive;

    help_write_text("one/program", "x");
    help_write_text("two/three/mail", "y");
    (void)snprintf(host.place[PO_PART_BIN], 256, "%s/one", help_directory());
    (void)snprintf(host.place[PO_PART_MAILBOX], 256, "%s/two/three", help_directory());
    host.place[PO_PART_SPOOL][0] = '\0';
    host.place[PO_PART_REGISTRY][0] = '\0';
    must_run(&archive);
    help_assert_tree(&archive, BIN, "one", NULL);
    help_assert_tree(&archive, BOX, "two/three", NULL);
    ck_assert(!help_has(&archive, SPOOL));
    ck_assert(!help_has(&archive, REG));
    help_close(&archive);
}
END_TEST

START_TEST(a_missing_tree_is_refused_before_anything_is_stopped)
{
    help_make_site();
    (void)snprintf(host.place[PO_PART_SPOOL], 256, "%s/nowhere", help_directory());
    ck_assert_int_eq(run_again(NULL), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "spool"));
    ck_assert_ptr_nonnull(strstr(err.text, "nowhere"));
    ck_assert_str_eq(host.log, "");
    ck_assert(!sink.is_committed);
    ck_assert_uint_eq(sink.writes, 0);
}
END_TEST

START_TEST(a_site_without_any_part_and_senseless_frame_sizes_are_refused)
{
    static const uint32_t sizes[] = { 1, (64u << 10) - 512, (64u << 10) + 1, (32u << 20) + 512 };

    help_make_site();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        options.frame_size = sizes[i];
        ck_assert_int_eq(run_again(NULL), PO_E_USAGE);
        ck_assert_str_eq(host.log, "");
    }
    options.frame_size = 0;
    for (int part = 0; part < PO_PART_COUNT; part++)
        host.place[part][0] = '\0';
    ck_assert_int_eq(run_again(NULL), PO_E_USAGE);
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(what_is_excluded_is_counted_and_not_there)
{
    static const char *const globs[] = { BOX "/0*", SPOOL "/queue/*-Control" };
    struct help_archive archive;

    help_make_site();
    options.excludes = globs;
    options.exclude_count = 2;
    must_run(&archive);
    ck_assert_uint_eq(result.excluded, 6);
    ck_assert(!help_has(&archive, BOX "/00") && !help_has(&archive, BOX "/03/user"));
    ck_assert(!help_has(&archive, SPOOL "/queue/0001-Control"));
    ck_assert(help_has(&archive, SPOOL "/queue/empty"));
    help_close(&archive);
}
END_TEST

START_TEST(a_plan_counts_what_a_backup_saves_and_touches_nothing)
{
    struct help_archive archive;
    struct po_backup_result planned;

    help_make_site();
    if (OS_HAS_POSIX)
        ck_assert_int_eq(mkfifo(BOX "/fifo", 0600), 0);
    help_must(po_backup_plan(&host.host, &options, NULL, &planned, &err), &err);
    ck_assert_str_eq(host.log, "");
    ck_assert(planned.outage_seconds < 0);
    must_run(&archive);
    ck_assert_uint_eq(planned.files, result.files);
    ck_assert_uint_eq(planned.directories, result.directories);
    ck_assert_uint_eq(planned.links, result.links);
    ck_assert_uint_eq(planned.bytes, result.bytes);
    ck_assert_uint_eq(planned.skipped.count, OS_CASE(1, 0));
    ck_assert_uint_eq(result.skipped.count, OS_CASE(1, 0));
    po_backup_result_deinit(&planned);
    help_close(&archive);
}
END_TEST

/* ---- services ---- */

START_TEST(services_stop_before_the_first_file_is_listed_and_start_before_the_end) /* req: B2 */
{
    struct help_archive archive;

    help_make_site();
    must_run(&archive);
    ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
    help_assert_services(&host);
    ck_assert(!result.are_services_lost);
    ck_assert(result.outage_seconds >= 0);
    ck_assert(result.outage_seconds <= result.seconds);
    assert_summary_has(&archive, "outage_seconds");
    help_close(&archive);
}
END_TEST

static void
note_states_at_export(void *ctx, const char *call)
{
    bool *is_down = ctx;

    if (strcmp(call, "export") == 0)
        *is_down = host.states[HELP_MTA] == PO_SERVICE_STOPPED &&
                   host.states[HELP_PUF] == PO_SERVICE_STOPPED;
}

START_TEST(the_registry_is_exported_while_the_services_are_down)
{
    struct help_archive archive;
    bool is_down = false;

    help_make_site();
    host.hook = note_states_at_export;
    host.ctx = &is_down;
    must_run(&archive);
    ck_assert(is_down);
    help_close(&archive);
}
END_TEST

START_TEST(without_services_none_is_touched_or_asked)
{
    struct help_archive archive;

    help_make_site();
    options.no_services = true;
    host.cannot_tell[HELP_MTA] = true;
    must_run(&archive);
    ck_assert_str_eq(host.log, "");
    ck_assert(result.outage_seconds < 0);
    ck_assert_uint_eq(host.calls, 2); /* the registry's export, tried and done */
    help_close(&archive);
}
END_TEST

START_TEST(who_is_no_administrator_stops_and_writes_nothing) /* req: B1 */
{
    help_make_site();
    host.refuses = "not the local Administrator; log on as one";
    ck_assert_int_eq(run_again(NULL), PO_E_IO);
    ck_assert_str_eq(err.text, host.refuses);
    ck_assert_str_eq(host.log, "");
    ck_assert_uint_eq(host.calls, 0);
    ck_assert_uint_eq(sink.writes, 0);
}
END_TEST

START_TEST(services_that_were_stopped_stay_stopped_and_there_is_no_outage)
{
    struct help_archive archive;

    help_make_site();
    host.states[HELP_MTA] = host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    must_run(&archive);
    ck_assert_str_eq(host.log, "");
    ck_assert(result.outage_seconds < 0);
    help_close(&archive);
}
END_TEST

START_TEST(the_stop_timeout_reaches_the_host)
{
    struct help_archive archive;

    help_make_site();
    options.stop_timeout_s = 99;
    host.never_starts[HELP_MTA] = host.never_starts[HELP_PUF] = true;
    host.service_count = 1;
    host.fail_call = 3; /* the stop: so that its timeout is the last one before the start's */
    ck_assert_int_eq(run_again(NULL), PO_E_IO);
    ck_assert(result.are_services_lost);
    host.fail_call = 0;
    help_host_init(&host);
    must_run(&archive);
    help_close(&archive);
}
END_TEST

/* Each call to the host fails once: export, states, stops, export, starts. */
START_TEST(after_each_failing_call_to_the_host_the_services_are_back_or_named) /* req: B7 */
{
    unsigned calls;

    help_make_site();
    help_must(run_again(NULL), &err);
    calls = host.calls;
    ck_assert_uint_eq(calls, 1 + 3 + 2 + 1 + 2);
    for (unsigned i = 1; i <= calls; i++) {
        enum po_status st;

        help_host_init(&host);
        host.fail_call = i;
        st = run_again(NULL);
        if (i <= 7) {
            ck_assert_int_eq(st, PO_E_IO);
            ck_assert(strstr(err.text, "made to fail") != NULL);
            ck_assert(!sink.is_committed);
            ck_assert(!result.are_services_lost);
            help_assert_services(&host);
        } else {
            /* The archive is good, mail is not. */
            ck_assert_int_eq(st, PO_OK);
            ck_assert(sink.is_committed);
            ck_assert(result.are_services_lost);
            ck_assert_ptr_nonnull(strstr(result.services_text, i == 8 ? "mta" : "puf"));
            ck_assert_int_eq(host.states[i == 8 ? HELP_PUF : HELP_MTA], PO_SERVICE_RUNNING);
        }
    }
}
END_TEST

START_TEST(a_registry_that_cannot_be_exported_ends_the_backup_with_services_back) /* req: B3, B7 */
{
    help_make_site();
    host.registry = NULL;
    ck_assert_int_eq(run_again(NULL), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "registry"));
    ck_assert_ptr_nonnull(strstr(err.text, "no such key"));
    ck_assert(!sink.is_committed);
    help_assert_services(&host);
}
END_TEST

START_TEST(after_each_failing_write_the_services_are_back_and_nothing_is_committed) /* req: B7 */
{
    unsigned writes;

    help_make_site();
    help_must(run_again(NULL), &err);
    writes = sink.writes;
    ck_assert_uint_gt(writes, 7);
    for (unsigned i = 1; i <= writes; i++) {
        help_host_init(&host);
        sink.fail_write = i;
        ck_assert_int_eq(run_again(NULL), PO_E_IO);
        ck_assert_str_eq(err.text, "the sink was made to fail");
        ck_assert_uint_eq(sink.writes, i);
        ck_assert(!sink.is_committed);
        help_assert_services(&host);
        ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
    }
    sink.fail_write = 0;
    sink.fail_commit = true;
    ck_assert_int_eq(run_again(NULL), PO_E_IO);
    ck_assert_str_eq(err.text, "the commit was made to fail");
    help_assert_services(&host);
}
END_TEST

/* ---- cancelling ---- */

struct canceller {
    volatile int cancel;
    unsigned at; /* the event at which it is set; 0 = never */
    unsigned events;
};

static void
cancel_at_event(void *ctx, const struct po_event *event)
{
    struct canceller *canceller = ctx;

    (void)event;
    if (++canceller->events == canceller->at)
        __atomic_store_n(&canceller->cancel, 2, __ATOMIC_RELAXED);
}

START_TEST(cancelled_at_any_event_the_services_are_back) /* req: B7 */
{
    struct canceller canceller = { 0 };
    const struct po_watch watch = { .event = cancel_at_event,
                                    .ctx = &canceller,
                                    .cancel = &canceller.cancel };
    unsigned events;
    unsigned cancelled = 0;

    help_make_site();
    help_must(run_again(&watch), &err);
    events = canceller.events;
    ck_assert_uint_gt(events, 10);
    for (unsigned i = 1; i <= events; i++) {
        enum po_status st;

        help_host_init(&host);
        canceller = (struct canceller){ .at = i };
        st = run_again(&watch);
        ck_assert_msg(st == PO_OK || st == PO_E_CANCELLED, "event %u: %s", i, err.text);
        ck_assert(sink.is_committed == (st == PO_OK));
        ck_assert(!result.are_services_lost);
        help_assert_services(&host);
        cancelled += st == PO_E_CANCELLED ? 1 : 0;
    }
    /* All but the last few, when everything is written but the end. */
    ck_assert_uint_ge(cancelled, events / 2);
}
END_TEST

/* ---- what cannot be saved ---- */

static void
count_items(void *ctx, const struct po_event *event)
{
    if (event->kind == PO_EVENT_ITEM)
        ++*(unsigned *)ctx;
}

START_TEST(what_cannot_be_saved_is_named_counted_and_told) /* req: B8 */
{
    unsigned told = 0;
    const struct po_watch watch = { .event = count_items, .ctx = &told };
    struct help_archive archive;

    help_make_site();
    ck_assert_int_eq(mkfifo(BOX "/f\nifo", 0600), 0);
    ck_assert_int_eq(mkfifo(SPOOL "/\xFF", 0600), 0);
    help_must(run_again(&watch), &err);
    ck_assert_uint_eq(told, 2);
    ck_assert_uint_eq(result.skipped.count, 2);
    ck_assert(help_problems_have(&result.skipped, BOX "/f\nifo", "FIFO"));
    ck_assert(help_problems_have(&result.skipped, SPOOL "/\xFF", "FIFO"));
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(&archive);
    assert_summary_has(&archive, "/f\\nifo");
    assert_summary_has(&archive, "path_hex");
    ck_assert(!help_has(&archive, BOX "/f\nifo"));
    help_close(&archive);
}
END_TEST

#if !OS_HAS_POSIX
/* As virus scanners and mail clients do: it is waited for, then named. */
START_TEST(a_file_that_somebody_has_to_himself_is_named_and_the_rest_is_saved) /* req: B8 */
{
    static const char *const except[] = { SPOOL "/config", NULL };
    struct help_archive archive;
    void *held;

    help_make_site();
    held = os_hold(SPOOL "/config");
    must_run(&archive);
    os_let_go(held);
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert(help_problems_have(&result.skipped, SPOOL "/config", "(error 32)"));
    ck_assert(!help_has(&archive, SPOOL "/config"));
    help_assert_tree(&archive, SPOOL, SPOOL, except);
    help_close(&archive);
}
END_TEST
#endif

/* The summary must fit in a frame: it shortens its lists, never the counts. spec-test: SUMMARY-1 */
START_TEST(more_problems_than_a_summary_holds_are_all_counted)
{
    struct help_archive archive;
    struct po_buf json;

    make_empty_trees();
    for (int i = 0; i < 3000; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, BOX "/fifo-with-a-rather-long-name-%d", i);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
    }
    must_run(&archive);
    ck_assert_uint_eq(result.skipped.count, 3000);
    json = summary_of(&archive);
    ck_assert_uint_lt(json.size, FRAME_SIZE);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "3000"));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&json), "fifo-with-a-rather-long-name-"));
    po_buf_deinit(&json);
    help_close(&archive);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_problem_with_a_name_longer_than_a_summary_does_not_end_the_backup)
{
    struct help_archive archive;
    struct po_dir *dir = NULL;
    char *path = calloc(1, 70000);
    int fd;

    ck_assert_ptr_nonnull(path);
    make_empty_trees();
    for (int i = 0; i < 250; i++) {
        memset(path + i * 251, 'd', 250);
        path[i * 251 + 250] = '/';
    }
    help_must(po_dir_open(&dir, BOX, &err), &err);
    help_must(po_dir_make_all(dir, path, 250 * 251 - 1, &err), &err);
    /* A FIFO at the end of it: no call takes its whole path. */
    fd = open(BOX, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 250; i++) {
        char name[251] = { 0 };
        int below;

        memset(name, 'd', 250);
        below = openat(fd, name, O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(below, 0);
        ck_assert_int_eq(close(fd), 0);
        fd = below;
    }
    /* Not UTF-8: in JSON the whole path is in hexadecimal digits. */
    memset(path, 0xFF, 250);
    path[250] = '\0';
    ck_assert_int_eq(mkfifoat(fd, path, 0600), 0);
    ck_assert_int_eq(close(fd), 0);
    po_dir_free(dir);
    free(path);
    must_run(&archive);
    ck_assert_uint_eq(result.skipped.count, 1);
    ck_assert_uint_gt(result.skipped.items[0].path_size, 62000);
    help_close(&archive);
}
END_TEST
#endif

/* ---- files that change ---- */

/* Does something to a file, at a write of the sink: between frames. */
struct meddler {
    unsigned at; /* the write */
    unsigned times;
    void (*meddle)(void);
};

static void
meddle_at_write(void *ctx, unsigned write)
{
    struct meddler *meddler = ctx;

    if (write >= meddler->at && meddler->times > 0) {
        meddler->times--;
        meddler->meddle();
    }
}

static void
truncate_large(void)
{
    ck_assert(os_set_size(LARGE, 200001));
}

static void
empty_large(void)
{
    ck_assert(os_set_size(LARGE, 0));
}

static void
write_into_large(const char *mode, long offset, const char *text)
{
    FILE *file = fopen(LARGE, mode);

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, offset, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    ck_assert_int_eq(fclose(file), 0);
}

static void
append_to_large(void)
{
    write_into_large("ab", 0, "more of it");
}

static void
overwrite_large(void)
{
    write_into_large("r+b", 17, "other");
}

static void
replace_large(void)
{
    help_write_random("new", 100000, 77);
    ck_assert_int_eq(rename("new", LARGE), 0);
}

static void
remove_large(void)
{
    ck_assert_int_eq(unlink(LARGE), 0);
}

static void
turn_large_into_a_directory(void)
{
    remove_large();
    ck_assert_int_eq(mkdir(LARGE, 0755), 0);
}

/* Runs with one compressor, so that the reader is at most a few frames ahead of the sink. */
static void
run_meddled(struct meddler *meddler, struct help_archive *archive)
{
    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 3);
    options.threads = 1;
    options.is_by_path = true;
    sink.hook = meddle_at_write;
    sink.ctx = meddler;
    must_run(archive);
    ck_assert_uint_eq(meddler->times, 0);
    help_assert_services(&host);
    ck_assert_uint_eq(result.skipped.count, 0);
}

/* How often the tar has a header of this path. The archive's own members have all their blocks in
 * the frames before the index. */
static unsigned
count_members(const struct help_archive *archive, const char *path)
{
    const struct po_index *index = archive->reader->index;
    struct po_frame_decoder *decoder = NULL;
    uint8_t *bytes = malloc(archive->reader->compressed_max);
    uint8_t *content = malloc(archive->reader->content_max);
    unsigned count = 0;

    ck_assert_ptr_nonnull(bytes);
    ck_assert_ptr_nonnull(content);
    help_must(po_frame_decoder_new(&decoder, &err), &err);
    for (uint32_t f = 0; f < index->frame_count; f++) {
        uint32_t size = archive->reader->seeks[f].content_size;

        help_must(po_reader_decode(archive->reader, decoder, f, bytes, content, &err), &err);
        for (uint32_t at = 0; at + 512 <= size; at += 512)
            if (memcmp(content + at + 257, "ustar", 6) == 0 && content[at + 156] != 'x' &&
                strcmp((const char *)content + at, path) == 0)
                count++;
    }
    po_frame_decoder_free(decoder);
    free(content);
    free(bytes);
    return count;
}

/* spec-test: TAR-7 */
START_TEST(a_large_file_that_changes_is_packed_a_second_time_and_the_index_names_that_one)
{
    static void (*const ways[])(void) = { truncate_large, empty_large, append_to_large,
                                          overwrite_large, replace_large };
    struct meddler meddler = { .at = 14, .times = 1, .meddle = ways[_i] };
    struct help_archive archive;
    struct pobackup_entry entry;

    run_meddled(&meddler, &archive);
    /* The second reading found it at rest: nothing to complain of. */
    ck_assert_uint_eq(result.changed.count, 0);
    ck_assert_uint_eq(count_members(&archive, LARGE), 2);
    (void)help_entry(&archive, LARGE, &entry);
    /* Behind the first, which is more than 40 frames long. */
    ck_assert_uint_gt(entry.frame, 40);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.files, SITE_FILES + 1);
    help_close(&archive);
}
END_TEST

START_TEST(the_sum_of_bytes_is_that_of_the_second_reading)
{
    struct meddler meddler = { .at = 14, .times = 1, .meddle = truncate_large };
    struct help_archive archive;
    uint64_t sum = 0;

    run_meddled(&meddler, &archive);
    for (uint64_t i = 0; i < pobackup_entry_count(archive.archive); i++) {
        struct pobackup_entry entry;

        help_must(pobackup_entry_at(archive.archive, i, &entry, &err), &err);
        if (memcmp(entry.path, "pobackup/", 9) != 0)
            sum += entry.size;
    }
    ck_assert_uint_eq(result.bytes, sum);
    help_close(&archive);
}
END_TEST

START_TEST(a_large_file_that_vanishes_keeps_its_first_member_and_is_named)
{
    static void (*const ways[])(void) = { remove_large, turn_large_into_a_directory };
    static const char *const except[] = { LARGE, NULL };
    struct meddler meddler = { .at = 14, .times = 1, .meddle = ways[_i] };
    struct help_archive archive;
    struct pobackup_entry entry;

    run_meddled(&meddler, &archive);
    ck_assert_uint_eq(result.changed.count, 1);
    ck_assert(help_problems_have(&result.changed, LARGE, "could not be read again"));
    assert_summary_has(&archive, LARGE);
    (void)help_entry(&archive, LARGE, &entry);
    ck_assert_uint_eq(entry.size, LARGE_SIZE);
    help_assert_tree(&archive, BOX, BOX, except);
    help_close(&archive);
}
END_TEST

START_TEST(a_large_file_that_changes_all_the_time_is_saved_and_named)
{
    struct meddler meddler = { .at = 14, .times = 60, .meddle = append_to_large };
    struct help_archive archive;

    run_meddled(&meddler, &archive);
    ck_assert_uint_eq(result.changed.count, 1);
    ck_assert(help_problems_have(&result.changed, LARGE, "twice"));
    ck_assert_uint_eq(count_members(&archive, LARGE), 2);
    help_close(&archive);
}
END_TEST

/* Stock tools would give the other name the first member's content: so there is no second one. */
START_TEST(a_large_file_with_two_names_that_changes_is_named_and_not_packed_again)
{
    struct meddler meddler = { .at = 14, .times = 1, .meddle = overwrite_large };
    struct help_archive archive;
    struct pobackup_entry entry;

    make_empty_trees();
    help_write_random(LARGE, LARGE_SIZE, 3);
    ck_assert_int_eq(link(LARGE, BOX "/other"), 0);
    run_meddled(&meddler, &archive);
    ck_assert_uint_eq(result.changed.count, 1);
    ck_assert_uint_eq(count_members(&archive, LARGE), 1);
    (void)help_entry(&archive, BOX "/other", &entry);
    ck_assert_int_eq(entry.type, POBACKUP_HARDLINK);
    ck_assert_uint_eq(entry.link_size, strlen(LARGE));
    help_close(&archive);
}
END_TEST

static void
change_small_when_listed(void *ctx, const struct po_event *event)
{
    if (event->kind != PO_EVENT_PHASE || strcmp(event->text, "saving files") != 0)
        return;
    ++*(unsigned *)ctx;
    help_write_text(SPOOL "/config", "another, longer content\n");
    os_set_time(SPOOL "/config", INT64_C(12345678900000000));
}

START_TEST(a_small_file_that_changed_after_it_was_listed_is_saved_with_its_new_time_and_size)
{
    unsigned times = 0;
    const struct po_watch watch = { .event = change_small_when_listed, .ctx = &times };
    struct help_archive archive;

    help_make_site();
    help_must(run_again(&watch), &err);
    ck_assert_uint_eq(times, 1);
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(&archive);
    help_assert_site(&archive, &host);
    ck_assert_uint_eq(result.changed.count, 0);
    help_close(&archive);
}
END_TEST

#define SMALL BOX OS_CASE("/\xFF\xFE", "/\xE5\x8F\x97\xE4\xBF\xA1\xE7\xAE\xB1")

static void
remove_some(void)
{
    os_remove(SMALL);
    ck_assert_int_eq(unlink(LARGE "-2"), 0);
}

/* A small one that was read ahead already may be in the archive; a large one is not. */
START_TEST(files_that_vanish_before_they_are_read_are_named_and_the_rest_is_saved) /* req: B8 */
{
    static const char *const except[] = { LARGE "-2", SMALL, NULL };
    struct meddler meddler = { .at = 6, .times = 1, .meddle = remove_some };
    struct help_archive archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 3);
    help_write_random(LARGE "-2", LARGE_SIZE, 4);
    options.threads = 1;
    options.is_by_path = true;
    sink.hook = meddle_at_write;
    sink.ctx = &meddler;
    must_run(&archive);
    ck_assert(help_problems_have(&result.skipped, LARGE "-2", OS_NOT_THERE));
    ck_assert(!help_has(&archive, LARGE "-2"));
    help_assert_tree(&archive, BOX, BOX, except);
    help_close(&archive);
}
END_TEST

/* A name whose file could not be read has nothing to point to. */
static void
remove_both(void)
{
    ck_assert_int_eq(unlink(LARGE "-2"), 0);
    ck_assert_int_eq(unlink(LARGE "-3"), 0);
}

START_TEST(the_other_names_of_a_file_that_cannot_be_read_are_named_too) /* req: B8 */
{
    struct meddler meddler = { .at = 6, .times = 1, .meddle = remove_both };
    struct help_archive archive;

    help_make_site();
    help_write_random(LARGE, LARGE_SIZE, 3);
    help_write_random(LARGE "-2", LARGE_SIZE, 4);
    ck_assert_int_eq(link(LARGE "-2", LARGE "-3"), 0);
    options.threads = 1;
    options.is_by_path = true;
    sink.hook = meddle_at_write;
    sink.ctx = &meddler;
    must_run(&archive);
    ck_assert_uint_eq(result.skipped.count, 2);
    ck_assert(help_problems_have(&result.skipped, LARGE "-3", "another name"));
    ck_assert(!help_has(&archive, LARGE "-3"));
    help_close(&archive);
}
END_TEST

/* ---- a file that somebody writes to all the time ---- */

struct appender {
    const char *path;
    struct po_mutex *lock;
    bool is_to_end;
};

static bool
is_to_end(struct appender *appender)
{
    bool is_it;

    po_mutex_lock(appender->lock);
    is_it = appender->is_to_end;
    po_mutex_unlock(appender->lock);
    return is_it;
}

static void
append_main(void *ctx)
{
    struct appender *appender = ctx;
    int fd = open(appender->path, O_WRONLY | O_APPEND);
    unsigned count = 0;

    while (fd >= 0 && !is_to_end(appender)) {
        if (write(fd, "0123456789abcdef", 16) != 16)
            break;
        if (++count % 30000 == 0 && ftruncate(fd, 160) != 0)
            break;
    }
    (void)close(fd);
}

static void
run_while_appending(const char *path)
{
    const char *const except[] = { path, NULL };
    struct appender appender = { .path = path };
    struct po_thread *thread = NULL;

    help_must(po_mutex_new(&appender.lock, &err), &err);
    help_must(po_thread_start(&thread, append_main, &appender, &err), &err);
    for (int i = 0; i < 5; i++) {
        struct help_archive archive;
        struct pobackup_entry entry;

        /* must_run verifies deeply: whatever came, tar, index and hashes agree. */
        must_run(&archive);
        ck_assert_uint_eq(result.skipped.count, 0);
        ck_assert_uint_le(result.changed.count, 1);
        if (result.changed.count == 1)
            ck_assert(help_problems_have(&result.changed, path, "written to"));
        (void)help_entry(&archive, path, &entry);
        ck_assert_uint_eq(entry.size % 16, 0);
        help_assert_tree(&archive, SPOOL, SPOOL, except);
        help_assert_tree(&archive, BOX, BOX, except);
        help_close(&archive);
    }
    po_mutex_lock(appender.lock);
    appender.is_to_end = true;
    po_mutex_unlock(appender.lock);
    po_thread_join(thread);
    po_mutex_free(appender.lock);
}

START_TEST(a_small_file_that_is_appended_to_is_stable_or_named)
{
    help_make_site();
    help_write_text(SPOOL "/log/mta.log", "0123456789abcdef");
    run_while_appending(SPOOL "/log/mta.log");
}
END_TEST

START_TEST(a_large_file_that_is_appended_to_is_stable_or_named)
{
    help_make_site();
    help_write_sparse(LARGE, 1600000);
    run_while_appending(LARGE);
}
END_TEST

/* ---- large ---- */

static void
save_sparse(uint64_t size)
{
    /* Sanitizers keep freed memory for a while, and have some of their own. */
    uint64_t allowed = UINT64_C(400) << 20;
    uint64_t before;
    uint64_t peak;
    struct help_archive archive;
    struct pobackup_entry entry;

    make_empty_trees();
    help_write_sparse(BOX "/sparse", size);
    options.frame_size = 0;
    before = po_sys_peak_memory();
    help_must(run_again(NULL), &err);
    peak = po_sys_peak_memory();
    ck_assert_uint_ge(peak, before);
    ck_assert_msg(peak - before < allowed, "%llu bytes of memory",
                  (unsigned long long)(peak - before));
    ck_assert_uint_lt(sink.size, size / 1000);
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(&archive);
    (void)help_entry(&archive, BOX "/sparse", &entry);
    ck_assert_uint_eq(entry.size, size);
    /* Of verifying, too. */
    ck_assert_uint_lt(po_sys_peak_memory() - before, allowed);
    help_close(&archive);
}

START_TEST(a_sparse_file_of_1_gib_streams_through_bounded_memory)
{
    save_sparse(UINT64_C(1) << 30);
}
END_TEST

/* spec-test: TAR-6: a size that needs a record of its own. */
START_TEST(a_sparse_file_of_more_than_8_gib_streams_through_bounded_memory)
{
    save_sparse((UINT64_C(8) << 30) + 1);
}
END_TEST

static TCase *
new_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    return tc;
}

static Suite *
long_suite(void)
{
    Suite *suite = suite_create("backup, long");
    TCase *tc = new_case(suite, "large");

    tcase_add_test(tc, a_sparse_file_of_more_than_8_gib_streams_through_bounded_memory);
    return suite;
}

static void
add_contents(Suite *suite)
{
    TCase *tc = new_case(suite, "contents");

    tcase_add_test(tc, the_archive_holds_the_whole_site);
    tcase_add_loop_test(tc, any_frame_size_thread_count_level_and_order_give_the_same_contents, 0,
                        6);
    tcase_add_loop_test(tc, the_order_in_the_archive_is_by_delivery_or_by_path, 0, 2);
    tcase_add_test(tc, an_empty_site_and_empty_files_are_saved);
    tcase_add_test(tc, names_of_any_bytes_and_paths_of_any_length_are_saved);
    tcase_add_test(tc, what_was_before_is_in_the_manifest);
    tcase_add_test(tc, the_parts_may_lie_anywhere_and_be_fewer);
    tcase_add_test(tc, a_missing_tree_is_refused_before_anything_is_stopped);
    tcase_add_test(tc, a_site_without_any_part_and_senseless_frame_sizes_are_refused);
    tcase_add_test(tc, what_is_excluded_is_counted_and_not_there);
    tcase_add_test(tc, a_plan_counts_what_a_backup_saves_and_touches_nothing);
    tcase_add_test(tc, a_sparse_file_of_1_gib_streams_through_bounded_memory);
}

static void
add_services(Suite *suite)
{
    TCase *tc = new_case(suite, "services");

    tcase_add_test(tc, services_stop_before_the_first_file_is_listed_and_start_before_the_end);
    tcase_add_test(tc, the_registry_is_exported_while_the_services_are_down);
    tcase_add_test(tc, without_services_none_is_touched_or_asked);
    tcase_add_test(tc, who_is_no_administrator_stops_and_writes_nothing);
    tcase_add_test(tc, services_that_were_stopped_stay_stopped_and_there_is_no_outage);
    tcase_add_test(tc, the_stop_timeout_reaches_the_host);
    tcase_add_test(tc, after_each_failing_call_to_the_host_the_services_are_back_or_named);
    tcase_add_test(tc, a_registry_that_cannot_be_exported_ends_the_backup_with_services_back);
    tcase_add_test(tc, after_each_failing_write_the_services_are_back_and_nothing_is_committed);
    tcase_add_test(tc, cancelled_at_any_event_the_services_are_back);
}

static void
add_problems(Suite *suite)
{
    TCase *tc = new_case(suite, "problems");

    os_add_posix_test(tc, what_cannot_be_saved_is_named_counted_and_told);
    os_add_posix_test(tc, more_problems_than_a_summary_holds_are_all_counted);
    os_add_posix_test(tc, a_problem_with_a_name_longer_than_a_summary_does_not_end_the_backup);
#if !OS_HAS_POSIX
    tcase_add_test(tc, a_file_that_somebody_has_to_himself_is_named_and_the_rest_is_saved);
#endif
    tcase_add_loop_test(
        tc, a_large_file_that_changes_is_packed_a_second_time_and_the_index_names_that_one, 0,
        OS_CASE(5, 4)); /* nothing takes the place of what is open there */
    tcase_add_test(tc, the_sum_of_bytes_is_that_of_the_second_reading);
    os_add_posix_loop_test(tc, a_large_file_that_vanishes_keeps_its_first_member_and_is_named, 0,
                           2);
    tcase_add_test(tc, a_large_file_that_changes_all_the_time_is_saved_and_named);
    tcase_add_test(tc, a_large_file_with_two_names_that_changes_is_named_and_not_packed_again);
    tcase_add_test(
        tc, a_small_file_that_changed_after_it_was_listed_is_saved_with_its_new_time_and_size);
    tcase_add_test(tc, files_that_vanish_before_they_are_read_are_named_and_the_rest_is_saved);
    tcase_add_test(tc, the_other_names_of_a_file_that_cannot_be_read_are_named_too);
    tcase_add_test(tc, a_small_file_that_is_appended_to_is_stable_or_named);
    tcase_add_test(tc, a_large_file_that_is_appended_to_is_stable_or_named);
}

int
main(int argc, char **argv)
{
    Suite *suite;
    SRunner *runner;
    int failed;

    if (argc > 1 && strcmp(argv[1], "long") == 0) {
        suite = long_suite();
    } else {
        suite = suite_create("backup");
        add_contents(suite);
        add_services(suite);
        add_problems(suite);
    }
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
