"""Damaged archives, made from a sound one: what test_readers_agree.py shows to both readers.

Sound is the archive with a model of it: which frames each entry has a part in, so that a damage tells what it hits (READ-2).
damages() gives all kinds of damage, drawn from a seed: the same archive and seed give the same cases.
"""

import io
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "format-spec"))
sys.dont_write_bytecode = True
import reader  # noqa: E402

TRAILER_FRAME = 2062
SECTORS = 512, 4096
ROW = 12  # of the seek table


def padded(size):
    return size + -size % 512


class Sound:
    """A sound archive: its bytes, where its parts lie, and which entries have a part in each frame."""

    def __init__(self, name, data, path):
        self.name, self.data, self.path = name, data, path
        archive = reader.Archive(path)
        with archive.file:
            index = archive.index
            self.count = len(index.frames)  # frames before the index
            self.offsets = archive.offsets  # of each frame, and where the seek table begins
            self.seek = archive.seek
            self.entries = index.n
            self.files = sum(kind == reader.FILE for kind in index.type)
            self.of_frame = [set() for _ in range(self.count)]
            for e, entry_path in enumerate(index.paths):
                if index.source[e] == 0:
                    self.place(archive, e, entry_path)

    def place(self, archive, e, path):
        f = archive.index.frame[e]
        member, _ = archive.open_member(f, archive.index.offset[e])
        left = archive.index.offset[e] + member.header_size + padded(member.size)
        while left > 0:
            self.of_frame[f].add(path)
            left -= self.seek[f][1]
            f += 1

    def frame(self, f):
        return self.data[self.offsets[f]:self.offsets[f + 1]]

    def frames(self):
        return [self.frame(f) for f in range(len(self.seek))]

    def seek_table(self):
        return self.data[self.offsets[-1]:]

    def expected(self, data):
        """The entries that damage hits: those of the frames that are not as they were. None when trailer, index or seek table are not.

        The checksums that the seek table has of these frames are no part of this: a fault there hits no entry."""
        if len(data) != len(self.data):
            return set()
        table = self.offsets[-1] + 8
        rows = [(table + ROW * f + 8, table + ROW * f + 12) for f in range(self.count)]
        start = self.offsets[self.count]
        for begin, end in zip([start] + [end for _, end in rows], [begin for begin, _ in rows] + [len(data)]):
            if data[begin:end] != self.data[begin:end]:
                return set()
        hit = set()
        for f in range(self.count):
            if data[self.offsets[f]:self.offsets[f + 1]] != self.frame(f):
                hit |= self.of_frame[f]
        return hit

    def must_be_damaged(self, data):
        """Whether FILE-3 and FILE-4 leave nothing but "damaged": it begins or ends as it did."""
        first = self.frame(0)
        return data[:len(first)] == first[:len(data)] and len(data) >= 4 or self.expected(data) != set()


def put_together(frames, rows):
    """A file of frames, with a seek table of these rows."""
    out = io.BytesIO()
    for frame in frames:
        out.write(frame)
    out.write(reader.SEEK_SKIPPABLE_MAGIC + struct.pack("<I", ROW * len(rows) + 9))
    for compressed, content, checksum in rows:
        out.write(struct.pack("<II4s", compressed, content, checksum))
    out.write(struct.pack("<IB", len(rows), 0x80) + reader.SEEK_FOOTER_MAGIC)
    return out.getvalue()


