#!/usr/bin/env python3
"""The whole job on the host "windows", under Wine: two real services, the key in the 32-bit view, a site on three drives.

    test_integration.py POBACKUP.EXE SERVICE.EXE LINUX-POBACKUP [unittest's arguments]

Each class works in a Wine prefix of its own, copied from one that is made once ($POBACKUP_WINE_TEMPLATE, or a temporary folder).
"""
import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import restore_model  # noqa: E402
READER = TOP / "format-spec" / "reader.py"
WINE, SERVER = ["/usr/lib/wine/wine64"], "/usr/lib/wine/wineserver64"
if subprocess.run(["setarch", "-R", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
    WINE = ["setarch", "-R", *WINE]  # scripts/wine-run says why
PROGRAM = SERVICE = LINUX = None
KEY = r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Software.com\Post.Office"
NAMES = {"mta": "post.office MTA", "puf": "post.office pufService"}
ENVIRONMENT = {**os.environ, "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=,winemenubuilder.exe=", "LC_ALL": "C.UTF-8"}
for unwanted in "DISPLAY", "WAYLAND_DISPLAY":
    ENVIRONMENT.pop(unwanted, None)


def run(*command, env=None, timeout=120, check=False, cwd=None):
    done = subprocess.run([os.fspath(word) for word in command], env={**ENVIRONMENT, **(env or {})}, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
    if check and done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {command}\n{done.stdout!r}\n{done.stderr!r}")
    return done


def reg_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reg_hex(kind, data):
    return f"hex({kind:x}):" + ",".join(f"{byte:02x}" for byte in data)


def utf16(text):
    return text.encode("utf-16-le", "surrogatepass")


class Prefix:
    """A Wine prefix with two more drives."""

    def __init__(self, path, template):
        self.path = pathlib.Path(path)
        shutil.copytree(template, self.path, symlinks=True)
        self.env = {"WINEPREFIX": str(self.path), "POBACKUP_STATE_DIR": r"C:\state"}
        self.c = self.path / "drive_c"
        self.drives = {"c": self.c}
        for letter in "d", "e":
            folder = self.path / f"drive_{letter}"
            folder.mkdir()
            (self.path / "dosdevices" / f"{letter}:").symlink_to(folder)
            self.drives[letter] = folder

    def wine(self, *command, timeout=120, check=False):
        """With its output in files: a process of Wine's own that stays must not hold a pipe of ours."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.run([*WINE, *map(os.fspath, command)], env={**ENVIRONMENT, **self.env}, timeout=timeout, check=False,
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            out.seek(0)
            err.seek(0)
            process.stdout, process.stderr = out.read(), err.read()
        if check and process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {command}\n{process.stdout!r}\n{process.stderr!r}")
        return process

    @contextlib.contextmanager
    def begun(self, *command):
        """A program that goes on meanwhile; its output in files, .out and .err, when it has ended."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen([*WINE, *map(os.fspath, command)], env={**ENVIRONMENT, **self.env}, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err)
            try:
                yield process
                process.wait(timeout=120)
            finally:
                process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            process.out, process.err = out.read().decode(errors="replace"), err.read().decode(errors="replace")

    def start(self):
        subprocess.run([SERVER, "-p"], env={**ENVIRONMENT, **self.env}, check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        self.wine("cmd", "/c", "exit", timeout=120)

    def stop(self):
        subprocess.run([SERVER, "-k"], env={**ENVIRONMENT, **self.env}, check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        subprocess.run([SERVER, "-w"], env={**ENVIRONMENT, **self.env}, check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def make_template():
    path = os.environ.get("POBACKUP_WINE_TEMPLATE") or os.path.join(tempfile.gettempdir(), f"pobackup-wine-template-{os.getuid()}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # classes may run at the same time
        if not os.path.exists(os.path.join(path, ".made")):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            env = {**ENVIRONMENT, "WINEPREFIX": path}
            for command in ([*WINE, "cmd", "/c", "exit"], [SERVER, "-w"]):
                subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, timeout=300)
            pathlib.Path(path, ".made").touch()
    return path


def services(**options):
    """The test's services have these options of service.exe."""
    def mark(test):
        test.services = options
        return test
    return mark


class Site(unittest.TestCase):
    """bin on C:, spool on D:, mailbox on E:, each under a name with Japanese in it."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-windows-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.prefix = Prefix(self.dir / "prefix", make_template())
        self.addCleanup(self.prefix.stop)
        self.prefix.start()
        self.bin = self.prefix.drives["c"] / "Post.Office" / "bin"
        self.spool = self.prefix.drives["d"] / "スプール" / "spool"
        self.mailbox = self.prefix.drives["e"] / "メール" / "mailbox"
        self.places = {"bin": r"C:\Post.Office\bin", "spool": r"D:\スプール\spool", "mailbox": r"E:\メール\mailbox"}
        self.programs = {"mta": r"C:\Post.Office\bin\Post.Office.exe", "puf": r"C:\Post.Office\bin\pufService.exe"}
        self.make_trees()
        self.import_key(self.key_text())
        self.install_services(**getattr(getattr(self, self._testMethodName), "services", {}))
        self.archive = self.prefix.drives["c"] / "backup" / "a.tar.zst"
        self.archive.parent.mkdir()
        self.dest = r"C:\backup\a.tar.zst"

    def make_trees(self):
        for folder in (self.bin / "others", self.spool / "control", self.spool / "messages", self.spool / "config", self.spool / "log",
                       self.mailbox / "営業部", self.mailbox / "user01"):
            folder.mkdir(parents=True)
        for name in "Post.Office.exe", "LDAP_Server.exe", "pufService.exe":
            shutil.copy(SERVICE, self.bin / name)
        (self.bin / "others" / "readme.txt").write_text("tools\r\n")
        (self.spool / "config" / "accounts.db").write_bytes(os.urandom(8192))
        for kind in "Control", "Header", "Body":
            (self.spool / ("control" if kind == "Control" else "messages") / f"0001-{kind}").write_bytes(kind.encode() * 9)
        (self.mailbox / "user01" / "00000001.MSG").write_bytes(b"Subject: hello\r\n\r\nHello\r\n")
        (self.mailbox / "営業部" / "見積書.MSG").write_bytes("件名: 見積\r\n".encode("cp932"))
        (self.mailbox / "empty").write_bytes(b"")
        deep = self.mailbox
        for number in range(8):
            deep = deep / (f"{number}-" + "long" * 12)
        deep.mkdir(parents=True)
        (deep / "message beyond 260 characters.MSG").write_bytes(b"far down\r\n")
        for number in range(200):
            (self.mailbox / "user01" / f"{number:08d}.MSG").write_bytes(f"Message {number}\r\n".encode() * (number % 50 + 1))
        (self.mailbox / "hidden.MSG").write_bytes(b"hidden")
        (self.mailbox / "read only.MSG").write_bytes(b"read only")
        self.prefix.wine("attrib", "+h", r"E:\メール\mailbox\hidden.MSG", check=True)
        self.prefix.wine("attrib", "+r", r"E:\メール\mailbox\read only.MSG", check=True)

    def key_text(self):
        """Every kind of value, and what regedit would spoil."""
        values = [
            ("", reg_string("the default value")),
            ("BinDirectory", reg_string(self.places["bin"])),
            ("SpoolDirectory", reg_string(self.places["spool"])),
            ("MailboxDirectory", reg_hex(2, utf16(self.places["mailbox"] + "\0"))),
            ("empty", '""'),
            ("dword", "dword:0000beef"),
            ("qword", reg_hex(11, bytes(range(8)))),
            ("binary", "hex:" + ",".join(f"{byte:02x}" for byte in range(256))),
            ("none", "hex(0):"),
            ("multi", reg_hex(7, utf16("one\0zwei\0三\0\0"))),
            ("odd string", reg_hex(1, b"a\0b")),
            ("embedded NUL", reg_hex(1, utf16("a\0b\0"))),
            ("short dword", reg_hex(4, b"\1\2")),
            ("unknown type", reg_hex(0x1234, b"data")),
            ("large", "hex:" + ",".join("5a" for _ in range(65536))),
            ("日本語", reg_string("値")),
        ]
        lines = ["Windows Registry Editor Version 5.00", "", f"[{KEY}]"]
        for name, data in values:
            lines.append(("@" if name == "" else reg_string(name)) + "=" + data)
        lines += ["", f"[{KEY}\\Accounts]", "", f"[{KEY}\\Accounts\\no values]", "", f"[{KEY}\\Accounts\\user01]", '"Quota"=dword:00000010', ""]
        return "\r\n".join(lines) + "\r\n"

    def import_key(self, text):
        file = self.prefix.c / "import.reg"
        file.write_bytes(b"\xff\xfe" + utf16(text))
        self.prefix.wine("regedit", "/S", r"C:\import.reg", check=True)
        file.unlink()

    def export_key(self):
        self.prefix.wine("regedit", "/E", r"C:\export.reg", KEY, check=True)
        data = (self.prefix.c / "export.reg").read_bytes()
        (self.prefix.c / "export.reg").unlink()
        return data

    def install_services(self, **options):
        for short, name in NAMES.items():
            extra = options.get(short, ())
            if "--hold-alone" in extra:
                (self.prefix.c / extra[-1].split("\\")[-1]).touch()
            self.prefix.wine(self.programs[short], "--install", f"postoffice{short}", name, "--start", "auto",
                             "--log", rf"D:\スプール\spool\log\{short}.log", *extra, check=True)
            self.prefix.wine("net", "start", f"postoffice{short}", check=True)
        self.assert_services_run()

    def state(self, short):
        done = self.prefix.wine("sc", "query", f"postoffice{short}")
        text = done.stdout.decode(errors="replace")
        return next((word for word in ("STOP_PENDING", "START_PENDING", "RUNNING", "STOPPED") if word in text), text)

    def assert_services_run(self, seconds=20):
        end = time.monotonic() + seconds
        while any(self.state(short) != "RUNNING" for short in NAMES):
            if time.monotonic() > end:
                self.fail(f"services: {[self.state(short) for short in NAMES]}")
            time.sleep(0.2)

    def pobackup(self, code, *arguments, timeout=180):
        done = self.prefix.wine(PROGRAM, *arguments, timeout=timeout)
        self.assertEqual(done.returncode, code, (arguments, done.stdout[-3000:], done.stderr.decode(errors="replace")[-3000:]))
        return done

    def pobackup_json(self, codes, *arguments):
        done = self.prefix.wine(PROGRAM, *arguments, "--json", timeout=180)
        self.assertIn(done.returncode, codes, done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)

    def backup(self, code=0, *options):
        return self.pobackup(code, "backup", "-o", self.dest, "--allow-same-volume", *options)


class Matrix(Site):
    """A set of another machine, of either view and with other places, into this one, against the model of the test for folder sites."""

    def values(self):
        data = self.export_key().decode("utf-16")
        self.assertIn("[", data)
        values = restore_model.parse_reg(data.encode("utf-16"), "wow64")
        values.pop(("", "short dword"), None)  # Wine's regedit shows more bytes of it than there are
        return values

    def files(self, place):
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file() and path.suffix != ".log"}

    def make_set(self, view):
        """On Linux, as a folder that stands for a machine with the default places."""
        root = self.dir / view
        files = {"Post.OfficeConfigBackup/config/accounts.db": b"new", "Post.OfficeConfigBackup/new/file": b"new",
                 "Post.OfficeConfigBackup/log/of the set": b"new",  # the services of the test write there
                 "Post.OfficemailboxBackup/user01/00000001.MSG": b"new", "Post.OfficemailboxBackup/user02/1.MSG": b"new",
                 "Post.OfficeexeBackup/tool.exe": b"new"}
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        (root / restore_model.REG).write_bytes(restore_model.print_reg(restore_model.SET_VALUES, view))
        (root / "pobackup-site.ini").write_text("[places]\n" + "".join(f"{part} = {place}\n" for part, place in restore_model.DEFAULT.items()))
        run(LINUX, "backup", "--site", f"folder:{root}", "-o", self.archive.parent / f"{view}.tar.zst", "--allow-same-volume",
            env={"POBACKUP_STATE_DIR": str(self.dir / "state")}, check=True)
        return rf"C:\backup\{view}.tar.zst", {tree: {name.split("/", 1)[1]: content for name, content in files.items() if name.startswith(tree)}
                                             for tree in ("Post.OfficeConfigBackup", "Post.OfficemailboxBackup")}

    def test_sets_of_either_view_with_other_places(self):  # req: R3, R4, R5
        sets = {view: self.make_set(view) for view in ("x86", "wow64")}
        here, spool, mailbox, raw = self.values(), self.files(self.spool), self.files(self.mailbox), self.export_key()
        # An exact registry has no value by which the places were found; the set's, rewritten, are as good, but "Similar" misleads.
        places = [f"--{part}={place}" for part, place in self.places.items()]
        for view, is_exact_key, is_exact, is_part in itertools.product(sets, (False, True), (False, True), (False, True)):
            case = f"{view}, exact key {is_exact_key}, exact {is_exact}, part {is_part}"
            path, trees = sets[view]
            arguments = [path, "--yes", "--reboot=never", *places, f"--registry={'exact' if is_exact_key else 'merge'}"]
            arguments += ["--exact"] * is_exact + ["--only=registry,mailbox"] * is_part
            done = self.pobackup_json((0,), "restore", *arguments)
            self.assertGreater(done["registry"]["rewritten"], 0)
            found, wanted = self.values(), restore_model.expected_values(here, restore_model.SET_VALUES, self.places, is_exact_key)
            self.assertEqual({name for name in {**found, **wanted} if found.get(name) != wanted.get(name)}, set(), case)
            expected = dict(mailbox) if not is_exact else {}
            self.assertEqual(self.files(self.mailbox), {**expected, **trees["Post.OfficemailboxBackup"]}, case)
            expected = dict(spool) if is_part or not is_exact else {}
            self.assertEqual(self.files(self.spool), {**expected, **({} if is_part else trees["Post.OfficeConfigBackup"])}, case)
            self.assert_services_run()
            self.pobackup_json((0,), "undo", "--yes", *places)
            self.assertEqual(self.export_key(), raw)
            self.assertEqual((self.files(self.spool), self.files(self.mailbox)), (spool, mailbox))


class Job(Site):
    def test_back_up_wipe_restore_reboot_compare(self):  # req: B2, B3, B4, B5, B6, B7, N1, N5, R2, R3, R5
        before_key = self.export_key()
        doctor = self.pobackup_json((0, 1), "doctor")
        self.assertTrue(doctor["checks"])
        shown = self.backup_json()
        manifest = json.loads(run(LINUX, "cat", self.archive, "pobackup/manifest.json", check=True).stdout)
        for short, service in zip(NAMES, manifest["services"]):
            self.assertEqual((service["name"], service["key"], service["state"], service["start"], service["dependents"]),
                             (NAMES[short], f"postoffice{short}", "running", "automatic", []))
            self.assertGreater(service["process_id"], 0)
        self.assertGreater(shown["outage_seconds"], 0)
        self.assert_services_run()
        # Both builds and the independent reader take it for whole.
        self.pobackup(0, "verify", self.dest)
        # What was run is known, and doctor and status go by it.  req: K1
        known = self.pobackup_json((0,), "status", "--max-age=1")
        self.assertEqual([item["verb"] for item in known["runs"][:2]], ["verify", "backup"])
        self.assertEqual((known["last_backup"]["archive_id"], known["last_verified"]["whole"]), (shown["archive_id"], True))
        states = {check["id"]: check["state"] for check in self.pobackup_json((0, 1), "doctor")["checks"]}
        self.assertEqual({name: states.get(name) for name in ("product", "pending", "lock", "disk", "target", "backup", "verified", "uninstall")},
                         dict.fromkeys(("product", "pending", "lock", "disk", "target", "backup", "verified", "uninstall"), "good"))
        run(LINUX, "verify", self.archive, check=True)
        run(sys.executable, READER, "verify", self.archive, check=True, timeout=300)
        names = run(LINUX, "list", self.archive, check=True).stdout.decode()
        self.assertIn("Post.OfficemailboxBackup/営業部/見積書.MSG", names)
        self.assertIn("message beyond 260 characters.MSG", names)
        kept = self.dir / "kept"
        for name, place in ("bin", self.bin), ("spool", self.spool), ("mailbox", self.mailbox):
            shutil.copytree(place, kept / name)
        # The disaster.
        for short in reversed(NAMES):
            self.prefix.wine("net", "stop", f"postoffice{short}")
        shutil.rmtree(self.mailbox)
        for path in self.spool.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.mailbox.mkdir()
        (self.spool / "control").mkdir()
        (self.spool / "messages").mkdir()
        self.import_key(f"Windows Registry Editor Version 5.00\r\n\r\n[-{KEY}]\r\n\r\n[{KEY}]\r\n"
                        f'"BinDirectory"={reg_string(self.places["bin"])}\r\n"SpoolDirectory"={reg_string(self.places["spool"])}\r\n'
                        f'"MailboxDirectory"={reg_string(self.places["mailbox"])}\r\n')
        done = self.pobackup_json((0,), "restore", "--yes", "--reboot-delay=300", self.dest)
        self.assertEqual(done["reboot"], {"scheduled": True, "delay_seconds": 300})
        self.assertIn(b"after-reboot --quiet", self.run_once())
        self.assertRegex(self.pobackup_json((1,), "status")["reboot_pending_since"], "^20..-")  # req: R8
        # The reboot: services start by themselves, but one does not.
        self.prefix.stop()
        self.prefix.start()
        self.assert_services_run(60)
        self.prefix.wine("net", "stop", "postofficepuf", check=True)
        done = self.pobackup_json((1,), "after-reboot", "--wait=2")
        self.assertEqual([(service["name"], service["state"]) for service in done["services"]],
                         [(NAMES["mta"], "runs"), (NAMES["puf"], "started")])
        self.assert_services_run()
        self.assertNotIn(b"after-reboot", self.run_once())
        self.assertIsNone(self.pobackup_json((0,), "status")["reboot_pending_since"])
        self.assertIn(b"pobackup after-reboot: done (exit code 0)", self.events("after-reboot"))
        self.assertIn(b"pobackup backup: failed (exit code 3)", self.events("backup", "-o", self.dest))  # it is there already
        # Runs that work on no site, and one whose site is not found; by what came before the mistake, too.
        self.assertIn(b"pobackup verify: done (exit code 0)", self.events("verify", self.dest))
        self.assertIn(b"pobackup verify: failed (exit code 2)", self.events("verify", self.dest + ".none"))
        self.assertIn(b"pobackup backup: failed (exit code 3)", self.events("backup", "-o", self.dest + ".new", "--site=nowhere"))
        self.assertNotIn(b"pobackup list: ", self.events("list", self.dest))
        self.assert_schedules()
        self.assertEqual(self.export_key(), before_key)
        for name, place in ("mailbox", self.mailbox), ("spool", self.spool):
            self.assert_same(kept / name, place, except_for=("mta.log", "puf.log"))
        self.assertEqual(self.attributes(r"E:\メール\mailbox\hidden.MSG") & {"H"}, {"H"})
        self.assertEqual(self.attributes(r"E:\メール\mailbox\read only.MSG") & {"R"}, {"R"})

    def assert_schedules(self):
        """Wine's scheduler takes a definition apart, and keeps what it knows of it; it lists and runs nothing."""
        self.pobackup(0, "schedule", "add", "--at=02:05", "-o", "C:\\backup\\", "--exclude=100% & <a>")
        text = (self.prefix.c / "windows" / "system32" / "tasks" / "pobackup backup").read_text(encoding="utf-8-sig")
        self.assertIn("<Description>pobackup: backup backup</Description>", text)
        self.assertIn("<StartWhenAvailable>true</StartWhenAvailable>", text)
        self.pobackup(3, "schedule", "add", "--at=02:05", "-o", "backup.tar.zst")

    def run_once(self):
        return self.prefix.wine("reg", "query", r"HKLM\Software\Microsoft\Windows\CurrentVersion\RunOnce").stdout

    def events(self, *arguments):
        """What a run writes to the event log. Wine's takes everything and keeps nothing, but its debug output tells."""
        env = self.prefix.env
        self.prefix.env = {**env, "WINEDEBUG": "+eventlog"}
        try:
            return self.prefix.wine(PROGRAM, *arguments).stderr
        finally:
            self.prefix.env = env

    def backup_json(self):
        return self.pobackup_json((0,), "backup", "-o", self.dest, "--allow-same-volume")

    def attributes(self, path):
        return set(self.prefix.wine("attrib", path).stdout.decode(errors="replace").split(":")[0][:-1].split())

    def assert_same(self, one, other, except_for=()):
        def contents(top):
            found = {}
            for path in sorted(top.rglob("*")):
                if path.name not in except_for:
                    found[str(path.relative_to(top))] = (path.read_bytes(), path.stat().st_mtime_ns // 100) if path.is_file() else None
            return found
        self.assertEqual(contents(one), contents(other))

    def test_an_archive_of_linux_is_restored_here(self):
        site = self.dir / "linux"
        run(TOP / "scripts" / "make-site", site, "--messages", "50", "--accounts", "3", "--no-services", check=True)
        run(LINUX, "backup", "--no-services", "--site", f"folder:{site}", "-o", self.archive, "--allow-same-volume",
            env={"POBACKUP_STATE_DIR": str(self.dir / "state")}, check=True)
        self.pobackup(0, "verify", self.dest)
        self.pobackup(0, "extract", self.dest, "-C", r"C:\out")
        for part in site.glob("Post.Office*"):
            other = self.prefix.c / "out" / part.name
            if part.is_dir():
                self.assert_same(part, other)
            else:
                self.assertEqual(part.read_bytes(), other.read_bytes())

    def test_a_restore_is_taken_back(self):  # req: R10
        self.backup()
        (self.mailbox / "user01" / "00000001.MSG").write_bytes(b"changed since")
        (self.mailbox / "user01" / "00000002.MSG").unlink()
        (self.mailbox / "営業部" / "新着.MSG").write_bytes(b"came since")
        shutil.rmtree(self.spool / "config")
        self.import_key(f'Windows Registry Editor Version 5.00\r\n\r\n[{KEY}]\r\n"dword"=dword:00000001\r\n"empty"=-\r\n"own"="value"\r\n')
        before_key = self.export_key()
        kept = self.dir / "kept"
        for name, place in ("spool", self.spool), ("mailbox", self.mailbox):
            shutil.copytree(place, kept / name)
        self.pobackup(0, "restore", "--yes", "--exact", self.dest)
        self.assertIn(b"after-reboot --quiet", self.run_once())
        self.assertFalse((self.mailbox / "営業部" / "新着.MSG").exists())
        self.assertNotEqual(self.export_key(), before_key)
        self.assertEqual(self.pobackup_json((1,), "status")["restore"], "done")  # its reboot is to come
        done = self.pobackup_json((0,), "undo", "--yes")
        self.assertEqual((done["taken_back"], done["problems"]), (True, []))
        self.assertNotIn(b"after-reboot", self.run_once())
        self.assert_services_run()
        self.assertEqual(self.export_key(), before_key)
        for name, place in ("mailbox", self.mailbox), ("spool", self.spool):
            self.assert_same(kept / name, place, except_for=("mta.log", "puf.log"))
        self.assertEqual(self.pobackup_json((0,), "status")["restore"], "taken-back")
        self.pobackup(0, "status", "--forget")
        self.assertEqual([path.name for top in (self.spool, self.mailbox) for path in top.parent.iterdir()], ["spool", "mailbox"])

    def test_regedit_imports_what_we_export(self):  # req: B3
        before = self.export_key()
        self.backup(0)
        self.pobackup(0, "extract", self.dest, "-C", r"C:\out", "Post.OfficeRegKeyBackup.reg")
        self.import_key(f"Windows Registry Editor Version 5.00\r\n\r\n[-{KEY}]\r\n")
        self.prefix.wine("regedit", "/S", r"C:\out\Post.OfficeRegKeyBackup.reg", check=True)
        self.assertEqual(self.export_key(), before)


class Stops(Site):
    """What a service may do instead of stopping, and an interrupt meanwhile. Then: all as before, and told."""

    def await_state(self, short, state, seconds=60):
        end = time.monotonic() + seconds
        while self.state(short) != state:
            self.assertLess(time.monotonic(), end, f"{short} is never {state}, but {self.state(short)}")

    def log(self, short):
        return (self.spool / "log" / f"{short}.log").read_text(encoding="ascii")

    def assert_no_archive(self):
        self.assertEqual([path.name for path in self.archive.parent.iterdir()], [])

    def interrupt_when(self, is_time):
        """An interrupted backup; its messages."""
        with self.prefix.begun(PROGRAM, "backup", "-o", self.dest, "--allow-same-volume") as process:
            end = time.monotonic() + 60
            while not is_time():
                self.assertIsNone(process.poll(), "it ended before the interrupt")
                self.assertLess(time.monotonic(), end)
            process.send_signal(signal.SIGINT)
        self.assertEqual(process.returncode, 2, process.err)
        self.assertIn("interrupted: no archive was written", process.err)
        self.assert_services_run()
        self.assert_no_archive()
        return process.err

    @services(puf=("--stop-delay", "5000", "--checkpoints", "10"))
    def test_an_interrupt_while_the_first_service_stops(self):
        self.interrupt_when(lambda: self.state("puf") == "STOP_PENDING")
        self.assertIn("stopped", self.log("puf"))
        self.assertNotIn("asked to stop", self.log("mta"))

    @services(mta=("--stop-delay", "5000", "--checkpoints", "10"))
    def test_an_interrupt_while_the_last_service_stops(self):
        self.interrupt_when(lambda: self.state("mta") == "STOP_PENDING")
        for short in NAMES:
            self.assertEqual(re.findall("started|asked to stop|stopped", self.log(short)),
                             ["started", "asked to stop", "stopped", "started"], self.log(short))

    def kill_when(self, is_time):
        """A backup whose process is killed: its guardian brings the services back."""
        with self.prefix.begun(PROGRAM, "backup", "-o", self.dest, "--allow-same-volume") as process:
            end = time.monotonic() + 60
            while not is_time():
                self.assertIsNone(process.poll(), "it ended before it was killed")
                self.assertLess(time.monotonic(), end)
            process.kill()
        self.assertFalse(self.archive.exists())
        end = time.monotonic() + 40
        while "they run again" not in (text := self.guardian_log()):
            self.assertLess(time.monotonic(), end, text)
            time.sleep(0.2)
        self.assert_services_run()

    def guardian_log(self):
        path = self.prefix.c / "state" / "pobackup.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @services(puf=("--stop-delay", "3000", "--checkpoints", "6"))
    def test_killed_while_the_first_service_stops(self):
        self.kill_when(lambda: self.state("puf") == "STOP_PENDING")
        self.assertNotIn("asked to stop", self.log("mta"))

    @services(mta=("--stop-delay", "3000", "--checkpoints", "6"))
    def test_killed_while_the_last_service_stops(self):
        self.kill_when(lambda: self.state("mta") == "STOP_PENDING")
        for short in NAMES:
            self.assertEqual(re.findall("started|asked to stop|stopped", self.log(short)),
                             ["started", "asked to stop", "stopped", "started"], self.log(short))

    def test_killed_while_files_are_read(self):
        with open(self.mailbox / "large.MSG", "wb") as file:
            for _ in range(400):
                file.write(os.urandom(1 << 20))
        self.kill_when(lambda: any(path.stat().st_size > 1 << 20 for path in self.archive.parent.iterdir()))

    def test_an_interrupt_while_files_are_read(self):
        with open(self.mailbox / "large.MSG", "wb") as file:
            for _ in range(400):
                file.write(os.urandom(1 << 20))
        self.interrupt_when(lambda: any(path.stat().st_size > 1 << 20 for path in self.archive.parent.iterdir()))

    @services(mta=("--refuse", "stop"))
    def test_a_service_that_refuses_to_stop(self):  # req: B7
        done = self.backup(2)
        self.assertIn("post.office MTA", done.stderr.decode(errors="replace"))
        self.assertIn("1052", done.stderr.decode(errors="replace"))
        self.assertNotIn("asked to stop", self.log("mta"))
        self.assert_no_archive()
        self.assert_services_run()

    @services(mta=("--ignore", "stop"))
    def test_a_service_that_ignores_the_request(self):
        done = self.backup(2, "--stop-timeout", "3")
        self.assertIn("post.office MTA: still running 3 s after it was asked to stop", done.stderr.decode(errors="replace"))
        self.assert_no_archive()
        self.assert_services_run()

    @services(mta=("--hang", "stop"))
    def test_a_service_that_hangs_while_it_stops(self):
        """Somebody ends its process, as the message says. (That nobody does takes minutes: test_win32_scm.)"""
        with self.prefix.begun(PROGRAM, "backup", "-o", self.dest, "--allow-same-volume", "--stop-timeout", "3") as process:
            self.await_state("mta", "STOP_PENDING")
            time.sleep(5)
            self.assertIsNone(process.poll())
            self.prefix.wine("taskkill", "/F", "/IM", "Post.Office.exe", check=True)
        self.assertEqual(process.returncode, 2, process.err)
        self.assertIn("post.office MTA: still stopping after 3 s, and it hangs", process.err)
        self.assert_no_archive()
        self.assert_services_run()

    @services(puf=("--die-on-stop",))
    def test_a_service_that_dies_while_it_stops_is_started_again(self):
        self.backup(0)
        run(LINUX, "verify", self.archive, check=True)
        self.assert_services_run()
        self.assertEqual(self.log("puf").count("started"), 2)

    @services(mta=("--hold-alone", r"C:\needed"))
    def test_a_service_that_does_not_start_again(self):
        (self.prefix.c / "needed").unlink()
        done = self.backup(5)
        text = done.stderr.decode(errors="replace")
        self.assertIn("post.office MTA", text)
        self.assertIn("error 2)", text)
        # The archive is good, and the other service is back.
        run(LINUX, "verify", self.archive, check=True)
        self.await_state("puf", "RUNNING")
        self.assertEqual(self.state("mta"), "STOPPED")

    def test_a_service_that_was_stopped_stays_stopped(self):
        self.prefix.wine("net", "stop", "postofficepuf", check=True)
        self.await_state("puf", "STOPPED")
        done = self.backup(0)
        self.assertIn("post.office pufService", done.stderr.decode(errors="replace"))
        self.await_state("mta", "RUNNING")
        self.assertEqual(self.state("puf"), "STOPPED")
        self.assertEqual(self.log("puf").count("started"), 1)
        self.assertEqual(self.log("mta").count("started"), 2)


class Ends(Site):
    def test_a_locked_file_is_named_and_the_rest_is_saved(self):  # req: B8
        self.prefix.wine("net", "stop", "postofficepuf")
        self.prefix.wine(SERVICE, "--uninstall", "postofficepuf", check=True)
        locked = r"E:\メール\mailbox\locked.MSG"
        (self.mailbox / "locked.MSG").write_bytes(b"locked")
        self.prefix.wine(SERVICE, "--install", "holder", "holder of a file", "--hold-alone", locked, check=True)
        self.prefix.wine("net", "start", "holder", check=True)
        self.prefix.wine(self.programs["puf"], "--install", "postofficepuf", NAMES["puf"], "--log", r"C:\puf.log", check=True)
        done = self.backup(1)
        self.assertIn("locked.MSG", done.stderr.decode(errors="replace"))
        run(LINUX, "verify", self.archive, check=True)
        self.assertIn("見積書.MSG", run(LINUX, "list", self.archive, check=True).stdout.decode())


    def test_what_is_not_installed_is_told_all_at_once(self):  # req: R1
        for short in reversed(NAMES):
            self.prefix.wine("net", "stop", f"postoffice{short}", check=True)
            self.prefix.wine(SERVICE, "--uninstall", f"postoffice{short}", check=True)
        self.import_key(f"Windows Registry Editor Version 5.00\r\n\r\n[-{KEY}]\r\n")
        told = self.pobackup(3, "doctor").stderr.decode(errors="replace")
        for missing in *NAMES.values(), "Software.com":
            self.assertIn(missing, told)


class Rights(Site):
    def test_rights_are_recorded_and_come_back_by_each_way(self):  # req: R7
        self.backup()
        summary = json.loads(run(LINUX, "cat", self.archive, "pobackup/summary.json", check=True).stdout)
        self.assertIn(("S-1-1-0", True), {(account["sid"], bool(account["name"])) for account in summary["accounts"]})
        restore = "restore", "--yes", "--reboot=never", "--json", "--no-safety-copy", self.dest

        done = json.loads(self.pobackup(0, *restore).stdout)
        self.assertEqual((done["rights"]["rule"], done["rights"]["unknown_accounts"], done["problems"]), ("recorded", 0, []))
        done = json.loads(self.pobackup(0, *restore, "--rights=default", "--only=mailbox").stdout)
        self.assertEqual((done["rights"]["rule"], done["problems"]), ("default", []))
        self.assertEqual(done["rights"]["set"], 1 + sum(1 for _ in self.mailbox.rglob("*")))
        done = json.loads(self.pobackup(0, *restore, "--only=rights").stdout)
        self.assertEqual((done["rights"]["rule"], done["parts"], done["problems"]), ("recorded", [], []))
        self.assertGreater(done["rights"]["set"], 200)
        self.assertIn("poperms.exe", self.pobackup(2, *restore, "--rights=poperms").stdout.decode())

        shutil.copy(pathlib.Path(SERVICE).parent / "poperms.exe", self.bin / "others")
        done = json.loads(self.pobackup(0, *restore, "--rights=poperms").stdout)
        self.assertEqual((done["rights"]["rule"], done["problems"]), ("poperms", []))
        (self.bin / "others" / "mode").write_text("fail")
        done = json.loads(self.pobackup(1, *restore, "--rights=poperms").stdout)
        self.assertEqual([problem["path"] for problem in done["problems"]], ["rights"])
        self.assertIn("exit code 7", done["problems"][0]["reason"])
        self.assert_services_run()


def main():
    global PROGRAM, SERVICE, LINUX
    PROGRAM, SERVICE, LINUX = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))
    unittest.main()


main()
