# SPDX-License-Identifier: GPL-2.0
"""The cost of exit over the number of functions, as one SVG."""

from svabed import svg

PANEL_W, PANEL_H = 360, 200
LEFT, TOP, GAP_X, BOTTOM = 56, 48, 76, 64
KERNELS = (("stock", "#c62828", "linux 6.1 as packaged"),
           ("series", "#2e7d32", "with the series"))
LABEL = ".label{fill:#5b6b82;font-size:11px}"


def waits(entry):
    return entry["commands"]["waits"]


def instructions(entry):
    return entry["instructions"]


PANELS = (("CMD_SYNCs waited for in release()", waits),
          ("instructions of exit, more than without a bond", instructions))


def ceiling(value):
    """The next round number, to end an axis with."""
    power = 10 ** (len(str(max(int(value), 1))) - 1)
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


class Panel:
    def __init__(self, left, functions, top_value):
        self.left, self.functions, self.top_value = left, functions, top_value

    def x(self, number):
        return self.left + PANEL_W * number / (max(self.functions) + 0.5)

    def y(self, value):
        return TOP + PANEL_H * (1 - value / self.top_value)

    def axes(self):
        for number in self.functions:
            yield svg.text(self.x(number), TOP + PANEL_H + 16, str(number),
                           class_="label", text_anchor="middle")
        for part in range(5):
            value = self.top_value * part / 4
            yield svg.line(self.left, self.y(value), self.left + PANEL_W, self.y(value),
                           stroke="#e3e8ee")
            yield svg.text(self.left - 6, self.y(value) + 4, f"{value:,.0f}",
                           class_="label", text_anchor="end")
        yield svg.text(self.left + PANEL_W / 2, TOP + PANEL_H + 32,
                       "functions bound to the address space", class_="label",
                       text_anchor="middle")

    def curve(self, values, colour):
        points = [(self.x(n), self.y(value)) for n, value in zip(self.functions, values)]
        yield svg.polyline(points, colour)
        for x, y in points:
            yield svg.circle(x, y, 3, colour)


def draw(data, functions):
    width = LEFT + len(PANELS) * (PANEL_W + GAP_X) - GAP_X + 20
    height = TOP + PANEL_H + BOTTOM
    body = []
    for column, (title, measure) in enumerate(PANELS):
        values = {kernel: [measure(data["kernels"][kernel][str(n)]) for n in functions]
                  for kernel, _, _ in KERNELS}
        panel = Panel(LEFT + column * (PANEL_W + GAP_X), functions,
                      ceiling(max(map(max, values.values()))))
        body.append(svg.text(panel.left, TOP - 16, title, class_="title"))
        body += panel.axes()
        for kernel, colour, _ in KERNELS:
            body += panel.curve(values[kernel], colour)
        body.append(svg.frame(panel.left, TOP, PANEL_W, PANEL_H))
    x = LEFT
    for _, colour, title in KERNELS:
        body.append(svg.line(x, height - 12, x + 18, height - 12, stroke=colour,
                             stroke_width=2))
        body.append(svg.text(x + 24, height - 8, title))
        x += 200
    return svg.document(width, height, body, LABEL)
