/*
 * req: R1, R2, R3, R5, R6, R10, B7. A folder site is made, an archive restored into it, and the
 * picture of the whole site compared with what it must be: also, and above all, after a failure.
 */
#include "restore_help.h"

#include "engine/restore.h"
#include "engine/restore_parts.h"

#define REG "Post.OfficeRegKeyBackup.reg"
#define BIN "Post.OfficeexeBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"

/* ---- the rig: an archive, and a folder site around whose host ours stands ---- */

struct rig {
    struct po_host host; /* first */
    struct po_host_ops ops;
    struct po_host *folder;
    struct rig_archive archive;
    struct po_restore_options options;
    struct po_restore_result result;
    struct po_err err;
    bool fails_import;
    void (*while_stopped)(void); /* called when the last service has been stopped */
    unsigned stopped;
    volatile int cancel;
    bool cancels;
    char warnings[2048];
};

static struct po_host *
folder_of(struct po_host *host)
{
    return ((struct rig *)(void *)host)->folder;
}

static const char *
host_place(struct po_host *host, enum po_part part)
{
    return folder_of(host)->ops->place(folder_of(host), part);
}

static size_t
host_service_count(struct po_host *host)
{
    return folder_of(host)->ops->service_count(folder_of(host));
}

static const struct po_service *
host_service(struct po_host *host, size_t number)
{
    return folder_of(host)->ops->service(folder_of(host), number);
}

static enum po_status
host_service_state(struct po_host *host, size_t number, enum po_service_state *state,
                   struct po_err *err)
{
    return folder_of(host)->ops->service_state(folder_of(host), number, state, err);
}

static enum po_status
host_service_stop(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    struct rig *rig = (struct rig *)(void *)host;
    enum po_status st = folder_of(host)->ops->service_stop(folder_of(host), number, timeout_s, err);

    if (st == PO_OK && ++rig->stopped == 2 && rig->while_stopped != NULL)
        rig->while_stopped();
    return st;
}

static enum po_status
host_service_start(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    return folder_of(host)->ops->service_start(folder_of(host), number, timeout_s, err);
}

static enum po_status
host_registry_export(struct po_host *host, struct po_buf *out, int64_t *write_time,
                     struct po_err *err)
{
    return folder_of(host)->ops->registry_export(folder_of(host), out, write_time, err);
}

static enum po_status
host_registry_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
                     enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    const struct rig *rig = (struct rig *)(void *)host;

    if (rig->fails_import)
        return po_fail(err, PO_E_IO, "no registry today");
    return folder_of(host)->ops->registry_import(folder_of(host), bytes, size, write_time, how,
                                                 former, err);
}

/* Two services, whose state is a file in the site, and what they note in the log. */
#define WELL OS_CASE("true", "exit 0")
#define NOTE(what) OS_CASE("echo " what " >> log; ", "echo " what ">>log& ")
#define START(file) "start = " OS_CASE("touch ", "type nul>") file "\n"
#define STOP(file) "stop = " OS_CASE("rm ", "del ") file "\n"
#define STATUS(file) "status = " OS_CASE("test -e " file " ||", "if not exist " file) " exit 3\n"
#define PUF "[service:puf]\n" START("puf") STOP("puf") STATUS("puf")
#define LINE OS_CASE("\n", "\r\n")

static const char ini[] =
    "[service:MTA]\n"
    "start = " NOTE("start MTA") OS_CASE(
        "touch ", "type nul>") "mta\n"
                               "stop = " NOTE("stop MTA") OS_CASE("rm ", "del ") "mta\n" STATUS(
                                   "mta") "[service:puf]\n"
                                          "start = " NOTE("start puf") OS_CASE(
                                              "touch ",
                                              "type nul>") "puf\n"
                                                           "stop = " NOTE("stop puf") OS_CASE(
                                                               "rm ", "del ") "puf\n" STATUS("puf");

/* The site's ini, log and service states are outside the trees. */
static void
make_site_with(const char *text)
{
    rig_write("site/pobackup-site.ini", text);
    rig_write("site/mta", "");
    rig_write("site/puf", "");
    rig_write("site/log", "");
}

static void
make_site(void)
{
    make_site_with(ini);
}

static void
open_rig(struct rig *rig, const struct rig_item *items, size_t count)
{
    struct po_err err;

    *rig = (struct rig){ .ops = { .kind = "folder",
                                  .place = host_place,
                                  .service_count = host_service_count,
                                  .service = host_service,
                                  .service_state = host_service_state,
                                  .service_stop = host_service_stop,
                                  .service_start = host_service_start,
                                  .registry_export = host_registry_export,
                                  .registry_import = host_registry_import } };
    rig->host.ops = &rig->ops;
    rig_make(&rig->archive, items, count);
    ck_assert_msg(po_host_folder_open(&rig->folder, rig_at("site"), &err) == PO_OK, "%s", err.text);
    rig->options.parts[PO_PART_REGISTRY] = true;
    rig->options.parts[PO_PART_SPOOL] = true;
    rig->options.parts[PO_PART_MAILBOX] = true;
    rig->options.threads = 2;
}

static void
watch_event(void *ctx, const struct po_event *event)
{
    struct rig *rig = ctx;

    if (event->kind == PO_EVENT_WARNING)
        (void)snprintf(rig->warnings, sizeof rig->warnings, "%s", event->text);
    if (rig->cancels && event->kind == PO_EVENT_PROGRESS)
        rig->cancel = 15;
}

static enum po_status
run(struct rig *rig)
{
    struct po_watch watch = { watch_event, rig, &rig->cancel };

    po_restore_result_deinit(&rig->result);
    rig->err = (struct po_err){ 0 };
    rig->stopped = 0;
    return po_restore_run(rig->archive.reader, &rig->host, &rig->options, &watch, &rig->result,
                          &rig->err);
}

static enum po_status
plan(struct rig *rig)
{
    po_restore_result_deinit(&rig->result);
    return po_restore_plan(rig->archive.reader, &rig->host, &rig->options, NULL, &rig->result,
                           &rig->err);
}

static void
run_well(struct rig *rig)
{
    enum po_status st = run(rig);

    ck_assert_msg(st == PO_OK, "%s", rig->err.text);
    ck_assert_msg(rig->result.problems.count == 0, "%s: %s", rig->result.problems.items[0].path,
                  rig->result.problems.items[0].reason);
    ck_assert_msg(rig->warnings[0] == '\0', "%s", rig->warnings);
}

static void
close_rig(struct rig *rig)
{
    po_restore_result_deinit(&rig->result);
    rig->folder->ops->free(rig->folder);
    rig_close(&rig->archive);
}

static bool
has_reason(const struct rig *rig, const char *text)
{
    for (size_t i = 0; i < rig->result.problems.count; i++)
        if (rig->result.problems.items[i].path_size == 0 &&
            strstr(rig->result.problems.items[i].reason, text) != NULL)
            return true;
    return false;
}

