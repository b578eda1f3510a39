"""A recording of the live view, as docs/images/live-view.svg: `python benchmarks/recording.py FOLDER` while it runs.

The frames are those of `freeconv watch` in the folder of a study, one each few seconds until its Snakemake has ended;
the picture shows some of them in turn.
"""

import argparse
import io
import os
import re
import time
from pathlib import Path

from freeconv.study.params import load_params
from freeconv.terminal.stored import study_state
from freeconv.terminal.view import SteadyConsole, View

PICTURE = Path(__file__).resolve().parent.parent / "docs/images/live-view.svg"
WIDTH, HEIGHT = 100, 11
SHOWN = 8  # frames in the picture
SECONDS = 1.5  # that each is shown


def main() -> None:
    """Record until the run has ended, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a study whose Snakemake is at work")
    parser.add_argument("--every", type=float, default=3.0, help="seconds from one frame to the next")
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    params, frames = load_params("params.yaml"), []
    while (state := study_state(params)).live:
        frames.append(frame(View(state.phases, state.jobs), len(frames)))
        time.sleep(arguments.every)
    frames.append(frame(View(state.phases, state.jobs), len(frames)))
    chosen = [frames[round(index * (len(frames) - 1) / (SHOWN - 1))] for index in range(SHOWN)]
    PICTURE.write_text(animated(list(dict.fromkeys(chosen))))
    print(f"{PICTURE}: {len(chosen)} of {len(frames)} frames")


def frame(view: View, number: int) -> str:
    """Return the view as an SVG of its own."""
    console = SteadyConsole(
        file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT + 3, force_terminal=True, legacy_windows=False
    )
    console.print(view)
    console.print("\n" * max(HEIGHT - console.export_text(clear=False).count("\n"), 0), end="")
    text = console.export_svg(title="snakemake", unique_id=f"frame-{number}")
    return re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL)  # fonts of another host


def animated(frames: list[str]) -> str:
    """Return SVGs of one size as one that shows them in turn."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', frames[0])
    total = len(frames) * SECONDS
    shown, still = 100 / len(frames), len(frames) // 3  # the frame that is seen where nothing is animated
    style = f"@keyframes turn {{ 0%, {shown:.3f}% {{ opacity: 1 }} {shown + 0.001:.3f}%, 100% {{ opacity: 0 }} }}"
    groups = [
        f'<g style="opacity: {int(index == still)}; animation: turn {total}s {begin}s infinite">{text}</g>'
        for index, text in enumerate(frames)
        for begin in [SECONDS * index - total]
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[1]} {size[2]}" role="img" '
        f'aria-label="The live view of a study in a terminal"><style>{style}</style>{"".join(groups)}</svg>\n'
    )


if __name__ == "__main__":
    main()
