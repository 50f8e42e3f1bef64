"""What runs on an NVIDIA GPU beside the engine: memory and contexts through pycuda, and edgecam's own kernels."""
