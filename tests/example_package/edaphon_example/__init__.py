"""One part of each kind for edaphon; the folder `models` has its model sheets."""
