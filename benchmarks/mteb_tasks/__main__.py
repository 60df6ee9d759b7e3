"""Run the tasks on a model through mteb, beside the package's own AUROC: ``python -m benchmarks.mteb_tasks SPEC``.

As the similarity of the model mteb gets minus the exterior angle at the second text, which knows the direction.
"""

import os
from pathlib import Path
from typing import Annotated

import mteb
import numpy as np
import typer

from benchmarks.mteb_tasks.tasks import HyperLexPC, WordNetIsAPC
from hiergeo._core.markdown import table
from hiergeo.adapters import load
from hiergeo.datasets import data_home
from hiergeo.datasets.hyperlex import FILE
from hiergeo.evaluation.benchmarks.words import is_a_scores
from hiergeo.evaluation.metrics import Ranking
from hiergeo.report.interop import to_mteb

EQUAL = 1e-9
"""How far AUROC of mteb and of the package may differ."""


def aurocs(scores: dict[str, np.ndarray], rows: list[tuple[str, str, int]]) -> dict[str, float]:
    """AUROC of scores of pairs, and as ``NAME, reversed`` against those alone whose reverse is positive."""
    positive = np.array([label == 1 for _, _, label in rows])
    true = {(word, kind) for word, kind, label in rows if label}
    turned = ~positive & np.array([(kind, word) in true for word, kind, _ in rows])
    found = {name: Ranking(score[positive], score[~positive]).auroc() for name, score in scores.items()}
    if turned.any():
        found |= {f"{name}, reversed": Ranking(s[positive], s[turned]).auroc() for name, s in scores.items()}
    return found


def main(
    model: Annotated[str, typer.Argument(help="A model of hiergeo, such as sentence-transformers:FOLDER.")],
    wordnet: Annotated[Path, typer.Option(help="Folder of WordNet's own files.")] = Path("/usr/share/wordnet"),
) -> None:
    """Print AUROC by task and subset; fails where mteb's differ from the package's by more than 1e-9."""
    if (hyperlex := data_home() / FILE).is_file():
        os.environ.setdefault("HYPERLEX_TABLE", str(hyperlex))
    if wordnet.is_dir():
        os.environ.setdefault("WORDNET_DICT", str(wordnet))
    loaded = load(model)
    encoder = to_mteb(loaded, by="angle")
    tasks = [HyperLexPC(), WordNetIsAPC()]
    done = mteb.evaluate(encoder, tasks, cache=None, show_progress_bar=False)
    rows, worst = [], 0.0
    for task, result in zip(tasks, done.task_results, strict=True):
        pairs = task.pairs()
        for scores in result.scores["test"]:
            subset = pairs[scores["hf_subset"]]
            first, second, _ = zip(*subset, strict=True)
            word, kind = (loaded.encode_text(texts).double() for texts in (first, second))
            own = aurocs(is_a_scores(encoder.space, word, kind), subset)
            for ours, theirs in {"cosine": "cosine", "angle": "similarity"}.items():
                worst = max(worst, abs(own[ours] - scores[f"{theirs}_auroc"]))
            columns = ("cosine", "distance", "angle", "radius", "cosine, reversed", "angle, reversed")
            figures = (round(own[name], 4) if name in own else "" for name in columns)
            rows.append((task.metadata.name, scores["hf_subset"], len(subset), *figures, scores["length_auroc"]))
    print(table(("task", "subset", "pairs", *columns, "length alone"), rows))
    print(f"AUROC of mteb and hiergeo differ by at most {worst:.1g}.")
    if worst > EQUAL:
        raise typer.Exit(1)


typer.run(main)
