# SPDX-License-Identifier: GPL-2.0
"""What sva_timeline printed in a guest: parse it, tell it, compare it.

A line is `timeline <ms since bind> <event> [key=value ...]`. Samples carry
totals since bind; everything here works on differences between two events.
"""

import re
import shlex
from dataclasses import dataclass, field

PHASES = (("live", "dma", "kill"), ("quiet", "reaped", "unbind"),
          ("stray", "unbind", "stop"), ("silent", "stop", "end"))
COUNTERS = ("written", "aborts", "stalls", "log")
LINE = re.compile(r"^timeline ([0-9.]+) (\w+)(.*)$")


class TimelineError(Exception):
    """The guest did not print a whole timeline."""


@dataclass
class Event:
    ms: float
    name: str
    args: dict


@dataclass
class Timeline:
    events: list = field(default_factory=list)

    def first(self, name):
        """The first event of that name, or None."""
        return next((e for e in self.events if e.name == name), None)

    @property
    def samples(self):
        return [e for e in self.events if e.name == "sample"]

    def total(self, counter, ms):
        """The counter's value in the last sample at or before @ms."""
        value = 0
        for sample in self.samples:
            if sample.ms > ms:
                break
            value = int(sample.args[counter])
        return value

    def during(self, phase, counter):
        """How much the counter grew in a phase."""
        _, begin, end = next(p for p in PHASES if p[0] == phase)
        return (self.total(counter, self.first(end).ms) -
                self.total(counter, self.first(begin).ms))

    def log_line(self, phase):
        """The first kernel log line of a phase, or None."""
        _, begin, end = next(p for p in PHASES if p[0] == phase)
        events = self.events
        between = events[events.index(self.first(begin)):
                         events.index(self.first(end))]
        return next((e.args.get("line", "") for e in between
                     if e.name == "log"), None)

    @property
    def can_stall(self):
        return self.first("bind").args["can_stall"] == "1"

    @property
    def wait_ms(self):
        return float(self.first("reaped").args["wait_ms"])


def parse(text):
    """Every whole timeline in @text, in order."""
    timelines, current = [], None
    for line in text.splitlines():
        match = LINE.match(line.strip())
        if not match:
            continue
        try:
            args = dict(word.split("=", 1) for word in shlex.split(match[3]))
        except ValueError as exc:
            raise TimelineError(f"cannot read '{line.strip()}'") from exc
        event = Event(float(match[1]), match[2], args)
        if event.name == "bind":
            current = Timeline()
        if current is None:
            continue
        current.events.append(event)
        if event.name == "end":
            timelines.append(current)
            current = None
    if current is not None:
        raise TimelineError(
            f"a timeline ends after '{current.events[-1].name}'")
    return timelines


def tell(timeline):
    """The life of a bond as lines of text."""
    first, during = timeline.first, timeline.during
    bind, dma = first("bind"), first("dma")
    rows = [(bind.ms, f"bind: PASID {bind.args['pasid']} on a device that "
             + ("can" if timeline.can_stall else "cannot") + " stall"),
            (dma.ms, f"DMA on {dma.args['queues']} queues, without end")]
    rows.append((first("kill").ms, f"SIGKILL; {during('live', 'written') >> 10}"
                 " KiB written so far"))
    rows.append((first("reaped").ms,
                 f"process gone, {timeline.wait_ms:.0f} ms after the kill"))
    rows.append((first("unbind").ms, "until here: "
                 f"{during('quiet', 'aborts')} transactions aborted, "
                 f"{during('quiet', 'stalls')} of them after a stall, "
                 f"{during('quiet', 'written')} bytes written, "
                 f"{during('quiet', 'log')} log lines"))
    rows += quoted(timeline, "quiet")
    rows.append((first("unbind").ms, "unbind, DMA goes on: "
                 f"{during('stray', 'log')} log lines"))
    rows += quoted(timeline, "stray")
    rows.append((first("stop").ms, "DMA stopped: "
                 f"{during('silent', 'log')} log lines after that"))
    return "\n".join(f"{'' if ms is None else format(ms, '7.0f') + ' ms':>10}  {text}"
                     for ms, text in rows)


def quoted(timeline, phase):
    line = timeline.log_line(phase)
    return [(None, f"  | {line[:66]}")] if line else []
