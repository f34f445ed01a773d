/*
 * base_choice.h - what the next archive of a site in a vault builds on, if on anything: by what is in
 * the vault, without looking at the site.
 */
#ifndef PO_ENGINE_BASE_CHOICE_H
#define PO_ENGINE_BASE_CHOICE_H

#include "engine/vault.h"
#include "host/host.h"

/* Beyond that many archives a chain is not made longer. */
#define PO_BASE_CHAIN_MAX 30u

enum po_base_kind {
    PO_BASE_FULL, /* on the last full: a restore needs two archives */
    PO_BASE_LAST  /* on the last archive, whatever it is */
};

struct po_base_rules {
    enum po_base_kind kind;
    unsigned full_days;  /* a full when the last is that old; 0 = never for its age */
    unsigned full_share; /* percent of the full that what builds on it may take; 0 = whatever */
};

struct po_base_choice {
    uint32_t row;     /* of the vault, or PO_RETENTION_NONE: a full is due */
    char reason[256]; /* why a full */
};

/* `now` as po_sys_now. */
void po_base_choose(struct po_base_choice *choice, const struct po_vault *vault,
                    struct po_host *host, const struct po_base_rules *rules, int64_t now);

#endif
