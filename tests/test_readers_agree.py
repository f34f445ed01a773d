#!/usr/bin/env python3
"""The educational reader and the program agree on damaged archives: the same verdict, and the same entries named as hit.

    test_readers_agree.py PROGRAM [--all] [--keep DIR]

Three archives are damaged in every way that damages.py knows: one of 200 files that the program has written, one that is laid out
here by hand (members that do not count, an end of a member in a frame of its own, an index over two frames, odd names), and a differential
beside its parent. Both answers are compared with each other, and with a model of which frame holds what. The vectors are looked at too.
With --all there are ten times as many cases. Random choices come from POBACKUP_TEST_SEED (0 if it is not set). What they
differ on is kept in DIR.
"""

import argparse
import collections
import concurrent.futures
import functools
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "format-spec")]
sys.dont_write_bytecode = True
import check_vectors  # noqa: E402
import make_vectors  # noqa: E402
import reader  # noqa: E402
from damages import ROW, Damages, Sound, regions  # noqa: E402
from make_vectors import DIRECTORY, HARDLINK, SYMLINK, WHEN, Member, Plan, Span, manifest  # noqa: E402
from test_interop import PARTS, make_site, must, put, run  # noqa: E402

SEED = int(os.environ.get("POBACKUP_TEST_SEED", 0))
FILES = 200
BATCH = 64
SHOWN = 20


# ---- archives ----

