"""Distribute.io: verified downloads from mirrors and from people who only opened a page."""

__version__ = "0.1.0"
