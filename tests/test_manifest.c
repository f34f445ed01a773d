#include "archive/manifest.h"

#include "archive_help.h"
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "00112233445566778899aabbccddeeff"
#define DIGEST ID ID
#define CREATED "2026-11-24T02:00:00.1234567Z"
#define FORMAT "\"format\": {\"name\": \"pobackup\", \"version\": 1, \"critical\": []}"
#define PARENT                                                                                     \
    "{\"archive_id\": \"" ID "\", \"digest\": \"" DIGEST "\", \"created\": \"" CREATED "\"}"
#define REST                                                                                       \
    ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED "\", \"kind\": \"full\", "             \
    "\"parents\": []}"

static enum po_status
parse(const char *text, size_t size, struct po_manifest_core *core, struct po_err *err)
{
    /* A copy without a NUL behind it. */
    char *copy = malloc(size > 0 ? size : 1);
    enum po_status st;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, size);
    st = po_manifest_parse(core, copy, size, err);
    free(copy);
    return st;
}

static enum po_status
judge(const char *text, struct po_err *err)
{
    struct po_manifest_core core;
    enum po_status st = parse(text, strlen(text), &core, err);

    po_manifest_core_deinit(&core);
    return st;
}

/* ---- round trip ---- */

static const char *
text_at(const json_t *root, const char *outer, const char *inner)
{
    return json_string_value(json_object_get(json_object_get(root, outer), inner));
}

