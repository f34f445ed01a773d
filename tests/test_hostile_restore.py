#!/usr/bin/env python3
"""Archives with hostile names, restored, restored exactly and extracted: nothing outside the targets changes, and the program ends in order.

    test_hostile_restore.py POBACKUP WRAP_ENTRIES [--every N] [PACK]

The names are our own, and those of all tar files in PACK (../shared/testdata/tar.tar.zst beside the project; without it, only our own);
of these every Nth, where the program is slow (sanitizers). Each list becomes two archives: the names as they are, and below the mailbox.
"""
import io
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

EVERY = 1
if "--every" in sys.argv:
    at = sys.argv.index("--every")
    EVERY = int(sys.argv[at + 1])
    del sys.argv[at:at + 2]
PROGRAM, WRAP = map(os.path.abspath, sys.argv[1:3])
PACK = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else pathlib.Path(__file__).resolve().parents[2] / "shared" / "testdata" / "tar.tar.zst")
BOX, SPOOL = "Post.OfficemailboxBackup", "Post.OfficeConfigBackup"
LONG = "n" * 255

OURS = {
    "parents": [("f", "../escaped"), ("f", "a/../../escaped"), ("f", "a/../b"), ("d", ".."), ("f", ".."), ("f", "."), ("f", "a/./b"), ("f", "a//b")],
    "absolute": [("f", "/tmp/pobackup-hostile-absolute"), ("l", "/tmp/pobackup-hostile-link", "x"), ("f", "//server/share/x")],
    "drives": [("f", "C:/Windows/x"), ("f", "C:x"), ("f", "a:stream"), ("f", "\\\\server\\share"), ("f", "a\\..\\..\\b"), ("f", "..\\escaped")],
    "devices": [("f", name) for name in ("NUL", "con", "aux.txt", "COM1", "lpt9.x", "a/PRN/b")],
    "ends": [("f", "dot."), ("f", "space "), ("d", "dir. "), ("f", "tab\t"), ("f", "new\nline"), ("f", "\x01\x7f"), ("f", LONG), ("f", LONG + "x")],
    "link, then through it": [("l", "out", ".."), ("f", "out/escaped"), ("d", "out/escaped-dir")],
    "absolute link, then through it": [("l", "tmp", "/tmp"), ("f", "tmp/pobackup-hostile-through")],
    "link to what is beside": [("l", "up", "../../canary"), ("f", "up")],
    "link of links": [("l", "a", "b"), ("l", "b", "a"), ("f", "a/x"), ("l", "c", "c")],
    "hard links out": [("h", "passwd", "/etc/passwd"), ("h", "canary", "../../canary"), ("h", "itself", "itself"), ("h", "none", "not there")],
    "hard link to a link": [("l", "out", "../../canary"), ("h", "hard", "out"), ("f", "out")],
    "case": [("f", "Name"), ("f", "name"), ("d", "NAME")],
    "file and directory": [("f", "a"), ("f", "a/b"), ("d", "a")],
    "our own names": [("f", ".pobackup-stage-20260101T000000Z/x"), ("f", ".pobackup-set-aside-20260101T000000Z"), ("f", ".pobackup-new-00000001")],
    "not UTF-8": [("f", b"\xff\xfe"), ("f", b"\xed\xa0\x80"), ("l", b"\xff", b"\xfe/../..")],
    "deep": [("f", "d/" * 300 + "x"), ("f", "/".join([LONG] * 15))],
}


