#!/usr/bin/env python3
"""Peak memory of the program at its default settings: at most 96 MiB, whatever a store of 200,000 files holds.
A differential may take more.

    test_memory.py PROGRAM [FILES]
"""
import os
import shutil
import subprocess
import sys
import tempfile

LIMIT = 96 << 20
DIFF_LIMIT = LIMIT + (32 << 20)  # with names as long as here: the list of the archive that it builds on is in memory, too
BOX = "Post.OfficemailboxBackup/example.co.jp"


def make_site(site, files):
    """Small messages under long names; no two contents are the same."""
    for tree in ("Post.OfficeexeBackup", "Post.OfficeConfigBackup"):
        os.makedirs(os.path.join(site, tree))
    with open(os.path.join(site, "Post.OfficeRegKeyBackup.reg"), "wb") as file:
        file.write("\ufeffWindows Registry Editor Version 5.00\r\n\r\n".encode("utf-16-le"))
    for number in range(files):
        account = f"{site}/{BOX}/{'department-' * 4}{number // 1000:04d}"
        if number % 1000 == 0:
            os.makedirs(account)
        with open(f"{account}/{'a-subject-that-is-long-' * 2}{number:08d}.MSG", "w", encoding="ascii") as file:
            file.write(f"Message-Id: <{number * 2654435761 % 2**32:08x}@example.co.jp>\n\nHello {number}\n")


def peak(*command):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(command)}")
    return usage.ru_maxrss * 1024


def main():
    program, files = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    top = tempfile.mkdtemp(prefix="pobackup-memory-")
    os.environ["POBACKUP_STATE_DIR"] = os.path.join(top, "state")
    site, archive, vault, failed = os.path.join(top, "site"), os.path.join(top, "a.tar.zst"), os.path.join(top, "vault"), []
    try:
        make_site(site, files)
        os.mkdir(vault)
        with open(os.path.join(site, "pobackup-site.ini"), "w", encoding="ascii") as ini:
            ini.write("[service:mta]\nstart = touch up\nstop = rm -f up\nstatus = test -e up || exit 3\n")
        open(os.path.join(site, "up"), "w").close()
        message = f"{BOX}/{'department-' * 4}0000/{'a-subject-that-is-long-' * 2}00000007.MSG"
        jobs = {
            "backup": ("backup", "--quiet", "--allow-same-volume", "--no-services", "--site", f"folder:{site}", "-o", archive),
            "full": ("backup", "--quiet", "--allow-same-volume", "--site", f"folder:{site}", "-o", vault),
            "diff": ("backup", "--quiet", "--allow-same-volume", "--full-share=0", "--site", f"folder:{site}", "-o", vault),
            "verify": ("verify", "--quiet", archive),
            "quick": ("verify", "--quick", "--quiet", archive),
            "share": ("verify", "--budget", "1d", "--quiet", vault),
            "list": ("list", "-l", archive),
            "cat": ("cat", archive, message),
            "extract": ("extract", "--quiet", archive, "-C", os.path.join(top, "out"), BOX + "/*0000"),
            "restore": ("restore", "--quiet", "--yes", "--reboot=never", "--no-services", "--site", f"folder:{site}", archive),
        }
        for name, arguments in jobs.items():
            size = peak(program, *arguments)
            print(f"{name:8} {size / 2**20:6.1f} MiB")
            if size > (DIFF_LIMIT if name == "diff" else LIMIT):
                failed.append(name)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    if failed:
        sys.exit(f"more than {LIMIT >> 20} MiB: {', '.join(failed)}")
    print(f"{files} files, {len(os.sched_getaffinity(0))} processors: all below {LIMIT >> 20} MiB")


main()
