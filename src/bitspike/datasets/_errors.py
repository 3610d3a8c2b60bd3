"""Errors and warnings of the data sets."""


class DatasetError(ValueError):
    """A data set is missing, damaged or cannot be stored; the message names the file."""

    several_lines = True  # one for each source that failed


class DatasetNote(UserWarning):
    """The files of a data set are readable, but not the official ones."""


class SourceError(Exception):
    """A source cannot give a file. The message is the reason; the next source is tried."""
