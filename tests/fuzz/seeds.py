#!/usr/bin/env python3
"""Make the seeds of the fuzz targets: the format's vectors, taken apart; for .reg, INI files, globs and others a few of our own.

    seeds.py FOLDER

One folder a target below FOLDER. Vectors that are broken on purpose are taken apart as far as it goes.
"""

import pathlib
import shutil
import struct
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(TESTS), str(TESTS.parent / "format-spec")]
sys.dont_write_bytecode = True
import check_vectors  # noqa: E402
import reader  # noqa: E402

SIZE_MAX = 60000

REG = r'''Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Software.com\Post.Office]
@="default"
"Text"="a \"quoted\" \\ path"
"Number"=dword:0000002a
"Binary"=hex:00,01,ff
"Expand"=hex(2):25,00,50,00,25,00,00,00
"Multi"=hex(7):61,00,00,00,62,00,00,00,00,00
"Large"=hex(b):01,02,03,04,05,06,07,08
"Odd"=hex(80000001):
"Continued"=hex:00,\
  01,02
"Gone"=-
; a comment
[-HKEY_LOCAL_MACHINE\SOFTWARE\Software.com\Old]

[HKEY_LOCAL_MACHINE\SOFTWARE\日本]
"日本"="語"
'''.replace("\n", "\r\n")

GLOBS = ["a\0a", "*\0abc", "**\0a/b/c", "**/x\0x", "**/x\0a/b/x", "a/**/z\0a/b/c/z", "[a-c]?\0b\u00e4", "[!a]*\0bcd", "\\*\0*",
         "Post.OfficeConfigBackup\0Post.OfficeConfigBackup/a/b", "a/\0a/b", "[]\0]", "[\0[", "\\\0\\", "*a*a*a*a*b\0aaaaaaaaaaaa",
         "\0", "\0a", "**\0"]

# Lines of the history.
RUNS = ['{"time":"2026-11-28T05:40:00.8233790Z","verb":"backup","site":"folder:/a","exit_code":0,"ms":33,"outage_ms":0,"files":2,"bytes":71,'
        '"archive":"/b/a \\u001b\\"\\\\.zst","archive_id":"' + "a6" * 16 + '","digest":"' + "c5" * 32 + '","archive_bytes":3881,'
        '"created":"2026-11-28T05:40:00.7892851Z","archive_site_hex":"ff41","complete":true,"check":"frames","whole":true,"free":9}',
        '{"time":"2026-11-28T05:40:00.0000000Z","verb":"verify","check":"deep","whole":false,"moon":[{"x":null}]}',
        '{"time":"2026-11-28T05:40:00.0000000Z","verb":"undo","exit_code":-5,"ms":1e300,"files":-1,"free":99999999999999999999}',
        '{"time":"2026-11-28T05:40', "{}"]

# pobackup-site.ini and pobackup.ini.
INIS = ["[trees]\nregistry = /r\nbin=a b ; a comment\nspool: x\n\n[places]\nbin=C:\\x\n[service:mta]\nstart = ./go --now; true\nstop=s\n"
        "status=t\nstop-timeout=86400\n[ service:two ] ; second\nstart=;a\nstop==b\nstatus=:c\nstart-timeout = 1\n",
        "\ufeff[trees]\r\n  mailbox = \u65e5\r\n\tindented = 1\r\n", "[service:a]\nstart=1\n[service:a]\n", "[trees\n", "no key\n", "=\n", "[]\n",
        "# all\nquiet = yes\nthreads=2\nlevel: 3\nsite = folder:/a b ;c\nexclude = *.tmp\nexclude = x\n[backup]\nhot = no\nkeep-daily = 7\n"
        "output=/b/%Y.zst\n[verify]\ndeep = on\nbudget=10%\n[moon]\nx=1\n",
        "config = x\nhelp = yes\nthreads = many\nthread = 1\nquiet=perhaps\n[backup\n[verify]\nthreads=1\nthreads=2\n", "[backup]\nto" + "o" * 300 + " = 1\n"]

# Security descriptors, and the same language as text.
SDDL = ["O:BAG:SYD:PAI(A;OICI;FA;;;BA)(D;;FW;;;BG)", "O:S-1-5-21-1-2-3-1005D:(A;ID;0x1301bf;;;S-1-5-21-1-2-3-1005)S:AI(AU;SAFA;FA;;;WD)",
        "D:NO_ACCESS_CONTROL", "D:P(A;OICIIO;FRFW;;;CO)(A;;RCSDCCWO;;;S-1-0x010203040506-7)"]
