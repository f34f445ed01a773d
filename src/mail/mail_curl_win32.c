/*
 * libcurl as part of the program, with Windows' own TLS (Schannel): scripts/setup-windows says what
 * it can do. No proxy and no IDN; the password goes out as it is, in UTF-8.
 */
#include "mail/curl_api.h"

enum po_status
po_curl_api_open(struct po_curl_api *api, struct po_err *err)
{
    (void)err;
    *api = (struct po_curl_api){ .global_init = curl_global_init,
                                 .global_cleanup = curl_global_cleanup,
                                 .easy_init = curl_easy_init,
                                 .easy_cleanup = curl_easy_cleanup,
                                 .easy_setopt = curl_easy_setopt,
                                 .easy_perform = curl_easy_perform,
                                 .easy_strerror = curl_easy_strerror,
                                 .slist_append = curl_slist_append,
                                 .slist_free_all = curl_slist_free_all };
    /*
     * Schannel refuses a certificate when it cannot learn whether that is revoked: one's own
     * authority (--mail-ca) often has no list, and a server room no way to the web.
     */
    api->tls_options = CURLSSLOPT_REVOKE_BEST_EFFORT;
    return PO_OK;
}

void
po_curl_api_close(struct po_curl_api *api)
{
    (void)api;
}
