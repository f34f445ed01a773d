/*
 * Where backups go, and that this is neither in the site nor on its disk (req: N3). A place is
 * compared by its real path, and by the identity (volume and file number) of each directory that it
 * lies in: so neither links, nor other names of one directory, nor a name that merely begins alike
 * can mislead. What does not exist yet is judged by the nearest directory above it that does.
 */
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "engine/doctor.h"
#include "engine/doctor_checks.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

/* What is written at the target to prove that it can be. */
#define PROBE_SIZE 4096u

/* A path taken apart. */
struct place {
    char *real;               /* absolute, free of links: of the part that exists */
    char *rest;               /* below it, what does not exist; "" if all does */
    struct po_node_info info; /* of the part that exists */
};

static void
place_deinit(struct place *place)
{
    po_mem_free(place->real);
    po_mem_free(place->rest);
    *place = (struct place){ 0 };
}

/* Puts the last component of `path` before `rest`; "" or "." are dropped. */
static enum po_status
move_component(char *path, char **rest, struct po_err *err)
{
    size_t size = strlen(path);
    size_t dir_size;
    size_t name_start;
    struct po_buf joined = { 0 };
    const char *name;
    char *grown;

    po_path_split(path, size, &dir_size, &name_start);
    name = path + name_start;
    if (strcmp(name, "..") == 0)
        return po_fail(err, PO_E_USAGE, "%s: \"..\" behind a directory that does not exist", path);
    if (*name != '\0' && strcmp(name, ".") != 0) {
        po_buf_put_text(&joined, name);
        if (**rest != '\0') {
            po_buf_put_u8(&joined, '/');
            po_buf_put_text(&joined, *rest);
        }
        grown = joined.failed ? NULL : po_mem_strdup(po_buf_text(&joined));
        po_buf_deinit(&joined);
        if (grown == NULL)
            return po_fail_nomem(err, size);
        po_mem_free(*rest);
        *rest = grown;
    }
    /* The root keeps its '/', and a name alone is relative to the current directory. */
    if (dir_size == 0 && name_start > 0)
        dir_size = name_start;
    if (dir_size == 0)
        memcpy(path, ".", 2);
    else
        path[dir_size] = '\0';
    return PO_OK;
}

/*
 * A link that leads nowhere: made one day, the target would lie wherever it leads. Nobody can say
 * where that is.
 */
static enum po_status
refuse_dangling(const char *path, const char *rest, struct po_err *err)
{
    struct po_dir *dir = NULL;
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;
    size_t size = strcspn(rest, "/");
    bool is_link = po_dir_open(&dir, path, &ignored) == PO_OK &&
                   po_dir_stat(dir, rest, size, &info, &exists, &ignored) == PO_OK && exists &&
                   info.type == PO_NODE_SYMLINK;

    po_dir_free(dir);
    return is_link ? po_fail(err, PO_E_USAGE, "%s in %s is a link that leads nowhere", rest, path)
                   : PO_OK;
}

static enum po_status
place_init(struct place *place, const char *os_path, struct po_err *err)
{
    char *path = po_mem_strdup(*os_path == '\0' ? "." : os_path);
    bool exists = false;
    enum po_status st = PO_OK;

    *place = (struct place){ .rest = po_mem_strdup("") };
    if (path == NULL || place->rest == NULL) {
        st = po_fail_nomem(err, strlen(os_path));
        goto done;
    }
    while (st == PO_OK) {
        st = po_os_stat(path, &place->info, &exists, err);
        if (st != PO_OK || exists)
            break;
        if (po_os_path_is_root(path, strlen(path)) || strcmp(path, ".") == 0)
            st = po_fail(err, PO_E_IO, "%s: no such directory", path);
        else
            st = move_component(path, &place->rest, err);
    }
    if (st == PO_OK && *place->rest != '\0')
        st = refuse_dangling(path, place->rest, err);
    if (st == PO_OK)
        st = po_os_path_real(&place->real, path, err);
done:
    if (st != PO_OK)
        place_deinit(place);
    po_mem_free(path);
    return st;
}

/* The whole path, existing and not. */
static enum po_status
put_path(struct po_buf *out, const struct place *place, struct po_err *err)
{
    po_buf_put_text(out, place->real);
    if (*place->rest != '\0') {
        if (out->size > 0 && out->bytes[out->size - 1] != '/')
            po_buf_put_u8(out, '/');
        po_buf_put_text(out, place->rest);
    }
    return po_buf_check(out, err);
}

