"""The stores of tests/bench/peers, what a night does to them, and the comparison of what was restored."""
import contextlib
import json
import os
import random
import shutil
import subprocess
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
WORK = os.path.join(TOP, "build", "bench", "peers")
SPOOL, MAILBOX = "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
PARTS = "Post.OfficeRegKeyBackup.reg", "Post.OfficeexeBackup", SPOOL, MAILBOX
LOG = os.path.join(SPOOL, "log", "mta.log")
WHILE_IT_RAN = os.path.join(MAILBOX, "while-it-ran")
NEW, REMOVED = 0.015, 0.007  # of the messages, in a night
SETTLED = 31  # seconds after which pobackup takes a file for unchanged
CHUNK = 1 << 20


def files_below(folder):
    """Paths of all files in the parts, relative, with their sizes."""
    found = {}
    for part in PARTS:
        full = os.path.join(folder, part)
        if os.path.isfile(full):
            found[part] = os.path.getsize(full)
        for top, _, names in os.walk(full):
            for name in names:
                path = os.path.join(top, name)
                found[os.path.relpath(path, folder)] = os.lstat(path).st_size
    return found


def same_content(one, other):
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            x, y = a.read(CHUNK), b.read(CHUNK)
            if x != y:
                return False
            if not x:
                return True


def difference(source, copy):
    """The first file that is missing, too many or has other bytes; None: there is none."""
    wanted, found = files_below(source), files_below(copy)
    for path in sorted(wanted.keys() | found.keys()):
        if path not in found:
            return f"{path} is missing"
        if path not in wanted:
            return f"{path} is not in the source"
        if wanted[path] != found[path] or not same_content(os.path.join(source, path), os.path.join(copy, path)):
            return f"{path} differs"
    return None


def spoil(folder, path):
    """Another byte in the middle of a file."""
    with open(os.path.join(folder, path), "r+b") as file:
        middle = os.path.getsize(file.name) // 2
        file.seek(middle)
        byte = file.read(1)
        file.seek(middle)
        file.write(bytes([byte[0] ^ 1]))


def make_site(folder, accounts, *wanted):
    subprocess.run([os.path.join(TOP, "scripts", "make-site"), folder, "--no-services", "--accounts", str(accounts), *wanted],
                   check=True, stderr=subprocess.DEVNULL)


