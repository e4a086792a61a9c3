# SPDX-License-Identifier: GPL-2.0
"""Elements of an SVG picture, as text."""

from xml.sax.saxutils import escape, quoteattr

STYLE = ("text{font:12px sans-serif;fill:#22303c}"
         ".title{font-size:13px;font-weight:bold}")
FRAME = "#9aa5b1"


def _number(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _attributes(**given):
    """class_ for class, stroke_width for stroke-width, as Python's names go."""
    return "".join(f" {name.rstrip('_').replace('_', '-')}={quoteattr(_number(value))}"
                   for name, value in given.items())


def rect(x, y, width, height, **more):
    return f"<rect{_attributes(x=x, y=y, width=width, height=height, **more)}/>"


def line(x1, y1, x2, y2, **more):
    return f"<line{_attributes(x1=x1, y1=y1, x2=x2, y2=y2, **more)}/>"


def polyline(points, colour, width=1.6, **more):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f"<polyline{_attributes(points=places, fill='none', stroke=colour)}"
            f"{_attributes(stroke_width=width, **more)}/>")


def circle(x, y, radius, colour):
    return f"<circle{_attributes(cx=x, cy=y, r=radius, fill=colour)}/>"


def text(x, y, content, **more):
    return f"<text{_attributes(x=x, y=y, **more)}>{escape(content)}</text>"


def frame(x, y, width, height):
    return rect(x, y, width, height, fill="none", stroke=FRAME)


def document(width, height, body, style=""):
    """The whole picture, on white."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">\n'
            f"<style>{STYLE}{style}</style>\n"
            + "\n".join([rect(0, 0, width, height, fill="#ffffff"), *body])
            + "\n</svg>\n")
