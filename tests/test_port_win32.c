/* What of port/ is another thing on Windows: names, attributes, sharing, its shell, its paths. */
#include "port_help.h"

#include "base/buf.h"
#include "host/security_private.h"
#include "port/file_win32.h"

#include <shellapi.h>

/* A path below the test's directory, for calls of Windows; it lives until the fourth next call. */
static const wchar_t *
at(const char *path)
{
    static struct po_wide texts[4];
    static unsigned next;
    struct po_wide *text = &texts[next++ % 4];
    char *os_path = po_os_path_join(base, path);

    po_wide_free(text);
    OK(po_wide_from_os_path(text, os_path, &err));
    po_mem_free(os_path);
    return text->text;
}

static struct po_node_info
look(const char *path)
{
    struct po_node_info info = { 0 };
    bool exists = false;

    OK(po_dir_stat(root, path, strlen(path), &info, &exists, &err));
    ck_assert_msg(exists, "%s is not there", path);
    return info;
}

static DWORD
handle_count(void)
{
    DWORD count = 0;

    ck_assert(GetProcessHandleCount(GetCurrentProcess(), &count));
    return count;
}

/* ---- this program again, as another process: see main ---- */

static HANDLE
start_self(const wchar_t *arguments)
{
    STARTUPINFOW startup = { .cb = sizeof startup };
    PROCESS_INFORMATION info = { 0 };
    wchar_t self[MAX_PATH + 1] = L"";
    wchar_t line[2 * MAX_PATH];

    ck_assert_uint_gt(GetModuleFileNameW(NULL, self, MAX_PATH), 0);
    ck_assert_int_gt(_snwprintf(line, 2 * MAX_PATH, L"\"%ls\" %ls", self, arguments), 0);
    ck_assert(CreateProcessW(self, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &info));
    (void)CloseHandle(info.hThread);
    return info.hProcess;
}

/* Its exit code; it has 20 seconds. */
static DWORD
await(HANDLE process)
{
    DWORD code = 99;

    ck_assert_uint_eq(WaitForSingleObject(process, 20000), WAIT_OBJECT_0);
    ck_assert(GetExitCodeProcess(process, &code));
    (void)CloseHandle(process);
    return code;
}

/* ---- names ---- */

struct names {
    char text[200];
};

static enum po_status
put_name(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
         const struct po_err *failure, struct po_err *own)
{
    struct names *names = ctx;
    size_t used = strlen(names->text);

    (void)info;
    (void)own;
    ck_assert_ptr_null(failure);
    (void)snprintf(names->text + used, sizeof names->text - used, "%.*s;", (int)name_size, name);
    return PO_OK;
}

START_TEST(case_does_not_matter_and_is_kept)
{
    struct po_file *file;
    struct names names = { "" };

    OK(po_dir_make(root, S("Box"), 0700, &err));
    write_file(S("Box/Message.MSG"), "x");
    check_content(S("bOX/mESSAGE.msg"), "x");
    FAILS(EEXIST, po_file_open(&file, root, S("BOX/MESSAGE.MSG"), PO_FILE_CREATE, 0, &err));
    OK(po_dir_make(root, S("BOX"), 0700, &err));
    OK(po_dir_list(root, S("box"), put_name, &names, &err));
    ck_assert_str_eq(names.text, "Message.MSG;");
    OK(po_dir_rename(root, S("box/message.msg"), root, S("box/MESSAGE.msg"), false, &err));
    check_content(S("box/Message.msg"), "x"); /* by either name: Wine leaves the case as it was */
    OK(po_dir_remove_all(root, S("BOX"), &err));
    ck_assert(!is_there(S("Box")));
}
END_TEST

START_TEST(names_are_the_same_for_us_and_for_windows)
{
    static const char ours[] = "d/\xE5\x8F\x97\xE4\xBF\xA1 \xF0\x9F\x93\xA7.MSG";
    static const wchar_t theirs[] = L"\x53D7\x4FE1 \xD83D\xDCE7.MSG";
    WIN32_FIND_DATAW found;
    HANDLE search;

    OK(po_dir_make(root, S("d"), 0700, &err));
    write_file(S(ours), "x");
    search = FindFirstFileW(at("d/*.msg"), &found);
    ck_assert_ptr_ne(search, INVALID_HANDLE_VALUE);
    ck_assert_int_eq(wcscmp(found.cFileName, theirs), 0);
    ck_assert(!FindNextFileW(search, &found));
    (void)FindClose(search);
}
END_TEST

/* The limit of 260 characters is one of the system's paths alone. */
START_TEST(system_paths_of_any_length_are_opened_and_made)
{
    char *rest = long_path(700);
    char *path = po_os_path_join(base, rest);
    char *file_path = po_os_path_join(path, "file");
    char *real = NULL;
    struct po_node_info info;
    struct po_file *file;
    struct po_dir *dir;
    bool exists = false;

    OK(po_dir_open_make(&dir, path, &err));
    po_dir_free(dir);
    OK(po_os_file_open(&file, file_path, PO_FILE_CREATE, &err));
    OK(po_file_write(file, "deep", 4, &err));
    OK(po_file_close(file, &err));
    OK(po_os_stat(file_path, &info, &exists, &err));
    ck_assert(exists && info.size == 4);
    OK(po_os_path_real(&real, file_path, &err));
    ck_assert_str_eq(real, file_path);
    po_mem_free(real);
    OK(po_dir_open(&dir, path, &err));
    OK(po_dir_stat(dir, S("file"), &info, &exists, &err));
    ck_assert(exists);
    po_dir_free(dir);
    po_mem_free(rest);
    po_mem_free(path);
    po_mem_free(file_path);
}
END_TEST

