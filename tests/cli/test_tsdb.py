"""`promlab tsdb`: shapes and exit codes of promtool's, round trips, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from promlab.cli import main

START = 1_700_000_000 // 7200 * 7200


def openmetrics(path: Path) -> Path:
    lines = ["# HELP http_requests_total The total.", "# TYPE http_requests_total counter"]
    for code in ("200", "400"):
        lines += [
            f'http_requests_total{{code="{code}",h="a\\"b"}} {3 * i + int(code)} {START + 15 * i}'
            for i in range(600)
        ]
    lines.append("# TYPE rpc histogram")
    for i in range(3):
        lines += [f'rpc_bucket{{le="{le}"}} {i} {START + 15 * i}' for le in ("1.0", "+Inf")]
        lines += [f"rpc_count {i} {START + 15 * i}", f"rpc_sum {i * 0.5} {START + 15 * i}"]
    path.write_text("\n".join([*lines, "# EOF", ""]))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tsdb")
    source = openmetrics(folder / "in.om")
    assert (
        main(["tsdb", "create-blocks-from", "openmetrics", "-q", str(source), str(folder / "d")])
        == 0
    )
    return folder / "d"


def test_list(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tsdb", "list", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["BLOCK", "ULID", "MIN", "TIME"]
    assert lines[1].split()[1:6] == [
        str(START * 1000), str(START * 1000 + 7_185_001), "1h59m45.001s", "972", "6"
    ]  # fmt: skip
    assert main(["tsdb", "list", "-r", str(data)]) == 0
    assert "KiB" in capsys.readouterr().out


def test_dump_and_back(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tsdb", "dump-openmetrics", str(data)]) == 0
    text = capsys.readouterr().out
    assert text.endswith("# EOF\n")
    (tmp_path / "again.om").write_text(text)
    assert main(["tsdb", "import", str(tmp_path / "again.om"), str(tmp_path / "d")]) == 0
    capsys.readouterr()
    dumps = []
    for path in (data, tmp_path / "d"):
        assert main(["tsdb", "dump", str(path)]) == 0
        dumps.append(capsys.readouterr().out)
    assert dumps[0] == dumps[1]
    first = f'{{__name__="http_requests_total", code="200", h="a\\"b"}} 200 {START * 1000}'
    assert dumps[0].splitlines()[0] == first
    match = ["--match", "rpc_sum", "--min-time", str(START * 1000 + 1)]
    assert main(["tsdb", "dump", *match, str(data)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_analyze_and_verify(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tsdb", "analyze", str(data)]) == 0
    text = capsys.readouterr().out
    assert "Total Series: 2" in text
    assert "Most common label pairs:\n2 " in text
    assert main(["tsdb", "verify", str(data)]) == 0
    assert capsys.readouterr().out == "2 blocks, 0 of them damaged\n"


def test_verify_finds_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = openmetrics(tmp_path / "in.om")
    main(["tsdb", "create-blocks-from", "openmetrics", "-q", str(source), str(tmp_path / "d")])
    path = min((tmp_path / "d").glob("*/samples.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["tsdb", "verify", str(tmp_path / "d")]) == 1
    assert str(path) in capsys.readouterr().err


def test_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.csv"
    source.write_text("when,room,celsius\n2024-01-01T00:00:00Z,a,20.5\n2024-01-01T00:01:00Z,b,21\n")
    flags = ["--metric=heat", "--timestamp=when", "--value=celsius", "--label=site=x"]
    assert main(["tsdb", "import", *flags, str(source), str(tmp_path / "d")]) == 0
    assert "2 samples" in capsys.readouterr().out
    assert main(["tsdb", "dump", str(tmp_path / "d")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        '{__name__="heat", room="a", site="x"} 20.5 1704067200000',
        '{__name__="heat", room="b", site="x"} 21 1704067260000',
    ]


@pytest.mark.parametrize(
    ("command", "text", "says"),
    [
        (["list", "nowhere"], "", "no such directory"),
        (["dump", "nowhere"], "", "no such directory"),
        (["create-blocks-from", "openmetrics", "in", "d"], "garbage\n# EOF\n", "line"),
        (["create-blocks-from", "openmetrics", "in", "d"], "a 1\n# EOF\n", "timestamp"),
        (["create-blocks-from", "openmetrics", "in", "d"], "a 1 1\n", "# EOF"),
        (["create-blocks-from", "openmetrics", "no", "d"], "", "cannot read no"),
        (["create-blocks-from", "openmetrics", "--label=x", "in", "d"], "# EOF\n", "NAME=VALUE"),
        (["import", "--promtool=no-such-tool", ".", "d"], "", "not installed"),
    ],
)
def test_refused(
    command: list[str],
    text: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").write_text(text)
    assert main(["tsdb", *command]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.peers
def test_like_promtool(tmp_path: Path, capsys: pytest.CaptureFixture[str], peers: Path) -> None:
    """The same file makes the same samples; a Prometheus's directory is taken over."""
    source = openmetrics(tmp_path / "in.om")
    tool, theirs, ours = peers / "promtool", tmp_path / "theirs", tmp_path / "ours"
    subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", source, theirs],
        check=True,
        capture_output=True,
    )
    (theirs / "wal").mkdir()
    assert main(["tsdb", "import", f"--promtool={tool}", str(theirs), str(ours)]) == 0
    capsys.readouterr()
    for command in ("dump", "dump-openmetrics"):
        wanted = subprocess.run(
            [tool, "tsdb", command, theirs], check=True, capture_output=True, text=True
        ).stdout
        assert main(["tsdb", command, str(ours)]) == 0
        assert sorted(capsys.readouterr().out.splitlines()) == sorted(wanted.splitlines())
