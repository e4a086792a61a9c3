# SPDX-License-Identifier: GPL-2.0
"""From the results of single runs to the table rule x kernel."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

from svabed.ktap import FAIL, MISSING, PASS, SKIP

HERE = Path(__file__).resolve().parent.parent
RULE = re.compile(r"(?:^|[.:])r(\d+)_")


def rule_titles(path=HERE / "rules.json"):
    rules = json.loads(Path(path).read_text(encoding="utf-8"))["rules"]
    return {int(number): title for number, title in rules.items()}


def rule_of(test_id):
    found = RULE.search(test_id)
    return int(found[1]) if found else None


def expected_failures(base, kernel, directory=HERE / "expect"):
    path = Path(directory) / f"{base}-{kernel}.json"
    return json.loads(path.read_text(encoding="utf-8"))["fails"] if path.exists() else []


def expectation(entries, run, test_id):
    """The entry that says @test_id fails in @run, if any."""
    for entry in entries:
        if fnmatch(test_id, entry["id"]) and all(
                fnmatch(run[key], entry.get(key, "*"))
                for key in ("arch", "flavour", "stall")):
            return entry
    return None


def condense(run):
    """What results.json keeps of a run. A splat fails the test it came in."""
    tests = {t["id"]: FAIL if t["status"] == MISSING else t["status"]
             for t in run["tests"]}
    loose = []
    for splat in run["splats"]:
        if splat["exception"]:
            continue
        if tests.get(splat["test"]) in (PASS, SKIP):
            tests[splat["test"]] = FAIL
        elif splat["test"] not in tests:
            loose.append(f"{splat['test']}: {splat['text'][0]}")
    if run["trouble"]:
        loose.append(run["trouble"])
    kept = ("name", "arch", "flavour", "kernel", "stall", "only", "filter",
            "commit", "date", "qemu", "uname")
    return {**{key: run[key] for key in kept}, "tests": dict(sorted(tests.items())),
            "outside tests": loose}


def is_whole(run):
    """Nobody has picked tests by name; to leave out what ends the guest is no pick."""
    return all(pattern.startswith("!") for pattern in run["filter"])


def verdicts(run, expected):
    """Yields (name, PASS|FAIL|SKIP, remark), an expected failure being a pass."""
    for test_id, status in run["tests"].items():
        entry = expectation(expected, run, test_id)
        if not entry or status == SKIP:
            yield test_id, status, ""
        elif status == FAIL or not entry.get("always", True):
            yield test_id, PASS, f"may fail: {entry['reason']}"
        else:
            yield test_id, FAIL, f"expected to fail, and passed: {entry['reason']}"
    for text in run["outside tests"]:
        yield text, FAIL, "outside any test"


def cell(runs, rule):
    """The state of one rule over @runs: ("pass"|"fail"|"skip"|"", text)."""
    worst = {}
    for run in runs:
        for test_id, status in run["tests"].items():
            if rule_of(test_id) == rule:
                order = (SKIP, PASS, FAIL)
                worst[test_id] = max(worst.get(test_id, SKIP), status, key=order.index)
    count = {s: sum(status == s for status in worst.values()) for s in (PASS, FAIL, SKIP)}
    if count[FAIL]:
        return FAIL, f"fail ({count[FAIL]} of {count[FAIL] + count[PASS]})"
    if count[PASS]:
        return PASS, f"pass ({count[PASS]})"
    return (SKIP, "skip") if count[SKIP] else ("", "")


def progress(runs):
    """How far the kernel of @runs gets: it boots, its tests pass."""
    statuses = [status for run in runs for status in run["tests"].values()]
    trouble = any(run["outside tests"] for run in runs)
    return {"boots": all(run["uname"] for run in runs),
            "tests": PASS in statuses and FAIL not in statuses and not trouble}
