"""Vectors about what a subscriber's settings of a topic come to (SPEC 4.21)."""

from tools.vector_case import Book
from tools.vector_wallets import WalletProcess

Choices = dict[str, int]
Schema = list[list[str | int]]

LEAST: list[str | int] = ["min-priority", 1, "Least priority", 3, 2, 4]
SALES: list[str | int] = ["cat-sales", 0, "Sales", 0, 0, 1]
PERCENT: list[str | int] = ["percent", 1, "Percent", 10, 5, 50]
FULL: Schema = [SALES, LEAST, PERCENT]


def settings(_wallets: WalletProcess) -> Book:
    book = Book()

    def add(name: str, choices: Choices | None, schema: Schema | None, values: Choices) -> None:
        said = None if choices is None else [[slug, choices[slug]] for slug in sorted(choices)]
        book.add(name, "settings", {}, {"choices": said, "schema": schema}, {"reason": "ok", "values": values})

    add("nothing was chosen and nothing is known", None, None, {})
    add("what every topic has counts without a schema", {"cat-news": 0, "min-priority": 4}, None,
        {"cat-news": 0, "min-priority": 4})  # fmt: skip
    add("another setting means nothing without a schema", {"percent": 7}, None, {})
    add("a least priority of 0 is the default", {"min-priority": 0}, None, {"min-priority": 1})
    add("a least priority of 6 is the default", {"min-priority": 6}, None, {"min-priority": 1})
    add("a category is on or off", {"cat-news": 2, "cat-sales": -1}, None, {"cat-news": 1, "cat-sales": 1})
    add("a prefix without a category is no setting", {"cat-": 0}, None, {})
    add("a schema gives each of its settings a default", None, FULL, {"cat-sales": 0, "min-priority": 3, "percent": 10})
    add("a choice within a schema counts", {"cat-sales": 1, "min-priority": 4, "percent": 50}, FULL,
        {"cat-sales": 1, "min-priority": 4, "percent": 50})  # fmt: skip
    add("a choice outside of a schema is its default", {"min-priority": 5, "percent": 4}, FULL,
        {"cat-sales": 0, "min-priority": 3, "percent": 10})  # fmt: skip
    add("what is neither in the schema nor reserved is left out", {"cat-news": 0, "volume": 3}, [PERCENT],
        {"cat-news": 0, "percent": 10})  # fmt: skip
    add("a schema cannot widen what every topic has", {"cat-news": 5, "min-priority": 9},
        [["cat-news", 1, "News", 1, -5, 9], ["min-priority", 1, "Least", 2, 0, 9]],
        {"cat-news": 1, "min-priority": 2})  # fmt: skip
    add("a schema's default outside of what every topic has is not taken", None,
        [["cat-news", 1, "News", 7, 0, 9], ["min-priority", 1, "Least", 9, 2, 9]],
        {"cat-news": 1, "min-priority": 1})  # fmt: skip
    return book


SUBJECTS = {"settings": settings}
