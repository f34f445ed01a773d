#include "engine/scrub_state.h"

#include "archive/hash.h"
#include "base/mem.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What thousands of archives have with the longest period. */
#define SIZE_MAX_BYTES (UINT64_C(8) << 20)
#define ARCHIVES_MAX (1u << 20)
#define CHECK_MEMBER ",\n\"check\": \""
/* Any calendar's: what is larger is no day. */
#define ABSENT_PERIODS 3 /* so long an archive that is not there is remembered */
#define DAY_MAX 10000000

void
po_scrub_state_deinit(struct po_scrub_state *state)
{
    for (uint32_t i = 0; i < state->count; i++) {
        po_mem_free(state->archives[i].days);
        po_mem_free(state->archives[i].good);
    }
    po_mem_free(state->archives);
    *state = (struct po_scrub_state){ 0 };
}

enum po_status
po_scrub_state_add(struct po_scrub_state *state, const uint8_t digest[PO_DIGEST_SIZE],
                   struct po_err *err)
{
    struct po_scrub_archive *archive;

    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 32 : state->capacity * 2;
        struct po_scrub_archive *archives =
            state->count >= ARCHIVES_MAX
                ? NULL
                : po_mem_resize(state->archives, capacity, sizeof *archives);

        if (archives == NULL)
            return po_fail_nomem(err, capacity * sizeof *archives);
        state->archives = archives;
        state->capacity = capacity;
    }
    archive = &state->archives[state->count];
    *archive = (struct po_scrub_archive){ .days = po_mem_new(state->period, sizeof(int32_t)),
                                          .good = po_mem_new(state->period, sizeof(uint32_t)) };
    memcpy(archive->digest, digest, PO_DIGEST_SIZE);
    state->count++;
    return archive->days == NULL || archive->good == NULL
               ? po_fail_nomem(err, state->period * sizeof(int32_t))
               : PO_OK;
}

struct po_scrub_archive *
po_scrub_state_find(const struct po_scrub_state *state, const uint8_t digest[PO_DIGEST_SIZE])
{
    for (uint32_t i = 0; i < state->count; i++)
        if (memcmp(state->archives[i].digest, digest, PO_DIGEST_SIZE) == 0)
            return &state->archives[i];
    return NULL;
}

/* ---- as text ---- */

static void
put_archive(struct po_buf *out, const struct po_scrub_state *state,
            const struct po_scrub_archive *archive)
{
    po_buf_put_u8(out, '"');
    po_text_put_hex(out, archive->digest, PO_DIGEST_SIZE);
    po_buf_put_text(out, "\": {\"days\": [");
    for (unsigned i = 0; i < state->period; i++)
        po_buf_printf(out, "%s%d", i > 0 ? "," : "", (int)archive->days[i]);
    po_buf_put_text(out, "]");
    if (archive->recovery != 0)
        po_buf_printf(out, ", \"recovery\": %d", (int)archive->recovery);
    po_buf_put_text(out, "}");
}

/* A disk that is changed for another comes back. */
static bool
is_kept(const struct po_scrub_state *state, const struct po_scrub_archive *archive)
{
    int32_t last = 0;

    for (unsigned i = 0; i < state->period; i++)
        last = abs(archive->days[i]) > last ? abs(archive->days[i]) : last;
    return archive->files > 0 || state->day - last <= ABSENT_PERIODS * (int32_t)state->period;
}

enum po_status
po_scrub_state_put(const struct po_scrub_state *state, struct po_buf *out, struct po_err *err)
{
    uint8_t hash[PO_HASH_SIZE];
    const char *before = "\n";

    po_buf_printf(out, "{\"period\": %u, \"archives\": {", state->period);
    for (uint32_t i = 0; i < state->count; i++) {
        if (!is_kept(state, &state->archives[i]))
            continue;
        po_buf_put_text(out, before);
        put_archive(out, state, &state->archives[i]);
        before = ",\n";
    }
    po_buf_put_text(out, "}");
    if (po_buf_check(out, err) != PO_OK)
        return err->status;
    po_xxh3(out->bytes, out->size, hash);
    po_buf_put_text(out, CHECK_MEMBER);
    po_text_put_hex(out, hash, sizeof hash);
    po_buf_put_text(out, "\"}\n");
    return po_buf_check(out, err);
}

static bool
parse_day(const json_t *value, int32_t *day)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number == 0 || number < -DAY_MAX || number > DAY_MAX)
        return false;
    *day = (int32_t)number;
    return true;
}

