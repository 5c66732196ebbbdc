"""Writes what a build of edaphon is made of, as CycloneDX 1.6: `./run build` calls this.

Parts and their hashes are the pins of requirements/*.txt, by which they are installed; licences and
what needs what come from the parts themselves, as far as they are installed here.
"""

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["Part", "bill", "main", "parts_in"]

ROOT = Path(__file__).parent.parent
DECLARED = LicenseAcknowledgement.DECLARED
NOT_SHIPPED = {"test.txt"}
_PIN = re.compile(
    r"^(?P<needs>[A-Za-z0-9][^\\#\n]*?)\s*(?P<hashes>(?:\\\n\s+--hash=\S+\s*)+)", re.MULTILINE
)
_SPDX = {  # of classifiers, for parts that state no SPDX expression; others name a family only
    "MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


class Part(NamedTuple):
    """One pin; `sha256` of each file that may be installed, `marker` says on which machines."""

    name: str
    version: str
    sha256: tuple[str, ...]
    marker: str
    file: str


def parts_in(folder: Path) -> list[Part]:
    """The pins of what is installed on a logger, those of an extra behind the others."""
    found: dict[tuple[str, str], Part] = {}
    for path in sorted(folder.glob("*.txt"), key=lambda path: path.name != "run.txt"):
        if path.name not in NOT_SHIPPED:
            for part in _pins(path):
                found.setdefault((part.name, part.version), part)
    return sorted(found.values())


def _pins(path: Path) -> Iterator[Part]:
    for match in _PIN.finditer(path.read_text("utf-8")):
        needs = Requirement(match["needs"])
        (pin,) = needs.specifier
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", match["hashes"])
        name, marker = canonicalize_name(needs.name), str(needs.marker or "")
        yield Part(name, pin.version, tuple(sorted(hashes)), marker, path.name)


def bill(parts: list[Part], version: str, built: list[Path], made: datetime) -> Bom:
    """Of the files that were built, with what each part needs. The same input is the same bill."""
    own = Component(
        name="edaphon",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"pkg:pypi/edaphon@{version}",
        purl=PackageURL("pypi", None, "edaphon", version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=_sha256(path)) for path in built],
        licenses=_licences("edaphon"),
    )
    found = [(part.name, _component(part)) for part in parts]
    result = Bom(components=[component for _, component in found])
    result.metadata.component, result.metadata.timestamp = own, made
    named = "\n".join(map(str, [version, *(_sha256(path) for path in built), *parts]))
    result.serial_number = uuid5(NAMESPACE_URL, named)
    for name, component in [("edaphon", own), *found]:
        needs = _needs(name)
        result.register_dependency(component, [other for of, other in found if of in needs])
    return result


def _component(part: Part) -> Component:
    purl = PackageURL("pypi", None, part.name, part.version)
    stated = {"edaphon:requirements": part.file, "edaphon:marker": part.marker}
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        scope=ComponentScope.REQUIRED if part.file == "run.txt" else ComponentScope.OPTIONAL,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=value) for value in part.sha256],
        licenses=_licences(part.name),
        properties=[Property(name=name, value=value) for name, value in stated.items() if value],
    )


def _licences(name: str) -> list[License]:
    """As the installed part states it: an SPDX expression where it has one, else its own words."""
    try:
        about = metadata(name)
    except PackageNotFoundError:  # of another system
        return []
    make = LicenseFactory()
    if expression := about.get("License-Expression"):
        return [make.make_from_string(expression, license_acknowledgement=DECLARED)]
    rows = about.get_all("Classifier") or []
    named = [row.rpartition(" :: ")[2] for row in rows if row.startswith("License :: OSI Approved")]
    short = [line for line in (about.get("License") or "").splitlines()[:1] if line]
    return [
        make.make_from_string(_SPDX.get(words, words), license_acknowledgement=DECLARED)
        for words in dict.fromkeys(named or short)
    ]


def _needs(name: str) -> set[str]:
    """The names of what an installed part needs, extras left out."""
    try:
        rows = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    needs = [Requirement(row) for row in rows]
    return {canonicalize_name(n.name) for n in needs if "extra" not in str(n.marker or "")}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(folder: Path) -> Path:
    """Write the bill of the wheel and the source archive in a folder; the path of the bill."""
    built = sorted([*folder.glob("edaphon-*.whl"), *folder.glob("edaphon-*.tar.gz")])
    if len(built) != 2:
        names = ", ".join(path.name for path in built) or "none"
        raise SystemExit(f"expected one wheel and one source archive in {folder}, got {names}")
    version = metadata("edaphon")["Version"]
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    parts, when = parts_in(ROOT / "requirements"), datetime.fromtimestamp(seconds, UTC)
    made = bill(parts, version, built, when)
    path = folder / f"edaphon-{version}.cdx.json"
    path.write_text(JsonV1Dot6(made).output_as_string(indent=2) + "\n", "utf-8")
    return path


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
