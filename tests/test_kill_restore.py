#!/usr/bin/env python3
"""A restore is killed at a system call that writes; then `status` tells it right, and `resume` or `undo` ends in exactly the new or the old
state. # req: R10

    test_kill_restore.py POBACKUP [POINTS [SEED]]

POINTS (default 40) are drawn from all calls that write of one run, seeded; half of them are resumed, half undone. With strace(1) the call
itself kills. Without it nothing is tested: exit code 77, which ctest shows as skipped.
"""
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])
POINTS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
FILES = 2000
CALLS = "write pwrite64 openat mkdirat renameat2 renameat unlinkat linkat symlinkat utimensat fchmod fchmodat fchown fchownat fsync fdatasync syncfs ftruncate".split()
INI = """[service:mta]
start = touch mta
stop = rm -f mta
status = test -e mta || exit 3
[service:puf]
start = touch puf
stop = rm -f puf
status = test -e puf || exit 3
"""
TREES = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
REGISTRY = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"V\"=\"{}\"\r\n"


class Rig:
    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.site, self.old, self.state = self.top / "site", self.top / "old", self.top / "state"
        self.archive = self.top / "a.tar.zst"
        self.arg = f"--site=folder:{self.site}"

    def run(self, *arguments, prefix=()):
        return subprocess.run([*prefix, PROGRAM, *map(str, arguments)], env={**os.environ, "POBACKUP_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)

    def must(self, *arguments):
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}: {arguments}\n{done.stdout.decode()}\n{done.stderr.decode()}")
        return done

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
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.format("old").encode("utf-16-le"))
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
        self.keep_times(self.old)

    def keep_times(self, top):
        for path in sorted(top.rglob("*")):
            original = self.site / path.relative_to(top)
            info = original.lstat()
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)

    def renew(self):
        shutil.rmtree(self.site)
        shutil.rmtree(self.state, ignore_errors=True)
        subprocess.run(["cp", "-a", self.old, self.site], check=True)

    def picture(self):
        """Everything but services' states and the time of the top; names of ours are shown."""
        lines = []
        for path in sorted(self.site.rglob("*")):
            info, name = path.lstat(), str(path.relative_to(self.site))
            if name in ("mta", "puf"):
                continue
            content = (os.readlink(path) if stat.S_ISLNK(info.st_mode) else
                       hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(info.st_mode) else "")
            time = 0 if stat.S_ISLNK(info.st_mode) else info.st_mtime_ns // 100
            lines.append(f"{name} {info.st_mode:o} {info.st_uid} {time} {content}")
        return lines

    def restore(self, prefix=()):
        return self.run("restore", self.archive, self.arg, "--yes", "--only=registry,spool,mailbox,bin", "--exact", "--json", prefix=prefix)


def differences(ours, wanted):
    return [line[:150] for line in sorted(set(ours) ^ set(wanted))[:6]]


def count_calls(rig):
    """How often each call is made, by each thread of the one that makes most of it."""
    log = rig.top / "calls"
    rig.renew()
    done = rig.restore(prefix=("strace", "-f", "-qq", "-o", str(log), "-e", "trace=" + ",".join(CALLS)))
    assert done.returncode == 0, done.stderr.decode()
    counts = collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if match:
            counts[match[1], match[2]] += 1
    most = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most


def main():
    if shutil.which("strace") is None:
        print("SKIPPED: no strace")
        return 77
    print(f"seed {SEED}, {POINTS} points")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="pobackup-kill-") as top:
        rig = Rig(top)
        rig.make(rng)
        rig.renew()
        old = rig.picture()
        assert rig.restore().returncode == 0
        rig.must("status", "--forget", rig.arg)
        new = rig.picture()
        assert old != new
        # Taking back what was done is exact, too.
        rig.renew()
        assert rig.restore().returncode == 0
        rig.must("undo", "--yes", rig.arg)
        rig.must("status", "--forget", rig.arg)
        assert rig.picture() == old, differences(rig.picture(), old)

        calls = count_calls(rig)
        places = [(call, number) for call in calls for number in range(1, calls[call] + 1)]
        # Half of the points where most happens, half spread over the kinds of calls.
        chosen = rng.sample(places, min(POINTS // 2, len(places)))
        while len(chosen) < POINTS:
            call = rng.choice(sorted(calls))
            chosen.append((call, rng.randrange(1, calls[call] + 1)))
        print(f"{sum(calls.values())} calls: " + ", ".join(f"{call} {count}" for call, count in sorted(calls.items())))
        outcomes = collections.Counter()
        bad = 0
        for index, (call, number) in enumerate(chosen):
            outcome, problem = one(rig, call, number, index, old, new)
            outcomes[outcome] += 1
            if problem:
                bad += 1
                print(f"BAD: {call} {number}, {'resume' if index % 2 else 'undo'}: {outcome}: {problem}")
        print(f"{len(chosen)} points: " + ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())) + f"; {bad} exceptions")
        # A thread that makes fewer of a call than another one did when they were counted is not killed.
        if outcomes["not killed"] * 3 > len(chosen):
            print("too few were killed for a test")
            bad += 1
        return 1 if bad else 0


def one(rig, call, number, index, old, new):
    rig.renew()
    killed = rig.restore(prefix=("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"))
    told = json.loads(rig.run("status", rig.arg, "--json").stdout)
    state = told["restore"]
    if killed.returncode == 0:
        return "not killed", ""
    verb = "resume" if index % 2 else "undo"
    wanted = {"none": old, "interrupted-unchanged": old, "interrupted": new if verb == "resume" else old, "done": new if verb == "resume" else old}[state]
    if state != "none" and not (state == "done" and verb == "resume"):
        done = rig.run(verb, "--yes", rig.arg, "--json")
        if done.returncode != 0:
            return state, f"{verb}: exit code {done.returncode}: {done.stderr.decode()[-500:]}"
        told = json.loads(rig.run("status", rig.arg, "--json").stdout)
        if told["restore"] not in ("none", "done", "taken-back"):
            return state, f"after {verb}: {told['restore']}"
    if told["restore"] in ("done", "taken-back"):
        rig.must("status", "--forget", rig.arg)
    services = [service["state"] for service in told["services"]]
    if state != "none" and services != ["running", "running"]:
        return state, f"services {services}"
    picture = rig.picture()
    return state, "" if picture == wanted else f"differs: {differences(picture, wanted)}"


sys.exit(main())
