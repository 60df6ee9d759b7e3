"""``hiergeo classify``: items into one's own tree of labels, each down to the level at which it can be believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hiergeo._core.errors import InputError
from hiergeo._core.storage.files import refuse_existing, retire
from hiergeo.cli import options
from hiergeo.cli._io import check_writable, page_lines, publish
from hiergeo.cli._terminal import note, phase
from hiergeo.cli.options import argument, option, path_option
from hiergeo.cli.plans import Config

if TYPE_CHECKING:
    from hiergeo.evaluation.classifying import Classified


def classify_command(
    items: Annotated[
        str,
        argument(
            "ITEMS",
            "A table (CSV, TSV, Parquet, JSON Lines), a text of one item a line, a folder of images, or "
            "embeddings (.npz).",
            show_default=False,
        ),
    ],
    tree: Annotated[
        str | None,
        option(
            "FILE",
            "The labels: a table of paths or of edges (child, parent), indented text, JSON; or wordnet:SYNSET.",
            "--tree",
            "-t",
        ),
    ] = None,
    model: Annotated[
        str | None, option("SPEC", "What embeds items and labels; with --with by default that of it.", "--model", "-m")
    ] = None,
    config: Config = None,
    captions: options.RowTexts = None,
    alpha: Annotated[
        float | None, option("X", "The share of wrong labels to promise, such as 0.1; it needs --calibrate.")
    ] = None,
    calibrate: Annotated[
        str | None,
        option(
            "FILE",
            "Labelled items like those to be classified: a table with a column of labels, or a folder of "
            "images with a subfolder for each label.",
        ),
    ] = None,
    floor: Annotated[float, option("X", "The least confidence of a believed label, where no --alpha sets it.")] = 0.0,
    geometry: options.MeasuredGeometry = None,
    method: Annotated[
        str,
        option("NAME", "flat, top-down, level, distance, cone or ladder; auto: chosen with labelled items, else flat."),
    ] = "auto",
    temperature: Annotated[
        float | None, option("T", "Temperature of the softmax. (by default chosen with labelled items, else 0.05)")
    ] = None,
    template: Annotated[
        list[str] | None,
        option(
            "TEXT",
            "Text of a label, {} for its name or {path} for the name and what is above it; give it once "
            "for each. (by default the name)",
        ),
    ] = None,
    column: Annotated[
        str | None, option("NAME", "The column of the items. (by default caption, text, image, title or name)")
    ] = None,
    label_column: Annotated[
        str | None, option("NAME", "The column of the labels. (by default label, category, class or taxon)")
    ] = None,
    out: Annotated[
        Path | None,
        path_option("FILE", "The table of all items: .csv, .parquet or .json. A stopped run goes on.", "--out", "-o"),
    ] = None,
    html: Annotated[Path | None, path_option("FILE", "Also write a page, the least sure items first.")] = None,
    save: Annotated[Path | None, path_option("DIR", "Keep the fitted classifier in this new folder.")] = None,
    fitted: Annotated[
        Path | None, path_option("DIR", "Classify with the classifier that --save kept, instead of --tree.", "--with")
    ] = None,
    device: options.Device = options.AUTO,
) -> None:
    """Classify items into a tree of labels, each down to the level at which it can be believed.

    With --alpha and --calibrate the share of wrong labels is promised.
    """
    from hiergeo.datasets.labels import load_tree
    from hiergeo.evaluation.classifying import Classifier
    from hiergeo.evaluation.classifying.item_batches import ItemSource
    from hiergeo.evaluation.classifying.placing import check_table

    check_writable(out, html)
    if out is not None:
        check_table(out)
    settings: dict[str, Any] = {"space": geometry, "temperature": temperature, "templates": template, "alpha": alpha}
    settings |= {"floor": floor or None, "method": None if method == "auto" else method}
    settings = {name: value for name, value in settings.items() if value is not None}
    work, source = None if out is None else out.with_name(f".{out.name}.parts"), ItemSource(items, column, label_column)
    if fitted is not None:
        others = {"tree": tree, "calibrate": calibrate, "label_column": label_column, "save": save}
        if set_anew := [*settings, *(name for name, value in others.items() if value)]:
            raise InputError(f"a saved classifier is fitted already: leave {', '.join(set_anew)} out.")
        if told := source.taken():
            phase(f"Reading {told}")
        classifier = Classifier.load(fitted, model=model, device=device)
        _conclude(classifier.classify(source, work=work, progress=True), out, html, work)
        return
    if tree is None or model is None:
        raise InputError("give the labels, --tree FILE, and a model, --model SPEC; or a classifier, --with DIR.")
    if save is not None:
        refuse_existing(save, False)
    labels = load_tree(tree)
    if labels.namesakes:
        note(f"labels of one name in {tree}: {labels.namesakes}; --template '{{path}}' gives them different texts.")
    for read, labelled in ((items, False), (calibrate, True)):
        if read is not None and (told := ItemSource(read, column, label_column, labelled=labelled).taken()):
            phase(f"Reading {told}")
    classifier = Classifier(labels, model, device=device, **settings)
    classifier.fit(calibrate, column=column, label_column=label_column, among=source, progress=True)
    kept = [] if save is None else [f"Classifier: {classifier.save(save)} (--with {save})"]
    _conclude(classifier.classify(source, work=work, progress=True), out, html, work, kept)


def _conclude(
    done: "Classified", out: Path | None, html: Path | None, work: Path | None, lines: Sequence[str] = ()
) -> None:
    lines = [f"Method: {done.settings['method']}, temperature {done.settings['temperature']:g}", *lines]
    if out is not None and work is not None:
        done.write(out)
        retire(work)
        lines.append(f"Table: {out.absolute()}")
    if html is not None:
        from hiergeo.report.classified import write_classified

        write_classified(done, html)
    publish({}, None, "table", done, first=(str(done.promise),), lines=[*lines, *page_lines(html)])
