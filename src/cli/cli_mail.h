/*
 * cli_mail.h - a message about a run: plain text in UTF-8, with the headers of RFC 5322 and MIME.
 * Pure: what it says is given, bytes come out. mail/mail.h sends it.
 */
#ifndef PO_CLI_CLI_MAIL_H
#define PO_CLI_CLI_MAIL_H

#include "base/buf.h"

#include <jansson.h>

struct po_cli_mail {
    const char *from;
    const char *const *to;
    size_t to_count;
    const char *subject; /* UTF-8, of any length */
    const char *body;    /* UTF-8; lines end in '\n' */
    int64_t date;        /* 100 ns steps since 1970 */
    const char *id;      /* of Message-ID, without the angles */
};

/* Appends the whole message; lines end in CR LF, none is longer than 998 bytes. */
void po_cli_mail_put(struct po_buf *out, const struct po_cli_mail *mail);
/* Appends every value of a JSON document as a line, "outage.stop_seconds: 0.25". */
void po_cli_mail_put_table(struct po_buf *out, const json_t *document);
/* Whether it can stand in a message and an envelope as it is: ASCII, no space, no angles, an '@'. */
bool po_cli_mail_is_address(const char *text);

#endif
