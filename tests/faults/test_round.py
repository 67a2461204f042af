"""The short form of ``make faults``: the quick faults, in one running site on SQLite."""

from tests.faults.registry import FAULTS
from tests.faults.rounds import run_round
from tests.faults.site import running


def test_no_quick_fault_breaks_the_invariant():
    quick = [fault for fault in FAULTS if fault.is_quick]
    with running() as site:
        journal = run_round(site, quick, seed=1, pause=0.7)
    assert len(journal.accepted) > len(quick)
