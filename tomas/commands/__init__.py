"""The sub-commands of `tomas`: each module has `add_arguments(parser)` and `run(args) -> exit code`."""
