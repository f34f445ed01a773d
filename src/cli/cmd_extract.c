#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_parents.h"
#include "cli/cli_problems.h"
#include "engine/extract.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

/* Whether one of the items was not written because of what has its name. */
static bool
is_any_there(struct po_dir *dir, const struct po_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        struct po_node_info info;
        struct po_err ignored;
        bool exists = false;

        if (po_dir_stat(dir, problems->items[i].path, problems->items[i].path_size, &info, &exists,
                        &ignored) == PO_OK &&
            exists)
            return true;
    }
    return false;
}

static int
tell(struct po_cli *cli, const struct po_cli_archive *archive, struct po_dir *dir,
     const char *directory, const struct po_extract_result *result)
{
    struct po_cli_out *out = &cli->out;
    struct po_buf line = { 0 };

    po_cli_put_count(&line, result->files, "file", "files");
    po_buf_put_text(&line, ", ");
    po_cli_put_count(&line, result->directories, "directory", "directories");
    po_buf_put_text(&line, ", ");
    po_cli_put_count(&line, result->links, "link", "links");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, result->bytes);
    po_buf_put_text(&line, " in ");
    po_text_put_seconds(&line, result->seconds);
    po_cli_out_tell(out, PO_CLI_SAY, "extracted %s into %s", po_buf_text(&line), directory);
    po_buf_clear(&line);
    if (result->problems.count > 0) {
        po_cli_put_count(&line, result->problems.count, "item was", "items were");
        po_cli_out_tell(out, PO_CLI_WARNING, "%s not extracted:", po_buf_text(&line));
        po_cli_problems_tell(out, &result->problems, "--json names all");
        po_buf_clear(&line);
    }
    if (!po_cli_has(cli, PO_CLI_OVERWRITE) && is_any_there(dir, &result->problems))
        po_cli_out_tell(out, PO_CLI_HINT, "What is there already stays; --overwrite replaces it");
    if (result->is_damaged) {
        po_cli_put_word(&line, archive->path);
        po_cli_out_tell(out, PO_CLI_HINT,
                        "The archive is damaged. Which files are hit: pobackup verify %s",
                        po_buf_text(&line));
    }
    if (result->unread.status != PO_OK) {
        po_cli_put_word(&line, archive->path);
        po_cli_out_tell(out, PO_CLI_HINT,
                        "The disk does not give back all of the archive (%s). If there is no other "
                        "copy: pobackup repair %s, or pobackup salvage %s -C DIR",
                        result->unread.text, po_buf_text(&line), po_buf_text(&line));
    }
    po_buf_deinit(&line);
    if (result->unread.status != PO_OK && result->files == 0)
        return PO_EXIT_FAILED;
    return result->is_damaged           ? PO_EXIT_DAMAGED
           : result->problems.count > 0 ? PO_EXIT_PARTLY
                                        : PO_EXIT_DONE;
}

static void
put_json(struct po_cli_out *out, const char *directory, const struct po_extract_result *result)
{
    po_cli_json_member(out, "directory", po_cli_json_plain_path(directory, strlen(directory)));
    po_cli_json_member(out, "files", po_cli_json_u64(result->files));
    po_cli_json_member(out, "directories", po_cli_json_u64(result->directories));
    po_cli_json_member(out, "links", po_cli_json_u64(result->links));
    po_cli_json_member(out, "bytes", po_cli_json_u64(result->bytes));
    po_cli_json_member(out, "damaged", json_boolean(result->is_damaged));
    po_cli_json_member(out, "unread",
                       result->unread.status == PO_OK ? json_null()
                                                      : po_cli_json_text(result->unread.text));
    po_cli_json_member(out, "seconds", json_real(result->seconds));
    po_cli_problems_json(out, "problems", &result->problems);
}

static int
run(struct po_cli *cli, const struct po_cli_archive *archive, const char *directory,
    const uint8_t *wanted)
{
    struct po_extract_place place = { .index = archive->reader->index };
    struct po_target_options options = { .place = po_extract_place_entry, .place_ctx = &place };
    struct po_extract_result result = { 0 };
    struct po_err err = { 0 };
    int code;
    enum po_status st = po_dir_open_make(&place.dir, directory, &err);

    options.is_overwriting = po_cli_has(cli, PO_CLI_OVERWRITE);
    options.sets_owner = po_sys_is_admin();
    if (st == PO_OK)
        st = po_extract_run(archive->reader, wanted, &options,
                            po_cli_has(cli, PO_CLI_TRUSTED_KEY) ? PO_EXTRACT_DEEP : PO_EXTRACT_FAST,
                            (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0), &cli->watch, &result,
                            &err);
    if (st == PO_E_CANCELLED)
        (void)po_fail(&err, PO_E_CANCELLED, "interrupted: what was extracted until then is in %s",
                      directory);
    if (st == PO_OK)
        code = tell(cli, archive, place.dir, directory, &result);
    else
        code = po_cli_archive_failed(cli, archive->path, &err);
    put_json(&cli->out, directory, &result);
    po_extract_result_deinit(&result);
    po_dir_free(place.dir);
    return code;
}

static int
worse(int a, int b)
{
    return a > b ? a : b;
}

int
po_cmd_extract(struct po_cli *cli)
{
    const char *directory = po_cli_text(cli, PO_CLI_DIRECTORY);
    const char *const *patterns = cli->values.args + 1;
    size_t pattern_count = cli->values.arg_count - 1;
    struct po_cli_archive archive = { 0 };
    struct po_err err = { 0 };
    uint8_t *wanted = NULL;
    int code;

    if (directory == NULL)
        return po_cli_usage(cli, "where to? Give -C DIR; it is made if it is missing");
    if (!po_cli_archive_open(cli, &archive, cli->values.args[0], &code))
        goto done;
    if (!po_cli_parents_join(cli, &archive, &code))
        goto done;
    wanted = po_mem_new(archive.reader->index->count, 1);
    if (wanted == NULL) {
        (void)po_fail_nomem(&err, archive.reader->index->count);
        code = po_cli_failed(cli, &err);
        goto done;
    }
    po_cli_catch_interrupts(cli);
    if (po_cli_archive_unmatched(cli, &archive, patterns, pattern_count) > 0)
        code = worse(code, PO_EXIT_PARTLY);
    if (po_extract_select(archive.reader->index, patterns, pattern_count, wanted) > 0)
        code = worse(code, run(cli, &archive, directory, wanted));
done:
    po_mem_free(wanted);
    po_cli_archive_deinit(&archive);
    return code;
}
