"""The notebook runs as it stands, and holds what it printed."""
import os
import pathlib

import nbformat
import pytest
from conftest import MELGRAD
from nbclient import NotebookClient

TOUR = pathlib.Path(__file__).parents[2] / "apps" / "python" / "tour.ipynb"


def kinds(notebook):
    """What each cell of code has put out: "image/png", "text/plain", "stream"."""
    return [[next(iter(sorted(output.get("data", {"stream": 0})))) for output in cell.outputs]
            for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.plain
def test_the_tour(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(pathlib.Path(MELGRAD).parent), os.environ["PATH"]]))
    notebook = nbformat.read(TOUR, 4)
    printed = kinds(notebook)
    assert sum("image/png" in cell for cell in printed) == 5
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert kinds(notebook) == printed
