/* Which archives stay: rules, guarantees, and years of nights against a model of its own. */
#include "archive_help.h"

#include "engine/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE PO_RETENTION_NONE
#define HOUR INT64_C(36000000000)
#define DAY (24 * HOUR)
#define ROWS_MAX 4096
#define CASE_ROWS 12
/* As ck_assert, which writes a file each time: for what is asked a million times. */
#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            ck_abort_msg("%s", #what);                                                             \
    } while (0)

/* ---- zones: civil dates worked out by walking, not by the formula under test ---- */

static bool
is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01, which was a Thursday. */
static struct po_local_day
civil(int64_t days)
{
    struct po_local_day date = { 1970, 1, 1 };

    for (; days < 0; days += is_leap(date.year) ? 366 : 365)
        date.year--;
    for (; days >= (is_leap(date.year) ? 366 : 365); date.year++)
        days -= is_leap(date.year) ? 366 : 365;
    for (; days >= month_days(date.year, date.month); date.month++)
        days -= month_days(date.year, date.month);
    date.day = (int)days + 1;
    return date;
}

static int64_t
days_of(int year, int month, int day)
{
    int64_t days = day - 1;

    for (int y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += month_days(year, m);
    return days;
}

static int64_t
floor_days(int64_t time)
{
    return time / DAY - (time % DAY < 0);
}

/* The day of the nth Sunday of a month; n = 0: the last. */
static int64_t
sunday(int year, int month, int nth)
{
    int64_t day = days_of(year, month, nth == 0 ? month_days(year, month) - 6 : 1 + (nth - 1) * 7);

    while ((day + 4) % 7 != 0) /* the 4th of January 1970 was a Sunday: day 3 */
        day++;
    return day;
}

enum zone { UTC, EUROPE, AMERICA, MIDNIGHT, ZONES };

static int64_t
local_time(enum zone zone, int64_t time)
{
    int year = civil(floor_days(time)).year;

    if (zone == EUROPE) /* +1, +2 from the last Sunday of March, 01:00 UTC */
        return time +
               (time >= sunday(year, 3, 0) * DAY + HOUR && time < sunday(year, 10, 0) * DAY + HOUR
                    ? 2 * HOUR
                    : HOUR);
    if (zone == AMERICA) /* -5, -4 from the second Sunday of March, 02:00 local time */
        return time - (time >= sunday(year, 3, 2) * DAY + 7 * HOUR &&
                               time < sunday(year, 11, 1) * DAY + 6 * HOUR
                           ? 4 * HOUR
                           : 5 * HOUR);
    if (zone == MIDNIGHT) /* set back a minute after midnight, so that a day comes twice */
        return time +
               (time >= sunday(year, 3, 2) * DAY && time < sunday(year, 11, 1) * DAY + HOUR / 60
                    ? HOUR
                    : 0) -
               HOUR;
    return time;
}

static struct po_local_day
local_day(void *ctx, int64_t time)
{
    return civil(floor_days(local_time(*(const enum zone *)ctx, time)));
}

START_TEST(weeks_are_those_of_iso_8601)
{
    static const struct {
        struct po_local_day date;
        int week;
    } known[] = {
        { { 2005, 1, 1 }, 200453 },   { { 2005, 1, 2 }, 200453 },   { { 2005, 12, 31 }, 200552 },
        { { 2006, 1, 1 }, 200552 },   { { 2006, 1, 2 }, 200601 },   { { 2007, 1, 1 }, 200701 },
        { { 2007, 12, 30 }, 200752 }, { { 2007, 12, 31 }, 200801 }, { { 2008, 12, 28 }, 200852 },
        { { 2008, 12, 29 }, 200901 }, { { 2009, 12, 31 }, 200953 }, { { 2010, 1, 3 }, 200953 },
        { { 2010, 1, 4 }, 201001 },   { { 2020, 12, 31 }, 202053 }, { { 2021, 1, 3 }, 202053 },
        { { 2021, 1, 4 }, 202101 },   { { 2024, 2, 29 }, 202409 },  { { 2026, 11, 24 }, 202648 },
        { { 1970, 1, 1 }, 197001 },   { { 1969, 12, 28 }, 196952 }, { { 2000, 1, 2 }, 199952 },
    };
    int before = 0;

    for (size_t i = 0; i < HELP_COUNT(known); i++)
        ck_assert_int_eq(po_iso_week(known[i].date), known[i].week);
    /* A new one each Monday, and only then. */
    for (int64_t day = 4; day < days_of(2101, 1, 1); day++) {
        int week = po_iso_week(civil(day));

        ck_assert_msg((week != before) == (day % 7 == 4), "day %lld", (long long)day);
        before = week;
    }
}
END_TEST

/* ---- single cases ---- */

/*
 * Rows, with ';' between: the day since 2026-01-01 00:00, then words: letters (d diff, v verified, i
 * incomplete, x damaged, f forgotten, m lacks a parent, c a copy of the first row, n needed, 2 another group, p
 * and q purposes), bNUMBER bytes and eNUMBER entries where they are not 100, ^NUMBER the parent, from 1.
 */
struct fixed {
    const char *name;
    const char *keep;  /* one letter a row: + stays, - goes */
    const char *rules; /* "last 3 daily 2" */
    double now;        /* the day, likewise */
    const char *rows;
    const char *reasons; /* of some rows, from 1, all that are named: "1 last+verified; 3 future" */
};

static const struct fixed cases[] = {
    { "no rows, no verdicts", "", "last 3", 10, "", "" },
    { "one row stays under any rule", "+", "last 1", 10, "1", "1 last+verified" },
    { "without a rule all stays", "+++", "", 10, "1; 2; 3", "1 no_rule" },
    { "without a rule what is named goes", "-++", "", 10, "1 f; 2; 3", "" },
    { "the last two", "--++", "last 2", 10, "1; 2; 3; 4", "3 last" },
    { "more than there are", "++", "last 9", 10, "1; 2", "" },
    { "the newest stands for its day", "-+-+", "daily 2", 10, "1.1; 1.9; 2.1; 2.2",
      "4 daily+verified" },
    { "days without a backup are no days", "-+++", "daily 3", 99, "1; 20; 50; 51", "" },
    { "weeks from Monday to Sunday", "-+++", "weekly 3", 30, "2; 3; 9; 17", "2 weekly" },
    { "months", "-+-+", "monthly 2", 70, "0; 30; 31; 58", "2 monthly" },
    { "years", "-+-+", "yearly 5", 500, "3; 364; 365; 400", "2 yearly" },
    { "rules add up", "+-++", "last 1 daily 2 yearly 2", 800, "364; 398; 399; 400",
      "4 last+daily+yearly+verified" },
    /* parents */
    { "a parent stays as long as its child", "+-+", "last 1", 10, "1; 2 d ^1; 3 d ^1",
      "1 parent+verified; 3 last" },
    { "and the parent's parent", "++-+", "last 1", 10, "1; 2 d ^1; 3 d ^2; 4 d ^2",
      "1 parent+verified; 2 parent" },
    { "a parent that nobody needs goes with its children", "---+", "last 1", 10,
      "1; 2 d ^1; 3 d ^1; 4 v", "" },
    { "a parent that is named stays as long as its child", "++", "last 2", 10, "1 f; 2 d ^1",
      "1 parent+verified" },
    { "a parent that is named goes with its child, if that is named", "--+", "last 9", 10,
      "1 f; 2 df ^1; 3", "" },
    { "a child without its parent takes nobody's place", "+++", "last 2", 10, "1; 2; 3 dm",
      "1 last; 2 last+verified; 3 last" },
    { "nor does the child of a damaged one", "++++", "last 2", 10, "1; 2; 3 x; 4 d ^3",
      "1 last; 3 last+parent" },
    /* the last verified full */
    { "the last verified full stays", "-+-+", "last 1", 10, "1 v; 2 v; 3; 4", "2 verified" },
    { "even if it is named", "+-+", "last 1", 10, "1 vf; 2; 3", "1 verified" },
    { "a verified differential is no full", "+--+", "last 1", 10, "1 v; 2; 3 dv ^2; 4",
      "1 verified" },
    { "one that was verified and is incomplete is not it", "+--+", "last 1", 10, "1 v; 2 vi; 3; 4",
      "1 verified" },
    { "where none is verified the last complete full", "-++", "last 1", 10, "1; 2; 3 dm",
      "2 verified+last" },
    { "not an incomplete one, if there is another", "-+++", "last 1", 10, "1; 2; 3 i; 4 d ^3",
      "2 verified" },
    { "an incomplete one where there is no other", "-+", "last 1", 10, "1 i; 2 i",
      "2 verified+last" },
    /* quality */
    { "an incomplete one does not push out a good one", "-+++", "last 2", 10, "1; 2; 3 i; 4",
      "2 last; 3 last" },
    { "a good one stands for the day though it is older", "+-+-+-+", "daily 3", 10,
      "1.1; 1.2 i; 2.1; 2.2 x; 3.1; 3.2 i; 3.3 i", "5 daily+verified; 7 newest" },
    { "incomplete ones are not kept for ever", "---++", "last 2", 10, "1 i; 2 i; 3 i; 4 i; 5 i",
      "" },
    { "nor for ever beside good ones", "-++--++", "last 2", 10, "0; 1; 2; 3 i; 4 i; 5 i; 6 i",
      "2 last" },
    { "one found damaged does not push out a good one", "+-+", "last 1", 10, "1; 2 x; 3 x",
      "1 last+verified" },
    /* suspicious */
    { "one from the future fills no slot", "-++", "last 1", 10, "1; 2; 12",
      "2 last+verified; 3 future" },
    { "a day ahead is no future", "--+", "last 1", 10, "1; 2; 11", "3 last+verified" },
    { "one from the future goes if it is named", "+-", "last 1", 10, "2; 99 f", "" },
    { "many from the future stay", "-++++", "last 1", 10, "1; 2; 100; 200; 4000",
      "2 last+verified" },
    { "one of less than half the bytes fills no slot", "-++", "last 1", 10, "1; 2; 3 b49",
      "2 last+verified+before_small; 3 small" },
    { "half is enough", "--+", "last 1", 10, "1; 2; 3 b50", "3 last+verified" },
    { "one of less than half the entries fills no slot", "-++", "last 1", 10, "1; 2; 3 b100 e49",
      "3 small" },
    { "an empty one fills no slot", "++", "last 1", 10, "2; 3 b1 e1", "2 small" },
    { "the last large one stays when small ones follow", "-++-+", "last 1", 10,
      "1; 2; 3 b10; 4 b10; 5 b10", "2 before_small; 3 small" },
    { "both go if they are named", "---+", "last 1", 10, "1; 2 f; 3 f b10; 5 b10", "" },
    { "a small differential is none of a full's size", "++", "last 2", 10, "1; 2 d b10 ^1",
      "2 last" },
    { "a small differential of a large one's is", "+-++", "last 1", 10,
      "1; 2 d ^1; 3 d ^1; 4 d b10 ^1", "4 small" },
    { "another site's size is no measure", "++", "last 1", 10, "1; 2 2 b10", "2 last+verified" },
    /* purposes */
    { "the last of each purpose stays", "-+-+-+", "last 1", 10, "1 p; 2 p; 3 q; 4 q; 5; 6",
      "2 purpose; 4 purpose" },
    { "unless it is named, then the one before", "+-+", "last 1", 10, "1 p; 2 pf; 3", "" },
    { "an incomplete one does not take its place", "++-+", "last 1", 10, "1 p; 2 pi; 3; 4",
      "1 purpose; 2 purpose" },
    { "nor one from the future", "+-++", "last 1", 10, "1 p; 2; 3; 50 p", "1 purpose" },
    { "another site's purpose is its own", "+-++", "last 1", 10, "1 p; 2; 3; 4 p2", "1 purpose" },
    { "what may be needed stays, named or not", "++-+", "last 1", 10, "1 n; 2 nf; 3; 4",
      "1 needed; 2 needed" },
    /* groups and copies */
    { "each group has its own slots", "-+-+", "last 1", 10, "1; 2; 1 2; 2 2", "" },
    { "one of each group stays, named or not", "+-+", "last 1", 10, "1 2dmf; 2; 3", "1 only" },
    { "a copy fills no slot and stays", "-+++", "last 1", 10, "3; 3 c; 3 c; 4", "2 copy" },
    { "a copy goes if it is named", "+-", "last 1", 10, "3; 3 cf", "" },
    { "two of one moment are two", "-+", "last 1", 10, "3; 3", "" },
    { "the order in the table is not that of time", "+--", "last 1", 10, "5; 1; 3",
      "1 last+verified" },
    { "all are named: the newest full stays", "--+", "last 1", 10, "1 f; 2 f; 3 f", "3 verified" },
};

#define NEW_YEAR (days_of(2026, 1, 1) * DAY)

/* The next of the parts that `separator` divides, copied; false at the end. */
static bool
next_part(const char **text, char separator, char part[64])
{
    size_t size;

    *text += strspn(*text, "; +");
    size = strcspn(*text, (char[]){ separator, 0 });
    ck_assert_uint_lt(size, 64);
    memcpy(part, *text, size);
    part[size] = 0;
    *text += size;
    return size > 0;
}

static void
set_words(struct po_retention_row *row, uint32_t *parent, const char *words)
{
    char word[64];

    while (next_part(&words, ' ', word)) {
        if (word[0] == 'b') {
            row->bytes = strtoul(word + 1, NULL, 10);
        } else if (word[0] == 'e') {
            row->entries = strtoul(word + 1, NULL, 10);
        } else if (word[0] == '^') {
            *parent = (uint32_t)strtoul(word + 1, NULL, 10) - 1;
            row->parent_count = 1;
        } else {
            ck_assert_uint_eq(strspn(word, "dvixfmcn2pq"), strlen(word));
            row->group = strchr(word, '2') != NULL;
            row->is_diff = strchr(word, 'd') != NULL;
            row->is_verified = strchr(word, 'v') != NULL;
            row->is_incomplete = strchr(word, 'i') != NULL;
            row->is_damaged = strchr(word, 'x') != NULL;
            row->is_forgotten = strchr(word, 'f') != NULL;
            row->is_needed = strchr(word, 'n') != NULL;
            row->copy_of = strchr(word, 'c') != NULL ? 0 : NONE;
            row->parent_count = strchr(word, 'm') != NULL;
            if (strpbrk(word, "pq") != NULL)
                row->purpose = strchr(word, 'p') != NULL ? "pre-upgrade" : "pre-uninstall";
        }
    }
}

static uint32_t
set_rows(struct po_retention_row *rows, uint32_t *parents, const char *text)
{
    uint32_t count = 0;
    char part[64];

    for (; next_part(&text, ';', part); count++) {
        char *rest;
        double day = strtod(part, &rest);

        ck_assert_uint_lt(count, CASE_ROWS);
        parents[count] = NONE;
        rows[count] = (struct po_retention_row){ .created = NEW_YEAR + (int64_t)(day * (double)DAY),
                                                 .bytes = 100,
                                                 .entries = 100,
                                                 .copy_of = NONE,
                                                 .parents = &parents[count] };
        set_words(&rows[count], &parents[count], rest);
    }
    return count;
}

static struct po_retention_rules
rules_of(const char *text)
{
    struct po_retention_rules rules = { 0 };
    char word[64];

    while (next_part(&text, ' ', word)) {
        uint32_t *to = word[0] == 'l'   ? &rules.last
                       : word[0] == 'd' ? &rules.daily
                       : word[0] == 'w' ? &rules.weekly
                       : word[0] == 'm' ? &rules.monthly
                                        : &rules.yearly;

        ck_assert(next_part(&text, ' ', word));
        *to = (uint32_t)strtoul(word, NULL, 10);
    }
    return rules;
}

static void
check_reasons(const struct fixed *fixed, const struct po_retention_verdict *verdicts)
{
    const char *text = fixed->reasons;
    char part[64];
    char name[64];

    while (next_part(&text, ';', part)) {
        char *rest;
        const struct po_retention_verdict *verdict = &verdicts[strtoul(part, &rest, 10) - 1];
        const char *names = rest;
        unsigned wanted = 0;

        while (next_part(&names, '+', name)) {
            unsigned before = wanted;

            for (unsigned i = 0; i < PO_KEEP_REASON_COUNT; i++)
                if (strcmp(po_retention_reason_name(1u << i), name) == 0)
                    wanted |= 1u << i;
            ck_assert_msg(wanted != before, "%s", name);
        }
        ck_assert_msg(verdict->reasons == wanted, "%s: %s: %x, not %x", fixed->name, part,
                      verdict->reasons, wanted);
    }
}

/* What holds whatever the input is. */
static void
check_verdicts(const struct po_retention_row *rows, uint32_t count,
               const struct po_retention_verdict *verdicts, const uint32_t *order, uint32_t removed)
{
    static uint32_t place[ROWS_MAX];
    uint32_t going = 0;

    for (uint32_t i = 0; i < count; i++) {
        place[i] = NONE;
        going += verdicts[i].reasons == 0;
    }
    ck_assert_uint_eq(going, removed);
    for (uint32_t i = 0; i < removed; i++) {
        MUST(order[i] < count);
        MUST(verdicts[order[i]].reasons == 0 && place[order[i]] == NONE);
        place[order[i]] = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_one_left = false;

        for (size_t k = 0; k < rows[i].parent_count; k++)
            if (rows[i].parents[k] != NONE && verdicts[rows[i].parents[k]].reasons == 0)
                /* a parent that goes: the child has gone before */
                MUST(verdicts[i].reasons == 0 && place[i] < place[rows[i].parents[k]]);
        for (uint32_t j = 0; j < count && !is_one_left; j++)
            is_one_left = rows[j].group == rows[i].group && verdicts[j].reasons != 0;
        MUST(is_one_left);
    }
}

START_TEST(each_case)
{
    const struct fixed *fixed = &cases[_i];
    struct po_retention_row rows[CASE_ROWS];
    uint32_t parents[CASE_ROWS];
    struct po_retention_verdict verdicts[CASE_ROWS];
    uint32_t order[CASE_ROWS];
    struct po_retention_rules rules = rules_of(fixed->rules);
    uint32_t count = set_rows(rows, parents, fixed->rows);
    uint32_t removed;
    char got[CASE_ROWS + 1] = "";
    enum zone zone = UTC;
    struct po_err err;

    ck_assert_uint_eq(count, strlen(fixed->keep));
    ck_assert_int_eq(po_retention_decide(rows, count, &rules,
                                         NEW_YEAR + (int64_t)(fixed->now * (double)DAY), local_day,
                                         &zone, verdicts, order, &removed, &err),
                     PO_OK);
    for (uint32_t i = 0; i < count; i++)
        got[i] = verdicts[i].reasons != 0 ? '+' : '-';
    ck_assert_msg(strcmp(got, fixed->keep) == 0, "%s: %s, not %s", fixed->name, got, fixed->keep);
    check_reasons(fixed, verdicts);
    check_verdicts(rows, count, verdicts, order, removed);
}
END_TEST

/* ---- years of nights ---- */

/* Everything that was ever saved; what is left of it in the vault. */
struct years {
    enum zone zone;
    struct po_retention_row all[ROWS_MAX];
    bool is_there[ROWS_MAX];
    bool is_expected[ROWS_MAX];
    uint32_t count;
    struct po_retention_row rows[ROWS_MAX]; /* of the vault, and where they are in `all` */
    uint32_t from[ROWS_MAX];
    struct po_retention_verdict verdicts[ROWS_MAX];
    uint32_t order[ROWS_MAX];
};

static struct years years;

/* A name of the period that shares nothing with the code under test; weeks counted from a Monday. */
static void
put_label(char label[32], char rule, int64_t time)
{
    int64_t days = floor_days(local_time(years.zone, time));
    struct po_local_day date = civil(days);

    if (rule == 'l')
        (void)snprintf(label, 32, "%lld", (long long)time);
    else if (rule == 'd')
        (void)snprintf(label, 32, "%d-%d-%d", date.year, date.month, date.day);
    else if (rule == 'w')
        (void)snprintf(label, 32, "w%lld", (long long)((days + 3) / 7));
    else if (rule == 'm')
        (void)snprintf(label, 32, "%d-%d", date.year, date.month);
    else
        (void)snprintf(label, 32, "%d", date.year);
}

/* Of all that was ever saved, in order of time: the last of each of the last `max` periods. */
static void
expect(char rule, uint32_t max)
{
    char label[32];
    char later[32] = "";
    uint32_t periods = 0;

    for (uint32_t i = years.count; i > 0 && periods <= max; i--) {
        put_label(label, rule, years.all[i - 1].created);
        if (strcmp(label, later) != 0 && ++periods <= max)
            years.is_expected[i - 1] = true;
        memcpy(later, label, sizeof later);
    }
}

static void
expect_all(const struct po_retention_rules *rules)
{
    memset(years.is_expected, 0, sizeof years.is_expected);
    expect('l', rules->last);
    expect('d', rules->daily);
    expect('w', rules->weekly);
    expect('m', rules->monthly);
    expect('y', rules->yearly);
}

static void
save(int64_t time)
{
    years.all[years.count] = (struct po_retention_row){
        .created = time, .bytes = 1000 + years.count % 50, .entries = 1000, .copy_of = NONE
    };
    years.is_there[years.count++] = true;
    ck_assert_uint_lt(years.count, ROWS_MAX);
}

/* As every night: what may go goes. */
static void
prune(const struct po_retention_rules *rules, int64_t now)
{
    uint32_t count = 0;
    uint32_t removed;
    struct po_err err;

    for (uint32_t i = 0; i < years.count; i++) {
        if (!years.is_there[i])
            continue;
        years.from[count] = i;
        years.rows[count++] = years.all[i];
    }
    ck_assert_int_eq(po_retention_decide(years.rows, count, rules, now, local_day, &years.zone,
                                         years.verdicts, years.order, &removed, &err),
                     PO_OK);
    check_verdicts(years.rows, count, years.verdicts, years.order, removed);
    for (uint32_t i = 0; i < removed; i++)
        years.is_there[years.from[years.order[i]]] = false;
}

static void
compare(int64_t time)
{
    for (uint32_t i = 0; i < years.count; i++)
        if (years.is_there[i] != years.is_expected[i])
            ck_abort_msg("zone %d, day %lld: number %u %s", (int)years.zone,
                         (long long)floor_days(time), i,
                         years.is_there[i] ? "is there" : "is gone");
}

static const struct po_retention_rules schemes[] = {
    { .last = 3, .daily = 7, .weekly = 5, .monthly = 12, .yearly = 10 },
    { .daily = 14, .monthly = 6 },
    { .weekly = 9 },
    { .last = 1, .yearly = 3 },
    { .last = 30, .weekly = 2 },
};
#define SCHEMES (sizeof schemes / sizeof schemes[0])

/* After each night what is left is what the rules would keep of all that was ever saved. */
START_TEST(five_years_of_nights)
{
    const struct po_retention_rules *rules = &schemes[(unsigned)_i % SCHEMES];
    enum zone zone = (enum zone)((unsigned)_i / SCHEMES % 3);

    memset(&years, 0, sizeof years);
    years.zone = zone;
    for (int night = 0; night < 5 * 365; night++) {
        /* 02:30 by the wall clock of winter: in the hour that is left out or comes twice */
        int64_t time = NEW_YEAR + night * DAY + 150 * (HOUR / 60) - (zone == EUROPE ? HOUR : 0) +
                       (zone == AMERICA ? 5 * HOUR : 0);

        save(time);
        prune(rules, time);
        expect_all(rules);
        compare(time);
    }
    ck_assert_uint_eq(years.count, 5 * 365);
}
END_TEST

/* Any number a day, at any time of the day, nights and weeks left out, not pruned each time. */
START_TEST(years_without_any_order)
{
    struct help_random random = help_random_begin("years_without_any_order", (uint64_t)_i);
    const struct po_retention_rules *rules = &schemes[(unsigned)_i % SCHEMES];
    int64_t time = NEW_YEAR;

    memset(&years, 0, sizeof years);
    years.zone = (enum zone)(_i % 3);
    while (years.count < 800) {
        uint64_t kind = help_random_below(&random, 20);

        time += kind == 0  ? (int64_t)help_random_below(&random, 40) * DAY
                : kind < 8 ? (int64_t)help_random_below(&random, 60) * HOUR / 3
                           : DAY + (int64_t)help_random_below(&random, 100) * HOUR / 60;
        time += 1;
        save(time);
        if (kind % 3 == 0)
            continue;
        prune(rules, time);
        expect_all(rules);
        compare(time);
    }
}
END_TEST

/* ---- years with all that there is: chains, purposes, what is verified, incomplete, suspicious ---- */

#define SMALL 10

static uint32_t chain_parents[ROWS_MAX];

static bool
is_small(uint32_t row)
{
    return years.all[row].bytes == SMALL;
}

/* The rule over the good ones, then over all that count: the good one of a period, else the newest. */
static void
expect_best(char rule, uint32_t max, bool only_good)
{
    char label[32];
    char periods[64][32];
    uint32_t best[64];
    uint32_t used = 0;

    for (uint32_t i = years.count; i > 0; i--) {
        uint32_t row = i - 1;
        uint32_t at = 0;

        if (is_small(row) || (only_good && years.all[row].is_incomplete))
            continue;
        put_label(label, rule, years.all[row].created);
        while (at < used && strcmp(periods[at], label) != 0)
            at++;
        if (at == used && used < max) {
            memcpy(periods[used], label, sizeof label);
            best[used++] = row;
        } else if (at < used && years.all[best[at]].is_incomplete &&
                   !years.all[row].is_incomplete) {
            best[at] = row;
        }
    }
    for (uint32_t i = 0; i < used; i++)
        years.is_expected[best[i]] = true;
}

static void
expect_last_full(void)
{
    for (int worth = 0; worth < 4; worth++)
        for (uint32_t i = years.count; i > 0; i--) {
            const struct po_retention_row *row = &years.all[i - 1];
            bool is_worth =
                worth == 3 ||
                (!row->is_incomplete &&
                 (worth == 2 || (!is_small(i - 1) && (worth == 1 || row->is_verified))));

            if (!row->is_diff && is_worth) {
                years.is_expected[i - 1] = true;
                return;
            }
        }
}

static void
expect_purposes_and_suspicious(void)
{
    for (uint32_t i = 0; i < years.count; i++) {
        bool is_done = years.all[i].purpose == NULL;

        for (uint32_t j = i + 1; j < years.count && !is_done; j++)
            is_done = years.all[j].purpose != NULL &&
                      (!years.all[j].is_incomplete || years.all[i].is_incomplete);
        if (!is_done || is_small(i))
            years.is_expected[i] = true;
        for (uint32_t j = i; j > 0 && is_small(i); j--)
            if (years.all[j - 1].is_diff == years.all[i].is_diff) {
                years.is_expected[j - 1] = true;
                break;
            }
    }
}

static void
expect_chains(const struct po_retention_rules *rules)
{
    memset(years.is_expected, 0, sizeof years.is_expected);
    for (int only_good = 0; only_good < 2; only_good++) {
        expect_best('l', rules->last, only_good);
        expect_best('d', rules->daily, only_good);
        expect_best('w', rules->weekly, only_good);
        expect_best('m', rules->monthly, only_good);
        expect_best('y', rules->yearly, only_good);
    }
    expect_purposes_and_suspicious();
    expect_last_full();
    for (uint32_t i = years.count; i > 0; i--) /* the newest */
        if (!is_small(i - 1)) {
            years.is_expected[i - 1] = true;
            break;
        }
    for (uint32_t i = years.count; i > 0; i--) /* a parent is always older */
        if (years.is_expected[i - 1] && years.all[i - 1].is_diff)
            years.is_expected[chain_parents[i - 1]] = true;
}

/* A small one after a small one is no longer suspicious. */
static bool
is_before_small(uint32_t row)
{
    for (uint32_t i = row; i > 0; i--)
        if (years.all[i - 1].is_diff == years.all[row].is_diff)
            return is_small(i - 1);
    return true; /* there is none before it */
}

/* Fulls each week, differentials on the last full each night, now and then one for a purpose. */
static void
save_chain(struct help_random *random, int64_t time, uint32_t *full, bool is_full, bool has_purpose)
{
    uint32_t row = years.count;

    save(time);
    chain_parents[row] = *full;
    years.all[row].is_diff = !is_full;
    years.all[row].parents = &chain_parents[row];
    years.all[row].parent_count = is_full ? 0 : 1;
    years.all[row].is_incomplete = help_random_below(random, 8) == 0;
    years.all[row].purpose = has_purpose ? "pre-upgrade" : NULL;
    if (!has_purpose && help_random_below(random, 60) == 0 && !is_before_small(row))
        years.all[row].bytes = SMALL;
    if (is_full)
        *full = row;
}

/* The indexes of parents are those of `all`: of the vault's rows they are others. */
static void
prune_chain(const struct po_retention_rules *rules, int64_t now)
{
    static uint32_t parents[ROWS_MAX];
    static uint32_t place[ROWS_MAX];
    uint32_t count = 0;
    uint32_t removed;
    struct po_err err;

    for (uint32_t i = 0; i < years.count; i++) {
        place[i] = NONE;
        if (!years.is_there[i])
            continue;
        place[i] = count;
        years.from[count] = i;
        years.rows[count] = years.all[i];
        if (years.all[i].is_diff) {
            parents[count] = place[chain_parents[i]];
            MUST(parents[count] != NONE);
            years.rows[count].parents = &parents[count];
        }
        count++;
    }
    MUST(po_retention_decide(years.rows, count, rules, now, local_day, &years.zone, years.verdicts,
                             years.order, &removed, &err) == PO_OK);
    check_verdicts(years.rows, count, years.verdicts, years.order, removed);
    for (uint32_t i = 0; i < removed; i++)
        years.is_there[years.from[years.order[i]]] = false;
}

START_TEST(three_years_of_chains)
{
    static const struct po_retention_rules rules[] = {
        { .last = 4, .daily = 7, .weekly = 5, .monthly = 6, .yearly = 3 },
        { .last = 4, .monthly = 12 },
        { .last = 10, .weekly = 3 },
    };
    struct help_random random = help_random_begin("three_years_of_chains", (uint64_t)_i);
    uint32_t full = 0;

    memset(&years, 0, sizeof years);
    years.zone = _i % 2 == 0 ? EUROPE : AMERICA;
    for (int night = 0; night < 3 * 365; night++) {
        int64_t time = NEW_YEAR + night * DAY + 9 * HOUR;
        uint32_t before = full;

        save_chain(&random, time, &full, night % 7 == 0, false);
        if (help_random_below(&random, 40) == 0)
            save_chain(&random, time + 4 * HOUR, &full, true, true);
        /* Some are verified the night after. */
        if (full != before && help_random_below(&random, 3) == 0 && before != 0)
            years.all[before].is_verified = years.is_there[before];
        prune_chain(&rules[_i % 3], time + 5 * HOUR);
        expect_chains(&rules[_i % 3]);
        compare(time);
    }
}
END_TEST

/* The clock jumps by hours and years, for a while: of what was good none is lost by it. */
START_TEST(a_clock_that_jumps_costs_nothing)
{
    static const int64_t jumps[] = { HOUR,      -HOUR,      30 * HOUR,  -30 * HOUR,
                                     400 * DAY, -400 * DAY, 5000 * DAY, -5000 * DAY };
    const struct po_retention_rules rules = { .last = 2, .daily = 7, .weekly = 4, .monthly = 3 };
    int64_t jump = jumps[_i];
    uint32_t lost = 0;
    uint32_t wrong;

    memset(&years, 0, sizeof years);
    years.zone = EUROPE;
    for (int night = 0; night < 200; night++) {
        save(NEW_YEAR + night * DAY + HOUR);
        prune(&rules, NEW_YEAR + night * DAY + HOUR);
    }
    expect_all(&rules);
    wrong = years.count;
    /* One night with the wrong clock, which the backup and what prunes after it both believe. */
    save(NEW_YEAR + 200 * DAY + HOUR + jump);
    prune(&rules, NEW_YEAR + 200 * DAY + HOUR + jump);
    /* It fills a slot of each rule, as any backup does. Set back, all others are of the future. */
    for (uint32_t i = 0; i < wrong; i++)
        lost += years.is_expected[i] && !years.is_there[i];
    ck_assert_msg(lost <= (jump < -60 * DAY ? 0 : 4), "jump %d: %u", _i, lost);
    /* The clock is right again: for weeks nothing of before goes but what each night pushes out. */
    for (int night = 201; night < 230; night++) {
        uint32_t there = 0;

        save(NEW_YEAR + night * DAY + HOUR);
        prune(&rules, NEW_YEAR + night * DAY + HOUR);
        for (uint32_t i = 0; i < years.count; i++)
            there += years.is_there[i];
        ck_assert_uint_ge(there, 10);
        ck_assert(years.is_there[years.count - 1]);
        /* From the future: it stays, and is looked at. Until it is the present. */
        if (jump > 60 * DAY)
            ck_assert(years.is_there[wrong]);
    }
}
END_TEST

START_TEST(a_clock_that_is_set_back_by_years_removes_nothing)
{
    const struct po_retention_rules rules = { .last = 1 };
    uint32_t there = 0;

    memset(&years, 0, sizeof years);
    for (int night = 0; night < 30; night++)
        save(NEW_YEAR + night * DAY);
    prune(&rules, NEW_YEAR - 1000 * DAY);
    for (uint32_t i = 0; i < years.count; i++)
        there += years.is_there[i];
    ck_assert_uint_eq(there, 30);
    /* And set ahead it removes no more than it would today: age does not count. */
    prune(&rules, NEW_YEAR + 9000 * DAY);
    ck_assert(years.is_there[29] && !years.is_there[0]);
}
END_TEST

/* A day that comes twice is one day. */
START_TEST(a_day_that_comes_twice_is_one)
{
    const struct po_retention_rules rules = { .daily = 2 };
    int64_t back = sunday(2026, 11, 1) * DAY + HOUR / 60;

    memset(&years, 0, sizeof years);
    years.zone = MIDNIGHT;
    save(back - DAY);
    save(back - HOUR / 2);   /* the day before, by the clock of summer */
    save(back - HOUR / 100); /* a moment of the new day */
    save(back + HOUR / 100); /* and the day before again */
    ck_assert_int_eq(local_day(&years.zone, years.all[1].created).day, 31);
    ck_assert_int_eq(local_day(&years.zone, years.all[2].created).day, 1);
    ck_assert_int_eq(local_day(&years.zone, years.all[3].created).day, 31);
    prune(&rules, back + HOUR);
    ck_assert(!years.is_there[0] && !years.is_there[1] && years.is_there[2] && years.is_there[3]);
}
END_TEST

/* ---- anything at all ---- */

START_TEST(whatever_comes_the_guarantees_hold)
{
    struct help_random random = help_random_begin("whatever_comes", (uint64_t)_i);
    static struct po_retention_row rows[64];
    static uint32_t parents[64][2];
    static const char *const purposes[] = { NULL, NULL, NULL, "a", "b" };
    struct po_retention_verdict verdicts[64];
    uint32_t order[64];
    uint32_t removed;
    int64_t now = NEW_YEAR + 100 * DAY;
    struct po_err err;

    for (int round = 0; round < 400; round++) {
        uint32_t count = (uint32_t)help_random_below(&random, 64);
        struct po_retention_rules rules = { .last = (uint32_t)help_random_below(&random, 4),
                                            .daily = (uint32_t)help_random_below(&random, 4),
                                            .monthly = (uint32_t)help_random_below(&random, 3) };
        enum zone zone = (enum zone)help_random_below(&random, ZONES);

        for (uint32_t i = 0; i < count; i++) {
            bool is_diff = i > 0 && help_random_below(&random, 2) == 0;

            rows[i] = (struct po_retention_row){
                .created = NEW_YEAR + (int64_t)help_random_below(&random, 105) * DAY,
                .group = (uint32_t)help_random_below(&random, 3),
                .is_diff = is_diff,
                .is_forgotten = help_random_below(&random, 6) == 0,
                .is_incomplete = help_random_below(&random, 6) == 0,
                .is_damaged = help_random_below(&random, 9) == 0,
                .is_verified = help_random_below(&random, 5) == 0,
                .bytes = help_random_below(&random, 500) + 300,
                .entries = 100,
                .copy_of = i > 0 && help_random_below(&random, 15) == 0 ? 0 : NONE,
                .purpose = purposes[help_random_below(&random, 5)],
                .parents = parents[i],
                .parent_count = is_diff ? 1 + help_random_size(&random, 2) : 0
            };
            for (size_t k = 0; k < 2; k++) /* of any group, now and then not there */
                parents[i][k] = help_random_below(&random, 8) == 0 || i == 0
                                    ? NONE
                                    : (uint32_t)help_random_below(&random, i);
        }
        ck_assert_int_eq(po_retention_decide(rows, count, &rules, now, local_day, &zone, verdicts,
                                             order, &removed, &err),
                         PO_OK);
        check_verdicts(rows, count, verdicts, order, removed);
        for (uint32_t i = 0; i < count; i++) {
            bool is_newest_verified = rows[i].is_verified && !rows[i].is_diff &&
                                      !rows[i].is_damaged && !rows[i].is_incomplete &&
                                      rows[i].copy_of == NONE && !verdicts[i].is_suspicious;

            for (uint32_t j = 0; j < count && is_newest_verified; j++)
                if (rows[j].group == rows[i].group && !rows[j].is_diff && rows[j].is_verified &&
                    rows[j].created >= rows[i].created && j != i)
                    is_newest_verified = false; /* perhaps: that is looked at by itself */
            MUST(!is_newest_verified || verdicts[i].reasons != 0);
            if (rows[i].created > now + DAY && !rows[i].is_forgotten)
                MUST(verdicts[i].reasons != 0);
            if (!po_retention_has_rule(&rules) && !rows[i].is_forgotten)
                MUST(verdicts[i].reasons != 0);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("retention");
    TCase *tc = tcase_create("retention");

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, weeks_are_those_of_iso_8601);
    tcase_add_loop_test(tc, each_case, 0, (int)HELP_COUNT(cases));
    tcase_add_loop_test(tc, five_years_of_nights, 0, (int)SCHEMES * 3);
    tcase_add_loop_test(tc, years_without_any_order, 0, 10);
    tcase_add_loop_test(tc, three_years_of_chains, 0, 9);
    tcase_add_loop_test(tc, a_clock_that_jumps_costs_nothing, 0, 8);
    tcase_add_test(tc, a_clock_that_is_set_back_by_years_removes_nothing);
    tcase_add_test(tc, a_day_that_comes_twice_is_one);
    tcase_add_loop_test(tc, whatever_comes_the_guarantees_hold, 0, 5);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
