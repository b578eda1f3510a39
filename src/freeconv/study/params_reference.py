"""The reference of all parameters: JSON schema and Markdown page."""

from typing import Any

import yaml

from freeconv.study.params import params_model


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of `params.yaml`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **params_model().model_json_schema()}


def reference() -> str:
    """Return the reference page of all parameters, as Markdown."""
    schema = json_schema()
    lines = [
        "# Parameters",
        "",
        "`params.yaml` is what a user edits; every key has a default. Generated from `src/freeconv/study/params.py` by",
        "`freeconv params --write-docs`; do not edit by hand.",
        "",
        "A parameter file has `seed` and every section, if only as `vcp: {}`; a key that it lacks takes its default.",
        "How it is read, and what is refused: [One reading](snakemake-and-dvc.md#one-reading-of-parameters).",
        "",
    ]
    lines += ["| key | type and range | default | meaning |", "|---|---|---|---|"]
    lines += _rows(schema, schema, "", params_model()().model_dump(mode="json"))
    for section, override in (("train", "TrainOverride"), ("search", "SearchOverride")):
        lines += [
            "",
            f"`{section}.overrides.<dataset>` holds any of:",
            "",
            "| key | type and range | meaning |",
            "|---|---|---|",
        ]
        for key, value in schema["$defs"][override]["properties"].items():
            lines.append(f"| `{key}` | {_type(value, schema)} | {value['description']} |")
    return "\n".join(lines) + "\n"


def _rows(node: dict[str, Any], schema: dict[str, Any], prefix: str, defaults: dict[str, Any]) -> list[str]:
    """Return the table rows of the keys below one object of the schema."""
    rows = []
    for key, value in node["properties"].items():
        name = f"{prefix}{key}"
        target = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2])
        if target:
            rows.append(f"| **`{name}`** | section | | {' '.join(target['description'].split())} |")
            rows += _rows(target, schema, f"{name}.", defaults[key])
        else:
            default = yaml.safe_dump(defaults[key], default_flow_style=True, width=200).removesuffix("\n...\n").strip()
            rows.append(f"| `{name}` | {_type(value, schema)} | `{default}` | {value.get('description', '')} |")
    return rows


def _type(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return type and range of one key of the schema in words."""
    if "anyOf" in value:
        return " or ".join(_type(option, schema) for option in value["anyOf"])
    if "$ref" in value:
        return _type(schema["$defs"][value["$ref"].rpartition("/")[2]], schema)
    if "enum" in value:
        return " \\| ".join(f"`{option}`" for option in value["enum"])
    if value.get("type") == "array":
        return f"list of {_type(value['items'], schema)}"
    if value.get("type") == "object":
        return "mapping"
    bounds = [
        f"{sign} {value[key]}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in value
    ]
    return " ".join([value.get("type", "any"), *bounds])
