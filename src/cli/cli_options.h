/*
 * cli_options.h - options as tables. A verb is a row with a table of its options; the parser, the
 * configuration file, `help VERB` and the errors all read the same tables, so that they cannot
 * disagree.
 */
#ifndef PO_CLI_CLI_OPTIONS_H
#define PO_CLI_CLI_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>

struct po_cli;

/* One place for a value each. The same id may stand in several verbs' tables, with other help. */
enum po_cli_id {
    PO_CLI_CONFIG,
    PO_CLI_JSON,
    PO_CLI_PROGRESS,
    PO_CLI_QUIET,
    PO_CLI_NO_COLOR,
    PO_CLI_HELP,
    PO_CLI_SITE,
    PO_CLI_REGISTRY_KEY,
    PO_CLI_BIN,
    PO_CLI_SPOOL,
    PO_CLI_MAILBOX,
    PO_CLI_SERVICE,
    PO_CLI_OUTPUT,
    PO_CLI_COLD,
    PO_CLI_FULL,
    PO_CLI_BASE,
    PO_CLI_DRILL,
    PO_CLI_KEEP,
    PO_CLI_FOR,
    PO_CLI_FULL_EVERY,
    PO_CLI_FULL_SHARE,
    PO_CLI_LEVEL,
    PO_CLI_THREADS,
    PO_CLI_FRAME_SIZE,
    PO_CLI_ORDER,
    PO_CLI_EXCLUDE,
    PO_CLI_STOP_TIMEOUT,
    PO_CLI_NO_SERVICES,
    PO_CLI_NO_FRAME_CHECK,
    PO_CLI_DRY_RUN,
    PO_CLI_ALLOW_SAME_VOLUME,
    PO_CLI_ALLOW_SHRINK,
    PO_CLI_QUICK,
    PO_CLI_DEEP,
    PO_CLI_BUDGET,
    PO_CLI_LONG,
    PO_CLI_NULL,
    PO_CLI_DIRECTORY,
    PO_CLI_OVERWRITE,
    PO_CLI_RECOVERY,
    PO_CLI_IN_PLACE,
    PO_CLI_ONLY,
    PO_CLI_PATH,
    PO_CLI_EXACT,
    PO_CLI_REGISTRY,
    PO_CLI_MAP,
    PO_CLI_QUEUE,
    PO_CLI_LIVE,
    PO_CLI_NO_SAFETY_COPY,
    PO_CLI_REBOOT,
    PO_CLI_REBOOT_DELAY,
    PO_CLI_RIGHTS,
    PO_CLI_WAIT,
    PO_CLI_FORGET,
    PO_CLI_MAX_AGE,
    PO_CLI_KEEP_LAST,
    PO_CLI_KEEP_DAILY,
    PO_CLI_KEEP_WEEKLY,
    PO_CLI_KEEP_MONTHLY,
    PO_CLI_KEEP_YEARLY,
    PO_CLI_YES,
    PO_CLI_LOG,
    PO_CLI_LOG_SIZE_MAX,
    PO_CLI_LOG_KEPT,
    PO_CLI_ON_SUCCESS,
    PO_CLI_ON_FAILURE,
    PO_CLI_ON_TIMEOUT,
    PO_CLI_METRICS,
    PO_CLI_MAIL_TO,
    PO_CLI_MAIL_ON,
    PO_CLI_MAIL_FROM,
    PO_CLI_MAIL_SERVER,
    PO_CLI_MAIL_TLS,
    PO_CLI_MAIL_LOGIN,
    PO_CLI_MAIL_CA,
    PO_CLI_MAIL_TIMEOUT,
    PO_CLI_AT,
    PO_CLI_EVERY,
    PO_CLI_NAME,
    PO_CLI_SIGN,
    PO_CLI_SIGN_PASSPHRASE_FILE,
    PO_CLI_KEY,
    PO_CLI_PASSPHRASE_FILE,
    PO_CLI_NO_PASSPHRASE,
    PO_CLI_TRUSTED_KEY,
    PO_CLI_ID_COUNT
};

enum po_cli_kind {
    PO_CLI_FLAG,
    PO_CLI_TEXT,
    PO_CLI_LIST,   /* text that may be given several times */
    PO_CLI_CHOICE, /* one of `argument`, which is "a|b|c" */
    PO_CLI_NUMBER, /* min to max */
    PO_CLI_SIZE,   /* bytes, with K M G; min to max */
    PO_CLI_PERIOD, /* whole days: "30d", "4w"; min to max days */
};

