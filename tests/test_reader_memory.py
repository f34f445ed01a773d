#!/usr/bin/env python3
"""Opening a hostile archive costs memory in proportion to its size (FRAME-8, INDEX-2, MANIFEST-1).

    test_reader_memory.py PROGRAM [unittest's arguments]

Archives that promise gigabytes, made by hand: `PROGRAM list` must refuse each, and its peak of resident memory is measured.
"""

import functools
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

import make_vectors
from make_vectors import Plan, header_block, hello, join
from reader import MIB, SEEK_FOOTER_MAGIC, SEEK_SKIPPABLE_MAGIC, blake2b, content_checksum, walk_frame, xxh3

KIB = 1 << 10
DAMAGED, FOREIGN = 4, 2
FRAME = 32 * MIB

# A child's peak counts what its parent had before exec, so a small process stands between.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024)
"""


def zstd(content):
    """One frame, as the program `zstd` makes it: with content size and checksum."""
    return subprocess.run(["zstd", "-qc", "-3", f"--stream-size={len(content)}"], input=content, stdout=subprocess.PIPE,
                          check=True).stdout


@functools.cache
def zeros(size=FRAME):
    return zstd(bytes(size))


def stored(content):
    """A frame of one stored block: 256 to 65,791 bytes."""
    size = len(content)
    return (b"\x28\xb5\x2f\xfd\x64" + struct.pack("<H", size - 256) + struct.pack("<I", size << 3 | 1)[:3] + content
            + content_checksum(content))


def index_header(**counts):
    """The 128 bytes before the sections; the archive id is zero."""
    values = [counts.get(key, 0) for key in ("n", "p", "l", "d", "lb", "db", "f", "a", "ab", "x")]
    return b"pobindex" + struct.pack("<II", 1, 0) + bytes(16) + struct.pack("<QQIIQQIIQQ", *values) + bytes(32)


def member_header(size):
    return join(header_block(name=b"pobackup/index", size=b"%011o\0" % size))


def with_index(frames, index_size):
    """An archive whose tail is right, around these index frames: pairs of compressed bytes and content size."""
    small = bytes(1024)
    frames = [(stored(small), len(small))] * 2 + frames
    index = b"".join(frame for frame, _ in frames[2:])
    trailer = b"pobtrail" + struct.pack("<II16sqIIQQQ16s32s32sQQ328x", 1, 0, bytes(16), 0, 2, len(frames) - 2,
                                        sum(len(frame) for frame, _ in frames[:2]), len(index), index_size, xxh3(index),
                                        bytes(32), bytes(32), 0, 0)
    trailer += xxh3(trailer)
    content = join(header_block(name=b"pobackup/trailer", size=b"%011o\0" % 512)) + trailer + bytes(1024)
    frames.append((stored(content), len(content)))
    table = b"".join(struct.pack("<II", len(frame), size) + frame[-4:] for frame, size in frames)
    return (b"".join(frame for frame, _ in frames) + SEEK_SKIPPABLE_MAGIC + struct.pack("<I", len(table) + 9) + table
            + struct.pack("<IB", len(frames), 0x80) + SEEK_FOOTER_MAGIC)


def index_of(size, filler=b"", **counts):
    """Index frames for a member of `size` bytes: a header, what does not compress, then zeros."""
    total = 512 + size
    start = (member_header(size) + index_header(**counts)).ljust(1024, b"\0")
    frames = [(stored(start), len(start))]
    for at in range(0, len(filler), 65024):
        part = filler[at:at + 65024]
        frames.append((stored(part), len(part)))
    left = total - sum(size for _, size in frames)
    while left > 0:
        frames.append((zeros(min(left, FRAME)), min(left, FRAME)))
        left -= FRAME
    return frames


def with_manifest(text):
    """An archive that is right but for its manifest."""
    frame = zstd(join(make_vectors.Member(b"pobackup/manifest.json", text).pieces()))
    walked = walk_frame(frame)
    blocks = frame[walked.blocks[0][1] - 3:-4]
    return join(make_vectors.build(Plan([hello()], manifest_bytes=text, encoded={0: {"body": [(blocks, "blocks")]}})).pieces)


def objects(size):
    """A JSON object of about so many bytes that is all brackets and commas: each `{}` costs a parser hundreds of bytes."""
    return b'{"a":[' + b",".join([b"{}"] * (size // 3)) + b"]}"


def padded(text, count, size=0):
    """The object with so many bytes in it that do not compress, and spaces up to `size`."""
    text = text[:-1] + b',"b":"' + random.Random(1).randbytes(count).hex().encode() + b'"'
    return text.ljust(size - 1) + b"}"


class Memory(unittest.TestCase):
    program = None

    def peak(self, data, limit, code=DAMAGED):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "a.tar.zst")
            path.write_bytes(data)
            done = subprocess.run([sys.executable, "-ISc", MEASURE, self.program, "list", str(path)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=True)
        said, peak = map(int, done.stdout.split()[-2:])
        print(f"{self.id().split('.')[-1]}: {len(data)} bytes of archive, peak {peak / MIB:.0f} MiB, "
              f"{done.stderr.decode().splitlines()[:1]}", flush=True)
        self.assertEqual(said, code, done.stderr)
        self.assertLessEqual(peak, limit)

    def test_a_kibibyte_that_claims_four_million_frames(self):
        self.peak(b"\x28\xb5\x2f\xfd" + bytes(1011) + struct.pack("<IB", 4194304, 0x80) + SEEK_FOOTER_MAGIC, 64 * MIB)

    def test_a_kibibyte_with_a_window_of_32_mebibytes(self):
        block = struct.pack("<I", 131072 << 3 | 1 << 1)[:3] + b"\0"
        self.peak(b"\x28\xb5\x2f\xfd\x00" + bytes([15 << 3]) + block * 254, 64 * MIB, FOREIGN)

    def test_the_smallest_archive_with_an_index_of_32_mebibytes(self):
        self.peak(with_index(index_of(FRAME - 512, x=FRAME - 512 - 128), FRAME - 512), 64 * MIB)

    def test_the_smallest_archive_with_a_first_index_frame_of_32_mebibytes(self):
        start = member_header(FRAME - 512) + index_header(x=FRAME - 512 - 128)
        self.peak(with_index([(zstd(start.ljust(FRAME, b"\0")), FRAME)], FRAME - 512), 64 * MIB)

    def test_index_frames_of_three_gibibytes_in_108_kilobytes(self):
        size = 96 * FRAME
        self.peak(with_index(index_of(size, x=size - 128), size), 128 * MIB)

    def test_an_index_as_large_as_its_frames_may_give(self):
        filler = random.Random(1).randbytes(92 * KIB)
        size = MIB + 1024 * 92 * KIB
        self.peak(with_index(index_of(size, filler, p=size - 128 - (60 << 20), x=60 << 20), size), 256 * MIB)

    def test_an_index_whose_header_does_not_give_its_size(self):
        filler = random.Random(1).randbytes(92 * KIB)
        size = MIB + 1024 * 92 * KIB
        self.peak(with_index(index_of(size, filler, p=size - 129), size), 64 * MIB)

    def test_a_manifest_that_compresses_too_far(self):
        self.peak(with_manifest(objects(4 * MIB)), 64 * MIB)

    def test_a_manifest_of_four_mebibytes_of_brackets(self):
        self.peak(with_manifest(padded(objects(4 * MIB), 5 * KIB)), 64 * MIB)

    def test_a_manifest_with_as_many_brackets_as_may_be(self):
        self.peak(with_manifest(padded(objects(399990 // 2 * 3), 0)), 64 * MIB)

    def test_a_manifest_of_fifteen_mebibytes_with_as_many_brackets_as_may_be(self):
        self.peak(with_manifest(padded(objects(399980 // 2 * 3), 16 * KIB, 15 * MIB)), 160 * MIB)


if __name__ == "__main__":
    Memory.program = os.path.abspath(sys.argv.pop(1))
    unittest.main()
