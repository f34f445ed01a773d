#include "cli/cli_outage.h"

#include "base/mem.h"
#include "cli/cli_recovery.h"
#include "cli/cli_state.h"
#include "engine/journal.h"
#include "engine/recover.h"
#include "engine/services.h"
#include "port/file.h"

#include <errno.h>
#include <string.h>

/* A record beside those of enum po_host_guard_news. */
#define TAKEN_OVER 100u

struct po_cli_outage {
    struct po_host *host;
    struct po_buf path;
    const char *name; /* its last component */
    struct po_dir *dir;
    struct po_journal *journal;
    bool is_former; /* one is there that could not be set right: it stays, with what is added */
};

/* ---- names ---- */

static void
forget_name(struct po_buf *names, const char *name)
{
    for (size_t at = 0; at < names->size;) {
        size_t size = strlen((const char *)names->bytes + at) + 1;

        if (strcmp((const char *)names->bytes + at, name) != 0) {
            at += size;
            continue;
        }
        memmove(names->bytes + at, names->bytes + at + size, names->size - at - size);
        names->size -= size;
    }
}

void
po_cli_outage_move(struct po_buf *to, struct po_buf *from, struct po_buf *also_from,
                   const char *name)
{
    forget_name(from, name);
    forget_name(also_from, name);
    if (to != NULL)
        po_buf_put(to, name, strlen(name) + 1);
}

static bool
has_name(const struct po_buf *names, const char *name)
{
    for (size_t at = 0; at < names->size; at += strlen((const char *)names->bytes + at) + 1)
        if (strcmp((const char *)names->bytes + at, name) == 0)
            return true;
    return false;
}

/* ---- where it is ---- */

/* The directory, and the note's name in it. */
static enum po_status
open_place(struct po_host *host, struct po_dir **dir, struct po_buf *path, const char **name,
           struct po_err *err)
{
    size_t dir_size = 0;
    size_t name_start = 0;
    struct po_buf parent = { 0 };
    enum po_status st = po_cli_state_outage(host, path, err);

    if (st != PO_OK)
        return st;
    po_path_split(po_buf_text(path), path->size, &dir_size, &name_start);
    *name = po_buf_text(path) + name_start;
    po_buf_put(&parent, path->bytes, dir_size);
    st = po_buf_check(&parent, err);
    if (st == PO_OK)
        st = po_dir_open_make_private(dir, po_buf_text(&parent), err);
    po_buf_deinit(&parent);
    return st;
}

bool
po_cli_outage_is_noted(struct po_host *host)
{
    struct po_buf path = { 0 };
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;

    if (po_cli_state_outage(host, &path, &ignored) == PO_OK &&
        po_os_stat(po_buf_text(&path), &info, &exists, &ignored) != PO_OK)
        exists = false;
    po_buf_deinit(&path);
    return exists;
}

/* What was interrupted has a journal of its own, by which services come back with the rest. */
static bool
is_restore_open(struct po_host *host)
{
    struct po_recovery recovery = { 0 };
    struct po_buf journals = { 0 };
    struct po_err ignored;
    bool is_open =
        po_cli_state_journals(host, &journals, &ignored) == PO_OK &&
        po_recovery_find(&recovery, po_buf_text(&journals), &ignored) == PO_OK &&
        (recovery.state == PO_RECOVERY_INTERRUPTED || recovery.state == PO_RECOVERY_INCOMPLETE);

    po_recovery_deinit(&recovery);
    po_buf_deinit(&journals);
    return is_open;
}

bool
po_cli_outage_is_left_over(struct po_host *host)
{
    return po_cli_outage_is_noted(host) && !is_restore_open(host);
}

void
po_cli_outage_forget(struct po_host *host)
{
    struct po_buf path = { 0 };
    struct po_dir *dir = NULL;
    const char *name = NULL;
    struct po_err ignored;

    /* What cannot be removed is read once more, and finds all services running. */
    if (po_cli_outage_is_noted(host) && open_place(host, &dir, &path, &name, &ignored) == PO_OK)
        (void)!po_dir_remove(dir, name, strlen(name), &ignored);
    po_dir_free(dir);
    po_buf_deinit(&path);
}

/* ---- writing ---- */

static void
release(struct po_cli_outage *outage)
{
    po_journal_free(outage->journal);
    po_dir_free(outage->dir);
    po_buf_deinit(&outage->path);
    po_mem_free(outage);
}

