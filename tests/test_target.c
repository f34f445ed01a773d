#include "restore_help.h"

#include "base/mem.h"
#include "base/names.h"
#include "target/target.h"

#include <archive.h>
#include <archive_entry.h>
#if OS_HAS_POSIX
#include <signal.h>
#include <sys/resource.h>
#endif

/* ---- names ---- */

struct name_case {
    const char *name;
    bool is_fine;
    bool is_fine_on_windows;
};

static const struct name_case names[] = {
    { "a", true, true },
    { "a/b/c.MSG", true, true },
    { "Post.OfficemailboxBackup/example.com/user01/00000001.MSG", true, true },
    { "\xE3\x83\xA1\xE3\x83\xBC\xE3\x83\xAB", true, true },
    { "...", true, false },
    { "..a", true, true },
    { ".a", true, true },
    { "a b", true, true },
    { " a", true, true },
    { "-rf", true, true },
    { "CONSOLE", true, true },
    { "COM", true, true },
    { "COM0", true, true },
    { "COM10", true, true },
    { "LPTx", true, true },
    { "aCON", true, true },
    { "a.CON", true, true },
    { "\xFF\xFE", true, true },
    { "", false, false },
    { "/", false, false },
    { "/etc/passwd", false, false },
    { "//server/share", false, false },
    { ".", false, false },
    { "..", false, false },
    { "../a", false, false },
    { "a/..", false, false },
    { "a/../b", false, false },
    { "a/./b", false, false },
    { "./a", false, false },
    { "a/.", false, false },
    { "a//b", false, false },
    { "a/", false, false },
    { "C:", true, false },
    { "C:/a", true, false },
    { "C:a", true, false },
    { "a/C:", true, false },
    { "a:stream", true, false },
    { "a\\b", true, false },
    { "..\\a", true, false },
    { "\\\\server\\share", true, false },
    { "a\nb", true, false },
    { "a\tb", true, false },
    { "\x01", true, false },
    { "a\x7F", true, false },
    { "CON", true, false },
    { "con", true, false },
    { "Prn", true, false },
    { "AUX", true, false },
    { "nul", true, false },
    { "NUL.txt", true, false },
    { "nul.tar.gz", true, false },
    { "NUL .txt", true, false },
    { "a/NUL/b", true, false },
    { "COM1", true, false },
    { "com9.log", true, false },
    { "LPT1", true, false },
    { "lpt9.x", true, false },
    { "COM\xC2\xB9", true, false },
    { "LPT\xC2\xB3.txt", true, false },
    { "CONIN$", true, false },
    { "conout$", true, false },
    { "a.", true, false },
    { "a ", true, false },
    { "a./b", true, false },
    { "a /b", true, false },
    { "a/b. ", true, false },
};

/* spec-test: NAME-1 */
START_TEST(hostile_names_are_refused)
{
    for (size_t i = 0; i < RIG_COUNT(names); i++) {
        struct po_err err = { 0 };
        size_t size = strlen(names[i].name);
        enum po_status here = po_name_check(names[i].name, size, false, &err);
        enum po_status windows = po_name_check(names[i].name, size, true, &err);

        ck_assert_msg((here == PO_OK) == names[i].is_fine, "\"%s\" here", names[i].name);
        ck_assert_msg((windows == PO_OK) == names[i].is_fine_on_windows, "\"%s\" on Windows",
                      names[i].name);
        if (windows != PO_OK)
            ck_assert_int_eq(windows, PO_E_USAGE);
        if (windows != PO_OK)
            ck_assert_uint_gt(strlen(err.text), 0);
    }
}
END_TEST

START_TEST(a_name_with_a_nul_is_refused)
{
    struct po_err err;

    ck_assert_int_eq(po_name_check("a\0b", 3, false, &err), PO_E_USAGE);
}
END_TEST

START_TEST(names_of_our_own_are_known)
{
    ck_assert(po_name_is_ours(".pobackup-set-aside-20261124T020000Z", 36));
    ck_assert(po_name_is_ours(".pobackup-stage-20261124T020000Z-2", 34));
    ck_assert(po_name_is_ours(".pobackup-new-0000002a", 22));
    ck_assert(po_name_is_ours(".pobackup-new-file", 18));
    ck_assert(!po_name_is_ours(".pobackup-stage-", 16));
    ck_assert(!po_name_is_ours(".pobackup-stage-mail", 20));
    ck_assert(!po_name_is_ours(".pobackup-stage-20261124T020000Z-", 33));
    ck_assert(!po_name_is_ours(".pobackup-stage-20261124T020000Z.txt", 36));
    ck_assert(!po_name_is_ours(".pobackup-new-0000002A", 22));
    ck_assert(!po_name_is_ours(".pobackup-new-u", 15));
    ck_assert(!po_name_is_ours("pobackup-stage-x", 16));
    ck_assert(!po_name_is_ours(".pobackup", 9));
    ck_assert(!po_name_is_ours("", 0));
    ck_assert(po_name_has_ours("a/.pobackup-stage-20261124T020000Z/b", 36));
    ck_assert(!po_name_has_ours("a/pobackup/b", 12));
}
END_TEST

/* ---- a target ---- */

#define PROBLEMS_MAX 4096

