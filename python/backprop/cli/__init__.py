"""``backprop COMMAND``: run a command, turn what goes wrong into one line and an exit code.

0 is success, 1 a failure (a failed check included), 2 wrong usage, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from backprop.cli._commands import COMMANDS, build_parser
from backprop.cli._output import any_encoding, short_warnings

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is returned, but 2 for wrong usage is a SystemExit."""
    with any_encoding():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.version:
        import backprop

        print(f"backprop {backprop.__version__}")
        return 0
    if args.command is None:
        parser.error(f"a command is required: one of {', '.join(COMMANDS)}")
    command = COMMANDS[args.command]
    try:
        if getattr(args, "config", None) is not None:
            from backprop.cli._options import read

            # The command line is parsed once more: what it does not say comes from the file now.
            defaults = {args.command: read(args.config, command)}
            args = build_parser(defaults).parse_args(argv)
        if len(getattr(args, "data", ())) > 2:
            parser.error(f"DATA must be one source, or X.npy and y.npy, got {len(args.data)}")
        if args.command == "train" and not args.data:
            parser.error("the following arguments are required: DATA")
        module = import_module(f"backprop.cli.{command.module}")
        with short_warnings(args.command):
            code: int = getattr(module, command.function)(args)
        # That a reader has gone away (`| head`) shows when the last of the output is written.
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _fail(args.command, "interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        ValueError,
        TypeError,
        OSError,
        ImportError,
        RuntimeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        return _fail(args.command, _message(error), 1)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fspath(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__


def _fail(command: str, message: str, code: int) -> int:
    print(f"backprop {command}: error: {' '.join(message.split())}", file=sys.stderr)
    return code
