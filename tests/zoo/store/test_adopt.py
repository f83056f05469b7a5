"""Files from elsewhere: whose they are, whether they are right, and that nothing else is taken."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline import profiles
from sightline.core.errors import ConfigError, ModelError
from sightline.profiles import File, Profile
from sightline.zoo.store import Cache, read_record
from sightline.zoo.store.adopt import adopt
from sightline.zoo.store.pull import pull
from support.made_hub import MadeHub, made_hub
from support.made_profile import CONFIG, SHA256, TENSORS, of_a_server, of_the_hub

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="links need a permission on Windows")


@pytest.fixture
def hub() -> Iterator[MadeHub]:
    with made_hub() as hub:
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def hub_cache(folder: Path, profile: Profile, **other: str) -> Path:
    """As the hub's own library stores: links of a snapshot to files that are named by their hashes."""
    base = folder / "hub" / f"models--{other.get('repository', profile.repository).replace('/', '--')}"
    snapshot = base / "snapshots" / other.get("revision", profile.revision)
    snapshot.mkdir(parents=True)
    (base / "blobs").mkdir()
    for file in profile.files:
        body = TENSORS if file is profile.weights else CONFIG
        git = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
        blob = base / "blobs" / (other.get("blob") or (SHA256 if file is profile.weights else git))
        blob.write_bytes(body)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.mark.parametrize("name", ["made.pth", "renamed.pth"])
def test_a_file_is_known_by_its_hash_whatever_its_name(hub: MadeHub, cache: Cache, elsewhere: Path, name: str) -> None:
    profile = of_a_server(hub)
    (elsewhere / name).write_bytes(TENSORS)
    for source in (elsewhere, elsewhere / name):
        (came,) = adopt(source, cache, [profiles.load("sota"), profile])
        assert (came.profile.name, came.name, came.size, came.known) == ("made", "made.pth", len(TENSORS), True)
    assert cache.check(profile).read_bytes() == TENSORS


def test_the_cache_of_another_machine(hub: MadeHub, cache: Cache, tmp_path: Path) -> None:
    other, profile = Cache(tmp_path / "other"), of_the_hub(hub)
    folder = pull(profile, other, hub=hub.url)
    other.export(profile).parent.mkdir()
    other.export(profile).write_bytes(b"a graph")
    came = adopt(folder, cache, [profiles.load("sota"), profile])
    assert {one.name for one in came} == {*(file.name for file in profile.files), "export/accurate-fp32.onnx"}
    assert all(one.known for one in came)
    assert cache.check(profile).read_bytes() == TENSORS
    assert cache.export(profile).read_bytes() == b"a graph"
    assert cache.record(profile).revision == profile.revision
    (folder / "pytorch_model.bin").write_bytes(TENSORS[::-1])
    with pytest.raises(ModelError, match=r"is not pytorch_model\.bin of accurate: got a file with sha256"):
        adopt(folder / "pytorch_model.bin", Cache(tmp_path / "third"), [profile])


