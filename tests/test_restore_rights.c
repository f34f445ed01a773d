/*
 * req: R7. Rights from the backup to the restore, with a made-up host: a right is a text that
 * belongs to a node (told apart by file id), and the calls that look at nodes are linked to ours.
 */
#include "base/mem.h"
#include "engine/recover.h"
#include "engine/restore.h"
#include "os_help.h"
#include "port/file.h"
#include "site_help.h"

#include <errno.h>
#include <stdarg.h>
#if OS_HAS_POSIX
#include <sys/wait.h>
#include <unistd.h>
#endif

#define NODES_MAX 256
#define TEXT_SIZE 64

/* ---- nodes as on a system without owners of POSIX ---- */

enum po_status __real_po_dir_stat(struct po_dir *dir, const char *path, size_t path_size,
                                  struct po_node_info *info, bool *exists, struct po_err *err);
enum po_status __wrap_po_dir_stat(struct po_dir *dir, const char *path, size_t path_size,
                                  struct po_node_info *info, bool *exists, struct po_err *err);
enum po_status
__wrap_po_dir_stat(struct po_dir *dir, const char *path, size_t path_size,
                   struct po_node_info *info, bool *exists, struct po_err *err)
{
    enum po_status st = __real_po_dir_stat(dir, path, path_size, info, exists, err);

    info->has_owner = false;
    return st;
}

struct lister {
    po_dir_list_fn each;
    void *ctx;
};

static enum po_status
pass_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    const struct lister *lister = ctx;
    struct po_node_info without = *info;

    without.has_owner = false;
    return lister->each(lister->ctx, name, name_size, &without, failure, err);
}

enum po_status __real_po_dir_list(struct po_dir *dir, const char *path, size_t path_size,
                                  po_dir_list_fn each, void *ctx, struct po_err *err);
enum po_status __wrap_po_dir_list(struct po_dir *dir, const char *path, size_t path_size,
                                  po_dir_list_fn each, void *ctx, struct po_err *err);
enum po_status
__wrap_po_dir_list(struct po_dir *dir, const char *path, size_t path_size, po_dir_list_fn each,
                   void *ctx, struct po_err *err)
{
    struct lister lister = { each, ctx };

    return __real_po_dir_list(dir, path, path_size, pass_child, &lister, err);
}

/* ---- their rights ---- */

static struct node {
    uint64_t id;
    char text[TEXT_SIZE];
} nodes[NODES_MAX];
static size_t node_count;

static struct node *
find_node(uint64_t id, bool is_made)
{
    for (size_t i = 0; i < node_count; i++)
        if (nodes[i].id == id)
            return &nodes[i];
    if (!is_made)
        return NULL;
    ck_assert_uint_lt(node_count, NODES_MAX);
    nodes[node_count] = (struct node){ .id = id };
    return &nodes[node_count++];
}

static uint64_t
id_at(struct po_dir *dir, const char *path, size_t size)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    struct po_err err;

    return po_dir_stat(dir, path, size, &info, &exists, &err) == PO_OK && exists ? info.file_id : 0;
}

static const char *fails_read;   /* of nodes whose right this is */
static const char *fails_former; /* giving a node this one */
static bool inherits;            /* nodes that nobody gave rights have some, as on Windows */

/* Linked in place of po_dir_put_security. */
enum po_status __wrap_po_dir_put_security(struct po_dir *dir, const char *path, size_t path_size,
                                          struct po_buf *out, struct po_err *err);
enum po_status
__wrap_po_dir_put_security(struct po_dir *dir, const char *path, size_t path_size,
                           struct po_buf *out, struct po_err *err)
{
    const struct node *node = find_node(id_at(dir, path, path_size), false);

    if (fails_read != NULL && node != NULL && strcmp(node->text, fails_read) == 0)
        return po_fail(err, PO_E_IO, "unreadable");
    if (node != NULL || inherits)
        po_buf_put_text(out, node != NULL ? node->text : "inherited");
    return PO_OK;
}

