#!/usr/bin/env python3
"""The educational reader and the program agree on every archive that the tests have made.

    test_reader_all.py PROGRAM FOLDER [--least N] [--content MIB] [-v]

FOLDER holds what keep_archives.h and keep_archives.py have kept: whole archives, damaged ones, differentials without their
parents. Each is verified by both; the verdicts and what is named as hit must be the same. The reader is slow: of large sets it takes the first, in
the order of their names (which are hashes), until their contents come to so many MiB.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import pathlib
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "format-spec"))
sys.dont_write_bytecode = True
import reader  # noqa: E402


def content_size(path):
    """What the seek table promises, or the file's own size."""
    data = path.read_bytes()
    with contextlib.suppress(struct.error):
        frames, descriptor, magic = struct.unpack("<IB4s", data[-9:])
        if magic == reader.SEEK_FOOTER_MAGIC and descriptor == 0x80 and len(data) >= 12 * frames + 17:
            return sum(row[1] for row in struct.iter_unpack("<III", data[len(data) - 9 - 12 * frames:-9]))
    return len(data)


def chosen(folder, limit):
    """(path, content size) of those that are looked at, and how many there are."""
    sizes = [(path, content_size(path)) for path in sorted(folder.iterdir()) if "." not in path.name]
    taken, total = [], 0
    for path, size in sizes:
        if size <= limit // 8 and total + size <= limit:
            taken.append((path, size))
            total += size
    return taken, len(sizes), total


def read(path):
    """The reader's verdict, rule, text, and what it names as hit."""
    try:
        report = reader.verify(str(path))
        problem = report.first()
        return report.verdict(), problem.rule if problem else None, problem.text if problem else "", sorted(report.hits)
    except Exception as error:
        return "failed", None, repr(error), []


def said_by(program, paths):
    """The program's verdicts, messages and hits, by name."""
    verdicts = {}
    for at in range(0, len(paths), 100):
        done = subprocess.run([program, "verify", "--json", *map(str, paths[at:at + 100])], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        for answer in json.loads(done.stdout)["archives"]:
            hits = [bytes.fromhex(hit["hex"]) if isinstance(hit, dict) else hit.encode() for hit in answer["hit"]]
            verdicts[pathlib.Path(answer["path"]).name] = answer["verdict"], answer["message"], sorted(hits)
    return verdicts


def main():
    parser = argparse.ArgumentParser(description="Run the educational reader on the tests' archives.")
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--least", type=int, default=100, metavar="N", help="fewer archives are a failure")
    parser.add_argument("--content", type=int, default=250, metavar="MIB")
    parser.add_argument("-v", dest="verbose", action="store_true")
    args = parser.parse_args()
    began = time.monotonic()
    taken, count, total = chosen(args.folder, args.content << 20)
    paths = [path for path, _ in sorted(taken, key=lambda pair: -pair[1])]
    by_program = said_by(args.program, paths)
    verdicts, wrong = {}, 0
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for path, (verdict, rule, text, hits) in zip(paths, pool.imap(read, paths)):
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
            other, message, other_hits = by_program[path.name]
            is_same = (verdict, hits) == (other, other_hits)
            if not is_same or args.verbose:
                print(f"{path}: the reader says {verdict} ({rule}: {text}) and names {hits[:5]}, "
                      f"the program {other} ({message}) and {other_hits[:5]}")
            wrong += not is_same
    print(f"{count} archives, {len(paths)} of them looked at ({total >> 20} MiB of content): "
          + ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
          + f"; {wrong} answers differ; {time.monotonic() - began:.0f} s")
    if len(paths) < args.least:
        print(f"fewer than {args.least} archives: do the tests still keep them?")
    return 1 if wrong or len(paths) < args.least else 0


if __name__ == "__main__":
    sys.exit(main())
