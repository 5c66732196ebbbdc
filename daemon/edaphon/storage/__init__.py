"""The storage folder: where files lie in it, whose they are, and how it is opened for reading."""
