"""One module a benchmark, with the same three things as a command; helpers start with an underscore."""
