#!/usr/bin/env python3
"""Recovery data: the program, the educational reader (format-spec/recovery.py) and a writer in plain Python agree.

    test_recovery_reader.py PROGRAM [--seed N] [--count N] [-v]

The sidecar that `protect` writes is byte for byte that of write_recovery.py with the same layout, for several percentages, and its
layout withstands a burst as recovery.md says. Then damage by seed to an archive and its sidecar: `repair` and `recovery.py mend` give out the same
bytes, which are the archive's, or both say that it cannot be mended. What the program makes anew is the sidecar as it was.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile

import test_interop
from test_interop import PARTS, SOURCE, make_site, must, run

sys.path.insert(0, str(SOURCE / "format-spec"))
sys.dont_write_bytecode = True
import recovery  # noqa: E402
from reader import archive_digest  # noqa: E402
import write_recovery  # noqa: E402

READER = SOURCE / "format-spec" / "recovery.py"


def make_archive(top, rng, size):
    """Mail, zeros and pictures; nothing twice, as a reader may find a lost block's bytes in another's or not (REC-7)."""
    site, archive = top / "site", top / "archive.tar.zst"
    make_site(site)
    pathlib.Path(f"{archive}.rec").unlink(missing_ok=True)
    mail = b"".join(rng.choice((b"Received: from ", b"mx.example.jp\r\n", b"Subject: ", rng.randbytes(9))) for _ in range(5000))
    for name, data in (("mail", mail), ("picture", rng.randbytes(size)), ("zeros", bytes(size))):
        (site / PARTS[2] / name).write_bytes(data)
    must(test_interop.PROGRAM, "backup", "--quiet", "--site", f"folder:{site}", "-o", archive, "--allow-same-volume", "--frame-size=64K")
    shutil.rmtree(site)
    return archive


def check_layout(layout, percent):
    """What recovery.md promises of a writer's layout, but for the size of a block."""
    assert layout.k <= 240 and layout.m * 100 >= layout.k * percent, "too few parity blocks"
    burst = layout.size * 9 * percent // 1000
    blocks = min(layout.n, (burst + layout.block - 2) // layout.block + 1) if burst else 0  # wherever it begins
    assert -(-blocks // layout.g) <= layout.m, f"a burst of {burst} bytes takes {-(-blocks // layout.g)} blocks of a group; m is {layout.m}"


def check_writer(archive, percents):
    """The program's sidecar is that of the plain writer."""
    data = archive.read_bytes()
    sidecar = pathlib.Path(f"{archive}.rec")
    for percent in percents:
        must(test_interop.PROGRAM, "protect", "--quiet", "--overwrite", "--recovery", str(percent), archive)
        written = sidecar.read_bytes()
        layout = recovery.Layout(written[:256])
        assert layout.digest == archive_digest(archive), "another digest"
        check_layout(layout, percent)
        plain = write_recovery.sidecar(data, layout.block, layout.g, layout.m, digest=layout.digest)
        if plain != written:
            at = next((i for i, (a, b) in enumerate(zip(plain, written)) if a != b), min(len(plain), len(written)))
            raise AssertionError(f"{percent} %: {len(written)} bytes, plain {len(plain)}; they differ from byte {at}")
        must(sys.executable, READER, "check", archive)
        print(f"{percent} %: S {layout.size}, B {layout.block}, N {layout.n}, G {layout.g}, k {layout.k}, m {layout.m}: the same bytes")


# ---- damage ----

def burst(rng, data, share):
    size = max(1, int(len(data) * share))
    at = rng.randrange(len(data) - size + 1)
    return data[:at] + rng.choice((bytes(size), rng.randbytes(size))) + data[at + size:], f"burst of {size} at {at}"


def flips(rng, data, count):
    data = bytearray(data)
    for _ in range(count):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data), f"{count} bits"


def put_in(rng, data):
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 3, 100, 511, 4096, 5000))
    return data[:at] + rng.randbytes(size) + data[at:], f"{size} put in at {at}"


def take_out(rng, data):
    at, size = rng.randrange(len(data)), rng.choice((1, 2, 3, 100, 511, 4096, 5000))
    return data[:at] + data[at + size:], f"{size} taken out at {at}"


def cut(rng, data, share):
    size = int(len(data) * rng.random() * share)
    return (data[size:], f"{size} gone of its beginning") if rng.random() < 0.3 else (data[:len(data) - size], f"{size} gone of its end")


