"""Contact sheets."""

import numpy as np
import pytest

from teppr.sheets import Cell, contact_sheets


def cells(count: int, size_wh: tuple[int, int] = (80, 60)) -> list[Cell]:
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    return [Cell(picture=picture + 20 * i, caption=f"{'a long name ' * 9}{i}.jpg") for i in range(count)]


@pytest.mark.parametrize(("count", "sheets"), [(1, 1), (6, 1), (7, 2), (13, 3)])
def test_sheets_hold_so_many_pictures(count: int, sheets: int) -> None:
    made = list(contact_sheets(cells(count), "Ünïcode", columns=3, rows=2))
    assert len(made) == sheets
    assert all(sheet.shape[1] == made[0].shape[1] for sheet in made)


def test_every_picture_is_on_the_sheet_as_it_is_and_in_its_order() -> None:
    (sheet,) = contact_sheets(cells(5), "five", columns=3, rows=2)
    firsts = [np.argwhere((sheet == 20 * i).all(axis=2)) for i in range(5)]
    assert all(len(found) >= 80 * 60 for found in firsts)
    starts = [tuple(found.min(axis=0)) for found in firsts[1:]]
    assert starts == sorted(starts)


def test_no_pictures_make_no_sheet() -> None:
    assert not list(contact_sheets([], "none"))