/* What a backup reads of a node besides, in one go on Windows: the same, and no streams. */
static bool
no_streams(struct po_dir *dir)
{
    (void)dir;
    return false;
}

static enum po_status
read_extras(struct po_dir *dir, const char *path, size_t path_size, struct po_node_extras *extras,
            struct po_err *err)
{
    return __wrap_po_dir_put_security(dir, path, path_size, &extras->security, err);
}

static const struct po_stream_ops streams = { .are_known = no_streams, .read_extras = read_extras };

static void
set_text(struct po_dir *dir, const char *path, size_t size, const char *prefix, const void *bytes,
         size_t count)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    struct po_err failure = { 0 };
    enum po_status st = po_dir_stat(dir, path, size, &info, &exists, &failure);

    ck_assert_msg(st == PO_OK && exists, "%.*s: %s", (int)size, path,
                  st == PO_OK ? "is not there" : failure.text);
    (void)snprintf(find_node(info.file_id, true)->text, TEXT_SIZE, "%s%.*s", prefix, (int)count,
                   (const char *)bytes);
}

/* Of a path in the test's directory. */
static void
give(const char *path, const char *text)
{
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", help_directory(), path);
    (void)snprintf(find_node(os_stat(full).file_id, true)->text, TEXT_SIZE, "%s", text);
}

static void
assert_text(const char *path, const char *text)
{
    const struct node *node;
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", help_directory(), path);
    node = find_node(os_stat(full).file_id, false);
    ck_assert_msg(strcmp(node == NULL ? "" : node->text, text) == 0, "%s has \"%s\", not \"%s\"",
                  path, node == NULL ? "" : node->text, text);
}

/* ---- the host's part ---- */

static struct help_host host;
static struct po_host_ops ops;
static bool has_poperms;
static bool fails_accounts;
static bool fails_prepare;
static const char *fails_set; /* at nodes whose right this is */
static bool fails_apply;
static bool applies; /* to all nodes that are known */
static void (*while_applying)(void);
static size_t unknown_count;
static char said[2048]; /* what was asked of the host */
static struct po_host_descriptors prepared;

static void
say(const char *format, ...)
{
    size_t used = strlen(said);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(said + used, sizeof said - used, format, args);
    va_end(args);
}

static enum po_status
fake_accounts(struct po_host *self, const struct po_host_descriptors *descriptors,
              po_host_account_fn each, void *ctx, struct po_err *err)
{
    static const struct po_host_account accounts[] = {
        { .sid = "S-1-5-21-1-2-3-1001", .name = "OLD\\MailServer-user", .kind = "user" },
        { .sid = "S-1-5-21-1-2-3-1002", .name = NULL, .kind = "unknown" },
    };

    (void)self;
    if (fails_accounts)
        return po_fail(err, PO_E_IO, "no controller answers");
    say("%u descriptors;", (unsigned)descriptors->count);
    /* The services run again: a controller may take its time. */
    help_assert_services(&host);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(each(ctx, &accounts[i], err), PO_OK);
    return PO_OK;
}

static bool
fake_has_poperms(struct po_host *self)
{
    (void)self;
    return has_poperms;
}

static enum po_status
fake_prepare(struct po_host *self, const struct po_host_origin *origin,
             const struct po_host_descriptors *descriptors, struct po_buf *choices, size_t *unknown,
             struct po_err *err)
{
    (void)self;
    if (fails_prepare)
        return po_fail(err, PO_E_IO, "no accounts today");
    say("from %s:", origin->service_account == NULL ? "nobody" : origin->service_account);
    for (size_t i = 0; i < origin->account_count; i++)
        say(" %s=%s/%s", origin->accounts[i].sid,
            origin->accounts[i].name == NULL ? "?" : origin->accounts[i].name,
            origin->accounts[i].kind);
    say(";");
    ck_assert_ptr_nonnull(origin->host);
    prepared = *descriptors;
    po_buf_put_text(choices, "first choice\nsecond choice\n");
    *unknown = unknown_count;
    return PO_OK;
}

