/* The calls of the registry, what a key is called, and what messages call it. */
#include "host/host_win32_regapi.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <string.h>

#define ROOT "HKEY_LOCAL_MACHINE"
/* Of a key's name. */
#define KEY_NAME_LENGTH 256u
/* Of a value's name; the registry itself has 16383. */
#define VALUE_NAME_LENGTH 32766u
/* What a message shows of each end of a long name. */
#define NAME_END 150u

/* ---- the table ---- */

/* Of ntdll, since NT 3.1; the headers lack them. */
LONG NTAPI NtDeleteKey(HANDLE key);
LONG NTAPI NtSetValueKey(HANDLE key, PUNICODE_STRING name, ULONG title, ULONG type,
                         const void *data, ULONG size);
LONG NTAPI NtQueryKey(HANDLE key, int what, void *out, ULONG size, ULONG *needed);
BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b,
                                    BOOLEAN is_case_insensitive);

#define KEY_FLAGS_INFORMATION 5

static LSTATUS
code_of(LONG status)
{
    return status >= 0 ? ERROR_SUCCESS : (LSTATUS)RtlNtStatusToDosError(status);
}

static LSTATUS
set_value(HKEY key, LPCWSTR name, DWORD type, const void *data, DWORD size)
{
    UNICODE_STRING text;

    if (wcslen(name) > VALUE_NAME_LENGTH)
        return ERROR_FILENAME_EXCED_RANGE; /* not the beginning of it */
    RtlInitUnicodeString(&text, name);
    return code_of(NtSetValueKey(key, &text, 0, type, data, size));
}

static LSTATUS
delete_key(HKEY key)
{
    return code_of(NtDeleteKey(key));
}

/* Before Vista there is but the first of the three. */
static ULONG
key_flags(HKEY key)
{
    struct {
        ULONG user;
        ULONG flags;
        ULONG control;
    } info = { 0 };
    ULONG size = 0;
    LONG status = NtQueryKey(key, KEY_FLAGS_INFORMATION, &info, sizeof(info), &size);

    return status >= 0 && size == sizeof(info) ? info.flags : 0;
}

typedef BOOL(WINAPI *is_wow64_fn)(HANDLE process, PBOOL is_wow64);

static bool
has_views(void)
{
    is_wow64_fn is_wow64;
    BOOL is_so = FALSE;

    if (sizeof(void *) == 8)
        return true;
    is_wow64 = (is_wow64_fn)po_win32_find(L"kernel32.dll", "IsWow64Process");
    return is_wow64 != NULL && is_wow64(GetCurrentProcess(), &is_so) && is_so;
}

const struct po_win32_regapi po_win32_regapi = {
    .open_key = RegOpenKeyExW,
    .create_key = RegCreateKeyExW,
    .close_key = RegCloseKey,
    .query_info = RegQueryInfoKeyW,
    .enum_key = RegEnumKeyExW,
    .enum_value = RegEnumValueW,
    .query_value = RegQueryValueExW,
    .delete_value = RegDeleteValueW,
    .flush_key = RegFlushKey,
    .set_value = set_value,
    .delete_key = delete_key,
    .key_flags = key_flags,
    .has_views = has_views,
};

LSTATUS
po_win32_registry_is_link(const struct po_win32_regapi *api, HKEY key, bool *is_link)
{
    DWORD type = REG_NONE;
    LSTATUS code = api->query_value(key, L"SymbolicLinkValue", NULL, &type, NULL, NULL);

    *is_link = code == ERROR_SUCCESS && type == REG_LINK;
    return code == ERROR_FILE_NOT_FOUND ? ERROR_SUCCESS : code;
}

/* ---- messages ---- */

static void
put_part(struct po_buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];

        po_buf_put_u8(out, byte < ' ' || byte == 0x7F ? '?' : byte);
    }
}

static void
put_name(struct po_buf *out, const char *text, size_t size)
{
    size_t start = NAME_END;
    size_t end = size - NAME_END;

    if (size <= 2 * NAME_END) {
        put_part(out, text, size);
        return;
    }
    while (start > 0 && (text[start] & 0xC0) == 0x80)
        start--;
    while (end < size && (text[end] & 0xC0) == 0x80)
        end++;
    put_part(out, text, start);
    po_buf_put_text(out, "[...]");
    put_part(out, text + end, size - end);
}

void
po_win32_registry_put_place(struct po_buf *out, const char *path, size_t path_size,
                            const struct po_reg_value *value)
{
    put_name(out, path, path_size);
    if (value == NULL)
        return;
    po_buf_put_text(out, ": value \"");
    put_name(out, value->name, value->name_size);
    po_buf_put_text(out, "\"");
}

enum po_status
po_win32_registry_fail(struct po_err *err, LSTATUS code, const char *path, size_t path_size,
                       const struct po_reg_value *value)
{
    struct po_buf place = { 0 };
    enum po_status st;

    po_win32_registry_put_place(&place, path, path_size, value);
    st = po_fail_win32(err, (DWORD)code, "%s", po_buf_text(&place));
    po_buf_deinit(&place);
    return st;
}

/* ---- what a key is called ---- */

void
po_win32_registry_key_deinit(struct po_win32_registry_key *key)
{
    po_mem_free(key->path);
    po_mem_free(key->below);
    *key = (struct po_win32_registry_key){ 0 };
}

/*
 * What a user calls it, with or without the root key and the node of the 32-bit view, as its plain
 * path below the root.
 */
