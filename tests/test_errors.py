"""What went wrong, in the own words of an error."""
import errno
import os

import pytest

from edgecam.errors import reason


@pytest.mark.parametrize("error, words", [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/a.mp4"), "No space left on device"), (OSError("no such call"), "no such call"), (OSError(), "OSError"),
    (ValueError("no tar file"), "no tar file"), (EOFError(), "EOFError")])
def test_an_error_is_told_in_its_own_words(error, words):
    assert reason(error) == words


def test_the_number_and_the_name_are_left_to_the_message_around():
    with pytest.raises(FileNotFoundError) as caught:
        open("/no/such/file")
    assert reason(caught.value) == "No such file or directory"


def test_a_file_s_error_without_a_strerror_says_more_than_none(monkeypatch, tmp_path):
    """Libraries and fake drivers raise `OSError` with words alone."""
    from edgecam.detect import stills
    from edgecam.errors import OutputError

    def refuse(path, content):
        raise OSError("the disk is asleep")
    monkeypatch.setattr(stills, "write_whole", refuse)
    monkeypatch.setattr(stills, "encode_still", lambda image, ending: b"")
    with pytest.raises(OutputError, match="a.png: can't be written: the disk is asleep"):
        stills.write_still(str(tmp_path / "a.png"), None)
