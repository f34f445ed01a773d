/* Strings that name places of another machine, rewritten; units of UTF-16 throughout. */
#include "base/cursor.h"
#include "base/mem.h"
#include "base/utf16.h"
#include "registry/reg_list.h"

#include <string.h>

/* A move's two texts: one '/' for each run of slashes, none at the end; `from` in capitals. */
struct pattern {
    uint16_t *from;
    size_t from_count;
    uint16_t *to;
    size_t to_count;
    const struct po_reg_move *move;
};

struct rewriter {
    struct pattern *patterns; /* the longest first */
    size_t count;
    struct po_buf out; /* data as they become */
    const struct po_reg_move *first;
    bool is_rewritten;
    bool is_left; /* something was found that stays */
};

/* A string of units, of one byte each or two. */
struct units {
    const uint8_t *bytes;
    size_t count;
    unsigned width;
};

static uint16_t
unit_at(const struct units *s, size_t i)
{
    if (s->width == 1)
        return s->bytes[i];
    return (uint16_t)(s->bytes[2 * i] | s->bytes[2 * i + 1] << 8);
}

static bool
is_slash(uint16_t unit)
{
    return unit == '\\' || unit == '/';
}

static uint16_t
capital(uint16_t unit)
{
    uint32_t found = po_reg_capital(unit);

    return found <= UINT16_MAX ? (uint16_t)found : unit;
}

/* ---- the moves ---- */

/* A share that is to be written keeps the two slashes at its front. */
static enum po_status
parse_text(const char *text, bool is_from, uint16_t **out, size_t *count, struct po_err *err)
{
    struct po_buf utf16 = { 0 };
    struct units s = { .width = 2 };
    uint16_t *units = NULL;
    enum po_status st;

    po_utf16_put(&utf16, text, strlen(text));
    st = po_buf_check(&utf16, err);
    s.bytes = utf16.bytes;
    s.count = utf16.size / 2;
    if (st == PO_OK) {
        units = po_mem_new(s.count + 1, sizeof *units);
        if (units == NULL)
            st = po_fail_nomem(err, s.count * sizeof *units);
    }
    for (size_t i = 0; st == PO_OK && i < s.count; i++) {
        uint16_t unit = unit_at(&s, i);
        bool is_share = !is_from && i == 1; /* "\\server": as it is */

        if (!is_slash(unit))
            units[(*count)++] = is_from ? capital(unit) : unit;
        else if (i == 0 || is_share || !is_slash(unit_at(&s, i - 1)))
            units[(*count)++] = '/';
    }
    while (*count > 1 && units != NULL && units[*count - 1] == '/')
        (*count)--;
    po_buf_deinit(&utf16);
    *out = units;
    return st;
}

static void
deinit(struct rewriter *w)
{
    for (size_t i = 0; i < w->count; i++) {
        po_mem_free(w->patterns[i].from);
        po_mem_free(w->patterns[i].to);
    }
    po_mem_free(w->patterns);
    po_buf_deinit(&w->out);
}

static enum po_status
take_moves(struct rewriter *w, const struct po_reg_move *moves, size_t count, struct po_err *err)
{
    enum po_status st = PO_OK;

    w->patterns = po_mem_new(count, sizeof *w->patterns);
    if (w->patterns == NULL)
        return po_fail_nomem(err, count * sizeof *w->patterns);
    for (size_t i = 0; i < count && st == PO_OK; i++) {
        struct pattern p = { .move = &moves[i] };
        size_t at = w->count;

        st = parse_text(moves[i].from, true, &p.from, &p.from_count, err);
        if (st == PO_OK && moves[i].to != NULL)
            st = parse_text(moves[i].to, false, &p.to, &p.to_count, err);
        for (; at > 0 && w->patterns[at - 1].from_count < p.from_count; at--)
            w->patterns[at] = w->patterns[at - 1];
        w->patterns[at] = p;
        w->count++;
    }
    return st;
}

/* ---- finding ---- */

/* What stands around a path without being of it. */
static bool
is_mark(uint16_t unit)
{
    static const char marks[] = "\"'=;,|<>()[]@";

    return unit == 0 || unit == '\t' || unit == '\r' || unit == '\n' ||
           (unit < 0x80 && memchr(marks, (int)unit, sizeof(marks) - 1) != NULL);
}

