import pytest

from fuzz.rpc_run import Report, Victim, run
from pushmesh_node.gossip.effects import Effect
from pushmesh_node.gossip.events import Event, RpcReceived

RPCS = 20_000


def test_hostile_rpcs_leave_a_router_serving_and_its_memory_flat(seed: int) -> None:
    report = run(seed, RPCS)
    assert report.is_flat, report
    assert report.decoded + report.refused == RPCS
    assert min(report.decoded, report.refused) > RPCS // 5
    assert report.answers > 1_000
    assert min(report.verdicts["ACCEPT"], report.verdicts["REJECT"]) > 500
    assert {"graylisted", "malformed-rpc"} <= report.disconnects.keys()


class Fragile(Victim):
    """Breaks over the first RPC with a prune in it."""

    def handle(self, event: Event) -> list[Effect]:
        if isinstance(event, RpcReceived) and event.rpc.prune:
            raise KeyError("a fault of ours")
        return super().handle(event)


def test_a_fault_of_the_router_ends_the_run_with_what_is_needed_to_see_it_again() -> None:
    with pytest.raises(KeyError) as raised:
        run(3, RPCS, Fragile)
    assert raised.value.__notes__[0].startswith("seed 3, RPC ")


class Leaky(Victim):
    """Keeps something of every event."""

    def __init__(self, seed: int) -> None:
        self.kept: list[list[int]] = []
        super().__init__(seed)

    def handle(self, event: Event) -> list[Effect]:
        self.kept += [[len(self.kept)] for _ in range(10)]
        return super().handle(event)


def test_a_leak_is_seen() -> None:
    report = run(3, RPCS // 2, Leaky)
    assert not report.is_flat


@pytest.mark.parametrize(
    ("growth_bytes", "growth_blocks", "is_flat"), [(0, 0, True), (1 << 30, 0, False), (0, 1 << 30, False)]
)
def test_growth_of_either_kind_is_growth(growth_bytes: int, growth_blocks: int, is_flat: bool) -> None:
    report = Report(1, 1, 1, 0, {}, {}, 0, growth_bytes, growth_blocks, 0.0)
    assert report.is_flat is is_flat
