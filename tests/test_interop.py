#!/usr/bin/env python3
"""An archive of a tree with every odd name, time and kind of file, opened by the program and by stock tools.

    test_interop.py PROGRAM [unittest's arguments]

Each tool must give back the source tree: bytes, types, link targets, hard links, write times (to the 100 ns that an
archive keeps), modes. Where a tool cannot, the test that uses it says so, and why.
"""

import atexit
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import keep_archives

SOURCE = pathlib.Path(__file__).resolve().parent.parent
READER = SOURCE / "format-spec" / "reader.py"
PARTS = "Post.OfficeexeBackup", "Post.OfficeConfigBackup", "Post.OfficemailboxBackup"
REGISTRY = "Post.OfficeRegKeyBackup.reg"
PROGRAM = "pobackup"
if "POBACKUP_STATE_DIR" not in os.environ:
    os.environ["POBACKUP_STATE_DIR"] = tempfile.mkdtemp(prefix="pobackup-state-")
    atexit.register(shutil.rmtree, os.environ["POBACKUP_STATE_DIR"], ignore_errors=True)
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def run(*command, timeout=300, env=None, **options):
    """The finished process; never a terminal, never our standard input."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run([os.fspath(word) for word in command], env={**ENVIRONMENT, **(env or {})}, timeout=timeout, check=False,
                          **options)
    keep_archives.keep(command)
    return done


def must(*command, codes=(0,), **options):
    done = run(*command, **options)
    if done.returncode not in codes:
        raise AssertionError(f"{command[:6]}: exit code {done.returncode}\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}")
    return done


# ---- trees ----

class Node:
    """What is compared of a file, directory or link."""

    def __init__(self, info, content=None, target=None):
        self.kind = stat.S_IFMT(info.st_mode)
        self.mode = stat.S_IMODE(info.st_mode)
        self.time = info.st_mtime_ns
        self.size = info.st_size if content is not None else 0
        self.content = content  # a hash
        self.target = target
        self.inode = (info.st_dev, info.st_ino) if self.kind == stat.S_IFREG and info.st_nlink > 1 else None


def hash_of(fd):
    digest = hashlib.blake2b()
    while piece := os.read(fd, 1 << 20):
        digest.update(piece)
    return digest.digest()


def scan(top):
    """Relative path in bytes -> Node; paths of any length, hence by descriptors."""
    nodes = {}

    def visit(fd, prefix):
        nodes[prefix] = Node(os.fstat(fd))
        for name in sorted(os.fsencode(name) for name in os.listdir(fd)):
            path = prefix + b"/" + name if prefix else name
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                try:
                    visit(below, path)
                finally:
                    os.close(below)
            elif stat.S_ISREG(info.st_mode):
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
                nodes[path] = Node(info, content=hash_of(file))
                os.close(file)
            elif stat.S_ISLNK(info.st_mode):
                nodes[path] = Node(info, target=os.readlink(name, dir_fd=fd))
            else:
                nodes[path] = Node(info)

    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        visit(fd, b"")
    finally:
        os.close(fd)
    return nodes


def twins(nodes):
    """The sets of names that are one file."""
    groups = {}
    for path, node in nodes.items():
        if node.inode:
            groups.setdefault(node.inode, set()).add(path)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def differences(source, got, step=100, with_modes=True, without_times=frozenset()):
    """What is not the same, as text; times are compared in steps of so many ns, rounded down."""
    found = [f"{path!r}: missing" for path in sorted(source.keys() - got.keys())]
    found += [f"{path!r}: too much" for path in sorted(got.keys() - source.keys())]
    for path in sorted(source.keys() & got.keys()):
        a, b = source[path], got[path]
        for what, x, y in (("kind", a.kind, b.kind), ("size", a.size, b.size), ("content", a.content, b.content),
                           ("target", a.target, b.target), ("time", a.time // step, b.time // step),
                           ("mode", a.mode, b.mode)):
            if what == "time" and path in without_times or what == "mode" and (not with_modes or stat.S_ISLNK(a.kind)):
                continue
            if x != y:
                found.append(f"{path!r}: {what} {x!r} became {y!r}")
    if twins(source) != twins(got):
        found.append(f"hard links {twins(source)} became {twins(got)}")
    return found


def put(directory, path, content=b"", time=None, mode=None):
    """A file below `directory`, with its parents."""
    full = os.path.join(os.fsencode(directory), path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)
    if mode is not None:
        os.chmod(full, mode)
    if time is not None:
        os.utime(full, ns=(time, time))


def put_deep(directory, levels, name, content):
    """A file below so many directories of 250 bytes: no call takes its whole path."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("d" * 250, dir_fd=fd)
        below = os.open("d" * 250, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, content)
    os.close(file)
    os.close(fd)


