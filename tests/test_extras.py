from tests.processes import fresh


def test_the_program_says_which_extra_it_needs() -> None:
    code = (
        "import importlib.util as util, runpy\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'rich' else find(name, *rest)\n"
        "runpy.run_module('bitspike.examples.lif_fc_mnist', run_name='__main__')\n"
    )
    result = fresh(code)
    assert result.code == 1
    message = 'rich not installed, which the program needs: pip install "bitspike[train]"'
    assert result.err.splitlines()[-1] == f"ImportError: {message}"
