#!/usr/bin/env python3
"""Every way to restore, against a model that knows nothing of the program: sets of either view of 64-bit Windows into sites of either,
places that stayed and places on three other drives, merged and exact registries, overlaid and exact files, all parts and some. Then it is taken
back, to the byte. # req: R3, R4, R5, R6, R10

    test_restore_matrix.py POBACKUP
"""
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])
REG = "Post.OfficeRegKeyBackup.reg"
TREES = {"bin": "Post.OfficeexeBackup", "spool": "Post.OfficeConfigBackup", "mailbox": "Post.OfficemailboxBackup"}
DEFAULT = {"bin": r"C:\Post.Office\bin", "spool": r"C:\Post.Office\spool", "mailbox": r"C:\Post.Office\mailbox"}
MOVED = {"bin": r"D:\Programs\Post.Office", "spool": r"E:\Spool", "mailbox": r"F:\mail\box"}
KEY = {"x86": r"HKEY_LOCAL_MACHINE\SOFTWARE\Software.com\Post.Office",
       "wow64": r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Software.com\Post.Office"}

# Values by (key below the product's, name): a kind and what it holds.
SET_VALUES = {
    ("", "Spool"): ("sz", r"C:\Post.Office\spool"),
    ("", "MailRoot"): ("sz", "C:\\Post.Office\\mailbox\\"),
    ("", "Exec"): ("sz", r'"C:\Post.Office\bin\Post.Office.exe" -d c:/post.office/SPOOL/log'),
    ("", "Similar"): ("sz", r"C:\Post.Office\spool2"),
    ("", "Paths"): ("multi", [r"C:\Post.Office\spool\a", "other", r"c:\POST.OFFICE\mailbox"]),
    ("", "Temp"): ("expand", r"C:\Post.Office\spool\%TEMP%"),
    ("", "Raw"): ("binary", r"C:\Post.Office\spool".encode("utf-16-le")),
    ("", "Port"): ("dword", 25),
    ("Domains", "one"): ("sz", "example.jp"),
    ("Domains", ""): ("sz", r"C:\Post.Office\bin"),
}
SITE_VALUES = {
    ("", "Port"): ("dword", 2525),
    ("", "Only"): ("sz", "here"),
    ("", "similar"): ("sz", r"C:\Post.Office\spool2"),
    ("Own", "key"): ("sz", "here"),
}
SET_FILES = {"bin": {"Post.Office.exe": "new", "others/poperms.exe": "p"},
             "spool": {"config": "new", "control/1-Control": "c", "deep/er/file": "f"},
             "mailbox": {"user01/1.msg": "new", "user02/1.msg": "m"}}
SITE_FILES = {"bin": {"Post.Office.exe": "old", "mine.dll": "mine"},
              "spool": {"config": "old", "local/file": "mine"},
              "mailbox": {"user01/1.msg": "old", "user01/9.msg": "mine", "user03/1.msg": "mine"}}


# ---- the model ----

def place_of(text, places):
    """A string with the places of the default installation in it, for others."""
    def put(match):
        slash = match["slash"][0]
        return match["mark"] + places[match["part"].lower()].replace("\\", slash)
    return re.sub(r'(?i)(?P<mark>^|[\s"=;,])C:(?P<slash>[\\/])Post\.Office[\\/](?P<part>bin|spool|mailbox)(?=[\\/";,]|$)', put, text)


def rewritten(value, places):
    kind, data = value
    if places is DEFAULT:
        return value
    if kind == "multi":
        return kind, [place_of(text, places) for text in data]
    return (kind, place_of(data, places)) if kind in ("sz", "expand") else value


def expected_values(here, there, places, is_exact):
    """What the key holds afterwards; names have no case, and one that is there keeps its spelling."""
    values = {} if is_exact else dict(here)
    spelling = {(key.lower(), name.lower()): (key, name) for key, name in values}
    for (key, name), value in there.items():
        values[spelling.get((key.lower(), name.lower()), (key, name))] = rewritten(value, places)
    return values


# ---- .reg files ----

def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_reg(values, view):
    lines = ["Windows Registry Editor Version 5.00", ""]
    for key in sorted({key for key, _ in values}):
        lines.append("[" + KEY[view] + ("\\" + key if key else "") + "]")
        for (of, name), (kind, data) in values.items():
            if of != key:
                continue
            raw = {"sz": lambda: quote(data), "dword": lambda: f"dword:{data:08x}",
                   "binary": lambda: "hex:" + data.hex(","),
                   "expand": lambda: "hex(2):" + (data + "\0").encode("utf-16-le").hex(","),
                   "multi": lambda: "hex(7):" + "".join(text + "\0" for text in data + [""]).encode("utf-16-le").hex(",")}[kind]()
            lines.append((quote(name) if name else "@") + "=" + raw)
        lines.append("")
    return b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le")


def parse_reg(raw, view):
    """The reverse; every key must be of the view."""
    values, key = {}, None
    for line in raw.decode("utf-16").replace("\\\r\n  ", "").split("\r\n")[1:]:
        if line.startswith("["):
            path = line[1:-1]
            assert path.lower().startswith(KEY[view].lower()), f"{path} is not in the view {view}"
            key = path[len(KEY[view]):].lstrip("\\")
        elif line:
            name, data = re.fullmatch(r'(@|"(?:[^"\\]|\\.)*")=(.*)', line).groups()
            name = "" if name == "@" else re.sub(r"\\(.)", r"\1", name[1:-1])
            hexed = re.fullmatch(r"hex(?:\((\w+)\))?:(.*)", data)
            if data.startswith('"'):
                value = "sz", re.sub(r"\\(.)", r"\1", data[1:-1])
            elif data.startswith("dword:"):
                value = "dword", int(data[6:], 16)
            else:
                content = bytes.fromhex(hexed[2].replace(",", ""))
                value = {None: lambda: ("binary", content), "2": lambda: ("expand", content.decode("utf-16-le")[:-1]),
                         "7": lambda: ("multi", content.decode("utf-16-le").split("\0")[:-2])}[hexed[1]]()
            values[key, name] = value
    return values


# ---- sites ----

def tree_of(root, part, places):
    """Three other drives are three other directories here."""
    return root.parent / f"drive-{part}" / "place" if places is MOVED else root / TREES[part]


def make_site(root, values, view, files, places):
    for part in TREES:
        for name, text in files[part].items():
            path = tree_of(root, part, places) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (root / REG).write_bytes(print_reg(values, view))
    (root / "pobackup-site.ini").write_text("[trees]\n" + "".join(f"{part} = {tree_of(root, part, places)}\n" for part in TREES) +
                                            "[places]\n" + "".join(f"{part} = {place}\n" for part, place in places.items()))


def files_of(root, places):
    trees = {part: tree_of(root, part, places) for part in TREES}
    return {part: {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()} for part, tree in trees.items()}


def run(state, *arguments, code=0):
    done = subprocess.run([PROGRAM, *map(str, arguments), "--json"], env={**os.environ, "POBACKUP_STATE_DIR": str(state)}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    if done.returncode != code:
        raise AssertionError(f"exit code {done.returncode}: {arguments}\n{done.stdout.decode()}\n{done.stderr.decode()}")
    return json.loads(done.stdout)


def check_counts(plan, here, there, places, is_exact):
    """The plan's figures are the model's, and every rewrite is told with both texts."""
    lower = {(key.lower(), name.lower()): value for (key, name), value in here.items()}
    after = {(key.lower(), name.lower()): rewritten(value, places) for (key, name), value in there.items()}
    only_here = sum(name not in after for name in lower)
    told = plan["registry"]
    expected = {"added": sum(name not in lower for name in after), "changed": sum(name in lower and lower[name] != after[name] for name in after),
                "left": 0 if is_exact else only_here, "removed": only_here if is_exact else 0,
                "rewritten": sum(rewritten(value, places) != value for value in there.values())}
    assert {name: told[name] for name in expected} == expected, (told, expected)
    for value in told["values"]:
        if value["what"] == "rewritten":
            key = value["key"].split("Post.Office", 1)[1].lstrip("\\"), value["name"]
            kind, data = there[key]
            assert value["before"] == (" | ".join(data) if kind == "multi" else data), value
            kind, data = rewritten(there[key], places)
            assert value["after"] == (" | ".join(data) if kind == "multi" else data), value
    holds = {value["name"] for value in told["values"] if value["what"] == "old_place"}
    assert holds == ({"Raw", "Similar"} if places is not DEFAULT else set()), holds


def one(top, archive, view, places, is_exact_registry, is_exact, parts):
    site, state = top / "site", top / "state"
    for path in top.glob("drive-*"):
        shutil.rmtree(path)
    for path in site, state:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    make_site(site, SITE_VALUES, view, SITE_FILES, places)
    raw = (site / REG).read_bytes()
    arguments = [archive, f"--site=folder:{site}", "--only=" + ",".join(parts), f"--registry={'exact' if is_exact_registry else 'merge'}"]
    if is_exact:
        arguments.append("--exact")
    check_counts(run(state, "restore", *arguments, "--dry-run"), SITE_VALUES, SET_VALUES, places, is_exact_registry)
    assert files_of(site, places) == SITE_FILES and (site / REG).read_bytes() == raw
    check_counts(run(state, "restore", *arguments, "--yes"), SITE_VALUES, SET_VALUES, places, is_exact_registry)
    wanted = expected_values(SITE_VALUES, SET_VALUES, places, is_exact_registry)
    found = parse_reg((site / REG).read_bytes(), view)
    assert found == wanted, (found, wanted)
    files = {part: {**({} if is_exact else SITE_FILES[part]), **SET_FILES[part]} if part in parts else SITE_FILES[part] for part in TREES}
    assert files_of(site, places) == files, (files_of(site, places), files)
    run(state, "undo", f"--site=folder:{site}", "--yes")
    assert files_of(site, places) == SITE_FILES and (site / REG).read_bytes() == raw


def main():
    with tempfile.TemporaryDirectory(prefix="pobackup-matrix-") as name:
        top = pathlib.Path(name)
        archives = {}
        for view in KEY:
            source = top / view
            source.mkdir()
            make_site(source, SET_VALUES, view, SET_FILES, DEFAULT)
            archives[view] = top / f"{view}.tar.zst"
            run(top / "state", "backup", f"--site=folder:{source}", "-o", archives[view], "--allow-same-volume")
        count = 0
        for set_view, view, places, registry, files, parts in itertools.product(
                KEY, KEY, (DEFAULT, MOVED), (False, True), (False, True), (("registry", "bin", "spool", "mailbox"), ("registry", "mailbox"))):
            try:
                one(top, archives[set_view], view, places, registry, files, parts)
            except AssertionError:
                print(f"set {set_view}, site {view}, {'moved' if places is MOVED else 'default'} places, exact registry {registry}, exact files {files}, {parts}")
                raise
            count += 1
        print(f"{count} restores, each as the model says, and taken back")


main()
