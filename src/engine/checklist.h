/*
 * checklist.h - what an update of the mail server does not carry over, and what an uninstall takes
 * away (requirements U2, U3, K1; the guide's sections 1.5 and 1.6), with the values that the registry
 * has of it as far as they can be told.
 */
#ifndef PO_ENGINE_CHECKLIST_H
#define PO_ENGINE_CHECKLIST_H

#include "host/host.h"
#include "registry/reg.h"

enum po_checklist_for { PO_CHECKLIST_UPGRADE, PO_CHECKLIST_UNINSTALL };

/* A value that may be meant. */
struct po_checklist_value {
    char *key;
    char *name; /* "" = the default value */
    char *data; /* as text */
};

struct po_checklist_item {
    const char *id;    /* for scripts: "ldap", "dns", ... */
    const char *what;  /* is to be done or known, and of which versions that is so */
    const char *where; /* to find it by hand, in the guide's words; or NULL */
    struct po_checklist_value *values; /* none: not recognised */
    size_t count;
    size_t found; /* in all; the first of them are listed */
};

struct po_checklist {
    struct po_checklist_item *items;
    size_t count;
};

/* `reg` may be NULL: nothing can be recognised then. To be freed in any case. */
PO_NODISCARD enum po_status po_checklist_make(struct po_checklist *list, enum po_checklist_for what,
                                              const struct po_reg *reg, struct po_host *host,
                                              struct po_err *err);
void po_checklist_deinit(struct po_checklist *list);

#endif
