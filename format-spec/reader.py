#!/usr/bin/env python3
"""Read a pobackup archive: the educational reader.

Written from format.md alone, to be read beside it. Rule ids in comments and messages are those of that text. Slow on
purpose: one thread, one frame at a time, hashes in plain Python. It needs Python 3.11 and, for frames with compressed
blocks, the program `zstd`.

    reader.py list [-l] ARCHIVE
    reader.py verify [--json] ARCHIVE...
    reader.py extract [--windows-names] ARCHIVE -C DIR

Exit codes: 0 ok, 1 some items refused, 2 failed or unsupported, 3 usage, 4 damaged.
"""

import argparse
import bisect
import calendar
import hashlib
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile

MIB = 1 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SEEK_SKIPPABLE_MAGIC = b"\x5e\x2a\x4d\x18"
SEEK_FOOTER_MAGIC = b"\xb1\xea\x92\x8f"
MAX_CONTENT = 32 * MIB
MAX_WINDOW = 32 * MIB
MAX_FRAMES = 4194304
MAX_ENTRIES = 134217728
MAX_PARENTS = 65535
MAX_PATH = 131072
MAX_JSON = 16 * MIB
MAX_MARKS = 400000
MAX_DEPTH = 100
MAX_PAX = 1 * MIB
MAX_EXTENSIONS = 64 * MIB
TIME_UNKNOWN = -(1 << 63)

MANIFEST = b"pobackup/manifest.json"
SUMMARY = b"pobackup/summary.json"
INDEX = b"pobackup/index"
TRAILER = b"pobackup/trailer"
STREAMS = b"pobackup/streams/"

FILE, DIRECTORY, SYMLINK, HARDLINK = 1, 2, 3, 4


class Refused(Exception):
    """An archive, or a part of one, breaks a rule. `kind` is "damaged" or "unsupported"."""

    def __init__(self, kind, rule, text):
        super().__init__(f"{kind}: {rule}: {text}")
        self.kind, self.rule, self.text = kind, rule, text


def damaged(rule, text):
    return Refused("damaged", rule, text)


def unsupported(rule, text):
    return Refused("unsupported", rule, text)


def show(path):
    """A path for people. Bytes that are not UTF-8 become \\xNN."""
    return path.decode("utf-8", "backslashreplace")


# --- XXH64 and XXH3-128, seed 0, from the public xxHash specification --------------------------------------------------

M32 = 0xFFFFFFFF
M64 = 0xFFFFFFFFFFFFFFFF
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MX1, MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def rotl64(x, s):
    return ((x << s) | (x >> (64 - s))) & M64


def avalanche(x):
    x ^= x >> 37
    x = x * MX1 & M64
    return x ^ (x >> 32)


def avalanche64(x):
    x ^= x >> 33
    x = x * P64_2 & M64
    x ^= x >> 29
    x = x * P64_3 & M64
    return x ^ (x >> 32)


def xxh64(data):
    """XXH64 of bytes, as a number."""
    n = len(data)
    pos = 0
    if n >= 32:
        a, b, c, d = (P64_1 + P64_2) & M64, P64_2, 0, -P64_1 & M64
        for v, w, x, y in struct.iter_unpack("<4Q", memoryview(data)[:n & ~31]):
            a = (a + v * P64_2) & M64
            a = ((a << 31) | (a >> 33)) * P64_1 & M64
            b = (b + w * P64_2) & M64
            b = ((b << 31) | (b >> 33)) * P64_1 & M64
            c = (c + x * P64_2) & M64
            c = ((c << 31) | (c >> 33)) * P64_1 & M64
            d = (d + y * P64_2) & M64
            d = ((d << 31) | (d >> 33)) * P64_1 & M64
        h = (rotl64(a, 1) + rotl64(b, 7) + rotl64(c, 12) + rotl64(d, 18)) & M64
        for lane in (a, b, c, d):
            h ^= rotl64(lane * P64_2 & M64, 31) * P64_1 & M64
            h = (h * P64_1 + P64_4) & M64
        pos = n & ~31
    else:
        h = P64_5
    h = (h + n) & M64
    while pos + 8 <= n:
        h ^= rotl64(u64(data, pos) * P64_2 & M64, 31) * P64_1 & M64
        h = (rotl64(h, 27) * P64_1 + P64_4) & M64
        pos += 8
    if pos + 4 <= n:
        h ^= u32(data, pos) * P64_1 & M64
        h = (rotl64(h, 23) * P64_2 + P64_3) & M64
        pos += 4
    while pos < n:
        h ^= data[pos] * P64_5 & M64
        h = rotl64(h, 11) * P64_1 & M64
        pos += 1
    return avalanche64(h)


def content_checksum(data):
    """Zstandard's Content_Checksum: the low 32 bits of XXH64, little-endian."""
    return struct.pack("<I", xxh64(data) & M32)


def canonical(low, high):
    return struct.pack(">QQ", high, low)


def xxh3_short(data):
    """XXH3-128 of up to 16 bytes."""
    n = len(data)
    if n == 0:
        return canonical(avalanche64(u64(SECRET, 64) ^ u64(SECRET, 72)), avalanche64(u64(SECRET, 80) ^ u64(SECRET, 88)))
    if n <= 3:
        combined = data[n - 1] | n << 8 | data[0] << 16 | data[n >> 1] << 24
        swapped = int.from_bytes(combined.to_bytes(4, "little"), "big")
        swapped = (swapped << 13 | swapped >> 19) & M32
        low = u32(SECRET, 0) ^ u32(SECRET, 4) ^ combined
        high = u32(SECRET, 8) ^ u32(SECRET, 12) ^ swapped
        return canonical(avalanche64(low), avalanche64(high))
    if n <= 8:
        value = u64(SECRET, 16) ^ u64(SECRET, 24) ^ u32(data, 0) ^ u32(data, n - 4) << 32
        product = value * (P64_1 + (n << 2))
        low, high = product & M64, product >> 64
        high = (high + (low << 1)) & M64
        low ^= high >> 3
        low ^= low >> 35
        low = low * MX2 & M64
        low ^= low >> 28
        return canonical(low, avalanche(high))
    first, last = u64(data, 0), u64(data, n - 8)
    one = u64(SECRET, 32) ^ u64(SECRET, 40) ^ first ^ last
    two = u64(SECRET, 48) ^ u64(SECRET, 56) ^ last
    product = one * P64_1
    low = ((product & M64) + ((n - 1) << 54)) & M64
    high = ((product >> 64) + (two & ~M32) + (two & M32) * P32_2) & M64
    low ^= int.from_bytes(high.to_bytes(8, "little"), "big")
    product = low * P64_2
    low = product & M64
    high = ((product >> 64) + high * P64_2) & M64
    return canonical(avalanche(low), avalanche(high))


def xxh3_medium(data):
    """XXH3-128 of 17 to 240 bytes."""
    n = len(data)
    acc = [n * P64_1 & M64, 0]

    def mix(at, secret):
        product = (u64(data, at) ^ u64(SECRET, secret)) * (u64(data, at + 8) ^ u64(SECRET, secret + 8))
        return (product & M64) ^ (product >> 64)

    def mix_two(one, two, secret):
        acc[0] = (acc[0] + mix(one, secret)) & M64 ^ ((u64(data, two) + u64(data, two + 8)) & M64)
        acc[1] = (acc[1] + mix(two, secret + 16)) & M64 ^ ((u64(data, one) + u64(data, one + 8)) & M64)

    if n <= 128:
        for i in range((n - 1) >> 5, -1, -1):
            mix_two(i * 16, n - i * 16 - 16, i * 32)
    else:
        for i in range(4):
            mix_two(i * 32, i * 32 + 16, i * 32)
        acc = [avalanche(acc[0]), avalanche(acc[1])]
        for i in range(4, n >> 5):
            mix_two(i * 32, i * 32 + 16, (i - 4) * 32 + 3)
        mix_two(n - 16, n - 32, 103)
    low = (acc[0] + acc[1]) & M64
    high = (acc[0] * P64_1 + acc[1] * P64_4 + n * P64_2) & M64
    return canonical(avalanche(low), -avalanche(high) & M64)


# The secret for stripe 0 to 15 of a block: eight words, each stripe 8 bytes further on.
STRIPE_SECRETS = [struct.unpack_from("<8Q", SECRET, at) for at in range(0, 128, 8)]
SCRAMBLE_SECRET = struct.unpack_from("<8Q", SECRET, 128)
LAST_SECRET = struct.unpack_from("<8Q", SECRET, 121)


