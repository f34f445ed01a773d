#!/usr/bin/env python3
"""Check and mend a pobackup archive by its recovery sidecar, ARCHIVE.rec: the educational reader of recovery.md.

Written from recovery.md alone, to be read beside it. Rule ids in comments and messages are those of that text. What it shares
with format.md (hashes, refusals, the archive's digest) comes from reader.py.

    recovery.py check [--json] ARCHIVE
    recovery.py mend ARCHIVE -o FILE

Exit codes: 0 both are whole, or mended; 2 failed or unsupported, 3 usage, 4 damaged, or it cannot be mended.
"""

import json
import os
import struct
import sys
import tempfile

from reader import MIB, Parser, Refused, check_zero, damaged, unsupported, verify, xxh3, archive_digest

MAGIC = b"pobrecov"
HEADER = 256
PAGE = 4096
ENTRY = 20
PER_PAGE = 202
TRIES = 64  # how often the same four bytes may lead to no block before they are given up


# --- GF(2^8) (REC-2) ---------------------------------------------------------------------------------------------------

POLYNOMIAL = 0x11D
POWER = [1]  # POWER[n] is 2 multiplied n times
while len(POWER) < 510:
    POWER.append(POWER[-1] << 1 ^ (POLYNOMIAL if POWER[-1] & 0x80 else 0))
LOG = {POWER[n]: n for n in range(255)}


def multiply(a, b):
    return POWER[LOG[a] + LOG[b]] if a and b else 0


def inverse(a):
    return POWER[255 - LOG[a]]


# TIMES[c] as a table for bytes.translate(): each byte multiplied by c.
TIMES = [bytes(multiply(c, x) for x in range(256)) for c in range(256)]


def coefficient(k, r, j):
    """c(r, j): what row j is multiplied with in parity block r."""
    return inverse((k + r) ^ j)


def times(block, c):
    """A block, each byte multiplied by c, as one large number: numbers are added by ^."""
    return int.from_bytes(block.translate(TIMES[c]), "little")


