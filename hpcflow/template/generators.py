"""The generators of sequences, `values::METHOD`: pure functions, and their arguments.

Each gives the numbers that NumPy gives: an array where the values are numbers, a
list where they are texts or points. Random ones take the seed.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcflow.model.workflow import ValueTable, value_table
from hpcflow.template.shape import Choice, Either, Items, Key, Map, Record, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ELEMENTS = 50_000_000  # of an element set, or values of a sequence


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)


NUMBER = Scalar("a number", is_number, {"type": "number"})
COUNT = Scalar(
    f"a whole number from 1 to {MAX_ELEMENTS}",
    lambda value: type(value) is int and 1 <= value <= MAX_ELEMENTS,
    {"type": "integer", "minimum": 1, "maximum": MAX_ELEMENTS},
)
INTEGER = Scalar("a whole number", lambda value: type(value) is int, {"type": "integer"})
NATURAL = Scalar(
    "a whole number of at least 0",
    lambda v: type(v) is int and v >= 0,
    {"type": "integer", "minimum": 0},
)
FLAG = Scalar("true or false", lambda value: type(value) is bool, {"type": "boolean"})
TEXT = Scalar("text", lambda value: isinstance(value, str), {"type": "string"})
PAIR = Items(NUMBER, least=2, most=2)
SEED = Either(scalar=NATURAL, items=Items(NATURAL, least=1))
SHAPE = Either(scalar=COUNT, items=Items(COUNT, least=1))


class GeneratorError(ValueError):
    """Arguments that give no values; the message says why."""


@dataclass(frozen=True, slots=True)
class Generator:
    """One method.

    make: gives the values from the arguments by name. reads_file: `file_path` is
    replaced by `text`, the file's content. random: `seed` must be given to `make`.
    """

    make: Callable[..., Any]
    arguments: Record
    reads_file: bool = False
    random: bool = False


def generate(generator: Generator, arguments: dict[str, Any]) -> ValueTable:
    """The values, as a table.

    Raises: GeneratorError
    """
    try:
        with np.errstate(all="raise"):
            values = generator.make(**arguments)
    except (ValueError, ArithmeticError, TypeError) as error:
        raise GeneratorError(str(error)) from error
    if len(values) == 0:
        raise GeneratorError("this gives no values")
    if isinstance(values, np.ndarray) and values.ndim == 1:
        if values.dtype.kind == "f":
            return ValueTable("float", values.astype(np.float64, copy=False))
        if values.dtype.kind in "iu":
            return ValueTable("int", values.astype(np.int64, copy=False))
        return value_table(values.tolist())
    return value_table(values.tolist() if isinstance(values, np.ndarray) else list(values))


def single_value(generator: Generator, arguments: dict[str, Any]) -> Any:
    """All that a generator gives, as one value: a list; of a file of numbers, an array.

    Raises: GeneratorError
    """
    if generator.make is load_txt:
        try:
            return load_txt(**arguments)
        except (ValueError, TypeError) as error:
            raise GeneratorError(str(error)) from error
    table = generate(generator, arguments)
    return [table[row] for row in range(len(table))]


def linear_space(start: float, stop: float, num: int, *, endpoint: bool = True) -> Any:
    """So many numbers at equal distances."""
    return np.linspace(start, stop, num, endpoint=endpoint)


def geometric_space(start: float, stop: float, num: int, *, endpoint: bool = True) -> Any:
    """So many numbers with equal ratios."""
    return np.geomspace(start, stop, num, endpoint=endpoint)


def log_space(
    start: float, stop: float, num: int, *, base: float = 10.0, endpoint: bool = True
) -> Any:
    """So many powers of the base, with exponents at equal distances."""
    return np.logspace(start, stop, num, base=base, endpoint=endpoint)


def number_range(start: float, stop: float, step: float = 1) -> Any:
    """Numbers from start, by steps, below stop (above it where the step is negative).

    A stop that is reached but for rounding is left out.
    """
    if step == 0:
        raise GeneratorError("the step is 0")
    exact = (stop - start) / step
    count = math.ceil(exact - 1e-9 * max(1.0, abs(exact)))
    if count > MAX_ELEMENTS:
        raise GeneratorError(
            f"this gives {count} values; at most {MAX_ELEMENTS} are allowed"
        )
    numbers = np.arange(max(count, 0))
    # the rounding of np.arange: multiples of the first difference, not of the step
    return start + ((start + step) - start) * numbers


def file_lines(text: str) -> list[str]:
    """One text for each line, without the blanks around it."""
    return [line.strip() for line in text.splitlines()]


def load_txt(text: str, **options: Any) -> Any:
    """The numbers of a text file; a row is one value where there are several columns."""
    return np.loadtxt(io.StringIO(text), **{"ndmin": 1} | options)


def rectangle(
    start: list[float],
    stop: list[float],
    num: list[int],
    coord: int | None = None,
    include: list[str] | None = None,
) -> Any:
    """Points on the edges of a rectangle: top, right, bottom, left; corners once.

    start, stop, num: for each of the two coordinates; "bottom" is where the second
    one is at its start. coord: give that coordinate only. include: these edges only.
    """
    if min(num) < 2:
        raise GeneratorError("both numbers in `num` must be at least 2")
    edges = include or ["top", "right", "bottom", "left"]
    across = np.linspace(start[0], stop[0], num[0])
    along = np.linspace(start[1], stop[1], num[1])
    side = along[int("bottom" in edges) : len(along) - int("top" in edges)]
    points = {
        "top": (across, np.full(len(across), along[-1])),
        "right": (np.full(len(side), across[-1]), side),
        "bottom": (across, np.full(len(across), along[0])),
        "left": (np.full(len(side), across[0]), side),
    }
    both = np.hstack([np.vstack(points[edge]) for edge in points if edge in edges])
    return both.T if coord is None else both[coord]


def _size(shape: Any) -> Any:
    count = math.prod(shape) if isinstance(shape, list) else shape
    if count > MAX_ELEMENTS:
        raise GeneratorError(
            f"this gives {count} numbers; at most {MAX_ELEMENTS} are allowed"
        )
    return shape


def uniform(shape: Any, seed: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """Random numbers, equally likely from low to high."""
    return np.random.default_rng(seed).uniform(low, high, _size(shape))


def normal(shape: Any, seed: Any, loc: float = 0.0, scale: float = 1.0) -> Any:
    """Random numbers of a normal distribution."""
    return np.random.default_rng(seed).normal(loc, scale, _size(shape))


def log_normal(shape: Any, seed: Any, mean: float = 0.0, sigma: float = 1.0) -> Any:
    """Random numbers whose logarithms have a normal distribution."""
    return np.random.default_rng(seed).lognormal(mean, sigma, _size(shape))


def random_uniform(num: int, seed: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """So many random numbers, equally likely from low to high."""
    return uniform(num, seed, low, high)


_SCALINGS = ("linear", "log")


def latin_hypercube(
    paths: list[str],
    num_samples: int,
    bounds: dict[str, dict[str, Any]],
    rng: Any,
    *,
    scramble: bool = True,
    strength: int = 1,
    optimization: str | None = None,
) -> list[Any]:
    """For each path, its coordinates of the samples of a Latin hypercube: SciPy's.

    bounds: by path, `extent` (its least and largest value; 0 and 1 without it) and
    `scaling`: "log" where the logarithm is what is sampled evenly.

    Raises:
        GeneratorError: SciPy is not installed, or the arguments don't fit together.
    """
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise GeneratorError(
            "this needs SciPy, which is not installed: pip install 'hpcflow[sampling]'"
        ) from error
    sampler = qmc.LatinHypercube(
        d=len(paths),
        scramble=scramble,
        strength=strength,
        optimization=optimization,
        rng=np.random.default_rng(rng),
    )
    samples = sampler.random(n=num_samples)
    logarithmic = np.array([bounds[path].get("scaling") == "log" for path in paths])
    extents = np.array([bounds[path].get("extent", [0, 1]) for path in paths], dtype=float)
    if (extents[logarithmic] <= 0).any():
        raise GeneratorError("an extent with the scaling 'log' must be above 0")
    extents[logarithmic] = np.log10(extents[logarithmic])
    scaled = qmc.scale(samples, extents[:, 0], extents[:, 1])
    scaled[:, logarithmic] = 10 ** scaled[:, logarithmic]
    return list(scaled.T)


def _arguments(name: str, required: dict[str, Any], optional: dict[str, Any]) -> Record:
    keys = {key: Key(shape, required=True) for key, shape in required.items()}
    return Record(f"`{name}`", keys | {key: Key(shape) for key, shape in optional.items()})


_SPACE = {"start": NUMBER, "stop": NUMBER, "num": COUNT}
_ONE_OR_TWO = Scalar(
    "1 or 2", lambda value: type(value) is int and value in (1, 2), {"enum": [1, 2]}
)
_LOAD_OPTIONS = {
    "dtype": Choice(("float", "int", "str")),
    "comments": TEXT,
    "delimiter": TEXT,
    "skiprows": NATURAL,
    "max_rows": COUNT,
    "usecols": Either(scalar=INTEGER, items=Items(INTEGER, least=1)),
    "quotechar": TEXT,
    "ndmin": _ONE_OR_TWO,
    "unpack": FLAG,
}
_COORD = Scalar(
    "0, 1 or null",
    lambda value: type(value) is int and value in (0, 1),
    {"enum": [0, 1]},
)
_EDGES = Items(Choice(("top", "right", "bottom", "left")), least=1)

GENERATORS: dict[str, Generator] = {
    "from_linear_space": Generator(
        linear_space, _arguments("from_linear_space", _SPACE, {"endpoint": FLAG})
    ),
    "from_geometric_space": Generator(
        geometric_space, _arguments("from_geometric_space", _SPACE, {"endpoint": FLAG})
    ),
    "from_log_space": Generator(
        log_space, _arguments("from_log_space", _SPACE, {"base": NUMBER, "endpoint": FLAG})
    ),
    "from_range": Generator(
        number_range,
        _arguments("from_range", {"start": NUMBER, "stop": NUMBER}, {"step": NUMBER}),
    ),
    "from_file": Generator(
        file_lines, _arguments("from_file", {"file_path": TEXT}, {}), reads_file=True
    ),
    "from_load_txt": Generator(
        load_txt,
        _arguments("from_load_txt", {"file_path": TEXT}, _LOAD_OPTIONS),
        reads_file=True,
    ),
    "from_rectangle": Generator(
        rectangle,
        _arguments(
            "from_rectangle",
            {"start": PAIR, "stop": PAIR, "num": Items(COUNT, least=2, most=2)},
            {"coord": _COORD, "include": _EDGES},
        ),
    ),
    "from_uniform": Generator(
        uniform,
        _arguments(
            "from_uniform", {"shape": SHAPE}, {"low": NUMBER, "high": NUMBER, "seed": SEED}
        ),
        random=True,
    ),
    "from_normal": Generator(
        normal,
        _arguments(
            "from_normal", {"shape": SHAPE}, {"loc": NUMBER, "scale": NUMBER, "seed": SEED}
        ),
        random=True,
    ),
    "from_log_normal": Generator(
        log_normal,
        _arguments(
            "from_log_normal",
            {"shape": SHAPE},
            {"mean": NUMBER, "sigma": NUMBER, "seed": SEED},
        ),
        random=True,
    ),
    "from_random_uniform": Generator(
        random_uniform,
        _arguments(
            "from_random_uniform",
            {"num": COUNT},
            {"low": NUMBER, "high": NUMBER, "seed": SEED},
        ),
        random=True,
    ),
}

LATIN_HYPERCUBE = Generator(
    latin_hypercube,
    _arguments(
        "from_latin_hypercube",
        {
            "num_samples": COUNT,
            "bounds": Map(
                Record(
                    "bounds",
                    {
                        "extent": Key(PAIR, "the least and the largest value"),
                        "scaling": Key(Choice(_SCALINGS)),
                    },
                )
            ),
        },
        {
            "scramble": FLAG,
            "strength": _ONE_OR_TWO,
            "optimization": Choice(("random-cd", "lloyd")),
            "rng": SEED,
            "seed": SEED,
        },
    ),
    random=True,
)
