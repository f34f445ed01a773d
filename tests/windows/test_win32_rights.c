/*
 * req: B1, R7: rights, accounts, privileges and poperms on Windows. Wine flattens the rights of files,
 * so what is set is looked at on its way to the system.
 */
#include "base/mem.h"
#include "host/host_win32_accounts.h"
#include "host/host_win32_admin.h"
#include "host/host_win32_poperms.h"
#include "host/host_win32_rights.h"
#include "host/security_rule.h"
#include "host/security_sddl.h"
#include "os_help.h"
#include "port/sys.h"

#include <sddl.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MACHINE "S-1-5-21-100-200-300"

static char top[OS_PATH_SIZE];
static struct po_err err;
static volatile int cancel;

static void
set_up(void)
{
    os_temp_make(top, "rights");
    ck_assert_int_eq(chdir(top), 0);
    err = (struct po_err){ 0 };
    cancel = 0;
}

static void
tear_down(void)
{
    /* A program is in use for a moment longer than it runs. */
    for (int i = 0;
         i < 100 && !DeleteFileW(L"bin\\others\\poperms.exe") &&
         GetLastError() != ERROR_FILE_NOT_FOUND && GetLastError() != ERROR_PATH_NOT_FOUND;
         i++)
        po_sys_sleep_ms(50);
    ck_assert_int_eq(chdir(".."), 0);
    os_temp_remove(top);
}

static void
must(enum po_status st)
{
    ck_assert_msg(st == PO_OK, "%s", err.text);
}

static void
must_fail(enum po_status st, enum po_status expected, const char *text)
{
    ck_assert_int_eq(st, expected);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" has no \"%s\"", err.text, text);
}

static struct po_sid
sid(const char *text)
{
    struct po_sid out = { 0 };

    ck_assert_msg(po_sid_parse(&out, text), "%s", text);
    return out;
}

/* ---- the same language as Windows ---- */

static const char *const sddl_texts[] = {
    "O:BAG:SYD:PAI(D;;FW;;;BG)(A;OICI;FA;;;BA)(A;OICIID;0x1301bf;;;S-1-5-21-1-2-3-1005)",
    "O:BAD:P(A;OICI;FA;;;SY)",
    "D:(A;;GA;;;AN)(A;NP;GX;;;LS)(A;OICIIO;GR;;;CO)S:(AU;SAFA;FA;;;WD)", /* Wine mixes up the AI of both */
    "O:S-1-5-21-4294967295-0-1-513D:(A;;0x1;;;NS)",
};

START_TEST(our_descriptors_are_those_that_windows_makes)
{
    for (size_t i = 0; i < COUNT(sddl_texts); i++) {
        struct po_wide text = { 0 };
        PSECURITY_DESCRIPTOR theirs = NULL;
        ULONG size = 0;
        struct po_buf ours = { 0 };
        struct po_security security;
        struct po_buf again = { 0 };

        must(po_wide_from_text(&text, sddl_texts[i], strlen(sddl_texts[i]), &err));
        ck_assert(ConvertStringSecurityDescriptorToSecurityDescriptorW(text.text, SDDL_REVISION_1,
                                                                       &theirs, &size));
        must(po_sddl_parse(&ours, sddl_texts[i], &err));
        ck_assert(IsValidSecurityDescriptor(ours.bytes));
        /* Theirs may be laid out in another order, and have flags of its own: as text they agree. */
        must(po_security_parse(&security, theirs, size, &err));
        po_sddl_put(&again, &security);
        ck_assert_str_eq(po_buf_text(&again), sddl_texts[i]);
        po_buf_deinit(&again);
        po_buf_deinit(&ours);
        po_wide_free(&text);
        (void)LocalFree(theirs);
    }
}
END_TEST

START_TEST(windows_reads_what_we_make)
{
    for (size_t i = 0; i < COUNT(sddl_texts); i++) {
        struct po_buf ours = { 0 };
        struct po_buf text = { 0 };
        struct po_buf again = { 0 };
        struct po_security security;
        wchar_t *theirs = NULL;
        SECURITY_INFORMATION parts = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION |
                                     DACL_SECURITY_INFORMATION | SACL_SECURITY_INFORMATION;

        must(po_sddl_parse(&ours, sddl_texts[i], &err));
        ck_assert(ConvertSecurityDescriptorToStringSecurityDescriptorW(ours.bytes, SDDL_REVISION_1,
                                                                       parts, &theirs, NULL));
        po_wide_put(&text, theirs, wcslen(theirs));
        (void)LocalFree(theirs);
        /* Windows' text means the same to us, whichever way it writes masks. */
        po_buf_clear(&ours);
        must(po_sddl_parse(&ours, po_buf_text(&text), &err));
        must(po_security_parse(&security, ours.bytes, ours.size, &err));
        po_sddl_put(&again, &security);
        ck_assert_str_eq(po_buf_text(&again), sddl_texts[i]);
        po_buf_deinit(&again);
        po_buf_deinit(&text);
        po_buf_deinit(&ours);
    }
}
END_TEST

/* ---- accounts ---- */

