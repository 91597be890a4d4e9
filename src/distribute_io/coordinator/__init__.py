"""`dio serve`: embedded mirror, catalogue, sessions, STUN and pages, wired together."""
