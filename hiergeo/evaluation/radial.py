"""Does the radius order the tiers: the part of every protocol that needs texts alone."""

import numpy as np

from hiergeo.evaluation.embedded import Embedded
from hiergeo.evaluation.outcome import Statistic, mean_of
from hiergeo.evaluation.stretches import row_by_row
from hiergeo.geometry import Space
from hiergeo.metrics import tau_d_rows, tied_share


def radii(embedded: Embedded, space: Space) -> np.ndarray:
    """Radii of the positive chains, (n, T), general to specific."""
    return row_by_row(space.radius, embedded.text)[embedded.chains].double().numpy()


def order(chain_radii: np.ndarray) -> tuple[dict[str, Statistic], dict[str, float]]:
    """tau_d with its rows, and the share of tied pairs."""
    return {"tau_d": mean_of(tau_d_rows(chain_radii))}, {"tied_share": tied_share(chain_radii)}
