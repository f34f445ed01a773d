#!/usr/bin/env python3
"""protect and repair beside other archives, links, signals and destroyed files: nothing good is lost, and nothing is called what it is not.

    test_repair.py PROGRAM [unittest's arguments]
"""
import collections
import fcntl
import os
import shutil
import stat
import subprocess
import time
import unittest

import test_cli
from test_cli import run

NAME = "postoffice-mail-20261128T020000Z-full.tar.zst"


class Base(test_cli.Base):
    def setUp(self):
        super().setUp()
        self.vault = self.dir / "vault"
        self.vault.mkdir()
        self.archive = self.vault / NAME
        self.sidecar = self.vault / f"{NAME}.rec"
        for number in range(30):
            (self.site.mailbox / f"m{number}.MSG").write_bytes(os.urandom(20000))

    def save(self, *options, code=0, says=""):
        return self.check(run("backup", self.arg, "-o", self.archive, "--allow-same-volume", "--frame-size=64K", *options), code, says)

    def damage(self, at=100_000, size=5000):
        with self.archive.open("r+b") as file:
            file.seek(at)
            file.write(os.urandom(size))

    def destroy(self):
        """The beginning and the end, as a dying disk does."""
        self.damage(0, 4096)
        self.damage(self.archive.stat().st_size - 4096, 4096)


class Repair(Base):
    def test_recovery_data_of_another_archive_mend_nothing(self):
        self.save("--recovery=5")
        first = self.archive.read_bytes()
        kept = self.dir / "kept.rec"
        self.sidecar.rename(kept)
        self.archive.unlink()
        (self.site.mailbox / "m5.MSG").write_bytes(b"new")
        self.save()
        second = self.archive.read_bytes()
        self.assertNotEqual(first, second)
        kept.rename(self.sidecar)
        done = self.check(run("verify", "--recovery", "--json", self.archive), 1)
        self.assertEqual(done.json["archives"][0]["recovery"]["state"], "foreign")
        for options in (), ("--in-place",):
            self.check(run("repair", self.archive, *options), 4, "of another archive")
            self.assertEqual(self.archive.read_bytes(), second)
        self.assertEqual(sorted(path.name for path in self.vault.iterdir() if not path.name.startswith(".")), [NAME, f"{NAME}.rec"])
        self.archive.unlink()
        self.save(code=3, says="recovery data of another archive")
        self.assertFalse(self.archive.exists())

    def test_in_place_keeps_the_damaged_one_and_takes_no_link(self):
        self.save("--recovery=5")
        whole = self.archive.read_bytes()
        self.damage()
        damaged = self.archive.read_bytes()
        link = self.dir / "link.tar.zst"
        link.symlink_to(self.archive)
        (self.dir / "link.tar.zst.rec").symlink_to(self.sidecar)
        self.check(run("repair", "--in-place", link), 3, "name the file that it leads to")
        self.assertEqual(self.archive.read_bytes(), damaged)
        done = self.check(run("repair", "--in-place", self.archive), 0, f"kept as {self.archive}.damaged")
        self.assertIn("verified deeply", done.text)
        self.assertEqual((self.archive.read_bytes(), (self.vault / f"{NAME}.damaged").read_bytes()), (whole, damaged))
        self.assertEqual(stat.S_IMODE(self.archive.stat().st_mode), 0o600)
        self.damage()
        self.check(run("repair", "--in-place", self.archive), 2, "cannot be kept")
        self.assertNotEqual(self.archive.read_bytes(), whole)

    def test_a_look_at_the_copy_says_nothing_of_the_damaged_one(self):
        self.save("--recovery=5")
        self.damage()
        self.check(run("verify", self.archive), 4)
        self.check(run("repair", self.archive), 0)

        def states():
            return {os.path.basename(row["path"]): row["damaged"] for row in self.check(run("snapshots", "--json", self.vault), 1).json["archives"]}

        mended = NAME.replace(".tar", "-repaired.tar")
        for name, code in (None, 0), (mended, 0), (NAME, 4):
            if name is not None:
                self.check(run("verify", self.vault / name), code)
            self.assertEqual(states(), {NAME: True, mended: False})
        self.check(run("repair", "--in-place", self.archive), 0)
        self.assertNotIn("DAMAGED", run("snapshots", self.vault).text)

    def test_a_differential_takes_the_mended_parent(self):
        vault = f"{self.vault}/"
        self.check(run("backup", self.arg, "-o", vault, "--allow-same-volume", "--recovery=5"), 0)
        (full,) = self.vault.glob("*-full.tar.zst")
        (self.site.mailbox / "m5.MSG").write_bytes(b"new")
        time.sleep(1.1)
        self.check(run("backup", self.arg, "-o", vault, "--allow-same-volume"), 0)
        (diff,) = self.vault.glob("*-diff.tar.zst")
        with full.open("r+b") as file:
            file.seek(full.stat().st_size - 3000)
            file.write(os.urandom(2000))
        self.check(run("extract", diff, "-C", self.dir / "bad"), 4)
        self.check(run("repair", full), 0)
        self.check(run("verify", diff), 0)
        self.check(run("extract", diff, "-C", self.dir / "out"), 0)
        self.assertEqual((self.dir / "out" / "Post.OfficemailboxBackup" / "m7.MSG").read_bytes(), (self.site.mailbox / "m7.MSG").read_bytes())

    def test_what_is_destroyed_is_mended_and_never_protected(self):
        self.save("--recovery=5")
        whole, sidecar = self.archive.read_bytes(), self.sidecar.read_bytes()
        self.destroy()
        self.check(run("protect", "--overwrite", self.archive), 2, "is not protected as it is")
        self.assertEqual(self.sidecar.read_bytes(), sidecar)
        self.check(run("repair", self.archive), 0)
        self.assertEqual((self.vault / NAME.replace(".tar", "-repaired.tar")).read_bytes(), whole)
        self.sidecar.unlink()
        self.check(run("protect", self.archive), 2, "is not protected as it is")
        self.assertFalse(self.sidecar.exists())

    def test_a_vault_with_a_destroyed_archive_is_not_whole(self):
        self.save("--recovery=5")
        self.check(run("verify", self.vault), 0)
        for destroy in self.destroy, lambda: self.archive.write_bytes(b""), lambda: self.archive.write_bytes(bytes(300000)):
            destroy()
            for verb in ("verify",), ("verify", "--quick"), ("verify", "--budget=1d"):
                self.assertIn(run(*verb, self.vault).code, (1, 2, 4), verb)
            self.check(run("snapshots", self.vault), 1, "damaged")
        # What was never an archive of ours is not our matter.
        self.archive.unlink()
        self.sidecar.unlink()
        self.save()
        (self.vault / "other.tar.zst").write_bytes(b"other")
        self.check(run("verify", self.vault), 0, "foreign")


