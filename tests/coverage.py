#!/usr/bin/env python3
"""Adds up gcov's counters of a build: the share of lines that were run, for each folder of src/.

    coverage.py BUILD [--files]

A file that no object was made of, as the one for Windows here, does not count. Exit code 1: below what is due.
"""
import collections
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DUE = {"archive": 90, "registry": 90, "engine": 90}  # percent


def counters(build):
    """Of each source file below src/: line number -> how often it was run."""
    lines = collections.defaultdict(dict)
    notes = sorted(build.rglob("*.gcno"))
    with tempfile.TemporaryDirectory() as folder:
        for note in notes:
            if "/tests/" in str(note):
                continue
            done = subprocess.run(["gcov", "--json-format", str(note.resolve())], cwd=folder, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False)
            for path in pathlib.Path(folder).glob("*.gcov.json.gz"):
                for file in json.loads(gzip.decompress(path.read_bytes()))["files"] if done.returncode == 0 else ():
                    name = os.path.relpath(os.path.join(str(build), file["file"]), ROOT / "src")
                    if name.startswith("..") or not name.endswith(".c"):
                        continue
                    for line in file["lines"]:
                        number = line["line_number"]
                        lines[name][number] = max(lines[name].get(number, 0), line["count"])
                path.unlink()
    return lines


def ranges(numbers):
    parts, start, last = [], None, None
    for number in sorted(numbers) + [None]:
        if start is not None and number != last + 1:
            parts.append(f"{start}-{last}" if last > start else str(start))
            start = None
        if start is None:
            start = number
        last = number
    return ", ".join(parts)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    lines = counters(build)
    folders = collections.defaultdict(lambda: [0, 0])
    for name, counts in sorted(lines.items()):
        run = sum(count > 0 for count in counts.values())
        folder = name.split("/")[0]
        folders[folder][0] += run
        folders[folder][1] += len(counts)
        if "--files" in sys.argv:
            print(f"{100 * run / len(counts):5.1f} %  {name}: {ranges([number for number, count in counts.items() if count == 0])[:300]}")
    too_few = []
    for folder, (run, total) in sorted(folders.items()):
        share = 100 * run / total
        due = DUE.get(folder)
        print(f"{folder:10} {share:5.1f} % of {total} lines" + (f" (due {due})" if due else ""))
        if due and share < due:
            too_few.append(folder)
    if not folders:
        print("no counters: was it built with --coverage, and run?")
    return 1 if too_few or not folders else 0


sys.exit(main())