START_TEST(this_machine_knows_its_accounts)
{
    struct po_account_system system = po_win32_accounts(&po_win32_account_calls);
    struct po_sid administrators = sid("S-1-5-32-544");
    struct po_sid unknown = sid("S-1-5-21-9-9-9-9999");
    struct po_sid machine = { 0 };
    struct po_sid found = { 0 };
    enum po_account_kind kind = PO_ACCOUNT_UNKNOWN;
    struct po_buf name = { 0 };
    bool is_found = false;

    must(system.name_of(system.ctx, &administrators, &name, &kind, &is_found, &err));
    ck_assert(is_found);
    ck_assert_int_eq(kind, PO_ACCOUNT_GROUP);
    ck_assert_msg(strchr(po_buf_text(&name), '\\') != NULL, "%s", po_buf_text(&name));
    must(system.sid_of(system.ctx, po_buf_text(&name), &found, &kind, &is_found, &err));
    ck_assert(is_found);
    ck_assert(po_sid_is_equal(&found, &administrators));
    po_buf_clear(&name);
    must(system.name_of(system.ctx, &unknown, &name, &kind, &is_found, &err));
    ck_assert(!is_found);
    must(system.sid_of(system.ctx, "NOWHERE\\nobody", &found, &kind, &is_found, &err));
    ck_assert(!is_found);
    must(system.sid_of(system.ctx, "", &found, &kind, &is_found, &err));
    ck_assert(!is_found);
    must(system.machine(system.ctx, &machine, &is_found, &err));
    ck_assert(is_found);
    ck_assert(po_sid_add_rid(&found, &machine, 500));
    ck_assert(po_sid_is_local(&found));
    po_buf_clear(&name);
    must(po_win32_machine_name(&po_win32_account_calls, &name, &err));
    ck_assert_uint_gt(name.size, 0);
    po_buf_deinit(&name);
}
END_TEST

START_TEST(the_services_account_is_found_as_the_service_manager_names_it)
{
    struct po_sid system = sid("S-1-5-18");
    struct po_sid found = { 0 };
    bool is_found = true;

    must(po_win32_service_account(&po_win32_account_calls, "LocalSystem", &found, &err));
    ck_assert(po_sid_is_equal(&found, &system));
    must_fail(po_win32_service_account(&po_win32_account_calls, ".\\nobody", &found, &err),
              PO_E_USAGE, "account \".\\nobody\" is not known");
    must(po_win32_service_group(&po_win32_account_calls, NULL, &found, &is_found, &err));
    ck_assert(!is_found);
    must_fail(po_win32_service_group(&po_win32_account_calls, "nobodies", &found, &is_found, &err),
              PO_E_USAGE, "group \"nobodies\" is not known");
}
END_TEST

/* A machine "NEWHOST" whose calls answer with a code. */
static DWORD fake_code;
static wchar_t asked_name[256];

static DWORD
fake_lookup_sid(const void *bytes, wchar_t *name, DWORD *name_length, wchar_t *domain,
                DWORD *domain_length, SID_NAME_USE *use)
{
    (void)bytes;
    if (fake_code != 0)
        return fake_code;
    *name_length = (DWORD)wcslen(wcscpy(name, L"\u90f5\u4fbf"));
    *domain_length = (DWORD)wcslen(wcscpy(domain, L"NEWHOST"));
    *use = SidTypeUser;
    return 0;
}

static DWORD
fake_lookup_name(const wchar_t *name, void *bytes, DWORD *sid_size, wchar_t *domain,
                 DWORD *domain_length, SID_NAME_USE *use)
{
    struct po_sid found = sid(MACHINE "-1010");

    (void)wcscpy(asked_name, name);
    if (fake_code != 0)
        return fake_code;
    memcpy(bytes, found.bytes, found.size);
    *sid_size = found.size;
    *domain_length = (DWORD)wcslen(wcscpy(domain, L"NEWHOST"));
    *use = wcsstr(name, L"group") != NULL ? SidTypeAlias : SidTypeUser;
    return 0;
}

static DWORD
fake_machine(wchar_t *name, DWORD *length, void *bytes, DWORD *sid_size)
{
    struct po_sid found = sid(MACHINE);

    *length = (DWORD)wcslen(wcscpy(name, L"NEWHOST"));
    memcpy(bytes, found.bytes, found.size);
    *sid_size = found.size;
    return fake_code == ERROR_ACCESS_DENIED ? fake_code : 0;
}

static const struct po_win32_account_calls fake_account_calls = { .lookup_sid = fake_lookup_sid,
                                                                  .lookup_name = fake_lookup_name,
                                                                  .machine = fake_machine };

START_TEST(a_domain_that_cannot_be_reached_knows_nobody)
{
    static const DWORD unknown[] = { ERROR_NONE_MAPPED, ERROR_TRUSTED_RELATIONSHIP_FAILURE,
                                     ERROR_NO_SUCH_DOMAIN, RPC_S_SERVER_UNAVAILABLE };
    struct po_account_system system = po_win32_accounts(&fake_account_calls);
    struct po_sid one = sid(MACHINE "-1010");
    enum po_account_kind kind = PO_ACCOUNT_UNKNOWN;
    struct po_buf name = { 0 };
    bool is_found = true;

    for (size_t i = 0; i < COUNT(unknown); i++) {
        fake_code = unknown[i];
        must(system.name_of(system.ctx, &one, &name, &kind, &is_found, &err));
        ck_assert(!is_found);
        must(system.sid_of(system.ctx, "CORP\\x", &one, &kind, &is_found, &err));
        ck_assert(!is_found);
    }
    fake_code = ERROR_ACCESS_DENIED;
    must_fail(system.name_of(system.ctx, &one, &name, &kind, &is_found, &err), PO_E_IO,
              "find the account of " MACHINE "-1010");
    must_fail(system.sid_of(system.ctx, "CORP\\x", &one, &kind, &is_found, &err), PO_E_IO,
              "find the account \"CORP\\x\"");
    must_fail(system.machine(system.ctx, &one, &is_found, &err), PO_E_IO, "name of this machine");
    must_fail(po_win32_service_account(&fake_account_calls, "x", &one, &err), PO_E_IO, "machine");
    fake_code = 0;
    must(system.name_of(system.ctx, &one, &name, &kind, &is_found, &err));
    ck_assert_str_eq(po_buf_text(&name), "NEWHOST\\\xe9\x83\xb5\xe4\xbe\xbf");
    ck_assert_int_eq(kind, PO_ACCOUNT_USER);
    po_buf_deinit(&name);
}
END_TEST

