"""Worlds whose truth is planted: chains of made-up captions whose embeddings do, or do not, form a hierarchy.

A world is a tree of captions that is drawn in a space of constant curvature, altered so that only what the world is
about remains, and read in a space, which need not be the one that it was drawn in. `WORLDS` holds the recipes by name,
`world` plants one of them, and `plant` a recipe of your own:

    planted = hiergeo.testing.planted.world("noise", leaves=100, seed=7)
    hiergeo.audit(planted.embedded, space=planted.space).answers
    planted.truth  # {"order": frozenset({"none"}), "beyond_length": frozenset({"no"}), ...}
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count, pairwise
from types import MappingProxyType
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray

from hiergeo._core.errors import InputError
from hiergeo.datasets import Hierarchy, Row, lexicon
from hiergeo.evaluation import Embedded
from hiergeo.geometry import Space

DIMENSION = 16  # dimension of the embeddings, by default
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Captions of each tier as a share of the leaves, from general to specific, where chains share captions; by default."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Truth = dict[str, frozenset[str]]


class Tree(NamedTuple):
    """How a tree is drawn, lengths in geodesic units and angles in radians."""

    curvature: float = -1.0  # signed K of the space that it is drawn in
    top: float = 1.0  # radius of the most general captions, whose directions are uniform
    step: float = 1.5  # distance from a parent to its child, drawn within 20 % of this
    angles: tuple[float, float] = (0.5, 1.0)  # range of the angle at the parent between outwards and the step
    noise: float = 0.0  # standard deviation of a normal error of each coordinate of the embeddings
    dimension: int = DIMENSION
    shares: tuple[float, ...] = SHARES  # one a tier; 0 is a single caption, at least 2 otherwise
    uneven: float = 0.0  # parameter of a symmetric Dirichlet distribution of sizes of families; 0: all of one size
    synset: str = ""  # of the lexicon: the tree consists of what stands below it, and its captions are those nouns


class Lengths(NamedTuple):
    """How long captions are, tier by tier (a single number is that of all tiers), and what they are made of.

    Words vary by three letters either way, and the first is at least as long as the number of the caption.
    """

    words: tuple[int, ...] = (1,)  # fewest words
    spread: int = 11  # a caption has up to this many words more, all numbers equally likely
    letters: tuple[int, ...] = (7,)  # mean number of letters of a word
    vocabulary: int = 0  # if not 0, captions are made of this many words, most of which those below them repeat
    growth: tuple[int, ...] = ()  # if any, a child has as many words as its parent and one of these more characters


@dataclass(frozen=True)
class Draft:
    """A world before it is embedded; V captions in T tiers, n chains."""

    directions: Floats  # (V, D), of norm 1
    radii: Floats  # (V,) geodesic units
    tiers: Integers  # (V,) from 0, the most general
    chains: Integers  # (n, T) captions from general to specific
    texts: tuple[str, ...]  # the V distinct captions


Change = Callable[[Draft, np.random.Generator], Draft]


def random_directions(draft: Draft, random: np.random.Generator) -> Draft:
    """Draw directions that are independent of the tree."""
    return replace(draft, directions=_normalized(random.standard_normal(draft.directions.shape)))


def random_radii(draft: Draft, random: np.random.Generator) -> Draft:
    """Permute the radii among all captions, and multiply each by 0.8 to 1.2 so that none are equal."""
    return replace(draft, radii=random.permutation(draft.radii) * random.uniform(0.8, 1.2, len(draft.radii)))


def tiers_reversed(draft: Draft, random: np.random.Generator) -> Draft:
    """Call the most specific captions the most general ones; no point moves."""
    return replace(draft, chains=draft.chains[:, ::-1], tiers=draft.tiers.max() - draft.tiers)


def radii_of_words(draft: Draft, random: np.random.Generator) -> Draft:
    """Make the radius of a caption 0.3 times its number of words."""
    return replace(draft, radii=0.3 * np.array([len(text.split()) for text in draft.texts]))


def radii_of_characters(draft: Draft, random: np.random.Generator, scale: float = 0.04, noise: float = 0.0) -> Draft:
    """Make the radius of a caption `scale` times its number of characters, plus a normal error."""
    error = noise * random.standard_normal(len(draft.texts)) if noise else 0.0
    return replace(draft, radii=scale * np.array([len(text) for text in draft.texts]) + error)


def radii_of_tiers(draft: Draft, random: np.random.Generator) -> Draft:
    """Let radii grow with the tier, with a normal error of one standard deviation a tier."""
    return _with_radii(draft, draft.tiers + random.standard_normal(len(draft.tiers)))


def radii_of_weights(draft: Draft, random: np.random.Generator, mean: bool = False) -> Draft:
    """Let radii grow with the sum, or the mean, of random weights of the words of a caption."""
    sums = sums_over_words(draft.texts, 1, random)[:, 0]
    return _with_radii(draft, sums / [len(text.split()) if mean else 1 for text in draft.texts])


def rows_of_words(draft: Draft, random: np.random.Generator) -> Draft:
    """Make rows the sums of random vectors of the words of a caption."""
    return _with_rows(draft, 0.25 * sums_over_words(draft.texts, draft.directions.shape[1], random))


def half_of_families(draft: Draft, random: np.random.Generator) -> Draft:
    """Exchange radii as `random_radii` does, but only below every other one of the most general captions."""
    return replace(draft, radii=np.where(_tops(draft) % 2, draft.radii, random_radii(draft, random).radii))


def common_direction(draft: Draft, random: np.random.Generator) -> Draft:
    """Add a vector of norm 2 to all rows."""
    return _with_rows(draft, draft.radii[:, None] * draft.directions + 2 * np.eye(draft.directions.shape[1])[0])


def one_side(draft: Draft, random: np.random.Generator) -> Draft:
    """Gather all directions around one of them, about 17 degrees away from it."""
    return _gathered(draft, np.ones(len(draft.tiers)), 0.3)


def opposite_sides(draft: Draft, random: np.random.Generator) -> Draft:
    """Gather directions around one and its opposite, within 3 degrees: children lie opposite their parents."""
    return _gathered(draft, np.where((_tops(draft) + draft.tiers) % 2, -1.0, 1.0), 0.05)


@final
@dataclass(frozen=True)
class Recipe:
    """How a world is made, and what is true in it."""

    truth: Truth  # the answers that are true, by question; none of questions for which nothing was planted
    paths: Truth = field(default_factory=dict)  # where the truth differs if chains share no captions
    tree: Tree = field(default_factory=Tree)
    changes: tuple[Change, ...] = ()  # what is done to the tree, one after the other
    lengths: Lengths = field(default_factory=Lengths)  # of the captions; by default they do not depend on the tier
    space: str = "lorentz:-1"  # spec of the geometry that the embeddings are read in, around their root


@final
@dataclass(frozen=True)
class Planted:
    """A world, and the answers that are true in it; "unclear" is never false and never listed."""

    embedded: Embedded  # the embeddings of its captions, float64, around a root of zeros
    space: Space  # what they are read in
    truth: Truth  # by question; one for which nothing was planted is left out


def world(name: str, leaves: int = 300, seed: int = 0, *, shared: bool = True) -> Planted:
    """Plant one of `WORLDS`; arguments as for `plant`.

    Raises:
        InputError: an unknown name, and as `plant`.
    """
    if name not in WORLDS:
        raise InputError(f"no planted world is called '{name}'; there are: {', '.join(WORLDS)}.")
    return plant(WORLDS[name], leaves, seed, shared=shared, name=name)


def plant(recipe: Recipe, leaves: int = 300, seed: int = 0, *, shared: bool = True, name: str = "planted") -> Planted:
    """Make the world of a recipe; the name is that of the model that its embeddings are said to come from.

    `leaves`, at least 4, is the number of chains, each of which ends in a caption of its own; they share their upper
    captions, as in a tree, unless `shared` is False. Below a synset there may be fewer. Equal seeds give equal worlds,
    and worlds of one `Tree` its like.
    """
    if leaves < 4:
        raise InputError(f"a planted world needs at least 4 leaves, not {leaves}.")
    random, tree, lengths = np.random.default_rng(seed), recipe.tree, recipe.lengths
    chains, texts = (_hyponyms if tree.synset else _chains)(tree, leaves, shared, random)
    tiers = np.empty(chains.max() + 1, dtype=np.int64)
    tiers[chains] = np.arange(chains.shape[1])
    directions, radii = draw(tree, chains, random)
    if lengths.vocabulary:
        texts = _of_vocabulary(tiers, chains, lengths.vocabulary, random)
    draft = Draft(directions, radii, tiers, chains, texts or _texts(tiers, chains, lengths, random))
    for change in recipe.changes:
        draft = change(draft, random)
    truth = recipe.truth if shared else recipe.truth | recipe.paths
    planted = {question: words for question, words in truth.items() if words}
    return Planted(_embedded(name, draft), Space(recipe.space), planted)


def draw(tree: Tree, chains: Integers, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Directions (V, D) and radii (V,) of a tree.

    Chains (n, T) are positions of captions below V; the captions of a tier follow those of the tiers above it.
    """
    captions = int(chains.max()) + 1
    directions, radii = np.empty((captions, tree.dimension)), np.full(captions, tree.top)
    tops = np.unique(chains[:, 0])
    directions[tops] = _normalized(random.standard_normal((len(tops), tree.dimension)))
    for above, below in zip(chains.T[:-1], chains.T[1:], strict=True):
        child, first = np.unique(below, return_index=True)
        parent = above[first]
        length = tree.step * random.uniform(0.8, 1.2, len(child))
        angle = random.uniform(*tree.angles, len(child))
        sideways = random.standard_normal((len(child), tree.dimension))
        outwards = directions[parent]
        sideways = _normalized(sideways - (sideways * outwards).sum(axis=1, keepdims=True) * outwards)
        radii[child], turn = stepped(tree.curvature, radii[parent], length, angle)
        directions[child] = np.cos(turn)[:, None] * outwards + np.sin(turn)[:, None] * sideways
    if tree.noise:
        rows = radii[:, None] * directions + tree.noise * random.standard_normal(directions.shape)
        radii, directions = np.linalg.norm(rows, axis=1), _normalized(rows)
    return directions, radii


