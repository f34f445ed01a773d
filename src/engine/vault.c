#include "engine/vault.h"

#include "base/mem.h"
#include "base/sort.h"
#include "base/text.h"
#include "engine/watch.h"

#include <stdio.h>
#include <string.h>

#define NONE PO_RETENTION_NONE
#define ROWS_MAX (1u << 20)
#define OUR_BEGINNING "postoffice-" /* of a name that a backup gives */

static void
row_deinit(struct po_vault_row *row)
{
    po_mem_free(row->name);
    po_mem_free(row->parents);
    po_peek_deinit(&row->peek);
}

void
po_vault_free(struct po_vault *vault)
{
    if (vault == NULL)
        return;
    for (uint32_t i = 0; i < vault->count; i++)
        row_deinit(&vault->rows[i]);
    for (uint32_t i = 0; i < vault->problem_count; i++) {
        po_mem_free(vault->problems[i].name);
        po_mem_free(vault->problems[i].reason);
    }
    po_mem_free(vault->rows);
    po_mem_free(vault->problems);
    po_dir_free(vault->dir);
    po_mem_free(vault);
}

const char *
po_vault_fault_name(enum po_vault_fault fault)
{
    static const char *const names[] = { "damaged", "newer", "foreign", "unreadable", "partial" };

    return names[fault];
}

uint32_t
po_vault_find(const struct po_vault *vault, const char *name)
{
    for (uint32_t i = 0; i < vault->count; i++)
        if (strcmp(vault->rows[i].name, name) == 0)
            return i;
    return NONE;
}

/* ---- a file as a blob ---- */

static enum po_status
read_at(void *ctx, uint64_t offset, void *bytes, size_t size, struct po_err *err)
{
    size_t got = 0;
    enum po_status st = po_file_read_at(ctx, offset, bytes, size, &got, err);

    if (st == PO_OK && got < size)
        st = po_fail(err, PO_E_IO, "shorter than when it was opened");
    return st;
}

/* By the directory's handle, and through no link. */
static enum po_status
open_file(const struct po_vault *vault, const char *name, struct po_file **file,
          struct pobackup_blob *blob, struct po_err *err)
{
    struct po_node_info info;
    enum po_status st = po_file_open(file, vault->dir, name, strlen(name), PO_FILE_READ, 0, err);

    if (st == PO_OK)
        st = po_file_info(*file, &info, err);
    if (st == PO_OK)
        *blob = (struct pobackup_blob){ .ctx = *file, .size = info.size, .read_at = read_at };
    return st;
}

enum po_status
po_vault_recheck(const struct po_vault *vault, uint32_t row, struct po_err *err)
{
    const struct po_vault_row *of = &vault->rows[row];
    struct po_file *file = NULL;
    struct pobackup_blob blob = { 0 };
    uint8_t digest[PO_DIGEST_SIZE];
    enum po_status st = open_file(vault, of->name, &file, &blob, err);

    if (st == PO_OK)
        st = po_peek_digest(digest, &blob, err);
    if (st == PO_OK && memcmp(digest, of->peek.digest, sizeof digest) != 0)
        st = po_fail(err, PO_E_FORMAT, "another archive has this name now");
    po_file_free(file);
    return st;
}

/* ---- listing ---- */

struct listing {
    struct po_vault *vault;
    const struct po_watch *watch;
};

/* Room for one more; the array may move. */
static enum po_status
reserve(void **array, size_t *capacity, uint32_t count, size_t size, struct po_err *err)
{
    size_t more = *capacity == 0 ? 32 : *capacity * 2;
    void *larger;

    if (count < *capacity)
        return PO_OK;
    if (count >= ROWS_MAX)
        return po_fail(err, PO_E_USAGE, "more than %u archives", ROWS_MAX);
    larger = po_mem_resize(*array, more, size);
    if (larger == NULL)
        return po_fail_nomem(err, more * size);
    *array = larger;
    *capacity = more;
    return PO_OK;
}

static enum po_status
add_problem(struct po_vault *vault, const char *name, enum po_vault_fault fault,
            const struct po_node_info *info, const char *reason, struct po_err *err)
{
    struct po_vault_problem problem = { .name = po_mem_strdup(name),
                                        .fault = fault,
                                        .file_bytes = info->size,
                                        .write_time = info->write_time,
                                        .reason = po_mem_strdup(reason) };
    void *array = vault->problems;
    enum po_status st =
        problem.name == NULL || problem.reason == NULL
            ? po_fail_nomem(err, strlen(name))
            : reserve(&array, &vault->problem_capacity, vault->problem_count, sizeof problem, err);

    vault->problems = array;
    if (st == PO_OK) {
        vault->problems[vault->problem_count++] = problem;
        return PO_OK;
    }
    po_mem_free(problem.name);
    po_mem_free(problem.reason);
    return st;
}

