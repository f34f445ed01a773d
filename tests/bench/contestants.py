"""The contestants of tests/bench/peers: for each, the command lines of bash for each discipline.

In them {site} is the store, {repo} what the contestant keeps, {cache} what it could make again or needs only here, {out} an empty folder,
{message} one message's path in the store, {n} the night's number, {cores} and {program} what they say. Standard output goes to /dev/null.
What a contestant has no command for it does not do, and shows as "-".
"""
import dataclasses
import shutil
import subprocess

BACKUP = "{program} backup --quiet --cold --no-services --allow-same-volume --site folder:{site}"


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str
    what: str
    commands: dict
    needs: tuple = ()  # programs
    version: str = ""  # prints it, in its first line
    env: dict = dataclasses.field(default_factory=dict)
    setup: str = ""  # not measured, before a full
    before: str = ""  # not measured, before a night
    weak: tuple = ()  # disciplines in which it does less than the others: shown with a *, no best peer
    notes: tuple = ()
    is_ours: bool = False

    def missing(self):
        return [name for name in self.needs if not shutil.which(name)]

    def command(self, discipline):
        if discipline == "coldfull":
            discipline = "full"
        return self.commands.get("night" if discipline == "nothing" else discipline)

    def version_line(self, program):
        text = self.version.format(program=program)
        done = subprocess.run(["bash", "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        lines = [line.strip() for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[0] if lines else "?"


def ours(name, what, more, is_all=True):
    commands = {
        "full": f"{BACKUP} --full{more} -o {{repo}}",
        "night": f"{BACKUP}{more} -o {{repo}}",
        "outage": f"{{program}} backup --json --full{more} --allow-same-volume --site folder:{{site}} -o {{repo}}",
    }
    if is_all:
        commands |= {
            "verify": "{program} verify --quiet --deep {repo}/*-full.tar.zst",
            "restore": "{program} extract --quiet {repo}/*-full.tar.zst -C {out}",
            "site": "{program} restore --quiet --yes --only registry,bin,spool,mailbox {repo}/*-full.tar.zst --site folder:{out}",
            "one": "{program} cat {repo}/*-full.tar.zst {message}",
            "list": "{program} list {repo}/*-full.tar.zst",
        }
    return Contestant(name, what, commands, version="{program} --version", env={"POBACKUP_STATE_DIR": "{cache}"},
                      is_ours=True)


TAR = "tar -C {site} --warning=no-file-changed -g {cache}/"
ZSTD = "zstd -3 -T{cores} -q -f -o {repo}/"

ALL = [
    Contestant(
        "tar+zstd", "GNU tar and zstd -3, nights by tar -g",
        {"full": TAR + "full.snar -cf - . | " + ZSTD + "full.tar.zst",
         "verify": "zstd -t -q {repo}/full.tar.zst",
         "restore": "zstd -dcq {repo}/full.tar.zst | tar -C {out} -xf -",
         "one": "zstd -dcq {repo}/full.tar.zst | tar -xOf - ./{message}",
         "list": "zstd -dcq {repo}/full.tar.zst | tar -tf -",
         "night": TAR + "{n}.snar -cf - . | " + ZSTD + "{n}.tar.zst"},
        needs=("tar", "zstd"), version='echo "$(tar --version | head -1), $(zstd --version)"',
        before="cp {cache}/full.snar {cache}/{n}.snar",
        notes=("verify is zstd -t: the checksum of the whole stream, not the tar in it",)),
    Contestant(
        "bsdtar", "bsdtar with zstd -1 in as many threads as cores",
        {"full": "bsdtar -C {site} --format gnutar --zstd --options zstd:compression-level=1,zstd:threads={cores} -cf {repo}/full.tar.zst .",
         "verify": "zstd -t -q {repo}/full.tar.zst",
         "restore": "bsdtar -C {out} -xf {repo}/full.tar.zst",
         "one": "bsdtar -xOf {repo}/full.tar.zst ./{message}",
         "list": "bsdtar -tf {repo}/full.tar.zst"},
        needs=("bsdtar", "zstd"), version="bsdtar --version", weak=("verify",),
        notes=("its archive has no checksum: verify only decompresses", "no nightly run: a full every night",
               "format gnutar: in pax it takes names in NFC and NFD for one")),
    Contestant(
        "restic", "restic, repository format 2",
        {"full": "cd {site} && restic backup --quiet .",
         "verify": "restic check --quiet --read-data",
         "restore": "restic restore --quiet latest --target {out}",
         "one": "restic dump --quiet latest /{message}",
         "list": "restic ls --quiet latest",
         "night": "cd {site} && restic backup --quiet ."},
        needs=("restic",), version="restic version", setup="restic init --quiet --repository-version 2",
        env={"RESTIC_REPOSITORY": "{repo}", "RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": "{cache}"},
        notes=("encrypts, and cannot be told not to",)),
    Contestant(
        "borg", "borg with zstd,3, unencrypted",
        {"full": "cd {site} && borg create --compression zstd,3 ::full .",
         "verify": "borg check --verify-data",
         "restore": "cd {out} && borg extract ::full",
         "one": "borg extract --stdout ::full {message}",
         "list": "borg list --short ::full",
         "night": "cd {site} && borg create --compression zstd,3 ::night-{n} ."},
        needs=("borg",), version="borg --version", setup="borg init --encryption none",
        env={"BORG_REPO": "{repo}", "BORG_BASE_DIR": "{cache}", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"},
        notes=("unencrypted (--encryption none), which is not what it proposes",)),
    Contestant(
        "dar", "dar with zstd:3",
        {"full": "dar -c {repo}/full -R {site} -zzstd:3 -N -Q -q",
         "verify": "dar -t {repo}/full -N -Q -q",
         "restore": "dar -x {repo}/full -R {out} -N -Q -q",
         "one": "dar -x {repo}/full -R {out} -g {message} -N -Q -q",
         "list": "dar -l {repo}/full -N -Q",
         "night": "dar -c {repo}/night-{n} -A {repo}/full -R {site} -zzstd:3 -N -Q -q"},
        needs=("dar",), version="dar --version", notes=("one thread", "one writes a file, for it has no standard output")),
    Contestant(
        "wimlib", "wimlib, LZX",
        {"full": "wimcapture {site} {repo}/full.wim full --unix-data --threads={cores}",
         "verify": "wimverify {repo}/full.wim",
         "restore": "wimapply {repo}/full.wim 1 {out} --unix-data",
         "one": "wimextract {repo}/full.wim 1 /{message} --to-stdout",
         "list": "wimdir {repo}/full.wim 1",
         "night": "wimappend {site} {repo}/full.wim night-{n} --update-of=1 --unix-data --threads={cores}"},
        needs=("wimcapture", "wimapply"), version="wimlib-imagex --version", notes=("the format has no zstd",)),
    Contestant(
        "casync", "casync with zstd, SHA-256",
        {"full": "casync make --digest=sha256 --store={repo}/chunks.castr --cache={cache}/cache {repo}/full.caidx {site}",
         "verify": "casync digest --digest=sha256 --store={repo}/chunks.castr {repo}/full.caidx",
         "restore": "casync extract --digest=sha256 --store={repo}/chunks.castr {repo}/full.caidx {out}",
         "list": "casync list --digest=sha256 --store={repo}/chunks.castr {repo}/full.caidx",
         "night": "casync make --digest=sha256 --store={repo}/chunks.castr --cache={cache}/cache {repo}/night-{n}.caidx {site}"},
        needs=("casync",), version="casync --version", notes=("cannot extract one file without mounting",)),
    Contestant(
        "squashfs", "mksquashfs with zstd -3",
        {"full": "mksquashfs {site} {repo}/full.sqfs -comp zstd -Xcompression-level 3 -processors {cores} -quiet -no-progress -noappend",
         "restore": "unsquashfs -processors {cores} -quiet -no-progress -force -dest {out} {repo}/full.sqfs",
         "one": "unsquashfs -cat {repo}/full.sqfs {message}",
         "list": "unsquashfs -l {repo}/full.sqfs"},
        needs=("mksquashfs", "unsquashfs"), version="mksquashfs -version", notes=("no checksums, so no verify", "no nightly run: a full every night")),
    ours("pobackup", "pobackup, level 3", ""),
    ours("po-nocheck", "pobackup, level 3, --no-frame-check", " --no-frame-check", is_all=False),
    ours("po-1", "pobackup, level 1", " --level 1"),
]
NAMES = [contestant.name for contestant in ALL]
