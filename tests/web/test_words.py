"""Every English text in the pages' scripts that reaches people is one that can be said in another language."""

from __future__ import annotations

import re

from support.scripts import WEB, Text, scripts, texts

WORDS = re.compile(
    r"[A-Za-z“”']{2,}[,.:;…)”]* [A-Za-z“(0-9…]|^[A-Z][a-z]+[.:…?!]?$"
    r"|\{\d+\} [a-z]{2,}|[a-z]{2,}[,:]? \{\d+\}|^\d+ [a-z]{2,}"
)
"""What looks like a sentence, or like a button's word."""
CODE = re.compile(
    r"(?:\b(?:Error|DOMException|RegExp|matchMedia|closest|matches|querySelector(?:All)?|query|includes|get|console\.\w+)\("
    r"|\b(?:from|import|case|return typeof)\s*\(?|[!=]==\s*"
    r"|(?:\b(?:class|id|for|role|type|font|autocapitalize|name)|\"(?:class|data-[\w-]+|aria-(?!label|valuetext)[\w-]+)\")\s*[:=]\s*"
    r"|\bplural\((?:[^()\"`;]|\((?:[^()]|\([^()]*\))*\))*,\s*(?:\"[^\"]*\",\s*)?|\bclassName\s*=\s*|replaceSync\()$"
)
"""What stands before a literal that is for the machine, or for ``plural``."""
SHOWN = re.compile(
    r"(?:\.(?:textContent|title|placeholder)\s*=|\bsetText\((?:[^()]|\([^()]*\))*,|\"?\b(?:aria-label|title|placeholder|alt|label)\"?:"
    r"|\bsetAttribute\(\"(?:aria-label|aria-valuetext|title)\",|\bnotice\()\s*$"
)
"""What stands before a literal that is shown, be it a single word."""
SYNTAX = re.compile(
    r"^(?:Escape|Enter|Delete|Backspace|Shift|Tab|Python|Sightline|Suspending|NAME|Macintosh|InputEvent)$"
    r"|^(?:ONNX Runtime|OpenVINO|PyTorch|COCO \(ZIP\)|\{1\} ms|webgpu|wasm, .*|class \{1\}|\S*[/.]\S*)$"
    r"|^(?:button|input|dot|step|pan|mode|blur|sightline|from sightline|Bearer| -H| --cacert| {3}) "
    r"|^with Client|^type: iframe|^(?:\(|<|image/|curl|translate\(|colored|data:)|system-ui"
)
"""Names, markup, code, and words for programs."""
OTHERS = {"wire/stream-stats.js", "panels/openapi.js", "pages/docs.js", "panels/picture/keys.js"}
"""Scripts that have words for programs only, and those of `/docs`, which is English."""


def untold() -> list[Text]:
    """Texts that look as if people read them, and that no language can have."""
    every = [text for path in scripts() for text in texts(path.read_text("utf-8"), str(path.relative_to(WEB)))]
    plain = [text for text in every if text.tag != "t" and text.path not in OTHERS]
    spoken = [text for text in plain if WORDS.search(text.key) or is_shown(text)]
    return [text for text in spoken if not (CODE.search(text.before) or SYNTAX.search(text.key) or is_key(text))]


def is_shown(text: Text) -> bool:
    """True for any word that goes right into the page."""
    said = re.sub(r"\{\d+\}|Sightline", "", text.key)
    return bool(SHOWN.search(text.before)) and bool(re.search(r"[A-Za-z]{2}", said))


def is_key(text: Text) -> bool:
    """True for the name of a property."""
    return text.after.startswith(":") and text.before.rstrip()[-1:] in "{,"


def test_what_people_read_can_be_translated() -> None:
    """A text that fails here is written t`...`, from lib/i18n.js, or is none that people read: then SYNTAX says so."""
    assert [f"{text.path}:{text.line}: {text.key!r}" for text in untold()] == []


def test_the_reader_finds_every_literal_of_a_script() -> None:
    source = """
      // "no" `no`
      const a = "one \\"two\\"", b = /["'`]/.test('three'); /* "no" */
      t`four ${x ? t`five ${'six'}` : "seven"} {${y}}`; return a / b / "eight";
    """
    found = [(text.key, text.tag) for text in texts(source)]
    expected = [
        ('one "two"', ""),
        ("three", ""),
        ("four {1} {{2}}", "t"),
        ("five {1}", "t"),
        ("six", ""),
        ("seven", ""),
    ]
    assert found == [*expected, ("eight", "")]
