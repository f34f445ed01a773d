#!/usr/bin/env python3
"""The program, end to end: every verb, every exit code, on a small folder site with two services.

    test_cli.py PROGRAM [unittest's arguments]

The services are processes (sleep) with a pid file; files beside them make them slow or make them fail.
"""

import atexit
import base64
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import keep_archives

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "pobackup"
SOURCE = pathlib.Path(__file__).resolve().parent.parent
STATE = tempfile.mkdtemp(prefix="pobackup-state-")
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
os.environ["POBACKUP_STATE_DIR"] = STATE
VERBS = "backup verify list show cat extract salvage diff restore after-reboot undo resume status snapshots prune consolidate protect repair keygen sign doctor pre-upgrade drill schedule config guardian help version".split()
HOSTILE = b"evil\x1b[2J\n\xff\xe2\x80\xae"

SERVICE = """#!/bin/sh
# service.sh NAME start|stop|status
echo "$1 $2" >>service.log
case $2 in
start)
    test -e "fail-start-$1" && exit 1
    sleep 600 </dev/null >/dev/null 2>&1 &
    echo $! >"$1.pid" ;;
stop)
    test -e "fail-stop-$1" && exit 1
    test -e "slow-stop-$1" && sleep 2
    while test -e "held-stop-$1"; do sleep 0.1; done
    test -e "$1.pid" && kill "$(cat "$1.pid")"
    rm -f "$1.pid" ;;
status)
    sed -i '$d' service.log
    test -e "unknown-$1" && exit 4
    test -e "$1.pid" && kill -0 "$(cat "$1.pid")" 2>/dev/null || exit 3 ;;
esac
"""

INI = """[service:post.office MTA]
start = sh ./service.sh mta start
stop = sh ./service.sh mta stop
status = sh ./service.sh mta status
stop-timeout = 10
start-timeout = 1

[service:post.office pufService]
start = sh ./service.sh puf start
stop = sh ./service.sh puf stop
status = sh ./service.sh puf status
stop-timeout = 10
start-timeout = 1
"""

REGISTRY = ('Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n'
            '"Version"="4.2.1"\r\n"Port"=dword:00000019\r\n')