class Signed(Base):
    def setUp(self):
        super().setUp()
        self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 0)
        self.public = self.dir / "k.pub"
        self.save("--recovery=5", "--sign", self.dir / "k.key")
        self.signature = self.vault / f"{NAME}.minisig"
        self.mended = self.vault / NAME.replace(".tar", "-repaired.tar")
        self.copy = self.mended.with_name(f"{self.mended.name}.minisig")
        self.damage()

    def repair(self, code, *options, says=""):
        """The member "signature" of the result. Nothing half written is left."""
        done = self.check(run("repair", self.archive, "--json", *options), code, says)
        self.assertEqual(done.json["outcome"], "mended")
        self.assertEqual(list(self.dir.rglob("*.partial")), [])
        return done.json["signature"]

    def assert_signed(self, archive):
        self.check(run("verify", "--trusted-key", self.public, archive), 0)
        if shutil.which("minisign"):
            subprocess.run(["minisign", "-V", "-q", "-m", archive, "-p", self.public], check=True, stdout=subprocess.DEVNULL)

    def test_the_mended_copy_has_the_signature(self):
        self.check(run("verify", "--trusted-key", self.public, self.archive), 4)
        self.assertEqual(self.repair(0), str(self.copy))
        self.assertEqual(self.copy.read_bytes(), self.signature.read_bytes())
        self.assert_signed(self.mended)
        other = self.dir / "other.tar.zst"
        self.assertEqual(self.repair(0, "-o", other), f"{other}.minisig")
        self.assert_signed(other)
        self.mended.unlink()
        self.copy.unlink()
        (self.vault / f"{self.mended.name}.rec").unlink()
        self.check(run("repair", self.archive), 0, f"its signature is copied: {self.copy}")

    def test_in_place_it_stays(self):
        before = self.signature.read_bytes(), self.signature.stat().st_ino
        self.assertEqual(self.repair(0, "--in-place"), str(self.signature))
        self.assertEqual((self.signature.read_bytes(), self.signature.stat().st_ino), before)
        self.assert_signed(self.archive)
        # Recovery data that are made anew leave it too.
        with self.sidecar.open("r+b") as file:
            file.seek(self.sidecar.stat().st_size // 2)
            file.write(os.urandom(100))
        done = self.check(run("repair", self.archive, "--json"), 0)
        self.assertEqual((done.json["outcome"], done.json["signature"]), ("recovery-data", str(self.signature)))
        self.assertEqual((self.signature.read_bytes(), self.signature.stat().st_ino), before)
        self.signature.unlink()
        self.signature.mkdir()
        (self.vault / f"{NAME}.damaged").unlink()
        self.damage()
        self.assertIsNone(self.repair(0, "--in-place"))

    def test_one_that_is_there_is_left(self):
        self.copy.write_bytes(b"mine")
        self.assertIsNone(self.repair(1, says=f"is whole, but its signature could not be copied: {self.copy}: exists already"))
        self.assertEqual(self.copy.read_bytes(), b"mine")
        # All else is done.
        self.check(run("verify", "--recovery", self.mended), 0)

    def test_what_is_no_small_file_is_not_copied(self):
        kept = self.dir / "kept"
        self.signature.rename(kept)
        kinds = [(lambda: self.signature.symlink_to(kept), self.signature.unlink), (self.signature.mkdir, self.signature.rmdir),
                 (lambda: os.mkfifo(self.signature), self.signature.unlink),
                 (lambda: self.signature.write_bytes(bytes(100_000)), self.signature.unlink)]
        for number, (make, remove) in enumerate(kinds):
            make()
            out = self.dir / f"{number}.tar.zst"
            self.assertIsNone(self.repair(1, "-o", out, says=f"its signature could not be copied: {self.signature}: "))
            self.assertFalse(os.path.lexists(f"{out}.minisig"))
            self.check(run("verify", "--recovery", out), 0)
            remove()
        self.assertIsNone(self.repair(0))
        self.assertFalse(self.copy.exists())


class Protect(Base):
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_an_interrupted_run_is_no_success(self):
        self.save()
        other = self.vault / "other-name.tar.zst"
        other.write_bytes(self.archive.read_bytes())
        done = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=renameat2", "-e", "inject=renameat2:signal=INT:when=1",
                               test_cli.PROGRAM, "protect", "--json", self.archive, other], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              # A leak checker is a tracer of its own.
                              env={**os.environ, "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"})
        self.assertEqual(done.returncode, 2)
        self.assertFalse((self.vault / "other-name.tar.zst.rec").exists())

    def test_a_backup_whose_recovery_data_cannot_be_written_stands(self):
        with (self.vault / f"{NAME}.rec.partial").open("w", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            done = self.save("--recovery=5", "--json", code=1, says="the archive has no recovery data")
        self.assertIsNone(done.json["recovery"])
        self.check(run("verify", self.archive), 0)
        self.assertFalse(self.sidecar.exists())
        self.check(run("verify", "--recovery", self.archive), 1, "there is none beside the archive")
        self.check(run("protect", self.archive), 0)
        self.check(run("verify", "--recovery", self.archive), 0)

    def test_where_another_writes_nothing_is_written(self):
        self.save("--recovery=5")
        self.damage()
        self.check(run("prune", self.vault, "--keep-last=1", "--yes"), 0)
        with (self.vault / ".pobackup.lock").open("r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            for verb in ("repair", self.archive), ("protect", "--overwrite", self.archive):
                self.check(run(*verb), 2, "another pobackup is working on this vault")


class Sidecar(Base):
    def test_a_mended_copy_has_the_same_recovery_data(self):
        """Copied where they are whole, else made anew."""
        self.save("--recovery=5")
        archive, sidecar = self.archive.read_bytes(), self.sidecar.read_bytes()
        for damages_sidecar in False, True:
            with self.subTest(damages_sidecar=damages_sidecar):
                self.damage()
                if damages_sidecar:
                    with self.sidecar.open("r+b") as file:
                        file.seek(len(sidecar) // 2)
                        file.write(bytes(3000))
                mended = self.vault / f"mended-{damages_sidecar}.tar.zst"
                self.check(run("repair", self.archive, "-o", mended), 0)
                self.assertEqual(mended.read_bytes(), archive)
                self.assertEqual(mended.with_name(f"{mended.name}.rec").read_bytes(), sidecar)

    def test_recovery_data_that_are_there_already_stay(self):
        self.save("--recovery=5")
        self.damage()
        mended = self.vault / "mended.tar.zst"
        there = mended.with_name("mended.tar.zst.rec")
        there.write_bytes(b"somebody's")
        self.check(run("repair", self.archive, "-o", mended), 1, "its recovery data could not be written")
        self.assertEqual(there.read_bytes(), b"somebody's")
        self.check(run("verify", mended), 0)


@unittest.skipUnless(shutil.which("strace"), "no strace")
class BadSector(Base):
    """One read of the archive fails, as where a disk has a bad sector."""

    def strace(self, words, *options):
        log = self.dir / "strace.log"
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(["strace", "-f", "-qq", "-o", log, "-P", self.archive, "-e", "trace=pread64", *options, test_cli.PROGRAM, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False, text=True)
        # strace counts each thread's reads by themselves: the n-th of each fails.
        reads = collections.Counter(line.split()[0] for line in log.read_text().splitlines() if "pread64(" in line and "resumed" not in line)
        return done, max(reads.values(), default=0)

    def files(self, top):
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def each_read(self, *words):
        """How the run ends for each read that fails; and what comes out."""
        done, reads = self.strace((*words, *self.place()))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(reads, 10)
        for number in range(1, reads + 1):
            yield self.strace((*words, *self.place()), "-e", f"inject=pread64:error=EIO:when={number}")[0]

    def place(self):
        self.out = self.dir / "out"
        shutil.rmtree(self.out, ignore_errors=True)
        return () if self.verb == "verify" else ("-C", self.out)

    def test_verify_calls_it_neither_whole_nor_damaged(self):
        self.verb = "verify"
        self.save()
        for done in self.each_read("verify", self.archive):
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("could not be checked", done.stdout)
            self.assertIn("Input/output error", done.stdout)
            self.assertRegex(done.stderr, "pobackup (extract|salvage) ")

    def test_extract_gives_the_rest(self):
        self.verb = "extract"
        self.save()
        self.strace(("extract", self.archive, *self.place()))
        whole, partly = self.files(self.out), 0
        for done in self.each_read("extract", self.archive):
            self.assertIn(done.returncode, (1, 2), done.stderr)
            self.assertIn("salvage", done.stderr)
            got = self.files(self.out) if self.out.exists() else {}
            self.assertLess(len(got), len(whole))
            for name, content in got.items():
                self.assertEqual(content, whole[name], name)
            for name in set(whole) - set(got) if done.returncode == 1 else ():
                self.assertIn(name, done.stderr)
            partly += done.returncode == 1
        self.assertGreater(partly, 5)

    def test_the_one_file_that_is_wanted_cannot_be_read(self):
        self.verb = "extract"
        self.save()
        name = "Post.OfficemailboxBackup/m7.MSG"
        words = "extract", self.archive
        told = 0
        done, reads = self.strace((*words, *self.place(), name))
        self.assertEqual(done.returncode, 0, done.stderr)
        for number in range(1, reads + 1):
            done, _ = self.strace((*words, *self.place(), name), "-e", f"inject=pread64:error=EIO:when={number}")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(self.files(self.out) if self.out.exists() else {}, {})
            told += f"{name}: frame" in done.stderr and "cannot be read" in done.stderr
        self.assertEqual(told, 1)

    def test_salvage_reads_again_and_gives_all(self):
        self.verb = "salvage"
        self.save()
        self.strace(("extract", self.archive, *self.place()))
        whole = self.files(self.out)
        for done in self.each_read("salvage", self.archive):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.files(self.out), whole)


if __name__ == "__main__":
    unittest.main()
