/* reg_show.h - a value's data as text for people. */
#ifndef PO_REGISTRY_REG_SHOW_H
#define PO_REGISTRY_REG_SHOW_H

#include "registry/reg.h"

/*
 * Appends data of a type that is text as UTF-8, a list's strings with " | " between; false, and
 * nothing is appended, for other types.
 */
bool po_reg_show_text(struct po_buf *out, uint32_t type, const void *data, size_t size);
/* Likewise; numbers as numbers, and the first bytes of other data in hexadecimal digits. */
void po_reg_show_data(struct po_buf *out, uint32_t type, const void *data, size_t size);

#endif
