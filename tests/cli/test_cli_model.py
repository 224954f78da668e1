"""Tables of published models."""

import pytest

from teppr.cli.model import print_verdicts
from teppr.cli.session import Session
from teppr.registry.acceptance import Verdict


@pytest.mark.parametrize("detail", ["", "worst label: sign"])
def test_the_table_of_criteria_has_a_column_for_details_where_there_are_any(
    detail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = Verdict(criterion="test/map_50", wanted=">= 0.6", got=0.7, met=True, detail=detail)
    print_verdicts(Session(), (verdict,))
    assert ("detail" in capsys.readouterr().out) == bool(detail)
