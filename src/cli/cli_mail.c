#include "cli/cli_mail.h"

#include "base/text.h"
#include "cli/cli_out.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_QP 76u
/* An encoded word may have 75 bytes, and its line 76 with "Subject: ": so many bytes of text. */
#define WORD_MAX 39u
/* A subject that needs no encoding and is longer is encoded all the same, for its folding. */
#define SUBJECT_MAX 66u
#define ITEMS_MAX 200u
#define DEPTH_MAX 8u
#define STEPS_A_DAY INT64_C(864000000000)

static const char hex_digits[] = "0123456789ABCDEF";

bool
po_cli_mail_is_address(const char *text)
{
    const char *at = strchr(text, '@');

    if (at == NULL || at == text || at[1] == '\0' || text[0] == '-' || strlen(text) > 254)
        return false;
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || strchr("<>(),;:\"\\", *text) != NULL)
            return false;
    return true;
}

/* ---- headers ---- */

static void
put_base64(struct po_buf *out, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        unsigned three = (unsigned)(unsigned char)bytes[i] << 16;

        if (i + 1 < size)
            three |= (unsigned)(unsigned char)bytes[i + 1] << 8;
        if (i + 2 < size)
            three |= (unsigned char)bytes[i + 2];
        po_buf_put_u8(out, (uint8_t)digits[three >> 18]);
        po_buf_put_u8(out, (uint8_t)digits[three >> 12 & 63]);
        po_buf_put_u8(out, i + 1 < size ? (uint8_t)digits[three >> 6 & 63] : '=');
        po_buf_put_u8(out, i + 2 < size ? (uint8_t)digits[three & 63] : '=');
    }
}

/* How much of the text, which is UTF-8, one word takes: whole characters (RFC 2047). */
static size_t
word_size(const char *text, size_t size)
{
    size_t taken = 0;

    while (taken < size) {
        size_t step = po_text_utf8_step(text + taken, size - taken);

        if (step == 0)
            step = 1;
        if (taken + step > WORD_MAX)
            break;
        taken += step;
    }
    return taken;
}

static void
put_subject(struct po_buf *out, const char *subject)
{
    size_t left = strlen(subject);
    bool is_plain = left <= SUBJECT_MAX && strstr(subject, "=?") == NULL;

    for (size_t i = 0; i < left; i++)
        is_plain = is_plain && subject[i] >= ' ' && subject[i] <= '~';
    po_buf_put_text(out, "Subject:");
    if (is_plain) {
        po_buf_printf(out, " %s\r\n", subject);
        return;
    }
    while (left > 0) {
        size_t size = word_size(subject, left);

        po_buf_put_text(out, " =?UTF-8?B?");
        put_base64(out, subject, size);
        po_buf_put_text(out, "?=\r\n");
        subject += size;
        left -= size;
    }
}

/* "Sat, 28 Nov 2026 09:02:51 +0000" */
static void
put_date(struct po_buf *out, int64_t date)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = date / STEPS_A_DAY - (date % STEPS_A_DAY < 0);
    /* The first of January 1970 was a Thursday. */
    unsigned weekday = (unsigned)(((day + 4) % 7 + 7) % 7);
    struct po_buf time = { 0 };
    const char *text;
    unsigned month;

    po_text_put_time(&time, date);
    text = po_buf_text(&time);
    if (time.failed)
        out->failed = true;
    if (!time.failed && time.size > 19) {
        month = (unsigned)((text[5] - '0') * 10 + (text[6] - '0') - 1);
        po_buf_printf(out, "Date: %.3s, %.2s %.3s %.4s %.8s +0000\r\n", days + (size_t)weekday * 3,
                      text + 8, months + (size_t)(month % 12) * 3, text, text + 11);
    }
    po_buf_deinit(&time);
}

/* ---- body ---- */

/*
 * Quoted-printable (RFC 2045): what is ASCII stays readable in any program. `is_last`: the line ends
 * behind it, where a space would be lost.
 */
static size_t
qp_size(unsigned char c, bool is_last)
{
    bool is_plain = c != '=' && c >= '!' && c <= '~';

    return is_plain || ((c == ' ' || c == '\t') && !is_last) ? 1 : 3;
}

