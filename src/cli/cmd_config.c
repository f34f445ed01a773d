#include "cli/cli.h"

#include "base/mem.h"

#include <string.h>

struct mistake {
    unsigned line;
    char *text;
};

/* A verb's keys in the file; the verb is NULL for those before any section. */
struct keys {
    const struct po_cli_verb *verb;
    char **names;
    size_t count;
};

struct check {
    struct mistake *mistakes;
    size_t mistake_count;
    struct keys *keys;
    size_t key_count;
    bool has_failed; /* out of memory */
};

/* ---- what is found ---- */

/* In the order of their lines. Verbs that read the same line find the same: the first is enough. */
static void
note_mistake(void *ctx, unsigned line, const char *text)
{
    struct check *check = ctx;
    size_t at = check->mistake_count;
    struct mistake *list;
    char *copy;

    while (at > 0 && check->mistakes[at - 1].line > line)
        at--;
    if (at > 0 && check->mistakes[at - 1].line == line)
        return;
    copy = po_mem_strdup(text);
    list = po_mem_resize(check->mistakes, check->mistake_count + 1, sizeof(*list));
    if (list != NULL)
        check->mistakes = list;
    if (copy == NULL || list == NULL) {
        po_mem_free(copy);
        check->has_failed = true;
        return;
    }
    memmove(list + at + 1, list + at, (check->mistake_count - at) * sizeof(*list));
    list[at] = (struct mistake){ .line = line, .text = copy };
    check->mistake_count++;
}

/* NULL when memory is out. */
static struct keys *
keys_of(struct check *check, const struct po_cli_verb *verb)
{
    struct keys *list;

    for (size_t i = 0; i < check->key_count; i++)
        if (check->keys[i].verb == verb)
            return &check->keys[i];
    list = po_mem_resize(check->keys, check->key_count + 1, sizeof(*list));
    if (list == NULL)
        return NULL;
    check->keys = list;
    list[check->key_count] = (struct keys){ .verb = verb };
    return &list[check->key_count++];
}

static void
note_key(void *ctx, const struct po_cli_verb *verb, const char *key)
{
    struct check *check = ctx;
    struct keys *keys = keys_of(check, verb);
    char **names;
    char *copy;

    if (keys == NULL) {
        check->has_failed = true;
        return;
    }
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->names[i], key) == 0)
            return;
    copy = po_mem_strdup(key);
    names = po_mem_resize(keys->names, keys->count + 1, sizeof(*names));
    if (names != NULL)
        keys->names = names;
    if (copy == NULL || names == NULL) {
        po_mem_free(copy);
        check->has_failed = true;
        return;
    }
    names[keys->count++] = copy;
}

static void
check_deinit(struct check *check)
{
    for (size_t i = 0; i < check->mistake_count; i++)
        po_mem_free(check->mistakes[i].text);
    for (size_t i = 0; i < check->key_count; i++) {
        for (size_t j = 0; j < check->keys[i].count; j++)
            po_mem_free(check->keys[i].names[j]);
        po_mem_free(check->keys[i].names);
    }
    po_mem_free(check->mistakes);
    po_mem_free(check->keys);
}

/* ---- telling ---- */

static void
put_json(struct po_cli_out *out, const char *path, const struct check *check)
{
    po_cli_json_member(out, po_cli_json_path_key(path, strlen(path)),
                       po_cli_json_path(path, strlen(path)));
    po_cli_json_array_begin(out, "mistakes");
    for (size_t i = 0; i < check->mistake_count; i++)
        po_cli_json_item(out, json_pack("{s:I, s:o}", "line", (json_int_t)check->mistakes[i].line,
                                        "message", po_cli_json_text(check->mistakes[i].text)));
    po_cli_json_array_end(out);
    po_cli_json_array_begin(out, "keys");
    for (size_t i = 0; i < check->key_count; i++) {
        const struct keys *keys = &check->keys[i];
        json_t *names = json_array();

        for (size_t j = 0; j < keys->count; j++)
            (void)json_array_append_new(names, po_cli_json_text(keys->names[j]));
        po_cli_json_item(out,
                         json_pack("{s:o, s:o}", "verb",
                                   keys->verb != NULL ? json_string(keys->verb->name) : json_null(),
                                   "keys", names));
    }
    po_cli_json_array_end(out);
}

/* "/etc/pobackup.ini: good; for every verb: site, log; for backup: output" */
static void
tell_good(struct po_cli_out *out, const char *path, const struct check *check)
{
    struct po_buf line = { 0 };

    if (out->is_json || out->is_quiet)
        return;
    po_cli_put_message(&line, path);
    po_buf_put_text(&line, ": good");
    for (size_t i = 0; i < check->key_count; i++) {
        const struct keys *keys = &check->keys[i];

        po_buf_printf(&line, "; for %s: ", keys->verb != NULL ? keys->verb->name : "every verb");
        for (size_t j = 0; j < keys->count; j++)
            po_buf_printf(&line, "%s%s", j > 0 ? ", " : "", keys->names[j]);
    }
    if (check->key_count == 0)
        po_buf_put_text(&line, "; it has no key");
    (void)po_cli_out_line(out, &line);
    po_buf_deinit(&line);
}

static int
tell(struct po_cli *cli, const char *path, const struct check *check)
{
    struct po_err err = { 0 };

    put_json(&cli->out, path, check);
    for (size_t i = 0; i < check->mistake_count; i++) {
        (void)po_fail(&err, PO_E_USAGE, "%s: %s", path, check->mistakes[i].text);
        (void)po_cli_failed(cli, &err);
    }
    if (check->mistake_count > 0)
        return PO_EXIT_USAGE;
    tell_good(&cli->out, path, check);
    return PO_EXIT_DONE;
}

int
po_cmd_config(struct po_cli *cli)
{
    const char *path = cli->values.args[1];
    struct check check = { .mistakes = NULL };
    struct po_cli_config_sink sink = { .mistake = note_mistake, .key = note_key, .ctx = &check };
    struct po_err err = { 0 };
    enum po_status st;
    int code;

    if (strcmp(cli->values.args[0], "check") != 0)
        return po_cli_usage(cli, "%s: it is pobackup config check FILE", cli->values.args[0]);
    st = po_cli_config_check(path, &sink, &err);
    if (st == PO_OK && check.has_failed)
        st = po_fail_nomem(&err, sizeof(check));
    code = st == PO_OK ? tell(cli, path, &check) : po_cli_failed(cli, &err);
    check_deinit(&check);
    return code;
}
