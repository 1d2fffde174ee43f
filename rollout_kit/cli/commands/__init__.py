"""One file a command, each with `run(arguments, console) -> ExitCode`."""
