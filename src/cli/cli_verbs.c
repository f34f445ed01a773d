/* The tables: every verb and every option. Help, errors and the configuration file read them. */
#include "cli/cli.h"

#include <string.h>

#define END                                                                                        \
    {                                                                                              \
        PO_CLI_ID_COUNT, NULL, 0, PO_CLI_FLAG, NULL, 0, 0, NULL                                    \
    }
#define FLAG(id, name, letter, help)                                                               \
    {                                                                                              \
        id, name, letter, PO_CLI_FLAG, NULL, 0, 0, help                                            \
    }
#define TEXT(id, name, letter, argument, help)                                                     \
    {                                                                                              \
        id, name, letter, PO_CLI_TEXT, argument, 0, 0, help                                        \
    }
#define LIST(id, name, argument, help)                                                             \
    {                                                                                              \
        id, name, 0, PO_CLI_LIST, argument, 0, 0, help                                             \
    }
#define CHOICE(id, name, argument, help)                                                           \
    {                                                                                              \
        id, name, 0, PO_CLI_CHOICE, argument, 0, 0, help                                           \
    }
#define NUMBER(id, name, argument, min, max, help)                                                 \
    {                                                                                              \
        id, name, 0, PO_CLI_NUMBER, argument, min, max, help                                       \
    }

#define SITE                                                                                       \
    TEXT(PO_CLI_SITE, "site", 0, "folder:DIR|windows",                                             \
         "the site: a directory in the guide's layout, whose pobackup-site.ini may place each "    \
         "part elsewhere and name the services; or windows, this machine (the default there)"),    \
        TEXT(PO_CLI_REGISTRY_KEY, "registry-key", 0, "KEY",                                        \
             "windows: the key below HKEY_LOCAL_MACHINE, without Wow6432Node (default: "           \
             "SOFTWARE\\Software.com\\Post.Office)"),                                              \
        TEXT(PO_CLI_BIN, "bin", 0, "DIR", "windows: bin, if it is not to be found"),               \
        TEXT(PO_CLI_SPOOL, "spool", 0, "DIR", "windows: spool, if it is not to be found"),         \
        TEXT(PO_CLI_MAILBOX, "mailbox", 0, "DIR", "windows: mailbox, if it is not to be found"),   \
        LIST(PO_CLI_SERVICE, "service", "NAME",                                                    \
             "windows: the services, by key or displayed name, in the order in which they are "    \
             "started (default: post.office MTA, post.office pufService)")
#define STOP_TIMEOUT                                                                               \
    NUMBER(PO_CLI_STOP_TIMEOUT, "stop-timeout", "SECONDS", 1, 86400,                               \
           "how long to wait for each service to stop (default: the service's own)")
#define NO_SERVICES                                                                                \
    FLAG(PO_CLI_NO_SERVICES, "no-services", 0, "leave the services alone, whatever their state")
#define KEEP(id, name, what)                                                                       \
    NUMBER(id, name, "N", 1, 100000, "vault: keep the last backup of each of the last N " what)
#define KEEP_RULES                                                                                 \
    NUMBER(PO_CLI_KEEP_LAST, "keep-last", "N", 1, 100000, "vault: keep the last N backups"),       \
        KEEP(PO_CLI_KEEP_DAILY, "keep-daily", "days that have one"),                               \
        KEEP(PO_CLI_KEEP_WEEKLY, "keep-weekly", "weeks"),                                          \
        KEEP(PO_CLI_KEEP_MONTHLY, "keep-monthly", "months"),                                       \
        KEEP(PO_CLI_KEEP_YEARLY, "keep-yearly", "years")
#define MAIL                                                                                       \
    LIST(PO_CLI_MAIL_TO, "mail-to", "ADDRESS",                                                     \
         "send mail about the run; may be given several times"),                                   \
        CHOICE(PO_CLI_MAIL_ON, "mail-on", "failure|always",                                        \
               "of runs whose exit code is not 0 (the default), or of all"),                       \
        TEXT(PO_CLI_MAIL_FROM, "mail-from", 0, "ADDRESS",                                          \
             "the sender (default: pobackup at this machine)"),                                    \
        TEXT(PO_CLI_MAIL_SERVER, "mail-server", 0, "HOST[:PORT]",                                  \
             "the SMTP server (default: localhost; 25, with starttls 587, with tls 465)"),         \
        CHOICE(PO_CLI_MAIL_TLS, "mail-tls", "none|starttls|tls",                                   \
               "how it is encrypted (default: starttls with --mail-login, else none)"),            \
        TEXT(PO_CLI_MAIL_LOGIN, "mail-login", 0, "FILE",                                           \
             "log in: a line with the user, one with the password; nobody else may read it"),      \
        TEXT(PO_CLI_MAIL_CA, "mail-ca", 0, "FILE",                                                 \
             "certificates (PEM) that are trusted instead of the system's"),                       \
        NUMBER(PO_CLI_MAIL_TIMEOUT, "mail-timeout", "SECONDS", 1, 3600,                            \
               "give up a mail after this time (default 60)")
