"""One module a command: its docstring is the help, `add_arguments(parser)`, `main(args)` gives the exit code."""