static void
assert_split(const char *path, size_t dir_size, const char *name)
{
    size_t got_size;
    size_t name_start;

    po_path_split(path, strlen(path), &got_size, &name_start);
    ck_assert_msg(got_size == dir_size && strcmp(path + name_start, name) == 0, "%s: %zu, %s", path,
                  got_size, path + name_start);
}

static void
assert_joined(const char *dir, const char *name, const char *expected)
{
    char *path = po_os_path_join(dir, name);

    ck_assert_str_eq(path, expected);
    po_mem_free(path);
}

START_TEST(path_text_knows_drives_and_servers)
{
    static const char *const roots[] = {
        "C:\\", "c:/", "C:", "\\\\server\\share", "//server/share/", "/", "\\"
    };
    static const char *const others[] = { "", "C:a", "C:\\a", "a", "\\\\server\\share\\a" };

    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        ck_assert_msg(po_os_path_is_root(roots[i], strlen(roots[i])), "%s", roots[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(!po_os_path_is_root(others[i], strlen(others[i])), "%s", others[i]);
    assert_split("a\\b", 1, "b");
    assert_split("C:\\a\\b", 4, "b");
    assert_split("C:\\a", 3, "a");
    assert_split("C:a", 2, "a");
    assert_split("\\\\server\\share\\a", 15, "a");
    assert_split("a", 0, "a");
    assert_joined("a", "b", "a/b");
    assert_joined("a\\", "b", "a\\b");
    assert_joined("a", "C:\\b", "C:\\b");
    assert_joined("a", "\\b", "\\b");
    assert_joined("C:\\", "b", "C:\\b");
}
END_TEST

/* ---- attributes ---- */

START_TEST(what_is_read_only_is_replaced_and_removed_all_the_same)
{
    struct po_file *file;

    write_file(S("new"), "new");
    write_file(S("old"), "old");
    ck_assert(SetFileAttributesW(at("old"), FILE_ATTRIBUTE_READONLY));
    FAILS(EEXIST, po_dir_rename(root, S("new"), root, S("old"), false, &err));
    OK(po_dir_rename(root, S("new"), root, S("old"), true, &err));
    check_content(S("old"), "new");
    ck_assert(SetFileAttributesW(at("old"), FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN));
    OK(po_dir_rename(root, S("old"), root, S("moved"), false, &err));
    ck_assert_uint_eq(look("moved").attributes & FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_READONLY);
    OK(po_file_open(&file, root, S("moved"), PO_FILE_REPLACE, 0, &err));
    OK(po_file_write(file, "again", 5, &err));
    OK(po_file_close(file, &err));
    check_content(S("moved"), "again");
    ck_assert(SetFileAttributesW(at("moved"), FILE_ATTRIBUTE_READONLY));
    OK(po_dir_remove(root, S("moved"), &err));
    ck_assert(!is_there(S("moved")));
    OK(po_dir_make_all(root, S("tree/sub"), &err));
    write_file(S("tree/sub/f"), "x");
    ck_assert(SetFileAttributesW(at("tree/sub/f"), FILE_ATTRIBUTE_READONLY));
    ck_assert(SetFileAttributesW(at("tree/sub"), FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_SYSTEM));
    OK(po_dir_remove_all(root, S("tree"), &err));
    ck_assert(!is_there(S("tree")));
}
END_TEST

START_TEST(attributes_are_set_on_files_and_directories_and_zero_leaves_them)
{
    static const DWORD mask =
        FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
    struct po_file *file;

    write_file(S("f"), "x");
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_set_windows_facts(root, S("f"), POBACKUP_TIME_UNKNOWN,
                                FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM, &err));
    OK(po_dir_set_windows_facts(root, S("d"), POBACKUP_TIME_UNKNOWN,
                                FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_HIDDEN, &err));
    ck_assert_uint_eq(look("f").attributes & mask, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    ck_assert_uint_eq(look("d").attributes & mask, FILE_ATTRIBUTE_HIDDEN);
    ck_assert_int_eq(look("d").type, PO_NODE_DIRECTORY);
    ck_assert_uint_eq(GetFileAttributesW(at("f")) & mask,
                      FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    OK(po_dir_set_windows_facts(root, S("f"), POBACKUP_TIME_UNKNOWN, 0, &err));
    ck_assert_uint_eq(look("f").attributes & mask, FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    /* Of those that cannot be set so, nothing is left: none. */
    OK(po_dir_set_windows_facts(root, S("f"), POBACKUP_TIME_UNKNOWN, FILE_ATTRIBUTE_COMPRESSED,
                                &err));
    ck_assert_uint_eq(look("f").attributes & (mask | FILE_ATTRIBUTE_COMPRESSED), 0);
    OK(po_file_open(&file, root, S("f"), PO_FILE_UPDATE, 0, &err));
    OK(po_file_set_windows_facts(file, POBACKUP_TIME_UNKNOWN, FILE_ATTRIBUTE_READONLY, &err));
    OK(po_file_close(file, &err));
    ck_assert_uint_eq(look("f").attributes & mask, FILE_ATTRIBUTE_READONLY);
}
END_TEST

START_TEST(the_write_time_is_the_only_one_that_setting_it_changes)
{
    struct po_node_info before;
    struct po_node_info after;
    FILETIME written;

    write_file(S("f"), "x");
    before = look("f");
    OK(po_dir_set_write_time(root, S("f"), INT64_C(17954856001234567), &err));
    after = look("f");
    ck_assert_int_eq(after.write_time, INT64_C(17954856001234567));
    ck_assert_uint_eq(after.attributes, before.attributes);
    {
        HANDLE file =
            CreateFileW(at("f"), GENERIC_READ, PO_SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL);

        ck_assert(GetFileTime(file, NULL, NULL, &written));
        (void)CloseHandle(file);
    }
    ck_assert_int_eq(((int64_t)written.dwHighDateTime << 32 | written.dwLowDateTime) -
                         INT64_C(116444736000000000),
                     INT64_C(17954856001234567));
    /* Creation times are kept where the system has them: Wine does not. */
    OK(po_dir_set_windows_facts(root, S("f"), INT64_C(12345678901234567), 0, &err));
    ck_assert_int_eq(look("f").write_time, INT64_C(17954856001234567));
}
END_TEST

START_TEST(a_node_has_a_security_descriptor)
{
    struct po_buf descriptor = { 0 };
    BOOL is_defaulted;
    PSID owner = NULL;

    write_file(S("f"), "x");
    OK(po_dir_put_security(root, S("f"), &descriptor, &err));
    ck_assert(IsValidSecurityDescriptor(descriptor.bytes));
    ck_assert_uint_eq(GetSecurityDescriptorLength(descriptor.bytes), descriptor.size);
    ck_assert(GetSecurityDescriptorOwner(descriptor.bytes, &owner, &is_defaulted));
    ck_assert(owner != NULL && IsValidSid(owner));
    po_buf_clear(&descriptor);
    OK(po_dir_put_security(root, "", 0, &descriptor, &err));
    ck_assert(IsValidSecurityDescriptor(descriptor.bytes));
    FAILS(ENOENT, po_dir_put_security(root, S("none"), &descriptor, &err));
    po_buf_deinit(&descriptor);
}
END_TEST

/* ---- sharing ---- */

struct holder {
    HANDLE file;
    unsigned ms;
};

static void
let_go(void *ctx)
{
    struct holder *holder = ctx;

    po_sys_sleep_ms(holder->ms);
    (void)CloseHandle(holder->file);
}

START_TEST(what_others_hold_is_waited_for_a_moment)
{
    struct holder holder = { .ms = 150 };
    struct po_thread *thread;
    struct po_file *file;

    write_file(S("f"), "x");
    holder.file = CreateFileW(at("f"), GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    ck_assert_ptr_ne(holder.file, INVALID_HANDLE_VALUE);
    OK(po_thread_start(&thread, let_go, &holder, &err));
    OK(po_file_open(&file, root, S("f"), PO_FILE_READ, 0, &err));
    po_thread_join(thread);
    po_file_free(file);
}
END_TEST

/* Of the tests' own help: what is in use for longer than the port waits. */
START_TEST(a_folder_that_a_program_is_still_in_is_removed_when_it_has_left)
{
    struct holder holder = { .ms = 1500 };
    char folder[OS_PATH_SIZE];
    struct po_thread *thread;
    char *path;

    os_temp_make(folder, "in use");
    path = po_os_path_join(folder, "f");
    os_write(path, "x", 1);
    holder.file = os_hold(path);
    OK(po_thread_start(&thread, let_go, &holder, &err));
    os_temp_remove(folder);
    ck_assert(!os_exists(folder));
    po_thread_join(thread);
    po_mem_free(path);
}
END_TEST

START_TEST(what_others_hold_for_longer_is_named_as_busy)
{
    struct po_file *file;
    HANDLE held;

    write_file(S("f"), "x");
    held = CreateFileW(at("f"), GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    FAILS(EBUSY, po_file_open(&file, root, S("f"), PO_FILE_READ, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "(error 32)"));
    FAILS(EBUSY, po_dir_remove(root, S("f"), &err));
    FAILS(EBUSY, po_dir_rename(root, S("f"), root, S("g"), false, &err));
    FAILS(EBUSY, po_dir_remove_all(root, S("f"), &err));
    /* Looking needs no share. */
    ck_assert_uint_eq(look("f").size, 1);
    (void)CloseHandle(held);
    OK(po_dir_remove(root, S("f"), &err));
}
END_TEST

START_TEST(our_own_handles_hinder_nobody)
{
    struct po_file *file;
    struct po_dir *dir;
    HANDLE other;

    write_file(S("f"), "x");
    OK(po_dir_make(root, S("d"), 0700, &err));
    OK(po_dir_open_below(&dir, root, S("d"), &err));
    OK(po_file_open(&file, root, S("f"), PO_FILE_READ, 0, &err));
    other = CreateFileW(at("f"), GENERIC_WRITE, PO_SHARE_ALL, NULL, OPEN_EXISTING, 0, NULL);
    ck_assert_ptr_ne(other, INVALID_HANDLE_VALUE);
    (void)CloseHandle(other);
    ck_assert(MoveFileW(at("f"), at("g")));
    ck_assert(MoveFileW(at("d"), at("e")));
    po_file_free(file);
    po_dir_free(dir);
}
END_TEST

/* A name is free only when the last handle to what had it is closed: nothing may wait for ever. */
START_TEST(a_tree_with_a_removed_file_that_is_held_open_is_an_error)
{
    struct po_file *held;

    OK(po_dir_make_all(root, S("tree/sub"), &err));
    write_file(S("tree/sub/f"), "x");
    OK(po_file_open(&held, root, S("tree/sub/f"), PO_FILE_READ, 0, &err));
    OK(po_dir_remove(root, S("tree/sub/f"), &err));
    FAILS(ENOTEMPTY, po_dir_remove_all(root, S("tree"), &err));
    ck_assert_ptr_nonnull(strstr(err.text, "remove the tree: remove tree"));
    po_file_free(held);
    OK(po_dir_remove_all(root, S("tree"), &err));
    ck_assert(!is_there(S("tree")));
}
END_TEST

/* ---- links ---- */

START_TEST(a_reparse_point_that_may_lead_elsewhere_is_a_link)
{
    static const struct {
        ULONG tag;
        bool is_link;
    } tags[] = {
        { 0xA000000C, true },  /* symbolic link */
        { 0xA0000003, true },  /* junction */
        { 0xA000001D, true },  /* symbolic link of Linux */
        { 0x80000013, false }, /* deduplicated */
        { 0x80000017, false }, /* compressed by the system */
        { 0x9000601A, false }, /* OneDrive */
        { 0, true },           /* not told */
    };

    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        ck_assert(po_nt_is_link(FILE_ATTRIBUTE_REPARSE_POINT, tags[i].tag) == tags[i].is_link);
        ck_assert(!po_nt_is_link(FILE_ATTRIBUTE_NORMAL, tags[i].tag));
    }
}
END_TEST

START_TEST(a_junction_is_told_and_never_followed)
{
    struct po_buf target = { 0 };
    char *real = NULL;
    char *read = NULL;
    size_t read_size = 0;
    struct po_file *file;
    struct po_dir *dir;

    OK(po_dir_make(root, S("real"), 0700, &err));
    write_file(S("real/file"), "x");
    OK(po_os_path_real(&real, base, &err));
    po_buf_printf(&target, "\\??\\%s\\real", real);
    for (size_t i = 0; i < target.size; i++)
        if (target.bytes[i] == '/')
            target.bytes[i] = '\\';
    if (po_dir_make_symlink(root, S("link"), (const char *)target.bytes, target.size, false,
                            &err) != PO_OK) {
        printf("skipped: no junctions here: %s\n", err.text);
        ck_assert(!is_there(S("link")));
        goto done;
    }
    ck_assert_int_eq(look("link").type, PO_NODE_SYMLINK);
    OK(po_dir_read_link(root, S("link"), &read, &read_size, &err));
    ck_assert_uint_eq(read_size, target.size);
    ck_assert_mem_eq(read, target.bytes, read_size);
    FAILS(ELOOP, po_file_open(&file, root, S("link/file"), PO_FILE_READ, 0, &err));
    FAILS(ELOOP, po_file_open(&file, root, S("link/new"), PO_FILE_CREATE, 0, &err));
    FAILS(ELOOP, po_dir_open_below(&dir, root, S("link"), &err));
    FAILS(ELOOP, po_dir_list(root, S("link"), NULL, NULL, &err));
    FAILS(ELOOP, po_dir_make_all(root, S("link/new"), &err));
    FAILS(ELOOP, po_dir_remove(root, S("link/file"), &err));
    OK(po_dir_remove_all(root, S("link"), &err));
    check_content(S("real/file"), "x");
done:
    po_mem_free(read);
    po_mem_free(real);
    po_buf_deinit(&target);
}
END_TEST

/* ---- locks ---- */

START_TEST(a_lock_is_held_once_in_a_process)
{
    char *path = po_os_path_join(base, "lock");
    struct po_lock *locks[2] = { NULL };

    OK(po_lock_take(&locks[0], path, &err));
    ck_assert_ptr_nonnull(locks[0]);
    OK(po_lock_take(&locks[1], path, &err));
    ck_assert_ptr_null(locks[1]);
    po_lock_free(locks[0]);
    OK(po_lock_take(&locks[1], path, &err));
    ck_assert_ptr_nonnull(locks[1]);
    po_lock_free(locks[1]);
    po_lock_free(NULL);
    ck_assert(is_there(S("lock")));
    OK(po_dir_make(root, S("dir"), 0700, &err));
    po_mem_free(path);
    path = po_os_path_join(base, "dir");
    ck_assert_int_eq(po_lock_take(&locks[0], path, &err), PO_E_IO);
    po_mem_free(path);
}
END_TEST

START_TEST(a_lock_is_held_between_processes_until_the_holder_ends)
{
    char *path = po_os_path_join(base, "lock");
    wchar_t arguments[MAX_PATH];
    struct po_lock *lock = NULL;
    HANDLE child;

    ck_assert_int_gt(_snwprintf(arguments, MAX_PATH, L"lock \"%ls\"", at("lock")), 0);
    OK(po_lock_take(&lock, path, &err));
    ck_assert_ptr_nonnull(lock);
    ck_assert_uint_eq(await(start_self(arguments)), 2); /* it was not free */
    po_lock_free(lock);
    child = start_self(arguments);
    for (int i = 0; i < 200 && !is_there(S("lock.held")); i++)
        po_sys_sleep_ms(50);
    ck_assert(is_there(S("lock.held")));
    OK(po_lock_take(&lock, path, &err));
    ck_assert_ptr_null(lock);
    ck_assert(TerminateProcess(child, 7));
    ck_assert_uint_eq(await(child), 7);
    OK(po_lock_take(&lock, path, &err));
    ck_assert_ptr_nonnull(lock);
    po_lock_free(lock);
    po_mem_free(path);
}
END_TEST

/* Wine's files keep no more of it than a mode. */
START_TEST(rights_of_our_own_are_protected_and_the_users)
{
    for (int is_directory = 0; is_directory < 2; is_directory++) {
        unsigned flags = is_directory ? OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE : 0;
        PSECURITY_DESCRIPTOR descriptor = NULL;
        struct po_security security;
        struct po_ace ace = { 0 };
        struct po_sid who;
        size_t offset = 0;
        size_t count = 0;

        ck_assert_uint_eq(po_nt_private_rights(&descriptor, is_directory != 0), 0);
        OK(po_security_parse(&security, descriptor, GetSecurityDescriptorLength(descriptor), &err));
        ck_assert((security.control & PO_SECURITY_DACL_PROTECTED) != 0);
        while (po_acl_next(&security.dacl, &offset, &ace)) {
            ck_assert_uint_eq(ace.type, PO_ACE_ALLOW);
            ck_assert_uint_eq(ace.mask, FILE_ALL_ACCESS);
            ck_assert_uint_eq(ace.flags, flags);
            count++;
        }
        ck_assert_uint_eq(count, 3);
        /* The last entry is the owner's: also an administrator's, whose files are the Administrators'
         * otherwise. */
        if (!is_directory) {
            ck_assert(po_sid_is_equal(&security.owner, &ace.sid));
            ck_assert(!po_security_is_open(&security, &who));
        }
        (void)LocalFree(descriptor);
    }
}
END_TEST

static bool
is_open(const char *path)
{
    struct po_security security;
    struct po_buf bytes = { 0 };
    struct po_sid who;
    bool answer;

    OK(po_dir_put_security(root, path, strlen(path), &bytes, &err));
    OK(po_security_parse(&security, bytes.bytes, bytes.size, &err));
    answer = po_security_is_open(&security, &who);
    po_buf_deinit(&bytes);
    return answer;
}

START_TEST(a_private_lock_is_on_a_new_file_that_others_cannot_read)
{
    char *path = po_os_path_join(base, "secret");
    struct po_lock *locks[2] = { NULL };

    write_file(S("secret"), "left");
    ck_assert(is_open("secret"));
    OK(po_dir_make_hardlink(root, S("other"), S("secret"), &err));
    OK(po_lock_take_private(&locks[0], path, &err));
    ck_assert_ptr_nonnull(locks[0]);
    ck_assert(!is_open("secret"));
    OK(po_lock_take_private(&locks[1], path, &err));
    ck_assert_ptr_null(locks[1]);
    po_lock_free(locks[0]);
    check_content(S("secret"), "");
    check_content(S("other"), "left");
    po_mem_free(path);
    OK(po_dir_make(root, S("dir"), 0700, &err));
    path = po_os_path_join(base, "dir");
    ck_assert_int_eq(po_lock_take_private(&locks[0], path, &err), PO_E_IO);
    po_mem_free(path);
}
END_TEST

/* ---- devices and streams ---- */

START_TEST(devices_are_read_and_written_in_order)
{
    struct po_file *file;
    struct po_node_info info;
    bool exists = false;
    char byte;
    size_t got = 9;

    OK(po_os_file_open(&file, "NUL", PO_FILE_READ, &err));
    OK(po_file_read_at(file, 0, &byte, 1, &got, &err));
    ck_assert_uint_eq(got, 0);
    po_file_free(file);
    OK(po_os_file_open(&file, "nul", PO_FILE_UPDATE, &err));
    OK(po_file_write(file, "abc", 3, &err));
    FAILS(ESPIPE, po_file_write_at(file, 0, "x", 1, &err));
    OK(po_file_sync(file, &err));
    OK(po_file_close(file, &err));
    OK(po_os_stat("NUL", &info, &exists, &err));
    ck_assert(exists);
    ck_assert_int_eq(info.type, PO_NODE_DEVICE);
}
END_TEST

static void
write_in_pieces(void *ctx)
{
    HANDLE *pipe = ctx;
    DWORD got;

    for (int i = 0; i < 5; i++) {
        (void)WriteFile(*pipe, "abc", 3, &got, NULL);
        po_sys_sleep_ms(10);
    }
    (void)CloseHandle(*pipe);
}

START_TEST(a_pipe_is_read_whole_although_it_comes_in_pieces)
{
    HANDLE before = GetStdHandle(STD_INPUT_HANDLE);
    HANDLE ends[2];
    struct po_thread *thread;
    struct po_file *file;
    char bytes[20];
    size_t got = 0;

    ck_assert(CreatePipe(&ends[0], &ends[1], NULL, 0));
    ck_assert(SetStdHandle(STD_INPUT_HANDLE, ends[0]));
    OK(po_file_standard(&file, 0, &err));
    ck_assert(SetStdHandle(STD_INPUT_HANDLE, before));
    OK(po_thread_start(&thread, write_in_pieces, &ends[1], &err));
    OK(po_file_read_at(file, 0, bytes, 10, &got, &err));
    ck_assert_uint_eq(got, 10);
    OK(po_file_read_at(file, 10, bytes + 10, 10, &got, &err));
    ck_assert_uint_eq(got, 5);
    ck_assert_mem_eq(bytes, "abcabcabcabcabc", 15);
    po_thread_join(thread);
    OK(po_file_close(file, &err));
    ck_assert(CloseHandle(ends[0])); /* standard files stay open */
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_any_more_is_an_error)
{
    HANDLE before = GetStdHandle(STD_OUTPUT_HANDLE);
    HANDLE ends[2];
    struct po_file *file;

    ck_assert(CreatePipe(&ends[0], &ends[1], NULL, 0));
    ck_assert(SetStdHandle(STD_OUTPUT_HANDLE, ends[1]));
    OK(po_file_standard(&file, 1, &err));
    ck_assert(SetStdHandle(STD_OUTPUT_HANDLE, before));
    ck_assert(CloseHandle(ends[0]));
    FAILS(EPIPE, po_file_write(file, "x", 1, &err));
    po_file_free(file);
    ck_assert(CloseHandle(ends[1]));
}
END_TEST

/* ---- sys ---- */

START_TEST(a_command_gives_its_output_and_exit_code)
{
    struct po_buf output = { 0 };
    struct po_command_result result;

    po_buf_put_text(&output, "before;");
    result = run("echo out& echo err>&2& exit 7", 10000, &output);
    ck_assert_int_eq(result.exit_code, 7);
    ck_assert(!result.timed_out);
    ck_assert_str_eq(po_buf_text(&output), "before;out\r\nerr\r\n");
    po_buf_clear(&output);
    result = run("echo \"quoted & kept\"", 10000, &output);
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_str_eq(po_buf_text(&output), "\"quoted & kept\"\r\n");
    po_buf_clear(&output);
    /* Standard input is empty: it waits for nobody. */
    result = run("set /p x=& echo done", 10000, &output);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&output), "done"));
    result = run("no-such-program-here", 10000, &output);
    ck_assert_int_ne(result.exit_code, 0);
    ck_assert(!result.timed_out);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(a_command_has_its_input_and_its_variables)
{
    static const char *const variables[] = { "PO_ONE=1 and more", NULL };
    char *input = po_mem_new(300001, 1);
    struct po_command command = { .line = "echo %PO_ONE%,%PO_OURS%& set /p LINE=",
                                  .variables = variables,
                                  .input = input,
                                  .input_size = 300000,
                                  .timeout_ms = 30000 };
    struct po_command_result result;
    struct po_buf output = { 0 };

    ck_assert_ptr_nonnull(input);
    memset(input, 'x', 300000);
    memcpy(input, "a line\r\n", 8);
    ck_assert(SetEnvironmentVariableW(L"po_one", L"ours"));
    ck_assert(SetEnvironmentVariableW(L"PO_OURS", L"stays"));
    OK(po_sys_run_command(&command, &result, &output, &err));
    ck_assert_str_eq(po_buf_text(&output), "1 and more,stays\r\n");
    ck_assert_uint_ge(result.input_taken, 8);
    ck_assert_uint_lt(result.input_taken, 300000);
    po_buf_clear(&output);
    command.line = "echo nothing is read";
    OK(po_sys_run_command(&command, &result, &output, &err));
    ck_assert_uint_eq(result.input_taken, 0);
    ck_assert_int_eq(result.exit_code, 0);
    po_buf_deinit(&output);
    po_mem_free(input);
}
END_TEST

START_TEST(a_command_runs_in_the_directory_asked_for)
{
    char *path = po_os_path_join(base, "sub dir");
    struct po_buf output = { 0 };
    struct po_command_result result;

    OK(po_dir_make(root, S("sub dir"), 0700, &err));
    OK(po_sys_run("echo x>here", path, 10000, &result, &output, &err));
    ck_assert(is_there(S("sub dir/here")));
    os_remove(path);
    ck_assert_int_eq(po_sys_run("cd", path, 10000, &result, &output, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "start cd"));
    po_buf_deinit(&output);
    po_mem_free(path);
}
END_TEST

/* Not one of that name that lies in the working directory. */
START_TEST(the_shell_is_the_systems_own)
{
    struct po_buf output = { 0 };
    struct po_command_result result;
    wchar_t before[MAX_PATH];

    write_file(S("cmd.exe"), "no program");
    ck_assert_uint_gt(GetCurrentDirectoryW(MAX_PATH, before), 0);
    ck_assert(SetCurrentDirectoryW(at("")));
    result = run("echo out", 10000, &output);
    ck_assert(SetCurrentDirectoryW(before));
    ck_assert_int_eq(result.exit_code, 0);
    ck_assert_str_eq(po_buf_text(&output), "out\r\n");
    po_buf_deinit(&output);
}
END_TEST

/* This program: it creates "begun", waits, and creates "ended". */
static const char *
wait_command(struct po_buf *out, const char *before, const char *behind)
{
    wchar_t self[MAX_PATH + 1] = L"";

    ck_assert_uint_gt(GetModuleFileNameW(NULL, self, MAX_PATH), 0);
    po_buf_put_text(out, before);
    po_buf_put_text(out, "\"");
    po_wide_put(out, self, wcslen(self));
    po_buf_printf(out, "\" wait \"%s\" 1500%s", base, behind);
    return po_buf_text(out);
}

static void
await_file(const char *path)
{
    for (int i = 0; i < 200 && !is_there(path, strlen(path)); i++)
        po_sys_sleep_ms(50);
    ck_assert_msg(is_there(path, strlen(path)), "%s is not there", path);
}

START_TEST(a_command_that_takes_too_long_is_ended_with_its_children)
{
    struct po_buf output = { 0 };
    struct po_buf command = { 0 };
    double start = po_sys_monotonic();
    struct po_command_result result =
        run(wait_command(&command, "echo begin& ", "& echo never"), 1000, &output);

    ck_assert(result.timed_out);
    ck_assert_int_eq(result.exit_code, -1);
    ck_assert(po_sys_monotonic() - start < 10);
    ck_assert_str_eq(po_buf_text(&output), "begin\r\n");
    await_file("begun");
    po_sys_sleep_ms(2000);
    ck_assert(!is_there(S("ended")));
    po_buf_deinit(&output);
    po_buf_deinit(&command);
}
END_TEST

START_TEST(a_background_child_holds_nobody_and_can_write_on) /* req: B7 */
{
    struct po_buf output = { 0 };
    struct po_buf command = { 0 };
    double start = po_sys_monotonic();
    struct po_command_result result =
        run(wait_command(&command, "start /b \"\" ", "& echo started"), 15000, &output);

    ck_assert_int_eq(result.exit_code, 0);
    ck_assert(!result.timed_out);
    ck_assert(po_sys_monotonic() - start < 5);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&output), "started"));
    await_file("ended"); /* made only when it could write to its output */
    po_buf_deinit(&output);
    po_buf_deinit(&command);
}
END_TEST

