"""Talks to the world: HTTP mirrors, WebRTC peers, the coordinator's session. Decides nothing."""
