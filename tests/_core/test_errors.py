"""Errors that name what is unknown suggest what may have been meant."""

from hiergeo._core.errors import unknown_name


def test_the_nearest_name_is_suggested_whatever_its_case():
    assert "did you mean 'ViT-L-14'?" in str(unknown_name("architecture", "vit-l-14", ["ViT-g-14", "ViT-L-14", "RN50"]))


def test_a_long_list_is_cut_and_counted():
    message = str(unknown_name("thing", "#", [f"name{i:03}" for i in range(40)]))
    assert "name011 and 28 more" in message
    assert "name012" not in message