struct po_cli_option {
    enum po_cli_id id;
    const char *name; /* NULL ends a table */
    char letter;      /* 0 = none */
    enum po_cli_kind kind;
    const char *argument; /* for people; NULL for a flag */
    int64_t min;
    int64_t max;
    const char *help;
};

struct po_cli_verb {
    const char *name; /* NULL ends the table */
    const char *arguments;
    const char *summary;
    const char *text; /* more of it, for `help VERB` */
    const struct po_cli_option *options;
    unsigned args_min;
    unsigned args_max;
    int (*run)(struct po_cli *cli); /* the exit code */
};

struct po_cli_value {
    bool is_set;
    bool is_from_config;
    const char *text;  /* TEXT, CHOICE: as given */
    int64_t number;    /* NUMBER, SIZE, PERIOD; CHOICE: which, from 0 */
    const char **list; /* LIST; owned */
    size_t count;
};

struct po_cli_values {
    struct po_cli_value value[PO_CLI_ID_COUNT];
    const char **args; /* what is not an option, in order; owned, the strings are argv's */
    size_t arg_count;
    char **kept; /* copies of strings that come from a file; owned */
    size_t kept_count;
};

/* cli_verbs.c */
extern const struct po_cli_verb po_cli_verbs[];
extern const struct po_cli_option po_cli_common[]; /* what every verb takes */
const struct po_cli_verb *po_cli_verb_find(const char *name);

/*
 * The row of the verb's or the common table, or NULL; of schedule, which keeps a backup, also of
 * backup's. `name` has name_size bytes, without "--".
 */
const struct po_cli_option *po_cli_option_find(const struct po_cli_verb *verb, const char *name,
                                               size_t name_size);
/* The row with this id in the verb's or the common table, or NULL. */
const struct po_cli_option *po_cli_option_by_id(const struct po_cli_verb *verb, enum po_cli_id id);
/* The known name nearest to what was typed, or NULL when none is near. */
const char *po_cli_nearest_option(const struct po_cli_verb *verb, const char *name,
                                  size_t name_size);
const char *po_cli_nearest_verb(const char *name);

/*
 * Checks `text` (NULL for a flag) against the row and stores it. The text must live as long as the
 * values. PO_E_USAGE names the option. A later value replaces an earlier one, but for LIST.
 */
PO_NODISCARD enum po_status po_cli_values_set(struct po_cli_values *values,
                                              const struct po_cli_option *option, const char *text,
                                              struct po_err *err);
/*
 * Takes what stands behind the verb apart: --name, --name=value, --name value, -x, -xvalue, -x
 * value, -xy; "--" ends the options, "-" is an argument. PO_E_USAGE. The number of arguments is
 * checked too, unless help is asked for.
 */
PO_NODISCARD enum po_status po_cli_parse(struct po_cli_values *values,
                                         const struct po_cli_verb *verb, int argc,
                                         char *const *argv, struct po_err *err);
/*
 * Whether `word` stands before any "--": for answers to what cannot be parsed, which are to come in
 * the form that was asked for.
 */
bool po_cli_is_asked(int argc, char *const *argv, const char *word);
/*
 * Reads an INI file into values that are not set yet (cli_config.c). Keys before any section are
 * for all verbs: those that are options of other verbs only are passed over. Keys in [VERB] are for
 * that verb, and win. PO_E_USAGE with file and line; what stood before that is set.
 */
PO_NODISCARD enum po_status po_cli_config_load(struct po_cli_values *values,
                                               const struct po_cli_verb *verb, const char *os_path,
                                               struct po_err *err);
/* The same of what is in memory; PO_E_USAGE names the line. */
PO_NODISCARD enum po_status po_cli_config_parse(struct po_cli_values *values,
                                                const struct po_cli_verb *verb, const char *text,
                                                size_t size, struct po_err *err);
/*
 * Reads it as every verb would, one after the other, and goes on after each mistake: `mistake` is told
 * of all of them ("line 3: ..."), by several verbs of the same one. `key` is told of each key that is
 * right; the verb is that of its section, NULL before any. Only what cannot be read is a failure.
 */
struct po_cli_config_sink {
    void (*mistake)(void *ctx, unsigned line, const char *text);
    void (*key)(void *ctx, const struct po_cli_verb *verb, const char *key);
    void *ctx;
};
PO_NODISCARD enum po_status
po_cli_config_check(const char *os_path, const struct po_cli_config_sink *sink, struct po_err *err);
PO_NODISCARD enum po_status po_cli_config_check_text(const char *text, size_t size,
                                                     const struct po_cli_config_sink *sink,
                                                     struct po_err *err);
void po_cli_values_deinit(struct po_cli_values *values);

#endif
