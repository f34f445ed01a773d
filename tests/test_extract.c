#include "restore_help.h"

#include "base/mem.h"
#include "engine/extract.h"
#include "port/sys.h"

/* ---- the rig ---- */

static _Thread_local char thread_mark; /* its address is the thread's own */

struct rig {
    bool is_audited;
    struct rig_archive archive;
    struct po_dir *dir;
    struct po_target_options options;
    uint8_t *wanted;
    struct po_extract_result result;
    struct po_err err;
    /* What the watcher saw. */
    const char *thread;
    size_t items;
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint64_t files_done;
    uint64_t files_total;
    volatile int cancel;
    bool cancels; /* at the first progress */
};

static bool
place(void *ctx, uint32_t number, struct po_dir **dir, const char **path, size_t *path_size)
{
    const struct rig *rig = ctx;

    *path = po_index_path(rig->archive.reader->index, number, path_size);
    *dir = rig->dir;
    return true;
}

static void
watch_event(void *ctx, const struct po_event *event)
{
    struct rig *rig = ctx;

    ck_assert_ptr_eq(&thread_mark, rig->thread);
    if (event->kind == PO_EVENT_ITEM)
        rig->items++;
    if (event->kind == PO_EVENT_PROGRESS) {
        ck_assert_uint_ge(event->bytes_done, rig->bytes_done);
        rig->bytes_done = event->bytes_done;
        rig->bytes_total = event->bytes_total;
        rig->files_done = event->files_done;
        rig->files_total = event->files_total;
        if (rig->cancels)
            rig->cancel = 2;
    }
}

static void
rig_begin_with(struct rig *rig)
{
    struct po_err err;

    rig->options = (struct po_target_options){ .place = place, .place_ctx = rig };
    rig->thread = &thread_mark;
    rig_directory("target");
    ck_assert_int_eq(po_dir_open(&rig->dir, rig_at("target"), &err), PO_OK);
    rig->wanted = po_mem_new(rig->archive.reader->index->count, 1);
}

static void
rig_begin(struct rig *rig, const struct rig_item *items, size_t count)
{
    *rig = (struct rig){ 0 };
    rig_make(&rig->archive, items, count);
    rig_begin_with(rig);
}

static enum po_status
rig_run(struct rig *rig, unsigned threads)
{
    struct po_watch watch = { watch_event, rig, &rig->cancel };

    po_extract_result_deinit(&rig->result);
    rig->items = 0;
    rig->bytes_done = 0;
    return po_extract_run(rig->archive.reader, rig->wanted, &rig->options,
                          rig->is_audited ? PO_EXTRACT_AUDITED : PO_EXTRACT_FAST, threads, &watch,
                          &rig->result, &rig->err);
}

static uint32_t
rig_select(struct rig *rig, const char *pattern)
{
    memset(rig->wanted, 0, rig->archive.reader->index->count);
    return po_extract_select(rig->archive.reader->index, &pattern, pattern != NULL, rig->wanted);
}

static void
rig_end(struct rig *rig)
{
    po_extract_result_deinit(&rig->result);
    po_dir_free(rig->dir);
    po_mem_free(rig->wanted);
    rig_close(&rig->archive);
}

static const char *
rig_problem(const struct rig *rig, const char *path)
{
    for (size_t i = 0; i < rig->result.problems.count; i++) {
        const struct po_problem *problem = &rig->result.problems.items[i];

        if (problem->path_size == strlen(path) && strcmp(problem->path, path) == 0)
            return problem->reason;
    }
    return NULL;
}

/* A mailbox with messages of all sizes; two span frames. */
#define MESSAGES 200
#define LONG_SIZE (5u * RIG_FRAME + 12345)
static char message_names[MESSAGES][64];
static struct rig_item messages[MESSAGES + 6];

