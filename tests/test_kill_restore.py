#!/usr/bin/env python3
"""A restore is killed at a system call that writes; then `status` tells it right, and `resume` or `undo` ends in exactly the new or the old
state. Of a third of the points, `resume` or `undo` is itself killed before, once or twice. # req: R10

    test_kill_restore.py POBACKUP [POINTS [SEED]]

POINTS (default 40) are drawn from all calls that write of one run, seeded; half of them are resumed, half undone. With strace(1) the call
itself kills. Without it nothing is tested: exit code 77, which ctest shows as skipped.
"""
import collections
import os
import random
import sys
import tempfile

import restore_rig

PROGRAM = os.path.abspath(sys.argv[1])
POINTS = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
VERBS = "undo", "resume"


def one(rig, call, number, verb, kills, rng, old, new):
    """The outcome of the restore, what was killed, and what is wrong: "" = nothing."""
    rig.renew()
    done = rig.inject("restore", "signal=KILL", (call, number))
    told, problem = rig.status(old, new)
    outcome, story = told["restore"], f"restore {call} {number}"
    if done.returncode == 0 and not problem:
        outcome = "not killed"
    for _ in range(kills):
        if problem or not restore_rig.is_pending(told, verb):
            break
        # Which calls it makes depends on how far the restore came.
        rig.save()
        calls = rig.count_calls(verb)
        rig.load()
        (call, number), = restore_rig.choose(rng, calls, 1)
        before, was = rig.picture(with_ours=False), told
        done = rig.inject(verb, "signal=KILL", (call, number))
        told, problem = rig.status(old, new)
        story += f", {verb} {call} {number}: {told['restore']}"
        outcome += f", {verb} " + ("not killed" if done.returncode == 0 else "killed")
        if told["restore"] == "interrupted" and not problem:
            if told["was_undoing"] and not was["was_undoing"] and verb != "undo":
                problem = "it is said to have been taken back, but was not"
            if not told["was_undoing"] and verb == "undo" and rig.picture(with_ours=False) != before:
                problem = "it is not said to have been taken back"
            if was["was_undoing"] and not told["was_undoing"]:
                problem = "it is no longer said to have been taken back"
        verb = rng.choice(VERBS)
    needs_services = outcome.split(",")[0] != "none"
    return outcome, story, problem or rig.settle(verb, told, old, new, needs_services)


def main():
    if not restore_rig.has_strace():
        print("SKIPPED: no strace")
        return 77
    print(f"seed {SEED}, {POINTS} points")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="pobackup-kill-", dir=restore_rig.memory()) as top:
        rig = restore_rig.Rig(PROGRAM, top)
        rig.make(rng)
        old, new = rig.pictures()
        rig.renew()
        calls = rig.count_calls("restore")
        chosen = restore_rig.choose(rng, calls, POINTS)
        print(f"{sum(calls.values())} calls: " + ", ".join(f"{call} {count}" for call, count in sorted(calls.items())))
        outcomes = collections.Counter()
        killed_again = bad = 0
        for index, (call, number) in enumerate(chosen):
            kills = rng.choice((1, 1, 2)) if rng.randrange(3) == 0 else 0
            outcome, story, problem = one(rig, call, number, VERBS[index % 2], kills, rng, old, new)
            outcomes[outcome] += 1
            killed_again += outcome.endswith(" killed") and outcome != "not killed"
            if problem:
                bad += 1
                print(f"BAD: {story}, {VERBS[index % 2]}: {outcome}: {problem}", flush=True)
        print(f"{len(chosen)} points: " + "; ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())))
        print(f"{killed_again} times resume or undo was killed as well; {bad} exceptions")
        # A thread that makes fewer of a call than another one did when they were counted is not killed.
        if outcomes["not killed"] * 3 > len(chosen):
            print("too few were killed for a test")
            bad += 1
        return 1 if bad else 0


sys.exit(main())
