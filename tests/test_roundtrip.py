#!/usr/bin/env python3
"""Random trees: backup, verify (by the program and by the independent reader), extract, compare with the source.

    test_roundtrip.py PROGRAM [--seed N] [--count N]

Each tree has its own seed, printed before it is used: `--seed N --count 1` makes the same tree again.
"""

import argparse
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

import test_interop
from test_interop import PARTS, READER, REGISTRY, differences, make_site, must, scan

LETTERS = [b"a", b"B", b"7", b" ", b".", b"-", b"_", b"~", b"\n", b"\t", b"\\", b"'", b"\"", b"*", b"?", b"\x01", b"\x7f", b"\xff",
           b"\xc3", "é".encode(), "メ".encode(), "😀".encode(), b"%", b"$", b":"]
BLOCKS = 0, 1, 511, 512, 513, 65535, 65536, 131072, 131073


def random_name(rng):
    kind = rng.random()
    if kind < 0.5:
        return b"%08x" % rng.getrandbits(32)
    size = 255 if kind > 0.97 else rng.choice((99, 100, 101, 154, 155, 156)) if kind > 0.9 else rng.randint(1, 30)
    name = b""
    while len(name) < size:
        name += rng.choice(LETTERS) if kind < 0.9 else b"n"
    name = name[:size]
    return b"n" if name in (b".", b"..") or name.startswith(b".pobackup-") else name


def random_content(rng):
    kind = rng.random()
    if kind < 0.1:
        size = rng.choice(BLOCKS)
    elif kind < 0.85:
        size = rng.randint(0, 5000)
    elif kind < 0.98:
        size = rng.randint(5000, 200_000)
    else:
        size = rng.randint(200_000, 1_500_000)
    kind = rng.random()
    if kind < 0.3:
        return rng.randbytes(size)
    if kind < 0.4:
        return bytes(size)
    words = [b"Received: from ", b"mx.example.jp ", b"Subject: ", b"\r\n", rng.randbytes(7), "こんにちは".encode()]
    text = b"".join(rng.choice(words) for _ in range(size // 8 + 1))
    return text[:size]


def random_time(rng):
    kind = rng.random()
    if kind < 0.7:
        return rng.randint(1_000_000_000, 1_800_000_000) * 1_000_000_000 + rng.randint(0, 9_999_999) * 100
    if kind < 0.8:
        return rng.randint(-2_000_000_000, 4_000_000_000) * 1_000_000_000 + rng.choice((0, 100, 999_999_900, 500_000_000))
    return rng.choice((0, -100, 100, 1_700_000_000_000_000_000))


class Grower:
    """Fills a tree, one node at a time, in directories that are there."""

    def __init__(self, rng, top):
        self.rng = rng
        self.directories = [os.fsencode(top / part) for part in PARTS]
        self.files = []
        self.messages = [random_content(rng) for _ in range(5)]

    def path(self):
        for _ in range(50):
            path = os.path.join(self.rng.choice(self.directories), random_name(self.rng))
            if not os.path.lexists(path) and len(path) < 3000:
                return path
        return None

    def grow(self):
        rng, path = self.rng, self.path()
        if path is None:
            return
        kind = rng.random()
        if kind < 0.15:
            os.mkdir(path)
            self.directories.append(path)
        elif kind < 0.22:
            os.symlink(rng.choice((b"x", b"../" + random_name(rng), b"/nowhere/" + random_name(rng), b"t" * rng.randint(1, 300))), path)
            os.utime(path, ns=(random_time(rng),) * 2, follow_symlinks=False)
        elif kind < 0.28 and self.files:
            os.link(rng.choice(self.files), path)
        elif kind < 0.30:
            with open(path, "wb") as file:
                file.truncate(rng.randint(1, 5 << 20))
            self.files.append(path)
        else:
            with open(path, "wb") as file:
                file.write(rng.choice(self.messages) if rng.random() < 0.3 else random_content(rng))
            os.chmod(path, rng.choice((0o600, 0o644, 0o640, 0o755, 0o444)))
            os.utime(path, ns=(random_time(rng),) * 2)
            self.files.append(path)

    def finish(self):
        for path in reversed(self.directories):
            if self.rng.random() < 0.5:
                os.utime(path, ns=(random_time(self.rng),) * 2)


def random_options(rng):
    frame_size = rng.choice(("64K", "64K", "65K", "200K", "1M", "8M", "32M"))
    return [f"--frame-size={frame_size}", f"--threads={rng.randint(1, 6)}", f"--level={rng.choice((-5, 1, 3, 3, 9))}",
            f"--order={rng.choice(('delivery', 'path'))}"] + (["--no-frame-check"] if rng.random() < 0.2 else [])


def round_trip(seed, top):
    rng = random.Random(seed)
    site, archive, out = top / "site", top / "a.tar.zst", top / "out"
    make_site(site)
    grower = Grower(rng, site)
    nodes = rng.choice((0, 1, 5, 40, 40, 150))
    for _ in range(nodes):
        grower.grow()
    grower.finish()
    options = random_options(rng)
    print(f"seed {seed}: {nodes} nodes, {' '.join(options)}", flush=True)
    source = scan(site)
    must(test_interop.PROGRAM, "backup", "--quiet", "--site", f"folder:{site}", "-o", archive, "--allow-same-volume", *options)
    must(test_interop.PROGRAM, "verify", "--quiet", f"--threads={rng.randint(1, 4)}", archive)
    must(test_interop.PROGRAM, "verify", "--quiet", "--quick", archive)
    must(sys.executable, READER, "verify", archive)
    must(test_interop.PROGRAM, "extract", "--quiet", archive, "-C", out, f"--threads={rng.randint(1, 4)}")
    got = scan(out)
    for nodes in source, got:  # the folder itself, and our documents, are not the site's
        for path in [path for path in nodes if not path or path.split(b"/")[0] == b"pobackup"]:
            del nodes[path]
    found = differences(source, got)
    # The registry is a file of its own mode, and its time is kept.
    found = [line for line in found if not line.startswith(f"{REGISTRY.encode()!r}: mode")]
    assert not found, "\n".join(line[-300:] for line in found[:20])
    assert len(source) >= len(PARTS) + 1
    names = must(test_interop.PROGRAM, "list", "-0", archive).stdout.split(b"\0")[:-1]
    assert sorted(name for name in names if not name.startswith(b"pobackup/")) == sorted(source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--count", type=int, default=15)
    args = parser.parse_args()
    test_interop.PROGRAM = os.path.abspath(args.program)
    first = args.seed if args.seed is not None else time.time_ns() // 1_000_000
    os.umask(0o022)
    for seed in range(first, first + args.count):
        top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-roundtrip-"))
        try:
            round_trip(seed, top)
        except BaseException:
            print(f"FAILED: test_roundtrip.py PROGRAM --seed {seed} --count 1", file=sys.stderr)
            raise
        finally:
            shutil.rmtree(top, ignore_errors=True)
    print(f"{args.count} trees: all the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
