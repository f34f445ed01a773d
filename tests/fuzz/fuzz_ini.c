/* pobackup-site.ini: what is read of it is written so that the same is read again. */
#include "base/buf.h"
#include "base/text.h"
#include "fuzz.h"
#include "host/host_folder_ini.h"

#include <string.h>

/* Right behind the '=': a ';' with a space before it would be a comment. */
static void
put_key(struct po_buf *text, const char *key, const char *value)
{
    FUZZ_CHECK(value[0] != '\0' && po_text_is_utf8(value, strlen(value)));
    po_buf_printf(text, "%s=%s\n", key, value);
}

static void
put_map(struct po_buf *text, const char *name, char *const *map)
{
    po_buf_printf(text, "[%s]\n", name);
    for (int part = 0; part < PO_PART_COUNT; part++)
        if (map[part] != NULL)
            put_key(text, po_part_name((enum po_part)part), map[part]);
}

static void
put_site(struct po_buf *text, const struct po_host_folder_ini *ini)
{
    put_map(text, "trees", ini->tree);
    put_map(text, "places", ini->known);
    for (size_t i = 0; i < ini->service_count; i++) {
        const struct po_host_folder_service *one = &ini->services[i];

        FUZZ_CHECK(one->name[0] != '\0' && one->service.name == one->name);
        FUZZ_CHECK(one->start != NULL && one->stop != NULL && one->status != NULL);
        FUZZ_CHECK(one->service.stop_timeout_s - 1 < PO_HOST_FOLDER_TIMEOUT_MAX_S);
        FUZZ_CHECK(one->service.start_timeout_s - 1 < PO_HOST_FOLDER_TIMEOUT_MAX_S);
        FUZZ_CHECK(one->line > (i > 0 ? one[-1].line : 0));
        po_buf_printf(text, "[service:%s]\n", one->name);
        put_key(text, "start", one->start);
        put_key(text, "stop", one->stop);
        put_key(text, "status", one->status);
        po_buf_printf(text, "stop-timeout=%u\nstart-timeout=%u\n", one->service.stop_timeout_s,
                      one->service.start_timeout_s);
    }
}

static void
read_site(const char *bytes, size_t size)
{
    struct po_host_folder_ini ini = { 0 };
    struct po_host_folder_ini again = { 0 };
    struct po_buf first = { 0 };
    struct po_buf second = { 0 };
    struct po_err err = { 0 };
    enum po_status st = po_host_folder_ini_parse(&ini, bytes, size, &err);

    FUZZ_CHECK(st == PO_OK || (st == PO_E_USAGE && strstr(err.text, "line ") == err.text));
    if (st == PO_OK) {
        put_site(&first, &ini);
        FUZZ_CHECK(!first.failed);
        FUZZ_CHECK(po_host_folder_ini_parse(&again, po_buf_text(&first), first.size, &err) ==
                   PO_OK);
        put_site(&second, &again);
        FUZZ_CHECK(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    }
    po_host_folder_ini_deinit(&ini);
    po_host_folder_ini_deinit(&again);
    po_buf_deinit(&first);
    po_buf_deinit(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_site(size > 0 ? (const char *)bytes : "", size);
    return 0;
}
