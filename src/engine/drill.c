#include "engine/drill.h"

#include "archive/layout.h"
#include "engine/diff.h"
#include "engine/restore.h"
#include "engine/watch.h"
#include "port/sys.h"
#include "registry/reg.h"

#include <stdio.h>
#include <string.h>

void
po_drill_result_deinit(struct po_drill_result *result)
{
    po_problems_deinit(&result->faults);
    po_problems_deinit(&result->notes);
}

/* ---- restoring ---- */

/* What the archive has; a set without a spool, say, is restored without one. */
static bool
has_member(const struct po_index *index, enum po_part part)
{
    const char *member = po_part_member(part);

    return po_index_find(index, member, strlen(member)) != PO_NONE;
}

static enum po_status
take_problems(struct po_drill_result *result, const struct po_problems *problems,
              struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < problems->count && st == PO_OK; i++)
        st = po_problems_add(&result->faults, problems->items[i].path, problems->items[i].path_size,
                             problems->items[i].reason, err);
    return st;
}

static enum po_status
restore(const struct po_reader *reader, struct po_host *host,
        const struct po_drill_options *options, const struct po_watch *watch,
        struct po_drill_result *result, struct po_err *err)
{
    struct po_restore_options how = { .is_exact = true,
                                      .is_registry_exact = true,
                                      .no_services = true,
                                      .has_parents = options->has_parents,
                                      .is_verified = options->has_parents,
                                      .threads = options->threads,
                                      .archive_name = "" };
    struct po_restore_result restored = { .outage_seconds = -1 };
    double start = po_sys_monotonic();
    enum po_status st;

    for (int part = 0; part < PO_PART_COUNT; part++)
        how.parts[part] = has_member(reader->index, (enum po_part)part);
    result->has_registry = how.parts[PO_PART_REGISTRY];
    st = po_restore_run(reader, host, &how, watch, &restored, err);
    if (st == PO_OK)
        st = take_problems(result, &restored.problems, err);
    for (int part = 0; part < PO_PART_COUNT; part++) {
        result->files += restored.parts[part].files;
        result->bytes += restored.parts[part].bytes;
    }
    result->streams_left = restored.streams_left;
    result->restore_seconds = po_sys_monotonic() - start;
    po_restore_result_deinit(&restored);
    return st;
}

/* ---- comparing ---- */

/* A po_diff_fn. */
static enum po_status
note_difference(void *ctx, enum po_diff_kind kind, const char *path, size_t path_size,
                const char *what, struct po_err *err)
{
    static const char *const kinds[] = { [PO_DIFF_ADDED] = "is there, and not in the archive",
                                         [PO_DIFF_REMOVED] = "is missing",
                                         [PO_DIFF_CHANGED] = "is another" };
    struct po_drill_result *result = ctx;
    char text[512];

    /* Where alternate streams cannot be, none is missed: they are counted. */
    if (kind == PO_DIFF_REMOVED && strcmp(what, "alternate stream") == 0 &&
        result->streams_left > 0)
        return PO_OK;
    (void)snprintf(text, sizeof text, "restored, its %.400s %s", what, kinds[kind]);
    return po_problems_add(&result->faults, path, path_size, text, err);
}

static enum po_status
compare(const struct po_reader *reader, struct po_host *host, const struct po_watch *watch,
        struct po_drill_result *result, struct po_err *err)
{
    struct po_diff_result diff = { 0 };
    double start = po_sys_monotonic();
    enum po_status st = po_diff_site(reader, host, note_difference, result, watch, &diff, err);

    result->same = diff.same;
    if (st == PO_OK && diff.unreadable > 0)
        st =
            po_problems_add(&result->faults, "", 0, "files that were restored cannot be read", err);
    result->compare_seconds = po_sys_monotonic() - start;
    return st;
}

/* ---- examining ---- */

static enum po_status
parse_registry(struct po_host *host, struct po_drill_result *result, struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_reg *reg = NULL;
    struct po_err why = { 0 };
    int64_t time;
    enum po_status st = host->ops->registry_export(host, &bytes, &time, &why);

    if (st == PO_OK)
        st = po_reg_parse(&reg, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, &why);
    po_reg_free(reg);
    po_buf_deinit(&bytes);
    if (st == PO_E_NOMEM) {
        *err = why;
        return st;
    }
    return st == PO_OK ? PO_OK
                       : po_problems_add(&result->faults, po_part_member(PO_PART_REGISTRY),
                                         strlen(po_part_member(PO_PART_REGISTRY)), why.text, err);
}

struct examination {
    struct po_drill_result *result;
    struct po_err failure;
};

/* A po_check_fn. What is only so because this is a scratch site is none of the archive's. */
static void
take_check(void *ctx, enum po_check_state state, const char *id, const char *text)
{
    static const char *const apart[] = { "services", "backup", "verified", "uninstall",
                                         "rights",   "volume", "target",   "space" };
    struct examination *examination = ctx;
    struct po_drill_result *result = examination->result;

    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++)
        if (strcmp(id, apart[i]) == 0)
            return;
    if (state < PO_CHECK_WARNING || examination->failure.status != PO_OK)
        return;
    (void)!po_problems_add(state == PO_CHECK_BAD ? &result->faults : &result->notes, id, strlen(id),
                           text, &examination->failure);
}

static enum po_status
examine(struct po_host *host, struct po_drill_result *result, struct po_err *err)
{
    const struct po_doctor_options options = { 0 };
    struct examination examination = { .result = result };
    enum po_check_state worst;
    enum po_status st = po_doctor_run(host, &options, take_check, &examination, &worst, err);

    if (st == PO_OK && examination.failure.status != PO_OK) {
        *err = examination.failure;
        st = err->status;
    }
    return st;
}

enum po_status
po_drill_run(const struct po_reader *reader, struct po_host *host,
             const struct po_drill_options *options, const struct po_watch *watch,
             struct po_drill_result *result, struct po_err *err)
{
    enum po_status st;

    *result = (struct po_drill_result){ 0 };
    st = restore(reader, host, options, watch, result, err);
    if (st == PO_OK)
        st = compare(reader, host, watch, result, err);
    if (st == PO_OK && result->has_registry)
        st = parse_registry(host, result, err);
    if (st == PO_OK) {
        po_watch_phase(watch, "examining the site");
        st = examine(host, result, err);
    }
    return st;
}
