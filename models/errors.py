"""Errors a user can cause, each with a sentence that says what to do next.

Everything raised on purpose for a bad file, a bad option or missing weights derives from `SignError`:
the application turns it into a readable message. Any other exception is a bug and shows as one.
"""


class SignError(Exception):
    """Something the user can put right: what is wrong, the value seen, what to do next."""


class VideoError(SignError):
    """A video cannot be read, written, or is outside the limits."""


class PoseError(SignError):
    """A pose file or its contents cannot be used for what was asked."""


class LexiconError(SignError):
    """A lexicon, an entry of it, or a gloss cannot be used."""


class WeightsError(SignError):
    """Model weights are missing, incomplete or of another kind."""


class PictureError(SignError):
    """A picture cannot be read, or shows nobody who could sign."""
