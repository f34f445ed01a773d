#!/usr/bin/env python3
"""Bad sites, bad archives, full disks and violent ends, through the program.

    test_bad_input.py PROGRAM [unittest's arguments]

The site's services are files: "mta.up" is there while the service runs. Random choices come from POBACKUP_TEST_SEED, which is
printed. What needs the superuser is skipped with a message elsewhere, as is what the superuser cannot see.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import test_interop
from test_interop import PARTS, READER, REGISTRY, make_site, must, put, run

INI = """[service:post.office MTA]
start = touch mta.up
stop = rm -f mta.up
status = test -e mta.up || exit 3

[service:post.office pufService]
start = touch puf.up
stop = rm -f puf.up
status = test -e puf.up || exit 3
"""
NOBODY = 65534
SEED = int(os.environ.get("POBACKUP_TEST_SEED", time.time_ns() // 1_000_000))
IS_ROOT = os.geteuid() == 0


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-bad-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.dir.chmod(0o755)
        self.site = self.dir / "site"
        make_site(self.site)
        (self.site / "pobackup-site.ini").write_text(INI)
        self.start_services()
        self.archive = self.dir / "a.tar.zst"
        self.rng = random.Random(SEED)

    def start_services(self):
        for name in "mta.up", "puf.up":
            (self.site / name).touch()

    def fill(self, count=40):
        rng = random.Random(1)
        for number in range(count):
            put(self.site, b"%s/%02d/message-%03d" % (PARTS[2].encode(), number % 7, number), rng.randbytes(rng.randint(0, 9000)))
        put(self.site, PARTS[0].encode() + b"/program", rng.randbytes(300_000))
        put(self.site, PARTS[1].encode() + b"/config", b"a = b\n" * 100)

    def arguments(self, dest=None, *options):
        return ("backup", "--site", f"folder:{self.site}", "-o", dest or self.archive, "--allow-same-volume", *options)

    def backup(self, code=0, dest=None, options=()):
        done = run(test_interop.PROGRAM, *self.arguments(dest, *options))
        self.assertEqual(done.returncode, code, done.stderr.decode(errors="replace"))
        return done

    def assert_services_run(self):
        self.assertTrue((self.site / "mta.up").exists() and (self.site / "puf.up").exists())

    def assert_nothing_is_left(self, path=None):
        path = path or self.archive
        self.assertFalse(os.path.lexists(path), path)
        self.assertFalse(os.path.lexists(f"{path}.partial"), path)

    def verify(self, path, *options, timeout=60):
        """Exit code and the JSON answer."""
        done = run(test_interop.PROGRAM, "verify", "--json", *options, path, timeout=timeout)
        return done.returncode, json.loads(done.stdout)["archives"][0] if done.stdout else None


class Sites(Base):
    def test_each_missing_tree_is_refused_with_services_untouched(self):
        for part in PARTS:
            with self.subTest(part=part):
                os.rename(self.site / part, self.site / "away")
                done = self.backup(3)
                self.assertIn(part.encode(), done.stderr)
                self.assert_nothing_is_left()
                self.assert_services_run()
                os.rename(self.site / "away", self.site / part)

    def test_a_tree_that_is_a_file_is_refused(self):
        os.rmdir(self.site / PARTS[2])
        (self.site / PARTS[2]).write_text("no directory")
        self.backup(3)
        self.assert_nothing_is_left()
        self.assert_services_run()

    def test_a_missing_registry_fails_and_services_are_back(self):  # req: B3, B7
        os.unlink(self.site / REGISTRY)
        done = self.backup(2)
        self.assertIn(REGISTRY.encode(), done.stderr)
        self.assert_nothing_is_left()
        self.assert_services_run()

    def test_nodes_that_are_no_files_are_named(self):  # req: B8
        box = self.site / PARTS[2]
        os.mkfifo(box / "fifo\nline")
        os.mkfifo(os.fsencode(box) + b"/\xff")
        expected = 2
        if IS_ROOT:
            os.mknod(box / "device", stat.S_IFBLK | 0o600, os.makedev(7, 99))
            expected = 3
        done = self.backup(1, options=("--json",))
        skipped = json.loads(done.stdout)["skipped"]
        self.assertEqual(len(skipped["items"] if isinstance(skipped, dict) else skipped), expected, skipped)
        self.assertEqual(self.verify(self.archive)[0], 0)
        must(sys.executable, READER, "verify", self.archive)
        self.assert_services_run()

    def run_without_rights(self, *closed):
        """A backup by somebody to whom the paths below `closed` are closed: nothing is, to the superuser."""
        command = [test_interop.PROGRAM, *self.arguments()]
        if IS_ROOT:
            if shutil.which("setpriv") is None:
                self.skipTest("no setpriv: nothing is unreadable to the superuser")
            program = self.dir / "program"
            shutil.copy(test_interop.PROGRAM, program)
            for top, directories, files in os.walk(self.dir):
                for name in directories + files:
                    os.chown(os.path.join(top, name), NOBODY, NOBODY, follow_symlinks=False)
            os.chown(self.dir, NOBODY, NOBODY)
            for path in closed:
                os.chown(path, 0, 0)
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", program, *self.arguments()]
        return run(*command)

    def test_a_tree_whose_root_is_unreadable_is_no_backup(self):  # req: B8
        self.fill(5)
        os.chmod(self.site / PARTS[2], 0o100)
        done = self.run_without_rights(self.site / PARTS[2])
        os.chmod(self.site / PARTS[2], 0o755)
        self.assertIn(done.returncode, (2, 3), done.stderr)
        self.assertIn(b"mailbox", done.stderr)
        self.assertFalse(os.path.exists(self.archive))
        self.assert_services_run()

    def test_an_unreadable_file_and_directory_are_named_and_the_rest_is_saved(self):  # req: B8
        self.fill(5)
        put(self.site, PARTS[2].encode() + b"/closed", b"secret", mode=0)
        put(self.site, PARTS[2].encode() + b"/closed-dir/f", b"secret")
        os.chmod(self.site / PARTS[2] / "closed-dir", 0)
        done = self.run_without_rights(self.site / PARTS[2] / "closed", self.site / PARTS[2] / "closed-dir")
        os.chmod(self.site / PARTS[2] / "closed-dir", 0o755)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"/closed", done.stderr)
        self.assertIn(b"/closed-dir", done.stderr)
        self.assertEqual(self.verify(self.archive)[0], 0)
        names = must(test_interop.PROGRAM, "list", self.archive).stdout.splitlines()
        self.assertNotIn(PARTS[2].encode() + b"/closed", names)
        self.assertIn(PARTS[0].encode() + b"/program", names)
        self.assert_services_run()

    def test_names_with_newlines_and_escapes_do_not_garble_what_is_told(self):
        os.mkfifo(os.fsencode(self.site / PARTS[2]) + b"/evil\nforged line\x1b[2J")
        done = self.backup(1)
        self.assertNotIn(b"\x1b", done.stderr)
        self.assertFalse([line for line in done.stderr.splitlines() if line.startswith(b"forged line")])


class Targets(Base):
    def test_a_target_inside_a_source_is_refused(self):  # req: N3
        for part in PARTS:
            os.makedirs(self.site / part / "deep")
            for place in self.site / part / "a.tar.zst", self.site / part / "deep" / "a.tar.zst":
                self.backup(3, dest=place)
                self.assert_nothing_is_left(place)
        os.symlink(self.site / PARTS[2] / "deep", self.dir / "door")
        self.backup(3, dest=self.dir / "door" / "a.tar.zst")
        self.assertEqual(os.listdir(self.site / PARTS[2] / "deep"), [])
        self.assert_services_run()

    def test_a_full_volume_fails_and_leaves_nothing(self):  # req: B7
        if not IS_ROOT:
            self.skipTest("only the superuser can mount a small volume")
        volume = self.dir / "small"
        volume.mkdir()
        if run("mount", "-t", "tmpfs", "-o", "size=256k", "none", volume).returncode != 0:
            self.skipTest("no right to mount a small volume")
        try:
            self.fill(100)
            for options in ((), ("--frame-size=64K", "--threads=1")):
                done = self.backup(2, dest=volume / "a.tar.zst", options=options)
                self.assertIn(b"No space left", done.stderr)
                self.assertEqual(os.listdir(volume), [])
                self.assert_services_run()
        finally:
            must("umount", volume)

    def test_a_file_size_limit_fails_and_leaves_nothing(self):  # req: B7
        self.fill(100)
        command = " ".join(f"'{word}'" for word in (test_interop.PROGRAM, *self.arguments()))
        done = run("sh", "-c", f"ulimit -f 200; exec {command}")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assert_nothing_is_left()
        self.assert_services_run()

    def test_missing_and_unwritable_places_are_told_with_services_untouched(self):
        self.assertIn(self.backup(2, dest=self.dir / "nowhere" / "a.tar.zst").returncode, (2, 3))
        self.backup(3, dest="/dev/full")
        self.assert_services_run()

    def test_two_backups_to_one_place_do_not_mix(self):
        self.fill()
        with open(self.site / PARTS[2] / "sparse", "wb") as file:
            file.truncate(2 << 30)
        first = subprocess.Popen([test_interop.PROGRAM, *map(str, self.arguments())], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(f"{self.archive}.partial") or first.poll() is not None)
        other = self.dir / "other"  # one site has one job at a time
        make_site(other)
        second = run(test_interop.PROGRAM, "backup", "--site", f"folder:{other}", "-o", self.archive)
        self.assertEqual(second.returncode, 3, second.stderr)
        self.assertRegex(second.stderr, rb"another backup is writing it|exists already")
        self.assertEqual(first.wait(300), 0)
        self.assertEqual(self.verify(self.archive, timeout=300)[0], 0)
        self.assert_services_run()


def wait_for(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.005)


class Ends(Base):
    """Signals in the middle: a file of 64 GiB without a block takes long enough."""

    def setUp(self):
        super().setUp()
        self.fill()
        with open(self.site / PARTS[2] / "sparse", "wb") as file:
            file.truncate(64 << 30)

    def start(self):
        process = subprocess.Popen([test_interop.PROGRAM, *map(str, self.arguments(None, "--frame-size=64K"))],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, 60)
        self.addCleanup(process.kill)
        partial = f"{self.archive}.partial"
        wait_for(lambda: os.path.exists(partial) and os.path.getsize(partial) > 400_000 or process.poll() is not None)
        self.assertIsNone(process.poll())
        self.assertFalse((self.site / "mta.up").exists())
        return process

    def test_a_termination_brings_services_back_and_leaves_nothing(self):  # req: B7
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            with self.subTest(signal=number):
                process = self.start()
                process.send_signal(number)
                self.assertEqual(process.wait(60), 2)
                self.assert_nothing_is_left()
                self.assert_services_run()

    def test_signals_that_come_again_and_again_change_nothing(self):  # req: B7
        process = self.start()
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        self.assertEqual(process.returncode, 2, process.stderr.read())
        self.assert_nothing_is_left()
        self.assert_services_run()

    def test_a_killed_one_leaves_no_archive_and_the_next_takes_over(self):
        process = self.start()
        process.kill()
        process.wait(60)
        self.assertFalse(os.path.lexists(self.archive))
        os.unlink(self.site / PARTS[2] / "sparse")
        self.start_services()
        self.backup(0)
        self.assertFalse(os.path.lexists(f"{self.archive}.partial"))
        self.assertEqual(self.verify(self.archive)[0], 0)
        self.assert_services_run()


class Services(Base):
    def test_a_service_that_stops_after_its_time_is_started_again(self):  # req: B7
        (self.site / "pobackup-site.ini").write_text("""[service:slow]
