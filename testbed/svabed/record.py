# SPDX-License-Identifier: GPL-2.0
"""Where a result comes from, and how it is kept."""

import datetime
import json
import os
import subprocess

from svabed import guest


def git(*words, tree=guest.TOP):
    done = subprocess.run(["git", "-C", str(tree), *words], text=True,
                          capture_output=True, check=False)
    return done.stdout.strip()


def qemu_version(arch):
    """Empty before there is one."""
    try:
        done = subprocess.run([str(guest.qemu(arch)), "--version"], text=True,
                              capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.partition("\n")[0].removeprefix("QEMU emulator version ")


def origin(arch):
    """What every result says about its making."""
    return {"commit": git("rev-parse", "--short=12", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
            "date": datetime.datetime.now(datetime.timezone.utc)
                    .isoformat(timespec="seconds"),
            "qemu": qemu_version(arch)}


def write(path, text):
    """All of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def write_json(path, data):
    write(path, json.dumps(data, indent=1) + "\n")