START_TEST(accounts_without_a_domain_are_this_machines)
{
    static const struct {
        const char *name;
        const wchar_t *asked;
    } names[] = { { ".\\MailServer-user", L"NEWHOST\\MailServer-user" },
                  { "MailServer-user", L"NEWHOST\\MailServer-user" },
                  { "CORP\\mail", L"CORP\\mail" },
                  { "mail@corp.example", L"mail@corp.example" } };
    struct po_sid found = { 0 };
    bool is_found = false;

    fake_code = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        must(po_win32_service_account(&fake_account_calls, names[i].name, &found, &err));
        ck_assert_int_eq(wcscmp(asked_name, names[i].asked), 0);
    }
    must(po_win32_service_group(&fake_account_calls, NULL, &found, &is_found, &err));
    ck_assert(is_found);
    ck_assert_int_eq(wcscmp(asked_name, L"NEWHOST\\MailServer-group"), 0);
    /* A user is no group. */
    must_fail(po_win32_service_group(&fake_account_calls, "mail", &found, &is_found, &err),
              PO_E_USAGE, "group \"mail\"");
}
END_TEST

/* ---- one node ---- */

/* Calls that open for real and note what is set: "ROOT D:... " for each node. */
static struct po_buf noted;
static unsigned calls_made;
static unsigned fail_at;
static unsigned fail_for; /* calls that fail from fail_at on */
static LONG fail_status;
static wchar_t opened_name[512];
static ACCESS_MASK opened_access;

static bool
fails_now(void)
{
    calls_made++;
    return fail_at != 0 && calls_made >= fail_at && calls_made < fail_at + fail_for;
}

static LONG
noting_open(const struct po_place *place, HANDLE *out, ACCESS_MASK access)
{
    /* Wine takes the right to see SACLs for none that it knows. */
    const struct po_nt_open how = { .access = access & ~(ACCESS_MASK)ACCESS_SYSTEM_SECURITY,
                                    .disposition = FILE_OPEN };

    if (fails_now())
        return fail_status;
    opened_access = access;
    ck_assert_uint_lt(place->length, 500);
    memcpy(opened_name, place->name, place->length * sizeof(wchar_t));
    opened_name[place->length] = L'\0';
    return po_place_open_node(place, out, &how);
}

static LONG
noting_set(HANDLE handle, SECURITY_INFORMATION parts, const void *descriptor, size_t size)
{
    struct po_security security;

    ck_assert_ptr_nonnull(handle);
    if (fails_now())
        return fail_status;
    ck_assert_uint_eq(size, GetSecurityDescriptorLength((void *)(uintptr_t)descriptor));
    ck_assert_int_eq(po_security_parse(&security, descriptor, size, &err), PO_OK);
    po_buf_put_text(&noted, "[");
    po_wide_put(&noted, opened_name, wcslen(opened_name));
    po_buf_printf(&noted, " %lx ", (unsigned long)parts);
    po_sddl_put(&noted, &security);
    po_buf_put_text(&noted, "]");
    return 0;
}

static const struct po_win32_rights_calls noting = { .open = noting_open, .set = noting_set };

static void
begin_noting(void)
{
    po_buf_deinit(&noted);
    calls_made = 0;
    fail_at = 0;
    fail_for = 1;
    fail_status = (LONG)0xC0000022;
}

static void
assert_noted(const char *text)
{
    ck_assert_msg(strstr(po_buf_text(&noted), text) != NULL, "no \"%s\" in \"%s\"", text,
                  po_buf_text(&noted));
}

static struct po_win32_rights
prepared(const char *sddl)
{
    struct po_win32_rights rights = { 0 };
    struct po_buf bytes = { 0 };

    must(po_sddl_parse(&bytes, sddl, &err));
    must(po_win32_rights_prepare(&rights, bytes.bytes, bytes.size, &err));
    po_buf_deinit(&bytes);
    return rights;
}

START_TEST(only_the_parts_that_a_descriptor_has_are_set)
{
    static const struct {
        const char *sddl;
        SECURITY_INFORMATION parts;
    } cases[] = { { "", 0 },
                  { "O:BA", 1 },
                  { "G:BA", 2 },
                  { "D:NO_ACCESS_CONTROL", 4 },
                  { "D:(A;;FA;;;BA)", 4 },
                  { "O:BAG:SYD:(A;;FA;;;BA)S:(AU;SA;FA;;;WD)", 15 } };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct po_win32_rights rights = prepared(cases[i].sddl);

        ck_assert_uint_eq(rights.parts, cases[i].parts);
        po_win32_rights_deinit(&rights);
    }
}
END_TEST

START_TEST(hostile_descriptors_never_get_to_the_system)
{
    struct po_win32_rights rights = { 0 };
    struct po_buf bytes = { 0 };

    must(po_sddl_parse(&bytes, "O:BAD:(A;;FA;;;BA)", &err));
    bytes.bytes[5] = 0x7f;
    must_fail(po_win32_rights_prepare(&rights, bytes.bytes, bytes.size, &err), PO_E_FORMAT,
              "owner at");
    ck_assert_ptr_null(rights.descriptor.bytes);
    po_buf_deinit(&bytes);
}
END_TEST

START_TEST(rights_of_a_file_are_set_as_given)
{
    struct po_win32_rights rights = prepared("O:BAD:PAI(A;;FA;;;BA)S:AI(AU;SA;FA;;;WD)");
    struct po_dir *dir = NULL;
    bool left_out = false;

    begin_noting();
    os_write("a.txt", "x", 1);
    must(po_dir_open(&dir, top, &err));
    must(po_win32_rights_set(&noting, dir, "a.txt", 5, &rights, &left_out, &err));
    ck_assert(!left_out);
    ck_assert_uint_ne(opened_access & ACCESS_SYSTEM_SECURITY, 0);
    ck_assert_uint_ne(opened_access & WRITE_DAC, 0);
    ck_assert_uint_ne(opened_access & WRITE_OWNER, 0);
    /* What was inherited is asked for, or the system would forget it. */
    assert_noted("[a.txt d O:BAD:PARAI(A;;FA;;;BA)S:ARAI(AU;SA;FA;;;WD)]");
    po_buf_clear(&noted);
    must(po_win32_rights_set(&noting, dir, "", 0, &rights, &left_out, &err));
    assert_noted("[ d O:BA");
    must_fail(po_win32_rights_set(&noting, dir, "none", 4, &rights, &left_out, &err), PO_E_IO,
              "set the rights of none");
    po_dir_free(dir);
    po_win32_rights_deinit(&rights);
}
END_TEST

