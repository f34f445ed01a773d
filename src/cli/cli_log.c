#include "cli/cli_log.h"

#include "base/buf.h"
#include "cli/cli_lock.h"
#include "cli/cli_out.h"
#include "port/sys.h"

#include <inttypes.h>
#include <string.h>

/* Old ones beyond those that are kept are looked for up to here. */
#define NUMBER_MAX 1000u

/* NAME, or NAME.NUMBER. */
static const char *
numbered(struct po_buf *text, const char *name, unsigned number)
{
    po_buf_clear(text);
    po_buf_put_text(text, name);
    if (number > 0)
        po_buf_printf(text, ".%u", number);
    return po_buf_text(text);
}

static enum po_status
exists(struct po_dir *dir, const char *name, bool *is_there, struct po_err *err)
{
    struct po_node_info info;

    return po_dir_stat(dir, name, strlen(name), &info, is_there, err);
}

/* Moves NAME.from to NAME.to, where there is one; what is at `to` is replaced. */
static enum po_status
shift(struct po_dir *dir, const char *name, unsigned from, unsigned to, struct po_err *err)
{
    struct po_buf old = { 0 };
    struct po_buf new = { 0 };
    bool is_there = false;
    enum po_status st = exists(dir, numbered(&old, name, from), &is_there, err);

    (void)numbered(&new, name, to);
    if (st == PO_OK)
        st = po_buf_check(&old, err);
    if (st == PO_OK)
        st = po_buf_check(&new, err);
    if (st == PO_OK && is_there)
        st = po_dir_rename(dir, po_buf_text(&old), old.size, dir, po_buf_text(&new), new.size, true,
                           err);
    po_buf_deinit(&old);
    po_buf_deinit(&new);
    return st;
}

/* Removes NAME.number and those behind it, up to the first that is not there. */
static enum po_status
remove_from(struct po_dir *dir, const char *name, unsigned number, struct po_err *err)
{
    struct po_buf text = { 0 };
    bool is_there = true;
    enum po_status st = PO_OK;

    for (; st == PO_OK && is_there && number < NUMBER_MAX; number++) {
        st = exists(dir, numbered(&text, name, number), &is_there, err);
        if (st == PO_OK)
            st = po_buf_check(&text, err);
        if (st == PO_OK && is_there)
            st = po_dir_remove(dir, po_buf_text(&text), text.size, err);
    }
    po_buf_deinit(&text);
    return st;
}

static enum po_status
rotate(const struct po_cli_log *log, struct po_dir *dir, const char *name, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (unsigned i = log->count; st == PO_OK && i > 0; i--)
        st = shift(dir, name, i - 1, i, err);
    if (st == PO_OK)
        st = remove_from(dir, name, log->count > 0 ? log->count + 1 : 0, err);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "rotate");
}

/* A failing write leaves what was there before, as far as the disk allows. */
static enum po_status
write_at_end(struct po_dir *dir, const char *name, const void *bytes, size_t size,
             struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info = { 0 };
    struct po_err ignored;
    bool is_there = false;
    enum po_status st = exists(dir, name, &is_there, err);

    if (st == PO_OK)
        st = po_file_open(&file, dir, name, strlen(name),
                          is_there ? PO_FILE_UPDATE : PO_FILE_CREATE, 0600, err);
    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK) {
        st = po_file_write_at(file, info.size, bytes, size, err);
        if (st != PO_OK)
            (void)!po_file_set_size(file, info.size, &ignored);
    }
    if (st != PO_OK) {
        po_file_free(file);
        return st;
    }
    return po_file_close(file, err);
}

static enum po_status
append(const struct po_cli_log *log, struct po_dir *dir, const char *name, const void *bytes,
       size_t size, struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_err write_err = { 0 };
    bool is_there = false;
    enum po_status st = po_dir_stat(dir, name, strlen(name), &info, &is_there, err);

    if (st != PO_OK)
        return st;
    if (is_there && info.type == PO_NODE_FILE && info.size > 0 && info.size + size > log->size_max)
        st = rotate(log, dir, name, err);
    /* What cannot be rotated grows: better than lines that are lost. */
    if (write_at_end(dir, name, bytes, size, &write_err) != PO_OK && st == PO_OK) {
        *err = write_err;
        st = write_err.status;
    }
    return st;
}

enum po_status
po_cli_log_append(const struct po_cli_log *log, const void *bytes, size_t size, struct po_err *err)
{
    struct po_lock *lock = NULL;
    struct po_dir *dir = NULL;
    const char *name = NULL;
    enum po_status st = po_cli_open_parent(&dir, &name, log->path, err);

    if (st == PO_OK)
        st = po_cli_lock_wait(&lock, log->path, err);
    if (st == PO_OK)
        st = append(log, dir, name, bytes, size, err);
    po_lock_free(lock);
    po_dir_free(dir);
    if (st != PO_OK && strstr(err->text, log->path) == NULL)
        st = po_err_prefix(err, "%s", log->path);
    return st;
}

void
po_cli_log_line(struct po_cli_log *log, const char *prefix, const char *text)
{
    struct po_buf line = { 0 };

    if (log->path == NULL || log->err.status != PO_OK)
        return;
    po_sys_put_local_time(&line, po_sys_now());
    po_buf_printf(&line, " [%" PRIu32 "] %s: %s", po_sys_process_id(), log->verb, prefix);
    po_cli_put_message(&line, text);
    po_buf_put_text(&line, po_sys_has_windows_names() ? "\r\n" : "\n");
    if (po_buf_check(&line, &log->err) == PO_OK)
        (void)!po_cli_log_append(log, line.bytes, line.size, &log->err);
    po_buf_deinit(&line);
}
