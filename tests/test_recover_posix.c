/*
 * req: R10. A restore that dies between two of its renames, wherever that is: the next process
 * finishes it or takes it back, and when that one dies too, the one after it. The dying one is a
 * child process, which ends where it would have made its nth rename.
 */
#include "restore_help.h"

#include "engine/recover.h"
#include "engine/restore.h"

#include <ftw.h>
#include <sys/wait.h>

#define REG "Post.OfficeRegKeyBackup.reg"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"
#define DIED 99

/* ---- renames ---- */

static unsigned renames;
static unsigned dies_at; /* this rename is not made any more; 0 = all are */

enum po_status __real_po_dir_rename(struct po_dir *from, const char *from_path, size_t from_size,
                                    struct po_dir *to, const char *to_path, size_t to_size,
                                    bool replace, struct po_err *err);
enum po_status __wrap_po_dir_rename(struct po_dir *from, const char *from_path, size_t from_size,
                                    struct po_dir *to, const char *to_path, size_t to_size,
                                    bool replace, struct po_err *err);

enum po_status
__wrap_po_dir_rename(struct po_dir *from, const char *from_path, size_t from_size,
                     struct po_dir *to, const char *to_path, size_t to_size, bool replace,
                     struct po_err *err)
{
    if (++renames == dies_at)
        _exit(DIED);
    return __real_po_dir_rename(from, from_path, from_size, to, to_path, to_size, replace, err);
}

/* ---- the site: its mailbox is there, its spool and the directories above are not ---- */

static const struct rig_item set[] = {
    { .path = REG, .text = RIG_NEW_REGISTRY },
    { .path = SPOOL, .type = POBACKUP_DIRECTORY, .mode = 0750, .time = RIG_TIME + 1 },
    { .path = SPOOL "/config", .text = "new config", .time = RIG_TIME + 2 },
    { .path = BOX, .type = POBACKUP_DIRECTORY, .mode = 0711, .time = RIG_TIME + 3 },
    { .path = BOX "/user01", .type = POBACKUP_DIRECTORY, .mode = 0700, .time = RIG_TIME + 4 },
    { .path = BOX "/user01/1.MSG", .text = "new 1" },
    { .path = BOX "/user01/2.MSG", .text = "new 2" },
    { .path = BOX "/user02", .type = POBACKUP_DIRECTORY, .time = RIG_TIME + 5 },
    { .path = BOX "/user02/1.MSG", .text = "new 3" },
};

static struct rig_archive archive;
static char *before;
static char *restored;

static void
write_old(const char *path, const char *text)
{
    rig_write(path, text);
    rig_set_time(path, RIG_TIME - 1);
}

static void
make_site(void)
{
    if (rig_exists("site"))
        os_remove(rig_at("site"));
    if (rig_exists("state"))
        os_remove(rig_at("state"));
    rig_write("site/pobackup-site.ini", "[trees]\nspool = a/b/spool\n");
    write_old("site/" REG, RIG_OLD_REGISTRY);
    write_old("site/" BOX "/user01/1.MSG", "old 1");
    write_old("site/" BOX "/user01/3.MSG", "came since");
    write_old("site/" BOX "/user03/1.MSG", "of another");
    rig_set_time("site/" BOX "/user01", RIG_TIME - 2);
    rig_set_time("site/" BOX "/user03", RIG_TIME - 3);
    rig_set_time("site/" BOX, RIG_TIME - 4);
}

/* What is in the trees, with times; and all else that lies in the site, by name. */
static char *
picture(void)
{
    struct po_buf all = { 0 };
    char *box = rig_picture("site/" BOX, NULL, true);
    char *spool = rig_exists("site/a/b/spool") ? rig_picture("site/a/b/spool", NULL, true) : NULL;
    char *site = rig_picture("site", NULL, false);
    char *text;

    po_buf_printf(&all, "%s\n%s\n%s", box, spool == NULL ? "" : spool, site);
    text = strdup(po_buf_text(&all));
    ck_assert_ptr_nonnull(text);
    po_buf_deinit(&all);
    free(box);
    free(spool);
    free(site);
    return text;
}

static void
assert_picture(const char *wanted, unsigned died, const char *what)
{
    char *is = picture();

    ck_assert_msg(strcmp(is, wanted) == 0, "died at %u, %s:\n%s\nand not:\n%s", died, what, is,
                  wanted);
    free(is);
}

static struct po_host *
open_site(void)
{
    struct po_host *host = NULL;
    struct po_err err;

    ck_assert_msg(po_host_folder_open(&host, rig_at("site"), &err) == PO_OK, "%s", err.text);
    return host;
}

/* ---- jobs ---- */

static const char *
journals(void)
{
    return rig_at("state/journals");
}

