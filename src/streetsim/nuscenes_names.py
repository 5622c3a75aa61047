"""Names of scenes, chosen so that the split lists of the official devkit sort them as we do."""

from __future__ import annotations

from dataclasses import dataclass

_MINI_TRAIN = "61,553,655,757,796,1077,1094,1100"
_MINI_VAL = "103,916"
_TRAIN = (
    "1-2,4-11,19-34,41-76,120-135,138-139,149-152,154-155,157-168,170-185,187-188,190-196,199-200,202-204,206-214,"
    "218-220,222,224-264,283-306,315-318,321,323-324,328,347-386,388-403,405-408,410-459,461-465,467-469,471-472,"
    "474-480,499-502,504-515,517-518,525-539,541-546,566,568,570-578,580,582-600,639-679,681,683-689,695-698,700-701,"
    "703-719,726-728,730-731,733-741,744,746-747,749-752,757-765,767-769,786-787,789-792,803-806,808-813,815-817,"
    "819-822,847-856,858,860-866,868-873,875-878,880,882-903,945,947,949,952-953,955-961,975-984,988-992,994-1025,"
    "1044-1058,1074-1102,1104-1110"
)
_VAL = (
    "3,12-18,35-36,38-39,92-110,221,268-278,329-332,344-346,519-524,552-565,625-627,629-630,632-638,770-771,775,777-778,"
    "780-784,794-800,802,904-917,919-931,962-963,966-969,971-972,1059-1073"
)


@dataclass(frozen=True)
class SceneNames:
    """The version folder, and the name of every scene by its place in the train or the val split."""

    version: str
    train: tuple[str, ...]
    val: tuple[str, ...]


def choose_names(train: int, val: int) -> SceneNames:
    """Names for that many scenes.

    Up to 8 and 2 they are those of v1.0-mini, up to 700 and 150 those of v1.0-trainval. Beyond that numbers continue
    from 2001 on: the devkit then knows the splits from `splits.json` alone.
    """
    mini_train, mini_val = _numbers(_MINI_TRAIN), _numbers(_MINI_VAL)
    if train <= len(mini_train) and val <= len(mini_val):
        return SceneNames("v1.0-mini", _names(mini_train[:train]), _names(mini_val[:val]))
    official_train, official_val = _numbers(_TRAIN), _numbers(_VAL)
    further = iter(range(2001, 2001 + train + val))
    train_numbers = [*official_train[:train], *(next(further) for _ in range(train - len(official_train)))]
    val_numbers = [*official_val[:val], *(next(further) for _ in range(val - len(official_val)))]
    return SceneNames("v1.0-trainval", _names(train_numbers), _names(val_numbers))


def _numbers(ranges: str) -> list[int]:
    numbers: list[int] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def _names(numbers: list[int]) -> tuple[str, ...]:
    return tuple(f"scene-{number:04d}" for number in numbers)