static void
check_texts(const struct po_buf *out, const struct po_manifest *manifest)
{
    json_t *root = json_loadb((const char *)out->bytes, out->size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *site = json_object_get(root, "site");
    const json_t *service;

    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(text_at(root, "host", "name"), "mail \"one\"\n");
    ck_assert_str_eq(text_at(root, "host", "kind"), "folder");
    ck_assert_str_eq(text_at(root, "host", "system"), "a\xEF\xBF\xBD"
                                                      "b");
    ck_assert_str_eq(text_at(root, "program", "version"), pobackup_version());
    ck_assert(json_is_null(json_object_get(site, "registry")));
    ck_assert_str_eq(text_at(site, "trees", "spool"), "D:\\spool");
    ck_assert(json_is_null(json_object_get(json_object_get(site, "trees"), "bin")));
    ck_assert_uint_eq(json_array_size(json_object_get(root, "services")), manifest->service_count);
    service = json_array_get(json_object_get(root, "services"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(service, "state")), "stopped");
    ck_assert_str_eq(json_string_value(json_object_get(root, "kind")),
                     manifest->parent_count > 0 ? "diff" : "full");
    json_decref(root);
}

/* spec-test: MANIFEST-1, MANIFEST-2 */
START_TEST(a_manifest_survives_the_round_trip)
{
    static const struct po_manifest_service services[2] = {
        { .name = "PostOffice", .state = "running", .key = "pomta", .account = "DOM\\mail" },
        { .name = "\xC3\xA4", .state = "stopped" }
    };
    static char name[] = "full.tar.zst";
    struct help_random random = help_random_begin("manifest", (uint64_t)_i);

    for (size_t parents = 0; parents < 20; parents += 1 + parents) {
        struct po_parent parent[20] = { 0 };
        struct po_manifest manifest = { .parents = parent,
                                        .parent_count = parents,
                                        .host_name = "mail \"one\"\n",
                                        .host_system = "a\xFF"
                                                       "b",
                                        .host_kind = "folder",
                                        .spool = "D:\\spool",
                                        .services = services,
                                        .service_count = 2 };
        struct po_manifest_core core;
        struct po_buf out = { 0 };
        struct po_err err;

        help_random_fill(&random, manifest.archive_id, PO_ID_SIZE);
        manifest.created =
            (int64_t)help_random_below(&random, UINT64_C(2000000000000000000)) - 600000000000000000;
        for (size_t i = 0; i < parents; i++) {
            help_random_fill(&random, parent[i].archive_id, PO_ID_SIZE);
            help_random_fill(&random, parent[i].digest, PO_DIGEST_SIZE);
            parent[i].created = (int64_t)help_random_below(&random, UINT64_C(100000000000000000));
            parent[i].name = name;
        }
        ck_assert_int_eq(po_manifest_put(&out, &manifest, &err), PO_OK);
        ck_assert(po_text_is_utf8(out.bytes, out.size));
        ck_assert_msg(parse((const char *)out.bytes, out.size, &core, &err) == PO_OK, "%s",
                      err.text);
        ck_assert_mem_eq(core.archive_id, manifest.archive_id, PO_ID_SIZE);
        ck_assert_int_eq(core.created, manifest.created);
        ck_assert(core.is_diff == (parents > 0));
        ck_assert_uint_eq(core.parent_count, parents);
        for (size_t i = 0; i < parents; i++) {
            ck_assert_mem_eq(core.parents[i].archive_id, parent[i].archive_id, PO_ID_SIZE);
            ck_assert_mem_eq(core.parents[i].digest, parent[i].digest, PO_DIGEST_SIZE);
            ck_assert_int_eq(core.parents[i].created, parent[i].created);
        }
        check_texts(&out, &manifest);
        /* What is known, and no key for what is not. */
        ck_assert_ptr_nonnull(strstr(po_buf_text(&out), "\"DOM\\\\mail\""));
        ck_assert_ptr_null(strstr(po_buf_text(&out), "\"start\""));
        po_manifest_core_deinit(&core);
        po_buf_deinit(&out);
    }
}
END_TEST

START_TEST(why_and_whence_it_was_taken_is_told_where_it_says_so)
{
    static const char all[] =
        "{" FORMAT ", \"purpose\": \"pre-upgrade\", \"host\": {\"name\": \"mail\", "
        "\"kind\": \"folder\"}, \"site\": {\"registry\": \"k\", \"trees\": "
        "{\"bin\": \"/b\", \"spool\": \"/s\", \"mailbox\": \"/m\"}}" REST;
    static const char *const none[] = {
        "{" FORMAT REST, "{" FORMAT ", \"purpose\": 3, \"host\": [], \"site\": null" REST,
        "{" FORMAT ", \"purpose\": null, \"host\": {\"name\": {}}, \"site\": {\"trees\": 1}" REST
    };
    struct po_manifest_core core;
    struct po_err err;

    ck_assert_msg(parse(all, strlen(all), &core, &err) == PO_OK, "%s", err.text);
    ck_assert_str_eq(core.purpose, "pre-upgrade");
    ck_assert_str_eq(core.host_name, "mail");
    ck_assert_str_eq(core.host_kind, "folder");
    ck_assert_str_eq(core.registry, "k");
    ck_assert_str_eq(core.bin, "/b");
    ck_assert_str_eq(core.spool, "/s");
    ck_assert_str_eq(core.mailbox, "/m");
    po_manifest_core_deinit(&core);
    for (size_t i = 0; i < HELP_COUNT(none); i++) {
        ck_assert_msg(parse(none[i], strlen(none[i]), &core, &err) == PO_OK, "%s", err.text);
        ck_assert(core.purpose == NULL && core.host_name == NULL && core.host_kind == NULL);
        ck_assert(core.registry == NULL && core.bin == NULL && core.mailbox == NULL);
        po_manifest_core_deinit(&core);
    }
}
END_TEST

START_TEST(the_same_manifest_gives_the_same_bytes)
{
    struct po_manifest manifest = { .created = 5, .host_name = "a" };
    struct po_buf one = { 0 };
    struct po_buf two = { 0 };
    struct po_err err;

    ck_assert_int_eq(po_manifest_put(&one, &manifest, &err), PO_OK);
    ck_assert_int_eq(po_manifest_put(&two, &manifest, &err), PO_OK);
    ck_assert_uint_eq(one.size, two.size);
    ck_assert_mem_eq(one.bytes, two.bytes, one.size);
    po_buf_deinit(&one);
    po_buf_deinit(&two);
}
END_TEST

/* ---- what is refused ---- */

/* spec-test: MANIFEST-1, MANIFEST-2 */
static const struct {
    const char *what;
    const char *text;
    enum po_status expected;
} cases[] = {
    { "the plainest one", "{" FORMAT REST, PO_OK },
    { "unknown keys", "{\"later\": [1, {\"a\": null}], " FORMAT REST, PO_OK },
    { "spaces around", " \n\t{" FORMAT REST "\r\n ", PO_OK },
    { "nothing", "", PO_E_FORMAT },
    { "no object", "[]", PO_E_FORMAT },
    { "a string", "\"pobackup\"", PO_E_FORMAT },
    { "a byte order mark", "\xEF\xBB\xBF{" FORMAT REST, PO_E_FORMAT },
    { "something behind", "{" FORMAT REST "x", PO_E_FORMAT },
    { "two documents", "{" FORMAT REST "{}", PO_E_FORMAT },
    { "a comment", "{/**/" FORMAT REST, PO_E_FORMAT },
    { "a comma too many", "{" FORMAT ",}", PO_E_FORMAT },
    { "not UTF-8", "{\"a\": \"\xFF\", " FORMAT REST, PO_E_FORMAT },
    { "an overlong slash", "{\"a\": \"\xC0\xAF\", " FORMAT REST, PO_E_FORMAT },
    { "a surrogate", "{\"a\": \"\\uD800\", " FORMAT REST, PO_E_FORMAT },
    { "NaN", "{\"a\": NaN, " FORMAT REST, PO_E_FORMAT },
    { "a key twice", "{\"a\": 1, \"a\": 1, " FORMAT REST, PO_E_FORMAT },
    { "a key twice, deep", "{\"b\": [{\"a\": 1, \"a\": 2}], " FORMAT REST, PO_E_FORMAT },
    { "format twice", "{" FORMAT ", " FORMAT REST, PO_E_FORMAT },
    { "a key twice, once escaped", "{\"a\": 1, \"\\u0061\": 2, " FORMAT REST, PO_E_FORMAT },
    { "no format", "{\"a\": 1" REST, PO_E_FORMAT },
    { "a format of null", "{\"format\": null" REST, PO_E_FORMAT },
    { "another name", "{\"format\": {\"name\": \"x\", \"version\": 1, \"critical\": []}" REST,
      PO_E_UNSUPPORTED },
    { "no name", "{\"format\": {\"version\": 1, \"critical\": []}" REST, PO_E_FORMAT },
    { "version 2", "{\"format\": {\"name\": \"pobackup\", \"version\": 2, \"critical\": []}" REST,
      PO_E_UNSUPPORTED },
    { "version 0", "{\"format\": {\"name\": \"pobackup\", \"version\": 0, \"critical\": []}" REST,
      PO_E_UNSUPPORTED },
    { "version -1", "{\"format\": {\"name\": \"pobackup\", \"version\": -1, \"critical\": []}" REST,
      PO_E_UNSUPPORTED },
    { "version 2^32 + 1",
      "{\"format\": {\"name\": \"pobackup\", \"version\": 4294967297, \"critical\": []}" REST,
      PO_E_UNSUPPORTED },
    { "version \"1\"",
      "{\"format\": {\"name\": \"pobackup\", \"version\": \"1\", \"critical\": []}" REST,
      PO_E_FORMAT },
    { "no version", "{\"format\": {\"name\": \"pobackup\", \"critical\": []}" REST, PO_E_FORMAT },
    { "no critical", "{\"format\": {\"name\": \"pobackup\", \"version\": 1}" REST, PO_E_FORMAT },
    { "critical an object",
      "{\"format\": {\"name\": \"pobackup\", \"version\": 1, \"critical\": {}}" REST, PO_E_FORMAT },
    { "an unknown critical string",
      "{\"format\": {\"name\": \"pobackup\", \"version\": 1, \"critical\": [\"age\"]}" REST,
      PO_E_UNSUPPORTED },
    { "critical is no string",
      "{\"format\": {\"name\": \"pobackup\", \"version\": 1, \"critical\": [1]}" REST,
      PO_E_FORMAT },
    { "a newer one without the rest",
      "{\"format\": {\"name\": \"pobackup\", \"version\": 2, \"critical\": []}}",
      PO_E_UNSUPPORTED },
    { "no archive id",
      "{" FORMAT ", \"created\": \"" CREATED "\", \"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "an archive id that is too short",
      "{" FORMAT ", \"archive_id\": \"00\", \"created\": \"" CREATED
      "\", \"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "an archive id in capitals",
      "{" FORMAT ", \"archive_id\": \"00112233445566778899AABBCCDDEEFF\", \"created\": \"" CREATED
      "\", \"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "an archive id with a space",
      "{" FORMAT ", \"archive_id\": \" 0112233445566778899aabbccddeeff\", \"created\": \"" CREATED
      "\", \"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "no date", "{" FORMAT ", \"archive_id\": \"" ID "\", \"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "a date with six digits",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"2026-11-24T02:00:00.123456Z\", "
      "\"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "the 30th of February",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"2026-02-30T02:00:00.1234567Z\", "
      "\"kind\": \"full\", \"parents\": []}",
      PO_E_FORMAT },
    { "no kind",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED "\", \"parents\": []}",
      PO_E_FORMAT },
    { "an unknown kind",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"half\", \"parents\": []}",
      PO_E_FORMAT },
    { "no parents",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED "\", \"kind\": \"full\"}",
      PO_E_FORMAT },
    { "a differential without a parent",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"diff\", \"parents\": []}",
      PO_E_FORMAT },
    { "a full with a parent",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"full\", \"parents\": [" PARENT "]}",
      PO_E_FORMAT },
    { "a differential",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"diff\", \"parents\": [" PARENT ", " PARENT "]}",
      PO_OK },
    { "a parent that is no object",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"diff\", \"parents\": [" PARENT ", 5]}",
      PO_E_FORMAT },
    { "a parent without a digest",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"diff\", \"parents\": [{\"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\"}]}",
      PO_E_FORMAT },
    { "parents an object",
      "{" FORMAT ", \"archive_id\": \"" ID "\", \"created\": \"" CREATED
      "\", \"kind\": \"full\", \"parents\": {}}",
      PO_E_FORMAT },
};

START_TEST(each_rule_of_the_manifest_is_checked)
{
    struct po_err err = { 0 };
    enum po_status st = judge(cases[_i].text, &err);

    ck_assert_msg(st == cases[_i].expected, "%s: %s: %s", cases[_i].what, po_status_name(st),
                  err.text);
    ck_assert_int_eq(err.status, st);
}
END_TEST

START_TEST(a_nul_anywhere_is_refused)
{
    static const char text[] = "{" FORMAT REST;
    size_t size = sizeof text - 1;

    for (size_t at = 0; at <= size; at++) {
        char copy[sizeof text];
        struct po_manifest_core core;
        struct po_err err;

        memcpy(copy, text, at);
        copy[at] = 0;
        memcpy(copy + at + 1, text + at, size - at);
        ck_assert_int_eq(parse(copy, sizeof copy, &core, &err), PO_E_FORMAT);
    }
}
END_TEST

START_TEST(every_cut_is_refused)
{
    static const char text[] = "{" FORMAT REST;

    for (size_t size = 0; size < sizeof text - 1; size++) {
        struct po_manifest_core core;
        struct po_err err;

        ck_assert_int_eq(parse(text, size, &core, &err), PO_E_FORMAT);
    }
}
END_TEST

START_TEST(every_changed_byte_is_refused_or_harmless)
{
    static const char text[] = "{" FORMAT REST;
    unsigned refused = 0;

    for (size_t at = 0; at < sizeof text - 1; at++)
        for (unsigned value = 0; value < 256; value++) {
            char copy[sizeof text];
            struct po_manifest_core core;
            struct po_err err;
            enum po_status st;

            memcpy(copy, text, sizeof text);
            copy[at] = (char)value;
            st = parse(copy, sizeof text - 1, &core, &err);
            ck_assert(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
            refused += st == PO_OK ? 0 : 1;
            po_manifest_core_deinit(&core);
        }
    ck_assert_uint_gt(refused, (sizeof text - 1) * 200);
}
END_TEST

/* spec-test: MANIFEST-1, SUMMARY-1 */
START_TEST(sixteen_mebibytes_are_allowed_and_not_a_byte_more)
{
    static const char start[] = "{" FORMAT REST;
    size_t size = PO_JSON_MAX_SIZE + 1;
    char *text = malloc(size);
    struct po_manifest_core core;
    struct po_err err;

    ck_assert_ptr_nonnull(text);
    memset(text, ' ', size);
    memcpy(text, start, sizeof start - 1);
    ck_assert_int_eq(po_manifest_parse(&core, text, size, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_summary_check(text, size, &err), PO_E_FORMAT);
    ck_assert_int_eq(po_summary_check(text, size - 1, &err), PO_OK);
    ck_assert_int_eq(po_manifest_parse(&core, text, size - 1, &err), PO_OK);
    po_manifest_core_deinit(&core);
    free(text);
}
END_TEST

START_TEST(a_hundred_thousand_brackets_are_refused_and_not_a_crash)
{
    size_t depth = 100000;
    char *text = malloc(2 * depth + 20);
    struct po_err err;

    ck_assert_ptr_nonnull(text);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', depth);
    memset(text + 5 + depth, ']', depth);
    text[5 + 2 * depth] = '}';
    ck_assert_int_eq(po_summary_check(text, 6 + 2 * depth, &err), PO_E_FORMAT);
    free(text);
}
END_TEST

/* ---- the summary ---- */

static uint64_t
number_at(const json_t *root, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(root, key));
}

static void
check_list(const json_t *list, const struct po_problem *problems, size_t count)
{
    ck_assert_uint_eq(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(list, i);
        const json_t *path = json_object_get(row, "path");
        struct po_buf hex = { 0 };

        ck_assert_str_eq(json_string_value(json_object_get(row, "reason")), problems[i].reason);
        if (po_text_is_utf8(problems[i].path, problems[i].path_size)) {
            ck_assert_ptr_null(json_object_get(row, "path_hex"));
            ck_assert_uint_eq(json_string_length(path), problems[i].path_size);
            ck_assert_mem_eq(json_string_value(path), problems[i].path, problems[i].path_size);
        } else {
            ck_assert_ptr_null(path);
            po_text_put_hex(&hex, problems[i].path, problems[i].path_size);
            ck_assert_str_eq(json_string_value(json_object_get(row, "path_hex")),
                             po_buf_text(&hex));
        }
        po_buf_deinit(&hex);
    }
}

static void
check_summary(const struct po_buf *out, const struct po_summary *s, size_t listed)
{
    json_t *root = json_loadb((const char *)out->bytes, out->size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *totals = json_object_get(root, "counts");

    ck_assert_ptr_nonnull(root);
    ck_assert_uint_eq(number_at(totals, "files"), s->files);
    ck_assert_uint_eq(number_at(totals, "directories"), s->directories);
    ck_assert_uint_eq(number_at(totals, "links"), s->links);
    ck_assert_uint_eq(number_at(totals, "skipped"), s->skipped_count);
    ck_assert_uint_eq(number_at(totals, "changed_while_read"), s->changed_count);
    ck_assert_uint_eq(number_at(root, "bytes"), s->bytes);
    ck_assert(json_is_null(json_object_get(root, "outage_seconds")) == (s->outage_seconds < 0));
    check_list(json_object_get(root, "skipped"), s->skipped,
               s->skipped_count < listed ? s->skipped_count : listed);
    check_list(json_object_get(root, "changed_while_read"), s->changed,
               s->changed_count < listed ? s->changed_count : listed);
    json_decref(root);
}

/* spec-test: SUMMARY-1 */
START_TEST(a_summary_tells_all_counts_and_lists_names_of_any_bytes)
{
    static char reasons[3][16] = { "in use", "", "\xC3\xA4" };
    struct help_random random = help_random_begin("summary", 0);

    for (int round = 0; round < 60; round++) {
        struct po_problem problems[20];
        size_t count = help_random_size(&random, 20);
        struct po_summary summary = { .finished = 5,
                                      .outage_seconds = round % 2 == 0 ? -1 : 12.5,
                                      .stop_seconds = 1,
                                      .files = help_random_below(&random, 1000),
                                      .directories = 3,
                                      .links = 4,
                                      .bytes = help_random_next(&random) >> 1,
                                      .skipped = problems,
                                      .skipped_count = count,
                                      .changed = problems,
                                      .changed_count = count / 2,
                                      .listed_max = help_random_size(&random, 20) };
        struct po_buf out = { 0 };
        struct po_err err;

        for (size_t i = 0; i < count; i++) {
            problems[i].path_size = 1 + help_random_size(&random, 50);
            problems[i].path =
                help_path(&random, (enum help_alphabet)(i % 3), problems[i].path_size);
            problems[i].reason = reasons[i % 3];
        }
        ck_assert_int_eq(po_summary_put(&out, &summary, &err), PO_OK);
        ck_assert_int_eq(po_summary_check(out.bytes, out.size, &err), PO_OK);
        check_summary(&out, &summary, summary.listed_max == 0 ? 10000 : summary.listed_max);
        po_buf_deinit(&out);
        for (size_t i = 0; i < count; i++)
            free(problems[i].path);
    }
}
END_TEST

START_TEST(a_long_list_is_cut_and_the_counts_are_not)
{
    static char path[] = "a";
    static char reason[] = "gone";
    struct po_problem *problems = malloc(20000 * sizeof *problems);
    struct po_summary summary = { .outage_seconds = -1,
                                  .skipped = problems,
                                  .skipped_count = 20000 };
    struct po_buf out = { 0 };
    struct po_err err;

    ck_assert_ptr_nonnull(problems);
    for (size_t i = 0; i < 20000; i++)
        problems[i] = (struct po_problem){ .path = path, .path_size = 1, .reason = reason };
    ck_assert_int_eq(po_summary_put(&out, &summary, &err), PO_OK);
    check_summary(&out, &summary, 10000);
    po_buf_deinit(&out);
    free(problems);
}
END_TEST

START_TEST(a_summary_is_one_strict_object)
{
    static const struct {
        const char *text;
        enum po_status expected;
    } texts[] = { { "{}", PO_OK },
                  { "{\"any\": [1, 2.5, null]}", PO_OK },
                  { "", PO_E_FORMAT },
                  { "[]", PO_E_FORMAT },
                  { "5", PO_E_FORMAT },
                  { "{} {}", PO_E_FORMAT },
                  { "{\"a\": 1, \"a\": 2}", PO_E_FORMAT },
                  { "{'a': 1}", PO_E_FORMAT },
                  { "{\"a\": 01}", PO_E_FORMAT },
                  { "{\"a\": \"\t\"}", PO_E_FORMAT } };

    for (size_t i = 0; i < HELP_COUNT(texts); i++) {
        struct po_err err;

        ck_assert_msg(po_summary_check(texts[i].text, strlen(texts[i].text), &err) ==
                          texts[i].expected,
                      "%s", texts[i].text);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tc = tcase_create("manifest");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_manifest_survives_the_round_trip, 0, 20);
    tcase_add_test(tc, why_and_whence_it_was_taken_is_told_where_it_says_so);
    tcase_add_test(tc, the_same_manifest_gives_the_same_bytes);
    tcase_add_loop_test(tc, each_rule_of_the_manifest_is_checked, 0, (int)HELP_COUNT(cases));
    tcase_add_test(tc, a_nul_anywhere_is_refused);
    tcase_add_test(tc, every_cut_is_refused);
    tcase_add_test(tc, every_changed_byte_is_refused_or_harmless);
    tcase_add_test(tc, sixteen_mebibytes_are_allowed_and_not_a_byte_more);
    tcase_add_test(tc, a_hundred_thousand_brackets_are_refused_and_not_a_crash);
    tcase_add_test(tc, a_summary_tells_all_counts_and_lists_names_of_any_bytes);
    tcase_add_test(tc, a_long_list_is_cut_and_the_counts_are_not);
    tcase_add_test(tc, a_summary_is_one_strict_object);
    suite_add_tcase(suite, tc);
    return help_run(suite);
}
