#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"
#include "port/path.h"

#include <errno.h>
#include <string.h>

#define STATUS_EXISTS ((LONG)0xC0000035)       /* STATUS_OBJECT_NAME_COLLISION */
#define STATUS_NOT_THERE ((LONG)0xC0000034)    /* STATUS_OBJECT_NAME_NOT_FOUND */
#define STATUS_NO_WAY ((LONG)0xC000003A)       /* STATUS_OBJECT_PATH_NOT_FOUND */
#define STATUS_NO_DIRECTORY ((LONG)0xC0000103) /* STATUS_NOT_A_DIRECTORY */
#define STATUS_DENIED ((LONG)0xC0000022)       /* STATUS_ACCESS_DENIED */

#define DIRECTORY_ACCESS (FILE_LIST_DIRECTORY | FILE_TRAVERSE | FILE_READ_ATTRIBUTES)

/* ---- roots ---- */

uint64_t
po_nt_device(HANDLE handle)
{
    /* The label behind it is of any length; it is cut, which is a warning and no failure. */
    union {
        FILE_FS_VOLUME_INFORMATION info;
        uint8_t room[sizeof(FILE_FS_VOLUME_INFORMATION) + 512];
    } volume = { 0 };
    IO_STATUS_BLOCK io = { 0 };

    (void)NtQueryVolumeInformationFile(handle, &io, &volume, sizeof(volume),
                                       FileFsVolumeInformation);
    return volume.info.VolumeSerialNumber;
}

/* "\\?\Volume{...}" of a path, or NULL: on the network there is none. */
static wchar_t *
volume_name_of(const wchar_t *path)
{
    wchar_t name[64];
    size_t size = wcslen(path) + 2;
    wchar_t *root = po_mem_new(size, sizeof(*root));
    wchar_t *copy = NULL;

    if (root != NULL && GetVolumePathNameW(path, root, (DWORD)size) &&
        GetVolumeNameForVolumeMountPointW(root, name, sizeof(name) / sizeof(name[0]))) {
        size_t length = wcslen(name);

        /* With the '\' it would be the root directory. */
        if (length > 0 && name[length - 1] == L'\\')
            name[--length] = L'\0';
        copy = po_mem_new(length + 1, sizeof(*copy));
        if (copy != NULL)
            memcpy(copy, name, length * sizeof(*copy));
    }
    po_mem_free(root);
    return copy;
}

/* Wraps the handle, which is closed on failure; takes `volume`. */
static enum po_status
wrap(struct po_dir **out, HANDLE handle, wchar_t *volume, struct po_err *err)
{
    struct po_dir *dir = po_mem_new(1, sizeof(*dir));

    if (dir == NULL) {
        (void)CloseHandle(handle);
        po_mem_free(volume);
        return po_fail_nomem(err, sizeof(*dir));
    }
    dir->handle = handle;
    dir->volume = volume;
    dir->device = po_nt_device(handle);
    dir->has_streams = po_nt_has_streams(handle);
    *out = dir;
    return PO_OK;
}

