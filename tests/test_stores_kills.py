"""Stores in folders whose process is killed while it adds: nothing acknowledged is lost, and a push completes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from hiergeo.search import Frame, Rows
from hiergeo.search.store import open_store, shell_of

FRAME, EDGES = Frame((16,), "l2", None), (0.5, 1.0)
PART, PARTS = 400, 60

CHILD = """
import sys, torch
from hiergeo.search import Frame, Rows
from hiergeo.search.store import open_store
spec, path = sys.argv[1:]
rows = Rows(*torch.load(path))
store = open_store(spec, Frame((16,), "l2", None), (0.5, 1.0))
for start in range(0, len(rows), {part}):
    store.add(rows.take(slice(start, start + {part})))
    print(start + {part}, flush=True)
"""

PLACES = [
    pytest.param("milvus:{}/held.db", "milvus_lite", id="milvus lite"),
]


@pytest.mark.parametrize(("place", "package"), PLACES)
def test_acknowledged_rows_survive_a_kill_and_the_rest_can_be_added(place: str, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    generator = torch.Generator().manual_seed(1)
    n = PART * PARTS
    direction = normalize(torch.randn(n, 16, generator=generator), dim=1)
    rows = Rows(torch.randperm(n, generator=generator), direction, 1.5 * torch.rand(n, 1, generator=generator))
    torch.save(tuple(rows.__dict__.values()), tmp_path / "rows.pt")
    spec = place.format(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(part=PART), spec, str(tmp_path / "rows.pt")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(4)][-1]
    child.kill()
    acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    store = open_store(spec, FRAME, EDGES)
    held = torch.cat([part.ids for part in store.scan()])
    assert len(held.unique()) == len(held) < n, "the child was killed too late, or ids are there twice"
    assert bool(torch.isin(rows.ids[:acknowledged], held).all()), "acknowledged rows are lost"
    store.add(rows.take(~torch.isin(rows.ids, held)))
    place_of = shell_of(rows.radii[:, 0], EDGES)
    assert [shell.count for shell in store.describe().shells] == place_of.bincount(minlength=3).tolist()
    found = store.fetch(rows.ids[:50])
    assert torch.equal(found.radii, rows.radii[:50])
    store.close()