static enum po_status
is_inside_by_name(const struct place *target, const struct place *part, bool *is_inside,
                  struct po_err *err)
{
    struct po_buf inner = { 0 };
    struct po_buf outer = { 0 };
    enum po_status st = put_path(&inner, target, err);

    if (st == PO_OK)
        st = put_path(&outer, part, err);
    if (st == PO_OK)
        st = po_os_path_is_inside(is_inside, po_buf_text(&inner), po_buf_text(&outer), err);
    po_buf_deinit(&inner);
    po_buf_deinit(&outer);
    return st;
}

/* Also where one directory has two names: mounted twice, or written in another case. */
static enum po_status
is_inside_by_identity(const struct place *target, const struct place *part, bool *is_inside,
                      struct po_err *err)
{
    char *path = po_mem_strdup(target->real);
    char *dropped = po_mem_strdup("");
    enum po_status st = PO_OK;

    *is_inside = false;
    if (path == NULL || dropped == NULL) {
        st = po_fail_nomem(err, strlen(target->real));
        goto done;
    }
    while (st == PO_OK && *part->rest == '\0' && part->info.file_id != 0) {
        struct po_node_info info;
        bool exists = false;

        st = po_os_stat(path, &info, &exists, err);
        if (st != PO_OK)
            break;
        if (exists && info.device == part->info.device && info.file_id == part->info.file_id) {
            *is_inside = true;
            break;
        }
        if (po_os_path_is_root(path, strlen(path)) || strcmp(path, ".") == 0)
            break;
        st = move_component(path, &dropped, err);
    }
done:
    po_mem_free(dropped);
    po_mem_free(path);
    return st;
}

static enum po_status
compare_part(struct po_host *host, enum po_part part, const struct place *target,
             const char *os_path, bool *is_same_volume, struct po_err *err)
{
    const char *os_place = host->ops->place(host, part);
    struct place place = { 0 };
    bool is_inside = false;
    enum po_status st = place_init(&place, os_place, err);

    if (st == PO_OK)
        st = is_inside_by_name(target, &place, &is_inside, err);
    if (st == PO_OK && !is_inside)
        st = is_inside_by_identity(target, &place, &is_inside, err);
    if (st == PO_OK && is_inside)
        st = po_fail(err, PO_E_USAGE, "%s lies inside the site (%s: %s); backups go elsewhere",
                     os_path, po_part_name(part), os_place);
    if (st == PO_OK && place.info.device == target->info.device)
        *is_same_volume = true;
    place_deinit(&place);
    return st;
}

enum po_status
po_doctor_target(struct po_host *host, const char *os_path, bool *is_same_volume,
                 struct po_err *err)
{
    struct place target = { 0 };
    bool is_same = false;
    enum po_status st = place_init(&target, os_path, err);

    for (int part = 0; part < PO_PART_COUNT && st == PO_OK; part++)
        if (po_doctor_has_path(host, (enum po_part)part))
            st = compare_part(host, (enum po_part)part, &target, os_path, &is_same, err);
    if (st == PO_OK)
        *is_same_volume = is_same;
    place_deinit(&target);
    return st;
}

/* ---- can it be written to ---- */

/* Made, filled, synced and removed. */
static enum po_status
probe(struct po_dir *dir, struct po_err *err)
{
    static const uint8_t zeros[PROBE_SIZE];
    struct po_buf name = { 0 };
    struct po_file *file = NULL;
    struct po_err ignored;
    uint8_t random[8];
    bool is_made = false;
    enum po_status st = po_sys_random(random, sizeof random, err);

    po_buf_put_text(&name, PO_NAME_NEW "probe-");
    po_text_put_hex(&name, random, sizeof random);
    if (st == PO_OK)
        st = po_buf_check(&name, err);
    if (st != PO_OK)
        goto done;
    /* The name is ours alone, and a failing open can leave the file behind. */
    is_made = true;
    st = po_file_open(&file, dir, po_buf_text(&name), name.size, PO_FILE_CREATE, 0600, err);
    if (st != PO_OK)
        goto done;
    st = po_file_write(file, zeros, sizeof zeros, err);
    if (st == PO_OK)
        st = po_file_sync(file, err);
    if (st == PO_OK) {
        st = po_file_close(file, err);
        file = NULL;
    }
    if (st == PO_OK) {
        st = po_dir_remove(dir, po_buf_text(&name), name.size, err);
        is_made = st != PO_OK; /* then once more below: nothing of ours is to stay */
    }
done:
    po_file_free(file);
    if (is_made)
        (void)!po_dir_remove(dir, po_buf_text(&name), name.size, &ignored);
    po_buf_deinit(&name);
    return st;
}

