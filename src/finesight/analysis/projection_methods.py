"""Projection methods: PCA, t-SNE and UMAP, from embeddings (n, d) to two dimensions."""

import importlib.metadata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from finesight.analysis.distance import Floats, Indices, Nearest, measure_nearest, measure_nearest_of_new
from finesight.analysis.projection import Projection
from finesight.errors import ConfigError, DataError, suggest

# Dimensions in which neighbours are searched; many images need more of them (benchmarks/log).
PCA_DIMENSIONS, LARGE_PCA_DIMENSIONS = 200, 400
PARALLEL = 1_000  # images from which t-SNE uses all cores
LARGE = 10_000  # images from which it interpolates its forces
# (iterations, cell size of the interpolation grid): coarse is fast, and a fine end places neighbours precisely.
STEPS, LARGE_STEPS = ((750, 1),), ((800, 2), (100, 1))
EXAGGERATED = 250  # iterations with early exaggeration
FEWEST_IMAGES = 4  # for t-SNE and UMAP; below, PCA is used

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    package: str
    perplexity: float | None  # None: the package's default
    seed: int | None
    start: Floats | None = None  # points (n, 2); None: the method's own


def project(
    features: Floats,
    method: str = "tsne",
    package: str = "opentsne",
    perplexity: float | None = None,
    seed: int | None = None,
    start: Floats | None = None,
) -> Projection:
    """Projects features (n, d); the same for the same seed on one machine.

    package: of t-SNE only, a name of TSNE_PACKAGES. perplexity: effective number of neighbours; by default 30,
    and 40 with "sklearn", whose settings are those of many published plots (seed 1, random start).
    start: initial points (n, 2) for t-SNE by openTSNE, such as an earlier projection; their scale does not matter.
    Raises ConfigError for an unknown name, DataError for features that cannot be projected.
    """
    if features.ndim != 2 or not features.size:
        raise DataError(f"A projection needs features of shape (images, dimensions), not {features.shape}.")
    if not np.isfinite(features).all():
        raise DataError("Some features are NaN or infinite and cannot be projected. Check the weights.")
    if perplexity is not None and not perplexity > 0:
        raise ConfigError(f"Perplexity must be above 0, not {perplexity}.")
    options = Options(package, perplexity, seed, start)
    if len(features) < FEWEST_IMAGES and method != "pca":
        _find("projection", method, PROJECTIONS)
        few = project_pca(features, options)
        few.settings["note"] = f"{method} needs at least {FEWEST_IMAGES} images; PCA projected these {len(features)}"
        return few
    return _find("projection", method, PROJECTIONS)(features, options)


def project_pca(features: Floats, options: Options) -> Projection:
    """The plane of greatest variance. Linear: distances keep their meaning, but classes overlap more."""
    mean, components, kept = _fit_pca(features, dimensions=2, seed=options.seed or 0)
    settings = {"seed": options.seed or 0, "pca_variance": kept}
    return Projection(_apply_pca(features, mean, components), "pca", "scikit-learn", settings, mean, components)


def project_tsne(features: Floats, options: Options) -> Projection:
    """t-SNE (van der Maaten and Hinton 2008): preserves neighbours, separates clusters."""
    return _find("t-SNE package", options.package, TSNE_PACKAGES)(features, options)


