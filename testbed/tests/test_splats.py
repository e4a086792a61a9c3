# SPDX-License-Identifier: GPL-2.0
"""The splat gate sees every kind of report, and nothing else."""

import tempfile
import unittest

from svabed import splats
from svabed.ktap import Channel

# One invented headline for each kind of report, in the kernel's form.
REPORTS = {
    "panic": ["Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"],
    "oops": ["Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010",
             "Unable to handle kernel paging request at virtual address dead000000000108",
             "Internal error: Oops: 0000000096000005 [#1] PREEMPT SMP",
             "BUG: unable to handle page fault for address: ffffc90000400000",
             "BUG: kernel NULL pointer dereference, address: 0000000000000008",
             "general protection fault, probably for non-canonical address 0xdead000000000100",
             "kernel BUG at drivers/misc/demo.c:42!"],
    "kasan": ["BUG: KASAN: use-after-free in demo_release+0x40/0x80",
              "BUG: KASAN: slab-out-of-bounds in demo_write+0x1c/0x40",
              "BUG: KFENCE: use-after-free read in demo+0x1/0x2"],
    "ubsan": ["UBSAN: shift-out-of-bounds in drivers/misc/demo.c:9:3"],
    "lockdep": ["WARNING: possible circular locking dependency detected",
                "WARNING: possible recursive locking detected",
                "WARNING: possible irq lock inversion dependency detected",
                "WARNING: inconsistent lock state",
                "WARNING: bad unlock balance detected!",
                "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
                "WARNING: held lock freed!",
                "WARNING: lock held when returning to user space!",
                "[ BUG: Invalid wait context ]",
                "DEBUG_LOCKS_WARN_ON(lock->magic != lock)"],
    "rcu": ["WARNING: suspicious RCU usage",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "rcu: INFO: rcu_sched self-detected stall on CPU",
            "rcu: rcu_preempt kthread starved for 2100 jiffies!"],
    "atomic": ["BUG: scheduling while atomic: demo/77/0x00000002",
               "BUG: sleeping function called from invalid context at mm/slab.h:420"],
    "lockup": ["watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [demo:80]"],
    "hung": ["INFO: task demo:91 blocked for more than 30 seconds."],
    "list": ["list_del corruption. prev->next should be ffff0, but was dead0",
             "list_add corruption. next->prev should be prev (ffff0), but was ffff1.",
             "list_add double add: new=ffff0, prev=ffff0, next=ffff1."],
    "refcount": ["refcount_t: underflow; use-after-free.",
                 "refcount_t: addition on 0; use-after-free."],
    "objects": ["ODEBUG: free active (active state 0) object type: rcu_head hint: 0x0"],
    "slab": ["BUG kmalloc-64 (Not tainted): Poison overwritten"],
    "page": ["BUG: Bad page state in process demo  pfn:41234",
             "BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1",
             "BUG: non-zero pgtables_bytes on freeing mm: 4096"],
    "workqueue": ["BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!"],
    "kmemleak": ["kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"],
    "iommu": ["arm-smmu-v3 9050000.smmuv3: CMD_SYNC timeout at 0x00000004 [hwprod 0x4, hwcons 0x3]"],
    "warning": ["WARNING: CPU: 1 PID: 77 at drivers/misc/demo.c:10 demo_ioctl+0x20/0x80"],
    "bug": ["BUG: something nobody has a word for"],
}
INNOCENT = [
    "Booting Linux on physical CPU 0x0000000000 [0x410fd083]",
    "Run /init as init process",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)",
    "arm-smmu-v3 9050000.smmuv3: event 0x10 received:",
    "pci_sva_test 0000:00:04.0: no warning: all is well",
    "random: crng init done",
    "rcu: Hierarchical RCU implementation.",
    "rcu: \tRCU lockdep checking is enabled.",
    "rcu: RCU calculated value of scheduler-enlistment delay is 10 jiffies.",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "... MAX_LOCKDEP_SUBCLASSES:  8",
    "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=2, Nodes=1",
]


def log(*lines, start=10.0):
    return [f"[{start + i:12.6f}] {line}" for i, line in enumerate(lines)]


