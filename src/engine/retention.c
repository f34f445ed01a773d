#include "engine/retention.h"

#include "base/mem.h"
#include "base/sort.h"

#include <string.h>

#define AHEAD_MAX (INT64_C(24) * 60 * 60 * 10000000)
#define NONE PO_RETENTION_NONE

/* A period that a rule keeps, and who stands for it. */
struct slot {
    int64_t period;
    uint32_t row;
};

struct decision {
    const struct po_retention_row *rows;
    struct po_retention_verdict *verdicts;
    uint32_t count;
    uint32_t group_count;
    uint32_t *sorted; /* by time, oldest first */
    uint32_t *spare;
    uint32_t *depth; /* how many stand on it, one on the other */
    struct po_local_day *days;
    struct slot *slots;
};

bool
po_retention_has_rule(const struct po_retention_rules *rules)
{
    return rules->last > 0 || rules->daily > 0 || rules->weekly > 0 || rules->monthly > 0 ||
           rules->yearly > 0;
}

const char *
po_retention_reason_name(unsigned bit)
{
    static const char *const names[PO_KEEP_REASON_COUNT] = {
        "last",   "daily", "weekly",       "monthly", "yearly", "parent",  "verified", "purpose",
        "future", "small", "before_small", "copy",    "only",   "no_rule", "needed",   "newest"
    };

    for (unsigned i = 0; i < PO_KEEP_REASON_COUNT; i++)
        if (bit == 1u << i)
            return names[i];
    return "none";
}

/* ---- dates ---- */

/* Days since 1 March of the year 0, of the calendar that goes on for ever. */
static int64_t
day_number(struct po_local_day date)
{
    int64_t year = date.year - (date.month <= 2 ? 1 : 0);
    int64_t month = (date.month + 9) % 12; /* from March */

    return year * 365 + (year >= 0 ? year / 4 : (year - 3) / 4) -
           (year >= 0 ? year / 100 : (year - 99) / 100) +
           (year >= 0 ? year / 400 : (year - 399) / 400) + (month * 306 + 5) / 10 + date.day - 1;
}

int
po_iso_week(struct po_local_day date)
{
    int64_t days = day_number(date);
    int64_t weekday = ((days + 2) % 7 + 7) % 7; /* Monday is 0: 1 March 0000 was a Wednesday */
    int64_t thursday = days - weekday + 3;      /* whose year is the week's */
    int year = date.year;

    if (thursday < day_number((struct po_local_day){ year, 1, 1 }))
        year--;
    else if (thursday >= day_number((struct po_local_day){ year + 1, 1, 1 }))
        year++;
    return year * 100 + (int)((thursday - day_number((struct po_local_day){ year, 1, 1 })) / 7) + 1;
}

static int64_t
period_of(const struct decision *d, enum po_retention_reason rule, uint32_t row)
{
    const struct po_local_day *day = &d->days[row];

    switch ((unsigned)rule) {
    case PO_KEEP_DAILY:
        return ((int64_t)day->year * 100 + day->month) * 100 + day->day;
    case PO_KEEP_WEEKLY:
        return po_iso_week(*day);
    case PO_KEEP_MONTHLY:
        return (int64_t)day->year * 100 + day->month;
    case PO_KEEP_YEARLY:
        return day->year;
    default:
        return row; /* each is a period of its own */
    }
}

/* ---- what a row is ---- */

