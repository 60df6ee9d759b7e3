"""How well `hiergeo.construction.language` reads captions: heads, kinds and speed, on captions with
ever more general texts.

    python -m benchmarks.language

Reads HierarCaps' machine-made training rows, whose general texts name what a caption shows or a kind of it; often they
name another thing of the image than the caption's subject, which bounds how far agreement can go.
"""

import argparse
import time

from benchmarks.report import table
from hiergeo import datasets
from hiergeo.construction.language import head_noun, lexicon, looks_english, parse


def related(one: str, other: str) -> bool:
    """Whether two nouns are one, or one names a kind of the other."""
    known = lexicon()
    return one == other or known.is_a(one, other) or known.is_a(other, one)


def is_hypernym(word: str, kind: str) -> bool:
    """Whether any sense of a kind is above any sense of a word in WordNet."""
    known = lexicon()
    kinds = set(known.nouns(kind))
    return any(not kinds.isdisjoint(known.ancestors(sense)) for sense in known.nouns(word))


def measure(split: str) -> list[tuple[str, float]]:
    """Shares, and captions a second."""
    rows = datasets.load("hierarcaps", split).rows
    captions = [row.positive[-1] for row in rows]
    lexicon()
    began = time.process_time()
    found = [parse(caption) for caption in captions]
    seconds = time.process_time() - began
    heads = [each.main.noun if each.main else None for each in found]
    measured = [
        ("captions", float(len(captions))),
        ("captions a second, one core", len(captions) / seconds),
        ("taken for English", sum(map(looks_english, captions)) / len(captions)),
        ("with a main phrase", sum(head is not None for head in heads) / len(captions)),
        ("with something to cut", sum(bool(each.trails) for each in found) / len(captions)),
    ]
    for tier in range(1, len(rows[0].positive) - 1):
        told = [head_noun(row.positive[tier]) for row in rows]
        pairs = [(head, each, other) for head, each, other in zip(heads, found, told, strict=True) if head and other]
        agree = sum(related(head, other) for head, _, other in pairs)
        anywhere = sum(any(related(phrase.noun, other) for phrase in each.phrases) for _, each, other in pairs)
        measured.append((f"head agrees with that of tier {tier}", agree / len(pairs)))
        measured.append((f"some noun agrees with the head of tier {tier}", anywhere / len(pairs)))
    above = [(head_noun(row.positive[1]), head_noun(row.positive[0])) for row in rows]
    asked = [(word, kind) for word, kind in above if word and kind and word != kind]
    true = [(word, kind) for word, kind in asked if is_hypernym(word, kind)]
    for name, pairs_of in (("the kinds that tier 0 names", asked), ("those that are WordNet's hypernyms", true)):
        measured.append((f"of {len(pairs_of):,} {name}, in kinds()", _in_kinds(pairs_of)))
    return measured


def _in_kinds(pairs: list[tuple[str, str]]) -> float:
    return sum(kind in lexicon().kinds(word) for word, kind in pairs) / len(pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="expanded-train")
    print(
        table(
            ["", "measured"],
            [
                [name, f"{value:,.3f}" if value < 1 else f"{value:,.0f}"]
                for name, value in measure(parser.parse_args().split)
            ],
        )
    )


if __name__ == "__main__":
    main()
