# SPDX-License-Identifier: GPL-2.0
"""What the guest reports: the test port's lines, and KTAP within them.

A line of the port is "SECONDS KIND TEXT" (testbed/guest/attend.c), SECONDS the
guest's monotonic clock, KIND one of
    b program begins    l name of a test it will run    o a line it prints
    e program ended     v kernel    t taint    k kmemleak    d all done
"""

import re
from dataclasses import dataclass, field

PASS, FAIL, SKIP, MISSING = "pass", "fail", "skip", "missing"

KSFT_SKIP = 4

RESULT = re.compile(r"^(?P<indent>\s*)(?P<not>not )?ok\b\s*(?P<number>\d+)?"
                    r"\s*(?:- )?(?P<name>[^#]*?)\s*"
                    r"(?:#\s*(?P<directive>\S+)\s*(?P<reason>.*))?$")
PLAN = re.compile(r"^1\.\.(?P<count>\d+)(?:\s*#\s*SKIP\b\s*(?P<reason>.*))?$", re.I)
RUN = re.compile(r"^#\s+RUN\s+(?P<name>\S+) \.\.\.$")
HARNESS_NOISE = re.compile(r"^#\s+(OK|FAIL|SKIP)\s")


@dataclass
class Test:
    program: str
    name: str
    status: str
    begin: float = None
    end: float = None
    reason: str = ""
    diagnostics: list = field(default_factory=list)

    @property
    def id(self):
        return f"{self.program}:{self.name}"

    @property
    def seconds(self):
        if self.begin is None or self.end is None:
            return None
        return round(self.end - self.begin, 3)


@dataclass
class Program:
    name: str
    begin: float = None
    end: float = None
    outcome: str = ""		# "exit 0", "signal 9", "timeout 120", "" if never told
    listed: list = field(default_factory=list)
    tests: list = field(default_factory=list)


class Ktap:
    """Feeds on a program's lines, collects its tests in the order they end."""

    def __init__(self, program):
        self.program = program
        self.tests = []
        self.plan = None
        self.skip_all = None
        self.bailed = None
        self.running = None	# (name, begin) of the test that said RUN
        self._diagnostics = []
        self._nested = {}	# indentation -> tests whose parent is still to come
        self._last = None

    def feed(self, line, when=None):
        """Returns the Test that @line ends, if any."""
        plan = PLAN.match(line)
        result = RESULT.match(line)
        run = RUN.match(line)
        if plan:
            self.plan = int(plan["count"])
            if self.plan == 0:
                self.skip_all = plan["reason"] or "no reason given"
        elif result:
            return self._result(result, when)
        elif run:
            self.running = (run["name"], when)
            self._diagnostics = []
        elif line.startswith("Bail out!"):
            self.bailed = line
        elif not HARNESS_NOISE.match(line) and line.strip():
            self._diagnostics.append(line)
        return None

    def _result(self, match, when):
        running = self.running if not match["indent"] else None
        begin = running[1] if running else self._last
        directive = (match["directive"] or "").upper()
        failed = bool(match["not"])
        status = FAIL if failed and directive not in ("TODO", "SKIP") else \
            SKIP if directive in ("TODO", "SKIP") else PASS
        name = match["name"] or (running[0] if running else f"test {match['number']}")
        test = Test(self.program, name, status, begin, when,
                    (match["reason"] or "").strip(), self._diagnostics)
        self._diagnostics = []
        self._last = when
        indent = len(match["indent"].expandtabs(4))
        children = self._children(indent)
        for child in children:
            child.name = f"{name}.{child.name}"
        # A parent says nothing new unless it failed for a reason of its own.
        if children and (status != FAIL or any(c.status == FAIL for c in children)):
            done = children
        else:
            done = children + [test]
        if indent:
            self._nested.setdefault(indent, []).extend(done)
            return None
        self.running = None
        self.tests += done
        return test

    def _children(self, indent):
        deeper = sorted(i for i in self._nested if i > indent)
        return [test for i in deeper for test in self._nested.pop(i)]

    def finish(self):
        """Tests whose parent never came are still tests."""
        self.tests += self._children(-1)
        return self.tests


class Channel:
    """Takes the test port's lines one by one; what it knows is always current."""

    def __init__(self, filtered=False):
        self.programs = []
        self._filtered = filtered	# a program may have nothing to run
        self.kernel = ""
        self.taint = None
        self.leaks = []
        self.done = False
        self.clock = 0.0
        self._listed = []
        self._ktap = None

    def feed(self, line):
        """Returns the Test that ended with @line, if any."""
        try:
            when, kind, text = (line.split(" ", 2) + [""])[:3]
            when = float(when)
        except ValueError:
            return None		# cut off by the end of the guest
        self.clock = when
        if kind == "l":
            self._listed += [text.strip()] if text.strip() else []
        elif kind == "b":
            self._begin(text.rsplit("/", 1)[-1], when)
        elif kind == "o" and self._ktap:
            return self._ktap.feed(text, when)
        elif kind == "e" and self.programs:
            self._end(text.split(" ", 1)[-1], when)
        elif kind == "v":
            self.kernel = text
        elif kind == "t":
            self.taint = int(text)
        elif kind == "k":
            self.leaks.append(text)
        elif kind == "d":
            self.done = True
        return None

    def _begin(self, name, when):
        self.close()
        self.programs.append(Program(name, when, listed=self._listed))
        self._listed = []
        self._ktap = Ktap(name)

    def _end(self, outcome, when):
        self.programs[-1].end = when
        self.programs[-1].outcome = outcome
        self.close()

    def close(self):
        """Judge the program that runs: it has ended, or the guest has."""
        if not self._ktap:
            return
        program, ktap = self.programs[-1], self._ktap
        self._ktap = None
        program.tests = ktap.finish() + list(self._unfinished(program, ktap))

    def _unfinished(self, program, ktap):
        if self._filtered and not program.listed and not ktap.tests:
            return
        outcome = program.outcome or "the guest ended"
        ended = f"{program.name} ended: {outcome}"
        if ktap.bailed:
            ended += f" ({ktap.bailed})"
        reported = {t.name for t in ktap.tests}
        if ktap.skip_all and not ktap.tests and outcome == f"exit {KSFT_SKIP}":
            for name in program.listed or [program.name]:
                yield Test(program.name, name, SKIP, reason=ktap.skip_all)
            return
        if ktap.running:
            name, begin = ktap.running
            reported.add(name)
            yield Test(program.name, name, FAIL, begin, program.end, ended,
                       ktap._diagnostics)
        missing = [n for n in program.listed if n not in reported]
        if not program.listed and ktap.plan:
            absent = ktap.plan - len(reported)
            missing = [f"{program.name} (test {ktap.plan - absent + i + 1} of {ktap.plan})"
                       for i in range(absent)]
        for name in missing:
            yield Test(program.name, name, MISSING, reason=ended)
        failed = any(t.status == FAIL for t in ktap.tests)
        complete = not missing and not ktap.running
        if complete and (ktap.bailed or not _excuses(outcome, failed)):
            yield Test(program.name, f"{program.name} itself", FAIL,
                       program.begin, program.end, ended)
        elif complete and not reported and not ktap.plan:
            yield Test(program.name, f"{program.name} itself", MISSING,
                       reason="it reported no test at all")


def _excuses(outcome, failed):
    """Does the way a program ended agree with what it said?"""
    if outcome in ("exit 0", f"exit {KSFT_SKIP}"):
        return True
    return failed and outcome == "exit 1"
