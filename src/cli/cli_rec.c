#include "cli/cli_rec.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_vault.h"
#include "engine/protect.h"
#include "engine/repair.h"
#include "engine/vault.h"
#include "engine/verify.h"
#include "engine/watch.h"
#include "port/file.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

#define COPIED_AT_ONCE (1u << 20)

void
po_cli_rec_put_path(struct po_buf *path, const char *archive_path)
{
    po_buf_put_text(path, archive_path);
    po_buf_put_text(path, PO_REC_SUFFIX);
}

bool
po_cli_rec_exists(const char *archive_path)
{
    struct po_buf path = { 0 };
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;

    po_cli_rec_put_path(&path, archive_path);
    if (po_os_stat(po_buf_text(&path), &info, &exists, &ignored) != PO_OK)
        exists = false;
    po_buf_deinit(&path);
    return exists;
}

bool
po_cli_rec_lock(struct po_cli *cli, const char *archive_path, struct po_vault_lock **lock,
                int *code)
{
    size_t dir_size = 0;
    size_t name_start = 0;
    struct po_buf dir = { 0 };
    struct po_buf file = { 0 };
    struct po_node_info info;
    struct po_err ignored;
    bool is_vault = false;
    bool is_good;

    *lock = NULL;
    po_path_split(archive_path, strlen(archive_path), &dir_size, &name_start);
    if (name_start > 0)
        po_buf_put(&dir, archive_path, name_start);
    else
        po_buf_put_text(&dir, ".");
    /* What writes into a vault has left this there; elsewhere nobody asks for it. */
    po_buf_put(&file, dir.bytes, dir.size);
    po_buf_put_text(&file, "/" PO_VAULT_LOCK_NAME);
    is_good = po_os_stat(po_buf_text(&file), &info, &is_vault, &ignored) != PO_OK || !is_vault ||
              po_cli_vault_lock(cli, po_buf_text(&dir), lock, code);
    po_buf_deinit(&file);
    po_buf_deinit(&dir);
    return is_good;
}

/* ---- looking at it ---- */

static bool
ends_run(enum po_status status)
{
    return status == PO_E_CANCELLED || status == PO_E_NOMEM;
}

/* Two backups of one site have most frames in common: by the sidecar of the one, much of the other can
 * be "mended". So whoever can be asked which archive it is, is asked. */
static enum po_status
check_identity(const struct po_rec_header *header, const struct pobackup_blob *archive,
               struct po_err *err)
{
    struct po_reader *reader = NULL;
    struct po_err ignored;
    bool is_other = po_reader_open(&reader, archive, &ignored) == PO_OK &&
                    memcmp(reader->digest, header->digest, PO_DIGEST_SIZE) != 0;

    po_reader_free(reader);
    return is_other ? po_fail(err, PO_E_FORMAT, "recovery data of another archive" PO_RULE("REC-8"))
                    : PO_OK;
}

enum po_status
po_cli_rec_open(struct po_cli *cli, struct po_cli_rec *recovery, const char *archive_path,
                const struct pobackup_blob *archive, struct po_err *err)
{
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    enum po_status st;

    *recovery = (struct po_cli_rec){ 0 };
    po_cli_rec_put_path(&recovery->path, archive_path);
    st = po_buf_check(&recovery->path, err);
    if (st != PO_OK)
        return st;
    recovery->is_there = po_cli_rec_exists(archive_path);
    st = po_store_file_open(&recovery->sidecar, po_buf_text(&recovery->path), &recovery->err);
    if (st == PO_OK)
        st = po_rec_state_open(&recovery->state, &recovery->sidecar, threads, &cli->watch,
                               &recovery->err);
    if (st == PO_OK) {
        st = check_identity(&recovery->state.header, archive, &recovery->err);
        recovery->is_foreign = st != PO_OK;
        recovery->is_usable = st == PO_OK;
    }
    if (st == PO_OK) {
        st = po_rec_state_locate(&recovery->state, archive, threads, &cli->watch, &recovery->err);
    }
    if (st == PO_OK)
        recovery->is_mendable = po_repair_check(&recovery->state, &recovery->err) == PO_OK;
    if (!ends_run(st))
        return PO_OK;
    *err = recovery->err;
    return st;
}

void
po_cli_rec_deinit(struct po_cli_rec *recovery)
{
    po_rec_state_deinit(&recovery->state);
    po_store_blob_free(&recovery->sidecar);
    po_buf_deinit(&recovery->path);
    *recovery = (struct po_cli_rec){ 0 };
}

bool
po_cli_rec_is_whole(const struct po_cli_rec *recovery)
{
    return recovery->is_usable && po_rec_state_is_whole(&recovery->state) &&
           po_rec_state_is_archive_whole(&recovery->state);
}

/* ---- telling it ---- */

