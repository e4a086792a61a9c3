# SPDX-License-Identifier: GPL-2.0
"""The splat gate: kernel reports in a guest's log, and whose they are.

testbed/splats names what a splat looks like, testbed/splat-exceptions the ones
that are known, each with the kernel, a reason and when to remove it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent

STAMP = re.compile(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\](?:\[\s*[TC]\d+\])? ?(.*)$")
CLOCK = re.compile(r"^testbed: clock (\d+\.\d+)$")
CONTEXT = 40		# lines of the report that are kept
ONE_REPORT = 2.0	# seconds a report takes


@dataclass
class Splat:
    kind: str
    when: float		# guest's monotonic clock, None if the line has no stamp
    text: list
    test: str = ""
    exception: str = ""

    @property
    def title(self):
        return self.text[0]


@dataclass
class Known:
    kernel: str
    pattern: re.Pattern
    reason: str
    until: str


def rules(path=HERE / "splats"):
    """[(kind, regex)]: "kind<tab>regex" lines, comments with #."""
    found = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            kind, pattern = line.split("\t", 1)
            found.append((kind.strip(), re.compile(pattern.strip())))
    return found


def exceptions(path=HERE / "splat-exceptions"):
    """Stanzas of "Key: value" lines: Kernel, Pattern, Reason, Until."""
    found = []
    text = "\n".join(line for line in Path(path).read_text(encoding="utf-8").splitlines()
                     if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text.strip()):
        if not stanza.strip():
            continue
        fields = {}
        key = None
        for line in stanza.splitlines():
            if line[0].isspace() and key:
                fields[key] += " " + line.strip()
            else:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        missing = {"Kernel", "Pattern", "Reason", "Until"} - set(fields)
        if missing or not all(fields.values()):
            raise ValueError(f"{path}: an exception needs Kernel, Pattern, Reason "
                             f"and Until, all filled in:\n{stanza}")
        found.append(Known(fields["Kernel"], re.compile(fields["Pattern"]),
                                fields["Reason"], fields["Until"]))
    return found


def parse(lines, patterns):
    """Splats of a kernel log, in order, times on the guest's monotonic clock.

    Every matching line is a splat of its own, so that none hides behind
    another's exception; the lines up to the next one are its text.
    """
    splats = []
    offset = 0.0
    for line in lines:
        stamp, text = _split(line.rstrip("\r\n"))
        clock = CLOCK.match(text)
        if clock and stamp is not None:
            offset = float(clock[1]) - stamp
        kind = next((k for k, p in patterns if p.search(text)), None)
        if kind:
            splats.append(Splat(kind, stamp, [text]))
        elif splats and _belongs(splats[-1], stamp):
            splats[-1].text.append(text)
    for splat in splats:
        if splat.when is not None:
            splat.when += offset
    return splats


def _split(line):
    stamped = STAMP.match(line)
    return (float(stamped[1]), stamped[2]) if stamped else (None, line)


def _belongs(splat, stamp):
    if len(splat.text) >= CONTEXT:
        return False
    return None in (stamp, splat.when) or stamp - splat.when < ONE_REPORT


def attribute(splats, programs):
    """Say during which test each splat came: the last that had begun by then."""
    spans = [(t.begin, t.id) for p in programs for t in p.tests if t.begin is not None]
    spans += [(p.begin, p.name) for p in programs if p.begin is not None]
    spans += [(p.end + 0.001, f"after {p.name}") for p in programs if p.end is not None]
    spans.sort()
    for splat in splats:
        splat.test = "boot"
        for begin, name in spans:
            if splat.when is None or begin > splat.when + 0.001:
                break
            splat.test = name


def excuse(splats, known, kernel):
    """Mark the splats that are known for @kernel (ARCH-FLAVOUR-KERNEL)."""
    for splat in splats:
        for entry in known:
            if re.fullmatch(entry.kernel, kernel) and \
               any(entry.pattern.search(line) for line in splat.text):
                splat.exception = entry.reason
                break
