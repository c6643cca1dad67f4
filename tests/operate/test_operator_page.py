"""The operator's page over a session in memory: what it tells, whom it turns away, and that it commands in two steps; in a browser too."""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import ClientResponse, ClientSession, web

from streams.domain.records import CommandKind, RiskMode
from streams.errors import ConfigError
from streams.log.interface import Log, Message, Reader
from streams.log.memory import MemoryLog
from streams.log.schema_ids import SchemaIds
from streams.operate import sessions
from streams.operate.history import entries
from streams.operate.page.application import Page
from streams.operate.page.desk import TICKET_SECONDS, Desk
from streams.operate.page.guard import GUESSES_MAX, GUESSES_SECONDS, Guard, make_token, names_of, token_in
from tests.operate.test_commands import NOON, Market

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-token-of-the-test-0001"
ASKED = {"kind": "HALT", "operator": "ada", "justification": "a drill", "account": "*", "symbol": ""}


@pytest.fixture(scope="module")
def market() -> Market:
    """Half a minute of trading."""
    made = Market()
    made.go_on(30)
    return made


class PatientReader:
    """A reader in memory that waits a moment where there is nothing, as Kafka's does: threads that ask it leave others their turn."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def poll(self, count: int, seconds: float) -> list[Message]:
        found = self._reader.poll(count, 0)
        if not found and seconds:
            threading.Event().wait(0.05)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class PatientLog:
    """A log in memory with such readers."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def reader(self, places: Any) -> Any:
        return PatientReader(self._log.reader(places))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@contextmanager
def desk_of(market: Market) -> Iterator[Desk]:
    with closing(Desk(cast("Log", PatientLog(market.log)), market.codec, market.settings)) as desk:
        while desk.look() is not None:
            pass
        yield desk


async def serving(page: Page, follow: Callable[[str], Awaitable[None]], guarded: list[str]) -> None:
    """The page on a free loopback port while `follow` asks it; the guard's names are told the port."""
    runner = web.AppRunner(page.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
    await site.start()
    port = runner.addresses[0][1]
    guarded.extend(names_of("127.0.0.1", port))
    page._guard._names = frozenset(guarded)
    following = asyncio.ensure_future(page.follow())
    try:
        await follow(f"http://127.0.0.1:{port}")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await runner.cleanup()


def headers(base: str, **changed: str | None) -> dict[str, str]:
    usual = {"Origin": base, "Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    return {name: value for name, value in {**usual, **{name.replace("_", "-"): value for name, value in changed.items()}}.items() if value}


def asked(market: Market, history: Path, ask: Callable[[ClientSession, str], Awaitable[None]], *, token: str | None = TOKEN) -> None:
    async def follow(base: str) -> None:
        async with ClientSession() as client:
            await ask(client, base)

    with desk_of(market) as desk:
        asyncio.run(serving(Page(desk, Guard([], token), history), follow, []))


async def said(answer: ClientResponse) -> str:
    return str((await answer.json())["error"])


async def document(client: ClientSession, base: str) -> dict[str, Any]:
    async with client.get(f"{base}/events") as events:
        async for line in events.content:
            if line.startswith(b"data: "):
                return json.loads(line[6:])
    raise AssertionError("events ended")


def test_page_tells_what_the_log_holds_with_the_reasons_of_each_decision(market: Market, tmp_path: Path) -> None:
    async def ask(client: ClientSession, base: str) -> None:
        view = await document(client, base)
        orders = sorted(market.records("orders"), key=lambda one: one.time)
        assert view["counts"]["approved"] + view["counts"]["refused"] == len(orders) > 0
        newest = {one["id"]: one for one in view["decisions"]}
        order = next(one for one in reversed(orders) if not one.approved and one.event_id in newest)
        told = newest[order.event_id]
        assert told["code"] == order.rejection_code and told["checks"] == json.loads(order.checks) and told["checks"]
        assert [account["account"] for account in view["accounts"]] == ["main", "small"]
        assert view["curve"][-1][1] == view["equity"] and len(view["curve"]) > 1
        held = {(one.account, one.symbol): one for one in sorted(market.records("positions"), key=lambda one: one.time)}
        assert {(one["account"], one["symbol"]) for one in view["positions"]} == {who for who, one in held.items() if one.quantity}
        assert {one["task"] for one in view["stages"]} == {"signals-0", "risk-0", "risk-1", "execution-0"}

    asked(market, tmp_path / "history", ask)


def test_every_answer_forbids_what_is_not_the_pages_own(market: Market, tmp_path: Path) -> None:
    async def ask(client: ClientSession, base: str) -> None:
        for path in ("/", "/page.css", "/page.js", "/health"):
            async with client.get(base + path) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
                text = await answer.text()
                assert "https://" not in text and text.count("http://") == text.count("http://www.w3.org/2000/svg")

    asked(market, tmp_path / "history", ask)


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"Authorization": None}, 401, "no token"),
        ({"Authorization": "Bearer another-token-0002"}, 401, "wrong token"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "wrong token"),
        ({"Origin": "http://evil.example"}, 403, "origin"),
        ({"Origin": None}, 403, "origin"),
        ({"Host": "evil.example:80"}, 421, "host"),
        ({"Content_Type": "text/plain"}, 415, "content type"),
    ],
)
def test_a_command_that_is_not_the_operators_is_refused_and_recorded(
    market: Market, tmp_path: Path, changed: dict[str, str | None], status: int, reason: str
) -> None:
    commands = len(market.records("commands"))

    async def ask(client: ClientSession, base: str) -> None:
        async with client.post(f"{base}/commands/prepare", json=ASKED, headers=headers(base, **changed)) as answer:
            assert answer.status == status, await answer.text()
        async with client.get(f"{base}/health") as answer:
            assert (await answer.json())["refused"] == {reason: 1}

    asked(market, tmp_path / "history", ask)
    [kept] = entries(tmp_path / "history")
    assert (kept.kind, kept.verdict) == ("operator page", "refused") and f"({reason}, number 1)" in kept.findings[0]
    assert TOKEN not in kept.findings[0] and len(market.records("commands")) == commands


