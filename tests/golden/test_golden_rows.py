"""A row of each table and its counterfactual, by each serialiser, byte for byte.

RAYSEARCH_GOLDEN=1 writes the files anew; look at the difference before it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from raysearch import registry
from tests.small_tables import WRITERS

FOLDER = Path(__file__).parent / "rows"


@pytest.mark.parametrize("serializer", registry.names("serializer"))
@pytest.mark.parametrize("dataset", [name for name in registry.names("dataset") if name in WRITERS])
def test_a_row_and_its_counterfactual_read_as_before(dataset: str, serializer: str, tmp_path: Path) -> None:
    component = registry.get("dataset", dataset)()
    table = component.load(WRITERS[dataset](tmp_path))
    columns = [(column.name, column.label) for column in table.columns]
    write = registry.get("serializer", serializer)().serialize
    row = table.frame.head(1)
    came = [write(row.to_dict("records")[0], columns)]
    for attribute in table.sensitive:
        for value in component.other_values(attribute, str(row[attribute].iloc[0])):
            flipped = component.counterfactual(row, attribute, np.array([value]))
            came.append(write(flipped.to_dict("records")[0], columns))
    text = "\n---\n".join(came) + "\n"
    golden = FOLDER / f"{dataset}.{serializer}.txt"
    if os.environ.get("RAYSEARCH_GOLDEN") == "1":
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(text.encode())
    assert golden.is_file(), f"{golden.name} is missing; run with RAYSEARCH_GOLDEN=1 to write it"
    assert golden.read_bytes() == text.encode()
