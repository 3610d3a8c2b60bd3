import pytest


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton's kernels on the CPU: interpreted, in blocks small enough that there are several."""
    pytest.importorskip("triton")
    from bitspike.kernels.scan import triton as scan

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(scan, "_SMALL", 16)
