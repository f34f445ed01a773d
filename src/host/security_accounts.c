#include "host/security_accounts.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define HOST_NAME_MAX 15u /* of a machine in "MACHINE\name" (NetBIOS) */
#define SLOTS_MIN 64u

/* ---- lists ---- */

void
po_account_list_deinit(struct po_account_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        po_mem_free(list->items[i].name);
    po_mem_free(list->items);
    po_mem_free(list->slots);
    *list = (struct po_account_list){ 0 };
}

/* FNV-1a: bad luck costs time only, and the list is bounded. */
static uint32_t
hash(const struct po_sid *sid)
{
    uint32_t value = 2166136261u;

    for (size_t i = 0; i < sid->size; i++)
        value = (value ^ sid->bytes[i]) * 16777619u;
    return value;
}

/* The slot where the SID is, or where it would be put. */
static uint32_t *
slot_of(const struct po_account_list *list, const struct po_sid *sid)
{
    size_t at = hash(sid) & (list->slot_count - 1);

    while (list->slots[at] != 0 && !po_sid_is_equal(&list->items[list->slots[at] - 1].sid, sid))
        at = (at + 1) & (list->slot_count - 1);
    return &list->slots[at];
}

bool
po_account_list_find(const struct po_account_list *list, const struct po_sid *sid, size_t *number)
{
    const uint32_t *slot = list->slot_count == 0 ? NULL : slot_of(list, sid);

    if (slot == NULL || *slot == 0)
        return false;
    *number = *slot - 1;
    return true;
}

/* Room for one more item, and at most half of the slots in use. */
static enum po_status
grow(struct po_account_list *list, struct po_err *err)
{
    size_t capacity = list->capacity == 0 ? SLOTS_MIN / 2 : 2 * list->capacity;
    struct po_account *items;
    uint32_t *slots;

    if (list->count < list->capacity)
        return PO_OK;
    items = po_mem_resize(list->items, capacity, sizeof(*items));
    if (items == NULL)
        return po_fail_nomem(err, capacity * sizeof(*items));
    list->items = items;
    slots = po_mem_new(2 * capacity, sizeof(*slots));
    if (slots == NULL)
        return po_fail_nomem(err, 2 * capacity * sizeof(*slots));
    po_mem_free(list->slots);
    list->slots = slots;
    list->slot_count = 2 * capacity;
    list->capacity = capacity;
    for (size_t i = 0; i < list->count; i++)
        *slot_of(list, &list->items[i].sid) = (uint32_t)i + 1;
    return PO_OK;
}

enum po_status
po_account_list_add(struct po_account_list *list, const struct po_sid *sid, size_t *number,
                    struct po_err *err)
{
    enum po_status st;

    if (po_account_list_find(list, sid, number))
        return PO_OK;
    if (list->count >= PO_ACCOUNTS_MAX)
        return po_fail(err, PO_E_FORMAT, "more than %u accounts", PO_ACCOUNTS_MAX);
    st = grow(list, err);
    if (st != PO_OK)
        return st;
    list->items[list->count] = (struct po_account){ .sid = *sid };
    *slot_of(list, sid) = (uint32_t)list->count + 1;
    *number = list->count++;
    return PO_OK;
}

static enum po_status
add_sid(void *ctx, const struct po_sid *sid, struct po_err *err)
{
    size_t number;

    return po_account_list_add(ctx, sid, &number, err);
}

enum po_status
po_account_list_add_security(struct po_account_list *list, const void *bytes, size_t size,
                             struct po_err *err)
{
    struct po_security security;
    enum po_status st = po_security_parse(&security, bytes, size, err);

    return st == PO_OK ? po_security_each_sid(&security, add_sid, list, err) : st;
}

enum po_status
po_account_list_set_name(struct po_account_list *list, size_t number, const char *name,
                         enum po_account_kind kind, struct po_err *err)
{
    struct po_account *account = &list->items[number];
    char *copy = name == NULL ? NULL : po_mem_strdup(name);

    if (name != NULL && copy == NULL)
        return po_fail_nomem(err, strlen(name));
    po_mem_free(account->name);
    account->name = copy;
    account->kind = kind;
    return PO_OK;
}