/* What was recorded, with an M before it: its accounts were mapped. */
static enum po_status
fake_set(struct po_host *self, uint32_t number, struct po_dir *dir, const char *path,
         size_t path_size, struct po_err *err)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;

    (void)self;
    ck_assert_uint_lt(number, prepared.count);
    ck_assert(prepared.at(prepared.ctx, number, &bytes, &size));
    if (fails_set != NULL && size == strlen(fails_set) && memcmp(bytes, fails_set, size) == 0)
        return po_fail(err, PO_E_IO, "refused");
    if (id_at(dir, path, path_size) == 0)
        return po_fail_errno(err, ENOENT, "nothing there");
    set_text(dir, path, path_size, "M", bytes, size);
    return PO_OK;
}

static enum po_status
fake_set_former(struct po_host *self, const void *bytes, size_t size, struct po_dir *dir,
                const char *path, size_t path_size, struct po_err *err)
{
    (void)self;
    if (fails_former != NULL && size == strlen(fails_former) &&
        memcmp(bytes, fails_former, size) == 0)
        return po_fail(err, PO_E_IO, "refused");
    if (id_at(dir, path, path_size) == 0)
        return po_fail_errno(err, ENOENT, "nothing there");
    set_text(dir, path, path_size, "", bytes, size);
    return PO_OK;
}

static enum po_status
fake_apply(struct po_host *self, enum po_rights rights, const bool parts[PO_PART_COUNT],
           const struct po_host_rights_watch *watch, uint64_t *done, struct po_err *err)
{
    static const char *const of_rule[] = { SPOOL,    SPOOL "/config", BOX,
                                           BOX "/u", BOX "/u/1.MSG",  BOX "/local" };
    const struct po_err failure = { .status = PO_E_IO, .text = "refused" };

    (void)self;
    say("%s on %d%d%d;", po_rights_name(rights), parts[PO_PART_BIN], parts[PO_PART_SPOOL],
        parts[PO_PART_MAILBOX]);
    /* All is in place, and the services may not look yet. */
    ck_assert(help_is_there(BOX "/u/1.MSG"));
    ck_assert_int_eq(host.states[HELP_MTA], PO_SERVICE_STOPPED);
    if (while_applying != NULL)
        while_applying();
    for (size_t i = 0; applies && i < sizeof of_rule / sizeof *of_rule; i++)
        if (help_is_there(of_rule[i]))
            give(of_rule[i], "rule");
    watch->progress(watch->ctx, 10000);
    watch->waiting(watch->ctx, 61);
    *done = 7;
    if (fails_apply)
        return po_fail(err, PO_E_IO, "poperms.exe: exit code 3");
    return fails_set == NULL
               ? PO_OK
               : watch->problem(watch->ctx, PO_PART_MAILBOX, "u/1.MSG", 7, &failure, err);
}

static const struct po_host_rights_ops rights_ops = {
    .accounts = fake_accounts,
    .has_poperms = fake_has_poperms,
    .prepare = fake_prepare,
    .set = fake_set,
    .set_former = fake_set_former,
    .apply = fake_apply,
};

/* ---- the rig ---- */

static struct help_sink sink;
static struct help_archive archive;
static struct po_restore_options options;
static struct po_restore_result result;
static struct po_err err;
static char warnings[1024];

static void
note_event(void *ctx, const struct po_event *event)
{
    (void)ctx;
    if (event->kind == PO_EVENT_WARNING)
        (void)snprintf(warnings, sizeof warnings, "%s", event->text);
}

static const struct po_watch watch = { .event = note_event };

static void
setup(void)
{
    /* Where tests do not run in processes of their own. */
    node_count = 0;
    has_poperms = fails_accounts = fails_prepare = fails_apply = applies = inherits = false;
    while_applying = NULL;
    fails_read = fails_former = NULL;
    fails_set = NULL;
    unknown_count = 0;
    said[0] = warnings[0] = '\0';
    archive.reader = NULL;
    help_enter();
    help_host_init(&host);
    ops = *host.host.ops;
    ops.rights = &rights_ops;
    host.host.ops = &ops;
    host.services[HELP_MTA].account = ".\\MailServer-user";
    help_sink_init(&sink);
    help_make_directory(BIN);
    help_write_text(SPOOL "/config", "config");
    help_write_text(BOX "/u/1.MSG", "one");
    help_write_text(BOX "/u/2.MSG", "two");
    help_write_text(BOX "/v/1.MSG", "three");
    options = (struct po_restore_options){ .threads = 2 };
    options.parts[PO_PART_SPOOL] = options.parts[PO_PART_MAILBOX] = true;
}

