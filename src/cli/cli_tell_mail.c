#include "cli/cli_tell.h"

#include "base/text.h"
#include "cli/cli_mail.h"
#include "cli/cli_secret.h"
#include "mail/mail.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define TIMEOUT_SECONDS 60
#define LOGIN_SIZE_MAX 4096u

struct login {
    char text[LOGIN_SIZE_MAX + 1]; /* both lines */
    const char *user;
    const char *password;
};

/* ---- the options ---- */

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT", or an IPv6 address by itself. *port stays where none is. */
static bool
parse_server(const char *text, struct po_buf *host, unsigned *port)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    bool is_bracketed = text[0] == '[';
    const char *end = is_bracketed ? strchr(text, ']') : strchr(text, ':');
    const char *rest;
    uint64_t number = 0;

    if (is_bracketed && end == NULL)
        return false;
    if (end == NULL || (!is_bracketed && strchr(end + 1, ':') != NULL))
        end = text + strlen(text);
    text += is_bracketed;
    po_buf_put(host, text, (size_t)(end - text));
    rest = end + is_bracketed;
    text = po_buf_text(host);
    if (text[0] == '\0' || text[0] == '-')
        return false;
    if (strchr(text, ':') != NULL ? text[strspn(text, "0123456789abcdefABCDEF:.")] != '\0'
                                  : text[strspn(text, allowed)] != '\0')
        return false;
    if (rest[0] == '\0')
        return true;
    if (rest[0] != ':' || !po_text_parse_u64(rest + 1, 65535, &number) || number == 0)
        return false;
    *port = (unsigned)number;
    return true;
}

