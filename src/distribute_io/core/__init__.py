"""Decisions: pure code without clock, chance, sockets or files. They come in as arguments."""
