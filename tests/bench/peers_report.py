"""What tests/bench/peers tells: the table, what is due beside it, JSON and markdown."""
import datetime
import json
import os
import platform
import statistics
import subprocess

from peers_store import WORK

CORES = len(os.sched_getaffinity(0))
MB = 1e6
# What is shown of a discipline: (row, discipline, figure, decimals).
ROWS = [("full s", "full", "wall", 2), ("full cpu s", "full", "cpu", 2), ("full flush s", "full", "flush", 2),
        ("memory MB", "full", "rss", 1), ("size MB", "full", "size", 1), ("coldfull s", "coldfull", "wall", 2),
        ("verify s", "verify", "wall", 3), ("verify cpu s", "verify", "cpu", 2), ("restore s", "restore", "wall", 2),
        ("restore cpu s", "restore", "cpu", 2), ("flush s", "restore", "flush", 2), ("both s", "restore", "durable", 2),
        ("site s", "site", "durable", 2),
        ("one s", "one", "wall", 3), ("list s", "list", "wall", 3), ("nothing s", "nothing", "wall", 3), ("nothing MB", "nothing", "added", 2),
        ("night s", "night", "wall", 3), ("night MB", "night", "added", 2), ("outage s", "outage", "wall", 3)]
# What is due: (row, ours, beside whom, at most). "best" is the best peer, "" the figure itself.
DUE = [("full s", "pobackup", "tar+zstd", 0.70), ("full s", "po-nocheck", "tar+zstd", 0.60), ("full s", "po-1", "bsdtar", 1.00),
       ("full s", "pobackup", "best", None), ("coldfull s", "pobackup", "best", None), ("size MB", "pobackup", "casync", 1.00),
       ("size MB", "pobackup", "best", None), ("verify s", "pobackup", "best", 0.60), ("restore s", "pobackup", "best", 0.80),
       ("both s", "pobackup", "best", None), ("site s", "pobackup", "both", None),
       ("one s", "pobackup", "", 0.02), ("one s", "pobackup", "best", None), ("one s", "pobackup", "tar+zstd", None),
       ("list s", "pobackup", "", 0.03), ("list s", "pobackup", "best", None), ("list s", "pobackup", "tar+zstd", None),
       ("nothing s", "pobackup", "", 0.08), ("nothing s", "pobackup", "best", None), ("nothing s", "pobackup", "tar+zstd", None),
       ("night s", "pobackup", "", 0.20), ("night s", "pobackup", "best", None), ("night s", "pobackup", "tar+zstd", None),
       ("night MB", "pobackup", "", 3.0),  # these two are due on 10,224 files, with a night that brings as much
       ("night MB", "pobackup", "best", None), ("night MB", "pobackup", "tar+zstd", None),
       ("outage s", "pobackup", "full", 0.05),  # beside its own full, all of it with the services stopped
       ("outage s", "pobackup", "best", None), ("memory MB", "pobackup", "", 96.0), ("memory MB", "pobackup", "best", None)]


def say(text=""):
    print(text, flush=True)


def value_of(bench, contestant, row):
    _, discipline, figure, _ = next(entry for entry in ROWS if entry[0] == row)
    if discipline == "outage" and not contestant.is_ours and discipline in bench.disciplines:
        discipline = "full"
    return bench.median(contestant.name, discipline, figure)


def table(bench):
    """Lines of cells, the first one the head."""
    lines = [["", *(contestant.name for contestant in bench.chosen)]]
    for row, discipline, _, decimals in ROWS:
        cells = [row]
        for contestant in bench.chosen:
            value = value_of(bench, contestant, row)
            mark = "*" if discipline in contestant.weak else "=" if discipline == "outage" and not contestant.is_ours else ""
            cells.append("-" if value is None else f"{value:.{decimals}f}{mark}")
        if any(cell != "-" for cell in cells[1:]):
            lines.append(cells)
    return lines


def beside(bench, row, ours, whom):
    """(who, the value beside which ours stands), or None."""
    discipline = next(entry[1] for entry in ROWS if entry[0] == row)
    if whom == "":
        return "itself", 1.0
    if whom == "full":
        value = value_of(bench, ours, "full s")
        return ("its own full", value) if value else None
    if whom == "both":
        row, discipline, whom = "both s", "restore", "best"
    peers = [contestant for contestant in bench.chosen if not contestant.is_ours and discipline not in contestant.weak
             and whom in ("best", contestant.name)]
    values = [(value_of(bench, contestant, row), contestant.name) for contestant in peers]
    values = [pair for pair in values if pair[0] is not None]
    if not values:
        return None
    value, name = min(values)
    return name + (", the best" if whom == "best" else ""), value


