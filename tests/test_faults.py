"""What is said when an input cannot be used."""

import pytest

from jdl.cells import Findings
from jdl.faults import Fault


@pytest.mark.parametrize(
    ("rows", "told"),
    [([4], "row 4,"), ([4, 9], "Also in row 9."), ([9, 4, 5, 6, 2], "Also in rows 4 to 6, 9.")],
)
def test_every_row_number_is_told(rows, told):
    found = Findings("upload.csv")
    for row in rows:
        found.add("a rule", "A remedy", "surname", row)
    (fault,) = found.faults
    assert told in str(fault) and fault.row == min(rows) and fault.rows == len(rows)


def test_where_numbers_are_not_known_the_count_is_told():
    assert str(Fault("t", "a rule", "A remedy", rows=2)).endswith("(1 more row like this.)")


def test_no_name_from_outside_can_dress_a_message_up():
    fault = Fault("a\x1b[2J\u202eb\nc.csv", "no", "Mend it", column="x" * 500)
    assert str(fault) == f"a?[2Jb c.csv, {'x' * 120}…: no. Mend it."
