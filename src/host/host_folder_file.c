#include "host/host_folder_file.h"

#include "base/mem.h"
#include "base/names.h"

#include <errno.h>
#include <string.h>

/* Most are small; then twice as much each time. */
#define READ_STEP ((size_t)4 * 1024)
#define READ_STEP_MAX ((size_t)64 * 1024)

/* Appends `file` to its end, however its size changes meanwhile. */
static enum po_status
read_all(struct po_file *file, const char *os_path, uint64_t size_max, struct po_buf *out,
         struct po_err *err)
{
    uint64_t offset = 0;
    size_t step = READ_STEP;
    size_t got = 0;

    do {
        enum po_status st;

        if (!po_buf_reserve(out, step))
            return po_fail_nomem(err, step);
        st = po_file_read_at(file, offset, out->bytes + out->size, step, &got, err);
        if (st != PO_OK)
            return po_err_prefix(err, "%s", os_path);
        out->size += got;
        offset += got;
        step = step < READ_STEP_MAX ? step * 2 : step;
        if (offset > size_max)
            return po_fail(err, PO_E_IO, "%s: larger than %llu bytes", os_path,
                           (unsigned long long)size_max);
    } while (got > 0);
    return PO_OK;
}

enum po_status
po_host_folder_file_read(const char *os_path, uint64_t size_max, struct po_buf *out, bool *exists,
                         struct po_node_info *info, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info found = { 0 };
    size_t size_before = out->size;
    bool is_there = false;
    enum po_status st = po_os_stat(os_path, &found, &is_there, err);

    if (st != PO_OK || !is_there)
        goto done;
    /* Asked before the opening, which would wait for a writer of a FIFO. */
    if (found.type != PO_NODE_FILE) {
        st = po_fail(err, PO_E_IO, "%s: not a regular file", os_path);
        goto done;
    }
    st = po_os_file_open(&file, os_path, PO_FILE_READ, err);
    if (st != PO_OK)
        goto done;
    st = po_file_info(file, &found, err);
    if (st != PO_OK) {
        st = po_err_prefix(err, "%s", os_path);
        goto done;
    }
    st = read_all(file, os_path, size_max, out, err);
done:
    if (st == PO_OK) {
        *exists = is_there;
        if (info != NULL)
            *info = found;
    } else {
        out->size = size_before;
    }
    po_file_free(file);
    return st;
}

/* What a file has besides its content: in this order, as changing the owner takes bits off the mode. */
static enum po_status
set_facts(struct po_file *file, const struct po_node_info *former, uint32_t mode,
          int64_t write_time, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (former != NULL)
        st = po_file_set_owner(file, former->uid, former->gid, err);
    /* Only the administrator may give files away; who is not has made it his own. */
    if (st != PO_OK && err->os_code != EPERM)
        return st;
    /* The mode at opening is for new files, and the umask takes from it. */
    st = po_file_set_mode(file, former != NULL ? former->mode : mode, err);
    if (st == PO_OK && write_time != POBACKUP_TIME_UNKNOWN)
        st = po_file_set_write_time(file, write_time, err);
    return st;
}

/* A fixed name: what a dead run left is overwritten by the next one and does not pile up. */
static const char temporary[] = PO_NAME_NEW "file";

/* Writes `name` in `dir` and takes it to the disk. *is_begun: there is something to remove now. */
static enum po_status
write_durably(struct po_dir *dir, const char *name, const void *bytes, size_t size,
              const struct po_node_info *former, uint32_t mode, int64_t write_time, bool *is_begun,
              struct po_err *err)
{
    struct po_file *file = NULL;
    enum po_status st = po_file_open(&file, dir, name, strlen(name), PO_FILE_REPLACE, 0600, err);

    if (st != PO_OK)
        return st;
    *is_begun = true;
    st = po_file_write_at(file, 0, bytes, size, err);
    if (st == PO_OK)
        st = set_facts(file, former, mode, write_time, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    if (st == PO_OK)
        return po_file_close(file, err);
    po_file_free(file);
    return st;
}

/* The directory part of `os_path`, "." if it has none, and the name behind it. */
static enum po_status
split(const char *os_path, char **dir, const char **name, struct po_err *err)
{
    size_t dir_size = 0;
    size_t name_start = 0;

    po_path_split(os_path, strlen(os_path), &dir_size, &name_start);
    if (os_path[name_start] == '\0')
        return po_fail(err, PO_E_USAGE, "%s: names no file", os_path);
    if (name_start == 0)
        *dir = po_mem_strdup(".");
    else if (dir_size == 0)
        *dir = po_mem_copy(os_path, name_start); /* The root itself. */
    else
        *dir = po_mem_copy(os_path, dir_size);
    if (*dir == NULL)
        return po_fail_nomem(err, dir_size);
    *name = os_path + name_start;
    return PO_OK;
}

enum po_status
po_host_folder_file_replace(const char *os_path, const void *bytes, size_t size,
                            const struct po_node_info *former, uint32_t mode, int64_t write_time,
                            struct po_err *err)
{
    const size_t temporary_size = sizeof(temporary) - 1;
    struct po_err ignored = { 0 };
    struct po_dir *dir = NULL;
    char *dir_path = NULL;
    const char *name = "";
    bool is_begun = false;
    enum po_status st = split(os_path, &dir_path, &name, err);

    if (st != PO_OK)
        goto done;
    st = po_dir_open_make(&dir, dir_path, err);
    if (st != PO_OK)
        goto done;
    st = write_durably(dir, temporary, bytes, size, former, mode, write_time, &is_begun, err);
    if (st != PO_OK)
        goto done;
    st = po_dir_rename(dir, temporary, temporary_size, dir, name, strlen(name), true, err);
    if (st != PO_OK)
        goto done;
    is_begun = false;
    st = po_dir_sync(dir, err);
    if (st != PO_OK && former == NULL)
        (void)!po_dir_remove(dir, name, strlen(name), &ignored);
done:
    if (st != PO_OK && dir != NULL)
        st = po_err_prefix(err, "write %s", os_path);
    /* A failure is being reported already; what cannot be removed is overwritten the next time. */
    if (is_begun)
        (void)!po_dir_remove(dir, temporary, temporary_size, &ignored);
    po_dir_free(dir);
    po_mem_free(dir_path);
    return st;
}

enum po_status
po_host_folder_file_remove(const char *os_path, struct po_err *err)
{
    struct po_err ignored;
    struct po_dir *dir = NULL;
    char *dir_path = NULL;
    const char *name = "";
    enum po_status st = split(os_path, &dir_path, &name, err);

    if (st == PO_OK)
        st = po_dir_open(&dir, dir_path, err);
    if (st == PO_OK)
        (void)!po_dir_remove(dir, temporary, sizeof(temporary) - 1, &ignored);
    if (st == PO_OK)
        st = po_dir_remove(dir, name, strlen(name), err);
    if (st == PO_OK)
        st = po_dir_sync(dir, err);
    po_dir_free(dir);
    po_mem_free(dir_path);
    if (st == PO_E_IO && err->os_code == ENOENT)
        return PO_OK;
    return st == PO_OK ? st : po_err_prefix(err, "remove %s", os_path);
}
