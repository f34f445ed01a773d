#!/usr/bin/env python3
"""Keys, signatures and trust, end to end, and against the stock program minisign.

    test_sign.py PROGRAM [unittest's arguments]

Without minisign the cross-checks are left out, loudly.
"""

import atexit
import json
import os
import pathlib
import pty
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import check_vectors

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "pobackup"
STATE = tempfile.mkdtemp(prefix="pobackup-state-")
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
os.environ["POBACKUP_STATE_DIR"] = STATE
MINISIGN = shutil.which("minisign")
REGISTRY = ('Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n'
            '"Version"="4.2.1"\r\n')
INI = """[service:mta]
start = touch up
stop = sh -c 'echo stopped >>service.log; rm -f up'
status = test -e up || exit 3
"""
if MINISIGN is None:
    print("test_sign: MINISIGN IS NOT INSTALLED: NOTHING IS CHECKED AGAINST THE STOCK PROGRAM (scripts/setup)", file=sys.stderr)


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.text = code, out.decode(), err.decode()

    @property
    def json(self):
        return json.loads(self.out)


def call(words, text=b"", cwd=None):
    done = subprocess.run(list(map(os.fspath, words)), input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, cwd=cwd)
    return Done(done.returncode, done.stdout, done.stderr)


def run(*arguments, cwd=None):
    return call([PROGRAM, *arguments], cwd=cwd)


