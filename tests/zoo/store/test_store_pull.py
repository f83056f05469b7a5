"""Weights come from a hub on this machine: whole and right, or not at all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.errors import ModelError
from sightline.profiles import Profile
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from support.made_hub import COMMIT, MadeHub, made_hub
from support.made_profile import CONFIG, SHA256, TENSORS, of_a_server, of_the_hub


@pytest.fixture
def hub() -> Iterator[MadeHub]:
    with made_hub() as hub:
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def get(profile: Profile, cache: Cache, hub: MadeHub, **options: object) -> Path:
    return pull(profile, cache, hub=hub.url, **{"patience": (0.0,), **options})  # type: ignore[arg-type]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.name != ".lock")


def test_a_file_comes_whole_with_its_progress_told(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    told: list[tuple[int, int | None]] = []
    folder = get(profile, cache, hub, watch=lambda _file, done, total: told.append((done, total)))
    assert (folder / "made.pth").read_bytes() == TENSORS
    assert left_in(folder) == ["made.pth", "pulled.json"]
    assert told[0] == (0, len(TENSORS))
    assert told[-1] == (len(TENSORS), len(TENSORS))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert cache.missing(profile) == []
    assert cache.check(profile) == folder / "made.pth"
    get(profile, cache, hub)
    assert len(hub.asked) == 1  # what is there is not asked for again


def test_the_hub_tells_the_hash_of_what_the_card_does_not_know(hub: MadeHub, cache: Cache) -> None:
    profile = of_the_hub(hub)
    folder = get(profile, cache, hub)
    assert left_in(folder) == ["config.json", "preprocessor_config.json", "pulled.json", "pytorch_model.bin"]
    assert all(f"/resolve/{profile.revision}/" in path for path, _ in hub.asked if "/resolve/" in path)
    record = cache.record(profile)
    assert record.files["pytorch_model.bin"].sha256 == SHA256
    assert cache.check(profile) == folder / "pytorch_model.bin"


def test_without_a_revision_in_the_card_all_files_are_of_the_first_ones_commit(hub: MadeHub, cache: Cache) -> None:
    profile = of_the_hub(hub, "detect-instance")
    get(profile, cache, hub)
    revisions = [path.split("/resolve/")[1].split("/")[0] for path, _ in hub.asked if "/resolve/" in path]
    assert revisions == ["main", COMMIT, COMMIT]
    assert cache.record(profile).revision == COMMIT
    hub.names_commit = False
    with pytest.raises(ModelError, match="does not say of which commit"):
        get(profile, Cache(cache.root / "other"), hub)


@pytest.mark.parametrize("large", [True, False])
def test_a_file_that_nobody_vouches_for_is_refused(hub: MadeHub, cache: Cache, large: bool) -> None:
    profile = of_the_hub(hub)
    hub.names_hashes = False
    if large:  # the first file then is one that is kept elsewhere
        hub.files[f"{profile.repository}/config.json"] = TENSORS
    with pytest.raises(ModelError, match=r"neither the card nor the server names a hash.*thrown away"):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == []


def test_a_wrong_file_is_thrown_away(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.files["made.pth"] = TENSORS[:-1] + b"!"
    with pytest.raises(
        ModelError, match=rf"made\.pth: got a file with sha256 \w{{64}}, expected {SHA256}.*thrown away"
    ):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == []
    assert cache.missing(profile) == list(profile.files)
    with pytest.raises(ModelError, match="missing"):
        cache.check(profile)


def test_the_first_digits_of_a_hash_are_compared(hub: MadeHub, cache: Cache) -> None:
    get(of_a_server(hub, sha256=SHA256[:8]), cache, hub)
    with pytest.raises(ModelError, match="expected 00000000"):
        get(of_a_server(hub, sha256="0" * 8), Cache(cache.root / "other"), hub)


def test_a_file_of_another_size_is_refused_before_it_comes(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub, size=299_999)
    with pytest.raises(ModelError, match="the server has 300000 bytes, expected 299999"):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == []


def test_a_broken_connection_is_gone_on_with(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.breaks = [100_000, 50_000]
    folder = get(profile, cache, hub)
    assert (folder / "made.pth").read_bytes() == TENSORS
    assert [asked for _, asked in hub.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_after_too_many_breaks_what_came_is_kept_for_the_next_time(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.breaks = [120_000, 0]
    with pytest.raises(ModelError, match=r"connection broke; 0\.1 MB have come and are kept"):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == ["made.pth.part"]
    assert cache.missing(profile) == list(profile.files)
    hub.asked.clear()
    assert (get(profile, cache, hub) / "made.pth").read_bytes() == TENSORS
    assert hub.asked == [("/made.pth", "bytes=120000-")]


def test_a_server_without_ranges_sends_all_of_it_again(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.ranges = False
    hub.breaks = [100_000]
    assert (get(profile, cache, hub) / "made.pth").read_bytes() == TENSORS
    assert [asked for _, asked in hub.asked] == ["", "bytes=100000-"]


@pytest.mark.parametrize("stale", [b"of another version", bytes(len(TENSORS)), TENSORS + b"more", TENSORS])
def test_what_an_earlier_attempt_left_does_no_harm(hub: MadeHub, cache: Cache, stale: bytes) -> None:
    profile = of_a_server(hub)
    cache.folder(profile).mkdir(parents=True)
    (cache.folder(profile) / "made.pth.part").write_bytes(stale)
    assert (get(profile, cache, hub) / "made.pth").read_bytes() == TENSORS


@pytest.fixture(scope="module")
def odd_hub() -> Iterator[MadeHub]:
    with made_hub() as hub:
        yield hub


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["Content-Range", "Content-Length", "ETag", "X-Linked-ETag", "X-Repo-Commit", "Location"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
        | st.builds("bytes {}-{}/{}".format, st.integers(0, 10**16), st.integers(0, 10**16), st.integers(0, 10**16))
        | st.integers(0, 400_000).map(str)
        | st.just("0" * 64),
    ),
    st.sampled_from([b"", TENSORS[:1000], TENSORS]),
    st.booleans(),
)
def test_no_header_makes_a_wrong_file_right(
    odd_hub: MadeHub, tmp_path_factory: pytest.TempPathFactory, odd: dict[str, str], there: bytes, from_hub: bool
) -> None:
    odd_hub.odd = odd
    cache = Cache(tmp_path_factory.mktemp("odd"))
    profile = of_the_hub(odd_hub) if from_hub else of_a_server(odd_hub)
    cache.folder(profile).mkdir(parents=True)
    if there:
        (cache.folder(profile) / f"{profile.weights.name}.part").write_bytes(there)
    try:
        path = get(profile, cache, odd_hub, patience=()) / profile.weights.name
    except ModelError:
        assert not (cache.folder(profile) / profile.weights.name).exists()
    else:
        assert path.read_bytes() == TENSORS
    shutil.rmtree(cache.root)


def test_a_server_that_is_busy_is_asked_again(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.statuses = [503, 429]
    assert (get(profile, cache, hub, patience=(0.0, 0.0)) / "made.pth").read_bytes() == TENSORS
    hub.statuses = [500, 500]
    with pytest.raises(ModelError, match="the server answers 500"):
        get(profile, Cache(cache.root / "other"), hub)


def test_what_is_not_there_is_not_asked_for_again(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.files.clear()
    with pytest.raises(ModelError, match="the server answers 404"):
        get(profile, cache, hub)
    assert len(hub.asked) == 1


def test_without_a_network_it_is_said_what_goes_where(cache: Cache) -> None:
    with made_hub() as gone:
        profile = of_the_hub(gone)
    with pytest.raises(ModelError) as refused:
        get(profile, cache, gone)
    said = str(refused.value)
    for words in (
        "Connection refused",
        "sightline models pull accurate",
        "sightline models import FOLDER",
        "--profile accurate --weights PATH",
        f"pytorch_model.bin (190.0 MB) from {gone.url}/{profile.repository}/resolve/{profile.revision}/",
        str(cache.folder(profile)),
    ):
        assert words in said


def test_without_a_network_nobody_waits(cache: Cache, hub: MadeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ModelError, match=r"made\.pth: no such name\n"):
        get(of_a_server(hub), cache, hub, patience=(3600.0,))


@pytest.mark.parametrize("place", ["http://192.0.2.1/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_it_goes_on_to_https_only(hub: MadeHub, cache: Cache, place: str) -> None:
    profile = of_the_hub(hub)
    hub.sends_to = place
    hub.files[f"{profile.repository}/config.json"] = TENSORS
    with pytest.raises(ModelError, match=r"expected an https address|HTTP Error 302|answers 302"):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == []


def test_no_address_with_a_secret_is_shown(hub: MadeHub, cache: Cache) -> None:
    profile = of_the_hub(hub)
    hub.breaks = [50_000, 0]
    hub.files[f"{profile.repository}/config.json"] = TENSORS
    with pytest.raises(ModelError) as refused:
        get(profile, cache, hub)
    assert any("signature=secret" in path for path, _ in hub.asked)
    assert "signature" not in str(refused.value)
    with pytest.raises(ModelError) as refused:
        pull(profile, cache, hub="http://me:password@192.0.2.1")
    assert "password" not in str(refused.value)


def test_two_at_once_get_it_once(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    hub.hold = threading.Event()
    waits = threading.Event()
    first = threading.Thread(target=get, args=(profile, cache, hub))
    first.start()
    while not hub.asked:
        assert first.is_alive()
    done: list[Path] = []
    second = threading.Thread(target=lambda: done.append(get(profile, Cache(cache.root), hub, waiting=waits.set)))
    second.start()
    assert waits.wait(30)
    hub.hold.set()
    first.join(30)
    second.join(30)
    assert (done[0] / "made.pth").read_bytes() == TENSORS
    assert len(hub.asked) == 1


def test_a_lock_that_somebody_died_with_is_free(hub: MadeHub, cache: Cache) -> None:
    profile = of_a_server(hub)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom filelock import FileLock\n"
        "Path(sys.argv[1]).parent.mkdir(parents=True)\nFileLock(sys.argv[1]).acquire()\nos._exit(9)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, cache.folder(profile) / ".lock"], check=False)
    assert died.returncode == 9
    assert (get(profile, cache, hub) / "made.pth").is_file()


FULL = """
import resource, signal, sys
from pathlib import Path
from support.made_profile import of_a_server
from support.made_hub import MadeHub
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from sightline.core.errors import ModelError

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
profile = of_a_server(MadeHub(sys.argv[1]))
try:
    pull(profile, Cache(Path(sys.argv[2])), patience=())
