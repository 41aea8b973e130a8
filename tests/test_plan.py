"""The plan: what a sweep would do, buy and cost, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_nb import catalog as catalogue
from kling_nb.dialect import Dialect
from kling_nb.dialects import load
from kling_nb.engine.snapshot import Again
from kling_nb.errors import OverBudget, PriceUnknown, RefusedError
from kling_nb.keys import base_url_of
from kling_nb.offer import Provider
from kling_nb.plan import OWN_ID, REUSED, Money, Plan, Planner, Settings, confirm, dollars, duration, interval
from kling_nb.plan.plan import COLUMNS, LOSS_COLUMNS
from kling_nb.states import TaskState
from kling_nb.sweep import Sweep
from kling_nb.task import Task
from kling_nb.views.form_agreed import dearer

CATALOG = catalogue.load()
ONE = Decimal("0.21")


def bound(name: str) -> tuple[Provider, Dialect]:
    """Return a provider and its dialect."""
    provider = replace(CATALOG.provider(name), base_url=f"https://{name}.example/api")
    return provider, load(provider.dialect)(provider)


USUAL = Settings()
UNPRICED: dict[str, Any] = {"provider": "fal", "model": "kling-v1"}
PLANNER = Planner(CATALOG, bound, lambda _: None, simulated=True)


def plan(known: Mapping[int, Task] | None = None, /, settings: Settings = USUAL, **axes: Any) -> Plan:
    """Plan a sweep of the cheapest kind, against tasks known by the index of their point."""
    given_ = {"prompt": "fox", "model": "kling-v2-5-turbo", "mode": "std", "duration": 5, "provider": "kling", **axes}
    points = Sweep(**given_).points()
    names = PLANNER.identities(points)
    return PLANNER.plan(points, {names[n]: task for n, task in (known or {}).items()}, settings)


def task(state: TaskState, **changes: Any) -> Task:
    """Return an earlier task."""
    fields = {
        "id": "t",
        "identity": "i",
        "provider": "kling",
        "model": "m",
        "estimate_high": Decimal("0.30"),
        **changes,
    }
    return Task(state=state, **fields)


def test_a_mode_that_is_filled_in_is_priced_and_met_as_if_it_were_asked() -> None:
    """Where a seller wants a mode and none is asked, the price and the model's conditions are those of what is sent."""
    settings_ = replace(USUAL, assume_price="official")
    (filled,) = plan(settings=settings_, provider="quickrouter", mode=None).points
    (asked,) = plan(settings=settings_, provider="quickrouter", mode="std").points
    camera = {"type": "simple", "zoom": 5}
    (moved,) = plan(
        settings=settings_, provider="quickrouter", mode=None, model="kling-v1", camera_control=camera
    ).points

    assert filled.call is not None
    assert asked.call is not None
    assert filled.call["body"] == asked.call["body"]
    assert filled.estimate.high == asked.estimate.high == ONE
    assert not moved.refusals


