"""One definition of each feature, for batch and stream."""

from optionsib.features.batch import run_tape
from optionsib.features.chain_features import (
    CHAIN_FEATURES,
    FEATURE_NAMES,
    FEATURES_VERSION,
    ChainFeatures,
    FeatureStages,
)
from optionsib.features.engine import FeatureEngine, ZeroCurve
from optionsib.features.greeks import Dividend, GreekFeatureGenerator, GreekFeaturePipeline
from optionsib.features.normalizer import QuantileNormalizer, QuantumNormalizer
from optionsib.features.temporal import EncodingMethod, RegimeMetrics, TemporalEncoder, TemporalFeatures
from optionsib.features.warm_up import WarmedUp, get_default_pipeline_config, warmup_transformers

__all__ = [
    "CHAIN_FEATURES",
    "FEATURES_VERSION",
    "FEATURE_NAMES",
    "ChainFeatures",
    "Dividend",
    "EncodingMethod",
    "FeatureEngine",
    "FeatureStages",
    "GreekFeatureGenerator",
    "GreekFeaturePipeline",
    "QuantileNormalizer",
    "QuantumNormalizer",
    "RegimeMetrics",
    "TemporalEncoder",
    "TemporalFeatures",
    "WarmedUp",
    "ZeroCurve",
    "get_default_pipeline_config",
    "run_tape",
    "warmup_transformers",
]
