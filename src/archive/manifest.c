#include "archive/manifest.h"

#include "base/mem.h"
#include "base/text.h"

#include <jansson.h>
#include <string.h>

/* Lists in the summary are cut here: its size is bounded (SUMMARY-1), the counts are not. */
#define PROBLEMS_LISTED_MAX 10000u

/* ---- printing ---- */

/* A JSON string; bytes that are not UTF-8 become U+FFFD each. NULL gives null. */
static json_t *
json_text(const char *text)
{
    struct po_buf clean = { 0 };
    size_t size;
    json_t *value;

    if (text == NULL)
        return json_null();
    size = strlen(text);
    if (po_text_is_utf8(text, size))
        return json_stringn(text, size);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x80)
            po_buf_put_u8(&clean, (uint8_t)text[i]);
        else
            po_buf_put(&clean, "\xEF\xBF\xBD", 3);
    }
    value = clean.failed ? NULL : json_stringn((const char *)clean.bytes, clean.size);
    po_buf_deinit(&clean);
    return value;
}

json_t *
po_json_hex(const uint8_t *bytes, size_t size)
{
    struct po_buf hex = { 0 };
    json_t *value;

    po_text_put_hex(&hex, bytes, size);
    value = hex.failed ? NULL : json_stringn((const char *)hex.bytes, hex.size);
    po_buf_deinit(&hex);
    return value;
}

static json_t *
json_time(int64_t time)
{
    struct po_buf text = { 0 };
    json_t *value;

    po_text_put_time(&text, time);
    value = text.failed ? NULL : json_stringn((const char *)text.bytes, text.size);
    po_buf_deinit(&text);
    return value;
}

static int
dump_to_buf(const char *text, size_t size, void *ctx)
{
    struct po_buf *out = ctx;

    po_buf_put(out, text, size);
    return out->failed ? -1 : 0;
}

enum po_status
po_json_print_take(struct po_buf *out, json_t *root, struct po_err *err)
{
    int rc = root == NULL
                 ? -1
                 : json_dump_callback(root, dump_to_buf, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

    json_decref(root);
    if (rc != 0)
        return po_fail_nomem(err, 0);
    po_buf_put_u8(out, '\n');
    return po_buf_check(out, err);
}

/* Appends `value` (taken over) to *list; when either could not be made, *list becomes NULL, so that
 * the whole document fails. */
static void
append_take(json_t **list, json_t *value)
{
    if (*list != NULL && json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

static json_t *
json_parents(const struct po_manifest *manifest)
{
    json_t *parents = json_array();

    for (size_t i = 0; i < manifest->parent_count; i++) {
        const struct po_parent *p = &manifest->parents[i];

        append_take(&parents, json_pack("{s:o, s:o, s:o, s:o}", "archive_id",
                                        po_json_hex(p->archive_id, PO_ID_SIZE), "digest",
                                        po_json_hex(p->digest, PO_DIGEST_SIZE), "created",
                                        json_time(p->created), "name", json_text(p->name)));
    }
    return parents;
}

/* NULL, and no null, when it is not known. */
static json_t *
json_known(const char *text)
{
    return text == NULL ? NULL : json_text(text);
}

/* Texts with a NUL behind each; NULL, and no list, for no list. */
static json_t *
json_names(const struct po_buf *names)
{
    json_t *list = names == NULL ? NULL : json_array();

    for (size_t at = 0; names != NULL && at < names->size;) {
        const char *name = (const char *)names->bytes + at;

        append_take(&list, json_text(name));
        at += strlen(name) + 1;
    }
    return list;
}

static json_t *
json_services(const struct po_manifest *manifest)
{
    json_t *services = json_array();

    for (size_t i = 0; i < manifest->service_count; i++) {
        const struct po_manifest_service *s = &manifest->services[i];

        /* "o*": without a value there is no key. */
        append_take(&services, json_pack("{s:o, s:o, s:o*, s:o*, s:o*, s:o*, s:o*}", "name",
                                         json_text(s->name), "state", json_text(s->state), "key",
                                         json_known(s->key), "account", json_known(s->account),
                                         "start", json_known(s->start), "process_id",
                                         s->process_id == 0 ? NULL : json_integer(s->process_id),
                                         "dependents", json_names(s->dependents)));
    }
    return services;
}

enum po_status
po_manifest_put(struct po_buf *out, const struct po_manifest *manifest, struct po_err *err)
{
    json_t *root = json_pack(
        "{s:{s:s, s:i, s:[]}, s:o, s:o, s:s, s:s*, s:o, s:{s:s, s:s}, s:{s:o, s:o, s:o, s:o*}, "
        "s:{s:o, "
        "s:{s:o, "
        "s:o, s:o}}, s:o}",
        "format", "name", "pobackup", "version", (int)PO_FORMAT_VERSION, "critical", /**/
        "archive_id", po_json_hex(manifest->archive_id, PO_ID_SIZE), "created",
        json_time(manifest->created), "kind", manifest->parent_count > 0 ? "diff" : "full",
        "purpose", manifest->purpose, "parents", json_parents(manifest), "program", "name",
        "pobackup", "version", pobackup_version(), "host", "name", json_text(manifest->host_name),
        "system", json_text(manifest->host_system), "kind", json_text(manifest->host_kind),
        "addresses", json_names(manifest->host_addresses), "site", "registry",
        json_text(manifest->registry), "trees", "bin", json_text(manifest->bin), "spool",
        json_text(manifest->spool), "mailbox", json_text(manifest->mailbox), "services",
        json_services(manifest));

    return po_json_print_take(out, root, err);
}

static json_t *
json_problems(const struct po_problem *problems, size_t count, size_t listed_max)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count && i < listed_max; i++) {
        const struct po_problem *p = &problems[i];
        bool is_text = po_text_is_utf8(p->path, p->path_size);

        append_take(&list, json_pack("{s:o, s:o}", is_text ? "path" : "path_hex",
                                     is_text ? json_stringn(p->path, p->path_size)
                                             : po_json_hex((const uint8_t *)p->path, p->path_size),
                                     "reason", json_text(p->reason)));
    }
    return list;
}

static json_t *
json_streams(const struct po_summary *s, size_t listed_max)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->stream_listed && i < listed_max; i++) {
        const struct po_summary_stream *stream = &s->streams[i];
        bool is_text = po_text_is_utf8(stream->path, stream->path_size);

        append_take(
            &list,
            json_pack("{s:o, s:o, s:I}", is_text ? "path" : "path_hex",
                      is_text ? json_stringn(stream->path, stream->path_size)
                              : po_json_hex((const uint8_t *)stream->path, stream->path_size),
                      "stream", json_text(stream->name), "bytes", (json_int_t)stream->bytes));
    }
    return list;
}