static size_t
make_messages(void)
{
    size_t count = 0;

    messages[count++] =
        (struct rig_item){ .path = "box", .type = POBACKUP_DIRECTORY, .mode = 0700 };
    for (size_t i = 0; i < MESSAGES; i++) {
        (void)snprintf(message_names[i], sizeof message_names[i], "box/user%02zu/%05zu.MSG", i % 7,
                       i);
        messages[count++] = (struct rig_item){ .path = message_names[i],
                                               .size = i * 37 % 9000,
                                               .time = RIG_TIME + (int64_t)i };
        if (i == MESSAGES / 3)
            messages[count++] = (struct rig_item){ .path = "box/long-1", .size = LONG_SIZE };
        if (i == MESSAGES / 2)
            messages[count++] = (struct rig_item){ .path = "box/long-2", .size = 2 * RIG_FRAME };
    }
    messages[count++] = (struct rig_item){ .path = "box/empty", .text = "" };
    messages[count++] =
        (struct rig_item){ .path = "box/hard", .type = POBACKUP_HARDLINK, .text = "box/long-1" };
    if (OS_HAS_POSIX)
        messages[count++] =
            (struct rig_item){ .path = "box/soft", .type = POBACKUP_SYMLINK, .text = "long-1" };
    return count;
}

static void
assert_message(const struct rig_item *item)
{
    char name[128];

    (void)snprintf(name, sizeof name, "target/%s", item->path);
    rig_assert_made_up(name, item->path, item->text != NULL ? 0 : item->size);
    ck_assert_int_eq(rig_time(name), item->time == 0 ? RIG_TIME : item->time);
}

/* ---- selecting ---- */

START_TEST(patterns_select)
{
    static const struct rig_item items[] = {
        { .path = "a", .type = POBACKUP_DIRECTORY },
        { .path = "a/b", .type = POBACKUP_DIRECTORY },
        { .path = "a/b/c", .text = "c" },
        { .path = "a/d", .text = "d" },
        { .path = "e", .text = "e" },
    };
    static const char *const two[] = { "a/b", "e" };
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    ck_assert_uint_eq(rig_select(&rig, NULL), RIG_COUNT(items) + 2); /* and our documents */
    ck_assert_uint_eq(rig_select(&rig, "a/*"), 3); /* a directory with all that lies in it */
    ck_assert_uint_eq(rig_select(&rig, "**/c"), 1);
    ck_assert_uint_eq(rig.wanted[rig_entry(&rig.archive, "a/b/c")], 1);
    ck_assert_uint_eq(rig_select(&rig, "nothing"), 0);
    memset(rig.wanted, 0, rig.archive.reader->index->count);
    ck_assert_uint_eq(po_extract_select(rig.archive.reader->index, two, 2, rig.wanted), 3);
    ck_assert_uint_eq(rig.wanted[rig_entry(&rig.archive, "a/d")], 0);
    ck_assert_uint_eq(rig.wanted[rig_entry(&rig.archive, "e")], 1);
    rig_end(&rig);
}
END_TEST

START_TEST(a_selected_file_comes_with_its_directories)
{
    static const struct rig_item items[] = {
        { .path = "a", .type = POBACKUP_DIRECTORY, .mode = 0710 },
        { .path = "a/b", .type = POBACKUP_DIRECTORY, .time = RIG_TIME + 3 },
        { .path = "a/b/c", .text = "c" },
        { .path = "a/d", .text = "d" },
    };
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    ck_assert_uint_eq(rig_select(&rig, "a/b/c"), 1);
    ck_assert_int_eq(rig_run(&rig, 1), PO_OK);
    ck_assert_uint_eq(rig.result.problems.count, 0);
    ck_assert_uint_eq(rig.result.files, 1);
    ck_assert_uint_eq(rig.result.directories, 0);
    ck_assert_str_eq(rig_read("target/a/b/c"), "c");
    ck_assert_int_eq(rig_time("target/a/b"), RIG_TIME + 3);
    rig_assert_mode("target/a", 0710);
    ck_assert(!rig_exists("target/a/d"));
    rig_end(&rig);
}
END_TEST

/* ---- contents ---- */

