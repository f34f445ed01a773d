"""A writer of recovery sidecars (format-spec/recovery.md) in plain Python, for tests and vectors. Not the reader's arithmetic, and not the program's:
products are made bit by bit, inverses found by trying. Each part can be changed before it is hashed, so that one thing is wrong and no other.
"""

import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "format-spec"))
sys.dont_write_bytecode = True
from reader import xxh3  # noqa: E402


def product(a, b):
    out = 0
    while b:
        if b & 1:
            out ^= a
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return out


PRODUCTS = [bytes(product(a, b) for b in range(256)) for a in range(256)]


def inverse(a):
    return PRODUCTS[a].index(1)


def parity(data, block, groups, k, m):
    """The parity blocks as they stand in the file. A row's blocks lie side by side and have the same factor: all groups at once."""
    width = groups * block
    sums = [0] * m
    for j in range(k):
        row = data[j * width:(j + 1) * width].ljust(width, b"\0")
        for r in range(m):
            sums[r] ^= int.from_bytes(row.translate(PRODUCTS[inverse((k + r) ^ j)]), "little")
    return b"".join(value.to_bytes(width, "little") for value in sums)


def entries(data, parity_data, block):
    blocks = [part[i:i + block] for part in (data, parity_data) for i in range(0, len(part), block)]
    return [xxh3(b) + b[:4].ljust(4, b"\0") for b in blocks]


def page(sidecar_id, number, its_entries):
    body = sidecar_id + struct.pack("<II", number, 0) + b"".join(its_entries).ljust(4040, b"\0") + bytes(16)
    return body + xxh3(body)


FIELDS = (("magic", "8s"), ("version", "I"), ("critical", "I"), ("id", "16s"), ("size", "Q"), ("block", "I"), ("n", "I"), ("groups", "I"),
          ("k", "H"), ("m", "H"), ("digest", "32s"), ("zero", "152s"))


def header(**fields):
    body = b"".join(struct.pack("<" + code, fields[name]) for name, code in FIELDS)
    return body + xxh3(body)


def parts(data, block, groups, m, digest=bytes(32), on_entries=None, on_parity=None, fake_id=None, claims=None):
    """The parts of the sidecar: header, list of pages, list of parity blocks. `claims` are fields of the header."""
    n = -(-len(data) // block)
    k = -(-n // groups)
    parity_data = parity(data, block, groups, k, m)
    if on_parity:
        blocks = [parity_data[i:i + block] for i in range(0, len(parity_data), block)]
        on_parity(blocks)
        parity_data = b"".join(blocks)
    table = entries(data, parity_data, block)
    if on_entries:
        on_entries(table)
    sidecar_id = fake_id or xxh3(b"".join(table))
    pages = [page(sidecar_id, at // 202, table[at:at + 202]) for at in range(0, len(table), 202)]
    fields = {"magic": b"pobrecov", "version": 1, "critical": 0, "id": sidecar_id, "size": len(data), "block": block, "n": n, "groups": groups,
              "k": k, "m": m, "digest": digest, "zero": bytes(152)}
    return header(**(fields | (claims or {}))), pages, [parity_data[i:i + block] for i in range(0, len(parity_data), block)]


def sidecar(data, block, groups, m, **options):
    head, pages, blocks = parts(data, block, groups, m, **options)
    return b"".join([head, *pages, *blocks, *pages, head])
