#include "engine/checklist.h"

#include "base/mem.h"
#include "registry/reg_show.h"

#include <string.h>

#define WORDS_MAX 5
#define LISTED_MAX 20u

/* What belongs to an item: a value with one of the words in its key's path or name, or in its text. */
struct template
{
    const char *id;
    const char *what;
    const char *where;
    const char *words[WORDS_MAX]; /* lower case; of key and name */
    const char *data_words[WORDS_MAX];
};

static const struct template upgrade[] = {
    { .id = "password",
      .what =
          "The installer asks for the password of the Windows account that the services run as: "
          "have it at hand. It is not stored in the backup" },
    { .id = "licence",
      .what = "Before 4.2: a new licence number is needed, without which the installer ends",
      .where = "your licence papers; the present one: [Post.Office licence registration] of the "
               "installer, guide 1.7",
      .words = { "licen", "serial" } },
    { .id = "ldap",
      .what = "From 4.1.0.2 or older: the access limits of the LDAP server are not carried over; "
              "enter them again after the update",
      .where = "web administration, [System Configuration], [LDAP Server Settings], \"Access "
               "limits\"",
      .words = { "ldap" } },
    { .id = "dns",
      .what = "From 4.1.0.2 or older: the addresses of the DNS servers are not carried over; enter "
              "them again after the update",
      .where = "the network settings of this machine, or what was entered at the installation "
               "(guide 1.2, step 16)",
      .words = { "nameserver", "name server", "dns" } },
    { .id = "https",
      .what =
          "From before 4.2.1: the installer asks for the HTTPS port (443, or 10443 when that is "
          "taken); SSL works only once a certificate is set",
      .where = "web administration, [System Configuration], [SSL Settings]",
      .words = { "https", "ssl", "certificate" } },
    { .id = "quattroj",
      .what = "From before 4.1.2: the accounts qjspam and qjnormal of QuattroJ stay, and use two "
              "licences; delete them after the update",
      .where = "web administration, list of accounts, [General accounts], [Q]",
      .words = { "quattroj", "qjspam", "qjnormal" },
      .data_words = { "qjspam", "qjnormal" } },
    { .id = "reboot", .what = "The update ends with a reboot of the machine" },
    { .id = "compare",
      .what = "Afterwards `pobackup diff ARCHIVE --site ...` shows what the update has changed" },
};

static const struct template uninstall[] = {
    { .id = "accounts",
      .what =
          "The uninstall deletes all accounts and settings: the registry key is gone afterwards" },
    { .id = "leftovers",
      .what = "The spool and the mailbox directory stay behind; without the registry they are no "
              "backup. Remove them by hand when they are not needed" },
    { .id = "licence",
      .what = "The licence number is needed to install again",
      .where =
          "your licence papers; [Post.Office licence registration] of the installer, guide 1.7",
      .words = { "licen", "serial" } },
};

/* ---- searching ---- */

static bool
has_word(const char *text, const char *const words[WORDS_MAX])
{
    for (int w = 0; w < WORDS_MAX && words[w] != NULL; w++) {
        size_t size = strlen(words[w]);

        for (const char *at = text; *at != '\0'; at++) {
            size_t i = 0;

            while (i < size && (at[i] == words[w][i] ||
                                (at[i] >= 'A' && at[i] <= 'Z' && at[i] + 32 == words[w][i])))
                i++;
            if (i == size)
                return true;
        }
    }
    return false;
}

/* Nobody asked for those. */
static bool
is_secret(const char *name)
{
    static const char *const words[WORDS_MAX] = { "passw", "secret", "private" };

    return has_word(name, words);
}

static enum po_status
add_value(struct po_checklist_item *item, const struct po_reg_key *key,
          const struct po_reg_value *value, const char *data, struct po_err *err)
{
    struct po_checklist_value *to;

    if (item->found++ >= LISTED_MAX)
        return PO_OK;
    to = &item->values[item->count++];
    to->key = po_mem_strdup(key->path);
    to->name = po_mem_strdup(value->name);
    to->data = po_mem_strdup(data);
    return to->key == NULL || to->name == NULL || to->data == NULL ? po_fail_nomem(err, 1) : PO_OK;
}

