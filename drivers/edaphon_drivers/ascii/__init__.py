"""ASCII instruments, declared by a model sheet alone: asked, or sending by themselves."""