def test_a_page_without_token_only_reads(market: Market, tmp_path: Path) -> None:
    async def ask(client: ClientSession, base: str) -> None:
        assert (await document(client, base))["writes"] is False
        async with client.post(f"{base}/commands/prepare", json=ASKED, headers=headers(base)) as answer:
            assert answer.status == 403 and "only reads" in await said(answer)

    asked(market, tmp_path / "history", ask, token=None)


def test_reading_by_a_name_that_is_not_the_pages_is_refused(market: Market, tmp_path: Path) -> None:
    async def ask(client: ClientSession, base: str) -> None:
        async with client.get(f"{base}/events", headers={"Host": "rebound.example"}) as answer:
            assert answer.status == 421

    asked(market, tmp_path / "history", ask)


def test_whoever_guesses_tokens_is_turned_away_for_a_while_even_with_the_right_one() -> None:
    guard = Guard(["localhost:1"], TOKEN)
    good = {**headers("http://localhost:1"), "Host": "localhost:1"}
    wrong = {**good, "Authorization": "Bearer no"}
    assert guard.refuse_command(good, 0.0) is None
    for _ in range(GUESSES_MAX):
        refused = guard.refuse_command(wrong, 1.0)
        assert refused is not None and refused.reason == "wrong token"
    refused = guard.refuse_command(good, 2.0)
    assert refused is not None and refused.status == 429
    assert guard.refuse_command(good, 1.1 + GUESSES_SECONDS) is None


def test_first_step_sends_nothing_and_its_ticket_is_good_once_and_for_a_while(market: Market) -> None:
    with desk_of(market) as desk:
        before = len(market.records("commands"))
        told = desk.prepare(ASKED, 0.0)
        assert told["words"] == "HALT for every account of session drill, by ada" and len(market.records("commands")) == before
        assert desk.take(told["ticket"], 1.0).kind is CommandKind.HALT
        for ticket in (told["ticket"], desk.prepare(ASKED, 0.0)["ticket"], None, ["x"]):
            with pytest.raises(ConfigError, match="TICKET must be one of a first step"):
                desk.take(ticket, TICKET_SECONDS)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [({"kind": "SELL"}, "KIND must be one of"), ({"operator": ""}, "OPERATOR must not be empty"),
     ({"symbol": "DOGE"}, "SYMBOL must be one of"), ({"account": 7}, "ACCOUNT must be text"), ({"amount": "1"}, "amount must be one of")],
)  # fmt: skip
def test_bad_input_is_named_at_the_first_step(market: Market, changed: dict[str, object], rule: str) -> None:
    with desk_of(market) as desk, pytest.raises(ConfigError, match=rule):
        desk.prepare({**ASKED, **changed}, 0.0)


