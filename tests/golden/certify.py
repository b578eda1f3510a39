"""Certify a change of numerical code that changes no bit: `make certify OLD=<commit>`.

Computes the numbers of `tests.golden.compute` with the code of the commit and with that of the working tree. If all are
equal bit for bit, each hash of the working tree's code is recorded as equivalent to the commit's, in
src/freeconv/equivalent_code.json: Snakemake then runs none of the jobs again that it stands for.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = ROOT / "src/freeconv/equivalent_code.json"


def main(commit: str) -> None:
    """Compare, and record what is equivalent; end with what differs."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder, "old")
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", str(old), commit], cwd=ROOT, check=True)
        try:
            before, now = computed(old), computed(ROOT)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(old)], cwd=ROOT, check=True)
    record = json.loads(RECORD.read_text())
    for rule, theirs in before["rules"].items():
        ours = now["rules"][rule]
        if ours["numbers"] != theirs["numbers"]:
            names = [name for name in theirs["numbers"] if ours["numbers"].get(name) != theirs["numbers"][name]]
            sys.exit(f"not equivalent: numbers of {rule} differ, as {names[:3]}; nothing was recorded")
        for new, old_hash in zip(ours["code"], theirs["code"], strict=True):
            if new != old_hash:
                record[new] = old_hash
                print(f"{rule}: {new} is equivalent to {old_hash}")
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def computed(folder: Path) -> dict:
    """Return what `tests.golden.compute` prints with the code in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "tests.golden.compute"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{folder}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
