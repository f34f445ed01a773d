#include "engine/prune.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/watch.h"

#include <string.h>

#define NONE PO_RETENTION_NONE
#define FULL_ENDING "-full" PO_VAULT_ENDING

/* Made by tools of this program, they are of no use without the archive. */
static const char *const sidecars[] = { ".rec", ".minisig", ".checklist.txt" };

void
po_prune_plan_free(struct po_prune_plan *plan)
{
    if (plan == NULL)
        return;
    po_mem_free(plan->rows);
    po_mem_free(plan->verdicts);
    po_mem_free(plan->order);
    po_mem_free(plan->is_forgotten);
    po_mem_free(plan);
}

/* ---- the plan ---- */

static enum po_status
note_forgotten(struct po_prune_plan *plan, const struct po_prune_options *options,
               struct po_err *err)
{
    for (size_t i = 0; i < options->forget_count; i++) {
        uint32_t row = po_vault_find(plan->vault, options->forget[i]);

        if (row == NONE)
            return po_fail(err, PO_E_USAGE, "%s: no archive of this vault has this file name",
                           options->forget[i]);
        plan->is_forgotten[row] = true;
    }
    return PO_OK;
}

static void
fill_row(struct po_prune_plan *plan, uint32_t number)
{
    const struct po_vault_row *from = &plan->vault->rows[number];
    const struct po_trailer *trailer = &from->peek.trailer;
    const struct po_manifest_core *manifest = &from->peek.manifest;

    plan->rows[number] =
        (struct po_retention_row){ .created = trailer->created,
                                   .group = from->group,
                                   .is_diff = manifest->is_diff,
                                   .is_forgotten = plan->is_forgotten[number],
                                   .is_incomplete = from->is_known_incomplete || from->missing > 0,
                                   .is_damaged = from->is_damaged,
                                   .is_verified = from->is_verified,
                                   .bytes = trailer->content_bytes,
                                   .entries = trailer->entry_count,
                                   .copy_of = from->copy_of,
                                   .purpose = manifest->purpose,
                                   .parents = from->parents,
                                   .parent_count = manifest->parent_count };
}

static bool
is_full_by_name(const char *name)
{
    size_t size = strlen(name);

    return size >= strlen(FULL_ENDING) &&
           po_text_is_equal_nocase(name + size - strlen(FULL_ENDING), FULL_ENDING);
}

/*
 * One that is damaged, or of a newer format, may still be of use, and then needs the full before it:
 * of each group the last one that was there when it was written, and all since.
 */
static void
keep_for(struct po_prune_plan *plan, const struct po_vault_problem *problem)
{
    const struct po_vault *vault = plan->vault;

    for (uint32_t group = 0; group < vault->group_count; group++) {
        uint32_t first = NONE;

        for (uint32_t i = 0; i < vault->count; i++)
            if (plan->rows[i].group == group && !plan->rows[i].is_diff &&
                plan->rows[i].created <= problem->write_time)
                first = i;
        for (uint32_t i = first; first != NONE && i < vault->count; i++)
            if (plan->rows[i].group == group && plan->rows[i].created <= problem->write_time)
                plan->rows[i].is_needed = true;
    }
}

static enum po_status
note_problems(struct po_prune_plan *plan, struct po_err *err)
{
    const struct po_vault *vault = plan->vault;

    for (uint32_t i = 0; i < vault->problem_count; i++) {
        const struct po_vault_problem *problem = &vault->problems[i];

        if (problem->fault == PO_VAULT_UNREADABLE)
            return po_fail(err, PO_E_IO,
                           "%s cannot be read, so it is not known which archives it needs: nothing "
                           "is removed: %s",
                           problem->name, problem->reason);
        if ((problem->fault == PO_VAULT_DAMAGED || problem->fault == PO_VAULT_NEWER) &&
            !is_full_by_name(problem->name))
            keep_for(plan, problem);
    }
    return PO_OK;
}

enum po_status
po_prune_plan_new(struct po_prune_plan **out, const struct po_vault *vault,
                  const struct po_prune_options *options, struct po_err *err)
{
    struct po_prune_plan *plan = po_mem_new(1, sizeof *plan);
    size_t count = vault->count;
    enum po_status st;

    if (plan == NULL)
        return po_fail_nomem(err, sizeof *plan);
    plan->vault = vault;
    plan->rows = po_mem_new(count, sizeof *plan->rows);
    plan->verdicts = po_mem_new(count, sizeof *plan->verdicts);
    plan->order = po_mem_new(count, sizeof *plan->order);
    plan->is_forgotten = po_mem_new(count, sizeof *plan->is_forgotten);
    st = plan->rows == NULL || plan->verdicts == NULL || plan->order == NULL ||
                 plan->is_forgotten == NULL
             ? po_fail_nomem(err, count * sizeof *plan->rows)
             : note_forgotten(plan, options, err);
    for (uint32_t i = 0; st == PO_OK && i < vault->count; i++)
        fill_row(plan, i);
    if (st == PO_OK)
        st = note_problems(plan, err);
    if (st == PO_OK)
        st = po_retention_decide(plan->rows, vault->count, &options->rules, options->now,
                                 options->local_day, options->local_day_ctx, plan->verdicts,
                                 plan->order, &plan->removed, err);
    if (st == PO_OK) {
        *out = plan;
        plan = NULL;
    }
    po_prune_plan_free(plan);
    return st;
}

/* ---- the removal ---- */

