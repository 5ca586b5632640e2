"""Maps: high-dimensional features laid out in two dimensions, always with the settings that made them.

Distances between far groups on a t-SNE or UMAP map mean little; `map_quality` says how far a map can be trusted.
"""

import difflib
import importlib.metadata
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from finesight.analysis.distance import Floats, Indices, measure_nearest, measure_nearest_of_new
from finesight.errors import ConfigError, DataError, RunError
from finesight.run import schema
from finesight.run.files import write_atomically

# What neighbours are looked up in; of many images it takes more dimensions to tell them apart (benchmarks/README.md).
PCA_DIMENSIONS, LARGE_PCA_DIMENSIONS = 200, 400
PARALLEL = 1_000  # images from which on t-SNE uses all cores
LARGE = 10_000  # images from which on it interpolates its forces
# (iterations, side of a cell of the grid that interpolates): coarse is quick, and a fine end sets neighbours right.
STEPS, LARGE_STEPS = ((750, 1),), ((800, 2), (100, 1))
EXAGGERATED = 250  # iterations with early exaggeration
FEWEST_IMAGES = 4  # for t-SNE and UMAP; below, PCA draws the map

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Map:
    """Where images lie in two dimensions.

    points: float32 (n, 2). method: a name of PROJECTIONS; engine: what computed it.
    settings: every parameter as used, and a `note` where that is not what was asked for.
    mean (d,), components (p, d): the PCA that features went through first; None where they went in as they are.
    quality: what `map_quality` found.
    """

    points: Floats
    method: str
    engine: str
    settings: dict[str, Any]
    mean: Floats | None = None
    components: Floats | None = None
    quality: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    engine: str
    perplexity: float | None  # None: the engine's default
    seed: int | None
    start: Floats | None = None  # of the points (n, 2); None: the method's own


def project(
    features: Floats,
    method: str = "tsne",
    engine: str = "opentsne",
    perplexity: float | None = None,
    seed: int | None = None,
    start: Floats | None = None,
) -> Map:
    """A map of features (n, d), the same for the same seed on one machine.

    engine: of t-SNE only, a name of TSNE_ENGINES. perplexity: about how many neighbours a point heeds; by default 30,
    and 40 with engine "sklearn", which has the settings of many a published plot (seed 1, random start).
    start: points (n, 2), such as an earlier map's, from which t-SNE by openTSNE goes out; their scale does not count.
    Raises ConfigError for an unknown name, DataError for features that cannot be mapped.
    """
    if features.ndim != 2 or not features.size:
        raise DataError(f"A map needs features of shape (images, dimensions), not {features.shape}.")
    if not np.isfinite(features).all():
        raise DataError("Some features are not finite numbers; no map can be drawn of them. Check the weights.")
    if perplexity is not None and not perplexity > 0:
        raise ConfigError(f"Perplexity must be above 0, not {perplexity}.")
    options = Options(engine, perplexity, seed, start)
    if len(features) < FEWEST_IMAGES and method != "pca":
        _find("projection", method, PROJECTIONS)
        few = project_pca(features, options)
        few.settings["note"] = f"{method} needs at least {FEWEST_IMAGES} images; PCA drew these {len(features)}"
        return few
    return _find("projection", method, PROJECTIONS)(features, options)


def project_pca(features: Floats, options: Options) -> Map:
    """The plane of greatest variance; linear, so distances mean something, but classes overlap more."""
    mean, components, kept = _fit_pca(features, dimensions=2, seed=options.seed or 0)
    settings = {"seed": options.seed or 0, "pca_variance": kept}
    return Map(_apply_pca(features, mean, components), "pca", "scikit-learn", settings, mean, components)


def project_tsne(features: Floats, options: Options) -> Map:
    """t-SNE (van der Maaten and Hinton 2008): neighbours stay neighbours, clusters stand apart."""
    return _find("t-SNE engine", options.engine, TSNE_ENGINES)(features, options)


def tsne_with_opentsne(features: Floats, options: Options) -> Map:
    """openTSNE after PCA, with PCA start and learning rate n / exaggeration (Kobak and Berens 2019, Belkina 2019)."""
    import openTSNE

    seed = options.seed or 0
    is_large = len(features) >= LARGE
    mean, components, kept = _fit_pca(features, LARGE_PCA_DIMENSIONS if is_large else PCA_DIMENSIONS, seed)
    reduced = _apply_pca(features, mean, components)
    settings = _settle_perplexity(options.perplexity or 30.0, len(features))
    start = reduced if options.start is None else options.start
    steps = LARGE_STEPS if is_large else STEPS
    with _quiet():
        embedding = openTSNE.TSNEEmbedding(
            _start(start, spread=1e-4),
            _affinities(reduced, settings["perplexity"]),
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
        "neighbours": "exact, Euclidean",
        "version": importlib.metadata.version("openTSNE"),
    }
    return Map(np.asarray(embedding, dtype=np.float32), "tsne", "opentsne", settings, mean, components)


def tsne_with_sklearn(features: Floats, options: Options) -> Map:
    """scikit-learn's t-SNE of the features as they are, started at random."""
    from sklearn.manifold import TSNE

    seed = 1 if options.seed is None else options.seed
    settings = _settle_perplexity(options.perplexity or 40.0, len(features))
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
    return Map(points.astype(np.float32), "tsne", "sklearn", settings)


def project_umap(features: Floats, options: Options) -> Map:
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
    return Map(np.asarray(points, dtype=np.float32), "umap", "umap-learn", settings, mean, components)


PROJECTIONS: dict[str, Callable[[Floats, Options], Map]] = {
    "tsne": project_tsne,
    "pca": project_pca,
    "umap": project_umap,
}
TSNE_ENGINES: dict[str, Callable[[Floats, Options], Map]] = {
    "opentsne": tsne_with_opentsne,
    "sklearn": tsne_with_sklearn,
}


