"""The pipeline's defaults, and its first run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.chains import NOON, FlatCurve, chain

from optionsib.common.config import load_config
from optionsib.features import FeatureEngine, get_default_pipeline_config, warmup_transformers


def test_the_defaults_are_those_of_the_shipped_configuration() -> None:
    assert get_default_pipeline_config() == load_config("paper").features


def test_every_transformer_runs_and_none_remembers() -> None:
    config, snapshot = get_default_pipeline_config(), chain()
    before = FeatureEngine(config, FlatCurve()).step(snapshot)
    for contracts in ((), snapshot.contracts):
        warm = warmup_transformers(config, FlatCurve(), NOON, contracts)
        assert [one.name for one in warm] == [
            "FeatureEngine",
            "GreekFeatureGenerator",
            "QuantileNormalizer",
            "TemporalEncoder",
        ]
        assert all(one.first_seconds > 0.0 and one.seconds > 0.0 for one in warm)
    after = FeatureEngine(config, FlatCurve()).step(snapshot)
    np.testing.assert_array_equal(before.matrix(), after.matrix())


def test_a_chain_of_contracts_that_have_expired_is_no_trouble() -> None:
    snapshot = chain()
    gone = tuple(replace_expiry(contract) for contract in snapshot.contracts)
    assert len(warmup_transformers(get_default_pipeline_config(), FlatCurve(), NOON, gone)) == 4


def replace_expiry(contract: object) -> object:
    import msgspec

    if isinstance(contract, msgspec.Struct):
        return msgspec.structs.replace(contract, expiry_ns=contract.expiry_ns - 200 * 86_400 * 10**9)  # type: ignore[attr-defined]
    return replace(contract, expiry_ns=contract.expiry_ns - 200 * 86_400 * 10**9)  # type: ignore[type-var, attr-defined]