DESCRIPTORS = [
    "010004941400000024000000000000003000000001020000000000052000000020020000010100000000000512000000020038000200000000031800ff011f00"
    "01020000000000052000000020020000010018001601120001020000000000052000000022020000",
    "010014881400000000000000300000004c000000010500000000000515000000010000000200000003000000ed03000002001c000100000002c01400ff011f00"
    "01010000000000010000000002002c000100000000102400bf011300010500000000000515000000010000000200000003000000ed030000",
    # A condition behind the SID, an object's entry, an unknown type, free bytes.
    "0100048014000000000000000000000020000000010100000000000512000000040060000300000009031c00ff011f0001010000000000010000000001020304"
    "0506070805002800ff011f0001000000000102030405060708090a0b0c0d0e0f01010000000000010000000077000c0001020304050607080000000000000000",
]


# Keys and signatures of stock minisign: a throw-away pair.
MINISIGN = [
    'untrusted comment: minisign encrypted secret key\nRWRTY0IyxoGRje6lK/boxBiEMVqwH6r/Z7QnSHiTd0TLqLhne3AAAAACAAAAAAAAAEAAAAAAcPQ'
    'kU4WXOx7B6foxAPjXYxVDp37fXHPzKYjyEMuIEv2S4eNmk10WRijlsrRTuWOMjxzBOKpcJxxM9cPc39tH2VLsj489ZwZfTtSGj7thW0hQWIAJeq0Uc7o5K/0oGRs4'
    '1jPTh3HC6cU=\n',
    'untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAljs'
    'IQArT+rKHT+0XNe4COz3rhYIrLVUlNinXdSa2I2YT0SUDGMJ9KZyeHFm3dpgrYDMWKvXGJvXLWSBHsEFCecMmpNlzDFH/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    'AAAAAAAAAAA=\n',
    'untrusted comment: minisign public key B2FAD30A40083B96\nRWSWOwhACtP6spyeHFm3dpgrYDMWKvXGJvXLWSBHsEFCecMmpNlzDFH/\n',
    'untrusted comment: signature from minisign secret key\nRUSWOwhACtP6ssIqSV7030ZcON2BPUI7YA4EZm7caabQGsRi7VjMMt54JuEbJNTKFqnNye'
    'u+3+6mPOlliPxeszaExtOt42Vdqwo=\ntrusted comment: timestamp:1795872572\tfile:f\thashed\nrgMCDPbfL8y/tPm5lNspBrZunTQL8cekKleuhp'
    'L3V12+fnSltGfOsPLThmSIVzNl10finSOfqaFFYRCoz3WNAw==\n',
    'untrusted comment: signature from minisign secret key\nRWSWOwhACtP6snMegEV9qi4i/TonmNzbJHubzLH3ICyrwlkjSpY0EcRkWmQugc/xmDoSn6'
    '7V3qIKJvAIWsA5O/azceV+wiRUOw4=\ntrusted comment: timestamp:1795872572\tfile:f\nAPUPSkLMp5YdGUqTg2zHw03lYvwbgM15cLDr8MMmbNDti2'
    '5o1TGIjwVJazlMhB6aqE7wPQ6OHuaD1g3i9RGhBw==\n',
]


class Seeds:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def put(self, target, name, data):
        if len(data) > SIZE_MAX:
            return
        folder = self.folder / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        self.count += 1


def content_of(frame):
    try:
        return reader.decode_frame(frame, reader.walk_frame(frame))
    except (reader.Refused, IndexError, ValueError):
        return b""


def member_of(content):
    """The content of the first member, as far as it is there."""
    try:
        member = reader.read_member(content, 0)
        return content[member.header_size:member.header_size + member.size]
    except (reader.Refused, IndexError, ValueError):
        return b""


