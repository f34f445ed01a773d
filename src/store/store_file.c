#include "store/store.h"

#include "base/buf.h"
#include "base/mem.h"
#include "port/file.h"
#include "store/store_flush.h"

#include <string.h>

#define PARTIAL_SUFFIX ".partial"
#define ARCHIVE_MODE 0600u

enum state { STATE_WRITING, STATE_FAILED, STATE_COMMITTED };

struct file_sink {
    struct po_store_sink sink; /* first: a struct po_store_sink * of ours is a struct file_sink * */
    char *path;                /* as given */
    char *partial_path;        /* with the suffix */
    const char *name;          /* the last components of both */
    const char *partial_name;
    struct po_dir *dir;
    struct po_lock *lock; /* on what is, or was until the rename, FILE.partial */
    bool has_partial;     /* FILE.partial is ours: to be removed by free */
    bool may_replace;     /* a FILE that is there gives way */
    bool is_private;      /* a secret */
    struct po_file *file;
    uint64_t size; /* written until now */
    struct po_store_flush flush;
    enum state state;
};

static struct file_sink *
sink_of(struct po_store_sink *sink)
{
    return (struct file_sink *)sink;
}

static void
file_sink_free(struct po_store_sink *sink)
{
    struct file_sink *file_sink = sink_of(sink);
    struct po_err ignored = { 0 };

    if (file_sink == NULL)
        return;
    po_store_flush_end(&file_sink->flush);
    po_file_free(file_sink->file);
    /* Removed under the lock; what cannot be removed is taken over by the next run. */
    if (file_sink->has_partial)
        (void)!po_dir_remove(file_sink->dir, file_sink->partial_name,
                             strlen(file_sink->partial_name), &ignored);
    po_lock_free(file_sink->lock);
    po_dir_free(file_sink->dir);
    po_mem_free(file_sink->partial_path);
    po_mem_free(file_sink->path);
    po_mem_free(file_sink);
}

/* A sink that has failed or is committed takes no more calls. */
static enum po_status
check_writing(const struct file_sink *file_sink, struct po_err *err)
{
    if (file_sink->state == STATE_FAILED)
        return po_fail(err, PO_E_IO, "%s: an earlier write failed", file_sink->path);
    if (file_sink->state == STATE_COMMITTED)
        return po_fail(err, PO_E_USAGE, "%s: committed already", file_sink->path);
    return PO_OK;
}

static enum po_status
file_sink_write_at(struct po_store_sink *sink, uint64_t offset, const void *bytes, size_t size,
                   struct po_err *err)
{
    struct file_sink *file_sink = sink_of(sink);
    enum po_status st = check_writing(file_sink, err);

    if (st != PO_OK)
        return st;
    st = po_file_write_at(file_sink->file, offset, bytes, size, err);
    if (st == PO_OK)
        st = po_store_flush_wrote(&file_sink->flush, size, err);
    if (st != PO_OK) {
        file_sink->state = STATE_FAILED;
        return po_err_prefix(err, "%s", file_sink->partial_path);
    }
    if (offset + size > file_sink->size)
        file_sink->size = offset + size;
    return PO_OK;
}

static enum po_status
file_sink_write(struct po_store_sink *sink, const void *bytes, size_t size, struct po_err *err)
{
    return file_sink_write_at(sink, sink_of(sink)->size, bytes, size, err);
}

static enum po_status
read_written(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct file_sink *file_sink = ctx;
    size_t got = 0;
    enum po_status st = po_file_read_at(file_sink->file, offset, bytes, size, &got, err);

    if (st == PO_OK && got < size)
        st = po_fail(err, PO_E_IO, "ended at %llu; more was written",
                     (unsigned long long)offset + got);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "%s", file_sink->partial_path);
}

static enum po_status
file_sink_read_back(struct po_store_sink *sink, struct pobackup_blob *blob, struct po_err *err)
{
    struct file_sink *file_sink = sink_of(sink);
    enum po_status st = check_writing(file_sink, err);

    if (st != PO_OK)
        return st;
    st = po_store_flush_all(&file_sink->flush, err);
    if (st != PO_OK) {
        file_sink->state = STATE_FAILED;
        return po_err_prefix(err, "%s", file_sink->partial_path);
    }
    *blob = (struct pobackup_blob){ .ctx = file_sink,
                                    .size = file_sink->size,
                                    .read_at = read_written };
    return PO_OK;
}

static enum po_status
fail_if_named(struct file_sink *file_sink, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st =
        po_dir_stat(file_sink->dir, file_sink->name, strlen(file_sink->name), &info, &exists, err);

    if (st == PO_OK && exists && !file_sink->may_replace)
        st = po_fail(err, PO_E_USAGE, "%s: exists already", file_sink->path);
    return st;
}

/* Content on the disk, then the final name, then that name on the disk; or nothing there. */
static enum po_status
publish(struct file_sink *file_sink, struct po_err *err)
{
    struct po_file *file = file_sink->file;
    const char *name = file_sink->name;
    const char *partial_name = file_sink->partial_name;
    struct po_err other = { 0 };
    enum po_status st = po_store_flush_all(&file_sink->flush, err);

    if (st != PO_OK)
        return st;
    /* Network file systems report only now what they could not store. */
    file_sink->file = NULL;
    st = po_file_close(file, err);
    if (st != PO_OK)
        return st;
    st = po_dir_rename(file_sink->dir, partial_name, strlen(partial_name), file_sink->dir, name,
                       strlen(name), file_sink->may_replace, err);
    if (st != PO_OK)
        return st;
    file_sink->has_partial = false;
    st = po_dir_sync(file_sink->dir, err);
    if (st == PO_OK)
        return PO_OK;
    /* The name may not outlast a power cut: a commit that says so must not leave it. But where another
     * file had it that one is gone, and this is all there is. */
    if (file_sink->may_replace ||
        po_dir_remove(file_sink->dir, name, strlen(name), &other) != PO_OK)
        return po_err_prefix(err, "is whole, but perhaps not durable");
    return st;
}

