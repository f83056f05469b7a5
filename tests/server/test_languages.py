"""Other languages: each has all that the pages say, a person gets the one that they want, and English costs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from sightline.server import assets, languages, pages
from sightline.settings.settings import Settings
from support.serving import Running, serving
from support.spoken import spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")
GERMAN = {"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"}
HTML = {"Accept": "text/html"}
SOURCE = Path(assets.__file__).parents[1]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving() as running:
        yield running


def places(text: str) -> list[str]:
    return sorted(re.findall(r"\{\d+\}", text))


@pytest.mark.parametrize("code", sorted(languages.languages()))
async def test_a_language_has_every_word_of_the_pages_and_no_other(code: str) -> None:
    """Where this fails, its message has the lines to add to, or to take from, the language's file."""
    words = languages.languages()[code]["words"]
    said = spoken() | {"English": "its own name"}
    missing = [
        f"{json.dumps(key, ensure_ascii=False)}: …,   ({where})" for key, where in said.items() if key not in words
    ]
    assert not missing, f"add to web/languages/{code}.json:\n" + "\n".join(missing)
    unknown = [json.dumps(key, ensure_ascii=False) for key in words if key not in said]
    assert not unknown, f"no page says this any more, take it out of web/languages/{code}.json:\n" + "\n".join(unknown)


@pytest.mark.parametrize("code", sorted(languages.languages()))
async def test_a_translation_keeps_what_is_filled_in_and_the_space_at_the_end(code: str) -> None:
    language = languages.languages()[code]
    assert language["language"] == code
    for key, text in (language["words"] | language["said"] | language["admin"]).items():
        if "|" not in key:
            assert places(text) == places(key), key
        assert text.strip(), key
        assert text.endswith(" ") == key.endswith(" "), key
        assert sorted(re.findall(r"</?\w+>", text)) == sorted(re.findall(r"</?\w+>", key)), key


async def test_what_the_server_is_known_to_say_it_still_says() -> None:
    """A sentence that was changed in the source must be changed in the languages, too."""
    source = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py")).replace("\\'", "'")
    plain = re.sub(r'"\s*\n\s*f?"', "", source) + "\n".join(path.read_text() for path in SOURCE.glob("*/*.json"))
    for code, language in languages.languages().items():
        for key in language["said"] | language["admin"]:
            for part in re.split(r"\{\d+\}", key):
                assert part in plain, f"{code}: nobody says {key!r} any more"


@pytest.mark.parametrize("code", sorted(languages.languages()))
async def test_every_setting_is_described_in_the_language(code: str) -> None:
    known = languages.languages()[code]["admin"]
    missing = [json.dumps(one.description) for one in Settings.model_fields.values() if one.description not in known]
    assert not missing, f"add to “admin” of web/languages/{code}.json:\n" + "\n".join(missing)


@pytest.mark.parametrize("code", sorted(languages.languages()))
async def test_every_task_of_the_server_has_a_name_in_the_language(server: Running, code: str) -> None:
    known = languages.languages()[code]["admin"]
    tasks = [task["name"] for task in (await server.get("/api/server"))["tasks"]]
    assert len(tasks) > 8
    assert not [name for name in tasks if name not in known]


@pytest.mark.parametrize(
    ("address", "headers", "language"),
    [
        ("/", {}, "en"),
        ("/", GERMAN, "de"),
        ("/", {"Accept-Language": "fr, de;q=0.8, en;q=0.9"}, "en"),
        ("/", {"Accept-Language": "fr, DE-AT"}, "de"),
        ("/", {"Accept-Language": "*;q=x, ,;;de"}, "en"),
        ("/", {"Accept-Language": "de;q=0"}, "en"),
        ("/", {"Cookie": "sightline_language=de"}, "de"),
        ("/", GERMAN | {"Cookie": "sightline_language=en"}, "en"),
        ("/", {"Cookie": "sightline_language=../x"}, "en"),
        ("/?language=de", {"Cookie": "sightline_language=en"}, "de"),
        ("/?language=xx", GERMAN, "de"),
    ],
)
async def test_the_address_then_the_choice_then_the_browser_decide(
    server: Running, address: str, headers: dict[str, str], language: str
) -> None:
    answer = await server.http.get(address, headers={"Accept-Language": ""} | headers)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"


