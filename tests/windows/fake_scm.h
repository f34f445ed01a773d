/*
 * fake_scm.h - a service control manager of our own below host_win32_services.c: it knows
 * dependencies and refusals as Windows does, any call of it can be made to fail, and its time
 * passes only when somebody waits.
 */
#ifndef PO_TESTS_FAKE_SCM_H
#define PO_TESTS_FAKE_SCM_H

#include "host/host_win32_scm.h"

#define FAKE_MAX 5
#define FAKE_NEVER 1e9 /* seconds */

/* How a service is, and how it behaves; { 0 } is one that is no trouble. */
struct fake_service {
    const wchar_t *key;
    const wchar_t *display_name;
    const wchar_t *image_path;
    const wchar_t *needs; /* the key of a service it depends on, or NULL */
    bool is_hidden;       /* not in the manager's list */
    DWORD open_code;      /* why it cannot be opened; 0 = it can */

    DWORD state; /* 0 = none: there is no such service */
    DWORD type;  /* 0 = SERVICE_WIN32_OWN_PROCESS */
    DWORD process_id;

    /* Stopping. */
    double stop_s; /* takes so long */
    double step_s; /* a checkpoint so often; 0 = none */
    DWORD wait_hint_ms;
    bool ignores_stop;  /* takes the request and does nothing */
    bool dies;          /* of the request */
    DWORD control_code; /* the answer to a request to stop, */
    int control_times;  /* so often; 0 = always */

    /* Starting. */
    double start_s;
    bool dies_at_start;
    bool keeps_process_id; /* the number of the old process is given to the new one */
    bool ends_at_start;    /* stopped again, with these: */
    DWORD exit_code;
    DWORD own_exit_code;
    DWORD start_code; /* the answer to a request to start, */
    int start_times;  /* so often; 0 = always */

    /* Its process. */
    double process_s;       /* lives so long after it has stopped */
    bool is_process_secret; /* may not be opened */

    /* Where it is on its way: used by the fake itself. */
    double began_at;
    double process_end_at;
    bool is_dead; /* its process has ended; the manager notices stop_s after began_at */
};

struct fake {
    struct fake_service services[FAKE_MAX];
    bool names_direct_only; /* EnumDependentServices names only those that depend directly */
    DWORD list_at_once;     /* entries of one call; 0 = all */
    bool starts_dead;       /* what is dead can be started again, whatever its state, as in Wine */
    double now;             /* seconds */
    unsigned calls;         /* of the manager and for processes; not of closing and the clock */
    unsigned fail_call;     /* this one fails, with: */
    DWORD fail_code;
    const char *failed; /* the function that it was in */
    unsigned requests;  /* to stop and to start, whatever the answer */
    int open_handles;
    char log[512]; /* what was done: "stop mta;start puf;" */
};

/* Puts it in place of Windows' own, or that back (NULL). */
void fake_use(struct fake *fake);
/* By key; NULL when there is none. */
struct fake_service *fake_find(struct fake *fake, const wchar_t *key);

#endif
