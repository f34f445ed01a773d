#!/usr/bin/env python3
"""`config check`, and the sample of the configuration file.

    test_config.py PROGRAM [unittest's arguments]
"""

import pathlib
import re
import unittest

import test_cli
from test_cli import SOURCE, run

SAMPLE = SOURCE / "src" / "cli" / "pobackup.ini.sample"
# What nobody would keep in a file: questions, and what is about one run.
TYPED = {"config", "help", "dry-run", "yes", "only", "path", "exact", "no-safety-copy", "live", "forget", "quick", "long", "null",
         "directory", "overwrite", "in-place", "at", "every", "name", "keep", "for", "allow-shrink",
         "no-passphrase"}


class Check(test_cli.Base):
    def config(self, text):
        path = self.dir / "c.ini"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def mistakes(self, text):
        return [(mistake["line"], mistake["message"].split(": ", 1)[1])
                for mistake in self.check(run("config", "check", self.config(text), "--json"), 3).json["mistakes"]]

    def test_a_good_file_is_exit_0_and_its_keys_are_told(self):
        path = self.config("site = folder:/x\nlevel = 3\n[backup]\noutput = /y/\nexclude = a\nexclude = b\n[verify]\nquick = yes\n")
        done = self.check(run("config", "check", path), 0)
        self.assertEqual(done.out.decode(), f"{path}: good; for every verb: site, level; for backup: output, exclude; for verify: quick\n")
        self.assertEqual(self.check(run("config", "check", path, "--quiet"), 0).out, b"")
        document = self.check(run("config", "check", path, "--json"), 0).json
        self.assertEqual(document["keys"], [{"verb": None, "keys": ["site", "level"]},
                                            {"verb": "backup", "keys": ["output", "exclude"]},
                                            {"verb": "verify", "keys": ["quick"]}])
        self.assertEqual(document["mistakes"], [])
        self.check(run("config", "check", self.config("; nothing\n")), 0)

    def test_every_mistake_is_named_once_in_order(self):
        self.assertEqual(self.mistakes("levle = 3\nsite = x\n[backup\nx = 1\n[nope]\ny = 2\n[verify]\nquick = maybe\nhello\nlevel = 3\n"
                                       "threads = 0\n[restore]\nsite =\nyes = yes\nyes = no\n"),
                         [(1, 'unknown key "levle"; is "level" meant?'), (3, "a section is [VERB]"), (5, "[nope] is no verb"),
                          (8, '"quick" is yes or no, not "maybe"'), (9, "neither [VERB] nor key = value"),
                          (10, 'unknown key "level"'), (11, "--threads: 0 is not a number from 1 to 256"),
                          (13, "--site: the value is empty"), (15, '"yes" is there already')])

    def test_a_mistake_is_found_whichever_verb_it_is_for(self):
        self.assertEqual(self.mistakes("max-age = 0\nqueue = keep\nwait = x\n"),
                         [(1, "--max-age: 0 is not a number from 1 to 87600"), (2, "--queue: keep is none of restore|hold"),
                          (3, "--wait: x is not a number from 0 to 3600")])
        for verb in test_cli.VERBS:
            if verb not in ("help", "version"):
                self.assertEqual(self.mistakes(f"[{verb}]\nnosuch = 1\n")[0][0], 2, verb)

    def test_bytes_that_are_no_text(self):
        self.assertEqual([line for line, _ in self.mistakes(b"site = a\n" + b"x" * 500 + b"\nlog = a\0b\nlevle = 1\n")], [2, 3, 4])

    def test_what_is_told_has_file_and_line(self):
        path = self.config("a = 1\n\nb = 2\n")
        done = self.check(run("config", "check", path), 3)
        self.assertEqual(re.findall(rf"^pobackup: {re.escape(str(path))}: line (\d+): ", done.text, re.M), ["1", "3"])

    def test_files_that_cannot_be_read_and_wrong_use(self):
        self.check(run("config", "check", self.dir / "missing"), 2, "missing")
        self.check(run("config", "chekc", self.dir / "missing"), 3, "pobackup config check FILE")
        self.check(run("config", "check"), 3, "something is missing")

    def test_the_sample_is_good_with_and_without_what_is_commented_out(self):
        self.check(run("config", "check", SAMPLE), 0)
        text = SAMPLE.read_text()
        self.check(run("config", "check", self.config(re.sub(r"(?m)^;(?=[a-z-]+ = )", "", text))), 0)

    def test_the_sample_has_every_option_that_belongs_in_a_file(self):
        keys = set(re.findall(r"(?m)^;?([a-z-]+) = ", SAMPLE.read_text()))
        document = run("help", "--json").json
        options = {option["name"] for verb in document["verbs"] for option in verb["options"]}
        options |= {option["name"] for option in document["common_options"]}
        self.assertEqual(keys, options - TYPED)


if __name__ == "__main__":
    unittest.main()
