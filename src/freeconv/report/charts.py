"""Charts to touch: tables as Vega-Lite specifications, for pages that hold all they need.

Colours are CSS variables of `colors`, so charts follow the page. What a reader can switch is in `usermeta`, from which
templates/charts.js makes labelled controls and the table beside each chart.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.augmentations import AUGMENTATIONS
from freeconv.report.colors import (
    BAND,
    CONTRADICTED,
    GRID,
    SOFT,
    SUPPORTED,
    TEXT,
    level_colors,
    variable,
)
from freeconv.report.distance_rows import independent
from freeconv.report.html_tables import VERDICTS
from freeconv.report.panels import MEASURE_TITLES, layer_title, network_color, one_line
from freeconv.report.thinning import thinned
from freeconv.report.titles import metric_title, network_title
from freeconv.vocabulary import level_text

Spec = dict[str, Any]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HEIGHT = 340  # pixels
FEW_EPOCHS = 12  # whose dots are told apart
PALE = 0.7  # opacity of lines behind the chosen ones
OURS, PAPER = "this study", "the paper"
EPOCH = "Epoch"

# The accuracies of the paper's tables, in their order, and first the one that its question is about.
METRICS = ("translate_acc", "val_acc", "train_acc")

# Columns of numbers in the tables of specifications.
NUMBERS = ("accuracy", "distance", "epoch", "high", "level", "low", "ours", "paper", "radius", "value")


@cache
def bundle() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed, of the versions that Altair writes for.

    It makes `vegaEmbed` known to the page.
    """
    import vl_convert  # takes a while, and the static figures need none of it

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", ".".join(alt.SCHEMA_VERSION.split(".")[:2]))


def answer(
    compared: pd.DataFrame,
    networks: Sequence[str],
    augmentation: str,
    metric: str = "translate_acc",
    chance: float | None = None,
) -> Spec:
    """Return accuracy against the level of training, ours with intervals and the paper's beside it.

    Args:
        compared: rows of `paper.compare` of one dataset and augmentation.
        networks: those shown.
        augmentation: which one the levels are of.
        metric: the accuracy.
        chance: the accuracy of guessing, in [0, 1].
    """
    rows = compared[compared["network"].isin(networks) & (compared["metric"] == metric)]
    labels = {"level": rows["level"], "network": rows["network"].map(network_title)}
    ours = pd.DataFrame({**labels, "source": OURS, **{to: 100 * rows[of] for to, of in OF_OURS.items()}})
    theirs = pd.DataFrame({**labels, "source": PAPER, "accuracy": 100 * rows["paper"], "runs": ""})
    table = pd.concat([ours, theirs]).dropna(subset="accuracy")
    names, colors = _networks(networks)
    shown = "indexof(networks, datum.network) >= 0 && (paper || datum.source === '" + OURS + "')"
    base = alt.Chart(_data("rows")).transform_filter(shown)
    x = alt.X("level:Q", title=one_line(AUGMENTATIONS[augmentation].level_title), axis=alt.Axis(tickMinStep=0.1))
    y = alt.Y("accuracy:Q", title=f"{metric_title(metric)} accuracy (%)", scale=alt.Scale(zero=False))
    color = alt.Color("network:N", scale=alt.Scale(domain=names, range=colors), legend=None)
    sources = [OURS, PAPER]
    dash = alt.StrokeDash("source:N", scale=alt.Scale(domain=sources, range=[[1, 0], [4, 3]]), legend=None)
    shape = alt.Shape("source:N", scale=alt.Scale(domain=sources, range=["circle", "diamond"]), legend=None)
    tips = [
        *(alt.Tooltip("network:N", title="Network"), alt.Tooltip("source:N", title="From")),
        alt.Tooltip("level:Q", title="Level"),
        *_numbers(("accuracy", "Accuracy (%)"), ("low", "from"), ("high", "to")),
        alt.Tooltip("runs:N", title="Runs"),
    ]
    nearest = alt.selection_point(name="nearest", on="pointerover", nearest=True, empty=False, clear="pointerout")
    guess, guess_params, guess_controls, guess_table = _chance(chance, True)
    layers = [
        *guess,
        base.mark_area(opacity=0.18).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color).transform_filter(OURS_ONLY),
        base.mark_rule(strokeWidth=1.5).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color).transform_filter(OURS_ONLY),
        base.mark_line(strokeWidth=2).encode(x, y, color, strokeDash=dash, detail="source:N"),
        base.mark_point(filled=True, opacity=1)
        .encode(x, y, color, shape=shape, size=alt.condition(nearest, alt.value(150), alt.value(60)), tooltip=tips)
        .add_params(nearest),
    ]
    params = [alt.param("networks", value=names), alt.param("paper", value=True)]
    controls = [_choices("networks", "Networks", names, colors), _switch("paper", "The paper's values (dashed)", True)]
    columns = [("network", "Network"), ("source", "From"), ("level", "Level"), *ACCURACY_COLUMNS, ("runs", "Runs")]
    tables = {"rows": table, **guess_table}
    return _spec(layers, tables, [*params, *guess_params], [*controls, *guess_controls], columns)