static void
restore(void)
{
    struct po_restore_options options = { .is_exact = true, .threads = 1 };
    struct po_restore_result result = { 0 };
    struct po_host *host = open_site();
    struct po_err err;

    options.archive_name = "an archive";
    options.journal_dir = journals();
    options.parts[PO_PART_REGISTRY] = true;
    options.parts[PO_PART_SPOOL] = true;
    options.parts[PO_PART_MAILBOX] = true;
    ck_assert_msg(po_restore_run(archive.reader, host, &options, NULL, &result, &err) == PO_OK,
                  "%s", err.text);
    ck_assert_uint_eq(result.problems.count, 0);
    host->ops->free(host);
    po_restore_result_deinit(&result);
}

static void
recover(bool is_back, bool *is_taken_back)
{
    struct po_recover_result result = { 0 };
    struct po_host *host = open_site();
    struct po_err err;
    enum po_status st = is_back ? po_recover_undo(host, journals(), NULL, &result, &err)
                                : po_recover_resume(host, journals(), NULL, &result, &err);

    ck_assert_msg(st == PO_OK, "%s", err.text);
    ck_assert_msg(result.problems.count == 0, "%s: %s", result.problems.items[0].path,
                  result.problems.items[0].reason);
    *is_taken_back = result.is_taken_back;
    host->ops->free(host);
    po_recover_result_deinit(&result);
}

static void
undo(void)
{
    bool is_taken_back = false;

    recover(true, &is_taken_back);
    ck_assert(is_taken_back);
}

static void
resume(void)
{
    bool ignored;

    recover(false, &ignored);
}

/* In a child that dies at the nth rename; false: it came to its end, as there are fewer. */
static bool
dies(void (*job)(void), unsigned nth)
{
    pid_t child = fork();
    int status = 0;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        renames = 0;
        dies_at = nth;
        job();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED),
                  "at rename %u it ended with %d", nth, status);
    return WEXITSTATUS(status) == DIED;
}

static enum po_recovery_state
state(void)
{
    struct po_recovery recovery;
    enum po_recovery_state found;
    struct po_err err;

    ck_assert_msg(po_recovery_find(&recovery, journals(), &err) == PO_OK, "%s", err.text);
    found = recovery.state;
    if (found != PO_RECOVERY_NONE)
        ck_assert_str_eq(recovery.archive, "an archive");
    po_recovery_deinit(&recovery);
    return found;
}

/* What is kept is not wanted any more: then there is nothing in the site but what it is to have. */
static void
forget(void)
{
    struct po_err err;

    if (state() != PO_RECOVERY_NONE)
        ck_assert_msg(po_recover_forget(journals(), &err) == PO_OK, "%s", err.text);
    ck_assert_int_eq(state(), PO_RECOVERY_NONE);
}

static void
setup(void)
{
    rig_enter();
    rig_make(&archive, set, RIG_COUNT(set));
    make_site();
    before = picture();
    restore();
    ck_assert_int_eq(state(), PO_RECOVERY_DONE);
    forget();
    restored = picture();
    ck_assert_str_ne(before, restored);
}

static void
teardown(void)
{
    free(before);
    free(restored);
    rig_close(&archive);
    rig_leave();
}

START_TEST(a_restore_that_died_anywhere_is_finished)
{
    unsigned nth = 0;
    unsigned finished = 0;
    bool is_taken_back = false;

    for (make_site(); dies(restore, ++nth); make_site()) {
        bool is_unchanged = state() == PO_RECOVERY_UNCHANGED;

        recover(false, &is_taken_back);
        /* What had changed nothing is taken back by both. */
        ck_assert_int_eq(is_taken_back, is_unchanged);
        ck_assert_int_eq(state(), is_unchanged ? PO_RECOVERY_NONE : PO_RECOVERY_DONE);
        finished += is_unchanged ? 0 : 1;
        forget();
        assert_picture(is_unchanged ? before : restored, nth, "finished");
    }
    ck_assert_uint_ge(finished, 5);
    forget();
    assert_picture(restored, nth, "in one go");
}
END_TEST

START_TEST(a_restore_that_died_anywhere_is_taken_back)
{
    unsigned nth = 0;

    for (make_site(); dies(restore, ++nth); make_site()) {
        undo();
        forget();
        assert_picture(before, nth, "taken back");
    }
    ck_assert_uint_ge(nth, 6);
}
END_TEST

START_TEST(a_finished_one_can_be_taken_back_after_all)
{
    unsigned nth = 0;

    for (make_site(); dies(restore, ++nth); make_site()) {
        bool is_taken_back = false;

        recover(false, &is_taken_back);
        if (!is_taken_back)
            undo();
        forget();
        assert_picture(before, nth, "finished and taken back");
    }
    ck_assert_uint_ge(nth, 6);
}
END_TEST

/* In the middle of the restore, where there is most to do in both directions. */
static unsigned
middle(void)
{
    unsigned nth = 0;

    for (make_site(); dies(restore, ++nth); make_site())
        continue;
    return nth / 2;
}

