#!/usr/bin/env python3
"""How the end of a run is told: log, commands, metrics, mail; and what becomes of a run that could not be told.

    test_tell.py PROGRAM [unittest's arguments]
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import prometheus
import test_cli
from test_cli import run

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \[(\d+)\] ([a-z]+): (.*)$")


class Base(test_cli.Base):
    def setUp(self):
        super().setUp()
        self.log = self.dir / "run.log"
        self.told = self.dir / "told"
        self.state = self.dir / "state"
        os.environ["POBACKUP_STATE_DIR"] = str(self.state)
        self.addCleanup(os.environ.__setitem__, "POBACKUP_STATE_DIR", test_cli.STATE)

    def save(self, name, *options, **more):
        return run("backup", self.arg, "-o", self.dir / name, "--allow-same-volume", *options, **more)

    def lines(self):
        """What the log's lines say, without the time: each of them is well-formed."""
        found = []
        for line in self.log.read_text().splitlines():
            self.assertRegex(line, LINE)
            found.append(LINE.match(line).group(2, 3))
        return found

    def status(self):
        return run("status", self.arg)


class Log(Base):
    def test_a_run_stands_in_it_from_begin_to_end(self):
        self.check(self.save("a", f"--log={self.log}", "--quiet"), 0)
        lines = self.lines()
        self.assertEqual({verb for verb, _ in lines}, {"backup"})
        self.assertEqual(lines[0][1], "begin")
        self.assertTrue(any(text.startswith("saved    36 files") for _, text in lines))
        self.assertRegex(lines[-1][1], "^end: exit code 0, after ")
        self.check(run("verify", self.dir / "a", f"--log={self.log}", "--json"), 0)
        self.assertEqual([text.split(" (deep")[0] for verb, text in self.lines() if verb == "verify"][:-1],
                         ["begin", f"{self.dir}/a: whole"])
        self.check(run("restore", self.dir / "a", self.arg, "--yes", f"--log={self.log}"), 0)
        self.assertRegex([text for verb, text in self.lines() if verb == "restore"][-1], "^end: exit code 0")

    def test_it_has_warnings_problems_and_errors_and_neither_notes_nor_hints(self):
        os.mkfifo(self.site.mailbox / "fifo\x1b")
        self.check(self.save("a", f"--log={self.log}", "--progress=json"), 1)
        text = self.log.read_text()
        self.assertIn("backup: warning: 1 item is not in the archive:", text)
        self.assertIn("backup: problem: Post.OfficemailboxBackup/fifo\\x1B: ", text)
        self.assertNotIn("pobackup verify", text)
        self.check(run("verify", self.damage(self.dir / "a"), f"--log={self.log}"), 4)
        text = self.log.read_text()
        self.assertRegex(text, r"verify: error: .*/damaged\.tar\.zst: damaged: ")
        self.assertIn("verify: problem: hit: ", text)
        self.assertIn("verify: end: exit code 4", text)

    def test_wrong_use_and_what_is_typed_before_it_is_found_stand_in_it(self):
        self.check(run("backup", self.arg, f"--log={self.log}"), 3)
        self.check(run("backup", f"--log={self.log}", "--nosuch"), 3)
        self.check(run("verify", f"--log={self.log}", self.dir / "missing"), 2)
        ends = [text.split(",")[0] for _, text in self.lines() if text.startswith("end")]
        self.assertEqual(ends, ["end: exit code 3", "end: exit code 3", "end: exit code 2"])
        self.assertIn("backup: error: --nosuch: ", self.log.read_text())

    def test_a_dry_run_is_none(self):
        self.check(self.save("a", f"--log={self.log}", "--dry-run", "--on-success=exit 1"), 0)
        self.assertFalse(self.log.exists())

    def test_a_run_that_is_killed_has_left_its_beginning(self):
        self.site.start()
        (self.site.root / "slow-stop-mta").touch()
        process = subprocess.Popen([test_cli.PROGRAM, "backup", self.arg, "-o", self.dir / "a", f"--log={self.log}"],
                                   stderr=subprocess.DEVNULL)
        self.await_log("mta stop")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        self.assertEqual(self.lines()[0], ("backup", "begin"))
        self.assertNotIn("end", [text[:3] for _, text in self.lines()])
        self.await_log("puf start")

    def test_it_is_rotated_and_the_configuration_file_may_name_it(self):
        config = self.dir / "c.ini"
        config.write_text(f"log = {self.log}\nlog-size = 1K\nlog-count = 2\n")
        self.check(self.save("a"), 0)
        for _ in range(12):
            self.check(run("verify", "--config", config, self.dir / "a"), 0)
        names = sorted(name for name in os.listdir(self.dir) if name.startswith("run.log"))
        self.assertEqual(names, ["run.log", "run.log.1", "run.log.2", "run.log.lock"])
        for name in names[:3]:
            self.assertLessEqual((self.dir / name).stat().st_size, 1024)

    def test_one_that_cannot_be_written_is_told_and_fails_no_run(self):
        done = self.check(self.save("a", f"--log={self.dir}/none/run.log"), 0, "this run is not in the log: ")
        self.assertEqual(done.text.count("not in the log"), 1)
        self.log.mkdir()
        done = self.check(self.save("b", f"--log={self.log}", "--json"), 0)
        self.assertIn("not in the log", done.json["warnings"][0])


