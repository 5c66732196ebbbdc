"""The account of a file's lines, by the name that the file engines use for it."""

from edaphon_drivers.line_account import FIRST as FIRST
from edaphon_drivers.line_account import TEXT_BYTES as TEXT_BYTES
from edaphon_drivers.line_account import Context as Context
from edaphon_drivers.line_account import LineCounts as LineCounts
from edaphon_drivers.line_account import RefusedLine as RefusedLine
from edaphon_drivers.line_account import Slice as Slice
