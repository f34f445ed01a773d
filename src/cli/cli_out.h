/*
 * cli_out.h - what the program says. Data go to standard output: text, or with --json one document,
 * which is written as it comes, so that a long list costs no memory. People's text goes to standard
 * error; with --progress=json each line of it is a JSON event.
 *
 * Nothing raw reaches a terminal: messages are made safe here as a whole, names by
 * po_text_put_name.
 */
#ifndef PO_CLI_CLI_OUT_H
#define PO_CLI_CLI_OUT_H

#include "base/buf.h"

#include <jansson.h>

struct po_cli_log;
struct po_cli_progress;

enum po_cli_tone {
    PO_CLI_SAY,     /* a report for people; not with --quiet */
    PO_CLI_NOTE,    /* good to know; not with --quiet */
    PO_CLI_WARNING, /* the run is good, but the user should do something */
    PO_CLI_PROBLEM, /* an item that failed */
    PO_CLI_ERROR,
    PO_CLI_HINT, /* what to type next; not with --quiet */
};

struct po_cli_out {
    bool is_json;
    bool is_quiet;
    bool is_event_json; /* --progress=json */
    bool is_stdout_terminal;
    bool is_stderr_terminal;
    bool has_stdout_colour;
    bool has_stderr_colour;
    struct po_buf told;               /* what was told, a line each, the first so many: for logs */
    struct po_cli_log *log;           /* what is told stands there too; NULL = nowhere */
    struct po_cli_progress *progress; /* its line is taken away before anything is written */
    /* The JSON document. */
    bool is_kept;  /* it is wanted for other things than standard output */
    bool is_muted; /* it is not for standard output at the moment */
    struct po_buf kept;
    bool is_open;
    bool has_member;
    bool is_in_array;
    bool has_item;
    bool has_failed; /* memory ran out while it was made */
    json_t *warnings;
    json_t *error; /* the first one */
};

/* Looks at the terminals and the environment. Options are set by the caller afterwards. */
void po_cli_out_init(struct po_cli_out *out);
void po_cli_out_deinit(struct po_cli_out *out);

/* ---- people ---- */

/* One line of text, without a newline. */
PO_PRINTF(3, 4)
void po_cli_out_tell(struct po_cli_out *out, enum po_cli_tone tone, const char *format, ...);
/* An item that failed: path and reason. A warning event in JSON has them apart. */
void po_cli_out_item(struct po_cli_out *out, const char *path, size_t path_size,
                     const char *reason);
/* Appends text with control characters and the like escaped; '\' stays (unlike in a name). */
void po_cli_put_message(struct po_buf *to, const char *text);
/* Keeps a line for logs that is shown in another way, or not at all. */
void po_cli_out_keep(struct po_cli_out *out, enum po_cli_tone tone, const char *text);
/* A path as one word for a shell; what no shell could take back is escaped for the eye. */
void po_cli_put_word(struct po_buf *to, const char *text);
/* "1 file", "3 files". */
void po_cli_put_count(struct po_buf *to, uint64_t count, const char *one, const char *many);

/* ---- data ---- */

/* Bytes to standard output; false (and an error is noted) when they could not be written. */
bool po_cli_out_data(struct po_cli_out *out, const void *bytes, size_t size);
/* The buffer and a newline; the buffer is emptied. */
bool po_cli_out_line(struct po_cli_out *out, struct po_buf *line);
/* Flushes; PO_E_IO when something could not be written. */
PO_NODISCARD enum po_status po_cli_out_flush(struct po_cli_out *out, struct po_err *err);

/*
 * ---- the JSON document; nothing happens without --json, unless it is kept. Values are taken over.
 * ----
 */

/* Whether there is one. */
bool po_cli_out_has_document(const struct po_cli_out *out);

/* The verb is NULL when none was given. */
void po_cli_json_begin(struct po_cli_out *out, const char *verb);
void po_cli_json_member(struct po_cli_out *out, const char *key, json_t *value);
void po_cli_json_array_begin(struct po_cli_out *out, const char *key);
void po_cli_json_item(struct po_cli_out *out, json_t *value);
void po_cli_json_array_end(struct po_cli_out *out);
/* Adds warnings, error and exit_code, and ends it. */
void po_cli_json_end(struct po_cli_out *out, int exit_code);
/* Of one that is kept: appends what it would be if it ended now. It goes on all the same. */
void po_cli_json_put_document(struct po_cli_out *out, int exit_code, struct po_buf *to);
/* A raw string value in pieces: begin with the key, append text that needs no escapes. */
void po_cli_json_text_begin(struct po_cli_out *out, const char *key);
void po_cli_json_text_end(struct po_cli_out *out);

/* Values; NULL when out of memory, which the calls above note. Text that is not UTF-8: "?". */
json_t *po_cli_json_text(const char *text);
json_t *po_cli_json_u64(uint64_t number);
json_t *po_cli_json_hex(const void *bytes, size_t size);
json_t *po_cli_json_time(int64_t time);
/* "path", or "path_hex" when it is not UTF-8, and the value that belongs to it. */
const char *po_cli_json_path_key(const char *path, size_t path_size);
json_t *po_cli_json_path(const char *path, size_t path_size);
/* In an array of paths: a string, or {"hex": "..."}. */
json_t *po_cli_json_plain_path(const char *path, size_t path_size);
json_t *po_cli_json_err(const struct po_err *err);

#endif
