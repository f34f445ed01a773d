"""Empty folders that tests/bench/peers and bounds restore into, and what is to be on the disk."""
import contextlib
import os
import shutil
import subprocess
import time

from peers_store import WORK


def flush(place=WORK):
    start = time.monotonic()
    subprocess.run(["sync", "-f", place], check=True)
    return time.monotonic() - start


@contextlib.contextmanager
def empty_folder(store, is_mounted):
    """Where many files have just been deleted, ext4 passes over their inodes for minutes: a file system of its own has none."""
    place = os.path.join(WORK, "out")
    image = place + ".img"

    def clear():  # also what an interrupted run has left
        if os.path.ismount(place):
            subprocess.run(["umount", place], check=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image)
        shutil.rmtree(place, ignore_errors=True)

    clear()
    os.mkdir(place)
    try:
        if is_mounted:
            mount(store, image, place)
        out = os.path.join(place, "out")
        os.mkdir(out)
        flush(out)
        yield out
    finally:
        clear()


def mount(store, image, place):
    with open(image, "wb") as file:
        file.truncate((256 << 20) + store.bytes * 3 // 2 + store.files * 8192)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(store.files * 2 + 10000), "-E", "lazy_itable_init=0,lazy_journal_init=0", image],
                   check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
