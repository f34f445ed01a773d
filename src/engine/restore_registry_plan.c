/*
 * The set's registry on this machine: its data with the directories that are here (req: R4), held
 * against the key as it is (req: R3). What the plan tells is what is imported: the document that is
 * compared here is the one that goes in.
 */
#include "base/mem.h"
#include "base/text.h"
#include "engine/extract.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"
#include "port/sys.h"
#include "registry/reg_show.h"

#include <errno.h>
#include <string.h>

#define LISTED_MAX 10000u
#define OLD_WORDS_MAX 64u
/* Moves besides those of --map: three trees, and the directories that they lay in. */
#define OWN_MOVES (2u * PO_RESTORE_TREES)

/* ---- what is told ---- */

void
po_restore_registry_deinit(struct po_restore_registry *registry)
{
    for (size_t i = 0; i < registry->count; i++) {
        po_mem_free(registry->values[i].key);
        po_mem_free(registry->values[i].name);
        po_mem_free(registry->values[i].before);
        po_mem_free(registry->values[i].after);
    }
    po_mem_free(registry->values);
    *registry = (struct po_restore_registry){ 0 };
}

/* Strings as text for people; NULL (and PO_OK) for what is none. */
static enum po_status
data_text(char **out, uint32_t type, const void *data, size_t size, struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = PO_OK;

    if (po_reg_show_text(&text, type, data, size)) {
        st = po_buf_check(&text, err);
        if (st == PO_OK && (*out = po_mem_strdup(po_buf_text(&text))) == NULL)
            st = po_fail_nomem(err, text.size);
    }
    po_buf_deinit(&text);
    return st;
}

/* Counts a value; *added is its place in the list, or NULL when there are too many of its kind. */
static enum po_status
add_value(struct po_restore_registry *registry, enum po_restore_value_kind kind,
          const struct po_reg_key *key, const struct po_reg_value *value,
          struct po_restore_value **added, struct po_err *err)
{
    struct po_restore_value *item;

    *added = NULL;
    if (registry->counts[kind]++ >= LISTED_MAX)
        return PO_OK;
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity == 0 ? 64 : registry->capacity * 2;
        struct po_restore_value *values =
            po_mem_resize(registry->values, capacity, sizeof *registry->values);

        if (values == NULL)
            return po_fail_nomem(err, capacity * sizeof *values);
        registry->values = values;
        registry->capacity = capacity;
    }
    item = &registry->values[registry->count++];
    *item = (struct po_restore_value){ .kind = kind,
                                       .key = po_mem_copy(key->path, key->path_size),
                                       .name = po_mem_copy(value->name, value->name_size) };
    if (item->key == NULL || item->name == NULL)
        return po_fail_nomem(err, key->path_size + value->name_size);
    *added = item;
    return PO_OK;
}

/* A po_reg_difference_fn: from what is here to what the set has. Keys go with their values. */
static enum po_status
tell_difference(void *ctx, const struct po_reg_difference *difference, struct po_err *err)
{
    struct po_restore *r = ctx;
    const struct po_reg_value *value =
        difference->after != NULL ? difference->after : difference->before;
    enum po_restore_value_kind kind = PO_RESTORE_VALUE_CHANGED;
    struct po_restore_value *ignored;

    if (value == NULL)
        return PO_OK;
    if (difference->change == PO_REG_ADDED)
        kind = PO_RESTORE_VALUE_ADDED;
    else if (difference->change == PO_REG_REMOVED)
        kind = r->options->is_registry_exact ? PO_RESTORE_VALUE_REMOVED : PO_RESTORE_VALUE_LEFT;
    return add_value(&r->result->registry, kind, difference->key, value, &ignored, err);
}

static enum po_status
tell_rewrite(void *ctx, const struct po_reg_rewrite *rewrite, struct po_err *err)
{
    struct po_restore *r = ctx;
    const struct po_reg_value *value = rewrite->value;
    bool is_rewritten = rewrite->before != NULL;
    struct po_restore_value *item = NULL;
    enum po_status st =
        add_value(&r->result->registry,
                  is_rewritten ? PO_RESTORE_VALUE_REWRITTEN : PO_RESTORE_VALUE_OLD_PLACE,
                  rewrite->key, value, &item, err);

    if (st != PO_OK || item == NULL)
        return st;
    if (is_rewritten) {
        st = data_text(&item->before, value->type, rewrite->before, rewrite->before_size, err);
    } else {
        item->before = po_mem_strdup(rewrite->move->from);
        st = item->before == NULL ? po_fail_nomem(err, strlen(rewrite->move->from)) : PO_OK;
    }
    return st == PO_OK ? data_text(&item->after, value->type, value->data, value->data_size, err)
                       : st;
}

