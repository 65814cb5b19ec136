"""The sequence of samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlreward.data import DataError, Dataset, Provenance
from vlreward.geometry import MOST, Size
from vlreward.tasks.counting import CountGold
from vlreward.tasks.geometry import MathGold
from vlreward.tasks.rec import BoxGold
from vlreward.types import Sample

_ORIGIN = Provenance("x.json", "rec", "0" * 64, 3, "counting")


def _samples(number: int = 3) -> list[Sample]:
    return [Sample(id=f"s{i}", gold=CountGold(count=i)) for i in range(number)]


_texts = st.text(st.characters(exclude_categories=["Cs"]))
_golds = st.one_of(
    st.builds(CountGold, count=st.integers(0, 10**20)),
    st.builds(MathGold, expression=_texts.filter(str.strip).map(lambda t: t.strip()[:512])),
    st.tuples(
        st.floats(-MOST, 1e11), st.integers(-50, 50), st.floats(1, 1e11), st.integers(1, 9)
    ).map(lambda t: BoxGold.model_validate({"box": [t[0], t[1], t[0] + t[2], t[1] + t[3]]})),
)


@given(
    question=_texts,
    expression=st.none() | _texts,
    gold=_golds,
    image=st.none() | _texts,
    size=st.none() | st.builds(Size, st.integers(1, 10**6), st.integers(1, 10**6)),
    metadata=st.dictionaries(
        _texts,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts,
            lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
            max_leaves=5,
        ).filter(lambda v: "inf" not in repr(v)),
        max_size=3,
    ),
)
def test_what_is_stored_is_what_comes_back(question, expression, gold, image, size, metadata):  # type: ignore[no-untyped-def]
    sample = Sample(
        id="a",
        question=question,
        expression=expression,
        gold=gold,
        image=image,
        image_size=size,
        metadata=metadata,
    )
    assert Dataset("x", [sample], _ORIGIN)[0] == sample


def test_sequence() -> None:
    samples = _samples()
    data = Dataset("x", samples, _ORIGIN)
    assert list(data) == samples
    assert (data[-1], data.by_id("s1"), len(data)) == (samples[2], samples[1], 3)
    assert list(reversed(data)) == samples[::-1]
    assert samples[1] in data
    assert samples[1].model_copy(update={"question": "?"}) not in data
    assert data.index(samples[2]) == 2
    with pytest.raises(IndexError):
        data[3]
    with pytest.raises(KeyError, match="data set 'x' has no sample 's9'"):
        data.by_id("s9")


def test_samples_cannot_be_spoiled_through_the_data_set() -> None:
    data = Dataset("x", _samples(), _ORIGIN)
    data[0].metadata["answer"] = 1
    assert data[0].metadata == {}


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.json: expected samples, got none"):
        Dataset("x", [], _ORIGIN)
    with pytest.raises(DataError, match=r"expected ids that differ, got 1 again: \['s0'\]"):
        Dataset("x", [*_samples(), _samples()[0]], _ORIGIN)
    data = Dataset("x", _samples(), _ORIGIN)
    with pytest.raises(DataError, match="sample 's0' has no image"):
        data.open_image(data[0])


def test_subsets_of_subsets() -> None:
    data = Dataset("x", _samples(9), _ORIGIN)
    inner = data[2:8].select([3, 1], "two")
    assert inner.ids == ("s5", "s3")
    assert list(inner.row_numbers) == [6, 4]
    assert inner.name == "x[2:8][two]"
    assert inner.provenance.sampling == "2:8, two"
    assert data.provenance.sampling is None


def test_provenance_is_plain_data() -> None:
    data = Dataset("x", _samples(), _ORIGIN)
    assert data[:2].provenance.sampling == "0:2"