class Store:
    """A site that make-site has made, and a smaller one whose mail is what a night brings."""

    def __init__(self, kind, size, files):
        self.name = f"mail-{size}" if kind == "mail" else f"tiny-{files}"
        self.site = os.path.join(WORK, self.name)
        self.pool = self.site + ".night"
        self.aside = self.site + ".aside"
        self.journal = os.path.join(self.aside, "journal")
        self.delivered = 0
        os.makedirs(WORK, exist_ok=True)
        # Other accounts make other mail.
        if kind == "mail":
            make_site(self.site, 200, "--bytes", size)
            self.undo()
            unit = {"K": 10, "M": 20, "G": 30}.get(size[-1], 0)
            content = int(size.rstrip("KMG")) << unit
            make_site(self.pool, 199, "--bytes", str(int(content * NEW * 2) + (1 << 20)))
        else:
            accounts = max(20, files // 100)
            make_site(self.site, accounts, "--messages", str(files))
            self.undo()
            make_site(self.pool, accounts - 1, "--messages", str(int(files * NEW * 1.1) + 10))
        sizes = files_below(self.site)
        self.files, self.bytes = len(sizes), sum(sizes.values())
        self.messages = sorted(path for path in sizes if path.endswith(".MSG"))
        self.touched = max(os.lstat(os.path.join(self.site, path)).st_ctime for path in sizes)
        box = [path for path in self.messages if f"{os.sep}user01{os.sep}" in path]
        self.message = box[len(box) // 2]  # in the middle of the first account's
        self.night_bytes = 0

    def settle(self):
        """Until nothing was changed lately."""
        time.sleep(max(0.0, self.touched + SETTLED - time.time()))

    def full(self, path):
        return os.path.join(self.site, path)

    def new_messages(self):
        """(where it is, where it comes to), in the order of delivery: copies to several mailboxes stay together."""
        pool = []
        for top, _, names in os.walk(os.path.join(self.pool, MAILBOX)):
            pool += [os.path.join(top, name) for name in names if name.endswith(".MSG") and f"{os.sep}user" in top]
        pool.sort(key=lambda path: (os.stat(path).st_mtime_ns, path))
        pool = pool[len(pool) // 10:][: round(len(self.messages) * NEW)]
        for number, path in enumerate(pool):
            folder = os.path.dirname(os.path.relpath(path, self.pool))
            yield path, os.path.join(folder, f"{0x10000000 + number:08X}.MSG")

    def night(self):
        """+1.5 % new messages, -0.7 % removed, a log that grows; the same each time. undo() takes it back."""
        rng = random.Random(3)
        removed = rng.sample(self.messages, round(len(self.messages) * REMOVED))
        added = list(self.new_messages())
        folders = {os.path.dirname(path) for path in [*removed, *(path for _, path in added)]}
        times = {path: os.stat(self.full(path)).st_mtime_ns for path in [*folders, LOG] if os.path.exists(self.full(path))}
        new_folders = [path for path in folders if path not in times]
        for path in {os.path.dirname(path) for path in new_folders}:
            times.setdefault(path, os.stat(self.full(path)).st_mtime_ns)
        self.note({"removed": removed, "added": [path for _, path in added], "times": times, "log": os.path.getsize(self.full(LOG)),
                   "folders": new_folders})
        for number, path in enumerate(removed):
            os.rename(self.full(path), os.path.join(self.aside, str(number)))
        for source, path in added:
            os.makedirs(os.path.dirname(self.full(path)), exist_ok=True)
            shutil.copyfile(source, self.full(path))
        with open(self.full(LOG), "ab") as file:
            file.write(b"".join(b"2026/11/24 02:%02d [%d] Mailbox-Deliver: delivered\r\n" % (rng.randrange(60), rng.randrange(10**4))
                                for _ in range(400)))
        self.night_bytes = sum(os.path.getsize(source) for source, _ in added)

    def note(self, entry):
        os.mkdir(self.aside)
        with open(self.journal + ".new", "w", encoding="utf-8") as file:
            json.dump(entry, file)
        os.rename(self.journal + ".new", self.journal)

    def undo(self):
        """Also what an interrupted run has left."""
        if not os.path.exists(self.journal):
            shutil.rmtree(self.aside, ignore_errors=True)
            return
        with open(self.journal, encoding="utf-8") as file:
            entry = json.load(file)
        for path in entry["added"]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.full(path))
        for number, path in enumerate(entry["removed"]):
            with contextlib.suppress(FileNotFoundError):
                os.rename(os.path.join(self.aside, str(number)), self.full(path))
        for path in entry["folders"]:
            shutil.rmtree(self.full(path), ignore_errors=True)
        os.truncate(self.full(LOG), entry["log"])
        for path, when in entry["times"].items():
            os.utime(self.full(path), ns=(when, when))
        shutil.rmtree(self.aside)
        self.touched = time.time()

    def note_server(self):
        """Before server(); undo() takes back what it delivers."""
        self.note({"removed": [], "added": [], "times": {path: os.stat(self.full(path)).st_mtime_ns for path in (MAILBOX, LOG)},
                   "log": os.path.getsize(self.full(LOG)), "folders": [WHILE_IT_RAN]})
        os.mkdir(self.full(WHILE_IT_RAN))

    def server(self, flag):
        """Delivers mail as long as the file is there, into a folder of its own."""
        rng = random.Random(1)
        while os.path.exists(flag):
            self.delivered += 1
            with open(self.full(os.path.join(WHILE_IT_RAN, f"{self.delivered:08X}.MSG")), "wb") as file:
                file.write(b"Subject: a message that came tonight\n" * rng.randrange(20, 200) + rng.randbytes(rng.randrange(500, 4000)))
            time.sleep(0.05)
