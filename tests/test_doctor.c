/*
 * req: W1, N3: what stands in the way of a backup. A good site is made in a temporary folder,
 * broken in one way, and what is told of it compared with what must be told.
 */
#include "base/buf.h"
#include "engine/doctor.h"
#include "host/host.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"

#if OS_HAS_POSIX
#include <sys/socket.h>
#include <sys/un.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOBODY 65534
#define REG "Post.OfficeRegKeyBackup.reg"
#define BIN "Post.OfficeexeBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"
#define REG_HEADER "Windows Registry Editor Version 5.00\r\n\r\n"
#define REG_TEXT                                                                                   \
    REG_HEADER "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"A\"=\"1\"\r\n"
#define WELL OS_CASE("true", "exit 0")
#define SERVICE(status) "[service:MTA]\nstart = " WELL "\nstop = " WELL "\nstatus = " status "\n"

/* ---- a site ---- */

static char top[OS_PATH_SIZE]; /* holds "site" and "target" */
static struct po_host *host;

static const char *
at(const char *path)
{
    static char names[8][512];
    static unsigned next;
    char *name = names[next++ % COUNT(names)];

    ck_assert_int_lt(snprintf(name, sizeof names[0], "%s/%s", top, path), (int)sizeof names[0]);
    return name;
}

static void
put_directory(const char *path)
{
    ck_assert_int_eq(mkdir(at(path), 0755), 0);
}

static void
put_file(const char *path, const char *content)
{
    os_write(at(path), content, strlen(content));
}

static void
put_ini(const char *text)
{
    put_file("site/pobackup-site.ini", text);
}

static struct po_buf lines; /* "STATE id", one a line, without what is good */
static struct po_buf texts; /* "STATE id: text" of all */
static enum po_check_state worst;

static void
setup(void)
{
    os_temp_make(top, "doctor");
    ck_assert_int_eq(chmod(top, 0755), 0);
    put_directory("site");
    put_directory("target");
    put_ini(SERVICE(WELL));
    put_file("site/" REG, REG_TEXT);
    put_directory("site/" BIN);
    put_file("site/" BIN "/Post.Office.exe", "MZ");
    put_directory("site/" SPOOL);
    put_directory("site/" SPOOL "/control");
    put_directory("site/" SPOOL "/messages");
    put_file("site/" SPOOL "/control/1-Control", "c");
    put_file("site/" SPOOL "/messages/1-Header", "h");
    put_file("site/" SPOOL "/messages/1-Body", "b");
    put_directory("site/" BOX);
    put_file("site/" BOX "/mail", "From:");
}

static void
teardown(void)
{
    if (host != NULL)
        host->ops->free(host);
    host = NULL;
    os_temp_remove(top);
    po_buf_deinit(&lines);
    po_buf_deinit(&texts);
}

