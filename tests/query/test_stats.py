import pytest

from runfolio.query.stats import told_apart, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(right: int, count: int, low: float, high: float):
    """Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_a_perfect_score_is_not_certain():
    assert wilson(1.0, 360) == (pytest.approx(0.9894, abs=1e-4), 1.0)


@pytest.mark.parametrize(("share", "count"), [(1.2, 10), (-0.1, 10), (0.5, 0), (float("nan"), 10)])
def test_what_is_no_share_has_no_interval(share: float, count: int):
    with pytest.raises(ValueError, match="no interval"):
        wilson(share, count)


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ((56, 70), (48, 80), True),  # 0.0524 to 0.3339
        ((9, 10), (3, 10), True),  # 0.1705 to 0.8090
        ((5, 56), (0, 29), False),  # -0.0381 to 0.1926
    ],
)
def test_two_shares_are_told_apart_as_published(first: tuple[int, int], second: tuple[int, int], apart: bool):
    """Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10: the interval leaves out 0."""
    (a, n), (b, m) = first, second
    assert told_apart(a / n, n, b / m, m) is apart
    assert told_apart(b / m, m, a / n, n) is apart
