/* sys.h - clock, random bytes, the machine, other programs. */
#ifndef PO_PORT_SYS_H
#define PO_PORT_SYS_H

#include "base/buf.h"

/* 100 ns steps since 1970, UTC. */
int64_t po_sys_now(void);
/* Seconds from an arbitrary point, never going back. */
double po_sys_monotonic(void);
void po_sys_sleep_ms(unsigned ms);
/* Processors this process may use, at least 1. */
unsigned po_sys_cpu_count(void);
PO_NODISCARD enum po_status po_sys_random(void *bytes, size_t size, struct po_err *err);
/* Host name and "Linux 6.1 x86_64"; "unknown" when the system does not say. Appended. */
void po_sys_put_host(struct po_buf *out);
void po_sys_put_system(struct po_buf *out);
/* This machine's addresses in the network, IPv4 in digits and dots, a NUL behind each; not those
 * that other machines have too (loopback, link-local). Appended; nothing when it is not told. */
void po_sys_put_addresses(struct po_buf *out);
/* Local time for people with the offset: "2026-11-24 03:00:00 +0100". */
void po_sys_put_local_time(struct po_buf *out, int64_t time);
/* The date then, in local time: month and day from 1. Where it is not told, that of UTC. */
void po_sys_local_date(int64_t time, int *year, int *month, int *day);
/* Process id and peak resident set in bytes (0 = not known). */
uint32_t po_sys_process_id(void);
/*
 * Appends when a process of this machine began, in a measure of the system's own: with the id it tells
 * a process from a later one that got its number. Nothing is appended when there is no such process;
 * false: it is not told.
 */
bool po_sys_put_process_start(struct po_buf *out, uint32_t process_id);
uint64_t po_sys_peak_memory(void);
/*
 * From now on SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGXCPU (console events on Windows) set the flag
 * that is returned to the signal's number, however often they come: services must come back first.
 * It is 0 before, and lives as long as the process: signals come after main has returned, too.
 * SIGPIPE and SIGXFSZ are ignored.
 */
const volatile int *po_sys_catch_interrupts(void);
/* File names are as Windows has them: some are other things, and case does not count. */
bool po_sys_has_windows_names(void);
bool po_sys_is_terminal(int standard_number);
/*
 * Writes UTF-8 text to the terminal that a standard stream is, past the C library's buffer; false
 * when it could not.
 */
bool po_sys_write_terminal(int standard_number, const void *bytes, size_t size);
/*
 * Asks (on the terminal that standard error is) and reads a line from standard input, a terminal,
 * without showing it: at most size - 1 bytes, a NUL behind, without its end; UTF-8 on Windows. PO_E_CANCELLED at the end of input, or when it is
 * interrupted (Ctrl-C); PO_E_USAGE when it is too long. The terminal is afterwards as before.
 */
PO_NODISCARD enum po_status po_sys_read_hidden(const char *question, char *line, size_t size,
                                               struct po_err *err);
/*
 * The program's arguments as UTF-8, which main is not given everywhere: *count and *arguments are
 * main's, and changed where that is so. They live as long as the process. Standard output is binary
 * from then on.
 */
PO_NODISCARD enum po_status po_sys_arguments(int *count, char ***arguments, struct po_err *err);
/* Appends the value of an environment variable as UTF-8; false when it is not set. */
bool po_sys_put_environment(struct po_buf *out, const char *name);
/* Appends the directory in which programs keep what they know of the whole machine. */
PO_NODISCARD enum po_status po_sys_put_data_dir(struct po_buf *out, struct po_err *err);
/*
 * Appends the directory in which programs keep what they know of the user, where the system says it;
 * false where variables do.
 */
bool po_sys_put_user_dir(struct po_buf *out);
bool po_sys_is_admin(void);
/* Appends the absolute path of the running program. */
PO_NODISCARD enum po_status po_sys_put_program(struct po_buf *out, struct po_err *err);

struct po_command {
    const char *line;             /* for the system's shell */
    const char *directory;        /* the working directory; NULL = unchanged */
    const char *const *variables; /* "NAME=value", for its environment; NULL ends them, or is all */
    const void *input;            /* its standard input; NULL = empty */
    size_t input_size;
    unsigned timeout_ms;
};
struct po_command_result {
    int exit_code;      /* -1 when ended by a signal or timeout */
    bool timed_out;     /* it was ended (the whole process group) */
    size_t input_taken; /* so much of the input was read, at least */
};
/*
 * Runs a command line through the system's shell, in a session of its own; of standard output and
 * error the last 64 KiB are appended to `output`. Waits up to timeout_ms. The input is there as a
 * whole from the start, however slowly or little of it is read: nobody waits for anybody. A
 * background process that keeps the output open does not hold this call, which returns when the
 * command itself has ended, nor does it suffer from that. PO_E_IO only when it could not be started.
 */
PO_NODISCARD enum po_status po_sys_run_command(const struct po_command *command,
                                               struct po_command_result *result,
                                               struct po_buf *output, struct po_err *err);
/* The same with an empty input and this process's environment. */
PO_NODISCARD enum po_status po_sys_run(const char *command, const char *directory,
                                       unsigned timeout_ms, struct po_command_result *result,
                                       struct po_buf *output, struct po_err *err);

#endif