enum po_status
po_cli_outage_new(struct po_cli_outage **out, struct po_host *host, struct po_err *err)
{
    struct po_cli_outage *outage = po_mem_new(1, sizeof(*outage));
    enum po_status st;

    if (outage == NULL)
        return po_fail_nomem(err, sizeof(*outage));
    outage->host = host;
    outage->is_former = po_cli_outage_is_left_over(host);
    st = open_place(host, &outage->dir, &outage->path, &outage->name, err);
    if (st == PO_OK)
        *out = outage;
    else
        release(outage);
    return st;
}

/* One that is there already goes on: that of a restore which is being finished, or a former one. */
static enum po_status
begin(struct po_cli_outage *outage, struct po_err *err)
{
    return po_cli_outage_is_noted(outage->host)
               ? po_journal_open(&outage->journal, outage->dir, outage->name, err)
               : po_journal_create(&outage->journal, outage->dir, outage->name, err);
}

enum po_status
po_cli_outage_prepare(struct po_cli_outage *outage, struct po_err *err)
{
    return outage->journal == NULL ? begin(outage, err) : PO_OK;
}

enum po_status
po_cli_outage_add(struct po_cli_outage *outage, enum po_host_guard_news news, const char *service,
                  struct po_err *err)
{
    enum po_status st = po_cli_outage_prepare(outage, err);

    if (st == PO_OK)
        st = po_journal_put(outage->journal, (uint8_t)news, service, strlen(service), err);
    return st == PO_OK ? po_journal_sync(outage->journal, err) : st;
}

void
po_cli_outage_end(struct po_cli_outage *outage)
{
    if (outage == NULL)
        return;
    /* A file that is open cannot be removed everywhere. */
    po_journal_free(outage->journal);
    outage->journal = NULL;
    if (!outage->is_former)
        po_cli_outage_forget(outage->host);
    release(outage);
}

void
po_cli_outage_take_over(struct po_host *host)
{
    struct po_cli_outage *outage = NULL;
    struct po_err ignored; /* then others do not wait for it */

    if (!po_cli_outage_is_noted(host) || po_cli_outage_new(&outage, host, &ignored) != PO_OK)
        return;
    if (begin(outage, &ignored) == PO_OK &&
        po_journal_put(outage->journal, TAKEN_OVER, "", 0, &ignored) == PO_OK)
        (void)!po_journal_sync(outage->journal, &ignored);
    release(outage);
}

/* ---- reading ---- */

struct names {
    struct po_buf *asked;
    struct po_buf *stopped;
    bool is_taken_over;
    bool has_record;
};

static enum po_status
take_name(struct names *names, uint8_t kind, const void *bytes, size_t size, struct po_err *err)
{
    char *name = po_mem_copy(bytes, size);
    struct po_buf *to = kind == PO_HOST_GUARD_STOP      ? names->asked
                        : kind == PO_HOST_GUARD_STOPPED ? names->stopped
                                                        : NULL;

    if (name == NULL)
        return po_fail_nomem(err, size);
    po_cli_outage_move(to, names->asked, names->stopped, name);
    po_mem_free(name);
    return PO_OK;
}

/* A po_journal_fn. */
static enum po_status
take_record(void *ctx, uint8_t kind, struct po_cursor *record, struct po_err *err)
{
    struct names *names = ctx;
    size_t size = po_cursor_left(record);

    names->has_record = true;
    if (kind != TAKEN_OVER)
        return take_name(names, kind, po_cursor_bytes(record, size), size, err);
    names->is_taken_over = true;
    return PO_OK;
}

/*
 * A tail that is no record was being written: nothing was asked for before it was on the disk. A note
 * that has nothing but such a tail is another matter: who knows what was in it.
 */
static enum po_status
read_names(struct po_host *host, struct names *names, bool *is_noted, struct po_err *err)
{
    struct po_buf path = { 0 };
    struct po_dir *dir = NULL;
    const char *name = NULL;
    uint64_t left = 0;
    enum po_status st = PO_OK;

    *is_noted = po_cli_outage_is_noted(host);
    if (!*is_noted)
        return PO_OK;
    st = open_place(host, &dir, &path, &name, err);
    if (st == PO_OK)
        st = po_journal_read_left(dir, name, take_record, names, &left, err);
    if (st == PO_OK && left > 0 && !names->has_record)
        st = po_fail(err, PO_E_FORMAT, "%s has no whole record", name);
    if (st == PO_OK)
        st = po_buf_check(names->asked, err);
    if (st == PO_OK)
        st = po_buf_check(names->stopped, err);
    po_dir_free(dir);
    po_buf_deinit(&path);
    return st;
}

