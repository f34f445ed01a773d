/* A vault: what lies in it is told, told apart, and removed only as it may. */
#include "base/mem.h"
#include "base/text.h"
#include "engine/prune.h"
#include "engine/vault_lock.h"
#include "port/sys.h"
#include "vault_help.h"

#define NONE PO_RETENTION_NONE
#define SITE "folder:/srv/mail"

static char top[OS_PATH_SIZE];
static char state[OS_PATH_SIZE];
static struct po_vault *vault;
static struct po_prune_plan *plan;

static void
setup(void)
{
    os_temp_make(top, "vault");
    os_temp_make(state, "vault-state");
}

static void
teardown(void)
{
    po_prune_plan_free(plan);
    po_vault_free(vault);
    plan = NULL;
    vault = NULL;
    os_temp_remove(top);
    os_temp_remove(state);
}

static const char *
in_vault(const char *name)
{
    static char path[OS_PATH_SIZE + 64];

    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static void
put_text(const char *name, const char *text)
{
    os_write(in_vault(name), text, strlen(text));
}

/* A full of this day, or a differential on `parent`. */
static struct po_parent
put_named(const char *name, int day, const struct po_parent *parent, const char *parent_name)
{
    char hint[64];
    struct po_parent made;
    struct po_parent named = { 0 };
    struct help_snapshot snapshot = { .created = HELP_NOON + day * HELP_DAY,
                                      .bytes = 1000,
                                      .entries = 5,
                                      .parents = &named,
                                      .parent_count = parent != NULL };

    if (parent != NULL) {
        named = *parent;
        (void)snprintf(hint, sizeof hint, "%s", parent_name);
        named.name = hint;
    }
    help_snapshot_write(in_vault(name), &snapshot, &made);
    return made;
}

static struct po_parent
put(const char *name, int day, const struct po_parent *parent)
{
    return put_named(name, day, parent, "hint");
}

static void
note(const struct po_parent *made, const char *verb, int day, enum po_history_check check,
     bool is_whole, bool is_complete)
{
    struct po_history_run run = { .time = HELP_NOON + day * HELP_DAY,
                                  .verb = verb,
                                  .outage_seconds = -1,
                                  .has_archive_id = true,
                                  .created = made->created,
                                  .archive_site = strcmp(verb, "backup") == 0 ? SITE : NULL,
                                  .is_complete = is_complete,
                                  .check = check,
                                  .is_whole = is_whole };
    struct po_err err;

    memcpy(run.archive_id, made->archive_id, PO_ID_SIZE);
    memcpy(run.digest, made->digest, PO_DIGEST_SIZE);
    ck_assert_int_eq(po_history_append(state, &run, PO_HISTORY_SIZE_MAX, &err), PO_OK);
}

static void
look(void)
{
    struct po_history *history = NULL;
    struct po_err err;

    po_vault_free(vault);
    vault = NULL;
    ck_assert_int_eq(po_history_load(&history, state, &err), PO_OK);
    ck_assert_msg(po_vault_open(&vault, top, history, NULL, &err) == PO_OK, "%s", err.text);
    po_history_free(history);
}

static const struct po_vault_row *
row(const char *name)
{
    uint32_t number = po_vault_find(vault, name);

    ck_assert_msg(number != NONE, "%s", name);
    return &vault->rows[number];
}

/* ---- the list ---- */

START_TEST(archives_are_told_by_time)
{
    struct po_parent full = put("b.tar.zst", 1, NULL);

    (void)put("z.tar.zst", 0, NULL);
    (void)put("a.tar.zst", 2, &full);
    put_text("notes.txt", "x");
    put_text("b.tar.zst.rec", "x");
    look();
    ck_assert_uint_eq(vault->count, 3);
    ck_assert_uint_eq(vault->problem_count, 0);
    ck_assert_uint_eq(vault->group_count, 1);
    ck_assert_str_eq(vault->rows[0].name, "z.tar.zst");
    ck_assert_str_eq(vault->rows[1].name, "b.tar.zst");
    ck_assert_str_eq(vault->rows[2].name, "a.tar.zst");
    ck_assert(!vault->rows[1].peek.manifest.is_diff && vault->rows[2].peek.manifest.is_diff);
    ck_assert_uint_eq(vault->rows[2].parents[0], 1);
    ck_assert_uint_eq(vault->rows[2].missing, 0);
    ck_assert_uint_eq(vault->rows[1].file_bytes, os_stat(in_vault("b.tar.zst")).size);
    ck_assert_uint_eq(po_vault_find(vault, "notes.txt"), NONE);
}
END_TEST

START_TEST(a_parent_is_known_by_its_digest_whatever_its_name)
{
    struct po_parent full = put("renamed.tar.zst", 1, NULL);
    struct po_parent gone = full;

    gone.digest[0] ^= 1;
    (void)put("child.tar.zst", 2, &full);
    (void)put("orphan.tar.zst", 3, &gone);
    look();
    ck_assert_uint_eq(row("child.tar.zst")->parents[0], po_vault_find(vault, "renamed.tar.zst"));
    ck_assert_uint_eq(row("orphan.tar.zst")->parents[0], NONE);
    ck_assert_uint_eq(row("orphan.tar.zst")->missing, 1);
}
END_TEST

START_TEST(hosts_and_sites_are_groups_of_their_own)
{
    struct help_snapshot snapshots[] = {
        { .created = HELP_NOON, .host = "one", .mailbox = "/m" },
        { .created = HELP_NOON + 1, .host = "two", .mailbox = "/m" },
        { .created = HELP_NOON + 2, .host = "one", .mailbox = "/n" },
        { .created = HELP_NOON + 3, .host = "one" },
        { .created = HELP_NOON + 4, .host = "one", .mailbox = "/m" }
    };
    static const uint32_t groups[] = { 0, 1, 2, 3, 0 };
    char name[32];

    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "%d.tar.zst", i);
        help_snapshot_write(in_vault(name), &snapshots[i], NULL);
    }
    look();
    ck_assert_uint_eq(vault->group_count, 4);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(vault->rows[i].group, groups[i]);
}
END_TEST

