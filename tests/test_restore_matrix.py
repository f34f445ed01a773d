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
import shutil
import subprocess
import sys
import tempfile

from restore_model import DEFAULT, KEY, MOVED, REG, SET_VALUES, SITE_VALUES, TREES, expected_values, parse_reg, print_reg, rewritten

PROGRAM = os.path.abspath(sys.argv[1])
SET_FILES = {"bin": {"Post.Office.exe": "new", "others/poperms.exe": "p"},
             "spool": {"config": "new", "control/1-Control": "c", "deep/er/file": "f"},
             "mailbox": {"user01/1.msg": "new", "user02/1.msg": "m"}}
SITE_FILES = {"bin": {"Post.Office.exe": "old", "mine.dll": "mine"},
              "spool": {"config": "old", "local/file": "mine"},
              "mailbox": {"user01/1.msg": "old", "user01/9.msg": "mine", "user03/1.msg": "mine"}}


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