def regions(sound):
    """(name, begin, end) of all that an archive consists of, each byte in one of them."""
    names = {0: "manifest", sound.count - 1: "summary"} | {f: "index" for f in range(sound.count, len(sound.seek) - 1)}
    for f in range(len(sound.seek) - 1):
        begin, end = sound.offsets[f], sound.offsets[f + 1]
        name = names.get(f, "data")
        header = begin + min(9, (end - begin) // 4)
        yield from ((f"{name} magic", begin, begin + 4), (f"{name} header", begin + 4, header), (f"{name} content", header, end - 4),
                    (f"{name} checksum", end - 4, end))
    begin = sound.offsets[-2]
    for name, size in ("frame header", 10), ("tar header", 512), ("fields", 168), ("zeros", 328), ("hash", 16), ("end of tar", 1024), ("checksum", 4):
        yield f"trailer {name}", begin, begin + size
        begin += size
    yield "seek table magic", begin, begin + 4
    yield "seek table size", begin + 4, begin + 8
    begin += 8
    for _ in sound.seek:
        for name in "compressed size", "content size", "checksum":
            yield f"seek table {name}", begin, begin + 4
            begin += 4
    for name, size in ("count", 4), ("descriptor", 1), ("footer", 4):
        yield f"seek table {name}", begin, begin + size
        begin += size
    assert begin == len(sound.data)


class Damages:
    """All kinds. `share` is how much of each: 1 for a quick look, more for a long one."""

    def __init__(self, sound, other, seed, share):
        self.sound, self.other, self.share = sound, other, share
        self.rng = random.Random(f"{seed} {sound.name}")

    def all(self):
        """(kind, what it is, bytes)."""
        yield "sound", "as it is", self.sound.data
        for kind in self.bits, self.sectors, self.cuts, self.more, self.shifts, self.frames, self.tables, self.many:
            for what, data in kind():
                if data != self.sound.data:
                    yield kind.__name__, what, data

    def expected(self, data):
        """What must be named as hit. (Sometimes so many frames are of the other archive that it is the one that is damaged.)"""
        return self.sound.expected(data) | self.other.expected(data)

    def bits(self):
        for name, begin, end in regions(self.sound):
            bits = range(begin * 8, end * 8)
            for bit in self.rng.sample(bits, min(self.share, len(bits))):
                yield f"{name}: bit {bit & 7} of byte {bit >> 3}", self.flipped([bit])

    def flipped(self, bits):
        data = bytearray(self.sound.data)
        for bit in bits:
            data[bit >> 3] ^= 1 << (bit & 7)
        return bytes(data)

    def sectors(self):
        """Sectors of zeros, of ones, of anything, and with what belongs elsewhere."""
        data = self.sound.data
        for number in range(16 * self.share):
            size = SECTORS[number % len(SECTORS)]
            at, elsewhere = (self.rng.randrange(-(-len(data) // size)) * size for _ in range(2))
            length = len(data[at:at + size])
            name, new = (("zeros", bytes(length)), ("ones", b"\xff" * length), ("noise", self.rng.randbytes(length)),
                         (f"those of {elsewhere}", data[elsewhere:elsewhere + length].ljust(length, b"\0")))[number // len(SECTORS) % 4]
            yield f"{length} bytes at {at}: {name}", data[:at] + new + data[at + length:]

    def cuts(self):
        data, size = self.sound.data, len(self.sound.data)
        ends = {0, 1, 3, 4, 5, 9, size - 1, size - 4, size - 9, size - 17, self.sound.offsets[-1] + 8}
        for offset in self.sound.offsets:
            ends |= {offset, offset + 1, offset - 1}
        ends |= {self.rng.randrange(size) for _ in range(10 * self.share)}
        for end in sorted(end for end in ends if 0 <= end < size):
            yield f"cut to {end}", data[:end]
        for begin in sorted({1, 4} | set(self.sound.offsets[1:]) | {self.rng.randrange(1, size) for _ in range(5 * self.share)}):
            yield f"first {begin} bytes gone", data[begin:]

    def more(self):
        data = self.sound.data
        for name, tail in (("a zero", b"\0"), ("a sector of zeros", bytes(512)), ("noise", self.rng.randbytes(100)),
                           ("the seek table again", self.sound.seek_table()), ("itself", data), ("another archive", self.other.data),
                           ("an empty skippable frame", bytes.fromhex("502a4d18 00000000")), ("a data frame", self.sound.frame(1))):
            yield f"{name} behind", data + tail
            yield f"{name} before", tail + data
        yield "the tail of another", data[:self.sound.offsets[-2]] + self.other.data[self.other.offsets[-2]:]
        yield "the index and tail of another", (data[:self.sound.offsets[self.sound.count]]
                                                + self.other.data[self.other.offsets[self.other.count]:])
        yield "the seek table of another", data[:self.sound.offsets[-1]] + self.other.seek_table()

    def shifts(self):
        """Bytes lost and put in."""
        data = self.sound.data
        for _ in range(4 * self.share):
            at, size = self.rng.randrange(len(data)), self.rng.choice((1, 2, 512))
            yield f"{size} bytes gone at {at}", data[:at] + data[at + size:]
            yield f"{size} bytes put in at {at}", data[:at] + self.rng.randbytes(size) + data[at:]
            end = self.rng.randrange(at, len(data))
            yield f"a byte moved from {at} to {end}", data[:at] + data[at + 1:end] + data[at:at + 1] + data[end:]

    def frames(self):
        """Frames dropped, doubled, swapped, replaced: with the seek table as it was, and with one that fits."""
        sound, other = self.sound, self.other
        own = list(zip(sound.frames(), sound.seek))
        theirs = list(zip(other.frames(), other.seek))
        lists = []
        for f in range(len(own)):
            lists.append((f"frame {f} dropped", own[:f] + own[f + 1:]))
            lists.append((f"frame {f} doubled", own[:f + 1] + own[f:]))
            for g in self.rng.sample(range(len(own)), min(self.share, len(own))):
                swapped = list(own)
                swapped[f], swapped[g] = own[g], own[f]
                lists.append((f"frames {f} and {g} swapped", swapped))
            for g in {min(f, len(theirs) - 1), *self.rng.sample(range(len(theirs)), min(self.share - 1, len(theirs)))}:
                lists.append((f"frame {f} replaced by {g} of another", own[:f] + [theirs[g]] + own[f + 1:]))
        for what, pairs in lists:
            frames = [frame for frame, _ in pairs]
            yield f"{what}, old table", b"".join(frames) + sound.seek_table()
            yield f"{what}, fitting table", put_together(frames, [row for _, row in pairs])

    def tables(self):
        """A seek table of which two rows are exchanged, one is gone, one is there twice."""
        rows, frames = list(self.sound.seek), self.sound.frames()
        for _ in range(3 * self.share):
            f, g = self.rng.sample(range(len(rows)), 2)
            swapped = list(rows)
            swapped[f], swapped[g] = rows[g], rows[f]
            yield f"rows {f} and {g} swapped", put_together(frames, swapped)
            yield f"row {f} dropped", put_together(frames, rows[:f] + rows[f + 1:])
            yield f"row {f} doubled", put_together(frames, rows[:f + 1] + rows[f:])
            checksums = list(rows)
            checksums[f], checksums[g] = (*rows[f][:2], rows[g][2]), (*rows[g][:2], rows[f][2])
            yield f"checksums {f} and {g} swapped", put_together(frames, checksums)

    def many(self):
        """Some bits at once, most of them before the index."""
        sound = self.sound
        for _ in range(8 * self.share):
            frames = self.rng.sample(range(sound.count), self.rng.randint(2, min(5, sound.count)))
            bits = [self.rng.randrange(sound.offsets[f] * 8, sound.offsets[f + 1] * 8) for f in frames]
            if self.rng.randrange(4) == 0:
                bits.append((sound.offsets[-1] + 8 + ROW * self.rng.randrange(sound.count) + 8) * 8 + self.rng.randrange(32))
            yield f"bits {sorted(bits)}", self.flipped(bits)
