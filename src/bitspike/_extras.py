"""Optional packages, which are imported only when wanted."""

from importlib.util import find_spec


def require(*modules: str, extra: str, purpose: str) -> None:
    """Check that optional packages are installed.

    Args:
        modules: import names.
        extra: the extra of bitspike that brings them.
        purpose: what they are wanted for; stands in the message.

    Raises:
        ImportError: one of them is not installed.
    """
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise ImportError(
            f"{' and '.join(absent)} not installed, which {purpose} needs: "
            f'pip install "bitspike[{extra}]"',
            name=absent[0],
        )