START_TEST(copies_are_known)
{
    struct po_buf bytes = { 0 };
    struct help_snapshot snapshot = { .created = HELP_NOON };
    struct po_parent full;

    help_snapshot_put(&bytes, &snapshot, &full);
    os_write(in_vault("b.tar.zst"), bytes.bytes, bytes.size);
    os_write(in_vault("a.tar.zst"), bytes.bytes, bytes.size);
    po_buf_deinit(&bytes);
    (void)put("c.tar.zst", 3, &full);
    look();
    ck_assert_uint_eq(row("a.tar.zst")->copy_of, NONE);
    ck_assert_uint_eq(row("b.tar.zst")->copy_of, po_vault_find(vault, "a.tar.zst"));
    ck_assert_uint_eq(row("c.tar.zst")->parents[0], po_vault_find(vault, "a.tar.zst"));
}
END_TEST

START_TEST(of_copies_the_one_that_others_name_stands_for_all)
{
    struct po_buf bytes = { 0 };
    struct help_snapshot snapshot = { .created = HELP_NOON };
    struct po_parent full;

    help_snapshot_put(&bytes, &snapshot, &full);
    os_write(in_vault("a.tar.zst"), bytes.bytes, bytes.size);
    os_write(in_vault("hint"), bytes.bytes, bytes.size);
    os_write(in_vault("postoffice-h-20250101T000000Z-full.tar.zst"), bytes.bytes, bytes.size);
    look();
    ck_assert_uint_eq(row("a.tar.zst")->copy_of,
                      po_vault_find(vault, "postoffice-h-20250101T000000Z-full.tar.zst"));
    os_write(in_vault("hint.tar.zst"), bytes.bytes, bytes.size);
    (void)put_named("c.tar.zst", 3, &full, "hint.tar.zst");
    look();
    ck_assert_uint_eq(row("hint.tar.zst")->copy_of, NONE);
    ck_assert_uint_eq(row("a.tar.zst")->copy_of, po_vault_find(vault, "hint.tar.zst"));
    ck_assert_uint_eq(row("c.tar.zst")->parents[0], po_vault_find(vault, "hint.tar.zst"));
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(a_parents_name_that_another_has_is_as_good_as_none)
{
    struct po_parent full = put("renamed.tar.zst", 1, NULL);

    (void)put("hint.tar.zst", 2, NULL);
    (void)put_named("child.tar.zst", 3, &full, "hint.tar.zst");
    put_text("cut.tar.zst", "not ours");
    (void)put_named("other.tar.zst", 4, &full, "cut.tar.zst");
    look();
    ck_assert_uint_eq(row("child.tar.zst")->missing, 1);
    ck_assert_uint_eq(row("child.tar.zst")->parents[0], po_vault_find(vault, "renamed.tar.zst"));
    ck_assert_uint_eq(row("other.tar.zst")->missing, 1);
}
END_TEST

static const struct po_vault_problem *
problem(const char *name, enum po_vault_fault fault)
{
    for (uint32_t i = 0; i < vault->problem_count; i++)
        if (strcmp(vault->problems[i].name, name) == 0) {
            ck_assert_msg(vault->problems[i].fault == fault, "%s: %s: %s", name,
                          po_vault_fault_name(vault->problems[i].fault), vault->problems[i].reason);
            return &vault->problems[i];
        }
    ck_abort_msg("%s", name);
    return NULL;
}

START_TEST(what_is_no_whole_archive_is_told_apart)
{
    (void)put("whole.tar.zst", 1, NULL);
    (void)put("cut.tar.zst", 1, NULL);
    ck_assert(os_set_size(in_vault("cut.tar.zst"), os_stat(in_vault("cut.tar.zst")).size - 100));
    put_text("foreign.tar.zst", "not ours");
    put_text("empty.tar.zst", "");
    (void)put("x.tar.zst.partial", 2, NULL);
    ck_assert_int_eq(mkdir(in_vault("directory.tar.zst"), 0700), 0);
    look();
    ck_assert_uint_eq(vault->count, 1);
    ck_assert_uint_eq(vault->problem_count, 5);
    ck_assert_str_eq(vault->problems[0].name, "cut.tar.zst"); /* by name */
    (void)problem("cut.tar.zst", PO_VAULT_DAMAGED);
    (void)problem("foreign.tar.zst", PO_VAULT_FOREIGN);
    (void)problem("empty.tar.zst", PO_VAULT_FOREIGN);
    (void)problem("directory.tar.zst", PO_VAULT_UNREADABLE);
    ck_assert_uint_gt(problem("x.tar.zst.partial", PO_VAULT_PARTIAL)->file_bytes, 0);
}
END_TEST

#if OS_HAS_POSIX
START_TEST(a_link_is_not_followed)
{
    (void)put("whole.tar.zst", 1, NULL);
    ck_assert_int_eq(symlink("whole.tar.zst", in_vault("link.tar.zst")), 0);
    look();
    ck_assert_uint_eq(vault->count, 1);
    (void)problem("link.tar.zst", PO_VAULT_UNREADABLE);
}
END_TEST
#endif

START_TEST(a_directory_that_is_not_there_is_a_failure)
{
    struct po_err err;

    ck_assert_int_eq(po_vault_open(&vault, in_vault("none"), NULL, NULL, &err), PO_E_IO);
    ck_assert_ptr_null(vault);
}
END_TEST

/* ---- what the history knows ---- */

START_TEST(the_history_tells_by_digest)
{
    struct po_parent deep = put("deep.tar.zst", 1, NULL);
    struct po_parent quick = put("quick.tar.zst", 2, NULL);
    struct po_parent bad = put("bad.tar.zst", 3, NULL);
    struct po_parent mended = put("mended.tar.zst", 4, NULL);
    struct po_parent never = put("never.tar.zst", 5, NULL);
    struct po_parent other = deep;

    note(&deep, "backup", 1, PO_HISTORY_FRAMES, true, true);
    note(&deep, "verify", 10, PO_HISTORY_DEEP, true, false);
    note(&deep, "verify", 11, PO_HISTORY_QUICK, true, false);
    note(&quick, "backup", 2, PO_HISTORY_FRAMES, true, false);
    note(&quick, "verify", 12, PO_HISTORY_QUICK, true, false);
    note(&bad, "verify", 13, PO_HISTORY_DEEP, true, false);
    note(&bad, "verify", 14, PO_HISTORY_QUICK, false, false);
    note(&mended, "verify", 15, PO_HISTORY_DEEP, false, false);
    note(&mended, "verify", 16, PO_HISTORY_DEEP, true, false);
    note(&never, "backup", 5, PO_HISTORY_FRAMES, true, true);
    other.digest[3] ^= 1; /* the same id, and not the same bytes */
    note(&other, "verify", 20, PO_HISTORY_DEEP, false, false);
    look();
    ck_assert(row("deep.tar.zst")->is_verified && !row("deep.tar.zst")->is_damaged);
    ck_assert_int_eq(row("deep.tar.zst")->check, PO_HISTORY_DEEP);
    ck_assert_int_eq(row("deep.tar.zst")->checked_at, HELP_NOON + 10 * HELP_DAY);
    ck_assert(row("deep.tar.zst")->is_known_complete);
    ck_assert(!row("quick.tar.zst")->is_verified && row("quick.tar.zst")->is_known_incomplete);
    ck_assert_int_eq(row("quick.tar.zst")->check, PO_HISTORY_QUICK);
    ck_assert(!row("bad.tar.zst")->is_verified && row("bad.tar.zst")->is_damaged);
    ck_assert(row("mended.tar.zst")->is_verified && !row("mended.tar.zst")->is_damaged);
    ck_assert_int_eq(row("never.tar.zst")->check, PO_HISTORY_UNCHECKED);
    ck_assert(!row("never.tar.zst")->is_verified);
    ck_assert(!row("mended.tar.zst")->is_known_complete);
    ck_assert(!row("mended.tar.zst")->is_known_incomplete);
}
END_TEST

/* ---- removing ---- */

static struct po_local_day
utc_day(void *ctx, int64_t time)
{
    (void)ctx;
    return (struct po_local_day){ .year = 2025,
                                  .month = 1,
                                  .day = (int)((time - HELP_NOON) / HELP_DAY) };
}

static enum po_status
make_plan(uint32_t last, const char *forget, struct po_err *err)
{
    struct po_prune_options options = { .rules = { .last = last },
                                        .forget = &forget,
                                        .forget_count = forget != NULL,
                                        .now = HELP_NOON + 100 * HELP_DAY,
                                        .local_day = utc_day };

    po_prune_plan_free(plan);
    plan = NULL;
    return po_prune_plan_new(&plan, vault, &options, err);
}

struct told {
    char text[512];
};

static void
each(void *ctx, uint32_t number, const char *name, const struct po_err *failure)
{
    struct told *told = ctx;
    size_t size = strlen(told->text);

    (void)number;
    (void)snprintf(told->text + size, sizeof told->text - size, "%s%s ", failure != NULL ? "!" : "",
                   name);
}

static struct po_prune_result
run(struct told *told)
{
    struct po_prune_result result;
    struct po_err err = { 0 };

    ck_assert_msg(po_prune_run(plan, each, told, NULL, &result, &err) == PO_OK, "%s", err.text);
    return result;
}

static void
must_plan(uint32_t last, const char *forget)
{
    struct po_err err;

    ck_assert_msg(make_plan(last, forget, &err) == PO_OK, "%s", err.text);
}

/* Two chains: 0 full, 1 and 2 on it, 3 on 2; 4 full, 5 on it. */
static struct po_parent chain[6];

static void
put_chains(void)
{
    static const char *const names[] = { "0.tar.zst", "1.tar.zst", "2.tar.zst",
                                         "3.tar.zst", "4.tar.zst", "5.tar.zst" };
    static const int parents[] = { -1, 0, 0, 2, -1, 4 };

    for (int i = 0; i < 6; i++)
        chain[i] = put(names[i], i, parents[i] < 0 ? NULL : &chain[parents[i]]);
}

START_TEST(children_go_before_their_parents_and_sidecars_after_their_archive)
{
    struct told told = { "" };
    struct po_prune_result result;

    put_chains();
    put_text("2.tar.zst.rec", "blocks");
    put_text("2.tar.zst.minisig", "signature");
    put_text("2.tar.zst.other", "somebody else's");
    put_text("4.tar.zst.rec", "blocks");
    look();
    must_plan(1, NULL);
    result = run(&told);
    ck_assert_str_eq(told.text, "1.tar.zst 3.tar.zst 2.tar.zst 2.tar.zst.rec 2.tar.zst.minisig "
                                "0.tar.zst ");
    ck_assert_uint_eq(result.removed, 4);
    ck_assert_uint_eq(result.failed, 0);
    ck_assert_uint_gt(result.bytes, 4000);
    ck_assert_uint_eq(os_count(top), 4);
    ck_assert(os_exists(in_vault("4.tar.zst")) && os_exists(in_vault("5.tar.zst")));
    ck_assert(os_exists(in_vault("2.tar.zst.other")) && os_exists(in_vault("4.tar.zst.rec")));
}
END_TEST

START_TEST(a_file_that_is_another_by_now_stays_and_so_do_its_parents)
{
    struct told told = { "" };
    struct po_prune_result result;

    put_chains();
    look();
    must_plan(1, NULL);
    (void)put("3.tar.zst", 77, NULL);
    result = run(&told);
    ck_assert_str_eq(told.text, "1.tar.zst !3.tar.zst !2.tar.zst !0.tar.zst ");
    ck_assert_uint_eq(result.removed, 1);
    ck_assert_uint_eq(result.failed, 3);
    ck_assert(os_exists(in_vault("3.tar.zst")) && os_exists(in_vault("2.tar.zst")) &&
              os_exists(in_vault("0.tar.zst")));
}
END_TEST

START_TEST(nothing_goes_when_a_parent_that_is_needed_has_gone)
{
    struct told told = { "" };
    struct po_prune_result result;
    struct po_err err;

    put_chains();
    look();
    must_plan(1, NULL);
    if (_i == 0)
        os_remove(in_vault("4.tar.zst"));
    else
        (void)put("4.tar.zst", 4, NULL); /* another */
    ck_assert_int_ne(po_prune_run(plan, each, &told, NULL, &result, &err), PO_OK);
    ck_assert_ptr_nonnull(strstr(err.text, "4.tar.zst"));
    ck_assert_str_eq(told.text, "");
    ck_assert_uint_eq(result.removed, 0);
    ck_assert_uint_eq(os_count(top), _i == 0 ? 5 : 6);
}
END_TEST

START_TEST(who_stops_it_stops_it_between_two)
{
    static volatile int cancel = 1;
    struct po_watch watch = { .cancel = &cancel };
    struct told told = { "" };
    struct po_prune_result result;
    struct po_err err;

    put_chains();
    look();
    must_plan(1, NULL);
    ck_assert_int_eq(po_prune_run(plan, each, &told, &watch, &result, &err), PO_E_CANCELLED);
    ck_assert_uint_eq(os_count(top), 6);
}
END_TEST

START_TEST(a_name_that_is_not_there_is_wrong_usage)
{
    struct po_err err;

    put_chains();
    put_text("foreign.tar.zst", "x");
    look();
    ck_assert_int_eq(make_plan(1, "none.tar.zst", &err), PO_E_USAGE);
    ck_assert_int_eq(make_plan(1, "foreign.tar.zst", &err), PO_E_USAGE);
    must_plan(0, "1.tar.zst");
    ck_assert_uint_eq(plan->removed, 1);
    ck_assert_uint_eq(plan->order[0], 1);
}
END_TEST

/* It may be a differential on anything. */
START_TEST(a_file_that_cannot_be_read_keeps_all)
{
    struct po_err err;

    put_chains();
    ck_assert_int_eq(mkdir(in_vault("x.tar.zst"), 0700), 0);
    look();
    ck_assert_int_eq(make_plan(1, NULL, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "x.tar.zst"));
}
END_TEST

START_TEST(what_is_damaged_keeps_the_full_before_it)
{
    (void)put("0.tar.zst", 0, NULL);
    (void)put("1.tar.zst", 1, NULL);
    (void)put("2.tar.zst", 3, NULL);
    (void)put("3.tar.zst", 5, NULL);
    put_text(_i == 0   ? "a-diff.tar.zst"
             : _i == 1 ? "a-full.tar.zst"
                       : "a.tar.zst",
             _i == 2 ? "foreign"
                     : "\x28\xB5\x2F\xFD"
                       "damaged");
    os_set_time(in_vault(_i == 0   ? "a-diff.tar.zst"
                         : _i == 1 ? "a-full.tar.zst"
                                   : "a.tar.zst"),
                HELP_NOON + 2 * HELP_DAY);
    look();
    ck_assert_uint_eq(vault->problem_count, 1);
    must_plan(1, NULL);
    ck_assert_uint_eq(plan->removed, _i == 0 ? 2 : 3);
    ck_assert(plan->verdicts[1].reasons == (_i == 0 ? PO_KEEP_NEEDED : 0u));
}
END_TEST

/* ---- the lock ---- */

static struct po_vault_lock *
take(const char *verb, struct po_buf *holder)
{
    struct po_vault_lock *lock = NULL;
    struct po_err err;

    ck_assert_msg(po_vault_lock_take(&lock, top, verb, holder, &err) == PO_OK, "%s", err.text);
    return lock;
}

START_TEST(one_at_a_time_and_the_second_is_told_who)
{
    struct po_buf holder = { 0 };
    struct po_buf wanted = { 0 };
    struct po_vault_lock *lock = take("prune", &holder);

    ck_assert_ptr_nonnull(lock);
    ck_assert_uint_eq(holder.size, 0);
    ck_assert_ptr_null(take("backup", &holder));
    po_buf_put_text(&wanted, "prune on ");
    po_sys_put_host(&wanted);
    po_buf_printf(&wanted, ", process %u, since ", po_sys_process_id());
    ck_assert_msg(strncmp(po_buf_text(&holder), po_buf_text(&wanted), wanted.size) == 0, "%s",
                  po_buf_text(&holder));
    po_vault_lock_free(lock);
    ck_assert_uint_eq(os_stat(in_vault(PO_VAULT_LOCK_NAME)).size, 0);
    lock = take("backup", &holder);
    ck_assert_ptr_nonnull(lock);
    po_vault_lock_free(lock);
    po_buf_deinit(&holder);
    po_buf_deinit(&wanted);
}
END_TEST

/* What a dead holder left, or anybody wrote. */
START_TEST(what_stands_in_the_file_decides_nothing)
{
    static const char *const texts[] = {
        "",
        "verb backup",
        "verb backup\nhost elsewhere\nprocess 1\nstart 1\nsince never\n",
        "\x01\x02\xFF\n\n\n",
        "verb backup\nhost %s\nprocess 999999999\nstart 5\nsince 2026-11-24T02:00:00.0000000Z\n",
        "verb backup\nhost %s\nprocess 1\nstart 5\nsince 2026-11-24T02:00:00.0000000Z\n",
    };
    char path[OS_PATH_SIZE + 64];
    struct po_buf text = { 0 };
    struct po_buf host = { 0 };
    struct po_buf holder = { 0 };
    struct po_lock *held = NULL;
    struct po_vault_lock *lock;
    struct po_err err;
    const char *mark = strstr(texts[_i], "%s");

    po_sys_put_host(&host);
    if (mark != NULL) {
        po_buf_put(&text, texts[_i], (size_t)(mark - texts[_i]));
        po_buf_put(&text, host.bytes, host.size);
        po_buf_put_text(&text, mark + 2);
    } else {
        po_buf_put_text(&text, texts[_i]);
    }
    (void)snprintf(path, sizeof path, "%s", in_vault(PO_VAULT_LOCK_NAME));
    os_write(path, po_buf_text(&text), text.size);
    /* Held by one who has written nothing of his own yet: he is not given another's name. */
    ck_assert_int_eq(po_lock_take(&held, path, &err), PO_OK);
    ck_assert_ptr_null(take("prune", &holder));
    ck_assert_str_eq(po_buf_text(&holder), "");
    po_lock_free(held);
    lock = take("prune", &holder);
    ck_assert_ptr_nonnull(lock);
    po_buf_clear(&holder);
    ck_assert_ptr_null(take("backup", &holder));
    ck_assert_int_eq(strncmp(po_buf_text(&holder), "prune on ", 9), 0);
    po_vault_lock_free(lock);
    po_buf_deinit(&text);
    po_buf_deinit(&host);
    po_buf_deinit(&holder);
}
END_TEST

START_TEST(another_machine_is_named_as_it_says)
{
    static const char text[] = "verb backup\nhost elsewhere\x1b\nprocess 7\nstart 5\nsince "
                               "2026-11-24T02:00:00.0000000Z\n";
    struct po_buf holder = { 0 };
    struct po_lock *held = NULL;
    struct po_err err;

    put_text(PO_VAULT_LOCK_NAME, text);
    ck_assert_int_eq(po_lock_take(&held, in_vault(PO_VAULT_LOCK_NAME), &err), PO_OK);
    ck_assert_ptr_null(take("prune", &holder));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&holder), "backup on elsewhere\\x1B, process 7"));
    po_lock_free(held);
    po_buf_deinit(&holder);
}
END_TEST

