#include "host/host_win32_accounts.h"

#include "base/text.h"
#include "port/file_win32.h"

#include <ntsecapi.h>
#include <string.h>

/* ---- the calls ---- */

static DWORD
lookup_sid(const void *sid, wchar_t *name, DWORD *name_length, wchar_t *domain,
           DWORD *domain_length, SID_NAME_USE *use)
{
    /* The system does not write to the SID. */
    return LookupAccountSidW(NULL, (PSID)(uintptr_t)sid, name, name_length, domain, domain_length,
                             use)
               ? 0
               : GetLastError();
}

static DWORD
lookup_name(const wchar_t *name, void *sid, DWORD *sid_size, wchar_t *domain, DWORD *domain_length,
            SID_NAME_USE *use)
{
    return LookupAccountNameW(NULL, name, sid, sid_size, domain, domain_length, use)
               ? 0
               : GetLastError();
}

/* Copies what the system allocated. */
static DWORD
copy_machine(const POLICY_ACCOUNT_DOMAIN_INFO *info, wchar_t *name, DWORD *length, void *sid,
             DWORD *sid_size)
{
    DWORD given = info->DomainName.Length / sizeof(wchar_t);
    DWORD size = info->DomainSid == NULL ? 0 : GetLengthSid(info->DomainSid);

    if (given >= *length || size > *sid_size)
        return ERROR_INSUFFICIENT_BUFFER;
    memcpy(name, info->DomainName.Buffer, given * sizeof(wchar_t));
    name[given] = L'\0';
    *length = given;
    if (size > 0)
        memcpy(sid, info->DomainSid, size);
    *sid_size = size;
    return 0;
}

static DWORD
machine(wchar_t *name, DWORD *length, void *sid, DWORD *sid_size)
{
    LSA_OBJECT_ATTRIBUTES attributes = { .Length = sizeof(attributes) };
    LSA_HANDLE policy = NULL;
    void *info = NULL;
    DWORD code;
    NTSTATUS status = LsaOpenPolicy(NULL, &attributes, POLICY_VIEW_LOCAL_INFORMATION, &policy);

    if (status < 0)
        return LsaNtStatusToWinError(status);
    status = LsaQueryInformationPolicy(policy, PolicyAccountDomainInformation, &info);
    (void)LsaClose(policy);
    if (status < 0)
        return LsaNtStatusToWinError(status);
    code = copy_machine(info, name, length, sid, sid_size);
    (void)LsaFreeMemory(info);
    return code;
}

const struct po_win32_account_calls po_win32_account_calls = { .lookup_sid = lookup_sid,
                                                               .lookup_name = lookup_name,
                                                               .machine = machine };

/* ---- answers ---- */

/* Whether a code says that nobody knows the account, or nobody who would could be asked. */
static bool
is_unknown(DWORD code)
{
    static const DWORD codes[] = { ERROR_NONE_MAPPED,
                                   ERROR_INVALID_NAME,
                                   ERROR_NO_SUCH_DOMAIN,
                                   ERROR_NO_LOGON_SERVERS,
                                   ERROR_TRUSTED_RELATIONSHIP_FAILURE,
                                   ERROR_TRUSTED_DOMAIN_FAILURE,
                                   ERROR_NO_TRUST_SAM_ACCOUNT,
                                   ERROR_NO_TRUST_LSA_SECRET,
                                   ERROR_BAD_NETPATH,
                                   RPC_S_SERVER_UNAVAILABLE,
                                   RPC_S_CALL_FAILED };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i] == code)
            return true;
    return false;
}

static enum po_account_kind
kind_of(SID_NAME_USE use)
{
    switch (use) {
    case SidTypeUser:
        return PO_ACCOUNT_USER;
    case SidTypeGroup:
    case SidTypeAlias:
    case SidTypeWellKnownGroup:
        return PO_ACCOUNT_GROUP;
    case SidTypeDomain:
    case SidTypeDeletedAccount:
    case SidTypeInvalid:
    case SidTypeUnknown:
    case SidTypeComputer:
    case SidTypeLabel:
    case SidTypeLogonSession:
    default: /* newer ones */
        return PO_ACCOUNT_UNKNOWN;
    }
}

static enum po_status
name_of(const void *ctx, const struct po_sid *sid, struct po_buf *name, enum po_account_kind *kind,
        bool *is_found, struct po_err *err)
{
    const struct po_win32_account_calls *calls = ctx;
    wchar_t account[PO_WIN32_ACCOUNT_NAME_MAX];
    wchar_t domain[PO_WIN32_ACCOUNT_NAME_MAX];
    DWORD account_length = PO_WIN32_ACCOUNT_NAME_MAX;
    DWORD domain_length = PO_WIN32_ACCOUNT_NAME_MAX;
    SID_NAME_USE use = SidTypeUnknown;
    DWORD code =
        calls->lookup_sid(sid->bytes, account, &account_length, domain, &domain_length, &use);

    *is_found = false;
    if (is_unknown(code))
        return PO_OK;
    if (code != 0) {
        struct po_buf text = { 0 };
        enum po_status st;

        po_sid_put(&text, sid);
        st = po_fail_win32(err, code, "find the account of %s", po_buf_text(&text));
        po_buf_deinit(&text);
        return st;
    }
    if (domain_length > 0) {
        po_wide_put(name, domain, domain_length);
        po_buf_put_text(name, "\\");
    }
    po_wide_put(name, account, account_length);
    *kind = kind_of(use);
    *is_found = true;
    return PO_OK;
}

