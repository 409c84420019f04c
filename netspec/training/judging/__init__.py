"""What a test says of a net beyond its scores: heads judged by classes, labels or numbers, and their worst samples."""
