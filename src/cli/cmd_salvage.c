#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_problems.h"
#include "engine/salvage.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

#define NAMED_MAX 1000u /* in text; JSON has all */
#define GAPS_NAMED_MAX 10u
#define REASONS_MAX 8u

/* ---- JSON ---- */

static json_t *
entry_json(const struct po_salvage_result *result, uint32_t entry)
{
    const struct po_index *index = result->reader->index;
    const char *reason = result->doubts[entry];
    size_t size;
    const char *path = po_index_path(index, entry, &size);

    return json_pack("{s:o, s:s, s:o, s:o}", po_cli_json_path_key(path, size),
                     po_cli_json_path(path, size), "type",
                     po_cli_type_name(po_index_type(index, entry)), "size",
                     po_cli_json_u64(po_index_size(index, entry)), "reason",
                     reason == NULL ? json_null() : po_cli_json_text(reason));
}

static json_t *
parent_json(const struct po_salvage_result *result, uint32_t entry)
{
    const struct po_index *index = result->reader->index;
    uint16_t source = po_index_source(index, entry);
    json_t *item = entry_json(result, entry);
    struct po_parent parent;
    const char *name = NULL;
    size_t size = 0;

    if (source > 0) {
        po_index_parent(index, source - 1u, &parent, &name, &size);
        if (item != NULL &&
            json_object_set_new(item, "parent", po_cli_json_plain_path(name, size)) != 0) {
            json_decref(item);
            return NULL;
        }
    }
    return item;
}

