# SPDX-License-Identifier: GPL-2.0
"""How numbers of single deaths become the table and the plot."""

import unittest
import xml.etree.ElementTree as ElementTree

from cost import plot
from tests import script

cost = script.load("cost/run")


def growth(**counts):
    zero = dict.fromkeys((*cost.COUNTERS, "x-cmd-resume"), 0)
    return zero | {name.replace("_", "-"): value for name, value in counts.items()}


def deaths(control=None):
    for functions in cost.FUNCTIONS:
        for _ in range(2):
            yield functions, False, control or growth()
            yield functions, True, growth(x_cmd_cfgi_cd=functions, x_cmd_sync=3 * functions,
                                          waits=2 * functions)


class Commands(unittest.TestCase):
    def test_control_is_taken_off(self):
        counts = cost.commands_of(list(deaths(growth(x_cmd_sync=1))))
        self.assertEqual(counts[4]["x-cmd-cfgi-cd"], 4)
        self.assertEqual(counts[4]["x-cmd-sync"], 11)
        self.assertNotIn("x-cmd-resume", counts[4])

    def test_a_count_that_varies_is_no_count(self):
        with self.assertRaises(cost.CostError):
            cost.commands_of([*deaths(), (8, True, growth(x_cmd_sync=99))])

    def test_commands_that_do_not_belong_there(self):
        with self.assertRaises(cost.CostError):
            cost.commands_of([*((f, b, growth(x_cmd_resume=1) if b else g)
                                for f, b, g in deaths())])

    def test_missing_deaths(self):
        with self.assertRaises(cost.CostError):
            cost.commands_of([d for d in deaths() if d[0] != 8])


class FakeMonitor:
    """A queue of four commands that has wrapped."""
    BASE, MEMORY = 0x40001000, {0x40001030: 0x05, 0x40001000: 0x46, 0x40001010: 0x2046}

    def words(self, address, count, size=8):
        registers = {cost.CMDQ_BASE: self.BASE | 1 << 62 | 2, cost.CMDQ_PROD: 6}
        return [(registers | self.MEMORY)[address]] * count


class Queue(unittest.TestCase):
    def test_commands_across_the_end_of_the_queue(self):
        queue = cost.Queue(FakeMonitor())
        self.assertEqual(queue.end(), 6)
        commands = list(queue.commands(3, 6))
        self.assertEqual([opcode for opcode, _ in commands], [0x05, 0x46, 0x46])
        self.assertEqual(cost.waits(commands), 1)


class Instructions(unittest.TestCase):
    TEXT = "".join(f"cost functions={n} bound={b} round={r} ns={1000 + b * n * 100 + r * 50}\n"
                   for n in cost.FUNCTIONS for b in (0, 1) for r in (9, 0, 0))

    def test_median_of_all_rounds_less_control(self):
        self.assertEqual(cost.instructions_of(self.TEXT), {1: 100, 2: 200, 4: 400, 8: 800})

    def test_missing_deaths(self):
        with self.assertRaises(cost.CostError):
            cost.instructions_of(self.TEXT.replace("functions=8", "functions=7"))


class Shown(unittest.TestCase):
    def setUp(self):
        commands = cost.commands_of(list(deaths()))
        entries = {str(n): {"commands": commands[n], "instructions": 1000 * n}
                   for n in cost.FUNCTIONS}
        self.data = {"kernels": {kernel: entries for kernel in cost.KERNELS}}

    def test_table(self):
        lines = cost.table(self.data).splitlines()
        self.assertEqual(lines[0].split(), list(cost.KERNELS))
        self.assertEqual(lines[2].split(), ["CFGI_CD", *"12481248"])
        self.assertEqual(len({len(line) for line in lines[1:]}), 1)
        self.assertLess(len(lines[1]), 75)

    def test_plot(self):
        drawn = plot.draw(self.data, cost.FUNCTIONS)
        ElementTree.fromstring(drawn)
        self.assertEqual(drawn.count("<circle"), 16)

    def test_axes_end_with_round_numbers(self):
        self.assertEqual([plot.ceiling(v) for v in (1, 7, 16, 8200, 24001)],
                         [1, 8, 20, 10000, 40000])


if __name__ == "__main__":
    unittest.main()
