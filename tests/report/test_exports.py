import pandas as pd
import pytest

from freeconv.analysis.paper import COLUMNS
from freeconv.report.exports import as_csv, as_latex, as_markdown

CELLS = pd.DataFrame(
    [
        ("mnist_5k", "translate", 0.2, "fcn", "val_acc", 0.99, 0.98, -0.01, 0.97, 0.99, 5, "1", "100 % & more", 0, 0),
        ("mnist_5k", "translate", 0.2, "cnn", "val_acc", 0.99, *[float("nan")] * 4, 0, "1", "", 0, 0),
    ],
    columns=COLUMNS,
)


def test_latex_names_its_packages_and_escapes_what_it_would_read_as_commands():
    first, *lines = as_latex(CELLS).splitlines()
    assert first == r"% needs \usepackage{booktabs} and \usepackage{graphicx}"
    text = "\n".join(lines)
    assert text.startswith(r"\begin{table}")
    assert r"\toprule" in text  # of booktabs
    assert r"\resizebox{\textwidth}" in text  # of graphicx
    assert r"mnist\_5k" in text
    assert r"100 \% \& more" in text
    assert r"0.9800 $\pm$ 0.0100" in text
    assert text.count("{") == text.count("}")


def test_markdown_has_ours_and_the_papers_in_one_cell():
    assert "| 0.2 | 0.9800 ± 0.0100 (0.9900, −0.0100) | — (0.9900) |" in as_markdown(CELLS)


def test_csv_has_every_column():
    assert as_csv(CELLS).splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize("export", [as_latex, as_markdown])
def test_rows_of_two_tables_are_refused(export):
    with pytest.raises(ValueError, match="one dataset and augmentation"):
        export(pd.concat([CELLS, CELLS.assign(augmentation="noise")]))
