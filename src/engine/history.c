#include "engine/history.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/history_line.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define NEW_NAME PO_HISTORY_NAME ".new"
#define LOCK_NAME PO_HISTORY_NAME ".lock"
/* A file that somebody else has made larger is read from its end. */
#define READ_SIZE_MAX (UINT64_C(8) << 20)
/* Another process holds the lock for as long as an append takes: a sync of a small file. */
#define LOCK_WAIT_MS 20u
#define LOCK_TRIES 500u
#define DAY_SECONDS (24.0 * 60 * 60)

/* A line of the file, and what it says. */
struct row {
    struct po_history_line line;
    size_t start; /* in `text`; with its newline */
    size_t size;
};

struct po_history {
    struct po_buf text;
    struct row *rows;
    size_t count;
    size_t capacity;
    uint64_t file_size;
};

void
po_history_free(struct po_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->count; i++)
        po_history_line_deinit(&history->rows[i].line);
    po_mem_free(history->rows);
    po_buf_deinit(&history->text);
    po_mem_free(history);
}

/* ---- reading ---- */

static enum po_status
add_row(struct po_history *history, size_t start, size_t size, struct po_err *err)
{
    struct row row = { .start = start, .size = size };
    enum po_status st;

    if (history->count == history->capacity) {
        size_t capacity = history->capacity == 0 ? 64 : history->capacity * 2;
        struct row *rows = po_mem_resize(history->rows, capacity, sizeof *rows);

        if (rows == NULL)
            return po_fail_nomem(err, capacity * sizeof *rows);
        history->rows = rows;
        history->capacity = capacity;
    }
    st = po_history_line_parse(&row.line, history->text.bytes + start, size - 1, err);
    if (st == PO_E_FORMAT)
        return PO_OK; /* cut off by a crash, or of somebody else */
    if (st == PO_OK)
        history->rows[history->count++] = row;
    return st;
}

/* What has no newline is not at its end yet: it is no row. */
static enum po_status
split(struct po_history *history, struct po_err *err)
{
    const uint8_t *bytes = history->text.bytes;
    size_t at = 0;
    enum po_status st = PO_OK;

    while (st == PO_OK && at < history->text.size) {
        const uint8_t *end = memchr(bytes + at, '\n', history->text.size - at);

        if (end == NULL)
            break;
        st = add_row(history, at, (size_t)(end + 1 - (bytes + at)), err);
        at = (size_t)(end + 1 - bytes);
    }
    return st;
}

static enum po_status
read_file(struct po_history *history, struct po_dir *dir, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info;
    bool exists = false;
    size_t got = 0;
    size_t size = 0;
    enum po_status st =
        po_dir_stat(dir, PO_HISTORY_NAME, strlen(PO_HISTORY_NAME), &info, &exists, err);

    if (st != PO_OK || !exists)
        return st;
    st = po_file_open(&file, dir, PO_HISTORY_NAME, strlen(PO_HISTORY_NAME), PO_FILE_READ, 0, err);
    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK) {
        size = (size_t)(info.size < READ_SIZE_MAX ? info.size : READ_SIZE_MAX);
        if (!po_buf_reserve(&history->text, size + 1))
            st = po_fail_nomem(err, size);
    }
    if (st == PO_OK)
        st = po_file_read_at(file, info.size - size, history->text.bytes, size, &got, err);
    if (st == PO_OK) {
        history->text.size = got;
        history->file_size = info.size - size + got;
    }
    po_file_free(file);
    return st;
}

/* The text alone, no rows. dir = NULL: there is none. */
static enum po_status
read_text(struct po_history **out, struct po_dir *dir, struct po_err *err)
{
    struct po_history *history = po_mem_new(1, sizeof *history);
    enum po_status st;

    if (history == NULL)
        return po_fail_nomem(err, sizeof *history);
    st = dir == NULL ? PO_OK : read_file(history, dir, err);
    if (st != PO_OK) {
        po_history_free(history);
        return st;
    }
    *out = history;
    return PO_OK;
}

static enum po_status
load(struct po_history **out, struct po_dir *dir, struct po_err *err)
{
    enum po_status st = read_text(out, dir, err);

    if (st != PO_OK)
        return st;
    st = split(*out, err);
    if (st != PO_OK) {
        po_history_free(*out);
        *out = NULL;
    }
    return st;
}

enum po_status
po_history_load(struct po_history **out, const char *dir_path, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_node_info info;
    bool exists = false;
    enum po_status st = po_os_stat(dir_path, &info, &exists, err);

    if (st == PO_OK && exists)
        st = po_dir_open(&dir, dir_path, err);
    if (st == PO_OK)
        st = load(out, dir, err);
    po_dir_free(dir);
    return st == PO_OK ? st : po_err_prefix(err, "history");
}

