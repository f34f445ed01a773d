/* text.h - names, sizes and times as text. Pure functions; no locale. */
#ifndef PO_BASE_TEXT_H
#define PO_BASE_TEXT_H

#include "base/buf.h"

/* Strict UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool po_text_is_utf8(const void *bytes, size_t size);
/* The length of the character at the front, 1 to 4; 0 when it is not strict UTF-8 or size is 0. */
size_t po_text_utf8_step(const void *bytes, size_t size);

/* Byte order, a shorter prefix first: <0, 0, >0. */
int po_text_compare(const void *a, size_t a_size, const void *b, size_t b_size);

/*
 * Glob on archive paths: '?' (one character) and '*' stop at '/', '**' does not; "**" with '/'
 * behind and nothing or '/' before stands for any number of components, none too; [abc], [a-z],
 * [!a] one byte but '/'; '\' takes the next literally. A '/' at the end is ignored. A pattern that
 * names a directory also matches all that lies in it (so "Post.OfficeConfigBackup" selects the
 * tree).
 */
bool po_text_glob(const char *pattern, const char *path, size_t path_size);

/*
 * "8M" = 8388608; suffixes K M G T (1024), optional "iB"/"B", any case; false when not a size or
 * too large.
 */
bool po_text_parse_size(const char *text, uint64_t *out);
/* Decimal digits alone, at most `max`. */
bool po_text_parse_u64(const char *text, uint64_t max, uint64_t *out);

/*
 * "2026-11-24T02:00:00.1234567Z" from 100 ns steps since 1970; always 7 digits. Years 0001 to 9999;
 * others are clamped.
 */
void po_text_put_time(struct po_buf *out, int64_t time);
/* The reverse, strict; false when malformed. */
bool po_text_parse_time(const char *text, int64_t *out);
/* "20261124T020000Z". */
void po_text_put_time_compact(struct po_buf *out, int64_t time);

/* Bytes as lower-case hexadecimal, and back (exactly 2 * size digits). */
void po_text_put_hex(struct po_buf *out, const void *bytes, size_t size);
bool po_text_parse_hex(const char *text, uint8_t *out, size_t size);

/* A size for people: "512 B", "7.4 KiB", "1.21 GiB". */
void po_text_put_size(struct po_buf *out, uint64_t size);
/* One argument of a command line of Windows, in quotation marks, as its C library takes them. */
void po_text_put_argument(struct po_buf *out, const char *text);
/* A duration for people: "0.42 s", "12.3 s", "3 min 20 s", "2 h 05 min". */
void po_text_put_seconds(struct po_buf *out, double seconds);

/*
 * A name safe to print on a terminal: control characters, invalid UTF-8, bidi and other invisible
 * controls and '\' as \n, \t, \\, \xNN.
 */
void po_text_put_name(struct po_buf *out, const void *name, size_t size);

/* ASCII case-insensitive equality. */
bool po_text_is_equal_nocase(const char *a, const char *b);

#endif