static void
teardown(void)
{
    po_restore_result_deinit(&result);
    if (archive.reader != NULL)
        help_close(&archive);
    help_sink_deinit(&sink);
    help_leave();
}

static void
give_all(void)
{
    give(SPOOL, "spool");
    give(BOX, "box");
    give(BOX "/u", "u");
    give(BOX "/u/1.MSG", "one");
    give(BOX "/u/2.MSG", "common");
    give(BOX "/v", "v");
    give(BOX "/v/1.MSG", "common");
}

static void
back_up(void)
{
    struct po_backup_options how = { .threads = 2,
                                     .frame_size = FRAME_SIZE,
                                     .stream_ops = &streams };
    struct po_backup_result made = { 0 };

    help_must(po_backup_run(&host.host, &sink.sink, &how, &watch, &made, &err), &err);
    po_backup_result_deinit(&made);
    help_open(&archive, sink.bytes.bytes, sink.bytes.size);
    help_assert_whole(&archive);
}

static enum po_status
run(void)
{
    po_restore_result_deinit(&result);
    err = (struct po_err){ 0 };
    return po_restore_run(archive.reader, &host.host, &options, &watch, &result, &err);
}

/* As on a new machine: other files, whose rights are its own. */
static void
renew(void)
{
    char full[512];

    (void)snprintf(full, sizeof full, "%s/%s", help_directory(), BOX);
    os_remove(full);
    node_count = 0; /* new files may get the numbers of those that are gone */
    help_write_text(BOX "/u/1.MSG", "old");
    give(SPOOL, "own spool");
    give(BOX, "own box");
    give(BOX "/u", "own u");
    give(BOX "/u/1.MSG", "own one");
}

/* ---- as recorded ---- */

START_TEST(recorded_rights_come_back_with_files_and_directories)
{
    give_all();
    back_up();
    renew();
    said[0] = '\0';
    help_must(run(), &err);
    ck_assert(result.rights.is_wanted);
    ck_assert_int_eq(result.rights.rights, PO_RIGHTS_RECORDED);
    ck_assert_str_eq(result.rights.choices, "first choice\nsecond choice\n");
    ck_assert_uint_eq(result.problems.count, 0);
    assert_text(SPOOL, "Mspool");
    assert_text(BOX, "Mbox");
    assert_text(BOX "/u", "Mu");
    assert_text(BOX "/u/1.MSG", "Mone");
    assert_text(BOX "/u/2.MSG", "Mcommon");
    assert_text(BOX "/v", "Mv");
    assert_text(BOX "/v/1.MSG", "Mcommon");
}
END_TEST

START_TEST(the_archive_names_the_accounts)
{
    give_all();
    back_up();
    ck_assert_str_eq(said, "6 descriptors;");
    said[0] = '\0';
    help_must(run(), &err);
    ck_assert_str_eq(said, "from .\\MailServer-user: "
                           "S-1-5-21-1-2-3-1001=OLD\\MailServer-user/user "
                           "S-1-5-21-1-2-3-1002=?/unknown;");
}
END_TEST

START_TEST(a_backup_without_names_of_accounts_is_told_and_is_one)
{
    give_all();
    fails_accounts = true;
    back_up();
    ck_assert_str_eq(warnings, "the names of the accounts that have rights are not recorded: no "
                               "controller answers");
    help_must(run(), &err);
    assert_text(BOX "/u/1.MSG", "Mone");
}
END_TEST