class XXH3:
    """XXH3-128 of bytes that come in pieces."""

    def __init__(self, data=b""):
        self.acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
        self.length = 0
        self.tail = b""  # what is not yet in a full block; the last block always stays here
        self.before = b""  # the 64 bytes before the tail
        self.update(data)

    def update(self, data):
        self.length += len(data)
        if len(self.tail) + len(data) <= 1024:
            self.tail += data
            return
        data = self.tail + data
        blocks = (len(data) - 1) // 1024
        for at in range(0, blocks * 1024, 1024):
            self.stripes(data, at, 16)
            self.scramble()
        self.tail = data[blocks * 1024:]
        self.before = data[blocks * 1024 - 64:blocks * 1024]

    def stripes(self, data, at, count, secrets=STRIPE_SECRETS):
        """Accumulate `count` stripes. Sums are cut to 64 bits at the end only: Python's numbers have room."""
        a0, a1, a2, a3, a4, a5, a6, a7 = self.acc
        words = struct.iter_unpack("<8Q", memoryview(data)[at:at + count * 64])
        for (d0, d1, d2, d3, d4, d5, d6, d7), (s0, s1, s2, s3, s4, s5, s6, s7) in zip(words, secrets):
            s0 ^= d0
            s1 ^= d1
            s2 ^= d2
            s3 ^= d3
            s4 ^= d4
            s5 ^= d5
            s6 ^= d6
            s7 ^= d7
            a0 += d1 + (s0 & 0xFFFFFFFF) * (s0 >> 32)
            a1 += d0 + (s1 & 0xFFFFFFFF) * (s1 >> 32)
            a2 += d3 + (s2 & 0xFFFFFFFF) * (s2 >> 32)
            a3 += d2 + (s3 & 0xFFFFFFFF) * (s3 >> 32)
            a4 += d5 + (s4 & 0xFFFFFFFF) * (s4 >> 32)
            a5 += d4 + (s5 & 0xFFFFFFFF) * (s5 >> 32)
            a6 += d7 + (s6 & 0xFFFFFFFF) * (s6 >> 32)
            a7 += d6 + (s7 & 0xFFFFFFFF) * (s7 >> 32)
        self.acc = [a & M64 for a in (a0, a1, a2, a3, a4, a5, a6, a7)]

    def scramble(self):
        self.acc = [((a ^ (a >> 47)) ^ s) * P32_1 & M64 for a, s in zip(self.acc, SCRAMBLE_SECRET)]

    def digest(self):
        """The 16 bytes in canonical form."""
        if self.length <= 16:
            return xxh3_short(self.tail)
        if self.length <= 240:
            return xxh3_medium(self.tail)
        saved = self.acc
        self.stripes(self.tail, 0, (len(self.tail) - 1) // 64)
        self.stripes((self.before + self.tail)[-64:], 0, 1, [LAST_SECRET])
        acc, self.acc = self.acc, saved

        def merge(start, secret):
            for i in range(0, 8, 2):
                product = (acc[i] ^ u64(SECRET, secret + i * 8)) * (acc[i + 1] ^ u64(SECRET, secret + i * 8 + 8))
                start += (product & M64) ^ (product >> 64)
            return avalanche(start & M64)

        return canonical(merge(self.length * P64_1 & M64, 11), merge(~(self.length * P64_2) & M64, 192 - 75))


def xxh3(data):
    return XXH3(data).digest()


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).digest()


# --- Zstandard frames (section 2) --------------------------------------------------------------------------------------

RAW_BLOCK, RLE_BLOCK, COMPRESSED_BLOCK = 0, 1, 2


class Frame:
    """What the header and the blocks of one Zstandard frame say, without decoding."""


