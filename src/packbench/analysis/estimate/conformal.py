"""How wide an interval must be to hold whole cells that no model has seen.

Owns the quantile of left-out residuals over their own predicted spread, by physical cell. Rows of one cell are not
exchangeable with rows of another, cells are: each cell's rows share one weight, and one cell more is reckoned at
infinity (hierarchical conformal prediction: Dunn, Wasserman & Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491).
"""

from __future__ import annotations

import numpy as np

from packbench.analysis.estimate.gaussian import Cells
from packbench.core.samples import FloatArray


def factor(scores: FloatArray, cells: Cells, p: float) -> float:
    """The multiple of the predicted standard deviation whose interval has coverage `p`.

    Args:
        scores: |residual| over predicted standard deviation of each row, its cell left out.
        cells: Row numbers of each physical cell.
        p: Coverage probability.

    With fewer than p / (1 - p) cells no finite factor has a guarantee: the largest score is taken, times 1.5.
    """
    weights = np.empty(scores.size)
    for rows in cells:
        weights[rows] = 1.0 / rows.size
    order = np.argsort(scores)
    share = np.cumsum(weights[order]) / (len(cells) + 1)
    place = int(np.searchsorted(share, p - 1e-12))
    return float(scores[order[place]]) if place < scores.size else 1.5 * float(scores.max())
