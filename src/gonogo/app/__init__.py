"""One method a question, and the one place that builds what they stand on."""

from gonogo.app.gonogo import Gonogo

__all__ = ["Gonogo"]
