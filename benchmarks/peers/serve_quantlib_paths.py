"""QuantLib's Monte Carlo engines as a benchmark peer (build/bench-quantlib).

Jobs: ``asian``, ``asian control`` (geometric control variate), ``barrier`` (down-and-out, watched at the
steps), ``heston`` (QuantLib's own scheme, quadratic-exponential) and ``heston exact`` (Fourier). The input
``terms`` is (spot, strike, rate, volatility, barrier, paths, steps, seed, v0, kappa, theta, xi, rho),
``days`` the days of the average from today, of 365 a year. Results: price and standard error.
"""

from __future__ import annotations

from typing import Any

import QuantLib as ql  # noqa: N813
from serving import Job, serve

TODAY = ql.Date(6, 6, 2014)
COUNT = ql.Actual365Fixed()


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Build the option, and make its engine anew every time: results are kept."""
    ql.Settings.instance().evaluationDate = TODAY
    spot, strike, rate, volatility, barrier, *rest = (float(x) for x in inputs["terms"])
    paths, steps, seed = (int(x) for x in rest[:3])
    quote = ql.QuoteHandle(ql.SimpleQuote(spot))
    rates = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, COUNT))
    none = ql.YieldTermStructureHandle(ql.FlatForward(TODAY, 0.0, COUNT))
    level = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, COUNT))
    process = ql.BlackScholesMertonProcess(quote, none, rates, level)
    heston = ql.HestonProcess(rates, none, quote, *rest[3:])
    payoff = ql.PlainVanillaPayoff(ql.Option.Call, strike)
    exercise = ql.EuropeanExercise(TODAY + 365)

    def option() -> Any:
        if job.startswith("asian"):
            dates = [TODAY + int(day) for day in inputs["days"]]
            made = ql.DiscreteAveragingAsianOption(ql.Average.Arithmetic, 0.0, 0, dates, payoff, exercise)
            engine = ql.MCDiscreteArithmeticAPEngine(
                process,
                "pseudorandom",
                controlVariate=job == "asian control",
                requiredSamples=paths,
                seed=seed,
            )
        elif job == "barrier":
            made = ql.BarrierOption(ql.Barrier.DownOut, barrier, 0.0, payoff, exercise)
            engine = ql.MCBarrierEngine(
                process, "pseudorandom", timeSteps=steps, requiredSamples=paths, isBiased=True, seed=seed
            )
        else:
            made = ql.VanillaOption(payoff, exercise)
            if job == "heston exact":
                engine = ql.AnalyticHestonEngine(ql.HestonModel(heston), 1e-12, 100_000)
            else:
                engine = ql.MCEuropeanHestonEngine(
                    heston, "pseudorandom", timeSteps=steps, requiredSamples=paths, seed=seed
                )
        made.setPricingEngine(engine)
        return made

    def run() -> dict[str, Any]:
        made = option()
        price = made.NPV()
        return {"price": price, "stderr": 0.0 if job == "heston exact" else made.errorEstimate()}

    return run


if __name__ == "__main__":
    serve(prepare)
