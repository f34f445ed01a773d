#!/usr/bin/env python3
"""`schedule` with a crontab and a systemctl of the test's own: what they are given works, and what is not ours stays.

    test_schedule.py PROGRAM [unittest's arguments]
"""

import os
import re
import shutil
import subprocess
import unittest

import test_cli
from test_cli import PROGRAM, run

CRONTAB = """#!/bin/sh
# The table is the file "table". With "broken" there, writing fails; with "lossy", it loses a byte.
cd "$(dirname "$0")/../state" || exit 9
case $1 in
-l) test -e table || { echo "no crontab for somebody" >&2; exit 1; }
    test -e unreadable && { echo "cannot read it" >&2; exit 1; }
    echo "a warning" >&2
    cat table ;;
-) test -e broken && { echo "cannot write it" >&2; exit 1; }
   cat >table
   test -e lossy && truncate -s -2 table
   exit 0 ;;
*) exit 9 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
# Notes what it is told. With a file "fails-VERB" there, that verb fails.
cd "$(dirname "$0")/../state" || exit 9
echo "$*" >>log
test "$1" != --user || shift
test ! -e "fails-$1" && exit 0
test ! -s "fails-$1" || rm "fails-$1"
echo "cannot $1 it" >&2
exit 1
"""
ODD = "odd 100% of $HOME it's \"q\" \\ J\u00fcrgen"


class Base(test_cli.Base):
    scheduler = None

    def setUp(self):
        super().setUp()
        tools, self.state = self.dir / "tools", self.dir / "state"
        for directory in tools, self.state:
            directory.mkdir()
        for name, text in ("crontab", CRONTAB), ("systemctl", SYSTEMCTL):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.units = self.dir / "units"
        self.set("PATH", f"{tools}:{os.environ['PATH']}")
        self.set("POBACKUP_SCHEDULER", self.scheduler)
        self.set("POBACKUP_UNIT_DIR", str(self.units))
        self.vault = self.dir / "vault"
        self.vault.mkdir()

    def set(self, name, value):
        old = os.environ.get(name)
        os.environ[name] = value
        self.addCleanup(lambda: os.environ.__setitem__(name, old) if old is not None else os.environ.pop(name))

    def add(self, *options, code=0, says=None, **more):
        return self.check(run("schedule", "add", *options, **more), code, says)

    def jobs(self):
        return self.check(run("schedule", "list", "--json"), 0).json["jobs"]

    def odd(self):
        """A site, a vault and a log of odd names, and the options for them."""
        site = self.new_site(ODD)
        vault, log = self.dir / f"vault {ODD}", self.dir / f"log {ODD}"
        return vault, log, [f"--site=folder:{site.root}", "-o", f"{vault}/", f"--log={log}", "--exclude=**/*%d$PATH'.tmp",
                            "--allow-same-volume"]

    def assert_ran(self, done, vault, log):
        self.assertEqual((done.returncode, done.stdout, done.stderr.replace(b"stays stopped", b"").count(b"\n")), (0, b"", 2))
        (archive,) = vault.glob("*.tar.zst")
        self.check(run("verify", archive), 0)
        self.assertIn("backup: end: exit code 0", log.read_text())


class Replacing:
    """With each scheduler that tells what a job does."""

    def test_another_sites_job_is_replaced_only_by_its_name(self):
        other = self.new_site("other 100% $x it's")
        config = self.dir / "c.ini"
        config.write_text(f"site = folder:{other.root}\n")
        self.add(self.arg, "-o", self.vault, "--at=02:05")
        before = self.jobs()
        for site in f"--site=folder:{other.root}", f"--config={config}":
            done = self.add(site, "-o", self.vault, "--at=03:05", code=3, says="give another --name")
            self.assertIn(f"folder:{self.site.root}", done.text)
            self.assertIn(f"folder:{other.root}", done.text)
            self.assertEqual(self.jobs(), before)
        self.add(f"--config={config}", "-o", self.vault, "--at=03:05", "--name=backup", says="replaced: backup, which was for ")
        # The same site, however it is given: replaced, and told.
        self.add(f"--site=folder:{other.root}/", "-o", self.vault, "--at=04:05", says="replaced: backup, ")
        self.add(self.arg, "-o", self.vault, "--at=04:05", code=3, says=f"folder:{other.root}")
        self.assertNotIn("replaced", self.add(self.arg, "-o", self.vault, "--at=04:05", "--name=two").text)
        # What the former one was for cannot be told any more.
        self.add(f"--config={config}", "-o", self.vault, "--at=03:05", "--name=backup")
        config.unlink()
        self.add(self.arg, "-o", self.vault, "--at=04:05", code=3, says="give another --name")
        self.add(self.arg, "-o", self.vault, "--at=04:05", "--name=backup", says="replaced: backup")
        self.assertEqual(len(self.jobs()), 2)


