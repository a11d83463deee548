"""A Gaussian process for a few dozen points of a few dozen columns.

scikit-learn's, with a prior on its hyperparameters: by likelihood alone, of twenty points, it takes half the parameters
for irrelevant, and the search stops moving them (see Hvarfner et al., 2024, arXiv:2402.02229, on such priors).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Matrix = NDArray[np.float64]

# Log-normal priors, (median, standard deviation of the logarithm): of the signal's variance, of every column's length
# scale, of the noise's variance, for targets of unit variance and columns in [0, 1].
_SIGNAL = (1.0, 1.5)
_LENGTH = (0.8, 0.6)
_NOISE = (1e-3, 3.0)
_ITERATIONS = 40


class GaussianProcess:
    """Matérn 5/2 with a length scale a column, and noise. Keeps its hyperparameters from fit to fit."""

    def __init__(self) -> None:
        self._theta: NDArray[np.float64] | None = None

    def fit(self, columns: Matrix, targets: Matrix, anew: bool) -> GaussianProcess:
        """Takes in all data.

        Args:
            columns: (n, d).
            targets: (n,).
            anew: find new hyperparameters, beginning at the last ones; else they are kept.
        """
        self._mean, self._scale = float(targets.mean()), float(targets.std()) or 1.0
        matern = Matern(np.full(columns.shape[1], _LENGTH[0]), (0.05, 20.0), nu=2.5)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * matern + WhiteKernel(1e-2, (1e-6, 1.0))
        fitted = self._theta is not None and len(self._theta) == len(kernel.theta)
        if fitted:
            kernel.theta = self._theta
        self._model = GaussianProcessRegressor(kernel, optimizer=_most_probable if anew or not fitted else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a hyperparameter at its bound
            self._model.fit(columns, (targets - self._mean) / self._scale)
        self._theta = self._model.kernel_.theta
        return self

    def predict(self, columns: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation (m,) of the function without its noise."""
        signal = self._model.kernel_.k1
        cross = signal(columns, self._model.X_train_)
        half = solve_triangular(self._model.L_, cross.T, lower=True)
        variance = np.maximum(signal.diag(columns) - (half**2).sum(axis=0), 1e-10)
        return cross @ self._model.alpha_.ravel() * self._scale + self._mean, np.sqrt(variance) * self._scale

    def mean(self, columns: Matrix) -> Matrix:
        """The mean (m,) alone, which is cheaper."""
        cross: Matrix = self._model.kernel_.k1(columns, self._model.X_train_)
        found: Matrix = cross @ self._model.alpha_.ravel() * self._scale + self._mean
        return found


def _most_probable(
    objective: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    start: NDArray[np.float64],
    bounds: Sequence[tuple[float, float]],
) -> tuple[Any, Any]:
    """scikit-learn's optimizer of log hyperparameters, with the priors added to the likelihood."""
    middle = np.full(len(start), np.log(_LENGTH[0]))
    spread = np.full(len(start), _LENGTH[1])
    middle[0], spread[0] = np.log(_SIGNAL[0]), _SIGNAL[1]
    middle[-1], spread[-1] = np.log(_NOISE[0]), _NOISE[1]

    def with_priors(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = objective(theta)
        away = (theta - middle) / spread
        return value + 0.5 * float(away @ away), gradient + away / spread

    found = minimize(with_priors, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": _ITERATIONS})
    return found.x, found.fun