static enum po_status
file_sink_commit(struct po_store_sink *sink, struct po_err *err)
{
    struct file_sink *file_sink = sink_of(sink);
    struct po_err named = { 0 };
    enum po_status st = check_writing(file_sink, err);

    if (st != PO_OK)
        return st;
    file_sink->state = STATE_FAILED;
    st = publish(file_sink, err);
    if (st == PO_OK) {
        file_sink->state = STATE_COMMITTED;
        return PO_OK;
    }
    /* The likely cause, and the only one that is up to the user, has a status of its own. */
    if (file_sink->has_partial && fail_if_named(file_sink, &named) == PO_E_USAGE) {
        *err = named;
        return named.status;
    }
    return po_err_prefix(err, "%s", file_sink->path);
}

static const struct po_store_sink_ops file_sink_ops = {
    .write = file_sink_write,
    .write_at = file_sink_write_at,
    .read_back = file_sink_read_back,
    .commit = file_sink_commit,
    .free = file_sink_free,
};

/* Fills in the paths and opens the directory. */
static enum po_status
set_paths(struct file_sink *file_sink, const char *os_path, struct po_err *err)
{
    size_t path_size = strlen(os_path);
    size_t dir_size = 0;
    size_t name_start = 0;
    char *dir_path = NULL;
    enum po_status st;

    po_path_split(os_path, path_size, &dir_size, &name_start);
    if (os_path[name_start] == '\0' || strcmp(os_path + name_start, ".") == 0 ||
        strcmp(os_path + name_start, "..") == 0)
        return po_fail(err, PO_E_USAGE, "%s: names no file", os_path);
    file_sink->path = po_mem_strdup(os_path);
    file_sink->partial_path = po_mem_new(path_size + sizeof(PARTIAL_SUFFIX), 1);
    /* Up to the separator, which alone is the root. */
    dir_path = name_start > 0 ? po_mem_copy(os_path, name_start) : po_mem_strdup(".");
    if (file_sink->path == NULL || file_sink->partial_path == NULL || dir_path == NULL) {
        st = po_fail_nomem(err, path_size);
        goto done;
    }
    memcpy(file_sink->partial_path, os_path, path_size);
    memcpy(file_sink->partial_path + path_size, PARTIAL_SUFFIX, sizeof(PARTIAL_SUFFIX));
    file_sink->name = file_sink->path + name_start;
    file_sink->partial_name = file_sink->partial_path + name_start;
    st = po_dir_open(&file_sink->dir, dir_path, err);
done:
    po_mem_free(dir_path);
    return st;
}

static enum po_status
open_empty(struct file_sink *file_sink, struct po_err *err)
{
    enum po_status st =
        po_file_open(&file_sink->file, file_sink->dir, file_sink->partial_name,
                     strlen(file_sink->partial_name), PO_FILE_UPDATE, ARCHIVE_MODE, err);

    if (st != PO_OK)
        return st;
    file_sink->flush.file = file_sink->file;
    st = po_file_set_mode(file_sink->file, ARCHIVE_MODE, err);
    if (st != PO_OK)
        return st;
    return po_file_set_size(file_sink->file, 0, err);
}

/*
 * Makes FILE.partial ours, empty and open. Whether one that is there belongs to a live process is
 * what its lock tells: the system drops the lock with the process, whatever ended it. Only under
 * the lock is it emptied, and po_lock_take sees to it that it has not become FILE meanwhile.
 */
static enum po_status
open_partial(struct file_sink *file_sink, struct po_err *err)
{
    enum po_status st = file_sink->is_private
                            ? po_lock_take_private(&file_sink->lock, file_sink->partial_path, err)
                            : po_lock_take(&file_sink->lock, file_sink->partial_path, err);

    if (st != PO_OK)
        return st;
    if (file_sink->lock == NULL)
        return po_fail(err, PO_E_USAGE, "%s: another backup is writing it", file_sink->path);
    file_sink->has_partial = true;
    st = fail_if_named(file_sink, err);
    if (st != PO_OK)
        return st;
    st = open_empty(file_sink, err);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "%s", file_sink->partial_path);
}

static enum po_status
create(struct po_store_sink **out, const char *os_path, bool may_replace, bool is_private,
       struct po_err *err)
{
    struct file_sink *file_sink = po_mem_new(1, sizeof(*file_sink));
    enum po_status st;

    if (file_sink == NULL)
        return po_fail_nomem(err, sizeof(*file_sink));
    file_sink->sink.ops = &file_sink_ops;
    file_sink->may_replace = may_replace;
    file_sink->is_private = is_private;
    st = set_paths(file_sink, os_path, err);
    if (st != PO_OK)
        goto done;
    st = open_partial(file_sink, err);
    if (st != PO_OK)
        goto done;
    *out = &file_sink->sink;
    file_sink = NULL;
done:
    if (file_sink != NULL)
        file_sink_free(&file_sink->sink);
    return st;
}

enum po_status
po_store_file_create(struct po_store_sink **out, const char *os_path, struct po_err *err)
{
    return create(out, os_path, false, false, err);
}

enum po_status
po_store_file_create_private(struct po_store_sink **out, const char *os_path, struct po_err *err)
{
    return create(out, os_path, false, true, err);
}

enum po_status
po_store_file_replace(struct po_store_sink **out, const char *os_path, struct po_err *err)
{
    return create(out, os_path, true, false, err);
}