OF_OURS = {"accuracy": "ours", "low": "low", "high": "high", "runs": "runs"}
OURS_ONLY = f"datum.source === '{OURS}' && isValid(datum.low)"
ACCURACY_COLUMNS = [("accuracy", "Accuracy (%)"), ("low", "From (%)"), ("high", "To (%)")]


def accuracy_by_epoch(
    curves: pd.DataFrame,
    networks: Sequence[str],
    levels: Sequence[float],
    augmentation: str,
    authors: pd.DataFrame | None = None,
    chance: float | None = None,
) -> Spec:
    """Return accuracy by epoch: networks at one level over each other, the other levels pale behind them.

    Args:
        curves: rows of `medians.accuracy_by_epoch` of one dataset and augmentation; of many epochs some are shown.
        networks: those shown.
        levels: those to choose from.
        augmentation: which one the levels are of.
        authors: between which values the authors' runs at level 0 lie (`authors.authors_envelope`), if the dataset
            stands beside theirs.
        chance: the accuracy of guessing, in [0, 1].
    """
    metrics = [metric for metric in METRICS if metric in set(curves["metric"])]
    kept = curves["network"].isin(networks) & curves["level"].isin(levels) & curves["metric"].isin(metrics)
    rows = thinned(curves[kept])
    table = _accuracies(rows, "mean").assign(level=rows["level"])
    names, colors = _networks(networks)
    shown = "indexof(networks, datum.network) >= 0 && datum.metric === metric"
    base = alt.Chart(_data("rows")).transform_filter(shown)
    chosen = base.transform_filter("datum.level === level")
    x = alt.X("epoch:Q", title=EPOCH, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False))
    y = alt.Y("accuracy:Q", title="Accuracy (%)", scale=alt.Scale(zero=False))
    color = alt.Color("network:N", scale=alt.Scale(domain=names, range=colors), legend=None)
    nearest = alt.selection_point(name="nearest", on="pointerover", nearest=True, empty=False, clear="pointerout")
    tips = [
        alt.Tooltip("network:N", title="Network"),
        alt.Tooltip("level:Q", title="Level"),
        alt.Tooltip("epoch:Q", title=EPOCH),
        *_numbers(("accuracy", "Accuracy (%)"), ("low", "from"), ("high", "to")),
    ]
    guess, guess_params, guess_controls, guess_table = _chance(chance, False)
    layers: list[Any] = [*guess]
    tables = {"rows": table, **guess_table}
    params = [
        alt.param("networks", value=names),
        alt.param("metric", value=metric_title(metrics[0]) if metrics else ""),
    ]
    params.append(alt.param("level", value=max(levels)))
    controls = [
        _slider("level", "Level", sorted(levels), max(levels)),
        _select("metric", "Accuracy", [metric_title(metric) for metric in metrics]),
        _choices("networks", "Networks", names, colors),
    ]
    if authors is not None and 0 in levels and len(table):
        theirs = authors[authors["network"].isin(networks) & authors["metric"].isin(metrics)]
        theirs = thinned(theirs[theirs["epoch"] <= rows["epoch"].max()])
        tables["authors"] = _accuracies(theirs.rename(columns={"lowest": "low", "highest": "high"}), "median")
        band = alt.Chart(_data("authors")).transform_filter(f"{shown} && authors && level === 0")
        layers.append(band.mark_area(opacity=0.3).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color))
        params.append(alt.param("authors", value=True))
        controls.append(_switch("authors", "The authors' runs (band, level 0)", True))
    layers += [
        base.mark_line(strokeWidth=0.8, opacity=PALE).encode(x, y, color, detail="level:N"),
        chosen.mark_area(opacity=0.2).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color),
        chosen.mark_line(strokeWidth=2.5).encode(x, y, color),
        chosen.mark_point(filled=True, opacity=1)
        .encode(x, y, color, size=alt.condition(nearest, alt.value(120), alt.value(_dot(rows))), tooltip=tips)
        .add_params(nearest),
    ]
    columns = [("metric", "Images"), ("network", "Network"), ("level", "Level"), ("epoch", EPOCH), *ACCURACY_COLUMNS]
    return _spec(layers, tables, [*params, *guess_params], [*controls, *guess_controls], columns)


