#!/usr/bin/env python3
"""What the next run makes of the note of an outage, when nobody was left to bring the services back. # req: B7

    test_outage.py POBACKUP

A stop command kills the run and its guardian: what is left is what a power cut leaves.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
TREES = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
REGISTRY = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"V\"=\"1\"\r\n"
SERVICE = """[service:{name}]
start = test ! -e broken-{name} && touch {name}
stop = rm -f {name}{more}
status = test -e {name} || exit 3
stop-timeout = 3
start-timeout = 3
"""
# What the guardian was started with.
LOOK = "; tr '\\0' ' ' </proc/$(pgrep -f '[g]uardian --site folder:{site}')/cmdline >arguments"
KILL = "; if test -e kill; then rm kill; kill -KILL $(pgrep -f '[g]uardian --site folder:{site}$') $PPID; fi"


class Outage(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-outage-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.site, self.state = self.top / "site", self.top / "state"
        for tree in TREES:
            (self.site / tree).mkdir(parents=True)
        (self.site / TREES[2] / "1.MSG").write_text("mail")
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.encode("utf-16-le"))
        self.set_services("mta", "puf")
        self.count = 0

    def set_services(self, *names, hook=KILL):
        """Those of the site's file; the last is stopped first, and kills."""
        text = ""
        for name in names:
            text += SERVICE.format(name=name, more=hook.format(site=self.site) if name == names[0] else "")
        (self.site / "pobackup-site.ini").write_text(text)

    def run_it(self, *words, code=0, says=()):
        done = subprocess.run([PROGRAM, *map(str, words), f"--site=folder:{self.site}"],
                              env={**os.environ, "POBACKUP_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        text = done.stderr.decode() + done.stdout.decode()
        self.assertEqual(done.returncode, code, text)
        for words_said in says:
            self.assertIn(words_said, text)
        return text

    def backup(self, **expected):
        self.count += 1
        return self.run_it("backup", "-o", self.top / f"{self.count}.tar.zst", "--allow-same-volume", **expected)

    def running(self):
        return {name for name in ("mta", "puf", "web") if (self.site / name).exists()}

    def cut_off(self, *running):
        """A run that is killed while services are stopped: its note."""
        for name in running:
            (self.site / name).touch()
        (self.site / "kill").touch()
        self.backup(code=-9)
        self.assertEqual(self.running(), set())
        (note,) = self.state.glob("*.outage")
        return note

    def test_the_guardian_is_told_of_every_service(self):
        (self.site / "mta").touch()
        self.set_services("mta", "puf", hook=LOOK)
        options = [f"--service=service{number}" for number in range(40)]
        self.run_it("backup", "-o", self.top / "a.tar.zst", "--allow-same-volume", *options)
        said = (self.site / "arguments").read_text()
        for number in range(40):
            self.assertIn(f" --service service{number} ", said)

    def test_what_the_note_names_is_started_and_no_more(self):
        note = self.cut_off("mta")
        self.backup(says=["cut off while services were stopped"])
        self.assertEqual(self.running(), {"mta"})
        self.assertFalse(note.exists())

    def test_after_a_note_of_zeros_all_services_are_started_and_named(self):
        for verb in "backup", "status":
            note = self.cut_off("mta", "puf")
            note.write_bytes(bytes(note.stat().st_size))
            text = self.backup(says=["cannot be told", "mta, puf"]) if verb == "backup" else self.run_it("status", says=["cannot be told", "mta, puf"])
            self.assertNotIn("stays stopped", text)
            self.assertEqual(self.running(), {"mta", "puf"})
            self.assertFalse(note.exists())

    def test_neither_a_foreign_note_nor_one_without_a_whole_record_is_taken_for_none(self):
        for damage in (lambda content: content.replace(b"journal 1", b"journal 2"), lambda content: content[:25],
                       lambda content: content[:19] + b"\xff" + content[20:]):
            note = self.cut_off("mta", "puf")
            note.write_bytes(damage(note.read_bytes()))
            self.backup(says=["cannot be told", "mta, puf"])
            self.assertEqual(self.running(), {"mta", "puf"})
            self.assertFalse(note.exists())

    def test_a_note_that_was_made_ready_and_names_nothing_is_no_outage(self):
        """Cut off before the first service was asked to stop."""
        note = self.cut_off("mta", "puf")
        note.write_bytes(note.read_bytes()[:len("pobackup journal 1\n")])
        (self.site / "mta").touch()
        text = self.backup()
        self.assertNotIn("cut off while", text)
        self.assertNotIn("cannot be told", text)
        self.assertEqual(self.running(), {"mta"})
        self.assertFalse(note.exists())

    def test_a_note_that_cannot_be_made_is_told_once_and_the_services_come_back(self):
        (self.site / "mta").touch()
        self.backup()
        (lock,) = self.state.glob("site-*.lock")
        note = lock.with_suffix(".outage")
        path = self.site / "pobackup-site.ini"
        path.write_text(path.read_text().replace("status = ", f"status = mkdir -p '{note}'; "))
        text = self.backup(says=["nothing would start the services after a power cut"])
        self.assertEqual(text.count("after a power cut"), 1)
        self.assertEqual(self.running(), {"mta"})

    def test_a_cut_tail_leaves_the_good_records(self):
        note = self.cut_off("mta")
        note.write_bytes(note.read_bytes() + bytes(7))
        self.backup(says=["cut off while services were stopped"])
        self.assertEqual(self.running(), {"mta"})
        self.assertFalse(note.exists())

    def test_a_note_that_cannot_be_read_stays_until_all_services_run(self):
        note = self.cut_off("mta", "puf")
        note.write_bytes(bytes(note.stat().st_size))
        (self.site / "broken-puf").touch()
        for _ in range(2):
            self.backup(code=5, says=["puf"])
            self.assertEqual(self.running(), {"mta"})
            self.assertTrue(note.exists())
        self.run_it("status", code=5)
        (self.site / "broken-puf").unlink()
        self.run_it("status")
        self.assertEqual(self.running(), {"mta", "puf"})
        self.assertFalse(note.exists())

    def test_a_note_that_cannot_be_read_goes_when_all_run(self):
        note = self.cut_off("mta", "puf")
        note.write_bytes(bytes(note.stat().st_size))
        for name in "mta", "puf":
            (self.site / name).touch()
        self.backup(says=["cannot be told"])
        self.assertFalse(note.exists())

    def test_a_service_that_the_site_has_no_more_is_no_success(self):
        note = self.cut_off("mta", "puf")
        self.set_services("web")
        for _ in range(2):
            self.backup(code=5, says=["mta", "puf", "no such service", "status --forget"])
            self.assertTrue(note.exists())
        # The runs between stopped and started what there is: nothing of it is left in the note.
        (self.site / "web").touch()
        self.backup(code=5, says=["mta", "puf"])
        self.assertEqual(self.running(), {"web"})
        (self.site / "web").unlink()
        self.run_it("status", code=5, says=["no such service"])
        self.assertEqual(self.running(), set())
        self.run_it("status", "--forget", says=["forgotten"])
        self.assertFalse(note.exists())
        self.run_it("status")

    def test_what_the_site_still_has_is_started_all_the_same(self):
        note = self.cut_off("mta", "puf")
        self.set_services("puf")
        self.backup(code=5, says=["mta: the site has no such service"])
        self.assertEqual(self.running(), {"puf"})
        self.assertTrue(note.exists())
        # The name is back.
        self.set_services("mta", "puf")
        self.run_it("status")
        self.assertEqual(self.running(), {"mta", "puf"})
        self.assertFalse(note.exists())


if __name__ == "__main__":
    unittest.main()
