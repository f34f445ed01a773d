/*
 * Where bin, spool and mailbox are. No name of a value is public, so the directories that the
 * values name are looked at: what lies in them says what they are. A mailbox directory has no such
 * sign; it is what is left when all but one directory are something else, and when nothing
 * contradicts.
 */
#include "host/host_win32.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "base/text.h"
#include "port/file.h"
#include "port/file_win32.h"

#include <string.h>

/* Environment strings that are longer are no paths. */
#define PATH_LENGTH_MAX 32768u
/* How many a message names for each place. */
#define CANDIDATES_MAX 4

#define BIT(part) (1u << (part))

/* A directory that may be a place, by one or more values. */
struct candidate {
    char *path; /* as the value has it, with '/', without one at the end */
    char *real; /* without links; of what does not exist the same as `path` */
    char *from; /* which value, for people */
    bool exists;
    bool is_root;   /* of a drive */
    unsigned shape; /* BIT of what lies in it says */
    unsigned hints; /* BIT of what the value's name says, or that a service runs from there */
};

struct search {
    struct candidate *items;
    size_t count;
    size_t capacity;
    char **place;
    const struct po_win32_service *services;
    size_t service_count;
    struct po_buf message;
    struct po_err *err;
};

/* ---- paths ---- */

static bool
is_drive(const char *path)
{
    return ((path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z')) &&
           path[1] == ':' && (path[2] == '/' || path[2] == '\0');
}

/* In place: '/' throughout, no quotation marks around it, no '/' at the end; false: not absolute. */
static bool
tidy(char *path)
{
    size_t size = strlen(path);

    if (size >= 2 && path[0] == '"' && path[size - 1] == '"') {
        size -= 2;
        memmove(path, path + 1, size);
        path[size] = '\0';
    }
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)path[i] < ' ' || path[i] == '*' || path[i] == '"')
            return false;
        if (path[i] == '\\')
            path[i] = '/';
    }
    while (size > 1 && path[size - 1] == '/' && !po_os_path_is_root(path, size))
        path[--size] = '\0';
    /* A share, but no device ("\\.\pipe"). */
    if (size > 3 && path[0] == '/' && path[1] == '/')
        return path[2] != '.' && path[2] != '?' && path[2] != '/';
    return size >= 3 && is_drive(path);
}

static bool
is_within(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    char *start;
    bool is_so;

    if (strlen(path) < size || (path[size] != '/' && path[size] != '\0'))
        return false;
    start = po_mem_copy(path, size);
    is_so = start != NULL && po_text_is_equal_nocase(start, directory);
    po_mem_free(start);
    return is_so;
}

static bool
has(const char *directory, const char *name, enum po_node_type type)
{
    char *path = po_os_path_join(directory, name);
    struct po_node_info info = { 0 };
    struct po_err ignored;
    bool exists = false;
    bool is_so = path != NULL && po_os_stat(path, &info, &exists, &ignored) == PO_OK && exists &&
                 info.type == type;

    po_mem_free(path);
    return is_so;
}

/* ---- what a directory is ---- */

/* The guide's programs, or the one that a service runs. */
static bool
is_bin(const struct search *search, const char *real)
{
    if (has(real, "Post.Office.exe", PO_NODE_FILE) || has(real, "LDAP_Server.exe", PO_NODE_FILE) ||
        has(real, "pufService.exe", PO_NODE_FILE))
        return true;
    for (size_t i = 0; i < search->service_count; i++) {
        const char *program = search->services[i].program;
        size_t dir_size = 0;
        size_t name = 0;

        if (program == NULL)
            continue;
        po_path_split(program, strlen(program), &dir_size, &name);
        if (name < strlen(program) && has(real, program + name, PO_NODE_FILE))
            return true;
    }
    return false;
}

/* The guide's folders of the queue, or one of them and that of the installer. */
static bool
is_spool(const char *real)
{
    int found = has(real, "control", PO_NODE_DIRECTORY) + has(real, "messages", PO_NODE_DIRECTORY);

    return found == 2 || (found == 1 && has(real, "PostOfficeBackup", PO_NODE_DIRECTORY));
}