def on_terminal(*arguments, answers):
    """Types each answer at its question: (what the question ends in, what is typed). All that is shown, and the exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, *map(os.fspath, arguments)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown, seen, end = b"", 0, time.monotonic() + 60
    answers = list(answers)
    while time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:
                break
            if answers and answers[0][0] in shown[seen:]:
                seen = len(shown)
                os.write(master, answers.pop(0)[1])
        elif process.poll() is not None:
            break
    os.close(master)
    return Done(process.wait(timeout=30), shown, b"")


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-sign-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.site = self.dir / "site"
        for tree in ("Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"):
            (self.site / tree).mkdir(parents=True)
        self.mail = self.site / "Post.OfficemailboxBackup" / "mail"
        self.mail.write_bytes(b"mail of today" * 500)
        (self.site / "Post.OfficeRegKeyBackup.reg").write_bytes(REGISTRY.encode())
        (self.site / "pobackup-site.ini").write_text(INI)
        (self.site / "up").touch()
        self.vault = self.dir / "vault"
        self.vault.mkdir()

    def check(self, done, code, says=None):
        self.assertEqual(done.code, code, (done.out, done.text))
        if says is not None:
            self.assertIn(says, done.text)
        return done

    def keygen(self, name="k", passphrase=None):
        options = ["--no-passphrase"]
        if passphrase is not None:
            options = ["--passphrase-file", self.secret("passphrase", passphrase + "\n")]
        self.check(run("keygen", "-o", self.dir / name, *options), 0)
        return self.dir / f"{name}.key", self.dir / f"{name}.pub"

    def secret(self, name, text, mode=0o600):
        path = self.dir / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def backup(self, *options, code=0, says=None):
        if self.archives():
            time.sleep(1.01)  # names have seconds
        return self.check(run("backup", "--site", f"folder:{self.site}", "-o", self.vault, "--allow-same-volume", *options), code, says)

    def archives(self):
        return sorted(self.vault.glob("*.tar.zst"))

    def signed(self, key, *options):
        """One more archive in the vault, by this key."""
        before = set(self.archives())
        self.backup("--sign", key, *options)
        (made,) = set(self.archives()) - before
        return made

    def sidecar(self, path):
        return path.with_name(path.name + ".minisig")

    def restore(self, archive, *options):
        return run("restore", archive, "--site", f"folder:{self.site}", "--yes", *options)

    def state(self, archive, *options):
        done = run("verify", "--json", archive, *options)
        found = done.json["archives"][0]["signature"]
        return done.code, found and found["state"]


class Keys(Base):
    def test_a_pair_with_modes_and_its_public_key_on_standard_output(self):
        done = self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 0)
        secret, public = self.dir / "k.key", self.dir / "k.pub"
        self.assertEqual(stat.S_IMODE(secret.stat().st_mode), 0o600)
        self.assertEqual(done.out, public.read_text().splitlines()[1] + "\n")
        self.assertEqual(sorted(p.name for p in self.dir.glob("k.*")), ["k.key", "k.pub"])
        document = self.check(run("keygen", "-o", self.dir / "j", "--no-passphrase", "--json"), 0).json
        self.assertEqual(document["public_key"], (self.dir / "j.pub").read_text().splitlines()[1])
        self.assertIn(document["key_id"], (self.dir / "j.pub").read_text())
        self.assertEqual((document["encrypted"], document["secret_file"]), (False, str(self.dir / "j.key")))
        self.assertNotEqual(secret.read_bytes(), (self.dir / "j.key").read_bytes())

    def test_nothing_is_overwritten(self):
        for name in ("k.key", "k.pub"):
            (self.dir / name).write_text("mine")
            self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase"), 3, f"{name}: exists already")
            self.assertEqual((self.dir / name).read_text(), "mine")
            self.assertEqual(len(list(self.dir.glob("k*"))), 1)
            (self.dir / name).unlink()

    def test_wrong_usage(self):
        self.check(run("keygen", "--no-passphrase"), 3, "-o NAME")
        self.check(run("keygen", "-o", self.dir / "k"), 3, "no terminal")
        file = self.secret("passphrase", "p\n")
        self.check(run("keygen", "-o", self.dir / "k", "--no-passphrase", "--passphrase-file", file), 3, "one of them")
        self.check(run("keygen", "-o", self.dir / "none" / "k", "--no-passphrase"), 2)
        self.check(run("keygen", "-o", self.dir / "k", "--passphrase-file", self.secret("empty", "\n")), 3, "empty")
        self.check(run("keygen", "-o", self.dir / "k", "--passphrase-file", self.secret("long", "x" * 2000)), 3, "too large")
        self.assertEqual(list(self.dir.glob("k.*")), [])

    def test_who_may_read_the_passphrase_is_looked_at(self):
        for mode in (0o644, 0o640, 0o604):
            file = self.secret("passphrase", "p\n", mode)
            self.check(run("keygen", "-o", self.dir / "k", "--passphrase-file", file), 3, "others can read the passphrase")
        self.assertEqual(list(self.dir.glob("k.*")), [])

    def test_it_is_typed_twice_and_not_shown(self):
        questions = (b"k.key: ", b"again: ")
        done = on_terminal("keygen", "-o", self.dir / "k", answers=zip(questions, (b"secret word\n", b"secret work\n")))
        self.assertEqual((done.code, list(self.dir.glob("k.*"))), (3, []), done.out)
        self.assertIn("not the same", done.out)
        done = on_terminal("keygen", "-o", self.dir / "k", answers=zip(questions, (b"secret word\n", b"secret word\n")))
        self.assertEqual(done.code, 0, done.out)
        self.assertNotIn("word", done.out)
        self.backup("--full")
        (archive,) = self.archives()
        done = on_terminal("sign", "--key", self.dir / "k.key", archive, answers=[(b"k.key: ", b"another\n")])
        self.assertEqual(done.code, 2, done.out)
        self.assertIn("wrong passphrase", done.out)
        done = on_terminal("sign", "--key", self.dir / "k.key", archive, answers=[(b"k.key: ", b"secret word\n")])
        self.assertEqual(done.code, 0, done.out)
        self.assertNotIn("word", done.out)
        self.assertEqual(self.state(archive, "--trusted-key", self.dir / "k.pub"), (0, "good"))

    def test_ctrl_c_at_the_question_ends_it(self):
        done = on_terminal("keygen", "-o", self.dir / "k", answers=[(b"k.key: ", b"half\x03")])
        self.assertEqual((done.code, list(self.dir.glob("k.*"))), (2, []), done.out)


class Signing(Base):
    def test_a_backup_that_is_signed(self):
        key, public = self.keygen()
        done = self.backup("--sign", key, "--json")
        (archive,) = self.archives()
        self.assertEqual(done.json["signature"]["path"], str(self.sidecar(archive)))
        self.assertEqual(sorted(os.listdir(self.vault)), [".pobackup.lock", archive.name, archive.name + ".minisig"])
        comment = self.sidecar(archive).read_text().splitlines()[2]
        self.assertRegex(comment, rf"^trusted comment: timestamp:\d+\tfile:{archive.name}\thashed\tarchive:{done.json['archive_id']}$")
        document = self.check(run("verify", "--json", archive, "--trusted-key", public), 0).json["archives"][0]
        self.assertEqual(document["signature"]["state"], "good")
        self.assertEqual(document["signature"]["key_id"], done.json["signature"]["key_id"])
        self.assertEqual("trusted comment: " + document["signature"]["trusted_comment"], comment)
        self.assertIn("signed by key", self.check(run("verify", archive, "--trusted-key", public), 0).out)

    def test_the_key_is_opened_before_a_service_is_stopped(self):
        key, _ = self.keygen(passphrase="right")
        self.backup("--sign", key, code=3, says="no terminal")
        self.backup("--sign", key, "--sign-passphrase-file", self.secret("wrong", "wrong\n"), code=2, says="wrong passphrase")
        self.backup("--sign", key, "--sign-passphrase-file", self.secret("open", "right\n", 0o644), code=3, says="others can read")
        self.backup("--sign", self.dir / "none", code=2)
        self.backup("--sign", self.secret("text", "text"), code=3, says="not a secret key")
        key.chmod(0o644)
        self.backup("--sign", key, code=3, says="others can read the secret key (mode 644)")
        self.assertEqual((self.archives(), (self.site / "service.log").exists()), ([], False))
        key.chmod(0o600)
        self.backup("--sign", key, "--sign-passphrase-file", self.secret("right", "right\r\n"))
        self.assertTrue((self.site / "service.log").exists())
        self.assertEqual(self.state(self.archives()[0], "--trusted-key", key.with_suffix(".pub")), (0, "good"))

    def test_standard_output_cannot_be_signed(self):
        key, _ = self.keygen()
        done = run("backup", "--site", f"folder:{self.site}", "-o", "-", "--sign", key)
        self.check(done, 3, "--sign")
        self.assertEqual(done.out, "")

    def test_a_sidecar_that_is_there_stops_it_before_it_begins(self):
        key, _ = self.keygen()
        out = self.vault / "a.tar.zst"
        self.sidecar(out).write_text("of another")
        self.check(run("backup", "--site", f"folder:{self.site}", "-o", out, "--allow-same-volume", "--sign", key), 3, "exists already")
        self.assertEqual((self.archives(), self.sidecar(out).read_text()), ([], "of another"))
        self.assertFalse((self.site / "service.log").exists())

    def test_what_cannot_be_signed_stands_and_is_exit_1(self):
        key, _ = self.keygen()
        out = self.vault / "a.tar.zst"
        # While it reads, somebody makes what is in the way: a directory of that name.
        fifo_ini = INI.replace("echo stopped", f"mkdir -p {self.sidecar(out)}; echo stopped")
        (self.site / "pobackup-site.ini").write_text(fifo_ini)
        done = run("backup", "--site", f"folder:{self.site}", "-o", out, "--allow-same-volume", "--sign", key)
        self.check(done, 1, "stands, but is not signed")
        self.check(run("verify", out), 0, "not a regular file")
        _, public = self.keygen("other")
        self.check(run("verify", out, "--trusted-key", public), 2)
        self.sidecar(out).rmdir()
        self.check(run("verify", out), 0)

    def test_a_verb_for_archives_that_are_there(self):
        key, public = self.keygen()
        self.backup("--full")
        (archive,) = self.archives()
        self.assertEqual(self.state(archive), (0, None))
        self.check(run("sign", archive), 3, "--key KEYFILE")
        document = self.check(run("sign", "--key", key, archive, "--json"), 0).json["archives"][0]
        self.assertEqual((document["path"], document["signed"], document["message"]), (str(archive), True, None))
        self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))
        before = self.sidecar(archive).read_bytes()
        self.check(run("sign", "--key", key, archive), 3, "exists already")
        self.assertEqual(self.sidecar(archive).read_bytes(), before)

    def test_what_is_damaged_or_no_archive_is_not_signed(self):
        key, _ = self.keygen()
        self.backup("--full")
        (archive,) = self.archives()
        damaged = self.dir / "damaged.tar.zst"
        data = bytearray(archive.read_bytes())
        data[100] ^= 1
        damaged.write_bytes(data)
        self.check(run("sign", "--key", key, damaged, archive), 4, "damaged.tar.zst")
        self.assertEqual((self.sidecar(damaged).exists(), self.sidecar(archive).exists()), (False, True))
        self.check(run("sign", "--key", key, self.secret("text", "text")), 2)

    def test_pre_upgrade_signs_too(self):
        key, public = self.keygen()
        (self.site / "Post.OfficeConfigBackup" / "1-Control").write_text("a queue that has something")
        self.check(run("pre-upgrade", "--site", f"folder:{self.site}", "-o", self.vault, "--allow-same-volume", "--sign", key), 0)
        (archive,) = self.archives()
        self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))


class Trust(Base):
    def test_states_and_exit_codes_of_verify(self):
        key, public = self.keygen()
        _, other = self.keygen("other")
        archive = self.signed(key)
        text = public.read_text().splitlines()[1]
        self.assertEqual(self.state(archive), (0, "unchecked"))
        self.assertIn("not checked", self.check(run("verify", archive), 0).out)
        self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))
        self.assertEqual(self.state(archive, "--trusted-key", text), (0, "good"))
        self.assertEqual(self.state(archive, "--quick", "--trusted-key", other, "--trusted-key", text), (0, "good"))
        self.assertEqual(self.state(archive, "--trusted-key", other), (2, "foreign"))
        self.assertIn("NOT TRUSTED", run("verify", archive, "--trusted-key", other).out)
        self.sidecar(archive).rename(self.dir / "kept")
        self.assertEqual(self.state(archive, "--trusted-key", public), (2, "missing"))
        self.assertEqual(self.state(archive), (0, None))
        self.sidecar(archive).write_text("no signature")
        self.assertEqual(self.state(archive, "--trusted-key", public), (4, "bad"))
        self.sidecar(archive).write_bytes(b"x" * 100000)
        self.assertEqual(self.state(archive, "--trusted-key", public), (4, "bad"))
        # The signature of another archive.
        self.mail.write_bytes(b"mail of tomorrow")
        second = self.signed(key, "--full")
        shutil.copy(self.sidecar(second), self.sidecar(archive))
        self.assertEqual(self.state(archive, "--trusted-key", public), (4, "bad"))
        verdict = run("verify", "--json", archive, "--trusted-key", public).json["archives"][0]
        self.assertEqual(verdict["verdict"], "damaged")

    def test_a_key_of_the_same_id_is_another_key(self):
        key, public = self.keygen()
        archive = self.signed(key)
        forged = self.dir / "forged"
        lines = public.read_text().splitlines()
        _, other = self.keygen("other")
        # "RW" and the id are the first 13 digits and a bit.
        forged.write_text(lines[0] + "\n" + lines[1][:14] + other.read_text().splitlines()[1][14:] + "\n")
        code, state = self.state(archive, "--trusted-key", forged)
        self.assertIn((code, state), ((4, "bad"), (2, "foreign")))

    def test_keys_that_are_none(self):
        key, _ = self.keygen()
        archive = self.signed(key)
        for wrong, says in ((self.dir / "none", "neither a public key nor a file"), (key, "not a public key"),
                            (self.secret("text", "text"), "not a public key"), (self.dir, "neither"), ("", "empty")):
            self.check(run("verify", archive, "--trusted-key", wrong), 3, says)
            self.check(self.restore(archive, "--trusted-key", wrong), 3, says)

    def test_the_history_does_not_take_an_untrusted_one_for_verified(self):
        key, _ = self.keygen()
        _, other = self.keygen("other")
        archive = self.signed(key)

        def verified():
            return run("snapshots", self.vault, "--json").json["archives"][0]["verified"]

        self.check(run("verify", archive, "--trusted-key", other), 2)
        self.assertIsNone(verified())
        self.check(run("verify", archive), 0)
        self.assertIsNotNone(verified())

    def test_restore_takes_only_what_is_signed(self):
        key, public = self.keygen()
        _, other = self.keygen("other")
        archive = self.signed(key)
        self.mail.write_bytes(b"changed since")

        def untouched():
            return self.mail.read_bytes() == b"changed since" and len(list(self.site.iterdir())) == entries

        entries = len(list(self.site.iterdir()))
        self.check(self.restore(archive, "--trusted-key", other), 2, "not trusted")
        self.assertTrue(untouched())
        kept = self.sidecar(archive).read_bytes()
        self.sidecar(archive).unlink()
        self.check(self.restore(archive, "--trusted-key", public), 2, "not signed")
        self.check(self.restore(archive, "--trusted-key", public, "--dry-run"), 2, "not signed")
        self.assertTrue(untouched())
        # Altered: another archive, whole in itself, under that name.
        self.sidecar(archive).write_bytes(kept)
        genuine = archive.read_bytes()
        self.backup("--full")
        second = self.archives()[-1]
        archive.write_bytes(second.read_bytes())
        self.check(run("verify", archive), 0)
        self.check(self.restore(archive, "--trusted-key", public), 4, "not of these bytes")
        self.assertTrue(untouched())
        archive.write_bytes(genuine)
        self.check(self.restore(archive, "--trusted-key", public), 0)
        self.assertEqual(self.mail.read_bytes(), b"mail of today" * 500)

    def test_a_set_that_was_made_by_hand_is_refused(self):
        _, public = self.keygen()
        copy = self.dir / "set"
        shutil.copytree(self.site, copy)
        (copy / "pobackup-site.ini").unlink()
        self.check(self.restore(copy, "--trusted-key", public), 2, "nobody signs")

    def test_each_parent_has_to_be_signed(self):
        key, public = self.keygen()
        full = self.signed(key)
        (self.site / "Post.OfficemailboxBackup" / "more").write_bytes(b"more")
        diff = self.signed(key, "--full-share", "0")
        self.assertIn("-diff", diff.name)
        self.check(self.restore(diff, "--trusted-key", public), 0)
        out = self.dir / "out"
        for kept in (None, self.sidecar(full).read_bytes()[:-20] + b"x" * 19 + b"\n"):
            self.sidecar(full).unlink()
            if kept is not None:
                self.sidecar(full).write_bytes(kept)
            code = 2 if kept is None else 4
            self.check(self.restore(diff, "--trusted-key", public), code, full.name)
            self.check(run("extract", diff, "-C", out, "--trusted-key", public), code, full.name)
            self.check(run("drill", diff, "--trusted-key", public), code, full.name)
            self.check(run("consolidate", self.vault, diff, "--trusted-key", public), code, full.name)
            if kept is None:
                self.sidecar(full).write_bytes(b"")
        self.assertFalse(out.exists())
        self.check(self.restore(diff), 0)

    def test_extract_drill_and_consolidate(self):
        key, public = self.keygen()
        _, other = self.keygen("other")
        archive = self.signed(key)
        out = self.dir / "out"
        self.check(run("extract", archive, "-C", out, "--trusted-key", other), 2, "not trusted")
        self.assertFalse(out.exists())
        self.check(run("extract", archive, "-C", out, "--trusted-key", public), 0)
        self.assertTrue(out.exists())
        self.check(run("drill", archive, "--trusted-key", other), 2, "not trusted")
        self.check(run("drill", archive, "--trusted-key", public), 0)

    def test_what_is_extracted_with_trust_is_checked_by_a_hash_that_nobody_can_meet(self):
        key, public = self.keygen()
        archive = self.dir / "a.tar.zst"
        # XXH3 of a frame is right, its BLAKE2b is not: as after a change that was made to fit.
        archive.write_bytes(check_vectors.load("bad-index-8-blake2b")[0].data)
        self.check(run("sign", "--key", key, archive), 0)
        self.check(run("extract", archive, "-C", self.dir / "one"), 0)
        self.assertTrue((self.dir / "one" / "a.txt").exists())
        self.check(run("extract", archive, "-C", self.dir / "two", "--trusted-key", public), 4, "digest does not match")
        self.assertFalse((self.dir / "two" / "a.txt").exists())
        self.check(run("cat", archive, "a.txt"), 4)

    def test_a_full_that_is_consolidated_is_signed_anew(self):
        key, public = self.keygen()
        full = self.signed(key)
        self.mail.write_bytes(b"mail of tomorrow")
        diff = self.signed(key, "--full-share", "0")
        done = self.check(run("consolidate", self.vault, diff, "--trusted-key", public, "--sign", key, "--json"), 0)
        made = pathlib.Path(done.json["path"])
        self.assertNotIn(made, (full, diff))
        self.assertEqual(done.json["signature"]["path"], str(self.sidecar(made)))
        self.assertEqual(self.state(made, "--trusted-key", public), (0, "good"))

    def test_the_key_may_stand_in_the_configuration_file(self):
        key, public = self.keygen()
        archive = self.signed(key)
        config = self.dir / "pobackup.ini"
        config.write_text(f"site = folder:{self.site}\ntrusted-key = {public}\n[backup]\nsign = {key}\noutput = {self.vault}\nfull = yes\n"
                          "allow-same-volume = yes\n")
        self.check(run("config", "check", config), 0)
        time.sleep(1.01)
        self.check(run("backup", "--config", config), 0)
        self.assertEqual(self.state(self.archives()[-1], "--config", config), (0, "good"))
        self.check(run("restore", archive, "--yes", "--config", config), 0)
        self.sidecar(archive).unlink()
        self.check(run("restore", archive, "--yes", "--config", config), 2, "not signed")

    def test_prune_removes_the_sidecar_too(self):
        key, _ = self.keygen()
        first = self.signed(key)
        second = self.signed(key, "--full")
        self.check(run("prune", self.vault, "--keep-last", "1", "--yes"), 0)
        self.assertEqual(sorted(p.name for p in self.vault.iterdir() if p.name != ".pobackup.lock"),
                         [second.name, second.name + ".minisig"])
        self.assertFalse(self.sidecar(first).exists())
        self.assertEqual(len(run("snapshots", self.vault, "--json").json["archives"]), 1)
        self.assertEqual(run("snapshots", self.vault, "--json").json["problems"], [])


@unittest.skipIf(MINISIGN is None, "minisign is not installed")
class Stock(Base):
    def stock_key(self, passphrase):
        key, public = self.dir / "stock.key", self.dir / "stock.pub"
        words = [MINISIGN, "-G", "-s", key, "-p", public] + (["-W"] if passphrase is None else [])
        self.check(call(words, b"" if passphrase is None else f"{passphrase}\n{passphrase}\n".encode()), 0)
        return key, public

    def test_stock_accepts_ours(self):
        key, public = self.keygen()
        archive = self.signed(key)
        done = self.check(call([MINISIGN, "-V", "-H", "-p", public, "-m", archive]), 0)
        self.assertIn("Signature and comment signature verified", done.out)
        self.assertIn(f"file:{archive.name}", done.out)
        data = bytearray(archive.read_bytes())
        data[-1] ^= 1
        archive.write_bytes(data)
        self.assertNotEqual(call([MINISIGN, "-V", "-p", public, "-m", archive]).code, 0)

    def test_stock_signs_with_our_keys(self):
        for name, passphrase in (("bare", None), ("locked", "pass word")):
            key, public = self.keygen(name, passphrase)
            self.backup("--full")
            archive = self.archives()[-1]
            self.check(call([MINISIGN, "-S", "-s", key, "-m", archive], f"{passphrase}\n".encode() if passphrase else b""), 0)
            self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))

    def test_we_sign_with_stock_keys(self):
        for passphrase in (None, "pass word"):
            key, public = self.stock_key(passphrase)
            options = [] if passphrase is None else ["--sign-passphrase-file", self.secret("passphrase", passphrase + "\n")]
            archive = self.signed(key, "--full", *options)
            self.check(call([MINISIGN, "-V", "-p", public, "-m", archive]), 0)
            self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))
            key.unlink()
            public.unlink()

    def test_we_accept_what_stock_signs(self):
        key, public = self.stock_key(None)
        self.backup("--full")
        (archive,) = self.archives()
        for options in ([], ["-l"], ["-t", "another trusted comment"]):
            self.check(call([MINISIGN, "-S", "-s", key, "-m", archive, *options]), 0)
            self.assertEqual(self.state(archive, "--trusted-key", public), (0, "good"))
            self.check(self.restore(archive, "--trusted-key", public), 0)
        document = run("verify", "--json", archive, "--trusted-key", public).json["archives"][0]
        self.assertEqual(document["signature"]["trusted_comment"], "another trusted comment")
        altered = self.sidecar(archive).read_text().replace("another trusted", "a forged trusted")
        self.sidecar(archive).write_text(altered)
        self.assertEqual(self.state(archive, "--trusted-key", public), (4, "bad"))

    def test_a_legacy_signature_of_a_large_file_is_refused_clearly(self):
        key, public = self.stock_key(None)
        self.mail.write_bytes(os.urandom(17 << 20))
        self.backup("--full")
        (archive,) = self.archives()
        self.check(call([MINISIGN, "-S", "-l", "-s", key, "-m", archive]), 0)
        done = run("verify", archive, "--trusted-key", public)
        self.assertEqual(done.code, 2)
        self.assertIn("legacy signature", done.out)
        self.assertEqual(self.state(archive, "--trusted-key", public), (2, "foreign"))


if __name__ == "__main__":
    unittest.main()
