#!/usr/bin/env python3
"""Run a reader on every vector of format-spec/vectors and compare what it says.

    check_vectors.py --reader                 the educational reader
    check_vectors.py --pobackup PROGRAM       the program
    check_vectors.py --list                   verdict and rules of each vector
    check_vectors.py --decode NAME            the bytes of one vector, to stdout

Options: --only TEXT takes the vectors whose name holds TEXT; -v names each vector before it is run.

Compared: the verdict and the exit code; where a vector names hits, exactly these; what extraction refuses, and that it
writes nothing outside; and the rule that is named, which must be one of the vector's (the program's stands at the end of its message).

Of the vectors of recovery data (`recovery/`): the verdict, the mended bytes or that there are none, and the counts of lost and moved
blocks. `repair` of the program writes nothing where the archive is whole; and it makes recovery data of archives alone, so that
after mending a vector's bytes it says that these could not be written (exit code 1).
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECTORS = ROOT / "format-spec" / "vectors"
RULE_AT_END = re.compile(r" \(([A-Z][A-Z0-9]*-[0-9]+)\)$")
TOKEN = re.compile(r"""\s*(?:([0-9A-F]{2})(?:\*([0-9]+))?|'([^']*)'|"([^"]*)")(?=\s|$)""")


class Vector:
    def __init__(self, path):
        self.name = path.stem
        self.keys = {}
        self.parts = {}
        parts = self.parts.setdefault("archive", [])
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
            if line.startswith("#! "):
                key, _, value = line[3:].partition(": ")
                if key == "part":
                    parts = self.parts.setdefault(value, [])
                self.keys.setdefault(key, []).append(value)
                continue
            parts.append(decode_line(line, f"{path.name}:{number}"))
        self.data = b"".join(self.parts["archive"])
        self.sidecar = b"".join(self.parts["sidecar"]) if "sidecar" in self.parts else None
        self.expect = self.keys["expect"][0]
        self.rules = self.keys["rules"][0].split()

    def all(self, key):
        return self.keys.get(key, [])


def decode_line(line, where):
    """The bytes of one line: tokens up to a # that stands where a token could."""
    parts, pos = [], 0
    while line[pos:].strip() and not line[pos:].lstrip().startswith("#"):
        match = TOKEN.match(line, pos)
        if not match:
            raise SystemExit(f"{where}: no token at column {pos + 1}")
        byte, times, *texts = match.groups()
        if byte:
            parts.append(bytes.fromhex(byte) * int(times or 1))
        else:
            parts.append((texts[0] if texts[0] is not None else texts[1]).encode("ascii"))
        pos = match.end()
    return b"".join(parts)


def load(only=""):
    return [Vector(path) for path in sorted(VECTORS.rglob("*.hex")) if only in str(path.relative_to(VECTORS))]


def listing(directory):
    """Everything below a directory, links not followed."""
    found = set()
    for base, directories, files in os.walk(directory):
        found |= {os.path.relpath(os.path.join(base, name), directory) for name in directories + files}
    return found