/* Relative to the test's directory, as rig_at takes it. */
static const char *
aside(const struct rig *rig, enum po_part part)
{
    ck_assert_ptr_nonnull(rig->result.parts[part].set_aside);
    return rig->result.parts[part].set_aside + strlen(rig_top) + 1;
}

static const char *
below(const char *directory, const char *name)
{
    static char names[8][RIG_PATH_MAX];
    static unsigned next;
    char *path = names[next++ % RIG_COUNT(names)];

    (void)snprintf(path, sizeof names[0], "%s/%s", directory, name);
    return path;
}

/* The first child of a directory whose name begins so and not like `but`, or NULL. */
static const char *
find_ours(const char *path, const char *begin, const char *but)
{
    static char name[256];
    DIR *dir = opendir(rig_at(path));
    const struct dirent *entry;
    bool is_found = false;

    ck_assert_ptr_nonnull(dir);
    while (!is_found && (entry = readdir(dir)) != NULL) {
        (void)snprintf(name, sizeof name, "%s", entry->d_name);
        is_found = strncmp(name, begin, strlen(begin)) == 0 &&
                   (but == NULL || strncmp(name, but, strlen(but)) != 0);
    }
    (void)closedir(dir);
    return is_found ? name : NULL;
}

/* Nothing of ours (a stage, a set-aside folder) lies in the directory. */
static void
assert_nothing_of_ours(const char *path, const char *but)
{
    const char *name = find_ours(path, ".pobackup-", but);

    ck_assert_msg(name == NULL, "%s/%s", path, name);
}

static void
assert_services(const char *log)
{
    ck_assert(rig_exists("site/mta"));
    ck_assert(rig_exists("site/puf"));
    ck_assert_str_eq(rig_read("site/log"), log);
}

#define BOTH_STOPPED "stop puf" LINE "stop MTA" LINE "start MTA" LINE "start puf" LINE

/* ---- a set, and a site that differs from it in every way ---- */

static const struct rig_item set[] = {
    { .path = REG, .text = RIG_NEW_REGISTRY },
    { .path = BIN, .type = POBACKUP_DIRECTORY },
    { .path = BIN "/program", .text = "new program" },
    { .path = SPOOL, .type = POBACKUP_DIRECTORY, .mode = 0750, .time = RIG_TIME + 1 },
    { .path = SPOOL "/config", .text = "new config", .mode = 0640, .time = RIG_TIME + 2 },
    { .path = SPOOL "/control", .type = POBACKUP_DIRECTORY, .mode = 0711, .time = RIG_TIME + 3 },
    { .path = SPOOL "/control/1-Control", .text = "1", .time = RIG_TIME + 4 },
    { .path = SPOOL "/empty", .type = POBACKUP_DIRECTORY, .mode = 0700, .time = RIG_TIME + 5 },
    { .path = BOX, .type = POBACKUP_DIRECTORY },
    { .path = BOX "/user01", .type = POBACKUP_DIRECTORY, .time = RIG_TIME + 6 },
    { .path = BOX "/user01/1.MSG", .text = "new 1", .time = RIG_TIME + 7 },
    { .path = BOX "/user01/2.MSG", .size = 3 * RIG_FRAME },
    { .path = BOX "/user02", .type = POBACKUP_DIRECTORY, .mode = 0750, .time = RIG_TIME + 8 },
    { .path = BOX "/user02/1.MSG", .text = "user02", .time = RIG_TIME + 9 },
    { .path = BOX "/user02/hard",
      .type = POBACKUP_HARDLINK,
      .text = BOX "/user02/1.MSG",
      .time = RIG_TIME + 9 },
#if OS_HAS_POSIX
    { .path = BOX "/user02/soft",
      .type = POBACKUP_SYMLINK,
      .text = "../nowhere",
      .time = RIG_TIME + 10 },
#endif
};
#define SOFT OS_CASE(1u, 0u) /* how many symbolic links it has */

static void
make_old_site(void)
{
    make_site();
    rig_write("site/" REG, RIG_OLD_REGISTRY);
    rig_write("site/" BIN "/program", "old program");
    rig_write("site/" SPOOL "/config", "old config");
    rig_write("site/" SPOOL "/local", "only here");
    rig_write("site/" SPOOL "/control/2-Control", "2");
    rig_write("site/" BOX "/user01/1.MSG", "old 1");
    rig_write("site/" BOX "/user01/3.MSG", "came since");
    rig_write("site/" BOX "/user03/1.MSG", "new user");
    rig_write("site/" BOX "/user03/deep/2.MSG", "new user");
}

/* ---- overlay ---- */

/* req: R2, R5, R6 */
START_TEST(an_overlay_replaces_adds_and_leaves)
{
    struct rig rig;
    const struct po_restore_part *spool;
    const struct po_restore_part *box;
    char target[64] = "";

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    spool = &rig.result.parts[PO_PART_SPOOL];
    box = &rig.result.parts[PO_PART_MAILBOX];
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "new config");
    rig_assert_mode("site/" SPOOL "/config", 0640);
    ck_assert_int_eq(rig_time("site/" SPOOL "/config"), RIG_TIME + 2);
    ck_assert_str_eq(rig_read("site/" SPOOL "/control/1-Control"), "1");
    ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "new 1");
    rig_assert_made_up("site/" BOX "/user01/2.MSG", BOX "/user01/2.MSG", 3 * RIG_FRAME);
    /* A directory that was missing. */
    ck_assert_str_eq(rig_read("site/" BOX "/user02/1.MSG"), "user02");
    ck_assert_uint_eq(rig_stat("site/" BOX "/user02/hard").file_id,
                      rig_stat("site/" BOX "/user02/1.MSG").file_id);
#if OS_HAS_POSIX
    ck_assert_int_eq(readlink(rig_at("site/" BOX "/user02/soft"), target, sizeof target), 10);
    ck_assert_str_eq(target, "../nowhere");
    ck_assert_int_eq(rig_time("site/" BOX "/user02/soft"), RIG_TIME + 10);