def test_token_is_made_for_its_owner_alone_once_and_a_weak_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "operator_token"
    make_token(file)
    token = token_in(file)
    make_token(file)
    assert token_in(file) == token and file.stat().st_mode & 0o777 == 0o600
    file.write_text("short")
    with pytest.raises(ConfigError, match="must hold at least 16 characters, has 5"):
        token_in(file)
    with pytest.raises(ConfigError, match="must be readable"):
        token_in(tmp_path / "none")


def test_page_beyond_loopback_needs_a_name() -> None:
    with pytest.raises(ConfigError, match="HOST must be a loopback address"):
        names_of("0.0.0.0", 8010)
    assert names_of("0.0.0.0", 8010, ["desk:8010"]) == ["desk:8010"]


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser here: {CHROMIUM} is absent")
def test_operator_reads_opens_a_decision_and_halts_in_a_browser(tmp_path: Path) -> None:
    from playwright.async_api import async_playwright  # only where there is a browser

    market = Market()
    sessions.create(market.log, market.codec, market.settings, schema_ids=SchemaIds.offline(), code_version="test", time=NOON)
    market.go_on(30)

    async def follow(base: str) -> None:
        async with async_playwright() as tool:
            browser = await tool.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
            faults: list[str] = []
            page.on("pageerror", lambda fault: faults.append(str(fault)))
            page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
            await page.goto(base)
            await page.locator("#live.on").wait_for()
            assert await page.locator("#session").inner_text() == "drill"
            row = page.locator("#decisions tr.opens", has_text="refused").first
            await row.click()
            assert "✗" in await page.locator("#decisions td.checks").first.inner_text()
            assert await page.locator("#curve path").count() == 1
            await shot(page, "dark")
            await page.emulate_media(color_scheme="light")
            await shot(page, "light")
            await page.get_by_role("button", name="Kill switch").click()
            await page.locator("[name=operator]").fill("ada")
            await page.locator("[name=token]").fill("not-the-token-at-all")
            await page.get_by_role("button", name="Next: review").click()
            await page.get_by_text("the token is wrong").wait_for()
            assert not faults or all("401" in one for one in faults), faults
            await page.locator("[name=token]").fill(TOKEN)
            await page.get_by_role("button", name="Next: review").click()
            await page.get_by_text("HALT for every account of session drill, by ada").wait_for()
            await shot(page, "review")
            assert not market.records("commands"), "the first step sends nothing"
            await page.get_by_role("button", name="Yes, do it").click()
            async with asyncio.timeout(20):
                while not market.records("commands"):
                    await asyncio.sleep(0.05)
            market.go_on(1)
            await page.get_by_text("In the journal").wait_for()
            assert await page.locator("#outcomes li", has_text="taken").count() == 2
            await page.get_by_role("button", name="Close").click()
            market.go_on(60)
            await page.locator("#banner", has_text="halt all").wait_for()
            await shot(page, "halted")
            assert market.modes() == {"main": RiskMode.HALT_ALL, "small": RiskMode.HALT_ALL}
            await browser.close()

    async def shot(page: Any, name: str) -> None:
        folder = os.environ.get("CDB_TEST_SHOTS")
        if folder:
            await page.screenshot(path=f"{folder}/{name}.png", full_page=name in {"dark", "light"})

    with desk_of(market) as desk:
        asyncio.run(serving(Page(desk, Guard([], TOKEN), tmp_path / "history"), follow, []))
    assert [one.verdict for one in entries(tmp_path / "history")] == ["refused", "confirmed"]