#define RECOVERY(help) NUMBER(PO_CLI_RECOVERY, "recovery", "PERCENT", 1, 100, help)
#define SIGN                                                                                       \
    TEXT(PO_CLI_SIGN, "sign", 0, "KEYFILE",                                                        \
         "sign the archive by this key (pobackup keygen): ARCHIVE.minisig beside it"),             \
        TEXT(PO_CLI_SIGN_PASSPHRASE_FILE, "sign-passphrase-file", 0, "FILE",                       \
             "the key's passphrase, a line; nobody else may read it (default: asked for)")
#define TRUSTED_KEY                                                                                \
    LIST(PO_CLI_TRUSTED_KEY, "trusted-key", "KEY",                                                 \
         "take only archives that are signed by this key, a public one or its file; may be given " \
         "several times")
#define THREADS NUMBER(PO_CLI_THREADS, "threads", "N", 1, 256, "threads (default: one a processor)")

/* How the end of a run is told (cli_tell.h): of each verb that may run with nobody looking on. */
#define TELL                                                                                       \
    TEXT(PO_CLI_LOG, "log", 0, "FILE", "add what is told to this file, with the time"),            \
        { PO_CLI_LOG_SIZE_MAX,                                                                     \
          "log-size",                                                                              \
          0,                                                                                       \
          PO_CLI_SIZE,                                                                             \
          "BYTES",                                                                                 \
          1 << 10,                                                                                 \
          INT64_C(1) << 40,                                                                        \
          "begin a new log when it would be larger, and keep the old one as FILE.1 (default "      \
          "4M)" },                                                                                 \
        NUMBER(PO_CLI_LOG_KEPT, "log-count", "N", 0, 100, "old logs that are kept (default 5)"),   \
        TEXT(PO_CLI_ON_SUCCESS, "on-success", 0, "COMMAND",                                        \
             "run it after a run whose exit code is 0; the JSON document is its standard input"),  \
        TEXT(PO_CLI_ON_FAILURE, "on-failure", 0, "COMMAND", "run it after any other"),             \
        NUMBER(PO_CLI_ON_TIMEOUT, "on-timeout", "SECONDS", 1, 86400,                               \
               "end such a command after this time (default 300)"),                                \
        TEXT(PO_CLI_METRICS, "metrics", 0, "FILE",                                                 \
             "write what the run came to for Prometheus, as node_exporter's textfile collector "   \
             "reads it"),                                                                          \
        MAIL

const struct po_cli_option po_cli_common[] = {
    TEXT(PO_CLI_CONFIG, "config", 0, "FILE",
         "read options from an INI file whose keys are the long options; the command line wins"),
    FLAG(PO_CLI_JSON, "json", 0, "one JSON document on standard output"),
    CHOICE(PO_CLI_PROGRESS, "progress", "json|auto",
           "json: one JSON line an event on standard error; auto: a line on a terminal, else "
           "nothing"),
    FLAG(PO_CLI_QUIET, "quiet", 'q', "only warnings, problems and errors on standard error"),
    FLAG(PO_CLI_NO_COLOR, "no-color", 0, "no colours (as NO_COLOR in the environment)"),
    FLAG(PO_CLI_HELP, "help", 'h', "this text"),
    END,
};

