# SPDX-License-Identifier: GPL-2.0
"""What programs in the guest print becomes tests with a status."""

import unittest

from svabed.ktap import FAIL, MISSING, PASS, SKIP, Channel


def run(*lines, filtered=False):
    channel = Channel(filtered)
    for line in lines:
        channel.feed(line)
    channel.close()
    return channel


def statuses(channel):
    return {t.name: t.status for p in channel.programs for t in p.tests}


def program(*output, listed=(), end="exit 0"):
    lines = [f"1.0 l {name}" for name in listed] + ["2.0 b /tests/demo"]
    lines += [f"{3 + i}.5 o {line}" for i, line in enumerate(output)]
    return lines + ([f"99.0 e /tests/demo {end}"] if end else [])


class Harness(unittest.TestCase):
    """The kselftest harness of 6.1 leaves the name out of skipped results."""

    def test_pass_fail_skip(self):
        channel = run(*program(
            "TAP version 13", "1..3", "# Starting 3 tests from 1 test cases.",
            "#  RUN           bed.r1_good ...", "#            OK  bed.r1_good",
            "ok 1 bed.r1_good",
            "#  RUN           bed.r2_bad ...", "# demo.c:7:r2_bad:Expected 1 (1) == 2 (2)",
            "#          FAIL  bed.r2_bad", "not ok 2 bed.r2_bad",
            "#  RUN           bed.r3_none ...", "#      SKIP      no such device",
            "#            OK  bed.r3_none", "ok 3 # SKIP no such device",
            "# FAILED: 2 / 3 tests passed.",
            listed=("bed.r1_good", "bed.r2_bad", "bed.r3_none"), end="exit 1"))
        self.assertEqual(statuses(channel), {
            "bed.r1_good": PASS, "bed.r2_bad": FAIL, "bed.r3_none": SKIP})
        good, bad, none = channel.programs[0].tests
        self.assertEqual(bad.diagnostics, ["# demo.c:7:r2_bad:Expected 1 (1) == 2 (2)"])
        self.assertEqual(none.reason, "no such device")
        self.assertEqual(good.id, "demo:bed.r1_good")
        self.assertEqual(good.seconds, 2)

    def test_program_dies_in_a_test(self):
        channel = run(*program(
            "1..3", "#  RUN           a.r1 ...", "ok 1 a.r1", "#  RUN           a.r2 ...",
            "# something odd", listed=("a.r1", "a.r2", "a.r3"), end="signal 11"))
        self.assertEqual(statuses(channel), {"a.r1": PASS, "a.r2": FAIL, "a.r3": MISSING})
        died = channel.programs[0].tests[1]
        self.assertEqual(died.reason, "demo ended: signal 11")
        self.assertEqual(died.diagnostics, ["# something odd"])

    def test_guest_ends_in_a_test(self):
        channel = run(*program("1..2", "#  RUN           a.r1 ...",
                               listed=("a.r1", "a.r2"), end=None))
        self.assertEqual(statuses(channel), {"a.r1": FAIL, "a.r2": MISSING})

    def test_time_limit(self):
        channel = run(*program("1..1", "#  RUN           a.r1 ...", end="timeout 5"))
        self.assertEqual(statuses(channel), {"a.r1": FAIL})
        self.assertIn("timeout 5", channel.programs[0].tests[0].reason)

    def test_dies_between_tests_without_a_list(self):
        channel = run(*program("1..3", "#  RUN           a.r1 ...", "ok 1 a.r1",
                               end="signal 9"))
        self.assertEqual(statuses(channel), {
            "a.r1": PASS, "demo (test 2 of 3)": MISSING, "demo (test 3 of 3)": MISSING})

    def test_listed_but_left_out(self):
        channel = run(*program("1..1", "ok 1 a.r1", listed=("a.r1", "a.r2")))
        self.assertEqual(statuses(channel), {"a.r1": PASS, "a.r2": MISSING})

    def test_all_passed_but_program_failed(self):
        channel = run(*program("1..1", "ok 1 a.r1", end="exit 1"))
        self.assertEqual(statuses(channel), {"a.r1": PASS, "demo itself": FAIL})

    def test_silent_program(self):
        channel = run(*program(end="exit 0"))
        self.assertEqual(statuses(channel), {"demo itself": MISSING})

    def test_skip_all(self):
        channel = run(*program("TAP version 13", "1..0 # SKIP no device",
                               listed=("a.r1", "a.r2"), end="exit 4"))
        self.assertEqual(statuses(channel), {"a.r1": SKIP, "a.r2": SKIP})

    def test_empty_plan_is_no_pass(self):
        channel = run(*program("TAP version 13", "1..0", end="exit 0"))
        self.assertEqual(statuses(channel), {"demo itself": MISSING})

    def test_filter_that_matches_nothing_here(self):
        channel = run(*program("TAP version 13", "1..0", end="exit 0"), filtered=True)
        self.assertEqual(statuses(channel), {})

    def test_bail_out(self):
        channel = run(*program("1..1", "ok 1 a.r1", "Bail out! no memory", end="exit 1"))
        self.assertEqual(statuses(channel)["demo itself"], FAIL)


class Tap(unittest.TestCase):
    """Other producers: qtests, KUnit."""

    def test_dash_and_todo(self):
        channel = run(*program("1..3", "ok 1 - /x/y", "not ok 2 /x/z # TODO later",
                               "ok 3 /x/w # SKIP not built"))
        self.assertEqual(statuses(channel), {"/x/y": PASS, "/x/z": SKIP, "/x/w": SKIP})

    def test_subtests_carry_their_parents_name(self):
        channel = run(*program(
            "KTAP version 1", "1..2", "    KTAP version 1", "    1..2", "    ok 1 one",
            "    not ok 2 two", "not ok 1 suite", "ok 2 alone", end="exit 1"))
        self.assertEqual(statuses(channel), {
            "suite.one": PASS, "suite.two": FAIL, "alone": PASS})

    def test_parent_that_fails_alone(self):
        channel = run(*program("1..1", "    ok 1 one", "not ok 1 suite", end="exit 1"))
        self.assertEqual(statuses(channel), {"suite.one": PASS, "suite": FAIL})


class Port(unittest.TestCase):
    def test_two_programs_and_the_end(self):
        channel = run("0.1 v 6.1.0 aarch64",
                      "1.0 b /tests/a", "1.1 o 1..1", "1.2 o ok 1 x", "1.3 e /tests/a exit 0",
                      "2.0 b /tests/b", "2.1 o 1..1", "2.2 o ok 1 x", "2.3 e /tests/b exit 0",
                      "3.0 t 262144", "3.1 k unreferenced object", "3.2 d done")
        self.assertEqual([t.id for p in channel.programs for t in p.tests], ["a:x", "b:x"])
        self.assertTrue(channel.done)
        self.assertEqual(channel.taint, 1 << 18)
        self.assertEqual(channel.leaks, ["unreferenced object"])
        self.assertEqual(channel.kernel, "6.1.0 aarch64")

    def test_line_cut_off(self):
        channel = run("1.0 b /tests/a", "1.1 o 1..1", "1.2 o ok 1 x", "1.")
        self.assertEqual(statuses(channel)["x"], PASS)
        self.assertFalse(channel.done)


if __name__ == "__main__":
    unittest.main()
