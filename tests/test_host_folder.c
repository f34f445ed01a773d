#include "host/host.h"
#include "os_help.h"
#include "port/sys.h"
#include "registry/reg.h"

#if OS_HAS_POSIX
#include <signal.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Commands for the shell that the system has; a service that runs has a file. */
#define WELL OS_CASE("true", "exit 0")
#define TOUCH OS_CASE("touch ", "type nul>")
#define IS_ON OS_CASE("test -f on || exit 3", "if not exist on exit 3")
#define HANG OS_CASE("sleep 100", "for /l %i in (1,1,2000000000) do @rem")
#define DIE OS_CASE("kill -9 $$", "exit -1073741510") /* by a signal, by an exception */

/* A service without faults: a process with its id in a file, or the file alone. */
#define GOOD                                                                                       \
    OS_CASE("[service:good]\n"                                                                     \
            "start  = touch started; sleep 300 & echo $! > pid\n"                                  \
            "stop   = touch stopped && kill $(cat pid) && rm pid\n"                                \
            "status = test -f pid || exit 3 && kill -0 $(cat pid)\n",                              \
            "[service:good]\n"                                                                     \
            "start  = type nul>started& type nul>pid\n"                                            \
            "stop   = type nul>stopped& del pid\n"                                                 \
            "status = if not exist pid exit 3\n")

/* ---- helpers: each test has a directory of its own, which is the site ---- */

static char directory[OS_PATH_SIZE];

static void
enter_directory(void)
{
    os_temp_make(directory, "host");
    ck_assert_int_eq(chdir(directory), 0);
}

static void
remove_directory(void)
{
#if OS_HAS_POSIX
    FILE *file = fopen("pid", "r");
    long pid = 0;

    /* What a test that failed has left running. */
    if (file != NULL) {
        if (fscanf(file, "%ld", &pid) == 1 && pid > 1)
            (void)kill((pid_t)pid, SIGKILL);
        (void)fclose(file);
    }
#endif
    os_temp_remove(directory);
}

static void
write_file(const char *path, const char *text)
{
    os_write(path, text, strlen(text));
}

static void
assert_file(const char *path, const char *text)
{
    char bytes[256] = { 0 };
    FILE *file = fopen(path, "rb");

    ck_assert_msg(file != NULL, "%s is missing", path);
    ck_assert_uint_lt(fread(bytes, 1, sizeof(bytes) - 1, file), sizeof(bytes) - 1);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_str_eq(bytes, text);
}

static struct po_host *
open_site(const char *ini)
{
    struct po_host *host = NULL;
    struct po_err err = { 0 };

    if (ini != NULL)
        write_file("pobackup-site.ini", ini);
    if (po_host_folder_open(&host, ".", &err) != PO_OK)
        ck_abort_msg("not opened: %s", err.text);
    return host;
}

/* `size` bytes of `ini`, which may hold a NUL. */
static void
assert_refused(const char *ini, size_t size, const char *begins)
{
    struct po_host *host = NULL;
    struct po_err err = { 0 };
    char expected[256];

    os_write("pobackup-site.ini", ini, size);
    snprintf(expected, sizeof(expected), "%s/pobackup-site.ini: %s", directory, begins);
    ck_assert_msg(po_host_folder_open(&host, ".", &err) == PO_E_USAGE, "%s: %s", ini, err.text);
    ck_assert_ptr_null(host);
    ck_assert_msg(strncmp(err.text, expected, strlen(expected)) == 0,
                  "\"%s\" does not begin with \"%s\"", err.text, expected);
}

static void
assert_state(struct po_host *host, size_t number, enum po_service_state expected)
{
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_state(host, number, &state, &err), PO_OK);
    ck_assert_str_eq(po_service_state_name(state), po_service_state_name(expected));
}

static void
assert_place(struct po_host *host, enum po_part part, const char *below)
{
    char expected[256];

    snprintf(expected, sizeof(expected), "%s/%s", directory, below);
    ck_assert_str_eq(host->ops->place(host, part), expected);
}

/* ---- names ---- */