def tsne_with_opentsne(features: Floats, options: Options) -> Projection:
    """openTSNE after PCA, with PCA start and learning rate n / exaggeration (Kobak and Berens 2019, Belkina 2019)."""
    import openTSNE

    seed = options.seed or 0
    is_large = len(features) >= LARGE
    mean, components, kept = _fit_pca(features, LARGE_PCA_DIMENSIONS if is_large else PCA_DIMENSIONS, seed)
    reduced = _apply_pca(features, mean, components)
    settings = _limit_perplexity(options.perplexity or 30.0, len(features))
    start = reduced if options.start is None else options.start
    steps = LARGE_STEPS if is_large else STEPS
    affinities, neighbours = _affinities(reduced, settings["perplexity"])
    with _quiet():
        embedding = openTSNE.TSNEEmbedding(
            _start(start, spread=1e-4),
            affinities,
            n_jobs=_count_jobs(reduced),
            random_state=seed,
            negative_gradient_method="fft" if is_large else "bh",
        )
        embedding = embedding.optimize(n_iter=EXAGGERATED, exaggeration=12, ints_in_interval=steps[0][1])
        for iterations, side in steps:
            embedding = embedding.optimize(n_iter=iterations, ints_in_interval=side)
    settings |= {
        "seed": seed,
        "pca_dimensions": len(components),
        "pca_variance": kept,
        "initialisation": f"{'first two principal components' if options.start is None else 'given'}, "
        "standard deviation 0.0001",
        "learning_rate": "images / exaggeration",
        "early_exaggeration": 12,
        "iterations": [EXAGGERATED, *(iterations for iterations, _ in steps)],
        "neighbours": f"{neighbours}, Euclidean",
        "version": importlib.metadata.version("openTSNE"),
    }
    return Projection(np.asarray(embedding, dtype=np.float32), "tsne", "opentsne", settings, mean, components)


def tsne_with_sklearn(features: Floats, options: Options) -> Projection:
    """scikit-learn's t-SNE of the features as they are, from a random start."""
    from sklearn.manifold import TSNE

    seed = 1 if options.seed is None else options.seed
    settings = _limit_perplexity(options.perplexity or 40.0, len(features))
    with _quiet():
        points = TSNE(init="random", random_state=seed, perplexity=settings["perplexity"]).fit_transform(features)
    settings |= {
        "seed": seed,
        "initialisation": "random",
        "learning_rate": "max(images / exaggeration / 4, 50)",
        "early_exaggeration": 12,
        "iterations": [250, 750],
        "neighbours": "exact, Euclidean",
        "version": importlib.metadata.version("scikit-learn"),
    }
    return Projection(points.astype(np.float32), "tsne", "sklearn", settings)


def project_umap(features: Floats, options: Options) -> Projection:
    """UMAP (McInnes 2018) after PCA. Raises ConfigError where umap-learn is not installed."""
    with _quiet():
        try:
            import umap
        except ImportError:
            raise ConfigError(
                "Projection 'umap' needs umap-learn: `pip install umap-learn` adds it, or choose 'tsne'."
            ) from None
        seed = options.seed or 0
        mean, components, kept = _fit_pca(features, PCA_DIMENSIONS, seed)
        reduced = _apply_pca(features, mean, components)
        neighbours = min(15, len(features) - 1)
        points = umap.UMAP(
            n_neighbors=neighbours, min_dist=0.1, init=_start(reduced, spread=5.0), random_state=seed, n_jobs=1
        ).fit_transform(reduced)
    settings = {
        "seed": seed,
        "num_neighbours": neighbours,
        "min_distance": 0.1,
        "pca_dimensions": len(components),
        "pca_variance": kept,
        "initialisation": "first two principal components",
        "version": importlib.metadata.version("umap-learn"),
    }
    return Projection(np.asarray(points, dtype=np.float32), "umap", "umap-learn", settings, mean, components)


PROJECTIONS: dict[str, Callable[[Floats, Options], Projection]] = {
    "tsne": project_tsne,
    "pca": project_pca,
    "umap": project_umap,
}
TSNE_PACKAGES: dict[str, Callable[[Floats, Options], Projection]] = {
    "opentsne": tsne_with_opentsne,
    "sklearn": tsne_with_sklearn,
}


