# SPDX-License-Identifier: GPL-2.0
"""Which cycles count, and for what."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tests import script

soak = script.load("soak")
report = script.load("report")
DONE = "soak seed=0x1 workers=4 functions=3\nsoak done cycles=120 kill=60 early=60 unbind=120\n"


class Cycles(unittest.TestCase):
    def test_only_of_a_boot_that_says_so(self):
        self.assertEqual(soak.cycles_of(DONE), 120)
        self.assertEqual(soak.cycles_of("soak progress cycles=90\nsoak failed: hang\n"), 0)


class Key(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.tree = Path(self.directory.name)
        self.put("drivers/iommu/a.c", "1")
        self.put("tools/t.c", "1")
        self.git("init", "-q")
        self.commit()
        self.git("tag", "base")
        self.put("drivers/iommu/a.c", "2")
        self.put("tools/t.c", "2")
        self.commit()

    def put(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *words):
        subprocess.run(["git", "-C", self.tree, "-c", "user.name=x", "-c", "user.email=x@x",
                        *words], check=True, capture_output=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def test_changes_with_the_kernel_and_nothing_else(self):
        before = soak.series_key(self.tree)
        self.put("tools/t.c", "3")
        self.assertEqual(soak.series_key(self.tree), before)
        self.put("drivers/iommu/a.c", "3")
        self.assertNotEqual(soak.series_key(self.tree), before)

    def test_a_commit_of_the_same_is_the_same(self):
        self.put("drivers/iommu/a.c", "3")
        before = soak.series_key(self.tree)
        self.commit()
        self.assertEqual(soak.series_key(self.tree), before)


class Adding(unittest.TestCase):
    def setUp(self):
        self.totals = soak.Totals({}, "k1")
        self.totals.keep = mock.Mock()
        logs = tempfile.TemporaryDirectory()
        self.addCleanup(logs.cleanup)
        self.logs = Path(logs.name)
        patch = mock.patch.object(soak.guest, "BUILD", self.logs)
        patch.start()
        self.addCleanup(patch.stop)

    def run_with(self, status, output, flavour="plain"):
        (self.logs / f"log/soak-{flavour}").mkdir(parents=True)
        with mock.patch.object(soak, "boot", return_value=(status, output)), \
             mock.patch("builtins.print"):
            return soak.soak(self.totals, flavour, 60)

    def test_cycles_add_up(self):
        self.assertEqual(self.run_with(0, DONE), soak.PASSED)
        self.assertEqual(self.totals.data["cycles"], {"debug": 0, "plain": 120})
        self.totals.keep.assert_called_once()

    def test_a_boot_with_a_splat_does_not_count(self):
        self.assertEqual(self.run_with(1, DONE), soak.FAILED)
        self.assertEqual(self.totals.data["cycles"]["plain"], 0)
        self.assertEqual(self.totals.data["failed boots"], 1)
        self.assertFalse((self.logs / "log/soak-plain").exists())	# kept elsewhere
        self.assertEqual(len(list((self.logs / "log").iterdir())), 1)

    def test_a_boot_that_does_not_say_done(self):
        self.assertEqual(self.run_with(0, "soak progress cycles=3\n"), soak.FAILED)

    def test_another_series_starts_anew(self):
        self.run_with(0, DONE)
        again = soak.Totals(self.totals.data, "k1")
        self.assertEqual(again.data["cycles"]["plain"], 120)
        self.assertEqual(soak.Totals(again.data, "k2").data["cycles"]["plain"], 0)

    def test_the_one_behind_is_next(self):
        self.assertEqual(self.totals.next(), "debug")
        self.totals.data["cycles"] = {"debug": 5000, "plain": 100}
        self.assertEqual(self.totals.next(), "plain")
        self.totals.data["cycles"] = dict(soak.GOALS)
        self.assertIsNone(self.totals.next())

    def work_for(self, seconds):
        """What is booted, if each boot reaches its goal."""
        booted = []

        def race(totals, flavour):
            booted.append(f"race {flavour}")
            totals.data["races"][flavour] = soak.ROUNDS

        def some(totals, flavour, _):
            booted.append(flavour)
            totals.data["cycles"][flavour] = soak.GOALS[flavour]

        with mock.patch.object(soak, "races", race), mock.patch.object(soak, "soak", some), \
             mock.patch.object(soak, "have_races", return_value=True), \
             mock.patch("builtins.print"):
            self.assertFalse(soak.work(self.totals, soak.time.monotonic() + seconds))
        return booted

    def test_all_is_done_once(self):
        self.assertEqual(self.work_for(2000), ["race debug", "race plain", "debug", "plain"])
        self.assertEqual(self.work_for(2000), [])

    def test_races_want_time(self):
        self.assertEqual(self.work_for(100), ["debug", "plain"])
        self.assertEqual(self.work_for(2000), ["race debug", "race plain"])

    def test_no_time(self):
        self.assertEqual(self.work_for(10), [])

    def test_line_of_the_readme(self):
        self.totals.data.update(date="2026-01-02T03:04:05", commit="x")
        self.totals.data["cycles"]["plain"] = 1234
        self.totals.data["races"]["debug"] = 1000
        line = report.soak_line({"soak": self.totals.data})
        self.assertIn("1,234 of 100,000 on the plain kernel", line)
        self.assertIn("1,000 on debug", line)
        self.assertIn("failed: 0", line)
        self.assertIn("make soak", report.soak_line({}))


if __name__ == "__main__":
    unittest.main()