START_TEST(everything_comes_out_as_it_went_in)
{
    size_t count = make_messages();
    struct rig rig;

    rig_begin(&rig, messages, count);
    ck_assert_uint_gt(rig.archive.reader->index->frame_count, 15);
    (void)rig_select(&rig, NULL);
    ck_assert_int_eq(rig_run(&rig, _i == 0 ? 1 : 4), PO_OK);
    ck_assert_msg(rig.result.problems.count == 0, "%s", rig.result.problems.items[0].reason);
    ck_assert_uint_eq(rig.result.failed, 0);
    ck_assert_uint_eq(rig.result.files, MESSAGES + 3 + 2); /* and our documents */
    ck_assert_uint_eq(rig.result.links, OS_CASE(2, 1));
    ck_assert_uint_eq(rig.result.directories, 1);
    ck_assert_uint_eq(rig.files_done, rig.files_total);
    ck_assert_uint_eq(rig.files_done, rig.result.files);
    ck_assert_uint_eq(rig.bytes_done, rig.bytes_total);
    ck_assert_uint_eq(rig.bytes_done, rig.result.bytes);
    for (size_t i = 0; i < count; i++)
        if (messages[i].type == 0)
            assert_message(&messages[i]);
    ck_assert_uint_eq(rig_stat("target/box/hard").file_id, rig_stat("target/box/long-1").file_id);
    rig_assert_mode("target/box", 0700);
    rig_end(&rig);
}
END_TEST

START_TEST(only_the_frames_that_are_needed_are_read)
{
    size_t count = make_messages();
    struct rig rig;

    rig_begin(&rig, messages, count);
    /* All frames but those of one small and one long message are broken. */
    for (uint32_t f = 0; f < rig.archive.reader->index->frame_count; f++) {
        uint32_t small = rig_entry(&rig.archive, message_names[3]);
        uint32_t first =
            po_index_frame(rig.archive.reader->index, rig_entry(&rig.archive, "box/long-1"));

        if (f != po_index_frame(rig.archive.reader->index, small) &&
            (f < first || f > first + LONG_SIZE / RIG_FRAME + 1))
            rig_damage_frame(&rig.archive, f);
    }
    (void)rig_select(&rig, "box/long-1");
    rig.wanted[rig_entry(&rig.archive, message_names[3])] = 1;
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    rig_assert_made_up("target/box/long-1", "box/long-1", LONG_SIZE);
    ck_assert_uint_eq(rig.result.files, 2);
    rig_end(&rig);
}
END_TEST

START_TEST(one_name_of_a_file_brings_the_content)
{
    static const struct rig_item items[] = {
        { .path = "a/long", .size = LONG_SIZE },
        { .path = "b/long", .type = POBACKUP_HARDLINK, .text = "a/long", .mode = 0600 },
        { .path = "a/short", .text = "short" },
        { .path = "b/one", .type = POBACKUP_HARDLINK, .text = "a/short", .time = RIG_TIME + 8 },
        { .path = "b/two", .type = POBACKUP_HARDLINK, .text = "a/short" },
    };
    struct rig rig;

    /* Somebody's mailbox, in which a message is kept once for all who got it. */
    rig_begin(&rig, items, RIG_COUNT(items));
    ck_assert_uint_eq(rig_select(&rig, "b/**"), 3);
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert_uint_eq(rig.result.problems.count, 0);
    ck_assert_uint_eq(rig.result.failed, 0);
    ck_assert(!rig_exists("target/a"));
    rig_assert_made_up("target/b/long", "a/long", LONG_SIZE);
    rig_assert_mode("target/b/long", 0600);
    ck_assert_str_eq(rig_read("target/b/one"), "short");
    ck_assert_int_eq(rig_time("target/b/one"), RIG_TIME + 8);
    ck_assert_uint_eq(rig_stat("target/b/one").file_id, rig_stat("target/b/two").file_id);
    rig_end(&rig);
}
END_TEST

START_TEST(what_is_there_is_named_and_the_rest_is_written)
{
    size_t count = make_messages();
    struct rig rig;

    rig_write("target/box/long-1", "old");
    rig_write("target/box/empty", "old");
    rig_begin(&rig, messages, count);
    (void)rig_select(&rig, "box");
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert_uint_eq(rig.result.problems.count, 3);
    ck_assert_uint_eq(rig.items, 3);
    ck_assert_uint_eq(rig.result.failed, 3);
    ck_assert_ptr_nonnull(rig_problem(&rig, "box/long-1"));
    ck_assert_ptr_nonnull(rig_problem(&rig, "box/hard"));
    ck_assert_ptr_nonnull(rig_problem(&rig, "box/empty"));
    ck_assert(!rig.result.is_damaged);
    ck_assert_str_eq(rig_read("target/box/long-1"), "old");
    rig_assert_made_up("target/box/long-2", "box/long-2", 2 * RIG_FRAME);
    rig_end(&rig);
}
END_TEST