class Site:
    """A folder site with mail in it."""

    def __init__(self, root, has_mail=True):
        self.root = pathlib.Path(root)
        self.bin = self.root / "Post.OfficeexeBackup"
        self.spool = self.root / "Post.OfficeConfigBackup"
        self.mailbox = self.root / "Post.OfficemailboxBackup"
        self.registry = self.root / "Post.OfficeRegKeyBackup.reg"
        for tree in self.bin, self.spool, self.mailbox:
            tree.mkdir(parents=True)
        self.registry.write_bytes(b"\xff\xfe" + REGISTRY.encode("utf-16-le"))
        (self.root / "service.sh").write_text(SERVICE)
        (self.root / "pobackup-site.ini").write_text(INI)
        (self.root / "service.log").write_text("")
        if has_mail:
            self.fill()

    def fill(self):
        (self.bin / "Post.Office.exe").write_bytes(b"MZ" + bytes(5000))
        (self.spool / "control").mkdir()
        (self.spool / "messages").mkdir()
        (self.spool / "config").write_text("settings\n")
        (self.spool / "empty").write_text("")
        for user in range(8):
            box = self.mailbox / f"user{user:02}"
            box.mkdir()
            for number in range(4):
                # Barely compressible, so that the archive has many frames.
                (box / f"{number:04}.msg").write_bytes(
                    b"From: a@example.org\n\n" + base64.b64encode(os.urandom(9000 + user)))

    def add_hostile(self):
        path = os.path.join(os.fsencode(self.spool), HOSTILE)
        with open(path, "wb") as file:
            file.write(b"hostile")

    def service(self, name, verb):
        return subprocess.run(["sh", "./service.sh", name, verb], cwd=self.root).returncode

    def start(self):
        for name in "mta", "puf":
            assert self.service(name, "start") == 0
        (self.root / "service.log").write_text("")

    def running(self):
        return [name for name in ("mta", "puf") if self.service(name, "status") == 0]

    def log(self):
        return (self.root / "service.log").read_text().splitlines()

    def close(self):
        for name in "mta", "puf":
            try:
                os.kill(int((self.root / f"{name}.pid").read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass


def tree(path):
    """Every path below, with what it is and holds."""
    found = {}
    for top, directories, files in os.walk(os.fsencode(path)):
        for name in directories + files:
            full = os.path.join(top, name)
            info = os.lstat(full)
            if stat.S_ISREG(info.st_mode):
                with open(full, "rb") as file:
                    content = file.read()
            else:
                content = os.readlink(full) if stat.S_ISLNK(info.st_mode) else None
            found[os.path.relpath(full, os.fsencode(path))] = (stat.S_IFMT(info.st_mode), content)
    return found


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def text(self):
        return self.err.decode("utf-8")

    @property
    def events(self):
        return [json.loads(line) for line in self.err.splitlines()]


def run(*arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=None, cwd=None):
    done = subprocess.run([PROGRAM, *map(os.fspath, arguments)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                          timeout=120, env={**os.environ, "TZ": "UTC", **(env or {})}, cwd=cwd)
    keep_archives.keep(arguments)
    return Done(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*arguments, answer=None, stdout_too=True):
    """All three streams are a terminal; `answer` is typed (or, a signal, sent) when it asks."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, *map(os.fspath, arguments)], stdin=slave,
                               stdout=slave if stdout_too else subprocess.DEVNULL, stderr=slave,
                               env={**os.environ, "TERM": "xterm", "TZ": "UTC"})
    os.close(slave)
    shown, limit = b"", time.monotonic() + 60
    while time.monotonic() < limit:
        if select.select([master], [], [], 0.1)[0]:
            try:
                more = os.read(master, 65536)
            except OSError:
                break
            if not more:
                break
            shown += more
            if answer is not None and shown.endswith(b"[y/N] "):
                if isinstance(answer, bytes):
                    os.write(master, answer)
                else:
                    process.send_signal(answer)
                answer = None
        elif process.poll() is not None:
            break
    os.close(master)
    return Done(process.wait(timeout=10), shown, b"")


def foreign_tar_zst():
    """A tar of one empty file in one zstd frame, stored."""
    header = bytearray(512)
    header[0:5] = b"hello"
    header[100:107], header[108:115], header[116:123] = b"0000644", b"0000000", b"0000000"
    header[124:135], header[136:147] = b"0" * 11, b"0" * 11
    header[156:157], header[257:265] = b"0", b"ustar\00000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = bytes(header) + bytes(1024)
    return (b"\x28\xb5\x2f\xfd\x60" + (len(content) - 256).to_bytes(2, "little")
            + (len(content) << 3 | 1).to_bytes(3, "little") + content)


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.site = self.new_site("site")
        self.arg = f"--site=folder:{self.site.root}"

    def new_site(self, name, has_mail=True):
        site = Site(self.dir / name, has_mail)
        self.addCleanup(site.close)
        return site

    def backup(self, name="a.tar.zst", *options, site=None):
        path = self.dir / name
        done = run("backup", f"--site=folder:{(site or self.site).root}", "-o", path, "--allow-same-volume",
                   "--frame-size=64K", *options)
        self.assertEqual(done.code, 0, done.text)
        return path

    def check(self, done, code, says=None):
        self.assertEqual(done.code, code, (done.out, done.err))
        if says is not None:
            self.assertIn(says, done.text)
        return done

    def await_log(self, line):
        limit = time.monotonic() + 20
        while line not in self.site.log() and time.monotonic() < limit:
            time.sleep(0.02)

    def damage(self, archive):
        """One bit in the middle: a mailbox frame."""
        data = bytearray(archive.read_bytes())
        data[len(data) // 2] ^= 1
        path = self.dir / "damaged.tar.zst"
        path.write_bytes(data)
        return path


class Usage(Base):
    def test_nothing_is_a_short_help_and_exit_3(self):
        done = self.check(run(), 3, "pobackup VERB")
        self.assertEqual(done.out, b"")

    def test_help_of_every_verb_goes_to_standard_output(self):
        for verb in VERBS:
            for arguments in (("help", verb), (verb, "--help"), (verb, "-h")):
                done = self.check(run(*arguments), 0)
                self.assertIn(f"pobackup {verb}".encode(), done.out)
                self.assertEqual(done.err, b"")
        self.assertIn(b"backup", self.check(run("--help"), 0).out)

    def test_verbs_that_are_wrong(self):
        self.check(run("bakcup"), 3, "is backup meant?")
        self.check(run("help", "bakcup"), 3, "is backup meant?")
        self.check(run("--json", "verify"), 3, "the verb comes first")

    def test_version(self):
        self.assertRegex(run("--version").out, rb"^pobackup [0-9]+\.[0-9]+\.[0-9]+ ")
        self.assertEqual(run("version", "--json").json["format_version"], 1)

    def test_sites_that_are_missing_or_wrong(self):
        self.check(run("backup", "-o", self.dir / "x"), 3, "--site folder:DIR")
        self.check(run("backup", "-o", self.dir / "x", "--site=windows"), 3, "no Windows host")
        self.check(run("backup", "-o", self.dir / "x", "--site=elsewhere"), 3, "a site is folder:DIR")
        self.check(run("backup", "-o", self.dir / "x", "--site=folder:/nonexistent"), 3)
        self.check(run("doctor"), 3, "--site folder:DIR")
        self.check(run("backup", self.arg), 3, "-o DEST")

    def test_json_is_given_wherever_it_stands_and_whatever_is_wrong(self):
        for words, verb in ((("backup", "--nosuch", "--json"), "backup"), (("backup", "--level", "20", "--json"), "backup"),
                            (("show", "a", "b", "--json"), "show"), (("nosuch", "--json"), "nosuch"),
                            (("undo", "--json"), "undo"), ((b"\xff", "--json"), "?"), (("--json", "verify"), None),
                            (("--nosuch", "--json"), None)):
            done = self.check(run(*words), 3)
            self.assertEqual((done.json["verb"], done.json["exit_code"]), (verb, 3))
            self.assertEqual(done.json["error"]["status"], "wrong use")
        for words in (("backup", "--nosuch", "--", "--json"), ("nosuch", "--", "--json"), ("nosuch", "x--json")):
            self.assertEqual(self.check(run(*words), 3).out, b"")
        for words in (("backup", "--nosuch", "--progress=json"), ("nosuch", "--progress=json")):
            self.assertEqual(self.check(run(*words), 3).events[0]["event"], "error")

    def test_errors_name_the_help(self):
        self.check(run("backup", "--levle=3"), 3, "pobackup help backup")

    def test_a_configuration_file_is_used_and_the_command_line_wins(self):
        self.site.start()
        config = self.dir / "c.ini"
        config.write_text(f"site = folder:{self.site.root}\n[backup]\noutput = {self.dir}/vault/\n"
                          f"allow-same-volume = yes\njson = yes\nexclude = **/user0[1-7]\nexclude = **/*.exe\n")
        done = self.check(run("backup", "--config", config), 0)
        self.assertEqual(done.err, done.err.replace(b"warning", b""))
        self.assertEqual(done.json["files"], 4 + 2 + 1)
        self.assertTrue(done.json["path"].startswith(f"{self.dir}/vault/postoffice-"))
        done = self.check(run("backup", "--config", config, "-o", self.dir / "typed"), 0)
        self.assertEqual(done.json["path"], str(self.dir / "typed"))
        # "site" is the configuration's: another archive may still be named.
        self.check(run("diff", self.dir / "typed", self.dir / "typed", "--config", config), 0)
        self.check(run("diff", self.dir / "typed", "--config", config), 1)

    def test_errors_in_a_configuration_file_name_file_and_line(self):
        config = self.dir / "c.ini"
        for text, says in (("\nlevle = 3\n", "line 2: unknown key \"levle\""), ("level = 77\n", "line 1: --level: 77"),
                           ("[nonsense]\na = b\n", "line 1: [nonsense]"), ("json = perhaps\n", "line 1: \"json\"")):
            config.write_text(text)
            done = self.check(run("backup", "--config", config), 3, says)
            self.assertIn(str(config), done.text)
        self.check(run("backup", "--config", self.dir / "missing.ini"), 2, "missing.ini")


class Backup(Base):
    def test_a_backup_says_what_it_did_in_peoples_words(self):
        self.site.start()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 0)
        self.assertEqual(done.out, b"")
        for says in ("36 files", "mail was down for ", str(self.dir / "a"), "digest", "pobackup verify ", " to 1",
                     "is on a volume that holds a part"):
            self.assertIn(says, done.text)
        self.assertEqual(self.site.running(), ["mta", "puf"])
        self.assertEqual(self.site.log(), ["puf stop", "mta stop", "mta start", "puf start"])
        self.assertEqual(stat.S_IMODE((self.dir / "a").stat().st_mode), 0o600)
        self.assertIn(re.search("digest +([0-9a-f]{64})", done.text)[1], run("show", self.dir / "a").out.decode())

    def test_quiet_says_nothing_when_all_is_well(self):
        self.site.start()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--quiet", "--allow-same-volume"), 0)
        self.assertEqual((done.out, done.err), (b"", b""))

    def test_json_has_the_same(self):
        self.site.start()
        result = self.check(run("backup", self.arg, "-o", self.dir / "a", "--json", "--quiet"), 0).json
        self.assertEqual(result["verb"], "backup")
        self.assertEqual(result["files"], 36)
        self.assertGreater(result["outage_seconds"], 0)
        self.assertEqual(result["archive_bytes"], (self.dir / "a").stat().st_size)
        self.assertEqual((result["skipped"], result["services_lost"], result["exit_code"]), ([], False, 0))
        self.assertIn("volume", result["warnings"][0])
        self.assertEqual(run("show", "--json", self.dir / "a").json["digest"], result["digest"])

    def test_a_directory_gets_a_name_made_of_host_and_time(self):
        vault = self.dir / "new" / "vault"
        self.check(run("backup", self.arg, "-o", f"{vault}/"), 0)
        (name,) = [name for name in os.listdir(vault) if name != ".pobackup.lock"]
        self.assertRegex(name, r"^postoffice-[A-Za-z0-9.-]+-[0-9]{8}T[0-9]{6}Z-full\.tar\.zst$")

    def test_backups_of_one_second_get_names_of_their_own(self):
        vault = self.dir / "vault"
        vault.mkdir()
        seconds = {}
        for _ in range(6):
            before = set(vault.glob("*.tar.zst"))
            done = self.check(run("backup", self.arg, "-o", vault), 0)
            (made,) = set(vault.glob("*.tar.zst")) - before
            self.assertIn(made.name, done.text)
            match = re.fullmatch(r"(.*Z)(|-[0-9]+)-(full|diff)\.tar\.zst", made.name)
            seconds.setdefault((match[1], match[3]), []).append(match[2])
        for numbers in seconds.values():
            self.assertEqual(numbers, ["", "-2", "-3", "-4", "-5", "-6"][:len(numbers)])

    def test_standard_output_is_the_same_archive(self):
        done = self.check(run("backup", self.arg, "-o", "-"), 0, "standard output")
        (self.dir / "piped").write_bytes(done.out)
        self.check(run("verify", self.dir / "piped"), 0)
        self.check(run("backup", self.arg, "-o", "-", "--json"), 3, "--progress=json")

    def test_a_terminal_gets_no_archive(self):
        done = run_on_terminal("backup", self.arg, "-o", "-")
        self.assertEqual(done.code, 3)
        self.assertIn(b"is a terminal", done.out)

    def test_a_full_disk_fails_and_tells_that_services_came_back(self):
        self.site.start()
        with open("/dev/full", "wb") as full:
            done = self.check(run("backup", self.arg, "-o", "-", "--cold", stdout=full), 2, "; services are running again")
        self.assertEqual(done.text.count("services are running again"), 1)
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_a_disk_that_is_full_before_the_services_stop_leaves_them_running(self):
        self.site.start()
        with open("/dev/full", "wb") as full:
            done = self.check(run("backup", self.arg, "-o", "-", stdout=full), 2, "no service was stopped")
        self.assertNotIn("stopping service", done.text)
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_a_closed_pipe_fails_and_services_come_back(self):
        self.site.start()
        process = subprocess.Popen([PROGRAM, "backup", self.arg, "-o", "-"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(60), 2, err)
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_an_existing_file_is_a_usage_error(self):
        (self.dir / "a").write_text("mine")
        self.check(run("backup", self.arg, "-o", self.dir / "a"), 3, "exists already")
        self.assertEqual((self.dir / "a").read_text(), "mine")

    def test_places_inside_a_part_are_refused(self):  # req: N3
        self.site.start()
        os.symlink(self.site.mailbox, self.dir / "link")
        for place in (self.site.spool / "x.tar.zst", f"{self.site.spool}/", self.site.mailbox, self.dir / "link",
                      self.dir / "link" / "x", f"{self.site.mailbox}/new/deep/", f"{self.dir}/link/new/x",
                      self.site.bin / ".." / "Post.OfficeexeBackup" / "x"):
            done = self.check(run("backup", self.arg, "-o", place), 3)
            self.assertNotIn("pobackup verify", done.text)
        done = self.check(run("backup", self.arg, "-o", "x", cwd=self.site.mailbox), 3)
        self.check(run("backup", self.arg, "-o", f"{self.site.spool}/y/", "--dry-run"), 3)
        self.assertEqual(self.site.log(), [])
        self.assertFalse((self.site.mailbox / "new").exists())

    def test_the_same_volume_is_warned_of_unless_allowed(self):  # req: N3
        self.site.start()
        self.check(run("backup", self.arg, "-o", self.dir / "a"), 0, "warning: ")
        done = self.check(run("backup", self.arg, "-o", self.dir / "b", "--allow-same-volume"), 0)
        self.assertNotIn("warning", done.text)

    def test_a_dry_run_stops_and_writes_nothing(self):
        self.site.start()
        before = os.listdir(self.dir)
        done = self.check(run("backup", self.arg, "-o", f"{self.dir}/vault/", "--dry-run"), 0, "would save 36 files")
        self.assertEqual((self.site.log(), os.listdir(self.dir)), ([], before))
        result = run("backup", self.arg, "-o", self.dir / "x", "--dry-run", "--json").json
        self.assertEqual((result["dry_run"], result["files"]), (True, 36))

    def test_options_reach_the_engine(self):
        small = self.backup("small", "--level=19", "--order=path", "--threads=1", "--no-frame-check", "--cold", "--full")
        self.check(run("verify", small), 0)
        fewer = self.backup("fewer", "--exclude", "Post.OfficemailboxBackup/user0[0-6]", "--exclude=**/*.exe")
        names = run("list", fewer).out.decode()
        self.assertNotIn("user06", names)
        self.assertNotIn(".exe", names)
        self.assertIn("user07", names)
        big = run("backup", self.arg, "-o", self.dir / "big", "--json").json
        self.assertLess(big["frames"], run("show", "--json", small).json["frames"])

    def test_services_that_were_down_before_are_warned_of(self):  # req: B7
        self.site.start()
        self.site.service("puf", "stop")
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--quiet", "--allow-same-volume"), 0)
        self.assertEqual(done.text, "warning: service post.office pufService was stopped before the backup and stays "
                                    "stopped\n")
        result = run("backup", self.arg, "-o", self.dir / "b", "--json", "--allow-same-volume").json
        self.assertEqual(len(result["warnings"]), 1)
        for options in ("--no-services",), ("--dry-run",):
            done = self.check(run("backup", self.arg, "-o", self.dir / f"c{options[0]}", *options), 0)
            self.assertNotIn("stays stopped", done.text)
        self.assertEqual(self.site.running(), ["mta"])

    def test_stopped_services_stay_stopped(self):
        self.assertEqual(self.check(run("backup", self.arg, "-o", self.dir / "a", "--json"), 0).json["outage_seconds"],
                         None)
        self.assertEqual((self.site.running(), self.site.log()), ([], []))

    def test_services_are_left_alone_when_asked(self):
        self.site.start()
        self.check(run("backup", self.arg, "-o", self.dir / "a", "--no-services"), 0, "no service was stopped")
        self.assertEqual(self.site.log(), [])

    def test_items_that_cannot_be_saved_are_named_and_exit_1(self):  # req: B8
        for number in range(25):
            os.mkfifo(self.site.mailbox / f"fifo\x1b{number:02}")
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 1, "25 items are not in the archive")
        self.assertIn("and 5 more; see pobackup show ", done.text)
        self.assertIn("fifo\\x1B00: ", done.text)
        self.assertNotIn("\x1b", done.text)
        self.assertEqual(len(run("show", "--json", self.dir / "a").json["summary"]["skipped"]), 25)
        self.assertIn(b"and 5 more", run("show", self.dir / "a").out)
        events = run("backup", self.arg, "-o", self.dir / "b", "--progress=json").events
        self.assertEqual(len([event for event in events if event["event"] == "item"]), 25)

    def test_missing_parts_are_told_before_anything_is_stopped(self):
        self.site.start()
        shutil.rmtree(self.site.spool)
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 3, "Post.OfficeConfigBackup")
        self.assertIn("; no service was stopped", done.text)
        self.assertEqual(self.site.log(), [])
        self.assertFalse((self.dir / "a").exists() or (self.dir / "a.partial").exists())

    def test_a_service_that_does_not_start_again_is_exit_5(self):  # req: B7
        self.site.start()
        (self.site.root / "fail-start-mta").touch()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 5, "could not be brought back")
        self.assertIn("post.office MTA", done.text)
        self.assertEqual(self.site.running(), ["puf"])
        self.check(run("verify", self.dir / "a"), 0)
        self.site.close()
        (self.site.root / "fail-start-mta").unlink()
        self.site.start()
        (self.site.root / "fail-start-mta").touch()
        result = self.check(run("backup", self.arg, "-o", self.dir / "b", "--json"), 5).json
        self.assertEqual((result["services_lost"], result["exit_code"]), (True, 5))
        self.assertIn("MTA", result["services_text"])

    def test_a_service_that_does_not_stop_fails_and_the_others_come_back(self):
        self.site.start()
        (self.site.root / "fail-stop-mta").touch()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--stop-timeout=1"), 2, "MTA")
        self.assertIn("; services are running again", done.text)
        self.assertEqual(self.site.running(), ["mta", "puf"])
        self.assertFalse((self.dir / "a").exists() or (self.dir / "a.partial").exists())

    def test_an_unknown_state_stops_nothing(self):
        self.site.start()
        (self.site.root / "unknown-puf").touch()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 2, "pufService")
        self.assertEqual(len(re.findall("(nothing|no service) was stopped", done.text)), 1)
        self.assertEqual(self.site.log(), [])

    def interrupt(self, number):
        self.site.start()
        (self.site.root / "slow-stop-mta").touch()
        process = subprocess.Popen([PROGRAM, "backup", self.arg, "-o", self.dir / "a"], stderr=subprocess.PIPE)
        self.await_log("mta stop")
        process.send_signal(number)
        process.send_signal(number)
        err = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(60), 2, err)
        self.assertIn("interrupted: ", err)
        self.assertIn("services are running again", err)
        self.assertEqual(self.site.running(), ["mta", "puf"])
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith("a")], [])

    def test_an_interrupt_while_a_service_stops_brings_it_back(self):  # req: B7
        self.interrupt(signal.SIGINT)

    def test_so_does_a_termination(self):  # req: B7
        self.interrupt(signal.SIGTERM)

    def test_no_progress_without_a_terminal(self):
        done = self.check(run("backup", self.arg, "-o", self.dir / "a"), 0)
        self.assertNotIn(b"\r", done.err)
        self.assertNotIn(b"\x1b", done.err)

    def test_progress_on_a_terminal_is_one_line_that_is_rewritten(self):
        self.site.start()
        done = run_on_terminal("backup", self.arg, "-o", self.dir / "a", "--allow-same-volume")
        self.assertEqual(done.code, 0)
        wipe = b"\r" + b" " * 79 + b"\r"
        self.assertIn(b"saving files while the services run" + wipe, done.out)
        self.assertIn(b"saving what changed" + wipe, done.out)
        self.assertNotIn(b"\x1b[K", done.out)
        for line in done.out.replace(wipe, b"\n").split(b"\n"):
            if b"/s" in line and b"left" in line:
                self.assertLess(len(line), 80)
        quiet = run_on_terminal("backup", self.arg, "-o", self.dir / "b", "--allow-same-volume", "--quiet")
        self.assertEqual((quiet.code, quiet.out), (0, b""))
        plain = run_on_terminal("backup", self.arg, "-o", self.dir / "b2", "--no-color")
        self.assertNotIn(b"\x1b[33m", plain.out)

    def test_progress_json_is_one_event_a_line(self):
        self.site.start()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--progress=json", "--json"), 0)
        kinds = [event["event"] for event in done.events]
        self.assertLess(kinds.index("phase"), kinds.index("progress"))
        self.assertIn("warning", kinds)
        self.assertEqual(done.json["exit_code"], 0)
        last = [event for event in done.events if event["event"] == "progress"][-1]
        self.assertEqual(set(last), {"event", "bytes_done", "bytes_total", "files_done", "files_total", "seconds"})
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--progress=json"), 3)
        self.assertEqual(done.events[0]["event"], "error")


class Reading(Base):
    def setUp(self):
        super().setUp()
        os.symlink("config", self.site.spool / "link")
        os.link(self.site.spool / "config", self.site.spool / "twin")
        self.site.add_hostile()
        self.archive = self.backup()

    def test_verify_says_whole(self):
        for options in ((), ("--deep",), ("--quick",), ("--threads=1",)):
            done = self.check(run("verify", *options, self.archive), 0)
            self.assertIn(b": whole (" + (b"quick" if "--quick" in options else b"deep"), done.out)
        self.assertEqual(run("verify", "--quiet", self.archive).out, b"")
        self.check(run("verify", "--quick", "--deep", self.archive), 3)

    def test_verify_names_what_damage_hits_and_what_to_type(self):
        damaged = self.damage(self.archive)
        for mode in "--deep", "--quick":
            done = self.check(run("verify", mode, damaged), 4, f"pobackup extract {damaged} -C DIR")
            hits = re.findall(rb"^  hit: (.*)$", done.out, re.MULTILINE)
            self.assertTrue(hits)
            self.assertTrue(all(hit.startswith(b"Post.Office") for hit in hits), hits)
            answer = self.check(run("verify", mode, "--json", damaged), 4).json["archives"][0]
            self.assertEqual([hit.encode() for hit in answer["hit"]], hits)
            self.assertEqual((answer["verdict"], answer["rule"], answer["mode"]), ("damaged", "INDEX-8", mode[2:]))

    def test_verify_json_has_the_promised_members(self):
        document = self.check(run("verify", "--json", self.archive, self.archive), 0).json
        self.assertEqual((document["verb"], len(document["archives"])), ("verify", 2))
        answer = document["archives"][0]
        self.assertEqual((answer["path"], answer["verdict"], answer["rule"], answer["message"], answer["mode"],
                          answer["hit"]), (str(self.archive), "ok", None, None, "deep", []))
        self.assertIsInstance(answer["seconds"], float)

    def test_of_several_archives_the_worst_counts(self):
        damaged = self.damage(self.archive)
        (self.dir / "foreign").write_bytes(foreign_tar_zst())
        self.check(run("verify", self.archive, self.dir / "foreign"), 2)
        self.check(run("verify", damaged, self.archive, self.dir / "missing"), 4)
        verdicts = run("verify", "--json", self.archive, damaged, self.dir / "foreign", self.dir / "missing").json
        self.assertEqual([answer["verdict"] for answer in verdicts["archives"]],
                         ["ok", "damaged", "unsupported", "error"])

    def test_what_is_no_archive_is_told_by_every_verb(self):
        foreign, empty, cut = self.dir / "foreign.tar.zst", self.dir / "empty", self.dir / "cut"
        foreign.write_bytes(foreign_tar_zst())
        empty.write_bytes(b"")
        cut.write_bytes(self.archive.read_bytes()[:-1])
        for path, code in ((foreign, 2), (empty, 2), ("/dev/zero", 2), (self.dir, 3), (self.dir / "missing", 2),
                           (cut, 4)):
            for command in (("show", path), ("list", path), ("cat", path, "x"), ("extract", path, "-C", self.dir / "x"),
                            ("diff", path, self.archive), ("diff", self.archive, path), ("verify", path),
                            ("restore", path, self.arg, "--yes")):
                if command == ("verify", self.dir):
                    continue  # a vault
                done = run(*command)
                self.assertEqual(done.code, code, (command, done.out, done.err))
                self.assertIn(str(path), done.text + done.out.decode())
                done = run(*command, "--json")
                self.assertEqual((done.code, done.json["exit_code"]), (code, code))
                self.assertTrue(done.json["error"]["message"])
        self.check(run("show", self.dir / "missing"), 2, "there is no such file")
        self.check(run("show", self.dir), 3, "a directory")
        self.check(run("show", foreign), 2, "tar --zstd -tf")
        self.assertFalse((self.dir / "x").exists())

    def test_list_prints_raw_bytes_unless_on_a_terminal(self):
        name = b"Post.OfficeConfigBackup/" + HOSTILE
        self.assertIn(name + b"\n", self.check(run("list", self.archive), 0).out)
        names = self.check(run("list", "-0", self.archive), 0).out.split(b"\0")
        self.assertIn(name, names)
        self.assertEqual(names[:-1], sorted(names[:-1]))
        shown = run_on_terminal("list", self.archive, "Post.OfficeConfigBackup").out
        self.assertNotIn(b"\x1b", shown)
        self.assertIn(b"evil\\x1B[2J\\n\\xFF\\xE2\\x80\\xAE", shown)

    def test_list_long_is_aligned(self):
        lines = self.check(run("list", "-l", self.archive, "Post.OfficemailboxBackup", "**/config"), 0).out.splitlines()
        self.assertEqual(len({line.index(b"Post.Office") for line in lines}), 1)
        for line in lines:
            self.assertRegex(line, rb"^[-dlh] +[0-9]+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 ([0-9a-f]{32}| *- *) +here ")
        shown = run("list", "-l", self.archive, "Post.OfficeConfigBackup/link").out
        self.assertTrue(shown.endswith(b"/link -> config\n"))

    def test_list_selects_by_patterns(self):
        names = run("list", self.archive, "Post.OfficemailboxBackup/*/0000.msg").out.splitlines()
        self.assertEqual(len(names), 8)
        done = self.check(run("list", self.archive, "**/0000.msg", "nothing/*"), 1, "nothing/*: selects nothing")
        self.assertEqual(len(done.out.splitlines()), 8)

    def test_list_json_has_hexadecimal_names(self):
        entries = self.check(run("list", "--json", self.archive), 0).json["entries"]
        by_hex = [entry for entry in entries if "path_hex" in entry]
        self.assertEqual([bytes.fromhex(entry["path_hex"]) for entry in by_hex],
                         [b"Post.OfficeConfigBackup/" + HOSTILE])
        by_path = {entry["path"]: entry for entry in entries if "path" in entry}
        self.assertEqual(by_path["Post.OfficeConfigBackup/link"]["link"], "config")
        self.assertEqual(by_path["Post.OfficeConfigBackup/config"]["size"], 9)
        self.assertRegex(by_path["Post.OfficeConfigBackup/config"]["time"], r"^\d{4}-\d\d-\d\dT.*Z$")

    def test_a_full_disk_is_not_passed_over(self):
        with open("/dev/full", "wb") as full:
            for command in (("list", self.archive), ("show", self.archive), ("list", "--json", self.archive),
                            ("cat", self.archive, "Post.OfficeConfigBackup/config"), ("help",), ("version",)):
                self.check(run(*command, stdout=full), 2, "could not be written")

    def test_show_tells_origin_and_totals(self):
        text = self.check(run("show", self.archive), 0).out.decode()
        for says in ("+0000", "folder site", "kind       full", str(self.site.spool), "post.office MTA: stopped",
                     "37 files", "no service was stopped", "digest"):
            self.assertIn(says, text)
        document = run("show", "--json", self.archive).json
        self.assertEqual((document["kind"], document["files"], document["outage_seconds"]), ("full", 37, None))
        self.assertEqual(document["manifest"]["format"]["name"], "pobackup")

    def test_cat_gives_exactly_the_bytes(self):
        for path in self.site.mailbox.glob("user0[0-3]/0000.msg"):
            inside = f"Post.OfficemailboxBackup/{path.parent.name}/0000.msg"
            self.assertEqual(self.check(run("cat", self.archive, inside), 0).out, path.read_bytes())
            document = self.check(run("cat", "--json", self.archive, inside), 0).json
            self.assertEqual(base64.b64decode(document["content_base64"], validate=True), path.read_bytes())
        for name in "config", "twin":
            self.assertEqual(run("cat", self.archive, f"Post.OfficeConfigBackup/{name}").out, b"settings\n")
        self.assertEqual(run("cat", "--json", self.archive, "Post.OfficeConfigBackup/empty").json["content_base64"], "")
        self.assertEqual(run("cat", self.archive, b"Post.OfficeConfigBackup/" + HOSTILE).out, b"hostile")

    def test_cat_says_what_is_no_file(self):
        self.check(run("cat", self.archive, "no/such"), 3, "pobackup list ")
        self.check(run("cat", self.archive, "Post.OfficeConfigBackup"), 3, "a directory, not a file")
        self.check(run("cat", self.archive, "Post.OfficeConfigBackup/link"), 3, "a symlink, not a file")

    def test_cat_of_a_damaged_file_is_exit_4(self):
        damaged = self.damage(self.archive)
        hit = run("verify", "--json", damaged).json["archives"][0]["hit"][-1]
        self.check(run("cat", damaged, hit), 4, "pobackup verify ")

    def test_extract_gives_the_guides_layout(self):
        self.check(run("extract", self.archive, "-C", self.dir / "new" / "out"), 0, "extracted 39 files")
        extracted = tree(self.dir / "new" / "out")
        for name in ("Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"):
            self.assertEqual({path: what for path, what in tree(self.dir / "new" / "out" / name).items()},
                             tree(self.site.root / name))
        self.assertEqual(extracted[b"Post.OfficeRegKeyBackup.reg"][1], self.site.registry.read_bytes())

    def test_extract_selects_and_does_not_overwrite(self):
        out = self.dir / "out"
        self.check(run("extract", self.archive, "-C", out, "Post.OfficeConfigBackup/config"), 0)
        self.assertEqual(list(tree(out)), [b"Post.OfficeConfigBackup", b"Post.OfficeConfigBackup/config"])
        (out / "Post.OfficeConfigBackup" / "config").write_text("mine")
        done = self.check(run("extract", self.archive, "-C", out, "**/config"), 1, "1 item was not extracted")
        self.assertIn("--overwrite", done.text)
        self.assertEqual((out / "Post.OfficeConfigBackup" / "config").read_text(), "mine")
        problems = run("extract", "--json", self.archive, "-C", out, "**/config").json["problems"]
        self.assertEqual([problem["path"] for problem in problems], ["Post.OfficeConfigBackup/config"])
        self.check(run("extract", self.archive, "-C", out, "**/config", "--overwrite"), 0)
        self.assertEqual((out / "Post.OfficeConfigBackup" / "config").read_text(), "settings\n")
        done = self.check(run("extract", self.archive, "-C", out, "Post.OfficeConfigBackup"), 1)
        self.assertIn("--overwrite", done.text)  # links too
        (out / "Post.OfficeConfigBackup" / "config").unlink()
        (out / "Post.OfficeConfigBackup" / "config").mkdir()
        (out / "Post.OfficeConfigBackup" / "config" / "mine").write_text("")
        done = self.check(run("extract", self.archive, "-C", out, "**/config", "--overwrite"), 1)
        self.assertNotIn("--overwrite", done.text)
        self.check(run("extract", self.archive, "-C", out, "nothing"), 1, "nothing: selects nothing")
        self.check(run("extract", self.archive), 3, "-C DIR")

    def test_extract_of_a_damaged_archive_gives_what_is_whole(self):
        damaged = self.damage(self.archive)
        hits = run("verify", "--json", damaged).json["archives"][0]["hit"]
        done = self.check(run("extract", "--json", damaged, "-C", self.dir / "out"), 4)
        self.assertEqual(sorted(p["path"] for p in done.json["problems"]), sorted(hits))
        self.assertTrue(done.json["damaged"])
        extracted = tree(self.dir / "out" / "Post.OfficemailboxBackup")
        whole = {path: what for path, what in tree(self.site.mailbox).items()
                 if f"Post.OfficemailboxBackup/{path.decode()}" not in hits}
        self.assertEqual({path: extracted[path] for path in whole}, whole)
        self.assertFalse([hit for hit in hits if (self.dir / "out" / hit).exists()])

    def test_diff_of_archives(self):
        self.check(run("diff", self.archive, self.archive), 0, "no difference")
        (self.site.mailbox / "user00" / "0000.msg").write_text("changed")
        (self.site.mailbox / "user00" / "0001.msg").unlink()
        (self.site.mailbox / "user00" / "new\x1b").write_text("new")
        self.site.registry.write_bytes(b"\xff\xfe" + REGISTRY.replace("4.2.1", "4.2.2").encode("utf-16-le"))
        for other in ((self.backup("b.tar.zst"),), (self.arg,)):
            done = self.check(run("diff", self.archive, *other), 1)
            lines = done.out.decode().splitlines()
            self.assertIn("added   Post.OfficemailboxBackup/user00/new\\x1B", lines)
            self.assertIn("removed Post.OfficemailboxBackup/user00/0001.msg", lines)
            self.assertIn("changed Post.OfficemailboxBackup/user00/0000.msg  (content)", lines)
            self.assertTrue([line for line in lines if line.startswith("changed Post.OfficeRegKeyBackup.reg  (")
                             and "Post.Office: Version" in line], lines)
            result = self.check(run("diff", "--json", self.archive, *other), 1).json
            self.assertEqual(len(result["differences"]), result["added"] + result["removed"] + result["changed"])

    def test_diff_names_the_archive_that_is_damaged(self):
        # With other frames every content has to be looked at.
        good = self.backup("good.tar.zst", "--level=9", "--order=path", "--frame-size=128K")
        damaged = self.damage(self.archive)
        manifest = self.dir / "manifest.tar.zst"
        data = bytearray(self.archive.read_bytes())
        data[600] ^= 1  # the registry is in the frame of the manifest
        manifest.write_bytes(data)
        for bad in damaged, manifest:
            for pair in ((good, bad), (bad, good)):
                done = self.check(run("diff", *pair), 4, f"pobackup verify {bad}\n")
                self.assertIn(f"pobackup: {bad}: ", done.text)
                self.assertNotIn(f"pobackup verify {good}", done.text)
                self.assertIn(str(bad), run("diff", "--json", *pair).json["error"]["message"])
        done = self.check(run("diff", damaged, self.arg), 4, f"pobackup: {damaged}: ")
        cut = self.dir / "cut"
        cut.write_bytes(good.read_bytes()[:-1])
        for pair in ((good, cut), (cut, good)):
            self.check(run("diff", *pair), 4, f"pobackup verify {cut}\n")

    def test_diff_needs_one_other(self):
        self.check(run("diff", self.archive), 3, "with what?")
        self.check(run("diff", self.archive, self.archive, self.arg), 3, "one of them")
        damaged = self.damage(self.archive)
        done = run("diff", damaged, self.backup("b.tar.zst"))
        self.assertIn(done.code, (0, 4))  # what lies in the damaged frame may not need to be looked at

    def test_stock_tools_open_it(self):
        if shutil.which("zstd") is None:
            self.skipTest("no zstd")
        subprocess.run(["zstd", "-tq", self.archive], check=True)

    def test_the_file_name_is_quoted_in_what_to_type(self):
        strange = self.dir / "it's an\x1b archive"
        shutil.copy(self.damage(self.archive), strange)
        done = self.check(run("verify", strange), 4)
        self.assertNotIn("\x1b", done.text + done.out.decode())
        self.assertIn("it'\\''s an\\x1B archive' -C DIR", done.text)


class Restore(Base):
    def setUp(self):
        super().setUp()
        self.archive = self.backup()

    def change(self):
        (self.site.mailbox / "user00" / "0000.msg").write_text("changed")
        (self.site.mailbox / "user00" / "0001.msg").unlink()
        (self.site.mailbox / "user00" / "mine").write_text("mine")
        (self.site.bin / "Post.Office.exe").write_text("newer")

    def test_nobody_to_ask_is_a_usage_error_and_nothing_happens(self):
        self.change()
        before = tree(self.site.root)
        self.check(run("restore", self.archive, self.arg), 3, "--yes")
        self.assertEqual(run("restore", self.archive, self.arg, "--json").json["exit_code"], 3)
        self.assertEqual(tree(self.site.root), before)

    def test_a_dry_run_shows_the_plan_and_changes_nothing(self):
        self.change()
        before = tree(self.site.root)
        done = self.check(run("restore", self.archive, self.arg, "--dry-run"), 0, "restore from ")
        self.assertIn(str(self.site.mailbox), done.text)
        self.assertIn(" replaced, ", done.text)
        parts = run("restore", self.archive, self.arg, "--dry-run", "--json").json["parts"]
        self.assertEqual([part["part"] for part in parts], ["registry", "spool", "mailbox"])
        self.assertEqual(parts[2]["left"], 1)
        self.assertEqual(tree(self.site.root), before)

    def test_a_restore_puts_it_back(self):
        self.site.start()
        before = tree(self.site.mailbox)
        self.change()
        done = self.check(run("restore", self.archive, self.arg, "--yes"), 0, "restored in ")
        self.assertIn("mail was down for ", done.text)
        after = tree(self.site.mailbox)
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertEqual((self.site.mailbox / "user00" / "mine").read_text(), "mine")
        self.assertEqual((self.site.bin / "Post.Office.exe").read_text(), "newer")  # req: R6
        self.assertEqual(self.site.running(), ["mta", "puf"])
        kept = re.search("old files of mailbox are kept in (.*)", done.text)
        self.assertIsNotNone(kept, done.text)
        self.assertTrue(os.path.isdir(kept[1]))

    def test_json_tells_the_same(self):
        self.change()
        result = self.check(run("restore", self.archive, self.arg, "--yes", "--json"), 0).json
        self.assertEqual((result["dry_run"], result["services_lost"], result["problems"], result["exit_code"]),
                         (False, False, [], 0))
        mailbox = [part for part in result["parts"] if part["part"] == "mailbox"][0]
        self.assertEqual((mailbox["files"], mailbox["added"]), (32, 1))
        self.assertTrue(os.path.isdir(mailbox["set_aside"]))

    def test_a_set_made_by_hand_is_restored_as_it_is(self):  # req: N2
        self.change()
        made = self.dir / "by hand"
        shutil.copytree(self.site.root, made, symlinks=True)
        (made / "pobackup-site.ini").write_text("[trees]\nspool = config copy\nregistry = key.reg\n")
        (made / "Post.OfficeConfigBackup").rename(made / "config copy")
        (made / "Post.OfficeRegKeyBackup.reg").rename(made / "key.reg")
        before = {part: tree(part) for part in (self.site.spool, self.site.mailbox)}
        (self.site.spool / "config").unlink()
        (self.site.mailbox / "user00" / "0000.msg").write_text("lost")
        kept = set(os.listdir(STATE))
        done = self.check(run("restore", made, self.arg, "--yes"), 0, "a set that was made by hand")
        self.assertIn("restored in ", done.text)
        for part, was in before.items():
            self.assertEqual(tree(part), was)
        self.assertEqual({name for name in os.listdir(STATE) if "import" in name}, set(), kept)
        self.check(run("undo", self.arg, "--yes"), 0)
        self.assertEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "lost")
        self.check(run("restore", self.site.root, self.arg, "--yes"), 3, "that is the site itself")
        (made / "config copy").rename(made / "elsewhere")
        self.check(run("restore", made, self.arg, "--yes"), 3, "config copy")

    def test_another_version_of_the_product_is_told(self):  # req: R1
        def program(minor):
            return b"MZ" + bytes(510) + struct.pack("<IIIIII", 0xFEEF04BD, 0x10000, 0, 0, 4 << 16 | minor, 1 << 16) + bytes(28)
        (self.site.bin / "Post.Office.exe").write_bytes(program(2))
        archive = self.backup("version.tar.zst")
        done = self.check(run("restore", archive, self.arg, "--dry-run"), 0, "Post.Office 4.2.1.0 in the archive, 4.2.1.0 here")
        self.assertNotIn("install that of the archive first", done.text)
        (self.site.bin / "Post.Office.exe").write_bytes(program(3))
        self.check(run("restore", archive, self.arg, "--dry-run"), 0, "of Post.Office 4.2.1.0, but 4.3.1.0 is installed here")
        told = run("restore", archive, self.arg, "--dry-run", "--json").json["product"]
        self.assertEqual(told, {"archive": "4.2.1.0", "site": "4.3.1.0"})

    def test_a_set_that_cannot_be_read_in_changes_nothing(self):  # req: N2
        made = self.dir / "by hand"
        shutil.copytree(self.site.root, made, symlinks=True)
        self.change()
        before = tree(self.site.root)
        done = self.check(run("restore", made, self.arg, "--yes", env={"POBACKUP_STATE_DIR": "/dev/null/state"}), 2)
        self.assertIn("/dev/null", done.text)
        self.assertEqual(tree(self.site.root), before)

    def test_messages_that_wait_are_told_and_can_be_held(self):  # req: R11, W1
        for name in "control/1-Control", "messages/1-Header", "messages/1-Body", "control/2-Control":
            (self.site.spool / name).write_text(name)
        archive = self.backup("queue.tar.zst")
        done = self.check(run("restore", archive, self.arg, "--dry-run"), 0, "1 message waited in the queue")
        self.assertIn("2: Control without Header and Body", done.text)
        shutil.rmtree(self.site.spool / "control")
        shutil.rmtree(self.site.spool / "messages")
        result = self.check(run("restore", archive, self.arg, "--yes", "--queue=hold", "--json"), 0).json
        self.assertEqual((result["queue"]["messages"], result["queue"]["incomplete"]), (1, 1))
        held = self.site.spool / "PostOfficeBackup" / result["queue"]["held"]
        self.assertEqual((held / "control" / "1-Control").read_text(), "control/1-Control")
        self.assertEqual(list((self.site.spool / "control").iterdir()), [])

    def test_files_are_added_while_services_run(self):
        self.site.start()
        box = self.site.mailbox / "user00"
        before = tree(box)
        shutil.rmtree(box)
        pattern = "--path=Post.OfficemailboxBackup/user00"
        self.check(run("restore", self.archive, self.arg, "--yes", "--live"), 3, "--live is for --only mailbox")
        self.check(run("restore", self.archive, self.arg, "--yes", "--live", "--only=mailbox"), 2, "28 would be replaced")
        self.assertFalse(box.exists())
        self.check(run("restore", self.archive, self.arg, "--yes", "--live", "--only=mailbox", pattern), 0, "no service was stopped")
        self.assertEqual(tree(box), before)
        self.assertEqual(self.site.log(), [])

    def test_registry_values_survive_unless_it_is_exact(self):  # req: R3, R4
        head, values = REGISTRY.split("]\r\n")
        self.site.registry.write_bytes(b"\xff\xfe" + (head + ']\r\n"Port"=dword:00000001\r\n"Only"="here"\r\n').encode("utf-16-le"))
        done = self.check(run("restore", self.archive, self.arg, "--dry-run", "--only=registry"), 0, "1 changed, 1 added, 0 removed, 1 left")
        self.assertIn("Only in HKEY_LOCAL_MACHINE", done.text)
        self.check(run("restore", self.archive, self.arg, "--yes", "--only=registry", "--map=4.2.1=9.9"), 0, "4.2.1 -> 9.9")
        text = self.site.registry.read_bytes().decode("utf-16")
        for line in '"Only"="here"', '"Port"=dword:00000019', '"Version"="9.9"':
            self.assertIn(line, text)
        self.check(run("restore", self.archive, self.arg, "--yes", "--only=registry", "--registry=exact"), 0, "1 removed")
        self.assertEqual(self.site.registry.read_bytes().decode("utf-16"), "\ufeff"[1:] + REGISTRY)
        for wrong in "x", "=x", "x=":
            self.check(run("restore", self.archive, self.arg, "--yes", f"--map={wrong}"), 3, "is not OLD=NEW")

    def test_exact_takes_away_what_the_archive_does_not_have(self):
        self.change()
        self.check(run("restore", self.archive, self.arg, "--yes", "--exact"), 0)
        self.assertFalse((self.site.mailbox / "user00" / "mine").exists())

    def test_parts_and_paths_can_be_chosen(self):
        self.change()
        (self.site.spool / "config").write_text("other")
        self.check(run("restore", self.archive, self.arg, "--yes", "--only=bin"), 0)
        self.assertTrue((self.site.bin / "Post.Office.exe").read_bytes().startswith(b"MZ"))
        self.assertEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "changed")
        self.check(run("restore", self.archive, self.arg, "--yes", "--path", "**/user00/0001.msg"), 0)
        self.assertTrue((self.site.mailbox / "user00" / "0001.msg").exists())
        self.assertEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "changed")
        self.assertEqual((self.site.spool / "config").read_text(), "other")
        for options in ("--dry-run",), ("--yes",):
            done = self.check(run("restore", self.archive, self.arg, *options, "--path=**/user00/0001.msg"), 0, "mailbox ")
            self.assertNotRegex(done.text, r"(?m)^(registry|spool)|0 B")
            done = self.check(run("restore", self.archive, self.arg, *options, "--path=Post.OfficeConfigBackup/messages"), 0)
            self.assertRegex(done.text, r"(?m)^spool +/")  # an empty directory is something
            self.assertNotRegex(done.text, r"(?m)^(registry|mailbox)")
        self.check(run("restore", self.archive, self.arg, "--yes", "--only=spool,nonsense"), 3, "nonsense is no part")
        self.check(run("restore", self.archive, self.arg, "--yes", "--only=rights"), 3, "a folder site has none")

    def test_a_part_that_a_side_lacks_is_left_out_unless_it_is_named(self):
        other = self.new_site("other", has_mail=False)
        (other.root / "pobackup-site.ini").write_text("[trees]\nregistry = none\n" + INI)
        arg = f"--site=folder:{other.root}"
        self.check(run("restore", self.archive, arg, "--yes", "--only=registry"), 3, "the site has none")
        self.check(run("restore", self.archive, arg, "--yes"), 0, "registry is left out: the site has none")
        self.assertEqual(tree(other.mailbox), tree(self.site.mailbox))
        archive = self.backup("without.tar.zst", site=other)
        self.check(run("restore", archive, self.arg, "--yes", "--dry-run"), 0, "the archive has none")

    def test_another_machine_gets_it_whole(self):
        other = self.new_site("other", has_mail=False)
        self.check(run("restore", self.archive, f"--site=folder:{other.root}", "--yes",
                       "--only=registry,bin,spool,mailbox"), 0)
        self.check(run("diff", self.archive, f"--site=folder:{other.root}"), 0)

    def test_a_damaged_archive_changes_nothing(self):
        self.site.start()
        self.change()
        before = tree(self.site.mailbox)
        damaged = self.damage(self.archive)
        self.check(run("restore", damaged, self.arg, "--yes"), 4, "Nothing was changed")
        self.assertTrue(self.check(run("restore", damaged, self.arg, "--yes", "--json"), 4).json["hits"])
        self.assertEqual((tree(self.site.mailbox), self.site.log()), (before, []))

    def test_a_service_that_does_not_start_again_is_exit_5(self):  # req: B7
        self.site.start()
        self.change()
        (self.site.root / "fail-start-puf").touch()
        done = self.check(run("restore", self.archive, self.arg, "--yes"), 5, "pufService")
        self.assertEqual(self.site.running(), ["mta"])

    def test_the_question_is_asked_on_a_terminal(self):
        self.change()
        for answer in b"n\n", b"\n", b"\x04":
            done = run_on_terminal("restore", self.archive, self.arg, answer=answer)
            self.assertEqual(done.code, 2, done.out)
            self.assertIn(b"nothing was changed", done.out)
            self.assertEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "changed")
        done = run_on_terminal("restore", self.archive, self.arg, answer=signal.SIGINT)
        self.assertEqual(done.code, -signal.SIGINT)
        self.assertEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "changed")
        done = run_on_terminal("restore", self.archive, self.arg, answer=b"y\n")
        self.assertEqual(done.code, 0, done.out)
        self.assertNotEqual((self.site.mailbox / "user00" / "0000.msg").read_text(), "changed")

    def test_whoever_is_asked_has_seen_the_plan(self):
        self.change()
        done = run_on_terminal("restore", self.archive, self.arg, "--quiet", answer=b"n\n")
        self.assertEqual(done.code, 2, done.out)
        for says in (b"restore from ", str(self.site.mailbox).encode(), b" replaced, "):
            self.assertIn(says, done.out)
        done = run_on_terminal("restore", self.archive, self.arg, "-q", "--yes", "--path=**/0000.msg")
        self.assertNotIn(b"restore from ", done.out)
        self.assertEqual(done.code, 0)

    def test_what_a_folder_site_lacks_is_told_only_when_asked_for(self):
        done = self.check(run("restore", self.archive, self.arg, "--dry-run", "--reboot=never"), 0)
        self.assertNotIn("reboot", done.text)
        self.check(run("restore", self.archive, self.arg, "--dry-run", "--reboot=now"), 0, "nothing to reboot")
        self.assertIsNone(json.loads(run("restore", self.archive, self.arg, "--dry-run", "--json").out)["reboot"])
        self.check(run("restore", self.archive, self.arg, "--dry-run", "--reboot=now", "--reboot-delay=5"), 3, "--reboot=schedule alone")
        self.check(run("restore", self.archive, self.arg, "--dry-run", "--rights=keep"), 0, "--rights=keep")
        self.check(run("restore", self.archive, self.arg, "--dry-run", "--rights=poperms"), 3, "no such rights")


    def interrupt(self, service):
        """While the service stops: the MTA is the last, so that the renames have their turn."""
        self.site.start()
        self.change()
        before = tree(self.site.mailbox)
        (self.site.root / f"slow-stop-{service}").touch()
        process = subprocess.Popen([PROGRAM, "restore", self.archive, self.arg, "--yes"], stderr=subprocess.PIPE)
        self.await_log(f"{service} stop")
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1].decode()
        self.assertEqual(process.returncode, 2, err)
        self.assertIn("; services are running again", err)
        self.assertEqual(err.count("nothing was changed") + err.count("as it was before"), 1, err)
        self.assertEqual((tree(self.site.mailbox), self.site.running()), (before, ["mta", "puf"]))

    def test_an_interrupt_before_the_renames_changes_nothing_and_says_so_once(self):  # req: B7
        self.interrupt("puf")

    def test_an_interrupt_at_the_renames_changes_nothing_and_says_so_once(self):  # req: B7
        self.interrupt("mta")

    def test_a_failure_tells_what_became_of_the_services(self):  # req: B7
        self.site.start()
        (self.site.root / "fail-stop-mta").touch()
        done = self.check(run("restore", self.archive, self.arg, "--yes", "--stop-timeout=1"), 2, "MTA")
        self.assertIn("; nothing was changed; services are running again", done.text)


class OneAtATime(Base):
    """A site has one job at a time: two would take each other's stopped services for stopped ones."""  # req: B7

    MESSAGE = "another pobackup is working on this site (backup or restore); wait until it has ended"

    def start(self, *arguments, kind="held"):
        """The job, until it has begun to stop a service that is slow or held, which it then waits for."""
        ini = self.site.root / "pobackup-site.ini"
        ini.write_text(ini.read_text().replace("stop-timeout = 10\n", "stop-timeout = 100\n"))
        self.site.start()
        (self.site.root / f"{kind}-stop-puf").touch()
        process = subprocess.Popen([PROGRAM, *map(os.fspath, arguments)], stderr=subprocess.PIPE)
        self.await_log("puf stop")
        return process

    def end(self, process):
        self.assertIsNone(process.poll())
        (self.site.root / "held-stop-puf").unlink()
        err = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.site.log(), ["puf stop", "mta stop", "mta start", "puf start"])
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_a_backup_excludes_other_jobs_of_its_site_and_no_others(self):
        archive = self.backup()
        before = tree(self.site.mailbox)
        first = self.start("backup", self.arg, "-o", self.dir / "first")
        os.symlink(self.site.root, self.dir / "other-name")
        for arg in self.arg, f"--site=folder:{self.dir}/other-name/.":
            self.check(run("backup", arg, "-o", self.dir / "second"), 2, self.MESSAGE)
            self.check(run("restore", archive, arg, "--yes", "--exact"), 2, self.MESSAGE)
        document = self.check(run("backup", self.arg, "-o", self.dir / "second", "--json"), 2).json
        self.assertEqual((document["error"]["message"], document["exit_code"]), (self.MESSAGE, 2))
        # What changes nothing may go on, and other sites have locks of their own.
        self.check(run("backup", self.arg, "-o", self.dir / "second", "--dry-run"), 0)
        done = self.check(run("restore", archive, self.arg, "--dry-run"), 2, "another pobackup is working on this site")
        self.assertIn("restore from ", done.text)  # all the same: what would be, and what else is in the way (req: R1)
        other = self.new_site("other")
        self.backup("other.tar.zst", site=other)
        locks = [check for check in run("doctor", self.arg, "--json").json["checks"] if check["id"] == "lock"]
        self.assertEqual([check["state"] for check in locks], ["note"])
        self.end(first)
        self.assertFalse(list(self.dir.glob("second*")))
        self.check(run("diff", archive, self.dir / "first"), 0)
        self.assertEqual(tree(self.site.mailbox), before)
        self.backup("third.tar.zst")

    def test_a_restore_excludes_a_backup(self):
        archive = self.backup()
        first = self.start("restore", archive, self.arg, "--yes")
        self.check(run("backup", self.arg, "-o", self.dir / "second"), 2, self.MESSAGE)
        self.end(first)
        self.backup("third.tar.zst")

    def test_a_run_right_after_a_killed_one_waits_for_its_services(self):
        first = self.start("backup", self.arg, "-o", self.dir / "first", kind="slow")
        first.kill()
        first.communicate()
        self.check(run("backup", self.arg, "-o", self.dir / "second"), 0)
        self.assertEqual(self.site.running(), ["mta", "puf"])
        self.assertFalse(list(pathlib.Path(STATE).glob("*.outage")))

    def test_a_note_that_cannot_be_read_is_told_and_goes(self):
        self.site.start()
        own = {"POBACKUP_STATE_DIR": str(self.dir / "state")}
        self.check(run("backup", self.arg, "-o", self.dir / "zero", env=own), 0)
        (lock,) = (self.dir / "state").glob("site-*.lock")
        note = lock.with_suffix(".outage")
        for verb in ("status", self.arg), ("backup", self.arg, "-o", self.dir / "second"):
            note.write_bytes(b"no journal at all")
            self.check(run(*verb, env=own), 0, "which ones cannot be told")
            self.assertFalse(note.exists())
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_the_lock_lies_in_the_state_directory(self):
        env = {"POBACKUP_STATE_DIR": str(self.dir / "new" / "state")}
        self.check(run("backup", self.arg, "-o", self.dir / "a", env=env), 0)
        (lock,) = [name for name in os.listdir(self.dir / "new" / "state") if name.startswith("site-")]
        self.assertRegex(lock, r"^site-[0-9a-f]{16}\.lock$")

    def test_without_a_state_directory_a_backup_warns_and_a_restore_ends(self):
        env = {"POBACKUP_STATE_DIR": "/dev/null/state"}
        self.site.start()
        done = self.check(run("backup", self.arg, "-o", self.dir / "a", "--allow-same-volume", "--json", env=env), 0)
        self.assertEqual(len(done.json["warnings"]), 1)
        self.assertIn("/dev/null/state", done.json["warnings"][0])
        # A restore that could not be taken back is none.
        done = self.check(run("restore", self.dir / "a", self.arg, "--yes", env=env), 2, "so that it can be taken back, and that failed")
        self.assertIn("nothing was changed", done.text)


class Guardian(Base):  # req: B7
    """The program is killed; its second process brings back what it had stopped."""

    def setUp(self):
        super().setUp()
        self.arg = f"--site=folder:{self.site.root}"
        self.site.start()

    def kill_when(self, line, *arguments):
        """Kills the program once the services' log has the line; the state within 10 s."""
        with subprocess.Popen([PROGRAM, *map(str, arguments)], env={**os.environ, "POBACKUP_STATE_DIR": STATE}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            self.await_log(line)
            process.kill()
        killed = time.monotonic()
        while not self.are_alive() and time.monotonic() < killed + 20:
            time.sleep(0.05)
        took = time.monotonic() - killed
        time.sleep(1)  # until the guardian has ended: asking for the state writes to the services' log, too
        self.assertEqual(self.site.running(), ["mta", "puf"])
        return took

    def are_alive(self):
        try:
            for service in "mta", "puf":
                os.kill(int((self.site.root / f"{service}.pid").read_text()), 0)
            return True
        except (OSError, ValueError):
            return False

    def deeds(self):
        return [line for line in self.site.log() if not line.endswith(" status")]

    def slow_down(self, service):
        ini = self.site.root / "pobackup-site.ini"
        ini.write_text(ini.read_text().replace(f"sh ./service.sh {service} stop", f"sh ./service.sh {service} stop; sleep 2"))

    def test_killed_while_the_first_service_stops(self):
        self.slow_down("puf")
        self.assertLess(self.kill_when("puf stop", "backup", self.arg, "-o", self.dir / "a", "--allow-same-volume"), 10)
        self.assertEqual(self.deeds(), ["puf stop", "puf start"])

    def test_killed_while_the_last_service_stops(self):
        self.slow_down("mta")
        self.assertLess(self.kill_when("mta stop", "backup", self.arg, "-o", self.dir / "a", "--allow-same-volume"), 10)
        self.assertEqual(self.deeds(), ["puf stop", "mta stop", "mta start", "puf start"])
        self.assertIn("they run again", (pathlib.Path(STATE) / "pobackup.log").read_text())
        self.assertFalse((self.dir / "a").exists())

    def test_killed_while_it_starts_them(self):
        ini = self.site.root / "pobackup-site.ini"
        ini.write_text(ini.read_text().replace("sh ./service.sh mta start", "sh ./service.sh mta start; sleep 2"))
        self.assertLess(self.kill_when("mta start", "backup", self.arg, "-o", self.dir / "a", "--allow-same-volume"), 10)
        self.assertEqual(self.deeds()[2:], ["mta start", "puf start"])  # it runs already

    def test_a_restore_that_is_killed_leaves_the_services_running(self):
        archive = self.backup()
        (self.site.root / "service.log").write_text("")
        self.slow_down("mta")
        self.assertLess(self.kill_when("mta stop", "restore", archive, self.arg, "--yes"), 10)
        self.check(run("status", self.arg), 1, "was interrupted before it had changed a file")
        document = self.check(run("doctor", self.arg, "--json"), 2).json
        (pending,) = [check for check in document["checks"] if check["id"] == "pending"]
        self.assertEqual(pending["state"], "bad")
        self.assertIn("was interrupted: pobackup resume finishes it", pending["text"])
        self.check(run("undo", self.arg, "--yes"), 0)
        self.assertEqual(self.site.running(), ["mta", "puf"])

    def test_a_run_that_ends_leaves_no_guardian(self):
        self.backup()
        self.assertEqual(self.site.running(), ["mta", "puf"])
        done = subprocess.run(["pgrep", "-f", f"guardian --site {self.arg[7:]}"], stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.stdout, b"")


class AfterReboot(Base):  # req: R9
    def setUp(self):
        super().setUp()
        self.arg = f"--site=folder:{self.site.root}"

    def test_services_that_did_not_start_are_started_and_told(self):
        self.assertEqual(self.site.running(), [])
        done = self.check(run("after-reboot", self.arg), 1, "post.office MTA did not start by itself; it was started now")
        self.assertEqual(self.site.running(), ["mta", "puf"])
        self.assertEqual(self.site.log(), ["mta start", "puf start"])
        done = self.check(run("after-reboot", self.arg, "--json"), 0)
        self.assertEqual([service["state"] for service in json.loads(done.out)["services"]], ["runs", "runs"])
        self.assertEqual(self.site.log(), ["mta start", "puf start"])

    def test_one_that_cannot_be_started_is_exit_code_5(self):
        ini = self.site.root / "pobackup-site.ini"
        ini.write_text(ini.read_text().replace("sh ./service.sh mta start", "echo no licence; exit 1"))
        done = self.check(run("after-reboot", self.arg, "--json"), 5, "post.office MTA could not be started")
        mta, puf = json.loads(done.out)["services"]
        self.assertEqual((mta["state"], puf["state"], puf["reason"]), ("failed", "started", None))
        self.assertIn("no licence", mta["reason"])
        self.assertEqual(self.site.running(), ["puf"])


class History(Base):
    """What was run is known afterwards: the last runs, the last good backup, the last verified one."""

    def setUp(self):
        super().setUp()
        self.state = self.dir / "state"
        self.env = {"POBACKUP_STATE_DIR": str(self.state)}
        self.a = self.dir / "a.tar.zst"

    def must(self, *arguments, code=0, contains=""):
        return self.check(run(*arguments, env=self.env), code, contains)

    def save(self, path, code=0, *more):
        self.must("backup", self.arg, "-o", path, "--allow-same-volume", *more, code=code)

    def status(self, *more, code=0):
        return self.must("status", self.arg, "--json", *more, code=code).json

    def lines(self):
        return [json.loads(line) for line in (self.state / "history").read_text().splitlines()]

    def test_each_run_is_noted_and_status_tells_the_last_ones(self):
        self.save(self.a)
        self.must("verify", self.a)
        self.must("verify", "--quick", self.a)
        self.must("restore", self.a, self.arg, "--yes")
        self.must("undo", self.arg, "--yes")
        document = self.status()
        self.assertEqual([(item["verb"], item["check"], item["whole"]) for item in document["runs"]],
                         [("undo", "none", None), ("restore", "deep", True), ("verify", "quick", True), ("verify", "deep", True),
                          ("backup", "frames", True)])
        backup = document["last_backup"]
        self.assertEqual(backup, document["runs"][-1])
        self.assertEqual(document["last_verified"], document["runs"][1])
        self.assertEqual(backup["path"], str(self.a))
        self.assertTrue(backup["complete"])
        self.assertEqual((backup["exit_code"], backup["files"] > 30, backup["bytes"] > 9000 * 32), (0, True, True))
        self.assertIsNotNone(backup["space_free"])
        self.assertLess(document["last_backup_age_seconds"], 100)
        self.assertEqual({item["archive_id"] for item in document["runs"][1:]}, {backup["archive_id"]})
        self.assertRegex(backup["time"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        text = self.must("status", self.arg).text
        for part in "undo: done", "verify: whole (deep)", "last good backup: ", "last verified backup: ":
            self.assertIn(part, text)
        self.assertEqual([line["verb"] for line in self.lines()], ["backup", "verify", "verify", "restore", "undo"])

    def test_what_changes_nothing_is_not_noted(self):
        self.save(self.a)
        self.must("backup", self.arg, "-o", self.dir / "b", "--dry-run")
        self.must("restore", self.a, self.arg, "--dry-run")
        run("doctor", self.arg, env=self.env)
        self.must("list", self.a)
        self.assertEqual(len(self.lines()), 1)

    def test_no_frame_check_is_no_check(self):
        self.save(self.a, 0, "--no-frame-check")
        self.assertEqual((self.lines()[0].get("check"), self.status()["last_backup"]["whole"]), (None, None))

    def test_verify_makes_no_state_directory(self):
        self.backup("a.tar.zst")
        self.must("verify", self.a)
        self.assertFalse(self.state.exists())

    def test_the_runs_of_other_sites_are_not_told(self):
        other = self.new_site("other")
        self.must("backup", f"--site=folder:{other.root}", "-o", self.a, "--allow-same-volume")
        self.must("verify", self.a)
        document = self.status()
        self.assertEqual((document["runs"], document["last_backup"], document["last_verified"]), ([], None, None))
        self.assertEqual(len(self.lines()), 2)

    def test_max_age_without_a_backup(self):
        done = self.must("status", self.arg, "--max-age=24", code=1, contains="no good backup of this site is known here")
        self.assertIn("no older than 24 hours", done.text)
        self.must("status", self.arg)
        self.must("status", self.arg, "--max-age=0", code=3)
        self.must("status", self.arg, "--max-age=1", "--forget", code=3)

    def set_back(self, hours):
        """The clock of the past, as it were."""
        def earlier(match):
            at = time.time() - hours * 3600
            return f'"{match[1]}":"{time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))}.0000000Z"'
        path = self.state / "history"
        path.write_text(re.sub(r'"(time|created)":"[^"]*"', earlier, path.read_text()))

    def test_max_age_of_an_old_backup(self):
        self.save(self.a)
        self.status("--max-age=1")
        self.set_back(25.5)
        self.status("--max-age=26")
        document = self.status("--max-age=25", code=1)
        self.assertEqual(len(document["warnings"]), 1)
        self.assertIn("the last good backup was made 25 h 30 min ago", document["warnings"][0])
        self.assertAlmostEqual(document["last_backup_age_seconds"], 25.5 * 3600, delta=60)
        self.set_back(72)
        self.assertIn("3.0 days ago", self.status("--max-age=25", code=1)["warnings"][0])

    def test_max_age_of_a_backup_that_is_gone(self):
        vault = self.dir / "vault"
        vault.mkdir()
        b = vault / "b.tar.zst"
        self.save(self.a)
        self.save(b)
        self.assertEqual(self.status("--max-age=1")["last_backup"]["path"], str(b))
        # The one before counts; the newer is told.
        content = b.read_bytes()
        b.unlink()
        document = self.status("--max-age=1")
        self.assertEqual((document["last_backup"]["path"], document["last_backup_gone"]), (str(self.a), str(b)))
        self.assertIn(f"the last good backup, {b}, is no longer there: its directory is there, and it is not", document["warnings"][0])
        self.a.unlink()
        done = self.must("status", self.arg, "--max-age=1", code=1, contains=f"the last good backup, {b}, is no longer there")
        self.assertIn("no good backup of this site is left", done.text)
        self.assertIsNone(self.status()["last_backup"])
        # Not what it was.
        b.write_bytes(content[:-1])
        self.must("status", self.arg, "--max-age=1", code=1, contains="another size")
        b.write_bytes(b"x" * len(content))
        self.must("status", self.arg, "--max-age=1", code=1, contains="no longer there")
        b.write_bytes(content)
        document = self.status("--max-age=1")
        self.assertEqual((document["last_backup"]["path"], document["last_backup_gone"], document["last_backup_unseen"]), (str(b), None, None))
        # What cannot be reached is not gone.
        vault.rename(self.dir / "off-site")
        document = self.status("--max-age=1")
        self.assertEqual(document["last_backup"]["path"], str(b))
        self.assertIn("its directory cannot be reached", document["last_backup_unseen"])
        self.must("status", self.arg, "--max-age=1", contains="could not be looked at")

    def test_max_age_of_a_backup_that_went_through_a_pipe(self):
        with open(self.a, "wb") as file:
            subprocess.run([PROGRAM, "backup", self.arg, "-o", "-", "--quiet"], stdout=file, env={**os.environ, **self.env}, check=True, timeout=60)
        self.must("status", self.arg, "--max-age=1", contains="it was written to standard output")

    def test_a_backup_of_the_future_is_none_to_rely_on(self):
        self.save(self.a)
        self.set_back(-48)
        self.assertIn("in the future", self.status("--max-age=25", code=1)["warnings"][0])

    def test_a_backup_with_something_left_out_is_not_a_good_one(self):
        self.save(self.a)
        os.mkfifo(self.site.spool / "pipe")
        self.save(self.dir / "b", 1)
        document = self.status("--max-age=24")
        self.assertEqual(document["last_backup"]["path"], str(self.a))
        self.assertEqual([item["exit_code"] for item in document["runs"]], [1, 0])

    def test_a_damaged_backup_is_not_a_good_one(self):
        self.save(self.a)
        self.save(self.dir / "b")
        for damage in "cut", "flipped":
            content = bytearray((self.dir / "b").read_bytes())
            whole = bytes(content)
            if damage == "cut":
                content = content[:-100]  # it cannot even be opened
            else:
                content[400] ^= 1
            (self.dir / "b").write_bytes(content)
            run("verify", self.dir / "b", env=self.env)
            document = self.status()
            self.assertEqual(document["last_backup"]["path"], str(self.a), damage)
            self.assertEqual(document["runs"][0]["whole"], False)
            (self.dir / "b").write_bytes(whole)
            self.must("verify", self.dir / "b")
            self.assertEqual(self.status()["last_backup"]["path"], str(self.dir / "b"))

    def test_a_restore_that_finds_damage_says_so_of_the_backup(self):
        self.save(self.a)
        self.must("verify", self.a)
        shutil.copy(self.damage(self.a), self.a)
        self.must("restore", self.a, self.arg, "--yes", code=4)
        document = self.status()
        self.assertEqual((document["runs"][0]["verb"], document["runs"][0]["whole"]), ("restore", False))
        self.assertEqual((document["last_backup"], document["last_verified"]), (None, None))

    def test_a_history_that_cannot_be_written_is_a_warning(self):
        self.save(self.a)
        (self.state / "history").unlink()
        (self.state / "history").mkdir()
        for arguments in ("verify", self.a), ("backup", self.arg, "-o", self.dir / "b", "--allow-same-volume"):
            self.must(*arguments, contains="warning: this run is not noted: history: ")
        self.must("status", self.arg, contains="what was run before cannot be told: history: ")
        self.must("status", self.arg, "--max-age=1", code=1)
        # A backup into a vault wants it for the base and for the shrinking: told once, as it is read once.
        vault = self.dir / "vault"
        vault.mkdir()
        done = self.must("backup", self.arg, "-o", f"{vault}/", "--allow-same-volume")
        self.assertEqual(done.text.count("what was run before cannot be told: "), 1, done.text)

    def test_a_torn_line_is_passed_over(self):
        self.save(self.a)
        with open(self.state / "history", "ab") as file:
            file.write(b'{"time":"2026-11-2')
        self.must("verify", self.a)
        self.assertEqual([item["verb"] for item in self.status()["runs"]], ["verify", "backup"])


class Doctor(Base):
    def test_a_good_site_is_good(self):
        self.site.start()
        done = run("doctor", self.arg)
        self.assertIn(done.code, (0, 1), done.out)
        self.assertIn(b"good ", done.out)
        self.assertEqual(self.site.log(), [])

    def test_what_is_bad_is_exit_2(self):
        shutil.rmtree(self.site.mailbox)
        self.assertIn(b"bad ", self.check(run("doctor", self.arg), 2).out)
        document = self.check(run("doctor", self.arg, "--json"), 2).json
        self.assertEqual(document["worst"], "bad")
        self.assertTrue([check for check in document["checks"] if check["state"] == "bad"])

    def test_the_target_is_checked(self):
        self.assertIn(b"target", run("doctor", self.arg, "-o", self.dir).out)
        self.check(run("doctor", self.arg, "-o", self.site.spool), 2)

    def states(self, *more, env=None):
        checks = run("doctor", self.arg, "--json", *more, env=env).json["checks"]
        return {check["id"]: check["state"] for check in checks}, {check["id"]: check["text"] for check in checks}

    def test_it_knows_of_backups_and_verifications(self):  # req: K1
        env = {"POBACKUP_STATE_DIR": str(self.dir / "state")}
        states, texts = self.states(env=env)
        self.assertEqual((states["backup"], states["uninstall"], states.get("verified"), states.get("target")),
                         ("warning", "note", None, None))
        self.assertFalse((self.dir / "state").exists())  # nothing is changed
        (self.dir / "target").mkdir()
        archive = self.dir / "target" / "a.tar.zst"
        self.check(run("backup", self.arg, "-o", archive, "--allow-same-volume", env=env), 0)
        states, texts = self.states(env=env)
        self.assertEqual((states["backup"], states["verified"], states["uninstall"], states["target"]),
                         ("good", "warning", "note", "good"))
        self.check(run("verify", archive, env=env), 0)
        states, texts = self.states(env=env)
        self.assertEqual((states["backup"], states["verified"], states["uninstall"]), ("good", "good", "good"))
        self.assertIn(str(archive), texts["verified"])
        self.assertIn(str(archive.parent), texts["target"])
        os.rename(archive.parent, self.dir / "moved")
        states, texts = self.states(env=env)
        self.assertEqual((states["target"], texts["target"]), ("warning", f"{archive.parent}, where the last good backup went, is not there"))

    def test_what_the_last_restore_keeps_is_a_note(self):
        archive = self.backup()
        self.check(run("restore", archive, self.arg, "--yes"), 0)
        for verb in "undo", "status":
            states, texts = self.states()
            self.assertEqual((states["leftovers"], states["pending"]), ("note", "good"))
            self.assertIn("kept of the last restore until pobackup status --forget", texts["leftovers"])
            self.check(run(verb, self.arg, *["--yes"] * (verb == "undo")), 0)
        self.check(run("status", self.arg, "--forget"), 0)
        self.assertNotIn("leftovers", self.states()[0])

    def test_quiet_leaves_out_what_is_good(self):
        self.assertNotIn(b"good", run("doctor", self.arg, "--quiet").out)


class Manual(unittest.TestCase):
    def test_the_manual_page_has_every_verb_and_option(self):
        page = (SOURCE / "src" / "cli" / "pobackup.1").read_text()
        document = run("help", "--json").json
        self.assertEqual([verb["name"] for verb in document["verbs"]], VERBS)
        for verb in document["verbs"]:
            self.assertRegex(page, rf"(?m)^\.Ss .*\b{verb['name']}\b")
            for option in verb["options"]:
                self.assertRegex(page, rf"Fl -{option['name']}\b", verb["name"])
        for option in document["common_options"]:
            self.assertRegex(page, rf"Fl -{option['name']}\b")

    def test_the_nightly_example_verifies_after_exit_1(self):
        if shutil.which("jq") is None:
            self.skipTest("no jq")
        page = (SOURCE / "src" / "cli" / "pobackup.1").read_text()
        script = re.search(r"on another disk, checked:\n\.Bd.*\n((?:.*\n)*?)\.Ed", page)[1]
        with tempfile.TemporaryDirectory(prefix="pobackup-cli-") as top:
            site = Site(os.path.join(top, "site"))
            config = os.path.join(top, "c.ini")
            pathlib.Path(config).write_text(f"site = folder:{site.root}\n[backup]\noutput = {top}/vault/\n"
                                            "allow-same-volume = yes\nno-services = yes\n")
            script = script.replace("/etc/pobackup.ini", config).replace("pobackup verify", "echo verified; pobackup verify")

            def nightly(code, says):
                done = subprocess.run(["sh", "-c", script.replace("pobackup ", PROGRAM + " ")], cwd=top,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual((done.returncode, done.stdout), (code, says), done.stderr)

            nightly(0, b"verified\n")
            time.sleep(1.1)
            os.mkfifo(site.spool / "fifo")
            nightly(1, b"verified\n")
            time.sleep(1.1)
            shutil.rmtree(site.spool)
            nightly(3, b"")

    def test_the_manual_page_is_clean(self):
        if shutil.which("mandoc") is None:
            self.skipTest("no mandoc")
        done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", SOURCE / "src" / "cli" / "pobackup.1"],
                              stdout=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stdout), (0, b""))


if __name__ == "__main__":
    unittest.main()