/* Everything of the archive goes below rig_top/target; what lies in "other/" to rig_top/other. */
struct rig {
    struct rig_archive archive;
    struct po_dir *dir;
    struct po_dir *other;
    struct po_target_options options;
    struct po_target *target;
    uint8_t *wanted;
    uint32_t *stand_ins;
    uint32_t problems[PROBLEMS_MAX];
    char reasons[8][256];
    size_t problem_count;
};

static bool
place(void *ctx, uint32_t number, struct po_dir **dir, const char **path, size_t *path_size)
{
    const struct rig *rig = ctx;

    *path = po_index_path(rig->archive.reader->index, number, path_size);
    *dir = rig->dir;
    if (*path_size >= 9 && memcmp(*path, "pobackup/", 9) == 0)
        return false;
    if (rig->other != NULL && *path_size > 6 && memcmp(*path, "other/", 6) == 0) {
        *path += 6;
        *path_size -= 6;
        *dir = rig->other;
    }
    return true;
}

static void
note(void *ctx, uint32_t entry, const char *reason)
{
    struct rig *rig = ctx;

    ck_assert_uint_lt(rig->problem_count, PROBLEMS_MAX);
    if (rig->problem_count < RIG_COUNT(rig->reasons))
        (void)snprintf(rig->reasons[rig->problem_count], sizeof rig->reasons[0], "%s", reason);
    rig->problems[rig->problem_count++] = entry;
}

static void
rig_begin(struct rig *rig, const struct rig_item *items, size_t count)
{
    struct po_err err;

    *rig = (struct rig){ .options = { .place = place, .problem = note } };
    rig_make(&rig->archive, items, count);
    rig_directory("target");
    ck_assert_int_eq(po_dir_open(&rig->dir, rig_at("target"), &err), PO_OK);
    rig->wanted = po_mem_new(rig->archive.reader->index->count, 1);
    rig->options.index = rig->archive.reader->index;
    rig->options.place_ctx = rig;
    rig->options.problem_ctx = rig;
    rig->options.wanted = rig->wanted;
    for (uint32_t i = 0; i < rig->archive.reader->index->count; i++) {
        size_t size;
        const char *path = po_index_path(rig->archive.reader->index, i, &size);

        rig->wanted[i] = size < 9 || memcmp(path, "pobackup/", 9) != 0;
    }
}

static void
rig_want_only(struct rig *rig, const char *path)
{
    memset(rig->wanted, 0, rig->archive.reader->index->count);
    rig->wanted[rig_entry(&rig->archive, path)] = 1;
}

static void
rig_start(struct rig *rig)
{
    struct po_err err;

    ck_assert_int_eq(po_target_new(&rig->target, &rig->options, &err), PO_OK);
    ck_assert_int_eq(po_target_directories(rig->target, &err), PO_OK);
}

/* Every wanted file gets its path as content; links and directories follow. */
static void
rig_run(struct rig *rig)
{
    const struct po_index *index = rig->archive.reader->index;
    struct po_err err;

    rig_start(rig);
    for (uint32_t i = 0; i < index->count; i++) {
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (rig->wanted[i] != 0 && po_index_type(index, i) == POBACKUP_FILE)
            ck_assert_int_eq(po_target_file(rig->target, i, (const uint8_t *)path, size, &err),
                             PO_OK);
    }
    ck_assert_int_eq(po_target_finish(rig->target, &err), PO_OK);
}

static void
rig_end(struct rig *rig)
{
    po_target_free(rig->target);
    po_dir_free(rig->dir);
    po_dir_free(rig->other);
    po_mem_free(rig->wanted);
    po_mem_free(rig->stand_ins);
    rig_close(&rig->archive);
}

static bool
rig_has_problem(const struct rig *rig, const char *path)
{
    for (size_t i = 0; i < rig->problem_count; i++) {
        size_t size;
        const char *name = po_index_path(rig->archive.reader->index, rig->problems[i], &size);

        if (size == strlen(path) && memcmp(name, path, size) == 0)
            return true;
    }
    return false;
}

static void
rig_assert_clean(const struct rig *rig)
{
    ck_assert_msg(rig->problem_count == 0, "%s", rig->reasons[0]);
}

/* ---- what is written ---- */

