"""The command `dio`: one module a command; only this edge picks real clocks, sockets and files.

Each module `distribute_io.cli.NAME` has a module-level `app: typer.Typer` with its one command, or with its
subcommands (`dio token create`). `main.py` imports a module only when its command is called, and turns every error of
the tree (`distribute_io.errors`) into one line and an exit code: a command raises such an error, and prints only
results (stdout) and progress (stderr).
"""
