"""Places that observations are copied to: InfluxDB and its like, with proof of what arrived."""