START_TEST(contents_modes_and_times_are_the_archives)
{
    static const struct rig_item items[] = {
        { .path = "d", .type = POBACKUP_DIRECTORY, .mode = 0750, .time = RIG_TIME + 1 },
        { .path = "d/e", .type = POBACKUP_DIRECTORY, .mode = 0555, .time = RIG_TIME + 2 },
        { .path = "d/e/f", .text = "f", .mode = 0640, .time = RIG_TIME + 3 },
        { .path = "d/g", .text = "", .mode = 0400, .time = -12345678 },
        { .path = "d/h", .text = "", .mode = 0600, .time = RIG_TIME },
    };
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    rig_run(&rig);
    rig_assert_clean(&rig);
    for (size_t i = 0; i < RIG_COUNT(items); i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "target/%s", items[i].path);
        rig_assert_mode(name, items[i].mode);
        ck_assert_int_eq(rig_time(name), items[i].time);
        ck_assert(po_target_is_written(rig.target, rig_entry(&rig.archive, items[i].path)));
    }
    ck_assert_str_eq(rig_read("target/d/e/f"), "d/e/f");
    rig_end(&rig);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(owners_are_set_only_when_asked_for)
{
    static const struct rig_item items[] = {
        { .path = "d", .type = POBACKUP_DIRECTORY, .uid = 1201, .gid = 1301 },
        { .path = "d/f", .text = "f", .mode = 04755, .uid = 1202, .gid = 1302 },
        { .path = "d/l", .type = POBACKUP_SYMLINK, .text = "f", .uid = 1203, .gid = 1303 },
    };

    for (int sets_owner = 0; sets_owner < 2; sets_owner++) {
        struct rig rig;
        bool is_theirs = sets_owner != 0 && geteuid() == 0;

        if (sets_owner != 0 && geteuid() != 0)
            continue;
        rig_begin(&rig, items, RIG_COUNT(items));
        rig.options.sets_owner = sets_owner != 0;
        rig_run(&rig);
        rig_assert_clean(&rig);
        ck_assert_uint_eq(rig_stat("target/d").uid, is_theirs ? 1201 : geteuid());
        ck_assert_uint_eq(rig_stat("target/d/f").uid, is_theirs ? 1202 : geteuid());
        ck_assert_uint_eq(rig_stat("target/d/l").uid, is_theirs ? 1203 : geteuid());
        ck_assert_uint_eq(rig_stat("target/d/f").gid, is_theirs ? 1302 : getegid());
        /* Never a program that runs as somebody it did not belong to. */
        rig_assert_mode("target/d/f", is_theirs ? 04755 : 0755);
        rig_end(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST
#endif

#if OS_HAS_POSIX
START_TEST(links_are_made_as_they_are)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a", .mode = 0640 },
        { .path = "b", .type = POBACKUP_HARDLINK, .text = "a" },
        { .path = "d", .type = POBACKUP_DIRECTORY },
        { .path = "d/c", .type = POBACKUP_HARDLINK, .text = "a" },
        { .path = "d/s",
          .type = POBACKUP_SYMLINK,
          .text = "../nowhere/\xFF",
          .time = RIG_TIME + 5 },
        { .path = "s", .type = POBACKUP_SYMLINK, .text = "/etc/passwd", .time = RIG_TIME + 6 },
    };
    char text[64] = "";
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    rig_run(&rig);
    rig_assert_clean(&rig);
    ck_assert_uint_eq(rig_stat("target/a").link_count, 3);
    ck_assert_uint_eq(rig_stat("target/b").file_id, rig_stat("target/a").file_id);
    ck_assert_uint_eq(rig_stat("target/d/c").file_id, rig_stat("target/a").file_id);
    ck_assert_int_eq(readlink(rig_at("target/d/s"), text, sizeof text), 12);
    ck_assert_mem_eq(text, "../nowhere/\xFF", 12);
    ck_assert_int_eq(rig_time("target/d/s"), RIG_TIME + 5);
    ck_assert_int_eq(rig_time("target/s"), RIG_TIME + 6);
    ck_assert_int_eq(rig_time("target/d"), RIG_TIME);
    rig_end(&rig);
}
END_TEST
#endif

START_TEST(a_hard_link_to_what_was_not_written_is_a_problem)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a" },
        { .path = "b", .type = POBACKUP_HARDLINK, .text = "a" },
    };
    struct rig rig;

    /* A stranger's file of that name must not get another name. */
    rig_write("target/a", "stranger");
    rig_begin(&rig, items, RIG_COUNT(items));
    rig_want_only(&rig, "b");
    rig_run(&rig);
    ck_assert_uint_eq(rig.problem_count, 1);
    ck_assert(rig_has_problem(&rig, "b"));
    ck_assert(!rig_exists("target/b"));
    ck_assert_uint_eq(rig_stat("target/a").link_count, 1);
    rig_end(&rig);
}
END_TEST

START_TEST(a_hard_link_can_stand_in_for_its_file)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a" },
        { .path = "b", .type = POBACKUP_HARDLINK, .text = "a", .mode = 0600, .time = RIG_TIME + 9 },
        { .path = "c", .type = POBACKUP_HARDLINK, .text = "a" },
    };
    struct po_err err;
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    rig.wanted[rig_entry(&rig.archive, "a")] = 0;
    rig.stand_ins = po_mem_new(rig.archive.reader->index->count, sizeof *rig.stand_ins);
    memset(rig.stand_ins, 0xFF, rig.archive.reader->index->count * sizeof *rig.stand_ins);
    rig.stand_ins[rig_entry(&rig.archive, "a")] = rig_entry(&rig.archive, "b");
    rig.options.stand_ins = rig.stand_ins;
    rig_start(&rig);
    ck_assert_int_eq(
        po_target_file(rig.target, rig_entry(&rig.archive, "b"), (const uint8_t *)"text", 4, &err),
        PO_OK);
    ck_assert_int_eq(po_target_finish(rig.target, &err), PO_OK);
    rig_assert_clean(&rig);
    ck_assert_str_eq(rig_read("target/c"), "text");
    ck_assert_uint_eq(rig_stat("target/b").file_id, rig_stat("target/c").file_id);
    ck_assert_int_eq(rig_time("target/b"), RIG_TIME + 9);
    ck_assert(!rig_exists("target/a"));
    rig_end(&rig);
}
END_TEST