#endif
    ck_assert_int_eq(rig_time("site/" BOX "/user02"), RIG_TIME + 8);
    ck_assert_int_eq(rig_time("site/" SPOOL "/empty"), RIG_TIME + 5);
    rig_assert_mode("site/" SPOOL "/empty", 0700);
    /* Directories that were there have the archive's times and modes too. */
    ck_assert_int_eq(rig_time("site/" SPOOL), RIG_TIME + 1);
    rig_assert_mode("site/" SPOOL, 0750);
    ck_assert_int_eq(rig_time("site/" SPOOL "/control"), RIG_TIME + 3);
    ck_assert_int_eq(rig_time("site/" BOX "/user01"), RIG_TIME + 6);
    /* What the set does not have stays. */
    ck_assert_str_eq(rig_read("site/" SPOOL "/local"), "only here");
    ck_assert_str_eq(rig_read("site/" BOX "/user01/3.MSG"), "came since");
    ck_assert_str_eq(rig_read("site/" BOX "/user03/deep/2.MSG"), "new user");
    ck_assert_str_eq(rig_read("site/" BIN "/program"), "old program");
    ck_assert_uint_eq(spool->replaced, 1);
    ck_assert_uint_eq(spool->added, 1);
    ck_assert_uint_eq(spool->left, 2);
    ck_assert_uint_eq(spool->removed, 0);
    ck_assert_uint_eq(spool->files, 2);
    ck_assert_uint_eq(box->replaced, 1);
    ck_assert_uint_eq(box->added, 3 + SOFT);
    ck_assert_uint_eq(box->left, 3);
    ck_assert_uint_eq(box->files, 4 + SOFT);
    ck_assert_uint_eq(box->bytes, 3 * RIG_FRAME + 5 + 6);
    ck_assert_uint_gt(box->space_free, 0);
    ck_assert(!rig.result.parts[PO_PART_BIN].is_wanted);
    ck_assert(!rig.result.are_services_lost);
    ck_assert(rig.result.outage_seconds >= 0);
    assert_services(BOTH_STOPPED);
    assert_nothing_of_ours("site", ".pobackup-set-aside-");
    close_rig(&rig);
}
END_TEST

/* req: R10 */
START_TEST(what_was_replaced_is_kept_in_the_guides_layout)
{
    struct rig rig;
    const char *folder;
    char *picture;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_SPOOL), "config")), "old config");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "user01/1.MSG")), "old 1");
    ck_assert_str_eq(rig_read(aside(&rig, PO_PART_REGISTRY)), RIG_OLD_REGISTRY);
    ck_assert_str_eq(rig_read("site/" REG), RIG_NEW_REGISTRY);
    ck_assert_int_eq(rig_time("site/" REG), RIG_TIME);
    ck_assert_uint_eq(rig.result.parts[PO_PART_REGISTRY].replaced, 1);
    /* One folder for all, that nobody else may look into, with nothing more in it. */
    folder = rig_at(aside(&rig, PO_PART_REGISTRY));
    ck_assert_ptr_nonnull(strstr(folder, "/.pobackup-set-aside-2"));
    ck_assert_str_eq(strrchr(folder, '/'), "/" REG);
    *strrchr(rig.result.parts[PO_PART_REGISTRY].set_aside, '/') = '\0';
    rig_assert_mode(aside(&rig, PO_PART_REGISTRY), 0700);
    picture = rig_picture(aside(&rig, PO_PART_REGISTRY), NULL, false);
    ck_assert_ptr_nonnull(strstr(picture, "./" BOX "/user01/1.MSG"));
    ck_assert_ptr_null(strstr(picture, "user02"));
    ck_assert_ptr_null(strstr(picture, "local"));
    free(picture);
    close_rig(&rig);
}
END_TEST

START_TEST(without_a_safety_copy_nothing_is_kept)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.no_safety_copy = true;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "new config");
    ck_assert_str_eq(rig_read("site/" REG), RIG_NEW_REGISTRY);
    ck_assert_ptr_null(rig.result.parts[PO_PART_SPOOL].set_aside);
    ck_assert_ptr_null(rig.result.parts[PO_PART_REGISTRY].set_aside);
    assert_nothing_of_ours("site", NULL);
    close_rig(&rig);
}
END_TEST

START_TEST(a_restore_into_nothing_makes_everything)
{
    struct rig rig;

    make_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.parts[PO_PART_BIN] = true;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" REG), RIG_NEW_REGISTRY);
    ck_assert_str_eq(rig_read("site/" BIN "/program"), "new program");
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "new config");
    ck_assert_int_eq(rig_time("site/" SPOOL), RIG_TIME + 1);
    rig_assert_mode("site/" SPOOL, 0750);
    rig_assert_made_up("site/" BOX "/user01/2.MSG", BOX "/user01/2.MSG", 3 * RIG_FRAME);
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].added, 4 + SOFT);
    ck_assert_uint_eq(rig.result.parts[PO_PART_REGISTRY].added, 1);
    ck_assert_ptr_null(rig.result.parts[PO_PART_MAILBOX].set_aside);
    ck_assert_ptr_null(rig.result.parts[PO_PART_REGISTRY].set_aside);
    assert_nothing_of_ours("site", NULL);
    close_rig(&rig);
}
END_TEST

START_TEST(owners_come_back_when_root_restores)
{
    static const struct rig_item items[] = {
        { .path = SPOOL, .type = POBACKUP_DIRECTORY, .uid = 1201, .gid = 1301, .mode = 02770 },
        { .path = SPOOL "/config", .text = "x", .uid = 1202, .gid = 1302, .mode = 0600 },
        { .path = SPOOL "/new",
          .type = POBACKUP_DIRECTORY,
          .uid = 1203,
          .gid = 1303,
          .mode = 0700 },
    };
    struct rig rig;

    if (geteuid() != 0)
        return;
    make_old_site();
    open_rig(&rig, items, RIG_COUNT(items));
    rig.options.parts[PO_PART_REGISTRY] = false;
    rig.options.parts[PO_PART_MAILBOX] = false;
    run_well(&rig);
    ck_assert_uint_eq(rig_stat("site/" SPOOL).uid, 1201);
    rig_assert_mode("site/" SPOOL, 02770);
    ck_assert_uint_eq(rig_stat("site/" SPOOL "/config").uid, 1202);
    ck_assert_uint_eq(rig_stat("site/" SPOOL "/new").gid, 1303);
    ck_assert_uint_eq(rig_stat("site/" SPOOL "/local").uid, 0);
    close_rig(&rig);
}
END_TEST

/* ---- exact ---- */

/* req: R5 */
START_TEST(an_exact_restore_sets_the_rest_aside)
{
    struct rig rig;
    char *picture;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.is_exact = true;
    /* What is ours is no content of the tree. */
    rig_write("site/" BOX "/.pobackup-set-aside-20200101T000000Z/x", "older");
    run_well(&rig);
    ck_assert(!rig_exists("site/" SPOOL "/local"));
    ck_assert(!rig_exists("site/" SPOOL "/control/2-Control"));
    ck_assert(!rig_exists("site/" BOX "/user01/3.MSG"));
    ck_assert(!rig_exists("site/" BOX "/user03"));
    ck_assert_str_eq(rig_read("site/" BOX "/.pobackup-set-aside-20200101T000000Z/x"), "older");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_SPOOL), "local")), "only here");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "user03/deep/2.MSG")),
                     "new user");
    ck_assert_uint_eq(rig.result.parts[PO_PART_SPOOL].removed, 2);
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].removed, 3);
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].left, 0);
    picture = rig_picture("site/" SPOOL, NULL, false);
    ck_assert_ptr_nonnull(strstr(picture, "./control/1-Control"));
    free(picture);
    close_rig(&rig);
}
END_TEST

