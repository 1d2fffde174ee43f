"""A reader who stops reading never stops who writes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import TextIO

import pytest

from rollout_kit.reporters.outlet import BEHIND_BYTES, SILENCE_S, Outlet
from rollout_kit.reporters.text import Printer


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    read, write = os.pipe()
    stream = os.fdopen(write, "w", encoding="utf-8")
    yield read, stream
    for close in (lambda: os.close(read), stream.close):
        try:
            close()
        except OSError:
            continue


def everything(read: int) -> str:
    """All that was written, once the writer has closed."""
    with os.fdopen(os.dup(read), encoding="utf-8") as file:
        return file.read()


def test_what_is_written_arrives_in_order(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    outlet = Outlet(stream, time.monotonic)
    for number in range(100):
        outlet.write(f"line {number}\n")
    outlet.finish()
    stream.close()
    assert everything(read) == "".join(f"line {number}\n" for number in range(100))


def test_a_full_pipe_does_not_hold_up_the_writer_nor_the_end(pipe: tuple[int, TextIO]) -> None:
    _, stream = pipe
    outlet = Outlet(stream, time.monotonic)
    began_s = time.monotonic()
    for _ in range(400):
        outlet.write("x" * 1023 + "\n")
    assert time.monotonic() - began_s < SILENCE_S
    assert outlet.behind
    outlet.finish()
    assert time.monotonic() - began_s < SILENCE_S + 1.0


def test_what_does_not_fit_is_counted_where_it_is_missing(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    outlet = Outlet(
        stream, time.monotonic, gap=lambda lines: f"missing {lines}", full_bytes=100_000
    )
    for number in range(400):
        outlet.write(f"{number:>1023}\n")
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(everything(read).split()))
    reader.start()
    while outlet.behind:
        time.sleep(0.001)
    outlet.write("after\n")
    outlet.finish()
    stream.close()
    reader.join()

    assert said[-1] == "after"
    gaps = [int(word) for before, word in pairwise(said) if before == "missing"]
    numbers = [(before, word) for before, word in pairwise(["", *said[:-1]]) if word.isdigit()]
    shown = [int(word) for before, word in numbers if before != "missing"]
    assert gaps
    assert shown == sorted(shown)
    assert len(shown) + sum(gaps) == 400


def test_a_slow_reader_gets_everything(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    outlet = Outlet(stream, time.monotonic)
    text = "y" * (BEHIND_BYTES * 3)
    outlet.write(text)
    taken: list[bytes] = []

    def slowly() -> None:
        while sum(map(len, taken)) < len(text):
            taken.append(os.read(read, 16384))
            time.sleep(0.01)

    reader = threading.Thread(target=slowly)
    reader.start()
    outlet.finish()
    reader.join()
    assert b"".join(taken).decode() == text


def test_a_reader_who_has_gone_ends_output(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    printer = Printer(Outlet(stream, time.monotonic))
    os.close(read)
    deadline_s = time.monotonic() + 5.0
    while not printer.closed and time.monotonic() < deadline_s:
        printer.line("hello")
        time.sleep(0.005)
    assert printer.closed
