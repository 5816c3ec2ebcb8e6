"""Small changes of bytes and of JSON, drawn from a random number generator: the same seed makes the same changes."""

from __future__ import annotations

import copy
import string
from random import Random
from typing import Any

Json = Any

BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (0, 1, -1, 2, 7, 255, 256, 2**16, 2**31 - 1, 2**32, 2**53, 2**63, 2**64, 10**30)
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e308, -1e308)
TEXTS = (
    "",
    " ",
    "..",
    "../x",
    "/etc/passwd",
    "a//b",
    "C:x",
    "a\\b",
    "manifest.json",
    "signature",
    "nul",
    "a.",
    "labels.txt/x",
    "LABELS.TXT",
    "\0",
    "\x1b[2J",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\ud800",
    "\N{GRINNING FACE}",
    "x" * 300,
    "float32",
    "state",
    "image",
    "gap",
    "None",
    "NaN",
)
RAW = (
    b"NaN",
    b"Infinity",
    b"-1e999",
    b"1e999",
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\xff",
    b"\xef\xbb\xbf",
)
"""What no tree of values says."""


def change_bytes(rng: Random, data: bytes) -> bytes:
    """One to four small changes."""
    raw = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        length = min(rng.choice((1, 1, 2, 4, 8, 64)), len(raw) - at)
        kind = rng.randrange(7)
        if kind == 0 and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(raw):
            raw[at] = rng.choice(BYTES)
        elif kind == 2:
            del raw[at : at + length]
        elif kind == 3:
            raw[at:at] = raw[at : at + length] * rng.choice((1, 2, 50))
        elif kind == 4:
            raw[at : at + length] = rng.randbytes(length)
        elif kind == 5:
            del raw[at:]
        elif raw:
            source = rng.randrange(len(raw))
            raw[at : at + length] = raw[source : source + length]
    return bytes(raw)


def change_json(rng: Random, tree: Json) -> Json:
    """A copy with one to three entries changed, removed, copied from elsewhere or added."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder, key = _entry(rng, tree)
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = copy.deepcopy(_entry_value(rng, tree))
        elif kind == 2 and isinstance(holder, dict):
            holder[_text(rng, str(key))] = holder.pop(key)
        elif kind == 3 and isinstance(holder, dict):
            holder[_text(rng, str(key))] = copy.deepcopy(holder[key])
        elif kind == 4 and isinstance(holder, list):
            holder[:] = holder * rng.choice((0, 2, 20, 200))
        else:
            holder[key] = _value(rng, holder[key])
        if not tree:
            return tree
    return tree


def _entry(rng: Random, tree: Json) -> tuple[Json, Any]:
    """A place in a tree: the deeper ones as likely as the upper ones."""
    holder, key = None, None
    while isinstance(tree, dict | list) and tree and (holder is None or rng.random() < 0.8):
        holder, key = tree, rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
        tree = tree[key]
    return holder, key


def _entry_value(rng: Random, tree: Json) -> Json:
    holder, key = _entry(rng, tree)
    return holder[key]


def _value(rng: Random, old: Json) -> Json:
    kind = rng.randrange(8)
    if kind < 3 and isinstance(old, str):
        return _text(rng, old)
    if kind < 3 and isinstance(old, int | float):
        return rng.choice((old + 1, old - 1, -old, old * 1000, float(old)))
    deep: Json = old
    for _ in range(rng.choice((1, 2, 60)) if kind == 3 else 0):
        deep = [deep]
    return (
        rng.choice(TEXTS),
        rng.choice(NUMBERS),
        rng.choice(FLOATS),
        deep,
        rng.choice((None, True, False)),
        [],
        {},
        [rng.choice(NUMBERS)] * rng.choice((1, 17, 70)),
    )[kind]


def _text(rng: Random, old: str) -> str:
    kind = rng.randrange(4)
    at = rng.randrange(len(old) + 1)
    if kind == 0:
        return rng.choice(TEXTS)
    if kind == 1:
        return old[:at] + old[at + 1 :]
    if kind == 2:
        return old[:at] + rng.choice(TEXTS) + old[at:]
    return old[:at] + rng.choice(string.printable) + old[at:]