START_TEST(patterns_limit_what_is_restored_and_removed)
{
    static const char *const patterns[] = { BOX "/user01/*.MSG" };

    for (int is_exact = 0; is_exact < 2; is_exact++) {
        struct rig rig;

        make_old_site();
        rig_write("site/" BOX "/user01/notes", "notes");
        open_rig(&rig, set, RIG_COUNT(set));
        rig.options.patterns = patterns;
        rig.options.pattern_count = 1;
        rig.options.is_exact = is_exact != 0;
        run_well(&rig);
        ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "new 1");
        rig_assert_made_up("site/" BOX "/user01/2.MSG", BOX "/user01/2.MSG", 3 * RIG_FRAME);
        ck_assert_int_eq(rig_exists("site/" BOX "/user01/3.MSG"), is_exact == 0);
        ck_assert_str_eq(rig_read("site/" BOX "/user01/notes"), "notes");
        ck_assert_str_eq(rig_read("site/" BOX "/user03/1.MSG"), "new user");
        ck_assert(!rig_exists("site/" BOX "/user02"));
        ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "old config");
        ck_assert_str_eq(rig_read("site/" REG), RIG_OLD_REGISTRY);
        ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].files, 2);
        ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].replaced, 1);
        ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].added, 1);
        ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].removed, is_exact != 0);
        ck_assert_uint_eq(rig.result.parts[PO_PART_REGISTRY].files, 0);
        close_rig(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST

START_TEST(a_pattern_can_bring_back_a_deleted_account)
{
    static const char *const patterns[] = { BOX "/user02/hard" };
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.patterns = patterns;
    rig.options.pattern_count = 1;
    run_well(&rig);
    /* Its content is kept under the other name, in a directory that is not there. */
    ck_assert_str_eq(rig_read("site/" BOX "/user02/hard"), "user02");
    ck_assert(!rig_exists("site/" BOX "/user02/1.MSG"));
    rig_assert_mode("site/" BOX "/user02", 0750);
    close_rig(&rig);
}
END_TEST

/* ---- clashes ---- */

START_TEST(what_is_of_another_type_is_set_aside_whole)
{
    static const struct rig_item items[] = {
        { .path = BOX "/a", .text = "file" },
        { .path = BOX "/b", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/b/c", .text = "c" },
        /* Only with POSIX: */
        { .path = BOX "/d", .type = POBACKUP_SYMLINK, .text = "a" },
        { .path = BOX "/e", .type = POBACKUP_DIRECTORY },
        { .path = BOX "/f/g", .text = "g" },
    };
    struct rig rig;

    make_site();
    rig_write("site/" BOX "/a/old/deep", "deep");
    rig_write("site/" BOX "/b", "was a file");
    rig_write("site/" BOX "/d", "was a file");
    rig_write("outside", "outside");
    rig_directory("elsewhere");
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(symlink("../../elsewhere", rig_at("site/" BOX "/e")), 0);
        ck_assert_int_eq(mkfifo(rig_at("site/" BOX "/f"), 0600), 0);
    }
    open_rig(&rig, items, OS_CASE(RIG_COUNT(items), 3));
    rig.options.parts[PO_PART_REGISTRY] = false;
    rig.options.parts[PO_PART_SPOOL] = false;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" BOX "/a"), "file");
    ck_assert_str_eq(rig_read("site/" BOX "/b/c"), "c");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "a/old/deep")), "deep");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "b")), "was a file");
    if (OS_HAS_POSIX) {
        ck_assert_int_eq(rig_stat("site/" BOX "/d").type, PO_NODE_SYMLINK);
        ck_assert_int_eq(rig_stat("site/" BOX "/e").type, PO_NODE_DIRECTORY);
        ck_assert_str_eq(rig_read("site/" BOX "/f/g"), "g");
        ck_assert_int_eq(rig_stat(below(aside(&rig, PO_PART_MAILBOX), "e")).type, PO_NODE_SYMLINK);
        ck_assert_int_eq(rig_stat(below(aside(&rig, PO_PART_MAILBOX), "f")).type, PO_NODE_FIFO);
    }
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].replaced, OS_CASE(5, 2));
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].added, OS_CASE(2, 1));
    close_rig(&rig);
}
END_TEST

/* ---- places ---- */

START_TEST(trees_can_be_anywhere)
{
    char text[2048];
    struct rig rig;

    (void)snprintf(text, sizeof text,
                   "[trees]\nspool = %s/\nmailbox = %s\nregistry = conf/r.reg\n%s",
                   rig_at(OS_CASE("made/new/spool", "made\\new\\.\\spool")),
                   rig_at(OS_CASE("link", "real\\box")), ini);
    make_site_with(text);
    rig_write("real/box/user01/1.MSG", "old 1");
    if (OS_HAS_POSIX)
        ck_assert_int_eq(symlink("real/box", rig_at("link")), 0);
    rig_write("site/conf/r.reg", RIG_OLD_REGISTRY);
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    ck_assert_str_eq(rig_read("made/new/spool/config"), "new config");
    ck_assert_str_eq(rig_read("real/box/user01/1.MSG"), "new 1");
    ck_assert_str_eq(rig_read("real/box/user02/1.MSG"), "user02");
    ck_assert_str_eq(rig_read("site/conf/r.reg"), RIG_NEW_REGISTRY);
    /* Beside the real tree. */
    ck_assert_int_eq(strncmp(aside(&rig, PO_PART_MAILBOX), "real/.pobackup-", 15), 0);
    assert_nothing_of_ours("real", ".pobackup-set-aside-");
    assert_nothing_of_ours("", ".pobackup-set-aside-");
    ck_assert(!OS_HAS_POSIX || rig_stat("link").type == PO_NODE_SYMLINK);
    close_rig(&rig);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_tree_that_is_a_volume_keeps_everything_within)
{
    struct rig rig;

    make_old_site();
    ck_assert_int_eq(rename(rig_at("site/" BOX), rig_at("old")), 0);
    rig_directory("site/" BOX);
    if (!rig_mount("site/" BOX, "size=20m"))
        return;
    rig_write("site/" BOX "/user01/1.MSG", "old 1");
    rig_write("site/" BOX "/user01/3.MSG", "came since");
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.is_exact = true;
    ck_assert_int_eq(run(&rig), PO_OK);
    ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "new 1");
    ck_assert(!rig_exists("site/" BOX "/user01/3.MSG"));
    ck_assert_int_eq(strncmp(aside(&rig, PO_PART_MAILBOX), "site/" BOX "/.pobackup-set-aside-",
                             strlen("site/" BOX "/.pobackup-set-aside-")),
                     0);
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "user01/3.MSG")), "came since");
    assert_nothing_of_ours("site/" BOX, ".pobackup-set-aside-");
    close_rig(&rig);
}
END_TEST
#endif