static const struct po_cli_option backup_options[] = {
    SITE,
    TEXT(
        PO_CLI_OUTPUT, "output", 'o', "DEST",
        "where to: a file that does not exist; a directory (there, or made when DEST ends in '/'), "
        "in which the name is made from host and time; '-' for standard output"),
    FLAG(PO_CLI_COLD, "cold", 0,
         "read everything with the services stopped, as the guide does; without it mailbox and bin "
         "are "
         "read before, and then only what changed meanwhile"),
    FLAG(PO_CLI_FULL, "full", 0,
         "a full archive; without it, in a directory that has one of this site, a differential is "
         "made, which has only what is new or changed"),
    CHOICE(PO_CLI_BASE, "base", "full|last",
           "what a differential builds on: the last full (default; a restore needs two archives), "
           "or the last archive"),
    FLAG(PO_CLI_DRILL, "drill", 0, "after a full: restore it for practice, and compare"),
    NUMBER(PO_CLI_FULL_EVERY, "full-every", "DAYS", 0, 3650,
           "a full when the last is that old (default 7; 0: never for its age)"),
    NUMBER(PO_CLI_FULL_SHARE, "full-share", "PERCENT", 0, 1000,
           "a full when what builds on the last takes that much of it (default 50; 0: whatever)"),
    NUMBER(PO_CLI_LEVEL, "level", "N", -7, 19, "zstd's level, -7 to 19 (default 3)"),
    NUMBER(PO_CLI_THREADS, "threads", "N", 1, 256,
           "compressing threads (default: one a processor, at most 4)"),
    { PO_CLI_FRAME_SIZE, "frame-size", 0, PO_CLI_SIZE, "BYTES", 64 << 10, 32 << 20,
      "content of one frame, 64K to 32M (default 8M)" },
    CHOICE(PO_CLI_ORDER, "order", "delivery|path",
           "order of the mailbox: by delivery (default, smaller) or by path"),
    LIST(PO_CLI_EXCLUDE, "exclude", "GLOB",
         "leave out what matches, a glob on archive paths, of a directory all that lies in it; may "
         "be given several times"),
    STOP_TIMEOUT,
    NO_SERVICES,
    FLAG(PO_CLI_NO_FRAME_CHECK, "no-frame-check", 0,
         "do not decode each frame again before it is written"),
    FLAG(PO_CLI_ALLOW_SAME_VOLUME, "allow-same-volume", 0,
         "no warning when DEST is on a volume that holds a part of the site"),
    RECOVERY("also write recovery data beside the archive, this much of its size"),
    FLAG(PO_CLI_ALLOW_SHRINK, "allow-shrink", 0,
         "it is meant that the site has lost most of its files: a good backup all the same"),
    SIGN,
    KEEP_RULES,
    FLAG(PO_CLI_DRY_RUN, "dry-run", 0, "tell what would be saved; stop and write nothing"),
    TELL,
    END,
};

static const struct po_cli_option verify_options[] = {
    FLAG(PO_CLI_QUICK, "quick", 0, "every frame's hash, the index, the trailer"),
    FLAG(PO_CLI_DEEP, "deep", 0,
         "also decompress everything, check every file's hash and the tar against the index "
         "(default)"),
    FLAG(PO_CLI_RECOVERY, "recovery", 0,
         "also check the recovery data, and whether they can mend what is damaged"),
    TRUSTED_KEY,
    { PO_CLI_BUDGET, "budget", 0, PO_CLI_PERIOD, "DAYS", 1, 366,
      "of a vault: a share a run, quick, so that in so many days (30d, 4w) all of it is read, "
      "recovery data too; missed runs are made up" },
    THREADS,
    TELL,
    END,
};

static const struct po_cli_option list_options[] = {
    FLAG(PO_CLI_LONG, "long", 'l', "with type, size, time, hash, source archive and link target"),
    FLAG(PO_CLI_NULL, "null", '0', "end each path with a NUL instead of a newline"),
    END,
};

static const struct po_cli_option no_options[] = { END };

static const struct po_cli_option extract_options[] = {
    TEXT(PO_CLI_DIRECTORY, "directory", 'C', "DIR", "where to; made if missing"),
    FLAG(PO_CLI_OVERWRITE, "overwrite", 0, "replace files that are there"),
    TRUSTED_KEY,
    THREADS,
    END,
};

static const struct po_cli_option salvage_options[] = {
    TEXT(PO_CLI_DIRECTORY, "directory", 'C', "DIR", "where to; made if missing"),
    FLAG(PO_CLI_OVERWRITE, "overwrite", 0, "replace files that are there"),
    THREADS,
    TELL,
    END,
};

static const struct po_cli_option diff_options[] = { SITE, END };