def make_site(directory):
    """The guide's layout, empty, and a registry."""
    for part in PARTS:
        os.makedirs(os.path.join(directory, part))
    text = 'Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Software.com\\Post.Office]\r\n"V"="1"\r\n'
    with open(os.path.join(directory, REGISTRY), "wb") as file:
        file.write(b"\xff\xfe" + text.encode("utf-16-le"))


ODD_NAMES = [
    b"plain", b"with space", b" leading", b"trailing ", b"trailing.", b"trailing...", b"...", b"-rf", b"--", b"~", b"*?[x]",
    b"a\nb", b"\n", b"tab\there", b"\x01\x02\x7f", b"\x1b[2J", b"back\\slash", b"c:colon", b"CON", b"nul.txt", b"LPT1", b"'quote'",
    b"\"double\"", b"$HOME", b"`id`", b";", b"&", b"%s%n", "日本語のメール".encode(), "受信箱.txt".encode(), "か\u3099".encode(),
    "が".encode(), "\u202egnp.exe".encode(), "😀".encode(), b"\xff", b"\xff\xfe", b"\x80abc", b"ab\xc3", b"\xe6\x97",
    "日本語".encode("shift_jis"), "日本語".encode("euc_jp"), b"n" * 99, b"n" * 100, b"n" * 101, b"n" * 255,
    ("日" * 85).encode(), b"\xff" * 255,
]

# Times in ns, multiples of 100.
TIMES = {
    b"zero": 0, b"one-step": 100, b"now": 1_795_000_000_123_456_700, b"whole": 1_700_000_000_000_000_000,
    b"before-1970": -1_000_000_000, b"before-1970-fraction": -1_500_000_000, b"just-before": -100,
    b"year-1935": -1_100_000_000_987_654_300, b"after-2038": 4_000_000_000_000_000_000, b"last-step": 1_699_999_999_999_999_900,
    b"one-tenth": 1_700_000_000_100_000_000,
}


