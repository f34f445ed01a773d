#include "cli/cli_tell.h"

#include "base/mem.h"
#include "cli/cli_history.h"
#include "cli/cli_lock.h"
#include "cli/cli_metrics.h"
#include "cli/cli_site.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define SIZE_MAX_OLD (UINT64_C(4) << 20)
/* Others read it: a collector has a user of its own. */
#define MODE 0644

/* ---- what the history has of verified backups ---- */

static bool
is_known(const struct po_cli_metrics_verified *list, size_t count, const char *site)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].site, site) == 0)
            return true;
    return false;
}

static void
add_site(struct po_cli_metrics_verified *list, size_t *count, const struct po_history *history,
         const char *site)
{
    const struct po_history_run *last;

    if (site == NULL || is_known(list, *count, site))
        return;
    last = po_history_last_verified(history, site);
    list[(*count)++] =
        (struct po_cli_metrics_verified){ site, last != NULL ? last->time : POBACKUP_TIME_UNKNOWN };
}

/* One for each site that is known; owned, the texts are the history's. NULL when there is none. */
static struct po_cli_metrics_verified *
find_verified(const struct po_history *history, size_t *count)
{
    size_t runs = history == NULL ? 0 : po_history_count(history);
    struct po_cli_metrics_verified *list = po_mem_new(runs * 2, sizeof(*list));

    *count = 0;
    for (size_t i = 0; list != NULL && i < runs; i++) {
        add_site(list, count, history, po_history_at(history, i)->archive_site);
        add_site(list, count, history, po_history_at(history, i)->site);
    }
    return list;
}

/* ---- the file ---- */

static enum po_status
read_old(struct po_buf *text, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_node_info info = { 0 };
    struct po_file *file = NULL;
    bool is_there = false;
    enum po_status st = po_dir_stat(dir, name, strlen(name), &info, &is_there, err);

    if (st != PO_OK || !is_there)
        return st;
    st = po_file_open(&file, dir, name, strlen(name), PO_FILE_READ, 0, err);
    if (st == PO_OK && info.size > SIZE_MAX_OLD)
        st = po_fail(err, PO_E_FORMAT, "too large to be written by pobackup, so left alone");
    if (st == PO_OK && !po_buf_reserve(text, (size_t)info.size + 1))
        st = po_buf_check(text, err);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, text->bytes, (size_t)info.size, &text->size, err);
    po_file_free(file);
    return st;
}

/* The old one is there until the new one is whole. */
static enum po_status
replace(struct po_dir *dir, const char *name, const struct po_buf *text, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_err ignored;
    struct po_buf new = { 0 };
    enum po_status st;

    po_buf_printf(&new, "%s.new", name);
    st = po_buf_check(&new, err);
    if (st != PO_OK)
        goto done;
    st = po_file_open(&file, dir, po_buf_text(&new), new.size, PO_FILE_REPLACE, MODE, err);
    if (st != PO_OK)
        goto done;
    st = po_file_write_at(file, 0, text->bytes, text->size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    po_file_free(file);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&new), new.size, dir, name, strlen(name), true, err);
    if (st != PO_OK)
        (void)!po_dir_remove(dir, po_buf_text(&new), new.size, &ignored);
done:
    po_buf_deinit(&new);
    return st;
}

static enum po_status
update(const char *path, const struct po_cli_metrics_run *run, struct po_err *err)
{
    struct po_lock *lock = NULL;
    struct po_dir *dir = NULL;
    struct po_buf old = { 0 };
    struct po_buf new = { 0 };
    const char *name = NULL;
    enum po_status st = po_cli_open_parent(&dir, &name, path, err);

    if (st == PO_OK)
        st = po_cli_lock_wait(&lock, path, err);
    if (st == PO_OK)
        st = read_old(&old, dir, name, err);
    if (st == PO_OK)
        st = po_cli_metrics_merge(&new, old.bytes, old.size, run, err);
    if (st == PO_OK)
        st = replace(dir, name, &new, err);
    po_buf_deinit(&old);
    po_buf_deinit(&new);
    po_lock_free(lock);
    po_dir_free(dir);
    return st;
}

void
po_cli_tell_metrics(struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    const char *path = po_cli_text(cli, PO_CLI_METRICS);
    char *typed = NULL;
    struct po_cli_metrics_run run = { .verb = cli->verb->name,
                                      .site = "",
                                      .time = po_sys_now(),
                                      .exit_code = telling->code,
                                      .seconds = po_sys_monotonic() - cli->began };
    struct po_cli_metrics_verified *verified = NULL;
    struct po_history *history = NULL;
    json_t *document = NULL;
    struct po_err err = { 0 };

    if (path == NULL)
        return;
    if (cli->site == NULL)
        typed = po_cli_site_typed(cli);
    if (cli->site != NULL || typed != NULL)
        run.site = cli->site != NULL ? cli->site : typed;
    if (!telling->document.failed)
        document =
            json_loadb((const char *)telling->document.bytes, telling->document.size, 0, NULL);
    run.document = document;
    (void)po_cli_history_load(cli, &history);
    verified = find_verified(history, &run.verified_count);
    run.verified = verified;
    if (update(path, &run, &err) != PO_OK)
        po_cli_tell_failed(telling, "--metrics: %s%s%s", strstr(err.text, path) == NULL ? path : "",
                           strstr(err.text, path) == NULL ? ": " : "", err.text);
    json_decref(document);
    po_mem_free(verified);
    po_mem_free(typed);
    po_history_free(history);
}
