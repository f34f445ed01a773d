#!/usr/bin/env python3
"""Write the test vectors of the archive format: format-spec/vectors/*.hex, and those of recovery_vectors.py.

    make_vectors.py            write them
    make_vectors.py --check    compare them with what stands there; exit 1 when they differ

A writer of its own, in plain Python, with a place to break each thing. Whatever is derived from the broken thing (hashes,
sizes, tables) is made right again, so that one rule is broken and no other. Frames are stored blocks; the output depends on
no library but Python's own.
"""

import json
import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "format-spec"))
sys.dont_write_bytecode = True
from reader import MIB, SEEK_SKIPPABLE_MAGIC, SEEK_FOOTER_MAGIC, ZSTD_MAGIC, XXH3, blake2b, content_checksum, xxh3  # noqa: E402

VECTORS = ROOT / "format-spec" / "vectors"
FILE, DIRECTORY, SYMLINK, HARDLINK = 1, 2, 3, 4
TYPEFLAG = {FILE: b"0", DIRECTORY: b"5", SYMLINK: b"2", HARDLINK: b"1"}
SECOND = 10000000
WHEN = 1795485600 * SECOND  # 2026-11-24T02:00:00Z
WHEN_TEXT = "2026-11-24T02:00:00.0000000Z"


# --- annotated bytes ---------------------------------------------------------------------------------------------------
# A list of pieces (bytes, note). A piece of no bytes is a line of comment.

def join(pieces):
    return b"".join(data for data, _ in pieces)


def size_of(pieces):
    return sum(len(data) for data, _ in pieces)


def patch(pieces, at, new, note="changed"):
    """Replace the bytes at `at`, within one piece or over several, and say so in the notes."""
    out = []
    for data, text in pieces:
        low, high = max(at, 0), min(at + len(new), len(data))
        if low < high and data:
            data = data[:low] + new[low - at:high - at] + data[high:]
            text = f"{text} ({note})"
        at -= len(data)
        out.append((data, text))
    return out


def flip(pieces, at, mask=1):
    return patch(pieces, at, bytes([join(pieces)[at] ^ mask]), "damaged")


def tokens(data):
    """Hex pairs, repeats and texts, one list of tokens a line of at most 32 bytes."""
    line, width = [], 0
    lines = [line]

    def put(token, cost):
        nonlocal line, width
        if width + cost > 32 and line:
            line, width = [], 0
            lines.append(line)
        line.append(token)
        width += cost

    text = data.rstrip(b"\0\n ")
    if 5 <= len(text) <= 32 and is_plain(text) and b"'" not in text and len(set(text)) > 1 or re.fullmatch(b"[0-7]{5,11}", text):
        put("'" + text.decode() + "'", len(text))
        data = data[len(text):]
    pos = 0
    while pos < len(data):
        run = len(data) - pos - len(data[pos:].lstrip(data[pos:pos + 1]))
        if run >= 6:
            put(f"{data[pos]:02X}*{run}", 4)
            pos += run
            continue
        end = pos
        while end < len(data) and 0x20 <= data[end] <= 0x7E and data[end] != 0x27:
            end += 1
        if end - pos >= 6:
            end = min(end, pos + 96)
            put("'" + data[pos:end].decode() + "'", 32 if end - pos > 24 else end - pos)
            pos = end
            continue
        put(f"{data[pos]:02X}", 1)
        pos += 1
    return [" ".join(line) for line in lines]


def to_text(vector):
    lines = [f"#! rules: {vector.rules}", f"#! expect: {vector.expect}"]
    lines += [f"#! {key}: {value}" for key, value in vector.extra]
    lines += ["# " + vector.about, ""]
    for data, note in vector.pieces:
        if not data:
            lines += ["", "# " + note]
            continue
        first, *rest = tokens(data)
        lines.append(f"{first} # {note}")
        lines += rest
    return "\n".join(lines) + "\n"


# --- tar ---------------------------------------------------------------------------------------------------------------

FIELDS = (("name", 100), ("mode", 8), ("uid", 8), ("gid", 8), ("size", 12), ("mtime", 12), ("checksum", 8), ("typeflag", 1),
          ("linkname", 100), ("magic", 6), ("version", 2), ("uname", 32), ("gname", 32), ("devmajor", 8), ("devminor", 8),
          ("prefix", 155), ("unused", 12))


def header_block(**given):
    """A ustar header block. Every field can be given; the checksum is made right unless it is given."""
    fields = {"mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0", "size": b"%011o\0" % 0, "mtime": b"%011o\0" % 0,
              "typeflag": b"0", "magic": b"ustar\0", "version": b"00", "checksum": b" " * 8}
    fields |= given
    values = {name: fields.get(name, b"").ljust(size, b"\0") for name, size in FIELDS}
    if "checksum" not in given:
        values["checksum"] = b"%06o\0 " % sum(b"".join(values.values()))
    pieces = [(values[name], name) for name, _ in FIELDS]
    assert size_of(pieces) == 512
    return pieces


def pax_record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    size = len(body) + 1
    while len(b"%d" % size) + len(body) != size:
        size += 1
    return b"%d" % size + body


def is_plain(name):
    return all(0x20 <= b <= 0x7E for b in name)