def fill_odd(site):
    box = os.fsencode(os.path.join(site, PARTS[2]))
    spool = os.fsencode(os.path.join(site, PARTS[1]))
    program = os.fsencode(os.path.join(site, PARTS[0]))
    for number, name in enumerate(ODD_NAMES):
        put(box, b"names/" + name, b"content %d" % number)
        put(box, b"directories/" + name + b"/f", name)
        os.makedirs(box + b"/empty/" + name)
    for size in (0, 1, 511, 512, 513, 1023, 65535, 65536, 65537, 130000, 131072, 131073, 400000):
        put(spool, b"sizes/%d" % size, os.urandom(size))
    put(spool, b"split/" + b"p" * 60 + b"/" + b"q" * 90 + b"/" + b"r" * 100)  # 155 + 100: just what ustar's fields take
    put(spool, b"split/" + b"p" * 60 + b"/" + b"q" * 91 + b"/" + b"r" * 100)
    put(spool, b"split/" + b"/".join([b"s" * 200] * 8) + b"/end", b"far down")
    with open(spool + b"/sparse", "wb") as file:
        file.truncate(20 << 20)
        file.seek(10 << 20)
        file.write(b"in the middle")
    for name, time in TIMES.items():
        put(program, b"times/" + name, name, time=time)
    # Who cannot give files away gets no set-user-id bits either.
    for mode in (0o600, 0o644, 0o755, 0o444, 0o711, 0o1644) + ((0o4755, 0o2755) if os.geteuid() == 0 else ()):
        put(program, b"modes/%o" % mode, b"x", mode=mode)
    for mode in (0o700, 0o1777, 0o2775, 0o555):
        os.makedirs(program + b"/modes/d%o" % mode)
        os.chmod(program + b"/modes/d%o" % mode, mode)
    for name, target in ((b"relative", b"../sizes/1"), (b"absolute", b"/etc/hostname"), (b"dangling", b"no/where"), (b"self", b"self"),
                         (b"to-directory", b".."), (b"long", b"t" * 1000), (b"odd\nname\xff", b"odd\ntarget\xff"),
                         ("リンク".encode(), "日本語".encode()), (b"space", b" "), (b"100", b"u" * 100), (b"101", b"u" * 101)):
        put(spool, b"links/.keep")
        os.symlink(target, spool + b"/links/" + name)
        os.utime(spool + b"/links/" + name, ns=(1_600_000_000_000_000_700,) * 2, follow_symlinks=False)
    for name in (b"a", b"\xff second", ("三".encode()), b"l" * 200):
        if name == b"a":
            put(box, b"twins/a", b"one file" * 100)
        else:
            os.link(box + b"/twins/a", box + b"/twins/" + name)
    os.link(box + b"/twins/a", spool + b"/twin-in-another-tree")
    # Directories last: whoever writes into them changes their times.
    os.utime(box + b"/empty/plain", ns=(-1_500_000_000, -1_500_000_000))
    os.utime(box, ns=(1_500_000_000_000_000_300,) * 2)


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        os.umask(0)
        cls.site = cls.dir / "site"
        make_site(cls.site)
        fill_odd(cls.site)
        cls.archive = cls.dir / "a.tar.zst"
        must(PROGRAM, "backup", "--site", f"folder:{cls.site}", "-o", cls.archive, "--frame-size=64K", "--allow-same-volume")
        cls.source = {part: scan(cls.site / part) for part in PARTS}

    def setUp(self):
        self.out = self.dir / self.id().rsplit(".", 1)[1]
        self.out.mkdir()

    def tearDown(self):
        shutil.rmtree(self.out, ignore_errors=True)

    def paths(self, is_chosen):
        return {part.encode() + b"/" + path if path else part.encode()
                for part, nodes in self.source.items() for path, node in nodes.items() if is_chosen(node)}

    @staticmethod
    def is_before_1970(node):
        return node.time < 0 and node.time % 1_000_000_000 != 0

    def assert_same(self, without=frozenset(), **how):
        # Hard links between trees are seen only when all are looked at as one.
        source = {part.encode() + b"/" + path if path else part.encode(): node
                  for part, nodes in self.source.items() for path, node in nodes.items()}
        got = {part.encode() + b"/" + path if path else part.encode(): node
               for part in PARTS for path, node in scan(self.out / part).items()}
        for path in without:
            source.pop(path, None)
            got.pop(path, None)
        found = differences(source, got, **how)
        if found:
            self.fail(f"{len(found)} differences:\n" + "\n".join(line[-300:] for line in found[:20]))
        self.assertGreater(len(source), 4 * len(ODD_NAMES))
        self.assertEqual((self.out / REGISTRY).read_bytes(), (self.site / REGISTRY).read_bytes())

    def test_zstd_finds_every_frame_right(self):
        must("zstd", "-q", "-t", self.archive)

    def test_the_program_finds_it_whole(self):
        must(PROGRAM, "verify", self.archive)
        must(PROGRAM, "verify", "--quick", self.archive)

    def test_the_independent_reader_finds_it_whole(self):
        must(sys.executable, READER, "verify", self.archive)

    def test_the_program_extracts_it(self):
        must(PROGRAM, "extract", self.archive, "-C", self.out)
        self.assert_same()

    def test_the_independent_reader_extracts_it(self):
        must(sys.executable, READER, "extract", self.archive, "-C", self.out)
        self.assert_same(with_modes=False)  # the reader is about contents, names and times

    def test_gnu_tar_extracts_it(self):
        # All directories stand before all files. GNU tar sets a directory's time when it has left it, and the files that it puts
        # there later change it again, unless it is told to wait.
        must("tar", "--zstd", "--delay-directory-restore", "-xpf", self.archive, "-C", self.out)
        self.assert_same()

    def test_zstd_and_gnu_tar_in_a_pipe_extract_it_but_for_times_of_directories(self):
        must("bash", "-c", 'set -o pipefail; zstd -qdc "$1" | tar -C "$2" -xpf -', "-", self.archive, self.out)
        self.assert_same(without_times=self.paths(lambda node: stat.S_ISDIR(node.kind)))

    def test_bsdtar_extracts_it(self):
        # In the C locale it takes names as bytes, warns of each that is not ASCII, and says so at the end: exit code 1. And libarchive
        # takes the fraction of a negative time for a positive one.
        must("bsdtar", "-xpf", self.archive, "-C", self.out, env={"LC_ALL": "C"}, codes=(1,))
        self.assert_same(without_times=self.paths(self.is_before_1970))

    def test_bsdtar_in_a_utf_8_locale_extracts_it_but_composes_names(self):
        # libarchive puts letters and their marks together (Unicode's NFC): of two names that differ in that alone, one is left.
        composed = {path for path in self.paths(lambda node: True) if "か\u3099".encode() in path or "が".encode() in path}
        self.assertEqual(len(composed), 8)
        must("bsdtar", "-xpf", self.archive, "-C", self.out)
        self.assert_same(without_times=self.paths(self.is_before_1970), without=composed)

    def test_python_reads_the_same_names(self):
        """A third tar reader, that of Python: names, sizes and links."""
        import tarfile
        plain = self.out / "plain.tar"
        must("zstd", "-qd", self.archive, "-o", plain)
        with tarfile.open(plain, encoding="utf-8", errors="surrogateescape") as tar:
            members = {os.fsencode(member.name): member for member in tar}
        for part, nodes in self.source.items():
            for path, node in nodes.items():
                member = members[part.encode() + b"/" + path if path else part.encode()]
                self.assertEqual(member.issym(), node.target is not None)
                if member.issym():
                    self.assertEqual(os.fsencode(member.linkname), node.target)
                elif member.isreg():
                    self.assertEqual(member.size, node.size)

    def test_the_lists_are_the_same(self):
        names = must(PROGRAM, "list", "-0", self.archive).stdout.split(b"\0")[:-1]
        expected = {part.encode() + b"/" + path if path else part.encode() for part, nodes in self.source.items() for path in nodes}
        self.assertEqual({name for name in names if name.split(b"/")[0] in {part.encode() for part in PARTS}}, expected)
        self.assertEqual(len(names), len(set(names)))

    def test_each_content_is_given_out(self):
        for part, nodes in self.source.items():
            chosen = [path for path, node in nodes.items() if stat.S_ISREG(node.kind)][::7]
            for path in chosen:
                content = must(PROGRAM, "cat", self.archive, os.fsdecode(part.encode() + b"/" + path)).stdout
                self.assertEqual(hashlib.blake2b(content).digest(), nodes[path].content, path)


