"""ASCII instruments, declared by a model sheet alone: asked or heard, line by line."""
