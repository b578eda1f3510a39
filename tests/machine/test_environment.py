"""What run files say of the machine."""

from pathlib import Path

import pytest

from freeconv.machine import environment
from freeconv.machine.environment import processor

X86 = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx f16c {}

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fpu sse2 avx f16c {}
"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd {}
"""


@pytest.mark.parametrize(
    ("cpuinfo", "text"),
    [
        (X86.format("", ""), "CPU (AMD EPYC, AVX)"),
        (X86.format("avx2", "avx2"), "CPU (AMD EPYC, AVX2)"),
        (X86.format("avx512f avx2", "avx512f avx2"), "CPU (AMD EPYC, AVX-512)"),
        (X86.format("avx2 avx512f avx512_bf16", "avx2 avx512f avx512_bf16"), "CPU (AMD EPYC, AVX-512, bfloat16)"),
        (X86.format("avx2", "avx2 avx512f"), "CPU (AMD EPYC, AVX2)"),  # the first processor's
        (ARM.format(""), "CPU (aarch64, Neon)"),
        (ARM.format("sve bf16"), "CPU (aarch64, SVE, bfloat16)"),
        (None, "CPU (aarch64)"),
    ],
)
def test_a_processor_is_named_with_its_instructions(monkeypatch, tmp_path, cpuinfo, text):
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)
    monkeypatch.setattr(environment, "Path", lambda path: file if path == "/proc/cpuinfo" else Path(path))
    monkeypatch.setattr(environment.platform, "processor", lambda: "")
    monkeypatch.setattr(environment.platform, "machine", lambda: "aarch64")
    assert processor() == text