START_TEST(directories_get_their_rights_back_when_all_is_taken_back)
{
    give_all();
    back_up();
    renew();
    options.parts[PO_PART_REGISTRY] = true; /* which this host does not import */
    ck_assert_int_eq(run(), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "all is as it was before"));
    assert_text(SPOOL, "own spool");
    assert_text(BOX, "own box");
    assert_text(BOX "/u", "own u");
    assert_text(BOX "/u/1.MSG", "own one");
}
END_TEST

START_TEST(a_right_that_is_refused_is_an_item)
{
    give_all();
    back_up();
    renew();
    fails_set = "common";
    help_must(run(), &err);
    ck_assert_uint_eq(result.problems.count, 2);
    ck_assert(help_problems_have(&result.problems, BOX "/u/2.MSG", "rights: refused"));
    ck_assert(help_problems_have(&result.problems, BOX "/v/1.MSG", "rights: refused"));
    ck_assert(help_is_there(BOX "/v/1.MSG"));
    assert_text(BOX "/u/1.MSG", "Mone");
}
END_TEST

START_TEST(accounts_that_cannot_be_asked_for_are_a_reason)
{
    give_all();
    back_up();
    renew();
    fails_prepare = true;
    ck_assert_int_eq(run(), PO_E_IO);
    ck_assert_str_eq(err.text, "rights: no accounts today");
    assert_text(BOX "/u", "own u");
    ck_assert(!help_is_there(BOX "/v"));
}
END_TEST

START_TEST(unknown_accounts_are_counted)
{
    give_all();
    back_up();
    unknown_count = 3;
    help_must(po_restore_plan(archive.reader, &host.host, &options, &watch, &result, &err), &err);
    ck_assert_uint_eq(result.rights.unknown_count, 3);
    assert_text(BOX "/u/1.MSG", "one");
}
END_TEST

/* ---- kept ---- */

START_TEST(new_files_are_made_in_directories_with_the_rights_of_their_place)
{
    static const enum po_rights keep = PO_RIGHTS_KEEP;

    give_all();
    back_up();
    renew();
    options.rights = &keep;
    node_count = 0; /* only what is set from now on */
    give(BOX, "own box");
    give(BOX "/u", "own u");
    help_must(run(), &err);
    ck_assert_int_eq(result.rights.rights, PO_RIGHTS_KEEP);
    /* The directories that stand have theirs, and so had those of the stage in which files were
     * made: spool is there, but has none; v is new. */
    assert_text(BOX, "own box");
    assert_text(BOX "/u", "own u");
    assert_text(BOX "/v", "");
    ck_assert_uint_eq(node_count, 4);
    ck_assert_str_eq(nodes[2].text, "own box");
    ck_assert_str_eq(nodes[3].text, "own u");
}
END_TEST

/* ---- whole trees ---- */

START_TEST(without_recorded_rights_poperms_has_its_turn)
{
    back_up();
    renew();
    has_poperms = true;
    said[0] = '\0';
    help_must(run(), &err);
    ck_assert_str_eq(said, "poperms on 011;");
    ck_assert_int_eq(result.rights.rights, PO_RIGHTS_POPERMS);
    ck_assert_uint_eq(result.rights.set, 7);
    help_assert_services(&host);
}
END_TEST

START_TEST(without_poperms_our_own_rule_has)
{
    back_up();
    said[0] = '\0';
    help_must(run(), &err);
    ck_assert_str_eq(said, "default on 011;");
}
END_TEST

START_TEST(for_some_files_whole_trees_are_not_touched)
{
    static const char *const patterns[] = { "**/1.MSG" };

    back_up();
    has_poperms = true;
    options.patterns = patterns;
    options.pattern_count = 1;
    said[0] = '\0';
    help_must(run(), &err);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(result.rights.rights, PO_RIGHTS_KEEP);
}
END_TEST

START_TEST(what_was_asked_for_is_done_or_is_a_reason)
{
    static const enum po_rights recorded = PO_RIGHTS_RECORDED;
    static const enum po_rights poperms = PO_RIGHTS_POPERMS;

    back_up();
    options.rights = &recorded;
    ck_assert_int_eq(run(), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "the archive recorded none"));
    options.rights = &poperms;
    ck_assert_int_eq(run(), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "no others\\poperms.exe"));
    has_poperms = true;
    help_must(run(), &err);
}
END_TEST