class Usage(Base):
    scheduler = "cron"

    def test_what_cannot_work_with_nobody_there_is_refused(self):
        config = self.dir / "c.ini"
        config.write_text("site = folder:relative\n[backup]\noutput = relative/\n")
        good = (self.arg, "-o", f"{self.vault}/", "--at=02:00")
        for options, says in (((self.arg, "-o", f"{self.vault}/"), "--at HH:MM"), ((*good[:3], "--at=24:00"), "--at HH:MM"),
                              ((self.arg, "--at=02:00"), "-o DIR/"), ((self.arg, "-o", "-", "--at=02:00"), "nobody who reads"),
                              ((self.arg, "-o", self.dir / "file", "--at=02:00"), "can be written once"),
                              ((*good, "--dry-run"), "does nothing"), ((*good, "--name=a b"), "--name: "),
                              ((*good, "--name=../x"), "--name: "), ((*good, "--exclude=a\nb"), "control character"),
                              ((*good, "--every=hourly"), "--every: "), ((*good, "--levle=3"), "is --level meant?"),
                              (("--at=02:00", "-o", f"{self.vault}/", "--site=folder:/nonexistent"), "/nonexistent"),
                              (("--at=02:00", "-o", f"{self.vault}/", "--config", config), "is relative"),
                              (("--at=02:00", self.arg, "--config", config), "output = relative/"),
                              ((*good, "--mail-to=nobody"), "--mail-to: ")):
            self.add(*options, code=3, says=says)
        self.assertEqual(os.listdir(self.state), [])
        self.check(run("schedule", "perform"), 3, "schedule add, list or remove")
        self.check(run("schedule"), 3, "something is missing")
        self.set("POBACKUP_SCHEDULER", "another")
        self.check(run("schedule", "list"), 3, "POBACKUP_SCHEDULER")

    def test_a_job_signs_by_a_key_that_nobody_has_to_open(self):
        good = (self.arg, "-o", f"{self.vault}/", "--at=02:00")
        (self.dir / "passphrase").write_text("p\n")
        (self.dir / "passphrase").chmod(0o600)
        self.check(run("keygen", "-o", self.dir / "locked", "--passphrase-file", self.dir / "passphrase"), 0)
        self.check(run("keygen", "-o", self.dir / "bare", "--no-passphrase"), 0)
        self.add(*good, "--sign", self.dir / "locked.key", code=3, says="nobody who types its passphrase")
        self.add(*good, "--sign", self.dir / "none.key", code=2, says="none.key")
        self.assertEqual(os.listdir(self.state), [])
        self.add(*good, "--sign", os.path.relpath(self.dir / "bare.key"))
        self.assertRegex(self.jobs()[0]["command"], r"'--sign=/[^']*/bare\.key'")
        self.add(*good, "--sign", self.dir / "locked.key", "--sign-passphrase-file", self.dir / "passphrase")
        self.assertIn(f"'--sign-passphrase-file={self.dir}/passphrase'", self.jobs()[0]["command"])

    def test_help_and_options_are_those_of_a_backup_too(self):
        self.add("--at=02:00", self.arg, "-o", self.vault, "--level=5", "--threads", "2", "--exclude=a", "--exclude=b", "--no-services")
        self.assertRegex(self.jobs()[0]["command"], r"'--level=5' '--threads=2' '--exclude=a' '--exclude=b' '--no-services'")


