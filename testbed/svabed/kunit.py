# SPDX-License-Identifier: GPL-2.0
"""What kunit.py ran, as a result like a guest's (testbed/run).

	python3 -m svabed.kunit NAME CONSOLE KTAP RUNNER STATUS [FILTER]

CONSOLE is the kernel's log, KTAP what kunit.py took out of it, RUNNER what
kunit.py itself printed and STATUS its exit status.
"""

import re
import sys
from dataclasses import asdict
from pathlib import Path

from svabed import guest, ktap, record, splats

ARCH, KERNEL = "arm64", "series"
PASSED, FAILED, _, PANICKED, HUNG = range(5)
VERSION = re.compile(r"Linux version (\S+)")


def tests_of(lines):
    parser = ktap.Ktap("kunit")
    for line in lines:
        parser.feed(line)
    return parser.finish()


def splats_of(console, name):
    found = splats.parse(console, splats.rules())
    for splat in found:
        splat.test = name
    splats.excuse(found, splats.exceptions(), name)
    return found


def verdict(tests, found, runner, status):
    """(status, what is wrong apart from tests that say so themselves)"""
    failed = any(test.status == ktap.FAIL for test in tests)
    if any(splat.kind == "panic" for splat in found):
        return PANICKED, "the kernel panicked"
    if " timed out after " in runner:
        return HUNG, "the kernel did not end in time"
    if not tests:
        return FAILED, "no test was run"
    if status and not failed:
        return FAILED, f"kunit.py ended with status {status}: a suite is incomplete"
    bad = failed or any(not splat.exception for splat in found)
    return FAILED if bad else PASSED, ""


def result(name, console, lines, runner, status, filters):
    tests, found = tests_of(lines), splats_of(console, name)
    version = next(filter(None, map(VERSION.search, console)), None)
    status, trouble = verdict(tests, found, runner, status)
    return {"name": name, "arch": ARCH, "flavour": "kunit", "kernel": KERNEL,
            "stall": "none", "uname": version[1] if version else "",
            "filter": filters, "only": [], **record.origin(ARCH),
            "status": status, "trouble": trouble,
            "tests": [dict(asdict(t), id=t.id) for t in tests],
            "splats": [asdict(s) for s in found]}


def report(outcome):
    """The same words as testbed/run."""
    for test in outcome["tests"]:
        reason = f"  ({test['reason']})" if test["reason"] else ""
        print(f"    {test['status']:7}  {test['name']}{reason}")
        if test["status"] == ktap.FAIL:
            for line in test["diagnostics"]:
                print(f"    | {line.strip()}")
    for splat in outcome["splats"]:
        print(f"  SPLAT {splat['kind']}: {splat['text'][0]}")
    if outcome["trouble"]:
        print(f"  {outcome['trouble']}")
    counts = ", ".join(f"{sum(t['status'] == s for t in outcome['tests'])} {word}"
                       for s, word in ((ktap.PASS, "passed"), (ktap.FAIL, "failed"),
                                       (ktap.SKIP, "skipped")))
    print(f"{outcome['name']}: {counts}, {len(outcome['splats'])} splats")


def main(name, console, lines, runner, status, *filters):
    texts = (Path(path).read_text(errors="replace") for path in (console, lines, runner))
    console, lines, runner = texts
    outcome = result(name, console.splitlines(), lines.splitlines(), runner,
                     int(status), list(filters))
    record.write_json(guest.BUILD / "results" / f"{name}.json", outcome)
    report(outcome)
    return outcome["status"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