class Rules(unittest.TestCase):
    rules = splats.rules()

    def test_every_kind_has_a_sample(self):
        kinds = {kind for kind, _ in self.rules}
        self.assertEqual(kinds - {"stack"}, set(REPORTS))

    def test_each_report_is_seen_for_what_it_is(self):
        for kind, lines in REPORTS.items():
            for line in lines:
                with self.subTest(line):
                    found = splats.parse(log(line), self.rules)
                    self.assertEqual([s.kind for s in found], [kind])

    def test_ordinary_lines_pass(self):
        for line in INNOCENT:
            with self.subTest(line):
                self.assertEqual(splats.parse(log(line), self.rules), [])

    def test_a_stamp_is_not_needed(self):
        self.assertEqual(len(splats.parse(["WARNING: CPU: 0 PID: 1 at x.c:1 f"], self.rules)), 1)

    def test_stamp_with_caller(self):
        self.assertEqual(len(splats.parse(
            ["[    1.000000][  T77] WARNING: CPU: 0 PID: 1 at x.c:1 f"], self.rules)), 1)

    def test_text_of_a_report(self):
        found = splats.parse(log("WARNING: CPU: 0 PID: 1 at x.c:1 f", "Call trace:", start=1),
                             self.rules)
        self.assertEqual(found[0].text[1], "Call trace:")


class Attribution(unittest.TestCase):
    def setUp(self):
        channel = Channel()
        for line in ("5.0 b /tests/p", "5.1 o 1..2",
                     "6.0 o #  RUN           a.r1 ...", "7.0 o ok 1 a.r1",
                     "7.1 o #  RUN           a.r2 ...", "8.0 o ok 2 a.r2",
                     "9.0 e /tests/p exit 0"):
            channel.feed(line)
        self.programs = channel.programs

    def during(self, *stamps, clock="testbed: clock 4.000000"):
        # The log's clock is 100 s ahead of the port's.
        lines = [f"[  104.000000] {clock}"]
        lines += [f"[{stamp + 100:12.6f}] WARNING: CPU: 0 PID: 1 at x.c:1 f"
                  for stamp in stamps]
        found = splats.parse(lines, splats.rules())
        splats.attribute(found, self.programs)
        return [s.test for s in found]

    def test_by_time(self):
        self.assertEqual(self.during(4.5, 5.5, 6.5, 7.5, 9.5),
                         ["boot", "p", "p:a.r1", "p:a.r2", "after p"])


class Exceptions(unittest.TestCase):
    def load(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return splats.exceptions(file.name)

    STANZA = ("# a comment\nKernel: arm64-.*-stock\nPattern: demo_ioctl\\+\n"
              "Reason: known,\n  and harmless\nUntil: demo is gone\n")

    def excused(self, kernel, *lines):
        known = self.load(self.STANZA)
        found = splats.parse(log(*lines), splats.rules())
        splats.excuse(found, known, kernel)
        return [s.exception for s in found]

    def test_only_for_its_kernel_and_pattern(self):
        known = "WARNING: CPU: 1 PID: 7 at x.c:1 demo_ioctl+0x20/0x80"
        other = "WARNING: CPU: 1 PID: 7 at x.c:1 other+0x20/0x80"
        self.assertEqual(self.excused("arm64-debug-stock", known), ["known, and harmless"])
        self.assertEqual(self.excused("arm64-debug-series", known), [""])
        self.assertEqual(self.excused("arm64-debug-stock", other), [""])

    def test_nothing_hides_behind_a_known_one(self):
        known = "WARNING: CPU: 1 PID: 7 at x.c:1 demo_ioctl+0x20/0x80"
        self.assertEqual(self.excused("arm64-debug-stock", known,
                                      "BUG: KASAN: use-after-free in f+0x1/0x2"),
                         ["known, and harmless", ""])

    def test_each_needs_a_reason_and_an_end(self):
        with self.assertRaises(ValueError):
            self.load("Kernel: x\nPattern: y\nReason: z\n")

    def test_the_files_own_entries_are_complete(self):
        splats.exceptions()


if __name__ == "__main__":
    unittest.main()
