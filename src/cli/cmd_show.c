#include "cli/cli.h"

#include "archive/stream_path.h"
#include "base/text.h"
#include "cli/cli_archive.h"
#include "port/sys.h"

#include <string.h>

#define NAMED_MAX 20u

struct show {
    struct po_cli_out *out;
    const struct po_cli_archive *archive;
    json_t *manifest; /* NULL when it is damaged */
    json_t *summary;
    struct po_buf line;
};

/* ---- JSON from the archive: any value may be missing, or of another type than we would write ----
 */

/* Of the object `object`, which may be NULL or anything. */
static const char *
text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void
put_text(struct po_buf *line, const char *text, const char *otherwise)
{
    po_cli_put_message(line, text != NULL ? text : otherwise);
}

static void
put_time(struct po_buf *line, const char *text)
{
    int64_t time = 0;

    if (text != NULL && po_text_parse_time(text, &time))
        po_sys_put_local_time(line, time);
    else
        put_text(line, text, "not known");
}

/* ---- lines ---- */

static void
begin(struct show *show, const char *label)
{
    po_buf_clear(&show->line);
    po_buf_printf(&show->line, "%-11s", label);
}

static void
end(struct show *show)
{
    (void)po_cli_out_line(show->out, &show->line);
}

static void
print_origin(struct show *show)
{
    const json_t *host = json_object_get(show->manifest, "host");
    const json_t *program = json_object_get(show->manifest, "program");

    begin(show, "archive");
    po_cli_put_message(&show->line, show->archive->path);
    end(show);
    begin(show, "taken");
    put_time(&show->line, text_of(show->manifest, "created"));
    if (text_of(show->summary, "finished") != NULL) {
        po_buf_put_text(&show->line, ", finished ");
        put_time(&show->line, text_of(show->summary, "finished"));
    }
    end(show);
    begin(show, "host");
    put_text(&show->line, text_of(host, "name"), "not known");
    po_buf_put_text(&show->line, " (");
    put_text(&show->line, text_of(host, "system"), "system not known");
    po_buf_put_text(&show->line, "), ");
    put_text(&show->line, text_of(host, "kind"), "unknown kind of");
    po_buf_put_text(&show->line, " site");
    end(show);
    begin(show, "written by");
    put_text(&show->line, text_of(program, "name"), "not known");
    po_buf_put_u8(&show->line, ' ');
    put_text(&show->line, text_of(program, "version"), "");
    end(show);
    begin(show, "kind");
    put_text(&show->line, text_of(show->manifest, "kind"), "not known");
    end(show);
}

static void
print_parents(struct show *show)
{
    const json_t *parents = json_object_get(show->manifest, "parents");
    size_t i;
    json_t *parent;

    json_array_foreach(parents, i, parent)
    {
        begin(show, "parent");
        po_buf_printf(&show->line, "p%zu ", i + 1);
        put_text(&show->line, text_of(parent, "name"), "without a name");
        po_buf_put_text(&show->line, ", taken ");
        put_time(&show->line, text_of(parent, "created"));
        po_buf_put_text(&show->line, ", digest ");
        put_text(&show->line, text_of(parent, "digest"), "not known");
        end(show);
    }
}

static void
print_place(struct show *show, const char *label, const char *name, const char *place)
{
    begin(show, label);
    po_buf_printf(&show->line, "%-8s ", name);
    put_text(&show->line, place, "none");
    end(show);
}

static void
print_site(struct show *show)
{
    const json_t *site = json_object_get(show->manifest, "site");
    const json_t *trees = json_object_get(site, "trees");
    const json_t *services = json_object_get(show->manifest, "services");
    size_t i;
    json_t *service;

    print_place(show, "places", "registry", text_of(site, "registry"));
    print_place(show, "", "bin", text_of(trees, "bin"));
    print_place(show, "", "spool", text_of(trees, "spool"));
    print_place(show, "", "mailbox", text_of(trees, "mailbox"));
    json_array_foreach(services, i, service)
    {
        begin(show, i == 0 ? "services" : "");
        put_text(&show->line, text_of(service, "name"), "without a name");
        po_buf_put_text(&show->line, ": ");
        put_text(&show->line, text_of(service, "state"), "unknown");
        po_buf_put_text(&show->line, " before the backup");
        end(show);
    }
}

