"""What FFmpeg hangs on a picture, read through PyAV."""


def side_data(picture):
    """Return the side data of a PyAV picture, by position or by name.

    Not ``picture.side_data``: the picture keeps what that returns, and is kept by it, so that its
    pixels would stay until Python's garbage collector comes by, which may take a hundred frames.
    """
    from av.sidedata.sidedata import SideDataContainer
    return SideDataContainer(picture)
