#include "cli/cli_verify.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_history.h"
#include "cli/cli_parents.h"
#include "port/sys.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 1000u /* in text; JSON has all */

static const char *
verdict_of(enum po_status status)
{
    switch (status) {
    case PO_OK:
        return "ok";
    case PO_E_FORMAT:
        return "damaged";
    case PO_E_UNSUPPORTED:
        return "unsupported";
    case PO_E_AUTH:
        return "untrusted";
    case PO_E_CANCELLED:
    case PO_E_NOMEM:
    case PO_E_IO:
    case PO_E_USAGE:
        break;
    }
    return "error";
}

static json_t *
paths_json(const struct po_problems *problems)
{
    json_t *paths = json_array();

    for (size_t i = 0; i < problems->count; i++) {
        const struct po_problem *p = &problems->items[i];

        if (json_array_append_new(paths, po_cli_json_plain_path(p->path, p->path_size)) != 0) {
            json_decref(paths);
            return NULL;
        }
    }
    return paths;
}

/* What the format says is broken: messages about damage end in " (INDEX-6)". */
static json_t *
rule_json(const struct po_err *err)
{
    size_t size = strlen(err->text);
    const char *open = size > 0 && err->text[size - 1] == ')' ? strrchr(err->text, '(') : NULL;
    char rule[32];

    if ((err->status != PO_E_FORMAT && err->status != PO_E_UNSUPPORTED) || open == NULL)
        return json_null();
    (void)snprintf(rule, sizeof(rule), "%.*s", (int)(err->text + size - 1 - open - 1), open + 1);
    if (rule[strspn(rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")] != '\0' ||
        strchr(rule, '-') == NULL)
        return json_null();
    return json_string(rule);
}

/* null: nothing was asked, and there is none. */
static json_t *
signature_json(const struct po_cli_check *check)
{
    const struct po_signature *signature = &check->signature;
    struct po_buf id = { 0 };
    json_t *value;

    if (!check->has_signature ||
        (signature->state == PO_SIGNATURE_MISSING && check->trust->count == 0))
        return json_null();
    po_minisign_put_id(&id, signature->key_id);
    value = json_pack(
        "{s:s, s:o, s:o}", "state", po_signature_state_name(signature->state), "key_id",
        signature->has_key_id ? json_string(po_buf_text(&id)) : json_null(), "trusted_comment",
        signature->state == PO_SIGNATURE_GOOD ? po_cli_json_text(signature->comment) : json_null());
    po_buf_deinit(&id);
    return value;
}

static const char *
mode_of(const struct po_cli_check *check)
{
    if (check->share != NULL)
        return "share";
    return check->is_deep ? "deep" : "quick";
}

static void
put_json(struct po_cli_out *out, const struct po_cli_check *check)
{
    if (!po_cli_out_has_document(out))
        return;
    po_cli_json_item(
        out,
        json_pack("{s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:f}",
                  po_cli_json_path_key(check->path, strlen(check->path)),
                  po_cli_json_path(check->path, strlen(check->path)), "verdict", check->verdict,
                  "rule", rule_json(&check->err), "message",
                  check->err.status == PO_OK ? json_null() : po_cli_json_text(check->err.text),
                  "mode", mode_of(check), "hit", paths_json(&check->result.hits), "missing_parents",
                  paths_json(&check->missing), "files", po_cli_json_u64(check->files), "frames",
                  po_cli_json_u64(check->result.frames), "bytes",
                  po_cli_json_u64(check->result.bytes), "content_bytes",
                  po_cli_json_u64(check->result.content_bytes), "registry_bad",
                  check->result.is_registry_bad, "signature", signature_json(check), "recovery",
                  check->has_recovery ? po_cli_rec_json(&check->recovery) : json_null(), "seconds",
                  check->seconds));
}

static void
put_colour(const struct po_cli_out *out, struct po_buf *line, const char *colour, const char *text)
{
    if (out->has_stdout_colour)
        po_buf_put_text(line, colour);
    po_buf_put_text(line, text);
    if (out->has_stdout_colour)
        po_buf_put_text(line, "\033[0m");
}

/* Without a key to check it by nothing is said of whom it is from. */
static void
put_signature(struct po_buf *line, const struct po_cli_check *check)
{
    const struct po_signature *signature = &check->signature;

    if (!check->has_signature || signature->state == PO_SIGNATURE_MISSING)
        return;
    if (!signature->has_key_id) {
        po_buf_put_text(line, "; the " PO_SIGNATURE_ENDING " beside it is no signature");
        return;
    }
    po_buf_put_text(line, "; signed by key ");
    po_minisign_put_id(line, signature->key_id);
    if (signature->state == PO_SIGNATURE_GOOD) {
        char comment[sizeof(signature->comment)];
        size_t size = strlen(signature->comment);

        /* Its parts are apart by tabs. */
        for (size_t i = 0; i <= size; i++)
            comment[i] = (char)(signature->comment[i] == '\t' ? ' ' : signature->comment[i]);
        po_buf_put_text(line, ": ");
        po_cli_put_message(line, comment);
    } else {
        po_buf_put_text(line, ", not checked: no --trusted-key");
    }
}

static void
tell_whole(struct po_cli_out *out, const struct po_cli_check *check)
{
    const struct po_verify_result *result = &check->result;
    struct po_buf line = { 0 };

    po_cli_put_message(&line, check->path);
    po_buf_put_text(&line, ": ");
    put_colour(out, &line, "\033[32m", "whole");
    po_buf_printf(&line, " (%s: ", check->is_deep ? "deep" : "quick");
    if (check->is_deep) {
        po_cli_put_count(&line, check->files, "file", "files");
        po_buf_put_text(&line, ", ");
        po_text_put_size(&line, result->content_bytes);
        po_buf_put_text(&line, " in ");
    }
    po_cli_put_count(&line, result->frames, "frame", "frames");
    po_buf_put_text(&line, ", ");
    po_text_put_size(&line, result->bytes);
    po_buf_put_text(&line, " read, ");
    po_text_put_seconds(&line, check->seconds);
    po_buf_put_text(&line, ")");
    put_signature(&line, check);
    if (!out->is_quiet)
        (void)po_cli_out_line(out, &line);
    po_buf_clear(&line);
    if (result->is_registry_bad)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%s: the .reg file in it is whole, but regedit would not take it: the site "
                        "had it so",
                        check->path);
    for (size_t i = 0; i < check->missing.count; i++) {
        po_text_put_name(&line, check->missing.items[i].path, check->missing.items[i].path_size);
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%s: its parent %s is not beside it: without that it cannot be restored",
                        check->path, po_buf_text(&line));
        po_buf_clear(&line);
    }
    po_buf_deinit(&line);
}

