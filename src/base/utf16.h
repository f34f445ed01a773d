/*
 * utf16.h - UTF-16, in which Windows keeps names, and WTF-8, in which they are kept here: UTF-8, and
 * a surrogate without its partner in three bytes, so that nothing is lost either way.
 */
#ifndef PO_BASE_UTF16_H
#define PO_BASE_UTF16_H

#include "base/buf.h"

/* The character at the front and its length; what is no WTF-8 is one byte of Latin-1. */
size_t po_wtf8_step(const uint8_t *text, size_t size, uint32_t *code);
/* Whether all of it is WTF-8. */
bool po_wtf8_is_valid(const void *text, size_t size);
/* Appends one character. */
void po_wtf8_put_code(struct po_buf *out, uint32_t code);
/* Appends UTF-16 of either byte order as WTF-8; an odd last byte is dropped. */
void po_wtf8_put_utf16(struct po_buf *out, const void *utf16, size_t size, bool is_big_endian);

/* Appends WTF-8 as UTF-16LE, without a NUL. Bytes that are no WTF-8 are taken as Latin-1. */
void po_utf16_put(struct po_buf *out, const char *text, size_t size);

#endif
