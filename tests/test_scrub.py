#!/usr/bin/env python3
"""The program: `verify VAULT`, and `verify VAULT --budget`, which reads a share a run.

    test_scrub.py PROGRAM [unittest's arguments]

Three days in a row are had by the zone: 24 hours west of Greenwich, Greenwich, 24 hours east of it. Years are in test_scrub.c.
"""

import datetime
import os
import random
import shutil
import unittest

import make_vectors
import test_vault
from test_vault import run

DAYS = "WWW24", "UTC", "EEE-24"
FRAMES = 7


class Base(test_vault.Base):
    def setUp(self):
        super().setUp()
        self.state = self.dir / "state"
        self.env = {"POBACKUP_STATE_DIR": str(self.state)}
        self.today = datetime.datetime.now(datetime.timezone.utc).date()

    def large(self, name, number):
        """An archive of several frames; its pieces."""
        plan = make_vectors.Plan(*([make_vectors.Member(b"f%02d" % frame, random.Random(frame).randbytes(3000))] for frame in range(FRAMES)),
                                 manifest=make_vectors.manifest(archive_id=f"{number:032x}"))
        pieces = make_vectors.build(plan).pieces
        (self.vault / name).write_bytes(make_vectors.join(pieces))
        return pieces

    def verify(self, *options, zone="UTC"):
        return run("verify", self.vault, *options, env={**self.env, "TZ": zone})

    def share(self, zone="UTC", budget="3d"):
        done = self.verify("--budget", budget, "--json", zone=zone)
        return done.code, done.json

    def snapshots(self, zone="UTC"):
        return run("snapshots", self.vault, env={**self.env, "TZ": zone})


class Vault(Base):
    def test_each_archive_of_a_vault_is_verified(self):
        paths = [self.put(name, day).path for name, day in (("a.tar.zst", -3), ("b.tar.zst", -2))]
        for options, mode in (((), "deep"), (("--deep",), "deep"), (("--quick",), "quick")):
            done = self.check(self.verify(*options), 0)
            self.assertEqual([line.split(": whole (")[0] for line in done.out.splitlines()], list(map(str, paths)))
            document = self.check(self.verify(*options, "--json"), 0).json
            self.assertEqual([(item["path"], item["verdict"], item["mode"]) for item in document["archives"]],
                             [(str(path), "ok", mode) for path in paths])
            self.assertEqual(document["problems"], [])
        document = self.check(run("verify", "--json", paths[0], self.vault, env=self.env), 0).json
        self.assertEqual(len(document["archives"]), 3)

    def test_what_is_no_whole_archive_is_named(self):
        good = self.put("a.tar.zst", -3)
        cut = self.vault / "cut.tar.zst"
        cut.write_bytes(good.path.read_bytes()[:-5])
        (self.vault / "foreign.tar.zst").write_bytes(b"foreign" * 10)
        (self.vault / "new.tar.zst.partial").write_bytes(b"")
        for options in (), ("--budget", "2d"):
            done = self.check(self.verify(*options), 4, "foreign.tar.zst: foreign: ")
            self.assertIn("new.tar.zst.partial: partial: ", done.text)
            self.assertIn(f"{cut}: DAMAGED", done.out)
            self.assertIn(f"pobackup salvage {cut} -C DIR", done.text)
            document = self.check(self.verify(*options, "--json"), 4).json
            self.assertEqual([item["fault"] for item in document["problems"]], ["damaged", "foreign", "partial"])
            self.assertEqual([item["verdict"] for item in document["archives"]], ["ok", "damaged"])
        cut.unlink()
        self.check(self.verify(), 0)

    def test_nothing_in_it_is_a_warning(self):
        for options in (), ("--budget", "2d"):
            self.check(self.verify(*options), 1, "there is no archive in it")
        self.assertFalse(list(self.dir.glob("state/*.scrub")))


