# SPDX-License-Identifier: GPL-2.0
"""Timelines as one SVG: a row for each kernel, a column for each device."""

from svabed import svg

PANEL_W, PANEL_H = 400, 130
LEFT, TOP, GAP_X, GAP_Y = 70, 60, 40, 52
FILLS = {"live": "#e8f3e8", "quiet": "#eceff4", "stray": "#fbeee0",
         "silent": "#ffffff"}
NAMES = {"live": "LIVE", "quiet": "QUIET", "stray": "GONE, DMA runs",
         "silent": "stopped"}
SERIES = (("written", "#2e7d32", "KiB written", 1024),
          ("aborts", "#5b6b82", "aborted transactions", 1),
          ("stalls", "#8e44ad", "stalls", 1))
LOG_COLOUR = "#c62828"


def rates(timeline, counter, unit):
    """[(ms from, ms to, growth per ms)] between neighbouring samples."""
    out, samples = [], timeline.samples("bind", "end")
    for before, after in zip(samples, samples[1:]):
        grown = int(after.args[counter]) - int(before.args[counter])
        length = max(after.ms - before.ms, 0.001)
        out.append((before.ms, after.ms, grown / unit / length))
    return out


class Panel:
    def __init__(self, timeline, left, top, span, peaks):
        self.timeline, self.left, self.top = timeline, left, top
        self.span, self.peaks = span, peaks

    def x(self, ms):
        return self.left + PANEL_W * ms / self.span

    def phases(self, phases):
        for phase in phases:
            x0 = self.x(self.timeline.first(phase.begin).ms)
            x1 = self.x(self.timeline.first(phase.end).ms)
            yield svg.rect(x0, self.top, x1 - x0, PANEL_H, fill=FILLS[phase.name])
            yield svg.text((x0 + x1) / 2, self.top - 5, NAMES[phase.name], class_="phase")

    def curve(self, counter, colour, unit):
        base, peak = self.top + PANEL_H, self.peaks[counter]
        if not peak:
            return
        points = []
        for begin, end, value in rates(self.timeline, counter, unit):
            y = base - (PANEL_H - 24) * value / peak
            points += [(self.x(begin), y), (self.x(end), y)]
        yield svg.polyline(points, colour)

    def log(self):
        """A tick for each interval with new lines."""
        base = self.top + PANEL_H
        for begin, _, rate in rates(self.timeline, "log", 1):
            if rate:
                x = self.x(begin)
                yield svg.line(x, base, x, base - 12, class_="log")

    def totals(self, phases):
        for phase in phases:
            lines = self.timeline.log_lines(phase.name)
            if not lines:
                continue
            x = (self.x(self.timeline.first(phase.begin).ms) +
                 self.x(self.timeline.first(phase.end).ms)) / 2
            yield svg.text(x, self.top + PANEL_H + 14, f"{lines} log lines", class_="count")


def legend(x, y):
    for _, colour, name, _ in SERIES:
        yield svg.line(x, y, x + 18, y, stroke=colour, stroke_width=2)
        yield svg.text(x + 24, y + 4, f"{name}/ms")
        x += 190
    yield svg.line(x + 8, y + 5, x + 8, y - 7, class_="log")
    yield svg.text(x + 24, y + 4, "kernel log lines")
    yield svg.text(x + 130, y + 4, "each curve to its own scale")


def draw(kernels, phases):
    """@kernels: [(title, [timeline of each device])], devices in one order."""
    every = [t for _, timelines in kernels for t in timelines]
    span = max(t.first("end").ms for t in every)
    peaks = {counter: max((value for t in every
                           for _, _, value in rates(t, counter, unit)), default=0)
             for counter, _, _, unit in SERIES}
    columns = len(kernels[0][1])
    width = LEFT + columns * (PANEL_W + GAP_X)
    height = TOP + len(kernels) * (PANEL_H + GAP_Y) + 24
    body = []
    for row, (title, timelines) in enumerate(kernels):
        top = TOP + row * (PANEL_H + GAP_Y)
        middle = top + PANEL_H / 2
        body.append(svg.text(12, middle, title, class_="title",
                             transform=f"rotate(-90 24 {middle})", text_anchor="middle"))
        for column, timeline in enumerate(timelines):
            left = LEFT + column * (PANEL_W + GAP_X)
            if row == 0:
                kind = "can" if timeline.can_stall else "cannot"
                body.append(svg.text(left, 24, f"a device that {kind} stall",
                                     class_="title"))
            panel = Panel(timeline, left, top, span, peaks)
            body += panel.phases(phases)
            for counter, colour, _, unit in SERIES:
                body += panel.curve(counter, colour, unit)
            body += panel.log()
            body += panel.totals(phases)
            body.append(svg.frame(left, top, PANEL_W, PANEL_H))
    body += legend(LEFT, height - 16)
    return svg.document(width, height, body,
                        ".phase{font-size:10px;text-anchor:middle;fill:#5b6b82}"
                        f".count{{font-size:11px;text-anchor:middle;fill:{LOG_COLOUR}}}"
                        f".log{{stroke:{LOG_COLOUR};stroke-width:2}}")
