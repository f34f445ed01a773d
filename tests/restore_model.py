"""What a restore makes of a registry, told without the program: values, places in them, and .reg files. For the tests that compare."""
import re

REG = "Post.OfficeRegKeyBackup.reg"
TREES = {"bin": "Post.OfficeexeBackup", "spool": "Post.OfficeConfigBackup", "mailbox": "Post.OfficemailboxBackup"}
DEFAULT = {"bin": r"C:\Post.Office\bin", "spool": r"C:\Post.Office\spool", "mailbox": r"C:\Post.Office\mailbox"}
MOVED = {"bin": r"D:\Programs\Post.Office", "spool": r"E:\Spool", "mailbox": r"F:\mail\box"}
KEY = {"x86": r"HKEY_LOCAL_MACHINE\SOFTWARE\Software.com\Post.Office",
       "wow64": r"HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Software.com\Post.Office"}

# Values by (key below the product's, name): a kind and what it holds.
SET_VALUES = {
    ("", "Spool"): ("sz", r"C:\Post.Office\spool"),
    ("", "MailRoot"): ("sz", "C:\\Post.Office\\mailbox\\"),
    ("", "Exec"): ("sz", r'"C:\Post.Office\bin\Post.Office.exe" -d c:/post.office/SPOOL/log'),
    ("", "Similar"): ("sz", r"C:\Post.Office\spool2"),
    ("", "Paths"): ("multi", [r"C:\Post.Office\spool\a", "other", r"c:\POST.OFFICE\mailbox"]),
    ("", "Temp"): ("expand", r"C:\Post.Office\spool\%TEMP%"),
    ("", "Raw"): ("binary", r"C:\Post.Office\spool".encode("utf-16-le")),
    ("", "Port"): ("dword", 25),
    ("Domains", "one"): ("sz", "example.jp"),
    ("Domains", ""): ("sz", r"C:\Post.Office\bin"),
}
SITE_VALUES = {
    ("", "Port"): ("dword", 2525),
    ("", "Only"): ("sz", "here"),
    ("", "similar"): ("sz", r"C:\Post.Office\spool2"),
    ("Own", "key"): ("sz", "here"),
}


# ---- the model ----

def place_of(text, places):
    """A string with the places of the default installation in it, for others."""
    def put(match):
        slash = match["slash"][0]
        return match["mark"] + places[match["part"].lower()].replace("\\", slash)
    return re.sub(r'(?i)(?P<mark>^|[\s"=;,])C:(?P<slash>[\\/])Post\.Office[\\/](?P<part>bin|spool|mailbox)(?=[\\/";,]|$)', put, text)


def rewritten(value, places):
    kind, data = value
    if places == DEFAULT:
        return value
    if kind == "multi":
        return kind, [place_of(text, places) for text in data]
    return (kind, place_of(data, places)) if kind in ("sz", "expand") else value


def expected_values(here, there, places, is_exact):
    """What the key holds afterwards; names have no case, and one that is there keeps its spelling."""
    values = {} if is_exact else dict(here)
    spelling = {(key.lower(), name.lower()): (key, name) for key, name in values}
    for (key, name), value in there.items():
        values[spelling.get((key.lower(), name.lower()), (key, name))] = rewritten(value, places)
    return values


# ---- .reg files ----

def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_reg(values, view):
    lines = ["Windows Registry Editor Version 5.00", ""]
    for key in sorted({key for key, _ in values}):
        lines.append("[" + KEY[view] + ("\\" + key if key else "") + "]")
        for (of, name), (kind, data) in values.items():
            if of != key:
                continue
            raw = {"sz": lambda: quote(data), "dword": lambda: f"dword:{data:08x}",
                   "binary": lambda: "hex:" + data.hex(","),
                   "expand": lambda: "hex(2):" + (data + "\0").encode("utf-16-le").hex(","),
                   "multi": lambda: "hex(7):" + "".join(text + "\0" for text in data + [""]).encode("utf-16-le").hex(",")}[kind]()
            lines.append((quote(name) if name else "@") + "=" + raw)
        lines.append("")
    return b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le")


def parse_reg(raw, view):
    """The reverse; every key must be of the view."""
    values, key = {}, None
    for line in raw.decode("utf-16").replace("\\\r\n  ", "").split("\r\n")[1:]:
        if line.startswith("["):
            path = line[1:-1]
            assert path.lower().startswith(KEY[view].lower()), f"{path} is not in the view {view}"
            key = path[len(KEY[view]):].lstrip("\\")
        elif line:
            name, data = re.fullmatch(r'(@|"(?:[^"\\]|\\.)*")=(.*)', line).groups()
            name = "" if name == "@" else re.sub(r"\\(.)", r"\1", name[1:-1])
            hexed = re.fullmatch(r"hex(?:\((\w+)\))?:(.*)", data)
            if data.startswith('"'):
                value = "sz", re.sub(r"\\(.)", r"\1", data[1:-1])
            elif data.startswith("dword:"):
                value = "dword", int(data[6:], 16)
            else:
                content = bytes.fromhex(hexed[2].replace(",", ""))
                kinds = {None: lambda: ("binary", content), "2": lambda: ("expand", content.decode("utf-16-le")[:-1]),
                         "7": lambda: ("multi", content.decode("utf-16-le").split("\0")[:-2])}
                value = kinds.get(hexed[1], lambda: (f"hex({hexed[1]})", content))()
            values[key, name] = value
    return values
