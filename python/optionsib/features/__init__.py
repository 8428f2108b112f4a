"""One definition of each feature, for batch and stream."""
