"""SDI-12: talks with probes on a shared line, and the readings in what they answered."""