async def test_a_page_comes_in_german_with_scripts_that_are_german(server: Running) -> None:
    english, german = [await server.http.get("/view/x", headers=one) for one in ({}, GERMAN)]
    assert english.headers["etag"] != german.headers["etag"]
    assert "<h2>Overlay</h2>" in english.text
    assert "<h2>Einblendung</h2>" in german.text
    again = await server.http.get("/view/x", headers=GERMAN | {"If-None-Match": german.headers["etag"]})
    assert again.status_code == 304
    scripts = re.findall(r'(?:src|href)="(/static/[^"]+\.js)"', german.text)
    assert assets.address("lib/language.js", "de") in scripts
    assert all("/de/" in script for script in scripts)
    table = await server.http.get(assets.address("lib/language.js", "de"))
    assert table.headers["cache-control"].endswith("immutable")
    assert json.loads(table.text.removeprefix("export default "))["language"] == "de"
    raw = await server.http.get("/static/de/lib/language.js", headers={"Accept-Encoding": "identity"})
    assert raw.text == table.text
    assert raw.headers["content-type"].startswith("text/javascript")
    same = await server.http.get(assets.address("lib/dom.js", "de"))
    assert same.text == (await server.http.get("/static/lib/dom.js")).text
    for wrong in ("xx/lib/dom.js", "de/de/lib/dom.js", "de/../secret"):
        assert (await server.http.get(f"/static/{wrong}")).status_code == 404


async def test_the_service_worker_is_told_the_words_that_a_person_reads(server: Running) -> None:
    """Its address is the same for all: another would take the place of one that runs, which hung pages."""
    words = await server.http.get("/language.json", headers=GERMAN)
    assert words.json()["words"]["Try now"] == "Jetzt versuchen"
    assert "Cookie" in words.headers["vary"]
    english = await server.http.get("/language.json")
    assert english.json() == {"language": "en", "words": {}, "classes": {}, "said": {}}
    away = await server.http.get("/away", headers=GERMAN)
    assert "Jetzt versuchen" in away.text
    assert "sha256-" in away.headers["content-security-policy"]


async def test_an_installed_page_has_a_german_name_for_what_it_offers(server: Running) -> None:
    english, german = [
        (await server.http.get(assets.address(assets.MANIFEST, code))).json() for code in (assets.ENGLISH, "de")
    ]
    assert german["lang"] == "de"
    assert [one["name"] for one in german["shortcuts"]] == ["Kamera dieses Geräts nutzen", "Monitorwand", "Ereignisse"]
    assert {key for key in english if english[key] != german[key]} == {"lang", "description", "shortcuts"}
    answer = await server.http.get(assets.address(assets.MANIFEST, "de"), headers={"Accept-Encoding": "identity"})
    assert answer.headers["content-type"] == "application/manifest+json"
    page = await server.http.get("/", headers=GERMAN)
    assert assets.address(assets.MANIFEST, "de") in page.text


async def test_a_page_of_an_error_is_german(server: Running) -> None:
    page = await server.http.get("/view/a b", headers=HTML | GERMAN)
    assert "Diese Seite lässt sich nicht zeigen" in page.text
    assert "1 bis 64 Buchstaben" in page.text
    assert ">Alle Streams<" in page.text
    lost = await server.http.get("/nowhere", headers=HTML | GERMAN)
    assert "<h1>Hier ist nichts</h1>" in lost.text
    assert "<p>Unter dieser Adresse gibt es nichts.</p>" in lost.text


async def test_documents_are_english_in_a_frame_that_is_not(server: Running) -> None:
    assert '<html lang="en">' in (await server.http.get("/docs", headers=GERMAN)).text
    said = "Die Dokumentation ist auf Englisch."
    for path, frame, own in (
        ("/help", "<h1>Hilfe</h1>", '<ul lang="en">'),
        ("/help/cameras", ">Alle Dokumente<", '<article lang="en">'),
    ):
        german, english = [(await server.http.get(path, headers=one)).text for one in (GERMAN, {})]
        for part in ('<html lang="de">', frame, said, own, "· Hilfe · Sightline"):
            assert part in german, (path, part)
        assert own in english
        assert said not in english
    assert "<h2>Kameras und Modelle</h2>" in (await server.http.get("/help", headers=GERMAN)).text


async def test_what_only_the_settings_page_says_costs_no_other_page_anything(server: Running) -> None:
    page = await server.http.get("/settings", headers=GERMAN)
    own = assets.address("lib/language-admin.js", "de")
    assert own in page.text
    words = json.loads((await server.http.get(own)).text.removeprefix("export default "))
    assert words["admin"]["Streams at a time."] == "Streams zugleich."
    everywhere = await server.http.get(assets.address("lib/language.js", "de"))
    assert "Streams zugleich." not in everywhere.text


async def test_an_embedded_viewer_takes_the_scripts_of_each_language(server: Running) -> None:
    script = (await server.http.get("/embed.js")).text
    for code in ("en", "de"):
        address = assets.address("pages/embed.js", code)
        assert f'"{code}": "{address}"' in script
        assert "SightlineViewer" in (await server.http.get(address)).text


async def test_markup_inside_a_sentence_belongs_to_it() -> None:
    html = '<p>Press <kbd>j</kbd>\n  twice.</p><a title="More &amp; more">1</a><script>"Not this"</script><!-- nor -->'
    assert languages.texts(html) == ["Press <kbd>j</kbd> twice.", "More & more"]
    assert pages.page("index.html") == pages.page("index.html", "en")
    connection = HTTPConnection({"type": "http", "headers": [], "query_string": b"", "path": "/"})
    assert languages.wanted(connection) == "en"
