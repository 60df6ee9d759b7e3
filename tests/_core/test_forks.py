"""A forked child has the locks of its parent's thread pools but not their threads: kernels may not wait for those."""

import os
import subprocess
import sys

import pytest

from tests.pairwise.native_problems import MISSING

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PROGRAM = """
import os, signal, sys, warnings, torch
from hiergeo import Polar, Space, pairwise
from hiergeo.pairwise import search_ops

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
torch.set_num_threads(2)
generator = torch.Generator().manual_seed(0)
x, y = (Polar(torch.randn(n, 4, generator=generator), torch.rand(n, generator=generator)) for n in (33_000, 2))
SPACES = ([x, x], [y, y], [-1.0, 0.5])
STEPS = torch.linspace(0, 1, 5)


def differentiated():
    learnt = Polar(x.direction.clone().requires_grad_(), x.radius.clone().requires_grad_())
    pairwise.energy(learnt, y, -1.0).sum().backward()
    return learnt.direction.grad


OPERATIONS = {
    "half_aperture": lambda: pairwise.half_aperture(x.radius, -1.0),
    "exterior_angle": lambda: pairwise.exterior_angle(x, y, -1.0),
    "distance": lambda: pairwise.distance(x, y, -1.0),
    "cone_margin": lambda: pairwise.cone_margin(x, y, -1.0),
    "energy": lambda: pairwise.energy(x, y, -1.0),
    "energy_sum": lambda: pairwise.energy_sum(x, y, -1.0),
    "energy_total": lambda: pairwise.energy_total(x, y, -1.0),
    "hinge_total": lambda: pairwise.hinge_total(x, y, -1.0, 0.5),
    "energy_mean": lambda: pairwise.energy_mean(x, y, -1.0),
    "energy_min": lambda: pairwise.energy_min(x, y, -1.0)[0],
    "gradients": differentiated,
    "contrast": lambda: pairwise.contrast(x, y, -1.0, 3.0).rows,
    "cone_count": lambda: pairwise.cone_count(x, y, -1.0),
    "cone_members": lambda: pairwise.cone_members(x, y, -1.0)[1],
    "count_within": lambda: pairwise.count_within(x, y, -1.0, 1.0),
    "cone_topk": lambda: pairwise.cone_topk(x, y, -1.0, 2)[1],
    "topk": lambda: pairwise.topk(y, x, -1.0, 2)[0],
    "rank": lambda: pairwise.rank(x, y, -1.0, torch.arange(len(x.radius)) % 2),
    "ladder": lambda: search_ops.ladder(y.direction, x.direction, x.radius, STEPS, None, None)[1],
    "nearest_ladder": lambda: pairwise.nearest_ladder(y, x, -1.0, x.radius, STEPS)[0],
    "least": lambda: pairwise.least([x.radius, -x.radius]),
    "hinge_sum": lambda: pairwise.hinge_sum(x, y, -1.0, 0.4),
    "combined": lambda: pairwise.combined([x.radius, x.radius], "l2"),
    "distance in a product": lambda: pairwise.distance(*SPACES),
    "cone_count in a product": lambda: pairwise.cone_count(*SPACES),
    "shadowed": lambda: pairwise.topk(y, Space("lorentz:-1").points(x.direction, shadow=True).factors[0], -1.0, 2)[0],
    "topk in a product": lambda: pairwise.topk(*SPACES, 2)[0],
}


def in_parallel():
    # work of torch and of the kernels on all threads
    a = torch.randn(500, 500, dtype=torch.float64)
    return (a @ a).asin().sum(), torch.randn(2_000_000).double().asin(), pairwise.cone_count(x, y, -1.0)


def child(name):
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(20)
    torch.set_num_threads(1)  # as torch's own data loaders do: it waits for threads of its parent otherwise
    os._exit(0 if torch.allclose(OPERATIONS[name](), expected[name], rtol=1e-5, atol=1e-5, equal_nan=True) else 3)


expected = {name: run() for name, run in OPERATIONS.items()}
left_out = set(pairwise.__all__) - set(OPERATIONS)
assert left_out == {"kernel_info"}, left_out
in_parallel()
failed = []
for name in OPERATIONS:
    pid = os.fork()
    if pid == 0:
        child(name)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        failed.append(f"{name}: {'hangs' if code == -signal.SIGALRM else code}")
print(failed)
sys.exit(len(failed))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "native", [pytest.param("", marks=pytest.mark.skipif(MISSING is not None, reason=str(MISSING))), "0"]
)
def test_every_operation_runs_in_a_forked_child(native: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "HIERGEO_NATIVE": native},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