START_TEST(a_hard_link_into_another_place_becomes_a_copy)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a", .mode = 0640, .time = RIG_TIME + 7 },
        { .path = "other/b", .type = POBACKUP_HARDLINK, .text = "a" },
    };
    struct po_err err;
    struct rig rig;

    rig_directory("other");
    rig_begin(&rig, items, RIG_COUNT(items));
    ck_assert_int_eq(po_dir_open(&rig.other, rig_at("other"), &err), PO_OK);
    rig_run(&rig);
    rig_assert_clean(&rig);
    ck_assert_str_eq(rig_read("other/b"), "a");
    ck_assert_uint_eq(rig_stat("other/b").link_count, 1);
    rig_assert_mode("other/b", 0640);
    ck_assert_int_eq(rig_time("other/b"), RIG_TIME + 7);
    rig_end(&rig);
}
END_TEST

START_TEST(missing_parents_are_made_and_look_as_in_the_archive)
{
    static const struct rig_item items[] = {
        { .path = "d", .type = POBACKUP_DIRECTORY, .mode = 0710, .time = RIG_TIME + 1 },
        { .path = "d/e", .type = POBACKUP_DIRECTORY, .mode = 0750, .time = RIG_TIME + 2 },
        { .path = "d/e/f", .text = "f" },
        { .path = "x/y/z", .text = "z" },
    };
    struct rig rig;

    rig_directory("target/d");
    ck_assert_int_eq(chmod(rig_at("target/d"), 0777), 0);
    rig_begin(&rig, items, RIG_COUNT(items));
    rig_want_only(&rig, "d/e/f");
    rig.wanted[rig_entry(&rig.archive, "x/y/z")] = 1;
    rig_run(&rig);
    rig_assert_clean(&rig);
    /* Made for what lies in it. */
    rig_assert_mode("target/d/e", 0750);
    ck_assert_int_eq(rig_time("target/d/e"), RIG_TIME + 2);
    /* There before, and nobody asked for it. */
    rig_assert_mode("target/d", 0777);
    /* The archive does not know it. */
    rig_assert_mode("target/x/y", 0755);
    ck_assert_str_eq(rig_read("target/x/y/z"), "x/y/z");
    rig_end(&rig);
}
END_TEST

/* ---- what is there already ---- */

START_TEST(files_that_are_there_stay)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a" },
        { .path = "b", .type = POBACKUP_SYMLINK, .text = "a" },
        { .path = "d", .text = "d" },
        { .path = "c", .type = POBACKUP_HARDLINK, .text = "d" },
    };
    struct rig rig;

    rig_write("target/a", "old a");
    rig_write("target/b", "old b");
    rig_write("target/c", "old c");
    rig_begin(&rig, items, RIG_COUNT(items));
    rig_run(&rig);
    ck_assert_uint_eq(rig.problem_count, 3);
    ck_assert(rig_has_problem(&rig, "a"));
    ck_assert(rig_has_problem(&rig, "b"));
    ck_assert(rig_has_problem(&rig, "c"));
    ck_assert_str_eq(rig_read("target/a"), "old a");
    ck_assert_str_eq(rig_read("target/b"), "old b");
    ck_assert_str_eq(rig_read("target/c"), "old c");
    ck_assert_str_eq(rig_read("target/d"), "d");
    ck_assert(!po_target_is_written(rig.target, rig_entry(&rig.archive, "a")));
    rig_end(&rig);
}
END_TEST

START_TEST(overwriting_replaces_files_and_links_but_no_directory)
{
    static const struct rig_item items[] = {
        { .path = "a", .text = "a" },
        { .path = "c", .type = POBACKUP_HARDLINK, .text = "a" },
        { .path = "d", .text = "d" },
        { .path = "e", .type = POBACKUP_DIRECTORY },
        { .path = "g", .text = "g" },
        { .path = "b", .type = POBACKUP_SYMLINK, .text = "new" },
        { .path = "f", .type = POBACKUP_SYMLINK, .text = "new" },
    };
    struct rig rig;

    rig_write("target/a", "old a");
    ck_assert_int_eq(link(rig_at("target/a"), rig_at("other name")), 0);
    rig_write("target/b", "old b");
    rig_write("target/c", "old c");
    rig_directory("target/d/kept");
    rig_write("target/e", "old e");
    rig_directory("target/f");
    rig_write("outside", "outside");
    if (OS_HAS_POSIX)
        ck_assert_int_eq(symlink("../outside", rig_at("target/g")), 0);
    else
        rig_write("target/g", "old g");
    rig_begin(&rig, items, RIG_COUNT(items) - OS_CASE(0, 2));
    rig.options.is_overwriting = true;
    rig_run(&rig);
    ck_assert_uint_eq(rig.problem_count, OS_CASE(3, 2));
    ck_assert(rig_has_problem(&rig, "d"));
    ck_assert(rig_has_problem(&rig, "e"));
    ck_assert(!OS_HAS_POSIX || rig_has_problem(&rig, "f"));
    ck_assert_str_eq(rig_read("target/a"), "a");
    /* Not written through. */
    ck_assert_str_eq(rig_read("other name"), "old a");
    ck_assert_str_eq(rig_read("outside"), "outside");
    ck_assert(rig_stat("target/g").type == PO_NODE_FILE);
    ck_assert_str_eq(rig_read("target/g"), "g");
    ck_assert_int_eq(rig_stat("target/b").type, OS_CASE(PO_NODE_SYMLINK, PO_NODE_FILE));
    ck_assert_uint_eq(rig_stat("target/c").file_id, rig_stat("target/a").file_id);
    ck_assert(rig_exists("target/d/kept"));
    ck_assert_str_eq(rig_read("target/e"), "old e");
    ck_assert_int_eq(rig_stat("target/f").type, PO_NODE_DIRECTORY);
    for (uint32_t i = 0; i < rig.archive.reader->index->count; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "target/.pobackup-new-%08x", i);
        ck_assert(!rig_exists(name));
    }
    rig_end(&rig);
}
END_TEST

