"""Values shortened for messages and tables: names of images above all, which are shown to others."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_nb.excerpts import DIGITS, both_ends, names_of

A, B, C = (f"sha256:{one * 64}" for one in "abc")
HASH = f"sha256:{'a' * DIGITS}…"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({A: "/home/me/den/fox.png"}, "fox.png"),
        ({A: "/home/me/den/fox.png", B: "/home/me/zoo/fox.png"}, "den/fox.png"),
        ({A: "fox.png", B: "zoo/fox.png"}, "fox.png"),
        ({A: "/home/me/den/fox.png", B: "/mnt/old/den/fox.png"}, f"fox.png ({HASH})"),
        ({A: "/den/fox.png", B: "/den/fox.png"}, f"fox.png ({HASH})"),
        ({A: "C:\\Users\\me\\fox.png"}, "fox.png"),
        ({A: "https://bob:secret@host.test/a/fox.png?signature=secret#secret"}, "fox.png"),
        ({A: "https://bob:secret@host.test/?signature=secret"}, "host.test"),
        ({A: "http://[::1/fox.png"}, "fox.png"),
        ({B: "fox.png"}, HASH),
    ],
)
def test_an_image_goes_by_the_end_of_its_path(files: dict[str, str], name: str) -> None:
    """As much of it as tells it from the others, and no more than its folder; else with the begin of its hash."""
    assert name == names_of([A], files)[A]


def test_addresses_that_differ_in_their_ends_alone_are_told_apart() -> None:
    """By a hash, since what an address has after its path may be a signature."""
    names = names_of([f"https://host.test/fox.png?signature=secret{n}" for n in (1, 2)], {}).values()
    assert 2 == len({*names})
    assert all(name.startswith("fox.png (") and "secret" not in name for name in names)


HASHES = [f"sha256:{sha256(bytes([n])).hexdigest()}" for n in range(20)]
PLACES = st.one_of(
    st.text(max_size=20),
    st.builds("https://{}/{}?{}".format, st.text(max_size=6), st.text(max_size=6), st.text(max_size=6)),
    st.builds("{}/{}".format, st.sampled_from(["/a", "b", "/a/b", ""]), st.sampled_from(["x.png", "y.png", ""])),
)


@given(st.dictionaries(st.sampled_from(HASHES), PLACES), st.sets(PLACES, max_size=5))
def test_every_image_has_a_name_of_its_own(files: dict[str, str], addresses: set[str]) -> None:
    """Whatever the paths and addresses are: a table that is grouped by images puts no two together."""
    images = {image for image in addresses if image.startswith("https://")}
    names = names_of(images, files)
    assert {*images, *files} == {*names}
    assert len(names) == len({*names.values()})


@given(st.text(), st.integers(3, 50))
def test_both_ends_of_a_long_text_are_kept(text: str, most: int) -> None:
    """It has at most so many characters, and begins and ends as the text does."""
    cut = both_ends(text, most)
    assert len(cut) == min(len(text), most)
    assert (text[0], text[-1]) == (cut[0], cut[-1]) if text else not cut