#if OS_HAS_POSIX
START_TEST(a_bind_mount_of_the_same_volume_is_found_out)
{
    struct rig rig;

    make_old_site();
    rig_directory("elsewhere");
    rig_write("elsewhere/user01/1.MSG", "old 1");
    rig_directory("scratch");
    if (!rig_mount("scratch", "size=1m"))
        return;
    ck_assert_int_eq(mount(rig_at("elsewhere"), rig_at("site/" BOX), NULL, MS_BIND, NULL), 0);
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    ck_assert_str_eq(rig_read("elsewhere/user01/1.MSG"), "new 1");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "user01/1.MSG")), "old 1");
    assert_nothing_of_ours("site", ".pobackup-set-aside-");
    assert_nothing_of_ours("elsewhere", ".pobackup-set-aside-");
    close_rig(&rig);
    ck_assert_int_eq(umount2(rig_at("site/" BOX), MNT_DETACH), 0);
}
END_TEST
#endif

/* ---- the plan ---- */

/* req: R1 */
START_TEST(the_plan_counts_and_changes_nothing)
{
    struct rig rig;
    char *before;
    char *after;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    before = rig_picture("", NULL, true);
    for (int is_exact = 0; is_exact < 2; is_exact++) {
        const struct po_restore_part *spool = &rig.result.parts[PO_PART_SPOOL];
        const struct po_restore_part *box = &rig.result.parts[PO_PART_MAILBOX];

        rig.options.is_exact = is_exact != 0;
        ck_assert_int_eq(plan(&rig), PO_OK);
        ck_assert_uint_eq(rig.result.problems.count, 0);
        ck_assert_uint_eq(spool->replaced, 1);
        ck_assert_uint_eq(spool->added, 1);
        ck_assert_uint_eq(spool->left, is_exact != 0 ? 0 : 2);
        ck_assert_uint_eq(spool->removed, is_exact != 0 ? 2 : 0);
        ck_assert_uint_eq(box->replaced, 1);
        ck_assert_uint_eq(box->added, 3 + SOFT);
        ck_assert_uint_eq(box->left, is_exact != 0 ? 0 : 3);
        ck_assert_uint_eq(box->removed, is_exact != 0 ? 3 : 0);
        ck_assert_str_eq(box->place, rig_at("site/" BOX));
        po_restore_result_deinit(&rig.result);
    }
    after = rig_picture("", NULL, true);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    close_rig(&rig);
}
END_TEST

/* req: R1 */
START_TEST(every_reason_is_told_at_once)
{
    static const struct rig_item items[] = {
        { .path = BOX, .text = "no directory" },
    };
    char text[1024];
    struct rig rig;
    char *before;
    char *after;

    (void)snprintf(text, sizeof text,
                   "[trees]\nbin = none\nspool = a-file/spool\nmailbox = pobackup-site.ini\n"
                   "[service:MTA]\nstart = " WELL "\nstop = " WELL "\nstatus = exit 9\n");
    make_site_with(text);
    rig_write("site/a-file", "x");
    open_rig(&rig, items, RIG_COUNT(items));
    rig.options.parts[PO_PART_BIN] = true;
    before = rig_picture("", NULL, true);
    ck_assert_int_eq(plan(&rig), PO_OK);
    ck_assert(has_reason(&rig, "the archive has no " REG));
    ck_assert(has_reason(&rig, "the archive has no " BIN));
    ck_assert(has_reason(&rig, "the archive has no " SPOOL));
    ck_assert(has_reason(&rig, BOX " is no directory in the archive"));
    ck_assert(has_reason(&rig, "pobackup-site.ini: it is no directory"));
    ck_assert(has_reason(&rig, "service MTA"));
    po_restore_result_deinit(&rig.result);
    ck_assert_int_eq(run(&rig), PO_E_USAGE);
    ck_assert_uint_gt(strlen(rig.err.text), 0);
    after = rig_picture("", NULL, true);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    close_rig(&rig);
}
END_TEST

