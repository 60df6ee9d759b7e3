"""Cards of trained image-text models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiergeo._core import markdown
from hiergeo._core.version import __version__

TEMPLATE = Path(__file__).parent / "card.md"


def clip_card(
    described: Mapping[str, Any],
    title: str,
    *,
    license: str | None = None,
    results: Mapping[str, Any] | None = None,
    metrics: Sequence[tuple[str, ...]] | None = None,
    about: str = "",
    verdict: str = "",
) -> str:
    """The card of a trained image-text model, in Markdown with the metadata that the Hugging Face hub reads.

    Args:
        described: what ``hiergeo.json`` of its folder says.
        title: of the card.
        license: identifier of the licence, as the hub knows it.
        results: what hubs read of measurements.
        metrics: rows of metric, value, interval and baselines; None where nothing was measured.
        about: what they were measured on.
        verdict: of an audit; empty where there is none.
    """
    facts = {name: described[name] for name in ("base", "space", "min_radius", "steps")}
    losses = ", ".join(f"{name} x {weight:g}" for name, weight in described["plan"]["losses"].items())
    facts |= {"temperature": f"{described['temperature']:.4g}", "losses": losses}
    facts |= {"data": Path(described["data"]["source"]).name, "hiergeo": described.get("hiergeo", __version__)}
    look = described["last_look"]
    seen = {**look["validation"], "radius of captions": look["radius"][0], "radius of pictures": look["radius"][1]}
    library = "transformers" if described["base"].startswith("hf:") else "open_clip"
    tags = ["hiergeo", library, "vision-language", "hierarchy"]
    return markdown.card(
        "ModelCard",
        TEMPLATE,
        {"library_name": "hiergeo", "license": license or None, "tags": tags, **(results or {})},
        title=title,
        facts=[(name, str(value)) for name, value in facts.items()],
        seen=list(seen.items()),
        metrics=metrics,
        about=about,
        verdict=verdict,
    )
