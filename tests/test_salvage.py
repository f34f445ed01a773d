#!/usr/bin/env python3
"""salvage: an archive is damaged in many ways, and what comes out is judged by a model that knows which frame holds what.

    test_salvage.py PROGRAM [--all] [--sanitized] [unittest's arguments]

The model is format-spec/reader.py on the sound archive: which frames each file needs. A frame is there when its bytes are found in the
damaged file. What must come out comes out to the byte; what is called certain is what the archive had; all else is told, where an index
says that there was more. Random choices come from POBACKUP_TEST_SEED, which is printed. Without --all each kind of damage is tried at a
part of the places.
"""
import io
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import test_interop
from test_interop import PARTS, make_site, must, put, run

sys.path.insert(0, str(test_interop.SOURCE / "format-spec"))
sys.dont_write_bytecode = True
import check_vectors  # noqa: E402
import reader  # noqa: E402

SEED = int(os.environ.get("POBACKUP_TEST_SEED", time.time_ns() // 1_000_000))
ALL = False
SANITIZED = False  # then memory and time are not the program's
MEASURE = '''import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)'''
PARTIAL = b"salvaged-partial"
SETTLED = 31.2  # a backup saves again what is younger
AMBIGUOUS = PARTS[0].encode() + b"/set.tar"


def back_up(site, dest):
    must(test_interop.PROGRAM, "backup", "--site", f"folder:{site}", "-o", dest, "--frame-size", "64K", "--allow-same-volume", "--cold")


def fill(site, seed, nested=None):
    rng = random.Random(seed)
    box = PARTS[2].encode()
    for number in range(150):
        put(site, b"%s/%02d/message-%03d" % (box, number % 9, number), rng.randbytes(rng.randint(0, 4000)))
    for number, name in enumerate(("受信箱/日本語のメール.eml", "か\u3099/が.txt", "送信済み/添付.bin")):
        put(site, box + b"/" + name.encode(), rng.randbytes(1000 * (number + 1)))
    for number, size in enumerate((70_000, 130_000, 131_072, 200_000, 260_000, 65_536 - 512)):
        put(site, b"%s/long-%d" % (box, number), rng.randbytes(size))
    put(site, box + b"/long/" + b"\xe6\x97\xa5" * 70 + b"/" + b"n" * 200, rng.randbytes(150_000))
    put(site, PARTS[0].encode() + b"/packs-well", b"The same again.\r\n" * 20_000)
    put(site, PARTS[0].encode() + b"/zeros", bytes(200_000))
    put(site, PARTS[1].encode() + b"/empty", b"")
    # A tar in a file: pieces of it look as a frame's beginning does.
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        for number in range(400):
            info = tarfile.TarInfo(f"home/{number}")
            info.size = 100
            out.addfile(info, io.BytesIO(rng.randbytes(100)))
    put(site, PARTS[0].encode() + b"/saved.tar", tar.getvalue())
    # And one whose names are a backup's own: without an index its pieces cannot be told from the archive's.
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        for number in range(300):
            info = tarfile.TarInfo(f"{PARTS[2]}/00/message-{number:03}")
            info.size = 512 + number
            out.addfile(info, io.BytesIO(rng.randbytes(info.size)))
    put(site, AMBIGUOUS, tar.getvalue())
    if nested is not None:
        put(site, PARTS[0].encode() + b"/nested.tar.zst", nested)
    base = os.fsencode(site) + b"/" + box
    os.makedirs(base + b"/nothing/in/here")
    for number in range(5):
        os.link(base + b"/00/message-%03d" % (9 * number), base + b"/hard-%d" % number)
        os.symlink(b"00/message-%03d" % (9 * number), base + b"/soft-%d" % number)
    os.link(base + b"/long-3", base + b"/hard-long")


class Model:
    """What the sound archive has, and where."""

    def __init__(self, path):
        self.data = path.read_bytes()
        archive = reader.Archive(path)
        index = archive.index
        self.offsets = archive.offsets
        self.seek_offset = archive.seek_offset
        self.count = len(index.frames)
        self.frames = [self.data[archive.offsets[f]:archive.offsets[f + 1]] for f in range(len(archive.offsets) - 1)]
        self.index_bytes = b"".join(self.frames[self.count:-1])
        self.files = {}  # path to content
        self.needs = {}  # path to the frames that hold its content
        self.links = {}
        self.directories = set()
        for e, name in enumerate(index.paths):
            kind = index.type[e]
            if kind == reader.FILE:
                member, pieces = archive.open_member(index.frame[e], index.offset[e])
                self.files[name] = b"".join(bytes(piece) for piece in pieces)
                first, left = index.frame[e], member.size - (len(archive.content(index.frame[e])) - index.offset[e] - member.header_size)
                self.needs[name] = [first]
                while left > 0:
                    self.needs[name].append(self.needs[name][-1] + 1)
                    left -= len(archive.content(self.needs[name][-1]))
            elif kind == reader.DIRECTORY:
                self.directories.add(name)
            else:
                self.links[name] = (kind, index.link[e])
        archive.file.close()


def listing(top):
    """Path below top (bytes) to content, or to None for what is no file."""
    found = {}
    top = os.fsencode(top)
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            is_file = os.path.isfile(path) and not os.path.islink(path)
            with open(path, "rb") if is_file else io.BytesIO() as file:
                found[os.path.relpath(path, top)] = file.read() if is_file else None
    return found


def paths(items):
    return [item["path"].encode() if "path" in item else bytes.fromhex(item["path_hex"]) for item in items
            if "path" in item or "path_hex" in item]


class Salvage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-salvage-", dir=memory))
        cls.cases = 0
        make_site(cls.top / "chain")
        for number in range(20):
            put(cls.top / "chain", b"%s/m-%d" % (PARTS[2].encode(), number), random.Random(number).randbytes(500))
        os.link(cls.top / "chain" / PARTS[2] / "m-3", cls.top / "chain" / PARTS[2] / "hard")
        cls.chain_made = time.monotonic()
        other = cls.top / "other"
        make_site(other)
        fill(other, 2)
        back_up(other, cls.top / "other.tar.zst")
        cls.other = Model(cls.top / "other.tar.zst")
        site = cls.top / "site"
        make_site(site)
        small = cls.top / "small"
        make_site(small)
        put(small, PARTS[2].encode() + b"/00/message-000", b"not the one that is meant")
        back_up(small, cls.top / "small.tar.zst")
        fill(site, 1, (cls.top / "small.tar.zst").read_bytes())
        cls.path = cls.top / "a.tar.zst"
        back_up(site, cls.path)
        cls.model = Model(cls.path)
        cls.rng = random.Random(SEED)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top, ignore_errors=True)
        print(f"salvage: {cls.cases} cases, {len(cls.model.files)} files in {cls.model.count} frames, "
              f"{sum(len(needs) > 1 for needs in cls.model.needs.values())} of them span frames; seed {SEED}")

    # ---- one case ----

    def salvage(self, data, *options):
        """The document, the exit code, and what is there."""
        type(self).cases += 1
        damaged = self.top / "damaged"
        damaged.write_bytes(data)
        out = self.top / "out"
        shutil.rmtree(out, ignore_errors=True)
        done = run(test_interop.PROGRAM, "salvage", damaged, "-C", out, "--json", *options, timeout=60)
        return json.loads(done.stdout), done.returncode, listing(out) if out.exists() else {}

    def there(self, data):
        return {f for f in range(self.model.count) if self.model.frames[f] in data}

    def judge(self, data, what, foreign=False):
        """Salvages and judges. `foreign`: frames of another archive are in it, which has the same names."""
        document, code, found = self.salvage(data)
        model = self.model
        there = self.there(data)
        # A bit may be flipped that changes nothing of what a frame decodes to: then the trailer's BLAKE2b still proves the index.
        has_index = model.index_bytes in data or document.get("index") == "proven"
        certain = set(paths(document.get("certain", [])))
        doubtful = set(paths(document.get("doubtful", [])))
        partial = set(paths(document.get("partial", [])))
        lost = set(paths(document.get("lost", [])))
        with self.subTest(what):
            self.assertIn(code, (0, 1, 2, 4))
            self.assertEqual(document["exit_code"], code)
            # What is called certain is what the archive had.
            for name in certain & set(model.files):
                self.assertEqual(found.get(name), model.files[name], name)
            for name in certain:
                self.assertIn(name, found)
                self.assertTrue(name in model.files or name in model.links or name in model.directories, name)
            if has_index:
                for name, needs in model.needs.items():
                    if there.issuperset(needs):
                        self.assertIn(name, certain)
                    else:
                        self.assertIn(name, partial | lost)
                        self.assertNotIn(name, found)
                self.assertEqual(doubtful, set())
                for name, (kind, target) in model.links.items():
                    if kind == reader.HARDLINK:
                        self.assertIn(name, certain if there.issuperset(model.needs[target]) else lost)
                        if name in certain:
                            self.assertEqual(found[name], model.files[target])
                    else:
                        self.assertIn(name, certain)
                self.assertEqual(code == 0, all(there.issuperset(needs) for needs in model.needs.values()) and not document["frames_foreign"])
            else:
                self.assertNotEqual(code, 0)
                ambiguous = set(self.names_in_the_tar())
                for name, needs in model.needs.items():
                    if name in ambiguous and len(certain) == 0:
                        continue
                    joined = b"".join(model.frames[f] for f in needs)
                    if joined in data and not foreign and not self.is_unclear(data, name):
                        self.assertEqual(found.get(name), model.files[name], name)
                        self.assertIn(name, certain | doubtful)
            # Nothing is there that is not told.
            for name, content in found.items():
                if content is not None and not name.startswith(PARTIAL + b"/"):
                    self.assertIn(name, certain | doubtful)
            # What is partial is right where it is not a gap.
            for item in document.get("partial", []):
                name = paths([item])
                if name and name[0] in model.files and not foreign and PARTIAL + b"/" + name[0] in found:
                    content = found[PARTIAL + b"/" + name[0]]
                    whole = model.files[name[0]]
                    wrong = sum(a != b and a != 0 for a, b in zip(content, whole))
                    self.assertLessEqual(len(content), len(whole))
                    if has_index:
                        self.assertEqual(wrong, 0, name)
        return document, code, found

    def names_in_the_tar(self):
        yield AMBIGUOUS
        with tarfile.open(fileobj=io.BytesIO(self.model.files[AMBIGUOUS])) as tar:
            yield from (name.encode() for name in tar.getnames())

    def is_unclear(self, data, name):
        """Whether what lies directly behind the file may be more of it, for all that can be seen."""
        model = self.model
        needs = model.needs[name]
        if len(needs) == 1:
            return False
        end = data.find(b"".join(model.frames[f] for f in needs)) + sum(len(model.frames[f]) for f in needs)
        behind = next((f for f in range(len(model.frames)) if data.startswith(model.frames[f], end)), None)
        return behind is not None and behind != needs[-1] + 1

    def some(self, places, share):
        """All places with --all, else a part of them: both ends and some between."""
        places = list(places)
        if ALL or len(places) <= share:
            return places
        return sorted({places[0], places[-1], *self.rng.sample(places, share - 2)})

    def joined(self, frames, tail=True):
        return b"".join(frames) + (self.model.data[self.model.seek_offset:] if tail else b"")

    # ---- sound ----

    def test_a_sound_archive_comes_out_as_extract_gives_it(self):
        _, code, found = self.judge(self.model.data, "sound")
        self.assertEqual(code, 0)
        plain = self.top / "plain"
        must(test_interop.PROGRAM, "extract", self.path, "-C", plain)
        self.assertEqual(found, listing(plain))
        out = os.fsencode(self.top / "out")
        for name in set(self.model.files) | set(self.model.links) | self.model.directories:
            one, two = os.lstat(os.path.join(out, name)), os.lstat(os.path.join(os.fsencode(plain), name))
            self.assertEqual((one.st_mode, one.st_mtime_ns, one.st_nlink, one.st_size), (two.st_mode, two.st_mtime_ns, two.st_nlink, two.st_size))

    def test_patterns_select(self):
        frames = list(self.model.frames)
        del frames[3]
        document, _, found = self.salvage(self.joined(frames), PARTS[2] + "/00")
        names = set(paths(document["certain"]) + paths(document["partial"]) + paths(document["lost"]))
        self.assertTrue(names)
        self.assertTrue(all(name.startswith(PARTS[2].encode() + b"/00") for name in names), names)
        self.assertTrue(all(name.startswith((PARTS[2].encode(), PARTIAL)) for name in found))

    # ---- frames ----

    def test_each_frame_dropped(self):
        for f in self.some(range(len(self.model.frames)), 12):
            frames = list(self.model.frames)
            del frames[f]
            self.judge(self.joined(frames), f"frame {f} dropped")
            self.judge(self.joined(frames[:self.model.count - (f < self.model.count)], False), f"frame {f} dropped, no tail")

    def test_each_frame_doubled(self):
        for f in self.some(range(len(self.model.frames)), 8):
            frames = list(self.model.frames)
            frames.insert(f, frames[f])
            self.judge(self.joined(frames), f"frame {f} doubled")

    def test_each_frame_swapped_with_another(self):
        for f in self.some(range(len(self.model.frames)), 8):
            frames = list(self.model.frames)
            other = self.rng.randrange(len(frames))
            frames[f], frames[other] = frames[other], frames[f]
            self.judge(self.joined(frames), f"frames {f} and {other} swapped")

    def test_each_frame_replaced_by_one_of_another_archive(self):
        for f in self.some(range(len(self.model.frames)), 8):
            frames = list(self.model.frames)
            frames[f] = self.other.frames[min(f, len(self.other.frames) - 1)]
            self.judge(self.joined(frames), f"frame {f} replaced", True)

    def test_frames_in_any_order_with_an_index(self):
        for number in range(20 if ALL else 3):
            frames = self.model.frames[:self.model.count]
            self.rng.shuffle(frames)
            self.judge(b"".join(frames) + self.model.index_bytes, f"shuffled {number}")

    # ---- the tail ----

    def test_the_tail_cut_at_many_lengths(self):
        sizes = [len(self.model.data) - 1, self.model.seek_offset, self.model.seek_offset + 5, 0, 1, 3, 4, 5]
        sizes += [self.model.offsets[f] + self.rng.randrange(len(self.model.frames[f])) for f in range(len(self.model.frames))]
        sizes += self.model.offsets[1:]
        for size in self.some(sizes, 30):
            self.judge(self.model.data[:size], f"cut to {size}")

    def test_the_head_cut(self):
        for f in self.some(range(len(self.model.frames)), 8):
            self.judge(self.model.data[self.model.offsets[f] + self.rng.randrange(len(self.model.frames[f])):], f"head cut in frame {f}")

    def test_index_frames_damaged(self):
        start = self.model.offsets[self.model.count]
        proven = 0
        for at in self.rng.sample(range(start, start + len(self.model.index_bytes)), 200 if ALL else 20):
            data = bytearray(self.model.data)
            data[at] ^= 1 << self.rng.randrange(8)
            document, _, _ = self.judge(bytes(data), f"index flipped at {at}")
            # The seek table proves that all frames are there, the summary which members count.
            self.assertGreaterEqual(set(paths(document["certain"])), set(self.model.files))
            self.assertEqual((document["doubtful"], document["partial"]), ([], []))
            proven += document["index"] == "proven"
        self.assertLess(proven, 5)
        data = bytearray(self.model.data)
        data[start + 20] ^= 1
        data[self.model.seek_offset + 8] ^= 1
        document, _, _ = self.judge(bytes(data), "index and seek table flipped")
        self.assertEqual(document["certain"], [])

    def test_the_manifest_damaged(self):
        for at in self.rng.sample(range(len(self.model.frames[0])), 200 if ALL else 12):
            data = bytearray(self.model.data)
            data[at] ^= 1 << self.rng.randrange(8)
            self.judge(bytes(data), f"manifest flipped at {at}")

    # ---- places ----

    def test_two_halves_in_the_wrong_order(self):
        data = self.model.data
        places = [self.rng.randrange(1, len(data)) for _ in range(40)] + self.model.offsets[1:]
        for at in self.some(places, 16):
            self.judge(data[at:] + data[:at], f"halves at {at}")

    def test_holes(self):
        data = self.model.data
        for _ in range(200 if ALL else 16):
            start = self.rng.randrange(len(data))
            size = self.rng.randrange(1, 150_000)
            self.judge(data[:start] + bytes(min(size, len(data) - start)) + data[start + size:], f"zeros at {start}, {size}")
            self.judge(data[:start] + data[start + size:], f"cut out at {start}, {size}")

    def test_garbage(self):
        data = self.model.data
        magic = b"\x28\xb5\x2f\xfd"
        for number in range(200 if ALL else 12):
            junk = self.rng.choice((self.rng.randbytes(5000), magic * 1000, magic + self.rng.randbytes(100), self.model.frames[2][:-3]))
            at = self.rng.choice((0, len(data), self.rng.choice(self.model.offsets), self.rng.randrange(len(data))))
            self.judge(data[:at] + junk + data[at:], f"garbage {number} at {at}")

    def test_lost_frames_and_gaps_are_told_with_their_places(self):
        data = bytearray(self.model.data)
        for f in 3, 4, 9:
            data[self.model.offsets[f + 1] - 2] ^= 4
        document, _, _ = self.judge(bytes(data), "three frames")
        self.assertEqual([(lost["frame"], lost["offset"], lost["offset"] + lost["size"]) for lost in document["frames_lost"]],
                         [(f, self.model.offsets[f], self.model.offsets[f + 1]) for f in (3, 4, 9)])
        self.assertEqual([(gap["offset"], gap["offset"] + gap["size"]) for gap in document["gaps"]],
                         [(self.model.offsets[3], self.model.offsets[5]), (self.model.offsets[9], self.model.offsets[10])])
        self.assertEqual(self.judge(self.model.data, "sound")[0]["gaps"], [])

    def test_bits_flipped_in_each_frame(self):
        for f in self.some(range(len(self.model.frames)), 24):
            for _ in range(5 if ALL else 1):
                at = self.model.offsets[f] + self.rng.randrange(len(self.model.frames[f]))
                data = bytearray(self.model.data)
                data[at] ^= 1 << self.rng.randrange(8)
                self.judge(bytes(data), f"bit flipped at {at}, frame {f}")

    def test_many_at_once(self):
        for number in range(300 if ALL else 20):
            frames = list(self.model.frames)
            for _ in range(self.rng.randrange(1, 6)):
                f = self.rng.randrange(len(frames))
                how = self.rng.randrange(4)
                if how == 0:
                    frames[f] = frames[f][:len(frames[f]) // 2]
                elif how == 1:
                    del frames[f]
                elif how == 2:
                    frames.insert(self.rng.randrange(len(frames)), frames[f])
                else:
                    frames.insert(f, self.rng.randbytes(100))
            self.judge(self.joined(frames, self.rng.randrange(2)), f"many {number}")

    # ---- other archives, and none ----

    def test_two_archives_in_one_file(self):
        document, code, _ = self.judge(self.model.data + self.other.data[:self.other.offsets[5]], "a piece of another behind", True)
        self.assertEqual(code, 1)  # which of the two is looked for is not known
        foreign = [f for f in range(5) if self.other.frames[f] not in self.model.data]  # some are the same in both
        self.assertEqual(document["frames_foreign"], [len(self.model.data) + self.other.offsets[f] for f in foreign])
        self.assertGreater(len(foreign), 1)
        document, code, _ = self.salvage(self.model.data + self.other.data)
        self.assertEqual(code, 1)
        # A small one that is whole does not stand for a large one that has lost its index.
        small = (self.top / "small.tar.zst").read_bytes()
        for data in (small + self.model.data[:self.model.offsets[20]], self.model.data[:self.model.offsets[20]] + small):
            document, code, _ = self.judge(data, "a small archive beside a large one", True)
            self.assertEqual((code, document["index"], document["certain"]), (1, "lost", []))

    def test_what_is_no_archive(self):
        for data in (b"", b"x", b"hello " * 1000, self.rng.randbytes(100_000)):
            document, code, found = self.salvage(data)
            self.assertEqual(code, 2, data[:20])
            self.assertEqual(found, {})
        zst = subprocess.run(["zstd", "-c"], input=b"a text that is no tar\n" * 1000, stdout=subprocess.PIPE, check=True).stdout
        _, code, found = self.salvage(zst)
        self.assertEqual((code, found), (2, {}))
        _, code, _ = self.salvage(self.model.data[:len(self.model.frames[0]) - 1])
        self.assertEqual(code, 4)

    def test_a_file_full_of_magic_numbers_costs_little(self):
        magic = b"\x28\xb5\x2f\xfd"
        # Frames of 32 MiB out of zeros repeated, whose checksum is wrong.
        zeros = magic + b"\xa4" + (32 << 20).to_bytes(4, "little") + b"".join(
            ((128 << 10) << 3 | 2 | (n == 255)).to_bytes(3, "little") + b"\0" for n in range(256)) + b"wron"
        # Raw blocks of nothing, for ever.
        empty = magic + b"\xa4" + (32 << 20).to_bytes(4, "little") + bytes(3) * 300
        for data in (magic * 256, magic * 250_000, zeros, zeros * 900, empty, empty * 1000, (magic + b"\xa4\0\0\0\2") * 110_000,
                     b"".join(magic + b"\xa4\0\0\0\2" + (13 << 3).to_bytes(3, "little") for _ in range(80_000))):
            (self.top / "damaged").write_bytes(data)
            began = time.monotonic()
            done = run(test_interop.PROGRAM, "salvage", self.top / "damaged", "-C", self.top / "out", timeout=60)
            took = time.monotonic() - began
            self.assertIn(done.returncode, (2, 4))
            self.assertLess(took, (1.0 if len(data) <= 2048 else 5.0) * (10 if SANITIZED else 1), data[:20])
            type(self).cases += 1

    def test_a_file_of_a_kilobyte_takes_little_memory(self):
        """A frame of 32 MiB in little more than 1 KiB, whole, with a file in it."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as out:
            info = tarfile.TarInfo("Post.OfficemailboxBackup/zeros")
            info.size = (32 << 20) - 1024
            out.addfile(info, io.BytesIO(bytes(info.size)))
        (self.top / "tar").write_bytes(tar.getvalue()[:(32 << 20) - 512])
        frame = subprocess.run(["zstd", "-qc", "-3", self.top / "tar"], stdout=subprocess.PIPE, check=True).stdout
        self.assertLess(len(frame), 4096)
        out = self.top / "out"
        for data, code in ((frame, 1), (frame[:-1] + bytes([frame[-1] ^ 1]), (2, 4))):
            (self.top / "damaged").write_bytes(data)
            shutil.rmtree(out, ignore_errors=True)
            began = time.monotonic()
            # Of a process that began small: what this one has would count as the child's.
            done = run(sys.executable, "-Sc", MEASURE, test_interop.PROGRAM, "salvage", "--quiet", self.top / "damaged", "-C", out)
            status, peak = map(int, done.stdout.split()[-2:])
            type(self).cases += 1
            self.assertIn(status, code if isinstance(code, tuple) else (code,))
            self.assertLess(time.monotonic() - began, 10.0 if SANITIZED else 1.0)
            if not SANITIZED:
                self.assertLess(peak, 64 << 10)
            print(f"memory: {peak >> 10} MiB for {len(data)} bytes")

    def test_many_small_frames_that_claim_to_go_on_cost_little(self):
        info = tarfile.TarInfo("home/x")
        info.size = 8 << 30
        info.size -= 1
        header = info.tobuf(tarfile.USTAR_FORMAT)
        (self.top / "tar").write_bytes(header)
        frame = subprocess.run(["zstd", "-qc", self.top / "tar"], stdout=subprocess.PIPE, check=True).stdout
        began = time.monotonic()
        _, code, _ = self.salvage(frame * 8000)
        print(f"many: {time.monotonic() - began:.1f} s for {len(frame) * 8000} bytes")
        self.assertNotEqual(code, 0)
        self.assertLess(time.monotonic() - began, 60.0 if SANITIZED else 10.0)

    def test_verify_says_what_to_type(self):
        damaged = self.top / "damaged"
        damaged.write_bytes(self.model.data[:self.model.offsets[10] + 100])
        done = run(test_interop.PROGRAM, "verify", damaged)
        self.assertEqual(done.returncode, 4)
        command = re.search(r"pobackup (salvage \S+ -C) DIR", done.stderr.decode())
        self.assertIsNotNone(command, done.stderr)
        out = self.top / "out"
        shutil.rmtree(out, ignore_errors=True)
        done = run(test_interop.PROGRAM, *command[1].split(), out)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"the index is lost", done.stderr)

    def test_an_archive_in_a_file_takes_no_file_s_place(self):
        nested = (self.top / "small.tar.zst").read_bytes()
        name = PARTS[2].encode() + b"/00/message-000"
        f = self.model.needs[name][0] + 1
        # A frame of one stored block, whose checksum is wrong: what is in it is not proven to be anything.
        outer = b"\x28\xb5\x2f\xfd\xa4" + struct.pack("<I", len(nested)) + (len(nested) << 3 | 1).to_bytes(3, "little") + nested + b"nope"
        self.assertLess(len(nested), 128 << 10)
        data = b"".join(self.model.frames[:f]) + outer + b"".join(self.model.frames[f:self.model.count])
        document, code, found = self.judge(data, "an archive in a damaged frame", True)
        self.assertEqual((code, document["certain"]), (1, []))
        self.assertEqual(found[name], self.model.files[name])
        # It is found all the same where nothing else is there.
        document, code, found = self.salvage(outer)
        self.assertEqual(found[name], b"not the one that is meant")

    def test_zz_what_lies_in_a_parent_is_told_and_not_lost(self):
        site, vault = self.top / "chain", self.top / "vault"
        vault.mkdir()
        time.sleep(max(0, self.chain_made + SETTLED - time.monotonic()))
        back_up(site, vault)
        put(site, b"%s/new" % PARTS[2].encode(), b"new")
        time.sleep(1.1)  # the name has the time
        must(test_interop.PROGRAM, "backup", "--site", f"folder:{site}", "-o", vault, "--allow-same-volume", "--cold")
        diff = next(vault.glob("*diff.tar.zst"))
        full = next(vault.glob("*full.tar.zst"))
        document, code, found = self.salvage(diff.read_bytes())
        self.assertEqual((code, document["complete"]), (0, True))
        in_parents = paths(document["in_parents"])
        self.assertGreaterEqual(set(in_parents), {b"%s/m-%d" % (PARTS[2].encode(), n) for n in range(20)})
        self.assertEqual({item["parent"] for item in document["in_parents"] if item["type"] == "file"}, {full.name})
        self.assertEqual(document["lost"], [])
        self.assertEqual(found[PARTS[2].encode() + b"/new"], b"new")
        self.assertFalse(set(in_parents) & set(found))

    def test_the_good_vectors_sound_and_without_index_or_tail(self):
        """Among them are members that do not count, and names that stand twice."""
        plain = self.top / "plain"
        count = 0
        for vector in check_vectors.load():
            if not vector.name.startswith("good-"):
                continue
            path = self.top / "vector.tar.zst"
            path.write_bytes(vector.data)
            shutil.rmtree(plain, ignore_errors=True)
            done = run(test_interop.PROGRAM, "extract", path, "-C", plain)
            whole = listing(plain)
            document, code, found = self.salvage(vector.data)
            with self.subTest(vector.name):
                # What lies in a parent is a problem for extract, and told for salvage.
                if done.returncode == 0:
                    self.assertEqual((code, found), (0, whole))
                try:
                    archive = reader.Archive(path)
                except reader.Refused:
                    continue
                start, end = archive.offsets[len(archive.index.frames)], archive.seek_offset
                archive.file.close()
                count += 1
                flipped = bytearray(vector.data)
                flipped[start + (end - 2062 - start) // 2] ^= 1
                for data in (bytes(flipped), vector.data[:start], vector.data[:start] + vector.data[end:]):
                    document, code, found = self.salvage(data)
                    self.assertNotEqual(code, 0)
                    for name in paths(document.get("certain", [])):
                        self.assertIn(name, whole)
                        self.assertEqual(found[name], whole[name], name)
        self.assertGreater(count, 20)
        print(f"vectors: {count}")

    def test_hostile_names_stay_inside(self):
        evil = self.top / "evil.tar.zst"
        site = self.top / "evil"
        if not site.exists():
            make_site(site)
            os.symlink("/tmp", site / PARTS[2] / "way-out")
        back_up(site, evil) if not evil.exists() else None
        raw = subprocess.run(["zstd", "-dc", evil], stdout=subprocess.PIPE, check=True).stdout
        self.assertIn(b"way-out", raw)
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
            link = tarfile.TarInfo("Post.Office-link")
            link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
            out.addfile(link)
            for name in ("../above", "/absolute", "Post.Office-link/through", "a/../../b", "good"):
                info = tarfile.TarInfo(name)
                info.size = 4
                out.addfile(info, io.BytesIO(b"evil"))
        frame = subprocess.run(["zstd", "-c", "--no-progress"], input=tar.getvalue(), stdout=subprocess.PIPE, check=True).stdout
        path = self.top / "tar"
        path.write_bytes(tar.getvalue())
        frame = subprocess.run(["zstd", "-qc", path], stdout=subprocess.PIPE, check=True).stdout
        document, code, found = self.salvage(frame)
        self.assertEqual(code, 1)
        self.assertEqual(set(found), {b"good", b"Post.Office-link"})
        self.assertEqual(len(document["problems"]), 4)
        self.assertFalse(os.path.lexists("/tmp/through"))
        self.assertFalse((self.top / "above").exists())

    def test_a_link_in_the_way_of_what_is_partial_is_not_followed(self):
        frames = list(self.model.frames)
        name, needs = next((n, needs) for n, needs in self.model.needs.items() if len(needs) > 2)
        del frames[needs[1]]
        data = self.joined(frames)
        outside = self.top / "outside"
        outside.mkdir()
        for place in ("salvaged-partial", "salvaged-partial/" + os.fsdecode(name).split("/")[0]):
            out = self.top / "out"
            shutil.rmtree(out, ignore_errors=True)
            (out / place).parent.mkdir(parents=True)
            os.symlink(outside, out / place)
            (self.top / "damaged").write_bytes(data)
            done = run(test_interop.PROGRAM, "salvage", self.top / "damaged", "-C", out, "--json", "--overwrite")
            type(self).cases += 1
            self.assertEqual(done.returncode, 1)
            self.assertEqual(os.listdir(outside), [])
            self.assertIn(name, paths(json.loads(done.stdout)["problems"]))


if __name__ == "__main__":
    test_interop.PROGRAM = os.path.abspath(sys.argv.pop(1))
    if "--sanitized" in sys.argv:
        sys.argv.remove("--sanitized")
        SANITIZED = True
    if "--all" in sys.argv:
        sys.argv.remove("--all")
        ALL = True
    print(f"POBACKUP_TEST_SEED={SEED}", flush=True)
    unittest.main()
