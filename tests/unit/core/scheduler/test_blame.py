from __future__ import annotations

from distribute_io.core.scheduler.blame import Blame, Verdict
from distribute_io.core.scheduler.partial import PartialSegment
from distribute_io.core.scheduler.sources import Source
from distribute_io.ids import SourceId


def sources(count: int) -> list[Source]:
    return [Source(SourceId(f"s{ordinal}"), ordinal, "mirror", 1) for ordinal in range(count)]


def sent_by(*senders: Source) -> PartialSegment:
    partial = PartialSegment(0, 10 * len(senders))
    for place, sender in enumerate(senders):
        partial.add(10 * place, 10 * place + 10, sender)
    return partial


def test_a_single_sender_is_the_liar() -> None:
    (only,) = sources(1)
    assert Blame().judge(0, sent_by(only)) == Verdict(only, ())
    assert not only.suspected


def test_several_senders_are_suspects() -> None:
    first, second = sources(2)
    assert Blame().judge(0, sent_by(first, second)) == Verdict(None, (first, second))
    assert first.suspected
    assert second.suspected


def test_a_known_liar_among_them_explains_it() -> None:
    first, second = sources(2)
    first.leave("banned", "segment_mismatch")
    assert Blame().judge(0, sent_by(first, second)) == Verdict(None, ())
    assert not second.suspected


def test_comparing_names_the_liars_and_clears_the_others() -> None:
    first, second, third = sources(3)
    blame = Blame()
    blame.judge(7, sent_by(first, second, third))
    assert blame.compared(7, [second.source_id, SourceId("a stranger")]) == (second,)
    assert [source.suspected for source in (first, second, third)] == [False, True, False]
    assert blame.compared(7, [first.source_id]) == (), "each case is compared once"


def test_who_is_banned_already_is_not_banned_again() -> None:
    first, second = sources(2)
    blame = Blame()
    blame.judge(7, sent_by(first, second))
    second.leave("banned", "segment_mismatch")
    assert blame.compared(7, [second.source_id]) == ()