START_TEST(a_rule_that_fails_leaves_the_restore_standing)
{
    back_up();
    renew();
    fails_apply = true;
    help_must(run(), &err);
    ck_assert_uint_eq(result.problems.count, 1);
    ck_assert(help_problems_have(&result.problems, "rights", "poperms.exe: exit code 3"));
    ck_assert(help_is_there(BOX "/v/1.MSG"));
    help_assert_services(&host);

    fails_apply = false;
    fails_set = "";
    help_must(run(), &err);
    ck_assert_uint_eq(result.problems.count, 1);
    ck_assert(help_problems_have(&result.problems, BOX "/u/1.MSG", "rights: refused"));
}
END_TEST

/* ---- rights alone ---- */

START_TEST(rights_alone_change_nothing_else)
{
    give_all();
    back_up();
    renew();
    options.rights_only = true;
    fails_set = "u";
    help_must(run(), &err);
    ck_assert_uint_eq(result.rights.set, 4); /* two roots, 1.MSG; and spool/config has none */
    ck_assert_uint_eq(result.problems.count, 1);
    ck_assert(help_problems_have(&result.problems, BOX "/u", "rights: refused"));
    assert_text(SPOOL, "Mspool");
    assert_text(BOX, "Mbox");
    assert_text(BOX "/u", "own u");
    assert_text(BOX "/u/1.MSG", "Mone");
    ck_assert(!help_is_there(BOX "/v"));
    help_assert_services(&host);
}
END_TEST

START_TEST(the_registry_alone_needs_no_rights)
{
    give_all();
    back_up();
    options.parts[PO_PART_SPOOL] = options.parts[PO_PART_MAILBOX] = false;
    options.parts[PO_PART_REGISTRY] = true;
    help_must(po_restore_plan(archive.reader, &host.host, &options, &watch, &result, &err), &err);
    ck_assert(!result.rights.is_wanted);
}
END_TEST

/* ---- taken back ---- */

static const char *
journals(void)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/journals", help_directory());
    return path;
}

static void
assert_own(void)
{
    assert_text(SPOOL, "own spool");
    assert_text(BOX, "own box");
    assert_text(BOX "/u", "own u");
    assert_text(BOX "/u/1.MSG", "own one");
    assert_text(SPOOL "/config", "own config");
}

static void
undo(void)
{
    struct po_recover_result undone = { 0 };

    help_must(po_recover_undo(&host.host, journals(), &watch, &undone, &err), &err);
    ck_assert_msg(undone.problems.count == 0, "%s", undone.problems.items[0].reason);
    po_recover_result_deinit(&undone);
}

/* A rule changes files that are not restored too. req: R10 */
START_TEST(undo_gives_back_the_rights_that_a_rule_has_changed)
{
    const enum po_rights rules[] = { PO_RIGHTS_DEFAULT, PO_RIGHTS_POPERMS };

    has_poperms = true;
    give_all();
    back_up();
    for (size_t i = 0; i < 2; i++) {
        renew();
        give(SPOOL "/config", "own config");
        help_write_text(BOX "/local", "local");
        give(BOX "/local", "own local");
        options.rights = &rules[i];
        options.journal_dir = journals();
        applies = true;
        help_must(run(), &err);
        assert_text(SPOOL, "rule");
        assert_text(BOX "/u/1.MSG", "rule");
        assert_text(BOX "/local", "rule");
        undo();
        assert_own();
        assert_text(BOX "/local", "own local");
        applies = false;
        help_must(po_recover_forget(journals(), &err), &err);
    }
}
END_TEST