static json_t *
json_texts(const char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_text(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* NULL, and no list, for an archive without Windows rights. */
static json_t *
json_accounts(const struct po_summary *summary, size_t listed_max)
{
    json_t *list = summary->account_count == 0 ? NULL : json_array();

    for (size_t i = 0; i < summary->account_count && i < listed_max; i++) {
        const struct po_summary_account *account = &summary->accounts[i];

        append_take(&list, json_pack("{s:o, s:o, s:o}", "sid", json_text(account->sid), "name",
                                     json_text(account->name), "kind", json_text(account->kind)));
    }
    return list;
}

static json_t *
json_counts(const struct po_summary *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files", (json_int_t)s->files,
        "files_hot", (json_int_t)s->files_hot, "files_new", (json_int_t)s->files_new, "rechecked",
        (json_int_t)s->rechecked, "directories", (json_int_t)s->directories, "links",
        (json_int_t)s->links, "skipped", (json_int_t)s->skipped_count, "changed_while_read",
        (json_int_t)s->changed_count, "vanished", (json_int_t)s->vanished_count, "silently_changed",
        (json_int_t)s->silent_count, "streams", (json_int_t)s->stream_count);
}

enum po_status
po_summary_put(struct po_buf *out, const struct po_summary *s, struct po_err *err)
{
    bool is_outage = s->outage_seconds >= 0;
    size_t listed_max = s->listed_max == 0 ? PROBLEMS_LISTED_MAX : s->listed_max;
    json_t *outage = !is_outage ? json_null()
                                : json_pack("{s:f, s:f, s:f, s:f}", "stop_seconds", s->stop_seconds,
                                            "walk_seconds", s->walk_seconds, "read_seconds",
                                            s->read_seconds, "start_seconds", s->start_seconds);
    json_t *root = json_pack(
        "{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o*}", "finished",
        json_time(s->finished), "outage_seconds",
        is_outage ? json_real(s->outage_seconds) : json_null(), "outage", outage, "counts",
        json_counts(s), "bytes", (json_int_t)s->bytes, "bytes_new", (json_int_t)s->bytes_new,
        "skipped", json_problems(s->skipped, s->skipped_count, listed_max), "changed_while_read",
        json_problems(s->changed, s->changed_count, listed_max), "vanished",
        json_problems(s->vanished, s->vanished_count, listed_max), "silently_changed",
        json_problems(s->silent, s->silent_count, listed_max), "excludes",
        json_texts(s->excludes, s->exclude_count), "streams", json_streams(s, listed_max),
        "accounts", json_accounts(s, listed_max));

    /* "o*" takes what could not be made for what is not there. */
    if (s->account_count > 0 && json_object_get(root, "accounts") == NULL) {
        json_decref(root);
        return po_fail_nomem(err, 0);
    }
    return po_json_print_take(out, root, err);
}

/* ---- parsing ---- */

bool
po_json_is_small(const void *bytes, size_t size)
{
    const char *text = bytes;
    size_t marks = 0;
    size_t depth = 0;
    bool is_string = false;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c == '"') {
            is_string = !is_string;
        } else if (is_string) {
            i += c == '\\' ? 1 : 0;
        } else {
            marks += c == '{' || c == '[' || c == ',' ? 1 : 0;
            if (c == '{' || c == '[')
                depth++;
            else if ((c == '}' || c == ']') && depth > 0)
                depth--;
        }
        if (depth > PO_JSON_DEPTH_MAX)
            return false;
    }
    return size <= PO_JSON_MAX_SIZE && marks <= PO_JSON_MARKS_MAX;
}

