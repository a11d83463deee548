"""The example notebook runs on the recorded study, and its outputs are those that stand in it."""

from __future__ import annotations

import copy
import os
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.guide_examples import DOCS

PATH = DOCS / "examples" / "read-a-front.ipynb"


@pytest.fixture(scope="module")
def committed() -> Any:
    return nbformat.read(PATH, as_version=4)


@pytest.fixture(scope="module")
def executed(committed: Any) -> Any:
    notebook = copy.deepcopy(committed)
    where = {"metadata": {"path": str(PATH.parent)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    return notebook


def shown(notebook: Any) -> list[list[str]]:
    """What each code cell shows: text as it is, a picture as its kind."""
    return [
        [
            output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"].split(" object")[0]
            for output in cell["outputs"]
        ]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_every_cell_shows_what_stands_in_the_file(committed: Any, executed: Any) -> None:
    """Where this fails, `make golden` writes the outputs anew; look at them before you commit them."""
    if os.environ.get("RAYSEARCH_GOLDEN") == "1":
        for cell, ran in zip(committed["cells"], executed["cells"], strict=True):
            if cell["cell_type"] == "code":
                cell["outputs"] = ran["outputs"]
        nbformat.write(committed, PATH)
    assert shown(executed) == shown(committed)


def test_it_warns_of_nothing_and_draws_one_picture(committed: Any) -> None:
    outputs = [output for cell in committed["cells"] for output in cell.get("outputs", [])]
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1


def test_it_needed_neither_torch_nor_ray(executed: Any) -> None:
    assert shown(executed)[-1] == ["torch was needed: False - Ray was needed: False\n"]
