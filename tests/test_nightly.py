#!/usr/bin/env python3
"""Backups into a vault, night after night: what builds on what, and what comes back of it.

    test_nightly.py POBACKUP

The site is made once and left alone for 31 seconds, so that its files are old enough to be taken for unchanged.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
TREES = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
REGISTRY = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"V\"=\"1\"\r\n"
INI = """[service:mta]
start = touch mta
stop = rm -f mta
status = test -e mta || exit 3
"""
FILES = 300
SETTLED = 31


def scan(top):
    """Every file, directory and link below the trees: kind, time, content."""
    found = {}
    for tree in TREES:
        for path in sorted((top / tree).rglob("*")):
            name = str(path.relative_to(top))
            info = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[name] = (path.is_dir(), info.st_mtime_ns // 100, content)
    return found


class Nightly(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-nightly-"))
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.made = cls.top / "made"
        rng = random.Random(5)
        for tree in TREES:
            (cls.made / tree).mkdir(parents=True)
        (cls.made / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.encode("utf-16-le"))
        (cls.made / "pobackup-site.ini").write_text(INI)
        for number in range(FILES):
            box = cls.made / TREES[2] / f"user{number % 12:02}"
            box.mkdir(exist_ok=True)
            (box / f"{number}.MSG").write_bytes(rng.randbytes(rng.randrange(200, 9000)))
        (cls.made / TREES[2] / "large").write_bytes(rng.randbytes(2_000_000))
        (cls.made / TREES[1] / "control").write_text("control")
        (cls.made / TREES[0] / "program").write_bytes(rng.randbytes(5000))
        os.link(cls.made / TREES[2] / "large", cls.made / TREES[2] / "large-too")
        # Each test has a site of its own, as old.
        cls.sites = [cls.top / f"site{number}" for number in range(26)]
        for site in cls.sites:
            shutil.copytree(cls.made, site)
            (site / TREES[2] / "large-too").unlink()
            os.link(site / TREES[2] / "large", site / TREES[2] / "large-too")
            (site / "mta").touch()
        time.sleep(SETTLED)

    def setUp(self):
        self.site = self.sites.pop()
        self.dir = self.top / self.id().rsplit(".", 1)[-1]
        self.dir.mkdir()
        self.vault, self.state = self.dir / "vault", self.dir / "state"
        self.vault.mkdir()
        self.arg = f"--site=folder:{self.site}"
        self.mail = self.site / TREES[2]

    def run_it(self, *words, code=0, says=None):
        done = subprocess.run([PROGRAM, *map(str, words)], env={**os.environ, "POBACKUP_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, text)
        if says is not None:
            self.assertIn(says, text + done.stdout.decode(errors="replace"))
        return done

    def backup(self, *options, **expected):
        """The result, and the new archive's path."""
        before = set(self.vault.glob("*.zst"))
        if before:
            time.sleep(1.05)  # the name has seconds
        done = self.run_it("backup", self.arg, "-o", self.vault, "--allow-same-volume", "--json", *options, **expected)
        (archive,) = set(self.vault.glob("*.zst")) - before
        result = json.loads(done.stdout)
        self.assertEqual(result["path"], str(archive))
        self.assertEqual(result["kind"], "diff" if "-diff." in archive.name else "full")
        self.run_it("verify", archive)
        return result, archive

    def change(self):
        """What a day brings."""
        (self.mail / "user00" / "new.MSG").write_text("new")
        (self.mail / "user01" / "1.MSG").write_text("rewritten")
        (self.mail / "user02" / "2.MSG").unlink()
        (self.mail / "user03" / "3.MSG").rename(self.mail / "user03" / "moved.MSG")
        (self.site / TREES[1] / "control").write_text("another")

    def assert_extracts(self, archive, wanted):
        out = self.dir / f"out-{time.monotonic_ns()}"
        self.run_it("extract", archive, "-C", out)
        self.assertEqual(scan(out), wanted)

    def test_the_second_night_has_only_what_changed(self):
        first, full = self.backup()
        self.assertEqual((first["kind"], first["parent"]), ("full", None))
        self.change()
        wanted = scan(self.site)
        second, diff = self.backup()
        self.assertEqual((second["kind"], second["parent"]), ("diff", full.name))
        self.assertEqual(second["files_new"], 5)  # new, rewritten, moved, control, the registry
        self.assertEqual(second["files"], first["files"])
        self.assertLess(diff.stat().st_size * 10, full.stat().st_size)
        self.assertGreater(second["outage_seconds"], 0)
        self.assert_extracts(diff, wanted)
        self.run_it("diff", diff, self.arg)
        self.assertEqual(self.run_it("cat", diff, f"{TREES[2]}/large").stdout, (self.mail / "large").read_bytes())
        self.assertEqual(self.run_it("cat", diff, f"{TREES[2]}/large-too").stdout, (self.mail / "large").read_bytes())
        self.run_it("diff", full, diff, code=1, says="changed")
        listed = json.loads(self.run_it("list", "--json", diff).stdout)["entries"]
        self.assertEqual({entry["path"] for entry in listed if entry["source"] == 0 and entry["type"] == "file"} - {"pobackup/manifest.json", "pobackup/summary.json"},
                         {f"{TREES[2]}/user00/new.MSG", f"{TREES[2]}/user01/1.MSG", f"{TREES[2]}/user03/moved.MSG", f"{TREES[1]}/control",
                          "Post.OfficeRegKeyBackup.reg"})

    def test_stock_tools_and_the_other_reader_open_it(self):
        _, full = self.backup()
        self.change()
        wanted = scan(self.site)
        _, diff = self.backup()
        out = self.dir / "stock"
        out.mkdir()
        for archive in full, diff:
            subprocess.run(f"zstd -dc '{archive}' | tar -C '{out}' -xf -", shell=True, check=True)
        got = scan(out)
        for name, (is_dir, moment, content) in wanted.items():
            if not is_dir:
                self.assertEqual(got[name], (False, moment, content), name)
        # What was removed since stays, as the format says.
        self.assertEqual({name for name in set(got) - set(wanted)}, {f"{TREES[2]}/user02/2.MSG", f"{TREES[2]}/user03/3.MSG"})
        reader = pathlib.Path(__file__).resolve().parent.parent / "format-spec" / "reader.py"
        subprocess.run([sys.executable, reader, "verify", diff], check=True, stdout=subprocess.DEVNULL)

    def test_a_restore_takes_both(self):
        _, full = self.backup()
        self.change()
        wanted = scan(self.site)
        _, diff = self.backup()
        shutil.rmtree(self.mail)
        (self.site / TREES[1] / "control").write_text("lost")
        (self.site / TREES[1] / "more").write_text("came since")
        before = scan(self.site)
        self.run_it("restore", diff, self.arg, "--yes", "--only=registry,spool,mailbox,bin", "--exact")
        self.assertEqual(scan(self.site), wanted)
        self.run_it("undo", self.arg, "--yes")
        self.assertEqual(scan(self.site), before)
        self.run_it("restore", diff, self.arg, "--yes", f"--path={TREES[2]}/user05/**")
        self.assertEqual({name for name in scan(self.site) if "MSG" in name}, {name for name in wanted if "user05/" in name})
        # A parent that rots is seen before anything is changed.
        content = bytearray(full.read_bytes())
        content[len(content) // 3] ^= 1
        full.write_bytes(content)
        before = scan(self.site)
        self.run_it("restore", diff, self.arg, "--yes", code=4, says="nothing was changed")
        self.assertEqual(scan(self.site), before)

    def test_a_missing_or_another_parent_is_named(self):
        _, full = self.backup()
        self.change()
        wanted = scan(self.site)
        _, diff = self.backup()
        away = self.dir / "away"
        full.rename(away)
        self.run_it("verify", diff, code=1, says=full.name)
        self.run_it("extract", diff, "-C", self.dir / "part", code=1, says=full.name)
        got = scan(self.dir / "part")
        self.assertEqual(got[f"{TREES[2]}/user00/new.MSG"], wanted[f"{TREES[2]}/user00/new.MSG"])
        self.run_it("restore", diff, self.arg, "--yes", code=2, says=full.name)
        self.run_it("cat", diff, f"{TREES[2]}/large", code=2, says=full.name)
        self.run_it("snapshots", self.vault, code=1, says="a parent is not there")
        shutil.copy(diff, full)
        for verb in ("verify", diff), ("extract", diff, "-C", self.dir / "none"), ("restore", diff, self.arg, "--yes"):
            self.run_it(*verb, code=4, says="INDEX-9")
        # The next night does not build on what is not there.
        full.unlink()
        self.assertEqual(self.backup(says="a full is made")[0]["kind"], "full")

    def assert_all_can_be_had(self, diff, wanted):
        """By everybody who needs a parent."""
        self.run_it("verify", diff)
        self.assert_extracts(diff, wanted)
        self.run_it("drill", diff)
        self.assertEqual(self.run_it("cat", diff, f"{TREES[2]}/large").stdout, (self.mail / "large").read_bytes())
        self.run_it("diff", diff, self.arg)
        self.run_it("snapshots", self.vault)
        reader = pathlib.Path(__file__).resolve().parent.parent / "format-spec" / "reader.py"
        done = subprocess.run([sys.executable, reader, "verify", diff], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertNotIn(b"is not here", done.stdout)
        self.run_it("consolidate", self.vault, diff)
        pathlib.Path(str(diff).replace("-diff.", "-full.")).unlink()
        (self.mail / "large").write_text("lost")
        self.run_it("restore", diff, self.arg, "--yes", f"--path={TREES[2]}/large")
        self.assertEqual(scan(self.site)[f"{TREES[2]}/large"], wanted[f"{TREES[2]}/large"])
        self.run_it("status", "--forget", self.arg)

    def test_a_renamed_parent_is_found_by_its_digest(self):
        _, full = self.backup()
        self.change()
        _, first = self.backup("--base=last")
        full.rename(self.vault / "renamed.tar.zst")
        wanted = scan(self.site)
        result, second = self.backup("--base=last")  # which verifies it
        self.assertEqual((result["kind"], result["parent"]), ("diff", first.name))
        self.assert_all_can_be_had(second, wanted)
        self.run_it("verify", first)
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertEqual(len(list(self.vault.glob("*.zst"))), 3)
        # What has the name and is another is refused, wherever the right one lies; nothing is built on that, and it stays.
        shutil.copy(first, full)
        self.run_it("verify", second, code=4, says="INDEX-9")
        self.run_it("snapshots", self.vault, code=1, says="a parent is not there")
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertTrue((self.vault / "renamed.tar.zst").exists())
        (self.vault / "renamed.tar.zst").rename(full)
        self.run_it("verify", second)

    def test_of_copies_the_named_one_is_the_parent(self):
        _, full = self.backup()
        self.change()
        wanted = scan(self.site)
        _, diff = self.backup()
        copy = self.vault / "aaa-copy.tar.zst"
        shutil.copy(full, copy)
        self.run_it("prune", self.vault, "--forget", full.name, "--yes", code=1, says=f"needed by {diff.name}")
        self.run_it("verify", diff)
        # A new one names it, too.
        result, second = self.backup()
        self.assertEqual(result["parent"], full.name)
        second.unlink()
        # The copy is as good.
        full.unlink()
        self.assert_all_can_be_had(diff, wanted)
        self.run_it("prune", self.vault, "--forget", copy.name, "--yes", code=1, says=f"needed by {diff.name}")

    def test_of_copies_that_nobody_names_the_new_base_is_ours(self):
        _, full = self.backup()
        copy = self.vault / "my-copy.tar.zst"
        shutil.copy(full, copy)
        result, diff = self.backup()
        self.assertEqual(result["parent"], full.name)
        self.run_it("prune", self.vault, "--forget", copy.name, "--yes")
        self.assertFalse(copy.exists())
        self.run_it("verify", diff)

    def test_a_chain_builds_on_the_last(self):
        for night in range(4):
            (self.mail / f"night{night}").write_text(str(night))
            result, archive = self.backup("--base=last")
            self.assertEqual(result["kind"], "diff" if night else "full")
            # What came in the last 30 seconds is not taken for unchanged yet.
            self.assertLessEqual(result["files_new"], night + 2 if night else 1000)
        self.assert_extracts(archive, scan(self.site))
        shown = json.loads(self.run_it("show", "--json", archive).stdout)
        self.assertEqual(len(shown["parents"]), 3)
        # And back: on the full, with all that came since.
        result, archive = self.backup("--base=full")
        self.assertEqual(len(json.loads(self.run_it("show", "--json", archive).stdout)["parents"]), 1)
        self.assert_extracts(archive, scan(self.site))

    def test_a_full_comes_when_it_is_asked_for_or_due(self):
        self.backup()
        self.assertEqual(self.backup("--full")[0]["kind"], "full")
        (self.mail / "huge").write_bytes(os.urandom(2_500_000))
        self.assertEqual(self.backup()[0]["kind"], "diff")
        self.assertEqual(self.backup(says="50 %")[0]["kind"], "full")
        (self.mail / "huge").write_bytes(os.urandom(2_500_000))
        self.assertEqual(self.backup("--full-share=0")[0]["kind"], "diff")
        self.assertEqual(self.backup("--full-share=0")[0]["kind"], "diff")

    def test_a_catalog_that_is_lost_or_damaged_is_had_from_the_archive(self):
        self.backup()
        (catalog,) = self.state.glob("*.catalogs/*.catalog")
        for damage in None, b"", b"x" * 500:
            if damage is None:
                catalog.unlink()
            else:
                catalog.write_bytes(damage)
            result, archive = self.backup()
            self.assertEqual((result["kind"], result["files_new"]), ("diff", 1))
        self.assert_extracts(archive, scan(self.site))
        shutil.rmtree(self.state)
        self.assertEqual(self.backup()[0]["kind"], "diff")

    def test_a_full_that_cannot_be_built_on_is_told_and_another_made(self):
        _, full = self.backup()
        shutil.rmtree(self.state)
        # Its end and its manifest are whole, its list is not.
        content = bytearray(full.read_bytes())
        content[len(content) - 5000] ^= 1
        full.write_bytes(content)
        self.run_it("verify", full, code=4)
        self.assertFalse(self.state.exists())  # nobody here knows of the damage
        result, _ = self.backup(says="cannot be built on")
        self.assertEqual(result["kind"], "full")

    def test_other_sites_and_files_do_not_mix(self):
        self.backup()
        other = self.sites.pop()
        time.sleep(1.05)
        done = self.run_it("backup", f"--site=folder:{other}", "-o", self.vault, "--allow-same-volume", "--json")
        self.assertEqual(json.loads(done.stdout)["kind"], "full")
        time.sleep(1.05)
        self.assertEqual(self.backup()[0]["kind"], "diff")
        # A file is a full, whatever lies beside it.
        done = self.run_it("backup", self.arg, "-o", self.vault / "by-name.tar.zst", "--allow-same-volume", "--json")
        self.assertEqual(json.loads(done.stdout)["kind"], "full")

    def test_prune_keeps_what_a_child_needs(self):
        _, full = self.backup()
        (self.mail / "more").write_text("more")
        _, diff = self.backup()
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertEqual({path.name for path in self.vault.glob("*.zst")}, {full.name, diff.name})

    def test_a_drill_restores_and_compares_and_leaves_nothing(self):
        result, full = self.backup("--drill")
        self.assertTrue(result["drill"]["good"])
        self.assertEqual((result["drill"]["digest"], result["drill"]["files"]), (result["digest"], result["files"] + 1))  # and the other name
        self.change()
        wanted = scan(self.site)
        result, diff = self.backup("--drill")
        self.assertNotIn("drill", result)  # after a full alone
        before = scan(self.site)
        self.run_it("drill", diff, "--keep", self.dir / "kept", says="good: it can be restored")
        self.assertEqual(scan(self.dir / "kept"), wanted)
        record = json.loads(self.run_it("drill", diff, "--json").stdout)["drill"]
        self.assertEqual((record["good"], record["faults"], record["kept"], record["registry_parsed"]), (True, [], None, True))
        self.assertEqual(scan(self.site), before)
        self.assertFalse(list(self.state.glob("drill-*")))
        self.run_it("drill", diff, "--keep", self.dir / "kept", code=3, says="not empty")
        self.run_it("snapshots", self.vault, says="deep")
        content = bytearray(diff.read_bytes())
        content[len(content) // 3] ^= 4
        diff.write_bytes(content)
        self.run_it("drill", diff, code=4)
        self.assertFalse(list(self.state.glob("drill-*")))

    def stop_in_drill(self, archive):
        """A drill that stands still in the middle, and its scratch folder."""
        drill = subprocess.Popen([PROGRAM, "drill", archive], env={**os.environ, "POBACKUP_STATE_DIR": str(self.state)}, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (drill.kill(), drill.wait()))
        while drill.poll() is None:
            found = [path for path in self.state.glob("drill-*") if path.is_dir()]
            if found:
                drill.send_signal(signal.SIGSTOP)
                return drill, found[0]
        return self.fail("it was too quick")

    def test_a_drill_shows_its_mail_to_nobody_and_the_next_one_tidies_up(self):
        _, full = self.backup()
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o700)
        drill, scratch = self.stop_in_drill(full)
        self.assertEqual(stat.S_IMODE(scratch.stat().st_mode), 0o700)
        # One that is at work is nobody's business.
        self.assertNotIn(b"cut off", self.run_it("status", self.arg).stderr)
        self.run_it("drill", full)
        self.assertTrue(scratch.exists())
        drill.kill()
        drill.wait()
        self.run_it("status", self.arg, says=f"{scratch} was left by a drill that was cut off")
        self.assertTrue(scratch.exists())
        self.run_it("drill", full, says=f"removed: {scratch}")
        self.assertFalse(list(self.state.glob("drill-*")))
        self.run_it("drill", full, "--keep", self.dir / "kept")
        self.assertEqual(stat.S_IMODE((self.dir / "kept").stat().st_mode), 0o700)

    def test_a_drill_finds_what_no_checksum_does(self):
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"no registry at all")
        time.sleep(1.05)
        self.run_it("backup", self.arg, "-o", self.dir / "a.tar.zst", "--allow-same-volume", code=1)
        self.run_it("drill", self.dir / "a.tar.zst", code=1, says="not good")

    def test_before_an_upgrade(self):
        registry = (REGISTRY + "\"NameServers\"=\"192.0.2.1 192.0.2.2\"\r\n\"LicenseNumber\"=\"PO42-1\"\r\n\"AdminPassword\"=\"hidden\"\r\n"
                    "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office\\LDAP]\r\n\"Allow\"=dword:0000002a\r\n"
                    "\"Password\"=\"hidden too\"\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office\\Accounts\\7]\r\n"
                    "\"Address\"=\"qjspam@example.jp\"\r\n")
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + registry.encode("utf-16-le"))
        self.backup()
        time.sleep(1.05)
        done = self.run_it("pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume", "--json")
        result = json.loads(done.stdout)
        archive = pathlib.Path(result["path"])
        self.assertEqual((result["kind"], result["drill"]["good"]), ("full", True))
        found = {item["id"]: {(value["name"], value["data"]) for value in item["values"]} for item in result["checklist"]}
        self.assertEqual(found["dns"], {("NameServers", "192.0.2.1 192.0.2.2")})
        self.assertEqual(found["licence"], {("LicenseNumber", "PO42-1")})
        self.assertEqual(found["ldap"], {("Allow", "42")})
        self.assertEqual(found["quattroj"], {("Address", "qjspam@example.jp")})
        self.assertEqual(found["https"], set())
        text = pathlib.Path(f"{archive}.checklist.txt").read_text()
        self.assertIn("192.0.2.1 192.0.2.2", text)
        self.assertIn("not recognised: note it by hand from web administration, [System Configuration], [SSL Settings]", text)
        self.assertNotIn("hidden", text + done.stdout.decode() + done.stderr.decode())
        # It stays, whatever the rules say, until there is a newer one of its kind; then it goes with its list.
        for _ in range(2):
            self.backup("--full", "--keep-last=1")
        self.assertTrue(archive.exists())
        time.sleep(1.05)
        done = self.run_it("pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume")
        (text,) = (path.read_text() for path in self.vault.glob("*.checklist.txt") if not path.name.startswith(archive.name))
        self.assertIn(text, done.stderr.decode())  # line by line
        self.assertNotIn("\\n", done.stderr.decode())
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertFalse(archive.exists() or pathlib.Path(f"{archive}.checklist.txt").exists())
        # req: U4
        self.change()
        newest = sorted(self.vault.glob("*-full.tar.zst"))[-1]
        self.run_it("diff", newest, self.arg, code=1, says="1.MSG")

    def status(self, *options, **expected):
        return json.loads(self.run_it("status", self.arg, "--json", *options, **expected).stdout)

    def test_an_empty_mailbox_is_no_good_backup(self):
        _, full = self.backup()
        self.mail.rename(self.dir / "mail")
        self.mail.mkdir()
        for _ in range(2):
            result, archive = self.backup(code=1, says=f"the mailbox has no file, and had {FILES + 1} files in the last good backup")
            self.assertIn("the mailbox has no file", result["shrunk"])
            self.assertEqual(self.status("--max-age=1")["last_backup"]["path"], str(full))
        self.run_it("snapshots", self.vault, says="[incomplete]")
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertTrue(full.exists() and archive.exists())
        result, archive = self.backup("--allow-shrink")
        self.assertIsNone(result["shrunk"])
        self.assertEqual(self.status()["last_backup"]["path"], str(archive))
        self.backup()
        # What comes back is good, and from then on it is what is compared with.
        self.mail.rmdir()
        (self.dir / "mail").rename(self.mail)
        _, good = self.backup()
        for number in range(FILES * 3 // 5):
            (self.mail / f"user{number % 12:02}" / f"{number}.MSG").unlink()
        self.backup(code=1, says="are less than half of the last good backup")
        self.assertEqual(self.status()["last_backup"]["path"], str(good))

    def test_what_was_made_before_an_upgrade_is_a_backup(self):
        done = self.run_it("pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume", "--json")
        path = json.loads(done.stdout)["path"]
        status = self.status("--max-age=1")
        self.assertEqual((status["last_backup"]["path"], status["last_verified"]["path"]), (path, path))
        self.run_it("status", self.arg, says="last verified backup: ")
        checks = {check["id"]: check["state"] for check in json.loads(self.run_it("doctor", self.arg, "--json", code=1).stdout)["checks"]}
        self.assertEqual((checks["backup"], checks["verified"]), ("good", "good"))

    def test_a_differential_without_its_full_is_no_good_backup(self):
        _, full = self.backup()
        _, diff = self.backup()
        self.assertEqual(self.status("--max-age=1")["last_backup"]["path"], str(diff))
        full.rename(self.vault / "renamed.tar.zst")
        self.status("--max-age=1")
        (self.vault / "renamed.tar.zst").rename(self.dir / "away")
        self.status("--max-age=1", code=1)
        self.run_it("status", self.arg, "--max-age=1", code=1, says="what it builds on is not beside it")
        # A full that was made of it stands for it.
        (self.dir / "away").rename(full)
        self.run_it("consolidate", self.vault, diff)
        diff.unlink()
        full.unlink()
        status = self.status("--max-age=1")
        self.assertEqual((status["last_backup"]["verb"], status["last_backup_gone"]), ("consolidate", None))

    def test_before_an_upgrade_mailbox_and_spool_have_files(self):
        shutil.rmtree(self.mail)
        self.mail.mkdir()
        (self.site / TREES[1] / "control").unlink()
        words = "pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume"
        done = self.run_it(*words, code=1, says="the mailbox has no file at all")
        self.assertIn(b"the spool has no file at all", done.stderr)
        self.assertIn(b"do not update yet", done.stderr)
        self.assertIsNone(self.status()["last_backup"])
        time.sleep(1.05)
        self.run_it(*words, "--allow-shrink")

    def test_what_is_no_backup_is_not_called_one(self):
        for part in "registry", "spool", "mailbox":
            (self.site / "pobackup-site.ini").write_text(f"[trees]\n{part} = none\n" + INI)
            self.run_it("pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume", code=3, says=f"no {part}")
        self.assertEqual(list(self.vault.glob("*.zst")), [])
        (self.site / "pobackup-site.ini").write_text(INI)
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"no registry at all")
        self.run_it("pre-upgrade", self.arg, "-o", self.vault, "--allow-same-volume", "--for=uninstall", code=1, says="do not uninstall yet")


if __name__ == "__main__":
    unittest.main()