static int
compare_rows(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_retention_row *rows = ctx;

    if (rows[a].created != rows[b].created)
        return rows[a].created < rows[b].created ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* May stand for a period. */
static bool
is_eligible(const struct decision *d, uint32_t row)
{
    return !d->verdicts[row].is_suspicious && !d->rows[row].is_forgotten &&
           d->rows[row].copy_of == NONE;
}

static bool
is_good(const struct decision *d, uint32_t row)
{
    return is_eligible(d, row) && !d->verdicts[row].is_lesser;
}

static bool
is_parent_lesser(const struct decision *d, const struct po_retention_row *row)
{
    for (size_t i = 0; i < row->parent_count; i++) {
        uint32_t parent = row->parents[i];

        if (parent == NONE || d->verdicts[parent].is_lesser)
            return true;
    }
    return false;
}

/* What cannot be restored without doubt, it itself or what it stands on; and what is incomplete, which
 * its children need not be. */
static void
find_lesser(struct decision *d)
{
    bool has_changed = true;

    for (uint32_t i = 0; i < d->count; i++)
        d->verdicts[i].is_lesser = d->rows[i].is_damaged;
    while (has_changed) {
        has_changed = false;
        for (uint32_t i = 0; i < d->count; i++)
            if (!d->verdicts[i].is_lesser && is_parent_lesser(d, &d->rows[i]))
                has_changed = d->verdicts[i].is_lesser = true;
    }
    for (uint32_t i = 0; i < d->count; i++)
        d->verdicts[i].is_lesser = d->verdicts[i].is_lesser || d->rows[i].is_incomplete;
}

static bool
is_less_than_half(uint64_t now, uint64_t before)
{
    return now < before / 2 + before % 2;
}

/* The one before of the same kind and group, or NONE. */
static uint32_t
find_before(const struct decision *d, uint32_t place)
{
    const struct po_retention_row *row = &d->rows[d->sorted[place]];

    while (place > 0) {
        const struct po_retention_row *other = &d->rows[d->sorted[--place]];

        if (other->group == row->group && other->is_diff == row->is_diff && other->copy_of == NONE)
            return d->sorted[place];
    }
    return NONE;
}

/*
 * A tree that was not there when it was saved gives an archive that is whole and of no use. The one
 * before it stays too: where the next ones are as small, it is the last that has all.
 */
static void
find_suspicious(struct decision *d, int64_t now)
{
    for (uint32_t place = 0; place < d->count; place++) {
        uint32_t row = d->sorted[place];
        const struct po_retention_row *of = &d->rows[row];
        struct po_retention_verdict *verdict = &d->verdicts[row];
        uint32_t before = find_before(d, place);
        bool is_future =
            of->created > now && (uint64_t)of->created - (uint64_t)now > (uint64_t)AHEAD_MAX;
        bool is_small = before != NONE && (is_less_than_half(of->bytes, d->rows[before].bytes) ||
                                           is_less_than_half(of->entries, d->rows[before].entries));

        if (of->copy_of != NONE)
            continue;
        verdict->is_suspicious = is_future || is_small;
        if (of->is_forgotten)
            continue;
        verdict->reasons |= (is_future ? PO_KEEP_FUTURE : 0u) | (is_small ? PO_KEEP_SMALL : 0u);
        if (!is_small)
            continue;
        verdict->small = before;
        if (d->rows[before].is_forgotten)
            continue;
        d->verdicts[before].reasons |= PO_KEEP_BEFORE_SMALL;
        if (d->verdicts[before].small == NONE)
            d->verdicts[before].small = row;
    }
}

/* ---- the rules ---- */

/*
 * The newest `max` periods that have a row. One that was seen is looked for among all: where a clock
 * is set back at midnight a day can come twice.
 */
static void
fill_slots(struct decision *d, uint32_t group, enum po_retention_reason rule, uint32_t max,
           bool only_good)
{
    uint32_t used = 0;

    for (uint32_t place = d->count; place > 0; place--) {
        uint32_t row = d->sorted[place - 1];
        uint32_t at = used;
        int64_t period;

        if (d->rows[row].group != group || !(only_good ? is_good(d, row) : is_eligible(d, row)))
            continue;
        period = period_of(d, rule, row);
        while (at > 0 && d->slots[at - 1].period != period)
            at--;
        if (at > 0 && is_good(d, row) && !is_good(d, d->slots[at - 1].row))
            d->slots[at - 1].row = row;
        else if (at == 0 && used < max)
            d->slots[used++] = (struct slot){ .period = period, .row = row };
    }
    for (uint32_t i = 0; i < used; i++)
        d->verdicts[d->slots[i].row].reasons |= (unsigned)rule;
}

/* First the good ones by themselves, as if there were no others. */
static void
apply_rules(struct decision *d, const struct po_retention_rules *rules)
{
    const struct {
        enum po_retention_reason rule;
        uint32_t max;
    } all[] = { { PO_KEEP_LAST, rules->last },
                { PO_KEEP_DAILY, rules->daily },
                { PO_KEEP_WEEKLY, rules->weekly },
                { PO_KEEP_MONTHLY, rules->monthly },
                { PO_KEEP_YEARLY, rules->yearly } };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (uint32_t group = 0; group < d->group_count && all[i].max > 0; group++) {
            fill_slots(d, group, all[i].rule, all[i].max, true);
            fill_slots(d, group, all[i].rule, all[i].max, false);
        }
    for (uint32_t i = 0; i < d->count && !po_retention_has_rule(rules); i++)
        if (!d->rows[i].is_forgotten)
            d->verdicts[i].reasons |= PO_KEEP_NO_RULE;
}

/* ---- what stays whatever the rules say ---- */

/* A newer one that is worse does not take its place. */
static bool
is_purpose_done(const struct decision *d, uint32_t place)
{
    uint32_t row = d->sorted[place];

    for (uint32_t i = place + 1; i < d->count; i++) {
        uint32_t newer = d->sorted[i];

        if (d->rows[newer].group == d->rows[row].group && d->rows[newer].purpose != NULL &&
            strcmp(d->rows[newer].purpose, d->rows[row].purpose) == 0 && is_eligible(d, newer) &&
            (!d->verdicts[newer].is_lesser || d->verdicts[row].is_lesser))
            return true;
    }
    return false;
}

static void
keep_marked(struct decision *d)
{
    for (uint32_t place = 0; place < d->count; place++) {
        uint32_t row = d->sorted[place];

        if (d->rows[row].is_needed)
            d->verdicts[row].reasons |= PO_KEEP_NEEDED;
        if (d->rows[row].is_forgotten)
            continue;
        if (d->rows[row].copy_of != NONE)
            d->verdicts[row].reasons |= PO_KEEP_COPY;
        else if (d->rows[row].purpose != NULL && !is_purpose_done(d, place))
            d->verdicts[row].reasons |= PO_KEEP_PURPOSE;
    }
}

/* How much a full is worth as the last resort; the user's wish to forget it does not count. */
static int
full_rank(const struct decision *d, uint32_t row)
{
    const struct po_retention_row *of = &d->rows[row];

    if (of->is_diff || of->copy_of != NONE)
        return 0;
    if (d->verdicts[row].is_lesser)
        return 1;
    if (d->verdicts[row].is_suspicious)
        return 2;
    return of->is_verified ? 4 : 3;
}

static int
any_rank(const struct decision *d, uint32_t row)
{
    return is_good(d, row) ? 3 : is_eligible(d, row) ? 2 : 1;
}

/* Of the group the newest of the highest rank, or NONE. */
static uint32_t
find_best(const struct decision *d, uint32_t group, int (*rank)(const struct decision *, uint32_t))
{
    uint32_t best = NONE;

    for (uint32_t place = d->count; place > 0; place--) {
        uint32_t row = d->sorted[place - 1];

        if (d->rows[row].group == group && rank(d, row) > (best == NONE ? 0 : rank(d, best)))
            best = row;
    }
    return best;
}

/* Not what counts for nothing, nor what is forgotten. */
static int
newest_rank(const struct decision *d, uint32_t row)
{
    return is_eligible(d, row) ? 1 : 0;
}

static bool
is_any_kept(const struct decision *d, uint32_t group)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->rows[i].group == group && d->verdicts[i].reasons != 0)
            return true;
    return false;
}