/* spec: MANIFEST-1, SUMMARY-1 */
static enum po_status
load_object(json_t **root, const char *what, const char *rule, const void *bytes, size_t size,
            struct po_err *err)
{
    json_error_t problem;

    if (!po_json_is_small(bytes, size))
        return po_fail(
            err, PO_E_FORMAT,
            "%s: more than %u bytes, than %u brackets and commas, or than %u levels (%s)", what,
            PO_JSON_MAX_SIZE, PO_JSON_MARKS_MAX, PO_JSON_DEPTH_MAX, rule);
    /* jansson takes a NUL for the end and does not look behind it. */
    if (size > 0 && memchr(bytes, 0, size) != NULL)
        return po_fail(err, PO_E_FORMAT, "%s: a NUL byte (%s)", what, rule);
    *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &problem);
    /* When it has no memory at all, jansson says nothing. */
    if (*root == NULL &&
        (problem.text[0] == 0 || json_error_code(&problem) == json_error_out_of_memory))
        return po_fail_nomem(err, size);
    if (*root == NULL)
        return po_fail(err, PO_E_FORMAT, "%s: line %d: %s (%s)", what, problem.line, problem.text,
                       rule);
    if (json_is_object(*root))
        return PO_OK;
    json_decref(*root);
    *root = NULL;
    return po_fail(err, PO_E_FORMAT, "%s: not a JSON object (%s)", what, rule);
}

/*
 * jansson calls a string for which it has no memory an invalid token, and drops a character that it
 * cannot store. So what it finds wrong is only wrong if it is so twice; where memory is still
 * missing, the second time says so.
 */
static bool
is_doubtful(enum po_status st)
{
    return st == PO_E_FORMAT || st == PO_E_UNSUPPORTED;
}

static enum po_status
check_summary(const void *bytes, size_t size, struct po_err *err)
{
    json_t *root = NULL;
    enum po_status st = load_object(&root, "summary", "SUMMARY-1", bytes, size, err);

    json_decref(root);
    return st;
}

enum po_status
po_summary_check(const void *bytes, size_t size, struct po_err *err)
{
    enum po_status st = check_summary(bytes, size, err);

    return is_doubtful(st) ? check_summary(bytes, size, err) : st;
}

static enum po_status
broken(struct po_err *err, const char *key)
{
    return po_fail(err, PO_E_FORMAT,
                   "manifest: \"%s\" is missing or not as the format says" PO_RULE("MANIFEST-1"),
                   key);
}

static bool
get_hex(const json_t *object, const char *key, uint8_t *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && strlen(text) == size * 2 && po_text_parse_hex(text, out, size);
}

static bool
has_capitals(const char *text)
{
    return strpbrk(text, "ABCDEF") != NULL;
}

static bool
get_time(const json_t *object, const char *key, int64_t *out)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && po_text_parse_time(text, out);
}

static enum po_status
check_format(const json_t *root, struct po_err *err)
{
    const json_t *format = json_object_get(root, "format");
    const char *name = json_string_value(json_object_get(format, "name"));
    const json_t *version = json_object_get(format, "version");
    const json_t *critical = json_object_get(format, "critical");

    if (name == NULL || !json_is_integer(version) || !json_is_array(critical))
        return broken(err, "format");
    if (strcmp(name, "pobackup") != 0 || json_integer_value(version) != PO_FORMAT_VERSION)
        return po_fail(
            err, PO_E_UNSUPPORTED,
            "manifest: format \"%s\" version %lld; this program reads \"pobackup\" version "
            "%u" PO_RULE("MANIFEST-2"),
            name, (long long)json_integer_value(version), PO_FORMAT_VERSION);
    if (json_array_size(critical) == 0)
        return PO_OK;
    name = json_string_value(json_array_get(critical, 0));
    if (name == NULL)
        return broken(err, "format");
    return po_fail(
        err, PO_E_UNSUPPORTED,
        "manifest: the archive uses \"%s\", which this program does not know" PO_RULE("MANIFEST-2"),
        name);
}

