import pytest

from bitspike.playground import Hosts


@pytest.mark.parametrize(
    ("bound", "more", "good", "bad"),
    [
        (
            "127.0.0.1",
            [],
            ["localhost", "localhost:8028", "127.0.0.1:1", "[::1]:80", "LOCALHOST"],
            [
                *("", "evil.example", "192.168.1.7", "localhost.evil.example", "[::2]", "a:b:c"),
                # What a policy would take for more rules, and what is no host at all.
                *("localhost:80; script-src *", "localhost;x", "localhost:", "localhost:8028x"),
                *("localhost:123456", "localhost/", "localhost ", "localhost:80\n", "[::1]x"),
                *("[::1", "::1", "[localhost]", "user@localhost", "localhost,evil", "l\xf6calhost"),
            ],
        ),
        ("192.168.1.7", [], ["192.168.1.7:8028", "localhost"], ["192.168.1.8", "evil.example"]),
        (
            "0.0.0.0",  # noqa: S104
            ["Laptop"],
            ["10.0.0.5:8028", "[fe80::1]:8028", "laptop:8028", "localhost"],
            ["evil.example", "10.0.0.5.evil.example", "0x7f.1", "", "0.0.0.0.0"],
        ),
        ("::", [], ["[2001:db8::1]"], ["evil.example"]),
    ],
)
def test_the_server_answers_to_its_names(
    bound: str, more: list[str], good: list[str], bad: list[str]
) -> None:
    hosts = Hosts.of(bound, more)
    assert [name for name in good if name not in hosts] == []
    assert [name for name in bad if name in hosts] == []
