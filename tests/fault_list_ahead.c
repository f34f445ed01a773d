/*
 * Each call to the system and the heap that the walk of a tree makes, on all its threads, is made to
 * fail, one after the other, once or for ever: the walk fails and says why, or names what it could not
 * list, or its list is whole. Nothing stays open.
 */
#include "fault.h"
#include "os_help.h"
#include "site_help.h"
#include "source/walk.h"

#define BOXES 20u
#define FILES 8u

static struct po_dir *root;
static struct po_entry_list list;
static struct po_problems problems;
static struct po_err err;

static const int codes[FAULT_KIND_COUNT] = {
    [FAULT_MEMORY] = ENOMEM, [FAULT_READ] = EIO,    [FAULT_WRITE] = ENOSPC, [FAULT_RENAME] = EIO,
    [FAULT_SYNC] = EIO,      [FAULT_OPEN] = EMFILE, [FAULT_OTHER] = EIO
};

/* "a" is larger than what is listed without threads, and beside it are those that threads list. */
static void
setup(void)
{
    char path[64];

    help_enter();
    for (unsigned i = 0; i < 80; i++) {
        (void)snprintf(path, sizeof path, "tree/a/%u", i);
        help_write_text(path, "x");
    }
    for (unsigned i = 0; i < BOXES; i++)
        for (unsigned k = 0; k < FILES; k++) {
            (void)snprintf(path, sizeof path, "tree/a/box %u/%u", i, k);
            help_write_text(path, "x");
        }
    help_must(po_dir_open(&root, "tree", &err), &err);
}

static void
teardown(void)
{
    fault_disarm();
    po_dir_free(root);
    root = NULL;
    help_leave();
}

static enum po_status
note_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *e)
{
    (void)ctx;
    return po_problems_add(&problems, path, path_size, reason, e);
}

static enum po_status
walk_tree(void)
{
    struct po_walk walk = { .list = &list, .problem = note_problem };
    enum po_status st;

    list = (struct po_entry_list){ 0 };
    problems = (struct po_problems){ 0 };
    err = (struct po_err){ .text = "nothing was said" };
    st = po_walk_tree(&walk, root, "T", &err);
    po_walk_deinit(&walk);
    return st;
}

static void
forget(void)
{
    po_entry_list_deinit(&list);
    po_problems_deinit(&problems);
}

static void
put_list(struct po_buf *out)
{
    for (size_t i = 0; i < list.count; i++)
        po_buf_printf(out, "%.*s\n", (int)list.entries[i].path_size,
                      po_entry_path(&list, &list.entries[i]));
}

/* How often each outcome was seen. */
static unsigned failed;
static unsigned named;
static unsigned whole;

static bool
check_one(enum fault_kind kind, unsigned long nth, bool for_ever, struct po_buf *expected)
{
    int free_before = fault_free_descriptor();
    struct po_buf got = { 0 };
    bool has_struck;
    enum po_status st;

    fault_arm(kind, nth, codes[kind], for_ever);
    st = walk_tree();
    fault_disarm();
    has_struck = fault_has_struck(kind);
    ck_assert_int_eq(free_before, fault_free_descriptor());
    if (st != PO_OK) {
        ck_assert_msg(has_struck && err.status == st && strcmp(err.text, "nothing was said") != 0,
                      "kind %d, call %lu: %s", (int)kind, nth, err.text);
        ck_assert_int_eq(st == PO_E_NOMEM, kind == FAULT_MEMORY);
        failed++;
    } else if (problems.count > 0) {
        ck_assert(has_struck && kind != FAULT_MEMORY);
        named++;
    } else {
        put_list(&got);
        ck_assert_str_eq(po_buf_text(&got), po_buf_text(expected));
        whole += has_struck;
    }
    po_buf_deinit(&got);
    forget();
    return has_struck;
}

START_TEST(each_failing_call_ends_the_walk_or_is_named_or_changes_nothing)
{
    static const enum fault_kind kinds[] = { FAULT_MEMORY, FAULT_READ, FAULT_OPEN, FAULT_OTHER };
    enum fault_kind kind = kinds[_i / 2];
    struct po_buf expected = { 0 };
    unsigned long nth = 1;

    failed = named = whole = 0;
    help_must(walk_tree(), &err);
    put_list(&expected);
    ck_assert_uint_eq(list.count, 2 + 80 + BOXES * (FILES + 1));
    forget();
    while (check_one(kind, nth, _i % 2 == 1, &expected))
        nth++;
    printf("kind %d%s: %lu calls: %u failed, %u with problems, %u whole\n", (int)kind,
           _i % 2 == 1 ? ", for ever" : "", nth - 1, failed, named, whole);
    (void)fflush(stdout);
    ck_assert_uint_gt(failed, 0);
    if (kind != FAULT_MEMORY)
        ck_assert_uint_gt(named, 0);
    /* A thread or a lock that cannot be had is none. */
    if (_i % 2 == 0 && (kind == FAULT_MEMORY || kind == FAULT_OTHER))
        ck_assert_uint_gt(whole, 0);
    po_buf_deinit(&expected);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_list_ahead");
    TCase *tc = tcase_create("walk");
    SRunner *runner;
    int failures;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, each_failing_call_ends_the_walk_or_is_named_or_changes_nothing, 0, 8);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