static json_t *
item_json(const struct po_salvage_item *item)
{
    json_t *object =
        json_pack("{s:o, s:o, s:o}", "size", po_cli_json_u64(item->size), "there",
                  po_cli_json_u64(item->there), "reason", po_cli_json_text(item->reason));
    const char *key =
        item->path == NULL ? "offset" : po_cli_json_path_key(item->path, item->path_size);
    json_t *value = item->path == NULL ? po_cli_json_u64(item->offset)
                                       : po_cli_json_path(item->path, item->path_size);

    if (object == NULL) {
        json_decref(value);
    } else if (json_object_set_new(object, key, value) != 0) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static void
put_entries(struct po_cli_out *out, const char *key, const struct po_salvage_result *result,
            enum po_salvage_verdict verdict)
{
    po_cli_json_array_begin(out, key);
    for (uint32_t i = 0; result->verdicts != NULL && i < result->reader->index->count; i++)
        if (result->verdicts[i] == verdict)
            po_cli_json_item(out, verdict == PO_SALVAGE_IN_PARENT ? parent_json(result, i)
                                                                  : entry_json(result, i));
    /* Without an index these are no entries. */
    for (size_t i = 0; verdict == PO_SALVAGE_LOST && i < result->partial_count; i++)
        if (result->partial[i].there == 0)
            po_cli_json_item(out, item_json(&result->partial[i]));
    po_cli_json_array_end(out);
}

/* A place of the file where no frame that is whole lies, nor the seek table. */
struct gap {
    uint32_t frame; /* that comes next; { 0 } begins */
    uint64_t end;   /* of what was looked at */
    uint64_t offset;
    uint64_t size;
};

static bool
next_gap(const struct po_salvage_scan *scan, struct gap *gap)
{
    for (; gap->frame <= scan->count; gap->frame++) {
        bool is_end = gap->frame == scan->count;
        uint64_t start = is_end ? scan->size : scan->frames[gap->frame].offset;

        if (scan->seeks != NULL && scan->seek_offset == gap->end && gap->end < start)
            gap->end += scan->seek_size;
        gap->offset = gap->end;
        gap->size = start > gap->end ? start - gap->end : 0;
        gap->end = is_end ? start : start + scan->frames[gap->frame].compressed_size;
        if (gap->size > 0) {
            gap->frame++;
            return true;
        }
    }
    return false;
}

static void
put_gaps(struct po_cli_out *out, const struct po_salvage_result *result)
{
    struct gap gap = { 0 };

    po_cli_json_array_begin(out, "gaps");
    while (next_gap(&result->scan, &gap))
        po_cli_json_item(out, json_pack("{s:o, s:o}", "offset", po_cli_json_u64(gap.offset), "size",
                                        po_cli_json_u64(gap.size)));
    po_cli_json_array_end(out);
}

static void
put_unread(struct po_cli_out *out, const struct po_unread *unread)
{
    po_cli_json_array_begin(out, "unread");
    for (size_t i = 0; i < unread->count; i++)
        po_cli_json_item(out, json_pack("{s:o, s:o}", "offset",
                                        po_cli_json_u64(unread->ranges[i].offset), "size",
                                        po_cli_json_u64(unread->ranges[i].size)));
    po_cli_json_array_end(out);
}

static uint64_t
count_source(const struct po_salvage_result *result, enum po_salvage_source source)
{
    uint64_t count = 0;

    for (uint32_t i = 0; result->sources != NULL && i < result->scan.count; i++)
        count += result->sources[i] == source;
    return count;
}

static void
put_frames(struct po_cli_out *out, const struct po_salvage_result *result)
{
    const struct po_reader *reader = result->reader;
    uint64_t offset = 0;

    po_cli_json_member(
        out, "frames",
        json_pack("{s:o, s:o, s:o, s:o}", "found", po_cli_json_u64(result->scan.count), "expected",
                  result->has_index ? po_cli_json_u64(result->frames_expected) : json_null(),
                  "doubled", po_cli_json_u64(count_source(result, PO_SALVAGE_AGAIN)), "foreign",
                  po_cli_json_u64(count_source(result, PO_SALVAGE_FOREIGN))));
    po_cli_json_array_begin(out, "frames_lost");
    for (uint32_t i = 0; result->has_index && i < reader->index->frame_count; i++) {
        struct po_frame_info info;

        po_index_frame_info(reader->index, i, &info);
        if (reader->seeks[i].compressed_size == 0)
            po_cli_json_item(out, json_pack("{s:o, s:o, s:o, s:o}", "frame", po_cli_json_u64(i),
                                            "offset", po_cli_json_u64(offset), "size",
                                            po_cli_json_u64(info.compressed_size), "content_size",
                                            po_cli_json_u64(info.content_size)));
        offset += info.compressed_size;
    }
    po_cli_json_array_end(out);
    po_cli_json_array_begin(out, "frames_foreign");
    for (uint32_t i = 0; result->sources != NULL && i < result->scan.count; i++)
        if (result->sources[i] == PO_SALVAGE_FOREIGN)
            po_cli_json_item(out, po_cli_json_u64(result->scan.frames[i].offset));
    po_cli_json_array_end(out);
}

static void
put_json(struct po_cli_out *out, const char *directory, const struct po_salvage_result *result)
{
    if (!po_cli_out_has_document(out))
        return;
    po_cli_json_member(out, "directory", po_cli_json_plain_path(directory, strlen(directory)));
    po_cli_json_member(out, "complete", json_boolean(po_salvage_is_complete(result)));
    po_cli_json_member(out, "index",
                       json_string(!result->has_index    ? "lost"
                                   : result->has_trailer ? "proven"
                                                         : "without trailer"));
    po_cli_json_member(out, "files", po_cli_json_u64(result->files));
    po_cli_json_member(out, "bytes", po_cli_json_u64(result->bytes));
    put_frames(out, result);
    put_gaps(out, result);
    put_unread(out, &result->unread);
    put_entries(out, "certain", result, PO_SALVAGE_CERTAIN);
    put_entries(out, "doubtful", result, PO_SALVAGE_DOUBTFUL);
    po_cli_json_array_begin(out, "partial");
    for (size_t i = 0; i < result->partial_count; i++)
        if (result->partial[i].there > 0)
            po_cli_json_item(out, item_json(&result->partial[i]));
    po_cli_json_array_end(out);
    put_entries(out, "lost", result, PO_SALVAGE_LOST);
    put_entries(out, "in_parents", result, PO_SALVAGE_IN_PARENT);
    po_cli_problems_json(out, "problems", &result->problems);
    po_cli_json_member(out, "seconds", json_real(result->seconds));
}

/* ---- people ---- */

struct list {
    struct po_cli_out *out;
    const char *word;
    size_t named;
    size_t more;
};

static void
name(struct list *list, const char *path, size_t size, const char *reason)
{
    struct po_buf line = { 0 };

    if (list->named == NAMED_MAX) {
        list->more++;
        return;
    }
    list->named++;
    po_buf_printf(&line, "  %s: ", list->word);
    po_text_put_name(&line, path, size);
    if (reason != NULL)
        po_buf_printf(&line, " (%s)", reason);
    (void)po_cli_out_line(list->out, &line);
    po_buf_deinit(&line);
}

static void
end_list(struct list *list)
{
    struct po_buf line = { 0 };

    if (list->more > 0) {
        po_buf_printf(&line, "  and %zu more that are %s (--json names all)", list->more,
                      list->word);
        (void)po_cli_out_line(list->out, &line);
    }
    po_buf_deinit(&line);
}

static void
name_entries(struct po_cli_out *out, const struct po_salvage_result *result,
             enum po_salvage_verdict verdict, const char *word)
{
    const struct po_index *index = result->reader->index;
    struct list list = { .out = out, .word = word };

    for (uint32_t i = 0; i < index->count; i++) {
        size_t size;
        const char *path = po_index_path(index, i, &size);

        if (result->verdicts[i] == verdict)
            name(&list, path, size, result->doubts[i]);
    }
    for (size_t i = 0; verdict == PO_SALVAGE_LOST && i < result->partial_count; i++)
        if (result->partial[i].there == 0)
            name(&list, result->partial[i].path, result->partial[i].path_size,
                 result->partial[i].reason);
    end_list(&list);
}

/* What is in doubt for the same reason stands below it. */
static void
name_doubtful(struct po_cli_out *out, const struct po_salvage_result *result)
{
    const struct po_index *index = result->reader->index;
    const char *reasons[REASONS_MAX];
    size_t count = 0;

    for (uint32_t i = 0; i < index->count; i++) {
        size_t known = 0;

        if (result->verdicts[i] != PO_SALVAGE_DOUBTFUL)
            continue;
        while (known < count && reasons[known] != result->doubts[i])
            known++;
        if (known == count && count < REASONS_MAX)
            reasons[count++] = result->doubts[i];
    }
    for (size_t r = 0; r < count; r++) {
        struct list list = { .out = out, .word = "doubtful" };
        struct po_buf line = { 0 };

        po_buf_printf(&line, "  %s:", reasons[r]);
        (void)po_cli_out_line(out, &line);
        po_buf_deinit(&line);
        for (uint32_t i = 0; i < index->count; i++) {
            size_t size;
            const char *path = po_index_path(index, i, &size);

            if (result->verdicts[i] == PO_SALVAGE_DOUBTFUL && result->doubts[i] == reasons[r])
                name(&list, path, size, NULL);
        }
        end_list(&list);
    }
}

/* Which archives have the rest, and how to get it. */
static void
tell_parents(struct po_cli_out *out, const char *directory, const struct po_salvage_result *result)
{
    const struct po_index *index = result->reader->index;

    for (uint32_t k = 0; result->has_index && k < index->parent_count; k++) {
        uint64_t count = 0;
        struct po_parent parent;
        struct po_buf line = { 0 };
        struct po_buf name = { 0 };
        const char *bytes;
        size_t size;

        for (uint32_t i = 0; i < index->count; i++)
            count +=
                result->verdicts[i] == PO_SALVAGE_IN_PARENT && po_index_source(index, i) == k + 1;
        po_index_parent(index, k, &parent, &bytes, &size);
        po_buf_put(&name, bytes, size);
        po_cli_put_word(&line, po_buf_text(&name));
        if (count > 0)
            po_cli_out_tell(out, PO_CLI_HINT,
                            "%llu files lie in a parent: pobackup extract %s -C %s",
                            (unsigned long long)count, po_buf_text(&line), directory);
        po_buf_deinit(&line);
        po_buf_deinit(&name);
    }
}

static void
name_partial(struct po_cli_out *out, const struct po_salvage_result *result)
{
    struct list list = { .out = out, .word = "partial" };
    struct po_buf line = { 0 };

    for (size_t i = 0; i < result->partial_count; i++) {
        const struct po_salvage_item *item = &result->partial[i];

        if (item->there == 0)
            continue;
        po_buf_clear(&line);
        po_text_put_size(&line, item->there);
        po_buf_put_text(&line, " of ");
        po_text_put_size(&line, item->size);
        po_buf_printf(&line, ": %s", item->reason);
        if (item->path != NULL)
            name(&list, item->path, item->path_size, po_buf_text(&line));
        else {
            struct po_buf frame = { 0 };

            po_buf_printf(&frame, "frame-%llu.bin", (unsigned long long)item->offset);
            name(&list, po_buf_text(&frame), frame.size, po_buf_text(&line));
            po_buf_deinit(&frame);
        }
    }
    end_list(&list);
    po_buf_deinit(&line);
}

/* How many there are of what, on one line. */
static void
tell_counts(struct po_cli_out *out, const char *path, const char *directory,
            const struct po_salvage_result *result)
{
    struct po_buf line = { 0 };
    uint64_t partial = 0;
    uint64_t lost = result->counts[PO_SALVAGE_LOST];

    for (size_t i = 0; i < result->partial_count; i++) {
        partial += result->partial[i].there > 0;
        lost += result->partial[i].there == 0;
    }
    po_buf_printf(&line, "%llu certain, %llu doubtful, %llu partial, %llu lost",
                  (unsigned long long)result->counts[PO_SALVAGE_CERTAIN],
                  (unsigned long long)result->counts[PO_SALVAGE_DOUBTFUL],
                  (unsigned long long)partial, (unsigned long long)lost);
    if (result->counts[PO_SALVAGE_IN_PARENT] > 0)
        po_buf_printf(&line, ", %llu in a parent",
                      (unsigned long long)result->counts[PO_SALVAGE_IN_PARENT]);
    po_buf_put_text(&line, "; ");
    po_cli_put_count(&line, result->files, "file", "files");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, result->bytes);
    po_buf_put_text(&line, " in ");
    po_text_put_seconds(&line, result->seconds);
    po_cli_out_tell(out, PO_CLI_SAY, "%s into %s: %s", path, directory, po_buf_text(&line));
    po_buf_deinit(&line);
}

