#include "cli/cli_schedule.h"

#include "base/text.h"

#include <string.h>

#define MARK " # pobackup "
#define TASK_PREFIX "pobackup "
/* schtasks of Server 2003 takes no longer command. */
#define OLD_COMMAND_MAX 261u

bool
po_cli_job_is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    return name[0] != '\0' && name[0] != '.' && name[0] != '-' &&
           strlen(name) <= PO_CLI_JOB_NAME_MAX && name[strspn(name, allowed)] == '\0';
}

bool
po_cli_job_parse_time(const char *text, unsigned *hour, unsigned *minute)
{
    static const char digits[] = "0123456789";

    if (strlen(text) != 5 || text[2] != ':' || strspn(text, digits) != 2 ||
        strspn(text + 3, digits) != 2)
        return false;
    *hour = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    *minute = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
    return *hour < 24 && *minute < 60;
}

static void
put_when(struct po_buf *out, const struct po_cli_job *job)
{
    po_buf_printf(out, "%s at %02u:%02u", job->is_weekly ? "weekly, on Sunday" : "daily", job->hour,
                  job->minute);
}

/* ---- systemd ---- */

/*
 * One word of ExecStart= in quotes (systemd.service, "Command lines"): '%' begins a specifier, '$' a
 * variable, but not in the program's own path; what is not printable ASCII is written as bytes.
 */
static void
put_unit_word(struct po_buf *out, const char *word, bool is_program)
{
    po_buf_put_u8(out, '"');
    for (; *word != '\0'; word++) {
        unsigned char c = (unsigned char)*word;

        if (c == '"' || c == '\\')
            po_buf_printf(out, "\\%c", c);
        else if (c == '%' || (c == '$' && !is_program))
            po_buf_printf(out, "%c%c", c, c);
        else if (c < ' ' || c == 0x7F)
            po_buf_printf(out, "\\x%02x", c);
        else
            po_buf_put_u8(out, c);
    }
    po_buf_put_u8(out, '"');
}

void
po_cli_job_put_service(struct po_buf *out, const struct po_cli_job *job)
{
    po_buf_printf(out,
                  PO_CLI_UNIT_MARK "[Unit]\n"
                                   "Description=pobackup: backup %s\n"
                                   "After=network.target\n"
                                   "\n"
                                   "[Service]\n"
                                   "Type=oneshot\n",
                  job->name);
    /*
     * Only the program itself is asked to stop: the mail server's own daemons, which it starts, are
     * in its control group, and would be ended with it each night; so is the guardian.
     */
    po_buf_put_text(out, "KillMode=process\n"
                         "TimeoutStopSec=10min\n"
                         "ExecStart=");
    for (size_t i = 0; job->words[i] != NULL; i++) {
        if (i > 0)
            po_buf_put_u8(out, ' ');
        put_unit_word(out, job->words[i], i == 0);
    }
    po_buf_put_u8(out, '\n');
}

void
po_cli_job_put_timer(struct po_buf *out, const struct po_cli_job *job)
{
    po_buf_printf(out, PO_CLI_UNIT_MARK "[Unit]\nDescription=pobackup: backup %s, ", job->name);
    put_when(out, job);
    /* Persistent: a run that was missed because the machine was off is made up. */
    po_buf_printf(out,
                  "\n"
                  "\n"
                  "[Timer]\n"
                  "OnCalendar=%s*-*-* %02u:%02u:00\n"
                  "Persistent=true\n"
                  "\n"
                  "[Install]\n"
                  "WantedBy=timers.target\n",
                  job->is_weekly ? "Sun " : "", job->hour, job->minute);
}

bool
po_cli_unit_put_value(struct po_buf *out, const char *text, const char *key)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");

        if (size >= strlen(key) && memcmp(text, key, strlen(key)) == 0) {
            po_buf_put(out, text + strlen(key), size - strlen(key));
            return true;
        }
        text += size + (text[size] == '\n' ? 1 : 0);
    }
    return false;
}

