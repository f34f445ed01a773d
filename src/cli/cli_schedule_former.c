#include "cli/cli_schedule_former.h"

#include "base/mem.h"

#include <string.h>

/* ---- what a job saves ---- */

/* Its words without the program and the verb, as the job itself would read them. */
static bool
put_site(struct po_buf *out, char *const *words, size_t count)
{
    const struct po_cli_verb *backup = po_cli_verb_find("backup");
    struct po_cli_values values = { 0 };
    struct po_err ignored;
    enum po_status st = po_cli_parse(&values, backup, (int)count, words, &ignored);

    if (st == PO_OK && values.value[PO_CLI_CONFIG].is_set)
        st = po_cli_config_load(&values, backup, values.value[PO_CLI_CONFIG].text, &ignored);
    if (st == PO_OK && values.value[PO_CLI_SITE].is_set)
        po_buf_put_text(out, values.value[PO_CLI_SITE].text);
    /* A folder is the same with and without the last '/'. */
    while (out->size > 1 && out->bytes[out->size - 1] == '/')
        out->size--;
    (void)po_buf_text(out);
    po_cli_values_deinit(&values);
    return st == PO_OK;
}

static enum po_status
read_words(struct po_cli_former *former, struct po_err *err)
{
    size_t count = 0;
    char **list = po_mem_new(former->words.size + 1, sizeof(*list));

    if (list == NULL)
        return po_fail_nomem(err, former->words.size);
    for (size_t at = 0; at < former->words.size; at += strlen(list[count - 1]) + 1)
        list[count++] = (char *)former->words.bytes + at;
    former->is_known = count > 2 && put_site(&former->site, list + 2, count - 2);
    po_mem_free(list);
    return po_buf_check(&former->site, err);
}

/* ---- finding it ---- */

struct finder {
    const struct po_cli_scheduler *scheduler;
    struct po_cli_former *former;
};

/* A po_cli_scheduled_fn. */
static void
look_at(void *ctx, const struct po_cli_scheduled *job)
{
    const struct finder *finder = ctx;
    struct po_cli_former *former = finder->former;

    if (former->is_there || strcmp(job->name, former->name) != 0)
        return;
    former->is_there = true;
    po_buf_put_text(&former->when, job->when);
    if (finder->scheduler->put_words == NULL ||
        !finder->scheduler->put_words(&former->words, job->command))
        po_buf_clear(&former->words);
}

enum po_status
po_cli_former_find(struct po_cli_former *former, const struct po_cli_scheduler *scheduler,
                   const char *name, char *const *words, size_t count, struct po_err *err)
{
    struct finder finder = { .scheduler = scheduler, .former = former };
    enum po_status st;

    *former = (struct po_cli_former){ .name = name };
    (void)put_site(&former->new_site, words + 2, count - 2);
    st = scheduler->list(look_at, &finder, err);
    if (st == PO_OK)
        st = po_buf_check(&former->words, err);
    (void)po_buf_text(&former->when);
    if (st == PO_OK)
        st = po_buf_check(&former->when, err);
    if (st == PO_OK && former->is_there)
        st = read_words(former, err);
    former->is_another = strcmp(po_buf_text(&former->site), po_buf_text(&former->new_site)) != 0;
    return st;
}

void
po_cli_former_deinit(struct po_cli_former *former)
{
    po_buf_deinit(&former->when);
    po_buf_deinit(&former->words);
    po_buf_deinit(&former->site);
    po_buf_deinit(&former->new_site);
}

/* ---- telling it ---- */

static const char *
site_of(const struct po_buf *site)
{
    return site->size == 0 ? "the default site" : (const char *)site->bytes;
}

enum po_status
po_cli_former_check(const struct po_cli_former *former, struct po_err *err)
{
    if (!former->is_there || (former->is_known && !former->is_another))
        return PO_OK;
    return po_fail(err, PO_E_USAGE,
                   "there is a job %s for %s, and this one is for %s: give another --name, or "
                   "--name=%s to replace it",
                   former->name, former->is_known ? site_of(&former->site) : "nobody knows what",
                   site_of(&former->new_site), former->name);
}

void
po_cli_former_tell(struct po_cli *cli, const struct po_cli_former *former)
{
    if (!former->is_there)
        return;
    if (former->is_known && former->is_another)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "replaced: %s, which was for %s, %s", former->name,
                        site_of(&former->site), (const char *)former->when.bytes);
    else
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "replaced: %s, %s", former->name,
                        (const char *)former->when.bytes);
}
