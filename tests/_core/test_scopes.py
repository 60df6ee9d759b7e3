"""Switches of other libraries that are turned for a while: put back at the end, whatever overlaps."""

import sys
import threading
import warnings

import pytest
from huggingface_hub import constants

from hiergeo import cli
from hiergeo.adapters import hub


@pytest.fixture
def unreachable(monkeypatch):
    monkeypatch.setattr(hub, "_answers", lambda endpoint: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_the_hub_is_put_back_after_nested_blocks(unreachable):
    with hub.cached_if_unreachable():
        with hub.cached_if_unreachable():
            assert constants.HF_HUB_OFFLINE
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_the_hub_is_put_back_after_blocks_that_overlap_in_threads(unreachable):
    inside, leave = threading.Event(), threading.Event()

    def first():
        with hub.cached_if_unreachable():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    threading.Timer(0.1, leave.set).start()
    with hub.cached_if_unreachable():
        assert not thread.is_alive() or leave.is_set(), "the other block has not ended"
        assert constants.HF_HUB_OFFLINE
    thread.join()
    assert not constants.HF_HUB_OFFLINE


def test_warnings_are_printed_as_before_once_a_command_has_ended(monkeypatch, capsys):
    before = warnings.showwarning
    monkeypatch.setattr(sys, "argv", ["hiergeo", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert warnings.showwarning is before
