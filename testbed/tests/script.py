# SPDX-License-Identifier: GPL-2.0
"""The test bed's scripts as modules."""

import importlib.machinery
import importlib.util
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def load(path):
    """testbed/@path, whatever its name ends in."""
    loader = importlib.machinery.SourceFileLoader(path.replace("/", "_"), str(HERE / path))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
