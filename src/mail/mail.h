/*
 * mail.h - hands a message to an SMTP server (RFC 5321). What the message says is its author's matter
 * (cli/cli_mail.h). mail_curl.c does it by libcurl; in a program that is built without, mail_none.c
 * says so.
 */
#ifndef PO_MAIL_MAIL_H
#define PO_MAIL_MAIL_H

#include "base/err.h"

#include <stdbool.h>

enum po_mail_tls {
    PO_MAIL_PLAIN,
    PO_MAIL_STARTTLS, /* nothing is sent when the server does not have it */
    PO_MAIL_TLS       /* from the first byte on */
};

struct po_mail_server {
    const char *host; /* a name or an address; IPv6 without brackets */
    unsigned port;
    enum po_mail_tls tls;
    const char *user; /* NULL = no login */
    const char *password;
    const char *ca_file; /* certificates that are trusted; NULL = the system's */
    unsigned timeout_s;  /* of the whole */
};

bool po_mail_is_supported(void);
/*
 * Sends one message, whose lines end in CR LF, to one address. PO_OK: the server has taken it over.
 * The certificate must be good and the host's. PO_E_IO with what the server or the network said.
 */
PO_NODISCARD enum po_status po_mail_send(const struct po_mail_server *server, const char *from,
                                         const char *to, const void *message, size_t size,
                                         struct po_err *err);

#endif
