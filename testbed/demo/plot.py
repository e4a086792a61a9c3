# SPDX-License-Identifier: GPL-2.0
"""Timelines as one SVG: a row for each kernel, a column for each device."""

from xml.sax.saxutils import escape

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
            yield (f'<rect x="{x0:.1f}" y="{self.top}" width="{x1 - x0:.1f}" '
                   f'height="{PANEL_H}" fill="{FILLS[phase.name]}"/>')
            yield (f'<text x="{(x0 + x1) / 2:.1f}" y="{self.top - 5}" '
                   f'class="phase">{NAMES[phase.name]}</text>')

    def curve(self, counter, colour, unit):
        base, peak = self.top + PANEL_H, self.peaks[counter]
        if not peak:
            return
        points = []
        for begin, end, value in rates(self.timeline, counter, unit):
            y = base - (PANEL_H - 24) * value / peak
            points += [f"{self.x(begin):.1f},{y:.1f}", f"{self.x(end):.1f},{y:.1f}"]
        yield (f'<polyline points="{" ".join(points)}" fill="none" '
               f'stroke="{colour}" stroke-width="1.6"/>')

    def log(self):
        """A tick for each interval with new lines."""
        base = self.top + PANEL_H
        for begin, _, rate in rates(self.timeline, "log", 1):
            if rate:
                x = self.x(begin)
                yield (f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base}" '
                       f'y2="{base - 12}" class="log"/>')

    def totals(self, phases):
        for phase in phases:
            lines = self.timeline.log_lines(phase.name)
            if not lines:
                continue
            x = (self.x(self.timeline.first(phase.begin).ms) +
                 self.x(self.timeline.first(phase.end).ms)) / 2
            yield (f'<text x="{x:.1f}" y="{self.top + PANEL_H + 14}" '
                   f'class="count">{lines} log lines</text>')


def legend(x, y):
    for _, colour, name, _ in SERIES:
        yield (f'<line x1="{x}" x2="{x + 18}" y1="{y}" y2="{y}" '
               f'stroke="{colour}" stroke-width="2"/>'
               f'<text x="{x + 24}" y="{y + 4}">{name}/ms</text>')
        x += 190
    yield (f'<line x1="{x + 8}" x2="{x + 8}" y1="{y + 5}" y2="{y - 7}" class="log"/>'
           f'<text x="{x + 24}" y="{y + 4}">kernel log lines</text>')
    yield (f'<text x="{x + 130}" y="{y + 4}">each curve to its own scale</text>')


def svg(kernels, phases):
    """@kernels: [(title, [timeline of each device])], devices in one order."""
    every = [t for _, timelines in kernels for t in timelines]
    span = max(t.first("end").ms for t in every)
    peaks = {counter: max((value for t in every
                           for _, _, value in rates(t, counter, unit)), default=0)
             for counter, _, _, unit in SERIES}
    columns = len(kernels[0][1])
    width = LEFT + columns * (PANEL_W + GAP_X)
    height = TOP + len(kernels) * (PANEL_H + GAP_Y) + 24
    body = [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for row, (title, timelines) in enumerate(kernels):
        top = TOP + row * (PANEL_H + GAP_Y)
        body.append(f'<text x="12" y="{top + PANEL_H / 2}" class="title" '
                    f'transform="rotate(-90 24 {top + PANEL_H / 2})" '
                    f'text-anchor="middle">{escape(title)}</text>')
        for column, timeline in enumerate(timelines):
            left = LEFT + column * (PANEL_W + GAP_X)
            if row == 0:
                kind = "can" if timeline.can_stall else "cannot"
                body.append(f'<text x="{left}" y="24" class="title">'
                            f'a device that {kind} stall</text>')
            panel = Panel(timeline, left, top, span, peaks)
            body += panel.phases(phases)
            for counter, colour, _, unit in SERIES:
                body += panel.curve(counter, colour, unit)
            body += panel.log()
            body += panel.totals(phases)
            body.append(f'<rect x="{left}" y="{top}" width="{PANEL_W}" '
                        f'height="{PANEL_H}" fill="none" stroke="#9aa5b1"/>')
    body += legend(LEFT, height - 16)
    style = ("text{font:12px sans-serif;fill:#22303c}"
             ".phase{font-size:10px;text-anchor:middle;fill:#5b6b82}"
             ".title{font-size:13px;font-weight:bold}"
             f".count{{font-size:11px;text-anchor:middle;fill:{LOG_COLOUR}}}"
             f".log{{stroke:{LOG_COLOUR};stroke-width:2}}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">\n'
            f'<style>{style}</style>\n' + "\n".join(body) + "\n</svg>\n")
