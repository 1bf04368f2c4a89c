"""A peer's score computed anew each time from the list of all that it did, by the formulas as they are written.

The twin of pushmesh_node.gossip.scores.scoring by the numbers of `support.scored`; its memories never end."""


class NaiveScores:
    """Who is connected from where stands in `hosts`, which the caller keeps."""

    def __init__(self) -> None:
        self.deeds: dict[bytes, list[tuple[str, str, float]]] = {}
        self.hosts: dict[bytes, str] = {}

    def of(self, peer: bytes) -> float:
        earned = bad = longest_ms = 0.0
        for topic in {topic for _, topic, _ in self.deeds.get(peer, [])}:
            mesh_ms, kib, invalid = 0.0, 0.0, 0.0
            since: float | None = None
            for deed, at, amount in self.deeds[peer]:
                if deed == "refresh" and since is not None:
                    mesh_ms = amount - since
                if deed == "decay":
                    kib, invalid = self.decayed(kib, 0.5), self.decayed(invalid, 0.5)
                if deed == "leave":
                    mesh_ms, kib, since = 0.0, 0.0, None
                if at != topic:
                    continue
                if deed == "graft":
                    since = amount if since is None else since
                if deed == "prune":
                    since, mesh_ms = None, 0.0
                kib = min(10.0, kib + amount) if deed == "deliver" else kib
                invalid += 1 if deed == "reject" else 0
            longest_ms = max(longest_ms, mesh_ms)
            earned += kib
            bad += -100 * invalid * invalid
        earned += min(1_000.0, longest_ms / 1_000) * 0.01
        behaviour = app = 0.0
        for deed, _, amount in self.deeds.get(peer, []):
            behaviour += amount if deed == "misbehave" else 0.0
            behaviour = self.decayed(behaviour, 0.986) if deed == "decay" else behaviour
            app = amount if deed == "app" else app
        here = self.hosts.get(peer, "")
        surplus = max(0, list(self.hosts.values()).count(here) - 5) if here else 0
        return min(100.0, earned) + bad + app - 50 * surplus * surplus - 10 * behaviour * behaviour

    @staticmethod
    def decayed(value: float, factor: float) -> float:
        return value * factor if value * factor > 0.01 else 0.0

    def note(self, peer: bytes, deed: str, topic: str, amount: float) -> None:
        self.deeds.setdefault(peer, []).append((deed, topic, amount))
