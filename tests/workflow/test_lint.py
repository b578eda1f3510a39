"""Snakemake's lint complains of nothing but rules without a conda environment: requirements.lock is the environment."""

import re
import subprocess


def test_lint():
    done = subprocess.run(["snakemake", "--lint"], capture_output=True, text=True, check=False)
    found = re.findall(r"^ {4}\* (.+?):?$", done.stdout + done.stderr, flags=re.MULTILINE)
    assert set(found) == {"Specify a conda environment or container for each rule."}