/* The way back of put_unit_word, from *at on; false when it is no such word. */
static bool
take_unit_word(const char **at, struct po_buf *out, bool is_program)
{
    static const char hex[] = "0123456789abcdef";
    const char *p = *at;

    if (*p++ != '"')
        return false;
    for (; *p != '"'; p++) {
        if (*p == '\0' || (*p == '\\' && p[1] == '\0'))
            return false;
        if (p[0] == '\\' && p[1] == 'x') {
            const char *high = p[2] == '\0' ? NULL : strchr(hex, p[2]);
            const char *low = high == NULL || p[3] == '\0' ? NULL : strchr(hex, p[3]);

            if (low == NULL)
                return false;
            po_buf_put_u8(out, (uint8_t)((high - hex) * 16 + (low - hex)));
            p += 3;
            continue;
        }
        if (*p == '\\' || (*p == '%' && p[1] == '%') || (*p == '$' && p[1] == '$' && !is_program))
            p++;
        po_buf_put_u8(out, (uint8_t)*p);
    }
    po_buf_put_u8(out, 0);
    *at = p + 1;
    return true;
}

bool
po_cli_unit_put_words(struct po_buf *out, const char *command)
{
    bool is_first = true;

    for (;;) {
        if (!take_unit_word(&command, out, is_first))
            return false;
        is_first = false;
        if (*command == '\0')
            return true;
        if (*command++ != ' ')
            return false;
    }
}

/* ---- cron ---- */

/* For sh, which gets it from cron: that takes a '%' for a newline, quoted or not, unless after '\'. */
static void
put_cron_word(struct po_buf *out, const char *word)
{
    po_buf_put_u8(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            po_buf_put_text(out, "'\\''");
        else if (*word == '%')
            po_buf_put_text(out, "\\%");
        else
            po_buf_put_u8(out, (uint8_t)*word);
    }
    po_buf_put_u8(out, '\'');
}

void
po_cli_job_put_cron(struct po_buf *out, const struct po_cli_job *job)
{
    po_buf_printf(out, "%u %u * * %s", job->minute, job->hour, job->is_weekly ? "0" : "*");
    for (size_t i = 0; job->words[i] != NULL; i++) {
        po_buf_put_u8(out, ' ');
        put_cron_word(out, job->words[i]);
    }
    po_buf_printf(out, MARK "%s\n", job->name);
}

/* The way back of put_cron_word, from *at on; false when it is no such word. */
static bool
take_cron_word(const char **at, const char *end, struct po_buf *out)
{
    static const char quote[] = "'\\''";
    const char *p = *at;

    if (p == end || *p++ != '\'')
        return false;
    for (; p < end; p++) {
        if (end - p >= 4 && memcmp(p, quote, 4) == 0) {
            po_buf_put_u8(out, '\'');
            p += 3;
            continue;
        }
        if (*p == '\'') {
            po_buf_put_u8(out, 0);
            *at = p + 1;
            return true;
        }
        if (*p == '%')
            return false;
        if (p[0] == '\\' && end - p >= 2 && p[1] == '%')
            p++;
        po_buf_put_u8(out, (uint8_t)*p);
    }
    return false;
}

static bool
take_cron_words(struct po_buf *out, const char *at, const char *end)
{
    for (;;) {
        if (!take_cron_word(&at, end, out))
            return false;
        if (at == end)
            return true;
        if (*at++ != ' ')
            return false;
    }
}

bool
po_cli_cron_put_words(struct po_buf *out, const char *command)
{
    return take_cron_words(out, command, command + strlen(command));
}

/*
 * Whether this is what po_cli_job_put_cron writes, up to the mark: when it runs may have been changed by
 * hand, but not what.
 */