class Cron(Replacing, Base):
    scheduler = "cron"

    def table(self):
        return (self.state / "table").read_bytes()

    def perform(self, table):
        """As cron does: behind five fields, with '\\%' for '%'; an unquoted '%' would be a newline."""
        (line,) = [line for line in table.decode().splitlines() if "pobackup" in line]
        command = line.split(" ", 5)[5]
        self.assertIsNone(re.search(r"(?<!\\)%", command))
        return subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def test_the_line_that_is_added_works(self):
        vault, log, options = self.odd()
        done = self.add("--at=02:05", *options)
        self.assertIn("scheduled with cron: backup, daily at 02:05", done.text)
        self.assertIn("note: cron does not make up", done.text)
        self.assertTrue(self.table().startswith(b"5 2 * * * '" + os.fsencode(PROGRAM) + b"' 'backup' '--quiet' '--site=folder:"))
        self.assertTrue(self.table().endswith(b" # pobackup backup\n"))
        self.assert_ran(self.perform(self.table()), vault, log)

    def test_all_other_lines_stay_byte_for_byte(self):
        for others in (b"MAILTO=root\n\n  5 4 * * *\tother %x # pobackup-like \n#5 2 * * * a # pobackup backup\n\xff\n", b"no end"):
            (self.state / "table").write_bytes(others)
            options = (self.arg, "-o", self.vault, "--at=02:05")
            self.add(*options)
            end = b"" if others.endswith(b"\n") else b"\n"
            self.assertTrue(self.table().startswith(others + end + b"5 2 "))
            self.add(*options, "--name=second", "--every=weekly", "--at=03:00")
            self.add(*options, "--at=04:00")
            self.assertEqual([(job["name"], job["when"]) for job in self.jobs()], [("second", "0 3 * * 0"), ("backup", "0 4 * * *")])
            self.check(run("schedule", "remove"), 0, "removed: backup")
            self.check(run("schedule", "remove"), 2, "no job backup is scheduled")
            self.check(run("schedule", "remove", "--name=second"), 0)
            self.assertEqual(self.table(), others + end)
        self.assertEqual(self.jobs(), [])

    def test_a_line_of_the_administrators_own_is_not_ours(self):
        own = b"0 1 * * * /usr/local/bin/mine --fast # pobackup backup\n0 1 * * * 'mine' 'backup' x # pobackup backup\n"
        (self.state / "table").write_bytes(own)
        self.assertEqual(self.jobs(), [])
        self.check(run("schedule", "remove"), 2, "no job backup is scheduled")
        self.add(self.arg, "-o", self.vault, "--at=02:05")
        self.assertTrue(self.table().startswith(own + b"5 2 "))
        # When it runs may be changed by hand.
        (self.state / "table").write_bytes(self.table().replace(b"\n5 2 * * * ", b"\n*/5 2-4 1,15 * 1-5 "))
        self.assertEqual([job["when"] for job in self.jobs()], ["*/5 2-4 1,15 * 1-5"])
        self.check(run("schedule", "remove"), 0)
        self.assertEqual(self.table(), own)

    def test_no_crontab_is_an_empty_one_and_others_errors_are_told(self):
        self.assertEqual(self.jobs(), [])
        options = (self.arg, "-o", self.vault, "--at=02:05")
        (self.state / "broken").touch()
        self.add(*options, code=2, says="cannot write it")
        (self.state / "broken").unlink()
        self.add(*options)
        before = self.table()
        (self.state / "lossy").touch()
        self.add(*options, "--name=other", code=2, says="does not have what was given to it")
        (self.state / "lossy").unlink()
        (self.state / "table").write_bytes(before)
        (self.state / "unreadable").touch()
        self.add(*options, code=2, says="cannot read it")
        self.assertEqual(self.table(), before)

    def test_a_table_that_may_be_cut_is_not_written_back(self):
        (self.state / "table").write_bytes(b"# x\n" * 20000)
        self.add(self.arg, "-o", self.vault, "--at=02:05", code=2, says="edit it by hand")
        self.assertEqual(len(self.table()), 80000)

    def test_paths_are_made_absolute_and_the_configuration_file_is_read_by_the_job(self):
        (self.dir / "c.ini").write_text(f"site = folder:{self.site.root}\n[backup]\noutput = {self.vault}/\nallow-same-volume = yes\n")
        self.add("--at=02:05", "--config=c.ini", "--log", "run.log", cwd=self.dir)
        here = os.path.realpath(self.dir)
        self.assertIn(f"'--quiet' '--config={here}/c.ini' '--log={here}/run.log' # ", self.table().decode())
        self.assertEqual(self.perform(self.table()).returncode, 0)
        self.assertEqual(len(list(self.vault.glob("*.tar.zst"))), 1)
        self.add("--at=02:05", "--site=folder:site", "-o", "new/", "--name=two", cwd=self.dir)
        self.assertIn(f"'--site=folder:{here}/site' '--output={here}/new/' # ", self.table().decode())


