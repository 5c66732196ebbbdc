"""Model sheets as owners write them into edaphon.toml, for tests of several rooms."""

__all__ = ["OWN_SHEETS"]

OWN_SHEETS = """
[model."acme.ph1"]
title = "ACME PH1: soil pH"
engine = "ascii"
[model."acme.ph1".frame]
ask = "PH?\\r"
end = "\\r\\n"
separator = "comma"
columns = ["ph", "t"]
divide = { ph = 10 }
[[model."acme.ph1".output]]
name = "ph"
quantity = "soil_ph"
unit = "pH"
[[model."acme.ph1".output]]
name = "t"
quantity = "soil_temperature"
unit = "degC"

[model."plot.cr1000"]
title = "the plot's logger"
engine = "file"
[model."plot.cr1000".frame]
form = "toa5"
column = [{ name = "T_5_Avg", output = "soil_temperature" }]
missing = ["NAN"]
[model."plot.cr1000".frame.time]
columns = ["TIMESTAMP"]
formats = ["%Y-%m-%d %H:%M:%S"]
[[model."plot.cr1000".output]]
name = "soil_temperature"
quantity = "soil_temperature"
unit = "degC"
"""
