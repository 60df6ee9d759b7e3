"""What is written to disk and read from it: atomic files, locks, and readers for untrusted files."""
