"""Downloads: what to fetch and whom to trust (`plan`), and the driver that fetches, verifies and writes it."""
