"""One HTML page that needs nothing else: no network, no script, no other file; light or dark as the reader's system is.

Every function returns a piece of HTML. Words given to them are escaped; pieces go in as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from PIL import Image

from lima.evaluate.pictures import data_uri

LONGEST_FIGURE = 40  # characters; what is longer is a sentence


@dataclass(frozen=True)
class Section:
    """A headed part of the page; `name` is what links point to."""

    name: str
    title: str
    content: str


@dataclass(frozen=True)
class Picture:
    """An image with the few words that stand on it."""

    label: str
    image: Image.Image


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole document."""
    style = files("lima.evaluate").joinpath("page.css").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{escape(part.name)}">{escape(part.title)}</a>' for part in sections)
    body = "".join(
        f'<section id="{escape(part.name)}"><h2>{escape(part.title)}</h2>{part.content}</section>' for part in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n"
        f'<body><main><header><h1>{escape(title)}</h1><div class="lead">{lead}</div><nav>{links}</nav></header>\n'
        f"{body}\n</main></body></html>\n"
    )


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain words."""
    return f'<p class="{kind}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"


def heading(words: str) -> str:
    """The title of a part of a section."""
    return f"<h3>{escape(words)}</h3>"


def missing(words: str) -> str:
    """A note that something is not shown, and why."""
    return paragraph(words, "missing")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], best: dict[int, int] | None = None) -> str:
    """Words in the first column, figures in the others; a later column of sentences wraps. best: row by column that is
    printed in bold."""
    best = best or {}
    kinds = [_kind([row[column] for row in rows]) if column else "" for column in range(len(head))]
    heads = "".join(f"<th{kind}>{escape(word)}</th>" for word, kind in zip(head, kinds, strict=True))
    lines = []
    for index, row in enumerate(rows):
        cells = [f"<th scope=row>{escape(row[0])}</th>"]
        for column, word in enumerate(row[1:], start=1):
            kind = " class=best" if best.get(column) == index else kinds[column]
            cells.append(f"<td{kind}>{escape(word)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _kind(words: Sequence[str]) -> str:
    """How the cells of a column are marked: those of sentences, none of figures."""
    return " class=words" if max(map(len, words), default=0) > LONGEST_FIGURE else ""


def cards(figures: Sequence[tuple[str, str, str, int]]) -> str:
    """Large figures side by side: each with what stands behind it, what it is, and the colour of its series."""
    pieces = (
        f'<div class="card s{series}"><b>{escape(figure)} <small>{escape(behind)}</small></b>'
        f"<span>{escape(what)}</span></div>"
        for figure, behind, what, series in figures
    )
    return f'<div class="cards">{"".join(pieces)}</div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values one under another."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def folded(title: str, content: str) -> str:
    """Something long that opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def preformatted(words: str) -> str:
    """Text in columns, as it is."""
    return f"<pre>{escape(words)}</pre>"


def gallery(pictures: Sequence[Picture], columns: int) -> str:
    """Pictures side by side; fewer in a row where the screen is narrow."""
    return f'<div class="gallery c{columns}">{"".join(_figure(picture) for picture in pictures)}</div>'


def charts(drawings: Sequence[str]) -> str:
    """Charts (SVG) side by side; one under another where the screen is narrow."""
    return f'<div class="charts">{"".join(drawings)}</div>'


def wide_and_narrow(wide: Picture, narrow: Picture) -> str:
    """A picture as wide as a camera's and one as high as it beside it; one under the other on a telephone."""
    return f'<div class="gallery wide-narrow">{_figure(wide)}{_figure(narrow)}</div>'


def tabs(name: str, panels: Sequence[tuple[str, str]]) -> str:
    """Panels of which one is seen at a time, all printed: switching between them shows what differs."""
    inputs = "".join(
        f'<input type="radio" name="{escape(name)}" id="{escape(name)}-{index}"{" checked" if index == 0 else ""}>'
        f'<label for="{escape(name)}-{index}">{escape(title)}</label>'
        for index, (title, _) in enumerate(panels)
    )
    contents = "".join(
        f'<div class="panel"><p class="panel-title">{escape(title)}</p>{content}</div>' for title, content in panels
    )
    return f'<div class="tabs">{inputs}<div class="panels">{contents}</div></div>'


def swatches(items: Sequence[tuple[str, tuple[int, int, int]]]) -> str:
    """A legend of colours and their names."""
    marks = (
        f'<span><i class="key" style="background:rgb({red} {green} {blue})"></i>{escape(name)}</span>'
        for name, (red, green, blue) in items
    )
    return f'<p class="legend">{"".join(marks)}</p>'


def colour_bar(colours: Sequence[tuple[int, int, int]], low: str, high: str) -> str:
    """A scale of colours with words at its ends."""
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colours)
    return (
        f'<p class="legend"><span>{escape(low)}</span>'
        f'<i class="ramp" style="background:linear-gradient(90deg, {stops})"></i><span>{escape(high)}</span></p>'
    )


def _figure(picture: Picture) -> str:
    width, height = picture.image.size
    return (
        f'<figure><img loading="lazy" width="{width}" height="{height}" alt="{escape(picture.label)}" '
        f'src="{data_uri(picture.image)}"><figcaption>{escape(picture.label)}</figcaption></figure>'
    )