class Commands(Base):
    def test_success_is_told_with_the_document_that_json_gives(self):
        tell = f"cat >{self.told}; echo $POBACKUP_VERB $POBACKUP_EXIT_CODE >{self.told}.env"
        done = self.check(self.save("a", "--json", "--on-success", tell, "--on-failure", f"touch {self.dir}/wrong"), 0)
        self.assertEqual(self.told.read_bytes(), done.out)
        self.assertEqual(pathlib.Path(f"{self.told}.env").read_text(), "backup 0\n")
        self.assertFalse((self.dir / "wrong").exists())

    def test_the_document_is_the_same_without_json(self):
        done = self.check(self.save("a", "--on-success", f"cat >{self.told}"), 0)
        self.assertEqual(done.out, b"")
        without = json.loads(self.told.read_text())
        self.assertEqual(set(without), set(self.save("b", "--json").json))
        self.assertEqual((without["verb"], without["files"], without["exit_code"]), ("backup", 36, 0))
        self.check(run("verify", self.dir / "a", "--on-success", f"cat >{self.told}"), 0)
        archives = json.loads(self.told.read_text())["archives"]
        self.assertEqual([archive["verdict"] for archive in archives], ["ok"])
        self.check(run("restore", self.dir / "a", self.arg, "--yes", "--on-success", f"cat >{self.told}"), 0)
        self.assertEqual(json.loads(self.told.read_text())["verb"], "restore")

    def test_failure_is_told_whatever_it_is(self):
        tell = ("--on-failure", f"cat >{self.told}; echo $POBACKUP_VERB $POBACKUP_EXIT_CODE >>{self.told}.env",
                "--on-success", f"touch {self.dir}/wrong")
        self.check(run("backup", self.arg, *tell), 3)
        self.assertEqual(json.loads(self.told.read_text())["error"]["status"], "wrong use")
        self.check(run("verify", self.dir / "missing", *tell), 2)
        self.assertEqual(json.loads(self.told.read_text())["archives"][0]["verdict"], "error")
        os.mkfifo(self.site.mailbox / "fifo")
        self.check(self.save("a", *tell), 1)
        self.assertEqual(len(json.loads(self.told.read_text())["skipped"]), 1)
        self.check(run("verify", self.damage(self.dir / "a"), *tell), 4)
        self.assertEqual(json.loads(self.told.read_text())["error"]["status"], "damaged")
        self.assertEqual(pathlib.Path(f"{self.told}.env").read_text(),
                         "backup 3\nverify 2\nbackup 1\nverify 4\n")
        self.assertFalse((self.dir / "wrong").exists())

    def test_a_mistake_in_the_configuration_file_is_told_too(self):
        config = self.dir / "c.ini"
        config.write_text(f"on-failure = cat >{self.told}\n[backup]\nlevle = 3\n")
        self.check(run("backup", "--config", config), 3)
        self.assertIn("levle", json.loads(self.told.read_text())["error"]["message"])

    def test_a_command_that_fails_is_told_and_a_good_run_is_exit_1(self):
        done = self.check(self.save("a", f"--log={self.log}", "--json", "--on-success", "cat >/dev/null; echo no way >&2; exit 7"), 1)
        says = "this run could not be told: --on-success: the command has exit code 7: no way"
        self.assertIn(f"warning: {says}", done.text)
        self.assertEqual((done.json["exit_code"], done.json["warnings"][-1]), (1, says))
        self.assertIn(("backup", f"warning: {says}"), self.lines())
        self.assertRegex(self.lines()[-1][1], "^end: exit code 1")
        self.check(run("verify", self.dir / "a"), 0)
        self.check(self.save("b", "--on-success", "no-such-program-here"), 1, "exit code 127")
        self.check(self.save("c", "--on-success", "kill -9 $$"), 1, "ended by a signal")

    def test_a_failed_run_keeps_its_exit_code(self):
        self.check(run("backup", self.arg, "--on-failure", "exit 7"), 3, "the command has exit code 7")
        self.check(run("verify", self.dir / "missing", "--on-failure", "exit 7"), 2, "the command has exit code 7")

    def test_a_command_that_hangs_is_ended(self):
        began = time.monotonic()
        done = self.check(self.save("a", "--on-timeout=1", "--on-success", "sleep 60 | cat"), 1)
        self.assertIn("--on-success: the command was ended after 1 seconds", done.text)
        self.assertLess(time.monotonic() - began, 30)

    def test_one_that_does_not_read_is_told_and_all_is_good(self):
        done = self.check(self.save("a", f"--log={self.log}", "--on-success", "true"), 0)
        self.assertIn("note: --on-success: the command did not read its input", done.text)
        self.assertIn(("backup", "note: --on-success: the command did not read its input"), self.lines())

    def test_what_was_not_told_is_told_by_status_and_the_next_run(self):
        self.check(self.save("a", "--on-success=exit 9"), 1)
        says = "could not be told: --on-success: the command has exit code 9"
        status = self.check(self.status(), 0, "warning: how backup ended at ")
        self.assertIn(says, status.text)
        document = run("status", self.arg, "--json").json
        self.assertIn("exit code 9", document["runs"][0]["untold"])
        self.assertIsNone(document["runs"][1]["untold"])
        self.assertEqual(document["last_backup"]["exit_code"], 0)
        self.check(self.save("b"), 0, "warning: how the run before ended could not be told: ")
        self.assertNotIn("how the run before ended", self.check(self.save("c"), 0).text)
        self.assertNotIn("warning: how backup", self.check(self.status(), 0).text)

    def test_so_is_a_run_that_did_not_find_its_site(self):
        self.check(self.save("a"), 0)
        away = self.site.root.rename(self.dir / "away")
        self.check(self.save("b", "--on-failure=exit 9"), 3, "exit code 9")
        away.rename(self.site.root)
        self.check(self.status(), 0, "warning: how backup ended at ")
        self.check(self.save("c"), 0, "how the run before ended could not be told")
        self.check(run("backup", "--nosuch", "--on-failure=exit 9"), 3)
        self.check(run("backup", "--on-failure=exit 9", "--nosuch"), 3, "exit code 9")
        self.check(self.status(), 0, "warning: how backup ended at ")
        self.check(self.save("d"), 0, "how the run before ended could not be told")
        self.assertNotIn("could not be told", self.check(self.save("e"), 0).text)

    def test_so_is_an_archive_that_was_verified(self):
        self.check(self.save("a"), 0)
        self.check(run("verify", self.dir / "a", "--on-success=exit 9"), 1)
        self.check(self.status(), 0, "warning: how verify ended at ")
        self.check(run("verify", self.dir / "a"), 0, "how the run before ended could not be told")
        self.assertNotIn("warning: how verify", self.check(self.status(), 0).text)


