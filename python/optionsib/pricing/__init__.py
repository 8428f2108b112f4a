"""NumPy face of the pricing kernels."""
