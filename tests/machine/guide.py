"""The command blocks of README and of the technician's guide, and how a test carries each out."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.documents import ROOT

PAGES = (ROOT / "README.md", ROOT / "docs" / "technician.md")
_BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PROGRAMS = ("edaphon", "./run", "sudo", "git", "cd", "export", "systemctl", "ls", "mosquitto")


@dataclass(frozen=True)
class Block:
    """One or more lines that a reader types, one after the other."""

    page: str
    text: str

    @property
    def first(self) -> str:
        """Its first line without comment."""
        return re.split(r"\s{3,}|\s+#", self.text.splitlines()[0].strip())[0]

    @property
    def lines(self) -> list[str]:
        """The commands; a column of explanations behind one is no part of it."""
        whole = self.text.replace("\\\n", " ").splitlines()
        return [re.sub(r"\s{3,}(?!\s*--).*$", "", line.strip()) for line in whole]


def blocks(page: Path) -> list[Block]:
    """Every block of commands; fenced text is configuration, and no block of the shell."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    found = [Block(page.name, re.sub("^    ", "", b, flags=re.M)) for b in _BLOCK.findall(text)]
    return [block for block in found if block.text.split()[0] in _PROGRAMS]


def shells(page: Path) -> list[str]:
    """Fenced blocks that say they are commands: none, or `blocks` would not see them."""
    return re.findall(r"^```(?:sh|bash|shell|console)$", page.read_text("utf-8"), re.MULTILINE)
