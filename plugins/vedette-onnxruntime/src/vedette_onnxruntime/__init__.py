"""ONNX Runtime backend. Importing this package does not load the runtime; opening a session does."""
