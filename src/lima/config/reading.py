"""How a dataset is read. What many commands ask for is explained here once."""

from typing import Annotated, Literal

from tyro.conf import arg

AtGap = Annotated[
    Literal["raise", "split"],
    arg(help="a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"),
]
SkipBad = Annotated[
    bool,
    arg(
        help="leave out frames that cannot be read, count and list them, instead of stopping at the first "
        "(reads all twice)"
    ),
]
