#include "cli/cli_scrub.h"

#include "archive/hash.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli_history.h"
#include "cli/cli_state.h"
#include "cli/cli_verify.h"
#include "engine/scrub.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

#define DAY_STEPS INT64_C(864000000000)
#define SAVE_SECONDS 60.0 /* what is lost at most when the run is killed */

struct run {
    struct po_cli *cli;
    const char *path;
    const struct po_vault *vault;
    struct po_scrub *scrub;
    unsigned period;
    uint32_t *numbers; /* of each row */
    uint32_t number;   /* of the archive that is being read */
    bool *is_bad;      /* its slots */
    double saved;
    /* What the run came to. */
    uint32_t archives; /* that could be read */
    uint64_t frames;
    uint64_t frames_total;
    uint64_t bytes;
    uint64_t bytes_total;
    uint32_t sidecars;
};

/* By this an archive is remembered: a mirror on another disk, or one put back from another place, is
 * another, as its bytes lie elsewhere. */
static void
file_key(const struct po_vault_row *row, uint8_t key[PO_DIGEST_SIZE])
{
    uint8_t bytes[PO_DIGEST_SIZE + 16];

    memcpy(bytes, row->peek.digest, PO_DIGEST_SIZE);
    po_store_u64le(bytes + PO_DIGEST_SIZE, row->file_id);
    po_store_u64le(bytes + PO_DIGEST_SIZE + 8, (uint64_t)row->change_time);
    po_blake2b(bytes, sizeof(bytes), key);
}

static int32_t
local_day(int64_t time)
{
    int year;
    int month;
    int day;

    po_sys_local_date(time, &year, &month, &day);
    return po_scrub_day(year, month, day);
}

/* A time of that local day, noon or near it. */
static int64_t
noon_of(int32_t day)
{
    int64_t time = day * DAY_STEPS + DAY_STEPS / 2;

    return time + (day - local_day(time)) * DAY_STEPS;
}

static enum po_status
open_scrub(const char *path, unsigned period, struct po_scrub **out, struct po_err *anew,
           struct po_err *err)
{
    struct po_buf dir = { 0 };
    char *real = NULL;
    enum po_status st = po_cli_state_dir(&dir, err);

    if (st == PO_OK)
        st = po_os_path_real(&real, path, err);
    if (st == PO_OK)
        st =
            po_scrub_open(out, po_buf_text(&dir), real, period, local_day(po_sys_now()), anew, err);
    po_mem_free(real);
    po_buf_deinit(&dir);
    return st;
}

void
po_cli_scrub_apply(struct po_cli *cli, const char *path, struct po_vault *vault)
{
    struct po_scrub *scrub = NULL;
    struct po_err anew;
    struct po_err err;

    if (open_scrub(path, 0, &scrub, &anew, &err) != PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "what verify --budget has read is not known: %s",
                        err.text);
        return;
    }
    if (anew.status != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "what verify --budget has read is not known: %s",
                        anew.text);
    for (uint32_t i = 0; i < vault->count; i++) {
        struct po_vault_row *row = &vault->rows[i];
        uint8_t key[PO_DIGEST_SIZE];
        int32_t day;

        file_key(row, key);
        if (!po_scrub_last(scrub, key, &day) ||
            (row->check != PO_HISTORY_UNCHECKED && local_day(row->checked_at) >= day))
            continue;
        row->check = PO_HISTORY_QUICK;
        row->checked_at = noon_of(day);
    }
    po_scrub_free(scrub);
}

/* ---- a file's share ---- */

static void
choose(void *ctx, const struct po_reader *reader, uint8_t *frames)
{
    const struct run *run = ctx;

    for (uint32_t i = 0; i < reader->index->frame_count; i++)
        if (po_scrub_is_due(run->scrub, run->number, po_scrub_slot(run->scrub, run->number, i)))
            frames[i] = PO_VERIFY_WANTED;
}

static void
done(void *ctx, const struct po_reader *reader, const uint8_t *frames,
     const struct po_verify_result *result)
{
    struct run *run = ctx;
    uint32_t count = reader->index->frame_count;

    memset(run->is_bad, 0, run->period * sizeof *run->is_bad);
    for (uint32_t i = 0; i < count; i++)
        if (frames[i] == PO_VERIFY_BAD)
            run->is_bad[po_scrub_slot(run->scrub, run->number, i)] = true;
    po_scrub_note(run->scrub, run->number, run->is_bad);
    run->archives++;
    run->frames += result->frames;
    run->frames_total += count;
    run->bytes += result->bytes;
    run->bytes_total += reader->offsets[count] - reader->offsets[0];
}