static enum po_status
put_below(struct po_buf *out, const char *name, struct po_err *err)
{
    struct po_buf given = { 0 };
    struct po_buf plain = { 0 };
    size_t root;
    enum po_status st;

    if (!po_reg_path_is_within(name, strlen(name), ROOT, sizeof(ROOT) - 1))
        po_buf_put_text(&given, ROOT "\\");
    po_buf_put_text(&given, name);
    while (given.size > 0 && given.bytes[given.size - 1] == '\\')
        given.size--;
    po_reg_put_path_in_view(&plain, po_buf_text(&given), given.size, PO_REG_VIEW_PLAIN);
    root = strcspn(po_buf_text(&plain), "\\");
    if (root < plain.size)
        po_buf_put_text(out, po_buf_text(&plain) + root + 1);
    st = given.failed || plain.failed ? po_fail_nomem(err, strlen(name)) : po_buf_check(out, err);
    po_buf_deinit(&given);
    po_buf_deinit(&plain);
    return st;
}

/* ---- how this system spells it ---- */

/* Puts the subkey's own spelling of its name in the place of ours, if it can be found. */
static void
spell(const struct po_win32_regapi *api, REGSAM view, const wchar_t *parent, wchar_t *name,
      size_t length)
{
    UNICODE_STRING ours = { .Buffer = name, .Length = (USHORT)(length * sizeof(*name)) };
    wchar_t found[KEY_NAME_LENGTH];
    HKEY key = NULL;

    if (length >= KEY_NAME_LENGTH ||
        api->open_key(HKEY_LOCAL_MACHINE, parent, 0, KEY_ENUMERATE_SUB_KEYS | view, &key) !=
            ERROR_SUCCESS)
        return;
    for (DWORD i = 0;; i++) {
        DWORD size = sizeof(found) / sizeof(found[0]);
        UNICODE_STRING theirs = { .Buffer = found };

        if (api->enum_key(key, i, found, &size, NULL, NULL, NULL, NULL) != ERROR_SUCCESS)
            break;
        theirs.Length = (USHORT)(size * sizeof(*found));
        if (RtlEqualUnicodeString(&ours, &theirs, TRUE)) {
            memcpy(name, found, theirs.Length);
            break;
        }
    }
    (void)api->close_key(key);
}

/* The same of all components of a path below the root. */
static void
spell_path(const struct po_win32_regapi *api, REGSAM view, wchar_t *path)
{
    for (wchar_t *name = path; name != NULL;) {
        wchar_t *end = wcschr(name, L'\\');
        size_t length = end != NULL ? (size_t)(end - name) : wcslen(name);

        if (name == path) {
            spell(api, view, L"", name, length);
        } else {
            name[-1] = L'\0';
            spell(api, view, path, name, length);
            name[-1] = L'\\';
        }
        name = end != NULL ? end + 1 : NULL;
    }
}

/* As regedit shows it here: in the view of 64-bit programs, where there is one. */
static enum po_status
set_path(struct po_win32_registry_key *key, const struct po_win32_regapi *api,
         const struct po_buf *below, struct po_err *err)
{
    bool has_views = key->view != 0;
    struct po_buf plain = { 0 };
    struct po_buf path = { 0 };
    struct po_wide wide = { 0 };
    enum po_status st;

    po_buf_put_text(&plain, ROOT "\\");
    po_buf_put(&plain, below->bytes, below->size);
    po_reg_put_path_in_view(&path, po_buf_text(&plain), plain.size,
                            has_views ? PO_REG_VIEW_32 : PO_REG_VIEW_PLAIN);
    st = plain.failed ? po_buf_check(&plain, err) : po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_wide_from_text(&wide, (const char *)path.bytes + sizeof(ROOT),
                               path.size - sizeof(ROOT), err);
    if (st != PO_OK)
        goto done;
    spell_path(api, has_views ? KEY_WOW64_64KEY : 0, wide.text);
    path.size = sizeof(ROOT);
    po_wide_put(&path, wide.text, wide.length);
    key->path = path.failed ? NULL : po_mem_strdup(po_buf_text(&path));
    if (key->path == NULL)
        st = po_fail_nomem(err, path.size);
done:
    po_wide_free(&wide);
    po_buf_deinit(&plain);
    po_buf_deinit(&path);
    return st;
}

enum po_status
po_win32_registry_key_init(struct po_win32_registry_key *out, const struct po_win32_regapi *api,
                           const char *name, struct po_err *err)
{
    struct po_win32_registry_key key = { .view = api->has_views() ? KEY_WOW64_32KEY : 0 };
    struct po_wide wide = { 0 };
    struct po_buf below = { 0 };
    enum po_status st = put_below(&below, name, err);

    if (st != PO_OK)
        goto done;
    if (below.size == 0 || below.bytes[0] == '\\' || strstr(po_buf_text(&below), "\\\\") != NULL) {
        st = po_fail(err, PO_E_USAGE, "\"%s\" is no registry key below " ROOT, name);
        goto done;
    }
    st = po_wide_from_text(&wide, po_buf_text(&below), below.size, err);
    if (st != PO_OK)
        goto done;
    key.below = wide.text;
    st = set_path(&key, api, &below, err);
    if (st != PO_OK)
        goto done;
    *out = key;
    key = (struct po_win32_registry_key){ 0 };
done:
    po_win32_registry_key_deinit(&key);
    po_buf_deinit(&below);
    return st;
}