START_TEST(what_a_dead_run_left_does_not_stop_the_next)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" } };
    struct rig rig;
    char name[64];

    rig_write("target/a", "old");
    rig_begin(&rig, items, 1);
    (void)snprintf(name, sizeof name, "target/.pobackup-new-%08x", rig_entry(&rig.archive, "a"));
    rig_write(name, "half");
    rig.options.is_overwriting = true;
    rig_run(&rig);
    rig_assert_clean(&rig);
    ck_assert_str_eq(rig_read("target/a"), "a");
    ck_assert(!rig_exists(name));
    rig_end(&rig);
}
END_TEST

/* ---- pieces ---- */

START_TEST(a_file_in_pieces_gets_its_name_at_the_end)
{
    static const struct rig_item items[] = {
        { .path = "d", .type = POBACKUP_DIRECTORY },
        { .path = "d/a", .text = "abc", .mode = 0640, .time = RIG_TIME + 4 },
    };
    struct po_err err;
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    rig_start(&rig);
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "d/a"), &err), PO_OK);
    ck_assert_int_eq(po_target_put(rig.target, (const uint8_t *)"ab", 2, &err), PO_OK);
    ck_assert(!rig_exists("target/d/a"));
    ck_assert_int_eq(po_target_put(rig.target, (const uint8_t *)"c", 1, &err), PO_OK);
    ck_assert_int_eq(po_target_end(rig.target, &err), PO_OK);
    ck_assert_int_eq(po_target_finish(rig.target, &err), PO_OK);
    rig_assert_clean(&rig);
    ck_assert_str_eq(rig_read("target/d/a"), "abc");
    rig_assert_mode("target/d/a", 0640);
    ck_assert_int_eq(rig_time("target/d/a"), RIG_TIME + 4);
    ck_assert_int_eq(rig_time("target/d"), RIG_TIME);
    rig_end(&rig);
}
END_TEST

START_TEST(an_abandoned_file_leaves_nothing)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" },
                                             { .path = "b", .text = "b" } };
    struct po_err err;
    struct rig rig;
    char *before;
    char *after;

    rig_write("target/a", "old");
    rig_begin(&rig, items, RIG_COUNT(items));
    rig.options.is_overwriting = true;
    rig_start(&rig);
    before = rig_picture("target", NULL, false);
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "a"), &err), PO_OK);
    ck_assert_int_eq(po_target_put(rig.target, (const uint8_t *)"half", 4, &err), PO_OK);
    po_target_abandon(rig.target, "broken");
    ck_assert_uint_eq(rig.problem_count, 1);
    ck_assert_str_eq(rig.reasons[0], "broken");
    /* What follows for an abandoned item does nothing. */
    ck_assert_int_eq(po_target_put(rig.target, (const uint8_t *)"half", 4, &err), PO_OK);
    ck_assert_int_eq(po_target_end(rig.target, &err), PO_OK);
    /* Freed while open: the same. */
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "b"), &err), PO_OK);
    ck_assert_int_eq(po_target_put(rig.target, (const uint8_t *)"half", 4, &err), PO_OK);
    po_target_free(rig.target);
    rig.target = NULL;
    after = rig_picture("target", NULL, false);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    rig_end(&rig);
}
END_TEST

