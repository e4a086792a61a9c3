# SPDX-License-Identifier: GPL-2.0
"""Writes initramfs archives (cpio "newc") with root as owner, without root.

Command line: newc.py OUT SPEC, with a SPEC of lines
    dir PATH
    file PATH SOURCE	mode from SOURCE
    link PATH TARGET
    chardev PATH MAJOR MINOR
"""

import os
import stat
import sys


class Archive:
    def __init__(self):
        self._data = bytearray()
        self._inode = 0

    def _add(self, path, mode, content=b"", device=(0, 0)):
        name = path.strip("/").encode() + b"\0"
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0,
                  *device, len(name), 0)
        self._data += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self._pad()
        self._data += content
        self._pad()

    def _pad(self):
        self._data += bytes(-len(self._data) % 4)

    def dir(self, path):
        self._add(path, stat.S_IFDIR | 0o755)

    def file(self, path, content, mode=0o644):
        self._add(path, stat.S_IFREG | mode, content)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def chardev(self, path, major, minor):
        self._add(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        """The whole archive; several may follow each other in one initrd."""
        whole = Archive()
        whole._data += self._data
        whole._inode = -1
        whole._add("TRAILER!!!", 0)
        return bytes(whole._data)


def from_spec(lines):
    archive = Archive()
    for line in lines:
        kind, path, *rest = line.split()
        if kind == "dir":
            archive.dir(path)
        elif kind == "file":
            with open(rest[0], "rb") as source:
                mode = stat.S_IMODE(os.fstat(source.fileno()).st_mode)
                archive.file(path, source.read(), mode)
        elif kind == "link":
            archive.link(path, rest[0])
        elif kind == "chardev":
            archive.chardev(path, int(rest[0]), int(rest[1]))
        else:
            raise ValueError(f"unknown entry: {line}")
    return archive.bytes()


def main(out, spec):
    with open(spec, encoding="utf-8") as lines:
        data = from_spec(line for line in lines if line.strip())
    with open(out + ".new", "wb") as target:
        target.write(data)
    os.replace(out + ".new", out)


if __name__ == "__main__":
    main(*sys.argv[1:])