static const struct po_cli_option restore_options[] = {
    SITE,
    TEXT(PO_CLI_ONLY, "only", 0, "PART[,PART...]",
         "which parts: registry, spool, mailbox, bin (default: registry,spool,mailbox); rights "
         "alone: sets those of what is there"),
    LIST(PO_CLI_PATH, "path", "PATTERN",
         "only what matches, a glob on archive paths; may be given several times"),
    FLAG(PO_CLI_EXACT, "exact", 0, "take away what the archive does not have"),
    CHOICE(PO_CLI_REGISTRY, "registry", "merge|exact",
           "values that the archive does not have stay (the default, as regedit does it), or go"),
    LIST(
        PO_CLI_MAP, "map", "OLD=NEW",
        "registry data that name OLD (a path of the old machine) name NEW; what concerns the trees "
        "is found by itself; may be given several times"),
    CHOICE(PO_CLI_QUEUE, "queue", "restore|hold",
           "messages that waited in the queue: back into it (the default), or into a folder below "
           "PostOfficeBackup in the spool, so that they are not sent again"),
    FLAG(PO_CLI_LIVE, "live", 0,
         "with --only mailbox: the services run on; files are added, and none is replaced"),
    FLAG(PO_CLI_NO_SAFETY_COPY, "no-safety-copy", 0, "do not keep the files that are replaced"),
    CHOICE(PO_CLI_RIGHTS, "rights", "recorded|default|poperms|keep",
           "access rights: as recorded in the archive, accounts found by name (the default, where "
           "it has some); Administrators, SYSTEM and the services' account alone; by the product's "
           "poperms.exe; what new files get"),
    CHOICE(PO_CLI_REBOOT, "reboot", "schedule|now|never",
           "windows: reboot after it, with a warning time (default), at once, or not"),
    NUMBER(PO_CLI_REBOOT_DELAY, "reboot-delay", "SECONDS", 1, 86400,
           "windows: the warning time (default 60)"),
    TRUSTED_KEY,
    STOP_TIMEOUT,
    NO_SERVICES,
    THREADS,
    FLAG(PO_CLI_DRY_RUN, "dry-run", 0, "check and show the plan; change nothing"),
    FLAG(PO_CLI_YES, "yes", 'y', "do not ask"),
    TELL,
    END,
};

static const struct po_cli_option after_reboot_options[] = {
    SITE,
    NUMBER(PO_CLI_WAIT, "wait", "SECONDS", 0, 3600,
           "how long the services may take to start by themselves (default: windows 120, a folder "
           "site 0)"),
    END,
};

static const struct po_cli_option recover_options[] = {
    SITE,
    FLAG(PO_CLI_YES, "yes", 'y', "do not ask"),
    END,
};

static const struct po_cli_option status_options[] = {
    SITE,
    FLAG(PO_CLI_FORGET, "forget", 0,
         "remove what is kept of the last restore: it cannot be taken back any more"),
    NUMBER(PO_CLI_MAX_AGE, "max-age", "HOURS", 1, 87600,
           "exit code 1 when the last good backup is older, or none is known"),
    END,
};

static const struct po_cli_option prune_options[] = {
    KEEP_RULES,
    LIST(PO_CLI_FORGET, "forget", "NAME",
         "remove this one, a file name, whatever the rules say; may be given several times"),
    FLAG(PO_CLI_DRY_RUN, "dry-run", 0, "show what stays and why, and what goes; remove nothing"),
    FLAG(PO_CLI_YES, "yes", 'y', "do not ask"),
    TELL,
    END,
};

static const struct po_cli_option schedule_options[] = {
    TEXT(PO_CLI_NAME, "name", 0, "NAME", "the job's name (default: backup)"),
    TEXT(PO_CLI_AT, "at", 0, "HH:MM", "add: when, in local time"),
    CHOICE(PO_CLI_EVERY, "every", "daily|weekly",
           "add: how often (default: daily); weekly: on Sunday"),
    END,
};

static const struct po_cli_option pre_upgrade_options[] = {
    SITE,
    TEXT(PO_CLI_OUTPUT, "output", 'o', "DEST",
         "where to: a file that does not exist, or a directory"),
    CHOICE(PO_CLI_FOR, "for", "upgrade|uninstall", "what comes (default: upgrade)"),
    FLAG(PO_CLI_COLD, "cold", 0, "read everything with the services stopped"),
    NUMBER(PO_CLI_LEVEL, "level", "N", -7, 19, "zstd's level, -7 to 19 (default 3)"),
    THREADS,
    STOP_TIMEOUT,
    FLAG(PO_CLI_ALLOW_SAME_VOLUME, "allow-same-volume", 0,
         "no warning when DEST is on a volume that holds a part of the site"),
    FLAG(PO_CLI_ALLOW_SHRINK, "allow-shrink", 0,
         "it is meant that the site has lost most of its files: a good backup all the same"),
    SIGN,
    TELL,
    END,
};

