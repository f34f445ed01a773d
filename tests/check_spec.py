#!/usr/bin/env python3
"""Each rule of format-spec/format.md and recovery.md is cited by code and by a vector, and no citation names a rule that does not exist.

Code: `spec: INDEX-3` in src/ or include/, several ids separated by commas, or PO_RULE("INDEX-3") in a message. Vectors: the line
`#! rules:`. Tests may say `spec-test: INDEX-3`. And each message of src/archive about damaged or unsupported bytes names its rule.

Prints what is missing; exit code 1 then.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ID = r"[A-Z][A-Z0-9]*-[0-9]+"
CITATION = re.compile(rf"\b(spec|spec-test):\s*({ID}(?:\s*,\s*{ID})*)")
IN_MESSAGE = re.compile(rf'PO_RULE\(\s*"({ID})"\s*\)')
MESSAGE = re.compile(r"\b(?:po_fail\(err, PO_E_(?:FORMAT|UNSUPPORTED),|broken\(err,).*?\);$", re.DOTALL | re.MULTILINE)
# What does not name a rule: helpers that are given the whole text, or the rule; and the caller's own wish.
NAMELESS = re.compile(r'"[^"]*%s", what\)|\(%s\)|broken\(err, (?:fault|key|"[a-z_]+")\)|"no file of this archive, or too large"')


TEXTS = "format.md", "recovery.md"


def rules():
    """The ids that the texts define: bold, at the start of an item. In the order of the text."""
    text = "\n".join((ROOT / "format-spec" / name).read_text(encoding="utf-8") for name in TEXTS)
    return re.findall(rf"^- \*\*({ID})\*\*", text, re.MULTILINE)


def citations(path):
    """(kind, id, line) of each citation in a file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for match in IN_MESSAGE.finditer(text):
        yield "spec", match[1], text.count("\n", 0, match.start()) + 1
    for number, line in enumerate(text.splitlines(), 1):
        for kind, ids in CITATION.findall(line):
            for rule in re.findall(ID, ids):
                yield kind, rule, number


def nameless(path):
    """The lines of messages that should end in a rule and do not."""
    text = path.read_text(encoding="utf-8")
    for match in MESSAGE.finditer(text):
        if "PO_RULE(" not in match[0] and not NAMELESS.search(match[0]):
            yield text.count("\n", 0, match.start()) + 1


def sources(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py", ".sh") and path.is_file() and path.name != "check_spec.py":
                yield path


def main():
    defined = rules()
    known = set(defined)
    problems = []
    if not defined or len(known) != len(defined):
        problems.append(f"format-spec: {' and '.join(TEXTS)}: no ids, or an id twice")
    in_code, in_tests, in_vectors = {}, {}, {}

    def note(table, rule, where):
        if rule in known:
            table.setdefault(rule, []).append(where)
        else:
            problems.append(f"{where}: {rule} is no rule of {' or '.join(TEXTS)}")

    for path in sources("src", "include", "tests"):
        is_test = path.is_relative_to(ROOT / "tests")
        for kind, rule, number in citations(path):
            where = f"{path.relative_to(ROOT)}:{number}"
            if kind == "spec-test":
                note(in_tests, rule, where)
            elif not is_test:
                note(in_code, rule, where)
    for path in sorted((ROOT / "src" / "archive").glob("*.c")):
        problems += [f"{path.relative_to(ROOT)}:{number}: a message that names no rule" for number in nameless(path)]
    vectors = sorted((ROOT / "format-spec" / "vectors").rglob("*.hex"))
    for path in vectors:
        with path.open(encoding="ascii") as file:
            for line in file:
                if line.startswith("#! rules:"):
                    for rule in line.split(":", 1)[1].split():
                        note(in_vectors, rule, path.name)

    for rule in defined:
        if rule not in in_code:
            problems.append(f"{rule}: cited by no code")
        if rule not in in_vectors:
            problems.append(f"{rule}: cited by no vector")
    for problem in problems:
        print(problem)
    print(f"{len(defined)} rules; {len(in_code)} cited by code, {len(in_tests)} by tests, {len(in_vectors)} by "
          f"{len(vectors)} vectors; {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