class Prune(Base):
    def test_it_is_told_as_all_others_are(self):
        vault = self.dir / "vault"
        vault.mkdir()
        for _ in range(2):
            self.check(self.save("vault", "--full"), 0)
            time.sleep(1.1)
        metrics = self.dir / "m.prom"
        options = (vault, "--keep-last=1", "--yes", f"--log={self.log}", f"--metrics={metrics}", f"--on-success=cat >{self.told}")
        self.check(run("prune", *options), 0)
        archives = json.loads(self.told.read_text())["archives"]
        self.assertEqual(sorted(archive["removed"] for archive in archives), [False, True])
        self.assertEqual([text[:8] for verb, text in self.lines() if verb == "prune" and "removed postoffice" in text], ["removed "])
        values = {name for (name, labels), value in prometheus.read(metrics.read_bytes()).items() if dict(labels)["verb"] == "prune"}
        self.assertIn("pobackup_last_run_success", values)
        self.assertNotIn("pobackup_last_run_files", values)
        self.check(run("prune", *options[:3], "--on-success=exit 9"), 1, "could not be told")
        self.check(self.status(), 0, "warning: how prune ended at ")


class Drill(Base):
    def test_it_is_told_as_all_others_are(self):
        self.check(self.save("a"), 0)
        metrics = self.dir / "m.prom"
        self.check(run("drill", self.dir / "a", f"--log={self.log}", f"--metrics={metrics}", f"--on-success=cat >{self.told}"), 0)
        document = json.loads(self.told.read_text())
        self.assertEqual((document["verb"], document["exit_code"]), ("drill", 0))
        self.assertEqual([text for verb, text in self.lines() if verb == "drill"][0], "begin")
        values = prometheus.read(metrics.read_bytes())
        self.assertEqual(values["pobackup_last_run_success", (("verb", "drill"), ("site", ""))], 1)
        self.check(run("drill", self.damage(self.dir / "a"), f"--on-failure=cat >{self.told}"), 4)
        self.assertEqual(json.loads(self.told.read_text())["exit_code"], 4)