def take_apart(seeds, name, data):
    seeds.put("archive", name, data)
    seeds.put("salvage", name, b"\0" + data)
    if len(data) < 17:
        return
    count = struct.unpack("<I", data[-9:-5])[0]
    table = 17 + 12 * count
    if count > 1000 or table > len(data):
        return
    seeds.put("seek_table", name, data[-table:])
    rows = [struct.unpack("<II", data[at:at + 8]) for at in range(len(data) - table + 8, len(data) - 9, 12)]
    frames, at = [], 0
    for compressed, content in rows:
        frames.append((content, data[at:at + compressed]))
        at += compressed
    for number, (content, frame) in enumerate(frames):
        seeds.put("frame", f"{name}-{number}", struct.pack("<I", content) + frame)
    last = data[len(data) - table - 2062:len(data) - table]
    seeds.put("trailer", name, last)
    seeds.put("trailer", name + "-bare", last[522:522 + 496])
    if len(last) < 2062:
        return
    first, k = struct.unpack("<II", last[562:570])
    if not 0 < first < first + k < len(frames):
        return
    contents = [content_of(frame) for _, frame in frames[:first]]
    pieces = contents + [content_of(frame) for _, frame in frames[first:first + k]]
    if max(map(len, pieces)) < 65536:
        packed = b"".join(b"\0" + struct.pack("<H", len(c)) + c for c in pieces)
        seeds.put("salvage", name + "-pieces", b"\1" + packed + b"\1" + struct.pack("<H", 2062) + last)
        seeds.put("salvage", name + "-bare", b"\1" + b"".join(b"\0" + struct.pack("<H", len(c)) + c for c in contents))
    index = member_of(b"".join(content_of(frame) for _, frame in frames[first:first + k]))
    seeds.put("index", name, index)
    seeds.put("manifest", name, member_of(contents[0]))
    seeds.put("summary", name, member_of(contents[-1]))
    for number, content in enumerate(contents):
        seeds.put("tar", f"{name}-{number}", content[:4096])
    if len(contents) < 256 and max(map(len, contents)) < 65536:
        seeds.put("sealed", name, bytes([len(contents)]) + b"".join(struct.pack("<H", len(c)) + c for c in contents) + index)


def ntfs():
    """Lists of streams, reparse points, paths of streams."""
    rows = b""
    names = ["::$DATA", ":Zone.Identifier:$DATA", ":\u65e5 %.:$DATA"]
    for name in names:
        wide = name.encode("utf-16-le")
        row = struct.pack("<IIQQ", 0, len(wide), 26, 4096) + wide
        yield row
        row += bytes(-len(row) % 8)
        rows += (struct.pack("<I", len(row)) if name != names[-1] else bytes(4)) + row[4:]
    yield rows
    for target in ("\\??\\C:\\x", "\\??\\UNC\\s\\t", "\\??\\Volume{1}\\", "..\\x"):
        wide = target.encode("utf-16-le")
        heads = struct.pack("<HHHH", 0, len(wide), len(wide) + 2, 0)
        yield struct.pack("<IHH", 0xA0000003, len(heads + wide) + 4, 0) + heads + wide + bytes(4)
        yield struct.pack("<IHH", 0xA000000C, len(heads + wide) + 8, 0) + heads + struct.pack("<I", target[0] == ".") + wide + bytes(4)
    for path in (b"T/a.txt/%/Zone.Identifier", b"T/50%25/%/%2E", b"T/a/%/%22%2A%3C%3E%3F%7C", b"T/a/x"):
        yield b"pobackup/streams/" + path


def main():
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    seeds = Seeds(folder)
    for vector in check_vectors.load():
        if vector.sidecar is None:
            take_apart(seeds, vector.name, vector.data)
        else:  # the archive's size in eights, as far as a byte goes
            eights = min(-(-len(vector.data) // 8), 255)
            seeds.put("recovery", vector.name.replace("/", "-"), bytes([eights]) + vector.data[:eights * 8].ljust(eights * 8, b"\0") + vector.sidecar)
    seeds.put("frame", "legacy", b"\x00\x04\xf9\xff\x27\xb5\x2f\xfd\x00\x80")  # of Zstandard 0.7, with a large window
    for name, text in (("v5", REG), ("v4", REG.replace("Windows Registry Editor Version 5.00", "REGEDIT4"))):
        seeds.put("reg", name + "-utf16", b"\xff\xfe" + text.encode("utf-16-le"))
        seeds.put("reg", name + "-utf8", text.encode("utf-8"))
        for number, line in enumerate(text.split("\r\n")[2:]):
            head = text.split("\r\n")[0] + "\r\n\r\n[HKEY_USERS\\a]\r\n"
            seeds.put("reg", f"{name}-line-{number}", (head + line + "\r\n").encode("utf-8"))
    for number, text in enumerate(MINISIGN):
        seeds.put("minisign", str(number), text.encode())
    for number, text in enumerate(GLOBS):
        seeds.put("glob", str(number), text.encode("utf-8"))
    for number, text in enumerate(RUNS):
        seeds.put("history", str(number), text.encode("utf-8"))
    for number, text in enumerate(INIS):
        seeds.put("ini", str(number), text.encode("utf-8"))
        seeds.put("config", str(number), text.encode("utf-8"))
    for number, text in enumerate(SDDL):
        seeds.put("security", f"sddl-{number}", text.encode("ascii"))
    for number, digits in enumerate(DESCRIPTORS):
        seeds.put("security", str(number), bytes.fromhex(digits))
    for number, data in enumerate(ntfs()):
        seeds.put("ntfs", str(number), data)
    print(f"{seeds.count} seeds")


main()
