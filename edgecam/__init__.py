"""edgecam: sees, tracks, spends the encoder's bits where it matters, and shows it live."""
__version__ = "0.1.0"
