"""How to cite a study: BibTeX of the project's CITATION.cff."""

from collections.abc import Mapping
from typing import Any


def bibtex(citation: Mapping[str, Any], commit: str, date: str) -> str:
    """Return the software and the works that it refers to as BibTeX.

    Args:
        citation: content of a CITATION.cff file.
        commit: of the study; empty if it is not known.
        date: of the report, as 2026-11-28.
    """
    note = f"commit {commit}, report of {date}" if commit else f"report of {date}"
    software = {
        "author": _authors(citation.get("authors", [])),
        "title": citation.get("title", ""),
        "version": citation.get("version", ""),
        "year": date[:4],
        "note": note,
    }
    works = [_entry("software", _key(software["author"], citation.get("title", ""), date[:4]), software)]
    for work in citation.get("references", []):
        fields = {"author": _authors(work.get("authors", []))}
        fields |= {name: work.get(name, "") for name in ("title", "journal", "volume", "year", "doi")}
        works.append(
            _entry("article", _key(fields["author"], str(work.get("title", "")), str(work.get("year", ""))), fields)
        )
    return "\n\n".join(works)


def _authors(authors: list[Mapping[str, str]]) -> str:
    """Return authors as BibTeX has them; those of one name stay as they are."""
    return " and ".join(
        f"{author['family-names']}, {author['given-names']}" if "family-names" in author else f"{{{author['name']}}}"
        for author in authors
    )


def _key(authors: str, title: str, year: str) -> str:
    """Return a key: the first author's name, or the title's first word, and the year."""
    first = authors.partition(",")[0] if "," in authors else title.partition(":")[0]
    return f"{''.join(letter for letter in first.lower() if letter.isalnum())}{year}"


def _entry(kind: str, key: str, fields: Mapping[str, Any]) -> str:
    """Return one entry, without fields that are empty."""
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", ",\n".join(lines), "}"])
