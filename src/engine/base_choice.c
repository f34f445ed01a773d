#include "engine/base_choice.h"

#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define TICKS_PER_DAY (INT64_C(86400) * PO_TICKS_PER_SECOND)

static bool
is_equal(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether the archive is one of this site on this machine. */
static bool
is_ours(const struct po_vault_row *row, struct po_host *host, const char *host_name)
{
    const struct po_manifest_core *m = &row->peek.manifest;

    return is_equal(m->host_name, host_name) && is_equal(m->host_kind, host->ops->kind) &&
           is_equal(m->registry, host->ops->place(host, PO_PART_REGISTRY)) &&
           is_equal(m->bin, po_host_known_place(host, PO_PART_BIN)) &&
           is_equal(m->spool, po_host_known_place(host, PO_PART_SPOOL)) &&
           is_equal(m->mailbox, po_host_known_place(host, PO_PART_MAILBOX));
}

/* One to build on: all that it needs is there, and it is not of the future, when clocks were wrong. */
static bool
is_usable(const struct po_vault_row *row, int64_t now)
{
    return row->copy_of == PO_RETENTION_NONE && !row->is_damaged && row->missing == 0 &&
           row->peek.manifest.created <= now;
}

/* The full that the archive builds on in the end; itself, if it is one. */
static uint32_t
full_of(const struct po_vault *vault, uint32_t row)
{
    const struct po_vault_row *r = &vault->rows[row];

    return r->peek.manifest.parent_count == 0 ? row : r->parents[r->peek.manifest.parent_count - 1];
}

/* What has been built on the full, in bytes: the last one that builds on it alone, or all of a chain. */
static uint64_t
bytes_on(const struct po_vault *vault, uint32_t full, enum po_base_kind kind)
{
    uint64_t bytes = 0;

    for (uint32_t i = full + 1; i < vault->count; i++) {
        const struct po_vault_row *row = &vault->rows[i];
        uint32_t parents = (uint32_t)row->peek.manifest.parent_count;

        if (parents == 0 || row->missing > 0 || full_of(vault, i) != full)
            continue;
        if (kind == PO_BASE_LAST)
            bytes += row->file_bytes;
        else if (parents == 1)
            bytes = row->file_bytes;
    }
    return bytes;
}

static void
want_full(struct po_base_choice *choice, const char *reason)
{
    choice->row = PO_RETENTION_NONE;
    (void)snprintf(choice->reason, sizeof choice->reason, "%s", reason);
}

static uint32_t
find_newest(const struct po_vault *vault, struct po_host *host, enum po_base_kind kind, int64_t now)
{
    struct po_buf host_name = { 0 };
    uint32_t found = PO_RETENTION_NONE;

    po_sys_put_host(&host_name);
    for (uint32_t i = 0; i < vault->count; i++) {
        const struct po_vault_row *row = &vault->rows[i];

        if (is_usable(row, now) && is_ours(row, host, po_buf_text(&host_name)) &&
            (kind == PO_BASE_LAST || row->peek.manifest.parent_count == 0))
            found = i;
    }
    po_buf_deinit(&host_name);
    return found;
}

void
po_base_choose(struct po_base_choice *choice, const struct po_vault *vault, struct po_host *host,
               const struct po_base_rules *rules, int64_t now)
{
    char reason[sizeof choice->reason];
    uint32_t full;

    *choice = (struct po_base_choice){ .row = find_newest(vault, host, rules->kind, now) };
    if (choice->row == PO_RETENTION_NONE) {
        want_full(choice, "there is none of this site in the vault");
        return;
    }
    full = full_of(vault, choice->row);
    /* Half a day less: a nightly job does not begin at the same second. */
    if (rules->full_days > 0 && now - vault->rows[full].peek.manifest.created >=
                                    (int64_t)rules->full_days * TICKS_PER_DAY - TICKS_PER_DAY / 2) {
        (void)snprintf(reason, sizeof reason, "the last one is %u days old", rules->full_days);
        want_full(choice, reason);
        return;
    }
    if (rules->full_share > 0 && bytes_on(vault, full, rules->kind) / rules->full_share * 100 >
                                     vault->rows[full].file_bytes) {
        (void)snprintf(reason, sizeof reason, "what builds on the last one takes %u %% of it",
                       rules->full_share);
        want_full(choice, reason);
        return;
    }
    if (vault->rows[choice->row].peek.manifest.parent_count + 1 >= PO_BASE_CHAIN_MAX)
        want_full(choice, "the chain is long enough");
}
