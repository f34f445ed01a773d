/* Where the state directory is, and the lock of a site in it. */
#include "cli/cli.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "os_help.h"
#include "port/file.h"
#include "port/sys.h"

static char top[OS_PATH_SIZE];
static struct po_err err;
static bool is_admin;

/* In place of the port's (linked so): who runs the tests is not theirs to say. */
bool __wrap_po_sys_is_admin(void);

bool
__wrap_po_sys_is_admin(void)
{
    return is_admin;
}

static void
setup(void)
{
    os_temp_make(top, "state");
    ck_assert_int_eq(chdir(top), 0);
    ck_assert_int_eq(unsetenv("POBACKUP_STATE_DIR"), 0);
    ck_assert_int_eq(unsetenv("XDG_STATE_HOME"), 0);
    ck_assert_int_eq(setenv("HOME", "/home/somebody", 1), 0);
    is_admin = false;
}

static void
teardown(void)
{
    os_temp_remove(top);
}

/* ---- the directory ---- */

static void
assert_dir(const char *expected)
{
    struct po_buf dir = { 0 };

    ck_assert_int_eq(po_cli_state_dir(&dir, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&dir), expected);
    po_buf_deinit(&dir);
}

/* That of the user: on POSIX `own`, on Windows where local application data is. */
static void
assert_dir_of_user(const char *own)
{
    struct po_buf local = { 0 };

    if (OS_HAS_POSIX) {
        assert_dir(own);
        return;
    }
    ck_assert(po_sys_put_environment(&local, "LOCALAPPDATA"));
    for (size_t i = 0; i < local.size; i++)
        if (local.bytes[i] == '\\')
            local.bytes[i] = '/';
    po_buf_put_text(&local, "/pobackup");
    assert_dir(po_buf_text(&local));
    po_buf_deinit(&local);
}

START_TEST(the_environment_says_where_it_is)
{
    ck_assert_int_eq(setenv("POBACKUP_STATE_DIR", "some/where", 1), 0);
    ck_assert_int_eq(setenv("XDG_STATE_HOME", "/xdg", 1), 0);
    assert_dir("some/where");
}
END_TEST

START_TEST(an_empty_variable_counts_as_not_set)
{
    ck_assert_int_eq(setenv("POBACKUP_STATE_DIR", "", 1), 0);
    ck_assert_int_eq(setenv("XDG_STATE_HOME", "", 1), 0);
    assert_dir_of_user("/home/somebody/.local/state/pobackup");
}
END_TEST

START_TEST(the_administrator_has_one_for_the_machine)
{
    struct po_buf machine = { 0 };

    is_admin = true;
    ck_assert_int_eq(po_sys_put_data_dir(&machine, &err), PO_OK);
    ck_assert(!OS_HAS_POSIX || strcmp(po_buf_text(&machine), "/var/lib") == 0);
    po_buf_put_text(&machine, "/pobackup");
    assert_dir(po_buf_text(&machine));
    po_buf_deinit(&machine);
}
END_TEST

START_TEST(others_have_one_of_their_own)
{
    assert_dir_of_user("/home/somebody/.local/state/pobackup");
    ck_assert_int_eq(setenv("XDG_STATE_HOME", "not/absolute", 1), 0);
    assert_dir_of_user("/home/somebody/.local/state/pobackup");
    ck_assert_int_eq(setenv("XDG_STATE_HOME", "/xdg", 1), 0);
    assert_dir_of_user("/xdg/pobackup");
}
END_TEST

START_TEST(without_any_place_it_says_so)
{
    struct po_buf dir = { 0 };

    ck_assert_int_eq(unsetenv("HOME"), 0);
    ck_assert_int_eq(po_cli_state_dir(&dir, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "POBACKUP_STATE_DIR"));
    po_buf_deinit(&dir);
}
END_TEST

/* ---- the lock ---- */

static struct po_host *
open_site(const char *folder)
{
    struct po_host *host = NULL;

    ck_assert_int_eq(po_host_folder_open(&host, folder, &err), PO_OK);
    return host;
}

