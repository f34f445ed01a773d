/*
 * By libcurl, which is loaded when a mail is to be sent and not before: with all that it needs it
 * takes more memory, and longer to load, than many a run of the program itself.
 */
#include "mail/mail.h"

#include "base/buf.h"
#include "port/library.h"

#include <curl/curl.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

#ifdef curl_easy_setopt
#undef curl_easy_setopt /* a check of types, around a call of the function itself */
#endif

/* What of it is called. */
struct api {
    struct po_library *library;
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

static enum po_status
load(struct api *api, struct po_err *err)
{
    enum po_status st = po_library_open(&api->library, LIBRARY, err);

    if (st != PO_OK)
        return st;
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
    po_library_free(api->library);
    return po_fail(err, PO_E_IO, "%s is not the library that it should be", LIBRARY);
}

/* What is left to be sent. */
struct upload {
    const char *at;
    size_t left;
};

/* The server's last line, when that refused something: "" = it did not. Cut when it is longer. */
struct reply {
    char text[200];
};

bool
po_mail_is_supported(void)
{
    return true;
}

static size_t
give(char *to, size_t size, size_t count, void *ctx)
{
    struct upload *upload = ctx;
    size_t room = size * count;
    size_t give = upload->left < room ? upload->left : room;

    if (give > 0)
        memcpy(to, upload->at, give);
    upload->at += give;
    upload->left -= give;
    return give;
}

static size_t
hear(char *bytes, size_t size, size_t count, void *ctx)
{
    struct reply *reply = ctx;
    size_t all = size * count;
    size_t kept = all < sizeof(reply->text) - 1 ? all : sizeof(reply->text) - 1;

    /* The farewell comes after what went wrong. */
    if (all >= 3 && memcmp(bytes, "221", 3) == 0)
        return all;
    if (all == 0 || (bytes[0] != '4' && bytes[0] != '5'))
        kept = 0;
    memcpy(reply->text, bytes, kept);
    while (kept > 0 && (reply->text[kept - 1] == '\r' || reply->text[kept - 1] == '\n'))
        kept--;
    reply->text[kept] = '\0';
    return all;
}

static void
put_url(struct po_buf *url, const struct po_mail_server *server)
{
    bool is_ipv6 = strchr(server->host, ':') != NULL;

    po_buf_printf(url, "%s://%s%s%s:%u", server->tls == PO_MAIL_TLS ? "smtps" : "smtp",
                  is_ipv6 ? "[" : "", server->host, is_ipv6 ? "]" : "", server->port);
}

/* Options that are not known, or for which memory runs out: the first failure stays. */
static void
set_text(const struct api *api, CURL *curl, CURLoption option, const char *text, CURLcode *code)
{
    if (*code == CURLE_OK)
        *code = api->easy_setopt(curl, option, text);
}

static void
set_number(const struct api *api, CURL *curl, CURLoption option, long number, CURLcode *code)
{
    if (*code == CURLE_OK)
        *code = api->easy_setopt(curl, option, number);
}

static CURLcode
set_server(const struct api *api, CURL *curl, const struct po_mail_server *server, const char *url)
{
    CURLcode code = CURLE_OK;

    set_text(api, curl, CURLOPT_URL, url, &code);
#if LIBCURL_VERSION_NUM >= 0x075500
    set_text(api, curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps", &code);
#else
    set_number(api, curl, CURLOPT_PROTOCOLS, CURLPROTO_SMTP | CURLPROTO_SMTPS, &code);
#endif
    /* What the environment says of proxies is about the web. */
    set_text(api, curl, CURLOPT_PROXY, "", &code);
    set_number(api, curl, CURLOPT_USE_SSL,
               server->tls == PO_MAIL_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL, &code);
    if (server->ca_file != NULL)
        set_text(api, curl, CURLOPT_CAINFO, server->ca_file, &code);
    if (server->user != NULL) {
        set_text(api, curl, CURLOPT_USERNAME, server->user, &code);
        set_text(api, curl, CURLOPT_PASSWORD, server->password, &code);
    }
    set_number(api, curl, CURLOPT_TIMEOUT, (long)server->timeout_s, &code);
    set_number(api, curl, CURLOPT_CONNECTTIMEOUT, (long)server->timeout_s, &code);
    /* Signals are this process's own. */
    set_number(api, curl, CURLOPT_NOSIGNAL, 1, &code);
    return code;
}

static CURLcode
set_message(const struct api *api, CURL *curl, const char *from, struct curl_slist *to,
            struct upload *upload)
{
    CURLcode code = CURLE_OK;

    set_text(api, curl, CURLOPT_MAIL_FROM, from, &code);
    set_number(api, curl, CURLOPT_UPLOAD, 1, &code);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_READFUNCTION, give);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_READDATA, upload);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload->left);
    return code;
}

static enum po_status
hand_over(const struct api *api, CURL *curl, const struct po_mail_server *server, const char *from,
          struct curl_slist *to, struct upload *upload, struct po_err *err)
{
    char problem[CURL_ERROR_SIZE] = "";
    struct reply reply = { "" };
    struct po_buf url = { 0 };
    CURLcode code;
    enum po_status st;

    put_url(&url, server);
    (void)po_buf_text(&url);
    st = po_buf_check(&url, err);
    if (st != PO_OK)
        goto done;
    code = api->easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    if (code == CURLE_OK)
        code = set_server(api, curl, server, po_buf_text(&url));
    if (code == CURLE_OK)
        code = set_message(api, curl, from, to, upload);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_HEADERFUNCTION, hear);
    if (code == CURLE_OK)
        code = api->easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
    if (code == CURLE_OK)
        code = api->easy_perform(curl);
    if (code != CURLE_OK && reply.text[0] != '\0')
        st = po_fail(err, PO_E_IO, "the server says: %s", reply.text);
    else if (code != CURLE_OK)
        st = po_fail(err, PO_E_IO, "%s", problem[0] != '\0' ? problem : api->easy_strerror(code));
done:
    po_buf_deinit(&url);
    return st;
}

enum po_status
po_mail_send(const struct po_mail_server *server, const char *from, const char *to,
             const void *message, size_t size, struct po_err *err)
{
    struct upload upload = { .at = message, .left = size };
    struct curl_slist *list = NULL;
    CURL *curl = NULL;
    struct api api = { .library = NULL };
    enum po_status st = load(&api, err);

    if (st != PO_OK)
        return st;
    if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        po_library_free(api.library);
        return po_fail(err, PO_E_IO, "libcurl does not start");
    }
    curl = api.easy_init();
    list = api.slist_append(NULL, to);
    if (curl == NULL || list == NULL)
        st = po_fail_nomem(err, strlen(to));
    if (st == PO_OK)
        st = hand_over(&api, curl, server, from, list, &upload, err);
    api.easy_cleanup(curl);
    api.slist_free_all(list);
    api.global_cleanup();
    po_library_free(api.library);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "%s:%u", server->host, server->port);
}