def written(program, top, seed):
    """An archive of 200 files in a dozen frames, by the program."""
    rng = random.Random(seed)
    site = top / f"site-{seed}"
    make_site(site)
    box = PARTS[2].encode()
    sizes = [65_536 - 512, 65_536, 70_000, 150_000, 0, 1, 511, 512, 513]
    sizes += [rng.randint(0, 3000) for _ in range(FILES - len(sizes) - 4)]  # with one more, the registry, manifest and summary
    for number, size in enumerate(sizes):
        content = rng.randbytes(size) if number % 2 else (b"Line %d of a message.\r\n" % number * (size // 20 + 1))[:size]
        put(site, b"%s/%02d/message-%03d" % (box, number % 9, number), content, time=WHEN * 100 + number * 100)
    put(site, box + "/受信箱".encode(), b"", time=WHEN * 100)
    os.link(os.path.join(os.fsencode(site), box, b"03/message-003"), os.path.join(os.fsencode(site), box, b"hard"))
    os.symlink(b"03/message-003", os.path.join(os.fsencode(site), box, b"soft"))
    path = top / f"written-{seed}.tar.zst"
    must(program, "backup", "--site", f"folder:{site}", "-o", path, "--frame-size", "64K", "--allow-same-volume", "--cold")
    return Sound("written", path.read_bytes(), path)


def laid(top, name, plan):
    built = make_vectors.build(plan)
    path = top / f"{name}.tar.zst"
    path.write_bytes(make_vectors.join(built.pieces))
    return Sound(name, path.read_bytes(), path), built


def odd_plan(salt):
    """What the program seldom writes."""
    rng = random.Random(salt)
    file = Member
    return Plan([file(b"box", type=DIRECTORY), file(b"box/a", rng.randbytes(1200)), file(b"box/\xff\xfe", b"odd")],
                [Span(file(b"box/long", rng.randbytes(3000)), 1000, 1000)],
                [file(b"box/small", b"s"), Span(file(b"box/twice", rng.randbytes(2000)), 900)],  # a later one wins
                [Span(file(b"box/gone", rng.randbytes(1500)), 700, 700)],  # not part of the snapshot
                [file(b"box/b", b"b"), Span(file(b"box/pad", rng.randbytes(600)), 600)],  # the padding has a frame of its own
                [file(b"box/twice", b"the one that counts"), file(b"box/hard", type=HARDLINK, link=b"box/a"),
                 file(b"box/soft", type=SYMLINK, link=b"a"), file("box/\u00e4".encode(), b"\n")],
                [file(b"box/only-one-here", bytes(100))],
                manifest=manifest(archive_id=f"{salt:02x}" * 16), index_cuts=[1200],
                extensions=[(1, 0, struct.pack("<II", 7, 0))], on_entries=lambda entries: forget(entries, b"box/gone"))


def forget(entries, path):
    entries[:] = [e for e in entries if e["path"] != path]


def differential(top):
    """A differential; its parent lies where its name says."""
    folder = top / "differential"
    folder.mkdir()
    parent, built = laid(folder, "parent", Plan([Member(b"a", b"of the parent"), Member(b"b", b"old")], [Member(b"c", b"c" * 700)]))
    row = {"archive_id": manifest()["archive_id"], "digest": built.digest.hex(), "created": make_vectors.WHEN_TEXT, "name": "parent.tar.zst"}
    plan = Plan([Member(b"b", b"new")], [Span(Member(b"d", b"d" * 1000), 400)],
                manifest=manifest(archive_id="dd" * 16, kind="diff", parents=[row]),
                parents=[(bytes.fromhex(row["archive_id"]), built.digest, WHEN, b"parent.tar.zst")],
                borrowed=[e | {"source": 1} for e in built.entries if e["path"] in (b"a", b"c")])
    return laid(folder, "diff", plan)[0], parent


# ---- the readers ----

def remember(name, size):
    """The reader's slow functions give the same for the same bytes, and most frames are as they were."""
    setattr(reader, name, functools.lru_cache(size)(getattr(reader, name)))


for slow in "xxh3", "xxh64", "run_zstd":
    remember(slow, 300)


def by_reader(path):
    """(verdict, rule and text, names of what is hit)."""
    try:
        report = reader.verify(str(path))
        problem = report.first()
        return report.verdict(), f"{problem.rule}: {problem.text}" if problem else "", sorted(report.hits)
    except Exception as error:
        return "failed", repr(error), []


def by_program(program, paths):
    done = run(program, "verify", "--json", *paths, timeout=300)
    answers = []
    for path, answer in zip(paths, json.loads(done.stdout)["archives"], strict=True):
        assert answer["path"] == str(path)
        hits = [bytes.fromhex(hit["hex"]) if isinstance(hit, dict) else hit.encode() for hit in answer["hit"]]
        answers.append((answer["verdict"], answer["message"] or "", sorted(hits)))
    return answers


# ---- comparing ----

class Judge:
    def __init__(self, keep):
        self.keep = keep
        self.kinds, self.verdicts = collections.Counter(), collections.Counter()
        self.named = self.differ = self.wrong = 0
        self.told = 0

    def tell(self, name, data, text):
        self.told += 1
        if self.told <= SHOWN:
            print(f"{name}: {text}", flush=True)
        if self.keep:
            self.keep.mkdir(exist_ok=True)
            (self.keep / f"{self.told:04}").write_bytes(data)

    def compare(self, kind, name, data, mine, theirs):
        self.kinds[kind] += 1
        self.verdicts[mine[0]] += 1
        self.named += bool(mine[2])
        if (mine[0], mine[2]) != (theirs[0], theirs[2]):
            self.differ += 1
            only = [f"{who} names also {sorted(set(one) - set(two))[:5]}" for who, one, two in
                    (("the reader", mine[2], theirs[2]), ("the program", theirs[2], mine[2])) if set(one) - set(two)]
            self.tell(name, data, f"the reader says {mine[0]} ({mine[1]}), the program {theirs[0]} ({theirs[1]}); " + "; ".join(only))
            return False
        return True

    def judge(self, damages, kind, what, data, mine, theirs):
        """Both answers, and the model's."""
        name = f"{damages.sound.name}: {kind}: {what}"
        if not self.compare(kind, name, data, mine, theirs):
            return
        if kind == "sound":
            is_right = mine[0] == "ok"
        else:
            is_right = mine[0] == "damaged" or mine[0] == "unsupported" and not damages.sound.must_be_damaged(data)
            is_right = is_right and mine[2] == sorted(damages.expected(data))
        if not is_right:
            self.wrong += 1
            self.tell(name, data, f"both say {mine[0]} ({mine[1]}) and name {mine[2][:5]}; that is not so")


def try_damages(program, pool, judge, damages, folder):
    cases = damages.all()
    while batch := list(itertools.islice(cases, BATCH)):
        paths = [folder / f"case-{number}" for number in range(len(batch))]
        for path, (_, _, data) in zip(paths, batch):
            path.write_bytes(data)
        theirs = by_program(program, paths)
        for case, mine, other in zip(batch, pool.imap(by_reader, paths, 4), theirs, strict=True):
            judge.judge(damages, *case, mine, other)


def try_parent(program, judge, sound, parent):
    """Bits of the parent: a frame of it that is damaged is no damage of the differential; its tables have to be whole (INDEX-9)."""
    for name, begin, end in regions(parent):
        for bit in {begin * 8, end * 8 - 1}:
            data = bytearray(parent.data)
            data[bit >> 3] ^= 1 << (bit & 7)
            parent.path.write_bytes(data)
            mine, theirs = by_reader(sound.path), by_program(program, [sound.path])[0]
            what = f"{name} of the parent, byte {bit >> 3}"
            rows = parent.offsets[-1] + 8
            is_checksum = rows <= bit >> 3 < rows + ROW * parent.count and ((bit >> 3) - rows) % ROW >= 8  # of a frame before the index
            expected = "ok" if bit >> 3 < parent.offsets[parent.count] or is_checksum else "damaged"
            if judge.compare("parents", what, data, mine, theirs) and (mine[0], mine[2]) != (expected, []):
                judge.wrong += 1
                judge.tell(what, data, f"both say {mine[0]} ({mine[1]}) and name {mine[2]}; that is not so")
    parent.path.write_bytes(parent.data)


def try_vectors(program, judge, top):
    def answers(vector):
        folder = pathlib.Path(tempfile.mkdtemp(dir=top))
        path = folder / "archive"
        path.write_bytes(vector.data)
        for line in vector.all("with"):
            other, name = line.split()
            (folder / name).write_bytes(check_vectors.Vector(check_vectors.VECTORS / other).data)
        answer = by_reader(path), by_program(program, [path])[0]
        shutil.rmtree(folder)
        return answer

    vectors = [vector for vector in check_vectors.load() if vector.sidecar is None]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for vector, (mine, theirs) in zip(vectors, pool.map(answers, vectors)):
            judge.compare("vectors", vector.name, vector.data, mine, theirs)


def main():
    parser = argparse.ArgumentParser(description="Show damaged archives to both readers.")
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR")
    args = parser.parse_args()
    print(f"POBACKUP_TEST_SEED={SEED}", flush=True)
    began = time.monotonic()
    judge = Judge(args.keep)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-agree-", dir=memory))
    try:
        subjects = [(written(args.program, top, 1), written(args.program, top, 2)),
                    (laid(top, "odd", odd_plan(1))[0], laid(top, "odd-other", odd_plan(2))[0]), differential(top)]
        assert subjects[0][0].files == FILES
        with multiprocessing.Pool(os.cpu_count()) as pool:
            for sound, other in subjects:
                try_damages(args.program, pool, judge, Damages(sound, other, SEED, 10 if args.all else 1), sound.path.parent)
        try_parent(args.program, judge, *subjects[2])
        try_vectors(args.program, judge, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print("agree: " + "; ".join(f"{s.name}: {s.files} files, {s.count} frames, {len(s.data)} bytes" for s, _ in subjects))
    print("agree: " + ", ".join(f"{kind} {count}" for kind, count in judge.kinds.items()))
    print(f"agree: {judge.kinds.total()} cases: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(judge.verdicts.items()))
          + f"; entries are named in {judge.named}; {judge.differ} disagreements, {judge.wrong} wrong answers; "
          + f"{time.monotonic() - began:.0f} s")
    return 1 if judge.differ or judge.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
