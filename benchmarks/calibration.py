"""How often the verdicts on the paper's claims are wrong, measured in simulated studies and on the authors' own runs.

Writes the table src/freeconv/analysis/calibration.csv, which every study's report repeats (tables/calibration.csv), and
its summary into docs/verdicts.md.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from freeconv.analysis.calibration import (
    VERDICTS,
    Scenario,
    authors_noise,
    cut_short,
    heavy_noise,
    redrawn,
    simulated,
)
from freeconv.study.claims import load_claims

TABLE = Path(__file__).parent.parent / "src" / "freeconv" / "analysis" / "calibration.csv"
PAGE = Path(__file__).parent.parent / "docs" / "verdicts.md"
BEGIN, END = "<!-- calibration -->\n", "<!-- end -->\n"


def summary(made: pd.DataFrame) -> str:
    """Return the table's rows about whole families and redraws, and the worst tested claim, as Markdown."""
    lines = ["| truth | dataset | studies | any wrong verdict | worst claim |", "|---|---|---|---|---|"]
    simulations = made[made["source"] == "simulation"]
    for (truth, dataset), rows in simulations.groupby(["truth", "dataset"], sort=False):
        family = rows["claim"].str.startswith("any of")
        anywhere, worst = float(rows.loc[family, "wrong"].iloc[0]), rows.loc[~family, "wrong"].astype(float).max()
        studies = rows["studies"].iloc[0]
        lines.append(f"| {truth} | {dataset} | {studies} | {100 * anywhere:.1f} % | {100 * worst:.1f} % |")
    redraws = made[made["source"].str.startswith("redraws")]
    lines += ["", "| redraws of five of the authors' runs | draws | misses |", "|---|---|---|"]
    for truth, studies, wrong in zip(redraws["truth"], redraws["studies"], redraws["wrong"], strict=True):
        lines.append(f"| {truth} | {studies} | {100 * float(wrong):.1f} % |")
    authors = made[made["source"] == "the authors' runs"]
    lines += ["", "| the authors' runs, tested claims | verdict |", "|---|---|"]
    tested = {claim.id for claim in load_claims()[0] if "mnist" in claim.primary}
    for row in authors[authors["claim"].isin(tested)].to_dict("records"):
        verdict = next(name for name in VERDICTS if float(row[name]) == 1)
        lines.append(f"| {row['claim']}, {row['truth']} | {verdict} |")
    return "\n".join(lines) + "\n"


def table(studies: int, seed: int = 0) -> pd.DataFrame:
    """Return the table.

    Args:
        studies: how many of each kind.
        seed: of all draws.
    """
    claims, _ = load_claims()
    rng = np.random.default_rng(seed)
    scenarios = [
        Scenario("margin"),
        Scenario("margin", noise=authors_noise(), name="the authors' runs'"),
        Scenario("margin", noise=heavy_noise, name="heavy-tailed"),
        Scenario("one-margin"),
        *(Scenario(truth, effect) for effect in (1, 3, 6) for truth in ("true", "false")),
    ]
    parts = [cut_short(claims), redrawn(studies, rng)]
    for dataset in ("mnist", "cifar10"):
        parts += [simulated(claims, dataset, scenario, studies, rng) for scenario in scenarios]
    return pd.concat([parts[0], *parts[2:], parts[1]], ignore_index=True)


def main() -> None:
    """Write the table, and print what is beyond what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies of each kind")
    made = table(parser.parse_args().studies)
    made.to_csv(TABLE, index=False, float_format="%.4g")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{summary(made)}{END}{rest.partition(END)[2]}", encoding="utf-8")
    allowed = pd.to_numeric(made["allowed"], errors="coerce")
    beyond = made[made["wrong"].astype(float) > allowed]
    print(f"{TABLE}: {len(made)} rows, {len(beyond)} beyond what is allowed")
    if len(beyond):
        print(beyond.to_string())


if __name__ == "__main__":
    main()
