#!/usr/bin/env python3
"""Checks the files below src/ for calls that the house style keeps out of them."""
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")

# (what, why, modules that may)
BANS = [
    (r"(?:malloc|calloc|realloc|reallocarray|strdup|strndup|aligned_alloc|posix_memalign|alloca|asprintf|vasprintf)",
     "memory goes through po_mem", {"base"}),
    (r"free", "memory goes through po_mem; port/ may free what the system allocated", {"base", "port"}),
    (r"(?:strcpy|strcat|stpcpy|strncat|strncpy|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|strtok_r)",
     "use po_buf, po_text or snprintf", {"base"}),
    (r"(?:printf|vprintf|puts|putchar|perror|psignal)", "only cli/ prints", {"cli"}),
    (r"(?:exit|abort|_Exit|quick_exit|atexit)", "only cli/ ends the program", {"cli"}),
    (r"(?:getenv|secure_getenv|setenv|putenv|unsetenv)", "only cli/ reads the environment, through po_sys_put_environment", {"port"}),
    (r"setlocale", "only cli/ has the process's locale to itself", {"cli"}),
    (r"(?:rand|srand|system|popen|tmpnam|tempnam|mktemp|vfork)", "not in this program", set()),
]
CALLS = [(re.compile(r"(?<![\w.>])" + what + r"\s*\("), why, may) for what, why, may in BANS]
STREAMS = re.compile(r"(?<![\w.>])(?:stdout|stderr)\b")
WINDOWS = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b.*\b_WIN(?:32|64)\b", re.M)
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """Comments, strings and characters blanked, lines kept."""
    return TOKEN.sub(lambda match: '""' + "\n" * match[0].count("\n"), text)


def check(path, text):
    module = path.split("/")[0]
    code = code_only(text)
    for pattern, why, may in CALLS:
        if module not in may:
            for match in pattern.finditer(code):
                yield code.count("\n", 0, match.start()) + 1, f"{match[0].rstrip('( ')}: {why}"
    if module != "cli":
        for match in STREAMS.finditer(code):
            yield code.count("\n", 0, match.start()) + 1, f"{match[0]}: only cli/ prints"
    if module != "port" and not (module == "host" and "win32" in path):
        for match in WINDOWS.finditer(code):
            yield code.count("\n", 0, match.start()) + 1, "_WIN32 belongs in port/ or host/*win32*"


def main():
    problems, count = 0, 0
    for top, folders, names in os.walk(ROOT):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                path = os.path.relpath(os.path.join(top, name), ROOT).replace(os.sep, "/")
                with open(os.path.join(top, name), encoding="utf-8") as file:
                    found = sorted(check(path, file.read()))
                for line, what in found:
                    print(f"src/{path}:{line}: {what}")
                problems += len(found)
                count += 1
    print(f"check_bans: {count} files, {problems} problems")
    sys.exit(1 if problems or not count else 0)


main()
