#include "engine/vault_lock.h"

#include "base/mem.h"
#include "base/text.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

/* Whoever looks whether it is free holds it for a moment. */
#define TRIES 3
#define WAIT_MS 50u
#define TEXT_MAX 1024u

struct po_vault_lock {
    struct po_lock *lock;
    struct po_dir *dir;
};

/* ---- the text ---- */

static void
put_text(struct po_buf *text, const char *verb)
{
    struct po_buf host = { 0 };

    po_sys_put_host(&host);
    po_buf_printf(text, "verb %s\nhost %s\nprocess %u\nstart ", verb, po_buf_text(&host),
                  po_sys_process_id());
    (void)po_sys_put_process_start(text, po_sys_process_id());
    po_buf_put_text(text, "\nsince ");
    po_text_put_time(text, po_sys_now());
    po_buf_put_text(text, "\n");
    po_buf_deinit(&host);
}

/* The lock lies behind all text, also where it hinders reading (Windows). */
static enum po_status
open_text(struct po_dir *dir, struct po_file **file, enum po_file_how how, struct po_err *err)
{
    return po_file_open(file, dir, PO_VAULT_LOCK_NAME, strlen(PO_VAULT_LOCK_NAME), how, 0600, err);
}

/* Emptied first: what a dead holder left must not stand there for another moment. */
static enum po_status
write_text(struct po_dir *dir, const struct po_buf *text, struct po_err *err)
{
    struct po_file *file = NULL;
    enum po_status st = open_text(dir, &file, PO_FILE_UPDATE, err);

    if (st == PO_OK)
        st = po_file_set_size(file, 0, err);
    if (st == PO_OK)
        st = po_file_write_at(file, 0, text->bytes, text->size, err);
    po_file_free(file);
    return st;
}

/* The line's value, ended by a NUL; NULL when there is no such line. The text is taken apart. */
static char *
take_line(char **text, const char *key)
{
    size_t size = strlen(key);
    char *value = *text + size + 1;
    char *end = strchr(*text, '\n');

    if (end == NULL || strncmp(*text, key, size) != 0 || (*text)[size] != ' ')
        return NULL;
    *end = '\0';
    *text = end + 1;
    return value;
}

/* A process of this machine that is gone, or that has another's number, holds nothing. */
static bool
is_gone(const char *host, uint32_t process_id, const char *start)
{
    struct po_buf here = { 0 };
    struct po_buf now = { 0 };
    bool result = false;

    po_sys_put_host(&here);
    if (strcmp(po_buf_text(&here), host) == 0 && start[0] != '\0' &&
        po_sys_put_process_start(&now, process_id))
        result = !now.failed && strcmp(po_buf_text(&now), start) != 0;
    po_buf_deinit(&here);
    po_buf_deinit(&now);
    return result;
}

/* Nothing when it does not read as one of ours. */
static void
put_holder(struct po_buf *holder, char *text)
{
    const char *verb = take_line(&text, "verb");
    const char *host = verb == NULL ? NULL : take_line(&text, "host");
    const char *process = host == NULL ? NULL : take_line(&text, "process");
    const char *start = process == NULL ? NULL : take_line(&text, "start");
    const char *since = start == NULL ? NULL : take_line(&text, "since");
    uint64_t id = 0;
    int64_t time = 0;

    if (since == NULL || !po_text_parse_u64(process, UINT32_MAX, &id) ||
        !po_text_parse_time(since, &time) || is_gone(host, (uint32_t)id, start))
        return;
    po_text_put_name(holder, verb, strlen(verb));
    po_buf_put_text(holder, " on ");
    po_text_put_name(holder, host, strlen(host));
    po_buf_printf(holder, ", process %llu, since ", (unsigned long long)id);
    po_sys_put_local_time(holder, time);
}

static void
read_holder(struct po_dir *dir, struct po_buf *holder)
{
    struct po_file *file = NULL;
    struct po_err ignored;
    char text[TEXT_MAX + 1] = "";
    size_t got = 0;

    if (open_text(dir, &file, PO_FILE_READ, &ignored) == PO_OK &&
        po_file_read_at(file, 0, text, TEXT_MAX, &got, &ignored) == PO_OK &&
        memchr(text, '\0', got) == NULL) {
        text[got] = '\0';
        put_holder(holder, text);
    }
    po_file_free(file);
}

/* ---- the lock ---- */

static enum po_status
take(struct po_vault_lock *lock, const char *path, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (int tries = 0; tries < TRIES && st == PO_OK && lock->lock == NULL; tries++) {
        if (tries > 0)
            po_sys_sleep_ms(WAIT_MS);
        st = po_lock_take(&lock->lock, path, err);
    }
    return st;
}

enum po_status
po_vault_lock_take(struct po_vault_lock **out, const char *vault_path, const char *verb,
                   struct po_buf *holder, struct po_err *err)
{
    struct po_vault_lock *lock = po_mem_new(1, sizeof *lock);
    char *path = po_os_path_join(vault_path, PO_VAULT_LOCK_NAME);
    struct po_buf text = { 0 };
    struct po_err ignored;
    enum po_status st = lock == NULL || path == NULL ? po_fail_nomem(err, strlen(vault_path))
                                                     : po_dir_open(&lock->dir, vault_path, err);

    if (st == PO_OK)
        st = take(lock, path, err);
    if (st == PO_OK && lock->lock == NULL) {
        read_holder(lock->dir, holder);
        *out = NULL;
    } else if (st == PO_OK) {
        put_text(&text, verb);
        /* It is for people: where the disk is full, say, the lock holds all the same. */
        (void)!write_text(lock->dir, &text, &ignored);
        *out = lock;
        lock = NULL;
    }
    po_buf_deinit(&text);
    po_mem_free(path);
    po_vault_lock_free(lock);
    return st;
}

void
po_vault_lock_free(struct po_vault_lock *lock)
{
    const struct po_buf none = { 0 };
    struct po_err ignored;

    if (lock == NULL)
        return;
    if (lock->lock != NULL)
        (void)!write_text(lock->dir, &none, &ignored);
    po_lock_free(lock->lock);
    po_dir_free(lock->dir);
    po_mem_free(lock);
}