def distance(
    distances: pd.DataFrame,
    levels: Sequence[float],
    augmentation: str,
    positions: Mapping[str, int],
    authors: pd.DataFrame | None = None,
) -> Spec:
    """Return kernel distance by epoch, all radii in one panel, as per cent of that of independent kernels.

    Args:
        distances: rows of `distance_rows.in_percent` of one dataset and augmentation; of many epochs some are shown.
        levels: those to choose from.
        augmentation: which one the levels are of.
        positions: layer to its number of positions, for the authors' runs.
        authors: as for `accuracy_by_epoch`.
    """
    rows = thinned(distances[distances["level"].isin(levels)])
    table = pd.DataFrame({"panel": _panels(rows), **rows[["level", "radius", "epoch", "distance", "low", "high"]]})
    panels, radii = list(dict.fromkeys(table["panel"])), [int(radius) for radius in sorted(set(table["radius"]))]
    ordered = sorted(set(table["level"]))
    colors = [variable(color) for color in level_colors(ordered).values()]
    shown = "datum.panel === panel && indexof(radii, datum.radius) >= 0"
    base = alt.Chart(_data("rows")).transform_filter(shown)
    chosen = base.transform_filter("datum.level === level")
    x = alt.X("epoch:Q", title=f"{EPOCH} (0: untrained)", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False))
    y = alt.Y("distance:Q", title="Distance (% of independent kernels)", scale=alt.Scale(zero=False))
    color = alt.Color("level:N", scale=alt.Scale(domain=ordered, range=colors), legend=None)
    dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
    dash_scale = alt.Scale(domain=radii, range=[dashes[number % len(dashes)] for number in range(len(radii))])
    dash = alt.StrokeDash("radius:N", scale=dash_scale, legend=None)
    nearest = alt.selection_point(name="nearest", on="pointerover", nearest=True, empty=False, clear="pointerout")
    tips = [
        alt.Tooltip("level:Q", title="Level"),
        alt.Tooltip("radius:Q", title="Radius"),
        alt.Tooltip("epoch:Q", title=EPOCH),
        *_numbers(("distance", "Distance (%)"), ("low", "from"), ("high", "to")),
    ]
    layers: list[Any] = [
        alt.Chart(_data("independent")).mark_rule(strokeDash=[4, 3], color=variable(SOFT[0])).encode(alt.Y("value:Q")),
        base.mark_line(strokeWidth=0.8, opacity=PALE).encode(x, y, color, strokeDash=dash, detail="level:N"),
        chosen.mark_area(opacity=0.2).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), color, detail="radius:N"),
        chosen.mark_line(strokeWidth=3).encode(x, y, color, strokeDash=dash),
        chosen.mark_point(filled=True, opacity=1)
        .encode(x, y, color, size=alt.condition(nearest, alt.value(120), alt.value(_dot(rows))), tooltip=tips)
        .add_params(nearest),
    ]
    tables = {"rows": table, "independent": pd.DataFrame({"value": [100]})}
    top = ordered[-1] if ordered else 0
    params = [alt.param("panel", value=panels[0] if panels else ""), alt.param("radii", value=radii)]
    params.append(alt.param("level", value=top))
    controls = [
        _slider("level", "Level", ordered, top),
        *([_select("panel", "Layer and measure", panels)] if len(panels) > 1 else []),
        _choices("radii", "Radius", radii, [variable(TEXT[0])] * len(radii), dashes),
    ]
    if authors is not None and 0 in ordered:
        tables["authors"] = _authors_distances(rows, authors, positions)
        band = alt.Chart(_data("authors")).transform_filter(f"{shown} && authors && level === 0")
        fill = band.mark_area(opacity=0.6, color=variable(BAND[0]))
        layers.insert(0, fill.encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), detail="radius:N"))
        params.append(alt.param("authors", value=True))
        controls.append(_switch("authors", "The authors' runs (band, level 0)", True))
    columns = [("panel", "Layer, measure"), ("radius", "Radius"), ("level", "Level"), ("epoch", EPOCH)]
    columns += [("distance", "Distance (%)"), ("low", "From (%)"), ("high", "To (%)")]
    return _spec(layers, tables, params, controls, columns)


def _panels(rows: pd.DataFrame) -> pd.Series:
    """Return which panel each row of distances belongs to, in words."""
    return rows["layer"].map(layer_title) + ", " + rows["measure"].map(MEASURE_TITLES)


