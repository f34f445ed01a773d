#!/usr/bin/env python3
"""Mail about a run, end to end: a server on loopback takes it, and Python's email module reads it.

    test_mail.py PROGRAM [unittest's arguments]
"""

import email
import email.policy
import email.utils
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import smtp_server
import test_cli
from test_cli import run
from test_tell import Base

HAS_MAIL = os.environ.get("POBACKUP_TEST_MAIL", "1").upper() in ("1", "ON", "TRUE", "YES")  # how it was built
USER, PASSWORD = "backup@example.org", "geh\u00e9im \u2713"


class MailBase(Base):
    def setUp(self):
        super().setUp()
        for name in "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY":
            os.environ.pop(name, None)

    def serve(self, how="", **more):
        server = smtp_server.Server(how, **more)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def options(self, server, *more):
        return [f"--mail-server=127.0.0.1:{server.port}", "--mail-to=admin@example.org", "--mail-timeout=20", *more]

    def read(self, mail):
        message = email.message_from_bytes(mail.data, policy=email.policy.default)
        self.assertEqual(message.defects, [])
        message.content = lambda: message.get_content().replace("\r\n", "\n")
        return message


@unittest.skipUnless(HAS_MAIL, "built without mail")
class Mail(MailBase):
    def test_a_failure_is_mailed_with_the_whole_result(self):
        os.mkfifo(self.site.mailbox / "J\u00fcrgen \u90f5\u4fbf")
        server = self.serve()
        self.check(self.save("a", *self.options(server, "--mail-from=mta@example.org")), 1)
        (mail,) = server.mails
        self.assertEqual((mail.sender, mail.recipients), ("mta@example.org", ["admin@example.org"]))
        message = self.read(mail)
        self.assertEqual((message["From"], message["To"]), ("mta@example.org", "admin@example.org"))
        self.assertRegex(message["Subject"], rf"^pobackup backup: done, with problems \(exit code 1\), folder:{self.site.root} on .")
        self.assertLess(abs(email.utils.parsedate_to_datetime(message["Date"]).timestamp() - time.time()), 60)
        self.assertRegex(message["Message-ID"], "^<[0-9a-f]{32}@example.org>$")
        self.assertEqual(message["Auto-Submitted"], "auto-generated")
        text = message.content()
        self.assertIn("  1 item is not in the archive:", text)
        for line in ("verb: backup", "files: 36", "skipped[1].path: Post.OfficemailboxBackup/J\u00fcrgen \u90f5\u4fbf", "exit_code: 1",
                     f"path: {self.dir}/a"):
            self.assertIn(line, text.splitlines())
        self.assertTrue(mail.data.isascii())
        self.assertLessEqual(max(len(line) for line in mail.data.split(b"\r\n")), 200)

    def test_names_of_other_alphabets_reach_the_subject(self):
        site = self.new_site("J\u00fcrgens Gr\u00f6\u00dfe \u90f5\u4fbf\u5c40 \U0001f4ee \u041f\u043e\u0447\u0442\u0430 \u0639\u0631\u0628\u064a")
        server = self.serve()
        self.check(run("backup", f"--site=folder:{site.root}", "-o", self.dir / "a", *self.options(server, "--mail-on=always")), 0)
        message = self.read(server.mails[0])
        self.assertIn(str(site.root), message["Subject"])
        self.assertIn(f"pobackup backup: done (exit code 0), folder:{site.root} on ", message.content())

    def test_success_is_mailed_only_when_asked_for(self):
        server = self.serve()
        self.check(self.save("a", *self.options(server)), 0)
        self.assertEqual(server.mails, [])
        self.check(self.save("b", *self.options(server, "--mail-on=always")), 0)
        self.assertIn("done (exit code 0)", self.read(server.mails[0])["Subject"])

    def test_each_address_is_sent_one_whatever_becomes_of_the_others(self):
        server = self.serve("refuse second@example.org")
        done = self.check(self.save("a", *self.options(server, "--mail-to=second@example.org", "--mail-to=third@example.org",
                                                       "--mail-on=always")), 1)
        self.assertIn("could not be told: mail to second@example.org: 127.0.0.1:", done.text)
        self.assertIn("550", done.text)
        self.assertEqual([mail.recipients for mail in server.mails], [["admin@example.org"], ["third@example.org"]])
        self.assertEqual(self.read(server.mails[1])["To"], "admin@example.org, second@example.org, third@example.org")

    def test_wrong_use_is_mailed_too(self):
        server = self.serve()
        self.check(run("backup", self.arg, *self.options(server)), 3)
        self.assertIn("FAILED (exit code 3)", self.read(server.mails[0])["Subject"])
        self.assertIn("error.status: wrong use", self.read(server.mails[0]).content())

    def test_what_a_command_came_to_stands_in_it(self):
        server = self.serve()
        self.check(self.save("a", "--on-success=exit 9", *self.options(server)), 1)
        self.assertIn("the command has exit code 9", self.read(server.mails[0]).content())

    def test_dots_and_long_lines_arrive_as_they_were(self):
        os.mkfifo(self.site.mailbox / ("." + "x" * 200))
        os.mkfifo(self.site.mailbox / "a=b ")
        server = self.serve()
        self.check(self.save("a", *self.options(server)), 1)
        text = self.read(server.mails[0]).content()
        self.assertIn("/." + "x" * 200 + "\n", text)
        self.assertIn("/a=b \n", text)

    def failure(self, how, says, **more):
        """The mail is lost; the run says so everywhere, and the next one mails it."""
        server = self.serve(how, **more)
        began = time.monotonic()
        done = self.check(self.save(f"{how or 'x'}1", f"--log={self.log}", "--json", *self.options(server, "--mail-on=always",
                                                                                                  "--mail-timeout=2")), 1)
        self.assertLess(time.monotonic() - began, 20)
        self.assertIn("this run could not be told: mail to admin@example.org: 127.0.0.1:", done.text)
        self.assertIn(says, done.text)
        self.assertIn("this run could not be told: mail", done.json["warnings"][-1])
        self.assertIn("this run could not be told: mail", self.log.read_text())
        self.check(self.status(), 0, "could not be told: mail to admin@example.org")
        self.check(run("verify", self.dir / f"{how or 'x'}1"), 0)
        good = self.serve()
        self.check(self.save(f"{how or 'x'}2", *self.options(good)), 0, "how the run before ended could not be told")
        self.assertIn("how the run before ended could not be told: ", self.read(good.mails[0]).content())
        self.check(self.save(f"{how or 'x'}3", *self.options(good)), 0)
        self.assertEqual(len(good.mails), 1)

    def test_a_server_that_refuses(self):
        self.failure("refuse", "the server says: 550 nobody of that name")

    def test_a_server_that_refuses_the_message(self):
        self.failure("no", "the server says: 554 not of you")

    def test_a_server_that_hangs(self):
        self.failure("hang", "timed out")

    def test_a_server_that_says_nothing(self):
        self.failure("silent", "timed out")

    def test_a_server_that_drops_the_connection_in_the_message(self):
        self.failure("drop", "")

    def test_no_server(self):
        server = self.serve()
        server.__exit__()
        done = self.check(self.save("a", *self.options(server, "--mail-on=always")), 1, "could not be told: mail to ")
        self.assertIn("connect", done.text)

    def test_a_run_that_failed_keeps_its_exit_code(self):
        server = self.serve("refuse")
        self.check(run("verify", self.dir / "missing", *self.options(server)), 2, "could not be told: mail")