/* ---- questions ---- */

size_t
po_history_count(const struct po_history *history)
{
    return history->count;
}

const struct po_history_run *
po_history_at(const struct po_history *history, size_t number)
{
    return &history->rows[number].line.run;
}

static bool
is_text(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

bool
po_history_is_of(const struct po_history_run *run, const char *site)
{
    return is_text(run->site, site) || is_text(run->archive_site, site);
}

/* One that was too damaged to be opened told no id: it is known by its place. */
static bool
is_same_archive(const struct po_history_run *a, const struct po_history_run *b)
{
    if (a->has_archive_id && b->has_archive_id)
        return memcmp(a->archive_id, b->archive_id, PO_ID_SIZE) == 0;
    return a->archive != NULL && is_text(b->archive, a->archive);
}

bool
po_history_is_backup(const struct po_history_run *run)
{
    return is_text(run->verb, "backup") || is_text(run->verb, "pre-upgrade");
}

/* The backup that made the archive that a run is about. */
static const struct po_history_run *
find_made(const struct po_history *history, const struct po_history_run *about)
{
    for (size_t i = history->count; i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);

        if (po_history_is_backup(run) && run->has_archive_id && is_same_archive(run, about))
            return run;
    }
    return NULL;
}

/* Whoever looked last found it so: it may have been mended, or been another copy. What was at its
 * place before it was made is no concern of it. */
static bool
is_damaged(const struct po_history *history, const struct po_history_run *about)
{
    for (size_t i = history->count; i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);

        if (!is_same_archive(run, about))
            continue;
        if (run->check != PO_HISTORY_UNCHECKED)
            return !run->is_whole;
        if (po_history_is_backup(run))
            return false;
    }
    return false;
}

const struct po_history_run *
po_history_backup_before(const struct po_history *history, const char *site, size_t *before)
{
    while (*before > 0) {
        const struct po_history_run *run = po_history_at(history, --*before);

        if (po_history_is_backup(run) && is_text(run->site, site) && run->has_archive_id &&
            run->is_complete && !is_damaged(history, run))
            return run;
    }
    return NULL;
}

const struct po_history_run *
po_history_last_backup(const struct po_history *history, const char *site)
{
    size_t before = history->count;

    return po_history_backup_before(history, site, &before);
}

bool
po_history_is_made_of(const struct po_history *history, const struct po_history_run *run,
                      const struct po_history_run *backup)
{
    return is_text(run->verb, "consolidate") && run->has_archive_id && run->is_complete &&
           run->archive_site != NULL && is_text(backup->site, run->archive_site) &&
           run->created != POBACKUP_TIME_UNKNOWN && run->created == backup->created &&
           !is_damaged(history, run);
}

const struct po_history_run *
po_history_last_verified(const struct po_history *history, const char *site)
{
    for (size_t i = history->count; i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);

        if (run->check == PO_HISTORY_DEEP && run->is_whole && run->has_archive_id &&
            run->is_complete && is_text(run->archive_site, site) && !is_damaged(history, run))
            return run;
    }
    return NULL;
}

int64_t
po_history_made_at(const struct po_history_run *run)
{
    return run->created != POBACKUP_TIME_UNKNOWN ? run->created : run->time;
}

void
po_history_put_age(struct po_buf *out, int64_t then, int64_t now)
{
    double seconds = (double)(now - then) / 1e7;

    if (seconds < 0)
        po_buf_put_text(out, "in the future");
    else if (seconds < 2 * DAY_SECONDS)
        po_text_put_seconds(out, seconds);
    else
        po_buf_printf(out, "%.1f days", seconds / DAY_SECONDS);
    if (seconds >= 0)
        po_buf_put_text(out, " ago");
}

/* ---- writing ---- */

/* Of the older half, what the questions are answered with stays: one busy site is not to push out
 * what is known of another, nor many verifications the backup itself. */
static bool
is_needed(const struct po_history *history, size_t number)
{
    const struct po_history_run *run = po_history_at(history, number);
    const char *site = run->archive_site != NULL ? run->archive_site : run->site;

    return number >= history->count / 2 ||
           (site != NULL && (po_history_last_backup(history, site) == run ||
                             po_history_last_verified(history, site) == run));
}