START_TEST(parts_and_states_have_the_names_of_the_guide)
{
    /* req: N1 */
    ck_assert_str_eq(po_part_member(PO_PART_REGISTRY), "Post.OfficeRegKeyBackup.reg");
    ck_assert_str_eq(po_part_member(PO_PART_BIN), "Post.OfficeexeBackup");
    ck_assert_str_eq(po_part_member(PO_PART_SPOOL), "Post.OfficeConfigBackup");
    ck_assert_str_eq(po_part_member(PO_PART_MAILBOX), "Post.OfficemailboxBackup");
    ck_assert_str_eq(po_part_name(PO_PART_REGISTRY), "registry");
    ck_assert_str_eq(po_part_name(PO_PART_BIN), "bin");
    ck_assert_str_eq(po_part_name(PO_PART_SPOOL), "spool");
    ck_assert_str_eq(po_part_name(PO_PART_MAILBOX), "mailbox");
    ck_assert_str_eq(po_service_state_name(PO_SERVICE_UNKNOWN), "unknown");
    ck_assert_str_eq(po_service_state_name(PO_SERVICE_STOPPED), "stopped");
    ck_assert_str_eq(po_service_state_name(PO_SERVICE_RUNNING), "running");
}
END_TEST

/* ---- pobackup-site.ini ---- */

START_TEST(a_folder_without_ini_has_the_layout_of_the_guide)
{
    struct po_host *host = open_site(NULL);
    const struct po_host_ops *ops;

    ck_assert_str_eq(host->ops->kind, "folder");
    for (int part = 0; part < PO_PART_COUNT; part++)
        assert_place(host, (enum po_part)part, po_part_member((enum po_part)part));
    ck_assert_uint_eq(host->ops->service_count(host), 0);
    ck_assert_ptr_null(host->ops->service(host, 0));
    ops = host->ops;
    ops->free(host);
    ops->free(NULL);
}
END_TEST

/* req: N5 */
START_TEST(the_sample_of_the_manual_is_read)
{
    struct po_host *host = open_site(
        "[trees]                      ; each optional: default is the guide's name\n"
        "registry = Post.OfficeRegKeyBackup.reg    ; or an absolute path, or \"none\"\n"
        "bin      = /opt/post.office/bin\n"
        "spool    = /var/spool/post.office\n"
        "mailbox  = /var/spool/mailbox\n"
        "\n"
        "[service:post.office MTA]    ; in the order they are started; stopped in reverse\n"
        "start  = systemctl start post-office-mta\n"
        "stop   = systemctl stop post-office-mta\n"
        "status = exit 3    ; exit 0 running, 3 stopped (LSB), else unknown\n"
        "stop-timeout  = 61\n"
        "start-timeout = 62\n"
        "[service:post.office pufService]\n"
        "start=" WELL "\nstop=" WELL "\nstatus=" WELL "\n");
    const struct po_service *service;

    assert_place(host, PO_PART_REGISTRY, "Post.OfficeRegKeyBackup.reg");
    ck_assert_str_eq(host->ops->place(host, PO_PART_BIN), "/opt/post.office/bin");
    ck_assert_str_eq(host->ops->place(host, PO_PART_SPOOL), "/var/spool/post.office");
    ck_assert_str_eq(host->ops->place(host, PO_PART_MAILBOX), "/var/spool/mailbox");
    ck_assert_uint_eq(host->ops->service_count(host), 2);
    service = host->ops->service(host, 0);
    ck_assert_str_eq(service->name, "post.office MTA");
    ck_assert_uint_eq(service->stop_timeout_s, 61);
    ck_assert_uint_eq(service->start_timeout_s, 62);
    service = host->ops->service(host, 1);
    ck_assert_str_eq(service->name, "post.office pufService");
    ck_assert_uint_eq(service->stop_timeout_s, 60);
    ck_assert_uint_eq(service->start_timeout_s, 60);
    assert_state(host, 0, PO_SERVICE_STOPPED);
    assert_state(host, 1, PO_SERVICE_RUNNING);
    host->ops->free(host);
}
END_TEST

START_TEST(a_tree_may_be_none_or_relative)
{
    struct po_host *host = open_site("[trees]\nregistry = none\nspool = data/s p;ool=1\nbin=b\n");

    ck_assert_ptr_null(host->ops->place(host, PO_PART_REGISTRY));
    assert_place(host, PO_PART_SPOOL, "data/s p;ool=1");
    assert_place(host, PO_PART_BIN, "b");
    assert_place(host, PO_PART_MAILBOX, "Post.OfficemailboxBackup");
    host->ops->free(host);
}
END_TEST