class Systemd(Replacing, Base):
    scheduler = "systemd"

    def log(self):
        return [line.removeprefix("--user ") for line in (self.state / "log").read_text().splitlines()]

    def words(self, service):
        """ExecStart= as systemd takes it apart."""
        line = re.search(r"(?m)^ExecStart=(.*)$", service)[1]
        words = re.findall(r'"((?:[^"\\]|\\.)*)"(?: |$)', line)
        self.assertEqual(" ".join(f'"{word}"' for word in words), line)
        for word in words:
            self.assertNotIn("%", word.replace("%%", ""))
        for word in words[1:]:
            self.assertNotIn("$", word.replace("$$", ""))
        words = [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in words]
        return words[:1] + [word.replace("$$", "$") for word in words[1:]]

    def test_the_units_that_are_added_work(self):
        vault, log, options = self.odd()
        done = self.add("--at=02:05", *options)
        self.assertIn("scheduled with systemd: backup, daily at 02:05", done.text)
        self.assertEqual(sorted(os.listdir(self.units)), ["pobackup-backup.service", "pobackup-backup.timer"])
        self.assertEqual(self.log(), ["daemon-reload", "enable pobackup-backup.timer", "restart pobackup-backup.timer"])
        words = self.words((self.units / "pobackup-backup.service").read_text())
        self.assertEqual(words[0], PROGRAM)
        self.assert_ran(subprocess.run(words, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE), vault, log)

    def test_systemd_itself_finds_nothing_wrong(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        _, _, options = self.odd()
        self.add("--at=02:05", *options)
        self.add("--at=23:59", *options, "--every=weekly", "--name=second")
        for name in "backup", "second":
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", self.units / f"pobackup-{name}.service",
                                   self.units / f"pobackup-{name}.timer"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual([line for line in done.stdout.decode().splitlines() if "pobackup" in line], [])
            self.assertEqual(done.returncode, 0, done.stdout)
        for calendar in "*-*-* 02:05:00", "Sun *-*-* 23:59:00":
            self.assertEqual(subprocess.run(["systemd-analyze", "calendar", calendar], stdout=subprocess.DEVNULL).returncode, 0)

    def test_jobs_are_listed_replaced_and_removed(self):
        options = (self.arg, "-o", self.vault)
        self.assertEqual(self.jobs(), [])
        self.add(*options, "--at=02:05")
        self.add(*options, "--at=03:00", "--name=second", "--every=weekly")
        self.add(*options, "--at=04:00", "--level=9")
        jobs = {job["name"]: job for job in self.jobs()}
        self.assertEqual({name: job["when"] for name, job in jobs.items()},
                         {"backup": "*-*-* 04:00:00", "second": "Sun *-*-* 03:00:00"})
        self.assertIn('"--level=9"', jobs["backup"]["command"])
        self.assertIn(b"second  Sun *-*-* 03:00:00  ", run("schedule", "list").out)
        (self.state / "log").unlink()
        self.check(run("schedule", "remove"), 0)
        self.assertEqual(self.log(), ["disable --now pobackup-backup.timer", "clean --what=state pobackup-backup.timer", "daemon-reload"])
        self.assertEqual(sorted(os.listdir(self.units)), ["pobackup-second.service", "pobackup-second.timer"])
        self.check(run("schedule", "remove"), 2, "no job backup is scheduled")

    def test_units_of_others_stay(self):
        self.units.mkdir()
        for name in "pobackup-backup.timer", "pobackup-x.service":
            (self.units / name).write_text("[Unit]\n")
        self.add(self.arg, "-o", self.vault, "--at=02:05", code=3, says="not made by pobackup schedule")
        self.add(self.arg, "-o", self.vault, "--at=02:05", "--name=x", code=3, says="not made by pobackup schedule")
        self.assertEqual(run("schedule", "remove").code, 3)
        self.assertEqual(self.jobs(), [])
        self.assertEqual({(self.units / name).read_text() for name in os.listdir(self.units)}, {"[Unit]\n"})
        self.assertFalse((self.state / "log").exists())

    def test_when_systemd_refuses_nothing_is_left(self):
        for verb in "daemon-reload", "enable", "restart":
            (self.state / f"fails-{verb}").touch()
            done = self.add(self.arg, "-o", self.vault, "--at=02:05", code=2, says="nothing is scheduled: ")
            self.assertIn(f"cannot {verb} it", done.text)
            self.assertEqual(os.listdir(self.units), [])
            (self.state / f"fails-{verb}").unlink()

    def test_when_systemd_refuses_the_former_job_stays(self):
        options = (self.arg, "-o", self.vault)
        self.add(*options, "--at=02:05")
        units = {name: (self.units / name).read_bytes() for name in os.listdir(self.units)}
        for verb in "daemon-reload", "enable", "restart":
            (self.state / f"fails-{verb}").touch()
            done = self.add(*options, "--at=03:05", code=2, says="the former job is put back, but does not run: ")
            self.assertIn(f"cannot {verb} it", done.text)
            self.assertEqual({name: (self.units / name).read_bytes() for name in os.listdir(self.units)}, units)
            self.assertNotIn("disable", " ".join(self.log()))
            (self.state / f"fails-{verb}").unlink()
        # Once alone: what worked works again.
        (self.state / "fails-restart").write_text("once")
        done = self.add(*options, "--at=03:05", code=2, says="the former job is as it was: ")
        self.assertEqual({name: (self.units / name).read_bytes() for name in os.listdir(self.units)}, units)
        self.assertEqual(self.log()[-3:], ["daemon-reload", "enable pobackup-backup.timer", "restart pobackup-backup.timer"])


if __name__ == "__main__":
    unittest.main()