/* ---- damage ---- */

/* Wherever it is, in what is wanted or not. req: R1 */
START_TEST(an_audited_run_tells_of_all_damage)
{
    size_t count = make_messages();
    struct rig rig;

    rig_begin(&rig, messages, count);
    rig.is_audited = true;
    (void)rig_select(&rig, "box/long-1");
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert_msg(!rig.result.is_damaged, "%s", rig.result.damage.text);
    ck_assert_uint_eq(rig.result.files, 1);
    rig_assert_made_up("target/box/long-1", "box/long-1", rig_stat("target/box/long-1").size);
    rig_end(&rig);
    for (int audited = 0; audited < 2; audited++) {
        rig_leave();
        rig_enter();
        rig_begin(&rig, messages, count);
        rig_damage_frame(&rig.archive, po_index_frame(rig.archive.reader->index,
                                                      rig_entry(&rig.archive, "box/long-2")));
        rig.is_audited = audited != 0;
        (void)rig_select(&rig, "box/long-1");
        ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
        ck_assert_int_eq(rig.result.is_damaged, audited);
        ck_assert_int_eq(rig.result.damage.status, audited != 0 ? PO_E_FORMAT : PO_OK);
        ck_assert_uint_eq(rig.result.problems.count, 0);
        ck_assert_uint_eq(rig.result.files, 1);
        rig_end(&rig);
    }
}
END_TEST

/* What is audited is just as well written: long files, links, all of it. */
START_TEST(an_audited_run_writes_the_same)
{
    size_t count = make_messages();
    char *pictures[2];
    struct rig rig;

    for (int audited = 0; audited < 2; audited++) {
        rig_begin(&rig, messages, count);
        rig.is_audited = audited != 0;
        (void)rig_select(&rig, "box");
        ck_assert_int_eq(rig_run(&rig, 3), PO_OK);
        ck_assert_uint_eq(rig.result.problems.count, 0);
        pictures[audited] = rig_picture("target/box", NULL, false);
        rig_end(&rig);
        rig_leave();
        rig_enter();
    }
    /* They are too long for a message. */
    ck_assert(strcmp(pictures[0], pictures[1]) == 0);
    free(pictures[0]);
    free(pictures[1]);
}
END_TEST

/* spec-test: READ-2, READ-3 */
START_TEST(damage_hits_only_what_lies_in_it)
{
    size_t count = make_messages();
    const struct po_index *index;
    uint32_t long_frame;
    uint32_t small_frame;
    size_t hit = 0;
    struct rig rig;

    rig_begin(&rig, messages, count);
    index = rig.archive.reader->index;
    long_frame = po_index_frame(index, rig_entry(&rig.archive, "box/long-1")) + 2;
    small_frame = po_index_frame(index, rig_entry(&rig.archive, message_names[100]));
    rig_damage_frame(&rig.archive, long_frame);
    rig_damage_frame(&rig.archive, small_frame);
    (void)rig_select(&rig, "box");
    ck_assert_int_eq(rig_run(&rig, _i == 0 ? 1 : 3), PO_OK);
    ck_assert(rig.result.is_damaged);
    for (size_t i = 0; i < count; i++) {
        char name[128];
        bool is_hit =
            strcmp(messages[i].path, "box/long-1") == 0 ||
            strcmp(messages[i].path, "box/hard") == 0 ||
            (messages[i].type == 0 &&
             po_index_frame(index, rig_entry(&rig.archive, messages[i].path)) == small_frame);

        (void)snprintf(name, sizeof name, "target/%s", messages[i].path);
        ck_assert_int_eq(rig_problem(&rig, messages[i].path) != NULL, is_hit);
        ck_assert_int_eq(rig_exists(name), !is_hit);
        if (!is_hit && messages[i].type == 0)
            assert_message(&messages[i]);
        hit += is_hit;
    }
    ck_assert_uint_gt(hit, 3);
    ck_assert_uint_eq(rig.result.problems.count, hit);
    ck_assert_uint_eq(rig.result.failed, hit);
    ck_assert_uint_eq(rig.items, hit);
    ck_assert_uint_eq(rig.bytes_done, rig.bytes_total);
    rig_end(&rig);
}
END_TEST

