/* Shares of a vault over years of a made-up clock: what is due, what is remembered, what is not believed. */
#include "engine/scrub.h"
#include "os_help.h"
#include "port/sys.h"

#include <string.h>

#define VAULT "/srv/backup"
#define START 20000
#define FRAMES_MAX 1200u
#define ARCHIVES_MAX 8u

static char top[OS_PATH_SIZE];
static uint64_t seed;

/* What really happened to an archive, as nobody but the test knows it. */
struct truth {
    uint8_t id; /* of archive id and digest */
    uint32_t frames;
    bool is_there;
    unsigned copies;
    int32_t seen;               /* the day of its first run; 0 = none yet */
    int32_t read[FRAMES_MAX];   /* the day of the last good reading; 0 = none yet */
    int32_t newest[FRAMES_MAX]; /* the latest day, by the clock, of any good reading */
    uint32_t count;             /* frames that were read in the last run */
    bool is_damaged[FRAMES_MAX];
};
static struct truth truths[ARCHIVES_MAX];
static struct po_err anew;

static void
setup(void)
{
    os_temp_make(top, "scrub");
    memset(truths, 0, sizeof truths);
    seed = 4711;
}

static void
teardown(void)
{
    os_temp_remove(top);
}

static uint32_t
draw(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static struct truth *
add_truth(uint8_t id, uint32_t frames)
{
    struct truth *truth = &truths[id];

    *truth = (struct truth){ .id = id, .frames = frames, .is_there = true, .copies = 1 };
    return truth;
}

static void
ids(const struct truth *truth, uint8_t digest[PO_DIGEST_SIZE], uint8_t id[PO_ID_SIZE])
{
    memset(digest, truth->id + 1, PO_DIGEST_SIZE);
    for (unsigned i = 0; i < PO_ID_SIZE; i++)
        id[i] = (uint8_t)(truth->id * 37 + i * 101);
}

static struct po_scrub *
open_at(unsigned period, int32_t day)
{
    struct po_scrub *scrub = NULL;
    struct po_err err;

    if (po_scrub_open(&scrub, top, VAULT, period, day, &anew, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
    return scrub;
}

static uint32_t
add(struct po_scrub *scrub, const struct truth *truth, bool has_recovery)
{
    uint8_t digest[PO_DIGEST_SIZE];
    uint8_t id[PO_ID_SIZE];
    uint32_t number;
    struct po_err err;

    ids(truth, digest, id);
    ck_assert_int_eq(po_scrub_add(scrub, digest, id, has_recovery, &number, &err), PO_OK);
    return number;
}

static void
save(struct po_scrub *scrub)
{
    struct po_err err;

    if (po_scrub_save(scrub, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

static void
read_share(struct po_scrub *scrub, struct truth *truth, uint32_t number, int32_t day)
{
    bool is_bad[PO_SCRUB_PERIOD_MAX] = { false };

    truth->count = 0;
    for (uint32_t f = 0; f < truth->frames; f++) {
        unsigned slot = po_scrub_slot(scrub, number, f);

        if (!po_scrub_is_due(scrub, number, slot))
            continue;
        truth->count++;
        if (truth->is_damaged[f]) {
            is_bad[slot] = true;
            continue;
        }
        truth->read[f] = day;
        if (day > truth->newest[f])
            truth->newest[f] = day;
    }
    po_scrub_note(scrub, number, is_bad);
}

/* A run, as the program makes it. */
static void
run(unsigned period, int32_t day)
{
    struct po_scrub *scrub = open_at(period, day);
    uint32_t numbers[ARCHIVES_MAX] = { 0 };

    for (unsigned i = 0; i < ARCHIVES_MAX; i++)
        for (unsigned c = 0; truths[i].is_there && c < truths[i].copies; c++)
            numbers[i] = add(scrub, &truths[i], false);
    for (unsigned i = 0; i < ARCHIVES_MAX; i++) {
        struct truth *truth = &truths[i];

        for (unsigned c = 0; truth->is_there && c < truth->copies; c++)
            read_share(scrub, truth, numbers[i], day);
        if (truth->is_there && truth->seen == 0)
            truth->seen = day;
    }
    save(scrub);
    po_scrub_free(scrub);
}

static bool
last_of(const struct truth *truth, int32_t day, int32_t *last)
{
    struct po_scrub *scrub = open_at(0, day);
    uint8_t digest[PO_DIGEST_SIZE];
    uint8_t id[PO_ID_SIZE];
    bool is_known;

    ids(truth, digest, id);
    is_known = po_scrub_last(scrub, digest, last);
    po_scrub_free(scrub);
    return is_known;
}

/* Each frame of what is there was read within the period, or the archive is not there for so long. */
static void
assert_read(unsigned period, int32_t day)
{
    for (unsigned i = 0; i < ARCHIVES_MAX; i++) {
        const struct truth *truth = &truths[i];

        if (!truth->is_there || day - truth->seen < (int32_t)period - 1)
            continue;
        for (uint32_t f = 0; f < truth->frames; f++)
            ck_assert_msg(truth->read[f] > day - (int32_t)period,
                          "day %d: frame %u of %u was read on day %d", day - START, f, i,
                          truth->read[f] == 0 ? -1 : truth->read[f] - START);
    }
}

static const struct {
    unsigned period;
    int32_t days;
} daily[] = { { 1, 10 }, { 2, 30 }, { 7, 400 }, { 30, 1100 }, { 366, 1200 } };

START_TEST(run_daily_each_frame_is_read_exactly_once_in_a_period)
{
    unsigned period = daily[_i].period;
    int32_t before[FRAMES_MAX];

    for (uint8_t i = 0; i < 5; i++)
        add_truth(i, (uint32_t[]){ 1, period - 1, period, period + 1, 3 * period + 2 }[i]);
    for (int32_t day = START; day < START + daily[_i].days; day++) {
        const struct truth *last = &truths[4];

        memcpy(before, last->read, sizeof before);
        run(period, day);
        ck_assert_int_eq(anew.status, PO_OK);
        assert_read(period, day);
        for (unsigned i = 0; i < 5; i++)
            ck_assert_uint_le(truths[i].count, (truths[i].frames + period - 1) / period);
        for (uint32_t f = 0; f < last->frames; f++)
            if (last->read[f] == day && before[f] != 0)
                ck_assert_int_eq(day - before[f], (int32_t)period);
    }
}
END_TEST

START_TEST(runs_that_were_missed_are_made_up_by_the_next_one)
{
    const int32_t period = 5;

    for (int32_t missed = 1; missed <= 3 * period; missed++) {
        int32_t day = START;

        os_temp_remove(top);
        setup();
        add_truth(0, 3 * (uint32_t)period + 2);
        add_truth(1, 2);
        for (; day < START + 2 * period + missed % 3; day++)
            run((unsigned)period, day);
        day += missed;
        run((unsigned)period, day);
        assert_read((unsigned)period, day);
        for (int32_t after = 1; after < 2 * period; after++) {
            run((unsigned)period, day + after);
            assert_read((unsigned)period, day + after);
        }
    }
}
END_TEST

START_TEST(a_second_run_on_a_day_reads_the_same_share_again)
{
    uint32_t first;

    add_truth(0, 40);
    for (int32_t day = START; day < START + 9; day++)
        run(7, day);
    run(7, START + 12); /* more than a day's share */
    first = truths[0].count;
    ck_assert_uint_gt(first, 6);
    run(7, START + 12);
    ck_assert_uint_eq(truths[0].count, first);
    run(7, START + 13);
    ck_assert_uint_le(truths[0].count, 6);
}
END_TEST

START_TEST(archives_come_and_go)
{
    const unsigned period = 6;

    for (int32_t day = START; day < START + 400; day++) {
        struct truth *truth = &truths[draw(ARCHIVES_MAX)];

        if (truth->is_there && draw(3) == 0)
            truth->is_there = false;
        else if (!truth->is_there)
            add_truth((uint8_t)(truth - truths), 1 + draw(40));
        if (draw(4) == 0)
            continue; /* no run */
        run(period, day);
        /* What came after the last run is younger to the next one than it is: no harm. */
        for (unsigned i = 0; i < ARCHIVES_MAX; i++)
            for (uint32_t f = 0; truths[i].is_there && f < truths[i].frames; f++)
                ck_assert(day - truths[i].seen < (int32_t)period ||
                          truths[i].read[f] > day - (int32_t)period);
    }
}
END_TEST

START_TEST(what_is_gone_for_a_run_is_made_up_and_for_long_is_new)
{
    int32_t last;

    add_truth(0, 10);
    add_truth(1, 10);
    for (int32_t day = START; day < START + 5; day++)
        run(5, day);
    ck_assert(last_of(&truths[0], START + 4, &last));
    ck_assert_int_eq(last, START);
    truths[0].is_there = false;
    run(5, START + 5);
    truths[0].is_there = true;
    run(5, START + 6);
    /* What was missed is made up. */
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(last_of(&truths[i], START + 6, &last));
        ck_assert_int_eq(last, START + 2);
    }
    truths[0].is_there = false;
    for (int32_t day = START + 7; day < START + 24; day++)
        run(5, day);
    ck_assert(!last_of(&truths[0], START + 24, &last));
    ck_assert(last_of(&truths[1], START + 24, &last));
}
END_TEST

/* Whatever the clock does, no slot looks checked on a day on which it was not. */
START_TEST(a_clock_that_jumps_makes_nothing_look_checked)
{
    const unsigned period = 5;
    int32_t day = START;

    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 3; i++)
            if (!truths[i].is_there)
                add_truth((uint8_t)i, 1 + draw(30));
        /* Some runs with a clock that goes back, stays, or jumps ahead. */
        for (unsigned r = draw(8); r > 0; r--) {
            day += (int32_t)draw(21) - 10;
            if (draw(10) == 0)
                day += draw(2) == 0 ? 4000 : -4000;
            if (day < 100)
                day = START;
            run(period, day);
            for (unsigned i = 0; i < 3; i++) {
                int32_t last;

                if (!last_of(&truths[i], day, &last))
                    continue;
                ck_assert_int_le(last, day);
                for (uint32_t f = 0; f < truths[i].frames; f++)
                    ck_assert_int_ge(truths[i].newest[f], last);
            }
        }
        /* Then it goes right: within a period all is read. */
        for (unsigned i = 0; i < 3; i++)
            memset(truths[i].read, 0, sizeof truths[i].read);
        for (unsigned i = 0; i < period; i++)
            run(period, ++day);
        for (unsigned i = 0; i < 3; i++)
            for (uint32_t f = 0; f < truths[i].frames; f++)
                ck_assert_int_ne(truths[i].read[f], 0);
    }
}
END_TEST

START_TEST(after_the_clock_was_set_back_what_is_of_the_future_is_read_at_once)
{
    add_truth(0, 20);
    for (int32_t day = START; day < START + 5; day++)
        run(5, day);
    run(5, START + 3); /* a day back: its own share, and that of the day that is to come */
    ck_assert_uint_eq(truths[0].count, 8);
    run(5, START - 1000);
    ck_assert_uint_eq(truths[0].count, 20);
}
END_TEST

START_TEST(a_slot_with_damage_is_not_noted_and_due_until_it_is_mended)
{
    struct truth *truth = add_truth(0, 20);
    int32_t last;
    unsigned found = 0;

    truth->is_damaged[7] = true;
    for (int32_t day = START; day < START + 5; day++) {
        struct po_scrub *scrub = open_at(5, day);
        uint32_t number = add(scrub, truth, false);
        bool is_due = po_scrub_is_due(scrub, number, po_scrub_slot(scrub, number, 7));

        ck_assert(is_due || found == 0);
        found += is_due;
        po_scrub_free(scrub);
        run(5, day);
    }
    ck_assert_uint_gt(found, 0);
    ck_assert(!last_of(truth, START + 4, &last));
    truth->is_damaged[7] = false;
    run(5, START + 5);
    ck_assert_int_eq(truth->read[7], START + 5);
    ck_assert(last_of(truth, START + 5, &last));
}
END_TEST

START_TEST(a_slot_that_was_good_on_this_day_and_is_bad_now_is_due_tomorrow)
{
    struct truth *truth = add_truth(0, 5);
    int32_t last;

    for (int32_t day = START; day < START + 5; day++)
        run(5, day);
    for (uint32_t f = 0; f < 5; f++)
        truth->is_damaged[f] = truth->read[f] == START + 4;
    run(5, START + 4);
    ck_assert(!last_of(truth, START + 4, &last));
    run(5, START + 5);
    ck_assert_uint_eq(truth->count, 2);
}
END_TEST

START_TEST(of_copies_each_must_be_good)
{
    struct truth *truth = add_truth(0, 4);
    bool is_bad[PO_SCRUB_PERIOD_MAX] = { false };
    struct po_scrub *scrub = open_at(1, START);
    uint32_t number = add(scrub, truth, false);
    int32_t last;

    ck_assert_uint_eq(add(scrub, truth, false), number);
    po_scrub_note(scrub, number, is_bad);
    save(scrub); /* cut short here, one copy would not have been read */
    ck_assert(!last_of(truth, START, &last));
    po_scrub_note(scrub, number, is_bad);
    save(scrub);
    ck_assert(last_of(truth, START, &last));
    po_scrub_free(scrub);
    scrub = open_at(1, START + 1);
    number = add(scrub, truth, false);
    (void)add(scrub, truth, false);
    is_bad[0] = true;
    po_scrub_note(scrub, number, is_bad);
    is_bad[0] = false;
    po_scrub_note(scrub, number, is_bad);
    save(scrub);
    po_scrub_free(scrub);
    ck_assert(!last_of(truth, START + 1, &last));
}
END_TEST

START_TEST(recovery_data_are_due_once_in_a_period)
{
    struct truth *truth = add_truth(3, 4);
    const int32_t period = 6;
    int32_t before = 0;

    for (int32_t day = START; day < START + 60; day++) {
        bool is_there = day < START + 20 || day >= START + 30;
        bool is_good = day != START + 40;
        struct po_scrub *scrub = open_at((unsigned)period, day);
        uint32_t number = add(scrub, truth, is_there);
        bool is_due = po_scrub_is_recovery_due(scrub, number);

        ck_assert(is_there || !is_due);
        if (is_due && before != 0 && day < START + 20)
            ck_assert_int_eq(day - before, period);
        if (is_due && is_good) {
            po_scrub_note_recovery(scrub, number);
            before = day;
        }
        if (is_there && day != START + 40 && (day < START + 20 || day > START + 35))
            ck_assert(day < START + period || day - before < period);
        save(scrub);
        po_scrub_free(scrub);
    }
}
END_TEST

START_TEST(how_old_what_is_unread_is_is_told)
{
    struct po_scrub *scrub;
    struct po_scrub_age age;

    add_truth(0, 20);
    for (int32_t day = START; day < START + 12; day++) {
        int32_t seen = day - START + 1;
        bool is_bad[PO_SCRUB_PERIOD_MAX] = { false };

        scrub = open_at(10, day);
        po_scrub_note(scrub, add(scrub, &truths[0], false), is_bad);
        save(scrub);
        age = po_scrub_age(scrub);
        ck_assert_uint_eq(age.oldest_days, seen < 10 ? (uint32_t)seen - 1 : 9);
        ck_assert_int_eq(age.is_all_read, seen >= 10);
        ck_assert_uint_eq(age.rest_days, seen >= 10 ? 0 : 10 - (uint32_t)seen);
        po_scrub_free(scrub);
    }
}
END_TEST

/* ---- the file ---- */

static char *
state_path(void)
{
    static char path[OS_PATH_SIZE + 300];
    DIR *dir = opendir(top);
    struct dirent *entry;

    path[0] = '\0';
    while ((entry = readdir(dir)) != NULL)
        if (strstr(entry->d_name, ".scrub") != NULL && strstr(entry->d_name, ".lock") == NULL)
            (void)snprintf(path, sizeof path, "%s/%s", top, entry->d_name);
    closedir(dir);
    ck_assert_str_ne(path, "");
    return path;
}

static size_t
read_state(char *text, size_t room)
{
    FILE *file = fopen(state_path(), "rb");
    size_t size;

    ck_assert_ptr_nonnull(file);
    size = fread(text, 1, room, file);
    fclose(file);
    return size;
}

/* Opens what stands there; whether it was believed. */
static bool
is_believed(const char *text, size_t size)
{
    char path[OS_PATH_SIZE + 300];
    int32_t last;

    memcpy(path, state_path(), sizeof path);
    os_write(path, text, size);
    if (last_of(&truths[0], START + 2, &last)) {
        ck_assert_int_eq(last, START);
        ck_assert_int_eq(anew.status, PO_OK);
        return true;
    }
    ck_assert_int_eq(anew.status, PO_E_FORMAT);
    return false;
}

START_TEST(a_damaged_file_counts_as_none)
{
    char text[1000];
    size_t size;

    add_truth(0, 3);
    for (int32_t day = START; day < START + 3; day++)
        run(3, day);
    size = read_state(text, sizeof text);
    ck_assert(is_believed(text, size));
    for (size_t cut = 0; cut < size - 1; cut++)
        ck_assert(!is_believed(text, cut));
    for (size_t i = 0; i < 8 * size; i++) {
        text[i / 8] ^= (char)(1 << i % 8);
        /* White space at the end, and a digit of the checksum in upper case, say the same. */
        ck_assert(!is_believed(text, size) || i / 8 > size - 37);
        text[i / 8] ^= (char)(1 << i % 8);
    }
    ck_assert(!is_believed("{}", 2));
    /* And a run begins anew, and goes on well. */
    ck_assert(!is_believed(text, size - 40));
    run(3, START + 3);
    ck_assert_int_eq(anew.status, PO_E_FORMAT);
    run(3, START + 4);
    ck_assert_int_eq(anew.status, PO_OK);
}
END_TEST

START_TEST(another_period_begins_anew)
{
    int32_t last;

    add_truth(0, 10);
    for (int32_t day = START; day < START + 5; day++)
        run(5, day);
    run(6, START + 5);
    ck_assert_int_eq(anew.status, PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(anew.text, "5 days"));
    ck_assert(!last_of(&truths[0], START + 5, &last));
    for (int32_t day = START + 6; day < START + 11; day++)
        run(6, day);
    ck_assert(last_of(&truths[0], START + 10, &last));
}
END_TEST

START_TEST(one_run_at_a_time_and_whoever_only_looks_need_not_wait)
{
    struct po_scrub *scrub = open_at(5, START);
    struct po_scrub *other = NULL;
    struct po_err err;

    ck_assert_int_eq(po_scrub_open(&other, top, VAULT, 5, START, &anew, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "another pobackup"));
    po_scrub_free(open_at(0, START));
    ck_assert_int_eq(po_scrub_open(&other, top, "/another", 5, START, &anew, &err), PO_OK);
    po_scrub_free(other);
    po_scrub_free(scrub);
    po_scrub_free(open_at(5, START));
}
END_TEST

START_TEST(without_a_directory_nothing_is_known_and_a_run_makes_it)
{
    struct po_scrub *scrub = NULL;
    char path[OS_PATH_SIZE + 8];
    struct po_err err;

    (void)snprintf(path, sizeof path, "%s/new", top);
    ck_assert_int_eq(po_scrub_open(&scrub, path, VAULT, 0, START, &anew, &err), PO_OK);
    po_scrub_free(scrub);
    ck_assert(!os_exists(path));
    ck_assert_int_eq(po_scrub_open(&scrub, path, VAULT, 5, START, &anew, &err), PO_OK);
    save(scrub);
    po_scrub_free(scrub);
    ck_assert(os_exists(path));
}
END_TEST

/* ---- days ---- */

START_TEST(days_are_counted_by_the_calendar)
{
    static const int months[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int32_t expected = 0;

    for (int year = 1970; year < 2110; year++)
        for (int month = 1; month <= 12; month++) {
            bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            int days = months[month - 1] + (month == 2 && is_leap);

            for (int day = 1; day <= days; day++, expected++)
                ck_assert_int_eq(po_scrub_day(year, month, day), expected < 1 ? 1 : expected);
        }
    ck_assert_int_eq(po_scrub_day(2026, 11, 28), 20785);
    ck_assert_int_eq(po_scrub_day(1601, 1, 1), 1);
}
END_TEST

/* Run in a zone with summer time, too (tests/CMakeLists.txt). */
START_TEST(no_hour_of_three_years_skips_a_day_or_goes_back)
{
    const int64_t hour = INT64_C(36000000000);
    int32_t before = 0;
    int32_t first = 0;

    for (int64_t h = 0; h < INT64_C(3) * 365 * 24; h++) {
        int year;
        int month;
        int day;
        int32_t number;

        po_sys_local_date((INT64_C(20000) * 24 + h) * hour, &year, &month, &day);
        number = po_scrub_day(year, month, day);
        ck_assert(before == 0 || number == before || number == before + 1);
        first = before == 0 ? number : first;
        before = number;
    }
    ck_assert_int_ge(before - first, 1094);
    ck_assert_int_le(before - first, 1095);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("scrub");
    TCase *tc = tcase_create("scrub");
    TCase *days = tcase_create("days");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, run_daily_each_frame_is_read_exactly_once_in_a_period, 0,
                        (int)(sizeof daily / sizeof daily[0]));
    tcase_add_test(tc, runs_that_were_missed_are_made_up_by_the_next_one);
    tcase_add_test(tc, a_second_run_on_a_day_reads_the_same_share_again);
    tcase_add_test(tc, archives_come_and_go);
    tcase_add_test(tc, what_is_gone_for_a_run_is_made_up_and_for_long_is_new);
    tcase_add_test(tc, a_clock_that_jumps_makes_nothing_look_checked);
    tcase_add_test(tc, after_the_clock_was_set_back_what_is_of_the_future_is_read_at_once);
    tcase_add_test(tc, a_slot_with_damage_is_not_noted_and_due_until_it_is_mended);
    tcase_add_test(tc, a_slot_that_was_good_on_this_day_and_is_bad_now_is_due_tomorrow);
    tcase_add_test(tc, of_copies_each_must_be_good);
    tcase_add_test(tc, recovery_data_are_due_once_in_a_period);
    tcase_add_test(tc, how_old_what_is_unread_is_is_told);
    tcase_add_test(tc, a_damaged_file_counts_as_none);
    tcase_add_test(tc, another_period_begins_anew);
    tcase_add_test(tc, one_run_at_a_time_and_whoever_only_looks_need_not_wait);
    tcase_add_test(tc, without_a_directory_nothing_is_known_and_a_run_makes_it);
    suite_add_tcase(suite, tc);
    tcase_add_test(days, days_are_counted_by_the_calendar);
    tcase_add_test(days, no_hour_of_three_years_skips_a_day_or_goes_back);
    suite_add_tcase(suite, days);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