START_TEST(a_site_is_the_same_whoever_opens_it)
{
    char real[256];
    struct po_host *hosts[3];

    ck_assert_int_eq(mkdir("site", 0700), 0);
    ck_assert_int_eq(mkdir("other", 0700), 0);
    if (OS_HAS_POSIX)
        ck_assert_int_eq(symlink("site", "link"), 0);
    hosts[0] = open_site("site");
    hosts[1] = open_site(OS_CASE("other/../link/.", "other\\..\\SITE\\."));
    hosts[2] = open_site("other");
    (void)snprintf(real, sizeof real, "folder:%s/site", top);
    ck_assert_str_eq(hosts[0]->ops->identity(hosts[0]), real);
    ck_assert_str_eq(hosts[1]->ops->identity(hosts[1]), real);
    ck_assert_str_ne(hosts[2]->ops->identity(hosts[2]), real);
    for (int i = 0; i < 3; i++)
        po_cli_site_free(hosts[i]);
}
END_TEST

START_TEST(a_site_has_one_lock_and_sites_have_locks_of_their_own)
{
    struct po_cli cli = { .out.is_quiet = true };
    struct po_lock *locks[3] = { NULL };
    struct po_host *site;
    struct po_host *other;
    int code = PO_EXIT_DONE;

    ck_assert_int_eq(setenv("POBACKUP_STATE_DIR", "made/state", 1), 0);
    ck_assert_int_eq(mkdir("site", 0700), 0);
    ck_assert_int_eq(mkdir("other", 0700), 0);
    site = open_site("site");
    other = open_site("other");
    ck_assert(po_cli_site_lock(&cli, site, &locks[0], &code));
    ck_assert_ptr_nonnull(locks[0]);
    ck_assert(!po_cli_site_lock(&cli, site, &locks[1], &code));
    ck_assert_ptr_null(locks[1]);
    ck_assert_int_eq(code, PO_EXIT_FAILED);
    ck_assert(po_cli_site_lock(&cli, other, &locks[2], &code));
    ck_assert_ptr_nonnull(locks[2]);
    po_lock_free(locks[0]);
    ck_assert(po_cli_site_lock(&cli, site, &locks[0], &code));
    ck_assert_ptr_nonnull(locks[0]);
    ck_assert_uint_eq(os_count("made/state"), 2);
    po_lock_free(locks[0]);
    po_lock_free(locks[2]);
    po_buf_deinit(&cli.out.told);
    po_cli_site_free(site);
    po_cli_site_free(other);
}
END_TEST

START_TEST(where_no_lock_can_be_had_the_job_goes_on)
{
    struct po_cli cli = { .out.is_quiet = true };
    struct po_lock *lock = NULL;
    struct po_host *site;
    int code = PO_EXIT_DONE;

    os_write("file", "", 0);
    ck_assert_int_eq(setenv("POBACKUP_STATE_DIR", "file/state", 1), 0);
    ck_assert_int_eq(mkdir("site", 0700), 0);
    site = open_site("site");
    ck_assert(po_cli_site_lock(&cli, site, &lock, &code));
    ck_assert_ptr_null(lock);
    ck_assert_int_eq(code, PO_EXIT_DONE);
    po_lock_free(lock);
    po_buf_deinit(&cli.out.told);
    po_cli_site_free(site);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli_state");
    TCase *tc = tcase_create("state");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_environment_says_where_it_is);
    tcase_add_test(tc, an_empty_variable_counts_as_not_set);
    tcase_add_test(tc, the_administrator_has_one_for_the_machine);
    tcase_add_test(tc, others_have_one_of_their_own);
    os_add_posix_test(tc, without_any_place_it_says_so); /* Windows always has one */
    tcase_add_test(tc, a_site_is_the_same_whoever_opens_it);
    tcase_add_test(tc, a_site_has_one_lock_and_sites_have_locks_of_their_own);
    tcase_add_test(tc, where_no_lock_can_be_had_the_job_goes_on);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