/* ---- places ---- */

static bool
is_windows_path(const char *path)
{
    bool is_letter = (path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z');

    return (is_letter && path[1] == ':') ||
           ((path[0] == '\\' || path[0] == '/') && (path[1] == '\\' || path[1] == '/'));
}

/* A copy with '/' alone, and none at the end. */
static char *
tidy(const char *path)
{
    char *copy = po_mem_strdup(path);
    size_t size = strlen(path);

    for (size_t i = 0; copy != NULL && i < size; i++)
        if (copy[i] == '\\')
            copy[i] = '/';
    while (copy != NULL && size > 1 && copy[size - 1] == '/')
        copy[--size] = '\0';
    return copy;
}

/* In place: the directory that a tidy path lies in; false: it is the root of something. */
static bool
to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path || slash[-1] == '/' || slash[-1] == ':')
        return false;
    *slash = '\0';
    /* The name of a server, without a share. */
    return !(path[0] == '/' && path[1] == '/' && strchr(path + 2, '/') == NULL);
}

struct moves {
    struct po_reg_move *items;
    size_t count;
    char *parents[PO_RESTORE_TREES];
    size_t parent_count;
};

/*
 * A tree that was elsewhere. What lay beside it is only looked for: nobody knows where it is now.
 * A place of another system is no place here: a set of Windows in a folder of another system is a
 * copy, and says what the set says.
 */
static enum po_status
add_place(struct moves *moves, const char *from, const char *to, struct po_err *err)
{
    char *old = from == NULL ? NULL : tidy(from);
    char *new = to == NULL ? NULL : tidy(to);
    enum po_status st = PO_OK;

    if (from == NULL || to == NULL || is_windows_path(from) != is_windows_path(to))
        goto done;
    if (old == NULL || new == NULL) {
        st = po_fail_nomem(err, strlen(from));
        goto done;
    }
    if (po_text_is_equal_nocase(old, new))
        goto done;
    moves->items[moves->count++] = (struct po_reg_move){ .from = from, .to = to };
    if (to_parent(old) && !(to_parent(new) && po_text_is_equal_nocase(old, new))) {
        moves->items[moves->count++] = (struct po_reg_move){ .from = old };
        moves->parents[moves->parent_count++] = old;
        old = NULL;
    }
done:
    po_mem_free(old);
    po_mem_free(new);
    return st;
}

/* What the user says counts before what is found. */
static enum po_status
rewrite(struct po_restore *r, struct po_reg *reg, struct po_err *err)
{
    struct moves moves = { 0 };
    enum po_status st = PO_OK;

    moves.items = po_mem_new(r->options->map_count + OWN_MOVES, sizeof *moves.items);
    if (moves.items == NULL)
        return po_fail_nomem(err, OWN_MOVES * sizeof *moves.items);
    for (size_t i = 0; i < r->options->map_count; i++)
        moves.items[moves.count++] = r->options->maps[i];
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        st = add_place(&moves, r->origin.places[part],
                       po_host_known_place(r->host, (enum po_part)part), err);
    if (st == PO_OK)
        st = po_reg_rewrite(reg, moves.items, moves.count, tell_rewrite, r, err);
    for (size_t i = 0; i < moves.parent_count; i++)
        po_mem_free(moves.parents[i]);
    po_mem_free(moves.items);
    return st;
}

/* ---- the old machine's name ---- */

struct words {
    struct po_restore *r;
    const char *const *words;
};

static enum po_status
tell_word(void *ctx, const struct po_reg_key *key, const struct po_reg_value *value, size_t word,
          struct po_err *err)
{
    const struct words *words = ctx;
    struct po_restore_value *item = NULL;
    enum po_status st =
        add_value(&words->r->result->registry, PO_RESTORE_VALUE_OLD_HOST, key, value, &item, err);

    if (st != PO_OK || item == NULL)
        return st;
    item->before = po_mem_strdup(words->words[word]);
    if (item->before == NULL)
        return po_fail_nomem(err, strlen(words->words[word]));
    return data_text(&item->after, value->type, value->data, value->data_size, err);
}

/* A name such as "localhost" says nothing of a machine. */
static bool
is_of_old_machine(const char *name, const char *here)
{
    return name != NULL && *name != '\0' && !po_text_is_equal_nocase(name, "localhost") &&
           !po_text_is_equal_nocase(name, here);
}

