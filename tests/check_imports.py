#!/usr/bin/env python3
"""The gate for Windows Server 2003 SP1: what programs import, for which system they are marked, and how large they are.

    check_imports.py PROGRAM.EXE...

Every function must stand in windows/imports-allowed.txt, whose functions Server 2003 SP1 has; what is newer is looked up at run time, with
a fallback. No program may ask for a newer system than 5.2 (x64) or 5.1 (x86), nor be larger than 2 MiB without its debug information.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ALLOWED = pathlib.Path(__file__).resolve().parent / "windows" / "imports-allowed.txt"
SIZE_MAX = 2 << 20
# Not in Server 2003: nobody may put them into the list.
NEVER = re.compile(r"SRWLock|ConditionVariable|InitOnce|GetTickCount64|CreateSymbolicLink|GetFileInformationByHandleEx|GetFinalPathNameByHandle")


def tool(name):
    for candidate in f"x86_64-w64-mingw32-{name}", f"i686-w64-mingw32-{name}", name:
        if shutil.which(candidate):
            return candidate
    sys.exit(f"check_imports: no {name} here")


def allowed():
    functions = set()
    for number, line in enumerate(ALLOWED.read_text(encoding="ascii").splitlines(), 1):
        line = line.split("#")[0].strip()
        if line and (NEVER.search(line) or line.count("!") != 1):
            sys.exit(f"{ALLOWED.name}:{number}: not a function of Server 2003: {line}")
        if line:
            functions.add(line)
    return functions


def headers(program):
    return subprocess.run([tool("objdump"), "-p", program], check=True, stdout=subprocess.PIPE, text=True).stdout


def imports(text):
    found, dll = set(), None
    for line in text.splitlines():
        name = re.match(r"\s*DLL Name: (\S+)", line)
        function = re.match(r"\s+[0-9a-f]+\s+(?:\d+|<none>)\s+(?:[0-9a-f]+\s+)?(\S+)\s*$", line)
        if name:
            dll = name[1].lower()
        elif not line.strip():
            dll = None
        elif dll and function:
            found.add(f"{dll}!{function[1]}")
    return found


def number(text, field):
    return int(re.search(rf"^{field}\s+(\d+)", text, re.M)[1])


def stripped_size(program):
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "stripped.exe")
        subprocess.run([tool("strip"), "-o", copy, program], check=True)
        return os.path.getsize(copy)


def check(program, functions):
    text = headers(program)
    is_64 = "pei-x86-64" in text
    found = imports(text)
    version = number(text, "MajorSubsystemVersion"), number(text, "MinorSubsystemVersion")
    size = stripped_size(program)
    problems = [f"{name}: not in {ALLOWED.name}" for name in sorted(found - functions)]
    if not found:
        problems.append("no imports were found: is it a program?")
    if version > ((5, 2) if is_64 else (5, 1)):
        problems.append(f"it asks for Windows {version[0]}.{version[1]}")
    if size > SIZE_MAX:
        problems.append(f"{size} bytes without debug information; {SIZE_MAX} are allowed")
    print(f"{program}: {'x64' if is_64 else 'x86'}, {len(found)} functions of {len({name.split('!')[0] for name in found})} DLLs, "
          f"Windows {version[0]}.{version[1]}, {size / 2**20:.2f} MiB")
    for problem in problems:
        print(f"  {problem}")
    return not problems


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    functions = allowed()
    sys.exit(0 if all([check(program, functions) for program in sys.argv[1:]]) else 1)


main()