class Metrics(Base):
    def setUp(self):
        super().setUp()
        self.file = self.dir / "pobackup.prom"
        self.option = f"--metrics={self.file}"
        self.site_label = f"folder:{os.path.realpath(self.site.root)}"

    def values(self, verb, site=None):
        """{name: value} of one verb and site."""
        wanted = (("verb", verb), ("site", self.site_label if site is None else site))
        return {name.removeprefix("pobackup_"): value for (name, labels), value in prometheus.read(self.file.read_bytes()).items()
                if labels == wanted}

    def test_a_backup_has_all_values(self):
        self.site.start()
        began = int(time.time())
        result = self.check(self.save("a", self.option, "--json"), 0).json
        values = self.values("backup")
        self.assertEqual(set(values), {
            "last_run_timestamp_seconds", "last_run_success", "last_run_exit_code", "last_run_duration_seconds",
            "last_run_outage_seconds", "last_run_files", "last_run_bytes", "last_run_archive_bytes", "last_success_timestamp_seconds"})
        self.assertEqual((values["last_run_success"], values["last_run_exit_code"]), (1, 0))
        self.assertGreaterEqual(values["last_run_timestamp_seconds"], began)
        self.assertEqual(values["last_success_timestamp_seconds"], values["last_run_timestamp_seconds"])
        for key in "files", "bytes", "archive_bytes":
            self.assertEqual(values[f"last_run_{key}"], result[key])
        self.assertAlmostEqual(values["last_run_outage_seconds"], result["outage_seconds"], delta=0.001)
        self.assertGreaterEqual(values["last_run_duration_seconds"], result["outage_seconds"])
        self.assertEqual(sorted(name for name in os.listdir(self.dir) if name.startswith("pobackup.prom")),
                         ["pobackup.prom", "pobackup.prom.lock"])
        self.assertEqual(self.file.stat().st_mode & 0o444, 0o444)

    def test_runs_of_other_verbs_and_sites_stay(self):
        self.check(self.save("a", self.option), 0)
        first = self.values("backup")
        other = self.new_site("other \\ \"J\u00fcrgen\" \u90f5\u4fbf")
        label = f"folder:{os.path.realpath(other.root)}"
        self.check(run("backup", f"--site=folder:{other.root}", "-o", self.dir / "b", self.option), 0)
        self.assertEqual(self.values("backup", label)["last_run_files"], 36)
        self.check(run("verify", self.dir / "a", self.option), 0)
        verified = self.values("verify")
        self.assertEqual(list(verified), ["last_verified_timestamp_seconds"])
        self.check(run("verify", self.damage(self.dir / "b"), self.option), 4)
        checked = self.values("verify", "")
        self.assertEqual((checked["last_run_success"], checked["last_run_exit_code"]), (0, 4))
        self.assertLess(checked["last_success_timestamp_seconds"] - 1, checked["last_run_timestamp_seconds"])
        self.assertEqual((self.values("backup"), self.values("verify")), (first, verified))
        self.check(run("restore", self.dir / "a", self.arg, "--yes", self.option), 0)
        self.assertGreater(self.values("restore")["last_run_files"], 30)
        self.assertEqual(self.values("backup"), first)

    def test_a_run_that_cannot_open_its_site_has_the_sites_label(self):
        link = self.dir / "link"
        link.symlink_to(self.dir)
        root = pathlib.Path(self.site.root)
        for typed in f"{root}/", link / root.relative_to(self.dir), os.path.relpath(root) + "//":
            self.check(run("backup", f"--site=folder:{typed}", "-o", self.dir / f"a{time.monotonic_ns()}", self.option), 0)
            self.assertEqual(self.values("backup")["last_run_success"], 1)
            root.rename(f"{root}-away")
            self.check(run("backup", f"--site=folder:{typed}", "-o", self.dir / "b", self.option), 3)
            self.assertEqual(self.values("backup")["last_run_success"], 0)
            pathlib.Path(f"{root}-away").rename(root)
        sites = {dict(labels)["site"] for _, labels in prometheus.read(self.file.read_bytes())}
        self.assertEqual(sites, {self.site_label})

    def test_what_is_found_damaged_is_not_verified_any_more(self):
        self.check(self.save("a", self.option), 0)
        self.check(run("verify", self.dir / "a", self.option), 0)
        self.assertIn("last_verified_timestamp_seconds", self.values("verify"))
        (self.dir / "a").write_bytes(self.damage(self.dir / "a").read_bytes())
        self.check(run("verify", self.dir / "a", self.option), 4)
        self.assertEqual(self.values("verify"), {})
        self.assertEqual(self.values("verify", "")["last_run_exit_code"], 4)

    def test_a_failed_run_keeps_the_last_success(self):
        self.check(self.save("a", self.option), 0)
        good = self.values("backup")["last_success_timestamp_seconds"]
        (self.site.root / "unknown-puf").touch()
        self.check(self.save("b", self.option), 2)
        values = self.values("backup")
        self.assertEqual((values["last_run_success"], values["last_run_exit_code"]), (0, 2))
        self.assertEqual(values["last_success_timestamp_seconds"], good)

    def test_a_good_run_that_was_not_told_is_none(self):
        self.check(self.save("a", self.option, "--on-success=exit 9"), 1)
        self.assertEqual(self.values("backup")["last_run_exit_code"], 1)

    def test_what_cannot_be_written_is_told_and_left_as_it_was(self):
        self.file.write_text("up 1\n")
        self.check(self.save("a", self.option), 1, "could not be told: --metrics: ")
        self.assertEqual(self.file.read_text(), "up 1\n")
        self.check(self.save("b", f"--metrics={self.dir}/none/x.prom"), 1, "none")
        self.check(self.status(), 0, "could not be told: --metrics: ")

    def test_programs_that_write_at_once_lose_nothing(self):
        self.check(self.save("a"), 0)
        sites = [self.new_site(f"site{number}") for number in range(6)]
        processes = [subprocess.Popen([test_cli.PROGRAM, "backup", f"--site=folder:{site.root}", "-o", self.dir / f"a{number}",
                                       "--threads=1", self.option], stderr=subprocess.DEVNULL) for number, site in enumerate(sites)]
        self.assertEqual([process.wait(120) for process in processes], [0] * 6)
        for site in sites:
            self.assertEqual(self.values("backup", f"folder:{os.path.realpath(site.root)}")["last_run_files"], 36)

    def test_the_parser_of_this_test_is_strict(self):
        head = b"# HELP a x\n# TYPE a gauge\n"
        self.assertEqual(prometheus.read(head + b'a{b="c\\"\\\\\\n"} 1.5\n'), {("a", (("b", 'c"\\\n'),)): 1.5})
        for bad in (b"a 1\n", head + b"a 1", head + b"a x\n", head + b"a{b=\"c} 1\n", head + b"a{b=\"\\x\"} 1\n",
                    head + b"a 1\na 2\n", head + head, head + b"a  1\n", head + b"\n", head + b'a{b="c",b="d"} 1\n',
                    head + b'a 1\n# HELP b x\n# TYPE b gauge\nb 1\na{b="c"} 1\n', b"# TYPE a nothing\n"):
            with self.assertRaises(ValueError, msg=bad):
                prometheus.read(bad)


if __name__ == "__main__":
    unittest.main()
