"""Snakemake's logger plugin of this name (`--logger freeconv`, set in the profiles): the view of a run in the terminal.

Snakemake finds plugins by the names of installed top-level packages; the code is in `freeconv.terminal`.
"""

from freeconv.terminal.snakemake_logger import LogHandler

__all__ = ["LogHandler"]
