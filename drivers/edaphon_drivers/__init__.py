"""From the wire to a reading: links, talks without I/O, decoders, model sheets, simulators."""