START_TEST(a_sacl_that_may_not_be_set_is_left_out)
{
    static const LONG refusals[] = { (LONG)0xC0000061, (LONG)0xC0000022 };
    struct po_win32_rights rights = prepared("O:BAD:(A;;FA;;;BA)S:(AU;SA;FA;;;WD)");
    struct po_win32_rights sacl_alone = prepared("S:(AU;SA;FA;;;WD)");
    struct po_dir *dir = NULL;

    os_write("a.txt", "x", 1);
    must(po_dir_open(&dir, top, &err));
    for (size_t i = 0; i < COUNT(refusals); i++) {
        bool left_out = false;

        begin_noting();
        fail_at = 1;
        fail_status = refusals[i];
        must(po_win32_rights_set(&noting, dir, "a.txt", 5, &rights, &left_out, &err));
        ck_assert(left_out);
        ck_assert_uint_eq(opened_access & ACCESS_SYSTEM_SECURITY, 0);
        assert_noted("[a.txt 5 ");
        left_out = false;
        begin_noting();
        fail_at = 1;
        fail_status = refusals[i];
        must(po_win32_rights_set(&noting, dir, "a.txt", 5, &sacl_alone, &left_out, &err));
        ck_assert(left_out);
        ck_assert_uint_eq(noted.size, 0);
    }
    po_dir_free(dir);
    po_win32_rights_deinit(&rights);
    po_win32_rights_deinit(&sacl_alone);
}
END_TEST

START_TEST(a_refusal_is_told_and_a_file_system_without_rights_too)
{
    struct po_win32_rights rights = prepared("O:BAD:(A;;FA;;;BA)");
    struct po_dir *dir = NULL;
    bool left_out = false;

    os_write("a.txt", "x", 1);
    must(po_dir_open(&dir, top, &err));
    for (unsigned call = 1; call <= 2; call++) {
        begin_noting();
        fail_at = call;
        must_fail(po_win32_rights_set(&noting, dir, "a.txt", 5, &rights, &left_out, &err), PO_E_IO,
                  "set the rights of a.txt: ");
        ck_assert_uint_eq(err.os_code, EACCES);
        fail_at = 0;
        begin_noting();
        fail_at = call;
        fail_status = (LONG)0xC0000010;
        must_fail(po_win32_rights_set(&noting, dir, "a.txt", 5, &rights, &left_out, &err),
                  PO_E_UNSUPPORTED, "a file system without rights: ");
    }
    begin_noting();
    fail_at = 1;
    must_fail(po_win32_rights_set_handle(&noting, top, &rights, &err), PO_E_IO, "set the rights: ");
    begin_noting();
    must(po_win32_rights_set_handle(&noting, top, &rights, &err));
    ck_assert(!left_out);
    po_dir_free(dir);
    po_win32_rights_deinit(&rights);
}
END_TEST

START_TEST(the_system_itself_takes_what_we_set)
{
    struct po_win32_rights rights = prepared("D:P(A;;FA;;;BA)(A;;FA;;;SY)(A;;FA;;;WD)");
    struct po_dir *dir = NULL;
    struct po_buf bytes = { 0 };
    struct po_security security;
    bool left_out = false;

    os_write("a.txt", "x", 1);
    must(po_dir_open(&dir, top, &err));
    must(po_win32_rights_set(&po_win32_rights_calls, dir, "a.txt", 5, &rights, &left_out, &err));
    must(po_dir_put_security(dir, "a.txt", 5, &bytes, &err));
    must(po_security_parse(&security, bytes.bytes, bytes.size, &err));
    ck_assert_uint_ne(security.owner.size, 0);
    ck_assert_uint_gt(security.dacl.count, 0);
    po_buf_deinit(&bytes);
    po_dir_free(dir);
    po_win32_rights_deinit(&rights);
}
END_TEST

/* ---- trees ---- */

static struct po_buf problems;
static uint64_t progressed;
static unsigned problems_max;

static enum po_status
note_problem(void *ctx, size_t root, const char *path, size_t path_size,
             const struct po_err *failure, struct po_err *out)
{
    (void)ctx;
    po_buf_printf(&problems, "[%zu %.*s: %s]", root, (int)path_size, path, failure->text);
    if (problems_max != 0 && --problems_max == 0)
        return po_fail(out, PO_E_IO, "too many");
    return PO_OK;
}

static void
note_progress(void *ctx, uint64_t done)
{
    (void)ctx;
    ck_assert_uint_eq(done, progressed + 1);
    progressed = done;
    if (cancel != 0)
        cancel++;
}

static const struct po_win32_rights_watch watching = { .problem = note_problem,
                                                       .progress = note_progress,
                                                       .cancel = &cancel };

/* Sets the default rule on roots below `top`, the names separated by spaces. */
static enum po_status
set_default(const char *root_a, const char *root_b, struct po_win32_rights_count *count)
{
    struct po_sid account = sid(MACHINE "-1010");
    struct po_sid group = sid(MACHINE "-1011");
    struct po_dir *roots[2] = { NULL, NULL };
    enum po_status st;

    po_buf_deinit(&problems);
    progressed = 0;
    must(po_dir_open(&roots[0], root_a, &err));
    if (root_b != NULL)
        must(po_dir_open(&roots[1], root_b, &err));
    st = po_win32_rights_default(&noting, roots, root_b == NULL ? 1 : 2, &account, &group,
                                 &watching, count, &err);
    po_dir_free(roots[0]);
    po_dir_free(roots[1]);
    return st;
}

