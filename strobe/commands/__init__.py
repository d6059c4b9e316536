"""The subcommands of `strobe`, one module a group."""
