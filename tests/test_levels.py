"""No level's machine code holds an instruction of a higher one."""

import platform
import re
import shutil
import subprocess

import pytest

import backprop
from backprop import _cpu
from backprop.core import _levels as _dispatch

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the levels are those of x86-64"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump, of the binutils"),
]

# What tells each level's instructions: registers, and names (BMI of v3 works on plain registers).
AVX512 = r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])\b|%k[0-7]\b"
AVX = r"%ymm|\tv[a-z]"
BMI = r"\t(andn|bextr|bls[ir]|blsmsk|bzhi|mulx|pdep|pext|rorx|s[ah]rx|shlx|lzcnt|movbe)[lq]?\b"
SSE4 = r"\t(pshufb|phadd|pblend|blendv?p|ptest|round[ps][sd]|pm(ax|in)[su]d|pmulld|insertps|popcnt)"
HIGHER = {
    "baseline": f"{SSE4}|{AVX}|{BMI}|{AVX512}",
    "x86_64_v2": f"{AVX}|{BMI}|{AVX512}",
    "x86_64_v3": AVX512,
}
# What each is built for: a file without any would prove nothing.
OWN = {
    "x86_64_v2": SSE4,
    "x86_64_v3": "vfmadd[0-9a-z]+ .*%ymm",
    "x86_64_v4": "vfmadd[0-9a-z]+ .*%zmm",
}
BUILT = _dispatch.find_built(backprop.__path__)


def instructions(path):
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listing.splitlines() if ":\t" in line]


def found(pattern, lines):
    return [line for line in lines if re.search(pattern, line)]


@pytest.mark.parametrize("level", BUILT)
def test_a_level_is_made_of_its_own_instructions_and_lower_ones(level):
    lines = instructions(BUILT[level])
    assert len(found(OWN[level], lines)) > 20
    if level in HIGHER:
        assert found(HIGHER[level], lines)[:5] == []


def test_the_module_that_tells_levels_apart_runs_on_any_processor():
    lines = instructions(_cpu.__file__)
    assert len(lines) > 100
    assert found(HIGHER["baseline"], lines)[:5] == []


@pytest.mark.skipif(len(BUILT) < 3, reason="not every level was built")
def test_the_patterns_tell_the_levels_apart():
    v2, v3, v4 = (instructions(BUILT[f"x86_64_v{n}"]) for n in (2, 3, 4))
    for lines in v3, v4:
        assert found(BMI, lines)
        assert found(AVX, lines)
    assert found(AVX512, v4)
    assert found(SSE4, v2)
