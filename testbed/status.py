#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The status list of a patch directory, status.json.

	status.py stock DIR	file names of the patches that stock gets too
	status.py check DIR	every patch has a whole entry, every entry a patch

An entry is found by the patch's subject, which survives renumbering:
	subject		first line of the commit message
	kind		"upstream" (the commit as upstream has it), "own" (upstream
			solved it otherwise), "6.1-only" (no such code upstream)
	upstream	SHA of the upstream commit with that solution, or null
	reason		why it is what it is, in a sentence
	stable		fit for the stable tree by itself
	stock		also applied to the base when the base itself is tested
"""

import email
import email.policy
import json
import pathlib
import re
import sys

KINDS = ("upstream", "own", "6.1-only")
FIELDS = {"subject": str, "kind": str, "reason": str, "stable": bool, "stock": bool}


def series(directory):
    path = directory / "series"
    text = path.read_text() if path.exists() else ""
    names = (line.split("#")[0].strip() for line in text.splitlines())
    return [name for name in names if name]


def subject(path):
    with open(path, "rb") as file:
        header = email.message_from_binary_file(file, policy=email.policy.default)
    return re.sub(r"^\[PATCH[^]]*\]\s*", "", " ".join(header["Subject"].split()))


def entries(directory):
    path = directory / "status.json"
    if not path.exists():
        return []
    return json.loads(path.read_text())["patches"]


def entry_faults(entry):
    name = entry.get("subject", "an entry without subject")
    for field, kind in FIELDS.items():
        if not isinstance(entry.get(field), kind):
            yield f"{name}: {field} is missing or not {kind.__name__}"
    if entry.get("kind") not in KINDS:
        yield f"{name}: kind is none of {', '.join(KINDS)}"
    if not entry.get("reason"):
        yield f"{name}: no reason given"
    sha = entry.get("upstream")
    if sha is not None and not re.fullmatch(r"[0-9a-f]{12,40}", sha):
        yield f"{name}: upstream is neither null nor 12 to 40 digits of a SHA"
    if entry.get("kind") == "upstream" and sha is None:
        yield f"{name}: kind upstream, but no SHA"


def faults(directory):
    known = [entry.get("subject") for entry in entries(directory)]
    patches = [subject(directory / name) for name in series(directory)]
    for name in patches:
        if known.count(name) != 1:
            yield f"{name}: {known.count(name)} entries in status.json, one is wanted"
    for name in known:
        if name not in patches:
            yield f"{name}: in status.json, but no such patch"
    for entry in entries(directory):
        yield from entry_faults(entry)


def stock(directory):
    wanted = {entry["subject"] for entry in entries(directory) if entry.get("stock")}
    return [name for name in series(directory) if subject(directory / name) in wanted]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("stock", "check"):
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[2])
    lines = list({"stock": stock, "check": faults}[sys.argv[1]](directory))
    for line in lines:
        print(line)
    return 1 if sys.argv[1] == "check" and lines else 0


if __name__ == "__main__":
    sys.exit(main())