/* What undo could not give back is told before; what it could not just now is tried again. */
START_TEST(rights_that_cannot_be_noted_or_given_back_are_told)
{
    const enum po_rights rule = PO_RIGHTS_DEFAULT;
    struct po_recover_result undone = { 0 };

    give_all();
    back_up();
    renew();
    give(SPOOL "/config", "own config");
    help_write_text(BOX "/local", "local");
    give(BOX "/local", "own local");
    options.rights = &rule;
    options.journal_dir = journals();
    applies = inherits = true;
    fails_read = "own local";
    help_must(run(), &err);
    ck_assert_uint_eq(result.problems.count, 1);
    ck_assert_str_eq(result.problems.items[0].path, BOX "/local");
    ck_assert_ptr_nonnull(strstr(result.problems.items[0].reason, "undo will not give them back"));
    fails_read = NULL;
    fails_former = "own spool";
    help_must(po_recover_undo(&host.host, journals(), &watch, &undone, &err), &err);
    ck_assert_uint_eq(undone.problems.count, 1);
    ck_assert_ptr_nonnull(strstr(undone.problems.items[0].reason, "rights: refused"));
    ck_assert_str_eq(undone.problems.items[0].path, SPOOL);
    po_recover_result_deinit(&undone);
    fails_former = NULL;
    undo();
    assert_own();
    assert_text(BOX "/local", "rule");
}
END_TEST

#if OS_HAS_POSIX
static void
die(void)
{
    _exit(42);
}

/* The process dies while the rule is set. */
START_TEST(a_restore_that_died_while_rights_were_set_is_finished_or_taken_back)
{
    const enum po_rights rule = PO_RIGHTS_DEFAULT;

    give_all();
    back_up();
    for (int back = 0; back < 2; back++) {
        int status = 0;
        pid_t child;

        renew();
        give(SPOOL "/config", "own config");
        options.rights = &rule;
        options.journal_dir = journals();
        while_applying = die;
        child = fork();
        if (child == 0) {
            (void)!run();
            _exit(1);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(WEXITSTATUS(status), 42);
        while_applying = NULL;
        /* The child has stopped them, and what it knew of them died with it. */
        host.states[HELP_MTA] = PO_SERVICE_STOPPED;
        said[0] = '\0';
        applies = true;
        if (back == 0) {
            struct po_recover_result done = { 0 };

            help_must(po_recover_resume(&host.host, journals(), &watch, &done, &err), &err);
            ck_assert_str_eq(said, "default on 011;");
            assert_text(BOX "/u/1.MSG", "rule");
            po_recover_result_deinit(&done);
        }
        undo();
        assert_own();
        help_assert_services(&host);
        applies = false;
        help_must(po_recover_forget(journals(), &err), &err);
    }
}
END_TEST
#endif

int
main(void)
{
    Suite *suite = suite_create("restore_rights");
    TCase *tests = tcase_create("restore_rights");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, recorded_rights_come_back_with_files_and_directories);
    tcase_add_test(tests, the_archive_names_the_accounts);
    tcase_add_test(tests, a_backup_without_names_of_accounts_is_told_and_is_one);
    tcase_add_test(tests, directories_get_their_rights_back_when_all_is_taken_back);
    tcase_add_test(tests, a_right_that_is_refused_is_an_item);
    tcase_add_test(tests, accounts_that_cannot_be_asked_for_are_a_reason);
    tcase_add_test(tests, unknown_accounts_are_counted);
    tcase_add_test(tests, new_files_are_made_in_directories_with_the_rights_of_their_place);
    tcase_add_test(tests, without_recorded_rights_poperms_has_its_turn);
    tcase_add_test(tests, without_poperms_our_own_rule_has);
    tcase_add_test(tests, for_some_files_whole_trees_are_not_touched);
    tcase_add_test(tests, what_was_asked_for_is_done_or_is_a_reason);
    tcase_add_test(tests, a_rule_that_fails_leaves_the_restore_standing);
    tcase_add_test(tests, rights_alone_change_nothing_else);
    tcase_add_test(tests, the_registry_alone_needs_no_rights);
    tcase_add_test(tests, undo_gives_back_the_rights_that_a_rule_has_changed);
    tcase_add_test(tests, rights_that_cannot_be_noted_or_given_back_are_told);
#if OS_HAS_POSIX
    tcase_add_test(tests, a_restore_that_died_while_rights_were_set_is_finished_or_taken_back);
#endif
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
