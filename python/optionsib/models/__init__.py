"""Training, cards and ONNX serving."""
