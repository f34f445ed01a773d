#include "engine/scrub.h"

#include "archive/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/scrub_state.h"

#include <stdlib.h>
#include <string.h>

#define NAME_HASH_SIZE 16u /* bytes of the hash in the file's name */

struct po_scrub {
    struct po_scrub_state state;
    int32_t day;
    struct po_buf name;
    struct po_dir *dir;
    struct po_lock *lock;
};

/* The civil calendar in days, counted from March so that the leap day comes last. */
int32_t
po_scrub_day(int year, int month, int day)
{
    int from_march = (month + 9) % 12;
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t days =
        y * 365 + y / 4 - y / 100 + y / 400 + (from_march * 306 + 5) / 10 + day - 1 - 719468;

    return days < 1 ? 1 : (int32_t)days;
}

/* ---- opening ---- */

static enum po_status
take_lock(struct po_scrub *scrub, const char *dir_path, struct po_err *err)
{
    struct po_buf path = { 0 };
    enum po_status st;

    po_buf_printf(&path, "%s/%s.lock", dir_path, po_buf_text(&scrub->name));
    st = po_buf_check(&path, err);
    if (st == PO_OK)
        st = po_lock_take(&scrub->lock, po_buf_text(&path), err);
    if (st == PO_OK && scrub->lock == NULL)
        st = po_fail(err, PO_E_IO,
                     "another pobackup is reading a share of this vault; wait until it has ended");
    po_buf_deinit(&path);
    return st;
}

/* PO_OK: *exists tells whether scrub->dir is open. */
static enum po_status
open_dir(struct po_scrub *scrub, const char *dir_path, bool is_made, bool *exists,
         struct po_err *err)
{
    struct po_node_info info;
    enum po_status st;

    if (is_made) {
        *exists = true;
        return po_dir_open_make(&scrub->dir, dir_path, err);
    }
    st = po_os_stat(dir_path, &info, exists, err);
    return st == PO_OK && *exists ? po_dir_open(&scrub->dir, dir_path, err) : st;
}

/* What cannot be believed is none. */
static enum po_status
read_state(struct po_scrub *scrub, unsigned period, struct po_err *anew, struct po_err *err)
{
    struct po_scrub_state *state = &scrub->state;
    enum po_status st = po_scrub_state_read(state, scrub->dir, po_buf_text(&scrub->name), anew);

    if (st == PO_E_NOMEM) {
        *err = *anew;
        return st;
    }
    if (st == PO_OK && period != 0 && state->period != 0 && state->period != period)
        st = po_fail(anew, PO_E_USAGE, "the period was %u days until now", state->period);
    if (st != PO_OK)
        po_scrub_state_deinit(state);
    else
        *anew = (struct po_err){ .status = PO_OK };
    if (period != 0)
        state->period = period;
    state->day = scrub->day;
    return PO_OK;
}

enum po_status
po_scrub_open(struct po_scrub **out, const char *dir_path, const char *vault_path, unsigned period,
              int32_t day, struct po_err *anew, struct po_err *err)
{
    struct po_scrub *scrub = po_mem_new(1, sizeof *scrub);
    uint8_t hash[PO_DIGEST_SIZE];
    bool exists = false;
    enum po_status st;

    *anew = (struct po_err){ .status = PO_OK };
    if (scrub == NULL)
        return po_fail_nomem(err, sizeof *scrub);
    scrub->day = day;
    scrub->state.day = day;
    po_blake2b(vault_path, strlen(vault_path), hash);
    po_buf_put_text(&scrub->name, "vault-");
    po_text_put_hex(&scrub->name, hash, NAME_HASH_SIZE);
    po_buf_put_text(&scrub->name, ".scrub");
    st = po_buf_check(&scrub->name, err);
    if (st == PO_OK)
        st = open_dir(scrub, dir_path, period != 0, &exists, err);
    if (st == PO_OK && period != 0)
        st = take_lock(scrub, dir_path, err);
    if (st == PO_OK && exists)
        st = read_state(scrub, period, anew, err);
    if (st == PO_OK)
        *out = scrub;
    else
        po_scrub_free(scrub);
    return st;
}

void
po_scrub_free(struct po_scrub *scrub)
{
    if (scrub == NULL)
        return;
    po_lock_free(scrub->lock);
    po_dir_free(scrub->dir);
    po_scrub_state_deinit(&scrub->state);
    po_buf_deinit(&scrub->name);
    po_mem_free(scrub);
}

/* ---- what is due ---- */

/* A period of 0 is looked at alone: nothing is due. */
static unsigned
in_period(const struct po_scrub *scrub, unsigned number)
{
    return scrub->state.period > 0 ? number % scrub->state.period : 0;
}

enum po_status
po_scrub_add(struct po_scrub *scrub, const uint8_t digest[PO_DIGEST_SIZE],
             const uint8_t archive_id[PO_ID_SIZE], bool has_recovery, uint32_t *number,
             struct po_err *err)
{
    struct po_scrub_state *state = &scrub->state;
    struct po_scrub_archive *archive = po_scrub_state_find(state, digest);
    enum po_status st = PO_OK;

