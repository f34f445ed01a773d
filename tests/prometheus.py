"""The text format of Prometheus, strictly: read(text) gives {(name, ((label, value)...)): number}, or raises ValueError.

As its documentation has it: UTF-8, lines that end in a newline; HELP and TYPE of a metric once, before its values; a metric's lines
together; no value twice; escapes in label values are \\\\, \\" and \\n, in help texts \\\\ and \\n.
"""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\[\\n])*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)(?: (-?[0-9]+))?")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN")
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def unescape(text):
    return re.sub(r'\\[\\"n]', lambda match: UNESCAPED[match[0]], text)


def read(data):
    text = data.decode("utf-8")
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    values, helps, types, current, closed = {}, set(), set(), None, set()
    for number, line in enumerate(text.split("\n")[:-1], 1):
        match = HELP.fullmatch(line) or TYPE.fullmatch(line) or SAMPLE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number}: {line!r}")
        name = match[1]
        if name != current:
            if name in closed:
                raise ValueError(f"line {number}: the lines of {name} do not stand together")
            closed.add(current)
            current = name
        if line.startswith("# "):
            seen = helps if line.startswith("# HELP") else types
            if name in seen or any(key[0] == name for key in values):
                raise ValueError(f"line {number}: {line!r} stands twice, or behind a value")
            seen.add(name)
            continue
        if name not in helps or name not in types:
            raise ValueError(f"line {number}: no HELP or TYPE before {name}")
        labels = tuple((label, unescape(value)) for label, value in re.findall(LABEL, match[2] or ""))
        if len(set(label for label, _ in labels)) != len(labels) or (name, labels) in values:
            raise ValueError(f"line {number}: twice")
        value = SAMPLE.fullmatch(line)[7]
        if NUMBER.fullmatch(value) is None:
            raise ValueError(f"line {number}: {value!r} is no number")
        values[name, labels] = float(value)
    return values
