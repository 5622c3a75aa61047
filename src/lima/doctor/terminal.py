"""What was found, on a terminal: the tables, then what is wrong in one line each."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lima.doctor.examination import Examination
from lima.doctor.tables import tables

PIPED_COLUMNS = 200
"""A line that is not seen on a terminal is not broken at 80 characters."""


def show(console: Console, examination: Examination) -> None:
    """Print it all."""
    if not console.is_terminal:
        console.width = max(console.width, PIPED_COLUMNS)
    for table in tables(examination):
        drawn = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        drawn.add_column(table.head[0])
        for word in table.head[1:]:
            drawn.add_column(word, justify="right")
        for row in table.rows:
            drawn.add_row(*(Text(word) for word in row))
        console.print(drawn)
    for level, colour in (("notice", "yellow"), ("wrong", "red")):
        for finding in examination.findings:
            if finding.level == level:
                console.print(Text.assemble((f"{level}: ", colour), finding.line), soft_wrap=True)
    console.print(Text(verdict(examination)), soft_wrap=True)


def verdict(examination: Examination) -> str:
    """The last line."""
    wrong = len(examination.wrong)
    looked_at = f"{len(examination.drives)} of {examination.drives_there} drives looked at"
    said = f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong" if wrong else "nothing is wrong"
    stopped = ", stopped before the end" if examination.stopped else ""
    return f"{said} ({looked_at}{stopped}, {examination.seconds:.0f} s)"
