#include "engine/doctor.h"

#include "base/text.h"
#include "engine/doctor_checks.h"
#include "port/sys.h"
#include "registry/reg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A status command that needs longer than this makes every stop and start slow. */
#define STATUS_SLOW_SECONDS 3.0
#define YEAR_2025 INT64_C(17356896000000000)
#define DAY (INT64_C(24) * 60 * 60 * 10000000)
#define PRODUCT_KEY "\\software.com\\post.office"

void
po_doctor_say(struct po_doctor *doctor, enum po_check_state state, const char *id,
              const char *format, ...)
{
    char text[1500];
    va_list args;
    size_t size;
    int wanted;

    va_start(args, format);
    wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size = wanted < 0 ? 0 : strlen(text);
    if (wanted >= (int)sizeof text) {
        /* The last character may have lost bytes: it goes. */
        while (size > 0 && ((unsigned char)text[size - 1] & 0xC0) == 0x80)
            size--;
        if (size > 0)
            size--;
    }
    text[size] = '\0';
    if (state > doctor->worst)
        doctor->worst = state;
    if (doctor->each != NULL)
        doctor->each(doctor->ctx, state, id, text);
}

bool
po_doctor_has_path(struct po_host *host, enum po_part part)
{
    return host->ops->place(host, part) != NULL &&
           (part != PO_PART_REGISTRY || strcmp(host->ops->kind, "folder") == 0);
}

/* A host that has a rule of its own says what is missing. */
static void
check_admin(struct po_doctor *doctor)
{
    struct po_buf note = { 0 };
    struct po_err err;

    if (doctor->host->ops->check_admin(doctor->host, &note, &err) != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "rights", "%s", err.text);
    else if (note.size > 0)
        po_doctor_say(doctor, PO_CHECK_NOTE, "rights", "%s", po_buf_text(&note));
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "rights", "run by the local Administrator");
    po_buf_deinit(&note);
}

/* req: B1 */
static void
check_rights(struct po_doctor *doctor)
{
    if (doctor->host->ops->check_admin != NULL)
        check_admin(doctor);
    else if (po_sys_is_admin())
        po_doctor_say(doctor, PO_CHECK_GOOD, "rights", "run by the administrator");
    else if (strcmp(doctor->host->ops->kind, "folder") == 0)
        po_doctor_say(doctor, PO_CHECK_NOTE, "rights",
                      "not run by the administrator: a restore cannot give files back to other "
                      "owners");
    else
        po_doctor_say(doctor, PO_CHECK_BAD, "rights",
                      "not run by the local Administrator: services and registry are out of reach");
}

static void
check_service(struct po_doctor *doctor, size_t number)
{
    const struct po_service *service = doctor->host->ops->service(doctor->host, number);
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    double start = po_sys_monotonic();
    struct po_err err;
    enum po_status st = doctor->host->ops->service_state(doctor->host, number, &state, &err);
    double seconds = po_sys_monotonic() - start;

    if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "services", "%s", err.text);
    else if (state == PO_SERVICE_UNKNOWN)
        po_doctor_say(doctor, PO_CHECK_BAD, "services",
                      "%s: whether it runs is not to be learned: it would not be stopped, for it "
                      "might not be brought back",
                      service->name);
    else if (seconds > STATUS_SLOW_SECONDS)
        po_doctor_say(doctor, PO_CHECK_WARNING, "services",
                      "%s: %s, but to say so took %.1f s; the outage grows by that", service->name,
                      po_service_state_name(state), seconds);
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "services", "%s: %s", service->name,
                      po_service_state_name(state));
    if (st == PO_OK && state == PO_SERVICE_RUNNING)
        doctor->is_any_running = true;
}

/* req: B2 */
static void
check_services(struct po_doctor *doctor)
{
    size_t count = doctor->host->ops->service_count(doctor->host);

    if (count == 0)
        po_doctor_say(doctor, PO_CHECK_NOTE, "services",
                      "none are named: whatever writes to the site must be stopped by hand");
    for (size_t i = 0; i < count; i++)
        check_service(doctor, i);
}

/* Some key of the document is the product's, in either view. */
static bool
has_product_key(const struct po_reg *reg)
{
    size_t wanted = sizeof PRODUCT_KEY - 1;

    for (size_t i = 0; i < reg->key_count; i++) {
        const struct po_reg_key *key = &reg->keys[i];

        for (size_t at = 0; !key->is_delete && at + wanted <= key->path_size; at++) {
            char part[sizeof PRODUCT_KEY];

            if (key->path[at] != '\\' ||
                (at + wanted < key->path_size && key->path[at + wanted] != '\\'))
                continue;
            memcpy(part, key->path + at, wanted);
            part[wanted] = '\0';
            if (po_text_is_equal_nocase(part, PRODUCT_KEY))
                return true;
        }
    }
    return false;
}