static const struct po_cli_option drill_options[] = {
    TEXT(PO_CLI_KEEP, "keep", 0, "DIR",
         "restore there, where nothing is or an empty directory, and leave it there"),
    TRUSTED_KEY,
    THREADS,
    TELL,
    END,
};

static const struct po_cli_option consolidate_options[] = {
    TRUSTED_KEY,
    SIGN,
    THREADS,
    FLAG(PO_CLI_DRY_RUN, "dry-run", 0,
         "tell how much would be copied and packed anew; write nothing"),
    END,
};

static const struct po_cli_option protect_options[] = {
    RECOVERY("how much of the archive's size (default 5)"),
    FLAG(PO_CLI_OVERWRITE, "overwrite", 0, "make them anew where there are some"),
    THREADS,
    TELL,
    END,
};

static const struct po_cli_option repair_options[] = {
    TEXT(PO_CLI_OUTPUT, "output", 'o', "FILE",
         "the mended archive (default: beside the damaged one, its name with \"-repaired\")"),
    FLAG(PO_CLI_IN_PLACE, "in-place", 0,
         "the mended archive takes the place of the damaged one, once it is verified"),
    THREADS,
    END,
};

static const struct po_cli_option keygen_options[] = {
    TEXT(PO_CLI_OUTPUT, "output", 'o', "NAME", "makes NAME.key and NAME.pub"),
    TEXT(PO_CLI_PASSPHRASE_FILE, "passphrase-file", 0, "FILE",
         "the passphrase, a line; nobody else may read it (default: asked for)"),
    FLAG(PO_CLI_NO_PASSPHRASE, "no-passphrase", 0, "do not encrypt NAME.key"),
    END,
};

static const struct po_cli_option sign_options[] = {
    TEXT(PO_CLI_KEY, "key", 0, "KEYFILE", "the secret key, of keygen or minisign"),
    TEXT(PO_CLI_PASSPHRASE_FILE, "passphrase-file", 0, "FILE",
         "its passphrase, a line; nobody else may read it (default: asked for)"),
    END,
};

static const struct po_cli_option guardian_options[] = { SITE, END };

static const struct po_cli_option doctor_options[] = {
    SITE,
    TEXT(PO_CLI_OUTPUT, "output", 'o', "DEST",
         "check this place for backups (default: where the last good one went)"),
    END,
};