class Share(Base):
    def test_wrong_use(self):
        path = self.put("a.tar.zst", -3).path
        self.check(run("verify", path, "--budget", "30d"), 3, "not a directory")
        self.check(run("verify", self.vault, path, "--budget", "30d"), 3, "not a directory")
        self.check(run("verify", self.dir / "missing", "--budget", "30d"), 2, "no such directory")
        for more in "--deep", "--recovery":
            self.check(self.verify("--budget", "30d", more), 3, more)
        for budget in "0d", "367d", "53w", "30", "d", "w", "1.5d", "-1d", "30h", "d30", "99999999999999999999d", "1 d":
            self.check(self.verify(f"--budget={budget}"), 3, f"--budget: {budget} is not 1 to 366 days")
        for budget in "1d", "366d", "52w", "4w":
            self.check(self.verify("--budget", budget, "--quick"), 0)

    def test_in_three_days_each_frame_is_read_once(self):
        self.large("a.tar.zst", 1)
        self.large("b.tar.zst", 2)
        total = self.verify("--quick", "--json").json["archives"]
        frames, size = sum(item["frames"] for item in total), sum(item["bytes"] for item in total)
        self.assertGreater(frames, 2 * FRAMES)
        shutil.rmtree(self.state, ignore_errors=True)
        read = []
        for number, zone in enumerate(DAYS):
            code, document = self.share(zone)
            vault = document["vaults"][0]
            self.assertEqual((code, vault["path"], vault["period_days"], vault["archives"]), (0, str(self.vault), 3, 2))
            self.assertEqual((vault["frames_total"], vault["bytes_total"]), (frames, size))
            self.assertEqual(sum(item["frames"] for item in document["archives"]), vault["frames"])
            self.assertLessEqual(vault["frames"], -(-frames // 6) * 2)
            self.assertEqual((vault["all_read"], vault["oldest_unread_days"], vault["rest_days"]), (number == 2, number, 2 - number))
            self.assertEqual([item["mode"] for item in document["archives"]], ["share"] * 2)
            read.append((vault["frames"], vault["bytes"]))
            self.assertEqual(self.share(zone)[1]["vaults"][0]["frames"], vault["frames"])  # the same share again
            shown = self.snapshots(zone).out
            self.assertEqual(shown.count(f"quick {self.today - datetime.timedelta(days=1)}"), 2 if number == 2 else 0, shown)
            self.assertEqual(shown.count(" never "), 0 if number == 2 else 2)
        self.assertEqual((sum(item[0] for item in read), sum(item[1] for item in read)), (frames, size))
        verified = run("snapshots", self.vault, "--json", env={**self.env, "TZ": "EEE-24"}).json["archives"][0]["verified"]
        self.assertEqual(verified["how"], "quick")
        # What was looked at as a whole later is what counts, also when it is the same day.
        self.check(self.verify("--deep", zone="EEE-24"), 0)
        self.assertEqual(self.snapshots("EEE-24").out.count(f"deep {self.today + datetime.timedelta(days=1)}"), 2)

    def test_the_summary_is_for_people(self):
        self.large("a.tar.zst", 1)
        done = self.check(self.verify("--budget", "3d"), 0)
        self.assertEqual(done.out, "")
        self.assertRegex(done.text, rf"^{self.vault}: 1 archive: \d of \d+ frames \(\d+\.\d %\), .* read; the oldest unread part: 0 days; "
                                    r"with a run a day all will have been read in 2 days$")
        self.assertEqual(self.check(self.verify("--budget", "3d", "--quiet"), 0).text, "")
        done = self.check(self.verify("--budget", "1d"), 0, "what was read before counts no more: the period was 3 days until now")
        self.assertIn("all was read in the last 1 day", done.text)

    def test_whatever_quick_finds_is_found_within_the_period(self):
        pieces = self.large("a.tar.zst", 1)
        path = self.vault / "a.tar.zst"
        whole = path.read_bytes()
        places, at = [], 0
        for data, _ in pieces:
            if data:
                places.append(at + len(data) // 2)
            at += len(data)
        found = 0
        for place in random.Random(7).sample(places, min(40, len(places))):
            damaged = bytearray(whole)
            damaged[place] ^= 4
            path.write_bytes(damaged)
            shutil.rmtree(self.state, ignore_errors=True)
            is_bad = run("verify", "--quick", path, env=self.env).code == 4
            codes = [self.share(zone)[0] for zone in DAYS]
            self.assertEqual(4 in codes, is_bad, (place, codes))
            self.assertLessEqual(set(codes), {0, 4})
            self.assertEqual(codes, sorted(codes))  # told from then on
            found += is_bad
        self.assertGreater(found, 10)

    def test_damage_is_told_as_verify_does_and_known_to_the_others(self):
        self.large("a.tar.zst", 1)
        path = self.vault / "a.tar.zst"
        whole = bytearray(path.read_bytes())
        at = whole.index(b"\x28\xb5\x2f\xfd", len(whole) // 3) + 100
        whole[at] ^= 1
        path.write_bytes(whole)
        done = self.check(self.verify("--budget", "1d"), 4, f"Extract what is whole: pobackup extract {path} -C DIR")
        self.assertIn(f"{path}: DAMAGED: frame ", done.out)
        self.assertRegex(done.out, r"(?m)^  hit: f\d\d$")
        self.assertIn(", if it is not damaged", self.check(self.verify("--budget", "1d"), 4).text)
        self.assertIn("DAMAGED", self.snapshots().out)
        self.assertEqual(self.snapshots().code, 1)
        self.assertRegex((self.state / "history").read_text(), r'"verb":"verify".*"check":"quick"')
        # A good share later says nothing of the rest.
        whole[at] ^= 1
        path.write_bytes(whole)
        self.check(self.verify("--budget", "1d"), 0)
        self.assertIn("DAMAGED", self.snapshots().out)
        self.check(run("verify", "--quick", path, env=self.env), 0)
        self.assertNotIn("DAMAGED", self.snapshots().out)

    def test_recovery_data_are_checked_once_in_the_period(self):
        self.large("a.tar.zst", 1)
        path = self.vault / "a.tar.zst"
        self.check(run("protect", path, env=self.env), 0)
        self.assertEqual(sorted(self.share(zone)[1]["vaults"][0]["sidecars"] for zone in DAYS), [0, 0, 1])
        sidecar = self.vault / "a.tar.zst.rec"
        data = bytearray(sidecar.read_bytes())
        data[len(data) // 2] ^= 1
        sidecar.write_bytes(data)
        shutil.rmtree(self.state)
        codes = [self.share(zone)[0] for zone in DAYS]
        self.assertIn(1, codes)
        self.check(self.verify("--budget", "1d"), 1, f"pobackup protect --overwrite {path}")
        self.check(run("protect", "--overwrite", path, env=self.env), 0)
        self.check(self.verify("--budget", "1d"), 0)

    def test_a_state_that_is_damaged_begins_anew(self):
        self.large("a.tar.zst", 1)
        for zone in DAYS:
            self.share(zone)
        state, = self.state.glob("vault-*.scrub")
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
        done = self.snapshots("EEE-24")
        self.assertEqual((done.code, " never " in done.out, "is not known" in done.text), (0, True, True))
        self.check(self.verify("--budget", "3d", zone="EEE-24"), 0, "what was read before counts no more")
        self.assertNotIn("no more", self.check(self.verify("--budget", "3d", zone="EEE-24"), 0).text)
        self.assertEqual(os.stat(state).st_mode & 0o777, 0o600)

    def test_disks_that_change_places_do_not_stand_in_for_each_other(self):
        """Two mirrors, one of which is at the vault's path on a day."""
        self.large("a.tar.zst", 1)
        other = self.dir / "other"
        shutil.copytree(self.vault, other)
        all_read = []
        for zone in DAYS:
            all_read.append(self.share(zone, "2d")[1]["vaults"][0]["all_read"])
            self.vault.rename(self.dir / "spare")
            other.rename(self.vault)
            (self.dir / "spare").rename(other)
        # On the third day the first one is there again, and what it has missed is made up.
        self.assertEqual(all_read, [False, False, True])

    def test_a_vault_is_known_by_its_real_path(self):
        self.large("a.tar.zst", 1)
        (self.dir / "link").symlink_to(self.vault)
        for path in self.vault, self.dir / "link", f"{self.vault}/../vault/":
            self.check(run("verify", path, "--budget", "1d", env=self.env), 0)
        self.assertEqual(len(list(self.state.glob("vault-*.scrub"))), 1)

    def test_a_parent_that_is_missing_is_a_warning(self):
        full = self.put("full.tar.zst", -3)
        self.put("diff.tar.zst", -2, parent=full)
        self.check(self.verify("--budget", "1d"), 0)
        full.path.unlink()
        self.check(self.verify("--budget", "1d"), 1, "a parent of it is not in the vault")

if __name__ == "__main__":
    unittest.main()