/* Where in the file something is wrong. */
static void
tell_gaps(struct po_cli_out *out, const struct po_salvage_result *result)
{
    struct gap gap = { 0 };
    uint64_t count = 0;

    while (next_gap(&result->scan, &gap))
        if (count++ < GAPS_NAMED_MAX)
            po_cli_out_tell(out, PO_CLI_NOTE, "no whole frame at %llu to %llu of the file",
                            (unsigned long long)gap.offset,
                            (unsigned long long)(gap.offset + gap.size - 1));
    if (count > GAPS_NAMED_MAX)
        po_cli_out_tell(out, PO_CLI_NOTE, "and %llu more such places (--json has all)",
                        (unsigned long long)(count - GAPS_NAMED_MAX));
}

/* The disk, not the file, is to be looked after first. */
static void
tell_unread(struct po_cli_out *out, const struct po_unread *unread)
{
    struct po_buf line = { 0 };
    uint64_t bytes = 0;

    for (size_t i = 0; i < unread->count; i++)
        bytes += unread->ranges[i].size;
    if (bytes == 0)
        return;
    po_text_put_size(&line, bytes);
    po_cli_out_tell(out, PO_CLI_WARNING,
                    "%s of the file could not be read (%s): copy what else is on that disk",
                    po_buf_text(&line), unread->first.text);
    for (size_t i = 0; i < unread->count && i < GAPS_NAMED_MAX; i++)
        po_cli_out_tell(
            out, PO_CLI_NOTE, "not readable: %llu to %llu of the file",
            (unsigned long long)unread->ranges[i].offset,
            (unsigned long long)(unread->ranges[i].offset + unread->ranges[i].size - 1));
    if (unread->count > GAPS_NAMED_MAX)
        po_cli_out_tell(out, PO_CLI_NOTE, "and %llu more such places (--json has all)",
                        (unsigned long long)(unread->count - GAPS_NAMED_MAX));
    po_buf_deinit(&line);
}

