#!/usr/bin/env python3
"""Adds up gcov's counters of a build: the share of lines that were run, for each folder of src/.

    coverage.py BUILD [--files]

What counts are the lines of src/'s .c files that an object was made of: none of what is for Windows alone, none of the tests, no headers.
A line counts once, however many objects or functions have it. Exit code 1: a folder is below what is due; 2: the counters cannot be had.
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
    with tempfile.TemporaryDirectory() as folder:
        for note in sorted(build.rglob("*.gcno")):
            if note.relative_to(build).parts[0] == "tests":
                continue
            # Without a .gcda, as nothing ran of it: zeros.
            done = subprocess.run(["gcov", "--json-format", str(note)], cwd=folder, capture_output=True, text=True, check=False)
            made = list(pathlib.Path(folder).glob("*.gcov.json.gz"))
            if done.returncode != 0 or not made:
                raise OSError(f"gcov {note}: {done.stderr.strip() or 'no output'}")
            for path in made:
                for file in json.loads(gzip.decompress(path.read_bytes()))["files"]:
                    source = pathlib.Path(os.path.normpath(build / file["file"]))
                    # A file that is gone has left its object in the build folder.
                    if source.suffix != ".c" or not source.is_relative_to(ROOT / "src") or not source.exists():
                        continue
                    counts = lines[str(source.relative_to(ROOT / "src"))]
                    for line in file["lines"]:
                        counts[line["line_number"]] = max(counts.get(line["line_number"], 0), line["count"])
                path.unlink()
    return lines


def ranges(numbers):
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--files"]
    if len(arguments) != 1:
        print("usage: coverage.py BUILD [--files]", file=sys.stderr)
        return 3
    try:
        lines = counters(pathlib.Path(arguments[0]).resolve())
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    folders = collections.defaultdict(lambda: [0, 0])
    for name, counts in sorted(lines.items()):
        if not counts:  # tables alone
            continue
        run = sum(count > 0 for count in counts.values())
        folder = folders[name.split("/")[0]]
        folder[0] += run
        folder[1] += len(counts)
        if "--files" in sys.argv:
            print(f"{100 * run / len(counts):5.1f} %  {name}: {ranges(number for number, count in counts.items() if count == 0)}")
    too_few = [folder for folder in DUE if folder not in folders]
    for folder, (run, total) in sorted(folders.items()):
        share = 100 * run / total
        due = DUE.get(folder)
        print(f"{folder:10} {share:5.1f} % of {total} lines" + (f" (due {due})" if due else ""))
        if due and share < due:
            too_few.append(folder)
    if too_few:
        print("below what is due: " + ", ".join(too_few))
    return 1 if too_few else 0


sys.exit(main())
