# SPDX-License-Identifier: GPL-2.0
"""What make demo tells of a timeline."""

import unittest
import xml.etree.ElementTree as ElementTree

from demo import plot, timeline

TEXT = """\
# testbed: begin
timeline 0.0 bind pasid=3 dev=/dev/pci_sva_test2 can_stall=0
timeline 1.0 dma queues=4
timeline 1.5 sample written=0 aborts=0 stalls=0 log=0
timeline 500.0 sample written=4096 aborts=0 stalls=0 log=0
timeline 501.0 kill
timeline 510.0 reaped wait_ms=9.000
timeline 510.1 log line="event 0x10 received:"
timeline 510.2 sample written=8192 aborts=7 stalls=0 log=50
timeline 1510.0 sample written=8192 aborts=10007 stalls=2 log=51
timeline 1511.0 unbind
timeline 1511.5 sample written=8192 aborts=10100 stalls=2 log=51
timeline 2511.0 sample written=8192 aborts=20100 stalls=2 log=55
timeline 2512.0 stop
timeline 2512.5 sample written=8192 aborts=20101 stalls=2 log=55
timeline 3012.0 sample written=8192 aborts=20101 stalls=2 log=55
timeline 3012.5 end
"""


class Parse(unittest.TestCase):
    def setUp(self):
        self.timeline, = timeline.parse(TEXT)

    def test_growth_in_a_phase_counts_from_its_first_sample(self):
        self.assertEqual(self.timeline.during("quiet", "written"), 0)
        self.assertEqual(self.timeline.during("quiet", "aborts"), 10000)
        self.assertEqual(self.timeline.during("quiet", "stalls"), 2)

    def test_log_lines_count_from_the_kill(self):
        self.assertEqual([self.timeline.log_lines(p.name) for p in timeline.PHASES],
                         [0, 51, 4, 0])

    def test_first_line_belongs_to_its_phase(self):
        self.assertEqual(self.timeline.log_line("quiet"), "event 0x10 received:")
        self.assertIsNone(self.timeline.log_line("stray"))

    def test_two_in_one_output(self):
        self.assertEqual(len(timeline.parse(TEXT + TEXT)), 2)

    def test_cut_short_is_an_error(self):
        with self.assertRaises(timeline.TimelineError):
            timeline.parse(TEXT.partition("timeline 1511.0")[0])

    def test_told_and_drawn(self):
        self.assertIn("51 log lines", timeline.tell(self.timeline))
        drawn = plot.draw([("stock", [self.timeline])], timeline.PHASES)
        self.assertEqual(drawn.count("log lines</text>"), 3)  # quiet, stray, legend
        ElementTree.fromstring(drawn)


if __name__ == "__main__":
    unittest.main()
