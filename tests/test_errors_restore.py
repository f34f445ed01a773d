#!/usr/bin/env python3
"""A system call of a restore fails: the disk is full, or broken. Then the restore has succeeded, and all is as in the set but what it names; or
it has failed, and all is as before; or `status` tells what is pending, and `resume` or `undo` ends in exactly the new or the old state. Of a
fourth of the points it is `resume` or `undo` that meets the error. # req: R10

    test_errors_restore.py POBACKUP [POINTS [SEED]]

POINTS (default 40) for each of the errors are drawn from all calls that write of one run, seeded; in a third of them the call fails
from then on, in another a second call does. Without strace(1) nothing is tested: exit code 77, which ctest shows as skipped.
"""
import collections
import json
import os
import random
import sys
import tempfile

import restore_rig

PROGRAM = os.path.abspath(sys.argv[1])
POINTS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
ERRORS = "ENOSPC", "EIO"
VERBS = "undo", "resume"


def named(done):
    """The paths of the items that the program told to have failed; None when its answer is not whole."""
    try:
        return [item["path"] for item in json.loads(done.stdout)["problems"]]
    except ValueError:
        return None


class Point:
    """One error, and what came of it."""

    def __init__(self, rig, rng, old, new):
        self.rig, self.rng, self.old, self.new = rig, rng, old, new
        self.story = ""

    def inject(self, verb, error, *places):
        self.done = self.rig.inject(verb, f"error={error}", *places)
        self.excused = named(self.done) if verb == "restore" and self.done.returncode in (1, 5) else []
        self.told, problem = self.rig.status(self.old, self.new, self.excused or ())
        self.story += f" {verb} {error} {places}: {self.done.returncode}, {self.told['restore']};"
        return problem

    def restore(self, *error):
        """The outcome, and what is wrong with it."""
        self.rig.renew()
        problem = self.inject("restore", *error)
        code, state = self.done.returncode, self.told["restore"]
        outcome = f"restore {code} {state}"
        if problem:
            return outcome, problem
        # The system opens libraries for a program that has not begun.
        if code == 127 and state == "none" and b"error while loading shared libraries" in self.done.stderr:
            return "not started", ""
        if code not in (0, 1, 2, 5):
            return outcome, "an exit code that no restore should have"
        if code in (0, 1) and state != "done":
            return outcome, "a success that is none"
        if code == 0 and named(self.done) != []:
            return outcome, f"items failed, and the exit code does not say so: {named(self.done)}"
        if code == 1 and not self.excused:
            return outcome, "nothing is named"
        # It was done, but could not be told.
        if code == 2 and state == "done" and named(self.done) is not None:
            return outcome, "a failure that is none"
        return outcome, self.rig.settle(self.rng.choice(VERBS), self.told, self.old, self.new, code != 5 and state != "none", self.excused or ())

    def recover(self, *error):
        verb = self.rng.choice(VERBS)
        rig = self.rig
        rig.renew()
        if verb == "undo" and self.rng.randrange(2):
            rig.must(*rig.job("restore"))
        else:
            rig.inject("restore", "signal=KILL", ("renameat2", self.rng.randrange(1, 3200)))
        was = rig.status(self.old, self.new)[0]
        self.story += f" {was['restore']};"
        if not restore_rig.is_pending(was, verb):
            return "nothing to recover", ""
        problem = self.inject(verb, *error)
        code, state = self.done.returncode, self.told["restore"]
        outcome = f"{verb} {code} {state}"
        if problem:
            return outcome, problem
        # The system opens libraries for a program that has not begun: it is as it was.
        if code not in (0, 1, 2, 5) and b"error while loading shared libraries" not in self.done.stderr:
            return outcome, f"exit code {code}"
        if code == 0 and state not in ("none", "done", "taken-back"):
            return outcome, "a success that is none"
        return outcome, rig.settle(self.rng.choice(VERBS), self.told, self.old, self.new, code != 5)


def places(rng, calls, call, number):
    """This call; in a third of the points for ever, in another third with a second one: mostly of those that clear up."""
    how = rng.randrange(3)
    other, other_number = restore_rig.choose(rng, {"unlinkat": calls["unlinkat"]} if rng.randrange(3) else calls, 1)[0]
    if how == 1 and other != call:
        return (call, number), (other, other_number)
    return ((call, f"{number}+" if how == 0 else number),)


def main():
    if not restore_rig.has_strace():
        print("SKIPPED: no strace")
        return 77
    print(f"seed {SEED}, {POINTS} points for each of {', '.join(ERRORS)}")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="pobackup-errors-", dir=restore_rig.memory()) as top:
        rig = restore_rig.Rig(PROGRAM, top)
        rig.make(rng)
        old, new = rig.pictures()
        rig.renew()
        calls = {"restore": rig.count_calls("restore")}
        calls["recover"] = rig.count_calls("undo")
        print(", ".join(f"{call} {count}" for call, count in sorted(calls["restore"].items())))
        outcomes = collections.Counter()
        bad = 0
        for error in ERRORS:
            for job, count in ("restore", POINTS - POINTS // 4), ("recover", POINTS // 4):
                for call, number in restore_rig.choose(rng, calls[job], count):
                    point = Point(rig, rng, old, new)
                    outcome, problem = getattr(point, job)(error, *places(rng, calls[job], call, number))
                    outcomes[outcome] += 1
                    if problem:
                        bad += 1
                        print(f"BAD:{point.story} {problem}\n    {point.done.stderr.decode(errors='replace')[-700:]}", flush=True)
        print("; ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())))
        print(f"{sum(outcomes.values())} points, {bad} exceptions")
        return 1 if bad else 0


sys.exit(main())
