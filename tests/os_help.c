#include "os_help.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/sys.h"

#include <time.h>

/* ---- files ---- */

static void
must(enum po_status st, const struct po_err *err)
{
    if (st != PO_OK)
        ck_abort_msg("%s", err->text);
}

/* The directory that a path lies in, as a root, or NULL; *name is the last component. */
static struct po_dir *
open_parent(const char *path, const char **name, struct po_err *err)
{
    size_t dir_size;
    size_t name_start;
    struct po_buf parent = { 0 };
    struct po_dir *dir = NULL;

    po_path_split(path, strlen(path), &dir_size, &name_start);
    po_buf_put(&parent, path, dir_size);
    if (po_dir_open(&dir, dir_size == 0 ? "." : po_buf_text(&parent), err) != PO_OK)
        dir = NULL;
    po_buf_deinit(&parent);
    *name = path + name_start;
    return dir;
}

static bool
look(const char *path, struct po_node_info *info)
{
    const char *name;
    struct po_err err;
    struct po_dir *dir = open_parent(path, &name, &err);
    bool exists = false;

    if (dir != NULL)
        must(po_dir_stat(dir, name, strlen(name), info, &exists, &err), &err);
    po_dir_free(dir);
    return exists;
}

bool
os_exists(const char *path)
{
    struct po_node_info info;

    return look(path, &info);
}

struct po_node_info
os_stat(const char *path)
{
    struct po_node_info info = { 0 };

    ck_assert_msg(look(path, &info), "%s is not there", path);
    return info;
}

