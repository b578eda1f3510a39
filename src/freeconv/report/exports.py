"""Tables in the paper's arrangement, for other papers and pages: CSV, Markdown, LaTeX."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from freeconv.report.titles import metric_title, network_title
from freeconv.vocabulary import level_text

# Characters that LaTeX reads as commands, and those that pdfLaTeX has no glyph for.
LATEX = str.maketrans(
    {
        **{character: "\\" + character for character in "%_&#$"},
        "±": r"$\pm$",
        "−": "$-$",
        "—": "---",
        "…": r"\dots{}",
    }
)


# What the tables need in the preamble of a paper.
PACKAGES = "% needs \\usepackage{booktabs} and \\usepackage{graphicx}\n"


def as_csv(cells: pd.DataFrame) -> str:
    """Return rows of `paper.compare` as CSV, numbers with 6 significant digits."""
    return cells.to_csv(index=False, float_format="%.6g")


def as_markdown(cells: pd.DataFrame) -> str:
    """Return one table in the paper's arrangement as Markdown, its caption above it.

    Args:
        cells: rows of `paper.compare` of one dataset and augmentation.

    Raises:
        ValueError: there are rows of other datasets or augmentations, or none.
    """
    caption, table = _caption(cells), _arranged(cells, _cell_text)
    lines = [["level", *(" ".join(column) for column in table.columns)], ["---"] * (1 + table.shape[1])]
    lines += [[str(level), *row] for level, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join([caption, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def as_latex(cells: pd.DataFrame) -> str:
    """Return one table in the paper's arrangement as LaTeX, scaled to the text's width.

    Two lines a level, ours above the paper's. The packages that it needs are named in its first line.

    Args:
        cells: rows of `paper.compare` of one dataset and augmentation.

    Raises:
        ValueError: there are rows of other datasets or augmentations, or none.
    """
    caption = _caption(cells)
    table = pd.concat({"ours": _arranged(cells, _ours_text), "paper": _arranged(cells, _paper_text)})
    table = table.swaplevel().sort_index(level=0, sort_remaining=False, key=lambda levels: levels.astype(float))
    table = table.map(lambda text: text.translate(LATEX))
    dataset, augmentation = cells[["dataset", "augmentation"]].iloc[0]
    text = table.to_latex(
        caption=caption.translate(LATEX),
        label=f"tab:{dataset}-{augmentation}".replace("_", "-"),
        column_format="l" * (2 + table.shape[1]),
        multicolumn_format="c",
        multirow=False,
        escape=False,
    )
    text = PACKAGES + text.replace(r"\begin{tabular}", "\\resizebox{\\textwidth}{!}{%\n\\begin{tabular}")
    return text.replace(r"\end{tabular}", r"\end{tabular}}")


def _arranged(cells: pd.DataFrame, text: Callable[[Any], str]) -> pd.DataFrame:
    """Return texts of cells: a row per level, columns (metric, network)."""
    shown: Iterator[Any] = cells.itertuples(index=False)
    texts = {(level_text(row.level), metric_title(row.metric), network_title(row.network)): text(row) for row in shown}
    levels, metrics, networks = (list(dict.fromkeys(key[part] for key in texts)) for part in range(3))
    columns = pd.MultiIndex.from_product([metrics, networks])
    rows = [[texts.get((level, *column), "—") for column in columns] for level in levels]
    return pd.DataFrame(rows, index=levels, columns=columns)


def _cell_text(row: Any) -> str:
    """Return one cell as text: `0.9821 ± 0.0040 (0.9901, −0.0080)`, what is missing left out; ours as a dash."""
    paper = _paper_text(row).replace(" (", ", ").removesuffix(")")
    return f"{_ours_text(row)} ({paper})" if paper != "—" else _ours_text(row)


def _ours_text(row: Any) -> str:
    """Return our median as text: `0.9821 ± 0.0040`, a dash if it is missing."""
    text = "—" if np.isnan(row.ours) else f"{row.ours:.4f}"
    return text if np.isnan(row.high) else f"{text} ± {max(row.ours - row.low, row.high - row.ours):.4f}"


def _paper_text(row: Any) -> str:
    """Return the paper's median and how far ours is from it as text: `0.9901 (−0.0080)`, a dash if it is missing."""
    if np.isnan(row.paper):
        return "—"
    difference = "" if np.isnan(row.ours) else f" ({row.difference:+.4f})".replace("-", "−")
    return f"{row.paper:.4f}{difference}"


def _caption(cells: pd.DataFrame) -> str:
    """Return what a table shows and under which protocol; refuse rows of more than one table."""
    titles = cells[["dataset", "augmentation"]].drop_duplicates()
    if len(titles) != 1:
        raise ValueError(
            "`cells` must be rows of one dataset and augmentation. "
            f"Received: {[tuple(title) for title in titles.to_numpy()]}"
        )
    dataset, augmentation = titles.iloc[0]
    text = f"{dataset}, {augmentation}: median accuracy ± half of its 95 % interval over folds"
    tables = [table for table in cells["table"].unique() if table]
    if tables:
        text += f" (Ott et al. 2019, Table {tables[0]}, and the difference)"
    text += "; — is missing."
    if tables:
        text += f" Protocol: {cells['protocol'].iloc[0] or 'as in the paper'}."
    return text
