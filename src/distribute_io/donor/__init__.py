"""The headless donor: holds segments on disk, fetches what it is assigned, serves it under hard limits."""
