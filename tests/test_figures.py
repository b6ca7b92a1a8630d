"""Figures everybody can read: alt text always, safe colours, the same picture each time."""
import base64
import re
from html.parser import HTMLParser

import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from gpt2lab.figures import COLOURS, axes, show


def image(picture) -> dict[str, str]:
    """The attributes of the one <img> that a picture becomes."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, dict(attributes)))
    parser.feed(picture._repr_html_())
    assert [tag for tag, _ in found] == ["img"]
    return found[0][1]


def drawn():
    figure, ax = axes()
    ax.plot([1, 2], [3, 4])
    return figure


def test_a_figure_becomes_an_image_with_its_alt_text():
    attributes = image(show(drawn(), "A line rises from 3 to 4."))
    assert attributes["alt"] == "A line rises from 3 to 4."
    kind, data = attributes["src"].split(",", 1)
    assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")


def test_alt_text_of_any_characters_stays_text():
    alt = 'after "<|endoftext|>" & \'more\' <script>'
    assert image(show(drawn(), alt))["alt"] == alt


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_without_alt_text_no_figure(alt):
    figure = drawn()
    with pytest.raises(ValueError, match="alt text"):
        show(figure, alt)
    plt.close(figure)


def test_the_figure_is_closed_so_that_it_is_not_shown_twice():
    before = plt.get_fignums()
    show(drawn(), "A line.")
    assert plt.get_fignums() == before


def test_the_same_figure_gives_the_same_bytes():
    assert show(drawn(), "A line.").png == show(drawn(), "A line.").png


def test_where_there_are_no_pictures_the_alt_text_stands():
    assert repr(show(drawn(), "A line.")) == "Figure: A line."


def test_the_style_is_set_for_the_figure_and_for_nothing_else():
    before = dict(matplotlib.rcParams)
    figure, grid = axes(2, 3)
    assert grid.shape == (2, 3) and dict(matplotlib.rcParams) == before
    line, = grid[0, 0].plot([0, 1])
    assert line.get_color() == COLOURS[0]
    plt.close(figure)


def test_the_colours_stay_apart_for_every_common_kind_of_eye():
    """Simulated after Viénot et al. 1999 (linear RGB); no two colours come closer than 25 of 255 in any channel."""
    kinds = {"none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
             "protan": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
             "deutan": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1))}
    for matrix in kinds.values():
        seen = []
        for colour in COLOURS:
            assert re.fullmatch("#[0-9A-F]{6}", colour)
            linear = [(int(colour[i:i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
            seen.append([max(0, sum(m * c for m, c in zip(row, linear))) ** (1 / 2.2) * 255 for row in matrix])
        for i, one in enumerate(seen):
            for other in seen[:i]:
                assert max(abs(a - b) for a, b in zip(one, other)) > 25
