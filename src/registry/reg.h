/*
 * reg.h - the .reg document: what regedit exports and imports. Parsed, printed, compared, merged,
 * moved between the views of 64-bit Windows and to other places on the disk; no registry is touched,
 * so it works on any system.
 *
 * The model holds what the registry holds: a value's data are its raw bytes, whatever its type says
 * of them. Strings are UTF-16LE with their terminating NUL, if they have one. Names are UTF-8; what
 * UTF-16 can hold and UTF-8 cannot, a surrogate without its partner, is kept in three bytes
 * (WTF-8). Names have no NUL inside.
 *
 * What regedit would pass over without a word (a line that is no key and no value, a value of
 * unknown form, a string without end) is refused here with its line: a value that is silently lost
 * is worse than an import that does not begin.
 */
#ifndef PO_REGISTRY_REG_H
#define PO_REGISTRY_REG_H

#include "base/buf.h"

/* Limits; the registry's own are lower (a key 512 levels deep; a value of some megabytes). */
#define PO_REG_SIZE_MAX ((uint64_t)256 * 1024 * 1024) /* of a document, in bytes */
#define PO_REG_VALUE_MAX ((size_t)64 * 1024 * 1024)   /* of a value's data, and of a name */
#define PO_REG_DEPTH_MAX 512                          /* components of a key's path */
#define PO_REG_KEYS_MAX ((size_t)1 << 20)
#define PO_REG_VALUES_MAX ((size_t)1 << 23)

/* The types that have a form of their own or text in them. Any other number is kept as it is. */
enum {
    PO_REG_NONE = 0,
    PO_REG_SZ = 1,
    PO_REG_EXPAND_SZ = 2,
    PO_REG_BINARY = 3,
    PO_REG_DWORD = 4,
    PO_REG_MULTI_SZ = 7,
    PO_REG_QWORD = 11,
};

/* Whether data of this type are text: REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ. */
bool po_reg_is_text(uint32_t type);

struct po_reg_value {
    char *name; /* NUL-terminated; "" is the default value, "@" in the file */
    size_t name_size;
    uint8_t *data;
    size_t data_size;
    uint32_t type;
    bool is_delete; /* "name"=-: no type, no data */
};

struct po_reg_key {
    char *path; /* NUL-terminated; '\' between components, from the root key on, as written */
    size_t path_size;
    bool is_delete; /* [-path]: no values */
    struct po_reg_value *values;
    size_t value_count;
    size_t value_capacity;
};

/*
 * Keys and values in the order of the file. The same key or value may come again: the last one
 * counts.
 */
struct po_reg {
    struct po_reg_key *keys;
    size_t key_count;
    size_t key_capacity;
    size_t value_count; /* of all keys */
};

/* ---- model (reg.c) ---- */

PO_NODISCARD enum po_status po_reg_new(struct po_reg **out, struct po_err *err);
/* NULL is fine. */
void po_reg_free(struct po_reg *reg);

/*
 * Appends a key. *key may be NULL; it is valid until the next one is added. PO_E_FORMAT: empty
 * component, NUL, too deep, too many; the root is not checked.
 */
PO_NODISCARD enum po_status po_reg_add_key(struct po_reg *reg, const char *path, size_t path_size,
                                           bool is_delete, struct po_reg_key **key,
                                           struct po_err *err);
/* Takes away the last key with its values; nothing when there is none. */
void po_reg_remove_last_key(struct po_reg *reg);
/* Appends a value to the last key. Name and data are copied. PO_E_FORMAT when a limit is broken. */
PO_NODISCARD enum po_status po_reg_add_value(struct po_reg *reg, const char *name, size_t name_size,
                                             uint32_t type, const void *data, size_t data_size,
                                             struct po_err *err);
PO_NODISCARD enum po_status po_reg_add_delete(struct po_reg *reg, const char *name,
                                              size_t name_size, struct po_err *err);
/* Puts other data in the place of a value's. */
PO_NODISCARD enum po_status po_reg_value_set(struct po_reg_value *value, uint32_t type,
                                             const void *data, size_t data_size,
                                             struct po_err *err);