    if (archive == NULL) {
        st = po_scrub_state_add(state, digest, err);
        if (st != PO_OK)
            return st;
        archive = &state->archives[state->count - 1];
        for (unsigned i = 0; i < state->period; i++)
            archive->days[i] = -scrub->day;
    }
    /* Ids are random: any two bytes of them are as good as a number drawn. */
    archive->offset = in_period(scrub, archive_id[0] + 256u * archive_id[1]);
    archive->recovery_slot = in_period(scrub, archive_id[2] + 256u * archive_id[3]);
    archive->files++;
    archive->recovery_files += has_recovery;
    if (has_recovery && archive->recovery == 0)
        archive->recovery = -scrub->day;
    *number = (uint32_t)(archive - state->archives);
    return PO_OK;
}

unsigned
po_scrub_slot(const struct po_scrub *scrub, uint32_t number, uint32_t frame)
{
    return in_period(scrub, in_period(scrub, frame) + scrub->state.archives[number].offset);
}

/* Of a slot whose last day (or, as a negative number, first) it is. */
static bool
is_due(const struct po_scrub *scrub, unsigned slot, int32_t last)
{
    int32_t since = abs(last);

    return in_period(scrub, (unsigned)scrub->day) == slot /* its day */
           || last == scrub->day                          /* again on the same day */
           || since > scrub->day                          /* the clock was set back: who knows */
           || scrub->day - since >= (int32_t)scrub->state.period; /* missed, or was not good */
}

bool
po_scrub_is_due(const struct po_scrub *scrub, uint32_t number, unsigned slot)
{
    return is_due(scrub, slot, scrub->state.archives[number].days[slot]);
}

bool
po_scrub_is_recovery_due(const struct po_scrub *scrub, uint32_t number)
{
    const struct po_scrub_archive *archive = &scrub->state.archives[number];

    return archive->recovery != 0 && is_due(scrub, archive->recovery_slot, archive->recovery);
}

/* ---- what was found ---- */

void
po_scrub_note(struct po_scrub *scrub, uint32_t number, const bool *is_bad)
{
    struct po_scrub_archive *archive = &scrub->state.archives[number];

    for (unsigned i = 0; i < scrub->state.period; i++)
        if (is_bad[i])
            archive->good[i] = PO_SCRUB_BAD;
        else if (archive->good[i] != PO_SCRUB_BAD)
            archive->good[i]++;
}

void
po_scrub_note_recovery(struct po_scrub *scrub, uint32_t number)
{
    scrub->state.archives[number].recovery_good++;
}

/* An archive may be saved again, with more of its copies checked: what was due then still is. */
static void
settle(const struct po_scrub *scrub, struct po_scrub_archive *archive)
{
    int32_t period = (int32_t)scrub->state.period;

    for (unsigned i = 0; i < scrub->state.period; i++) {
        if (!is_due(scrub, i, archive->days[i]))
            continue;
        if (archive->good[i] == archive->files)
            archive->days[i] = scrub->day;
        else if (archive->good[i] == PO_SCRUB_BAD) /* overdue until it is mended */
            archive->days[i] = scrub->day > period ? period - scrub->day : -1;
    }
    if (archive->recovery_files == 0)
        archive->recovery = 0;
    else if (archive->recovery_good == archive->recovery_files &&
             is_due(scrub, archive->recovery_slot, archive->recovery))
        archive->recovery = scrub->day;
}

enum po_status
po_scrub_save(struct po_scrub *scrub, struct po_err *err)
{
    for (uint32_t i = 0; i < scrub->state.count; i++)
        if (scrub->state.archives[i].files > 0)
            settle(scrub, &scrub->state.archives[i]);
    return po_scrub_state_write(&scrub->state, scrub->dir, po_buf_text(&scrub->name), err);
}

/* ---- telling ---- */

/* In how many days a slot will be due that is not today, or was not good. */
static uint32_t
days_until(const struct po_scrub *scrub, unsigned slot, int32_t last)
{
    int32_t period = (int32_t)scrub->state.period;
    int32_t own = ((int32_t)slot - scrub->day % period + period) % period;
    int32_t overdue = period - (scrub->day - abs(last));

    if (own == 0)
        own = period;
    if (overdue < 1)
        overdue = 1;
    return (uint32_t)(own < overdue ? own : overdue);
}

struct po_scrub_age
po_scrub_age(const struct po_scrub *scrub)
{
    struct po_scrub_age age = { .is_all_read = true };

    for (uint32_t i = 0; i < scrub->state.count; i++) {
        const struct po_scrub_archive *archive = &scrub->state.archives[i];

        for (unsigned slot = 0; slot < scrub->state.period && archive->files > 0; slot++) {
            int32_t last = archive->days[slot];
            bool is_known = abs(last) <= scrub->day;
            uint32_t days = is_known ? (uint32_t)(scrub->day - abs(last)) : 0;

            if (days > age.oldest_days)
                age.oldest_days = days;
            if (last > 0 && is_known)
                continue;
            age.is_all_read = false;
            days = days_until(scrub, slot, last);
            if (days > age.rest_days)
                age.rest_days = days;
        }
    }
    return age;
}

bool
po_scrub_last(const struct po_scrub *scrub, const uint8_t digest[PO_DIGEST_SIZE], int32_t *day)
{
    const struct po_scrub_archive *archive = po_scrub_state_find(&scrub->state, digest);
    int32_t oldest = scrub->day;

    for (unsigned i = 0; archive != NULL && i < scrub->state.period; i++) {
        if (archive->days[i] < 1 || archive->days[i] > scrub->day)
            return false;
        if (archive->days[i] < oldest)
            oldest = archive->days[i];
    }
    *day = oldest;
    return archive != NULL;
}