static void
keep_last_resorts(struct decision *d)
{
    for (uint32_t group = 0; group < d->group_count; group++) {
        uint32_t best = find_best(d, group, full_rank);

        if (best != NONE)
            d->verdicts[best].reasons |= PO_KEEP_VERIFIED;
        /* It may be incomplete, and is the only one with what has come since. */
        best = find_best(d, group, newest_rank);
        if (best != NONE && d->verdicts[best].reasons == 0)
            d->verdicts[best].reasons = PO_KEEP_NEWEST;
        if (is_any_kept(d, group))
            continue;
        best = find_best(d, group, any_rank);
        if (best != NONE)
            d->verdicts[best].reasons |= PO_KEEP_ONLY;
    }
}

static void
keep_parents(struct decision *d)
{
    bool has_changed = true;

    while (has_changed) {
        has_changed = false;
        for (uint32_t i = 0; i < d->count; i++) {
            const struct po_retention_row *row = &d->rows[i];

            for (size_t k = 0; d->verdicts[i].reasons != 0 && k < row->parent_count; k++) {
                struct po_retention_verdict *parent =
                    row->parents[k] == NONE ? NULL : &d->verdicts[row->parents[k]];

                if (parent == NULL || (parent->reasons & PO_KEEP_PARENT) != 0)
                    continue;
                has_changed = true;
                parent->reasons |= PO_KEEP_PARENT;
                parent->child = i;
            }
        }
    }
}

