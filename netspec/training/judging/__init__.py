"""What a test says of a net beyond its scores: each head judged by classes, labels or numbers, and its worst samples."""