#define ROOT_SDDL                                                                                  \
    "O:BAD:PARAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1301bf;;;" MACHINE                       \
    "-1010)(A;OICI;0x1301bf;;;" MACHINE "-1011)]"
#define DIRECTORY_SDDL                                                                             \
    "O:BAD:ARAI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1301bf;;;" MACHINE                  \
    "-1010)(A;OICIID;0x1301bf;;;" MACHINE "-1011)]"
#define FILE_SDDL                                                                                  \
    "O:BAD:ARAI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;0x1301bf;;;" MACHINE                              \
    "-1010)(A;ID;0x1301bf;;;" MACHINE "-1011)]"

static void
make_tree(void)
{
    ck_assert_int_eq(mkdir("spool", 0700), 0);
    ck_assert_int_eq(mkdir("spool/control", 0700), 0);
    ck_assert_int_eq(mkdir("spool/control/deep", 0700), 0);
    ck_assert_int_eq(mkdir("spool/empty", 0700), 0);
    ck_assert_int_eq(mkdir("mailbox", 0700), 0);
    os_write("spool/a.txt", "x", 1);
    os_write("spool/control/b.txt", "x", 1);
    os_write("spool/control/deep/\xe9\x83\xb5\xe4\xbe\xbf.txt", "x", 1);
    os_write("mailbox/m.txt", "x", 1);
}

START_TEST(all_below_a_root_inherits_from_it_alone)
{
    struct po_win32_rights_count count = { 0 };

    make_tree();
    begin_noting();
    must(set_default("spool", "mailbox", &count));
    ck_assert_uint_eq(count.done, 9);
    ck_assert_uint_eq(count.failed, 0);
    ck_assert_uint_eq(progressed, 9);
    ck_assert_uint_eq(problems.size, 0);
    /* Roots first, then what is below: O and D only, never a SACL. */
    ck_assert_ptr_eq(strstr(po_buf_text(&noted), "[ 5 " ROOT_SDDL "[ 5 " ROOT_SDDL),
                     po_buf_text(&noted));
    assert_noted("[control 5 " DIRECTORY_SDDL);
    assert_noted("[deep 5 " DIRECTORY_SDDL);
    assert_noted("[empty 5 " DIRECTORY_SDDL);
    assert_noted("[a.txt 5 " FILE_SDDL);
    assert_noted("[b.txt 5 " FILE_SDDL);
    assert_noted("[\xe9\x83\xb5\xe4\xbe\xbf.txt 5 " FILE_SDDL);
    assert_noted("[m.txt 5 " FILE_SDDL);
}
END_TEST

START_TEST(each_call_that_fails_is_a_problem_or_the_end)
{
    struct po_win32_rights_count count = { 0 };
    unsigned all;

    make_tree();
    begin_noting();
    must(set_default("spool", NULL, &count));
    all = calls_made;
    ck_assert_uint_eq(all, 14); /* seven nodes, opened and set */
    for (unsigned call = 1; call <= all; call++) {
        begin_noting();
        fail_at = call;
        if (call <= 2) { /* the root itself */
            must_fail(set_default("spool", NULL, &count), PO_E_IO, "set the rights of .");
            ck_assert_uint_eq(count.done, 0);
            continue;
        }
        must(set_default("spool", NULL, &count));
        ck_assert_uint_eq(count.done, 6);
        ck_assert_uint_eq(count.failed, 1);
        ck_assert_ptr_nonnull(strstr(po_buf_text(&problems), "set the rights of "));
    }
}
END_TEST

START_TEST(a_directory_that_fails_is_gone_through_all_the_same)
{
    struct po_win32_rights_count count = { 0 };

    make_tree();
    begin_noting();
    fail_at = 3;
    fail_for = 1000;
    must(set_default("spool", NULL, &count));
    ck_assert_uint_eq(count.done, 1);
    ck_assert_uint_eq(count.failed, 6);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&problems), "[0 control/deep/\xe9\x83\xb5"));
    begin_noting();
    fail_at = 3;
    fail_for = 1000;
    problems_max = 2;
    must_fail(set_default("spool", NULL, &count), PO_E_IO, "too many");
    ck_assert_uint_eq(count.failed, 2);
}
END_TEST

START_TEST(it_can_be_called_off)
{
    struct po_win32_rights_count count = { 0 };

    make_tree();
    begin_noting();
    cancel = 1;
    ck_assert_int_eq(set_default("spool", NULL, &count), PO_E_CANCELLED);
    ck_assert_uint_eq(count.done, 1);
}
END_TEST

START_TEST(a_root_in_another_is_done_once)
{
    struct po_win32_rights_count count = { 0 };

    make_tree();
    begin_noting();
    must(set_default("spool", "spool/control", &count));
    ck_assert_uint_eq(count.done, 7);
    ck_assert_ptr_null(strstr(po_buf_text(&noted), "[control 5 "));
    begin_noting();
    must(set_default("spool", "spool", &count));
    ck_assert_uint_eq(count.done, 7);
}
END_TEST

START_TEST(hard_links_are_done_when_all_names_lie_in_the_trees)
{
    struct po_win32_rights_count count = { 0 };

    make_tree();
    os_write("outside.txt", "x", 1);
    ck_assert_int_eq(link("outside.txt", "spool/planted.txt"), 0);
    ck_assert_int_eq(link("outside.txt", "spool/control/planted2.txt"), 0);
    ck_assert_int_eq(link("spool/a.txt", "spool/control/same.txt"), 0);
    ck_assert_int_eq(link("spool/control/b.txt", "mailbox/other.txt"), 0);
    begin_noting();
    must(set_default("spool", NULL, &count));
    /* 7 - b.txt, whose other name is in no tree of this call; planted twice. */
    ck_assert_uint_eq(count.done, 6);
    ck_assert_uint_eq(count.failed, 3);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&problems),
                                 "[0 planted.txt: 2 of its 3 names (hard links) lie in the trees"));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&problems), "[0 control/planted2.txt: 2 of its 3"));
    ck_assert_ptr_nonnull(strstr(po_buf_text(&problems), "[0 control/b.txt: 1 of its 2"));
    ck_assert_ptr_null(strstr(po_buf_text(&noted), "planted"));
    begin_noting();
    must(set_default("spool", "mailbox", &count));
    ck_assert_uint_eq(count.done, 9);
    ck_assert_uint_eq(count.failed, 2);
    /* A tree given twice does not make a second name of one. */
    begin_noting();
    must(set_default("spool", "spool", &count));
    ck_assert_uint_eq(count.failed, 3);
}
END_TEST

