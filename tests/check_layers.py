#!/usr/bin/env python3
"""Checks which headers the files below src/ include: the layers of the house style, one direction, no sibling.

The table says, for each module (a folder of src/), which project headers it may include beside its own: a folder, or one header.
System headers: the C standard library everywhere, the operating system's in port/, base/pages_* and host/*win32*, a library's where the table
says.
"""
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")

LOW = {"base", "port", "pipeline", "archive", "registry", "host/host.h", "store/store.h"}
ENGINE = LOW | {"plan", "source", "target"}
MAY = {
    "base": set(),
    "port": {"base"},
    "pipeline": {"base", "port"},
    "archive": {"base"},
    "registry": {"base"},
    "host": LOW,
    "store": LOW,
    "plan": LOW,
    "source": LOW | {"plan/plan.h"},
    "target": LOW | {"plan/plan.h"},
    "mail": {"base", "port"},
    "engine": ENGINE,
    "cli": ENGINE | {"engine", "host", "store", "mail"},
}
# The interfaces lie a layer below the modules that implement them.
INTERFACES = {"host/host.h": {"base", "registry"}, "store/store.h": {"base", "registry"}}

LIBRARIES = {
    "zstd.h": {"archive"},
    "zstd_errors.h": {"archive"},
    "xxhash.h": {"archive"},
    "xxh_x86dispatch.h": {"archive"},
    "sodium.h": {"archive"},
    "archive.h": {"archive"},
    "archive_entry.h": {"archive"},
    "isa-l.h": {"archive"},
    "isa-l/erasure_code.h": {"archive"},
    "jansson.h": {"archive", "engine", "cli"},  # JSON is how these three speak: manifest, journal, --json
    "ini.h": {"host", "cli"},  # the site's file, --config
    "hivex.h": {"host"},
    "curl/curl.h": {"mail", "store"},  # SMTP; archives that are kept elsewhere
}
PUBLIC = {"pobackup.h"}
C_STANDARD = {name + ".h" for name in
              "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool"
              " stddef stdint stdio stdlib stdnoreturn string tgmath time uchar wchar wctype".split()}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def may_use_system(path):
    return path.startswith(("port/", "base/pages_")) or (path.startswith("host/") and "win32" in path)


def problem(path, kind, name):
    module = path.split("/")[0]
    if kind == "<":
        if name in PUBLIC or name in C_STANDARD:
            return None
        if name in LIBRARIES:
            return None if module in LIBRARIES[name] else f"<{name}> belongs in {', '.join(sorted(LIBRARIES[name]))}"
        return None if may_use_system(path) else f"<{name}> belongs in port/, base/pages_* or host/*win32*"
    if "/" not in name:
        return f'"{name}": write the module too ("{module}/{name}")'
    allowed = INTERFACES.get(path, MAY[module] | {module})
    if name in allowed or name.split("/")[0] in allowed:
        return None
    return f'"{name}" is not for {module}/: it may include {", ".join(sorted(allowed)) or "nothing"}'


def main():
    problems, count, homes = [], 0, {}
    for top, folders, names in os.walk(ROOT):
        folders.sort()
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.relpath(os.path.join(top, name), ROOT).replace(os.sep, "/")
            count += 1
            if path.split("/")[0] not in MAY:
                problems.append(f"src/{path}: an unknown module; the table in check_layers.py lists them")
                continue
            if name in homes:
                problems.append(f"src/{path}: {homes[name]} has the same file name")
            homes[name] = path
            with open(os.path.join(top, name), encoding="utf-8") as file:
                text = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), file.read())
            for match in INCLUDE.finditer(text):
                found = problem(path, match[1], match[2])
                if found:
                    line = text.count("\n", 0, match.start(2)) + 1
                    problems.append(f"src/{path}:{line}: {found}")
    for line in problems:
        print(line)
    print(f"check_layers: {count} files, {len(problems)} problems")
    sys.exit(1 if problems or not count else 0)


main()