static bool
is_our_command(const char *line, const char *mark)
{
    struct po_buf words = { 0 };
    bool is_ours = true;

    for (int field = 0; field < 5 && is_ours; field++) {
        const char *start = line;

        while (line < mark && strchr("0123456789*,/-", *line) != NULL && *line != '\0')
            line++;
        is_ours = line > start && line < mark && (*line == ' ' || *line == '\t');
        line += is_ours;
    }
    is_ours = is_ours && take_cron_words(&words, line, mark) && !words.failed;
    if (is_ours) {
        size_t second = strlen((const char *)words.bytes) + 1;

        is_ours = second < words.size && strcmp((const char *)words.bytes + second, "backup") == 0;
    }
    po_buf_deinit(&words);
    return is_ours;
}

/* Where the name begins in a line of ours; NULL when it is none. */
static const char *
find_name(const char *line, size_t size)
{
    size_t mark = strlen(MARK);

    for (size_t at = size; at > mark; at--) {
        char name[PO_CLI_JOB_NAME_MAX + 1] = "";

        if (memcmp(line + at - mark, MARK, mark) != 0)
            continue;
        if (size - at >= sizeof(name))
            return NULL;
        memcpy(name, line + at, size - at);
        return po_cli_job_is_name(name) && strlen(name) == size - at &&
                       is_our_command(line, line + at - mark)
                   ? line + at
                   : NULL;
    }
    return NULL;
}

void
po_cli_crontab_put_others(struct po_buf *out, const void *crontab, size_t size, const char *name,
                          bool *was_there)
{
    const char *at = crontab;
    const char *end = at + size;

    *was_there = false;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);
        const char *found = find_name(at, line);

        if (found != NULL && strlen(name) == (size_t)(at + line - found) &&
            memcmp(found, name, strlen(name)) == 0)
            *was_there = true;
        else
            po_buf_put(out, at, line + (stop != NULL));
        at += line + (stop != NULL);
    }
}

/* "0 2 * * 0 command # pobackup NAME" */
static void
list_line(const char *line, size_t size, const char *name, po_cli_scheduled_fn each, void *ctx)
{
    struct po_buf texts[3] = { { 0 } };
    size_t fields = 0;
    size_t at = 0;

    while (at < size && fields < 5) {
        at += strcspn(line + at, " \t");
        at += strspn(line + at, " \t");
        fields++;
    }
    po_buf_put(&texts[0], name, (size_t)(line + size - name));
    po_buf_put(&texts[1], line, at > 0 ? at - 1 : 0);
    po_buf_put(&texts[2], line + at, (size_t)(name - line) - strlen(MARK) - at);
    each(ctx, &(struct po_cli_scheduled){ .name = po_buf_text(&texts[0]),
                                          .when = po_buf_text(&texts[1]),
                                          .command = po_buf_text(&texts[2]) });
    for (size_t i = 0; i < 3; i++)
        po_buf_deinit(&texts[i]);
}

void
po_cli_crontab_list(const void *crontab, size_t size, po_cli_scheduled_fn each, void *ctx)
{
    const char *at = crontab;
    const char *end = at + size;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);
        struct po_buf line = { 0 };
        const char *name;

        po_buf_put(&line, at, length);
        name = find_name(po_buf_text(&line), line.size);
        if (name != NULL)
            list_line(po_buf_text(&line), line.size, name, each, ctx);
        po_buf_deinit(&line);
        at += length + (stop != NULL);
    }
}

/* ---- Task Scheduler ---- */

static void
put_xml_text(struct po_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            po_buf_put_text(out, "&amp;");
        else if (*text == '<')
            po_buf_put_text(out, "&lt;");
        else if (*text == '>')
            po_buf_put_text(out, "&gt;");
        else
            po_buf_put_u8(out, (uint8_t)*text);
    }
}

