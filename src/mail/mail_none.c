/* A program that cannot send mail. */
#include "mail/mail.h"

bool
po_mail_is_supported(void)
{
    return false;
}

enum po_status
po_mail_send(const struct po_mail_server *server, const char *from, const char *to,
             const void *message, size_t size, struct po_err *err)
{
    (void)server;
    (void)from;
    (void)to;
    (void)message;
    (void)size;
    return po_fail(err, PO_E_UNSUPPORTED, "this program was built without mail");
}
