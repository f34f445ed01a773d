/*
 * Removing, whole trees too. A tree may be deeper than the stack allows, so there is no recursion:
 * each level has a handle, by which the names below it are found. If somebody moves a directory of
 * the tree meanwhile, its handle goes with it, and nothing else is touched.
 */
#include "port/file.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file_win32.h"

#include <errno.h>
#include <string.h>

#define STATUS_NOT_EMPTY ((LONG)0xC0000101) /* STATUS_DIRECTORY_NOT_EMPTY */
#define STATUS_CANNOT ((LONG)0xC0000121)    /* STATUS_CANNOT_DELETE: it is read-only */
#define STATUS_NOT_THERE ((LONG)0xC0000034) /* STATUS_OBJECT_NAME_NOT_FOUND */
#define STATUS_PENDING_DELETE ((LONG)0xC0000056)
#define STATUS_MEMORY ((LONG)0xC0000017)

/*
 * What is removed has its name until the last handle to it is closed, and a virus scanner may have
 * one: so often is a directory emptied again before it counts as not empty.
 */
#define TURNS_MAX 10u
#define TURN_PAUSE_MS 50u

static const struct po_nt_open for_removal = {
    .access = DELETE | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, .disposition = FILE_OPEN
};

static LONG
mark_deleted(HANDLE handle)
{
    FILE_DISPOSITION_INFORMATION gone = { .DoDeleteFile = TRUE };
    IO_STATUS_BLOCK io = { 0 };

    return NtSetInformationFile(handle, &io, &gone, sizeof(gone), FileDispositionInformation);
}

LONG
po_nt_remove(HANDLE handle)
{
    FILE_BASIC_INFORMATION plain = { .FileAttributes = FILE_ATTRIBUTE_NORMAL };
    LONG status = mark_deleted(handle);

    /* Windows removes nothing that is read-only; POSIX asks the directory alone. */
    if (status == STATUS_CANNOT && po_nt_set_basic(handle, &plain) >= 0)
        status = mark_deleted(handle);
    return status;
}

/* A file, a link or an empty directory. */
static LONG
remove_child(HANDLE directory, const wchar_t *name, size_t length, bool *is_directory)
{
    struct po_node_info info;
    HANDLE handle = NULL;
    LONG status = po_nt_open_child(&handle, directory, name, length, &for_removal);

    *is_directory = false;
    if (status >= 0)
        status = po_nt_info(handle, &info);
    if (status >= 0) {
        *is_directory = info.type == PO_NODE_DIRECTORY;
        status = po_nt_remove(handle);
    }
    po_nt_close(&handle);
    return status;
}

enum po_status
po_dir_remove(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    struct po_place place;
    bool is_directory;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st == PO_OK && path_size == 0)
        st = po_fail(err, PO_E_USAGE, "the root itself cannot be removed");
    if (st == PO_OK) {
        LONG status = remove_child(place.directory, place.name, place.length, &is_directory);

        if (status < 0)
            st = po_beneath_fail(err, status, "remove", path, path_size);
    }
    po_place_close(&place);
    return st;
}

/* ---- trees ---- */

struct level {
    HANDLE directory;
    size_t names_start; /* where this directory's names begin in removal.names */
    unsigned turns;     /* how often the name in work was gone down into */
};

struct removal {
    struct po_buf names; /* still to be removed, each with a NUL; the last one is in work */
    struct level *levels;
    size_t count;
    size_t capacity;
};

static LONG
put_name(void *ctx, const wchar_t *name, size_t length, const struct po_node_info *info)
{
    struct removal *removal = ctx;

    (void)info;
    po_buf_put(&removal->names, name, length * sizeof(wchar_t));
    po_buf_put_u16le(&removal->names, 0);
    return removal->names.failed ? STATUS_MEMORY : 0;
}