/* Messages end in the rule that is broken. */
static enum po_vault_fault
fault_of(const struct po_err *why)
{
    if (why->status == PO_E_FORMAT)
        return PO_VAULT_DAMAGED;
    if (why->status != PO_E_UNSUPPORTED)
        return PO_VAULT_UNREADABLE;
    return strstr(why->text, PO_RULE("FILE-3")) != NULL ||
                   strstr(why->text, PO_RULE("FILE-4")) != NULL
               ? PO_VAULT_FOREIGN
               : PO_VAULT_NEWER;
}

static bool
has_sidecar(const struct po_vault *vault, const char *name, const char *ending)
{
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;
    char path[512];
    int size = snprintf(path, sizeof(path), "%s%s", name, ending);

    return size > 0 && (size_t)size < sizeof(path) &&
           po_dir_stat(vault->dir, path, (size_t)size, &info, &exists, &ignored) == PO_OK && exists;
}

/* What has lost its beginning and its end looks like what never was an archive, but by its name, or by
 * what lies beside it. */
static enum po_vault_fault
fault_in(const struct po_vault *vault, const char *name, const struct po_err *why)
{
    enum po_vault_fault fault = fault_of(why);

    return fault == PO_VAULT_FOREIGN &&
                   (strncmp(name, OUR_BEGINNING, strlen(OUR_BEGINNING)) == 0 ||
                    has_sidecar(vault, name, ".rec") || has_sidecar(vault, name, ".minisig"))
               ? PO_VAULT_DAMAGED
               : fault;
}

static enum po_status
add_row(struct po_vault *vault, const char *name, const struct po_node_info *info,
        struct po_err *err)
{
    struct po_vault_row row = { .copy_of = NONE, .checked_at = POBACKUP_TIME_UNKNOWN };
    struct po_file *file = NULL;
    struct pobackup_blob blob = { 0 };
    struct po_err why;
    void *array = vault->rows;
    enum po_status st = open_file(vault, name, &file, &blob, &why);

    if (st == PO_OK)
        st = po_peek_read(&row.peek, &blob, &why);
    po_file_free(file);
    if (st == PO_E_NOMEM) {
        *err = why;
        return st;
    }
    if (st != PO_OK)
        return add_problem(vault, name, fault_in(vault, name, &why), info, why.text, err);
    row.file_bytes = blob.size;
    row.file_id = info->file_id;
    row.change_time = info->change_time;
    row.name = po_mem_strdup(name);
    row.parents = po_mem_new(row.peek.manifest.parent_count, sizeof *row.parents);
    st = row.name == NULL || row.parents == NULL
             ? po_fail_nomem(err, strlen(name))
             : reserve(&array, &vault->row_capacity, vault->count, sizeof row, err);
    vault->rows = array;
    if (st == PO_OK)
        vault->rows[vault->count++] = row;
    else
        row_deinit(&row);
    return st;
}

static bool
ends_in(const char *name, size_t size, const char *ending)
{
    size_t length = strlen(ending);

    return size > length && po_text_is_equal_nocase(name + size - length, ending);
}

static enum po_status
add_copy(struct listing *listing, const char *name, size_t size, const struct po_node_info *info,
         const struct po_err *failure, struct po_err *err)
{
    bool is_partial = ends_in(name, size, PO_VAULT_PARTIAL_ENDING);

    if (!is_partial && !ends_in(name, size, PO_VAULT_ENDING))
        return PO_OK;
    if (is_partial)
        return add_problem(listing->vault, name, PO_VAULT_PARTIAL, info,
                           "being written, or left by a backup that was killed", err);
    if (failure != NULL)
        return add_problem(listing->vault, name, PO_VAULT_UNREADABLE, info, failure->text, err);
    if (info->type != PO_NODE_FILE)
        return add_problem(listing->vault, name, PO_VAULT_UNREADABLE, info, "not a regular file",
                           err);
    return add_row(listing->vault, name, info, err);
}

static enum po_status
add(void *ctx, const char *name, size_t size, const struct po_node_info *info,
    const struct po_err *failure, struct po_err *err)
{
    struct listing *listing = ctx;
    char *copy;
    enum po_status st = po_watch_check(listing->watch, err);

    if (st != PO_OK)
        return st;
    copy = po_mem_copy(name, size);
    if (copy == NULL)
        return po_fail_nomem(err, size);
    st = add_copy(listing, copy, size, info, failure, err);
    po_mem_free(copy);
    return st;
}

