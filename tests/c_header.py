"""Compiles programs around a C header that `to_c` wrote; without a compiler the test is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# Reads examples and writes outputs as they lie in memory.
PROGRAM = """
#include <stdio.h>
#include "net.h"
int main(void) {
  REAL x[NET_N_FEATURES], y_hat[NET_N_OUTPUTS];
  while (fread(x, sizeof x, 1, stdin) == 1) {
    net_predict(x, y_hat);
    fwrite(y_hat, sizeof y_hat, 1, stdout);
  }
  return 0;
}
"""


def compiler(*names: str) -> str:
    found = [path for path in map(shutil.which, names) if path]
    return found[0] if found else pytest.skip(f"needs a compiler: {' or '.join(names)}")


def compile_c(folder: Path, source: str, *options: str) -> Path:
    """Compile a C program in a folder; the compiler must have nothing to say."""
    (folder / "main.c").write_text(source)
    cc = compiler(os.environ.get("CC", "cc"), "gcc", "clang")
    command = [cc, *options, *WARNINGS, "main.c", "-o", "main", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return folder / "main"


def run_header(folder: Path, X: np.ndarray[Any, Any], *options: str) -> np.ndarray[Any, Any]:
    """Compute X by the header ``net.h`` of a folder, whose network has the dtype of X."""
    real = "float" if X.dtype == np.float32 else "double"
    program = compile_c(folder, PROGRAM, "-std=c99", f"-DREAL={real}", *options)
    printed = subprocess.run([program], input=X.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(printed, X.dtype).reshape(len(X), -1)
