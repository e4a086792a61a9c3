# SPDX-License-Identifier: GPL-2.0
"""The table, the verdicts, and what an expected failure counts as."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from svabed import outcome
from svabed.ktap import FAIL, MISSING, PASS, SKIP

REPORT = Path(__file__).resolve().parent.parent / "report"


def run(tests, splats=(), trouble="", kernel="series", name="r"):
    return {"name": name, "arch": "arm64", "flavour": "debug", "kernel": kernel,
            "stall": "support", "only": [], "filter": [], "commit": "0123456789ab",
            "date": "2026-01-01", "qemu": "10.0", "uname": "6.1 aarch64",
            "tests": [{"id": i, "status": s} for i, s in tests.items()],
            "splats": list(splats), "trouble": trouble}


def splat(test, exception=""):
    return {"kind": "warning", "test": test, "text": ["WARNING: x"], "exception": exception}


class Condense(unittest.TestCase):
    def test_missing_is_failed(self):
        self.assertEqual(outcome.condense(run({"p:a": MISSING}))["tests"], {"p:a": FAIL})

    def test_splat_fails_its_test(self):
        kept = outcome.condense(run({"p:a": PASS, "p:b": PASS}, [splat("p:a")]))
        self.assertEqual(kept["tests"], {"p:a": FAIL, "p:b": PASS})
        self.assertEqual(kept["outside tests"], [])

    def test_known_splat_does_not(self):
        kept = outcome.condense(run({"p:a": PASS}, [splat("p:a", "known")]))
        self.assertEqual(kept["tests"], {"p:a": PASS})

    def test_splat_outside_tests_counts(self):
        kept = outcome.condense(run({"p:a": PASS}, [splat("boot")]))
        self.assertEqual([v[1] for v in outcome.verdicts(kept, [])], [PASS, FAIL])

    def test_trouble_counts(self):
        kept = outcome.condense(run({"p:a": PASS}, trouble="the guest hung"))
        self.assertEqual([v[1] for v in outcome.verdicts(kept, [])], [PASS, FAIL])


class Whole(unittest.TestCase):
    def test_only_leaving_out_is_no_pick(self):
        for patterns, whole in (([], True), (["!*a*"], True), (["b"], False),
                                (["!*a*", "b"], False)):
            self.assertEqual(outcome.is_whole({"filter": patterns}), whole, patterns)


class Expected(unittest.TestCase):
    FAILS = [{"id": "p:*.r3_*", "flavour": "debug", "row": 1, "reason": "row 1"},
             {"id": "p:*.r4_*", "always": False, "row": 1, "reason": "slow"}]

    def verdict(self, status, flavour="debug", test="p:a.r3_x"):
        kept = outcome.condense(dict(run({test: status}, kernel="stock"), flavour=flavour))
        return list(outcome.verdicts(kept, self.FAILS))[0][1]

    def test_failure_that_happens(self):
        self.assertEqual(self.verdict(FAIL), PASS)

    def test_failure_that_does_not_happen(self):
        self.assertEqual(self.verdict(PASS), FAIL)

    def test_failure_that_depends_on_speed(self):
        self.assertEqual(self.verdict(PASS, test="p:a.r4_x"), PASS)
        self.assertEqual(self.verdict(FAIL, test="p:a.r4_x"), PASS)

    def test_skipped(self):
        self.assertEqual(self.verdict(SKIP), SKIP)

    def test_other_flavour(self):
        self.assertEqual(self.verdict(FAIL, flavour="plain"), FAIL)

    def test_other_test(self):
        self.assertEqual(self.verdict(FAIL, test="p:a.r2_x"), FAIL)

    def test_every_entry_names_its_reason(self):
        for entry in outcome.expected_failures("linux-6.1", "stock"):
            self.assertTrue(entry["id"] and entry["reason"] and entry["row"])


class Table(unittest.TestCase):
    def cell(self, *runs, rule=3):
        return outcome.cell([outcome.condense(r) for r in runs], rule)

    def test_rule_of_a_name(self):
        self.assertEqual(outcome.rule_of("sva_death:death.stall.r12_seen"), 12)
        self.assertIsNone(outcome.rule_of("sva_death:death.stall.other_2"))

    def test_all_pass(self):
        self.assertEqual(self.cell(run({"p:r3_a": PASS, "p:r3_b": SKIP})), (PASS, "pass (1)"))

    def test_one_fails_in_one_run(self):
        self.assertEqual(self.cell(run({"p:r3_a": PASS, "p:r3_b": PASS}),
                                   run({"p:r3_a": FAIL})), (FAIL, "fail (1 of 2)"))

    def test_nothing_but_skips(self):
        self.assertEqual(self.cell(run({"p:r3_a": SKIP})), (SKIP, "skip"))

    def test_other_rules_do_not_count(self):
        self.assertEqual(self.cell(run({"p:r2_a": PASS})), ("", ""))


class Progress(unittest.TestCase):
    def tests(self, *runs):
        return outcome.progress([outcome.condense(r) for r in runs])["tests"]

    def test_passes(self):
        self.assertTrue(self.tests(run({"p:a": PASS, "p:b": SKIP})))

    def test_skips_alone_prove_nothing(self):
        self.assertFalse(self.tests(run({"p:a": SKIP})))

    def test_one_failure(self):
        self.assertFalse(self.tests(run({"p:a": PASS}), run({"p:a": FAIL})))

    def test_splat_outside_tests(self):
        self.assertFalse(self.tests(run({"p:a": PASS}, [splat("boot")])))


class ClosingLine(unittest.TestCase):
    """What CI reads."""

    def report(self, *runs, extra=()):
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for one in runs:
                paths.append(Path(directory, f"{one['name']}.json"))
                paths[-1].write_text(json.dumps(one))
            done = subprocess.run([sys.executable, REPORT, *extra, *paths], text=True,
                                  capture_output=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    def test_passed(self):
        self.assertEqual(self.report(run({"p:a": PASS, "p:b": PASS})), (0, "2 passed, 0 failed"))

    def test_failed_and_skipped(self):
        self.assertEqual(self.report(run({"p:a": FAIL, "p:b": PASS, "p:c": SKIP})),
                         (1, "1 passed, 1 failed, 1 skipped"))

    def test_all_skipped_is_no_success(self):
        self.assertEqual(self.report(run({"p:a": SKIP})), (1, "0 passed, 0 failed, 1 skipped"))

    def test_a_run_that_left_nothing(self):
        self.assertEqual(self.report(run({"p:a": PASS}), extra=["/nonexistent/run.json"]),
                         (1, "1 passed, 1 failed"))

    def test_tap_that_stops_early(self):
        with tempfile.NamedTemporaryFile("w") as tap:
            tap.write("1..3\nok 1 /x\n")
            tap.flush()
            self.assertEqual(self.report(extra=[f"--tap=q={tap.name}"]),
                             (1, "1 passed, 1 failed"))

    def test_step(self):
        self.assertEqual(self.report(extra=["--step=lint=0", "--step=other=2"]),
                         (1, "1 passed, 1 failed"))


if __name__ == "__main__":
    unittest.main()