enum po_status
po_account_list_look_up(struct po_account_list *list, const struct po_account_system *system,
                        struct po_err *err)
{
    struct po_buf name = { 0 };
    enum po_status st = PO_OK;

    for (size_t i = 0; i < list->count && st == PO_OK; i++) {
        enum po_account_kind kind = PO_ACCOUNT_UNKNOWN;
        bool is_found = false;

        if (list->items[i].name != NULL)
            continue;
        po_buf_clear(&name);
        st = system->name_of(system->ctx, &list->items[i].sid, &name, &kind, &is_found, err);
        if (st == PO_OK)
            st = po_buf_check(&name, err);
        if (st == PO_OK && is_found)
            st = po_account_list_set_name(list, i, po_buf_text(&name), kind, err);
    }
    po_buf_deinit(&name);
    return st;
}

/* ---- the choice ---- */

const char *
po_account_reason_text(enum po_account_reason reason)
{
    switch (reason) {
    case PO_ACCOUNT_AS_ASKED:
        return "as asked";
    case PO_ACCOUNT_EVERYWHERE:
        return "the same on every machine";
    case PO_ACCOUNT_BUILT_IN:
        return "built in";
    case PO_ACCOUNT_BY_NAME:
        return "by name";
    case PO_ACCOUNT_BY_SID:
        return "known here by its SID";
    case PO_ACCOUNT_KEPT:
    default:
        return "unknown here: kept as it is";
    }
}

/* What all choices share. */
struct choosing {
    const struct po_account_question *question;
    const struct po_account_system *system;
    struct po_sid machine; /* size 0: not known */
    struct po_err *err;
};

/* Asks for the name of the SID chosen; whether it is known here, and of a kind that goes with `kind`. */
static enum po_status
look_at_sid(const struct choosing *choosing, const struct po_sid *sid, enum po_account_kind kind,
            struct po_account_choice *choice, bool *is_found)
{
    const struct po_account_system *system = choosing->system;
    struct po_buf name = { 0 };
    enum po_account_kind found = PO_ACCOUNT_UNKNOWN;
    enum po_status st = system->name_of(system->ctx, sid, &name, &found, is_found, choosing->err);

    if (st == PO_OK)
        st = po_buf_check(&name, choosing->err);
    if (st == PO_OK && *is_found && kind != PO_ACCOUNT_UNKNOWN && found != kind)
        *is_found = false;
    if (st == PO_OK && *is_found) {
        choice->to = *sid;
        choice->to_name = po_mem_strdup(po_buf_text(&name));
        if (choice->to_name == NULL)
            st = po_fail_nomem(choosing->err, name.size);
    }
    po_buf_deinit(&name);
    return st;
}

static enum po_status
look_at_name(const struct choosing *choosing, const char *name, enum po_account_kind kind,
             struct po_account_choice *choice, bool *is_found)
{
    const struct po_account_system *system = choosing->system;
    struct po_sid sid = { 0 };
    enum po_account_kind found = PO_ACCOUNT_UNKNOWN;
    enum po_status st = system->sid_of(system->ctx, name, &sid, &found, is_found, choosing->err);

    /* A domain or a machine is no account. */
    if (st == PO_OK && *is_found &&
        (found == PO_ACCOUNT_UNKNOWN || (kind != PO_ACCOUNT_UNKNOWN && found != kind)))
        *is_found = false;
    if (st == PO_OK && *is_found) {
        choice->to = sid;
        choice->to_name = po_mem_strdup(name);
        if (choice->to_name == NULL)
            st = po_fail_nomem(choosing->err, strlen(name));
    }
    return st;
}

/* Whether "DOMAIN\name" is of the old machine itself: then *plain is "name". */
static bool
is_of_old_host(const struct choosing *choosing, const char *name, const char **plain)
{
    const char *host = choosing->question->old_host;
    const char *mark = strchr(name, '\\');
    char domain[HOST_NAME_MAX + 1] = "";
    char short_host[HOST_NAME_MAX + 1] = "";

    if (mark == NULL || host == NULL || (size_t)(mark - name) > HOST_NAME_MAX)
        return false;
    memcpy(domain, name, (size_t)(mark - name));
    /* A longer host name, or one with its domain behind, has its beginning for a NetBIOS name. */
    for (size_t i = 0; i < HOST_NAME_MAX && host[i] != '\0' && host[i] != '.'; i++)
        short_host[i] = host[i];
    *plain = mark + 1;
    return short_host[0] != '\0' && po_text_is_equal_nocase(domain, short_host);
}