/* ---- parsing (reg_parse.c) ---- */

/*
 * How bytes above 0x7F are read where the file does not say: in text without a byte order mark that
 * is not UTF-16, and in the hex(1), hex(2) and hex(7) data of REGEDIT4, which are strings in the
 * code page of the machine that wrote them. AUTO decides once for the text and once for each such
 * value. Latin-1 loses nothing, but names in another code page (932 in Japan) read wrongly: export
 * as version 5.00.
 */
enum po_reg_code_page {
    PO_REG_CODE_PAGE_AUTO, /* UTF-8 if it is valid, else Latin-1 */
    PO_REG_CODE_PAGE_UTF8, /* anything else is refused */
    PO_REG_CODE_PAGE_LATIN1,
};

/*
 * Reads "Windows Registry Editor Version 5.00" or "REGEDIT4" in UTF-16 of either byte order or in
 * bytes, with a byte order mark or without, lines ending in CRLF or LF. PO_E_UNSUPPORTED: no such
 * document. PO_E_FORMAT: refused. The text begins with "line N: " in both cases. Time and memory
 * are linear.
 */
PO_NODISCARD enum po_status po_reg_parse(struct po_reg **out, const void *bytes, size_t size,
                                         enum po_reg_code_page code_page, struct po_err *err);

/* ---- printing (reg_print.c) ---- */

/*
 * Appends the document as regedit writes it: version 5.00, UTF-16LE with byte order mark, CRLF,
 * long hex data on lines of 80 columns. What the string and dword forms would lose is written as
 * hex(N): data that are no string with one NUL at the end, strings with line breaks, a dword that
 * is not four bytes long. PO_E_UNSUPPORTED: a name the format cannot hold (a key with a line
 * break).
 */
PO_NODISCARD enum po_status po_reg_print(const struct po_reg *reg, struct po_buf *out,
                                         struct po_err *err);

/* ---- comparing (reg_compare.c) ---- */

enum po_reg_change { PO_REG_ADDED, PO_REG_REMOVED, PO_REG_CHANGED };

struct po_reg_difference {
    enum po_reg_change change;
    const struct po_reg_key *key; /* of `after`; of `before` when it is removed */
    /* Both NULL: the key itself. Else NULL where it is not. */
    const struct po_reg_value *before;
    const struct po_reg_value *after;
};

/* A failure ends the comparing and is its result. */
typedef enum po_status (*po_reg_difference_fn)(void *ctx,
                                               const struct po_reg_difference *difference,
                                               struct po_err *err);

/*
 * Flags: paths that differ in a component "Wow6432Node" below "Software" or "Classes" are the same
 * key.
 */
#define PO_REG_IGNORE_WOW64 1u

/*
 * Compares what the two documents leave when they are imported into an empty registry: later lines
 * win, deletions leave nothing. Names are compared without regard to case, HKLM and its like stand
 * for the long names. A key that is added or removed is told itself, and each of its values too. In
 * the order of the keys' and values' names.
 */
PO_NODISCARD enum po_status po_reg_compare(const struct po_reg *before, const struct po_reg *after,
                                           unsigned flags, po_reg_difference_fn each, void *ctx,
                                           struct po_err *err);

/*
 * Appends the form of a key's path that is the same for all ways of writing it: byte order of two
 * is their order, a key stands before its subkeys, and they before its next sibling.
 */
void po_reg_put_path_key(struct po_buf *out, const char *path, size_t path_size, unsigned flags);
/* The same for a name. */
void po_reg_put_name_key(struct po_buf *out, const char *name, size_t name_size);

/* ---- importing (reg_merge.c) ---- */

/*
 * What importing `over` leaves where `base` is: a document without deletions in which each key and
 * each value stands once, in the order of their names, root keys by their long names. Later lines
 * win, those of `over` over all of `base`. A key or value that is there keeps its name's spelling.
 * The keys that importing makes on the way to a key are in it too, from the topmost key that the
 * documents name on. PO_E_FORMAT when the result is too large for a document.
 */
