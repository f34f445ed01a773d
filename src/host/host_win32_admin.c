#include "host/host_win32_admin.h"

#include "base/mem.h"
#include "host/host_win32_accounts.h"
#include "port/file_win32.h"

#include <errno.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ADMINISTRATORS "S-1-5-32-544"
#define RID_DOMAIN_ADMINS 512u

/* Of Windows Vista; the headers for older systems lack them. */
#define TOKEN_ELEVATION_TYPE ((TOKEN_INFORMATION_CLASS)18)
#define ELEVATION_LIMITED 3u

/* NtProductLanManNt: a domain controller, primary or not. */
#define PRODUCT_DOMAIN_CONTROLLER 2u

/* ---- the calls ---- */

static DWORD
enable(const wchar_t *privilege)
{
    TOKEN_PRIVILEGES change = { .PrivilegeCount = 1 };
    HANDLE token = NULL;
    DWORD code;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token))
        return GetLastError();
    change.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    if (!LookupPrivilegeValueW(NULL, privilege, &change.Privileges[0].Luid))
        code = GetLastError();
    else if (!AdjustTokenPrivileges(token, FALSE, &change, 0, NULL, NULL))
        code = GetLastError();
    else
        code = GetLastError(); /* it succeeds even when the token has no such privilege */
    (void)CloseHandle(token);
    return code;
}

/* What the process's token says; freed by po_mem_free. */
static DWORD
ask_token(TOKEN_INFORMATION_CLASS what, void **out)
{
    HANDLE token = NULL;
    DWORD size = 0;
    DWORD code = 0;
    void *info = NULL;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return GetLastError();
    if (!GetTokenInformation(token, what, NULL, 0, &size))
        code = GetLastError();
    if (code == ERROR_INSUFFICIENT_BUFFER) {
        info = po_mem_new(size, 1);
        code = info == NULL                                          ? ERROR_NOT_ENOUGH_MEMORY
               : GetTokenInformation(token, what, info, size, &size) ? 0
                                                                     : GetLastError();
    }
    (void)CloseHandle(token);
    if (code == 0 && info != NULL) {
        *out = info;
        return 0;
    }
    po_mem_free(info);
    return code != 0 ? code : ERROR_INVALID_PARAMETER;
}

static DWORD
membership(const struct po_sid *group, enum po_win32_membership *out)
{
    TOKEN_GROUPS *groups = NULL;
    void *info = NULL;
    BOOL is_member = FALSE;
    DWORD code;

    *out = PO_WIN32_NO_MEMBER;
    /* The system does not write to it. */
    if (!CheckTokenMembership(NULL, (PSID)(uintptr_t)group->bytes, &is_member))
        return GetLastError();
    if (is_member) {
        *out = PO_WIN32_MEMBER;
        return 0;
    }
    code = ask_token(TokenGroups, &info);
    groups = info;
    for (DWORD i = 0; code == 0 && groups != NULL && i < groups->GroupCount; i++)
        if ((groups->Groups[i].Attributes & SE_GROUP_USE_FOR_DENY_ONLY) != 0 &&
            EqualSid(groups->Groups[i].Sid, (PSID)(uintptr_t)group->bytes))
            *out = PO_WIN32_DENY_ONLY;
    po_mem_free(info);
    return code;
}

static DWORD
user(struct po_sid *out)
{
    TOKEN_USER *found = NULL;
    void *info = NULL;
    DWORD code = ask_token(TokenUser, &info);

    found = info;
    if (code == 0 && found != NULL &&
        !po_sid_read(out, found->User.Sid, GetLengthSid(found->User.Sid)))
        code = ERROR_INVALID_SID;
    po_mem_free(info);
    return code;
}

static DWORD
elevation(bool *is_limited)
{
    DWORD type = 0;
    DWORD size = 0;
    HANDLE token = NULL;

    *is_limited = false;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
        return GetLastError();
    /* Server 2003 does not know the question: it has one token for everything. */
    if (GetTokenInformation(token, TOKEN_ELEVATION_TYPE, &type, sizeof(type), &size))
        *is_limited = type == ELEVATION_LIMITED;
    (void)CloseHandle(token);
    return 0;
}

static DWORD
machine(struct po_sid *out)
{
    wchar_t name[PO_WIN32_ACCOUNT_NAME_MAX];
    uint8_t bytes[PO_SID_SIZE_MAX] = { 0 };
    DWORD length = PO_WIN32_ACCOUNT_NAME_MAX;
    DWORD size = sizeof(bytes);
    DWORD code = po_win32_account_calls.machine(name, &length, bytes, &size);

    if (code == 0 && !po_sid_read(out, bytes, sizeof(bytes)))
        code = ERROR_INVALID_SID;
    return code;
}

typedef BOOLEAN(WINAPI *product_type_fn)(ULONG *type);

static bool
is_domain_controller(void)
{
    product_type_fn product_type =
        (product_type_fn)po_win32_find(L"ntdll.dll", "RtlGetNtProductType");
    ULONG type = 0;

    return product_type != NULL && product_type(&type) && type == PRODUCT_DOMAIN_CONTROLLER;
}

static void
put_user_name(struct po_buf *out)
{
    struct po_account_system system = po_win32_accounts(&po_win32_account_calls);
    enum po_account_kind kind;
    struct po_err ignored;
    struct po_sid sid;
    bool is_found = false;

    if (user(&sid) == 0 &&
        system.name_of(system.ctx, &sid, out, &kind, &is_found, &ignored) != PO_OK)
        po_buf_clear(out);
}

const struct po_win32_admin_calls po_win32_admin_calls = { .enable = enable,
                                                           .membership = membership,
                                                           .user = user,
                                                           .elevation = elevation,
                                                           .machine = machine,
                                                           .is_domain_controller =
                                                               is_domain_controller,
                                                           .put_user_name = put_user_name };