def place(drawn: Map, train_features: Floats, new_features: Floats) -> Floats:
    """Where new images (m, d) fall on a map that was drawn of `train_features` (n, d): float32 (m, 2).

    The map does not move, and no new image pulls at another. Raises ConfigError for a method that cannot do it.
    """
    if len(drawn.points) != len(train_features) or train_features.shape[1] != new_features.shape[1]:
        raise DataError(
            f"The map has {len(drawn.points)} images; {train_features.shape} and {new_features.shape} do not fit it."
        )
    if drawn.mean is not None and drawn.components is not None:
        train_features = _apply_pca(train_features, drawn.mean, drawn.components)
        new_features = _apply_pca(new_features, drawn.mean, drawn.components)
    if drawn.method == "pca" or not len(new_features):
        return new_features[:, :2]
    if drawn.method != "tsne":
        raise ConfigError(f"New images cannot be placed on a map made by {drawn.method!r}; draw a map by 'tsne'.")
    import openTSNE

    centre = (drawn.points.max(0) + drawn.points.min(0)) / 2  # transform() moves the map there
    with _quiet():
        affinities = _affinities(train_features, drawn.settings["perplexity"])
        embedding = openTSNE.TSNEEmbedding(drawn.points, affinities, n_jobs=_count_jobs(train_features), random_state=0)
        placed: Floats = embedding.transform(new_features, perplexity=min(5.0, drawn.settings["perplexity"]))
    return np.asarray(placed + centre, dtype=np.float32)


def save_map(folder: Path, drawn: Map) -> None:
    """Writes map.json and map.safetensors: numbers only, no pickle."""
    from safetensors.numpy import save

    arrays = {"points": drawn.points, "pca_mean": drawn.mean, "pca_components": drawn.components}
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
    text = {"method": drawn.method, "engine": drawn.engine, "settings": drawn.settings, "quality": drawn.quality}
    write_atomically(folder / schema.PROJECTION_POINTS, save(tensors))
    write_atomically(folder / schema.PROJECTION, json.dumps(text, indent=1, allow_nan=False).encode())


def load_map(folder: Path) -> Map:
    """The map that `save_map` wrote. Raises RunError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        text = json.loads((folder / schema.PROJECTION).read_text(encoding="utf-8"))
        tensors = load_file(folder / schema.PROJECTION_POINTS)
        return Map(
            points=tensors["points"],
            method=text["method"],
            engine=text["engine"],
            settings=text["settings"],
            mean=tensors.get("pca_mean"),
            components=tensors.get("pca_components"),
            quality=text["quality"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise RunError(f"There is no readable map in {folder}: {error}. `finesight embed` draws one.") from None


def _fit_pca(features: Floats, dimensions: int, seed: int) -> tuple[Floats, Floats, float]:
    """(mean (d,), components (p, d), share of variance kept), p being as many dimensions as there are."""
    from sklearn.decomposition import PCA

    count = min(dimensions, *features.shape)
    with _quiet():  # one image, or equal ones, have no variance to explain
        fitted = PCA(count, random_state=seed).fit(features)
        kept = float(np.nan_to_num(fitted.explained_variance_ratio_.sum()))
    return fitted.mean_.astype(np.float32), np.ascontiguousarray(fitted.components_, np.float32), round(kept, 4)


def _apply_pca(features: Floats, mean: Floats, components: Floats) -> Floats:
    """Scores (n, p), filled up with zeros to two columns."""
    scores: Floats = ((features - mean) @ components.T).astype(np.float32)
    return np.pad(scores, ((0, 0), (0, max(0, 2 - scores.shape[1]))))


def _start(scores: Floats, spread: float) -> Floats:
    """First two columns of PCA scores, scaled to standard deviation `spread` along the first."""
    plane: Floats = scores[:, :2].astype(np.float64)
    return plane * (spread / max(float(plane[:, 0].std()), 1e-12))


def _settle_perplexity(asked: float, num_images: int) -> dict[str, Any]:
    """A perplexity is served by three times as many neighbours; with fewer images it becomes what they allow."""
    allowed = (num_images - 1) / 3
    if asked <= allowed:
        return {"perplexity": float(asked)}
    note = f"perplexity {asked:g} was asked for; {num_images} images allow {allowed:.1f}"
    return {"perplexity": allowed, "note": note}


def _affinities(features: Floats, perplexity: float) -> Any:
    """How near each image is to its neighbours."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import KNNIndex

    class Neighbours(KNNIndex):  # type: ignore[misc]
        def __init__(self, k: int) -> None:
            self.k, self.n_samples = k, len(features)

        def build(self) -> tuple[Indices, Floats]:
            indices, distances = measure_nearest(features, self.k)
            return indices, distances.astype(np.float64)

        def query(self, query: Floats, k: int) -> tuple[Indices, Floats]:
            indices, distances = measure_nearest_of_new(features, query, k)
            return indices, distances.astype(np.float64)

    k = min(len(features) - 1, int(3 * perplexity))
    return PerplexityBasedNN(perplexity=perplexity, knn_index=Neighbours(k), n_jobs=_count_jobs(features))


def _count_jobs(features: Floats) -> int:
    """All cores but for small maps: there one is as quick, and quicker where others compute too, for openTSNE's threads
    wait for each other."""
    return -1 if len(features) >= PARALLEL else 1


def _find(what: str, name: str, table: Mapping[str, T]) -> T:
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(table)}."
    raise ConfigError(f"No {what} {name!r}. {hint}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the remarks of other libraries from the user; what matters of them stands in Map.settings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