/* spec: READ-2. Reports of damage end in file names, and in what to type next. */
static void
tell_hits(struct po_cli_out *out, const struct po_cli_check *check)
{
    const struct po_problems *hits = &check->result.hits;
    struct po_buf line = { 0 };

    for (size_t i = 0; i < hits->count && i < NAMED_MAX; i++) {
        po_buf_put_text(&line, "  hit: ");
        po_text_put_name(&line, hits->items[i].path, hits->items[i].path_size);
        (void)po_cli_out_line(out, &line);
    }
    if (hits->count > NAMED_MAX)
        po_buf_printf(&line, "  and %zu more (--json names all)", hits->count - (size_t)NAMED_MAX);
    if (line.size > 0)
        (void)po_cli_out_line(out, &line);
    po_buf_deinit(&line);
}

/* The error, without the path that stands before the verdict already. */
static const char *
without_path(const struct po_cli_check *check)
{
    size_t size = strlen(check->path);
    const char *text = check->err.text;

    return strncmp(text, check->path, size) == 0 && strncmp(text + size, ": ", 2) == 0
               ? text + size + 2
               : text;
}

/* What to type. */
static void
tell_next(struct po_cli_out *out, const struct po_cli_check *check)
{
    bool can_mend = check->has_recovery ? check->recovery.is_usable && check->recovery.is_mendable
                                        : po_cli_rec_exists(check->path);
    struct po_buf word = { 0 };

    po_cli_put_word(&word, check->path);
    if (check->is_altered)
        po_cli_out_tell(out, PO_CLI_HINT,
                        "Whole in itself, it is not what was signed: compare it with another copy "
                        "before it is used");
    else if (can_mend)
        po_cli_out_tell(out, PO_CLI_HINT, "Mend it by its recovery data: pobackup repair %s",
                        po_buf_text(&word));
    else if (check->result.frames > 0)
        po_cli_out_tell(out, PO_CLI_HINT, "Extract what is whole: pobackup extract %s -C DIR",
                        po_buf_text(&word));
    else
        po_cli_out_tell(out, PO_CLI_HINT,
                        "Its tables cannot be trusted. Find what is whole: pobackup salvage %s -C "
                        "DIR",
                        po_buf_text(&word));
    po_buf_deinit(&word);
}