/* ---- privileges ---- */

static const struct {
    unsigned bit;
    const wchar_t *wide;
    const char *name;
} privileges[] = {
    { PO_WIN32_BACKUP, L"SeBackupPrivilege", "SeBackupPrivilege" },
    { PO_WIN32_RESTORE, L"SeRestorePrivilege", "SeRestorePrivilege" },
    { PO_WIN32_SECURITY, L"SeSecurityPrivilege", "SeSecurityPrivilege" },
    { PO_WIN32_TAKE_OWNERSHIP, L"SeTakeOwnershipPrivilege", "SeTakeOwnershipPrivilege" },
    { PO_WIN32_SHUTDOWN, L"SeShutdownPrivilege", "SeShutdownPrivilege" },
};

enum po_status
po_win32_privileges_enable(const struct po_win32_admin_calls *calls, unsigned wanted,
                           unsigned *missing, struct po_err *err)
{
    enum po_status st = PO_OK;

    *missing = 0;
    for (size_t i = 0; i < COUNT(privileges); i++) {
        DWORD code;

        if ((wanted & privileges[i].bit) == 0)
            continue;
        code = calls->enable(privileges[i].wide);
        if (code != 0)
            *missing |= privileges[i].bit;
        if (code != 0 && code != ERROR_NOT_ALL_ASSIGNED && code != ERROR_NO_SUCH_PRIVILEGE &&
            st == PO_OK)
            st = po_fail_win32(err, code, "enable %s", privileges[i].name);
    }
    return st;
}

void
po_win32_privileges_put(struct po_buf *out, unsigned which)
{
    const char *separator = "";

    for (size_t i = 0; i < COUNT(privileges); i++) {
        if ((which & privileges[i].bit) == 0)
            continue;
        po_buf_put_text(out, separator);
        po_buf_put_text(out, privileges[i].name);
        separator = ", ";
    }
}

/* ---- the administrator ---- */

struct facts {
    enum po_win32_membership administrators;
    enum po_win32_membership domain_admins;
    bool is_limited;
    bool is_domain_controller;
    bool is_of_domain; /* the account is neither this machine's nor the system's own */
    struct po_buf name;
};

/* The group "Domain Admins" of the user's own domain, where the account is a domain's. */
static DWORD
ask_domain(const struct po_win32_admin_calls *calls, struct facts *facts)
{
    struct po_sid user_sid = { 0 };
    struct po_sid machine_sid = { 0 };
    struct po_sid group;
    size_t prefix;
    DWORD code = calls->user(&user_sid);

    if (code != 0 || !po_sid_is_local(&user_sid))
        return code;
    prefix = user_sid.size - sizeof(uint32_t);
    code = calls->machine(&machine_sid);
    if (code != 0)
        return code;
    facts->is_of_domain = machine_sid.size != prefix ||
                          memcmp(machine_sid.bytes + 8, user_sid.bytes + 8, prefix - 8) != 0;
    group = user_sid;
    group.size = (uint8_t)prefix;
    group.bytes[1]--;
    if (!po_sid_add_rid(&group, &group, RID_DOMAIN_ADMINS))
        return 0;
    return calls->membership(&group, &facts->domain_admins);
}

static enum po_status
gather(const struct po_win32_admin_calls *calls, struct facts *facts, struct po_err *err)
{
    struct po_sid administrators;
    DWORD code = po_sid_parse(&administrators, ADMINISTRATORS)
                     ? calls->membership(&administrators, &facts->administrators)
                     : ERROR_INVALID_SID;

    if (code != 0)
        return po_fail_win32(err, code, "ask whether this is an administrator");
    code = calls->elevation(&facts->is_limited);
    if (code == 0)
        code = ask_domain(calls, facts);
    if (code != 0)
        return po_fail_win32(err, code, "ask who runs this");
    facts->is_domain_controller = calls->is_domain_controller();
    calls->put_user_name(&facts->name);
    if (facts->name.size == 0)
        po_buf_put_text(&facts->name, "this account");
    return po_buf_check(&facts->name, err);
}

static enum po_status
judge(struct facts *facts, struct po_buf *note, struct po_err *err)
{
    const char *name = po_buf_text(&facts->name);
    bool is_domain_admin = facts->domain_admins == PO_WIN32_MEMBER;

    if (facts->administrators == PO_WIN32_MEMBER ||
        (facts->is_domain_controller && is_domain_admin)) {
        if (note != NULL && facts->is_of_domain && !facts->is_domain_controller)
            po_buf_printf(note,
                          "%s is an account of a domain; the guide wants the local Administrator",
                          name);
        return PO_OK;
    }
    if (facts->administrators == PO_WIN32_DENY_ONLY || facts->is_limited)
        (void)po_fail(err, PO_E_IO,
                      "%s is an administrator, but this program runs without those rights (User "
                      "Account Control): start it from a command prompt that was opened with \"Run "
                      "as administrator\"",
                      name);
    else if (is_domain_admin)
        (void)po_fail(
            err, PO_E_IO,
            "%s is an administrator of the domain, but not of this machine: log on as the "
            "local Administrator, or add it to the local group Administrators",
            name);
    else
        (void)po_fail(err, PO_E_IO,
                      "%s is no administrator of this machine: log on as the local Administrator",
                      name);
    err->os_code = EACCES;
    return PO_E_IO;
}

enum po_status
po_win32_admin_check(const struct po_win32_admin_calls *calls, struct po_buf *note,
                     struct po_err *err)
{
    struct facts facts = { 0 };
    enum po_status st = gather(calls, &facts, err);

    if (st == PO_OK)
        st = judge(&facts, note, err);
    po_buf_deinit(&facts.name);
    return st;
}
