"""teppr: from annotators' files to a prediction service and back."""

__version__ = "0.1.0"
