"""The house stays small and plainly named: nothing grows above what was measured last.

`python -m tests.house` prints the same numbers room by room, and where each stands.
"""

import statistics

from tests.house import (
    PACKAGES,
    all_files,
    broad_excepts,
    code_files,
    dispatches,
    double_classes,
    function_sizes,
    imports_of,
    imports_per_file,
    lines_of,
    word_hits,
)

# What was measured last: whoever makes a number smaller lowers it here.
FILES = 269
LINES = 66_600  # the aim was 67,178
LONGEST_FILE = 550
IMPORTS = {"edaphon": 2533, "edaphon_drivers": 473, "edaphon_calibration": 192}  # statements
# A file that takes another one in has more of them, while there are fewer in all: decision 0035.
IMPORTS_PER_FILE = {"edaphon": 14.6, "edaphon_drivers": 7.6, "edaphon_calibration": 6.0}  # aim: 7.0

FUNCTION_MEDIAN, FUNCTION_P95, LONGEST_FUNCTION = 6, 24, 60
DOUBLE_CLASSES = 0
DISPATCHES = 1  # the public names, imported at their first use
BROAD_EXCEPTS = 10
WORDS_IN_PACKAGES = 0
WORDS_IN_TESTS = 3  # a list of such words


def test_there_are_no_more_files_than_before():
    assert len(code_files()) <= FILES


def test_there_are_no_more_lines_than_before():
    assert sum(len(lines_of(path)) for path in code_files()) <= LINES


def test_no_file_is_longer_than_a_reader_bears():
    assert [str(p) for p in code_files() if len(lines_of(p)) > LONGEST_FILE] == []


def test_there_are_no_more_imports_than_before():
    counted = {
        name: sum(imports_of(p) for p in code_files() if p.is_relative_to(folder))
        for name, folder in PACKAGES.items()
    }
    assert {name: n for name, n in counted.items() if n > IMPORTS[name]} == {}


def test_a_file_needs_few_others():
    counted = {
        name: round(imports_per_file(p for p in code_files() if p.is_relative_to(folder)), 1)
        for name, folder in PACKAGES.items()
    }
    assert {name: n for name, n in counted.items() if n > IMPORTS_PER_FILE[name]} == {}


def test_functions_are_short():
    sizes = function_sizes(code_files())
    assert statistics.median(sizes) <= FUNCTION_MEDIAN
    assert sizes[int(0.95 * len(sizes))] <= FUNCTION_P95
    assert sizes[-1] <= LONGEST_FUNCTION


def test_a_class_name_is_there_once_in_a_package():
    found = double_classes()
    assert sum(len(places) - 1 for places in found.values()) <= DOUBLE_CLASSES, found


def test_no_text_chooses_what_is_called():
    found = dispatches()
    assert len(found) <= DISPATCHES, found


def test_few_places_catch_everything():
    found = broad_excepts()
    assert len(found) <= BROAD_EXCEPTS, found


def test_the_words_are_plain():
    packages = set(code_files())
    found = {
        is_test: [
            hit for p in all_files() if (p not in packages) == is_test for hit in word_hits(p)
        ]
        for is_test in (False, True)
    }
    assert len(found[False]) <= WORDS_IN_PACKAGES, "\n".join(found[False])
    assert len(found[True]) <= WORDS_IN_TESTS, "\n".join(found[True])
