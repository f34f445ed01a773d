/*
 * Times as text: the civil calendar by arithmetic, for gmtime has a 32-bit range in places and
 * timegm is not in the C standard.
 */
#include "base/text.h"

#define STEPS_A_SECOND INT64_C(10000000)
#define SECONDS_A_DAY INT64_C(86400)
#define TIME_MIN (INT64_C(-62135596800) * STEPS_A_SECOND)     /* 0001-01-01T00:00:00 */
#define TIME_MAX (INT64_C(253402300800) * STEPS_A_SECOND - 1) /* 9999-12-31T23:59:59.9999999 */

struct civil {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;   /* 1 to 31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
    uint32_t steps; /* of 100 ns within the second */
};

/*
 * Days and dates in the proleptic Gregorian calendar. Years begin in March here, so that the leap
 * day is the last of a year; an era is 400 years or 146,097 days; 719,468 days lie between
 * 0000-03-01 and 1970-01-01. Years are above 0, so nothing is negative.
 */
static int64_t
days_from_civil(const struct civil *civil)
{
    int64_t year = civil->month <= 2 ? civil->year - 1 : civil->year;
    int64_t era = year / 400;
    int64_t year_of_era = year % 400;
    int64_t month = (civil->month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + civil->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static struct civil
civil_from_time(int64_t time)
{
    struct civil civil;
    int64_t day;
    int64_t rest;
    int64_t era;
    int64_t year_of_era;
    int64_t month;

    if (time < TIME_MIN)
        time = TIME_MIN;
    if (time > TIME_MAX)
        time = TIME_MAX;
    day = time / (SECONDS_A_DAY * STEPS_A_SECOND);
    rest = time % (SECONDS_A_DAY * STEPS_A_SECOND);
    if (rest < 0) {
        rest += SECONDS_A_DAY * STEPS_A_SECOND;
        day--;
    }
    civil.steps = (uint32_t)(rest % STEPS_A_SECOND);
    rest /= STEPS_A_SECOND;
    civil.hour = (unsigned)(rest / 3600);
    civil.minute = (unsigned)(rest / 60 % 60);
    civil.second = (unsigned)(rest % 60);
    day += 719468;
    era = day / 146097;
    day %= 146097;
    year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    month = (5 * day + 2) / 153;
    civil.day = (unsigned)(day - (153 * month + 2) / 5 + 1);
    civil.month = (unsigned)(month < 10 ? month + 3 : month - 9);
    civil.year = era * 400 + year_of_era + (civil.month <= 2 ? 1 : 0);
    return civil;
}

void
po_text_put_time(struct po_buf *out, int64_t time)
{
    struct civil c = civil_from_time(time);

    po_buf_printf(out, "%04d-%02u-%02uT%02u:%02u:%02u.%07uZ", (int)c.year, c.month, c.day, c.hour,
                  c.minute, c.second, (unsigned)c.steps);
}

void
po_text_put_time_compact(struct po_buf *out, int64_t time)
{
    struct civil c = civil_from_time(time);

    po_buf_printf(out, "%04d%02u%02uT%02u%02u%02uZ", (int)c.year, c.month, c.day, c.hour, c.minute,
                  c.second);
}

/* Exactly `count` digits and then the character `end`; *at moves behind both. */
static bool
parse_field(const char **at, unsigned count, char end, uint32_t *out)
{
    uint32_t value = 0;
    const char *p = *at;

    for (unsigned i = 0; i < count; i++, p++) {
        if (*p < '0' || *p > '9')
            return false;
        value = value * 10 + (uint32_t)(*p - '0');
    }
    if (*p != end)
        return false;
    *at = p + 1;
    *out = value;
    return true;
}

static unsigned
days_in_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

bool
po_text_parse_time(const char *text, int64_t *out)
{
    struct civil c = { 0 };
    uint32_t year;
    int64_t seconds;

    if (!parse_field(&text, 4, '-', &year) || !parse_field(&text, 2, '-', &c.month) ||
        !parse_field(&text, 2, 'T', &c.day) || !parse_field(&text, 2, ':', &c.hour) ||
        !parse_field(&text, 2, ':', &c.minute) || !parse_field(&text, 2, '.', &c.second) ||
        !parse_field(&text, 7, 'Z', &c.steps) || *text != '\0')
        return false;
    if (year < 1 || c.month < 1 || c.month > 12 || c.day < 1 ||
        c.day > days_in_month(year, c.month) || c.hour > 23 || c.minute > 59 || c.second > 59)
        return false;
    c.year = year;
    seconds = days_from_civil(&c) * SECONDS_A_DAY + (int64_t)c.hour * 3600 +
              (int64_t)c.minute * 60 + c.second;
    *out = seconds * STEPS_A_SECOND + c.steps;
    return true;
}