def stepped(curvature: float, radius: Floats, length: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """Where geodesic steps end: the distance from the root, and the angle at the root between start and end.

    The law of cosines, in coordinates of the ambient space so that nothing cancels. A step begins at a radius and has a
    length; its angle is that between outwards and the step. On a sphere radius + length is below pi / sqrt(K).
    """
    (sine, cosine), (sine_step, cosine_step) = (_sine_cosine(curvature, x) for x in (radius, length))
    along = sine * cosine_step + cosine * sine_step * np.cos(angle)
    across = sine_step * np.sin(angle)
    distance, scale = np.hypot(along, across), abs(curvature) ** 0.5
    if curvature < 0:
        distance = np.arcsinh(scale * distance) / scale
    elif curvature > 0:
        height = cosine * cosine_step - curvature * sine * sine_step * np.cos(angle)
        distance = np.arctan2(scale * distance, height) / scale
    return distance, np.arctan2(across, along)


def _sine_cosine(curvature: float, x: Floats) -> tuple[Floats, Floats]:
    """sn(x) and cs(x) of a curvature: sinh(s x) / s and cosh(s x) for K < 0, s = sqrt(|K|)."""
    scale = abs(curvature) ** 0.5
    if curvature < 0:
        return np.sinh(scale * x) / scale, np.cosh(scale * x)
    return (np.sin(scale * x) / scale, np.cos(scale * x)) if curvature > 0 else (x, np.ones_like(x))


def sums_over_words(texts: Sequence[str], dimension: int, random: np.random.Generator) -> Floats:
    """Sums (V, D) of a random normal vector a word over the words of each text."""
    vectors: defaultdict[str, Floats] = defaultdict(lambda: random.standard_normal(dimension))
    return np.stack([np.sum([vectors[word] for word in text.split()], axis=0) for text in texts])


def _chains(tree: Tree, leaves: int, shared: bool, random: np.random.Generator) -> tuple[Integers, tuple[str, ...]]:
    """Chains (n, T) numbered on from tier to tier, without captions; all parents have children, equally many or not."""
    sizes = [(max(2, round(share * leaves)) if share else 1) if shared else leaves for share in tree.shares]
    columns = [np.arange(sizes[-1])]
    for size, below in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        parent = np.arange(below) % size
        if tree.uneven:
            parent[size:] = random.choice(size, below - size, p=random.dirichlet(np.full(size, tree.uneven)))
        columns.append(parent[columns[-1]])
    return np.stack(columns[::-1], axis=1) + np.cumsum([0, *sizes[:-1]]), ()


def _hyponyms(tree: Tree, leaves: int, shared: bool, random: np.random.Generator) -> tuple[Integers, tuple[str, ...]]:
    """Chains of nouns below a synset, and the captions, which have the number of their chain if none are shared."""
    rows = random.permutation(_below(tree.synset))[:leaves]
    if not shared:
        rows = np.char.add(rows, [[f" {number}"] for number in range(len(rows))])
    texts, chains = np.unique(rows, return_inverse=True)
    return chains.reshape(rows.shape), tuple(text[1:] for text in texts.tolist())


@cache
def _below(synset: str) -> list[list[str]]:
    """Nouns 2, 3 and 4 steps below a synset, by first hypernyms, and one without hyponyms, behind their tiers."""
    above = {name: parents[0] for name, parents in lexicon.nouns().parents.items() if parents}
    found = []
    for noun in sorted(above.keys() - set(above.values())):
        path = [noun]
        while path[-1] in above and path[-1] != synset:
            path.append(above[path[-1]])
        if path[-1] == synset and len(path) > 5:
            spoken = [name.replace("_", " ").replace(".n.01", "").replace(".n.", "-") for name in path]
            found.append([f"{tier}{spoken[place]}" for tier, place in enumerate((-3, -4, -5, 0))])
    return found


def _of_vocabulary(tiers: Integers, chains: Integers, size: int, random: np.random.Generator) -> tuple[str, ...]:
    """Captions such as "an animal", "a small bird", "a small owl", "a small owl on a branch", each of different words.

    Nine of ten have the first word, and in the last tier the next two. One in fifty words is general: a top caption has
    one, which four of five children replace, with one in ten of the others; half of them have as many as before.
    """
    nouns = list(lexicon.nouns().senses)
    words = [nouns[at] for at in random.permutation(len(nouns))[: 8 * size].tolist() if nouns[at].isalpha()][:size]
    general, rest = words[3 : 3 + size // 50], words[3 + size // 50 :]
    odds = 1 / (50 + np.arange(len(rest)))
    drawn = (word for _ in count() for word in random.choice(rest, 1 << 12, p=odds / odds.sum()).tolist())
    parents = dict(zip(chains[:, 1:].flat, chains[:, :-1].flat, strict=True))
    contents, texts = list[list[str]](), dict[frozenset[str], str]()
    for caption, tier in enumerate(tiers.tolist()):
        above = contents[parents[caption]] if tier else [str(random.choice(general))]
        while len(texts) == caption:
            kept = dict.fromkeys(w for w in above if not tier or random.random() < (0.2 if w in general else 0.9))
            more = max(0, int(random.integers(-2, 4)))
            while len(kept) < len(above) + more:
                kept[next(drawn)] = None
            held = [word for word in words[: 3 if tier == tiers[-1] else 1] if random.random() < 0.9]
            texts.setdefault(frozenset([*held, *kept]), " ".join([*held, *kept]))
        contents.append(list(kept))
    return tuple(texts.values())


def _texts(tiers: Integers, chains: Integers, lengths: Lengths, random: np.random.Generator) -> tuple[str, ...]:
    """Distinct made-up captions: each begins with its number, the rest is random letters."""
    letters = random.integers(ord("a"), ord("z") + 1, size=1 << 16, dtype=np.uint8).tobytes().decode()
    least, mean = (np.broadcast_to(each, tiers.max() + 1)[tiers] for each in (lengths.words, lengths.letters))
    words = least + random.integers(lengths.spread + 1, size=len(tiers))
    sizes = np.repeat(mean, words) + random.integers(-3, 4, size=words.sum())
    if lengths.growth:
        characters, more = np.full(len(tiers), 100), random.choice(lengths.growth, len(tiers))
        for above, below in pairwise(chains.T):
            words[below], characters[below] = words[above], characters[above] + more[below]
        place = np.concatenate([np.arange(count) for count in words])
        sizes = (np.repeat(characters + 1 - words, words) + place) // np.repeat(words, words)
    starts = random.integers(len(letters) - sizes.max(), size=len(sizes))
    loose = [letters[start : start + size] for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]
    digits, stops = len(str(len(tiers))), np.cumsum(words).tolist()
    return tuple(
        " ".join([f"{index:0{digits}}{loose[stop - count][digits:]}", *loose[stop - count + 1 : stop]])
        for index, (count, stop) in enumerate(zip(words.tolist(), stops, strict=True))
    )


def _embedded(name: str, draft: Draft) -> Embedded:
    rows = torch.from_numpy(draft.radii[:, None] * draft.directions)
    texts = tuple(dict.fromkeys(draft.texts[index] for index in draft.chains.ravel().tolist()))
    index = {text: position for position, text in enumerate(draft.texts)}
    chains = (tuple(draft.texts[caption] for caption in chain) for chain in draft.chains.tolist())
    hierarchy = Hierarchy("planted", "test", tuple(Row(number, chain) for number, chain in enumerate(chains)))
    captions = rows[[index[text] for text in texts]]
    return Embedded(name, hierarchy, texts, captions, None, None, rows.new_zeros(rows.shape[1]))


def _tops(draft: Draft) -> Integers:
    """The most general caption of the chains of each caption, (V,)."""
    top = np.empty(len(draft.tiers), dtype=np.int64)
    top[draft.chains] = draft.chains[:, :1]
    return top


def _with_radii(draft: Draft, values: Floats) -> Draft:
    """Radii in the order of values of any sign."""
    return replace(draft, radii=0.1 + 0.3 * (values - values.min()))


def _with_rows(draft: Draft, rows: Floats) -> Draft:
    return replace(draft, directions=_normalized(rows), radii=np.linalg.norm(rows, axis=1))


def _gathered(draft: Draft, sides: Floats, away: float) -> Draft:
    """Turn every direction to one axis, (V,) forwards or backwards; `away` is the tangent of the angle that is left."""
    axis = np.eye(draft.directions.shape[1])[0]
    return replace(draft, directions=_normalized(sides[:, None] * axis + away * draft.directions))


def _normalized(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _truth(**answers: str) -> Truth:
    return {question: frozenset(words.split()) for question, words in answers.items()}


FLAT = Tree(curvature=0.0, top=0.5, step=0.5)
SMALL = Tree(curvature=0.0, top=0.25, step=0.05)
SPHERICAL = Tree(curvature=0.3, top=0.5, step=0.5)
INSIDE = Tree(top=0.5, step=0.5, angles=(0.0, 0.05))
MANY_TOPS = Tree(shares=(0.3, 0.5, 0.75, 1.0))
OUTSIDE = Tree(top=1.5, step=0.5, angles=(0.15, 0.4))
HALF_SPACES = Tree(top=0.05, step=0.04)
WIDE = Tree(top=0.25, step=0.05, angles=(0.0, 0.5))

RISING = Lengths(words=(2, 3, 5, 6), spread=4)
FALLING = Lengths(words=(6, 5, 3, 2), spread=4)
LONGER_WORDS = Lengths(letters=(5, 6, 7, 8))
ASYMMETRIC = Lengths(words=(6,), spread=4, growth=(9, 10, 11, -1, -1))

# What radii and curvature do to parent MRR is not obvious: signs were measured at 30, 100, 300 and 1,000 leaves.
HELPS = _truth(order="forward", beyond_length="yes", radii="helps", curvature="helps", cones="narrow")
HARMS = HELPS | _truth(radii="harms", curvature="harms")
PATHS = _truth(radii="helps", curvature="harms")
NOISE = _truth(order="none", beyond_length="no", radii="none", curvature="none", cones="narrow")
LENGTH = _truth(order="forward", beyond_length="no", cones="narrow")
# Without directions nothing finds parents, except that radii by tier narrow the choice, which shows in small worlds.
LOST = _truth(radii="helps none", curvature="harms none")
DECIDE = _truth(cones="decide")
FLAT_SPACE = _truth(curvature="inapplicable")
BOTH_RANDOM = (random_directions, random_radii)
OPEN_PATHS = _truth(radii="helps", curvature="")
STAR = NOISE | _truth(radii="inapplicable", curvature="inapplicable", cones="")  # one parent tells nothing of parents
WORDS = _truth(beyond_length="no")

SHAPES: dict[str, tuple[Tree, Truth, Truth]] = {
    "two tiers": (Tree(shares=(0.25, 1.0)), HARMS, _truth(radii="none", curvature="none")),
    "three tiers": (Tree(shares=(0.1, 0.4, 1.0)), HELPS | _truth(radii=""), OPEN_PATHS),
    "six tiers": (Tree(shares=(0.1, 0.2, 0.3, 0.5, 0.7, 1.0)), HELPS, PATHS),
    "two dimensions": (Tree(dimension=2), HELPS | _truth(curvature="helps none"), {}),
    "300 dimensions": (Tree(dimension=300), HELPS, PATHS),
    "uneven families": (Tree(uneven=0.3), HELPS, PATHS),
    "mammals": (Tree(synset="mammal.n.01"), HELPS | _truth(radii="", curvature=""), PATHS),
}
RADII_OF_WORDS: dict[str, tuple[Truth, Change]] = {
    "sums of weights": (WORDS, radii_of_weights),
    "means of weights": (WORDS, partial(radii_of_weights, mean=True)),
    "sums of vectors": (WORDS, rows_of_words),
    "words and tiers": (_truth(order="forward", beyond_length="yes"), radii_of_tiers),
}
SPHERE = "sphere:0.3"

WORLDS: Mapping[str, Recipe] = MappingProxyType(
    {
        "hyperbolic tree": Recipe(HELPS, PATHS),
        "hyperbolic tree, noise": Recipe(HELPS, _truth(radii="", curvature="harms"), Tree(noise=0.25)),
        "flat tree, u = 1.5": Recipe(HELPS, PATHS, FLAT),
        "flat tree, u = 0.35": Recipe(HARMS | _truth(cones=""), PATHS, SMALL),
        "flat tree in flat space": Recipe(HARMS | FLAT_SPACE, PATHS | FLAT_SPACE, FLAT, space="euclidean"),
        "noise": Recipe(NOISE, changes=BOTH_RANDOM),
        "tiers reversed": Recipe(HARMS | _truth(order="reversed", beyond_length="no"), changes=(tiers_reversed,)),
        "directions alone": Recipe(
            HARMS | _truth(order="none", beyond_length="no"), tree=FLAT, changes=(random_radii,)
        ),
        "radii alone": Recipe(HELPS | LOST, changes=(random_directions,)),
        "length alone, tree directions": Recipe(
            LENGTH | _truth(radii="helps"), tree=FLAT, changes=(radii_of_words,), lengths=RISING
        ),
        "length alone, random directions": Recipe(
            LENGTH | LOST, changes=(radii_of_words, random_directions), lengths=RISING
        ),
        "characters alone": Recipe(
            LENGTH | LOST, changes=(radii_of_characters, random_directions), lengths=LONGER_WORDS
        ),
        "anti-length": Recipe(HELPS, PATHS, lengths=FALLING),
        "length and tree": Recipe(HELPS, PATHS, lengths=RISING),
        "flat tree on a sphere": Recipe(HARMS, PATHS, FLAT, space=SPHERE),
        "spherical tree": Recipe(HARMS, PATHS, SPHERICAL, space=SPHERE),
        "noise on a sphere": Recipe(NOISE, tree=SPHERICAL, changes=BOTH_RANDOM, space=SPHERE),
        "cones that hold": Recipe(HARMS | DECIDE, PATHS, INSIDE),
        "empty cones": Recipe(HARMS, PATHS, OUTSIDE),
        "half-spaces": Recipe(HARMS | _truth(cones="wide"), tree=HALF_SPACES, changes=(one_side,)),
        "half-spaces, all directions": Recipe(HARMS | DECIDE, PATHS, HALF_SPACES),
        "cones that hold others": Recipe(
            HARMS | _truth(radii="harms none", curvature="harms none", cones="misplaced"),
            tree=WIDE,
            changes=(opposite_sides,),
        ),
        **{f"hyperbolic tree, {name}": Recipe(truth, paths, tree) for name, (tree, truth, paths) in SHAPES.items()},
        **{f"noise, {name}": Recipe(NOISE, tree=tree, changes=BOTH_RANDOM) for name, (tree, _, _) in SHAPES.items()},
        "half of the families": Recipe(HARMS, OPEN_PATHS, changes=(half_of_families,)),
        "common direction": Recipe(HELPS, OPEN_PATHS, changes=(common_direction,)),
        "star": Recipe(STAR, NOISE, Tree(shares=(0.0, 1.0)), BOTH_RANDOM),
        **{
            f"characters alone, asymmetric, noise of {noise}": Recipe(
                LENGTH, {}, MANY_TOPS, (partial(radii_of_characters, scale=0.02, noise=noise),), ASYMMETRIC
            )
            for noise in (0.0, 0.3)
        },
        **{
            f"{radii}, {size:,} words": Recipe(truth, changes=(change,), lengths=Lengths(vocabulary=size))
            for size in (50, 3000)
            for radii, (truth, change) in RADII_OF_WORDS.items()
        },
    }
)
"""The worlds that verdicts are proven on."""
