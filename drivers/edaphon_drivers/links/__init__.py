"""Links: the wires and connections that bytes come over."""
