#!/usr/bin/env python3
"""A backup is killed at a system call; then its services are as they were before, and nothing passes for an archive that is none. # req: B7

    test_kill_backup.py POBACKUP [POINTS [SEED]]

POINTS (default 40) are drawn from all calls in question of one run, half of them from those while services are down, seeded. At a third of them the guardian is killed beforehand, as a power cut
does: then `status`, or the next backup, brings the services back. With strace(1) the call itself kills. Without it nothing is tested: exit code
77, which ctest shows as skipped.
"""
import collections
import os
import random
import re
import signal
import sys
import tempfile
import time

import restore_rig

PROGRAM = os.path.abspath(sys.argv[1])
POINTS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
FILES = 600
CALLS = restore_rig.CALLS + ["statx", "getdents64", "pread64", "read", "openat2", "wait4"]
THREADS = ["clone", "clone3"]
BACK_WITHIN = 10.0  # seconds
# A run of our own for this site alone, so that no other guardian is hit.
KILL_GUARDIAN = "test -e no-guardian && pkill -KILL -f '[g]uardian --site folder:{site}'"


class Rig(restore_rig.Rig):
    def job(self, verb):
        return verb, "--site", f"folder:{self.site}", "-o", self.archive, "--allow-same-volume", "--frame-size=256K", "--threads=2", "--json"

    def make(self, rng):
        for tree in restore_rig.TREES:
            (self.site / tree).mkdir(parents=True)
        kill = KILL_GUARDIAN.format(site=self.site)
        (self.site / "pobackup-site.ini").write_text(restore_rig.INI.replace("stop = rm -f puf", f"stop = {kill}; rm -f puf"))
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + restore_rig.REGISTRY.format("V").encode("utf-16-le"))
        for number in range(FILES):
            box = self.site / restore_rig.TREES[2] / f"user{number % 20:02}"
            box.mkdir(exist_ok=True)
            (box / f"{number:05}.MSG").write_bytes(rng.randbytes(rng.randrange(10, 600)))
        for number in range(50):
            (self.site / restore_rig.TREES[1] / f"{number}-Control").write_text(f"queue {number}")
        (self.site / restore_rig.TREES[2] / "large").write_bytes(rng.randbytes(3_000_000))

    def set_services(self, wanted):
        for name in ("mta", "puf"):
            (self.site / name).touch() if name in wanted else (self.site / name).unlink(missing_ok=True)

    def running(self):
        return {name for name in ("mta", "puf") if (self.site / name).exists()}

    def backup_with(self, *options):
        """One under strace: its result, and the log."""
        log = self.top / "calls"
        done = self.run(*self.job("backup"), prefix=restore_rig.strace(log, *options))
        return done, log.read_text(errors="replace")

    def notes(self):
        return list(self.state.glob("*.outage"))

    def partials(self):
        return list(self.top.glob("*.partial"))


def own_threads(log):
    """The process that strace started: its threads."""
    own, is_thread = {log.split(maxsplit=1)[0]} if log else set(), {}
    for line in log.splitlines():
        match = re.match(r"(\d+) +(<\.\.\. )?clone3?\b(.*?)(?: = (\d+))?$", line)
        if not match or match[1] not in own:
            continue
        if not match[2]:
            is_thread[match[1]] = "CLONE_THREAD" in match[3]
        if match[4] and is_thread.get(match[1]):
            own.add(match[4])
    return own


def killed(log):
    """The processes and threads: strace pads their numbers to five digits."""
    return set(re.findall(r"^(\d+) +\+\+\+ killed by SIGKILL", log, re.M))


def count_calls(rig):
    """How often each call is made, by the thread of the program itself that makes most of it; and those made while services are down."""
    done, log = rig.backup_with("-e", "trace=" + ",".join(CALLS + THREADS))
    assert done.returncode == 0, done.stderr.decode()
    own, counts, is_outage, outage = own_threads(log), collections.Counter(), False, []
    for line in log.splitlines():
        match = re.match(r"(\d+) +(\w+)\(", line)
        if not match or match[1] not in own or match[2] not in CALLS:
            continue
        counts[match[1], match[2]] += 1
        if ".outage" in line and ("O_CREAT" in line or match[2] == "unlinkat"):
            is_outage = match[2] != "unlinkat"
        if is_outage:
            outage.append((match[2], counts[match[1], match[2]]))
    most = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    rig.archive.unlink()
    return most, outage