static enum po_status
parse_archive(struct po_scrub_state *state, const char *key, json_t *object, struct po_err *err)
{
    uint8_t digest[PO_DIGEST_SIZE];
    const json_t *days = json_object_get(object, "days");
    const json_t *recovery = json_object_get(object, "recovery");
    struct po_scrub_archive *archive;
    enum po_status st;

    if (strlen(key) != 2 * (size_t)PO_DIGEST_SIZE ||
        !po_text_parse_hex(key, digest, PO_DIGEST_SIZE) || json_array_size(days) != state->period)
        return po_fail(err, PO_E_FORMAT, "an archive's days are damaged");
    st = po_scrub_state_add(state, digest, err);
    if (st != PO_OK)
        return st;
    archive = &state->archives[state->count - 1];
    for (unsigned i = 0; i < state->period; i++)
        if (!parse_day(json_array_get(days, i), &archive->days[i]))
            return po_fail(err, PO_E_FORMAT, "a day is damaged");
    if (recovery != NULL && !parse_day(recovery, &archive->recovery))
        return po_fail(err, PO_E_FORMAT, "a day is damaged");
    return PO_OK;
}

/* A digit that has changed would be a day like any other. */
static bool
is_check_right(const char *text, size_t size)
{
    const size_t digits = 2 * (size_t)PO_HASH_SIZE;
    const size_t tail = strlen(CHECK_MEMBER) + digits + strlen("\"}\n");
    const char *at = text + size - tail;
    char hex[2 * PO_HASH_SIZE + 1];
    uint8_t expected[PO_HASH_SIZE];
    uint8_t hash[PO_HASH_SIZE];

    if (size < tail || memcmp(at, CHECK_MEMBER, strlen(CHECK_MEMBER)) != 0)
        return false;
    memcpy(hex, at + strlen(CHECK_MEMBER), digits);
    hex[digits] = '\0';
    po_xxh3(text, size - tail, hash);
    return po_text_parse_hex(hex, expected, sizeof expected) &&
           memcmp(hash, expected, sizeof hash) == 0;
}

enum po_status
po_scrub_state_parse(struct po_scrub_state *state, const void *text, size_t size,
                     struct po_err *err)
{
    json_error_t why;
    json_t *root = NULL;
    json_t *archives;
    const char *key;
    json_t *object;
    json_int_t period;
    enum po_status st = PO_OK;

    if (!is_check_right(text, size))
        return po_fail(err, PO_E_FORMAT, "its checksum is not right");
    root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    archives = json_object_get(root, "archives");
    period = json_integer_value(json_object_get(root, "period"));
    if (root == NULL || !json_is_object(archives) || period < 1 || period > PO_SCRUB_PERIOD_MAX)
        st = po_fail(err, PO_E_FORMAT, "it is not what it should be");
    if (st == PO_OK) {
        state->period = (unsigned)period;
        json_object_foreach(archives, key, object)
        {
            st = parse_archive(state, key, object, err);
            if (st != PO_OK)
                break;
        }
    }
    json_decref(root);
    return st;
}

/* ---- as a file ---- */

static enum po_status
read_text(struct po_buf *text, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info = { 0 };
    size_t got = 0;
    enum po_status st = po_file_open(&file, dir, name, strlen(name), PO_FILE_READ, 0, err);

    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK && info.size > SIZE_MAX_BYTES)
        st = po_fail(err, PO_E_FORMAT, "it is too large");
    if (st == PO_OK && !po_buf_reserve(text, (size_t)info.size + 1))
        st = po_fail_nomem(err, (size_t)info.size);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, text->bytes, (size_t)info.size, &got, err);
    if (st == PO_OK)
        text->size = got;
    po_file_free(file);
    return st;
}

enum po_status
po_scrub_state_read(struct po_scrub_state *state, struct po_dir *dir, const char *name,
                    struct po_err *err)
{
    struct po_node_info info;
    struct po_buf text = { 0 };
    bool exists = false;
    enum po_status st = po_dir_stat(dir, name, strlen(name), &info, &exists, err);

    if (st == PO_OK && exists)
        st = read_text(&text, dir, name, err);
    if (st == PO_OK && exists)
        st = po_scrub_state_parse(state, text.bytes, text.size, err);
    po_buf_deinit(&text);
    return st == PO_OK ? st : po_err_prefix(err, "%s", name);
}

enum po_status
po_scrub_state_write(const struct po_scrub_state *state, struct po_dir *dir, const char *name,
                     struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_buf text = { 0 };
    struct po_buf new_name = { 0 };
    enum po_status st = po_scrub_state_put(state, &text, err);

    if (st == PO_OK && text.size > SIZE_MAX_BYTES)
        st = po_fail(err, PO_E_USAGE, "so many archives with so long a period");
    po_buf_printf(&new_name, "%s.new", name);
    if (st == PO_OK)
        st = po_buf_check(&new_name, err);
    if (st == PO_OK)
        st = po_file_open(&file, dir, po_buf_text(&new_name), new_name.size, PO_FILE_REPLACE, 0600,
                          err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, text.bytes, text.size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    po_file_free(file);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&new_name), new_name.size, dir, name, strlen(name),
                           true, err);
    if (st == PO_OK)
        st = po_dir_sync(dir, err);
    po_buf_deinit(&text);
    po_buf_deinit(&new_name);
    return st == PO_OK ? st : po_err_prefix(err, "%s", name);
}
