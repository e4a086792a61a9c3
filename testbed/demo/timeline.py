# SPDX-License-Identifier: GPL-2.0
"""What sva_timeline printed in a guest: parse it, tell it, compare it.

A line is `timeline <ms since bind> <event> [key=value ...]`. Samples carry
totals since bind; everything here works on differences between two samples.
"""

import re
import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Phase:
    """@begin to @end; counters are even from @settled on (the mm's release is
    over when the process has been reaped)."""
    name: str
    begin: str
    settled: str
    end: str


PHASES = (Phase("live", "dma", "dma", "kill"),
          Phase("quiet", "kill", "reaped", "unbind"),
          Phase("stray", "unbind", "unbind", "stop"),
          Phase("silent", "stop", "stop", "end"))
LINE = re.compile(r"^timeline ([0-9.]+) (\w+)(.*)$")


class TimelineError(Exception):
    """The guest did not print a whole timeline."""


def phase_of(name):
    return next(p for p in PHASES if p.name == name)


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

    def samples(self, begin, end):
        """The samples between two events."""
        first, last = (self.events.index(self.first(e)) for e in (begin, end))
        return [e for e in self.events[first:last] if e.name == "sample"]

    def during(self, name, counter):
        """How much the counter grew between a phase's first and last sample."""
        phase = phase_of(name)
        samples = self.samples(phase.settled, phase.end)
        return int(samples[-1].args[counter]) - int(samples[0].args[counter])

    def log_lines(self, name):
        """Kernel log lines since the last sample before the phase."""
        phase = phase_of(name)
        before = self.samples("bind", phase.begin)
        last = self.samples(phase.begin, phase.end)[-1]
        return int(last.args["log"]) - int(before[-1].args["log"] if before else 0)

    def log_line(self, name):
        """The first kernel log line of a phase, or None."""
        phase = phase_of(name)
        first, last = (self.events.index(self.first(e))
                       for e in (phase.begin, phase.end))
        return next((e.args.get("line", "") for e in self.events[first:last]
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
                 f"{during('quiet', 'stalls')} stalled, "
                 f"{during('quiet', 'written')} bytes written, "
                 f"{timeline.log_lines('quiet')} log lines"))
    rows += quoted(timeline, "quiet")
    rows.append((first("unbind").ms, "unbind, DMA goes on: "
                 f"{timeline.log_lines('stray')} log lines"))
    rows += quoted(timeline, "stray")
    rows.append((first("stop").ms, "DMA stopped: "
                 f"{timeline.log_lines('silent')} log lines after that"))
    return "\n".join(f"{'' if ms is None else format(ms, '7.0f') + ' ms':>10}  {text}"
                     for ms, text in rows)


def quoted(timeline, phase):
    line = timeline.log_line(phase)
    return [(None, f"  | {line[:66]}")] if line else []
