# SPDX-License-Identifier: GPL-2.0
"""Just enough of QEMU's monitor protocol to look at a machine."""

import json


class QmpError(Exception):
    """QEMU did not do what it was asked to."""


class Qmp:
    def __init__(self, connection):
        self._lines = connection.makefile("rw", encoding="utf-8")
        self._lines.readline()			# the greeting
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self._lines.write(json.dumps(request) + "\n")
        self._lines.flush()
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise QmpError(f"{command}: QEMU is gone")

    def properties(self, path, prefix):
        """{name: value} of an object's properties that begin with @prefix."""
        return {entry["name"]: self.execute("qom-get", path=path, property=entry["name"])
                for entry in self.execute("qom-list", path=path)
                if entry["name"].startswith(prefix)}

    def words(self, address, count, size=8):
        """Physical memory or registers, as numbers of @size bytes."""
        letter = {4: "w", 8: "g"}[size]
        text = self.execute("human-monitor-command",
                            **{"command-line": f"xp /{count}{letter}x {address:#x}"})
        return [int(word, 16) for line in text.splitlines()
                for word in line.partition(":")[2].split()]
