"""The layers need Keras and NumPy alone: importing them adds nothing to importing Keras."""

import json
import os
import subprocess
import sys

ADDED = """
import json, sys
import keras
before = set(sys.modules)
import freeconv.layers
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""


def test_importing_layers_adds_nothing_to_importing_keras():
    done = subprocess.run([sys.executable, "-c", ADDED], stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    added = set(json.loads(done.stdout.splitlines()[-1]))
    assert added - set(sys.stdlib_module_names) == {"freeconv"}


WITHOUT = "import sys; sys.modules['typer'] = None; sys.argv = ['freeconv', 'train', '{}']; import freeconv.cli"


def test_a_command_without_its_packages_names_the_extra_in_one_line():
    done = subprocess.run([sys.executable, "-c", WITHOUT], stderr=subprocess.PIPE, text=True, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "received no package typer; pip install 'freeconv[train]'" in done.stderr