static void
tell_bad(struct po_cli_out *out, const struct po_cli_check *check)
{
    bool is_damaged = check->err.status == PO_E_FORMAT;
    struct po_buf line = { 0 };

    po_cli_put_message(&line, check->path);
    po_buf_put_text(&line, ": ");
    put_colour(out, &line, "\033[31m",
               is_damaged                              ? "DAMAGED"
               : check->err.status == PO_E_UNSUPPORTED ? "not supported"
               : check->err.status == PO_E_AUTH        ? "NOT TRUSTED"
                                                       : "could not be checked");
    po_buf_put_text(&line, ": ");
    po_cli_put_message(&line, without_path(check));
    (void)po_cli_out_line(out, &line);
    tell_hits(out, check);
    if (check->result.unread > 0)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "%llu of %llu frames could not be read: copy what else is on that disk",
                        (unsigned long long)check->result.unread,
                        (unsigned long long)check->result.frames);
    po_buf_deinit(&line);
    if (is_damaged || (check->err.status == PO_E_IO && check->err.os_code == EIO))
        tell_next(out, check);
}

/* It cannot be trusted to mend, or there is none: that is no damage of the archive. */
static bool
is_recovery_bad(const struct po_cli_check *check)
{
    return check->has_recovery && check->err.status == PO_OK &&
           !po_cli_rec_is_whole(&check->recovery);
}

static void
tell_recovery(struct po_cli_out *out, const struct po_cli_check *check)
{
    struct po_buf text = { 0 };
    struct po_buf word = { 0 };

    if (!check->has_recovery)
        return;
    po_cli_rec_put_text(&text, &check->recovery);
    po_cli_out_tell(out, po_cli_rec_is_whole(&check->recovery) ? PO_CLI_SAY : PO_CLI_WARNING,
                    "%s: recovery data: %s", check->path, po_buf_text(&text));
    po_cli_put_word(&word, check->path);
    if (is_recovery_bad(check))
        po_cli_out_tell(out, PO_CLI_HINT, "Make them: pobackup protect --overwrite %s",
                        po_buf_text(&word));
    po_buf_deinit(&text);
    po_buf_deinit(&word);
}

/* The verdict, which is data, for logs. */
static void
keep(struct po_cli_out *out, const struct po_cli_check *check)
{
    const struct po_problems *hits = &check->result.hits;
    struct po_buf line = { 0 };

    po_buf_printf(&line, "%s: %s", check->path,
                  check->err.status == PO_OK ? "whole" : check->verdict);
    if (check->err.status == PO_OK)
        po_buf_printf(&line, " (%s, %llu files)", check->is_deep ? "deep" : "quick",
                      (unsigned long long)check->files);
    else
        po_buf_printf(&line, ": %s", without_path(check));
    po_cli_out_keep(out, check->err.status == PO_OK ? PO_CLI_SAY : PO_CLI_ERROR,
                    po_buf_text(&line));
    for (size_t i = 0; i < hits->count && i < NAMED_MAX; i++) {
        po_buf_clear(&line);
        po_buf_put_text(&line, "hit: ");
        po_text_put_name(&line, hits->items[i].path, hits->items[i].path_size);
        po_cli_out_keep(out, PO_CLI_PROBLEM, po_buf_text(&line));
    }
    po_buf_deinit(&line);
}

static uint64_t
count_files(const struct po_index *index)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < index->count; i++)
        count += po_index_type(index, i) == POBACKUP_FILE && po_index_source(index, i) == 0;
    return count;
}

/* For the history. What could not be looked at, or is of no use without a parent, is not checked. */
static void
note(struct po_cli *cli, const struct po_cli_check *check, const struct po_reader *reader)
{
    bool is_whole = check->err.status == PO_OK && check->missing.count == 0;
    struct po_history_run run = { .archive = check->path,
                                  .created = POBACKUP_TIME_UNKNOWN,
                                  .outage_seconds = -1,
                                  .files = check->files,
                                  .bytes = check->result.content_bytes,
                                  .seconds = check->seconds,
                                  .is_whole = is_whole };

    if (is_whole || check->err.status == PO_E_FORMAT)
        run.check = check->is_deep ? PO_HISTORY_DEEP : PO_HISTORY_QUICK;
    if (reader != NULL) {
        run.has_archive_id = true;
        memcpy(run.archive_id, reader->trailer.archive_id, PO_ID_SIZE);
        memcpy(run.digest, reader->digest, PO_DIGEST_SIZE);
        run.created = reader->trailer.created;
    }
    cli->history = run;
}

/* Also of an archive that cannot be opened: its blocks are bytes. */
static enum po_status
check_recovery(struct po_cli *cli, struct po_cli_check *check, enum po_status verdict)
{
    struct pobackup_blob blob = { 0 };
    struct po_err err;
    enum po_status st = po_store_file_open(&blob, check->path, &err);

    if (st == PO_OK)
        st = po_cli_rec_open(cli, &check->recovery, check->path, &blob, &err);
    po_store_blob_free(&blob);
    if (st == PO_OK || verdict != PO_OK)
        return verdict;
    check->err = err;
    return st;
}