static enum po_status
sid_of(const void *ctx, const char *name, struct po_sid *out, enum po_account_kind *kind,
       bool *is_found, struct po_err *err)
{
    const struct po_win32_account_calls *calls = ctx;
    struct po_wide wide = { 0 };
    uint8_t sid[PO_SID_SIZE_MAX] = { 0 };
    wchar_t domain[PO_WIN32_ACCOUNT_NAME_MAX];
    DWORD sid_size = sizeof(sid);
    DWORD domain_length = PO_WIN32_ACCOUNT_NAME_MAX;
    SID_NAME_USE use = SidTypeUnknown;
    DWORD code;
    enum po_status st = po_wide_from_text(&wide, name, strlen(name), err);

    *is_found = false;
    if (st != PO_OK)
        return st;
    code = wide.length == 0 || wide.length >= PO_WIN32_ACCOUNT_NAME_MAX
               ? ERROR_NONE_MAPPED
               : calls->lookup_name(wide.text, sid, &sid_size, domain, &domain_length, &use);
    po_wide_free(&wide);
    if (is_unknown(code))
        return PO_OK;
    if (code != 0)
        return po_fail_win32(err, code, "find the account \"%s\"", name);
    if (!po_sid_read(out, sid, sizeof(sid)))
        return po_fail(err, PO_E_IO, "account \"%s\" has a SID that is none", name);
    *kind = kind_of(use);
    *is_found = true;
    return PO_OK;
}

static enum po_status
ask_machine(const struct po_win32_account_calls *calls, struct po_buf *name, struct po_sid *sid,
            bool *has_sid, struct po_err *err)
{
    wchar_t wide[PO_WIN32_ACCOUNT_NAME_MAX];
    uint8_t bytes[PO_SID_SIZE_MAX] = { 0 };
    DWORD length = PO_WIN32_ACCOUNT_NAME_MAX;
    DWORD size = sizeof(bytes);
    DWORD code = calls->machine(wide, &length, bytes, &size);

    if (code != 0)
        return po_fail_win32(err, code, "find the name of this machine");
    po_wide_put(name, wide, length);
    *has_sid = size > 0 && po_sid_read(sid, bytes, sizeof(bytes));
    return po_buf_check(name, err);
}

enum po_status
po_win32_machine_name(const struct po_win32_account_calls *calls, struct po_buf *out,
                      struct po_err *err)
{
    struct po_sid sid;
    bool has_sid;

    return ask_machine(calls, out, &sid, &has_sid, err);
}

static enum po_status
machine_sid(const void *ctx, struct po_sid *sid, bool *is_found, struct po_err *err)
{
    struct po_buf name = { 0 };
    enum po_status st = ask_machine(ctx, &name, sid, is_found, err);

    po_buf_deinit(&name);
    return st;
}

struct po_account_system
po_win32_accounts(const struct po_win32_account_calls *calls)
{
    return (struct po_account_system){
        .ctx = calls, .name_of = name_of, .sid_of = sid_of, .machine = machine_sid
    };
}

/* ---- the services' account ---- */

/* "name" or ".\name" as one of this machine. */
static enum po_status
qualify(const struct po_win32_account_calls *calls, const char *name, struct po_buf *out,
        struct po_err *err)
{
    enum po_status st = PO_OK;

    if (strncmp(name, ".\\", 2) == 0)
        name += 2;
    if (strchr(name, '\\') == NULL && strchr(name, '@') == NULL) {
        st = po_win32_machine_name(calls, out, err);
        po_buf_put_text(out, "\\");
    }
    po_buf_put_text(out, name);
    return st == PO_OK ? po_buf_check(out, err) : st;
}

static enum po_status
find(const struct po_win32_account_calls *calls, const char *name, enum po_account_kind kind,
     struct po_sid *out, bool *is_found, struct po_err *err)
{
    enum po_account_kind found = PO_ACCOUNT_UNKNOWN;
    struct po_buf full = { 0 };
    enum po_status st = qualify(calls, name, &full, err);

    *is_found = false;
    if (st == PO_OK)
        st = sid_of(calls, po_buf_text(&full), out, &found, is_found, err);
    /* A service may log on as "NETWORK SERVICE", which counts as a group. */
    if (found == PO_ACCOUNT_UNKNOWN || (kind == PO_ACCOUNT_GROUP && found != kind))
        *is_found = false;
    po_buf_deinit(&full);
    return st;
}

enum po_status
po_win32_service_account(const struct po_win32_account_calls *calls, const char *name,
                         struct po_sid *out, struct po_err *err)
{
    bool is_found = false;
    enum po_status st;

    if (po_text_is_equal_nocase(name, "LocalSystem"))
        return po_sid_parse(out, "S-1-5-18") ? PO_OK : po_fail(err, PO_E_IO, "LocalSystem");
    st = find(calls, name, PO_ACCOUNT_USER, out, &is_found, err);
    if (st == PO_OK && !is_found)
        st = po_fail(err, PO_E_USAGE, "the services' account \"%s\" is not known on this machine",
                     name);
    return st;
}

enum po_status
po_win32_service_group(const struct po_win32_account_calls *calls, const char *name,
                       struct po_sid *out, bool *is_found, struct po_err *err)
{
    enum po_status st =
        find(calls, name == NULL ? PO_WIN32_GROUP : name, PO_ACCOUNT_GROUP, out, is_found, err);

    if (st == PO_OK && !*is_found && name != NULL)
        st = po_fail(err, PO_E_USAGE, "group \"%s\" is not known on this machine", name);
    return st;
}
