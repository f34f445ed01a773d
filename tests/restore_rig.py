"""What the tests of a restore that is broken off share: a site of 2,000 files, a set that is restored into it, and strace(1), which makes one
system call kill the program or fail.

Everything lies in memory where that is possible: nothing here is about a power cut, and thousands of files are made anew for each point.
"""
import collections
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

FILES = 2000
CALLS = """write pwrite64 openat mkdirat renameat2 renameat unlinkat linkat symlinkat utimensat fchmod fchmodat fchown fchownat fsync fdatasync
           syncfs ftruncate""".split()
INI = """[service:mta]
start = touch mta
stop = rm -f mta
status = test -e mta || exit 3
stop-timeout = 3
start-timeout = 3
[service:puf]
start = touch puf
stop = rm -f puf
status = test -e puf || exit 3
stop-timeout = 3
start-timeout = 3
"""
TREES = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
OWN = "\"Own\"=\"survives the import\"\r\n"
REGISTRY = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"V\"=\"{}\"\r\n"
OURS = ".pobackup-"
# What `status` says of each state, and its exit code.
STATES = {"none": ("no restore is pending", 0), "interrupted-unchanged": ("was interrupted before it had changed a file", 1),
          "interrupted": ("was interrupted while", 1), "done": (", is done", 0), "taken-back": (", was taken back", 0)}