static bool
is_start(const struct units *s, size_t at)
{
    uint16_t before;

    if (at == 0)
        return true;
    before = unit_at(s, at - 1);
    return is_mark(before) || before == ' ' ||
           (at >= 4 && is_slash(before) && unit_at(s, at - 2) == '?' &&
            is_slash(unit_at(s, at - 3)) && is_slash(unit_at(s, at - 4)));
}

static bool
is_end(const struct units *s, size_t at)
{
    uint16_t unit;

    if (at == s->count)
        return true;
    unit = unit_at(s, at);
    return is_mark(unit) || is_slash(unit) || unit == ':';
}

/* How many units of `s` are the pattern's text; 0 = it does not stand there. */
static size_t
match(const struct units *s, size_t at, const struct pattern *p)
{
    size_t i = at;

    for (size_t j = 0; j < p->from_count; j++) {
        if (i >= s->count)
            return 0;
        if (p->from[j] == '/') {
            size_t run = i;

            while (run < s->count && is_slash(unit_at(s, run)))
                run++;
            if (run == i)
                return 0;
            i = run;
        } else if (capital(unit_at(s, i++)) != p->from[j]) {
            return 0;
        }
    }
    return i - at;
}

/* ---- writing ---- */

/* The new text with the slashes of the old one: those inside it, else those behind it. */
static void
put_new(struct rewriter *w, const struct units *s, size_t at, size_t size, const struct pattern *p)
{
    uint16_t slash = p->from_count > 0 && p->from[0] == '/' ? '/' : '\\';
    size_t from = at;
    size_t run = 0;

    while (from < at + size && is_slash(unit_at(s, from)))
        from++;
    while (from < at + size && !is_slash(unit_at(s, from)))
        from++;
    while (from + run < s->count && is_slash(unit_at(s, from + run)))
        run++;
    if (run > 0)
        slash = unit_at(s, from);
    for (size_t i = 0; i < p->to_count; i++)
        for (size_t n = p->to[i] == '/' && run > 1 ? run : 1; n > 0; n--)
            po_buf_put_u16le(&w->out, p->to[i] == '/' ? slash : p->to[i]);
    /* "D:" is where a program happens to be on that drive. */
    if (p->to_count == 2 && p->to[1] == ':' &&
        (at + size == s->count || !is_slash(unit_at(s, at + size))))
        po_buf_put_u16le(&w->out, slash);
}

static const struct pattern *
find(const struct rewriter *w, const struct units *s, size_t at, size_t *size)
{
    for (size_t i = 0; i < w->count; i++) {
        *size = match(s, at, &w->patterns[i]);
        if (*size > 0)
            return &w->patterns[i];
    }
    return NULL;
}

static void
note(struct rewriter *w, const struct pattern *p, bool is_rewritten)
{
    if (w->first == NULL || (is_rewritten && !w->is_rewritten))
        w->first = p->move;
    w->is_rewritten = w->is_rewritten || is_rewritten;
    w->is_left = w->is_left || !is_rewritten;
}

/* Longer texts first, so that one in the place of a shorter one has been tried. */
static void
rewrite_strings(struct rewriter *w, const struct units *s)
{
    for (size_t at = 0; at < s->count;) {
        size_t size = 0;
        const struct pattern *p = is_start(s, at) ? find(w, s, at, &size) : NULL;

        while (p != NULL && !is_end(s, at + size)) {
            /* "C:\spool old", "C:\spool2": not this place. A shorter one may still be. */
            if (at + size < s->count && unit_at(s, at + size) == ' ')
                note(w, p, false);
            for (p++; p < w->patterns + w->count; p++) {
                size = match(s, at, p);
                if (size > 0)
                    break;
            }
            if (p == w->patterns + w->count)
                p = NULL;
        }
        if (p == NULL || p->move->to == NULL) {
            if (p != NULL)
                note(w, p, false);
            po_buf_put_u16le(&w->out, unit_at(s, at++));
            continue;
        }
        note(w, p, true);
        put_new(w, s, at, size, p);
        at += size;
    }
}

static bool
is_of_word(const struct units *s, size_t at)
{
    uint16_t unit = at < s->count ? capital(unit_at(s, at)) : 0;

    return (unit >= 'A' && unit <= 'Z') || (unit >= '0' && unit <= '9') || unit == '-' ||
           unit >= 0x80;
}

