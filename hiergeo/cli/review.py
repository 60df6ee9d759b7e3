"""``hiergeo chains review``: chains checked by hand in the browser."""

from pathlib import Path
from typing import Annotated

from hiergeo.cli import options
from hiergeo.cli._io import check_writable, write_json
from hiergeo.cli._terminal import console, note
from hiergeo.cli.options import flag, path_argument, path_option
from hiergeo.cli.serve import Host, Insecure, Port, Token, check_reach, check_token, serve_page
from hiergeo.evaluation.findings.exports import percent
from hiergeo.report import review
from hiergeo.search import serving


def review_command(
    folder: Annotated[Path, path_argument("DIR", "Folder of a build.", show_default=False)],
    split: options.Split = "test",
    images: Annotated[
        Path | None,
        path_option(
            "DIR", "Folder of the images that the chains name. (by default that of the build, and images in it)"
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8091,
    token: Token = None,
    insecure: Insecure = False,
    open_page: options.OpenPage = None,
    export: Annotated[bool, flag("--export", "Write what was accepted, instead of showing the page.")] = False,
    json: options.Json = None,
) -> None:
    """Check chains by hand in the browser, until SIGTERM or Ctrl-C; or export what was accepted."""
    check_token(token)
    check_writable(json)
    with review.open_desk(folder, split, images) as desk:
        if desk.journal.mended:
            note(f"a decision of {desk.journal.mended} bytes was cut short and never acknowledged: it was removed.")
        if export:
            done = review.export(desk)
            write_json(json, done.to_json())
            tell(done)
            return
        with serving.bind(host, port) as bound:
            settings = serving.Settings(token=token, hosts=check_reach(bound, host, token, insecure))
            app = review.create_review(desk, settings)
            serve_page(app, bound, settings, f"Reviewing {len(desk.rows):,} chains of {folder}", open_page)


def tell(done: review.Reviewed) -> None:
    """Say what a review came to."""
    screen = console()
    edited = f" ({done.edited:,} of them edited)" if done.edited else ""
    where = done.folder / "reviewed.csv"
    screen.print(f"{done.accepted:,} of {done.rows:,} chains accepted{edited}, in {where}", soft_wrap=True)
    screen.print(f"{sum(done.rejected.values()):,} rejected, {done.undecided:,} undecided, {done.disputed:,} disputed")
    for each in done.agreement:
        kappa = "not defined" if each.kappa != each.kappa else f"{each.kappa:.2f}"
        names = " and ".join(each.reviewers)
        if each.rows:
            screen.print(f"{names}: {each.rows:,} chains, {percent(each.agreed)} decided alike, Cohen's kappa {kappa}")