static bool
has_text(const struct po_buf *texts, const char *text)
{
    for (size_t at = 0; at < texts->size; at += strlen((const char *)texts->bytes + at) + 1)
        if (strcmp((const char *)texts->bytes + at, text) == 0)
            return true;
    return false;
}

/* Its name and its addresses, as far as they are not this machine's too. */
static size_t
list_words(const struct po_restore *r, const struct po_buf *here, const struct po_buf *addresses,
           const char **list)
{
    const struct po_buf *old = &r->origin.addresses;
    size_t count = 0;

    if (is_of_old_machine(r->origin.origin.host, (const char *)here->bytes))
        list[count++] = r->origin.origin.host;
    for (size_t at = 0; at < old->size && count < OLD_WORDS_MAX;) {
        const char *address = (const char *)old->bytes + at;

        if (!has_text(addresses, address))
            list[count++] = address;
        at += strlen(address) + 1;
    }
    return count;
}

/* req: W2 */
static enum po_status
find_old_host(struct po_restore *r, const struct po_reg *reg, struct po_err *err)
{
    const char *list[OLD_WORDS_MAX];
    struct po_buf here = { 0 };
    struct po_buf addresses = { 0 };
    struct words words = { .r = r, .words = list };
    enum po_status st;

    po_sys_put_host(&here);
    po_buf_put_u8(&here, 0);
    po_sys_put_addresses(&addresses);
    st = here.failed || addresses.failed ? po_fail_nomem(err, here.size) : PO_OK;
    if (st == PO_OK)
        st = po_reg_find_words(reg, list, list_words(r, &here, &addresses, list), tell_word, &words,
                               err);
    po_buf_deinit(&here);
    po_buf_deinit(&addresses);
    return st;
}

/* ---- all of it ---- */

/* The site's; *reg stays NULL when there is none. */
static enum po_status export(struct po_restore *r, struct po_reg **reg, struct po_err *err) {
    struct po_buf bytes = { 0 }; int64_t write_time;
    enum po_status st = r->host->ops->registry_export(r->host, &bytes, &write_time, err);

    if (st == PO_E_IO && err->os_code == ENOENT) st = PO_OK;
    else if (st == PO_OK)
        st = po_reg_parse(reg, bytes.bytes, bytes.size, PO_REG_CODE_PAGE_AUTO, err);
    po_buf_deinit(&bytes);
    return st == PO_OK ? st : po_err_prefix(err, "the one that is there");
}

static enum po_status
work_out(struct po_restore *r, struct po_reg **set, struct po_reg **here, struct po_err *err)
{
    struct po_restore_registry *told = &r->result->registry;
    struct po_reg *nothing = NULL;
    enum po_status st =
        po_reg_parse(set, r->registry.bytes, r->registry.size, PO_REG_CODE_PAGE_AUTO, err);

    if (st != PO_OK)
        return po_err_prefix(err, "the one of the archive");
    st = rewrite(r, *set, err);
    if (st == PO_OK)
        st = find_old_host(r, *set, err);
    if (st == PO_OK && told->counts[PO_RESTORE_VALUE_REWRITTEN] > 0) {
        po_buf_clear(&r->registry);
        st = po_reg_print(*set, &r->registry, err);
    }
    if (st == PO_OK)
        st = export(r, here, err);
    if (st == PO_OK && *here == NULL)
        st = po_reg_new(&nothing, err);
    if (st == PO_OK)
        st = po_reg_compare(*here == NULL ? nothing : *here, *set, PO_REG_IGNORE_WOW64,
                            tell_difference, r, err);
    told->is_compared = st == PO_OK;
    po_reg_free(nothing);
    return st;
}

enum po_status
po_restore_registry_plan(struct po_restore *r, struct po_err *err)
{
    struct po_reg *set = NULL;
    struct po_reg *here = NULL;
    struct po_err failure = { 0 };
    enum po_status st = po_cat_to_buf(r->reader, r->registry_entry, &r->registry, err);

    if (st != PO_OK)
        return po_err_prefix(err, "%s", po_part_member(PO_PART_REGISTRY));
    st = work_out(r, &set, &here, &failure);
    po_reg_free(set);
    po_reg_free(here);
    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    if (st == PO_OK)
        return PO_OK;
    /* What is replaced as a whole need not be understood. */
    if (r->options->is_registry_exact && (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)) {
        (void)po_err_prefix(&failure, "registry: replaced as it is");
        po_watch_warning(r->plan_watch, failure.text);
        return PO_OK;
    }
    if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)
        return po_restore_reason(r, err, PO_E_USAGE,
                                 "registry: %s; --registry=exact replaces all of it", failure.text);
    return po_restore_reason(r, err, st, "registry: %s", failure.text);
}
