#include "engine/accounts.h"

#include "base/mem.h"
#include "base/text.h"

#include <jansson.h>
#include <string.h>

/* ---- descriptors ---- */

static bool
take_windows(const uint8_t *row, size_t row_size, const uint8_t **bytes, size_t *size)
{
    if (row_size < 2 || row[0] != PO_SECURITY_KIND_WINDOWS)
        return false;
    *bytes = row + 1;
    *size = row_size - 1;
    return true;
}

static bool
list_at(void *ctx, uint32_t number, const uint8_t **bytes, size_t *size)
{
    const struct po_entry_list *list = ctx;
    size_t row_size = 0;
    const uint8_t *row = po_rows_at(&list->securities, number, &row_size);

    return take_windows(row, row_size, bytes, size);
}

static bool
index_at(void *ctx, uint32_t number, const uint8_t **bytes, size_t *size)
{
    const struct po_index *index = ctx;
    size_t row_size = 0;
    const uint8_t *row = po_index_security_bytes(index, number + 1, &row_size);

    return take_windows(row, row_size, bytes, size);
}

struct po_host_descriptors
po_accounts_of_list(const struct po_entry_list *list)
{
    return (struct po_host_descriptors){ .count = (uint32_t)list->securities.count,
                                         .at = list_at,
                                         .ctx = (void *)(uintptr_t)list };
}

struct po_host_descriptors
po_accounts_of_index(const struct po_index *index)
{
    return (struct po_host_descriptors){ .count = index->security_count,
                                         .at = index_at,
                                         .ctx = (void *)(uintptr_t)index };
}

/* ---- for a backup ---- */

static void
drop_text(const char *text)
{
    po_mem_free((void *)(uintptr_t)text);
}

static void
drop_account(struct po_summary_account *account)
{
    drop_text(account->sid);
    drop_text(account->name);
    drop_text(account->kind);
}

void
po_accounts_deinit(struct po_accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++)
        drop_account(&accounts->items[i]);
    po_mem_free(accounts->items);
    *accounts = (struct po_accounts){ 0 };
}

static enum po_status
add_account(void *ctx, const struct po_host_account *account, struct po_err *err)
{
    struct po_accounts *accounts = ctx;
    struct po_summary_account copy = { .sid = po_mem_strdup(account->sid),
                                       .kind = po_mem_strdup(account->kind) };

    if (account->name != NULL)
        copy.name = po_mem_strdup(account->name);
    if (copy.sid == NULL || copy.kind == NULL || (account->name != NULL && copy.name == NULL)) {
        drop_account(&copy);
        return po_fail_nomem(err, 0);
    }
    if (accounts->count == accounts->capacity) {
        size_t capacity = accounts->capacity == 0 ? 16 : accounts->capacity * 2;
        struct po_summary_account *items =
            po_mem_resize(accounts->items, capacity, sizeof(*accounts->items));

        if (items == NULL) {
            drop_account(&copy);
            return po_fail_nomem(err, capacity * sizeof(*accounts->items));
        }
        accounts->items = items;
        accounts->capacity = capacity;
    }
    accounts->items[accounts->count++] = copy;
    return PO_OK;
}

enum po_status
po_accounts_gather(struct po_accounts *accounts, struct po_host *host,
                   const struct po_entry_list *list, struct po_err *err)
{
    const struct po_host_descriptors descriptors = po_accounts_of_list(list);

    if (host->ops->rights == NULL || descriptors.count == 0)
        return PO_OK;
    return host->ops->rights->accounts(host, &descriptors, add_account, accounts, err);
}

/* ---- for a restore ---- */

void
po_origin_deinit(struct po_origin *origin)
{
    po_buf_deinit(&origin->addresses);
    po_mem_free(origin->accounts);
    json_decref(origin->manifest);
    json_decref(origin->summary);
    *origin = (struct po_origin){ 0 };
}

/* The reader has checked that it is one. */
static enum po_status
parse(void **out, const struct po_buf *text, struct po_err *err)
{
    *out = json_loadb((const char *)text->bytes, text->size, 0, NULL);
    return *out != NULL ? PO_OK : po_fail_nomem(err, text->size);
}

/* The account that the services logged on as; the first that has one. */
static const char *
service_account(const json_t *services)
{
    for (size_t i = 0; i < json_array_size(services); i++) {
        const char *account =
            json_string_value(json_object_get(json_array_get(services, i), "account"));

        if (account != NULL)
            return account;
    }
    return NULL;
}

static enum po_status
take_accounts(struct po_origin *out, const json_t *list, struct po_err *err)
{
    size_t count = json_array_size(list);

    out->accounts = po_mem_new(count, sizeof(*out->accounts));
    if (out->accounts == NULL)
        return po_fail_nomem(err, count * sizeof(*out->accounts));
    out->origin.accounts = out->accounts;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        struct po_host_account account = {
            .sid = json_string_value(json_object_get(item, "sid")),
            .name = json_string_value(json_object_get(item, "name")),
            .kind = json_string_value(json_object_get(item, "kind")),
        };

        if (account.sid != NULL)
            out->accounts[out->origin.account_count++] = account;
    }
    return PO_OK;
}

static void
take_addresses(struct po_origin *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *address = json_string_value(json_array_get(list, i));

        if (address != NULL && *address != '\0')
            po_buf_put(&out->addresses, address, strlen(address) + 1);
    }
}

enum po_status
po_origin_load(struct po_origin *out, const struct po_reader *reader, struct po_err *err)
{
    const json_t *trees;
    const char *created;
    struct po_buf text = { 0 };
    enum po_status st = po_reader_manifest(reader, &text, err);

    *out = (struct po_origin){ 0 };
    if (st == PO_OK)
        st = parse(&out->manifest, &text, err);
    po_buf_clear(&text);
    if (st == PO_OK)
        st = po_reader_summary(reader, &text, err);
    if (st == PO_OK)
        st = parse(&out->summary, &text, err);
    po_buf_deinit(&text);
    if (st != PO_OK)
        return st;
    out->origin.host =
        json_string_value(json_object_get(json_object_get(out->manifest, "host"), "name"));
    created = json_string_value(json_object_get(out->manifest, "created"));
    if (created == NULL || !po_text_parse_time(created, &out->created))
        out->created = POBACKUP_TIME_UNKNOWN;
    trees = json_object_get(json_object_get(out->manifest, "site"), "trees");
    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++)
        out->places[part] =
            json_string_value(json_object_get(trees, po_part_name((enum po_part)part)));
    take_addresses(out, json_object_get(json_object_get(out->manifest, "host"), "addresses"));
    st = po_buf_check(&out->addresses, err);
    if (st != PO_OK)
        return st;
    out->origin.service_account = service_account(json_object_get(out->manifest, "services"));
    return take_accounts(out, json_object_get(out->summary, "accounts"), err);
}