def check_services(rig, rng, wanted, is_alone):
    """What is wrong with them; and how they came back."""
    deadline = time.monotonic() + BACK_WITHIN
    while rig.running() != wanted and is_alone and time.monotonic() < deadline:
        time.sleep(0.05)
    how = "run or by the guardian" if is_alone else "run, without it"
    if rig.running() != wanted:
        if is_alone:
            return f"{sorted(rig.running())} run after {BACK_WITHIN:.0f} s", how
        how = rng.choice(("status", "backup"))
        done = rig.run("status", "--site", f"folder:{rig.site}") if how == "status" else rig.run(*rig.job("backup"))
        if how == "backup":
            rig.archive.unlink(missing_ok=True)
        how = "by " + how
        if b"cut off while services were stopped" not in done.stderr:
            return f"{how}: not told: {done.stderr.decode()[-300:]}", how
    if rig.running() != wanted:
        return f"{sorted(rig.running())} run, {how}", how
    return "", how


def check_archive(rig):
    """What is there is whole, and the next run gets its archive."""
    if rig.archive.exists():
        done = rig.run("verify", rig.archive)
        if done.returncode != 0:
            return f"a damaged archive has the final name: {done.stderr.decode()[-300:]}"
        rig.archive.unlink()
    for verb in (rig.job("backup"), ("verify", rig.archive), ("diff", rig.archive, "--site", f"folder:{rig.site}")):
        done = rig.run(*verb)
        if done.returncode != 0:
            return f"{verb[0]} afterwards: exit code {done.returncode}: {done.stderr.decode()[-300:]}"
    rig.archive.unlink()
    if rig.partials() or rig.notes():
        return f"left behind: {rig.partials() + rig.notes()}"
    return ""


def one(rig, rng, call, number):
    wanted = rng.choice(({"mta", "puf"}, {"mta", "puf"}, {"mta"}, set()))
    has_guardian = rng.randrange(3) > 0 or "puf" not in wanted
    rig.set_services(wanted)
    mark = rig.site / "no-guardian"
    mark.unlink(missing_ok=True) if has_guardian else mark.touch()
    done, log = rig.backup_with("-e", "trace=" + ",".join(sorted({call, *THREADS})), "-e", f"inject={call}:signal=KILL:when={number}")
    mark.unlink(missing_ok=True)
    # A service's command or the guardian that was killed by the same count is a power cut, too.
    is_alone = has_guardian and killed(log) <= own_threads(log)
    is_killed = done.returncode == -signal.SIGKILL
    assert not is_killed or killed(log), "the log does not say who was killed"
    outcome = "killed" if is_killed else "not killed"
    if done.returncode == 0 and not rig.archive.exists():
        return outcome, "exit code 0 without an archive"
    if is_killed and rig.partials():
        outcome += ", a partial file"
    problem, how = check_services(rig, rng, wanted, is_alone)
    return f"{outcome}, services {how}", problem or check_archive(rig)


def main():
    if not restore_rig.has_strace():
        print("SKIPPED: no strace")
        return 77
    print(f"seed {SEED}, {POINTS} points")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="pobackup-kill-", dir=restore_rig.memory()) as top:
        rig = Rig(PROGRAM, top)
        rig.make(rng)
        if POINTS >= 100:
            time.sleep(31)  # what the hot pass read is trusted then, and not read again
        rig.set_services({"mta", "puf"})
        calls, outage = count_calls(rig)
        print(f"{sum(calls.values())} calls, {len(outage)} while services are down: "
              + ", ".join(f"{call} {count}" for call, count in sorted(calls.items())))
        outcomes = collections.Counter()
        bad = 0
        half = POINTS // 2
        for call, number in restore_rig.choose(rng, calls, half) + [rng.choice(outage) for _ in range(POINTS - half)]:
            outcome, problem = one(rig, rng, call, number)
            outcomes[outcome] += 1
            if problem:
                bad += 1
                print(f"BAD: {call} {number}: {outcome}: {problem}", flush=True)
        print(f"{POINTS} points: " + "; ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())))
        print(f"{bad} exceptions")
        if sum(count for outcome, count in outcomes.items() if outcome.startswith("not killed")) * 3 > POINTS:
            print("too few were killed for a test")
            bad += 1
        return 1 if bad else 0


sys.exit(main())