def memory():
    """Where temporary files go: None is the usual place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def has_strace():
    return shutil.which("strace") is not None


@functools.cache
def quick():
    """The option with which only the calls in question stop the program, where strace can do that. Signals get lost with it (strace 6.1)."""
    option = ("--seccomp-bpf",)
    tried = subprocess.run(["strace", "-f", *option, "-o", os.devnull, "-e", "trace=unlinkat", "true"], stderr=subprocess.PIPE, check=False)
    return option if tried.returncode == 0 and not tried.stderr else ()


def strace(output, *options):
    return "strace", "-f", "-qq", "-o", output, *options


class Rig:
    def __init__(self, program, top):
        self.program, self.top = program, pathlib.Path(top)
        self.site, self.old, self.state = self.top / "site", self.top / "old", self.top / "state"
        self.archive = self.top / "a.tar.zst"
        self.arg = f"--site=folder:{self.site}"

    # ---- running ----

    def run(self, *arguments, prefix=()):
        return subprocess.run([*prefix, self.program, *map(str, arguments)],
                              env={**os.environ, "POBACKUP_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)

    def must(self, *arguments):
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}: {arguments}\n{done.stdout.decode()}\n{done.stderr.decode()}")
        return done

    def job(self, verb):
        """The arguments of `restore`, `resume` or `undo`."""
        if verb == "restore":
            return "restore", self.archive, self.arg, "--yes", "--only=registry,spool,mailbox,bin", "--exact", "--json"
        return verb, self.arg, "--yes", "--json"

    def inject(self, verb, what, *places):
        """The verb, with system calls that do what strace's `inject` says. Places: a call and when."""
        options = list(() if what.startswith("signal") else quick())
        options += ["-e", "trace=" + ",".join(call for call, _ in places)]
        for call, when in places:
            options += ["-e", f"inject={call}:{what}:when={when}"]
        return self.run(*self.job(verb), prefix=strace(os.devnull, *options))

    def count_calls(self, verb):
        """How often each call is made, by each thread of the one that makes most of it."""
        log = self.top / "calls"
        done = self.run(*self.job(verb), prefix=strace(log, *quick(), "-e", "trace=" + ",".join(CALLS)))
        assert done.returncode == 0, f"{verb}: exit code {done.returncode}: {done.stderr.decode()}"
        counts = collections.Counter()
        for line in log.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match:
                counts[match[1], match[2]] += 1
        most = collections.Counter()
        for (_, call), count in counts.items():
            most[call] = max(most[call], count)
        return most

    # ---- the site ----

    def make(self, rng):
        """The set, and then the site as it is when the set is restored into it: other, less and more."""
        for tree in TREES:
            (self.site / tree).mkdir(parents=True)
        (self.site / "pobackup-site.ini").write_text(INI)
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.format("new").encode("utf-16-le"))
        mailbox, spool = self.site / TREES[2], self.site / TREES[1]
        for number in range(FILES):
            box = mailbox / f"user{number % 40:02}"
            box.mkdir(exist_ok=True)
            (box / f"{number:05}.MSG").write_bytes(rng.randbytes(rng.randrange(10, 600)))
        for number in range(100):
            (spool / f"{number}-Control").write_text(f"queue {number}")
        (mailbox / "large").write_bytes(rng.randbytes(3_000_000))
        os.symlink("user00", mailbox / "link")
        os.link(mailbox / "user01" / "00001.MSG", mailbox / "hard")
        (self.site / "mta").touch()
        (self.site / "puf").touch()
        self.must("backup", self.arg, "-o", self.archive, "--allow-same-volume", "--frame-size=256K")
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + (REGISTRY.format("old") + OWN).encode("utf-16-le"))
        for number in range(0, FILES, 3):
            path = mailbox / f"user{number % 40:02}" / f"{number:05}.MSG"
            if number % 2:
                path.unlink()
            else:
                path.write_bytes(b"changed " * rng.randrange(1, 20))
        for user in range(0, 40, 5):
            shutil.rmtree(mailbox / f"user{user:02}")
        for number in range(100):
            (mailbox / "user01" / f"own{number}.MSG").write_text("came since")
        (mailbox / "own").mkdir()
        (mailbox / "own" / "1.MSG").write_text("own")
        (mailbox / "user02").chmod(0o700)
        subprocess.run(["cp", "-a", self.site, self.old], check=True)

    def renew(self):
        shutil.rmtree(self.site)
        shutil.rmtree(self.state, ignore_errors=True)
        subprocess.run(["cp", "-a", self.old, self.site], check=True)

    def save(self):
        """As all is now, for any number of load()."""
        shutil.rmtree(self.top / "saved", ignore_errors=True)
        (self.top / "saved").mkdir()
        subprocess.run(["cp", "-a", self.site, self.state, self.top / "saved"], check=True)

    def load(self):
        shutil.rmtree(self.site)
        shutil.rmtree(self.state)
        subprocess.run(["cp", "-a", self.top / "saved" / "site", self.top / "saved" / "state", self.top], check=True)

    def picture(self, with_ours=True):
        """Everything but services' states and the time of the top; names of ours are shown."""
        lines = []
        for path in sorted(self.site.rglob("*")):
            info, name = path.lstat(), str(path.relative_to(self.site))
            if name in ("mta", "puf") or (not with_ours and name.startswith(OURS)):
                continue
            content = (os.readlink(path) if stat.S_ISLNK(info.st_mode) else
                       hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(info.st_mode) else "")
            time = 0 if stat.S_ISLNK(info.st_mode) else info.st_mtime_ns // 100
            lines.append(f"{name} {info.st_mode:o} {info.st_uid} {time} {content}")
        return lines

    def pictures(self):
        """The site before the restore and after it."""
        self.renew()
        old = self.picture()
        self.must(*self.job("restore"))
        self.must("status", "--forget", self.arg)
        new = self.picture()
        assert old != new
        # Taking back what was done is exact, too.
        self.renew()
        self.must(*self.job("restore"))
        self.must(*self.job("undo"))
        self.must("status", "--forget", self.arg)
        assert self.picture() == old, differences(self.picture(), old)
        return old, new

    # ---- what is pending ----

    def status(self, old, new, excused=()):
        """What `status` tells in JSON, and what is wrong with that: "" = nothing. `excused`: paths that need not be as in `new`."""
        done = self.run("status", self.arg, "--json")
        told = json.loads(done.stdout)
        words, code = STATES[told["restore"]]
        plain = self.run("status", self.arg)
        text = plain.stderr.decode()
        said = [state for state, (other, _) in STATES.items() if other in text]
        if (done.returncode, plain.returncode) != (code, code):
            return told, f"status of {told['restore']}: exit codes {done.returncode}, {plain.returncode}"
        if words not in text or (told["restore"] == "interrupted" and
                                 ("while it was taken back" if told["was_undoing"] else "while files were put in place") not in text):
            return told, f"status of {told['restore']} says {said}: {text[:300]}"
        wanted = {"none": old, "interrupted-unchanged": old, "taken-back": old, "done": new}.get(told["restore"])
        problem = "" if wanted is None else differences(self.picture(with_ours=False), wanted, excused if wanted is new else ())
        return told, problem and f"status says {told['restore']}, but: {problem}"

    def settle(self, verb, told, old, new, needs_services=True, excused=()):
        """Ends what is pending by `resume` or `undo`; what is wrong then: "" = nothing."""
        state = told["restore"]
        wanted = old if state in ("none", "interrupted-unchanged", "taken-back") or verb == "undo" or told["was_undoing"] else new
        if is_pending(told, verb):
            done = self.run(*self.job(verb))
            if done.returncode != 0:
                return f"{verb}: exit code {done.returncode}: {done.stderr.decode()[-500:]}"
            needs_services = True
            told, problem = self.status(old, new)
            if problem or told["restore"] not in ("none", "done", "taken-back"):
                return f"after {verb}: {told['restore']} {problem}"
        if told["restore"] in ("done", "taken-back"):
            self.must("status", "--forget", self.arg)
        services = [service["state"] for service in told["services"]]
        if needs_services and services != ["running", "running"]:
            return f"services {services}"
        problem = differences(self.picture(), wanted, excused if wanted is new else ())
        return problem and f"after {verb}, {state} differs: {problem}"


def is_pending(told, verb):
    """Whether the verb has something to do."""
    return told["restore"] in ("interrupted", "interrupted-unchanged") or (told["restore"] == "done" and verb == "undo")


def differences(ours, wanted, excused=()):
    """The first few lines that only one of the pictures has; "" = none. Those of excused paths, and of what lies below, do not count."""
    lines = [line for line in sorted(set(ours) ^ set(wanted))
             if not any(line.startswith((path + " ", path + "/")) for path in excused)]
    return "; ".join(line[:150] for line in lines[:6])


def choose(rng, calls, count):
    """Half of the points where most happens, half spread over the kinds of calls."""
    places = [(call, number) for call in sorted(calls) for number in range(1, calls[call] + 1)]
    chosen = rng.sample(places, min(count // 2, len(places)))
    while len(chosen) < count:
        call = rng.choice(sorted(calls))
        chosen.append((call, rng.randrange(1, calls[call] + 1)))
    return chosen