static enum po_status
check_share(struct po_cli *cli, struct po_cli_check *check, const struct po_reader *reader,
            unsigned threads)
{
    const struct po_cli_share *share = check->share;
    uint8_t *frames = po_mem_new(reader->index->frame_count, 1);
    enum po_status st;

    if (frames == NULL)
        return po_fail_nomem(&check->err, reader->index->frame_count);
    share->choose(share->ctx, reader, frames);
    st = po_engine_verify_frames(reader, frames, threads, &cli->watch, &check->result, &check->err);
    if (st == PO_OK || st == PO_E_FORMAT || check->result.unread > 0)
        share->done(share->ctx, reader, frames, &check->result);
    po_mem_free(frames);
    return st;
}

static enum po_status
check_opened(struct po_cli *cli, struct po_cli_check *check, const struct po_cli_archive *archive)
{
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    enum po_status st;

    check->files = count_files(archive->reader->index);
    if (check->share != NULL)
        return check_share(cli, check, archive->reader, threads);
    st = po_engine_verify(archive->reader, check->is_deep, threads, &cli->watch, &check->result,
                          &check->err);
    return st == PO_OK ? po_cli_parents_check(archive, &cli->watch, &check->missing, &check->err)
                       : st;
}

/* Of a damaged archive too. With keys it has to be good. */
static enum po_status
look_at_signature(struct po_cli *cli, struct po_cli_check *check,
                  const struct po_cli_archive *archive, struct po_err *err)
{
    const struct po_cli_trust *trust = check->trust;
    enum po_status st =
        po_signature_check(&check->signature, check->path, &archive->blob, archive->own,
                           trust->keys, trust->count, &cli->watch, err);

    check->has_signature = st == PO_OK;
    /* Nobody has asked for it. */
    if (st == PO_E_IO && trust->count == 0) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s", err->text);
        return PO_OK;
    }
    return st == PO_OK && trust->count > 0 ? po_signature_require(&check->signature, err) : st;
}

/* *check is filled in, whatever comes. */
static void
check_one(struct po_cli *cli, struct po_cli_check *check)
{
    struct po_cli_archive archive = { 0 };
    double began = po_sys_monotonic();
    struct po_err signature_err = { 0 };
    enum po_status signed_st = PO_OK;
    enum po_status st = po_cli_archive_open_quietly(&archive, check->path, &check->err);

    if (archive.blob.read_at != NULL && check->trust != NULL)
        signed_st = look_at_signature(cli, check, &archive, &signature_err);
    if (st == PO_OK)
        st = check_opened(cli, check, &archive);
    if (st == PO_OK && signed_st != PO_OK) {
        st = signed_st;
        check->err = signature_err;
        check->is_altered = st == PO_E_FORMAT;
    }
    if (st == PO_OK)
        check->err = (struct po_err){ .status = PO_OK };
    if (check->has_recovery && st != PO_E_CANCELLED)
        st = check_recovery(cli, check, st);
    check->verdict = verdict_of(st);
    check->seconds = po_sys_monotonic() - began;
    if (check->share == NULL || st == PO_E_FORMAT)
        note(cli, check, archive.reader);
    po_cli_archive_deinit(&archive);
}

static void
tell(struct po_cli *cli, const struct po_cli_check *check)
{
    struct po_cli_out *out = &cli->out;

    if (check->err.status == PO_E_CANCELLED) {
        (void)po_cli_failed(cli, &check->err);
        return;
    }
    if (check->err.status == PO_OK && check->share != NULL)
        return;
    if (po_cli_out_has_document(out) && out->error == NULL && check->err.status != PO_OK)
        out->error = po_cli_json_err(&check->err);
    keep(out, check);
    if (!out->is_json && check->err.status == PO_OK)
        tell_whole(out, check);
    else if (!out->is_json)
        tell_bad(out, check);
    tell_recovery(out, check);
}

int
po_cli_verify_one(struct po_cli *cli, struct po_cli_check *check)
{
    int code;

    check_one(cli, check);
    code = po_cli_exit_code(check->err.status);
    if (code == PO_EXIT_DONE && (check->missing.count > 0 || is_recovery_bad(check)))
        code = PO_EXIT_PARTLY;
    put_json(&cli->out, check);
    if (check->share == NULL || check->err.status == PO_E_FORMAT)
        po_cli_history_end(cli, NULL, code);
    tell(cli, check);
    po_cli_rec_deinit(&check->recovery);
    po_verify_result_deinit(&check->result);
    po_problems_deinit(&check->missing);
    return code;
}