#if OS_HAS_POSIX
/* The bytes of a vector, decoded by the script that knows their form; false when it cannot run. */
static bool
load_vector(struct rig_archive *archive, const char *name)
{
    static const char script[] = POBACKUP_SOURCE_DIR "/tests/check_vectors.py";
    char command[RIG_PATH_MAX];
    uint8_t bytes[4096];
    size_t got;
    FILE *pipe;

    *archive = (struct rig_archive){ 0 };
    (void)snprintf(command, sizeof command, "python3 -B '%s' --decode %s", script, name);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    while ((got = fread(bytes, 1, sizeof bytes, pipe)) > 0)
        po_buf_put(&archive->bytes, bytes, got);
    if (pclose(pipe) != 0 || archive->bytes.size == 0) {
        printf("skipped: no vectors\n");
        po_buf_deinit(&archive->bytes);
        return false;
    }
    rig_open(archive);
    return true;
}

/* spec-test: READ-3 */
START_TEST(a_file_with_another_hash_is_not_written)
{
    struct rig rig = { 0 };
    uint32_t bad = PO_NONE;
    uint64_t given = 0;
    struct po_buf bytes = { 0 };
    struct pobackup_sink sink = { &bytes, rig_sink };

    if (!load_vector(&rig.archive, "bad-index-7-hash"))
        return;
    rig_begin_with(&rig);
    (void)rig_select(&rig, NULL);
    ck_assert_int_eq(rig_run(&rig, 1), PO_OK);
    ck_assert(rig.result.is_damaged);
    ck_assert_uint_eq(rig.result.failed, 1);
    for (uint32_t i = 0; i < rig.archive.reader->index->count; i++) {
        size_t size;
        const char *path = po_index_path(rig.archive.reader->index, i, &size);
        char name[256];

        (void)snprintf(name, sizeof name, "%.*s", (int)size, path);
        if (rig_problem(&rig, name) != NULL) {
            (void)snprintf(name, sizeof name, "target/%.*s", (int)size, path);
            ck_assert(!rig_exists(name));
            bad = i;
        }
    }
    ck_assert_uint_ne(bad, PO_NONE);
    ck_assert_int_eq(po_cat_run(rig.archive.reader, bad, &sink, &rig.err), PO_E_FORMAT);
    given = bytes.size;
    ck_assert_uint_eq(given, po_index_size(rig.archive.reader->index, bad));
    po_buf_deinit(&bytes);
    rig_end(&rig);
}
END_TEST

START_TEST(what_lies_in_a_parent_is_named)
{
    struct rig rig = { 0 };
    size_t foreign = 0;

    if (!load_vector(&rig.archive, "good-diff"))
        return;
    rig_begin_with(&rig);
    (void)rig_select(&rig, NULL);
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    for (uint32_t i = 0; i < rig.archive.reader->index->count; i++) {
        char name[256];
        size_t size;
        const char *path = po_index_path(rig.archive.reader->index, i, &size);

        (void)snprintf(name, sizeof name, "%.*s", (int)size, path);
        if (po_index_source(rig.archive.reader->index, i) == 0 ||
            po_index_type(rig.archive.reader->index, i) != POBACKUP_FILE)
            continue;
        ck_assert_ptr_nonnull(rig_problem(&rig, name));
        ck_assert_ptr_nonnull(strstr(rig_problem(&rig, name), "parent"));
        ck_assert_int_eq(po_cat_run(rig.archive.reader, i, &(struct pobackup_sink){ 0 }, &rig.err),
                         PO_E_USAGE);
        foreign++;
    }
    ck_assert_uint_gt(foreign, 0);
    ck_assert_uint_eq(rig.result.problems.count, foreign);
    ck_assert(!rig.result.is_damaged);
    rig_end(&rig);
}
END_TEST
#endif

/* ---- the end of a run ---- */