def verdicts(bench):
    """A dict for each line of DUE that can be told."""
    found = []
    for row, name, whom, due in DUE:
        ours = next((contestant for contestant in bench.chosen if contestant.name == name), None)
        value = ours and value_of(bench, ours, row)
        other = value is not None and beside(bench, row, ours, whom)
        if not other or (other[1] <= 0 and whom):
            continue
        ratio = value / other[1]
        found.append({"row": row, "ours": name, "value": value, "beside": other[0], "ratio": ratio, "due": due,
                      "is_met": None if due is None else ratio <= due})
    return found


def verdict_line(verdict):
    itself = verdict["beside"] == "itself"
    due = "" if verdict["due"] is None else f"   due {verdict['due']:.2f}: {'met' if verdict['is_met'] else 'MISSED'}"
    return f"{verdict['row']:12} {verdict['ours']:11} {verdict['ratio']:9.3f} {'' if itself else 'x ' + verdict['beside']:22}{due}"


def machine(chosen, options):
    def first(path, start):
        with open(path, encoding="utf-8") as file:
            return next((line.split(":" if ":" in line else "=", 1)[1].strip().strip('"') for line in file if line.startswith(start)), "?")

    disk = subprocess.run(["findmnt", "-no", "FSTYPE", "-T", WORK], stdout=subprocess.PIPE, check=False).stdout.decode().strip()
    return {"cores": CORES, "cpu": first("/proc/cpuinfo", "model name"), "memory_bytes": int(first("/proc/meminfo", "MemTotal").split()[0]) * 1024,
            "kernel": platform.release(), "system": first("/etc/os-release", "PRETTY_NAME"), "file_system": disk,
            "versions": {contestant.name: contestant.version_line(options.program) for contestant in chosen}}


def store_line(store, options):
    night = f"; a night brings {store.night_bytes / MB:.2f} MB of mail" if store.night_bytes else ""
    return f"{store.name}: {store.files:,} files, {store.bytes / MB:.0f} MB{night}; rounds: {options.rounds}, medians"


def notes(bench):
    lines = [f"{contestant.name}: {'; '.join((contestant.what, *contestant.notes))}" for contestant in bench.chosen]
    lines += [f"memory: up to {bench.floor:.0f} MB are the bench's own",
              "* does less than the others do; = its full, for all of which services would stand still"]
    return lines + [f"{name}: {discipline} failed: {why}" for (name, discipline), why in bench.failures.items()]


def markdown(bench, facts, day):
    def line(cells):
        return "| " + " | ".join(cells) + " |"

    head, *rest = table(bench)
    yield from ["# pobackup beside its peers", "", f"{day}. {store_line(bench.store, bench.options)}.", ""]
    yield (f"{facts['cores']} cores ({facts['cpu']}), {facts['memory_bytes'] / (1 << 30):.0f} GiB, {facts['system']}, "
           f"Linux {'.'.join(facts['kernel'].split('.')[:2])}, "
           f"{facts['file_system']}.")
    yield from ["", line(head), line(["---"] + ["---:"] * (len(head) - 1)), *map(line, rest), ""]
    yield from [f"- {note}".replace("*", "\\*") for note in notes(bench)]
    yield from ["", "| figure | ours | ratio | beside | due | |", "| --- | --- | ---: | --- | ---: | --- |"]
    for verdict in verdicts(bench):
        due = "" if verdict["due"] is None else f"{verdict['due']:.2f}"
        met = {None: "", True: "met", False: "missed"}[verdict["is_met"]]
        yield line([verdict["row"], verdict["ours"], f"{verdict['ratio']:.3f}", verdict["beside"], due, met])
    yield ""
    for contestant in bench.chosen:
        yield from [f"## {contestant.name}", "", f"`{facts['versions'][contestant.name]}`", "", "```"]
        if contestant.setup:
            yield f"{'setup':8} {contestant.setup}"
        yield from [f"{discipline:8} {command}" for discipline, command in contestant.commands.items()]
        yield from ["```", ""]


def report(bench):
    store, options = bench.store, bench.options
    day, facts = datetime.date.today().isoformat(), machine(bench.chosen, options)
    lines = table(bench)
    widths = [max(len(line[column]) for line in lines) + 1 for column in range(len(lines[0]))]
    say(store_line(store, options))
    for line in lines:
        say("".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths))))
    for note in notes(bench):
        say(note)
    say("\npobackup / peer")
    for verdict in verdicts(bench):
        say(verdict_line(verdict))
    if options.json:
        figures = {}
        for (name, discipline), runs in bench.figures.items():
            medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            figures.setdefault(name, {})[discipline] = {**medians, "runs": runs}
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"date": day, "machine": facts, "rounds": options.rounds,
                       "store": {"name": store.name, "files": store.files, "bytes": store.bytes, "night_bytes": store.night_bytes},
                       "figures": figures, "verdicts": verdicts(bench), "compared": sorted(map(list, bench.compared)),
                       "failures": [[*key, why] for key, why in bench.failures.items()],
                       "commands": {contestant.name: contestant.commands for contestant in bench.chosen}}, file, indent=1)
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write("\n".join(markdown(bench, facts, day)))