START_TEST(places_that_cannot_be_are_reasons)
{
    static const struct {
        const char *trees;
        const char *reason;
    } cases[] = {
        { "spool = none", "spool: the site has no place" },
        { "registry = none", "registry: the site has no place" },
        { "spool = a-file", "it is no directory" },
        { "spool = a-file/spool", "is no directory" },
        { "spool = tree\nmailbox = tree/inner", "it lies in that of spool" },
        { "spool = tree\nmailbox = tree", "it lies in that of" },
        { "spool = tree/inner\nmailbox = tree", "it lies in that of mailbox" },
        { OS_CASE("spool = new/inner\nmailbox = new", "spool = NEW\\inner\nmailbox = new"),
          "it lies in that of mailbox" },
        /* Windows has no links here, and takes ".." as text: */
        { "spool = dangling", "a link that leads nowhere" },
        { "spool = a/../../b", "\"..\"" },
    };

    for (size_t i = 0; i < RIG_COUNT(cases) - OS_CASE(0, 2); i++) {
        char text[1024];
        struct rig rig;

        (void)snprintf(text, sizeof text, "[trees]\n%s\n%s", cases[i].trees, ini);
        make_site_with(text);
        rig_write("site/a-file", "x");
        rig_directory("site/tree/inner");
        if (OS_HAS_POSIX)
            ck_assert_int_eq(symlink("nowhere", rig_at("site/dangling")), 0);
        open_rig(&rig, set, RIG_COUNT(set));
        ck_assert_int_ne(run(&rig), PO_OK);
        ck_assert_msg(has_reason(&rig, cases[i].reason), "%s: %s", cases[i].trees, rig.err.text);
        ck_assert_str_eq(rig_read("site/log"), "");
        assert_nothing_of_ours("site", NULL);
        close_rig(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST

#if OS_HAS_POSIX
START_TEST(too_little_space_is_a_reason)
{
    static const struct rig_item items[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/large", .size = 6 << 20 },
    };
    struct rig rig;

    make_old_site();
    if (!rig_mount("site/" BOX, "size=20m"))
        return;
    open_rig(&rig, items, RIG_COUNT(items));
    rig.options.parts[PO_PART_REGISTRY] = false;
    rig.options.parts[PO_PART_SPOOL] = false;
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert(has_reason(&rig, "needed on the volume of"));
    assert_nothing_of_ours("site/" BOX, NULL);
    close_rig(&rig);
}
END_TEST
#endif

#if OS_HAS_POSIX
START_TEST(another_volume_inside_a_tree_is_a_reason)
{
    struct rig rig;

    make_old_site();
    if (!rig_mount("site/" BOX "/user01", "size=1m"))
        return;
    open_rig(&rig, set, RIG_COUNT(set));
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert(has_reason(&rig, "another volume is mounted at"));
    close_rig(&rig);
}
END_TEST
#endif

/* spec-test: NAME-1 */
START_TEST(hostile_names_are_named_and_the_rest_is_restored)
{
    static const struct rig_item items[] = {
        { .path = BOX, .type = POBACKUP_DIRECTORY },
        { .path = BOX "/../../up", .text = "x" },
        { .path = BOX "/.pobackup-stage-20200101T000000Z/y", .text = "x" },
        { .path = BOX "/good", .text = "good" },
    };
    struct rig rig;

    make_old_site();
    open_rig(&rig, items, RIG_COUNT(items));
    rig.options.parts[PO_PART_REGISTRY] = false;
    rig.options.parts[PO_PART_SPOOL] = false;
    ck_assert_int_eq(run(&rig), PO_OK);
    ck_assert_uint_eq(rig.result.problems.count, 2);
    ck_assert_str_eq(rig.result.problems.items[0].path, BOX "/../../up");
    ck_assert_str_eq(rig_read("site/" BOX "/good"), "good");
    ck_assert(!rig_exists("up"));
    close_rig(&rig);
}
END_TEST

/* ---- failures before the commit ---- */

/* Runs before anything is stopped, and all is as it was, to the last time. */
static enum po_status
run_in_vain(struct rig *rig)
{
    char *before = rig_picture("site", NULL, false);
    char *trees = rig_picture("site/" SPOOL, NULL, true);
    enum po_status st = run(rig);
    char *after = rig_picture("site", NULL, false);
    char *trees_after = rig_picture("site/" SPOOL, NULL, true);

    ck_assert_str_eq(before, after);
    ck_assert_str_eq(trees, trees_after);
    ck_assert_uint_eq(rig->stopped, 0);
    ck_assert_str_eq(rig_read("site/log"), "");
    free(before);
    free(after);
    free(trees);
    free(trees_after);
    return st;
}

START_TEST(a_damaged_archive_changes_nothing)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig_damage_frame(&rig.archive, po_index_frame(rig.archive.reader->index,
                                                  rig_entry(&rig.archive, BOX "/user01/2.MSG")) +
                                       1);
    ck_assert_int_eq(run_in_vain(&rig), PO_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "nothing was changed"));
    ck_assert_uint_eq(rig.result.problems.count, 1);
    ck_assert_str_eq(rig.result.problems.items[0].path, BOX "/user01/2.MSG");
    close_rig(&rig);
}
END_TEST

START_TEST(a_cancelled_staging_changes_nothing)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.cancels = true;
    ck_assert_int_eq(run_in_vain(&rig), PO_E_CANCELLED);
    close_rig(&rig);
}
END_TEST

/* req: B7 */
START_TEST(a_service_that_does_not_stop_changes_nothing)
{
    struct rig rig;
    char *before;
    char *after;

    make_old_site();
    rig_write("site/pobackup-site.ini",
              "[service:MTA]\nstart = " WELL "\nstop = exit 1\nstop-timeout = 1\nstatus = " WELL
              "\n" PUF);
    open_rig(&rig, set, RIG_COUNT(set));
    before = rig_picture("site/" SPOOL, NULL, true);
    ck_assert_int_eq(run(&rig), PO_E_IO);
    after = rig_picture("site/" SPOOL, NULL, true);
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(rig_read("site/" REG), RIG_OLD_REGISTRY);
    ck_assert(rig_exists("site/puf"));
    ck_assert(!rig.result.are_services_lost);
    assert_nothing_of_ours("site", NULL);
    free(before);
    free(after);
    close_rig(&rig);
}
END_TEST

START_TEST(services_that_stay_down_are_told_but_the_restore_stands)
{
    struct rig rig;

    make_old_site();
    rig_write("site/pobackup-site.ini",
              "[service:MTA]\nstart = exit 1\n" STOP("mta") STATUS("mta") PUF);
    open_rig(&rig, set, RIG_COUNT(set));
    ck_assert_int_eq(run(&rig), PO_OK);
    ck_assert(rig.result.are_services_lost);
    ck_assert_ptr_nonnull(strstr(rig.result.services_text, "MTA"));
    ck_assert(rig_exists("site/puf"));
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "new config");
    close_rig(&rig);
}
END_TEST

START_TEST(services_are_left_alone_when_asked_for)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.no_services = true;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/log"), "");
    ck_assert(rig.result.outage_seconds < 0);
    close_rig(&rig);
}
END_TEST

START_TEST(stopped_services_stay_stopped)
{
    struct rig rig;

    make_old_site();
    ck_assert_int_eq(unlink(rig_at("site/mta")), 0);
    ck_assert_int_eq(unlink(rig_at("site/puf")), 0);
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/log"), "");
    ck_assert(rig.result.outage_seconds < 0);
    close_rig(&rig);
}
END_TEST

/* ---- failures of the commit ---- */

/* What the trees and the registry look like. */
static char *
picture_of_parts(void)
{
    static const char *const parts[] = { BIN, SPOOL, BOX };
    struct po_buf all = { 0 };
    char *text;

    po_buf_put_text(&all, rig_read("site/" REG));
    for (size_t i = 0; i < RIG_COUNT(parts); i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "site/%s", parts[i]);
        if (!rig_exists(path))
            continue;
        text = rig_picture(path, NULL, true);
        po_buf_put_text(&all, text);
        free(text);
    }
    text = strdup(po_buf_text(&all));
    ck_assert_ptr_nonnull(text);
    po_buf_deinit(&all);
    return text;
}

/* req: R10 */
START_TEST(a_failing_registry_takes_everything_back)
{
    for (int is_exact = 0; is_exact < 2; is_exact++) {
        struct rig rig;
        char *before;
        char *after;

        make_old_site();
        rig_set_time("site/" SPOOL, RIG_TIME - 5);
        rig_set_time("site/" BOX "/user01", RIG_TIME - 6);
        ck_assert_int_eq(chmod(rig_at("site/" SPOOL "/control"), 0777), 0);
        open_rig(&rig, set, RIG_COUNT(set));
        rig.options.is_exact = is_exact != 0;
        rig.fails_import = true;
        before = picture_of_parts();
        ck_assert_int_eq(run(&rig), PO_E_IO);
        after = picture_of_parts();
        ck_assert_str_eq(before, after);
        ck_assert_ptr_nonnull(strstr(rig.err.text, "no registry today"));
        ck_assert_ptr_nonnull(strstr(rig.err.text, "all is as it was before"));
        assert_services(BOTH_STOPPED);
        assert_nothing_of_ours("site", NULL);
        ck_assert_ptr_null(rig.result.parts[PO_PART_SPOOL].set_aside);
        free(before);
        free(after);
        close_rig(&rig);
        rig_leave();
        rig_enter();
    }
}
END_TEST

