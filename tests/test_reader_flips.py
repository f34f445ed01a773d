#!/usr/bin/env python3
"""Each bit of an archive is covered by a rule.

Flips every bit of the smallest good vector, and cuts it at every length: the educational reader must never say that such a
file is good. Nor may it fail in any other way than by naming a rule.

    test_reader_flips.py [--every N] [--vector NAME] [--jobs N]

--every N takes each Nth bit and each Nth length only.
"""

import argparse
import io
import multiprocessing
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "format-spec")]
sys.dont_write_bytecode = True
import check_vectors  # noqa: E402
import reader  # noqa: E402


def verdict(data):
    """What the reader says of these bytes. It opens a path; here that path leads to memory."""
    reader.open = lambda path, mode: io.BytesIO(data)
    report = reader.verify("memory", stop_early=True)
    problem = report.first()
    return report.verdict(), problem.rule if problem else None


def try_flips(job):
    data, bits = job
    broken = bytearray(data)
    rules, wrong = {}, []
    for bit in bits:
        broken[bit >> 3] ^= 1 << (bit & 7)
        try:
            said, rule = verdict(bytes(broken))
            rules[rule] = rules.get(rule, 0) + 1
            if said == "ok":
                wrong.append(f"bit {bit & 7} of byte {bit >> 3} is covered by no rule")
        except Exception as error:
            wrong.append(f"bit {bit & 7} of byte {bit >> 3}: {error!r}")
        broken[bit >> 3] ^= 1 << (bit & 7)
    return rules, wrong


def try_lengths(job):
    data, lengths = job
    rules, wrong = {}, []
    for length in lengths:
        try:
            said, rule = verdict(data[:length])
            rules[rule] = rules.get(rule, 0) + 1
            if said == "ok":
                wrong.append(f"cut to {length} bytes it is good")
        except Exception as error:
            wrong.append(f"cut to {length} bytes: {error!r}")
    return rules, wrong


def main():
    parser = argparse.ArgumentParser(description="Flip every bit of an archive.")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("--vector", default="good-small")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    data = check_vectors.Vector(check_vectors.VECTORS / (args.vector + ".hex")).data
    if verdict(data) != ("ok", None):
        print(f"{args.vector} is not good as it is: {verdict(data)}")
        return 1
    failed = False
    for name, function, numbers in (("bits", try_flips, range(0, len(data) * 8, args.every)),
                                    ("lengths", try_lengths, range(0, len(data), args.every))):
        jobs = [(data, numbers[i::64]) for i in range(64)]
        rules, wrong = {}, []
        with multiprocessing.Pool(args.jobs) as pool:
            for part, faults in pool.imap_unordered(function, jobs):
                wrong += faults
                for rule, count in part.items():
                    rules[rule] = rules.get(rule, 0) + count
        for text in wrong[:20]:
            print(text)
        print(f"{len(numbers)} {name} of {len(data)} bytes: {len(wrong)} faults; "
              + ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items(), key=lambda item: -item[1])))
        failed |= bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
