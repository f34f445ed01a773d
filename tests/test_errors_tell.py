#!/usr/bin/env python3
"""A run is told while system calls and the heap fail, each in turn: exit code 0 only where all was told.

    test_errors_tell.py PROGRAM-WITH-FAULTS EVERY
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAM, EVERY = os.path.abspath(sys.argv[1]), int(sys.argv[2])
sys.argv[1:] = [PROGRAM]

import prometheus  # noqa: E402
import test_cli  # noqa: E402

KINDS = {"memory": 12, "read": 5, "write": 28, "rename": 5, "sync": 5, "open": 24, "other": 5}


def main():
    top = pathlib.Path(tempfile.mkdtemp(prefix="pobackup-tell-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        return turn_by_turn(top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def turn_by_turn(top):
    site = test_cli.Site(top / "site")
    (site.root / "pobackup-site.ini").write_text("")
    archive, told, log, metrics, report = (top / name for name in ("a.tar.zst", "told", "log", "metrics", "report"))
    env = {**os.environ, "POBACKUP_STATE_DIR": str(top / "state"), "POBACKUP_FAULT_REPORT": str(report)}
    words = [PROGRAM, "verify", archive, "--threads=1", f"--log={log}", f"--metrics={metrics}", f"--on-success=cat >{told}",
             f"--on-failure=cat >{told}"]
    subprocess.run([PROGRAM, "backup", f"--site=folder:{site.root}", "-o", archive, "--allow-same-volume"], env=env, check=True,
                   stderr=subprocess.DEVNULL)

    def attempt(fault):
        for path in told, log, report:
            path.unlink(missing_ok=True)
        done = subprocess.run(words, env={**env, "POBACKUP_FAULT": fault} if fault else env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=100)
        text = done.stderr.decode(errors="replace")
        assert 0 <= done.returncode <= 5, (fault, done.returncode, text)
        values = prometheus.read(metrics.read_bytes())
        if done.returncode != 0:
            assert text or b"damaged" in done.stdout or b"could not be checked" in done.stdout, (fault, done)
        else:
            document = json.loads(told.read_text())
            assert document["exit_code"] == 0 and document["archives"][0]["verdict"] == "ok", (fault, document)
            assert values["pobackup_last_run_exit_code", (("verb", "verify"), ("site", ""))] == 0, fault
            assert "not in the log" in text or "verify: end: exit code 0" in log.read_text(), (fault, text)
        return report.read_text() if report.exists() else None

    counts = {line.split()[0]: int(line.split()[1]) for line in attempt("").splitlines()}
    tried = 0
    for kind, code in KINDS.items():
        for ever in "", ":ever":
            for nth in range(1, counts[kind] + 1, EVERY):
                attempt(f"{kind}:{nth}:{code}{ever}")
                tried += 1
    print(f"{tried} faults, of {counts}")
    return 0 if tried > 100 else 1


if __name__ == "__main__":
    sys.exit(main())
