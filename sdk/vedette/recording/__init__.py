"""Recordings: what a stream captured, kept so that its run can be repeated. See docs/recording.md."""