/* A first guess, and a cautious one: mail compresses to less as a rule. */
static void
check_space(struct po_doctor *doctor, struct po_dir *dir)
{
    uint64_t needed = doctor->bytes / 10 * 6;
    uint64_t free_bytes = 0;
    uint64_t total = 0;
    struct po_buf text = { 0 };
    struct po_err why;

    if (po_dir_space(dir, &free_bytes, &total, &why) != PO_OK) {
        po_doctor_say(doctor, PO_CHECK_WARNING, "space", "%s", why.text);
        return;
    }
    po_text_put_size(&text, free_bytes);
    po_buf_put_text(&text, " free; a full backup may need ");
    po_text_put_size(&text, needed);
    po_doctor_say(doctor, free_bytes < needed ? PO_CHECK_WARNING : PO_CHECK_GOOD, "space",
                  "%s (a first, cautious guess: 0.6 of what there is to read)", po_buf_text(&text));
    po_buf_deinit(&text);
}

/* `dir_path` is there; `target` is it, lies in it, or is to be made below it. */
static void
check_writable(struct po_doctor *doctor, const char *target, const struct place *place,
               const char *dir_path)
{
    struct po_dir *dir = NULL;
    struct po_err why;
    enum po_status st = po_dir_open(&dir, dir_path, &why);

    if (st == PO_OK)
        st = probe(dir, &why);
    if (st != PO_OK)
        po_doctor_say(doctor, PO_CHECK_BAD, "target", "%s: %s", dir_path, why.text);
    else if (*place->rest != '\0')
        po_doctor_say(doctor, PO_CHECK_GOOD, "target", "%s can be made in %s", place->rest,
                      place->real);
    else if (place->info.type != PO_NODE_DIRECTORY)
        po_doctor_say(doctor, PO_CHECK_WARNING, "target",
                      "%s is there already, and no archive replaces another file", target);
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "target", "%s can be written to", target);
    if (st == PO_OK)
        check_space(doctor, dir);
    po_dir_free(dir);
}

enum po_status
po_doctor_check_target(struct po_doctor *doctor, const char *target, struct po_err *err)
{
    struct place place = { 0 };
    struct po_err why;
    char *dir_path = NULL;
    char *rest = NULL;
    bool is_same_volume = false;
    enum po_status st = po_doctor_target(doctor->host, target, &is_same_volume, &why);

    if (st == PO_OK)
        st = place_init(&place, target, &why);
    if (st == PO_OK && place.info.type != PO_NODE_DIRECTORY && *place.rest != '\0')
        st = po_fail(&why, PO_E_USAGE, "%s is not a directory", place.real);
    if (st == PO_OK) {
        dir_path = po_mem_strdup(place.real);
        rest = po_mem_strdup("");
        if (dir_path == NULL || rest == NULL)
            st = po_fail_nomem(&why, strlen(place.real));
    }
    if (st == PO_OK && place.info.type != PO_NODE_DIRECTORY)
        st = move_component(dir_path, &rest, &why); /* a file: the directory it lies in */
    if (st == PO_E_NOMEM) {
        *err = why;
        goto done;
    }
    if (st != PO_OK) {
        po_doctor_say(doctor, PO_CHECK_BAD, "target", "%s", why.text);
        st = PO_OK;
        goto done;
    }
    if (is_same_volume)
        po_doctor_say(doctor, PO_CHECK_WARNING, "volume",
                      "the target is on a volume of the site: a broken disk takes both");
    else
        po_doctor_say(doctor, PO_CHECK_GOOD, "volume", "the target is on a volume of its own");
    check_writable(doctor, target, &place, dir_path);
done:
    po_mem_free(rest);
    po_mem_free(dir_path);
    place_deinit(&place);
    return st;
}
