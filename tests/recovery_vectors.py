"""The test vectors of the recovery sidecar: format-spec/vectors/recovery/*.hex. make_vectors.py writes them with its own.

An archive of any bytes (text and zeros: so the parity is short too), its sidecar by write_recovery.py, and damage to both.
"""

import hashlib
import struct

import write_recovery as w
from make_vectors import build, flip, join, patch, size_of, small, tokens

BLOCK = 512


class Vector:
    def __init__(self, name, rules, about, archive, sidecar, expect=None, mended=None, lost=None, moved=None):
        self.name, self.rules, self.about, self.archive, self.sidecar = name, rules, about, archive, sidecar
        self.expect = expect or {"good": "ok", "bad": "damaged", "unsupported": "unsupported"}[name.split("-")[0]]
        self.mended, self.lost, self.moved = mended, lost, moved

    def text(self):
        lines = [f"#! rules: {self.rules}", f"#! expect: {self.expect}"]
        if self.mended is not None:
            lines.append("#! mended: " + hashlib.blake2b(self.mended, digest_size=32).hexdigest())
        lines += [f"#! {key}: {value}" for key, value in (("lost", self.lost), ("moved", self.moved)) if value is not None]
        lines.append("# " + self.about)
        for part, pieces in (("archive", self.archive), ("sidecar", self.sidecar)):
            lines += ["", f"#! part: {part}"]
            for data, note in pieces:
                if not data:
                    lines += ["", "# " + note]
                    continue
                first, *rest = tokens(data)
                lines.append(f"{first} # {note}")
                lines += rest
        return "\n".join(lines) + "\n"


def archive(n, last=BLOCK, block=BLOCK):
    """Pieces of an archive of n blocks, each with another beginning."""
    blocks = [b"%03d block" % i + bytes(block - 9) for i in range(n)]
    blocks[-1] = blocks[-1][:last]
    return [(data, f"block {i}") for i, data in enumerate(blocks)]


def annotate(parts, block, n, g):
    """Pieces of a sidecar."""
    head, pages, parity = parts

    def header():
        out, at = [(b"", "header")], 0
        for name, code in w.FIELDS:
            size = struct.calcsize("<" + code)
            out.append((head[at:at + size], {"n": "N", "size": "S", "block": "B", "groups": "G"}.get(name, name)))
            at += size
        return out + [(head[240:], "XXH3")]

    def table():
        out = []
        for number, page in enumerate(pages):
            count = min(202, n + len(parity) - 202 * number)
            out += [(b"", f"page {number}"), (page[:16], "id"), (page[16:20], "number"), (page[20:24], "zero")]
            for i in range(202 * number, 202 * number + count):
                at = 24 + 20 * (i - 202 * number)
                out.append((page[at:at + 20], f"block {i}" if i < n else f"parity {(i - n) // g} of group {(i - n) % g}"))
            if count < 202:
                out.append((page[24 + 20 * count:4064], "zeros behind the last"))
            out += [(page[4064:4080], "zero"), (page[4080:], "XXH3")]
        return out

    blocks = [(data, f"parity {p // g} of group {p % g}") for p, data in enumerate(parity)]
    return header() + table() + [(b"", "parity")] + blocks + table() + header()