static void
put_archive(struct po_buf *out, const struct po_cli_rec *recovery)
{
    const struct po_rec_state *state = &recovery->state;
    const struct po_rec_layout *layout = &state->header.layout;

    if (po_rec_state_is_archive_whole(state)) {
        po_buf_put_text(out, "every block of the archive is good");
        return;
    }
    po_buf_put_text(out, "of the archive's ");
    po_cli_put_count(out, layout->blocks, "block", "blocks");
    po_buf_printf(out, " (%u bytes each) %u are lost", layout->block_size, state->lost);
    if (state->moved > 0)
        po_buf_printf(out, " and %u are not in their place", state->moved);
    if (state->actual_size != layout->archive_size)
        po_buf_printf(out, "; it has %llu bytes instead of %llu",
                      (unsigned long long)state->actual_size,
                      (unsigned long long)layout->archive_size);
    if (state->unread.count > 0)
        po_buf_printf(out, "; %u could not be read (%s): look after the disk", state->unread.count,
                      state->unread.first.text);
    if (recovery->is_mendable)
        po_buf_printf(out,
                      ": it can be mended (%u of %u groups are hit, by up to %u of the %u "
                      "blocks that each can lose)",
                      state->groups_hit, layout->groups, state->most_lost, layout->parities);
    else
        po_buf_printf(out, ": it cannot be mended: %s", recovery->err.text);
}

void
po_cli_rec_put_text(struct po_buf *out, const struct po_cli_rec *recovery)
{
    const struct po_rec_state *state = &recovery->state;

    if (!recovery->is_there) {
        po_buf_put_text(out, "there is none beside the archive");
        return;
    }
    if (!recovery->is_usable) {
        po_cli_put_message(out, recovery->err.text);
        return;
    }
    put_archive(out, recovery);
    if (po_rec_state_is_whole(state))
        return;
    po_buf_printf(out,
                  "; the recovery data themselves are damaged: %u of %u parity blocks, %u of "
                  "%u pages of the tables, %u of 2 headers",
                  state->parities_bad, state->header.layout.parities * state->header.layout.groups,
                  state->pages_bad, 2 * po_rec_page_count(&state->header.layout),
                  state->headers_bad);
    if (state->is_size_wrong)
        po_buf_put_text(out, ", and their size is wrong");
    if (state->is_inconsistent)
        po_buf_put_text(out, ", and their parts do not belong together");
}

static const char *
state_name(const struct po_cli_rec *recovery)
{
    if (!recovery->is_there)
        return "missing";
    if (recovery->is_foreign)
        return "foreign";
    if (!recovery->is_usable)
        return "unusable";
    return po_rec_state_is_whole(&recovery->state) ? "whole" : "damaged";
}

json_t *
po_cli_rec_json(const struct po_cli_rec *recovery)
{
    const struct po_rec_state *state = &recovery->state;
    const struct po_rec_layout *layout = &state->header.layout;

    if (!recovery->is_usable)
        return json_pack("{s:s, s:o}", "state", state_name(recovery), "message",
                         recovery->is_there ? po_cli_json_text(recovery->err.text) : json_null());
    return json_pack(
        "{s:s, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}",
        "state", state_name(recovery), "mendable", recovery->is_mendable, "message",
        recovery->is_mendable ? json_null() : po_cli_json_text(recovery->err.text), "block_size",
        (json_int_t)layout->block_size, "blocks", (json_int_t)layout->blocks, "groups",
        (json_int_t)layout->groups, "parities", (json_int_t)layout->parities, "lost",
        (json_int_t)state->lost, "moved", (json_int_t)state->moved, "groups_hit",
        (json_int_t)state->groups_hit, "most_lost", (json_int_t)state->most_lost, "unread",
        (json_int_t)state->unread.count, "bad_parities", (json_int_t)state->parities_bad,
        "bad_pages", (json_int_t)state->pages_bad, "bad_headers", (json_int_t)state->headers_bad,
        "wrong_size", state->is_size_wrong, "inconsistent", state->is_inconsistent);
}

/* ---- making it ---- */

static enum po_status
begin_sidecar(struct po_store_sink **sink, const char *archive_path, bool may_replace,
              struct po_err *err)
{
    struct po_buf path = { 0 };
    enum po_status st;

    po_cli_rec_put_path(&path, archive_path);
    st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = may_replace ? po_store_file_replace(sink, po_buf_text(&path), err)
                         : po_store_file_create(sink, po_buf_text(&path), err);
    po_buf_deinit(&path);
    return st;
}

/* `st`: how it was written. */
static enum po_status
end_sidecar(struct po_store_sink *sink, enum po_status st, struct po_err *err)
{
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    if (sink != NULL)
        sink->ops->free(sink);
    return st;
}

enum po_status
po_cli_rec_write(struct po_cli *cli, const char *archive_path, const struct pobackup_blob *archive,
                 unsigned percent, const struct po_rec_layout *layout, const uint8_t *digest,
                 bool may_replace, struct po_rec_header *header, struct po_err *err)
{
    const struct po_protect_options options = { .percent = percent,
                                                .layout = layout,
                                                .threads =
                                                    (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0),
                                                .digest = digest,
                                                .watch = &cli->watch };
    struct po_store_sink *sink = NULL;
    enum po_status st = begin_sidecar(&sink, archive_path, may_replace, err);

    if (st == PO_OK)
        st = po_engine_protect(archive, sink, &options, header, err);
    return end_sidecar(sink, st, err);
}