/* ---- order ---- */

static int
compare_rows(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_vault_row *rows = ctx;
    int64_t one = rows[a].peek.trailer.created;
    int64_t other = rows[b].peek.trailer.created;

    if (one != other)
        return one < other ? -1 : 1;
    return strcmp(rows[a].name, rows[b].name);
}

static int
compare_problems(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_vault_problem *problems = ctx;

    return strcmp(problems[a].name, problems[b].name);
}

/* The array anew, in order. */
static enum po_status
sort(void **array, size_t size, uint32_t count, po_compare_fn compare, struct po_err *err)
{
    uint32_t *numbers = po_mem_new(count, sizeof *numbers);
    uint32_t *spare = po_mem_new(count, sizeof *spare);
    uint8_t *sorted = po_mem_new(count, size);
    enum po_status st = PO_OK;

    if (numbers == NULL || spare == NULL || sorted == NULL) {
        st = po_fail_nomem(err, count * size);
        goto done;
    }
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = i;
    po_sort_numbers(numbers, spare, count, compare, *array);
    for (uint32_t i = 0; i < count; i++)
        memcpy(sorted + i * size, (const uint8_t *)*array + numbers[i] * size, size);
    po_mem_free(*array);
    *array = sorted;
    sorted = NULL;
done:
    po_mem_free(numbers);
    po_mem_free(spare);
    po_mem_free(sorted);
    return st;
}

static enum po_status
sort_all(struct po_vault *vault, struct po_err *err)
{
    void *rows = vault->rows;
    void *problems = vault->problems;
    enum po_status st = sort(&rows, sizeof *vault->rows, vault->count, compare_rows, err);

    if (st == PO_OK)
        st = sort(&problems, sizeof *vault->problems, vault->problem_count, compare_problems, err);
    vault->rows = rows;
    vault->problems = problems;
    vault->row_capacity = vault->count;
    vault->problem_capacity = vault->problem_count;
    return st;
}

/* ---- what belongs together ---- */

static bool
is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_same_site(const struct po_manifest_core *a, const struct po_manifest_core *b)
{
    return is_same_text(a->host_name, b->host_name) && is_same_text(a->host_kind, b->host_kind) &&
           is_same_text(a->registry, b->registry) && is_same_text(a->bin, b->bin) &&
           is_same_text(a->spool, b->spool) && is_same_text(a->mailbox, b->mailbox);
}

static bool
is_named_by_us(const char *name)
{
    size_t size = strlen(name);

    return strncmp(name, OUR_BEGINNING, strlen(OUR_BEGINNING)) == 0 &&
           (ends_in(name, size, "-full" PO_VAULT_ENDING) ||
            ends_in(name, size, "-diff" PO_VAULT_ENDING));
}

/* Which of copies stands for all: the more, the rather. */
static int
rank_of(const struct po_vault_row *row)
{
    return row->is_named ? 2 : is_named_by_us(row->name) ? 1 : 0;
}

uint32_t
po_vault_find_digest(const struct po_vault *vault, const uint8_t digest[PO_DIGEST_SIZE])
{
    uint32_t found = NONE;

    for (uint32_t i = 0; i < vault->count; i++)
        if (memcmp(vault->rows[i].peek.digest, digest, PO_DIGEST_SIZE) == 0 &&
            (found == NONE || rank_of(&vault->rows[i]) > rank_of(&vault->rows[found])))
            found = i;
    return found;
}

static bool
is_problem(const struct po_vault *vault, const char *name)
{
    for (uint32_t i = 0; i < vault->problem_count; i++)
        if (strcmp(vault->problems[i].name, name) == 0)
            return true;
    return false;
}

/* What has the parent's name, or NONE. */
static uint32_t
find_named(const struct po_vault *vault, const struct po_parent *parent)
{
    return parent->name == NULL ? NONE : po_vault_find(vault, parent->name);
}

/* Those that archives name as their parents. */
static void
note_named(struct po_vault *vault, const struct po_manifest_core *manifest)
{
    for (size_t i = 0; i < manifest->parent_count; i++) {
        const struct po_parent *parent = &manifest->parents[i];
        uint32_t named = find_named(vault, parent);

        if (named != NONE &&
            memcmp(vault->rows[named].peek.digest, parent->digest, PO_DIGEST_SIZE) == 0)
            vault->rows[named].is_named = true;
    }
}