class Check:
    CODES = {"ok": 0, "damaged": 4, "unsupported": 2}

    def __init__(self, command):
        self.command = command
        self.is_reader = command is None
        self.recovery_reader = [sys.executable, "-B", str(ROOT / "format-spec" / "recovery.py")]
        if self.is_reader:
            self.command = [sys.executable, "-B", str(ROOT / "format-spec" / "reader.py")]
        self.failures = []

    def fail(self, vector, text):
        self.failures.append(f"{vector.name}: {text}")
        print(self.failures[-1], flush=True)

    def run(self, *arguments, command=None):
        return subprocess.run([*(command or self.command), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)

    def verify(self, vector, path, *options):
        """(verdict, rule, hits) or None when there is no sensible answer."""
        done = self.run("verify", *options, "--json", path)
        try:
            answer = json.loads(done.stdout)
            if not self.is_reader:
                (answer,) = answer["archives"]
                said = RULE_AT_END.search(answer["message"] or "")
                answer["rule"] = answer["rule"] or (said and said[1])
            verdict, rule, hits = answer["verdict"], answer["rule"], answer["hit"]
            code = self.CODES[verdict]
        except (ValueError, KeyError, TypeError):
            self.fail(vector, f"no answer: exit {done.returncode}, {done.stdout[:200]!r} {done.stderr[-300:]!r}")
            return None
        if done.returncode != code:
            self.fail(vector, f"says {verdict} and exits with {done.returncode}")
        return verdict, rule, hits

    def check(self, vector, directory):
        path = os.path.join(directory, "archive.tar.zst")
        pathlib.Path(path).write_bytes(vector.data)
        for line in vector.all("with"):
            other, name = line.split()
            pathlib.Path(directory, name).write_bytes(Vector(VECTORS / other).data)
        answer = self.verify(vector, path)
        if answer:
            verdict, rule, hits = answer
            if verdict != vector.expect:
                self.fail(vector, f"{verdict} ({rule}), should be {vector.expect}")
            elif verdict != "ok" and rule not in vector.rules:
                self.fail(vector, f"rule {rule}, should be one of {' '.join(vector.rules)}")
            if vector.all("hit") and sorted(hits) != sorted(vector.all("hit")):
                self.fail(vector, f"hits {sorted(hits)}, should be {sorted(vector.all('hit'))}")
        if not self.is_reader:
            answer = self.verify(vector, path, "--quick")
            allowed = {vector.expect, *vector.all("quick")}
            if answer and answer[0] not in allowed:
                self.fail(vector, f"quick: {answer[0]} ({answer[1]}), should be {' or '.join(sorted(allowed))}")
        if vector.name.startswith("good-") or "READ-3" in vector.rules:
            self.extract(vector, path, directory, vector.all("refused"))
        if self.is_reader and vector.all("refused-windows"):
            self.extract(vector, path, directory, vector.all("refused-windows"), "--windows-names")

    def check_recovery(self, vector, directory):
        path, out = os.path.join(directory, "archive"), os.path.join(directory, "mended")
        pathlib.Path(path).write_bytes(vector.data)
        pathlib.Path(path + ".rec").write_bytes(vector.sidecar)
        answer = self.recovery_of_reader(vector, path, out) if self.is_reader else self.recovery_of_program(vector, path, out)
        if not answer:
            return
        verdict, rule, counts = answer
        if verdict != vector.expect:
            self.fail(vector, f"{verdict} ({rule}), should be {vector.expect}")
        elif verdict != "ok" and rule not in (*vector.rules, None):
            self.fail(vector, f"rule {rule}, should be one of {' '.join(vector.rules)}")
        for key in ("lost", "moved"):
            if vector.all(key) and counts.get(key, 0) != int(vector.all(key)[0]):
                self.fail(vector, f"{counts.get(key)} {key}, should be {vector.all(key)[0]}")
        is_there = os.path.exists(out)
        if is_there and not vector.all("mended"):
            self.fail(vector, "gives out what it should not")
        elif vector.all("mended"):
            given = pathlib.Path(out if is_there else path).read_bytes()
            if not is_there and (self.is_reader or counts.get("lost") or given != vector.data):
                self.fail(vector, "mends nothing")
            elif hashlib.blake2b(given, digest_size=32).hexdigest() != vector.all("mended")[0]:
                self.fail(vector, "gives out other bytes than it should")

    def recovery_of_reader(self, vector, path, out):
        done = self.run("check", "--json", path, command=self.recovery_reader)
        try:
            answer = json.loads(done.stdout)
            verdict = {"whole": "ok"}.get(answer["verdict"], answer["verdict"])
        except (ValueError, KeyError):
            self.fail(vector, f"no answer: exit {done.returncode}, {done.stdout[:200]!r} {done.stderr[-300:]!r}")
            return None
        if done.returncode != self.CODES[verdict]:
            self.fail(vector, f"says {verdict} and exits with {done.returncode}")
        done = self.run("mend", path, "-o", out, command=self.recovery_reader)
        if done.returncode != (0 if vector.all("mended") else self.CODES[vector.expect]):
            self.fail(vector, f"mend exits with {done.returncode}: {(done.stdout + done.stderr)[-300:]!r}")
        return verdict, answer["rule"], answer

    def recovery_of_program(self, vector, path, out):
        done = self.run("repair", "--json", path, "-o", out)
        try:
            answer = json.loads(done.stdout)
            outcome = answer["outcome"]
        except (ValueError, KeyError):
            self.fail(vector, f"no answer: exit {done.returncode}, {done.stdout[:200]!r} {done.stderr[-300:]!r}")
            return None
        verdict = "ok" if outcome == "whole" else "unsupported" if done.returncode == 2 else "damaged"
        codes = (0,) if verdict == "ok" else (0, 1) if vector.all("mended") else (self.CODES[vector.expect],)
        if done.returncode not in codes:
            self.fail(vector, f"repair exits with {done.returncode}: {(answer.get('error') or {}).get('message')!r}")
        said = RULE_AT_END.search((answer.get("error") or {}).get("message") or "")
        return verdict, said and said[1], answer.get("recovery") or {}

    def extract(self, vector, path, directory, refused, *options):
        """Extract into a directory within a directory: what appears beside it escaped."""
        with tempfile.TemporaryDirectory(dir=directory) as outer:
            target = os.path.join(outer, "inner", "target")
            os.makedirs(target)
            done = self.run("extract", *options, path, "-C", target)
            outside = {name for name in listing(outer) if name not in ("inner", "inner/target")
                       and not name.startswith("inner/target/")}
            if outside or pathlib.Path("/tmp/escaped-dir").exists():
                self.fail(vector, f"extract wrote outside: {sorted(outside)}")
            if vector.expect != "ok":
                if done.returncode == 0:
                    self.fail(vector, "extract reports success")
                return
            if done.returncode != (1 if refused else 0):
                self.fail(vector, f"extract exits with {done.returncode}: {(done.stdout + done.stderr)[-300:]!r}")
            if self.is_reader:
                said = sorted(re.findall(rb"^refused: (.*?): ", done.stdout, re.MULTILINE))
                if said != sorted(name.encode() for name in refused):
                    self.fail(vector, f"extract refuses {said}, should refuse {sorted(refused)}")


def main():
    parser = argparse.ArgumentParser(description="Run a reader on every vector.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--reader", action="store_true")
    which.add_argument("--pobackup", metavar="PROGRAM")
    which.add_argument("--list", action="store_true")
    which.add_argument("--decode", metavar="NAME")
    parser.add_argument("--only", default="")
    parser.add_argument("-v", dest="verbose", action="store_true")
    args = parser.parse_args()
    if args.decode:
        sys.stdout.buffer.write(Vector(VECTORS / (args.decode.removesuffix(".hex") + ".hex")).data)
        return 0
    vectors = load(args.only)
    if args.list:
        for vector in vectors:
            print(f"{vector.expect:11} {vector.name}: {' '.join(vector.rules)}")
        return 0
    check = Check(None if args.reader else [os.path.abspath(args.pobackup)])

    def one(vector):
        if args.verbose:
            print(vector.name, flush=True)
        with tempfile.TemporaryDirectory() as directory:
            (check.check if vector.sidecar is None else check.check_recovery)(vector, directory)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, vectors))
    print(f"{len(vectors)} vectors, {len(check.failures)} failures")
    return 1 if check.failures or not vectors else 0


if __name__ == "__main__":
    sys.exit(main())
