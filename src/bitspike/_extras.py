"""Optional packages, which are imported only at their first use."""

from importlib.util import find_spec


def require(*modules: str, extra: str, purpose: str) -> None:
    """Raise ImportError if a module is not installed that ``extra`` brings and ``purpose`` needs.

    The message names the absent modules, the purpose and the command that installs them.
    """
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise ImportError(
            f"{' and '.join(absent)} not installed, which {purpose} needs: "
            f'pip install "bitspike[{extra}]"',
            name=absent[0],
        )
