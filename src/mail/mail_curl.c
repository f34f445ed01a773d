/* By libcurl (mail/curl_api.h). */
#include "mail/mail.h"

#include "base/buf.h"
#include "mail/curl_api.h"

#include <string.h>

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
set_text(const struct po_curl_api *api, CURL *curl, CURLoption option, const char *text,
         CURLcode *code)
{
    if (*code == CURLE_OK)
        *code = api->easy_setopt(curl, option, text);
}

static void
set_number(const struct po_curl_api *api, CURL *curl, CURLoption option, long number,
           CURLcode *code)
{
    if (*code == CURLE_OK)
        *code = api->easy_setopt(curl, option, number);
}

static CURLcode
set_server(const struct po_curl_api *api, CURL *curl, const struct po_mail_server *server,
           const char *url)
{
    CURLcode code = CURLE_OK;

    set_text(api, curl, CURLOPT_URL, url, &code);
#if LIBCURL_VERSION_NUM >= 0x075500
    set_text(api, curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps", &code);
#else
    set_number(api, curl, CURLOPT_PROTOCOLS, CURLPROTO_SMTP | CURLPROTO_SMTPS, &code);
#endif
    /* What the environment says of proxies is about the web. A libcurl without them knows none. */
    if (code == CURLE_OK) {
        code = api->easy_setopt(curl, CURLOPT_PROXY, "");
        code = code == CURLE_UNKNOWN_OPTION ? CURLE_OK : code;
    }
    set_number(api, curl, CURLOPT_USE_SSL,
               server->tls == PO_MAIL_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL, &code);
    if (api->tls_options != 0)
        set_number(api, curl, CURLOPT_SSL_OPTIONS, api->tls_options, &code);
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
set_message(const struct po_curl_api *api, CURL *curl, const char *from, struct curl_slist *to,
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
hand_over(const struct po_curl_api *api, CURL *curl, const struct po_mail_server *server,
          const char *from, struct curl_slist *to, struct upload *upload, struct po_err *err)
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
    struct po_curl_api api = { .library = NULL };
    enum po_status st = po_curl_api_open(&api, err);

    if (st != PO_OK)
        return st;
    if (api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        po_curl_api_close(&api);
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
    po_curl_api_close(&api);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "%s:%u", server->host, server->port);
}
