# Parameters, checked before anything is planned, and what several rules need.
import os
import sys

from freeconv import layout, runs
from freeconv.code import code_hash
from freeconv.errors import FreeconvError
from freeconv.params import check_params

try:
    PARAMS = check_params(config)
except FreeconvError as error:
    sys.exit(f"freeconv: error: {error}")

if PARAMS.data.mirror:
    # A variable and no rule parameter: the same bytes from elsewhere are no reason to run again.
    os.environ.setdefault("FREECONV_MIRROR", PARAMS.data.mirror)


wildcard_constraints:
    dataset=r"[a-z0-9_-]+",
    network="|".join(PARAMS.train.networks),
    augmentation="none|translate|rotate|noise|edge_noise",
    level=r"0|0\.[0-9]+|[0-9.]+e-[0-9]+",
    copy_index=r"\d+",
    fold=r"\d+",