def test_a_provider_without_images_gives_no_advice_how_to_send_one() -> None:
    """Neither a file nor a URL is proposed where no image is taken, each in the place of the other."""
    for image in ("https://example.com/a.png", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(RefusedError) as refused:
            plan(provider="quickrouter", image=image).check(None)
        assert "quickrouter takes no image" in str(refused.value)
        assert "as a file" not in str(refused.value)
        assert "URL only" not in str(refused.value)


def test_a_point_is_planned_as_its_exact_call() -> None:
    """A plan holds the very call that would be sent, with a placeholder for our own id, and no credential."""
    (point,) = plan().points
    assert ("POST", "https://kling.example/api/v1/videos/text2video") == (point.call["method"], point.call["url"])
    assert {"model_name": "kling-v2-5-turbo", "prompt": "fox", "mode": "std", "duration": "5"}.items() <= point.call[
        "body"
    ].items()
    assert OWN_ID == point.call["body"]["external_task_id"]
    assert (True, ONE, ONE, "buy") == (point.buys, point.estimate.low, point.estimate.high, point.fate)


def test_every_difference_is_told_with_its_reason() -> None:
    """What a provider drops or ignores is a loss with a reason; what was left open is told too, and is no loss."""
    table = plan(provider="fal", mode="pro", watermark=True, cfg_scale=0.5).losses()
    assert {"watermark": "dropped"}.items() <= dict(zip(table["field"], table["change"], strict=True)).items()
    assert all(table.loc[table["change"].isin(["dropped", "inert"]), "why"].str.len() > 0)
    assert [True] == [one.is_loss for one in plan(cfg_scale=0.5).points[0].losses if one.field == "cfg_scale"]
    assert [False] == [one.is_loss for one in plan(aspect_ratio=None).points[0].losses if one.field == "aspect_ratio"]


def test_strict_refuses_losses() -> None:
    """With strict=True a point that would lose something is refused, and one that loses nothing is not."""
    lossy = plan(settings=Settings(strict=True), cfg_scale=[None, 0.5])
    assert ["buy", "refused"] == [point.fate for point in lossy.points]
    assert "strict=True refuses a loss" in str(lossy.points[1].refusals[-1])


def test_strict_refuses_what_is_addressed_to_nobody() -> None:
    """Fields of a provider that no point goes to are lost as a whole: strict refuses them; each point's own are none."""
    strict, both = replace(USUAL, strict=True), {"fal": {"seed": 1}, "kling": {"watermark_info": {"enabled": True}}}
    (lost,) = plan(settings=strict, extra={"fal": {"seed": 1}}).points
    assert [("extra.fal", False)] == [(problem.field, problem.warning) for problem in lost.problems]
    assert "no point of this plan goes to fal; leave it out, or let points go there" in str(lost.refusals[0])
    assert ["refused"] == [row["change"] for row in lost.changes() if row["field"] == "extra.fal"]
    assert plan(extra={"fal": {"seed": 1}}).points[0].buys
    two = plan(settings=strict, mode="pro", provider=["kling", "fal"], extra=both)
    assert not [problem for point in two.points for problem in point.refusals if problem.field == "extra.fal"]


def test_a_refused_point_costs_nothing_and_says_why() -> None:
    """What the catalogue refuses is in the plan with its reason and not in the sum."""
    some = plan(duration=[5, 7])
    assert (1, 1, ONE) == (len(some.buys), len(some.refused), some.high)
    assert "duration=7" in str(some.refused[0].refusals[0])
    some.check(ONE)
    assert "1 refused" in some.summary()


def test_nothing_left_to_send_is_an_error() -> None:
    """When every point is refused the error holds every reason, and says that nothing was bought."""
    with pytest.raises(RefusedError, match="nothing can be sent, and nothing was bought: duration=7") as caught:
        plan(duration=[7, 8]).check(None)
    assert 2 == len({str(problem) for problem in caught.value.problems})


def test_own_fields_of_a_provider_where_no_point_goes_are_told_of() -> None:
    """A point leaves out what is for another provider, which is a loss only where nobody gets it."""
    extra = {"fal": {"enable_safety_checker": False}}
    alone = plan(provider="kling", extra=extra).losses().query("change == 'warned'")
    assert [("extra.fal", "is not sent: no point of this plan goes to fal")] == [
        *zip(alone["field"], alone["why"], strict=True)
    ]
    assert "warned" not in set(plan(provider=["kling", "fal"], extra=extra).losses()["change"])
    assert "warned" not in set(plan(provider="kling", extra={"fal": {}}).losses()["change"])


def test_an_unknown_model_passes_with_a_warning() -> None:
    """Vendors add models monthly: an unknown one is sent, with a warning; its price has to be assumed."""
    new = plan(model="kling-v9")
    assert (True, 1) == (new.points[0].buys, len(new.points[0].warnings))
    with pytest.raises(
        PriceUnknown,
        match=r"kling-v9 at kling \(1 point\); nothing was bought; to buy it all the same, pass assume_price=",
    ):
        new.check(None)
    assumed = plan(model="kling-v9", settings=Settings(assume_price=Decimal(2)))
    assumed.check(Decimal(2))
    assert (Decimal(2), True) == (assumed.high, assumed.points[0].estimate.assumed)


def test_a_sum_over_the_budget_is_an_error_with_the_sum() -> None:
    """The whole of what a run spent, and would, is compared with its ceiling; exactly enough is enough."""
    three = plan(prompt=["a", "b", "c"])
    three.check(3 * ONE)
    three.check(None)
    three.check(4 * ONE, ONE)
    with pytest.raises(OverBudget, match=r"3 clips for up to \$0.63, over the budget of \$0.62; nothing was bought"):
        three.check(Decimal("0.62"))
    with pytest.raises(OverBudget, match=r"of which \$0.42 is spent"):
        three.check(4 * ONE, 2 * ONE)


@pytest.mark.parametrize(
    ("budget", "committed", "told"),
    [
        ("0.629", "0", "for up to $0.63, over the budget of $0.629; nothing"),
        ("0.84", "0.214", "for up to $0.63, over the budget of $0.84, of which $0.214 is spent"),
        ("0.844", "0.216", "for up to $0.63, over the budget of $0.84, of which $0.22 is spent"),
        ("0.84", "0.22", "for up to $0.63, over the budget of $0.84, of which $0.22 is spent"),
    ],
)
def test_a_sum_over_the_budget_never_looks_as_if_it_fitted(budget: str, committed: str, told: str) -> None:
    """What passes a ceiling by less than a cent is told with all decimals, as what is spent under it is."""
    with pytest.raises(OverBudget) as caught:
        plan(prompt=["a", "b", "c"]).check(budget, Decimal(committed))
    assert told in str(caught.value)
    again = Again(points=3, price=2 * ONE, unsent=1, unsent_price=ONE, counted=Decimal(0), mark="m")
    with pytest.raises(OverBudget) as caught:
        again.check(Money(Decimal(budget), Decimal(committed)))
    price, limit = told.removeprefix("for up to ").split(";")[0].split(", of")[0].split(", over the budget of ")
    assert f"may cost {price}, over the budget of {limit}, of which " in str(caught.value)


def test_nobody_confirms_a_sum_above_one_that_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ceiling of less than a cent below the plan is told with all its decimals."""
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(OverBudget, match=r"costs up to \$0\.21, above confirm_above=\$0\.209, and"):
        confirm(plan(), Decimal("0.209"))


def test_a_price_that_rose_by_less_than_a_cent_is_told() -> None:
    """What the form shows as higher is seen to be higher."""
    said = dearer(*(plan(settings=Settings(assume_price=Decimal(price)), **UNPRICED) for price in ("1.231", "1.234")))
    assert said.startswith("the price is now $1.234, not $1.231: ")


def test_what_a_day_leaves_is_told_apart_from_what_it_should_pay() -> None:
    """Where both would read the same, both are told with all their decimals."""
    one = plan(settings=Settings(assume_price=Decimal("1.231")), **UNPRICED)
    said = Plan(one.points, simulated=True, today=Money(Decimal(5), Decimal("3.7705"))).summary()
    assert "but only $1.2295 of the daily budget of $5.00 is left today for up to $1.231: the rest" in said
    said = Plan(one.points, simulated=True, today=Money(Decimal(5), Decimal(4))).summary()
    assert "but only $1.00 of the daily budget of $5.00 is left today: the rest" in said


@pytest.mark.parametrize(
    ("budget", "price", "told"),
    [
        ("0.443", "0.222", "budget of $0.44 leaves $0.221, and a clip costs up to $0.222: $0.22 is spent"),
        ("0.443", "0.35", "budget of $0.44 leaves $0.22, and a clip costs up to $0.35: $0.22 is spent"),
    ],
)
def test_amounts_that_differ_are_not_told_as_one(budget: str, price: str, told: str) -> None:
    """A clip that costs a tenth of a cent more than is left is not said to cost as much."""
    refusal = Money(Decimal(budget), Decimal("0.222")).refusal(Decimal(price))
    assert str(refusal).startswith(told)


def test_a_plan_that_buys_nothing_is_never_over_a_budget() -> None:
    """Running a cell again with a lower budget is free, and so no error."""
    plan({0: task(TaskState.SAVED)}).check(Decimal(0), Decimal(5))


@pytest.mark.parametrize("state", list(TaskState))
def test_what_an_earlier_task_serves(state: TaskState) -> None:
    """Whatever was sent serves its point again, a failure too; what was only planned is still to be bought."""
    (point,) = plan({0: task(state)}).points
    assert (state in REUSED) == (point.reuse is not None)
    assert (state in (TaskState.PLANNED, TaskState.CANCELLED, TaskState.REFUSED)) == point.buys
    assert plan({0: task(state)}, settings=Settings(fresh=True)).points[0].buys


@pytest.mark.parametrize("state", list(TaskState))
def test_what_would_be_refused_by_now_is_served_by_what_was_bought(state: TaskState) -> None:
    """An earlier task that was sent serves a point that the catalogue refuses today, with its price and a warning."""
    (point,) = plan({0: task(state, call={"method": "POST"})}, duration=7).points
    sent = state in REUSED - {TaskState.PLANNED}
    assert (sent, not sent) == (point.reuse is not None, bool(point.refusals))
    assert not point.buys
    assert "duration=7" in str(point.problems[0])
    if sent:
        assert (Decimal("0.30"), "POST") == (point.estimate.high, point.call["method"])
        assert [point.problems] == [point.warnings]
    assert plan({0: task(state)}, settings=Settings(fresh=True), duration=7).points[0].refusals


def test_what_was_planned_keeps_its_price() -> None:
    """A point that was planned and never sent costs what is reserved for it."""
    assert Decimal("0.30") == plan({0: task(TaskState.PLANNED)}).high
    plan({0: task(TaskState.PLANNED)}, model="kling-v9").check(Decimal("0.30"))


@given(st.lists(st.sampled_from([None, True, False]), min_size=1, max_size=4, unique=True), st.data())
@settings(max_examples=25, deadline=None)
def test_points_that_become_the_same_request_are_bought_once(marks: list[bool | None], data: st.DataObject) -> None:
    """However many points become one request, and whichever of them was bought before, at most one buys."""
    known = {n: task(TaskState.SAVED) for n in range(len(marks)) if data.draw(st.booleans())}
    some = plan(known, provider="fal", mode="pro", watermark=list(marks))
    assert (0 if known else 1) == len(some.buys)
    for n, point in enumerate(some.points):
        assert point.buys or point.reuse is not None or some.points[point.shares or 0].point.index != n
    alone = plan(known, provider="fal", mode="pro", watermark=list(marks), settings=Settings(share=False))
    assert len(marks) - len(known) == len(alone.buys)


def test_samples_are_never_shared() -> None:
    """Two samples of one request are two clips."""
    assert 3 == len(plan(repeats=3).buys)


def test_the_summary_counts_everything() -> None:
    """One line says points, clips, price, reuse, sharing, refusals, losses and time, and that it is simulated."""
    some = plan(
        {0: task(TaskState.SAVED)},
        prompt=["a", "b"],
        duration=[5, 7],
        watermark=[None, True],
        provider="fal",
        mode="pro",
    )
    said = some.summary()
    for part in (
        "SIMULATED: 8 points",
        "1 to buy for $0.35",
        "1 reused",
        "2 shared",
        "4 refused",
        "with losses",
        "about",
    ):
        assert part in said, (part, said)
    assert f"<Plan {said}; .losses() says what and why>" == repr(some)


def test_the_table_numbers_every_sample() -> None:
    """Where points are repeated the first sample has its number too; elsewhere there is no such column."""
    cells = [words for words in plan(repeats=2)._repr_html_().split("</td>") if words.endswith((">1", ">2"))]

    assert 2 == len(cells)
    assert "sample" not in plan(prompt=["a", "b"])._repr_html_()


def test_the_table_escapes_what_is_foreign() -> None:
    """A prompt with markup in it is shown as text."""
    html = plan(prompt="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_table_keeps_short_words_whole_and_gives_units() -> None:
    """A name is not broken at its hyphens, a duration has its unit; where it is too wide, the table scrolls."""
    html = plan(prompt="a fox", duration=5, model="kling-v2-5-turbo")._repr_html_()

    assert ';white-space:nowrap">kling-v2-5-turbo</td>' in html
    assert ';white-space:nowrap">5 s</td>' in html
    assert ';vertical-align:top">a fox</td>' in html
    assert '<div role="group" tabindex="0" aria-label="Points" style="overflow-x:auto"><table>' in html
    assert html.index("<thead><tr><td></td><th") < html.index('<th scope="col"') < html.index('<th scope="row"')


def test_the_table_gives_long_words_room() -> None:
    """A prompt is not squeezed into a word a line, however narrow the page: the table scrolls."""
    html = plan(prompt="a red fox runs through snow", mode="pro", duration=7)._repr_html_()

    assert ';min-width:14em">a red fox runs through snow</td>' in html
    assert ';min-width:14em">refused: the provider would not take it: not sent</td>' in html


def test_the_frame_has_one_row_a_point() -> None:
    """A plan as a frame has the parameters, the fate, the price and the exact call of every point."""
    frame = plan(prompt=["a {x}", "b"], x=["1", "2"], duration=[5, 7]).df().sort_values("duration")
    assert 6 == len(frame)
    assert {"provider", "model", "var_x", "fate", "high_usd", "url", "body"} <= set(frame.columns)
    assert [0.21] * 3 == list(frame["high_usd"].dropna())


@pytest.mark.parametrize("kept", [slice(None), slice(0)])
def test_the_tables_of_a_plan_are_as_declared(kept: slice) -> None:
    """Whatever the points hold, none included, dtypes are those of every other table; variables stand after the sample."""
    whole = plan(prompt=["a", "b {x}"], x=[1, 2], mode=[None, "pro"], duration=[5, 7], provider=["kling", "fal"])
    some = Plan(whole.points[kept], simulated=True)
    declared = {**COLUMNS, **({"var_x": "Int64"} if some.points else {})}
    frame, report = some.df(), some.losses()
    assert declared == {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert LOSS_COLUMNS == {name: str(dtype) for name, dtype in report.dtypes.items()}
    names = list(frame.columns)
    assert not some.points or "var_x" == names[names.index("sample") + 1]


def test_the_frame_has_the_number_of_a_point_first() -> None:
    """The number that ``plan[3]`` takes is in the table that its error names, where a filter keeps it."""
    some = plan(prompt="a", duration=[5, 7, 10])
    frame = some.df()
    assert ("point", [0, 1, 2]) == (frame.columns[0], list(frame["point"]))
    (kept,) = frame[frame["fate"] == "refused"]["point"]
    assert some[kept].refusals


def test_money_and_time_read_well() -> None:
    """Amounts have cents, more digits only where they are needed; long times are minutes."""
    assert ["$0.00", "$0.05", "$0.0625", "$12.50"] == [
        dollars(Decimal(text)) for text in ("0", "0.05", "0.0625", "12.5")
    ]
    assert ["unknown", "$1.00", "$1.00–2.00"] == [
        interval(None, None),
        interval(Decimal(1), Decimal(1)),
        interval(Decimal(1), Decimal(2)),
    ]
    assert ["90 s", "5 min"] == [duration(90), duration(300)]


def reaching(*parts: str) -> Planner:
    """Return a planner with a key at hand that consists of these parts."""
    return Planner(CATALOG, bound, lambda _: frozenset(parts), simulated=False)


def test_a_model_that_the_key_cannot_reach_is_refused() -> None:
    """An access and secret pair does not open the path API: the plan says so, and what to add where."""
    points = Sweep(prompt="fox", model=["kling-3.0-turbo", "kling-v2-6"], mode="std", provider="kling").points()
    pair = reaching("access", "secret").plan(points, {}, USUAL)
    assert ["refused", "buy"] == [point.fate for point in pair]
    assert "an API key, which the key at hand lacks: add it to KLING_NB_KLING_KEY" in str(pair[0].refusals[0])
    assert ["buy", "buy"] == [point.fate for point in reaching("token").plan(points, {}, USUAL)]
    bought = {pair[0].identity: task(TaskState.SAVED)}
    assert ["saved before", "buy"] == [p.fate for p in reaching("access", "secret").plan(points, bought, USUAL)]
    assert ["buy", "buy"] == [point.fate for point in PLANNER.plan(points, {}, USUAL)]


def test_a_provider_without_a_host_says_so() -> None:
    """A relay whose page names no host is refused with the variable to set."""
    planner = Planner(CATALOG, lambda name: (CATALOG.provider(name), bound(name)[1]), lambda _: None, simulated=False)
    planned = planner.plan(Sweep(prompt="fox", model="kling-v1-6", provider=["relay", "kling"]).points(), {}, USUAL)
    assert "set KLING_NB_RELAY_BASE_URL" in str(planned[0].refusals[0])
    assert "buy" == planned[1].fate


def test_the_variable_that_a_plan_names_is_the_one_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider's id may hold what no variable's name does: what the plan says to set is found once it is set."""
    row = replace(CATALOG.provider("relay"), id="my.relay")
    catalog = replace(CATALOG, providers={**CATALOG.providers, row.id: row})
    planner = Planner(catalog, lambda _: (row, bound("relay")[1]), lambda _: None, simulated=False)
    (point,) = planner.plan(Sweep(prompt="fox", model="kling-v1-6", provider=row.id).points(), {}, USUAL)
    variable = str(point.refusals[0]).rpartition("set ")[2]
    monkeypatch.setenv(variable, "https://relay.test")
    assert "https://relay.test" == base_url_of(row)


def test_a_missing_price_may_be_klings_own() -> None:
    """With assume_price="official" a point without a price is taken at what Kling itself asks for it."""
    two = plan(provider=["kling", "relay"], mode=["std", "pro"])
    with pytest.raises(PriceUnknown, match=r"relay \(2 points\).*assume_price='official'.*\$0\.21"):
        two.check(None)
    official = plan(provider=["kling", "relay"], mode=["std", "pro"], settings=Settings(assume_price="official"))
    assert [False, True] * 2 == [point.estimate.assumed for point in official]
    prices = {point.request.mode: point.estimate.high for point in official if point.estimate.assumed}
    assert prices == {point.request.mode: point.estimate.high for point in official if not point.estimate.assumed}


@pytest.mark.parametrize(
    ("found", "changes", "said"),
    [
        ((0,), {}, "1 point, reused, nothing to buy"),
        ((0, 1), {"prompt": ["a", "b"]}, "2 points, all reused, nothing to buy"),
        ((), {"prompt": ["a", "b"], "duration": 7}, "2 points, all refused, nothing to buy"),
        ((0,), {"duration": [5, 7]}, "2 points, 1 reused, 1 refused, nothing to buy"),
    ],
)
def test_a_plan_that_buys_nothing_says_so(found: tuple[int, ...], changes: dict[str, Any], said: str) -> None:
    """Where there is nothing to buy no sum is told, and what becomes of the points comes first."""
    planned = plan({index: task(TaskState.SAVED) for index in found}, **changes)

    assert planned.summary().startswith(f"SIMULATED: {said}")
    assert "$" not in planned.summary()


def test_what_failed_before_is_told() -> None:
    """A point whose task failed is left so by starting: the plan says so, and what buys it again."""
    planned = plan({0: task(TaskState.FAILED), 1: task(TaskState.SAVED)}, prompt=["a", "b"])
    said = "2 points, all reused, nothing to buy, 1 failed before (run.retry() buys again what failed)"
    assert planned.summary().startswith(f"SIMULATED: {said}")


def test_a_sum_says_of_how_many_it_is() -> None:
    """Where some points have no price the sum is that of the others, and says so, in the one line of a plan."""
    priced, none = plan(provider=["kling"]).summary(), plan(provider=["relay"]).summary()
    some = plan(provider=["kling", "relay"], mode=["std", "pro"])

    assert "1 to buy for $0.21" in priced
    assert "1 to buy without a price" in none
    assert f"4 to buy: 2 for ${some.high:.2f} and 2 without a price" in some.summary()
    assert "4 to buy: 2 for" in repr(some)
    assert "4 to buy: 2 for" in some._repr_html_()


def changes(planned: Plan) -> dict[tuple[str, str], tuple[str, Any]]:
    """Return the loss report by provider and field: the change, and what arrives."""
    rows = planned.losses().itertuples()
    return {(row.provider, row.field): (row.change, row.sent) for row in rows}


def test_the_loss_report_tells_every_kind_of_change() -> None:
    """Filled, defaulted, coerced, dropped, inert and refused are told apart, each with its reason and source."""
    asked = {"model": "kling-v2-6", "mode": "pro", "cfg_scale": 0, "watermark": True}
    told = plan(provider=["quickrouter", "openroute", "chanjing", "relay"], **asked)
    report = changes(told)
    assert ("coerced", 0.5) == report["openroute", "cfg_scale"]
    assert ("defaulted", "1:1") == report["openroute", "aspect_ratio"]
    assert "dropped" == report["openroute", "watermark"][0]
    assert "refused" == report["relay", "model"][0]
    assert "refused" == report["chanjing", "model"][0]
    silent = changes(plan(provider=["quickrouter", "chanjing"], cfg_scale=0.5, mode=None))
    assert ("filled", False) == silent["quickrouter", "multi_shot"]
    assert ("filled", "std") == silent["chanjing", "mode"]
    assert ("filled", "16:9") == silent["chanjing", "aspect_ratio"]
    assert "inert" == silent["quickrouter", "cfg_scale"][0]
    rows = told.losses()
    assert rows["why"].str.len().gt(0)[rows["change"].isin(["dropped", "coerced", "inert", "filled"])].all()


def test_the_report_in_a_notebook_shows_the_exact_calls() -> None:
    """The HTML has the sum, each change once for its provider, and the very request, and nothing foreign is markup."""
    html = plan(provider=["openroute", "kling"], prompt="<b>fox</b>", mode="pro")._repr_html_()
    assert "What happens to what you asked for" in html
    assert "POST https://openroute.example/api/kling/v1/videos/text2video" in html
    assert "defaulted: was left open; the provider&#x27;s default" in html
    assert "<b>fox" not in html
    one = plan(provider="openroute", mode="pro")[0]._repr_html_()
    assert "&quot;model_name&quot;: &quot;kling-v2-5-turbo&quot;" in one


@pytest.mark.parametrize(
    ("field", "value"),
    [("image", "http://"), ("image", "https://[x"), ("callback_url", "nonsense"), ("callback_url", "")],
)
def test_an_address_that_leads_nowhere_is_refused(field: str, value: str) -> None:
    """An address without a host, or what is none, is refused before anything is sent."""
    planned = plan(model="kling-v2-6", **{field: value})[0]
    assert f"{field}={value!r}: expected an http(s) URL with a host" in map(str, planned.refusals)


def test_every_place_without_a_price_is_named() -> None:
    """The points that have none may be of several models and providers: the error names each pair once."""
    wanted = r"kling-v2-5-turbo at quickrouter, kling-v2-5-turbo at relay \(4 points\)"
    with pytest.raises(PriceUnknown, match=wanted):
        plan(model="kling-v2-5-turbo", provider=["quickrouter", "relay"], mode=["std", "pro"]).check(None)


def test_a_model_without_a_price_is_answered_with_the_likeliest() -> None:
    """Where no price is known since the model's name is not, the error says what it may have been meant to be."""
    with pytest.raises(PriceUnknown, match=r"^the model 'kling-v2\.6' is not in the catalogue") as caught:
        plan(model="kling-v2.6").check(None)
    asked, _, bought = str(caught.value).partition("; no price is known for kling-v2.6 at kling (1 point); ")
    assert "did you mean 'kling-v2-6' or 'kling-2.6'? known: kling-2.5-turbo, " in asked
    assert bought == "nothing was bought; to buy it all the same, pass assume_price= in USD per clip"


def test_every_model_that_is_unknown_is_answered() -> None:
    """One known model without a price before an unknown one, or several unknown ones, hide none of them."""
    with pytest.raises(PriceUnknown) as caught:
        plan(model=["kling-v2-5-turbo", "kling-v9", "kling-v8"], provider="relay").check(None)
    assert str(caught.value).startswith("the model 'kling-v9' is not")
    assert "; the model 'kling-v8' is not" in str(caught.value)


@pytest.mark.parametrize("simulated", [True, False])
def test_a_model_of_ones_own_is_none_of_the_simulators(tmp_path: Path, simulated: bool) -> None:
    """Before such a sweep fails point for point the plan says that nobody plays the model; a provider may well have it."""
    file = tmp_path / "mine.toml"
    file.write_text('[model.kling-v9]\ntitle = "Kling 9"\ntask_types = ["text2video"]\n', "utf-8")
    planner = Planner(catalogue.load(file), bound, lambda _: None, simulated=simulated)
    sweep = Sweep(prompt="a fox", model=["kling-v9", "kling-v2-6"], provider="kling", mode="pro", duration=5)
    own, known = planner.plan(sweep.points(), {}, Settings()).points
    warned = [str(problem) for problem in own.problems if problem.warning and "simulator" in str(problem)]
    assert simulated == bool(warned)
    assert () == known.problems