START_TEST(a_file_in_pieces_does_not_take_the_place_of_another)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" },
                                             { .path = "b", .text = "b" } };
    struct po_err err;
    struct rig rig;

    rig_write("target/a", "old");
    rig_begin(&rig, items, RIG_COUNT(items));
    rig_start(&rig);
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "a"), &err), PO_OK);
    ck_assert_int_eq(po_target_end(rig.target, &err), PO_OK);
    ck_assert(rig_has_problem(&rig, "a"));
    /* Nor one that came meanwhile. */
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "b"), &err), PO_OK);
    rig_write("target/b", "faster");
    ck_assert_int_eq(po_target_end(rig.target, &err), PO_OK);
    ck_assert(rig_has_problem(&rig, "b"));
    ck_assert_str_eq(rig_read("target/a"), "old");
    ck_assert_str_eq(rig_read("target/b"), "faster");
    rig_end(&rig);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_write_that_fails_leaves_nothing_and_the_rest_goes_on)
{
    static const struct rig_item items[] = { { .path = "a", .text = "a" },
                                             { .path = "b", .text = "b" } };
    static const uint8_t large[100000];
    const struct rlimit small = { 50000, RLIM_INFINITY };
    struct po_err err;
    struct rig rig;

    (void)signal(SIGXFSZ, SIG_IGN);
    rig_begin(&rig, items, RIG_COUNT(items));
    rig_start(&rig);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(
        po_target_file(rig.target, rig_entry(&rig.archive, "a"), large, sizeof large, &err), PO_OK);
    ck_assert_int_eq(po_target_begin(rig.target, rig_entry(&rig.archive, "b"), &err), PO_OK);
    ck_assert_int_eq(po_target_put(rig.target, large, sizeof large, &err), PO_OK);
    ck_assert_int_eq(po_target_end(rig.target, &err), PO_OK);
    ck_assert_uint_eq(rig.problem_count, 2);
    ck_assert_int_eq(rmdir(rig_at("target")), 0); /* nothing is in it */
    rig_end(&rig);
}
END_TEST
#endif

/* ---- nothing outside ---- */

/* spec-test: NAME-1 */
START_TEST(hostile_paths_change_nothing_outside)
{
    static const struct rig_item items[] = {
        { .path = "../up", .text = "x" },
        { .path = "/tmp/pobackup-test-absolute", .text = "x" },
        { .path = "a/../../up", .text = "x" },
        { .path = "a/./b", .text = "x" },
        { .path = "a//b", .text = "x" },
        { .path = "..", .type = POBACKUP_DIRECTORY, .mode = 0700 },
        { .path = ".", .type = POBACKUP_DIRECTORY, .mode = 0700 },
        { .path = "../link", .type = POBACKUP_SYMLINK, .text = "target" },
        { .path = ".pobackup-new-00000001", .text = "x" },
        { .path = "good", .text = "good" },
    };
    struct rig rig;
    char *before;
    char *after;

    rig_write("up", "mine");
    rig_begin(&rig, items, RIG_COUNT(items));
    rig.options.is_overwriting = true;
    before = rig_picture("", "target", true);
    rig_run(&rig);
    after = rig_picture("", "target", true);
    ck_assert_str_eq(before, after);
    ck_assert(!os_exists("/tmp/pobackup-test-absolute"));
    ck_assert_uint_eq(rig.problem_count, RIG_COUNT(items) - 1);
    for (size_t i = 0; i + 1 < RIG_COUNT(items); i++)
        ck_assert(rig_has_problem(&rig, items[i].path));
    ck_assert_str_eq(rig_read("target/good"), "good");
    free(before);
    free(after);
    rig_end(&rig);
}
END_TEST

/* spec-test: NAME-2 */
START_TEST(nothing_is_written_through_a_link_of_the_archive)
{
    static const struct rig_item items[] = {
        { .path = "out", .type = POBACKUP_SYMLINK, .text = ".." },
        { .path = "out/escaped", .text = "x" },
        { .path = "out/escaped-dir", .type = POBACKUP_DIRECTORY },
        { .path = "out/deep/escaped", .text = "x" },
        { .path = "out/deep/hard", .type = POBACKUP_HARDLINK, .text = "out/deep/escaped" },
        { .path = "file", .text = "file" },
        { .path = "file/below", .text = "x" },
    };
    struct rig rig;
    char *before;
    char *after;

    rig_begin(&rig, items, RIG_COUNT(items));
    before = rig_picture("", "target", true);
    rig_run(&rig);
    after = rig_picture("", "target", true);
    ck_assert_str_eq(before, after);
    ck_assert_uint_eq(rig.problem_count, 5);
    ck_assert(rig_has_problem(&rig, "out/escaped"));
    ck_assert(rig_has_problem(&rig, "out/escaped-dir"));
    ck_assert(rig_has_problem(&rig, "out/deep/escaped"));
    ck_assert(rig_has_problem(&rig, "out/deep/hard"));
    ck_assert(rig_has_problem(&rig, "file/below"));
    ck_assert_int_eq(rig_stat("target/out").type, PO_NODE_SYMLINK);
    ck_assert_str_eq(rig_read("target/file"), "file");
    free(before);
    free(after);
    rig_end(&rig);
}
END_TEST

