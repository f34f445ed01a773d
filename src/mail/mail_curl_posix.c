/*
 * The system's libcurl, loaded when a mail is to be sent and not before: with all that it needs it
 * takes more memory, and longer to load, than many a run of the program itself.
 */
#include "mail/curl_api.h"

#include "port/library.h"

#define LIBRARY "libcurl.so.4"

enum po_status
po_curl_api_open(struct po_curl_api *api, struct po_err *err)
{
    enum po_status st = po_library_open(&api->library, LIBRARY, err);

    if (st != PO_OK)
        return st;
    api->tls_options = 0;
    api->global_init = (CURLcode(*)(long))po_library_find(api->library, "curl_global_init");
    api->global_cleanup = po_library_find(api->library, "curl_global_cleanup");
    api->easy_init = (CURL * (*)(void)) po_library_find(api->library, "curl_easy_init");
    api->easy_cleanup = (void (*)(CURL *))po_library_find(api->library, "curl_easy_cleanup");
    api->easy_setopt =
        (CURLcode(*)(CURL *, CURLoption, ...))po_library_find(api->library, "curl_easy_setopt");
    api->easy_perform = (CURLcode(*)(CURL *))po_library_find(api->library, "curl_easy_perform");
    api->easy_strerror =
        (const char *(*)(CURLcode))po_library_find(api->library, "curl_easy_strerror");
    api->slist_append = (struct curl_slist * (*)(struct curl_slist *, const char *))
        po_library_find(api->library, "curl_slist_append");
    api->slist_free_all =
        (void (*)(struct curl_slist *))po_library_find(api->library, "curl_slist_free_all");
    if (api->global_init != NULL && api->global_cleanup != NULL && api->easy_init != NULL &&
        api->easy_cleanup != NULL && api->easy_setopt != NULL && api->easy_perform != NULL &&
        api->easy_strerror != NULL && api->slist_append != NULL && api->slist_free_all != NULL)
        return PO_OK;
    po_curl_api_close(api);
    return po_fail(err, PO_E_IO, "%s is not the library that it should be", LIBRARY);
}

void
po_curl_api_close(struct po_curl_api *api)
{
    po_library_free(api->library);
    api->library = NULL;
}