/* req: B3 */
static enum po_status
check_registry(struct po_doctor *doctor, struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_reg *reg = NULL;
    struct po_err why;
    int64_t write_time = 0;
    enum po_status st;

    if (doctor->host->ops->place(doctor->host, PO_PART_REGISTRY) == NULL) {
        po_doctor_say(doctor, PO_CHECK_NOTE, "registry", "the site has none");
        return PO_OK;
    }
    st = doctor->host->ops->registry_export(doctor->host, &bytes, &write_time, &why);
    if (st == PO_OK)
        st = po_reg_parse(&reg, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, &why);
    if (st == PO_E_NOMEM)
        *err = why;
    else if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "registry", "%s", why.text);
    else if (!has_product_key(reg))
        po_doctor_say(doctor, PO_CHECK_WARNING, "registry",
                      "%zu keys, but no Software.com\\Post.Office among them", reg->key_count);
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "registry", "%zu keys, %zu values", reg->key_count,
                      reg->value_count);
    po_reg_free(reg);
    po_buf_deinit(&bytes);
    return st == PO_E_NOMEM ? st : PO_OK;
}

/* Names, retention and the order of mail in an archive go by the clock. */
static enum po_status
check_clock(struct po_doctor *doctor, struct po_err *err)
{
    int64_t now = po_sys_now();
    struct po_buf text = { 0 };
    enum po_status st;

    po_sys_put_local_time(&text, now);
    if (now < YEAR_2025) {
        po_doctor_say(doctor, PO_CHECK_BAD, "clock", "it says %s", po_buf_text(&text));
    } else if (doctor->newest != POBACKUP_TIME_UNKNOWN && doctor->newest > now + DAY) {
        po_buf_put_text(&text, "; ");
        po_text_put_name(&text, doctor->newest_path.bytes, doctor->newest_path.size);
        po_buf_put_text(&text, " was written at ");
        po_sys_put_local_time(&text, doctor->newest);
        po_doctor_say(doctor, PO_CHECK_WARNING, "clock",
                      "it says %s: one of the two is wrong, and a changed file may go unnoticed",
                      po_buf_text(&text));
    } else {
        po_doctor_say(doctor, PO_CHECK_GOOD, "clock", "%s", po_buf_text(&text));
    }
    st = po_buf_check(&text, err);
    po_buf_deinit(&text);
    return st;
}

/* Of the site itself. */
static enum po_status
check_site(struct po_doctor *doctor, const struct po_doctor_options *options, struct po_err *err)
{
    enum po_status st;

    check_rights(doctor);
    check_services(doctor);
    st = check_registry(doctor, err);
    if (st == PO_OK)
        st = po_doctor_trees(doctor, err);
    if (st == PO_OK)
        st = po_doctor_product(doctor, err);
    if (st == PO_OK)
        st = options->journal_dir == NULL ? PO_OK
                                          : po_doctor_pending(doctor, options->journal_dir, err);
    if (st == PO_OK)
        st = po_doctor_leftovers(doctor, err);
    if (st == PO_OK && options->lock_path != NULL)
        st = po_doctor_lock(doctor, options->lock_path, err);
    if (st == PO_OK)
        st = po_doctor_queue(doctor, err);
    if (st == PO_OK)
        st = check_clock(doctor, err);
    if (st == PO_OK)
        po_doctor_disk(doctor);
    return st;
}

enum po_status
po_doctor_run(struct po_host *host, const struct po_doctor_options *options, po_check_fn each,
              void *ctx, enum po_check_state *worst, struct po_err *err)
{
    struct po_doctor doctor = { .host = host,
                                .each = each,
                                .ctx = ctx,
                                .history = options->history,
                                .site = host->ops->identity(host),
                                .now = options->now != 0 ? options->now : po_sys_now(),
                                .newest = POBACKUP_TIME_UNKNOWN };
    enum po_status st = check_site(&doctor, options, err);

    if (st == PO_OK)
        st = options->target != NULL ? po_doctor_check_target(&doctor, options->target, err)
                                     : po_doctor_usual_target(&doctor, err);
    if (st == PO_OK) {
        po_doctor_history(&doctor);
        *worst = doctor.worst;
    }
    po_recovery_deinit(&doctor.recovery);
    po_buf_deinit(&doctor.newest_path);
    return st;
}
