"""Decentlab devices: the label is the maker's name of the model, and so is the sheet's."""

from tests.conformance.entries import Decoder, Entry, Given
from tests.conformance.labels.lorawan_uplinks import lorawan

__all__ = ["DEVICES"]

_MODELS = (
    "decentlab.dl-10hs",
    "decentlab.dl-5te",
    "decentlab.dl-5tm",
    "decentlab.dl-ac",
    "decentlab.dl-alb",
    "decentlab.dl-atm22",
    "decentlab.dl-atm41",
    "decentlab.dl-atm41g2",
    "decentlab.dl-blg",
    "decentlab.dl-ctd10",
    "decentlab.dl-ctd10b",
    "decentlab.dl-cws",
    "decentlab.dl-cws2",
    "decentlab.dl-dlr2-002",
    "decentlab.dl-dlr2-003",
    "decentlab.dl-dlr2-004",
    "decentlab.dl-dlr2-005",
    "decentlab.dl-dlr2-006",
    "decentlab.dl-dlr2-008",
    "decentlab.dl-dlr2-009",
    "decentlab.dl-dlr2-010",
    "decentlab.dl-dlr2-011",
    "decentlab.dl-dlr2-012",
    "decentlab.dl-ds18",
    "decentlab.dl-ds182",
    "decentlab.dl-dws",
    "decentlab.dl-epar",
    "decentlab.dl-fspar",
    "decentlab.dl-gmm",
    "decentlab.dl-gs3",
    "decentlab.dl-iam",
    "decentlab.dl-ifd",
    "decentlab.dl-ilt",
    "decentlab.dl-isd",
    "decentlab.dl-isf",
    "decentlab.dl-itst",
    "decentlab.dl-kl66",
    "decentlab.dl-lid",
    "decentlab.dl-lid2",
    "decentlab.dl-lp8p",
    "decentlab.dl-lpw",
    "decentlab.dl-lws",
    "decentlab.dl-mbx",
    "decentlab.dl-mes5",
    "decentlab.dl-ntu",
    "decentlab.dl-optod",
    "decentlab.dl-par",
    "decentlab.dl-pheht",
    "decentlab.dl-pm",
    "decentlab.dl-pr21",
    "decentlab.dl-pr26",
    "decentlab.dl-pr36",
    "decentlab.dl-pr36ctd",
    "decentlab.dl-pyr",
    "decentlab.dl-rad",
    "decentlab.dl-rhc",
    "decentlab.dl-sdd",
    "decentlab.dl-sht21",
    "decentlab.dl-sht35",
    "decentlab.dl-smtp",
    "decentlab.dl-tbrg",
    "decentlab.dl-tp",
    "decentlab.dl-trs11",
    "decentlab.dl-trs12",
    "decentlab.dl-trs21",
    "decentlab.dl-wrm",
    "decentlab.dl-zn1",
    "decentlab.dl-zn2",
)


def _kl66(entry: Entry) -> list[Given]:
    """The maker's table has no unit for the interval, which is x / 32768 of a watch crystal."""
    given = lorawan("decentlab.dl-kl66")(entry)
    return [g._replace(unit=None) if g.quantity == "measurement_interval" else g for g in given]


DEVICES: dict[str, Decoder] = {
    f"Decentlab {name.removeprefix('decentlab.').upper()}": lorawan(name) for name in _MODELS
} | {"Decentlab DL-KL66": _kl66}