static bool
is_account(const struct po_account *account, const char *text)
{
    struct po_sid sid;

    if (po_sid_parse(&sid, text))
        return po_sid_is_equal(&sid, &account->sid);
    return account->name != NULL && po_text_is_equal_nocase(account->name, text);
}

/* "name" is one of this machine; "DOMAIN\name" of that domain. */
static enum po_status
qualify(const struct choosing *choosing, const char *name, struct po_buf *out)
{
    if (strchr(name, '\\') == NULL && strchr(name, '@') == NULL)
        po_buf_printf(out, "%.*s\\", (int)HOST_NAME_MAX, choosing->question->new_host);
    po_buf_put_text(out, name);
    return po_buf_check(out, choosing->err);
}

static enum po_status
choose_as_asked(const struct choosing *choosing, const struct po_account *account,
                struct po_account_choice *choice, bool *is_done)
{
    const struct po_account_question *question = choosing->question;
    struct po_buf name = { 0 };
    const char *to = NULL;
    struct po_sid sid;
    enum po_status st;

    for (size_t i = 0; i < question->pair_count && to == NULL; i++)
        if (is_account(account, question->pairs[i].from))
            to = question->pairs[i].to;
    if (to == NULL)
        return PO_OK;
    choice->reason = PO_ACCOUNT_AS_ASKED;
    /* What was asked for is done: a user may become a group. */
    if (po_sid_parse(&sid, to)) {
        st = look_at_sid(choosing, &sid, PO_ACCOUNT_UNKNOWN, choice, is_done);
    } else {
        st = qualify(choosing, to, &name);
        if (st == PO_OK)
            st = look_at_name(choosing, po_buf_text(&name), PO_ACCOUNT_UNKNOWN, choice, is_done);
        /* "Everyone" and "SYSTEM" are nobody's. */
        if (st == PO_OK && !*is_done)
            st = look_at_name(choosing, to, PO_ACCOUNT_UNKNOWN, choice, is_done);
    }
    po_buf_deinit(&name);
    if (st == PO_OK && !*is_done)
        st = po_fail(choosing->err, PO_E_USAGE, "account \"%s\" is not known on this machine", to);
    return st;
}

static enum po_status
choose_by_name(const struct choosing *choosing, const struct po_account *account,
               struct po_account_choice *choice, bool *is_done)
{
    const char *plain = NULL;
    struct po_buf name = { 0 };
    struct po_sid sid;
    enum po_status st = PO_OK;

    /* Without its domain a name could be anybody's. */
    if (account->name == NULL || strchr(account->name, '\\') == NULL)
        return PO_OK;
    if (!is_of_old_host(choosing, account->name, &plain)) {
        choice->reason = PO_ACCOUNT_BY_NAME;
        return look_at_name(choosing, account->name, account->kind, choice, is_done);
    }
    if (po_sid_rid(&account->sid) < PO_RID_USER_MIN &&
        po_sid_add_rid(&sid, &choosing->machine, po_sid_rid(&account->sid))) {
        choice->reason = PO_ACCOUNT_BUILT_IN;
        st = look_at_sid(choosing, &sid, account->kind, choice, is_done);
    }
    if (st == PO_OK && !*is_done) {
        choice->reason = PO_ACCOUNT_BY_NAME;
        st = qualify(choosing, plain, &name);
        if (st == PO_OK)
            st = look_at_name(choosing, po_buf_text(&name), account->kind, choice, is_done);
    }
    po_buf_deinit(&name);
    return st;
}

static enum po_status
choose(const struct choosing *choosing, const struct po_account *account,
       struct po_account_choice *choice)
{
    bool is_done = false;
    enum po_status st = choose_as_asked(choosing, account, choice, &is_done);

