"""`edaphon cal`: calibrations and checks, from their points to values that rest on them."""