void
os_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    ck_assert_msg(file != NULL, "%s: not created", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

void
os_set_time(const char *path, int64_t write_time)
{
    const char *name;
    struct po_err err;
    struct po_dir *dir = open_parent(path, &name, &err);

    ck_assert_msg(dir != NULL, "%s", err.text);
    must(po_dir_set_write_time(dir, name, strlen(name), write_time, &err), &err);
    po_dir_free(dir);
}

bool
os_set_size(const char *path, uint64_t size)
{
    struct po_file *file = NULL;
    struct po_err err;
    bool is_set;

    must(po_os_file_open(&file, path, PO_FILE_UPDATE, &err), &err);
    is_set = po_file_set_size(file, size, &err) == PO_OK;
    po_file_free(file);
    return is_set;
}

static enum po_status
count_one(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
          const struct po_err *failure, struct po_err *err)
{
    (void)name;
    (void)name_size;
    (void)info;
    (void)failure;
    (void)err;
    ++*(unsigned *)ctx;
    return PO_OK;
}

unsigned
os_count(const char *path)
{
    struct po_dir *dir = NULL;
    unsigned count = 0;
    struct po_err err;

    must(po_dir_open(&dir, path, &err), &err);
    must(po_dir_list(dir, "", 0, count_one, &count, &err), &err);
    po_dir_free(dir);
    return count;
}

void
os_assert_mode(const char *path, uint32_t mode)
{
    struct po_node_info info = os_stat(path);

    if (info.has_owner)
        ck_assert_msg(info.mode == mode, "%s: %o, not %o", path, info.mode, mode);
}

/*
 * Wine gives a command without a window a console host, which lives a little longer than the command
 * and stays in its working directory (Windows' is elsewhere): 0.8 s under load, more than what
 * po_dir_remove_all waits for. So what is in use, and that alone, is tried again for a while.
 */
#define IN_USE_TRIES OS_CASE(1, 20) /* of half a second */

static void
remove_all(struct po_dir *dir, const char *name)
{
    struct po_err err;
    enum po_status st = PO_E_IO;

    for (int i = 0; i < IN_USE_TRIES && st != PO_OK; i++) {
        st = po_dir_remove_all(dir, name, strlen(name), &err);
        if (st != PO_OK && err.os_code != EBUSY)
            break;
    }
    must(st, &err);
}

void
os_remove(const char *path)
{
    const char *name;
    struct po_err err;
    struct po_dir *dir = open_parent(path, &name, &err);

    ck_assert_msg(dir != NULL, "%s", err.text);
    remove_all(dir, name);
    po_dir_free(dir);
}

void
os_temp_remove(const char *path)
{
    ck_assert_int_eq(chdir("/"), 0);
    os_remove(path);
}

/* Where programs keep what is of no use afterwards. */
static const char *
temp_parent(void)
{
    const char *given = getenv("TMPDIR");
    struct po_node_info info;
    bool exists = false;
    struct po_err err;

    if (given != NULL && *given != '\0')
        return given;
    must(po_os_stat("/tmp", &info, &exists, &err), &err);
    return exists ? "/tmp" : getenv("TEMP");
}

void
os_temp_make(char path[OS_PATH_SIZE], const char *name)
{
    char *parent = NULL;
    struct po_err err;

    must(po_os_path_real(&parent, temp_parent(), &err), &err);
    for (;;) {
        uint32_t number = 0;

        must(po_sys_random(&number, sizeof number, &err), &err);
        ck_assert_int_lt(snprintf(path, OS_PATH_SIZE, "%s/pobackup-%s-%08x", parent, name, number),
                         OS_PATH_SIZE);
        if (mkdir(path, 0700) == 0)
            break;
        ck_assert_int_eq(errno, EEXIST);
    }
    po_mem_free(parent);
}

#if !OS_HAS_POSIX

#include "port/file_win32.h"

/* ---- leaving out ---- */

static unsigned left_out;

static void
print_left_out(void)
{
    printf("left out here: %u of POSIX\n", left_out);
}

void
os_leave_out(const char *test)
{
    if (left_out++ == 0)
        (void)atexit(print_left_out);
    printf("left out: %s\n", test);
}

/* ---- other names ---- */

static struct po_wide
wide(const char *path)
{
    struct po_wide text = { 0 };
    struct po_err err;

    must(po_wide_from_os_path(&text, path, &err), &err);
    return text;
}

int
os_mkdir(const char *path)
{
    struct po_wide text = wide(path);
    int result = _wmkdir(text.text);

    po_wide_free(&text);
    return result;
}

FILE *
os_fopen(const char *path, const char *mode)
{
    struct po_wide text = wide(path);
    wchar_t wide_mode[8] = L"";
    FILE *file;

    for (size_t i = 0; mode[i] != '\0' && i < 7; i++)
        wide_mode[i] = (wchar_t)mode[i];
    file = _wfopen(text.text, wide_mode);
    po_wide_free(&text);
    return file;
}

int
link(const char *existing, const char *path)
{
    struct po_wide from = wide(existing);
    struct po_wide to = wide(path);
    BOOL is_made = CreateHardLinkW(to.text, from.text, NULL);

    po_wide_free(&from);
    po_wide_free(&to);
    return is_made ? 0 : -1;
}

int
setenv(const char *name, const char *value, int is_replacing)
{
    (void)is_replacing;
    return SetEnvironmentVariableA(name, value) ? 0 : -1;
}

int
unsetenv(const char *name)
{
    return setenv(name, NULL, 1);
}

char *
strndup(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    char *copy = calloc(length + 1, 1);

    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

void *
os_hold(const char *path)
{
    struct po_wide text = wide(path);
    HANDLE held = CreateFileW(text.text, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);

    po_wide_free(&text);
    ck_assert_ptr_ne(held, INVALID_HANDLE_VALUE);
    return held;
}

void
os_let_go(void *held)
{
    (void)CloseHandle(held);
}

/* ---- what is not there ---- */

int
symlink(const char *target, const char *path)
{
    (void)target;
    (void)path;
    errno = ENOSYS;
    return -1;
}

int
mkfifo(const char *path, unsigned mode)
{
    (void)mode;
    return symlink(path, path);
}

unsigned
geteuid(void)
{
    return 1;
}

int
seteuid(unsigned uid)
{
    (void)uid;
    errno = ENOSYS;
    return -1;
}

#endif
