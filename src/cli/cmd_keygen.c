/* A pair of keys: NAME.key, which signs, and NAME.pub, by which everybody can check. */
#include "cli/cli.h"

#include "cli/cli_lock.h"
#include "cli/cli_secret.h"
#include "port/file.h"
#include "port/sys.h"
#include "store/store.h"

#include <string.h>

struct job {
    struct po_cli *cli;
    struct po_buf secret_path;
    struct po_buf public_path;
    struct po_minisign_secret secret;
    struct po_minisign_public public_key;
    struct po_buf secret_text;
    struct po_buf public_text;
    uint64_t memory; /* that scrypt takes; 0: the key is not encrypted */
};

static enum po_status
check_free(const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(path, &info, &exists, err);

    return st == PO_OK && exists ? po_fail(err, PO_E_USAGE, "%s: exists already", path) : st;
}

/* Before anybody is asked for a passphrase. */
static enum po_status
find_paths(struct job *job, const char *name, struct po_err *err)
{
    enum po_status st;

    po_buf_printf(&job->secret_path, "%s.key", name);
    po_buf_printf(&job->public_path, "%s.pub", name);
    st = po_buf_check(&job->secret_path, err);
    if (st == PO_OK)
        st = po_buf_check(&job->public_path, err);
    if (st == PO_OK)
        st = check_free(po_buf_text(&job->secret_path), err);
    return st == PO_OK ? check_free(po_buf_text(&job->public_path), err) : st;
}

/* A machine that has not as much memory as minisign's scrypt wants gets a key that wants less. */
static enum po_status
lock_secret(struct job *job, const struct po_cli_passphrase *passphrase, struct po_err *err)
{
    struct po_minisign_lock lock = { .passphrase = passphrase->text,
                                     .passphrase_size = passphrase->size,
                                     .ops = PO_MINISIGN_OPS_MAX,
                                     .memory = PO_MINISIGN_MEMORY_MAX };
    enum po_status st = po_sys_random(lock.salt, sizeof(lock.salt), err);

    if (st != PO_OK)
        return st;
    for (;;) {
        st = po_minisign_secret_print(&job->secret_text, &job->secret, &lock, err);
        if (st != PO_E_NOMEM || lock.memory / 2 < PO_MINISIGN_MEMORY_MIN)
            break;
        lock.ops /= 2;
        lock.memory /= 2;
    }
    job->memory = lock.memory;
    return st;
}

static enum po_status
make_keys(struct job *job, struct po_err *err)
{
    struct po_cli_passphrase passphrase = { .size = 0 };
    uint8_t random[PO_MINISIGN_RANDOM_SIZE];
    bool is_bare = po_cli_has(job->cli, PO_CLI_NO_PASSPHRASE);
    enum po_status st = PO_OK;

    if (!is_bare)
        st = po_cli_passphrase_get(job->cli, &passphrase, PO_CLI_PASSPHRASE_FILE,
                                   po_buf_text(&job->secret_path), true, err);
    if (st == PO_OK)
        st = po_sys_random(random, sizeof(random), err);
    if (st == PO_OK)
        st = po_minisign_make(&job->secret, &job->public_key, random, err);
    if (st == PO_OK)
        st = is_bare ? po_minisign_secret_print(&job->secret_text, &job->secret, NULL, err)
                     : lock_secret(job, &passphrase, err);
    if (st == PO_OK)
        st = po_minisign_public_print(&job->public_text, &job->public_key, err);
    po_cli_secret_wipe(random, sizeof(random));
    po_cli_secret_wipe(&passphrase, sizeof(passphrase));
    return st;
}