START_TEST(where_there_can_be_no_lock_it_is_told)
{
    struct po_vault_lock *lock = NULL;
    struct po_buf holder = { 0 };
    struct po_err err;

    ck_assert_int_eq(mkdir(in_vault(PO_VAULT_LOCK_NAME), 0700), 0);
    ck_assert_int_eq(po_vault_lock_take(&lock, top, "prune", &holder, &err), PO_E_IO);
    ck_assert_ptr_null(lock);
    po_buf_deinit(&holder);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("vault");
    TCase *list = tcase_create("list");
    TCase *prune = tcase_create("prune");
    TCase *lock = tcase_create("lock");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(list, setup, teardown);
    tcase_add_test(list, archives_are_told_by_time);
    tcase_add_test(list, a_parent_is_known_by_its_digest_whatever_its_name);
    tcase_add_test(list, hosts_and_sites_are_groups_of_their_own);
    tcase_add_test(list, copies_are_known);
    tcase_add_test(list, of_copies_the_one_that_others_name_stands_for_all);
    tcase_add_test(list, a_parents_name_that_another_has_is_as_good_as_none);
    tcase_add_test(list, what_is_no_whole_archive_is_told_apart);
#if OS_HAS_POSIX
    tcase_add_test(list, a_link_is_not_followed);
#endif
    tcase_add_test(list, a_directory_that_is_not_there_is_a_failure);
    tcase_add_test(list, the_history_tells_by_digest);
    suite_add_tcase(suite, list);
    tcase_add_checked_fixture(prune, setup, teardown);
    tcase_add_test(prune, children_go_before_their_parents_and_sidecars_after_their_archive);
    tcase_add_test(prune, a_file_that_is_another_by_now_stays_and_so_do_its_parents);
    tcase_add_loop_test(prune, nothing_goes_when_a_parent_that_is_needed_has_gone, 0, 2);
    tcase_add_test(prune, who_stops_it_stops_it_between_two);
    tcase_add_test(prune, a_name_that_is_not_there_is_wrong_usage);
    tcase_add_test(prune, a_file_that_cannot_be_read_keeps_all);
    tcase_add_loop_test(prune, what_is_damaged_keeps_the_full_before_it, 0, 3);
    suite_add_tcase(suite, prune);
    tcase_add_checked_fixture(lock, setup, teardown);
    tcase_add_test(lock, one_at_a_time_and_the_second_is_told_who);
    tcase_add_loop_test(lock, what_stands_in_the_file_decides_nothing, 0, 6);
    tcase_add_test(lock, another_machine_is_named_as_it_says);
    tcase_add_test(lock, where_there_can_be_no_lock_it_is_told);
    suite_add_tcase(suite, lock);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