bool
po_cli_outage_is_taken_over(struct po_host *host)
{
    struct po_buf asked = { 0 };
    struct po_buf stopped = { 0 };
    struct names names = { .asked = &asked, .stopped = &stopped };
    struct po_err ignored;
    bool is_noted = false;
    bool is_it = read_names(host, &names, &is_noted, &ignored) == PO_OK && names.is_taken_over;

    po_buf_deinit(&asked);
    po_buf_deinit(&stopped);
    return is_it;
}

static bool
has_all(const struct po_buf *names, const struct po_buf *asked, const struct po_buf *stopped)
{
    for (size_t at = 0; at < names->size;) {
        const char *name = (const char *)names->bytes + at;

        if (!has_name(asked, name) && !has_name(stopped, name))
            return false;
        at += strlen(name) + 1;
    }
    return true;
}

void
po_cli_outage_forget_these(struct po_host *host, const struct po_buf *asked,
                           const struct po_buf *stopped)
{
    struct po_buf noted_asked = { 0 };
    struct po_buf noted_stopped = { 0 };
    struct names names = { .asked = &noted_asked, .stopped = &noted_stopped };
    struct po_err ignored;
    bool is_noted = false;

    if (read_names(host, &names, &is_noted, &ignored) == PO_OK &&
        has_all(&noted_asked, asked, stopped) && has_all(&noted_stopped, asked, stopped))
        po_cli_outage_forget(host);
    po_buf_deinit(&noted_asked);
    po_buf_deinit(&noted_stopped);
}

/* ---- setting right ---- */

/* Those of the site that do not run, a NUL behind each; and for people. */
static enum po_status
find_stopped(struct po_host *host, struct po_buf *stopped, struct po_buf *list, struct po_err *err)
{
    for (size_t i = 0; i < host->ops->service_count(host); i++) {
        const char *name = host->ops->service(host, i)->name;
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        struct po_err ignored;

        /* One whose state cannot be told is asked to start: that tells what is wrong with it. */
        if (host->ops->service_state(host, i, &state, &ignored) == PO_OK &&
            state == PO_SERVICE_RUNNING)
            continue;
        po_buf_put(stopped, name, strlen(name) + 1);
        po_buf_printf(list, "%s%s", list->size > 0 ? ", " : "", name);
    }
    return po_buf_check(stopped, err);
}

/* Which were stopped cannot be told: all that do not run are taken for those. */
static enum po_status
assume_all(struct po_cli *cli, struct po_host *host, struct po_buf *stopped,
           const struct po_err *reason, struct po_err *err)
{
    struct po_buf list = { 0 };
    enum po_status st = find_stopped(host, stopped, &list, err);

    if (st == PO_OK && stopped->size == 0)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "a former run was cut off while services were stopped; which ones cannot "
                        "be told (%s). All of the site run",
                        reason->text);
    else if (st == PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "a former run was cut off while services were stopped; which ones cannot "
                        "be told (%s). All of the site that do not run are started: %s",
                        reason->text, po_buf_text(&list));
    po_buf_deinit(&list);
    return st;
}

static int
tell_failed(struct po_cli *cli, struct po_err *err)
{
    struct po_buf site = { 0 };

    (void)po_cli_failed(cli, err);
    po_cli_recovery_put_site(&site, cli);
    po_cli_out_tell(&cli->out, PO_CLI_HINT,
                    "The next run tries again. When these services need not run any more: "
                    "pobackup status --forget%s",
                    po_buf_text(&site));
    po_buf_deinit(&site);
    return PO_EXIT_SERVICES;
}

int
po_cli_outage_recover(struct po_cli *cli, struct po_host *host)
{
    struct po_buf asked = { 0 };
    struct po_buf stopped = { 0 };
    struct names names = { .asked = &asked, .stopped = &stopped };
    struct po_err err = { 0 };
    struct po_err reason = { 0 };
    bool is_noted = false;
    int code = PO_EXIT_DONE;
    enum po_status st = PO_OK;

    if (po_cli_has(cli, PO_CLI_NO_SERVICES) || is_restore_open(host))
        return PO_EXIT_DONE;
    if (read_names(host, &names, &is_noted, &reason) != PO_OK) {
        po_buf_clear(&asked);
        po_buf_clear(&stopped);
        st = assume_all(cli, host, &stopped, &reason, &err);
    } else if (asked.size + stopped.size > 0) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "a former run was cut off while services were stopped; they are started");
    }
    if (st == PO_OK && asked.size + stopped.size > 0)
        st = po_services_bring_back(host, &asked, &stopped, &cli->watch, &err);
    if (st != PO_OK)
        code = tell_failed(cli, &err);
    else if (is_noted)
        po_cli_outage_forget(host);
    po_buf_deinit(&asked);
    po_buf_deinit(&stopped);
    return code;
}
