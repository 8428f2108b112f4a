"""The regimes of two well-known libraries, filtered: to be compared with, not to be traded on.

Both are asked for what was known at each day: hmmlearn by a forward pass with its fitted parameters (it
offers smoothed and Viterbi states only, which look ahead), statsmodels by its filtered marginal probabilities
with the parameters of the training part. They need the ``research`` extra.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError

Floats = NDArray[np.float64]
_STARTS = 4  # the likeliest is kept, as in ours
_SCALE = 100.0  # returns in percent: both fit badly on tiny numbers


def hmmlearn_filtered(training: Floats, rows: Floats, *, regimes: int, seed: int) -> Floats:
    """Return filtered probabilities (n, regimes) of ``rows`` (n,) by a GaussianHMM of ``training`` (m,).

    Regimes ascend in variance. ``rows`` begin where the process begins anew.
    """
    try:
        from hmmlearn.hmm import GaussianHMM
    except ModuleNotFoundError as error:
        raise MissingExtraError("research", "hmmlearn") from error
    values = _SCALE * training[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [
            GaussianHMM(
                n_components=regimes, covariance_type="diag", n_iter=200, random_state=_STARTS * seed + start
            ).fit(values)
            for start in range(_STARTS)
        ]
    model = max(models, key=lambda one: float(one.score(values)))
    variance = model.covars_.reshape(regimes)
    order = np.argsort(variance, kind="stable")
    transition = np.asarray(model.transmat_)[np.ix_(order, order)]
    mean, variance = model.means_.ravel()[order], variance[order]
    found = np.empty((len(rows), regimes))
    ahead = np.linalg.matrix_power(transition, 1_000)[0]
    for day, value in enumerate(_SCALE * rows):
        density = np.exp(-0.5 * (value - mean) ** 2 / variance) / np.sqrt(variance)
        weight = ahead * np.maximum(density, 1e-300)
        found[day] = weight / weight.sum()
        ahead = found[day] @ transition
    return found


def markov_regression_filtered(training: Floats, rows: Floats, *, regimes: int, seed: int) -> Floats:
    """Return filtered probabilities (n, regimes) of ``rows`` (n,) by a MarkovRegression of ``training``."""
    try:
        from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression
    except ModuleNotFoundError as error:
        raise MissingExtraError("research", "statsmodels") from error

    def model(values: Floats) -> Any:
        return MarkovRegression(_SCALE * values, k_regimes=regimes, switching_variance=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(training).fit(disp=False, maxiter=200, search_reps=5, rng=np.random.default_rng(seed))
        found = np.asarray(model(rows).filter(fitted.params).filtered_marginal_probabilities)
    names = fitted.model.param_names
    variance = np.array([fitted.params[names.index(f"sigma2[{k}]")] for k in range(regimes)])
    return found[:, np.argsort(variance, kind="stable")]
