#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_parents.h"
#include "cli/cli_site.h"
#include "engine/diff.h"

#include <string.h>

static const char *
kind_name(enum po_diff_kind kind)
{
    switch (kind) {
    case PO_DIFF_ADDED:
        return "added";
    case PO_DIFF_REMOVED:
        return "removed";
    case PO_DIFF_CHANGED:
        break;
    }
    return "changed";
}

/* ---- which archive it was ---- */

/*
 * One archive's bytes, with a note that it is read. The engine reads one archive after the other,
 * so what could not be decoded is of the one that was read last.
 */
struct tap {
    struct pobackup_blob blob;
    const struct po_cli_archive *archive;
    const struct po_cli_archive **last; /* whoever reads sets it, on any thread: atomic */
};

static enum po_status
read_and_note(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    const struct tap *tap = ctx;

    __atomic_store_n(tap->last, tap->archive, __ATOMIC_RELAXED);
    return tap->blob.read_at(tap->blob.ctx, offset, bytes, size, err);
}

static void
put_tap(struct tap *tap, const struct po_cli_archive *archive, const struct po_cli_archive **last)
{
    *tap = (struct tap){ .blob = archive->reader->blob, .archive = archive, .last = last };
    archive->reader->blob.ctx = tap;
    archive->reader->blob.read_at = read_and_note;
}

static void
take_tap(const struct tap *tap)
{
    if (tap->archive != NULL)
        tap->archive->reader->blob = tap->blob;
}

/* ---- telling ---- */

/* A po_diff_fn. */
static enum po_status
tell_difference(void *ctx, enum po_diff_kind kind, const char *path, size_t path_size,
                const char *what, struct po_err *err)
{
    struct po_cli *cli = ctx;
    struct po_buf line = { 0 };
    bool is_utf8 = po_text_is_utf8(what, strlen(what));
    bool is_good = true;

    if (cli->out.is_json) {
        po_cli_json_item(&cli->out,
                         json_pack("{s:s, s:o, s:o}", "kind", kind_name(kind),
                                   po_cli_json_path_key(path, path_size),
                                   po_cli_json_path(path, path_size), is_utf8 ? "what" : "what_hex",
                                   po_cli_json_path(what, strlen(what))));
        return PO_OK;
    }
    po_buf_printf(&line, "%-8s", kind_name(kind));
    po_text_put_name(&line, path, path_size);
    /* What it is that was added or removed matters when it is no file. */
    if (kind == PO_DIFF_CHANGED || strcmp(what, "file") != 0) {
        po_buf_put_text(&line, "  (");
        po_cli_put_message(&line, what);
        po_buf_put_text(&line, ")");
    }
    is_good = po_cli_out_line(&cli->out, &line);
    po_buf_deinit(&line);
    return is_good ? PO_OK : po_fail(err, PO_E_IO, "standard output could not be written");
}

static int
finish(struct po_cli *cli, const struct po_diff_result *result)
{
    struct po_cli_out *out = &cli->out;
    bool is_same = result->added + result->removed + result->changed == 0;

    po_cli_json_array_end(out);
    po_cli_json_member(out, "added", po_cli_json_u64(result->added));
    po_cli_json_member(out, "removed", po_cli_json_u64(result->removed));
    po_cli_json_member(out, "changed", po_cli_json_u64(result->changed));
    po_cli_json_member(out, "same", po_cli_json_u64(result->same));
    po_cli_json_member(out, "unproven", po_cli_json_u64(result->unproven));
    po_cli_json_member(out, "unreadable", po_cli_json_u64(result->unreadable));
    po_cli_out_tell(out, PO_CLI_SAY, "%s%llu added, %llu removed, %llu changed, %llu the same",
                    is_same ? "no difference: " : "", (unsigned long long)result->added,
                    (unsigned long long)result->removed, (unsigned long long)result->changed,
                    (unsigned long long)result->same);
    if (result->unreadable > 0)
        po_cli_out_tell(out, PO_CLI_WARNING, "%llu could not be compared",
                        (unsigned long long)result->unreadable);
    return is_same && result->unreadable == 0 ? PO_EXIT_DONE : PO_EXIT_PARTLY;
}

/* ---- comparing ---- */

/* One of `other` and `host` is not NULL. */
static int
compare(struct po_cli *cli, const struct po_cli_archive *archive,
        const struct po_cli_archive *other, struct po_host *host)
{
    const struct po_cli_archive *last = archive;
    struct tap taps[2] = { { .archive = NULL } };
    struct po_diff_result result = { 0 };
    struct po_err err = { 0 };
    enum po_status st;

    put_tap(&taps[0], archive, &last);
    if (other != NULL)
        put_tap(&taps[1], other, &last);
    po_cli_catch_interrupts(cli);
    cli->progress.tells_items = true;
    po_cli_json_array_begin(&cli->out, "differences");
    if (other != NULL)
        st = po_diff_archives(archive->reader, other->reader, tell_difference, cli, &cli->watch,
                              &result, &err);
    else
        st = po_diff_site(archive->reader, host, tell_difference, cli, &cli->watch, &result, &err);
    take_tap(&taps[0]);
    take_tap(&taps[1]);
    if (st == PO_OK)
        return finish(cli, &result);
    /* What was told until then is not all: no word of how much it was. */
    return st == PO_E_FORMAT ? po_cli_archive_failed(cli, last->path, &err)
                             : po_cli_failed(cli, &err);
}

/* "diff A B", or "diff A --site S"; a site of the configuration file gives way to B. */
int
po_cmd_diff(struct po_cli *cli)
{
    const struct po_cli_value *site = &cli->values.value[PO_CLI_SITE];
    bool has_other = cli->values.arg_count == 2;
    struct po_cli_archive archive = { 0 };
    struct po_cli_archive other = { 0 };
    struct po_host *host = NULL;
    int code;
    int other_code = PO_EXIT_DONE;

    if (!has_other && !site->is_set)
        return po_cli_usage(cli, "with what? Name another archive, or give --site folder:DIR");
    if (has_other && site->is_set && !site->is_from_config)
        return po_cli_usage(cli, "with another archive or with --site: one of them");
    if (!po_cli_archive_open(cli, &archive, cli->values.args[0], &code))
        goto done;
    if (has_other ? !po_cli_archive_open(cli, &other, cli->values.args[1], &other_code)
                  : !po_cli_site_open(cli, &host, &other_code)) {
        code = other_code;
        goto done;
    }
    if (other_code > code)
        code = other_code;
    if (!po_cli_parents_join(cli, &archive, &code) ||
        (has_other && !po_cli_parents_join(cli, &other, &code)))
        goto done;
    other_code = compare(cli, &archive, has_other ? &other : NULL, host);
    if (other_code > code)
        code = other_code;
done:
    po_cli_site_free(host);
    po_cli_archive_deinit(&other);
    po_cli_archive_deinit(&archive);
    return code;
}
