"""The one gate: three votes in, an approved order or a refusal out.

1. An order that reduces risk (the limit check alone judges that) needs the risk vote only; what the strategy
   itself refuses does not leave for that.
2. Any other order needs a fresh accepting signal of the live model, an accepting strategy decision
   on the very same order, and a passing risk verdict.
3. A vote that is missing, late, of another model or an earlier epoch of it, of a frozen one, or about another
   candidate counts as a refusal.
4. ``decide`` is the only place that constructs an ``ApprovedOrder``.
"""

from __future__ import annotations

from typing import Literal

from optionsib.common.events import ApprovedOrder, ModelSignal, Refusal, RiskVerdict, StrategyDecision
from optionsib.common.ports import LiveModel


def decide(
    signal: ModelSignal | None,
    strategy: StrategyDecision | None,
    risk: RiskVerdict,
    *,
    now_ns: int,
    live: LiveModel | None,
) -> ApprovedOrder | Refusal:
    """Decide one candidate. A pure function of its arguments.

    Parameters
    ----------
    signal, strategy
        The votes of the model and of the strategy; None where there is none.
    risk
        The limit check's verdict; its ``order`` is the order that would be sent.
    now_ns
        Decision time, UTC ns.
    live
        The model that may vote; None if none may.

    Returns
    -------
    ApprovedOrder or Refusal
        A refusal names the first layer, in the order model, strategy, risk, that did not agree.
    """
    if risk.reduces_risk:
        if strategy is not None and not strategy.accepts:
            return _refuse(risk, "strategy", _strategy_objection(strategy, risk))
    else:
        for layer, reason in (
            ("model", _model_objection(signal, risk.candidate_id, now_ns, live)),
            ("strategy", _strategy_objection(strategy, risk)),
        ):
            if reason:
                return _refuse(risk, layer, reason)
    if not risk.accepts:
        return _refuse(risk, "risk", risk.reason)
    return ApprovedOrder(
        candidate_id=risk.candidate_id,
        order=risk.order,
        max_loss=risk.max_loss,
        reduces_risk=risk.reduces_risk,
        attached=risk.attached,
    )


def _refuse(risk: RiskVerdict, layer: str, reason: str) -> Refusal:
    layers: dict[str, Literal["model", "strategy", "risk"]] = {
        "model": "model",
        "strategy": "strategy",
        "risk": "risk",
    }
    return Refusal(candidate_id=risk.candidate_id, layer=layers[layer], reason=reason)


def _model_objection(
    signal: ModelSignal | None, candidate_id: str, now_ns: int, live: LiveModel | None
) -> str:
    if live is None:
        return "no model is live"
    if live.frozen:
        return f"the model is frozen: {live.frozen}"
    if signal is None:
        return "no signal"
    if signal.candidate_id != candidate_id:
        return f"signal is about {signal.candidate_id}, not {candidate_id}"
    if signal.model_id != live.model_id:
        return f"signal of model {signal.model_id[:12]}, live is {live.model_id[:12]}"
    if signal.epoch != live.epoch:
        return f"signal of epoch {signal.epoch}, live is epoch {live.epoch}"
    if signal.made_at_ns > now_ns:
        return "signal is dated in the future"
    if now_ns > signal.valid_until_ns:
        return "signal is stale"
    return "" if signal.accepts else signal.reason or "model refuses"


def _strategy_objection(strategy: StrategyDecision | None, risk: RiskVerdict) -> str:
    if strategy is None:
        return "no strategy decision"
    if strategy.candidate_id != risk.candidate_id:
        return f"decision is about {strategy.candidate_id}, not {risk.candidate_id}"
    if not strategy.accepts:
        return strategy.reason or "strategy refuses"
    if strategy.order != risk.order or strategy.attached != risk.attached:
        return "strategy and risk judged different orders"
    return ""