START_TEST(of_much_output_the_last_64_kib_are_kept)
{
    struct po_buf output = { 0 };
    struct po_command_result result =
        run("(for /l %i in (1,1,2000) do @echo 0123456789012345678901234567890123456789012345678)& "
            "echo end& exit 3",
            60000, &output);

    ck_assert_int_eq(result.exit_code, 3);
    ck_assert_uint_eq(output.size, 65536);
    ck_assert_int_eq(memcmp(output.bytes + output.size - 7, "\r\nend\r\n", 7), 0);
    po_buf_deinit(&output);
}
END_TEST

START_TEST(arguments_come_as_utf8)
{
    ck_assert_uint_eq(await(start_self(L"arguments \"\x53D7 \x4FE1\" a\\\"b \"\" \xD83D\xDCE7")),
                      0);
}
END_TEST

START_TEST(the_environment_and_the_data_directory_are_utf8)
{
    struct po_buf text = { 0 };
    struct po_node_info info;
    bool exists = false;

    ck_assert(SetEnvironmentVariableW(L"POBACKUP_TEST_\x53D7", L"\x4FE1 \xD83D\xDCE7"));
    ck_assert(po_sys_put_environment(&text, "POBACKUP_TEST_\xE5\x8F\x97"));
    ck_assert_str_eq(po_buf_text(&text), "\xE4\xBF\xA1 \xF0\x9F\x93\xA7");
    po_buf_clear(&text);
    ck_assert(!po_sys_put_environment(&text, "POBACKUP_TEST_NONE"));
    OK(po_sys_put_data_dir(&text, &err));
    OK(po_os_stat(po_buf_text(&text), &info, &exists, &err));
    ck_assert(exists && info.type == PO_NODE_DIRECTORY);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(the_date_is_that_of_local_time)
{
    struct po_buf text = { 0 };
    struct po_buf wanted = { 0 };
    int date[3];

    for (int hour = 0; hour < 48; hour++) {
        int64_t time = INT64_C(17954856000000000) + hour * INT64_C(36000000000);

        po_buf_clear(&text);
        po_buf_clear(&wanted);
        po_sys_put_local_time(&text, time);
        po_sys_local_date(time, &date[0], &date[1], &date[2]);
        po_buf_printf(&wanted, "%04d-%02d-%02d", date[0], date[1], date[2]);
        ck_assert_mem_eq(wanted.bytes, text.bytes, 10);
    }
    po_buf_deinit(&text);
    po_buf_deinit(&wanted);
}
END_TEST

START_TEST(a_process_is_known_by_its_start)
{
    struct po_buf ours = { 0 };
    struct po_buf none = { 0 };

    ck_assert(po_sys_put_process_start(&ours, po_sys_process_id()));
    ck_assert_uint_gt(ours.size, 0);
    ck_assert(po_sys_put_process_start(&none, 0x7FFFFFF0));
    ck_assert_uint_eq(none.size, 0);
    po_buf_deinit(&ours);
}
END_TEST

START_TEST(local_time_has_its_offset)
{
    struct po_buf text = { 0 };
    int numbers[7];
    char sign = 0;
    int offset = 0;

    po_sys_put_local_time(&text, INT64_C(17954856000000000)); /* 2026-11-24 02:00 UTC */
    ck_assert_int_eq(sscanf(po_buf_text(&text), "%4d-%2d-%2d %2d:%2d:%2d %c%4d", &numbers[0],
                            &numbers[1], &numbers[2], &numbers[3], &numbers[4], &numbers[5], &sign,
                            &offset),
                     8);
    ck_assert_int_eq(numbers[0] * 100 + numbers[1], 202611);
    offset = (offset / 100 * 60 + offset % 100) * (sign == '-' ? -1 : 1);
    ck_assert_int_eq((numbers[2] - 24) * 1440 + numbers[3] * 60 + numbers[4] - offset, 120);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(errors_have_an_errno_and_the_systems_number)
{
    ck_assert_int_eq(po_win32_errno(ERROR_FILE_NOT_FOUND), ENOENT);
    ck_assert_int_eq(po_win32_errno(ERROR_DISK_FULL), ENOSPC);
    ck_assert_int_eq(po_win32_errno(ERROR_SHARING_VIOLATION), EBUSY);
    ck_assert_int_eq(po_win32_errno(12345), EIO);
    ck_assert_int_eq(po_fail_win32(&err, ERROR_DISK_FULL, "write %d", 5), PO_E_IO);
    ck_assert_uint_eq(err.os_code, ENOSPC);
    ck_assert_int_eq(strncmp(err.text, "write 5: ", 9), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "(error 112)"));
    ck_assert_ptr_null(strchr(err.text, '\n'));
    ck_assert_int_eq(po_fail_win32(&err, ERROR_NOT_ENOUGH_MEMORY, "x"), PO_E_NOMEM);
    ck_assert_int_eq(po_fail_nt(&err, (LONG)0xC0000034, "x"), PO_E_IO);
    ck_assert_uint_eq(err.os_code, ENOENT);
    ck_assert(po_win32_find(L"kernel32.dll", "NoSuchFunctionEver") == NULL);
    ck_assert(po_win32_find(L"kernel32.dll", "CreateFileW") != NULL);
}
END_TEST

static void
use_all_calls(void)
{
    struct po_command_result result;
    struct po_buf output = { 0 };
    struct po_file *file;
    struct po_dir *dir;
    struct po_lock *lock;
    char *path = po_os_path_join(base, "lock");
    char *real = NULL;

    OK(po_dir_make_all(root, S("a/b/c"), &err));
    write_file(S("a/b/c/f"), "x");
    ck_assert_int_eq(po_file_open(&file, root, S("a/b"), PO_FILE_READ, 0, &err), PO_E_IO);
    ck_assert_int_eq(po_file_open(&file, root, S("a/x/y"), PO_FILE_READ, 0, &err), PO_E_IO);
    ck_assert_int_eq(po_dir_open(&dir, path, &err), PO_E_IO);
    ck_assert(is_there(S("a/b/c/f")));
    OK(po_dir_set_write_time(root, S("a/b"), 5, &err));
    OK(po_dir_put_security(root, S("a/b"), &output, &err));
    OK(po_dir_rename(root, S("a/b/c/f"), root, S("a/g"), false, &err));
    OK(po_dir_make_hardlink(root, S("a/h"), S("a/g"), &err));
    OK(po_dir_sync(root, &err));
    OK(po_dir_sync_volume(root, &err));
    OK(po_dir_remove_all(root, S("a"), &err));
    OK(po_os_path_real(&real, base, &err));
    OK(po_lock_take(&lock, path, &err));
    po_lock_free(lock);
    OK(po_lock_take_private(&lock, path, &err));
    po_lock_free(lock);
    OK(po_sys_run("exit 0", NULL, 10000, &result, &output, &err));
    po_mem_free(path);
    po_mem_free(real);
    po_buf_deinit(&output);
}

START_TEST(no_call_leaves_a_handle_open)
{
    DWORD before;

    use_all_calls(); /* what the system opens at first and keeps */
    before = handle_count();
    for (int i = 0; i < 3; i++)
        use_all_calls();
    ck_assert_uint_eq(handle_count(), before);
}
END_TEST

/* ---- all of it ---- */

static void
add_file(Suite *suite)
{
    TCase *tc = tcase_create("file");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, case_does_not_matter_and_is_kept);
    tcase_add_test(tc, names_are_the_same_for_us_and_for_windows);
    tcase_add_test(tc, system_paths_of_any_length_are_opened_and_made);
    tcase_add_test(tc, path_text_knows_drives_and_servers);
    tcase_add_test(tc, what_is_read_only_is_replaced_and_removed_all_the_same);
    tcase_add_test(tc, attributes_are_set_on_files_and_directories_and_zero_leaves_them);
    tcase_add_test(tc, the_write_time_is_the_only_one_that_setting_it_changes);
    tcase_add_test(tc, a_node_has_a_security_descriptor);
    tcase_add_test(tc, what_others_hold_is_waited_for_a_moment);
    tcase_add_test(tc, a_folder_that_a_program_is_still_in_is_removed_when_it_has_left);
    tcase_add_test(tc, what_others_hold_for_longer_is_named_as_busy);
    tcase_add_test(tc, our_own_handles_hinder_nobody);
    tcase_add_test(tc, a_tree_with_a_removed_file_that_is_held_open_is_an_error);
    tcase_add_test(tc, a_reparse_point_that_may_lead_elsewhere_is_a_link);
    tcase_add_test(tc, a_junction_is_told_and_never_followed);
    tcase_add_test(tc, a_lock_is_held_once_in_a_process);
    tcase_add_test(tc, a_lock_is_held_between_processes_until_the_holder_ends);
    tcase_add_test(tc, rights_of_our_own_are_protected_and_the_users);
    tcase_add_test(tc, a_private_lock_is_on_a_new_file_that_others_cannot_read);
    tcase_add_test(tc, devices_are_read_and_written_in_order);
    tcase_add_test(tc, a_pipe_is_read_whole_although_it_comes_in_pieces);
    tcase_add_test(tc, a_pipe_that_nobody_reads_any_more_is_an_error);
    tcase_add_test(tc, no_call_leaves_a_handle_open);
    suite_add_tcase(suite, tc);
}