enum po_status
po_dir_open(struct po_dir **out, const char *os_path, struct po_err *err)
{
    struct po_wide path = { 0 };
    struct po_node_info info = { 0 };
    HANDLE handle;
    enum po_status st = po_wide_from_os_path(&path, os_path, err);

    if (st != PO_OK)
        return st;
    handle = CreateFileW(path.text, DIRECTORY_ACCESS, PO_SHARE_ALL, NULL, OPEN_EXISTING,
                         FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        st = po_beneath_fail_win32(err, GetLastError(), "open", os_path, strlen(os_path));
    else if (po_nt_info(handle, &info) >= 0 && (info.attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
        (void)CloseHandle(handle);
        st = po_beneath_fail_win32(err, ERROR_DIRECTORY, "open", os_path, strlen(os_path));
    } else
        st = wrap(out, handle, volume_name_of(path.text), err);
    po_wide_free(&path);
    return st;
}

static LONG
open_directory(const struct po_place *place, HANDLE *out, ACCESS_MASK access)
{
    const struct po_nt_open how = { .access = access | FILE_READ_ATTRIBUTES,
                                    .disposition = FILE_OPEN,
                                    .options = FILE_DIRECTORY_FILE };
    struct po_node_info info;
    HANDLE handle = NULL;
    LONG status = po_place_open_node(place, &handle, &how);

    if (status >= 0)
        status = po_nt_info(handle, &info);
    if (status >= 0 && info.type != PO_NODE_DIRECTORY)
        status = PO_STATUS_LINK;
    if (status < 0)
        po_nt_close(&handle);
    else
        *out = handle;
    return status;
}

enum po_status
po_dir_open_below(struct po_dir **out, struct po_dir *dir, const char *path, size_t path_size,
                  struct po_err *err)
{
    struct po_place place;
    HANDLE handle = NULL;
    wchar_t *volume = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = open_directory(&place, &handle, DIRECTORY_ACCESS);

        if (status < 0)
            st = po_beneath_fail(err, status, "open", path, path_size);
    }
    po_place_close(&place);
    if (st != PO_OK)
        return st;
    /* No link was followed: it is the same volume. */
    if (dir->volume != NULL) {
        volume = po_mem_new(wcslen(dir->volume) + 1, sizeof(*volume));
        if (volume != NULL)
            memcpy(volume, dir->volume, wcslen(dir->volume) * sizeof(*volume));
    }
    return wrap(out, handle, volume, err);
}

void
po_dir_free(struct po_dir *dir)
{
    if (dir == NULL)
        return;
    (void)CloseHandle(dir->handle);
    po_mem_free(dir->volume);
    po_mem_free(dir);
}

uint64_t
po_dir_device(const struct po_dir *dir)
{
    return dir->device;
}

/* ---- looking ---- */

static bool
is_missing(LONG status)
{
    return status == STATUS_NOT_THERE || status == STATUS_NO_WAY || status == STATUS_NO_DIRECTORY;
}

enum po_status
po_dir_stat(struct po_dir *dir, const char *path, size_t path_size, struct po_node_info *info,
            bool *exists, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_place place;
    struct po_node_info found;
    HANDLE handle = NULL;
    LONG status;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK) {
        po_place_close(&place);
        if (err->os_code != ENOENT && err->os_code != ENOTDIR)
            return st;
        *exists = false;
        return PO_OK;
    }
    status = po_place_open_node(&place, &handle, &how);
    if (status >= 0)
        status = po_nt_info(handle, &found);
    if (status >= 0) {
        *info = found;
        info->device = dir->device;
        *exists = true;
    } else if (is_missing(status)) {
        *exists = false;
    } else {
        st = po_beneath_fail(err, status, "examine", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

enum po_status
po_os_stat(const char *os_path, struct po_node_info *info, bool *exists, struct po_err *err)
{
    struct po_wide path = { 0 };
    struct po_node_info found;
    HANDLE handle;
    LONG status;
    int number;
    enum po_status st;

    *exists = false;
    if (*os_path == '\0')
        return PO_OK;
    st = po_wide_from_os_path(&path, os_path, err);
    if (st != PO_OK)
        return st;
    handle = CreateFileW(path.text, FILE_READ_ATTRIBUTES, PO_SHARE_ALL, NULL, OPEN_EXISTING,
                         FILE_FLAG_BACKUP_SEMANTICS, NULL);
    po_wide_free(&path);
    if (handle == INVALID_HANDLE_VALUE) {
        number = po_win32_errno(GetLastError());
        if (number == ENOENT || number == ENOTDIR)
            return PO_OK;
        return po_beneath_fail_win32(err, GetLastError(), "examine", os_path, strlen(os_path));
    }
    status = po_nt_info(handle, &found);
    if (status >= 0) {
        found.device = po_nt_device(handle);
        *info = found;
        *exists = true;
    } else if (GetFileType(handle) != FILE_TYPE_DISK) {
        *info = (struct po_node_info){ .type = PO_NODE_DEVICE };
        *exists = true;
    } else {
        st = po_beneath_fail(err, status, "examine", os_path, strlen(os_path));
    }
    (void)CloseHandle(handle);
    return st;
}

struct listing {
    po_dir_list_fn each;
    void *ctx;
    struct po_err *err;
    struct po_buf name;
    enum po_status st;
};

static LONG
list_child(void *ctx, const wchar_t *name, size_t length, const struct po_node_info *info)
{
    struct listing *listing = ctx;

    po_buf_clear(&listing->name);
    po_wide_put(&listing->name, name, length);
    listing->st = po_buf_check(&listing->name, listing->err);
    if (listing->st == PO_OK)
        listing->st = listing->each(listing->ctx, po_buf_text(&listing->name), listing->name.size,
                                    info, NULL, listing->err);
    return listing->st == PO_OK ? 0 : 1;
}

enum po_status
po_dir_list(struct po_dir *dir, const char *path, size_t path_size, po_dir_list_fn each, void *ctx,
            struct po_err *err)
{
    struct listing listing = { .each = each, .ctx = ctx, .err = err };
    struct po_place place;
    HANDLE handle = NULL;
    LONG status;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        status = open_directory(&place, &handle, FILE_LIST_DIRECTORY);
        if (status >= 0)
            status = po_nt_list(handle, dir->device, list_child, &listing);
        st = listing.st;
        if (status < 0)
            st = po_beneath_fail(err, status, "list", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    po_buf_deinit(&listing.name);
    return st;
}

/* ---- making ---- */

/* Something else of that name is `taken`, or what a link is to those who would go through it. */
static LONG
make_child(HANDLE directory, const wchar_t *name, size_t length, LONG taken)
{
    static const struct po_nt_open make = { .access = FILE_READ_ATTRIBUTES,
                                            .disposition = FILE_CREATE,
                                            .options = FILE_DIRECTORY_FILE };
    static const struct po_nt_open look = { .access = FILE_READ_ATTRIBUTES,
                                            .disposition = FILE_OPEN };
    struct po_node_info info = { 0 };
    HANDLE handle = NULL;
    LONG status = po_nt_open_child(&handle, directory, name, length, &make);

    po_nt_close(&handle);
    if (status != STATUS_EXISTS)
        return status;
    status = po_nt_open_child(&handle, directory, name, length, &look);
    if (status >= 0)
        status = po_nt_info(handle, &info);
    po_nt_close(&handle);
    if (info.type == PO_NODE_DIRECTORY)
        return 0; /* a directory that is there is fine */
    if (info.type == PO_NODE_SYMLINK && taken != STATUS_EXISTS)
        return PO_STATUS_LINK;
    return taken;
}

enum po_status
po_dir_make(struct po_dir *dir, const char *path, size_t path_size, uint32_t mode,
            struct po_err *err)
{
    struct po_place place;
    LONG status;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    (void)mode; /* rights are inherited */
    if (st == PO_OK && path_size > 0) {
        status = make_child(place.directory, place.name, place.length, STATUS_EXISTS);
        if (status < 0)
            st = po_beneath_fail(err, status, "make", path, path_size);
    }
    po_place_close(&place);
    return st;
}

/* Each component in the one before, so that a deep path costs no more than its length. */
static LONG
make_chain(HANDLE root, const wchar_t *path)
{
    HANDLE above = root;
    LONG status = 0;

    while (*path != L'\0' && status >= 0) {
        size_t length = wcscspn(path, L"\\");
        HANDLE next = NULL;

        status = make_child(above, path, length, STATUS_NO_DIRECTORY);
        if (status >= 0)
            status = po_nt_go_down(&next, above, path, length);
        if (above != root)
            po_nt_close(&above);
        above = next;
        path += length + (path[length] == L'\\' ? 1 : 0);
    }
    if (above != root)
        po_nt_close(&above);
    return status;
}

enum po_status
po_dir_make_all(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    struct po_wide wide = { 0 };
    enum po_status st = po_path_check(path, path_size, err);

    if (st == PO_OK)
        st = po_wide_from_name(&wide, path, path_size, err);
    if (st == PO_OK) {
        LONG status = make_chain(dir->handle, wide.text);

        if (status < 0)
            st = po_beneath_fail(err, status, "make", path, path_size);
    }
    po_wide_free(&wide);
    return st;
}

/* ---- renaming ---- */

/* A rename or a hard link of an open node. An NTSTATUS. */
static LONG
give_name(HANDLE handle, const struct po_place *to, bool replace, FILE_INFORMATION_CLASS class)
{
    size_t bytes = to->length * sizeof(wchar_t);
    size_t size = sizeof(FILE_RENAME_INFORMATION) + bytes;
    FILE_RENAME_INFORMATION *info = po_mem_new(size, 1);
    IO_STATUS_BLOCK io = { 0 };
    LONG status;

    if (info == NULL)
        return (LONG)0xC0000017; /* STATUS_NO_MEMORY */
    info->ReplaceIfExists = replace;
    info->RootDirectory = to->directory;
    info->FileNameLength = (ULONG)bytes;
    memcpy(info->FileName, to->name, bytes);
    status = NtSetInformationFile(handle, &io, info, (ULONG)size, class);
    po_mem_free(info);
    return status;
}

/* Opens the places of two paths; both are to be closed whatever it returns. */
static enum po_status
open_two(struct po_place places[2], struct po_dir *from, const char *from_path, size_t from_size,
         struct po_dir *to, const char *to_path, size_t to_size, struct po_err *err)
{
    enum po_status st;

    if (from_size == 0 || to_size == 0)
        return po_fail(err, PO_E_USAGE, "the root itself cannot be renamed or linked");
    st = po_place_open(&places[0], from, from_path, from_size, err);
    if (st == PO_OK)
        st = po_place_open(&places[1], to, to_path, to_size, err);
    return st;
}

enum po_status
po_dir_make_hardlink(struct po_dir *dir, const char *path, size_t path_size, const char *existing,
                     size_t existing_size, struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_WRITE_ATTRIBUTES,
                                           .disposition = FILE_OPEN,
                                           .options = FILE_NON_DIRECTORY_FILE };
    struct po_place places[2] = { 0 };
    HANDLE handle = NULL;
    enum po_status st = open_two(places, dir, existing, existing_size, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_node(&places[0], &handle, &how);

        if (status >= 0)
            status = give_name(handle, &places[1], false, FileLinkInformation);
        if (status < 0)
            st = po_beneath_fail(err, status, "make the hard link", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&places[0]);
    po_place_close(&places[1]);
    return st;
}

enum po_status
po_dir_rename(struct po_dir *from, const char *from_path, size_t from_size, struct po_dir *to,
              const char *to_path, size_t to_size, bool replace, struct po_err *err)
{
    static const struct po_nt_open how = { .access = DELETE | FILE_READ_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    struct po_place places[2] = { 0 };
    HANDLE handle = NULL;
    enum po_status st = open_two(places, from, from_path, from_size, to, to_path, to_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_node(&places[0], &handle, &how);

        if (status >= 0)
            status = give_name(handle, &places[1], replace, FileRenameInformation);
        /* A read-only file is not replaced; POSIX asks the directory alone. */
        if (status == STATUS_DENIED && replace && po_place_clear_readonly(&places[1]) >= 0)
            status = give_name(handle, &places[1], replace, FileRenameInformation);
        if (status < 0)
            st = po_beneath_fail(err, status, "rename to", to_path, to_size);
    }
    po_nt_close(&handle);
    po_place_close(&places[0]);
    po_place_close(&places[1]);
    return st;
}

/* ---- facts ---- */

enum po_status
po_dir_set_write_time(struct po_dir *dir, const char *path, size_t path_size, int64_t time,
                      struct po_err *err)
{
    static const struct po_nt_open how = { .access = FILE_WRITE_ATTRIBUTES,
                                           .disposition = FILE_OPEN };
    FILE_BASIC_INFORMATION basic = { .LastWriteTime = { .QuadPart = po_time_to_filetime(time) } };
    struct po_place place;
    HANDLE handle = NULL;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK) {
        LONG status = po_place_open_node(&place, &handle, &how);

        if (status >= 0)
            status = po_nt_set_basic(handle, &basic);
        if (status < 0)
            st = po_beneath_fail(err, status, "set the time of", path, path_size);
    }
    po_nt_close(&handle);
    po_place_close(&place);
    return st;
}

/* Owners and modes are POSIX's: rights are descriptors here, set by the host. */
enum po_status
po_dir_set_owner(struct po_dir *dir, const char *path, size_t path_size, uint32_t uid, uint32_t gid,
                 struct po_err *err)
{
    (void)dir;
    (void)uid;
    (void)gid;
    return po_path_check(path, path_size, err);
}

enum po_status
po_dir_set_mode(struct po_dir *dir, const char *path, size_t path_size, uint32_t mode,
                struct po_err *err)
{
    return po_dir_set_owner(dir, path, path_size, mode, 0, err);
}

/* ---- the volume ---- */

enum po_status
po_dir_space(struct po_dir *dir, uint64_t *free_bytes, uint64_t *total_bytes, struct po_err *err)
{
    FILE_FS_FULL_SIZE_INFORMATION info = { 0 };
    IO_STATUS_BLOCK io = { 0 };
    LONG status = NtQueryVolumeInformationFile(dir->handle, &io, &info, sizeof(info),
                                               FileFsFullSizeInformation);
    uint64_t unit;

    if (status < 0)
        return po_fail_nt(err, status, "ask for the free space");
    unit = (uint64_t)info.SectorsPerAllocationUnit * info.BytesPerSector;
    *free_bytes = (uint64_t)info.CallerAvailableAllocationUnits.QuadPart * unit;
    *total_bytes = (uint64_t)info.TotalAllocationUnits.QuadPart * unit;
    return PO_OK;
}
