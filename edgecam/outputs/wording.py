"""How what an output says went wrong is put into the one line that a user reads."""


def without_name(error, url):
    """Return the words *error* of the output *url* without the name that most of them begin with: where they are told, it stands already."""
    for name in (url, url.replace("***@", "")):
        if error.startswith(name + ": "):
            return error[len(name) + 2:]
    return error