/* As parents.h finds them: what has the name and is another is in the way of the right one. */
static bool
is_in_the_way(const struct po_vault *vault, const struct po_parent *parent)
{
    uint32_t named = find_named(vault, parent);

    return named == NONE
               ? parent->name != NULL && is_problem(vault, parent->name)
               : memcmp(vault->rows[named].peek.digest, parent->digest, PO_DIGEST_SIZE) != 0;
}

static void
join(struct po_vault *vault, uint32_t number)
{
    struct po_vault_row *row = &vault->rows[number];
    const struct po_manifest_core *manifest = &row->peek.manifest;
    uint32_t same = po_vault_find_digest(vault, row->peek.digest);

    row->group = vault->group_count;
    for (uint32_t i = 0; i < number && row->group == vault->group_count; i++)
        if (is_same_site(&vault->rows[i].peek.manifest, manifest))
            row->group = vault->rows[i].group;
    vault->group_count += row->group == vault->group_count;
    row->copy_of = same == number ? NONE : same;
    for (size_t i = 0; i < manifest->parent_count; i++) {
        row->parents[i] = po_vault_find_digest(vault, manifest->parents[i].digest);
        row->missing += row->parents[i] == NONE || is_in_the_way(vault, &manifest->parents[i]);
    }
}

/* ---- what the history knows ---- */

/* Whether the run looked at another file of the vault that is, or was, the same archive: what it found says
 * nothing of this one. */
static bool
is_look_at_copy(const struct po_vault *vault, const struct po_vault_row *row,
                const struct po_history_run *run)
{
    size_t dir_size = 0;
    size_t name_start = 0;
    uint32_t other;

    if (run->archive == NULL)
        return false;
    po_path_split(run->archive, strlen(run->archive), &dir_size, &name_start);
    if (strcmp(run->archive + name_start, row->name) == 0)
        return false;
    other = po_vault_find(vault, run->archive + name_start);
    return other != NONE &&
           memcmp(vault->rows[other].peek.digest, row->peek.digest, PO_DIGEST_SIZE) == 0;
}

static void
ask_history(const struct po_vault *vault, struct po_vault_row *row,
            const struct po_history *history)
{
    bool has_look = false;
    bool has_deep = false;

    for (size_t i = po_history_count(history); i > 0; i--) {
        const struct po_history_run *run = po_history_at(history, i - 1);
        bool is_look = run->check == PO_HISTORY_QUICK || run->check == PO_HISTORY_DEEP;

        if (!run->has_archive_id || memcmp(run->digest, row->peek.digest, PO_DIGEST_SIZE) != 0)
            continue;
        /* Only who knows whose it is knows whether it is complete. */
        if (run->archive_site != NULL && !row->is_known_complete && !row->is_known_incomplete) {
            row->is_known_complete = run->is_complete;
            row->is_known_incomplete = !run->is_complete;
        }
        if (!is_look || is_look_at_copy(vault, row, run))
            continue;
        row->is_damaged = has_look ? row->is_damaged : !run->is_whole;
        has_look = true;
        if (run->is_whole && (row->check == PO_HISTORY_UNCHECKED || run->check > row->check)) {
            row->check = run->check;
            row->checked_at = run->time;
        }
        if (run->check == PO_HISTORY_DEEP && !has_deep) {
            has_deep = true;
            row->is_verified = run->is_whole;
        }
    }
    row->is_verified = row->is_verified && !row->is_damaged;
}

/* ---- all ---- */

enum po_status
po_vault_open(struct po_vault **out, const char *os_path, const struct po_history *history,
              const struct po_watch *watch, struct po_err *err)
{
    struct po_vault *vault = po_mem_new(1, sizeof *vault);
    struct listing listing = { .vault = vault, .watch = watch };
    enum po_status st;

    if (vault == NULL)
        return po_fail_nomem(err, sizeof *vault);
    st = po_dir_open(&vault->dir, os_path, err);
    if (st == PO_OK)
        st = po_dir_list(vault->dir, "", 0, add, &listing, err);
    if (st == PO_OK)
        st = sort_all(vault, err);
    for (uint32_t i = 0; st == PO_OK && i < vault->count; i++)
        note_named(vault, &vault->rows[i].peek.manifest);
    for (uint32_t i = 0; st == PO_OK && i < vault->count; i++) {
        join(vault, i);
        if (history != NULL)
            ask_history(vault, &vault->rows[i], history);
    }
    if (st == PO_OK) {
        *out = vault;
        vault = NULL;
    }
    po_vault_free(vault);
    return st;
}