static void
add_sys(Suite *suite)
{
    TCase *tc = tcase_create("sys");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_command_gives_its_output_and_exit_code);
    tcase_add_test(tc, a_command_has_its_input_and_its_variables);
    tcase_add_test(tc, a_command_runs_in_the_directory_asked_for);
    tcase_add_test(tc, the_shell_is_the_systems_own);
    tcase_add_test(tc, a_command_that_takes_too_long_is_ended_with_its_children);
    tcase_add_test(tc, a_background_child_holds_nobody_and_can_write_on);
    tcase_add_test(tc, of_much_output_the_last_64_kib_are_kept);
    tcase_add_test(tc, arguments_come_as_utf8);
    tcase_add_test(tc, the_environment_and_the_data_directory_are_utf8);
    tcase_add_test(tc, local_time_has_its_offset);
    tcase_add_test(tc, the_date_is_that_of_local_time);
    tcase_add_test(tc, a_process_is_known_by_its_start);
    tcase_add_test(tc, errors_have_an_errno_and_the_systems_number);
    suite_add_tcase(suite, tc);
}

/* ---- as another process: no assertions, which are for tests alone ---- */

static bool
touch(const char *path)
{
    FILE *file = fopen(path, "wb");

    return file != NULL && fclose(file) == 0;
}