/* ---- the order ---- */

/* A chain is never longer than there are rows, were it a circle. */
static void
measure_depths(struct decision *d)
{
    bool has_changed = true;

    for (uint32_t round = 0; round < d->count && has_changed; round++) {
        has_changed = false;
        for (uint32_t i = 0; i < d->count; i++) {
            const struct po_retention_row *row = &d->rows[i];

            for (size_t k = 0; k < row->parent_count; k++) {
                uint32_t parent = row->parents[k];

                if (parent == NONE || d->depth[parent] > d->depth[i])
                    continue;
                d->depth[parent] = d->depth[i] + 1;
                has_changed = true;
            }
        }
    }
}

static int
compare_order(const void *ctx, uint32_t a, uint32_t b)
{
    const struct decision *d = ctx;

    if (d->depth[a] != d->depth[b])
        return d->depth[a] < d->depth[b] ? -1 : 1;
    return compare_rows(d->rows, a, b);
}

static void
put_order(struct decision *d, uint32_t *order, uint32_t *removed)
{
    *removed = 0;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->verdicts[i].reasons == 0)
            order[(*removed)++] = i;
    measure_depths(d);
    po_sort_numbers(order, d->spare, *removed, compare_order, d);
}

/* ---- all ---- */

static enum po_status
begin(struct decision *d, po_local_day_fn local_day, void *ctx, struct po_err *err)
{
    size_t count = d->count;

    d->sorted = po_mem_new(count, sizeof *d->sorted);
    d->spare = po_mem_new(count, sizeof *d->spare);
    d->depth = po_mem_new(count, sizeof *d->depth);
    d->days = po_mem_new(count, sizeof *d->days);
    d->slots = po_mem_new(count, sizeof *d->slots);
    if (d->sorted == NULL || d->spare == NULL || d->depth == NULL || d->days == NULL ||
        d->slots == NULL)
        return po_fail_nomem(err, count * sizeof *d->slots);
    for (uint32_t i = 0; i < d->count; i++) {
        d->verdicts[i] = (struct po_retention_verdict){ .child = NONE, .small = NONE };
        d->days[i] = local_day(ctx, d->rows[i].created);
        d->sorted[i] = i;
        if (d->rows[i].group >= d->group_count)
            d->group_count = d->rows[i].group + 1;
    }
    po_sort_numbers(d->sorted, d->spare, d->count, compare_rows, d->rows);
    return PO_OK;
}

enum po_status
po_retention_decide(const struct po_retention_row *rows, uint32_t count,
                    const struct po_retention_rules *rules, int64_t now, po_local_day_fn local_day,
                    void *ctx, struct po_retention_verdict *verdicts, uint32_t *order,
                    uint32_t *removed, struct po_err *err)
{
    struct decision d = { .rows = rows, .verdicts = verdicts, .count = count };
    enum po_status st = begin(&d, local_day, ctx, err);

    *removed = 0;
    if (st == PO_OK) {
        find_lesser(&d);
        find_suspicious(&d, now);
        apply_rules(&d, rules);
        keep_marked(&d);
        keep_last_resorts(&d);
        keep_parents(&d);
        put_order(&d, order, removed);
    }
    po_mem_free(d.sorted);
    po_mem_free(d.spare);
    po_mem_free(d.depth);
    po_mem_free(d.days);
    po_mem_free(d.slots);
    return st;
}