class Times(unittest.TestCase):
    def test_times_finer_than_100_ns_are_rounded_down(self):  # spec-test: TAR-6
        with tempfile.TemporaryDirectory(prefix="pobackup-interop-") as top:
            site = os.path.join(top, "site")
            make_site(site)
            times = {b"a": 1_700_000_000_000_000_199, b"b": -1, b"c": -101, b"d": 99, b"e": -1_234_567_891}
            for name, time in times.items():
                put(os.path.join(site, PARTS[2]), name, b"x", time=time)
            archive = os.path.join(top, "a.tar.zst")
            must(PROGRAM, "backup", "--site", f"folder:{site}", "-o", archive, "--allow-same-volume")
            must(PROGRAM, "verify", archive)
            for command in ((PROGRAM, "extract", archive, "-C"), (sys.executable, READER, "extract", archive, "-C"),
                            ("tar", "--zstd", "-xf", archive, "-C"), ("bsdtar", "-xf", archive, "-C")):
                with self.subTest(command=command[0]), tempfile.TemporaryDirectory(dir=top) as out:
                    must(*command, out)
                    got = {name: os.stat(os.path.join(os.fsencode(out), PARTS[2].encode(), name)).st_mtime_ns for name in times}
                    for name, time in times.items():
                        if command[0] != "bsdtar" or time >= 0:  # as above: its fractions before 1970 are wrong
                            self.assertEqual(got[name], time // 100 * 100, name)


class Deep(unittest.TestCase):
    """A path of more than 4,096 bytes. GNU tar and bsdtar hand a path to the system in one piece and cannot make such a file; that
    they read the archive, and go on with the rest, is asserted. (bsdtar sometimes can.)"""

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-interop-"))
        cls.addClassCleanup(must, "rm", "-rf", cls.dir)
        make_site(cls.dir / "site")
        cls.box = cls.dir / "site" / PARTS[2]
        put_deep(cls.box, 18, b"\xff deep", b"far down")
        put(cls.box, b"zz", b"after it")
        cls.archive = cls.dir / "a.tar.zst"
        must(PROGRAM, "backup", "--site", f"folder:{cls.dir / 'site'}", "-o", cls.archive, "--allow-same-volume", "--frame-size=64K")
        cls.source = scan(cls.box)
        assert max(map(len, cls.source)) > 4096 + 200

    def extract(self, *command):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
        must(*command, out)
        found = differences(self.source, scan(out / PARTS[2]), with_modes=False)
        if found:
            self.fail("\n".join(line[-300:] for line in found[:10]))

    def test_the_program_extracts_it(self):
        self.extract(PROGRAM, "extract", self.archive, "-C")

    def test_the_independent_reader_extracts_it(self):
        must(sys.executable, READER, "verify", self.archive)
        self.extract(sys.executable, READER, "extract", self.archive, "-C")

    def test_stock_tools_list_it_and_extract_the_rest(self):
        for tool in ("tar", "--zstd"), ("bsdtar",):
            names = must(*tool, "-tf", self.archive).stdout.splitlines()
            self.assertGreater(max(map(len, names)), 4096 + 200)
            out = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
            must(*tool, "-xf", self.archive, "-C", out, codes=(0, 1, 2))
            self.assertEqual((out / PARTS[2] / "zz").read_bytes(), b"after it")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
