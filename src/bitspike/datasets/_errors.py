"""What a data set says when something is wrong or worth knowing."""


class DatasetError(ValueError):
    """A data set is missing, damaged or cannot be stored; the message names the file."""

    several_lines = True  # where several sources have failed


class DatasetNote(UserWarning):
    """A data set was read, but it is not the official one."""
