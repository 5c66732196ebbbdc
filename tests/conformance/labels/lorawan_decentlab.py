"""Decentlab devices: the label is the maker's name of the model, and so is the sheet's."""

from tests.conformance.entries import Decoder, Entry, Given
from tests.conformance.labels.lorawan_uplinks import lorawan

from edaphon_drivers.sheets import model_names

__all__ = ["DEVICES"]

_MODELS = [name for name in model_names() if name.startswith("decentlab.")]


def _kl66(entry: Entry) -> list[Given]:
    """The maker's table has no unit for the interval, which is x / 32768 of a watch crystal."""
    given = lorawan("decentlab.dl-kl66")(entry)
    return [g._replace(unit=None) if g.quantity == "measurement_interval" else g for g in given]


DEVICES: dict[str, Decoder] = {
    f"Decentlab {name.removeprefix('decentlab.').upper()}": lorawan(name) for name in _MODELS
} | {"Decentlab DL-KL66": _kl66}