/* From UTF-8, which was looked at. */
static void
put_utf16(struct po_buf *out, const char *text, size_t size)
{
    po_buf_put_u16le(out, 0xFEFF);
    for (size_t at = 0; at < size;) {
        const unsigned char *c = (const unsigned char *)text + at;
        size_t step = po_text_utf8_step(c, size - at);
        uint32_t point = step == 2   ? (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu)
                         : step == 3 ? (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu)
                         : step == 4 ? (c[0] & 0x07u) << 18 | (c[1] & 0x3Fu) << 12 |
                                           (c[2] & 0x3Fu) << 6 | (c[3] & 0x3Fu)
                                     : c[0];

        if (point >= 0x10000) {
            po_buf_put_u16le(out, (uint16_t)(0xD800 + ((point - 0x10000) >> 10)));
            po_buf_put_u16le(out, (uint16_t)(0xDC00 + ((point - 0x10000) & 0x3FF)));
        } else {
            po_buf_put_u16le(out, (uint16_t)point);
        }
        at += step > 0 ? step : 1;
    }
}

static enum po_status
check_words(const struct po_cli_job *job, struct po_err *err)
{
    for (size_t i = 0; job->words[i] != NULL; i++) {
        const char *word = job->words[i];

        if (!po_text_is_utf8(word, strlen(word)))
            return po_fail(err, PO_E_USAGE, "%s: cannot be scheduled: it is no UTF-8", word);
        for (; *word != '\0'; word++)
            if ((unsigned char)*word < ' ')
                return po_fail(err, PO_E_USAGE, "%s: cannot be scheduled: a control character",
                               job->words[i]);
    }
    return PO_OK;
}

static void
put_arguments(struct po_buf *out, const struct po_cli_job *job)
{
    for (size_t i = 1; job->words[i] != NULL; i++) {
        if (i > 1)
            po_buf_put_u8(out, ' ');
        po_text_put_argument(out, job->words[i]);
    }
}

static void
put_trigger(struct po_buf *out, const struct po_cli_job *job)
{
    po_buf_printf(out,
                  "  <Triggers>\r\n"
                  "    <CalendarTrigger>\r\n"
                  "      <StartBoundary>%sT%02u:%02u:00</StartBoundary>\r\n"
                  "      <Enabled>true</Enabled>\r\n",
                  job->date, job->hour, job->minute);
    if (job->is_weekly)
        po_buf_put_text(out, "      <ScheduleByWeek>\r\n"
                             "        <DaysOfWeek><Sunday /></DaysOfWeek>\r\n"
                             "        <WeeksInterval>1</WeeksInterval>\r\n"
                             "      </ScheduleByWeek>\r\n");
    else
        po_buf_put_text(out,
                        "      <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>\r\n");
    po_buf_put_text(out, "    </CalendarTrigger>\r\n"
                         "  </Triggers>\r\n");
}

/* S-1-5-18 is SYSTEM in every language. A backup may take long, and is not ended for that. */
static const char task_settings[] =
    "  <Principals>\r\n"
    "    <Principal id=\"Author\">\r\n"
    "      <UserId>S-1-5-18</UserId>\r\n"
    "      <RunLevel>HighestAvailable</RunLevel>\r\n"
    "    </Principal>\r\n"
    "  </Principals>\r\n"
    "  <Settings>\r\n"
    "    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\r\n"
    "    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\r\n"
    "    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\r\n"
    "    <AllowHardTerminate>false</AllowHardTerminate>\r\n"
    "    <StartWhenAvailable>true</StartWhenAvailable>\r\n"
    "    <Enabled>true</Enabled>\r\n"
    "    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\r\n"
    "  </Settings>\r\n";