/* The sidecar alone; its blocks tell nothing of the archive that its frames do not. */
static enum po_status
look_at_sidecar(const struct run *run, const char *path, const struct po_vault_row *row,
                struct po_err *err)
{
    unsigned threads = (unsigned)po_cli_number(run->cli, PO_CLI_THREADS, 0);
    static const uint8_t unknown[PO_DIGEST_SIZE];
    struct pobackup_blob blob = { 0 };
    struct po_rec_state state = { 0 };
    enum po_status st = po_store_file_open(&blob, path, err);

    if (st == PO_OK)
        st = po_rec_state_open(&state, &blob, threads, &run->cli->watch, err);
    if (st == PO_OK && memcmp(state.header.digest, unknown, sizeof unknown) != 0 &&
        memcmp(state.header.digest, row->peek.digest, sizeof unknown) != 0)
        st = po_fail(err, PO_E_FORMAT, "%s: it is of another archive", path);
    if (st == PO_OK && !po_rec_state_is_whole(&state))
        st = po_fail(err, PO_E_FORMAT, "%s: a part of it is damaged", path);
    po_rec_state_deinit(&state);
    po_store_blob_free(&blob);
    return st;
}

static int
check_sidecar(struct run *run, const char *path, const struct po_vault_row *row)
{
    struct po_cli_out *out = &run->cli->out;
    struct po_buf name = { 0 };
    struct po_err err;
    enum po_status st;

    po_cli_rec_put_path(&name, path);
    st = po_buf_check(&name, &err);
    if (st == PO_OK)
        st = look_at_sidecar(run, po_buf_text(&name), row, &err);
    if (st == PO_OK) {
        run->sidecars++;
        po_scrub_note_recovery(run->scrub, run->number);
    } else if (st != PO_E_CANCELLED) {
        po_cli_out_tell(out, PO_CLI_WARNING, "%s: recovery data: %s", path, err.text);
        po_buf_clear(&name);
        po_cli_put_word(&name, path);
        po_cli_out_tell(out, PO_CLI_HINT, "Make them: pobackup protect --overwrite %s",
                        po_buf_text(&name));
    }
    po_buf_deinit(&name);
    return st == PO_OK ? PO_EXIT_DONE : PO_EXIT_PARTLY;
}

/* The vault is not locked: a backup may prune it while it is read. */
static bool
is_gone(const char *path)
{
    struct po_node_info info;
    struct po_err ignored;
    bool exists = true;

    return po_os_stat(path, &info, &exists, &ignored) == PO_OK && !exists;
}

static int
check_row(struct run *run, uint32_t row, const char *path)
{
    const struct po_cli_share share = { .choose = choose, .done = done, .ctx = run };
    struct po_cli_check check = { .path = path, .share = &share };
    int code;
    int other = PO_EXIT_DONE;

    if (is_gone(path)) {
        po_cli_out_tell(&run->cli->out, PO_CLI_NOTE, "%s: it was removed meanwhile", path);
        return PO_EXIT_DONE;
    }
    run->number = run->numbers[row];
    code = po_cli_verify_one(run->cli, &check);
    if (po_cli_rec_exists(path) && po_scrub_is_recovery_due(run->scrub, run->number) &&
        !po_cli_is_cancelled(run->cli))
        other = check_sidecar(run, path, &run->vault->rows[row]);
    if (run->vault->rows[row].missing > 0) {
        po_cli_out_tell(
            &run->cli->out, PO_CLI_WARNING,
            "%s: a parent of it is not in the vault: without that it cannot be restored", path);
        other = PO_EXIT_PARTLY;
    }
    return other > code ? other : code;
}

/* ---- all of them ---- */

static enum po_status
each_path(const struct run *run, uint32_t row, char **path, struct po_err *err)
{
    *path = po_os_path_join(run->path, run->vault->rows[row].name);
    return *path == NULL ? po_fail_nomem(err, 1) : PO_OK;
}

static enum po_status
add_rows(struct run *run, struct po_err *err)
{
    enum po_status st = PO_OK;

    run->numbers = po_mem_new(run->vault->count, sizeof *run->numbers);
    run->is_bad = po_mem_new(run->period, sizeof *run->is_bad);
    if (run->numbers == NULL || run->is_bad == NULL)
        return po_fail_nomem(err, run->vault->count);
    for (uint32_t i = 0; i < run->vault->count && st == PO_OK; i++) {
        const struct po_peek *peek = &run->vault->rows[i].peek;
        uint8_t key[PO_DIGEST_SIZE];
        char *path;

        file_key(&run->vault->rows[i], key);
        st = each_path(run, i, &path, err);
        if (st == PO_OK)
            st = po_scrub_add(run->scrub, key, peek->manifest.archive_id, po_cli_rec_exists(path),
                              &run->numbers[i], err);
        po_mem_free(path);
    }
    return st;
}