START_TEST(a_hard_link_that_fails_is_a_problem)
{
    struct po_win32_rights_count count = { 0 };

    ck_assert_int_eq(mkdir("spool", 0700), 0);
    os_write("spool/a.txt", "x", 1);
    ck_assert_int_eq(link("spool/a.txt", "spool/b.txt"), 0);
    begin_noting();
    fail_at = 6; /* root: open, set; two names: open; then the file: open, set */
    must(set_default("spool", NULL, &count));
    ck_assert_uint_eq(count.done, 1);
    ck_assert_uint_eq(count.failed, 1);
}
END_TEST

/* ---- poperms ---- */

static double waited;

static void
note_waiting(void *ctx, double seconds)
{
    (void)ctx;
    ck_assert(seconds >= waited);
    waited = seconds;
    if (seconds > 1.0 && os_exists("bin/others/second"))
        cancel = 1;
}

/* Puts the program that stands for it in its place: it lies beside this one. */
static void
make_bin(const char *mode)
{
    wchar_t path[MAX_PATH + 1];
    DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);

    while (length > 0 && path[length - 1] != L'\\')
        length--;
    ck_assert_uint_lt(length, MAX_PATH - 20);
    (void)wcscpy(path + length, L"poperms.exe");
    (void)mkdir("bin", 0700);
    (void)mkdir("bin/others", 0700);
    ck_assert(CopyFileW(path, L"bin\\others\\poperms.exe", FALSE));
    os_write("bin/others/mode", mode, strlen(mode));
}

static enum po_status
run_poperms(struct po_buf *output, uint32_t *exit_code)
{
    char bin[OS_PATH_SIZE + 8];
    struct po_win32_poperms what = { .bin = bin, .cancel = &cancel, .waiting = note_waiting };

    (void)snprintf(bin, sizeof(bin), "%s/bin", top);
    waited = 0;
    *exit_code = 99;
    return po_win32_poperms(&what, po_win32_run, output, exit_code, &err);
}

START_TEST(poperms_runs_in_its_folder_with_its_arguments)
{
    struct po_buf output = { 0 };
    uint32_t code;

    ck_assert(!po_win32_poperms_exists("bin"));
    must_fail(run_poperms(&output, &code), PO_E_IO, "start ");
    make_bin("ok");
    ck_assert(po_win32_poperms_exists("bin"));
    must(run_poperms(&output, &code));
    ck_assert_uint_eq(code, 0);
    ck_assert_str_eq(po_buf_text(&output), "-a -u input -1\r\nfirst line\r\nlast line\r\n\r\n");
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_poperms_that_fails_is_told_with_what_it_said)
{
    struct po_buf output = { 0 };
    uint32_t code;

    make_bin("fail");
    must_fail(run_poperms(&output, &code), PO_E_IO,
              "poperms.exe -a -u ended with exit code 7: -a -u input -1 | first line | last line");
    ck_assert_uint_eq(code, 7);
    make_bin("crash");
    must_fail(run_poperms(&output, &code), PO_E_IO, "was ended by exception 0xC0000005");
    po_buf_deinit(&output);
}
END_TEST

START_TEST(the_end_of_a_long_output_is_kept)
{
    struct po_buf output = { 0 };
    uint32_t code;

    make_bin("big");
    must(run_poperms(&output, &code));
    ck_assert_uint_eq(output.size, 256 * 1024);
    ck_assert_ptr_nonnull(
        strstr(po_buf_text(&output), "mailbox\\19999\r\nfirst line\r\nlast line"));
    po_buf_deinit(&output);
}
END_TEST

START_TEST(poperms_can_be_called_off_with_all_it_started)
{
    struct po_buf output = { 0 };
    double began = po_sys_monotonic();
    uint32_t code;

    make_bin("hang");
    ck_assert_int_eq(run_poperms(&output, &code), PO_E_CANCELLED);
    ck_assert(waited > 1.0);
    ck_assert(po_sys_monotonic() - began < 60);
    ck_assert_str_eq(po_buf_text(&output), "-a -u input -1\r\n");
    for (int i = 0; i < 50 && os_exists("bin/others/second"); i++)
        po_sys_sleep_ms(100);
    ck_assert(!os_exists("bin/others/first"));
    ck_assert(!os_exists("bin/others/second"));
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_program_may_be_given_some_seconds)
{
    struct po_win32_run run = { .arguments = "-a", .timeout_s = 1, .output_max = 100 };
    struct po_win32_run_result result = { 0 };
    struct po_buf output = { 0 };
    char program[OS_PATH_SIZE + 40];
    char folder[OS_PATH_SIZE + 40];

    make_bin("hang");
    (void)snprintf(program, sizeof(program), "%s/bin/others/poperms.exe", top);
    (void)snprintf(folder, sizeof(folder), "%s/bin/others", top);
    run.program = program;
    run.directory = folder;
    must(po_win32_run(&run, &result, &output, &err));
    ck_assert(result.timed_out);
    po_buf_deinit(&output);
}
END_TEST

/* ---- privileges and the administrator ---- */

static struct {
    DWORD code; /* of every call */
    DWORD enable_code;
    unsigned enabled;
    enum po_win32_membership administrators;
    enum po_win32_membership domain_admins;
    bool is_limited;
    bool is_controller;
    const char *user;
    const char *name;
    unsigned calls;
    unsigned fail_at;
} person;

