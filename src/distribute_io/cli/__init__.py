"""The command `dio`: one module a command; only this edge picks real clocks, sockets and files."""