/* A staged file is lost just before the commit reaches it: the last of the last tree. */
static void
lose_a_staged_file(void)
{
    char path[128];

    (void)snprintf(path, sizeof path, "site/%s/" BOX "/user01/2.MSG",
                   find_ours("site", ".pobackup-stage-", NULL));
    os_remove(rig_at(path));
}

START_TEST(a_failing_rename_takes_everything_back)
{
    struct rig rig;
    char *before;
    char *after;

    make_old_site();
    rig_set_time("site/" BOX, RIG_TIME - 7);
    open_rig(&rig, set, RIG_COUNT(set));
    rig.while_stopped = lose_a_staged_file;
    rig.options.is_exact = true;
    before = picture_of_parts();
    ck_assert_int_eq(run(&rig), PO_E_IO);
    after = picture_of_parts();
    ck_assert_str_eq(before, after);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "2.MSG"));
    ck_assert_ptr_nonnull(strstr(rig.err.text, "all is as it was before"));
    assert_services(BOTH_STOPPED);
    assert_nothing_of_ours("site", NULL);
    free(before);
    free(after);
    close_rig(&rig);
}
END_TEST

START_TEST(made_trees_and_their_parents_are_taken_back)
{
    struct rig rig;
    char text[1024];

    (void)snprintf(text, sizeof text, "[trees]\nspool = a/b/spool\n%s", ini);
    make_site_with(text);
    open_rig(&rig, set, RIG_COUNT(set));
    rig.fails_import = true;
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "all is as it was before"));
    ck_assert(!rig_exists("site/a"));
    ck_assert(!rig_exists("site/" BOX));
    ck_assert(!rig_exists("site/" REG));
    assert_nothing_of_ours("site", NULL);
    close_rig(&rig);
}
END_TEST

/* Somebody else takes a place while we are at it, so that a step cannot be taken back. */
static enum po_status
occupying_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
                 enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    (void)bytes;
    (void)size;
    (void)write_time;
    (void)how;
    (void)former;
    (void)host;
    rig_write("site/" SPOOL "/local", "somebody else's");
    return po_fail(err, PO_E_IO, "no registry today");
}

START_TEST(what_cannot_be_taken_back_is_told_and_kept)
{
    struct rig rig;
    char path[128];

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.is_exact = true; /* so that "local" goes */
    rig.ops.registry_import = occupying_import;
    ck_assert_int_eq(run(&rig), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "1 steps could not be taken back"));
    /* Nobody's file is overwritten, and the old one is not lost. */
    ck_assert_str_eq(rig_read("site/" SPOOL "/local"), "somebody else's");
    (void)snprintf(path, sizeof path, "site/%s/" SPOOL "/local",
                   find_ours("site", ".pobackup-set-aside-", NULL));
    ck_assert_str_eq(rig_read(path), "only here");
    /* All else is back. */
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "old config");
    ck_assert_str_eq(rig_read("site/" BOX "/user03/1.MSG"), "new user");
    ck_assert_str_eq(rig_read("site/" BOX "/user01/1.MSG"), "old 1");
    assert_services(BOTH_STOPPED);
    close_rig(&rig);
}
END_TEST

START_TEST(a_second_restore_keeps_the_first_ones_files)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    run_well(&rig);
    /* A second restore over it: the first one's files are set aside in a folder of their own. */
    rig_write("site/" BOX "/user02/9.MSG", "late");
    rig_write("site/log", "");
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" BOX "/user02/9.MSG"), "late");
    ck_assert_str_eq(rig_read(below(aside(&rig, PO_PART_MAILBOX), "user01/1.MSG")), "new 1");
    ck_assert_str_eq(rig_read(aside(&rig, PO_PART_REGISTRY)), RIG_NEW_REGISTRY);
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].replaced, 4 + SOFT);
    ck_assert_uint_eq(rig.result.parts[PO_PART_MAILBOX].added, 0);
    close_rig(&rig);
}
END_TEST

/* ---- the registry alone ---- */

START_TEST(the_registry_can_be_restored_alone)
{
    struct rig rig;

    make_old_site();
    open_rig(&rig, set, RIG_COUNT(set));
    rig.options.parts[PO_PART_SPOOL] = false;
    rig.options.parts[PO_PART_MAILBOX] = false;
    run_well(&rig);
    ck_assert_str_eq(rig_read("site/" REG), RIG_NEW_REGISTRY);
    ck_assert_str_eq(rig_read("site/" SPOOL "/config"), "old config");
    ck_assert_str_eq(rig_read(aside(&rig, PO_PART_REGISTRY)), RIG_OLD_REGISTRY);
    ck_assert_int_eq(strncmp(aside(&rig, PO_PART_REGISTRY), "site/.pobackup-set-aside-", 25), 0);
    close_rig(&rig);
}
END_TEST

/* ---- random trees ---- */

#define RANDOM_ITEMS 60

static uint64_t random_state;

static uint32_t
random_below(uint32_t below_what)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below_what;
}

/* Names that sort around '/', so that byte order and tree order differ. */
static const char *
random_name(void)
{
    static const char *const names[] = { "a", "a.b", "a-", "b", "a0", "c", "\xC3\xA4", "a b", "B" };

    /* To Windows the last is "b". */
    return names[random_below(RIG_COUNT(names) - OS_CASE(0, 1))];
}

static size_t
make_random_items(struct rig_item *items, char paths[][256])
{
    size_t count = 0;

    items[count++] = (struct rig_item){ .path = REG, .text = RIG_NEW_REGISTRY };
    items[count++] = (struct rig_item){ .path = SPOOL, .type = POBACKUP_DIRECTORY };
    while (count < RANDOM_ITEMS) {
        const struct rig_item *parent = &items[1 + random_below((uint32_t)count - 1)];
        bool is_new = true;

        if (parent->type != POBACKUP_DIRECTORY)
            continue;
        (void)snprintf(paths[count], sizeof paths[0], "%s/%s", parent->path, random_name());
        for (size_t i = 0; i < count; i++)
            is_new = is_new && strcmp(items[i].path, paths[count]) != 0;
        if (!is_new && random_below(4) != 0)
            continue;
        if (!is_new)
            break;
        items[count] =
            (struct rig_item){ .path = paths[count],
                               .type = (enum pobackup_type)(1 + random_below(OS_CASE(3, 2))),
                               .text = "content",
                               .time = RIG_TIME + random_below(1000000000) };
        if (items[count].type != POBACKUP_SYMLINK)
            items[count].mode = 0700 + random_below(8) * 8;
        count++;
    }
    return count;
}