static void
put_part(struct show *show, const json_t *outage, const char *key, const char *what)
{
    const json_t *part = json_object_get(outage, key);

    if (!json_is_number(part))
        return;
    po_buf_printf(&show->line, ", %s ", what);
    po_text_put_seconds(&show->line, json_number_value(part));
}

static void
print_outage(struct show *show)
{
    const json_t *seconds = json_object_get(show->summary, "outage_seconds");
    const json_t *outage = json_object_get(show->summary, "outage");

    begin(show, "outage");
    if (json_is_number(seconds)) {
        po_text_put_seconds(&show->line, json_number_value(seconds));
        put_part(show, outage, "stop_seconds", "of it stopping");
        put_part(show, outage, "walk_seconds", "listing");
        put_part(show, outage, "read_seconds", "reading");
        put_part(show, outage, "start_seconds", "starting");
    } else {
        po_buf_put_text(&show->line,
                        show->summary != NULL ? "none: no service was stopped" : "not known");
    }
    end(show);
}

struct totals {
    uint64_t files;
    uint64_t directories;
    uint64_t others;
    uint64_t streams; /* alternate ones: no files, but their bytes count */
    uint64_t bytes;
    uint64_t in_parents;
};

/* Of the site's entries: what is the archive's own does not count. */
static struct totals
count(const struct po_index *index)
{
    static const char ours[] = "pobackup/";
    struct totals totals = { 0 };

    for (uint32_t i = 0; i < index->count; i++) {
        uint8_t type = po_index_type(index, i);
        size_t size = 0;
        const char *path = po_index_path(index, i, &size);

        if (po_stream_is_path(path, size)) {
            totals.streams++;
            totals.bytes += po_index_size(index, i);
        }
        if (size >= sizeof(ours) - 1 && memcmp(path, ours, sizeof(ours) - 1) == 0)
            continue;
        totals.files += type == POBACKUP_FILE;
        totals.directories += type == POBACKUP_DIRECTORY;
        totals.others += type != POBACKUP_FILE && type != POBACKUP_DIRECTORY;
        totals.bytes += po_index_size(index, i);
        totals.in_parents += po_index_source(index, i) != 0;
    }
    return totals;
}

static double
ratio(const struct totals *totals, uint64_t archive_bytes)
{
    return archive_bytes > 0 ? (double)totals->bytes / (double)archive_bytes : 0;
}

static void
print_totals(struct show *show)
{
    const struct po_reader *reader = show->archive->reader;
    struct totals totals = count(reader->index);

    begin(show, "contents");
    po_cli_put_count(&show->line, totals.files, "file", "files");
    po_buf_put_text(&show->line, ", ");
    po_cli_put_count(&show->line, totals.directories, "directory", "directories");
    po_buf_put_text(&show->line, ", ");
    po_cli_put_count(&show->line, totals.others, "link", "links");
    if (totals.streams > 0) {
        po_buf_put_text(&show->line, ", ");
        po_cli_put_count(&show->line, totals.streams, "alternate stream", "alternate streams");
    }
    po_buf_put_text(&show->line, ", ");
    po_text_put_size(&show->line, totals.bytes);
    if (totals.in_parents > 0)
        po_buf_printf(&show->line, " (%llu of them in parents)",
                      (unsigned long long)totals.in_parents);
    end(show);
    begin(show, "size");
    po_text_put_size(&show->line, show->archive->blob.size);
    po_buf_printf(&show->line, ", %.2f to 1, ", ratio(&totals, show->archive->blob.size));
    po_cli_put_count(&show->line, reader->frame_count, "frame", "frames");
    end(show);
    begin(show, "digest");
    po_text_put_hex(&show->line, reader->digest, PO_DIGEST_SIZE);
    end(show);
}

/* A list of the summary: path or path_hex, and reason. */
static void
print_problems(struct show *show, const char *key, const char *label)
{
    const json_t *list = json_object_get(show->summary, key);
    const json_t *all = json_object_get(json_object_get(show->summary, "counts"), key);
    json_int_t total = json_is_integer(all) ? json_integer_value(all) : 0;
    size_t i;
    json_t *item;

    if (json_array_size(list) == 0)
        return;
    begin(show, label);
    po_buf_printf(&show->line, "%lld", (long long)total);
    end(show);
    json_array_foreach(list, i, item)
    {
        const char *path = text_of(item, "path");
        const char *hex = text_of(item, "path_hex");

        if (i == NAMED_MAX) {
            begin(show, "");
            po_buf_printf(&show->line, "and %lld more; --json has them",
                          (long long)total - (long long)NAMED_MAX);
            end(show);
            break;
        }
        begin(show, "");
        if (path != NULL)
            po_text_put_name(&show->line, path, strlen(path));
        else
            put_text(&show->line, hex, "without a name");
        po_buf_put_text(&show->line, ": ");
        put_text(&show->line, text_of(item, "reason"), "no reason given");
        end(show);
    }
}

