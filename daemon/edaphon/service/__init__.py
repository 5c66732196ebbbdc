"""The running service: every part put together, started, supervised, asked over its sockets."""