static void
open_host(void)
{
    struct po_err err;

    if (po_host_folder_open(&host, at("site"), &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
on_check(void *ctx, enum po_check_state state, const char *id, const char *text)
{
    static const char *const names[] = { "GOOD", "NOTE", "WARNING", "BAD" };

    ck_assert_ptr_eq(ctx, &lines);
    po_buf_printf(&texts, "%s %s: %s\n", names[state], id, text);
    /* Who runs the tests, and on which disks, is not theirs to say. */
    if (state != PO_CHECK_GOOD && strcmp(id, "rights") != 0 && strcmp(id, "volume") != 0)
        po_buf_printf(&lines, "%s %s\n", names[state], id);
}

static void
run(const char *target)
{
    struct po_err err;

    open_host();
    if (po_doctor_run(host, &(struct po_doctor_options){ .target = target }, on_check, &lines,
                      &worst, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
assert_text(const char *part)
{
    if (strstr(po_buf_text(&texts), part) == NULL)
        ck_abort_msg("not told: %s\nbut:\n%s", part, po_buf_text(&texts));
}

/* ---- sites ---- */

START_TEST(nothing_is_wrong_with_a_good_site)
{
    run(at("target"));
    ck_assert_str_eq(po_buf_text(&lines), "");
    ck_assert_int_le(worst, PO_CHECK_WARNING); /* the volume */
    assert_text("GOOD services: MTA: running");
    assert_text("GOOD registry: 1 keys, 1 values");
    assert_text("GOOD sizes: 5 files (10 B), 5 directories in all");
    assert_text("GOOD queue: 1 messages wait");
    assert_text("GOOD target: ");
    assert_text("GOOD space: ");
}
END_TEST

static void
break_no_services(void)
{
    put_ini("");
}

static void
break_stopped(void)
{
    put_ini(SERVICE("exit 3"));
}

static void
break_unknown_state(void)
{
    put_ini(SERVICE("exit 7"));
}

static void
break_no_bin(void)
{
    os_remove(at("site/" BIN));
}

static void
break_spool_is_a_file(void)
{
    os_remove(at("site/" SPOOL));
    put_file("site/" SPOOL, "");
}

static void
break_no_mailbox(void)
{
    put_ini("[trees]\nmailbox = none\n" SERVICE(WELL));
}

static void
break_registry_is_missing(void)
{
    os_remove(at("site/" REG));
}

static void
break_registry_is_garbage(void)
{
    put_file("site/" REG, "MZ");
}

static void
break_registry_is_anothers(void)
{
    put_file("site/" REG,
             REG_HEADER "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office2]\r\n"
                        "[HKEY_LOCAL_MACHINE\\SOFTWARE\\xSoftware.com\\Post.Office]\r\n"
                        "[-HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n");
}

static void
break_registry_is_of_the_32_bit_view(void)
{
    put_file("site/" REG, REG_HEADER
             "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\software.COM\\post.office\\A]\r\n");
}

static void
break_no_registry(void)
{
    put_ini("[trees]\nregistry = none\n" SERVICE(WELL));
}

static void
break_future_file(void)
{
    os_set_time(at("site/" BOX "/mail"), po_sys_now() + INT64_C(3) * 86400 * 10000000);
}

static void
break_leftovers(void)
{
    put_directory("site/.pobackup-set-aside-20261124T020000Z");
    put_directory("site/" BOX "/.pobackup-stage-20200101T000000Z");
    put_file("site/.pobackup-else", "");
}

static void
break_no_queue(void)
{
    os_remove(at("site/" SPOOL "/control"));
    os_remove(at("site/" SPOOL "/messages"));
}

#if OS_HAS_POSIX
static void
break_slow_status(void)
{
    put_ini(SERVICE("sleep 3.2"));
}

static void
break_fifo_and_socket(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_int_eq(mkfifo(at("site/" BOX "/fifo"), 0600), 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", at("site/" BOX "/socket"));
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
}
#endif

static const struct {
    const char *name;
    void (*damage)(void);
    const char *lines;
} sites[] = {
    { "no services", break_no_services, "NOTE services\n" },
    { "a stopped service", break_stopped, "" },
    { "an unknown state", break_unknown_state, "BAD services\n" },
    { "no bin", break_no_bin, "BAD trees\n" },
    { "a file for a spool", break_spool_is_a_file, "BAD trees\n" },
    { "mailbox = none", break_no_mailbox, "NOTE trees\n" },
    { "no registry file", break_registry_is_missing, "BAD registry\n" },
    { "no registry document", break_registry_is_garbage, "BAD registry\n" },
    { "another's registry", break_registry_is_anothers, "WARNING registry\n" },
    { "the registry of a 64-bit system", break_registry_is_of_the_32_bit_view, "" },
    { "registry = none", break_no_registry, "NOTE registry\n" },
    { "a file of the future", break_future_file, "WARNING clock\n" },
    { "leftovers of a restore", break_leftovers, "NOTE leftovers\nWARNING leftovers\n" },
    { "no queue", break_no_queue, "NOTE queue\n" },
#if OS_HAS_POSIX
    { "a slow status command", break_slow_status, "WARNING services\n" },
    { "a FIFO and a socket", break_fifo_and_socket, "NOTE special\nNOTE special\n" },
#endif
};

START_TEST(each_way_in_which_a_site_is_broken_is_told)
{
    sites[_i].damage();
    run(NULL);
    if (strcmp(po_buf_text(&lines), sites[_i].lines) != 0)
        ck_abort_msg("%s:\n%s", sites[_i].name, po_buf_text(&texts));
}
END_TEST

/* req: B8 */
START_TEST(what_cannot_be_read_is_named)
{
    bool is_root = geteuid() == 0;

    ck_assert_int_eq(chmod(at("site/" BOX "/mail"), 0), 0);
    put_directory("site/" BIN "/closed");
    ck_assert_int_eq(chmod(at("site/" BIN "/closed"), 0), 0);
    if (is_root)
        ck_assert_int_eq(seteuid(NOBODY), 0);
    run(at("target"));
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(at("site/" BIN "/closed"), 0700), 0);
    ck_assert_str_eq(po_buf_text(&lines), is_root ? "BAD unreadable\nBAD unreadable\nBAD target\n"
                                                  : "BAD unreadable\nBAD unreadable\n");
    assert_text("BAD unreadable: " BIN "/closed: ");
    assert_text("BAD unreadable: " BOX "/mail: ");
    ck_assert_int_eq(worst, PO_CHECK_BAD);
}
END_TEST

START_TEST(of_many_the_first_are_named_and_the_rest_counted)
{
    unsigned told = 0;

    for (int i = 0; i < 25; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "site/" BOX "/fifo%d", i);
        ck_assert_int_eq(mkfifo(at(name), 0600), 0);
    }
    run(NULL);
    for (const char *p = po_buf_text(&lines); *p != '\0'; p += strlen("NOTE special\n"), told++)
        ck_assert_int_eq(strncmp(p, "NOTE special\n", strlen("NOTE special\n")), 0);
    ck_assert_uint_eq(told, 21);
    assert_text("NOTE special: and 5 more");
}
END_TEST

/* req: W1 */
START_TEST(incomplete_queue_sets_are_told_and_left_alone)
{
    static const char *const files[] = { "control/2-Control", "control/3-Control",
                                         "messages/3-Header", "messages/4-Body",
                                         "messages/5-BODY",   "control/5-control",
                                         "messages/5-header", "messages/notes" };

    for (size_t i = 0; i < COUNT(files); i++) {
        char name[128];

        (void)snprintf(name, sizeof name, "site/" SPOOL "/%s", files[i]);
        put_file(name, "x");
    }
    run(NULL);
    ck_assert_str_eq(po_buf_text(&lines),
                     "WARNING queue\nWARNING queue\nWARNING queue\nWARNING queue\n");
    assert_text("WARNING queue: 2: Control without Header and Body\n");
    assert_text("WARNING queue: 3: Control and Header without Body\n");
    assert_text("WARNING queue: 4: Body without Control and Header\n");
    assert_text("WARNING queue: 2 messages wait; 3 incomplete sets beside them");
    assert_text("services run");
    for (size_t i = 0; i < COUNT(files); i++) {
        char name[128];

        (void)snprintf(name, sizeof name, "site/" SPOOL "/%s", files[i]);
        ck_assert(os_exists(at(name)));
    }
}
END_TEST

/* ---- the target (req: N3) ---- */

START_TEST(a_target_is_written_to_and_left_as_it_was)
{
    run(at("target"));
    ck_assert_uint_eq(os_count(at("target")), 0);
}
END_TEST

START_TEST(a_target_that_does_not_exist_is_judged_by_where_it_would_be_made)
{
    run(at("target/a/b.tar.zst"));
    ck_assert_str_eq(po_buf_text(&lines), "");
    assert_text("GOOD target: a/b.tar.zst can be made in ");
    ck_assert_uint_eq(os_count(at("target")), 0);
}
END_TEST

START_TEST(a_target_that_is_a_file_is_told)
{
    put_file("target/x", "");
    run(at("target/x"));
    ck_assert_str_eq(po_buf_text(&lines), "WARNING target\n");
    ck_assert_uint_eq(os_count(at("target")), 1);
}
END_TEST

START_TEST(a_target_below_a_file_is_bad)
{
    put_file("target/x", "");
    run(at("target/x/y"));
    ck_assert_str_eq(po_buf_text(&lines), "BAD target\n");
}
END_TEST

START_TEST(a_target_inside_a_tree_is_bad_and_nothing_is_written_there)
{
    run(at("site/" BOX));
    ck_assert_str_eq(po_buf_text(&lines), "BAD target\n");
    ck_assert_uint_eq(os_count(at("site/" BOX)), 1);
    ck_assert_int_eq(worst, PO_CHECK_BAD);
}
END_TEST

START_TEST(a_target_on_the_volume_of_the_site_is_warned_of)
{
    run(at("target"));
    assert_text("WARNING volume: ");
}
END_TEST

START_TEST(a_target_without_the_space_is_warned_of)
{
    struct po_dir *dir = NULL;
    uint64_t size = 0;
    uint64_t total = 0;
    struct po_err err;

    ck_assert_int_eq(po_dir_open(&dir, at("target"), &err), PO_OK);
    ck_assert_int_eq(po_dir_space(dir, &size, &total, &err), PO_OK);
    po_dir_free(dir);
    size *= 2;
    /* A file without blocks: only its size counts. */
    if (!os_set_size(at("site/" BOX "/mail"), size))
        return;
    run(at("target"));
    ck_assert_str_eq(po_buf_text(&lines), "WARNING disk\nWARNING space\n");
    assert_text("WARNING disk: spool and mailbox: ");
}
END_TEST

enum verdict { OUTSIDE, INSIDE, REFUSED };

/* Below `top`, made by put_places: trees at a/mail, newspool (missing) and, through a link, bin. */
static const struct {
    const char *path;
    enum verdict verdict;
} targets[] = {
    { "a/mail", INSIDE },
    { "a/mail/", INSIDE },
    { "a/mail/.", INSIDE },
    { "a//mail//sub", INSIDE },
    { "a/mail/sub/x.tar.zst", INSIDE },
    { "a/mail/none/x.tar.zst", INSIDE },
    { "a/mail/sub/../x.tar.zst", INSIDE },
    { "realbin/x.tar.zst", INSIDE },
    { "newspool", INSIDE },
    { "newspool/x.tar.zst", INSIDE },
    { "site/" REG, INSIDE },
    { "same", INSIDE }, /* the registry's file by another name: only its identity tells */
    { "a/mailbox", OUTSIDE },
    { "a/mailbox/x.tar.zst", OUTSIDE },
    { "a/mail.tar.zst", OUTSIDE },
    { "a/mai", OUTSIDE },
    { "a/mail/../x.tar.zst", OUTSIDE },
    { "a", OUTSIDE },
    { "", OUTSIDE },
    { "site/x.tar.zst", OUTSIDE },
    { "newspool2/x.tar.zst", OUTSIDE },
    { "none/../a/mail/x.tar.zst", REFUSED },
#if OS_HAS_POSIX
    { "link/x.tar.zst", INSIDE },
    { "deep/x.tar.zst", INSIDE }, /* a link to a directory in the tree */
    { "dangling/x.tar.zst", REFUSED },
    { "dangling", REFUSED },
    { "NEWSPOOL/x.tar.zst", OUTSIDE },
#else
    { "NEWSPOOL/x.tar.zst", INSIDE },
    { "A\\MAIL\\x.tar.zst", INSIDE },
    { "newspool\\x.tar.zst", INSIDE },
#endif
};

static void
put_places(void)
{
    struct po_buf ini = { 0 };

    put_directory("a");
    put_directory("a/mail");
    put_directory("a/mail/sub");
    put_directory("a/mailbox");
    put_directory("realbin");
    ck_assert_int_eq(link(at("site/" REG), at("same")), 0);
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(symlink("realbin", at("binlink")), 0);
        ck_assert_int_eq(symlink("a/mail", at("link")), 0);
        ck_assert_int_eq(symlink("a/mail/sub", at("deep")), 0);
        ck_assert_int_eq(symlink("a/mail/later", at("dangling")), 0);
    }
    po_buf_printf(&ini, "[trees]\nmailbox = %s\nspool = %s\nbin = %s\n", at("a/mail"),
                  at("newspool"), at(OS_CASE("binlink", "realbin")));
    put_ini(po_buf_text(&ini));
    po_buf_deinit(&ini);
    open_host();
}

static void
assert_target(const char *path, enum verdict verdict)
{
    struct po_err err = { 0 };
    bool is_same_volume = false;
    enum po_status st = po_doctor_target(host, path, &is_same_volume, &err);

    if ((st == PO_OK) != (verdict == OUTSIDE))
        ck_abort_msg("%s: %s", path, st == PO_OK ? "outside" : err.text);
    if (verdict != OUTSIDE)
        ck_assert_int_eq(st, PO_E_USAGE);
    ck_assert_int_eq(is_same_volume, verdict == OUTSIDE);
    if (verdict == INSIDE)
        ck_assert_ptr_nonnull(strstr(err.text, "lies inside the site"));
}

START_TEST(a_target_inside_a_tree_is_refused_by_whatever_name)
{
    put_places();
    assert_target(at(targets[_i].path), targets[_i].verdict);
}
END_TEST

START_TEST(a_relative_target_is_taken_from_the_current_directory)
{
    put_places();
    ck_assert_int_eq(chdir(top), 0);
    assert_target("a/mail/x", INSIDE);
    assert_target("x/y", OUTSIDE);
    ck_assert_int_eq(chdir(at("a/mail")), 0);
    assert_target("x", INSIDE);
    assert_target("", INSIDE);
    assert_target("../x", OUTSIDE);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_target_elsewhere_is_not_on_the_volume_of_the_site)
{
    struct stat here;
    struct stat elsewhere;
    struct po_err err;
    bool is_same_volume = true;

    put_places();
    if (stat("/dev/shm", &elsewhere) != 0 || stat(top, &here) != 0 ||
        elsewhere.st_dev == here.st_dev)
        return;
    ck_assert_int_eq(po_doctor_target(host, "/dev/shm/x/y.tar.zst", &is_same_volume, &err), PO_OK);
    ck_assert(!is_same_volume);
}
END_TEST
#endif

static Suite *
doctor_suite(void)
{
    Suite *suite = suite_create("doctor");
    TCase *site_case = tcase_create("sites");
    TCase *target_case = tcase_create("targets");

    tcase_set_timeout(site_case, 60);
    tcase_add_checked_fixture(site_case, setup, teardown);
    tcase_add_test(site_case, nothing_is_wrong_with_a_good_site);
    tcase_add_loop_test(site_case, each_way_in_which_a_site_is_broken_is_told, 0,
                        (int)COUNT(sites));
    os_add_posix_test(site_case, what_cannot_be_read_is_named);
    os_add_posix_test(site_case, of_many_the_first_are_named_and_the_rest_counted);
    tcase_add_test(site_case, incomplete_queue_sets_are_told_and_left_alone);
    suite_add_tcase(suite, site_case);
    tcase_set_timeout(target_case, 60);
    tcase_add_checked_fixture(target_case, setup, teardown);
    tcase_add_test(target_case, a_target_is_written_to_and_left_as_it_was);
    tcase_add_test(target_case, a_target_that_does_not_exist_is_judged_by_where_it_would_be_made);
    tcase_add_test(target_case, a_target_that_is_a_file_is_told);
    tcase_add_test(target_case, a_target_below_a_file_is_bad);
    tcase_add_test(target_case, a_target_inside_a_tree_is_bad_and_nothing_is_written_there);
    tcase_add_test(target_case, a_target_on_the_volume_of_the_site_is_warned_of);
    tcase_add_test(target_case, a_target_without_the_space_is_warned_of);
    tcase_add_loop_test(target_case, a_target_inside_a_tree_is_refused_by_whatever_name, 0,
                        (int)COUNT(targets));
    tcase_add_test(target_case, a_relative_target_is_taken_from_the_current_directory);
    os_add_posix_test(target_case, a_target_elsewhere_is_not_on_the_volume_of_the_site);
    suite_add_tcase(suite, target_case);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(doctor_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