class Member:
    def __init__(self, path, data=b"", type=FILE, time=WHEN, link=None, mode=0o644, pax=(), security=0, **header):
        self.path, self.data, self.type, self.time, self.link = path, data, type, time, link
        self.mode = 0o755 if type == DIRECTORY and mode == 0o644 else mode
        self.pax = list(pax)
        self.security = security
        self.header = header  # ustar fields to break
        self.pax_padding = None
        self.pax_size = None
        self.no_auto_pax = False
        self.padding = None

    def header_pieces(self):
        name = self.path + (b"/" if self.type == DIRECTORY else b"")
        auto = []
        fields = {"name": name, "mode": self.mode if isinstance(self.mode, bytes) else b"%07o\0" % self.mode,
                  "size": b"%011o\0" % len(self.data), "typeflag": TYPEFLAG[self.type]}
        seconds = self.time // SECOND
        fields["mtime"] = b"%011o\0" % min(max(seconds, 0), (1 << 33) - 1)
        if len(name) > 100 and is_plain(name):
            cuts = [i for i, c in enumerate(name) if c == 0x2F and i <= 155 and len(name) - i - 1 <= 100]
            if cuts:
                fields["prefix"], fields["name"] = name[:cuts[0]], name[cuts[0] + 1:]
        if not is_plain(name) or len(fields["name"]) > 100:
            auto.append((b"path", name))
            fields["name"] = b"long" if is_plain(name) else bytes(b if 0x20 <= b <= 0x7E else 0x5F for b in name)[:100]
        if self.link is not None:
            fields["linkname"] = self.link
            if not is_plain(self.link) or len(self.link) > 100:
                auto.append((b"linkpath", self.link))
                fields["linkname"] = b"long"
        if self.time % SECOND or self.time != min(max(seconds, 0), (1 << 33) - 1) * SECOND:
            value = abs(self.time)
            text = b"%s%d.%07d" % (b"-" if self.time < 0 else b"", value // SECOND, value % SECOND)
            auto.append((b"mtime", text.rstrip(b"0").rstrip(b".") if value % SECOND else text[:-8]))
        for _, value in auto:
            try:
                value.decode()
            except UnicodeDecodeError:
                auto.insert(0, (b"hdrcharset", b"BINARY"))
                break
        records = ([] if self.no_auto_pax else auto) + self.pax
        pieces = []
        if records:
            rows = [r if isinstance(r, bytes) else pax_record(*r) for r in records]
            size = sum(map(len, rows)) if self.pax_size is None else self.pax_size
            pieces += header_block(name=b"PaxHeader", size=b"%011o\0" % size, typeflag=b"x")
            pieces = [(d, "pax: " + n) for d, n in pieces] + [(r, "pax record") for r in rows]
            pad = -sum(map(len, rows)) % 512
            if pad:
                pieces.append((self.pax_padding or bytes(pad), "pax: padding"))
        return pieces + header_block(**(fields | self.header))

    def padding_pieces(self):
        pad = -len(self.data) % 512
        return [(self.padding or bytes(pad), "padding")] if pad else []

    def data_pieces(self, start=0, end=None):
        data = self.data[start:end]
        if b"\n" in data[:-1] and is_plain(data.replace(b"\n", b"")):
            return [(line, "content") for line in data.splitlines(keepends=True)]
        return [(data, "content")] if data else []

    def pieces(self):
        return [(b"", repr(self.path)[2:-1])] + self.header_pieces() + self.data_pieces() \
            + self.padding_pieces()


class Span:
    """A member over several frames: `sizes` bytes of content in each but the last."""

    def __init__(self, member, *sizes):
        self.member, self.sizes = member, sizes

    def parts(self):
        m = self.member
        starts = [0]
        for size in self.sizes:
            starts.append(starts[-1] + size)
        name = m.path.decode()
        parts = [[(b"", name)] + m.header_pieces() + m.data_pieces(0, starts[1])]
        for start, end in zip(starts[1:], starts[2:]):
            parts.append([(b"", name + ", continued")] + m.data_pieces(start, end))
        parts.append([(b"", name + ", continued")] + m.data_pieces(starts[-1]) + m.padding_pieces())
        return parts


# --- frames ------------------------------------------------------------------------------------------------------------

def block(data, note, last, kind=0, size=None):
    size = len(data) if size is None else size
    return [(struct.pack("<I", size << 3 | kind << 1 | last)[:3], note)]


def cut(pieces, at):
    """Two lists of pieces, cut at a byte."""
    one, two = [], []
    for data, note in pieces:
        if at >= len(data):
            one.append((data, note))
        elif at <= 0:
            two.append((data, note))
        else:
            one.append((data[:at], note))
            two.append((data[at:], note + ", rest"))
        at -= len(data)
    return one, two


def encode(pieces, checksum=True, size=None, window=None, dictionary=None, reserved=0, no_size=False, body=None, extra=b"",
           block_kind=0, head=b"", magic=ZSTD_MAGIC, no_checksum=False):
    """A Zstandard frame of stored blocks around the pieces, with ways to get it wrong."""
    content = join(pieces)
    size = len(content) if size is None else size
    single = window is None and not no_size
    if no_size:
        flag, size_field = 0, b""
    elif size < 256 and single:
        flag, size_field = 0, struct.pack("<B", size)
    elif 256 <= size < 65792:
        flag, size_field = 1, struct.pack("<H", size - 256)
    else:
        flag, size_field = 2, struct.pack("<I", size)
    out = [(magic, "Zstandard magic"),
           (bytes([flag << 6 | single << 5 | reserved | (0 if no_checksum else 4) | (0 if dictionary is None else 1)]),
            "frame header descriptor")]
    if not single:
        out.append((bytes([window if window is not None else 7 << 3]), "window descriptor"))
    if dictionary is not None:
        out.append((bytes([dictionary]), "dictionary id"))
    if size_field:
        out.append((size_field, f"content size {size}"))
    if head:
        out.append((head, "empty blocks"))
    if body is not None:
        out += body
    elif len(content) <= 131072:
        out += block(content, f"block: last, stored, {len(content)} bytes", 1, block_kind) + pieces
    else:
        rest = pieces
        while size_of(rest) > 131072:
            part, rest = cut(rest, 131072)
            out += block(join(part), "block: stored", 0) + part
        out += block(join(rest), f"block: last, stored, {size_of(rest)} bytes", 1) + rest
    if not no_checksum:
        value = content_checksum(content)
        out.append((value if checksum is True else checksum, "content checksum"))
    if extra:
        out.append((extra, "bytes after the frame"))
    return out


def packed(pieces):
    """Blocks for encode(): the content as it is, but the run of one byte at its end repeated. Small archives of large content."""
    content = join(pieces)
    run = len(content) - len(content.rstrip(content[-1:]))
    head, _ = cut(pieces, len(content) - run)
    out = []
    while head:
        part, head = cut(head, 131072)
        out += block(join(part), f"block: stored, {size_of(part)} bytes", 0) + part
    while run:
        size = min(run, 131072)
        run -= size
        out += block(b"", f"block: one byte, {size} times", 0 if run else 1, kind=1, size=size) + [(content[-1:], "content")]
    return out


def twin_blocks(pair, size):
    """Compressed blocks for two bytes, repeated to `size` bytes: as in compressed_body(), with matches of 65,539 bytes or more."""
    out = []
    count = -(-size // 131072)
    for i in range(count):
        length = size // count // 2 * 2 if i else size - (count - 1) * (size // count // 2 * 2)
        assert 65541 <= length <= 131072
        bits = 1 << 18 | 1 << 16 | (length - 2 - 65539)
        data = bytes([2 << 3]) + pair + bytes([1, 0x54, 2, 2, 52]) + bits.to_bytes(3, "little")
        out += block(b"", f"block: compressed, {len(data)} bytes, decodes to {length}", 0, kind=2, size=len(data))
        out.append((data, "2 literals, and 1 sequence that repeats them"))
    return out


def zero_list(pieces):
    """Blocks for encode() around a JSON array of zeros."""
    content = join(pieces)
    start = content.index(b"0," * 70000)
    end = content.index(b"0]", start)
    head, rest = cut(pieces, start)
    return (block(join(head), f"block: stored, {start} bytes", 0) + head + twin_blocks(b"0,", end - start)
            + block(content[end:], f"block: last, stored, {len(content) - end} bytes", 1) + [(content[end:], "content, padding")])


# --- the archive -------------------------------------------------------------------------------------------------------

def dump_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def manifest(archive_id="00112233445566778899aabbccddeeff", kind="full", parents=(), **more):
    return {"format": {"name": "pobackup", "version": 1, "critical": []}, "archive_id": archive_id, "created": WHEN_TEXT,
            "kind": kind, "parents": list(parents), "program": {"name": "vectors", "version": "1"},
            "host": {"name": "h", "system": "s", "kind": "folder"}, "site": {"registry": None, "trees": {}},
            "services": []} | more


SUMMARY = {"finished": WHEN_TEXT, "outage_seconds": 0, "counts": {}, "bytes": {}, "skipped": [], "changed_while_read": []}


class Plan:
    """What build() makes, with the hooks that break it."""

    def __init__(self, *frames, **options):
        self.frames = [list(f) for f in frames]  # each a list of members; the last may be a Span
        self.manifest = manifest()
        self.manifest_bytes = None
        self.manifest_extra = []
        self.summary = SUMMARY
        self.summary_bytes = None
        self.summary_extra = []
        self.has_summary = True
        self.parents = []  # (archive id, digest, created, name)
        self.borrowed = []  # entries of parents: dicts
        self.descriptors = []
        self.extensions = []
        self.archive_id = None
        self.claimed = {}  # frame to the content size that the tables are to state
        self.encoded = {}  # frame to options of encode(), or to a function of its pieces for their body; "index" for the index frames
        self.on_contents = None  # (list of pieces a frame, list of (frame, offset, Member))
        self.on_entries = None  # (list of dicts), before they are sorted into columns
        self.on_index = None  # (dict of header and columns)
        self.on_index_pieces = None
        self.on_index_stream = None
        self.index_member = {}
        self.index_cuts = []
        self.on_trailer = None  # (dict)
        self.on_trailer_pieces = None  # after the hash
        self.trailer_content = None
        self.trailer_encode = {}
        self.trailer_header = {}
        self.on_data = None  # (list of encoded frames): damage that nobody seals
        self.on_seek = None  # (list of entries, dict)
        self.on_file = None
        for key, value in options.items():
            assert hasattr(self, key), key
            setattr(self, key, value)


def index_pieces(ix):
    head = [(b"pobindex", "magic"), (struct.pack("<I", ix["version"]), "version"), (struct.pack("<I", ix["critical"]), "critical"),
            (ix["archive_id"], "archive id")]
    out = [(b"", "index header")] + head
    for name, code in (("n", "Q"), ("p", "Q"), ("l", "I"), ("d", "I"), ("lb", "Q"), ("db", "Q"), ("f", "I"), ("a", "I"),
                       ("ab", "Q"), ("x", "Q")):
        out.append((struct.pack("<" + code, ix[name]), name))
    out += [(ix["reserved"], "zero"), (b"", "columns")]
    for name, code in (("size", "Q"), ("write time", "q"), ("create time", "q"), ("change time", "q"), ("file id", "Q"),
                       ("content hash", "16s"), ("path end", "I"), ("attributes", "I"), ("security", "I"), ("frame", "I"),
                       ("offset", "I"), ("source", "H"), ("type", "B")):
        for e, value in enumerate(ix[name]):
            out.append((struct.pack("<" + code, value), f"{name}, entry {e}"))
    out += [(path, "path") for path in ix["paths"]]
    out += [(struct.pack("<I", v), "link entry") for v in ix["link entry"]]
    out += [(struct.pack("<I", v), "link end") for v in ix["link end"]]
    out += [(v, "link target") for v in ix["links"] if v]
    out += [(struct.pack("<I", v), "security end") for v in ix["security end"]]
    out += [(v, "security descriptor") for v in ix["descriptors"] if v]
    for f, (content, compressed, one, two) in enumerate(ix["frames"]):
        out += [(b"", f"frame table, frame {f}"), (struct.pack("<I", content), "content size"),
                (struct.pack("<I", compressed), "compressed size"), (one, "XXH3"), (two, "BLAKE2b")]
    for archive_id, digest, created, end in ix["parents"]:
        out += [(b"", "parent"), (archive_id, "archive id"), (digest, "digest"), (struct.pack("<q", created), "created"),
                (struct.pack("<I", end), "end of its name")]
    out += [(name, "parent's name") for name in ix["names"]]
    for tag, flags, data in ix["extensions"]:
        out += [(struct.pack("<I", tag), "extension: tag"), (struct.pack("<I", flags), "flags"),
                (struct.pack("<Q", len(data)), "size")] + ([(data, "extension")] if data else [])
    return out + ix["tail"]


def ends(parts):
    out, total = [], 0
    for part in parts:
        total += len(part)
        out.append(total)
    return out


class Built:
    pass


def build(plan):
    built = Built()
    archive_id = bytes.fromhex(plan.archive_id or plan.manifest["archive_id"])
    manifest_data = dump_json(plan.manifest) if plan.manifest_bytes is None else plan.manifest_bytes
    summary_data = dump_json(plan.summary) if plan.summary_bytes is None else plan.summary_bytes
    layout = [[Member(b"pobackup/manifest.json", manifest_data)] + plan.manifest_extra] + plan.frames
    if plan.has_summary:
        layout.append([Member(b"pobackup/summary.json", summary_data)] + plan.summary_extra)

    # The members' bytes, frame by frame, and where each begins.
    contents, places = [], []
    for members in layout:
        pieces, later = [], []
        for member in members:
            inner = member.member if isinstance(member, Span) else member
            places.append((len(contents), size_of(pieces), inner))
            if isinstance(member, Span):
                first, *later = member.parts()
                pieces += first
            else:
                pieces += member.pieces()
        contents += [pieces] + later
    if plan.on_contents:
        plan.on_contents(contents, places)
    def encode_one(pieces, key):
        how = plan.encoded.get(key, {})
        return encode(pieces, **({"body": how(pieces)} if callable(how) else how))

    data_frames = [encode_one(pieces, f) if not isinstance(pieces, tuple) else pieces[1] for f, pieces in enumerate(contents)]
    sizes = [size_of(p) if not isinstance(p, tuple) else p[0] for p in contents]
    sizes = [plan.claimed.get(f, size) for f, size in enumerate(sizes)]

    # The index.
    entries = {}
    for f, offset, m in places:
        entries[m.path] = {"path": m.path, "size": len(m.data), "write time": m.time, "content hash":
                           xxh3(m.data) if m.type == FILE else bytes(16), "security": m.security, "frame": f, "offset": offset,
                           "source": 0, "type": m.type, "link": m.link}
    entries = list(entries.values()) + plan.borrowed
    if plan.on_entries:
        plan.on_entries(entries)
    entries.sort(key=lambda e: e["path"])
    ix = {"version": 1, "critical": 0, "archive_id": archive_id, "reserved": bytes(32), "n": len(entries), "tail": []}
    for name, default in (("size", 0), ("write time", 0), ("create time", -1 << 63), ("change time", -1 << 63), ("file id", 0),
                          ("content hash", bytes(16)), ("attributes", 0), ("security", 0), ("frame", 0), ("offset", 0),
                          ("source", 0), ("type", 1)):
        ix[name] = [e.get(name, default) for e in entries]
    ix["paths"] = [e["path"] for e in entries]
    ix["path end"] = ends(ix["paths"])
    linked = [(number, e["link"]) for number, e in enumerate(entries) if e.get("link") is not None]
    ix["link entry"] = [number for number, _ in linked]
    ix["links"] = [link for _, link in linked]
    ix["link end"] = ends(ix["links"])
    ix["descriptors"] = plan.descriptors
    ix["security end"] = ends(plan.descriptors)
    ix["names"] = [name for _, _, _, name in plan.parents]
    ix["parents"] = [(i, d, c, end) for (i, d, c, _), end in zip(plan.parents, ends(ix["names"]))]
    ix["frames"] = []
    for size, frame in zip(sizes, data_frames):
        data = join(frame)
        ix["frames"].append((size, len(data), xxh3(data), blake2b(data)))
    ix["extensions"] = plan.extensions
    ix |= {"p": sum(map(len, ix["paths"])), "l": len(linked), "d": len(plan.descriptors), "lb": sum(map(len, ix["links"])),
           "db": sum(map(len, plan.descriptors)), "f": len(ix["frames"]), "a": len(plan.parents),
           "ab": sum(map(len, ix["names"])), "x": sum(16 + len(data) for _, _, data in plan.extensions)}
    if plan.on_index:
        plan.on_index(ix)
    pieces = index_pieces(ix)
    if plan.on_index_pieces:
        pieces = plan.on_index_pieces(pieces)
    index_data = join(pieces)
    head = Member(b"pobackup/index", bytes(len(index_data)), **plan.index_member)
    stream = [(b"", "pobackup/index")] + head.header_pieces() + pieces + head.padding_pieces()
    if plan.on_index_stream:
        stream = plan.on_index_stream(stream)
    index_contents = []
    for size in plan.index_cuts:
        part, stream = cut(stream, size)
        index_contents.append(part)
    index_contents.append(stream)
    index_frames = [encode_one(p, "index") for p in index_contents]

    # The trailer.
    first = len(data_frames)
    t = {"magic": b"pobtrail", "version": 1, "critical": 0, "archive id": archive_id, "created": WHEN, "i": first,
         "k": len(index_frames), "offset": sum(map(size_of, data_frames)), "compressed": sum(map(size_of, index_frames)),
         "size": len(index_data), "XXH3": XXH3(b"".join(map(join, index_frames))).digest(), "BLAKE2b": blake2b(index_data),
         "manifest": blake2b(manifest_data), "entries": ix["n"], "sizes": sum(ix["size"]), "zero": bytes(328)}
    if plan.on_trailer:
        plan.on_trailer(t)
    pieces = []
    for name, code in (("magic", "8s"), ("version", "I"), ("critical", "I"), ("archive id", "16s"), ("created", "q"), ("i", "I"),
                       ("k", "I"), ("offset", "Q"), ("compressed", "Q"), ("size", "Q"), ("XXH3", "16s"), ("BLAKE2b", "32s"),
                       ("manifest", "32s"), ("entries", "Q"), ("sizes", "Q"), ("zero", "328s")):
        pieces.append((struct.pack("<" + code, t[name]), "trailer: " + name))
    pieces.append((xxh3(join(pieces)), "trailer: XXH3 of the above"))
    if plan.on_trailer_pieces:
        pieces = plan.on_trailer_pieces(pieces)
    built.digest = blake2b(join(pieces))
    content = [(b"", "pobackup/trailer")] + header_block(**({"name": b"pobackup/trailer", "size": b"%011o\0" % 512}
                                                            | plan.trailer_header)) + pieces + [(bytes(1024), "end of the tar")]
    if plan.trailer_content:
        content = plan.trailer_content(content)
    trailer_frame = encode(content, **plan.trailer_encode)

    # Damage that comes after writing, then the seek table.
    frames = data_frames + index_frames + [trailer_frame]
    all_sizes = sizes + [size_of(p) for p in index_contents] + [size_of(content)]
    seek = [[size_of(frame), size, join(frame)[-4:]] for frame, size in zip(frames, all_sizes)]
    built.frames = [(compressed, size) for compressed, size, _ in seek]
    if plan.on_data:
        plan.on_data(frames)
    foot = {"magic": SEEK_SKIPPABLE_MAGIC, "size": 12 * len(seek) + 9, "frames": len(seek), "descriptor": 0x80,
            "footer": SEEK_FOOTER_MAGIC}
    if plan.on_seek:
        plan.on_seek(seek, foot)
    out = []
    for f, frame in enumerate(frames):
        out += [(b"", f"frame {f}")] + frame
    out += [(b"", "seek table"), (foot["magic"], "skippable magic"), (struct.pack("<I", foot["size"]), "size")]
    for f, (compressed, size, checksum) in enumerate(seek):
        out += [(struct.pack("<I", compressed), f"frame {f}: compressed size"), (struct.pack("<I", size), "content size")]
        if checksum:
            out.append((checksum, "checksum"))
    out += [(struct.pack("<I", foot["frames"]), "number of frames"), (bytes([foot["descriptor"]]), "descriptor"),
            (foot["footer"], "footer magic")]
    if plan.on_file:
        out = plan.on_file(out)
    built.pieces, built.places, built.entries = out, places, entries
    return built


# --- the vectors -------------------------------------------------------------------------------------------------------

class Vector:
    def __init__(self, name, rules, about, pieces, expect=None, extra=()):
        self.name, self.rules, self.about, self.pieces = name, rules, about, pieces
        self.expect = expect or {"good": "ok", "bad": "damaged", "unsupported": "unsupported"}[name.split("-")[0]]
        self.extra = list(extra)


VECTOR_LIST = []
QUICK_OK = ("quick", "ok")


def add(name, rules, about, plan, *extra):
    pieces = build(plan).pieces if isinstance(plan, Plan) else plan
    VECTOR_LIST.append(Vector(name, rules, about, pieces, extra=extra))


def hello():
    return Member(b"a.txt", b"hello\n")


def small(**options):
    """One file."""
    return Plan([hello()], **options)


def mid(*members, **options):
    """One frame of given members."""
    return Plan(list(members), **options)


def tree(**options):
    """Seven frames: directory, files, one file over three frames, a symbolic link, a hard link."""
    big = Member(b"box/big", bytes(range(256)) * 5, time=WHEN + 1)
    return Plan([Member(b"box", type=DIRECTORY), Member(b"box/a", b"alpha\n"), Span(big, 300, 512)],
                [Member(b"box/empty"), Member(b"box/hard", type=HARDLINK, link=b"box/a"),
                 Member(b"box/soft", type=SYMLINK, link=b"a", mode=0o777)], **options)


def setter(key, value):
    """A hook that sets one key of a dict."""
    def hook(table):
        table[key] = value
    return hook


def column(name, entry, value):
    """A hook that sets one value of an index column."""
    def hook(ix):
        ix[name][entry] = value
    return hook


def entry(of, **changes):
    """A hook that changes one entry before the columns are made."""
    def hook(entries):
        for e in entries:
            if e["path"] == of:
                e.update({key.replace("_", " "): value for key, value in changes.items()})
    return hook


def make_good():
    add("good-small", "FILE-1 FRAME-1 TRAILER-1 SEEK-1", "The smallest archive: one file.", small())
    add("good-nothing", "FILE-1", "A set without members: frame 1 is the summary.", Plan())
    add("good-tree", "FRAME-4 FRAME-6 TAR-2 TAR-5 INDEX-5 INDEX-7", "Each type of member; a file over three frames.", tree())
    add("good-two-index-frames", "TRAILER-3 FRAME-4", "An index over two frames.", small(index_cuts=[700]))
    add("good-pax-index", "TRAILER-3", "The index has an extended header.", small(index_member={"pax": [(b"comment", b"c")]}))
    add("good-window", "FRAME-1 FRAME-2", "A frame with a window descriptor in place of the single segment flag.",
        small(encoded={1: {"window": 0}}))
    long_name = b"d" * 90 + b"/" + b"e" * 80
    add("good-names", "TAR-3 TAR-4 TAR-8 READ-1",
        "Names: split at a slash, too long for that, UTF-8, not UTF-8, with a control character; a long link target.",
        mid(Member(long_name, b"1"), Member(b"f" * 120, b"2"), Member("gr\u00fc\u00df".encode(), b"3"), Member(b"h\xff", b"4"),
            Member(b"i\nj", b"5"), Member(b"k", type=SYMLINK, link=b"l" * 200)))
    add("good-times", "TAR-6 INDEX-7", "Write times: 100 ns, before 1970, before 1970 with a fraction, beyond 2^33 seconds.",
        mid(Member(b"a", time=WHEN + 1), Member(b"b", time=-5 * SECOND), Member(b"c", time=-15000001),
            Member(b"d", time=(1 << 33) * SECOND), Member(b"e", time=0)))
    add("good-records", "TAR-3", "Records that are honoured, one that is ignored, and one keyword twice: the later one counts.",
        mid(Member(b"a", b"sized\n", pax=[(b"uid", b"4000000000"), (b"gid", b"7"), (b"uname", b"root"), (b"gname", b"wheel"),
                                          (b"size", b"6"), (b"comment", b"ignored"), (b"SCHILY.x", b"ignored")]),
            Member(b"b", b"", pax=[(b"mtime", b"1"), (b"mtime", b"%d" % (WHEN // SECOND))])))
    add("good-duplicate", "TAR-7 INDEX-7", "Two members of one path: the later one wins.",
        Plan([Member(b"a", b"first\n"), Member(b"b", b"b\n")], [Member(b"a", b"second\n")]))
    add("good-security", "INDEX-4 INDEX-5", "Security descriptors: POSIX, Windows, a kind that no reader knows.",
        mid(Member(b"a", security=2), Member(b"b", security=3), Member(b"c", security=1),
            descriptors=[b"\x02" + struct.pack("<III", 0o644, 1, 2) + b"\x01u\x01g", b"\x01" + bytes(20), b"\x63zz"]))
    add("good-ignored", "INDEX-1 MANIFEST-1", "An extension that is not critical, a manifest key and a summary key unknown here.",
        small(extensions=[(7, 0, b"later"), (8, 0xFFFFFFFE, b"")], manifest=manifest(later={"x": [1, 2.5, None, True]}),
              summary=SUMMARY | {"later": 1}))
    rle = Member(b"zeros", bytes(3000))
    pieces = rle.pieces()
    head, rest = cut(pieces, 512)
    body = (block(b"", "block: stored, empty", 0) + block(head, "block: stored, 512 bytes", 0, size=512) + head
            + block(b"", "block: one byte, 3,000 times", 0, kind=1, size=3000) + [(b"\0", "content")]
            + block(b"", "block: last, one byte, 72 times", 1, kind=1, size=72) + [(b"\0", "padding")])
    add("good-blocks", "FRAME-1 FRAME-3", "A frame of several blocks, stored and repeated.", mid(rle, encoded={1: {"body": body}}))
    add("good-compressed", "FRAME-3", "A compressed block: literals and one sequence, written by hand.",
        mid(compressible(), encoded={1: {"body": compressed_body()}}))
    add("good-compressed-huffman", "FRAME-3", "A compressed block as an encoder made it: Huffman and FSE.",
        mid(mail(), encoded={1: {"body": [(bytes.fromhex(MAIL_BLOCKS), "blocks")]}}))
    names = [b"/etc/x", b"../up", b"a/../../up", b"a//b", b"a/./b", b".", b".."]
    add("good-hostile-names", "NAME-1 TAR-8", "Names that an archive may hold and no target takes.",
        mid(Member(b"a", type=DIRECTORY), Member(b"fine", b"fine\n"), *[Member(n, b"x") for n in names]),
        *[("refused", n.decode()) for n in sorted(names)])
    add("good-symlink-through", "NAME-2", "A symbolic link, and a file through it.",
        mid(Member(b"out", type=SYMLINK, link=b"..", mode=0o777), Member(b"out/escaped", b"x")), ("refused", "out/escaped"))
    add("good-symlink-absolute", "NAME-2", "A symbolic link to an absolute path, a directory and a file through it.",
        mid(Member(b"out", type=SYMLINK, link=b"/tmp", mode=0o777), Member(b"out/escaped-dir", type=DIRECTORY),
            Member(b"out/escaped-dir/file", b"x")), ("refused", "out/escaped-dir"), ("refused", "out/escaped-dir/file"))
    add("good-symlink-parents", "NAME-2", "A file two levels below a symbolic link: no directory is made through it.",
        mid(Member(b"out", type=SYMLINK, link=b"..", mode=0o777), Member(b"out/escaped/deep/file", b"x")),
        ("refused", "out/escaped/deep/file"))
    names = [b"CON", b"a:b", b"back\\slash", b"c:", b"com1.txt", b"dot.", b"sp ", b"x/nul.tar.gz"]
    add("good-windows-names", "NAME-1", "Names that are unsafe on Windows only.",
        mid(Member(b"fine.txt", b"x"), Member(b"x", type=DIRECTORY), *[Member(n, b"x") for n in names]),
        *[("refused-windows", n.decode()) for n in sorted(names) if is_plain(n)])


def compressible():
    return Member(b"seq", b"ab" * 600)


def compressed_body():
    """The frame of compressible(): a stored block with the header, a compressed block made by hand, the padding.

    The compressed block has the literals "ab" and one sequence: 2 literals, then 1,198 bytes from 2 bytes back."""
    head, rest = cut(compressible().pieces(), 512)
    # Literals_Section: raw, 1-byte header: type 0, size format 00, regenerated size 2.
    literals = bytes([2 << 3]) + b"ab"
    # One sequence; all three tables are single-symbol (RLE_Mode = 1): modes byte 01 01 01 00.
    # Literals length code 2: 2 literals, no extra bits.
    # Match length 1198: code 46 has baseline 1027 and 10 extra bits: 1198 - 1027 = 171.
    # Offset value = distance + 3 = 5: code 2, 2 extra bits: 5 - 4 = 1.
    # The bitstream is read backwards: offset's bits first, then the match length's, so the number is
    # 1 (end mark), 01, 0010101011 from the top: 13 bits.
    bits = 1 << 12 | 1 << 10 | 171
    sequences = bytes([1, 0x54, 2, 2, 46]) + struct.pack("<H", bits)
    data = literals + sequences
    pad = -1200 % 512
    return (block(b"", "block: stored, 512 bytes", 0, size=512) + head
            + block(b"", f"block: compressed, {len(data)} bytes", 0, kind=2, size=len(data))
            + [(literals[:1], "literals: stored, 2 bytes"), (literals[1:], "literals"), (sequences[:1], "1 sequence"),
               (sequences[1:2], "all three codes in RLE mode"), (sequences[2:3], "literals length code 2"),
               (sequences[3:4], "offset code 2"), (sequences[4:5], "match length code 46"),
               (sequences[5:], "bits: end mark, offset 5 (distance 2), match length 1198")]
            + block(b"", f"block: last, one byte, {pad} times", 1, kind=1, size=pad) + [(b"\0", "padding")])


def mail():
    lines = []
    for i in range(40):
        lines.append(f"Received: from mx{i % 7}.example.net by mail.example.org; Tue, 24 Nov 2026 02:{i:02}:00 +0000\n")
    return Member(b"mail/1.eml", "".join(lines).encode())


MAIL_BLOCKS = (
    "fd0700928e281c508dda13a98376721b019a29a9330b56fbb4b2bb17d7ab8d19c400498ad15d5497662bb27e5b3917f59a4ce2925fd99dcc"
    "b99baa9989f86733bcecd24ec6bd7632ee5199e7725c7fbff9bc5fbde6138f80ff0fdcdffc4dfe3a9f17890ab7790206391c812145d0e3b4"
    "9b206e620d85418ee648987249bb16498b6b142cf2b00433a85f49cef48028f553bb78fdeadbab11af8ceabbfdabddbe821a5370003d4e0b"
    "57a821a4392923f53ae059c6320834081a0cc10c0143f0e6c23f7a6a0cdcdbad1f0f9b3a12a838c48b3b578bc6872f0ca4a43b1407836112"
    "d118d201667bc713acae161a9f5154afe457df57cd6f4b793bfc5d81dc04dac15001")


def make_file_and_frames():
    def drop_tail(count):
        return lambda out: cut(out, size_of(out) - count)[0]

    add("bad-file-1-no-summary", "FILE-1 FRAME-6", "The frame before the index holds a file, there is no summary.",
        small(has_summary=False))
    add("bad-file-1-manifest-only", "FILE-1 FRAME-6", "The index follows the manifest at once.", Plan(has_summary=False))
    for name in ("manifest.json", "summary.json", "index", "trailer"):
        add(f"bad-file-1-{name.split('.')[0]}-member", "FILE-1 FRAME-6 INDEX-7", f"A member of the set is called pobackup/{name}.",
            mid(Member(b"pobackup/" + name.encode(), b"x")), QUICK_OK)
    add("bad-file-2-byte-after", "FILE-2 FILE-4", "One byte after the seek table.", small(on_file=lambda o: o + [(b"\0", "more")]))
    add("bad-file-2-frame-after", "FILE-2 FILE-4", "An empty skippable frame after the seek table.",
        small(on_file=lambda o: o + [(b"\x50\x2a\x4d\x18" + bytes(4), "skippable frame")]))
    add("bad-file-2-cut", "FILE-2 FILE-4", "The last byte is missing.", small(on_file=drop_tail(1)))
    add("bad-file-2-half", "FILE-2 FILE-4", "Cut in the middle of frame 1.", small(on_file=lambda o: cut(o, 1500)[0]))
    add("bad-file-4-no-seek-table", "FILE-2 FILE-4", "All frames, no seek table.", small(on_file=drop_tail(8 + 12 * 5 + 9)))
    add("unsupported-file-3-empty", "FILE-3", "An empty file.", [])
    add("unsupported-file-3-zip", "FILE-3", "Another kind of file.", [(b"PK\x03\x04" + bytes(40), "not Zstandard")])
    add("unsupported-file-3-legacy", "FILE-3 READ-1", "A frame of Zstandard 0.7, with a large window.",
        [(b"\x27\xb5\x2f\xfd\x00\x80" + bytes(20), "not Zstandard as of RFC 8878")])
    add("bad-file-1-skippable", "FILE-1 SEEK-2", "A skippable frame stands first; the end is that of an archive.",
        small(on_file=lambda o: [(b"\x50\x2a\x4d\x18" + bytes(4), "skippable frame")] + o))
    def first_byte(frames):
        frames[0] = flip(frames[0], 0)

    add("bad-file-3-first-byte", "FILE-3 FRAME-1 INDEX-8 READ-2", "The first byte is damaged; the end is that of an archive.",
        small(on_data=first_byte), ("hit", "pobackup/manifest.json"))
    add("bad-file-4-cut-in-frame-0", "FILE-4 FILE-2", "Cut in frame 0: the first frame does not decode.",
        small(on_file=lambda o: cut(o, 700)[0]))
    add("bad-file-4-extended", "FILE-4 FILE-2", "Only frame 0 is left; an extended header stands before the manifest's name.",
        encode(Member(b"pobackup/manifest.json", b"{}", time=WHEN + 1).pieces()))
    foreign = encode(Member(b"x", b"x").pieces() + [(bytes(1024), "end of the tar")])
    add("unsupported-file-4-tar", "FILE-4", "A .tar.zst of someone else.", foreign)
    add("unsupported-file-4-stream", "FILE-4", "A .tar.zst of someone else, without content size and checksum.",
        encode(Member(b"x", b"x").pieces() + [(bytes(1024), "end of the tar")], no_size=True, no_checksum=True))
    add("unsupported-file-4-text", "FILE-4", "Zstandard, but no tar.", encode([(b"hello\n", "content")]))

    def seek_table(frames):
        out = [(SEEK_SKIPPABLE_MAGIC, "skippable magic"), (struct.pack("<I", 12 * len(frames) + 9), "size")]
        for frame, size in frames:
            out += [(struct.pack("<II", size_of(frame), size), "sizes"), (join(frame)[-4:], "checksum")]
        return out + [(struct.pack("<I", len(frames)), "number of frames"), (b"\x80", "descriptor"), (SEEK_FOOTER_MAGIC, "magic")]

    add("unsupported-file-4-seekable", "FILE-4", "A seekable .tar.zst of someone else.", foreign + seek_table([(foreign, 2048)]))

    def lose_trailer(plan_frames):
        plan_frames.pop()

    def lose_entry(seek, foot):
        seek.pop()
        foot["size"] -= 12
        foot["frames"] -= 1

    add("bad-file-4-no-trailer", "FILE-4 FILE-1 TRAILER-1", "The last data frame is missing; the seek table is right.",
        small(on_data=lose_trailer, on_seek=lose_entry))

    def frame1(name, rules, about, **how):
        add(name, rules, about, small(encoded={1: how}), QUICK_OK)

    frame1("bad-frame-1-no-checksum", "FRAME-1 FRAME-3 SEEK-3", "A frame without Content_Checksum.", no_checksum=True)
    frame1("bad-frame-1-no-size", "FRAME-1", "A frame without Frame_Content_Size.", no_size=True)
    frame1("bad-frame-1-dictionary", "FRAME-1", "A frame with a dictionary id.", dictionary=5)
    frame1("bad-frame-1-reserved-bit", "FRAME-1", "The reserved bit of the frame header is set.", reserved=8)
    frame1("bad-frame-1-unused-bit", "FRAME-1", "The unused bit of the frame header is set.", reserved=16)
    frame1("bad-frame-1-reserved-block", "FRAME-1 FRAME-3", "A block of the reserved type.", block_kind=3)
    frame1("bad-frame-1-magic", "FRAME-1", "A data frame with another magic number.", magic=b"\x27\xb5\x2f\xfd")

    def insert(frame, size):
        """A hook that puts one more frame between frame 1 and the summary."""
        def hook(contents, places):
            contents.insert(2, (size, frame))
            places[:] = [(f + (f >= 2), offset, m) for f, offset, m in places]
        return hook

    add("bad-frame-1-empty", "FRAME-1", "A frame without content.", small(on_contents=insert(encode([]), 0)), QUICK_OK)
    add("bad-frame-1-skippable", "FRAME-1", "A skippable frame among the data frames.",
        small(on_contents=insert([(b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + bytes(4), "skippable frame")], 512)), QUICK_OK)

    large = Member(b"large", bytes((32 << 20) - 511))
    body = block(b"", "block: stored, 512 bytes", 0, size=512) + large.header_pieces()
    left = 32 << 20
    while left:
        size = min(left, 131072)
        left -= size
        body += block(b"", "block: one byte, 131,072 times", 0 if left else 1, kind=1, size=size) + [(b"\0", "content")]
    add("bad-frame-2-content", "FRAME-2 READ-1", "512 bytes more than 32 MiB of content in a frame.",
        mid(large, encoded={1: {"body": body}}), QUICK_OK)
    add("bad-frame-2-too-small", "FRAME-2 FRAME-3 READ-1", "32 MiB are claimed for a frame that is too small for them.",
        small(encoded={1: {"size": 32 << 20, "body": block(b"", "block: last, one byte, 131,072 times", 1, kind=1, size=131072)
                           + [(b"\0", "content")]}}, claimed={1: 32 << 20}), QUICK_OK)
    frame1("bad-frame-2-window", "FRAME-2 READ-1", "A window of 36 MiB.", window=15 << 3 | 1)
    frame1("bad-frame-2-window-huge", "FRAME-2 READ-1", "A window of 3.75 TiB.", window=0xFF)
    frame1("bad-frame-2-compressed", "FRAME-2", "513 bytes above the bound, in empty blocks.", head=bytes(3 * 180))

    def seek_absurd(seek, foot):
        seek[1][1] = 0xFFFFFFFF

    add("bad-frame-2-seek-absurd", "FRAME-2 READ-1 INDEX-6 SEEK-2", "The seek table claims 4 GiB of content for a frame.",
        small(on_seek=seek_absurd))
    frame1("bad-frame-3-header", "FRAME-3 SEEK-2", "The frame header states one byte more than seek table and blocks.", size=1025)
    for name, size, what in (("more", 1536, "512 bytes more"), ("less", 768, "256 bytes less")):
        add(f"bad-frame-3-size-{name}", "FRAME-3", f"Frame header, seek table and index state {what} than the blocks hold.",
            small(encoded={1: {"size": size, "window": 0}}, claimed={1: size}), QUICK_OK)
    frame1("bad-frame-3-checksum", "FRAME-3", "The content does not match the Content_Checksum.", checksum=b"\1\2\3\4")
    frame1("bad-frame-3-two-frames", "FRAME-3 SEEK-3", "A second frame inside the compressed size.",
           extra=b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + bytes(4))
    body = compressed_body()
    for i, (data, note) in enumerate(body):
        if note.startswith("bits"):
            body[i] = (data[:1] + b"\0", note + " (end mark missing)")
    add("bad-frame-3-compressed", "FRAME-3", "A compressed block that does not decode, in a frame with right hashes.",
        mid(compressible(), encoded={1: {"body": body}}), QUICK_OK)

    def move(count):
        """A hook that moves the last `count` bytes of frame 1 to the start of frame 2."""
        def hook(contents, places):
            contents[1], tail = cut(contents[1], size_of(contents[1]) - count)
            contents[2] = tail + contents[2]
            places[:] = [(f, offset, m) if f != 2 else (f, offset + count, m) for f, offset, m in places]
        return hook

    two = Plan([Member(b"a", b"a" * 512)], [Member(b"b", b"b" * 512)], on_contents=move(512))
    add("bad-frame-4-start-after-rest", "FRAME-4", "A frame goes on with a member and then holds the start of another.", two, QUICK_OK)
    add("bad-frame-5-header", "FRAME-5", "A header block crosses the end of a frame.",
        Plan([Member(b"a", b"a\n"), Member(b"b", b"b" * 512)], [], on_contents=cutter(1024 + 256)), QUICK_OK)
    add("bad-frame-5-records", "FRAME-5", "The records of an extended header cross the end of a frame.",
        Plan([Member(b"a", b"a\n"), Member(b"b", b"b" * 512, pax=[(b"comment", b"c" * 700)])], [],
             on_contents=cutter(1024 + 512 + 512)), QUICK_OK)
    add("bad-frame-6-manifest-and-more", "FRAME-6", "Frame 0 holds a second member.", small(manifest_extra=[Member(b"b", b"b")]))
    add("bad-frame-6-summary-and-more", "FRAME-6", "The summary's frame holds a second member.",
        small(summary_extra=[Member(b"b", b"b")]))
    add("bad-frame-6-manifest-split", "FRAME-6", "The manifest goes on in frame 1.",
        small(on_contents=split_manifest))
    add("bad-frame-6-no-manifest", "FRAME-6 FILE-1 FILE-4 INDEX-7", "Frame 0 holds another member.",
        small(on_contents=rename_first))

    def claim(frames):
        def hook(seek, foot):
            foot["frames"] = frames
        return hook

    add("bad-frame-7-too-many", "FRAME-7 READ-1 SEEK-1", "The seek table claims 4,194,305 frames.", small(on_seek=claim(4194305)))
    add("bad-frame-7-absurd", "FRAME-7 READ-1 SEEK-1", "The seek table claims 2^32 - 1 frames.", small(on_seek=claim(0xFFFFFFFF)))


    # FRAME-8. The bound for a frame of `stored` bytes as they are and then zeros: each 131,072 of those take 4 bytes.
    def extended(size):
        return small(extensions=[(7, 0, bytes(size))], encoded={"index": packed})

    def index_frame(plan):
        return build(plan).frames[3]

    def largest():
        """The largest extension that FRAME-8 allows in the smallest archive: the frame's content ends at a multiple of 512."""
        size = MIB
        while True:
            compressed, content = index_frame(extended(size))
            spare = MIB + 1024 * compressed - content
            if spare < 512:
                return size
            size += spare // 512 * 512

    size = largest()
    add("good-frame-8", "FRAME-8", "An index that comes out of as few bytes as may be.", extended(size))
    add("bad-frame-8-index", "FRAME-8", "512 bytes more of index than may come out of its frame.", extended(size + 512))
    def spacious(text):
        return text + b" " * (3 * MIB - len(text))

    add("bad-frame-8-manifest", "FRAME-8", "A manifest of 3 MiB, spaces for the most part, in less than 1,000 bytes.",
        small(manifest_bytes=spacious(dump_json(manifest())), encoded={0: packed}))
    add("bad-frame-8-summary", "FRAME-8", "A summary of 3 MiB, spaces for the most part, in less than 1,000 bytes.",
        small(summary_bytes=spacious(dump_json(SUMMARY)), encoded={2: packed}))


def cutter(at):
    """A hook that cuts frame 1 in two; frame 2 is empty before."""
    def hook(contents, places):
        contents[1], contents[2] = cut(contents[1], at)
    return hook


def split_manifest(contents, places):
    contents[0], tail = cut(contents[0], size_of(contents[0]) - 400)
    contents.insert(1, tail)
    places[:] = [(f + (f >= 1), offset, m) for f, offset, m in places]


def rename_first(contents, places):
    old = join(contents[0])
    head = header_block(name=b"pobackup/manifest.jsom", size=old[124:136], mtime=old[136:148])
    contents[0] = [(b"", "pobackup/manifest.jsom")] + head + cut(contents[0], 512)[1]


def make_tar():
    def one(name, rules, about, *members, **options):
        add(name, rules, about, mid(*members, **options), QUICK_OK)

    one("bad-tar-1-checksum", "TAR-1", "A wrong header checksum.", Member(b"a", b"a", checksum=b"012345\0 "))
    one("bad-tar-1-magic", "TAR-1", "The magic of GNU tar.", Member(b"a", b"a", magic=b"ustar ", version=b" \0"))
    one("bad-tar-1-version", "TAR-1", "Version 01.", Member(b"a", b"a", version=b"01"))
    one("bad-tar-1-binary-size", "TAR-1", "A size in base 256.", Member(b"a", b"a", size=b"\x80" + bytes(10) + b"\1"))
    one("bad-tar-1-not-octal", "TAR-1", "An 8 in a number.", Member(b"a", b"a", mode=b"0000648\0"))
    one("unsupported-tar-2-device", "TAR-2", "A character device.", Member(b"a", b"", typeflag=b"3"), hello())
    one("unsupported-tar-2-global", "TAR-2", "A global extended header.", Member(b"g", b"", typeflag=b"g"), hello())
    one("unsupported-tar-2-old-file", "TAR-2", "Typeflag NUL.", Member(b"a", b"a", typeflag=b"\0"))
    one("bad-tar-2-link-first", "TAR-2", "A hard link before the member that it names.",
        Member(b"a", type=HARDLINK, link=b"b"), Member(b"b", b"b"))
    two = Member(b"a", b"a", pax=[(b"comment", b"c")])
    twice = two.header_pieces()

    def doubled(contents, places):
        contents[1] = twice[:len(twice) - len(FIELDS)] + contents[1]

    one("bad-tar-2-two-extended", "TAR-2", "Two extended headers before one member.", two, on_contents=doubled)
    one("bad-tar-3-record", "TAR-3", "A pax record whose length is wrong.", Member(b"a", b"a", pax=[b"99 comment=c\n"]))
    one("bad-tar-3-no-newline", "TAR-3", "A pax record without its newline.", Member(b"a", b"a", pax=[b"13 comment=cc"]))
    one("bad-tar-3-path-ignored", "TAR-3 INDEX-7", "The index has the name of the ustar field where a path record stands.",
        Member(b"aaa", b"a", pax=[(b"path", b"other")]))
    one("bad-tar-3-size-ignored", "TAR-3 TAR-1 INDEX-7 FRAME-4 TAR-9", "A size record that the index does not follow.",
        Member(b"a", b"aa", pax=[(b"size", b"1")]), hello())
    high = Member(b"a\xc3\xbc", b"a", name=b"a\xc3\xbc")
    high.no_auto_pax = True
    one("bad-tar-4-high-byte", "TAR-4", "A byte above 0x7E in a ustar name.", high)
    high = Member(b"a", type=SYMLINK, link=b"\x01x", linkname=b"\x01x")
    high.no_auto_pax = True
    one("bad-tar-4-link-control", "TAR-4", "A byte below 0x20 in a ustar link name.", high)
    high = Member(b"a\xff", b"a", name=b"a", pax=[(b"path", b"a\xff")])
    high.no_auto_pax = True
    one("bad-tar-4-no-binary", "TAR-4", "A path that is not UTF-8, without hdrcharset=BINARY.", high)
    high = Member(b"a\xff", b"a", name=b"a", pax=[(b"path", b"a\xff"), (b"hdrcharset", b"BINARY")])
    high.no_auto_pax = True
    one("bad-tar-4-binary-late", "TAR-4", "hdrcharset=BINARY stands after the path.", high)
    one("bad-tar-5-no-slash", "TAR-5", "A directory without a slash.", Member(b"d", type=DIRECTORY, name=b"d"))
    one("bad-tar-5-file-slash", "TAR-5 INDEX-7", "A file with a slash at its end.", Member(b"d", b"x", name=b"d/"))
    one("bad-tar-5-directory-size", "TAR-5", "A directory with a size.",
        Member(b"d", b"x", type=DIRECTORY), on_entries=entry(b"d", size=0))
    one("bad-tar-5-link-size", "TAR-5", "A symbolic link with a size.",
        Member(b"s", b"x", type=SYMLINK, link=b"t"), on_entries=entry(b"s", size=0))
    one("bad-tar-6-digits", "TAR-6", "Eight digits after the point.",
        Member(b"a", b"a", pax=[(b"mtime", b"%d.00000000" % (WHEN // SECOND))]))
    one("bad-tar-6-exponent", "TAR-6", "A time that is not decimal.", Member(b"a", b"a", pax=[(b"mtime", b"1e9")]))
    one("bad-tar-6-rounding", "TAR-6 INDEX-7", "-1.5 s in the tar, -0.5 s in the index: the sign belongs to the whole number.",
        Member(b"a", b"a", time=-15000000), on_entries=entry(b"a", write_time=-5000000))
    one("bad-tar-7-loser", "TAR-7 INDEX-7", "The index names the earlier of two members.", Member(b"a", b"first\n"),
        Member(b"a", b"second\n"), on_entries=entry(b"a", frame=1, offset=0, size=6, content_hash=xxh3(b"first\n")))
    one("bad-tar-8-nul", "TAR-8 INDEX-7", "A NUL in a path record.", Member(b"a", b"a", pax=[(b"path", b"a\0b")]))
    empty = Member(b"a", b"a", name=b"")
    one("bad-tar-8-empty", "TAR-8 INDEX-7", "A path of no bytes.", empty)
    long = Member(b"a", b"a", pax=[(b"path", b"p" * 131073)])
    one("bad-tar-8-long", "TAR-8 INDEX-7 READ-1", "A path of 131,073 bytes.", long)
    dirty = Member(b"a", b"a")
    dirty.padding = bytes(510) + b"\1"
    one("bad-tar-9-padding", "TAR-9", "Padding after a file is not zero.", dirty)
    dirty = Member(b"a", b"a", pax=[(b"comment", b"c")])
    dirty.pax_padding = b"x".rjust(-len(pax_record(b"comment", b"c")) % 512, b"\0")
    one("bad-tar-9-pax-padding", "TAR-9", "Padding after pax records is not zero.", dirty)
    absurd = Member(b"a", b"a", pax=[b""])
    one("bad-tar-9-no-records", "TAR-9", "An extended header without records.", absurd)
    one("bad-tar-9-records", "TAR-9 READ-1", "Pax records of more than 1 MiB.", Member(b"a", b"a", pax=[(b"comment", b"c" * 1048577)]))
    absurd = Member(b"a", b"a", pax=[(b"comment", b"c")])
    absurd.pax_size = 0o77777777777
    one("bad-tar-9-records-absurd", "TAR-9 READ-1 FRAME-5", "An extended header that claims 8 GiB of records.", absurd)
    one("bad-tar-9-zero-blocks", "TAR-9 TAR-1", "Two zero blocks in the middle of the tar.", hello(),
        on_contents=lambda contents, places: contents[1].append((bytes(1024), "zero blocks")))
    add("bad-tar-9-index-padding", "TAR-9", "Padding after the index is not zero.",
        small(on_index_stream=lambda stream: patch(stream, size_of(stream) - 1, b"\1")))


def make_streams():
    def stream(path, data=b"[ZoneTransfer]\r\nZoneId=3\r\n", **options):
        return Member(b"pobackup/streams/" + path, data, **options)

    box = Member(b"box", type=DIRECTORY)
    add("good-streams", "STREAM-1 STREAM-2 STREAM-3",
        "Alternate streams of a file, of a directory, of a file with % in its path; names with each kind of escape, one of 255 units.",
        mid(box, hello(), Member(b"box/50%", b"half"), stream(b"a.txt/%/Zone.Identifier"), stream(b"a.txt/%/%01%22%25%2A%3C%3E%3F%7C%7F"),
            stream(b"a.txt/%/.%2E", b""), stream(b"a.txt/%/ x%20", b"x"), stream(b"box/%/of a directory", b"d"),
            stream(b"box/50%25/%/\xe6\x97\xa5", b"half's"), stream(b"a.txt/%/" + b"n" * 255, b"long"),
            stream(b"a.txt/%/\xed\xa0\x80", b"half a pair")))
    add("good-streams-before", "STREAM-3", "A stream stands before its owner, which is in a later frame.",
        Plan([stream(b"a.txt/%/first")], [hello()]))

    def bad(name, rules, about, *members):
        add("bad-stream-" + name, rules, about, mid(box, hello(), *members))

    for name, path, about in (("1-no-mark", b"a.txt/x", "No `%` stands before the name."), ("1-no-owner", b"%/x", "No owner."),
                              ("1-plain-percent", b"a.txt/%/5%", "A `%` in the name is not escaped."),
                              ("1-owner-percent", b"a%/%/x", "A `%` in the owner's path is not escaped."),
                              ("1-escaped-letter", b"a.txt/%/%41", "A letter is escaped."),
                              ("1-lower-case", b"a.txt/%/%2a", "An escape in lower case."),
                              ("1-last-dot", b"a.txt/%/x.", "A dot at the end is not escaped."),
                              ("1-control", b"a.txt/%/x\x01y", "A control character is not escaped.")):
        bad(name, "STREAM-1", about, stream(path))
    for name, path, about in (("2-colon", b"a.txt/%/x:y", "A colon in the name."), ("2-backslash", b"a.txt/%/x\\y", "A backslash in the name."),
                              ("2-utf-8", b"a.txt/%/x\xff", "The name is not UTF-8."),
                              ("2-long", b"a.txt/%/" + b"\xf0\x9f\x98\x80" * 128, "A name of 256 units in 128 characters.")):
        bad(name, "STREAM-2", about, stream(path))
    bad("3-directory", "STREAM-3", "The stream is a directory.", stream(b"a.txt/%/x", b"", type=DIRECTORY))
    bad("3-link", "STREAM-3", "The stream is a hard link.", stream(b"a.txt/%/x", b"", type=HARDLINK, link=b"a.txt"))
    bad("3-no-owner", "STREAM-3", "Nothing in the snapshot is its owner.", stream(b"b.txt/%/x"))
    bad("3-owner-link", "STREAM-3", "Its owner is a symbolic link.", Member(b"soft", type=SYMLINK, link=b"a", mode=0o777), stream(b"soft/%/x"))
    bad("3-owner-ours", "STREAM-3", "Its owner is the manifest.", stream(b"pobackup/manifest.json/%/x"))
    bad("3-owner-stream", "STREAM-3", "Its owner is a stream.", stream(b"a.txt/%/x"), stream(b"pobackup/streams/a.txt/%25/x/%/y"))


def make_json():
    def bad(name, rule, about, data):
        option = "manifest_bytes" if rule.startswith("MANIFEST") else "summary_bytes"
        add(name, rule, about, small(**{option: data}))

    good = dump_json(manifest())
    bad("bad-manifest-1-duplicate", "MANIFEST-1", "A key twice.", good.replace(b'"services":[]', b'"services":[],"kind":"full"'))
    bad("bad-manifest-1-duplicate-deep", "MANIFEST-1", "A key twice in an inner object.",
        good.replace(b'"system":"s"', b'"system":"s","system":"s"'))
    bad("bad-manifest-1-not-json", "MANIFEST-1", "A comma too many.", good.replace(b'"services":[]', b'"services":[],'))
    bad("bad-manifest-1-after", "MANIFEST-1", "Bytes after the object.", good + b"{}")
    bad("bad-manifest-1-nan", "MANIFEST-1", "NaN is not JSON.", good.replace(b'"services":[]', b'"services":[],"x":NaN'))
    bad("bad-manifest-1-not-utf-8", "MANIFEST-1", "A string that is not UTF-8.", good.replace(b'"name":"h"', b'"name":"\xff"'))
    bad("bad-manifest-1-array", "MANIFEST-1", "An array.", b"[]")
    bad("bad-manifest-1-empty", "MANIFEST-1", "No bytes.", b"")
    large = good.replace(b"{", b"{" + b" " * (16 << 20), 1)
    bad("bad-manifest-1-deep", "MANIFEST-1", "Arrays, 101 levels deep.",
        good.replace(b'"services":[]', b'"services":' + b"[" * 100 + b"]" * 100))
    for rule, data, frame in (("MANIFEST-1", good, 0), ("SUMMARY-1", dump_json(SUMMARY), 2)):
        option, what = ("manifest_bytes", "manifest") if frame == 0 else ("summary_bytes", "summary")
        commas = 399999 - sum(map(data.count, (b"{", b"[", b",")))
        add(f"bad-{what}-1-marks", rule + " READ-1", "400,001 brackets and commas, most of them in one array.",
            small(**{option: data[:-1] + b',"x":[' + b"0," * commas + b"0]}"}, encoded={frame: zero_list}))
    add("bad-manifest-1-large", "MANIFEST-1 READ-1", "More than 16 MiB.", small(manifest_bytes=large))

    def without(key):
        m = manifest()
        del m[key]
        return m

    for key in ("format", "archive_id", "created", "kind", "parents"):
        add(f"bad-manifest-1-no-{key.replace('_', '-')}", "MANIFEST-1", f"No {key}.",
            small(manifest=without(key), archive_id=manifest()["archive_id"]))

    def changed(name, rules, about, key, value, **options):
        add(name, rules, about, small(manifest=manifest() | {key: value}, archive_id=manifest()["archive_id"], **options))

    changed("bad-manifest-1-id", "MANIFEST-1", "The archive id in capitals.", "archive_id", manifest()["archive_id"].upper())
    changed("bad-manifest-1-created", "MANIFEST-1", "Six digits after the point.", "created", "2026-11-24T02:00:00.000000Z")
    changed("bad-manifest-1-month", "MANIFEST-1", "A 13th month.", "created", "2026-13-24T02:00:00.0000000Z")
    changed("bad-manifest-1-kind", "MANIFEST-1", "A kind that there is not.", "kind", "half")
    changed("bad-manifest-1-parents", "MANIFEST-1 MANIFEST-3", "A full with a parent.", "parents",
            [{"archive_id": "11" * 16, "digest": "22" * 32, "created": WHEN_TEXT, "name": "x"}])
    changed("bad-manifest-1-version", "MANIFEST-1", "A version that is a string.", "format",
            {"name": "pobackup", "version": "1", "critical": []})
    changed("bad-manifest-1-critical", "MANIFEST-1", "Critical features that are no array.", "format",
            {"name": "pobackup", "version": 1, "critical": {}})
    changed("unsupported-manifest-2-name", "MANIFEST-2", "Another format.", "format",
            {"name": "other", "version": 1, "critical": []})
    changed("unsupported-manifest-2-version", "MANIFEST-2", "Version 2.", "format",
            {"name": "pobackup", "version": 2, "critical": []})
    changed("unsupported-manifest-2-critical", "MANIFEST-2", "A critical feature.", "format",
            {"name": "pobackup", "version": 1, "critical": ["sparse"]})
    changed("bad-manifest-3-id", "MANIFEST-3", "Another archive id than the trailer's.", "archive_id", "f" * 32)
    changed("bad-manifest-3-created", "MANIFEST-3", "Another time than the trailer's.", "created", "2026-11-24T02:00:00.0000001Z")
    add("bad-summary-1-array", "SUMMARY-1", "The summary is an array.", small(summary_bytes=b"[]"))
    add("bad-summary-1-duplicate", "SUMMARY-1", "A key twice.", small(summary_bytes=b'{"a":1,"a":1}'))
    add("bad-summary-1-not-json", "SUMMARY-1", "The summary ends early.", small(summary_bytes=b'{"a":'))


def make_index():
    def ix(name, rules, about, hook, *extra, **options):
        add(name, rules, about, small(on_index=hook, **options), *extra)

    def head(name, rules, about, at, value):
        add(name, rules, about, small(on_index_pieces=lambda pieces: patch(pieces, at, value)))

    head("bad-index-1-magic", "INDEX-1", "Another magic.", 0, b"pobIndex")
    head("bad-index-1-reserved", "INDEX-1", "A reserved byte is not zero.", 127, b"\1")
    ix("unsupported-index-1-version", "INDEX-1", "Version 2.", setter("version", 2))
    ix("unsupported-index-1-critical", "INDEX-1", "A critical feature.", setter("critical", 1))
    ix("unsupported-index-1-version-first", "INDEX-1", "Version 2, and bytes that are zero in version 1.",
       lambda table: table.update(version=2, reserved=b"\1" * 32))
    add("unsupported-index-1-extension", "INDEX-1", "A critical extension.", small(extensions=[(7, 1, b"new")]))
    ix("bad-index-2-n-absurd", "INDEX-2 READ-1", "2^60 entries.", setter("n", 1 << 60), on_trailer=setter("entries", 3))
    ix("bad-index-2-n-bound", "INDEX-2 READ-1", "134,217,729 entries.", setter("n", 134217729), on_trailer=setter("entries", 3))
    ix("bad-index-2-n-more", "INDEX-2", "One entry more than there is.", setter("n", 4), on_trailer=setter("entries", 3))
    for key in ("p", "lb", "db", "ab"):
        ix(f"bad-index-2-{key}-bound", "INDEX-2 READ-1", f"{key} = 2^32.", setter(key, 1 << 32))

    # n and x so large that the sum of the sizes is right modulo 2^64.
    def wrap(table):
        table["x"] = (1 << 64) - 4
        table["tail"] = []
        table["db"] = 4

    ix("bad-index-2-wrap", "INDEX-2 READ-1", "Sizes that are right only modulo 2^64.", wrap)
    ix("bad-index-2-parents", "INDEX-2 READ-1", "65,536 parents.", setter("a", 65536))
    ix("bad-index-2-links-absurd", "INDEX-2 READ-1", "2^32 - 1 links.", setter("l", 0xFFFFFFFF))
    ix("bad-index-2-tail", "INDEX-2", "Bytes after the last section.", setter("tail", [(b"\0" * 4, "more")]))
    add("bad-index-2-short", "INDEX-2", "An index shorter than its header.", small(on_index_pieces=lambda p: cut(p, 100)[0]))

    # The first frame is stored, so that FRAME-8 holds; then zeros.
    def loose(pieces):
        return packed(pieces) if size_of(pieces) > 1 << 20 else None

    frames = build(small()).frames[:3]
    bound = (64 << 20) + sum(size for _, size in frames) // 64
    add("bad-index-2-x-bound", "INDEX-2 READ-1", "One byte more of extensions than may be.",
        small(extensions=[(7, 0, bytes(bound + 1 - 16))], index_cuts=[70000, 32 << 20], encoded={"index": loose}))

    def short_extension(table):
        table["tail"] = [(struct.pack("<IIQ", 7, 0, 100) + b"abc", "extension that claims 100 bytes")]
        table["x"] = 19

    ix("bad-index-2-extension", "INDEX-2", "An extension that is longer than its section.", short_extension)

    def paths(*names):
        def hook(table):
            table["paths"] = list(names)
            table["path end"] = ends(names)
            table["p"] = sum(map(len, names))
        return hook

    m, s = b"pobackup/manifest.json", b"pobackup/summary.json"
    ix("bad-index-3-unsorted", "INDEX-3", "Paths that do not rise.", paths(m, b"a.txt", s))
    ix("bad-index-3-twice", "INDEX-3", "A path twice.", paths(m, m, s))
    ix("bad-index-3-slash", "INDEX-3", "A path that ends with a slash.", paths(b"a.txt/", m, s))
    ix("bad-index-3-nul", "INDEX-3", "A path with a NUL.", paths(b"a\0txt", m, s))
    ix("bad-index-3-empty", "INDEX-3", "An empty path.", paths(b"", m, s))
    ix("bad-index-3-long", "INDEX-3 READ-1", "A path of 131,073 bytes.", paths(b"a" * 131073, m, s))
    ix("bad-index-4-falling", "INDEX-4", "Path ends that fall.", column("path end", 1, 3))
    ix("bad-index-4-beyond", "INDEX-4 READ-1", "A path end beyond the section.", column("path end", 0, 0xFFFFFFF0))
    ix("bad-index-4-short", "INDEX-4", "The last path ends before its section.", column("path end", 2, 47))
    link = Member(b"a", type=SYMLINK, link=b"target")

    def on_link(name, rules, about, hook):
        add(name, rules, about, mid(link, hello(), on_index=hook))

    on_link("bad-index-4-link", "INDEX-4", "A link end beyond its section.", column("link end", 0, 7))

    add("bad-index-4-security", "INDEX-4", "Security ends that fall.",
        small(descriptors=[b"\x63a", b"\x63"], on_index=lambda t: t["security end"].__setitem__(0, 4)))
    ix("unsupported-index-5-type", "INDEX-5", "Type 5.", column("type", 0, 5))
    ix("unsupported-index-5-type-0", "INDEX-5", "Type 0.", column("type", 0, 0))

    def no_link(table):
        for key, value in (("link entry", []), ("link end", []), ("links", []), ("l", 0), ("lb", 0)):
            table[key] = value

    on_link("bad-index-5-no-link", "INDEX-5", "A symbolic link without a target.", no_link)

    def links(*numbers):
        def hook(table):
            table["link entry"] = list(numbers)
            table["links"] = [b"target"] * len(numbers)
            table["link end"] = ends(table["links"])
            table["l"], table["lb"] = len(numbers), 6 * len(numbers)
        return hook

    on_link("bad-index-5-file-link", "INDEX-5", "A file with a link target.", links(0, 1))
    on_link("bad-index-5-two-links", "INDEX-5", "An entry with two link targets.", links(0, 0))
    on_link("bad-index-5-link-nowhere", "INDEX-5 READ-1", "A link target for an entry that there is not.", links(0, 0xFFFFFFFF))
    ix("bad-index-5-security", "INDEX-5 READ-1", "A security descriptor that there is not.", column("security", 0, 1))
    ix("bad-index-5-source", "INDEX-5 READ-1", "A parent that there is not.", column("source", 0, 1))

    def fewer(table):
        table["frames"].pop()
        table["f"] -= 1

    ix("bad-index-6-fewer", "INDEX-6", "The frame table lacks a frame.", fewer)

    def resize(position, change):
        def hook(table):
            row = list(table["frames"][1])
            row[position] += change
            table["frames"][1] = tuple(row)
        return hook

    ix("bad-index-6-content", "INDEX-6", "Another content size than the seek table.", resize(0, 512))
    ix("bad-index-6-compressed", "INDEX-6", "Another compressed size than the seek table.", resize(1, 1))
    ix("bad-index-6-frame", "INDEX-6 READ-1", "An entry in a frame that is not described.", column("frame", 0, 3))
    ix("bad-index-6-frame-absurd", "INDEX-6 READ-1", "An entry in frame 2^32 - 1.", column("frame", 0, 0xFFFFFFFF))
    ix("bad-index-6-offset", "INDEX-6 READ-1", "An entry at an offset outside its frame.", column("offset", 0, 1024))
    ix("bad-index-6-offset-odd", "INDEX-6", "An offset that is no multiple of 512.", column("offset", 0, 256))

    def seven(name, about, hook, plan=None):
        plan = plan or small()
        plan.on_entries = hook
        add(name, "INDEX-7", about, plan, QUICK_OK)

    def lose(path):
        return lambda entries: entries.remove(next(e for e in entries if e["path"] == path))

    seven("bad-index-7-missing", "A member that has no entry.", lose(b"a.txt"))
    seven("bad-index-7-extra", "An entry without a member.", lambda entries: entries.append(
        {"path": b"b", "frame": 1, "offset": 512, "content hash": xxh3(b""), "type": FILE}))
    seven("bad-index-7-path", "Another path.", entry(b"a.txt", path=b"b.txt"))
    seven("bad-index-7-size", "Another size.", entry(b"a.txt", size=7))
    seven("bad-index-7-time", "Another write time.", entry(b"a.txt", write_time=WHEN + 1))
    seven("bad-index-7-type", "A directory in the tar, an empty file in the index.",
          entry(b"d", type=FILE, content_hash=xxh3(b"")), mid(Member(b"d", type=DIRECTORY)))
    seven("bad-index-7-link", "Another link target.", entry(b"a", link=b"tarbet"), mid(Member(b"a", type=SYMLINK, link=b"target")))
    seven("bad-index-7-offset", "An entry that points to another member.", entry(b"b", offset=0),
          mid(Member(b"a", b""), Member(b"b", b"")))
    add("bad-index-7-hash", "INDEX-7 READ-3", "Another content hash.",
        small(on_entries=entry(b"a.txt", content_hash=xxh3(b"other"))), QUICK_OK)

    def eleven(name, about, places, *gone, flags=0, tail=b"", more=(), quick=False):
        def hook(entries):
            entries[:] = [e for e in entries if e["path"] not in gone]
        data = b"".join(struct.pack("<II", *place) for place in places) + tail
        add(name, "INDEX-11" if name.startswith("bad") and "earlier" not in name else "INDEX-11 INDEX-7 TAR-7", about,
            mid(Member(b"gone", b"x"), Member(b"kept", b"y"), Member(b"twice", b"1"), Member(b"twice", b"2"),
                extensions=[(1, flags, data), *more], on_entries=hook), *([QUICK_OK] if quick else []))

    def table_hash(position):
        def hook(table):
            row = list(table["frames"][1])
            row[position] = bytes([row[position][0] ^ 1]) + row[position][1:]
            table["frames"][1] = tuple(row)
        return hook

    ix("bad-index-8-xxh3", "INDEX-8", "A frame's XXH3 is wrong in the frame table.", table_hash(2))
    ix("bad-index-8-blake2b", "INDEX-8", "A frame's BLAKE2b is wrong in the frame table.", table_hash(3), QUICK_OK)
    ix("bad-index-10-id", "INDEX-10", "Another archive id than the trailer's.", setter("archive_id", b"\x11" * 16))
    eleven("good-dropped", "A member that is not part of the snapshot, and two of one name.",
           [(1, 0), (1, 2048), (1, 3072)], b"gone", b"twice")
    eleven("bad-index-11-earlier", "Of two members of one name only the later is named.",
           [(1, 0), (1, 3072)], b"gone", b"twice", quick=True)
    eleven("bad-index-11-twice", "The extension twice.", [(1, 0)], b"gone", more=[(1, 0, b"")])
    eleven("bad-index-11-critical", "The extension with bit 0 set.", [(1, 0)], b"gone", flags=1)
    eleven("bad-index-11-half", "Half a pair.", [(1, 0)], b"gone", tail=b"\0" * 4)
    eleven("bad-index-11-falling", "Places that do not rise.", [(1, 3072), (1, 0)], b"gone", b"twice")
    eleven("bad-index-11-entry", "The place of an entry.", [(1, 0), (1, 1024)], b"gone")
    eleven("bad-index-11-nothing", "A place where no member begins.", [(1, 0), (1, 512)], b"gone", quick=True)
    eleven("bad-index-11-frame", "A frame that there is not.", [(1, 0), (9, 0)], b"gone", quick=True)
    hard = [Member(b"a", b"a"), Member(b"d", type=DIRECTORY)]
    add("bad-index-10-no-target", "INDEX-10 TAR-2", "A hard link to a path that is no entry.",
        mid(*hard, Member(b"h", type=HARDLINK, link=b"nowhere")))
    add("bad-index-10-directory", "INDEX-10", "A hard link to a directory.", mid(*hard, Member(b"h", type=HARDLINK, link=b"d")))

    # READ-2: damage after writing.
    def hurt(*where):
        def hook(frames):
            for f, at in where:
                frames[f] = flip(frames[f], at)
        return hook

    hits = {1: ("box", "box/a", "box/big"), 2: ("box/big",), 3: ("box/big",), 4: ("box/empty", "box/hard", "box/soft"),
            5: ("pobackup/summary.json",), 0: ("pobackup/manifest.json",)}
    for f, at in ((0, 700), (1, 600), (2, 200), (3, 100), (4, 20), (5, 530)):
        add(f"bad-read-2-frame-{f}", "READ-2 INDEX-8", f"One bit of frame {f} is damaged.", tree(on_data=hurt((f, at))),
            *[("hit", path) for path in hits[f]])
    add("bad-read-2-frames", "READ-2 INDEX-8", "Frames 2 and 4 are damaged.", tree(on_data=hurt((2, 200), (4, 20))),
        *[("hit", path) for path in hits[2] + hits[4]])
    add("bad-read-2-header", "READ-2 INDEX-8 FRAME-3", "The content size in the header of frame 4 is damaged.",
        tree(on_data=hurt((4, 5))), *[("hit", path) for path in hits[4]])
    add("bad-read-2-content", "READ-2 INDEX-7", "A file's content is not what the index says: its frame is damaged.",
        Plan([Member(b"a", b"a"), Member(b"b", b"b")], [Member(b"c", b"c")], on_entries=entry(b"b", content_hash=xxh3(b"other"))), QUICK_OK,
        ("hit", "a"), ("hit", "b"))
    add("bad-read-2-content-long", "READ-2 INDEX-7", "The same of a file over three frames: the last of them is damaged.",
        tree(on_entries=entry(b"box/big", content_hash=xxh3(b"other"))), QUICK_OK,
        ("hit", "box/big"))
    losing = Plan([Member(b"a", b"a")], [Span(Member(b"twice", b"1" * 600), 300)], [Member(b"twice", b"2")], on_data=hurt((3, 20), (4, 20)))
    add("bad-read-2-loser", "READ-2 TAR-7 INDEX-8", "Frames 3 and 4 are damaged; frame 3 is the end of a member that does not count.", losing,
        ("hit", "twice"))


def make_parents():
    parent = Plan([Member(b"a", b"a in the parent\n"), Member(b"b", b"b in the parent\n")], [Member(b"c", b"c in the parent\n")],
                  manifest=manifest(archive_id="aa" * 16))
    built = build(parent)
    VECTOR_LIST.append(Vector("good-parent", "FILE-1", "The parent of the archives good-diff and bad-index-9-*.", built.pieces))
    borrowed = {e["path"]: e for e in built.entries}

    def diff(digest=built.digest, parent_id="aa" * 16, change=None, **options):
        rows = [{"archive_id": parent_id, "digest": digest.hex(), "created": WHEN_TEXT, "name": "parent.tar.zst"}]
        plan = Plan([Member(b"b", b"b is new\n")], manifest=manifest(archive_id="dd" * 16, kind="diff", parents=rows),
                    parents=[(bytes.fromhex(parent_id), digest, WHEN, b"parent.tar.zst")])
        plan.borrowed = [borrowed[b"a"] | {"source": 1}, borrowed[b"c"] | {"source": 1}]
        for path, changes in (change or {}).items():
            plan.borrowed = [e | changes if e["path"] == path else e for e in plan.borrowed]
        for key, value in options.items():
            setattr(plan, key, value)
        return plan

    def near(name):
        return "with", f"{name}.hex parent.tar.zst"

    add("good-diff", "INDEX-9 MANIFEST-3", "A differential: two entries lie in the parent.", diff(), near("good-parent"))
    add("bad-index-9-other", "INDEX-9", "Another archive stands under the parent's name.", diff(), near("good-small"))
    add("bad-index-9-digest", "INDEX-9", "The right id and name, another digest.", diff(digest=b"\x77" * 32), near("good-parent"))
    add("bad-index-9-content", "INDEX-9", "The parent has another content at that place.",
        diff(change={b"a": {"content hash": xxh3(b"other")}}), near("good-parent"), QUICK_OK)
    add("bad-index-9-offset", "INDEX-9", "No member begins at that place of the parent.",
        diff(change={b"a": {"offset": 512}}), near("good-parent"), QUICK_OK)
    add("bad-index-9-path", "INDEX-9", "The member there has another path.",
        diff(change={b"a": {"path": b"aa"}}), near("good-parent"), QUICK_OK)
    add("bad-index-9-time", "INDEX-9", "The member there has another write time.",
        diff(change={b"a": {"write time": WHEN + 1}}), near("good-parent"), QUICK_OK)
    add("bad-index-9-frame", "INDEX-9 READ-1", "The parent has no such frame.", diff(change={b"a": {"frame": 9}}), near("good-parent"),
        QUICK_OK)
    other = diff()
    other.manifest["parents"][0]["digest"] = "66" * 32
    add("bad-manifest-3-parent-digest", "MANIFEST-3", "The manifest has another digest of the parent than the index.", other,
        near("good-parent"))
    other = diff()
    other.manifest["parents"][0]["archive_id"] = "66" * 16
    add("bad-manifest-3-parent-id", "MANIFEST-3", "The manifest has another id of the parent than the index.", other,
        near("good-parent"))
    other = diff()
    other.manifest["parents"] = []
    other.manifest["kind"] = "full"
    add("bad-manifest-3-no-parent", "MANIFEST-3", "The manifest lacks the parent.", other, near("good-parent"))


def make_tail():
    def piece(which):
        """Put zero blocks or other bytes where the trailer's frame has its content."""
        return lambda content: patch(content, which[0], which[1])

    add("bad-trailer-1-not-single", "TRAILER-1", "The last frame has a window descriptor.", small(trailer_encode={"window": 8}))
    add("bad-trailer-1-three-blocks", "TRAILER-1 TAR-9", "Three zero blocks.",
        small(trailer_content=lambda content: content + [(bytes(512), "one more")]))
    add("bad-trailer-1-one-block", "TRAILER-1 TAR-9", "One zero block.", small(trailer_content=lambda content: cut(content, 1536)[0]))
    add("bad-trailer-1-end", "TRAILER-1 TAR-9", "A byte of the last zero block is not zero.",
        small(trailer_content=piece((2047, b"\1"))))
    add("bad-trailer-1-checksum", "TRAILER-1 FRAME-3", "A wrong checksum.", small(trailer_encode={"checksum": b"\1\2\3\4"}))
    add("bad-trailer-2-hash", "TRAILER-2", "A wrong hash.", small(on_trailer_pieces=lambda p: flip(p, 511)))
    add("bad-trailer-2-field", "TRAILER-2", "A field is changed and the hash is not.", small(on_trailer_pieces=lambda p: flip(p, 160)))
    add("bad-trailer-2-magic", "TRAILER-2", "Another magic.", small(on_trailer=setter("magic", b"pobTrail")))
    add("bad-trailer-2-zero", "TRAILER-2", "A reserved byte is not zero.", small(on_trailer=setter("zero", bytes(327) + b"\1")))
    add("unsupported-trailer-2-version", "TRAILER-2", "Version 2.", small(on_trailer=setter("version", 2)))
    add("unsupported-trailer-2-version-first", "TRAILER-2", "Version 2, and bytes that are zero in version 1.",
        small(on_trailer=lambda t: t.update(version=2, zero=b"\1" * 328)))
    add("unsupported-trailer-2-critical", "TRAILER-2", "A critical feature.", small(on_trailer=setter("critical", 1 << 31)))

    def three(name, about, key, change, rules="TRAILER-3"):
        def hook(t):
            t[key] += change
        add(name, rules, about, small(on_trailer=hook))

    three("bad-trailer-3-first", "The first index frame is another.", "i", 1)
    three("bad-trailer-3-first-absurd", "An absurd first index frame.", "i", 0xFFFFFFF0, "TRAILER-3 READ-1")
    three("bad-trailer-3-count", "Two index frames where there is one.", "k", 1)
    three("bad-trailer-3-none", "No index frame.", "k", -1)
    three("bad-trailer-3-offset", "The offset of the index is another.", "offset", 1)
    three("bad-trailer-3-compressed", "The compressed size of the index is another.", "compressed", -1)
    three("bad-trailer-3-size", "The size of the index is another.", "size", 1, "TRAILER-3 TRAILER-4")
    three("bad-trailer-3-size-absurd", "An absurd size of the index.", "size", 1 << 62, "TRAILER-3 READ-1")
    add("bad-trailer-3-name", "TRAILER-3", "The index frames hold another member.", small(index_member={"name": b"pobackup/indes"}))
    add("bad-trailer-3-more", "TRAILER-3", "A second member after the index.",
        small(on_index_stream=lambda stream: stream + Member(b"b", b"b").pieces()))

    def four(name, about, key):
        def hook(t):
            t[key] = bytes([t[key][0] ^ 1]) + t[key][1:]
        add(name, "TRAILER-4", about, small(on_trailer=hook))

    four("bad-trailer-4-xxh3", "The XXH3 of the index frames is wrong.", "XXH3")
    four("bad-trailer-4-blake2b", "The BLAKE2b of the index is wrong.", "BLAKE2b")
    four("bad-trailer-4-manifest", "The BLAKE2b of the manifest is wrong.", "manifest")
    three("bad-trailer-4-entries", "Another number of entries.", "entries", 1, "TRAILER-4")
    three("bad-trailer-4-sizes", "Another sum of sizes.", "sizes", 1, "TRAILER-4")

    def hurt_index(frames):
        frames[3] = flip(frames[3], 1200)

    add("bad-trailer-4-damage", "TRAILER-4", "One bit of the index frame is damaged.", small(on_data=hurt_index))
    for key, value in (("mode", b"0000600\0"), ("uid", b"0000001\0"), ("mtime", b"00000000001\0"), ("uname", b"root"),
                       ("devmajor", b"0000000\0"), ("prefix", b"x")):
        add(f"bad-trailer-5-{key}", "TRAILER-5 TRAILER-1", f"Another {key} in the trailer's header.", small(trailer_header={key: value}))
    text = b"%06o \0" % sum(join(header_block(name=b"pobackup/trailer", size=b"%011o\0" % 512, checksum=b" " * 8)))
    add("bad-trailer-5-checksum", "TRAILER-5 TRAILER-1", "The checksum ends with a space and a NUL.", small(trailer_header={"checksum": text}))

    def foot(key, value):
        return lambda seek, table: table.__setitem__(key, value)

    def cell(f, position, change):
        def hook(seek, table):
            if isinstance(seek[f][position], bytes):
                seek[f][position] = bytes([seek[f][position][0] ^ change]) + seek[f][position][1:]
            else:
                seek[f][position] += change
        return hook

    def no_checksums(seek, table):
        for row in seek:
            row[2] = b""
        table["descriptor"] = 0
        table["size"] = 8 * len(seek) + 9

    def exchange(seek, table):
        seek[0][0] += 1
        seek[1][0] -= 1

    add("bad-seek-1-reserved", "SEEK-1", "A reserved bit of the descriptor is set.", small(on_seek=foot("descriptor", 0x84)))
    add("bad-seek-1-unused", "SEEK-1", "An unused bit of the descriptor is set.", small(on_seek=foot("descriptor", 0x81)))
    add("bad-seek-1-no-checksums", "SEEK-1", "A table without checksums.", small(on_seek=no_checksums))
    add("bad-seek-1-size", "SEEK-1", "Another size field.", small(on_seek=foot("size", 70)))
    add("bad-seek-1-magic", "SEEK-1", "Another skippable magic.", small(on_seek=foot("magic", b"\x5f\x2a\x4d\x18")))
    add("bad-seek-1-footer", "SEEK-1 FILE-2 FILE-4", "Another footer magic.", small(on_seek=foot("footer", b"\xb0\xea\x92\x8f")))
    add("bad-seek-1-fewer", "SEEK-1", "The footer counts one frame less.", small(on_seek=foot("frames", 4)))
    add("bad-seek-2-compressed", "SEEK-2", "A compressed size too large by one.", small(on_seek=cell(1, 0, 1)))
    add("bad-seek-2-exchange", "SEEK-2 INDEX-6 FRAME-3 SEEK-3", "One byte of frame 1 is counted to frame 0.", small(on_seek=exchange))
    add("bad-seek-2-content", "SEEK-2 INDEX-6 FRAME-3", "A content size too large by 512.", small(on_seek=cell(1, 1, 512)))
    add("bad-seek-2-index-content", "SEEK-2 TRAILER-3 FRAME-3", "The index frame's content size is wrong.", small(on_seek=cell(3, 1, 512)))
    add("bad-seek-2-trailer-content", "SEEK-2 TRAILER-1 FRAME-3", "The last frame's content size is wrong.",
        small(on_seek=cell(4, 1, 1)))
    for f, what in ((0, "manifest"), (1, "data"), (3, "index"), (4, "trailer")):
        add(f"bad-seek-3-{what}", "SEEK-3", f"Another checksum for the {what} frame.", small(on_seek=cell(f, 2, 1)))


def make_all():
    VECTOR_LIST.clear()
    make_good()
    make_file_and_frames()
    make_tar()
    make_streams()
    make_json()
    make_index()
    make_parents()
    make_tail()
    names = [v.name for v in VECTOR_LIST]
    assert len(set(names)) == len(names)
    return {v.name + ".hex": to_text(v) for v in VECTOR_LIST}


def main():
    import recovery_vectors  # it builds on this file
    files = make_all() | recovery_vectors.make_all()
    present = {str(p.relative_to(VECTORS)): p for p in VECTORS.rglob("*.hex")}
    wrong = 0
    if sys.argv[1:] == ["--check"]:
        for name, text in files.items():
            if name not in present or present[name].read_bytes() != text.encode("ascii"):
                print(f"{name}: differs from what this program makes")
                wrong += 1
        for name in sorted(set(present) - set(files)):
            print(f"{name}: not made by this program")
            wrong += 1
        print(f"{len(files)} vectors, {wrong} wrong")
        return 1 if wrong else 0
    if sys.argv[1:]:
        print("usage: make_vectors.py [--check]", file=sys.stderr)
        return 3
    (VECTORS / "recovery").mkdir(parents=True, exist_ok=True)
    for name, path in present.items():
        if name not in files:
            path.unlink()
    for name, text in files.items():
        (VECTORS / name).write_bytes(text.encode("ascii"))
    print(f"{len(files)} vectors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