def protect(pieces, groups, m, block=BLOCK, **options):
    data = join(pieces)
    return annotate(w.parts(data, block, groups, m, **options), block, -(-len(data) // block), groups)


def cut_out(pieces, start, end):
    """Without the bytes from start to end."""
    out = []
    for data, note in pieces:
        low, high = min(max(start, 0), len(data)), min(max(end, 0), len(data))
        if not data or high - low < len(data):
            out.append((data[:low] + data[high:], note if high == low else note + " (shorter)"))
        start, end = start - len(data), end - len(data)
    return out


def put_in(pieces, at, data):
    """With other bytes before the one at `at`."""
    total = size_of(pieces)
    return cut_out(pieces, at, total) + [(data, "put in")] + cut_out(pieces, 0, at)


def wipe(pieces, start, end):
    """Bytes lost: something else stands there."""
    for at in range(start, end, 1 << 20):
        pieces = patch(pieces, at, b"\xee" * (min(end, at + (1 << 20)) - at), "lost")
    return pieces


def make_all():
    made = []

    def add(name, rules, about, archive, sidecar, **keys):
        made.append(Vector(name, rules, about, archive, sidecar, **keys))

    def good(name, rules, about, pieces, groups, m, **options):
        add(name, rules, about, pieces, protect(pieces, groups, m, **options), mended=join(pieces))

    def claim(name, rules, about, pieces, **fields):
        """A header that says something else, sealed, twice."""
        add(name, rules, about, pieces, protect(pieces, 2, 2, claims=fields))

    # Eight blocks, the last short; two groups of four rows and two of parity: any two of a group can be lost.
    base = archive(8, last=300)
    whole = join(base)
    rec = protect(base, 2, 2)
    table, parity_at = 256, 256 + 4096
    second = parity_at + 4 * BLOCK
    end = second + 4096 + 256
    assert size_of(rec) == end

    def hurt(name, rules, about, pieces, sidecar=rec, mended=whole, **keys):
        add(name, rules, about, pieces, sidecar, mended=mended, **keys)

    hole = wipe(base, 3 * BLOCK, 4 * BLOCK)  # block 3 is lost

    good("good-rec-1-small", "REC-1 REC-2 REC-4", "Eight blocks in two groups, with two parity blocks each.", base, 2, 2)
    good("good-rec-1-one-byte", "REC-1 REC-2", "The least that there is: one byte, one block, one of parity.", [(b"x", "block 0")], 1, 1)
    good("good-rec-1-last-full", "REC-1", "The last block has all its bytes.", archive(4), 2, 1)
    good("good-rec-1-uneven", "REC-1 REC-2", "Seven blocks in three groups: the last row has one block.", archive(7), 3, 2)
    good("good-rec-1-empty-groups", "REC-1 REC-2", "More groups than blocks: the parity of some is of nothing.", archive(2), 4, 1)
    good("good-rec-1-block-1-mib", "REC-1", "The largest block.", [(b"large\0\0\0", "block 0")], 1, 1, block=1 << 20)
    rows, many = archive(255), archive(1, last=9)
    good("good-rec-1-255-rows", "REC-1 REC-2", "k + m = 256: 255 rows, one of parity. Two pages.", rows, 1, 1)
    hurt("bad-rec-8-255-rows", "REC-2 REC-7 REC-8", "k + m = 256, and block 254 is lost.", wipe(rows, 254 * BLOCK, 255 * BLOCK),
         protect(rows, 1, 1), join(rows), lost=1, moved=0)
    full = protect(many, 1, 255)
    good("good-rec-1-255-parity", "REC-1 REC-2", "k + m = 256: one row, 255 of parity.", many, 1, 255)
    hurt("bad-rec-8-255-parity", "REC-2 REC-7 REC-8", "k + m = 256: the only block is lost, and all parity but the last.", wipe(many, 0, 9),
         wipe(full, 256 + 2 * 4096, 256 + 2 * 4096 + 254 * BLOCK), join(many), lost=1, moved=0)

    # REC-1, REC-3: a header that makes no sense, or is not for us.
    for name, about, fields in (("empty", "S is 0, and so are N and k.", {"size": 0, "n": 0, "k": 0}),
                                ("block-256", "Blocks of 256 bytes.", {"block": 256, "n": 16, "k": 8}),
                                ("block-2-mib", "Blocks of 2 MiB.", {"block": 1 << 21, "n": 1, "k": 1}),
                                ("block-768", "The block's size is no power of two.", {"block": 768, "n": 6, "k": 3}),
                                ("block-0", "Blocks of no bytes.", {"block": 0}),
                                ("n-less", "N is one less than S makes it.", {"n": 7}),
                                ("n-more", "N is one more than S makes it; k as by N.", {"n": 9, "k": 5}),
                                ("no-groups", "G is 0.", {"groups": 0}),
                                ("k", "k is one more than N and G make it.", {"k": 5}),
                                ("no-parity", "m is 0.", {"m": 0}),
                                ("257", "k + m = 257.", {"m": 253}),
                                ("sum", "N + m G = 2^32.", {"size": (1 << 31) * BLOCK, "n": 1 << 31, "groups": 1 << 30, "k": 2, "m": 2}),
                                ("wrap", "S is so large that rounding it up to blocks wraps.", {"size": (1 << 64) - 1, "n": 0, "k": 0})):
        claim("bad-rec-1-" + name, "REC-1 REC-3", about, base, **fields)
    claim("bad-rec-3-magic", "REC-3", "Another magic, and a later version: damaged, as the magic comes first.", base, magic=b"pobrecow", version=2)
    claim("bad-rec-3-reserved", "REC-3", "A reserved byte of the header is not zero.", base, zero=bytes(151) + b"\1")
    add("bad-rec-3-hash", "REC-3 REC-5", "The hash of neither header matches.", base, flip(flip(rec, 255), end - 1))
    claim("unsupported-rec-3-version", "REC-3", "Version 2.", base, version=2)
    claim("unsupported-rec-3-critical", "REC-3", "A critical feature.", base, critical=1)
    claim("unsupported-rec-3-first", "REC-3", "Version 2, with other counts and bytes where this version has zeros.", base, version=2, k=9, zero=b"\1" * 152)

    # REC-4, REC-5: the sidecar is damaged, the archive is not, or it has lost what can be given back.
    hurt("bad-rec-4-appended", "REC-4", "A byte behind the sidecar; the archive is whole.", base, rec + [(b"\0", "appended")], lost=0, moved=0)
    hurt("bad-rec-4-parity", "REC-4", "A bit of a parity block; the archive is whole.", base, flip(rec, parity_at + 700), lost=0, moved=0)
    hurt("bad-rec-4-header-b", "REC-4", "The second header is lost; the archive is whole.", base, wipe(rec, end - 256, end), lost=0, moved=0)
    hurt("bad-rec-4-table-b", "REC-4", "The second table is lost; the archive is whole.", base, wipe(rec, second, end - 256), lost=0, moved=0)
    hurt("bad-rec-4-id", "REC-4", "The id is not the hash of the entries; all else is right by it. The archive is whole.", base,
         protect(base, 2, 2, fake_id=b"not of the table"), lost=0, moved=0)
    hurt("bad-rec-5-header-a", "REC-5 REC-7", "The first header is lost, and a block.", hole, wipe(rec, 0, 256), lost=1, moved=0)
    hurt("bad-rec-5-header-b", "REC-5 REC-7", "The second header is lost, and a block.", hole, wipe(rec, end - 256, end), lost=1, moved=0)
    odd = protect(base, 2, 2, claims={"k": 5})
    hurt("bad-rec-5-header-odd", "REC-5 REC-7", "The first header has its hash and makes no sense: the second is taken. A block is lost.", hole,
         patch(rec, 0, join(odd)[:256], "sealed, k = 5"), lost=1, moved=0)
    newer = join(protect(base, 2, 2, claims={"version": 2}))[:256]
    add("unsupported-rec-5-newer", "REC-3 REC-5", "The first header is of version 2, the second of version 1.", base, patch(rec, 0, newer, "version 2"))
    add("unsupported-rec-5-newer-b", "REC-3 REC-5", "The first header is lost, the second is of version 2.", base,
        patch(wipe(rec, 0, 256), end - 256, newer, "version 2"))
    hurt("bad-rec-5-older-first", "REC-4 REC-5 REC-7", "The first header is of version 1, the second of version 2. A block is lost.", hole,
         patch(rec, end - 256, newer, "version 2"), lost=1, moved=0)
    hurt("bad-rec-5-headers-differ", "REC-4 REC-5", "Both headers are good, and differ in the digest. The archive is whole.", base,
         patch(rec, end - 256, join(protect(base, 2, 2, digest=b"d" * 32))[:256], "with a digest"), lost=0, moved=0)
    hurt("bad-rec-5-table-a", "REC-5 REC-7", "The first table is lost, and a block.", hole, wipe(rec, table, parity_at), lost=1, moved=0)
    hurt("bad-rec-5-table-b", "REC-5 REC-7", "The second table is lost, and a block.", hole, wipe(rec, second, end - 256), lost=1, moved=0)
    body = join(rec)[second:second + 4064] + b"reserved".ljust(16, b"\0")
    hurt("bad-rec-4-tables-differ", "REC-4", "Both tables are good, and differ in bytes where zeros are written. The archive is whole.", base,
         patch(rec, second, body + w.xxh3(body), "sealed anew"), lost=0, moved=0)
    hurt("bad-rec-5-tables", "REC-5 REC-8", "The only page is lost in both tables: nothing is known of a block. The archive is whole.", base,
         wipe(wipe(rec, table, parity_at), second, end - 256), None, lost=8)

    def reseal(at, change):
        body = join(rec)[table:table + 4080]
        body = body[:at] + change + body[at + len(change):]
        return lambda pieces, where: patch(pieces, where, body + w.xxh3(body), "sealed anew")

    other = reseal(16, b"\1")
    hurt("bad-rec-5-number", "REC-5 REC-7", "The page of the first table has another number. A block is lost.", hole, other(rec, table), lost=1, moved=0)
    hurt("bad-rec-5-numbers", "REC-5 REC-8", "The page of both tables has another number. The archive is whole.", base,
         other(other(rec, table), second), None, lost=8)
    other = reseal(0, b"id of some other")
    hurt("bad-rec-5-ids", "REC-5 REC-8", "The page of both tables has the id of another sidecar. The archive is whole.", base,
         other(other(rec, table), second), None, lost=8)
    other = reseal(4064, b"reserved")
    good_page = other(other(rec, table), second)
    add("good-rec-5-page-zeros", "REC-5", "The page has its hash, id and number, and something where zeros are written.", base, good_page, mended=whole)

    long = archive(202, last=20)
    pages = protect(long, 101, 1)
    after = 256 + 2 * 4096 + 101 * BLOCK
    lost_page = wipe(wipe(pages, 256 + 4096, 256 + 2 * 4096), after + 4096, after + 2 * 4096)
    assert size_of(pages) == after + 2 * 4096 + 256
    hurt("bad-rec-5-page-of-parity", "REC-4 REC-5", "The page with the parity's entries is lost in both tables. The archive is whole.", long,
         lost_page, join(long), lost=0, moved=0)
    hurt("bad-rec-5-page-of-parity-and-block", "REC-5 REC-8", "As before, and a block is lost: no parity can be trusted.",
         wipe(long, 0, BLOCK), lost_page, None, lost=1)
    most = archive(203, last=20)
    pages = protect(most, 101, 1)
    hurt("bad-rec-5-page-of-one-block", "REC-5 REC-8", "The page with the last block's entry is lost in both tables. The archive is whole; nobody can tell.",
         most, wipe(wipe(pages, 256 + 4096, 256 + 2 * 4096), after + 4096, after + 2 * 4096), None, lost=1)
    hurt("bad-rec-5-pages-by-turns", "REC-5 REC-7", "Page 0 is lost in the first table, page 1 in the second. A block is lost.",
         wipe(long, 0, BLOCK), wipe(wipe(protect(long, 101, 1), 256, 256 + 4096), after + 4096, after + 2 * 4096), join(long), lost=1, moved=0)
    hurt("bad-rec-5-no-parity", "REC-4 REC-5", "All parity is lost; the archive is whole.", base, wipe(rec, parity_at, second), lost=0, moved=0)
    hurt("bad-rec-8-no-parity", "REC-8", "All parity is lost, and a block.", hole, wipe(rec, parity_at, second), None, lost=1)
    hurt("bad-rec-8-half-parity", "REC-7 REC-8", "Of the hit group one parity block is lost; the other is enough for one block.", hole,
         wipe(rec, parity_at + BLOCK, parity_at + 2 * BLOCK), lost=1, moved=0)
    hurt("bad-rec-5-before", "REC-5 REC-7", "Bytes before the sidecar: all is counted from the end. A block is lost.", hole, [(b"some bytes", "put in")] + rec,
         lost=1, moved=0)
    hurt("bad-rec-5-cut-front", "REC-5 REC-7", "The sidecar's first 1,000 bytes are gone. A block is lost.", hole, cut_out(rec, 0, 1000), lost=1, moved=0)
    hurt("bad-rec-5-cut", "REC-5 REC-7", "The sidecar is cut behind two of four parity blocks. A block is lost.", hole,
         cut_out(rec, parity_at + 2 * BLOCK, end), lost=1, moved=0)
    hurt("bad-rec-5-cut-front-parity", "REC-5 REC-7", "The sidecar's first header, table and 700 bytes of parity are gone: of each group the second parity block is left. "
         "A block is lost.", hole, cut_out(rec, 0, parity_at + 700), lost=1, moved=0)
    hurt("bad-rec-5-put-in", "REC-5 REC-7", "Bytes put in within a parity block: what is before is counted from the beginning, the rest from the end. "
         "Both groups have lost two blocks, and one parity block is lost, of group 1.", wipe(base, 2 * BLOCK, 4 * BLOCK), put_in(rec, parity_at + BLOCK + 9, b"abc"),
         lost=2, moved=0)
    hurt("bad-rec-5-header-only", "REC-5 REC-6 REC-8", "Nothing of the sidecar but a header. The archive is whole.", base, cut_out(rec, 256, end), None)
    hurt("bad-rec-5-empty", "REC-3 REC-4 REC-5", "The sidecar is empty.", base, [], None)
    hurt("bad-rec-5-text", "REC-3 REC-4 REC-5", "The sidecar is something else.", base, [(b"something else", "text")], None)
    hugeness = {"size": ((1 << 32) - (1 << 25) - 1) * BLOCK, "n": (1 << 32) - (1 << 25) - 1, "groups": 1 << 25, "k": 127, "m": 1}
    huge = join(protect(base, 2, 2, claims=hugeness))[:256]
    add("bad-rec-6-huge", "REC-5 REC-6 REC-8", "A file of 1 KiB claims nearly 2^32 blocks.", base, [(huge, "header"), (b"\0" * 512, "nothing"), (huge, "header")])

    # REC-7: blocks that are elsewhere.
    at = 2 * BLOCK + 100
    hurt("bad-rec-7-plus", "REC-7", "A byte put into block 2: what is behind it is at other places.", put_in(base, at, b"+"), lost=1, moved=5)
    hurt("bad-rec-7-minus", "REC-7", "A byte lost of block 2: what is behind it is at other places.", cut_out(base, at, at + 1), lost=1, moved=5)
    hurt("bad-rec-7-all", "REC-7", "A byte put in at the very beginning: no block is at its place.", put_in(base, 0, b"+"), lost=0, moved=8)
    hurt("bad-rec-7-cut", "REC-7", "The archive has lost its last 1,000 bytes.", cut_out(base, len(whole) - 1000, len(whole)), lost=3, moved=0)
    hurt("bad-rec-7-cut-1", "REC-7", "The archive has lost its last byte.", cut_out(base, len(whole) - 1, len(whole)), lost=1, moved=0)
    hurt("bad-rec-7-grown", "REC-7", "Bytes behind the archive: all blocks are good, the archive is not.", base + [(b"\0" * 700, "appended")], lost=0, moved=0)
    hurt("bad-rec-7-exchanged", "REC-7", "Blocks 1 and 6 have each other's place.", base[:1] + base[6:7] + base[2:6] + base[1:2] + base[7:], lost=0, moved=2)
    hurt("bad-rec-7-first-four", "REC-7", "Of a block only the first four bytes are wrong.", patch(base, 5 * BLOCK, b"5005", "lost"), lost=1, moved=0)
    hurt("bad-rec-7-all-but-four", "REC-7", "Of a block only the first four bytes are right.", wipe(base, 5 * BLOCK + 4, 6 * BLOCK), lost=1, moved=0)
    tiny = archive(5, last=2)
    hurt("bad-rec-7-tiny", "REC-7", "The last block has two bytes, and they are lost.", wipe(tiny, 4 * BLOCK, 4 * BLOCK + 2), protect(tiny, 2, 2), join(tiny),
         lost=1, moved=0)

    # REC-8: as much as can be given back, and more.
    hurt("bad-rec-8-limit", "REC-2 REC-7 REC-8", "A burst at the limit: four blocks, two of each group.", wipe(base, 2 * BLOCK, 6 * BLOCK), lost=4, moved=0)
    hurt("bad-rec-8-beyond", "REC-8", "A burst one byte beyond the limit: three blocks of group 0.", wipe(base, 2 * BLOCK, 6 * BLOCK + 1), rec, None, lost=5)
    hurt("bad-rec-8-last", "REC-2 REC-7 REC-8", "The last block is lost, which is short.", wipe(base, 7 * BLOCK, len(whole)), lost=1, moved=0)
    hurt("bad-rec-8-empty", "REC-8", "The archive is empty.", [], rec, None, lost=8)
    one = [(b"x", "block 0")]
    hurt("bad-rec-8-empty-1", "REC-7 REC-8", "The archive had one byte and is empty.", [], protect(one, 1, 1), b"x", lost=1, moved=0)
    uneven = archive(7)
    hurt("bad-rec-8-uneven", "REC-2 REC-7 REC-8", "The groups' last row has one block; four blocks are lost.", wipe(uneven, 2 * BLOCK, 6 * BLOCK),
         protect(uneven, 3, 2), join(uneven), lost=4, moved=0)

    def wrong_hash(i):
        def hook(table):
            table[i] = bytes([table[i][0] ^ 1]) + table[i][1:]
        return hook

    hurt("bad-rec-8-entry", "REC-8", "A wrong hash in block 3's entry, all else sealed by it: what is computed does not match it.", base,
         protect(base, 2, 2, on_entries=wrong_hash(3)), None, lost=1)
    hurt("bad-rec-8-parity-entry", "REC-4", "A wrong hash in a parity block's entry, all else sealed by it; the archive is whole.", base,
         protect(base, 2, 2, on_entries=wrong_hash(9)), lost=0, moved=0)
    hurt("bad-rec-8-parity-wrong", "REC-8", "A parity block that is none, with the hash of its entry. A block is lost: what is computed does not match.", hole,
         protect(base, 2, 2, on_parity=lambda blocks: blocks.__setitem__(1, b"no parity".ljust(BLOCK, b"\0"))), None, lost=1)
    real = build(small())
    pieces = [(b"", "an archive")] + real.pieces
    hit = wipe(pieces, 1000, 1200)
    hurt("bad-rec-8-archive", "REC-7 REC-8", "An archive (format.md) with its digest; a block is lost.", hit, protect(pieces, 3, 1, digest=real.digest), join(pieces),
         lost=len({1000 // BLOCK, 1199 // BLOCK}), moved=0)
    hurt("bad-rec-8-digest", "REC-7 REC-8", "As before, with the digest of another archive.", hit, protect(pieces, 3, 1, digest=b"digest of another archive, or no"), None)
    names = [v.name for v in made]
    assert len(set(names)) == len(names)
    return {f"recovery/{v.name}.hex": v.text() for v in made}