/* 2: somebody holds it. Else it says so in a file, and holds it until it is ended. */
static int
hold_lock(const char *path)
{
    struct po_lock *lock = NULL;
    struct po_buf said = { 0 };

    if (po_lock_take(&lock, path, &err) != PO_OK)
        return 3;
    if (lock == NULL)
        return 2;
    po_buf_printf(&said, "%s.held", path);
    if (touch(po_buf_text(&said)))
        po_sys_sleep_ms(60000);
    return 4;
}

static int
wait_and_write(const char *directory, const char *ms)
{
    char path[MAX_PATH];

    (void)snprintf(path, sizeof path, "%s/begun", directory);
    if (!touch(path))
        return 5;
    po_sys_sleep_ms((unsigned)strtoul(ms, NULL, 10));
    if (printf("said\n") != 5 || fflush(stdout) != 0)
        return 5;
    (void)snprintf(path, sizeof path, "%s/ended", directory);
    return touch(path) ? 0 : 5;
}

static int
check_arguments(int argc, char **argv)
{
    static const char *const expected[] = { "\xE5\x8F\x97 \xE4\xBF\xA1", "a\"b", "",
                                            "\xF0\x9F\x93\xA7" };

    if (po_sys_arguments(&argc, &argv, &err) != PO_OK || argc != 6)
        return 6;
    for (int i = 0; i < 4; i++)
        if (strcmp(argv[i + 2], expected[i]) != 0)
            return 10 + i;
    return 0;
}

int
main(int argc, char **argv)
{
    Suite *suite;

    if (argc == 3 && strcmp(argv[1], "lock") == 0)
        return hold_lock(argv[2]);
    if (argc == 4 && strcmp(argv[1], "wait") == 0)
        return wait_and_write(argv[2], argv[3]);
    if (argc > 1 && strcmp(argv[1], "arguments") == 0)
        return check_arguments(argc, argv);
    suite = suite_create("port of Windows");
    add_file(suite);
    add_sys(suite);
    return port_run(suite);
}