def _authors_distances(rows: pd.DataFrame, authors: pd.DataFrame, positions: Mapping[str, int]) -> pd.DataFrame:
    """Return between which distances the authors' runs lie, for the panels of the first layer."""
    found = []
    first = rows[rows["layer"].str.endswith("_1")][["layer", "measure", "radius"]].drop_duplicates()
    keys: Iterable[Any] = first.itertuples(index=False)
    for layer, measure, radius in keys:
        theirs = authors[(authors["network"] == "fcn") & (authors["metric"] == distance_key(radius, measure))]
        theirs = thinned(theirs[theirs["epoch"] <= rows["epoch"].max()])
        theirs = theirs.assign(layer=layer, measure=measure, radius=radius)
        scale = 100 / independent(theirs, positions)
        numbers = {"low": theirs["lowest"] * scale, "high": theirs["highest"] * scale}
        found.append(pd.DataFrame({"panel": _panels(theirs), "radius": radius, "epoch": theirs["epoch"], **numbers}))
    return pd.concat(found) if found else pd.DataFrame(columns=["panel", "radius", "epoch", "low", "high"])


def forest(rows: pd.DataFrame) -> Spec:
    """Return a forest plot of the paper's claims: ours with interval, the paper's value, and the verdict.

    Only decisions are in colour.

    Args:
        rows: as `forest_rows.forest_rows` returns them.
    """
    table = rows.assign(claim=rows["id"] + "|" + rows["mark"] + " " + rows["verdict"])
    verdicts = list(VERDICTS)
    colors = [variable({"supported": SUPPORTED, "contradicted": CONTRADICTED}.get(name, SOFT)[0]) for name in verdicts]
    color = alt.Color("verdict:N", scale=alt.Scale(domain=verdicts, range=colors), legend=None)
    base = alt.Chart(_data("rows")).transform_filter("indexof(kinds, datum.kind) >= 0")
    # a claim's name, and its verdict below it
    axis = alt.Axis(
        labelExpr="split(datum.label, '|')", labelLimit=190, labelBaseline="middle", ticks=False, domain=False
    )
    y = alt.Y("claim:N", sort=list(table["claim"]), title=None, axis=axis)
    x = alt.X("ours:Q", title="Difference (accuracy: points; distance: % of independent kernels)")
    tips = [
        alt.Tooltip("statement:N", title="Claim"),
        alt.Tooltip("verdict:N", title="Verdict"),
        *_numbers(("ours", "Ours"), ("low", "from"), ("high", "to"), ("paper", "The paper")),
        alt.Tooltip("reason:N", title="Because"),
    ]
    has_ours, has_paper = "isValid(datum.ours)", "paper && isValid(datum.paper)"
    layers = [
        alt.Chart(_data("zero")).mark_rule(color=variable(SOFT[0])).encode(alt.X("value:Q")),
        base.mark_rule(strokeWidth=2.5)
        .encode(alt.X("low:Q"), y, color, x2="high:Q")
        .transform_filter("isValid(datum.low)"),
        base.mark_point(shape="diamond", size=80, strokeWidth=1.5, color=variable(TEXT[0]))
        .encode(alt.X("paper:Q"), y, tooltip=tips)
        .transform_filter(has_paper),
        base.mark_point(filled=True, size=70, opacity=1).encode(x, y, color, tooltip=tips).transform_filter(has_ours),
    ]
    kinds = list(dict.fromkeys(table["kind"]))
    params = [alt.param("paper", value=True), alt.param("kinds", value=kinds[:1])]
    controls = [
        *([_choices("kinds", "Claims", kinds, [], on=kinds[:1])] if len(kinds) > 1 else []),
        _switch("paper", "The paper's values (diamonds)", True),
    ]
    columns = [("id", "Claim"), ("verdict", "Verdict"), ("ours", "Ours"), ("low", "From"), ("high", "To")]
    columns += [("paper", "Paper"), ("kind", "Kind")]
    tables = {"rows": table, "zero": pd.DataFrame({"value": [0]})}
    return _spec(layers, tables, params, controls, columns, height={"step": 34})


def _accuracies(rows: pd.DataFrame, mean: str) -> pd.DataFrame:
    """Return accuracies as per cent, metrics and networks by their titles."""
    return pd.DataFrame(
        {
            "metric": rows["metric"].map(metric_title),
            "network": rows["network"].map(network_title),
            "epoch": rows["epoch"],
            **{to: 100 * rows[of] for to, of in (("accuracy", mean), ("low", "low"), ("high", "high"))},
        }
    )


