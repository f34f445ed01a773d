/*
 * stream_help.h - alternate streams on systems that have none: the stream NAME of the path a/b lies
 * in a file of the folder "ads" of the test's directory, called "a%b@NAME".
 */
#ifndef PO_TESTS_STREAM_HELP_H
#define PO_TESTS_STREAM_HELP_H

#include "port/stream.h"

extern const struct po_stream_ops help_streams;

/* What the functions below do, and how often they did it. */
struct help_streams_state {
    unsigned reads;        /* of extras */
    unsigned opens;        /* of streams */
    const char *unlisted;  /* the path whose streams cannot be listed */
    const char *unruled;   /* the path whose rights cannot be read */
    const char *unopened;  /* the name of the stream that cannot be opened */
    const char *vanishing; /* the path that is removed when it has been listed, below `root` */
    const char *root;
    bool are_none;      /* the file system has none */
    void (*hook)(void); /* before a stream is opened */
};
extern struct help_streams_state help_streams_state;

#endif
