"""Photo -> faces -> emotions. Needs no web framework and no training library.

Names are loaded on first use, so that reading the labels costs no inference engine.
"""

from importlib import import_module

from mlcore.labels import LABELS

_HOMES = {
    "Analysis": "mlcore.analysis",
    "EmotionAnalyser": "mlcore.analysis",
    "EmotionClassifier": "mlcore.classification",
    "Face": "mlcore.analysis",
}

__all__ = ["LABELS", "Analysis", "EmotionAnalyser", "EmotionClassifier", "Face", "errors"]


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("mlcore.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
