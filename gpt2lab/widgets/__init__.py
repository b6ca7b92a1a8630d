"""The pieces a learner plays with: one Python class and one JavaScript module each, live in JupyterLab, alone in the book.

Nothing here is imported until it is asked for: `from gpt2lab.widgets import MergeSlider` loads that widget only.
"""
from importlib import import_module

_HOME = {
    "CompletionBox": "completion_box",
    "MergeSlider": "merge_slider",
    "BytesOfText": "bytes_of_text",
    "TokenCutsAttention": "token_cuts_attention",
    "AttentionPlayground": "attention_playground",
    "AttentionViewer": "attention_viewer",
    "HeadFinder": "head_finder",
    "bertviz_head_view": "bertviz_view",
    "bertviz_model_view": "bertviz_view",
    "ShapeCalculator": "shape_calculator",
    "LogitLens": "logit_lens",
    "WeightBrowser": "weight_browser",
    "ProbabilityBars": "probability_bars",
    "TemperatureSweep": "temperature_sweep",
    "BeamTree": "beam_tree",
    "CacheCells": "cache_cells",
    "TypeAndContinue": "type_and_continue",
    "TrainingCurves": "training_curves",
    "LoraRank": "lora_rank",
    "AttentionDifference": "attention_difference",
    "QuantBins": "quant_bins",
    "QualitySize": "quality_size",
    "ShotSwapper": "shot_swapper",
    "ShotCurve": "shot_curve",
}
__all__ = [*_HOME]  # noqa: PLE0604 (they are strings; one list is enough)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