def place(projection: Projection, train_features: Floats, new_features: Floats) -> Floats:
    """Positions float32 (m, 2) of new images (m, d) on an existing projection of `train_features` (n, d).

    The projection does not change, and new images do not affect each other. Raises ConfigError for UMAP.
    """
    if len(projection.points) != len(train_features) or train_features.shape[1] != new_features.shape[1]:
        raise DataError(
            f"Features {train_features.shape} and {new_features.shape} do not fit a projection of "
            f"{len(projection.points)} images."
        )
    if projection.mean is not None and projection.components is not None:
        train_features = _apply_pca(train_features, projection.mean, projection.components)
        new_features = _apply_pca(new_features, projection.mean, projection.components)
    if projection.method == "pca" or not len(new_features):
        return new_features[:, :2]
    if projection.method != "tsne":
        raise ConfigError(f"New images cannot be placed on a projection by {projection.method!r}; use 'tsne' or 'pca'.")
    import openTSNE

    centre = (projection.points.max(0) + projection.points.min(0)) / 2  # transform() centres the projection there
    with _quiet():
        affinities, _ = _affinities(train_features, projection.settings["perplexity"])
        embedding = openTSNE.TSNEEmbedding(
            projection.points, affinities, n_jobs=_count_jobs(train_features), random_state=0
        )
        placed: Floats = embedding.transform(new_features, perplexity=min(5.0, projection.settings["perplexity"]))
    return np.asarray(placed + centre, dtype=np.float32)


def _fit_pca(features: Floats, dimensions: int, seed: int) -> tuple[Floats, Floats, float]:
    """(mean (d,), components (p, d), explained fraction of the variance), with at most min(n, d) components."""
    from sklearn.decomposition import PCA

    count = min(dimensions, *features.shape)
    with _quiet():  # one image, or equal ones, have no variance
        fitted = PCA(count, random_state=seed).fit(features)
        kept = float(np.nan_to_num(fitted.explained_variance_ratio_.sum()))
    return fitted.mean_.astype(np.float32), np.ascontiguousarray(fitted.components_, np.float32), round(kept, 4)


def _apply_pca(features: Floats, mean: Floats, components: Floats) -> Floats:
    """Scores (n, p), padded with zeros to two columns."""
    scores: Floats = ((features - mean) @ components.T).astype(np.float32)
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))


def _start(scores: Floats, spread: float) -> Floats:
    """First two columns of PCA scores, scaled to standard deviation `spread` along the first."""
    plane: Floats = scores[:, :2].astype(np.float64)
    return plane * (spread / max(float(plane[:, 0].std()), 1e-12))


def _limit_perplexity(requested: float, num_images: int) -> dict[str, Any]:
    """A perplexity needs three times as many neighbours; with fewer images it is reduced."""
    allowed = (num_images - 1) / 3
    if requested <= allowed:
        return {"perplexity": float(requested)}
    note = f"perplexity {requested:g} requested; {num_images} images allow {allowed:.1f}"
    return {"perplexity": allowed, "note": note}


def _affinities(features: Floats, perplexity: float) -> tuple[Any, str]:
    """openTSNE's similarities, and how their nearest neighbours were searched."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import KNNIndex

    found: Nearest = measure_nearest(features, min(len(features) - 1, int(3 * perplexity)))

    class Neighbours(KNNIndex):  # type: ignore[misc]
        def __init__(self) -> None:
            self.k, self.n_samples = found.indices.shape[1], len(features)

        def build(self) -> tuple[Indices, Floats]:
            return found.indices, found.distances.astype(np.float64)

        def query(self, query: Floats, k: int) -> tuple[Indices, Floats]:
            near = measure_nearest_of_new(features, query, k)
            return near.indices, near.distances.astype(np.float64)

    with _quiet():
        made = PerplexityBasedNN(perplexity=perplexity, knn_index=Neighbours(), n_jobs=_count_jobs(features))
    return made, found.how


def _count_jobs(features: Floats) -> int:
    """All cores, except for few images: openTSNE's threads wait for each other, so one is as fast there."""
    return -1 if len(features) >= PARALLEL else 1


def _find(what: str, name: str, table: Mapping[str, T]) -> T:
    if name in table:
        return table[name]
    hint = suggest(name, table, f"There are: {', '.join(table)}.")
    raise ConfigError(f"No {what} {name!r}. {hint}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides warnings of other libraries; what matters of them is in Projection.settings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
