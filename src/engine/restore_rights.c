/*
 * Who may read what (req: R7), on hosts that have such rights. As recorded: on each staged file and
 * directory while the services still run, so that they come into place with the renames; directories
 * that were there before get theirs in the commit. By the default rule or poperms: on whole trees,
 * once all is in place. In any case a new directory of the stage first gets the rights of the one
 * whose place it will have: so what is made in it inherits what it would have inherited there.
 */
#include "base/mem.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* req: R7. What poperms does in a minute (guide). */
#define POPERMS_FILES_A_MINUTE UINT64_C(4000)
#define POPERMS_TELL_SECONDS 60.0
#define DEFAULT_TELL_FILES UINT64_C(10000)

/* ---- deciding ---- */

static bool
has_recorded(const struct po_host_descriptors *descriptors)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;

    for (uint32_t i = 0; i < descriptors->count; i++)
        if (descriptors->at(descriptors->ctx, i, &bytes, &size))
            return true;
    return false;
}

/* For a few files alone, the rights of whole trees are not touched unless that was asked for. */
static enum po_rights
choose(const struct po_restore *r, bool is_recorded)
{
    if (is_recorded)
        return PO_RIGHTS_RECORDED;
    if (r->options->pattern_count > 0)
        return PO_RIGHTS_KEEP;
    return r->host->ops->rights->has_poperms(r->host) ? PO_RIGHTS_POPERMS : PO_RIGHTS_DEFAULT;
}

static enum po_status
map_accounts(struct po_restore *r, const struct po_host_descriptors *descriptors,
             struct po_err *err)
{
    struct po_restore_rights *rights = &r->result->rights;
    struct po_buf choices = { 0 };
    struct po_err failure;
    enum po_status st;

    st = r->host->ops->rights->prepare(r->host, &r->origin.origin, descriptors, &choices,
                                       &rights->unknown_count, &failure);
    if (st == PO_E_NOMEM)
        *err = failure;
    else if (st != PO_OK)
        st = po_restore_reason(r, err, st, "rights: %s", failure.text);
    else
        r->sets_recorded = true;
    if (r->sets_recorded && choices.size > 0) {
        rights->choices = po_mem_strdup(po_buf_text(&choices));
        if (rights->choices == NULL)
            st = po_fail_nomem(err, choices.size);
    }
    po_buf_deinit(&choices);
    return st;
}

enum po_status
po_restore_rights_plan(struct po_restore *r, struct po_err *err)
{
    const struct po_host_descriptors descriptors = po_accounts_of_index(r->reader->index);
    struct po_restore_rights *rights = &r->result->rights;
    bool is_recorded = has_recorded(&descriptors);

    if (r->host->ops->rights == NULL)
        return r->options->rights_only
                   ? po_restore_reason(r, err, PO_E_USAGE,
                                       "rights: this site has none that are set apart")
                   : PO_OK;
    if (r->tree_count == 0 && !r->options->rights_only)
        return PO_OK; /* the registry alone */
    rights->is_wanted = true;
    rights->rights = r->options->rights != NULL ? *r->options->rights : choose(r, is_recorded);
    if (rights->rights == PO_RIGHTS_RECORDED && !is_recorded)
        return po_restore_reason(r, err, PO_E_USAGE,
                                 "rights: the archive recorded none of Windows; ask for others");
    if (rights->rights == PO_RIGHTS_POPERMS && !r->host->ops->rights->has_poperms(r->host))
        return po_restore_reason(r, err, PO_E_USAGE,
                                 "rights: there is no others\\poperms.exe in bin");
    return rights->rights == PO_RIGHTS_RECORDED ? map_accounts(r, &descriptors, err) : PO_OK;
}

/* ---- as recorded ---- */

static enum po_status
set_recorded(struct po_restore *r, uint32_t entry, struct po_dir *dir, const char *path,
             size_t path_size, struct po_err *err)
{
    uint32_t number = po_index_security(r->reader->index, entry);
    enum po_status st = PO_OK;

    if (r->sets_recorded && number != 0)
        st = r->host->ops->rights->set(r->host, number - 1, dir, path, path_size, err);
    return st == PO_OK ? st : po_err_prefix(err, "rights");
}

/* ---- staged ---- */