START_TEST(a_cancelled_run_says_so_and_leaves_no_half_file)
{
    size_t count = make_messages();
    struct rig rig;

    rig_begin(&rig, messages, count);
    (void)rig_select(&rig, "box/long-1");
    rig.cancels = true;
    ck_assert_int_eq(rig_run(&rig, 1), PO_E_CANCELLED);
    ck_assert(!rig_exists("target/box/long-1"));
    ck_assert_uint_eq(os_count(rig_at("target/box")), 0);
    rig_end(&rig);
}
END_TEST

/* As with damage, but that it is none. */
START_TEST(a_frame_that_cannot_be_read_costs_its_files_alone)
{
    size_t count = make_messages();
    const struct po_index *index;
    struct rig rig;
    uint32_t lost;

    rig_begin(&rig, messages, count);
    rig.is_audited = _i == 1;
    index = rig.archive.reader->index;
    lost = po_index_frame(index, rig_entry(&rig.archive, message_names[3]));
    rig.archive.unread_offset = rig.archive.reader->offsets[lost] + 7;
    rig.archive.unread_size = 1;
    (void)rig_select(&rig, NULL);
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert(!rig.result.is_damaged);
    ck_assert_int_eq(rig.result.damage.status, PO_OK);
    ck_assert_int_eq(rig.result.unread.status, PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.result.unread.text, "cannot be read: a bad sector"));
    ck_assert_uint_gt(rig.result.failed, 0);
    ck_assert_uint_eq(rig.result.problems.count, rig.result.failed);
    for (size_t i = 0; i < count; i++) {
        bool is_small = strncmp(messages[i].path, "box/user", 8) == 0;
        const char *reason = is_small ? rig_problem(&rig, messages[i].path) : NULL;

        if (is_small && po_index_frame(index, rig_entry(&rig.archive, messages[i].path)) == lost)
            ck_assert_ptr_nonnull(strstr(reason == NULL ? "" : reason, "a bad sector"));
        else if (is_small)
            assert_message(&messages[i]);
    }
    rig_end(&rig);
}
END_TEST

START_TEST(what_goes_on_in_a_frame_that_cannot_be_read_is_not_written)
{
    size_t count = make_messages();
    struct rig rig;
    uint32_t first;

    rig_begin(&rig, messages, count);
    first = po_index_frame(rig.archive.reader->index, rig_entry(&rig.archive, "box/long-1"));
    rig.archive.unread_offset = rig.archive.reader->offsets[first + 1];
    rig.archive.unread_size = 1;
    (void)rig_select(&rig, "box/long-*");
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert(!rig_exists("target/box/long-1"));
    ck_assert_ptr_nonnull(strstr(rig_problem(&rig, "box/long-1"), "a bad sector"));
    rig_assert_made_up("target/box/long-2", "box/long-2", 2 * RIG_FRAME);
    ck_assert(!rig.result.is_damaged);
    rig_end(&rig);
}
END_TEST

START_TEST(of_an_archive_that_cannot_be_read_nothing_is_written)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" } };
    static const volatile int one = 1;
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    (void)rig_select(&rig, NULL);
    rig.archive.fail_reads = &one;
    ck_assert_int_eq(rig_run(&rig, 2), PO_OK);
    ck_assert_int_eq(rig.result.unread.status, PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.result.unread.text, "the disk is gone"));
    ck_assert_uint_eq(rig.result.files, 0);
    ck_assert_uint_eq(rig.result.failed, 3); /* and our documents */
    ck_assert(!rig.result.is_damaged);
    ck_assert(!rig_exists("target/a"));
    rig_end(&rig);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_full_volume_ends_the_run)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" },
                                             { .path = "b", .size = 3 << 20 },
                                             { .path = "c", .text = "c" } };
    struct rig rig;

    rig_directory("target");
    if (!rig_mount("target", "size=1m"))
        return;
    rig_begin(&rig, items, RIG_COUNT(items));
    (void)rig_select(&rig, NULL);
    ck_assert_int_eq(rig_run(&rig, 2), PO_E_IO);
    ck_assert_uint_eq(rig.err.os_code, ENOSPC);
    ck_assert(!rig_exists("target/b"));
    rig_end(&rig);
}
END_TEST
#endif

/* ---- cat ---- */