static enum po_status
check_rows(struct run *run, int *worst, struct po_err *err)
{
    enum po_status st = PO_OK;

    run->saved = po_sys_monotonic();
    for (uint32_t i = 0; i < run->vault->count && st == PO_OK; i++) {
        char *path;
        int code;

        if (po_cli_is_cancelled(run->cli))
            break;
        st = each_path(run, i, &path, err);
        if (st != PO_OK)
            break;
        code = check_row(run, i, path);
        *worst = code > *worst ? code : *worst;
        po_mem_free(path);
        if (po_sys_monotonic() - run->saved < SAVE_SECONDS)
            continue;
        st = po_scrub_save(run->scrub, err);
        run->saved = po_sys_monotonic();
    }
    return st == PO_OK ? po_scrub_save(run->scrub, err) : st;
}

/* ---- telling ---- */

static void
put_rest(struct po_buf *line, const struct run *run, const struct po_scrub_age *age)
{
    if (age->is_all_read) {
        po_buf_put_text(line, "all was read in the last ");
        po_cli_put_count(line, (uint64_t)age->oldest_days + 1, "day", "days");
        return;
    }
    po_buf_put_text(line, "the oldest unread part: ");
    po_cli_put_count(line, age->oldest_days, "day", "days");
    po_buf_put_text(line, "; with a run a day all will have been read in ");
    po_cli_put_count(line, age->rest_days, "day", "days");
    if (age->oldest_days >= run->period)
        po_buf_put_text(line, ", if it is not damaged");
}

static void
tell(const struct run *run, json_t **summary)
{
    const struct po_scrub_age age = po_scrub_age(run->scrub);
    double share =
        run->frames_total == 0 ? 0 : 100.0 * (double)run->frames / (double)run->frames_total;
    struct po_buf line = { 0 };

    po_cli_put_count(&line, run->archives, "archive", "archives");
    po_buf_printf(&line, ": %llu of ", (unsigned long long)run->frames);
    po_cli_put_count(&line, run->frames_total, "frame", "frames");
    po_buf_printf(&line, " (%.1f %%), ", share);
    po_text_put_size(&line, run->bytes);
    po_buf_put_text(&line, " read; ");
    put_rest(&line, run, &age);
    po_cli_out_tell(&run->cli->out, PO_CLI_SAY, "%s: %s", run->path, po_buf_text(&line));
    po_buf_deinit(&line);
    if (po_cli_out_has_document(&run->cli->out))
        *summary = json_pack(
            "{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
            po_cli_json_path_key(run->path, strlen(run->path)),
            po_cli_json_path(run->path, strlen(run->path)), "period_days", (int)run->period,
            "archives", po_cli_json_u64(run->archives), "frames", po_cli_json_u64(run->frames),
            "frames_total", po_cli_json_u64(run->frames_total), "bytes",
            po_cli_json_u64(run->bytes), "bytes_total", po_cli_json_u64(run->bytes_total),
            "sidecars", po_cli_json_u64(run->sidecars), "oldest_unread_days",
            po_cli_json_u64(age.oldest_days), "all_read", age.is_all_read, "rest_days",
            po_cli_json_u64(age.rest_days));
}

/* A line of its own in the history: what was run, without an archive. */
static void
end_history(struct po_cli *cli, double began, int code)
{
    cli->history = (struct po_history_run){ .created = POBACKUP_TIME_UNKNOWN,
                                            .outage_seconds = -1,
                                            .seconds = po_sys_monotonic() - began };
    po_cli_history_end(cli, NULL, code);
}

int
po_cli_scrub_run(struct po_cli *cli, const char *path, const struct po_vault *vault,
                 json_t **summary)
{
    struct run run = { .cli = cli,
                       .path = path,
                       .vault = vault,
                       .period = (unsigned)po_cli_number(cli, PO_CLI_BUDGET, 0) };
    double began = po_sys_monotonic();
    struct po_err anew;
    struct po_err err = { 0 };
    int worst = PO_EXIT_DONE;
    int code;
    enum po_status st = open_scrub(path, run.period, &run.scrub, &anew, &err);

    if (st == PO_OK && anew.status != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "%s: what was read before counts no more: %s", path,
                        anew.text);
    if (st == PO_OK)
        st = add_rows(&run, &err);
    if (st == PO_OK)
        st = check_rows(&run, &worst, &err);
    if (st == PO_OK)
        tell(&run, summary);
    code = st == PO_OK ? PO_EXIT_DONE : po_cli_failed(cli, &err);
    worst = code > worst ? code : worst;
    end_history(cli, began, worst);
    po_scrub_free(run.scrub);
    po_mem_free(run.numbers);
    po_mem_free(run.is_bad);
    return worst;
}
