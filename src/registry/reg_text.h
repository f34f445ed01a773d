/* reg_text.h - the encodings of .reg files; for reg_*.c alone. */
#ifndef PO_REGISTRY_REG_TEXT_H
#define PO_REGISTRY_REG_TEXT_H

#include "registry/reg.h"

/*
 * Appends a whole file as WTF-8 without its byte order mark. PO_E_FORMAT, with the line, when the
 * bytes cannot be read: half a UTF-16 character, bytes that are not the UTF-8 the file or the
 * caller promises.
 */
PO_NODISCARD enum po_status po_reg_text_decode(struct po_buf *out, const uint8_t *bytes,
                                               size_t size, enum po_reg_code_page code_page,
                                               struct po_err *err);

/* Appends code page bytes as UTF-16LE; false when they are not the UTF-8 that was asked for. */
bool po_reg_text_put_code_page(struct po_buf *out, const uint8_t *bytes, size_t size,
                               enum po_reg_code_page code_page);

#endif
