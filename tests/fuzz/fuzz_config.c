/* pobackup.ini: a check finds all that a verb would stumble over. */
#include "cli/cli_options.h"
#include "fuzz.h"

#include <string.h>

/* Each key that is none is compared with all names of all verbs. */
#define SIZE_MOST 256u

static void
note_mistake(void *ctx, unsigned line, const char *text)
{
    unsigned *count = ctx;

    FUZZ_CHECK(line > 0 && text[0] != '\0');
    (*count)++;
}

static void
note_key(void *ctx, const struct po_cli_verb *verb, const char *key)
{
    (void)ctx;
    (void)verb;
    FUZZ_CHECK(key != NULL);
}

static void
read_config(const char *bytes, size_t size)
{
    static const char *const verbs[] = { "backup", "verify", "schedule" };
    unsigned mistakes = 0;
    const struct po_cli_config_sink sink = { note_mistake, note_key, &mistakes };
    struct po_err err;

    FUZZ_CHECK(po_cli_config_check_text(bytes, size, &sink, &err) == PO_OK);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct po_cli_values values = { 0 };
        enum po_status st =
            po_cli_config_parse(&values, po_cli_verb_find(verbs[i]), bytes, size, &err);

        FUZZ_CHECK(st == PO_OK ||
                   (st == PO_E_USAGE && mistakes > 0 && strstr(err.text, "line ") == err.text));
        for (int id = 0; id < PO_CLI_ID_COUNT; id++)
            FUZZ_CHECK(!values.value[id].is_set || values.value[id].is_from_config);
        po_cli_values_deinit(&values);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_config(size > 0 ? (const char *)bytes : "", size < SIZE_MOST ? size : SIZE_MOST);
    return 0;
}