static enum po_status
rewrite(const struct po_history *history, struct po_dir *dir, const struct po_buf *line,
        struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_buf kept = { 0 };
    enum po_status st;

    for (size_t i = 0; i < history->count; i++)
        if (is_needed(history, i))
            po_buf_put(&kept, history->text.bytes + history->rows[i].start, history->rows[i].size);
    po_buf_put(&kept, line->bytes, line->size);
    st = po_buf_check(&kept, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, NEW_NAME, strlen(NEW_NAME), PO_FILE_REPLACE, 0600, err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, kept.bytes, kept.size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    po_file_free(file);
    if (st == PO_OK)
        st = po_dir_rename(dir, NEW_NAME, strlen(NEW_NAME), dir, PO_HISTORY_NAME,
                           strlen(PO_HISTORY_NAME), true, err);
    if (st == PO_OK)
        st = po_dir_sync(dir, err);
    po_buf_deinit(&kept);
    return st;
}

/* A failing write leaves what was there before, as far as the disk allows. */
static enum po_status
append(const struct po_history *history, struct po_dir *dir, const struct po_buf *line,
       struct po_err *err)
{
    bool is_new = history->file_size == 0;
    bool is_cut = history->text.size > 0 && history->text.bytes[history->text.size - 1] != '\n';
    struct po_file *file = NULL;
    struct po_buf bytes = { 0 };
    struct po_err ignored;
    enum po_status st;

    if (is_cut)
        po_buf_put_u8(&bytes, '\n');
    po_buf_put(&bytes, line->bytes, line->size);
    st = po_buf_check(&bytes, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, PO_HISTORY_NAME, strlen(PO_HISTORY_NAME),
                          is_new ? PO_FILE_REPLACE : PO_FILE_UPDATE, 0600, err);
    if (st == PO_OK) {
        st = po_file_write_at(file, history->file_size, bytes.bytes, bytes.size, err);
        if (st == PO_OK)
            st = po_file_sync(file, err);
        if (st != PO_OK)
            (void)!po_file_set_size(file, history->file_size, &ignored);
    }
    po_file_free(file);
    if (st == PO_OK && is_new)
        st = po_dir_sync(dir, err);
    po_buf_deinit(&bytes);
    return st;
}

static enum po_status
take_lock(struct po_lock **lock, const char *dir_path, struct po_err *err)
{
    char *path = po_os_path_join(dir_path, LOCK_NAME);
    enum po_status st = path == NULL ? po_fail_nomem(err, strlen(dir_path)) : PO_OK;

    for (unsigned i = 0; st == PO_OK && *lock == NULL && i < LOCK_TRIES; i++) {
        if (i > 0)
            po_sys_sleep_ms(LOCK_WAIT_MS);
        st = po_lock_take(lock, path, err);
    }
    if (st == PO_OK && *lock == NULL)
        st = po_fail(err, PO_E_IO, "%s: held by another process", path);
    po_mem_free(path);
    return st;
}

/* Of an archive that was made here, the backup says whose it is, when, and whether it has all. */
static struct po_history_run
with_origin(const struct po_history *history, const struct po_history_run *run)
{
    struct po_history_run whole = *run;
    const struct po_history_run *made = run->archive_site == NULL ? find_made(history, run) : NULL;

    if (made != NULL) {
        whole.archive_site = made->site;
        whole.is_complete = made->is_complete;
    }
    return whole;
}

/* Its rows are read only when something is asked of them: that takes longer than all else. */
static enum po_status
append_run(struct po_history *history, struct po_dir *dir, const struct po_history_run *run,
           uint64_t size_max, struct po_err *err)
{
    struct po_history_run whole = *run;
    struct po_buf line = { 0 };
    enum po_status st = PO_OK;
    bool is_split = run->archive_site == NULL;

    if (is_split) {
        st = split(history, err);
        if (st == PO_OK)
            whole = with_origin(history, run);
    }
    if (st == PO_OK) {
        po_history_line_put(&line, &whole);
        st = po_buf_check(&line, err);
    }
    if (st == PO_OK && history->file_size + line.size <= size_max) {
        st = append(history, dir, &line, err);
    } else if (st == PO_OK) {
        if (!is_split)
            st = split(history, err);
        if (st == PO_OK)
            st = rewrite(history, dir, &line, err);
    }
    po_buf_deinit(&line);
    return st;
}

enum po_status
po_history_append(const char *dir_path, const struct po_history_run *run, uint64_t size_max,
                  struct po_err *err)
{
    struct po_history *history = NULL;
    struct po_lock *lock = NULL;
    struct po_dir *dir = NULL;
    enum po_status st = po_dir_open(&dir, dir_path, err);

    if (st == PO_OK)
        st = take_lock(&lock, dir_path, err);
    if (st == PO_OK)
        st = read_text(&history, dir, err);
    if (st == PO_OK)
        st = append_run(history, dir, run, size_max, err);
    po_history_free(history);
    po_lock_free(lock);
    po_dir_free(dir);
    return st == PO_OK ? st : po_err_prefix(err, "history");
}