def raw(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def entries_of(blob):
    """What Python's reader finds in a tar before it gives up: names and kinds are what counts here."""
    found = []
    try:
        with tarfile.open(fileobj=io.BytesIO(blob), errorlevel=0, encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                if member.issym() or member.islnk():
                    found.append(("l" if member.issym() else "h", member.name, member.linkname))
                elif member.isdir():
                    found.append(("d", member.name))
                else:
                    found.append(("f", member.name))
                if len(found) == 200:
                    break
    except (tarfile.TarError, ValueError, OSError, EOFError, UnicodeError, IndexError):
        pass
    return found


def foreign():
    """Lists by the name of their tar file."""
    if not PACK.exists():
        print(f"skipped: there is no {PACK}")
        return {}
    blob = subprocess.run(["zstd", "-dcq", PACK], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        return {member.name: entries_of(tar.extractfile(member).read()) for member in tar if member.isfile()}


def wrap(path, entries, below):
    """How many of them the format has."""
    lines = [b"d %s -\n" % tree.encode().hex().encode() for tree in (SPOOL, BOX)]
    for kind, name, *target in entries:
        name = raw(name)
        if below:
            name = BOX.encode() + b"/" + name
        text = raw(target[0]) if target else b"hostile"
        if below and kind == "h" and target and not text.startswith((b"/", b"..")):
            text = BOX.encode() + b"/" + text
        lines.append(b"%s %s %s\n" % (kind.encode(), name.hex().encode() or b"-", text.hex().encode() or b"-"))
    done = subprocess.run([WRAP, path], input=b"".join(lines), stdout=subprocess.PIPE, check=False, timeout=60)
    answers = done.stdout.splitlines()
    return answers.count(b"ok") - 2 if done.returncode == 0 else -1


def picture(top, *but):
    """Every node below, but what lies in the given folders; times of what is not ours to change."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(top)):
        if folder in but:
            directories.clear()
            continue
        for name in directories + files:
            path = os.path.join(folder, name)
            if path in but:
                continue
            info = os.lstat(path)
            found[path] = (stat.S_IFMT(info.st_mode), info.st_mode, info.st_nlink if stat.S_ISREG(info.st_mode) else 0,
                           os.readlink(path) if stat.S_ISLNK(info.st_mode) else open(path, "rb").read() if stat.S_ISREG(info.st_mode) else b"")
    return found


def make_top(top):
    shutil.rmtree(top, ignore_errors=True)
    site = top / "site"
    for tree in BOX, SPOOL:
        (site / tree / "user01").mkdir(parents=True)
        (site / tree / "user01" / "old").write_text("old")
    (site / "pobackup-site.ini").write_text("[trees]\nregistry = none\nbin = none\n")
    (top / "canary").write_text("canary")
    (top / "out").mkdir()
    return site


def check(name, top, archive, verb, absolute):
    site = make_top(top)
    state = top / "state"
    targets = [os.fsencode(site / BOX), os.fsencode(site / SPOOL), os.fsencode(top / "out"), os.fsencode(state)]
    arguments = {"restore": ["restore", archive, "--site", f"folder:{site}", "--only=spool,mailbox", "--yes"],
                 "exact": ["restore", archive, "--site", f"folder:{site}", "--only=spool,mailbox", "--exact", "--yes"],
                 "extract": ["extract", archive, "-C", top / "out"]}[verb]
    before, there = picture(top, *targets), [os.path.lexists(path) for path in absolute]
    done = subprocess.run([PROGRAM, *map(str, arguments)], env={**os.environ, "POBACKUP_STATE_DIR": str(state)}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode in (0, 1, 2, 4), (name, verb, done.returncode, done.stderr[-1000:])
    # What is set aside or was staged lies beside the trees, in the site's folder.
    after = {path: what for path, what in picture(top, *targets).items() if os.sep.encode() + b".pobackup-" not in path}
    assert after == before, (name, verb, {path for path in {**before, **after} if before.get(path) != after.get(path)}, done.stderr[-1000:])
    assert [os.path.lexists(path) for path in absolute] == there, (name, verb, absolute)
    assert not [path for path in os.listdir(site) if path.startswith(".pobackup-stage")], (name, verb, done.stderr[-1000:])
    return done.returncode


def main():
    lists = {**OURS, **dict(list(foreign().items())[::EVERY])}
    codes, names, refused = {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="pobackup-hostile-") as folder:
        archive = pathlib.Path(folder) / "a.tar.zst"
        for name, entries in lists.items():
            absolute = [raw(entry[1]) for entry in entries if raw(entry[1]).startswith(b"/") and b"\0" not in raw(entry[1])]
            absolute += [b"/tmp/pobackup-hostile-through"]
            for below in (True, False):
                names += len(entries)
                # Two of a name, or a link to nothing, are no archive: then each name is one of its own.
                parts = [entries] if wrap(archive, entries, below) >= 0 else [[entry] for entry in entries]
                for part in parts:
                    count = wrap(archive, part, below)
                    refused += len(part) - max(count, 0)
                    if count <= 0:
                        continue
                    for verb in "restore", "exact", "extract":
                        code = check(name, pathlib.Path(folder) / "top", archive, verb, absolute)
                        codes[code] = codes.get(code, 0) + 1
    print(f"{len(lists)} lists, {names} names, of which the format has not {refused}; "
          f"{sum(codes.values())} runs, by exit code {dict(sorted(codes.items()))}: nothing outside the targets changed")
    assert codes.get(0) and codes.get(1), "nothing was restored, or nothing was refused: that is no test"


main()