/* Text that is looked for, in data of any kind: a place, whatever stands before it, or a word. */
static void
look_in(struct rewriter *w, const void *data, size_t size, bool is_word)
{
    for (unsigned width = 1; width <= 2; width++) {
        for (size_t odd = 0; odd < width && odd < size; odd++) {
            struct units s = { .bytes = (const uint8_t *)data + odd,
                               .count = (size - odd) / width,
                               .width = width };

            for (size_t at = 0; at < s.count && !w->is_left; at++) {
                size_t length = 0;
                const struct pattern *p = find(w, &s, at, &length);

                if (p != NULL &&
                    (is_word ? !is_of_word(&s, at + length) && (at == 0 || !is_of_word(&s, at - 1))
                             : is_end(&s, at + length)))
                    note(w, p, false);
            }
        }
    }
}

static enum po_status
rewrite_value(struct rewriter *w, const struct po_reg_key *key, struct po_reg_value *value,
              po_reg_rewrite_fn each, void *ctx, struct po_err *err)
{
    struct units s = { .bytes = value->data, .count = value->data_size / 2, .width = 2 };
    struct po_reg_rewrite told = { .key = key, .value = value };
    char *before = NULL;
    enum po_status st;

    w->first = NULL;
    w->is_rewritten = w->is_left = false;
    po_buf_clear(&w->out);
    if (po_reg_is_text(value->type))
        rewrite_strings(w, &s);
    if (!w->is_rewritten && !w->is_left)
        look_in(w, value->data, value->data_size, false);
    if (!w->is_rewritten && !w->is_left)
        return PO_OK;
    told.move = w->first;
    if (!w->is_rewritten)
        return each == NULL ? PO_OK : each(ctx, &told, err);
    if (value->data_size % 2 != 0)
        po_buf_put_u8(&w->out, value->data[value->data_size - 1]);
    before = po_mem_copy(value->data, value->data_size);
    st = before == NULL ? po_fail_nomem(err, value->data_size) : po_buf_check(&w->out, err);
    told.before = before;
    told.before_size = value->data_size;
    if (st == PO_OK)
        st = po_reg_value_set(value, value->type, w->out.bytes, w->out.size, err);
    if (st == PO_OK && each != NULL)
        st = each(ctx, &told, err);
    po_mem_free(before);
    return st;
}

enum po_status
po_reg_rewrite(struct po_reg *reg, const struct po_reg_move *moves, size_t move_count,
               po_reg_rewrite_fn each, void *ctx, struct po_err *err)
{
    struct rewriter w = { 0 };
    enum po_status st = take_moves(&w, moves, move_count, err);

    for (size_t i = 0; st == PO_OK && i < reg->key_count; i++) {
        struct po_reg_key *key = &reg->keys[i];

        for (size_t j = 0; st == PO_OK && j < key->value_count; j++)
            if (!key->values[j].is_delete)
                st = rewrite_value(&w, key, &key->values[j], each, ctx, err);
    }
    deinit(&w);
    return st;
}

enum po_status
po_reg_find_words(const struct po_reg *reg, const char *const *words, size_t word_count,
                  po_reg_word_fn each, void *ctx, struct po_err *err)
{
    struct po_reg_move *moves = po_mem_new(word_count, sizeof *moves);
    struct rewriter w = { 0 };
    enum po_status st = PO_OK;

    if (moves == NULL)
        return po_fail_nomem(err, word_count * sizeof *moves);
    for (size_t i = 0; i < word_count; i++)
        moves[i].from = words[i];
    st = take_moves(&w, moves, word_count, err);
    for (size_t i = 0; st == PO_OK && i < reg->key_count; i++) {
        const struct po_reg_key *key = &reg->keys[i];

        for (size_t j = 0; st == PO_OK && j < key->value_count; j++) {
            w.first = NULL;
            w.is_left = false;
            look_in(&w, key->values[j].data, key->values[j].data_size, true);
            if (w.is_left)
                st = each(ctx, key, &key->values[j], (size_t)(w.first - moves), err);
        }
    }
    deinit(&w);
    po_mem_free(moves);
    return st;
}
