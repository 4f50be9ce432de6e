"""Buckets: what may come at once, what may come in the long run, and how many are remembered."""

import pytest

from tastemaker.serve.guard.rates import Buckets, address_of


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_burst_and_then_a_steady_rate():
    clock = Clock()
    buckets = Buckets(per_s=2, burst=3, clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == 0.5  # two a second: the next in half of one
    clock.now += 0.5
    assert buckets.take("a") == 0
    assert buckets.take("a") == 0.5


def test_ten_seconds_of_asking_get_burst_plus_ten_times_the_rate():
    clock = Clock()
    buckets = Buckets(per_s=5, burst=8, clock=clock)
    granted = 0
    for _ in range(1280):  # 128 times a second
        granted += buckets.take("a") == 0
        clock.now += 1 / 128
    assert granted in (57, 58)  # 8 + 5 × 10, the last of them at the very end


def test_a_rest_fills_no_more_than_a_burst():
    clock = Clock()
    buckets = Buckets(per_s=5, burst=2, clock=clock)
    buckets.take("a")
    clock.now += 1e6
    assert [buckets.take("a") == 0 for _ in range(3)] == [True, True, False]


def test_one_does_not_pay_for_another():
    buckets = Buckets(per_s=1, burst=1, clock=Clock())
    buckets.take("a")
    assert buckets.take("b") == 0


def test_looking_takes_nothing_and_what_is_given_back_is_there():
    buckets = Buckets(per_s=1, burst=1, clock=Clock())
    assert buckets.wait_s("a") == buckets.wait_s("a") == 0
    buckets.take("a")
    assert buckets.wait_s("a") == 1
    buckets.give_back("a")
    buckets.give_back("a")
    assert [buckets.take("a") == 0 for _ in range(2)] == [True, False]


def test_no_more_than_so_many_are_remembered():
    buckets = Buckets(per_s=1, burst=1, entries=10, clock=Clock())
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unix", "unix", True),
    ],
)
def test_addresses_of_one_ipv6_customer_count_as_one(one, other, same):
    assert (address_of(one) == address_of(other)) is same