/* The tree that an entry is in, and where in it; NULL when in none. */
static const struct po_restore_tree *
tree_of(const struct po_restore *r, uint32_t entry, const char **sub, size_t *sub_size)
{
    size_t size;
    const char *path = po_index_path(r->reader->index, entry, &size);

    for (size_t i = 0; i < r->tree_count; i++) {
        const struct po_restore_tree *tree = &r->trees[i];

        if (size < tree->member_size || memcmp(path, tree->member, tree->member_size) != 0 ||
            (size > tree->member_size && path[tree->member_size] != '/'))
            continue;
        *sub = size > tree->member_size ? path + tree->member_size + 1 : "";
        *sub_size = size > tree->member_size ? size - tree->member_size - 1 : 0;
        return tree;
    }
    return NULL;
}

/* A directory of the stage gets the rights of the one in the site, if there is one. */
static enum po_status
copy_live(struct po_restore *r, uint32_t entry, struct po_dir *dir, const char *path,
          size_t path_size, struct po_err *err)
{
    const char *sub = "";
    size_t sub_size = 0;
    const struct po_restore_tree *tree = tree_of(r, entry, &sub, &sub_size);
    struct po_buf live = { 0 };
    struct po_buf bytes = { 0 };
    struct po_node_info info;
    bool exists = false;
    enum po_status st = PO_OK;

    if (tree == NULL || !tree->exists)
        return PO_OK;
    po_restore_live_path(tree, sub, sub_size, &live);
    st = po_buf_check(&live, err);
    if (st == PO_OK)
        st = po_dir_stat(tree->base->dir, po_buf_text(&live), live.size, &info, &exists, err);
    if (st == PO_OK && exists && info.type == PO_NODE_DIRECTORY)
        st = po_dir_put_security(tree->base->dir, po_buf_text(&live), live.size, &bytes, err);
    if (st == PO_OK && bytes.size > 0)
        st = r->host->ops->rights->set_former(r->host, bytes.bytes, bytes.size, dir, path,
                                              path_size, err);
    po_buf_deinit(&live);
    po_buf_deinit(&bytes);
    return st == PO_OK ? st : po_err_prefix(err, "rights");
}

enum po_status
po_restore_rights_node(void *ctx, enum po_target_moment moment, uint32_t entry, struct po_dir *dir,
                       const char *path, size_t path_size, struct po_err *err)
{
    struct po_restore *r = ctx;

    return moment == PO_TARGET_NEW_DIRECTORY ? copy_live(r, entry, dir, path, path_size, err)
                                             : set_recorded(r, entry, dir, path, path_size, err);
}

/* ---- directories that were there ---- */

enum po_status
po_restore_rights_note(struct po_restore *r, uint32_t entry, struct po_dir *dir,
                       struct po_restore_former *former, struct po_err *err)
{
    struct po_buf *securities = &r->log.securities;
    struct po_err failure;

    former->security_start = securities->size;
    if (!r->sets_recorded || entry == PO_NONE || po_index_security(r->reader->index, entry) == 0)
        return PO_OK;
    /* What cannot be read could not be put back: then it is not set, which is told. */
    if (po_dir_put_security(dir, "", 0, securities, &failure) != PO_OK)
        securities->size = former->security_start;
    former->security_size = securities->size - former->security_start;
    return po_buf_check(securities, err);
}

enum po_status
po_restore_rights_entered(struct po_restore *r, uint32_t entry, struct po_dir *dir,
                          const char *path, size_t path_size,
                          const struct po_restore_former *former, struct po_err *err)
{
    if (!r->sets_recorded || po_index_security(r->reader->index, entry) == 0)
        return PO_OK;
    if (former->security_size == 0)
        return po_fail(err, PO_E_IO, "rights: those that it has cannot be read, so they stay");
    return set_recorded(r, entry, dir, path, path_size, err);
}

/* ---- whole trees ---- */

/* An item without a name in the archive is worth a warning when it cannot even be noted. */
static void
tell_problem(struct po_restore *r, const char *path, size_t size, const char *text)
{
    struct po_err ignored;

    if (po_restore_problem(r, path, size, text, &ignored) != PO_OK)
        po_watch_warning(r->watch, text);
}

struct applying {
    struct po_restore *r;
    double told; /* seconds of waiting */
};

static enum po_status
note_problem(void *ctx, enum po_part part, const char *path, size_t size,
             const struct po_err *failure, struct po_err *err)
{
    struct po_restore *r = ((const struct applying *)ctx)->r;
    struct po_buf name = { 0 };
    struct po_err told = *failure;
    enum po_status st;

    po_buf_put_text(&name, po_part_member(part));
    if (size > 0)
        po_restore_put(&name, path, size);
    st = po_buf_check(&name, err);
    if (st == PO_OK) {
        (void)po_err_prefix(&told, "rights");
        st = po_restore_problem(r, po_buf_text(&name), name.size, told.text, err);
    }
    po_buf_deinit(&name);
    return st;
}