/* Takes the handle, in any case. */
static LONG
push_level(struct removal *removal, HANDLE directory)
{
    LONG status = STATUS_MEMORY;

    if (removal->count == removal->capacity) {
        size_t capacity = removal->capacity > 0 ? removal->capacity * 2 : 16;
        struct level *levels = po_mem_resize(removal->levels, capacity, sizeof(*levels));

        if (levels == NULL)
            goto fail;
        removal->levels = levels;
        removal->capacity = capacity;
    }
    removal->levels[removal->count++] = (struct level){ directory, removal->names.size, 0 };
    /* All at once: a listing that is changed while it is read may leave some out. */
    return po_nt_list(directory, 0, put_name, removal);
fail:
    po_nt_close(&directory);
    return status;
}

/* The name in work, and its length. */
static const wchar_t *
last_name(const struct removal *removal, size_t *length)
{
    const wchar_t *names = (const wchar_t *)(const void *)removal->names.bytes;
    size_t end = removal->names.size / sizeof(wchar_t) - 1; /* at its NUL */
    size_t start = end;

    while (start > 0 && names[start - 1] != L'\0')
        start--;
    *length = end - start;
    return names + start;
}

static void
drop_last_name(struct removal *removal)
{
    size_t length;

    (void)last_name(removal, &length);
    removal->names.size -= (length + 1) * sizeof(wchar_t);
}

/* One step: removes the name in work, or goes down into it. */
static LONG
remove_last_name(struct removal *removal)
{
    static const struct po_nt_open down = { .access = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
                                            .disposition = FILE_OPEN,
                                            .options = FILE_DIRECTORY_FILE };
    struct level *level = &removal->levels[removal->count - 1];
    HANDLE handle = NULL;
    bool is_directory;
    size_t length;
    const wchar_t *name = last_name(removal, &length);
    LONG status = remove_child(level->directory, name, length, &is_directory);

    /* Somebody was faster: what we want is done. */
    if (status >= 0 || status == STATUS_NOT_THERE || status == STATUS_PENDING_DELETE) {
        drop_last_name(removal);
        level->turns = 0;
        return 0;
    }
    if (status != STATUS_NOT_EMPTY || !is_directory || level->turns == TURNS_MAX)
        return status;
    if (level->turns++ > 0)
        Sleep(TURN_PAUSE_MS);
    status = po_nt_open_child(&handle, level->directory, name, length, &down);
    return status < 0 ? status : push_level(removal, handle);
}

static LONG
empty(struct removal *removal)
{
    LONG status = 0;

    while (status >= 0 && removal->count > 0) {
        struct level *level = &removal->levels[removal->count - 1];

        if (removal->names.size > level->names_start) {
            status = remove_last_name(removal);
            continue;
        }
        /* Empty now: the level above removes it, once its handle is closed. */
        po_nt_close(&level->directory);
        removal->count--;
    }
    return status;
}

enum po_status
po_dir_remove_all(struct po_dir *dir, const char *path, size_t path_size, struct po_err *err)
{
    static const struct po_nt_open list = { .access = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES,
                                            .disposition = FILE_OPEN,
                                            .options = FILE_DIRECTORY_FILE };
    struct removal removal = { 0 };
    struct po_place place;
    bool is_directory = true;
    HANDLE handle = NULL;
    LONG status = STATUS_NOT_EMPTY;
    enum po_status st = po_place_open(&place, dir, path, path_size, err);

    if (st != PO_OK)
        goto done;
    if (path_size > 0)
        status = remove_child(place.directory, place.name, place.length, &is_directory);
    for (unsigned turn = 0; status == STATUS_NOT_EMPTY && is_directory && turn < TURNS_MAX;
         turn++) {
        if (turn > 0)
            Sleep(TURN_PAUSE_MS);
        status = po_place_open_node(&place, &handle, &list);
        if (status >= 0)
            status = push_level(&removal, handle);
        if (status >= 0)
            status = empty(&removal);
        if (status < 0)
            break;
        if (path_size > 0)
            status = remove_child(place.directory, place.name, place.length, &is_directory);
    }
    if (status < 0) {
        st = po_beneath_fail(err, status, "remove", path, path_size);
        (void)po_err_prefix(err, "remove the tree");
    }
done:
    while (removal.count > 0)
        po_nt_close(&removal.levels[--removal.count].directory);
    po_buf_deinit(&removal.names);
    po_mem_free(removal.levels);
    po_place_close(&place);
    return st;
}
