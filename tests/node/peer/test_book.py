from pushmesh_node.peer.address import Address
from pushmesh_node.peer.book import MAX_ADDRESSES_PER_PEER, MAX_DIALLING, MAX_PEERS, PeerBook


def an_address(n: int, port: int = 1) -> Address:
    return Address("ip4", "10.0.0.1", port, n.to_bytes(32, "big"))


def a_book() -> PeerBook:
    return PeerBook(backoff_min_ms=100, backoff_max_ms=1_000)


def test_bootstrap_peers_are_dialled_even_when_there_are_enough_peers() -> None:
    book = a_book()
    book.add(an_address(1))
    book.add(an_address(2), bootstrap=True)
    assert book.due(0, {bytes(32)}, set(), target=1) == [an_address(2)]


def test_known_peers_are_dialled_up_to_the_target() -> None:
    book = a_book()
    for n in range(5):
        book.add(an_address(n))
    assert len(book.due(0, set(), set(), target=3)) == 3
    assert book.due(0, set(), set(), target=3) == []


def test_the_connected_and_the_barred_are_not_dialled() -> None:
    book = a_book()
    for n in range(3):
        book.add(an_address(n))
    due = book.due(0, {an_address(0).node_id or b""}, {an_address(1).node_id or b""}, target=9)
    assert due == [an_address(2)]


def test_each_failure_doubles_the_pause_up_to_the_limit() -> None:
    book = a_book()
    book.add(an_address(1))
    node_id = an_address(1).node_id
    assert node_id is not None
    now_ms, pauses = 0, []
    for _ in range(6):
        assert book.due(now_ms, set(), set(), target=9) == [an_address(1)]
        book.failed(node_id, now_ms, jitter=1.0)
        pause_ms = next(ms for ms in range(2_000) if book.due(now_ms + ms, set(), set(), target=9))
        book.succeeded(node_id)
        now_ms += pause_ms
        pauses.append(pause_ms)
    assert pauses == [100, 200, 400, 800, 1_000, 1_000]


def test_jitter_halves_the_pause_at_most() -> None:
    book = a_book()
    book.add(an_address(1))
    book.due(0, set(), set(), target=9)
    book.failed(an_address(1).node_id or b"", 0, jitter=0.0)
    assert book.due(49, set(), set(), target=9) == [] and book.due(50, set(), set(), target=9) == [an_address(1)]


def test_a_connection_that_lasted_starts_the_pauses_anew() -> None:
    book = a_book()
    book.add(an_address(1))
    node_id = an_address(1).node_id or b""
    for _ in range(5):
        book.failed(node_id, 0, jitter=1.0)
    book.lasted(node_id)
    book.failed(node_id, 0, jitter=1.0)
    assert book.due(100, set(), set(), target=9) == [an_address(1)]


def test_the_addresses_of_a_peer_take_turns_and_are_bounded() -> None:
    book = a_book()
    for port in range(1, MAX_ADDRESSES_PER_PEER + 3):
        book.add(an_address(1, port))
    node_id = an_address(1).node_id or b""
    assert [address.port for address in book.addresses(node_id)] == list(range(MAX_ADDRESSES_PER_PEER + 2, 2, -1))
    first = book.due(0, set(), set(), target=9)
    book.failed(node_id, 0, jitter=0.0)
    assert book.due(10_000, set(), set(), target=9) != first


def test_few_dials_are_out_at_a_time() -> None:
    book = a_book()
    for n in range(MAX_DIALLING + 5):
        book.add(an_address(n), bootstrap=True)
    assert len(book.due(0, set(), set(), target=99)) == MAX_DIALLING


def test_a_full_book_forgets_the_worst_but_no_bootstrap_peer() -> None:
    book = a_book()
    book.add(an_address(0), bootstrap=True)
    for n in range(1, MAX_PEERS):
        book.add(an_address(n))
    for n in (0, 7):
        for _ in range(3):
            book.failed(an_address(n).node_id or b"", 0, jitter=1.0)
    book.add(an_address(5_000))
    assert [bool(book.addresses(n.to_bytes(32, "big"))) for n in (0, 7, 5_000)] == [True, False, True]
