"""Finds the compiled core that was built for the best instruction set this processor has.

An installation carries one complete extension for each level, ``_levels/<level>/_backprop``, so
that code of one level can never run on a processor of another. ``_cpu`` is built for any processor
and tells which levels run on this one.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

_NAME = "backprop._backprop"
_HINT = (
    "did you forget to compile? `pip install .` in the root of the repository builds and installs "
    "it; the folder `python` alone cannot be imported"
)


def find_built(folders: Iterable[str]) -> dict[str, str]:
    """Map each level in the package's folders to the file of its extension."""
    built: dict[str, str] = {}
    for folder in folders:
        root = os.path.join(folder, "_levels")
        for level in sorted(os.listdir(root)) if os.path.isdir(root) else ():
            for suffix in EXTENSION_SUFFIXES:
                path = os.path.join(root, level, "_backprop" + suffix)
                if os.path.exists(path):
                    built.setdefault(level, path)
    return built


def choose_level(supported: Sequence[str], built: Collection[str], forced: str | None) -> str:
    """Choose the last of ``supported`` that was built, or the forced one if it can run.

    Raises
    ------
    ImportError
        If there is none, or ``forced`` is unknown, not built, or not supported.
    """
    usable = [level for level in supported if level in built]
    if not usable:
        raise ImportError(
            f"no compiled core for this processor, which runs {', '.join(supported)}; this "
            f"installation has {', '.join(built) or 'none'}; {_HINT}"
        )
    if not forced:
        return usable[-1]
    level = forced.lower().replace("-", "_")
    if level in usable:
        return level
    if level in built:
        reason = "this processor cannot run it"
    elif level in supported:
        reason = "this installation was built without it"
    else:
        reason = "there is no such level here"
    raise ImportError(
        f"BACKPROP_LEVEL must be one of {', '.join(usable)}, got {forced!r}: {reason}; "
        "unset it to use the best"
    )


def load(folders: Iterable[str], forced: str | None) -> ModuleType:
    """Import the chosen extension as ``backprop._backprop``.

    Raises
    ------
    ImportError
        If it was not compiled, cannot run here, or fails to load.
    """
    try:
        # It is imported by its name, because the statement would count as an import of the whole
        # package, which lies above this room.
        cpu = import_module("backprop._cpu")
    except ImportError as error:
        raise ImportError(f"backprop's compiled core is missing: {error}; {_HINT}") from error
    built = find_built(folders)
    path = built[choose_level(cpu.levels(), built, forced)]
    spec = spec_from_file_location(_NAME, path, loader=ExtensionFileLoader(_NAME, path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