START_TEST(commands_may_hold_equals_signs_quotes_and_semicolons)
{
    struct po_host *host = open_site(
        "\xEF\xBB\xBF; Notepad's mark and line ends\r\n"
        "\t[service:a]\r\n"
        "\tstart = " OS_CASE(
            "x=\"a b\"; echo $x=1 > 'o u t' # 1",
            "echo a=\"b c\";d>\"o u t\"") " ; comment\r\n"
                                          "\tstop = " WELL "\r\n  # comment\r\n\tstatus = " OS_CASE(
                                              "test -f 'o u t'", "if not exist \"o u t\"")
                                              OS_CASE(" || ", " ") "exit 3\r\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_start(host, 0, 0, &err), PO_OK);
    assert_file("o u t", OS_CASE("a b=1\n", "a=\"b c\";d\r\n"));
    host->ops->free(host);
}
END_TEST

START_TEST(a_bad_ini_is_refused_with_its_line)
{
#define ABC "start=a\nstop=b\nstatus=c\n"
    static const struct {
        const char *ini;
        const char *begins;
    } cases[] = {
        { "bin = x\n", "line 1: \"bin\" stands before any section" },
        { "\n[tree]\n", "line 2: unknown section [tree]" },
        { "[Trees]\n", "line 1: unknown section [Trees]" },
        { "[]\n", "line 1: unknown section []" },
        { "[trees\n", "line 1: a section is [name]" },
        { "[trees] bin = x\n", "line 1: a section is [name]" },
        { "[trees ;]\n", "line 1: unknown section [trees ;]" },
        { "[trees]\n\n[trees]\n", "line 3: [trees] is there already" },
        { "[trees]\nqueue = x\n", "line 2: unknown key \"queue\" in [trees]" },
        { "[trees]\nBin = x\n", "line 2: unknown key \"Bin\" in [trees]" },
        { "[trees]\nbin = x\nbin = y\n", "line 3: \"bin\" is there already" },
        { "[trees]\nbin =\n", "line 2: \"bin\" has no value" },
        { "[trees]\nbin = ; comment\n", "line 2: \"bin\" has no value" },
        { "[trees]\nbin\n", "line 2: neither [section] nor key = value" },
        { "[trees]\nbin\n[nonsense]\n", "line 2: neither [section] nor key = value" },
        { "[trees]\n= x\n", "line 2: unknown key \"\"" },
        { "[service:]\n" ABC, "line 1: the service has no name" },
        { "[service: ]\n" ABC, "line 1: the service has no name" },
        { "[service:a]\n" ABC "[service:b]\n" ABC "[service:a]\n",
          "line 9: service a is there already, in line 1" },
        { "[service:a]\nstop=b\nstatus=c\n[trees]\n", "line 1: service a has no \"start\"" },
        { "\n[service:a]\nstart=b\nstatus=c\n", "line 2: service a has no \"stop\"" },
        { "[service:a]\nstart=b\nstop=c\n[service:b]\n", "line 1: service a has no \"status\"" },
        { "[trees]\n[service:a]", "line 2: service a has no \"start\"" },
        { "[service:a]\nstart=\n", "line 2: \"start\" has no value" },
        { "[service:a]\nstart=a\nstart=a\n", "line 3: \"start\" is there already" },
        { "[service:a]\nrestart=a\n", "line 2: unknown key \"restart\" in [service:a]" },
        { "[service:a]\nstop-timeout = 0\n", "line 2: \"stop-timeout\" is 1 to 86400 seconds" },
        { "[service:a]\nstop-timeout = 86401\n", "line 2: \"stop-timeout\" is 1 to 86400" },
        { "[service:a]\nstart-timeout = 5s\n", "line 2: \"start-timeout\" is 1 to 86400" },
        { "[service:a]\nstart-timeout = -5\n", "line 2: \"start-timeout\" is 1 to 86400" },
        { "[service:a]\nstop-timeout=1\nstop-timeout=1\n", "line 3: \"stop-timeout\" is there" },
        { "[trees]\n\nbin = \xFF\n", "line 3: not UTF-8" },
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_refused(cases[i].ini, strlen(cases[i].ini), cases[i].begins);
    assert_refused("[trees]\nbin = a\0b\n", 17, "line 2: a NUL byte");
}
END_TEST

START_TEST(a_line_that_would_be_cut_is_refused)
{
    struct po_buf ini = { 0 };
    struct po_host *host;

    /* Section lines and comments are not limited. */
    po_buf_put_text(&ini, "; ");
    for (int i = 0; i < 1000; i++)
        po_buf_put_text(&ini, "x");
    po_buf_put_text(&ini, "\n[service:");
    for (int i = 0; i < 1000; i++)
        po_buf_put_text(&ini, "x");
    po_buf_put_text(&ini, "]\n" ABC);
    host = open_site(po_buf_text(&ini));
    ck_assert_uint_eq(strlen(host->ops->service(host, 0)->name), 1000);
    host->ops->free(host);
    po_buf_put_text(&ini, "[trees]\nbin = ");
    for (int i = 0; i < 4000; i++)
        po_buf_put_text(&ini, "x");
    assert_refused((const char *)ini.bytes, ini.size, "line 7: longer than ");
    po_buf_deinit(&ini);
}
END_TEST

/* What is not refused must be whole: lengths around every limit there may be. */
START_TEST(no_value_is_cut_silently)
{
    int accepted = 0;

    for (int length = 1; length < 300; length++) {
        struct po_buf ini = { 0 };
        struct po_host *host = NULL;
        struct po_err err = { 0 };

        po_buf_put_text(&ini, "[trees]\nbin = /");
        for (int i = 0; i < length; i++)
            po_buf_put_text(&ini, "x");
        write_file("pobackup-site.ini", po_buf_text(&ini));
        if (po_host_folder_open(&host, ".", &err) == PO_OK) {
            ck_assert_str_eq(host->ops->place(host, PO_PART_BIN), po_buf_text(&ini) + 14);
            host->ops->free(host);
            accepted = length;
        } else {
            ck_assert_msg(strstr(err.text, "line 2: longer than") != NULL, "%s", err.text);
        }
        po_buf_deinit(&ini);
    }
    printf("longest value of \"bin\" that is taken: %d bytes\n", accepted + 1);
    ck_assert_int_gt(accepted, 150);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named)
{
    struct po_host *host = NULL;
    struct po_err err = { 0 };

    ck_assert_int_eq(po_host_folder_open(&host, "missing", &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "missing: no such folder");
    write_file("file", "");
    ck_assert_int_eq(po_host_folder_open(&host, "file", &err), PO_E_USAGE);
    ck_assert_str_eq(err.text, "file: not a folder");
    ck_assert_int_eq(mkdir("pobackup-site.ini", 0700), 0);
    ck_assert_int_eq(po_host_folder_open(&host, ".", &err), PO_E_IO);
    ck_assert_ptr_null(host);
}
END_TEST

/* ---- services ---- */

START_TEST(a_service_is_started_and_stopped)
{
    struct po_host *host = open_site(GOOD);
    struct po_err err = { 0 };

    /* From anywhere: commands run in the folder. */
    ck_assert_int_eq(chdir("/"), 0);
    assert_state(host, 0, PO_SERVICE_STOPPED);
    ck_assert_msg(host->ops->service_start(host, 0, 0, &err) == PO_OK, "%s", err.text);
    assert_state(host, 0, PO_SERVICE_RUNNING);
    ck_assert_msg(host->ops->service_stop(host, 0, 0, &err) == PO_OK, "%s", err.text);
    assert_state(host, 0, PO_SERVICE_STOPPED);
    host->ops->free(host);
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert(os_exists("started"));
    ck_assert(os_exists("stopped"));
}
END_TEST

START_TEST(nothing_is_run_for_a_state_that_is_there)
{
    struct po_host *host =
        open_site("[service:on]\nstart = " TOUCH "ran\nstop=a\nstatus = " WELL "\n"
                  "[service:off]\nstart=a\nstop = " TOUCH "ran\nstatus=exit 3\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_start(host, 0, 0, &err), PO_OK);
    ck_assert_int_eq(host->ops->service_stop(host, 1, 0, &err), PO_OK);
    ck_assert(!os_exists("ran"));
    host->ops->free(host);
}
END_TEST

START_TEST(other_exit_codes_of_status_are_unknown)
{
    struct po_host *host = open_site("[service:a]\nstart=a\nstop=b\nstatus = exit 1\n"
                                     "[service:b]\nstart=a\nstop=b\nstatus = " DIE "\n"
                                     "[service:c]\nstart=a\nstop=b\nstatus = /no/such/program\n");

    for (size_t i = 0; i < 3; i++)
        assert_state(host, i, PO_SERVICE_UNKNOWN);
    host->ops->free(host);
}
END_TEST

START_TEST(an_unknown_service_is_asked_to_stop)
{
    struct po_host *host = open_site("[service:a]\nstart=a\nstop = " TOUCH "off\nstatus = " OS_CASE(
        "test -f off && exit 3; exit 1", "if exist off (exit 3) else exit 1") "\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_stop(host, 0, 0, &err), PO_OK);
    ck_assert(os_exists("off"));
    host->ops->free(host);
}
END_TEST

START_TEST(a_service_that_needs_time_is_waited_for)
{
    struct po_host *host =
        open_site("[service:a]\nstart = (sleep 0.5; touch on) >/dev/null 2>&1 &\n"
                  "stop = (sleep 0.5; rm on) >/dev/null 2>&1 &\nstatus = test -f on || exit 3\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_start(host, 0, 0, &err), PO_OK);
    ck_assert(os_exists("on"));
    ck_assert_int_eq(host->ops->service_stop(host, 0, 0, &err), PO_OK);
    ck_assert(!os_exists("on"));
    host->ops->free(host);
}
END_TEST

START_TEST(a_stop_that_hangs_is_ended)
{
    struct po_host *host = open_site("[service:mta]\nstart=a\nstop = echo busy&& " HANG "\n"
                                     "status = " WELL "\nstop-timeout = 1\n");
    struct po_err err = { 0 };
    double start = po_sys_monotonic();

    ck_assert_int_eq(host->ops->service_stop(host, 0, 0, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "stop command \"echo busy&& " HANG "\" did not end "
                               "within 1 s and was ended: busy");
    ck_assert_double_lt(po_sys_monotonic() - start, 8);
    host->ops->free(host);
}
END_TEST

START_TEST(a_stop_that_fails_shows_what_it_said)
{
#define LINES                                                                                      \
    OS_CASE("for i in 1 2 3 4 5 6; do echo line $i; done; exit 4",                                 \
            "(for %i in (1 2 3 4 5 6) do @echo line %i)& exit 4")
    struct po_host *host = open_site("[service:mta]\nstart=a\nstatus = " WELL "\nstop = " LINES "\n"
                                     "[service:b]\nstart=a\nstatus = " WELL "\nstop = " DIE "\n");
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_stop(host, 0, 0, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "stop command \"" LINES
                               "\" ended with exit code 4: line 3 | line 4 | line 5 | "
                               "line 6");
    ck_assert_int_eq(host->ops->service_stop(host, 1, 0, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "stop command \"" DIE "\" was ended by a signal");
    host->ops->free(host);
}
END_TEST

START_TEST(a_service_that_does_not_obey_is_given_up)
{
    struct po_host *host =
        open_site("[service:a]\nstart = " TOUCH "tried\nstop = " WELL "\nstatus = " IS_ON "\n"
                  "start-timeout = 100\n");
    struct po_err err = { 0 };
    double start = po_sys_monotonic();

    /* The caller's time counts, not the file's. */
    ck_assert_int_eq(host->ops->service_start(host, 0, 1, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "not running after 1 s: start command \"" TOUCH
                               "tried\" ended well, but status command \"" IS_ON "\" says stopped");
    ck_assert(os_exists("tried"));
    write_file("on", "");
    ck_assert_int_eq(host->ops->service_stop(host, 0, 1, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "not stopped after 1 s: stop command \"" WELL
                               "\" ended well, but status command \"" IS_ON "\" says running");
    ck_assert_double_ge(po_sys_monotonic() - start, 2);
    ck_assert_double_lt(po_sys_monotonic() - start, 10);
    host->ops->free(host);
}
END_TEST

START_TEST(a_status_that_hangs_is_unknown)
{
    struct po_host *host = open_site(
        "[service:a]\nstart=a\nstop=b\nstatus = " HANG "\n"
        "[service:b]\nstart=a\nstop = " TOUCH "slow\nstatus = " OS_CASE(
            "if test -f slow; then sleep 100; fi", "if exist slow " HANG) "\nstop-timeout = 2\n");
    struct po_err err = { 0 };
    double start = po_sys_monotonic();

    assert_state(host, 0, PO_SERVICE_UNKNOWN);
    ck_assert_double_ge(po_sys_monotonic() - start, 9);
    ck_assert_double_lt(po_sys_monotonic() - start, 18);
    start = po_sys_monotonic();
    ck_assert_int_eq(host->ops->service_stop(host, 1, 0, &err), PO_E_IO);
    ck_assert_msg(strstr(err.text, "says unknown") != NULL, "%s", err.text);
    ck_assert_double_lt(po_sys_monotonic() - start, 10);
    host->ops->free(host);
}
END_TEST

START_TEST(a_service_number_beyond_the_last_is_refused)
{
    struct po_host *host = open_site(GOOD);
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    struct po_err err = { 0 };

    ck_assert_int_eq(host->ops->service_state(host, 1, &state, &err), PO_E_USAGE);
    ck_assert_int_eq(host->ops->service_stop(host, 1, 0, &err), PO_E_USAGE);
    ck_assert_int_eq(host->ops->service_start(host, 1, 0, &err), PO_E_USAGE);
    ck_assert_ptr_null(host->ops->service(host, 1));
    host->ops->free(host);
}
END_TEST

/* ---- registry ---- */

START_TEST(the_registry_is_read_as_it_is)
{
    struct po_host *host = open_site(NULL);
    struct po_buf out = { 0 };
    struct po_err err = { 0 };
    int64_t write_time = 0;

    ck_assert_int_eq(host->ops->registry_export(host, &out, &write_time, &err), PO_E_IO);
    ck_assert_msg(strstr(err.text, "Post.OfficeRegKeyBackup.reg: no such file") != NULL, "%s",
                  err.text);
    write_file("Post.OfficeRegKeyBackup.reg", "any bytes");
    os_set_time("Post.OfficeRegKeyBackup.reg", 10000000001234567);
    po_buf_put_text(&out, "before ");
    ck_assert_int_eq(host->ops->registry_export(host, &out, &write_time, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&out), "before any bytes");
    ck_assert_int_eq(write_time, 10000000001234567);
    po_buf_deinit(&out);
    host->ops->free(host);
}
END_TEST

START_TEST(the_registry_is_replaced_and_the_former_kept)
{
    struct po_host *host = open_site("[trees]\nregistry = a/b/key.reg\n");
    struct po_buf former = { 0 };
    struct po_err err = { 0 };

    /* What a run that died has left is no hindrance. */
    ck_assert_int_eq(mkdir("a", 0700), 0);
    ck_assert_int_eq(mkdir("a/b", 0700), 0);
    write_file("a/b/.pobackup-new-file", "left over, and longer than the new content");
    write_file("a/b/key.reg.new", "somebody else's");
    ck_assert_msg(host->ops->registry_import(host, "one", 3, POBACKUP_TIME_UNKNOWN,
                                             PO_REGISTRY_EXACT, &former, &err) == PO_OK,
                  "%s", err.text);
    ck_assert_uint_eq(former.size, 0);
    assert_file("a/b/key.reg", "one");
    os_assert_mode("a/b/key.reg", 0600);
    ck_assert(!os_exists("a/b/.pobackup-new-file"));
    assert_file("a/b/key.reg.new", "somebody else's");
    ck_assert_int_eq(chmod("a/b/key.reg", 0640), 0);
#if OS_HAS_POSIX
    if (geteuid() == 0)
        ck_assert_int_eq(chown("a/b/key.reg", 1234, 4321), 0);
#endif
    ck_assert_int_eq(host->ops->registry_import(host, "two", 3, INT64_C(16000000001234567),
                                                PO_REGISTRY_EXACT, &former, &err),
                     PO_OK);
    ck_assert_str_eq(po_buf_text(&former), "one");
    assert_file("a/b/key.reg", "two");
    ck_assert_int_eq(os_stat("a/b/key.reg").write_time, 16000000001234567);
    os_assert_mode("a/b/key.reg", 0640);
    if (OS_HAS_POSIX && geteuid() == 0) {
        ck_assert_uint_eq(os_stat("a/b/key.reg").uid, 1234);
        ck_assert_uint_eq(os_stat("a/b/key.reg").gid, 4321);
    }
    po_buf_deinit(&former);
    host->ops->free(host);
}
END_TEST

START_TEST(a_missing_folder_of_the_registry_is_made)
{
    struct po_host *host = open_site("[trees]\nregistry = a/b/key.reg\n");
    struct po_buf former = { 0 };
    struct po_err err = { 0 };

    ck_assert_msg(host->ops->registry_import(host, "REGEDIT4\n", 9, POBACKUP_TIME_UNKNOWN,
                                             PO_REGISTRY_MERGED, &former, &err) == PO_OK,
                  "%s", err.text);
    ck_assert_uint_eq(former.size, 0);
    assert_file("a/b/key.reg", "REGEDIT4\n");
    po_buf_deinit(&former);
    host->ops->free(host);
}
END_TEST

START_TEST(a_failed_import_leaves_the_former_registry)
{
    struct po_host *host = open_site("[trees]\nregistry = key.reg\n");
    struct po_buf former = { 0 };
    struct po_err err = { 0 };

    write_file("key.reg", "one");
    ck_assert_int_eq(mkdir(".pobackup-new-file", 0700), 0);
    ck_assert_int_eq(host->ops->registry_import(host, "two", 3, POBACKUP_TIME_UNKNOWN,
                                                PO_REGISTRY_EXACT, &former, &err),
                     PO_E_IO);
    ck_assert_str_eq(po_buf_text(&former), "one");
    assert_file("key.reg", "one");
    ck_assert(os_exists(".pobackup-new-file"));
    po_buf_deinit(&former);
    host->ops->free(host);
}
END_TEST

#define REG_HEAD "REGEDIT4\n"
#define REG_KEY "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\n"
#define REG_KEY_32 "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Wow6432Node\\Software.com\\Post.Office]\n"

/* What is in key.reg after the import, as lines; it is printed when it was joined. */
static void
assert_import(const char *there, const char *imported, enum po_registry_how how,
              const char *expected)
{
    struct po_host *host = open_site("[trees]\nregistry = key.reg\n");
    struct po_buf former = { 0 };
    struct po_buf now = { 0 };
    struct po_reg *is = NULL;
    struct po_reg *should_be = NULL;
    struct po_buf a = { 0 };
    struct po_buf b = { 0 };
    struct po_err err = { 0 };
    int64_t write_time;

    write_file("key.reg", there);
    ck_assert_msg(host->ops->registry_import(host, imported, strlen(imported),
                                             POBACKUP_TIME_UNKNOWN, how, &former, &err) == PO_OK,
                  "%s", err.text);
    ck_assert_str_eq(po_buf_text(&former), there);
    ck_assert_int_eq(host->ops->registry_export(host, &now, &write_time, &err), PO_OK);
    ck_assert_int_eq(po_reg_parse(&is, now.bytes, now.size, PO_REG_CODE_PAGE_AUTO, &err), PO_OK);
    ck_assert_int_eq(
        po_reg_parse(&should_be, expected, strlen(expected), PO_REG_CODE_PAGE_AUTO, &err), PO_OK);
    ck_assert_int_eq(po_reg_print(is, &a, &err), PO_OK);
    ck_assert_int_eq(po_reg_print(should_be, &b, &err), PO_OK);
    ck_assert_uint_eq(a.size, b.size);
    ck_assert_mem_eq(a.bytes, b.bytes, a.size);
    po_reg_free(is);
    po_reg_free(should_be);
    po_buf_deinit(&a);
    po_buf_deinit(&b);
    po_buf_deinit(&former);
    po_buf_deinit(&now);
    host->ops->free(host);
}

/* req: R3 */
START_TEST(what_an_import_lacks_survives_unless_it_is_exact)
{
    static const char there[] = REG_HEAD REG_KEY "\"a\"=\"1\"\n\"b\"=\"1\"\n";
    static const char imported[] = REG_HEAD REG_KEY "\"b\"=\"2\"\n\"c\"=\"2\"\n";

    assert_import(there, imported, PO_REGISTRY_MERGED,
                  REG_HEAD REG_KEY "\"a\"=\"1\"\n\"b\"=\"2\"\n\"c\"=\"2\"\n");
    assert_file("key.reg", "\xFF\xFEW");
    assert_import(there, imported, PO_REGISTRY_EXACT, imported);
    assert_file("key.reg", imported);
    /* Nothing survives: byte for byte. */
    assert_import(REG_HEAD REG_KEY "\"B\"=\"1\"\n", imported, PO_REGISTRY_MERGED, imported);
    assert_file("key.reg", imported);
    /* What deletes is not kept as a line. */
    assert_import(there, REG_HEAD REG_KEY "\"b\"=-\n", PO_REGISTRY_MERGED,
                  REG_HEAD REG_KEY "\"a\"=\"1\"\n");
}
END_TEST

/* req: R3 */
START_TEST(keys_come_into_the_view_that_the_site_has)
{
    static const char plain[] = REG_HEAD REG_KEY "\"a\"=\"1\"\n";
    static const char node[] = REG_HEAD REG_KEY_32 "\"a\"=\"2\"\n";

    assert_import(plain, node, PO_REGISTRY_MERGED, REG_HEAD REG_KEY "\"a\"=\"2\"\n");
    assert_import(node, plain, PO_REGISTRY_MERGED, REG_HEAD REG_KEY_32 "\"a\"=\"1\"\n");
    assert_import(plain, node, PO_REGISTRY_EXACT, REG_HEAD REG_KEY "\"a\"=\"2\"\n");
    assert_import(node, plain, PO_REGISTRY_EXACT, REG_HEAD REG_KEY_32 "\"a\"=\"1\"\n");
}
END_TEST

START_TEST(what_is_no_registry_is_not_merged)
{
    static const char good[] = REG_HEAD REG_KEY "\"a\"=\"1\"\n";
    struct po_host *host = open_site("[trees]\nregistry = key.reg\n");
    struct po_buf former = { 0 };
    struct po_err err = { 0 };

    write_file("key.reg", "text");
    ck_assert_int_eq(host->ops->registry_import(host, good, strlen(good), POBACKUP_TIME_UNKNOWN,
                                                PO_REGISTRY_MERGED, &former, &err),
                     PO_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.text, "the one that is there: line 1"));
    assert_file("key.reg", "text");
    write_file("key.reg", good);
    ck_assert_int_eq(host->ops->registry_import(host, "text", 4, POBACKUP_TIME_UNKNOWN,
                                                PO_REGISTRY_MERGED, &former, &err),
                     PO_E_UNSUPPORTED);
    assert_file("key.reg", good);
    po_buf_deinit(&former);
    host->ops->free(host);
}
END_TEST

/* req: R4 */
START_TEST(a_site_may_say_by_which_paths_the_server_knows_its_trees)
{
    struct po_host *host =
        open_site("[places]\nspool = E:\\Spool\n[trees]\nspool = s\nbin = none\n");

    ck_assert_str_eq(po_host_known_place(host, PO_PART_SPOOL), "E:\\Spool");
    ck_assert_str_eq(po_host_known_place(host, PO_PART_MAILBOX),
                     host->ops->place(host, PO_PART_MAILBOX));
    ck_assert_ptr_null(po_host_known_place(host, PO_PART_BIN));
    host->ops->free(host);
    assert_refused("[places]\nregistry = x\n", 22, "line 2: unknown key \"registry\" in [places]");
    assert_refused("[places]\nbin = x\nbin = y\n", 25, "line 3: \"bin\" is there already");
    assert_refused("[places]\n[trees]\n[places]\n", 26, "line 3: [places] is there already");
}
END_TEST

START_TEST(a_site_without_registry_says_so)
{
    struct po_host *host = open_site("[trees]\nregistry = none\n");
    struct po_buf out = { 0 };
    struct po_err err = { 0 };
    int64_t write_time = 0;

    ck_assert_int_eq(host->ops->registry_export(host, &out, &write_time, &err), PO_E_IO);
    ck_assert_msg(strstr(err.text, "the site has no registry") != NULL, "%s", err.text);
    ck_assert_int_eq(host->ops->registry_import(host, "x", 1, POBACKUP_TIME_UNKNOWN,
                                                PO_REGISTRY_MERGED, &out, &err),
                     PO_E_IO);
    ck_assert_msg(strstr(err.text, "the site has no registry") != NULL, "%s", err.text);
    po_buf_deinit(&out);
    host->ops->free(host);
}
END_TEST

static Suite *
host_suite(void)
{
    Suite *suite = suite_create("host_folder");
    TCase *ini = tcase_create("ini");
    TCase *services = tcase_create("services");
    TCase *registry = tcase_create("registry");

    tcase_add_checked_fixture(ini, enter_directory, remove_directory);
    tcase_set_timeout(ini, 60);
    tcase_add_test(ini, parts_and_states_have_the_names_of_the_guide);
    tcase_add_test(ini, a_folder_without_ini_has_the_layout_of_the_guide);
    tcase_add_test(ini, the_sample_of_the_manual_is_read);
    tcase_add_test(ini, a_tree_may_be_none_or_relative);
    tcase_add_test(ini, commands_may_hold_equals_signs_quotes_and_semicolons);
    tcase_add_test(ini, a_bad_ini_is_refused_with_its_line);
    tcase_add_test(ini, a_line_that_would_be_cut_is_refused);
    tcase_add_test(ini, no_value_is_cut_silently);
    tcase_add_test(ini, a_folder_that_is_not_there_is_named);
    suite_add_tcase(suite, ini);
    tcase_add_checked_fixture(services, enter_directory, remove_directory);
    tcase_set_timeout(services, 60);
    tcase_add_test(services, a_service_is_started_and_stopped);
    tcase_add_test(services, nothing_is_run_for_a_state_that_is_there);
    tcase_add_test(services, other_exit_codes_of_status_are_unknown);
    tcase_add_test(services, an_unknown_service_is_asked_to_stop);
    os_add_posix_test(services, a_service_that_needs_time_is_waited_for);
    tcase_add_test(services, a_stop_that_hangs_is_ended);
    tcase_add_test(services, a_stop_that_fails_shows_what_it_said);
    tcase_add_test(services, a_service_that_does_not_obey_is_given_up);
    tcase_add_test(services, a_status_that_hangs_is_unknown);
    tcase_add_test(services, a_service_number_beyond_the_last_is_refused);
    suite_add_tcase(suite, services);
    tcase_add_checked_fixture(registry, enter_directory, remove_directory);
    tcase_add_test(registry, the_registry_is_read_as_it_is);
    tcase_add_test(registry, the_registry_is_replaced_and_the_former_kept);
    tcase_add_test(registry, a_missing_folder_of_the_registry_is_made);
    tcase_add_test(registry, a_failed_import_leaves_the_former_registry);
    tcase_add_test(registry, a_site_without_registry_says_so);
    tcase_add_test(registry, what_an_import_lacks_survives_unless_it_is_exact);
    tcase_add_test(registry, keys_come_into_the_view_that_the_site_has);
    tcase_add_test(registry, what_is_no_registry_is_not_merged);
    tcase_add_test(registry, a_site_may_say_by_which_paths_the_server_knows_its_trees);
    suite_add_tcase(suite, registry);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(host_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