@LINKS
def test_a_snapshot_of_the_hub(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    profile = of_the_hub(hub)
    snapshot = hub_cache(elsewhere, profile)
    known = [profiles.load(name) for name in profiles.names()]
    came = adopt(elsewhere, cache, known)
    assert {(one.profile.name, one.name) for one in came} == {("accurate", file.name) for file in profile.files}
    assert cache.check(profile).read_bytes() == TENSORS
    assert not cache.check(profile).is_symlink()
    assert cache.record(profile).revision == snapshot.name


@LINKS
def test_a_snapshot_tells_the_commit_that_the_card_does_not(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    profile = of_the_hub(hub, "detect-instance")
    hub_cache(elsewhere, profile, revision="a" * 40)
    adopt(elsewhere, cache, [profile])
    assert cache.missing(profile) == []
    assert cache.record(profile).revision == "a" * 40


@LINKS
@pytest.mark.parametrize("other", [{"revision": "b" * 40}, {"repository": "some/body"}, {"blob": "not-a-hash"}])
def test_another_snapshot_speaks_for_nothing(
    hub: MadeHub, cache: Cache, elsewhere: Path, other: dict[str, str]
) -> None:
    profile = of_the_hub(hub)
    hub_cache(elsewhere, profile, **other)
    with pytest.raises(ConfigError, match=r"nothing tells whose .*pytorch_model\.bin.*--profile accurate"):
        adopt(elsewhere, cache, [profile])


@LINKS
def test_a_blob_that_is_not_what_it_is_named_is_refused(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    profile = of_the_hub(hub)
    hub_cache(elsewhere, profile, blob="0" * 64)
    with pytest.raises(ModelError, match="expected 0000"):
        adopt(elsewhere, cache, [profile])
    assert cache.missing(profile) == list(profile.files)


def test_what_nobody_speaks_for_is_taken_on_the_operators_word(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    profile = of_the_hub(hub)
    for file in profile.files:
        (elsewhere / file.name).write_bytes(TENSORS if file is profile.weights else CONFIG)
    with pytest.raises(ConfigError, match=r"config\.json, .*: --profile|Say it: --profile accurate"):
        adopt(elsewhere, cache, [profile])
    came = adopt(elsewhere, cache, [profile], on_my_word=True)
    assert [one.known for one in came] == [False] * 3
    cache.check(profile)


def test_its_word_does_not_make_a_wrong_file_right(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    (elsewhere / "made.pth").write_bytes(TENSORS[::-1])
    with pytest.raises(ModelError, match=r"made\.pth is not made\.pth of made"):
        adopt(elsewhere, cache, [of_a_server(hub)], on_my_word=True)
    assert list(cache.folder(of_a_server(hub)).glob("made*")) == []


def test_texts_come_along_with_weights_that_are_known(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    weights = File("model.safetensors", size=len(TENSORS), sha256=SHA256)
    profile = of_the_hub(hub, files=(File("config.json"), weights))
    (elsewhere / "apart").mkdir()
    (elsewhere / "model.safetensors").write_bytes(TENSORS)
    (elsewhere / "apart" / "config.json").write_bytes(b"{}")
    assert [one.name for one in adopt(elsewhere, cache, [profile])] == ["model.safetensors"]
    (elsewhere / "config.json").write_bytes(CONFIG)
    adopt(elsewhere, cache, [profile])
    assert (cache.folder(profile) / "config.json").read_bytes() == CONFIG


@pytest.mark.parametrize("name", ["model.pkl", "model.py", "notes.txt", "made.pth.exe"])
def test_other_kinds_of_files_are_not_even_looked_at(hub: MadeHub, cache: Cache, elsewhere: Path, name: str) -> None:
    (elsewhere / name).write_bytes(TENSORS)
    with pytest.raises(ConfigError, match=r"no file of a profile is there \(looked for \.safetensors, "):
        adopt(elsewhere, cache, [of_a_server(hub)])


def test_what_is_not_there(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or folder"):
        adopt(elsewhere / "nothing", cache, [of_a_server(hub)])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(hub: MadeHub, cache: Cache, elsewhere: Path) -> None:
    (elsewhere / "made.pth").write_bytes(TENSORS)
    (elsewhere / "made.pth").chmod(0)
    with pytest.raises(ModelError, match="Permission denied"):
        adopt(elsewhere, cache, [of_a_server(hub)])


@given(st.binary(max_size=300))
def test_no_record_can_break_it(tmp_path_factory: pytest.TempPathFactory, record: bytes) -> None:
    path = tmp_path_factory.mktemp("record") / "pulled.json"
    path.write_bytes(record)
    assert isinstance(read_record(path).files, dict)


@given(st.dictionaries(st.text(max_size=40), st.tuples(st.text(max_size=70), st.integers(-5, 10**18)), max_size=3))
def test_a_record_from_elsewhere_leads_to_no_file_outside(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[str, int]]
) -> None:
    """Names in a record are never paths that are opened: only those of the card are."""
    base = tmp_path_factory.mktemp("base")
    folder, cache = base / "from" / "fast", Cache(base / "cache")
    folder.mkdir(parents=True)
    record = {"files": {name: {"sha256": sha, "size": size} for name, (sha, size) in files.items()}}
    (folder / "pulled.json").write_bytes(
        msgspec.json.encode(record) if all(s[1] < 2**63 for s in files.values()) else b""
    )
    (folder / "config.json").write_bytes(CONFIG)
    before = sorted(base.rglob("*"))
    with pytest.raises((ConfigError, ModelError)):
        adopt(folder, cache, [profiles.load("fast")])
    assert sorted(base.rglob("*")) == before
    shutil.rmtree(base)
