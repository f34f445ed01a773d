/* Glob patterns on archive paths. */
#include "base/text.h"

#include <string.h>

/*
 * A place to go back to: when what follows a star does not match, the star takes a little more and
 * the rest is tried again.
 */
struct retry {
    const char *pattern; /* behind the star; NULL = no star yet */
    size_t at;           /* where in the path the rest was tried last */
    bool by_component;   /* a star that takes whole components only */
};

struct glob {
    const char *pattern;
    const char *pattern_end;
    const char *pattern_start;
    const char *path;
    size_t size;
    size_t at;
    struct retry star;      /* '*': up to the next '/' */
    struct retry wide_star; /* '**': anything */
};

/*
 * '[' with its ']': whether `c` is in the set. *end is behind the ']'; false and NULL when there is
 * no ']'.
 */
static bool
is_in_set(const char *set, const char *pattern_end, unsigned char c, const char **end)
{
    const char *p = set + 1;
    bool is_negated = p < pattern_end && *p == '!';
    bool is_found = false;
    bool is_first = true;

    *end = NULL;
    if (is_negated)
        p++;
    /* A ']' in the first place is one of the set. */
    for (; p < pattern_end && (*p != ']' || is_first); p++) {
        unsigned char low;
        unsigned char high;

        is_first = false;
        if (*p == '\\' && p + 1 < pattern_end)
            p++;
        low = high = (unsigned char)*p;
        if (p + 2 < pattern_end && p[1] == '-' && p[2] != ']') {
            p += 2;
            if (*p == '\\' && p + 1 < pattern_end)
                p++;
            high = (unsigned char)*p;
        }
        if (c >= low && c <= high)
            is_found = true;
    }
    if (p >= pattern_end)
        return false;
    *end = p + 1;
    return is_found != is_negated;
}

/*
 * Matches one pattern element that is no star against the front of the path's rest; both move on.
 */
static bool
match_one(struct glob *glob)
{
    const char *p = glob->pattern;
    char c;

    if (p == glob->pattern_end || glob->at == glob->size)
        return false;
    c = glob->path[glob->at];
    if (*p == '?') {
        size_t step = po_text_utf8_step(glob->path + glob->at, glob->size - glob->at);

        if (c == '/')
            return false;
        glob->pattern = p + 1;
        glob->at += step > 0 ? step : 1;
        return true;
    }
    if (*p == '[') {
        const char *end;
        bool is_match = is_in_set(p, glob->pattern_end, (unsigned char)c, &end);

        if (end != NULL) {
            glob->pattern = end;
            glob->at++;
            return is_match && c != '/';
        }
    } else if (*p == '\\' && p + 1 < glob->pattern_end) {
        p++;
    }
    glob->pattern = p + 1;
    glob->at++;
    return *p == c;
}

/*
 * Takes a star at the front of the pattern's rest, which begins by matching nothing; false when
 * there is none.
 */
static bool
begin_star(struct glob *glob)
{
    const char *p = glob->pattern;
    bool at_component = p == glob->pattern_start || p[-1] == '/';

    if (p == glob->pattern_end || *p != '*')
        return false;
    if (p + 1 == glob->pattern_end || p[1] != '*') {
        glob->pattern = p + 1;
        glob->star = (struct retry){ glob->pattern, glob->at, false };
        return true;
    }
    while (p < glob->pattern_end && *p == '*')
        p++;
    at_component = at_component && p < glob->pattern_end && *p == '/';
    glob->pattern = at_component ? p + 1 : p;
    glob->wide_star = (struct retry){ glob->pattern, glob->at, at_component };
    /*
     * A new '**' can take whatever an earlier star would give up, so only the last of each kind is
     * ever gone back to: the work is at most quadratic in the path, however many stars there are.
     */
    glob->star.pattern = NULL;
    return true;
}

/* Lets the last star that still can take more; false when there is none. */
static bool
retry_star(struct glob *glob)
{
    struct retry *star = &glob->star;
    struct retry *wide = &glob->wide_star;

    if (star->pattern != NULL && star->at < glob->size && glob->path[star->at] != '/') {
        star->at++;
        glob->pattern = star->pattern;
        glob->at = star->at;
        return true;
    }
    star->pattern = NULL;
    if (wide->pattern == NULL || wide->at >= glob->size)
        return false;
    if (wide->by_component) {
        const char *slash = memchr(glob->path + wide->at, '/', glob->size - wide->at);

        if (slash == NULL)
            return false;
        wide->at = (size_t)(slash - glob->path);
    }
    wide->at++;
    glob->pattern = wide->pattern;
    glob->at = wide->at;
    return true;
}

bool
po_text_glob(const char *pattern, const char *path, size_t path_size)
{
    struct glob glob = {
        .pattern = pattern, .pattern_start = pattern, .path = path, .size = path_size
    };

    glob.pattern_end = pattern + strlen(pattern);
    /* "dir/" is "dir". Behind a backslash it stays, for the backslash may be what escapes it. */
    if (glob.pattern_end - pattern > 1 && glob.pattern_end[-1] == '/' &&
        glob.pattern_end[-2] != '\\')
        glob.pattern_end--;
    for (;;) {
        /* What lies in a matching directory matches too. */
        if (glob.pattern == glob.pattern_end && (glob.at == glob.size || path[glob.at] == '/'))
            return true;
        if (begin_star(&glob) || match_one(&glob))
            continue;
        if (!retry_star(&glob))
            return false;
    }
}