static bool
is_this_machine(const char *host)
{
    return po_text_is_equal_nocase(host, "localhost") || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

/* `host` is where the server's name is kept. */
static enum po_status
find_server(const struct po_cli *cli, struct po_mail_server *server, struct po_buf *host,
            struct po_err *err)
{
    static const unsigned ports[] = {
        [PO_MAIL_PLAIN] = 25, [PO_MAIL_STARTTLS] = 587, [PO_MAIL_TLS] = 465
    };
    const char *text = po_cli_text(cli, PO_CLI_MAIL_SERVER);
    bool has_login = po_cli_has(cli, PO_CLI_MAIL_LOGIN);
    enum po_mail_tls tls = (enum po_mail_tls)po_cli_number(
        cli, PO_CLI_MAIL_TLS, has_login ? PO_MAIL_STARTTLS : PO_MAIL_PLAIN);
    unsigned port = ports[tls];

    if (!parse_server(text != NULL ? text : "localhost", host, &port))
        return po_fail(err, PO_E_USAGE, "--mail-server: %s is not HOST or HOST:PORT", text);
    if (has_login && tls == PO_MAIL_PLAIN && !is_this_machine(po_buf_text(host)))
        return po_fail(err, PO_E_USAGE,
                       "--mail-login with --mail-tls=none: the password would cross the network "
                       "for everybody to read");
    *server = (struct po_mail_server){ .host = po_buf_text(host),
                                       .port = port,
                                       .tls = tls,
                                       .ca_file = po_cli_text(cli, PO_CLI_MAIL_CA),
                                       .timeout_s = (unsigned)po_cli_number(
                                           cli, PO_CLI_MAIL_TIMEOUT, TIMEOUT_SECONDS) };
    return po_buf_check(host, err);
}

/* "pobackup@HOST", of what a host's name may have. */
static void
put_default_sender(struct po_buf *out)
{
    struct po_buf host = { 0 };

    po_sys_put_host(&host);
    po_buf_put_text(out, "pobackup@");
    for (size_t i = 0; i < host.size; i++) {
        char c = (char)host.bytes[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || (c == '.' && i > 0 && i + 1 < host.size);

        po_buf_put_u8(out, is_plain ? (uint8_t)c : '-');
    }
    if (host.size == 0)
        po_buf_put_text(out, "localhost");
    po_buf_deinit(&host);
}

static enum po_status
check_addresses(const struct po_cli *cli, struct po_err *err)
{
    const struct po_cli_value *to = &cli->values.value[PO_CLI_MAIL_TO];
    const char *from = po_cli_text(cli, PO_CLI_MAIL_FROM);

    for (size_t i = 0; i < to->count; i++)
        if (!po_cli_mail_is_address(to->list[i]))
            return po_fail(err, PO_E_USAGE, "--mail-to: %s is no address as user@example.org",
                           to->list[i]);
    if (from != NULL && !po_cli_mail_is_address(from))
        return po_fail(err, PO_E_USAGE, "--mail-from: %s is no address as user@example.org", from);
    return PO_OK;
}

/* ---- the login ---- */

static enum po_status
parse_login(struct login *login, const char *path, struct po_err *err)
{
    char *line = strchr(login->text, '\n');

    if (line == NULL)
        return po_fail(err, PO_E_USAGE,
                       "--mail-login: %s: a line with the user, one with the "
                       "password",
                       path);
    login->user = login->text;
    login->password = line + 1;
    *line = '\0';
    for (line = login->text; *line != '\0' && *line != '\r'; line++)
        continue;
    *line = '\0';
    for (line = (char *)(uintptr_t)login->password; *line != '\0' && *line != '\r' && *line != '\n';
         line++)
        continue;
    *line = '\0';
    if (login->user[0] == '\0' || login->password[0] == '\0')
        return po_fail(err, PO_E_USAGE, "--mail-login: %s: the user or the password is empty",
                       path);
    return PO_OK;
}

static enum po_status
read_login(struct login *login, const char *path, struct po_err *err)
{
    size_t got = 0;

    if (po_cli_secret_read(login->text, sizeof(login->text), path, "the password", &got, err) !=
        PO_OK)
        return po_err_prefix(err, "--mail-login");
    return parse_login(login, path, err);
}

enum po_status
po_cli_tell_mail_check(struct po_cli *cli, struct po_err *err)
{
    const char *path = po_cli_text(cli, PO_CLI_MAIL_LOGIN);
    struct po_mail_server server;
    struct po_buf host = { 0 };
    struct login login;
    enum po_status st;

    if (!po_cli_has(cli, PO_CLI_MAIL_TO))
        return PO_OK;
    if (!po_mail_is_supported())
        return po_fail(err, PO_E_USAGE,
                       "--mail-to: this program was built without mail; --on-failure runs a "
                       "command that may send it");
    st = check_addresses(cli, err);
    if (st == PO_OK)
        st = find_server(cli, &server, &host, err);
    if (st == PO_OK && path != NULL) {
        st = read_login(&login, path, err);
        po_cli_secret_wipe(&login, sizeof(login));
    }
    po_buf_deinit(&host);
    return st;
}

/* ---- the message ---- */

static const char *
outcome(int code)
{
    return code == PO_EXIT_DONE     ? "done"
           : code == PO_EXIT_PARTLY ? "done, with problems"
                                    : "FAILED";
}

static const char *
site_of(const struct po_cli *cli)
{
    return cli->site != NULL ? cli->site : po_cli_text(cli, PO_CLI_SITE);
}

static void
put_subject(struct po_buf *out, const struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    const char *site = site_of(cli);

    po_buf_printf(out, "pobackup %s: %s (exit code %d), ", cli->verb->name, outcome(telling->code),
                  telling->code);
    if (site != NULL) {
        po_cli_put_message(out, site);
        po_buf_put_text(out, " on ");
    }
    po_sys_put_host(out);
}

static void
put_told(struct po_buf *out, const struct po_buf *told)
{
    size_t at = 0;

    while (at < told->size) {
        const uint8_t *end = memchr(told->bytes + at, '\n', told->size - at);
        size_t size = end != NULL ? (size_t)(end - told->bytes) - at : told->size - at;
        struct po_buf line = { 0 };

        po_buf_put(&line, told->bytes + at, size);
        po_buf_put_text(out, "  ");
        po_cli_put_message(out, po_buf_text(&line));
        po_buf_put_u8(out, '\n');
        po_buf_deinit(&line);
        at += size + 1;
    }
}

static void
put_body(struct po_buf *out, const struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    json_t *document =
        json_loadb((const char *)telling->document.bytes, telling->document.size, 0, NULL);

    put_subject(out, telling);
    po_buf_put_text(out, "\nended ");
    po_sys_put_local_time(out, po_sys_now());
    po_buf_put_text(out, ", after ");
    po_text_put_seconds(out, po_sys_monotonic() - cli->began);
    po_buf_put_text(out, "\n\nWhat it told:\n\n");
    put_told(out, &cli->out.told);
    po_buf_put_text(out, "\nThe whole result:\n\n");
    if (document != NULL)
        po_cli_mail_put_table(out, document);
    json_decref(document);
}

/* Which nobody else has. */
static enum po_status
put_id(struct po_buf *out, const char *from, struct po_err *err)
{
    uint8_t random[16];
    enum po_status st = po_sys_random(random, sizeof(random), err);

    if (st != PO_OK)
        return st;
    po_text_put_hex(out, random, sizeof(random));
    po_buf_put_text(out, strchr(from, '@'));
    return PO_OK;
}

static enum po_status
compose(const struct po_cli_telling *telling, const char *from, struct po_buf *message,
        struct po_err *err)
{
    const struct po_cli_value *to = &telling->cli->values.value[PO_CLI_MAIL_TO];
    struct po_buf subject = { 0 };
    struct po_buf body = { 0 };
    struct po_buf id = { 0 };
    enum po_status st = put_id(&id, from, err);

    put_subject(&subject, telling);
    put_body(&body, telling);
    if (st == PO_OK) {
        struct po_cli_mail mail = { .from = from,
                                    .to = to->list,
                                    .to_count = to->count,
                                    .subject = po_buf_text(&subject),
                                    .body = po_buf_text(&body),
                                    .date = po_sys_now(),
                                    .id = po_buf_text(&id) };

        po_cli_mail_put(message, &mail);
        st = subject.failed || body.failed || id.failed ? po_fail_nomem(err, body.size)
                                                        : po_buf_check(message, err);
    }
    po_buf_deinit(&subject);
    po_buf_deinit(&body);
    po_buf_deinit(&id);
    return st;
}

/* ---- sending ---- */

/* Each a mail of its own: one address that is refused does not keep it from the others. */
static void
send_to_all(struct po_cli_telling *telling, const struct po_mail_server *server, const char *from,
            const struct po_buf *message)
{
    const struct po_cli_value *to = &telling->cli->values.value[PO_CLI_MAIL_TO];

    for (size_t i = 0; i < to->count; i++) {
        struct po_err err = { 0 };

        if (po_mail_send(server, from, to->list[i], message->bytes, message->size, &err) != PO_OK)
            po_cli_tell_failed(telling, "mail to %s: %s", to->list[i], err.text);
    }
}

static void
send_mail(struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    const char *from = po_cli_text(cli, PO_CLI_MAIL_FROM);
    const char *path = po_cli_text(cli, PO_CLI_MAIL_LOGIN);
    struct po_mail_server server = { 0 };
    struct po_buf host = { 0 };
    struct po_buf sender = { 0 };
    struct po_buf message = { 0 };
    struct login login = { .user = NULL };
    struct po_err err = { 0 };
    enum po_status st = check_addresses(cli, &err);

    put_default_sender(&sender);
    if (from == NULL)
        from = po_buf_text(&sender);
    if (st == PO_OK)
        st = find_server(cli, &server, &host, &err);
    if (st == PO_OK && path != NULL)
        st = read_login(&login, path, &err);
    server.user = login.user;
    server.password = login.password;
    if (st == PO_OK)
        st = compose(telling, from, &message, &err);
    if (st == PO_OK)
        send_to_all(telling, &server, from, &message);
    else
        po_cli_tell_failed(telling, "mail: %s", err.text);
    po_cli_secret_wipe(&login, sizeof(login));
    po_buf_deinit(&host);
    po_buf_deinit(&sender);
    po_buf_deinit(&message);
}

void
po_cli_tell_mail(struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    bool is_always = po_cli_number(cli, PO_CLI_MAIL_ON, 0) == 1;

    /* Without mail it was wrong use, which is told by what else there is. */
    if (!po_cli_has(cli, PO_CLI_MAIL_TO) || !po_mail_is_supported())
        return;
    if (is_always || telling->code != PO_EXIT_DONE || telling->untold_before.size > 0)
        send_mail(telling);
}