static unsigned
hints_of(const char *name)
{
    static const struct {
        const char *word;
        enum po_part part;
    } words[] = { { "bin", PO_PART_BIN }, { "spool", PO_PART_SPOOL }, { "mail", PO_PART_MAILBOX } };
    unsigned hints = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i].word);

        for (const char *at = name; strlen(at) >= size; at++) {
            char part[8] = { 0 };

            memcpy(part, at, size);
            if (po_text_is_equal_nocase(part, words[i].word))
                hints |= BIT(words[i].part);
        }
    }
    return hints;
}

/* ---- candidates ---- */

static void
candidate_deinit(struct candidate *candidate)
{
    po_mem_free(candidate->path);
    po_mem_free(candidate->real);
    po_mem_free(candidate->from);
}

/* What the path is; *is_wanted = false when it is a file. */
static enum po_status
examine(const struct search *search, struct candidate *candidate, bool *is_wanted)
{
    struct po_node_info info = { 0 };
    struct po_err ignored;

    *is_wanted = true;
    if (po_os_stat(candidate->path, &info, &candidate->exists, &ignored) != PO_OK)
        candidate->exists = false;
    if (candidate->exists && info.type != PO_NODE_DIRECTORY) {
        *is_wanted = false;
        return PO_OK;
    }
    candidate->is_root = po_os_path_is_root(candidate->path, strlen(candidate->path));
    if (!candidate->exists || po_os_path_real(&candidate->real, candidate->path, &ignored) != PO_OK)
        candidate->real = po_mem_strdup(candidate->path);
    if (candidate->real == NULL)
        return po_fail_nomem(search->err, strlen(candidate->path));
    if (candidate->exists && is_bin(search, candidate->real))
        candidate->shape |= BIT(PO_PART_BIN);
    if (candidate->exists && is_spool(candidate->real))
        candidate->shape |= BIT(PO_PART_SPOOL);
    return PO_OK;
}

/* Takes what *candidate holds over; one that is there already gets its hints. */
static enum po_status
take_candidate(struct search *search, struct candidate *candidate)
{
    for (size_t i = 0; i < search->count; i++) {
        if (!po_text_is_equal_nocase(search->items[i].real, candidate->real))
            continue;
        search->items[i].hints |= candidate->hints;
        candidate_deinit(candidate);
        return PO_OK;
    }
    if (search->count == search->capacity) {
        size_t more = search->capacity == 0 ? 16 : search->capacity * 2;
        struct candidate *items = po_mem_resize(search->items, more, sizeof(*items));

        if (items == NULL) {
            candidate_deinit(candidate);
            return po_fail_nomem(search->err, more * sizeof(*items));
        }
        search->items = items;
        search->capacity = more;
    }
    search->items[search->count++] = *candidate;
    return PO_OK;
}

/* A path, which may be none, from a value or a service. */
static enum po_status
add_path(struct search *search, const char *path, const char *from, unsigned hints)
{
    struct candidate candidate = { .path = po_mem_strdup(path),
                                   .from = po_mem_strdup(from),
                                   .hints = hints };
    bool is_wanted = false;
    enum po_status st = PO_OK;

    if (candidate.path == NULL || candidate.from == NULL)
        st = po_fail_nomem(search->err, strlen(path));
    else if (tidy(candidate.path))
        st = examine(search, &candidate, &is_wanted);
    if (st == PO_OK && is_wanted)
        return take_candidate(search, &candidate);
    candidate_deinit(&candidate);
    return st;
}

/* A string's text to its first NUL as UTF-16 with a NUL behind; NULL when memory runs out. */
static wchar_t *
text_of(const struct po_reg_value *value)
{
    size_t length = value->data_size / sizeof(wchar_t);
    wchar_t *text = po_mem_new(length + 1, sizeof(*text));

    if (text != NULL && length > 0)
        memcpy(text, value->data, length * sizeof(*text));
    return text;
}