static void
tell_knowledge(struct po_cli_out *out, const struct po_salvage_result *result)
{
    uint64_t foreign = count_source(result, PO_SALVAGE_FOREIGN);

    if (!result->has_index)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "the index is lost: what else the archive had, and whether these are the "
                        "last states, is not known");
    else if (!result->has_trailer)
        po_cli_out_tell(out, PO_CLI_NOTE, "the trailer is lost; the index is whole by itself");
    if (result->has_index && result->frames_lost > 0)
        po_cli_out_tell(out, PO_CLI_WARNING, "%u of %u frames are lost", result->frames_lost,
                        result->frames_expected);
    if (foreign > 0)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%llu frames in the file are of another archive; they were left out",
                        (unsigned long long)foreign);
    if (result->scan.is_cut_short)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "the file has so many false beginnings of frames that not all were tried");
}

static void
tell(struct po_cli *cli, const char *path, const char *directory,
     const struct po_salvage_result *result)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };

    tell_counts(out, path, directory, result);
    tell_unread(out, &result->unread);
    tell_knowledge(out, result);
    tell_gaps(out, result);
    if (!out->is_json) {
        name_doubtful(out, result);
        name_partial(out, result);
        name_entries(out, result, PO_SALVAGE_LOST, "lost");
        name_entries(out, result, PO_SALVAGE_IN_PARENT, "in a parent");
    }
    if (result->problems.count > 0) {
        po_cli_put_count(&line, result->problems.count, "item was", "items were");
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%s not written as the archive has it:", po_buf_text(&line));
        po_cli_problems_tell(out, &result->problems, "--json names all");
    }
    if (result->partial_count > 0)
        po_cli_out_tell(out, PO_CLI_HINT, "What is there of the rest: %s/" PO_SALVAGE_NOTES,
                        directory);
    tell_parents(out, directory, result);
    po_buf_deinit(&line);
}