except ModelError as e:
    print(e)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_nothing_half(hub: MadeHub, tmp_path: Path) -> None:
    """The system itself refuses to write more than 100 KB: the same error as from a full disk or a quota."""
    of_a_server(hub)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", FULL, hub.url, tmp_path / "cache"], capture_output=True, text=True, env=environment
    )
    assert done.stderr == ""
    assert "File too large; nothing was kept. Free some space" in done.stdout
    assert left_in(tmp_path / "cache/profiles/made") == []


def test_what_does_not_fit_is_not_begun(hub: MadeHub, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = of_a_server(hub)
    free = type("Usage", (), {"free": 200_000})
    monkeypatch.setattr("sightline.zoo.store.download.shutil.disk_usage", lambda _folder: free)
    with pytest.raises(ModelError, match=r"0\.3 MB are needed and 0\.2 MB are free"):
        get(profile, cache, hub)
    assert left_in(cache.folder(profile)) == []


def test_a_cache_where_nothing_can_be_written(hub: MadeHub, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    with pytest.raises(ModelError, match=r"can't be written.*SIGHTLINE_CACHE"):
        get(of_a_server(hub), Cache(tmp_path / "cache"), hub)


@pytest.mark.parametrize("name", [".lock", "made.pth.part", "pulled.new"])
def test_a_file_that_can_not_be_written(hub: MadeHub, cache: Cache, name: str) -> None:
    profile = of_a_server(hub)
    (cache.folder(profile) / name / "in the way").mkdir(parents=True)
    with pytest.raises(ModelError, match="can't be written"):
        get(profile, cache, hub)


def test_what_changed_on_the_disk_is_not_loaded(hub: MadeHub, cache: Cache) -> None:
    profile = of_the_hub(hub)
    folder = get(profile, cache, hub)
    (folder / "config.json").write_bytes(CONFIG.replace(b"made", b"fake"))
    assert cache.missing(profile) == []  # of the same size: only its hash tells
    with pytest.raises(ModelError, match=r"config\.json is damaged: .*run: sightline models pull accurate"):
        cache.check(profile)
    (folder / "config.json").write_bytes(b"{}")
    assert [file.name for file in cache.missing(profile)] == ["config.json"]
    get(profile, cache, hub)
    assert (folder / "config.json").read_bytes() == CONFIG
    cache.check(profile)


@pytest.mark.parametrize("record", [b"", b"{", b'{"files": 3}', b"\xff\xfe", b'{"files": {"made.pth": {}}}'])
def test_a_broken_record_counts_as_none(hub: MadeHub, cache: Cache, record: bytes) -> None:
    profile = of_a_server(hub)
    folder = get(profile, cache, hub)
    (folder / "pulled.json").write_bytes(record)
    assert cache.missing(profile) == list(profile.files)
    get(profile, cache, hub)
    cache.check(profile)


def test_a_card_of_a_newer_version_makes_the_files_missing(hub: MadeHub, cache: Cache) -> None:
    profile = of_the_hub(hub)
    get(profile, cache, hub)
    assert cache.record(profile).revision == profile.revision
    newer = of_the_hub(hub, revision="f" * 40)
    assert cache.missing(newer) == list(newer.files)
