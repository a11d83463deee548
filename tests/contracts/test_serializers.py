"""What every serialiser fulfils. A new file in ``text/serializers`` is under these tests without another line here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raysearch import registry
from raysearch.errors import DataError

COLUMNS = (("age", "age"), ("sex", "sex"), ("schooling", "education level"))
ROW = {"age": 34.0, "sex": "female", "schooling": "bachelor's degree", "unused": "never written"}

anything = st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), st.text(alphabet="ab c", max_size=8))
cells = st.fixed_dictionaries({"age": anything, "sex": anything, "schooling": anything})
reused = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


@pytest.fixture(params=registry.names("serializer"))
def serializer(request: pytest.FixtureRequest) -> Any:
    return registry.get("serializer", request.param)()


def test_it_documents_itself(serializer: Any) -> None:
    assert inspect.getdoc(type(serializer)) and inspect.getdoc(type(serializer).serialize)


def test_every_column_is_written_with_label_and_value_in_the_order_given(serializer: Any) -> None:
    for columns in (COLUMNS, COLUMNS[::-1]):
        text = serializer.serialize(ROW, columns)
        places = [text.index(label) for _, label in columns]
        assert places == sorted(places)
        for word in ("34", "female", "bachelor's degree", "education level"):
            assert word in text


def test_columns_not_asked_for_are_not_written(serializer: Any) -> None:
    text = serializer.serialize(ROW, COLUMNS[:2])
    assert "never written" not in text and "bachelor" not in text


def test_whole_numbers_have_no_decimals(serializer: Any) -> None:
    assert serializer.serialize({"age": 34.0}, COLUMNS[:1]) == serializer.serialize({"age": 34}, COLUMNS[:1])


def test_missing_values_are_said(serializer: Any) -> None:
    text = serializer.serialize({"age": None, "sex": float("nan")}, COLUMNS[:2])
    assert text.count("not stated") == 2 and "nan" not in text.lower() and "None" not in text


def test_rows_that_differ_in_a_value_differ_in_text(serializer: Any) -> None:
    other = ROW | {"sex": "male"}
    text, counterfactual = serializer.serialize(ROW, COLUMNS), serializer.serialize(other, COLUMNS)
    assert text != counterfactual and text.replace("female", "male") == counterfactual


@given(row=cells)
@reused
def test_it_is_deterministic_clean_and_leaves_the_row(serializer: Any, row: dict[str, Any]) -> None:
    before = dict(row)
    text = serializer.serialize(row, COLUMNS)
    assert text == serializer.serialize(row, COLUMNS) and list(map(repr, row.items())) == list(
        map(repr, before.items())
    )
    assert text == text.strip() and "  " not in text


def test_a_column_that_the_row_lacks_is_an_error(serializer: Any) -> None:
    with pytest.raises(DataError, match="no column 'schoolin'"):
        serializer.serialize(ROW, (("schoolin", "education"),))