const struct po_cli_verb po_cli_verbs[] = {
    { "backup", "--site folder:DIR -o DEST [OPTIONS]", "save one snapshot of a site in an archive",
      "Reads bin and mailbox while the services run, stops them, reads registry, spool and what "
      "has changed meanwhile, and starts them again, also when it fails, is interrupted or killed. "
      "In a directory that has a full of this site it makes a differential. "
      "The archive is a tar in zstd frames: any machine can "
      "open "
      "it with stock tools. It appears under its name only when it is whole and on disk. A file "
      "that "
      "cannot be read is named and counted, and the exit code is 1.",
      backup_options, 0, 0, po_cmd_backup },
    { "verify", "[--quick|--deep|--budget DAYS] ARCHIVE|VAULT...", "check archives, byte by byte",
      "Says of each archive whether it is whole; of a damaged one, which files are hit. Of a "
      "vault, "
      "a directory, each archive is checked. With --budget a daily run reads a share, and "
      "`snapshots` tells since when all has been read.",
      verify_options, 1, UINT32_MAX, po_cmd_verify },
    { "list", "[-l] [-0] ARCHIVE [PATTERN...]", "list paths",
      "A pattern is a glob on archive paths: '*' and '?' stop at '/', '**' does not; a directory's "
      "name selects all that lies in it.",
      list_options, 1, UINT32_MAX, po_cmd_list },
    { "show", "ARCHIVE", "tell what an archive is: when, where, what, how large", NULL, no_options,
      1, 1, po_cmd_show },
    { "cat", "ARCHIVE PATH", "write one file's content to standard output",
      "PATH is as `list` prints it into a file. The content is checked against its hash at the "
      "end.",
      no_options, 2, 2, po_cmd_cat },
    { "extract", "ARCHIVE -C DIR [PATTERN...]", "write files of an archive into a directory",
      "The guide's layout, or the parts of it that the patterns select. Nothing outside DIR is "
      "touched, no link is followed. A file whose content is damaged is not written.",
      extract_options, 1, UINT32_MAX, po_cmd_extract },
    { "salvage", "DAMAGED -C DIR [PATTERN...]", "get whole files out of a damaged archive",
      "Finds frames wherever they lie in the file and proves each by its checksum; seek table and "
      "trailer need not be there, nor the index. Every file whose frames are whole is written "
      "under its name; what is there of others goes to DIR/salvaged-partial, with a note. Tells "
      "what is certain, doubtful, partial and lost. Exit code 0: all that the archive had is out, "
      "and its index says so.",
      salvage_options, 1, UINT32_MAX, po_cmd_salvage },
    { "diff", "ARCHIVE OTHER | ARCHIVE --site folder:DIR",
      "tell what differs from another archive, or from a site now",
      "Seen from ARCHIVE: what OTHER has more is added, what it lacks is removed. Registry values "
      "are compared one by one. Exit code 0: the same, 1: different.",
      diff_options, 1, 2, po_cmd_diff },
    { "restore", "ARCHIVE --site folder:DIR [OPTIONS]", "put an archive back into a site",
      "Verifies the archive deeply, shows what it would do, and asks. The new files are written "
      "beside the old ones while the services run; the services are stopped for the renames alone. "
      "Files that are replaced are kept in a folder beside their tree, and pobackup undo takes all "
      "back. Registry data that name places of the old machine are rewritten to those of this one. "
      "Files and registry values of the site that the archive does not have stay, unless --exact "
      "and --registry=exact are given.",
      restore_options, 1, 1, po_cmd_restore },
    { "after-reboot", "[OPTIONS]", "check the services after the reboot that ends a restore",
      "Waits for the services to start by themselves, starts those that did not, and tells. A "
      "restore on Windows has it run at the next start. Exit code 0: all run by themselves, 1: "
      "some "
      "had to be started or are disabled, 5: one could not be started.",
      after_reboot_options, 0, 0, po_cmd_after_reboot },
    { "undo", "[--yes] [OPTIONS]", "take back the last restore",
      "Stops the services, moves the files that were set aside back to their places, puts the "
      "former registry back, and starts the services. Files that came since stay. What had been "
      "restored is kept in a folder until `status --forget`. Also for a restore that was "
      "interrupted.",
      recover_options, 0, 0, po_cmd_undo },
    { "resume", "[--yes] [OPTIONS]", "finish a restore that was interrupted",
      "Does what is left of it; one that had not changed a file yet is taken back.",
      recover_options, 0, 0, po_cmd_resume },
    { "status", "[--forget] [--max-age HOURS] [OPTIONS]",
      "what is pending, the services, the last runs",
      "Tells whether a restore was interrupted or can be taken back, what is kept of it, which "
      "services run, what was run last, and which are the last good and the last verified backup. "
      "Exit code 1: a restore was interrupted, or the backup is older than --max-age.",
      status_options, 0, 0, po_cmd_status },
    { "snapshots", "VAULT", "list the archives of a vault",
      "A vault is a directory that backups are written into. Tells of each archive in it when it "
      "was "
      "taken, what it stands on, how large it is and when it was verified last; it reads no more "
      "of "
      "it than that. Files that are damaged, foreign or still being written are named. Exit code "
      "1: "
      "an archive is damaged, cannot be read or lacks a parent.",
      no_options, 1, 1, po_cmd_snapshots },
    { "prune", "VAULT --keep-... N [OPTIONS]", "remove old archives from a vault",
      "What any rule keeps stays, in local time, for each host and site by itself; then it asks. "
      "Whatever the rules say, these stay: the newest, parents of what stays, the last verified "
      "full, the last "
      "backup for each purpose, and what is suspicious (dated in the future, or less than half of "
      "the one before), which counts for no rule.",
      prune_options, 1, 1, po_cmd_prune },
    { "consolidate", "VAULT ARCHIVE", "make a full archive out of a differential and its parents",
      "The new archive, in VAULT, is the same snapshot: the site need not be read again. Frames "
      "that "
      "are needed whole are copied as they are, the rest is packed anew; then all is read back and "
      "verified deeply before it has its name. The differential and its parents stay: prune "
      "removes "
      "them when they are no longer needed. ARCHIVE is a path, or the name of a file in VAULT.",
      consolidate_options, 2, 2, po_cmd_consolidate },
    { "protect", "[--recovery PERCENT] ARCHIVE...", "write recovery data beside archives",
      "Makes ARCHIVE.rec, with which repair mends it: at 5 percent any burst of damage of up to "
      "4.5 "
      "percent of the archive, scattered damage, lost or added bytes, in both files. What is "
      "damaged already is not protected.",
      protect_options, 1, UINT32_MAX, po_cmd_protect },
    { "repair", "ARCHIVE [-o FILE|--in-place]", "mend an archive by its recovery data",
      "Finds what is lost by the hashes in ARCHIVE.rec, computes it, and writes a mended copy, "
      "which gets its name only when it has been read back and verified deeply. Recovery data that "
      "are damaged are made anew. Exit code 0: mended, or whole; 4: more is lost than can be given "
      "back, and nothing is written.",
      repair_options, 1, 1, po_cmd_repair },
    { "keygen", "-o NAME [--passphrase-file FILE|--no-passphrase]", "make keys to sign by",
      "NAME.key signs (backup --sign, sign), and is encrypted by a passphrase; by NAME.pub anybody "
      "can check (--trusted-key). Both are as the program minisign has them. The public key is "
      "printed. Nothing is overwritten.",
      keygen_options, 0, 0, po_cmd_keygen },
    { "sign", "--key KEYFILE ARCHIVE...", "sign archives that are there",
      "Checks of each archive every frame's hash, then writes ARCHIVE.minisig beside it, which the "
      "program minisign can check too. One that is signed already is left as it is: exit code 3.",
      sign_options, 1, UINT32_MAX, po_cmd_sign },
    { "doctor", "--site folder:DIR [-o DEST]", "can this site be backed up and restored?",
      "Makes every check and changes nothing. Exit code 0: all good, 1: warnings, 2: something "
      "must "
      "be mended first.",
      doctor_options, 0, 0, po_cmd_doctor },
    { "pre-upgrade", "--site folder:DIR -o DEST [OPTIONS]",
      "a proven backup before an update, and what to do by hand",
      "Makes a full archive of the whole site, restores it for practice and compares it, and "
      "prints what the update does not carry over, with the values that the registry has of it; "
      "the list is kept beside the archive. prune leaves the archive until there is a newer one of "
      "its kind. Exit code 0: go on; anything else: do not yet.",
      pre_upgrade_options, 0, 0, po_cmd_pre_upgrade },
    { "drill", "ARCHIVE [--keep DIR]", "restore an archive for practice, and compare",
      "Restores into a scratch folder, where nothing is started, compares every file with the "
      "archive, parses the registry, makes doctor's checks, and prints a record of it. Exit code "
      "0: "
      "it can be restored, 1: it is not what it should be.",
      drill_options, 1, 1, po_cmd_drill },
    { "schedule", "add|list|remove [--name NAME] [--at HH:MM] [OPTIONS]",
      "a backup that runs by itself",
      "add: the system's scheduler (systemd, else cron; on Windows the Task Scheduler) runs backup "
      "with the options that are given, which are those of backup; it replaces a job of the same "
      "name. list tells the jobs, remove takes one away. Nothing else that is scheduled is "
      "touched.",
      schedule_options, 1, 1, po_cmd_schedule },
    { "config", "check FILE", "check a configuration file",
      "Reads FILE, which is one for --config, as every verb would, and names each mistake with its "
      "line. Exit code 0: none, 3: some.",
      no_options, 2, 2, po_cmd_config },
    { "guardian", "[OPTIONS]", "start services again for a run that was killed",
      "Started by backup, restore, undo and resume, and told by them what they stop; not for "
      "people.",
      guardian_options, 0, 0, po_cmd_guardian },
    { "help", "[VERB]", "tell how it is used", NULL, no_options, 0, 1, po_cmd_help },
    { "version", "", "tell the version", NULL, no_options, 0, 0, po_cmd_version },
    { NULL, NULL, NULL, NULL, no_options, 0, 0, NULL },
};

const struct po_cli_verb *
po_cli_verb_find(const char *name)
{
    for (const struct po_cli_verb *verb = po_cli_verbs; verb->name != NULL; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}