static void
tell_progress(void *ctx, uint64_t done)
{
    const struct po_restore *r = ((const struct applying *)ctx)->r;

    if (done % DEFAULT_TELL_FILES == 0)
        po_watch_progress(r->watch, 0, 0, done, 0);
}

static void
tell_waiting(void *ctx, double seconds)
{
    struct applying *applying = ctx;
    char text[96];

    if (seconds - applying->told < POPERMS_TELL_SECONDS)
        return;
    applying->told = seconds;
    (void)snprintf(text, sizeof text, "setting rights: poperms.exe has run for %.0f minutes",
                   seconds / 60);
    po_watch_phase(applying->r->watch, text);
}

static void
tell_start(const struct po_restore *r)
{
    uint64_t files = 0;
    char text[128];

    if (r->result->rights.rights != PO_RIGHTS_POPERMS) {
        po_watch_phase(r->watch, "setting rights");
        return;
    }
    for (int i = 0; i < PO_PART_COUNT; i++)
        files += r->result->parts[i].files + r->result->parts[i].left;
    (void)snprintf(text, sizeof text, "setting rights with poperms.exe (some %llu minutes)",
                   (unsigned long long)(files / POPERMS_FILES_A_MINUTE + 1));
    po_watch_phase(r->watch, text);
}

static enum po_status
apply_rule(struct po_restore *r, struct po_err *err)
{
    struct applying applying = { .r = r };
    const struct po_host_rights_watch watch = { .progress = tell_progress,
                                                .waiting = tell_waiting,
                                                .problem = note_problem,
                                                .ctx = &applying,
                                                .cancel =
                                                    r->watch == NULL ? NULL : r->watch->cancel };

    return r->host->ops->rights->apply(r->host, r->result->rights.rights, r->options->parts, &watch,
                                       &r->result->rights.set, err);
}

/* What is there of the archive's entries; the rest is nobody's problem here. */
static enum po_status
set_tree(struct po_restore *r, enum po_part part, struct po_dir *dir, struct po_err *err)
{
    const struct po_index *index = r->reader->index;
    const char *member = po_part_member(part);
    size_t member_size = strlen(member);
    enum po_status st = PO_OK;

    for (uint32_t i = po_index_lower_bound(index, member, member_size);
         i < index->count && st == PO_OK; i++) {
        struct po_err failure;
        size_t size;
        const char *path = po_index_path(index, i, &size);
        bool is_root = size == member_size;

        if (size < member_size || memcmp(path, member, member_size) != 0)
            break;
        if (r->wanted[i] == 0 || (!is_root && path[member_size] != '/'))
            continue;
        st = po_watch_check(r->watch, err);
        if (st != PO_OK)
            return st;
        if (set_recorded(r, i, dir, is_root ? "" : path + member_size + 1,
                         is_root ? 0 : size - member_size - 1, &failure) == PO_OK)
            r->result->rights.set++;
        else if (failure.os_code != ENOENT && failure.os_code != ENOTDIR)
            st = po_restore_problem(r, path, size, failure.text, err);
    }
    return st;
}

/* Without restoring anything: on what is there now. */
static enum po_status
set_recorded_only(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++) {
        const char *place = r->host->ops->place(r->host, (enum po_part)part);
        struct po_dir *dir = NULL;

        if (!r->options->parts[part] || place == NULL)
            continue;
        st = po_dir_open(&dir, place, err);
        if (st == PO_OK)
            st = set_tree(r, (enum po_part)part, dir, err);
        po_dir_free(dir);
    }
    return st;
}

void
po_restore_rights_apply(struct po_restore *r)
{
    const struct po_restore_rights *rights = &r->result->rights;
    struct po_err failure;
    enum po_status st = PO_OK;

    if (!rights->is_wanted)
        return;
    if (po_restore_rights_are_rule(r)) {
        tell_start(r);
        st = apply_rule(r, &failure);
    } else if (rights->rights == PO_RIGHTS_RECORDED && r->options->rights_only) {
        tell_start(r);
        st = set_recorded_only(r, &failure);
    }
    if (st != PO_OK)
        tell_problem(r, "rights", sizeof("rights") - 1, failure.text);
}