static void
assert_dies_anywhere(void (*job)(void), const char *wanted)
{
    unsigned half = middle();
    unsigned nth = 0;
    bool has_died;

    do {
        make_site();
        ck_assert(dies(restore, half));
        ck_assert_int_eq(state(), PO_RECOVERY_INTERRUPTED);
        has_died = dies(job, ++nth);
        if (has_died) {
            ck_assert_int_eq(state(), PO_RECOVERY_INTERRUPTED);
            job();
        }
        forget();
        assert_picture(wanted, nth, "the second time");
    } while (has_died);
    ck_assert_uint_ge(nth, 3);
}

START_TEST(finishing_can_die_too)
{
    assert_dies_anywhere(resume, restored);
}
END_TEST

START_TEST(taking_back_can_die_too)
{
    assert_dies_anywhere(undo, before);
}
END_TEST

START_TEST(what_was_taken_back_is_not_taken_back_again)
{
    struct po_recover_result result = { 0 };
    struct po_host *host;
    struct po_err err;

    make_site();
    restore();
    undo();
    ck_assert_int_eq(state(), PO_RECOVERY_TAKEN_BACK);
    host = open_site();
    ck_assert_int_eq(po_recover_undo(host, journals(), NULL, &result, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "the last restore has been taken back already");
    po_recover_result_deinit(&result);
    ck_assert_int_eq(po_recover_resume(host, journals(), NULL, &result, &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "there is no restore to finish");
    po_recover_result_deinit(&result);
    host->ops->free(host);
}
END_TEST

/* The services ran meanwhile: what came into a directory that the restore made stays. */
START_TEST(what_came_into_a_made_directory_stays)
{
    make_site();
    restore();
    rig_write("site/a/b/somebody", "somebody else's");
    undo();
    ck_assert_str_eq(rig_read("site/a/b/somebody"), "somebody else's");
    ck_assert(!rig_exists("site/a/b/spool"));
    ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "old 1");
}
END_TEST

/* Between the crash and the resume a file of a new one's name was made: it is set aside. */
START_TEST(what_took_a_place_since_the_crash_is_kept)
{
    bool is_taken_back = false;

    make_site();
    ck_assert(dies(restore, middle()));
    make_site();
    for (unsigned nth = 1; dies(restore, nth); nth++, make_site()) {
        if (state() != PO_RECOVERY_INTERRUPTED || rig_exists("site/" BOX "/user01/2.MSG"))
            continue;
        rig_write("site/" BOX "/user01/2.MSG", "came meanwhile");
        recover(false, &is_taken_back);
        ck_assert(!is_taken_back);
        ck_assert_str_eq(rig_read("site/" BOX "/user01/2.MSG"), "new 2");
        undo();
        return;
    }
    ck_abort_msg("no crash before the file had its place");
}
END_TEST

static int
remove_old(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    char text[8] = "";
    FILE *file;

    (void)info;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    if (strcmp(text, "old 1") == 0)
        ck_assert_int_eq(unlink(path), 0);
    return 0;
}

/* Somebody has cleared away what was set aside: the new one has its place all the same. */
START_TEST(a_new_file_is_not_set_aside_when_the_old_one_is_gone)
{
    unsigned nth = 0;
    unsigned times = 0;
    bool is_taken_back = false;

    for (make_site(); dies(restore, ++nth); make_site()) {
        if (!rig_exists("site/" BOX "/user01/1.MSG") ||
            strcmp(rig_read("site/" BOX "/user01/1.MSG"), "new 1") != 0)
            continue;
        ck_assert_int_eq(nftw(rig_at("site"), remove_old, 16, FTW_PHYS), 0);
        recover(false, &is_taken_back);
        ck_assert(!is_taken_back);
        ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "new 1");
        forget();
        assert_picture(restored, nth, "finished");
        times++;
    }
    ck_assert_uint_ge(times, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("recover");
    TCase *crash = tcase_create("crash");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(crash, setup, teardown);
    tcase_set_timeout(crash, 300);
    tcase_add_test(crash, a_restore_that_died_anywhere_is_finished);
    tcase_add_test(crash, a_restore_that_died_anywhere_is_taken_back);
    tcase_add_test(crash, a_finished_one_can_be_taken_back_after_all);
    tcase_add_test(crash, finishing_can_die_too);
    tcase_add_test(crash, taking_back_can_die_too);
    tcase_add_test(crash, what_was_taken_back_is_not_taken_back_again);
    tcase_add_test(crash, what_came_into_a_made_directory_stays);
    tcase_add_test(crash, what_took_a_place_since_the_crash_is_kept);
    tcase_add_test(crash, a_new_file_is_not_set_aside_when_the_old_one_is_gone);
    suite_add_tcase(suite, crash);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
