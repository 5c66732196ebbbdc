"""Makes counts.csv: what a TEROS 12 would have answered for each row of the field record.

Independent of edaphon's own code: decimal arithmetic on the maker's published mineral equation,
theta = 3.879e-4 RAW - 0.6956, solved for RAW and rounded to whole counts; temperature rounded to
0.1 degC. A number that the record lacks is the probe's failure code. Run: python make_counts.py
"""

import csv
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

HERE = Path(__file__).parent
FAILURE = "-9999"


def counts(theta: str) -> str:
    raw = (Decimal(theta) + Decimal("0.6956")) / Decimal("3.879e-4")
    return f"{raw.quantize(Decimal(1), ROUND_HALF_EVEN):+}"


def celsius(temperature: str) -> str:
    return f"{Decimal(temperature).quantize(Decimal('0.1'), ROUND_HALF_EVEN):+}"


def main() -> None:
    record = (HERE / "cosore_d20190617_SCOTT_WHS.csv").open(newline="", encoding="ascii")
    table = (HERE / "counts.csv").open("w", newline="", encoding="ascii")
    with record, table:
        out = csv.writer(table, lineterminator="\n")
        out.writerow(["time", "counts", "temperature"])
        for row in csv.DictReader(record):
            moisture, warmth = row["CSR_SM5"], row["CSR_T5"]
            stated = [
                counts(moisture) if moisture else FAILURE,
                celsius(warmth) if warmth else FAILURE,
            ]
            out.writerow([row["CSR_TIMESTAMP_BEGIN"], *stated])


if __name__ == "__main__":
    main()
