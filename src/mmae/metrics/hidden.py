"""What a model was not shown: checks, means over it, and galaxies with only that reconstructed."""

import numpy as np

from mmae.errors import InputError


def checked(
    what: str, true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and reconstructed values in double precision, and what is hidden, of equal shape.

    Parameters
    ----------
    what : str
        Named in errors.
    true, reconstruction : ndarray, shape (B, L) or (B, C, H, W)
    hidden : ndarray of bool, shape (B, L), (B, C, H, W), or (B, H, W) for all bands alike
        True where the model was not shown the values.

    Returns
    -------
    true, reconstruction : ndarray of float64
    hidden : ndarray of bool
        A view of their shape.

    Raises
    ------
    InputError
        If shapes do not agree, `hidden` is not bool, or a value is not finite.
    """
    true, reconstruction = (np.asarray(values, dtype=float) for values in (true, reconstruction))
    hidden = np.asarray(hidden)
    if true.ndim == 4 and hidden.ndim == 3:
        hidden = hidden[:, None]
    fits = hidden.shape in (true.shape, (*true.shape[:1], 1, *true.shape[2:]))
    if true.ndim not in (2, 4) or reconstruction.shape != true.shape or not fits:
        raise InputError(
            what,
            found=f"true {true.shape}, reconstructed {reconstruction.shape}, hidden {hidden.shape}",
            expected="(B, L) or (B, C, H, W), and the same pixels in all three",
        )
    if hidden.dtype != bool:
        raise InputError(what, key="hidden", found=hidden.dtype, expected="bool")
    bad = int((~np.isfinite(true)).sum() + (~np.isfinite(reconstruction)).sum())
    if bad:
        raise InputError(what, found=f"{bad} values not finite", expected="numbers")
    return true, reconstruction, np.broadcast_to(hidden, true.shape)


def composite(true: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The truth, with the reconstruction pasted in where it was hidden; all of the same shape.

    What was shown is known, and no loss trains its reconstruction.
    """
    return np.where(hidden, reconstruction, true)


def mean_over(hidden: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of values over the hidden pixels.

    Parameters
    ----------
    hidden : ndarray of bool, shape (B, L) or (B, C, H, W)
    values : ndarray, same shape

    Returns
    -------
    ndarray, shape (B,) or (B, C)
        NaN where nothing is hidden.
    """
    axes = -1 if values.ndim == 2 else (-2, -1)
    n_hidden = hidden.sum(axis=axes)
    total = np.where(hidden, values, 0.0).sum(axis=axes)
    return np.where(n_hidden > 0, total / np.maximum(n_hidden, 1), np.nan)