/* spec-test: NAME-2 */
START_TEST(nothing_is_written_through_a_link_that_is_there)
{
    static const struct rig_item items[] = {
        { .path = "d", .type = POBACKUP_DIRECTORY, .mode = 0700 },
        { .path = "d/e", .type = POBACKUP_DIRECTORY, .mode = 0700 },
        { .path = "d/e/f", .text = "f" },
        { .path = "d/g", .text = "g" },
        { .path = "x/y", .text = "y" },
        { .path = "z", .text = "z", .mode = 0777 },
    };

    for (int is_overwriting = 0; is_overwriting < 2; is_overwriting++) {
        struct rig rig;
        char *before;
        char *after;

        rig_directory("outside/e");
        rig_write("outside/file", "mine");
        rig_directory("target");
        ck_assert_int_eq(symlink("../outside", rig_at("target/d")), 0);
        ck_assert_int_eq(symlink("../outside", rig_at("target/x")), 0);
        ck_assert_int_eq(symlink("../outside/file", rig_at("target/z")), 0);
        rig_begin(&rig, items, RIG_COUNT(items));
        rig.options.is_overwriting = is_overwriting != 0;
        before = rig_picture("", "target", true);
        rig_run(&rig);
        after = rig_picture("", "target", true);
        ck_assert_str_eq(before, after);
        ck_assert_uint_eq(rig.problem_count, is_overwriting != 0 ? 5 : 6);
        ck_assert_int_eq(rig_stat("target/d").type, PO_NODE_SYMLINK);
        ck_assert_int_eq(rig_stat("target/x").type, PO_NODE_SYMLINK);
        free(before);
        free(after);
        rig_end(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST

START_TEST(windows_names_are_refused_when_asked_for)
{
    static const struct rig_item items[] = {
        { .path = "A", .type = POBACKUP_DIRECTORY },
        { .path = "A/x", .text = "x" },
        { .path = "NUL.txt", .text = "x" },
        { .path = "a", .type = POBACKUP_DIRECTORY },
        { .path = "a/y", .text = "y" },
        { .path = "b.", .text = "x" },
        { .path = "c:d", .text = "x" },
        { .path = "good", .text = "good" },
    };
    struct rig rig;

    rig_begin(&rig, items, RIG_COUNT(items));
    rig.options.windows_names = true;
    rig_run(&rig);
    ck_assert(rig_has_problem(&rig, "NUL.txt"));
    ck_assert(rig_has_problem(&rig, "b."));
    ck_assert(rig_has_problem(&rig, "c:d"));
    /* Of two names that differ in case alone, the first is made. */
    ck_assert(rig_has_problem(&rig, "a"));
    ck_assert(rig_has_problem(&rig, "a/y"));
    ck_assert_uint_eq(rig.problem_count, 5);
    ck_assert_str_eq(rig_read("target/A/x"), "A/x");
    ck_assert_str_eq(rig_read("target/good"), "good");
    rig_end(&rig);
}
END_TEST

/* ---- archives of others ---- */

#define NAMES_MAX 8192

/* What an archive of others has, as items of ours. */
struct foreign {
    struct rig_item items[NAMES_MAX];
    size_t count;
};

static bool
foreign_has(const struct foreign *foreign, const char *path)
{
    for (size_t i = 0; i < foreign->count; i++)
        if (strcmp(foreign->items[i].path, path) == 0)
            return true;
    return false;
}

static void
foreign_add(struct foreign *foreign, const char *path, enum pobackup_type type, const char *text)
{
    size_t size = strlen(path);
    char *copy = strdup(path);

    ck_assert_ptr_nonnull(copy);
    /* Our writer knows no '/' at the end; what it means, the type says. */
    while (size > 1 && copy[size - 1] == '/')
        copy[--size] = '\0';
    if (size == 0 || strcmp(copy, "/") == 0 || foreign->count == NAMES_MAX ||
        foreign_has(foreign, copy)) {
        free(copy);
        return;
    }
    foreign->items[foreign->count++] =
        (struct rig_item){ .path = copy, .type = type, .text = strdup(text), .mode = 04777 };
}

/* Reads the headers that libarchive can make out; contents do not matter here. */
static void
foreign_read(struct foreign *foreign, const void *bytes, size_t size)
{
    struct archive *tar = archive_read_new();
    struct archive_entry *entry;

    ck_assert_int_eq(archive_read_support_filter_all(tar), ARCHIVE_OK);
    ck_assert_int_eq(archive_read_support_format_tar(tar), ARCHIVE_OK);
    (void)archive_read_support_format_gnutar(tar);
    if (archive_read_open_memory(tar, bytes, size) == ARCHIVE_OK) {
        while (archive_read_next_header(tar, &entry) >= ARCHIVE_WARN) {
            const char *path = archive_entry_pathname(entry);
            const char *hard = archive_entry_hardlink(entry);
            const char *soft = archive_entry_symlink(entry);

            if (path == NULL)
                continue;
            if (hard != NULL && *hard != '\0') {
                /* INDEX-10: a hard link leads to a file of the archive. */
                foreign_add(foreign, hard, POBACKUP_FILE, "linked");
                foreign_add(foreign, path, POBACKUP_HARDLINK, hard);
            } else if (soft != NULL && *soft != '\0') {
                foreign_add(foreign, path, POBACKUP_SYMLINK, soft);
            } else if (archive_entry_filetype(entry) == AE_IFDIR) {
                foreign_add(foreign, path, POBACKUP_DIRECTORY, "");
            } else {
                foreign_add(foreign, path, POBACKUP_FILE, "content");
            }
        }
    }
    (void)archive_read_free(tar);
}

/* Hard links to what is no file of the archive cannot be written. */
static void
foreign_mend(struct foreign *foreign)
{
    for (size_t i = 0; i < foreign->count; i++) {
        struct rig_item *item = &foreign->items[i];
        bool is_file = false;

        if (item->type != POBACKUP_HARDLINK)
            continue;
        for (size_t j = 0; j < foreign->count; j++)
            is_file = is_file || (foreign->items[j].type == POBACKUP_FILE &&
                                  strcmp(foreign->items[j].path, item->text) == 0);
        if (!is_file)
            item->type = POBACKUP_SYMLINK;
    }
}

static void
check_foreign(const char *name, const void *bytes, size_t size, size_t *items, size_t *refused)
{
    static struct foreign foreign;
    struct rig rig;
    char *before;
    char *after;

    foreign.count = 0;
    foreign_read(&foreign, bytes, size);
    foreign_mend(&foreign);
    if (foreign.count == 0)
        return;
    rig_enter();
    rig_write("outside/file", "mine");
    rig_write("file", "mine");
    rig_begin(&rig, foreign.items, foreign.count);
    rig.options.is_overwriting = true;
    before = rig_picture("", "target", true);
    rig_run(&rig);
    after = rig_picture("", "target", true);
    ck_assert_msg(strcmp(before, after) == 0, "%s", name);
    for (size_t i = 0; i < foreign.count; i++) {
        struct po_err err;
        const char *path = foreign.items[i].path;

        if (po_name_check(path, strlen(path), false, &err) != PO_OK)
            ck_assert_msg(rig_has_problem(&rig, path), "%s: %s", name, path);
    }
    *items += foreign.count;
    *refused += rig.problem_count;
    free(before);
    free(after);
    rig_end(&rig);
    for (size_t i = 0; i < foreign.count; i++) {
        union {
            const char *in;
            char *out;
        } path = { .in = foreign.items[i].path }, text = { .in = foreign.items[i].text };

        free(path.out);
        free(text.out);
    }
    rig_leave();
}

/* spec-test: NAME-1, NAME-2 */
START_TEST(no_tar_of_others_reaches_outside)
{
    static const char pack[] = POBACKUP_SOURCE_DIR "/../shared/testdata/tar.tar.zst";
    struct archive *tar = archive_read_new();
    struct archive_entry *entry;
    size_t count = 0;
    size_t items = 0;
    size_t refused = 0;

    ck_assert_int_eq(archive_read_support_filter_all(tar), ARCHIVE_OK);
    ck_assert_int_eq(archive_read_support_format_tar(tar), ARCHIVE_OK);
    if (archive_read_open_filename(tar, pack, 65536) != ARCHIVE_OK) {
        printf("skipped: no %s\n", pack);
        (void)archive_read_free(tar);
        return;
    }
    while (archive_read_next_header(tar, &entry) == ARCHIVE_OK) {
        size_t size = (size_t)archive_entry_size(entry);
        uint8_t *bytes;

        if (archive_entry_filetype(entry) != AE_IFREG || size == 0)
            continue;
        bytes = po_mem_new(size, 1);
        ck_assert_int_eq(archive_read_data(tar, bytes, size), (la_ssize_t)size);
        check_foreign(archive_entry_pathname(entry), bytes, size, &items, &refused);
        po_mem_free(bytes);
        count++;
    }
    (void)archive_read_free(tar);
    printf("%zu tars of others: %zu entries, %zu refused\n", count, items, refused);
    ck_assert_uint_gt(count, 100);
    ck_assert_uint_gt(refused, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("target");
    TCase *name_case = tcase_create("names");
    TCase *target_case = tcase_create("target");
    TCase *foreign_case = tcase_create("foreign");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(name_case, hostile_names_are_refused);
    tcase_add_test(name_case, a_name_with_a_nul_is_refused);
    tcase_add_test(name_case, names_of_our_own_are_known);
    suite_add_tcase(suite, name_case);

    tcase_add_checked_fixture(target_case, rig_enter, rig_leave);
    tcase_add_test(target_case, contents_modes_and_times_are_the_archives);
    os_add_posix_test(target_case, owners_are_set_only_when_asked_for);
    os_add_posix_test(target_case, links_are_made_as_they_are);
    tcase_add_test(target_case, a_hard_link_to_what_was_not_written_is_a_problem);
    tcase_add_test(target_case, a_hard_link_can_stand_in_for_its_file);
    tcase_add_test(target_case, a_hard_link_into_another_place_becomes_a_copy);
    tcase_add_test(target_case, missing_parents_are_made_and_look_as_in_the_archive);
    tcase_add_test(target_case, files_that_are_there_stay);
    tcase_add_test(target_case, overwriting_replaces_files_and_links_but_no_directory);
    tcase_add_test(target_case, what_a_dead_run_left_does_not_stop_the_next);
    tcase_add_test(target_case, a_file_in_pieces_gets_its_name_at_the_end);
    tcase_add_test(target_case, an_abandoned_file_leaves_nothing);
    tcase_add_test(target_case, a_file_in_pieces_does_not_take_the_place_of_another);
    os_add_posix_test(target_case, a_write_that_fails_leaves_nothing_and_the_rest_goes_on);
    tcase_add_test(target_case, hostile_paths_change_nothing_outside);
    os_add_posix_test(target_case, nothing_is_written_through_a_link_of_the_archive);
    os_add_posix_test(target_case, nothing_is_written_through_a_link_that_is_there);
    tcase_add_test(target_case, windows_names_are_refused_when_asked_for);
    suite_add_tcase(suite, target_case);

    tcase_set_timeout(foreign_case, 120);
    tcase_add_test(foreign_case, no_tar_of_others_reaches_outside);
    suite_add_tcase(suite, foreign_case);

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