static enum po_status
look_at(struct po_checklist_item *item, const struct template *t, const struct po_reg_key *key,
        const struct po_reg_value *value, struct po_buf *data, struct po_err *err)
{
    bool is_it =
        t->words[0] != NULL && (has_word(key->path, t->words) || has_word(value->name, t->words));

    if ((!is_it && t->data_words[0] == NULL) || value->is_delete || is_secret(value->name))
        return PO_OK;
    po_buf_clear(data);
    po_reg_show_data(data, value->type, value->data, value->data_size);
    if (data->failed)
        return po_buf_check(data, err);
    if (!is_it && !has_word(po_buf_text(data), t->data_words))
        return PO_OK;
    return add_value(item, key, value, po_buf_text(data), err);
}

static enum po_status
search(struct po_checklist_item *item, const struct template *t, const struct po_reg *reg,
       struct po_err *err)
{
    struct po_buf data = { 0 };
    enum po_status st = PO_OK;

    item->values = po_mem_new(LISTED_MAX, sizeof *item->values);
    if (item->values == NULL)
        return po_fail_nomem(err, LISTED_MAX * sizeof *item->values);
    for (size_t k = 0; reg != NULL && k < reg->key_count && st == PO_OK; k++)
        for (size_t v = 0; v < reg->keys[k].value_count && st == PO_OK; v++)
            st = look_at(item, t, &reg->keys[k], &reg->keys[k].values[v], &data, err);
    po_buf_deinit(&data);
    return st;
}

/* req: U3. Who the services run as: the installer asks for that account's password. */
static enum po_status
add_account(struct po_checklist_item *item, struct po_host *host, struct po_err *err)
{
    for (size_t i = 0; i < host->ops->service_count(host); i++) {
        const struct po_service *service = host->ops->service(host, i);
        struct po_checklist_value *to = &item->values[item->count];

        if (service->account == NULL || item->count >= LISTED_MAX)
            continue;
        to->key = po_mem_strdup("service");
        to->name = po_mem_strdup(service->name);
        to->data = po_mem_strdup(service->account);
        item->count++;
        item->found++;
        if (to->key == NULL || to->name == NULL || to->data == NULL)
            return po_fail_nomem(err, 1);
    }
    return PO_OK;
}

enum po_status
po_checklist_make(struct po_checklist *list, enum po_checklist_for what, const struct po_reg *reg,
                  struct po_host *host, struct po_err *err)
{
    const struct template *templates = what == PO_CHECKLIST_UPGRADE ? upgrade : uninstall;
    size_t count = what == PO_CHECKLIST_UPGRADE ? sizeof upgrade / sizeof upgrade[0]
                                                : sizeof uninstall / sizeof uninstall[0];
    enum po_status st = PO_OK;

    *list = (struct po_checklist){ .items = po_mem_new(count, sizeof *list->items) };
    if (list->items == NULL)
        return po_fail_nomem(err, count * sizeof *list->items);
    list->count = count;
    for (size_t i = 0; i < count && st == PO_OK; i++) {
        struct po_checklist_item *item = &list->items[i];

        item->id = templates[i].id;
        item->what = templates[i].what;
        item->where = templates[i].where;
        st = search(item, &templates[i], reg, err);
        if (st == PO_OK && strcmp(item->id, "password") == 0)
            st = add_account(item, host, err);
    }
    return st;
}

void
po_checklist_deinit(struct po_checklist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t v = 0; v < list->items[i].count; v++) {
            po_mem_free(list->items[i].values[v].key);
            po_mem_free(list->items[i].values[v].name);
            po_mem_free(list->items[i].values[v].data);
        }
        po_mem_free(list->items[i].values);
    }
    po_mem_free(list->items);
    *list = (struct po_checklist){ 0 };
}
