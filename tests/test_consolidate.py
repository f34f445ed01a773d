#!/usr/bin/env python3
"""`pobackup consolidate`: a full archive out of a differential, by the program, for the program and for stock tools.

    test_consolidate.py POBACKUP

The site is made once and left alone for 31 seconds, so that its files are old enough to be taken for unchanged.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
READER = pathlib.Path(__file__).resolve().parent.parent / "format-spec" / "reader.py"
TREES = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
REGISTRY = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n\"V\"=\"1\"\r\n"
FILES = 300
SETTLED = 31


def scan(top):
    """Every file, directory and link below the trees: kind, time of what is no directory, content."""
    found = {}
    for tree in TREES:
        for path in sorted((top / tree).rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(top))] = (path.is_dir(), path.is_dir() or path.lstat().st_mtime_ns // 100, content)
    return found


class Consolidate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-consolidate-"))
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.site, cls.made, cls.first_state = cls.top / "site", cls.top / "made", cls.top / "made-state"
        cls.mail = cls.site / TREES[2]
        rng = random.Random(7)
        for tree in TREES:
            (cls.site / tree).mkdir(parents=True)
        (cls.site / "Post.OfficeRegKeyBackup.reg").write_bytes(b"\xff\xfe" + REGISTRY.encode("utf-16-le"))
        for number in range(FILES):
            box = cls.mail / f"user{number % 12:02}"
            box.mkdir(exist_ok=True)
            (box / f"{number}.MSG").write_bytes(rng.randbytes(rng.randrange(200, 9000)))
        (cls.mail / "large").write_bytes(rng.randbytes(20_000_000))
        (cls.site / TREES[0] / "program").write_bytes(rng.randbytes(5000))
        os.link(cls.mail / "large", cls.mail / "large-too")
        time.sleep(SETTLED)
        # Three nights: a full, a differential on it, one on that.
        cls.made.mkdir()
        cls.save()
        (cls.mail / "user00" / "new.MSG").write_text("new")
        (cls.mail / "user02" / "2.MSG").unlink()
        cls.save()
        (cls.mail / "user01" / "1.MSG").write_text("rewritten")
        (cls.mail / "user03" / "3.MSG").rename(cls.mail / "user03" / "moved.MSG")
        cls.save("--base=last")
        cls.wanted = scan(cls.site)

    @classmethod
    def save(cls, *options):
        time.sleep(1.05)  # the name has seconds
        subprocess.run([PROGRAM, "backup", f"--site=folder:{cls.site}", "-o", cls.made, "--allow-same-volume", "--quiet", *options],
                       env={**os.environ, "POBACKUP_STATE_DIR": str(cls.first_state)}, check=True, timeout=120)

    def setUp(self):
        self.dir = self.top / self.id().rsplit(".", 1)[-1]
        self.vault, self.state = self.dir / "vault", self.dir / "state"
        shutil.copytree(self.made, self.vault)
        shutil.copytree(self.first_state, self.state)
        self.full, self.first, self.last = sorted(self.vault.glob("*.zst"), key=lambda path: path.name.split("-")[-2])
        self.target = pathlib.Path(str(self.last).replace("-diff.", "-full."))
        self.env = {**os.environ, "POBACKUP_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"}

    def run_it(self, *words, code=0, says=None):
        done = subprocess.run([PROGRAM, *map(str, words)], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, check=False)
        text = done.stderr.decode() + done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, code, text)
        if says is not None:
            self.assertIn(says, text)
        return done

    def names(self):
        return {path.name for path in self.vault.iterdir() if not path.name.startswith(".")}

    def test_it_is_the_site_for_us_and_for_stock_tools(self):
        before = self.names()
        done = json.loads(self.run_it("consolidate", self.vault, self.last, "--json").stdout)
        self.assertEqual(done["path"], str(self.target))
        self.assertEqual(self.names(), before | {self.target.name})
        self.assertEqual((done["verb"], done["dry_run"], done["parents"], done["problems"]), ("consolidate", False, 2, []))
        self.assertGreater(done["frames_copied"], 0)
        self.assertGreater(done["frames_remade"], 0)
        self.assertEqual(done["archive_bytes"], self.target.stat().st_size)
        # It stands alone.
        alone = self.dir / "alone"
        alone.mkdir()
        archive = shutil.copy(self.target, alone)
        self.run_it("verify", archive)
        subprocess.run([sys.executable, READER, "verify", archive], check=True, stdout=subprocess.DEVNULL)
        self.run_it("extract", archive, "-C", self.dir / "ours")
        self.assertEqual(scan(self.dir / "ours"), self.wanted)
        stock = self.dir / "stock"
        stock.mkdir()
        subprocess.run(["bash", "-c", 'set -o pipefail; zstd -dc "$1" | tar -C "$2" -xf -', "-", archive, stock], check=True)
        self.assertEqual(scan(stock), self.wanted)
        self.assertEqual((stock / TREES[2] / "large").stat().st_ino, (stock / TREES[2] / "large-too").stat().st_ino)
        self.assertEqual((stock / "Post.OfficeRegKeyBackup.reg").read_bytes(), (self.site / "Post.OfficeRegKeyBackup.reg").read_bytes())
        shown, source = (json.loads(self.run_it("show", "--json", path).stdout) for path in (archive, self.last))
        self.assertEqual((shown["kind"], shown["parents"], shown["created"]), ("full", [], source["created"]))
        self.assertEqual(shown["digest"], done["digest"])

    def test_snapshots_shows_it_as_verified_and_complete(self):
        self.run_it("consolidate", self.vault, self.last.name)  # a name in the vault
        rows = {row["path"]: row for row in json.loads(self.run_it("snapshots", "--json", self.vault).stdout)["archives"]}
        row = rows[str(self.target)]
        self.assertEqual((row["kind"], row["verified"]["how"], row["complete"], row["damaged"]), ("full", "deep", True, False))
        self.assertEqual(len({row["group"] for row in rows.values()}), 1)
        # The next night builds on it.
        done = json.loads(self.run_it("backup", f"--site=folder:{self.site}", "-o", self.vault, "--allow-same-volume", "--json").stdout)
        self.assertEqual((done["kind"], done["parent"]), ("diff", self.target.name))

    def test_afterwards_the_old_chain_can_go(self):
        self.run_it("consolidate", self.vault, self.last)
        self.run_it("diff", self.last, self.target, says="no difference")
        self.run_it("prune", self.vault, "--keep-last=1", "--yes")
        self.assertEqual(self.names(), {self.target.name})

    def test_a_dry_run_writes_nothing_and_says_what_would_come(self):
        before = self.names()
        plan = json.loads(self.run_it("consolidate", self.vault, self.last, "--dry-run", "--json").stdout)
        self.assertEqual(self.names(), before)
        done = json.loads(self.run_it("consolidate", self.vault, self.last, "--json").stdout)
        for key in "frames_copied", "frames_remade", "frames_dropped", "bytes_copied", "files", "bytes", "path":
            self.assertEqual(plan[key], done[key], key)
        self.assertTrue(plan["dry_run"])
        self.assertIsNone(plan["archive_id"])
        self.assertLess(abs(plan["archive_bytes"] - done["archive_bytes"]), done["archive_bytes"] // 10)

    def test_what_cannot_be_is_told(self):
        before = self.names()
        self.run_it("consolidate", self.vault, self.full, code=3, says="a full archive already")
        self.run_it("consolidate", self.vault, "nothing.tar.zst", code=2, says="no such file")
        self.run_it("consolidate", self.full, self.last, code=3, says="not a directory")
        self.run_it("consolidate", self.dir / "none", self.last, code=2, says="no such directory")
        self.run_it("consolidate", self.vault, code=3)
        self.target.write_bytes(b"")
        for more in [], ["--dry-run"]:
            self.run_it("consolidate", self.vault, self.last, *more, code=3, says="exists already")
        self.assertEqual(self.target.stat().st_size, 0)
        self.target.unlink()
        away = self.full.rename(self.dir / "away")
        self.run_it("consolidate", self.vault, self.last, code=2, says=self.full.name)
        shutil.copy(self.first, self.full)
        self.run_it("consolidate", self.vault, self.last, code=4, says="INDEX-9")
        away.replace(self.full)
        self.assertEqual(self.names(), before)

    def test_a_damaged_parent_ends_it_with_names(self):
        before = self.names()
        content = bytearray(self.full.read_bytes())
        content[len(content) // 2] ^= 1  # in the large file
        self.full.write_bytes(content)
        done = self.run_it("consolidate", self.vault, self.last, "--json", code=4)
        self.assertEqual({problem["path"] for problem in json.loads(done.stdout)["problems"]}, {f"{TREES[2]}/large"})
        self.run_it("consolidate", self.vault, self.last, code=4, says=f"parent {self.full.name}: frame")
        self.assertEqual(self.names(), before)

    def test_the_vault_is_locked_meanwhile(self):
        import fcntl
        with open(self.vault / ".pobackup.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_it("consolidate", self.vault, self.last, code=2, says="another pobackup is working on this vault")
        self.run_it("consolidate", self.vault, self.last)

    def test_killed_at_any_time_it_leaves_no_name(self):
        started = time.monotonic()
        self.run_it("consolidate", self.vault, self.last)
        whole = time.monotonic() - started
        self.target.unlink()
        before, killed = self.names(), 0
        for step in range(30):
            run = subprocess.Popen([PROGRAM, "consolidate", str(self.vault), str(self.last), "--quiet"], env=self.env)
            time.sleep(whole * (step + 0.5) / 30)
            run.send_signal(signal.SIGINT if step % 3 == 2 else signal.SIGKILL)
            code = run.wait(60)
            killed += code != 0
            left = self.names() - before
            if code == 0 or self.target.name in left:
                self.run_it("verify", self.target)
                self.target.unlink()
            elif code == 2:
                self.assertEqual(left, set())  # it was asked to end
            else:
                self.assertLessEqual(left, {self.target.name + ".partial"})
        self.assertGreater(killed, 5)
        self.run_it("consolidate", self.vault, self.last)
        self.assertEqual(self.names(), before | {self.target.name})


if __name__ == "__main__":
    unittest.main()
