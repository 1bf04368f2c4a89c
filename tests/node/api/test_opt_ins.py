from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.armor import to_text
from support.fake_inboxes import DAPP, WALLET
from support.fake_node import a_fake_node, serving


async def test_a_wallets_word_on_a_topic_comes_as_it_is_or_not_at_all() -> None:
    node = a_fake_node()
    node.directory.opt_ins[WALLET, Topic(DAPP, "alerts")] = b"proof"
    path = f"/v1/accounts/{display_account(WALLET)}/opt-ins/{display_account(DAPP)}"
    answers = []
    async with serving(node) as client:
        for asked in (
            f"{path}/alerts",
            f"{path}/other",
            f"{path}/No",
            path.replace(display_account(WALLET), "x") + "/a",
        ):
            async with client.get(asked) as response:
                answers.append((response.status, await response.json()))
    assert answers[0] == (200, {"opt_in": to_text(b"proof")})
    assert [(status, body["reason"]) for status, body in answers[1:]] == [
        (404, "not-found"),
        (400, "bad-request"),
        (400, "bad-request"),
    ]