def invert(matrix):
    """The inverse of a square matrix, by Gauss and Jordan. A part of Cauchy's matrix always has one."""
    n = len(matrix)
    rows = [list(row) + [int(i == j) for j in range(n)] for i, row in enumerate(matrix)]
    for column in range(n):
        pivot = next(i for i in range(column, n) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = inverse(rows[column][column])
        rows[column] = [multiply(factor, value) for value in rows[column]]
        for i in range(n):
            factor = rows[i][column]
            if i != column and factor:
                rows[i] = [a ^ multiply(factor, b) for a, b in zip(rows[i], rows[column])]
    return [row[n:] for row in rows]


# --- the sidecar (section 2) -------------------------------------------------------------------------------------------

class Layout:
    """A header that is good (REC-3), and where the parts of the file are by it."""

    def __init__(self, data):
        if len(data) < HEADER or xxh3(data[:240]) != data[240:256]:
            raise damaged("REC-3", "header does not match its hash")
        if data[:8] != MAGIC:
            raise damaged("REC-3", "header has another magic")
        version, critical = struct.unpack_from("<II", data, 8)
        if version != 1 or critical:
            raise unsupported("REC-3", f"version {version}, critical features {critical:#x}; a newer program is needed")
        check_zero(data[88:240], "REC-3", "reserved part of the header")
        self.id = data[16:32]
        self.size, self.block, self.n, self.g, self.k, self.m = struct.unpack_from("<QIIIHH", data, 32)
        self.digest = data[56:88]
        self.check_counts()
        self.count = self.n + self.m * self.g  # entries
        self.pages = -(-self.count // PER_PAGE)
        self.parity_at = HEADER + PAGE * self.pages
        self.table_ats = HEADER, self.parity_at + self.m * self.g * self.block
        self.file_size = self.table_ats[1] + PAGE * self.pages + HEADER

    def check_counts(self):
        """REC-1."""
        def need(is_right, what):
            if not is_right:
                raise damaged("REC-1", f"header: {what}")
        need(self.size >= 1, "no archive")
        need(512 <= self.block <= MIB and not self.block & (self.block - 1), f"blocks of {self.block} bytes")
        need(self.n == -(-self.size // self.block), f"{self.n} blocks for {self.size} bytes")
        need(self.g >= 1, "no groups")
        need(self.k == -(-self.n // self.g), f"{self.k} rows for {self.n} blocks in {self.g} groups")
        need(self.m >= 1, "no parity")
        need(self.k + self.m <= 256, f"{self.k} rows and {self.m} parity blocks in one group")
        need(self.n + self.m * self.g < 1 << 32, "too many blocks")

    def length(self, i):
        """The bytes that data block i has."""
        return min(self.block, self.size - i * self.block)


class Sidecar:
    """The recovery file: its header, the entries that are known, and the parity blocks that are good."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.file_size = os.fstat(self.file.fileno()).st_size
        self.layout = layout = self.find_header()
        # REC-5: each thing at its place counted from the beginning, or from the end where the size is another.
        self.shifts = sorted({0, self.file_size - layout.file_size}, key=abs)
        if PAGE * layout.pages > self.file_size:  # REC-6, before a list is made of as many entries
            raise damaged("REC-6", f"{layout.pages} pages in a table; the file has {self.file_size} bytes")
        self.bad_copies = 0  # pages that are not at their place, of both tables
        self.bad_pages = 0  # those that are nowhere
        self.entries = [None] * layout.count  # (hash, first four bytes), None where not known
        for number in range(layout.pages):
            self.take_page(number)
        self.parity = {}  # number of a parity block to its offset in the file
        self.bad_parity = 0  # not at their place
        for p in range(layout.m * layout.g):
            self.find_parity(p)
        is_known = None not in self.entries
        self.is_id_right = is_known and xxh3(b"".join(h + four for h, four in self.entries)) == layout.id
        self.is_whole = (self.file_size == layout.file_size and not self.bad_headers and not self.bad_copies
                         and not self.bad_parity and self.is_id_right)  # REC-4

    def read(self, at, size):
        if at < 0 or at + size > self.file_size:
            return b""
        self.file.seek(at)
        return self.file.read(size)

    def find_header(self):
        """REC-5: the first header that is good, or that says that it is not for us."""
        places = (0, self.file_size - HEADER)
        problems = []
        for at in places:
            try:
                layout = Layout(self.read(at, HEADER))
            except Refused as problem:
                if problem.kind == "unsupported":
                    raise
                problems.append(problem)
                continue
            data = self.read(at, HEADER)
            self.bad_headers = sum(self.read(place, HEADER) != data for place in places)
            return layout
        raise problems[0]

    def take_page(self, number):
        """Take a page from the first table or the second. It MUST have its hash, the id and its number."""
        layout, good = self.layout, None
        for table_at in layout.table_ats:
            is_in_place = False
            for shift in self.shifts:
                page = self.read(table_at + number * PAGE + shift, PAGE)
                if (len(page) == PAGE and page[:16] == layout.id and page[16:20] == struct.pack("<I", number)
                        and xxh3(page[:4080]) == page[4080:]):
                    good = good or page
                    is_in_place |= shift == 0 and page == good
            self.bad_copies += not is_in_place
        if not good:
            self.bad_pages += 1
            return
        first = number * PER_PAGE
        for at in range(min(PER_PAGE, layout.count - first)):
            entry = good[24 + at * ENTRY:][:ENTRY]
            self.entries[first + at] = entry[:16], entry[16:]

    def find_parity(self, p):
        layout, entry = self.layout, self.entries[self.layout.n + p]
        for shift in self.shifts if entry else ():
            at = layout.parity_at + p * layout.block + shift
            block = self.read(at, layout.block)
            if block and xxh3(block) == entry[0]:
                self.parity[p] = at
                self.bad_parity += shift != 0
                return
        self.bad_parity += 1

    def parity_block(self, r, g):
        return self.read(self.parity[r * self.layout.g + g], self.layout.block)


# --- the archive by its sidecar (section 3) ----------------------------------------------------------------------------

class Damage:
    """Which blocks of the archive are where (REC-7), and which have to be computed (REC-8)."""

    def __init__(self, path, sidecar):
        self.sidecar, self.layout, self.entries = sidecar, sidecar.layout, sidecar.entries
        self.file = open(path, "rb")
        self.file_size = os.fstat(self.file.fileno()).st_size
        layout = self.layout
        self.offset = {}  # data block to where its bytes are
        self.unknown = sum(entry is None for entry in self.entries[:layout.n])
        for i in range(layout.n):
            if self.is_at(i, i * layout.block):
                self.offset[i] = i * layout.block
        self.is_whole = self.file_size == layout.size and len(self.offset) == layout.n
        if len(self.offset) + self.unknown < layout.n:
            self.search()
        self.moved = sum(offset != i * layout.block for i, offset in self.offset.items())
        self.lost = [i for i in range(layout.n) if i not in self.offset]

    def read(self, at, size):
        self.file.seek(at)
        return self.file.read(size)

    def is_at(self, i, at):
        if self.entries[i] is None or at < 0:
            return False
        data = self.read(at, self.layout.length(i))
        return len(data) == self.layout.length(i) and xxh3(data) == self.entries[i][0]

    def search(self):
        """Find blocks that have moved by their first four bytes; then, where others have moved from, by the same way.

        The second finds blocks that begin as many places do: of these only some are tried."""
        wanted = {}  # first four bytes, as a number, to the blocks
        for i in range(self.layout.n):
            if i not in self.offset and self.entries[i]:
                wanted.setdefault(int.from_bytes(self.entries[i][1], sys.byteorder), {})[i] = self.entries[i][0]
        tries = dict.fromkeys(wanted, TRIES)
        ways = {}
        for at, four in self.places(wanted):
            blocks = wanted.get(four, {})
            hashes = {length: xxh3(self.read(at, length)) for length in {self.layout.length(i) for i in blocks}}
            found = [i for i, value in blocks.items() if value == hashes[self.layout.length(i)]]
            for i in found:
                self.offset[i] = at
                way = at - i * self.layout.block
                ways[way] = ways.get(way, 0) + 1
                del blocks[i]
            tries[four] -= not found
            if not blocks or tries[four] == 0:
                wanted.pop(four, None)
        for way in sorted(ways, key=ways.get, reverse=True)[:16]:
            for i in range(self.layout.n):
                at = i * self.layout.block + way
                if i not in self.offset and self.is_at(i, at):
                    self.offset[i] = at

    def places(self, wanted):
        """(offset, number) of each place in the archive that has one of the wanted numbers in its four bytes."""
        for start in range(0, self.file_size, MIB):
            piece = self.read(start, MIB + 3)
            found = []
            for phase in range(4):
                words = memoryview(piece)[phase:phase + (len(piece) - phase) // 4 * 4].cast("I")
                found += [(start + phase + 4 * at, word) for at, word in enumerate(words) if word in wanted]
            yield from sorted(found)

    def data_block(self, i):
        """The bytes of a data block that is there, filled with zeros; no bytes of one that no row has."""
        if i >= self.layout.n:
            return b""
        return self.read(self.offset[i], self.layout.length(i)).ljust(self.layout.block, b"\0")

    def check_counts(self):
        """REC-8, as far as counting tells."""
        layout = self.layout
        if self.unknown:
            raise damaged("REC-8", f"of {self.unknown} blocks it is not known what they were: {self.sidecar.bad_pages} pages are lost")
        lost, good = [0] * layout.g, [0] * layout.g
        for i in self.lost:
            lost[i % layout.g] += 1
        for p in self.sidecar.parity:
            good[p % layout.g] += 1
        beyond = [g for g in range(layout.g) if lost[g] > good[g]]
        if beyond:
            raise damaged("REC-8", f"{len(beyond)} of {layout.g} groups have lost more than they have parity for: group "
                                   f"{beyond[0]} {lost[beyond[0]]} blocks, with {good[beyond[0]]} of parity")

    def computed(self):
        """(number, bytes) of each lost block, group by group."""
        groups = {}
        for i in self.lost:
            groups.setdefault(i % self.layout.g, []).append(i // self.layout.g)
        for g, rows in groups.items():
            yield from self.compute(g, rows)

    def compute(self, g, rows):
        """The lost rows of group g: REC-8."""
        layout = self.layout
        parity = [r for r in range(layout.m) if r * layout.g + g in self.sidecar.parity][:len(rows)]
        sums = [int.from_bytes(self.sidecar.parity_block(r, g), "little") for r in parity]
        for j in range(layout.k):
            if j not in rows:
                block = self.data_block(j * layout.g + g)
                for at, r in enumerate(parity):
                    sums[at] ^= times(block, coefficient(layout.k, r, j))
        sums = [value.to_bytes(layout.block, "little") for value in sums]
        solution = invert([[coefficient(layout.k, r, j) for j in rows] for r in parity])
        for j, factors in zip(rows, solution):
            i, value = j * layout.g + g, 0
            for factor, part in zip(factors, sums):
                value ^= times(part, factor)
            data = value.to_bytes(layout.block, "little")[:layout.length(i)]
            if xxh3(data) != self.entries[i][0]:
                raise damaged("REC-8", f"block {i} as computed has another hash than its entry")
            yield i, data

    def write(self, file):
        """The mended archive: REC-8 lets nothing of it out before all of it is right."""
        self.check_counts()
        for i, at in sorted(self.offset.items()):
            data = self.read(at, self.layout.length(i))
            if xxh3(data) != self.entries[i][0]:
                raise damaged("REC-8", f"block {i} is another now")
            file.seek(i * self.layout.block)
            file.write(data)
        for i, data in self.computed():
            file.seek(i * self.layout.block)
            file.write(data)


def check_mended(path, digest):
    """The end of REC-8: the archive that the header names, and whole. Without a digest it may be anything."""
    if any(digest) and archive_digest(path) != digest:
        raise damaged("REC-8", "what was mended is not the archive whose digest the header has")
    report = verify(path)
    problem = report.first()
    if problem and (any(digest) or problem.kind == "damaged"):
        raise Refused(problem.kind, "REC-8", f"what was protected was not whole: {problem.rule}: {problem.text}")


# --- the program -------------------------------------------------------------------------------------------------------

def run_check(args):
    answer = {"verdict": "whole", "rule": None, "text": None, "mendable": False}
    try:
        sidecar = Sidecar(args.archive + ".rec")
        damage = Damage(args.archive, sidecar)
        layout = sidecar.layout
        answer |= {"block": layout.block, "blocks": layout.n, "groups": layout.g, "rows": layout.k, "parity": layout.m,
                   "archive_whole": damage.is_whole, "lost": len(damage.lost), "unknown": damage.unknown, "moved": damage.moved,
                   "sidecar_whole": sidecar.is_whole, "bad_headers": sidecar.bad_headers, "bad_copies": sidecar.bad_copies,
                   "bad_pages": sidecar.bad_pages, "bad_parity": sidecar.bad_parity,
                   "lost_parity": layout.m * layout.g - len(sidecar.parity)}
        if not damage.is_whole:
            answer |= {"verdict": "damaged", "rule": "REC-7", "text": "the archive is not what the sidecar has"}
        elif not sidecar.is_whole:
            answer |= {"verdict": "damaged", "rule": "REC-4", "text": "the archive is whole, the sidecar is not"}
        damage.check_counts()
        for _ in damage.computed():
            pass
        answer["mendable"] = True
    except Refused as problem:
        answer |= {"verdict": problem.kind, "rule": problem.rule, "text": problem.text}
    if args.json:
        print(json.dumps(answer))
    else:
        for key, value in answer.items():
            if value is not None:
                print(f"{key}: {value}")
    return {"whole": 0, "damaged": 4, "unsupported": 2}[answer["verdict"]]


def run_mend(args):
    damage = Damage(args.archive, Sidecar(args.archive + ".rec"))
    # In a folder of its own: nobody takes it for the archive before it is one, and no parent stands beside it.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(args.output))) as folder:
        path = os.path.join(folder, "mended")
        with open(path, "wb") as file:
            damage.write(file)
        check_mended(path, damage.layout.digest)
        os.link(path, args.output)  # unlike a rename, not over what is there
    return 0


def main():
    parser = Parser(prog="recovery.py", description="Check and mend an archive by its recovery sidecar (recovery.md).")
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Parser)
    verb = verbs.add_parser("check", help="is the archive whole, is ARCHIVE.rec, can it be mended")
    verb.add_argument("--json", action="store_true")
    verb.add_argument("archive")
    verb.set_defaults(run=run_check)
    verb = verbs.add_parser("mend", help="write the mended archive")
    verb.add_argument("archive")
    verb.add_argument("-o", dest="output", required=True, metavar="FILE")
    verb.set_defaults(run=run_mend)
    args = parser.parse_args()
    try:
        return args.run(args)
    except Refused as problem:
        print(problem)
        return 4 if problem.kind == "damaged" else 2
    except OSError as error:
        print(f"{error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