start = touch slow.up
stop = (sleep 3; rm -f slow.up) >/dev/null 2>&1 &
status = test -e slow.up || exit 3
stop-timeout = 2
""")
        (self.site / "slow.up").touch()
        self.backup(2)
        time.sleep(2)
        self.assertTrue((self.site / "slow.up").exists())
        self.assert_nothing_is_left()

    def test_a_daemon_that_writes_to_its_standard_output_lives_on(self):  # req: B7
        (self.site / "daemon").write_text("#!/bin/sh\nwhile :; do echo hello; sleep 0.1; done\n")
        (self.site / "daemon").chmod(0o755)
        (self.site / "pobackup-site.ini").write_text("""[service:loud]
start = ./daemon & echo $! > loud.pid
stop = kill $(cat loud.pid); rm loud.pid
status = test -e loud.pid && kill -0 $(cat loud.pid) 2>/dev/null || exit 3
""")
        must("sh", "-c", f"cd {self.site}; ./daemon >/dev/null 2>&1 & echo $! >loud.pid")
        self.addCleanup(lambda: run("sh", "-c", f"kill -9 $(cat {self.site}/loud.pid)"))
        self.backup(0)
        time.sleep(1)
        self.assertEqual(run("sh", "-c", f"kill -0 $(cat {self.site}/loud.pid)").returncode, 0)

    def test_an_interrupt_ends_a_backup_that_nobody_reads(self):  # req: B7
        rng = random.Random(2)
        put(self.site, PARTS[2].encode() + b"/big", rng.randbytes(4_000_000))
        process = subprocess.Popen([test_interop.PROGRAM, *map(str, self.arguments("-"))], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        wait_for(lambda: not (self.site / "mta.up").exists())
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 2)
        process.stdout.close()
        process.stderr.close()
        self.assert_services_run()

    def test_other_signals_that_ask_for_an_end_bring_services_back_too(self):  # req: B7
        with open(self.site / PARTS[2] / "sparse", "wb") as file:
            file.truncate(64 << 30)
        for number in signal.SIGQUIT, signal.SIGXCPU:
            process = subprocess.Popen([test_interop.PROGRAM, *map(str, self.arguments())], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(process.kill)
            wait_for(lambda: not (self.site / "mta.up").exists())
            process.send_signal(number)
            self.assertEqual(process.wait(60), 2)
            self.assert_nothing_is_left()
            self.assert_services_run()


class Omissions(Base):
    """What the archive says that it lacks is never removed."""

    def restore(self, *options):
        return run(test_interop.PROGRAM, "restore", "--yes", "--exact", "--only", "mailbox", "--site", f"folder:{self.site}",
                   *options, self.archive)

    def test_an_unreadable_file_survives_an_exact_restore(self):  # req: B8, R5
        if not IS_ROOT:
            self.skipTest("only the superuser can be somebody else")
        box = self.site / PARTS[2]
        put(self.site, PARTS[2].encode() + b"/secret", b"not for you")
        put(self.site, PARTS[2].encode() + b"/locked/mail", b"nor this")
        must("chown", "-R", str(NOBODY), self.dir)
        for name, mode in ("secret", 0), ("locked", 0):
            os.chown(box / name, 0, 0)
            os.chmod(box / name, mode)
        done = run("setpriv", f"--reuid={NOBODY}", "--clear-groups", test_interop.PROGRAM, *self.arguments())
        self.assertEqual(done.returncode, 1, done.stderr)
        put(self.site, PARTS[2].encode() + b"/later", b"came after the backup")
        done = self.restore()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"lacks 2 items", done.stderr)
        self.assertEqual((box / "secret").read_bytes(), b"not for you")
        self.assertEqual((box / "locked" / "mail").read_bytes(), b"nor this")
        self.assertFalse((box / "later").exists())

    def test_what_was_excluded_survives_an_exact_restore(self):  # req: R5
        put(self.site, PARTS[2].encode() + b"/a/cache/1", b"left out")
        put(self.site, PARTS[2].encode() + b"/a/mail", b"saved")
        self.backup(options=("--exclude", PARTS[2] + "/**/cache"))
        put(self.site, PARTS[2].encode() + b"/a/later", b"came after the backup")
        done = self.restore()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"--exclude", done.stderr)
        self.assertEqual((self.site / PARTS[2] / "a" / "cache" / "1").read_bytes(), b"left out")
        self.assertFalse((self.site / PARTS[2] / "a" / "later").exists())


class Registry(Base):
    def test_a_ruined_export_is_saved_and_told(self):  # req: B3
        (self.site / REGISTRY).write_bytes(b"no registry")
        done = self.backup(1)
        self.assertIn(b"no export of a key", done.stderr)

    def test_a_registry_that_cannot_be_read_costs_no_outage(self):  # req: B3
        os.unlink(self.site / REGISTRY)
        (self.site / "pobackup-site.ini").write_text(INI.replace("rm -f mta.up", "rm -f mta.up; touch was-stopped"))
        self.backup(2)
        self.assertFalse((self.site / "was-stopped").exists())

    def test_a_link_is_followed_both_ways(self):
        real = self.dir / "real.reg"
        os.rename(self.site / REGISTRY, real)
        os.symlink(real, self.site / REGISTRY)
        before = real.read_bytes()
        self.backup(0)
        real.write_bytes(before + "\r\n".encode("utf-16-le"))
        must(test_interop.PROGRAM, "restore", "--yes", "--only", "registry", "--site", f"folder:{self.site}", self.archive)
        self.assertTrue((self.site / REGISTRY).is_symlink())
        self.assertEqual(real.read_bytes(), before)


class Output(Base):
    def test_an_archive_that_is_redirected_into_the_site_is_not_in_itself(self):  # req: N3
        self.fill()
        with open(self.site / PARTS[1] / "x.tar.zst", "wb") as file:
            done = subprocess.run([test_interop.PROGRAM, *map(str, self.arguments("-"))], stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"x.tar.zst: the file that this backup is written to", done.stderr)


class Archives(Base):
    def setUp(self):
        super().setUp()
        self.fill()
        self.backup(options=("--frame-size=64K",))
        self.bytes = self.archive.read_bytes()
        self.bad = self.dir / "bad.tar.zst"

    def judge(self, content, timeout=60):
        """What quick and deep verification and the independent reader say; they must agree."""
        self.bad.write_bytes(content)
        deep, answer = self.verify(self.bad, timeout=timeout)
        quick, _ = self.verify(self.bad, "--quick", timeout=timeout)
        theirs = run(sys.executable, READER, "verify", "--json", self.bad, timeout=timeout)
        self.assertEqual(deep, theirs.returncode, (answer, theirs.stdout[:500]))
        self.assertIn(quick, (0, deep))
        return deep, quick, answer, json.loads(theirs.stdout)

    def test_an_archive_cut_at_any_length_is_damaged_and_salvage_is_not_silent(self):  # spec-test: FILE-2, FILE-4
        size = len(self.bytes)
        lengths = {4, 5, 17, 512, 1000, size // 3, size // 2, size - 1, size - 2, size - 9, size - 10, size - 500, size - 2062, size - 3000}
        lengths |= {self.rng.randrange(4, size) for _ in range(12)}
        for length in sorted(lengths):
            with self.subTest(length=length):
                deep, quick, answer, _ = self.judge(self.bytes[:length])
                self.assertEqual((deep, quick, answer["verdict"]), (4, 4, "damaged"))
                out = self.dir / "out"
                self.assertEqual(run(test_interop.PROGRAM, "extract", self.bad, "-C", out).returncode, 4)
        for length in 0, 1, 3:
            with self.subTest(length=length):
                self.assertEqual(self.judge(self.bytes[:length])[:2], (2, 2))

    def test_any_flipped_bit_is_found_and_hits_are_named_as_the_independent_reader_names_them(self):  # spec-test: READ-2
        print(f"seed: POBACKUP_TEST_SEED={SEED}", flush=True)
        places = [self.rng.randrange(len(self.bytes)) for _ in range(25)]
        places += [len(self.bytes) - 1 - self.rng.randrange(3000) for _ in range(15)]
        places += [0, 4, len(self.bytes) - 1]
        for place in places:
            bit = self.rng.randrange(8)
            with self.subTest(place=place, bit=bit):
                content = bytearray(self.bytes)
                content[place] ^= 1 << bit
                deep, quick, answer, theirs = self.judge(content)
                # The first four bytes: no Zstandard file any more, but its end is ours.
                self.assertEqual((deep, quick), (4, 4))
                if theirs["rule"] != "SEEK-3":  # below
                    self.assertEqual(self.names(answer["hit"]), set(theirs["hit"]))

    @staticmethod
    def names(hits):
        return {hit if isinstance(hit, str) else bytes.fromhex(hit["hex"]).decode("utf-8", "surrogateescape") for hit in hits}

    def test_a_fault_in_the_seek_table_alone_hits_no_entry(self):  # spec-test: READ-2, SEEK-3
        content = bytearray(self.bytes)
        content[self.frames()[-1] + 8 + 12 * 2 + 8] ^= 1  # the checksum of frame 2
        deep, quick, answer, theirs = self.judge(content)
        self.assertEqual((deep, quick, theirs["rule"], theirs["hit"]), (4, 4, "SEEK-3", []))
        self.assertEqual(answer["hit"], [])

    def test_of_a_damaged_archive_all_that_is_extracted_is_right_and_the_rest_is_named(self):  # spec-test: READ-3
        data_end = len(self.bytes) * 3 // 4
        source = test_interop.scan(self.site / PARTS[2])
        for number in range(8):
            content = bytearray(self.bytes)
            content[self.rng.randrange(data_end)] ^= 1 << self.rng.randrange(8)
            self.bad.write_bytes(content)
            out = self.dir / f"out-{number}"
            done = run(test_interop.PROGRAM, "extract", "--json", self.bad, "-C", out)
            self.assertEqual(done.returncode, 4)
            named = {problem.get("path") for problem in json.loads(done.stdout)["problems"]}
            self.assertTrue(named)
            got = test_interop.scan(out / PARTS[2]) if (out / PARTS[2]).exists() else {}
            for path, node in source.items():
                name = f"{PARTS[2]}/{path.decode()}"
                if node.content is not None and name not in named:
                    self.assertEqual(got[path].content, node.content, name)
                elif node.content is not None:
                    self.assertNotIn(path, got)

    def frames(self):
        """Offsets of the data frames, by the seek table at the end."""
        count = int.from_bytes(self.bytes[-9:-5], "little")
        table = self.bytes[-9 - 12 * count:-9]
        offsets = [0]
        for number in range(count):
            offsets.append(offsets[-1] + int.from_bytes(table[12 * number:12 * number + 4], "little"))
        return offsets

    def test_frames_exchanged_or_left_out_or_doubled_are_damage(self):
        offsets = self.frames()
        pieces = [self.bytes[a:b] for a, b in zip(offsets, offsets[1:])]
        tail = self.bytes[offsets[-1]:]
        self.assertGreater(len(pieces), 8)
        for i, j in ((0, 1), (1, 2), (2, 5), (len(pieces) - 3, len(pieces) - 2), (3, len(pieces) - 1)):
            with self.subTest(exchanged=(i, j)):
                other = list(pieces)
                other[i], other[j] = other[j], other[i]
                self.assertEqual(self.judge(b"".join(other) + tail)[:2], (4, 4))
        for i in 0, 2, len(pieces) - 1:
            with self.subTest(left_out=i):
                self.assertEqual(self.judge(b"".join(pieces[:i] + pieces[i + 1:]) + tail)[:2], (4, 4))
            with self.subTest(doubled=i):
                self.assertEqual(self.judge(b"".join(pieces[:i + 1] + pieces[i:]) + tail)[:2], (4, 4))

    def test_parts_of_two_archives_do_not_make_one(self):
        offsets = self.frames()
        (self.site / PARTS[2] / "new").write_bytes(os.urandom(5000))
        other = self.dir / "b.tar.zst"
        self.backup(dest=other, options=("--frame-size=64K",))
        theirs = other.read_bytes()
        for cut in offsets[1], offsets[4], offsets[-2]:
            with self.subTest(cut=cut):
                self.assertEqual(self.judge(self.bytes[:cut] + theirs[cut:])[0], 4)

    def test_bytes_before_or_after_are_refused(self):  # spec-test: FILE-2
        self.assertEqual(self.judge(self.bytes + b"\0")[:2], (4, 4))
        self.assertEqual(self.judge(self.bytes + self.bytes)[0], 4)
        self.assertIn(self.judge(b"\0" + self.bytes)[0], (2, 4))

    def test_what_is_no_archive_is_unsupported_soon(self):  # spec-test: FILE-3
        (self.dir / "f").write_text("foreign")
        must("tar", "--zstd", "-cf", self.dir / "foreign.tar.zst", "-C", self.dir, "f")
        for content in (b"", b"text", bytes(100_000), os.urandom(100_000), (self.dir / "foreign.tar.zst").read_bytes(),
                        b"\x28\xb5\x2f\xfd"[:3]):
            self.assertEqual(self.judge(content)[0], 2, content[:20])

    def test_endless_and_blocking_inputs_are_refused_at_once(self):
        os.mkfifo(self.dir / "fifo")
        for path in "/dev/zero", "/dev/null", "/dev/full", self.dir / "fifo", self.dir, self.dir / "missing":
            for verb in ("verify",), ("list",), ("show",), ("extract", "-C", self.dir / "out"):
                if (path, verb[0]) == (self.dir, "verify"):
                    continue  # a vault
                began = time.monotonic()
                done = run(test_interop.PROGRAM, *verb, path, timeout=20)
                self.assertIn(done.returncode, (2, 3, 4), (verb, path))
                self.assertTrue(done.stderr or done.stdout)
                self.assertLess(time.monotonic() - began, 10)
        self.assertFalse((self.dir / "out").exists())

    def test_a_sparse_giant_that_claims_to_be_an_archive_is_judged_soon_with_little_memory(self):
        # The beginning and the end are those of an archive; between them is nothing.
        with open(self.bad, "wb") as file:
            file.write(self.bytes[:1000])
            file.seek(40 << 30)
            file.write(self.bytes[-3000:])
        began = time.monotonic()
        done = run("sh", "-c", 'ulimit -v 4000000; exec "$@"', "-", test_interop.PROGRAM, "verify", self.bad, timeout=60)
        if b"ReserveShadowMemoryRange" in done.stderr or b"AddressSanitizer" in done.stderr:
            self.skipTest("a sanitizer needs more address space")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertLess(time.monotonic() - began, 20)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        test_interop.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