/* *to stays NULL where the value is of another type than it should be: it is not known. */
static enum po_status
copy_text(char **to, const json_t *value, struct po_err *err)
{
    const char *text = json_string_value(value);

    if (text == NULL)
        return PO_OK;
    *to = po_mem_strdup(text);
    return *to != NULL ? PO_OK : po_fail_nomem(err, strlen(text));
}

static enum po_status
parse_parents(struct po_manifest_core *core, const json_t *parents, struct po_err *err)
{
    size_t count = json_array_size(parents);
    enum po_status st = PO_OK;

    if (!json_is_array(parents) || count > PO_PARENTS_MAX || (count > 0) != core->is_diff)
        return broken(err, "parents");
    core->parents = po_mem_new(count, sizeof *core->parents);
    if (core->parents == NULL)
        return po_fail_nomem(err, count * sizeof *core->parents);
    core->parent_count = count;
    for (size_t i = 0; st == PO_OK && i < count; i++) {
        const json_t *parent = json_array_get(parents, i);

        if (!get_hex(parent, "archive_id", core->parents[i].archive_id, PO_ID_SIZE) ||
            !get_hex(parent, "digest", core->parents[i].digest, PO_DIGEST_SIZE) ||
            !get_time(parent, "created", &core->parents[i].created))
            return broken(err, "parents");
        st = copy_text(&core->parents[i].name, json_object_get(parent, "name"), err);
    }
    return st;
}

/* Nothing of it is a must. */
static enum po_status
parse_about(struct po_manifest_core *core, const json_t *root, struct po_err *err)
{
    const json_t *host = json_object_get(root, "host");
    const json_t *site = json_object_get(root, "site");
    const json_t *trees = json_object_get(site, "trees");
    const struct {
        char **to;
        const json_t *value;
    } texts[] = {
        { &core->purpose, json_object_get(root, "purpose") },
        { &core->host_name, json_object_get(host, "name") },
        { &core->host_kind, json_object_get(host, "kind") },
        { &core->registry, json_object_get(site, "registry") },
        { &core->bin, json_object_get(trees, "bin") },
        { &core->spool, json_object_get(trees, "spool") },
        { &core->mailbox, json_object_get(trees, "mailbox") },
    };

    enum po_status st = PO_OK;

    for (size_t i = 0; st == PO_OK && i < sizeof texts / sizeof texts[0]; i++)
        st = copy_text(texts[i].to, texts[i].value, err);
    return st;
}

static enum po_status
parse_manifest(struct po_manifest_core *core, const void *bytes, size_t size, struct po_err *err)
{
    json_t *root = NULL;
    const char *kind;
    enum po_status st = load_object(&root, "manifest", "MANIFEST-1", bytes, size, err);

    *core = (struct po_manifest_core){ 0 };
    if (st != PO_OK)
        return st;
    st = check_format(root, err);
    if (st != PO_OK)
        goto done;
    kind = json_string_value(json_object_get(root, "kind"));
    if (!get_hex(root, "archive_id", core->archive_id, PO_ID_SIZE) ||
        has_capitals(json_string_value(json_object_get(root, "archive_id"))))
        st = broken(err, "archive_id");
    else if (!get_time(root, "created", &core->created))
        st = broken(err, "created");
    else if (kind == NULL || (strcmp(kind, "full") != 0 && strcmp(kind, "diff") != 0))
        st = broken(err, "kind");
    if (st != PO_OK)
        goto done;
    core->is_diff = kind[0] == 'd';
    st = parse_parents(core, json_object_get(root, "parents"), err);
    if (st == PO_OK)
        st = parse_about(core, root, err);
done:
    if (st != PO_OK)
        po_manifest_core_deinit(core);
    json_decref(root);
    return st;
}

enum po_status
po_manifest_parse(struct po_manifest_core *core, const void *bytes, size_t size, struct po_err *err)
{
    enum po_status st = parse_manifest(core, bytes, size, err);

    return is_doubtful(st) ? parse_manifest(core, bytes, size, err) : st;
}

void
po_manifest_core_deinit(struct po_manifest_core *core)
{
    for (size_t i = 0; i < core->parent_count; i++)
        po_mem_free(core->parents[i].name);
    po_mem_free(core->parents);
    po_mem_free(core->purpose);
    po_mem_free(core->host_name);
    po_mem_free(core->host_kind);
    po_mem_free(core->registry);
    po_mem_free(core->bin);
    po_mem_free(core->spool);
    po_mem_free(core->mailbox);
    *core = (struct po_manifest_core){ 0 };
}