/* With the variables of the environment put in; unchanged when that cannot be done. */
static enum po_status
expand(wchar_t **text, struct po_err *err)
{
    DWORD length = ExpandEnvironmentStringsW(*text, NULL, 0);
    wchar_t *expanded;

    if (length == 0 || length > PATH_LENGTH_MAX)
        return PO_OK;
    expanded = po_mem_new(length, sizeof(*expanded));
    if (expanded == NULL)
        return po_fail_nomem(err, length * sizeof(*expanded));
    if (ExpandEnvironmentStringsW(*text, expanded, length) == length) {
        po_mem_free(*text);
        *text = expanded;
    } else {
        po_mem_free(expanded);
    }
    return PO_OK;
}

static enum po_status
add_value(struct search *search, const struct po_reg_value *value)
{
    struct po_buf path = { 0 };
    struct po_buf from = { 0 };
    wchar_t *text;
    enum po_status st = PO_OK;

    if (value->is_delete || value->data_size > PATH_LENGTH_MAX * sizeof(wchar_t) ||
        (value->type != PO_REG_SZ && value->type != PO_REG_EXPAND_SZ &&
         value->type != PO_REG_MULTI_SZ))
        return PO_OK;
    text = text_of(value);
    if (text == NULL)
        return po_fail_nomem(search->err, value->data_size);
    if (value->type == PO_REG_EXPAND_SZ)
        st = expand(&text, search->err);
    po_wide_put(&path, text, wcslen(text));
    po_mem_free(text);
    po_buf_put_text(&from, "value \"");
    po_text_put_name(&from, value->name, value->name_size);
    po_buf_put_text(&from, "\"");
    if (st == PO_OK)
        st = path.failed ? po_buf_check(&path, search->err) : po_buf_check(&from, search->err);
    if (st == PO_OK)
        st = add_path(search, po_buf_text(&path), po_buf_text(&from), hints_of(value->name));
    po_buf_deinit(&path);
    po_buf_deinit(&from);
    return st;
}

/* The directory of a service's program. */
static enum po_status
add_service(struct search *search, const struct po_win32_service *service)
{
    struct po_buf from = { 0 };
    size_t dir_size = 0;
    size_t name = 0;
    char *directory;
    enum po_status st;

    if (service->program == NULL)
        return PO_OK;
    po_path_split(service->program, strlen(service->program), &dir_size, &name);
    directory = po_mem_copy(service->program, dir_size);
    po_buf_printf(&from, "program of the service %s", service->display_name);
    st = po_buf_check(&from, search->err);
    if (st == PO_OK && directory == NULL)
        st = po_fail_nomem(search->err, dir_size);
    if (st == PO_OK)
        st = add_path(search, directory, po_buf_text(&from), BIT(PO_PART_BIN));
    po_mem_free(directory);
    po_buf_deinit(&from);
    return st;
}

/* ---- choosing ---- */

/* Whether a directory is a part of another candidate of the same kind. */
static bool
is_inner(const struct search *search, const struct candidate *candidate, enum po_part part)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *other = &search->items[i];

        if (other != candidate && (other->shape & BIT(part)) != 0 &&
            is_within(candidate->real, other->real))
            return true;
    }
    return false;
}

/* Whether it is bin or spool, or lies in one of them, or around one. */
static bool
is_taken(const struct search *search, const struct candidate *candidate)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *other = &search->items[i];

        if (other->shape != 0 &&
            (is_within(candidate->real, other->real) || is_within(other->real, candidate->real)))
            return true;
    }
    for (int part = PO_PART_BIN; part <= PO_PART_SPOOL; part++) {
        const char *place = search->place[part];

        if (place != NULL &&
            (is_within(candidate->path, place) || is_within(place, candidate->path) ||
             is_within(candidate->real, place) || is_within(place, candidate->real)))
            return true;
    }
    return false;
}

/*
 * Whether a directory may be this place. One that does not exist may be the mailbox: its disk may
 * be missing, and what is left would be taken for it.
 */
static bool
may_be(const struct search *search, const struct candidate *candidate, enum po_part part)
{
    if (part != PO_PART_MAILBOX)
        return (candidate->shape & BIT(part)) != 0 && !is_inner(search, candidate, part);
    return !candidate->is_root && !is_taken(search, candidate);
}