static DWORD
person_call(void)
{
    person.calls++;
    return person.calls == person.fail_at ? ERROR_ACCESS_DENIED : 0;
}

static DWORD
fake_enable(const wchar_t *privilege)
{
    person.enabled++;
    if (wcscmp(privilege, L"SeSecurityPrivilege") == 0)
        return ERROR_NOT_ALL_ASSIGNED;
    return person.enable_code;
}

static DWORD
fake_membership(const struct po_sid *group, enum po_win32_membership *out)
{
    struct po_sid administrators = sid("S-1-5-32-544");

    if (po_sid_is_equal(group, &administrators)) {
        *out = person.administrators;
    } else {
        ck_assert_uint_eq(po_sid_rid(group), 512);
        *out = person.domain_admins;
    }
    return person_call();
}

static DWORD
fake_user(struct po_sid *out)
{
    *out = sid(person.user);
    return person_call();
}

static DWORD
fake_elevation(bool *is_limited)
{
    *is_limited = person.is_limited;
    return person_call();
}

static DWORD
fake_machine_sid(struct po_sid *out)
{
    *out = sid(MACHINE);
    return person_call();
}

static bool
fake_is_controller(void)
{
    return person.is_controller;
}

static void
fake_put_user_name(struct po_buf *out)
{
    po_buf_put_text(out, person.name);
}

static const struct po_win32_admin_calls fake_admin = { .enable = fake_enable,
                                                        .membership = fake_membership,
                                                        .user = fake_user,
                                                        .elevation = fake_elevation,
                                                        .machine = fake_machine_sid,
                                                        .is_domain_controller = fake_is_controller,
                                                        .put_user_name = fake_put_user_name };

#define LOCAL_USER MACHINE "-500"
#define DOMAIN_USER "S-1-5-21-7-8-9-1104"

/* NULL = may; else a part of the message. */
static void
assert_admin(const char *refusal, const char *note)
{
    struct po_buf noted_text = { 0 };
    enum po_status st;

    person.calls = 0;
    err = (struct po_err){ 0 };
    st = po_win32_admin_check(&fake_admin, &noted_text, &err);
    if (refusal == NULL) {
        must(st);
    } else {
        must_fail(st, PO_E_IO, refusal);
        ck_assert_uint_eq(err.os_code, EACCES);
    }
    if (note == NULL)
        ck_assert_uint_eq(noted_text.size, 0);
    else
        ck_assert_str_eq(po_buf_text(&noted_text), note);
    po_buf_deinit(&noted_text);
}

static void
be(const char *user, const char *name, enum po_win32_membership administrators,
   enum po_win32_membership domain_admins)
{
    memset(&person, 0, sizeof(person));
    person.user = user;
    person.name = name;
    person.administrators = administrators;
    person.domain_admins = domain_admins;
}

START_TEST(the_local_administrator_may)
{
    be(LOCAL_USER, "HOST\\Administrator", PO_WIN32_MEMBER, PO_WIN32_NO_MEMBER);
    assert_admin(NULL, NULL);
    be("S-1-5-18", "NT AUTHORITY\\SYSTEM", PO_WIN32_MEMBER, PO_WIN32_NO_MEMBER);
    assert_admin(NULL, NULL);
}
END_TEST

START_TEST(a_user_may_not)
{
    be(LOCAL_USER, "HOST\\guest", PO_WIN32_NO_MEMBER, PO_WIN32_NO_MEMBER);
    assert_admin("HOST\\guest is no administrator of this machine: log on as", NULL);
    be(LOCAL_USER, "", PO_WIN32_NO_MEMBER, PO_WIN32_NO_MEMBER);
    assert_admin("this account is no administrator of this machine", NULL);
}
END_TEST

START_TEST(an_administrator_that_is_not_elevated_is_told_how)
{
    be(LOCAL_USER, "HOST\\me", PO_WIN32_DENY_ONLY, PO_WIN32_NO_MEMBER);
    assert_admin("HOST\\me is an administrator, but this program runs without those rights (User "
                 "Account Control): start it from a command prompt that was opened with \"Run as "
                 "administrator\"",
                 NULL);
    be(LOCAL_USER, "HOST\\me", PO_WIN32_NO_MEMBER, PO_WIN32_NO_MEMBER);
    person.is_limited = true;
    assert_admin("Run as administrator", NULL);
}
END_TEST

START_TEST(an_administrator_of_the_domain_is_not_enough_but_on_its_controller)
{
    be(DOMAIN_USER, "CORP\\admin", PO_WIN32_NO_MEMBER, PO_WIN32_MEMBER);
    assert_admin("CORP\\admin is an administrator of the domain, but not of this machine", NULL);
    person.is_controller = true;
    assert_admin(NULL, NULL);
    be(DOMAIN_USER, "CORP\\admin", PO_WIN32_MEMBER, PO_WIN32_MEMBER);
    assert_admin(NULL, "CORP\\admin is an account of a domain; the guide wants the local "
                       "Administrator");
    person.is_controller = true;
    assert_admin(NULL, NULL);
    be(DOMAIN_USER, "CORP\\clerk", PO_WIN32_NO_MEMBER, PO_WIN32_NO_MEMBER);
    person.is_controller = true;
    assert_admin("CORP\\clerk is no administrator", NULL);
}
END_TEST

START_TEST(who_cannot_be_asked_about_may_not)
{
    unsigned all;

    be(DOMAIN_USER, "CORP\\admin", PO_WIN32_MEMBER, PO_WIN32_MEMBER);
    must(po_win32_admin_check(&fake_admin, NULL, &err));
    all = person.calls;
    ck_assert_uint_eq(all, 5);
    for (unsigned call = 1; call <= all; call++) {
        person.calls = 0;
        person.fail_at = call;
        must_fail(po_win32_admin_check(&fake_admin, NULL, &err), PO_E_IO, "ask wh");
    }
}
END_TEST