enum po_status
po_cli_job_put_task(struct po_buf *out, const struct po_cli_job *job, struct po_err *err)
{
    struct po_buf xml = { 0 };
    struct po_buf arguments = { 0 };
    enum po_status st = check_words(job, err);

    if (st != PO_OK)
        return st;
    po_buf_put_text(&xml, "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n"
                          "<Task version=\"1.2\" "
                          "xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n");
    po_buf_printf(&xml,
                  "  <RegistrationInfo><Description>pobackup: backup %s</Description>"
                  "</RegistrationInfo>\r\n",
                  job->name);
    put_trigger(&xml, job);
    po_buf_put_text(&xml, task_settings);
    po_buf_put_text(&xml, "  <Actions Context=\"Author\">\r\n"
                          "    <Exec>\r\n"
                          "      <Command>");
    put_xml_text(&xml, job->words[0]);
    po_buf_put_text(&xml, "</Command>\r\n"
                          "      <Arguments>");
    put_arguments(&arguments, job);
    put_xml_text(&xml, po_buf_text(&arguments));
    po_buf_put_text(&xml, "</Arguments>\r\n"
                          "    </Exec>\r\n"
                          "  </Actions>\r\n"
                          "</Task>\r\n");
    st = arguments.failed ? po_fail_nomem(err, 0) : po_buf_check(&xml, err);
    if (st == PO_OK) {
        put_utf16(out, (const char *)xml.bytes, xml.size);
        st = po_buf_check(out, err);
    }
    po_buf_deinit(&xml);
    po_buf_deinit(&arguments);
    return st;
}

enum po_status
po_cli_job_put_schtasks(struct po_buf *out, const struct po_cli_job *job, struct po_err *err)
{
    struct po_buf command = { 0 };
    enum po_status st = check_words(job, err);

    if (st != PO_OK)
        return st;
    po_text_put_argument(&command, job->words[0]);
    po_buf_put_u8(&command, ' ');
    put_arguments(&command, job);
    st = po_buf_check(&command, err);
    /* It goes through cmd.exe, in which nothing quotes these. */
    if (st == PO_OK && strpbrk(po_buf_text(&command), "%^&|<>!") != NULL)
        st = po_fail(err, PO_E_USAGE,
                     "a job's options cannot have any of %%^&|<>! here; put them into a "
                     "configuration file: --config FILE");
    else if (st == PO_OK && command.size > OLD_COMMAND_MAX)
        st = po_fail(err, PO_E_USAGE,
                     "a job's command can have %u bytes here, and this has %zu; put its options "
                     "into a configuration file: --config FILE",
                     OLD_COMMAND_MAX, command.size);
    if (st != PO_OK)
        goto done;
    po_buf_printf(out, "schtasks /Create /F /RU SYSTEM /TN \"" TASK_PREFIX "%s\" /SC %s", job->name,
                  job->is_weekly ? "WEEKLY /D SUN" : "DAILY");
    po_buf_printf(out, " /ST %02u:%02u:00 /TR ", job->hour, job->minute);
    po_text_put_argument(out, po_buf_text(&command));
    st = po_buf_check(out, err);
done:
    po_buf_deinit(&command);
    return st;
}

/* The field at *at, without its quotes; false at the end. */
static bool
next_field(struct po_buf *out, const char **at, const char *end)
{
    const char *stop;

    if (*at >= end || **at != '"')
        return false;
    stop = memchr(*at + 1, '"', (size_t)(end - *at - 1));
    if (stop == NULL)
        return false;
    po_buf_put(out, *at + 1, (size_t)(stop - *at - 1));
    *at = stop + 1 < end && stop[1] == ',' ? stop + 2 : stop + 1;
    return true;
}

void
po_cli_tasks_list(const void *csv, size_t size, po_cli_scheduled_fn each, void *ctx)
{
    const char *at = csv;
    const char *end = at + size;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct po_buf name = { 0 };
        struct po_buf when = { 0 };
        const char *text;

        if (stop == NULL)
            stop = end;
        if (next_field(&name, &at, stop) && next_field(&when, &at, stop)) {
            text = po_buf_text(&name);
            text += text[0] == '\\';
            if (strncmp(text, TASK_PREFIX, strlen(TASK_PREFIX)) == 0 &&
                po_cli_job_is_name(text + strlen(TASK_PREFIX)))
                each(ctx, &(struct po_cli_scheduled){ .name = text + strlen(TASK_PREFIX),
                                                      .when = po_buf_text(&when),
                                                      .command = "" });
        }
        po_buf_deinit(&name);
        po_buf_deinit(&when);
        at = stop < end ? stop + 1 : end;
    }
}
