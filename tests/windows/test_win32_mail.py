#!/usr/bin/env python3
"""Mail from the Windows program, under Wine: to the server of smtp_server.py, which runs on the system that builds. TLS is Wine's Schannel.

    test_win32_mail.py POBACKUP.EXE [unittest's arguments]
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import smtp_server  # noqa: E402
import test_cli  # noqa: E402
from test_mail import PASSWORD, USER, MailBase  # noqa: E402

WINE_RUN = TOP / "scripts" / "wine-run"


def windows(path):
    """As Wine calls a file of this system."""
    return "Z:" + os.fspath(path).replace("/", "\\")


def run(*arguments):
    """With its output in files: a process of Wine's own that stays must not hold a pipe of ours."""
    env = {**os.environ, "POBACKUP_STATE_DIR": windows(os.environ["POBACKUP_STATE_DIR"])}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run([WINE_RUN, test_cli.PROGRAM, *arguments], env=env, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=err)
        out.seek(0)
        err.seek(0)
        return test_cli.Done(done.returncode, out.read(), err.read())


class Base(MailBase):
    def setUp(self):
        super().setUp()
        (self.site.root / "pobackup-site.ini").unlink()  # its services are shell scripts

    def save(self, *options):
        return run("backup", f"--site=folder:{windows(self.site.root)}", "-o", windows(self.dir / "a.tar.zst"), "--allow-same-volume",
                   "--mail-on=always", *options)

    def options(self, server, *more, host="127.0.0.1"):
        return [f"--mail-server={host}:{server.port}", "--mail-to=admin@example.org", "--mail-timeout=20", *more]

    def login(self, mode=0o600):
        """Wine makes the access list out of the mode."""
        path = self.dir / "login"
        path.write_text(f"{USER}\n{PASSWORD}\n", encoding="utf-8")
        path.chmod(mode)
        return f"--mail-login={windows(path)}"

    def lost(self, server, says, *options, host="127.0.0.1"):
        """The run is done, and says of the mail what became of it; the server has none."""
        done = self.check(self.save(*self.options(server, *options, host=host)), 1, f"could not be told: mail to admin@example.org: {host}:")
        self.assertIn(says.lower(), done.text.lower())
        self.assertEqual(server.mails, [])
        self.assertTrue((self.dir / "a.tar.zst").exists())
        self.assertNotIn(PASSWORD, done.text)


class Plain(Base):
    def test_names_of_other_alphabets_reach_the_subject(self):
        self.site = self.new_site("J\u00fcrgens Gr\u00f6\u00dfe \u90f5\u4fbf\u5c40")
        (self.site.root / "pobackup-site.ini").unlink()
        server = self.serve()
        self.check(self.save(*self.options(server, "--mail-from=mta@example.org")), 0)
        (mail,) = server.mails
        self.assertEqual((mail.sender, mail.recipients, mail.login, mail.is_encrypted), ("mta@example.org", ["admin@example.org"], None, False))
        message = self.read(mail)
        site = f"folder:{windows(self.site.root)}".replace("\\", "/")
        self.assertIn(f"pobackup backup: done (exit code 0), {site} on ", message["Subject"])
        text = message.content()
        self.assertIn(f"pobackup backup: done (exit code 0), {site} on ", text)
        self.assertIn("files: 36", text.splitlines())
        self.assertTrue(mail.data.isascii())

    def test_a_server_that_refuses(self):
        self.lost(self.serve("refuse"), "the server says: 550 nobody of that name")

    def test_a_server_that_refuses_the_message(self):
        self.lost(self.serve("no"), "the server says: 554 not of you")

    def test_a_server_that_says_nothing(self):
        began = time.monotonic()
        self.lost(self.serve("silent"), "timed out", "--mail-timeout=2")
        self.assertLess(time.monotonic() - began, 20)

    def test_no_server(self):
        server = self.serve()
        server.__exit__()
        self.lost(server, "connect")

    def test_a_login_that_others_can_read_is_refused_before_anything_is_done(self):
        server = self.serve(login=(USER, PASSWORD))
        self.check(self.save(*self.options(server, self.login(0o644))), 3, "others (S-1-1-0) can read the password")
        self.assertEqual((server.mails, (self.dir / "a.tar.zst").exists()), ([], False))

    def test_a_login_by_either_way(self):
        for way in "PLAIN", "LOGIN":
            with self.subTest(way):
                server = self.serve(login=(USER, PASSWORD), auth=way)
                self.check(run("verify", windows(self.dir / "none"), "--mail-tls=none", self.login(), *self.options(server)), 2)
                self.assertEqual([(mail.login, mail.is_encrypted) for mail in server.mails], [(USER, False)])

    def test_a_wrong_password_is_never_shown(self):
        self.lost(self.serve(login=(USER, "another")), "the server says: 535 wrong password", "--mail-tls=none", self.login())

    def test_nothing_is_sent_to_a_server_without_encryption(self):
        for says, *options in (("STARTTLS", self.login()), ("STARTTLS", "--mail-tls=starttls"), ("schannel: ", "--mail-tls=tls")):
            with self.subTest(options):
                self.lost(self.serve(login=(USER, PASSWORD)), says, *options)
                (self.dir / "a.tar.zst").unlink()


class Secure(Base):
    """With --mail-ca libcurl checks the certificate by Windows' functions. Without, that is Schannel's own matter, and Wine's takes any."""

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.TemporaryDirectory(prefix="pobackup-mail-")
        cls.addClassCleanup(cls.top.cleanup)
        cls.ca, cls.context = cls.make_certificate("\u8a3c\u660e\u66f8")
        cls.other_ca, _ = cls.make_certificate("other")

    @classmethod
    def make_certificate(cls, name):
        folder = pathlib.Path(cls.top.name, name)
        folder.mkdir()
        certificate, context = smtp_server.make_certificate(
            folder, lambda words: subprocess.run(words, check=True, stderr=subprocess.DEVNULL))
        return f"--mail-ca={windows(certificate)}", context

    def sent(self, server, *options):
        self.check(self.save(*self.options(server, self.ca, *options, host="localhost")), 0)
        (mail,) = server.mails
        self.assertTrue(mail.is_encrypted)
        self.assertIn("done (exit code 0)", self.read(mail)["Subject"])
        return mail

    def test_starttls_and_a_login(self):
        self.assertEqual(self.sent(self.serve(tls="starttls", context=self.context, login=(USER, PASSWORD)), self.login()).login, USER)

    def test_tls_from_the_first_byte_on(self):
        self.sent(self.serve(tls="tls", context=self.context), "--mail-tls=tls")

    def test_a_certificate_that_nobody_vouches_for_is_refused(self):
        for way in "starttls", "tls":
            with self.subTest(way):
                self.lost(self.serve(tls=way, context=self.context), "schannel: ", f"--mail-tls={way}", self.other_ca, host="localhost")
                (self.dir / "a.tar.zst").unlink()

    def test_a_file_without_certificates_is_told(self):
        self.lost(self.serve(tls="tls", context=self.context), "none.pem", "--mail-tls=tls", f"--mail-ca={windows(self.dir)}\\none.pem",
                  host="localhost")

    def test_a_certificate_of_another_host_is_refused(self):
        # Not even by the address that stands in it: this TLS compares names alone.
        self.lost(self.serve(tls="starttls", context=self.context), "schannel: ", "--mail-tls=starttls", self.ca)


if __name__ == "__main__":
    unittest.main()