/* The only one; or the only one whose name hints at it; or NULL, and how many there are. */
static const struct candidate *
choose(const struct search *search, enum po_part part, size_t *count)
{
    const struct candidate *first = NULL;
    const struct candidate *hinted = NULL;
    size_t hinted_count = 0;

    *count = 0;
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *candidate = &search->items[i];

        if (!may_be(search, candidate, part))
            continue;
        if (*count == 0)
            first = candidate;
        ++*count;
        if ((candidate->hints & BIT(part)) != 0) {
            hinted = candidate;
            hinted_count++;
        }
    }
    if (hinted_count != 1)
        hinted = NULL;
    if (*count == 1)
        hinted = first;
    return hinted != NULL && hinted->exists ? hinted : NULL;
}

/* What may be the place, or when nothing may, what there is; not so many that other parts are cut. */
static void
put_candidates(struct search *search, enum po_part part, size_t count)
{
    struct po_buf *out = &search->message;
    size_t told = 0;
    size_t more = 0;

    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *candidate = &search->items[i];

        if (count > 0 && !may_be(search, candidate, part))
            continue;
        if (told == CANDIDATES_MAX) {
            more++;
            continue;
        }
        po_buf_printf(out, "%s%s (%s%s)", told > 0 ? ", " : "", candidate->path, candidate->from,
                      candidate->exists ? "" : ", does not exist");
        told++;
    }
    if (told == 0)
        po_buf_put_text(out, "none");
    if (more > 0)
        po_buf_printf(out, " and %zu more", more);
}

static enum po_status
find(struct search *search, enum po_part part)
{
    static const char *const absent[PO_PART_COUNT] = {
        [PO_PART_BIN] = "no directory that the registry names has the guide's programs in it",
        [PO_PART_SPOOL] = "no directory that the registry names has the folders control and "
                          "messages in it",
        [PO_PART_MAILBOX] = "the registry names no directory beside bin and spool",
    };
    size_t count = 0;
    const struct candidate *chosen;

    if (search->place[part] != NULL)
        return PO_OK;
    chosen = choose(search, part, &count);
    if (chosen != NULL) {
        search->place[part] = po_mem_strdup(chosen->path);
        return search->place[part] != NULL ? PO_OK
                                           : po_fail_nomem(search->err, strlen(chosen->path));
    }
    if (search->message.size > 0)
        po_buf_put_text(&search->message, "; ");
    po_buf_printf(&search->message, "%s: %s; give it with --%s; %s: ", po_part_name(part),
                  count == 0 ? absent[part] : "it is not clear which directory it is",
                  po_part_name(part), count == 0 ? "directories" : "candidates");
    put_candidates(search, part, count);
    return po_buf_check(&search->message, search->err);
}

static enum po_status
gather(struct search *search, const struct po_reg *reg)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; st == PO_OK && i < search->service_count; i++)
        st = add_service(search, &search->services[i]);
    for (size_t i = 0; st == PO_OK && i < reg->key_count; i++)
        for (size_t j = 0; st == PO_OK && j < reg->keys[i].value_count; j++)
            st = add_value(search, &reg->keys[i].values[j]);
    return st;
}

enum po_status
po_win32_places_find(char *place[PO_PART_COUNT], const struct po_reg *reg,
                     const struct po_win32_service *services, size_t service_count,
                     struct po_err *err)
{
    struct search search = {
        .place = place, .services = services, .service_count = service_count, .err = err
    };
    enum po_status st = PO_OK;

    if (place[PO_PART_BIN] == NULL || place[PO_PART_SPOOL] == NULL ||
        place[PO_PART_MAILBOX] == NULL)
        st = gather(&search, reg);
    /* In this order: the mailbox is none of the others. */
    for (int part = PO_PART_BIN; st == PO_OK && part < PO_PART_COUNT; part++)
        st = find(&search, (enum po_part)part);
    if (st == PO_OK && search.message.size > 0)
        st = po_fail(err, PO_E_USAGE, "%s", po_buf_text(&search.message));
    for (size_t i = 0; i < search.count; i++)
        candidate_deinit(&search.items[i]);
    po_mem_free(search.items);
    po_buf_deinit(&search.message);
    return st;
}
