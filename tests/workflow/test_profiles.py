"""The profiles agree: Snakemake reads only one of them."""

import pytest
import yaml

from tests.workflow.project import ROOT

# What says where jobs run.
OWN = {"cores"}


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())


@pytest.mark.parametrize("name", ["slurm"])
def test_repeats_the_default_profile(name):
    default = {key: value for key, value in profile("default").items() if key not in OWN}
    assert {key: profile(name).get(key) for key in default} == default