/* *is_ours: it was made. Everybody may read it: its mode is what the system gives to new files. */
static enum po_status
write_public(const struct job *job, const char *path, bool *is_ours, struct po_err *err)
{
    struct po_file *file = NULL;
    enum po_status st = po_os_file_open(&file, path, PO_FILE_CREATE, err);

    *is_ours = st == PO_OK;
    if (st == PO_OK)
        st = po_file_write(file, job->public_text.bytes, job->public_text.size, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    if (st == PO_OK) {
        st = po_file_close(file, err);
        file = NULL;
    }
    po_file_free(file);
    return st == PO_OK || !*is_ours ? st : po_err_prefix(err, "%s", path);
}

static void
remove_public(const char *path)
{
    struct po_dir *dir = NULL;
    const char *name = NULL;
    struct po_err ignored;

    if (po_cli_open_parent(&dir, &name, path, &ignored) == PO_OK)
        (void)!po_dir_remove(dir, name, strlen(name), &ignored);
    po_dir_free(dir);
}

/* Both or none: a secret key that nobody can check, or the reverse, is of no use. */
static enum po_status
write_keys(struct job *job, struct po_err *err)
{
    const char *public_path = po_buf_text(&job->public_path);
    struct po_store_sink *sink = NULL;
    bool is_ours = false;
    enum po_status st = po_store_file_create_private(&sink, po_buf_text(&job->secret_path), err);

    if (st == PO_OK)
        st = sink->ops->write(sink, job->secret_text.bytes, job->secret_text.size, err);
    if (st == PO_OK)
        st = write_public(job, public_path, &is_ours, err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    if (st != PO_OK && is_ours)
        remove_public(public_path);
    if (sink != NULL)
        sink->ops->free(sink);
    return st;
}

/* The public key alone: the second line of its file. */
static const char *
public_line(struct job *job, struct po_buf *line)
{
    const char *text = po_buf_text(&job->public_text);
    const char *start = strchr(text, '\n');

    start = start == NULL ? text : start + 1;
    po_buf_put(line, start, strcspn(start, "\n"));
    return po_buf_text(line);
}

static void
tell(struct job *job)
{
    struct po_cli_out *out = &job->cli->out;
    const char *secret_path = po_buf_text(&job->secret_path);
    const char *public_path = po_buf_text(&job->public_path);
    struct po_buf line = { 0 };
    struct po_buf id = { 0 };

    po_minisign_put_id(&id, job->public_key.key_id);
    po_cli_json_member(out, "key_id", json_string(po_buf_text(&id)));
    po_cli_json_member(out, "public_key", json_string(public_line(job, &line)));
    po_cli_json_member(out, "encrypted", json_boolean(job->memory > 0));
    po_cli_json_member(out, "secret_file",
                       po_cli_json_plain_path(secret_path, job->secret_path.size));
    po_cli_json_member(out, "public_file",
                       po_cli_json_plain_path(public_path, job->public_path.size));
    po_cli_out_tell(out, PO_CLI_SAY, "made key %s: %s signs, %s checks", po_buf_text(&id),
                    secret_path, public_path);
    if (!out->is_json)
        (void)po_cli_out_line(out, &line);
    if (job->memory > 0 && job->memory < PO_MINISIGN_MEMORY_MAX)
        po_cli_out_tell(out, PO_CLI_WARNING,
                        "scrypt could have no more than %llu MiB: the passphrase should be a long "
                        "one",
                        (unsigned long long)(job->memory >> 20));
    if (job->memory == 0)
        po_cli_out_tell(out, PO_CLI_NOTE, "whoever can read %s can sign with it", secret_path);
    po_cli_out_tell(out, PO_CLI_HINT,
                    "Keep a copy of both away from the archives. Trust it: --trusted-key %s",
                    public_path);
    po_buf_deinit(&id);
    po_buf_deinit(&line);
}

int
po_cmd_keygen(struct po_cli *cli)
{
    struct job job = { .cli = cli };
    const char *name = po_cli_text(cli, PO_CLI_OUTPUT);
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    enum po_status st;

    if (name == NULL)
        return po_cli_usage(cli, "where to? Give -o NAME: NAME.key and NAME.pub are made");
    if (po_cli_has(cli, PO_CLI_NO_PASSPHRASE) && po_cli_has(cli, PO_CLI_PASSPHRASE_FILE))
        return po_cli_usage(cli, "--no-passphrase or --passphrase-file: one of them");
    st = find_paths(&job, name, &err);
    if (st == PO_OK)
        st = make_keys(&job, &err);
    if (st == PO_OK)
        st = write_keys(&job, &err);
    if (st == PO_OK)
        tell(&job);
    else
        code = po_cli_failed(cli, &err);
    po_cli_secret_wipe(&job.secret, sizeof(job.secret));
    if (job.secret_text.bytes != NULL)
        po_cli_secret_wipe(job.secret_text.bytes, job.secret_text.capacity);
    po_buf_deinit(&job.secret_text);
    po_buf_deinit(&job.public_text);
    po_buf_deinit(&job.secret_path);
    po_buf_deinit(&job.public_path);
    return code;
}