static void
put_qp_line(struct po_buf *out, const char *line, size_t size)
{
    size_t width = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)line[i];
        size_t more = qp_size(c, i + 1 == size);

        /* Behind all but the end of the line stands the '=' of a line that goes on. */
        if (width + more > LINE_MAX_QP - (i + 1 < size)) {
            po_buf_put_text(out, "=\r\n");
            width = 0;
        }
        if (more == 1) {
            po_buf_put_u8(out, c);
        } else {
            po_buf_put_u8(out, '=');
            po_buf_put_u8(out, (uint8_t)hex_digits[c >> 4]);
            po_buf_put_u8(out, (uint8_t)hex_digits[c & 15]);
        }
        width += more;
    }
    po_buf_put_text(out, "\r\n");
}

void
po_cli_mail_put(struct po_buf *out, const struct po_cli_mail *mail)
{
    const char *at = mail->body;

    put_date(out, mail->date);
    po_buf_printf(out, "From: %s\r\n", mail->from);
    for (size_t i = 0; i < mail->to_count; i++)
        po_buf_printf(out, "%s%s%s\r\n", i == 0 ? "To: " : " ", mail->to[i],
                      i + 1 < mail->to_count ? "," : "");
    put_subject(out, mail->subject);
    po_buf_printf(out, "Message-ID: <%s>\r\n", mail->id);
    po_buf_put_text(out, "MIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=UTF-8\r\n"
                         "Content-Transfer-Encoding: quoted-printable\r\n"
                         "Auto-Submitted: auto-generated\r\n"
                         "\r\n");
    while (*at != '\0') {
        size_t size = strcspn(at, "\n");

        put_qp_line(out, at, size);
        at += size + (at[size] == '\n' ? 1 : 0);
    }
}

/* ---- table ---- */

static int
append(const char *bytes, size_t size, void *ctx)
{
    po_buf_put(ctx, bytes, size);
    return 0;
}

static void put_value(struct po_buf *out, struct po_buf *name, const json_t *value, unsigned depth);

/* The value's name is longer by `more` while it is put. */
static void
put_below(struct po_buf *out, struct po_buf *name, const char *more, const json_t *value,
          unsigned depth)
{
    size_t size = name->size;

    if (size > 0 && more[0] != '[')
        po_buf_put_u8(name, '.');
    po_buf_put_text(name, more);
    put_value(out, name, value, depth + 1);
    if (!name->failed)
        name->size = size;
}

static void
put_array(struct po_buf *out, struct po_buf *name, const json_t *array, unsigned depth)
{
    size_t count = json_array_size(array);

    for (size_t i = 0; i < count && i < ITEMS_MAX; i++) {
        char number[32];

        (void)snprintf(number, sizeof(number), "[%zu]", i + 1);
        put_below(out, name, number, json_array_get(array, i), depth);
    }
    if (count > ITEMS_MAX)
        po_buf_printf(out, "%s: and %zu more\n", po_buf_text(name), count - (size_t)ITEMS_MAX);
    else if (count == 0)
        po_buf_printf(out, "%s: none\n", po_buf_text(name));
}

static void
put_value(struct po_buf *out, struct po_buf *name, const json_t *value, unsigned depth)
{
    const char *key;
    const json_t *below;

    if (json_is_object(value) && depth < DEPTH_MAX) {
        /* Jansson's loop wants a table that is not const, and does not change it. */
        void *at = json_object_iter((json_t *)(uintptr_t)value);

        for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            key = json_object_iter_key(at);
            below = json_object_iter_value(at);
            put_below(out, name, key, below, depth);
        }
        return;
    }
    if (json_is_array(value) && depth < DEPTH_MAX) {
        put_array(out, name, value, depth);
        return;
    }
    po_buf_printf(out, "%s: ", po_buf_text(name));
    if (json_is_string(value))
        po_cli_put_message(out, json_string_value(value));
    else if (json_dump_callback(value, append, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) != 0)
        out->failed = true;
    po_buf_put_u8(out, '\n');
}

void
po_cli_mail_put_table(struct po_buf *out, const json_t *document)
{
    struct po_buf name = { 0 };

    put_value(out, &name, document, 0);
    if (name.failed)
        out->failed = true;
    po_buf_deinit(&name);
}