START_TEST(cat_gives_one_file)
{
    size_t count = make_messages();
    static const char *const paths[] = { "box/long-1", "box/hard", "box/empty", "box/long-2" };
    struct rig rig;

    rig_begin(&rig, messages, count);
    for (size_t i = 0; i < RIG_COUNT(paths); i++) {
        struct po_buf bytes = { 0 };
        struct pobackup_sink sink = { &bytes, rig_sink };
        const char *content = strcmp(paths[i], "box/hard") == 0 ? "box/long-1" : paths[i];
        uint32_t file = rig_entry(&rig.archive, content);

        ck_assert_int_eq(
            po_cat_run(rig.archive.reader, rig_entry(&rig.archive, paths[i]), &sink, &rig.err),
            PO_OK);
        ck_assert_uint_eq(bytes.size, po_index_size(rig.archive.reader->index, file));
        for (size_t at = 0; at < bytes.size; at++)
            if (bytes.bytes[at] != rig_byte(rig_seed_of(content), at))
                ck_abort_msg("%s is another at %zu", paths[i], at);
        po_buf_deinit(&bytes);
    }
    rig_end(&rig);
}
END_TEST

static enum po_status
broken_sink(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    (void)ctx;
    (void)bytes;
    (void)size;
    return po_fail(err, PO_E_IO, "the pipe is closed");
}

START_TEST(cat_refuses_what_is_no_file_and_tells_what_fails)
{
    size_t count = make_messages();
    struct pobackup_sink sink = { NULL, broken_sink };
    struct rig rig;

    rig_begin(&rig, messages, count);
    ck_assert_int_eq(
        po_cat_run(rig.archive.reader, rig_entry(&rig.archive, "box"), &sink, &rig.err),
        PO_E_USAGE);
    if (OS_HAS_POSIX)
        ck_assert_int_eq(
            po_cat_run(rig.archive.reader, rig_entry(&rig.archive, "box/soft"), &sink, &rig.err),
            PO_E_USAGE);
    ck_assert_int_eq(po_cat_run(rig.archive.reader, PO_NONE, &sink, &rig.err), PO_E_USAGE);
    ck_assert_int_eq(
        po_cat_run(rig.archive.reader, rig_entry(&rig.archive, "box/long-1"), &sink, &rig.err),
        PO_E_IO);
    ck_assert_str_eq(rig.err.text, "the pipe is closed");
    rig_damage_frame(&rig.archive, po_index_frame(rig.archive.reader->index,
                                                  rig_entry(&rig.archive, "box/long-2")));
    ck_assert_int_eq(
        po_cat_run(rig.archive.reader, rig_entry(&rig.archive, "box/long-2"), &sink, &rig.err),
        PO_E_FORMAT);
    rig_end(&rig);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("extract");
    TCase *tests = tcase_create("extract");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, rig_enter, rig_leave);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, patterns_select);
    tcase_add_test(tests, a_selected_file_comes_with_its_directories);
    tcase_add_loop_test(tests, everything_comes_out_as_it_went_in, 0, 2);
    tcase_add_test(tests, only_the_frames_that_are_needed_are_read);
    tcase_add_test(tests, one_name_of_a_file_brings_the_content);
    tcase_add_test(tests, what_is_there_is_named_and_the_rest_is_written);
    tcase_add_loop_test(tests, damage_hits_only_what_lies_in_it, 0, 2);
    tcase_add_test(tests, an_audited_run_tells_of_all_damage);
    tcase_add_test(tests, an_audited_run_writes_the_same);
    os_add_posix_test(tests, a_file_with_another_hash_is_not_written);
    os_add_posix_test(tests, what_lies_in_a_parent_is_named);
    tcase_add_test(tests, a_cancelled_run_says_so_and_leaves_no_half_file);
    tcase_add_loop_test(tests, a_frame_that_cannot_be_read_costs_its_files_alone, 0, 2);
    tcase_add_test(tests, what_goes_on_in_a_frame_that_cannot_be_read_is_not_written);
    tcase_add_test(tests, of_an_archive_that_cannot_be_read_nothing_is_written);
    os_add_posix_test(tests, a_full_volume_ends_the_run);
    tcase_add_test(tests, cat_gives_one_file);
    tcase_add_test(tests, cat_refuses_what_is_no_file_and_tells_what_fails);
    suite_add_tcase(suite, tests);

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
