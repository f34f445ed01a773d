/*
 * curl_api.h - libcurl as this system has it: what mail_curl.c calls of it. mail_curl_posix.c loads
 * the system's when a mail is to be sent; on Windows it is part of the program (mail_curl_win32.c).
 */
#ifndef PO_MAIL_CURL_API_H
#define PO_MAIL_CURL_API_H

#include "base/err.h"

#include <curl/curl.h>

#ifdef curl_easy_setopt
#undef curl_easy_setopt /* a check of types, around a call of the function itself */
#endif

struct po_library;

struct po_curl_api {
    struct po_library *library; /* NULL = part of the program */
    long tls_options;           /* CURLSSLOPT_... */
    CURLcode (*global_init)(long flags);
    void (*global_cleanup)(void);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *curl);
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *curl);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

/* PO_E_UNSUPPORTED: it is not on this machine. */
PO_NODISCARD enum po_status po_curl_api_open(struct po_curl_api *api, struct po_err *err);
void po_curl_api_close(struct po_curl_api *api);

#endif
