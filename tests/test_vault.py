#!/usr/bin/env python3
"""The program and a vault: snapshots, prune, a backup that prunes after it, the lock.

    test_vault.py PROGRAM [unittest's arguments]

Archives of any date, with parents and purposes, are made by make_vectors.py; those of backups by the program.
"""

import atexit
import datetime
import fcntl
import itertools
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import make_vectors

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "pobackup"
STATE = tempfile.mkdtemp(prefix="pobackup-state-")
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
os.environ["POBACKUP_STATE_DIR"] = STATE
LOCK = ".pobackup.lock"
NUMBERS = itertools.count(1)
REGISTRY = ('Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n'
            '"Version"="4.2.1"\r\n')
INI = """[service:mta]
start = sh -c 'echo started >>service.log; touch up'
stop = sh -c 'test -e slow && touch stopping && sleep 2; rm -f up'
status = test -e up || exit 3
"""


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.text = code, out.decode(), err.decode()

    @property
    def json(self):
        return json.loads(self.out)


def words(arguments):
    return [PROGRAM, *map(os.fspath, arguments)]


def run(*arguments, env=None):
    done = subprocess.run(words(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                          env={**os.environ, "TZ": "UTC", **(env or {})})
    return Done(done.returncode, done.stdout, done.stderr)


def on_terminal(*arguments, answer, before=None):
    """What it shows, and its exit code; `before` is called when it asks."""
    master, slave = pty.openpty()
    process = subprocess.Popen(words(arguments), stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", "TZ": "UTC"})
    os.close(slave)
    shown, limit = b"", time.monotonic() + 60
    while time.monotonic() < limit:
        if select.select([master], [], [], 0.1)[0]:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            shown += more
            if not more:
                break
            if answer is not None and shown.endswith(b"[y/N] "):
                if before:
                    before()
                os.write(master, answer)
                answer = None
        elif process.poll() is not None:
            break
    os.close(master)
    return Done(process.wait(timeout=10), shown, b"")


class Archive:
    """One in a vault: made of a date, and of what stands in the manifest."""

    def __init__(self, vault, name, day, parent=None, content=b"x" * 1000, host="h", **more):
        when = make_vectors.WHEN + round(day * 864000000000)
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=when // 10)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
        self.id = f"{next(NUMBERS):032x}"
        self.path = vault / name
        rows = [] if parent is None else [{"archive_id": parent.id, "digest": parent.digest.hex(), "created": parent.text,
                                           "name": parent.path.name}]
        document = make_vectors.manifest(archive_id=self.id, kind="diff" if rows else "full", parents=rows, created=text, **more)
        document["host"]["name"] = host
        plan = make_vectors.Plan([make_vectors.Member(b"a", content)], manifest=document,
                                 on_trailer=make_vectors.setter("created", when))
        if parent is not None:
            plan.parents = [(bytes.fromhex(parent.id), parent.digest, parent.when, parent.path.name.encode())]
        built = make_vectors.build(plan)
        self.digest, self.when, self.text = built.digest, when, text
        self.path.write_bytes(make_vectors.join(built.pieces))


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-vault-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.vault = self.dir / "vault"
        self.vault.mkdir()

    def check(self, done, code, says=None):
        self.assertEqual(done.code, code, (done.out, done.text))
        if says is not None:
            self.assertIn(says, done.text)
        return done

    def put(self, name, day, **more):
        return Archive(self.vault, name, day, **more)

    def names(self):
        return sorted(name for name in os.listdir(self.vault) if name != LOCK)

    def nights(self, count):
        return [self.put(f"{number:02}.tar.zst", number - 100) for number in range(count)]

    def prune(self, *options):
        return run("prune", self.vault, *options)


class Snapshots(Base):
    def test_a_table_for_people(self):
        full = self.put("b.tar.zst", -3)
        self.put("a.tar.zst", -2, parent=full, purpose="pre-upgrade")
        self.check(run("verify", "--deep", full.path), 0)
        done = self.check(run("snapshots", self.vault), 0, "2 archives")
        head, first, second = done.out.splitlines()
        self.assertIn("verified", head)
        today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        self.assertRegex(first, rf"^ +1  2026-11-21 02:00:00 \+0000  full +.* deep {today} +b\.tar\.zst$")
        self.assertRegex(second, r"^ +2  2026-11-22 02:00:00 \+0000  diff on 1 +.* never +a\.tar\.zst  \[pre-upgrade\]$")

    def test_json_has_all(self):
        full = self.put("b.tar.zst", -3)
        child = self.put("a.tar.zst", -2, parent=full, purpose="pre-upgrade")
        self.check(run("verify", "--quick", full.path), 0)
        one, two = self.check(run("snapshots", self.vault, "--json"), 0).json["archives"]
        self.assertEqual((one["path"], one["kind"], one["parents"], one["created"]), (str(full.path), "full", [], full.text))
        self.assertEqual((one["digest"], one["archive_id"]), (full.digest.hex(), full.id))
        self.assertEqual(one["verified"]["how"], "quick")
        self.assertEqual((one["file_bytes"], one["entries"]), (full.path.stat().st_size, 3))
        self.assertGreater(one["content_bytes"], 1000)
        self.assertEqual((one["host"], one["host_kind"], one["group"], one["purpose"], one["complete"], one["damaged"]),
                         ("h", "folder", 0, None, None, False))
        self.assertEqual(one["site"], {"registry": None, "bin": None, "spool": None, "mailbox": None})
        self.assertEqual(two["parents"], [{"archive_id": full.id, "digest": full.digest.hex(), "path": str(full.path)}])
        self.assertEqual((two["purpose"], two["verified"], two["suspicious"]), ("pre-upgrade", None, False))
        self.assertEqual(two["digest"], child.digest.hex())

    def test_what_is_no_archive_is_told_and_left(self):
        self.put("a.tar.zst", -3)
        (self.vault / "cut.tar.zst").write_bytes((self.vault / "a.tar.zst").read_bytes()[:-20])
        (self.vault / "foreign.tar.zst").write_bytes(b"not ours")
        (self.vault / "b.tar.zst.partial").write_bytes(b"begun")
        (self.vault / "notes.txt").write_text("notes")
        before = self.names()
        done = self.check(run("snapshots", self.vault, "--json"), 1, "cut.tar.zst: damaged")
        self.assertIn("foreign.tar.zst: foreign", done.text)
        self.assertIn("b.tar.zst.partial: partial", done.text)
        self.assertEqual([(os.path.basename(p["path"]), p["fault"]) for p in done.json["problems"]],
                         [("b.tar.zst.partial", "partial"), ("cut.tar.zst", "damaged"), ("foreign.tar.zst", "foreign")])
        self.check(self.prune("--keep-last=1", "--yes"), 1)
        self.assertEqual(self.names(), before)

    def test_a_parent_that_is_not_there(self):
        full = self.put("a.tar.zst", -3)
        self.put("b.tar.zst", -2, parent=full)
        full.path.unlink()
        done = self.check(run("snapshots", self.vault), 1)
        self.assertIn("diff on ?", done.out)
        self.assertIn("[a parent is not there]", done.out)

    def test_wrong_places(self):
        self.check(run("snapshots"), 3)
        self.check(run("snapshots", self.vault / "none"), 2, "no such directory")
        self.check(run("snapshots", self.put("a.tar.zst", 0).path), 3, "not a directory")
        self.check(run("snapshots", self.dir), 0, "0 archives")

    def test_two_hosts_are_two_groups(self):
        for day, host in enumerate("abab"):
            self.put(f"{day}.tar.zst", day - 9, host=host)
        done = self.check(run("snapshots", self.vault), 0)
        self.assertEqual(re.findall(r"(\w)(?:\.tar\.zst|, folder)", done.out), ["a", "0", "2", "b", "1", "3"])
        self.check(self.prune("--keep-last", "1", "--yes"), 0)
        self.assertEqual(self.names(), ["2.tar.zst", "3.tar.zst"])

    def test_it_takes_no_lock_and_makes_no_file(self):
        self.put("a.tar.zst", -3)
        self.check(run("snapshots", self.vault), 0)
        self.assertEqual(os.listdir(self.vault), ["a.tar.zst"])


class Prune(Base):
    def test_without_a_rule_it_is_wrong_usage_with_an_example(self):
        self.nights(2)
        self.check(self.prune("--yes"), 3, "pobackup prune VAULT --keep-daily 7")
        self.check(self.prune("--keep-last", "0", "--yes"), 3)
        self.assertEqual(len(self.names()), 2)

    def test_without_a_terminal_it_does_not_ask(self):
        self.nights(2)
        self.check(self.prune("--keep-last", "1"), 3, "--yes")
        self.assertEqual(len(self.names()), 2)

    def test_it_asks_and_takes_no_for_an_answer(self):
        self.nights(3)
        done = on_terminal("prune", self.vault, "--keep-last=1", "--quiet", answer=b"n\n")
        self.assertEqual(done.code, 2)
        self.assertIn("remove  00.tar.zst", done.out)
        self.assertIn("nothing was removed", done.out)
        self.assertEqual(len(self.names()), 3)
        done = on_terminal("prune", self.vault, "--keep-last=1", answer=b"yes\n")
        self.assertEqual((done.code, self.names()), (0, ["02.tar.zst"]), done.out)
        done = on_terminal("prune", self.vault, "--keep-last=1", answer=b"never asked\n")
        self.assertEqual(done.code, 0)
        self.assertNotIn("[y/N]", done.out)

    def test_what_changes_while_it_asks_is_looked_at_again(self):
        full, _ = self.nights(2)
        # It is needed by now: what is less than was shown is done.
        done = on_terminal("prune", self.vault, "--keep-last=1", answer=b"y\n", before=lambda: self.put("z.tar.zst", -1, parent=full))
        self.assertEqual(done.code, 0, done.out)
        self.assertIn("removed 0 archives", done.out)
        self.assertEqual(self.names(), ["00.tar.zst", "01.tar.zst", "z.tar.zst"])

    def test_nothing_goes_that_was_not_shown(self):
        self.nights(2)
        done = on_terminal("prune", self.vault, "--keep-last=1", answer=b"y\n", before=lambda: self.put("z.tar.zst", -1))
        self.assertEqual(done.code, 2, done.out)
        self.assertIn("changed meanwhile", done.out)
        self.assertEqual(self.names(), ["00.tar.zst", "01.tar.zst", "z.tar.zst"])

    def test_a_dry_run_shows_and_removes_nothing(self):
        self.nights(3)
        done = self.check(self.prune("--keep-last=2", "--dry-run"), 0, "would remove 1 archive")
        self.assertRegex(done.text, r"remove +00\.tar\.zst")
        self.assertRegex(done.text, r"keep +02\.tar\.zst .* last, the last full")
        self.assertEqual(os.listdir(self.vault).count(LOCK), 0)
        self.assertEqual(len(self.names()), 3)

    def test_rules_and_reasons(self):
        self.nights(90)
        done = self.check(self.prune("--keep-last=2", "--keep-daily=4", "--keep-monthly=2", "--yes", "--json"), 0)
        kept = {os.path.basename(a["path"]): a["reasons"] for a in done.json["archives"] if a["kept"]}
        # The last is of the 13th of November 2026.
        self.assertEqual(kept, {"89.tar.zst": ["last", "daily", "monthly", "verified"], "88.tar.zst": ["last", "daily"],
                                "87.tar.zst": ["daily"], "86.tar.zst": ["daily"], "76.tar.zst": ["monthly"]})
        self.assertEqual(self.names(), sorted(kept))
        self.assertTrue(all(a["removed"] != a["kept"] for a in done.json["archives"]))
        self.assertFalse(done.json["dry_run"])

    def test_days_are_those_of_the_place(self):
        for hour in range(24):
            self.put(f"{hour:02}.tar.zst", -5 + hour / 24)
        # From 02:00 UTC; a day ends at 13:00 UTC there.
        self.check(run("prune", self.vault, "--keep-daily=9", "--yes", env={"TZ": "XXX-11"}), 0)
        self.assertEqual(self.names(), ["10.tar.zst", "23.tar.zst"])

    def test_a_chain_goes_whole_or_stays_whole(self):
        a = self.put("a.tar.zst", -9)
        b = self.put("b.tar.zst", -8, parent=a)
        self.put("c.tar.zst", -7, parent=b)
        d = self.put("d.tar.zst", -6)
        self.put("e.tar.zst", -5, parent=d)
        self.put("f.tar.zst", -4, parent=d)
        for name in "a.tar.zst.rec", "a.tar.zst.minisig", "d.tar.zst.rec":
            (self.vault / name).write_text("goes with it")
        self.check(self.prune("--keep-last=1", "--yes"), 0, "needed by f.tar.zst")
        self.assertEqual(self.names(), ["d.tar.zst", "d.tar.zst.rec", "f.tar.zst"])

    def test_the_last_verified_full_stays(self):
        archives = self.nights(5)
        self.check(run("verify", archives[1].path), 0)
        self.check(self.prune("--keep-last=1", "--yes"), 0, "the last verified full")
        self.assertEqual(self.names(), ["01.tar.zst", "04.tar.zst"])
        self.check(self.prune("--keep-last=1", "--forget", "01.tar.zst", "--yes"), 1, "cannot be forgotten: the last verified full")
        self.assertEqual(self.names(), ["01.tar.zst", "04.tar.zst"])

    def test_what_is_suspicious_stays_and_is_told(self):
        self.nights(3)
        self.put("small.tar.zst", -90, content=b"x")
        self.put("ahead.tar.zst", 40000)
        done = self.check(self.prune("--keep-last=1", "--yes"), 0, "small.tar.zst: suspicious: less than half of 02.tar.zst")
        self.assertIn("ahead.tar.zst: suspicious: dated in the future", done.text)
        self.assertEqual(self.names(), ["02.tar.zst", "ahead.tar.zst", "small.tar.zst"])
        self.check(self.prune("--forget=small.tar.zst", "--forget", "ahead.tar.zst", "--yes"), 0, "removed 2 archives")
        self.assertEqual(self.names(), ["02.tar.zst"])

    def test_without_the_history_nothing_goes(self):
        archives = self.nights(3)
        self.check(run("verify", archives[0].path), 0)
        state = self.dir / "state"
        (state / "history").mkdir(parents=True)  # a directory cannot be read
        env = {"POBACKUP_STATE_DIR": str(state)}
        self.check(run("prune", self.vault, "--keep-last=1", "--yes", env=env), 2, "not known what was verified last")
        self.assertEqual(len(self.names()), 3)
        self.check(run("snapshots", self.vault, env=env), 0, "what was run before cannot be told")

    def test_a_purpose_stays_until_there_is_a_newer(self):
        self.put("a.tar.zst", -9, purpose="pre-upgrade")
        self.put("b.tar.zst", -8)
        self.put("c.tar.zst", -7)
        self.check(self.prune("--keep-last=1", "--yes"), 0, "the last for its purpose")
        self.assertEqual(self.names(), ["a.tar.zst", "c.tar.zst"])
        self.put("d.tar.zst", -6, purpose="pre-upgrade")
        self.check(self.prune("--keep-last=1", "--yes"), 0)
        self.assertEqual(self.names(), ["d.tar.zst"])

    def test_forget_names_what_is_there(self):
        self.nights(2)
        self.check(self.prune("--forget=none.tar.zst", "--yes"), 3, "none.tar.zst: no archive of this vault")
        self.check(self.prune("--forget=00.tar.zst", "--dry-run"), 0)
        self.check(self.prune("--forget=00.tar.zst", "--yes"), 0)
        self.assertEqual(self.names(), ["01.tar.zst"])

    def test_what_cannot_be_read_keeps_all(self):
        self.nights(3)
        (self.vault / "x.tar.zst").symlink_to("nowhere")
        self.check(self.prune("--keep-last=1", "--yes"), 2, "nothing is removed")
        self.assertEqual(len(self.names()), 4)

    def test_a_removal_that_fails_is_told(self):
        self.nights(3)
        self.dir.chmod(0o755)
        self.vault.chmod(0o555)
        self.addCleanup(self.vault.chmod, 0o700)
        who = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            done = subprocess.run(words(("prune", self.vault, "--keep-last=1", "--yes", "--json")), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  env={**os.environ, "POBACKUP_STATE_DIR": str(self.dir / "none")}, **who)
        except PermissionError:
            self.skipTest("the program is not for everybody")
        done = self.check(Done(done.returncode, done.stdout, done.stderr), 1, "00.tar.zst")
        self.assertEqual(len(self.names()), 3)
        self.assertEqual([(a["kept"], a["removed"], a["problem"] is None) for a in done.json["archives"]],
                         [(False, False, False), (False, False, False), (True, False, True)])

    def test_rules_in_the_configuration_file(self):
        self.nights(3)
        config = self.dir / "c.ini"
        config.write_text("keep-last = 2\n[prune]\nyes = yes\n")
        self.check(run("prune", self.vault, "--config", config), 0)
        self.assertEqual(self.names(), ["01.tar.zst", "02.tar.zst"])


class Backup(Base):
    def setUp(self):
        super().setUp()
        self.site = self.dir / "site"
        for name in "exe", "Config", "mailbox":
            (self.site / f"Post.Office{name}Backup").mkdir(parents=True)
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.encode("utf-16-le"))
        (self.site / "Post.OfficemailboxBackup" / "mail").write_bytes(os.urandom(20000))
        (self.site / "pobackup-site.ini").write_text(INI)
        (self.site / "up").touch()

    def words(self, *options, dest=None):
        return ("backup", f"--site=folder:{self.site}", "-o", dest or self.vault, "--allow-same-volume", *options)

    def backup(self, *options, dest=None):
        time.sleep(1.05)  # the name has seconds
        return run(*self.words(*options, dest=dest))

    def test_it_prunes_after_it(self):
        for _ in range(2):
            self.check(self.backup("--full", "--keep-last=2"), 0)
        first, second = self.names()
        done = self.check(self.backup("--full", "--keep-last=2", "--json"), 0, "removed " + first)
        self.assertEqual(len(self.names()), 2)
        self.assertNotIn(first, self.names())
        self.assertIn(second, self.names())
        self.assertEqual([a["removed"] for a in done.json["archives"]], [True, False, False])
        self.assertEqual((self.vault / LOCK).read_bytes(), b"")

    def test_damage_in_the_vault_is_an_exit_code_as_it_is_of_prune(self):
        self.put("a.tar.zst", -3)
        (self.vault / "cut.tar.zst").write_bytes((self.vault / "a.tar.zst").read_bytes()[:-20])
        self.check(self.backup(), 0)
        self.check(self.backup("--keep-last=2"), 1, "cut.tar.zst: damaged")
        self.check(self.prune("--keep-last=2", "--yes"), 1, "cut.tar.zst: damaged")
        self.assertIn("cut.tar.zst", self.names())

    def test_without_rules_it_prunes_nothing(self):
        self.nights(3)
        self.check(self.backup(), 0)
        self.assertEqual(len(self.names()), 4)

    def test_one_that_fails_prunes_nothing(self):
        self.nights(3)
        (self.site / "Post.OfficeRegKeyBackup.reg").unlink()
        done = self.backup("--keep-last=1")
        if done.code < 2:
            self.skipTest("a registry that is not there is no failure")
        self.assertEqual(len(self.names()), 3)

    def test_one_that_lacks_something_does_not_push_out_a_good_one(self):
        self.check(self.backup("--keep-last=1"), 0)
        (good,) = self.names()
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"no export")
        done = self.backup("--keep-last=1")
        self.assertEqual(done.code, 1, done.text)
        self.assertIn(good, self.names())
        self.assertEqual(len(self.names()), 2)

    def test_rules_need_a_directory_unless_a_file_says_so(self):
        self.check(self.backup("--keep-last=1", dest=self.dir / "one.tar.zst"), 3, "give -o a directory")
        self.assertFalse((self.dir / "one.tar.zst").exists())
        config = self.dir / "c.ini"
        config.write_text("keep-last = 1\n")
        self.check(self.backup("--config", config, dest=self.dir / "one.tar.zst"), 0)
        self.check(self.backup("--keep-last=1", dest=f"{self.dir}/new/"), 0)
        self.assertEqual(len(os.listdir(self.dir / "new")), 2)

    def test_a_dry_run_takes_no_lock(self):
        self.check(self.backup("--dry-run", "--keep-last=1"), 0)
        self.assertEqual(os.listdir(self.vault), [])

    def test_the_second_is_told_who_is_at_work(self):
        (self.site / "slow").touch()
        self.nights(2)
        process = subprocess.Popen(words(self.words()), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        limit = time.monotonic() + 30
        while not (self.site / "stopping").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        done = self.check(self.prune("--keep-last=1", "--yes"), 2, "another pobackup is working on this vault")
        self.assertIn(f"backup on {socket.gethostname()}, process {process.pid}, since", done.text)
        self.check(run("snapshots", self.vault), 0)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.check(self.prune("--keep-last=1", "--yes"), 0)

    def test_one_that_was_killed_holds_nothing(self):
        (self.site / "slow").touch()
        process = subprocess.Popen(words(self.words()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + 30
        while not (self.site / "stopping").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        self.assertIn(str(process.pid).encode(), (self.vault / LOCK).read_bytes())
        self.nights(2)
        # What the dead one left is not told of another holder.
        with open(self.vault / LOCK, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            done = self.check(self.prune("--keep-last=1", "--yes"), 2, "does not say which")
            self.assertNotIn(str(process.pid), done.text)
        self.check(self.prune("--keep-last=1", "--yes"), 0)
        self.assertEqual((self.vault / LOCK).read_bytes(), b"")

    def test_where_there_is_no_lock_it_warns_and_goes_on(self):
        (self.vault / LOCK).mkdir()
        self.check(self.backup(), 0, "no lock on the vault")
        self.check(self.prune("--keep-last=1", "--yes"), 0, "no lock on the vault")


if __name__ == "__main__":
    unittest.main()
