/*
 * reg_list.h - the lines of documents as one list, in the order of what they are about; for reg_*.c
 * alone.
 */
#ifndef PO_REGISTRY_REG_LIST_H
#define PO_REGISTRY_REG_LIST_H

#include "registry/reg.h"

/* In the order in which they stand for one key. */
enum po_reg_item_kind { PO_REG_ITEM_DELETE, PO_REG_ITEM_KEY, PO_REG_ITEM_VALUE };

/* One line of a document. */
struct po_reg_item {
    const uint8_t *path; /* po_reg_put_path_key */
    const uint8_t *name; /* po_reg_put_name_key */
    size_t path_at;      /* offsets into list.text, while that grows */
    size_t path_size;
    size_t name_at;
    size_t name_size;
    size_t number; /* its place among all lines, from 1 on */
    enum po_reg_item_kind kind;
    const struct po_reg_key *key;
    const struct po_reg_value *value; /* NULL for keys */
};

struct po_reg_list {
    struct po_reg_item *items; /* in the order of the lines */
    uint32_t *order;           /* of the items: by key, kind, name, and then by number */
    uint32_t count;
    struct po_buf text;
};

/* The lines of documents as if they were one. Deinit is always allowed after it, and on { 0 }. */
PO_NODISCARD enum po_status po_reg_list_init(struct po_reg_list *list,
                                             const struct po_reg *const *regs, size_t reg_count,
                                             unsigned flags, struct po_err *err);
void po_reg_list_deinit(struct po_reg_list *list);
/* The nth in order. */
static inline const struct po_reg_item *
po_reg_list_at(const struct po_reg_list *list, size_t n)
{
    return &list->items[list->order[n]];
}

/* By what two lines are about; 0: the later one is in the place of the other. */
int po_reg_item_compare(const struct po_reg_item *a, const struct po_reg_item *b);

/* The capital of a character, or itself. */
uint32_t po_reg_capital(uint32_t code);

/* Where the component that begins at `from` ends: at a '\\', or at the end of the path. */
size_t po_reg_path_step(const char *path, size_t path_size, size_t from);

/* The long name of a root key that has a short one ("HKLM"), else `root`; *size is changed. */
const char *po_reg_long_root(const char *root, size_t *size);

#endif