static enum po_status
copy_blob(struct po_cli *cli, const struct pobackup_blob *blob, struct po_store_sink *sink,
          struct po_err *err)
{
    uint8_t *bytes = po_mem_new(COPIED_AT_ONCE, 1);
    enum po_status st = PO_OK;

    if (bytes == NULL)
        return po_fail_nomem(err, COPIED_AT_ONCE);
    for (uint64_t at = 0; at < blob->size && st == PO_OK;) {
        uint64_t left = blob->size - at;
        size_t size = left < COPIED_AT_ONCE ? (size_t)left : COPIED_AT_ONCE;

        st = po_watch_check(&cli->watch, err);
        if (st == PO_OK)
            st = blob->read_at(blob->ctx, at, bytes, size, err);
        if (st == PO_OK)
            st = sink->ops->write(sink, bytes, size, err);
        at += size;
    }
    po_mem_free(bytes);
    return st;
}

enum po_status
po_cli_rec_copy(struct po_cli *cli, const struct po_cli_rec *recovery, const char *archive_path,
                struct po_err *err)
{
    struct po_store_sink *sink = NULL;
    enum po_status st = begin_sidecar(&sink, archive_path, false, err);

    if (st == PO_OK)
        st = copy_blob(cli, &recovery->sidecar, sink, err);
    return end_sidecar(sink, st, err);
}

/* ---- protecting ---- */

static bool
is_archive_name(const char *path)
{
    size_t size = strlen(path);
    size_t ending = strlen(PO_VAULT_ENDING);

    return size > ending && po_text_is_equal_nocase(path + size - ending, PO_VAULT_ENDING);
}

/* What is damaged would be so for ever; what is not ours can only be taken as it is. */
static enum po_status
open_to_protect(struct po_cli *cli, struct po_cli_archive *archive, struct pobackup_blob *blob,
                const char *path, bool is_fresh, struct po_err *err)
{
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);
    struct po_verify_result result = { 0 };
    enum po_status st = po_cli_archive_open_quietly(archive, path, err);

    /* What has lost its beginning and its end looks like what never was an archive. */
    if (st == PO_E_UNSUPPORTED && (po_cli_rec_exists(path) || is_archive_name(path)))
        return po_err_prefix(err, "it should be an archive, and is not protected as it is");
    if (st == PO_E_UNSUPPORTED) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s; it is protected as it is, without a look at whether it is whole",
                        err->text);
        return po_store_file_open(blob, path, err);
    }
    if (st != PO_OK || is_fresh)
        return st;
    st = po_engine_verify(archive->own, false, threads, &cli->watch, &result, err);
    po_verify_result_deinit(&result);
    return st;
}

static void
tell_protected(struct po_cli *cli, const char *path, const struct po_rec_layout *layout,
               double seconds)
{
    struct po_buf line = { 0 };

    po_cli_rec_put_path(&line, path);
    po_buf_put_text(&line, ": ");
    po_text_put_size(&line, po_rec_size(layout));
    po_buf_printf(&line, ", gives back up to %u of each %u blocks of %u bytes, in ",
                  layout->parities, layout->rows + layout->parities, layout->block_size);
    po_text_put_seconds(&line, seconds);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s", po_buf_text(&line));
    po_buf_deinit(&line);
}

enum po_status
po_cli_rec_protect(struct po_cli *cli, const char *path, const struct po_cli_rec_wish *wish,
                   struct po_rec_header *header, double *seconds, struct po_err *err)
{
    struct po_cli_archive archive = { 0 };
    struct pobackup_blob other = { 0 };
    double began = po_sys_monotonic();
    enum po_status st;

    if (!wish->may_replace && po_cli_rec_exists(path))
        return po_fail(err, PO_E_USAGE,
                       "%s has recovery data already; protect --overwrite makes them anew", path);
    st = open_to_protect(cli, &archive, &other, path, wish->is_fresh, err);
    if (st == PO_OK) {
        bool is_ours = archive.own != NULL;

        st = po_cli_rec_write(cli, path, is_ours ? &archive.blob : &other, wish->percent, NULL,
                              is_ours ? archive.own->digest : NULL, wish->may_replace, header, err);
    }
    *seconds = po_sys_monotonic() - began;
    if (st == PO_OK)
        tell_protected(cli, path, &header->layout, *seconds);
    po_cli_archive_deinit(&archive);
    po_store_blob_free(&other);
    return st;
}

json_t *
po_cli_rec_header_json(const char *archive_path, const struct po_rec_header *header, double seconds)
{
    const struct po_rec_layout *layout = &header->layout;
    struct po_buf path = { 0 };
    json_t *json;

    po_cli_rec_put_path(&path, archive_path);
    json = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "path",
                     po_cli_json_plain_path(po_buf_text(&path), path.size), "bytes",
                     (json_int_t)po_rec_size(layout), "block_size", (json_int_t)layout->block_size,
                     "blocks", (json_int_t)layout->blocks, "groups", (json_int_t)layout->groups,
                     "rows", (json_int_t)layout->rows, "parities", (json_int_t)layout->parities,
                     "seconds", seconds);
    po_buf_deinit(&path);
    return json;
}