PO_NODISCARD enum po_status po_reg_merge(struct po_reg **out, const struct po_reg *base,
                                         const struct po_reg *over, struct po_err *err);

/* ---- views (reg_view.c) ---- */

/*
 * On 64-bit Windows what a 32-bit program calls HKEY_LOCAL_MACHINE\SOFTWARE\x is
 * HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\x to all others, regedit among them. PLAIN: as on a
 * system that has no such node, or in a 32-bit program.
 */
enum po_reg_view { PO_REG_VIEW_PLAIN, PO_REG_VIEW_32 };

/*
 * Appends a key's path with the node or without it, whichever it has; all else as it is written.
 * Paths elsewhere than below HKEY_LOCAL_MACHINE\SOFTWARE stay.
 */
void po_reg_put_path_in_view(struct po_buf *out, const char *path, size_t path_size,
                             enum po_reg_view view);
/* A copy with all keys in one view. PO_E_FORMAT when the node makes one too deep. */
PO_NODISCARD enum po_status po_reg_in_view(struct po_reg **out, const struct po_reg *reg,
                                           enum po_reg_view view, struct po_err *err);
/* Whether a key is another one or lies below it; either may be in either view. */
bool po_reg_path_is_within(const char *path, size_t path_size, const char *key, size_t key_size);
/* The same of all keys of a document, deleted ones too; *outside (may be NULL) is the first not. */
bool po_reg_is_within(const struct po_reg *reg, const char *key, size_t key_size,
                      const struct po_reg_key **outside);

/* ---- places (reg_rewrite.c) ---- */

/* Text that data may hold, and what is to stand there instead; UTF-8. Paths with either slash. */
struct po_reg_move {
    const char *from; /* not empty */
    const char *to;   /* NULL: it is looked for, and left */
};

struct po_reg_rewrite {
    const struct po_reg_key *key;
    const struct po_reg_value *value; /* as it is now */
    const void *before;               /* its data before; NULL: it holds the text, and is left */
    size_t before_size;
    const struct po_reg_move *move; /* the first that was found in it */
};
/* A failure ends the rewriting and is its result. */
typedef enum po_status (*po_reg_rewrite_fn)(void *ctx, const struct po_reg_rewrite *rewrite,
                                            struct po_err *err);

/*
 * Rewrites the strings of all values (REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ; req: R4). A move's text
 * is found at the front of a string, or behind a mark that no path goes on after (space, quotation
 * mark, one of = ; , | < > ( [ @, "\\?\"), and counts when the string, a component of a path or such
 * a mark ends there; a space is no end, as "C:\spool old" is another folder. Case is not told
 * apart, nor are slashes; what is written has the slashes that stood there, doubled where they were.
 * The longest text that fits counts, and what was written is not looked at again. Slashes at the
 * ends of both texts do not count.
 *
 * Values that hold a move's text elsewhere, or in data that are no strings (as UTF-16 or ASCII), are
 * told and left. `each` may be NULL.
 */
PO_NODISCARD enum po_status po_reg_rewrite(struct po_reg *reg, const struct po_reg_move *moves,
                                           size_t move_count, po_reg_rewrite_fn each, void *ctx,
                                           struct po_err *err);

/* A failure ends the search and is its result. `word`: of the list. */
typedef enum po_status (*po_reg_word_fn)(void *ctx, const struct po_reg_key *key,
                                         const struct po_reg_value *value, size_t word,
                                         struct po_err *err);
/*
 * Finds values that hold a word (a host's name, an address; UTF-8): in strings and other data, as
 * UTF-16 or ASCII, case not told apart; letters, digits and '-' around it make it another word. A
 * value is told once, with the first of the words that it holds.
 */
PO_NODISCARD enum po_status po_reg_find_words(const struct po_reg *reg, const char *const *words,
                                              size_t word_count, po_reg_word_fn each, void *ctx,
                                              struct po_err *err);

#endif
