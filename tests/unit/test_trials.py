"""The trial ledger: whatever becomes of a trial, it counts; what is written cannot be changed unseen."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optionsib.common.clock import SteppedClock
from optionsib.common.errors import JournalError, ModelError
from optionsib.governance.audit import verify
from optionsib.models.evaluation import deflated_sharpe, sharpe_moments
from optionsib.models.trials import TrialLedger

DATA = "ab" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> TrialLedger:
    return TrialLedger(tmp_path / "trials.sqlite", SteppedClock(1_000))


def test_finished_and_failed_trials_are_kept(ledger: TrialLedger) -> None:
    assert ledger.trials() == ()
    with ledger.trial("spreads", {"depth": 3, "rate": 0.1}, DATA) as running:
        running.finish(np.array([0.1, -0.2, 0.3]), {"brier": 0.2})
    with pytest.raises(ZeroDivisionError), ledger.trial("spreads", {"depth": 4}, DATA):
        _ = 1 // 0
    with ledger.trial("regimes", {}, DATA):
        pass
    first, second, third = ledger.trials()
    assert (first.number, first.status, first.config) == (1, "finished", {"depth": 3, "rate": 0.1})
    assert first.returns.tolist() == [0.1, -0.2, 0.3]
    assert first.scores == {"brier": 0.2}
    assert (second.status, second.reason) == (
        "failed",
        "ZeroDivisionError: integer division or modulo by zero",
    )
    assert (third.family, third.status, third.reason) == ("regimes", "failed", "it ended without a result")
    assert [trial.number for trial in ledger.trials("spreads")] == [1, 2]
    assert verify(ledger.path).ok


def test_every_trial_of_the_family_counts(ledger: TrialLedger) -> None:
    generator = np.random.default_rng(3)
    for k in range(6):
        with ledger.trial("spreads", {"k": k}, DATA) as running:
            running.finish(0.05 + generator.standard_normal(120))
    for k in range(4):
        with pytest.raises(ModelError), ledger.trial("spreads", {"failing": k}, DATA):
            raise ModelError("no rows")
    with ledger.trial("other", {}, DATA) as running:
        running.finish(generator.standard_normal(120))
    moments = [sharpe_moments(trial.returns) for trial in ledger.trials("spreads")[:6]]
    variance = float(np.var([one.sharpe for one in moments], ddof=1))
    expected = deflated_sharpe(moments[2], variance=variance, trials=10)
    assert ledger.deflated_sharpe(3) == expected
    assert expected < deflated_sharpe(moments[2], variance=variance, trials=6)
    assert 0.0 <= ledger.overfitting("spreads", blocks=6).probability <= 1.0


def test_a_trial_killed_in_the_middle_counts(ledger: TrialLedger) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from optionsib.common.clock import SystemClock\n"
        "from optionsib.models.trials import TrialLedger\n"
        "with TrialLedger(Path(sys.argv[1]), SystemClock()).trial('spreads', {}, 'ab'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ledger.path)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    with ledger.trial("spreads", {}, DATA) as running:
        running.finish(np.array([0.1, 0.2, -0.3]))
    assert [trial.status for trial in ledger.trials()] == ["begun", "finished"]
    with pytest.raises(ModelError, match="1 of 2 trials of spreads have a Sharpe ratio"):
        ledger.deflated_sharpe(2)
    with pytest.raises(ModelError, match="trial 1 is begun"):
        ledger.deflated_sharpe(1)
    with pytest.raises(ModelError, match="trial 9 is not there"):
        ledger.deflated_sharpe(9)


def test_processes_share_one_ledger(ledger: TrialLedger) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from optionsib.common.clock import SystemClock\n"
        "from optionsib.models.trials import TrialLedger\n"
        "ledger = TrialLedger(Path(sys.argv[1]), SystemClock())\n"
        "for k in range(5):\n"
        "    with ledger.trial(sys.argv[2], {'k': k}, 'ab') as running:\n"
        "        running.finish(np.array([float(k)]))\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", program, str(ledger.path), name]) for name in ("a", "b", "c")
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    trials = ledger.trials()
    assert [trial.number for trial in trials] == list(range(1, 16))
    for name in ("a", "b", "c"):
        assert [trial.returns.tolist() for trial in trials if trial.family == name] == [
            [0.0], [1.0], [2.0], [3.0], [4.0],
        ]  # fmt: skip
    assert verify(ledger.path).ok


def test_a_changed_result_is_seen(ledger: TrialLedger) -> None:
    with ledger.trial("spreads", {}, DATA) as running:
        running.finish(np.array([-0.5]))
    connection = sqlite3.connect(ledger.path)
    (payload,) = connection.execute("SELECT payload FROM records WHERE kind = 'TrialEnded'").fetchone()
    changed = payload.replace(np.float64(-0.5).byteswap().tobytes(), np.float64(0.5).byteswap().tobytes())
    assert changed != payload
    connection.execute("UPDATE records SET payload = ? WHERE kind = 'TrialEnded'", (changed,))
    connection.commit()
    connection.close()
    report = verify(ledger.path)
    assert not report.ok
    assert report.first_bad_seq == 2
    with pytest.raises(JournalError, match="does not follow the chain"), ledger.trial("spreads", {}, DATA):
        pass


def test_bad_input_is_refused_before_anything_is_written(ledger: TrialLedger) -> None:
    with pytest.raises(ModelError, match="no plain data"), ledger.trial("spreads", {"x": object()}, DATA):
        pass
    with pytest.raises(ModelError, match="needs a family"), ledger.trial("", {}, DATA):
        pass
    assert not ledger.path.exists()
    with pytest.raises(ModelError, match="finite"), ledger.trial("spreads", {}, DATA) as running:
        running.finish(np.array([0.1, np.nan]))
    assert ledger.trials()[0].status == "failed"
    with ledger.trial("spreads", {}, DATA) as running:
        running.finish(np.array([0.1, 0.2]))
    with ledger.trial("spreads", {}, DATA) as running:
        running.finish(np.array([0.1]))
    with pytest.raises(ModelError, match=r"\[1, 2\] periods"):
        ledger.overfitting("spreads")


def test_a_trial_that_traded_nothing_counts_and_spoils_nothing(ledger: TrialLedger) -> None:
    generator = np.random.default_rng(4)
    for k in range(3):
        with ledger.trial("spreads", {"k": k}, DATA) as running:
            running.finish(0.1 + generator.standard_normal(100))
    three = ledger.deflated_sharpe(1)
    with ledger.trial("spreads", {"idle": True}, DATA) as running:
        running.finish(np.zeros(100))
    assert ledger.deflated_sharpe(1) < three
    with pytest.raises(ModelError, match="number 4 has none"):
        ledger.deflated_sharpe(4)


def test_data_that_is_known_at_the_end_is_kept(ledger: TrialLedger) -> None:
    with ledger.trial("spreads", {}, "") as running:
        running.finish(np.array([0.1, 0.2]), data=DATA)
    assert ledger.trials()[0].data == DATA
    assert verify(ledger.path).ok
