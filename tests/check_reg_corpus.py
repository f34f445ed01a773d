#!/usr/bin/env python3
"""What regedit makes of a .reg file and what we make of it, side by side: the cases of Wine's own suite.

    check_reg_corpus.py WINE_RUN REG_IMPORT.EXE [PACK]

Each `wine-*` file of PACK (../shared/testdata/reg.tar.zst) is imported twice, into keys that hold the same: by Wine's regedit, and by
po_reg_parse and po_win32_registry_write. Then both keys are compared raw. Whatever differs must be explained by windows/regedit-differences.md,
and whatever that explains must be so.
"""
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACK = os.path.join(HERE, "..", "..", "shared", "testdata", "reg.tar.zst")
EXPLAINED = os.path.join(HERE, "windows", "regedit-differences.md")
SUITE = re.compile(r"(wine-(?:reg-import|regedit)-\d+)-.*\.reg$")


def windows_path(path):
    return "Z:" + os.path.abspath(path).replace("/", "\\")


class Machine:
    """The programs under Wine, and the files 0000.reg, 0001.reg, ... of a folder."""

    def __init__(self, wine_run, reg_import, folder, count):
        self.wine_run, self.reg_import, self.folder, self.count = wine_run, reg_import, folder, count

    def run(self, *command):
        done = subprocess.run([self.wine_run, *command], capture_output=True, text=True, errors="replace", timeout=300)
        if done.returncode:
            sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")

    def work(self, verb, *arguments):
        out = os.path.join(self.folder, verb + ".txt")
        self.run(self.reg_import, verb, str(self.count), *arguments, *([windows_path(out)] if verb in ("import", "dump") else []))
        if not os.path.exists(out):
            return []
        with open(out, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().split("\n")

    def regedit(self, number):
        # One process each: Wine's regedit takes what one file leaves unfinished over into the next.
        self.run("regedit", "/S", windows_path(os.path.join(self.folder, f"{number:04}.reg")))


def unpack(pack, folder):
    """The suite's files, each with a key of its own, as 0000.reg and so on; their names."""
    subprocess.run(["tar", "--zstd", "-xf", pack, "-C", folder], check=True)
    found = sorted((match[1], os.path.join(top, name)) for top, _, names in os.walk(folder) for name in names if (match := SUITE.match(name)))
    for number, (_, path) in enumerate(found):
        with open(path, "rb") as file:
            data = file.read()
        for encoding in ("ascii", "utf-16-le"):
            data = data.replace("KEYBASE".encode(encoding), f"KEYBASE_{number:04}".encode(encoding))
        with open(os.path.join(folder, f"{number:04}.reg"), "wb") as file:
            file.write(data)
    return [name for name, _ in found]


def tables():
    """The two tables of the document: file -> row, and our message -> (files, of those with a difference)."""
    files, reasons = {}, {}
    with open(EXPLAINED, encoding="utf-8") as document:
        for line in document:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if match := re.fullmatch(r"`(wine-[\w-]+)`", cells[0]):
                files[match[1]] = line
            elif len(cells) == 5 and (match := re.fullmatch(r"`(.*)`", cells[0])) and cells[1].isdigit():
                reasons[match[1]] = (int(cells[1]), int(cells[2]))
    return files, reasons


def contents(lines):
    """(number, who) -> the lines of its dump."""
    found, current = {}, None
    for line in lines:
        if match := re.fullmatch(r"== (\d{4}) (regedit|pobackup)", line):
            current = found[int(match[1]), match[2]] = []
        elif line and current is not None or line == "" and current == []:
            current.append(line)
    return found


def compare(names, statuses, dumps, untouched):
    """What is not explained."""
    files, reasons = tables()
    problems, counts, same = [], collections.defaultdict(lambda: [0, 0]), 0
    for number, name in enumerate(names):
        theirs, ours = dumps[number, "regedit"], dumps[number, "pobackup"]
        if statuses[number].startswith("ok"):
            same += theirs == ours
            if (theirs == ours) == (name in files):
                problems.append(f"{name}: {'differs' if theirs != ours else 'does not differ (any more)'}")
            continue
        if ours != untouched:
            problems.append(f"{name}: refused, and something was changed")
        message = re.sub(r"^[^:]*: ", "", statuses[number])
        if not re.match(r"line [1-9]\d*: ", message):
            problems.append(f"{name}: refused without a line: {message}")
        message = re.sub(r"^line \d+: ", "", message)
        counts[message][0] += 1
        counts[message][1] += theirs != untouched
    for message in sorted(set(counts) | set(reasons)):
        if tuple(counts[message]) != reasons.get(message, (0, 0)):
            problems.append(f"\"{message}\": {counts[message][0]} files, {counts[message][1]} that regedit imports in part; "
                            f"the table has {reasons.get(message, 'none')}")
    for name in sorted(set(files) - set(names)):
        problems.append(f"{name}: no such file")
    refused = sum(count[0] for count in counts.values())
    print(f"{len(names)} files: {same} the same by regedit and by us, {len(files)} different and explained, {refused} refused by us, "
          f"of which regedit imports {sum(count[1] for count in counts.values())} in part")
    return problems


def main():
    wine_run, reg_import = sys.argv[1:3]
    pack = sys.argv[3] if len(sys.argv) > 3 else PACK
    if not os.path.exists(pack):
        print(f"skipped: no pack of .reg files at {pack}")
        return 0
    with tempfile.TemporaryDirectory(prefix="pobackup-reg-") as folder:
        names = unpack(pack, folder)
        machine = Machine(wine_run, reg_import, folder, len(names))
        machine.work("prepare")
        untouched = contents(machine.work("dump"))[0, "pobackup"]
        statuses = [line[5:] for line in machine.work("import", windows_path(folder)) if line]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(machine.regedit, range(len(names))))
        dumps = contents(machine.work("dump"))
        machine.work("clear")
    problems = compare(names, statuses, dumps, untouched)
    for problem in problems:
        print(problem)
    return 1 if problems or not names else 0


sys.exit(main())
