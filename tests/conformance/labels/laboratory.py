"""Balances of the laboratory: the model sheet of each label."""

import re

from tests.conformance.entries import Decoder
from tests.conformance.labels.ascii_lines import ascii_decoder

__all__ = ["DEVICES", "find"]

_MAKERS = {
    "Mettler": ascii_decoder("mettler-toledo.mt-sics"),
    "Sartorius": ascii_decoder("sartorius.sbi"),
    "Ohaus": ascii_decoder("ohaus.balance"),
}

DEVICES: dict[str, Decoder] = {"Mettler-Toledo balance (MT-SICS)": _MAKERS["Mettler"]}


def find(label: str) -> Decoder | None:
    """A label names its maker first."""
    maker = re.match(r"(Mettler|Sartorius|Ohaus)\b", label)
    return _MAKERS[maker[1]] if maker else None
