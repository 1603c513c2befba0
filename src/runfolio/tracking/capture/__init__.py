"""What surrounds a run, captured with no line of user code: command, code, machine, libraries, seeds."""