START_TEST(privileges_that_are_missing_are_named)
{
    struct po_buf text = { 0 };
    unsigned missing = 99;

    be(LOCAL_USER, "HOST\\me", PO_WIN32_MEMBER, PO_WIN32_NO_MEMBER);
    must(po_win32_privileges_enable(&fake_admin, PO_WIN32_FOR_FILES, &missing, &err));
    ck_assert_uint_eq(person.enabled, 4);
    ck_assert_uint_eq(missing, PO_WIN32_SECURITY);
    po_win32_privileges_put(&text, PO_WIN32_BACKUP | missing);
    ck_assert_str_eq(po_buf_text(&text), "SeBackupPrivilege, SeSecurityPrivilege");
    person.enable_code = ERROR_ACCESS_DENIED;
    must_fail(po_win32_privileges_enable(&fake_admin, PO_WIN32_SHUTDOWN | PO_WIN32_SECURITY,
                                         &missing, &err),
              PO_E_IO, "enable SeShutdownPrivilege");
    ck_assert_uint_eq(missing, PO_WIN32_SHUTDOWN | PO_WIN32_SECURITY);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(this_process_can_be_asked)
{
    unsigned missing = 99;
    struct po_buf note = { 0 };
    struct po_buf name = { 0 };
    struct po_sid user = { 0 };
    struct po_sid machine = { 0 };
    bool is_limited = true;

    must(po_win32_privileges_enable(&po_win32_admin_calls, PO_WIN32_FOR_FILES | PO_WIN32_SHUTDOWN,
                                    &missing, &err));
    ck_assert_uint_eq(missing & ~(PO_WIN32_FOR_FILES | PO_WIN32_SHUTDOWN), 0);
    /* Under Wine everybody is an administrator. */
    must(po_win32_admin_check(&po_win32_admin_calls, &note, &err));
    ck_assert_uint_eq(po_win32_admin_calls.user(&user), 0);
    ck_assert_uint_eq(po_win32_admin_calls.machine(&machine), 0);
    ck_assert_uint_eq(po_win32_admin_calls.elevation(&is_limited), 0);
    ck_assert(!is_limited);
    ck_assert(!po_win32_admin_calls.is_domain_controller());
    po_win32_admin_calls.put_user_name(&name);
    ck_assert_uint_gt(name.size, 0);
    ck_assert_int_eq(po_win32_admin_calls.enable(L"SeNoSuchPrivilege"), ERROR_NO_SUCH_PRIVILEGE);
    po_buf_deinit(&name);
    po_buf_deinit(&note);
}
END_TEST

/* ---- all ---- */

static void
add_nodes(Suite *suite)
{
    TCase *nodes = tcase_create("nodes");
    TCase *trees = tcase_create("trees");

    tcase_add_checked_fixture(nodes, set_up, tear_down);
    tcase_add_test(nodes, only_the_parts_that_a_descriptor_has_are_set);
    tcase_add_test(nodes, hostile_descriptors_never_get_to_the_system);
    tcase_add_test(nodes, rights_of_a_file_are_set_as_given);
    tcase_add_test(nodes, a_sacl_that_may_not_be_set_is_left_out);
    tcase_add_test(nodes, a_refusal_is_told_and_a_file_system_without_rights_too);
    tcase_add_test(nodes, the_system_itself_takes_what_we_set);
    suite_add_tcase(suite, nodes);
    tcase_add_checked_fixture(trees, set_up, tear_down);
    tcase_add_test(trees, all_below_a_root_inherits_from_it_alone);
    tcase_add_test(trees, each_call_that_fails_is_a_problem_or_the_end);
    tcase_add_test(trees, a_directory_that_fails_is_gone_through_all_the_same);
    tcase_add_test(trees, it_can_be_called_off);
    tcase_add_test(trees, a_root_in_another_is_done_once);
    tcase_add_test(trees, hard_links_are_done_when_all_names_lie_in_the_trees);
    tcase_add_test(trees, a_hard_link_that_fails_is_a_problem);
    suite_add_tcase(suite, trees);
}

static void
add_people(Suite *suite)
{
    TCase *accounts = tcase_create("accounts");
    TCase *poperms = tcase_create("poperms");
    TCase *admin = tcase_create("admin");

    tcase_add_test(accounts, our_descriptors_are_those_that_windows_makes);
    tcase_add_test(accounts, windows_reads_what_we_make);
    tcase_add_test(accounts, this_machine_knows_its_accounts);
    tcase_add_test(accounts, the_services_account_is_found_as_the_service_manager_names_it);
    tcase_add_test(accounts, a_domain_that_cannot_be_reached_knows_nobody);
    tcase_add_test(accounts, accounts_without_a_domain_are_this_machines);
    suite_add_tcase(suite, accounts);
    tcase_add_checked_fixture(poperms, set_up, tear_down);
    tcase_add_test(poperms, poperms_runs_in_its_folder_with_its_arguments);
    tcase_add_test(poperms, a_poperms_that_fails_is_told_with_what_it_said);
    tcase_add_test(poperms, the_end_of_a_long_output_is_kept);
    tcase_add_test(poperms, poperms_can_be_called_off_with_all_it_started);
    tcase_add_test(poperms, a_program_may_be_given_some_seconds);
    suite_add_tcase(suite, poperms);
    tcase_add_test(admin, the_local_administrator_may);
    tcase_add_test(admin, a_user_may_not);
    tcase_add_test(admin, an_administrator_that_is_not_elevated_is_told_how);
    tcase_add_test(admin, an_administrator_of_the_domain_is_not_enough_but_on_its_controller);
    tcase_add_test(admin, who_cannot_be_asked_about_may_not);
    tcase_add_test(admin, privileges_that_are_missing_are_named);
    tcase_add_test(admin, this_process_can_be_asked);
    suite_add_tcase(suite, admin);
}

int
main(void)
{
    Suite *suite = suite_create("win32_rights");
    SRunner *runner;
    int failed;

    add_nodes(suite);
    add_people(suite);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    po_buf_deinit(&noted);
    po_buf_deinit(&problems);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
