"""Copies of the archives that the tests make, for the educational reader (test_reader_all.py).

They go to the folder that POBACKUP_TEST_ARCHIVES names, under a name made of the content, so that the same archive is there
once.
"""

import hashlib
import os
import pathlib

SIZE_MAX = 1 << 20


def keep(words):
    """Keep what is an archive among a command's words, or lies in a folder among them."""
    folder = os.environ.get("POBACKUP_TEST_ARCHIVES")
    for word in words if folder else ():
        path = pathlib.Path(os.fsdecode(word))
        try:
            found = sorted(path.glob("*.tar.zst")) if path.is_dir() else [path]
        except (OSError, ValueError):
            continue
        for archive in found:
            keep_one(archive, folder)


def keep_one(path, folder):
    try:
        if not path.is_file() or path.stat().st_size > SIZE_MAX:
            return
        data = path.read_bytes()
        if not data.startswith(b"\x28\xb5\x2f\xfd"):
            return
        kept = pathlib.Path(folder, hashlib.blake2b(data, digest_size=32).hexdigest())
        if not kept.exists():
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(data)
            partial.rename(kept)
    except (OSError, ValueError):
        return  # a test that takes files and rights away is not to be disturbed
