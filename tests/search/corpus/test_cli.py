"""``hiergeo index build`` of many files: what it prints, stores and refuses."""

import json

import pytest

from tests.search.corpus.corpus_common import captions, inputs, parquet, picture, samples, stored, tar


def test_files_become_an_index(run, tmp_path):
    made = inputs(tmp_path / "in")
    words = ("index", "build", tmp_path / "ix", "-m", "tiny", "--captions", tmp_path / "in")
    code, out, err = run(*words, "--json", tmp_path / "a.json")
    assert code == 0, err
    held = json.loads((tmp_path / "a.json").read_text())
    assert held["metrics"]["items"] == sum(map(len, made.values())) == len(stored(tmp_path / "ix"))
    assert held["metrics"]["embedded"] == len(made)
    code, out, _ = run(*words)
    assert code == 0
    assert f"{len(made)} were there" in out


def test_images_are_named_from_the_index_however_the_inputs_are_named(run, tmp_path, monkeypatch):
    folder = tmp_path / "in" / "pictures"
    folder.mkdir(parents=True)
    for colour in range(3):
        (folder / f"{colour}.png").write_bytes(picture(colour * 80))
    tar(tmp_path / "in" / "f.tar", [("a.png", picture(9)), ("a.txt", b"a dot")])
    monkeypatch.chdir(tmp_path)
    names = []
    for out, given in (("a", "in"), ("b", tmp_path / "in"), ("c", "./in/../in")):
        code, _, err = run("index", "build", out, "-m", "tiny", "--items", "images", "--captions", given)
        assert code == 0, err
        names.append(sorted(image or "" for *_, image in stored(tmp_path / out).values()))
    assert names[0] == names[1] == names[2]
    assert names[0][0] == "../in/f.tar#a.png"
    assert all((tmp_path / "a" / name).is_file() for name in names[0][1:])


def test_broken_inputs_end_with_1(run, tmp_path):
    inputs(tmp_path / "in")
    path = tar(tmp_path / "in" / "f.tar", samples(9))
    path.write_bytes(path.read_bytes()[:4000])
    parquet(tmp_path / "in" / "g.parquet", captions(3)).write_bytes(b"PAR1")
    words = ("index", "build", tmp_path / "ix", "-m", "tiny", "--captions", tmp_path / "in")
    code, _, err = run(*words)
    assert code == 1
    assert "g.parquet was left out" in err
    assert "f.tar broke off" in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--worker", "0/2"), "files of captions"),
        (("--caption-column", "x"), "--captions"),
        (("--ray",), "files of captions"),
        (("--captions", "IN/a.txt", "--images", "IN", "--worker", "0/2"), "files of captions"),
        (("--captions", "IN", "--items", "both"), "both"),
        (("--captions", "IN", "--worker", "9/2"), "9/2"),
        (("--captions", "IN", "-g", "euclid"), "euclidean"),
        (("--captions", "IN/*.pdf",), "pdf"),
    ],
)  # fmt: skip
def test_what_is_refused(run, tmp_path, words, named):
    (tmp_path / "a.txt").write_text("a dog")
    words = [word.replace("IN", str(tmp_path)) for word in words]
    code, _, err = run("index", "build", tmp_path / "ix", "-m", "tiny", *words)
    assert code == 2
    assert named in err
    assert not (tmp_path / "ix").exists()