def walk_frame(data, is_ours=True):
    """Read one frame's header and walk its blocks. `data` may be longer than the frame; `end` says where it ends.

    Needed because a decoder of whole files takes many frames, skippable ones too, for one. With `is_ours` false any
    Zstandard frame will do (FILE-4)."""
    frame = Frame()
    if data[:4] != ZSTD_MAGIC:
        raise damaged("FRAME-1", "no Zstandard frame")
    if len(data) < 5:
        raise damaged("FRAME-3", "frame cut short")
    descriptor = data[4]
    single = descriptor >> 5 & 1
    if descriptor & (0x18 if is_ours else 0x08):
        raise damaged("FRAME-1", "reserved or unused bit in the frame header is set")
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 0x03]
    if is_ours and dictionary_bytes:
        raise damaged("FRAME-1", "frame has a dictionary id")
    checksum_bytes = descriptor & 0x04
    if is_ours and not checksum_bytes:
        raise damaged("FRAME-1", "frame has no Content_Checksum")
    size_bytes = (single, 2, 4, 8)[descriptor >> 6]
    if is_ours and size_bytes == 0:
        raise damaged("FRAME-1", "frame has no Frame_Content_Size")
    pos = 5
    if len(data) < pos + (1 - single) + dictionary_bytes + size_bytes:
        raise damaged("FRAME-3", "frame cut short")
    if not single:
        exponent, mantissa = data[pos] >> 3, data[pos] & 7
        frame.window = (1 << (10 + exponent)) + (1 << (10 + exponent)) // 8 * mantissa
        pos += 1
    pos += dictionary_bytes
    frame.content_size = int.from_bytes(data[pos:pos + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    pos += size_bytes
    if single:
        frame.window = frame.content_size
    if is_ours and frame.content_size == 0:
        raise damaged("FRAME-1", "frame without content")
    if is_ours and frame.content_size > MAX_CONTENT:
        raise damaged("FRAME-2", f"{frame.content_size} bytes of content; the format allows {MAX_CONTENT}")
    if is_ours and frame.window > MAX_WINDOW:
        raise damaged("FRAME-2", f"window of {frame.window} bytes; the format allows {MAX_WINDOW}")
    largest = min(frame.window, 128 * 1024)
    frame.blocks = []  # (type, position of the block's bytes, Block_Size)
    last = 0
    while not last:
        if len(data) < pos + 3:
            raise damaged("FRAME-3", "frame cut short")
        header = int.from_bytes(data[pos:pos + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        if kind == 3:
            raise damaged("FRAME-1", "block of the reserved type")
        if size > largest:
            raise damaged("FRAME-1", f"block of {size} bytes; Zstandard allows {largest} here")
        frame.blocks.append((kind, pos + 3, size))
        pos += 3 + (1 if kind == RLE_BLOCK else size)
    if len(data) < pos + checksum_bytes:
        raise damaged("FRAME-3", "frame cut short")
    frame.end = pos + checksum_bytes
    frame.checksum = data[pos:frame.end]
    return frame


def run_zstd(data, limit):
    """Up to `limit` decoded bytes, and what `zstd` says when there is something wrong before that."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        with subprocess.Popen(["zstd", "-dcq"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as zstd:
            content = zstd.stdout.read(limit)
            if len(content) == limit:
                zstd.kill()
                return content, None
            problem = zstd.stderr.read(4096).decode("utf-8", "replace").strip()
        return content, None if zstd.returncode == 0 else problem or "failed"


def decode_blocks(data, frame, limit):
    """As run_zstd(), for a frame that walk_frame() has read. Stored and repeated blocks need no program."""
    if any(kind == COMPRESSED_BLOCK for kind, _, _ in frame.blocks):
        return run_zstd(data[:frame.end], limit)
    content = bytearray()
    for kind, pos, size in frame.blocks:
        content += data[pos:pos + size] if kind == RAW_BLOCK else data[pos:pos + 1] * size
        if len(content) >= limit:
            break
    return bytes(content[:limit]), None


def decode_frame(data, frame):
    """The content of a frame that walk_frame() has read. Never more bytes than the header states, plus one."""
    content, problem = decode_blocks(data, frame, frame.content_size + 1)
    if problem:
        raise damaged("FRAME-3", "frame does not decode: " + problem)
    if len(content) != frame.content_size:
        raise damaged("FRAME-3", f"frame decodes to another size than the {frame.content_size} bytes in its header")
    if content_checksum(content) != frame.checksum:
        raise damaged("FRAME-3", "frame's content does not match its Content_Checksum")
    return content


def check_frame_limits(number, compressed, content):
    """What the seek table says of a frame, before any of it is read (READ-1)."""
    if content == 0:
        raise damaged("FRAME-1", f"frame {number} has no content")
    if content > MAX_CONTENT:
        raise damaged("FRAME-2", f"frame {number}: {content} bytes of content; the format allows {MAX_CONTENT}")
    if compressed > content + content // 128 + 512:
        raise damaged("FRAME-2", f"frame {number}: {compressed} compressed bytes for {content} of content")
    if compressed * 32768 < content:
        raise damaged("FRAME-2", f"frame {number}: {compressed} compressed bytes cannot give {content} of content")


def check_whole_limits(what, compressed, content):
    """FRAME-8, for what is taken in whole."""
    if content > MIB + 1024 * compressed:
        raise damaged("FRAME-8", f"{what}: {content} bytes of content in {compressed} compressed bytes")


# --- tar (section 3) ---------------------------------------------------------------------------------------------------

TYPEFLAGS = {b"0": FILE, b"5": DIRECTORY, b"2": SYMLINK, b"1": HARDLINK}


class Member:
    """A member's headers, read. `path` is as in the index: without a directory's trailing slash."""


def tar_number(field, what, optional=False):
    if optional and not field.strip(b"\0"):
        return 0
    if not re.fullmatch(rb"[0-7]+[\0 ]+", field):
        raise damaged("TAR-1", f"{what} is not an octal number")
    return int(field.rstrip(b"\0 "), 8)


def tar_string(field):
    return field.split(b"\0", 1)[0]


def tar_header_block(content, pos):
    """The fields of one header block."""
    block = content[pos:pos + 512]
    if len(block) < 512:
        raise damaged("FRAME-5", "header block crosses the end of a frame")
    if block[257:265] != b"ustar\x0000":
        raise damaged("TAR-1", f"no tar header at {pos}")
    if tar_number(block[148:156], "checksum") != sum(block) - sum(block[148:156]) + 8 * 0x20:
        raise damaged("TAR-1", f"wrong checksum in the tar header at {pos}")
    fields = {
        "name": tar_string(block[0:100]), "mode": tar_number(block[100:108], "mode"), "uid": tar_number(block[108:116], "uid"),
        "gid": tar_number(block[116:124], "gid"), "size": tar_number(block[124:136], "size"),
        "mtime": tar_number(block[136:148], "mtime"), "typeflag": block[156:157], "link": tar_string(block[157:257]),
    }
    prefix = tar_string(block[345:500])
    if prefix:
        fields["name"] = prefix + b"/" + fields["name"]
    return fields


def pax_records(data):
    """The records of an extended header, later ones of a keyword replacing earlier ones. Names get the charset check."""
    records = {}
    binary = False
    pos = 0
    while pos < len(data):
        head = re.match(rb"([1-9][0-9]{0,7}) ", data[pos:pos + 9])
        end = pos + int(head[1]) if head else 0
        if not head or end > len(data) or end <= pos + len(head[0]) or data[end - 1:end] != b"\n":
            raise damaged("TAR-3", "malformed pax record")
        key, equals, value = data[pos + len(head[0]):end - 1].partition(b"=")
        if not equals or not key:
            raise damaged("TAR-3", "malformed pax record")
        if key == b"hdrcharset":
            if value not in (b"BINARY", b"ISO-IR 10646 2000 UTF-8"):
                raise unsupported("TAR-3", f"pax hdrcharset {show(value)}")
            binary = value == b"BINARY"
        if key in (b"path", b"linkpath") and not binary:
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                raise damaged("TAR-4", "a name is not UTF-8 and no hdrcharset=BINARY stands before it") from None
        records[key] = value
        pos = end
    return records


def pax_number(records, key):
    if not re.fullmatch(rb"[0-9]{1,19}", records[key]):
        raise damaged("TAR-3", f"pax record {show(key)} is not a number")
    return int(records[key])


def pax_time(value):
    match = re.fullmatch(rb"(-?)([0-9]{1,12})(?:\.([0-9]{1,7}))?", value)
    if not match:
        raise damaged("TAR-6", f"pax mtime {show(value)} is not a time")
    time = int(match[2]) * 10000000 + int((match[3] or b"").ljust(7, b"0"))
    if match[1]:
        time = -time
    if not -(1 << 63) < time < 1 << 63:
        raise damaged("TAR-6", f"pax mtime {show(value)} is out of range")
    return time


def check_zero(data, rule, what):
    if data.strip(b"\0"):
        raise damaged(rule, f"{what} is not zero")


def read_member(content, pos):
    """Read the headers of the member at `pos` of a frame's content."""
    start = pos
    records = {}
    fields = tar_header_block(content, pos)
    pos += 512
    if fields["typeflag"] == b"x":
        size = fields["size"]
        if not 1 <= size <= MAX_PAX:
            raise damaged("TAR-9", f"{size} bytes of pax records; the format allows 1 to {MAX_PAX}")
        padded = -(-size // 512) * 512
        if pos + padded > len(content):
            raise damaged("FRAME-5", "pax records cross the end of a frame")
        records = pax_records(content[pos:pos + size])
        check_zero(content[pos + size:pos + padded], "TAR-9", "padding after pax records")
        pos += padded
        fields = tar_header_block(content, pos)
        pos += 512
        if fields["typeflag"] == b"x":
            raise damaged("TAR-2", "two extended headers for one member")
    if fields["typeflag"] not in TYPEFLAGS:
        raise unsupported("TAR-2", f"tar typeflag {fields['typeflag']!r}")

    member = Member()
    member.type = TYPEFLAGS[fields["typeflag"]]
    member.header_size = pos - start
    member.mode = fields["mode"]
    member.size = pax_number(records, b"size") if b"size" in records else fields["size"]
    member.time = pax_time(records[b"mtime"]) if b"mtime" in records else fields["mtime"] * 10000000
    for key in (b"uid", b"gid"):
        if key in records:
            pax_number(records, key)
    member.path = records.get(b"path", fields["name"])
    member.link = records.get(b"linkpath", fields["link"]) if member.type in (SYMLINK, HARDLINK) else None
    for key, name in ((b"path", member.path), (b"linkpath", member.link)):
        if name is not None and key not in records and re.search(rb"[^\x20-\x7e]", name):
            raise damaged("TAR-4", f"{show(name)} stands in a ustar field")
        if name is not None and b"\0" in name:
            raise damaged("TAR-8", "a name holds a NUL")
    if member.type == DIRECTORY:
        if not member.path.endswith(b"/"):
            raise damaged("TAR-5", f"directory {show(member.path)} without a slash at its end")
        member.path = member.path[:-1]
    if member.path.endswith(b"/"):
        raise damaged("TAR-5", f"{show(member.path)} ends with a slash")
    if member.type != FILE and member.size:
        raise damaged("TAR-5", f"{show(member.path)} is no file and has a size")
    if not 1 <= len(member.path) <= MAX_PATH:
        raise damaged("TAR-8", f"path of {len(member.path)} bytes")
    return member


def trailer_header():
    """The only header block that TRAILER-5 allows."""
    block = bytearray(512)
    for at, value in ((0, TRAILER), (100, b"0000644"), (108, b"0000000"), (116, b"0000000"), (124, b"00000001000"),
                      (136, b"00000000000"), (148, b" " * 8), (156, b"0"), (257, b"ustar\x0000")):
        block[at:at + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


# --- manifest and summary (section 4) ----------------------------------------------------------------------------------

def strict_json(data, rule):
    """Parse RFC 8259 JSON: an object, UTF-8, no duplicate keys."""
    def no_duplicates(pairs):
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("duplicate key")
        return keys

    def no_constant(name):
        raise ValueError(f"{name} is not JSON")

    if len(data) > MAX_JSON:
        raise damaged(rule, f"{len(data)} bytes; the format allows {MAX_JSON}")
    marks = depth = deepest = 0
    for mark in re.findall(rb'"(?:[^"\\]|\\.)*"?|[][{},]', data, re.DOTALL):
        marks += mark in b"{[,"
        depth += (mark in b"{[") - (mark in b"]}")
        deepest = max(deepest, depth)
    if marks > MAX_MARKS or deepest > MAX_DEPTH:
        raise damaged(rule, f"{marks} brackets and commas, {deepest} deep; the format allows {MAX_MARKS} and {MAX_DEPTH}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise damaged(rule, f"not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise damaged(rule, "not a JSON object")
    return value


def parse_time(text):
    """YYYY-MM-DDThh:mm:ss.fffffffZ as 100 ns steps, or None."""
    match = isinstance(text, str) and re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{7})Z", text)
    if not match:
        return None
    year, month, day, hour, minute, second, steps = map(int, match.groups())
    if not (1 <= year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
            and hour < 24 and minute < 60 and second < 60):
        return None
    return calendar.timegm((year, month, day, hour, minute, second)) * 10000000 + steps


def is_hex(text, digits, letters="0-9a-f"):
    return isinstance(text, str) and re.fullmatch(f"[{letters}]{{{digits}}}", text) is not None


class Manifest:
    def __init__(self, data):
        manifest = strict_json(data, "MANIFEST-1")

        def need(is_right, key):
            if not is_right:
                raise damaged("MANIFEST-1", f"{key} is absent or not as the format wants it")

        form = manifest.get("format")
        need(isinstance(form, dict), "format")
        need(isinstance(form.get("name"), str), "format.name")
        need(type(form.get("version")) is int, "format.version")
        critical = form.get("critical")
        need(isinstance(critical, list) and all(isinstance(c, str) for c in critical), "format.critical")
        if form["name"] != "pobackup":
            raise unsupported("MANIFEST-2", f"format {form['name']!r}")
        if form["version"] != 1:
            raise unsupported("MANIFEST-2", f"format version {form['version']}; a newer program is needed")
        if critical:
            raise unsupported("MANIFEST-2", f"critical feature {critical[0]!r}; a newer program is needed")
        need(is_hex(manifest.get("archive_id"), 32), "archive_id")
        self.archive_id = bytes.fromhex(manifest["archive_id"])
        self.created = parse_time(manifest.get("created"))
        need(self.created is not None, "created")
        need(manifest.get("kind") in ("full", "diff"), "kind")
        parents = manifest.get("parents")
        need(isinstance(parents, list), "parents")
        need((manifest["kind"] == "diff") == bool(parents), "parents of this kind")
        self.parents = []
        for parent in parents:
            need(isinstance(parent, dict), "a parent")
            need(is_hex(parent.get("archive_id"), 32), "a parent's archive_id")
            need(is_hex(parent.get("digest"), 64, "0-9a-fA-F"), "a parent's digest")
            need(parse_time(parent.get("created")) is not None, "a parent's created")
            need(isinstance(parent.get("name"), str), "a parent's name")
            self.parents.append((bytes.fromhex(parent["archive_id"]), bytes.fromhex(parent["digest"])))


# --- index (section 5) -------------------------------------------------------------------------------------------------

def index_counts(header, size, content_before):
    """The counts in the index's header, checked before the rest is there: INDEX-1, INDEX-2."""
    if size < 128:
        raise damaged("INDEX-2", "index shorter than its header")
    if header[:8] != b"pobindex":
        raise damaged("INDEX-1", "index has another magic")
    version, critical = struct.unpack_from("<II", header, 8)
    if version != 1 or critical != 0:
        raise unsupported("INDEX-1", f"index version {version}, critical features {critical:#x}; a newer program is needed")
    check_zero(header[96:128], "INDEX-1", "reserved part of the index header")
    counts = struct.unpack_from("<QQIIQQIIQQ", header, 32)
    n, p, links, descriptors, lb, db, frames, parents, ab, x = counts
    if n > MAX_ENTRIES:
        raise damaged("INDEX-2", f"{n} entries; the format allows {MAX_ENTRIES}")
    if max(p, lb, db, ab) >= 1 << 32 or parents > MAX_PARENTS:
        raise damaged("INDEX-2", "a count in the index header is above its bound")
    if x > MAX_EXTENSIONS + content_before // 64:
        raise damaged("INDEX-2", f"{x} bytes of extensions for {content_before} bytes of content before the index")
    if 128 + 79 * n + p + 8 * links + lb + 4 * descriptors + db + 56 * frames + 60 * parents + ab + x != size:
        raise damaged("INDEX-2", f"the counts in the index header do not give its size, {size} bytes")
    return counts


def escape(text, unsafe):
    return b"".join(b"%%%02X" % c if unsafe(c) else bytes([c]) for c in text)


def stream_path(owner, name):
    """The path of an alternate stream (STREAM-1)."""
    last = name[-1:] in (b".", b" ")
    end = escape(name[len(name) - last:], lambda c: True)
    return (STREAMS + escape(owner, lambda c: c == 0x25) + b"/%/"
            + escape(name[:len(name) - last], lambda c: c < 0x20 or c == 0x7F or c in b'%"*<>?|') + end)


def split_stream(path):
    """Owner and name of an alternate stream, by its path."""
    owner, mark, name = path[len(STREAMS):].rpartition(b"/%/")
    if not mark or b"/" in name:
        raise damaged("STREAM-1", f"{show(path)} names no alternate stream")
    owner, name = (re.sub(rb"%([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), part) for part in (owner, name))
    if stream_path(owner, name) != path:
        raise damaged("STREAM-1", f"{show(path)} names an alternate stream in another form")
    try:
        units = name.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        units = b""
    if not 1 <= len(units) // 2 <= 255 or re.search(rb"[\0/\\:]", name):
        raise damaged("STREAM-2", f"{show(path)}: no alternate stream has such a name")
    return owner, name


class Index:
    """The columns of the index as tuples, checked as far as the index alone allows."""

    def __init__(self, data, counts):
        self.archive_id = data[16:32]
        n, p, links, descriptors, lb, db, frames, parents, ab, x = counts
        self.n = n
        pos = 128

        def take(size):
            nonlocal pos
            pos += size
            return data[pos - size:pos]

        def column(count, code):
            return struct.unpack(f"<{count}{code}", take(count * struct.calcsize("<" + code)))

        self.size = column(n, "Q")
        self.write_time = column(n, "q")
        self.create_time = column(n, "q")
        self.change_time = column(n, "q")
        self.file_id = column(n, "Q")
        self.hash = [h for h, in struct.iter_unpack("16s", take(16 * n))]
        path_end = column(n, "I")
        self.attributes = column(n, "I")
        self.security = column(n, "I")
        self.frame = column(n, "I")
        self.offset = column(n, "I")
        self.source = column(n, "H")
        self.type = column(n, "B")
        self.paths = self.split(take(p), path_end, "path")
        link_entry = column(links, "I")
        link_end = column(links, "I")
        link_targets = self.split(take(lb), link_end, "link")
        security_end = column(descriptors, "I")
        self.descriptors = self.split(take(db), security_end, "security descriptor")
        self.frames = list(struct.iter_unpack("<II16s32s", take(56 * frames)))
        parent_table = list(struct.iter_unpack("<16s32sqI", take(60 * parents)))
        names = self.split(take(ab), [row[3] for row in parent_table], "parent's name")
        self.parents = [(row[0], row[1], row[2], name) for row, name in zip(parent_table, names)]
        self.dropped = None  # places of members that are not part of the snapshot (INDEX-11)
        self.read_extensions(take(x))
        self.check_entries()
        self.check_links(link_entry, link_targets)
        self.check_streams()

    @staticmethod
    def split(data, ends, what):
        """Cut a section at its "end" column (INDEX-4)."""
        parts, start = [], 0
        for end in ends:
            if not start <= end <= len(data):
                raise damaged("INDEX-4", f"end of a {what} out of order")
            parts.append(data[start:end])
            start = end
        if start != len(data):
            raise damaged("INDEX-4", f"bytes after the last {what}")
        return parts

    def read_extensions(self, data):
        pos = 0
        while pos < len(data):
            if len(data) - pos < 16:
                raise damaged("INDEX-2", "extension cut short")
            tag, flags, size = struct.unpack_from("<IIQ", data, pos)
            content = data[pos + 16:pos + 16 + size]
            pos += 16 + size
            if pos > len(data):
                raise damaged("INDEX-2", "extension longer than its section")
            if tag == 1:
                self.read_dropped(flags, content)
            elif flags & 1:
                raise unsupported("INDEX-1", f"critical extension {tag:#x}; a newer program is needed")
        self.dropped = self.dropped or []

    def read_dropped(self, flags, data):
        if self.dropped is not None:
            raise damaged("INDEX-11", "extension 1 stands twice")
        if flags & 1 or len(data) % 8:
            raise damaged("INDEX-11", "extension 1 is critical, or no list of pairs")
        self.dropped = list(struct.iter_unpack("<II", data))
        if any(one >= two for one, two in zip(self.dropped, self.dropped[1:])):
            raise damaged("INDEX-11", "places in extension 1 do not rise")

    def check_entries(self):
        before = b""
        for e, path in enumerate(self.paths):
            if not 1 <= len(path) <= MAX_PATH or b"\0" in path or path.endswith(b"/"):
                raise damaged("INDEX-3", f"path of entry {e} is not a path")
            if path <= before:
                raise damaged("INDEX-3", f"path of entry {e} is not above the one before it")
            before = path
            if not FILE <= self.type[e] <= HARDLINK:
                raise unsupported("INDEX-5", f"{show(path)}: type {self.type[e]}")
            if self.type[e] != FILE and (self.size[e] or self.hash[e].strip(b"\0")):
                raise damaged("INDEX-5", f"{show(path)} is no file and has a size or a content hash")
            if self.security[e] > len(self.descriptors):
                raise damaged("INDEX-5", f"{show(path)}: no security descriptor {self.security[e]}")
            if self.source[e] > len(self.parents):
                raise damaged("INDEX-5", f"{show(path)}: no parent {self.source[e]}")

    def check_links(self, entries, targets):
        self.link = {}
        before = -1
        for e, target in zip(entries, targets):
            if e <= before or e >= self.n:
                raise damaged("INDEX-5", "link entries do not rise, or point nowhere")
            before = e
            if self.type[e] not in (SYMLINK, HARDLINK):
                raise damaged("INDEX-5", f"{show(self.paths[e])} has a link target and is no link")
            self.link[e] = target
        for e in range(self.n):
            if self.type[e] in (SYMLINK, HARDLINK) and e not in self.link:
                raise damaged("INDEX-5", f"{show(self.paths[e])} is a link without a target")
            if self.type[e] == HARDLINK:
                target = self.find(self.link[e])
                if target is None or self.type[target] != FILE:
                    raise damaged("INDEX-10", f"{show(self.paths[e])}: its target is not the path of a file")

    def check_streams(self):
        """What lies in pobackup/streams/ (section 3)."""
        for e in range(bisect.bisect_left(self.paths, STREAMS), self.n):
            path = self.paths[e]
            if not path.startswith(STREAMS):
                break
            owner, name = split_stream(path)
            if self.type[e] != FILE:
                raise damaged("STREAM-3", f"{show(path)} is no file")
            of = self.find(owner)
            if of is None or self.type[of] not in (FILE, DIRECTORY) or owner.startswith(b"pobackup/"):
                raise damaged("STREAM-3", f"{show(path)} is a stream of nothing in the snapshot")

    def find(self, path):
        """The number of the entry with this path, or None."""
        e = bisect.bisect_left(self.paths, path)
        return e if e < self.n and self.paths[e] == path else None


# --- the file: seek table, trailer, index (sections 1, 6, 7) -----------------------------------------------------------

class Trailer:
    def __init__(self, data):
        if data[:8] != b"pobtrail":
            raise damaged("TRAILER-2", "trailer has another magic")
        if xxh3(data[:496]) != data[496:]:
            raise damaged("TRAILER-2", "trailer does not match its hash")
        version, critical = struct.unpack_from("<II", data, 8)
        if version != 1 or critical != 0:
            raise unsupported("TRAILER-2", f"trailer version {version}, critical features {critical:#x}; a newer program is needed")
        check_zero(data[168:496], "TRAILER-2", "reserved part of the trailer")
        self.digest = blake2b(data)
        (self.archive_id, self.created, self.first_index, self.index_frames, self.index_offset, self.index_compressed,
         self.index_size, self.index_xxh3, self.index_blake2b, self.manifest_blake2b, self.entries,
         self.sizes) = struct.unpack_from("<16sqIIQQQ16s32s32sQQ", data, 16)


class Archive:
    """An open archive. The constructor reads and checks all but the data frames; check_manifest() is the rest of the head."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")
        self.cached = (None, None)
        try:
            self.file_size = self.file.seek(0, os.SEEK_END)
            try:
                self.read_seek_table()
                trailer = self.read_trailer_frame()
            except Refused:
                self.check_is_ours()
                raise
            self.check_seek_table()
            self.trailer = Trailer(trailer)
            self.read_index()
        except BaseException:
            self.file.close()
            raise

    def read(self, offset, size):
        self.file.seek(offset)
        data = self.file.read(size)
        if len(data) != size:
            raise damaged("FRAME-3", "the file ends early")
        return data

    def check_is_ours(self):
        """FILE-3, FILE-4: the end is not that of an archive; is the start? The seek table is not to be trusted here."""
        data = self.read(0, min(self.file_size, MAX_CONTENT + MAX_CONTENT // 128 + 512))
        if data[:4] != ZSTD_MAGIC:
            raise unsupported("FILE-3", "neither begins nor ends like an archive")
        limit = MAX_PAX + 4096  # enough for the headers of a first member
        try:
            frame = walk_frame(data, is_ours=False)
            if frame.window > MAX_WINDOW:
                raise unsupported("FILE-4", "a Zstandard file with a large window, not an archive of this format")
            content, problem = decode_blocks(data, frame, limit)
            if problem or (frame.checksum and len(content) < limit and content_checksum(content) != frame.checksum):
                return  # the first frame does not decode: damaged
        except Refused as error:
            if error.kind == "unsupported":
                raise
            if len(data) == self.file_size:
                return  # likewise
            content, _ = run_zstd(data, limit)  # a longer frame than ours may be: its start only
        try:
            is_ours = read_member(content, 0).path == MANIFEST
        except Refused:
            is_ours = False
        if not is_ours:
            raise unsupported("FILE-4", "a Zstandard file, not an archive of this format")

    def read_seek_table(self):
        if self.file_size < 17 or self.read(self.file_size - 4, 4) != SEEK_FOOTER_MAGIC:
            raise damaged("FILE-2", "does not end with a seek table")
        frames, descriptor = struct.unpack("<IB", self.read(self.file_size - 9, 5))
        if descriptor != 0x80:
            raise damaged("SEEK-1", f"seek table descriptor {descriptor:#04x}")
        if frames > MAX_FRAMES:
            raise damaged("FRAME-7", f"{frames} frames; the format allows {MAX_FRAMES}")
        self.seek_offset = self.file_size - (8 + 12 * frames + 9)
        if self.seek_offset < 0:
            raise damaged("SEEK-1", "seek table larger than the file")
        head = self.read(self.seek_offset, 8)
        if head[:4] != SEEK_SKIPPABLE_MAGIC or u32(head, 4) != 12 * frames + 9:
            raise damaged("SEEK-1", "seek table's magic or size is wrong")
        self.seek = list(struct.iter_unpack("<II4s", self.read(self.seek_offset + 8, 12 * frames)))
        self.offsets = [0]
        for compressed, _, _ in self.seek:
            self.offsets.append(self.offsets[-1] + compressed)

    def check_seek_table(self):
        if self.offsets[-1] != self.seek_offset:
            raise damaged("SEEK-2", "compressed sizes do not add up to the seek table's offset")
        if len(self.seek) < 4:
            raise damaged("FILE-1", f"{len(self.seek)} frames cannot hold all parts")
        if self.seek[-1][:2] != (2062, 2048):
            raise damaged("SEEK-2", "seek table has other sizes for the last frame")
        if self.seek[-1][2] != self.read(self.seek_offset - 4, 4):
            raise damaged("SEEK-3", "seek table has another checksum for the last frame")

    def read_trailer_frame(self):
        """The 512 bytes of the trailer: TRAILER-1, TRAILER-5. Found by its place before the seek table."""
        if self.seek_offset < 2062:
            raise damaged("TRAILER-1", "no room for the last data frame")
        data = self.read(self.seek_offset - 2062, 2062)
        content = data[10:2058]
        if data[:10] != bytes.fromhex("28b52ffd640007014000"):
            raise damaged("TRAILER-1", "last data frame is not a stored block of 2,048 bytes")
        if content_checksum(content) != data[2058:]:
            raise damaged("TRAILER-1", "last data frame does not match its checksum")
        if content[:512] != trailer_header():
            raise damaged("TRAILER-5", "the trailer's tar header is another")
        check_zero(content[1024:], "TRAILER-1", "end of the tar")
        return content[512:1024]

    def check_tables(self):
        """The trailer and the seek table, before any frame is decoded: TRAILER-3, FRAME-2, FRAME-8."""
        trailer, frames = self.trailer, len(self.seek)
        first, count = trailer.first_index, trailer.index_frames
        if count < 1 or first + count != frames - 1:
            raise damaged("TRAILER-3", "the trailer's index frames are not those before the last")
        if first < 2:
            raise damaged("FILE-1", "no frames for manifest and summary")
        if (trailer.index_offset != self.offsets[first]
                or trailer.index_compressed != self.offsets[first + count] - self.offsets[first]):
            raise damaged("TRAILER-3", "the trailer has another place for the index than the seek table")
        for f in range(first + count):
            check_frame_limits(f, *self.seek[f][:2])
        check_whole_limits("manifest", *self.seek[0][:2])
        check_whole_limits("summary", *self.seek[first - 1][:2])
        check_whole_limits("index", trailer.index_compressed, sum(self.seek[f][1] for f in range(first, first + count)))

    def read_index(self):
        trailer = self.trailer
        first = trailer.first_index
        numbers = range(first, first + trailer.index_frames)
        self.check_tables()
        hasher = XXH3()
        for f in numbers:
            hasher.update(self.compressed(f))
        if hasher.digest() != trailer.index_xxh3:
            raise damaged("TRAILER-4", "index frames do not match their hash in the trailer")
        content = self.decode_index(first)
        member = read_member(content, 0)
        start, end = member.header_size, member.header_size + trailer.index_size
        if member.path != INDEX or member.type != FILE or member.size != trailer.index_size:
            raise damaged("TRAILER-3", "index frames do not begin with the index")
        if end + -end % 512 != sum(self.seek[f][1] for f in numbers):
            raise damaged("TRAILER-3", "index frames hold more or less than the index")
        if len(content) - start < min(128, trailer.index_size):
            raise damaged("TRAILER-3", "the index's header goes on in a second frame")
        counts = index_counts(content[start:start + 128], trailer.index_size, sum(row[1] for row in self.seek[:first]))
        content = b"".join([content] + [self.decode_index(f) for f in numbers[1:]])
        check_zero(content[end:], "TAR-9", "padding after the index")
        content = content[start:end]
        if blake2b(content) != trailer.index_blake2b:
            raise damaged("TRAILER-4", "index does not match its digest in the trailer")
        self.index = index = Index(content, counts)
        if index.archive_id != trailer.archive_id:
            raise damaged("INDEX-10", "index and trailer have different archive ids")
        if index.n != trailer.entries or sum(index.size) != trailer.sizes:
            raise damaged("TRAILER-4", "index and trailer count entries or sizes differently")
        if len(index.frames) != first:
            raise damaged("INDEX-6", f"index describes {len(index.frames)} frames, {first} stand before it")
        for f, (content_size, compressed, _, _) in enumerate(index.frames):
            if (compressed, content_size) != self.seek[f][:2]:
                raise damaged("INDEX-6", f"index and seek table differ on frame {f}")
        self.starts = {}  # (frame, offset) of own members to their entry
        self.doubled = []  # entries at the place of another: found when their frame is looked at (INDEX-7)
        for e in range(index.n):
            if index.source[e] == 0:
                f, offset = index.frame[e], index.offset[e]
                if f >= first or offset >= index.frames[f][0] or offset % 512:
                    raise damaged("INDEX-6", f"{show(index.paths[e])}: no member can be at frame {f}, offset {offset}")
                if (f, offset) in self.starts:
                    self.doubled.append(e)
                else:
                    self.starts[f, offset] = e
        for place in index.dropped:
            if place in self.starts:
                raise damaged("INDEX-11", f"{show(index.paths[self.starts[place]])} is an entry and not part of the snapshot")

    def decode_index(self, f):
        self.check_seek_checksum(f)
        return self.decode(f)

    def compressed(self, f):
        return self.read(self.offsets[f], self.seek[f][0])

    def check_seek_checksum(self, f):
        if self.read(self.offsets[f + 1] - 4, 4) != self.seek[f][2]:
            raise damaged("SEEK-3", f"seek table has another checksum for frame {f}")

    def decode(self, f):
        """Decode frame f: FRAME-1 to 3."""
        data = self.compressed(f)
        try:
            frame = walk_frame(data)
            if frame.content_size != self.seek[f][1]:
                raise damaged("SEEK-2", f"{frame.content_size} bytes of content; the seek table says {self.seek[f][1]}")
            if frame.end != len(data):
                raise damaged("FRAME-3", f"frame has {frame.end} bytes; the seek table says {len(data)}")
            return decode_frame(data, frame)
        except Refused as error:
            raise Refused(error.kind, error.rule, f"frame {f}: {error.text}") from None

    def check_hashes(self, f):
        """INDEX-8 for a frame before the index."""
        data = self.compressed(f)
        if xxh3(data) != self.index.frames[f][2] or blake2b(data) != self.index.frames[f][3]:
            raise damaged("INDEX-8", f"frame {f} does not match its hashes in the index")

    def content(self, f):
        """The checked content of a frame before the index. The last one is kept."""
        if self.cached[0] != f:
            self.check_hashes(f)
            self.cached = (f, self.decode(f))
        return self.cached[1]

    def check_manifest(self):
        """Read frame 0 and check it against trailer and index."""
        content = self.content(0)
        member = self.check_alone(content, MANIFEST, 0)
        data = content[member.header_size:member.header_size + member.size]
        if blake2b(data) != self.trailer.manifest_blake2b:
            raise damaged("TRAILER-4", "manifest does not match its digest in the trailer")
        manifest = Manifest(data)
        if manifest.archive_id != self.trailer.archive_id:
            raise damaged("MANIFEST-3", "manifest and trailer have different archive ids")
        if manifest.created != self.trailer.created:
            raise damaged("MANIFEST-3", "manifest and trailer have different times of creation")
        if manifest.parents != [(row[0], row[1]) for row in self.index.parents]:
            raise damaged("MANIFEST-3", "manifest and index have different parents")

    def check_summary(self):
        f = len(self.index.frames) - 1
        content = self.content(f)
        member = self.check_alone(content, SUMMARY, f)
        strict_json(content[member.header_size:member.header_size + member.size], "SUMMARY-1")

    @staticmethod
    def check_alone(content, path, f):
        """FRAME-6: this member, whole, and nothing else."""
        member = read_member(content, 0)
        end = member.header_size + member.size
        if member.path != path or member.type != FILE or end + -end % 512 != len(content):
            raise damaged("FRAME-6", f"frame {f} does not hold {show(path)} alone")
        return member

    def open_member(self, f, offset):
        """The member at a place, and an iterator over its content. For extraction and for a child's entries."""
        if f >= len(self.index.frames) or offset >= self.index.frames[f][0]:
            raise damaged("INDEX-9", f"{self.path} has no frame {f} with an offset {offset}")
        member = read_member(self.content(f), offset)

        def pieces(f=f, pos=offset + member.header_size, left=member.size):
            while left:
                if f >= len(self.index.frames):
                    raise damaged("FRAME-6", f"{show(member.path)} does not end before the index")
                piece = self.content(f)[pos:pos + left]
                left -= len(piece)
                yield piece
                f, pos = f + 1, 0
        return member, pieces()


def archive_digest(path):
    """The digest of an archive, or None for what is no archive."""
    try:
        archive = Archive(path)
    except (OSError, Refused):
        return None
    archive.file.close()
    return archive.trailer.digest


def find_parent(archive, number, candidates):
    """Parent `number` (from 1) among the named archives, else beside the child: under its name, or under another (INDEX-9).

    Returns an open Archive, or None when there is none. Another archive under that name is refused."""
    _, digest, _, name = archive.index.parents[number - 1]
    for path in candidates:
        if archive_digest(path) == digest:
            return Archive(path)
    directory = os.path.dirname(os.fsencode(archive.path))
    if name and not (b"/" in name or b"\\" in name or b"\0" in name or name in (b".", b"..")):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            if archive_digest(path) != digest:
                raise damaged("INDEX-9", f"{show(name)} is not the parent: its digest is another")
            return Archive(os.fsdecode(path))
    for other in sorted(os.listdir(directory or b".")):
        path = os.path.join(directory, other)
        if other.endswith(b".tar.zst") and os.path.isfile(path) and not os.path.islink(path) and archive_digest(path) == digest:
            return Archive(os.fsdecode(path))
    return None


# --- verification (section 8) ------------------------------------------------------------------------------------------

class Report:
    def __init__(self):
        self.problems = []
        self.hits = []
        self.notes = []

    def add(self, error):
        self.problems.append(error)

    def hit(self, path):
        if path not in self.hits:
            self.hits.append(path)

    def first(self):
        """The problem that gives the verdict: the first damage, else the first that is not supported."""
        for kind in ("damaged", "unsupported"):
            for problem in self.problems:
                if problem.kind == kind:
                    return problem
        return None

    def verdict(self):
        problem = self.first()
        return problem.kind if problem else "ok"


class Walk:
    """Walk the tar through the data frames and compare it with the index (INDEX-7)."""

    def __init__(self, archive, report):
        self.archive, self.index, self.report = archive, archive.index, report
        self.last = len(self.index.frames) - 1
        self.open = None  # the member that the frames so far left unfinished
        self.lost = False  # after a frame that could not be read: no telling where in the tar we are
        self.gaps = False
        self.continued = None  # the entry that goes on into the frame that is looked at
        self.seen = set()
        self.visited = set()
        self.dropped = set(archive.index.dropped)  # INDEX-11: places not yet come by
        self.links = []  # what is wrong with hard links: it hits no entry
        self.begins = {}  # frame to the entries that begin in it
        for e in [*archive.starts.values(), *archive.doubled]:
            self.begins.setdefault(self.index.frame[e], []).append(e)

    def unreadable(self, f, size):
        """Frame f is of no use: name what it hits and step over it."""
        self.gaps = True
        self.continued = self.open.entry if self.open else None
        if self.open:
            self.open.hasher = None
            self.open.left -= size
            if self.open.left <= 0:
                self.lost = self.open.left < 0
                self.open = None
        else:
            self.lost = True
        self.hit(f)

    def hit(self, f):
        """Name what frame f hits, which is damaged: what goes on into it, and what begins in it (READ-2)."""
        if self.continued is not None:
            self.report.hit(self.index.paths[self.continued])
        for e in self.begins.get(f, []):
            self.visited.add(e)
            self.report.hit(self.index.paths[e])

    def frame(self, f, content):
        """Take in the content of frame f, and name what it hits if anything is wrong with what is in it."""
        self.continued = self.open.entry if self.open else None
        before = len(self.report.problems)
        try:
            self.take_frame(f, content)
        except Refused as error:
            self.report.add(error)
            self.open, self.lost, self.gaps = None, True, True
        if len(self.report.problems) > before:
            self.hit(f)

    def take_frame(self, f, content):
        for e in self.archive.doubled:
            if self.index.frame[e] == f:
                self.report.add(damaged("INDEX-7", f"{show(self.index.paths[e])}: another entry is at the same place"))
        if self.open:
            if f == self.last:
                raise damaged("FRAME-6", f"frame {f} begins inside {show(self.open.path)}")
            pos = self.take(content, 0)
            if pos < len(content):
                raise damaged("FRAME-4", f"frame {f} goes on with another member after {show(self.open_path)}")
            return
        if self.lost and f not in self.begins:
            return  # by FRAME-4 the inside of a member whose start was lost
        self.lost = False
        pos = 0
        while pos < len(content):
            try:
                member = read_member(content, pos)
                self.begin(member, f, pos)
            except Refused as error:
                raise Refused(error.kind, error.rule, f"frame {f} at {pos}: {error.text}") from None
            pos = self.take(content, pos + member.header_size)

    def begin(self, member, f, pos):
        index, path = self.index, member.path
        if path in (INDEX, TRAILER) or (path == MANIFEST and f != 0) or (path == SUMMARY and f != self.last):
            self.report.add(damaged("FILE-1", f"{show(path)} stands among the members"))
        if member.type == HARDLINK and not self.gaps and member.link not in self.seen:
            target = index.find(member.link)
            if target is None or index.source[target] == 0:
                self.links.append(damaged("TAR-2", f"{show(path)} links to what is no earlier member"))
        self.seen.add(path)
        member.left = member.size + -member.size % 512
        member.pad = -member.size % 512
        member.hasher = XXH3() if member.type == FILE else None
        member.entry = e = self.archive.starts.get((f, pos))
        self.open, self.open_path = member, path
        if e is None:
            # Only a member that a later one of its path replaces (TAR-7) and a dropped one (INDEX-11) may be absent.
            winner = index.find(path)
            is_dropped = (f, pos) in self.dropped
            self.dropped.discard((f, pos))
            if winner is None or index.source[winner] != 0:
                if not is_dropped:
                    self.report.add(damaged("INDEX-7", f"the index has no {show(path)}, which is at frame {f}, offset {pos}"))
            elif (index.frame[winner], index.offset[winner]) < (f, pos):
                self.report.add(damaged("INDEX-7", f"the index has an earlier {show(path)} than that at frame {f}, offset {pos}"))
            return
        self.visited.add(e)
        if path != index.paths[e]:
            self.report.add(damaged("INDEX-7", f"the tar has {show(path)} where the index has {show(index.paths[e])}"))
            return
        for what, is_same in (("type", index.type[e] == member.type), ("size", member.size == index.size[e]),
                              ("write time", member.time == index.write_time[e]),
                              ("link target", member.link == index.link.get(e))):
            if not is_same:
                self.report.add(damaged("INDEX-7", f"{show(path)}: tar and index differ on its {what}"))

    def finish(self):
        """After the last frame, when all could be read."""
        for error in self.links:
            self.report.add(error)
        for e in self.archive.starts.values():
            if e not in self.visited:
                self.report.add(damaged("INDEX-7", f"{show(self.index.paths[e])}: no member at its place"))
        for f, offset in sorted(self.dropped):
            self.report.add(damaged("INDEX-11", f"no member at frame {f}, offset {offset}"))

    def take(self, content, pos):
        """Take content and padding of the open member; return the position behind."""
        member = self.open
        end = min(len(content), pos + max(member.left - member.pad, 0))
        if member.hasher:
            member.hasher.update(content[pos:end])
        member.left -= end - pos
        stop = min(len(content), end + member.left) if member.left <= member.pad else end
        check_zero(content[end:stop], "TAR-9", f"padding after {show(member.path)}")
        member.left -= stop - end
        if member.left == 0:
            e = member.entry
            if member.hasher and e is not None and member.hasher.digest() != self.index.hash[e]:
                self.report.add(damaged("INDEX-7", f"{show(member.path)}: its content has another hash than the index says"))
            self.open = None
        return stop


def verify(path, candidates=(), stop_early=False):
    """Check an archive against every rule. With `stop_early` the first problem ends it (hits are then incomplete)."""
    report = Report()
    try:
        archive = Archive(path)
    except Refused as error:
        report.add(error)
        return report
    with archive.file:
        walk = Walk(archive, report)
        for f in range(walk.last + 1):
            try:
                archive.check_seek_checksum(f)
            except Refused as error:  # the fault may be in the table alone: INDEX-8 tells
                report.add(error)
            try:
                content = archive.content(f)
            except Refused as error:
                report.add(error)
                walk.unreadable(f, archive.seek[f][1])
                if stop_early:
                    break
                continue
            try:
                if f == 0:
                    archive.check_manifest()
                elif f == walk.last:
                    archive.check_summary()
            except Refused as error:
                report.add(error)
                if error.rule == "MANIFEST-2":  # nothing is said about the rest
                    return report
            walk.frame(f, content)
            if stop_early and report.problems:
                break
        if not walk.gaps:
            walk.finish()
        if not (stop_early and report.problems):
            for number in range(1, len(archive.index.parents) + 1):
                verify_parent(archive, number, candidates, report)
    return report


def verify_parent(archive, number, candidates, report):
    """INDEX-9: each entry of this source is where the index says, in the right parent: its index tells."""
    index = archive.index
    try:
        parent = find_parent(archive, number, candidates)
    except Refused as error:
        report.add(error)
        return
    if parent is None:
        report.notes.append(f"parent {show(index.parents[number - 1][3])} is not here: its entries are not checked")
        return
    parent.file.close()
    theirs = parent.index

    def facts(of, e):
        return of.paths[e], of.type[e], of.size[e], of.write_time[e], of.link.get(e), of.hash[e]

    for e in range(index.n):
        if index.source[e] == number:
            there = parent.starts.get((index.frame[e], index.offset[e]))
            if there is None or facts(index, e) != facts(theirs, there):
                report.add(damaged("INDEX-9", f"{show(index.paths[e])}: the parent has no such entry at frame {index.frame[e]}, "
                                              f"offset {index.offset[e]}"))


def check_member(index, e, member):
    """What stands at an entry's place must be that entry."""
    if index.type[e] != member.type or member.size != index.size[e] or member.link != index.link.get(e):
        rule = "INDEX-9" if index.source[e] else "INDEX-7"
        raise damaged(rule, f"what stands at frame {index.frame[e]}, offset {index.offset[e]} is another member")


# --- extraction (section 9) --------------------------------------------------------------------------------------------

DEVICES = re.compile(r"CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9]", re.IGNORECASE)


def name_fault(path, for_windows):
    """Why NAME-1 refuses a path, or None."""
    for part in path.split(b"/"):
        if part in (b"", b".", b".."):
            return "absolute, or an empty, . or .. component"
        if for_windows:
            text = part.decode("utf-8", "surrogateescape")
            if re.search(r'[:\\\x00-\x1f\x7f]', text) or text[-1] in ". " or DEVICES.fullmatch(text.split(".")[0].rstrip(" ")):
                return "not a safe name on Windows"
    return None


class Extraction:
    """Write entries below a directory. Every step is relative to an opened directory and follows no link (NAME-2)."""

    def __init__(self, archive, parents, target, for_windows):
        self.archive, self.index, self.parents = archive, archive.index, parents
        self.for_windows = for_windows
        self.root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        self.refused = self.broken = 0
        self.modes = {}

    def refuse(self, e, why):
        self.refused += 1
        report_line("refused", self.index.paths[e], why)

    def parent_of(self, path):
        """Open the directory that is to hold `path`, making those that are missing. Returns (fd, last component)."""
        *parts, name = path.split(b"/")
        fd = os.dup(self.root)
        for part in parts:
            try:
                try:
                    os.mkdir(part, 0o777, dir_fd=fd)
                except FileExistsError:
                    pass
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        return fd, name

    def member(self, e):
        source = self.parents[self.index.source[e]]
        member, pieces = source.open_member(self.index.frame[e], self.index.offset[e])
        check_member(self.index, e, member)
        return member, pieces

    def run(self):
        index = self.index
        order = []
        for e, path in enumerate(index.paths):
            fault = name_fault(path, self.for_windows)
            if fault:
                self.refuse(e, fault)
            else:
                order.append(e)
        # Directories and symbolic links first, by path; files in the order of the frames; then hard links.
        rank = {DIRECTORY: 0, SYMLINK: 0, FILE: 1, HARDLINK: 2}

        def key(e):
            place = (index.source[e], index.frame[e], index.offset[e]) if index.type[e] == FILE else (0, 0, 0)
            return (rank[index.type[e]], place, e)

        for e in sorted(order, key=key):
            self.attempt(self.make, e)
        for e in sorted((e for e in self.modes if index.type[e] == DIRECTORY), reverse=True):
            self.attempt(self.finish_directory, e)

    def attempt(self, action, e):
        try:
            fd, name = self.parent_of(self.index.paths[e])
        except OSError as error:
            self.refuse(e, f"a component is a link, or no directory: {error.strerror}")
            return
        try:
            action(e, fd, name)
        except Refused as error:
            self.broken += 1
            report_line("damaged", self.index.paths[e], f"{error.rule}: {error.text}")
        except (OSError, OverflowError) as error:
            self.refuse(e, str(error.args[-1]))
        finally:
            os.close(fd)

    def make(self, e, fd, name):
        index = self.index
        if index.type[e] == HARDLINK:
            fault = name_fault(index.link[e], self.for_windows)
            if fault:
                self.refuse(e, "link target: " + fault)
                return
            from_fd, from_name = self.parent_of(index.link[e])
            try:
                if not stat.S_ISREG(os.stat(from_name, dir_fd=from_fd, follow_symlinks=False).st_mode):
                    raise OSError("link target is no file")
                os.link(from_name, name, src_dir_fd=from_fd, dst_dir_fd=fd, follow_symlinks=False)
            finally:
                os.close(from_fd)
            return
        member, pieces = self.member(e)
        if index.type[e] == DIRECTORY:
            try:
                os.mkdir(name, 0o777, dir_fd=fd)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    raise
            self.modes[e] = member.mode & 0o777
        elif index.type[e] == SYMLINK:
            os.symlink(index.link[e], name, dir_fd=fd)
            self.set_time(e, name, fd)
        else:
            self.make_file(e, fd, name, member, pieces)

    def make_file(self, e, fd, name, member, pieces):
        out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
        is_good = False
        try:
            with open(out, "wb") as file:
                hasher = XXH3()
                for piece in pieces:
                    hasher.update(piece)
                    file.write(piece)
                if hasher.digest() != self.index.hash[e]:  # READ-3
                    raise damaged("READ-3", "its content has another hash than the index says")
                os.fchmod(out, member.mode & 0o777)
            is_good = True
        finally:
            if not is_good:
                os.unlink(name, dir_fd=fd)
        self.set_time(e, name, fd)

    def finish_directory(self, e, fd, name):
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        try:
            os.fchmod(inner, self.modes[e])
        finally:
            os.close(inner)
        self.set_time(e, name, fd)

    def set_time(self, e, name, fd):
        time = self.index.write_time[e]
        if time != TIME_UNKNOWN:
            os.utime(name, ns=(time * 100, time * 100), dir_fd=fd, follow_symlinks=False)


# --- the program -------------------------------------------------------------------------------------------------------

def report_line(what, path, why=""):
    """One line with a path as it is, byte for byte."""
    line = what.encode() + b": " + path + (b": " + why.encode("utf-8", "backslashreplace") if why else b"")
    sys.stdout.buffer.write(line + b"\n")


def format_time(time):
    """A time in ISO 8601, also for years that Python's own types do not know."""
    if time == TIME_UNKNOWN:
        return "-"
    seconds, steps = divmod(time, 10000000)
    days, second = divmod(seconds, 86400)
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += era * 400 + (month >= 10)
    month += 3 if month < 10 else -9
    return f"{year:04}-{month:02}-{day + 1:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{steps:07}Z"


def run_list(args):
    archive = Archive(args.archive)
    archive.check_manifest()
    index = archive.index
    types = "?fdlhsr"
    for e, path in enumerate(index.paths):
        if args.long:
            path = (f"{types[index.type[e]]} {index.size[e]} {format_time(index.write_time[e])} {index.hash[e].hex()} "
                    f"{index.frame[e]} {index.offset[e]} {index.source[e]} ").encode() + path
            if e in index.link:
                path += b" -> " + index.link[e]
        sys.stdout.buffer.write(path + b"\n")
    return 0


def run_verify(args):
    codes = {"ok": 0, "unsupported": 2, "damaged": 4}
    worst = 0
    for path in args.archives:
        report = verify(path, [other for other in args.archives if other != path])
        verdict, problem = report.verdict(), report.first()
        worst = max(worst, codes[verdict])
        if args.json:
            answer = {"verdict": verdict, "rule": problem.rule if problem else None,
                      "text": problem.text if problem else "; ".join(report.notes),
                      "hit": [hit.decode("utf-8", "surrogateescape") for hit in report.hits]}
            if len(args.archives) > 1:
                answer["path"] = path
            print(json.dumps(answer))
            continue
        prefix = f"{path}: " if len(args.archives) > 1 else ""
        print(prefix + (str(problem) if problem else "ok"))
        for note in report.notes:
            print(f"note: {note}")
        for other in report.problems:
            if other is not problem:
                print(f"also: {other.rule}: {other.text}")
        sys.stdout.flush()
        for hit in report.hits:
            report_line("hit", hit)
    return worst


def run_extract(args):
    archive = Archive(args.archive)
    archive.check_manifest()
    parents = {0: archive}
    for number in sorted(set(archive.index.source) - {0}):
        parents[number] = find_parent(archive, number, args.parent or [])
        if parents[number] is None:
            print(f"parent {show(archive.index.parents[number - 1][3])} is not here", file=sys.stderr)
            return 2
    os.makedirs(args.directory, exist_ok=True)
    extraction = Extraction(archive, parents, args.directory, args.windows_names or os.name == "nt")
    extraction.run()
    return 4 if extraction.broken else 1 if extraction.refused else 0


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(3, f"{self.prog}: {message}\n")


def main():
    parser = Parser(prog="reader.py", description="Read a pobackup archive (format.md), slowly and clearly.")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Parser)
    verb = verbs.add_parser("list", help="paths, one a line")
    verb.add_argument("-l", dest="long", action="store_true", help="type size write-time hash frame offset source path")
    verb.add_argument("archive")
    verb.set_defaults(run=run_list)
    verb = verbs.add_parser("verify", help="check every rule")
    verb.add_argument("--json", action="store_true")
    verb.add_argument("archives", nargs="+", metavar="archive")
    verb.set_defaults(run=run_verify)
    verb = verbs.add_parser("extract", help="write the files below a directory")
    verb.add_argument("archive")
    verb.add_argument("-C", dest="directory", required=True, metavar="DIR")
    verb.add_argument("--parent", action="append", metavar="ARCHIVE", help="where to look for a parent, besides its name")
    verb.add_argument("--windows-names", action="store_true", help="refuse names that are not safe on Windows")
    verb.set_defaults(run=run_extract)
    args = parser.parse_args()
    try:
        return args.run(args)
    except Refused as error:
        print(error)
        return 4 if error.kind == "damaged" else 2
    except OSError as error:
        print(f"{error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