struct removal {
    const struct po_prune_plan *plan;
    po_prune_fn each;
    void *ctx;
    struct po_prune_result *result;
    bool *is_stuck;   /* must go, and is still there */
    bool *was_before; /* it has a child that is gone, but perhaps not on disk yet */
};

/* Of each row that stays: the parents, by the digests that were read then. */
static enum po_status
check_parents(const struct po_prune_plan *plan, const struct po_watch *watch, struct po_err *err)
{
    const struct po_vault *vault = plan->vault;

    for (uint32_t i = 0; i < vault->count; i++) {
        enum po_status st = po_watch_check(watch, err);

        if (st == PO_OK && (plan->verdicts[i].reasons & PO_KEEP_PARENT) != 0) {
            st = po_vault_recheck(vault, i, err);
            if (st != PO_OK)
                (void)po_err_prefix(err, "%s, which others need: nothing was removed",
                                    vault->rows[i].name);
        }
        if (st != PO_OK)
            return st;
    }
    return PO_OK;
}

static void
tell(struct removal *removal, uint32_t row, const char *name, const struct po_err *failure)
{
    removal->result->failed += failure != NULL;
    removal->each(removal->ctx, row, name, failure);
}

/* The one that needs the row and could not be removed, or NONE. */
static uint32_t
stuck_child(const struct removal *removal, uint32_t row)
{
    const struct po_vault *vault = removal->plan->vault;

    for (uint32_t i = 0; i < vault->count; i++)
        for (size_t k = 0; removal->is_stuck[i] && k < vault->rows[i].peek.manifest.parent_count;
             k++)
            if (vault->rows[i].parents[k] == row)
                return i;
    return NONE;
}

static enum po_status
remove_file(const struct po_vault *vault, const char *name, struct po_err *err)
{
    return po_dir_remove(vault->dir, name, strlen(name), err);
}

/* A power cut must not bring the child back without its parent. */
static enum po_status
remove_archive(struct removal *removal, uint32_t row, struct po_err *err)
{
    const struct po_vault *vault = removal->plan->vault;
    uint32_t child = stuck_child(removal, row);
    enum po_status st = PO_OK;

    if (child != NONE)
        return po_fail(err, PO_E_IO, "%s, which needs it, could not be removed",
                       vault->rows[child].name);
    if (removal->was_before[row])
        st = po_dir_sync(vault->dir, err);
    if (st == PO_OK)
        st = po_vault_recheck(vault, row, err);
    return st == PO_OK ? remove_file(vault, vault->rows[row].name, err) : st;
}

/* What goes with an archive that is gone; left behind it does no harm. */
static enum po_status
remove_sidecars(struct removal *removal, uint32_t row, struct po_err *err)
{
    const struct po_vault *vault = removal->plan->vault;
    struct po_buf name = { 0 };
    enum po_status st = PO_OK;

    for (size_t i = 0; i < sizeof sidecars / sizeof sidecars[0] && st == PO_OK; i++) {
        struct po_node_info info = { 0 };
        struct po_err why;
        bool exists = false;

        po_buf_clear(&name);
        po_buf_printf(&name, "%s%s", vault->rows[row].name, sidecars[i]);
        st = po_buf_check(&name, err);
        if (st != PO_OK)
            break;
        if (po_dir_stat(vault->dir, po_buf_text(&name), name.size, &info, &exists, &why) != PO_OK)
            tell(removal, row, po_buf_text(&name), &why);
        else if (exists && info.type == PO_NODE_FILE)
            tell(removal, row, po_buf_text(&name),
                 remove_file(vault, po_buf_text(&name), &why) == PO_OK ? NULL : &why);
    }
    po_buf_deinit(&name);
    return st;
}

static enum po_status
remove_row(struct removal *removal, uint32_t row, struct po_err *err)
{
    const struct po_vault_row *of = &removal->plan->vault->rows[row];
    struct po_err why;

    if (remove_archive(removal, row, &why) != PO_OK) {
        removal->is_stuck[row] = true;
        tell(removal, row, of->name, &why);
        return PO_OK;
    }
    removal->result->removed++;
    removal->result->bytes += of->file_bytes;
    for (size_t i = 0; i < of->peek.manifest.parent_count; i++)
        if (of->parents[i] != NONE)
            removal->was_before[of->parents[i]] = true;
    tell(removal, row, of->name, NULL);
    return remove_sidecars(removal, row, err);
}

enum po_status
po_prune_run(const struct po_prune_plan *plan, po_prune_fn each, void *ctx,
             const struct po_watch *watch, struct po_prune_result *result, struct po_err *err)
{
    struct removal removal = { .plan = plan,
                               .each = each,
                               .ctx = ctx,
                               .result = result,
                               .is_stuck = po_mem_new(plan->vault->count, sizeof(bool)),
                               .was_before = po_mem_new(plan->vault->count, sizeof(bool)) };
    enum po_status st = removal.is_stuck == NULL || removal.was_before == NULL
                            ? po_fail_nomem(err, plan->vault->count)
                            : check_parents(plan, watch, err);

    *result = (struct po_prune_result){ 0 };
    for (uint32_t i = 0; st == PO_OK && i < plan->removed; i++) {
        st = po_watch_check(watch, err);
        if (st == PO_OK)
            st = remove_row(&removal, plan->order[i], err);
    }
    if (st == PO_OK && result->removed > 0)
        st = po_dir_sync(plan->vault->dir, err);
    po_mem_free(removal.is_stuck);
    po_mem_free(removal.was_before);
    return st;
}