static void
make_random_site(const char *directory, unsigned depth)
{
    rig_directory(directory);
    for (uint32_t i = random_below(7); i-- > 0;) {
        char path[512];

        (void)snprintf(path, sizeof path, "%s/%s", directory, random_name());
        if (rig_exists(path))
            continue;
        switch (random_below(4)) {
        case 0:
            if (OS_HAS_POSIX)
                ck_assert_int_eq(symlink("a", rig_at(path)), 0);
            break;
        case 1:
            rig_write(path, "old");
            break;
        default:
            if (depth < 5)
                make_random_site(path, depth + 1);
        }
    }
}

/* The site's spool is the archive's, node by node. */
static void
assert_exact(const struct rig_item *items, size_t count)
{
    char *picture = rig_picture("site/" SPOOL, NULL, true);
    size_t lines = 0;

    for (const char *p = picture; *p != '\0'; p++)
        lines += *p == '\n';
    ck_assert_uint_eq(lines, count - 1); /* all but the registry */
    free(picture);
    for (size_t i = 1; i < count; i++) {
        char path[512];

        (void)snprintf(path, sizeof path, "site/%s", items[i].path);
        ck_assert_int_eq(rig_time(path), items[i].time == 0 ? RIG_TIME : items[i].time);
        ck_assert_int_eq(rig_stat(path).type == PO_NODE_DIRECTORY,
                         items[i].type == POBACKUP_DIRECTORY);
        ck_assert_int_eq(rig_stat(path).type == PO_NODE_SYMLINK, items[i].type == POBACKUP_SYMLINK);
        if (items[i].type != POBACKUP_SYMLINK && items[i].mode != 0)
            rig_assert_mode(path, items[i].mode);
        if (items[i].type == POBACKUP_FILE)
            ck_assert_str_eq(rig_read(path), "content");
    }
}

/* Any tree onto any other: a failure takes all back, and an exact restore gives the archive's. */
START_TEST(random_trees_are_restored_or_taken_back)
{
    struct rig_item items[RANDOM_ITEMS];
    static char paths[RANDOM_ITEMS][256];
    struct rig rig;
    char *before;
    char *after;
    size_t count;
    uint64_t seed = (uint64_t)time(NULL) * 100 + (uint64_t)_i;

    printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    random_state = seed;
    make_site();
    rig_write("site/" REG, RIG_OLD_REGISTRY);
    make_random_site("site/" SPOOL, 0);
    count = make_random_items(items, paths);
    open_rig(&rig, items, count);
    rig.options.parts[PO_PART_MAILBOX] = false;
    rig.options.no_services = true; /* their shells would take longer than all else */
    rig.options.is_exact = random_below(2) != 0;
    rig.fails_import = true;
    before = picture_of_parts();
    ck_assert_int_eq(run(&rig), PO_E_IO);
    after = picture_of_parts();
    ck_assert_str_eq(before, after);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "all is as it was before"));
    free(before);
    free(after);
    rig.fails_import = false;
    rig.options.is_exact = true;
    ck_assert_int_eq(plan(&rig), PO_OK);
    {
        struct po_restore_part planned = rig.result.parts[PO_PART_SPOOL];
        const struct po_restore_part *done = &rig.result.parts[PO_PART_SPOOL];

        run_well(&rig);
        ck_assert_uint_eq(done->replaced, planned.replaced);
        ck_assert_uint_eq(done->added, planned.added);
        ck_assert_uint_eq(done->removed, planned.removed);
    }
    assert_exact(items, count);
    assert_nothing_of_ours("site", ".pobackup-set-aside-");
    close_rig(&rig);
}
END_TEST

START_TEST(tree_order_keeps_directories_together)
{
    static const char *const sorted[] = { "", "a", "a/b", "a/b/c", "a/c", "a!", "a.b", "aa", "b" };

    for (size_t i = 0; i < RIG_COUNT(sorted); i++) {
        for (size_t j = 0; j < RIG_COUNT(sorted); j++) {
            int order =
                po_restore_compare(sorted[i], strlen(sorted[i]), sorted[j], strlen(sorted[j]));

            ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}
END_TEST

static void
add_tests(TCase *tests)
{
    tcase_add_test(tests, an_overlay_replaces_adds_and_leaves);
    tcase_add_test(tests, what_was_replaced_is_kept_in_the_guides_layout);
    tcase_add_test(tests, without_a_safety_copy_nothing_is_kept);
    tcase_add_test(tests, a_restore_into_nothing_makes_everything);
    os_add_posix_test(tests, owners_come_back_when_root_restores);
    tcase_add_test(tests, an_exact_restore_sets_the_rest_aside);
    tcase_add_test(tests, patterns_limit_what_is_restored_and_removed);
    tcase_add_test(tests, a_pattern_can_bring_back_a_deleted_account);
    tcase_add_test(tests, what_is_of_another_type_is_set_aside_whole);
    tcase_add_test(tests, trees_can_be_anywhere);
    os_add_posix_test(tests, a_tree_that_is_a_volume_keeps_everything_within);
    os_add_posix_test(tests, a_bind_mount_of_the_same_volume_is_found_out);
    tcase_add_test(tests, the_plan_counts_and_changes_nothing);
    tcase_add_test(tests, every_reason_is_told_at_once);
    tcase_add_test(tests, places_that_cannot_be_are_reasons);
    os_add_posix_test(tests, too_little_space_is_a_reason);
    os_add_posix_test(tests, another_volume_inside_a_tree_is_a_reason);
    tcase_add_test(tests, hostile_names_are_named_and_the_rest_is_restored);
    tcase_add_test(tests, a_damaged_archive_changes_nothing);
    tcase_add_test(tests, a_cancelled_staging_changes_nothing);
    tcase_add_test(tests, a_service_that_does_not_stop_changes_nothing);
    tcase_add_test(tests, services_that_stay_down_are_told_but_the_restore_stands);
    tcase_add_test(tests, services_are_left_alone_when_asked_for);
    tcase_add_test(tests, stopped_services_stay_stopped);
    tcase_add_test(tests, a_failing_registry_takes_everything_back);
    tcase_add_test(tests, a_failing_rename_takes_everything_back);
    tcase_add_test(tests, made_trees_and_their_parents_are_taken_back);
    tcase_add_test(tests, what_cannot_be_taken_back_is_told_and_kept);
    tcase_add_test(tests, a_second_restore_keeps_the_first_ones_files);
    tcase_add_test(tests, the_registry_can_be_restored_alone);
    tcase_add_loop_test(tests, random_trees_are_restored_or_taken_back, 0, 20);
    tcase_add_test(tests, tree_order_keeps_directories_together);
}

int
main(void)
{
    Suite *suite = suite_create("restore");
    TCase *tests = tcase_create("restore");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, rig_enter, rig_leave);
    tcase_set_timeout(tests, 120);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