@unittest.skipUnless(HAS_MAIL, "built without mail")
class Secure(MailBase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.TemporaryDirectory(prefix="pobackup-mail-")
        cls.addClassCleanup(cls.top.cleanup)
        cls.certificate, cls.context = smtp_server.make_certificate(
            pathlib.Path(cls.top.name), lambda words: subprocess.run(words, check=True, stderr=subprocess.DEVNULL))

    def login(self, text=f"{USER}\n{PASSWORD}\n", mode=0o600):
        path = self.dir / "login"
        path.write_text(text)
        path.chmod(mode)
        return f"--mail-login={path}"

    def test_starttls_and_a_login(self):
        server = self.serve(tls="starttls", context=self.context, login=(USER, PASSWORD))
        self.check(self.save("a", *self.options(server, "--mail-on=always", self.login(), f"--mail-ca={self.certificate}")), 0)
        self.assertEqual([(mail.login, mail.is_encrypted) for mail in server.mails], [(USER, True)])

    def test_tls_from_the_first_byte_on(self):
        server = self.serve(tls="tls", context=self.context, login=(USER, PASSWORD))
        self.check(self.save("a", *self.options(server, "--mail-on=always", self.login(f"{USER}\r\n{PASSWORD}"), "--mail-tls=tls",
                                                f"--mail-ca={self.certificate}")), 0)
        self.assertEqual([(mail.login, mail.is_encrypted) for mail in server.mails], [(USER, True)])

    def test_encrypted_without_a_login(self):
        server = self.serve(tls="starttls", context=self.context)
        self.check(self.save("a", *self.options(server, "--mail-on=always", "--mail-tls=starttls", f"--mail-ca={self.certificate}")), 0)
        self.assertEqual([(mail.login, mail.is_encrypted) for mail in server.mails], [(None, True)])

    def test_a_login_without_encryption_is_for_this_machine_alone(self):
        server = self.serve(login=(USER, PASSWORD))
        self.check(self.save("a", *self.options(server, "--mail-on=always", self.login(), "--mail-tls=none")), 0)
        self.assertEqual([(mail.login, mail.is_encrypted) for mail in server.mails], [(USER, False)])
        self.check(self.save("b", "--mail-to=a@example.org", "--mail-server=mail.example.org", self.login(), "--mail-tls=none"), 3,
                   "would cross the network")

    def test_nothing_is_sent_to_a_server_without_encryption(self):
        server = self.serve(login=(USER, PASSWORD))
        self.check(self.save("a", *self.options(server, "--mail-on=always", self.login())), 1, "could not be told: mail")
        self.assertEqual(server.mails, [])

    def test_a_certificate_that_nobody_vouches_for_is_refused(self):
        server = self.serve(tls="starttls", context=self.context, login=(USER, PASSWORD))
        self.check(self.save("a", *self.options(server, "--mail-on=always", self.login())), 1, "certificate")
        self.assertEqual(server.mails, [])

    def test_a_wrong_password_is_told_and_never_shown(self):
        server = self.serve(tls="starttls", context=self.context, login=(USER, "another"))
        done = self.check(self.save("a", f"--log={self.log}", "--json",
                                    *self.options(server, "--mail-on=always", self.login(), f"--mail-ca={self.certificate}")), 1)
        self.assertIn("could not be told: mail", done.text)
        for text in done.text, done.out.decode(), self.log.read_text():
            self.assertNotIn(PASSWORD, text)

    def test_a_login_that_others_can_read_is_refused_before_anything_is_done(self):
        server = self.serve()
        for mode in 0o640, 0o604, 0o644:
            self.check(self.save("a", *self.options(server, self.login(mode=mode))), 3, "others can read the password")
        for text in "", "user\n", "\npassword\n", "user\n\n":
            self.check(self.save("a", *self.options(server, self.login(text))), 3, "--mail-login: ")
        self.check(self.save("a", *self.options(server, f"--mail-login={self.dir}/missing")), 2, "--mail-login: ")
        self.assertFalse((self.dir / "a").exists())


class Usage(MailBase):
    @unittest.skipUnless(HAS_MAIL, "built without mail")
    def test_wrong_options_are_found_before_anything_is_done(self):
        self.site.start()
        for options, says in ((("--mail-to=nobody",), "--mail-to: nobody is no address"),
                              (("--mail-to=a@example.org", "--mail-from=a b@example.org"), "--mail-from: "),
                              (("--mail-to=a@example.org", "--mail-server=host:0"), "--mail-server: host:0"),
                              (("--mail-to=a@example.org", "--mail-server=host:70000"), "--mail-server: "),
                              (("--mail-to=a@example.org", "--mail-server=ho/st"), "--mail-server: "),
                              (("--mail-to=a@example.org", "--mail-server=[::1"), "--mail-server: "),
                              (("--mail-to=a@example.org", "--mail-tls=ssl"), "--mail-tls: ")):
            self.check(self.save("a", *options), 3, says)
        self.assertEqual(self.site.log(), [])
        self.assertFalse((self.dir / "a").exists())

    @unittest.skipIf(HAS_MAIL, "built with mail")
    def test_without_mail_it_is_wrong_use(self):
        self.check(self.save("a", "--mail-to=a@example.org"), 3, "built without mail")
        self.assertFalse((self.dir / "a").exists())


if __name__ == "__main__":
    unittest.main()