static void
print_hint(struct show *show)
{
    struct po_buf word = { 0 };

    po_cli_put_word(&word, show->archive->path);
    po_cli_out_tell(show->out, PO_CLI_HINT, "Check it: pobackup verify %s", po_buf_text(&word));
    po_buf_deinit(&word);
}

static json_t *
copy_or_null(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return value != NULL ? json_incref(value) : json_null();
}

static void
put_json(struct show *show)
{
    static const char *const keys[] = { "archive_id", "created", "kind", "parents",
                                        "program",    "host",    "site", "services" };
    struct po_cli_out *out = show->out;
    const char *path = show->archive->path;
    const struct po_reader *reader = show->archive->reader;
    struct totals totals = count(reader->index);

    po_cli_json_member(out, po_cli_json_path_key(path, strlen(path)),
                       po_cli_json_path(path, strlen(path)));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        po_cli_json_member(out, keys[i], copy_or_null(show->manifest, keys[i]));
    po_cli_json_member(out, "digest", po_cli_json_hex(reader->digest, PO_DIGEST_SIZE));
    po_cli_json_member(out, "finished", copy_or_null(show->summary, "finished"));
    po_cli_json_member(out, "outage_seconds", copy_or_null(show->summary, "outage_seconds"));
    po_cli_json_member(out, "entries", po_cli_json_u64(reader->index->count));
    po_cli_json_member(out, "files", po_cli_json_u64(totals.files));
    po_cli_json_member(out, "directories", po_cli_json_u64(totals.directories));
    po_cli_json_member(out, "links", po_cli_json_u64(totals.others));
    po_cli_json_member(out, "stream_count", po_cli_json_u64(totals.streams));
    po_cli_json_member(out, "in_parents", po_cli_json_u64(totals.in_parents));
    po_cli_json_member(out, "bytes", po_cli_json_u64(totals.bytes));
    po_cli_json_member(out, "archive_bytes", po_cli_json_u64(show->archive->blob.size));
    po_cli_json_member(out, "ratio", json_real(ratio(&totals, show->archive->blob.size)));
    po_cli_json_member(out, "frames", po_cli_json_u64(reader->frame_count));
    po_cli_json_member(out, "manifest",
                       show->manifest != NULL ? json_incref(show->manifest) : json_null());
    po_cli_json_member(out, "summary",
                       show->summary != NULL ? json_incref(show->summary) : json_null());
}

/* The summary is informative: without it the rest is shown. */
static int
load(struct po_cli *cli, struct show *show)
{
    struct po_buf summary = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    if (!show->archive->is_manifest_damaged)
        show->manifest = json_loadb((const char *)show->archive->manifest.bytes,
                                    show->archive->manifest.size, JSON_REJECT_DUPLICATES, NULL);
    if (po_reader_summary(show->archive->reader, &summary, &err) == PO_OK) {
        show->summary =
            json_loadb((const char *)summary.bytes, summary.size, JSON_REJECT_DUPLICATES, NULL);
    } else {
        (void)po_err_prefix(&err, "%s", show->archive->path);
        code = po_cli_archive_failed(cli, show->archive->path, &err);
    }
    po_buf_deinit(&summary);
    return code;
}

int
po_cmd_show(struct po_cli *cli)
{
    struct po_cli_archive archive = { 0 };
    struct show show = { .out = &cli->out, .archive = &archive };
    int code;
    int summary_code;

    if (!po_cli_archive_open(cli, &archive, cli->values.args[0], &code))
        goto done;
    summary_code = load(cli, &show);
    if (summary_code > code)
        code = summary_code;
    if (cli->out.is_json) {
        put_json(&show);
        goto done;
    }
    print_origin(&show);
    print_parents(&show);
    print_site(&show);
    print_outage(&show);
    print_totals(&show);
    print_problems(&show, "skipped", "not saved");
    print_problems(&show, "changed_while_read", "changed");
    print_hint(&show);
done:
    po_buf_deinit(&show.line);
    json_decref(show.manifest);
    json_decref(show.summary);
    po_cli_archive_deinit(&archive);
    return code;
}
