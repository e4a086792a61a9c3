# SPDX-License-Identifier: GPL-2.0
"""What becomes of kunit.py's output."""

import unittest

from svabed import kunit, outcome
from svabed.ktap import FAIL, PASS, SKIP

CONSOLE = ["Booting Linux on physical CPU 0x0000000000 [0x411fd070]",
           "Linux version 6.1.192 (testbed@testbed) (gcc) #1 SMP"]
KTAP = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: demo
    1..3
    ok 1 r3_quiet
        KTAP version 1
        # Subtest: r2_order
        ok 1 one
        not ok 2 two
    not ok 2 r2_order
    ok 3 r8_bind # SKIP no bind here
not ok 1 demo
"""


def result(lines=KTAP, console=(), runner="", status=0):
    return kunit.result("arm64-kunit-series", CONSOLE + list(console),
                        lines.splitlines(), runner, status, [])


class Result(unittest.TestCase):
    def test_tests_are_named_by_suite_and_parameter(self):
        self.assertEqual({t["id"]: t["status"] for t in result()["tests"]},
                         {"kunit:demo.r3_quiet": PASS, "kunit:demo.r2_order.one": PASS,
                          "kunit:demo.r2_order.two": FAIL, "kunit:demo.r8_bind": SKIP})

    def test_report_takes_it_for_a_guest(self):
        kept = outcome.condense(result(status=1))
        self.assertEqual(outcome.cell([kept], 3), (PASS, "pass (1)"))
        self.assertEqual(outcome.cell([kept], 2)[0], FAIL)
        self.assertEqual(kept["uname"], "6.1.192")

    def test_a_failed_test_is_a_failure(self):
        self.assertEqual(result(status=1)["status"], kunit.FAILED)

    def test_all_passed(self):
        self.assertEqual(result("1..1\n    1..1\n    ok 1 r3_x\nok 1 s\n")["status"],
                         kunit.PASSED)

    def test_a_suite_cut_short(self):
        cut = result("1..2\n    1..1\n    ok 1 r3_x\nok 1 s\n", status=1)
        self.assertEqual(cut["status"], kunit.FAILED)
        self.assertIn("incomplete", cut["trouble"])

    def test_nothing_ran(self):
        self.assertEqual(result("", status=1)["status"], kunit.FAILED)

    def test_a_splat_fails_what_passes(self):
        bad = result("1..1\n    1..1\n    ok 1 r3_x\nok 1 s\n",
                     ["WARNING: CPU: 0 PID: 9 at drivers/x.c:1 f+0x1/0x2"])
        self.assertEqual(bad["status"], kunit.FAILED)
        self.assertTrue(outcome.condense(bad)["outside tests"])

    def test_panic_and_hang_have_their_status(self):
        self.assertEqual(result("", ["Kernel panic - not syncing: x"], "", 1)["status"],
                         kunit.PANICKED)
        self.assertEqual(result("", (), "Command '[]' timed out after 120 seconds", 1)
                         ["status"], kunit.HUNG)


if __name__ == "__main__":
    unittest.main()
