"""README.zh-CN.md is a translation of README.md as it is now: the same sections, code, links and pictures."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
MARK = re.compile(r"<!-- English: ([0-9a-f]{12}) -->\n")
TERMS = ("转码任务", "清晰度", "码率", "视频点播", "账号", "告警")
"""As Alibaba Cloud's Chinese documents have them: https://help.aliyun.com/zh/vod/"""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a README. `digest` is of all its text."""

    level: int
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def blocks(self) -> list[str]:
        return re.findall(r"^```.*?^```$", self.text, re.DOTALL | re.MULTILINE)

    @property
    def prose(self) -> str:
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.DOTALL | re.MULTILINE)

    @property
    def code(self) -> list[str]:
        return sorted(re.findall(r"`([^`\n]+)`", re.sub(r"\s+", " ", self.prose)))

    @property
    def links(self) -> list[str]:
        targets = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", self.prose)
        return sorted(set(filter(None, (target for pair in targets for target in pair))) - {ENGLISH, CHINESE})

    @property
    def rows(self) -> int:
        return len(re.findall(r"^\|", self.prose, re.MULTILINE))

    @property
    def items(self) -> int:
        return len(re.findall(r"^- ", self.prose, re.MULTILINE))


def sections(name: str) -> list[Section]:
    """The sections of a README. Lines that begin with # within code are no headings."""
    found: list[list[str]] = []
    within = False
    for line in (ROOT / name).read_text().splitlines():
        within ^= line.startswith("```")
        if re.match(r"#+ ", line) and not within:
            found.append([])
        found[-1].append(line)
    return [Section(len(lines[0].split()[0]), "\n".join(lines).rstrip() + "\n") for lines in found]


PAIRS = list(zip(sections(ENGLISH), sections(CHINESE), strict=False))
IDS = [english.text.splitlines()[0].lstrip("# ") for english, _ in PAIRS]


def test_both_have_the_same_headings() -> None:
    levels = [[section.level for section in sections(name)] for name in (ENGLISH, CHINESE)]
    assert levels[0] == levels[1]
    assert len(levels[0]) >= 7


def test_each_links_to_the_other() -> None:
    assert f"]({CHINESE})" in sections(ENGLISH)[0].text
    assert f"]({ENGLISH})" in sections(CHINESE)[0].text


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=IDS)
def test_a_section_is_translated_from_the_english_text_of_today(english: Section, chinese: Section) -> None:
    """Each Chinese section has a digest of the English one. Change it only when you have translated the change."""
    assert MARK.findall(chinese.text) == [english.digest], (
        "translate the change, then write the new digest below the heading"
    )


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=IDS)
def test_code_links_tables_and_lists_are_the_same(english: Section, chinese: Section) -> None:
    assert chinese.blocks == english.blocks
    assert chinese.code == english.code
    assert chinese.links == english.links
    assert (chinese.rows, chinese.items) == (english.rows, english.items)


def test_terms_are_those_of_the_chinese_documents_of_vod() -> None:
    text = (ROOT / CHINESE).read_text()
    assert [term for term in TERMS if term not in text] == []