    if (st != PO_OK || is_done)
        return st;
    if (!po_sid_is_local(&account->sid)) {
        *choice = (struct po_account_choice){ .to = account->sid, .reason = PO_ACCOUNT_EVERYWHERE };
        return PO_OK;
    }
    st = choose_by_name(choosing, account, choice, &is_done);
    /* An account does not become Everyone, whatever name an archive gives it. */
    if (st == PO_OK && is_done && !po_sid_is_local(&choice->to)) {
        po_mem_free(choice->to_name);
        choice->to_name = NULL;
        is_done = false;
    }
    if (st != PO_OK || is_done)
        return st;
    choice->reason = PO_ACCOUNT_BY_SID;
    st = look_at_sid(choosing, &account->sid, account->kind, choice, &is_done);
    if (st == PO_OK && !is_done)
        *choice = (struct po_account_choice){ .to = account->sid, .reason = PO_ACCOUNT_KEPT };
    return st;
}

void
po_account_map_free(struct po_account_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; map->choices != NULL && i < map->list->count; i++)
        po_mem_free(map->choices[i].to_name);
    po_mem_free(map->choices);
    po_mem_free(map);
}

enum po_status
po_account_map_make(struct po_account_map **out, const struct po_account_question *question,
                    const struct po_account_system *system, struct po_err *err)
{
    struct choosing choosing = { .question = question, .system = system, .err = err };
    struct po_account_map *map = po_mem_new(1, sizeof(*map));
    bool is_found = false;
    enum po_status st;

    if (map == NULL)
        return po_fail_nomem(err, sizeof(*map));
    map->list = question->list;
    map->choices = po_mem_new(map->list->count, sizeof(*map->choices));
    if (map->choices == NULL) {
        st = po_fail_nomem(err, map->list->count * sizeof(*map->choices));
        goto done;
    }
    st = system->machine(system->ctx, &choosing.machine, &is_found, err);
    if (st == PO_OK && !is_found)
        choosing.machine = (struct po_sid){ 0 };
    for (size_t i = 0; i < map->list->count && st == PO_OK; i++) {
        st = choose(&choosing, &map->list->items[i], &map->choices[i]);
        if (st == PO_OK && map->choices[i].reason == PO_ACCOUNT_KEPT)
            map->kept_count++;
    }
    if (st != PO_OK)
        goto done;
    *out = map;
    map = NULL;
done:
    po_account_map_free(map);
    return st;
}

const struct po_sid *
po_account_map_sid(const void *ctx, const struct po_sid *sid)
{
    const struct po_account_map *map = ctx;
    size_t number = 0;

    return po_account_list_find(map->list, sid, &number) ? &map->choices[number].to : sid;
}

enum po_status
po_account_map_security(const struct po_account_map *map, const void *bytes, size_t size,
                        struct po_buf *out, struct po_err *err)
{
    struct po_security security;
    enum po_status st = po_security_parse(&security, bytes, size, err);

    return st == PO_OK ? po_security_build(out, &security, po_account_map_sid, map, err) : st;
}

/* "DOMAIN\name", safe to print. */
static void
put_name(struct po_buf *out, const char *name)
{
    const char *mark = strchr(name, '\\');

    if (mark != NULL) {
        po_text_put_name(out, name, (size_t)(mark - name));
        po_buf_put_text(out, "\\");
        name = mark + 1;
    }
    po_text_put_name(out, name, strlen(name));
}

void
po_account_map_put(const struct po_account_map *map, size_t number, struct po_buf *out)
{
    const struct po_account *account = &map->list->items[number];
    const struct po_account_choice *choice = &map->choices[number];

    if (account->name != NULL) {
        put_name(out, account->name);
        po_buf_put_text(out, " (");
    }
    po_sid_put(out, &account->sid);
    po_buf_put_text(out, account->name != NULL ? ")" : "");
    if (!po_sid_is_equal(&account->sid, &choice->to) || choice->to_name != NULL) {
        po_buf_put_text(out, " -> ");
        if (choice->to_name != NULL)
            put_name(out, choice->to_name);
        else
            po_sid_put(out, &choice->to);
    }
    po_buf_printf(out, ": %s", po_account_reason_text(choice->reason));
}
