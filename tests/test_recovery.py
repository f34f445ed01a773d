#!/usr/bin/env python3
"""Recovery data: whatever the damage within the limits, `repair` gives the archive back, byte for byte; beyond them it says no, and writes nothing.

    test_recovery.py POBACKUP [PATTERNS [SEED]]

PATTERNS (default 150) of damage are drawn, seeded: bursts, scattered sectors of 512 and 4,096 bytes, zeroed ranges, bytes lost or put in, cut
and grown files, in the archive and its sidecar. What the limits are is computed here from recovery.md. Then as many halves of that beyond the
limits.
"""
import collections
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])
PATTERNS = int(sys.argv[2]) if len(sys.argv) > 2 else 150
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
HEADER, PAGE, PAGE_ENTRIES = 256, 4096, 202


class Layout:
    """recovery.md, section 2."""

    def __init__(self, sidecar):
        magic, version, critical, _, self.size, self.block, self.blocks, self.groups, self.rows, self.parities = struct.unpack_from(
            "<8sII16sQIIIHH", sidecar)
        assert (magic, version, critical) == (b"pobrecov", 1, 0)
        entries = self.blocks + self.groups * self.parities
        self.pages = -(-entries // PAGE_ENTRIES)
        self.parity_at = HEADER + self.pages * PAGE
        self.parity_end = self.parity_at + self.groups * self.parities * self.block
        assert len(sidecar) == self.parity_end + self.pages * PAGE + HEADER

    def blocks_of(self, start, size):
        """The data blocks that these bytes of the archive touch."""
        return range(start // self.block, min(-(-(start + size) // self.block), self.blocks))

    def groups_of_parity(self, start, size):
        """The groups of the parity blocks that these bytes of the sidecar touch."""
        low, high = max(start, self.parity_at) - self.parity_at, min(start + size, self.parity_end) - self.parity_at
        return [number % self.groups for number in range(low // self.block, -(-high // self.block))] if low < high else []

    def pages_of(self, start, size):
        """(copy, page) that these bytes of the sidecar touch; headers are (copy, -1)."""
        hit = set()
        for copy, at in (0, HEADER), (1, self.parity_end):
            for page in range(self.pages):
                if start < at + (page + 1) * PAGE and start + size > at + page * PAGE:
                    hit.add((copy, page))
        if start < HEADER:
            hit.add((0, -1))
        if start + size > self.parity_end + self.pages * PAGE:
            hit.add((1, -1))
        return hit


class Damage:
    """A damaged pair, and what is lost of it."""

    def __init__(self, rng, layout, archive, sidecar):
        self.rng, self.layout = rng, layout
        self.archive, self.sidecar = bytearray(archive), bytearray(sidecar)
        self.lost, self.lost_parity, self.pages = set(), collections.Counter(), set()
        self.story = []

    def is_within(self, lost, parity, pages):
        count = collections.Counter(block % self.layout.groups for block in lost)
        count.update(parity)
        good_pages = all(not ({(0, page), (1, page)} <= pages) for page in range(-1, self.layout.pages))
        return good_pages and all(value <= self.layout.parities for value in count.values())

    def overwrite(self, where, start, size, how):
        """Within the limits, or not at all."""
        lost, parity, pages = set(self.lost), collections.Counter(self.lost_parity), set(self.pages)
        if where == "archive":
            lost.update(self.layout.blocks_of(start, size))
        else:
            parity.update(self.layout.groups_of_parity(start, size))
            pages |= self.layout.pages_of(start, size)
        if not self.is_within(lost, parity, pages):
            return False
        self.lost, self.lost_parity, self.pages = lost, parity, pages
        data = getattr(self, where)
        size = min(size, len(data) - start)
        data[start:start + size] = bytes(size) if how == "zeros" else b"\xff" * size if how == "ones" else self.rng.randbytes(size)
        self.story.append(f"{where} {how} {start}+{size}")
        return True


def burst(damage):
    rng, size = damage.rng, damage.layout.size
    length = rng.randrange(1, size * 45 // 1000 + 1)
    start = rng.choice((0, size - length, rng.randrange(size - length + 1)))
    assert damage.overwrite("archive", start, length, rng.choice(("zeros", "ones", "noise"))), "a burst within the promise is beyond the limits"


def largest_burst(damage):
    length = damage.layout.size * 45 // 1000
    assert damage.overwrite("archive", damage.rng.randrange(damage.layout.size - length + 1), length, "noise"), "beyond the limits"


def scattered(damage):
    rng = damage.rng
    sector = rng.choice((512, 4096))
    for _ in range(rng.randrange(1, 400)):
        where = rng.choice(("archive", "archive", "sidecar"))
        start = rng.randrange(len(getattr(damage, where)) // sector + 1) * sector
        if start < len(getattr(damage, where)):
            damage.overwrite(where, start, sector, rng.choice(("zeros", "noise")))


def sidecar_part(damage):
    """One part of the sidecar, and a burst in the archive that the rest can mend."""
    layout, rng = damage.layout, damage.rng
    parts = ((0, HEADER), (HEADER, layout.pages * PAGE), (layout.parity_end, layout.pages * PAGE),
             (layout.parity_end + layout.pages * PAGE, HEADER), (0, layout.parity_at),
             (layout.parity_end, layout.pages * PAGE + HEADER), (layout.parity_at, layout.parity_end - layout.parity_at))
    start, size = rng.choice(parts)
    assert damage.overwrite("sidecar", start, size, "noise")
    if start != layout.parity_at:
        burst(damage)


def shift(damage):
    """Bytes lost, or put in, once or twice: what is behind is found where it is."""
    rng, layout = damage.rng, damage.layout
    most = max(1, (layout.parities // 2 * layout.groups - 1) * layout.block)  # each takes what is lost, and the block that it parts
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(damage.archive) + 1)
        size = min(rng.choice((1, 2, 511, 512, 4096, rng.randrange(1, most + 1))), most)
        if rng.randrange(2):
            damage.archive[at:at] = rng.randbytes(size)
        else:
            del damage.archive[at:at + size]
        damage.story.append(f"archive shifted at {at} by {size}")


def cut(damage):
    left = len(damage.archive) - damage.rng.randrange(1, damage.layout.size * 45 // 1000)
    damage.story.append(f"archive cut to {left}")
    del damage.archive[left:]


def grown(damage):
    damage.archive += damage.rng.randbytes(damage.rng.randrange(1, 100000))
    damage.story.append("archive grown")
    burst(damage)


def sidecar_cut(damage):
    layout = damage.layout
    left = damage.rng.randrange(layout.parity_at, layout.parity_end + 1)
    damage.story.append(f"sidecar cut to {left}")
    del damage.sidecar[left:]
    damage.lost_parity.update(layout.groups_of_parity(left, layout.parity_end))
    for _ in range(20):
        damage.overwrite("archive", damage.rng.randrange(layout.size), damage.rng.randrange(1, layout.size // 30), "noise")


def sidecar_shifted(damage):
    damage.sidecar[0:0] = damage.rng.randbytes(damage.rng.choice((1, 100, 5000)))
    damage.story.append("sidecar shifted")
    burst(damage)


KINDS = burst, burst, largest_burst, scattered, scattered, scattered, sidecar_part, shift, shift, cut, grown, sidecar_cut, sidecar_shifted


class Rig:
    def __init__(self, top, rng):
        self.top, self.rng = pathlib.Path(top), rng
        self.archive, self.sidecar, self.mended = self.top / "a.tar.zst", self.top / "a.tar.zst.rec", self.top / "a-repaired.tar.zst"

    def run(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False,
                              env={**os.environ, "POBACKUP_STATE_DIR": str(self.top / "state"), "LC_ALL": "C.UTF-8"})

    def make(self, files, size):
        site = self.top / "site"
        for tree in "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup":
            (site / tree).mkdir(parents=True)
        (site / "Post.OfficeRegKeyBackup.reg").write_text("REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n")
        for number in range(files):
            path = site / "Post.OfficemailboxBackup" / f"user{number % 10}" / f"{number}.MSG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.rng.randbytes(self.rng.randrange(size)))
        done = self.run("backup", f"--site=folder:{site}", "-o", self.archive, "--allow-same-volume", "--frame-size=64K", "--recovery=5")
        assert done.returncode == 0, done.stderr.decode()
        return self.archive.read_bytes(), self.sidecar.read_bytes()

    def repair(self, damage):
        self.archive.write_bytes(damage.archive)
        self.sidecar.write_bytes(damage.sidecar)
        for path in self.mended, pathlib.Path(f"{self.mended}.rec"):
            path.unlink(missing_ok=True)
        done = self.run("repair", self.archive, "--json")
        return done, json.loads(done.stdout)

    def check_within(self, damage, archive, sidecar):
        """What is wrong; "" = nothing."""
        done, told = self.repair(damage)
        if done.returncode != 0:
            return f"exit code {done.returncode}: {done.stderr.decode()[-400:]}"
        if bytes(damage.archive) == archive:
            # Its sidecar may have been made anew.
            if self.mended.exists() or self.archive.read_bytes() != archive or self.sidecar.read_bytes() != sidecar:
                return f"a whole archive, and {told['outcome']}"
            return ""
        if told["outcome"] != "mended" or self.mended.read_bytes() != archive:
            return f"{told['outcome']}, not the archive that it was"
        if pathlib.Path(f"{self.mended}.rec").read_bytes() != sidecar:
            return "not the sidecar that it was"
        return ""

    def check_beyond(self, damage, archive):
        done, told = self.repair(damage)
        if done.returncode == 0 and self.mended.exists() and self.mended.read_bytes() == archive:
            return "", "mended all the same"
        if done.returncode != 4 or told["outcome"] != "cannot-be-mended" or b"salvage" not in done.stderr:
            return f"exit code {done.returncode}, {told['outcome']}: {done.stderr.decode()[-400:]}", ""
        left = [path.name for path in self.top.iterdir() if path.name not in ("a.tar.zst", "a.tar.zst.rec", "site", "state")]
        return (f"left behind: {left}" if left else ""), "refused"


def beyond(damage):
    """More of the archive than all parity can give back."""
    rng, layout = damage.rng, damage.layout
    size = rng.randrange(layout.size * 7 // 100, layout.size)
    start = rng.randrange(layout.size - size + 1)
    damage.archive[start:start + size] = rng.randbytes(size)
    if rng.randrange(3) == 0:
        damage.sidecar[layout.parity_at:] = b""
    damage.story.append(f"archive noise {start}+{size}")


def main():
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    bad, outcomes = 0, collections.Counter()
    with tempfile.TemporaryDirectory(prefix="pobackup-recovery-") as top:
        for number, (files, size) in enumerate(((200, 20000), (200, 5000), (20, 2000))):
            folder = pathlib.Path(top, str(number))
            folder.mkdir()
            rig = Rig(folder, rng)
            archive, sidecar = rig.make(files, size)
            layout = Layout(sidecar)
            print(f"{len(archive)} bytes, {layout.blocks} blocks of {layout.block} in {layout.groups} groups, "
                  f"{layout.rows} + {layout.parities}, sidecar {len(sidecar)}")
            for _ in range(PATTERNS // 3):
                kind = rng.choice(KINDS)
                damage = Damage(rng, layout, archive, sidecar)
                kind(damage)
                problem = rig.check_within(damage, archive, sidecar)
                outcomes[f"{kind.__name__} {'bad' if problem else 'mended'}"] += 1
                if problem:
                    bad += 1
                    print(f"BAD: {kind.__name__}: {'; '.join(damage.story[:8])}: {problem}", flush=True)
            for _ in range(PATTERNS // 6):
                damage = Damage(rng, layout, archive, sidecar)
                beyond(damage)
                problem, outcome = rig.check_beyond(damage, archive)
                outcomes[f"beyond {outcome}"] += 1
                if problem:
                    bad += 1
                    print(f"BAD: beyond: {damage.story}: {problem}", flush=True)
    print("; ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())))
    print(f"{sum(outcomes.values())} patterns, {bad} exceptions")
    return 1 if bad else 0


sys.exit(main())