def _networks(networks: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return titles and colours of networks."""
    return [network_title(name) for name in networks], [variable(network_color(name)) for name in networks]


def _dot(rows: pd.DataFrame) -> int:
    """Return the size of dots on lines by epoch: of long ones none are seen, they would hide how lines are dashed."""
    return 14 if rows["epoch"].nunique() <= FEW_EPOCHS else 0


def _numbers(*columns: tuple[str, str]) -> list[alt.Tooltip]:
    """Return tooltips of numbers with two decimals."""
    return [alt.Tooltip(f"{name}:Q", title=title, format=".2f") for name, title in columns]


def _chance(chance: float | None, shown: bool) -> tuple[list[Any], list[Any], list[Spec], dict[str, pd.DataFrame]]:
    """Return the line of guessing: its layers, parameter, control and table; of no such accuracy none."""
    if chance is None:
        return [], [], [], {}
    line = alt.Chart(_data("chance")).transform_filter("chance")
    rule = line.mark_rule(strokeDash=[4, 3], color=variable(SOFT[0])).encode(alt.Y("value:Q"))
    text = line.mark_text(align="left", dx=4, dy=-6, color=variable(SOFT[0]))
    layers = [rule, text.encode(alt.Y("value:Q"), x=alt.value(0), text=alt.value("chance"))]
    table = pd.DataFrame({"value": [100 * chance]})
    return layers, [alt.param("chance", value=shown)], [_switch("chance", "Chance", shown)], {"chance": table}


def _slider(signal: str, label: str, values: Sequence[float], chosen: float) -> Spec:
    """Return a slider over values, which need not lie at equal distances."""
    texts = [level_text(value) for value in values]
    return {
        "kind": "slider",
        "signal": signal,
        "label": label,
        "values": list(values),
        "texts": texts,
        "chosen": chosen,
    }


def _select(signal: str, label: str, values: Sequence[str]) -> Spec:
    """Return a choice of one of several; the first is chosen."""
    return {"kind": "select", "signal": signal, "label": label, "values": list(values)}


def _choices(
    signal: str,
    label: str,
    values: Sequence[Any],
    colors: Sequence[str],
    dashes: Sequence[Sequence[int]] = (),
    on: Sequence[Any] | None = None,
) -> Spec:
    """Return a legend whose entries can be switched; all are on if nothing else is said."""
    entries: Spec = {"kind": "choices", "signal": signal, "label": label, "values": list(values)}
    entries |= {"colors": list(colors), "on": list(values if on is None else on)}
    return {**entries, "dashes": list(dashes[: len(values)])} if dashes else entries


def _switch(signal: str, label: str, on: bool) -> Spec:
    """Return a switch."""
    return {"kind": "switch", "signal": signal, "label": label, "on": on}


def _data(name: str) -> alt.NamedData:
    """Return one of a specification's tables, which are CSV, far shorter than JSON; only numbers are parsed."""
    parse = dict.fromkeys(NUMBERS, "number")
    return alt.NamedData(name=name, format=alt.CsvDataFormat(type="csv", parse=alt.Parse(**parse)))


def _spec(
    layers: Sequence[Any],
    tables: Mapping[str, pd.DataFrame],
    params: Sequence[Any],
    controls: Sequence[Spec],
    columns: Sequence[tuple[str, str]],
    height: Any = HEIGHT,
) -> Spec:
    """Return a specification as wide as the page lets it be.

    Args:
        layers: charts, the first at the back.
        tables: name to data of the layers.
        params: what can be switched, with its first value.
        controls: what switches it.
        columns: names and titles of the columns of `rows` for those who read the table instead.
        height: in pixels, or of each row.
    """
    chart = alt.layer(*layers).properties(width="container", height=height, autosize=AUTOSIZE).add_params(*params)
    spec = chart.to_dict()
    spec["datasets"] = {name: table.to_csv(index=False, float_format="%.5g") for name, table in tables.items()}
    spec["config"] = CONFIG
    spec["usermeta"] = {"controls": list(controls), "columns": [list(column) for column in columns]}
    return spec


AUTOSIZE = alt.AutoSizeParams(type="fit-x", contains="padding")

CONFIG: Spec = {
    "background": None,
    "font": FONT,
    "aria": False,  # the page's figure has the name, and the table the numbers
    "view": {"stroke": None},
    "axis": {
        "labelColor": variable(SOFT[0]),
        "titleColor": variable(TEXT[0]),
        "gridColor": variable(GRID[0]),
        "domainColor": variable(SOFT[0]),
        "tickColor": variable(SOFT[0]),
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "text": {"color": variable(TEXT[0]), "fontSize": 12},
}
