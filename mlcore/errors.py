"""What can go wrong, each with a stable ``code`` for programs and a sentence for people."""


class MLCoreError(Exception):
    """Parent of every error that this package raises on purpose."""

    code = "mlcore_error"


class UnreadableImage(MLCoreError):
    """The photo cannot be read.

    ``code`` is ``unreadable_image``, or where that is what happened ``empty_file``,
    ``unsupported_format``, ``too_many_pixels``, ``too_complex`` (it takes too much memory) or
    ``timed_out`` (too much time).
    """

    code = "unreadable_image"

    def __init__(self, message: str, code: str = code) -> None:
        super().__init__(message)
        self.code = code


class ModelUnavailable(MLCoreError):
    """The model file is missing or cannot be read."""

    code = "model_unavailable"


class ModelMismatch(MLCoreError):
    """The model file is not the network that this version of the package expects."""

    code = "model_mismatch"


class DecoderUnavailable(MLCoreError):
    """No picture can be read at the moment, through no fault of its own."""

    code = "decoder_unavailable"