def hurt(rng, data, sidecar, layout):
    """An archive and a sidecar, damaged, and what was done to them. About half can be mended."""
    told = []

    def do(name, what, *more):
        nonlocal data, sidecar
        if name == "archive":
            data, text = what(rng, data, *more)
        else:
            sidecar, text = what(rng, sidecar, *more)
        told.append(f"{name}: {text}")

    kind = rng.randrange(8)
    if kind == 0:
        do("archive", burst, rng.uniform(0, 0.045))
    elif kind == 1:
        do("archive", burst, rng.uniform(0.045, 0.1))
    elif kind == 2:
        do("archive", flips, rng.choice((1, 5, layout.g * layout.m // 3, layout.g * layout.m)))
    elif kind == 3:
        do("archive", put_in)
    elif kind == 4:
        do("archive", take_out)
    elif kind == 5:
        do("archive", cut, 0.06)
    elif kind == 6:
        for _ in range(rng.randint(1, 4)):
            do("archive", rng.choice((put_in, take_out)))
        do("archive", burst, rng.uniform(0, 0.03))
    kind = rng.randrange(8)
    if kind == 0:
        do("sidecar", burst, rng.uniform(0, 0.5))
    elif kind == 1:
        do("sidecar", flips, rng.choice((1, 5, 50)))
    elif kind == 2:
        do("sidecar", rng.choice((put_in, take_out)))
    elif kind == 3:
        do("sidecar", cut, 0.7)
    elif kind == 4:  # a header, or a table
        end = rng.choice((256, recovery.HEADER + recovery.PAGE * layout.pages))
        sidecar = bytes(end) + sidecar[end:] if rng.random() < 0.5 else sidecar[:-end] + bytes(end)
        told.append(f"sidecar: {end} bytes of one end")
    return data, sidecar, ", ".join(told) or "nothing"


def read(path):
    return path.read_bytes() if path.exists() else None


def compare(top, data, sidecar, hit, hit_sidecar):
    """One case; returns the verdict."""
    archive = top / "hit.tar.zst"
    archive.write_bytes(hit)
    pathlib.Path(f"{archive}.rec").write_bytes(hit_sidecar)
    by_reader, by_program = top / "by-reader", top / "by-program"
    for path in by_reader, by_program, pathlib.Path(f"{by_program}.rec"):
        path.unlink(missing_ok=True)
    check = run(sys.executable, READER, "check", "--json", archive)
    answer = json.loads(check.stdout)
    mend = run(sys.executable, READER, "mend", archive, "-o", by_reader)
    assert answer["mendable"] == (mend.returncode == 0), f"mendable is {answer['mendable']}; mend: {mend.stdout}"
    assert read(by_reader) == (data if answer["mendable"] else None), "the reader gives out other bytes"
    done = run(test_interop.PROGRAM, "repair", "--json", archive, "-o", by_program)
    told = json.loads(done.stdout)
    outcome = told["outcome"]
    where = f"reader: {answer}; program: {done.returncode}, {told}"
    codes = {"whole": 0, "recovery-data": 0, "mended": 0}
    assert done.returncode == codes.get(outcome, 4), where
    assert (outcome in codes) == answer["mendable"], where
    is_whole = answer["verdict"] == "whole", answer.get("archive_whole", False)
    assert (outcome == "whole", outcome in ("whole", "recovery-data")) == is_whole, where
    assert read(by_program) == (data if outcome == "mended" else None), "the program gives out other bytes"
    assert archive.read_bytes() == hit, "the damaged archive is another"
    if outcome == "mended":
        assert read(pathlib.Path(f"{by_program}.rec")) == sidecar, "the mended archive has another sidecar"
    elif outcome == "recovery-data":
        assert read(pathlib.Path(f"{archive}.rec")) == sidecar, "the sidecar is made anew, and is another"
    else:
        assert read(pathlib.Path(f"{archive}.rec")) == hit_sidecar, "the sidecar was changed"
    recovered = told["recovery"]
    counts = [(key, answer.get(key), recovered.get(key)) for key in ("lost", "moved")]
    return outcome, "" if all(a == b for _, a, b in counts) or "lost" not in answer else f" (counts differ: {counts})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("-v", dest="verbose", action="store_true")
    args = parser.parse_args()
    test_interop.PROGRAM = os.path.abspath(args.program)
    os.umask(0o022)
    top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-recovery-"))
    outcomes = {}
    try:
        archive = make_archive(top, random.Random(args.seed), 2_000_000)
        check_writer(archive, (7, 50, 5))
        archive.unlink()
        archive = make_archive(top, random.Random(args.seed), 200_000)
        check_writer(archive, (1, 100, 6, 5))
        data, sidecar = archive.read_bytes(), pathlib.Path(f"{archive}.rec").read_bytes()
        layout = recovery.Layout(sidecar[:256])
        for seed in range(args.seed, args.seed + args.count):
            hit, hit_sidecar, told = hurt(random.Random(seed), data, sidecar, layout)
            try:
                outcome, note = compare(top, data, sidecar, hit, hit_sidecar)
            except BaseException:
                print(f"FAILED: {told}: test_recovery_reader.py PROGRAM --seed {seed} --count 1", file=sys.stderr)
                raise
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if args.verbose:
                print(f"{seed}: {told}: {outcome}{note}", flush=True)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(f"{args.count} cases, the same verdict and bytes: {outcomes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
