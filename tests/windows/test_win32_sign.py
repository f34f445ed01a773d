#!/usr/bin/env python3
"""Keys and signatures by the Windows program, under Wine, which makes access lists out of modes, and modes out of access lists.

    test_win32_sign.py POBACKUP.EXE [unittest's arguments]
"""
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import test_sign  # noqa: E402

WINE_RUN = TOP / "scripts" / "wine-run"


def windows(path):
    """As Wine calls a file of this system."""
    return "Z:" + os.fspath(path).replace("/", "\\")


def run(*arguments):
    """With its output in files: a process of Wine's own that stays must not hold a pipe of ours. Paths become those of Wine."""
    words = [windows(word) if isinstance(word, pathlib.Path) else word for word in arguments]
    env = {**os.environ, "POBACKUP_STATE_DIR": windows(test_sign.STATE)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run([WINE_RUN, test_sign.PROGRAM, *words], env=env, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=err)
        out.seek(0)
        err.seek(0)
        return test_sign.Done(done.returncode, out.read(), err.read())


class Keys(test_sign.Base):
    def setUp(self):
        super().setUp()
        (self.site / "pobackup-site.ini").unlink()  # its services are shell scripts
        self.dir.chmod(0o755)
        self.addCleanup(os.umask, os.umask(0o022))

    def mode(self, path):
        return stat.S_IMODE(path.stat().st_mode)

    def save(self, *options):
        self.check(run("backup", f"--site=folder:{windows(self.site)}", "-o", self.vault / "a.tar.zst", "--allow-same-volume", *options), 0)
        return self.vault / "a.tar.zst"

    def test_a_new_key_signs_as_it_is(self):
        (self.dir / "k.key.partial").write_text("left by a run that was killed")
        self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 0)
        secret, public = self.dir / "k.key", self.dir / "k.pub"
        self.assertEqual(sorted(path.name for path in self.dir.glob("k.*")), ["k.key", "k.pub"])
        self.assertEqual(self.mode(secret) & 0o007, 0)
        self.assertEqual(self.mode(public) & 0o004, 0o004)
        archive = self.save("--sign", secret)
        self.check(run("verify", "--trusted-key", public, archive), 0)
        self.sidecar(archive).unlink()
        self.check(run("sign", "--key", secret, archive), 0)
        self.check(run("verify", "--trusted-key", public, archive), 0)
        if test_sign.MINISIGN is not None:
            self.check(test_sign.call([test_sign.MINISIGN, "-Vm", archive, "-p", public]), 0)

    def test_the_mended_copy_has_the_signature(self):
        self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 0)
        self.mail.write_bytes(os.urandom(300_000))
        archive = self.save("--sign", self.dir / "k.key", "--recovery=10")
        with archive.open("r+b") as file:
            file.seek(100_000)
            file.write(bytes(2000))
        self.check(run("repair", archive), 0)
        mended = self.vault / "a-repaired.tar.zst"
        self.assertEqual(self.sidecar(mended).read_bytes(), self.sidecar(archive).read_bytes())
        self.check(run("verify", "--trusted-key", self.dir / "k.pub", mended), 0)

    def test_a_key_that_others_can_read_signs_nothing(self):
        self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 0)
        archive = self.save()
        copy = self.dir / "copy.key"
        shutil.copyfile(self.dir / "k.key", copy)
        self.assertEqual(self.mode(copy), 0o644)
        self.check(run("sign", "--key", copy, archive), 3, "others (S-1-1-0) can read the secret key")
        self.assertFalse(self.sidecar(archive).exists())


if __name__ == "__main__":
    unittest.main()