/* ---- the verb ---- */

static bool
is_anything_out(const struct po_salvage_result *result)
{
    if (result->counts[PO_SALVAGE_CERTAIN] + result->counts[PO_SALVAGE_DOUBTFUL] > 0)
        return true;
    for (size_t i = 0; i < result->partial_count; i++)
        if (result->partial[i].there > 0)
            return true;
    return false;
}

static int
run(struct po_cli *cli, const struct pobackup_blob *blob, const char *path, const char *directory)
{
    struct po_salvage_options options = { .directory = directory,
                                          .patterns = cli->values.args + 1,
                                          .pattern_count = cli->values.arg_count - 1,
                                          .is_overwriting = po_cli_has(cli, PO_CLI_OVERWRITE),
                                          .sets_owner = po_sys_is_admin(),
                                          .threads =
                                              (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0) };
    struct po_salvage_result result = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_PARTLY;
    enum po_status st;

    po_cli_catch_interrupts(cli);
    st = po_salvage_run(blob, &options, &cli->watch, &result, &err);
    if (st == PO_E_CANCELLED)
        (void)po_fail(&err, PO_E_CANCELLED, "interrupted: what was written until then is in %s",
                      directory);
    if (st != PO_OK) {
        if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)
            (void)po_err_prefix(&err, "%s", path);
        code = po_cli_failed(cli, &err);
    } else {
        tell(cli, path, directory, &result);
        if (po_salvage_is_complete(&result))
            code = PO_EXIT_DONE;
        else if (!is_anything_out(&result)) {
            (void)po_fail(&err, PO_E_FORMAT, "%s: nothing of it could be written", path);
            code = po_cli_failed(cli, &err);
        }
    }
    put_json(&cli->out, directory, &result);
    po_salvage_result_deinit(&result);
    return code;
}

int
po_cmd_salvage(struct po_cli *cli)
{
    const char *directory = po_cli_text(cli, PO_CLI_DIRECTORY);
    const char *path = cli->values.args[0];
    struct pobackup_blob blob = { 0 };
    struct po_node_info info = { 0 };
    struct po_err err = { 0 };
    bool exists = false;
    int code;

    if (directory == NULL)
        return po_cli_usage(cli, "where to? Give -C DIR; it is made if it is missing");
    if (po_os_stat(path, &info, &exists, &err) != PO_OK)
        return po_cli_failed(cli, &err);
    if (!exists) {
        (void)po_fail(&err, PO_E_IO, "%s: there is no such file", path);
        return po_cli_failed(cli, &err);
    }
    if (po_store_file_open(&blob, path, &err) != PO_OK)
        return po_cli_failed(cli, &err);
    code = run(cli, &blob, path, directory);
    po_store_blob_free(&blob);
    return code;
}
