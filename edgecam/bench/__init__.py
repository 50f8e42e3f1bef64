"""One module a benchmark, with the same three things as a command; a name with an underscore is a part of one."""
